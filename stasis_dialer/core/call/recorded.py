"""What a call keeps of its recordings: the files, and when nothing was written."""

from __future__ import annotations

from stasis_dialer.core import messages as m
from stasis_dialer.core.call.state import Call, S, Step, marked

MACHINES = (S.AWAITING_BEEP, S.LEAVING_MESSAGE)
RECORDED_STATES = (S.QUEUED, S.OFFERING, S.BRIDGED, *MACHINES, S.SAFE_HARBOUR, S.CLOSING)
"""A recording may be heard of from the first agent on until the end; also of one who talked with a machine."""
PAUSED, RESUMED = "recording paused", "recording resumed"


def file_begun(call: Call, event: m.Event, now: float) -> Step:
    assert isinstance(event, m.Recorded)
    if event.file in call.recordings:
        return call, ()
    return marked(call, now, "recording", recordings=(*call.recordings, event.file)), (m.Save(),)


def paused(call: Call, event: m.Event, now: float) -> Step:
    return marked(call, now, PAUSED), (m.Save(),)


def resumed(call: Call, event: m.Event, now: float) -> Step:
    return marked(call, now, RESUMED), (m.Save(),)


def is_paused(call: Call) -> bool:
    """Whether the recording was paused when last heard of: a restart must not write what a customer asked not to."""
    said = [what for _, what in call.timeline if what in (PAUSED, RESUMED)]
    return said[-1:] == [PAUSED]
