"""Lines of a text file in any usual encoding, with bounded memory.

A line longer than `MAX_LINE` is passed over without being kept. UTF-8 is tried line by line and Windows-1252 is what a
line is in otherwise, so that a file put together from both reads well; UTF-16 is told by its byte order mark, or by
the NULs of its Latin letters.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import AnyStr, BinaryIO, Final

from stasis_dialer.errors import Refused

BLOCK: Final = 1 << 18
MAX_LINE: Final = 1 << 18
"""Bytes (characters in UTF-16) of one line; a row of a real list has a few hundred."""
SAMPLE: Final = 1 << 16
BINARY_SHARE: Final = 0.05
"""A sample with more control characters than this is no text."""

FEW: Final = 8
"""So many control characters are no proof in a small file."""

_MARKS: Final = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_MAGIC: Final = (
    (b"\xd0\xcf\x11\xe0", "an old Excel file (.xls)"),
    (b"%PDF", "a PDF"),
    (b"\x1f\x8b", "compressed (gzip)"),
    (b"Rar!", "compressed (RAR)"),
    (b"7z\xbc\xaf", "compressed (7z)"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
)
_CONTROL: Final = bytes(set(range(32)) - set(b"\t\r\n\x0b\x0c\x1a\x00")) + b"\x7f"

Line = str | None
"""A line without its end; None: one that is longer than allowed."""


def encoding_of(sample: bytes, name: str) -> tuple[str, int]:
    """The encoding of a file that begins like this, and the bytes of its mark; `utf-8` may fall back line by line.

    Raises: Refused for what is no text.
    """
    for mark, encoding in _MARKS:
        if sample.startswith(mark):
            return encoding, len(mark)
    for magic, what in _MAGIC:
        if sample.startswith(magic):
            raise Refused(f"not a list: file={name} is {what}; save it as CSV or XLSX")
    pairs = len(sample) // 2
    for encoding, nul in (("utf-16-le", 1), ("utf-16-be", 0)):
        if pairs >= 2 and sample[nul::2].count(0) > 0.4 * pairs and not _is_binary(sample[1 - nul :: 2]):
            return encoding, 0
    if _is_binary(sample):
        raise Refused(f"not a list: file={name} is binary; give CSV or XLSX")
    return "utf-8", 0


def _is_binary(sample: bytes) -> bool:
    control = len(sample) - len(sample.translate(None, _CONTROL)) + sample.count(0)
    return control > max(FEW, BINARY_SHARE * len(sample))


def blocks_of_lines(file: BinaryIO, encoding: str) -> Iterator[list[Line]]:
    """The file's lines, some at a time. Any of CR, LF and CRLF ends a line."""
    if encoding.startswith("utf-16"):
        texts = _characters(file, encoding)
        yield from (_bounded(lines) for lines in _split(texts, "\n", "\r", ""))
    else:
        blocks = iter(lambda: file.read(BLOCK), b"")
        yield from (_decoded(lines, encoding) for lines in _split(blocks, b"\n", b"\r", b""))


def _characters(file: BinaryIO, encoding: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    while block := file.read(BLOCK):
        yield decoder.decode(block)
    yield decoder.decode(b"", final=True)


def _split(blocks: Iterator[AnyStr], end: AnyStr, other_end: AnyStr, nothing: AnyStr) -> Iterator[list[AnyStr | None]]:
    """Lines of text that comes in blocks; None in the place of one that is too long, of which nothing is kept."""
    rest = nothing
    is_skipping = was_cut = False
    for block in blocks:
        if was_cut and block.startswith(end):  # the second half of a CRLF
            block = block[1:]
        was_cut = block.endswith(other_end)
        if is_skipping and end not in block and other_end not in block:
            continue
        if other_end in block:
            block = block.replace(other_end + end, end).replace(other_end, end)
        lines: list[AnyStr | None] = list((rest + block).split(end))
        rest = lines.pop() or nothing
        if is_skipping and lines:
            lines[0] = None
            is_skipping = False
        if is_skipping or len(rest) > MAX_LINE:
            is_skipping, rest = True, nothing
        if lines:
            yield lines
    if is_skipping:
        yield [None]
    elif rest:
        yield [rest]


def _bounded(lines: list[str | None]) -> list[Line]:
    return [line if line is not None and len(line) <= MAX_LINE else None for line in lines]


def _decoded(lines: list[bytes | None], encoding: str) -> list[Line]:
    short = [line if line is not None and len(line) <= MAX_LINE else None for line in lines]
    whole = [line for line in short if line is not None]
    if len(whole) == len(short):
        try:
            return list(b"\n".join(whole).decode(encoding).split("\n"))
        except UnicodeDecodeError:
            pass
    return [None if line is None else _text(line, encoding) for line in short]


def _text(line: bytes, encoding: str) -> str:
    for candidate in (encoding, "cp1252"):
        try:
            return line.decode(candidate)
        except UnicodeDecodeError:
            continue
    return line.decode("latin-1")
