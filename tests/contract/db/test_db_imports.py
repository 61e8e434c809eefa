"""Imports on MariaDB: all or nothing, nothing twice, nothing that may not be called."""

import asyncio
import csv
from pathlib import Path
from typing import Any

import pytest

from stasis_dialer.cli.importing import Summary, import_list
from stasis_dialer.core.lists import ListedLead, ListedPhone
from stasis_dialer.core.model import Campaign, CampaignStatus
from stasis_dialer.core.numbers import E164_DIGITS
from stasis_dialer.core.options import Dedupe, Numbers
from stasis_dialer.db.dnc import DoNotCall
from stasis_dialer.db.imports import ListFile
from stasis_dialer.db.leads import NewLead
from stasis_dialer.db.store import Store
from stasis_dialer.errors import DatabaseUnavailable
from stasis_dialer.files import open_writer
from stasis_dialer.files.listing import ReadOptions, open_list
from tests.contract.db.conftest import NOW, Story, begin
from tests.hostilelists import HOSTILE

LIST = """nome;celular;telefone2;Cidade
Ana;(11) 98765-4321;11 3123-4567;São Paulo
Zé;021 98765-0001;;Rio de Janeiro
Bia;123;;Santos
Ana de novo;+5511987654321;;Osasco
Caio;(11) 98765-0002;(11) 98765-4321;
"""
FILE = ListFile("list.csv", "0" * 64)


@pytest.fixture
async def place(mariadb: Store) -> Story:
    return await begin(mariadb)


async def take(place: Story, path: Path, text: str = LIST, dedupe: Dedupe = Dedupe.CAMPAIGN, **more: Any) -> Summary:
    path = path if path.suffix else path / "list.csv"
    path.write_text(text)
    campaign = Campaign(place.campaign.id, "x", numbers=Numbers(dedupe=dedupe))
    return await import_list(place.store, open_list(path, campaign, ReadOptions()), actor="tests", **more)


async def rows(store: Store, sql: str) -> list[Any]:
    return await store.database.run(lambda statements: statements.rows(sql))


async def count(store: Store, table: str = "discador_contatos") -> int:
    found: int = (await rows(store, f"SELECT JSON_ARRAY(COUNT(*)) FROM {table}"))[0][0]
    return found


def listed(*numbers: str) -> list[ListedLead]:
    return [ListedLead(line, f"L{n}", (ListedPhone(n, n),)) for line, n in enumerate(numbers, 2)]


async def test_given_a_list_when_imported_then_leads_and_all_their_phones(place: Story, tmp_path: Path) -> None:
    summary = await take(place, tmp_path)
    assert (summary.imported, summary.refused, dict(summary.reasons)) == (3, 2, {"invalid_number": 1, "duplicate": 1})
    assert [refusal["line"] for refusal in summary.refusals] == [4, 5]
    ana, ze, caio = await place.store.leads.find()
    assert (ana.name, ana.phone_number, ana.alternate_phone) == ("Ana", "5511987654321", "551131234567")
    assert ana.attributes == (("Cidade", "São Paulo"),)
    assert (ze.phone_number, ze.alternate_phone, ze.max_attempts) == ("5521987650001", None, 3)
    assert (caio.phone_number, caio.alternate_phone, caio.attributes) == ("5511987650002", None, ())
    phones = await place.store.leads.phones(ana.id)
    assert [(phone.position, phone.number, phone.original, phone.status) for phone in phones] == [
        (0, "5511987654321", "(11) 98765-4321", "pending"),
        (1, "551131234567", "11 3123-4567", "pending"),
    ]
    assert await place.counters() == (3, 0, 0)


async def test_given_an_import_when_repeated_then_nothing_is_added(place: Story, tmp_path: Path) -> None:
    await take(place, tmp_path)
    again = await take(place, tmp_path)
    assert (again.imported, again.refused, again.reasons["duplicate"]) == (0, 5, 4)
    assert await count(place.store) == 3
    assert await place.counters() == (3, 0, 0)


@pytest.mark.parametrize(
    ("dedupe", "same_campaign", "other_campaign"),
    [(Dedupe.FILE, 3, 3), (Dedupe.CAMPAIGN, 0, 3), (Dedupe.EVERYWHERE, 0, 0)],
)
async def test_given_known_numbers_when_imported_then_the_setting_says_where_they_count(
    place: Story, tmp_path: Path, dedupe: Dedupe, same_campaign: int, other_campaign: int
) -> None:
    await take(place, tmp_path)
    other = Story(place.store, (await place.store.campaigns.create(Campaign(0, "other"), "tests", NOW)).campaign)
    assert (await take(other, tmp_path, LIST, dedupe)).imported == other_campaign
    assert (await take(place, tmp_path, f"{LIST}\n", dedupe)).imported == same_campaign


async def test_given_dedupe_inside_the_file_when_the_same_file_comes_again_then_nothing_is_added(
    place: Story, tmp_path: Path
) -> None:
    assert (await take(place, tmp_path, LIST, Dedupe.FILE)).imported == 3
    again = await take(place, tmp_path, LIST, Dedupe.FILE)
    assert again.imported == 0
    assert again.was_imported_at is not None
    assert await count(place.store) == 3


async def test_given_listed_numbers_when_imported_then_they_are_left_out(place: Story, tmp_path: Path) -> None:
    await place.store.dnc.add([DoNotCall("5511987654321"), DoNotCall("5521987650001", place.campaign.id + 1)], NOW)
    summary = await take(place, tmp_path)
    ana, ze, caio = await place.store.leads.find()
    assert (ana.name, ana.phone_number, ana.alternate_phone) == ("Ana", "551131234567", None)
    assert (ze.name, caio.name) == ("Zé", "Caio")
    assert dict(summary.reasons) == {"invalid_number": 1, "do_not_call": 1}


async def test_given_leads_of_the_old_panel_when_imported_then_their_numbers_are_known(
    place: Story, tmp_path: Path
) -> None:
    await place.store.leads.insert_many(
        place.campaign.id, [NewLead("old", "(11) 98765-4321"), NewLead("odd", "none", "21987650001")], NOW
    )
    summary = await take(place, tmp_path)
    assert [lead.name for lead in (await place.store.leads.find())[2:]] == ["Ana", "Caio"]
    assert summary.reasons["duplicate"] == 2
    odd = await place.store.leads.phones((await place.store.leads.find())[1].id)
    assert [(phone.number, phone.status) for phone in odd] == [("", "invalid"), ("5521987650001", "pending")]


async def test_given_leads_that_the_panel_deleted_when_imported_again_then_they_are_new(
    place: Story, tmp_path: Path
) -> None:
    await take(place, tmp_path)
    await place.store.database.run(lambda statements: statements.execute("DELETE FROM discador_contatos"))
    assert (await take(place, tmp_path)).imported == 3


async def test_given_a_crash_in_the_middle_when_looked_at_then_nothing_was_imported_and_it_can_be_repeated(
    place: Story,
) -> None:
    store = place.store
    with pytest.raises(ZeroDivisionError):
        async with store.imports.begin(place.campaign, NOW) as transaction:
            await transaction.add(listed("5511987654321", "5511987654322"))
            raise ZeroDivisionError
    assert (await count(store), await count(store, "dialer_lead_phones"), await place.counters()) == (0, 0, (0, 0, 0))
    async with store.imports.begin(place.campaign, NOW) as transaction:
        await transaction.add(listed("5511987654321"))
        await transaction.commit(FILE, 0, "tests", NOW)
    assert (await count(store), await place.counters()) == (1, (1, 0, 0))


async def test_given_a_connection_that_is_lost_when_importing_then_nothing_was_imported(place: Story) -> None:
    store = place.store
    with pytest.raises(DatabaseUnavailable):
        async with store.imports.begin(place.campaign, NOW) as transaction:
            await transaction.add(listed("5511987654321"))
            ((mine,),) = await transaction._statements.rows("SELECT JSON_ARRAY(CONNECTION_ID())")
            await store.database.run(lambda statements: statements.execute(f"KILL {mine}"))
            await transaction.add(listed("5511987654322"))
    assert (await count(store), await count(store, "dialer_imports")) == (0, 0)
    async with store.imports.begin(place.campaign, NOW) as transaction:
        assert [verdict.reason for verdict in await transaction.add(listed("5511987654321"))] == [None]


async def test_given_a_dry_run_when_done_then_it_says_the_same_and_nothing_is_there(
    place: Story, tmp_path: Path
) -> None:
    dry = await take(place, tmp_path, is_dry_run=True)
    assert (await count(place.store), await count(place.store, "dialer_imports")) == (0, 0)
    real = await take(place, tmp_path)
    assert (dry.imported, dry.refusals) == (real.imported, real.refusals)


async def test_given_two_imports_at_once_when_done_then_no_number_is_there_twice(place: Story, tmp_path: Path) -> None:
    names = [tmp_path / f"{number}.csv" for number in range(3)]
    summaries = await asyncio.gather(*(take(place, name) for name in names))
    assert sorted(summary.imported for summary in summaries) == [0, 0, 3]
    assert await count(place.store) == 3


async def test_given_many_batches_when_imported_then_each_phone_belongs_to_its_lead(
    place: Story, tmp_path: Path
) -> None:
    lines = [f"N{serial};119{serial:08d};{f'113{serial:07d}' if serial % 3 else ''}" for serial in range(6001)]
    summary = await take(place, tmp_path, "\n".join(["nome;fone;fone2", *lines]))
    assert summary.imported == 6001
    wrong = await rows(
        place.store,
        "SELECT JSON_ARRAY(COUNT(*)) FROM discador_contatos l JOIN dialer_lead_phones p ON p.lead_id = l.id "
        "WHERE p.number <> IF(p.position = 0, l.phone_number, l.alternate_phone) "
        "OR RIGHT(l.phone_number, 8) <> LPAD(SUBSTRING(l.name, 2), 8, '0')",
    )
    assert (wrong, await count(place.store, "dialer_lead_phones")) == ([[0]], 6001 + 4000)


async def test_given_an_import_under_way_when_the_dialer_reserves_then_it_takes_what_was_there(place: Story) -> None:
    await place.add("11987650001")
    async with place.store.imports.begin(place.campaign, NOW) as transaction:
        await transaction.add(listed("5511987654321", "5511987654322"))
        taken = await place.reserve(5)
        assert [one.lead.phone_number for one in taken.reservations] == ["11987650001"]
        await transaction.commit(FILE, 0, "tests", NOW)
    assert len((await place.reserve(5)).reservations) == 2
    assert (await place.store.campaigns.get(place.campaign.id)).campaign.status is CampaignStatus.ACTIVE


@pytest.mark.parametrize("name", [name for name, hostile in HOSTILE.items() if hostile.results])
async def test_given_a_hostile_list_when_imported_then_only_valid_numbers_are_in_the_database(
    place: Story, tmp_path: Path, name: str
) -> None:
    results = HOSTILE[name].results or {}
    leads = open_list(HOSTILE[name].make(tmp_path), place.campaign, ReadOptions())
    target = tmp_path / "results.csv"
    with open_writer(target) as writer:
        summary = await import_list(place.store, leads, actor="tests", results=writer)
    with target.open(encoding="utf-8-sig", newline="") as file:
        written = {int(row["line"]): row["reason"] or "imported" for row in csv.DictReader(file)}
    assert written == results
    assert summary.imported == list(results.values()).count("imported")
    phones = await rows(place.store, "SELECT JSON_ARRAY(phone_number) FROM discador_contatos")
    assert all(E164_DIGITS.fullmatch(phone) for (phone,) in phones)
    assert len(phones) == summary.imported
