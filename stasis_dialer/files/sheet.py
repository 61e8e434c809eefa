"""Rows of an XLSX file's first sheet, streamed; a file that would unpack into too much is refused before.

Only the sheet's text table is held in memory: its size is bounded, as is everything that a small file could unpack to.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, Final

from stasis_dialer.errors import Refused
from stasis_dialer.files.delimited import BadRow, Row

MAX_ROWS: Final = 1_048_576
"""Source: the format's own limit."""
MAX_UNPACKED: Final = 2 << 30
MAX_STRINGS: Final = 256 << 20
"""Bytes of the text table, which openpyxl holds whole: about three million texts."""
MAX_RATIO: Final = 200
"""Unpacked to packed. A real sheet has 5 to 30, a bomb a thousand. Source: sheets of 1 M rows, measured."""
SMALL: Final = 1 << 20
"""Parts up to this size may have any ratio."""
BATCH: Final = 1000
MAX_CELL: Final = 32_767
"""Characters of a cell. Source: the format's own limit."""


def is_zip(sample: bytes) -> bool:
    """Whether a file that begins like this is an archive, as XLSX is one."""
    return sample.startswith(b"PK\x03\x04")


def check(path: Path) -> None:
    """Raises: Refused when the file is no XLSX, or unpacks into too much."""
    hint = "save it again as XLSX, or as CSV, which has no such limit"
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
        raise Refused(f"not an XLSX file: file={path.name} seen={error}; {hint}") from error
    if not any(part.filename == "xl/workbook.xml" for part in parts):
        raise Refused(f"an archive, but no XLSX file: file={path.name}; unpack it first")
    for part in parts:
        limit = MAX_STRINGS if part.filename.endswith("sharedStrings.xml") else MAX_UNPACKED
        ratio = part.file_size / max(1, part.compress_size)
        if part.flag_bits & 1:
            raise Refused(f"the file has a password: file={path.name}; save it without")
        if part.file_size > limit or (part.file_size > SMALL and ratio > MAX_RATIO):
            size = part.file_size >> 20
            raise Refused(f"unpacks into too much: file={path.name} part={part.filename} mebibytes={size}; {hint}")
    if sum(part.file_size for part in parts) > MAX_UNPACKED:
        raise Refused(f"unpacks into too much: file={path.name}; {hint}")


def batches(path: Path) -> Iterator[tuple[list[Row | BadRow], float]]:
    """The sheet's rows, some at a time, and the share of the sheet read so far.

    Raises: Refused when it cannot be read.
    """
    from openpyxl import load_workbook

    check(path)
    try:
        workbook = load_workbook(path, read_only=True, data_only=True, keep_links=False)
        sheet = workbook.worksheets[0]
        total = min(sheet.max_row or 0, MAX_ROWS)
        sheet.reset_dimensions()
        yield from _batches(sheet.iter_rows(values_only=True), total)
        workbook.close()
    except Refused:
        raise
    except Exception as error:  # openpyxl raises whatever its XML parser and its own code meet
        seen = f"{type(error).__name__}: {error}"[:200]
        raise Refused(f"the sheet cannot be read: file={path.name} seen={seen}; save it again, or as CSV") from error


def _batches(rows: Iterator[tuple[Any, ...]], total: int) -> Iterator[tuple[list[Row | BadRow], float]]:
    found: list[Row | BadRow] = []
    line = 0
    for line, cells in enumerate(rows, 1):
        if line > MAX_ROWS:
            raise Refused(f"more rows than the format allows: limit={MAX_ROWS}; save it as CSV")
        texts = [_text(cell) for cell in cells]
        if any(text and not text.isspace() for text in texts):
            found.append(Row(line, texts))
        if line % BATCH == 0:
            yield found, line / total if total else 0.0
            found = []
    yield found, 1.0


def _text(cell: Any) -> str:
    """A cell as a person reads it; a number without the decimal point that a phone number does not have."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        return cell[:MAX_CELL]
    if isinstance(cell, bool):
        return "1" if cell else "0"
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == time() else cell.isoformat(" ", "seconds")
    return cell.isoformat() if isinstance(cell, date | time) else str(cell)
