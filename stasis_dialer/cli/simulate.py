"""`simulate`: a campaign's day in fast motion, before an agent or a customer meets it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from stasis_dialer.cli.context import Context, name_or_id, pass_context
from stasis_dialer.cli.render import json_option, show_list, show_one
from stasis_dialer.errors import Refused
from stasis_dialer.simulate import BUILT_IN, Scenario, Summary, built_in, load_scenario
from stasis_dialer.simulate.history import scenario_from_history, with_agents
from stasis_dialer.simulate.plan import agents_needed, at_caps, run_days
from stasis_dialer.simulate.plot import Point, draw

DEFAULT_MODES = "progressive,power,predictive"
LOG_DAYS = 7


class TimeOfDay(click.ParamType[float]):
    """A time as 18:00, read as an hour of the day."""

    name = "HH:MM"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Hours since midnight."""
        hour, colon, minute = str(value).partition(":")
        if not (colon and hour.isdecimal() and minute.isdecimal() and int(hour) <= 24 and int(minute) < 60):
            self.fail(f"{value!r} is not a time of day, as 18:00", param, ctx)
        return int(hour) + int(minute) / 60.0


@click.command()
@click.argument("worlds", nargs=-1, metavar="[SCENARIO]...")
@click.option("--from-campaign", "campaign", metavar="NAME", help="This campaign's own call log as the scenario.")
@click.option(
    "--days", type=click.IntRange(1, 365), help="Days of the call log to learn from (7); or as --seeds without one."
)
@click.option("--seeds", type=click.IntRange(1, 100), help="Seeded days of each mode; 1 unless given.")
@click.option("--modes", default=DEFAULT_MODES, show_default=True, help="Dial modes to compare.")
@click.option("--seed", default=0, show_default=True, help="The first day's seed.")
@click.option(
    "--agents", type=click.IntRange(1, 2000), help="So many agents from the start, instead of the scenario's."
)
@click.option("--hours", type=click.FloatRange(0.05, 24 * 30), help="Length of the day, instead of the scenario's.")
@click.option("--cap", type=click.FloatRange(0, 100), help="Abandonment cap in per cent.")
@click.option("--caps", help="What would other caps cost? Per cents, as 1,3,5.")
@click.option("--leads", type=click.IntRange(1), help="How many agents for so many leads? With --within or --by.")
@click.option("--within", type=click.FloatRange(0.05, 24 * 30), help="Hours in which the leads shall be done.")
@click.option("--by", type=TimeOfDay(), help="The time of day by which the leads shall be done, as 18:00.")
@click.option("--start", type=TimeOfDay(), help="With --by: the time of day to start at; else the scenario's.")
@click.option("--plot", type=click.Path(path_type=Path), help="Utilisation against abandonment, as .svg or .png.")
@click.option("--list", "show_names", is_flag=True, help="The built-in scenarios.")
@json_option
@pass_context
def simulate(
    context: Context,
    worlds: tuple[str, ...],
    campaign: str | None,
    days: int | None,
    seeds: int | None,
    modes: str,
    seed: int,
    agents: int | None,
    hours: float | None,
    cap: float | None,
    caps: str | None,
    leads: int | None,
    within: float | None,
    by: float | None,
    start: float | None,
    plot: Path | None,
    show_names: bool,
    as_json: bool,
) -> None:
    """Compare dial modes in simulated worlds, or on a campaign's own call log.

    SCENARIO is a built-in name (see --list) or a YAML file with the fields of a scenario; without one, ten agents at
    25 % answers. Each mode meets the same seeded callers, from a cold start.

    \b
      stasis-dialer simulate n10_p25 --seeds 3 --plot day.svg
      stasis-dialer simulate --from-campaign spring --days 7
      stasis-dialer simulate --from-campaign spring --leads 5000 --by 18:00 --modes predictive
      stasis-dialer simulate --from-campaign spring --caps 1,3,5 --modes predictive
      stasis-dialer simulate monday.yaml --leads 5000 --within 8
    """
    if show_names:
        show_list([_described(world) for world in BUILT_IN.values()], as_json, "none")
        return
    chosen = [_world(name) for name in worlds or (() if campaign else ("n10_p25",))]
    if campaign is not None:
        chosen.append(asyncio.run(_from_log(context, campaign, days or LOG_DAYS, agents)))
    chosen = [_changed(world, agents, hours, cap) for world in chosen]
    wanted = [mode.strip() for mode in modes.split(",") if mode.strip()]
    if leads is not None or within is not None or by is not None:
        if by is not None:
            chosen = [world if start is None else world.starting_at(start) for world in chosen]
        _show_need(chosen, wanted, leads, within, by, seed, as_json)
        return
    count = seeds or (days if days and campaign is None else 1)
    rows, points = [], []
    for world in chosen:
        for mode in wanted:
            for label, summary in _runs(world, mode, range(seed, seed + count), caps):
                rows.append(_row(summary, label))
                points.append(Point(mode, label or world.name, 100 * summary.abandonment, 100 * summary.utilisation))
    show_list(rows, as_json, "nothing was simulated")
    if plot is not None:
        draw(points, 100 * chosen[0].pacing_limits().abandon_cap, plot)


async def _from_log(context: Context, name: str, days: int, agents: int | None) -> Scenario:
    """The campaign's own days. What was learned is told on the error output: the figures go to the other one."""
    now = datetime.now(UTC)
    async with context.store() as store:
        campaign = (await store.campaigns.get(name_or_id(name))).campaign
        history = await store.history.of(campaign.id, now - timedelta(days=days), now)
    trunks = [t for t in context.settings.trunks if not campaign.trunks or t.name in campaign.trunks]
    if agents is not None:
        history = with_agents(history, agents)
    world = scenario_from_history(campaign, history, sum(trunk.calls_per_second for trunk in trunks) or 1.0)
    click.echo(
        f"learned from {history.calls} calls of {campaign.name} in {days} days: "
        f"{100 * history.people / history.calls:.1f} % answered by people, talk {world.talk.mean:.0f} s, "
        f"wrap-up {world.wrap_up.mean:.0f} s, ringing {world.person_rings.mean:.0f} s to the answer, "
        f"a day from {clock_time(world.begins)} to {clock_time(world.begins + world.hours)} "
        f"with up to {world.most_agents} agents",
        err=True,
    )
    return world


def _world(name: str) -> Scenario:
    if name in BUILT_IN:
        return built_in(name)
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or path.exists():
        return load_scenario(path)
    return built_in(name)


def _changed(world: Scenario, agents: int | None, hours: float | None, cap: float | None) -> Scenario:
    changes: dict[str, Any] = {}
    if agents is not None:
        changes["agents"] = ((0.0, agents),)
    if hours is not None:
        changes["hours"] = hours
    if cap is not None:
        changes["limits"] = {**world.limits, "abandon_cap": cap / 100.0}
    return world.with_changes(**changes)


def _runs(world: Scenario, mode: str, seeds: range, caps: str | None) -> list[tuple[str, Summary]]:
    if caps is None:
        return [("", run_days(world, mode, seeds))]
    try:
        shares = [float(cap) / 100.0 for cap in caps.split(",")]
    except ValueError:
        raise click.BadParameter("per cents separated by commas are needed, as 1,3,5", param_hint="--caps") from None
    return [(f"{100 * cap:g}", summary) for cap, summary in at_caps(world, shares, mode, seeds)]


def _show_need(
    worlds: list[Scenario],
    modes: list[str],
    leads: int | None,
    within: float | None,
    by: float | None,
    seed: int,
    as_json: bool,
) -> None:
    if leads is None or (within is None) == (by is None):
        raise click.UsageError("--leads and --within, or --leads and --by, belong together")
    rows: list[dict[str, Any]] = []
    for world in worlds:
        hours = within if within is not None else ((by or 0.0) - world.begins) % 24.0
        if hours <= 0.0:
            raise Refused(f"no time is left: start={clock_time(world.begins)} by={clock_time(by or 0.0)}")
        for mode in modes:
            try:
                need = agents_needed(world, leads, hours, mode, seed)
            except Refused as error:
                raise Refused(f"{error}; give more hours") from error
            rows.append(
                {
                    "scenario": world.name,
                    "mode": mode,
                    "leads": leads,
                    "agents": need.agents,
                    **({} if by is None else {"start": clock_time(world.begins)}),
                    "finished_hours": round(need.finished_hours, 2),
                    **({} if by is None else {"finished_at": clock_time(world.begins + need.finished_hours)}),
                    "utilisation_percent": round(100 * need.utilisation, 1),
                    "abandoned_percent": round(100 * need.abandonment, 2),
                }
            )
    if len(rows) == 1:
        show_one(rows[0], as_json)
    else:
        show_list(rows, as_json, "nothing was simulated")


def clock_time(hour: float) -> str:
    """An hour of the day as 18:00."""
    minutes = round(hour * 60.0)
    return f"{minutes // 60 % 24:02d}:{minutes % 60:02d}"


def _row(summary: Summary, cap: str) -> dict[str, Any]:
    return {
        "scenario": summary.scenario,
        "mode": summary.mode,
        **({"cap_percent": float(cap)} if cap else {}),
        "days": summary.days,
        "utilisation_percent": round(100 * summary.utilisation, 1),
        "talk_percent": round(100 * summary.talk_share, 1),
        "wait_mean_seconds": round(summary.wait_mean, 1),
        "wait_p90_seconds": round(summary.wait_p90, 1),
        "abandoned_percent": round(100 * summary.abandonment, 2),
        "worst_day_percent": round(100 * summary.worst_day, 2),
        "worst_hour_percent": round(100 * summary.worst_hour, 2),
        "calls_per_connect": round(summary.calls_per_connect, 2),
    }


def _described(world: Scenario) -> dict[str, Any]:
    return {
        "scenario": world.name,
        "hours": world.hours,
        "agents": ", ".join(f"{count} from {hour:g} h" if hour else str(count) for hour, count in world.agents),
        "answers": ", ".join(f"{100 * share:g} % from {hour:g} h" if hour else f"{100 * share:g} %"
                             for hour, share in world.answer),
    }  # fmt: skip
