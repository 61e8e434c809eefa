"""What every command that reads a list can be told about its file, and how it shows that it goes on."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from stasis_dialer.files import TableWriter, open_writer
from stasis_dialer.files.listing import ReadOptions
from stasis_dialer.files.reading import ENCODINGS

_OPTIONS = (
    click.option(
        "--map",
        "mapping",
        multiple=True,
        metavar="COLUMN=FIELD",
        help="What a column is: name, phone, area_code, max_attempts, skip or attribute:LABEL. COLUMN is its heading, "
        "or its number from 1.",
    ),
    click.option("--area-code", metavar="DDD", help="Area code of numbers that have none."),
    click.option(
        "--header/--no-header", "has_headings", default=None, help="Is the first row headings? Seen by itself."
    ),
    click.option("--encoding", type=click.Choice(ENCODINGS), help="Seen by itself."),
    click.option("--delimiter", metavar="SIGN", help="Seen by itself; TAB for a tab."),
    click.option(
        "--results", type=click.Path(path_type=Path, dir_okay=False), help="Write each row's result to a CSV."
    ),
)


kind_option: Callable[[Any], Any] = click.option(
    "--format", "kind", type=click.Choice(["csv", "xlsx"]), help="Else by the file's name."
)


def list_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options, on a command that takes them as keywords and gives them to `ListOptions.of`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class ListOptions:
    """What was said about a list."""

    read: ReadOptions
    area_code: str | None
    results: Path | None

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> ListOptions:
        """The options as click gave them. Raises: click.BadParameter."""
        read = ReadOptions(
            _mapping(given["mapping"]), given["has_headings"], given["encoding"], _delimiter(given["delimiter"])
        )
        return cls(read, _area_code(given["area_code"]), given["results"])

    def result_writer(self) -> AbstractContextManager[TableWriter | None]:
        """Where each row's result goes, when it is wanted."""
        return contextlib.nullcontext() if self.results is None else open_writer(self.results, "csv")


@contextlib.contextmanager
def progress(is_hidden: bool) -> Iterator[Callable[[float, int], None]]:
    """A bar on standard error, while something is imported."""
    bar = Progress(
        TextColumn("importing"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]} rows"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=is_hidden,
        transient=True,
    )
    with bar:
        task = bar.add_task("rows", total=1.0, rows=0)
        yield lambda share, rows: bar.update(task, completed=share, rows=rows)


@contextlib.contextmanager
def counting() -> Iterator[Callable[[int], None]]:
    """A count of rows on standard error, while something is exported."""
    words = (TextColumn("exporting"), TextColumn("{task.completed:.0f} rows"))
    with Progress(*words, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("rows", total=None)
        yield lambda rows: bar.update(task, completed=rows)


@contextlib.contextmanager
def looking(is_hidden: bool) -> Iterator[Callable[[int], None]]:
    """A count of leads on standard error, while a database is taken over."""
    words = (TextColumn("looking"), TextColumn("{task.completed:.0f} leads"))
    with Progress(*words, console=Console(stderr=True), transient=True, disable=is_hidden) as bar:
        task = bar.add_task("leads", total=None)
        yield lambda leads: bar.update(task, completed=leads)


def _mapping(words: Sequence[str]) -> dict[str, str]:
    """`--map COLUMN=FIELD` as a mapping; a heading may hold `=` itself."""
    mapping = {}
    for word in words:
        column, found, field = word.rpartition("=")
        if not found or not column or not field:
            raise click.BadParameter(f"write COLUMN=FIELD, not {word!r}", param_hint="--map")
        mapping[column] = field
    return mapping


def _delimiter(sign: str | None) -> str | None:
    if sign is None:
        return None
    if sign.lower() in ("tab", "\\t"):
        return "\t"
    if len(sign) != 1 or sign in '"\r\n\0':
        raise click.BadParameter("one sign, or TAB", param_hint="--delimiter")
    return sign


def _area_code(digits: str | None) -> str | None:
    if digits is not None and not re.fullmatch(r"0?[1-9][0-9]{1,3}", digits):
        raise click.BadParameter("two to four digits", param_hint="--area-code")
    return digits.lstrip("0") if digits else None
