"""Agents say what came of their calls, by keys and by the interface, in time and late."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from stasis_dialer.core import messages as m
from stasis_dialer.core.model import AgentState, LeadStatus
from stasis_dialer.core.options import Choice, Dispositions
from stasis_dialer.engine.control_agents import AgentActions
from stasis_dialer.errors import Refused
from tests.engine.floor import Floor, on_the_floor
from tests.property.switchboard import Person

CHOICES = (
    Choice("sale", "1", success=True),
    Choice("stop", "2", do_not_call=True),
    Choice("later", "3", callback=True),
    Choice("nobody", "4"),
)
FORCED = Dispositions(CHOICES, is_forced=True, max_wrap_up_seconds=30.0, default="nobody")


def actions(floor: Floor) -> AgentActions:
    return AgentActions(
        floor.clock, floor.desk, floor.book, floor.dispositions, floor.store.calls, floor.hand, floor.supervisions
    )


async def after_a_talk(floor: Floor, leads: int = 1) -> None:
    """Agent 1001 has talked 5 s with the first lead, and works on after it."""
    await floor.campaign(leads=leads, dispositions=FORCED, mode="progressive")
    floor.anybody = Person(picks_up_after=1.0, hangs_up_after=5.0)
    await floor.agents("1001")
    floor.start()
    await asyncio.sleep(8.0)
    agent = floor.desk.find("1001")
    assert agent is not None
    assert agent.state is AgentState.WRAP_UP


async def keys(floor: Floor, text: str) -> None:
    agent = floor.desk.find("1001")
    assert agent is not None
    assert agent.leg_id is not None
    for sign in text:
        floor.dispatcher.post_to_leg(agent.leg_id, m.DigitPressed(sign))
        await asyncio.sleep(0.1)


def lead_of(floor: Floor) -> tuple[LeadStatus, str | None]:
    lead = next(iter(floor.store.rows.values()))
    return lead.status, lead.result


def test_given_the_work_after_a_call_when_a_digit_is_pressed_then_the_lead_is_closed_and_the_agent_free() -> None:
    async def story(floor: Floor) -> None:
        await after_a_talk(floor)
        assert lead_of(floor) == (LeadStatus.COMPLETED, "answered")
        await keys(floor, "1")
        await asyncio.sleep(1.0)
        agent = floor.desk.find("1001")
        assert agent is not None
        assert agent.state is AgentState.AVAILABLE
        assert lead_of(floor) == (LeadStatus.COMPLETED, "sale")
        (record,) = floor.store.records.values()
        assert (record.agent_disposition, record.is_success) == ("sale", True)
        (stored,) = floor.store.campaign_rows.values()
        assert (stored.counters.processed_contacts, stored.counters.successful_calls) == (1, 1)

    on_the_floor(story)


def test_given_nobody_says_anything_when_the_time_runs_out_then_the_default_is_written() -> None:
    async def story(floor: Floor) -> None:
        await after_a_talk(floor)
        await keys(floor, "*55")
        await asyncio.sleep(1.0)
        assert lead_of(floor)[1] == "answered"
        await asyncio.sleep(30.0)
        assert lead_of(floor) == (LeadStatus.PENDING, "nobody")
        agent = floor.desk.find("1001")
        assert agent is not None
        assert agent.disposition == "nobody"

    on_the_floor(story)


def test_given_a_word_long_after_the_call_then_call_and_lead_are_corrected_whoever_says_it() -> None:
    async def story(floor: Floor) -> None:
        await after_a_talk(floor)
        await asyncio.sleep(31.0)
        (call_id,) = floor.store.records
        await actions(floor).dispose("1001", "stop")
        await asyncio.sleep(1.0)
        assert lead_of(floor) == (LeadStatus.COMPLETED, "stop")
        assert [number for number, *_ in floor.store.listed] == [floor.store.records[call_id].number]
        floor.desk.tell("1001", m.LogoutRequested())
        await asyncio.sleep(1.0)
        at = floor.clock.utc_now() + timedelta(hours=3)
        assert (await actions(floor).dispose("1001", "later", at))["call_id"] == call_id
        await asyncio.sleep(1.0)
        assert lead_of(floor) == (LeadStatus.PENDING, "later")
        await actions(floor).dispose_call(call_id, "sale")
        await asyncio.sleep(1.0)
        assert lead_of(floor) == (LeadStatus.COMPLETED, "sale")

    on_the_floor(story)


def test_given_the_database_is_away_when_disposed_then_it_is_written_when_it_is_back() -> None:
    async def story(floor: Floor) -> None:
        await after_a_talk(floor)
        floor.store.is_away = True
        await keys(floor, "1")
        await asyncio.sleep(20.0)
        assert floor.journal.depth
        floor.store.is_away = False
        await asyncio.sleep(10.0)
        assert lead_of(floor) == (LeadStatus.COMPLETED, "sale")
        assert floor.journal.depth == 0

    on_the_floor(story)


def test_given_the_process_dies_during_the_call_then_what_was_said_still_counts_at_its_end() -> None:
    async def story(floor: Floor) -> None:
        await floor.campaign(leads=1, dispositions=FORCED)
        floor.anybody = Person(picks_up_after=1.0, hangs_up_after=20.0)
        await floor.agents("1001")
        floor.start()
        await asyncio.sleep(5.0)
        await keys(floor, "*561#")
        await asyncio.sleep(1.0)
        await floor.is_killed()
        await asyncio.sleep(2.0)
        after = await floor.starts_again()
        await asyncio.sleep(20.0)
        assert lead_of(after) == (LeadStatus.COMPLETED, "sale")

    on_the_floor(story)


@pytest.mark.parametrize(
    ("extension", "code", "hours", "words"),
    [
        ("1001", "other", None, "no such disposition"),
        ("1001", "sale", 1.0, "not a disposition with a time"),
        ("1001", "later", -1.0, "not a time to call back"),
        ("1001", "later", 9000.0, "not a time to call back"),
        ("1002", "sale", None, "had no such call"),
    ],
)
def test_given_what_cannot_be_said_then_it_is_refused_with_the_reason(
    extension: str, code: str, hours: float | None, words: str
) -> None:
    async def story(floor: Floor) -> None:
        await after_a_talk(floor)
        at = None if hours is None else floor.clock.utc_now() + timedelta(hours=hours)
        with pytest.raises(Refused, match=words):
            await actions(floor).dispose(extension, code, at)
        with pytest.raises(Refused, match="a disposition is to be given first"):
            actions(floor).wrap_up_done("1001")

    on_the_floor(story)
