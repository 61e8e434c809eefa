"""`stasis-dialer leads recycle`: closed leads are dialled again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import click

from stasis_dialer.cli.context import Context, actor_name, command, name_or_id, pass_context
from stasis_dialer.cli.render import json_option, show_one
from stasis_dialer.core.numbers import normalise
from stasis_dialer.core.recycling import Recycling


@click.command()
@click.option("--campaign", "name", required=True, help="Name or id of the campaign.")
@click.option("--disposition", "dispositions", multiple=True, help="Only leads with this last result; may be repeated.")
@click.option("--idle-days", type=click.FloatRange(0, 3650), help="Only those last called at least so many days ago.")
@click.option("--attempts-from", "least", type=click.IntRange(0, 1000), help="Only with at least so many attempts.")
@click.option("--attempts-to", "most", type=click.IntRange(0, 1000), help="Only with at most so many attempts.")
@click.option("--completed", "is_completed_too", is_flag=True, help="Also leads that were reached.")
@click.option("--limit", type=click.IntRange(1), help="At most so many.")
@click.option("--dry-run", "is_dry_run", is_flag=True, help="Say what would be recycled, and recycle nothing.")
@json_option
@pass_context
@command
async def recycle(
    context: Context,
    name: str,
    dispositions: tuple[str, ...],
    idle_days: float | None,
    least: int | None,
    most: int | None,
    is_completed_too: bool,
    limit: int | None,
    is_dry_run: bool,
    as_json: bool,
) -> None:
    """Open leads that failed again, with all their attempts before them.

    Says how many, and why the others stay. Leads that asked not to be called, whose every number is on the do-not-call
    list, retired or none, that have expired or were erased are never opened.

    \b
    Example: stasis-dialer leads recycle --campaign spring --disposition busy --disposition no_answer --idle-days 7
    """
    idle = None if idle_days is None else timedelta(days=idle_days)
    meant = Recycling(dispositions, idle, least, most, is_completed_too)
    async with context.store() as store:
        campaign = (await store.campaigns.get(name_or_id(name))).campaign
        to_number = partial(normalise, region=campaign.default_region, rules=campaign.numbers)
        now = datetime.now(UTC)
        done = await store.recycling.recycle(
            campaign, meant, to_number, now, actor_name(), limit=limit, is_dry_run=is_dry_run
        )
    if as_json:
        show_one({"recycled": done.recycled, "stay": dict(done.stay), "is_dry_run": is_dry_run}, True)
        return
    why = ", ".join(f"{count} {reason}" for reason, count in done.stay.most_common())
    verb = "would be recycled" if is_dry_run else "recycled"
    click.echo(f"{done.recycled} leads {verb}, {done.stay.total()} stay closed{f' ({why})' if why else ''}")
