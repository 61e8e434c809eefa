"""The migrations make exactly the tables, from nothing and from the legacy's, and the old panel goes on working."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from stasis_dialer.core.lead_options import Law, LawPack
from stasis_dialer.core.model import Campaign, LeadStatus
from stasis_dialer.db import adoption, schema
from stasis_dialer.db.database import Database
from stasis_dialer.db.store import Store
from stasis_dialer.db.tables import LEGACY_TABLES, Base
from stasis_dialer.errors import DatabaseUnavailable, DialerError
from tests.contract.db.conftest import NOW, Story
from tests.contract.db.legacy import LEGACY_DDL, LEGACY_ROWS, PANEL_STATEMENTS
from tests.contract.db.statements import run


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An empty database."""
    opened = Database(database_url, legacy_timezone="America/Sao_Paulo")
    yield opened
    await opened.close()


def differences(connection: Connection) -> list[Any]:
    options = {"version_table": schema.VERSION_TABLE, "compare_type": True, "compare_server_default": True}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata))


async def definitions(database: Database) -> dict[str, list[str]]:
    """What MariaDB itself says of each table: columns, indices, defaults, collations, invisibility."""
    found = {}
    for table in Base.metadata.tables:
        ((_, ddl),) = await run(database, f"SHOW CREATE TABLE `{table}`")
        found[table] = sorted(line.rstrip(",") for line in ddl.splitlines())
    return found


async def test_given_an_empty_database_when_upgraded_then_it_equals_the_tables(
    database: Database, database_url: str, lab: Any
) -> None:
    assert await schema.current(database_url) is None
    assert not await schema.is_current(database_url)
    revisions = await schema.upgrade(database_url)
    assert (revisions.before, revisions.after, revisions.is_changed) == (None, schema.head(), True)
    assert await database.transact(lambda connection: connection.run_sync(differences)) == []
    declared = Database(lab.create_database("declared"))
    await declared.transact(lambda connection: connection.run_sync(Base.metadata.create_all))
    assert await definitions(database) == await definitions(declared)
    await declared.close()


async def test_given_an_upgraded_database_when_upgraded_again_then_nothing_happens(
    database: Database, database_url: str
) -> None:
    await schema.upgrade(database_url)
    before = await definitions(database)
    assert not (await schema.upgrade(database_url)).is_changed
    assert await definitions(database) == before
    assert await schema.is_current(database_url)


async def test_given_two_upgrades_at_once_when_run_then_one_does_it_and_the_other_waits(database_url: str) -> None:
    revisions = await asyncio.gather(*(schema.upgrade(database_url) for _ in range(3)))
    assert sorted(revision.is_changed for revision in revisions) == [False, False, True]


async def test_given_a_newer_schema_when_upgraded_then_it_is_refused(database: Database, database_url: str) -> None:
    await schema.upgrade(database_url)
    await run(database, f"UPDATE {schema.VERSION_TABLE} SET version_num = '9999'")
    with pytest.raises(DialerError, match="newer release: revision=9999"):
        await schema.upgrade(database_url)


async def test_given_no_schema_when_opened_then_the_message_says_what_to_run(database: Database) -> None:
    with pytest.raises(DatabaseUnavailable, match="db upgrade"):
        await Store(database).open()
    with pytest.raises(DatabaseUnavailable, match="db upgrade"):
        await Store(database).campaigns.find()


@pytest.mark.parametrize("engine", ["InnoDB", "MyISAM"])
async def test_given_the_legacys_tables_when_upgraded_then_no_row_is_lost(
    database: Database, database_url: str, engine: str
) -> None:
    await run(database, *(ddl.format(engine=engine) for ddl in LEGACY_DDL), *LEGACY_ROWS)
    tables = [table.__tablename__ for table in LEGACY_TABLES]
    before = {table: await run(database, f"SELECT * FROM {table} ORDER BY 1") for table in tables}
    await schema.upgrade(database_url)
    assert {table: await run(database, f"SELECT * FROM {table} ORDER BY 1") for table in tables} == before
    engines = await run(
        database, "SELECT DISTINCT engine FROM information_schema.tables WHERE table_schema = DATABASE()"
    )
    assert engines == [("InnoDB",)]
    assert not (await schema.upgrade(database_url)).is_changed


@pytest.mark.parametrize("is_legacy", [True, False], ids=["tables of the legacy", "tables of ours"])
async def test_given_an_upgraded_database_when_the_old_panel_writes_and_reads_then_it_works(
    database: Database, database_url: str, is_legacy: bool
) -> None:
    if is_legacy:
        await run(database, *(ddl.format(engine="InnoDB") for ddl in LEGACY_DDL))
    await schema.upgrade(database_url)
    await run(database, "SET SESSION sql_mode = ''", *LEGACY_ROWS)
    for statement, expected in PANEL_STATEMENTS:
        assert await run(database, "SET SESSION sql_mode = ''", statement) == expected, statement


@pytest.mark.parametrize("engine", ["InnoDB", "MyISAM"])
async def test_given_adopted_tables_when_the_dialer_works_then_it_reads_and_writes_the_panels_rows(
    database: Database, database_url: str, engine: str
) -> None:
    await run(database, *(ddl.format(engine=engine) for ddl in LEGACY_DDL), *LEGACY_ROWS)
    await schema.upgrade(database_url)
    async with Store(Database(database_url, legacy_timezone="America/Sao_Paulo")) as store:
        stored = await store.campaigns.get("Natal")
        assert (stored.campaign.max_channels, stored.campaign.impulse_factor, stored.problems) == (10, 6.0, ())
        story = Story(store, replace(stored.campaign, law=Law(LawPack.OFF)))
        taken = (await story.reserve(10)).reservations
        assert [one.lead.id for one in taken] == [2, 1]  # the retry, whose time was written in São Paulo's zone
        assert (await store.leads.counts(1))["calling"] == 3  # one the legacy left behind
        legacy_call = await store.calls.get("1262304000.17")
        assert legacy_call is not None and legacy_call.started_at is not None
        assert legacy_call.started_at.isoformat() == "2026-02-27T13:00:00+00:00"
        assert (await store.leads.release_expired(NOW)) == []
        assert (await story.lead(1)).status is LeadStatus.CALLING
        assert (await store.campaigns.create(Campaign(0, "Páscoa"), "tests", NOW)).campaign.id == 2


async def test_given_legacy_tables_when_looked_at_then_the_findings_say_what_is_missing(
    database: Database, database_url: str
) -> None:
    await run(database, *(ddl.format(engine="MyISAM") for ddl in LEGACY_DDL), *LEGACY_ROWS)
    findings = {finding.table: finding for finding in await adoption.inspect(database_url)}
    leads = findings["discador_contatos"]
    assert leads.rows == 4
    assert {"becomes InnoDB, is MyISAM", "column attempt_id is added", "index ix_dialer_due is added"} <= set(
        leads.to_do
    )
    assert await schema.current(database_url) is None
    await schema.upgrade(database_url)
    assert [finding.to_do for finding in await adoption.inspect(database_url)] == [(), (), (), ()]


async def test_given_duplicate_unique_ids_when_upgraded_then_the_message_names_them(
    database: Database, database_url: str
) -> None:
    await run(
        database,
        "CREATE TABLE discador_chamadas (unique_id VARCHAR(32) NOT NULL, status VARCHAR(20)) ENGINE=InnoDB",
        "INSERT INTO discador_chamadas VALUES ('1262304000.17', 'finished'), ('1262304000.17', 'finished')",
    )
    with pytest.raises(DialerError, match=r"1262304000\.17"):
        await schema.upgrade(database_url)
    rows = await run(database, "SELECT COUNT(*) FROM discador_chamadas")
    assert rows == [(2,)]


async def test_given_the_server_when_asked_then_the_session_is_strict_utc_and_committed(database: Database) -> None:
    ((zone, mode, charset, isolation),) = await database.fetch(
        text("SELECT @@time_zone, @@sql_mode, @@character_set_client, @@tx_isolation")
    )
    assert (zone, charset, isolation) == ("+00:00", "utf8mb4", "READ-COMMITTED")
    assert "STRICT_TRANS_TABLES" in mode


async def test_given_an_old_schema_when_the_store_is_opened_then_it_says_so_and_leaves_no_connection(
    database: Database, database_url: str
) -> None:
    with pytest.raises(DatabaseUnavailable, match="db upgrade"):
        async with Store(Database(database_url)):
            pytest.fail("it was opened")
    open_now = "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE()"
    left: list[Any] = []
    for _ in range(100):
        left = await run(database, open_now)
        if left == [(1,)]:
            break
        await asyncio.sleep(0.05)
    assert left == [(1,)], "the server still holds the closed store's connection after 5 s"
