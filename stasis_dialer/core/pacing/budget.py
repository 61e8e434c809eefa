"""How much risk the campaign may take now, so that the share of abandoned calls stays under its cap.

Counts answers and abandons over the regulatory window, from the durable call log when it is handed over, else from
the events heard; when the counts are declared unknown there is no risk at all. The risk allowed for one call (theta)
follows the budget left, measured in what the volume makes it swing by, and a slow correction of the model's own error.
Over the budget the risk is low, not nothing: that repays sooner than falling back to one call for each agent.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Any, Final

from stasis_dialer.core.pacing.messages import PacingLimits
from stasis_dialer.core.pacing.saved import LARGEST, flag, items, number

AIM: Final = 0.95
"""The share of the cap that is aimed at."""
SWING_SECONDS: Final = 900.0
"""The volume of this time decides how far the budget may swing."""
HOUR: Final = 3600.0
HOUR_FACTOR: Final = 1.55
"""No hour may take more than so many times the cap; a goal of the product is twice the cap.
Losses come together."""
HOUR_LEAST: Final = 70.0
"""Answers that an hour is taken to have at least."""
LEARNING: Final = 0.02
PUSH: Final = 0.3
"""How strongly theta follows the budget left, per swing."""
AIMED_SWINGS: Final = 1.5
"""The budget left is held at so many swings. That keeps back a loss or two of a small group's day; spending them would
cost more, as it is then repaid for long with hardly any risk. Measured with 3 agents at 10 % answers: theta held has
65.5 % utilisation at 2.4 % abandoned; with 1 swing 37 % of the time was spent repaying, at 54 %."""
ROUNDING: Final = 0.5
"""Losses that the next one may take the window over its cap: it comes some answers later, and those earn it."""
LEAST: Final = 0.15
MOST: Final = 2.5
"""Bounds of theta as shares of the aim."""
LOWEST_CORRECTION: Final = math.log(0.2)
HIGHEST_CORRECTION: Final = math.log(1.5)
FIRST_CORRECTION: Final = math.log(0.55)
"""The risk of one call leaves out that it may take the agent of an earlier one; of calls placed under theta about
theta / 0.55 are abandoned. Measured with theta held at 1.2 to 3 % for 3 and 10 agents, 40 simulated hours each."""
FIRST_CAUTION: Final = 0.4
"""Theta begins at this part of itself: little is known yet, and a burst weighs heavily."""
LOSSES_TO_TRUST: Final = 2.0
"""It is whole when so many losses are earned, and half the volume of `SWING_SECONDS` more is known."""
BURST: Final = 2.0
"""Losses come together, when all agents are taken: the budget swings as if each were so many."""
MOST_SLICES: Final = 1000
"""Of a saved window; one has some 120."""
REPAYING: Final = 0.05
"""Theta over the budget, as a share of the aim."""


class Window:
    """Answers and abandons of the last so many seconds, in slices that leave one by one."""

    def __init__(self, seconds: float, slices: int = 120) -> None:
        self._seconds = seconds
        self._slice = seconds / slices
        self._kept: deque[list[float]] = deque()
        self.abandoned = 0.0
        self.answered = 0.0

    def add(self, at: float, answered: float, abandoned: float) -> None:
        """So many more; a slice takes what happened within its time, or before it when the clock went back."""
        if not self._kept or at - self._kept[-1][0] >= self._slice:
            self._kept.append([at, 0.0, 0.0])
        self._kept[-1][1] += answered
        self._kept[-1][2] += abandoned
        self.answered += answered
        self.abandoned += abandoned

    def forget(self, now: float) -> None:
        """Let go of what is older than the window; what a clock gone back left in the future is of now."""
        for slice_ in reversed(self._kept):
            if slice_[0] <= now:
                break
            slice_[0] = now
        while self._kept and self._kept[0][0] <= now - self._seconds - self._slice:
            _, answered, abandoned = self._kept.popleft()
            self.answered -= answered
            self.abandoned -= abandoned

    def clear(self) -> None:
        """Nothing happened."""
        self._kept.clear()
        self.answered = self.abandoned = 0.0

    def slices(self, now: float) -> list[list[float]]:
        """Age, answers and abandons of each slice; one that a clock gone back left in the future is of now."""
        return [[max(0.0, now - at), answered, abandoned] for at, answered, abandoned in self._kept]

    def restore(self, slices: Any, now: float) -> None:
        """The slices as they were, their ages counted from now.

        Raises: ValueError when they are spoilt.
        """
        self.clear()
        for slice_ in items(slices, "window", MOST_SLICES):
            age, answered, abandoned = items(slice_, "slice", 3, 3)
            self._kept.append(
                [now - number(age, "age"), number(answered, "answered", -LARGEST), number(abandoned, "abandoned")]
            )
            self.answered += self._kept[-1][1]
            self.abandoned += self._kept[-1][2]


class Budget:
    """The abandonment budget of one campaign."""

    def __init__(self, limits: PacingLimits) -> None:
        self.cap = limits.abandon_cap
        self.aim = AIM * limits.abandon_cap
        self._window = Window(limits.window_seconds)
        self._hour = Window(min(HOUR, limits.window_seconds))
        self._recent = 0.0
        self._recent_at: float | None = None
        self._correction = FIRST_CORRECTION
        self.is_known = True

    def set_counts(self, abandoned: float | None, answered: float | None, at: float) -> None:
        """The durable counts of the window up to now, which replace what was heard; None: they cannot be known."""
        self.is_known = abandoned is not None and answered is not None
        if abandoned is None or answered is None:
            return
        self._window.clear()
        self._window.add(at, max(answered, abandoned), abandoned)

    def connected(self, at: float) -> None:
        """A call asked for an agent and got one."""
        self._count(at, is_abandoned=False)

    def abandoned(self, at: float) -> None:
        """A call asked for an agent and got none."""
        self._count(at, is_abandoned=True)

    def was_machine(self, at: float) -> None:
        """The agent says that a connected call was a machine: it was no answer."""
        self._window.add(at, -1.0, 0.0)
        self._hour.add(at, -1.0, 0.0)

    def _count(self, at: float, is_abandoned: bool) -> None:
        self._pass(at)
        self._recent += 1.0
        self._window.add(at, 1.0, float(is_abandoned))
        self._hour.add(at, 1.0, float(is_abandoned))
        if self.aim <= 0.0:
            return
        step = LEARNING / (self._swing() ** 2 + 3.0) * (1.0 - float(is_abandoned) / self.aim)
        self._correction = min(HIGHEST_CORRECTION, max(LOWEST_CORRECTION, self._correction + step))

    def _pass(self, now: float) -> None:
        if self._recent_at is not None and now > self._recent_at:
            self._recent *= math.exp(-(now - self._recent_at) / SWING_SECONDS)
        self._recent_at = now
        self._window.forget(now)
        self._hour.forget(now)

    def _swing(self) -> float:
        return max(1.0, math.sqrt(BURST * self.aim * self._recent))

    def counts(self, now: float) -> tuple[float, float]:
        """Abandoned and answered in the window. Every loss counts as a person: nobody can say who it was."""
        self._window.forget(now)
        return self._window.abandoned, self._window.answered

    def theta(self, now: float) -> tuple[float, str]:
        """The chance of abandonment that one more call may have if it is answered, and why in one word."""
        if not self.is_known:
            return 0.0, "budget_unknown"
        if self.aim <= 0.0:
            return 0.0, "no_abandonment_allowed"
        self._pass(now)
        abandoned, answered = self.counts(now)
        swing = self._swing()
        slack = self.cap * (answered + 1.0) + self._debt(answered) - abandoned - 1.0
        if slack < -ROUNDING:
            return REPAYING * self.aim, "repaying"
        if self._hour.abandoned + swing > HOUR_FACTOR * self.cap * max(self._hour.answered, HOUR_LEAST):
            return REPAYING * self.aim, "hour_spent"
        aimed = max(AIMED_SWINGS * swing, (1.0 - AIM) * self.cap * answered)
        push = PUSH * min(3.0, max(-4.0, (slack - aimed) / swing))
        trusted = LOSSES_TO_TRUST / self.cap + 0.5 * self._recent
        caution = min(1.0, FIRST_CAUTION + (1.0 - FIRST_CAUTION) * answered / trusted)
        return self.aim * caution * min(MOST, max(LEAST, math.exp(self._correction + push))), "predicted"

    def _debt(self, answered: float) -> float:
        """The first loss may come before it is earned, else a small group could not begin; each later one may not."""
        return max(0.0, 1.0 - self.cap * answered)

    def inputs(self, now: float) -> dict[str, float]:
        """The numbers behind theta."""
        abandoned, answered = self.counts(now)
        return {"abandoned": abandoned, "answered": answered, "correction": math.exp(self._correction)}

    def snapshot(self, now: float) -> dict[str, Any]:
        """What was counted and learned, as plain values."""
        return {
            "window": self._window.slices(now),
            "hour": self._hour.slices(now),
            "recent": self._recent,
            "correction": self._correction,
            "is_known": self.is_known,
        }

    def restore(self, saved: dict[str, Any], now: float) -> None:
        """Go on from what was saved, `now` being the moment it was saved at on this clock.

        Raises: ValueError when it is spoilt.
        """
        self._window.restore(saved["window"], now)
        self._hour.restore(saved["hour"], now)
        self._recent, self._recent_at = number(saved["recent"], "recent"), now
        self._correction = number(saved["correction"], "correction", LOWEST_CORRECTION, HIGHEST_CORRECTION)
        self.is_known = flag(saved["is_known"], "is_known")
