"""An ear of a supervisor: a channel that listens on an agent's leg, in a bridge with the supervisor's own.

It hangs on the agent's leg and on nothing else: bridges and customers' legs are what they are without it, so that
nothing that happens to an ear can disturb a call. What it may say is fixed at its creation: another mode is another
ear. One that announces says its word to those who are to know, and is closed before anybody hears by it. Guarantees
one `EarClosed` and one `EndEar`, after the channel.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from stasis_dialer.core import messages as m
from stasis_dialer.core.evolve import evolve
from stasis_dialer.errors import IllegalEvent

START_SECONDS: Final = 10.0
"""For the channel to come and to be in its bridge. Twice the request timeout; not measured."""
ANNOUNCEMENT_SECONDS: Final = 10.0
"""The longest announcement."""
ALIVE_SECONDS: Final = 5.0
"""Between two looks whether an open ear is there: of such a channel's end Asterisk tells nothing that we hear."""
LOOK_SECONDS: Final = (0.05, 0.05, 0.3, 3.0)
"""From one look to the next for a channel that was hung up. Measured for recordings: gone 10 to 20 ms after it."""


class EarState(StrEnum):
    """Where an ear stands."""

    STARTING = "starting"
    ANNOUNCING = "announcing"
    OPEN = "open"
    CLOSING = "closing"
    ENDED = "ended"


S = EarState


@dataclass(frozen=True)
class Ear:
    """Units: `deadline` is seconds on the engine's monotonic axis."""

    leg_id: str
    """The channel that listens, and the ear's own id."""
    supervision_id: str
    number: int
    target: str
    """The agent's leg."""
    bridge_id: str
    """Where the supervisor is."""
    whispers_to: str
    announcement: str | None = None
    state: EarState = S.STARTING
    deadline: float | None = None
    failure: str = ""
    looks: int = 0
    """How often it was looked whether the channel is gone."""


Step = tuple[Ear, tuple[m.Command, ...]]


def start(ear: Ear, now: float) -> Step:
    """Begin to listen on the agent's leg."""
    hears = "none" if ear.announcement else "both"
    listen = m.Listen(ear.leg_id, ear.target, hears=hears, whispers_to=ear.whispers_to)
    return evolve(ear, deadline=now + START_SECONDS), (listen,)


def advance(ear: Ear, event: m.Event, now: float) -> Step:
    """What the ear becomes by this event, and what is to be done.

    Raises: IllegalEvent for an event that no ear hears: a defect of ours.
    """
    if ear.state is S.ENDED:
        return ear, ()
    if isinstance(event, m.LegGone | m.OriginateRejected):
        return _gone(ear, event)
    if isinstance(event, IGNORED):
        return ear, ()
    if isinstance(event, m.DeadlineReached):
        return _deadline(ear, now)
    if ear.state is S.CLOSING:
        return ear, ()
    if isinstance(event, m.EarUnwanted):
        return _close(ear, now)
    if isinstance(event, m.LegCreated):
        return _there(ear, now)
    if isinstance(event, m.MessageEnded):
        return _close(ear, now) if ear.state is S.ANNOUNCING else (ear, ())
    if isinstance(event, m.Joined):
        return _joined(ear, event, now)
    if isinstance(event, m.JoinFailed):
        return _failed(ear, f"not joined: {event.reason}", now)
    if isinstance(event, m.RequestUnanswered):
        return _failed(ear, f"no answer to {event.request}", now)
    raise IllegalEvent(f"event does not fit: ear={ear.leg_id} state={ear.state} event={type(event).__name__}")


IGNORED: Final = (m.Ringing, m.EarlyMedia, m.Answered, m.DigitPressed, m.DialRejected)
"""Said of any channel, and without meaning for one that listens."""


def _there(ear: Ear, now: float) -> Step:
    if ear.state is not S.STARTING:
        return ear, ()
    if ear.announcement is None:
        return ear, (m.Join(ear.leg_id, ear.bridge_id),)
    announcing = evolve(ear, state=S.ANNOUNCING, deadline=now + ANNOUNCEMENT_SECONDS)
    return announcing, (m.PlayMessage(ear.leg_id, ear.announcement),)


def _joined(ear: Ear, event: m.Joined, now: float) -> Step:
    if ear.state is not S.STARTING or event.bridge_id != ear.bridge_id:
        return ear, ()
    opened = evolve(ear, state=S.OPEN, deadline=now + ALIVE_SECONDS)
    return opened, (m.TellSupervision(ear.supervision_id, m.EarOpened(ear.number)),)


def _failed(ear: Ear, why: str, now: float) -> Step:
    """A failure that comes after the success it speaks of is late."""
    return (ear, ()) if ear.state is S.OPEN else _close(evolve(ear, failure=why), now)


def _close(ear: Ear, now: float) -> Step:
    closing = evolve(ear, state=S.CLOSING, deadline=now + LOOK_SECONDS[0], looks=1)
    return closing, (m.HangUp(ear.leg_id), m.Probe(ear.leg_id))


def _gone(ear: Ear, event: m.Event) -> Step:
    failure = ear.failure
    if isinstance(event, m.OriginateRejected):
        failure = f"refused {event.status} {event.reason}".strip()
    elif ear.state is not S.CLOSING:
        failure = "its channel is gone"
    closed = m.TellSupervision(ear.supervision_id, m.EarClosed(ear.number, failure))
    return evolve(ear, state=S.ENDED, deadline=None), (closed, m.EndEar())


def _deadline(ear: Ear, now: float) -> Step:
    if ear.state is S.OPEN:
        return evolve(ear, deadline=now + ALIVE_SECONDS), (m.Probe(ear.leg_id),)
    if ear.state is not S.CLOSING:
        return _failed(ear, f"too long {ear.state}", now)
    seconds = LOOK_SECONDS[min(ear.looks, len(LOOK_SECONDS) - 1)]
    again = evolve(ear, deadline=now + seconds, looks=ear.looks + 1)
    return again, (m.HangUp(ear.leg_id), m.Probe(ear.leg_id))
