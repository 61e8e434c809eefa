"""Previews and typed numbers through the whole engine: agents, gates, trunks, leads."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from stasis_dialer.core import messages as m
from stasis_dialer.core.call import CallState
from stasis_dialer.core.model import AgentState, DialMode, Disposition, LeadStatus
from stasis_dialer.core.options import OnTimeout, Preview
from stasis_dialer.db.dnc import DoNotCall
from stasis_dialer.errors import NumberRefused, Refused
from tests.engine.floor import TRUNK, Floor, number, on_the_floor
from tests.property.switchboard import Person

PREVIEW: dict[str, Any] = {"mode": DialMode.PREVIEW, "retry_delay_seconds": 600.0}


def state(floor: Floor, extension: str = "1001") -> AgentState | None:
    agent = floor.desk.find(extension)
    return agent.state if agent else None


def lead(floor: Floor) -> tuple[LeadStatus, int]:
    row = next(iter(floor.store.rows.values()))
    return row.status, row.attempts


async def shows(floor: Floor, *, on_demand: bool = False, **changes: Any) -> None:
    """Agent 1001 looks at the campaign's one lead."""
    await floor.campaign(leads=1, **{**PREVIEW, **changes})
    floor.anybody = Person(picks_up_after=3.0, hangs_up_after=5.0)
    await floor.agents("1001", on_demand=on_demand)
    floor.start()
    await asyncio.sleep(1.0)
    (call,) = floor.calls.all()
    assert (call.state, state(floor)) == (CallState.PREVIEWING, AgentState.RESERVED)


@pytest.mark.parametrize("on_demand", [False, True], ids=["always on", "on demand"])
def test_given_a_lead_is_shown_when_accepted_then_the_agent_hears_it_ring_and_talks(on_demand: bool) -> None:
    async def story(floor: Floor) -> None:
        await shows(floor, on_demand=on_demand)
        seen = floor.hand.lead_of("1001")
        assert (seen["name"], seen["number"], seen["state"]) == ("Ana", number(0), "previewing")
        assert [endpoint for _, endpoint in floor.board.dialled if "carrier" in endpoint] == []
        floor.hand.accept("1001")
        await asyncio.sleep(2.0)
        (call,) = floor.calls.all()
        assert call.state is CallState.RINGING
        assert len(floor.board.legs_in(call.bridge_id or "")) == 2
        await asyncio.sleep(2.5)
        assert state(floor) is AgentState.ON_CALL
        await asyncio.sleep(6.0)
        assert (floor.outcomes(), lead(floor)) == ([Disposition.ANSWERED], (LeadStatus.COMPLETED, 1))
        assert state(floor) is AgentState.AVAILABLE
        assert floor.trunks.in_use() == {"carrier": 0}
        (record,) = floor.store.records.values()
        assert (record.agent, record.trunk) == ("1001", "carrier")

    on_the_floor(story)


@pytest.mark.parametrize("how", ["skip", "let pass", "log out"])
def test_given_a_lead_is_shown_when_it_is_not_wanted_then_it_waits_for_another_time(how: str) -> None:
    async def story(floor: Floor) -> None:
        await shows(floor, preview=Preview(timeout_seconds=5.0, on_timeout=OnTimeout.PAUSE))
        if how == "skip":
            floor.hand.skip("1001")
        elif how == "log out":
            floor.desk.tell("1001", m.LogoutRequested())
            floor.hand.skip("1001")
        await asyncio.sleep(8.0)
        assert (floor.outcomes(), lead(floor)) == ([Disposition.CANCELLED], (LeadStatus.PENDING, 0))
        expected = {"skip": AgentState.AVAILABLE, "let pass": AgentState.PAUSED, "log out": None}[how]
        assert state(floor) is expected
        if how == "let pass":
            agent = floor.desk.find("1001")
            assert agent is not None
            assert agent.pause_reason == "preview_timeout"
        await asyncio.sleep(590.0)
        assert floor.placed() == 1
        if how == "skip":
            await asyncio.sleep(20.0)
            assert floor.placed() == 2

    on_the_floor(story)


def test_given_leads_that_may_not_be_passed_over_then_that_is_refused_and_nothing_is_shown_twice() -> None:
    async def story(floor: Floor) -> None:
        await shows(floor, preview=Preview(may_skip=False))
        with pytest.raises(Refused, match="may not be passed over"):
            floor.hand.skip("1001")
        floor.hand.accept("1001")
        with pytest.raises(Refused, match="no lead is shown"):
            floor.hand.accept("1001")

    on_the_floor(story)


def test_given_keys_then_previews_are_accepted_by_them() -> None:
    async def story(floor: Floor) -> None:
        await shows(floor)
        agent = floor.desk.find("1001")
        assert agent is not None
        for key in "*57":
            floor.dispatcher.post_to_leg(agent.leg_id or "", m.DigitPressed(key))
        await asyncio.sleep(1.0)
        (call,) = floor.calls.all()
        assert call.state is CallState.RINGING

    on_the_floor(story)


def test_given_customers_of_another_campaign_may_need_the_agent_then_no_lead_is_shown() -> None:
    async def story(floor: Floor) -> None:
        await floor.campaign(leads=3, name="live")
        floor.anybody = Person(picks_up_after=20.0, hangs_up_after=5.0)
        await floor.agents("1001")
        floor.start()
        await asyncio.sleep(2.0)
        preview = await floor.campaign(leads=1, name="shown", **PREVIEW)
        await asyncio.sleep(10.0)
        assert floor.placed(preview) == 0
        assert floor.reason(preview) == "no_free_agents"

    on_the_floor(story)


def test_given_outside_hours_then_no_lead_is_shown_and_the_reason_is_told() -> None:
    async def story(floor: Floor) -> None:
        now = floor.clock.utc_now()
        closed = {"window_start": now.time().replace(hour=3), "window_end": now.time().replace(hour=4)}
        campaign = await floor.campaign(leads=1, timezone="UTC", **PREVIEW, **closed)
        await floor.agents("1001")
        floor.start()
        await asyncio.sleep(2.0)
        assert (floor.placed(), floor.reason(campaign)) == (0, "outside_hours")
        with pytest.raises(Refused, match="outside_hours"):
            await floor.hand.dial("1001", number(0))

    on_the_floor(story)


# --- typed numbers --------------------------------------------------------------------------------------------------


async def sits(floor: Floor, leads: int = 0, **changes: Any) -> None:
    """Agent 1001 sits in a manual campaign."""
    await floor.campaign(leads=leads, **{"mode": DialMode.MANUAL, **changes})
    floor.anybody = Person(picks_up_after=2.0, hangs_up_after=3.0)
    await floor.agents("1001")
    floor.start()
    await asyncio.sleep(1.0)


def test_given_a_typed_number_then_it_is_called_and_a_lead_with_it_is_counted() -> None:
    async def story(floor: Floor) -> None:
        await sits(floor, leads=1)
        await floor.hand.dial("1001", number(0))
        assert state(floor) is AgentState.RESERVED
        await asyncio.sleep(8.0)
        assert (floor.outcomes(), lead(floor)) == ([Disposition.ANSWERED], (LeadStatus.COMPLETED, 1))
        answer = await floor.hand.dial("1001", "(11) 98765-4444")
        assert answer["lead_id"] is None
        await asyncio.sleep(8.0)
        assert floor.outcomes() == [Disposition.ANSWERED] * 2
        assert state(floor) is AgentState.AVAILABLE

    on_the_floor(story)


def test_given_a_number_that_must_not_be_called_then_nothing_is_dialled_by_any_way() -> None:
    async def story(floor: Floor) -> None:
        await sits(floor, leads=2)
        first, second = floor.store.rows
        await floor.store.dnc.add([DoNotCall(number(0))], floor.clock.utc_now())
        floor.store.rows[second] = replace(floor.store.rows[second], attempts=3)
        for typed, words in (
            (number(0), "do-not-call"),
            (number(1), "attempts=3 max_attempts=3"),
            ("12", "not a"),
            ("190", "."),
            ("+1 212 555 0100", "."),
        ):
            with pytest.raises((Refused, NumberRefused), match=words):
                await floor.hand.dial("1001", typed)
        agent = floor.desk.find("1001")
        assert agent is not None
        for key in f"*50{number(0)}#":
            floor.dispatcher.post_to_leg(agent.leg_id or "", m.DigitPressed(key))
        await asyncio.sleep(1.0)
        assert [endpoint for _, endpoint in floor.board.dialled if "carrier" in endpoint] == []
        assert (state(floor), floor.placed(), floor.store.rows[first].attempts) == (AgentState.AVAILABLE, 0, 0)

    on_the_floor(story)


def test_given_a_lead_that_is_being_called_or_an_agent_who_is_busy_then_refused() -> None:
    async def story(floor: Floor) -> None:
        await sits(floor, leads=1)
        await floor.agents("1002")
        await floor.hand.dial("1001", number(0))
        with pytest.raises(Refused, match="being called already"):
            await floor.hand.dial("1002", number(0))
        with pytest.raises(Refused, match="not available"):
            await floor.hand.dial("1001", number(5))
        with pytest.raises(Refused, match="not logged in"):
            await floor.hand.dial("1009", number(5))

    on_the_floor(story)


def test_given_keys_then_a_number_is_dialled_by_them() -> None:
    async def story(floor: Floor) -> None:
        await sits(floor)
        agent = floor.desk.find("1001")
        assert agent is not None
        for key in "*5011987654321#":
            floor.dispatcher.post_to_leg(agent.leg_id or "", m.DigitPressed(key))
        await asyncio.sleep(3.0)
        assert state(floor) is AgentState.ON_CALL
        assert [endpoint for _, endpoint in floor.board.dialled][-1] == "PJSIP/5511987654321@carrier"

    on_the_floor(story)


def test_given_no_trunk_has_room_then_the_attempt_is_given_back() -> None:
    async def story(floor: Floor) -> None:
        await sits(floor, leads=1)
        floor.trunks._gates["carrier"].in_use = 1
        await floor.hand.dial("1001", number(0))
        await asyncio.sleep(1.0)
        assert (floor.outcomes(), lead(floor)) == ([Disposition.CANCELLED], (LeadStatus.PENDING, 0))
        assert state(floor) is AgentState.AVAILABLE

    on_the_floor(story, replace(TRUNK, max_channels=1))


def test_given_several_campaigns_then_the_manual_one_is_meant_or_one_must_be_named() -> None:
    async def story(floor: Floor) -> None:
        await sits(floor)
        other = await floor.campaign(leads=0, name="other", mode=DialMode.PREVIEW)
        await floor.book.refresh()
        manual = next(c for c in floor.book.active() if c.mode is DialMode.MANUAL)
        assert floor.hand.check("1001", number(0))[0] == manual
        assert floor.hand.check("1001", number(0), other.id)[0].id == other.id
        await floor.change(manual, mode=DialMode.PREVIEW)
        await floor.book.refresh()
        with pytest.raises(Refused, match="name the campaign"):
            floor.hand.check("1001", number(0))
        with pytest.raises(Refused, match="not active"):
            floor.hand.check("1001", number(0), 999)
        await floor.agents("1002", campaigns=(other.id,))
        with pytest.raises(Refused, match="does not serve the campaign"):
            floor.hand.check("1002", number(0), manual.id)

    on_the_floor(story)


@pytest.mark.parametrize("on_demand", [False, True], ids=["always on", "on demand"])
def test_given_the_process_dies_while_it_rings_then_the_agent_hears_it_ring_on_and_has_the_customer(
    on_demand: bool,
) -> None:
    async def story(floor: Floor) -> None:
        await floor.campaign(leads=1, mode=DialMode.MANUAL)
        await floor.agents("1001", on_demand=on_demand)
        floor.start()
        floor.anybody = Person(picks_up_after=20.0, hangs_up_after=5.0)
        await floor.hand.dial("1001", number(0))
        await asyncio.sleep(2.0)
        await floor.is_killed()
        await asyncio.sleep(1.0)
        after = await floor.starts_again()
        await asyncio.sleep(0.5)
        assert state(after) is AgentState.RESERVED
        await asyncio.sleep(19.0)
        assert state(after) is AgentState.ON_CALL
        await asyncio.sleep(60.0)
        assert [record.disposition for record in after.store.records.values()] == [Disposition.ANSWERED]
        assert state(after) is AgentState.AVAILABLE

    on_the_floor(story)
