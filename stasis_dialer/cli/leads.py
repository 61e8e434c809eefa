"""`stasis-dialer leads`: import, list and show the people to be called."""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from stasis_dialer.cli import explaining, lead_rules, person, recycling
from stasis_dialer.cli.context import Context, actor_name, command, name_or_id, pass_context
from stasis_dialer.cli.exporting import export_leads
from stasis_dialer.cli.importing import Summary, import_list
from stasis_dialer.cli.list_options import ListOptions, counting, kind_option, list_options, progress
from stasis_dialer.cli.render import json_option, show_list, show_one
from stasis_dialer.core.model import Lead, LeadStatus
from stasis_dialer.core.options import Dedupe
from stasis_dialer.core.schedule import can_be_called_now
from stasis_dialer.db.audit import AuditEntry
from stasis_dialer.db.leads import LeadFilter
from stasis_dialer.errors import Refused
from stasis_dialer.files import open_writer
from stasis_dialer.files.listing import open_list

SHOWN_REFUSALS = 10


@click.group()
def leads() -> None:
    """Leads: the people to be called."""


leads.add_command(lead_rules.callback)
leads.add_command(lead_rules.phone)
leads.add_command(explaining.explain_lead)
leads.add_command(person.erase)
leads.add_command(recycling.recycle)


@leads.command("import")
@click.argument("path", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--campaign", "name", required=True, help="Name or id of the campaign.")
@list_options
@click.option("--dedupe", type=click.Choice([str(each) for each in Dedupe]), help="Instead of the campaign's setting.")
@click.option("--dry-run", "is_dry_run", is_flag=True, help="Say what would be imported, and import nothing.")
@json_option
@pass_context
@command
async def import_(
    context: Context,
    path: Path,
    name: str,
    dedupe: str | None,
    is_dry_run: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Import leads from a CSV or XLSX file, all or nothing.

    Columns are known by their headings, in Portuguese and English: nome, telefone, celular, telefone2, ddd, ...; the
    others are kept as the lead's attributes. Rows without a valid number that is new and may be called are refused.

    \b
    Example: stasis-dialer leads import people.xlsx --campaign spring --results people.results.csv
    """
    options = ListOptions.of(given)
    async with context.store() as store:
        campaign = (await store.campaigns.get(name_or_id(name))).campaign
        numbers = replace(
            campaign.numbers,
            area_code=options.area_code or campaign.numbers.area_code,
            dedupe=Dedupe(dedupe or campaign.numbers.dedupe),
        )
        leads_list = open_list(path, replace(campaign, numbers=numbers), options.read)
        with progress(as_json) as show, options.result_writer() as writer:
            summary = await import_list(
                store, leads_list, actor=actor_name(), is_dry_run=is_dry_run, results=writer, show=show
            )
    if as_json:
        show_one(summary.as_object(), True)
        return
    _tell(summary, options.results)


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
@click.argument("target", metavar="[FILE]", required=False)
@click.option("--campaign", "name", help="Name or id of the campaign.")
@click.option("--status", type=click.Choice([str(status) for status in LeadStatus]))
@click.option("--result", help="Only leads with this result.")
@kind_option
@person.number_option
@person.region_option
@click.option("--json", "as_json", is_flag=True, help="With --number: print JSON.")
@pass_context
@command
async def export(
    context: Context,
    target: str | None,
    name: str | None,
    status: str | None,
    result: str | None,
    kind: str | None,
    number: str | None,
    region: str,
    as_json: bool,
) -> None:
    """Write leads to FILE, as CSV or XLSX by its name, or CSV to standard output for `-`.

    Every attribute has a column of its own; `leads import` reads the file again. No cell is a formula.

    With --number: everything that is held on whoever has this number, as a person may ask for (LGPD); as JSON into
    FILE, or shown.

    \b
    Examples:
      stasis-dialer leads export spring.xlsx --campaign spring --status failed
      stasis-dialer leads export ana.json --number "(11) 98765-4321"
    """
    if number is not None:
        if name or status or result or kind:
            raise click.UsageError("--number is for one person: it takes FILE, --region and --json alone")
        await person.export(context, number, region, target, as_json)
        return
    if target is None or as_json:
        raise click.UsageError("give FILE, or --number")
    async with context.store() as store:
        campaign_id = (await store.campaigns.get(name_or_id(name))).campaign.id if name else None
        which = LeadFilter(campaign_id, LeadStatus(status) if status else None, result)
        with counting() as show, open_writer(target, kind) as writer:
            count = await export_leads(store, which, writer, show)
        after = {"leads": count, "campaign": name, "status": status, "result": result}
        await store.audit.write(AuditEntry(datetime.now(UTC), actor_name(), "leads-exported", "leads", None, after))
    click.echo(f"{count} leads exported", err=True)


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
        phones = [asdict(phone) for phone in await store.leads.phones(lead_id)]
    row = _row(lead) | {"can_be_called_now": can_be_called_now(lead, datetime.now(UTC))}
    if as_json:
        show_one({**row, "phones": phones, "calls": [brief(call) for call in calls]}, True)
        return
    show_one(row, False)
    if phones:
        show_list(phones, False, "")
    show_list([brief(call) for call in calls], False, "no calls yet")


def _tell(summary: Summary, results: Path | None) -> None:
    """The summary for people: what was refused and why, then the counts."""
    if summary.was_imported_at is not None:
        click.echo(f"this file was imported before, at {summary.was_imported_at} UTC: nothing to add")
        return
    for refusal in summary.refusals[: 0 if results else SHOWN_REFUSALS]:
        detail = f"; {refusal['detail']}" if refusal["detail"] else ""
        click.echo(f"line {refusal['line']}: {refusal['reason']}{detail}", err=True)
    if results is None and summary.refused > SHOWN_REFUSALS:
        click.echo(f"and {summary.refused - SHOWN_REFUSALS} more; --results FILE lists every row", err=True)
    why = ", ".join(f"{count} {reason}" for reason, count in summary.reasons.most_common())
    done = "would be imported" if summary.is_dry_run else "imported"
    click.echo(f"{summary.imported} leads {done}, {summary.refused} refused{f' ({why})' if why else ''}")


def _row(lead: Lead) -> dict[str, Any]:
    return {field.name: getattr(lead, field.name) for field in fields(Lead)} | {"attributes": dict(lead.attributes)}
