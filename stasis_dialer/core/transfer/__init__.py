"""Hold, transfer and conference as a state machine of its own: `advance(transfer, event, now)`.

It stands beside the call's and the agent's: the call stays `bridged` until another agent is sought, the agent `on_call`
until the customer is with somebody else or the agent is home. Guarantees, whatever fails, comes late, twice or never:
the customer is with one party or hears music for a limited time, is never alone, and in the end goes back to the agent,
or to another one; an always-on agent is free only when the leg is home; one `EndTransfer`, after the target's leg.
"""

from __future__ import annotations

from typing import Final

from stasis_dialer.core import messages as m
from stasis_dialer.core.evolve import evolve
from stasis_dialer.core.messages import Target, TargetKind
from stasis_dialer.core.transfer import target
from stasis_dialer.core.transfer.state import (
    END_SECONDS,
    HOLD_SECONDS,
    MOST_TRIES,
    MOVE_SECONDS,
    Handler,
    S,
    Step,
    Transfer,
    TransferState,
    agent_goes_home,
    close,
    come_back,
    end_if_at_rest,
    go_on,
    is_still_wanted,
    seek_again,
    start,
    to_music_again,
    want_agent,
    with_target_released,
)
from stasis_dialer.errors import IllegalEvent


def advance(transfer: Transfer, event: m.Event, now: float) -> Step:
    """What the transfer becomes by this event, and what is to be done.

    Raises: IllegalEvent for an event that no transfer hears: a defect of ours.
    """
    if transfer.state is S.ENDED:
        return transfer, ()
    handler = HANDLERS.get(type(event))
    if handler is None:
        raise IllegalEvent(f"event does not fit: transfer={transfer.transfer_id} event={type(event).__name__}")
    return with_target_released(handler(transfer, event, now))


def refusal(transfer: Transfer, event: m.Event) -> str | None:
    """Why the agent's wish cannot be fulfilled now, or None."""
    allowed = WISHES[type(event)]
    if isinstance(event, m.CompleteAsked) and transfer.state is S.RINGING and not transfer.is_held:
        return "not now: the customer is not on hold yet"
    if transfer.state in allowed and not (isinstance(event, m.TransferAsked) and transfer.leg_id is not None):
        return None
    return f"not now: the call is {transfer.state}; possible while {' or '.join(str(state) for state in allowed)}"


ACTIONS: Final[dict[str, str]] = {
    "hold": "Music for an agent's customer.",
    "unhold": "Take the customer back from hold.",
    "complete": "Leave customer and target alone: the agent is free.",
    "cancel": "Give a transfer up: the customer is back with the agent.",
    "conference": "Customer, agent and target in one conversation.",
}
"""What an agent may do to the call that is on, beside choosing a target, with what it means."""
WISHES: Final[dict[type[m.Event], tuple[TransferState, ...]]] = {
    m.UnholdAsked: (S.HELD,),
    m.TransferAsked: (S.HELD,),
    m.CompleteAsked: (S.RINGING, S.CONSULTING, S.CONFERENCE),
    m.CancelAsked: (S.HELD, S.RINGING, S.CONSULTING, S.CONFERENCE),
    m.ConferenceAsked: (S.CONSULTING,),
}
"""In which states an agent may wish for what; elsewhere a wish comes late and changes nothing."""


# --- wishes ---------------------------------------------------------------------------------------------------------


def _wish(transfer: Transfer, event: m.Event, now: float) -> Step:
    if refusal(transfer, event) is not None or transfer.agent is None:
        return transfer, ()
    if isinstance(event, m.TransferAsked):
        return target.wanted(transfer, event.target, now)
    if isinstance(event, m.CompleteAsked):
        return _complete(transfer, now)
    if isinstance(event, m.ConferenceAsked):
        assert transfer.talk_bridge is not None
        until = now + MOVE_SECONDS
        wanting = evolve(transfer, is_conference_wanted=True, is_customer_there=True, lasts_until=until, deadline=until)
        return wanting, (m.Move(transfer.customer, transfer.talk_bridge),)
    return come_back(transfer, now, "back to the agent")


def _complete(transfer: Transfer, now: float) -> Step:
    """Whatever the target does: the agent leaves the customer to it."""
    if transfer.state is S.RINGING:
        return agent_goes_home(transfer, now)
    if transfer.state is S.CONFERENCE and transfer.is_to_number:
        return target.settled(transfer, now)
    return target.complete(transfer, now)


# --- moves ----------------------------------------------------------------------------------------------------------


def _moved(transfer: Transfer, event: m.Event, now: float) -> Step:
    assert isinstance(event, m.Moved)
    if event.channel_id == transfer.customer:
        return _customer_moved(transfer, event.bridge_id, now)
    if event.channel_id == transfer.agent_leg:
        return _agent_moved(transfer, event.bridge_id, now)
    if (event.channel_id, event.bridge_id) == (transfer.leg_id, transfer.talk_bridge):
        return evolve(transfer, is_target_there=True), ()
    return transfer, ()


def _target_entered(transfer: Transfer, event: m.Event, now: float) -> Step:
    """The target's own leg was seen to come into a bridge: said even when the request for it stays unanswered."""
    assert isinstance(event, m.Joined)
    is_there = transfer.is_target_there or event.bridge_id == transfer.talk_bridge
    return evolve(transfer, is_target_there=is_there), ()


def _customer_moved(transfer: Transfer, bridge_id: str, now: float) -> Step:
    if transfer.is_over:
        return transfer, ()
    if transfer.state is S.RETURNING and bridge_id == transfer.home:
        transfer = evolve(transfer, is_held=False)
        if transfer.is_agent_away:
            return _return_failed(transfer, now)
        back, commands = _back(evolve(transfer, is_customer_there=False), now)
        return back, (m.TellCall(transfer.call_id, m.Returned()), *commands)
    if bridge_id == transfer.hold_bridge:
        return _held(transfer)
    if bridge_id != transfer.talk_bridge:
        return transfer, ()
    if transfer.state is S.COMPLETING:
        return target.arrived(transfer, now)
    if transfer.state is S.CONSULTING and transfer.is_conference_wanted:
        return evolve(transfer, state=S.CONFERENCE, is_held=False, deadline=now + HOLD_SECONDS), ()
    return transfer, ()


def _held(transfer: Transfer) -> Step:
    """The customer hears music; what was told late, after the next move was asked for, says nothing."""
    if transfer.state is S.WAITING and transfer.deadline is not None:
        return want_agent(evolve(transfer, is_held=True, is_customer_there=False))
    if transfer.state in (S.HELD, S.RINGING, S.CONSULTING) and not transfer.is_conference_wanted:
        return evolve(transfer, is_held=True, is_customer_there=False), ()
    return transfer, ()


def _back(transfer: Transfer, now: float) -> Step:
    """The customer is with the agent again, who stays: only the target's leg is left."""
    alone = evolve(transfer, agent=None, is_agent_away=False, is_over=True, state=S.CLOSING, deadline=now + END_SECONDS)
    return end_if_at_rest(alone)


def _agent_moved(transfer: Transfer, bridge_id: str, now: float) -> Step:
    if bridge_id == transfer.talk_bridge and transfer.state is S.CONSULTING:
        return target.agent_with_target(transfer, now)
    if bridge_id != transfer.home:
        return transfer, ()
    home = evolve(transfer, is_agent_away=False)
    if home.agent is None or not (home.is_over or home.state is S.TALKING):
        return home, ()
    return _agent_free(home, is_broken=False)


def _agent_free(transfer: Transfer, *, is_broken: bool) -> Step:
    free = evolve(transfer, agent=None, is_agent_away=False)
    if free.state is S.TALKING:
        return evolve(free, deadline=None), (m.ReleaseAgent(is_broken),)
    ended, commands = end_if_at_rest(free)
    return ended, (m.ReleaseAgent(is_broken), *commands)


def _move_failed(transfer: Transfer, event: m.Event, now: float) -> Step:
    assert isinstance(event, m.MoveFailed)
    if event.channel_id == transfer.customer:
        return _customer_stuck(transfer, event.bridge_id, now)
    if event.channel_id == transfer.agent_leg:
        if event.bridge_id == transfer.home:
            return _agent_stuck(transfer, now)
        if transfer.state is S.CONSULTING:
            return come_back(transfer, now, "transfer failed: agent not joined")
    elif transfer.state in (S.CONSULTING, S.CONFERENCE, S.COMPLETING):
        return come_back(transfer, now, "transfer failed: target not joined")
    return transfer, ()


def _customer_stuck(transfer: Transfer, bridge_id: str, now: float) -> Step:
    """The customer could not be moved; whoever is gone will be told of, and has the last word.

    Refused a conference, a customer who is with the music is there still: the way there is for one who is not.
    """
    if transfer.is_over:
        return transfer, ()
    if transfer.state is S.RETURNING and bridge_id == transfer.home:
        return _return_failed(transfer, now)
    if bridge_id == transfer.hold_bridge:
        return _hold_failed(transfer, now)
    if bridge_id != transfer.talk_bridge:
        return transfer, ()
    if transfer.state is S.CONSULTING and transfer.is_conference_wanted:
        return go_on(evolve(transfer, is_conference_wanted=False, lasts_until=now + HOLD_SECONDS, tries=0), now)
    if transfer.state is S.COMPLETING:
        return come_back(transfer, now, "transfer failed: customer not joined")
    return transfer, ()


def _hold_failed(transfer: Transfer, now: float) -> Step:
    """No music: back to the agent, as long as there is one."""
    if transfer.state is S.WAITING and transfer.deadline is not None:
        return to_music_again(transfer, now)
    if transfer.state in (S.HELD, S.RINGING, S.CONSULTING) and transfer.agent is not None:
        return come_back(transfer, now, "hold failed")
    return go_on(transfer, now) if transfer.state is S.RINGING else (transfer, ())


def _return_failed(transfer: Transfer, now: float) -> Step:
    if transfer.tries >= MOST_TRIES:
        return seek_again(transfer, now, is_agent_broken=True)
    again = evolve(transfer, tries=transfer.tries + 1, deadline=now + MOVE_SECONDS)
    return again, (m.Move(transfer.agent_leg, transfer.home), m.Move(transfer.customer, transfer.home))


def _agent_stuck(transfer: Transfer, now: float) -> Step:
    """An agent who cannot be brought home is given back as broken: the leg is looked after by the session."""
    if transfer.agent is None or not (transfer.is_over or transfer.state is S.TALKING):
        return transfer, ()
    if transfer.tries >= MOST_TRIES:
        return _agent_free(transfer, is_broken=True)
    again = evolve(transfer, tries=transfer.tries + 1, deadline=now + MOVE_SECONDS)
    return again, (m.Move(transfer.agent_leg, transfer.home),)


# --- the customer, the clock ----------------------------------------------------------------------------------------


def _customer_gone(transfer: Transfer, event: m.Event, now: float) -> Step:
    """The customer is gone, or has an agent again: what is left is tidied up."""
    if transfer.is_over:
        return transfer, ()
    owes = transfer.target is not None and not transfer.is_to_number
    return close(evolve(transfer, is_customer_there=False, owes_target=owes), now)


def _deadline(transfer: Transfer, event: m.Event, now: float) -> Step:
    """Whatever was waited for did not come."""
    if transfer.is_over or transfer.state is S.TALKING:
        return _still_closing(transfer, now)
    if transfer.state is S.RETURNING:
        return _return_failed(evolve(transfer, is_held=False), now)
    if transfer.state in (S.RINGING, S.CONSULTING) and now < transfer.lasts_until:
        return go_on(transfer, now)
    if transfer.state is S.RINGING:
        return come_back(transfer, now, "transfer failed: no answer")
    if transfer.state is S.WAITING:
        return to_music_again(transfer, now)
    if transfer.state in (S.HELD, S.CONSULTING, S.CONFERENCE, S.COMPLETING):
        return come_back(transfer, now, "transfer failed: too long")
    return evolve(transfer, deadline=None), ()


def _still_closing(transfer: Transfer, now: float) -> Step:
    commands: tuple[m.Command, ...] = ()
    if transfer.agent is not None:
        transfer, commands = _agent_stuck(transfer, now)
    elif transfer.state is S.TALKING:
        return evolve(transfer, deadline=None), ()
    if transfer.state is not S.ENDED:
        transfer = evolve(transfer, deadline=now + END_SECONDS)
        if transfer.leg_id is not None and transfer.is_over:
            commands = (*commands, m.HangUp(transfer.leg_id), m.Probe(transfer.leg_id))
    return transfer, commands


def _ignored(transfer: Transfer, event: m.Event, now: float) -> Step:
    return transfer, ()


HANDLERS: Final[dict[type[m.Event], Handler]] = {
    m.UnholdAsked: _wish,
    m.TransferAsked: _wish,
    m.CompleteAsked: _wish,
    m.CancelAsked: _wish,
    m.ConferenceAsked: _wish,
    m.LegCreated: target.created,
    m.Answered: target.answered,
    m.OriginateRejected: target.refused,
    m.DialRejected: target.refused,
    m.RequestUnanswered: target.refused,
    m.LegGone: target.gone,
    m.AgentReserved: target.agent_found,
    m.AgentReady: target.agent_ready,
    m.AgentChanged: _ignored,
    m.AgentLost: target.agent_lost,
    m.Moved: _moved,
    m.MoveFailed: _move_failed,
    m.CustomerGone: _customer_gone,
    m.CustomerJoined: _customer_gone,
    m.DeadlineReached: _deadline,
    m.Ringing: _ignored,
    m.EarlyMedia: _ignored,
    m.DigitPressed: _ignored,
    m.Joined: _target_entered,
    m.JoinFailed: _ignored,
    m.MessageEnded: _ignored,
}

__all__ = [
    "ACTIONS",
    "HANDLERS",
    "HOLD_SECONDS",
    "MOST_TRIES",
    "MOVE_SECONDS",
    "WISHES",
    "Step",
    "Target",
    "TargetKind",
    "Transfer",
    "TransferState",
    "advance",
    "is_still_wanted",
    "refusal",
    "start",
]
