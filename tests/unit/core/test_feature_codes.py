"""Keys become wishes: codes, numbers after them, shortcuts, and floods."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stasis_dialer.core.feature_codes import (
    CODES_IN_A_WHILE,
    DEFAULT_CODES,
    LONGEST,
    WHILE_SECONDS,
    WITH_ARGUMENT,
    Codes,
    Feature,
    Keys,
    Pressed,
    Shortcuts,
    press,
    problems,
    waited,
)

F = Feature
CODES = Codes()
SHORTCUTS: Shortcuts = {"1": Pressed(F.DISPOSITION, "1"), "21": Pressed(F.DISPOSITION, "21")}


def keyed(text: str, *, shortcuts: Shortcuts | None = None, gap: float = 0.2) -> tuple[Keys, list[Pressed]]:
    """The keys of `text` one after the other; `w` is a pause."""
    keys, found, now = Keys(), [], 0.0
    for sign in text:
        now += CODES.pause_seconds if sign == "w" else gap
        if sign == "w":
            keys, one = waited(keys, now, CODES, shortcuts or {})
        else:
            keys, one = press(keys, sign, now, CODES, shortcuts or {})
        found += [one] if one is not None else []
    return keys, found


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a code", "*54", [Pressed(F.UNPAUSE)]),
        ("two codes", "*41*42", [Pressed(F.HOLD), Pressed(F.UNHOLD)]),
        ("a pause without a reason", "*53w", [Pressed(F.PAUSE)]),
        ("a pause with one", "*532w", [Pressed(F.PAUSE, "2")]),
        ("a number ended by #", "*4311987654321#", [Pressed(F.BLIND_TRANSFER, "11987654321")]),
        ("a number ended by waiting", "*50011987654321w", [Pressed(F.DIAL, "011987654321")]),
        ("a code without its number", "*43w", []),
        ("a code begun and left", "*4w*54", [Pressed(F.UNPAUSE)]),
        ("a code after a wrong start", "12*54", [Pressed(F.UNPAUSE)]),
        ("a code begun again", "*5*54", [Pressed(F.UNPAUSE)]),
        ("keys for the other side", "123#", []),
        ("no such code", "*99w", []),
        ("letters", "ABCD*5A", []),
    ],
    ids=lambda value: value if isinstance(value, str) and " " in value else "",
)
def test_given_keys_without_shortcuts_then_only_codes_count(name: str, text: str, expected: list[Pressed]) -> None:
    assert keyed(text)[1] == expected, name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", [Pressed(F.DISPOSITION, "1")]),
        ("21", [Pressed(F.DISPOSITION, "21")]),
        ("2w", []),
        ("*561#", [Pressed(F.DISPOSITION, "1")]),
        ("3", []),
        ("31", []),
        ("3w1", [Pressed(F.DISPOSITION, "1")]),
    ],
)
def test_given_the_work_after_a_call_then_plain_digits_are_its_dispositions(text: str, expected: list[Pressed]) -> None:
    assert keyed(text, shortcuts=SHORTCUTS)[1] == expected


def test_given_a_pause_between_keys_that_nobody_told_of_then_they_do_not_belong_together() -> None:
    assert keyed("*54", gap=CODES.pause_seconds)[1] == []


def test_given_a_flood_of_codes_then_few_count_until_it_is_over() -> None:
    keys, found = keyed("*53w*54" * 50, gap=0.01)
    assert len(found) <= CODES_IN_A_WHILE * (1 + 50 * (CODES.pause_seconds + 0.06) // WHILE_SECONDS)
    keys, found = keyed("*54" * 100, gap=0.01)
    assert len(found) == CODES_IN_A_WHILE
    _, later = press(keys, "*", 1000.0, CODES, {})
    assert later is None
    assert [press(Keys("*5", codes_at=keys.codes_at), "4", 1000.0, CODES, {})[1]] == [None]
    assert press(Keys("*5", codes_at=keys.codes_at, pressed_at=999.9), "4", 1000.0, CODES, {})[1] == Pressed(F.UNPAUSE)


@given(st.text(alphabet="0123456789*#ABCDw", max_size=400), st.floats(0.0, 3.0))
def test_given_any_keys_then_memory_is_bounded_and_every_wish_is_whole(text: str, gap: float) -> None:
    keys, found = keyed(text, shortcuts=SHORTCUTS, gap=gap)
    assert len(keys.digits) <= LONGEST
    assert len(keys.codes_at) <= CODES_IN_A_WHILE
    for one in found:
        assert not one.argument or one.argument.isdigit()
        assert one.argument or one.feature not in WITH_ARGUMENT - {F.PAUSE}


def test_the_default_codes_can_all_be_pressed() -> None:
    assert problems(DEFAULT_CODES) == []
    assert set(DEFAULT_CODES) == set(Feature)
    for feature, code in DEFAULT_CODES.items():
        assert keyed(f"{code}{'7w' if feature in WITH_ARGUMENT else ''}")[1][0].feature is feature


@pytest.mark.parametrize(
    ("codes", "words"),
    [
        ({F.HOLD: "41"}, "must begin"),
        ({F.HOLD: "*"}, "must begin"),
        ({F.HOLD: "*4a"}, "must begin"),
        ({F.HOLD: "*4", F.UNHOLD: "*41"}, "begins unhold"),
        ({F.HOLD: "*41", F.UNHOLD: "*41"}, "begins"),
    ],
)
def test_given_codes_that_cannot_be_told_apart_then_that_is_said(codes: dict[Feature, str], words: str) -> None:
    assert words in problems(codes)[0]
