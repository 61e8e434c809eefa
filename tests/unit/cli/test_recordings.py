"""Which recording of a call is meant, and why one cannot be had."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from stasis_dialer.cli.recordings import chosen
from stasis_dialer.core.model import CallRecord
from stasis_dialer.errors import Refused

ENDED = datetime(2026, 3, 2, tzinfo=UTC)
APART = ("c1-customer.wav", "c1-agent.wav")
TWO = ("c1.wav", "c1-2.wav")
CALL = CallRecord("c1", "app", ended_at=ENDED, recordings=("c1.gsm",))


@pytest.mark.parametrize(
    ("call", "number", "files"),
    [
        (CALL, None, ("c1.gsm",)),
        (replace(CALL, recordings=APART), None, APART),
        (replace(CALL, recordings=TWO), 2, ("c1-2.wav",)),
    ],
    ids=["both in one file, in any format", "the sides apart", "the second part"],
)
def test_given_a_recording_then_its_files_are_found(call: CallRecord, number: int | None, files: object) -> None:
    assert chosen(call, "app", number).files == files


@pytest.mark.parametrize(
    ("call", "number", "why"),
    [
        (replace(CALL, ended_at=None), None, "not over"),
        (replace(CALL, recordings=()), None, "no recording"),
        (replace(CALL, app="other"), None, "another dialer"),
        (replace(CALL, recordings=TWO), None, "--part 1 to 2"),
        (CALL, 2, "no such part"),
        (replace(CALL, recordings=("c1-customer.gsm", "c1-agent.gsm")), None, "recording.format=wav"),
    ],
    ids=["live", "none", "of another dialer", "several parts", "no such part", "another format"],
)
def test_given_it_cannot_be_had_then_it_is_refused_and_says_why(call: CallRecord, number: int | None, why: str) -> None:
    with pytest.raises(Refused, match=why):
        chosen(call, "app", number)
