"""Asterisk's events in the core's words: which leg, and what happened to it (pure)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from stasis_dialer.ari import events
from stasis_dialer.core import messages as m
from stasis_dialer.core.model import AmdResult

Heard = tuple[str, m.Event]
"""Id of the leg, and what happened."""


def translate(event: Any) -> Heard | None:
    """What an event of Asterisk says of a leg, or None when no decision needs it."""
    reader = READERS.get(type(event))
    return reader(event) if reader else None


def _stasis_start(event: Any) -> Heard | None:
    """A leg of ours that begins, or that comes back from the dialplan with what it found there."""
    word = event.args[0] if event.args else ""
    if word == AMD_ENTRY:
        verdict = read_verdict(_argument(event.args, 2), _argument(event.args, 3))
        return (event.channel.id, verdict) if verdict else None
    if word == SILENCE_ENTRY:
        return event.channel.id, m.SilenceHeard(_argument(event.args, 2) == "SILENCE")
    return event.channel.id, m.LegCreated()


def read_verdict(status: str, cause: str) -> m.Detected | None:
    """AMD()'s verdict. It calls a person who waits for us to speak a machine; silence alone is none."""
    result = AMD_STATUSES.get(status)
    if cause.startswith(SILENT):
        result = AmdResult.NOT_SURE
    return None if result is None else m.Detected(result, cause)


def moved_by_telephone(event: Any) -> str | None:
    """The leg that a telephone's or a carrier's own transfer (REFER) has taken out of its bridge, else None.

    Source: measured on 22.10.1 with `allow_transfer = yes`: the leg stays up in no bridge, the other one alone in its.
    """
    if not isinstance(event, MOVES) or event.result != SUCCESS:
        return None
    return (event.channel if isinstance(event, events.BridgeBlindTransfer) else event.transferer_first_leg).id


def _argument(arguments: Any, number: int) -> str:
    return str(arguments[number]) if len(arguments) > number else ""


def _state_change(event: Any) -> Heard | None:
    message = STATES.get(event.channel.state)
    return (event.channel.id, message) if message else None


def _dial(event: Any) -> Heard | None:
    message = DIAL_STATUSES.get(event.dialstatus)
    return (event.peer.id, message) if message and event.peer else None


def _entered_bridge(event: Any) -> Heard | None:
    return (event.channel.id, m.Joined(event.bridge.id)) if event.channel else None


def _destroyed(event: Any) -> Heard | None:
    tech_cause = getattr(event, "tech_cause", None)
    return event.channel.id, m.LegGone(event.cause, tech_cause or None)


def _playback_finished(event: Any) -> Heard | None:
    """Asterisk calls failed what the hang-up of who listened cut off, and a sound that it does not have."""
    kind, _, leg_id = event.playback.target_uri.partition(":")
    if kind != "channel":
        return None
    return leg_id, m.MessageEnded(event.playback.id.removeprefix(f"{leg_id}-"), event.playback.state != "failed")


def _talking_started(event: Any) -> Heard | None:
    return event.channel.id, m.TalkingStarted()


def _talking_finished(event: Any) -> Heard | None:
    return event.channel.id, m.TalkingFinished(event.duration / 1000)


def _digit(event: Any) -> Heard | None:
    return event.channel.id, m.DigitPressed(event.digit)


AMD_ENTRY: Final = "amd"
SILENCE_ENTRY: Final = "silence"
"""First arguments of `Stasis()` in dialplan/amd.conf."""
AMD_STATUSES: Final[dict[str, AmdResult]] = {
    "HUMAN": AmdResult.HUMAN,
    "MACHINE": AmdResult.MACHINE,
    "NOTSURE": AmdResult.NOT_SURE,
    "": AmdResult.NOT_SURE,
}
"""HANGUP is no verdict: the leg's end follows."""
SILENT: Final = "INITIALSILENCE"


def _recording(kind: type[m.RecordingStarted] | type[m.RecordingEnded]) -> Callable[[Any], Heard | None]:
    def read(event: Any) -> Heard | None:
        leg_id = _recorded_leg(event)
        return (leg_id, kind(event.recording.name)) if leg_id else None

    return read


def _recording_failed(event: Any) -> Heard | None:
    leg_id = _recorded_leg(event)
    reason = event.recording.cause or "Asterisk could not write it"
    return (leg_id, m.RecordingFailed(event.recording.name, reason)) if leg_id else None


def _recorded_leg(event: Any) -> str | None:
    kind, _, leg_id = event.recording.target_uri.partition(":")
    return leg_id if kind == "channel" else None


STATES: Final[dict[str, m.Event]] = {"Ringing": m.Ringing(), "Up": m.Answered()}
DIAL_STATUSES: Final[dict[str, m.Event]] = {
    "RINGING": m.Ringing(),
    "PROGRESS": m.EarlyMedia(),
    "ANSWER": m.Answered(),
}
READERS: Final[dict[type[Any], Callable[[Any], Heard | None]]] = {
    events.StasisStart: _stasis_start,
    events.ChannelStateChange: _state_change,
    events.Dial: _dial,
    events.ChannelEnteredBridge: _entered_bridge,
    events.ChannelDestroyed: _destroyed,
    events.PlaybackFinished: _playback_finished,
    events.ChannelDtmfReceived: _digit,
    events.ChannelTalkingStarted: _talking_started,
    events.ChannelTalkingFinished: _talking_finished,
    events.RecordingStarted: _recording(m.RecordingStarted),
    events.RecordingFinished: _recording(m.RecordingEnded),
    events.RecordingFailed: _recording_failed,
}

SUCCESS: Final = "Success"
MOVES: Final = (events.BridgeBlindTransfer, events.BridgeAttendedTransfer)
"""Transfers that we did not make; `moved_by_telephone` reads them."""
KEPT: Final = frozenset({"ApplicationReplaced", "RESTResponse", *(kind.__name__ for kind in MOVES)})
"""What the ARI client itself must hear, and what is read beside READERS."""
UNHEARD: Final = tuple(name for name, kind in events.BY_TYPE.items() if kind not in READERS and name not in KEPT)
"""Event types that Asterisk need not send, because nothing here reads them: 4 of the 12 events of a joined call."""
