"""The commands that read and write lists, as their user types them, on MariaDB."""

import csv
from pathlib import Path

import pytest
from openpyxl import load_workbook

from tests.contract.db.commands import DONE, REFUSED, Command, told

LIST = "nome;celular;cidade\nAna;11 98765-4321;Santos\nZé;123;Osasco\nBia;21987654321;Niterói\n"


@pytest.fixture(autouse=True)
def _a_list(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(LIST)


def test_a_list_is_imported_shown_and_exported(stasis: Command, tmp_path: Path) -> None:
    told(stasis("campaign", "create", "spring", "--json"))
    dry = told(stasis("leads", "import", "{}/list.csv", "--campaign", "spring", "--dry-run", "--json"))
    done = stasis("leads", "import", "{}/list.csv", "--campaign", "spring", "--results", "{}/results.csv")
    again = stasis("leads", "import", "{}/list.csv", "--campaign", "spring")
    leads = told(stasis("leads", "list", "--campaign", "spring", "--json"))
    shown = told(stasis("leads", "show", str(leads[0]["id"]), "--json"))
    assert (dry["imported"], dry["refused"], dry["dry_run"]) == (2, 1, True)
    assert done.stdout == "2 leads imported, 1 refused (1 invalid_number)\n"
    assert again.stdout == "0 leads imported, 3 refused (2 duplicate, 1 invalid_number)\n"
    assert "line 3: invalid_number" in again.stderr
    with (tmp_path / "results.csv").open(encoding="utf-8-sig", newline="") as file:
        assert [(row["line"], row["result"]) for row in csv.DictReader(file)] == [
            ("2", "imported"),
            ("3", "refused"),
            ("4", "imported"),
        ]
    assert [lead["phone_number"] for lead in leads] == ["5511987654321", "5521987654321"]
    assert (shown["attributes"], shown["phones"][0]["original"]) == ({"cidade": "Santos"}, "11 98765-4321")
    assert stasis("leads", "export", "{}/out.xlsx", "--campaign", "spring").exit_code == DONE
    assert [row[2] for row in load_workbook(tmp_path / "out.xlsx").active.values] == ["name", "Ana", "Bia"]
    to_stdout = stasis("leads", "export", "-", "--campaign", "spring", "--status", "failed")
    assert (to_stdout.stdout.count("\n"), to_stdout.stderr.strip()[-17:]) == (1, "0 leads exported")
    assert stasis("calls", "export", "{}/calls.csv", "--since", "2026-03-01").exit_code == DONE


def test_a_number_is_listed_checked_and_freed(stasis: Command, tmp_path: Path) -> None:
    told(stasis("campaign", "create", "spring", "--json"))
    added = told(stasis("dnc", "add", "(11) 98765-4321", "--source", "complaint", "--expires", "2099-12-31", "--json"))
    told(stasis("dnc", "add", "--area-code", "21", "--campaign", "spring", "--json"))
    assert (added[0]["number"], added[0]["expires_at"][:10]) == ("5511987654321", "2100-01-01")
    assert told(stasis("dnc", "check", "11987654321", "--json"), REFUSED)["may_be_called"] is False
    assert told(stasis("dnc", "check", "21987654321", "--json"))["may_be_called"] is True
    listed = told(stasis("dnc", "check", "21987654321", "--campaign", "spring", "--json"), REFUSED)
    assert [entry["number"] for entry in listed["entries"]] == ["5521*"]
    imported = told(stasis("leads", "import", "{}/list.csv", "--campaign", "spring", "--json"))
    assert imported["reasons"] == {"do_not_call": 2, "invalid_number": 1}
    assert told(stasis("dnc", "remove", "11987654321", "--json"))[0]["entries"] == 1
    assert stasis("dnc", "remove", "11987654321").exit_code == REFUSED


def test_a_registry_is_imported_with_its_age(stasis: Command, tmp_path: Path) -> None:
    (tmp_path / "procon.txt").write_text("ddd;numero\n11;987654321\n21;31234567\n")
    words = ("dnc", "import", "{}/procon.txt", "--source", "procon-sp", "--date", "2026-03-01", "--replace", "--json")
    assert (told(stasis(*words))["imported"], told(stasis(*words))["dropped"]) == (2, 0)
    (source,) = told(stasis("dnc", "list", "--sources", "--json"))
    assert (source["source"], source["entries"], source["registry_at"][:10]) == ("procon-sp", 2, "2026-03-01")
    assert source["age_days"] > 0
    assert [row["number"] for row in told(stasis("dnc", "list", "--json"))] == ["5511987654321", "552131234567"]
    assert stasis("dnc", "add").exit_code == 2
