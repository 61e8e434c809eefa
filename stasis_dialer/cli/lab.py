"""`stasis-dialer lab`: a complete telephone world on this machine, started and stopped with one command.

Prints results to standard output and progress to standard error. A second Ctrl-C is not needed: whatever was started is
ended before the command returns.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from stasis_dialer.cli.demo import demo
from stasis_dialer.errors import LabError
from stasis_dialer.lab import fates, greetings
from stasis_dialer.lab.world import DEFAULT_NAME, MOST_PHONES, Lab

EXIT_MISSING = 3
"""Something that the command needs is missing or down."""
FOLLOW_SECONDS = 0.25
Function = TypeVar("Function", bound=Callable[..., None])

name_option = click.option("--name", default=DEFAULT_NAME, show_default=True, help="Which lab, when several run.")


def one_sentence(command: Function) -> Function:
    """Turn a failure of the lab into one line and exit code 3, and Ctrl-C into exit code 130."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except LabError as error:
            click.echo(f"lab: {error}", err=True)
            sys.exit(EXIT_MISSING)
        except KeyboardInterrupt:
            click.echo("lab: interrupted, everything that was started has been ended", err=True)
            sys.exit(130)

    return wrapped  # type: ignore[return-value]


@click.group()
def lab() -> None:
    """A real Asterisk, a carrier, phones and MariaDB on loopback, without root or containers.

    \b
    stasis-dialer lab up                 start, and print where everything is
    stasis-dialer lab status             what runs
    stasis-dialer lab logs carrier -f    every call that reached the carrier
    stasis-dialer lab down               end it
    """


@lab.command()
@name_option
@click.option(
    "--phones", default=10, show_default=True, type=click.IntRange(1, MOST_PHONES), help="Agents' phones, from 1001 on."
)
@click.option("--seed", default=1, show_default=True, help="Decides the fates of the numbers of the mix.")
@one_sentence
def up(name: str, phones: int, seed: int) -> None:
    """Start a lab that lives on until `lab down`. Its data is new.

    The first time, Asterisk and MariaDB are fetched into your cache folder when this machine has none (about 20 s).

    \b
    stasis-dialer lab up --phones 20
    set -a; . .lab/main/env; set +a; export STASIS_DIALER_CONFIG=.lab/main/config.yaml
    stasis-dialer db upgrade; stasis-dialer run
    """
    world = Lab(name, phones=phones, seed=seed)
    world.start(owned=False)
    config, environment = shorter(world.config_path), shorter(world.env_path)
    click.echo(f"Asterisk (ARI)   {world.ari_url}  user {world.ari_user}")
    click.echo(f"MariaDB          127.0.0.1:{world.mariadb.port}")
    click.echo(f"phones           {world.extensions[0]} to {world.extensions[-1]}, registered")
    click.echo(f"configuration    {config}   secrets: {environment}")
    click.echo(f"next             set -a; . {environment}; set +a; export STASIS_DIALER_CONFIG={config}")
    click.echo("                 stasis-dialer db upgrade; stasis-dialer run")


@lab.command()
@name_option
@one_sentence
def down(name: str) -> None:
    """End a lab and every process of it. Its logs and data stay until the next `lab up`."""
    world = Lab(name)
    if not world.folder.is_dir():
        raise LabError(f"there is no lab of that name: name={name} folder={world.folder}")
    world.stop()
    click.echo(f"lab {name} is down")


@lab.command()
@name_option
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@one_sentence
def status(name: str, as_json: bool) -> None:
    """Say what runs. Exit code 3 when not everything does."""
    world = Lab(name)
    known = world.load()
    processes = world.processes()
    running = known and world.is_running()
    facts: dict[str, object] = {"name": name, "running": running, "processes": processes}
    if known:
        facts |= {"ari_url": world.ari_url, "database_port": world.mariadb.port, "config": str(world.config_path)}
    if running:
        facts |= {
            "channels": len(world.pbx.ari.get("channels")),
            "bridges": len(world.pbx.ari.get("bridges")),
            "phones_registered": sum(phone.is_registered() for phone in world.phones()),
            "calls_at_carrier": len(world.carrier.invites()),
        }
    if as_json:
        click.echo(json.dumps(facts))
    else:
        for key, value in facts.items():
            click.echo(f"{key:18} {value}")
    if not running:
        sys.exit(EXIT_MISSING)


@lab.command()
@name_option
@click.argument("which", type=click.Choice(["pbx", "carrier", "mariadb", "calls"]), default="pbx")
@click.option("-f", "--follow", is_flag=True, help="Go on with new lines until Ctrl-C.")
@one_sentence
def logs(name: str, which: str, follow: bool) -> None:
    """Show a log: Asterisk's messages, MariaDB's, or the carrier's record of every call.

    \b
    stasis-dialer lab logs calls -f      one line of JSON at each INVITE and at each end
    """
    world = Lab(name)
    if not world.load():
        raise LabError(f"there is no lab of that name: name={name} folder={world.folder}")
    paths = {
        "pbx": world.pbx.log_path,
        "carrier": world.carrier.asterisk.log_path,
        "mariadb": world.mariadb.log_path,
        "calls": world.carrier.log_path,
    }
    for line in lines_of(paths[which], follow):
        click.echo(line, nl=False)


@lab.command()
def numbers() -> None:
    """Show what the carrier does with which number."""
    click.echo(f"{fates.table_markdown()}\n\n{greetings.table_markdown()}")


def lines_of(path: Path, follow: bool) -> Iterator[str]:
    """The lines of a file; with `follow`, also those that are still to come.

    Raises: LabError when the file is not there.
    """
    try:
        handle = path.open(errors="replace")
    except OSError as error:
        raise LabError(f"log cannot be read: path={path} error={error.strerror}") from error
    with handle:
        while True:
            line = handle.readline()
            if line:
                yield line
            elif not follow:
                return
            else:
                time.sleep(FOLLOW_SECONDS)


def shorter(path: Path) -> Path:
    """A path as a person would type it here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


lab.add_command(demo)


if __name__ == "__main__":
    lab()
