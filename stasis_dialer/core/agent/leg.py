"""The agent's leg: created, answered, in its bridge, failed, gone."""

from __future__ import annotations

from stasis_dialer.core import messages as m
from stasis_dialer.core.agent import new_leg
from stasis_dialer.core.agent.state import (
    CREATE_SECONDS,
    FALLS_SECONDS,
    LEG_SECONDS,
    LOGIN_RING_SECONDS,
    NO_ANSWER,
    UNREGISTERED,
    Agent,
    S,
    Step,
    end,
    enter,
    is_logging_in,
    log_out,
    pause,
    say,
    say_default,
    settle,
    tell_lost,
    tone,
)
from stasis_dialer.core.evolve import evolve


def created(agent: Agent, event: m.Event, now: float) -> Step:
    if agent.leg_id is None or agent.is_leg_dialled or agent.is_leg_up:
        return agent, ()
    if agent.state is not S.RINGING or (agent.call_id is None and not is_logging_in(agent)):
        return agent, (m.HangUp(agent.leg_id),)
    ringing = evolve(agent, is_leg_dialled=True, deadline=now + agent.ring_seconds + LEG_SECONDS)
    return ringing, (m.DialLeg(agent.leg_id, agent.ring_seconds),)


def answered(agent: Agent, event: m.Event, now: float) -> Step:
    if agent.state is not S.RINGING or agent.leg_id is None or agent.bridge_id is None or agent.is_leg_up:
        return agent, ()
    if agent.call_id is None and not is_logging_in(agent):
        return agent, (m.HangUp(agent.leg_id),)
    up = evolve(agent, is_leg_up=True, deadline=now + CREATE_SECONDS)
    if agent.is_always_on:
        return up, (m.CreateBridge(agent.bridge_id), m.Join(agent.leg_id, agent.bridge_id))
    return up, (m.Join(agent.leg_id, agent.bridge_id),)


def joined(agent: Agent, event: m.Event, now: float) -> Step:
    """The agent's own leg is in its bridge: logged in, or ready for the customer who waits."""
    assert isinstance(event, m.Joined)
    if new_leg.is_joining(agent) and event.bridge_id == agent.bridge_id:
        return new_leg.joined(agent)
    if agent.state is not S.RINGING or event.bridge_id != agent.bridge_id or agent.leg_id is None:
        return agent, ()
    if agent.call_id is None:
        if not is_logging_in(agent):
            return agent, ()
        seated = evolve(agent, is_leg_up=True, is_seated=True, call_back_until=None, free_since=now)
        return settle(seated, now)
    up = evolve(agent, is_leg_up=True, deadline=now + agent.reserved_seconds)
    reserved, played = tone(enter(up, S.RESERVED, now), now)
    ready = m.AgentReady(agent.extension, agent.leg_id, event.bridge_id)
    return reserved, (m.TellCall(agent.call_id, ready), *played, m.Save())


def sound_over(agent: Agent, event: m.Event, now: float) -> Step:
    """What Asterisk could not play is played once more: 3 in 100 tones fail while the customer comes into the bridge
    (22.10.1).
    """
    assert isinstance(event, m.MessageEnded)
    over = evolve(agent, sound_since=None, sound=None)
    if event.is_heard:
        return over, ()
    again, commands = say(over, agent.sound, now)
    return evolve(again, sound=None), commands


def failed(agent: Agent, event: m.Event, now: float) -> Step:
    """Refused, not dialled, not joined or without an answer: hang up what may be there; `LegGone` tells the rest.

    A failure that comes after the success it speaks of is late: who talks goes on talking.
    """
    if isinstance(event, m.OriginateRejected):
        return gone(agent, event, now)
    if isinstance(event, m.JoinFailed):
        is_in_bridge = agent.state is S.ON_CALL and not new_leg.is_joining(agent)
        is_late = event.bridge_id != agent.bridge_id or is_in_bridge
    else:
        is_late = agent.is_leg_up
    if is_late or agent.leg_id is None or agent.state is S.LOGGED_OFF:
        return agent, ()
    if agent.is_always_on and agent.is_leg_up and agent.call_id is None:
        leaving, commands = log_out(agent, now)
        return leaving, (*commands, m.Probe(agent.leg_id))
    logs_out = agent.wants_logout or agent.is_always_on
    closing = evolve(new_leg.given_up(agent), wants_logout=logs_out, deadline=now + LEG_SECONDS)
    return closing, (m.HangUp(agent.leg_id), m.Probe(agent.leg_id))


def gone(agent: Agent, event: m.Event, now: float) -> Step:
    if new_leg.is_expected(agent):
        return new_leg.changed(agent, now)
    bare, commands = _without_leg(agent, now)
    if agent.next_leg_id in (None, agent.leg_id):
        return bare, commands
    return bare, (*commands, m.HangUp(agent.next_leg_id))


def _without_leg(agent: Agent, now: float) -> Step:
    told = tell_lost(agent)
    destroy = (m.DestroyBridge(agent.bridge_id),) if agent.bridge_id else ()
    bare = evolve(
        agent,
        leg_id=None,
        bridge_id=None,
        is_leg_dialled=False,
        is_leg_up=False,
        is_leg_in_doubt=False,
        next_leg_id=None,
        sound_since=None,
        sound=None,
    )
    if _may_call_back(agent, now):
        waiting, commands = _wait_for_phone(bare, now)
        return waiting, (*told, *destroy, *commands)
    if agent.is_always_on or agent.state is S.LOGGED_OFF:
        over, commands = end(bare, now)
        return over, (*told, *destroy, *commands)
    if agent.state is S.RINGING and agent.call_id is not None:
        missed, commands = pause(evolve(bare, call_id=None, pause_reason=NO_ANSWER), now)
        return missed, (*told, *destroy, *commands)
    if agent.state in (S.RINGING, S.RESERVED):
        settled, commands = settle(evolve(bare, call_id=None, deadline=None), now)
        return settled, (*told, *destroy, *commands)
    if agent.state is S.WRAP_UP:
        working, commands = _wrap_up_until(bare, agent.since + agent.wrap_up_seconds, now)
        return working, (*destroy, *commands)
    return bare, (*told, *destroy)


def _may_call_back(agent: Agent, now: float) -> bool:
    """Whether a leg that fell is set up again: it stood, nobody wanted to leave, and it did not fall too often."""
    if not (agent.is_seated and agent.is_always_on) or agent.wants_logout or agent.state is S.LOGGED_OFF:
        return False
    return agent.manners.may_call_back and len(_recent(agent, now)) < agent.manners.call_backs


def _recent(agent: Agent, now: float) -> tuple[float, ...]:
    return tuple(at for at in agent.falls if now - at < FALLS_SECONDS)


def _wait_for_phone(agent: Agent, now: float) -> Step:
    """The telephone is called back soon, or when it is registered again; a pause goes on after that."""
    agent, said = say_default(agent)
    pause_reason = agent.pause_reason if agent.state is S.PAUSED and agent.pause_reason != UNREGISTERED else None
    fallen = evolve(
        agent,
        call_id=None,
        is_seated=False,
        wants_pause=pause_reason or agent.wants_pause,
        is_lost=False,
        falls=(*_recent(agent, now), now),
        ring_seconds=LOGIN_RING_SECONDS,
        call_back_until=now + agent.manners.call_back_wait_seconds,
        deadline=now + agent.manners.call_back_seconds,
    )
    return enter(fallen, S.RINGING, now), (*said, m.Save())


def call_back(agent: Agent, event: m.Event, now: float) -> Step:
    """Call the telephone of a fallen leg, if it can be reached; else wait for it, but not for ever."""
    assert agent.call_back_until is not None
    if isinstance(event, m.PhoneRegistered) and agent.deadline is not None and agent.deadline < agent.call_back_until:
        return agent, ()
    if agent.is_registered:
        return evolve(agent, deadline=now + CREATE_SECONDS, call_back_until=None), (m.CallPhone(),)
    if now >= agent.call_back_until:
        return end(evolve(agent, call_back_until=None), now)
    return evolve(agent, deadline=agent.call_back_until), ()


def _wrap_up_until(agent: Agent, until: float, now: float) -> Step:
    if until > now:
        return evolve(agent, deadline=until), ()
    return settle(evolve(agent, deadline=None), now)
