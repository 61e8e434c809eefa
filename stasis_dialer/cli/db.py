"""`stasis-dialer db`: the schema's revision, upgrading it, and taking over the old panel's database."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import click

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
    """Take over the old panel's tables in place: nothing is dropped, renamed or narrowed."""
    findings = asyncio.run(adoption.inspect(*_address(context)))
    if as_json:
        click.echo(json.dumps([finding.as_object() for finding in findings]))
    else:
        for finding in findings:
            found = "no such table yet" if finding.rows is None else f"{finding.rows} rows"
            click.echo(f"{finding.table}: {found}{_listed(finding)}")
    if not dry_run:
        revisions = asyncio.run(schema.upgrade(*_address(context)))
        if not as_json:
            _report(revisions)


def _listed(finding: adoption.TableFinding) -> str:
    return "".join(f"\n  {text}" for text in finding.to_do) if finding.to_do else "; nothing to do"


def _report(revisions: schema.Revisions) -> None:
    if revisions.is_changed:
        click.echo(f"upgraded: {revisions.before or 'nothing'} -> {revisions.after}")
    else:
        click.echo(f"revision {revisions.after}: nothing to do")


def _address(context: click.Context) -> tuple[str, str]:
    database: DatabaseSettings | Any = context.obj.settings.database
    return database.url, database.password.get_secret_value()
