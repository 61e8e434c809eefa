"""The rules at the reservation: no gate is passed, and no lead is lost for having waited at one."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from stasis_dialer.core.lead_options import Law, LeadList, LeadOrder, NextPhone, Retry
from stasis_dialer.core.model import (
    CallRecord,
    CallStatus,
    CampaignStatus,
    Direction,
    Disposition,
    LeadOutcome,
    LeadStatus,
)
from stasis_dialer.core.zones import ON_AGENDA
from stasis_dialer.db.agenda import MOST_MOVES, PUT_OFF_SECONDS
from stasis_dialer.db.dnc import DoNotCall
from stasis_dialer.db.leads import NewLead
from stasis_dialer.errors import Refused
from tests.contract.db.conftest import APP, LEASE_SECONDS, NOW, Story, at, e164
from tests.contract.db.records import answered, ended, outcome

PAULISTA, ACREAN = "11987650001", "68987650001"
EARLY = at(-3600)
"""Nine in São Paulo, seven in Acre."""
MORNING = at(3600)
"""Eleven in São Paulo, nine in Acre."""


async def lawful(story: Story) -> Story:
    story.campaign = replace(story.campaign, law=Law())
    return story


async def numbers(story: Story, now: datetime = NOW, agents: tuple[str, ...] = (), n: int = 10) -> list[str]:
    taken = await story.store.leads.reserve(story.campaign, n, now, APP, LEASE_SECONDS, e164, story.call_ids, agents)
    return [one.number[2:] for one in taken.reservations]


async def test_given_a_number_whose_zone_is_shut_when_reserved_then_it_waits_for_its_hours(story: Story) -> None:
    await lawful(story)
    await story.add(ACREAN, PAULISTA)
    assert await numbers(story, EARLY) == [PAULISTA]
    assert await numbers(story, at(3599)) == []
    (waiting,) = [lead for lead in [await story.lead(one) for one in await ids(story)] if lead.zone == "BR-AC"]
    assert (waiting.status, waiting.next_attempt_at, waiting.attempts) == (LeadStatus.PENDING, None, 0)
    assert await numbers(story, MORNING) == [ACREAN]


async def ids(story: Story) -> list[int]:
    if hasattr(story.store, "rows"):
        return list(story.store.rows)
    return [lead.id for lead in await story.store.leads.find()]


@pytest.mark.parametrize("status", [CampaignStatus.PAUSED, CampaignStatus.FINISHED])
async def test_given_a_campaign_that_is_not_active_when_reserved_then_no_lead_is_touched(
    story: Story, status: CampaignStatus
) -> None:
    await story.add("11987650001", "x")
    story.campaign = replace(story.campaign, status=status)
    taken = await story.reserve(5)
    assert not taken.reservations and not taken.refused


async def test_given_two_phones_in_two_zones_when_reserved_then_the_one_that_is_open_is_called(story: Story) -> None:
    await lawful(story)
    await story.store.leads.insert_many(story.campaign.id, [NewLead("Ana", ACREAN, PAULISTA)], NOW)
    assert await numbers(story, EARLY) == [PAULISTA]


async def test_given_a_number_with_its_calls_of_the_day_when_reserved_then_it_waits_a_day_from_the_first(
    story: Story,
) -> None:
    story.campaign = replace(story.campaign, retry=Retry(calls_per_number=2))
    await story.add(PAULISTA, max_attempts=9)
    for seconds in (0, 60):
        (one,) = (await story.reserve(1, at(seconds))).reservations
        busy = replace(ended(one, Disposition.BUSY), dialled_at=at(seconds), ended_at=at(seconds + 9))
        await story.store.calls.finish([(busy, outcome(one, LeadStatus.PENDING, "busy", at(seconds + 10)))])
    assert await numbers(story, at(120)) == []
    assert (await story.lead(one.lead.id)).next_attempt_at == NOW + timedelta(hours=24)
    assert await numbers(story, at(86_399)) == []
    assert await numbers(story, at(86_401)) == [PAULISTA]


async def test_given_two_leads_of_one_number_when_reserved_together_then_its_limit_holds(story: Story) -> None:
    story.campaign = replace(story.campaign, retry=Retry(calls_per_number=1))
    await story.add(PAULISTA, PAULISTA)
    assert await numbers(story) == [PAULISTA]
    assert await numbers(story, at(86_401)) == [PAULISTA]


async def test_given_an_attempt_that_never_left_when_reserved_then_it_counts_for_no_limit(story: Story) -> None:
    story.campaign = replace(story.campaign, retry=Retry(calls_per_number=1))
    await story.add(PAULISTA)
    (one,) = (await story.reserve(1)).reservations
    given_back = LeadOutcome(one.lead.id, one.call_id, LeadStatus.PENDING, "cancelled", None, True)
    await story.store.calls.finish([(ended(one, Disposition.CANCELLED), given_back)])
    assert await numbers(story, at(60)) == [PAULISTA]


async def test_given_a_lead_with_its_calls_of_the_day_when_reserved_then_it_waits(story: Story) -> None:
    story.campaign = replace(story.campaign, retry=Retry(calls_per_number=0, calls_per_lead=1))
    await story.store.leads.insert_many(story.campaign.id, [NewLead("Ana", PAULISTA, ACREAN, 9)], NOW)
    (one,) = (await story.reserve(1)).reservations
    busy = replace(ended(one, Disposition.BUSY), dialled_at=NOW)
    await story.store.calls.finish([(busy, outcome(one, LeadStatus.PENDING, "busy", at(60)))])
    assert await numbers(story, at(120)) == []
    assert len(await numbers(story, at(86_401))) == 1


async def test_given_a_number_that_is_none_three_times_when_reserved_then_it_is_retired_everywhere(
    story: Story,
) -> None:
    story.campaign = replace(story.campaign, retry=Retry(calls_per_number=0, retire_after=2))
    await story.add(PAULISTA, max_attempts=9)
    for seconds in (0, 60):
        (one,) = (await story.reserve(1, at(seconds))).reservations
        gone = replace(ended(one, Disposition.INVALID_NUMBER), ended_at=at(seconds + 5))
        end = [(gone, outcome(one, LeadStatus.PENDING, "invalid_number", at(seconds + 6)))]
        await story.store.calls.finish(end)
        await story.store.calls.finish(end)  # heard twice, counted once
    await story.add(PAULISTA)
    taken = await story.reserve(5, at(120))
    assert [refused.result for refused in taken.refused] == ["retired_number"] * 2
    assert not taken.reservations


async def test_given_a_number_that_lives_when_it_was_refused_before_then_it_is_not_retired(story: Story) -> None:
    story.campaign = replace(story.campaign, retry=Retry(calls_per_number=0, retire_after=2))
    await story.add(PAULISTA, max_attempts=9)
    none, busy = Disposition.INVALID_NUMBER, Disposition.BUSY
    for seconds, disposition in ((0, none), (60, busy), (120, none)):
        (one,) = (await story.reserve(1, at(seconds))).reservations
        end = replace(ended(one, disposition), ended_at=at(seconds + 5))
        await story.store.calls.finish([(end, outcome(one, LeadStatus.PENDING, str(disposition), at(seconds + 6)))])
    assert await numbers(story, at(180)) == [PAULISTA]


async def test_given_a_lead_that_has_expired_when_reserved_then_it_is_closed(story: Story) -> None:
    leads = [NewLead("Ana", PAULISTA, expires_at=NOW), NewLead("Rui", "11987650002", expires_at=at(1))]
    await story.store.leads.insert_many(story.campaign.id, leads, NOW)
    taken = await story.reserve(5)
    assert [refused.result for refused in taken.refused] == ["expired"]
    assert [one.number for one in taken.reservations] == ["5511987650002"]
    assert (await story.counters())[1] == 1


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (LeadOrder.OLDEST, [4, 5, 1, 2, 3]),
        (LeadOrder.NEWEST, [3, 2, 1, 4, 5]),
        (LeadOrder.LEAST_ATTEMPTS, [1, 2, 3, 5, 4]),
        (LeadOrder.PRIORITY, [2, 4, 5, 1, 3]),
    ],
    ids=str,
)
async def test_in_which_order_leads_come(story: Story, order: LeadOrder, expected: list[int]) -> None:
    """Leads 1 to 3 are fresh, 2 has a priority; 4 was tried twice, 5 once, and both are due."""
    story.campaign = replace(story.campaign, leads=LeadList(LeadOrder.OLDEST))
    leads = [NewLead(str(n), f"1198765000{n}", max_attempts=9) for n in (4, 5)]
    await story.store.leads.insert_many(story.campaign.id, leads, NOW)
    for seconds, due, wanted in ((0, 60, 2), (70, 120, 1)):
        for one in (await story.reserve(wanted, at(seconds))).reservations:
            busy = ended(one, Disposition.BUSY)
            due_at = at(due + int(one.lead.name))
            await story.store.calls.finish([(busy, outcome(one, LeadStatus.PENDING, "busy", due_at))])
    leads = [NewLead(str(n), f"1198765000{n}", priority=int(n == 2)) for n in (1, 2, 3)]
    await story.store.leads.insert_many(story.campaign.id, leads, NOW)
    story.campaign = replace(story.campaign, leads=LeadList(order))
    taken = await story.store.leads.reserve(story.campaign, 5, at(300), APP, LEASE_SECONDS, e164, story.call_ids)
    found = [int(one.lead.name) for one in taken.reservations]
    if order is LeadOrder.OLDEST:
        assert found[2:] == expected[2:] and set(found[:2]) == {4, 5}
    elif order is LeadOrder.NEWEST:
        assert found[:3] == expected[:3]
    elif order is LeadOrder.PRIORITY:
        assert found[0] == 2 and found[-2:] == [1, 3]
    else:
        assert found == expected


async def test_given_random_order_when_reserved_then_every_lead_comes_once(story: Story) -> None:
    story.campaign = replace(story.campaign, leads=LeadList(LeadOrder.RANDOM))
    await story.add(*(f"119876500{n:02d}" for n in range(20)))
    found = await numbers(story, n=7) + await numbers(story, n=20)
    assert len(found) == len(set(found)) == 20


async def test_given_an_attempt_at_one_phone_when_it_fails_then_the_rule_says_which_phone_is_next(
    story: Story,
) -> None:
    await story.store.leads.insert_many(story.campaign.id, [NewLead("Ana", PAULISTA, ACREAN, 9)], NOW)
    seen = []
    for turn, phone in enumerate((NextPhone.SAME, NextPhone.NEXT, NextPhone.NEXT)):
        (one,) = (await story.reserve(1, at(60 * turn))).reservations
        seen.append(one.number[2:])
        end = replace(outcome(one, LeadStatus.PENDING, "busy", at(60 * turn + 30)), phone=phone)
        await story.store.calls.finish([(ended(one, Disposition.BUSY), end)])
    assert seen == [PAULISTA, PAULISTA, ACREAN]
    assert await numbers(story, at(600)) == [PAULISTA]


# --- the agenda ---------------------------------------------------------------------------------------------------


async def test_given_a_promise_when_its_time_comes_then_it_is_kept_before_everything_else(story: Story) -> None:
    await story.add(PAULISTA, "11987650002")
    lead_id = (await ids(story))[1]
    await story.store.agenda.promise(lead_id, at(600), NOW, note="after lunch")
    assert await numbers(story, at(599), n=1) == [PAULISTA]
    await story.add("11987650003")
    taken = (await story.reserve(1, at(600))).reservations
    assert [one.lead.id for one in taken] == [lead_id]
    assert taken[0].lead.callback_at == at(600)
    assert await story.store.agenda.of_lead(lead_id) is None


async def test_given_a_promise_when_its_lead_would_be_due_as_a_retry_then_only_the_promise_dials_it(
    story: Story,
) -> None:
    await story.add(PAULISTA)
    (one,) = (await story.reserve(1)).reservations
    await story.store.agenda.promise(one.lead.id, at(3600), at(10))
    await story.store.calls.finish([(answered_end(one), outcome(one, LeadStatus.COMPLETED, "answered"))])
    lead = await story.lead(one.lead.id)
    assert (lead.status, lead.zone, lead.next_attempt_at) == (LeadStatus.PENDING, ON_AGENDA, at(3600))
    assert await story.counters() == (1, 0, 1)
    assert await numbers(story, at(3599)) == []
    assert await numbers(story, at(3600)) == [PAULISTA]


def answered_end(one):  # type: ignore[no-untyped-def]
    return ended(one, Disposition.ANSWERED)


async def test_given_an_agents_own_promise_when_another_is_free_then_it_waits_for_its_agent(story: Story) -> None:
    await story.add(PAULISTA)
    (lead_id,) = await ids(story)
    await story.store.agenda.promise(lead_id, at(60), NOW, agent="1001")
    assert await numbers(story, at(60)) == []
    assert await numbers(story, at(60), ("1002",)) == []
    taken = await story.store.leads.reserve(
        story.campaign, 5, at(60), APP, LEASE_SECONDS, e164, story.call_ids, ("1002", "1001")
    )
    assert [one.lead.callback_agent for one in taken.reservations] == ["1001"]


async def test_given_an_agent_who_is_away_when_tidied_then_the_promise_is_put_off_and_at_last_anybodys(
    story: Story,
) -> None:
    await story.add(PAULISTA)
    (lead_id,) = await ids(story)
    await story.store.agenda.promise(lead_id, at(60), NOW, agent="1001")
    now = at(60)
    assert await story.store.agenda.tidy(story.campaign.id, now, ("1001",)) == 0
    for turn in range(MOST_MOVES + 1):
        assert await story.store.agenda.tidy(story.campaign.id, now, ("1002",)) == 1
        promise = await story.store.agenda.of_lead(lead_id)
        assert promise is not None and promise.due_at == now + timedelta(seconds=PUT_OFF_SECONDS)
        assert (promise.agent, promise.moved) == ("1001" if turn < MOST_MOVES else None, turn + 1)
        now = promise.due_at
    assert await numbers(story, now) == [PAULISTA]


async def test_given_a_closed_lead_when_a_call_is_promised_then_it_is_open_again_and_counted_so(story: Story) -> None:
    await story.add(PAULISTA, max_attempts=1)
    (one,) = (await story.reserve(1)).reservations
    await story.store.calls.finish([(answered_end(one), outcome(one, LeadStatus.COMPLETED, "answered"))])
    assert await story.counters() == (1, 1, 1)
    await story.store.agenda.promise(one.lead.id, at(3600), at(60))
    assert await story.counters() == (1, 0, 1)
    assert await numbers(story, at(3600)) == [PAULISTA]  # over its attempts: a promise has no limit


async def test_given_a_promise_that_may_not_be_kept_by_law_when_its_time_comes_then_it_waits_for_the_hours(
    story: Story,
) -> None:
    await lawful(story)
    await story.add(ACREAN)
    (lead_id,) = await ids(story)
    await story.store.agenda.promise(lead_id, EARLY + timedelta(seconds=60), EARLY)
    assert await numbers(story, EARLY + timedelta(seconds=60)) == []
    promise = await story.store.agenda.of_lead(lead_id)
    assert promise is not None and promise.due_at == MORNING
    assert await numbers(story, MORNING) == [ACREAN]


async def test_given_a_promise_to_a_number_on_the_list_when_its_time_comes_then_it_is_not_dialled(story: Story) -> None:
    await story.add(PAULISTA)
    (lead_id,) = await ids(story)
    await story.store.agenda.promise(lead_id, at(60), NOW)
    await story.store.dnc.add([DoNotCall(f"55{PAULISTA}")], NOW)
    taken = await story.reserve(5, at(60))
    assert [refused.result for refused in taken.refused] == ["do_not_call"]
    assert (await story.lead(lead_id)).status is LeadStatus.FAILED


async def test_given_a_promise_that_is_taken_back_when_reserved_then_the_lead_is_like_any_other(story: Story) -> None:
    await story.add(PAULISTA)
    (lead_id,) = await ids(story)
    await story.store.agenda.promise(lead_id, at(3600), NOW)
    assert await story.store.agenda.cancel(lead_id, NOW)
    assert not await story.store.agenda.cancel(lead_id, NOW)
    assert await numbers(story) == [PAULISTA]


async def test_given_a_time_that_is_past_or_a_lead_that_is_none_when_promised_then_refused(story: Story) -> None:
    await story.add(PAULISTA)
    with pytest.raises(Refused, match="in the future"):
        await story.store.agenda.promise((await ids(story))[0], NOW, NOW)
    with pytest.raises(Refused, match="no such lead"):
        await story.store.agenda.promise(999_999, at(60), NOW)


async def test_given_a_promise_when_its_customer_calls_first_and_speaks_then_it_is_kept(story: Story) -> None:
    await story.add(PAULISTA, max_attempts=9)
    (lead_id,) = await ids(story)
    await story.store.agenda.promise(lead_id, at(3600), NOW)
    lead = await story.store.leads.claim(lead_id, "in-1", APP, at(60), LEASE_SECONDS)
    call = CallRecord("in-1", APP, story.campaign.id, lead_id, f"55{PAULISTA}", started_at=at(60))
    spoke = replace(
        call,
        direction=Direction.INBOUND,
        status=CallStatus.FINISHED,
        answered_at=at(61),
        bridged_at=at(62),
        ended_at=at(90),
        disposition=Disposition.ANSWERED,
    )
    await story.store.calls.finish([(spoke, LeadOutcome(lead.id, "in-1", LeadStatus.COMPLETED, "answered"))])
    assert await story.store.agenda.of_lead(lead_id) is None
    assert (await story.lead(lead_id)).status is LeadStatus.COMPLETED
    assert await numbers(story, at(3600)) == []


async def test_given_leads_of_the_panel_when_their_zones_are_looked_up_then_each_has_one(story: Story) -> None:
    await story.add(PAULISTA, ACREAN, "x")
    assert await story.store.leads.know_zones(story.campaign, e164, 10) == 3
    assert [(await story.lead(lead_id)).zone for lead_id in await ids(story)] == ["BR-SP", "BR-AC", "?"]
    assert await story.store.leads.know_zones(story.campaign, e164, 10) == 0
    taken = await story.reserve(5)
    assert len(taken.reservations) == 2 and [one.result for one in taken.refused] == ["invalid_number"]


async def test_given_a_call_that_is_on_when_its_lead_is_looked_at_then_nobody_else_gets_it(story: Story) -> None:
    await story.add(PAULISTA)
    (one,) = (await story.reserve(1)).reservations
    await story.store.calls.save([answered(one)])
    assert await numbers(story, at(60)) == []
