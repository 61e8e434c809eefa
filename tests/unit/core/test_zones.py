"""Where a number is, by itself."""

import pytest

from stasis_dialer.core.zones import CODE_LENGTH, zone_by_code, zone_of


@pytest.mark.parametrize(
    ("name", "number", "place", "timezones"),
    [
        ("São Paulo, a mobile", "5511987654321", "BR-SP", ("America/Sao_Paulo",)),
        ("São Paulo, inland", "5519987654321", "BR-SP", ("America/Sao_Paulo",)),
        ("Rio de Janeiro", "552122223333", "BR-RJ", ("America/Sao_Paulo",)),
        ("Ceará", "5588987654321", "BR-CE", ("America/Fortaleza",)),
        ("Manaus, an hour behind Brasília", "5592987654321", "BR-AM", ("America/Manaus",)),
        ("the west of Amazonas: either hour", "5597987654321", "BR-AM", ("America/Manaus", "America/Eirunepe")),
        ("Acre, two hours behind", "5568987654321", "BR-AC", ("America/Rio_Branco",)),
        ("Mato Grosso", "5565987654321", "BR-MT", ("America/Cuiaba",)),
        ("New York", "12125551234", "US-NY", ("America/New_York",)),
        ("Florida, in the east", "13055551234", "US-FL", ("America/New_York",)),
        ("Florida, in the west", "18504321234", "US-FL", ("America/Chicago",)),
        ("Arizona", "16025551234", "US-AZ", ("America/Phoenix",)),
        ("Canada", "14165551234", "CA", ("America/Toronto",)),
        ("Portugal, a mobile: the Azores too", "351912345678", "PT", ("Atlantic/Azores", "Europe/Lisbon")),
        ("a satellite telephone", "881612345678", "001", ("Etc/UTC",)),
        ("no number", "999", "", ("Etc/UTC",)),
    ],
)
def test_where_a_number_is(name: str, number: str, place: str, timezones: tuple[str, ...]) -> None:
    zone = zone_of(number)
    assert (zone.place, zone.timezones) == (place, timezones), name
    assert zone_by_code(zone.code) == zone, name


def test_given_an_area_that_brazil_has_not_then_it_may_be_anywhere_in_brazil() -> None:
    zone = zone_of("552087654321")
    assert (zone.country, zone.state) == ("BR", None)
    assert {"America/Sao_Paulo", "America/Rio_Branco", "America/Fortaleza"} <= set(zone.timezones)


def test_given_a_toll_free_number_then_it_may_be_anywhere_in_the_usa() -> None:
    assert zone_of("18005551234").timezones == ("America/New_York", "America/Los_Angeles", "Pacific/Honolulu")


@pytest.mark.parametrize("number", ["79161234567", "61412345678", "18005551234", "5511987654321", "12125551234"])
def test_a_code_fits_its_column_and_comes_back_as_the_same_zone(number: str) -> None:
    zone = zone_of(number)
    assert len(zone.code) <= CODE_LENGTH
    assert zone_by_code(zone.code).timezones == zone.timezones


def test_every_area_code_of_brazil_has_a_state() -> None:
    areas = [n for n in range(11, 100) if zone_of(f"55{n}987654321").state]
    assert len(areas) == 67
