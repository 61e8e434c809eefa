"""`stasis-dialer run`: the dialer itself."""

from __future__ import annotations

import click

from stasis_dialer.cli.context import Context, command, pass_context
from stasis_dialer.engine.service import Service
from stasis_dialer.telemetry import configure_logs
from stasis_dialer.web.app import WebServer, make_app


@click.command()
@pass_context
@command
async def run(context: Context) -> None:
    """Run the dialer until SIGTERM or Ctrl-C.

    A first signal lets live calls finish (engine.stop_timeout_seconds), a second one does not wait; customers who talk
    with an agent are left talking in Asterisk either way, and the next start takes them over.

    \b
    Example: stasis-dialer --config /etc/stasis-dialer/config.yaml run
    """
    settings = context.settings
    configure_logs(settings.log.level, settings.log.format)
    async with context.store() as store:
        service = Service(settings, store)
        app = make_app(service.control, settings.api.token.get_secret_value())
        server = WebServer(app, settings.api.bind, settings.api.port)
        server.listen()
        await service.run(server)
