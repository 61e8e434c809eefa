"""How long `db adopt` takes on a database of the legacy's with many leads: look, adoption, and the second adoption.

The tables are MyISAM and latin1, as the legacy's servers made them; a third of the numbers has punctuation, some leads
are left `calling`. Each step runs in a process of its own, whose greatest memory is told beside its time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import secrets
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from stasis_dialer.db.adoption import adopt
from stasis_dialer.db.database import Database
from stasis_dialer.lab.addresses import free_port
from stasis_dialer.lab.mariadb import MariaDB
from stasis_dialer.lab.stack import find_stack

RESULTS = Path(__file__).parent / "results"
SEED = Path(__file__).parents[1] / "tests" / "data" / "legacy.sql"
ZONE = "America/Sao_Paulo"
PAGE = 100_000
STEPS = (("look (--dry-run)", True), ("adopt", False), ("adopt again", False))

LEADS = (
    "INSERT INTO discador_contatos (campaign_id, name, phone_number, attempts, status, created_at) SELECT 1, "
    "CONCAT('João ', seq), CASE seq MOD 3 WHEN 0 THEN CONCAT('(11) 9', 10000000 + seq) "
    "WHEN 1 THEN CONCAT('0119', 10000000 + seq) ELSE CONCAT('119', 10000000 + seq) END, seq MOD 2, "
    "IF(seq MOD 50, 'pending', 'calling'), '2026-02-01 08:00:00' FROM seq_{first}_to_{last}"
)


async def fill(url: str, leads: int) -> None:
    """The legacy's database with so many leads."""
    database = Database(url)
    text = "\n".join(line for line in SEED.read_text().splitlines() if not line.startswith("--"))
    statements = [one for one in text.split(";\n") if one.strip()]
    statements += [LEADS.format(first=n, last=min(n + PAGE, leads + 1) - 1) for n in range(1, leads + 1, PAGE)]

    async def work(connection: object) -> None:
        for statement in statements:
            await connection.exec_driver_sql(statement.replace("%", "%%"))  # type: ignore[attr-defined]

    await database.transact(work)
    await database.close()


def step(url: str, is_dry_run: bool) -> None:
    """One step, in a process of its own; prints what it took."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()
    now = datetime.now(UTC)
    adoption = asyncio.run(adopt(url, None, ZONE, now, "benchmark", is_dry_run))
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps(
            {
                "seconds": round(time.monotonic() - began, 1),
                "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
                "memory_mb": round(usage.ru_maxrss / 1024),
                "memory_grown_mb": round((usage.ru_maxrss - before) / 1024),
                "leads": adoption.leads_read,
                "to_do": adoption.to_do,
            }
        )
    )


def main() -> None:
    """Run the steps for each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--leads", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--step", nargs=2, metavar=("URL", "DRY"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        step(arguments.step[0], arguments.step[1] == "1")
        return
    results = []
    with tempfile.TemporaryDirectory(prefix="stasis-adopt-") as folder:
        mariadb = MariaDB(Path(folder) / "mariadb", find_stack(), free_port(), secrets.token_urlsafe(18))
        mariadb.prepare()
        mariadb.launch(owned=True)
        try:
            mariadb.wait_ready()
            for leads in arguments.leads:
                url = mariadb.create_database(f"adopt{leads}")
                asyncio.run(fill(url, leads))
                for name, is_dry_run in STEPS:
                    command = [sys.executable, __file__, "--step", url, "1" if is_dry_run else "0"]
                    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                    row = {"step": name, **json.loads(said)}
                    results.append(row)
                    print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
        finally:
            mariadb.stop()
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "adopt.json").write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
