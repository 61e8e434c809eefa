"""Messages to other systems, against receivers that are slow, dead, broken or hostile."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from stasis_dialer.core.model import CallRecord, Direction, Disposition
from stasis_dialer.core.webhooks import HookEvent, is_final_refusal, payload, signature
from stasis_dialer.engine.clock import Clock
from stasis_dialer.engine.webhooks import Hook, Webhooks
from tests.engine.waiting import eventually
from tests.unit.core.builders import LEAD, bridged, queued

SECRET = "0123456789abcdef"
RECORD = CallRecord("c1", "app", 7, 70, "5511987654321", "carrier", agent="1001")
ALL = frozenset(HookEvent)


class Counts(Counter[str]):
    """Counts outcomes."""

    def webhook(self, outcome: str) -> None:
        self[outcome] += 1


Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Place:
    """A receiver on loopback; `heard` is what reached it, `answer` how it answers."""

    def __init__(self) -> None:
        self.heard: list[tuple[dict[str, str], bytes]] = []
        self.answer: Answer = self._well
        self.url = ""

    async def _well(self, request: web.Request) -> web.StreamResponse:
        return web.Response()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.heard.append((dict(request.headers), await request.read()))
        return await self.answer(request)

    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.heard]


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    made = Place()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/calls"
    yield made
    await runner.cleanup()


def hook_at(url: str, events: frozenset[HookEvent] = ALL, **changes: Any) -> Hook:
    """A receiver with pauses of hundredths."""
    return Hook(url, events, SECRET, first_pause_seconds=0.01, **changes)


@contextlib.asynccontextmanager
async def telling(*hooks: Hook) -> AsyncIterator[tuple[Webhooks, Counts]]:
    """Webhooks that deliver."""
    counts = Counts()
    made = Webhooks(hooks, Clock(), "app", counts)
    task = asyncio.create_task(made.run())
    try:
        yield made, counts
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_given_a_call_then_each_event_is_told_and_signed(place: Place) -> None:
    story = bridged()
    async with telling(hook_at(place.url)) as (hooks, counts):
        for tell in (hooks.placed, hooks.answered, hooks.joined, hooks.lost, hooks.ended):
            tell(story.call)
        assert await hooks.drained(5.0)
    assert sorted(message["event"] for message in place.messages()) == ["answer", "connect", "end"]
    assert counts == {"delivered": 3}
    for headers, body in place.heard:
        stamp = int(headers["X-Stasis-Dialer-Timestamp"])
        assert headers["X-Stasis-Dialer-Signature"] == signature(SECRET, stamp, body)
        message = json.loads(body)
        assert headers["X-Stasis-Dialer-Delivery"] == message["id"]
        assert headers["X-Stasis-Dialer-Event"] == message["event"]
        call = message["call"]
        assert (message["version"], call["call_id"], call["number"]) == (1, "c1", "…4321")
        assert (call["campaign"], call["lead_name"], call["agent"]) == ("spring", "Ana", "1001")
        assert b"987654321" not in body


async def test_given_a_receiver_of_some_events_then_no_other_and_numbers_by_its_setting(place: Place) -> None:
    hook = hook_at(place.url, frozenset({HookEvent.END}), shows_numbers=True)
    async with telling(hook) as (hooks, _):
        hooks.answered(queued().call)
        hooks.ended(queued().call)
        assert await hooks.drained(5.0)
    (message,) = place.messages()
    assert (message["event"], message["call"]["number"]) == ("end", "5511987654321")


async def test_given_an_agents_disposition_then_it_is_told(place: Place) -> None:
    async with telling(hook_at(place.url)) as (hooks, _):
        hooks.tell(
            HookEvent.DISPOSITION,
            RECORD,
            "spring",
            replace(LEAD, attributes=(("plano", "ouro"),)),
            {"code": "sale", "by": "1001"},
        )
        assert await hooks.drained(5.0)
    assert place.messages()[0]["call"]["lead_attributes"] == {"plano": "ouro"}
    assert place.messages()[0]["agents_disposition"] == {"code": "sale", "by": "1001"}


async def test_given_an_answer_500_then_it_is_sent_again_with_the_same_id_until_it_is_taken(place: Place) -> None:
    async def twice_broken(_: web.Request) -> web.StreamResponse:
        return web.Response(status=500 if len(place.heard) < 3 else 204)

    place.answer = twice_broken
    async with telling(hook_at(place.url)) as (hooks, counts):
        hooks.ended(queued().call)
        assert await hooks.drained(5.0)
    assert len({message["id"] for message in place.messages()}) == 1
    assert counts == {"failed": 2, "delivered": 1}


async def test_given_a_receiver_that_stays_broken_then_it_is_given_up_after_its_tries(place: Place) -> None:
    async def broken(_: web.Request) -> web.StreamResponse:
        return web.Response(status=503)

    place.answer = broken
    async with telling(hook_at(place.url, tries=3)) as (hooks, counts):
        hooks.ended(queued().call)
        assert await hooks.drained(5.0)
    assert (len(place.heard), counts) == (3, {"failed": 3, "given_up": 1})


async def test_given_a_dead_receiver_then_calls_do_not_wait_and_the_oldest_goes_when_the_queue_is_full() -> None:
    async with telling(hook_at("http://127.0.0.1:9/x", tries=100, queue=10)) as (hooks, counts):
        before = asyncio.get_running_loop().time()
        for _ in range(500):
            hooks.ended(queued().call)
        assert asyncio.get_running_loop().time() - before < 5.0
        assert counts["dropped"] == 490
        assert not await hooks.drained(0.05)
    assert hooks.depth <= 10


async def test_given_a_slow_receiver_then_it_is_cut_off_and_another_one_is_not_held_up(place: Place) -> None:
    async def slow(request: web.Request) -> web.StreamResponse:
        if request.path == "/slow":
            await asyncio.sleep(30.0)
        return web.Response()

    place.answer = slow
    slow_hook = hook_at(place.url.replace("/calls", "/slow"), timeout_seconds=0.2, tries=1)
    async with telling(slow_hook, hook_at(place.url)) as (hooks, counts):
        hooks.ended(queued().call)
        await eventually(lambda: counts["delivered"] == 1, "the quick receiver to be told")
        assert await hooks.drained(5.0)
    assert counts == {"delivered": 1, "failed": 1, "given_up": 1}


async def test_given_a_redirect_then_it_is_not_followed(place: Place) -> None:
    async def hostile(request: web.Request) -> web.StreamResponse:
        assert request.path == "/calls", "followed"
        raise web.HTTPTemporaryRedirect("/internal")

    place.answer = hostile
    async with telling(hook_at(place.url)) as (hooks, counts):
        hooks.ended(queued().call)
        assert await hooks.drained(5.0)
    assert (len(place.heard), counts) == (1, {"given_up": 1})


async def test_given_an_endless_answer_then_only_its_status_counts(place: Place) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Set-Cookie": "a=b"})
        await answer.prepare(request)
        with contextlib.suppress(ConnectionError):
            while True:
                await answer.write(b"x" * 65_536)
        return answer

    place.answer = endless
    async with telling(hook_at(place.url, timeout_seconds=2.0)) as (hooks, counts):
        hooks.ended(queued().call)
        hooks.ended(bridged().call)
        assert await hooks.drained(5.0)
    assert counts == {"delivered": 2}
    assert all("Cookie" not in headers for headers, _ in place.heard)


async def test_given_it_is_stopped_in_the_middle_then_at_once_and_nothing_is_lost_from_the_queue(place: Place) -> None:
    async def slow(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(30.0)
        return web.Response()

    place.answer = slow
    async with telling(hook_at(place.url)) as (hooks, _):
        hooks.ended(queued().call)
        await eventually(lambda: bool(place.heard), "the message to be under way")
        assert not await hooks.drained(0.05)
    assert hooks.depth == 1


def test_given_no_receiver_then_nothing_is_done() -> None:
    hooks = Webhooks([], Clock(), "app", Counts())
    hooks.ended(queued().call)
    assert (hooks.is_used, hooks.depth) == (False, 0)


def test_a_changed_or_an_old_message_has_another_signature() -> None:
    wanted = hmac.new(SECRET.encode(), b"1.{}", hashlib.sha256).hexdigest()
    assert signature(SECRET, 1, b"{}") == f"v1={wanted}"
    assert len({signature(SECRET, 1, b"{}"), signature(SECRET, 2, b"{}"), signature(SECRET, 1, b"{} ")}) == 3
    assert signature("another-secret-of-ours", 1, b"{}") != signature(SECRET, 1, b"{}")


@pytest.mark.parametrize(
    ("status", "is_final"),
    [(301, True), (308, True), (400, True), (404, True), (410, True), (408, False), (429, False), (500, False)],
)
def test_which_answers_end_a_message(status: int, is_final: bool) -> None:
    assert is_final_refusal(status) is is_final


def test_what_has_not_happened_is_null_and_inbound_says_so() -> None:
    record = replace(RECORD, direction=Direction.INBOUND, disposition=Disposition.ANSWERED, agent=None)
    body = payload(HookEvent.END, "d1", Clock().utc_now(), record, campaign="spring", lead=None)
    call = json.loads(body)["call"]
    assert (call["direction"], call["disposition"], call["agent"], call["ended_at"]) == (
        "inbound",
        "answered",
        None,
        None,
    )
