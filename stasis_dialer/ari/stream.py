"""The event WebSocket: connects, keeps connected for ever, and reports every gap.

Guarantees that events come out in the order of arrival, and that everything after a (re)connect comes after its
`Connected`, so that a consumer who then compares his calls with `GET /channels` misses nothing. The reader only decodes
and enqueues; it never waits for the consumer, because Asterisk closes the socket of a slow reader.
Stops for ever when another program takes the application.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Any
from urllib.parse import quote

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, WebSocketException

from stasis_dialer.ari.decode import Decoder
from stasis_dialer.ari.errors import AriBadRequest, AriError, AriForbidden, AriUnauthorized, error_for
from stasis_dialer.ari.events import ApplicationReplaced, Event, RESTResponse
from stasis_dialer.ari.http import basic_authorization
from stasis_dialer.ari.transport import Address, Transport
from stasis_dialer.ari.websocket import WebSocketTransport
from stasis_dialer.errors import AriUnavailable, DialerError

log = logging.getLogger(__name__)

NOISE = ("ChannelVarset", "ChannelDialplan")
"""Event types that Asterisk need not send: half of all events of a SIP call, and no decision needs them.

Source: 22.10.1, 2026-11: five RTPAUDIOQOS variables per leg; without them about 10 events per answered call.
"""

PING_INTERVAL_SECONDS = 5.0
PING_TIMEOUT_SECONDS = 5.0
"""A half-open connection is noticed after at most the sum of both."""

SHORTEST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0
"""Pauses between attempts to connect double from the shortest to the longest, shortened at random by up to half."""

_OPEN_TIMEOUT_SECONDS = 5.0
_CLOSE_TIMEOUT_SECONDS = 1.0
_LARGEST_MESSAGE_BYTES = 64 * 2**20
"""An answer to `GET /channels` over the WebSocket: some 1 kB for each of 2000 channels is 2 MB; not measured beyond."""

_HOPELESS = (AriUnauthorized, AriForbidden, AriBadRequest)
"""What no repetition of the first connect can cure."""


class Connected(msgspec.Struct, frozen=True):
    """Events flow (again). Between two of these, events may be lost: compare what you believe with what exists.

    Units: `gap_seconds` is an upper bound of the time without events, 0 at the first connect.
    """

    first: bool
    gap_seconds: float
    asterisk_restarted: bool


class Disconnected(msgspec.Struct, frozen=True):
    """Events stopped; calls go on in Asterisk without us, and new entries to the application fail."""

    reason: str


class Replaced(msgspec.Struct, frozen=True):
    """Another program registered the application: the last item of a stream. Stop acting on its calls."""

    application: str


Notice = Connected | Disconnected | Replaced
Item = Event | Notice


class EventStream:
    """Events and notices of one event WebSocket, in order, for one consumer: `async for item in stream`."""

    def __init__(
        self,
        address: Address,
        apps: Sequence[str],
        transport: Transport,
        *,
        disallowed_events: Sequence[str] = NOISE,
        subscribe_all: bool = False,
        ping_interval_seconds: float = PING_INTERVAL_SECONDS,
        ping_timeout_seconds: float = PING_TIMEOUT_SECONDS,
        ssl: Any = None,
    ) -> None:
        if not apps or isinstance(apps, str):
            raise ValueError("apps must be a list with at least one application name")
        self.apps = tuple(apps)
        self.decoder = Decoder()
        self.connected = False
        self.received = 0
        self.reconnects = 0
        self._address = address
        self._transport = transport
        self._disallowed = [{"type": name} for name in disallowed_events]
        names = quote(",".join(self.apps), safe=",")
        self._url = f"{address.events_url}?app={names}&subscribeAll={'true' if subscribe_all else 'false'}"
        self._ping_interval_seconds = ping_interval_seconds
        self._ping_timeout_seconds = ping_timeout_seconds
        self._ssl = ssl
        self._items: deque[Item] = deque()
        self._held: deque[Item] | None = None
        self._wake: asyncio.Event = asyncio.Event()
        self._supervisor: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None
        self._finished = False
        self._startup: Any = None
        self._last_alive = 0.0
        self._gap_began = 0.0

    @property
    def depth(self) -> int:
        """How many items wait for the consumer."""
        return len(self._items) + len(self._held or ())

    def start(self) -> None:
        """Begin to connect; iterating does it by itself."""
        if self._supervisor is None and not self._finished:
            self._supervisor = asyncio.create_task(self._supervise(), name=f"ari-events-{self.apps[0]}")

    def __aiter__(self) -> AsyncIterator[Item]:
        self.start()
        return self

    async def __anext__(self) -> Item:
        """The next item.

        Raises: AriUnauthorized, AriForbidden or AriBadRequest when the first connect can never succeed.
        """
        while not self._items:
            if self._failure is not None:
                raise self._failure
            if self._finished:
                raise StopAsyncIteration
            self._wake.clear()
            await self._wake.wait()
        return self._items.popleft()

    def take_all(self) -> list[Item]:
        """Everything that waits now, without waiting: for a consumer that works in batches."""
        items = list(self._items)
        self._items.clear()
        return items

    async def close(self) -> None:
        """Close the socket and end the iteration once what already arrived is consumed."""
        self._finished = True
        supervisor = self._supervisor
        if supervisor is not None and supervisor is not asyncio.current_task():
            supervisor.cancel()
            await asyncio.gather(supervisor, return_exceptions=True)
        self._wake.set()

    def _put(self, item: Item) -> None:
        self._items.append(item)
        self._wake.set()

    async def _supervise(self) -> None:
        """Connect again and again until closed, replaced or refused for good."""
        failures = 0
        try:
            while not self._finished:
                reason = await self._attempt()
                if self._finished:
                    return
                failures = 0 if self.connected else failures + 1
                if self.connected:
                    self._gap_begins()
                    self._put(Disconnected(reason))
                level = logging.WARNING if failures <= 1 else logging.DEBUG
                log.log(level, "no event WebSocket", extra={"event": "ari-disconnected", "reason": reason})
                await asyncio.sleep(_pause_seconds(failures))
        except asyncio.CancelledError:
            if not self._finished:
                raise
        except BaseException as error:
            self._failure = error
        finally:
            self.connected = False
            self._finished = True
            self._wake.set()

    def _gap_begins(self) -> None:
        """Note since when events may be missing: the last sign of life, but no longer ago than the pings allow."""
        now = asyncio.get_running_loop().time()
        self._gap_began = max(self._last_alive, now - self._ping_interval_seconds - self._ping_timeout_seconds)
        self.connected = False

    async def _attempt(self) -> str:
        """One connection from its handshake to its end; answers why it ended."""
        try:
            async with connect(
                self._url,
                additional_headers={"Authorization": basic_authorization(self._address)},
                open_timeout=_OPEN_TIMEOUT_SECONDS,
                close_timeout=_CLOSE_TIMEOUT_SECONDS,
                ping_interval=self._ping_interval_seconds,
                ping_timeout=self._ping_timeout_seconds,
                compression=None,
                max_size=_LARGEST_MESSAGE_BYTES,
                max_queue=None,
                proxy=None,
                ssl=self._ssl,
                logger=_quiet,
            ) as socket:
                return await self._serve(socket)
        except InvalidStatus as error:
            refusal = error_for(error.response.status_code, "GET", "/events", bytes(error.response.body or b""))
            return self._not_connected(refusal)
        except (AriError, AriUnavailable) as error:
            return self._not_connected(error)
        except (OSError, TimeoutError, InvalidHandshake, WebSocketException) as error:
            return str(error) or type(error).__name__

    def _not_connected(self, error: DialerError) -> str:
        """The reason as text; raises the error itself when trying again cannot help."""
        if isinstance(error, _HOPELESS) and self._startup is None:
            raise error
        return str(error)

    async def _serve(self, socket: ClientConnection) -> str:
        """Read until the socket ends, with the set-up requests running beside the reader."""
        self._held = deque()
        if isinstance(self._transport, WebSocketTransport):
            self._transport.attach(_sender(socket))
        reader = asyncio.create_task(self._read(socket))
        set_up = asyncio.create_task(self._set_up())
        try:
            await asyncio.wait({reader, set_up}, return_when=asyncio.FIRST_COMPLETED)
            if not set_up.done():
                return await reader
            set_up.result()
            return await reader
        finally:
            for task in (set_up, reader):
                task.cancel()
            await asyncio.gather(set_up, reader, return_exceptions=True)
            self._held = None
            if isinstance(self._transport, WebSocketTransport):
                self._transport.detach("the event WebSocket closed")

    async def _read(self, socket: ClientConnection) -> str:
        decode, receive, alive = self.decoder.decode, socket.recv, asyncio.get_running_loop().time
        deliver = self._transport.deliver if isinstance(self._transport, WebSocketTransport) else None
        try:
            while True:
                event = decode(await receive(decode=False))
                self._last_alive = alive()
                if event is None:
                    continue
                kind = type(event)
                if kind is RESTResponse:
                    if deliver is not None:
                        deliver(event)
                    continue
                self.received += 1
                if kind is ApplicationReplaced:
                    self._replaced(event)
                    return "the application was replaced"
                if self._held is None:
                    self._items.append(event)
                    self._wake.set()
                else:
                    self._held.append(event)
        except ConnectionClosed as closed:
            return str(closed)

    def _replaced(self, event: ApplicationReplaced) -> None:
        self._release()
        self._put(Replaced(event.application))
        self._finished = True
        log.error("another program took the application", extra={"event": "ari-replaced", "app": event.application})

    async def _set_up(self) -> None:
        """Filter, ask whether Asterisk restarted, then let the held events follow the notice."""
        now = asyncio.get_running_loop().time
        detected = now()
        if self._disallowed:
            for app in self.apps:
                path = f"/applications/{quote(app, safe='')}/eventFilter"
                await self._transport.request("PUT", path, body={"disallowed": self._disallowed})
        info = (await self._transport.request("GET", "/asterisk/info", (("only", "status"),))).json()
        startup = (info.get("status") or {}).get("startup_time", "")
        first = self._startup is None
        restarted = not first and startup != self._startup
        self._startup = startup
        self.connected = True
        self.reconnects += not first
        self._put(Connected(first, 0.0 if first else detected - self._gap_began, restarted))
        self._release()
        log.info("event WebSocket connected", extra={"event": "ari-connected", "app": ",".join(self.apps)})

    def _release(self) -> None:
        if self._held is not None:
            self._items.extend(self._held)
            self._held = None
            self._wake.set()


_quiet = logging.getLogger("stasis_dialer.ari.stream.socket")
_quiet.setLevel(logging.WARNING)
"""The library's own log of every frame stays off even when the program logs at DEBUG."""


def _sender(socket: ClientConnection) -> Any:
    async def send(message: bytes) -> None:
        try:
            await socket.send(message, text=True)
        except ConnectionClosed as closed:
            raise AriUnavailable(f"the WebSocket closed before the request: reason={closed}") from closed

    return send


def _pause_seconds(failures: int) -> float:
    """How long to wait before attempt number `failures` + 1; the jitter keeps several programs from coming at once."""
    longest = min(LONGEST_PAUSE_SECONDS, SHORTEST_PAUSE_SECONDS * 2.0 ** min(failures, 10))
    return longest * random.uniform(0.5, 1.0)
