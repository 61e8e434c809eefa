"""From the customer's answer to both in one bridge, with always-on agents: the dialer against a bare script.

`python benchmarks/answer_to_agent.py` starts and ends a lab of its own. A person answers after 0.3 s, hears an agent,
and hangs up 0.5 s later; calls are placed evenly at each of the rates, by the dialer because its trunk allows no more.
There are more agents than calls, so somebody is always free and nobody waits for a person.

Sides: `dialer` is the real `stasis-dialer run`; `library` a script on the same ARI client that does nothing but
addChannel when the customer's channel goes up; `minimal` the same on a bare WebSocket. What is measured is what
Asterisk says, for all sides alike: a second application that hears every channel takes the time stamps of the
customer's ChannelStateChange (Up) and ChannelEnteredBridge, in milliseconds. Percentiles of each round, then medians
over the rounds.
"""

from __future__ import annotations

import argparse
import json
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

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
    percentile,
    print_header,
    print_table,
    sides_of,
    wait_empty,
    write_results,
)
from websockets.sync.client import connect

from stasis_dialer.lab.fates import Fate
from stasis_dialer.lab.world import Lab

GOAL_P99_MS = 50.0
GOAL_RATIO = 1.5
TALK_DIGIT = 1
"""Half a second, as `lab.fates` has it."""
OBSERVER = "observer"
FACTS = ("ChannelStateChange", "ChannelEnteredBridge")
PERCENTS = (50, 95, 99)


class Observer:
    """A second application that hears of every channel; it keeps the messages and reads them when all is over."""

    def __init__(self, lab: Lab) -> None:
        address = lab.ari_url.replace("http://", "ws://")
        user = f"{lab.ari_user}:{quote(lab.ari_password)}"
        url = f"{address}/ari/events?app={OBSERVER}&subscribeAll=true&api_key={user}"
        self._open = ExitStack()
        self._socket = self._open.enter_context(connect(url, proxy=None, compression=None))
        request = {
            "type": "RESTRequest",
            "request_id": "filter",
            "method": "PUT",
            "uri": f"applications/{OBSERVER}/eventFilter",
            "content_type": "application/json",
            "message_body": json.dumps({"allowed": [{"type": name} for name in FACTS]}),
        }
        self._socket.send(json.dumps(request))
        self._messages: list[str | bytes] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def delays_ms(self) -> tuple[list[float], int]:
        """End; milliseconds from Up to the bridge for each customer, and how many customers never reached one."""
        self._open.close()
        self._thread.join(5)
        up: dict[str, datetime] = {}
        entered: dict[str, datetime] = {}
        for message in self._messages:
            event = json.loads(message)
            channel = event.get("channel") or {}
            if not channel.get("name", "").startswith("PJSIP/carrier-"):
                continue
            at = datetime.strptime(event["timestamp"], "%Y-%m-%dT%H:%M:%S.%f%z")
            if event["type"] == "ChannelEnteredBridge":
                entered.setdefault(channel["id"], at)
            elif event["type"] == "ChannelStateChange" and channel["state"] == "Up":
                up.setdefault(channel["id"], at)
        delays = [(entered[id_] - at).total_seconds() * 1000 for id_, at in up.items() if id_ in entered]
        return delays, len(up) - len(delays)

    def _read(self) -> None:
        for message in self._socket:
            self._messages.append(message)


@dataclass(frozen=True)
class Round:
    """What one side is to do."""

    name: str
    kind: str
    transport: str
    rate: float
    numbers: Numbers
    code: Path | None


def main() -> None:
    """Run, print, keep."""
    options = arguments()
    with lab_for("benchmark-answer", options.agents) as lab:
        facts = header(
            lab,
            rates=options.rates,
            seconds=options.seconds,
            rounds=options.rounds,
            agents=options.agents,
            transport=options.transport,
            talk_seconds=0.5,
        )
        print_header("Answer to agent, always-on: dialer against a bare script", facts)
        Dialer(lab, transport="http").command("db", "upgrade")
        rounds: dict[str, dict[str, list[dict[str, float]]]] = {}
        for rate in options.rates:
            rounds[f"{rate:g}/s"] = run_rate(lab, rate, options)
            show(rate, rounds[f"{rate:g}/s"])
    path = write_results("answer_to_agent", {**facts, "rounds": rounds})
    print(f"every round is in {path}")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    add_side_options(parser)
    parser.add_argument("--rates", nargs="+", type=float, default=[10.0, 50.0], help="calls a second")
    parser.add_argument("--seconds", type=float, help="length of a round; default: 20")
    parser.add_argument("--agents", type=int, default=64)
    options = parser.parse_args()
    options.seconds = options.seconds or (6.0 if options.quick else 20.0)
    options.rounds = options.rounds or (1 if options.quick else 3)
    return options


def run_rate(lab: Lab, rate: float, options: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    """All sides at one rate, in another order each round."""
    sides = sides_of(options)
    rounds: dict[str, list[dict[str, float]]] = {f"{kind} {transport}": [] for kind, transport in sides}
    numbers = Numbers(Fate.HUMAN, round(rate * options.seconds), talk=TALK_DIGIT)
    for index, kind, transport in in_turn(sides, options.rounds):
        lab.carrier.forget()
        code = options.before if kind == "dialer-before" else None
        plan = Round(f"answer-{rate:g}-{kind}-{transport}-{index}", kind, transport, rate, numbers, code)
        observer = Observer(lab)
        used = run_dialer(lab, plan) if kind.startswith("dialer") else run_script(lab, plan)
        rounds[f"{kind} {transport}"].append(figures(lab, plan, observer, used))
        wait_empty(lab)
    return rounds


def run_dialer(lab: Lab, plan: Round) -> dict[str, float]:
    """One campaign through the real dialer."""
    dialer = Dialer(lab, transport=plan.transport, calls_per_second=plan.rate, code=plan.code)
    books, meter = Books(lab), Meter(lab)
    id_ = dialer.prepare(plan.name, plan.numbers, connect="always_on", max_channels=len(lab.extensions))
    dialer.start()
    try:
        dialer.log_in(lab.extensions, "always_on", id_)
        meter.start(dialer.pid)
        books.start(id_)
        books.wait_processed(id_, plan.numbers.count)
        used = meter.stop()
        books.finish(id_)
    finally:
        dialer.stop()
    dispositions = books.dispositions(id_)
    if dispositions != {"answered": plan.numbers.count}:
        print(f"    not as meant: {dispositions}")
    return used


def run_script(lab: Lab, plan: Round) -> dict[str, float]:
    """The same numbers at the same rate by a bare script."""
    meter = Meter(lab)
    script = Script(lab, plan.kind, plan.transport, plan.numbers, calls_per_second=plan.rate, agents=lab.extensions)
    script.start()
    try:
        meter.start(script.process.pid)
        counted: dict[str, Any] = script.run()
        used = meter.stop()
    finally:
        script.stop()
    if counted["ended"] != plan.numbers.count or counted["abandoned"] or counted["failed_requests"]:
        print(f"    not as meant: {counted}")
    return used


def figures(lab: Lab, plan: Round, observer: Observer, used: dict[str, float]) -> dict[str, float]:
    """A round's figures. Units: milliseconds; `foreign` is how many CPUs other programs of the machine took."""
    delays, missing = observer.delays_ms()
    found = {f"p{percent}_ms": percentile(delays, percent) for percent in PERCENTS}
    rate, foreign = calls_per_second(lab), used["foreign"] / used["seconds"]
    shown = ", ".join(f"{name} {value:.0f}" for name, value in found.items())
    print(f"  {plan.name}: {rate:.1f} calls/s, n={len(delays)}, {shown}", flush=True)
    return {
        **found,
        "max_ms": max(delays),
        "rate": rate,
        "joined": float(len(delays)),
        "never_joined": float(missing),
        "client_ms": used["client"] * 1000 / plan.numbers.count,
        "pbx_ms": used["pbx"] * 1000 / plan.numbers.count,
        "foreign": foreign,
    }


def show(rate: float, rounds: dict[str, list[dict[str, float]]]) -> None:
    """The table of a rate."""
    middle = {side: medians(found) for side, found in rounds.items()}
    count = len(next(iter(rounds.values())))
    print(f"\n{rate:g} calls/s: medians of {count} rounds, ms; CPU in ms a call; foreign: CPUs taken by others")
    shown = ("p50_ms", "p95_ms", "p99_ms", "max_ms", "rate", "joined", "never_joined", "client_ms", "pbx_ms", "foreign")
    columns = ["side", "p50", "p95", "p99", "max", "calls/s", "joined", "never", "client", "PBX", "foreign"]
    print_table(columns, [[side, *(m[name] for name in shown)] for side, m in middle.items()])
    for side, of_side in middle.items():
        if side.startswith("dialer"):
            print(f"p99 of {side}: {of_side['p99_ms']:.0f} ms (goal {GOAL_P99_MS:.0f})")
            for other, of_other in middle.items():
                if not other.startswith("dialer"):
                    ratio = of_side["p99_ms"] / max(1.0, of_other["p99_ms"])
                    print(f"p99 of {side} / {other}: {ratio:.2f} (goal {GOAL_RATIO} or less)")
    print()


if __name__ == "__main__":
    main()
