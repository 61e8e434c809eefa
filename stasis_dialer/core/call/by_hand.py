"""A call for one agent who is known before it is dialled: looked at first (preview), or typed by the agent (manual).

The agent is reserved before anything is sent, and hears the call's progress: the customer's leg enters the agent's
bridge before it is dialled. Who goes away before that leaves the lead as it was: the attempt is given back.
"""

from __future__ import annotations

from stasis_dialer.core import messages as m
from stasis_dialer.core.call import meeting, recorded
from stasis_dialer.core.call.state import (
    CREATE_SECONDS,
    JOIN_SECONDS,
    Call,
    S,
    Step,
    close,
    finish,
    marked,
    trunk_works,
)
from stasis_dialer.core.evolve import evolve
from stasis_dialer.core.model import Campaign, Disposition, Fault, Lead
from stasis_dialer.core.options import ByHand, OnTimeout

PREVIEW_TIMEOUT = "preview_timeout"
"""Why an agent is paused who let a preview pass."""
FETCH_SLACK_SECONDS = 20.0
"""Beside the ring time of an on-demand agent's telephone: for its leg, its bridge and a trunk. Not measured."""


def start(
    call_id: str, campaign: Campaign, lead: Lead | None, number: str, kind: ByHand, extension: str, now: float
) -> Step:
    """A call whose attempt is committed and whose agent is about to be reserved."""
    seconds = campaign.preview.timeout_seconds
    call = Call(
        call_id,
        campaign,
        lead,
        number,
        None,
        S.PREVIEWING,
        reserved_at=now,
        deadline=now + seconds,
        by_hand=kind,
        agent=extension,
    )
    if kind is ByHand.MANUAL:
        return _fetch(marked(call, now, f"dialled by {extension}"), now)
    return marked(call, now, f"shown to {extension}"), (m.Save(),)


# --- the agent looks at the lead ------------------------------------------------------------------------------------


def accepted(call: Call, event: m.Event, now: float) -> Step:
    return _fetch(marked(call, now, "accepted"), now)


def skipped(call: Call, event: m.Event, now: float) -> Step:
    return _leave(marked(call, now, "skipped"), now, by="agent")


def timed_out(call: Call, event: m.Event, now: float) -> Step:
    """Nobody decided: dialled, skipped, or skipped with the agent paused, by the campaign's setting."""
    late = marked(call, now, "deadline")
    if call.campaign.preview.on_timeout is OnTimeout.DIAL:
        return _fetch(late, now)
    left, commands = _leave(late, now, by="dialer")
    if call.campaign.preview.on_timeout is OnTimeout.PAUSE and call.agent is not None:
        return left, (m.PauseAgent(call.agent, PREVIEW_TIMEOUT), *commands)
    return left, commands


def agent_left(call: Call, event: m.Event, now: float) -> Step:
    assert isinstance(event, m.AgentLost)
    return _leave(marked(call, now, f"agent lost {event.extension}"), now, by="agent")


def stopped(call: Call, event: m.Event, now: float) -> Step:
    assert isinstance(event, m.StopRequested)
    return _leave(marked(call, now, f"stopped by {event.by}"), now, by=event.by)


def ignored(call: Call, event: m.Event, now: float) -> Step:
    """There is no leg yet of which this could be news."""
    return call, ()


# --- the agent's telephone and a trunk ------------------------------------------------------------------------------


def _fetch(call: Call, now: float) -> Step:
    seconds = call.campaign.agent_ring_seconds + FETCH_SLACK_SECONDS
    return evolve(call, state=S.FETCHING, deadline=now + seconds), (m.FetchAgent(), m.Save())


def agent_rings(call: Call, event: m.Event, now: float) -> Step:
    assert isinstance(event, m.AgentReserved)
    return marked(call, now, f"offered {event.extension}", offered_at=now), ()


def agent_there(call: Call, event: m.Event, now: float) -> Step:
    """The agent hears us: now a trunk."""
    assert isinstance(event, m.AgentReady)
    if call.bridge_id is not None:
        return call, ()
    there = evolve(
        call, agent_leg_id=event.leg_id, bridge_id=event.bridge_id, offered_at=now, deadline=now + CREATE_SECONDS
    )
    return there, (m.SeekTrunk(),)


def trunk_found(call: Call, event: m.Event, now: float) -> Step:
    assert isinstance(event, m.TrunkFound)
    if call.bridge_id is None:
        return call, ()
    dialling = marked(
        call,
        now,
        f"trunk {event.trunk.name}",
        state=S.ORIGINATING,
        trunk=event.trunk,
        caller_id=event.caller_id,
        deadline=now + CREATE_SECONDS,
    )
    return dialling, (m.Save(), event.create)


def no_trunk(call: Call, event: m.Event, now: float) -> Step:
    return _leave(marked(call, now, "no trunk"), now, by="dialer")


def gave_up(call: Call, event: m.Event, now: float) -> Step:
    return _leave(marked(call, now, "deadline"), now, by="dialer")


def _leave(call: Call, now: float, *, by: str) -> Step:
    """Nothing was sent: the attempt is given back, and so is the agent."""
    return finish(evolve(call, hung_up_by=by), now, Disposition.CANCELLED, Fault.OURS)


# --- while it rings -------------------------------------------------------------------------------------------------


def early_join(call: Call) -> tuple[m.Command, ...]:
    """What goes before the dialling: the agent hears it ring."""
    if call.by_hand is None or call.bridge_id is None:
        return ()
    return (m.Join(call.leg_id, call.bridge_id),)


def joined(call: Call, event: m.Event, now: float) -> Step:
    assert isinstance(event, m.Joined)
    if call.by_hand is None or event.bridge_id != call.bridge_id:
        return call, ()
    return evolve(call, is_heard=True), ()


def not_joined(call: Call, event: m.Event, now: float) -> Step:
    """The agent would hear nobody."""
    assert isinstance(event, m.JoinFailed)
    if call.by_hand is None or event.bridge_id != call.bridge_id:
        return call, ()
    return close(marked(call, now, "join failed"), now, by="dialer")


def agent_lost(call: Call, event: m.Event, now: float) -> Step:
    assert isinstance(event, m.AgentLost)
    if call.by_hand is None or event.extension != call.agent:
        return call, ()
    return close(marked(call, now, f"agent lost {event.extension}"), now, by="agent")


def answered(call: Call, now: float) -> Step:
    """Somebody picked up, and the agent is there already, or in a moment.

    A way into the bridge that nothing was heard of before the answer had no answer of its own: it is tried a second
    time.
    """
    assert call.bridge_id is not None
    up, told = trunk_works(marked(call, now, "answered", answered_at=now, waits_since=now))
    media = call.campaign.recording.announcement
    told = (m.TellAnswered(), *told, *(() if call.is_heard else early_join(call)))
    if media is not None and recorded.must_tell(call):
        told = (*told, m.PlayMessage(call.leg_id, media, recorded.ANNOUNCEMENT))
    offering = evolve(up, state=S.OFFERING, joins=2, is_announced=True, deadline=now + JOIN_SECONDS)
    if not call.is_heard:
        return offering, (*told, m.Save())
    together, commands = meeting.joined(offering, m.Joined(call.bridge_id), now)
    return together, (*told, *commands)
