"""What becomes of a call, told as given, when, then."""

from dataclasses import replace

import pytest

from stasis_dialer.core import messages as m
from stasis_dialer.core.call import (
    CLOSING_SECONDS,
    CREATE_SECONDS,
    JOIN_SECONDS,
    MESSAGE_SECONDS,
    MOST_JOINS,
    RING_SLACK_SECONDS,
    CallState,
    is_still_wanted,
)
from stasis_dialer.core.model import Disposition, Fault
from tests.unit.core.builders import (
    CAMPAIGN,
    MESSAGE,
    READY,
    WITH_MESSAGE,
    CallStory,
    bridged,
    joining,
    queued,
    ringing,
)

D, F, S = Disposition, Fault, CallState


def outcome(story: CallStory) -> tuple[Disposition, Fault | None]:
    """How the call came out: it ended, with one `Finish`."""
    assert story.call.state is S.ENDED
    assert story.call.deadline is None
    (finish,) = story.finished()
    assert (story.call.disposition, story.call.fault) == (finish.disposition, finish.fault)
    return finish.disposition, finish.fault


# --- answered -------------------------------------------------------------------------------------------------------


def test_given_an_always_on_agent_when_the_customer_answers_then_they_are_joined_by_one_request() -> None:
    story = ringing().hears(m.Answered(), at=10.0)
    assert story.last == (m.TellAnswered(), m.TellSought(), m.SeekAgent(), m.Save())
    story.hears(READY)
    assert story.last == (m.Join("c1", "b1"),)
    story.hears(m.Joined("b1"), at=10.05)
    assert story.last == (m.TellJoined(), m.Save())
    assert story.call.state is S.BRIDGED
    assert (story.call.agent, story.call.agent_leg_id, story.call.bridge_id) == ("1001", "a1", "b1")
    assert story.call.bridged_at == 10.05
    assert story.call.deadline == 10.05 + CAMPAIGN.max_call_seconds


def test_given_bridged_when_the_customer_hangs_up_then_answered_by_the_customer() -> None:
    story = bridged().hears(m.LegGone(16), at=60.0)
    assert outcome(story) == (D.ANSWERED, None)
    assert story.call.hung_up_by == "customer"
    assert story.call.ended_at == 60.0
    assert not story.finished()[0].is_attempt_given_back


def test_given_bridged_when_the_agent_hangs_up_then_the_customer_is_hung_up_too() -> None:
    story = bridged().hears(m.AgentLost("1001"), at=60.0)
    assert story.last == (m.HangUp("c1"),)
    story.hears(m.LegGone(16))
    assert outcome(story) == (D.ANSWERED, None)
    assert story.call.hung_up_by == "agent"


def test_given_bridged_when_another_agent_is_lost_then_they_talk_on() -> None:
    story = bridged().hears(m.AgentLost("1002"))
    assert story.call.state is S.BRIDGED
    assert story.last == ()


def test_given_bridged_when_the_longest_call_time_is_over_then_it_is_hung_up() -> None:
    story = bridged().reaches_its_deadline()
    assert story.last == (m.HangUp("c1"),)
    assert outcome(story.hears(m.LegGone(16))) == (D.ANSWERED, None)


def test_given_an_on_demand_agent_does_not_pick_up_when_another_is_free_then_the_first_deadline_still_counts() -> None:
    story = queued(at=10.0).hears(m.AgentReserved("1001"), at=10.1)
    assert story.call.state is S.OFFERING
    assert story.call.deadline == 12.0
    story.hears(m.AgentLost("1001"), at=11.0)
    assert story.last == (m.WithdrawSeek(), m.SeekAgent())
    assert story.call.state is S.QUEUED
    assert story.call.deadline == 12.0
    story.hears(m.AgentReserved("1002"), at=11.1)
    assert story.call.deadline == 12.0
    story.hears(m.AgentReady("1002", "a2", "b2"), m.Joined("b2"), at=11.9)
    assert story.call.state is S.BRIDGED
    assert story.call.agent == "1002"


def test_given_a_human_answers_before_ringing_is_heard_then_the_call_is_queued() -> None:
    assert CallStory().hears(m.LegCreated(), m.Answered()).call.state is S.QUEUED


def test_given_early_media_then_its_first_moment_is_kept() -> None:
    story = ringing().hears(m.EarlyMedia(), at=3.0).hears(m.EarlyMedia(), at=5.0)
    assert story.call.early_media_at == 3.0


def test_given_an_agent_is_lost_that_was_never_offered_then_the_offer_stands() -> None:
    story = queued().hears(m.AgentReserved("1002"), m.AgentLost("1001"))
    assert story.call.agent == "1002"
    assert story.call.state is S.OFFERING


# --- abandoned ------------------------------------------------------------------------------------------------------


def test_given_queued_when_customer_hangs_up_then_disposition_is_abandoned() -> None:
    story = queued(at=10.0).hears(m.LegGone(16), at=11.0)
    assert outcome(story) == (D.ABANDONED, F.OURS)
    assert story.call.hung_up_by == "customer"
    assert story.call.given_up_at is None


def test_given_offering_when_customer_hangs_up_then_disposition_is_abandoned() -> None:
    story = queued().hears(m.AgentReserved("1001"), m.LegGone(16))
    assert outcome(story) == (D.ABANDONED, F.OURS)


def test_given_nobody_came_and_a_message_when_the_deadline_passes_then_it_is_played_and_the_call_hung_up() -> None:
    story = queued(WITH_MESSAGE, at=10.0).reaches_its_deadline()
    assert story.now == 12.0
    assert story.last == (m.WithdrawSeek(), m.PlayMessage("c1", MESSAGE))
    assert story.call.state is S.SAFE_HARBOUR
    assert story.call.given_up_at == 12.0
    assert story.call.deadline == 12.0 + MESSAGE_SECONDS
    story.hears(m.MessageEnded(), at=20.0)
    assert story.last == (m.HangUp("c1"),)
    assert outcome(story.hears(m.LegGone(16), at=20.1)) == (D.ABANDONED, F.OURS)


def test_given_nobody_came_and_no_message_when_the_deadline_passes_then_the_call_is_hung_up() -> None:
    story = queued(at=10.0).reaches_its_deadline()
    assert story.last == (m.WithdrawSeek(), m.HangUp("c1"))
    assert outcome(story.hears(m.LegGone(16))) == (D.ABANDONED, F.OURS)
    assert story.call.hung_up_by == "dialer"


def test_given_the_message_plays_when_the_customer_hangs_up_then_abandoned() -> None:
    story = queued(WITH_MESSAGE).reaches_its_deadline().hears(m.LegGone(16))
    assert outcome(story) == (D.ABANDONED, F.OURS)
    assert story.call.hung_up_by == "customer"


def test_given_the_message_never_ends_when_its_limit_passes_then_hung_up() -> None:
    story = queued(WITH_MESSAGE).reaches_its_deadline().reaches_its_deadline()
    assert story.last == (m.HangUp("c1"),)


def test_given_an_agent_is_rung_when_the_deadline_passes_then_the_agent_is_given_back_and_the_message_played() -> None:
    story = queued(WITH_MESSAGE, at=10.0).hears(m.AgentReserved("1001"), at=10.5).reaches_its_deadline()
    assert story.now == 12.0
    assert story.last == (m.WithdrawSeek(), m.PlayMessage("c1", MESSAGE))


def test_given_the_message_plays_when_an_agent_is_ready_then_it_is_too_late() -> None:
    story = queued(WITH_MESSAGE).reaches_its_deadline().hears(READY)
    assert story.last == ()
    assert story.call.state is S.SAFE_HARBOUR


# --- the join -------------------------------------------------------------------------------------------------------


def test_given_the_join_failed_when_time_is_left_then_another_agent_is_sought_under_the_same_deadline() -> None:
    story = joining(at=10.0).hears(m.JoinFailed("b1", "no such bridge"), at=10.2)
    assert story.last == (m.Probe("c1"), m.WithdrawSeek(), m.SeekAgent())
    assert story.call.state is S.QUEUED
    assert story.call.deadline == 12.0
    assert (story.call.agent, story.call.agent_leg_id, story.call.bridge_id) == (None, None, None)


@pytest.mark.parametrize("is_bridge_gone", [True, False], ids=["bridge gone", "customer gone"])
def test_given_the_join_failed_then_the_agent_counts_as_broken_only_when_the_bridge_is_gone(
    is_bridge_gone: bool,
) -> None:
    """A customer who hangs up at the moment of the join must not cost an agent the session."""
    story = joining().hears(m.JoinFailed("b1", "why", is_bridge_gone))
    looks = () if is_bridge_gone else (m.Probe("c1"),)
    assert story.last == (*looks, m.WithdrawSeek(is_agent_broken=is_bridge_gone), m.SeekAgent())


def test_given_the_join_failed_when_the_deadline_is_over_already_then_it_passes_at_once() -> None:
    """Otherwise a customer whose channel is dead would be offered to one agent after the other for ever."""
    story = joining(WITH_MESSAGE, at=10.0).hears(m.JoinFailed("b1", "gone", is_bridge_gone=True), at=14.0)
    assert story.last == (m.WithdrawSeek(is_agent_broken=True), m.PlayMessage("c1", MESSAGE))
    assert joining(at=10.0).hears(m.JoinFailed("b1"), at=14.0).call.state is S.CLOSING


def test_given_the_join_is_never_answered_when_its_limit_passes_then_the_agent_is_kept_until_the_leg_is_gone() -> None:
    story = joining(WITH_MESSAGE, at=10.0)
    for tries in range(1, MOST_JOINS):
        assert story.call.deadline == 10.0 + tries * JOIN_SECONDS
        assert story.reaches_its_deadline().last == (m.Join("c1", "b1"),)
    story.reaches_its_deadline()
    assert story.last == (m.HangUp("c1"),)


@pytest.mark.parametrize("unanswered", range(1, MOST_JOINS))
def test_given_a_join_without_an_answer_when_it_works_the_next_time_then_they_talk(unanswered: int) -> None:
    """One request before it may have used up its time, too."""
    story = joining(at=10.0)
    for _ in range(unanswered):
        story.reaches_its_deadline()
    assert is_still_wanted(story.call, m.Join("c1", "b1"))
    assert story.hears(m.Joined("b1")).call.state is S.BRIDGED
    assert not is_still_wanted(story.call, m.Join("c1", "b1")), "a transfer may have them by then"


def test_given_a_join_without_an_answer_when_the_agent_goes_then_the_next_one_has_as_many_tries() -> None:
    story = joining(replace(CAMPAIGN, answer_deadline_seconds=60.0)).reaches_its_deadline()
    story.hears(m.AgentLost("1001"), m.AgentReady("1002", "a2", "b2"))
    for _ in range(1, MOST_JOINS):
        assert story.reaches_its_deadline().last == (m.Join("c1", "b2"),)


def test_given_a_join_without_an_answer_when_the_next_is_refused_then_the_agent_gets_nobody_else() -> None:
    """The customer may be in the agent's bridge, or come there in a moment."""
    waits = replace(CAMPAIGN, answer_deadline_seconds=60.0)
    story = joining(waits).reaches_its_deadline().hears(m.JoinFailed("b1", "no"))
    assert (story.call.state, story.last) == (S.CLOSING, (m.HangUp("c1"),))
    gone = joining(waits).reaches_its_deadline().hears(m.JoinFailed("b1", "gone", is_bridge_gone=True))
    assert gone.call.state is S.QUEUED


def test_given_a_join_that_was_given_up_when_it_works_late_then_nobody_talks_in_a_bridge_given_back() -> None:
    story = joining(at=10.0)
    for _ in range(MOST_JOINS):
        story.reaches_its_deadline()
    story.hears(m.Joined("b1"))
    assert story.last == (m.HangUp("c1"),)
    assert story.call.state is S.CLOSING


def test_given_the_message_plays_when_an_old_join_works_late_then_hung_up() -> None:
    story = queued(WITH_MESSAGE).reaches_its_deadline().hears(m.Joined("b1"))
    assert story.last == (m.HangUp("c1"),)


def test_given_a_second_agent_when_the_join_with_the_first_is_reported_then_it_means_nothing() -> None:
    story = joining().hears(m.AgentLost("1001"), m.AgentReady("1002", "a2", "b2"), m.Joined("b1"))
    assert story.call.state is S.OFFERING
    assert story.hears(m.JoinFailed("b1")).call.is_joining
    assert story.hears(m.Joined("b2")).call.agent == "1002"


def test_given_joining_when_a_second_agent_is_ready_then_the_first_keeps_the_customer() -> None:
    story = joining().hears(m.AgentReady("1002", "a2", "b2"))
    assert story.last == ()
    assert story.call.agent == "1001"


# --- nobody answered ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "gone", "disposition", "fault"),
    [
        ("busy", m.LegGone(17, 486), D.BUSY, F.CALLEE),
        ("no answer by the network", m.LegGone(19, 480), D.NO_ANSWER, F.CALLEE),
        ("congestion", m.LegGone(34, 503), D.CONGESTION, F.CARRIER),
        ("unallocated", m.LegGone(1, 404), D.INVALID_NUMBER, F.CALLEE),
        ("rejected by the callee", m.LegGone(21, 603), D.REJECTED, F.CALLEE),
        ("rejected by the carrier", m.LegGone(21, 403), D.REJECTED, F.CARRIER),
        ("busy without a SIP code", m.LegGone(17), D.BUSY, F.CALLEE),
        ("the end was not seen", m.LegGone(is_seen=False), D.ERROR, F.UNKNOWN),
    ],
)
def test_given_ringing_when_the_leg_goes_then_the_cause_decides(
    name: str, gone: m.LegGone, disposition: Disposition, fault: Fault
) -> None:
    story = ringing().hears(gone, at=8.0)
    assert outcome(story) == (disposition, fault), name
    assert story.call.hung_up_by == ("network" if gone.is_seen else None)
    assert not story.finished()[0].is_attempt_given_back


def test_given_ringing_when_the_ring_time_passes_unheard_then_no_answer() -> None:
    story = ringing()
    assert story.call.deadline == CAMPAIGN.ring_timeout_seconds + RING_SLACK_SECONDS
    story.reaches_its_deadline()
    assert story.last == (m.HangUp("c1"),)
    assert outcome(story.hears(m.LegGone(16))) == (D.NO_ANSWER, F.CALLEE)


def test_given_hung_up_when_no_end_is_seen_then_it_is_looked_for_until_it_is() -> None:
    story = ringing().hears(m.StopRequested(), at=5.0)
    for _ in range(3):
        before = story.call.deadline or 0.0
        story.reaches_its_deadline()
        assert story.last == (m.HangUp("c1"), m.Probe("c1"))
        assert story.call.deadline == before + CLOSING_SECONDS
    assert outcome(story.hears(m.LegGone(is_seen=False))) == (D.CANCELLED, F.OURS)
    assert not story.call.is_end_seen


def test_given_giving_up_when_the_customer_answers_after_all_then_it_counts_as_abandoned() -> None:
    story = ringing().hears(m.StopRequested("pacing"), m.Answered())
    assert story.last == ()
    assert outcome(story.hears(m.LegGone(16))) == (D.ABANDONED, F.OURS)
    assert story.call.answered_at is not None


def test_given_the_ring_time_is_over_when_the_customer_answers_after_all_then_it_counts_as_abandoned() -> None:
    story = ringing().reaches_its_deadline().hears(m.Answered(), m.LegGone(16))
    assert outcome(story) == (D.ABANDONED, F.OURS)


def test_given_ringing_when_the_pacing_withdraws_it_then_cancelled_and_the_attempt_is_given_back() -> None:
    story = ringing().hears(m.StopRequested("pacing"), m.LegGone(16))
    assert outcome(story) == (D.CANCELLED, F.OURS)
    assert story.finished()[0].is_attempt_given_back


# --- requests that fail ---------------------------------------------------------------------------------------------


def test_given_the_creation_is_refused_then_the_attempt_is_given_back() -> None:
    story = CallStory().hears(m.OriginateRejected(400, "Bad request"))
    assert outcome(story) == (D.ERROR, F.OURS)
    assert story.finished()[0].is_attempt_given_back


def test_given_the_creation_is_unanswered_then_what_may_exist_is_hung_up_and_looked_for() -> None:
    story = CallStory().hears(m.RequestUnanswered("create"))
    assert story.last == (m.HangUp("c1"),)
    story.reaches_its_deadline().hears(m.LegGone(is_seen=False))
    assert outcome(story) == (D.ERROR, F.OURS)
    assert story.finished()[0].is_attempt_given_back


def test_given_the_creation_was_given_up_when_it_works_late_then_it_is_hung_up() -> None:
    story = CallStory().hears(m.RequestUnanswered("create"), m.LegCreated())
    assert story.last == (m.HangUp("c1"),)
    assert outcome(story.hears(m.LegGone(16)))[0] is D.ERROR


def test_given_nothing_comes_of_the_creation_when_its_limit_passes_then_it_is_given_up_and_given_back() -> None:
    story = CallStory()
    assert story.call.deadline == CREATE_SECONDS
    story.reaches_its_deadline().reaches_its_deadline().hears(m.LegGone(is_seen=False))
    assert story.finished()[0].is_attempt_given_back


def test_given_the_dial_is_refused_then_the_leg_is_hung_up_and_the_attempt_given_back() -> None:
    story = CallStory().hears(m.LegCreated(), m.DialRejected(409, "not in Stasis"))
    assert story.last == (m.HangUp("c1"),)
    assert outcome(story.hears(m.LegGone(16))) == (D.ERROR, F.OURS)
    assert story.finished()[0].is_attempt_given_back


def test_given_the_dial_is_unanswered_then_it_may_ring_and_counts_as_an_attempt() -> None:
    story = CallStory().hears(m.LegCreated(), m.RequestUnanswered("dial"))
    assert story.last == ()
    assert story.call.state is S.ORIGINATING
    story.hears(m.Ringing(), m.LegGone(17, 486))
    assert outcome(story) == (D.BUSY, F.CALLEE)
    assert not story.finished()[0].is_attempt_given_back


def test_given_dialled_when_the_creation_is_heard_again_then_it_is_not_dialled_twice() -> None:
    """A subscription doubles events; a second dial is refused with 409, which must not end the call."""
    story = CallStory().hears(m.LegCreated(), m.LegCreated())
    assert [command for command in story.given if isinstance(command, m.DialLeg)] == [m.DialLeg("c1", 30.0)]


def test_given_stopped_before_the_leg_exists_when_it_is_refused_then_given_back() -> None:
    story = CallStory().hears(m.StopRequested(), m.OriginateRejected(503))
    assert story.finished()[0].is_attempt_given_back


def test_given_created_but_not_dialled_when_stopped_then_cancelled_and_given_back() -> None:
    story = CallStory().hears(m.StopRequested(), m.LegGone(16))
    assert outcome(story) == (D.CANCELLED, F.OURS)
    assert story.finished()[0].is_attempt_given_back


# --- marks ----------------------------------------------------------------------------------------------------------


def test_given_a_whole_call_then_its_timeline_tells_it_in_order() -> None:
    story = CallStory().hears(m.LegCreated(), at=0.1).hears(m.Ringing(), at=1.0).hears(m.Answered(), at=5.0)
    story.hears(m.AgentReserved("1001"), at=5.1).hears(READY, at=5.2).hears(m.Joined("b1"), at=5.3)
    story.hears(m.LegGone(16), at=60.0)
    assert [what for _, what in story.call.timeline] == [
        "dialled",
        "ringing",
        "answered",
        "offered 1001",
        "bridged 1001",
        "ended answered",
    ]
    times = [at for at, _ in story.call.timeline]
    assert times == sorted(times)


def test_given_a_manual_call_without_a_lead_then_it_ends_like_any_other() -> None:
    story = CallStory(replace(CAMPAIGN), None).hears(m.LegCreated(), m.LegGone(17, 486))
    assert outcome(story) == (D.BUSY, F.CALLEE)
