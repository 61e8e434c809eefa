"""A soak: a steady campaign for an hour on the lab, and whether anything grows.

`python benchmarks/soak.py` (`--minutes`, `--phones`, `--rate`, `--set KEY=VALUE` for the campaign). The leads are the
carrier's seeded mix, the agents always-on. Every ten seconds it reads memory, file handles and threads of dialer and
PBX from the kernel, channels and bridges from ARI, tasks from the dialer's metrics. Every so often a customer calls in.
It prints each figure's first and last value after the warm-up with its slope an hour, and whether its last third lies
above its first by more than `TOLERANCE`; then it compares every attempt with the carrier's log and looks for what was
left behind. The exit code tells whether the dialer and the carrier disagree; a figure that grows is for the reader.
"""

from __future__ import annotations

import argparse
import re
import time
import urllib.request
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import support

from stasis_dialer.lab.fates import number
from stasis_dialer.lab.world import Lab

SAMPLE_SECONDS = 10.0
WARM_UP_SHARE = 0.1
"""Of the time: agents log in, pools and caches fill. What comes after must be flat."""
RINGS = range(6)
TALKS = (6, 7, 8)
"""Digits of `lab.fates`: 8, 12 or 20 s of talk."""
CAMPAIGN = "soak"
TOLERANCE, LEAST = 0.05, 2.0
"""Of the first third's mean, and in the figure's own unit: less than both is noise."""
CALLER_TALK_SECONDS = 12.0
LAB_NUMBER = "+551130000000"
"""What the lab's trunk shows, so that whoever calls it reaches the campaign."""


class Mix(support.Numbers):
    """Numbers of the seeded mix that ring and talk differently long."""

    def all(self) -> list[str]:
        """E.164 with plus, each once."""
        return [
            number(None, RINGS[serial % len(RINGS)], TALKS[serial // len(RINGS) % len(TALKS)], serial)
            for serial in range(self.count)
        ]


@dataclass(frozen=True)
class Process:
    """One process, looked at through the kernel. Source: proc(5)."""

    pid: int

    def figures(self) -> dict[str, float]:
        """Resident memory in MiB, open file handles, threads."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        words = dict(re.findall(r"^(VmRSS|Threads):\s+(\d+)", status, re.MULTILINE))
        handles = sum(1 for _ in Path(f"/proc/{self.pid}/fd").iterdir())
        return {"MiB": int(words["VmRSS"]) / 1024, "handles": float(handles), "threads": float(words["Threads"])}


def main() -> None:
    """Run, print, keep."""
    options = _arguments()
    count = round(options.minutes * 60 * options.rate)
    settings = dict(pair.partition("=")[::2] for pair in options.set)
    with support.lab_for(CAMPAIGN, options.phones) as lab:
        facts = support.header(lab, minutes=options.minutes, phones=options.phones, rate=options.rate, **settings)
        support.print_header("soak", facts)
        dialer = support.Dialer(lab, transport=options.transport, calls_per_second=options.rate)
        dialer.command("db", "upgrade")
        campaign = dialer.prepare(
            CAMPAIGN, Mix(None, count), connect="always_on", max_channels=200, **{"wrap_up_seconds": 2, **settings}
        )
        try:
            dialer.start()
            dialer.log_in(lab.extensions, "always_on", campaign)
            samples = _soak(lab, dialer, campaign, options.minutes * 60, options.calls_in_every)
            left = _left(lab)
        finally:
            dialer.stop()
        faults = _compare(lab, campaign)
    _print(samples)
    print(f"channels and bridges left when the last call was over, beside the agents': {left}")
    for fault in faults[:20]:
        print(f"FAULT {fault}")
    path = support.write_results("soak", {"facts": facts, "samples": samples, "left": left, "faults": faults})
    print(f"written: {path}")
    raise SystemExit(1 if faults or left else 0)


def _soak(
    lab: Lab, dialer: support.Dialer, campaign: int, seconds: float, calls_in_every: float
) -> list[dict[str, float]]:
    """Let it dial until the leads or the time are over, and customers call in; what was seen meanwhile."""
    books = support.Books(lab)
    books.start(campaign)
    pbx = lab.processes()["pbx"]
    assert pbx is not None
    looked_at = {"dialer": Process(dialer.pid), "pbx": Process(pbx)}
    began = time.monotonic()
    samples: list[dict[str, float]] = []
    callers: list[str] = []
    while time.monotonic() - began < seconds:
        time.sleep(max(0.0, began + (len(samples) + 1) * SAMPLE_SECONDS - time.monotonic()))
        sample = {"seconds": time.monotonic() - began}
        while calls_in_every and len(callers) * calls_in_every < sample["seconds"]:
            callers.append(f"+5511955{len(callers):06d}")
            lab.carrier.call_in(LAB_NUMBER, callers[-1], talk_seconds=CALLER_TALK_SECONDS)
        for name, process in looked_at.items():
            sample |= {f"{name} {figure}": value for figure, value in process.figures().items()}
        sample["pbx channels"] = float(len(lab.pbx.ari.get("channels")))
        sample["pbx bridges"] = float(len(lab.pbx.ari.get("bridges")))
        sample |= _metrics(lab)
        samples.append(sample)
        if len(samples) % 30 == 0:
            print(f"{sample['seconds'] / 60:5.1f} min  {_calls(books, campaign)}", flush=True)
    books.finish(campaign)
    support.until(lambda: not dialer.ask("GET", "/api/calls"), "the last calls to end", 120)
    print(f"calls: {_calls(books, campaign)}")
    return samples


def _metrics(lab: Lab) -> dict[str, float]:
    """The dialer's own gauges that must stay flat."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{lab.state.api_port}/metrics", headers={"Authorization": f"Bearer {lab.api_token}"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        text = answer.read().decode()
    wanted = {"tasks": "tasks", "journal_depth": "journal depth", "events_depth": "events depth"}
    found = dict(re.findall(r"^stasis_dialer_(tasks|journal_depth|events_depth) ([0-9.e+]+)$", text, re.MULTILINE))
    return {f"dialer {wanted[name]}": float(value) for name, value in found.items()}


def _calls(books: support.Books, campaign: int) -> str:
    counts = books.dispositions(campaign)
    return " ".join(f"{name}={count}" for name, count in sorted(counts.items(), key=lambda pair: str(pair[0])))


def _left(lab: Lab) -> int:
    """Channels and bridges beside the agents' own, one of each for every agent."""
    agents = len(lab.extensions)
    return len(lab.pbx.ari.get("channels")) + len(lab.pbx.ari.get("bridges")) - 2 * agents


def _compare(lab: Lab, campaign: int) -> list[str]:
    """Attempt by attempt: what the dialer wrote and what the carrier saw."""
    books = support.Books(lab)
    rows = books.query("SELECT unique_id, status, dialled_at FROM discador_chamadas WHERE campaign_id = %s", campaign)
    dialled = {row[0] for row in rows if row[2] is not None}
    seen = Counter(invite.attempt for invite in lab.carrier.invites() if invite.attempt)
    faults = [f"not finished: {row[0]}" for row in rows if row[1] != "finished"]
    faults += [f"dialled {times} times: {attempt}" for attempt, times in seen.items() if times > 1]
    faults += [f"the carrier never saw {attempt}" for attempt in dialled - seen.keys()]
    faults += [f"no row for the carrier's {attempt}" for attempt in seen.keys() - dialled]
    [[calling]] = books.query(
        "SELECT COUNT(*) FROM discador_contatos WHERE campaign_id = %s AND status = 'calling'", campaign
    )
    return faults + ([f"leads left calling: {calling}"] if calling else [])


def _print(samples: list[dict[str, float]]) -> None:
    steady = samples[max(1, round(len(samples) * WARM_UP_SHARE)) :]
    if len(steady) < 2:
        raise SystemExit("too short: not two samples after the warm-up")
    hours = [sample["seconds"] / 3600 for sample in steady]
    rows: list[list[Any]] = []
    for name in samples[-1]:
        if name == "seconds":
            continue
        values = [sample[name] for sample in steady]
        slope = _slope(hours, values)
        rows.append([name, values[0], values[-1], min(values), max(values), slope, _verdict(values)])
    support.print_table(["figure", "first", "last", "least", "most", "slope an hour", "verdict"], rows)


def _verdict(values: list[float]) -> str:
    third = max(1, len(values) // 3)
    first, last = sum(values[:third]) / third, sum(values[-third:]) / third
    return "grows" if last - first > max(LEAST, TOLERANCE * first) else "flat"


def _slope(x: list[float], y: list[float]) -> float:
    """Least squares."""
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    spread = sum((a - mean_x) ** 2 for a in x)
    return sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / spread if spread else 0.0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--phones", type=int, default=30)
    parser.add_argument("--rate", type=float, default=1.5, help="calls a second")
    parser.add_argument(
        "--calls-in-every", type=float, default=30.0, help="seconds between customers who call in; 0: none"
    )
    parser.add_argument("--transport", choices=("http", "websocket"), default="http")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the campaign")
    return parser.parse_args()


if __name__ == "__main__":
    main()
