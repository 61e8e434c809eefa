"""Closed leads are opened by result, age and attempts; nobody becomes callable whom a gate would close again."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from stasis_dialer.core.lead_options import LeadList, Retry
from stasis_dialer.core.model import Disposition, LeadStatus
from stasis_dialer.core.recycling import Recycling
from stasis_dialer.db.dnc import DoNotCall
from stasis_dialer.db.leads import NewLead
from stasis_dialer.db.recycling import PAGE
from stasis_dialer.db.store import Store
from tests.contract.db.commands import REFUSED, Command, told
from tests.contract.db.conftest import NOW, Story, at, begin, e164
from tests.contract.db.records import ended, outcome

BUSY, NO_ANSWER, ANSWERED, OPTED_OUT = "11987650001", "11987650002", "11987650003", "11987650004"
DAY = 86_400.0


@pytest.fixture
async def story(mariadb: Store) -> Story:
    """One lead of each result, and one with no number; the second was called a day later and has two attempts."""
    story = await begin(mariadb)
    await story.add(BUSY, NO_ANSWER, ANSWERED, OPTED_OUT, "x")
    first, second, third, fourth = (await story.reserve(9)).reservations
    ends: list[tuple[Any, Disposition, LeadStatus, str, datetime | None]] = [
        (first, Disposition.BUSY, LeadStatus.FAILED, "busy", None),
        (second, Disposition.NO_ANSWER, LeadStatus.PENDING, "no_answer", at(DAY)),
        (third, Disposition.ANSWERED, LeadStatus.COMPLETED, "not_interested", None),
        (fourth, Disposition.OPT_OUT, LeadStatus.COMPLETED, "opt_out", None),
    ]
    for one, disposition, status, result, again_at in ends:
        await mariadb.calls.finish([(ended(one, disposition), outcome(one, status, result, again_at))])
    (again,) = (await story.reserve(9, at(DAY))).reservations
    await mariadb.calls.finish([(ended(again, Disposition.NO_ANSWER), outcome(again, LeadStatus.FAILED, "no_answer"))])
    return story


async def recycle(story: Story, seconds: float = 2 * DAY, **meant: Any) -> tuple[int, dict[str, int]]:
    options = {name: meant.pop(name) for name in ("limit", "is_dry_run") if name in meant}
    done = await story.store.recycling.recycle(
        story.campaign, Recycling(**meant), e164, at(seconds), "cli:tests", **options
    )
    return done.recycled, dict(done.stay)


async def callable_numbers(story: Story, seconds: float = 2 * DAY) -> list[str]:
    return [one.number[2:] for one in (await story.reserve(99, at(seconds))).reservations]


async def test_given_failed_leads_when_recycled_by_result_then_those_have_all_their_attempts_again(
    story: Story,
) -> None:
    before = await story.counters()
    stay = {"other_disposition": 2, "completed": 2}
    assert await recycle(story, dispositions=("busy",), is_dry_run=True) == (1, stay)
    assert await callable_numbers(story) == []
    assert await recycle(story, dispositions=("busy",)) == (1, stay)
    assert await story.counters() == (before[0], before[1] - 1, before[2])
    (one,) = (await story.reserve(99, at(2 * DAY))).reservations
    assert (one.number[2:], one.lead.attempts) == (BUSY, 1)
    (entry,) = [e for e in await story.store.audit.latest() if e.action == "leads-recycled"]
    assert (entry.actor, entry.after) == ("cli:tests", {"recycled": 1, "dispositions": ["busy"]})


@pytest.mark.parametrize(
    ("meant", "numbers", "stay"),
    [
        ({}, [BUSY, NO_ANSWER], {"completed": 2, "invalid_number": 1}),
        ({"idle": timedelta(days=1.5)}, [BUSY], {"completed": 2, "invalid_number": 1, "too_recent": 1}),
        ({"least_attempts": 2}, [NO_ANSWER], {"completed": 2, "fewer_attempts": 2}),
        ({"most_attempts": 1}, [BUSY], {"completed": 2, "invalid_number": 1, "more_attempts": 1}),
        ({"is_completed_too": True}, [BUSY, NO_ANSWER, ANSWERED], {"opt_out": 1, "invalid_number": 1}),
        ({"dispositions": ("opt_out",), "is_completed_too": True}, [], {"opt_out": 1, "other_disposition": 4}),
        ({"limit": 1}, [BUSY], {"completed": 2, "invalid_number": 1, "limit": 1}),
    ],
    ids=["all that failed", "by age", "by most tried", "by least tried", "reached ones", "opted out", "a limit"],
)
async def test_which_leads_are_recycled_and_why_the_others_stay(
    story: Story, meant: dict[str, Any], numbers: list[str], stay: dict[str, int]
) -> None:
    assert await recycle(story, **meant) == (len(numbers), stay)
    assert await callable_numbers(story) == numbers


async def test_given_listed_or_retired_or_expired_leads_when_recycled_then_they_stay_closed(story: Story) -> None:
    await story.store.dnc.add([DoNotCall(f"55{BUSY}", source="complaint")], NOW)
    await story.store.database.run(
        lambda s: s.execute("INSERT INTO dialer_numbers (number, invalid_count) VALUES (%s, 3)", f"55{NO_ANSWER}")
    )
    stay = {"do_not_call": 1, "retired_number": 1, "completed": 2, "invalid_number": 1}
    assert await recycle(story) == (0, stay)
    old = replace(story.campaign, retry=Retry(retire_after=0), leads=LeadList(expire_days=1))
    assert await recycle(Story(story.store, old, story.call_ids)) == (0, {"completed": 2, "expired": 3})
    assert await callable_numbers(story) == []


async def test_given_a_listed_phone_beside_a_free_one_when_recycled_then_the_free_one_is_dialled(
    mariadb: Store,
) -> None:
    story = await begin(mariadb)
    await mariadb.leads.insert_many(story.campaign.id, [NewLead("Ana", BUSY, NO_ANSWER)], NOW)
    (one,) = (await story.reserve(1)).reservations
    await mariadb.calls.finish([(ended(one, Disposition.BUSY), outcome(one, LeadStatus.FAILED, "busy"))])
    await mariadb.dnc.add([DoNotCall(f"55{BUSY}"), DoNotCall("5511", source="for a day", expires_at=at(DAY))], NOW)
    assert await recycle(story) == (1, {})
    assert await callable_numbers(story) == [NO_ANSWER]


async def test_given_more_leads_than_a_page_when_recycled_then_each_counts_once(mariadb: Store) -> None:
    story = await begin(mariadb)
    await story.add(*(f"1198{number:07d}" for number in range(PAGE + 5)))
    await mariadb.database.run(lambda s: s.execute("UPDATE discador_contatos SET status = 'failed', result = 'busy'"))
    assert await recycle(story, is_dry_run=True) == (PAGE + 5, {})
    assert await recycle(story) == (PAGE + 5, {})
    assert await recycle(story) == (0, {})


def test_the_command_says_how_many_and_why_the_others_stay(stasis: Command, mariadb: Store) -> None:
    told(stasis("campaign", "create", "spring", "--json"))
    empty = told(stasis("leads", "recycle", "--campaign", "spring", "--disposition", "busy", "--dry-run", "--json"))
    assert empty == {"recycled": 0, "stay": {}, "is_dry_run": True}
    assert stasis("leads", "recycle", "--campaign", "spring").stdout == "0 leads recycled, 0 stay closed\n"
    assert stasis("leads", "recycle", "--campaign", "autumn").exit_code == REFUSED
