"""What shadow mode reads from MariaDB, and that its connection cannot write."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from stasis_dialer.core.model import CallStatus
from stasis_dialer.db.database import Database
from stasis_dialer.db.shadow import ShadowReader
from stasis_dialer.db.store import Store
from tests.contract.db.conftest import NOW, Story, at, begin, e164

ZONE = "America/Sao_Paulo"


@pytest.fixture
async def writing(mariadb: Store) -> Story:
    """A campaign in MariaDB, through a connection that may write."""
    return await begin(mariadb)


@pytest.fixture
async def watching(upgraded_url: str) -> AsyncIterator[Database]:
    """A connection that may not."""
    database = Database(upgraded_url, legacy_timezone=ZONE, is_read_only=True)
    yield database
    await database.close()


async def sums(story: Story) -> list[Any]:
    tables = "discador_contatos, discador_chamadas, discador_campanhas, painel_ramais, dialer_lead_phones"

    async def read(connection: Any) -> list[Any]:
        return [tuple(row) for row in (await connection.exec_driver_sql(f"CHECKSUM TABLE {tables}")).all()]

    found: list[Any] = await story.store.database.transact(read)
    return found


async def test_given_a_read_only_connection_when_it_would_reserve_then_mariadb_refuses_it(
    writing: Story, watching: Database
) -> None:
    await writing.add("11987650001")
    before = await sums(writing)
    with pytest.raises(Exception, match="READ ONLY transaction"):
        await Story(Store(watching), writing.campaign).reserve(1)
    with pytest.raises(Exception, match="READ ONLY transaction"):
        await watching.run(lambda statements: statements.execute("DELETE FROM discador_contatos"))
    assert await sums(writing) == before


async def test_given_leads_when_looked_at_then_they_are_those_of_a_reservation_and_stay_free(
    writing: Story, watching: Database
) -> None:
    await writing.add(*(f"1198765{n:04d}" for n in range(8)), "not a number")
    before = await sums(writing)
    reader = ShadowReader(watching, {})
    up = await reader.leads_up(writing.campaign, 5, NOW, e164, frozenset())
    more = await reader.leads_up(writing.campaign, 9, NOW, e164, frozenset(one.lead.id for one in up))
    assert await sums(writing) == before
    reserved = [(one.lead.id, one.number) for one in (await writing.reserve(20)).reservations]
    assert [(one.lead.id, one.number) for one in (*up, *more)] == reserved
    assert len(reserved) == 8


async def test_given_a_lead_that_another_transaction_holds_when_looked_at_then_nobody_waits(
    writing: Story, watching: Database
) -> None:
    await writing.add("11987650001")
    async with writing.store.database.session() as holding:
        await holding.rows("SELECT JSON_ARRAY(id) FROM discador_contatos FOR UPDATE")
        up = await ShadowReader(watching, {}).leads_up(writing.campaign, 5, NOW, e164, frozenset())
        assert len(up) == 1


async def test_given_rows_of_the_legacy_when_read_then_open_and_recent_calls_come_in_utc(
    writing: Story, watching: Database
) -> None:
    rows = (
        "('open', '1001', '11987650001', 'connected', '2026-03-02 08:00:00', '2026-03-02 08:00:09', NULL, 0)",
        "('over', '', '11987650002', 'finished', '2026-03-02 09:59:00', NULL, '2026-03-02 09:59:30', 0)",
        "('long over', '', '11987650003', 'finished', '2026-03-02 08:00:00', NULL, NULL, 0)",
        "('forgotten', '', '11987650004', 'ringing', '2026-02-01 08:00:00', NULL, NULL, 0)",
    )
    await writing.store.database.run(
        lambda statements: statements.execute(f"INSERT INTO discador_chamadas VALUES {', '.join(rows)}")
    )
    seen = {one.call_id: one for one in await ShadowReader(watching, {}).calls(NOW - timedelta(minutes=15), NOW)}
    assert seen.keys() == {"open", "over"}
    assert (seen["open"].status, seen["open"].agent) == (CallStatus.CONNECTED, "1001")
    assert (seen["open"].answered_at, seen["open"].ended_at) == (at(-7200 + 9), None)
    assert (seen["over"].started_at, seen["over"].ended_at, seen["over"].campaign_id) == (at(-60), at(-30), None)


async def test_given_leads_that_are_calling_when_counted_then_those_left_over_are_not(
    writing: Story, watching: Database
) -> None:
    await writing.add("11987650001", "11987650002", "11987650003")
    await writing.reserve(2)
    reader = ShadowReader(watching, {})
    assert await reader.calling([writing.campaign.id], NOW) == {writing.campaign.id: 2}
    assert await reader.calling([writing.campaign.id], NOW + timedelta(hours=2)) == {}
    assert await reader.calling([], NOW) == {}
