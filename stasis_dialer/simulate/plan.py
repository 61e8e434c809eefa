"""What a supervisor asks before the day: how many agents, at what price, and what would our own calls do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from stasis_dialer.core.pacing import make_pacer
from stasis_dialer.errors import Refused
from stasis_dialer.simulate.results import DayResult, Summary, summarise
from stasis_dialer.simulate.run import simulate_day
from stasis_dialer.simulate.scenario import Scenario, Times

LEAST_MEASURED = 20
"""Measured durations below which their mean says more than themselves."""


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
    """The fewest agents who are done with `leads`, each dialled once, within so many hours.

    Raises: Refused when not even `most` are enough.
    """

    def tried(agents: int) -> DayResult:
        world = scenario.with_changes(agents=((0.0, agents),), leads=leads, hours=hours)
        return run_day(world, mode, seed)

    few, many = 0, 1
    result = tried(many)
    while result.finished_at is None:
        if many >= most:
            raise Refused(f"not even so many agents are enough: agents={many} leads={leads} hours={hours:g}")
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


def scenario_from_calls(
    name: str,
    base: Scenario,
    *,
    answered: int,
    attempts: int,
    machines: int = 0,
    busy: int = 0,
    failed: int = 0,
    rings: Sequence[float] = (),
    talks: Sequence[float] = (),
    wrap_ups: Sequence[float] = (),
) -> Scenario:
    """A world like a campaign's own call log: its shares, and its measured ringing, talk and wrap-up seconds.

    `answered` counts the attempts that people answered, of all `attempts`; what was hardly measured is as in `base`.
    Raises: Refused when nothing was dialled.
    """
    if attempts <= 0:
        raise Refused(f"the campaign has no calls to learn from: name={name}")
    others = max(1, attempts - answered)
    return base.with_changes(
        name=name,
        answer=((0.0, min(1.0, answered / attempts)),),
        machine=min(1.0, machines / others),
        busy=min(1.0, busy / others),
        failed=min(1.0, failed / others),
        person_rings=_measured(rings, base.person_rings),
        talk=_measured(talks, base.talk),
        quick=0.0 if len(talks) >= LEAST_MEASURED else base.quick,
        wrap_up=_measured(wrap_ups, base.wrap_up),
    )


def _measured(samples: Sequence[float], otherwise: Times) -> Times:
    if len(samples) < LEAST_MEASURED:
        return otherwise
    return Times(sum(samples) / len(samples), samples=tuple(max(0.0, sample) for sample in samples))
