"""A reservation reads as many index entries as it needs, whatever the campaign's size, order, zones and leftovers."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from stasis_dialer.core.lead_options import Law, LeadList, LeadOrder
from stasis_dialer.core.zones import ON_AGENDA
from stasis_dialer.db.candidates import Candidates, Found
from stasis_dialer.db.database import Database, Statements
from stasis_dialer.db.store import Store
from tests.contract.db.conftest import APP, LEASE_SECONDS, NOW, Story, at, begin

LEADS = 50_000
ZONES = ("BR-SP", "BR-RJ", "BR-AC", "BR-AM")
STAMP = "2026-03-02 10:00:00"
"""NOW, as the legacy of these tests writes it."""


class Recorder:
    """Statements that remember the questions that were asked."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements
        self.asked: list[tuple[str, tuple[object, ...]]] = []

    async def rows(self, sql: str, *arguments: object) -> list[list[Any]]:
        self.asked.append((sql, arguments))
        return await self._statements.rows(sql, *arguments)


async def fill(mariadb: Store, story: Story, count: int = LEADS) -> None:
    """Leads in four zones and two priorities: a fifth are retries, half of them due; one in a hundred on the agenda."""
    await mariadb.database.run(
        lambda statements: statements.execute(
            "INSERT INTO discador_contatos (campaign_id, name, phone_number, attempts, max_attempts, next_attempt, "
            "zone, priority) SELECT %s, 'lead', CONCAT('119', LPAD(seq, 8, '0')), seq %% 3, 9, "
            "IF(seq %% 5 = 0, %s + INTERVAL CAST(seq %% 1000 AS SIGNED) - 500 MINUTE, NULL), "
            f"IF(seq %% 100 = 7, '-', ELT(1 + seq %% 4, 'BR-SP', 'BR-RJ', 'BR-AC', 'BR-AM')), seq %% 10 = 0 "
            f"FROM seq_1_to_{count}",
            story.campaign.id,
            STAMP,
        )
    )
    await mariadb.database.run(lambda statements: statements.execute("ANALYZE TABLE discador_contatos"))


def is_open(zone: str | None) -> bool:
    return zone in ("BR-SP", "BR-RJ")


def tables(plan: Any, within_union: bool = False) -> Iterator[tuple[dict[str, Any], bool]]:
    """Each table of a plan, and whether it is read inside a UNION's part."""
    if isinstance(plan, dict):
        if "table_name" in plan:
            yield plan, within_union
        for key, part in plan.items():
            yield from tables(part, within_union or key in ("query_specifications", "materialized"))
    elif isinstance(plan, list):
        for part in plan:
            yield from tables(part, within_union)


@pytest.mark.parametrize("order", LeadOrder, ids=str)
async def test_given_any_order_when_the_look_is_explained_then_it_reads_the_lanes_index_in_order(
    mariadb: Store, order: LeadOrder
) -> None:
    story = await begin(mariadb)
    await fill(mariadb, story)
    campaign = replace(story.campaign, leads=LeadList(order))

    async def plans(statements: Statements) -> list[Any]:
        recorder = Recorder(statements)
        candidates = Candidates()
        first = await candidates.find(recorder, campaign, STAMP, 6000, is_open)  # type: ignore[arg-type]
        assert len(first) == 6000 and {one.lane.zone for one in first} == {"BR-SP", "BR-RJ"}
        candidates.used(campaign.id, first)
        await candidates.find(recorder, campaign, STAMP, 100, is_open)  # type: ignore[arg-type]
        return [
            (sql, (await statements.rows(f"EXPLAIN FORMAT=JSON {sql}", *values))[0]) for sql, values in recorder.asked
        ]

    explained = await mariadb.database.run(plans)
    assert len(explained) >= 3
    for sql, plan in explained:
        for table, is_part in tables(plan):
            if table["table_name"] in ("discador_contatos", "l"):
                assert table["access_type"] in ("ref", "range", "eq_ref"), (sql, table)
                assert table["key"] in ("ix_dialer_lane", "ix_dialer_campaign", "PRIMARY"), (sql, table)
            if is_part and table["table_name"] == "discador_contatos":
                assert table.get("using_index") or table.get("using_index_for_group_by"), (sql, table)
        parts = json.dumps(list(unions(plan)))
        assert "filesort" not in parts, sql


def unions(plan: Any) -> Iterator[Any]:
    """The parts of the UNIONs of a plan."""
    if isinstance(plan, dict):
        for key, part in plan.items():
            if key == "query_specifications":
                yield part
            else:
                yield from unions(part)
    elif isinstance(plan, list):
        for part in plan:
            yield from unions(part)


async def test_given_zones_that_are_shut_when_reserved_then_their_leads_are_not_even_read(mariadb: Store) -> None:
    story = await begin(mariadb)
    await fill(mariadb, story)
    story.campaign = replace(story.campaign, law=Law())
    early = at(-5400)  # 11:30 UTC: half past eight in São Paulo, half past six in Acre
    assert not (await story.reserve(100, early)).reservations
    assert await reads(mariadb, lambda: story.reserve(100, early)) < 500
    taken = (await story.reserve(100, at(-3600))).reservations  # nine in São Paulo and Rio, seven in Acre
    assert {one.lead.zone for one in taken} == {"BR-SP"}


async def reads(mariadb: Store, work: Any) -> int:
    """How many rows and index entries InnoDB read for some work: the handler's own count."""
    counters = (
        "SELECT JSON_ARRAY(SUM(VARIABLE_VALUE)) FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME IN ({})"
    )
    names = (
        "'HANDLER_READ_NEXT', 'HANDLER_READ_PREV', 'HANDLER_READ_RND_NEXT', 'HANDLER_READ_KEY', 'HANDLER_READ_FIRST'"
    )

    async def count() -> int:
        rows = await mariadb.database.run(lambda statements: statements.rows(counters.format(names)))
        return int(rows[0][0])

    idle = await count()
    idle = await count() - idle
    before = await count()
    await work()
    return await count() - before - idle


@pytest.mark.parametrize("order", LeadOrder, ids=str)
async def test_given_fifty_times_the_leads_when_reserved_then_as_many_rows_are_read(
    mariadb: Store, order: LeadOrder
) -> None:
    seen = []
    for count in (2_000, 100_000):
        story = await begin_again(mariadb, f"{order} {count}")
        story.campaign = replace(story.campaign, leads=LeadList(order))
        await fill(mariadb, story, count)
        await story.reserve(1)
        seen.append(await reads(mariadb, lambda s=story: s.reserve(100)))
    assert seen[1] < seen[0] * 1.5 + 2000, seen


async def begin_again(mariadb: Store, name: str) -> Story:
    story = await begin(mariadb)
    await mariadb.campaigns.update(story.campaign.id, {"name": name}, "tests", NOW)
    story.call_ids = map(f"{name} {{}}".format, itertools.count(1)).__next__
    return story


async def test_given_an_old_snapshot_when_leads_are_taken_then_the_next_look_begins_after_them(
    mariadb: Store, upgraded_url: str
) -> None:
    story = await begin(mariadb)
    await fill(mariadb, story)
    snapshot = Database(upgraded_url)

    async def hold(statements: Statements) -> list[int]:
        await statements.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        await statements.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        await statements.rows("SELECT JSON_ARRAY(COUNT(*)) FROM discador_contatos")
        ids = []
        for _ in range(60):
            ids += [one.lead.id for one in (await story.reserve(100)).reservations]
        return ids

    taken = await snapshot.run(hold)
    await snapshot.close()
    assert len(set(taken)) == 6000


async def test_given_a_lead_that_came_back_before_the_mark_when_leads_run_short_then_it_is_found(
    mariadb: Store,
) -> None:
    story = await begin(mariadb)
    await story.add(*(f"119876500{n:02d}" for n in range(10)))
    first = (await story.reserve(5)).reservations
    await mariadb.database.run(
        lambda statements: statements.execute(
            "UPDATE discador_contatos SET status = 'pending', reserved_until = NULL WHERE id = %s", first[0].lead.id
        )
    )
    rest = (await story.reserve(10)).reservations
    assert first[0].lead.id in {one.lead.id for one in rest}
    assert len(rest) == 6


async def test_given_more_dialers_than_leads_when_one_holds_some_then_the_other_gets_the_rest(mariadb: Store) -> None:
    story = await begin(mariadb)
    await story.add(*(f"119876500{n:02d}" for n in range(20)))
    candidates = Candidates()

    async def held(statements: Statements) -> int:
        await statements.rows("SELECT JSON_ARRAY(id) FROM discador_contatos ORDER BY id LIMIT 15 FOR UPDATE")
        found = await candidates.find(statements, story.campaign, STAMP, 15, lambda _: True)
        assert all(isinstance(one, Found) for one in found)
        return len((await story.reserve(5)).reservations)

    assert await mariadb.database.run(held) == 5


async def test_given_a_lead_on_the_agenda_when_reserved_then_its_lane_is_not_read(mariadb: Store) -> None:
    story = await begin(mariadb)
    await story.add("11987650001")
    await mariadb.database.run(
        lambda statements: statements.execute("UPDATE discador_contatos SET zone = %s", ON_AGENDA)
    )
    assert (await story.reserve(5)).reservations == []
    await mariadb.agenda.tidy(story.campaign.id, NOW, ())
    taken = await mariadb.leads.reserve(
        story.campaign, 5, NOW, APP, LEASE_SECONDS, lambda _: "5511987650001", story.call_ids
    )
    assert len(taken.reservations) == 1
