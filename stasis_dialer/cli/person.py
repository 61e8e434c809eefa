"""What a person may ask for by their number: everything that is held on them, or its erasure (`leads export|erase`).

A number may be given in any spelling. Recordings are deleted in Asterisk before anything is taken out of the database,
so that no file is left whose name nobody knows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import click

from stasis_dialer.ari import AriNotFound
from stasis_dialer.cli.context import Context, actor_name, command, pass_context
from stasis_dialer.cli.private import write_private
from stasis_dialer.cli.render import json_option, show_list, show_one
from stasis_dialer.core.numbers import ANY_NUMBER, normalise
from stasis_dialer.db.audit import AuditEntry
from stasis_dialer.db.persons import SOURCE, Person
from stasis_dialer.db.store import Store
from stasis_dialer.engine import connection
from stasis_dialer.errors import Refused

number_option = click.option("--number", metavar="NUMBER", help="Of whoever has this number, in any spelling.")
region_option = click.option(
    "--region", default="BR", show_default=True, help="Country of a NUMBER without country code."
)

SHOWN: Final[Mapping[str, Sequence[str]]] = {
    "leads": ("id", "campaign_id", "name", "phone_number", "alternate_phone", "attributes", "status", "result"),
    "phones": ("lead_id", "position", "number", "original", "status", "attempts", "result"),
    "calls": (
        "unique_id",
        "campaign_id",
        "lead_id",
        "direction",
        "start_time",
        "destination_extension",
        "source_extension",
        "duration",
        "disposition",
        "agent_disposition",
        "recordings",
    ),
    "callbacks": ("lead_id", "due_at", "state", "agent", "note"),
    "do_not_call": ("number", "campaign_id", "source", "created_at", "expires_at"),
    "numbers": ("number", "invalid_count", "invalid_at", "abandoned_at"),
    "imports": ("id", "campaign_id", "file_name", "actor", "started_at"),
}
"""What the tables for people show of each kind of row; JSON has every column."""


async def export(context: Context, number: str, region: str, target: str | None, as_json: bool) -> None:
    """Everything held on a person: JSON into a file or to standard output, or tables. Raises: NumberRefused."""
    now = datetime.now(UTC)
    async with context.store() as store:
        found = await _find(store, number, region)
        counts = {kind: len(rows) for kind, rows in _kinds(found).items()}
        subject = f"person:...{found.number[-4:]}"
        await store.audit.write(AuditEntry(now, actor_name(), "person-exported", subject, None, counts))
    kinds = _kinds(found)
    content = {"number": found.number, "exported_at": now, **kinds}
    if target is not None and target != "-":
        text = json.dumps(content, default=str, ensure_ascii=False, indent=2)
        write_private(Path(target), f"{text}\n".encode())
        click.echo(f"{target}: {_told(counts)}", err=True)
    elif as_json or target == "-":
        show_one(content, True)
    else:
        for kind, columns in SHOWN.items():
            click.echo(f"{kind.replace('_', ' ')}:")
            rows = [{column: row.get(column) for column in columns} for row in kinds[kind]]
            show_list(rows, False, "none")
            click.echo()


@click.command()
@number_option
@region_option
@click.option("--keep-recordings", is_flag=True, help="Leave the calls' recordings until their own time is over.")
@click.option("--dry-run", "is_dry_run", is_flag=True, help="Say what would be erased, and erase nothing.")
@click.option("--yes", "is_sure", is_flag=True, help="Do not ask.")
@json_option
@pass_context
@command
async def erase(
    context: Context,
    number: str | None,
    region: str,
    keep_recordings: bool,
    is_dry_run: bool,
    is_sure: bool,
    as_json: bool,
) -> None:
    """Erase whoever has a number: name, numbers, attributes, notes and recordings, for good.

    Calls and leads stay as rows without a person, so that reports count as before. The number stays on the do-not-call
    list, so that nobody calls it again. Refused while a call to it is under way. It can be run again.

    \b
    Example: stasis-dialer leads erase --number "(11) 98765-4321" --dry-run
    """
    if number is None:
        raise click.UsageError("give --number")
    now = datetime.now(UTC)
    async with context.store() as store:
        found = await _find(store, number, region)
        new = await store.persons.erase(found, now, actor_name(), are_recordings_kept=keep_recordings, is_dry_run=True)
        files = [] if keep_recordings else _files(found, context.settings.ari.app)
        counts = {**found.counts(are_recordings_kept=keep_recordings), "do_not_call": len(new)}
        is_needed = any(counts.values())
        if is_needed and not is_dry_run:
            if not is_sure:
                click.confirm(f"Erase {_told(counts)} of ...{found.number[-4:]} for good?", abort=True, err=True)
            await _delete(context, files)
            await store.persons.erase(found, datetime.now(UTC), actor_name(), are_recordings_kept=keep_recordings)
    if as_json:
        left = {"left": list(found.others_columns), "is_dry_run": is_dry_run}
        show_one({"number": found.number, **counts, **left}, True)
        return
    if not is_needed:
        click.echo(f"nothing is held on ...{found.number[-4:]} but its do-not-call entry: source={SOURCE}")
        return
    click.echo(f"{'would be erased' if is_dry_run else 'erased'}: {_told(counts)}")
    if found.others_columns and found.leads:
        click.echo(f"not erased, columns of the panel's own: {', '.join(found.others_columns)}", err=True)


async def _find(store: Store, number: str, region: str) -> Person:
    digits = normalise(number, region, ANY_NUMBER)
    readers = {}
    for stored in await store.campaigns.find():
        campaign = stored.campaign
        rules = replace(ANY_NUMBER, area_code=campaign.numbers.area_code)
        readers[campaign.id] = partial(normalise, region=campaign.default_region, rules=rules)
    return await store.persons.find(digits, readers)


def _kinds(found: Person) -> dict[str, list[dict[str, Any]]]:
    """The rows by kind."""
    held = asdict(found)
    return {kind: held[kind] for kind in SHOWN}


def _told(counts: Mapping[str, int]) -> str:
    """The counts for people, without those that are 0."""
    return ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in counts.items() if count) or "nothing"


def _files(found: Person, app: str) -> list[str]:
    """The recordings' files. Raises: Refused for those of another dialer, whose Asterisk is not ours to ask."""
    others = sorted({str(of) for of, _ in found.recordings if of != app})
    if others:
        raise Refused(
            f"recordings of another dialer: app={others[0]} this={app}; erase with its configuration, "
            "or use --keep-recordings and delete the files by hand"
        )
    return [file for _, file in found.recordings]


async def _delete(context: Context, files: Sequence[str]) -> None:
    """Delete recordings; a file that is gone already is as good. Raises: AriError, AriUnavailable."""
    if not files:
        return
    async with connection.connect(context.settings.ari) as client:
        for file in files:
            try:
                await client.call("recordings.deleteStored", recordingName=file.rpartition(".")[0])
            except AriNotFound:
                click.echo(f"gone already: {file}", err=True)
