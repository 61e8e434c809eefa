"""A world like a campaign's own days: its call log as a scenario.

The day goes from the first to the last hour of the day in which the campaign dialled, with the answers and the agents
of each hour on average over the days; ringing, talk, wrap-up and patience are samples of the log. What the log hardly
knows is as in the built-in worlds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from stasis_dialer.core.history import CallHistory, HourOfLog
from stasis_dialer.core.model import Campaign
from stasis_dialer.core.options import AmdMode
from stasis_dialer.errors import Refused
from stasis_dialer.simulate.scenario import Scenario, Times

LEAST_CALLS: Final = 200
LEAST_PEOPLE: Final = 30
"""With fewer calls, or fewer answers, their share and their talks are mostly chance: 30 answers say +-18 %."""
LEAST_SAMPLES: Final = 20
HOUR_WEIGHT: Final = 30.0
"""An hour's own answer share counts as much as the day's when it has so many calls."""
LEAST_OF_AN_HOUR: Final = 0.05
"""An hour of the day with less than this part of the busiest one's calls is no part of the day."""
BEYOND: Final = 600.0
"""Patience of those who were still there when we gave up; longer than any wait."""


def scenario_from_history(
    campaign: Campaign, history: CallHistory, calls_per_second: float, base: Scenario | None = None
) -> Scenario:
    """The campaign's day, with its limits; `calls_per_second` is what its trunks take.

    Raises: Refused when there are too few calls to learn from, or no agent was at work.
    """
    base = base or Scenario()
    if history.calls < LEAST_CALLS or history.people < LEAST_PEOPLE:
        raise Refused(
            f"too few calls to learn from: campaign={campaign.name} calls={history.calls} answered={history.people}; "
            f"at least {LEAST_CALLS} calls and {LEAST_PEOPLE} answers are needed: give more --days, or a scenario file"
        )
    first, hours = _day_of(history.hours, campaign.timezone)
    share = history.people / history.calls
    others = max(1, history.calls - history.people)
    rings = history.unanswered_rings + (campaign.ring_timeout_seconds,) * _withdrawn(history)
    return base.with_changes(
        name=campaign.name,
        begins=float(first),
        hours=float(len(hours)),
        agents=_agents(campaign, hours),
        answer=tuple((float(i), _answer(of, share)) for i, of in enumerate(hours)),
        amd=campaign.amd.mode is not AmdMode.OFF,
        machine=min(1.0, history.machines / others),
        busy=min(1.0, history.busy / others),
        failed=min(1.0, history.failed / others),
        busy_after=base.busy_after if history.busy_after is None else history.busy_after,
        failed_after=base.failed_after if history.failed_after is None else history.failed_after,
        has_ringing=history.rang_share >= 0.5,
        post_dial=_measured(history.post_dial, base.post_dial) if history.rang_share >= 0.5 else _fixed(0.0),
        person_rings=_measured(history.person_rings, base.person_rings),
        machine_rings=_measured(history.machine_rings, base.machine_rings),
        unanswered_rings=_measured(rings, _fixed(campaign.ring_timeout_seconds)),
        ring_timeout=campaign.ring_timeout_seconds,
        legal_wait=campaign.answer_deadline_seconds,
        patience=_patience(history, base.patience),
        talk=_measured(history.talks, base.talk),
        quick=0.0 if len(history.talks) >= LEAST_SAMPLES else base.quick,
        wrap_up=_measured(history.wrap_ups, _fixed(campaign.wrap_up_seconds)),
        channels=campaign.max_channels,
        calls_per_second=calls_per_second,
        limits=_limits(campaign),
    )


def with_agents(history: CallHistory, agents: int) -> CallHistory:
    """The same log with so many agents at work in every hour: for a log that knows no agents' sessions."""
    return replace(history, hours=tuple(replace(hour, agents=float(agents)) for hour in history.hours))


def _limits(campaign: Campaign) -> dict[str, Any]:
    return {
        "abandon_cap": campaign.abandon_cap,
        "max_lines_per_agent": campaign.max_lines_per_agent,
        "may_cancel": campaign.may_cancel,
        "impulse_factor": campaign.impulse_factor,
        "max_multiplier": campaign.max_multiplier,
        "average_call_time": campaign.average_call_time,
    }


def _day_of(hours: Sequence[HourOfLog], timezone: str) -> tuple[int, list[list[HourOfLog]]]:
    """The first hour of the campaign's day in its own zone, and what is known of each hour from there on.

    A day that passes midnight begins after the longest silence.
    """
    zone = ZoneInfo(timezone)
    by_hour: dict[int, list[HourOfLog]] = defaultdict(list)
    for hour in hours:
        if hour.calls:
            by_hour[_local(hour.at, zone)].append(hour)
    calls = {hour: sum(one.calls for one in of) for hour, of in by_hour.items()}
    busy = sorted(hour for hour, n in calls.items() if n >= LEAST_OF_AN_HOUR * max(calls.values()))
    silences = [((after - before - 1) % 24, after) for before, after in zip([busy[-1], *busy], busy, strict=False)]
    first = max(silences)[1] if len(busy) > 1 else busy[0]
    length = max((hour - first) % 24 for hour in busy) + 1
    return first, [by_hour.get((first + i) % 24, []) for i in range(length)]


def _local(at: datetime, zone: ZoneInfo) -> int:
    return at.astimezone(zone).hour


def _agents(campaign: Campaign, hours: Sequence[Sequence[HourOfLog]]) -> tuple[tuple[float, int], ...]:
    """Agents at work by the hour of the day; the mean over the days on which the campaign dialled then."""
    counts = [round(sum(one.agents for one in of) / len(of)) if of else 0 for of in hours]
    if not any(counts):
        raise Refused(f"no agent was at work while the campaign dialled: campaign={campaign.name}; give --agents")
    steps = [(float(i), n) for i, n in enumerate(counts) if i == 0 or n != counts[i - 1]]
    return tuple(steps)


def _answer(of: Sequence[HourOfLog], share: float) -> float:
    calls, people = sum(one.calls for one in of), sum(one.people for one in of)
    return min(1.0, (people + HOUR_WEIGHT * share) / (calls + HOUR_WEIGHT))


def _withdrawn(history: CallHistory) -> int:
    """Calls that the pacing gave up would have rung on: as many of them beside the samples as there were beside all."""
    rang_out = history.calls - history.people - history.machines - history.busy - history.failed - history.withdrawn
    if not history.unanswered_rings or rang_out <= 0:
        return min(history.withdrawn, len(history.talks))
    return round(history.withdrawn * len(history.unanswered_rings) / rang_out)


def _patience(history: CallHistory, otherwise: Times) -> Times:
    """When people who wait hang up; those who were given up before they did were at least so patient."""
    if len(history.patience) < LEAST_SAMPLES:
        return otherwise
    stayed = max(0.0, 1.0 - len(history.patience) / max(1, history.lost))
    beyond = (BEYOND,) * round(stayed * len(history.patience) / max(1e-9, 1.0 - stayed))
    return _samples(history.patience + beyond)


def _measured(seconds: Sequence[float], otherwise: Times) -> Times:
    return _samples(seconds) if len(seconds) >= LEAST_SAMPLES else otherwise


def _samples(seconds: Sequence[float]) -> Times:
    return Times(sum(seconds) / len(seconds), samples=tuple(seconds))


def _fixed(seconds: float) -> Times:
    return Times(seconds, samples=(seconds,))
