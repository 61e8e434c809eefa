"""Answering machine detection against the truth: people and machines of the lab's carrier, whose voices are known.

`python benchmarks/amd.py` starts and ends a lab of its own. Every recording of `lab.greetings` (Portuguese and English;
short and long hellos, a street behind, machines with beeps) answers the same number of calls, in each mode of
detection, with the default thresholds unless `--set` says otherwise. What the dialer wrote into the call's row is the
verdict; a call that is not sure counts as a person, as the default treats it.

Printed: the confusion matrix, precision and recall of person and machine, the mean time from the answer to the verdict,
and all of it for each recording. JSON with every call goes to `benchmarks/results/`.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from support import Books, Dialer, header, lab_for, percentile, print_header, print_table, wait_empty, write_results

from stasis_dialer.lab.fates import Fate, number
from stasis_dialer.lab.greetings import GREETINGS, Greeting
from stasis_dialer.lab.world import Lab

MODES = ("dialplan", "talk_detect")
PHONES = 10
CALLS_EACH = 11
"""Of each recording: 220 calls in all."""
TALK_DIGITS = {Fate.HUMAN: 6, Fate.MACHINE: 0}
"""A person stays 8 s, longer than any detection; a machine until it is hung up."""
ROUND_SECONDS = 600.0


@dataclass(frozen=True)
class Call:
    """One call: what was there, what was found, and after what time."""

    greeting: str
    truth: str
    verdict: str
    cause: str
    seconds: float | None
    disposition: str


class Greeted:
    """So many numbers of each recording, the recordings mixed."""

    def __init__(self, each: int) -> None:
        self.by_number = {
            number(it.fate, talk=TALK_DIGITS[it.fate], serial=serial, area=it.area): it
            for serial in range(each)
            for it in GREETINGS
        }

    @property
    def count(self) -> int:
        return len(self.by_number)

    def all(self) -> list[str]:
        return list(self.by_number)


def measure(lab: Lab, dialer: Dialer, books: Books, mode: str, settings: dict[str, str], each: int) -> list[Call]:
    """All recordings in one mode."""
    lab.carrier.forget()
    numbers = Greeted(each)
    amd = {"amd.mode": mode, **settings}
    campaign = dialer.prepare(f"amd-{mode}", numbers, connect="always_on", max_channels=PHONES, **amd)  # type: ignore[arg-type]
    dialer.log_in(lab.extensions, "always_on", campaign)
    books.start(campaign)
    books.wait_processed(campaign, numbers.count, ROUND_SECONDS)
    rows = books.query(
        "SELECT destination_extension, amd_result, amd_cause, disposition, "
        "TIMESTAMPDIFF(MICROSECOND, answered_at, detected_at) FROM discador_chamadas WHERE campaign_id = %s",
        campaign,
    )
    books.finish(campaign)
    dialer.ask("POST", "/api/agents/logout")
    wait_empty(lab)
    return [_call(numbers.by_number[f"+{dialled}"], *found) for dialled, *found in rows]


def _call(greeting: Greeting, result: str | None, cause: str | None, disposition: str, micros: int | None) -> Call:
    truth = "human" if greeting.fate is Fate.HUMAN else "machine"
    seconds = None if micros is None else micros / 1e6
    return Call(greeting.name, truth, result or "none", cause or "", seconds, disposition)


def taken_for(call: Call) -> str:
    """What the dialer did with it: only a machine is not given to an agent."""
    return "machine" if call.verdict == "machine" else "human"


def figures(calls: Sequence[Call]) -> dict[str, Any]:
    """The confusion matrix and what is read from it."""
    matrix = Counter((call.truth, call.verdict) for call in calls)
    scores: dict[str, float] = {}
    for kind in ("human", "machine"):
        found = [call for call in calls if taken_for(call) == kind]
        real = [call for call in calls if call.truth == kind]
        right = sum(1 for call in found if call.truth == kind)
        scores[f"{kind}_precision"] = right / len(found) if found else 0.0
        scores[f"{kind}_recall"] = right / len(real) if real else 0.0
        seconds = [call.seconds for call in real if call.seconds is not None]
        scores[f"{kind}_seconds"] = mean(seconds) if seconds else 0.0
        scores[f"{kind}_seconds_p95"] = percentile(seconds, 95) if seconds else 0.0
    return {"matrix": {f"{truth} as {verdict}": count for (truth, verdict), count in sorted(matrix.items())}, **scores}


def report(mode: str, calls: Sequence[Call]) -> dict[str, Any]:
    """Print one mode."""
    found = figures(calls)
    verdicts = ("human", "not_sure", "machine", "none")
    print(f"\namd.mode={mode}, {len(calls)} calls\n")
    matrix = Counter((call.truth, call.verdict) for call in calls)
    print_table(
        ("truth", *verdicts, "precision", "recall", "mean s", "p95 s"),
        [
            (
                kind,
                *(matrix[kind, verdict] for verdict in verdicts),
                *(found[f"{kind}_{name}"] for name in ("precision", "recall", "seconds", "seconds_p95")),
            )
            for kind in ("human", "machine")
        ],
    )
    print()
    by_greeting = defaultdict(list)
    for call in calls:
        by_greeting[call.greeting].append(call)
    rows = []
    for it in GREETINGS:
        own = by_greeting[it.name]
        counts = Counter(call.verdict for call in own)
        seconds = [call.seconds for call in own if call.seconds is not None]
        causes = Counter(call.cause.split("-")[0] for call in own).most_common(1)[0][0]
        truth = own[0].truth
        right = sum(1 for call in own if taken_for(call) == truth) / len(own)
        rows.append((it.name, truth, *(counts[v] for v in verdicts), right, mean(seconds) if seconds else 0.0, causes))
    print_table(("recording", "truth", *verdicts, "right", "mean s", "most frequent rule"), rows)
    return found


def main() -> None:
    """Run all modes on one lab."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mode", nargs="+", choices=MODES, default=list(MODES))
    parser.add_argument("--each", type=int, default=CALLS_EACH, help="calls of each recording")
    parser.add_argument("--set", dest="settings", action="append", default=[], help="another threshold: amd.KEY=VALUE")
    options = parser.parse_args()
    settings = dict(pair.split("=", 1) for pair in options.settings)
    with lab_for("benchmark-amd", PHONES) as lab:
        facts = header(lab, modes=options.mode, each=options.each, **settings)
        print_header("answering machine detection", facts)
        dialer = Dialer(lab, transport="http", calls_per_second=10)
        dialer.command("db", "upgrade")
        books = Books(lab)
        results: dict[str, Any] = {"header": facts, "modes": {}}
        dialer.start()
        try:
            for mode in options.mode:
                calls = measure(lab, dialer, books, mode, settings, options.each)
                found = report(mode, calls)
                results["modes"][mode] = {**found, "calls": [vars(call) for call in calls]}
        finally:
            dialer.stop()
        print(f"\nwritten to {write_results('amd', results)}")


if __name__ == "__main__":
    main()
