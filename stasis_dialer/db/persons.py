"""Everything that is held on a person, found by one telephone number, and its erasure.

Found are the leads that have the number at any of their phones, whoever wrote it and however it is spelled, and what
hangs on them. Rows are read with all their columns, those of the old panel's own included. An erasure takes the person
out of the rows and leaves the rows: calls, attempts and outcomes count as before. It is one transaction, which refuses
while a call is under way; the number stays on the do-not-call list, so that the next list does not bring it back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy.dialects.mysql import DATETIME

from stasis_dialer.core.model import LeadStatus
from stasis_dialer.core.numbers import normalise
from stasis_dialer.core.recycling import ERASED
from stasis_dialer.db.audit import AuditEntry, write_audit
from stasis_dialer.db.clock import utc_moment
from stasis_dialer.db.database import Database, Statements, placeholders
from stasis_dialer.db.dnc import list_number
from stasis_dialer.db.reservation_sql import PROCESSED
from stasis_dialer.db.rows import files_from
from stasis_dialer.db.tables import Base
from stasis_dialer.errors import NumberRefused, Refused

T = TypeVar("T")
ToNumber = Callable[[str], str]

SOURCE: Final = "lgpd-erasure"
"""Whose do-not-call entries these are."""
SEARCH_SECONDS: Final = 600.0
"""How long the search may take: it reads every lead and call once. Source: 8 to 11 s for a million of each, on 2 busy
cores with MariaDB 11.8.
"""
LEFT_OVER: Final = timedelta(hours=4)
"""A call of the old panel's that has not ended after so long is a row that was left over. Not measured."""
TAIL: Final = 8
"""Last digits that every spelling of a number has, with or without area code and ninth digit."""
BATCH: Final = 1000

_LEADS, _PHONES, _CALLS = "discador_contatos", "dialer_lead_phones", "discador_chamadas"
_CALLBACKS, _IMPORTS, _LIST, _FACTS = "dialer_callbacks", "dialer_imports", "dialer_do_not_call", "dialer_numbers"
_TABLES: Final = (_LEADS, _PHONES, _CALLS, _CALLBACKS, _IMPORTS, _LIST, _FACTS)
_JSON_COLUMNS: Final = frozenset({"attributes", "timeline", "tries", "recordings"})
_COLUMNS: Final = (
    "SELECT JSON_ARRAY(table_name, column_name) FROM information_schema.columns WHERE table_schema = DATABASE() "
    "AND table_name IN ({marks}) AND data_type NOT LIKE '%%blob' AND data_type NOT LIKE '%%binary' "
    "ORDER BY table_name, ordinal_position"
)


def _ends_so(column: str) -> str:
    """The digits of a text end so, whatever stands between them; `.0` is a spreadsheet's."""
    return f"REGEXP_REPLACE(REGEXP_REPLACE({column}, '\\\\.0$', ''), '[^0-9]', '') LIKE %s"


_BY_TEXT: Final = (
    f"SELECT JSON_ARRAY(id, campaign_id, phone_number, alternate_phone) FROM {_LEADS} "
    f"WHERE {_ends_so('phone_number')} OR {_ends_so('alternate_phone')}"
)
_BY_PHONE: Final = f"SELECT JSON_ARRAY(lead_id) FROM {_PHONES} WHERE number = %s"
_CALLS_BY_TEXT: Final = (
    f"SELECT JSON_ARRAY(unique_id, campaign_id, destination_extension, source_extension, app IS NULL) FROM {_CALLS} "
    f"WHERE {_ends_so('destination_extension')} OR (app IS NULL AND {_ends_so('source_extension')})"
)
_OTHERS: Final = f"SELECT JSON_ARRAY(number) FROM {_PHONES} WHERE number IN ({{n}}) AND lead_id NOT IN ({{ids}})"

_LOCK: Final = (
    f"SELECT JSON_ARRAY(id, campaign_id, status, reserved_until IS NOT NULL, last_attempt) FROM {_LEADS} "
    "WHERE id IN ({ids}) ORDER BY id FOR UPDATE"
)
_CALLS_NOW: Final = (
    f"SELECT JSON_ARRAY(unique_id, status = 'finished', app IS NOT NULL, start_time) FROM {_CALLS} WHERE {{of}}"
)
_ERASE_LEADS: Final = (
    f"UPDATE {_LEADS} SET name = '', phone_number = '', alternate_phone = NULL, attributes = NULL, zone = NULL, "
    "next_phone = NULL, next_attempt = NULL, reserved_by = NULL, reserved_until = NULL, updated_at = %s, "
    "result = IF(status IN ('pending', 'calling', 'failed'), %s, result), "
    "status = IF(status IN ('pending', 'calling'), 'failed', status) WHERE id IN ({ids})"
)
_ERASE_PHONES: Final = f"UPDATE {_PHONES} SET number = '', original = NULL, status = %s WHERE lead_id IN ({{ids}})"
_ERASE_CALLBACKS: Final = (
    f"UPDATE {_CALLBACKS} SET note = '', state = IF(state = 'waiting', 'cancelled', state) WHERE lead_id IN ({{ids}})"
)
_ERASE_CALLS: Final = (
    f"UPDATE {_CALLS} SET source_extension = IF(unique_id IN ({{sources}}), '', source_extension), "
    "destination_extension = ''{files} WHERE unique_id IN ({ids})"
)
_NO_FILES: Final = ", recordings = NULL, recordings_until = NULL"


@dataclass(frozen=True, slots=True)
class Person:
    """What is held on a person; each row with all its columns, times as ISO 8601 in UTC."""

    number: str
    """E.164 without plus."""
    own_numbers: tuple[str, ...] = ()
    """The number, and those of the leads' other phones that no other lead has: a switchboard is not one person's."""
    leads: list[dict[str, Any]] = field(default_factory=list)
    phones: list[dict[str, Any]] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    callbacks: list[dict[str, Any]] = field(default_factory=list)
    do_not_call: list[dict[str, Any]] = field(default_factory=list)
    numbers: list[dict[str, Any]] = field(default_factory=list)
    """What is known of the phones across all campaigns: refused as no number, abandoned."""
    imports: list[dict[str, Any]] = field(default_factory=list)
    """The imports that brought the leads."""
    others_columns: tuple[str, ...] = ()
    """Columns of the old panel's own, as `table.column`: shown in the rows, but not known and so not erased."""

    @property
    def lead_ids(self) -> list[int]:
        """The leads' ids."""
        return [lead["id"] for lead in self.leads]

    @property
    def recordings(self) -> list[tuple[str | None, str]]:
        """The files with the calls' recordings, each after the application of the dialer that made it."""
        return [(call["app"], file) for call in self.calls for file in call["recordings"] or ()]

    def counts(self, *, are_recordings_kept: bool = False) -> dict[str, int]:
        """How many rows of each kind an erasure changes."""
        return {
            "leads": len(self.leads),
            "phones": len(self.phones),
            "calls": len(self.calls),
            "recordings": 0 if are_recordings_kept else len(self.recordings),
            "callbacks": len(self.callbacks),
            "number_facts": len(self.numbers),
        }


class Persons:
    """Requests of people about their data."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, number: str, readers: Mapping[int, ToNumber]) -> Person:
        """Everything held on whoever has this number, E.164 without plus.

        `readers` say by campaign how its texts become numbers; texts of no campaign are read as Brazilian.
        Raises: DatabaseUnavailable.
        """

        async def look(statements: Statements) -> Person:
            return await _Search(self._database, statements, number, readers).all()

        return await self._database.run(look, may_repeat=True, seconds=SEARCH_SECONDS)

    async def erase(
        self, person: Person, now: datetime, actor: str, *, are_recordings_kept: bool = False, is_dry_run: bool = False
    ) -> list[str]:
        """Take the person out of every row that was found; the numbers that were put on the do-not-call list.

        Nothing is written, no entry of the audit either, when nothing is held and the number is listed for good, or in
        a dry run, which refuses for the same reasons.
        Raises: Refused while a call is under way, or when there was one since the person was found, and nothing is
        erased then; DatabaseUnavailable.
        """
        stamp = self._database.clock.text(now)

        async def work(statements: Statements) -> list[str]:
            still_open = await self._lock(statements, person, now)
            listed = {row["number"] for row in person.do_not_call if _is_for_good(row)}
            new = [number for number in person.own_numbers if number not in listed]
            counts = person.counts(are_recordings_kept=are_recordings_kept)
            if is_dry_run or not (new or any(counts.values())):
                return new
            for campaign_id in sorted(set(still_open)):
                statements.later(PROCESSED, still_open.count(campaign_id), 0, stamp, campaign_id)
            _erase_leads(statements, person.lead_ids, stamp)
            _erase_calls(statements, person, are_recordings_kept)
            own = person.own_numbers
            statements.later(f"DELETE FROM {_FACTS} WHERE number IN ({placeholders(own)})", *own)
            for one in new:
                list_number(statements, one, SOURCE, now)
            after = {**counts, "do_not_call": len(new)}
            entry = AuditEntry(now, actor, "person-erased", f"person:...{person.number[-4:]}", None, after)
            await write_audit(statements, entry)
            return new

        return await self._database.run(work, seconds=SEARCH_SECONDS)

    async def _lock(self, statements: Statements, person: Person, now: datetime) -> list[int]:
        """Lock the leads, so that no call to them begins; the campaigns of those that are not closed yet."""
        clock = self._database.clock
        ids = person.lead_ids
        rows = await statements.rows(_LOCK.format(ids=placeholders(ids)), *ids) if ids else []
        for lead_id, _, status, is_reserved, last_attempt in rows:
            called = clock.moment(last_attempt)
            if status == LeadStatus.CALLING.value and (is_reserved or (called and called > now - LEFT_OVER)):
                raise Refused(f"a call is under way: lead_id={lead_id}; try again when it has ended")
        found = {call["unique_id"] for call in person.calls}
        calls = await statements.rows(_CALLS_NOW.format(of="destination_extension = %s"), person.number)
        for column, values in (("lead_id", ids), ("unique_id", sorted(found))):
            for part in _parts(values):
                calls += await statements.rows(_CALLS_NOW.format(of=f"{column} IN ({placeholders(part)})"), *part)
        for call_id, is_finished, is_ours, start_time in calls:
            began = clock.moment(start_time)
            if not is_finished and (is_ours or (began and began > now - LEFT_OVER)):
                raise Refused(f"a call is under way: call_id={call_id}; try again when it has ended")
            if call_id not in found:
                raise Refused(f"there was a call just now: call_id={call_id}; try again")
        return [row[1] for row in rows if row[2] in _OPEN]


_OPEN: Final = (LeadStatus.PENDING.value, LeadStatus.CALLING.value)


class _Search:
    """One look through all tables."""

    def __init__(
        self, database: Database, statements: Statements, number: str, readers: Mapping[int, ToNumber]
    ) -> None:
        self._clock = database.clock
        self._statements = statements
        self._number = number
        self._readers = readers
        self._columns: dict[str, list[str]] = {}

    async def all(self) -> Person:
        """The person."""
        for table, column in await self._statements.rows(_COLUMNS.format(marks=placeholders(_TABLES)), *_TABLES):
            self._columns.setdefault(table, []).append(column)
        ids = await self._leads()
        leads = await self._rows(_LEADS, "id", ids, "id")
        phones = await self._rows(_PHONES, "lead_id", ids, "lead_id, position")
        call_ids = await self._calls()
        calls = await self._rows(_CALLS, "lead_id", ids, "start_time")
        known = {call["unique_id"] for call in calls}
        calls += await self._rows(_CALLS, "unique_id", [one for one in call_ids if one not in known], "start_time")
        numbers = await self._own_numbers({phone["number"] for phone in phones if phone["number"]}, ids)
        return Person(
            self._number,
            numbers,
            leads,
            phones,
            calls,
            await self._rows(_CALLBACKS, "lead_id", ids, "id"),
            await self._rows(_LIST, "number", numbers, "number, campaign_id, source"),
            await self._rows(_FACTS, "number", numbers, "number"),
            await self._imports(leads),
            tuple(
                f"{table}.{column}"
                for table in (_LEADS, _CALLS)
                for column in self._columns[table]
                if column not in Base.metadata.tables[table].columns
            ),
        )

    async def _leads(self) -> list[int]:
        like = f"%{self._number[-TAIL:]}"
        found = {row[0] for row in await self._statements.rows(_BY_PHONE, self._number)}
        for lead_id, campaign_id, *texts in await self._statements.rows(_BY_TEXT, like, like):
            if any(self._is_meant(text, campaign_id) for text in texts):
                found.add(lead_id)
        return sorted(found)

    async def _calls(self) -> list[str]:
        like = f"%{self._number[-TAIL:]}"
        rows = await self._statements.rows(_CALLS_BY_TEXT, like, like)
        return [row[0] for row in rows if self._is_meant(row[2], row[1]) or (row[4] and self._is_meant(row[3], row[1]))]

    def _is_meant(self, text: str | None, campaign_id: int | None) -> bool:
        """Whether a text is this number, read as its campaign reads texts."""
        if not text or text == self._number:
            return bool(text)
        try:
            return self._readers.get(campaign_id or 0, _brazilian)(text) == self._number
        except NumberRefused:
            return False

    async def _own_numbers(self, others: set[str], ids: Sequence[int]) -> tuple[str, ...]:
        theirs = sorted(others - {self._number})
        shared: set[str] = set()
        if theirs:
            sql = _OTHERS.format(n=placeholders(theirs), ids=placeholders(ids))
            shared = {row[0] for row in await self._statements.rows(sql, *theirs, *ids)}
        return (self._number, *(number for number in theirs if number not in shared))

    async def _imports(self, leads: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """An import's leads have the second in which it began as their own."""
        found: list[dict[str, Any]] = []
        for campaign_id, created_at in sorted({(lead["campaign_id"], lead["created_at"] or "") for lead in leads}):
            rows = await self._rows(_IMPORTS, "campaign_id", [campaign_id], "id")
            found += [row for row in rows if row["started_at"][:_TO_SECONDS] == created_at[:_TO_SECONDS]]
        return found

    async def _rows(self, table: str, key: str, values: Sequence[Any], order: str) -> list[dict[str, Any]]:
        """The rows with one of the values as their key, all columns of them."""
        found: list[dict[str, Any]] = []
        pairs = ", ".join(f"'{column}', `{column}`" for column in self._columns[table])
        for part in _parts(values):
            where = f"{key} IN ({placeholders(part)})"
            sql = f"SELECT JSON_OBJECT({pairs}) FROM {table} WHERE {where} ORDER BY {order}"
            rows: list[Any] = await self._statements.rows(sql, *part)
            found += [{name: self._value(table, name, value) for name, value in row.items()} for row in rows]
        return found

    def _value(self, table: str, name: str, value: Any) -> Any:
        column = Base.metadata.tables[table].columns.get(name)
        if column is not None and isinstance(column.type, DATETIME):
            moment = utc_moment(value) if column.type.fsp else self._clock.moment(value)
            return moment.isoformat() if moment else None
        if name in _JSON_COLUMNS and isinstance(value, str):
            return list(files_from(value)) if name == "recordings" else _decoded(value)
        return value


_TO_SECONDS: Final = len("2026-01-01T12:00:00")
_brazilian: Final = partial(normalise, region="BR")


def _decoded(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _parts(values: Sequence[T]) -> Iterator[Sequence[T]]:
    return (values[start : start + BATCH] for start in range(0, len(values), BATCH))


def _erase_leads(statements: Statements, ids: Sequence[int], stamp: str | None) -> None:
    if ids:
        marks = placeholders(ids)
        statements.later(_ERASE_LEADS.format(ids=marks), stamp, ERASED, *ids)
        statements.later(_ERASE_PHONES.format(ids=marks), ERASED, *ids)
        statements.later(_ERASE_CALLBACKS.format(ids=marks), *ids)


def _erase_calls(statements: Statements, person: Person, are_recordings_kept: bool) -> None:
    files = "" if are_recordings_kept else _NO_FILES
    for part in _parts(person.calls):
        ids = [call["unique_id"] for call in part]
        theirs = [call["unique_id"] for call in part if _is_from_them(call, person.number)] or [""]
        sql = _ERASE_CALLS.format(sources=placeholders(theirs), files=files, ids=placeholders(ids))
        statements.later(sql, *theirs, *ids)


def _is_from_them(call: Mapping[str, Any], number: str) -> bool:
    """Whether the old panel wrote the customer as the call's source."""
    digits = "".join(sign for sign in call["source_extension"] or "" if sign.isdigit())
    return call["app"] is None and digits[-TAIL:] == number[-TAIL:]


def _is_for_good(row: Mapping[str, Any]) -> bool:
    return bool(row["campaign_id"] == 0 and row["expires_at"] is None)
