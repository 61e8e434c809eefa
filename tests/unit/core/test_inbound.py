"""A customer calls a campaign's number: whose call it is, how it waits, and what becomes of the lead."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from stasis_dialer.core import messages as m
from stasis_dialer.core.call import Call, CallState, advance, arrive, is_still_wanted
from stasis_dialer.core.caller_ids import CallerIds
from stasis_dialer.core.inbound import caller_number, match
from stasis_dialer.core.model import CallRecord, Campaign, CampaignStatus, Direction, Disposition, Fault, LeadStatus
from stasis_dialer.core.options import Inbound, Recording, RecordingMode
from stasis_dialer.core.schedule import inbound_outcome
from tests.unit.core.builders import LEAD, MESSAGE, READY

D, S = Disposition, CallState
NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
OWN, POOLED, TRUNKS = "+551130000001", "+551130000002", "+551130000000"
ACTIVE = CampaignStatus.ACTIVE
SPRING = Campaign(1, "spring", ACTIVE, caller_id=OWN)
SUMMER = Campaign(2, "summer", ACTIVE, caller_ids=CallerIds((POOLED, OWN)))
PLAIN = Campaign(3, "plain", ACTIVE)
ALL = (SPRING, SUMMER, PLAIN)
CUSTOMER = "5511987654321"


def earlier(campaign: int, lead: int | None = None, agent: str | None = None) -> CallRecord:
    return CallRecord("c", "app", campaign, lead, CUSTOMER, agent=agent, bridged_at=NOW if agent else None)


@pytest.mark.parametrize(
    ("called", "campaign"),
    [
        (OWN, 1),
        (POOLED, 2),
        ("551130000002", 2),
        ("01130000002", 2),
        ("1130000002", 2),
        (TRUNKS, 3),
        ("+551130000009", None),
        ("", None),
        ("5511", None),
    ],
)
def test_the_campaign_of_a_number_however_the_carrier_writes_it(called: str, campaign: int | None) -> None:
    found = match(called, ALL, [TRUNKS], ())
    assert (found.campaign.id if found else None) == campaign


def test_given_several_campaigns_with_the_number_then_the_one_that_called_the_customer_last() -> None:
    found = match(OWN, ALL, [], [earlier(3, 30), earlier(2, 20), earlier(1, 10)])
    assert found is not None
    assert (found.campaign.id, found.lead_id) == (2, 20)


def test_given_nobody_called_the_customer_then_an_active_campaign_goes_first() -> None:
    found = match(OWN, [replace(SPRING, status=CampaignStatus.PAUSED), SUMMER], [], [])
    assert found is not None
    assert (found.campaign.id, found.lead_id, found.agent) == (2, None, None)


def test_the_lead_of_the_latest_attempt_and_the_agent_who_spoke_last() -> None:
    calls = [earlier(1), earlier(1, 11), earlier(1, 10, "1003"), earlier(1, 10, "1001"), earlier(2, 9, "1009")]
    found = match(OWN, ALL, [], calls)
    assert found is not None
    assert (found.lead_id, found.agent) == (11, "1003")


def test_callers_who_hide_or_have_odd_numbers() -> None:
    assert caller_number("11 98765-4321", "BR") == CUSTOMER
    assert caller_number("anonymous", "BR") == ""
    assert caller_number("4004", "BR") == "4004"
    assert caller_number("x;PJSIP/1", "BR") == "1"


# --- the wait -------------------------------------------------------------------------------------------------------

CAMPAIGN = Campaign(
    7, "spring", answer_deadline_seconds=2.0, safe_harbour_media=MESSAGE, inbound=Inbound(60.0, announce_seconds=20.0)
)


class Story:
    """A customer's call and the commands it gave."""

    def __init__(self, campaign: Campaign = CAMPAIGN, is_anybody_at_work: bool = True) -> None:
        self.call: Call
        self.call, self.given = arrive(
            "i1", campaign, LEAD, CUSTOMER, OWN, 0.0, prefers="1002", is_anybody_at_work=is_anybody_at_work
        )

    def hears(self, *events: m.Event, at: float) -> Story:
        for event in events:
            self.call, self.last = advance(self.call, event, at)
            self.given += self.last
        return self


def test_given_a_call_then_answered_with_music_and_an_agent_is_sought() -> None:
    story = Story()
    assert (story.call.state, story.call.leg_id, story.call.direction) == (S.QUEUED, "i1", Direction.INBOUND)
    assert story.given[:3] == (m.AnswerLeg("i1"), m.TellAnswered(), m.StartMusic("i1"))
    assert m.SeekAgent() in story.given
    assert story.call.deadline == 60.0


def test_given_music_without_an_answer_then_it_is_asked_for_again_while_nobody_is_to_be_heard() -> None:
    unanswered = m.RequestUnanswered("music")
    assert Story().hears(unanswered, at=5.0).last == (m.StartMusic("i1"),)
    assert Story().hears(m.AgentReserved("1001"), unanswered, at=5.0).last == (m.StartMusic("i1"),)
    assert Story().hears(READY, unanswered, at=5.0).last == ()
    assert Story().hears(m.PlaceKnown(0), unanswered, at=25.0).last == ()
    assert Story().hears(m.RequestUnanswered("dial"), at=5.0).last == ()
    assert Story().hears(READY, m.Joined("b1"), unanswered, at=5.0).last == ()


def test_given_a_look_for_an_announcement_without_an_answer_then_it_is_looked_for_again() -> None:
    unanswered = m.RequestUnanswered("look")
    assert Story().hears(unanswered, at=5.0).last == ()
    assert Story().hears(m.PlaceKnown(0), unanswered, at=25.0).last == (m.ProbeMessage("i1", "place-0"),)


def test_given_an_agent_then_the_music_ends_before_they_are_joined() -> None:
    story = Story().hears(READY, at=10.0)
    assert story.last == (m.Hush("i1"), m.Join("i1", "b1"))
    story.hears(m.Joined("b1"), m.LegGone(16), at=11.0)
    assert (story.call.disposition, story.call.fault) == (D.ANSWERED, None)


def test_given_an_agent_comes_during_an_announcement_then_it_is_cut_off() -> None:
    story = Story().hears(m.AnnouncementDue(), at=20.0)
    assert story.last == (m.AskPlace(),)
    story.hears(m.PlaceKnown(2), at=20.0)
    play = m.PlayMessage("i1", "sound:queue-thereare,number:2,sound:queue-callswaiting", "place-0")
    assert story.last == (m.Hush("i1"), play, m.Remind(20.0, m.AnnouncementDue()))
    story.hears(READY, at=21.0)
    assert story.last == (m.Hush("i1", "place-0"), m.Join("i1", "b1"))
    story.hears(m.MessageEnded("place-0"), at=21.0)
    assert story.last == ()


def test_given_an_announcement_is_over_then_music_again_and_no_two_at_once() -> None:
    story = Story().hears(m.PlaceKnown(0), at=20.0)
    assert m.PlayMessage("i1", "sound:queue-youarenext", "place-0") in story.last
    assert story.hears(m.PlaceKnown(0), at=20.5).last == ()
    assert story.hears(m.MessageEnded("place-0"), at=23.0).last == (m.StartMusic("i1"),)
    assert story.hears(m.MessageEnded("place-0"), at=23.0).last == ()


def test_given_an_announcement_when_the_agent_does_not_pick_up_then_music_again_after_it() -> None:
    """The announcement goes on meanwhile: its end is still to be followed by music."""
    story = Story().hears(m.PlaceKnown(0), m.AgentReserved("1001"), at=20.0).hears(m.AgentLost("1001"), at=21.0)
    assert story.call.state is S.QUEUED
    assert story.hears(m.MessageEnded("place-0"), at=23.0).last == (m.StartMusic("i1"),)


def test_given_the_announcement_is_due_while_an_agent_is_rung_then_it_is_due_again_for_who_waits_on() -> None:
    story = Story().hears(m.AgentReserved("1001"), m.AnnouncementDue(), at=20.0)
    assert story.last[-1] == m.Remind(20.0, m.AnnouncementDue())
    story.hears(m.AgentLost("1001"), at=21.0).hears(m.AnnouncementDue(), at=40.0)
    assert story.last == (m.AskPlace(),)


def test_given_the_join_fails_then_music_again_under_the_same_limit() -> None:
    story = Story().hears(READY, m.JoinFailed("b1", "no", is_bridge_gone=True), at=10.0)
    assert story.last == (m.StartMusic("i1"), m.WithdrawSeek(True), m.SeekAgent())
    assert (story.call.state, story.call.deadline) == (S.QUEUED, 60.0)


def test_given_nobody_comes_in_time_then_the_message_and_a_missed_call_that_is_not_abandoned() -> None:
    story = Story().hears(m.DeadlineReached(), at=60.0)
    assert story.last == (m.WithdrawSeek(), m.Hush("i1"), m.PlayMessage("i1", MESSAGE))
    story.hears(m.MessageEnded(), m.LegGone(16), at=70.0)
    assert (story.call.disposition, story.call.fault) == (D.MISSED, Fault.OURS)


def test_given_nobody_comes_in_time_during_an_announcement_then_the_message_is_heard_after_it_is_cut_off() -> None:
    """Asterisk tells the end of what was cut off when the message is on already."""
    story = Story().hears(m.PlaceKnown(0), at=59.0).hears(m.DeadlineReached(), at=60.0)
    assert story.last == (m.WithdrawSeek(), m.Hush("i1", "place-0"), m.PlayMessage("i1", MESSAGE))
    assert story.hears(m.MessageEnded("place-0"), at=60.1).last == ()
    assert story.call.state is S.SAFE_HARBOUR
    assert story.hears(m.MessageEnded(), at=64.0).last == (m.HangUp("i1"),)


def test_given_the_last_agent_leaves_during_an_announcement_of_a_recording_then_the_message_follows_it() -> None:
    recorded = replace(CAMPAIGN, recording=Recording(mode=RecordingMode.ALL, announcement="sound:recorded"))
    story = Story(recorded).hears(READY, at=58.0).hears(m.AgentLost("1001"), at=61.0)
    assert m.PlayMessage("i1", MESSAGE) in story.last
    assert story.hears(m.MessageEnded("announcement"), at=62.0).call.state is S.SAFE_HARBOUR


def test_given_a_message_of_its_own_then_that_one() -> None:
    own = replace(CAMPAIGN, inbound=Inbound(60.0, message_media="sound:later"))
    assert m.PlayMessage("i1", "sound:later") in Story(own).hears(m.DeadlineReached(), at=60.0).last


def test_given_nobody_at_work_then_the_message_at_once() -> None:
    story = Story(is_anybody_at_work=False)
    assert story.call.state is S.SAFE_HARBOUR
    assert story.given[0] == m.AnswerLeg("i1")
    assert m.PlayMessage("i1", MESSAGE) in story.given
    assert m.SeekAgent() not in story.given


def test_given_the_customer_hangs_up_in_the_queue_then_missed() -> None:
    story = Story().hears(m.LegGone(16), at=5.0)
    assert (story.call.disposition, story.call.hung_up_by) == (D.MISSED, "customer")


# --- the lead -------------------------------------------------------------------------------------------------------


def test_given_they_spoke_then_the_lead_is_done() -> None:
    assert inbound_outcome("i1", LEAD, CAMPAIGN, D.ANSWERED, NOW).status is LeadStatus.COMPLETED


def test_given_a_missed_call_then_the_lead_is_called_back() -> None:
    outcome = inbound_outcome("i1", LEAD, CAMPAIGN, D.MISSED, NOW)
    assert (outcome.status, outcome.next_attempt_at) == (LeadStatus.PENDING, NOW + timedelta(seconds=300))
    assert outcome.result == "missed"


def test_given_no_callbacks_then_the_lead_is_as_it_was() -> None:
    lead = replace(LEAD, status=LeadStatus.FAILED, result="busy", next_attempt_at=None)
    none = replace(CAMPAIGN, inbound=Inbound(callback_seconds=None))
    outcome = inbound_outcome("i1", lead, none, D.MISSED, NOW)
    assert (outcome.status, outcome.result, outcome.next_attempt_at) == (LeadStatus.FAILED, "busy", None)


# --- commands that waited -------------------------------------------------------------------------------------------


def test_given_a_join_that_waited_too_long_then_it_is_not_carried_out_any_more() -> None:
    join = m.Join("i1", "b1")
    offering = Story().hears(READY, at=10.0).call
    assert is_still_wanted(offering, join)
    assert is_still_wanted(offering, m.HangUp("i1"))
    assert not is_still_wanted(offering, m.Join("i1", "b2"))
    assert not is_still_wanted(Story().hears(READY, m.AgentLost("1001"), at=10.0).call, join)
    assert not is_still_wanted(Story().hears(READY, m.StopRequested(), at=10.0).call, join)
