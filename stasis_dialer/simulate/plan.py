"""What a supervisor asks before the day: how many agents, and at what price."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from stasis_dialer.core.pacing import make_pacer
from stasis_dialer.errors import Refused
from stasis_dialer.simulate.results import DayResult, Summary, summarise
from stasis_dialer.simulate.run import simulate_day
from stasis_dialer.simulate.scenario import Scenario


def run_days(scenario: Scenario, mode: str, seeds: Sequence[int]) -> Summary:
    """Some seeded days of one mode, each from a cold start."""
    return summarise([run_day(scenario, mode, seed) for seed in seeds])


def run_day(scenario: Scenario, mode: str, seed: int) -> DayResult:
    """One seeded day."""
    limits = scenario.pacing_limits()
    return simulate_day(scenario, make_pacer(mode, limits), seed, mode=mode, limits=limits)


@dataclass(frozen=True)
class Need:
    """How many agents dial all leads in time."""

    agents: int
    finished_hours: float
    utilisation: float
    abandonment: float


def agents_needed(scenario: Scenario, leads: int, hours: float, mode: str, seed: int = 0, most: int = 1000) -> Need:
    """The fewest agents, the same all the time, who are done with `leads`, each dialled once, within so many hours.

    Raises: Refused when not even `most` are enough.
    """

    def tried(agents: int) -> DayResult:
        world = scenario.with_changes(agents=((0.0, agents),), leads=leads, hours=hours)
        return run_day(world, mode, seed)

    few, many = 0, 1
    result = tried(many)
    while result.finished_at is None:
        if many >= most:
            limits = scenario.pacing_limits()
            raise Refused(
                f"not even so many agents are enough: agents={many} leads={leads} hours={hours:g} "
                f"channels={limits.max_channels} calls_per_second={limits.calls_per_second:g}"
            )
        few, many = many, min(most, many * 2)
        result = tried(many)
    while many - few > 1:
        middle = (few + many) // 2
        attempt = tried(middle)
        if attempt.finished_at is None:
            few = middle
        else:
            many, result = middle, attempt
    return Need(many, (result.finished_at or math.nan) / 3600.0, result.utilisation, result.abandonment)


def at_caps(scenario: Scenario, caps: Sequence[float], mode: str, seeds: Sequence[int]) -> list[tuple[float, Summary]]:
    """The same days under each cap: what a stricter or looser one costs or brings."""
    return [
        (cap, run_days(scenario.with_changes(limits={**scenario.limits, "abandon_cap": cap}), mode, seeds))
        for cap in caps
    ]
