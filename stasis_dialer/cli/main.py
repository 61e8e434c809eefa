"""The command line's root."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path

import click

from stasis_dialer.cli.context import Context, ErrorsAsMessages

COMMANDS: Mapping[str, str] = {
    "run": "Run the dialer until SIGTERM or Ctrl-C.",
    "check": "Is everything there that the dialer needs?",
    "db": "The database's schema.",
    "campaign": "Campaigns: lists being dialled, with their mode and limits.",
    "leads": "Leads: the people to be called.",
    "dnc": "The do-not-call list: who must not be called, and why.",
    "agent": "Agents of a running dialer.",
    "calls": "Calls: attempts to reach a lead, and their outcome.",
    "report": "What became of calls and of agents' time, and what the rules count.",
    "simulate": "Try pacing on a simulated day: modes, agents, caps.",
    "lab": "A complete telephone world on loopback, to try and to test.",
}
"""Each is a command of the same name in its own module, which is imported when it is used: the rest costs a second."""


class Commands(ErrorsAsMessages):
    """The root group, which knows its commands by name and imports the one that is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which one meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command; its module is imported now."""
        if name not in COMMANDS:
            return None
        found: click.Command = getattr(importlib.import_module(f"stasis_dialer.cli.{name}"), name)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
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


if __name__ == "__main__":
    main()
