"""`simulate`: a campaign's day in fast motion, before an agent or a customer meets it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click

from stasis_dialer.cli.render import json_option, show_list, show_one
from stasis_dialer.errors import Refused
from stasis_dialer.simulate import BUILT_IN, Scenario, Summary, built_in, load_scenario
from stasis_dialer.simulate.plan import agents_needed, at_caps, run_days
from stasis_dialer.simulate.plot import Point, draw

DEFAULT_MODES = "progressive,power,predictive"


@click.command()
@click.argument("worlds", nargs=-1, metavar="[SCENARIO]...")
@click.option("--modes", default=DEFAULT_MODES, show_default=True, help="Dial modes to compare.")
@click.option("--days", default=1, show_default=True, type=click.IntRange(1, 100), help="Seeded days of each.")
@click.option("--seed", default=0, show_default=True, help="The first day's seed.")
@click.option(
    "--agents", type=click.IntRange(1, 2000), help="So many agents from the start, instead of the scenario's."
)
@click.option("--hours", type=click.FloatRange(0.05, 24 * 30), help="Length of the day, instead of the scenario's.")
@click.option("--cap", type=click.FloatRange(0, 100), help="Abandonment cap in per cent.")
@click.option("--caps", help="What would other caps cost? Per cents, as 1,3,5.")
@click.option("--leads", type=click.IntRange(1), help="How many agents for so many leads? With --within.")
@click.option("--within", type=click.FloatRange(0.05, 24 * 30), help="Hours in which the leads shall be done.")
@click.option("--plot", type=click.Path(path_type=Path), help="Utilisation against abandonment, as .svg or .png.")
@click.option("--list", "show_names", is_flag=True, help="The built-in scenarios.")
@json_option
def simulate(
    worlds: tuple[str, ...],
    modes: str,
    days: int,
    seed: int,
    agents: int | None,
    hours: float | None,
    cap: float | None,
    caps: str | None,
    leads: int | None,
    within: float | None,
    plot: Path | None,
    show_names: bool,
    as_json: bool,
) -> None:
    """Compare dial modes in simulated worlds.

    SCENARIO is a built-in name (see --list) or a YAML file with the fields of a scenario; without one, ten agents at
    25 % answers. Each mode meets the same seeded callers, from a cold start.

    \b
      stasis-dialer simulate n10_p25 --days 3 --plot day.svg
      stasis-dialer simulate monday.yaml --caps 1,3,5
      stasis-dialer simulate --leads 5000 --within 8
    """
    if show_names:
        show_list([_described(world) for world in BUILT_IN.values()], as_json, "none")
        return
    chosen = [_changed(_world(name), agents, hours, cap) for name in worlds or ("n10_p25",)]
    wanted = [mode.strip() for mode in modes.split(",") if mode.strip()]
    seeds = range(seed, seed + days)
    if leads is not None or within is not None:
        _show_need(chosen, wanted, leads, within, seed, as_json)
        return
    rows, points = [], []
    for world in chosen:
        for mode in wanted:
            for label, summary in _runs(world, mode, seeds, caps):
                rows.append(_row(summary, label))
                points.append(Point(mode, label or world.name, 100 * summary.abandonment, 100 * summary.utilisation))
    show_list(rows, as_json, "nothing was simulated")
    if plot is not None:
        draw(points, 100 * chosen[0].pacing_limits().abandon_cap, plot)


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
    worlds: list[Scenario], modes: list[str], leads: int | None, within: float | None, seed: int, as_json: bool
) -> None:
    if leads is None or within is None:
        raise click.UsageError("--leads and --within belong together")
    rows: list[dict[str, Any]] = []
    for world in worlds:
        for mode in modes:
            try:
                need = agents_needed(world, leads, within, mode, seed)
            except Refused as error:
                raise Refused(f"{error}; give more hours") from error
            row = dataclasses.asdict(need)
            rows.append(
                {
                    "scenario": world.name,
                    "mode": mode,
                    "agents": need.agents,
                    "finished_hours": round(row["finished_hours"], 2),
                    "utilisation_percent": round(100 * need.utilisation, 1),
                    "abandoned_percent": round(100 * need.abandonment, 2),
                }
            )
    if len(rows) == 1:
        show_one(rows[0], as_json)
    else:
        show_list(rows, as_json, "nothing was simulated")


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
