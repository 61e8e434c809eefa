"""The same tests on the fake and on the real Asterisk, over both carriers of requests."""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest

from stasis_dialer import ari
from stasis_dialer.ari import events
from stasis_dialer.lab.fates import Fate, number
from stasis_dialer.lab.proxy import CuttableProxy
from tests.fakes.ari_server import FakeAri

LIMIT_SECONDS = 10.0
"""How long any condition may take before its test fails."""

_numbers = itertools.count(1)

FATES = {
    "human": (Fate.HUMAN, 0, 0),
    "quick_hangup": (Fate.HUMAN, 0, 1),
    "no_answer": (Fate.NO_ANSWER, 9, 0),
    "busy": (Fate.BUSY, 0, 0),
    "congestion": (Fate.CONGESTION, 0, 0),
    "unallocated": (Fate.UNALLOCATED, 0, 0),
    "rejected": (Fate.REJECTED, 0, 0),
}
"""The far ends of the tests: fate, and the digits for how long it rings and how long it talks."""


@dataclass
class Server:
    """An ARI server under test."""

    kind: str
    url: str
    user: str
    password: str
    far: Callable[[str], str]
    fake: FakeAri | None = None

    def endpoint(self, far_end: str) -> str:
        """A dial string through the trunk whose called party does that."""
        return self.far(far_end)

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 0


@dataclass
class Heard:
    """Everything a stream delivered so far, in order."""

    stream: ari.EventStream
    items: list[ari.Item] = field(default_factory=list)

    async def listen(self) -> None:
        async for item in self.stream:
            self.items.append(item)

    def of(self, kind: type[Any], channel_id: str = "") -> list[Any]:
        """The items of a type, those of one channel when an id is given."""
        return [
            item for item in self.items if isinstance(item, kind) and (not channel_id or leg_of(item) == channel_id)
        ]

    async def until(self, kind: type[Any], channel_id: str = "", times: int = 1) -> Any:
        """Wait for the n-th item of a type, and answer it."""
        await eventually(
            lambda: len(self.of(kind, channel_id)) >= times,
            f"{times} x {kind.__name__} of {channel_id or 'anything'}",
            self,
        )
        return self.of(kind, channel_id)[times - 1]

    async def until_state(self, channel_id: str, state: str) -> Any:
        def found() -> list[Any]:
            return [item for item in self.of(events.ChannelStateChange, channel_id) if item.channel.state == state]

        await eventually(lambda: bool(found()), f"{channel_id} to be {state}", self)
        return found()[0]

    def story(self, channel_id: str) -> list[str]:
        """The names of a channel's events in order, with what tells them apart."""
        told = []
        for item in self.items:
            if isinstance(item, events.Event) and leg_of(item) == channel_id:
                detail = getattr(item, "dialstatus", "")
                if isinstance(item, events.ChannelStateChange):
                    detail = item.channel.state
                told.append(f"{item.type} {detail}".strip())
        return told


def leg_of(item: Any) -> str:
    """The channel that an event is about."""
    channel = getattr(item, "channel", None) or getattr(item, "peer", None)
    return channel.id if channel is not None else ""


async def eventually(condition: Callable[[], bool], what: str, heard: Heard | None = None) -> None:
    """Poll a condition until it is true; fail with its name when it takes too long."""
    loop = asyncio.get_running_loop()
    end = loop.time() + LIMIT_SECONDS
    while not condition():
        if loop.time() > end:
            pytest.fail(f"waited {LIMIT_SECONDS:.0f} s for {what}; heard: {heard.items[-20:] if heard else '-'}")
        await asyncio.sleep(0.005)


async def until_no_bridge(client: ari.Client) -> None:
    """Asterisk has answered that a bridge is destroyed a moment before its list knows (22.10.1, on a busy machine)."""
    loop = asyncio.get_running_loop()
    end = loop.time() + LIMIT_SECONDS
    while left := await client.bridges.list():
        assert loop.time() < end, left
        await asyncio.sleep(0.005)


def new_id(prefix: str = "c") -> str:
    """An id that was never used before, and is never the beginning of another one."""
    return f"t-{prefix}-{os.getpid()}-{next(_numbers):06d}"


@pytest.fixture(params=["fake", "asterisk"])
async def ari_server(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    """The server under test, with no channels and no bridges of ours before and after."""
    if request.param == "fake":
        async with FakeAri() as fake:
            fake.second = 0.1
            yield Server("fake", fake.url, fake.user, fake.password, fake.endpoint, fake)
        return
    lab = request.getfixturevalue("lab")
    server = Server("asterisk", lab.ari_url, lab.ari_user, lab.ari_password, _trunk)
    await _sweep(server)
    yield server
    await _sweep(server)


def _trunk(far_end: str) -> str:
    fate, ring, talk = FATES[far_end]
    return f"PJSIP/{number(fate, ring, talk, next(_numbers) % 100_000)}@carrier"


async def _sweep(server: Server) -> None:
    """Hang up and destroy what a test left behind."""
    async with ari.connect(server.url, server.user, server.password) as client:
        left = True
        while left:
            channels, bridges = await client.channels.list(), await client.bridges.list()
            for gone in [leg.hangup() for leg in channels] + [bridge.destroy() for bridge in bridges]:
                try:
                    await gone
                except ari.AriNotFound:
                    continue
            left = bool(channels or bridges)


@pytest.fixture
async def fake() -> AsyncIterator[FakeAri]:
    """The fake alone, for faults that cannot be provoked in a real Asterisk."""
    async with FakeAri() as server:
        yield server


@pytest.fixture(params=["http", "websocket"])
def transport(request: pytest.FixtureRequest) -> Any:
    """How requests travel."""
    return request.param


@pytest.fixture
def app() -> str:
    """The name of an application that nobody else has."""
    return new_id("app")


@pytest.fixture
def proxy(ari_server: Server) -> Iterator[CuttableProxy]:
    """A network in front of the server that can fail."""
    with CuttableProxy(ari_server.port) as proxy:
        yield proxy


@pytest.fixture
async def client(ari_server: Server, transport: Any) -> AsyncIterator[ari.Client]:
    """A client of the server under test."""
    async with ari.connect(ari_server.url, ari_server.user, ari_server.password, transport=transport) as client:
        yield client


@pytest.fixture
async def heard(client: ari.Client, app: str) -> AsyncIterator[Heard]:
    """The connected event stream of the client."""
    async for heard in listening(client, app):
        yield heard


async def listening(client: ari.Client, app: str, **options: Any) -> AsyncIterator[Heard]:
    """A connected stream with everything that it hears; one step of an async generator, so that it is closed."""
    heard = Heard(client.stream(app, **options))
    task = asyncio.create_task(heard.listen())
    try:
        await heard.until(ari.Connected)
        yield heard
    finally:
        await heard.stream.close()
        await task


async def dialled(client: ari.Client, heard: Heard, endpoint: str, timeout_seconds: int = 10, **arguments: Any) -> str:
    """Create a channel under a new id, wait for its StasisStart, dial; answers the id."""
    channel_id = new_id()
    await client.channels.create(endpoint=endpoint, app=heard.stream.apps[0], channelId=channel_id, **arguments)
    await heard.until(events.StasisStart, channel_id)
    await client.channels.dial(channelId=channel_id, timeout=timeout_seconds)
    return channel_id


async def answered(client: ari.Client, heard: Heard, server: Server, **arguments: Any) -> str:
    """Dial a human and wait until he has answered; answers the channel's id."""
    channel_id = await dialled(client, heard, server.endpoint("human"), **arguments)
    await heard.until_state(channel_id, "Up")
    return channel_id
