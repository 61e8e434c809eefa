"""Hours in wall time: open or not, and when next."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stasis_dialer.core.windows import Hours, is_open, opens_at

NINE_TO_SIX: Hours = (time(9), time(18))
ZONES = ("America/Sao_Paulo", "America/New_York", "Europe/Lisbon", "Asia/Tokyo", "UTC", "America/Rio_Branco")


def on_weekdays(day: date) -> Hours | None:
    return NINE_TO_SIX if day.weekday() < 5 else None


def by_night(day: date) -> Hours | None:
    return (time(20), time(2)) if day.weekday() == 4 else None


@pytest.mark.parametrize(
    ("name", "zone", "at", "opens"),
    [
        ("open now", "UTC", "2026-03-02 12:00", "2026-03-02 12:00"),
        ("before the start", "UTC", "2026-03-02 08:59", "2026-03-02 09:00"),
        ("at the end", "UTC", "2026-03-02 18:00", "2026-03-03 09:00"),
        ("on Friday evening", "UTC", "2026-03-06 18:00", "2026-03-09 09:00"),
        ("in another zone", "America/Sao_Paulo", "2026-03-02 11:00", "2026-03-02 12:00"),
        ("over the night on which the clock goes forward", "America/New_York", "2026-03-06 23:00", "2026-03-09 13:00"),
        ("over the night on which it goes back", "America/New_York", "2026-10-30 22:00", "2026-11-02 14:00"),
    ],
)
def test_when_hours_open_next(name: str, zone: str, at: str, opens: str) -> None:
    moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
    assert opens_at(on_weekdays, zone, moment) == datetime.fromisoformat(opens).replace(tzinfo=UTC), name


@pytest.mark.parametrize(
    ("at", "expected"),
    [("2026-03-06 21:00", True), ("2026-03-07 01:59", True), ("2026-03-07 02:00", False), ("2026-03-07 21:00", False)],
)
def test_given_a_window_past_midnight_then_it_belongs_to_the_day_on_which_it_begins(at: str, expected: bool) -> None:
    assert is_open(by_night, "UTC", datetime.fromisoformat(at).replace(tzinfo=UTC)) is expected


def test_given_hours_that_never_open_then_there_is_no_opening() -> None:
    assert opens_at(lambda day: None, "UTC", datetime(2026, 3, 2, tzinfo=UTC)) is None


@given(
    st.datetimes(datetime(2024, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC)),
    st.sampled_from(ZONES),
    st.sampled_from([on_weekdays, by_night, lambda day: (time(0), time(0)) if day.day % 3 else None]),
)
def test_given_any_moment_then_the_next_opening_is_open_and_nothing_before_it_is(
    at: datetime, zone: str, hours
) -> None:  # type: ignore[no-untyped-def]
    opens = opens_at(hours, zone, at)
    assert opens is not None and opens >= at
    assert is_open(hours, zone, opens)
    if opens > at:
        assert not is_open(hours, zone, at)
        assert not is_open(hours, zone, opens - timedelta(seconds=1))
