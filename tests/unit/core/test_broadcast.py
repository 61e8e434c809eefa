"""A call without an agent: the message, and what the keys do, told as given, when, then."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from stasis_dialer.core import messages as m
from stasis_dialer.core import schedule
from stasis_dialer.core.call import NOT_PLAYED, CallState, advance
from stasis_dialer.core.call.broadcast import CONFIRMATION, CONFIRMATION_SECONDS, LONGEST_MESSAGE_SECONDS
from stasis_dialer.core.call.state import GONE_SECONDS
from stasis_dialer.core.model import Campaign, Disposition, Fault, LeadStatus, Wish
from stasis_dialer.core.options import Amd, AmdMode, Broadcast
from stasis_dialer.core.pacing import PacingEvent, PacingLimits, PacingView, make_pacer
from tests.unit.core.builders import BROADCAST, LEAD, MACHINE, MESSAGE, READY, CallStory, in_state, playing, ringing
from tests.unit.core.test_screening import HUMAN, outcome, told

D, F, S = Disposition, Fault, CallState
NO_KEYS = replace(BROADCAST, broadcast=Broadcast("sound:offer"))
DETECTS = replace(BROADCAST, amd=Amd(AmdMode.DIALPLAN))
NOW = datetime(2026, 3, 2, 13, tzinfo=UTC)


def test_given_a_broadcast_when_answered_then_the_message_plays_and_no_agent_is_sought() -> None:
    story = ringing(BROADCAST).hears(m.Answered(), at=10.0)
    assert story.last == (m.TellAnswered(), m.PlayMessage("c1", "sound:offer"), m.Save())
    assert story.call.state is S.PLAYING
    assert story.call.deadline == 10.0 + LONGEST_MESSAGE_SECONDS
    assert told(story) == [m.TellAnswered]


def test_given_the_message_is_over_when_no_key_means_anything_then_hung_up() -> None:
    story = playing(NO_KEYS).hears(m.MessageEnded(), at=20.0)
    assert story.last == (m.HangUp("c1"),)
    assert outcome(story.hears(m.LegGone(16))) == (D.MESSAGE_PLAYED, None)


@pytest.mark.parametrize("campaign", [NO_KEYS, BROADCAST])
def test_given_the_message_was_cut_off_when_they_have_hung_up_then_partly_played_and_they_did_it(
    campaign: Campaign,
) -> None:
    """Asterisk says first that the message is over, and then that the leg is gone."""
    story = playing(campaign).hears(m.MessageEnded(is_heard=False), at=20.0)
    assert (story.last, story.call.deadline) == ((), 20.0 + GONE_SECONDS)
    assert outcome(story.hears(m.LegGone(16), at=20.1)) == (D.PARTLY_PLAYED, None)
    assert story.call.hung_up_by == "customer"


def test_given_no_such_sound_then_hung_up_and_nobody_is_done_with() -> None:
    story = playing(NO_KEYS).hears(m.MessageEnded(is_heard=False), m.MessageEnded(is_heard=False), at=20.0)
    assert story.reaches_its_deadline().last == (m.HangUp("c1"),)
    assert outcome(story.hears(m.LegGone(16))) == (D.PARTLY_PLAYED, None)
    assert [what for _, what in story.call.timeline].count(NOT_PLAYED) == 1


@pytest.mark.parametrize("state", [S.SAFE_HARBOUR, S.LEAVING_MESSAGE])
def test_given_another_message_was_cut_off_then_it_was_not_played_and_who_hung_up_did(state: CallState) -> None:
    call, commands = advance(in_state(state), m.MessageEnded(is_heard=False), 30.0)
    assert (call.state, commands, call.timeline[-1][1]) == (state, (), NOT_PLAYED)
    over, _ = advance(call, m.LegGone(16), 30.1)
    assert over.hung_up_by == "customer"
    _, commands = advance(call, m.DeadlineReached(), 31.0)
    assert commands == (m.HangUp(call.leg_id),)


def test_given_the_message_is_over_when_keys_mean_something_then_there_is_time_to_press_one() -> None:
    story = playing().hears(m.MessageEnded(), at=20.0)
    assert (story.last, story.call.deadline) == ((), 25.0)
    assert story.hears(m.MessageEnded(), at=24.0).call.deadline == 25.0
    story.reaches_its_deadline()
    assert story.last == (m.HangUp("c1"),)
    assert outcome(story.hears(m.LegGone(16))) == (D.MESSAGE_PLAYED, None)


def test_given_the_message_plays_when_they_hang_up_then_partly_played() -> None:
    assert outcome(playing().hears(m.LegGone(16), at=12.0)) == (D.PARTLY_PLAYED, None)


@pytest.mark.parametrize("is_over", [False, True], ids=["while it plays", "after it"])
def test_given_an_agent_is_asked_for_when_one_is_there_then_they_talk(is_over: bool) -> None:
    story = playing()
    if is_over:
        story.hears(m.MessageEnded(), at=19.0)
    story.hears(m.DigitPressed("1"), at=20.0)
    hushed = () if is_over else (m.StopMessage("c1"),)
    assert story.last == (*hushed, m.TellSought(), m.SeekAgent(), m.Save(), m.StartMusic("c1"))
    assert (story.call.state, story.call.deadline) == (S.QUEUED, 50.0)
    assert story.hears(m.MessageEnded(), READY).last == (m.Hush("c1"), m.Join("c1", "b1"))
    story.hears(m.Joined("b1"), m.LegGone(16))
    assert outcome(story) == (D.ANSWERED, None)


def test_given_an_agent_is_asked_for_when_nobody_comes_then_abandoned_after_the_message_for_it() -> None:
    story = playing().hears(m.DigitPressed("1"), at=20.0).reaches_its_deadline()
    assert story.now == 50.0
    assert story.last == (m.WithdrawSeek(), m.Hush("c1"), m.PlayMessage("c1", MESSAGE))
    assert outcome(story.hears(m.LegGone(16))) == (D.ABANDONED, F.OURS)


def test_given_a_look_for_a_message_without_an_answer_then_it_is_looked_for_again() -> None:
    """It may be over, unheard: they would wait in silence for as long as the longest message takes."""
    unanswered = m.RequestUnanswered("look")
    assert playing().hears(unanswered).last == (m.ProbeMessage("c1", "message"),)
    assert playing().hears(m.DigitPressed("9"), unanswered).last == (m.ProbeMessage("c1", CONFIRMATION),)
    waiting = playing().hears(m.DigitPressed("1"), at=20.0)
    assert waiting.hears(unanswered).last == ()
    assert waiting.reaches_its_deadline().hears(unanswered).last == (m.ProbeMessage("c1", "message"),)
    assert playing().hears(m.RequestUnanswered("music")).last == ()


def test_given_somebody_opts_out_then_it_is_written_at_once_and_confirmed() -> None:
    story = playing().hears(m.DigitPressed("9"), at=20.0)
    confirmation = m.PlayMessage("c1", "sound:removed", CONFIRMATION)
    assert story.last == (m.StopMessage("c1"), confirmation, m.Save())
    assert (story.call.wish, story.call.deadline) == (Wish.OPT_OUT, 20.0 + CONFIRMATION_SECONDS)
    assert story.hears(m.MessageEnded("message"), m.DigitPressed("1")).last == ()
    assert story.hears(m.MessageEnded(CONFIRMATION)).last == (m.HangUp("c1"),)
    assert outcome(story.hears(m.LegGone(16))) == (D.OPT_OUT, None)


def test_given_a_wish_when_they_hang_up_before_its_confirmation_then_it_counts() -> None:
    assert outcome(playing().hears(m.DigitPressed("9"), m.LegGone(16))) == (D.OPT_OUT, None)


def test_given_a_callback_is_asked_for_when_there_is_nothing_to_say_then_hung_up() -> None:
    story = playing().hears(m.DigitPressed("2"))
    assert story.last == (m.HangUp("c1"), m.Save())
    assert outcome(story.hears(m.LegGone(16))) == (D.CALLBACK, None)


def test_given_a_key_without_a_meaning_then_the_message_goes_on() -> None:
    story = playing().hears(m.DigitPressed("5"), m.DigitPressed("#"))
    assert (story.last, story.call.state) == ((), S.PLAYING)


def test_given_detection_when_a_person_is_found_then_the_message_plays_and_a_machine_is_hung_up() -> None:
    story = ringing(DETECTS).hears(m.Answered(), HUMAN)
    assert story.last == (m.TellDetected(), m.PlayMessage("c1", "sound:offer"), m.Save())
    machine = ringing(DETECTS).hears(m.Answered(), MACHINE, m.LegGone(16))
    assert outcome(machine) == (D.MACHINE, None)


def test_given_detection_when_they_hang_up_before_the_message_then_abandoned() -> None:
    assert outcome(ringing(DETECTS).hears(m.Answered(), m.LegGone(16))) == (D.ABANDONED, F.OURS)


def test_given_a_broadcast_without_a_message_when_answered_then_hung_up() -> None:
    story = ringing(replace(BROADCAST, broadcast=Broadcast())).hears(m.Answered())
    assert m.HangUp("c1") in story.last


def test_given_the_message_cannot_be_played_then_its_end_says_so_and_nobody_waits_for_ever() -> None:
    story = CallStory(BROADCAST).hears(m.LegCreated(), m.Answered()).reaches_its_deadline()
    assert story.last == (m.HangUp("c1"),)


# --- what becomes of the lead ---------------------------------------------------------------------------------------

OUTCOMES = [
    (D.MESSAGE_PLAYED, LeadStatus.COMPLETED, None),
    (D.OPT_OUT, LeadStatus.COMPLETED, None),
    (D.CALLBACK, LeadStatus.PENDING, NOW + timedelta(hours=1)),
    (D.PARTLY_PLAYED, LeadStatus.PENDING, NOW + timedelta(minutes=30)),
]


@pytest.mark.parametrize(("disposition", "status", "again_at"), OUTCOMES, ids=[str(it[0]) for it in OUTCOMES])
def test_what_a_broadcast_makes_of_its_lead(
    disposition: Disposition, status: LeadStatus, again_at: datetime | None
) -> None:
    made = schedule.lead_outcome("c1", LEAD, BROADCAST, disposition, is_attempt_given_back=False, now=NOW)
    assert (made.status, made.next_attempt_at) == (status, again_at)


def test_given_no_attempt_is_left_when_a_callback_is_asked_for_then_it_is_kept() -> None:
    last = replace(LEAD, attempts=3, max_attempts=3)
    made = schedule.lead_outcome("c1", last, BROADCAST, D.CALLBACK, is_attempt_given_back=False, now=NOW)
    assert (made.status, made.is_callback) == (LeadStatus.PENDING, True)


# --- pacing ---------------------------------------------------------------------------------------------------------


def test_given_no_agents_then_a_broadcast_fills_its_channels_as_fast_as_the_trunks_allow() -> None:
    pacer = make_pacer(BROADCAST.mode, PacingLimits(max_channels=20))
    first = pacer.decide(PacingView(100.0, max_channels=20, channels_in_use=3))
    assert (first.place, first.reason) == (10, "calls_per_second")
    for _ in range(10):
        pacer.observe(PacingEvent("placed", 100.0))
    assert pacer.decide(PacingView(100.5, max_channels=20, channels_in_use=13)).place == 0
    later = pacer.decide(PacingView(101.5, max_channels=20, channels_in_use=13))
    assert (later.place, later.reason) == (7, "channels")
