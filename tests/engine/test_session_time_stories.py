"""Agents' seconds add up to the time logged in, whatever the wall clock and the process do meanwhile."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from itertools import pairwise

import pytest

from stasis_dialer.core import messages as m
from stasis_dialer.core.model import AgentState
from tests.engine.floor import Floor, on_the_floor


async def intervals_add_up(floor: Floor) -> float:
    """No gap, no overlap, none twice; answers the seconds logged in of the one session, which is over."""
    (session,) = floor.store.session_rows.values()
    assert session.logged_out_at is not None
    intervals = await floor.store.agents.intervals(session.session_id)
    assert intervals[0].started_at == pytest.approx(session.logged_in_at, abs=timedelta(milliseconds=1))
    assert intervals[-1].ended_at == session.logged_out_at
    assert all(a.ended_at == b.started_at for a, b in pairwise(intervals))
    assert all(one.ended_at is not None and one.ended_at >= one.started_at for one in intervals)
    return (session.logged_out_at - session.logged_in_at).total_seconds()


@pytest.mark.parametrize("hours", [-3.0, -0.001, 0.001, 3.0])
def test_given_the_wall_clock_is_moved_during_a_session_then_no_state_is_written_twice(hours: float) -> None:
    async def story(floor: Floor) -> None:
        floor.start()
        await floor.agents("1001")
        for reason in ("lunch", "training"):
            floor.desk.tell("1001", m.PauseRequested(reason))
            await asyncio.sleep(60.0)
            floor.clock._origin += timedelta(hours=hours)
            floor.desk.tell("1001", m.PauseRequested("more"))
            await asyncio.sleep(30.0)
            floor.desk.tell("1001", m.UnpauseRequested())
            await asyncio.sleep(10.0)
        floor.desk.tell("1001", m.LogoutRequested())
        await asyncio.sleep(1.0)
        assert await intervals_add_up(floor) == pytest.approx(201.0, abs=0.5)

    on_the_floor(story)


@pytest.mark.parametrize("hours", [-3.0, 0.0, 3.0])
def test_given_the_process_dies_and_the_clock_is_moved_then_the_states_still_follow_each_other(hours: float) -> None:
    async def story(floor: Floor) -> None:
        floor.start()
        await floor.agents("1001")
        floor.desk.tell("1001", m.PauseRequested("lunch"))
        await asyncio.sleep(60.0)
        await floor.is_killed()
        await asyncio.sleep(5.0)
        after = Floor(before=floor)
        floor.successor = after
        after.clock._origin += timedelta(hours=hours)
        await after.recovery.after_start(after.store.calls, after.store.agents, after.store.leads)
        after.start()
        agent = after.desk.find("1001")
        assert agent is not None
        assert (agent.state, agent.since <= after.clock.now()) == (AgentState.PAUSED, True)
        after.desk.tell("1001", m.UnpauseRequested())
        await asyncio.sleep(30.0)
        after.desk.tell("1001", m.LogoutRequested())
        await asyncio.sleep(1.0)
        expected = {-3.0: 31.0, 0.0: 96.0, 3.0: 96.0 + 3 * 3600}[hours]
        assert await intervals_add_up(after) == pytest.approx(expected, abs=1.0)

    on_the_floor(story)
