"""Pacing: utilisation against abandonment, our modes beside the rules of others, in simulated worlds.

`python benchmarks/pacing.py` prints one line for each world and policy and writes JSON; `--quick` takes few worlds and
one seed; `--jobs` runs so many days at once. Each policy meets the same seeded callers. `predictive` may give up calls
that have rung the lawful 15 s; `predictive-keeps` may not; `oracle` knows when people will answer the calls in flight,
as no dialer can. Utilisation is talk and wrap-up of the time logged in; abandonment is of the people who asked for an
agent; the worst hour is of those with at least 100 answers. Nothing here judges.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pacing_baselines import Omnileads, Vicidial
from pacing_oracle import ORACLE, oracle_day

from stasis_dialer.core.pacing import PacingLimits, make_pacer
from stasis_dialer.simulate import (
    BUILT_IN,
    DayResult,
    Scenario,
    Summary,
    built_in,
    simulate_day,
    summarise,
)
from stasis_dialer.simulate.plot import Point, draw

RESULTS = Path(__file__).parent / "results"
QUICK = ("n3_p25", "n10_p25", "n50_p25")
GOALS = {
    "n3_p10": 63, "n3_p25": 72, "n3_p50": 81, "n10_p10": 77, "n10_p25": 81, "n10_p50": 85, "n50_p10": 91, "n50_p25": 92,
    "n50_p50": 93, "n200_p10": 95, "n200_p25": 96, "n200_p50": 97, "step_n20": 86, "step_n100": 94, "osc_n20": 85,
    "heavy_n20": 86, "short_n20": 76, "waves_n30": 86.5, "noamd_n10": 78, "day_n6": 73,
}  # fmt: skip
"""Utilisation in per cent that the project wants at a 3 % cap from a cold start, giving up allowed."""

CAP = 0.03

Make = Callable[[Scenario, PacingLimits], Any]
POLICIES: dict[str, Make] = {
    "progressive": lambda _, limits: make_pacer("progressive", limits),
    "power": lambda _, limits: make_pacer("power", limits),
    "legacy": lambda _, limits: make_pacer("legacy", limits),
    "vicidial-hard": lambda world, limits: Vicidial(limits, "HARD_LIMIT", day=world.hours * 3600.0),
    "vicidial-average": lambda world, limits: Vicidial(limits, "AVERAGE", day=world.hours * 3600.0),
    "vicidial-tapered": lambda world, limits: Vicidial(limits, "TAPERED", day=world.hours * 3600.0),
    "omnileads": lambda _, limits: Omnileads(limits),
    "predictive-keeps": lambda _, limits: make_pacer("predictive", dataclasses.replace(limits, may_cancel=False)),
    "predictive": lambda _, limits: make_pacer("predictive", limits),
}


def main() -> None:
    """Run, print, keep."""
    options = _arguments()
    if options.show:
        show(json.loads(options.show.read_text(encoding="utf-8"))["rows"], options.plot)
        return
    names = options.worlds.split(",") if options.worlds else QUICK if options.quick else list(BUILT_IN)
    policies = options.policies.split(",") if options.policies else [*POLICIES, ORACLE]
    seeds = range(options.first_seed, options.first_seed + (1 if options.quick else options.seeds))
    print(_HEAD, flush=True)
    rows = []
    out = RESULTS / f"pacing-{datetime.now(UTC):%Y%m%d-%H%M%S}.json"
    with ProcessPoolExecutor(options.jobs) as workers:
        runs = [
            [workers.submit(run_day, name, policy, seed) for seed in seeds] for name in names for policy in policies
        ]
        for days in runs:
            summary = summarise([day.result() for day in days])
            rows.append(dataclasses.asdict(summary) | {"goal": GOALS.get(summary.scenario)})
            print(_line(summary), flush=True)
            _keep(out, rows, seeds)
    print(f"written: {out.relative_to(Path.cwd()) if out.is_relative_to(Path.cwd()) else out}")


def show(rows: list[dict[str, Any]], plot: Path | None) -> None:
    """A kept run as a table for the documentation: utilisation / abandonment, bold when every day kept the cap."""
    policies = list(dict.fromkeys(row["mode"] for row in rows))
    worlds = list(dict.fromkeys(row["scenario"] for row in rows))
    found = {(row["scenario"], row["mode"]): row for row in rows}
    print("| world | goal | " + " | ".join(policies) + " |")
    print("|" + "---|" * (len(policies) + 2))
    for world in worlds:
        cells = [_cell(found.get((world, policy))) for policy in policies]
        print(f"| {world} | {GOALS.get(world, '')} | " + " | ".join(cells) + " |")
    if plot is not None:
        draw([Point(r["mode"], r["scenario"], 100 * r["abandonment"], 100 * r["utilisation"]) for r in rows], 3.0, plot)


def _cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    text = f"{100 * row['utilisation']:.1f} / {100 * row['abandonment']:.1f}"
    return f"**{text}**" if row["worst_day"] <= CAP else text


def run_day(name: str, policy: str, seed: int) -> DayResult:
    """One seeded day of one policy in one world."""
    world = built_in(name)
    limits = world.pacing_limits()
    if policy == ORACLE:
        return oracle_day(world, limits, seed)
    return simulate_day(world, POLICIES[policy](world, limits), seed, mode=policy, limits=limits)


_HEAD = (
    f"{'world':13} {'policy':17} {'goal':>5} {'util%':>6} {'talk%':>6} {'wait':>6} {'p90':>6} "
    f"{'abn%':>6} {'day%':>6} {'hour%':>6} {'calls':>6} {'ms':>6}"
)


def _line(row: Summary) -> str:
    goal = GOALS.get(row.scenario, "") if row.mode == "predictive" else ""
    return (
        f"{row.scenario:13} {row.mode:17} {goal:>5} {100 * row.utilisation:6.1f} {100 * row.talk_share:6.1f} "
        f"{row.wait_mean:6.1f} {row.wait_p90:6.1f} {100 * row.abandonment:6.2f} {100 * row.worst_day:6.2f} "
        f"{100 * row.worst_hour:6.2f} {row.calls_per_connect:6.2f} {row.decision_ms:6.3f}"
    )


def _keep(out: Path, rows: list[dict[str, Any]], seeds: range) -> None:
    RESULTS.mkdir(exist_ok=True)
    facts = {"python": platform.python_version(), "machine": platform.machine(), "seeds": list(seeds)}
    out.write_text(json.dumps({"facts": facts, "rows": rows}, indent=1) + "\n", encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="three worlds, one seed")
    parser.add_argument("--worlds", help="names, separated by commas")
    parser.add_argument("--policies", help="names, separated by commas")
    parser.add_argument("--show", type=Path, help="a kept JSON: print it as a Markdown table, run nothing")
    parser.add_argument("--plot", type=Path, help="with --show: utilisation against abandonment, .svg or .png")
    parser.add_argument("--jobs", type=int, default=1, help="days to run at once, each in a process of its own")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
