"""`stasis-dialer campaign`: make, start, pause, finish and look at campaigns."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from stasis_dialer.cli import explaining
from stasis_dialer.cli.campaign_changes import (
    as_campaign,
    differences,
    file_changes,
    in_core_words,
    read_pairs,
    with_groups_filled,
)
from stasis_dialer.cli.context import Context, actor_name, command, name_or_id, pass_context
from stasis_dialer.cli.reasons import meaning
from stasis_dialer.cli.render import json_option, show_list, show_one
from stasis_dialer.core.model import RISKY_MODES, Campaign, CampaignStatus, DialMode
from stasis_dialer.core.schedule import is_in_working_hours
from stasis_dialer.db.campaigns import StoredCampaign
from stasis_dialer.db.store import Store
from stasis_dialer.errors import CampaignNotFound, DialerNotRunning, Refused
from stasis_dialer.settings import check_campaign, load_campaign


@click.group()
def campaign() -> None:
    """Campaigns: lists being dialled, with their mode and limits."""


@campaign.command("list")
@json_option
@pass_context
@command
async def list_(context: Context, as_json: bool) -> None:
    """List all campaigns.

    \b
    Example: stasis-dialer campaign list --json
    """
    async with context.store() as store:
        rows = [_brief(stored) for stored in await store.campaigns.find()]
    show_list(rows, as_json, "no campaigns; make one with: stasis-dialer campaign create NAME")


@campaign.command()
@click.argument("name")
@json_option
@pass_context
@command
async def show(context: Context, name: str, as_json: bool) -> None:
    """Show a campaign (by its name or id) with all its settings.

    \b
    Example: stasis-dialer campaign show spring
    """
    async with context.store() as store:
        stored = await store.campaigns.get(name_or_id(name))
        counts = await store.leads.counts(stored.campaign.id)
    row = {field.name: getattr(stored.campaign, field.name) for field in fields(Campaign)}
    row |= {f"leads_{status}": count for status, count in counts.items()}
    row |= {"is_in_working_hours": is_in_working_hours(stored.campaign, datetime.now(UTC))}
    if stored.problems:
        row["problems"] = list(stored.problems)
    show_one(row, as_json)


@campaign.command()
@click.argument("name", required=False)
@click.option(
    "--file", "path", type=click.Path(path_type=Path, dir_okay=False), help="YAML with the campaign's fields."
)
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="A field or setting; may be repeated.")
@json_option
@pass_context
@command
async def create(context: Context, name: str | None, path: Path | None, pairs: tuple[str, ...], as_json: bool) -> None:
    """Make a campaign. It is paused until it is started.

    \b
    Examples:
      stasis-dialer campaign create spring --set max_channels=20 --set start_time=09:00 --set end_time=18:00
      stasis-dialer campaign create --file spring.yaml
    """
    given = load_campaign(path).model_dump(exclude_unset=True) if path else {}
    settings = given.pop("settings", {})
    wanted = {**given, **settings, **read_pairs(pairs)}
    if name:
        wanted["name"] = name
    campaign_file = check_campaign(wanted)
    async with context.store() as store:
        stored = await store.campaigns.create(as_campaign(campaign_file), actor_name(), datetime.now(UTC))
    show_one(_brief(stored), as_json)


@campaign.command("set")
@click.argument("name")
@click.argument("pairs", nargs=-1, required=True, metavar="KEY=VALUE...")
@json_option
@pass_context
@command
async def set_(context: Context, name: str, pairs: tuple[str, ...], as_json: bool) -> None:
    """Change fields or settings of a campaign; a running dialer takes them up within a second.

    \b
    Examples:
      stasis-dialer campaign set spring max_channels=30 caller_id=+551130000000
      stasis-dialer campaign set spring amd.mode=off
    """
    async with context.store() as store:
        campaign = (await store.campaigns.get(name_or_id(name))).campaign
        changes = with_groups_filled(campaign, in_core_words(read_pairs(pairs)))
        stored = await store.campaigns.update(campaign.id, changes, actor_name(), datetime.now(UTC))
    show_one(_brief(stored), as_json)


@campaign.command()
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
@json_option
@pass_context
@command
async def diff(context: Context, path: Path, as_json: bool) -> None:
    """What `campaign apply FILE` would change; nothing is changed. Ends with 1 when there is a difference.

    \b
    Example: stasis-dialer campaign diff spring.yaml
    """
    wanted = load_campaign(path)
    async with context.store() as store:
        current = await _by_name(store, wanted.name)
    rows = differences(current.campaign if current else None, file_changes(wanted))
    if not rows and current is None:
        rows = [{"field": "name", "now": None, "file": wanted.name}]
    show_list(rows, as_json, f"{wanted.name}: as the file says")
    if rows:
        raise click.exceptions.Exit(1)


@campaign.command()
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
@json_option
@pass_context
@command
async def apply(context: Context, path: Path, as_json: bool) -> None:
    """Make a campaign as its file says: a new one is created and paused, an old one is changed.

    What the file does not mention stays as it is. A running dialer takes changes up within a second.

    \b
    Examples:
      stasis-dialer campaign diff spring.yaml
      stasis-dialer campaign apply spring.yaml
    """
    wanted = load_campaign(path)
    now = datetime.now(UTC)
    async with context.store() as store:
        current = await _by_name(store, wanted.name)
        if current is None:
            stored = await store.campaigns.create(as_campaign(wanted), actor_name(), now)
        else:
            changes = with_groups_filled(current.campaign, file_changes(wanted))
            stored = await store.campaigns.update(current.campaign.id, changes, actor_name(), now)
    show_one(_brief(stored), as_json)


async def _by_name(store: Store, name: str) -> StoredCampaign | None:
    try:
        return await store.campaigns.get(name)
    except CampaignNotFound:
        return None


@campaign.command()
@click.argument("name")
@pass_context
@command
async def start(context: Context, name: str) -> None:
    """Let a campaign dial; a running dialer takes it up within a second.

    Warns of sounds that Asterisk does not have, and of recordings that it cannot write.
    """
    from stasis_dialer.cli.probes import lacks_of

    started = await _set_status(context, name, CampaignStatus.ACTIVE)
    for lack in await lacks_of(started, context.settings):
        click.echo(f"warning: {lack}", err=True)


@campaign.command()
@click.argument("name")
@pass_context
@command
async def pause(context: Context, name: str) -> None:
    """Place no more calls; those that are on go on."""
    await _set_status(context, name, CampaignStatus.PAUSED)


@campaign.command()
@click.argument("name")
@pass_context
@command
async def finish(context: Context, name: str) -> None:
    """Close a campaign; it can be started again."""
    await _set_status(context, name, CampaignStatus.FINISHED)


@campaign.command()
@click.argument("name")
@click.option("--hours", default=24.0, show_default=True, type=click.FloatRange(min=0.01), help="How far to look back.")
@json_option
@pass_context
@command
async def metrics(context: Context, name: str, hours: float, as_json: bool) -> None:
    """A campaign's figures: leads by status, calls by disposition, answer to agent, why it dials or not.

    \b
    Example: stasis-dialer campaign metrics spring --hours 1
    """
    now = datetime.now(UTC)
    async with context.store() as store:
        stored = await store.campaigns.get(name_or_id(name))
        id_ = stored.campaign.id
        counts = await store.leads.counts(id_)
        due = await store.leads.due_counts(id_, now)
        report = await store.reports.campaign(id_, now - timedelta(hours=hours), now + timedelta(seconds=1))
    try:
        snapshot = await context.ask("GET", "/snapshot")
        dialling = snapshot["pacing"].get(str(id_), "not active")
    except DialerNotRunning:
        dialling = "the dialer is not running"
    why = "; ".join(stored.problems) or meaning(dialling)
    row: dict[str, Any] = {
        "campaign": stored.campaign.name,
        "status": str(stored.campaign.status),
        "dialling": dialling,
        "why": why,
    }
    row |= {f"leads_{status}": count for status, count in counts.items()}
    row |= {"leads_due": due.due, "leads_waiting_for_retry": due.waiting, "next_retry_at": due.next_due_at}
    row |= {"calls": report.calls, "answered": report.answered, "connected": report.connected}
    row |= {f"calls_{disposition}": count for disposition, count in sorted(report.dispositions.items())}
    row |= {f"answer_to_agent_p{p}_ms": round(s * 1000, 1) for p, s in report.answer_to_agent_seconds.items()}
    row |= {"success_rate_percent": round(stored.counters.success_rate, 1)}
    show_one(row, as_json)


campaign.add_command(explaining.explain_campaign)


async def _set_status(context: Context, name: str, status: CampaignStatus) -> Campaign:
    async with context.store() as store:
        stored = await store.campaigns.get(name_or_id(name))
        if status is CampaignStatus.ACTIVE and stored.problems:
            raise Refused(f"the campaign cannot be started: {'; '.join(stored.problems)}")
        if status is CampaignStatus.ACTIVE:
            _check_may_dial(context, stored.campaign)
        await store.campaigns.set_status(stored.campaign.id, status, actor_name(), datetime.now(UTC))
    click.echo(f"{stored.campaign.name}: {status}")
    return stored.campaign


def _check_may_dial(context: Context, campaign: Campaign) -> None:
    """Refuse now what the dialer would refuse later."""
    if campaign.mode in RISKY_MODES and not (campaign.safe_harbour_media or context.settings.engine.safe_harbour_media):
        raise Refused(f"mode={campaign.mode} may abandon calls and needs a message: set safe_harbour_media")
    if campaign.mode is DialMode.BROADCAST and campaign.broadcast.media is None:
        raise Refused("a broadcast campaign needs its message: set broadcast.media")
    known = [trunk.name for trunk in context.settings.trunks]
    unknown = [name for name in campaign.trunks if name not in known]
    if unknown:
        raise Refused(f"unknown trunk: trunk={unknown[0]}; the configuration has {', '.join(known)}")


def _brief(stored: StoredCampaign) -> dict[str, Any]:
    c, counters = stored.campaign, stored.counters
    return {
        "id": c.id,
        "name": c.name,
        "status": str(c.status),
        "mode": str(c.mode),
        "connect": str(c.connect),
        "max_channels": c.max_channels,
        "total_contacts": counters.total_contacts,
        "processed_contacts": counters.processed_contacts,
        "successful_calls": counters.successful_calls,
        "success_rate_percent": round(counters.success_rate, 1),
        "problems": "; ".join(stored.problems) or None,
    }
