"""The random lives of leads on MariaDB: no gate is passed, and no lead is lost."""

import random

import pytest

from stasis_dialer.db.store import Store
from tests.leadstories import BACK, FORWARD, LeadStory, random_campaign


@pytest.mark.parametrize("seed", range(12))
async def test_given_any_life_when_leads_are_dialled_then_no_gate_is_passed_and_no_lead_is_lost(
    mariadb: Store, seed: int
) -> None:
    chance = random.Random(seed)
    now = chance.choice((FORWARD, BACK))
    stored = await mariadb.campaigns.create(random_campaign(chance), "story", now)
    await LeadStory(mariadb, chance, stored.campaign, now).play(120)
