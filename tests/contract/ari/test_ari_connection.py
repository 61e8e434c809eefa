"""The event stream: first connect, gaps, half-open links, filters, replacement; on the fake and on Asterisk 22."""

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from stasis_dialer import ari
from stasis_dialer.ari import events
from stasis_dialer.ari.stream import NOISE
from stasis_dialer.lab.proxy import CuttableProxy
from tests.contract.ari.conftest import Heard, Server, answered, dialled, eventually, listening, new_id
from tests.fakes.ari_server import FakeAri, Fault

FAST_PINGS = {"ping_interval_seconds": 0.1, "ping_timeout_seconds": 0.2}


def through(proxy: CuttableProxy, server: Server, transport: Any = "http") -> ari.Client:
    return ari.connect(proxy.url, server.user, server.password, transport=transport)


async def test_the_first_item_is_connected(heard: Heard) -> None:
    assert heard.items[0] == ari.Connected(first=True, gap_seconds=0.0, asterisk_restarted=False)
    assert heard.stream.connected


async def test_a_wrong_password_fails_loudly_at_the_first_connect(ari_server: Server, app: str) -> None:
    async with ari.connect(ari_server.url, ari_server.user, "wrong") as client:
        with pytest.raises(ari.AriUnauthorized, match=r"ari\.conf"):
            await client.run(apps=app)
        with pytest.raises(ari.AriUnauthorized):
            await client.asterisk.ping()


async def test_reconnect_sends_no_stasis_start_again_and_reports_the_gap(
    ari_server: Server, proxy: CuttableProxy, app: str, transport: Any
) -> None:
    async with through(proxy, ari_server, transport) as client, aclosing(listening(client, app)) as steps:
        heard = await anext(steps)
        leg = await answered(client, heard, ari_server)
        proxy.cut_events()
        await heard.until(ari.Disconnected)
        assert not heard.stream.connected
        proxy.restore()
        again = await heard.until(ari.Connected, times=2)
        assert (again.first, again.asterisk_restarted) == (False, False)
        assert 0 < again.gap_seconds < 10
        assert [channel.id for channel in await client.channels.list()] == [leg]
        await client.channels.hangup(channelId=leg)
        await heard.until(events.ChannelDestroyed, leg)
        assert len(heard.of(events.StasisStart, leg)) == 1
        assert heard.stream.reconnects == 1


async def test_a_call_that_is_answered_during_the_gap_stays_up_in_stasis(
    ari_server: Server, proxy: CuttableProxy, app: str
) -> None:
    async with through(proxy, ari_server) as client, aclosing(listening(client, app)) as steps:
        heard = await anext(steps)
        leg = await dialled(client, heard, ari_server.endpoint("human"))
        proxy.cut_events()
        await heard.until(ari.Disconnected)
        await up(client, leg)
        proxy.restore()
        await heard.until(ari.Connected, times=2)
        channel = await client.channels.get(channelId=leg)
        assert (channel.json["state"], channel.json["dialplan"]["app_name"]) == ("Up", "Stasis")


async def up(client: ari.Client, channel_id: str) -> None:
    """Wait for a channel to be up by asking, while no events come."""
    state = ""
    async with asyncio.timeout(10):
        while state != "Up":
            state = (await client.channels.get(channelId=channel_id)).json["state"]


async def test_a_half_open_link_is_noticed_by_the_pings_and_the_stream_comes_back(
    ari_server: Server, proxy: CuttableProxy, app: str
) -> None:
    async with through(proxy, ari_server) as client, aclosing(listening(client, app, **FAST_PINGS)) as steps:
        heard = await anext(steps)
        proxy.freeze()
        lost = await heard.until(ari.Disconnected)
        assert "ping" in lost.reason or "keepalive" in lost.reason
        proxy.restore()
        await heard.until(ari.Connected, times=2)


async def test_application_replaced_stops_the_stream_for_ever(
    client: ari.Client, heard: Heard, ari_server: Server, app: str
) -> None:
    async with (
        ari.connect(ari_server.url, ari_server.user, ari_server.password) as rival,
        aclosing(listening(rival, app)) as steps,
    ):
        theirs = await anext(steps)
        assert (await heard.until(ari.Replaced)).application == app
        await eventually(lambda: not heard.stream.connected, "the first stream to stop", heard)
        leg = await answered(rival, theirs, ari_server)
        assert heard.items[-1] == ari.Replaced(app)
        assert heard.of(events.StasisStart, leg) == []
        assert theirs.stream.connected


async def test_run_raises_when_the_application_was_replaced(client: ari.Client, ari_server: Server, app: str) -> None:
    running = asyncio.create_task(client.run(apps=app))
    await eventually(lambda: client.connected, "the client to be connected")
    async with (
        ari.connect(ari_server.url, ari_server.user, ari_server.password) as rival,
        aclosing(listening(rival, app)) as steps,
    ):
        await anext(steps)
        with pytest.raises(ari.AppReplaced, match=app):
            await running


async def test_the_event_filter_is_in_force_and_applied_again_after_a_reconnect(
    ari_server: Server, proxy: CuttableProxy, app: str
) -> None:
    wanted = [{"type": name} for name in NOISE]
    async with through(proxy, ari_server) as client, aclosing(listening(client, app)) as steps:
        heard = await anext(steps)
        assert (await client.call("applications.get", applicationName=app))["events_disallowed"] == wanted
        leg = await answered(client, heard, ari_server)
        await client.applications.filter(applicationName=app, filter={"disallowed": []})
        proxy.cut_events()
        await heard.until(ari.Disconnected)
        proxy.restore()
        await heard.until(ari.Connected, times=2)
        assert (await client.call("applications.get", applicationName=app))["events_disallowed"] == wanted
        await client.channels.setChannelVar(channelId=leg, variable="A", value="b")
        await client.channels.hangup(channelId=leg)
        await heard.until(events.ChannelDestroyed, leg)
        assert heard.of(events.ChannelVarset) == []


async def test_without_a_filter_variables_are_heard(client: ari.Client, ari_server: Server, app: str) -> None:
    async with aclosing(listening(client, app, disallowed_events=())) as steps:
        heard = await anext(steps)
        leg = await answered(client, heard, ari_server)
        await client.channels.setChannelVar(channelId=leg, variable="AAA", value="b")
        await eventually(
            lambda: "AAA" in [event.variable for event in heard.of(events.ChannelVarset, leg)], "ChannelVarset", heard
        )


async def test_an_endpoint_subscription_makes_every_event_of_our_own_call_come_twice(
    client: ari.Client, heard: Heard, ari_server: Server, app: str
) -> None:
    await client.applications.subscribe(applicationName=app, eventSource="endpoint:PJSIP/carrier")
    leg = await dialled(client, heard, ari_server.endpoint("busy"))
    await heard.until(events.ChannelDestroyed, leg, times=2)
    first, second = heard.of(events.ChannelDestroyed, leg)
    assert first == second
    await client.applications.unsubscribe(applicationName=app, eventSource="endpoint:PJSIP/carrier")


async def test_close_ends_the_iteration_and_leaves_the_calls_alone(
    client: ari.Client, ari_server: Server, app: str
) -> None:
    async with aclosing(listening(client, app)) as steps:
        heard = await anext(steps)
        leg = await answered(client, heard, ari_server)
    assert not heard.stream.connected
    assert (await client.channels.get(channelId=leg)).json["state"] == "Up"


async def test_one_socket_can_carry_several_applications(client: ari.Client, ari_server: Server, app: str) -> None:
    heard = Heard(client.stream([app, f"{app}-b"]))
    task = asyncio.create_task(heard.listen())
    await heard.until(ari.Connected)
    leg = new_id()
    await client.channels.create(endpoint=ari_server.endpoint("human"), app=f"{app}-b", channelId=leg)
    assert (await heard.until(events.StasisStart, leg)).application == f"{app}-b"
    await heard.stream.close()
    await task


# What can be provoked in the fake only.


async def fake_stream(fake: FakeAri, app: str, **options: Any) -> tuple[ari.Client, Heard, asyncio.Task[None]]:
    client = ari.connect(fake.url, fake.user, fake.password)
    heard = Heard(client.stream(app, **options))
    return client, heard, asyncio.create_task(heard.listen())


async def test_asterisk_still_loading_is_tried_again_until_it_is_ready(fake: FakeAri, app: str) -> None:
    fake.is_loading = True
    client, heard, task = await fake_stream(fake, app)
    async with client:
        with pytest.raises(ari.AriLoading):
            await client.asterisk.ping()
        fake.is_loading = False
        await heard.until(ari.Connected)
    await task


async def test_a_restart_of_asterisk_is_in_the_notice(fake: FakeAri, app: str) -> None:
    client, heard, task = await fake_stream(fake, app)
    async with client:
        await heard.until(ari.Connected)
        await fake.restart()
        assert (await heard.until(ari.Connected, times=2)).asterisk_restarted
    await task


async def test_events_between_the_connect_and_the_notice_follow_the_notice_in_order(fake: FakeAri, app: str) -> None:
    fake.faults.append(Fault("PUT", "/applications/.*", delay=0.1))
    client, heard, task = await fake_stream(fake, app)
    async with client:
        await eventually(lambda: app in fake.apps, "the application to be registered")
        ids = [fake.call_in(app) for _ in range(20)]
        assert heard.items == []
        await heard.until(events.StasisStart, times=20)
        assert isinstance(heard.items[0], ari.Connected)
        assert [leg.channel.id for leg in heard.of(events.StasisStart)] == ids
    await task


async def test_a_set_up_request_that_fails_closes_the_socket_and_tries_again(fake: FakeAri, app: str) -> None:
    fake.faults.append(Fault("PUT", "/applications/.*", status=500))
    client, heard, task = await fake_stream(fake, app)
    async with client:
        await heard.until(ari.Connected)
        assert heard.items == [ari.Connected(first=True, gap_seconds=0.0, asterisk_restarted=False)]
        assert [path for method, path in fake.requests if method == "PUT"] == [f"/applications/{app}/eventFilter"]
    await task


async def test_a_read_only_user_is_told_so_at_the_first_connect(fake: FakeAri, app: str) -> None:
    fake.faults.append(Fault("PUT", "/applications/.*", status=403))
    async with ari.connect(fake.url, fake.user, fake.password) as client:
        with pytest.raises(ari.AriForbidden, match="read_only"):
            await client.run(apps=app)


async def test_a_new_password_later_does_not_end_the_stream(fake: FakeAri, app: str) -> None:
    client, heard, task = await fake_stream(fake, app)
    async with client:
        await heard.until(ari.Connected)
        fake.password = "changed"
        await fake.drop_sockets()
        await heard.until(ari.Disconnected)
        await eventually(lambda: fake.refused > 0, "a connect to be refused")
        fake.password = FakeAri.password
        await heard.until(ari.Connected, times=2)
    await task


async def test_unknown_and_malformed_messages_are_counted_and_do_no_harm(fake: FakeAri, app: str) -> None:
    client, heard, task = await fake_stream(fake, app)
    async with client:
        await heard.until(ari.Connected)
        fake.send_event(app, "ChannelTeleported")
        fake.send_event(app, "StasisStart", channel={})
        leg = fake.call_in(app)
        await heard.until(events.StasisStart, leg)
        assert (heard.stream.decoder.unknown, heard.stream.decoder.malformed) == ({"ChannelTeleported": 1}, 1)
    await task


async def test_asterisk_that_is_not_there_is_waited_for(fake: FakeAri, app: str) -> None:
    with CuttableProxy(int(fake.url.rsplit(":", 1)[1])) as proxy:
        proxy.cut_all()
        async with ari.connect(proxy.url, fake.user, fake.password) as client:
            heard = Heard(client.stream(app))
            task = asyncio.create_task(heard.listen())
            with pytest.raises(ari.AriUnavailable):
                await client.asterisk.ping()
            proxy.restore()
            await heard.until(ari.Connected)
        await task


async def test_close_during_a_connect_that_hangs_returns(fake: FakeAri, app: str) -> None:
    with CuttableProxy(int(fake.url.rsplit(":", 1)[1])) as proxy:
        proxy.freeze()
        async with ari.connect(proxy.url, fake.user, fake.password) as client:
            stream = client.stream(app)
            stream.start()
            await eventually(lambda: proxy.event_connections > 0, "the connect to begin")
        assert [item async for item in stream] == []


async def test_applications_must_be_named(fake: FakeAri) -> None:
    async with ari.connect(fake.url, fake.user, fake.password) as client:
        with pytest.raises(ValueError, match="at least one application"):
            client.stream([])
