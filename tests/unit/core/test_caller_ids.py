"""Which number a callee sees."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stasis_dialer.core.caller_ids import CallerIds, area_of, choose, left, usable

SAO_PAULO, CAMPINAS, RIO, RIO_2 = "+551130000000", "+551930000000", "552130000000", "552130000001"
POOL = CallerIds(numbers=(SAO_PAULO, RIO, RIO_2))
CARIOCA, PAULISTANO, MINEIRO = "5521987654321", "5511987654321", "5531987654321"


@pytest.mark.parametrize(
    ("callee", "used", "shown"),
    [
        (PAULISTANO, {}, SAO_PAULO),
        (CARIOCA, {}, RIO),
        (CARIOCA, {"552130000000": 3, "552130000001": 2}, RIO_2),
        (CARIOCA, {"552130000000": 3, "552130000001": 3}, RIO),
        (MINEIRO, {"551130000000": 1}, RIO),
        (MINEIRO, {}, SAO_PAULO),
        (PAULISTANO, {"551130000000": 900}, SAO_PAULO),
    ],
    ids=[
        "own area",
        "own area, first",
        "least used",
        "equal: the pool's order",
        "no area: least used",
        "first",
        "busy",
    ],
)
def test_the_area_first_then_the_least_used(callee: str, used: dict[str, int], shown: str) -> None:
    assert choose(POOL, callee, used) == shown


def test_given_areas_do_not_matter_then_the_least_used_of_all() -> None:
    assert choose(replace(POOL, match_area=False), CARIOCA, {"552130000000": 1}) == SAO_PAULO


def test_given_the_areas_numbers_have_had_their_calls_then_one_of_another_area() -> None:
    capped = replace(POOL, max_calls_per_day=5)
    assert choose(capped, PAULISTANO, {"551130000000": 5}) == RIO
    assert left(capped, {"551130000000": 5}) == 10


def test_given_all_have_had_their_calls_then_none() -> None:
    capped = replace(POOL, max_calls_per_day=1)
    used = {"551130000000": 1, "552130000000": 1, "552130000001": 7}
    assert choose(capped, PAULISTANO, used) is None
    assert left(capped, used) == 0


def test_given_a_number_rests_then_it_is_not_shown_however_it_is_written() -> None:
    resting = replace(POOL, resting=("551130000000", "+552130000000"))
    assert usable(resting, {}) == [RIO_2]
    assert left(replace(resting, resting=(SAO_PAULO, RIO, RIO_2)), {}) == 0


def test_given_no_pool_then_no_number_and_no_limit() -> None:
    assert choose(CallerIds(), PAULISTANO, {}) is None
    assert left(CallerIds(max_calls_per_day=1), {}) is None
    assert left(POOL, {}) is None


def test_areas_of_mobiles_and_landlines_are_one() -> None:
    assert area_of(PAULISTANO) == area_of("551130000000") == (55, "11")
    assert area_of("12125550100") == (1, "212")
    assert area_of("") is None
    assert area_of("5511000") is None


@given(
    st.lists(st.sampled_from([SAO_PAULO, CAMPINAS, RIO, RIO_2]), unique=True),
    st.lists(st.sampled_from([PAULISTANO, CARIOCA, MINEIRO]), max_size=80),
    st.integers(1, 12),
)
def test_given_any_calls_then_no_number_passes_its_cap_and_none_is_refused_while_some_are_left(
    numbers: list[str], callees: list[str], cap: int
) -> None:
    rules, used = CallerIds(tuple(numbers), max_calls_per_day=cap), Counter[str]()
    for callee in callees:
        before = left(rules, used)
        shown = choose(rules, callee, used)
        if not numbers:
            assert (shown, before) == (None, None)
            continue
        assert (shown is None) == (before == 0)
        if shown is not None:
            used[shown.removeprefix("+")] += 1
            assert left(rules, used) == before - 1
    assert all(count <= cap for count in used.values())
