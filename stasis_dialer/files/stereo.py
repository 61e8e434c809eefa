"""Two recordings of one voice each as one of two channels: Asterisk writes none by ARI."""

from __future__ import annotations

import io
import wave
from array import array
from typing import Final

from stasis_dialer.errors import Refused

SAMPLE_BYTES: Final = 2
"""What Asterisk writes as `wav`: 16 bit, one channel."""


def interleaved(left: bytes, right: bytes, right_late_seconds: float = 0.0) -> bytes:
    """A WAV file with `left` in the left channel and `right` in the right one.

    The one that began later, the right one by `right_late_seconds` (or the left one, when that is below zero), has
    silence before it; the one that is over first has silence behind it.
    Raises: Refused for what is no such WAV file, or when the two differ in rate.
    """
    rate, of_left = _samples(left)
    other_rate, of_right = _samples(right)
    if rate != other_rate:
        raise Refused(f"the two sides cannot be put together: left_rate={rate} right_rate={other_rate}")
    late = round(right_late_seconds * rate)
    of_left, of_right = _silence(-late) + of_left, _silence(late) + of_right
    both = _silence(2 * max(len(of_left), len(of_right)))
    both[0 : 2 * len(of_left) : 2] = of_left
    both[1 : 2 * len(of_right) : 2] = of_right
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(SAMPLE_BYTES)
        file.setframerate(rate)
        file.writeframes(both.tobytes())
    return made.getvalue()


def _silence(count: int) -> array[int]:
    """So many samples; none for a negative count."""
    return array("h", bytes(SAMPLE_BYTES * max(0, count)))


def _samples(content: bytes) -> tuple[int, array[int]]:
    """The rate in hertz, and the samples."""
    try:
        with wave.open(io.BytesIO(content), "rb") as file:
            shape = file.getnchannels(), file.getsampwidth()
            rate, frames = file.getframerate(), file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise Refused(f"this is no WAV file: {error or 'it is cut off'}") from error
    if shape != (1, SAMPLE_BYTES):
        raise Refused(f"only WAV of one channel and 16 bit can be put together: channels={shape[0]} bytes={shape[1]}")
    return rate, array("h", frames[: len(frames) // SAMPLE_BYTES * SAMPLE_BYTES])
