"""Why a lead is not dialled, told by the gates that the reservation asks; and a campaign's leads by gate."""

from dataclasses import replace
from typing import Any

import pytest

from stasis_dialer.core.gates import Gate
from stasis_dialer.core.lead_options import Law, Retry
from stasis_dialer.core.model import CampaignStatus, DialMode, Disposition, LeadStatus
from stasis_dialer.db.by_hand import Typed
from stasis_dialer.db.dnc import DoNotCall
from stasis_dialer.db.explain import COUNTS, GateCount
from stasis_dialer.db.leads import NewLead
from stasis_dialer.db.store import Store
from tests.contract.db.conftest import APP, LEASE_SECONDS, NOW, Story, at, begin, e164
from tests.contract.db.records import ended, outcome

PAULISTA, ACREAN = "11987650001", "68987650001"
EARLY = at(-3600)
"""Nine in São Paulo, seven in Acre."""


@pytest.fixture
async def lawful(mariadb: Store) -> Story:
    story = await begin(mariadb)
    story.campaign = replace(story.campaign, law=Law(), retry=Retry())
    return story


async def held(story: Story, lead_id: int, now: Any = NOW, **known: Any) -> tuple[Gate | None, Any]:
    found = await story.store.explain.lead(lead_id, story.campaign, e164, now, **known)
    assert found is not None
    assert [verdict.gate for verdict in found.best.verdicts] == list(Gate)
    return found.best.held_by and found.best.held_by.gate, found.best.opens_at


async def only_id(story: Story) -> int:
    (lead,) = await story.store.leads.find()
    return int(lead.id)


async def test_given_a_lead_that_may_be_called_when_explained_then_every_gate_is_open(lawful: Story) -> None:
    await lawful.add(PAULISTA)
    assert await held(lawful, await only_id(lawful)) == (None, NOW)
    assert await lawful.store.explain.lead(999, lawful.campaign, e164, NOW) is None


async def test_given_each_gate_shut_when_explained_then_it_is_named_with_its_opening(lawful: Story) -> None:
    await lawful.add(ACREAN)
    lead_id = await only_id(lawful)
    assert await held(lawful, lead_id, EARLY) == (Gate.LAW, at(3600))
    assert await held(lawful, lead_id, at(3600), trunk="every trunk rests") == (Gate.TRUNK, None)
    (one,) = (await lawful.reserve(1, at(3600))).reservations
    gate, opens_at = await held(lawful, lead_id, at(3601))
    assert (gate, opens_at) == (Gate.RESERVATION, None)
    await lawful.store.calls.finish(
        [(ended(one, Disposition.BUSY), outcome(one, LeadStatus.PENDING, "busy", at(7200)))]
    )
    assert await held(lawful, lead_id, at(3700)) == (Gate.NEXT_ATTEMPT, at(7200))
    await lawful.store.agenda.promise(lead_id, at(9000), at(3700), agent="1001")
    assert await held(lawful, lead_id, at(3800)) == (Gate.CALLBACK, at(9000))
    await lawful.store.dnc.add([DoNotCall(f"55{ACREAN}", source="complaint")], at(3800))
    found = await lawful.store.explain.lead(lead_id, lawful.campaign, e164, at(9000))
    shut = [verdict for verdict in found.best.verdicts if not verdict.is_open]
    assert [verdict.gate for verdict in shut] == [Gate.DO_NOT_CALL] and "complaint" in shut[0].why
    lawful.campaign = replace(lawful.campaign, status=CampaignStatus.PAUSED)
    assert (await held(lawful, lead_id, at(9000)))[0] is Gate.CAMPAIGN


async def test_given_two_phones_when_explained_then_the_one_that_opens_first_is_told(lawful: Story) -> None:
    await lawful.store.leads.insert_many(lawful.campaign.id, [NewLead("Ana", ACREAN, PAULISTA)], NOW)
    found = await lawful.store.explain.lead(await only_id(lawful), lawful.campaign, e164, EARLY)
    assert found.best.case.phone.number == f"55{PAULISTA}" and found.best.opens_at == EARLY
    assert [phone.held_by and phone.held_by.gate for phone in found.phones] == [Gate.LAW, None]


async def test_given_any_lead_when_it_may_be_called_by_explanation_then_the_reservation_agrees(lawful: Story) -> None:
    await lawful.store.dnc.add([DoNotCall("5511987650003")], NOW)
    await lawful.add(PAULISTA, ACREAN, "11987650003", "x", "21987650005")
    for now in (EARLY, at(3600), at(8 * 3600), at(10 * 3600)):
        callable_now = set()
        for lead in await lawful.store.leads.find():
            if (await held(lawful, lead.id, now))[1] == now:
                callable_now.add(lead.id)
        taken = {one.lead.id for one in (await lawful.reserve(10, now)).reservations}
        assert taken == callable_now, now


async def test_given_a_number_when_asked_whose_it_is_then_leads_of_lists_and_of_calls_are_found(lawful: Story) -> None:
    await lawful.add(PAULISTA)
    await lawful.reserve(1)
    assert await lawful.store.explain.leads_of(f"55{PAULISTA}") == [await only_id(lawful)]
    assert await lawful.store.explain.leads_of("5511900000000") == []


async def test_given_leads_at_every_gate_when_counted_then_each_counts_once(lawful: Story) -> None:
    await lawful.store.dnc.add([DoNotCall("5511987650009")], NOW)
    await lawful.add(PAULISTA, ACREAN, "11987650003", "11987650004", "11987650005", "11987650009")
    await lawful.store.leads.know_zones(lawful.campaign, e164, 100)
    leads = await lawful.store.leads.find()
    first, second = (await lawful.reserve(2, EARLY)).reservations
    await lawful.store.calls.finish(
        [(ended(second, Disposition.BUSY), outcome(second, LeadStatus.PENDING, "busy", at(7200)))]
    )
    await lawful.store.agenda.promise(leads[4].id, at(9000), EARLY)
    counts = await lawful.store.explain.campaign(lawful.campaign, EARLY)
    assert {one.gate: (one.leads, one.opens_at) for one in counts} == {
        Gate.RESERVATION: (1, None),
        Gate.CALLBACK: (1, at(9000)),
        Gate.NEXT_ATTEMPT: (1, at(7200)),
        Gate.LAW: (1, at(3600)),
        "ready": (2, None),
    }
    assert sum(one.leads for one in counts) == 6
    up = await lawful.store.explain.up_next(lawful.campaign, e164, EARLY)
    assert {(one.gate, one.leads) for one in up} == {("ready", 1), (Gate.DO_NOT_CALL, 1)}
    assert len((await lawful.reserve(10, EARLY)).reservations) == 1
    paused = replace(lawful.campaign, status=CampaignStatus.PAUSED)
    (shut, *_) = await lawful.store.explain.campaign(paused, EARLY)
    assert shut == GateCount(Gate.CAMPAIGN, 0, "the campaign is paused") or shut.gate is Gate.CAMPAIGN
    assert first.lead.id != second.lead.id


async def test_the_count_is_one_pass_over_one_index(lawful: Story) -> None:
    await lawful.add(*(f"119876500{n:02d}" for n in range(50)))
    values = ("2026-03-02 10:00:00", "2026-03-02 10:00:00", lawful.campaign.id)
    rows = await lawful.store.database.run(lambda statements: statements.rows(f"EXPLAIN FORMAT=JSON {COUNTS}", *values))
    text = str(rows[0])
    assert "ix_dialer_lane" in text and "using_index" in text
    assert "filesort" not in text and "temporary" not in text


async def test_given_a_lead_that_nobody_can_call_when_explained_then_it_says_with_what_it_will_end(
    lawful: Story,
) -> None:
    await lawful.add("x")
    found = await lawful.store.explain.lead(await only_id(lawful), lawful.campaign, e164, NOW)
    assert (found.best.held_by.gate, found.best.held_by.ends, found.best.opens_at) == (
        Gate.NUMBER,
        "invalid_number",
        None,
    )


async def test_given_an_abandoned_number_when_explained_then_the_lock_out_is_named_with_its_end(
    mariadb: Store,
) -> None:
    story = await begin(mariadb)
    await story.add(PAULISTA)
    (one,) = (await story.reserve(1)).reservations
    lost = replace(ended(one, Disposition.ABANDONED), ended_at=at(30))
    await mariadb.calls.finish([(lost, outcome(one, LeadStatus.PENDING, "abandoned", at(60)))])
    until = at(72 * 3600 + 30)
    for mode in (DialMode.PREDICTIVE, DialMode.POWER, DialMode.LEGACY, DialMode.BROADCAST):
        story.campaign = replace(story.campaign, mode=mode)
        assert await held(story, one.lead.id, at(120)) == (Gate.LOCKOUT, until)
        assert await held(story, one.lead.id, until) == (None, until)
    assert (await story.reserve(5, at(120))).reservations == []
    for mode in (DialMode.PROGRESSIVE, DialMode.PREVIEW, DialMode.MANUAL):
        story.campaign = replace(story.campaign, mode=mode)
        assert (await held(story, one.lead.id, until))[0] is None


@pytest.mark.parametrize("mode", [DialMode.PREDICTIVE, DialMode.POWER])
async def test_given_an_abandoned_number_when_an_agent_types_it_then_it_is_called_though_the_campaign_may_not(
    mariadb: Store, mode: DialMode
) -> None:
    story = await begin(mariadb)
    await story.add(PAULISTA)
    (one,) = (await story.reserve(1)).reservations
    await mariadb.calls.finish([(ended(one, Disposition.ABANDONED), outcome(one, LeadStatus.PENDING, "abandoned"))])
    story.campaign = replace(story.campaign, mode=mode)
    assert (await story.reserve(5, at(3600))).reservations == []
    typed = Typed("call-x", f"55{PAULISTA}", "1001")
    await mariadb.by_hand.reserve(story.campaign, typed, at(3600), APP, LEASE_SECONDS)
    call = await mariadb.calls.get("call-x")
    assert call is not None and call.number == f"55{PAULISTA}"
