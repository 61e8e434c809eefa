"""A dialer that is killed, or deaf for a while: nobody is dropped, nobody is lost, nothing is left behind."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from stasis_dialer.core import messages as m
from stasis_dialer.core.call import CallState
from stasis_dialer.core.model import AgentState, CallStatus, Disposition, Fault, LeadStatus
from stasis_dialer.engine.recovery import UNKNOWN_SECONDS
from stasis_dialer.errors import DatabaseUnavailable
from tests.engine.floor import Floor, number, on_the_floor
from tests.property.switchboard import Channel, Person

D, F = Disposition, Fault
LATER = 600.0
BOTH = pytest.mark.parametrize("on_demand", [False, True], ids=["always_on", "on_demand"])


async def one_call(floor: Floor, *, on_demand: bool = False, customer: Person | None = None) -> str:
    """A campaign of one lead, one agent, and its call on its way; answers the call's id."""
    await floor.campaign(leads=1)
    floor.anybody = customer or Person(picks_up_after=1.0)
    await floor.agents("1001", on_demand=on_demand)
    floor.start()
    await asyncio.sleep(0.5)
    (call,) = floor.calls.all()
    return call.call_id


async def a_pair_talks(floor: Floor, *, on_demand: bool = False) -> str:
    call_id = await one_call(floor, on_demand=on_demand)
    await asyncio.sleep(3.0)
    assert the_call(floor).state is CallState.BRIDGED
    return call_id


def the_call(floor: Floor):  # type: ignore[no-untyped-def]
    (call,) = floor.calls.all()
    return call


def the_agent(floor: Floor):  # type: ignore[no-untyped-def]
    (agent,) = floor.desk.agents()
    return agent


def the_record(floor: Floor):  # type: ignore[no-untyped-def]
    (record,) = floor.store.records.values()
    return record


def the_lead(floor: Floor):  # type: ignore[no-untyped-def]
    (lead,) = floor.store.rows.values()
    return lead


# --- killed ---------------------------------------------------------------------------------------------------------


@BOTH
def test_given_a_pair_talks_when_the_dialer_is_killed_then_they_talk_on_and_get_one_record(on_demand: bool) -> None:
    async def story(floor: Floor) -> None:
        call_id = await a_pair_talks(floor, on_demand=on_demand)
        answered_at, channels = the_record(floor).answered_at, set(floor.board.channels)
        await floor.is_killed()
        await asyncio.sleep(20.0)
        again = await floor.starts_again()
        await asyncio.sleep(5.0)
        assert set(again.board.channels) == channels
        assert (the_call(again).state, the_agent(again).state) == (CallState.BRIDGED, AgentState.ON_CALL)
        assert again.trunks.in_use() == {"carrier": 1}
        again.board.end(call_id, 16)
        await asyncio.sleep(10.0)
        record = the_record(again)
        assert (record.disposition, record.status) == (D.ANSWERED, CallStatus.FINISHED)
        assert record.answered_at == answered_at
        assert record.agent == "1001"
        assert not record.is_end_estimated
        assert 27 <= record.duration_seconds <= 30
        assert the_lead(again).status is LeadStatus.COMPLETED
        assert the_agent(again).state is AgentState.AVAILABLE
        assert again.trunks.in_use() == {"carrier": 0}

    on_the_floor(story)


@BOTH
def test_given_a_pair_talks_when_the_agent_hangs_up_after_the_restart_then_the_customer_is_hung_up(
    on_demand: bool,
) -> None:
    async def story(floor: Floor) -> None:
        await a_pair_talks(floor, on_demand=on_demand)
        await floor.is_killed()
        again = await floor.starts_again()
        again.board.end(the_agent(again).leg_id, 16)
        await asyncio.sleep(10.0)
        assert the_record(again).disposition is D.ANSWERED
        assert again.board.channels == {}
        assert again.board.bridges == set()

    on_the_floor(story)


@BOTH
def test_given_a_pair_talked_when_both_hung_up_while_the_dialer_was_dead_then_answered_with_an_estimated_end(
    on_demand: bool,
) -> None:
    async def story(floor: Floor) -> None:
        await a_pair_talks(floor, on_demand=on_demand)
        await floor.is_killed()
        for leg in list(floor.board.channels):
            floor.board.end(leg, 16)
        again = await floor.starts_again()
        await asyncio.sleep(5.0)
        record = the_record(again)
        assert (record.disposition, record.is_end_estimated) == (D.ANSWERED, True)
        assert the_lead(again).status is LeadStatus.COMPLETED
        assert again.desk.agents() == [] if not on_demand else the_agent(again).state is AgentState.AVAILABLE
        assert again.board.bridges == set()

    on_the_floor(story)


@BOTH
def test_given_a_pair_talked_when_the_agent_hung_up_while_the_dialer_was_dead_then_the_customer_is_not_left_alone(
    on_demand: bool,
) -> None:
    async def story(floor: Floor) -> None:
        call_id = await a_pair_talks(floor, on_demand=on_demand)
        await floor.is_killed()
        floor.board.end(next(leg for leg in floor.board.channels if leg != call_id), 16)
        again = await floor.starts_again()
        await asyncio.sleep(5.0)
        assert call_id not in again.board.channels
        assert again.board.bridges == set()
        assert the_record(again).disposition is D.ANSWERED

    on_the_floor(story)


def test_given_a_pair_talked_when_they_are_in_one_bridge_no_more_then_the_customer_is_not_left_alone() -> None:
    async def story(floor: Floor) -> None:
        call_id = await a_pair_talks(floor)
        await floor.is_killed()
        floor.board.channels[call_id].bridge = None
        again = await floor.starts_again()
        await asyncio.sleep(5.0)
        assert call_id not in again.board.channels
        assert the_record(again).disposition is D.ANSWERED
        assert the_agent(again).state is AgentState.AVAILABLE

    on_the_floor(story)


@BOTH
def test_given_a_call_rings_when_the_dialer_is_killed_then_its_answer_finds_an_agent(on_demand: bool) -> None:
    async def story(floor: Floor) -> None:
        await one_call(floor, on_demand=on_demand, customer=Person(picks_up_after=8.0))
        await floor.is_killed()
        await asyncio.sleep(2.0)
        again = await floor.starts_again()
        assert the_call(again).state is CallState.RINGING
        await asyncio.sleep(10.0)
        assert (the_call(again).state, the_agent(again).state) == (CallState.BRIDGED, AgentState.ON_CALL)
        assert len(again.store.records) == 1

    on_the_floor(story)


def test_given_a_call_was_answered_while_the_dialer_was_dead_then_it_is_offered_at_once() -> None:
    async def story(floor: Floor) -> None:
        await one_call(floor, customer=Person(picks_up_after=3.0))
        await floor.is_killed()
        await asyncio.sleep(10.0)
        again = await floor.starts_again()
        await asyncio.sleep(1.0)
        assert the_call(again).state is CallState.BRIDGED

    on_the_floor(story)


def test_given_a_call_rang_out_while_the_dialer_was_dead_then_its_lead_is_dialled_again_later_and_counted_once() -> (
    None
):
    async def story(floor: Floor) -> None:
        await one_call(floor, customer=Person(picks_up_after=None))
        await floor.is_killed()
        await asyncio.sleep(60.0)
        again = await floor.starts_again()
        await asyncio.sleep(5.0)
        record, lead = the_record(again), the_lead(again)
        assert (record.disposition, record.fault, record.is_end_estimated) == (D.ERROR, F.UNKNOWN, True)
        assert (lead.status, lead.attempts) == (LeadStatus.PENDING, 1)
        assert lead.next_attempt_at is not None

    on_the_floor(story)


def test_given_a_call_was_only_created_when_the_dialer_is_killed_then_it_is_hung_up() -> None:
    async def story(floor: Floor) -> None:
        call_id = await one_call(floor)
        channel = floor.board.channels[call_id]
        await floor.is_killed()
        for timer in channel.timers:
            timer.cancel()
        channel.is_dialled = False
        again = await floor.starts_again()
        await asyncio.sleep(5.0)
        assert call_id not in again.board.channels
        assert the_lead(again).status is LeadStatus.PENDING

    on_the_floor(story)


def test_given_an_agent_pauses_when_the_dialer_is_killed_then_still_paused_and_seconds_add_up() -> None:
    async def story(floor: Floor) -> None:
        await floor.campaign(leads=0)
        await floor.agents("1001")
        floor.start()
        floor.desk.tell("1001", m.PauseRequested("lunch"))
        await asyncio.sleep(10.0)
        await floor.is_killed()
        await asyncio.sleep(30.0)
        again = await floor.starts_again()
        agent = the_agent(again)
        assert (agent.state, agent.pause_reason) == (AgentState.PAUSED, "lunch")
        again.desk.tell("1001", m.UnpauseRequested())
        await asyncio.sleep(10.0)
        again.desk.log_all_out()
        await asyncio.sleep(10.0)
        (session,) = again.store.session_rows.values()
        whole = await again.store.agents.get_session(session.session_id)
        assert whole is not None
        assert whole.logged_out_at is not None
        seconds = (whole.logged_out_at - whole.logged_in_at).total_seconds()
        assert sum(whole.seconds.values()) == pytest.approx(seconds, abs=0.01)
        assert whole.seconds["paused"] == pytest.approx(40.0, abs=0.1)

    on_the_floor(story)


def test_given_a_telephone_that_never_registers_when_the_dialer_is_killed_then_its_agent_stays_available() -> None:
    async def story(floor: Floor) -> None:
        await floor.campaign(leads=0)
        await floor.agents("1001")
        floor.start()
        floor.desk.phones(set())
        await asyncio.sleep(1.0)
        assert the_agent(floor).state is AgentState.AVAILABLE
        await floor.is_killed()
        again = await floor.starts_again()
        for reachable in (set(), {"1001"}):
            again.desk.phones(reachable)
            assert the_agent(again).state is AgentState.AVAILABLE
        again.desk.phones(set())
        assert the_agent(again).pause_reason == "unregistered"

    on_the_floor(story)


def test_given_an_agents_telephone_still_rings_to_log_in_when_the_dialer_is_killed_then_no_customer_is_sent_there() -> (
    None
):
    async def story(floor: Floor) -> None:
        await floor.campaign(leads=1)
        floor.start()
        floor.people["PJSIP/1001"] = Person(picks_up_after=20.0)
        await floor.agents("1001")
        assert the_agent(floor).state is AgentState.RINGING
        await floor.is_killed()
        again = await floor.starts_again()
        await asyncio.sleep(5.0)
        assert AgentState.AVAILABLE not in {agent.state for agent in again.desk.agents()}
        assert again.placed() == 0

    on_the_floor(story)


def test_given_channels_and_bridges_of_ours_that_nobody_knows_then_they_are_removed_and_others_stay() -> None:
    async def story(floor: Floor) -> None:
        await floor.campaign(leads=0)
        for leg in ("app-c-old-1", "app-a-old-1", "application-c-1", "1700000000.12", "xapp-c-1"):
            floor.board.channels[leg] = Channel(leg)
        floor.board.bridges |= {"app-b-old-1", "conference"}
        await floor.recovery.after_start(floor.store.calls, floor.store.agents, floor.store.leads)
        assert set(floor.board.channels) == {"application-c-1", "1700000000.12", "xapp-c-1"}
        assert floor.board.bridges == {"conference"}

    on_the_floor(story)


def test_given_the_database_is_away_at_the_start_then_nothing_is_half_done_and_the_next_try_takes_all_over() -> None:
    async def story(floor: Floor) -> None:
        await a_pair_talks(floor)
        await floor.is_killed()
        again = Floor(before=floor)
        floor.successor = again
        await again.book.refresh()
        again.store.is_away = True
        with pytest.raises(DatabaseUnavailable):
            await again.recovery.after_start(again.store.calls, again.store.agents, again.store.leads)
        assert (again.calls.all(), again.desk.agents(), len(again.board.channels)) == ([], [], 2)
        again.store.is_away = False
        await again.recovery.after_start(again.store.calls, again.store.agents, again.store.leads)
        assert (the_call(again).state, the_agent(again).state) == (CallState.BRIDGED, AgentState.ON_CALL)

    on_the_floor(story)


def test_given_a_busy_floor_when_the_dialer_is_killed_again_and_again_then_every_lead_is_closed_once() -> None:
    async def story(floor: Floor) -> None:
        campaign = await floor.campaign(leads=30)
        floor.anybody = Person(picks_up_after=2.0, hangs_up_after=6.0)
        for n in range(0, 30, 3):
            floor.people[f"PJSIP/{number(n)}@carrier"] = Person(picks_up_after=None)
        await floor.agents("1001", "1002", "1003")
        await floor.agents("1004", "1005", on_demand=True)
        floor.start()
        now = floor
        for seconds in (3.0, 5.0, 2.5, 7.0):
            await asyncio.sleep(seconds)
            await now.is_killed()
            await asyncio.sleep(1.0)
            now = await now.starts_again()
            assert now.dispatcher.broken == 0
        await asyncio.sleep(LATER)
        assert now.dispatcher.broken == 0
        counts = await now.store.leads.counts(campaign.id)
        assert counts["calling"] == 0
        assert len(now.store.records) == 30
        assert all(record.status is CallStatus.FINISHED for record in now.store.records.values())
        assert now.trunks.in_use() == {"carrier": 0}
        assert all(agent.state is AgentState.AVAILABLE for agent in now.desk.agents())
        assert len(now.desk.agents()) == 5
        assert {"PJSIP/" + number(n) + "@carrier" for n in range(30)} == {
            endpoint for _, endpoint in now.board.dialled if "@" in endpoint
        }

    on_the_floor(story)


# --- deaf for a while -----------------------------------------------------------------------------------------------


async def deaf(floor: Floor, seconds: float) -> None:
    """The events' socket is away for so long."""
    floor.board.is_deaf, floor.dialer.is_connected = True, False
    await asyncio.sleep(seconds)


async def hears_again(floor: Floor) -> None:
    floor.board.is_deaf = False
    await floor.recovery.after_gap()
    floor.dialer.is_connected = True
    await asyncio.sleep(1.0)


@pytest.mark.parametrize(
    ("name", "customer", "seconds", "state"),
    [
        ("it begins to ring", Person(picks_up_after=60.0), 2.0, CallState.RINGING),
        ("it is answered", Person(picks_up_after=2.0), 4.0, CallState.BRIDGED),
    ],
)
def test_given_a_call_on_its_way_when_events_are_lost_then_it_catches_up(
    name: str, customer: Person, seconds: float, state: CallState
) -> None:
    async def story(floor: Floor) -> None:
        await floor.campaign(leads=1)
        floor.anybody = customer
        await floor.agents("1001")
        floor.start()
        await asyncio.sleep(0.05)
        await deaf(floor, seconds)
        await hears_again(floor)
        assert the_call(floor).state is state, name

    on_the_floor(story)


def test_given_a_call_is_being_created_when_its_arrival_is_lost_then_it_is_dialled_after_the_gap() -> None:
    async def story(floor: Floor) -> None:
        await floor.campaign(leads=1)
        await floor.agents("1001")
        floor.board.is_deaf = True
        floor.start()
        await asyncio.sleep(1.0)
        assert the_call(floor).dialled_at is None
        await hears_again(floor)
        assert the_call(floor).dialled_at is not None

    on_the_floor(story)


def test_given_a_pair_talks_when_the_customer_hangs_up_unheard_then_the_call_ends_after_the_gap() -> None:
    async def story(floor: Floor) -> None:
        call_id = await a_pair_talks(floor)
        await deaf(floor, 1.0)
        floor.board.end(call_id, 16)
        await hears_again(floor)
        assert floor.outcomes() == [D.ANSWERED]
        assert the_record(floor).is_end_estimated
        assert the_agent(floor).state is AgentState.AVAILABLE

    on_the_floor(story)


@BOTH
def test_given_a_pair_talks_when_the_agent_hangs_up_unheard_then_the_customer_is_hung_up_after_the_gap(
    on_demand: bool,
) -> None:
    async def story(floor: Floor) -> None:
        call_id = await a_pair_talks(floor, on_demand=on_demand)
        await deaf(floor, 1.0)
        floor.board.end(next(leg for leg in floor.board.channels if leg != call_id), 16)
        await hears_again(floor)
        assert floor.outcomes() == [D.ANSWERED]
        assert floor.board.channels == {}

    on_the_floor(story)


def test_given_an_idle_agent_when_the_telephone_hangs_up_unheard_then_logged_off_after_the_gap() -> None:
    async def story(floor: Floor) -> None:
        await floor.campaign(leads=0)
        await floor.agents("1001")
        floor.start()
        await deaf(floor, 1.0)
        floor.board.end(the_agent(floor).leg_id, 16)
        await hears_again(floor)
        assert floor.desk.agents() == []
        assert floor.board.bridges == set()

    on_the_floor(story)


def test_given_a_pair_talks_when_nothing_happens_in_the_gap_then_nothing_changes() -> None:
    async def story(floor: Floor) -> None:
        await a_pair_talks(floor)
        before = (the_call(floor), the_agent(floor))
        await deaf(floor, 30.0)
        await hears_again(floor)
        assert (the_call(floor), the_agent(floor)) == before
        assert len(floor.board.channels) == 2

    on_the_floor(story)


@pytest.mark.parametrize("is_over", [False, True], ids=["plays on", "over"])
@pytest.mark.parametrize("unanswered", [0, 2])
def test_given_a_message_in_a_gap_then_it_is_heard_to_its_end_and_no_longer_waited_for(
    is_over: bool, unanswered: int
) -> None:
    async def story(floor: Floor) -> None:
        await floor.campaign(leads=1, safe_harbour_media="sound:sorry")
        floor.anybody = Person(picks_up_after=1.0)
        await floor.agents("1001")
        floor.start()
        await asyncio.sleep(0.5)
        floor.desk.tell("1001", m.PauseRequested("lunch"))
        await asyncio.sleep(3.0)
        assert the_call(floor).state is CallState.SAFE_HARBOUR
        look, silent = floor.board._ProbeMessage, [m.RequestUnanswered(m.LOOK)] * unanswered
        floor.board._ProbeMessage = lambda command: (silent.pop(),) if silent else look(command)  # type: ignore[method-assign]
        await deaf(floor, 10.0 if is_over else 0.1)
        await hears_again(floor)
        assert floor.outcomes() == [D.ABANDONED] * is_over
        await asyncio.sleep(5.0)
        assert floor.outcomes() == [D.ABANDONED]
        assert silent == []

    on_the_floor(story)


# --- the database ---------------------------------------------------------------------------------------------------


def test_given_the_database_goes_away_during_a_call_then_it_is_kept_and_written_when_it_is_back() -> None:
    async def story(floor: Floor) -> None:
        call_id = await a_pair_talks(floor)
        floor.store.is_away = True
        floor.board.end(call_id, 16)
        await asyncio.sleep(60.0)
        assert floor.journal.is_database_away
        assert floor.journal.depth > 0
        assert the_record(floor).status is not CallStatus.FINISHED
        floor.store.is_away = False
        await asyncio.sleep(10.0)
        assert (floor.journal.depth, floor.journal.is_database_away) == (0, False)
        assert the_record(floor).disposition is D.ANSWERED
        assert the_lead(floor).status is LeadStatus.COMPLETED

    on_the_floor(story)


def test_given_the_answer_of_a_reservation_is_lost_then_its_leads_are_closed_and_dialled_again_later() -> None:
    async def story(floor: Floor) -> None:
        await floor.campaign(leads=3, retry_delay_seconds=60.0)
        await floor.agents("1001", "1002")
        reserve = floor.store.leads.reserve

        async def is_committed_unheard(*asked: Any) -> Any:
            floor.store.is_answer_lost = True
            try:
                return await reserve(*asked)
            finally:
                floor.store.is_answer_lost = False
                del floor.store.leads.reserve

        floor.store.leads.reserve = is_committed_unheard  # type: ignore[method-assign, assignment]
        floor.start()
        await asyncio.sleep(30.0)
        stuck = [lead for lead in floor.store.rows.values() if lead.status is LeadStatus.CALLING]
        assert len(stuck) == 2 + len(floor.calls.all())

        def is_known(call_id: str) -> bool:
            return floor.dispatcher.find(call_id) is not None or floor.journal.is_waiting(call_id)

        await asyncio.sleep(UNKNOWN_SECONDS)
        await floor.recovery.close_unknown(floor.store.calls, floor.store.leads, is_known)
        await asyncio.sleep(300.0)
        assert {lead.status for lead in floor.store.rows.values()} == {LeadStatus.COMPLETED}
        assert floor.trunks.in_use() == {"carrier": 0}
        dialled = Counter(endpoint for _, endpoint in floor.board.dialled if "@" in endpoint)
        assert set(dialled.values()) == {1}

    on_the_floor(story)
