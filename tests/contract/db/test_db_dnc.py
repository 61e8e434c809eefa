"""The do-not-call list: what falls under it, whose it is, how long; and registries' files."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from stasis_dialer.cli.importing import import_registry
from stasis_dialer.core.model import Campaign
from stasis_dialer.db.dnc import MAX_PREFIXES, DoNotCall, Listed
from stasis_dialer.db.store import Store
from stasis_dialer.errors import NumberRefused, Refused
from stasis_dialer.files.listing import LeadList, ReadOptions, open_list
from tests.contract.db.conftest import NOW, Story, at

ANA, ZE, BIA = "5511987654321", "5521987654321", "5511312345678"


async def listed(store: Any, campaign_id: int | None = None) -> set[str]:
    return set(await store.dnc.among([ANA, ZE, BIA], campaign_id, NOW))


async def test_an_entry_holds_for_its_campaign_or_for_all_until_it_ends(story: Story) -> None:
    store, mine = story.store, story.campaign.id
    await store.dnc.add(
        [DoNotCall(ANA), DoNotCall(ZE, mine, "panel"), DoNotCall(BIA, expires_at=at(0)), DoNotCall(BIA, mine + 1)], NOW
    )
    assert await listed(store) == {ANA}
    assert await listed(store, mine) == {ANA, ZE}
    assert await listed(store, mine + 1) == {ANA, BIA}


async def test_a_prefix_stands_for_all_numbers_that_begin_so(story: Story) -> None:
    await story.store.dnc.add(
        [DoNotCall("5511", is_prefix=True, source="area 11"), DoNotCall("55219", story.campaign.id, is_prefix=True)],
        NOW,
    )
    assert await listed(story.store) == {ANA, BIA}
    assert await listed(story.store, story.campaign.id) == {ANA, BIA, ZE}
    assert (await story.store.dnc.among([ANA], None, NOW))[ANA] == Listed("area 11")
    assert await story.store.dnc.remove("5511", is_prefix=True) == 1
    assert await listed(story.store) == set()


async def test_given_several_sources_when_one_drops_a_number_then_it_stays_listed(story: Story) -> None:
    dnc = story.store.dnc
    until = at(86_400)
    await dnc.add([DoNotCall(ANA, source="a"), DoNotCall(ANA, source="b", expires_at=until)], NOW)
    assert (await dnc.among([ANA], None, NOW))[ANA] == Listed("a")
    assert await dnc.remove(ANA, source="a") == 1
    assert (await dnc.among([ANA], None, NOW))[ANA] == Listed("b", until)
    assert await dnc.remove(ANA) == 1
    assert await dnc.remove(ANA) == 0


async def test_given_a_lead_under_a_prefix_when_reserved_then_it_is_refused(story: Story) -> None:
    await story.add("11987650001", "21987650002")
    await story.store.dnc.add([DoNotCall("5511", is_prefix=True)], NOW)
    taken = await story.reserve(10)
    assert [one.number for one in taken.reservations] == ["5521987650002"]
    assert [refused.result for refused in taken.refused] == ["do_not_call"]


@pytest.mark.parametrize("digits", ["", "+5511", "55 11", "x", "9" * 16, "٥٥"])
async def test_given_what_is_no_number_then_nothing_is_listed(mariadb: Store, digits: str) -> None:
    for is_prefix in (False, True):
        with pytest.raises(NumberRefused):
            await mariadb.dnc.add([DoNotCall(ANA), DoNotCall(digits, is_prefix=is_prefix)], NOW)
    assert await listed(mariadb) == set()


async def test_given_too_many_prefixes_then_they_are_refused(mariadb: Store) -> None:
    many = [DoNotCall(f"55{number:05d}", is_prefix=True) for number in range(MAX_PREFIXES + 1)]
    with pytest.raises(Refused, match="too many prefixes"):
        await mariadb.dnc.add(many, NOW)
    assert await mariadb.dnc.prefixes() == []


async def test_every_entry_of_a_number_is_shown(mariadb: Store) -> None:
    given = [DoNotCall(ANA, 7, "panel"), DoNotCall(ANA, None, "old", at(-5)), DoNotCall("5511", None, "x", None, True)]
    await mariadb.dnc.add(given, NOW)
    found = await mariadb.dnc.entries_for(ANA)
    assert [(e.number, e.campaign_id, e.source, e.is_prefix) for e in found] == [
        (ANA, None, "old", False),
        (ANA, 7, "panel", False),
        ("5511", None, "x", True),
    ]
    assert await mariadb.dnc.entries_for(ZE) == []
    assert [entry.source for entry in await mariadb.dnc.find(7)] == ["panel"]
    assert await mariadb.dnc.find(after=ANA) == []


def write(path: Path, source: str, *numbers: str) -> LeadList:
    path.write_text("\n".join(["numero", *numbers]))
    return open_list(path, Campaign(0, source), ReadOptions())


async def take(store: Store, path: Path, *numbers: str, source: str = "procon", is_whole: bool = False) -> Any:
    reading = write(path, source, *numbers)
    return await import_registry(store, reading, source, None, registry_at=NOW, is_whole=is_whole)


async def test_given_a_registrys_file_when_imported_then_its_numbers_are_listed_and_its_age_is_known(
    mariadb: Store, tmp_path: Path
) -> None:
    summary, dropped = await take(mariadb, tmp_path / "a.csv", "11987654321", "21 98765-4321", "x")
    assert (summary.imported, summary.refused, dropped) == (2, 1, 0)
    assert await listed(mariadb) == {ANA, ZE}
    (source,) = await mariadb.dnc.sources()
    assert (source.source, source.campaign_id, source.registry_at, source.entries) == ("procon", None, NOW, 2)


async def test_given_the_whole_registry_again_when_imported_then_what_it_dropped_is_free(
    mariadb: Store, tmp_path: Path
) -> None:
    await mariadb.dnc.add([DoNotCall(BIA, source="manual")], NOW - timedelta(days=1))
    await take(mariadb, tmp_path / "a.csv", ANA, ZE)
    assert (await take(mariadb, tmp_path / "b.csv", ZE))[1] == 0
    assert await listed(mariadb) == {ANA, ZE, BIA}
    assert (await take(mariadb, tmp_path / "b.csv", ZE, is_whole=True))[1] == 1
    assert await listed(mariadb) == {ZE, BIA}
    assert (await take(mariadb, tmp_path / "c.csv", ANA, source="other", is_whole=True))[1] == 0
    assert await listed(mariadb) == {ANA, ZE, BIA}


async def test_given_a_file_without_a_number_when_it_is_the_whole_registry_then_nothing_is_dropped(
    mariadb: Store, tmp_path: Path
) -> None:
    await take(mariadb, tmp_path / "a.csv", ANA)
    with pytest.raises(Refused, match="no valid number"):
        await take(mariadb, tmp_path / "b.csv", "x", "y", is_whole=True)
    assert await listed(mariadb) == {ANA}


async def test_given_a_failure_in_the_middle_of_a_registry_then_nothing_changed(mariadb: Store) -> None:
    with pytest.raises(ZeroDivisionError):
        async with mariadb.dnc.registry("procon", None, NOW) as transaction:
            await transaction.add([ANA])
            raise ZeroDivisionError
    assert await listed(mariadb) == set()
    assert await mariadb.dnc.sources() == []


async def test_a_lookup_reads_by_the_key_and_never_the_whole_list(mariadb: Store) -> None:
    await mariadb.dnc.add([DoNotCall(f"5511{serial:09d}") for serial in range(5000)], NOW)
    plan = await mariadb.database.run(lambda statements: statements.execute("ANALYZE TABLE dialer_do_not_call"))
    assert plan >= 0

    async def explain(statements: Any) -> list[Any]:
        await statements._cursor.execute(
            "EXPLAIN SELECT number FROM dialer_do_not_call WHERE number IN ('5511000000001', '5521000000001') "
            "AND campaign_id IN (0, 1) AND (expires_at IS NULL OR expires_at > '2026-01-01')"
        )
        return list(await statements._cursor.fetchall())

    ((_, _, _, how, _, key, _, _, rows, *_),) = await mariadb.database.run(explain)
    assert (how, key) == ("range", "PRIMARY")
    assert int(rows) <= 8
