"""The engine's one axis of time: seconds that never jump, and their UTC."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


class Clock:
    """Monotonic seconds for decisions, UTC for what is written down.

    Both are tied together once, at the start, so that a clock set right (or wrong) during a call changes no duration.
    `retie` ties them anew between calls' starts when the wall clock was moved.
    """

    def __init__(self) -> None:
        self.retie()

    def retie(self) -> None:
        """Take the present wall clock as right for what starts from now on."""
        self._origin = datetime.now(UTC) - timedelta(seconds=self.now())

    def now(self) -> float:
        """Seconds on the monotonic axis."""
        return time.monotonic()

    def utc(self, at: float) -> datetime:
        """A moment of the axis as aware UTC."""
        return self._origin + timedelta(seconds=at)

    def utc_now(self) -> datetime:
        """This moment as aware UTC."""
        return self.utc(self.now())

    def at(self, moment: datetime) -> float:
        """A UTC moment on the axis; what lies before the start of the machine is negative."""
        return (moment - self._origin).total_seconds()

    def drift_seconds(self) -> float:
        """How far the wall clock has moved away from the axis since it was tied."""
        return (datetime.now(UTC) - self.utc_now()).total_seconds()
