"""Files as people have them: encodings, delimiters, quotes, line ends, headings, titles, sheets."""

import zipfile
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from stasis_dialer.core.model import Campaign
from stasis_dialer.errors import Refused
from stasis_dialer.files import BadRow, Row, open_table
from stasis_dialer.files.delimited import Dialect, dialect_of, records
from stasis_dialer.files.listing import ReadOptions, open_list
from stasis_dialer.files.text import MAX_LINE

TEXT = "nome;telefone\nJosé Araújo;11 98765-4321\n"
ROWS = [["nome", "telefone"], ["José Araújo", "11 98765-4321"]]


def table(folder: Path, content: bytes | str, **options: Any) -> list[Row | BadRow]:
    path = folder / "list.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return [row for rows, _ in open_table(path, **options).batches() for row in rows]


def cells(folder: Path, content: bytes | str, **options: Any) -> list[list[str]]:
    return [row.cells for row in table(folder, content, **options) if isinstance(row, Row)]


def sheet(path: Path, *rows: list[Any]) -> Path:
    book = Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)
    return path


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        TEXT.encode("cp1252"),
        TEXT.encode("latin-1"),
        TEXT.encode("utf-16"),
        b"\xff\xfe" + TEXT.encode("utf-16-le"),
        b"\xfe\xff" + TEXT.encode("utf-16-be"),
        TEXT.encode("utf-16-le"),
        TEXT.encode("utf-16-be"),
        TEXT.replace("\n", "\r\n").encode(),
        TEXT.replace("\n", "\r").encode(),
        TEXT.replace("\n", "\r\n").encode("utf-16"),
        TEXT.replace(";", ",").encode(),
        TEXT.replace(";", "\t").encode(),
        TEXT.replace(";", "|").encode(),
        b"sep=;\r\n" + TEXT.encode(),
        b'"nome";"telefone"\n"Jos\xc3\xa9 Ara\xc3\xbajo";"11 98765-4321"',
        b"'nome','telefone'\n'Jos\xc3\xa9 Ara\xc3\xbajo','11 98765-4321'\n",
        b"\n\n" + TEXT.encode() + b";\n\n",
    ],
)
def test_given_any_usual_encoding_delimiter_quoting_and_line_end_then_the_same_rows(
    tmp_path: Path, content: bytes
) -> None:
    assert cells(tmp_path, content) == ROWS


def test_given_both_encodings_in_one_file_then_each_line_is_read_in_its_own(tmp_path: Path) -> None:
    content = "nome;fone\nJosé;1\n".encode() + "Zé;2\n".encode("cp1252") + b"\x81;3\n"
    assert cells(tmp_path, content) == [["nome", "fone"], ["José", "1"], ["Zé", "2"], ["\x81", "3"]]


def test_what_is_said_goes_before_what_is_seen(tmp_path: Path) -> None:
    assert cells(tmp_path, "a;b,c\nd;e,f", delimiter=";") == [["a", "b,c"], ["d", "e,f"]]
    assert cells(tmp_path, b"\xc3\xa9,x\n", encoding="latin-1") == [["Ã©", "x"]]


def test_quotes_hold_delimiters_and_line_ends_and_lines_are_counted_on(tmp_path: Path) -> None:
    found = table(tmp_path, 'nome,fone\n"Lima, ""Ana""\nRua 1",1\nZé,2\n')
    assert found == [Row(1, ["nome", "fone"]), Row(2, ['Lima, "Ana"\nRua 1', "1"]), Row(4, ["Zé", "2"])]


def test_a_backslash_may_stand_before_a_quote(tmp_path: Path) -> None:
    assert cells(tmp_path, 'a,b\n"x \\"y\\"",1\n') == [["a", "b"], ['x "y"', "1"]]


def test_given_a_quote_that_is_never_closed_then_its_own_line_is_refused_and_no_other(tmp_path: Path) -> None:
    found = table(tmp_path, 'nome,fone\n"Ana,1\nZé,2\n"Bia",3\n"x "y" z",4\n"Caio,5')
    assert [(row.line, getattr(row, "reason", None)) for row in found] == [
        (1, None),
        (2, "unclosed_quote"),
        (3, None),
        (4, None),
        (5, None),
        (6, "unclosed_quote"),
    ]


def test_given_lines_that_are_too_long_then_they_are_refused_and_the_others_read(tmp_path: Path) -> None:
    long = "x" * (MAX_LINE + 1)
    for encoding in ("utf-8", "utf-16"):
        found = table(tmp_path, f"nome,fone\n{long},1\nZé,2\n{long * 3}\nBia,3\n{long}".encode(encoding))
        seen = [getattr(row, "reason", row.line) for row in found]
        assert seen == [1, "line_too_long", 3, "line_too_long", 5, "line_too_long"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"\n \r\n;;\n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (bytes(range(256)) * 40, "is binary"),
        (b"\x00" * 5000, "is empty"),
        (b"\x00\x01" * 5000, "is binary"),
        (b"%PDF-1.7\n", "is a PDF"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel file"),
        (b"\x1f\x8b\x08\x00", "compressed"),
        (b"PK\x03\x04 and no more", "not an XLSX file"),
    ],
)
def test_given_what_is_no_list_then_it_is_refused_with_what_it_is(tmp_path: Path, content: bytes, says: str) -> None:
    with pytest.raises(Refused, match=says):
        table(tmp_path, content)


FIELD = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=12).map(lambda t: f"{t}.")


@given(st.lists(st.lists(FIELD, min_size=3, max_size=3), min_size=1, max_size=30), st.sampled_from(";,\t|"))
def test_given_any_cells_in_quotes_then_they_are_read_back(rows: list[list[str]], delimiter: str) -> None:
    lines = [delimiter.join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows]
    found = [row for block in records([[line] for line in lines], Dialect(delimiter)) for row in block]
    assert [row.cells for row in found if isinstance(row, Row)] == rows


@given(st.lists(st.text(max_size=40), max_size=20))
def test_given_any_lines_then_each_is_in_exactly_one_record_or_refused(lines: list[str]) -> None:
    lines = [line.replace("\n", "").replace("\r", "") for line in lines]
    found = [row for block in records([list(lines)], dialect_of(lines)) for row in block]
    begun = [row.line for row in found]
    assert begun == sorted(set(begun))
    assert all(1 <= line <= len(lines) for line in begun)


def test_given_titles_above_the_headings_then_the_headings_are_found(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("Relatório de clientes\n\nGerado em;hoje\nnome;fone\nAna;11987654321\n")
    (batch,) = open_list(path, Campaign(1, "x"), ReadOptions()).batches()
    assert [(lead.line, lead.name) for lead in batch.leads] == [(5, "Ana")]
    assert batch.refused == []


def test_given_no_headings_then_the_first_row_is_a_lead(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("11987654321\n1131234567\n")
    (batch,) = open_list(path, Campaign(1, "x"), ReadOptions()).batches()
    assert [lead.phones[0].number for lead in batch.leads] == ["5511987654321", "551131234567"]


def test_given_a_sheet_then_its_rows_with_numbers_as_people_read_them(tmp_path: Path) -> None:
    path = sheet(
        tmp_path / "list.xlsx",
        ["Nome", "Celular", "Nascimento", "Saldo"],
        ["José", 11987654321, date(1980, 5, 1), 10.5],
        [],
        ["Zé", "(11) 3123-4567", datetime(2026, 1, 2, 3, 4), None],
        ["Bia", 11987654322.0, True, "=1+1"],
    )
    found = [row for rows, _ in open_table(path).batches() for row in rows]
    assert [row.cells for row in found if isinstance(row, Row)] == [
        ["Nome", "Celular", "Nascimento", "Saldo"],
        ["José", "11987654321", "1980-05-01", "10.5"],
        ["Zé", "(11) 3123-4567", "2026-01-02 03:04:00"],
        ["Bia", "11987654322", "1", ""],
    ]
    (batch,) = open_list(path, Campaign(1, "x"), ReadOptions()).batches()
    assert [lead.line for lead in batch.leads] == [2, 4, 5]


def packed(path: Path, name: str, content: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
        archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("xl/worksheets/sheet1.xml", b"0" * (64 << 20), "unpacks into too much"),
        ("xl/sharedStrings.xml", b"<a>" * (20 << 20), "unpacks into too much"),
        ("xl/worksheets/sheet1.xml", b"<", "cannot be read"),
    ],
)
def test_given_a_hostile_sheet_then_it_is_refused_before_it_is_unpacked(
    tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    path = packed(tmp_path / "bomb.xlsx", name, content)
    with pytest.raises(Refused, match=says):
        open_list(path, Campaign(1, "x"), ReadOptions())


def test_given_an_archive_that_is_no_sheet_then_it_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("list.csv", TEXT)
    with pytest.raises(Refused, match="unpack it first"):
        open_table(path)


def test_given_a_sheet_with_a_row_far_below_then_its_gap_is_not_walked_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "far.xlsx"
    with zipfile.ZipFile(sheet(tmp_path / "list.xlsx", ["fone"], ["11987654321"])) as whole:
        parts = {info.filename: whole.read(info) for info in whole.infolist()}
    name = "xl/worksheets/sheet1.xml"
    parts[name] = parts[name].replace(b'r="2"', b'r="999999999"').replace(b'"A2"', b'"A999999999"')
    with zipfile.ZipFile(path, "w") as archive:
        for part, content in parts.items():
            archive.writestr(part, content)
    with pytest.raises(Refused, match="more rows than the format allows"):
        sum(len(rows) for rows, _ in open_table(path).batches())
