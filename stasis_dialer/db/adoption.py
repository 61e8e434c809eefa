"""What taking over the old panel's tables would do: a look at them that changes nothing.

The taking over itself is the first migration.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy import inspect as inspect_schema

from stasis_dialer.db import schema
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


async def inspect(url: str, password: str | None = None) -> list[TableFinding]:
    """Look at the legacy's tables. Raises: DatabaseUnavailable."""
    return await schema.with_connection(url, password, _inspect)


def _inspect(connection: Connection) -> list[TableFinding]:
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
