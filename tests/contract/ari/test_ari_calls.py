"""What an outbound call looks like over ARI: the events we rely on, on the fake and on the real Asterisk 22."""

import asyncio

import pytest

from stasis_dialer import ari
from stasis_dialer.ari import events
from stasis_dialer.ari.operations import OPERATIONS
from tests.contract.ari.conftest import Heard, Server, answered, dialled, eventually, new_id, until_no_bridge

OUTCOMES = [
    ("busy", 17, 486),
    ("congestion", 34, 503),
    ("unallocated", 1, 404),
    ("rejected", 21, 403),
]


async def test_created_channel_enters_stasis_down_and_answer_is_state_up(
    client: ari.Client, heard: Heard, ari_server: Server
) -> None:
    channel_id = await answered(client, heard, ari_server)
    start = heard.of(events.StasisStart, channel_id)
    assert [event.channel.state for event in start] == ["Down"]
    story = heard.story(channel_id)
    assert story[0] == "StasisStart"
    assert story.index("ChannelStateChange Up") > story.index("ChannelStateChange Ringing")
    await client.channels.hangup(channelId=channel_id)
    await heard.until(events.ChannelDestroyed, channel_id)
    await eventually(lambda: "Dial ANSWER" in heard.story(channel_id), "Dial ANSWER", heard)
    assert len(heard.of(events.StasisStart, channel_id)) == 1


@pytest.mark.parametrize(("far_end", "cause", "tech_cause"), OUTCOMES)
async def test_a_failed_call_ends_in_hangup_request_stasis_end_and_channel_destroyed(
    client: ari.Client, heard: Heard, ari_server: Server, far_end: str, cause: int, tech_cause: int
) -> None:
    channel_id = await dialled(client, heard, ari_server.endpoint(far_end))
    end = await heard.until(events.ChannelDestroyed, channel_id)
    assert (end.cause, end.tech_cause) == (cause, tech_cause)
    assert heard.story(channel_id) == ["StasisStart", "Dial", "ChannelHangupRequest", "StasisEnd", "ChannelDestroyed"]


async def test_our_own_dial_timeout_ends_with_cause_19(client: ari.Client, heard: Heard, ari_server: Server) -> None:
    channel_id = await dialled(client, heard, ari_server.endpoint("no_answer"), timeout_seconds=1)
    end = await heard.until(events.ChannelDestroyed, channel_id)
    assert (end.cause, end.tech_cause) == (19, 480)
    request = heard.of(events.ChannelHangupRequest, channel_id)[0]
    assert (request.cause, request.soft) == (32, True)
    assert heard.story(channel_id)[-3:] == ["ChannelHangupRequest", "StasisEnd", "ChannelDestroyed"]


async def test_a_channel_deleted_while_it_rings_ends_with_the_cause_we_gave(
    client: ari.Client, heard: Heard, ari_server: Server
) -> None:
    channel_id = await dialled(client, heard, ari_server.endpoint("no_answer"))
    await heard.until_state(channel_id, "Ringing")
    await client.channels.hangup(channelId=channel_id, reason_code="21")
    end = await heard.until(events.ChannelDestroyed, channel_id)
    assert end.cause == 21
    assert "StasisEnd" in heard.story(channel_id)


async def test_the_far_end_hangs_up_and_the_cause_is_normal_clearing(
    client: ari.Client, heard: Heard, ari_server: Server
) -> None:
    channel_id = await dialled(client, heard, ari_server.endpoint("quick_hangup"))
    end = await heard.until(events.ChannelDestroyed, channel_id)
    assert (end.cause, end.tech_cause) == (16, None)
    request = heard.of(events.ChannelHangupRequest, channel_id)[0]
    assert (request.cause, bool(request.soft)) == (16, False)


async def test_channel_destroyed_still_reaches_us_while_the_leg_is_in_the_dialplan(
    client: ari.Client, heard: Heard, ari_server: Server
) -> None:
    channel_id = await answered(client, heard, ari_server)
    await client.channels.continueInDialplan(channelId=channel_id, context="sd-safe-harbour", extension="s", priority=1)
    await heard.until(events.StasisEnd, channel_id)
    assert (await client.channels.get(channelId=channel_id)).json["dialplan"]["context"] == "sd-safe-harbour"
    await client.channels.hangup(channelId=channel_id)
    await heard.until(events.ChannelDestroyed, channel_id)


async def test_a_leg_comes_back_from_amd_with_a_second_stasis_start_and_the_verdict(
    client: ari.Client, heard: Heard, ari_server: Server, app: str
) -> None:
    channel_id = await answered(client, heard, ari_server, variables={"SD_APP": app, "SD_ATTEMPT": "a-1"})
    await client.channels.continueInDialplan(channelId=channel_id, context="sd-amd", extension="s", priority=1)
    back = await heard.until(events.StasisStart, channel_id, times=2)
    assert back.args[:2] == ["amd", "a-1"]
    assert back.args[2] in ("HUMAN", "MACHINE", "NOTSURE")
    assert back.channel.state == "Up"
    variables = (await client.channels.get(channelId=channel_id)).json["channelvars"]
    assert [variables["AMDSTATUS"], variables["AMDCAUSE"]] == back.args[2:]
    await client.channels.hangup(channelId=channel_id)
    await heard.until(events.ChannelDestroyed, channel_id)


async def test_a_leg_comes_back_from_the_wait_for_silence(
    client: ari.Client, heard: Heard, ari_server: Server, app: str
) -> None:
    variables = {"SD_APP": app, "SD_ATTEMPT": "a-1", "SD_SILENCE": "500", "SD_SILENCE_TIMEOUT": "10"}
    channel_id = await answered(client, heard, ari_server, variables=variables)
    await client.channels.continueInDialplan(channelId=channel_id, context="sd-silence", extension="s", priority=1)
    back = await heard.until(events.StasisStart, channel_id, times=2)
    assert back.args == ["silence", "a-1", "SILENCE"]
    assert (await client.channels.get(channelId=channel_id)).json["channelvars"]["WAITSTATUS"] == "SILENCE"


async def test_a_leg_in_a_bridge_can_leave_for_the_dialplan_and_comes_back_in_no_bridge(
    client: ari.Client, heard: Heard, ari_server: Server, app: str
) -> None:
    variables = {"SD_APP": app, "SD_ATTEMPT": "a-1"}
    channel_id = await answered(client, heard, ari_server, variables=variables)
    bridge = await client.bridges.create(bridgeId=new_id("b"), type="mixing")
    await bridge.addChannel(channel=channel_id)
    await client.channels.continueInDialplan(channelId=channel_id, context="sd-amd", extension="s", priority=1)
    await heard.until(events.StasisStart, channel_id, times=2)
    assert (await client.bridges.get(bridgeId=bridge.id)).json["channels"] == []
    await bridge.destroy()


async def test_given_speech_is_watched_when_the_called_party_says_hello_then_it_is_heard_with_its_length(
    client: ari.Client, heard: Heard, ari_server: Server
) -> None:
    channel_id = await answered(client, heard, ari_server)
    await client.channels.setChannelVar(channelId=channel_id, variable="TALK_DETECT(set)", value="500,256")
    await heard.until(events.ChannelTalkingStarted, channel_id)
    over = await heard.until(events.ChannelTalkingFinished, channel_id)
    assert 100 <= over.duration <= 2000
    await client.channels.setChannelVar(channelId=channel_id, variable="TALK_DETECT(remove)", value="")


async def test_variables_reach_the_channel_and_channelvars_every_event(
    client: ari.Client, heard: Heard, ari_server: Server
) -> None:
    channel_id = await answered(
        client, heard, ari_server, variables={"SD_ATTEMPT": "a 1", "SD_CAMPAIGN": "7", "X": "y"}
    )
    assert (await client.channels.getChannelVar(channelId=channel_id, variable="X")) == {"value": "y"}
    up = await heard.until_state(channel_id, "Up")
    found = {"AMDSTATUS": "", "AMDCAUSE": "", "WAITSTATUS": ""}
    assert up.channel.channelvars == {"SD_ATTEMPT": "a 1", "SD_CAMPAIGN": "7", **found}
    (listed,) = await client.channels.list()
    assert listed.json["channelvars"]["SD_ATTEMPT"] == "a 1"


async def test_app_args_reach_stasis_start_with_quotes_kept_together(
    client: ari.Client, heard: Heard, ari_server: Server, app: str
) -> None:
    channel_id = new_id()
    await client.channels.create(
        endpoint=ari_server.endpoint("human"), app=app, channelId=channel_id, appArgs='a,"b c,d",+55'
    )
    assert (await heard.until(events.StasisStart, channel_id)).args == ["a", "b c,d", "+55"]


async def test_originate_rings_at_once_and_enters_stasis_when_answered(
    client: ari.Client, heard: Heard, ari_server: Server, app: str
) -> None:
    channel_id = new_id()
    channel = await client.channels.originateWithId(
        channelId=channel_id, endpoint=ari_server.endpoint("human"), app=app, callerId='"Acme" <5551000>', timeout=10
    )
    assert (channel.id, channel.json["state"]) == (channel_id, "Down")
    start = await heard.until(events.StasisStart, channel_id)
    assert start.channel.state == "Up"
    assert start.channel.connected.number == "5551000"


async def test_a_bridge_is_joined_left_and_destroyed_and_its_channels_live_on(
    client: ari.Client, heard: Heard, ari_server: Server
) -> None:
    legs = [await answered(client, heard, ari_server) for _ in range(2)]
    bridge = await client.bridges.create(bridgeId=new_id("b"), type="mixing", name="talk")
    await bridge.addChannel(channel=legs)
    for leg in legs:
        await heard.until(events.ChannelEnteredBridge, leg)
    assert sorted((await client.bridges.get(bridgeId=bridge.id)).json["channels"]) == sorted(legs)
    await bridge.removeChannel(channel=legs[0])
    left = await heard.until(events.ChannelLeftBridge, legs[0])
    assert left.bridge.id == bridge.id
    await bridge.destroy()
    await heard.until(events.ChannelLeftBridge, legs[1])
    assert {leg.id for leg in await client.channels.list()} == set(legs)
    await until_no_bridge(client)


async def test_channels_destroyed_leave_their_bridge_behind(
    client: ari.Client, heard: Heard, ari_server: Server
) -> None:
    leg = await answered(client, heard, ari_server)
    bridge = await client.bridges.create(bridgeId=new_id("b"), type="mixing")
    await bridge.addChannel(channel=leg)
    await client.channels.hangup(channelId=leg)
    await heard.until(events.ChannelDestroyed, leg)
    assert [left.id for left in await client.bridges.list()] == [bridge.id]
    await bridge.destroy()
    with pytest.raises(ari.AriNotFound):
        await bridge.destroy()


async def test_a_sound_is_played_under_our_id_and_can_be_stopped(
    client: ari.Client, heard: Heard, ari_server: Server
) -> None:
    leg = await answered(client, heard, ari_server)
    playback = await client.channels.playWithId(channelId=leg, playbackId=new_id("p"), media="sound:hello-world")
    started = await heard.until(events.PlaybackStarted)
    assert (started.playback.id, started.playback.target_uri) == (playback.id, f"channel:{leg}")
    await playback.stop()
    finished = await heard.until(events.PlaybackFinished)
    assert finished.playback.id == playback.id


async def test_a_bridge_is_recorded(client: ari.Client, heard: Heard, ari_server: Server) -> None:
    leg = await answered(client, heard, ari_server)
    bridge = await client.bridges.create(bridgeId=new_id("b"), type="mixing")
    await bridge.addChannel(channel=leg)
    recording = await bridge.record(name=new_id("r"), format="wav", ifExists="overwrite")
    await heard.until(events.RecordingStarted)
    await recording.stop()
    finished = await heard.until(events.RecordingFinished)
    assert (finished.recording.name, finished.recording.target_uri) == (recording.id, f"bridge:{bridge.id}")


async def test_a_listening_channel_records_its_leg_with_a_pause_and_ends_with_it(
    client: ari.Client, heard: Heard, ari_server: Server, app: str
) -> None:
    leg, snoop, name = await answered(client, heard, ari_server), new_id("s"), f"spring/{new_id('r')}"
    await client.channels.snoopChannelWithId(channelId=leg, snoopId=snoop, app=app, spy="both")
    await heard.until(events.StasisStart, snoop)
    await client.channels.record(channelId=snoop, name=name, format="wav")
    started = await heard.until(events.RecordingStarted)
    assert (started.recording.name, started.recording.target_uri) == (name, f"channel:{snoop}")
    await client.recordings.pause(recordingName=name)
    assert (await client.recordings.getLive(recordingName=name)).json["state"] == "paused"
    await client.recordings.unpause(recordingName=name)
    await client.channels.hangup(channelId=leg)
    finished = await heard.until(events.RecordingFinished)
    assert finished.recording.name == name
    await heard.until(events.ChannelDestroyed, leg)
    await heard.until(events.StasisEnd, snoop)
    with pytest.raises(ari.AriNotFound):
        await client.channels.get(channelId=snoop)
    assert heard.of(events.ChannelDestroyed, snoop) == []
    assert name in [stored.id for stored in await client.recordings.listStored()]
    await client.recordings.deleteStored(recordingName=name)
    with pytest.raises(ari.AriNotFound):
        await client.recordings.deleteStored(recordingName=name)


async def test_objects_from_events_carry_on_the_call(client: ari.Client, ari_server: Server, app: str) -> None:
    seen: list[str] = []
    over = asyncio.Event()

    async def started(objects: dict[str, ari.Channel], event: events.StasisStart) -> None:
        channel = objects["channel"]
        channel.on_event("ChannelStateChange", changed)
        channel.on_event("ChannelDestroyed", gone)
        await channel.dial(timeout=10)

    async def changed(channel: ari.Channel, event: events.ChannelStateChange) -> None:
        seen.append(event["channel"]["state"])
        if event.channel.state == "Up":
            await channel.hangup()

    def gone(channel: ari.Channel, event: events.ChannelDestroyed) -> None:
        seen.append(f"gone {event.cause}")
        over.set()

    client.on_channel_event("StasisStart", started)
    running = asyncio.create_task(client.run(apps=app))
    await eventually(lambda: client.connected, "the client to be connected")
    await client.channels.create(endpoint=ari_server.endpoint("human"), app=app, channelId=new_id())
    await eventually(over.is_set, "the call to end")
    await client.close()
    await running
    assert seen == ["Ringing", "Up", "gone 16"]


@pytest.mark.parametrize("ari_server", ["asterisk"], indirect=True)
@pytest.mark.parametrize("transport", ["http"], indirect=True)
async def test_the_table_of_operations_is_what_the_running_asterisk_serves(ari_server: Server, transport: str) -> None:
    from stasis_dialer.ari import generate

    served = await asyncio.to_thread(generate.read, ari_server.url, ari_server.user, ari_server.password)
    ours = {(item.repository, item.nickname): item for item in OPERATIONS}
    theirs = {(item.repository, item.nickname): item for item in served}
    assert sorted(ours) == sorted(theirs)
    for name, operation in theirs.items():
        assert ours[name] == operation
