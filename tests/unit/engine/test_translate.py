"""What Asterisk recorded, in the core's words: the whole way from JSON to the end of a call."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stasis_dialer.ari import Decoder
from stasis_dialer.core import messages as m
from stasis_dialer.core.call import Call, CallState, advance, start
from stasis_dialer.core.model import AmdResult, Disposition
from stasis_dialer.engine.translate import read_verdict, translate
from tests.unit.core.builders import CAMPAIGN, LEAD, NUMBER, TRUNK

DATA = Path(__file__).parents[2] / "data" / "ari"


def heard(name: str) -> list[tuple[str, m.Event]]:
    """What the recording says of legs."""
    decode = Decoder().decode
    lines = (DATA / f"{name}.jsonl").read_text().splitlines()
    return [found for line in lines if (event := decode(line.encode())) and (found := translate(event))]


def played(name: str) -> Call:
    """The call after the recording, from the moment its leg was created."""
    events = heard(name)
    leg = next(leg for leg, event in events if isinstance(event, m.LegCreated))
    call, _ = start(leg, CAMPAIGN, LEAD, NUMBER, TRUNK, m.CreateLeg(leg, ""), 0.0)
    for at, (owner, event) in enumerate(events):
        if owner == leg:
            call, _ = advance(call, event, float(at))
    if call.state is CallState.REROUTING:
        call, _ = advance(call, m.NoTrunk(), 99.0)
    return call


@pytest.mark.parametrize(
    ("name", "disposition"),
    [
        ("busy", Disposition.BUSY),
        ("congestion", Disposition.CONGESTION),
        ("unallocated", Disposition.INVALID_NUMBER),
        ("no_answer", Disposition.NO_ANSWER),
        ("rejected", Disposition.REJECTED),
    ],
)
def test_given_what_asterisk_recorded_then_the_call_comes_out_as_it_was(name: str, disposition: Disposition) -> None:
    call = played(name)
    assert call.state is CallState.ENDED
    assert call.disposition is disposition


def test_given_an_answered_call_then_it_was_answered() -> None:
    assert played("answered").answered_at is not None


@pytest.mark.parametrize("path", sorted(DATA.glob("*.jsonl")), ids=lambda path: path.stem)
def test_every_recorded_event_is_translated_or_means_nothing(path: Path) -> None:
    for leg, event in heard(path.stem):
        assert leg
        assert isinstance(event, m.Event)


def test_an_event_of_no_interest_means_nothing() -> None:
    event = Decoder().decode(json.dumps({"type": "ApplicationReplaced", "application": "x", "timestamp": "x"}).encode())
    assert translate(event) is None


@pytest.mark.parametrize(
    ("status", "cause", "verdict"),
    [
        ("HUMAN", "HUMAN-800-800", m.Detected(AmdResult.HUMAN, "HUMAN-800-800")),
        ("MACHINE", "MAXWORDS-5-5", m.Detected(AmdResult.MACHINE, "MAXWORDS-5-5")),
        ("NOTSURE", "TOOLONG-5000", m.Detected(AmdResult.NOT_SURE, "TOOLONG-5000")),
        ("MACHINE", "INITIALSILENCE-2500-2500", m.Detected(AmdResult.NOT_SURE, "INITIALSILENCE-2500-2500")),
        ("HANGUP", "", None),
        ("", "", m.Detected(AmdResult.NOT_SURE, "")),
    ],
)
def test_silence_alone_is_no_machine_and_a_hangup_no_verdict(
    status: str, cause: str, verdict: m.Detected | None
) -> None:
    assert read_verdict(status, cause) == verdict
