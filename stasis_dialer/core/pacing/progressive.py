"""One call for each free agent: nobody is abandoned unless an agent leaves."""

from __future__ import annotations

from stasis_dialer.core.pacing.messages import PacingDecision, PacingEvent, PacingLimits, PacingView


class ProgressivePacer:
    """`agents_ready - calls in flight - waiting`, within the channels. It learns nothing."""

    def __init__(self, limits: PacingLimits) -> None:
        self._limits = limits

    def observe(self, event: PacingEvent) -> None:
        """Nothing to learn: the rule looks at this moment only."""

    def decide(self, view: PacingView) -> PacingDecision:
        """A call in flight counts once, from its placing until it has an agent or its end."""
        in_flight = len(view.dialling_since) + len(view.ringing_since) + len(view.detecting_since)
        wanted = view.agents_ready - in_flight - view.waiting
        channels = min(view.max_channels, self._limits.max_channels) - view.channels_in_use
        inputs = {
            "agents_ready": float(view.agents_ready),
            "in_flight": float(in_flight),
            "waiting": float(view.waiting),
            "channels_free": float(channels),
        }
        if view.agents_logged_in <= 0:
            return PacingDecision(0, reason="no_agents", inputs=inputs)
        place = max(0, min(wanted, channels))
        if place:
            reason = "free_agents" if place == wanted else "channels"
        else:
            reason = "agents_taken" if wanted <= 0 else "channels"
        return PacingDecision(place, reason=reason, inputs=inputs)
