"""A supervisor who listens to an agent, whispers or barges in: `advance(supervision, event, now)`.

The supervisor's leg is in a bridge of its own; an ear on the agent's leg (`core.ear`) joins it there. So the supervisor
follows the agent over customers, holds and transfers, and the calls know nothing of it. With each conversation of the
agent, and with each mode, the ear is made anew: what has listened to one sender on a leg is often deaf to the next one
(see `engine.recorder`). A sound that the agent is played is a sender too, so that there is no ear meanwhile. Guarantees
that nobody is heard before what is to be announced was announced, that refused ears end the supervision and never a
call, and one `EndSupervision`, after the supervisor's leg and the last ear.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from stasis_dialer.core import messages as m
from stasis_dialer.core.evolve import evolve
from stasis_dialer.core.messages import SupervisionMode
from stasis_dialer.errors import IllegalEvent

CREATE_SECONDS: Final = 10.0
"""For the leg to be created and to enter Stasis, and for it to enter its bridge. Not measured."""
RING_SECONDS: Final = 30.0
"""How long a supervisor's telephone rings. Not measured."""
RING_SLACK_SECONDS: Final = 3.0
"""Asterisk's own ring timeout comes first; ours is for a lost event. Not measured."""
RETRY_SECONDS: Final = 1.0
CHANGE_SECONDS: Final = 0.1
"""Between an ear and the next one: Asterisk puts the last one away with a packet of the agent's leg, every 20 ms."""
MOST_FAILURES: Final = 3
"""EarFor that Asterisk refuses in a row, before the supervision is given up."""
END_SECONDS: Final = 3.0
"""Between two looks for a leg that was hung up and whose end was not seen. Not measured."""

KEYS: Final = {"1": SupervisionMode.LISTEN, "2": SupervisionMode.WHISPER, "3": SupervisionMode.BARGE}
"""What the supervisor presses to change the mode."""
HEARD_BY: Final = {SupervisionMode.LISTEN: "none", SupervisionMode.WHISPER: "out", SupervisionMode.BARGE: "both"}
"""To whom on the agent's leg the supervisor's voice goes, as ARI's `whisper`."""
TOLD: Final = {SupervisionMode.LISTEN: "out", SupervisionMode.WHISPER: "out", SupervisionMode.BARGE: "both"}
"""Who hears an announcement: the agent, and the customer who is going to hear the supervisor."""


class SupervisionState(StrEnum):
    """Where a supervision stands."""

    CALLING = "calling"
    """The supervisor's telephone rings, or the leg is on its way to its bridge."""
    WAITING = "waiting"
    """The supervisor is there; the agent has no leg, or the next ear has to be waited for."""
    OPENING = "opening"
    ON = "on"
    CLOSING = "closing"
    ENDED = "ended"


S = SupervisionState


@dataclass(frozen=True, slots=True)
class EarFor:
    """The ear there is: what it was opened for, and whether it only announces."""

    number: int
    target: str
    turn: str
    mode: SupervisionMode
    is_announcement: bool
    is_closing: bool = False


@dataclass(frozen=True)
class Supervision:
    """Units: `deadline` and `since` are seconds on the engine's monotonic axis."""

    supervision_id: str
    supervisor: str
    """Extension."""
    agent: str
    """Extension."""
    session_id: str
    """The agent's session; with it the supervision ends."""
    mode: SupervisionMode
    leg_id: str | None
    """The supervisor's channel."""
    bridge_id: str
    since: float
    announcement: str | None = None
    """Media URI that is heard first; None: nothing is announced."""
    by: str = "api"
    """How it was asked for: `api` or `phone`."""
    state: SupervisionState = S.CALLING
    deadline: float | None = None
    is_leg_dialled: bool = False
    is_leg_up: bool = False
    is_there: bool = False
    """Whether the supervisor's leg is in its bridge."""
    target: str | None = None
    """The agent's leg that is up."""
    turn: str = ""
    """With whom the agent's leg is, or was last."""
    hears_sound: bool = False
    """Whether the agent's leg is played a sound of ours."""
    ear: EarFor | None = None
    ears: int = 0
    """How many there were."""
    announced: tuple[SupervisionMode, str] | None = None
    noted: tuple[SupervisionMode, str] | None = None
    failures: int = 0
    why: str = ""
    """Why it ends."""


Step = tuple[Supervision, tuple[m.Command, ...]]
Handler = Callable[[Supervision, m.Event, float], Step]


def call_supervisor(supervision: Supervision, create: m.CreateLeg, now: float) -> Step:
    """Begin by calling the supervisor's telephone."""
    return evolve(supervision, leg_id=create.leg_id, deadline=now + CREATE_SECONDS), (create,)


def supervisor_called(supervision: Supervision, leg_id: str, now: float) -> Step:
    """Begin with a supervisor whose telephone called us: the leg is here already."""
    here = evolve(supervision, leg_id=leg_id, is_leg_dialled=True)
    up, commands = _up(here, now)
    return up, (m.AnswerLeg(leg_id), *commands)


def advance(supervision: Supervision, event: m.Event, now: float) -> Step:
    """What the supervision becomes by this event, and what is to be done.

    Raises: IllegalEvent for an event that no supervision hears: a defect of ours.
    """
    if supervision.state is S.ENDED:
        return supervision, ()
    handler = HANDLERS.get(type(event))
    if handler is None:
        raise IllegalEvent(f"event does not fit: supervision={supervision.supervision_id} event={type(event).__name__}")
    return handler(supervision, event, now)


# --- the supervisor's leg -------------------------------------------------------------------------------------------


def _created(supervision: Supervision, event: m.Event, now: float) -> Step:
    if supervision.leg_id is None or supervision.is_leg_dialled:
        return supervision, ()
    if supervision.state is not S.CALLING:
        return supervision, (m.HangUp(supervision.leg_id),)
    dialled = evolve(supervision, is_leg_dialled=True, deadline=now + RING_SECONDS + RING_SLACK_SECONDS)
    return dialled, (m.DialLeg(supervision.leg_id, RING_SECONDS),)


def _answered(supervision: Supervision, event: m.Event, now: float) -> Step:
    if supervision.state is not S.CALLING or supervision.is_leg_up:
        return supervision, ()
    return _up(supervision, now)


def _up(supervision: Supervision, now: float) -> Step:
    assert supervision.leg_id is not None
    up = evolve(supervision, is_leg_up=True, deadline=now + CREATE_SECONDS)
    join = m.Join(supervision.leg_id, supervision.bridge_id, absorbs_keys=True)
    return up, (m.CreateBridge(supervision.bridge_id), join)


def _joined(supervision: Supervision, event: m.Event, now: float) -> Step:
    assert isinstance(event, m.Joined)
    if supervision.state is not S.CALLING or event.bridge_id != supervision.bridge_id:
        return supervision, ()
    return _settle(evolve(supervision, state=S.WAITING, is_there=True, deadline=None), now)


def _leg_failed(supervision: Supervision, event: m.Event, now: float) -> Step:
    """A failure that comes after the success it speaks of is late."""
    if isinstance(event, m.OriginateRejected):
        return _leg_gone(supervision, event, now)
    if supervision.is_there:
        return supervision, ()
    return _close(supervision, "the supervisor's telephone could not be connected", now)


def _leg_gone(supervision: Supervision, event: m.Event, now: float) -> Step:
    why = "the supervisor hung up" if supervision.is_there else "the supervisor did not answer"
    if isinstance(event, m.OriginateRejected):
        why = f"the supervisor's telephone was refused: {event.status} {event.reason}".rstrip()
    return _close(evolve(supervision, leg_id=None), why, now)


def _key(supervision: Supervision, event: m.Event, now: float) -> Step:
    assert isinstance(event, m.DigitPressed)
    mode = KEYS.get(event.digit)
    return (supervision, ()) if mode is None else _change(supervision, mode, now)


# --- what is wanted -------------------------------------------------------------------------------------------------


def _mode_asked(supervision: Supervision, event: m.Event, now: float) -> Step:
    assert isinstance(event, m.ModeAsked)
    return _change(supervision, event.mode, now)


def _change(supervision: Supervision, mode: SupervisionMode, now: float) -> Step:
    return _settle(evolve(supervision, mode=mode), now)


def _agent_at(supervision: Supervision, event: m.Event, now: float) -> Step:
    """Who is with nobody any more keeps the ear: the next conversation gets a new one."""
    assert isinstance(event, m.AgentAt)
    fresh = event.leg_id is not None and event.leg_id != supervision.target
    known = evolve(
        supervision,
        target=event.leg_id,
        turn=event.turn or ("" if fresh else supervision.turn),
        hears_sound=event.hears_sound,
        failures=0 if fresh else supervision.failures,
    )
    return _settle(known, now)


def _unwanted(supervision: Supervision, event: m.Event, now: float) -> Step:
    assert isinstance(event, m.SupervisionUnwanted)
    return _close(supervision, event.why, now)


# --- ears -----------------------------------------------------------------------------------------------------------


def _settle(supervision: Supervision, now: float) -> Step:
    """The ear that belongs to what is wanted; one that does not is closed first, so that none listens meanwhile."""
    if not supervision.is_there or supervision.state is S.CLOSING:
        return supervision, ()
    ear = supervision.ear
    if ear is not None:
        if _fits(supervision, ear) or ear.is_closing:
            return supervision, ()
        return _shut(evolve(supervision, state=S.WAITING, deadline=None), ear)
    if supervision.target is None or supervision.hears_sound or supervision.deadline is not None:
        return evolve(supervision, state=S.WAITING), ()
    return _open(supervision, supervision.target)


def _open(supervision: Supervision, target: str) -> Step:
    number, mode = supervision.ears + 1, supervision.mode
    is_announcement = supervision.announcement is not None and supervision.announced != _to_announce(supervision)
    ear = EarFor(number, target, supervision.turn, mode, is_announcement)
    opening = evolve(supervision, state=S.OPENING, ear=ear, ears=number)
    if is_announcement:
        return opening, (m.OpenEar(number, target, TOLD[mode], supervision.announcement),)
    return opening, (m.OpenEar(number, target, HEARD_BY[mode]),)


def _to_announce(supervision: Supervision) -> tuple[SupervisionMode, str]:
    """The agent knows after the first time; of one who barges in each customer is told."""
    return supervision.mode, supervision.turn if supervision.mode is SupervisionMode.BARGE else ""


def _fits(supervision: Supervision, ear: EarFor) -> bool:
    if supervision.hears_sound:
        return False
    return (ear.target, ear.turn, ear.mode) == (supervision.target, supervision.turn, supervision.mode)


def _shut(supervision: Supervision, ear: EarFor) -> Step:
    closing = EarFor(ear.number, ear.target, ear.turn, ear.mode, ear.is_announcement, is_closing=True)
    return evolve(supervision, ear=closing), (m.CloseEar(ear.number),)


def _ear_opened(supervision: Supervision, event: m.Event, now: float) -> Step:
    assert isinstance(event, m.EarOpened)
    ear = supervision.ear
    if ear is None or ear.number != event.number or ear.is_closing:
        return supervision, ()
    on = evolve(supervision, state=S.ON, failures=0, noted=(ear.mode, ear.turn))
    return on, () if on.noted == supervision.noted else (m.NoteSupervision(),)


def _ear_closed(supervision: Supervision, event: m.Event, now: float) -> Step:
    assert isinstance(event, m.EarClosed)
    ear = supervision.ear
    if ear is None or ear.number != event.number:
        return supervision, ()
    without = evolve(supervision, ear=None)
    if without.state is S.CLOSING:
        return _end_if_at_rest(without)
    if event.failure and not ear.is_closing:
        return _ear_failed(without, event.failure, now)
    if ear.is_announcement and not ear.is_closing:
        without = evolve(without, announced=_to_announce(without))
    return evolve(without, state=S.WAITING, deadline=now + CHANGE_SECONDS), ()


def _ear_failed(supervision: Supervision, failure: str, now: float) -> Step:
    failed = evolve(supervision, failures=supervision.failures + 1)
    if failed.failures >= MOST_FAILURES:
        return _close(failed, f"the agent could not be heard: {failure}", now)
    return evolve(failed, state=S.WAITING, deadline=now + RETRY_SECONDS), ()


# --- the end --------------------------------------------------------------------------------------------------------


def _close(supervision: Supervision, why: str, now: float) -> Step:
    """Everything goes: the ear, then the leg. The first reason counts."""
    commands: tuple[m.Command, ...] = ()
    closing = supervision
    if closing.state is not S.CLOSING:
        closing = evolve(closing, state=S.CLOSING, why=why, is_there=False, deadline=now + END_SECONDS)
        if closing.ear is not None and not closing.ear.is_closing:
            closing, commands = _shut(closing, closing.ear)
        if closing.leg_id is not None:
            commands = (*commands, m.HangUp(closing.leg_id), m.Probe(closing.leg_id))
    ended, more = _end_if_at_rest(closing)
    return ended, (*commands, *more)


def _end_if_at_rest(supervision: Supervision) -> Step:
    if supervision.leg_id is not None or supervision.ear is not None:
        return supervision, ()
    ended = evolve(supervision, state=S.ENDED, deadline=None)
    return ended, (m.DestroyBridge(supervision.bridge_id), m.EndSupervision(supervision.why))


def _deadline(supervision: Supervision, event: m.Event, now: float) -> Step:
    if supervision.state is S.CALLING:
        return _close(supervision, "the supervisor did not answer", now)
    if supervision.state is S.CLOSING:
        again = evolve(supervision, deadline=now + END_SECONDS)
        leg_id = supervision.leg_id
        return again, () if leg_id is None else (m.HangUp(leg_id), m.Probe(leg_id))
    return _settle(evolve(supervision, deadline=None), now)


def _ignored(supervision: Supervision, event: m.Event, now: float) -> Step:
    return supervision, ()


HANDLERS: Final[dict[type[m.Event], Handler]] = {
    m.LegCreated: _created,
    m.Answered: _answered,
    m.Joined: _joined,
    m.JoinFailed: _leg_failed,
    m.DialRejected: _leg_failed,
    m.OriginateRejected: _leg_failed,
    m.RequestUnanswered: _leg_failed,
    m.LegGone: _leg_gone,
    m.DigitPressed: _key,
    m.ModeAsked: _mode_asked,
    m.AgentAt: _agent_at,
    m.SupervisionUnwanted: _unwanted,
    m.EarOpened: _ear_opened,
    m.EarClosed: _ear_closed,
    m.DeadlineReached: _deadline,
    m.Ringing: _ignored,
    m.EarlyMedia: _ignored,
    m.MessageEnded: _ignored,
}
