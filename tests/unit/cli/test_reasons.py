"""The words of pacing decisions, in sentences and in the documentation."""

import re
from pathlib import Path

import pytest

from stasis_dialer.cli.check import _doubts
from stasis_dialer.cli.reasons import MEANINGS, meaning
from stasis_dialer.core.model import Campaign, DialMode
from stasis_dialer.settings import Settings

ROOT = Path(__file__).parents[3]


def test_every_word_that_the_sources_give_as_a_reason_has_a_meaning() -> None:
    found = set()
    for path in [*(ROOT / "stasis_dialer/core/pacing").glob("*.py"), ROOT / "stasis_dialer/engine/dialer.py"]:
        found |= set(re.findall(r'reason(?:="|, ")([a-z_]+)"|return "([a-z_]+)"$', path.read_text(), re.MULTILINE))
    words = {word for pair in found for word in pair if word}
    assert words
    assert words <= MEANINGS.keys()


def test_every_meaning_is_in_the_documentation() -> None:
    text = (ROOT / "docs/pacing.md").read_text()
    assert [word for word in MEANINGS if f"`{word}`" not in text] == []


def test_a_word_of_another_release_stands_for_itself() -> None:
    assert meaning("moon_phase") == "moon_phase"


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        (DialMode.POWER, ["power does not look", "does not dial without"]),
        (DialMode.LEGACY, ["legacy rule abandons", "does not dial without"]),
        (DialMode.PREDICTIVE, ["does not dial without"]),
        (DialMode.PROGRESSIVE, []),
    ],
    ids=str,
)
def test_check_warns_of_modes_that_lose_people(mode: DialMode, words: list[str]) -> None:
    settings = Settings.model_validate(
        {
            "ari": {"password": "p"},
            "database": {"password": "p"},
            "api": {"token": "t" * 40},
            "engine": {"safe_harbour_media": None},
            "trunks": [{"name": "carrier", "endpoint": "PJSIP/{number}@carrier"}],
        }
    )
    doubts = "; ".join(_doubts(Campaign(1, "spring", mode=mode), settings))
    for each in ["power does not look", "legacy rule abandons", "does not dial without"]:
        assert (each in doubts) == (each in words), doubts
