"""Runs the migrations, on the connection that `stasis_dialer.db.schema` hands over.

A developer's `alembic -c migrations/alembic.ini revision --autogenerate` has none: then STASIS_DIALER_DATABASE_URL
says which database to compare with the tables.
"""

import asyncio
import os

from alembic import context
from sqlalchemy import Connection

from stasis_dialer.db.database import CONNECT_TIMEOUT_SECONDS, create_engine, database_url
from stasis_dialer.db.schema import VERSION_TABLE
from stasis_dialer.db.tables import Base


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        version_table=VERSION_TABLE,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def run_alone(url: str) -> None:
    engine = create_engine(database_url(url), 1, CONNECT_TIMEOUT_SECONDS)
    async with engine.connect() as connection:
        await connection.run_sync(run)
    await engine.dispose()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
elif "STASIS_DIALER_DATABASE_URL" in os.environ:
    asyncio.run(run_alone(os.environ["STASIS_DIALER_DATABASE_URL"]))
else:
    raise SystemExit("set STASIS_DIALER_DATABASE_URL to mariadb://USER:PASSWORD@HOST:PORT/NAME")
