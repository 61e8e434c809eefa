"""`stasis-dialer run --shadow`: what the dialer would do beside whoever dials; it does nothing itself."""

from __future__ import annotations

import asyncio
import json
import signal
from typing import Any

import click

from stasis_dialer.cli.context import Context
from stasis_dialer.cli.reasons import meaning
from stasis_dialer.db.database import Database
from stasis_dialer.db.shadow import ShadowReader
from stasis_dialer.db.store import Store
from stasis_dialer.engine.clock import Clock
from stasis_dialer.engine.shadow import Shadow
from stasis_dialer.engine.trunks import Trunks


async def run_shadow(context: Context, as_json: bool, interval: float, seconds: float | None) -> None:
    """Watch and tell until a signal comes, or for so many seconds. Raises: DatabaseUnavailable at the start."""
    settings = context.settings
    address = settings.database
    database = Database(
        address.url,
        address.password.get_secret_value(),
        pool_size=2,
        legacy_timezone=address.legacy_timezone,
        is_read_only=True,
    )
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with Store(database) as store:
        clock = Clock()
        shadow = Shadow(
            clock,
            ShadowReader(database, store.leads.holidays),
            store.campaigns,
            store.agents,
            store.decisions,
            store.calls,
            Trunks(settings.core_trunks(), clock),
            settings.engine.safe_harbour_media,
            interval,
            _say_json if as_json else _say,
        )
        await shadow.run(stop, seconds)


def _say_json(told: dict[str, Any]) -> None:
    click.echo(json.dumps(told, ensure_ascii=False))


def _say(told: dict[str, Any]) -> None:
    click.echo(line(told))


def line(told: dict[str, Any]) -> str:
    """One object of shadow mode as people read it."""
    match told["kind"]:
        case "interval":
            would = "; ".join(
                f"{mode} would place {it['calls']} ({it['reason']})" for mode, it in told["would_place"].items()
            )
            refused = f"; run would refuse {told['mode']}: {meaning(told['forbidden'])}" if told["forbidden"] else ""
            return (
                f"{told['at']} {told['campaign']}: {told['agents_free']} of {told['agents_registered']} agents free, "
                f"{told['calls_in_flight']} calls in flight, {told['calls_open']} open; placed since then: "
                f"{told['placed_since']}; {would}{refused}"
            )
        case "lead":
            return (
                f"  would dial lead {told['lead_id']} {told['number']} attempt {told['attempt']} "
                f"trunk {told['trunk'] or '-'} shows {told['caller_id'] or '-'}"
            )
        case "sum":
            would = ", ".join(f"{mode} {calls}" for mode, calls in told["would_place"].items())
            return (
                f"{told['campaign']}: in {told['seconds']} s and {told['intervals']} intervals {told['placed']} calls "
                f"were placed; would have been placed: {would or 'none'}; leads named: {told['leads_named']}"
            )
        case _:
            return (
                f"watched for {told['seconds']} s; "
                f"calls whose campaign is unknown: {told['calls_of_unknown_campaign']}; nothing was dialled or written"
            )
