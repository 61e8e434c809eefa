"""No sequence of imports, attempts, outcomes and jumps of time dials past a gate, and none loses a lead."""

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stasis_dialer.settings.holiday_dates import HolidayDates
from tests.fakes.database import MemoryStore
from tests.leadstories import BACK, FORWARD, LeadStory, random_campaign

HOLIDAYS = HolidayDates()


async def play(seed: int, steps: int) -> None:
    chance = random.Random(seed)
    store = MemoryStore()
    store.leads.holidays = HOLIDAYS
    now = chance.choice((FORWARD, BACK))
    stored = await store.campaigns.create(random_campaign(chance), "story", now)
    await LeadStory(store, chance, stored.campaign, now).play(steps)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**9), st.integers(5, 120))
def test_given_any_life_when_leads_are_dialled_then_no_gate_is_passed_and_no_lead_is_lost(
    seed: int, steps: int
) -> None:
    asyncio.run(play(seed, steps))


@pytest.mark.parametrize("seed", range(20))
def test_given_a_long_life_then_the_same(seed: int) -> None:
    asyncio.run(play(seed, 300))
