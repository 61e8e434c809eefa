"""How fast a list becomes leads, against MariaDB's own LOAD DATA LOCAL INFILE of the same file in the same run.

LOAD DATA puts the file's columns into a table with the columns and indices of `discador_contatos` and does no more: no
number is read, none is looked up, and no phone table is written. `leads import` reads, checks, dedupes, scrubs and
writes leads and phones in one transaction. Both sides run alternately on one MariaDB; the ratio is of the medians.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import random
import resource
import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import pymysql
from support import cpu_seconds

from stasis_dialer.cli.importing import import_list
from stasis_dialer.core.model import Campaign
from stasis_dialer.db import schema
from stasis_dialer.db.database import Database
from stasis_dialer.db.store import Store
from stasis_dialer.files.listing import ReadOptions, open_list
from stasis_dialer.lab.addresses import free_port
from stasis_dialer.lab.mariadb import USER, MariaDB
from stasis_dialer.lab.stack import find_stack

RESULTS = Path(__file__).parent / "results"
AREAS = ("11", "19", "21", "31", "41", "51", "61", "71", "81", "85")
NAMES = ("Ana Lúcia", "Bruno", "Carla", "Davi", "Eduarda", "Fábio", "Gabriela", "Hugo", "Iara", "João")
SURNAMES = ("Silva", "Souza", "Oliveira", "Santos", "Pereira", "Lima", "Carvalho", "Araújo", "Ribeiro", "Gonçalves")
DUPLICATES = 0.02
"""Rows whose number stands in the file before."""


def write_list(path: Path, rows: int, seed: int = 7) -> None:
    """A list as a Brazilian spreadsheet writes it: semicolons, two phones in several spellings, two more columns."""
    chance = random.Random(seed)
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("nome;celular;telefone2;cpf;cidade\r\n")
        for row in range(rows):
            serial = row if chance.random() > DUPLICATES else chance.randrange(row + 1)
            area = AREAS[serial % len(AREAS)]
            mobile = f"9{serial // len(AREAS) + 10_000_000:08d}"
            spelling = (
                f"({area}) {mobile[:5]}-{mobile[5:]}",
                f"{area}{mobile}",
                f"+55{area}{mobile}",
                f"0{area}{mobile}",
            )
            second = f"({area}) 3{row % 10_000_000:07d}" if row % 3 == 0 else ""
            name = f"{NAMES[row % 10]} {SURNAMES[row // 10 % 10]}"
            file.write(f"{name};{spelling[row % 4]};{second};{row:011d};São Paulo\r\n")


@contextlib.contextmanager
def server() -> Iterator[MariaDB]:
    """A MariaDB of the lab's, alone, in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="stasis-import-") as folder:
        maria = MariaDB(Path(folder) / "mariadb", find_stack(), free_port(), secrets.token_urlsafe(18))
        maria.prepare()
        maria.launch(owned=True)
        try:
            maria.wait_ready()
            yield maria
        finally:
            maria.stop()


@dataclass(frozen=True)
class Round:
    """What one side took. Units: seconds of wall time and of CPU."""

    seconds: float
    client: float
    server: float


def measured(maria: MariaDB, work: Callable[[], object]) -> Round:
    """Run one side."""
    pid = maria.process.pid
    assert pid is not None
    client, server, began = time.process_time(), cpu_seconds(pid), time.monotonic()
    work()
    seconds = time.monotonic() - began
    return Round(seconds, time.process_time() - client, cpu_seconds(pid) - server)


def load_data(maria: MariaDB, database: str, path: Path) -> Round:
    """LOAD DATA into an empty twin of the leads' table."""
    connection = pymysql.connect(
        host="127.0.0.1",
        port=maria.port,
        user=USER,
        password=maria.password,
        database=database,
        local_infile=True,
        charset="utf8mb4",
    )
    with contextlib.closing(connection), connection.cursor() as cursor:
        cursor.execute("CREATE OR REPLACE TABLE loaded LIKE discador_contatos")

        def load() -> None:
            cursor.execute(
                f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE loaded CHARACTER SET utf8mb4 FIELDS TERMINATED BY ';' "
                "LINES TERMINATED BY '\\r\\n' IGNORE 1 LINES (name, phone_number, @alternate, @cpf, @city) SET "
                "campaign_id = 1, alternate_phone = NULLIF(@alternate, ''), "
                'attributes = CONCAT(\'{"cpf":"\', @cpf, \'","cidade":"\', @city, \'"}\')'
            )
            connection.commit()

        taken = measured(maria, load)
        cursor.execute("DROP TABLE loaded")
        return taken


def leads_import(maria: MariaDB, url: str, path: Path) -> tuple[Round, int]:
    """`leads import` into an empty campaign, and the leads it made."""
    imported = 0

    async def work() -> None:
        nonlocal imported
        async with Store(Database(url)) as store:
            stored = await store.campaigns.create(Campaign(0, secrets.token_hex(8)), "benchmark", datetime.now(UTC))
            leads = open_list(path, stored.campaign, ReadOptions())
            imported = (await import_list(store, leads, actor="benchmark")).imported

    async def empty() -> None:
        async with Store(Database(url)) as store:
            for table in ("discador_contatos", "dialer_lead_phones", "dialer_imports"):
                await store.database.run(lambda statements, table=table: statements.execute(f"TRUNCATE {table}"))

    asyncio.run(empty())
    return measured(maria, lambda: asyncio.run(work())), imported


def run(rows: int, rounds: int) -> dict[str, Any]:
    """All rounds, alternating."""
    with server() as maria, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "list.csv"
        write_list(path, rows)
        url = maria.create_database("bench")
        asyncio.run(schema.upgrade(url))
        sides: dict[str, list[Round]] = {"load_data": [], "leads_import": []}
        imported = 0
        for _ in range(rounds):
            sides["load_data"].append(load_data(maria, "bench", path))
            taken, imported = leads_import(maria, url, path)
            sides["leads_import"].append(taken)
        size = path.stat().st_size
    found = {
        side: {
            "rows_per_second": rows / median(one.seconds for one in taken),
            "client_microseconds": median(one.client for one in taken) / rows * 1e6,
            "server_microseconds": median(one.server for one in taken) / rows * 1e6,
            "rounds": [asdict(one) for one in taken],
        }
        for side, taken in sides.items()
    }
    return {
        "rows": rows,
        "bytes": size,
        "imported": imported,
        "sides": found,
        "ratio": found["leads_import"]["rows_per_second"] / found["load_data"]["rows_per_second"],  # type: ignore[operator]
        "peak_mebibytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "machine": {
            "cpus": os.cpu_count(),
            "load": os.getloadavg()[0],
            "python": platform.python_version(),
            "at": datetime.now(UTC).isoformat(),
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    found = [run(rows, options.rounds) for rows in options.rows]
    print(f"{'rows':>9}  {'side':<12}  {'rows/s':>8}  {'client us':>9}  {'server us':>9}")
    for one in found:
        for side, figures in one["sides"].items():
            print(
                f"{one['rows']:>9}  {side:<12}  {figures['rows_per_second']:>8.0f}  "
                f"{figures['client_microseconds']:>9.1f}  {figures['server_microseconds']:>9.1f}"
            )
        print(f"{'':>9}  ratio {one['ratio']:.2f}, {one['imported']} leads, peak {one['peak_mebibytes']:.0f} MiB")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "import.json").write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
