"""A call's end is written once, with its lead; late, repeated and foreign writes change nothing."""

from dataclasses import replace

import pytest

from stasis_dialer.core.model import CallRecord, CallStatus, Direction, Disposition, LeadStatus
from stasis_dialer.errors import CampaignNotFound
from tests.contract.db.conftest import APP, LEASE_SECONDS, NOW, Story, at
from tests.contract.db.records import answered, ended, outcome, placed


async def test_given_progress_when_saved_then_the_call_is_read_as_it_was_written(story: Story) -> None:
    await story.add("11987650001", "11987650002")
    first, second = (await story.reserve(2)).reservations
    await story.store.calls.save([answered(first), placed(second)])
    assert await story.store.calls.get(first.call_id) == answered(first)
    assert await story.store.calls.open_calls(APP) == [answered(first), placed(second)]
    assert await story.store.calls.open_calls("dialer-b") == []
    await story.store.calls.save([])


async def test_given_a_call_without_lead_when_saved_and_finished_then_it_is_kept(story: Story) -> None:
    call = CallRecord("manual-1", APP, number="5511987650001", started_at=NOW)
    await story.store.calls.save([call])
    over = replace(call, status=CallStatus.FINISHED, ended_at=at(3), disposition=Disposition.NO_ANSWER)
    assert await story.store.calls.finish([(over, None)]) == []
    assert await story.store.calls.get("manual-1") == over
    assert await story.store.calls.open_calls(APP) == []


async def test_given_calls_of_the_day_then_each_shown_number_is_counted_however_it_is_written(story: Story) -> None:
    shown = [("a", "+551130000001"), ("b", "551130000001"), ("c", "+551130000002"), ("d", None)]
    await story.store.calls.save([CallRecord(id_, APP, started_at=at(10), caller_id=number) for id_, number in shown])
    inbound = CallRecord("e", APP, started_at=at(10), caller_id="+551130000002", direction=Direction.INBOUND)
    await story.store.calls.save([inbound, CallRecord("f", APP, started_at=NOW, caller_id="+551130000001")])
    assert await story.store.calls.caller_id_counts(at(5)) == {"551130000001": 2, "551130000002": 1}
    assert await story.store.calls.get("e") == inbound


async def test_given_an_answered_call_when_finished_then_call_lead_and_counters_agree(story: Story) -> None:
    await story.add("11987650001", "11987650002")
    first, second = (await story.reserve(2)).reservations
    done = ended(first, Disposition.ANSWERED)
    await story.store.calls.finish(
        [
            (done, outcome(first, LeadStatus.COMPLETED, "answered")),
            (ended(second, Disposition.BUSY), outcome(second, LeadStatus.PENDING, "busy", at(1800))),
        ]
    )
    assert await story.store.calls.get(first.call_id) == done
    lead = await story.lead(first.lead.id)
    assert (lead.status, lead.result, lead.next_attempt_at) == (LeadStatus.COMPLETED, "answered", None)
    lead = await story.lead(second.lead.id)
    assert (lead.status, lead.result, lead.next_attempt_at) == (LeadStatus.PENDING, "busy", at(1800))
    assert await story.counters() == (2, 1, 1)


async def test_given_a_finished_call_when_finished_again_then_nothing_changes(story: Story) -> None:
    await story.add("11987650001")
    (one,) = (await story.reserve(1)).reservations
    closed = [(ended(one, Disposition.ANSWERED), outcome(one, LeadStatus.COMPLETED, "answered"))]
    assert await story.store.calls.finish(closed) == []
    assert await story.store.calls.finish(closed) == []
    assert await story.counters() == (1, 1, 1)
    other = [(ended(one, Disposition.BUSY), outcome(one, LeadStatus.PENDING, "busy", at(60)))]
    await story.store.calls.finish(other)
    assert await story.store.calls.get(one.call_id) == closed[0][0]
    assert (await story.lead(one.lead.id)).status is LeadStatus.COMPLETED


async def test_given_a_finished_call_when_progress_comes_late_then_it_is_not_opened_again(story: Story) -> None:
    await story.add("11987650001")
    (one,) = (await story.reserve(1)).reservations
    done = ended(one, Disposition.ANSWERED)
    await story.store.calls.finish([(done, outcome(one, LeadStatus.COMPLETED, "answered"))])
    await story.store.calls.save([placed(one)])
    assert await story.store.calls.get(one.call_id) == done


async def test_given_a_lead_that_another_attempt_took_when_finished_then_it_is_left_alone(story: Story) -> None:
    await story.add("11987650001")
    (old,) = (await story.reserve(1)).reservations
    await story.store.leads.release_expired(at(LEASE_SECONDS))
    (new,) = (await story.reserve(1, at(LEASE_SECONDS + 1800))).reservations
    late = [(ended(old, Disposition.ANSWERED), outcome(old, LeadStatus.COMPLETED, "answered"))]
    assert await story.store.calls.finish(late) == [old.call_id]
    lead = await story.lead(new.lead.id)
    assert (lead.status, lead.attempts) == (LeadStatus.CALLING, 2)
    assert await story.store.calls.get(old.call_id) == late[0][0]
    assert await story.counters() == (1, 0, 0)


async def test_given_an_estimated_end_when_the_true_one_comes_then_it_counts(story: Story) -> None:
    await story.add("11987650001")
    (one,) = (await story.reserve(1)).reservations
    await story.store.leads.release_expired(at(LEASE_SECONDS))
    true_end = [(ended(one, Disposition.ANSWERED), outcome(one, LeadStatus.COMPLETED, "answered"))]
    for _repeat in range(2):
        assert await story.store.calls.finish(true_end) == []
        assert await story.store.calls.get(one.call_id) == true_end[0][0]
        assert (await story.lead(one.lead.id)).status is LeadStatus.COMPLETED
        assert await story.counters() == (1, 1, 1)
    estimate = [(ended(one, Disposition.ERROR, is_end_estimated=True), None)]
    await story.store.calls.finish(estimate)
    assert await story.store.calls.get(one.call_id) == true_end[0][0]


async def test_given_what_the_columns_cannot_hold_when_finished_then_it_is_cut_and_the_others_are_written(
    story: Story,
) -> None:
    await story.add("11987650001", "11987650002")
    first, second = (await story.reserve(2)).reservations
    odd = replace(ended(first, Disposition.BUSY), trunk="t" * 64, hangup_cause=127)
    result = "r" * 100
    await story.store.calls.finish(
        [(odd, outcome(first, LeadStatus.FAILED, result)), (ended(second, Disposition.BUSY), None)]
    )
    assert (await story.lead(first.lead.id)).result == result
    assert await story.store.calls.get(second.call_id) == ended(second, Disposition.BUSY)


async def test_given_open_calls_when_recovered_then_campaign_and_lead_come_with_them(story: Story) -> None:
    await story.add("11987650001")
    (one,) = (await story.reserve(1)).reservations
    (call,) = await story.store.calls.open_calls(APP)
    assert (await story.store.campaigns.get(call.campaign_id)).campaign == story.campaign
    assert (await story.store.leads.get(call.lead_id)).id == one.lead.id
    with pytest.raises(CampaignNotFound):
        await story.store.campaigns.get(10_000)
    assert await story.store.leads.get(10_000_000) is None
