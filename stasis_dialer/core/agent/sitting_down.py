"""How a session begins, and begins again after a restart."""

from __future__ import annotations

from stasis_dialer.core import messages as m
from stasis_dialer.core.agent.state import CREATE_SECONDS, LEG_SECONDS, Agent, S, Step, end, enter, log_out, settle
from stasis_dialer.core.evolve import evolve


def call_phone(agent: Agent, leg_id: str, bridge_id: str, create: m.CreateLeg, now: float) -> Step:
    """Log an always-on agent in by calling the telephone."""
    ringing = evolve(agent, leg_id=leg_id, bridge_id=bridge_id, deadline=now + CREATE_SECONDS)
    return enter(ringing, S.RINGING, now), (create, m.Save())


def phone_called(agent: Agent, leg_id: str, bridge_id: str, now: float) -> Step:
    """Log an always-on agent in whose telephone called us: the leg is here already."""
    ringing = evolve(agent, leg_id=leg_id, bridge_id=bridge_id, is_leg_up=True, deadline=now + CREATE_SECONDS)
    commands = (m.AnswerLeg(leg_id), m.CreateBridge(bridge_id), m.Join(leg_id, bridge_id), m.Save())
    return enter(ringing, S.RINGING, now), commands


def sit_down(agent: Agent, now: float) -> Step:
    """Log an on-demand agent in: available as soon as the telephone is registered."""
    return settle(agent, now)


def found_again(
    agent: Agent,
    *,
    is_leg_there: bool,
    is_in_bridge: bool,
    call_id: str | None,
    now: float,
    rings_seconds: float | None = None,
) -> Step:
    """A session after a restart of the dialer: `call_id` is the customer who is in the bridge with the agent now.

    `rings_seconds`: that customer was called for this agent and has not picked up; so long the agent is reserved.
    """
    bare = evolve(agent, call_id=call_id, is_leg_up=is_leg_there, is_seated=is_leg_there, deadline=None)
    if not is_leg_there:
        bare = evolve(bare, leg_id=None, bridge_id=None)
        if agent.is_always_on or agent.state is S.LOGGED_OFF:
            return end(bare, now)
        return (bare, ()) if agent.state is S.PAUSED else settle(bare, now)
    assert agent.leg_id is not None
    if agent.state is S.LOGGED_OFF:
        return log_out(bare, now)
    if call_id is not None and rings_seconds is not None:
        return enter(evolve(bare, deadline=now + rings_seconds), S.RESERVED, now), (m.Save(),)
    if call_id is not None:
        return enter(bare, S.ON_CALL, now), (m.Save(),)
    if not agent.is_always_on:
        closing = evolve(bare, deadline=now + LEG_SECONDS)
        return enter(closing, S.RINGING, now), (m.HangUp(agent.leg_id), m.Save())
    if is_in_bridge:
        return (bare, ()) if agent.state is S.PAUSED else settle(bare, now)
    assert agent.bridge_id is not None
    wants_pause = agent.pause_reason if agent.state is S.PAUSED else agent.wants_pause
    back = evolve(bare, wants_pause=wants_pause, deadline=now + CREATE_SECONDS)
    commands = (m.CreateBridge(agent.bridge_id), m.Join(agent.leg_id, agent.bridge_id), m.Save())
    return enter(back, S.RINGING, now), commands
