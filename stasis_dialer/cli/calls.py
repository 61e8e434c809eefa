"""`stasis-dialer calls`: what became of the attempts."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import click

from stasis_dialer.cli.context import Context, actor_name, command, name_or_id, pass_context
from stasis_dialer.cli.exporting import export_calls
from stasis_dialer.cli.list_options import counting, kind_option
from stasis_dialer.cli.recordings import recording
from stasis_dialer.cli.render import json_option, show_list, show_one
from stasis_dialer.core.model import CallRecord, Campaign, Direction, Disposition
from stasis_dialer.core.numbers import masked
from stasis_dialer.db.audit import AuditEntry
from stasis_dialer.db.calls import CallFilter
from stasis_dialer.errors import Refused
from stasis_dialer.files import open_writer

_DAYS = ("%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M")


@click.group()
def calls() -> None:
    """Calls: attempts to reach a lead, and their outcome."""


@calls.command("list")
@click.option("--campaign", "name", help="Name or id of the campaign.")
@click.option("--agent", help="Extension of the agent.")
@click.option("--disposition", type=click.Choice([str(disposition) for disposition in Disposition]))
@click.option("--direction", type=click.Choice([str(direction) for direction in Direction]))
@click.option("--hours", type=click.FloatRange(min=0.0), help="Only calls that began in the last hours.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 100_000))
@json_option
@pass_context
@command
async def list_(
    context: Context,
    name: str | None,
    agent: str | None,
    disposition: str | None,
    direction: str | None,
    hours: float | None,
    limit: int,
    as_json: bool,
) -> None:
    """List calls, the newest first.

    \b
    Example: stasis-dialer calls list --campaign spring --disposition abandoned --hours 1
    """
    async with context.store() as store:
        campaign_id = (await store.campaigns.get(name_or_id(name))).campaign.id if name else None
        wanted = CallFilter(
            campaign_id=campaign_id,
            agent=agent,
            disposition=Disposition(disposition) if disposition else None,
            direction=Direction(direction) if direction else None,
            since=datetime.now(UTC) - timedelta(hours=hours) if hours is not None else None,
        )
        found = await store.calls.find(wanted, limit)
    show_list([brief(call) for call in found], as_json, "no calls")


@calls.command()
@click.argument("target", metavar="FILE")
@click.option("--campaign", "name", help="Name or id of the campaign.")
@click.option("--agent", help="Extension of the agent.")
@click.option("--disposition", type=click.Choice([str(disposition) for disposition in Disposition]))
@click.option("--since", type=click.DateTime(_DAYS), help="From this day or moment on, in the campaign's zone.")
@click.option("--until", type=click.DateTime(_DAYS), help="Before this day or moment.")
@kind_option
@pass_context
@command
async def export(
    context: Context,
    target: str,
    name: str | None,
    agent: str | None,
    disposition: str | None,
    since: datetime | None,
    until: datetime | None,
    kind: str | None,
) -> None:
    """Write calls and their results to FILE, as CSV or XLSX by its name, or CSV to standard output for `-`.

    \b
    Example: stasis-dialer calls export march.xlsx --campaign spring --since 2026-03-01 --until 2026-04-01
    """
    async with context.store() as store:
        campaign = (await store.campaigns.get(name_or_id(name))).campaign if name else None
        zone = ZoneInfo(campaign.timezone if campaign else Campaign(0, "").timezone)
        which = CallFilter(
            campaign_id=campaign.id if campaign else None,
            agent=agent,
            disposition=Disposition(disposition) if disposition else None,
            since=since and since.replace(tzinfo=zone),
            until=until and until.replace(tzinfo=zone),
        )
        with counting() as show, open_writer(target, kind) as writer:
            count = await export_calls(store, which, writer, show)
        after = {"calls": count, "campaign": name, "agent": agent, "disposition": disposition}
        await store.audit.write(AuditEntry(datetime.now(UTC), actor_name(), "calls-exported", "calls", None, after))
    click.echo(f"{count} calls exported", err=True)


@calls.command()
@click.argument("call_id")
@json_option
@pass_context
@command
async def show(context: Context, call_id: str, as_json: bool) -> None:
    """Show a call with its whole timeline."""
    async with context.store() as store:
        call = await store.calls.get(call_id)
    if call is None:
        raise Refused(f"there is no such call: call_id={call_id}")
    row: dict[str, Any] = {
        field.name: getattr(call, field.name) for field in fields(CallRecord) if field.name != "timeline"
    }
    row["tries"] = [f"{t.trunk} {t.tech_cause or t.cause or 'unreachable'}" for t in call.tries]
    timeline = [{"at": at.isoformat(timespec="milliseconds"), "what": what} for at, what in call.timeline]
    if as_json:
        show_one({**row, "timeline": timeline}, True)
        return
    show_one(row, False)
    show_list(timeline, False, "no timeline")


calls.add_command(recording)


def brief(call: CallRecord) -> dict[str, Any]:
    """A call in one line; the number is masked."""
    answer_to_agent = None
    if call.answered_at and call.bridged_at:
        answer_to_agent = round((call.bridged_at - call.answered_at).total_seconds() * 1000)
    return {
        "call_id": call.call_id,
        "started_at": call.started_at,
        "campaign_id": call.campaign_id,
        "lead_id": call.lead_id,
        "direction": str(call.direction),
        "number": masked(call.number),
        "status": str(call.status),
        "disposition": str(call.disposition) if call.disposition else None,
        "agent_disposition": call.agent_disposition,
        "agent": call.agent,
        "duration_seconds": call.duration_seconds,
        "answer_to_agent_ms": answer_to_agent,
        "cause": call.hangup_cause,
        "tech_cause": call.tech_cause,
    }
