"""Lists that were made to do harm, or by a broken program; each with what its rows must come to."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from openpyxl import Workbook

HEAD = "nome;telefone\n"
GOOD = "Ana;11 98765-4321\n"
INJECTIONS = (
    "5511@evil",
    "5511987654321@evil",
    "PJSIP/x&PJSIP/y",
    "5511987654321&PJSIP/y",
    "1,Dial(PJSIP/x)",
    "Local/5511987654321@internal",
    "${SHELL(rm -rf /)}",
    "5511987654321\r",
    "*21*5511987654321#",
    "sip:5511987654321@carrier",
    "'; DROP TABLE discador_contatos; --",
    "5511987654321' OR '1'='1",
    '=HYPERLINK("http://evil";"5511987654321")',
    "=cmd|'/C calc'!A0",
    "+5511987654321+1",
    "٥٥١١٩٨٧٦٥٤٣٢١",
    "５５１１９８７６５４３２１",
    "5511987654321\x00",
    "\x1b[2J5511987654321",
    "9" * 5000,
    "190",
)


@dataclass(frozen=True)
class Hostile:
    """A file, and the results of its rows: `imported` or a reason, by line; None: refused as a whole."""

    make: Callable[[Path], Path]
    results: dict[int, str] | None
    says: str = ""


def text(content: str | bytes, name: str = "list.csv") -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


def sheet(*rows: list[object]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        book = Workbook()
        for row in rows:
            book.active.append(row)
        book.save(folder / "list.xlsx")
        return folder / "list.xlsx"

    return make


def quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


HOSTILE = {
    "empty": Hostile(text(""), None, "is empty"),
    "only blank lines": Hostile(text("\n;\n\r\n"), None, "is empty"),
    "only headings": Hostile(text(HEAD), {}),
    "binary": Hostile(text(bytes(range(256)) * 99), None, "is binary"),
    "a picture called CSV": Hostile(text(b"\x89PNG\r\n\x1a\n" + bytes(range(256))), None, "is a picture"),
    "one column": Hostile(text("telefone\n11987654321\nx\n"), {2: "imported", 3: "invalid_number"}),
    "no column of numbers": Hostile(text("a;b\nc;d\n"), None, "no column with phone numbers"),
    "mixed encodings": Hostile(
        text(HEAD.encode() + "José;11 98765-4321\n".encode() + "Zé;11 98765-4322\n".encode("cp1252") + b"\xff\xfe;1\n"),
        {2: "imported", 3: "imported", 4: "invalid_number"},
    ),
    "NULs": Hostile(
        text(f"{HEAD}A\0na;11987654321\nZé;1198765\0 4322\n\0\0\0;\0\n"),
        {2: "imported", 3: "invalid_number", 4: "invalid_number"},
    ),
    "UTF-16 cut in the midst": Hostile(text((HEAD + GOOD).encode("utf-16") + b"x"), {2: "imported", 3: "no_number"}),
    "rows of other lengths": Hostile(
        text(f"{HEAD}Ana\nZé;11987654321;more;and more\n;;;;;\n{';' * 600}11987654322\n"),
        {2: "no_number", 3: "imported", 5: "too_many_columns"},
    ),
    "quotes without end": Hostile(
        text(f'{HEAD}"Ana;11987654321\nZé;11987654322\n"Bia;11987654323'),
        {2: "unclosed_quote", 3: "imported", 4: "unclosed_quote"},
    ),
    "a line of half a megabyte": Hostile(
        text(f"{HEAD}{'x' * 500_000};11987654321\n{GOOD}"), {2: "line_too_long", 3: "imported"}
    ),
    "injections": Hostile(
        text(HEAD + "".join(f"{quoted(bad)};{quoted(bad)}\n" for bad in INJECTIONS if "\r" not in bad) + GOOD),
        dict.fromkeys(range(2, len(INJECTIONS) + 1), "invalid_number") | {len(INJECTIONS) + 1: "imported"},
    ),
    "injections in a sheet": Hostile(
        sheet(["nome", "telefone"], ["a", "=1+1"], ["b", "5511@evil"], ["c", -1.5], ["d", 1e300], ["e", 11987654321]),
        {2: "no_number", 3: "invalid_number", 4: "invalid_number", 5: "invalid_number", 6: "imported"},
    ),
}
