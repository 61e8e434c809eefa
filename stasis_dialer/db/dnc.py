"""Do-not-call entries: numbers, and beginnings of numbers, that no campaign or one campaign may call.

There is one lookup, `listed_among`: a reservation and an import ask it in their own transactions, everything else
through `among`. An entry belongs to its source, so that a registry that drops a number frees none of another's.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from stasis_dialer.core.law import Registry
from stasis_dialer.db.clock import utc_moment, utc_text
from stasis_dialer.db.database import Database, Statements, placeholders
from stasis_dialer.errors import NumberRefused, Refused

EVERY_CAMPAIGN: Final = 0
BATCH: Final = 1000
MAX_DIGITS: Final = 15
"""Source: ITU-T E.164, section 6."""
MAX_SOURCE: Final = 100
MAX_PREFIXES: Final = 1000
"""Beginnings in force at once: every lookup reads them all."""
LOCK_SECONDS: Final = 600
"""How long an import of a registry waits for another one."""

_SCOPE: Final = "campaign_id IN (%s, %s) AND (expires_at IS NULL OR expires_at > %s)"
_LOCK: Final = "CONCAT('stasis_dialer.dnc:', DATABASE())"
_NUMBERS: Final = (
    "INSERT INTO dialer_do_not_call (number, campaign_id, source, created_at, expires_at, confirmed_at) VALUES "
)
_PREFIXES: Final = "INSERT INTO dialer_dnc_prefixes (prefix, campaign_id, source, created_at, expires_at) VALUES "
_AGAIN: Final = " ON DUPLICATE KEY UPDATE expires_at = VALUES(expires_at)"
_CONFIRMED: Final = f"{_AGAIN}, confirmed_at = VALUES(confirmed_at)"
_REMEMBER: Final = (
    "INSERT INTO dialer_dnc_sources (source, campaign_id, registry_at, imported_at, entries) "
    "VALUES (%s, %s, %s, %s, %s) "
    "ON DUPLICATE KEY UPDATE registry_at = VALUES(registry_at), imported_at = VALUES(imported_at), "
    "entries = VALUES(entries)"
)
_DROPPED: Final = (
    "DELETE FROM dialer_do_not_call WHERE source = %s AND campaign_id = %s "
    "AND (confirmed_at IS NULL OR confirmed_at < %s)"
)


@dataclass(frozen=True, slots=True)
class DoNotCall:
    """A number that must not be called. `campaign_id` None: by no campaign; `expires_at` None: for ever.

    With `is_prefix`, all numbers that begin so: an area code (5511), a range (55119), a country.
    """

    number: str
    campaign_id: int | None = None
    source: str = ""
    expires_at: datetime | None = None
    is_prefix: bool = False
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """Why a number must not be called now, and until when; None: for ever."""

    source: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class DncSource:
    """A registry that was imported: how old its file was, when it came, how many numbers it had."""

    source: str
    campaign_id: int | None
    registry_at: datetime
    imported_at: datetime
    entries: int


async def listed_among(
    statements: Statements, numbers: Sequence[str], campaign_id: int | None, now: datetime
) -> dict[str, Listed]:
    """Which of the numbers must not be called now by this campaign, and why."""
    if not numbers:
        return {}
    scope = (EVERY_CAMPAIGN, campaign_id or EVERY_CAMPAIGN, utc_text(now))
    rows = await statements.rows(
        "SELECT JSON_ARRAY(number, source, expires_at, 0) FROM dialer_do_not_call "
        f"WHERE number IN ({placeholders(numbers)}) AND {_SCOPE} "
        f"UNION ALL SELECT JSON_ARRAY(prefix, source, expires_at, 1) FROM dialer_dnc_prefixes WHERE {_SCOPE}",
        *numbers,
        *scope,
        *scope,
    )
    found: dict[str, Listed] = {}
    for digits, source, expires_at, is_prefix in rows:
        entry = Listed(source, utc_moment(expires_at))
        for number in [number for number in numbers if number.startswith(digits)] if is_prefix else [digits]:
            found[number] = _longer(found.get(number), entry)
    return found


async def registries_of(statements: Statements, campaign_id: int) -> tuple[Registry, ...]:
    """The registries that were imported for all campaigns or for this one, with the dates of their files."""
    rows = await statements.rows(
        "SELECT JSON_ARRAY(source, registry_at) FROM dialer_dnc_sources WHERE campaign_id IN (%s, %s)",
        EVERY_CAMPAIGN,
        campaign_id,
    )
    return tuple(Registry(source, utc_moment(registry_at)) for source, registry_at in rows)


def list_number(statements: Statements, number: str, source: str, now: datetime) -> None:
    """Put a number on the list of all campaigns, for ever, within the caller's transaction.

    What is no telephone number is left out: it could not be dialled either.
    """
    if _is_number(number):
        values = (number, EVERY_CAMPAIGN, source[:MAX_SOURCE], utc_text(now), None, None)
        statements.later(f"{_NUMBERS}(%s, %s, %s, %s, %s, %s){_AGAIN}", *values)


async def is_empty(statements: Statements) -> bool:
    """Whether nothing is listed at all, so that a long list of numbers need not be looked up."""
    rows = await statements.rows(
        "SELECT JSON_ARRAY(IF(EXISTS (SELECT 1 FROM dialer_do_not_call) "
        "OR EXISTS (SELECT 1 FROM dialer_dnc_prefixes), 1, 0))"
    )
    return not rows[0][0]


class DoNotCallList:
    """The do-not-call entries."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, entries: Iterable[DoNotCall], now: datetime) -> int:
        """Add or renew entries; their count.

        Raises: NumberRefused for one that is not E.164 digits, Refused for too many prefixes; nothing is written then.
        """
        given = list(entries)
        for entry in given:
            if not _is_number(entry.number):
                raise NumberRefused(f"not an E.164 number without plus: number=...{entry.number[-4:]!r}")
        numbers = [_values(entry, now) for entry in given if not entry.is_prefix]
        prefixes = [_values(entry, now) for entry in given if entry.is_prefix]

        async def insert(statements: Statements) -> int:
            await _insert(statements, _NUMBERS, "(%s, %s, %s, %s, %s, NULL)", _AGAIN, numbers)
            await _insert(statements, _PREFIXES, "(%s, %s, %s, %s, %s)", _AGAIN, prefixes)
            if prefixes:
                counted = await statements.rows("SELECT JSON_ARRAY(COUNT(*)) FROM dialer_dnc_prefixes")
                if counted[0][0] > MAX_PREFIXES:
                    raise Refused(f"too many prefixes: limit={MAX_PREFIXES}; list the numbers themselves")
            return len(given)

        return await self._database.run(insert)

    async def remove(
        self, number: str, campaign_id: int | None = None, source: str | None = None, *, is_prefix: bool = False
    ) -> int:
        """Take a number (or a prefix) off the list, of one source or of all; how many entries that were."""
        table, column = ("dialer_dnc_prefixes", "prefix") if is_prefix else ("dialer_do_not_call", "number")
        terms, values = f"{column} = %s AND campaign_id = %s", [number, campaign_id or EVERY_CAMPAIGN]
        if source is not None:
            terms, values = f"{terms} AND source = %s", [*values, source]

        async def delete(statements: Statements) -> int:
            return await statements.execute(f"DELETE FROM {table} WHERE {terms}", *values)

        return await self._database.run(delete)

    async def contains(self, number: str, campaign_id: int | None, now: datetime) -> bool:
        """Whether the number must not be called now by this campaign (None: by any at all)."""
        return number in await self.among([number], campaign_id, now)

    async def among(self, numbers: Sequence[str], campaign_id: int | None, now: datetime) -> dict[str, Listed]:
        """Which of the numbers must not be called now by this campaign, and why."""

        async def look(statements: Statements) -> dict[str, Listed]:
            found: dict[str, Listed] = {}
            for start in range(0, len(numbers), BATCH):
                found |= await listed_among(statements, numbers[start : start + BATCH], campaign_id, now)
            return found

        return await self._database.run(look, may_repeat=True)

    async def entries_for(self, number: str) -> list[DoNotCall]:
        """Every entry that a number falls under, of any campaign, expired ones too."""
        beginnings = [number[:length] for length in range(1, len(number) + 1)]
        sql = (
            "SELECT JSON_ARRAY(number, campaign_id, source, expires_at, 0, created_at) FROM dialer_do_not_call "
            "WHERE number = %s UNION ALL "
            "SELECT JSON_ARRAY(prefix, campaign_id, source, expires_at, 1, created_at) FROM dialer_dnc_prefixes "
            f"WHERE prefix IN ({placeholders(beginnings)})"
        )
        return [_entry(row) for row in await self._rows(sql, number, *beginnings)]

    async def find(
        self, campaign_id: int | None = None, source: str | None = None, limit: int = 100, after: str = ""
    ) -> list[DoNotCall]:
        """Numbers in their order, those of one campaign or source when given; `after` is the last one seen."""
        where, values = _which("number", campaign_id, source, after)
        sql = (
            "SELECT JSON_ARRAY(number, campaign_id, source, expires_at, 0, created_at) FROM dialer_do_not_call "
            f"WHERE {where} ORDER BY number, campaign_id, source LIMIT %s"
        )
        return [_entry(row) for row in await self._rows(sql, *values, limit)]

    async def prefixes(self, campaign_id: int | None = None, source: str | None = None) -> list[DoNotCall]:
        """The prefixes, those of one campaign or source when given."""
        where, values = _which("prefix", campaign_id, source, "")
        sql = (
            "SELECT JSON_ARRAY(prefix, campaign_id, source, expires_at, 1, created_at) FROM dialer_dnc_prefixes "
            f"WHERE {where} ORDER BY prefix, campaign_id, source"
        )
        return [_entry(row) for row in await self._rows(sql, *values)]

    async def sources(self) -> list[DncSource]:
        """The registries that were imported, with the age of their files."""
        sql = (
            "SELECT JSON_ARRAY(source, campaign_id, registry_at, imported_at, entries) FROM dialer_dnc_sources "
            "ORDER BY source, campaign_id"
        )
        found = []
        for source, campaign_id, registry_at, imported_at, entries in await self._rows(sql):
            registry, imported = utc_moment(registry_at), utc_moment(imported_at)
            assert registry is not None and imported is not None
            found.append(DncSource(source, campaign_id or None, registry, imported, entries))
        return found

    async def registries(self, campaign_id: int) -> tuple[Registry, ...]:
        """The registries whose age decides whether a campaign may dial."""
        return await self._database.run(lambda s: registries_of(s, campaign_id), may_repeat=True)

    @contextlib.asynccontextmanager
    async def registry(
        self, source: str, campaign_id: int | None, now: datetime, expires_at: datetime | None = None
    ) -> AsyncIterator[RegistryImport]:
        """The import of a registry's file: all or nothing, kept by its `commit` alone.

        Raises: Refused while another one is imported; DatabaseUnavailable, and nothing was changed.
        """
        async with self._database.session() as statements:
            rows = await statements.rows(f"SELECT JSON_ARRAY(GET_LOCK({_LOCK}, {LOCK_SECONDS}))")
            if rows[0][0] != 1:
                raise Refused("another registry is imported; try again when that has ended")
            yield RegistryImport(statements, source[:MAX_SOURCE], campaign_id or EVERY_CAMPAIGN, now, expires_at)

    async def _rows(self, sql: str, *values: object) -> list[list[Any]]:
        return await self._database.run(lambda statements: statements.rows(sql, *values), may_repeat=True)


class RegistryImport:
    """One registry's transaction."""

    def __init__(
        self, statements: Statements, source: str, campaign_id: int, now: datetime, expires_at: datetime | None
    ) -> None:
        self._statements = statements
        self._source = source
        self._campaign_id = campaign_id
        self._now = now
        self._stamp = utc_text(now)
        self._expires_at = utc_text(expires_at)
        self.entries = 0

    async def add(self, numbers: Sequence[str]) -> None:
        """List some numbers (E.164 digits), or confirm that they still are."""
        if not numbers:
            return
        rest = (self._campaign_id, self._source, self._stamp, self._expires_at, self._stamp)
        rows = ", ".join(["(%s, %s, %s, %s, %s, %s)"] * len(numbers))
        # In the order of the key: a registry's own order would touch a page of the table for each number.
        values = [value for number in sorted(numbers) for value in (number, *rest)]
        await self._statements.execute(_NUMBERS + rows + _CONFIRMED, *values)
        self.entries += len(numbers)

    async def commit(self, registry_at: datetime, *, is_whole: bool) -> int:
        """Keep the import, and the age of its file; how many numbers the registry no longer has, when it is whole."""
        dropped = 0
        if is_whole:
            dropped = await self._statements.execute(_DROPPED, self._source, self._campaign_id, self._stamp)
        values = (self._source, self._campaign_id, utc_text(registry_at), self._stamp, self.entries)
        await self._statements.execute(_REMEMBER, *values)
        await self._statements.commit()
        return dropped


def _is_number(digits: str) -> bool:
    return digits.isascii() and digits.isdigit() and len(digits) <= MAX_DIGITS


def _longer(one: Listed | None, other: Listed) -> Listed:
    """Of two reasons the one that holds longer."""
    if one is None or one.until is None:
        return one or other
    return other if other.until is None or other.until > one.until else one


def _values(entry: DoNotCall, now: datetime) -> tuple[object, ...]:
    campaign_id = entry.campaign_id or EVERY_CAMPAIGN
    return entry.number, campaign_id, entry.source[:MAX_SOURCE], utc_text(now), utc_text(entry.expires_at)


async def _insert(
    statements: Statements, insert: str, places: str, again: str, rows: Sequence[tuple[object, ...]]
) -> None:
    for start in range(0, len(rows), BATCH):
        part = rows[start : start + BATCH]
        values = [value for row in part for value in row]
        await statements.execute(insert + ", ".join([places] * len(part)) + again, *values)


def _entry(row: Sequence[Any]) -> DoNotCall:
    number, campaign_id, source, expires_at, is_prefix, created_at = row
    return DoNotCall(
        number, campaign_id or None, source, utc_moment(expires_at), bool(is_prefix), utc_moment(created_at)
    )


def _which(column: str, campaign_id: int | None, source: str | None, after: str) -> tuple[str, list[object]]:
    terms: Mapping[str, object] = {
        f"{column} > %s": after,
        "campaign_id = %s": campaign_id,
        "source = %s": source,
    }
    used = {term: value for term, value in terms.items() if value is not None}
    return " AND ".join(used), list(used.values())
