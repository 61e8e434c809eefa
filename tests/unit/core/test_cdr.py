"""A call's marks to its record."""

from datetime import UTC, datetime, timedelta

import pytest

from stasis_dialer.core import cdr
from stasis_dialer.core import messages as m
from stasis_dialer.core.model import CallStatus, Disposition
from tests.unit.core.builders import LEAD, NUMBER, READY, CallStory, bridged, queued, ringing

EPOCH = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)


def to_utc(at: float) -> datetime:
    return EPOCH + timedelta(seconds=at)


def test_given_a_whole_call_then_every_mark_is_in_its_record() -> None:
    story = CallStory().hears(m.LegCreated(), at=0.5).hears(m.Ringing(), at=2.0).hears(m.Answered(), at=10.0)
    story.hears(READY, at=10.1).hears(m.Joined("b1"), at=10.25).hears(m.LegGone(16, 200), at=70.5)
    record = cdr.record(story.call, "app", to_utc)
    assert (record.call_id, record.app, record.campaign_id, record.lead_id) == ("c1", "app", 7, LEAD.id)
    assert (record.number, record.trunk, record.status) == (NUMBER, "carrier", CallStatus.FINISHED)
    assert (record.agent, record.agent_leg_id, record.bridge_id) == ("1001", "a1", "b1")
    assert record.started_at == to_utc(0.0)
    assert record.dialled_at == to_utc(0.5)
    assert record.ringing_at == to_utc(2.0)
    assert record.answered_at == to_utc(10.0)
    assert record.bridged_at == to_utc(10.25)
    assert record.ended_at == to_utc(70.5)
    assert record.duration_seconds == 60
    assert record.disposition is Disposition.ANSWERED
    assert (record.hangup_cause, record.tech_cause, record.hung_up_by) == (16, 200, "customer")
    assert not record.is_end_estimated
    assert record.timeline[0] == (to_utc(0.5), "dialled")
    assert record.timeline[-1] == (to_utc(70.5), "ended answered")


@pytest.mark.parametrize(
    ("name", "story", "status"),
    [
        ("not answered", ringing(), CallStatus.RINGING),
        ("answered", queued(), CallStatus.CONNECTED),
        ("talking", bridged(), CallStatus.CONNECTED),
        ("ended", bridged().hears(m.LegGone(16)), CallStatus.FINISHED),
        ("ended unanswered", ringing().hears(m.LegGone(17)), CallStatus.FINISHED),
    ],
)
def test_the_legacys_word_for_a_call(name: str, story: CallStory, status: CallStatus) -> None:
    assert cdr.legacy_status(story.call) is status, name


@pytest.mark.parametrize(("ended_at", "seconds"), [(10.0, 0), (10.4, 0), (10.6, 1), (69.7, 60), (3610.0, 3600)])
def test_the_duration_is_whole_seconds_from_the_answer(ended_at: float, seconds: int) -> None:
    assert cdr.duration_seconds(queued(at=10.0).hears(m.LegGone(16), at=ended_at).call) == seconds


def test_given_no_answer_then_no_duration() -> None:
    assert cdr.duration_seconds(ringing().hears(m.LegGone(17), at=30.0).call) == 0


def test_given_the_end_was_not_seen_then_the_record_says_so() -> None:
    record = cdr.record(bridged().hears(m.LegGone(is_seen=False), at=99.0).call, "app", to_utc)
    assert record.is_end_estimated
    assert record.hung_up_by is None
    assert record.ended_at == to_utc(99.0)


def test_given_no_lead_then_the_record_has_none() -> None:
    record = cdr.record(CallStory(lead=None).call, "app", to_utc)
    assert record.lead_id is None
    assert record.answered_at is None
