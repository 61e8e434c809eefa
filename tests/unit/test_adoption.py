"""What is odd about rows of the old panel, and what is done about it."""

from dataclasses import replace
from typing import Any

import pytest

from stasis_dialer.core.adoption import LegacyLead, Oddity, is_utf8_read_as_latin1, judge

ALIVE_AFTER = "2026-03-02 09:00:00"
REGIONS = {1: "BR"}
PLAIN = LegacyLead(
    id=1,
    campaign_id=1,
    name="João",
    phones=("5511987650001", None),
    attempts=0,
    max_attempts=3,
    status="pending",
    last_attempt=None,
    next_attempt=None,
    created_at="2026-03-01 00:00:00",
    updated_at="2026-03-01 00:00:00",
)


@pytest.mark.parametrize(
    ("name", "changes", "oddities", "fixes"),
    [
        ("nothing odd", {}, [], {}),
        ("null times", {"created_at": None, "updated_at": None}, [], {}),
        ("another spelling of a status", {"status": "Pending "}, [], {}),
        ("left calling", {"status": "calling"}, [Oddity.CALLING_LEFT_OVER], {"status": "pending"}),
        (
            "left calling by a zero date",
            {"status": "calling", "last_attempt": "0000-00-00 00:00:00", "updated_at": None},
            [Oddity.CALLING_LEFT_OVER, Oddity.ZERO_DATE],
            {"status": "pending"},
        ),
        (
            "calling a moment ago",
            {"status": "calling", "last_attempt": "2026-03-02 09:30:00"},
            [Oddity.CALLING_NOW],
            {},
        ),
        ("calling for a dialer of ours", {"status": "calling", "is_reserved": True}, [], {}),
        ("no status", {"status": None}, [Oddity.UNKNOWN_STATUS], {}),
        ("a bad insert's status", {"status": ""}, [Oddity.UNKNOWN_STATUS], {}),
        ("negative attempts", {"attempts": -4}, [Oddity.BAD_ATTEMPTS], {"attempts": 0}),
        ("no count of attempts", {"attempts": None}, [Oddity.BAD_ATTEMPTS], {"attempts": 0}),
        (
            "absurd attempts",
            {"attempts": 2_147_483_647, "last_attempt": "2026-03-01 10:00:00"},
            [Oddity.MANY_ATTEMPTS],
            {},
        ),
        ("no attempts allowed", {"max_attempts": -1}, [Oddity.NO_ATTEMPTS_ALLOWED], {}),
        ("attempts at no time", {"attempts": 1}, [Oddity.NO_LAST_ATTEMPT], {}),
        ("a day that does not exist", {"next_attempt": "2026-00-00 00:00:00"}, [Oddity.ZERO_DATE], {}),
        ("its campaign is gone", {"campaign_id": 9}, [Oddity.CAMPAIGN_GONE], {}),
        ("of no campaign", {"campaign_id": None}, [Oddity.CAMPAIGN_GONE], {}),
        ("utf-8 in latin1", {"name": "JoÃ£o"}, [Oddity.UTF8_IN_LATIN1], {}),
        ("an unread number", {"phones": ("(11) 98765-0001", None)}, [Oddity.NUMBER_READ], {}),
        ("no number", {"phones": (None, None)}, [Oddity.NUMBER_INVALID], {}),
        ("one of two is none", {"phones": ("5511987650001", "ligar tarde")}, [Oddity.NUMBER_INVALID], {}),
        ("phones that are known", {"phones": ("", "x"), "is_known": True}, [], {}),
    ],
)
def test_given_a_row_of_the_legacys_when_judged_then_its_oddities_and_fixes_are_told(
    name: str, changes: dict[str, Any], oddities: list[Oddity], fixes: dict[str, object]
) -> None:
    judgement = judge(replace(PLAIN, **changes), REGIONS, ALIVE_AFTER)
    assert sorted(judgement.oddities) == sorted(oddities)
    assert dict(judgement.changes) == fixes


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("(11) 98765-0001", "5511987650001"),
        ("011987650001", "5511987650001"),
        ("+55 11 98765-0001", "5511987650001"),
        ("0151187650001", "5511987650001"),  # carrier 15, and a mobile from before the ninth digit
        ("551187650001", "5511987650001"),
        ("RAMAL 22", ""),
        ("11987650001/PJSIP", ""),
        ("", ""),
    ],
)
def test_given_a_number_as_old_lists_have_it_when_judged_then_it_is_read_or_told(text: str, number: str) -> None:
    (phone,) = judge(replace(PLAIN, phones=(text, None)), REGIONS, ALIVE_AFTER).phones
    assert (phone.text, phone.number) == (text, number)


@pytest.mark.parametrize(
    ("text", "is_so"),
    [
        ("JoÃ£o", True),
        ("JosÃ© Conceição".replace("çã", "Ã§Ã£"), True),
        ("â‚¬ 5", True),
        ("João", False),
        ("Ana", False),
        ("ÃO", False),
        ("Жанна", False),
    ],
)
def test_given_a_text_when_asked_then_utf8_in_a_latin1_column_is_recognised(text: str, is_so: bool) -> None:
    assert is_utf8_read_as_latin1(text) is is_so
