"""A database that the old panel left after years is taken over in place; `tests/data/legacy.sql` is one."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from stasis_dialer.core.lead_options import Law, LawPack, Retry
from stasis_dialer.core.model import CampaignStatus, LeadStatus
from stasis_dialer.core.numbers import normalise
from stasis_dialer.db import schema
from stasis_dialer.db.adoption import Adoption, adopt
from stasis_dialer.db.database import Database
from stasis_dialer.db.store import Store
from stasis_dialer.errors import Refused
from tests.contract.db.legacy import LEGACY_DDL, LEGACY_ROWS, PANEL_STATEMENTS
from tests.contract.db.statements import run

ZONE = "America/Sao_Paulo"
NOW = datetime(2026, 3, 2, 13, 0, tzinfo=UTC)
LEGACY = ("discador_campanhas", "discador_contatos", "painel_ramais", "discador_chamadas")
SEED = Path(__file__).parents[2] / "data" / "legacy.sql"

Run = Callable[..., Any]


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An empty database."""
    opened = Database(database_url, legacy_timezone=ZONE)
    yield opened
    await opened.close()


async def seed(database: Database) -> None:
    """The old panel's database."""
    text = "\n".join(line for line in SEED.read_text().splitlines() if not line.startswith("--"))
    await run(database, *(one.replace("%", "%%") for one in text.split(";\n") if one.strip()))


async def take_over(url: str, is_dry_run: bool = False, **options: Any) -> Adoption:
    return await adopt(url, None, ZONE, NOW, "tests", is_dry_run, **options)


async def state(database: Database) -> dict[str, Any]:
    """Every table's definition and checksum."""
    names = [row[0] for row in await run(database, "SHOW TABLES")]
    found = {}
    for name in names:
        found[name] = (
            await run(database, f"SHOW CREATE TABLE `{name}`"),
            await run(database, f"CHECKSUM TABLE `{name}`"),
        )
    return found


def counts(adoption: Adoption, table: str = "discador_contatos") -> dict[str, int]:
    return {finding.kind: finding.rows for finding in adoption.findings if finding.table == table}


ODD_LEADS = {
    "calling_left_over": 2,
    "calling_now": 1,
    "bad_attempts": 2,
    "number_read": 17,
    "number_invalid": 3,
    "no_attempts_allowed": 1,
    "many_attempts": 1,
    "unknown_status": 1,
    "zero_date": 2,
    "no_last_attempt": 2,
    "campaign_gone": 2,
    "utf8_in_latin1": 1,
    "repeated_number": 1,
    "charset": 0,
}
LEFT = set(ODD_LEADS) - {"calling_left_over", "bad_attempts", "number_read", "number_invalid"}


async def test_given_the_legacys_database_when_looked_at_dry_then_everything_is_told_and_nothing_changed(
    database: Database, database_url: str
) -> None:
    await seed(database)
    before = await state(database)
    adoption = await take_over(database_url, is_dry_run=True)
    assert counts(adoption) == ODD_LEADS
    assert counts(adoption, "discador_campanhas") == {
        "unknown_status": 1,
        "bad_limits": 1,
        "bad_counters": 1,
        "charset": 0,
    }
    assert counts(adoption, "discador_chamadas") == {"never_ended": 1, "bad_duration": 1}
    assert counts(adoption, "painel_ramais") == {"unknown_status": 1, "charset": 0}
    assert adoption.to_do > 30 and adoption.leads_read == 20 and adoption.revisions is None
    assert await state(database) == before


async def test_given_the_legacys_database_when_adopted_then_only_what_would_be_lost_is_changed(
    database: Database, database_url: str
) -> None:
    await seed(database)
    before = {table: await run(database, f"SELECT * FROM {table} ORDER BY 1") for table in LEGACY}
    dry = await take_over(database_url, is_dry_run=True)
    adoption = await take_over(database_url)
    assert adoption.findings == dry.findings
    after = {table: await run(database, f"SELECT * FROM {table} ORDER BY 1") for table in LEGACY}
    assert [row for row in after["discador_contatos"] if row[0] not in (11, 12, 15, 16)] == [
        row for row in before["discador_contatos"] if row[0] not in (11, 12, 15, 16)
    ]
    changed = {row[0]: (row[5], row[9]) for row in after["discador_contatos"] if row[0] in (11, 12, 15, 16)}
    assert changed == {11: (1, "pending"), 12: (1, "pending"), 15: (0, "pending"), 16: (0, "pending")}
    assert {**after, "discador_contatos": ()} == {**before, "discador_contatos": ()}
    engines = await run(
        database, "SELECT DISTINCT engine FROM information_schema.tables WHERE table_schema = DATABASE()"
    )
    assert engines == [("InnoDB",)]
    phones = await run(
        database, "SELECT lead_id, position, number, original, status FROM dialer_lead_phones WHERE lead_id < 8"
    )
    assert phones == [
        (1, 0, "5511987650001", "11987650001", "pending"),
        (2, 0, "5511987650002", "(11) 98765-0002", "pending"),
        (2, 1, "551134567890", "011 3456-7890", "pending"),
        (3, 0, "5511987650003", "0151187650003", "pending"),
        (4, 0, "5511987650004", "+55 11 98765-0004", "pending"),
        (5, 0, "", "RAMAL 22", "invalid"),
        (6, 0, "", None, "invalid"),
        (7, 0, "", None, "invalid"),
    ]
    audit = await run(database, "SELECT `before`, `after` FROM dialer_audit WHERE action = 'lead-adopted' ORDER BY id")
    kept = {column: values for before_, _ in audit for column, values in json.loads(before_).items()}
    assert kept == {"status": {"11": "calling", "12": "calling"}, "attempts": {"15": -4, "16": None}}


async def test_given_an_adopted_database_when_adopted_again_then_nothing_is_done(
    database: Database, database_url: str
) -> None:
    await seed(database)
    await take_over(database_url)
    before = await state(database)
    for is_dry_run in (False, True):
        again = await take_over(database_url, is_dry_run=is_dry_run)
        assert again.to_do == 0
        assert set(counts(again)) == LEFT
        assert await state(database) == before


async def test_given_an_adopted_database_when_the_dialer_takes_leads_then_it_gets_those_that_may_be_dialled(
    database: Database, database_url: str
) -> None:
    await seed(database)
    await take_over(database_url)
    async with Store(Database(database_url, legacy_timezone=ZONE)) as store:
        stored = await store.campaigns.get("Cobrança São João")
        assert (stored.campaign.status, stored.problems) == (CampaignStatus.ACTIVE, ())
        assert (await store.campaigns.get(2)).campaign.status is CampaignStatus.PAUSED
        campaign = replace(stored.campaign, law=Law(LawPack.OFF), retry=Retry(calls_per_number=0))
        ids = map("call-{}".format, range(100)).__next__
        taken = await store.leads.reserve(campaign, 50, NOW, "app", 60, lambda text: normalise(text, "BR"), ids)
        assert sorted(one.lead.id for one in taken.reservations) == [1, 2, 3, 4, 8, 11, 12, 15, 18, 20]
        assert sorted((one.lead.id, one.result) for one in taken.refused) == [
            (5, "invalid_number"),
            (6, "invalid_number"),
            (7, "invalid_number"),
            (16, "max_attempts"),
            (17, "max_attempts"),
        ]
        lead = await store.leads.get(1)
        assert lead is not None and lead.name == "João Conceição"
        left = await store.leads.get(14)
        assert left is not None and left.status is LeadStatus.FAILED


@pytest.mark.parametrize("engine", ["InnoDB", "MyISAM"])
async def test_given_an_adopted_database_when_the_old_panels_statements_run_then_they_see_what_they_saw(
    database: Database, database_url: str, engine: str
) -> None:
    await run(database, "SET SESSION sql_mode = ''", *(ddl.format(engine=engine) for ddl in LEGACY_DDL), *LEGACY_ROWS)
    await take_over(database_url)
    for statement, expected in PANEL_STATEMENTS:
        assert await run(database, "SET SESSION sql_mode = ''", statement) == expected, statement


async def test_given_the_panel_speaks_latin1_when_its_database_is_adopted_then_it_reads_the_same_bytes(
    database: Database, database_url: str
) -> None:
    await seed(database)
    sql = "SELECT id, HEX(CONVERT(name USING latin1)) FROM discador_contatos ORDER BY id"
    before = await run(database, sql)
    await take_over(database_url)
    assert await run(database, sql) == before
    assert dict(before)[20] == "4A6FC3A36F"


async def test_given_an_extension_twice_when_adopted_then_it_is_refused_and_nothing_was_done(
    database: Database, database_url: str
) -> None:
    await seed(database)
    await run(
        database,
        "ALTER TABLE painel_ramais DROP INDEX number",
        "INSERT INTO painel_ramais (number, name) VALUES ('1001', 'outra')",
    )
    before = await state(database)
    assert [(one.table, one.examples) for one in (await take_over(database_url, is_dry_run=True)).blocks] == [
        ("painel_ramais", ("1001",))
    ]
    with pytest.raises(Refused, match=r"number is there more than once.*1001"):
        await take_over(database_url)
    assert await state(database) == before


async def test_given_a_lead_that_was_taken_meanwhile_when_adopted_then_it_is_left_to_its_taker(
    database: Database, database_url: str
) -> None:
    await seed(database)
    await schema.upgrade(database_url)
    await run(database, "UPDATE discador_contatos SET attempt_id = 'c-1' WHERE id = 11")
    assert counts(await take_over(database_url))["calling_left_over"] == 1
    assert await run(database, "SELECT status FROM discador_contatos WHERE id = 11") == [("calling",)]


LARGE = 30_000


async def test_given_a_crash_anywhere_when_adopted_again_then_it_ends_as_if_nothing_had_happened(
    lab: Any, tmp_path: Path
) -> None:
    ends = []
    for attempt, delay in enumerate((None, 0.1, 0.4, 0.8, 1.2, 1.6, 2.0, 2.5)):
        url = lab.create_database(f"crash{attempt}")
        database = Database(url, legacy_timezone=ZONE)
        await seed(database)
        await run(
            database,
            "SET SESSION sql_mode = ''",
            "INSERT INTO discador_contatos (campaign_id, name, phone_number, attempts, status) SELECT 1, 'Lia', "
            f"CONCAT('(11) 9', 70000000 + seq), IF(seq MOD 7, 1, -1), IF(seq MOD 5, 'pending', 'calling') "
            f"FROM seq_1_to_{LARGE}",
        )
        if delay is not None:
            await killed(url, delay)
        adoption = await take_over(url)
        assert adoption.leads_read == LARGE + 20
        again = await take_over(url)
        assert again.to_do == 0
        ends.append(
            [
                await run(database, "CHECKSUM TABLE discador_contatos, dialer_lead_phones EXTENDED"),
                await run(database, "SELECT COUNT(*), SUM(attempts), SUM(status = 'calling') FROM discador_contatos"),
            ]
        )
        await database.close()
    assert all(
        [rows[1] for rows in end[0]] == [rows[1] for rows in ends[0][0]] and end[1] == ends[0][1] for end in ends
    )


async def killed(url: str, delay: float) -> None:
    """An adoption that is killed after so many seconds, counted from its first statement."""
    code = (
        "import asyncio, sys\n"
        "from datetime import UTC, datetime\n"
        "from stasis_dialer.db.adoption import adopt\n"
        "print('go', flush=True)\n"
        f"asyncio.run(adopt({url!r}, None, {ZONE!r}, datetime(2026, 3, 2, 13, tzinfo=UTC), 'tests', False))\n"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"go\n"
    await asyncio.sleep(delay)
    if process.returncode is None:
        os.kill(process.pid, signal.SIGKILL)
    await process.wait()
