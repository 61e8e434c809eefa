"""What it costs to reserve 100 leads from campaigns of ten thousand, a million and ten million.

Each campaign is made inside MariaDB: leads of Brazil's 27 states in two priorities, a fifth of them retries of which
half are due, and promised callbacks. Each reservation is the dialer's own transaction, with every gate and every write.
Rows are counted by MariaDB's handlers. `snapshot`: a transaction with an old view is open, as of a dump or a report.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import platform
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from support import cpu_seconds, percentile, print_table, write_results

from stasis_dialer.core.lead_options import LeadList, LeadOrder
from stasis_dialer.core.model import Campaign, CampaignStatus
from stasis_dialer.core.numbers import normalise
from stasis_dialer.core.zones import zone_of
from stasis_dialer.db import schema
from stasis_dialer.db.database import Database, Statements
from stasis_dialer.db.store import Store
from stasis_dialer.lab.addresses import free_port
from stasis_dialer.lab.mariadb import MariaDB
from stasis_dialer.lab.stack import find_stack

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
"""Monday noon in São Paulo, ten in Acre: every state may be called."""
EARLY = datetime(2026, 3, 2, 12, 30, tzinfo=UTC)
"""Half past nine in São Paulo: the states to its west may not be called yet."""
CHUNK = 1_000_000
LEASE_SECONDS = 120.0
AREAS = (
    *("11", "21", "27", "31", "41", "47", "51", "61", "62", "63", "65", "67", "68", "69", "71"),
    *("79", "81", "82", "83", "84", "85", "86", "91", "92", "95", "96", "98"),
)
"""One area of each state."""


@dataclass(frozen=True)
class Measured:
    """Reservations of one kind. Units: milliseconds; `rows`: read from indices and tables, for one reservation."""

    leads: int
    kind: str
    median_ms: float
    p95_ms: float
    rows: float
    reserved: int
    client_ms: float
    server_ms: float
    """CPU of this process and of MariaDB, for one reservation: it does not depend on what else the machine does."""


@contextlib.contextmanager
def server(pool_mib: int) -> Iterator[MariaDB]:
    """A MariaDB of the lab's, alone, in a folder of its own, with so large a buffer pool."""
    with tempfile.TemporaryDirectory(prefix="stasis-reserve-") as folder:
        maria = MariaDB(Path(folder) / "mariadb", find_stack(), free_port(), secrets.token_urlsafe(18))
        maria.prepare()
        maria.launch(owned=True)
        try:
            maria.wait_ready()
            maria.execute(f"SET GLOBAL innodb_buffer_pool_size = {pool_mib * 1024 * 1024}")
            yield maria
        finally:
            maria.stop()


async def fill(database: Database, campaign_id: int, leads: int) -> None:
    """The campaign's leads, in chunks; one in a thousand has a promised callback, a tenth of them due."""
    areas = ", ".join(f"'{area}'" for area in AREAS)
    zones = ", ".join(f"'{_zone(area)}'" for area in AREAS)
    for start in range(0, leads, CHUNK):
        last = min(leads, start + CHUNK)

        async def insert(statements: Statements, start: int = start, last: int = last) -> None:
            await statements.execute(
                "INSERT INTO discador_contatos (campaign_id, name, phone_number, max_attempts, attempts, next_attempt, "
                f"zone, priority) SELECT {campaign_id}, 'lead', CONCAT('55', ELT(1 + seq % 27, {areas}), "
                "'9', LPAD(seq + 60000000, 8, '0')), 9, IF(seq % 5 = 0, 1, 0), "
                f"IF(seq % 1000 = 7, '{NOW:%Y-%m-%d %H:%M:%S}', IF(seq % 5 = 0, '{NOW:%Y-%m-%d %H:%M:%S}' "
                "+ INTERVAL CAST(seq % 100000 AS SIGNED) - 50000 SECOND, NULL)), "
                f"IF(seq % 1000 = 7, '-', ELT(1 + seq % 27, {zones})), seq % 10 = 0 FROM seq_{start + 1}_to_{last}"
            )

        await database.run(insert)
    await database.run(
        lambda statements: statements.execute(
            "INSERT INTO dialer_callbacks (campaign_id, lead_id, due_at, state, created_at) "
            f"SELECT {campaign_id}, id, '{EARLY:%Y-%m-%d %H:%M:%S}' + INTERVAL IF(id % 10 = 0, -1, 30) DAY, 'waiting', "
            f"'{EARLY:%Y-%m-%d %H:%M:%S}' FROM discador_contatos WHERE zone = '-'"
        )
    )
    await database.run(lambda statements: statements.execute("ANALYZE TABLE discador_contatos, dialer_callbacks"))


def _zone(area: str) -> str:
    return zone_of(f"55{area}987654321").code


async def rows_read(database: Database) -> int:
    """Rows and index entries that MariaDB has read so far."""
    names = (
        "'HANDLER_READ_NEXT', 'HANDLER_READ_PREV', 'HANDLER_READ_RND_NEXT', 'HANDLER_READ_KEY', 'HANDLER_READ_FIRST'"
    )
    sql = (
        f"SELECT JSON_ARRAY(SUM(VARIABLE_VALUE)) FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME IN ({names})"
    )
    return int((await database.run(lambda statements: statements.rows(sql)))[0][0])


class Reserver:
    """Reserves from one campaign, again and again."""

    def __init__(self, store: Store, pid: int, leads: int, rounds: int) -> None:
        self._store = store
        self._pid = pid
        self._leads = leads
        self._rounds = rounds
        self._ids = itertools.count(1)

    async def measure(self, campaign: Campaign, kind: str, now: datetime = NOW, n: int = 100) -> Measured:
        """Reservations one after the other; the first is not counted."""
        await self._reserve(campaign, now, n)
        client, server = time.process_time(), cpu_seconds(self._pid)
        took, reserved, before = [], 0, await rows_read(self._store.database)
        for _ in range(self._rounds):
            began = time.perf_counter()
            reserved += await self._reserve(campaign, now, n)
            took.append((time.perf_counter() - began) * 1000)
        read = await rows_read(self._store.database) - before
        return Measured(
            self._leads,
            kind,
            median(took),
            percentile(took, 95),
            read / self._rounds,
            round(reserved / self._rounds),
            (time.process_time() - client) * 1000 / self._rounds,
            (cpu_seconds(self._pid) - server) * 1000 / self._rounds,
        )

    async def _reserve(self, campaign: Campaign, now: datetime, n: int) -> int:
        to_number = partial(normalise, region="BR", rules=campaign.numbers)
        taken = await self._store.leads.reserve(
            campaign, n, now, "benchmark", LEASE_SECONDS, to_number, lambda: f"b-{next(self._ids)}-{self._leads}"
        )
        return len(taken.reservations)


@contextlib.asynccontextmanager
async def old_snapshot(url: str) -> AsyncIterator[None]:
    """A transaction that keeps an old view of the leads."""
    database = Database(url, statement_timeout_seconds=3600)
    is_open, may_end = asyncio.Event(), asyncio.Event()

    async def hold(statements: Statements) -> None:
        await statements.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        await statements.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        await statements.rows("SELECT JSON_ARRAY(MAX(id)) FROM discador_contatos")
        is_open.set()
        await may_end.wait()

    holding = asyncio.create_task(database.run(hold))
    await is_open.wait()
    try:
        yield
    finally:
        may_end.set()
        await holding
        await database.close()


async def one_size(maria: MariaDB, leads: int, rounds: int) -> tuple[list[Measured], float]:
    """All kinds of reservations from one campaign, and how long it took to make it."""
    url = maria.create_database(f"reserve_{leads}")
    await schema.upgrade(url)
    async with Store(Database(url, statement_timeout_seconds=3600)) as store:
        wanted = Campaign(0, "Natal", CampaignStatus.ACTIVE)
        campaign = (await store.campaigns.create(wanted, "benchmark", NOW - timedelta(days=1))).campaign
        began = time.monotonic()
        await fill(store.database, campaign.id, leads)
        filled = time.monotonic() - began
        assert maria.process.pid is not None
        reserver = Reserver(store, maria.process.pid, leads, rounds)
        found = []
        for order in LeadOrder:
            found.append(await reserver.measure(replace(campaign, leads=LeadList(order)), f"order={order}"))
        found.append(await reserver.measure(campaign, "western states shut", EARLY))
        found.append(await reserver.measure(campaign, "ten leads", n=10))
        async with old_snapshot(url):
            found.append(await reserver.measure(campaign, "snapshot", NOW))
            found.append(await reserver.measure(campaign, "snapshot, later", NOW))
        began = time.monotonic()
        counts = await store.explain.campaign(campaign, NOW)
        explained = time.monotonic() - began
        print(f"{leads:,} leads by gate in {explained:.2f} s: {', '.join(f'{c.gate} {c.leads:,}' for c in counts)}")
    maria.drop_database(f"reserve_{leads}")
    return found, filled


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leads", type=int, nargs="+", default=[10_000, 1_000_000, 10_000_000])
    parser.add_argument("--rounds", type=int, default=20, help="reservations of each kind")
    parser.add_argument("--pool-mib", type=int, default=6144, help="MariaDB's buffer pool")
    options = parser.parse_args()
    results: list[Measured] = []
    with server(options.pool_mib) as maria:
        for leads in options.leads:
            found, filled = asyncio.run(one_size(maria, leads, min(options.rounds, max(1, leads // 2000))))
            print(f"{leads:,} leads made in {filled:.0f} s", flush=True)
            results += found
    kinds = list(dict.fromkeys(one.kind for one in results))
    by_key = {(one.leads, one.kind): one for one in results}
    rows: list[list[Any]] = []
    for kind in kinds:
        row: list[Any] = [kind]
        for leads in options.leads:
            one = by_key[leads, kind]
            cpu = f"{one.server_ms:.0f}+{one.client_ms:.0f}"
            row += [f"{one.median_ms:.0f}", cpu, f"{one.rows:,.0f}", one.reserved]
        rows.append(row)
    columns = ["reservation of 100"]
    for leads in options.leads:
        columns += [f"{leads:,}: ms", "CPU ms", "rows", "leads"]
    print_table(columns, rows)
    facts = {
        "machine": platform.platform(),
        "cpus": os.cpu_count(),
        "rounds": options.rounds,
        "pool_mib": options.pool_mib,
    }
    path = write_results("reserve", {"facts": facts, "results": [asdict(one) for one in results]})
    print(json.dumps({"written": str(path)}))


if __name__ == "__main__":
    main()
