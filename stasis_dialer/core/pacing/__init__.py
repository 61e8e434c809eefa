"""How many calls to place now: one policy a file, driven the same by the live engine and by any simulator.

A pacer hears what happened (`observe`) and is asked what to do (`decide`). It reads no clock: all times are seconds on
one monotonic axis, and the same inputs give the same decisions. The limits are never passed.
"""

from __future__ import annotations

from typing import Protocol

from stasis_dialer.core.model import DialMode
from stasis_dialer.core.pacing.messages import PacingDecision, PacingEvent, PacingLimits, PacingView
from stasis_dialer.core.pacing.predictive import PredictivePacer
from stasis_dialer.core.pacing.progressive import ProgressivePacer
from stasis_dialer.errors import Refused

__all__ = ["Pacer", "PacingDecision", "PacingEvent", "PacingLimits", "PacingView", "make_pacer"]


class Pacer(Protocol):
    """A policy for one campaign."""

    def observe(self, event: PacingEvent) -> None:
        """Learn from something that happened."""

    def decide(self, view: PacingView) -> PacingDecision:
        """How many calls to place now, and which ringing ones to give up; the view is not changed."""


def make_pacer(mode: DialMode | str, limits: PacingLimits) -> Pacer:
    """The policy for a dial mode.

    Raises: Refused when this version has no policy for the mode.
    """
    if DialMode(mode) is DialMode.PROGRESSIVE:
        return ProgressivePacer(limits)
    if DialMode(mode) is DialMode.PREDICTIVE:
        return PredictivePacer(limits)
    raise Refused(f"no pacing for this mode yet: mode={mode}; use progressive")
