"""What is held on a person is found whole, by any spelling; its erasure leaves no trace of them and every count."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from stasis_dialer.core.model import Direction, Disposition, LeadStatus, Reservation
from stasis_dialer.core.numbers import ANY_NUMBER, normalise
from stasis_dialer.db.by_hand import Typed
from stasis_dialer.db.dnc import DoNotCall
from stasis_dialer.db.leads import NewLead
from stasis_dialer.db.persons import SOURCE, Person
from stasis_dialer.db.store import Store
from stasis_dialer.db.tables import Base
from stasis_dialer.errors import Refused
from tests.contract.db.commands import DONE, REFUSED, Command, told
from tests.contract.db.conftest import APP, LEASE_SECONDS, NOW, Story, at, begin
from tests.contract.db.records import answered, ended, outcome

ANA, HER_HOME, BIA = "5511987654321", "551131234567", "5521987650009"
TRACES = ("987654321", "87654321", "31234567", "Ana", "Santos", "her mother", "4321-")
"""Texts that only Ana's rows hold."""
LATER = at(3600)
LIST = "nome;celular;telefone fixo;cidade\nAna;(11) 98765-4321;11 3123-4567;Santos\nBia;21 98765-0009;;Niterói\n"


def to_e164(text: str) -> str:
    return normalise(text, "BR", ANY_NUMBER)


async def find(store: Store, number: str = ANA) -> Person:
    campaigns = await store.campaigns.find()
    return await store.persons.find(number, {stored.campaign.id: to_e164 for stored in campaigns})


async def run(store: Store, sql: str, *values: object) -> None:
    await store.database.run(lambda statements: statements.execute(sql, *values))


async def dump(store: Store, *without: str) -> str:
    """Everything in the database as one text."""
    text = ""
    for name, table in Base.metadata.tables.items():
        if name not in without:
            columns = ", ".join(f"`{column.name}`" for column in table.columns)
            rows = await store.database.run(
                lambda statements, sql=f"SELECT JSON_ARRAY({columns}) FROM {name}": statements.rows(sql)  # type: ignore[misc]
            )
            text += json.dumps(rows, ensure_ascii=False)
    return text


@pytest.fixture
async def story(mariadb: Store) -> Story:
    """Ana with two phones, calls that came out in two ways, a note, an entry, facts; and Bia."""
    story = await begin(mariadb)
    leads = mariadb.leads
    await leads.insert_many(story.campaign.id, [NewLead("Ana", ANA, HER_HOME, 9), NewLead("Bia", BIA)], NOW)
    await run(
        mariadb, "UPDATE discador_contatos SET attributes = %s WHERE name = 'Ana'", json.dumps({"cidade": "Santos"})
    )
    await run(
        mariadb,
        "INSERT INTO dialer_lead_phones (lead_id, position, campaign_id, number, original) "
        "SELECT id, 0, campaign_id, phone_number, IF(name = 'Ana', '(11) 98765-4321', NULL) FROM discador_contatos "
        "UNION SELECT id, 1, campaign_id, alternate_phone, NULL FROM discador_contatos WHERE alternate_phone <> ''",
    )
    taken = (await leads.reserve(story.campaign, 9, NOW, APP, LEASE_SECONDS, to_e164, story.call_ids)).reservations
    for one in taken:
        lost = one.lead.name == "Ana"
        disposition = Disposition.ABANDONED if lost else Disposition.ANSWERED
        record = ended(one, disposition)
        status = LeadStatus.PENDING if lost else LeadStatus.COMPLETED
        await mariadb.calls.finish([(record, outcome(one, status, str(disposition), at(60) if lost else None))])
    (again,) = (
        await leads.reserve(story.campaign, 9, at(60), APP, LEASE_SECONDS, to_e164, story.call_ids)
    ).reservations
    await mariadb.calls.finish([(ended(again, Disposition.ANSWERED), outcome(again, LeadStatus.PENDING, "no_answer"))])
    await mariadb.agenda.promise(again.lead.id, LATER, at(90), note="ask for her mother")
    await mariadb.dnc.add([DoNotCall(ANA, source="complaint", expires_at=at(86_400))], NOW)
    await run(
        mariadb,
        "INSERT INTO discador_chamadas (unique_id, source_extension, destination_extension, status, start_time) "
        "VALUES ('1262304000.17', '1001', '(11) 8765-4321', 'finished', '2026-02-27 10:00:00')",
    )
    return story


async def figures(story: Story) -> list[Any]:
    """What reports and the law count."""
    window = (NOW - timedelta(days=7), at(86_400))
    reports = story.store.reports
    return [
        await reports.campaign(story.campaign.id, *window),
        await reports.placed(*window, 6),
        await reports.hours(None, *window),
        await story.store.decisions.abandonment(story.campaign.id, window[0]),
        (await story.counters())[0],
        (await story.counters())[2],
    ]


async def test_given_a_person_when_found_then_every_row_of_theirs_is_there_and_nobody_elses(story: Story) -> None:
    found = await find(story.store)
    assert [(lead["name"], lead["attributes"]) for lead in found.leads] == [("Ana", {"cidade": "Santos"})]
    assert [phone["number"] for phone in found.phones] == [ANA, HER_HOME]
    assert {call["unique_id"]: call["disposition"] for call in found.calls} == {
        "call-1": "abandoned",
        "call-3": "answered",
        "1262304000.17": None,
    }
    (spoken,) = [call for call in found.calls if call["unique_id"] == "call-3"]
    assert spoken["recordings"] == ["spring/2026-03-02/c1-customer.wav", "spring/2026-03-02/c1-agent.wav"]
    assert (spoken["started_at"], spoken["start_time"]) == ("2026-03-02T13:01:00+00:00", "2026-03-02T13:01:00+00:00")
    assert [callback["note"] for callback in found.callbacks] == ["ask for her mother"]
    assert [entry["source"] for entry in found.do_not_call] == ["complaint"]
    assert [fact["abandoned_at"] for fact in found.numbers] == ["2026-03-02T13:00:35+00:00"]
    assert found.own_numbers == (ANA, HER_HOME)
    assert found.others_columns == ()
    assert "Bia" not in json.dumps(found.leads) and BIA not in json.dumps([found.calls, found.phones])


@pytest.mark.parametrize(
    "text", ["(11) 98765-4321", "+55 11 98765-4321", "011987654321", "11 8765-4321", "11.98765.4321", "11987654321.0"]
)
async def test_given_a_spelling_of_the_old_panels_when_its_number_is_looked_for_then_its_lead_is_found(
    mariadb: Store, text: str
) -> None:
    story = await begin(mariadb)
    await story.add("5521987654321")  # the same last digits, another person's
    await story.add("1")
    await run(mariadb, "UPDATE discador_contatos SET name = 'Ana', alternate_phone = %s WHERE phone_number = '1'", text)
    assert [lead["name"] for lead in (await find(mariadb)).leads] == ["Ana"]


async def test_given_an_erasure_when_done_then_no_trace_is_left_and_every_count_is_as_before(story: Story) -> None:
    before = await figures(story)
    processed = (await story.counters())[1]
    listed = await story.store.persons.erase(await find(story.store), LATER, "cli:tests")
    assert listed == [ANA, HER_HOME]
    rest = await dump(story.store, "dialer_do_not_call")
    assert [trace for trace in TRACES if trace in rest] == []
    assert "Bia" in rest and BIA in rest
    assert await figures(story) == before
    assert (await story.counters())[1] == processed + 1
    (lead,) = [lead for lead in await story.store.leads.find() if lead.name == ""]
    assert (lead.status, lead.result, lead.phone_number) == (LeadStatus.FAILED, "erased", "")
    calls = [await story.store.calls.get(call_id) for call_id in ("call-1", "call-3")]
    assert [(c.number, c.lead_id, c.disposition, c.recordings) for c in calls if c] == [
        ("", lead.id, Disposition.ABANDONED, ()),
        ("", lead.id, Disposition.ANSWERED, ()),
    ]
    assert {entry.source for entry in await story.store.dnc.entries_for(ANA)} == {"complaint", SOURCE}
    assert await story.store.dnc.contains(ANA, None, at(10 * 86_400))
    (entry,) = await story.store.audit.latest("person:...4321")
    assert (entry.happened_at, entry.actor, entry.action) == (LATER, "cli:tests", "person-erased")
    assert entry.after == {
        "leads": 1,
        "phones": 2,
        "calls": 3,
        "recordings": 2,
        "callbacks": 1,
        "number_facts": 1,
        "do_not_call": 2,
    }


async def test_given_an_erased_person_when_erased_again_or_dialled_then_nothing_happens(story: Story) -> None:
    await story.store.persons.erase(await find(story.store), LATER, "cli:tests")
    before = await dump(story.store)
    assert await story.store.persons.erase(await find(story.store), at(7200), "cli:tests") == []
    assert await dump(story.store) == before
    assert (await story.reserve(9, at(7200))).reservations == []
    with pytest.raises(Refused, match="do-not-call"):
        await story.store.by_hand.reserve(story.campaign, Typed("x", ANA, "1001"), at(7200), APP, LEASE_SECONDS)


async def test_given_a_dry_run_or_kept_recordings_when_erased_then_that_is_left(story: Story) -> None:
    before = await dump(story.store)
    found = await find(story.store)
    assert await story.store.persons.erase(found, LATER, "cli:tests", is_dry_run=True) == [ANA, HER_HOME]
    assert await dump(story.store) == before
    await story.store.persons.erase(found, LATER, "cli:tests", are_recordings_kept=True)
    call = await story.store.calls.get("call-3")
    assert call is not None and len(call.recordings) == 2 and call.recordings_until == at(86_400)


async def test_given_a_call_under_way_when_erased_then_it_is_refused_and_nothing_changes(story: Story) -> None:
    await story.store.agenda.cancel((await find(story.store)).lead_ids[0], at(100))
    await story.store.dnc.remove(ANA)
    for number in (ANA, HER_HOME):
        typed = Typed(f"call-{number}", number, "1001")
        reserved = await story.store.by_hand.reserve(story.campaign, typed, LATER, APP, LEASE_SECONDS)
        assert reserved is not None
        before = await dump(story.store)
        with pytest.raises(Refused, match="a call is under way: lead_id="):
            await story.store.persons.erase(await find(story.store), LATER, "cli:tests")
        assert await dump(story.store) == before
        one = Reservation(f"call-{number}", reserved, number, LATER, LATER)
        end = ended(one, Disposition.BUSY)
        await story.store.calls.finish([(end, outcome(one, LeadStatus.PENDING, "busy", at(7200)))])
    await story.store.persons.erase(await find(story.store), LATER, "cli:tests")


async def test_given_a_call_of_no_lead_when_it_is_live_or_new_then_the_erasure_waits_for_it(mariadb: Store) -> None:
    story = await begin(mariadb)
    person = await find(mariadb)
    await mariadb.by_hand.reserve(story.campaign, Typed("call-x", ANA, "1001"), NOW, APP, LEASE_SECONDS)
    with pytest.raises(Refused, match="a call is under way: call_id=call-x"):
        await mariadb.persons.erase(await find(mariadb), NOW, "cli:tests")
    await run(mariadb, "UPDATE discador_chamadas SET status = 'finished'")
    with pytest.raises(Refused, match="there was a call just now: call_id=call-x"):
        await mariadb.persons.erase(person, NOW, "cli:tests")
    assert await mariadb.persons.erase(await find(mariadb), NOW, "cli:tests") == [ANA]
    assert ANA not in await dump(mariadb, "dialer_do_not_call")


async def test_given_rows_that_the_old_panel_left_over_when_erased_then_they_do_not_hold_it_up(mariadb: Store) -> None:
    story = await begin(mariadb)
    await story.add(ANA)
    await run(mariadb, "UPDATE discador_contatos SET status = 'calling', last_attempt = '2026-03-01 10:00:00'")
    await run(
        mariadb,
        "INSERT INTO discador_chamadas (unique_id, source_extension, destination_extension, status, start_time) "
        "VALUES ('1262304000.17', '11 98765-4321', '1001', 'ringing', '2026-03-01 10:00:00')",
    )
    await mariadb.persons.erase(await find(mariadb), NOW, "cli:tests")
    assert "4321" not in await dump(mariadb, "dialer_do_not_call", "dialer_audit")


async def test_given_a_late_true_end_of_an_estimated_call_when_it_is_written_then_the_number_does_not_come_back(
    mariadb: Store,
) -> None:
    story = await begin(mariadb)
    await story.add(ANA)
    (one,) = (
        await mariadb.leads.reserve(story.campaign, 1, NOW, APP, LEASE_SECONDS, to_e164, story.call_ids)
    ).reservations
    await mariadb.leads.release_expired(at(1000))
    await mariadb.persons.erase(await find(mariadb), at(1001), "cli:tests")
    await mariadb.calls.finish([(ended(one, Disposition.BUSY), None)])
    call = await mariadb.calls.get(one.call_id)
    assert call is not None and (call.number, call.disposition) == ("", Disposition.BUSY)


async def test_given_a_phone_that_others_have_too_when_erased_then_theirs_is_left_alone(mariadb: Store) -> None:
    story = await begin(mariadb)
    leads = [NewLead("Ana", ANA, HER_HOME), NewLead("Rui", HER_HOME)]
    await mariadb.leads.insert_many(story.campaign.id, leads, NOW)
    await run(
        mariadb,
        "INSERT INTO dialer_lead_phones (lead_id, position, campaign_id, number) "
        "SELECT id, 0, campaign_id, phone_number FROM discador_contatos "
        "UNION SELECT id, 1, campaign_id, alternate_phone FROM discador_contatos WHERE alternate_phone IS NOT NULL",
    )
    assert await mariadb.persons.erase(await find(mariadb), NOW, "cli:tests") == [ANA]
    assert not await mariadb.dnc.contains(HER_HOME, None, NOW)
    assert [lead.phone_number for lead in await mariadb.leads.find() if lead.name] == [HER_HOME]


async def test_given_a_column_of_the_panels_own_when_a_person_is_found_then_it_is_shown_and_told(
    mariadb: Store,
) -> None:
    story = await begin(mariadb)
    await story.add(ANA)
    await run(mariadb, "ALTER TABLE discador_contatos ADD COLUMN cpf VARCHAR(20) NULL DEFAULT '111.444.777-35'")
    try:
        found = await find(mariadb)
    finally:
        await run(mariadb, "ALTER TABLE discador_contatos DROP COLUMN cpf")
    assert found.others_columns == ("discador_contatos.cpf",)
    assert found.leads[0]["cpf"] == "111.444.777-35"


async def test_given_a_customers_own_call_when_found_by_their_number_then_it_is_theirs(mariadb: Store) -> None:
    story = await begin(mariadb)
    await story.add(BIA)
    (one,) = (
        await mariadb.leads.reserve(story.campaign, 1, NOW, APP, LEASE_SECONDS, to_e164, story.call_ids)
    ).reservations
    called = answered(one)
    await mariadb.calls.save([called])
    await run(mariadb, "UPDATE discador_chamadas SET direction = %s, lead_id = NULL", Direction.INBOUND.value)
    (call,) = (await find(mariadb, BIA)).calls
    assert (call["direction"], call["destination_extension"]) == ("inbound", BIA)


# --- the commands -------------------------------------------------------------------------------------------------


def test_a_person_is_exported_and_erased_by_any_spelling(stasis: Command, lab: Any, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(LIST)
    told(stasis("campaign", "create", "spring", "--json"))
    told(stasis("leads", "import", "{}/list.csv", "--campaign", "spring", "--json"))
    shown = stasis("leads", "export", "--number", "011 8765-4321")
    assert shown.exit_code == DONE and "cidade: Santos" in shown.stdout and "list.csv" in shown.stdout
    held = told(stasis("leads", "export", "--number", "+55 (11) 98765-4321", "--json"))
    assert ([lead["name"] for lead in held["leads"]], held["imports"][0]["file_name"]) == (["Ana"], "list.csv")
    assert stasis("leads", "export", "{}/ana.json", "--number", "11987654321").exit_code == DONE
    kept = tmp_path / "ana.json"
    assert json.loads(kept.read_text())["leads"] == held["leads"] and kept.stat().st_mode & 0o077 == 0
    dry = told(stasis("leads", "erase", "--number", "(11) 98765-4321", "--dry-run", "--json"))
    assert (dry["leads"], dry["phones"], dry["do_not_call"], dry["is_dry_run"]) == (1, 2, 2, True)
    asked = stasis("leads", "erase", "--number", "(11) 98765-4321", answer="n\n")
    assert asked.exit_code == REFUSED and "for good?" in asked.stderr
    assert told(stasis("leads", "export", "--number", "11987654321", "--json"))["leads"] == held["leads"]
    done = stasis("leads", "erase", "--number", "(11) 98765-4321", "--yes")
    assert done.stdout == "erased: 1 leads, 2 phones, 2 do not call\n"
    again = stasis("leads", "erase", "--number", "+5511987654321")
    assert again.stdout == "nothing is held on ...4321 but its do-not-call entry: source=lgpd-erasure\n"
    assert told(stasis("leads", "import", "{}/list.csv", "--campaign", "spring", "--json"))["imported"] == 0
    empty = told(stasis("leads", "export", "--number", "11987654321", "--json"))
    assert (empty["leads"], [entry["source"] for entry in empty["do_not_call"]]) == ([], ["lgpd-erasure"])
    assert stasis("leads", "erase", "--number", "nobody").exit_code == REFUSED
    assert stasis("leads", "erase").exit_code == stasis("leads", "export").exit_code == 2


async def test_recordings_are_deleted_in_asterisk_or_nothing_is_erased(
    story: Story, stasis: Command, lab: Any, tmp_path: Path
) -> None:
    folder = lab.pbx.folder / "spool" / "recording" / "spring" / "2026-03-02"
    folder.mkdir(parents=True, exist_ok=True)
    mine, others = folder / "c1-customer.wav", folder / "c2-customer.wav"
    for file in (mine, others):
        file.write_bytes(b"RIFF")
    await run(story.store, "UPDATE discador_chamadas SET app = 'elsewhere' WHERE unique_id = 'call-3'")
    before = await dump(story.store)
    erase = ("leads", "erase", "--number", "(11) 98765-4321", "--yes")
    refused = await asyncio.to_thread(stasis, *erase)
    assert refused.exit_code == REFUSED and "recordings of another dialer: app=elsewhere" in refused.stderr
    assert mine.exists() and await dump(story.store) == before
    await run(story.store, "UPDATE discador_chamadas SET app = %s WHERE unique_id = 'call-3'", APP)
    done = await asyncio.to_thread(stasis, *erase)
    assert done.exit_code == DONE, done.output
    assert "gone already: spring/2026-03-02/c1-agent.wav" in done.stderr
    assert not mine.exists() and others.exists()
    others.unlink()
