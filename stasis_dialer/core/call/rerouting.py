"""A try that the trunk refused: once more, on another trunk.

The lead, the attempt and its id stay the same; the channel is a new one. The callee has heard nothing: nobody is rung
twice.
"""

from __future__ import annotations

from stasis_dialer.core import messages as m
from stasis_dialer.core.call import dialling, ending
from stasis_dialer.core.call.state import CREATE_SECONDS, Call, S, Step, TrunkTry, marked
from stasis_dialer.core.evolve import evolve
from stasis_dialer.core.trunks import MOST_REROUTES, may_reroute

SERVER_ERROR = 500
"""Asterisk's answer when a trunk cannot be reached: its contact does not answer OPTIONS. Measured on 22.10."""
SEEK_SECONDS = 1.0
"""For the engine to name a trunk, which it does at once; only a defect could let this pass."""


def gone(call: Call, event: m.Event, now: float) -> Step:
    """The leg is gone before it rang: the end, unless the trunk itself refused it."""
    assert isinstance(event, m.LegGone)
    if call.trunk is None or call.dialled_at is None:
        return ending.gone(call, event, now)
    is_wanted = may_reroute(
        call.trunk.failover,
        reroutes=len(call.tries),
        is_heard=call.ringing_at is not None or call.early_media_at is not None,
        dialled_at=call.dialled_at,
        now=now,
        tech_cause=event.tech_cause,
    )
    if not is_wanted:
        return ending.gone(call, event, now)
    refused = evolve(call, cause=event.cause, tech_cause=event.tech_cause)
    return _seek(refused, now, f"refused {call.trunk.name} {event.tech_cause}", is_dialled=True)


def create_refused(call: Call, event: m.Event, now: float) -> Step:
    """Asterisk cannot reach the trunk: nothing was sent, and another trunk may work."""
    assert isinstance(event, m.OriginateRejected)
    if event.status != SERVER_ERROR or call.trunk is None or len(call.tries) >= MOST_REROUTES:
        return dialling.create_refused(call, event, now)
    return _seek(call, now, f"refused {call.trunk.name} by Asterisk {event.status}", is_dialled=False)


def _seek(call: Call, now: float, what: str, *, is_dialled: bool) -> Step:
    assert call.trunk is not None
    begun = call.dialled_at if call.dialled_at is not None else call.reserved_at
    tried = TrunkTry(call.trunk.name, call.leg_id, begun, is_dialled, call.cause, call.tech_cause)
    seeking = marked(
        call, now, what, state=S.REROUTING, deadline=now + SEEK_SECONDS, dialled_at=None, tries=(*call.tries, tried)
    )
    return seeking, (m.TellTrunk(call.trunk.name, begun, is_fault=True), m.SeekTrunk())


def found(call: Call, event: m.Event, now: float) -> Step:
    assert isinstance(event, m.TrunkFound)
    again = marked(
        call,
        now,
        f"trunk {event.trunk.name}",
        state=S.ORIGINATING,
        trunk=event.trunk,
        caller_id=event.caller_id,
        later_leg_id=event.create.leg_id,
        deadline=now + CREATE_SECONDS,
        cause=None,
        tech_cause=None,
    )
    return again, (m.Save(), event.create)


def nowhere(call: Call, event: m.Event, now: float) -> Step:
    """No other trunk: it ends as the refused try says, which was the only one."""
    return _over(call, now)


def stopped(call: Call, event: m.Event, now: float) -> Step:
    assert isinstance(event, m.StopRequested)
    return _over(marked(call, now, f"stopped by {event.by}"), now)


def agent_lost(call: Call, event: m.Event, now: float) -> Step:
    """Whoever wanted this call has gone."""
    assert isinstance(event, m.AgentLost)
    if call.by_hand is None or event.extension != call.agent:
        return call, ()
    return _over(marked(call, now, f"agent lost {event.extension}"), now)


def _over(call: Call, now: float) -> Step:
    """The refused try was the present one after all."""
    tried = call.tries[-1]
    ended, commands = ending.as_last_try(call, now)
    return evolve(ended, tries=call.tries[:-1], dialled_at=tried.at if tried.is_dialled else None), commands


def ignored(call: Call, event: m.Event, now: float) -> Step:
    """The end of the refused leg, told twice."""
    return call, ()
