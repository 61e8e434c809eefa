"""The end of a call: who asks for it, and what is found when the leg is gone."""

from __future__ import annotations

from typing import Final

from stasis_dialer.core import messages as m
from stasis_dialer.core.call import broadcast
from stasis_dialer.core.call.state import (
    AGENT_WANTED,
    CLOSING_SECONDS,
    Call,
    S,
    Step,
    close,
    finish,
    marked,
    not_played,
    trunk_works,
)
from stasis_dialer.core.disposition import Ending, classify
from stasis_dialer.core.evolve import evolve
from stasis_dialer.core.model import Disposition
from stasis_dialer.core.trunks import UNWELCOME

MESSAGE: Final = m.MessageEnded().name
"""Name of the playback that stands for an agent."""


def answered_too_late(call: Call, event: m.Event, now: float) -> Step:
    """A person picked up while we were giving up: it stays a hang-up, and it counts as abandoned."""
    if call.answered_at is not None:
        return call, ()
    return marked(call, now, "answered", answered_at=now), ()


def joined_too_late(call: Call, event: m.Event, now: float) -> Step:
    """Nobody may talk in a bridge that was given back: out at once."""
    return close(call, now, by=call.hung_up_by or "dialer")


def stopped(call: Call, event: m.Event, now: float) -> Step:
    """An agent whom the customer may be joining right now is given back only when the customer's leg is gone."""
    assert isinstance(event, m.StopRequested)
    closing, commands = close(marked(call, now, f"stopped by {event.by}"), now, by=event.by)
    if call.state in AGENT_WANTED and not call.is_joining:
        return closing, (m.WithdrawSeek(), *commands)
    return closing, commands


def over(call: Call, event: m.Event, now: float) -> Step:
    return close(marked(call, now, "deadline"), now, by="dialer")


def message_over(call: Call, event: m.Event, now: float) -> Step:
    """The end of an announcement that the message follows, or cut off, is none of the message."""
    assert isinstance(event, m.MessageEnded)
    if event.name != MESSAGE:
        return call, ()
    if not event.is_heard:
        return not_played(call, now)
    return close(marked(call, now, "message played"), now, by="dialer")


def still_closing(call: Call, event: m.Event, now: float) -> Step:
    again = evolve(call, deadline=now + CLOSING_SECONDS)
    return again, (m.HangUp(call.leg_id), m.Probe(call.leg_id))


def created_while_closing(call: Call, event: m.Event, now: float) -> Step:
    """The creation that we gave up has worked after all."""
    return call, (m.HangUp(call.leg_id),)


def disposed(call: Call, event: m.Event, now: float) -> Step:
    """The agent's word; the last one counts."""
    assert isinstance(event, m.Disposed)
    if (event.code, event.callback_at) == (call.agent_disposition, call.callback_at):
        return call, ()
    said = marked(call, now, f"disposed {event.code}", agent_disposition=event.code, callback_at=event.callback_at)
    return said, (m.Save(),)


def gone(call: Call, event: m.Event, now: float) -> Step:
    assert isinstance(event, m.LegGone)
    gone = evolve(call, cause=event.cause, tech_cause=event.tech_cause, is_end_seen=event.is_seen)
    is_ours = call.state is S.CLOSING and call.hung_up_by != "network" and not call.is_rung_out
    if call.tries and call.dialled_at is None and not is_ours:
        return as_last_try(call, now)
    disposition, fault = classify(
        Ending(
            is_dialled=call.dialled_at is not None,
            is_answered=call.answered_at is not None,
            is_bridged=call.bridged_at is not None,
            is_inbound=call.is_inbound,
            is_machine=call.is_for_nobody or (call.is_machine and call.bridged_at is None),
            broadcast=_broadcast_outcome(call),
            prompt_seconds=_prompt_seconds(call, now),
            is_given_up_by_us=is_ours,
            is_rung_out=call.is_rung_out,
            is_seen=event.is_seen,
            cause=event.cause,
            tech_cause=event.tech_cause,
        )
    )
    gone, told = _tell_trunk(gone, disposition) if event.is_seen and not is_ours else (gone, ())
    ended, commands = finish(gone, now, disposition, fault)
    return ended, (*told, *commands)


def _tell_trunk(call: Call, disposition: Disposition) -> Step:
    """Whether the carrier let this call through; one that was never dialled says nothing."""
    if call.trunk is None or call.dialled_at is None or call.answered_at is not None:
        return call, ()
    if disposition is Disposition.CONGESTION or call.tech_cause in UNWELCOME:
        return call, (m.TellTrunk(call.trunk.name, call.dialled_at, is_fault=True),)
    return trunk_works(call)


def as_last_try(call: Call, now: float) -> Step:
    """The present try came to nothing before it was dialled: the call ends as its last refused try says."""
    tried = call.tries[-1]
    disposition, fault = classify(
        Ending(
            is_dialled=tried.is_dialled,
            is_answered=False,
            is_bridged=False,
            cause=tried.cause,
            tech_cause=tried.tech_cause,
        )
    )
    return finish(evolve(call, cause=tried.cause, tech_cause=tried.tech_cause), now, disposition, fault)


def _broadcast_outcome(call: Call) -> Disposition | None:
    """A broadcast that began; who hung up during detection was kept waiting as in any other mode."""
    return None if call.message_began_at is None else broadcast.outcome(call)


def _prompt_seconds(call: Call, now: float) -> float | None:
    """How long the network spoke, when that has the signature of a voicemail prompt: not before the ringing (then it
    is the ringback), not for long, and ended by the network.
    """
    amd = call.campaign.amd
    if call.early_media_at is None or call.answered_at is not None or call.state is S.CLOSING:
        return None
    if call.ringing_at is not None and call.ringing_at > call.early_media_at:
        return None
    if call.dialled_at is None or now - call.dialled_at >= call.campaign.ring_timeout_seconds:
        return None
    seconds = now - call.early_media_at
    return seconds if amd.prompt_min_seconds <= seconds <= amd.prompt_max_seconds else None
