"""A customer comes, talks and goes; the work after it."""

from __future__ import annotations

from stasis_dialer.core import messages as m
from stasis_dialer.core.agent.state import (
    CREATE_SECONDS,
    LEG_SECONDS,
    RESERVED_SECONDS,
    Agent,
    S,
    Step,
    enter,
    settle,
    tone,
    with_music,
)
from stasis_dialer.core.evolve import evolve
from stasis_dialer.errors import IllegalEvent


def assign(agent: Agent, event: m.Assigned, create: m.CreateLeg | None, now: float) -> Step:
    """Reserve an available agent for a customer. `create` calls the telephone of an on-demand agent.

    Raises: IllegalEvent when the agent is not available: the router must never choose such a one.
    """
    if not (agent.is_shown and agent.call_id == event.call_id and agent.state is S.RESERVED):
        _expect_available(agent, event)
    taken = _taken(agent, event)
    if agent.leg_id is not None and agent.bridge_id is not None:
        reserved, played = tone(enter(evolve(taken, deadline=now + taken.reserved_seconds), S.RESERVED, now), now)
        ready = m.AgentReady(agent.extension, agent.leg_id, agent.bridge_id)
        return with_music(agent, (reserved, (m.TellCall(event.call_id, ready), *played, m.Save())))
    assert create is not None
    ringing = evolve(taken, leg_id=event.leg_id, bridge_id=event.bridge_id, deadline=now + CREATE_SECONDS)
    commands = (
        m.TellCall(event.call_id, m.AgentReserved(agent.extension)),
        create,
        m.CreateBridge(event.bridge_id),
        m.Save(),
    )
    return enter(ringing, S.RINGING, now), commands


def show(agent: Agent, event: m.Assigned, seconds: float, now: float) -> Step:
    """Reserve an available agent for a lead to look at, at most so long; `assign` follows when it is to be called.

    Raises: IllegalEvent when the agent is not available.
    """
    _expect_available(agent, event)
    looking = evolve(_taken(agent, event), is_shown=True, deadline=now + seconds)
    return with_music(agent, (enter(looking, S.RESERVED, now), (m.Save(),)))


def _expect_available(agent: Agent, event: m.Assigned) -> None:
    if agent.state is not S.AVAILABLE:
        raise IllegalEvent(f"agent is not available: agent={agent.extension} state={agent.state} call={event.call_id}")


def _taken(agent: Agent, event: m.Assigned) -> Agent:
    return evolve(
        agent,
        call_id=event.call_id,
        campaign_id=event.campaign_id,
        wrap_up_seconds=event.wrap_up_seconds,
        ring_seconds=event.ring_seconds,
        reserved_seconds=event.reserved_seconds or RESERVED_SECONDS,
        dispositions=event.dispositions,
        is_shown=False,
        last_call_id=None,
        disposition=None,
    )


def customer_joined(agent: Agent, event: m.Event, now: float) -> Step:
    assert isinstance(event, m.CustomerJoined)
    if agent.state is not S.RESERVED or event.call_id != agent.call_id:
        return agent, ()
    talking = evolve(agent, calls_taken=agent.calls_taken + 1, last_call_id=event.call_id, deadline=None)
    return enter(talking, S.ON_CALL, now), (m.Save(),)


def customer_is(agent: Agent, event: m.Event, now: float) -> Step:
    """The same conversation under another id: a transfer has become the call, or leaves it behind."""
    assert isinstance(event, m.CustomerIs)
    if event.before != agent.call_id:
        return agent, ()
    last = event.call_id if agent.last_call_id == event.before and event.is_mine else agent.last_call_id
    known = evolve(agent, call_id=event.call_id, last_call_id=last)
    if event.is_mine:
        known = evolve(known, dispositions=event.dispositions)
    return known, (m.Save(),)


def customer_gone(agent: Agent, event: m.Event, now: float) -> Step:
    assert isinstance(event, m.CustomerGone)
    if event.call_id != agent.call_id:
        return agent, ()
    free = evolve(agent, call_id=None)
    if agent.state is S.RESERVED and agent.is_always_on:
        return settle(evolve(free, deadline=None), now)
    if agent.state in (S.RINGING, S.RESERVED):
        if agent.leg_id is None:
            return settle(evolve(free, deadline=None), now)
        return evolve(free, deadline=now + LEG_SECONDS), (m.HangUp(agent.leg_id),)
    if agent.state is S.ON_CALL:
        return _wrap_up(evolve(free, free_since=now), now)
    return free, ()


def _wrap_up(agent: Agent, now: float) -> Step:
    """The campaign's time for the work after a call; until its limit while a disposition is to be given.

    Meanwhile a telephone that rang for the call alone is hung up.
    """
    if agent.must_dispose:
        agent = evolve(agent, wrap_up_seconds=agent.dispositions.max_wrap_up_seconds)
    hang_up = (m.HangUp(agent.leg_id),) if agent.leg_id and not agent.is_always_on else ()
    seconds = min(agent.wrap_up_seconds, LEG_SECONDS) if hang_up else agent.wrap_up_seconds
    working = enter(evolve(agent, deadline=now + seconds), S.WRAP_UP, now)
    if agent.wrap_up_seconds > 0 or hang_up:
        return working, (*hang_up, m.Save())
    return settle(evolve(working, deadline=None), now)


def wrap_up_done(agent: Agent, event: m.Event, now: float) -> Step:
    """The agent is ready again, unless a disposition is still to be given."""
    if agent.state is not S.WRAP_UP or agent.must_dispose:
        return agent, ()
    return wrap_up_over(agent, now)


def disposition_given(agent: Agent, event: m.Event, now: float) -> Step:
    """What came of the call; in the work after the call it ends that work."""
    assert isinstance(event, m.DispositionGiven)
    if agent.last_call_id is None or agent.dispositions.find(event.code) is None or agent.state is S.LOGGED_OFF:
        return agent, ()
    said = m.DisposeCall(agent.last_call_id, agent.campaign_id, event.code, event.callback_at)
    disposed = evolve(agent, disposition=event.code)
    if agent.state is not S.WRAP_UP:
        return disposed, (said,)
    ready, commands = wrap_up_over(disposed, now)
    return ready, (said, *commands)


def still_working(agent: Agent, now: float) -> Step:
    """The leg is looked for during the work after the call too: whoever is left in its bridge would be overheard."""
    until = agent.since + agent.wrap_up_seconds
    if agent.leg_id is None or agent.is_always_on or now >= until:
        return wrap_up_over(agent, now)
    return evolve(agent, deadline=min(until, now + LEG_SECONDS)), (m.HangUp(agent.leg_id), m.Probe(agent.leg_id))


def wrap_up_over(agent: Agent, now: float) -> Step:
    """The time for the work after the call is over."""
    if agent.leg_id is not None and not agent.is_always_on:
        closing = evolve(agent, wrap_up_seconds=0.0, deadline=now + LEG_SECONDS)
        return closing, (m.HangUp(agent.leg_id), m.Probe(agent.leg_id))
    return settle(evolve(agent, deadline=None), now)
