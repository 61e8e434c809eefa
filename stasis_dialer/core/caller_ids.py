"""Which number a callee sees: rotation over a campaign's pool by area code and by use, a cap a day, a rest list.

Pure: the engine counts the calls of the day and hands the counts in. A number that rests, or that has had its calls of
the day, is never shown; when all have, the campaign waits for the next day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import phonenumbers


@dataclass(frozen=True, slots=True)
class CallerIds:
    """A campaign's pool of numbers to show.

    `numbers` and `resting` may have a plus; `max_calls_per_day` is for each number, in the campaign's time zone, None:
    no cap. With `match_area` a number of the callee's own area code goes first.
    """

    numbers: tuple[str, ...] = ()
    resting: tuple[str, ...] = ()
    match_area: bool = True
    max_calls_per_day: int | None = None


def choose(rules: CallerIds, callee: str, used: Mapping[str, int]) -> str | None:
    """The number to show to `callee` (E.164 without plus), or None when there is none left.

    `used` holds the calls of the day by number without plus. Of those that may be shown: the callee's area first, then
    the least used, then the order of the pool.
    """
    may = usable(rules, used)
    if not may:
        return None
    area = area_of(callee) if rules.match_area else None
    near = [number for number in may if area and area_of(bare(number)) == area]
    return min(near or may, key=lambda number: used.get(bare(number), 0))


def usable(rules: CallerIds, used: Mapping[str, int]) -> list[str]:
    """The numbers that may be shown now, in the order of the pool."""
    resting = {bare(number) for number in rules.resting}
    cap = rules.max_calls_per_day
    return [
        number
        for number in rules.numbers
        if bare(number) not in resting and (cap is None or used.get(bare(number), 0) < cap)
    ]


def left(rules: CallerIds, used: Mapping[str, int]) -> int | None:
    """How many more calls the pool carries today; None: as many as wanted, or there is no pool."""
    if not rules.numbers:
        return None
    may = usable(rules, used)
    if rules.max_calls_per_day is None:
        return None if may else 0
    return sum(rules.max_calls_per_day - used.get(bare(number), 0) for number in may)


def bare(number: str) -> str:
    """A number without its plus, as counts and comparisons use it."""
    return number.removeprefix("+")


@lru_cache(maxsize=65_536)
def area_of(number: str) -> tuple[int, str] | None:
    """Country code and area code (in Brazil the DDD) of a number in E.164 without plus, or None without one.

    Brazil's mobiles have an area code too, which phonenumbers' geographic answer leaves out.
    """
    try:
        parsed = phonenumbers.parse(f"+{number}")
    except phonenumbers.NumberParseException:
        return None
    national = phonenumbers.national_significant_number(parsed)
    length = phonenumbers.length_of_national_destination_code(parsed)
    return (parsed.country_code or 0, national[:length]) if length else None
