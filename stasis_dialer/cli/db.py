"""`stasis-dialer db`: the schema's revision, upgrading it, and taking over the old panel's database."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import click

from stasis_dialer.cli.context import actor_name
from stasis_dialer.cli.list_options import looking
from stasis_dialer.cli.render import show_list
from stasis_dialer.db import adoption, schema
from stasis_dialer.settings.model import DatabaseSettings


@click.group()
def db() -> None:
    """The database's schema."""


@db.command()
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
@click.pass_context
def current(context: click.Context, as_json: bool) -> None:
    """Show the revision that the database has, and the one this release needs; exit code 1 when they differ."""
    found, needed = asyncio.run(schema.current(*_address(context))), schema.head()
    if as_json:
        click.echo(json.dumps({"revision": found, "needed": needed, "is_current": found == needed}))
    elif found == needed:
        click.echo(f"revision {found}: up to date")
    else:
        click.echo(f"revision {found or 'none'}, needed {needed}: run `stasis-dialer db upgrade`")
    context.exit(0 if found == needed else 1)


@db.command()
@click.pass_context
def upgrade(context: click.Context) -> None:
    """Bring the schema to this release; safe to repeat."""
    _report(asyncio.run(schema.upgrade(*_address(context))))


@db.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
@click.pass_context
def adopt(context: click.Context, dry_run: bool, as_json: bool) -> None:
    """Take over the old panel's tables in place: nothing is dropped, renamed or narrowed.

    What is odd about its rows is told; a row is changed only where it would be lost or dialled too often otherwise, and
    the audit trail has what was there. Safe to repeat. Exit code 1 when a dry run finds what must be mended first.
    """
    url, password = _address(context)
    zone = context.obj.settings.database.legacy_timezone
    with looking(as_json) as show:
        adopted = asyncio.run(
            adoption.adopt(url, password, zone, datetime.now(UTC), actor_name(), dry_run, progress=show)
        )
    if as_json:
        click.echo(json.dumps(adopted.as_object(), ensure_ascii=False))
    else:
        _show(adopted)
    context.exit(1 if adopted.blocks else 0)


def _show(adopted: adoption.Adoption) -> None:
    for table in adopted.tables:
        found = "no such table yet" if table.rows is None else f"{table.rows} rows"
        steps = "".join(f"\n  {text}" for text in table.to_do) if table.to_do else "; nothing to do"
        click.echo(f"{table.table}: {found}{steps}")
    rows = [
        {
            "table": one.table,
            "rows": one.rows or "all",
            "what": one.says,
            "done": "BLOCKS" if one.is_blocking else "mended" if one.is_fixed else "left",
            "for example": ", ".join(one.examples) or "-",
        }
        for one in adopted.findings
    ]
    show_list(rows, False, "nothing odd about the rows")
    if adopted.revisions is not None:
        _report(adopted.revisions)
    elif adopted.to_do:
        click.echo(f"dry run, nothing was changed: {adopted.to_do} steps to do")
    else:
        click.echo("dry run: nothing to do")


def _report(revisions: schema.Revisions) -> None:
    if revisions.is_changed:
        click.echo(f"upgraded: {revisions.before or 'nothing'} -> {revisions.after}")
    else:
        click.echo(f"revision {revisions.after}: nothing to do")


def _address(context: click.Context) -> tuple[str, str]:
    database: DatabaseSettings | Any = context.obj.settings.database
    return database.url, database.password.get_secret_value()
