"""A fixed number of lines for each free agent, less the calls in flight.

Simple, and blind to the answer rate: the right factor runs from 1.2 to over 20 with the size of the group and the
share of answers. It learns nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stasis_dialer.core.pacing.messages import PacingDecision, PacingEvent, PacingLimits, PacingView
from stasis_dialer.core.pacing.room import CallRate, in_flight, room


class PowerPacer:
    """`impulse_factor` lines per free agent, at most `max_multiplier`, each call in flight counted once."""

    def __init__(self, limits: PacingLimits) -> None:
        self._limits = limits
        self._rate = CallRate(limits.calls_per_second)
        self._is_budget_known = True
        self._is_cap_reached = False

    def observe(self, event: PacingEvent) -> None:
        """Only the calls placed are counted, against the calls a second."""
        if event.kind == "placed":
            self._rate.placed(event.at)

    def set_budget(self, abandoned: int | None, answered: int | None, at: float) -> None:
        """Counts that are unknown, or over the cap, allow one line for each free agent only: more would be a risk.

        One loss is allowed before the answers for it are earned: else the first loss of a day would end the mode.
        """
        self._is_budget_known = abandoned is not None and answered is not None
        if abandoned is not None and answered is not None:
            self._is_cap_reached = abandoned > 1.0 + self._limits.abandon_cap * answered

    def decide(self, view: PacingView) -> PacingDecision:
        """A waiting customer takes a free agent; a call in flight counts from its placing to its verdict."""
        free = max(0, view.agents_ready - view.waiting)
        may_risk = self._is_budget_known and not self._is_cap_reached
        lines = min(self._limits.impulse_factor, self._limits.max_multiplier) if may_risk else 1.0
        wanted = int(free * lines) - in_flight(view)
        most, limit = room(view, self._limits, self._rate)
        place = max(0, min(wanted, most)) if view.agents_logged_in > 0 else 0
        if view.agents_logged_in <= 0:
            reason = "no_agents"
        elif wanted <= 0:
            reason = "agents_taken"
        else:
            word = "lines_per_free_agent" if may_risk else "cap_reached" if self._is_budget_known else "budget_unknown"
            reason = limit if place < wanted else word
        inputs = {
            "agents_ready": float(view.agents_ready), "waiting": float(view.waiting), "lines": lines,
            "in_flight": float(in_flight(view)), "room": float(most),
        }  # fmt: skip
        return PacingDecision(place, reason=reason, inputs=inputs)

    def snapshot(self) -> dict[str, Any]:
        """Nothing to keep."""
        return {}

    def restore(self, saved: Mapping[str, Any], at: float = 0.0, age: float = 0.0) -> None:
        """Nothing to go on from."""
