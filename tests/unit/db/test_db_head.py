"""The constant that saves every command the import of alembic is the newest migration."""

from stasis_dialer.db import schema


def test_given_the_migrations_then_the_newest_is_the_head() -> None:
    assert schema.known_revisions()[0] == schema.HEAD
