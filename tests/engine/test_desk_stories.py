"""Agents and customers meet, and part at the worst of moments."""

from __future__ import annotations

import asyncio

from stasis_dialer.core import messages as m
from stasis_dialer.core.call import CallState
from stasis_dialer.core.model import AgentState, Disposition
from tests.engine.floor import Floor, on_the_floor
from tests.property.switchboard import Person


async def until(floor: Floor, extension: str, state: AgentState) -> None:
    """Step by half a millisecond until the agent is there."""
    for _ in range(100_000):
        agent = floor.desk.find(extension)
        if agent is not None and agent.state is state:
            return
        await asyncio.sleep(0.0005)
    raise AssertionError(f"agent {extension} never became {state}")


def test_given_the_only_agent_hangs_up_before_the_customer_is_there_then_rung_again_for_the_same_customer() -> None:
    async def story(floor: Floor) -> None:
        await floor.campaign(leads=1)
        floor.anybody = Person(picks_up_after=1.0)
        await floor.agents("1001", on_demand=True)
        floor.start()
        await until(floor, "1001", AgentState.RESERVED)
        agent = floor.desk.find("1001")
        assert agent is not None
        assert agent.leg_id is not None
        floor.board.end(agent.leg_id, 16)
        await asyncio.sleep(1.0)
        (call,) = floor.calls.all()
        assert (call.state, call.agent) == (CallState.BRIDGED, "1001")
        await until(floor, "1001", AgentState.ON_CALL)

    on_the_floor(story)


def test_given_an_agent_does_not_pick_up_then_the_next_one_gets_the_customer_within_the_deadline() -> None:
    async def story(floor: Floor) -> None:
        await floor.campaign(leads=1, answer_deadline_seconds=10.0, agent_ring_seconds=3.0)
        floor.anybody = Person(picks_up_after=1.0)
        floor.people["PJSIP/1001"] = Person(picks_up_after=None)
        await floor.agents("1001", "1002", on_demand=True)
        floor.start()
        await asyncio.sleep(8.0)
        (call,) = floor.calls.all()
        assert (call.state, call.agent) == (CallState.BRIDGED, "1002")
        missed = floor.desk.find("1001")
        assert missed is not None
        assert (missed.state, missed.pause_reason) == (AgentState.PAUSED, "no_answer")

    on_the_floor(story)


def test_given_nobody_is_free_when_an_agent_comes_back_in_time_then_the_customer_who_waits_longest_is_first() -> None:
    async def story(floor: Floor) -> None:
        await floor.campaign(leads=2, answer_deadline_seconds=10.0)
        floor.anybody = Person(picks_up_after=1.0)
        await floor.agents("1001", "1002")
        floor.start()
        await asyncio.sleep(0.5)
        assert floor.placed() == 2
        for extension in ("1001", "1002"):
            floor.desk.tell(extension, m.PauseRequested("lunch"))
        await asyncio.sleep(2.0)
        first, second = sorted(floor.calls.all(), key=lambda call: (call.answered_at or 0.0, call.call_id))
        assert first.state is second.state is CallState.QUEUED
        floor.desk.tell("1001", m.UnpauseRequested())
        await asyncio.sleep(1.0)
        states = {call.call_id: call.state for call in floor.calls.all()}
        assert sorted(states.values()) == [CallState.BRIDGED, CallState.QUEUED]
        floor.desk.tell("1002", m.UnpauseRequested())
        await asyncio.sleep(1.0)
        assert {call.state for call in floor.calls.all()} == {CallState.BRIDGED}

    on_the_floor(story)


def test_given_the_customer_is_gone_before_the_agent_picks_up_then_the_telephone_stops_ringing() -> None:
    async def story(floor: Floor) -> None:
        await floor.campaign(leads=1)
        floor.anybody = Person(picks_up_after=1.0, hangs_up_after=0.5)
        floor.people["PJSIP/1001"] = Person(picks_up_after=5.0)
        await floor.agents("1001", on_demand=True)
        floor.start()
        await asyncio.sleep(4.0)
        assert floor.outcomes() == [Disposition.ABANDONED]
        agent = floor.desk.find("1001")
        assert agent is not None
        assert agent.state is AgentState.AVAILABLE
        assert (floor.board.channels, floor.board.bridges) == ({}, set())

    on_the_floor(story)
