"""Tables written a row at a time, safe to open in a spreadsheet: no text of ours becomes a formula there.

A file is complete or not there: it is written beside its name and renamed at the end.
"""

from __future__ import annotations

import contextlib
import csv
import re
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final, Protocol

from stasis_dialer.files.sheet import MAX_CELL, MAX_ROWS

STDOUT: Final = "-"
_STARTS_FORMULA: Final = re.compile(r"\s*[=+\-@\t\r\uff0b\uff0d\uff1d\uff20]")
"""What a spreadsheet takes for a formula's begin. Source: OWASP, CSV Injection; with the full-width signs."""
_NOT_IN_XML: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


class TableWriter(Protocol):
    """Where rows go."""

    def write(self, row: Sequence[Any]) -> None:
        """Append one row."""


def safe_text(value: Any) -> Any:
    """A CSV cell that no spreadsheet runs: an apostrophe before what would be a formula. Numbers stay numbers."""
    if value is None:
        return ""
    if isinstance(value, str):
        value = value.replace("\x00", "")
        return f"'{value}" if _STARTS_FORMULA.match(value) else value
    return value.isoformat(" ", "seconds") if isinstance(value, datetime) else value


class _CsvWriter:
    def __init__(self, file: IO[str]) -> None:
        self._writer = csv.writer(file, lineterminator="\r\n")

    def write(self, row: Sequence[Any]) -> None:
        self._writer.writerow([safe_text(value) for value in row])


class _XlsxWriter:
    """Rows of a workbook; a sheet that is full goes on in another one, under the same headings."""

    def __init__(self) -> None:
        from openpyxl import Workbook
        from openpyxl.cell import WriteOnlyCell

        self._cell = WriteOnlyCell
        self.workbook = Workbook(write_only=True)
        self._headings: Sequence[Any] | None = None
        self._count = MAX_ROWS

    def write(self, row: Sequence[Any]) -> None:
        if self._count >= MAX_ROWS:
            self._sheet = self.workbook.create_sheet()
            self._count = 0
            if self._headings is not None:
                self._append(self._headings)
        if self._headings is None:
            self._headings = row
        self._append(row)

    def close(self) -> None:
        """End what was not saved; openpyxl removes its temporary files when the program ends."""
        for sheet in self.workbook.worksheets:
            if not sheet.closed:
                sheet.close()

    def _append(self, row: Sequence[Any]) -> None:
        self._sheet.append([self._value(value) for value in row])
        self._count += 1

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            cell = self._cell(self._sheet, _NOT_IN_XML.sub("", value)[:MAX_CELL])
            cell.data_type = "s"  # text, whatever it begins with
            return cell
        return value.isoformat(" ", "seconds") if isinstance(value, datetime) else value


@contextlib.contextmanager
def open_writer(target: str | Path, kind: str | None = None) -> Iterator[TableWriter]:
    """A file, or `-` for standard output, to write rows to; `kind` is `csv` or `xlsx`, else by the file's name."""
    kind = kind or ("xlsx" if str(target).lower().endswith(".xlsx") else "csv")
    if str(target) == STDOUT and kind == "csv":
        yield _CsvWriter(sys.stdout)
        return
    path = Path(target)
    part = path.with_name(f".{path.name}.part")
    try:
        if kind == "xlsx":
            sheets = _XlsxWriter()
            try:
                yield sheets
                sheets.workbook.save(part)
            finally:
                sheets.close()
        else:
            with part.open("w", encoding="utf-8-sig", newline="") as file:  # the mark tells Excel that it is UTF-8
                yield _CsvWriter(file)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
