"""Telephones that call in: PINs asked for, wrong ones, locks, floods, and wishes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from stasis_dialer.core.model import AgentState, ConnectMode
from stasis_dialer.core.pauses import PauseReason, PauseReasons
from stasis_dialer.engine.entries import ASK_PIN, LOGGED_OUT, LONGEST_PIN, REFUSED, SAFE_HARBOUR, WRONG_PIN, Entries
from stasis_dialer.engine.pin_guard import PinGuard
from tests.engine.floor import Floor, on_the_floor
from tests.property.switchboard import Person
from tests.unit.engine.transports import ScriptedTransport

LOCK_SECONDS = 60.0
REASONS = PauseReasons([PauseReason("lunch", "Lunch", "2", 1800.0)])


class Door(Entries):
    """The entries of a floor; what is played is over at once."""

    def __init__(self, floor: Floor) -> None:
        self.floor = floor
        self.transport = ScriptedTransport()
        guard = PinGuard(floor.clock.now, 3, LOCK_SECONDS)
        super().__init__(
            self.transport,
            floor.desk,
            floor.store.pins,
            guard,
            REASONS,
            floor.inbound,
            floor.hand,
            floor.supervisions,
            "app",
            self.gone,
        )

    async def calls(self, leg_id: str, entry: str = "agent-login", extension: str = "1001") -> None:
        self.floor.board.arrive(leg_id)
        self.entered(leg_id, [entry, extension])
        await asyncio.sleep(0.5)

    async def keys(self, leg_id: str, text: str) -> None:
        for key in text:
            self.pressed(leg_id, key)
        await asyncio.sleep(0.5)

    def heard(self, leg_id: str) -> list[str]:
        return [query["media"] for _, path, query, _, _ in self.transport.sent if path == f"/channels/{leg_id}/play"]

    def is_hung_up(self, leg_id: str) -> bool:
        return ("DELETE", f"/channels/{leg_id}") in self.transport.requests

    def state(self) -> AgentState | None:
        agent = self.floor.desk.find("1001")
        return agent.state if agent else None


def at_the_door(story: Callable[[Door], Awaitable[None]], pin: str | None = "4321") -> None:
    async def play(floor: Floor) -> None:
        if pin is not None:
            floor.store.pins.kept["1001"] = pin
        door = Door(floor)
        await story(door)
        await asyncio.sleep(100.0)
        assert door._visits == {}
        assert not door._tasks

    on_the_floor(play)


def test_given_no_pin_when_the_telephone_logs_in_then_it_is_in_at_once() -> None:
    async def story(door: Door) -> None:
        await door.calls("p1")
        assert door.state() is AgentState.AVAILABLE
        assert door.heard("p1") == []

    at_the_door(story, pin=None)


def test_given_the_right_pin_with_or_without_an_end_then_logged_in() -> None:
    for text, seconds in (("4321#", 0.0), ("4321", 5.0), ("99*4321#", 0.0)):

        async def story(door: Door, text: str = text, seconds: float = seconds) -> None:
            await door.calls("p1")
            assert (door.heard("p1"), door.state()) == ([ASK_PIN], None)
            await door.keys("p1", text)
            await asyncio.sleep(seconds)
            assert door.state() is AgentState.AVAILABLE
            assert not door.is_hung_up("p1")

        at_the_door(story)


def test_given_three_wrong_pins_then_hung_up_and_locked_for_a_while_in_every_call() -> None:
    async def story(door: Door) -> None:
        await door.calls("p1")
        for _ in range(3):
            await door.keys("p1", "1111#")
            door.played("p1")
            await asyncio.sleep(0.5)
        assert door.heard("p1") == [ASK_PIN, WRONG_PIN] * 2 + [ASK_PIN]
        assert door.is_hung_up("p1")
        await door.calls("p2")
        assert door.heard("p2") == [REFUSED]
        door.played("p2")
        await asyncio.sleep(LOCK_SECONDS)
        await door.calls("p3")
        await door.keys("p3", "4321#")
        assert door.state() is AgentState.AVAILABLE

    at_the_door(story)


def test_given_wrong_pins_in_several_calls_then_they_are_counted_together() -> None:
    async def story(door: Door) -> None:
        for leg_id in ("p1", "p2", "p3"):
            await door.calls(leg_id)
            await door.keys(leg_id, "1#")
            door.gone(leg_id)
            await asyncio.sleep(0.5)
        await door.calls("p4")
        assert door.heard("p4") == [REFUSED]

    at_the_door(story)


def test_given_nobody_presses_anything_then_it_counts_as_wrong_and_ends() -> None:
    async def story(door: Door) -> None:
        await door.calls("p1")
        await asyncio.sleep(200.0)
        assert door.is_hung_up("p1")
        assert door.state() is None

    at_the_door(story)


def test_given_a_flood_of_keys_then_no_more_than_a_pin_is_kept() -> None:
    async def story(door: Door) -> None:
        await door.calls("p1")
        for _ in range(10_000):
            door.pressed("p1", "4")
        assert door._visits["p1"].keys.qsize() <= LONGEST_PIN
        await asyncio.sleep(300.0)
        assert door.state() is None

    at_the_door(story)


def test_given_the_telephone_hangs_up_while_asked_then_nobody_is_logged_in() -> None:
    async def story(door: Door) -> None:
        await door.calls("p1")
        door.gone("p1")
        await door.keys("p1", "4321#")
        assert door.state() is None

    at_the_door(story)


def test_given_the_database_is_away_then_nobody_is_let_in_without_a_pin() -> None:
    async def story(door: Door) -> None:
        door.floor.store.is_away = True
        await door.calls("p1")
        assert door.heard("p1") == [REFUSED]
        assert door.state() is None

    at_the_door(story)


def test_given_a_telephone_that_was_switched_off_and_on_then_it_takes_its_session_over() -> None:
    async def story(door: Door) -> None:
        await door.calls("p1")
        first = door.floor.desk.find("1001")
        await door.calls("p2")
        second = door.floor.desk.find("1001")
        assert first is not None
        assert second is not None
        assert (first.session_id != second.session_id, second.leg_id) == (True, "p2")
        assert second.state is AgentState.AVAILABLE
        assert "p1" not in door.floor.board.channels

    at_the_door(story, pin=None)


@pytest.mark.parametrize("on_demand", [False, True], ids=["always_on", "on_demand"])
def test_given_a_telephone_that_was_gone_while_talking_when_it_dials_in_then_its_customer_is_on_the_new_leg(
    on_demand: bool,
) -> None:
    async def story(door: Door) -> None:
        floor, board = door.floor, door.floor.board
        connect = ConnectMode.ON_DEMAND if on_demand else ConnectMode.ALWAYS_ON
        await floor.campaign(leads=1, connect=connect)
        floor.people["PJSIP/1001"] = Person(picks_up_after=0.2)
        floor.anybody = Person(picks_up_after=1.0)
        floor.desk.phones({"1001"})
        await floor.agents("1001", on_demand=on_demand)
        floor.start()
        await asyncio.sleep(5.0)
        before = floor.desk.expect("1001")
        await door.calls("p-p-1")
        assert door.heard("p-p-1") == [REFUSED]
        for reachable in (set(), {"1001"}):
            floor.desk.phones(reachable)
        await asyncio.sleep(30.0)
        await door.calls("p-p-2")
        after, (call,) = floor.desk.expect("1001"), floor.calls.all()
        assert (after.session_id, after.state, after.leg_id) == (before.session_id, AgentState.ON_CALL, "p-p-2")
        assert set(board.legs_in(before.bridge_id or "")) == {call.leg_id, "p-p-2"}
        assert before.leg_id not in board.channels
        assert (door.heard("p-p-2"), door.is_hung_up("p-p-2")) == ([], False)
        await asyncio.sleep(10.0)
        board.end(call.leg_id, 16)
        await asyncio.sleep(2.0)
        (ended,) = floor.ended
        assert (ended.agent, ended.agent_leg_id, ended.hung_up_by) == ("1001", "p-p-2", "customer")
        (session,) = floor.store.session_rows.values()
        whole = await floor.store.agents.get_session(session.session_id)
        assert whole is not None
        assert whole.seconds["on_call"] == pytest.approx(42.0, abs=3.0)
        assert floor.desk.expect("1001").state is AgentState.AVAILABLE
        floor.desk.log_all_out()
        await asyncio.sleep(5.0)
        assert "p-p-2" not in board.channels
        assert board.crowds == []

    at_the_door(story, pin=None)


def test_given_wishes_then_they_are_done_and_said_and_the_channel_ends() -> None:
    async def story(door: Door) -> None:
        await door.calls("p1")
        for leg_id, entry, media, state in (
            ("p2", "agent-pause", "sound:stasis-dialer/agent-paused", AgentState.PAUSED),
            ("p3", "agent-unpause", "sound:stasis-dialer/agent-unpaused", AgentState.AVAILABLE),
            ("p4", "agent-logout", LOGGED_OUT, None),
            ("p5", "agent-pause", REFUSED, None),
            ("p6", "inbound", SAFE_HARBOUR, None),
            ("p7", "", REFUSED, None),
        ):
            await door.calls(leg_id, entry)
            assert (door.heard(leg_id), door.state()) == ([media], state)
            door.played(leg_id)
            await asyncio.sleep(0.5)
            assert door.is_hung_up(leg_id)

    at_the_door(story, pin=None)


def test_given_the_digit_of_a_reason_then_that_is_why_the_agent_pauses_and_another_is_refused() -> None:
    async def story(door: Door) -> None:
        await door.calls("p1")
        for leg_id, digit, media in (("p2", "2", "sound:stasis-dialer/agent-paused"), ("p3", "9", REFUSED)):
            door.floor.board.arrive(leg_id)
            door.entered(leg_id, ["agent-pause", "1001", digit])
            await asyncio.sleep(0.5)
            assert door.heard(leg_id) == [media]
            door.played(leg_id)
        agent = door.floor.desk.find("1001")
        assert agent is not None
        assert (agent.state, agent.pause_reason) == (AgentState.PAUSED, "lunch")

    at_the_door(story, pin=None)


def test_given_a_defect_then_the_channel_does_not_stay() -> None:
    async def story(door: Door) -> None:
        async def broken(extension: str) -> Any:
            raise RuntimeError("a defect")

        door._pins.is_wanted = broken  # type: ignore[method-assign]
        await door.calls("p1")
        assert door.is_hung_up("p1")

    at_the_door(story)
