"""The audit trail: who changed what, from what, to what. An entry is written in the change's own transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from stasis_dialer.db.clock import utc_moment, utc_text
from stasis_dialer.db.database import Database, Statements


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change; `subject` is what was changed, as `campaign:7`."""

    happened_at: datetime
    actor: str
    action: str
    subject: str
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None


async def write_audit(statements: Statements, entry: AuditEntry) -> None:
    """Add an entry within the transaction of the change."""
    await statements.execute(
        "INSERT INTO dialer_audit (happened_at, actor, action, subject, `before`, `after`) "
        "VALUES (%s, %s, %s, %s, %s, %s)",
        utc_text(entry.happened_at),
        entry.actor[:100],
        entry.action[:50],
        entry.subject[:100],
        _text(entry.before),
        _text(entry.after),
    )


class Audit:
    """The audit trail."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, entry: AuditEntry) -> None:
        """Add an entry for a change that was no change of the database."""
        await self._database.run(lambda statements: write_audit(statements, entry))

    async def latest(self, subject: str | None = None, limit: int = 100) -> list[AuditEntry]:
        """The latest entries, of one subject or of all, the newest first."""

        async def read(statements: Statements) -> list[list[Any]]:
            columns = "JSON_ARRAY(happened_at, actor, action, subject, `before`, `after`)"
            if subject is None:
                return await statements.rows(f"SELECT {columns} FROM dialer_audit ORDER BY id DESC LIMIT %s", limit)
            sql = f"SELECT {columns} FROM dialer_audit WHERE subject = %s ORDER BY id DESC LIMIT %s"
            return await statements.rows(sql, subject, limit)

        return [
            AuditEntry(moment, row[1], row[2], row[3], _object(row[4]), _object(row[5]))
            for row in await self._database.run(read, may_repeat=True)
            if (moment := utc_moment(row[0]))
        ]


def _text(value: Mapping[str, Any] | None) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


def _object(text: str | None) -> dict[str, Any] | None:
    decoded = msgspec.json.decode(text) if text else None
    return decoded if isinstance(decoded, dict) else None
