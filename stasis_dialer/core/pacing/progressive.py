"""One call for each free agent: nobody is abandoned unless an agent leaves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stasis_dialer.core.pacing.messages import PacingDecision, PacingEvent, PacingLimits, PacingView
from stasis_dialer.core.pacing.room import CallRate, in_flight, room


class ProgressivePacer:
    """`agents_ready - calls in flight - waiting`, within the channels. It learns nothing."""

    def __init__(self, limits: PacingLimits) -> None:
        self._limits = limits
        self._rate = CallRate(limits.calls_per_second)

    def observe(self, event: PacingEvent) -> None:
        """Only the calls placed are counted, against the calls a second."""
        if event.kind == "placed":
            self._rate.placed(event.at)

    def set_budget(self, abandoned: int | None, answered: int | None, at: float) -> None:
        """No risk is taken, whatever the counts."""

    def decide(self, view: PacingView) -> PacingDecision:
        """A call in flight counts once, from its placing until it has an agent or its end."""
        calls = in_flight(view)
        wanted = view.agents_ready - calls - view.waiting
        most, limit = room(view, self._limits, self._rate)
        inputs = {
            "agents_ready": float(view.agents_ready),
            "in_flight": float(calls),
            "waiting": float(view.waiting),
            "room": float(most),
        }
        if view.agents_logged_in <= 0:
            return PacingDecision(0, reason="no_agents", inputs=inputs)
        place = max(0, min(wanted, most))
        if wanted <= 0:
            return PacingDecision(0, reason="agents_taken", inputs=inputs)
        return PacingDecision(place, reason="free_agents" if place == wanted else limit, inputs=inputs)

    def snapshot(self) -> dict[str, Any]:
        """Nothing to keep."""
        return {}

    def restore(self, saved: Mapping[str, Any], at: float = 0.0, age: float = 0.0) -> None:
        """Nothing to go on from."""
