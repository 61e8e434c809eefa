"""CPU of the ARI client: per request on both carriers, per event, and per whole call.

    python benchmarks/ari_client.py [--calls 200]

Starts a lab of its own (real Asterisk, real SIP), prints one table and writes `benchmarks/results/ari_client.json`.
Both carriers run in one process, one after the other, against the same Asterisk. CPU is this process's own, user and
system.
"""

import argparse
import asyncio
import itertools
import json
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Literal

from stasis_dialer import ari
from stasis_dialer.ari import events
from stasis_dialer.lab.fates import Fate, number
from stasis_dialer.lab.world import Lab

PROJECT = Path(__file__).resolve().parents[1]
RESULTS = PROJECT / "benchmarks" / "results" / "ari_client.json"
RECORDING = PROJECT / "tests" / "data" / "ari" / "answered.jsonl"
AT_ONCE = 8
"""Requests under way at the same time."""
CALLS_AT_ONCE = 40

Row = dict[str, float | str]
_serial = itertools.count()


async def measure(name: str, times: int, once: Callable[[int], Awaitable[Any]], at_once: int) -> Row:
    """CPU and rate of something done many times, `at_once` of them at the same time."""
    turns = iter(range(times))

    async def worker() -> None:
        for turn in turns:
            await once(turn)

    clock, before = time.perf_counter(), os.times()
    await asyncio.gather(*(worker() for _ in range(at_once)))
    passed, after = time.perf_counter() - clock, os.times()
    user, system = after.user - before.user, after.system - before.system
    return {
        "what": name,
        "times": times,
        "cpu_us": (user + system) / times * 1e6,
        "user_us": user / times * 1e6,
        "per_second": times / passed,
    }


class Calls:
    """Whole calls: create, dial, bridge, hang up, and every event of them."""

    def __init__(self, client: ari.Client, stream: ari.EventStream) -> None:
        self.client = client
        self.stream = stream
        self.events = 0
        self.connected = asyncio.Event()
        self.ended: dict[str, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    async def listen(self) -> None:
        """Drive all calls from the events."""
        async for item in self.stream:
            match item:
                case ari.Connected():
                    self.connected.set()
                case events.StasisStart(channel):
                    self._do(self.client.channels.dial(channelId=channel.id, timeout=20))
                case events.ChannelStateChange(channel) if channel.state == "Up":
                    self._do(self._bridge(channel.id))
                case events.ChannelDestroyed(channel):
                    self.ended[channel.id].set()
            self.events += isinstance(item, events.Event)

    async def place(self, endpoint: str) -> None:
        """One call from the first request to its last event."""
        leg = f"bench-{next(_serial):06d}"
        over = self.ended[leg] = asyncio.Event()
        await self.client.channels.create(endpoint=endpoint, app=self.stream.apps[0], channelId=leg)
        await over.wait()

    async def finish(self) -> None:
        """Wait for the last answers."""
        await asyncio.gather(*self._tasks)

    async def _bridge(self, leg: str) -> None:
        await self.client.bridges.create(bridgeId=f"b-{leg}", type="mixing")
        await self.client.bridges.addChannel(bridgeId=f"b-{leg}", channel=leg)
        await self.client.channels.hangup(channelId=leg)
        await self.client.bridges.destroy(bridgeId=f"b-{leg}")

    def _do(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def run_carrier(lab: Lab, carrier: Literal["http", "websocket"], requests: int, calls: int) -> list[Row]:
    """All figures of one carrier of requests."""
    async with ari.connect(lab.ari_url, lab.ari_user, lab.ari_password, transport=carrier) as client:
        stream = client.stream(f"bench-{carrier}")
        whole = Calls(client, stream)
        listening = asyncio.create_task(whole.listen())
        await whole.connected.wait()
        await measure("warm-up", 200, lambda _: client.asterisk.ping(), AT_ONCE)
        rows = [await measure(f"{carrier}: request (ping)", requests, lambda _: client.asterisk.ping(), AT_ONCE)]
        endpoints = [f"PJSIP/{number(Fate.HUMAN, 0, 0, turn)}@carrier" for turn in range(calls)]
        row = await measure(
            f"{carrier}: whole call, 6 requests", calls, lambda turn: whole.place(endpoints[turn]), CALLS_AT_ONCE
        )
        row["events_per_call"] = whole.events / calls
        await whole.finish()
        await stream.close()
        await listening
        return [*rows, row]


def decode_row() -> Row:
    """CPU of decoding the events of a recorded answered call."""
    lines = RECORDING.read_bytes().splitlines()
    decode, times = ari.Decoder().decode, 3000
    cpu = time.process_time()
    for _ in range(times):
        for line in lines:
            decode(line)
    used, count = time.process_time() - cpu, times * len(lines)
    cost = used / count * 1e6
    return {"what": "decode of one event", "times": count, "cpu_us": cost, "user_us": cost, "per_second": count / used}


def main() -> None:
    """Run everything, print the table, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=4000)
    parser.add_argument("--calls", type=int, default=200)
    options = parser.parse_args()
    rows = [decode_row()]
    with Lab("bench-ari", phones=1) as lab:
        for carrier in ("http", "websocket"):
            rows += asyncio.run(run_carrier(lab, carrier, options.requests, options.calls))
    lab.stop(remove=True)
    print(f"{'':32}{'times':>8}{'CPU us':>10}{'of it user':>12}{'per second':>12}")
    for row in rows:
        print(
            f"{row['what']:32}{row['times']:>8}{row['cpu_us']:>10.1f}{row['user_us']:>12.1f}{row['per_second']:>12.0f}"
        )
        if "events_per_call" in row:
            print(f"{'':32}{row['events_per_call']:>8.1f} events a call")
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
