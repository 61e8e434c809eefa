"""What is exported is what is there, and is read back as the same; nothing in it is a formula."""

import csv
from pathlib import Path

from openpyxl import load_workbook

from stasis_dialer.cli.exporting import CALL_COLUMNS, export_calls, export_leads
from stasis_dialer.cli.importing import import_list
from stasis_dialer.core.model import CallRecord, CallStatus, Campaign, Disposition, LeadStatus
from stasis_dialer.db.calls import CallFilter
from stasis_dialer.db.leads import LeadFilter, NewLead
from stasis_dialer.db.store import Store
from stasis_dialer.files import open_writer
from stasis_dialer.files.listing import ReadOptions, open_list
from tests.contract.db.conftest import NOW, Story, at, begin

LIST = """nome;fone;fone2;fone3;fone4;Cidade;Nota
Ana;11987654321;1131234567;21987654321;21987654322;São Paulo;=1+1
=HYPERLINK("evil");11987654322;;;;;
Bia;11987654323;;;;Santos;@SUM(A1)
"""


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


async def take(place: Story, path: Path) -> int:
    return (await import_list(place.store, open_list(path, place.campaign, ReadOptions()), actor="tests")).imported


async def test_leads_are_exported_with_all_phones_and_attributes_and_imported_again_as_they_were(
    mariadb: Store, tmp_path: Path
) -> None:
    place = await begin(mariadb)
    await take(place, write(tmp_path / "list.csv", LIST))
    which = LeadFilter(campaign_id=place.campaign.id)
    for name in ("out.csv", "out.xlsx"):
        with open_writer(tmp_path / name) as writer:
            assert await export_leads(mariadb, which, writer) == 3
    ana, evil, bia = table(tmp_path / "out.csv")
    assert (ana["campaign"], ana["phone_number"], ana["alternate_phone"]) == ("Natal", "5511987654321", "551131234567")
    assert (ana["other_phones"], ana["Cidade"], ana["Nota"]) == (
        "5521987654321 / 5521987654322",
        "São Paulo",
        "'=1+1",
    )
    assert ana["created_at"].endswith("-03:00")
    assert (evil["name"], bia["Nota"], bia["status"]) == ('\'=HYPERLINK("evil")', "'@SUM(A1)", "pending")
    sheet = load_workbook(tmp_path / "out.xlsx").active
    assert [cell.data_type for row in sheet.iter_rows() for cell in row if cell.data_type == "f"] == []
    before = await mariadb.leads.find(which)
    for name in ("out.csv", "out.xlsx"):
        other = Story(mariadb, (await mariadb.campaigns.create(Campaign(0, name), "tests", NOW)).campaign)
        assert await take(other, tmp_path / name) == 3
        after = await mariadb.leads.find(LeadFilter(campaign_id=other.campaign.id))
        assert [(lead.phone_number, lead.alternate_phone) for lead in after] == [
            (lead.phone_number, lead.alternate_phone) for lead in before
        ]
        phones = [len(await mariadb.leads.phones(lead.id)) for lead in after]
        assert phones == [4, 1, 1]


async def test_only_the_leads_asked_for_are_exported(mariadb: Store, tmp_path: Path) -> None:
    place = await begin(mariadb)
    await mariadb.leads.insert_many(place.campaign.id, [NewLead(f"L{n}", f"1198765{n:04d}") for n in range(2500)], NOW)
    await mariadb.leads.insert_many(place.campaign.id + 1, [NewLead("other", "11987650000")], NOW)
    await place.reserve(3)
    for which, count in (
        (LeadFilter(), 2501),
        (LeadFilter(campaign_id=place.campaign.id), 2500),
        (LeadFilter(campaign_id=place.campaign.id, status=LeadStatus.CALLING), 3),
        (LeadFilter(status=LeadStatus.FAILED), 0),
    ):
        with open_writer(tmp_path / "out.csv") as writer:
            assert await export_leads(mariadb, which, writer) == count
        assert len(table(tmp_path / "out.csv")) == count


async def test_calls_are_exported_with_their_results(mariadb: Store, tmp_path: Path) -> None:
    place = await begin(mariadb)
    records = [
        CallRecord(
            f"call-{n}",
            "app",
            place.campaign.id,
            n,
            f"551198765{n:04d}",
            "=cmd",
            CallStatus.FINISHED,
            started_at=at(n),
            answered_at=at(n + 5),
            ended_at=at(n + 60),
            duration_seconds=55,
            disposition=Disposition.ANSWERED if n % 2 else Disposition.BUSY,
            hangup_cause=16,
        )
        for n in range(1, 1201)
    ]
    await mariadb.calls.save(records)
    with open_writer(tmp_path / "out.csv") as writer:
        assert await export_calls(mariadb, CallFilter(campaign_id=place.campaign.id), writer) == 1200
    rows = table(tmp_path / "out.csv")
    assert list(rows[0]) == list(CALL_COLUMNS)
    assert (rows[0]["call_id"], rows[0]["number"], rows[0]["trunk"]) == ("call-1", "5511987650001", "'=cmd")
    assert (rows[0]["started_at"], rows[0]["duration_seconds"]) == ("2026-03-02 10:00:01-03:00", "55")
    with open_writer(tmp_path / "out.xlsx") as writer:
        which = CallFilter(disposition=Disposition.BUSY, since=at(600), until=at(700))
        assert await export_calls(mariadb, which, writer) == 50


async def test_given_a_reader_that_stops_then_its_connection_does_not_come_back_half_read(mariadb: Store) -> None:
    place = await begin(mariadb)
    await mariadb.leads.insert_many(place.campaign.id, [NewLead("x", f"1198765{n:04d}") for n in range(3000)], NOW)
    stream = mariadb.exports.leads(LeadFilter())
    async for _ in stream:
        break
    await stream.aclose()  # type: ignore[attr-defined]
    assert (await mariadb.leads.counts(place.campaign.id))["pending"] == 3000
