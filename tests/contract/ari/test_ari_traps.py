"""What users of ARI run into, one test a trap, and the rule that we follow instead.

Where Asterisk 22.10 no longer has the fault, the test holds our rule. The names follow the field reports: events before
the answer, calls that never free their slot, StasisStart taken for an answer, and so on.
"""

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from stasis_dialer import ari
from stasis_dialer.ari import events
from stasis_dialer.lab.proxy import CuttableProxy
from tests.contract.ari.conftest import Heard, Server, answered, dialled, eventually, listening, new_id
from tests.fakes.ari_server import FakeAri, Fault

BURST = 40
"""Calls at once; of 300 in such a burst, 157 had an event before the HTTP answer (22.10.1, 2026-11)."""
PAIRS, FOLDERS = 25, ("first", "second", "third", "fourth")
"""Recordings that are begun at once, and where."""


async def test_events_that_come_before_the_http_answer_belong_to_ids_that_we_chose(
    client: ari.Client, heard: Heard, ari_server: Server, app: str
) -> None:
    ids = [new_id() for _ in range(BURST)]
    endpoints = [ari_server.endpoint("busy") for _ in ids]
    await asyncio.gather(
        *(
            client.channels.create(endpoint=endpoint, app=app, channelId=leg)
            for leg, endpoint in zip(ids, endpoints, strict=True)
        )
    )
    await heard.until(events.StasisStart, times=BURST)
    assert sorted(event.channel.id for event in heard.of(events.StasisStart)) == sorted(ids)


async def test_an_event_that_overtakes_its_answer_is_delivered(fake: FakeAri, app: str) -> None:
    fake.faults.append(Fault("POST", "/channels/create", answer_delay=0.1))
    async with ari.connect(fake.url, fake.user, fake.password) as client, aclosing(listening(client, app)) as steps:
        heard = await anext(steps)
        leg = new_id()
        creating = asyncio.create_task(client.channels.create(endpoint=fake.endpoint("busy"), app=app, channelId=leg))
        await heard.until(events.StasisStart, leg)
        assert not creating.done()
        assert (await creating).id == leg


async def test_not_in_stasis_yet_is_a_conflict_so_act_on_stasis_start_not_on_the_answer(
    client: ari.Client, heard: Heard, ari_server: Server, app: str
) -> None:
    leg = new_id()
    await client.channels.originateWithId(channelId=leg, endpoint=ari_server.endpoint("no_answer"), app=app, timeout=10)
    await heard.until_state(leg, "Ringing")
    with pytest.raises(ari.AriConflict, match="not in Stasis"):
        await client.channels.answer(channelId=leg)
    bridge = await client.bridges.create(bridgeId=new_id("b"), type="mixing")
    with pytest.raises(ari.AriUnprocessable, match="not in Stasis"):
        await bridge.addChannel(channel=leg)


async def test_dial_after_stasis_start_never_meets_a_channel_outside_stasis(
    client: ari.Client, heard: Heard, ari_server: Server
) -> None:
    legs = await asyncio.gather(*(dialled(client, heard, ari_server.endpoint("busy")) for _ in range(BURST)))
    for leg in legs:
        await heard.until(events.ChannelDestroyed, leg)


async def test_create_and_dial_shows_every_event_from_the_start(
    client: ari.Client, heard: Heard, ari_server: Server
) -> None:
    leg = await dialled(client, heard, ari_server.endpoint("no_answer"))
    await heard.until_state(leg, "Ringing")
    assert heard.story(leg)[:2] == ["StasisStart", "Dial"]


@pytest.mark.parametrize("far_end", ["busy", "congestion", "unallocated", "rejected"])
async def test_no_final_dial_status_comes_so_channel_destroyed_is_the_end(
    client: ari.Client, heard: Heard, ari_server: Server, far_end: str
) -> None:
    leg = await dialled(client, heard, ari_server.endpoint(far_end))
    await heard.until(events.ChannelDestroyed, leg)
    assert [event.dialstatus for event in heard.of(events.Dial, leg)] == [""]


async def test_a_call_originated_into_the_dialplan_is_silent_unless_subscribed(
    client: ari.Client, heard: Heard, ari_server: Server, app: str
) -> None:
    silent, loud = new_id(), new_id()
    for leg in (silent, loud):
        await client.channels.originateWithId(
            channelId=leg,
            endpoint=ari_server.endpoint("no_answer"),
            context="sd-safe-harbour",
            extension="s",
            priority=1,
            timeout=10,
        )
    await client.applications.subscribe(applicationName=app, eventSource=f"channel:{loud}")
    for leg in (silent, loud):
        await client.channels.hangup(channelId=leg)
    await heard.until(events.ChannelDestroyed, loud)
    assert heard.story(silent) == []


async def test_an_unanswered_call_frees_its_slot_in_channel_destroyed_and_in_the_list(
    client: ari.Client, heard: Heard, ari_server: Server
) -> None:
    leg = await dialled(client, heard, ari_server.endpoint("no_answer"), timeout_seconds=1)
    await heard.until(events.ChannelDestroyed, leg)
    assert await client.channels.list() == []


async def test_stasis_start_is_no_answer_only_state_up_is(client: ari.Client, heard: Heard, ari_server: Server) -> None:
    leg = await dialled(client, heard, ari_server.endpoint("no_answer"))
    await heard.until_state(leg, "Ringing")
    assert [event.channel.state for event in heard.of(events.StasisStart, leg)] == ["Down"]
    assert (await client.channels.get(channelId=leg)).json["state"] == "Ringing"


async def test_the_other_leg_stays_up_when_one_leaves_and_the_absolute_timeout_ends_it(
    client: ari.Client, heard: Heard, ari_server: Server
) -> None:
    first = await answered(client, heard, ari_server)
    second = await answered(client, heard, ari_server, variables={"TIMEOUT(absolute)": 2})
    bridge = await client.bridges.create(bridgeId=new_id("b"), type="mixing")
    await bridge.addChannel(channel=[first, second])
    await client.channels.hangup(channelId=first)
    await heard.until(events.ChannelDestroyed, first)
    assert (await client.channels.get(channelId=second)).json["state"] == "Up"
    end = await heard.until(events.ChannelDestroyed, second)
    assert end.channel.state == "Up"


async def test_calls_unknown_after_a_reconnect_are_found_in_the_list_with_their_ids_and_variables(
    ari_server: Server, proxy: CuttableProxy, app: str
) -> None:
    async with (
        ari.connect(proxy.url, ari_server.user, ari_server.password) as client,
        aclosing(listening(client, app)) as steps,
    ):
        heard = await anext(steps)
        lives = await answered(client, heard, ari_server, variables={"SD_ATTEMPT": "a-7"})
        ends = await answered(client, heard, ari_server)
        proxy.cut_events()
        await heard.until(ari.Disconnected)
        await client.channels.hangup(channelId=ends)
        proxy.restore()
        await heard.until(ari.Connected, times=2)
        (found,) = await client.channels.list()
        assert (found.id, found.json["channelvars"]["SD_ATTEMPT"]) == (lives, "a-7")
        assert heard.of(events.ChannelDestroyed, ends) == []


async def test_no_listener_dies_silently_every_close_is_told(
    ari_server: Server, proxy: CuttableProxy, app: str
) -> None:
    async with (
        ari.connect(proxy.url, ari_server.user, ari_server.password) as client,
        aclosing(listening(client, app)) as steps,
    ):
        heard = await anext(steps)
        for times in (1, 2, 3):
            proxy.cut_events()
            await heard.until(ari.Disconnected, times=times)
            proxy.restore()
            await heard.until(ari.Connected, times=times + 1)
        kinds = [type(item) for item in heard.items]
        assert kinds == [ari.Connected, *[ari.Disconnected, ari.Connected] * 3]


async def test_half_open_tcp_is_seen_within_both_ping_limits(
    ari_server: Server, proxy: CuttableProxy, app: str
) -> None:
    async with ari.connect(proxy.url, ari_server.user, ari_server.password) as client:
        pings = {"ping_interval_seconds": 0.1, "ping_timeout_seconds": 0.1}
        async with aclosing(listening(client, app, **pings)) as steps:
            heard = await anext(steps)
            proxy.freeze()
            await heard.until(ari.Disconnected)
            proxy.restore()
            again = await heard.until(ari.Connected, times=2)
            assert again.gap_seconds > 0


async def test_a_time_out_may_have_any_cause_so_the_state_at_the_end_says_that_nobody_answered(
    client: ari.Client, heard: Heard, ari_server: Server
) -> None:
    dialled_out = await dialled(client, heard, ari_server.endpoint("no_answer"), timeout_seconds=1)
    cut_off = await dialled(client, heard, ari_server.endpoint("no_answer"), variables={"TIMEOUT(absolute)": 1})
    ends = [await heard.until(events.ChannelDestroyed, leg) for leg in (dialled_out, cut_off)]
    assert ends[0].cause == 19
    assert [end.channel.state for end in ends] == ["Ringing", "Ringing"]


async def test_an_id_in_use_is_refused_and_never_replaces_the_bridge(client: ari.Client, ari_server: Server) -> None:
    bridge = await client.bridges.create(bridgeId=new_id("b"), type="mixing", name="first")
    with pytest.raises(ari.AriConflict):
        await client.bridges.create(bridgeId=bridge.id, type="mixing", name="second")
    assert (await client.bridges.get(bridgeId=bridge.id)).json["name"] == "first"
    await bridge.destroy()


async def test_a_channel_id_in_use_is_refused(client: ari.Client, heard: Heard, ari_server: Server, app: str) -> None:
    leg = await dialled(client, heard, ari_server.endpoint("no_answer"))
    with pytest.raises(ari.AriConflict):
        await client.channels.create(endpoint=ari_server.endpoint("human"), app=app, channelId=leg)


async def test_an_id_that_begins_a_live_channels_id_is_taken_so_ids_have_one_length(
    client: ari.Client, heard: Heard, ari_server: Server, app: str
) -> None:
    endpoint, leg = ari_server.endpoint("no_answer"), new_id()
    await client.channels.create(endpoint=endpoint, app=app, channelId=leg)
    for taken in (leg[:-1], leg.upper()):
        with pytest.raises(ari.AriConflict, match="begins with this id"):
            await client.channels.create(endpoint=endpoint, app=app, channelId=taken)
    longer = await client.channels.create(endpoint=endpoint, app=app, channelId=f"{leg}-agent")
    assert {channel.id for channel in await client.channels.list()} == {leg, longer.id}
    with pytest.raises(ari.AriNotFound):
        await client.channels.hangup(channelId=leg[:-1])


async def test_no_device_state_is_ever_subscribed(
    client: ari.Client, heard: Heard, ari_server: Server, app: str
) -> None:
    await answered(client, heard, ari_server)
    assert (await client.call("applications.get", applicationName=app))["device_names"] == []


async def test_sessions_are_not_exhausted_because_requests_share_a_few_connections(ari_server: Server) -> None:
    accepted = 0

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal accepted
        accepted += 1
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", ari_server.port)
        await asyncio.gather(pump(reader, upstream_writer), pump(upstream_reader, writer))

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async with await asyncio.start_server(forward, "127.0.0.1", 0) as counter:
        url = f"http://127.0.0.1:{counter.sockets[0].getsockname()[1]}"
        async with ari.connect(url, ari_server.user, ari_server.password, connections=4) as client:
            await asyncio.gather(*(client.asterisk.ping() for _ in range(100)))
            await asyncio.gather(*(client.asterisk.ping() for _ in range(100)))
    assert 1 <= accepted <= 4


async def test_each_application_name_gets_its_own_calls(client: ari.Client, heard: Heard, ari_server: Server) -> None:
    async with (
        ari.connect(ari_server.url, ari_server.user, ari_server.password) as other,
        aclosing(listening(other, new_id("app"))) as steps,
    ):
        theirs = await anext(steps)
        mine = await dialled(client, heard, ari_server.endpoint("busy"))
        others = await dialled(other, theirs, ari_server.endpoint("busy"))
        await heard.until(events.ChannelDestroyed, mine)
        await theirs.until(events.ChannelDestroyed, others)
        assert (heard.story(others), theirs.story(mine)) == ([], [])


async def test_bridging_takes_one_request_for_both_legs(client: ari.Client, heard: Heard, ari_server: Server) -> None:
    legs = [await answered(client, heard, ari_server) for _ in range(2)]
    waiting = await client.bridges.create(bridgeId=new_id("b"), type="holding")
    talking = await client.bridges.create(bridgeId=new_id("b"), type="mixing")
    await waiting.addChannel(channel=legs[0])
    await talking.addChannel(channel=legs)
    assert sorted((await client.bridges.get(bridgeId=talking.id)).json["channels"]) == sorted(legs)
    assert (await client.bridges.get(bridgeId=waiting.id)).json["channels"] == []


async def test_a_slow_consumer_never_makes_asterisk_close_the_socket(
    client: ari.Client, ari_server: Server, app: str
) -> None:
    stream = client.stream(app)
    stream.start()
    await eventually(lambda: stream.connected, "the stream to be connected")
    ids = [new_id() for _ in range(BURST)]
    for leg in ids:
        await client.channels.create(endpoint=ari_server.endpoint("busy"), app=app, channelId=leg)
        await client.channels.hangup(channelId=leg)
    await eventually(lambda: stream.depth >= 3 * BURST, "a backlog")
    items: list[ari.Item] = []

    def gone() -> list[str]:
        items.extend(stream.take_all())
        return sorted(item.channel.id for item in items if isinstance(item, events.ChannelDestroyed))

    await eventually(lambda: gone() == sorted(ids), "every ChannelDestroyed")
    assert (stream.depth, stream.connected, stream.reconnects) == (0, True, 0)


async def test_handlers_must_expect_an_event_twice_or_never(fake: FakeAri, app: str) -> None:
    async with ari.connect(fake.url, fake.user, fake.password) as client, aclosing(listening(client, app)) as steps:
        heard = await anext(steps)
        fake.repeat_events("ChannelHangupRequest")
        fake.lose_events("StasisEnd")
        leg = await dialled(client, heard, fake.endpoint("busy"))
        await heard.until(events.ChannelDestroyed, leg)
        assert heard.story(leg)[2:] == ["ChannelHangupRequest", "ChannelHangupRequest", "ChannelDestroyed"]


async def test_a_created_channel_fails_to_be_recorded_so_the_bridge_is_recorded(
    client: ari.Client, heard: Heard, ari_server: Server
) -> None:
    leg = await answered(client, heard, ari_server)
    await client.channels.record(channelId=leg, name=new_id("r"), format="wav")
    failed = await heard.until(events.RecordingFailed)
    assert failed.recording.target_uri == f"channel:{leg}"


async def test_recordings_begun_at_once_in_a_new_folder_may_be_refused_as_existing_at_most_once_a_folder(
    client: ari.Client, heard: Heard, ari_server: Server, app: str
) -> None:
    """Both requests make the folders, and who comes second is refused (22.10.1)."""

    async def begin(listener: str, name: str) -> None:
        for _ in FOLDERS:
            try:
                await client.channels.record(channelId=listener, name=name, format="wav")
            except ari.AriConflict:
                with pytest.raises(ari.AriNotFound):
                    await client.recordings.getLive(recordingName=name)
            else:
                return
        await client.channels.record(channelId=listener, name=name, format="wav")

    leg, listeners = await answered(client, heard, ari_server), [new_id("s"), new_id("s")]
    for listener in listeners:
        await client.channels.snoopChannelWithId(channelId=leg, snoopId=listener, app=app, spy="both")
        await heard.until(events.StasisStart, listener)
    for turn in range(PAIRS):
        names = ["/".join((f"{leg}-{turn}", *FOLDERS[1:], listener)) for listener in listeners]
        await asyncio.gather(*(begin(*pair) for pair in zip(listeners, names, strict=True)))
        await heard.until(events.RecordingStarted, times=2 * (turn + 1))
        for name in names:
            with pytest.raises(ari.AriConflict, match="already exists"):
                await client.channels.record(channelId=listeners[0], name=name, format="wav", ifExists="overwrite")
            await client.recordings.stop(recordingName=name)


CODES: list[tuple[str, dict[str, Any], type[ari.AriError]]] = [
    ("channels.create", {"endpoint": "PJSIP/1@nowhere", "app": "a"}, ari.AriServerError),
    ("channels.create", {"endpoint": "NOTECH/1", "app": "a"}, ari.AriServerError),
    ("channels.originate", {"endpoint": "PJSIP/1@carrier"}, ari.AriBadRequest),
    ("channels.hangup", {"channelId": "gone"}, ari.AriNotFound),
    ("channels.dial", {"channelId": "gone"}, ari.AriNotFound),
    ("channels.get", {"channelId": "gone"}, ari.AriNotFound),
    ("bridges.destroy", {"bridgeId": "gone"}, ari.AriNotFound),
    ("bridges.addChannel", {"bridgeId": "gone", "channel": "gone"}, ari.AriNotFound),
    ("playbacks.stop", {"playbackId": "gone"}, ari.AriNotFound),
    ("applications.get", {"applicationName": "gone"}, ari.AriNotFound),
    ("endpoints.get", {"tech": "PJSIP", "resource": "gone"}, ari.AriNotFound),
]


@pytest.mark.parametrize(
    ("operation", "arguments", "kind"), CODES, ids=lambda value: value if isinstance(value, str) else ""
)
async def test_each_refusal_is_its_own_exception_over_both_carriers(
    client: ari.Client, heard: Heard, operation: str, arguments: dict[str, Any], kind: type[ari.AriError]
) -> None:
    with pytest.raises(kind) as refused:
        await client.call(operation, **arguments)
    assert refused.value.message
    assert refused.value.path.startswith("/" + operation.split(".")[0])


async def test_an_unknown_event_source_or_member_is_refused(
    client: ari.Client, heard: Heard, ari_server: Server, app: str
) -> None:
    with pytest.raises(ari.AriUnprocessable):
        await client.applications.subscribe(applicationName=app, eventSource="channel:gone")
    bridge = await client.bridges.create(bridgeId=new_id("b"))
    with pytest.raises(ari.AriBadRequest):
        await bridge.addChannel(channel="gone")
    await bridge.destroy()
