"""What a simulated day was like, in the figures a supervisor and a regulator ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

HOUR = 3600.0
LEAST_IN_WINDOW = 100
"""An hour with fewer answers than this is not judged by itself: one loss would be a percent and more."""


@dataclass
class DayResult:
    """One day of one policy.

    Units: utilisation, talk share and abandonment are shares; waits seconds. Abandonment counts people: those who
    asked for an agent and got none, of all who asked.
    """

    scenario: str
    mode: str
    seed: int
    utilisation: float = 0.0
    talk_share: float = 0.0
    wait_mean: float = 0.0
    wait_p90: float = 0.0
    abandonment: float = 0.0
    worst_hour: float = 0.0
    answers: int = 0
    abandoned: int = 0
    connects: int = 0
    attempts: int = 0
    cancelled: int = 0
    refused_cancels: int = 0
    false_machines: int = 0
    decisions: int = 0
    timed: int = 0
    """Decisions that were timed, and their seconds."""
    decision_seconds: float = 0.0
    finished_at: float | None = None
    """When the last lead was done, where leads end."""
    log: list[object] = field(default_factory=list, repr=False)

    @property
    def calls_per_connect(self) -> float:
        """Attempts for one talk."""
        return self.attempts / max(1, self.connects)


@dataclass(frozen=True)
class Summary:
    """Several days of one policy in one world."""

    scenario: str
    mode: str
    days: int
    utilisation: float
    talk_share: float
    wait_mean: float
    wait_p90: float
    abandonment: float
    worst_day: float
    worst_hour: float
    calls_per_connect: float
    decision_ms: float


def worst_window(times: Sequence[float], lost: Sequence[bool], least: int = LEAST_IN_WINDOW) -> float:
    """The highest abandonment of any hour that holds at least so many answers."""
    if not times:
        return 0.0
    at = np.asarray(times)
    total = np.concatenate(([0.0], np.cumsum(np.asarray(lost, dtype=float))))
    ends = np.arange(1, len(at) + 1)
    starts = np.searchsorted(at, at - HOUR, side="right")
    count = ends - starts
    share = (total[ends] - total[starts]) / count
    judged = share[count >= least]
    return float(judged.max()) if len(judged) else 0.0


def summarise(days: Sequence[DayResult]) -> Summary:
    """Means over the days; abandonment over all answers; the worst of days and hours."""
    first = days[0]
    answers = sum(day.answers for day in days)

    def mean(name: str) -> float:
        return float(np.mean([getattr(day, name) for day in days]))

    return Summary(
        scenario=first.scenario,
        mode=first.mode,
        days=len(days),
        utilisation=mean("utilisation"),
        talk_share=mean("talk_share"),
        wait_mean=mean("wait_mean"),
        wait_p90=mean("wait_p90"),
        abandonment=sum(day.abandoned for day in days) / max(1, answers),
        worst_day=max(day.abandonment for day in days),
        worst_hour=max(day.worst_hour for day in days),
        calls_per_connect=sum(day.attempts for day in days) / max(1, sum(day.connects for day in days)),
        decision_ms=1000.0 * sum(day.decision_seconds for day in days) / max(1, sum(day.timed for day in days)),
    )
