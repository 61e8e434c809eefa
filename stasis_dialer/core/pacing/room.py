"""How many more calls the limits allow now: channels, lines for each agent, calls a second.

The same for every mode. Nothing here decides what is wise, only what is never passed.
"""

from __future__ import annotations

import math
from collections import deque

from stasis_dialer.core.pacing.messages import PacingLimits, PacingView


def in_flight(view: PacingView) -> int:
    """Calls placed that have no verdict yet; each is in exactly one of the three mappings."""
    return len(view.dialling_since) + len(view.ringing_since) + len(view.detecting_since)


class CallRate:
    """The calls placed in the last second, against the limit of calls a second."""

    def __init__(self, per_second: float) -> None:
        self._span = 1.0 if per_second >= 1.0 else 1.0 / max(per_second, 1e-6)
        self._most = max(1, math.floor(per_second + 1e-9))
        self._placed: deque[float] = deque()

    def placed(self, at: float) -> None:
        """A call was placed; one without a time says nothing."""
        if not math.isfinite(at):
            return
        if self._placed and at < self._placed[-1]:
            self._placed.clear()  # the clock went back: what it said before counts no more
        self._placed.append(at)

    def room(self, now: float) -> int:
        """How many more may be placed at this moment."""
        placed = self._placed
        while placed and placed[-1] > now + self._span:
            placed.pop()  # the clock went back
        while placed and placed[0] <= now - self._span:
            placed.popleft()
        return max(0, self._most - len(placed))


def room(view: PacingView, limits: PacingLimits, rate: CallRate | None = None) -> tuple[int, str]:
    """The calls that may be placed now, at least 0, and the word for the limit that binds."""
    channels = min(view.max_channels, limits.max_channels) - view.channels_in_use
    lines = math.floor(limits.max_lines_per_agent * view.agents_logged_in + 1e-9) - in_flight(view)
    choices = [(channels, "channels"), (lines, "lines_per_agent")]
    if rate is not None:
        choices.append((rate.room(view.now), "calls_per_second"))
    least, word = min(choices, key=lambda choice: choice[0])
    return max(0, least), word
