"""Campaigns: legacy columns and our settings as one value."""

from datetime import time

import pytest

from stasis_dialer.core.model import Campaign, CampaignStatus, ConnectMode, DialMode
from stasis_dialer.db.store import Store
from stasis_dialer.errors import CampaignNotFound, Refused
from tests.contract.db.conftest import NOW, AnyStore, at, begin

FULL = Campaign(
    id=0,
    name="Cobrança São João",
    status=CampaignStatus.PAUSED,
    mode=DialMode.PROGRESSIVE,
    connect=ConnectMode.ON_DEMAND,
    max_channels=40,
    impulse_factor=2.5,
    max_multiplier=7.0,
    average_call_time=95.0,
    window_start=time(20, 30),
    window_end=time(2, 0),
    timezone="America/Manaus",
    trunks=("carrier1", "carrier2"),
    caller_id="551140001000",
    ring_timeout_seconds=25.0,
    wrap_up_seconds=0.0,
    auto_answer=False,
    retry_delay_seconds=60.0,
)


async def test_given_a_campaign_when_created_then_it_is_read_as_it_was_written(store: AnyStore) -> None:
    created = await store.campaigns.create(FULL, "ana", NOW)
    for which in (created.campaign.id, FULL.name):
        stored = await store.campaigns.get(which)
        assert stored.problems == ()
        assert stored.campaign == Campaign(**{**_fields(FULL), "id": created.campaign.id})
        assert (stored.created_at, stored.updated_at) == (NOW, NOW)
    assert await store.campaigns.active() == []


async def test_given_a_name_that_is_taken_when_created_then_it_is_refused(store: AnyStore) -> None:
    await store.campaigns.create(FULL, "ana", NOW)
    with pytest.raises(Refused, match="already"):
        await store.campaigns.create(FULL, "ana", NOW)


async def test_given_no_such_campaign_when_asked_then_it_is_not_found(store: AnyStore) -> None:
    for which in (4711, "nobody"):
        with pytest.raises(CampaignNotFound):
            await store.campaigns.get(which)


async def test_given_a_campaign_when_started_then_it_is_among_the_active_ones(store: AnyStore) -> None:
    created = await store.campaigns.create(FULL, "ana", NOW)
    await store.campaigns.set_status(created.campaign.id, CampaignStatus.ACTIVE, "ana", at(60))
    (active,) = await store.campaigns.active()
    assert (active.campaign.id, active.updated_at) == (created.campaign.id, at(60))
    assert await store.campaigns.find() == [active]


async def test_given_an_unknown_setting_when_updated_then_it_is_refused(store: AnyStore) -> None:
    created = await store.campaigns.create(FULL, "ana", NOW)
    with pytest.raises(Refused, match="colour"):
        await store.campaigns.update(created.campaign.id, {"colour": "red"}, "ana", NOW)


async def test_given_settings_when_changed_then_the_others_stay_and_it_is_audited(mariadb: Store) -> None:
    created = await mariadb.campaigns.create(FULL, "ana", NOW)
    changes = {"max_channels": 3, "wrap_up_seconds": 9.0, "caller_id": FULL.caller_id}
    changed = await mariadb.campaigns.update(created.campaign.id, changes, "rui", at(60))
    assert changed.campaign == Campaign(**{**_fields(created.campaign), "max_channels": 3, "wrap_up_seconds": 9.0})
    entry, creation = await mariadb.audit.latest(f"campaign:{created.campaign.id}")
    assert (entry.actor, entry.action, entry.happened_at) == ("rui", "campaign-changed", at(60))
    assert entry.before == {"max_channels": 40, "wrap_up_seconds": 0.0}
    assert entry.after == {"max_channels": 3, "wrap_up_seconds": 9.0}
    assert (creation.actor, creation.action) == ("ana", "campaign-created")
    await mariadb.campaigns.update(created.campaign.id, {"max_channels": 3}, "rui", at(90))
    assert len(await mariadb.audit.latest()) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"max_channels": 0},
        {"name": ""},
        {"timezone": "Mars/Olympus"},
        {"ring_timeout_seconds": "long"},
        {"mode": "telepathic"},
        {"window_start": "25:00"},
    ],
)
async def test_given_a_bad_value_when_updated_then_nothing_is_changed(
    mariadb: Store, changes: dict[str, object]
) -> None:
    created = await mariadb.campaigns.create(FULL, "ana", NOW)
    with pytest.raises(Refused, match="bad setting"):
        await mariadb.campaigns.update(created.campaign.id, changes, "rui", NOW)
    assert (await mariadb.campaigns.get(created.campaign.id)).campaign == created.campaign


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ("{broken", "not JSON"),
        ("[1]", "not an object"),
        ('{"trunks": 7, "wrap_up_seconds": 3}', "trunks"),
        ('{"colour": "red", "wrap_up_seconds": 3}', "colour"),
    ],
)
async def test_given_broken_settings_of_one_campaign_when_listed_then_the_others_are_whole(
    mariadb: Store, settings: str, problem: str
) -> None:
    broken = await mariadb.campaigns.create(FULL, "ana", NOW)
    story = await begin(mariadb)
    await mariadb.database.run(
        lambda statements: statements.execute(
            "UPDATE discador_campanhas SET settings = %s WHERE id = %s", settings, broken.campaign.id
        )
    )
    first, second = await mariadb.campaigns.find()
    assert len(first.problems) == 1 and problem in first.problems[0]
    assert first.campaign.name == FULL.name
    assert first.campaign.wrap_up_seconds == (3 if "wrap_up" in settings else 5)
    assert (second.campaign, second.problems) == (story.campaign, ())


async def test_given_rows_that_the_panel_changed_when_recounted_then_the_counters_are_true(mariadb: Store) -> None:
    story = await begin(mariadb)
    await story.add("11987650001", "11987650002", "11987650003")
    await mariadb.database.run(
        lambda statements: statements.execute("UPDATE discador_contatos SET status = 'failed' ORDER BY id LIMIT 2")
    )
    counters = await mariadb.campaigns.recount(story.campaign.id, NOW)
    assert (counters.total_contacts, counters.processed_contacts) == (3, 2)
    assert counters.success_rate == 0.0


def _fields(campaign: Campaign) -> dict[str, object]:
    return {name: getattr(campaign, name) for name in Campaign.__dataclass_fields__}
