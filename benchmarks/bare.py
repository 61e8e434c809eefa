"""The other side of the benchmarks: a script that only creates, dials and, with agents, adds the answered customer.

No database, no state machines, no deadlines, no limits, nothing is kept. Two kinds: `library` uses `stasis_dialer.ari`,
`minimal` a bare WebSocket with requests that are strings. Reads its task as one line of JSON, says `ready`, begins at
the next line, and answers what it counted. Started by `support.Script`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

from websockets.asyncio.client import ClientConnection, connect

from stasis_dialer import ari
from stasis_dialer.ari.stream import NOISE

APP = "bare"
WIDTH = 6
"""Digits of a call's number in its id: Asterisk refuses an id that another channel's id begins with."""
LATE_SECONDS = 60.0
"""How long a call may be silent before the run counts as failed."""


class Hears(Protocol):
    """Who is told what happened to a channel: entered Stasis, up, destroyed."""

    def entered(self, channel: str) -> None: ...

    def up(self, channel: str) -> None: ...

    def destroyed(self, channel: str) -> None: ...


class Library:
    """Requests and events by `stasis_dialer.ari`, as the dialer uses it."""

    def __init__(self, task: dict[str, Any], hears: Hears) -> None:
        self._client = ari.connect(task["url"], task["user"], task["password"], transport=task["transport"])
        self._hears = hears
        self._tasks: set[asyncio.Task[None]] = set()
        self.failed = 0

    def send(self, method: str, path: str, query: tuple[tuple[str, str], ...] = ()) -> None:
        """Begin a request and go on."""
        task = asyncio.create_task(self._request(method, path, query))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _request(self, method: str, path: str, query: tuple[tuple[str, str], ...]) -> None:
        try:
            await self._client.transport.request(method, path, query)
        except (ari.AriError, ari.AriUnavailable) as error:
            self.failed += 1
            print(f"{method} {path}: {error}", file=sys.stderr)

    async def listen(self, connected: Callable[[], None]) -> None:
        """Hand on the events for ever."""
        events, hears = ari.events, self._hears
        async for item in self._client.stream(APP):
            kind = type(item)
            if kind is events.StasisStart:
                hears.entered(item.channel.id)  # type: ignore[union-attr]
            elif kind is events.ChannelStateChange:
                if item.channel.state == "Up":  # type: ignore[union-attr]
                    hears.up(item.channel.id)  # type: ignore[union-attr]
            elif kind is events.ChannelDestroyed:
                hears.destroyed(item.channel.id)  # type: ignore[union-attr]
            elif kind is ari.Connected:
                connected()

    async def close(self) -> None:
        """End."""
        await self._client.close()


class Minimal:
    """One WebSocket for events and requests; requests are formatted strings, and only needed events are decoded."""

    def __init__(self, task: dict[str, Any], hears: Hears) -> None:
        place = urlsplit(task["url"]).netloc
        self._url = f"ws://{place}/ari/events?app={APP}&api_key={task['user']}:{quote(task['password'])}"
        self._hears = hears
        self._queue: deque[str] = deque()
        self._socket: ClientConnection | None = None
        self._wake = asyncio.Event()
        self.failed = 0

    def send(self, method: str, path: str, query: tuple[tuple[str, str], ...] = ()) -> None:
        """Put a request on the socket and go on."""
        arguments = "&".join(f"{name}={quote(value, '')}" for name, value in query)
        self._queue.append(
            f'{{"type":"RESTRequest","request_id":"r","method":"{method}","uri":"{path[1:]}?{arguments}"}}'
        )
        self._wake.set()

    async def listen(self, connected: Callable[[], None]) -> None:
        """Hand on the events until the socket closes."""
        async with connect(self._url, compression=None, max_queue=None, proxy=None) as socket:
            self._socket = socket
            body = json.dumps({"disallowed": [{"type": name} for name in NOISE]}).replace('"', '\\"')
            await socket.send(
                '{"type":"RESTRequest","request_id":"f","method":"PUT","content_type":"application/json",'
                f'"uri":"applications/{APP}/eventFilter","message_body":"{body}"}}'
            )
            writer = asyncio.create_task(self._write(socket))
            connected()
            try:
                async for message in socket:
                    self._heard(message)
            finally:
                writer.cancel()

    async def _write(self, socket: ClientConnection) -> None:
        while True:
            while self._queue:
                await socket.send(self._queue.popleft())
            self._wake.clear()
            await self._wake.wait()

    def _heard(self, message: str | bytes) -> None:
        assert isinstance(message, str)
        if '"StasisStart"' in message:
            self._hears.entered(json.loads(message)["channel"]["id"])
        elif '"ChannelDestroyed"' in message:
            self._hears.destroyed(json.loads(message)["channel"]["id"])
        elif '"ChannelStateChange"' in message:
            if '"state":"Up"' in message:
                self._hears.up(json.loads(message)["channel"]["id"])
        elif '"RESTResponse"' in message and json.loads(message)["status_code"] >= 300:
            self.failed += 1

    async def close(self) -> None:
        """End."""
        if self._socket is not None:
            await self._socket.close()


KINDS: dict[str, Callable[[dict[str, Any], Hears], Library | Minimal]] = {"library": Library, "minimal": Minimal}


class Script:
    """Keeps so many calls in flight, or places so many a second; customers go to the agent idle longest."""

    def __init__(self, task: dict[str, Any]) -> None:
        self._task = task
        self._numbers: list[str] = task["numbers"]
        self._slots: int = task["slots"]
        self._placed = 0
        self._ended = 0
        self._abandoned = 0
        self._run = format(time.time_ns() // 1_000_000, "x")
        self._free: deque[str] = deque()
        self._with_customer: dict[str, str] = {}
        self._agents: dict[str, str] = {}
        self._agents_up = asyncio.Event()
        self._done = asyncio.Event()
        self._gone = asyncio.Event()
        self.ari = KINDS[task["kind"]](task, self)

    # events

    def entered(self, channel: str) -> None:
        """The channel is there: dial it."""
        self.ari.send("POST", f"/channels/{channel}/dial", (("timeout", "30"),))

    def up(self, channel: str) -> None:
        """An agent answered: into a bridge of its own. A customer answered: to an agent."""
        if channel in self._agents:
            bridge = f"bridge-{channel}"
            self.ari.send("POST", f"/bridges/{bridge}", (("type", "mixing"),))
            self._soon(0.3, lambda: self.ari.send("POST", f"/bridges/{bridge}/addChannel", (("channel", channel),)))
            self._free.append(bridge)
            if len(self._free) == len(self._agents):
                self._agents_up.set()
        elif self._agents:
            if not self._free:
                self._abandoned += 1
                self.ari.send("DELETE", f"/channels/{channel}")
                return
            bridge = self._with_customer[channel] = self._free.popleft()
            self.ari.send("POST", f"/bridges/{bridge}/addChannel", (("channel", channel),))

    def destroyed(self, channel: str) -> None:
        """The call is over; the slot is free for the next."""
        if self._agents.pop(channel, None) is not None:
            if not self._agents:
                self._gone.set()
            return
        bridge = self._with_customer.pop(channel, None)
        if bridge is not None:
            self._free.append(bridge)
        self._ended += 1
        if self._slots:
            self._place()
        if self._ended == len(self._numbers):
            self._done.set()

    # work

    async def seat_agents(self) -> None:
        """Call the agents' phones, each into a bridge of its own."""
        for extension in self._task["agents"]:
            channel = f"agent-{self._run}-{extension}"
            self._agents[channel] = extension
            self._create(channel, f"PJSIP/{extension}")
            await asyncio.sleep(0.02)
        if self._agents:
            await asyncio.wait_for(self._agents_up.wait(), LATE_SECONDS)
            await asyncio.sleep(1.0)

    async def place_all(self) -> None:
        """Every number once; returns when every call has ended."""
        if self._slots:
            for _ in range(self._slots):
                self._place()
        else:
            began, rate = time.monotonic(), float(self._task["calls_per_second"])
            for index in range(len(self._numbers)):
                await asyncio.sleep(max(0.0, began + index / rate - time.monotonic()))
                self._place()
        while not self._done.is_set():
            before = self._ended
            try:
                await asyncio.wait_for(self._done.wait(), LATE_SECONDS)
            except TimeoutError:
                if self._ended == before:
                    return

    async def hang_up_agents(self) -> None:
        """Everybody goes home."""
        for channel in list(self._agents):
            self.ari.send("DELETE", f"/channels/{channel}")
            self.ari.send("DELETE", f"/bridges/bridge-{channel}")
        if self._agents:
            await asyncio.wait_for(self._gone.wait(), LATE_SECONDS)

    def counted(self) -> dict[str, int]:
        """What came of the calls."""
        return {
            "placed": self._placed,
            "ended": self._ended,
            "abandoned": self._abandoned,
            "failed_requests": self.ari.failed,
        }

    def _place(self) -> None:
        if self._placed < len(self._numbers):
            dialled = self._numbers[self._placed]
            self._placed += 1
            self._create(f"call-{self._run}-{self._placed:0{WIDTH}d}", f"PJSIP/{dialled}@carrier")

    def _create(self, channel: str, endpoint: str) -> None:
        self.ari.send("POST", "/channels/create", (("endpoint", endpoint), ("app", APP), ("channelId", channel)))

    def _soon(self, seconds: float, work: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(seconds, work)


async def main() -> None:
    """Ready, go, stop."""
    loop = asyncio.get_running_loop()

    def read() -> Awaitable[str]:
        return loop.run_in_executor(None, sys.stdin.readline)

    script = Script(json.loads(await read()))
    connected = asyncio.Event()
    listening = asyncio.create_task(script.ari.listen(connected.set))
    await asyncio.wait_for(connected.wait(), LATE_SECONDS)
    await script.seat_agents()
    print(json.dumps({"state": "ready"}), flush=True)
    await read()
    await script.place_all()
    print(json.dumps(script.counted()), flush=True)
    await read()
    await script.hang_up_agents()
    await script.ari.close()
    listening.cancel()


if __name__ == "__main__":
    asyncio.run(main())
