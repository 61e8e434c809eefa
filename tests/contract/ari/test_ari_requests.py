"""Requests that meet trouble: lost answers, slow servers, closed sockets; what is repeated and what never is."""

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from stasis_dialer import ari
from tests.contract.ari.conftest import Heard, Server, eventually, listening, new_id, until_no_bridge
from tests.fakes.ari_server import FakeAri, Fault


@pytest.mark.parametrize("fault", ["lose_request", "lose_answer"])
async def test_given_an_id_of_ours_when_the_answer_is_lost_then_the_channel_is_made_once_and_answered(
    fake: FakeAri, app: str, fault: str
) -> None:
    fake.faults.append(Fault("POST", "/channels/create", **{fault: True}))
    async with ari.connect(fake.url, fake.user, fake.password) as client:
        leg = new_id()
        channel = await client.channels.create(endpoint=fake.endpoint("human"), app=app, channelId=leg)
        assert channel.id == leg
        assert list(fake.channels) == [leg]


async def test_given_no_id_of_ours_when_the_answer_is_lost_then_nothing_is_repeated(fake: FakeAri, app: str) -> None:
    fake.faults.append(Fault("POST", "/channels/create", lose_answer=True))
    async with ari.connect(fake.url, fake.user, fake.password) as client:
        with pytest.raises(ari.AriUnavailable, match="connection closed before the answer"):
            await client.channels.create(endpoint=fake.endpoint("human"), app=app)
        assert fake.requests.count(("POST", "/channels/create")) == 1


async def test_a_delete_whose_answer_was_lost_is_done_or_not_found(fake: FakeAri, app: str) -> None:
    fake.faults.append(Fault("DELETE", "/channels/.*", times=1, lose_answer=True))
    async with ari.connect(fake.url, fake.user, fake.password) as client:
        channel = await client.channels.create(endpoint=fake.endpoint("human"), app=app, channelId=new_id())
        with pytest.raises(ari.AriNotFound):
            await channel.hangup()
        assert fake.channels == {}


async def test_a_get_is_repeated_once_and_no_more(fake: FakeAri) -> None:
    async with ari.connect(fake.url, fake.user, fake.password) as client:
        fake.faults.append(Fault("GET", "/bridges", lose_answer=True))
        assert await client.bridges.list() == []
        fake.faults.append(Fault("GET", "/bridges", times=9, lose_answer=True))
        with pytest.raises(ari.AriUnavailable, match="sessionlimit"):
            await client.bridges.list()


async def test_a_request_that_takes_too_long_is_a_time_out_over_both_carriers_and_not_repeated(
    fake: FakeAri, app: str, transport: Any
) -> None:
    client = ari.connect(fake.url, fake.user, fake.password, transport=transport, timeout_seconds=0.2)
    async with client, aclosing(listening(client, app)) as steps:
        await anext(steps)
        fake.faults.append(Fault("GET", "/bridges", delay=0.5))
        with pytest.raises(ari.AriTimeout, match=r"timeout_seconds=0\.2"):
            await client.bridges.list()
        await eventually(lambda: ("GET", "/bridges") in fake.requests or transport == "http", "the late answer")
        assert await client.channels.list() == []


@pytest.mark.parametrize("fault", ["lose_request", "lose_answer"])
async def test_a_request_whose_socket_closes_fails_at_once_and_is_not_repeated(
    fake: FakeAri, app: str, fault: str
) -> None:
    client = ari.connect(fake.url, fake.user, fake.password, transport="websocket")
    async with client, aclosing(listening(client, app)) as steps:
        heard = await anext(steps)
        fake.faults.append(Fault("GET", "/bridges", **{fault: True}))
        with pytest.raises(ari.AriUnavailable, match="closed"):
            await client.bridges.list()
        await heard.until(ari.Connected, times=2)
        assert await client.bridges.list() == []


async def test_requests_on_one_socket_are_answered_in_order_and_matched_by_id(
    client: ari.Client, heard: Heard, ari_server: Server
) -> None:
    bridges = [new_id("b") for _ in range(30)]
    made = await asyncio.gather(*(client.bridges.create(bridgeId=number, type="mixing") for number in bridges))
    assert [bridge.id for bridge in made] == bridges
    gone = await asyncio.gather(
        *(client.bridges.get(bridgeId=number) for number in (*bridges, "gone")), return_exceptions=True
    )
    assert isinstance(gone[-1], ari.AriNotFound)
    await asyncio.gather(*(bridge.destroy() for bridge in made))
    await until_no_bridge(client)


async def test_a_cancelled_request_leaves_nothing_behind(fake: FakeAri, app: str, transport: Any) -> None:
    client = ari.connect(fake.url, fake.user, fake.password, transport=transport)
    async with client, aclosing(listening(client, app)) as steps:
        await anext(steps)
        fake.faults.append(Fault("GET", "/bridges", delay=0.05))
        asking = asyncio.create_task(client.bridges.list())
        await eventually(lambda: fake.faults[0].times == 0, "the request to arrive")
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert await client.bridges.list() == []


async def test_the_request_line_stays_short_enough_for_any_arguments(
    client: ari.Client, heard: Heard, ari_server: Server, app: str
) -> None:
    leg = new_id()
    words = ",".join(f"word{number}" for number in range(1000))
    await client.channels.create(endpoint=ari_server.endpoint("human"), app=app, channelId=leg, appArgs=words)
    assert (await client.channels.get(channelId=leg)).id == leg


async def test_asterisk_that_is_gone_is_unavailable(fake: FakeAri) -> None:
    async with ari.connect("http://127.0.0.1:1", fake.user, fake.password) as client:
        with pytest.raises(ari.AriUnavailable, match="is Asterisk running"):
            await client.asterisk.ping()


async def test_a_closed_client_says_so(fake: FakeAri) -> None:
    client = ari.connect(fake.url, fake.user, fake.password)
    await client.close()
    with pytest.raises(ari.AriUnavailable, match="closed"):
        await client.asterisk.ping()


async def test_before_the_socket_is_there_requests_travel_over_http(fake: FakeAri, app: str) -> None:
    async with ari.connect(fake.url, fake.user, fake.password, transport="websocket") as client:
        assert (await client.asterisk.ping())["ping"] == "pong"
        transport = ari.WebSocketTransport()
        with pytest.raises(ari.AriUnavailable, match="no event WebSocket"):
            await transport.request("GET", "/asterisk/ping")
