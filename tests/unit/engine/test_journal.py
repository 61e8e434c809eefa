"""Records on their way to the database: in order, in batches, the newest in place of older ones, never lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from stasis_dialer.core.model import (
    AgentSession,
    AgentState,
    CallRecord,
    CallStatus,
    ConnectMode,
    LeadOutcome,
    LeadStatus,
)
from stasis_dialer.db.audit import AuditEntry
from stasis_dialer.engine.journal import BATCH, Journal
from stasis_dialer.errors import DatabaseUnavailable
from tests.property import virtual_time
from tests.property.virtual_time import EPOCH

CALL = CallRecord("c1", "app")
ENDED = replace(CALL, status=CallStatus.FINISHED)
OUTCOME = LeadOutcome(1, "c1", LeadStatus.COMPLETED, "answered")
SESSION = AgentSession("s1", "1001", "app", ConnectMode.ALWAYS_ON, AgentState.AVAILABLE, EPOCH)


class Database:
    """What was written, in order."""

    def __init__(self) -> None:
        self.written: list[tuple[str, object]] = []
        self.sizes: list[int] = []
        self.is_away = False
        self.before_answer: Callable[[], None] = lambda: None

    async def _write(self, what: str, records: Sequence[object]) -> None:
        if self.is_away:
            raise DatabaseUnavailable
        await asyncio.sleep(0.01)
        self.before_answer()
        if self.is_away:
            raise DatabaseUnavailable
        self.sizes.append(len(records))
        self.written += [(what, record) for record in records]

    async def save(self, records: Sequence[CallRecord]) -> None:
        await self._write("progress", records)

    async def finish(self, closed: Sequence[tuple[CallRecord, LeadOutcome | None]]) -> None:
        await self._write("end", closed)

    async def write(self, entry: AuditEntry) -> None:
        await self._write("audit", [entry])

    async def save_sessions(self, sessions: Sequence[AgentSession]) -> None:
        await self._write("session", sessions)


def journalling(story: Callable[[Journal, Database], Awaitable[None]]) -> None:
    async def play() -> None:
        database = Database()
        journal = Journal(database, database, database)
        writer = asyncio.create_task(journal.run())
        try:
            await story(journal, database)
            assert not writer.done()
        finally:
            writer.cancel()

    virtual_time.run(play)


def test_given_progress_and_an_end_then_only_the_end_is_written() -> None:
    async def story(journal: Journal, database: Database) -> None:
        journal.save(CALL)
        journal.save(replace(CALL, agent="1001"))
        journal.finish(ENDED, OUTCOME)
        journal.save(replace(CALL, agent="late"))
        assert await journal.drained(5.0)
        assert database.written == [("end", (ENDED, OUTCOME))]

    journalling(story)


def test_given_progress_twice_then_the_newest_is_written() -> None:
    async def story(journal: Journal, database: Database) -> None:
        journal.save(CALL)
        journal.save(replace(CALL, agent="1001"))
        assert await journal.drained(5.0)
        assert database.written == [("progress", replace(CALL, agent="1001"))]

    journalling(story)


def test_given_an_agents_changes_then_every_one_is_written_in_order() -> None:
    async def story(journal: Journal, database: Database) -> None:
        states = [AgentState.AVAILABLE, AgentState.RESERVED, AgentState.ON_CALL, AgentState.AVAILABLE]
        for state in states:
            journal.session(replace(SESSION, state=state))
        assert await journal.drained(5.0)
        assert [record.state for _, record in database.written] == states  # type: ignore[attr-defined]

    journalling(story)


def test_given_the_database_is_away_then_everything_waits_and_is_written_once_it_is_back() -> None:
    async def story(journal: Journal, database: Database) -> None:
        database.is_away = True
        journal.session(SESSION)
        journal.save(CALL)
        journal.finish(replace(ENDED, call_id="c2"), None)
        assert not await journal.drained(60.0)
        assert (journal.is_database_away, journal.depth) == (True, 3)
        assert journal.is_waiting("c2")
        journal.session(replace(SESSION, state=AgentState.PAUSED))
        database.is_away = False
        assert await journal.drained(10.0)
        assert (journal.is_database_away, journal.depth) == (False, 0)
        assert not journal.is_waiting("c2")
        assert database.written == [
            ("session", SESSION),
            ("session", replace(SESSION, state=AgentState.PAUSED)),
            ("progress", CALL),
            ("end", (replace(ENDED, call_id="c2"), None)),
        ]

    journalling(story)


def test_given_the_write_fails_when_the_call_has_ended_meanwhile_then_old_progress_is_not_kept() -> None:
    async def story(journal: Journal, database: Database) -> None:
        def ends_meanwhile() -> None:
            database.before_answer = lambda: None
            database.is_away = True
            journal.finish(ENDED, OUTCOME)

        database.before_answer = ends_meanwhile
        journal.save(CALL)
        await asyncio.sleep(1.0)
        assert journal.depth == 1
        database.is_away = False
        assert await journal.drained(10.0)
        assert database.written == [("end", (ENDED, OUTCOME))]

    journalling(story)


def test_given_the_write_fails_when_newer_progress_has_come_then_the_newer_is_written() -> None:
    async def story(journal: Journal, database: Database) -> None:
        newer = replace(CALL, agent="1001")

        def comes_meanwhile() -> None:
            database.before_answer = lambda: None
            database.is_away = True
            journal.save(newer)

        database.before_answer = comes_meanwhile
        journal.save(CALL)
        await asyncio.sleep(1.0)
        database.is_away = False
        assert await journal.drained(10.0)
        assert database.written == [("progress", newer)]

    journalling(story)


def test_given_a_flood_then_it_is_written_in_batches() -> None:
    async def story(journal: Journal, database: Database) -> None:
        for n in range(BATCH * 2 + 10):
            journal.finish(replace(ENDED, call_id=f"c{n}"), None)
        assert await journal.drained(10.0)
        assert database.sizes == [BATCH, BATCH, 10]

    journalling(story)


def test_given_nothing_to_write_then_drained_at_once() -> None:
    async def story(journal: Journal, database: Database) -> None:
        assert await journal.drained(1.0)
        assert database.written == []

    journalling(story)
