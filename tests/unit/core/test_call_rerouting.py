"""A call that its trunk refuses goes to another one, once; a call that the callee heard does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stasis_dialer.core import messages as m
from stasis_dialer.core.call import CallState, TrunkTry
from stasis_dialer.core.model import Disposition, Fault
from stasis_dialer.core.trunks import Failover
from tests.unit.core.builders import SECOND, TRUNK, CallStory, bridged, refused, ringing

D, F, S = Disposition, Fault, CallState


def told(story: CallStory) -> list[tuple[str, bool]]:
    """What each trunk was told: its name, and whether it was at fault."""
    return [(c.trunk, c.is_fault) for c in story.given if isinstance(c, m.TellTrunk)]


def test_given_503_before_ringing_then_another_trunk_is_sought_and_the_first_is_told() -> None:
    story = refused()
    assert story.call.state is S.REROUTING
    assert story.last == (m.TellTrunk("carrier", 1.0, is_fault=True), m.SeekTrunk())
    assert story.call.tries == (TrunkTry("carrier", "c1", 1.0, True, 34, 503),)


def test_given_another_trunk_then_the_same_attempt_on_a_new_leg_which_may_be_answered() -> None:
    story = refused().hears(SECOND, at=1.0)
    assert story.last == (m.Save(), SECOND.create)
    assert (story.call.call_id, story.call.leg_id) == ("c1", "d1")
    story.hears(m.LegCreated(), at=1.1)
    assert story.last == (m.DialLeg("d1", 30.0),)
    story.hears(m.Ringing(), m.Answered(), m.AgentReady("1001", "a1", "b1"), at=3.0)
    assert m.Join("d1", "b1") in story.given
    story.hears(m.Joined("b1"), m.LegGone(16), at=9.0)
    assert (story.call.disposition, story.call.fault) == (D.ANSWERED, None)
    assert story.call.trunk is SECOND.trunk
    assert [what for _, what in story.call.timeline[:4]] == [
        "dialled",
        "refused carrier 503",
        "trunk second",
        "dialled",
    ]
    assert told(story) == [("carrier", True), ("second", False)]


def test_given_the_other_trunk_refuses_too_then_there_is_no_third_try() -> None:
    story = refused().hears(SECOND, m.LegCreated(), m.LegGone(34, 503), at=2.0)
    assert story.call.state is S.ENDED
    assert (story.call.disposition, story.call.fault) == (D.CONGESTION, F.CARRIER)
    assert told(story) == [("carrier", True), ("second", True)]
    assert len(story.finished()) == 1


def test_given_no_other_trunk_then_it_ends_as_it_was_refused_and_the_attempt_counts() -> None:
    story = refused().hears(m.NoTrunk(), at=1.0)
    assert (story.call.disposition, story.call.fault) == (D.CONGESTION, F.CARRIER)
    assert (story.call.cause, story.call.tech_cause) == (34, 503)
    assert (story.call.tries, story.call.dialled_at) == ((), 1.0)
    assert not story.finished()[0].is_attempt_given_back


@pytest.mark.parametrize("event", [m.DeadlineReached(), m.StopRequested("pacing")], ids=lambda e: type(e).__name__)
def test_given_nobody_names_a_trunk_or_it_is_stopped_then_it_ends(event: m.Event) -> None:
    story = refused().hears(event, at=2.0)
    assert (story.call.state, story.call.disposition) == (S.ENDED, D.CONGESTION)
    story.hears(SECOND, m.NoTrunk())
    assert len(story.finished()) == 1


@pytest.mark.parametrize(
    ("events", "at"),
    [
        ((m.LegCreated(), m.Ringing(), m.LegGone(34, 503)), 1.0),
        ((m.LegCreated(), m.EarlyMedia(), m.LegGone(34, 503)), 1.0),
        ((m.LegCreated(), m.LegGone(17, 486)), 1.0),
        ((m.LegCreated(), m.LegGone(34, None)), 1.0),
        ((m.LegCreated(), m.LegGone(is_seen=False)), 1.0),
        ((m.LegGone(34, 503),), 1.0),
    ],
    ids=["rang", "early media", "busy", "no SIP code", "unseen", "never dialled"],
)
def test_given_another_end_then_no_other_trunk_is_sought(events: tuple[m.Event, ...], at: float) -> None:
    story = CallStory().hears(*events, at=at)
    assert story.call.state is S.ENDED
    assert m.SeekTrunk() not in story.given


def test_given_the_refusal_comes_late_then_the_call_ends() -> None:
    story = CallStory().hears(m.LegCreated(), at=1.0).hears(m.LegGone(34, 503), at=8.0)
    assert (story.call.state, story.call.disposition) == (S.ENDED, D.CONGESTION)


def test_given_codes_of_the_trunk_then_those_are_tried_again() -> None:
    story = CallStory()
    story.call = replace(story.call, trunk=replace(TRUNK, failover=Failover(frozenset({403}))))
    story.hears(m.LegCreated(), m.LegGone(21, 403), at=1.0)
    assert story.call.state is S.REROUTING


def test_given_asterisk_cannot_reach_the_trunk_then_another_one_is_sought_and_nothing_was_dialled() -> None:
    story = CallStory().hears(m.OriginateRejected(500, "Allocation failed"), at=0.1)
    assert story.call.state is S.REROUTING
    assert not story.call.tries[0].is_dialled
    story.hears(m.NoTrunk())
    assert (story.call.disposition, story.call.fault) == (D.ERROR, F.OURS)
    assert story.finished()[0].is_attempt_given_back


def test_given_the_other_trunk_cannot_be_reached_then_it_ends_as_the_first_refused_it() -> None:
    story = refused().hears(SECOND, m.OriginateRejected(500, "no"), at=2.0)
    assert (story.call.disposition, story.call.fault) == (D.CONGESTION, F.CARRIER)
    assert not story.finished()[0].is_attempt_given_back


def test_given_the_refused_legs_end_is_told_twice_then_nothing_happens() -> None:
    story = refused().hears(m.LegGone(34, 503), m.OriginateRejected(500))
    assert (story.call.state, story.last) == (S.REROUTING, ())


def test_given_the_second_try_is_stopped_before_it_is_dialled_then_it_was_ours() -> None:
    story = refused().hears(SECOND, m.StopRequested("dialer"), at=1.5)
    assert m.HangUp("d1") in story.given
    story.hears(m.LegGone(16), at=2.0)
    assert (story.call.disposition, story.call.fault) == (D.CANCELLED, F.OURS)
    assert not story.finished()[0].is_attempt_given_back


@pytest.mark.parametrize(
    ("end", "is_fault"),
    [
        (m.LegGone(17, 486), False),
        (m.LegGone(1, 404), False),
        (m.LegGone(21, 403), False),
        (m.LegGone(21, 608), True),
        (m.LegGone(0, 401), True),
        (m.LegGone(34, None), True),
    ],
    ids=["busy", "unallocated", "rejected", "blocked", "our password", "congestion without SIP"],
)
def test_given_an_end_before_ringing_then_the_trunk_is_told_whether_it_works(end: m.LegGone, is_fault: bool) -> None:
    assert told(CallStory().hears(m.LegCreated(), end, at=1.0)) == [("carrier", is_fault)]


def test_given_it_rang_then_the_trunk_works_and_is_told_once() -> None:
    assert told(bridged().hears(m.LegGone(16))) == [("carrier", False)]
    assert told(ringing().hears(m.LegGone(17, 486))) == [("carrier", False)]


def test_given_it_was_given_up_by_us_before_ringing_then_the_trunk_is_told_nothing() -> None:
    assert told(CallStory().hears(m.LegCreated(), m.StopRequested("pacing"), m.LegGone(16, 487))) == []
