"""The command line's root."""

from __future__ import annotations

from pathlib import Path

import click

from stasis_dialer.cli.agent import agent
from stasis_dialer.cli.calls import calls
from stasis_dialer.cli.campaign import campaign
from stasis_dialer.cli.check import check
from stasis_dialer.cli.context import Context, ErrorsAsMessages
from stasis_dialer.cli.db import db
from stasis_dialer.cli.lab import lab
from stasis_dialer.cli.leads import leads
from stasis_dialer.cli.run import run


@click.group(cls=ErrorsAsMessages, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    default=Path("config.yaml"),
    show_default=True,
    envvar="STASIS_DIALER_CONFIG",
    help="The configuration (or environment variable STASIS_DIALER_CONFIG).",
)
@click.option("--debug", is_flag=True, help="Show where an error comes from.")
@click.version_option(package_name="stasis-dialer")
@click.pass_context
def main(ctx: click.Context, config: Path, debug: bool) -> None:
    """Outbound dialer for Asterisk, over ARI.

    \b
    To see it work on a machine with nothing installed:
      stasis-dialer lab demo
    Exit codes: 0 done, 1 refused, 2 usage or configuration, 3 something it needs is down.
    """
    ctx.obj = Context(config, debug)


for part in (run, check, db, campaign, leads, agent, calls, lab):
    main.add_command(part)

if __name__ == "__main__":
    main()
