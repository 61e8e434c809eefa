"""A registry that is too old stops every way of dialling, and is named wherever one asks why; a newer one opens it."""

from dataclasses import replace
from datetime import datetime

import pytest

from stasis_dialer.cli.check import FAILED, OK, _registries
from stasis_dialer.core.gates import Gate
from stasis_dialer.core.lead_options import Law, LawPack
from stasis_dialer.core.model import CampaignStatus, DialMode
from stasis_dialer.db.by_hand import Typed
from stasis_dialer.db.store import Store
from stasis_dialer.errors import Refused
from tests.contract.db.conftest import APP, LEASE_SECONDS, NOW, Story, at, begin, e164

DAY = 86_400.0
PAULISTA = "11987650001"
WHY = "registry procon is 31 days old, at most 30 are allowed"


@pytest.fixture
async def story(mariadb: Store) -> Story:
    story = await begin(mariadb)
    story.campaign = replace(story.campaign, law=Law())
    await story.add(PAULISTA)
    return story


async def imported(story: Story, dated_at: datetime, campaign_id: int | None = None) -> None:
    async with story.store.dnc.registry("procon", campaign_id, NOW) as registry:
        await registry.add(["5511900000000"])
        await registry.commit(dated_at, is_whole=True)


async def typed(story: Story, number: str, call_id: str = "call-x") -> None:
    await story.store.by_hand.reserve(story.campaign, Typed(call_id, number, "1001"), NOW, APP, LEASE_SECONDS)


@pytest.mark.parametrize("mode", [DialMode.PREDICTIVE, DialMode.PROGRESSIVE, DialMode.PREVIEW, DialMode.BROADCAST])
@pytest.mark.parametrize("is_zone_known", [True, False])
async def test_given_an_old_registry_when_a_list_is_dialled_then_its_leads_wait_until_a_newer_one_comes(
    story: Story, mode: DialMode, is_zone_known: bool
) -> None:
    story.campaign = replace(story.campaign, mode=mode)
    await imported(story, at(-31 * DAY))
    if is_zone_known:
        await story.store.leads.know_zones(story.campaign, e164, 10)
    taken = await story.reserve(5)
    assert (taken.reservations, taken.refused) == ([], [])
    assert (await story.counters())[1] == 0
    await imported(story, at(-DAY))
    assert [one.number for one in (await story.reserve(5)).reservations] == [f"55{PAULISTA}"]


async def test_given_an_old_registry_when_a_callback_is_due_then_it_waits_and_is_not_lost(story: Story) -> None:
    (lead,) = await story.store.leads.find()
    await story.store.agenda.promise(lead.id, at(60), NOW)
    await imported(story, at(-31 * DAY))
    assert (await story.reserve(5, at(120))).reservations == []
    assert await story.store.agenda.of_lead(lead.id) is not None
    await imported(story, at(-DAY))
    (one,) = (await story.reserve(5, at(180))).reservations
    assert one.lead.callback_at == at(60)


async def test_given_an_old_registry_when_an_agent_types_a_number_then_it_is_refused_with_the_reason(
    story: Story,
) -> None:
    await imported(story, at(-31 * DAY))
    for number in (f"55{PAULISTA}", "5511987650009"):
        with pytest.raises(Refused, match=WHY):
            await typed(story, number)
    assert await story.store.calls.get("call-x") is None
    await imported(story, at(-DAY))
    await typed(story, f"55{PAULISTA}")


async def test_given_an_old_registry_when_asked_why_then_lead_campaign_and_check_name_it(story: Story) -> None:
    await story.store.leads.know_zones(story.campaign, e164, 10)
    (lead,) = await story.store.leads.find()
    await imported(story, at(-31 * DAY))
    found = await story.store.explain.lead(lead.id, story.campaign, e164, NOW)
    held = found.best.held_by
    assert (held.gate, held.ends, held.opens_at, found.best.opens_at) == (Gate.REGISTRY, None, None, None)
    assert WHY in held.why
    (count,) = await story.store.explain.campaign(story.campaign, NOW)
    assert (count.gate, count.leads) == (Gate.REGISTRY, 1) and WHY in count.why
    assert await story.store.explain.up_next(story.campaign, e164, NOW) == []
    await imported(story, at(-DAY))
    (count,) = await story.store.explain.campaign(story.campaign, NOW)
    assert (count.gate, count.leads) == ("ready", 1)


async def test_given_registries_when_checked_then_those_that_stop_a_campaign_are_told(mariadb: Store) -> None:
    assert (await _registries(mariadb)).seen == "none imported"
    story = await begin(mariadb)  # its law is off
    await imported(story, at(-31 * DAY))
    assert (await _registries(mariadb)).result == OK
    await mariadb.campaigns.update(story.campaign.id, {"law": Law()}, "tests", NOW)
    found = await _registries(mariadb)
    assert found.result == FAILED and "registry procon is" in found.seen and "stops Natal" in found.seen
    await mariadb.campaigns.set_status(story.campaign.id, CampaignStatus.FINISHED, "tests", NOW)
    assert (await _registries(mariadb)).result == OK


async def test_given_registries_of_some_campaigns_when_dialled_then_only_theirs_wait(story: Story) -> None:
    await imported(story, at(-31 * DAY), campaign_id=story.campaign.id + 1)
    assert len((await story.reserve(5)).reservations) == 1
    await story.add("11987650002")
    await imported(story, at(-31 * DAY), campaign_id=story.campaign.id)
    assert (await story.reserve(5)).reservations == []
    off = Story(story.store, replace(story.campaign, law=Law(LawPack.OFF)), story.call_ids)
    assert len((await off.reserve(5)).reservations) == 1
