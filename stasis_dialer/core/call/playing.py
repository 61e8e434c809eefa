"""What a customer is played now, and the look whether it still plays: its end may go unheard while the connection to
Asterisk is away.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from stasis_dialer.core import messages as m
from stasis_dialer.core.call.broadcast import CONFIRMATION
from stasis_dialer.core.call.ending import MESSAGE
from stasis_dialer.core.call.state import Call, CallState, S, Step

PLAYED_IN: Final[Mapping[CallState, str]] = {
    S.PLAYING: MESSAGE,
    S.CONFIRMING: CONFIRMATION,
    S.LEAVING_MESSAGE: MESSAGE,
    S.SAFE_HARBOUR: MESSAGE,
}
"""The states that end with a playback, and its name."""


def look(call: Call) -> tuple[m.Command, ...]:
    """Whether what the customer is played still plays; nothing when they are played nothing."""
    name = PLAYED_IN.get(call.state, call.playing)
    return (m.ProbeMessage(call.leg_id, name),) if name is not None else ()


def look_unanswered(call: Call, event: m.Event, now: float) -> Step:
    """Once more: a customer whose message is over must not wait in silence for the longest one to end."""
    assert isinstance(event, m.RequestUnanswered)
    return call, look(call) if event.request == m.LOOK else ()
