"""Customers call a campaign's number: the agent who knows them, the queue, the message, the callback."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from stasis_dialer.core.model import CallRecord, CampaignStatus, Direction, Disposition, LeadStatus
from stasis_dialer.core.options import Inbound
from tests.engine.floor import Floor, number, on_the_floor
from tests.property.switchboard import Person

OWN = "+551130000001"
D = Disposition
LEAD = 2
"""The id that the memory store gives to the first lead of the first campaign."""


async def called_before(floor: Floor, agent: str = "1002") -> None:
    """The lead was called and spoke to an agent."""
    campaign = await floor.campaign(leads=1, caller_id=OWN, status=CampaignStatus.PAUSED)
    now = floor.clock.utc_now()
    call = CallRecord("old", "app", campaign.id, LEAD, number(0), agent=agent, started_at=now, bridged_at=now)
    await floor.store.calls.save([call])
    floor.store.change_lead(LEAD, status=LeadStatus.COMPLETED, attempts=1, result="answered")


def the_record(floor: Floor, call_id: str = "i1") -> CallRecord:
    return floor.store.records[call_id]


def test_given_a_customer_calls_back_then_the_agent_who_knows_them_has_them_and_the_lead_is_theirs() -> None:
    async def story(floor: Floor) -> None:
        await called_before(floor)
        await floor.agents("1001", "1002", "1003")
        floor.start()
        floor.calls_in("i1", "01130000001", "11" + number(0)[4:])
        await asyncio.sleep(2.0)
        assert floor.desk.find("1002").state == "on_call"  # type: ignore[union-attr]
        assert floor.store.rows[LEAD].status is LeadStatus.CALLING, "the lead is not dialled meanwhile"
        floor.board.end("i1", 16)
        await asyncio.sleep(5.0)
        record = the_record(floor)
        assert (record.direction, record.disposition, record.agent) == (Direction.INBOUND, D.ANSWERED, "1002")
        assert (record.lead_id, record.caller_id, record.number) == (LEAD, "01130000001", number(0))
        assert record.dialled_at is None
        assert floor.store.rows[LEAD].status is LeadStatus.COMPLETED

    on_the_floor(story)


def test_given_the_agent_who_knows_them_is_busy_then_another_one() -> None:
    async def story(floor: Floor) -> None:
        await called_before(floor)
        await floor.agents("1001", "1002")
        floor.start()
        floor.calls_in("i1", OWN, number(0))
        await asyncio.sleep(1.0)
        floor.calls_in("i2", OWN, number(0))
        await asyncio.sleep(1.0)
        assert [floor.desk.find(each).call_id for each in ("1002", "1001")] == ["i1", "i2"]  # type: ignore[union-attr]

    on_the_floor(story)


def test_given_an_unknown_caller_then_the_campaigns_agents_and_no_lead() -> None:
    async def story(floor: Floor) -> None:
        await floor.campaign(leads=0, caller_id=OWN)
        await floor.agents("1001")
        floor.start()
        floor.calls_in("i1", OWN, "anonymous")
        await asyncio.sleep(2.0)
        assert floor.desk.find("1001").call_id == "i1"  # type: ignore[union-attr]
        floor.board.end("i1", 16)
        await asyncio.sleep(2.0)
        assert (the_record(floor).lead_id, the_record(floor).number) == (None, "")

    on_the_floor(story)


def test_given_everybody_is_busy_then_music_and_their_turn_in_the_order_of_their_calls() -> None:
    async def story(floor: Floor) -> None:
        await floor.campaign(leads=0, caller_id=OWN, inbound=Inbound(600.0, announce_seconds=10.0))
        await floor.agents("1001")
        floor.start()
        for n in range(3):
            floor.calls_in(f"i{n}", OWN, number(n))
            await asyncio.sleep(0.5)
        assert floor.board.channels["i1"].has_music
        await asyncio.sleep(11.0)
        said = [command.media for command in floor.board.played]
        assert "sound:queue-youarenext" in said
        assert "sound:queue-thereare,number:1,sound:queue-callswaiting" in said
        await asyncio.sleep(6.0)
        assert floor.board.channels["i1"].has_music, "again, after the announcement"
        floor.board.end("i0", 16)
        await asyncio.sleep(2.0)
        assert floor.desk.find("1001").call_id == "i1"  # type: ignore[union-attr]
        assert not floor.board.channels["i1"].has_music

    on_the_floor(story)


def test_given_nobody_comes_then_the_message_and_the_lead_is_called_back_even_after_its_last_attempt() -> None:
    async def story(floor: Floor) -> None:
        await called_before(floor)
        await floor.change(
            floor.book.of(1), safe_harbour_media="sound:sorry", inbound=Inbound(5.0, callback_seconds=60.0)
        )
        floor.store.change_lead(LEAD, status=LeadStatus.FAILED, attempts=3, max_attempts=3)
        await floor.agents("1001")
        floor.start()
        floor.calls_in("i0", OWN, number(5))
        await asyncio.sleep(1.0)
        floor.calls_in("i1", OWN, number(0))
        await asyncio.sleep(20.0)
        assert the_record(floor).disposition is D.MISSED
        assert "sound:sorry" in [command.media for command in floor.board.played]
        lead = floor.store.rows[LEAD]
        assert (lead.status, lead.result) == (LeadStatus.PENDING, "missed")
        floor.board.end("i0", 16)
        await floor.change(floor.book.of(1), status=CampaignStatus.ACTIVE)
        floor.anybody = Person(picks_up_after=1.0, hangs_up_after=5.0)
        await asyncio.sleep(90.0)
        assert floor.outcomes()[-1] is D.ANSWERED, "the callback"
        assert not [call for call in floor.ended if call.disposition is D.ABANDONED]

    on_the_floor(story)


def test_given_nobody_is_at_work_then_the_message_at_once() -> None:
    async def story(floor: Floor) -> None:
        await floor.campaign(leads=0, caller_id=OWN, safe_harbour_media="sound:sorry")
        await floor.book.refresh()
        floor.start()
        floor.calls_in("i1", OWN, number(0))
        await asyncio.sleep(1.0)
        assert [command.media for command in floor.board.played] == ["sound:sorry"]
        await asyncio.sleep(10.0)
        assert the_record(floor).disposition is D.MISSED

    on_the_floor(story)


def test_given_a_number_that_is_nobodys_then_refused_and_no_call() -> None:
    async def story(floor: Floor) -> None:
        await floor.campaign(leads=0, caller_id=OWN)
        await floor.book.refresh()
        floor.start()
        floor.calls_in("i1", "+551130009999", number(0))
        await asyncio.sleep(1.0)
        assert floor.refused == ["i1"]
        assert floor.calls.all() == []

    on_the_floor(story)


def test_given_the_database_is_away_then_the_caller_is_served_as_an_unknown_one() -> None:
    async def story(floor: Floor) -> None:
        await called_before(floor)
        await floor.agents("1001")
        floor.start()
        floor.store.is_away = True
        floor.calls_in("i1", OWN, number(0))
        await asyncio.sleep(2.0)
        (call,) = floor.calls.all()
        assert (call.state, call.lead) == ("bridged", None)
        floor.store.is_away = False
        await asyncio.sleep(10.0)

    on_the_floor(story)


def test_given_the_customer_is_gone_before_they_were_found_then_one_record_and_the_lead_is_given_back() -> None:
    async def story(floor: Floor) -> None:
        await called_before(floor)
        await floor.agents("1001")
        floor.start()
        floor.calls_in("i1", OWN, number(0))
        floor.board.channels.pop("i1")
        assert floor.inbound.ended("i1")
        await asyncio.sleep(3.0)
        assert the_record(floor).disposition is D.MISSED
        assert floor.store.rows[LEAD].status is LeadStatus.PENDING
        assert floor.desk.find("1001").state == "available"  # type: ignore[union-attr]

    on_the_floor(story)


def test_given_customers_wait_when_the_dialer_is_killed_then_the_next_one_serves_them() -> None:
    async def story(floor: Floor) -> None:
        await floor.campaign(leads=0, caller_id=OWN, inbound=Inbound(600.0))
        await floor.agents("1001")
        floor.start()
        floor.calls_in("i0", OWN, number(0))
        await asyncio.sleep(1.0)
        floor.calls_in("i1", OWN, number(1))
        await asyncio.sleep(2.0)
        again = await (await floor.is_killed()).starts_again()
        states = {call.call_id: str(call.state) for call in again.calls.all()}
        assert states == {"i0": "bridged", "i1": "queued"}
        again.board.end("i0", 16)
        await asyncio.sleep(3.0)
        assert again.desk.find("1001").call_id == "i1"  # type: ignore[union-attr]

    on_the_floor(story)


def test_given_an_announcement_that_ends_in_a_gap_then_the_customer_hears_music_and_is_told_again() -> None:
    async def story(floor: Floor) -> None:
        await _one_waits(floor)
        await asyncio.sleep(10.5)
        assert floor.board.channels["i1"].playing == "place-0"
        floor.board.is_deaf = True
        await asyncio.sleep(5.0)
        floor.board.is_deaf = False
        await floor.recovery.after_gap()
        await asyncio.sleep(1.0)
        assert floor.board.channels["i1"].has_music
        await asyncio.sleep(5.0)
        assert floor.board.channels["i1"].playing == "place-1"

    on_the_floor(story)


def test_given_an_announcement_that_outlasts_a_gap_then_it_is_heard_to_its_end() -> None:
    async def story(floor: Floor) -> None:
        await _one_waits(floor)
        await asyncio.sleep(10.5)
        await floor.recovery.after_gap()
        await asyncio.sleep(1.0)
        channel = floor.board.channels["i1"]
        assert (channel.playing, channel.has_music) == ("place-0", False)

    on_the_floor(story)


def test_given_a_gap_in_which_the_agents_leg_came_then_the_telephone_rings_for_the_customer_who_waits() -> None:
    """Without its ringing the agent would be paused as one who did not answer."""

    async def story(floor: Floor) -> None:
        await floor.campaign(leads=0, caller_id=OWN, inbound=Inbound(600.0))
        floor.people["PJSIP/1001"] = Person(picks_up_after=3.0)
        await floor.agents("1001", on_demand=True)
        floor.start()
        floor.board.is_deaf = True
        floor.calls_in("i1", OWN, number(0))
        await asyncio.sleep(1.0)
        floor.board.is_deaf = False
        for _ in range(2):
            await floor.recovery.after_gap()
            await asyncio.sleep(0.5)
        agent = floor.desk.find("1001")
        assert agent is not None
        assert (agent.state, agent.is_leg_dialled) == ("ringing", True)
        await asyncio.sleep(4.0)
        assert floor.desk.find("1001").state == "on_call"  # type: ignore[union-attr]
        assert len([end for _, end in floor.board.dialled if end == "PJSIP/1001"]) == 1

    on_the_floor(story)


def test_given_music_that_did_not_begin_when_the_gap_is_over_then_it_does() -> None:
    """A request is lost with the connection."""

    async def story(floor: Floor) -> None:
        await _one_waits(floor)
        floor.board.channels["i1"].has_music = False
        await floor.recovery.after_gap()
        await asyncio.sleep(1.0)
        assert floor.board.channels["i1"].has_music
        assert not floor.board.channels["i0"].has_music, "who talks hears the agent"

    on_the_floor(story)


def test_given_an_announcement_that_ends_unheard_when_the_dialer_is_killed_then_the_next_one_plays_music() -> None:
    async def story(floor: Floor) -> None:
        await _one_waits(floor)
        await asyncio.sleep(10.5)
        killed = await floor.is_killed()
        await asyncio.sleep(5.0)
        assert not killed.board.channels["i1"].has_music
        again = await killed.starts_again()
        await asyncio.sleep(1.0)
        assert again.board.channels["i1"].has_music

    on_the_floor(story)


async def _one_waits(floor: Floor) -> None:
    """One customer talks, and one waits who is told the place every ten seconds."""
    await floor.campaign(leads=0, caller_id=OWN, inbound=Inbound(600.0, announce_seconds=10.0))
    await floor.agents("1001")
    floor.start()
    for n in range(2):
        floor.calls_in(f"i{n}", OWN, number(n))
        await asyncio.sleep(0.5)


def test_given_a_gap_when_the_customer_has_gone_then_their_call_ends() -> None:
    async def story(floor: Floor) -> None:
        await floor.campaign(leads=0, caller_id=OWN, inbound=Inbound(600.0))
        await floor.agents("1001")
        floor.start()
        for n in range(2):
            floor.calls_in(f"i{n}", OWN, number(n))
            await asyncio.sleep(0.5)
        floor.board.is_deaf = True
        floor.board.end("i1", 16)
        floor.board.is_deaf = False
        await floor.recovery.after_gap()
        await asyncio.sleep(1.0)
        assert [call.call_id for call in floor.calls.all()] == ["i0"]
        assert replace(the_record(floor), timeline=()).is_end_estimated

    on_the_floor(story)
