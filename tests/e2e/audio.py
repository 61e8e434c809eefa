"""What somebody heard, as the referee of media: tones by Goertzel's filter in files that grow while a call lasts."""

from __future__ import annotations

import math
import struct
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.e2e.support import wait_for

RATE: Final = 8000
HEADER: Final = 44
"""Bytes of a WAV file before its samples, which are 16 bit."""
WINDOW_SECONDS: Final = 0.5
LOUD: Final = 300.0
"""Amplitude from which a tone counts as heard; the phones send thousands, and what leaks from others is under 20."""
AGENT, CUSTOMER, TARGET, SUPERVISOR = 1130, 1370, 1610, 1850
"""Hertz; apart from each other, from speech's strongest part and from dial tones."""
COUNT: Final = (2100, 2400, 2700, 3000, 3300)
"""Hertz of somebody who counts to five when they have answered."""
COUNTS: Final = ",".join(("!0/300", *(f"!{hertz}/200" for hertz in COUNT), str(TARGET)))
"""What Playtones() needs for it; a tone follows that stays."""
TONES: Final = {AGENT: "agent", CUSTOMER: "customer", TARGET: "target", SUPERVISOR: "supervisor"}


def amplitude(samples: tuple[int, ...], hertz: float) -> float:
    """How loud a tone is in the samples. Source: G. Goertzel, American Mathematical Monthly 65 (1958)."""
    turn = 2.0 * math.cos(2.0 * math.pi * hertz / RATE)
    last = before = 0.0
    for sample in samples:
        last, before = sample + turn * last - before, last
    power = last * last + before * before - turn * last * before
    return 2.0 * math.sqrt(max(0.0, power)) / len(samples)


def tones(samples: tuple[int, ...]) -> set[str]:
    """Whose tones are in the samples."""
    return {name for hertz, name in TONES.items() if amplitude(samples, hertz) > LOUD}


def counted(samples: tuple[int, ...]) -> list[int]:
    """What is heard of a count: the hertz, in the order in which they are heard."""
    step = RATE // 20
    found: list[int] = []
    for at in range(0, len(samples) - step + 1, step):
        loud = [
            hertz for hertz in COUNT if amplitude(samples[at : at + step], hertz) > LOUD and hertz not in found[-1:]
        ]
        found += loud
    return found


def loudness(samples: tuple[int, ...]) -> float:
    """Root mean square."""
    return math.sqrt(sum(sample * sample for sample in samples) / len(samples))


def unpacked(data: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(data) // 2}h", data[: len(data) // 2 * 2])


@dataclass(frozen=True)
class Ear:
    """The file `path` (without its ending) in which the carrier writes what somebody hears."""

    path: Path

    @property
    def file(self) -> Path:
        return self.path.with_suffix(".wav")

    def size(self) -> int:
        return self.file.stat().st_size if self.file.is_file() else 0

    def samples(self) -> tuple[int, ...]:
        """What is heard from now on, for a moment."""
        begin = max(HEADER, self.size())
        begin += begin % 2
        wanted = int(WINDOW_SECONDS * RATE) * 2
        wait_for(lambda: self.size() >= begin + wanted, f"{self.path.name} to hear for {WINDOW_SECONDS} s")
        with self.file.open("rb") as file:
            file.seek(begin)
            return unpacked(file.read(wanted))

    def since(self, begin: int) -> tuple[int, ...]:
        """What was heard since the file had this size."""
        with self.file.open("rb") as file:
            file.seek(max(HEADER, begin + begin % 2))
            return unpacked(file.read())

    def hears(self, *names: str) -> None:
        """Wait until exactly these tones are heard."""
        seen: list[set[str]] = []

        def heard() -> bool:
            seen.append(tones(self.samples()))
            return seen[-1] == set(names)

        try:
            wait_for(heard, f"{self.path.name} to hear {names or 'nobody'}")
        except AssertionError as error:
            raise AssertionError(f"{error}; heard={seen[-5:]}") from error

    def hears_music(self) -> None:
        """Wait until something is heard, and nobody's tone is in it."""

        def heard() -> bool:
            samples = self.samples()
            return not tones(samples) and loudness(samples) > LOUD

        wait_for(heard, f"{self.path.name} to hear music")


def recorded(file: Path) -> list[set[str]]:
    """Whose tones are in a finished recording, half second by half second."""
    (channel,) = channels(file)
    return channel


def channels(file: Path) -> list[list[set[str]]]:
    """The same for each channel, the left one first."""
    with wave.open(str(file), "rb") as recording:
        assert (recording.getframerate(), recording.getsampwidth()) == (RATE, 2)
        count = recording.getnchannels()
        samples = unpacked(recording.readframes(recording.getnframes()))
    step = int(WINDOW_SECONDS * RATE)
    sides = [samples[side::count] for side in range(count)]
    return [[tones(side[at : at + step]) for at in range(0, len(side) - step + 1, step)] for side in sides]
