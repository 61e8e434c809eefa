"""What the rules count, at their limits and when the clocks change."""

import itertools
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stasis_dialer.core.compliance import (
    LARGE_CALLER_A_MONTH,
    DayOfCalls,
    MonthOfCalls,
    abandon_window_start,
    day_bounds,
    month_bounds,
    months_between,
)
from stasis_dialer.core.model import AbandonWindow, Campaign

DAY = date(2026, 11, 24)


@pytest.mark.parametrize(
    ("story", "calls", "short", "is_over"),
    [
        ("nothing dialled", 0, 0, False),
        ("many calls, few short", 100_000, 84_999, False),
        ("many calls, the share reached", 100_000, 85_000, True),
        ("all short, one call too few", 99_999, 99_999, False),
    ],
)
def test_a_day_is_over_only_with_both(story: str, calls: int, short: int, is_over: bool) -> None:
    assert DayOfCalls(DAY, calls, short).is_over is is_over, story


def test_a_large_caller_has_more_than_the_limit() -> None:
    assert not MonthOfCalls(DAY, LARGE_CALLER_A_MONTH).is_large_caller
    assert MonthOfCalls(DAY, LARGE_CALLER_A_MONTH + 1).is_large_caller


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("America/Sao_Paulo", DAY, 24),
        ("Europe/Lisbon", date(2026, 3, 29), 23),
        ("Europe/Lisbon", date(2026, 10, 25), 25),
    ],
)
def test_a_day_is_as_long_as_its_zone_makes_it(zone: str, day: date, hours: int) -> None:
    start, end = day_bounds(day, zone)
    assert end.astimezone(UTC) - start.astimezone(UTC) == timedelta(hours=hours)


@given(first=st.dates(date(2000, 1, 1), date(2090, 1, 1)), days=st.integers(0, 1000))
def test_months_touch_each_other_and_cover_the_days(first: date, days: int) -> None:
    last = first + timedelta(days=days)
    bounds = [month_bounds(month, "America/Sao_Paulo") for month in months_between(first, last)]
    assert all(one[1] == following[0] for one, following in itertools.pairwise(bounds))
    assert bounds[0][0] <= day_bounds(first, "America/Sao_Paulo")[0]
    assert bounds[-1][1] >= day_bounds(last, "America/Sao_Paulo")[1]


@pytest.mark.parametrize(
    ("window", "start"),
    [
        (AbandonWindow.HOURS_24, datetime(2026, 11, 23, 2, 0, tzinfo=UTC)),
        (AbandonWindow.CALENDAR_DAY, datetime(2026, 11, 23, 3, 0, tzinfo=UTC)),
        (AbandonWindow.DAYS_30, datetime(2026, 10, 25, 2, 0, tzinfo=UTC)),
    ],
)
def test_the_abandonment_window_begins_where_the_campaign_says(window: AbandonWindow, start: datetime) -> None:
    """Two o'clock in London is still the day before in São Paulo."""
    campaign = Campaign(1, "spring", abandon_window=window)
    assert abandon_window_start(campaign, datetime(2026, 11, 24, 2, 0, tzinfo=UTC)) == start
