"""`stasis-dialer dnc`: the do-not-call list, by hand and from registries' files."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
import phonenumbers

from stasis_dialer.cli.context import Context, command, name_or_id, pass_context
from stasis_dialer.cli.importing import import_registry
from stasis_dialer.cli.list_options import ListOptions, list_options, progress
from stasis_dialer.cli.render import json_option, show_list, show_one
from stasis_dialer.core.model import Campaign
from stasis_dialer.core.numbers import ANY_NUMBER, normalise
from stasis_dialer.core.options import Numbers
from stasis_dialer.db.dnc import DoNotCall
from stasis_dialer.db.store import Store
from stasis_dialer.errors import Refused
from stasis_dialer.files.listing import open_list

BY_HAND = "manual"
ANYWHERE = Campaign(0, "every campaign")

campaign_option = click.option("--campaign", "name", help="For this campaign (name or id) alone; else for all.")
region_option = click.option("--region", help="Country in which numbers are read; else the campaign's, or BR.")
prefix_option = click.option("--prefix", "prefixes", multiple=True, metavar="DIGITS", help="How numbers begin: 551199.")
area_option = click.option("--area-code", "areas", multiple=True, metavar="DDD", help="All numbers of an area code.")


@click.group()
def dnc() -> None:
    """The do-not-call list: who must not be called, and why."""


@dnc.command()
@click.argument("numbers", nargs=-1)
@prefix_option
@area_option
@campaign_option
@region_option
@click.option("--source", default=BY_HAND, show_default=True, help="Who says so.")
@click.option("--expires", type=click.DateTime(["%Y-%m-%d"]), help="The last day; else for ever.")
@json_option
@pass_context
@command
async def add(
    context: Context,
    numbers: tuple[str, ...],
    prefixes: tuple[str, ...],
    areas: tuple[str, ...],
    name: str | None,
    region: str | None,
    source: str,
    expires: datetime | None,
    as_json: bool,
) -> None:
    """Put numbers, beginnings of numbers or area codes on the list.

    \b
    Example: stasis-dialer dnc add "(11) 98765-4321" --source complaint --expires 2027-12-31
    """
    async with context.store() as store:
        campaign, campaign_id = await _campaign(store, name)
        until = _end_of(expires, campaign)
        entries = [
            DoNotCall(digits, campaign_id, source, until, is_prefix)
            for digits, is_prefix in _digits(numbers, prefixes, areas, region or campaign.default_region)
        ]
        await store.dnc.add(entries, datetime.now(UTC))
    show_list([_row(entry) for entry in entries], as_json, "")


@dnc.command()
@click.argument("numbers", nargs=-1)
@prefix_option
@area_option
@campaign_option
@region_option
@click.option("--source", help="This source's entries alone; else all.")
@json_option
@pass_context
@command
async def remove(
    context: Context,
    numbers: tuple[str, ...],
    prefixes: tuple[str, ...],
    areas: tuple[str, ...],
    name: str | None,
    region: str | None,
    source: str | None,
    as_json: bool,
) -> None:
    """Take numbers off the list; refused when one was not on it."""
    removed = []
    async with context.store() as store:
        campaign, campaign_id = await _campaign(store, name)
        for digits, is_prefix in _digits(numbers, prefixes, areas, region or campaign.default_region):
            count = await store.dnc.remove(digits, campaign_id, source, is_prefix=is_prefix)
            removed.append({"number": f"{digits}*" if is_prefix else digits, "entries": count})
    show_list(removed, as_json, "")
    if not all(row["entries"] for row in removed):
        raise Refused("not all were on the list; `dnc check NUMBER` shows every entry of a number")


@dnc.command()
@click.argument("number")
@campaign_option
@region_option
@json_option
@pass_context
@command
async def check(context: Context, number: str, name: str | None, region: str | None, as_json: bool) -> None:
    """May this number be called? Shows every entry that it falls under; code 1 when it may not."""
    now = datetime.now(UTC)
    async with context.store() as store:
        campaign, campaign_id = await _campaign(store, name)
        digits = normalise(number, region or campaign.default_region, ANY_NUMBER)
        listed = await store.dnc.contains(digits, campaign_id, now)
        entries = [_row(entry) for entry in await store.dnc.entries_for(digits)]
    if as_json:
        show_one({"number": digits, "may_be_called": not listed, "entries": entries}, True)
    else:
        show_list(entries, False, "no entries")
        click.echo(f"{digits} {'must not' if listed else 'may'} be called")
    if listed:
        click.get_current_context().exit(1)


@dnc.command("list")
@campaign_option
@click.option("--source", help="This source's entries.")
@click.option("--prefixes", "is_prefixes", is_flag=True, help="Beginnings of numbers and area codes.")
@click.option("--sources", "is_sources", is_flag=True, help="The registries and the age of their files.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 100_000))
@click.option("--after", default="", metavar="NUMBER", help="Go on after this number.")
@json_option
@pass_context
@command
async def list_(
    context: Context,
    name: str | None,
    source: str | None,
    is_prefixes: bool,
    is_sources: bool,
    limit: int,
    after: str,
    as_json: bool,
) -> None:
    """List numbers, prefixes or sources."""
    async with context.store() as store:
        campaign_id = (await _campaign(store, name))[1]
        if is_sources:
            now = datetime.now(UTC)
            rows = [asdict(found) | {"age_days": (now - found.registry_at).days} for found in await store.dnc.sources()]
        elif is_prefixes:
            rows = [_row(entry) for entry in await store.dnc.prefixes(campaign_id, source)]
        else:
            rows = [_row(entry) for entry in await store.dnc.find(campaign_id, source, limit, after)]
    show_list(rows, as_json, "nothing is listed")


@dnc.command("import")
@click.argument("path", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--source", required=True, help="Whose registry it is: procon-sp, nao-me-perturbe, ...")
@campaign_option
@region_option
@click.option("--date", "dated", type=click.DateTime(["%Y-%m-%d"]), help="The registry's date; else the file's own.")
@click.option("--expires", type=click.DateTime(["%Y-%m-%d"]), help="The entries' last day; else for ever.")
@click.option("--replace", "is_whole", is_flag=True, help="The file is the whole registry: drop what it has no longer.")
@list_options
@json_option
@pass_context
@command
async def import_(
    context: Context,
    path: Path,
    source: str,
    name: str | None,
    region: str | None,
    dated: datetime | None,
    expires: datetime | None,
    is_whole: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Import a registry's file (CSV, XLSX or plain numbers), all or nothing.

    \b
    Example: stasis-dialer dnc import procon.csv --source procon-sp --date 2026-03-01 --replace
    """
    options = ListOptions.of(given)
    modified = datetime.fromtimestamp(path.stat().st_mtime, UTC)  # noqa: ASYNC240 - nothing else runs in this loop yet
    async with context.store() as store:
        campaign, campaign_id = await _campaign(store, name)
        rules = Numbers(options.area_code, may_be_foreign=True, may_be_premium=True)
        reading = Campaign(0, source, default_region=region or campaign.default_region, numbers=rules)
        with progress(as_json) as show, options.result_writer() as writer:
            summary, dropped = await import_registry(
                store,
                open_list(path, reading, options.read),
                source,
                campaign_id,
                registry_at=dated.replace(tzinfo=ZoneInfo(campaign.timezone)) if dated else modified,
                expires_at=_end_of(expires, campaign),
                is_whole=is_whole,
                results=writer,
                show=show,
            )
    if as_json:
        show_one(summary.as_object() | {"dropped": dropped}, True)
        return
    click.echo(f"{summary.imported} rows imported, {summary.refused} refused, {dropped} numbers dropped")


async def _campaign(store: Store, name: str | None) -> tuple[Campaign, int | None]:
    """The campaign meant, and its id; none: the settings of every campaign."""
    if name is None:
        return ANYWHERE, None
    campaign = (await store.campaigns.get(name_or_id(name))).campaign
    return campaign, campaign.id


def _digits(
    numbers: tuple[str, ...], prefixes: tuple[str, ...], areas: tuple[str, ...], region: str
) -> list[tuple[str, bool]]:
    """What was given as digits with country code, and whether each is a prefix. Raises: NumberRefused."""
    found = [(normalise(number, region, ANY_NUMBER), False) for number in numbers]
    for prefix in prefixes:
        digits = prefix.removeprefix("+")
        if not (digits.isascii() and digits.isdigit() and 2 <= len(digits) <= 15):
            raise click.BadParameter(f"two to 15 digits with country code, not {prefix!r}", param_hint="--prefix")
        found.append((digits, True))
    for area in areas:
        digits = area.lstrip("0")
        if not (digits.isascii() and digits.isdigit() and 2 <= len(digits) <= 4):
            raise click.BadParameter(f"two to four digits, not {area!r}", param_hint="--area-code")
        found.append((f"{phonenumbers.country_code_for_region(region)}{digits}", True))
    if not found:
        raise click.UsageError("give numbers, --prefix or --area-code")
    return found


def _end_of(day: datetime | None, campaign: Campaign) -> datetime | None:
    """The end of a day in the campaign's zone."""
    return None if day is None else datetime.combine(day, time.max, ZoneInfo(campaign.timezone)).astimezone(UTC)


def _row(entry: DoNotCall) -> dict[str, Any]:
    return {
        "number": f"{entry.number}*" if entry.is_prefix else entry.number,
        "campaign_id": entry.campaign_id,
        "source": entry.source,
        "created_at": entry.created_at,
        "expires_at": entry.expires_at,
    }
