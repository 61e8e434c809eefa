"""A lead is taken once, in its order, with its attempt; what may not be dialled is closed and out of the way."""

from dataclasses import replace
from datetime import timedelta

from stasis_dialer.core.model import (
    CallRecord,
    CallStatus,
    DialMode,
    Direction,
    Disposition,
    Fault,
    LeadOutcome,
    LeadStatus,
    Wish,
)
from stasis_dialer.db.dnc import DoNotCall
from stasis_dialer.db.leads import DueCounts
from stasis_dialer.db.reservation_sql import LEASE_EXPIRED
from tests.contract.db.conftest import APP, LEASE_SECONDS, NOW, Story, at
from tests.contract.db.records import answered, ended, outcome


async def test_given_fresh_leads_when_reserved_then_they_come_in_order_with_their_attempt_written(story: Story) -> None:
    await story.add("11987650001", "11987650002", "11987650003")
    taken = (await story.reserve(2)).reservations
    assert [one.number for one in taken] == ["5511987650001", "5511987650002"]
    assert [one.lead.attempts for one in taken] == [1, 1]
    assert taken[0].reserved_until - taken[0].reserved_at == timedelta(seconds=LEASE_SECONDS)
    lead = await story.lead(taken[0].lead.id)
    assert (lead.status, lead.attempts, lead.last_attempt_at) == (LeadStatus.CALLING, 1, NOW)
    calls = await story.store.calls.open_calls(APP)
    assert [(call.call_id, call.lead_id, call.number, call.status, call.started_at) for call in calls] == [
        (one.call_id, one.lead.id, one.number, CallStatus.RINGING, NOW) for one in taken
    ]


async def test_given_all_leads_reserved_when_asked_again_then_there_are_none(story: Story) -> None:
    await story.add("11987650001")
    assert len((await story.reserve(5)).reservations) == 1
    assert (await story.reserve(5)).reservations == []
    assert (await story.reserve(0)).reservations == []


async def test_given_another_campaign_when_reserved_then_its_leads_stay(story: Story) -> None:
    await story.add("11987650001")
    stranger = Story(story.store, replace(story.campaign, id=story.campaign.id + 1000))
    assert (await stranger.reserve(5)).reservations == []


async def test_given_a_retry_that_is_due_when_reserved_then_it_comes_before_fresh_leads(story: Story) -> None:
    await story.add("11987650001", "11987650002", "11987650003")
    first, second = (await story.reserve(2)).reservations
    await story.store.calls.finish(
        [
            (ended(first, Disposition.BUSY), outcome(first, LeadStatus.PENDING, "busy", at(1800))),
            (ended(second, Disposition.BUSY), outcome(second, LeadStatus.PENDING, "busy", at(900))),
        ]
    )
    too_early = (await story.reserve(1, at(899.5))).reservations
    assert [one.number for one in too_early] == ["5511987650003"]
    later = (await story.reserve(5, at(1800))).reservations
    assert [(one.lead.id, one.lead.attempts) for one in later] == [(second.lead.id, 2), (first.lead.id, 2)]


async def test_given_a_retry_between_two_seconds_when_reserved_then_it_is_never_early(story: Story) -> None:
    await story.add("11987650001")
    (one,) = (await story.reserve(1)).reservations
    retry = outcome(one, LeadStatus.PENDING, "busy", at(60.25))
    await story.store.calls.finish([(ended(one, Disposition.BUSY), retry)])
    assert (await story.reserve(1, at(60.9))).reservations == []
    assert len((await story.reserve(1, at(61))).reservations) == 1


async def test_given_a_bad_number_when_reserved_then_it_is_failed_and_the_next_lead_is_taken(story: Story) -> None:
    await story.add("5511@evil", "11987650002")
    taken = await story.reserve(1)
    assert [one.number for one in taken.reservations] == ["5511987650002"]
    assert [(bad.result, bad.lead.status) for bad in taken.refused] == [("invalid_number", LeadStatus.FAILED)]
    lead = await story.lead(taken.refused[0].lead.id)
    assert (lead.status, lead.result, lead.attempts) == (LeadStatus.FAILED, "invalid_number", 0)
    assert len(await story.store.calls.open_calls(APP)) == 1
    assert await story.counters() == (2, 1, 0)


async def test_given_numbers_on_the_do_not_call_list_when_reserved_then_they_are_closed(story: Story) -> None:
    await story.add("11987650001", "11987650002", "11987650003", "11987650004")
    await story.store.dnc.add(
        [
            DoNotCall("5511987650001"),
            DoNotCall("5511987650002", campaign_id=story.campaign.id),
            DoNotCall("5511987650003", campaign_id=story.campaign.id + 1),
            DoNotCall("5511987650004", expires_at=at(-1)),
        ],
        at(-60),
    )
    taken = await story.reserve(4)
    assert [one.number for one in taken.reservations] == ["5511987650003", "5511987650004"]
    assert [bad.result for bad in taken.refused] == ["do_not_call", "do_not_call"]
    assert "11987650001" not in taken.refused[0].reason


async def test_given_an_entry_removed_when_asked_then_the_number_may_be_called(story: Story) -> None:
    await story.store.dnc.add([DoNotCall("5511987650001")], NOW)
    assert await story.store.dnc.contains("5511987650001", story.campaign.id, NOW)
    assert await story.store.dnc.remove("5511987650001")
    assert not await story.store.dnc.contains("5511987650001", story.campaign.id, NOW)
    assert not await story.store.dnc.remove("5511987650001")


async def test_given_a_lead_without_attempts_left_when_reserved_then_it_is_closed(story: Story) -> None:
    await story.add("11987650001", max_attempts=0)
    taken = await story.reserve(1)
    assert taken.reservations == []
    assert [bad.result for bad in taken.refused] == ["max_attempts"]
    assert (await story.lead(taken.refused[0].lead.id)).status is LeadStatus.FAILED


async def test_given_a_lease_that_runs_out_when_released_then_the_lead_waits_and_the_call_is_closed(
    story: Story,
) -> None:
    await story.add("11987650001")
    (one,) = (await story.reserve(1)).reservations
    assert await story.store.leads.release_expired(at(LEASE_SECONDS - 1)) == []
    (released,) = await story.store.leads.release_expired(at(LEASE_SECONDS))
    assert (released.lead_id, released.call_id, released.status) == (one.lead.id, one.call_id, LeadStatus.PENDING)
    lead = await story.lead(one.lead.id)
    assert (lead.attempts, lead.result, lead.next_attempt_at) == (1, LEASE_EXPIRED, at(LEASE_SECONDS + 1800))
    call = await story.store.calls.get(one.call_id)
    assert (call.status, call.disposition, call.fault) == (CallStatus.FINISHED, Disposition.ERROR, Fault.OURS)
    assert (call.ended_at, call.is_end_estimated) == (at(LEASE_SECONDS), True)
    assert await story.store.leads.release_expired(at(LEASE_SECONDS)) == []


async def test_given_the_last_attempt_when_its_lease_runs_out_then_the_lead_has_failed(story: Story) -> None:
    await story.add("11987650001", max_attempts=1)
    (one,) = (await story.reserve(1)).reservations
    (released,) = await story.store.leads.release_expired(at(LEASE_SECONDS))
    assert released.status is LeadStatus.FAILED
    assert (await story.lead(one.lead.id)).next_attempt_at is None
    assert await story.counters() == (1, 1, 0)


async def test_given_a_customer_who_talked_when_the_lease_runs_out_then_nobody_calls_again(story: Story) -> None:
    await story.add("11987650001")
    (one,) = (await story.reserve(1)).reservations
    await story.store.calls.save([answered(one)])
    (released,) = await story.store.leads.release_expired(at(LEASE_SECONDS))
    assert released.status is LeadStatus.COMPLETED
    call = await story.store.calls.get(one.call_id)
    assert (call.disposition, call.duration_seconds) == (Disposition.ANSWERED, int(LEASE_SECONDS) - 5)
    assert await story.counters() == (1, 1, 1)


async def test_given_renewed_leases_when_the_old_ones_would_run_out_then_they_hold(story: Story) -> None:
    await story.add("11987650001", "11987650002")
    await story.reserve(1)
    await story.reserve(1, app="dialer-b")
    assert await story.store.leads.renew(APP, at(60), LEASE_SECONDS) == 1
    released = await story.store.leads.release_expired(at(LEASE_SECONDS))
    assert [lead.lead_id for lead in released] == [(await story.store.calls.open_calls(APP))[0].lead_id + 1]


async def test_given_leads_in_every_state_when_counted_then_each_counts_once(story: Story) -> None:
    await story.add("11987650001", "11987650002", "11987650003", "x", "11987650005")
    first, second, third = (await story.reserve(3)).reservations
    await story.store.calls.finish(
        [
            (ended(first, Disposition.ANSWERED), outcome(first, LeadStatus.COMPLETED, "answered")),
            (ended(second, Disposition.BUSY), outcome(second, LeadStatus.PENDING, "busy", at(1800))),
            (ended(third, Disposition.BUSY), outcome(third, LeadStatus.PENDING, "busy", at(900))),
        ]
    )
    await story.reserve(1)
    counts = await story.store.leads.counts(story.campaign.id)
    assert counts == {"pending": 2, "calling": 1, "completed": 1, "failed": 1}
    assert await story.store.leads.due_counts(story.campaign.id, NOW) == DueCounts(0, 0, 2, at(900))
    assert await story.store.leads.due_counts(story.campaign.id, at(900)) == DueCounts(0, 1, 1, at(1800))


async def test_given_an_attempt_that_never_left_when_finished_then_it_does_not_count(story: Story) -> None:
    await story.add("11987650001")
    (one,) = (await story.reserve(1)).reservations
    given_back = LeadOutcome(one.lead.id, one.call_id, LeadStatus.PENDING, "cancelled", None, True)
    await story.store.calls.finish([(ended(one, Disposition.CANCELLED), given_back)])
    assert (await story.lead(one.lead.id)).attempts == 0
    (again,) = (await story.reserve(1)).reservations
    assert (again.lead.id, again.lead.attempts) == (one.lead.id, 1)


# --- people who were abandoned, and those who asked not to be called ------------------------------------------------

HOUR = 3600.0


async def test_given_an_abandoned_number_when_a_mode_cannot_promise_an_agent_then_it_waits_for_72_hours(
    story: Story,
) -> None:
    await story.add("11987650001", "11987650002")
    first = (await story.reserve(1)).reservations[0]
    lost = replace(ended(first, Disposition.ABANDONED), ended_at=at(30))
    await story.store.calls.finish([(lost, outcome(first, LeadStatus.PENDING, "abandoned", at(1800)))])
    risky = Story(story.store, replace(story.campaign, mode=DialMode.PREDICTIVE), story.call_ids)
    taken = await risky.reserve(5, at(HOUR))
    assert [one.number for one in taken.reservations] == ["5511987650002"]
    lead = await story.lead(first.lead.id)
    assert (lead.status, lead.next_attempt_at) == (LeadStatus.PENDING, at(72 * HOUR + 30))
    assert (await story.counters())[1] == 0
    (later,) = (await risky.reserve(5, at(72 * HOUR + 30))).reservations
    assert later.lead.id == first.lead.id


async def test_given_an_abandoned_number_when_the_mode_is_certain_or_there_is_no_lock_out_then_it_is_dialled(
    story: Story,
) -> None:
    for changes in ({"mode": DialMode.PROGRESSIVE}, {"mode": DialMode.POWER, "abandoned_lockout_hours": 0.0}):
        await story.add("11987650001")
        (one,) = (await story.reserve(5)).reservations
        lost = replace(ended(one, Disposition.ABANDONED), ended_at=at(30))
        await story.store.calls.finish([(lost, outcome(one, LeadStatus.PENDING, "abandoned", at(1800)))])
        again = Story(story.store, replace(story.campaign, **changes), story.call_ids)
        (two,) = (await again.reserve(5, at(HOUR))).reservations
        assert two.lead.id == one.lead.id
        await story.store.calls.finish(
            [(ended(two, Disposition.ANSWERED), outcome(two, LeadStatus.COMPLETED, "answered"))]
        )


async def test_given_an_abandoned_number_when_another_campaign_has_it_too_then_it_waits_there_as_well(
    story: Story,
) -> None:
    await story.add("11987650001")
    (one,) = (await story.reserve(5)).reservations
    lost = replace(ended(one, Disposition.ABANDONED), ended_at=at(30))
    await story.store.calls.finish([(lost, outcome(one, LeadStatus.FAILED, "abandoned"))])
    await story.add("11987650001")
    risky = Story(story.store, replace(story.campaign, mode=DialMode.POWER), story.call_ids)
    assert (await risky.reserve(5, at(HOUR))).reservations == []


async def test_given_somebody_opts_out_by_a_key_when_it_is_written_then_the_number_is_listed_at_once(
    story: Story,
) -> None:
    await story.add("11987650001", "11987650001")
    (one,) = (await story.reserve(1)).reservations
    asked = replace(ended(one, Disposition.OPT_OUT), wish=Wish.OPT_OUT)
    on_its_way = replace(asked, status=CallStatus.CONNECTED, disposition=None, ended_at=None, answered_at=at(5))
    await story.store.calls.save([on_its_way])
    refused = (await story.reserve(5, at(200))).refused
    assert [(it.lead.phone_number, it.result) for it in refused] == [("11987650001", "do_not_call")]
    await story.store.calls.finish([(asked, outcome(one, LeadStatus.COMPLETED, "opt_out"))])
    stored = await story.store.calls.get(one.call_id)
    assert (stored.wish, stored.disposition) == (Wish.OPT_OUT, Disposition.OPT_OUT)


async def test_given_a_customer_calls_when_their_lead_is_claimed_then_it_is_not_dialled_and_closed_by_their_call(
    story: Story,
) -> None:
    await story.add("11987650001", "11987650002")
    (one,) = (await story.reserve(1)).reservations
    await story.store.calls.finish([(ended(one, Disposition.ANSWERED), outcome(one, LeadStatus.COMPLETED, "answered"))])
    assert await story.counters() == (2, 1, 1)
    before = await story.lead(one.lead.id)
    assert await story.store.leads.claim(one.lead.id, "in-1", APP, at(60), LEASE_SECONDS) == before
    claimed = await story.lead(one.lead.id)
    assert (claimed.status, claimed.attempts, claimed.max_attempts) == (LeadStatus.CALLING, 1, before.max_attempts)
    assert await story.counters() == (2, 0, 1)
    assert await story.store.leads.claim(one.lead.id, "in-2", APP, at(61), LEASE_SECONDS) is None
    assert [it.lead.id for it in (await story.reserve(5, at(62))).reservations] != [one.lead.id]
    call = CallRecord("in-1", APP, story.campaign.id, one.lead.id, one.number, started_at=at(60), ended_at=at(70))
    call = replace(call, direction=Direction.INBOUND, status=CallStatus.FINISHED, disposition=Disposition.MISSED)
    result = LeadOutcome(one.lead.id, "in-1", LeadStatus.PENDING, "missed", at(370))
    assert await story.store.calls.finish([(call, result)]) == []
    lead = await story.lead(one.lead.id)
    assert (lead.status, lead.result, lead.next_attempt_at, lead.attempts) == (LeadStatus.PENDING, "missed", at(370), 1)
    assert await story.counters() == (2, 0, 1)


async def test_given_a_lead_without_attempts_left_when_claimed_then_it_has_one_more(story: Story) -> None:
    await story.add("11987650001")
    (one,) = (await story.reserve(1)).reservations
    await story.store.calls.finish([(ended(one, Disposition.BUSY), outcome(one, LeadStatus.FAILED, "busy"))])
    await story.store.leads.claim(one.lead.id, "in-1", APP, at(60), LEASE_SECONDS)
    lead = await story.lead(one.lead.id)
    assert lead.max_attempts > lead.attempts
    assert await story.store.leads.claim(987_654, "in-1", APP, at(60), LEASE_SECONDS) is None


async def test_given_calls_to_a_number_when_it_calls_then_the_latest_first_and_only_ours(story: Story) -> None:
    calls = [
        CallRecord(id_, APP, number="5511987650001", started_at=at(second)) for id_, second in (("a", 1), ("b", 5))
    ]
    inbound = CallRecord("c", APP, number="5511987650001", started_at=at(9), direction=Direction.INBOUND)
    await story.store.calls.save([*calls, inbound, CallRecord("d", APP, number="5511987650002", started_at=at(9))])
    assert [call.call_id for call in await story.store.calls.to_number("5511987650001", 5)] == ["b", "a"]
    assert [call.call_id for call in await story.store.calls.to_number("5511987650001", 1)] == ["b"]
