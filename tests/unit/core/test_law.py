"""The rule packs, with the library's own holidays."""

from datetime import UTC, date, datetime, timedelta

import pytest

from stasis_dialer.core import law
from stasis_dialer.core.law import Registry, ruling, stale_registry
from stasis_dialer.core.lead_options import Law, LawPack, Purpose
from stasis_dialer.core.zones import zone_of
from stasis_dialer.settings.holiday_dates import HolidayDates

HOLIDAYS = HolidayDates()
SP, RJ, AC, CE, AM, ES = ("5511", "5521", "5568", "5585", "5592", "5527")
COLLECTION = Law(purpose=Purpose.COLLECTION)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def is_lawful(area: str, at: str, rules: Law = Law()) -> bool:  # noqa: B008
    number = area + "987654321" if area.startswith("55") else area
    return ruling(rules, zone_of(number), HOLIDAYS, moment(at)).is_open


@pytest.mark.parametrize(
    ("name", "area", "at", "expected"),
    [
        ("São Paulo at 8:59", SP, "2026-03-02 11:59", False),
        ("São Paulo at 9", SP, "2026-03-02 12:00", True),
        ("São Paulo at 20:59", SP, "2026-03-02 23:59", True),
        ("São Paulo at 21", SP, "2026-03-03 00:00", False),
        ("São Paulo, Saturday at 10", SP, "2026-03-07 13:00", True),
        ("São Paulo, Saturday at 16", SP, "2026-03-07 19:00", False),
        ("São Paulo, Sunday", SP, "2026-03-08 15:00", False),
        ("Rio, whose law ends at 18", RJ, "2026-03-02 21:00", False),
        ("Rio at 17:59", RJ, "2026-03-02 20:59", True),
        ("Rio on Saturday", RJ, "2026-03-07 15:00", False),
        ("Acre at 9 of São Paulo is 7", AC, "2026-03-02 12:00", False),
        ("Acre at 9", AC, "2026-03-02 14:00", True),
        ("Acre at 20:59", AC, "2026-03-03 01:59", True),
        ("Ceará at 18", CE, "2026-03-02 21:00", False),
        ("independence day", SP, "2026-09-07 15:00", False),
        ("São Paulo's own day", SP, "2026-07-09 15:00", False),
        ("the same day elsewhere", AM, "2026-07-09 15:00", True),
        ("Rio's Saint George", RJ, "2026-04-23 15:00", False),
    ],
)
def test_telemarketing_in_brazil(name: str, area: str, at: str, expected: bool) -> None:
    assert is_lawful(area, at) is expected, name


@pytest.mark.parametrize(
    ("name", "area", "at", "expected"),
    [
        ("São Paulo at 8", SP, "2026-03-02 11:00", True),
        ("São Paulo at 20", SP, "2026-03-02 23:00", False),
        ("São Paulo, Saturday at 13:59", SP, "2026-03-07 16:59", True),
        ("Rio at 8", RJ, "2026-03-02 11:00", False),
        ("Rio at 18:59", RJ, "2026-03-02 21:59", True),
        ("Espírito Santo on Saturday", ES, "2026-03-07 13:00", False),
        ("Amazonas at 18:59 there", AM, "2026-03-02 22:59", True),
        ("Amazonas at 19 there", AM, "2026-03-02 23:00", False),
        ("on Sunday", SP, "2026-03-08 15:00", False),
    ],
)
def test_collection_in_brazil(name: str, area: str, at: str, expected: bool) -> None:
    assert is_lawful(area, at, COLLECTION) is expected, name


@pytest.mark.parametrize(
    ("name", "number", "at", "expected"),
    [
        ("New York at 8", "12125551234", "2026-03-02 13:00", True),
        ("New York at 7:59", "12125551234", "2026-03-02 12:59", False),
        ("New York at 20:59 in summer", "12125551234", "2026-07-01 00:59", True),
        ("Florida at 20", "13055551234", "2026-03-03 01:00", False),
        ("the west of Florida at 19:59 there", "18504321234", "2026-03-03 01:59", True),
        ("Sunday is a day like others", "12125551234", "2026-03-08 16:00", True),
        ("the fourth of July too", "12125551234", "2026-07-04 16:00", True),
        ("toll-free: Honolulu sleeps at 8 in New York", "18005551234", "2026-03-02 13:00", False),
        ("toll-free: open in all zones at once", "18005551234", "2026-03-02 19:00", True),
    ],
)
def test_the_usa(name: str, number: str, at: str, expected: bool) -> None:
    assert is_lawful(number, at) is expected, name


def test_given_the_day_on_which_the_clock_goes_forward_then_wall_time_rules() -> None:
    assert not is_lawful("12125551234", "2026-03-08 11:59")  # 7:59, already summer time
    assert is_lawful("12125551234", "2026-03-08 12:00")


def test_given_a_closed_day_then_the_ruling_names_it_and_the_next_opening() -> None:
    found = ruling(Law(), zone_of("5511987654321"), HOLIDAYS, moment("2026-09-05 20:00"))
    assert not found.is_open
    assert found.opens_at == moment("2026-09-08 12:00")  # after Sunday and the holiday
    on_the_day = ruling(Law(), zone_of("5511987654321"), HOLIDAYS, moment("2026-09-07 15:00"))
    assert on_the_day.holiday == "Independence Day"
    assert "BR-SP" in on_the_day.why


def test_given_no_pack_then_everything_is_open() -> None:
    assert is_lawful(SP, "2026-09-07 04:00", Law(LawPack.OFF))


def test_given_a_campaigns_own_closed_day_then_nobody_is_called_anywhere() -> None:
    rules = Law(closed_dates=(date(2026, 3, 2),))
    assert not is_lawful(SP, "2026-03-02 15:00", rules)
    assert not is_lawful("12125551234", "2026-03-02 16:00", rules)
    assert is_lawful(SP, "2026-03-03 15:00", rules)


def test_given_a_country_without_pack_then_hours_that_are_lawful_nearly_everywhere() -> None:
    assert is_lawful("442071234567", "2026-03-02 09:00")
    assert not is_lawful("442071234567", "2026-03-02 20:00")
    assert not is_lawful("442071234567", "2026-12-25 12:00")


def test_a_forced_pack_holds_for_every_number() -> None:
    assert not is_lawful("442071234567", "2026-03-08 12:00")
    assert is_lawful("442071234567", "2026-03-08 12:00", Law(LawPack.US))


def test_florida_limits_the_calls_of_a_day() -> None:
    assert law.calls_a_day(Law(), zone_of("13055551234")) == 3
    assert law.calls_a_day(Law(), zone_of("12125551234")) is None
    assert law.calls_a_day(Law(LawPack.OFF), zone_of("13055551234")) is None


TODAY = moment("2026-03-02 15:00")


def aged(source: str, days: float) -> Registry:
    return Registry(source, TODAY - timedelta(days=days))


@pytest.mark.parametrize(
    ("name", "number", "rules", "registries", "why"),
    [
        ("nothing imported", SP, Law(), [], None),
        ("a file of today", SP, Law(), [aged("procon", 0)], None),
        ("exactly thirty days", SP, Law(), [aged("procon", 30)], None),
        ("a minute more", SP, Law(), [aged("procon", 30 + 1 / 1440)], "registry procon is 30 days old, at most 30"),
        ("one of two is old", SP, Law(), [aged("a", 1), aged("b", 40)], "registry b is 40 days old"),
        ("of one source the newer file counts", SP, Law(), [aged("a", 40), aged("a", 1)], None),
        ("the United States allow a day more", "13055550123", Law(), [aged("ftc", 31)], None),
        ("and no more", "13055550123", Law(), [aged("ftc", 32)], "at most 31 are allowed"),
        ("no rule elsewhere", "351211234567", Law(), [aged("x", 400)], None),
        ("no law", SP, Law(LawPack.OFF), [aged("procon", 400)], None),
        ("an unknown age", SP, Law(), [Registry("procon", None)], "the age of registry procon is not known"),
        ("a file of next month", SP, Law(), [aged("procon", -30)], "the age of registry procon is not known"),
        ("tomorrow elsewhere", SP, Law(), [aged("procon", -0.5)], None),
        ("days of its own", SP, Law(registry_days=7), [aged("procon", 8)], "at most 7 are allowed"),
        ("any age", SP, Law(registry_days=0), [aged("procon", 400)], None),
        ("only those named count", SP, Law(registries=("procon",)), [aged("procon", 1), aged("own", 400)], None),
        ("a named one is missing", SP, Law(registries=("procon",)), [aged("own", 1)], "procon was never imported"),
    ],
)
def test_when_a_registry_stops_dialling(
    name: str, number: str, rules: Law, registries: list[Registry], why: str | None
) -> None:
    full = number + "987654321" if number == SP else number
    found = stale_registry(rules, zone_of(full), registries, TODAY)
    assert found is None if why is None else why in str(found)
