"""Recordings on a floor in virtual time: begun at the join, ended with the customer, never in a call's way."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from stasis_dialer import ari
from stasis_dialer.core import messages as m
from stasis_dialer.core.model import DialMode, Disposition
from stasis_dialer.core.options import OnTimeout, Preview, Recording, RecordingChannels, RecordingMode
from stasis_dialer.engine.retention import Retention
from stasis_dialer.errors import Refused
from tests.engine.floor import Floor, on_the_floor
from tests.property.switchboard import Person
from tests.unit.engine.transports import ScriptedTransport

ALL = Recording(RecordingMode.ALL, retention_days=1)


def test_given_an_always_on_agent_when_customers_follow_each_other_then_each_has_a_file_of_their_own() -> None:
    async def story(floor: Floor) -> None:
        await floor.campaign(3, recording=ALL)
        floor.anybody = Person(picks_up_after=1.0, hangs_up_after=5.0)
        await floor.agents("1001")
        floor.start()
        await asyncio.sleep(60.0)
        assert len(floor.ended) == 3
        files = [record.recordings for record in floor.store.records.values()]
        assert sorted(len(of_call) for of_call in files) == [1, 1, 1]
        assert len(set(floor.board.files.values())) == 3
        assert floor.recorder.snapshot() == {"live": 0, "failed": 0, "last_failure": None}

    on_the_floor(story)


def test_given_the_sides_apart_then_a_call_has_two_files() -> None:
    async def story(floor: Floor) -> None:
        await floor.campaign(1, recording=Recording(RecordingMode.ALL, RecordingChannels.SEPARATE))
        await floor.agents("1001")
        floor.start()
        await asyncio.sleep(60.0)
        (files,) = [record.recordings for record in floor.store.records.values()]
        agent, customer = sorted(files)
        assert customer.endswith("-customer.wav")
        assert agent.endswith("-agent.wav")

    on_the_floor(story)


def test_given_recording_fails_then_the_call_goes_on_and_the_failure_is_seen() -> None:
    async def story(floor: Floor) -> None:
        async def refuse(command: m.Command) -> tuple[m.Event, ...]:
            if isinstance(command, m.Record):
                return (m.RecordingFailed(command.name, "refused 500"),)
            return await floor.board.execute(command)

        floor.dispatcher._execute = refuse
        await floor.campaign(1, recording=ALL)
        await floor.agents("1001")
        floor.start()
        await asyncio.sleep(60.0)
        assert floor.outcomes() == [Disposition.ANSWERED]
        seen = floor.recorder.snapshot()
        assert (seen["live"], seen["failed"], seen["last_failure"]["reason"]) == (0, 1, "refused 500")

    on_the_floor(story)


@pytest.mark.parametrize("mode", [DialMode.PROGRESSIVE, DialMode.PREVIEW])
@pytest.mark.parametrize("is_there", [True, False])
def test_given_an_announcement_that_asterisk_does_not_have_then_the_call_goes_on_and_is_not_recorded(
    mode: DialMode, is_there: bool
) -> None:
    async def story(floor: Floor) -> None:
        async def execute(command: m.Command) -> tuple[m.Event, ...]:
            if isinstance(command, m.PlayMessage) and not is_there:
                return (m.MessageEnded(command.name, is_heard=False),)
            return await floor.board.execute(command)

        floor.dispatcher._execute = execute
        preview = Preview(1.0, OnTimeout.DIAL)
        recording = Recording(RecordingMode.ALL, announcement="sound:recorded")
        await floor.campaign(1, recording=recording, mode=mode, preview=preview)
        floor.anybody = Person(picks_up_after=1.0, hangs_up_after=60.0)
        await floor.agents("1001")
        floor.start()
        await asyncio.sleep(30.0)
        after = await (await floor.is_killed()).starts_again()
        await asyncio.sleep(60.0)
        assert after.outcomes() == [Disposition.ANSWERED]
        assert len(floor.board.files) == (1 if is_there else 0)
        why = str(after.recorder.snapshot()["last_failure"])
        assert is_there or "the announcement could not be played" in why

    on_the_floor(story)


def test_given_a_pause_when_the_dialer_is_killed_then_it_lasts_after_the_restart() -> None:
    async def story(floor: Floor) -> None:
        await floor.campaign(1, recording=ALL)
        floor.anybody = Person(picks_up_after=1.0, hangs_up_after=60.0)
        await floor.agents("1001")
        floor.start()
        await asyncio.sleep(10.0)
        call_id = floor.calls.all()[0].call_id
        assert floor.recorder.pause(call_id) == "paused"
        await asyncio.sleep(2.0)
        after = await (await floor.is_killed()).starts_again()
        assert after.recorder.state_of(call_id) == "paused"
        assert after.recorder.resume(call_id) == "recording"
        await asyncio.sleep(60.0)
        assert after.recorder.snapshot() == {"live": 0, "failed": 0, "last_failure": None}
        assert len(floor.board.files) == 1

    on_the_floor(story)


def test_given_a_campaign_whose_recordings_may_not_be_paused_then_a_pause_is_refused() -> None:
    async def story(floor: Floor) -> None:
        await floor.campaign(1, recording=Recording(RecordingMode.ALL, may_pause=False))
        await floor.agents("1001")
        floor.start()
        await asyncio.sleep(10.0)
        with pytest.raises(Refused, match="may not be paused"):
            floor.recorder.pause(floor.calls.all()[0].call_id)
        with pytest.raises(Refused, match="not recorded"):
            floor.recorder.pause("another")

    on_the_floor(story)


def test_given_the_retention_is_over_then_the_files_are_deleted_and_a_missing_one_is_no_obstacle() -> None:
    async def story(floor: Floor) -> None:
        await floor.campaign(2, recording=ALL)
        await floor.agents("1001")
        floor.start()
        await asyncio.sleep(120.0)
        first, second = (record.recordings[0].removesuffix(".wav") for record in floor.store.records.values())
        transport = ScriptedTransport()
        transport.answers[f"/recordings/stored/{first.replace('/', '%2F')}"] = ari.AriNotFound(404, message="no")
        retention = Retention(transport, floor.store.calls, floor.clock, "app")
        assert await retention.look() == 0
        await asyncio.sleep(timedelta(days=1).total_seconds())
        assert await retention.look() == 2
        assert [path for _, path in transport.requests] == [
            f"/recordings/stored/{name.replace('/', '%2F')}" for name in (first, second)
        ]
        assert [record.recordings for record in floor.store.records.values()] == [(), ()]

    on_the_floor(story)
