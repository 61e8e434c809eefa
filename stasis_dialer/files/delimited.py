"""CSV as it is found: which delimiter and quotes a file uses, and its records with the line each began on.

A quote that is never closed spoils its own line and no other: a record may span `MAX_SPAN` lines, and the line that
opened it is refused when they do not close it.
"""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from stasis_dialer.files.text import MAX_LINE, Line

DELIMITERS: Final = (";", ",", "\t", "|")
"""In the order of preference when a file speaks for several."""
SAMPLE_LINES: Final = 50
MAX_SPAN: Final = 50
"""Lines of one record; addresses and notes have line breaks, a few."""
MAX_RECORD: Final = 1 << 18

csv.field_size_limit(2 * MAX_RECORD)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a file separates and quotes its fields."""

    delimiter: str = ","
    quote: str = '"'
    is_escaped: bool = False
    """A quote within quotes has a backslash in front instead of being doubled."""

    def options(self) -> dict[str, Any]:
        """For the csv module."""
        escape = {"escapechar": "\\", "doublequote": False} if self.is_escaped else {}
        return {"delimiter": self.delimiter, "quotechar": self.quote, **escape}


class Row(NamedTuple):
    """A record's cells, and the line on which it began."""

    line: int
    cells: list[str]


class BadRow(NamedTuple):
    """A line that is no record: `reason` is a word for results."""

    line: int
    reason: str
    detail: str


def dialect_of(lines: Sequence[str], delimiter: str | None = None) -> Dialect:
    """The dialect of a file that begins with these lines."""
    lines = [line for line in lines if line.strip()][:SAMPLE_LINES]
    text = "\n".join(lines)
    escaped = text.count('\\"') > text.count('""')
    quote = '"'
    if '"' not in text:
        edges = sum(line.lstrip().startswith("'") and line.rstrip().endswith("'") for line in lines)
        quote = "'" if lines and edges > len(lines) / 2 else '"'
    if delimiter is None:
        delimiter = max(DELIMITERS, key=lambda sign: (_agreement(lines, sign, quote), -DELIMITERS.index(sign)))
        if _agreement(lines, delimiter, quote) <= 0:
            delimiter = ","
    return Dialect(delimiter, quote, escaped)


def records(blocks: Iterable[list[Line]], dialect: Dialect, first_line: int = 1) -> Iterator[list[Row | BadRow]]:
    """The records of a file's lines, some at a time; blank lines are left out."""
    waiting: list[Line] = []
    line = first_line
    for block in blocks:
        waiting += block
        found, used = _parsed(waiting, dialect, line, is_last=False)
        line += used
        waiting = waiting[used:]
        if found:
            yield found
    while waiting:
        found, used = _parsed(waiting, dialect, line, is_last=True)
        line += used
        waiting = waiting[used:]
        if found:
            yield found


class _Feed:
    """Lines for one csv reader, which asks for another one only while a quote is open."""

    def __init__(self, lines: list[Line], position: int) -> None:
        self._lines = lines
        self.position = position
        self.begin()

    def begin(self) -> None:
        """A record has ended, another one may begin."""
        self.start = self.position
        self.is_open = False
        self._size = 0

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        line = self._lines[self.position] if self.position < len(self._lines) else None
        if line is None or self.position - self.start >= MAX_SPAN or self._size > MAX_RECORD:
            self.is_open = self.position > self.start
            raise StopIteration
        self.position += 1
        self._size += len(line)
        return f"{line}\n"


def _parsed(lines: list[Line], dialect: Dialect, first: int, *, is_last: bool) -> tuple[list[Row | BadRow], int]:
    """Records of the lines and how many lines they took; those of a record that is not whole yet stay."""
    quote = dialect.quote
    if None not in lines and not any(quote in line for line in lines if line):
        rows = csv.reader([line or "" for line in lines], **dialect.options())
        return [Row(first + index, row) for index, row in enumerate(rows) if _is_filled(row)], len(lines)
    found: list[Row | BadRow] = []
    position = 0
    while position < len(lines):
        if lines[position] is None:
            found.append(BadRow(first + position, "line_too_long", f"longer than {MAX_LINE // 1024} KiB"))
            position += 1
            continue
        feed = _Feed(lines, position)
        with contextlib.suppress(csv.Error):
            _read(feed, dialect, first, found)
        position = feed.start
        if feed.is_open and feed.position == len(lines) and not is_last:
            return found, position
        if feed.position - position == 1 and not feed.is_open:  # quotes within a field, as nobody should write them
            cells = next(csv.reader([lines[position] or ""], **dialect.options()))
            found += [Row(first + position, cells)] if _is_filled(cells) else []
            position += 1
        elif feed.position > position:
            found.append(BadRow(first + position, "unclosed_quote", "its quote is not closed, or closed in the midst"))
            position += 1
    return found, position


def _read(feed: _Feed, dialect: Dialect, first: int, found: list[Row | BadRow]) -> None:
    """Records, as long as they are whole. Raises: csv.Error at quotes that stand where none may."""
    for cells in csv.reader(feed, strict=not dialect.is_escaped, **dialect.options()):
        if feed.is_open:
            return
        if _is_filled(cells):
            found.append(Row(first + feed.start, cells))
        feed.begin()


def _is_filled(row: list[str]) -> bool:
    return any(row) and not "".join(row).isspace()


def _agreement(lines: Sequence[str], sign: str, quote: str) -> float:
    """How much the lines speak for a delimiter: the share with the usual count of it, and the count."""
    counts = [_outside_quotes(line, quote).count(sign) for line in lines]
    filled = [count for count in counts if count]
    if not filled:
        return 0.0
    usual = max(set(filled), key=lambda count: (filled.count(count), count))
    return filled.count(usual) / len(counts) + min(usual, 50) / 1000


def _outside_quotes(line: str, quote: str) -> str:
    return "".join(line.split(quote)[::2]) if quote in line else line
