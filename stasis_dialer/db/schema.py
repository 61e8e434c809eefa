"""The schema's revision: what the database has, what this release needs, and the way from one to the other.

The migrations lie in the project's `migrations/`, and in an installed package beside this file. Two upgrades at once
are safe: the second waits for the first, on a lock of MariaDB's, and then finds nothing to do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pymysql.err import Error as DriverError
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from stasis_dialer.db import database
from stasis_dialer.errors import DatabaseUnavailable, DialerError

if TYPE_CHECKING:
    from alembic.config import Config

T = TypeVar("T")

HEAD: Final = "0002"
"""The newest migration. Stands here because alembic takes a third of a second to import, at every command's start."""

VERSION_TABLE: Final = "dialer_schema_version"

UPGRADE_WAIT_SECONDS: Final = 600
"""How long an upgrade waits for another one: an index on ten million leads takes minutes."""

_LOCK: Final = "CONCAT('stasis_dialer:', DATABASE())"


@dataclass(frozen=True, slots=True)
class Revisions:
    """The schema before and after an upgrade; None is a database that was never upgraded."""

    before: str | None
    after: str | None

    @property
    def is_changed(self) -> bool:
        """Something was done."""
        return self.before != self.after


def migrations_folder() -> Path:
    """Where the migrations are, in a source checkout and in an installed package alike."""
    here = Path(__file__).resolve().parent
    for folder in (here / "migrations", here.parents[1] / "migrations"):
        if (folder / "env.py").is_file():
            return folder
    raise DialerError(f"the migrations are missing: looked beside {here}; install the package again")


def head() -> str:
    """The revision that this release needs."""
    return HEAD


async def current(url: str, password: str | None = None) -> str | None:
    """The revision of the database, or None when it was never upgraded. Raises: DatabaseUnavailable."""
    return await with_connection(url, password, _current)


async def is_current(url: str, password: str | None = None) -> bool:
    """Whether the database fits this release. Raises: DatabaseUnavailable."""
    return await current(url, password) == head()


async def revision_of(open_database: database.Database) -> str | None:
    """As `current`, through a pool that is open."""

    async def read(connection: AsyncConnection) -> str | None:
        return await connection.run_sync(_current)

    return await open_database.transact(read)


async def upgrade(url: str, password: str | None = None) -> Revisions:
    """Bring the database to this release's schema; legacy tables are taken over in place.

    Raises: DatabaseUnavailable; DialerError when the schema is newer than this release.
    """
    return await with_connection(url, password, _upgrade)


def _config(connection: Connection | None = None) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _current(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    revision: str | None = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()
    return revision


def _upgrade(connection: Connection) -> Revisions:
    from alembic import command

    lock = text(f"SELECT GET_LOCK({_LOCK}, {UPGRADE_WAIT_SECONDS})")
    if connection.execute(lock).scalar() != 1:
        raise DialerError("another upgrade of this database goes on; try again when it has ended")
    try:
        before = _current(connection)
        _refuse_newer(before)
        connection.commit()
        command.upgrade(_config(connection), "head")
        return Revisions(before, _current(connection))
    finally:
        connection.execute(text(f"DO RELEASE_LOCK({_LOCK})"))


def known_revisions() -> list[str]:
    """Every migration's revision, the newest first."""
    from alembic.script import ScriptDirectory

    return [script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()]


def _refuse_newer(revision: str | None) -> None:
    if revision is not None and revision not in known_revisions():
        raise DialerError(f"the schema is of a newer release: revision={revision}; upgrade the program")


async def with_connection(url: str, password: str | None, work: Callable[[Connection], T]) -> T:
    """Run `work` on a connection of its own. Raises: DatabaseUnavailable."""
    address = database.database_url(url, password)
    engine = database.create_engine(address, 1, database.CONNECT_TIMEOUT_SECONDS)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(work)
    except (DriverError, DBAPIError, OSError, TimeoutError) as error:
        cause: Any = error.orig if isinstance(error, DBAPIError) and error.orig else error
        explained = database.explain(cause, address)
        if isinstance(explained, DatabaseUnavailable):
            raise explained from error
        raise DialerError(
            f"the database refused a step: server={address.host} database={address.database} seen={cause}; "
            "no row was lost, run it again when that is mended"
        ) from error
    finally:
        await engine.dispose()
