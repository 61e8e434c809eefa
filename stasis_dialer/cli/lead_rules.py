"""`stasis-dialer leads callback` and `leads phone`: calls promised to leads, phones taken out."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from zoneinfo import ZoneInfo

import click

from stasis_dialer.cli.context import Context, actor_name, command, pass_context
from stasis_dialer.core.model import Campaign, Lead
from stasis_dialer.core.numbers import masked, normalise
from stasis_dialer.core.settling import next_zone
from stasis_dialer.core.zones import zone_by_code
from stasis_dialer.errors import Refused


@click.command()
@click.argument("lead_id", type=int)
@click.option("--at", "text", metavar="TIME", help="Local time of the lead, such as '2026-03-05 15:00'.")
@click.option("--agent", metavar="EXTENSION", help="Who promised it; without: anybody.")
@click.option("--note", default="", help="What to know then.")
@click.option("--cancel", is_flag=True, help="Take the promise back.")
@pass_context
@command
async def callback(
    context: Context, lead_id: int, text: str | None, agent: str | None, note: str, cancel: bool
) -> None:
    """Promise a lead a call at a time of its own, or take the promise back.

    \b
    Example: stasis-dialer leads callback 4711 --at "2026-03-05 15:00" --agent 1001
    """
    if cancel == bool(text):
        raise click.UsageError("give --at TIME, or --cancel")
    now = datetime.now(UTC)
    async with context.store() as store:
        if text is None:
            if not await store.agenda.cancel(lead_id, now):
                raise Refused(f"no callback is promised: lead_id={lead_id}")
            click.echo(f"lead {lead_id}: no callback any more")
            return
        lead = await store.leads.get(lead_id)
        if lead is None:
            raise Refused(f"there is no such lead: id={lead_id}")
        campaign = (await store.campaigns.get(lead.campaign_id)).campaign
        zone = _timezone_of(lead, campaign)
        made = await store.agenda.promise(lead_id, _local(text, zone), now, agent, note, actor_name())
    click.echo(f"lead {lead_id}: callback at {made.due_at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M} in {zone}")


@click.command()
@click.argument("lead_id", type=int)
@click.argument("number")
@click.option("--retire/--restore", "is_retired", default=True, help="Take it out, or back in.")
@pass_context
@command
async def phone(context: Context, lead_id: int, number: str, is_retired: bool) -> None:
    """Take one of a lead's phones out, as a wrong number; the lead's other phones are called.

    \b
    Example: stasis-dialer leads phone 4711 "(11) 98765-4321" --retire
    """
    async with context.store() as store:
        lead = await store.leads.get(lead_id)
        if lead is None:
            raise Refused(f"there is no such lead: id={lead_id}")
        campaign = (await store.campaigns.get(lead.campaign_id)).campaign
        digits = normalise(number, campaign.default_region, campaign.numbers)
        if not await store.leads.retire_phone(lead_id, digits, is_retired=is_retired):
            raise Refused(
                f"the lead has no such phone: id={lead_id} number={masked(digits)}; `leads show` lists them; phones "
                "that the old panel added are known after the next import"
            )
    click.echo(
        f"lead {lead_id}: phone ...{digits[-4:]} {'is not called any more' if is_retired else 'is called again'}"
    )


def _local(text: str, zone: str) -> datetime:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    except ValueError:
        raise click.BadParameter(f"not a time: {text!r}; write it as '2026-03-05 15:00'", param_hint="--at") from None


def _timezone_of(lead: Lead, campaign: Campaign) -> str:
    code = next_zone(lead, partial(normalise, region=campaign.default_region, rules=campaign.numbers))
    return campaign.timezone if code is None else zone_by_code(code).timezones[0]
