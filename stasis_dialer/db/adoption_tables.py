"""What the old panel's tables are like, and what is odd about rows that need no look one by one: all by SELECT."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import Connection, text
from sqlalchemy import inspect as inspect_schema

from stasis_dialer.db.tables import LEGACY_TABLES, Base


@dataclass(frozen=True, slots=True)
class TableFinding:
    """A legacy table: how many rows it has (None: there is no such table yet), and what adoption adds to it."""

    table: str
    rows: int | None
    to_do: tuple[str, ...] = ()

    def as_object(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something odd: how many rows have it, and what becomes of it. `is_blocking`: it must be mended by hand first."""

    table: str
    kind: str
    rows: int
    says: str
    is_fixed: bool = False
    examples: tuple[str, ...] = ()
    is_blocking: bool = False


UNIQUE: Final = (("painel_ramais", "number"), ("discador_chamadas", "unique_id"))
"""The migration makes them unique; the legacy has them so, unless somebody took its index away."""

_NEEDED: Final = re.compile(
    r"\b(status_line[12]|status|max_channels|impulse_factor|average_call_time|total_contacts|processed_contacts|"
    r"successful_calls|start_time|duration)\b"
)
"""Columns that a condition asks for: a table that lacks one is told by its steps alone."""

_TEXTS: Final = frozenset({"name", "result"})

_COUNTED: Final = (
    (
        "discador_campanhas",
        "unknown_status",
        "status IS NULL OR TRIM(status) NOT IN ('active', 'paused', 'finished')",
        "a status the dialer does not know: read as paused",
    ),
    (
        "discador_campanhas",
        "bad_limits",
        "COALESCE(max_channels, 10) <= 0 OR COALESCE(impulse_factor, 6) <= 0 OR COALESCE(average_call_time, 180) <= 0",
        "a limit that is 0 or negative: taken as it stands; `campaign set` mends it",
    ),
    (
        "discador_campanhas",
        "bad_counters",
        "total_contacts < 0 OR processed_contacts < 0 OR successful_calls < 0 OR processed_contacts > total_contacts",
        "counters that cannot be: left to the panel, the dialer counts on from them",
    ),
    (
        "painel_ramais",
        "unknown_status",
        "COALESCE(status_line1, '') NOT IN ('free', 'busy', 'unregistered') "
        "OR COALESCE(status_line2, '') NOT IN ('free', 'busy', 'unregistered')",
        "a line's status that is no status: follows the telephone at the first look",
    ),
    (
        "discador_chamadas",
        "never_ended",
        "status IN ('ringing', 'connected') AND (start_time IS NULL OR start_time < NOW() - INTERVAL 2 DAY)",
        "a call of the legacy that never ended: left, no dialer of ours touches it",
    ),
    (
        "discador_chamadas",
        "bad_duration",
        "duration < 0 OR duration > 86400",
        "a duration that is no call's: left, reports count it as it stands",
    ),
)


def look(connection: Connection) -> list[TableFinding]:
    """Each legacy table, and the steps that its adoption takes."""
    inspector = inspect_schema(connection)
    present = set(inspector.get_table_names())
    findings = []
    for model in LEGACY_TABLES:
        table = Base.metadata.tables[model.__tablename__]
        if table.name not in present:
            findings.append(TableFinding(table.name, None, ("the table is created",)))
            continue
        columns = {column["name"] for column in inspector.get_columns(table.name)}
        indices = {index["name"] for index in inspector.get_indexes(table.name)}
        engine = str(inspector.get_table_options(table.name).get("mariadb_engine", "InnoDB"))
        to_do = [f"becomes InnoDB, is {engine}"] if engine.lower() != "innodb" else []
        to_do += [f"column {column.name} is added" for column in table.columns if column.name not in columns]
        names = sorted(str(index.name) for index in table.indexes if not index.unique)
        to_do += [f"index {name} is added" for name in names if name not in indices]
        rows = connection.execute(text(f"SELECT COUNT(*) FROM `{table.name}`")).scalar_one()
        findings.append(TableFinding(table.name, rows, tuple(to_do)))
    return findings


def oddities(connection: Connection) -> list[Finding]:
    """What is odd about the tables, and about rows of them that one statement can count."""
    columns = {model.__tablename__: _columns(connection, model.__tablename__) for model in LEGACY_TABLES}
    found = []
    for table, column in UNIQUE:
        if column in columns[table]:
            found += _repeated(connection, table, column)
    for table, kind, condition, says in _COUNTED:
        if set(_NEEDED.findall(condition)) <= columns[table].keys():
            rows = connection.execute(text(f"SELECT COUNT(*) FROM `{table}` WHERE {condition}")).scalar_one()
            if rows:
                found.append(Finding(table, kind, rows, says))
    for table, names in columns.items():
        found += _charsets(table, names)
    return found


def _repeated(connection: Connection, table: str, column: str) -> list[Finding]:
    sql = f"SELECT `{column}` FROM `{table}` WHERE `{column}` IS NOT NULL GROUP BY `{column}` HAVING COUNT(*) > 1"
    rows = connection.execute(text(f"SELECT COUNT(*) FROM ({sql}) repeated")).scalar_one()
    if not rows:
        return []
    examples = tuple(map(str, connection.execute(text(f"{sql} LIMIT 5")).scalars()))
    says = f"{column} is there more than once and must be unique: delete the rows that are wrong"
    return [Finding(table, "not_unique", rows, says, examples=examples, is_blocking=True)]


def _charsets(table: str, columns: dict[str, str | None]) -> list[Finding]:
    narrow = sorted({charset for name, charset in columns.items() if charset and name in _TEXTS} - {"utf8mb4"})
    if not narrow:
        return []
    says = f"texts are {', '.join(narrow)}: they are read and written as they are, other signs are refused"
    return [Finding(table, "charset", 0, says)]


def _columns(connection: Connection, table: str) -> dict[str, str | None]:
    sql = (
        "SELECT column_name, character_set_name FROM information_schema.columns "
        "WHERE table_schema = DATABASE() AND table_name = :table"
    )
    return {str(name): charset for name, charset in connection.execute(text(sql), {"table": table})}
