"""Tells other systems of calls by HTTP: signed, repeated when it fails, and never in the way of a call.

Guarantees that a call only ever appends to a queue. Each receiver has its own queue, bounded: when it is full the
oldest message goes, counted and warned of. A receiver that fails is asked again after a growing pause; what stays
undelivered is given up after a number of tries. Redirects are not followed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import aiohttp
import structlog

from stasis_dialer.core import cdr
from stasis_dialer.core import webhooks as rules
from stasis_dialer.core.call import Call
from stasis_dialer.core.model import CallRecord, Lead
from stasis_dialer.core.webhooks import HookEvent
from stasis_dialer.engine.clock import Clock

log = structlog.get_logger(__name__)

WORKERS: Final = 4
"""Messages under way to one receiver: at 50 ms an answer that is 80 a second. Order is by `at`, not by arrival."""
LONGEST_PAUSE_SECONDS: Final = 60.0
WARN_EVERY: Final = 100
"""Of the messages that are dropped one by one the first is warned of, then each hundredth."""


@dataclass(frozen=True, slots=True)
class Hook:
    """One receiver. Units: `timeout_seconds` a whole request; `tries` of one message; `queue` messages that wait."""

    url: str
    events: frozenset[HookEvent]
    secret: str
    shows_numbers: bool = False
    timeout_seconds: float = 5.0
    tries: int = 8
    queue: int = 1000
    first_pause_seconds: float = 1.0


class HookWatcher(Protocol):
    """Somebody who counts messages."""

    def webhook(self, outcome: str) -> None: ...


@dataclass
class _Message:
    id: str
    event: HookEvent
    body: bytes
    tries: int = 0


class Receiver:
    """One receiver's queue and the tasks that empty it."""

    def __init__(self, hook: Hook, clock: Clock, watcher: HookWatcher) -> None:
        self.hook = hook
        self._clock = clock
        self._watcher = watcher
        self._queue: deque[_Message] = deque()
        self._waiting = asyncio.Event()
        self.idle = asyncio.Event()
        """Set while everything is delivered, or given up."""
        self.idle.set()
        self._under_way = 0
        self._failures = 0
        self._again_at = 0.0
        self._dropped = 0

    @property
    def depth(self) -> int:
        """Messages that are not delivered yet."""
        return len(self._queue) + self._under_way

    def put(self, message: _Message) -> None:
        """Never waits: a full queue loses its oldest message."""
        if len(self._queue) >= self.hook.queue:
            lost = self._queue.popleft()
            self._dropped += 1
            self._watcher.webhook("dropped")
            if self._dropped % WARN_EVERY == 1:
                log.warning("webhook-dropped", url=self.hook.url, delivery=lost.id, dropped=self._dropped)
        self._queue.append(message)
        self._waiting.set()
        self.idle.clear()

    async def run(self, session: aiohttp.ClientSession) -> None:
        """Deliver for ever."""
        await asyncio.gather(*(self._work(session) for _ in range(WORKERS)))

    async def _work(self, session: aiohttp.ClientSession) -> None:
        while True:
            await asyncio.sleep(max(0.0, self._again_at - asyncio.get_running_loop().time()))
            if not self._queue:
                if not self._under_way:
                    self.idle.set()
                self._waiting.clear()
                await self._waiting.wait()
                continue
            message = self._queue.popleft()
            self._under_way += 1
            try:
                is_done = await self._deliver(session, message)
            except asyncio.CancelledError:
                self._queue.appendleft(message)
                raise
            except Exception:
                log.exception("webhook-broken", url=self.hook.url, delivery=message.id, fault="ours")
                is_done = True
            finally:
                self._under_way -= 1
            if is_done:
                self._failures = 0
                continue
            if message.tries < self.hook.tries:
                self._queue.appendleft(message)
            else:
                self._give_up(message, f"{message.tries} tries")
            self._pause()

    def _pause(self) -> None:
        """All of a receiver's workers wait; those that fail side by side count as one failure."""
        now = asyncio.get_running_loop().time()
        if now < self._again_at:
            return
        pause = min(LONGEST_PAUSE_SECONDS, self.hook.first_pause_seconds * 2 ** min(self._failures, 10))
        self._failures += 1
        self._again_at = now + pause

    async def _deliver(self, session: aiohttp.ClientSession, message: _Message) -> bool:
        """Whether the message is dealt with: delivered, or refused for good."""
        message.tries += 1
        timestamp = int(self._clock.utc_now().timestamp())
        headers = {
            "Content-Type": "application/json",
            rules.TIMESTAMP_HEADER: str(timestamp),
            rules.SIGNATURE_HEADER: rules.signature(self.hook.secret, timestamp, message.body),
            rules.EVENT_HEADER: str(message.event),
            rules.DELIVERY_HEADER: message.id,
        }
        timeout = aiohttp.ClientTimeout(total=self.hook.timeout_seconds)
        try:
            async with session.post(
                self.hook.url, data=message.body, headers=headers, timeout=timeout, allow_redirects=False
            ) as answer:
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return self._failed(message, str(error) or type(error).__name__)
        if 200 <= status < 300:
            self._watcher.webhook("delivered")
            return True
        if rules.is_final_refusal(status):
            self._give_up(message, f"status {status}")
            return True
        return self._failed(message, f"status {status}")

    def _failed(self, message: _Message, why: str) -> bool:
        self._watcher.webhook("failed")
        level = log.warning if self._failures == 0 else log.debug
        level("webhook-failed", url=self.hook.url, delivery=message.id, tries=message.tries, why=why)
        return False

    def _give_up(self, message: _Message, why: str) -> None:
        self._watcher.webhook("given_up")
        log.warning("webhook-given-up", url=self.hook.url, delivery=message.id, why=why)


class Webhooks:
    """All receivers; a listener of calls."""

    def __init__(self, hooks: Sequence[Hook], clock: Clock, app: str, watcher: HookWatcher) -> None:
        self._clock = clock
        self._app = app
        self._receivers = [Receiver(hook, clock, watcher) for hook in hooks]

    @property
    def is_used(self) -> bool:
        """Whether anybody is to be told."""
        return bool(self._receivers)

    @property
    def depth(self) -> int:
        """Messages that are not delivered yet."""
        return sum(receiver.depth for receiver in self._receivers)

    def placed(self, call: Call) -> None:
        """Nobody is told of a call that nobody answered before it ends."""

    def answered(self, call: Call) -> None:
        """Somebody picked up."""
        self._tell_of(HookEvent.ANSWER, call)

    def sought(self, call: Call) -> None:
        """Nobody is told of a customer who waits."""

    def detected(self, call: Call) -> None:
        """The messages to come tell what answered."""

    def joined(self, call: Call) -> None:
        """Customer and agent talk."""
        self._tell_of(HookEvent.CONNECT, call)

    def announced(self, call: Call) -> None:
        """Only whoever records is concerned."""

    def lost(self, call: Call) -> None:
        """Its end tells of a person whom nobody served."""

    def ended(self, call: Call) -> None:
        """The call is over."""
        self._tell_of(HookEvent.END, call)

    def disposed(self, call: Call, disposition: Mapping[str, Any]) -> None:
        """The agent said how the call came out: code, label, and what else was said."""
        self._tell_of(HookEvent.DISPOSITION, call, disposition)

    def disposed_late(self, record: CallRecord, campaign: str, disposition: Mapping[str, Any]) -> None:
        """As `disposed`, of a call that ended long ago."""
        self.tell(HookEvent.DISPOSITION, record, campaign, None, disposition)

    def _tell_of(self, event: HookEvent, call: Call, disposition: Mapping[str, Any] | None = None) -> None:
        if not any(event in receiver.hook.events for receiver in self._receivers):
            return
        record = cdr.record(call, self._app, self._clock.utc)
        self.tell(event, record, call.campaign.name, call.lead, disposition)

    def tell(
        self,
        event: HookEvent,
        record: CallRecord,
        campaign: str,
        lead: Lead | None,
        disposition: Mapping[str, Any] | None = None,
    ) -> None:
        """Put a message into the queue of every receiver that wants this event."""
        at = self._clock.utc_now()
        delivery_id = f"{record.call_id}-{event}-{int(at.timestamp() * 1000)}"
        for receiver in self._receivers:
            if event in receiver.hook.events:
                body = rules.payload(
                    event,
                    delivery_id,
                    at,
                    record,
                    campaign=campaign,
                    lead=lead,
                    agents_disposition=disposition,
                    shows_numbers=receiver.hook.shows_numbers,
                )
                receiver.put(_Message(delivery_id, event, body))

    async def run(self) -> None:
        """Deliver for ever. A receiver's answer is not read: only its status counts."""
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=WORKERS * len(self._receivers)),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        ) as session:
            await asyncio.gather(*(receiver.run(session) for receiver in self._receivers))

    async def drained(self, timeout_seconds: float) -> bool:
        """Wait until everything is delivered, at most so long; says whether it is."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                for receiver in self._receivers:
                    await receiver.idle.wait()
        if self.depth:
            log.warning("webhooks-undelivered", messages=self.depth)
        return not self.depth
