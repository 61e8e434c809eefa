"""How many calls to place now: one policy a file, driven the same by the live engine and by any simulator.

A pacer hears what happened (`observe`) and is asked what to do (`decide`). It reads no clock: all times are seconds on
one monotonic axis, and the same inputs give the same decisions. The limits are never passed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from stasis_dialer.core.model import DialMode
from stasis_dialer.core.pacing.broadcast import BroadcastPacer
from stasis_dialer.core.pacing.legacy import LegacyPacer
from stasis_dialer.core.pacing.messages import PacingDecision, PacingEvent, PacingLimits, PacingView
from stasis_dialer.core.pacing.power import PowerPacer
from stasis_dialer.core.pacing.predictive import PredictivePacer
from stasis_dialer.core.pacing.progressive import ProgressivePacer
from stasis_dialer.core.pacing.sharing import share_room
from stasis_dialer.errors import Refused

__all__ = ["Pacer", "PacingDecision", "PacingEvent", "PacingLimits", "PacingView", "make_pacer", "share_room"]


class Pacer(Protocol):
    """A policy for one campaign."""

    def observe(self, event: PacingEvent) -> None:
        """Learn from something that happened."""

    def decide(self, view: PacingView) -> PacingDecision:
        """How many calls to place now, and which ringing ones to give up; the view is not changed."""

    def set_budget(self, abandoned: int | None, answered: int | None, at: float) -> None:
        """The campaign's durable counts over its regulatory window up to `at`: calls that people answered, and those
        of them that found no agent. They replace what was counted; what is heard later adds to them. None: unknown,
        and no call is placed that could be abandoned. Never called: what is heard is all there is.
        """

    def snapshot(self) -> dict[str, Any]:
        """Everything learned, as plain values that JSON can hold."""

    def restore(self, saved: Mapping[str, Any], at: float = 0.0, age: float = 0.0) -> None:
        """Go on from a snapshot that was taken `age` seconds before `at`, on this clock.

        Raises: ValueError when it is spoilt; then the pacer is as it was.
        """


_PACERS: Mapping[DialMode, Callable[[PacingLimits], Pacer]] = {
    DialMode.PROGRESSIVE: ProgressivePacer,
    DialMode.POWER: PowerPacer,
    DialMode.LEGACY: LegacyPacer,
    DialMode.PREDICTIVE: PredictivePacer,
    DialMode.BROADCAST: BroadcastPacer,
}


def make_pacer(mode: DialMode | str, limits: PacingLimits) -> Pacer:
    """The policy for a dial mode.

    Raises: Refused when the mode has no pacing, as preview and manual calls.
    """
    try:
        return _PACERS[DialMode(mode)](limits)
    except (KeyError, ValueError):
        raise Refused(f"this mode is not paced: mode={mode}; there are {', '.join(_PACERS)}") from None
