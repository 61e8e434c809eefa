"""An agent's session as a state machine: `advance(agent, event, now)` gives the next session and the commands.

Two kinds share it. Always-on: the agent's leg is up in a bridge of its own from login to logout, and hanging up is
logging out. On demand: the telephone rings for each customer, in a bridge made for that call. Guarantees: an agent has
at most one customer; who is not `available` is never given one; every second from login to logout belongs to one
state; one `EndSession` a session, after the last leg is gone.
"""

from __future__ import annotations

from typing import Final

from stasis_dialer.core import messages as m
from stasis_dialer.core.agent import customer, leg, new_leg, wishes
from stasis_dialer.core.agent.customer import assign, show
from stasis_dialer.core.agent.new_leg import change_leg, may_change_leg
from stasis_dialer.core.agent.sitting_down import call_phone, found_again, phone_called, sit_down
from stasis_dialer.core.agent.state import (
    CREATE_SECONDS,
    LEG_SECONDS,
    LOGIN_RING_SECONDS,
    NO_ANSWER,
    NO_MANNERS,
    RESERVED_SECONDS,
    UNREGISTERED,
    Agent,
    Handler,
    Manners,
    S,
    Step,
    say,
    tell_lost,
    with_music,
)
from stasis_dialer.core.evolve import evolve
from stasis_dialer.errors import IllegalEvent


def advance(agent: Agent, event: m.Event, now: float) -> Step:
    """What the session becomes by this event, and what is to be done.

    Raises: IllegalEvent when the event cannot happen at all: a defect of ours.
    """
    if agent.is_over:
        return agent, ()
    handler = HANDLERS.get(type(event))
    if handler is None:
        raise IllegalEvent(f"event does not fit: agent={agent.extension} event={type(event).__name__}")
    return with_music(agent, handler(agent, event, now))


def _deadline(agent: Agent, event: m.Event, now: float) -> Step:
    if agent.state is S.WRAP_UP:
        return customer.still_working(agent, now)
    if agent.state is S.RESERVED and agent.call_id is not None:
        lost = tell_lost(agent)
        free, commands = customer.customer_gone(agent, m.CustomerGone(agent.call_id), now)
        return free, (*lost, *commands)
    if agent.call_back_until is not None and agent.leg_id is None:
        return leg.call_back(agent, event, now)
    if new_leg.may_join_again(agent):
        return new_leg.join_again(agent, now)
    if agent.leg_id is not None:
        again = evolve(agent, deadline=now + LEG_SECONDS)
        return again, (m.HangUp(agent.leg_id), m.Probe(agent.leg_id))
    return evolve(agent, deadline=None), ()


def _phone_registered(agent: Agent, event: m.Event, now: float) -> Step:
    if agent.call_back_until is not None and agent.leg_id is None:
        return leg.call_back(evolve(agent, is_registered=True, is_lost=False), event, now)
    return wishes.phone_registered(agent, event, now)


def _key_pressed(agent: Agent, event: m.Event, now: float) -> Step:
    assert isinstance(event, m.DigitPressed)
    return agent, (m.CollectKey(event.digit),)


def _ignored(agent: Agent, event: m.Event, now: float) -> Step:
    return agent, ()


HANDLERS: Final[dict[type[m.Event], Handler]] = {
    m.LegCreated: leg.created,
    m.Answered: leg.answered,
    m.Joined: leg.joined,
    m.OriginateRejected: leg.failed,
    m.DialRejected: leg.failed,
    m.RequestUnanswered: leg.failed,
    m.JoinFailed: leg.failed,
    m.LegGone: leg.gone,
    m.CustomerJoined: customer.customer_joined,
    m.CustomerGone: customer.customer_gone,
    m.CustomerIs: customer.customer_is,
    m.WrapUpDone: customer.wrap_up_done,
    m.DispositionGiven: customer.disposition_given,
    m.PauseRequested: wishes.pause_requested,
    m.UnpauseRequested: wishes.unpause_requested,
    m.LogoutRequested: wishes.logout_requested,
    m.ServesChanged: wishes.serves_changed,
    m.PhoneRegistered: _phone_registered,
    m.PhoneUnregistered: wishes.phone_unregistered,
    m.DeadlineReached: _deadline,
    m.Ringing: _ignored,
    m.EarlyMedia: _ignored,
    m.DigitPressed: _key_pressed,
    m.MessageEnded: leg.sound_over,
}

__all__ = [
    "CREATE_SECONDS",
    "HANDLERS",
    "LEG_SECONDS",
    "LOGIN_RING_SECONDS",
    "NO_ANSWER",
    "NO_MANNERS",
    "RESERVED_SECONDS",
    "UNREGISTERED",
    "Agent",
    "Handler",
    "Manners",
    "Step",
    "advance",
    "assign",
    "call_phone",
    "change_leg",
    "found_again",
    "may_change_leg",
    "phone_called",
    "say",
    "show",
    "sit_down",
]
