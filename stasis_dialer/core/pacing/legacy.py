"""The old dialer's rule to the letter: every 30 seconds `min(int(available * impulse_factor), max_channels)` calls.

It does not look at the calls in flight and abandons up to half of the answers in small groups. Kept to compare with;
`check` warns of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from stasis_dialer.core.pacing.messages import PacingDecision, PacingEvent, PacingLimits, PacingView
from stasis_dialer.core.pacing.room import CallRate, room

PERIOD_SECONDS: Final = 30.0


class LegacyPacer:
    """The old rule; only channels, lines and calls a second that are not there hold it back."""

    def __init__(self, limits: PacingLimits) -> None:
        self._limits = limits
        self._rate = CallRate(limits.calls_per_second)
        self._last: float | None = None

    def observe(self, event: PacingEvent) -> None:
        """Only the calls placed are counted, against the calls a second."""
        if event.kind == "placed":
            self._rate.placed(event.at)

    def set_budget(self, abandoned: int | None, answered: int | None, at: float) -> None:
        """The rule knows no budget."""

    def decide(self, view: PacingView) -> PacingDecision:
        """A batch when 30 seconds have passed since the last one, or the clock went back."""
        if self._last is not None and 0.0 <= view.now - self._last < PERIOD_SECONDS:
            return PacingDecision(0, reason="between_batches", inputs={"since_batch": view.now - self._last})
        self._last = view.now
        wanted = min(int(view.agents_ready * self._limits.impulse_factor), self._limits.max_channels)
        most, limit = room(view, self._limits, self._rate)
        place = max(0, min(wanted, most)) if view.agents_logged_in > 0 else 0
        reason = "no_agents" if view.agents_logged_in <= 0 else limit if place < wanted else "batch"
        inputs = {"agents_ready": float(view.agents_ready), "wanted": float(wanted), "room": float(most)}
        return PacingDecision(place, reason=reason, inputs=inputs)

    def snapshot(self) -> dict[str, Any]:
        """Nothing to keep."""
        return {}

    def restore(self, saved: Mapping[str, Any], at: float = 0.0, age: float = 0.0) -> None:
        """Nothing to go on from."""
