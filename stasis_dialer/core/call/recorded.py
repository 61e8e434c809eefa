"""What a call keeps of its recordings: the files, when nothing was written, and whether the customer was told."""

from __future__ import annotations

from typing import Final

from stasis_dialer.core import messages as m
from stasis_dialer.core.call.state import Call, S, Step, marked
from stasis_dialer.core.options import RecordingMode

MACHINES = (S.AWAITING_BEEP, S.LEAVING_MESSAGE)
RECORDED_STATES = (S.QUEUED, S.OFFERING, S.BRIDGED, *MACHINES, S.SAFE_HARBOUR, S.CLOSING)
"""A recording may be heard of from the first agent on until the end; also of one who talked with a machine."""
BEGUN: Final = "recording"
"""In the timeline, once for each file."""
PAUSED, RESUMED = "recording paused", "recording resumed"
ANNOUNCEMENT: Final = "announcement"
"""The name of the announcement of a recording among what is played to a leg."""
TOLD, NOT_TOLD = "announcement played", "announcement not played"
"""In the timeline: so that a call is not recorded after a restart either, when its customer was not told."""


def file_begun(call: Call, event: m.Event, now: float) -> Step:
    assert isinstance(event, m.Recorded)
    if event.file in call.recordings:
        return call, ()
    return marked(call, now, BEGUN, recordings=(*call.recordings, event.file)), (m.Save(),)


def paused(call: Call, event: m.Event, now: float) -> Step:
    return marked(call, now, PAUSED), (m.Save(),)


def resumed(call: Call, event: m.Event, now: float) -> Step:
    return marked(call, now, RESUMED), (m.Save(),)


def is_paused(call: Call) -> bool:
    """Whether the recording was paused when last heard of: a restart must not write what a customer asked not to."""
    said = [what for _, what in call.timeline if what in (PAUSED, RESUMED)]
    return said[-1:] == [PAUSED]


def must_tell(call: Call) -> bool:
    """Whether the customer is to hear that the call is recorded."""
    options = call.campaign.recording
    return options.mode is RecordingMode.ALL and options.announcement is not None


def may_record(call: Call) -> bool:
    """Whether nothing stands against it: an announcement was heard to its end, or is not asked for."""
    return not must_tell(call) or any(what == TOLD for _, what in call.timeline)


def is_untold(call: Call) -> bool:
    """Whether the announcement could not be played: it may have been set because the law asks for it."""
    return not may_record(call) and any(what == NOT_TOLD for _, what in call.timeline)


def told(call: Call, event: m.Event, now: float) -> Call:
    """The announcement has ended, heard or not; one that was given up as too long may still be heard to its end."""
    assert isinstance(event, m.MessageEnded)
    if event.name != ANNOUNCEMENT or may_record(call) or (is_untold(call) and not event.is_heard):
        return call
    return marked(call, now, TOLD if event.is_heard else NOT_TOLD)


def told_late(call: Call, event: m.Event, now: float) -> Step:
    """The customer of a call by hand hears it while the agent is there: what has waited for it may begin."""
    heard = told(call, event, now)
    return (heard, (m.TellAnnounced(), m.Save())) if heard is not call else (call, ())
