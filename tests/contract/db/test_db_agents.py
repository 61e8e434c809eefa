"""Agents' sessions add up; the panel shows the telephones; queues have their members."""

from dataclasses import replace
from itertools import pairwise

import pytest

from stasis_dialer.core.model import AgentSession, AgentState, ConnectMode, ExtensionStatus, LineStatus
from stasis_dialer.db.store import Store
from stasis_dialer.errors import Refused
from tests.contract.db.conftest import APP, NOW, AnyStore, at

LOGIN = AgentSession(
    "session-1", "1001", APP, ConnectMode.ALWAYS_ON, AgentState.PAUSED, NOW, campaigns=(3, 7), state_since=NOW
)


def moved(session: AgentSession, state: AgentState, seconds: float, **changes: str | None) -> AgentSession:
    """The session after its next change of state."""
    return replace(session, state=state, state_since=at(seconds), **changes)  # type: ignore[arg-type]


async def test_given_a_session_when_saved_then_a_restart_finds_it(store: AnyStore) -> None:
    other = replace(LOGIN, session_id="session-2", app="dialer-b")
    ringing = moved(LOGIN, AgentState.RINGING, 30.5, leg_id="leg-1", bridge_id="bridge-1", call_id="call-1")
    await store.agents.save_sessions([LOGIN, other, ringing])
    assert await store.agents.open_sessions(APP) == [replace(ringing, seconds={"paused": 30.5})]
    assert await store.agents.open_sessions("dialer-b") == [other]
    assert await store.agents.get_session("nobody") is None
    await store.agents.save_sessions([])


async def test_given_a_session_that_ended_when_its_states_are_summed_then_they_are_the_time_logged_in(
    store: AnyStore,
) -> None:
    steps = [LOGIN]
    for state, seconds in (
        (AgentState.AVAILABLE, 10.0),
        (AgentState.RESERVED, 12.345),
        (AgentState.ON_CALL, 12.345),
        (AgentState.WRAP_UP, 100.001),
        (AgentState.AVAILABLE, 105.0),
        (AgentState.ON_CALL, 107.25),
    ):
        steps.append(moved(steps[-1], state, seconds))
    end = replace(steps[-1], state=AgentState.LOGGED_OFF, state_since=at(600.5), logged_out_at=at(600.5))
    for step in (*steps, steps[-1], steps[-2], end):  # one twice, one late
        await store.agents.save_sessions([step])
    intervals = await store.agents.intervals("session-1")
    assert [interval.state for interval in intervals] == [
        AgentState.PAUSED,
        AgentState.AVAILABLE,
        AgentState.ON_CALL,
        AgentState.WRAP_UP,
        AgentState.AVAILABLE,
        AgentState.ON_CALL,
    ]
    assert intervals[0].started_at == NOW and intervals[-1].ended_at == at(600.5)
    assert all(a.ended_at == b.started_at for a, b in pairwise(intervals))
    session = await store.agents.get_session("session-1")
    assert session is not None
    assert session.logged_out_at == at(600.5)
    assert sum(session.seconds.values()) == pytest.approx(600.5, abs=1e-9)
    assert session.seconds["on_call"] == pytest.approx(87.656 + 493.25, abs=1e-9)
    assert await store.agents.open_sessions(APP) == []


async def test_given_telephones_when_saved_then_only_changes_touch_the_panel(store: AnyStore) -> None:
    free = ExtensionStatus("1001", LineStatus.FREE, LineStatus.FREE, True)
    gone = ExtensionStatus("1002", LineStatus.UNREGISTERED, LineStatus.UNREGISTERED, False)
    await store.agents.save_extensions([free, gone], NOW)
    busy = replace(free, line1=LineStatus.BUSY)
    await store.agents.save_extensions([busy, gone], at(60))
    assert [(row.status, row.last_activity_at) for row in await store.agents.panel()] == [(busy, at(60)), (gone, NOW)]
    await store.agents.save_extensions([], NOW)
    with pytest.raises(Refused, match="extensions"):
        await store.agents.save_extensions([replace(free, number="12345678901")], NOW)


async def test_given_the_panel_when_asked_as_the_legacy_does_then_a_free_line_is_enough(mariadb: Store) -> None:
    one_line = ExtensionStatus("1001", LineStatus.BUSY, LineStatus.FREE, True)
    busy = ExtensionStatus("1002", LineStatus.BUSY, LineStatus.BUSY, True)
    gone = ExtensionStatus("1003", LineStatus.FREE, LineStatus.FREE, False)
    await mariadb.agents.save_extensions([one_line, busy, gone], NOW)
    found = [await mariadb.agents.is_extension_available(number) for number in ("1001", "1002", "1003", "1004")]
    assert found == [True, False, False, False]


async def test_given_members_when_set_again_then_the_old_ones_are_gone(store: AnyStore) -> None:
    mariadb = store
    await mariadb.agents.set_members(3, {"1001": 0, "1002": 5})
    await mariadb.agents.set_members(7, {"1001": 1})
    await mariadb.agents.set_members(3, {"1002": 2, "1003": 1})
    assert await mariadb.agents.members() == {3: {"1003": 1, "1002": 2}, 7: {"1001": 1}}
    await mariadb.agents.set_members(3, {})
    assert await mariadb.agents.members() == {7: {"1001": 1}}
