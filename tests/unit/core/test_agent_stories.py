"""What becomes of an agent's session, told as given, when, then."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stasis_dialer.core import agent as agent_machine
from stasis_dialer.core import messages as m
from stasis_dialer.core.agent import (
    CREATE_SECONDS,
    LEG_SECONDS,
    LOGIN_RING_SECONDS,
    NO_ANSWER,
    RESERVED_SECONDS,
    UNREGISTERED,
    found_again,
)
from stasis_dialer.core.call import JOIN_SECONDS, MOST_JOINS
from stasis_dialer.core.call.state import ANNOUNCEMENT_SECONDS
from stasis_dialer.core.model import AgentState, ConnectMode
from stasis_dialer.errors import IllegalEvent
from tests.unit.core.builders import ALWAYS_ON, EVENTS, ON_DEMAND, AgentStory, off_duty

S = AgentState
BOTH = pytest.mark.parametrize("connect", [ALWAYS_ON, ON_DEMAND], ids=str)


def available(connect: ConnectMode) -> AgentStory:
    story = AgentStory(connect).logs_in()
    assert story.agent.state is S.AVAILABLE
    return story


# --- logging in -----------------------------------------------------------------------------------------------------


def test_given_always_on_when_the_telephone_is_called_then_it_is_available_once_in_its_bridge() -> None:
    story = AgentStory(ALWAYS_ON)
    create = m.CreateLeg("a1", "PJSIP/1001")
    story._take(agent_machine.call_phone(story.agent, "a1", "b1", create, 0.0))
    assert story.last == (create, m.Save())
    assert story.agent.deadline == CREATE_SECONDS
    assert story.hears(m.LegCreated(), at=1.0).last == (m.DialLeg("a1", LOGIN_RING_SECONDS),)
    assert story.agent.deadline == 1.0 + LOGIN_RING_SECONDS + LEG_SECONDS
    assert story.hears(m.Ringing(), m.Answered()).last == (m.CreateBridge("b1"), m.Join("a1", "b1"))
    assert story.agent.state is S.RINGING
    story.hears(m.Joined("b1"), at=4.0)
    assert (story.agent.state, story.agent.deadline, story.agent.free_since) == (S.AVAILABLE, None, 4.0)


def test_given_the_telephone_called_us_then_it_is_answered_and_joined_once() -> None:
    story = AgentStory(ALWAYS_ON)
    story._take(agent_machine.phone_called(story.agent, "a1", "b1", 0.0))
    story.hears(m.Answered(), m.Answered(), m.Joined("b1"), m.Joined("b1"))
    assert story.agent.state is S.AVAILABLE
    assert [command for command in story.given if isinstance(command, m.Join)] == [m.Join("a1", "b1")]
    assert [command for command in story.given if isinstance(command, m.CreateBridge)] == [m.CreateBridge("b1")]


def test_given_logging_in_when_the_creation_is_heard_twice_then_the_telephone_is_dialled_once() -> None:
    story = AgentStory(ALWAYS_ON)
    story._take(agent_machine.call_phone(story.agent, "a1", "b1", m.CreateLeg("a1", "PJSIP/1001"), 0.0))
    story.hears(m.LegCreated(), m.LegCreated())
    assert sum(isinstance(command, m.DialLeg) for command in story.given) == 1


def test_given_the_telephone_called_us_when_its_arrival_is_heard_again_then_it_is_not_dialled() -> None:
    story = AgentStory(ALWAYS_ON)
    story._take(agent_machine.phone_called(story.agent, "a1", "b1", 0.0))
    assert story.hears(m.LegCreated()).last == ()


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("refused", m.OriginateRejected(500)),
        ("busy", m.LegGone(17, 486)),
        ("missing", m.LegGone(is_seen=False)),
    ],
)
def test_given_logging_in_when_the_telephone_cannot_be_reached_then_the_session_is_over(
    name: str, event: m.Event
) -> None:
    story = AgentStory(ALWAYS_ON)
    story._take(agent_machine.call_phone(story.agent, "a1", "b1", m.CreateLeg("a1", "PJSIP/1001"), 0.0))
    story.hears(event, at=3.0)
    assert story.agent.is_over, name
    assert story.agent.logged_out_at == 3.0
    assert story.sessions_ended() == 1
    assert m.DestroyBridge("b1") in story.last


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("dial refused", m.DialRejected(409)),
        ("unanswered", m.RequestUnanswered("create")),
        ("not joined", m.JoinFailed("b1")),
    ],
)
def test_given_logging_in_when_a_request_fails_then_the_leg_is_hung_up_and_looked_for(
    name: str, event: m.Event
) -> None:
    story = AgentStory(ALWAYS_ON)
    story._take(agent_machine.call_phone(story.agent, "a1", "b1", m.CreateLeg("a1", "PJSIP/1001"), 0.0))
    story.hears(event, at=3.0)
    assert story.last == (m.HangUp("a1"), m.Probe("a1")), name
    assert story.agent.deadline == 3.0 + LEG_SECONDS
    assert story.reaches_the_deadline().last == (m.HangUp("a1"), m.Probe("a1"))
    assert story.hears(m.LegGone(is_seen=False)).agent.is_over


def test_given_on_demand_when_logging_in_then_available_at_once_and_no_telephone_rings() -> None:
    story = available(ON_DEMAND)
    assert story.given == [m.Save()]


def test_given_on_demand_when_the_telephone_is_not_registered_then_paused_until_it_is() -> None:
    story = AgentStory(ON_DEMAND)
    story.agent = replace(story.agent, is_registered=False)
    story.logs_in()
    assert (story.agent.state, story.agent.pause_reason) == (S.PAUSED, UNREGISTERED)
    story.hears(m.PhoneRegistered(), at=9.0)
    assert (story.agent.state, story.agent.pause_reason) == (S.AVAILABLE, None)


# --- a customer -----------------------------------------------------------------------------------------------------


def test_given_always_on_when_assigned_then_ready_at_once() -> None:
    story = available(ALWAYS_ON).is_assigned(at=10.0)
    assert story.last == (m.TellCall("c1", m.AgentReady("1001", "a1", "b1")), m.Save())
    assert (story.agent.state, story.agent.deadline) == (S.RESERVED, 10.0 + RESERVED_SECONDS)
    assert ANNOUNCEMENT_SECONDS + MOST_JOINS * JOIN_SECONDS < RESERVED_SECONDS, "who is on the way may still arrive"


def test_given_on_demand_when_assigned_then_the_telephone_rings_and_the_call_is_told() -> None:
    story = available(ON_DEMAND).is_assigned(at=10.0)
    create = m.CreateLeg("a2", "PJSIP/1001")
    assert story.last == (m.TellCall("c1", m.AgentReserved("1001")), create, m.CreateBridge("b2"), m.Save())
    assert story.agent.state is S.RINGING
    story.hears(m.LegCreated(), at=10.1)
    assert story.last == (m.DialLeg("a2", 10.0),)
    assert story.hears(m.Answered()).last == (m.Join("a2", "b2"),)
    story.hears(m.Joined("b2"), at=12.0)
    assert story.last == (m.TellCall("c1", m.AgentReady("1001", "a2", "b2")), m.Save())
    assert story.agent.state is S.RESERVED


@BOTH
def test_given_talking_when_the_customer_goes_then_wrap_up_and_then_available(connect: ConnectMode) -> None:
    story = available(connect).talks(at=10.0)
    assert (story.agent.state, story.agent.call_id, story.agent.calls_taken) == (S.ON_CALL, "c1", 1)
    assert story.agent.deadline is None
    story.hears(m.CustomerGone("c1"), at=70.0)
    assert (story.agent.state, story.agent.call_id) == (S.WRAP_UP, None)
    assert (m.HangUp("a2") in story.last) is (connect is ON_DEMAND)
    if connect is ON_DEMAND:
        story.hears(m.LegGone(16), at=70.1)
        assert story.last == (m.DestroyBridge("b2"),)
    assert story.agent.deadline == 75.0
    story.reaches_the_deadline()
    assert (story.agent.state, story.now, story.agent.free_since) == (S.AVAILABLE, 75.0, 70.0)


@BOTH
def test_given_no_wrap_up_when_the_customer_goes_then_available_as_soon_as_the_leg_allows(connect: ConnectMode) -> None:
    story = available(connect).talks(at=10.0, wrap_up_seconds=0.0).hears(m.CustomerGone("c1"), at=70.0)
    if connect is ON_DEMAND:
        assert story.agent.state is S.WRAP_UP
        story.hears(m.LegGone(16), at=70.2)
    assert story.agent.state is S.AVAILABLE


@BOTH
def test_given_wrap_up_when_the_agent_is_done_then_available_before_its_time(connect: ConnectMode) -> None:
    story = available(connect).talks(at=10.0, wrap_up_seconds=60.0).hears(m.CustomerGone("c1"), at=70.0)
    if connect is ON_DEMAND:
        story.hears(m.LegGone(16), at=70.1)
    assert story.hears(m.WrapUpDone(), at=80.0).agent.state is S.AVAILABLE


def test_given_on_demand_in_wrap_up_when_the_agent_is_done_before_the_leg_is_gone_then_available_without_the_wait() -> (
    None
):
    story = available(ON_DEMAND).talks(at=10.0, wrap_up_seconds=60.0).hears(m.CustomerGone("c1"), at=70.0)
    story.hears(m.WrapUpDone(), at=70.1).hears(m.LegGone(16), at=70.2)
    assert story.agent.state is S.AVAILABLE


def test_given_on_demand_in_wrap_up_when_the_leg_stays_then_it_is_hung_up_again_until_it_is_gone() -> None:
    story = available(ON_DEMAND).talks(at=10.0).hears(m.CustomerGone("c1"), at=70.0)
    assert story.reaches_the_deadline().last == (m.HangUp("a2"), m.Probe("a2"))
    assert story.agent.state is S.WRAP_UP
    assert story.reaches_the_deadline().last == (m.HangUp("a2"), m.Probe("a2"))
    assert story.hears(m.LegGone(is_seen=False)).agent.state is S.AVAILABLE


def test_given_on_demand_in_a_long_wrap_up_when_the_leg_stays_then_it_is_hung_up_again_meanwhile() -> None:
    """Whoever is left in its bridge, such as the target of a transfer, would be overheard."""
    story = available(ON_DEMAND).talks(at=10.0, wrap_up_seconds=60.0).hears(m.CustomerGone("c1"), at=70.0)
    for at in (73.0, 76.0):
        assert story.reaches_the_deadline().last == (m.HangUp("a2"), m.Probe("a2"))
        assert (story.now, story.agent.state) == (at, S.WRAP_UP)
    story.hears(m.LegGone(is_seen=False), at=76.0)
    assert (story.agent.state, story.agent.deadline) == (S.WRAP_UP, 130.0)
    assert story.reaches_the_deadline().agent.state is S.AVAILABLE


def test_given_reserved_always_on_when_the_customer_goes_then_available_without_wrap_up() -> None:
    story = available(ALWAYS_ON).is_assigned(at=10.0).hears(m.CustomerGone("c1"), at=10.5)
    assert (story.agent.state, story.agent.call_id, story.agent.leg_id) == (S.AVAILABLE, None, "a1")


@pytest.mark.parametrize("picks_up", [False, True], ids=["while ringing", "after picking up"])
def test_given_on_demand_when_the_customer_goes_before_they_talk_then_available_once_the_leg_is_gone(
    picks_up: bool,
) -> None:
    story = available(ON_DEMAND).is_assigned(at=10.0)
    if picks_up:
        story.picks_up(at=11.0)
    story.hears(m.CustomerGone("c1"), at=12.0)
    assert m.HangUp("a2") in story.last
    story.hears(m.LegGone(16), at=12.1)
    assert (story.agent.state, story.agent.leg_id, story.agent.call_id) == (S.AVAILABLE, None, None)
    assert m.DestroyBridge("b2") in story.last
    assert story.told()[-1] != m.AgentLost("1001")


@pytest.mark.parametrize("picks_up", [False, True], ids=["while ringing", "after picking up"])
def test_given_on_demand_whose_customer_went_when_the_end_of_the_leg_is_lost_then_it_is_looked_for(
    picks_up: bool,
) -> None:
    story = available(ON_DEMAND).is_assigned(at=10.0)
    if picks_up:
        story.picks_up(at=11.0)
    story.hears(m.CustomerGone("c1"), at=12.0)
    assert story.reaches_the_deadline().last == (m.HangUp("a2"), m.Probe("a2"))
    assert story.hears(m.LegGone(is_seen=False)).agent.state is S.AVAILABLE


def test_given_on_demand_when_the_telephone_is_not_picked_up_then_paused_and_the_call_told() -> None:
    story = available(ON_DEMAND).is_assigned(at=10.0).hears(m.LegCreated(), m.Ringing()).hears(m.LegGone(19), at=20.0)
    assert story.last[0] == m.TellCall("c1", m.AgentLost("1001"))
    assert (story.agent.state, story.agent.pause_reason, story.agent.call_id) == (S.PAUSED, NO_ANSWER, None)


def test_given_on_demand_ringing_when_nothing_is_heard_then_hung_up_at_the_deadline() -> None:
    story = available(ON_DEMAND).is_assigned(at=10.0).hears(m.LegCreated())
    assert story.agent.deadline == 10.0 + 10.0 + LEG_SECONDS
    assert story.reaches_the_deadline().last == (m.HangUp("a2"), m.Probe("a2"))


def test_given_on_demand_when_the_telephone_is_refused_then_paused_and_the_call_told() -> None:
    story = available(ON_DEMAND).is_assigned().hears(m.OriginateRejected(500))
    assert m.TellCall("c1", m.AgentLost("1001")) in story.last
    assert story.agent.state is S.PAUSED


@BOTH
def test_given_reserved_when_the_customer_never_arrives_then_given_back_and_the_call_told(connect: ConnectMode) -> None:
    story = available(connect).is_assigned(at=10.0)
    if connect is ON_DEMAND:
        story.picks_up()
    story.reaches_the_deadline()
    assert m.TellCall("c1", m.AgentLost("1001")) in story.last
    if connect is ON_DEMAND:
        story.hears(m.LegGone(16))
    assert (story.agent.state, story.agent.call_id) == (S.AVAILABLE, None)


def test_given_on_demand_reserved_when_the_agent_hangs_up_then_the_call_is_told_and_the_agent_free() -> None:
    story = available(ON_DEMAND).is_assigned().picks_up().hears(m.LegGone(16))
    assert m.TellCall("c1", m.AgentLost("1001")) in story.last
    assert (story.agent.state, story.agent.call_id) == (S.AVAILABLE, None)


def test_given_on_demand_talking_when_the_agent_hangs_up_then_wrap_up_follows_once_the_call_is_over() -> None:
    story = available(ON_DEMAND).talks(at=10.0).hears(m.LegGone(16), at=60.0)
    assert story.last == (m.TellCall("c1", m.AgentLost("1001")), m.DestroyBridge("b2"))
    story.hears(m.CustomerGone("c1"), at=60.1)
    assert story.agent.state is S.WRAP_UP
    assert story.reaches_the_deadline().agent.state is S.AVAILABLE


def test_given_always_on_talking_when_the_agent_hangs_up_then_that_is_logging_out() -> None:
    story = available(ALWAYS_ON).talks(at=10.0).hears(m.LegGone(16), at=60.0)
    assert story.last == (m.TellCall("c1", m.AgentLost("1001")), m.DestroyBridge("b1"), m.EndSession())
    assert (story.agent.is_over, story.agent.logged_out_at) == (True, 60.0)


def test_given_always_on_when_a_customer_could_not_be_added_then_the_broken_leg_is_hung_up_and_logged_out() -> None:
    story = available(ALWAYS_ON).is_assigned(at=10.0).hears(m.CustomerGone("c1"), m.JoinFailed("b1"))
    assert story.last == (m.HangUp("a1"), m.Save(), m.Probe("a1"))
    assert story.agent.state is S.LOGGED_OFF
    assert story.hears(m.LegGone(16)).agent.is_over


@BOTH
def test_given_talking_when_a_failure_comes_late_then_they_talk_on(connect: ConnectMode) -> None:
    story = available(connect).talks()
    bridge = story.agent.bridge_id or ""
    for late in (m.RequestUnanswered("dial"), m.DialRejected(409), m.JoinFailed(bridge)):
        assert story.hears(late).last == ()
        assert (story.agent.state, story.agent.wants_logout) == (S.ON_CALL, False)


@BOTH
def test_given_a_leg_that_is_up_when_its_creation_is_heard_again_then_it_stays(connect: ConnectMode) -> None:
    story = available(connect).talks()
    assert story.hears(m.LegCreated()).last == ()


@BOTH
def test_given_another_call_when_its_customer_comes_or_goes_then_nothing_changes(connect: ConnectMode) -> None:
    story = available(connect).talks("c1")
    before = story.agent
    assert story.hears(m.CustomerGone("c9"), m.CustomerJoined("c9")).agent == before


@BOTH
@pytest.mark.parametrize("wish", [m.PauseRequested("lunch"), m.LogoutRequested()], ids=lambda wish: type(wish).__name__)
def test_given_not_available_when_assigned_then_that_is_our_defect(connect: ConnectMode, wish: m.Event) -> None:
    story = available(connect).talks("c1")
    with pytest.raises(IllegalEvent, match="not available"):
        story.is_assigned("c2")
    story.hears(m.CustomerGone("c1"), wish)
    with pytest.raises(IllegalEvent, match="not available"):
        story.is_assigned("c2")


# --- pause and logout -----------------------------------------------------------------------------------------------


@BOTH
def test_given_available_when_paused_and_back_then_available(connect: ConnectMode) -> None:
    story = available(connect).hears(m.PauseRequested("lunch"), at=10.0)
    assert (story.agent.state, story.agent.pause_reason) == (S.PAUSED, "lunch")
    assert story.hears(m.PauseRequested("training"), at=15.0).agent.pause_reason == "training"
    assert (story.agent.since, story.agent.seconds[S.PAUSED]) == (15.0, 5.0)
    assert story.hears(m.PauseRequested("training"), at=16.0).agent.since == 15.0
    story.hears(m.UnpauseRequested(), at=20.0)
    assert (story.agent.state, story.agent.pause_reason) == (S.AVAILABLE, None)


@BOTH
def test_given_talking_when_a_pause_is_wanted_then_it_begins_after_the_wrap_up(connect: ConnectMode) -> None:
    story = available(connect).talks(at=10.0).hears(m.PauseRequested("lunch"))
    assert story.agent.state is S.ON_CALL
    story.hears(m.CustomerGone("c1"), at=70.0)
    if connect is ON_DEMAND:
        story.hears(m.LegGone(16))
    assert story.agent.state is S.WRAP_UP
    story.reaches_the_deadline()
    assert (story.agent.state, story.agent.pause_reason, story.agent.wants_pause) == (S.PAUSED, "lunch", None)


@BOTH
def test_given_a_pause_is_wanted_when_taken_back_during_the_call_then_available_after_it(connect: ConnectMode) -> None:
    story = available(connect).talks(at=10.0).hears(m.PauseRequested(""), m.UnpauseRequested(), m.CustomerGone("c1"))
    if connect is ON_DEMAND:
        story.hears(m.LegGone(16))
    assert story.reaches_the_deadline().agent.state is S.AVAILABLE


@BOTH
def test_given_talking_when_a_logout_is_wanted_then_it_takes_effect_after_the_wrap_up(connect: ConnectMode) -> None:
    story = available(connect).talks(at=10.0).hears(m.LogoutRequested())
    assert (story.agent.state, story.last) == (S.ON_CALL, (m.Save(),))
    story.hears(m.CustomerGone("c1"), at=70.0)
    if connect is ON_DEMAND:
        story.hears(m.LegGone(16))
    story.reaches_the_deadline()
    if connect is ALWAYS_ON:
        assert (story.agent.state, story.agent.is_over) == (S.LOGGED_OFF, False)
        assert story.last == (m.HangUp("a1"), m.Save())
        story.hears(m.LegGone(16), at=75.1)
    assert story.agent.is_over
    assert story.agent.logged_out_at == 75.0
    assert story.sessions_ended() == 1


def test_given_rung_for_a_customer_when_a_logout_is_wanted_and_nobody_picks_up_then_logged_off_not_paused() -> None:
    story = available(ON_DEMAND).is_assigned().hears(m.LegCreated(), m.LogoutRequested(), m.LegGone(19))
    assert story.agent.is_over


@BOTH
def test_given_available_when_logging_out_then_over_once_no_leg_is_left(connect: ConnectMode) -> None:
    story = available(connect).hears(m.LogoutRequested(), at=30.0)
    if connect is ALWAYS_ON:
        assert not story.agent.is_over
        assert story.reaches_the_deadline().last == (m.HangUp("a1"), m.Probe("a1"))
        story.hears(m.LegGone(is_seen=False))
    assert story.agent.is_over
    assert story.agent.logged_out_at == 30.0


def test_given_leaving_when_the_logout_is_asked_for_again_then_its_time_stays() -> None:
    story = available(ALWAYS_ON).hears(m.LogoutRequested(), at=30.0)
    story.hears(m.LogoutRequested(), m.JoinFailed("b1"), at=32.0).hears(m.LegGone(16), at=33.0)
    assert story.agent.logged_out_at == 30.0
    assert sum(story.agent.seconds.values()) == 30.0


@BOTH
def test_given_the_session_is_over_when_anything_comes_then_nothing_happens(connect: ConnectMode) -> None:
    story = available(connect).hears(m.LogoutRequested(), m.LegGone(16))
    over = story.agent
    for event in EVENTS.values():
        assert agent_machine.advance(over, event, 99.0) == (over, ())


# --- the telephone --------------------------------------------------------------------------------------------------


def test_given_on_demand_available_when_the_telephone_goes_then_paused_until_it_is_back() -> None:
    story = available(ON_DEMAND).hears(m.PhoneUnregistered(), at=5.0)
    assert (story.agent.state, story.agent.pause_reason) == (S.PAUSED, UNREGISTERED)
    assert story.hears(m.PhoneRegistered(), at=9.0).agent.state is S.AVAILABLE


def test_given_on_demand_talking_when_the_telephone_goes_then_paused_after_the_call() -> None:
    story = available(ON_DEMAND).talks(at=10.0).hears(m.PhoneUnregistered(), m.CustomerGone("c1"), m.LegGone(16))
    assert story.reaches_the_deadline().agent.pause_reason == UNREGISTERED


def test_given_on_lunch_when_the_telephone_goes_and_comes_then_still_on_lunch() -> None:
    story = available(ON_DEMAND).hears(m.PauseRequested("lunch"), m.PhoneUnregistered(), m.PhoneRegistered())
    assert (story.agent.state, story.agent.pause_reason) == (S.PAUSED, "lunch")


def test_given_the_telephone_is_gone_when_the_agent_wants_to_work_then_paused_for_that_reason() -> None:
    story = available(ON_DEMAND).hears(m.PauseRequested("lunch"), m.PhoneUnregistered(), m.UnpauseRequested())
    assert (story.agent.state, story.agent.pause_reason) == (S.PAUSED, UNREGISTERED)


def test_given_always_on_when_the_telephone_goes_then_no_customer_until_it_is_back_and_the_leg_stays() -> None:
    """Its leg may be dead: of a telephone that lost its power nobody is told."""
    story = available(ALWAYS_ON).hears(m.PhoneUnregistered())
    assert (story.agent.state, story.agent.pause_reason, story.agent.is_leg_up) == (S.PAUSED, UNREGISTERED, True)
    assert story.hears(m.UnpauseRequested()).agent.pause_reason == UNREGISTERED
    assert story.hears(m.PhoneRegistered()).agent.state is S.AVAILABLE


def test_given_always_on_talking_when_the_telephone_goes_then_they_talk_on_and_paused_after_the_call() -> None:
    story = available(ALWAYS_ON).talks("c1", at=10.0).hears(m.PhoneUnregistered())
    assert story.agent.state is S.ON_CALL
    story.hears(m.CustomerGone("c1")).reaches_the_deadline()
    assert (story.agent.state, story.agent.pause_reason) == (S.PAUSED, UNREGISTERED)


def test_given_a_telephone_that_never_registered_when_it_logs_in_and_takes_calls_then_it_stays_available() -> None:
    story = AgentStory(ALWAYS_ON)
    story.agent = replace(story.agent, is_registered=False)
    story._take(agent_machine.phone_called(story.agent, "a1", "b1", 0.0))
    story.hears(m.Joined("b1"), m.PhoneUnregistered())
    assert story.agent.state is S.AVAILABLE


def test_given_a_session_taken_over_when_its_telephone_was_not_seen_to_go_then_only_on_demand_is_paused() -> None:
    event = m.PhoneUnregistered(is_loss=False)
    states = [available(connect).hears(event).agent.state for connect in (ALWAYS_ON, ON_DEMAND)]
    assert states == [S.AVAILABLE, S.PAUSED]


# --- time -----------------------------------------------------------------------------------------------------------


@BOTH
def test_given_a_whole_day_then_the_seconds_add_up_exactly_to_the_time_logged_in(connect: ConnectMode) -> None:
    story = available(connect)
    story.hears(m.PauseRequested("lunch"), at=16.0).hears(m.UnpauseRequested(), at=32.0)
    story.talks("c1", at=64.0).hears(m.CustomerGone("c1"), at=128.0)
    if connect is ON_DEMAND:
        story.hears(m.LegGone(16))
    story.reaches_the_deadline()
    story.is_assigned("c2", at=256.0).hears(m.CustomerGone("c2"), at=260.0)
    if connect is ON_DEMAND:
        story.hears(m.LegGone(16), at=261.0)
    story.hears(m.LogoutRequested(), at=512.0)
    if connect is ALWAYS_ON:
        story.hears(m.LegGone(16), at=513.0)
    agent = story.agent
    assert agent.is_over
    assert agent.logged_out_at == 512.0
    assert sum(agent.seconds.values()) == 512.0
    assert agent.seconds[S.PAUSED] == 16.0
    assert agent.seconds[S.ON_CALL] == 64.0
    assert agent.seconds[S.WRAP_UP] == 5.0
    assert S.LOGGED_OFF not in agent.seconds


# --- after a restart ------------------------------------------------------------------------------------------------


def again(state: AgentState, connect: ConnectMode = ALWAYS_ON, **seen: object) -> AgentStory:
    """A session that an earlier process left in this state."""
    story = AgentStory(connect)
    story.agent = off_duty(connect, state=state, leg_id="a1", bridge_id="b1", pause_reason="lunch")
    facts = {"is_leg_there": True, "is_in_bridge": True, "call_id": None, **seen}
    return story._take(found_again(story.agent, now=100.0, **facts))  # type: ignore[arg-type]


def test_given_a_pair_that_talks_when_found_again_then_on_call() -> None:
    story = again(S.RESERVED, call_id="c1")
    assert (story.agent.state, story.agent.call_id) == (S.ON_CALL, "c1")
    assert story.hears(m.CustomerGone("c1"), at=110.0).agent.state is not S.ON_CALL


@pytest.mark.parametrize("state", [S.AVAILABLE, S.RESERVED, S.ON_CALL, S.WRAP_UP, S.RINGING], ids=str)
def test_given_always_on_in_its_bridge_without_a_customer_when_found_again_then_available(state: AgentState) -> None:
    story = again(state)
    assert (story.agent.state, story.agent.leg_id) == (S.AVAILABLE, "a1")


def test_given_always_on_paused_when_found_again_then_still_paused() -> None:
    assert again(S.PAUSED).agent.pause_reason == "lunch"


def test_given_always_on_out_of_its_bridge_when_found_again_then_put_back_and_paused_as_before() -> None:
    story = again(S.PAUSED, is_in_bridge=False)
    assert story.last == (m.CreateBridge("b1"), m.Join("a1", "b1"), m.Save())
    story.hears(m.Joined("b1"))
    assert (story.agent.state, story.agent.pause_reason) == (S.PAUSED, "lunch")


@pytest.mark.parametrize("state", [S.AVAILABLE, S.PAUSED, S.ON_CALL, S.LOGGED_OFF], ids=str)
def test_given_always_on_whose_leg_is_gone_when_found_again_then_over(state: AgentState) -> None:
    story = again(state, is_leg_there=False)
    assert story.agent.is_over
    assert story.last == (m.EndSession(),)


def test_given_leaving_when_found_again_then_hung_up() -> None:
    story = again(S.LOGGED_OFF)
    assert m.HangUp("a1") in story.last
    assert story.hears(m.LegGone(16)).agent.is_over


@pytest.mark.parametrize("state", [S.AVAILABLE, S.ON_CALL, S.WRAP_UP, S.RINGING, S.RESERVED], ids=str)
def test_given_on_demand_without_a_leg_when_found_again_then_available(state: AgentState) -> None:
    story = again(state, ON_DEMAND, is_leg_there=False)
    assert (story.agent.state, story.agent.leg_id, story.agent.deadline) == (S.AVAILABLE, None, None)


def test_given_on_demand_paused_when_found_again_then_still_paused() -> None:
    assert again(S.PAUSED, ON_DEMAND, is_leg_there=False).agent.state is S.PAUSED


def test_given_on_demand_with_a_leg_but_no_customer_when_found_again_then_the_leg_is_hung_up_first() -> None:
    story = again(S.RESERVED, ON_DEMAND)
    assert m.HangUp("a1") in story.last
    assert story.reaches_the_deadline().last == (m.HangUp("a1"), m.Probe("a1"))
    story.hears(m.LegGone(16))
    assert (story.agent.state, story.agent.leg_id) == (S.AVAILABLE, None)


# --- every event in every state -------------------------------------------------------------------------------------

CUSTOMER_ONLY = (
    m.AgentReserved,
    m.AgentReady,
    m.AgentLost,
    m.Disposed,
    m.PreviewAccepted,
    m.PreviewSkipped,
    m.StopRequested,
    m.Assigned,
    m.Parted,
)
CUSTOMER_ONLY += (m.PreviewAccepted, m.PreviewSkipped)
CUSTOMER_ONLY += (m.TrunkFound, m.NoTrunk, m.AnnouncementDue, m.PlaceKnown)
CUSTOMER_ONLY += (m.Detected, m.SilenceHeard, m.DialplanRefused, m.TalkingStarted, m.TalkingFinished, m.VerdictDue)
CUSTOMER_ONLY += (m.TrunkFound, m.NoTrunk, m.Recorded, m.RecordingPaused, m.RecordingResumed)
CUSTOMER_ONLY += (m.UnholdAsked, m.TransferAsked, m.CompleteAsked, m.CancelAsked, m.ConferenceAsked, m.Moved)
CUSTOMER_ONLY += (m.MoveFailed, m.Held, m.Returned, m.AgentWanted, m.PartnerJoined, m.PartnerLost, m.AgentChanged)
CUSTOMER_ONLY += (m.TransferNoted,)
CUSTOMER_ONLY += (m.AgentAt, m.ModeAsked, m.SupervisionUnwanted, m.EarOpened, m.EarClosed, m.EarUnwanted)
CUSTOMER_ONLY += (m.RecordingStarted, m.RecordingEnded, m.RecordingFailed, m.RecordingStopped)
CUSTOMER_ONLY += (m.PauseWanted, m.ResumeWanted, m.PauseRefused)


def everywhere(connect: ConnectMode) -> list[AgentStory]:
    """A story for each state that a session can be in, with and without a customer."""
    stories = [
        available(connect),
        available(connect).hears(m.PauseRequested("lunch")),
        available(connect).is_assigned(),
        available(connect).talks(),
        available(connect).talks().hears(m.CustomerGone("c1")),
        available(connect).is_assigned().hears(m.CustomerGone("c1")),
        available(connect).talks().hears(m.LogoutRequested()),
    ]
    if connect is ALWAYS_ON:
        stories.append(available(connect).hears(m.LogoutRequested()))
    else:
        stories.append(available(connect).is_assigned().picks_up())
        stories.append(available(connect).is_assigned().picks_up().hears(m.CustomerGone("c1")))
    return stories


@BOTH
@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
def test_every_event_in_every_state_leaves_an_agent_who_gets_out_by_itself(
    connect: ConnectMode, kind: type[m.Event]
) -> None:
    """Whatever was heard: hung up, without a customer and with time, a session waits for nothing any more."""
    for story in everywhere(connect):
        if issubclass(kind, CUSTOMER_ONLY):
            with pytest.raises(IllegalEvent):
                story.hears(EVENTS[kind])
            continue
        story.hears(EVENTS[kind], m.CustomerGone("c1"), at=1000.0)
        for _ in range(10):
            if story.agent.deadline is not None:
                story.reaches_the_deadline()
            if m.HangUp(story.agent.leg_id or "-") in story.last:
                story.hears(m.LegGone(16))
        assert story.agent.is_over or story.agent.state in (S.AVAILABLE, S.PAUSED), story.agent
        assert story.agent.call_id is None
        assert story.agent.deadline is None
        assert story.sessions_ended() == int(story.agent.is_over)
