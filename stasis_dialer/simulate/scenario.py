"""A world to dial in: agents, answer rates, times, limits; read from a YAML file or built by name.

Plain values with the unit in the name. A distribution is lognormal by mean and coefficient of variation, or a sample
of measured values. Nothing here draws a number.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import yaml

from stasis_dialer.core.pacing import PacingLimits
from stasis_dialer.errors import ConfigurationError

V = TypeVar("V")


@dataclass(frozen=True)
class Times:
    """How long something lasts: lognormal with this mean and coefficient of variation, or one of `samples`.

    Units: seconds; `cv` has none.
    """

    mean: float
    cv: float = 0.5
    samples: tuple[float, ...] = ()


@dataclass(frozen=True)
class Scenario:
    """One day of one campaign.

    Units: `_hours` and the first number of each pair are hours from the start; all other times seconds; shares 0 to 1.
    """

    name: str = "scenario"
    begins: float = 9.0
    """The hour of the day at which it begins, where that matters: `--by 18:00`."""
    hours: float = 8.0
    agents: tuple[tuple[float, int], ...] = ((0.0, 10),)
    """How many agents from which hour on. Those who come log in evenly over `ramp_seconds`; those who go leave when
    they are free."""
    ramp_seconds: float = 180.0
    answer: tuple[tuple[float, float], ...] = ((0.0, 0.25),)
    """The share of the attempts that a person answers, from which hour on."""
    answer_swing: float = 0.0
    """Half the height of a sine on top of it."""
    answer_period_seconds: float = 2700.0
    post_dial: Times = Times(2.5, 0.5)
    """From placing to ringing."""
    person_rings: Times = Times(11.0, 0.55)
    """From ringing to a person's answer."""
    machine_rings: Times = Times(19.0, 0.2)
    ring_timeout: float = 28.0
    """How long we let it ring."""
    unanswered_rings: Times | None = None
    """How long it rings where nobody answers, before the network gives up; None: until `ring_timeout`."""
    busy: float = 0.06
    """The share of the attempts no person answers that are busy; likewise the next two."""
    failed: float = 0.06
    machine: float = 0.20
    busy_after: float = 2.5
    failed_after: float = 1.2
    has_ringing: bool = True
    """Whether the carrier says that it rings."""
    amd: bool = True
    """Whether answers are checked for machines; without it every answer asks for an agent at once."""
    greeting: Times = Times(1.1, 0.45)
    person_verdict: float = 0.7
    """From the end of the greeting to the verdict on a person."""
    machine_verdict: float = 3.5
    """From the answer to the verdict on a machine."""
    person_taken_for_machine: float = 0.02
    machine_taken_for_person: float = 0.08
    machine_handling: float = 8.0
    """What a machine costs an agent."""
    legal_wait: float = 2.0
    """From the end of the greeting until a person who has no agent is given up."""
    patience: Times = Times(6.0, 0.8)
    """From the answer until a person who hears nobody hangs up."""
    talk: Times = Times(160.0, 1.0)
    quick: float = 0.15
    """The share of the talks that end at once, after `quick_talk`."""
    quick_talk: Times = Times(12.0, 0.6)
    wrap_up: Times = Times(20.0, 0.6)
    channels: int = 0
    """Calls at once, all of them; 0: eight for each agent and forty."""
    calls_per_second: float = 0.0
    """0: 0.3 for each agent, at least ten."""
    leads: int = 0
    """Leads to dial, each once; 0: no end."""
    grain: float = 0.0
    """The policy is not asked again before this many seconds, as a loop that gathers events would; 0: at each event."""
    settle_seconds: float = 0.0
    """Agents' time and waits count from here on: the start is dialled, and left out of utilisation."""
    limits: Mapping[str, float] = field(default_factory=dict)
    """Fields of the pacing limits that differ from their defaults, `abandon_cap` for example."""

    @property
    def most_agents(self) -> int:
        """The largest wave."""
        return max(count for _, count in self.agents)

    def answer_share(self, at: float) -> float:
        """The share of attempts placed now that a person would answer."""
        share = self.answer[0][1]
        for hour, value in self.answer:
            if at >= hour * 3600.0:
                share = value
        if self.answer_swing:
            share += self.answer_swing * math.sin(2.0 * math.pi * at / self.answer_period_seconds)
        return min(1.0, max(0.0, share))

    def pacing_limits(self) -> PacingLimits:
        """What the policy is told."""
        values: dict[str, Any] = {
            "max_channels": self.channels or 8 * self.most_agents + 40,
            "calls_per_second": self.calls_per_second or max(10.0, 0.3 * self.most_agents),
            "answer_deadline_seconds": self.legal_wait,
        }
        values.update(self.limits)
        return PacingLimits(**values)

    def starting_at(self, hour: float) -> Scenario:
        """The same day begun later: what is given from an hour on holds from as long before as it did.

        Units: `hour` is an hour of the day, at most a day after `begins`.
        """
        later = (hour - self.begins) % 24.0
        return self.with_changes(
            begins=hour,
            hours=max(0.0, self.hours - later),
            agents=_from(self.agents, later),
            answer=_from(self.answer, later),
        )

    def with_changes(self, **changes: Any) -> Scenario:
        """The same world, some of it different."""
        return dataclasses.replace(self, **changes)


def _from(steps: tuple[tuple[float, V], ...], later: float) -> tuple[tuple[float, V], ...]:
    """Steps as they are counted from a later beginning; what holds then comes first."""
    now = [value for hour, value in steps if hour <= later]
    return ((0.0, now[-1] if now else steps[0][1]), *((hour - later, value) for hour, value in steps if hour > later))


def load_scenario(path: Path) -> Scenario:
    """The scenario of a YAML file: the field names of `Scenario`; a distribution is `{mean, cv}` or `{samples}`.

    Raises: ConfigurationError with every problem at once.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError) as error:
        raise ConfigurationError(f"the scenario cannot be read: file={path} why={error}") from error
    if not isinstance(data, Mapping):
        raise ConfigurationError(f"a scenario is a mapping of its fields: file={path}")
    return parse_scenario({"name": path.stem, **data})


def parse_scenario(data: Mapping[str, Any]) -> Scenario:
    """A scenario from plain values.

    Raises: ConfigurationError with every problem at once.
    """
    kinds = {**get_type_hints(Scenario), "unanswered_rings": Times}
    problems: list[str] = []
    values: dict[str, Any] = {}
    for key, value in data.items():
        if key not in kinds:
            problems.append(f"unknown field: {key}")
            continue
        try:
            values[key] = _value(key, kinds[key], value)
        except (TypeError, ValueError) as error:
            problems.append(f"{key}: {error}")
    unknown = set(values.get("limits", {})) - {f.name for f in dataclasses.fields(PacingLimits)}
    problems.extend(f"limits: unknown field: {name}" for name in sorted(unknown))
    if problems:
        raise ConfigurationError("the scenario has problems: " + "; ".join(problems))
    return Scenario(**values)


def _value(key: str, kind: Any, value: Any) -> Any:
    if kind is Times:
        return _times(value)
    if key in ("agents", "answer"):
        number = int if key == "agents" else float
        if isinstance(value, int | float):
            return ((0.0, number(value)),)
        pairs = tuple((float(hour), number(count)) for hour, count in value)
        if not pairs:
            raise ValueError("at least one pair is needed")
        return pairs
    if kind is bool:
        if not isinstance(value, bool):
            raise ValueError(f"true or false is needed, not {value!r}")
        return value
    if kind in (int, float, str):
        return kind(value)
    return dict(value)


def _times(value: Any) -> Times:
    if isinstance(value, int | float):
        return Times(float(value))
    samples = tuple(float(sample) for sample in value.get("samples", ()))
    mean = float(value["mean"]) if "mean" in value else (sum(samples) / len(samples) if samples else 0.0)
    if mean <= 0.0:
        raise ValueError("a mean over 0 or samples are needed")
    return Times(mean, float(value.get("cv", 0.5)), samples)
