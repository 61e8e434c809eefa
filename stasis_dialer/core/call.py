"""A customer call as a state machine: `advance(call, event, now)` gives the next call and the commands to carry out.

Guarantees: every live state has a deadline; only `LegGone` (or a refused creation) ends a call; one `Finish` a call;
the abandon clock starts at the answer and no agent who fails to pick up restarts it. It never waits, logs or reads a
clock, and bad luck is an event. `TRANSITIONS` holds every legal pair of state and event, `STAY` those that may come
late and change nothing; anything else raises `IllegalEvent`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from stasis_dialer.core import messages as m
from stasis_dialer.core.disposition import Ending, classify
from stasis_dialer.core.evolve import evolve
from stasis_dialer.core.model import Campaign, Disposition, Fault, Lead, Trunk
from stasis_dialer.errors import IllegalEvent

CREATE_SECONDS: Final = 10.0
"""For a channel to be created and to enter Stasis. Twice the request timeout; not measured."""
RING_SLACK_SECONDS: Final = 5.0
"""Asterisk's own ring timeout comes first; ours is for a lost event. Not measured."""
JOIN_SECONDS: Final = 5.0
"""For a leg to enter a bridge: a request's timeout. Measured: 2.4 ms on Asterisk 22.10."""
MESSAGE_SECONDS: Final = 30.0
"""The longest safe-harbour message. Not measured."""
CLOSING_SECONDS: Final = 3.0
"""Between two looks for a leg that was hung up and whose end was not seen. Not measured."""


class CallState(StrEnum):
    """Where a call stands. `detecting` is entered only when answering machines are looked for."""

    ORIGINATING = "originating"
    RINGING = "ringing"
    DETECTING = "detecting"
    QUEUED = "queued"
    OFFERING = "offering"
    BRIDGED = "bridged"
    SAFE_HARBOUR = "safe_harbour"
    CLOSING = "closing"
    ENDED = "ended"


S = CallState
UNANSWERED: Final = frozenset({S.ORIGINATING, S.RINGING})
AGENT_WANTED: Final = frozenset({S.QUEUED, S.OFFERING})


@dataclass(frozen=True)
class Call:
    """One attempt to reach a lead, seen from its customer leg.

    Units: every `_at` is seconds on the engine's monotonic axis, None while it has not happened.
    """

    call_id: str
    campaign: Campaign
    lead: Lead | None
    number: str
    trunk: Trunk | None
    state: CallState
    reserved_at: float
    deadline: float | None
    dialled_at: float | None = None
    ringing_at: float | None = None
    early_media_at: float | None = None
    answered_at: float | None = None
    offered_at: float | None = None
    bridged_at: float | None = None
    given_up_at: float | None = None
    """When the deadline for an agent passed."""
    ended_at: float | None = None
    agent: str | None = None
    agent_leg_id: str | None = None
    bridge_id: str | None = None
    is_joining: bool = False
    is_rung_out: bool = False
    """The far end had the whole ring time, and we hung up."""
    hung_up_by: str | None = None
    cause: int | None = None
    tech_cause: int | None = None
    is_end_seen: bool = True
    disposition: Disposition | None = None
    fault: Fault | None = None
    is_attempt_given_back: bool = False
    timeline: tuple[tuple[float, str], ...] = ()

    @property
    def leg_id(self) -> str:
        """The customer's channel: it has the attempt's id."""
        return self.call_id


Step = tuple[Call, tuple[m.Command, ...]]
Handler = Callable[[Call, m.Event, float], Step]


def start(
    call_id: str,
    campaign: Campaign,
    lead: Lead | None,
    number: str,
    trunk: Trunk,
    create: m.CreateLeg,
    now: float,
) -> Step:
    """A new attempt whose reservation is committed, and the command that creates its leg."""
    call = Call(call_id, campaign, lead, number, trunk, S.ORIGINATING, reserved_at=now, deadline=now + CREATE_SECONDS)
    return call, (create,)


def advance(call: Call, event: m.Event, now: float) -> Step:
    """What the call becomes by this event, and what is to be done.

    Units: `now` is seconds on the engine's monotonic axis.
    Raises: IllegalEvent when the event cannot happen in this state: a defect of ours.
    """
    key = (call.state, type(event))
    handler = TRANSITIONS.get(key)
    if handler is not None:
        return handler(call, event, now)
    if key in STAY or call.state is S.ENDED:
        return call, ()
    raise IllegalEvent(f"event does not fit: call_id={call.call_id} state={call.state} event={key[1].__name__}")


# --- before the answer ----------------------------------------------------------------------------------------------


def _created(call: Call, event: m.Event, now: float) -> Step:
    """Dialled from the moment the command is given: the far end may answer before Asterisk answers our request."""
    if call.dialled_at is not None:
        return call, ()
    timeout = call.campaign.ring_timeout_seconds
    dialled = _marked(call, now, "dialled", dialled_at=now, deadline=now + timeout + RING_SLACK_SECONDS)
    return dialled, (m.DialLeg(call.call_id, timeout),)


def _create_refused(call: Call, event: m.Event, now: float) -> Step:
    assert isinstance(event, m.OriginateRejected)
    return _finish(_marked(call, now, f"refused {event.status}"), now, Disposition.ERROR, Fault.OURS)


def _dial_refused(call: Call, event: m.Event, now: float) -> Step:
    assert isinstance(event, m.DialRejected)
    return _close(_marked(call, now, f"dial refused {event.status}", dialled_at=None), now, by="network")


def _unsure(call: Call, event: m.Event, now: float) -> Step:
    """No answer to our request. What may have been created is hung up; what may have been dialled counts as dialled."""
    assert isinstance(event, m.RequestUnanswered)
    unsure = _marked(call, now, f"unanswered {event.request}")
    if call.dialled_at is not None:
        return unsure, ()
    return _close(unsure, now, by="network")


def _ringing(call: Call, event: m.Event, now: float) -> Step:
    return _marked(call, now, "ringing", state=S.RINGING, ringing_at=now), ()


def _early_media(call: Call, event: m.Event, now: float) -> Step:
    if call.early_media_at is not None:
        return call, ()
    return _marked(call, now, "early_media", early_media_at=now), ()


def _answered(call: Call, event: m.Event, now: float) -> Step:
    deadline = now + call.campaign.answer_deadline_seconds
    queued = _marked(call, now, "answered", state=S.QUEUED, answered_at=now, deadline=deadline)
    return queued, (m.SeekAgent(), m.Save())


def _answered_too_late(call: Call, event: m.Event, now: float) -> Step:
    """A person picked up while we were giving up: it stays a hang-up, and it counts as abandoned."""
    if call.answered_at is not None:
        return call, ()
    return _marked(call, now, "answered", answered_at=now), ()


def _never_rang_out(call: Call, event: m.Event, now: float) -> Step:
    rung_out = _marked(call, now, "deadline", is_rung_out=call.dialled_at is not None)
    return _close(rung_out, now, by="dialer")


# --- the agent ------------------------------------------------------------------------------------------------------


def _agent_reserved(call: Call, event: m.Event, now: float) -> Step:
    assert isinstance(event, m.AgentReserved)
    return _marked(call, now, f"offered {event.extension}", state=S.OFFERING, offered_at=now, agent=event.extension), ()


def _agent_ready(call: Call, event: m.Event, now: float) -> Step:
    assert isinstance(event, m.AgentReady)
    if call.is_joining:
        return call, ()
    offering = evolve(
        call,
        state=S.OFFERING,
        offered_at=call.offered_at if call.offered_at is not None else now,
        agent=event.extension,
        agent_leg_id=event.leg_id,
        bridge_id=event.bridge_id,
        is_joining=True,
        deadline=now + JOIN_SECONDS,
    )
    return offering, (m.Join(call.call_id, event.bridge_id),)


def _joined(call: Call, event: m.Event, now: float) -> Step:
    assert isinstance(event, m.Joined)
    if event.bridge_id != call.bridge_id:
        return call, ()
    bridged = _marked(
        call,
        now,
        f"bridged {call.agent}",
        state=S.BRIDGED,
        bridged_at=now,
        is_joining=False,
        deadline=now + call.campaign.max_call_seconds,
    )
    return bridged, (m.TellJoined(), m.Save())


def _joined_too_late(call: Call, event: m.Event, now: float) -> Step:
    """Nobody may talk in a bridge that was given back: out at once."""
    return _close(call, now, by=call.hung_up_by or "dialer")


def _join_failed(call: Call, event: m.Event, now: float) -> Step:
    assert isinstance(event, m.JoinFailed)
    if event.bridge_id != call.bridge_id or not call.is_joining:
        return call, ()
    again, commands = _seek_again(
        _marked(call, now, f"join failed {call.agent}"), now, is_agent_broken=event.is_bridge_gone
    )
    return again, commands if event.is_bridge_gone else (m.Probe(call.call_id), *commands)


def _agent_lost(call: Call, event: m.Event, now: float) -> Step:
    assert isinstance(event, m.AgentLost)
    if event.extension != call.agent:
        return call, ()
    return _seek_again(_marked(call, now, f"agent lost {event.extension}"), now, is_agent_broken=False)


def _seek_again(call: Call, now: float, *, is_agent_broken: bool) -> Step:
    """Back to the queue under the deadline that began with the answer; when it is over, that was the last agent."""
    assert call.answered_at is not None
    deadline = call.answered_at + call.campaign.answer_deadline_seconds
    queued = evolve(
        call,
        state=S.QUEUED,
        agent=None,
        agent_leg_id=None,
        bridge_id=None,
        offered_at=None,
        is_joining=False,
        deadline=deadline,
    )
    if now >= deadline:
        return _give_up(queued, now, is_agent_broken=is_agent_broken)
    return queued, (m.WithdrawSeek(is_agent_broken), m.SeekAgent())


def _agent_hung_up(call: Call, event: m.Event, now: float) -> Step:
    assert isinstance(event, m.AgentLost)
    if event.extension != call.agent:
        return call, ()
    return _close(_marked(call, now, "agent hung up"), now, by="agent")


def _nobody_came(call: Call, event: m.Event, now: float) -> Step:
    """A join that stays unanswered ends the call, not the agent's session: who is to blame is not known.

    The agent is given back when the customer's leg is gone, because the join may still happen.
    """
    if call.is_joining:
        return _close(_marked(call, now, "given up", given_up_at=now, is_joining=False), now, by="dialer")
    return _give_up(call, now, is_agent_broken=False)


def _give_up(call: Call, now: float, *, is_agent_broken: bool) -> Step:
    """The deadline for an agent has passed: the message, or the end when there is none."""
    withdrawn = _marked(call, now, "given up", given_up_at=now, is_joining=False)
    media = call.campaign.safe_harbour_media
    if media is None:
        closing, commands = _close(withdrawn, now, by="dialer")
        return closing, (m.WithdrawSeek(is_agent_broken), *commands)
    playing = evolve(withdrawn, state=S.SAFE_HARBOUR, deadline=now + MESSAGE_SECONDS)
    return playing, (m.WithdrawSeek(is_agent_broken), m.PlayMessage(call.call_id, media))


# --- the end --------------------------------------------------------------------------------------------------------


def _stopped(call: Call, event: m.Event, now: float) -> Step:
    """An agent whom the customer may be joining right now is given back only when the customer's leg is gone."""
    assert isinstance(event, m.StopRequested)
    closing, commands = _close(_marked(call, now, f"stopped by {event.by}"), now, by=event.by)
    if call.state in AGENT_WANTED and not call.is_joining:
        return closing, (m.WithdrawSeek(), *commands)
    return closing, commands


def _over(call: Call, event: m.Event, now: float) -> Step:
    return _close(_marked(call, now, "deadline"), now, by="dialer")


def _message_over(call: Call, event: m.Event, now: float) -> Step:
    return _close(_marked(call, now, "message played"), now, by="dialer")


def _still_closing(call: Call, event: m.Event, now: float) -> Step:
    again = evolve(call, deadline=now + CLOSING_SECONDS)
    return again, (m.HangUp(call.call_id), m.Probe(call.call_id))


def _created_while_closing(call: Call, event: m.Event, now: float) -> Step:
    """The creation that we gave up has worked after all."""
    return call, (m.HangUp(call.call_id),)


def _gone(call: Call, event: m.Event, now: float) -> Step:
    assert isinstance(event, m.LegGone)
    gone = evolve(call, cause=event.cause, tech_cause=event.tech_cause, is_end_seen=event.is_seen)
    is_ours = call.state is S.CLOSING and call.hung_up_by != "network" and not call.is_rung_out
    disposition, fault = classify(
        Ending(
            is_dialled=call.dialled_at is not None,
            is_answered=call.answered_at is not None,
            is_bridged=call.bridged_at is not None,
            is_given_up_by_us=is_ours,
            is_rung_out=call.is_rung_out,
            is_seen=event.is_seen,
            cause=event.cause,
            tech_cause=event.tech_cause,
        )
    )
    return _finish(gone, now, disposition, fault)


def _close(call: Call, now: float, *, by: str) -> Step:
    """Hang up, and wait for the leg's end."""
    closing = evolve(call, state=S.CLOSING, hung_up_by=call.hung_up_by or by, deadline=now + CLOSING_SECONDS)
    return closing, (m.HangUp(call.call_id),)


def _finish(call: Call, now: float, disposition: Disposition, fault: Fault | None) -> Step:
    """The one `Finish`. An attempt that never left us is given back to the lead."""
    by = call.hung_up_by or ("customer" if call.answered_at is not None else "network")
    ended = _marked(
        call,
        now,
        f"ended {disposition}",
        state=S.ENDED,
        ended_at=now,
        deadline=None,
        hung_up_by=by if call.is_end_seen else None,
        disposition=disposition,
        fault=fault,
        is_attempt_given_back=call.dialled_at is None or _is_withdrawn(call, disposition),
    )
    return ended, (m.Finish(disposition, fault, ended.is_attempt_given_back),)


def _is_withdrawn(call: Call, disposition: Disposition) -> bool:
    """Whether the pacing gave the call up: that is our doing alone, and burns no attempt of the lead's."""
    return disposition is Disposition.CANCELLED and call.hung_up_by == "pacing"


def _marked(call: Call, now: float, what: str, **changes: object) -> Call:
    return evolve(call, timeline=(*call.timeline, (now, what)), **changes)


TRANSITIONS: Final[dict[tuple[CallState, type[m.Event]], Handler]] = {
    (S.ORIGINATING, m.LegCreated): _created,
    (S.ORIGINATING, m.OriginateRejected): _create_refused,
    (S.ORIGINATING, m.RequestUnanswered): _unsure,
    (S.ORIGINATING, m.DialRejected): _dial_refused,
    (S.ORIGINATING, m.Ringing): _ringing,
    (S.ORIGINATING, m.EarlyMedia): _early_media,
    (S.ORIGINATING, m.Answered): _answered,
    (S.ORIGINATING, m.LegGone): _gone,
    (S.ORIGINATING, m.DeadlineReached): _never_rang_out,
    (S.ORIGINATING, m.StopRequested): _stopped,
    (S.RINGING, m.EarlyMedia): _early_media,
    (S.RINGING, m.Answered): _answered,
    (S.RINGING, m.LegGone): _gone,
    (S.RINGING, m.DeadlineReached): _never_rang_out,
    (S.RINGING, m.StopRequested): _stopped,
    (S.QUEUED, m.AgentReserved): _agent_reserved,
    (S.QUEUED, m.AgentReady): _agent_ready,
    (S.QUEUED, m.LegGone): _gone,
    (S.QUEUED, m.DeadlineReached): _nobody_came,
    (S.QUEUED, m.StopRequested): _stopped,
    (S.OFFERING, m.AgentReady): _agent_ready,
    (S.OFFERING, m.AgentLost): _agent_lost,
    (S.OFFERING, m.Joined): _joined,
    (S.OFFERING, m.JoinFailed): _join_failed,
    (S.OFFERING, m.LegGone): _gone,
    (S.OFFERING, m.DeadlineReached): _nobody_came,
    (S.OFFERING, m.StopRequested): _stopped,
    (S.BRIDGED, m.AgentLost): _agent_hung_up,
    (S.BRIDGED, m.LegGone): _gone,
    (S.BRIDGED, m.DeadlineReached): _over,
    (S.BRIDGED, m.StopRequested): _stopped,
    (S.SAFE_HARBOUR, m.MessageEnded): _message_over,
    (S.SAFE_HARBOUR, m.Joined): _joined_too_late,
    (S.SAFE_HARBOUR, m.LegGone): _gone,
    (S.SAFE_HARBOUR, m.DeadlineReached): _over,
    (S.SAFE_HARBOUR, m.StopRequested): _stopped,
    (S.CLOSING, m.LegCreated): _created_while_closing,
    (S.CLOSING, m.OriginateRejected): _create_refused,
    (S.CLOSING, m.Answered): _answered_too_late,
    (S.CLOSING, m.Joined): _joined_too_late,
    (S.CLOSING, m.LegGone): _gone,
    (S.CLOSING, m.DeadlineReached): _still_closing,
}

LATE: Final[frozenset[type[m.Event]]] = frozenset(
    {
        m.LegCreated,
        m.DialRejected,
        m.RequestUnanswered,
        m.Ringing,
        m.EarlyMedia,
        m.Answered,
        m.AgentReserved,
        m.AgentReady,
        m.AgentLost,
        m.Joined,
        m.JoinFailed,
        m.MessageEnded,
        m.StopRequested,
    }
)
"""Events that may come late, or twice, without meaning anything any more."""

EARLY: Final[frozenset[tuple[CallState, type[m.Event]]]] = frozenset(
    (state, kind)
    for state in (S.ORIGINATING, S.RINGING)
    for kind in (m.AgentReserved, m.AgentReady, m.AgentLost, m.Joined, m.JoinFailed, m.MessageEnded)
)
"""Late events that cannot come before an answer: there was no agent and no message yet."""

STAY: Final[frozenset[tuple[CallState, type[m.Event]]]] = (
    frozenset((state, kind) for state in CallState for kind in LATE) - frozenset(TRANSITIONS) - EARLY
)
