"""`stasis-dialer run`: the dialer itself, or, with `--shadow`, its decisions alone."""

from __future__ import annotations

import click

from stasis_dialer.cli.context import Context, command, pass_context
from stasis_dialer.telemetry import configure_logs


@click.command()
@click.option(
    "--shadow", "is_shadow", is_flag=True, help="Only say what would be dialled: nothing is dialled or written."
)
@click.option("--json", "as_json", is_flag=True, help="With --shadow: one JSON object a line.")
@click.option(
    "--interval", type=click.FloatRange(1.0, 3600.0), default=30.0, show_default=True,
    help="With --shadow: seconds from one decision to the next; 30 is the legacy's.",
)  # fmt: skip
@click.option("--seconds", type=click.FloatRange(min=1.0), help="With --shadow: end after so long.")
@pass_context
@command
async def run(context: Context, is_shadow: bool, as_json: bool, interval: float, seconds: float | None) -> None:
    """Run the dialer until SIGTERM or Ctrl-C.

    A first signal lets live calls finish (engine.stop_timeout_seconds), a second one does not wait; customers who talk
    with an agent are left talking in Asterisk either way, and the next start takes them over.

    With --shadow it runs beside the legacy, or beside another dialer: it reads the database, says at each interval what
    they placed, what the legacy's rule, the campaign's mode and predictive would place and which leads, and sums up at
    the end. It knows no Asterisk.

    \b
    Example: stasis-dialer --config /etc/stasis-dialer/config.yaml run
    """
    if not is_shadow and (as_json or seconds is not None):
        raise click.UsageError("--json and --seconds belong to --shadow")
    configure_logs(context.settings.log.level, context.settings.log.format)
    if is_shadow:
        from stasis_dialer.cli.shadow import run_shadow

        await run_shadow(context, as_json, interval, seconds)
    else:
        await _run(context)


async def _run(context: Context) -> None:
    """The dialer. Imported here: what has no need of Asterisk's client does not load it."""
    from stasis_dialer.engine.service import Service
    from stasis_dialer.web.app import WebServer, make_app

    settings = context.settings
    async with context.store() as store:
        service = Service(settings, store)
        app = make_app(service.control, settings.api.token.get_secret_value())
        server = WebServer(app, settings.api.bind, settings.api.port)
        server.listen()
        await service.run(server)
