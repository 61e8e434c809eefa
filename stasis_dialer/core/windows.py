"""Opening hours in wall time: whether they are open at a moment, and when they open next.

A window belongs to the day on which it begins, so one past midnight ends on the day after. Guarantees that daylight
saving moves no window: wall time decides, whatever the offset.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

Hours = tuple[time, time]
"""Start (belongs to the window) and end (does not); equal: the whole day; a start after its end passes midnight."""

Opening = Callable[[date], Hours | None]
"""The window that begins on a day; None: closed."""

HORIZON_DAYS: Final = 400
"""How far ahead an opening is looked for: a year has no longer gap."""

_DAY: Final = timedelta(days=1)


@lru_cache(maxsize=512)
def zone_info(name: str) -> ZoneInfo:
    """The time zone of that name."""
    return ZoneInfo(name)


def is_open(opening: Opening, timezone: str, at: datetime) -> bool:
    """Whether the hours are open at a moment. Units: `at` is aware UTC."""
    local = at.astimezone(zone_info(timezone))
    today, wall = local.date(), local.time()
    hours = opening(today)
    if hours is not None and _is_in_begun(hours, wall):
        return True
    before = opening(today - _DAY)
    return before is not None and before[0] > before[1] and wall < before[1]


def opens_at(opening: Opening, timezone: str, at: datetime) -> datetime | None:
    """The first moment from `at` on when the hours are open; None: not within `HORIZON_DAYS`.

    Units: `at` and the result are aware UTC.
    """
    if is_open(opening, timezone, at):
        return at
    zone = zone_info(timezone)
    day = at.astimezone(zone).date()
    for ahead in range(HORIZON_DAYS):
        hours = opening(day + ahead * _DAY)
        if hours is None:
            continue
        begins = datetime.combine(day + ahead * _DAY, hours[0], zone).astimezone(UTC)
        if begins > at and is_open(opening, timezone, begins):
            return begins
    return None


def _is_in_begun(hours: Hours, wall: time) -> bool:
    start, end = hours
    if start == end:
        return True
    return start <= wall < end if start < end else wall >= start
