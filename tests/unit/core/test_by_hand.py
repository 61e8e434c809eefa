"""Calls for one known agent: previews that are accepted, passed over or let pass, and numbers that were typed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stasis_dialer.core import agent as agent_machine
from stasis_dialer.core import messages as m
from stasis_dialer.core.call import CallState, by_hand
from stasis_dialer.core.call.recorded import may_record
from stasis_dialer.core.model import AgentState, Campaign, Disposition, Fault
from stasis_dialer.core.options import ByHand, OnTimeout, Preview, Recording, RecordingMode
from stasis_dialer.errors import IllegalEvent
from tests.unit.core.builders import ALWAYS_ON, CAMPAIGN, NUMBER, ON_DEMAND, READY, TRUNK, AgentStory, CallStory, shown

S = CallState
CREATE = m.CreateLeg("c1", f"PJSIP/{NUMBER}@carrier")
FOUND = m.TrunkFound(TRUNK, CREATE, "+551130000000")


def with_preview(**changes: object) -> Campaign:
    return replace(CAMPAIGN, preview=replace(Preview(), **changes))  # type: ignore[arg-type]


def dialling(campaign: Campaign = CAMPAIGN) -> CallStory:
    """The agent is ready, a trunk was found, and the leg is created."""
    return shown(campaign, ByHand.MANUAL).hears(READY, FOUND, m.LegCreated())


# --- before anything is sent ----------------------------------------------------------------------------------------


def test_given_a_lead_that_is_shown_then_nothing_is_sent_until_the_agent_accepts() -> None:
    story = shown()
    assert (story.call.state, story.call.deadline, story.last) == (S.PREVIEWING, 30.0, (m.Save(),))
    assert story.hears(m.PreviewAccepted(), at=5.0).last == (m.FetchAgent(), m.Save())
    assert story.hears(READY).last == (m.SeekTrunk(),)
    assert story.hears(FOUND).last == (m.Save(), CREATE)
    assert (story.call.state, story.call.trunk, story.call.agent) == (S.ORIGINATING, TRUNK, "1001")


@pytest.mark.parametrize(
    ("events", "by"),
    [
        ((m.PreviewSkipped(),), "agent"),
        ((m.AgentLost("1001"),), "agent"),
        ((m.StopRequested("dialer"),), "dialer"),
        ((m.PreviewAccepted(), m.AgentLost("1001")), "agent"),
        ((m.PreviewAccepted(), READY, m.NoTrunk()), "dialer"),
        ((m.PreviewAccepted(), m.DeadlineReached()), "dialer"),
    ],
    ids=["skipped", "agent left", "stopped", "not picked up", "no trunk", "nothing heard"],
)
def test_given_nothing_was_sent_then_the_attempt_is_given_back_once(events: tuple[m.Event, ...], by: str) -> None:
    story = shown().hears(*events).hears(m.PreviewAccepted(), m.LegGone(16), READY)
    assert story.finished() == [m.Finish(Disposition.CANCELLED, Fault.OURS, is_attempt_given_back=True)]
    assert story.call.hung_up_by == by
    assert not any(isinstance(command, m.DialLeg) for command in story.given)


@pytest.mark.parametrize("choice", OnTimeout, ids=str)
def test_given_nobody_decides_then_the_campaign_does(choice: OnTimeout) -> None:
    story = shown(with_preview(on_timeout=choice, timeout_seconds=12.0)).reaches_its_deadline()
    assert story.now == 12.0
    assert (story.call.state is S.FETCHING) is (choice is OnTimeout.DIAL)
    paused = [command for command in story.last if isinstance(command, m.PauseAgent)]
    assert paused == ([m.PauseAgent("1001", by_hand.PREVIEW_TIMEOUT)] if choice is OnTimeout.PAUSE else [])


def test_given_a_typed_number_then_the_agent_is_fetched_at_once() -> None:
    story = shown(kind=ByHand.MANUAL)
    assert (story.call.state, story.last) == (S.FETCHING, (m.FetchAgent(), m.Save()))


# --- while it rings -------------------------------------------------------------------------------------------------


def test_the_agent_hears_it_ring_and_talks_from_the_answer_on() -> None:
    story = dialling()
    assert story.last == (m.Join("c1", "b1"), m.DialLeg("c1", 30.0))
    story.hears(m.Joined("b1"), m.Ringing(), at=2.0).hears(m.Answered(), at=9.0)
    assert (story.call.state, story.call.bridged_at, story.call.answered_at) == (S.BRIDGED, 9.0, 9.0)
    assert m.TellJoined() in story.last
    assert not any(isinstance(command, m.Join) for command in story.last)
    assert not any(isinstance(command, m.SeekAgent) for command in story.given)
    story.hears(m.LegGone(16), at=20.0)
    assert story.finished() == [m.Finish(Disposition.ANSWERED, None, is_attempt_given_back=False)]


def test_given_an_answer_that_comes_before_the_join_then_they_talk_when_it_is_heard() -> None:
    story = dialling().hears(m.Answered(), at=3.0)
    assert (story.call.state, story.call.is_joining) == (S.OFFERING, True)
    story.hears(m.Joined("b1"), at=3.1)
    assert (story.call.state, story.call.bridged_at) == (S.BRIDGED, 3.1)


def test_given_a_way_into_the_bridge_without_an_answer_when_they_pick_up_then_it_is_tried_again() -> None:
    """It was asked for before the dialling: nothing more would be heard of it."""
    recording = Recording(mode=RecordingMode.ALL, announcement="sound:recorded")
    story = dialling(replace(CAMPAIGN, recording=recording)).hears(m.Ringing(), at=6.0).hears(m.Answered(), at=12.0)
    join, told = m.Join("c1", "b1"), m.PlayMessage("c1", "sound:recorded", "announcement")
    assert story.last.index(join) < story.last.index(told), "a join during a message waits for its end"
    assert story.hears(m.Joined("b1"), at=12.1).call.state is S.BRIDGED
    assert story.given.count(join) == 2


def test_given_a_way_into_the_bridge_without_an_answer_when_it_is_refused_then_the_agent_gets_nobody_else() -> None:
    """They may be in the agent's bridge already."""
    story = dialling().hears(m.Ringing(), at=6.0).hears(m.Answered(), at=12.0).hears(m.JoinFailed("b1", "no"), at=12.1)
    assert (story.call.state, story.last) == (S.CLOSING, (m.HangUp("c1"),))


def test_given_recording_with_an_announcement_then_the_customer_hears_it_at_the_answer() -> None:
    recording = Recording(mode=RecordingMode.ALL, announcement="sound:recorded")
    story = dialling(replace(CAMPAIGN, recording=recording)).hears(m.Joined("b1"), m.Answered())
    assert m.PlayMessage("c1", "sound:recorded", "announcement") in story.last
    assert not may_record(story.call), "not before it was heard"
    assert story.hears(m.MessageEnded("announcement")).last == (m.TellAnnounced(), m.Save())
    assert may_record(story.call)
    assert story.hears(m.MessageEnded("announcement")).last == ()


@pytest.mark.parametrize("event", [m.AgentLost("1001"), m.JoinFailed("b1", "no")], ids=["agent gone", "not joined"])
@pytest.mark.parametrize("rings", [False, True])
def test_given_the_agent_cannot_hear_it_then_it_is_hung_up(event: m.Event, rings: bool) -> None:
    story = dialling().hears(*[m.Ringing()] * rings).hears(event)
    assert (story.call.state, story.last) == (S.CLOSING, (m.HangUp("c1"),))
    story.hears(m.LegGone(16))
    assert len(story.finished()) == 1


def test_given_busy_then_the_lead_is_tried_again_by_the_usual_rule() -> None:
    story = dialling().hears(m.Joined("b1"), m.LegGone(17, 486))
    assert story.finished() == [m.Finish(Disposition.BUSY, Fault.CALLEE, is_attempt_given_back=False)]


def test_given_a_trunk_that_refuses_then_the_next_one_is_heard_too() -> None:
    story = dialling().hears(m.Joined("b1"), m.LegGone(34, 503), at=1.0)
    assert story.call.state is S.REROUTING
    again = m.CreateLeg("c1-2", f"PJSIP/{NUMBER}@backup")
    story.hears(m.TrunkFound(replace(TRUNK, name="backup"), again, None), m.LegCreated())
    assert story.last == (m.Join("c1-2", "b1"), m.DialLeg("c1-2", 30.0))
    assert not story.call.is_heard
    assert story.hears(m.AgentLost("1001")).call.state is S.CLOSING


def test_given_an_ordinary_call_then_early_news_of_bridges_and_agents_changes_nothing() -> None:
    story = CallStory().hears(m.LegCreated(), m.Ringing())
    before = story.call
    for event in (m.Joined("b1"), m.JoinFailed("b1"), m.AgentLost("1001")):
        assert story.hears(event).call == before
    with pytest.raises(IllegalEvent):
        story.hears(READY)


# --- the agent's side -----------------------------------------------------------------------------------------------


def looking(connect: object) -> AgentStory:
    story = AgentStory(connect).logs_in()  # type: ignore[arg-type]
    event = m.Assigned("c1", "a2", "b2", 5.0, 10.0, reserved_seconds=75.0)
    return story._take(agent_machine.show(story.agent, event, 40.0, 0.0))


@pytest.mark.parametrize("connect", [ALWAYS_ON, ON_DEMAND], ids=str)
def test_given_an_agent_who_looks_then_no_telephone_rings_until_the_call_is_wanted(connect: object) -> None:
    story = looking(connect)
    assert (story.agent.state, story.agent.is_shown, story.agent.deadline) == (AgentState.RESERVED, True, 40.0)
    assert story.last == (m.Save(),)
    create = m.CreateLeg("a2", "PJSIP/1001") if connect is ON_DEMAND else None
    event = m.Assigned("c1", "a2", "b2", 5.0, 10.0, reserved_seconds=75.0)
    story._take(agent_machine.assign(story.agent, event, create, 5.0))
    if connect is ON_DEMAND:
        story.picks_up(at=6.0)
    assert (story.agent.state, story.agent.is_shown) == (AgentState.RESERVED, False)
    assert story.agent.deadline == (6.0 if connect is ON_DEMAND else 5.0) + 75.0
    assert isinstance(story.told()[-1], m.AgentReady)


@pytest.mark.parametrize("connect", [ALWAYS_ON, ON_DEMAND], ids=str)
def test_given_an_agent_who_looks_when_it_is_over_then_available_again(connect: object) -> None:
    assert looking(connect).hears(m.CustomerGone("c1"), at=9.0).agent.state is AgentState.AVAILABLE
    story = looking(connect).reaches_the_deadline()
    assert (story.agent.state, story.told()) == (AgentState.AVAILABLE, [m.AgentLost("1001")])


def test_given_an_agent_who_looks_when_another_customer_is_assigned_then_that_is_our_defect() -> None:
    with pytest.raises(IllegalEvent, match="not available"):
        looking(ALWAYS_ON).is_assigned("c2")
