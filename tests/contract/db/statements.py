"""Statements as they stand, on the test's database."""

from typing import Any

from stasis_dialer.db.database import Database


async def run(database: Database, *statements: str) -> list[tuple[Any, ...]]:
    """Run statements on one connection; the rows of the last one that has some."""
    rows: list[tuple[Any, ...]] = []

    async def work(connection: Any) -> None:
        nonlocal rows
        for statement in statements:
            result = await connection.exec_driver_sql(statement)
            if result.returns_rows:
                rows = [tuple(row) for row in result.all()]

    await database.transact(work)
    return rows
