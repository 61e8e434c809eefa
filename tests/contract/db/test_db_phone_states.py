"""Each phone of a lead by its own state: what is said of one phone holds for it alone, and the others are called."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime

import pytest

from stasis_dialer.core.gates import Gate
from stasis_dialer.core.lead_options import NextPhone, Retry
from stasis_dialer.core.model import Disposition, LeadStatus, Reservation
from stasis_dialer.core.numbers import ANY_NUMBER, normalise
from stasis_dialer.core.recycling import Recycling
from stasis_dialer.db.batch import Reserved
from stasis_dialer.db.by_hand import Typed
from stasis_dialer.db.dnc import DoNotCall
from stasis_dialer.db.leads import NewLead
from stasis_dialer.db.phones import know_phones
from stasis_dialer.db.store import Store
from stasis_dialer.errors import Refused
from tests.contract.db.commands import DONE, REFUSED, Command
from tests.contract.db.conftest import APP, LEASE_SECONDS, NOW, Story, at, begin
from tests.contract.db.records import ended, outcome

FIRST, SECOND, THIRD = "11987650001", "11987650002", "11987650003"


@pytest.fixture
async def story(mariadb: Store) -> Story:
    """A lead with three phones and many attempts."""
    story = await begin(mariadb)
    await mariadb.leads.insert_many(story.campaign.id, [NewLead("Ana", FIRST, SECOND, 99)], NOW)
    (lead,) = await mariadb.leads.find()
    await mariadb.database.run(
        lambda s: s.execute(
            "INSERT INTO dialer_lead_phones (lead_id, position, campaign_id, number) VALUES "
            "(%s, 0, %s, %s), (%s, 1, %s, %s), (%s, 2, %s, %s)",
            *(lead.id, lead.campaign_id, f"55{FIRST}"),
            *(lead.id, lead.campaign_id, f"55{SECOND}"),
            *(lead.id, lead.campaign_id, f"55{THIRD}"),
        )
    )
    return story


def e164(text: str) -> str:
    return normalise(text, "BR", ANY_NUMBER)


async def reserve(story: Story, n: int, now: datetime) -> Reserved:
    leads = story.store.leads
    taken: Reserved = await leads.reserve(story.campaign, n, now, APP, LEASE_SECONDS, e164, story.call_ids)
    return taken


async def lead_id(story: Story) -> int:
    (lead,) = await story.store.leads.find()
    return int(lead.id)


async def called(story: Story, seconds: float, disposition: Disposition = Disposition.BUSY) -> str | None:
    """Which phone is dialled then; the call ends as said, and the lead is due again at once, at the same phone."""
    taken = (await reserve(story, 1, at(seconds))).reservations
    if not taken:
        return None
    await end(story, taken[0], seconds, disposition)
    return taken[0].number[2:]


async def end(story: Story, one: Reservation, seconds: float, disposition: Disposition) -> None:
    record = replace(ended(one, disposition), started_at=at(seconds), dialled_at=at(seconds), ended_at=at(seconds + 5))
    again = replace(outcome(one, LeadStatus.PENDING, str(disposition), at(seconds + 6)), phone=NextPhone.SAME)
    await story.store.calls.finish([(record, again)])


async def listed(story: Story) -> None:
    await story.store.dnc.add([DoNotCall(f"55{FIRST}")], NOW)


async def refused_as_none(story: Story) -> None:
    for seconds in (0, 10, 20):
        assert await called(story, seconds, Disposition.INVALID_NUMBER) == FIRST


async def taken_out(story: Story) -> None:
    assert await story.store.leads.retire_phone(await lead_id(story), f"55{FIRST}")


async def used_up(story: Story) -> None:
    story.campaign = replace(story.campaign, retry=Retry(calls_per_number=0, attempts_per_phone=2))
    assert [await called(story, seconds) for seconds in (0, 10)] == [FIRST, FIRST]


@pytest.mark.parametrize(
    ("state", "gate"),
    [
        (listed, Gate.DO_NOT_CALL),
        (refused_as_none, Gate.RETIRED),
        (taken_out, Gate.RETIRED),
        (used_up, Gate.PHONE_ATTEMPTS),
    ],
)
async def test_given_a_phone_that_must_not_be_called_when_reserved_then_the_next_one_is_and_it_is_told_why(
    story: Story, state: Callable[[Story], Awaitable[None]], gate: Gate
) -> None:
    await state(story)
    found = await story.store.explain.lead(await lead_id(story), story.campaign, e164, at(60))
    assert [phone.held_by and phone.held_by.gate for phone in found.phones] == [gate, None, None]
    with pytest.raises(Refused):
        typed = Typed("call-x", f"55{FIRST}", "1001")
        await story.store.by_hand.reserve(story.campaign, typed, at(60), APP, LEASE_SECONDS)
    assert await called(story, 60) == SECOND


async def test_given_phones_with_a_limit_each_when_dialled_then_all_are_used_up_in_turn_and_the_lead_ends(
    story: Story,
) -> None:
    story.campaign = replace(story.campaign, retry=Retry(calls_per_number=0, attempts_per_phone=2))
    seen = [await called(story, 10 * turn) for turn in range(6)]
    assert seen == [FIRST, FIRST, SECOND, SECOND, THIRD, THIRD]
    taken = await reserve(story, 1, at(90))
    assert [(one.result, one.lead.id) for one in taken.refused] == [("max_attempts", await lead_id(story))]
    phones = await story.store.leads.phones(await lead_id(story))
    assert [(phone.attempts, phone.result) for phone in phones] == [(2, "busy")] * 3
    done = await story.store.recycling.recycle(story.campaign, Recycling(), e164, at(100), "cli:tests")
    assert (done.recycled, await called(story, 110)) == (1, FIRST)


async def test_given_a_promised_callback_when_its_phones_are_used_up_then_it_is_kept(story: Story) -> None:
    story.campaign = replace(story.campaign, retry=Retry(calls_per_number=0, attempts_per_phone=1))
    assert [await called(story, 10 * turn) for turn in range(3)] == [FIRST, SECOND, THIRD]
    await story.store.agenda.promise(await lead_id(story), at(60), at(50))
    assert await called(story, 60) is not None


async def test_given_a_phone_taken_out_of_one_lead_when_another_has_it_then_that_one_is_called_at_it(
    story: Story,
) -> None:
    await taken_out(story)
    await story.add(FIRST)
    await know_phones(story.store.database)
    taken = (await reserve(story, 5, NOW)).reservations
    assert sorted(one.number[2:] for one in taken) == [FIRST, SECOND]
    assert not await story.store.leads.retire_phone(taken[0].lead.id, "5511900000000")


async def test_the_command_takes_a_phone_out_and_back_in(story: Story, stasis: Command) -> None:
    own = str(await lead_id(story))
    out = await asyncio.to_thread(stasis, "leads", "phone", own, "(11) 98765-0001", "--retire")
    assert (out.exit_code, out.stdout) == (DONE, f"lead {own}: phone ...0001 is not called any more\n")
    assert (await story.store.leads.phones(int(own)))[0].status == "retired"
    back = await asyncio.to_thread(stasis, "leads", "phone", own, "(11) 98765-0001", "--restore")
    assert back.stdout == f"lead {own}: phone ...0001 is called again\n"
    other = await asyncio.to_thread(stasis, "leads", "phone", own, "(11) 98765-0009")
    assert other.exit_code == REFUSED and "the lead has no such phone" in other.stderr
    assert await called(story, 0) == FIRST
