"""As many calls as channels and trunks allow: nobody waits for an agent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stasis_dialer.core.pacing.messages import PacingDecision, PacingEvent, PacingLimits, PacingView
from stasis_dialer.core.pacing.room import CallRate


class BroadcastPacer:
    """`max_channels` less the calls on, within the calls a second. It learns nothing."""

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
        """All the room there is."""
        channels = max(0, min(view.max_channels, self._limits.max_channels) - view.channels_in_use)
        rate = max(0, self._rate.room(view.now))
        inputs = {"channels": float(channels), "rate": float(rate)}
        return PacingDecision(min(channels, rate), (), "channels" if channels <= rate else "calls_per_second", inputs)

    def snapshot(self) -> dict[str, Any]:
        """Nothing to keep."""
        return {}

    def restore(self, saved: Mapping[str, Any], at: float = 0.0, age: float = 0.0) -> None:
        """Nothing to go on from."""
