"""One recording of a customer: a channel that listens on the customer's leg, and the file that it writes.

It listens to the leg, not to the agent's bridge: an always-on agent's bridge outlives the call, and a transferred
customer leaves it. So a file holds one customer by construction, ends with them even while the dialer is away, and two
legs stay in Asterisk's cheap two-party bridge. With whoever the customer talks next a new file begins. Guarantees that
a failure ends the recording and never the call, that a pause that cannot be had ends it too (card numbers), and one
`EndRecording`.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from stasis_dialer.core import messages as m
from stasis_dialer.core.evolve import evolve
from stasis_dialer.errors import IllegalEvent

START_SECONDS: Final = 10.0
"""For the listening channel to come and the file to be opened. Twice the request timeout; not measured."""
END_SECONDS: Final = 3.0
"""A file that ends by itself just before its call does is the usual end. Not measured."""
LOOK_SECONDS: Final = (0.05, 0.3, 3.0)
"""From one look to the next for a channel that was hung up. Measured: gone 10 to 20 ms after the request."""
NAME_FIELDS: Final = ("campaign", "campaign_id", "date", "time", "call_id", "lead_id", "agent")
LONGEST_PART: Final = 80
"""Characters of one field of a name: file names end at 255 bytes."""
CUSTOMER_SIDE, AGENT_SIDE = "-customer", "-agent"
"""What a file's name ends with when it holds one side."""
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")
_PATTERN: Final = re.compile(r"[A-Za-z0-9._/-]*")


class RecordingState(StrEnum):
    """Where a recording stands."""

    STARTING = "starting"
    RECORDING = "recording"
    PAUSED = "paused"
    """Nothing is written: at the agent's wish, or because the agent has not asked for a recording yet."""
    CLOSING = "closing"
    ENDED = "ended"


S = RecordingState


@dataclass(frozen=True)
class Recording:
    """Units: `deadline` is seconds on the engine's monotonic axis."""

    recording_id: str
    call_id: str
    target: str
    """The customer's channel."""
    leg_id: str
    """The channel that listens."""
    name: str
    """The file, without its ending."""
    format: str
    state: RecordingState = S.STARTING
    deadline: float | None = None
    is_begun: bool = False
    """Whether the file was."""
    wants_pause: bool = False
    looks: int = 0
    """How often it was looked whether the channel is gone."""
    is_ending: bool = False
    """The file has ended by itself; the call's end should follow."""


Step = tuple[Recording, tuple[m.Command, ...]]


def start(recording: Recording, direction: str, now: float) -> Step:
    """Begin to listen on the customer's leg."""
    return evolve(recording, deadline=now + START_SECONDS), (
        m.Listen(recording.leg_id, recording.target, hears=direction),
    )


def advance(recording: Recording, event: m.Event, now: float) -> Step:
    """What the recording becomes by this event, and what is to be done.

    Raises: IllegalEvent for an event that no recording hears: a defect of ours.
    """
    if recording.state is S.ENDED:
        return recording, ()
    if isinstance(event, m.LegGone | m.OriginateRejected):
        return _gone(recording, event)
    if isinstance(event, m.RecordingStopped):
        return (recording, ()) if recording.state is S.CLOSING else _close(recording, now)
    if isinstance(event, IGNORED):
        return recording, ()
    if isinstance(event, m.DeadlineReached):
        return _deadline(recording, now)
    if recording.state is S.CLOSING:
        return recording, ()
    if isinstance(event, m.LegCreated):
        return _listening(recording, now)
    if isinstance(event, m.RecordingStarted | m.RecordingEnded | m.RecordingFailed):
        return _file_event(recording, event, now)
    if isinstance(event, m.PauseWanted):
        return _pause(recording)
    if isinstance(event, m.ResumeWanted):
        return _resume(recording, now)
    if isinstance(event, m.PauseRefused):
        return _failed(recording, f"pause refused: {event.reason}", now)
    if isinstance(event, m.RequestUnanswered):
        return _failed(recording, f"no answer to {event.request}", now)
    raise IllegalEvent(
        f"event does not fit: recording={recording.recording_id} state={recording.state} event={type(event).__name__}"
    )


IGNORED: Final = (
    m.Ringing,
    m.EarlyMedia,
    m.Answered,
    m.Joined,
    m.JoinFailed,
    m.DigitPressed,
    m.MessageEnded,
    m.DialRejected,
)
"""Said of any channel, and without meaning for one that listens."""


def _listening(recording: Recording, now: float) -> Step:
    if recording.state is not S.STARTING or recording.is_begun:
        return recording, ()
    if recording.wants_pause:
        return evolve(recording, state=S.PAUSED, deadline=None), ()
    return _open(recording, now)


def _open(recording: Recording, now: float) -> Step:
    """A new file; the call knows its name before it is there, so that no file is without its call."""
    opening = evolve(recording, state=S.STARTING, is_begun=True, deadline=now + START_SECONDS)
    told = m.TellCall(opening.call_id, m.Recorded(f"{opening.name}.{opening.format}"))
    return opening, (told, m.Record(opening.leg_id, opening.name, opening.format))


def _file_event(recording: Recording, event: m.Event, now: float) -> Step:
    assert isinstance(event, m.RecordingStarted | m.RecordingEnded | m.RecordingFailed)
    if event.name != recording.name or not recording.is_begun:
        return recording, ()
    if isinstance(event, m.RecordingFailed):
        return _failed(recording, event.reason, now)
    if isinstance(event, m.RecordingEnded):
        return evolve(recording, is_ending=True, deadline=now + END_SECONDS), ()
    if recording.state is not S.STARTING:
        return recording, ()
    begun = evolve(recording, state=S.RECORDING, deadline=None)
    return _pause(begun) if recording.wants_pause else (begun, ())


def _pause(recording: Recording) -> Step:
    """While the file is being opened the pause waits for it."""
    wanted = evolve(recording, wants_pause=True)
    if recording.state is not S.RECORDING:
        return wanted, ()
    told = m.TellCall(recording.call_id, m.RecordingPaused())
    return evolve(wanted, state=S.PAUSED), (m.PauseRecording(recording.leg_id, recording.name), told)


def _resume(recording: Recording, now: float) -> Step:
    wanted = evolve(recording, wants_pause=False)
    if recording.state is not S.PAUSED:
        return wanted, ()
    if not recording.is_begun:
        return _open(wanted, now)
    told = m.TellCall(recording.call_id, m.RecordingResumed())
    return evolve(wanted, state=S.RECORDING), (m.ResumeRecording(recording.leg_id, recording.name), told)


def _failed(recording: Recording, reason: str, now: float) -> Step:
    closing, commands = _close(recording, now)
    return closing, (m.RecordingLost(reason), *commands)


def _close(recording: Recording, now: float) -> Step:
    """The end of the channel that listens ends the file in order.

    Its own end is never told: Asterisk sends a listening channel's StasisEnd, and no ChannelDestroyed (22.10.1).
    """
    closing = evolve(recording, state=S.CLOSING, deadline=now + LOOK_SECONDS[0], looks=1)
    return closing, (m.HangUp(recording.leg_id), m.Probe(recording.leg_id))


def _gone(recording: Recording, event: m.Event) -> Step:
    lost: tuple[m.Command, ...] = ()
    if isinstance(event, m.OriginateRejected) and recording.state is S.STARTING:
        lost = (m.RecordingLost(f"refused {event.status} {event.reason}".strip()),)
    return evolve(recording, state=S.ENDED, deadline=None), (*lost, m.EndRecording())


def _deadline(recording: Recording, now: float) -> Step:
    if recording.state is S.CLOSING:
        seconds = LOOK_SECONDS[min(recording.looks, len(LOOK_SECONDS) - 1)]
        again = evolve(recording, deadline=now + seconds, looks=recording.looks + 1)
        return again, (m.HangUp(recording.leg_id), m.Probe(recording.leg_id))
    if recording.is_ending:
        return _failed(recording, "the file ended before the call; is the disk full?", now)
    return _failed(recording, "it did not start in time", now)


# --- names ----------------------------------------------------------------------------------------------------------


def pattern_problem(pattern: str) -> str | None:
    """What is wrong with a pattern of file names, or None."""
    try:
        parts = list(string.Formatter().parse(pattern))
    except ValueError:
        return "a { or } stands alone"
    fields = [name for _, name, _, _ in parts if name is not None]
    unknown = sorted(set(fields) - set(NAME_FIELDS))
    if unknown:
        return f"unknown field {{{unknown[0]}}}; use " + ", ".join("{" + name + "}" for name in NAME_FIELDS)
    if any(spec or conversion for _, _, spec, conversion in parts):
        return "a field has no format of its own here; use plain {call_id}"
    if "call_id" not in fields:
        return "must hold {call_id}: two calls may not have one file"
    if not _PATTERN.fullmatch("".join(text for text, _, _, _ in parts)):
        return "only letters, digits, and . _ - / may stand between the fields"
    if any(not part or part.startswith(".") for part in pattern.split("/")):
        return "no part of the path may be empty or begin with a dot: it stays below Asterisk's recording folder"
    return None


def file_name(pattern: str, values: Mapping[str, str]) -> str:
    """The file's path below Asterisk's recording folder, without ending; no value can leave the folder."""
    safe = {name: _safe(value) for name, value in values.items()}
    return "/".join(part.lstrip(".") or "_" for part in pattern.format(**safe).split("/"))


@dataclass(frozen=True, slots=True)
class Part:
    """What was recorded of a customer with one party: one file, or the customer's and the agent's side."""

    files: tuple[str, ...]
    agent_late_seconds: float = 0.0
    """How much later than the customer's side the agent's begins; below zero: earlier."""


def parts(files: Sequence[str], begun: Sequence[datetime]) -> list[Part]:
    """A call's files, sides that belong together in one part, in their order; `begun` is when each was, if known."""
    at = dict(zip(files, begun, strict=True)) if len(begun) == len(files) else {}
    found = []
    for file in files:
        customer, agent = _sides(file)
        if customer not in files or agent not in files:
            found.append(Part((file,)))
        elif file == customer:
            late = (at[agent] - at[customer]).total_seconds() if at else 0.0
            found.append(Part((customer, agent), late))
    return found


def _sides(file: str) -> tuple[str, str]:
    """The two files of the party with whom this one was recorded, when the sides are apart."""
    name, _, ending = file.rpartition(".")
    base = name.removesuffix(AGENT_SIDE if name.endswith(AGENT_SIDE) else CUSTOMER_SIDE)
    return f"{base}{CUSTOMER_SIDE}.{ending}", f"{base}{AGENT_SIDE}.{ending}"


def _safe(value: str) -> str:
    plain = unicodedata.normalize("NFKD", value).encode("ascii", "ignore").decode()
    return _UNSAFE.sub("_", plain).strip("_")[:LONGEST_PART] or "none"
