"""What agents say of their calls: row, lead, counters and do-not-call in one transaction, early, late and twice."""

from dataclasses import replace

import pytest

from stasis_dialer.core.model import CallRecord, DisposedCall, Disposition, LeadOutcome, LeadStatus, Reservation
from stasis_dialer.core.options import Choice, Dispositions
from stasis_dialer.core.schedule import disposed_outcome
from tests.contract.db.conftest import Story, at
from tests.contract.db.records import answered, ended, outcome

SALE = Choice("sale", success=True)
STOP = Choice("stop", do_not_call=True)
LATER = Choice("later", callback=True)
NOBODY = Choice("nobody")
CHOICES = Dispositions((SALE, STOP, LATER, NOBODY))


@pytest.fixture
async def talked(story: Story) -> Reservation:
    """The one lead's only call is on."""
    story.campaign = replace(story.campaign, dispositions=CHOICES)
    await story.add("11987650001", max_attempts=1)
    (one,) = (await story.reserve(1)).reservations
    await story.store.calls.save([answered(one)])
    return one


def said(story: Story, one: Reservation, choice: Choice, seconds: float = 40.0) -> DisposedCall:
    callback_at = at(7200) if choice.callback else None
    return DisposedCall(one.call_id, story.campaign, choice, "1001", at(seconds), callback_at)


def over(one: Reservation, code: str | None = None) -> tuple[CallRecord, LeadOutcome]:
    record = replace(ended(one, Disposition.ANSWERED), agent_disposition=code, is_success=False)
    return record, outcome(one, LeadStatus.COMPLETED, "answered")


async def ends(story: Story, one: Reservation, choice: Choice | None = None) -> None:
    """The call is over; with `choice` the dialer knew it by then."""
    if choice is None:
        await story.store.calls.finish([over(one)])
        return
    callback_at = at(7200) if choice.callback else None
    made = disposed_outcome(one.call_id, one.lead, story.campaign, choice, callback_at=callback_at, now=at(35))
    record = replace(over(one, choice.code)[0], callback_at=callback_at, is_success=choice.success)
    await story.store.calls.finish([(record, made)])


@pytest.mark.parametrize("when", ["during the call", "after it"])
@pytest.mark.parametrize(
    ("choice", "status", "counters"),
    [
        (SALE, LeadStatus.COMPLETED, (1, 1, 1)),
        (STOP, LeadStatus.COMPLETED, (1, 1, 0)),
        (LATER, LeadStatus.PENDING, (1, 0, 0)),
        (NOBODY, LeadStatus.FAILED, (1, 1, 0)),
    ],
    ids=lambda value: getattr(value, "code", ""),
)
async def test_given_a_disposition_whenever_it_comes_then_call_lead_counters_and_list_agree(
    story: Story, talked: Reservation, when: str, choice: Choice, status: LeadStatus, counters: tuple[int, int, int]
) -> None:
    calls = story.store.calls
    if when == "during the call":
        assert await calls.dispose(said(story, talked, choice))
        assert (await story.lead(talked.lead.id)).status is LeadStatus.CALLING
        await ends(story, talked, choice)
    else:
        await ends(story, talked)
    for _ in range(2):
        assert await calls.dispose(said(story, talked, choice))
        lead, call = await story.lead(talked.lead.id), await calls.get(talked.call_id)
        assert (lead.status, lead.result) == (status, choice.code)
        assert (call.agent_disposition, call.is_success) == (choice.code, choice.success)
        assert await story.counters() == counters
        assert await story.store.dnc.contains(talked.number, None, at(50)) is choice.do_not_call
        assert (lead.next_attempt_at, call.callback_at) == ((at(7200),) * 2 if choice.callback else (None, None))
        assert lead.attempts == 1
        assert lead.max_attempts == (2 if choice.callback else 1)


async def test_given_a_correction_then_the_last_word_counts_once(story: Story, talked: Reservation) -> None:
    await ends(story, talked)
    for choice, counters in ((SALE, (1, 1, 1)), (LATER, (1, 0, 0)), (SALE, (1, 1, 1)), (STOP, (1, 1, 0))):
        await story.store.calls.dispose(said(story, talked, choice))
        assert await story.counters() == counters


async def test_given_a_call_that_is_on_when_its_progress_comes_late_then_the_word_stays(
    story: Story, talked: Reservation
) -> None:
    await story.store.calls.dispose(said(story, talked, SALE))
    await story.store.calls.save([answered(talked)])
    await story.store.calls.finish([over(talked)])
    assert (await story.store.calls.get(talked.call_id)).agent_disposition == "sale"


async def test_given_another_attempt_since_when_a_word_comes_late_then_that_lead_is_left_alone(
    story: Story, talked: Reservation
) -> None:
    await ends(story, talked, LATER)
    (again,) = (await story.reserve(1, at(7300))).reservations
    assert again.lead.id == talked.lead.id
    await story.store.calls.dispose(said(story, talked, SALE, 7310.0))
    assert (await story.lead(talked.lead.id)).status is LeadStatus.CALLING
    assert (await story.store.calls.get(talked.call_id)).agent_disposition == "sale"
    assert await story.counters() == (1, 0, 0)


async def test_given_no_such_call_when_disposed_then_nothing_is_written(story: Story) -> None:
    made = DisposedCall("nobody", story.campaign, STOP, "1001", at(1))
    assert await story.store.calls.dispose(made) is False


async def test_the_last_agent_of_each_lead_is_found(story: Story, talked: Reservation) -> None:
    await ends(story, talked, LATER)
    (again,) = (await story.reserve(1, at(7300))).reservations
    await story.store.calls.save([replace(answered(again), agent="1002", bridged_at=None, answered_at=None)])
    assert await story.store.leads.last_agents([talked.lead.id, 999_999]) == {talked.lead.id: "1001"}
    await story.store.calls.save([replace(answered(again), agent="1002", started_at=at(7300))])
    assert await story.store.leads.last_agents([talked.lead.id]) == {talked.lead.id: "1002"}
    assert await story.store.leads.last_agents([]) == {}


async def test_the_last_call_of_an_agent_is_found(story: Story, talked: Reservation) -> None:
    assert await story.store.calls.last_of("1002") is None
    assert (await story.store.calls.last_of("1001")).call_id == talked.call_id
