"""Calls a second through the whole dialer against a bare create+dial loop, on the same Asterisk in one run.

`python benchmarks/call_rate.py` starts and ends a lab of its own. Two scenarios, each a closed loop: a new call as soon
as one ends, until every number was called once; nothing is limited by a rate.

* `busy`: the carrier answers 486 at once. The dialer has one agent logged in, on demand, for each call in flight: no
  agent is ever needed, but progressive dialling places a call only for a free one. The bare loop keeps as many calls.
* `joined`: a person answers after 0.3 s, is added to the bridge of an always-on agent, and hangs up 0.5 s later.

Sides: `dialer` is the real `stasis-dialer run` with reservation, state machines, pacing, CDR and lead update in
MariaDB; `library` a loop on the same ARI client that only creates, dials (and joins); `minimal` the same on a bare
WebSocket. The rate is that of the INVITEs at the carrier, without the first and last tenth. CPU is the kernel's count
of the process from the first call to the last lead's end in the database, by call. Medians over the rounds.
"""

from __future__ import annotations

import argparse
from typing import Any

from support import (
    Books,
    Dialer,
    Meter,
    Numbers,
    Script,
    add_side_options,
    calls_per_second,
    header,
    in_turn,
    lab_for,
    medians,
    print_header,
    print_table,
    sides_of,
    wait_empty,
    write_results,
)

from stasis_dialer.lab.fates import Fate
from stasis_dialer.lab.world import Lab

GOAL_RATIO = 0.9
GOAL_CPU_MS = 3.0
SCENARIOS = {
    "busy": {"fate": Fate.BUSY, "talk": 0, "connect": "on_demand"},
    "joined": {"fate": Fate.HUMAN, "talk": 1, "connect": "always_on"},
}
PER_CALL = ("client", "pbx", "carrier", "mariadb")


def main() -> None:
    """Run, print, keep."""
    options = arguments()
    with lab_for("benchmark-rate", options.agents) as lab:
        facts = header(
            lab,
            calls=options.calls,
            rounds=options.rounds,
            in_flight=options.agents,
            transport=options.transport,
            trunk="no limit of rate or channels",
        )
        print_header("Calls a second: dialer against a bare create+dial loop", facts)
        Dialer(lab, transport="http").command("db", "upgrade")
        rounds: dict[str, dict[str, list[dict[str, float]]]] = {}
        for scenario in options.scenario:
            rounds[scenario] = run_scenario(lab, scenario, options)
            show(scenario, rounds[scenario])
    path = write_results("call_rate", {**facts, "rounds": rounds})
    print(f"every round is in {path}")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    add_side_options(parser)
    parser.add_argument("--calls", type=int, help="calls of one side in one round; default: 1200")
    parser.add_argument("--agents", type=int, default=60, help="agents, and so the most calls in flight on every side")
    parser.add_argument("--scenario", nargs="+", choices=list(SCENARIOS), default=list(SCENARIOS))
    options = parser.parse_args()
    options.calls = options.calls or (600 if options.quick else 1200)
    options.rounds = options.rounds or (1 if options.quick else 7)
    return options


def run_scenario(lab: Lab, scenario: str, options: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    """All sides, in another order each round."""
    sides = sides_of(options)
    rounds: dict[str, list[dict[str, float]]] = {f"{kind} {transport}": [] for kind, transport in sides}
    for index, kind, transport in in_turn(sides, options.rounds):
        lab.carrier.forget()
        run = run_dialer if kind.startswith("dialer") else run_script
        figures = run(lab, f"{scenario}-{kind}-{transport}-{index}", kind, transport, scenario, options)
        rounds[f"{kind} {transport}"].append(figures)
        shown = f"{figures['rate']:.1f} calls/s, {figures['client_ms']:.2f} ms"
        print(f"  {scenario} round {index + 1} {kind} {transport}: {shown}", flush=True)
        wait_empty(lab)
    return rounds


def numbers_of(scenario: str, options: argparse.Namespace) -> Numbers:
    """The numbers that every side dials."""
    return Numbers(SCENARIOS[scenario]["fate"], options.calls, talk=SCENARIOS[scenario]["talk"])  # type: ignore[arg-type]


def run_dialer(
    lab: Lab, name: str, kind: str, transport: str, scenario: str, options: argparse.Namespace
) -> dict[str, float]:
    """One campaign through the real dialer."""
    dialer = Dialer(lab, transport=transport, code=options.before if kind == "dialer-before" else None)
    books, meter = Books(lab), Meter(lab)
    connect = str(SCENARIOS[scenario]["connect"])
    id_ = dialer.prepare(name, numbers_of(scenario, options), connect=connect, max_channels=options.agents)
    dialer.start()
    try:
        dialer.log_in(lab.extensions, connect, id_)
        meter.start(dialer.pid)
        books.start(id_)
        books.wait_processed(id_, options.calls)
        used = meter.stop()
        books.finish(id_)
    finally:
        dialer.stop()
    wanted = "busy" if scenario == "busy" else "answered"
    found = books.dispositions(id_)
    if found != {wanted: options.calls}:
        print(f"    the dialer counted {found}")
    return figures(lab, used, options.calls, found.get(wanted, 0))


def run_script(
    lab: Lab, _name: str, kind: str, transport: str, scenario: str, options: argparse.Namespace
) -> dict[str, float]:
    """The same numbers by a bare loop."""
    agents = lab.extensions if SCENARIOS[scenario]["connect"] == "always_on" else ()
    meter = Meter(lab)
    script = Script(lab, kind, transport, numbers_of(scenario, options), slots=options.agents, agents=agents)
    script.start()
    try:
        meter.start(script.process.pid)
        counted: dict[str, Any] = script.run()
        used = meter.stop()
    finally:
        script.stop()
    if counted["failed_requests"] or counted["ended"] != options.calls:
        print(f"    the script counted {counted}")
    return figures(lab, used, options.calls, counted["ended"] - counted["abandoned"])


def figures(lab: Lab, used: dict[str, float], calls: int, as_meant: int) -> dict[str, float]:
    """A round's figures. Units: CPU in milliseconds a call; `foreign` is a share of the machine's time."""
    seen = len(lab.carrier.invites())
    if seen != calls or as_meant != calls:
        print(f"    not as meant: wanted={calls} at_the_carrier={seen} as_meant={as_meant}")
    found = {f"{name}_ms": used[name] * 1000 / calls for name in PER_CALL}
    return {"rate": calls_per_second(lab), **found, "foreign": used["foreign"] / used["seconds"], "as_meant": as_meant}


def show(scenario: str, rounds: dict[str, list[dict[str, float]]]) -> None:
    """The table of a scenario."""
    middle = {side: medians(found) for side, found in rounds.items()}
    count = len(next(iter(rounds.values())))
    print(f"\n{scenario}: medians of {count} rounds; CPU in ms a call; foreign: CPUs taken by others")
    columns = ["side", "calls/s", "client", "PBX", "carrier", "MariaDB", "foreign"]
    print_table(
        columns,
        [[side, m["rate"], *(m[f"{name}_ms"] for name in PER_CALL), m["foreign"]] for side, m in middle.items()],
    )
    for side, of_side in middle.items():
        for other, of_other in middle.items():
            if side.startswith("dialer") and not other.startswith("dialer"):
                ratio = of_side["rate"] / of_other["rate"]
                print(f"rate of {side} / {other}: {ratio:.2f} (goal {GOAL_RATIO})")
        if side.startswith("dialer"):
            print(f"CPU of {side}: {of_side['client_ms']:.2f} ms a call (goal {GOAL_CPU_MS})")
    print()


if __name__ == "__main__":
    main()
