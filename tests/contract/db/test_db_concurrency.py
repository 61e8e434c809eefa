"""Several dialers, dead connections and a restarted server: no lead twice, none lost, nothing half done."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from stasis_dialer.core.model import CallStatus, Disposition, Lead, LeadStatus
from stasis_dialer.db.database import Database, Statements
from stasis_dialer.db.leads import NewLead
from stasis_dialer.db.store import Store
from stasis_dialer.errors import ConfigurationError, DatabaseUnavailable
from tests.contract.db.conftest import APP, LEASE_SECONDS, NOW, Story, at, begin, e164
from tests.contract.db.records import ended, outcome

PROJECT = Path(__file__).parents[3]
PROCESSES = 4
LEADS = 100_000


async def fill(mariadb: Store, story: Story, count: int) -> None:
    """Many leads at once."""
    await mariadb.database.run(
        lambda statements: statements.execute(
            "INSERT INTO discador_contatos (campaign_id, name, phone_number) "
            f"SELECT %s, 'lead', LPAD(seq, 11, '1') FROM seq_1_to_{count}",
            story.campaign.id,
        )
    )


async def numbers(mariadb: Store, sql: str, *values: object) -> list[Any]:
    """The one row of a question."""
    rows = await mariadb.database.run(lambda statements: statements.rows(sql, *values))
    return rows[0]


async def worker(url: str, campaign_id: int, app: str) -> list[tuple[str, int]]:
    environment = {**os.environ, "DATABASE_URL": url, "CAMPAIGN_ID": str(campaign_id), "APP": app}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.contract.db.reserve_worker",
        cwd=PROJECT,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, problems = await process.communicate()
    assert process.returncode == 0, problems.decode()
    return [(call_id, lead_id) for call_id, lead_id in json.loads(output)]


async def test_given_four_dialers_when_they_reserve_at_once_then_each_lead_is_taken_once(
    mariadb: Store, upgraded_url: str
) -> None:
    story = await begin(mariadb)
    await fill(mariadb, story, LEADS)
    taken = await asyncio.gather(
        *(worker(upgraded_url, story.campaign.id, f"dialer-{number}") for number in range(PROCESSES))
    )
    leads = [lead_id for some in taken for _, lead_id in some]
    assert len(leads) == len(set(leads)) == LEADS
    assert all(taken)
    counts = await numbers(
        mariadb,
        "SELECT JSON_ARRAY(COUNT(*), SUM(l.attempts), SUM(l.status = 'calling'), "
        "SUM(c.unique_id IS NOT NULL AND c.app = l.reserved_by)) "
        "FROM discador_contatos l LEFT JOIN discador_chamadas c ON c.unique_id = l.attempt_id AND c.lead_id = l.id",
    )
    assert counts == [LEADS, LEADS, LEADS, LEADS]
    assert (await numbers(mariadb, "SELECT JSON_ARRAY(COUNT(*)) FROM discador_chamadas")) == [LEADS]


async def test_given_dialers_that_reserve_and_finish_when_run_at_once_then_the_counters_are_true(
    mariadb: Store,
) -> None:
    story = await begin(mariadb)
    await story.add(*(f"{number:011d}" for number in range(600)))

    async def dialer(number: int) -> None:
        while taken := (await story.reserve(17, app=f"dialer-{number}")).reservations:
            await mariadb.calls.finish(
                [(ended(one, Disposition.ANSWERED), outcome(one, LeadStatus.COMPLETED, "answered")) for one in taken]
            )

    await asyncio.gather(*(dialer(number) for number in range(8)))
    assert await story.counters() == (600, 600, 600)
    assert await mariadb.leads.counts(story.campaign.id) == {
        "pending": 0,
        "calling": 0,
        "completed": 600,
        "failed": 0,
    }


async def test_given_a_connection_that_dies_in_a_reservation_when_repeated_then_nothing_is_half_done(
    mariadb: Store, lab: Any
) -> None:
    story = await begin(mariadb)
    await story.add(*(f"{number:011d}" for number in range(20)))
    killed = []

    def to_number(lead: Lead) -> str:
        if not killed:
            killed.extend(kill_others(lab))
        return e164(lead)

    taken = await mariadb.leads.reserve(story.campaign, 10, NOW, APP, LEASE_SECONDS, to_number, story.call_ids)
    assert killed
    assert [one.lead.id for one in taken.reservations] == sorted(one.lead.id for one in taken.reservations)
    assert len(taken.reservations) == 10
    assert await mariadb.leads.counts(story.campaign.id) == {
        "pending": 10,
        "calling": 10,
        "completed": 0,
        "failed": 0,
    }
    assert {call.call_id for call in await mariadb.calls.open_calls(APP)} == {one.call_id for one in taken.reservations}


async def test_given_a_transaction_that_fails_when_over_then_its_changes_are_gone(mariadb: Store) -> None:
    story = await begin(mariadb)
    await story.add("11987650001")

    def broken(lead: Lead) -> str:
        raise RuntimeError("our own mistake")

    with pytest.raises(RuntimeError, match="our own mistake"):
        await mariadb.leads.reserve(story.campaign, 1, NOW, APP, LEASE_SECONDS, broken, story.call_ids)
    assert len((await story.reserve(1)).reservations) == 1


async def test_given_a_cancelled_statement_when_over_then_its_lock_is_free(mariadb: Store) -> None:
    story = await begin(mariadb)
    await story.add("11987650001")

    async def slow(statements: Statements) -> None:
        await statements.execute("UPDATE discador_contatos SET result = 'locked'")
        await statements.execute("DO SLEEP(60)")

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await mariadb.database.run(slow)
    for _attempt in range(100):
        if (await story.reserve(1)).reservations:
            break
        await asyncio.sleep(0.05)  # until the server has noticed that its client is gone
    (call,) = await mariadb.calls.open_calls(APP)
    assert (await story.lead(call.lead_id or 0)).result is None


async def test_given_a_statement_that_never_ends_when_its_time_is_over_then_the_database_counts_as_away(
    upgraded_url: str,
) -> None:
    database = Database(upgraded_url, statement_timeout_seconds=0.2)
    with pytest.raises(DatabaseUnavailable, match="no answer in time"):
        await database.run(lambda statements: statements.execute("DO SLEEP(60)"))
    await database.ping()
    await database.close()


async def test_given_a_restarted_server_when_used_again_then_the_pool_recovers(mariadb: Store, lab: Any) -> None:
    story = await begin(mariadb)
    await story.add("11987650001", "11987650002")
    await asyncio.gather(*(story.reserve(1) for _ in range(2)))
    await asyncio.to_thread(lab.mariadb.kill)
    with pytest.raises(DatabaseUnavailable, match="cannot be reached"):
        await mariadb.calls.open_calls(APP)
    await asyncio.to_thread(lab.mariadb.start)
    calls = await mariadb.calls.open_calls(APP)
    assert len(calls) == 2
    assert {call.status for call in calls} == {CallStatus.RINGING}
    assert len(await mariadb.leads.release_expired(at(LEASE_SECONDS))) == 2


async def test_given_idle_connections_that_died_when_used_then_nobody_notices(mariadb: Store, lab: Any) -> None:
    await asyncio.gather(
        *(mariadb.database.run(lambda statements: statements.execute("DO SLEEP(0.05)")) for _ in range(4))
    )
    assert len(kill_others(lab)) >= 4
    assert await mariadb.calls.open_calls(APP) == []
    kill_others(lab)
    assert await mariadb.agents.panel() == []
    kill_others(lab)
    assert await mariadb.campaigns.find() == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"password": "wrong"}, "refused the login: .*user=stasis_dialer; check the user and the password"),
        ({"database": "nowhere"}, "no such database: .*nowhere; create it"),
        ({"port": 1}, "cannot be reached: server=127.0.0.1:1"),
        ({"host": "no-such-host.invalid"}, "cannot be reached: server=no-such-host.invalid"),
    ],
    ids=["wrong password", "no database", "nobody listens", "no such host"],
)
async def test_given_a_wrong_address_when_opened_then_the_message_says_what_to_do(
    upgraded_url: str, change: dict[str, Any], message: str
) -> None:
    database = Database(upgraded_url)
    database.url = database.url.set(**change)
    with pytest.raises(DatabaseUnavailable, match=message) as caught:
        await database.open()
    assert caught.value.__cause__ is not None
    assert str(database.url.password) not in str(caught.value)
    await database.close()


@pytest.mark.parametrize("url", ["postgresql://a@b/c", "mariadb://a@b", "what is this"])
def test_given_what_is_no_address_when_used_then_the_message_shows_how_to_write_one(url: str) -> None:
    with pytest.raises(ConfigurationError, match="mariadb://USER@HOST:PORT/NAME"):
        Database(url)


async def test_given_rows_locked_by_the_panel_when_reserved_and_finished_then_only_the_end_waits(
    mariadb: Store, upgraded_url: str
) -> None:
    story = await begin(mariadb)
    await story.add("11987650001")
    (one,) = (await story.reserve(1)).reservations
    blocker = Database(upgraded_url)
    is_locked, may_end = asyncio.Event(), asyncio.Event()

    async def hold(statements: Statements) -> None:
        await statements.execute("UPDATE discador_contatos SET name = name")
        is_locked.set()
        await may_end.wait()

    holding = asyncio.create_task(blocker.run(hold))
    await is_locked.wait()
    closed = [(ended(one, Disposition.ANSWERED), outcome(one, LeadStatus.COMPLETED, "answered"))]
    finishing = asyncio.create_task(mariadb.calls.finish(closed))
    assert (await story.reserve(1)).reservations == []
    may_end.set()
    await holding
    assert await finishing == []
    assert await story.counters() == (1, 1, 1)
    await blocker.close()


async def test_given_an_import_when_leads_are_reserved_meanwhile_then_neither_waits_for_the_other(
    mariadb: Store,
) -> None:
    story = await begin(mariadb)
    await story.add(*(f"{number:011d}" for number in range(500)))

    async def load() -> None:
        await mariadb.leads.insert_many(
            story.campaign.id, (NewLead("lead", f"{number:011d}") for number in range(5000)), NOW
        )

    loading = asyncio.create_task(load())
    taken = []
    while not loading.done():
        taken += (await story.reserve(10)).reservations
    await loading
    assert len({one.lead.id for one in taken}) == len(taken)
    assert sum((await mariadb.leads.counts(story.campaign.id)).values()) == 5500


def kill_others(lab: Any) -> list[int]:
    """End every connection of the server but the one that asks."""
    connection = lab.mariadb._connect()
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND db = 'contract'"
            )
            ids = [int(row[0]) for row in cursor.fetchall()]
            for one in ids:
                cursor.execute(f"KILL {one}")
    finally:
        connection.close()
    return ids
