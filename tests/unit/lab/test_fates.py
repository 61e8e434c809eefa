"""The table of fates: numbers say what will happen to them, in every way of writing them."""

import re

import pytest

from stasis_dialer.lab.carrier_files import DIALPLAN
from stasis_dialer.lab.fates import BEHAVIOURS, Fate, fate_of, mix_table, number, table_markdown


@pytest.mark.parametrize("fate", list(Fate))
def test_given_a_fate_when_its_number_is_asked_then_the_fate_comes_back(fate: Fate) -> None:
    outcome = fate_of(number(fate, ring=3, talk=4, serial=17), seed=1)

    assert (outcome.fate, outcome.ring_seconds, outcome.talk_seconds) == (fate, 2.0, 3.0)


@pytest.mark.parametrize("written", ["+5511913400017", "5511913400017", "011913400017", "11913400017"])
def test_given_a_number_when_it_is_written_in_any_way_then_its_fate_is_the_same(written: str) -> None:
    assert fate_of(written, seed=1).fate is Fate.HUMAN


@pytest.mark.parametrize(
    "dialled",
    [
        "",
        "190",
        "+1191340001",
        "+551191340001",
        "+55119134000177",
        "1131340001",
        "11 91340 0017",
        "+5501913400017",
        "x",
    ],
)
def test_given_no_brazilian_mobile_when_it_is_dialled_then_it_is_unallocated(dialled: str) -> None:
    assert fate_of(dialled, seed=1).fate is Fate.UNALLOCATED


def test_given_the_digit_zero_for_talking_then_the_called_side_stays() -> None:
    assert fate_of(number(Fate.HUMAN), seed=1).talk_seconds is None


def test_given_a_seed_when_the_mix_is_drawn_then_it_is_the_same_each_time_and_another_for_another_seed() -> None:
    numbers = [number(None, serial=serial) for serial in range(500)]

    assert [fate_of(each, 7) for each in numbers] == [fate_of(each, 7) for each in numbers]
    assert [fate_of(each, 7) for each in numbers] != [fate_of(each, 8) for each in numbers]


def test_given_the_mix_when_many_numbers_are_drawn_then_every_fate_has_about_its_share() -> None:
    drawn = [fate_of(number(None, serial=serial), 1).fate for serial in range(20_000)]

    for fate, behaviour in BEHAVIOURS.items():
        assert drawn.count(fate) / len(drawn) == pytest.approx(behaviour.weight / 256, abs=0.01)


def test_the_shares_of_the_mix_fill_one_byte() -> None:
    assert len(mix_table()) == 256


def test_every_fate_has_its_own_digit() -> None:
    assert {behaviour.digit for behaviour in BEHAVIOURS.values()} == set("123456789")


def test_every_fate_has_its_place_in_the_dialplan() -> None:
    assert set(re.findall(r"^\[fate-(\w+)\]", DIALPLAN, re.M)) == set(Fate)


def test_the_table_for_readers_names_every_fate() -> None:
    assert all(f"| {fate} |" in table_markdown() for fate in Fate)


@pytest.mark.parametrize("parts", [{"ring": 10}, {"talk": -1}, {"serial": 100_000}, {"area": 10}, {"area": 110}])
def test_given_a_part_that_does_not_fit_when_a_number_is_made_then_it_is_refused(parts: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="no such number"):
        number(Fate.HUMAN, **parts)
