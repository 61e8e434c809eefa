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


SEARCH_GRAIN = 0.5
"""The policy is asked so often, in seconds, while the number of agents is sought. Measured: utilisation is the same
within the noise of a day, in two thirds of the time."""


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
        world = scenario.with_changes(
            agents=((0.0, agents),), leads=leads, hours=hours, grain=max(scenario.grain, SEARCH_GRAIN)
        )
        return run_day(world, mode, seed)

    few, many = 0, min(most, max(1, round(busy_agents(scenario, leads, hours))))
    result = tried(many)
    while result.finished_at is None:
        if many >= most:
            limits = scenario.pacing_limits()
            raise Refused(
                f"not even so many agents are enough: agents={many} leads={leads} hours={hours:g} "
                f"channels={limits.max_channels} calls_per_second={limits.calls_per_second:g}"
            )
        few, many = many, min(most, max(many + 1, round(many * 1.5)))
        result = tried(many)
    while many - few > 1:
        middle = (few + many) // 2
        attempt = tried(middle)
        if attempt.finished_at is None:
            few = middle
        else:
            many, result = middle, attempt
    return Need(many, (result.finished_at or math.nan) / 3600.0, result.utilisation, result.abandonment)


def busy_agents(scenario: Scenario, leads: int, hours: float) -> float:
    """How many agents who are never idle would take the answers of `leads`: where a search begins."""
    share = sum(scenario.answer_share(3600.0 * hours * (i + 0.5) / 24.0) for i in range(24)) / 24.0
    talk = scenario.quick * scenario.quick_talk.mean + (1.0 - scenario.quick) * scenario.talk.mean
    return leads * share * (talk + scenario.wrap_up.mean) / (3600.0 * hours)


def at_caps(scenario: Scenario, caps: Sequence[float], mode: str, seeds: Sequence[int]) -> list[tuple[float, Summary]]:
    """The same days under each cap: what a stricter or looser one costs or brings."""
    return [
        (cap, run_days(scenario.with_changes(limits={**scenario.limits, "abandon_cap": cap}), mode, seeds))
        for cap in caps
    ]
