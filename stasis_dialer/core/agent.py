"""An agent's session as a state machine: `advance(agent, event, now)` gives the next session and the commands.

Two kinds share it. Always-on: the agent's leg is up in a bridge of its own from login to logout, and hanging up is
logging out. On demand: the telephone rings for each customer, in a bridge made for that call. Guarantees: an agent has
at most one customer; who is not `available` is never given one; every second from login to logout belongs to one
state; one `EndSession` a session, after the last leg is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from stasis_dialer.core import messages as m
from stasis_dialer.core.evolve import evolve
from stasis_dialer.core.model import AgentState, ConnectMode
from stasis_dialer.errors import IllegalEvent

LOGIN_RING_SECONDS: Final = 30.0
"""How long a telephone may ring to log its agent in. Not measured."""
RESERVED_SECONDS: Final = 15.0
"""For a customer to arrive at a reserved agent; the call's own deadlines are shorter. Not measured."""
LEG_SECONDS: Final = 3.0
"""Between two looks for a leg that was hung up and whose end was not seen. Not measured."""
CREATE_SECONDS: Final = 10.0
"""For a leg to be created and to enter Stasis, and for a leg to enter its bridge. Not measured."""

UNREGISTERED: Final = "unregistered"
NO_ANSWER: Final = "no_answer"

S = AgentState


@dataclass(frozen=True)
class Agent:
    """One session of an agent, from login to logout.

    Units: `since`, `deadline` and every `_at` and `_since` are seconds on the engine's monotonic axis.
    """

    session_id: str
    extension: str
    endpoint: str
    connect: ConnectMode
    campaigns: frozenset[int]
    """Ids of the campaigns served; empty: all."""
    state: AgentState
    since: float
    logged_in_at: float
    free_since: float
    """When the last customer left, or the login: the longest idle agent is served first."""
    leg_id: str | None = None
    bridge_id: str | None = None
    is_leg_dialled: bool = False
    is_leg_up: bool = False
    call_id: str | None = None
    campaign_id: int | None = None
    """The campaign of the present or the last customer."""
    ring_seconds: float = LOGIN_RING_SECONDS
    wrap_up_seconds: float = 0.0
    deadline: float | None = None
    pause_reason: str | None = None
    wants_pause: str | None = None
    wants_logout: bool = False
    is_registered: bool = True
    calls_taken: int = 0
    logged_out_at: float | None = None
    is_over: bool = False
    seconds: Mapping[AgentState, float] = field(default_factory=dict)

    @property
    def is_always_on(self) -> bool:
        """Whether the leg stays up between customers."""
        return self.connect is ConnectMode.ALWAYS_ON

    def serves(self, campaign_id: int) -> bool:
        """Whether customers of this campaign may be given to the agent."""
        return not self.campaigns or campaign_id in self.campaigns


Step = tuple[Agent, tuple[m.Command, ...]]
Handler = Callable[[Agent, m.Event, float], Step]


def call_phone(agent: Agent, leg_id: str, bridge_id: str, create: m.CreateLeg, now: float) -> Step:
    """Log an always-on agent in by calling the telephone."""
    ringing = evolve(agent, leg_id=leg_id, bridge_id=bridge_id, deadline=now + CREATE_SECONDS)
    return _enter(ringing, S.RINGING, now), (create, m.Save())


def phone_called(agent: Agent, leg_id: str, bridge_id: str, now: float) -> Step:
    """Log an always-on agent in whose telephone called us: the leg is here already."""
    ringing = evolve(agent, leg_id=leg_id, bridge_id=bridge_id, is_leg_up=True, deadline=now + CREATE_SECONDS)
    commands = (m.AnswerLeg(leg_id), m.CreateBridge(bridge_id), m.Join(leg_id, bridge_id), m.Save())
    return _enter(ringing, S.RINGING, now), commands


def sit_down(agent: Agent, now: float) -> Step:
    """Log an on-demand agent in: available as soon as the telephone is registered."""
    return _settle(agent, now)


def found_again(agent: Agent, *, is_leg_there: bool, is_in_bridge: bool, call_id: str | None, now: float) -> Step:
    """A session after a restart of the dialer: `call_id` is the customer who is in the bridge with the agent now."""
    bare = evolve(agent, call_id=call_id, is_leg_up=is_leg_there, deadline=None)
    if not is_leg_there:
        bare = evolve(bare, leg_id=None, bridge_id=None)
        if agent.is_always_on or agent.state is S.LOGGED_OFF:
            return _end(bare, now)
        return (bare, ()) if agent.state is S.PAUSED else _settle(bare, now)
    assert agent.leg_id is not None
    if agent.state is S.LOGGED_OFF:
        return _log_out(bare, now)
    if call_id is not None:
        return _enter(bare, S.ON_CALL, now), (m.Save(),)
    if not agent.is_always_on:
        closing = evolve(bare, deadline=now + LEG_SECONDS)
        return _enter(closing, S.RINGING, now), (m.HangUp(agent.leg_id), m.Save())
    if is_in_bridge:
        return (bare, ()) if agent.state is S.PAUSED else _settle(bare, now)
    assert agent.bridge_id is not None
    wants_pause = agent.pause_reason if agent.state is S.PAUSED else agent.wants_pause
    back = evolve(bare, wants_pause=wants_pause, deadline=now + CREATE_SECONDS)
    commands = (m.CreateBridge(agent.bridge_id), m.Join(agent.leg_id, agent.bridge_id), m.Save())
    return _enter(back, S.RINGING, now), commands


def advance(agent: Agent, event: m.Event, now: float) -> Step:
    """What the session becomes by this event, and what is to be done.

    Raises: IllegalEvent when the event cannot happen at all: a defect of ours.
    """
    if agent.is_over:
        return agent, ()
    handler = HANDLERS.get(type(event))
    if handler is None:
        raise IllegalEvent(f"event does not fit: agent={agent.extension} event={type(event).__name__}")
    return handler(agent, event, now)


# --- the leg --------------------------------------------------------------------------------------------------------


def _leg_created(agent: Agent, event: m.Event, now: float) -> Step:
    if agent.leg_id is None or agent.is_leg_dialled or agent.is_leg_up:
        return agent, ()
    if agent.state is not S.RINGING or (agent.call_id is None and not _is_logging_in(agent)):
        return agent, (m.HangUp(agent.leg_id),)
    ringing = evolve(agent, is_leg_dialled=True, deadline=now + agent.ring_seconds + LEG_SECONDS)
    return ringing, (m.DialLeg(agent.leg_id, agent.ring_seconds),)


def _leg_answered(agent: Agent, event: m.Event, now: float) -> Step:
    if agent.state is not S.RINGING or agent.leg_id is None or agent.bridge_id is None or agent.is_leg_up:
        return agent, ()
    if agent.call_id is None and not _is_logging_in(agent):
        return agent, (m.HangUp(agent.leg_id),)
    up = evolve(agent, is_leg_up=True, deadline=now + CREATE_SECONDS)
    if agent.is_always_on:
        return up, (m.CreateBridge(agent.bridge_id), m.Join(agent.leg_id, agent.bridge_id))
    return up, (m.Join(agent.leg_id, agent.bridge_id),)


def _leg_joined(agent: Agent, event: m.Event, now: float) -> Step:
    """The agent's own leg is in its bridge: logged in, or ready for the customer who waits."""
    assert isinstance(event, m.Joined)
    if agent.state is not S.RINGING or event.bridge_id != agent.bridge_id or agent.leg_id is None:
        return agent, ()
    if agent.call_id is None:
        if not _is_logging_in(agent):
            return agent, ()
        return _settle(evolve(agent, is_leg_up=True, free_since=now), now)
    reserved = _enter(evolve(agent, is_leg_up=True, deadline=now + RESERVED_SECONDS), S.RESERVED, now)
    ready = m.AgentReady(agent.extension, agent.leg_id, event.bridge_id)
    return reserved, (m.TellCall(agent.call_id, ready), m.Save())


def _leg_failed(agent: Agent, event: m.Event, now: float) -> Step:
    """Refused, not dialled, not joined or without an answer: hang up what may be there; `LegGone` tells the rest.

    A failure that comes after the success it speaks of is late: who talks goes on talking.
    """
    if isinstance(event, m.OriginateRejected):
        return _leg_gone(agent, event, now)
    if isinstance(event, m.JoinFailed):
        is_late = event.bridge_id != agent.bridge_id or agent.state is S.ON_CALL
    else:
        is_late = agent.is_leg_up
    if is_late or agent.leg_id is None or agent.state is S.LOGGED_OFF:
        return agent, ()
    if agent.is_always_on and agent.is_leg_up and agent.call_id is None:
        leaving, commands = _log_out(agent, now)
        return leaving, (*commands, m.Probe(agent.leg_id))
    closing = evolve(agent, wants_logout=agent.wants_logout or agent.is_always_on, deadline=now + LEG_SECONDS)
    return closing, (m.HangUp(agent.leg_id), m.Probe(agent.leg_id))


def _leg_gone(agent: Agent, event: m.Event, now: float) -> Step:
    told = _tell_lost(agent)
    destroy = (m.DestroyBridge(agent.bridge_id),) if agent.bridge_id else ()
    bare = evolve(agent, leg_id=None, bridge_id=None, is_leg_dialled=False, is_leg_up=False)
    if agent.is_always_on or agent.state is S.LOGGED_OFF:
        over, commands = _end(bare, now)
        return over, (*told, *destroy, *commands)
    if agent.state is S.RINGING and agent.call_id is not None:
        missed, commands = _pause(evolve(bare, call_id=None, pause_reason=NO_ANSWER), now)
        return missed, (*told, *destroy, *commands)
    if agent.state in (S.RINGING, S.RESERVED):
        settled, commands = _settle(evolve(bare, call_id=None, deadline=None), now)
        return settled, (*told, *destroy, *commands)
    if agent.state is S.WRAP_UP:
        working, commands = _wrap_up_until(bare, agent.since + agent.wrap_up_seconds, now)
        return working, (*destroy, *commands)
    return bare, (*told, *destroy)


def _wrap_up_until(agent: Agent, until: float, now: float) -> Step:
    if until > now:
        return evolve(agent, deadline=until), ()
    return _settle(evolve(agent, deadline=None), now)


def _tell_lost(agent: Agent) -> tuple[m.Command, ...]:
    if agent.call_id is None:
        return ()
    return (m.TellCall(agent.call_id, m.AgentLost(agent.extension)),)


def _is_logging_in(agent: Agent) -> bool:
    return agent.is_always_on and not agent.wants_logout and agent.state is S.RINGING


# --- the customer ---------------------------------------------------------------------------------------------------


def assign(agent: Agent, event: m.Assigned, create: m.CreateLeg | None, now: float) -> Step:
    """Reserve an available agent for a customer. `create` calls the telephone of an on-demand agent.

    Raises: IllegalEvent when the agent is not available: the router must never choose such a one.
    """
    if agent.state is not S.AVAILABLE:
        raise IllegalEvent(f"agent is not available: agent={agent.extension} state={agent.state} call={event.call_id}")
    taken = evolve(
        agent,
        call_id=event.call_id,
        campaign_id=event.campaign_id,
        wrap_up_seconds=event.wrap_up_seconds,
        ring_seconds=event.ring_seconds,
    )
    if agent.leg_id is not None and agent.bridge_id is not None:
        reserved = _enter(evolve(taken, deadline=now + RESERVED_SECONDS), S.RESERVED, now)
        ready = m.AgentReady(agent.extension, agent.leg_id, agent.bridge_id)
        return reserved, (m.TellCall(event.call_id, ready), m.Save())
    assert create is not None
    ringing = evolve(taken, leg_id=event.leg_id, bridge_id=event.bridge_id, deadline=now + CREATE_SECONDS)
    commands = (
        m.TellCall(event.call_id, m.AgentReserved(agent.extension)),
        create,
        m.CreateBridge(event.bridge_id),
        m.Save(),
    )
    return _enter(ringing, S.RINGING, now), commands


def _customer_joined(agent: Agent, event: m.Event, now: float) -> Step:
    assert isinstance(event, m.CustomerJoined)
    if agent.state is not S.RESERVED or event.call_id != agent.call_id:
        return agent, ()
    talking = evolve(agent, calls_taken=agent.calls_taken + 1, deadline=None)
    return _enter(talking, S.ON_CALL, now), (m.Save(),)


def _customer_gone(agent: Agent, event: m.Event, now: float) -> Step:
    assert isinstance(event, m.CustomerGone)
    if event.call_id != agent.call_id:
        return agent, ()
    free = evolve(agent, call_id=None)
    if agent.state is S.RESERVED and agent.is_always_on:
        return _settle(evolve(free, deadline=None), now)
    if agent.state in (S.RINGING, S.RESERVED):
        if agent.leg_id is None:
            return _settle(evolve(free, deadline=None), now)
        return evolve(free, deadline=now + LEG_SECONDS), (m.HangUp(agent.leg_id),)
    if agent.state is S.ON_CALL:
        return _wrap_up(evolve(free, free_since=now), now)
    return free, ()


def _wrap_up(agent: Agent, now: float) -> Step:
    hang_up = (m.HangUp(agent.leg_id),) if agent.leg_id and not agent.is_always_on else ()
    working = _enter(evolve(agent, deadline=now + agent.wrap_up_seconds), S.WRAP_UP, now)
    if agent.wrap_up_seconds > 0 or hang_up:
        return working, (*hang_up, m.Save())
    return _settle(evolve(working, deadline=None), now)


def _wrap_up_done(agent: Agent, event: m.Event, now: float) -> Step:
    if agent.state is not S.WRAP_UP:
        return agent, ()
    if agent.leg_id is not None and not agent.is_always_on:
        closing = evolve(agent, wrap_up_seconds=0.0, deadline=now + LEG_SECONDS)
        return closing, (m.HangUp(agent.leg_id), m.Probe(agent.leg_id))
    return _settle(evolve(agent, deadline=None), now)


# --- the agent's wishes ---------------------------------------------------------------------------------------------


def _pause_requested(agent: Agent, event: m.Event, now: float) -> Step:
    assert isinstance(event, m.PauseRequested)
    if agent.state in (S.AVAILABLE, S.PAUSED):
        return _pause(evolve(agent, pause_reason=event.reason), now)
    if agent.state is S.LOGGED_OFF:
        return agent, ()
    return evolve(agent, wants_pause=event.reason), (m.Save(),)


def _unpause_requested(agent: Agent, event: m.Event, now: float) -> Step:
    wanted = evolve(agent, wants_pause=None)
    if agent.state is not S.PAUSED:
        return wanted, (m.Save(),)
    return _settle(evolve(wanted, pause_reason=None), now)


def _logout_requested(agent: Agent, event: m.Event, now: float) -> Step:
    if agent.state is S.LOGGED_OFF:
        return agent, ()
    if agent.state in (S.RINGING, S.RESERVED, S.ON_CALL) and agent.call_id is not None:
        return evolve(agent, wants_logout=True), (m.Save(),)
    return _log_out(agent, now)


def _phone_registered(agent: Agent, event: m.Event, now: float) -> Step:
    registered = evolve(agent, is_registered=True)
    wants = None if agent.wants_pause == UNREGISTERED else agent.wants_pause
    registered = evolve(registered, wants_pause=wants)
    if agent.state is S.PAUSED and agent.pause_reason == UNREGISTERED:
        return _settle(evolve(registered, pause_reason=None), now)
    return registered, ()


def _phone_unregistered(agent: Agent, event: m.Event, now: float) -> Step:
    gone = evolve(agent, is_registered=False)
    if agent.state is S.AVAILABLE and not agent.is_always_on:
        return _pause(evolve(gone, pause_reason=UNREGISTERED), now)
    return gone, ()


def _deadline(agent: Agent, event: m.Event, now: float) -> Step:
    if agent.state is S.WRAP_UP:
        return _wrap_up_done(agent, event, now)
    if agent.state is S.RESERVED and agent.call_id is not None:
        lost = _tell_lost(agent)
        free, commands = _customer_gone(agent, m.CustomerGone(agent.call_id), now)
        return free, (*lost, *commands)
    if agent.leg_id is not None:
        again = evolve(agent, deadline=now + LEG_SECONDS)
        return again, (m.HangUp(agent.leg_id), m.Probe(agent.leg_id))
    return evolve(agent, deadline=None), ()


# --- shared steps ---------------------------------------------------------------------------------------------------


def _settle(agent: Agent, now: float) -> Step:
    """Where an agent without a customer belongs: logged off, paused or available, in this order."""
    if agent.wants_logout:
        return _log_out(agent, now)
    if agent.wants_pause is not None:
        return _pause(evolve(agent, pause_reason=agent.wants_pause, wants_pause=None), now)
    if not agent.is_always_on and not agent.is_registered:
        return _pause(evolve(agent, pause_reason=UNREGISTERED), now)
    free = evolve(agent, call_id=None, pause_reason=None, deadline=None)
    return _enter(free, S.AVAILABLE, now), (m.Save(),)


def _pause(agent: Agent, now: float) -> Step:
    if agent.wants_logout:
        return _log_out(agent, now)
    return _enter(evolve(agent, call_id=None, deadline=None), S.PAUSED, now), (m.Save(),)


def _log_out(agent: Agent, now: float) -> Step:
    if agent.leg_id is None:
        return _end(agent, now)
    leaving = evolve(agent, call_id=None, wants_logout=True, deadline=now + LEG_SECONDS, logged_out_at=now)
    return _enter(leaving, S.LOGGED_OFF, now), (m.HangUp(agent.leg_id), m.Save())


def _end(agent: Agent, now: float) -> Step:
    left_at = agent.logged_out_at if agent.logged_out_at is not None else now
    over = _enter(agent, S.LOGGED_OFF, now)
    over = evolve(over, call_id=None, deadline=None, is_over=True, logged_out_at=left_at)
    return over, (m.EndSession(),)


def _enter(agent: Agent, state: AgentState, now: float) -> Agent:
    """Change the state; the time since the last change belongs to the old one. Logged off is not time worked."""
    if agent.state is state:
        return agent
    seconds = dict(agent.seconds)
    if agent.state is not S.LOGGED_OFF:
        seconds[agent.state] = seconds.get(agent.state, 0.0) + (now - agent.since)
    return evolve(agent, state=state, since=now, seconds=seconds)


def _ignored(agent: Agent, event: m.Event, now: float) -> Step:
    return agent, ()


HANDLERS: Final[dict[type[m.Event], Handler]] = {
    m.LegCreated: _leg_created,
    m.Answered: _leg_answered,
    m.Joined: _leg_joined,
    m.OriginateRejected: _leg_failed,
    m.DialRejected: _leg_failed,
    m.RequestUnanswered: _leg_failed,
    m.JoinFailed: _leg_failed,
    m.LegGone: _leg_gone,
    m.CustomerJoined: _customer_joined,
    m.CustomerGone: _customer_gone,
    m.WrapUpDone: _wrap_up_done,
    m.PauseRequested: _pause_requested,
    m.UnpauseRequested: _unpause_requested,
    m.LogoutRequested: _logout_requested,
    m.PhoneRegistered: _phone_registered,
    m.PhoneUnregistered: _phone_unregistered,
    m.DeadlineReached: _deadline,
    m.Ringing: _ignored,
    m.EarlyMedia: _ignored,
    m.DigitPressed: _ignored,
}
