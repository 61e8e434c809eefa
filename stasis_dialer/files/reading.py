"""A file as a table: what kind it is, how it is encoded and separated, and its rows in batches."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stasis_dialer.errors import Refused
from stasis_dialer.files import sheet
from stasis_dialer.files.delimited import BadRow, Dialect, Row, dialect_of, records
from stasis_dialer.files.text import SAMPLE, blocks_of_lines, encoding_of

ENCODINGS: Final = ("utf-8", "cp1252", "latin-1", "utf-16")
NOTHING: Final = b"\x00\r\n\t ;,\"'\xef\xbb\xbf\xff\xfe"
"""What an empty file may consist of."""

Batch = tuple[list[Row | BadRow], float]
"""Rows, and the share of the file read so far."""


_USUAL: Final = Dialect()


@dataclass(frozen=True, slots=True)
class Table:
    """A file that can be read, once or again."""

    path: Path
    kind: str
    """`csv` or `xlsx`."""
    encoding: str = "utf-8"
    first_byte: int = 0
    dialect: Dialect = _USUAL
    has_separator_line: bool = False
    """Its first line names the delimiter, for Excel: `sep=;`."""

    def batches(self) -> Iterator[Batch]:
        """The rows from the file's begin, some at a time; blank ones are left out. Raises: Refused."""
        if self.kind == "xlsx":
            yield from sheet.batches(self.path)
            return
        size = max(1, self.path.stat().st_size)
        with self.path.open("rb") as file:
            file.seek(self.first_byte)
            for found in records(blocks_of_lines(file, self.encoding), self.dialect):
                if self.has_separator_line and found[0].line == 1:
                    found.pop(0)
                yield found, file.tell() / size


def open_table(path: Path, encoding: str | None = None, delimiter: str | None = None) -> Table:
    """The table that a file holds; `encoding` and `delimiter` go before what is seen in it.

    Raises: Refused for what is no table.
    """
    with path.open("rb") as file:
        sample = file.read(SAMPLE)
        is_whole = not file.read(1)
    if is_whole and not sample.strip(NOTHING):
        raise Refused(f"the file is empty: file={path.name}")
    if sheet.is_zip(sample):
        sheet.check(path)
        return Table(path, "xlsx")
    seen, first_byte = encoding_of(sample, path.name)
    if encoding is None or (encoding == "utf-16" and seen.startswith("utf-16")):
        encoding = seen
    lines = [line for block in blocks_of_lines(io.BytesIO(sample[first_byte:]), encoding) for line in block if line]
    if not is_whole:
        lines = lines[:-1]  # cut in two
    separator = lines[0].lower().removeprefix("sep=") if lines and lines[0].lower().startswith("sep=") else ""
    has_separator_line = len(separator) == 1
    if has_separator_line:
        lines, delimiter = lines[1:], delimiter or separator
    return Table(path, "csv", encoding, first_byte, dialect_of(lines, delimiter), has_separator_line)
