"""What calls and agents became, on its way to the database: behind the calls, in order, never lost while we live.

Guarantees that no call waits for the database: a record is taken at once and written in batches, the newest of a call
in place of an older one. While the database is away everything is kept and tried again. A call's end and its lead are
written in one transaction, and a repetition changes nothing; only an audit entry may come twice, when the answer to its
commit was lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Final, Protocol

import structlog

from stasis_dialer.core.model import AgentSession, CallRecord, DisposedCall, LeadOutcome
from stasis_dialer.db.audit import AuditEntry
from stasis_dialer.errors import DatabaseUnavailable

log = structlog.get_logger(__name__)

GATHER_SECONDS: Final = 0.05
"""How long the first record of a batch waits for others. Fewer, larger statements; well under the panel's second."""
BATCH: Final = 500
"""Records in one transaction. Not measured."""
SHORTEST_PAUSE_SECONDS: Final = 0.2
LONGEST_PAUSE_SECONDS: Final = 5.0


class CallStore(Protocol):
    """The database as the journal needs it."""

    async def save(self, records: Sequence[CallRecord]) -> None: ...

    async def finish(self, closed: Sequence[tuple[CallRecord, LeadOutcome | None]]) -> object: ...

    async def dispose(self, made: DisposedCall) -> object: ...


class SessionStore(Protocol):
    """Where agents' sessions are kept."""

    async def save_sessions(self, sessions: Sequence[AgentSession]) -> None: ...


class AuditStore(Protocol):
    """Where it is kept who did what."""

    async def write(self, entry: AuditEntry) -> None: ...


class Journal:
    """Everything that waits to be written."""

    def __init__(self, calls: CallStore, sessions: SessionStore, audit: AuditStore) -> None:
        self._calls = calls
        self._sessions = sessions
        self._audit = audit
        self._progress: dict[str, CallRecord] = {}
        self._closed: dict[str, tuple[CallRecord, LeadOutcome | None]] = {}
        self._disposed: dict[str, DisposedCall] = {}
        self._session: list[AgentSession] = []
        self._audited: list[AuditEntry] = []
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self.is_database_away = False
        self.written = 0

    @property
    def depth(self) -> int:
        """How many records wait."""
        calls = len(self._progress) + len(self._closed) + len(self._disposed)
        return calls + len(self._session) + len(self._audited)

    def save(self, record: CallRecord) -> None:
        """Progress of a call; a later record replaces it."""
        if record.call_id not in self._closed:
            self._progress[record.call_id] = record
            self._awake()

    def finish(self, record: CallRecord, outcome: LeadOutcome | None) -> None:
        """The end of a call and what becomes of its lead."""
        self._progress.pop(record.call_id, None)
        self._closed[record.call_id] = (record, outcome)
        self._awake()

    def dispose(self, made: DisposedCall) -> None:
        """What an agent said of a call; the last word counts."""
        self._disposed[made.call_id] = made
        self._awake()

    def session(self, session: AgentSession) -> None:
        """A change of an agent's state; every one is kept, because their seconds must add up."""
        self._session.append(session)
        self._awake()

    def audit(self, entry: AuditEntry) -> None:
        """What somebody did, for the audit trail."""
        self._audited.append(entry)
        self._awake()

    def is_waiting(self, call_id: str) -> bool:
        """Whether a call's end is not in the database yet."""
        return call_id in self._closed

    async def run(self) -> None:
        """Write for ever."""
        failures, is_suspect = 0, False
        while True:
            await self._wake.wait()
            await asyncio.sleep(GATHER_SECONDS)
            try:
                await (self._write_one_by_one() if is_suspect else self._write())
                is_suspect = False
            except DatabaseUnavailable as error:
                failures += 1
                self._away(error, failures)
                await asyncio.sleep(min(LONGEST_PAUSE_SECONDS, SHORTEST_PAUSE_SECONDS * 2 ** min(failures, 6)))
                continue
            except Exception:
                log.exception("batch-not-written", waiting=self.depth, fault="ours")
                is_suspect = True
                continue
            if self.is_database_away:
                log.info("database-back", waiting=self.depth)
            failures, self.is_database_away = 0, False
            if not self.depth:
                self._wake.clear()
                self._idle.set()

    async def drained(self, timeout_seconds: float) -> bool:
        """Wait until everything is written, at most so long; says whether it is."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    async def _write(self) -> None:
        """One batch of each kind; what could not be written stays, unless something newer has come meanwhile."""
        sessions, self._session = self._session[:BATCH], self._session[BATCH:]
        if sessions:
            try:
                await self._sessions.save_sessions(sessions)
            except BaseException:
                self._session = sessions + self._session
                raise
        progress = _take(self._progress)
        if progress:
            try:
                await self._calls.save(list(progress.values()))
            except BaseException:
                kept = {id_: record for id_, record in progress.items() if id_ not in self._closed}
                self._progress = {**kept, **self._progress}
                raise
        closed = dict(list(self._closed.items())[:BATCH])
        if closed:
            await self._calls.finish(list(closed.values()))
            for call_id in closed:
                del self._closed[call_id]
        disposed = self._after_their_ends()
        for made in disposed:
            await self._calls.dispose(made)
            self._forget(made)
        for entry in self._audited[:BATCH]:
            await self._audit.write(entry)
            self._audited.remove(entry)
        self.written += len(disposed)
        self.written += len(sessions) + len(progress) + len(closed)

    def _after_their_ends(self) -> list[DisposedCall]:
        """Dispositions whose call's end is written, or far off: they correct what the end has made of the lead."""
        ready = [made for call_id, made in self._disposed.items() if call_id not in self._closed]
        return [made for made in ready if made.call_id not in self._progress][:BATCH]

    def _forget(self, made: DisposedCall) -> None:
        if self._disposed.get(made.call_id) is made:
            del self._disposed[made.call_id]

    async def _write_one_by_one(self) -> None:
        """Find the record that the database does not take; its facts go to the log, the others to the database."""
        for session in self._session[:]:
            await self._alone(self._sessions.save_sessions([session]), session)
            self._session.remove(session)
        for call_id, record in list(self._progress.items()):
            await self._alone(self._calls.save([record]), record)
            if self._progress.get(call_id) is record:
                del self._progress[call_id]
        for call_id, closed in list(self._closed.items()):
            await self._alone(self._calls.finish([closed]), closed)
            del self._closed[call_id]
        for made in self._after_their_ends():
            await self._alone(self._calls.dispose(made), made)
            self._forget(made)
        for entry in self._audited[:]:
            await self._alone(self._audit.write(entry), entry)
            self._audited.remove(entry)

    async def _alone(self, writing: Awaitable[object], what: object) -> None:
        try:
            await writing
        except DatabaseUnavailable:
            raise
        except Exception:
            log.exception("record-not-written", record=repr(what), fault="ours")

    def _awake(self) -> None:
        self._idle.clear()
        self._wake.set()

    def _away(self, error: DatabaseUnavailable, failures: int) -> None:
        self.is_database_away = True
        if failures == 1:
            log.error("database-away", why=str(error), waiting=self.depth)
        else:
            log.debug("database-away", why=str(error), waiting=self.depth, failures=failures)


def _take(records: dict[str, CallRecord]) -> dict[str, CallRecord]:
    taken = dict(list(records.items())[:BATCH])
    for call_id in taken:
        del records[call_id]
    return taken
