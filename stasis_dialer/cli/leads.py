"""`stasis-dialer leads`: import, list and show the people to be called."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from stasis_dialer.cli.campaign import name_or_id
from stasis_dialer.cli.context import Context, command, pass_context
from stasis_dialer.cli.render import json_option, show_list, show_one
from stasis_dialer.core.model import Lead, LeadStatus
from stasis_dialer.core.numbers import normalise
from stasis_dialer.core.schedule import can_be_called_now
from stasis_dialer.db.leads import LeadFilter, NewLead
from stasis_dialer.errors import NumberRefused, Refused

HEADINGS = {
    "name": ("name", "nome"),
    "phone_number": ("phone_number", "phone", "telefone", "celular"),
    "alternate_phone": ("alternate_phone", "telefone2", "telefone_alternativo"),
    "max_attempts": ("max_attempts",),
}
"""A column's names in the file, the legacy's first."""

SHOWN_REFUSALS = 10


@click.group()
def leads() -> None:
    """Leads: the people to be called."""


@leads.command("import")
@click.argument("path", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--campaign", "name", required=True, help="Name or id of the campaign.")
@json_option
@pass_context
@command
async def import_(context: Context, path: Path, name: str, as_json: bool) -> None:
    """Import leads from a CSV file (UTF-8, with a heading line).

    Columns: name, phone_number, alternate_phone, max_attempts; the Portuguese nome, telefone, telefone2 are known
    too. Rows without a valid number are refused and listed; the rest is imported.

    \b
    Example: stasis-dialer leads import examples/leads.csv --campaign spring
    """
    refusals: list[dict[str, Any]] = []
    size = path.stat().st_size  # noqa: ASYNC240 - before anything else runs in this loop
    async with context.store() as store:
        stored = await store.campaigns.get(name_or_id(name))
        rows = _read(path, stored.campaign.default_region, refusals)
        with Progress(
            TextColumn("importing"),
            BarColumn(),
            TaskProgressColumn(),
            console=Console(stderr=True),
            disable=as_json,
            transient=True,
        ) as progress:
            task = progress.add_task("rows", total=size)
            counted = (_advance(progress, task, row) for row in rows)
            inserted = await store.leads.insert_many(
                stored.campaign.id, counted, datetime.now(UTC), stored.campaign.max_attempts
            )
    summary = {"imported": inserted.inserted, "refused": inserted.refused + len(refusals)}
    if as_json:
        show_one({**summary, "refusals": refusals}, True)
        return
    for refusal in refusals[:SHOWN_REFUSALS]:
        click.echo(f"line {refusal['line']}: {refusal['reason']}", err=True)
    if len(refusals) > SHOWN_REFUSALS:
        click.echo(f"and {len(refusals) - SHOWN_REFUSALS} more; --json lists all", err=True)
    click.echo(f"{summary['imported']} leads imported, {summary['refused']} refused")


@leads.command("list")
@click.option("--campaign", "name", help="Name or id of the campaign.")
@click.option("--status", type=click.Choice([str(status) for status in LeadStatus]))
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 100_000))
@click.option("--after", default=0, metavar="ID", help="Go on after this lead.")
@json_option
@pass_context
@command
async def list_(context: Context, name: str | None, status: str | None, limit: int, after: int, as_json: bool) -> None:
    """List leads in the order of their ids."""
    async with context.store() as store:
        campaign_id = (await store.campaigns.get(name_or_id(name))).campaign.id if name else None
        wanted = LeadFilter(campaign_id=campaign_id, status=LeadStatus(status) if status else None)
        found = await store.leads.find(wanted, limit, after)
    show_list([_row(lead) for lead in found], as_json, "no leads")


@leads.command()
@click.argument("lead_id", type=int)
@json_option
@pass_context
@command
async def show(context: Context, lead_id: int, as_json: bool) -> None:
    """Show a lead and its calls."""
    from stasis_dialer.cli.calls import brief
    from stasis_dialer.db.calls import CallFilter

    async with context.store() as store:
        lead = await store.leads.get(lead_id)
        if lead is None:
            raise Refused(f"there is no such lead: id={lead_id}")
        calls = await store.calls.find(CallFilter(lead_id=lead_id), 100)
    row = _row(lead) | {"can_be_called_now": can_be_called_now(lead, datetime.now(UTC))}
    if as_json:
        show_one({**row, "calls": [brief(call) for call in calls]}, True)
        return
    show_one(row, False)
    show_list([brief(call) for call in calls], False, "no calls yet")


def _read(path: Path, region: str, refusals: list[dict[str, Any]]) -> Iterator[tuple[int, NewLead]]:
    """The file's valid rows, each with the bytes it took; the others become refusals."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            columns = _columns(path, next(reader, []))
            for cells in reader:
                size = sum(len(cell) + 1 for cell in cells)
                try:
                    lead = _lead(cells, columns, region)
                except (NumberRefused, Refused) as error:
                    refusals.append({"line": reader.line_num, "reason": str(error)})
                    continue
                if lead is not None:
                    yield size, lead
    except UnicodeDecodeError as error:
        raise Refused(f"the file is not UTF-8: file={path.name} byte={error.start}; save it as CSV UTF-8") from error
    except csv.Error as error:
        raise Refused(f"the file is not CSV: file={path.name}; {error}") from error


def _columns(path: Path, headings: list[str]) -> dict[str, int]:
    found = [heading.strip().lower().replace(" ", "_") for heading in headings]
    columns = {field: found.index(name) for field, names in HEADINGS.items() for name in names[::-1] if name in found}
    if "phone_number" not in columns:
        seen = ", ".join(found)[:200] or "nothing"
        raise Refused(f"no column with phone numbers: file={path.name} headings={seen}; call it phone_number")
    return columns


def _lead(cells: list[str], columns: dict[str, int], region: str) -> NewLead | None:
    if not any(cell.strip() for cell in cells):
        return None

    def cell(field: str) -> str:
        index = columns.get(field)
        return cells[index].strip() if index is not None and index < len(cells) else ""

    attempts = cell("max_attempts")
    if attempts and not (attempts.isdecimal() and 1 <= int(attempts) <= 100):
        raise Refused(f"max_attempts is no number from 1 to 100: {attempts[:20]!r}")
    phone, alternate = cell("phone_number"), cell("alternate_phone")
    normalise(phone, region)
    return NewLead(cell("name")[:255], phone, alternate or None, int(attempts) if attempts else None)


def _advance(progress: Progress, task: Any, row: tuple[int, NewLead]) -> NewLead:
    progress.advance(task, row[0])
    return row[1]


def _row(lead: Lead) -> dict[str, Any]:
    return {field.name: getattr(lead, field.name) for field in fields(Lead)}
