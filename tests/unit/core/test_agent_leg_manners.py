"""Tones, music, and legs that fall and are called back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stasis_dialer.core import agent as agent_machine
from stasis_dialer.core import messages as m
from stasis_dialer.core.agent import CREATE_SECONDS, NO_MANNERS, Manners
from stasis_dialer.core.agent.state import MOST_JOINS
from stasis_dialer.core.model import AgentState
from stasis_dialer.core.options import Choice, Dispositions
from tests.unit.core.builders import ALWAYS_ON, ON_DEMAND, AgentStory, bridged

S = AgentState
MUSIC = Manners(join_tone="sound:beep", has_music=True)
BOTH = pytest.mark.parametrize("connect", [ALWAYS_ON, ON_DEMAND], ids=str)
BACK = Manners(may_call_back=True, call_back_seconds=2.0, call_back_wait_seconds=60.0, call_backs=2)


def sitting(manners: Manners, connect: object = ALWAYS_ON) -> AgentStory:
    story = AgentStory(connect)  # type: ignore[arg-type]
    story.agent = replace(story.agent, manners=manners)
    return story.logs_in()


def called_back(story: AgentStory, leg: str, bridge: str) -> AgentStory:
    """What the desk does for `CallPhone`."""
    assert m.CallPhone() in story.last
    step = agent_machine.call_phone(story.agent, leg, bridge, m.CreateLeg(leg, "PJSIP/1001"), story.now)
    return story._take(step)


# --- tone and music -------------------------------------------------------------------------------------------------


def test_given_music_when_a_customer_comes_and_goes_then_it_stops_first_and_comes_back() -> None:
    story = sitting(MUSIC)
    assert story.last[-1] == m.StartMusic("a1")
    story.is_assigned(at=10.0)
    assert story.last[0] == m.StopMusic("a1")
    assert story.last[1] == m.TellCall("c1", m.AgentReady("1001", "a1", "b1"))
    assert m.PlayMessage("a1", "sound:beep") in story.last
    story.hears(m.CustomerJoined("c1"), m.CustomerGone("c1"), at=20.0)
    assert m.StartMusic("a1") not in story.last
    assert m.StartMusic("a1") in story.reaches_the_deadline().last


@pytest.mark.parametrize("end", [m.MessageEnded(), m.LegGone(16)])
def test_given_a_tone_then_the_agent_hears_it_until_it_ends(end: m.Event) -> None:
    assert sitting(MUSIC).agent.sound_since is None
    for story in (sitting(MUSIC).is_assigned(), sitting(MUSIC, ON_DEMAND).is_assigned().picks_up()):
        assert story.agent.sound_since is not None
        assert story.hears(end).agent.sound_since is None


def test_given_music_when_paused_then_it_is_silent() -> None:
    story = sitting(MUSIC).hears(m.PauseRequested("lunch"))
    assert story.last[0] == m.StopMusic("a1")
    assert m.StartMusic("a1") in story.hears(m.UnpauseRequested()).last


def test_given_a_tone_that_asterisk_could_not_play_then_it_is_played_once_more() -> None:
    story = sitting(MUSIC).is_assigned()
    again = m.PlayMessage("a1", "sound:beep")
    assert story.hears(m.MessageEnded(is_heard=False)).last == (again,)
    assert story.agent.sound_since is not None
    assert story.hears(m.MessageEnded(is_heard=False)).last == ()
    assert story.agent.sound_since is None


def test_given_on_demand_when_the_telephone_is_in_its_bridge_then_the_tone_is_heard_and_no_music_ever() -> None:
    story = sitting(MUSIC, ON_DEMAND).is_assigned(at=10.0)
    assert not any(isinstance(command, m.PlayMessage) for command in story.given)
    story.picks_up(at=12.0)
    assert m.PlayMessage("a2", "sound:beep") in story.last
    assert not any(isinstance(command, m.StartMusic | m.StopMusic) for command in story.given)


def test_given_no_manners_then_nothing_is_played() -> None:
    story = sitting(Manners()).talks().hears(m.CustomerGone("c1"))
    assert not any(isinstance(c, m.StartMusic | m.StopMusic | m.PlayMessage) for c in story.given)


# --- falls ----------------------------------------------------------------------------------------------------------


def test_given_a_leg_that_fell_then_the_telephone_is_called_back_and_the_agent_is_available_again() -> None:
    story = sitting(BACK).hears(m.LegGone(38), at=100.0)
    assert (story.agent.state, story.agent.leg_id, story.agent.deadline) == (S.RINGING, None, 102.0)
    assert m.DestroyBridge("b1") in story.last
    story.reaches_the_deadline()
    called_back(story, "a3", "b3").hears(m.LegCreated(), m.Answered(), m.Joined("b3"), at=105.0)
    assert (story.agent.state, story.agent.leg_id, story.agent.deadline) == (S.AVAILABLE, "a3", None)
    assert story.sessions_ended() == 0


def test_given_paused_when_the_leg_falls_then_paused_again_for_the_same_reason() -> None:
    story = sitting(BACK).hears(m.PauseRequested("lunch")).hears(m.LegGone(38), at=100.0).reaches_the_deadline()
    called_back(story, "a3", "b3").hears(m.LegCreated(), m.Answered(), m.Joined("b3"))
    assert (story.agent.state, story.agent.pause_reason) == (S.PAUSED, "lunch")


def test_given_talking_when_the_leg_falls_then_the_call_is_told_and_its_default_said_before_the_call_back() -> None:
    default = Dispositions((Choice("nobody"),), default="nobody")
    story = sitting(BACK).talks(at=50.0, dispositions=default).hears(m.LegGone(38), at=100.0)
    assert story.told()[-1] == m.AgentLost("1001")
    assert m.DisposeCall("c1", None, "nobody", is_default=True) in story.last
    assert story.hears(m.CustomerGone("c1")).agent.state is S.RINGING
    assert m.CallPhone() in story.reaches_the_deadline().last


def test_given_a_telephone_that_starts_anew_then_it_is_called_as_soon_as_it_is_registered() -> None:
    story = sitting(BACK).hears(m.PhoneUnregistered(), m.LegGone(38), at=100.0).reaches_the_deadline()
    assert (story.last, story.agent.deadline) == ((), 160.0)
    story.hears(m.PhoneRegistered(), at=130.0)
    assert story.last == (m.CallPhone(),)
    assert story.agent.deadline == 130.0 + CREATE_SECONDS


def test_given_a_telephone_that_starts_anew_then_the_agent_is_available_and_not_paused_for_its_absence() -> None:
    story = sitting(BACK).hears(m.PhoneUnregistered(), m.LegGone(38), at=100.0).reaches_the_deadline()
    story.hears(m.PhoneRegistered(), at=130.0)
    called_back(story, "a3", "b3").hears(m.LegCreated(), m.Answered(), m.Joined("b3"), at=131.0)
    assert story.agent.state is S.AVAILABLE


def test_given_a_telephone_that_does_not_come_back_then_logged_out_in_time() -> None:
    story = sitting(BACK).hears(m.PhoneUnregistered(), m.LegGone(38), at=100.0)
    story.reaches_the_deadline().reaches_the_deadline()
    assert (story.agent.is_over, story.now) == (True, 160.0)


def test_given_a_telephone_that_does_not_answer_when_called_back_then_logged_out() -> None:
    story = sitting(BACK).hears(m.LegGone(38), at=100.0).reaches_the_deadline()
    called_back(story, "a3", "b3").hears(m.LegCreated(), m.LegGone(17), at=104.0)
    assert (story.agent.is_over, story.sessions_ended()) == (True, 1)


def test_given_a_leg_that_falls_too_often_then_logged_out_and_after_an_hour_it_may_again() -> None:
    story = sitting(BACK)
    for fall in (100.0, 200.0, 3750.0):
        story.hears(m.LegGone(38), at=fall).reaches_the_deadline()
        called_back(story, "a3", "b3").hears(m.LegCreated(), m.Answered(), m.Joined("b3"))
        assert story.agent.state is S.AVAILABLE
    assert story.hears(m.LegGone(38), at=3780.0).agent.is_over


def test_given_who_wants_to_leave_or_never_sat_there_then_nobody_is_called_back() -> None:
    assert sitting(BACK).hears(m.LogoutRequested(), m.LegGone(16)).agent.is_over
    assert sitting(BACK).talks().hears(m.LogoutRequested(), m.LegGone(16), m.CustomerGone("c1")).agent.is_over
    story = AgentStory(ALWAYS_ON)
    story.agent = replace(story.agent, manners=BACK)
    story._take(agent_machine.call_phone(story.agent, "a1", "b1", m.CreateLeg("a1", "PJSIP/1001"), 0.0))
    assert story.hears(m.LegCreated(), m.LegGone(17)).agent.is_over


def test_given_waiting_for_the_telephone_when_logging_out_then_over_at_once() -> None:
    assert sitting(BACK).hears(m.LegGone(38), m.LogoutRequested(), at=100.0).agent.is_over


# --- a telephone that comes back while its agent talks --------------------------------------------------------------


def dials_in_again(connect: object = ALWAYS_ON, manners: Manners = NO_MANNERS) -> AgentStory:
    """The agent talks, the telephone goes and comes back, and calls us on the leg a9."""
    story = sitting(manners, connect).talks("c1", at=10.0)
    assert not agent_machine.may_change_leg(story.agent)
    story.hears(m.PhoneUnregistered(), m.PhoneRegistered(), at=40.0)
    assert agent_machine.may_change_leg(story.agent)
    return story._take(agent_machine.change_leg(story.agent, "a9", story.now))


@BOTH
def test_given_a_dead_leg_when_the_telephone_calls_then_the_old_leg_ends_and_the_new_one_joins_the_customer(
    connect: object,
) -> None:
    story = dials_in_again(connect)
    old, bridge = story.agent.leg_id, story.agent.bridge_id
    assert story.last == (m.AnswerLeg("a9"), m.HangUp(old), m.Probe(old))
    assert not agent_machine.may_change_leg(story.agent)
    story.hears(m.LegGone(16), at=41.0)
    assert story.last[:2] == (m.TellCall("c1", m.AgentChanged("1001", "a9", bridge)), m.Join("a9", bridge))
    assert (story.agent.state, story.agent.leg_id, story.agent.call_id) == (S.ON_CALL, "a9", "c1")
    story.hears(m.Joined(bridge), at=42.0)
    assert (story.agent.deadline, story.agent.next_leg_id, story.agent.calls_taken) == (None, None, 1)
    assert m.AgentLost("1001") not in story.told()
    story.hears(m.JoinFailed(bridge), at=43.0)
    assert (story.agent.state, story.last) == (S.ON_CALL, ())


@BOTH
def test_given_a_dead_leg_whose_end_is_not_heard_then_it_is_looked_for(connect: object) -> None:
    story = dials_in_again(connect)
    old = story.agent.leg_id
    assert story.reaches_the_deadline().last == (m.HangUp(old), m.Probe(old))
    assert story.hears(m.LegGone(is_seen=False)).agent.leg_id == "a9"


@BOTH
@pytest.mark.parametrize("failure", ["refused", "silent"])
def test_given_the_new_leg_does_not_get_into_the_bridge_then_the_customer_is_not_left_alone(
    connect: object, failure: str
) -> None:
    story = dials_in_again(connect).hears(m.LegGone(16), at=41.0)
    if failure == "refused":
        story.hears(m.JoinFailed(story.agent.bridge_id or ""))
    else:
        for _ in range(1, MOST_JOINS):
            assert story.reaches_the_deadline().last == (m.Join("a9", story.agent.bridge_id),)
        story.reaches_the_deadline()
    assert story.last == (m.HangUp("a9"), m.Probe("a9"))
    assert story.reaches_the_deadline().last == (m.HangUp("a9"), m.Probe("a9"))
    assert story.hears(m.LegGone(16)).told()[-1] == m.AgentLost("1001")


@BOTH
def test_given_a_new_leg_that_was_refused_when_an_earlier_way_is_told_of_then_it_is_hung_up_until_it_is_gone(
    connect: object,
) -> None:
    story = dials_in_again(connect).hears(m.LegGone(16), at=41.0).reaches_the_deadline()
    bridge = story.agent.bridge_id or ""
    story.hears(m.JoinFailed(bridge)).hears(m.Joined(bridge))
    assert story.reaches_the_deadline().last == (m.HangUp("a9"), m.Probe("a9"))


@BOTH
@pytest.mark.parametrize("unanswered", range(1, MOST_JOINS))
def test_given_the_new_legs_way_had_no_answer_when_it_is_asked_for_again_then_agent_and_customer_talk_on(
    connect: object, unanswered: int
) -> None:
    story = dials_in_again(connect).hears(m.LegGone(16), at=41.0)
    for _ in range(unanswered):
        story.reaches_the_deadline()
    story.hears(m.Joined(story.agent.bridge_id or ""))
    assert (story.agent.state, story.agent.deadline, story.agent.next_leg_id) == (S.ON_CALL, None, None)
    assert m.AgentLost("1001") not in story.told()


@BOTH
def test_given_the_customer_goes_before_the_dead_leg_then_the_new_leg_is_hung_up(connect: object) -> None:
    story = dials_in_again(connect).hears(m.CustomerGone("c1"), m.LegGone(16), at=41.0)
    assert m.HangUp("a9") in story.last
    assert (story.agent.leg_id, story.agent.next_leg_id) == (None, None)


@BOTH
def test_given_a_new_leg_then_the_seconds_of_the_call_are_one_stretch_and_the_next_fall_is_an_ordinary_one(
    connect: object,
) -> None:
    story = dials_in_again(connect).hears(m.LegGone(16), m.Joined("b1" if connect is ALWAYS_ON else "b2"), at=41.0)
    assert not agent_machine.may_change_leg(story.agent)
    story.hears(m.LegGone(16), at=70.0)
    assert story.told()[-1] == m.AgentLost("1001")
    story.hears(m.CustomerGone("c1"), at=70.0)
    assert story.agent.seconds[S.ON_CALL] == pytest.approx(60.0)


def test_given_the_agents_new_leg_then_the_call_knows_it_and_the_recording_turns_to_it() -> None:
    story = bridged()
    agent, bridge = story.call.agent or "", story.call.bridge_id
    story.hears(m.AgentChanged(agent, "a9", bridge or ""))
    assert (story.call.agent, story.call.agent_leg_id, story.call.bridge_id) == (agent, "a9", bridge)
    assert story.last == (m.TellJoined(is_again=True), m.Save())
    assert story.call.timeline[-1][1] == f"new leg of {agent}"
    assert story.hears(m.AgentChanged(agent, "a9", bridge or "")).last == ()
