"""Two sides as two channels: each where it belongs, at its time, whatever their lengths."""

import io
import struct
import wave

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stasis_dialer.errors import Refused
from stasis_dialer.files.stereo import interleaved

SAMPLES = st.lists(st.integers(-32768, 32767), max_size=50)


def mono(samples: list[int], rate: int = 8000, channels: int = 1, width: int = 2) -> bytes:
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(struct.pack(f"<{len(samples)}h", *samples))
    return made.getvalue()


def sides(content: bytes) -> tuple[list[int], list[int]]:
    with wave.open(io.BytesIO(content), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 8000)
        count = file.getnframes()
        samples = struct.unpack(f"<{2 * count}h", file.readframes(count))
    return list(samples[0::2]), list(samples[1::2])


@given(left=SAMPLES, right=SAMPLES, late=st.integers(-20, 20))
def test_each_side_is_whole_in_its_channel_with_silence_around_it(left: list[int], right: list[int], late: int) -> None:
    of_left, of_right = sides(interleaved(mono(left), mono(right), late / 8000))
    before_left, before_right = max(0, -late), max(0, late)
    count = max(before_left + len(left), before_right + len(right))
    assert of_left == [0] * before_left + left + [0] * (count - before_left - len(left))
    assert of_right == [0] * before_right + right + [0] * (count - before_right - len(right))


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (b"", "no WAV file"),
        (b"GSM", "no WAV file"),
        (mono([1])[:20], "no WAV file"),
        (mono([1, 2], channels=2), "one channel"),
        (mono([1], width=1), "16 bit"),
        (mono([1], rate=16000), "left_rate=8000 right_rate=16000"),
    ],
    ids=["empty", "another format", "cut off", "stereo", "8 bit", "another rate"],
)
def test_given_what_cannot_be_put_together_then_it_is_refused_and_says_why(other: bytes, why: str) -> None:
    with pytest.raises(Refused, match=why):
        interleaved(mono([1]), other)
