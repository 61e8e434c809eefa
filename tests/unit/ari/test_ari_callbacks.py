"""Callbacks: ordered per object, parallel between objects, and errors that stop nothing."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from stasis_dialer import ari
from stasis_dialer.ari import events


@pytest.fixture
async def client() -> AsyncIterator[ari.Client]:
    async with ari.connect("http://127.0.0.1:1", "u", "p") as client:
        yield client


def channel(number: str, state: str = "Up") -> events.Channel:
    return events.Channel(id=number, name=f"PJSIP/{number}", state=state)


def change(number: str, state: str = "Up") -> events.ChannelStateChange:
    return events.ChannelStateChange(channel(number, state))


async def played(client: ari.Client, *arrived: events.Event) -> None:
    for event in arrived:
        client._dispatch(event)
    await client._dispatcher.drain(5)


async def test_given_a_slow_callback_when_more_events_of_its_object_come_then_they_wait_their_turn(
    client: ari.Client,
) -> None:
    seen: list[str] = []
    gate = asyncio.Event()

    async def slow(obj: ari.Channel, event: events.ChannelStateChange) -> None:
        if event.channel.state == "Ringing":
            await gate.wait()
        seen.append(event.channel.state)

    client.on_channel_event("ChannelStateChange", slow)
    client._dispatch(change("c1", "Ringing"))
    client._dispatch(change("c1", "Up"))
    asyncio.get_running_loop().call_soon(gate.set)
    await client._dispatcher.drain(5)
    assert seen == ["Ringing", "Up"]


async def test_given_a_callback_that_waits_then_other_objects_go_on(client: ari.Client) -> None:
    gate = asyncio.Event()

    async def callback(obj: ari.Channel, event: events.Event) -> None:
        if obj.id == "c1":
            await gate.wait()
        else:
            gate.set()

    client.on_channel_event("ChannelStateChange", callback)
    await played(client, change("c1"), change("c2"))
    assert gate.is_set()


async def test_a_playback_waits_for_the_callbacks_of_its_channel(client: ari.Client) -> None:
    seen: list[str] = []
    playback = events.Playback(id="p1", target_uri="channel:c1", state="done")

    async def slow(event: events.Event) -> None:
        await asyncio.sleep(0)
        seen.append(event.type)

    client.on_event("ChannelStateChange", slow)
    client.on_playback_event("PlaybackFinished", lambda obj, event: seen.append(obj.id))
    await played(client, change("c1"), events.PlaybackFinished(playback))
    assert seen == ["ChannelStateChange", "p1"]


async def test_an_error_in_a_callback_goes_to_the_exception_handler_and_stops_no_other(client: ari.Client) -> None:
    errors: list[Exception] = []
    seen: list[str] = []

    def broken(obj: Any, event: events.Event) -> None:
        raise LookupError("broken")

    client.exception_handler = errors.append
    client.on_channel_event("ChannelStateChange", broken)
    client.on_channel_event("ChannelStateChange", lambda obj, event: seen.append(obj.id))
    await played(client, change("c1"), change("c1"))
    assert [type(error) for error in errors] == [LookupError, LookupError]
    assert seen == ["c1", "c1"]


async def test_an_error_in_the_exception_handler_is_logged_and_stops_nothing(
    client: ari.Client, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> None:
        raise LookupError("broken")

    client.exception_handler = broken
    client.on_event("ChannelStateChange", broken)
    await played(client, change("c1"))
    assert [record.message for record in caplog.records] == ["an ARI callback failed"]


async def test_extra_arguments_reach_the_callback(client: ari.Client) -> None:
    seen: list[Any] = []
    client.on_event("ChannelStateChange", lambda event, *args, **kw: seen.append((event.channel.id, args, kw)), 1, a=2)
    await played(client, change("c1"))
    assert seen == [("c1", (1,), {"a": 2})]


async def test_an_event_with_several_channels_gives_a_dict_and_one_with_a_single_channel_the_object(
    client: ari.Client,
) -> None:
    seen: list[Any] = []
    for name in ("StasisStart", "StasisEnd", "Dial"):
        client.on_channel_event(name, lambda obj, event: seen.append(obj))
    await played(
        client,
        events.StasisStart(channel("c1")),
        events.StasisEnd(channel("c1")),
        events.Dial(channel("c2"), caller=channel("c1")),
    )
    first = {"channel": ari.Channel(client, channel("c1"))}
    assert seen[:2] == [first, first["channel"]]
    assert {name: obj.id for name, obj in seen[2].items()} == {"peer": "c2", "caller": "c1"}


async def test_an_object_hears_only_its_own_events_until_its_last(client: ari.Client) -> None:
    seen: list[str] = []
    leg = ari.Channel(client, {"id": "c1", "name": "PJSIP/c1"})
    leg.on_event("ChannelStateChange", lambda obj, event: seen.append(event.channel.state))
    leg.on_event("ChannelDestroyed", lambda obj, event: seen.append("gone"))
    await played(client, change("c2"), change("c1", "Ringing"), events.ChannelDestroyed(channel("c1")), change("c1"))
    assert seen == ["Ringing", "gone"]
    assert client._dispatcher._places == {}


async def test_a_closed_subscription_hears_nothing(client: ari.Client) -> None:
    seen: list[events.Event] = []
    subscription = client.on_event("ChannelStateChange", seen.append)
    subscription.close()
    subscription.close()
    await played(client, change("c1"))
    assert seen == []


async def test_bridges_recordings_endpoints_and_device_states_have_their_own_callbacks(client: ari.Client) -> None:
    seen: list[Any] = []

    def note(obj: Any, event: events.Event) -> None:
        seen.append(obj)

    client.on_bridge_event("BridgeDestroyed", note)
    client.on_live_recording_event("RecordingStarted", note)
    client.on_stored_recording_event("RecordingFinished", note)
    client.on_endpoint_event("EndpointStateChange", note)
    client.on_device_state_event("DeviceStateChanged", note)
    recording = events.LiveRecording(name="r1", target_uri="bridge:b1")
    await played(
        client,
        events.BridgeDestroyed(events.Bridge(id="b1")),
        events.RecordingStarted(recording),
        events.RecordingFinished(recording),
        events.EndpointStateChange(events.Endpoint(technology="PJSIP", resource="1001")),
        events.DeviceStateChanged(events.DeviceState(name="Stasis:x")),
    )
    assert {repr(obj) for obj in seen} == {
        "Bridge('b1')",
        "LiveRecording('r1')",
        "StoredRecording('r1')",
        "Endpoint('PJSIP/1001')",
        "DeviceState('Stasis:x')",
    }


async def test_an_event_that_asterisk_does_not_have_is_refused_when_it_is_asked_for(client: ari.Client) -> None:
    with pytest.raises(ValueError, match="no ARI event called StasisBegin"):
        client.on_event("StasisBegin", print)
    with pytest.raises(ValueError, match="ApplicationReplaced holds no Channel"):
        client.on_channel_event("ApplicationReplaced", print)
    with pytest.raises(ValueError, match="holds no Sound"):
        client.on_sound_event("PlaybackStarted", print)


async def test_no_queue_and_no_task_is_left_when_the_callbacks_are_done(client: ari.Client) -> None:
    client.on_event("ChannelStateChange", lambda event: None)
    await played(client, *(change(f"c{number}") for number in range(100)))
    assert (client._dispatcher._queues, client._dispatcher._tasks) == ({}, set())


async def test_the_json_of_an_object_from_an_event_is_a_plain_dict(client: ari.Client) -> None:
    leg = ari.Channel(client, channel("c1"))
    assert leg.json["caller"] == {"name": "", "number": ""}
    assert type(leg.json) is dict


async def test_the_repositories_are_found_by_name_and_documented(client: ari.Client) -> None:
    assert client.get_repo("deviceStates") is client.deviceStates
    with pytest.raises(KeyError):
        client.get_repo("nothing")
    assert client.channels.create.__doc__ == "Create channel."
    with pytest.raises(KeyError):
        await client.call("channels.nothing")
