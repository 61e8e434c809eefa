"""The recordings: each is there, small, for one fate and area code, and in the carrier's dialplan."""

from stasis_dialer.lab.carrier_files import greeting_globals
from stasis_dialer.lab.fates import Fate, fate_of, number
from stasis_dialer.lab.greetings import GREETINGS, VOICES, greeting, table_markdown

GSM_BYTES_A_SECOND = 1650
"""33 bytes for each 20 ms. Source: ETSI GSM 06.10."""
MOST_BYTES = 1_500_000


def test_every_recording_is_there_and_none_is_left_over() -> None:
    assert {it.path for it in GREETINGS} == set(VOICES.iterdir())
    assert sum(it.path.stat().st_size for it in GREETINGS) < MOST_BYTES


def test_a_fate_and_an_area_code_have_one_voice() -> None:
    assert len({(it.fate, it.area) for it in GREETINGS}) == len(GREETINGS)
    assert len({it.name for it in GREETINGS}) == len(GREETINGS)


def test_given_a_greetings_number_when_dialled_then_its_fate_is_the_greetings() -> None:
    for it in GREETINGS:
        assert fate_of(number(it.fate, area=it.area), seed=1).fate is it.fate


def test_a_machine_speaks_longer_than_a_short_hello() -> None:
    def seconds(name: str) -> float:
        return greeting(name).path.stat().st_size / GSM_BYTES_A_SECOND

    assert seconds("pt-short") < 1.0
    assert min(seconds(it.name) for it in GREETINGS if it.fate is Fate.MACHINE) > 3.0


def test_the_carriers_dialplan_knows_each_of_them() -> None:
    lines = greeting_globals()
    assert f"SAYS_human_41 = {VOICES / 'pt-short'}" in lines
    assert len(lines) == len(GREETINGS)


def test_the_table_for_readers_names_every_recording() -> None:
    assert all(f"| {it.name} |" in table_markdown() for it in GREETINGS)
