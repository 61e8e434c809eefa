"""Files that are written: complete or absent, and no formula in them."""

import csv
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook

from stasis_dialer.files import open_writer
from stasis_dialer.files.writing import safe_text

HOSTILE = ["=1+1", "+5511", "-1", "@SUM(A1)", "\t=1", " =1", "\r=1", "＝1", '=HYPERLINK("x")', "plain", ""]


def test_given_formulas_when_written_as_csv_then_each_is_text(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    with open_writer(path) as writer:
        writer.write(HOSTILE)
        writer.write([-1, 2.5, None, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "São"])
    with path.open(encoding="utf-8-sig", newline="") as file:
        first, second = csv.reader(file)
    assert first == [f"'{text}" for text in HOSTILE[:9]] + ["plain", ""]
    assert second == ["-1", "2.5", "", "2026-01-02 03:04:05+00:00", "São"]


def test_given_formulas_when_written_as_xlsx_then_each_is_text(tmp_path: Path) -> None:
    path = tmp_path / "out.xlsx"
    with open_writer(path) as writer:
        writer.write([*HOSTILE, "a\x00b"])
        writer.write([1, None])
    rows = list(load_workbook(path).active.iter_rows())
    assert [cell.data_type for cell in rows[0] if cell.value] == ["s"] * 11
    assert rows[0][0].value == "=1+1"
    assert rows[0][11].value == "ab"
    assert rows[1][0].value == 1


def test_given_more_rows_than_a_sheet_holds_then_they_go_on_in_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stasis_dialer.files.writing.MAX_ROWS", 3)
    path = tmp_path / "out.xlsx"
    with open_writer(path) as writer:
        for row in (["n"], [1], [2], [3]):
            writer.write(row)
    sheets = load_workbook(path).worksheets
    assert [[cell for (cell,) in sheet.values] for sheet in sheets] == [["n", 1, 2], ["n", 3]]


@pytest.mark.parametrize("name", ["out.csv", "out.xlsx"])
def test_given_a_failure_in_the_middle_then_the_old_file_stays_and_nothing_else(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), open_writer(path) as writer:
        writer.write(["new"])
        raise ZeroDivisionError
    assert [found.name for found in tmp_path.iterdir()] == [name]
    assert path.read_text() == "old"


@given(st.text(max_size=20))
def test_given_any_text_then_a_csv_cell_begins_no_formula(text: str) -> None:
    assert not str(safe_text(text)).lstrip().startswith(("=", "+", "-", "@"))
