"""`stasis-dialer db`, against a real database."""

import json
from types import SimpleNamespace
from typing import Any

from click.testing import CliRunner, Result

from stasis_dialer.cli.db import db
from stasis_dialer.db import schema
from stasis_dialer.lab.mariadb import USER
from stasis_dialer.settings.model import DatabaseSettings


def run(lab: Any, url: str, *words: str) -> Result:
    """The command with settings for that database."""
    settings = DatabaseSettings(
        url=f"mysql+aiomysql://{USER}@127.0.0.1:{lab.mariadb.port}/{url.rpartition('/')[2].partition('?')[0]}",
        password=lab.mariadb.password,
    )
    context = SimpleNamespace(settings=SimpleNamespace(database=settings))
    return CliRunner().invoke(db, list(words), obj=context, catch_exceptions=False)


def test_given_an_empty_database_when_upgraded_by_command_then_current_says_so(lab: Any, database_url: str) -> None:
    before = run(lab, database_url, "current")
    assert (before.exit_code, before.output) == (
        1,
        f"revision none, needed {schema.head()}: run `stasis-dialer db upgrade`\n",
    )
    assert run(lab, database_url, "upgrade").output == f"upgraded: nothing -> {schema.head()}\n"
    assert run(lab, database_url, "upgrade").output == f"revision {schema.head()}: nothing to do\n"
    after = run(lab, database_url, "current", "--json")
    assert json.loads(after.output) == {"revision": schema.head(), "needed": schema.head(), "is_current": True}
    assert after.exit_code == 0


def test_given_an_empty_database_when_adopted_dry_then_nothing_is_changed(lab: Any, database_url: str) -> None:
    dry = run(lab, database_url, "adopt", "--dry-run")
    assert "discador_contatos: no such table yet" in dry.output
    assert run(lab, database_url, "current").exit_code == 1
    findings = json.loads(run(lab, database_url, "adopt", "--json").output)
    assert [table["rows"] for table in findings["tables"]] == [None, None, None, None]
    assert run(lab, database_url, "current").exit_code == 0
    assert "discador_contatos: 0 rows; nothing to do" in run(lab, database_url, "adopt", "--dry-run").output
