"""From the legacy to this dialer: shadow mode beside a live one; a database of the legacy's adopted and dialled."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stasis_dialer.core.lead_options import Law, LawPack, Retry
from stasis_dialer.db.database import Database
from stasis_dialer.db.store import Store
from stasis_dialer.lab.fates import Fate, number
from tests.e2e.support import Stage, wait_for

SEED = Path(__file__).parents[1] / "data" / "legacy.sql"
KEPT = (
    "SELECT id, status, attempts, last_attempt, next_attempt, result, attempt_id, reserved_by FROM discador_contatos",
    "SELECT * FROM discador_chamadas",
    "SELECT * FROM discador_campanhas",
)
"""What no shadow may change. The live dialer itself learns its leads' zones meanwhile."""


def test_given_a_live_dialer_when_shadow_mode_runs_beside_it_then_nothing_is_dialled_written_or_taken_over(
    floor: Stage,
) -> None:
    dialer = floor.dialers[0]
    floor.ledger.campaign([number(Fate.HUMAN, serial=serial) for serial in range(40)])
    wait_for(lambda: floor.ledger.rows("SELECT * FROM painel_ramais WHERE registered = 1"), "the panel's telephones")
    before = [floor.ledger.rows(sql) for sql in KEPT]
    done = dialer.program("run", "--shadow", "--json", "--interval", "1", "--seconds", "4")
    assert done.code == 0, done.err
    told = [json.loads(line) for line in done.out.splitlines()]
    intervals = [one for one in told if one["kind"] == "interval"]
    assert len(intervals) >= 2
    assert intervals[0]["agents_registered"] == intervals[0]["agents_free"] > 0
    assert intervals[0]["would_place"]["legacy"]["calls"] == min(6 * intervals[0]["agents_free"], 500)
    assert intervals[0]["would_place"]["progressive"]["calls"] == intervals[0]["agents_free"]
    leads = [one for one in told if one["kind"] == "lead"]
    assert len(leads) == len({one["lead_id"] for one in leads}) >= intervals[0]["agents_free"]
    assert all(len(one["number"]) == 5 for one in leads), "numbers are masked"
    assert told[-1]["kind"] == "end"
    assert floor.lab.carrier.invites() == []
    assert floor.channels() == {}
    assert [floor.ledger.rows(sql) for sql in KEPT] == before
    assert dialer.is_running and dialer.is_ready, "the live dialer keeps its application"


def test_given_the_legacys_database_when_adopted_and_dialled_then_the_legacys_statements_read_the_results(
    stage: Stage,
) -> None:
    text = "\n".join(line for line in SEED.read_text().splitlines() if not line.startswith("--"))
    statements = [one for one in text.split(";\n") if one.strip()]
    numbers = [number(Fate.HUMAN, talk=1, serial=serial) for serial in range(6)]
    numbers += [number(Fate.BUSY, serial=serial) for serial in range(3)]
    stage.lab.create_database(stage.database)
    for statement in [one for one in statements if "CREATE TABLE" in one or "SET SESSION" in one]:
        stage.ledger.execute(statement)
    stage.ledger.execute("INSERT INTO discador_campanhas (id, name) VALUES (1, 'Cobrança São João')")
    for serial, listed in enumerate(numbers):
        spelling = f"({listed[3:5]}) {listed[5:10]}-{listed[10:]}" if serial % 2 else f"0{listed[3:]}"
        stage.ledger.execute(
            "INSERT INTO discador_contatos (campaign_id, name, phone_number, attempts, max_attempts, status, "
            "last_attempt) VALUES (1, 'Conceição', %s, 0, 1, %s, '2026-03-01 10:00:00')",
            spelling,
            "calling" if serial == 0 else "pending",
        )
    dialer = stage.dialer()
    assert dialer.program("db", "adopt", "--dry-run").code == 0
    assert dialer.program("db", "adopt").code == 0
    asyncio.run(_made_quick(stage))
    dialer.start()
    dialer.log_in("1001", "1002")
    wait_for(lambda: stage.ledger.undecided() == 0, "all leads to be decided", 90.0)

    def panel(sql: str) -> list[tuple[Any, ...]]:
        stage.ledger.execute("SET SESSION sql_mode = ''")
        return [tuple(row.values()) for row in stage.ledger.rows(sql)]

    wait_for(
        lambda: (
            panel("SELECT status, COUNT(*) FROM discador_contatos GROUP BY status ORDER BY status")
            == [("completed", 6), ("failed", 3)]
        ),
        "the panel to read every lead's end",
    )
    columns = stage.ledger.rows("SELECT * FROM discador_contatos LIMIT 1")[0].keys()
    assert list(columns) == [
        "id", "campaign_id", "name", "phone_number", "alternate_phone", "attempts", "max_attempts", "last_attempt",
        "next_attempt", "status", "result", "created_at", "updated_at",
    ]  # fmt: skip
    assert panel("SELECT DISTINCT name, attempts FROM discador_contatos") == [("Conceição", 1)]
    wait_for(
        lambda: panel("SELECT COUNT(*) FROM discador_chamadas WHERE status = 'finished'") == [(9,)], "the calls' ends"
    )
    assert panel(
        "SELECT COUNT(*) FROM discador_chamadas WHERE answer_time IS NOT NULL AND end_time >= answer_time"
    ) == [(6,)]
    assert panel("SELECT processed_contacts, successful_calls, status FROM discador_campanhas") == [(9, 6, "active")]
    dialled = sorted(invite.number for invite in stage.lab.carrier.invites())
    assert dialled == sorted(numbers)


async def _made_quick(stage: Stage) -> None:
    """The adopted campaign dials at any hour, and its agents have no wrap-up."""
    async with Store(Database(stage.lab.mariadb.url(stage.database))) as store:
        changes = {"law": Law(LawPack.OFF), "retry": Retry(calls_per_number=0), "wrap_up_seconds": 0.0}
        await store.campaigns.update(1, changes, "test", datetime.now(UTC))
