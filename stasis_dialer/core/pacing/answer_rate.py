"""How much more often people answer now than the life tables say: a factor that follows a step within a minute or two.

The tables remember hundreds of calls; this compares the answers of the last while with what the tables expected. The
while is as short as the volume allows, and a short alarm window catches a sudden rise.
"""

from __future__ import annotations

import math
from typing import Any, Final

from stasis_dialer.core.pacing.saved import number

LOWEST: Final = 0.4
HIGHEST: Final = 4.0
PRIOR_ANSWERS: Final = 4.0
"""The weight of "as the tables say"."""
WINDOW_ANSWERS: Final = 25.0
"""Answers to look back on, within the next two."""
SHORTEST_SECONDS: Final = 60.0
LONGEST_SECONDS: Final = 1200.0
ALARM_SECONDS: Final = 12.0
AVERAGE_SECONDS: Final = 300.0


class AnswerRate:
    """Answers seen against answers expected, both forgotten with time."""

    def __init__(self) -> None:
        self._seen = self._expected = 0.0
        self._seen_now = self._expected_now = 0.0
        self._pace = 0.0

    def passed(self, seconds: float, expected_rate: float) -> None:
        """Time passed in which the tables expected so many answers a second."""
        if seconds <= 0.0:
            return
        self._pace += (expected_rate - self._pace) * -math.expm1(-seconds / AVERAGE_SECONDS)
        window = min(LONGEST_SECONDS, max(SHORTEST_SECONDS, WINDOW_ANSWERS / max(self._pace, 1e-6)))
        keep, keep_now = math.exp(-seconds / window), math.exp(-seconds / ALARM_SECONDS)
        self._seen *= keep
        self._expected = self._expected * keep + expected_rate * seconds
        self._seen_now *= keep_now
        self._expected_now = self._expected_now * keep_now + expected_rate * seconds

    def answered(self, person_share: float) -> None:
        """A call was answered, by a person with this chance."""
        self._seen += person_share
        self._seen_now += person_share

    @property
    def factor(self) -> float:
        """What to multiply the tables' chances with."""
        steady = (self._seen + PRIOR_ANSWERS) / (self._expected + PRIOR_ANSWERS)
        alarm = (self._seen_now - 2.0 * math.sqrt(self._seen_now + 1.0)) / (self._expected_now + 1.0)
        return min(HIGHEST, max(LOWEST, steady, alarm))

    @property
    def relative_variance(self) -> float:
        """How uncertain the factor is: its variance as a share of its square."""
        return 1.0 / (self._seen + PRIOR_ANSWERS)

    def snapshot(self) -> dict[str, Any]:
        """The pace, and the while; the alarm's window is too short to be worth keeping."""
        return {"pace": self._pace, "seen": self._seen, "expected": self._expected}

    def restore(self, saved: dict[str, Any], age: float) -> None:
        """Go on from what was saved so many seconds before: what happened minutes ago says less and less.

        Raises: ValueError when it is spoilt.
        """
        self._pace = number(saved["pace"], "pace")
        self._seen, self._expected = number(saved["seen"], "seen"), number(saved["expected"], "expected")
        self.passed(age, 0.0)
