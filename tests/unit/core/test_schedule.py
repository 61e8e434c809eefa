"""When a lead may be dialled, and when again."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stasis_dialer.core.lead_options import LeadList, NextPhone, Retry, RetryRule, Weekday, WorkingDays
from stasis_dialer.core.model import Campaign, Disposition, Lead, LeadStatus
from stasis_dialer.core.schedule import (
    REACHED,
    can_be_called_now,
    expires_at,
    is_in_working_hours,
    is_within,
    lead_outcome,
    next_attempt,
    success_rate,
)

D = Disposition
NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
CAMPAIGN = Campaign(1, "spring", retry_delay_seconds=1800.0)
LEAD = Lead(1, 1, "Ana", "11987654321", attempts=1, max_attempts=3, status=LeadStatus.CALLING)
WINDOWS = [
    ("by day, before", time(9), time(18), time(8, 59, 59), False),
    ("by day, at the start", time(9), time(18), time(9), True),
    ("by day, within", time(9), time(18), time(12), True),
    ("by day, the last moment", time(9), time(18), time(17, 59, 59, 999999), True),
    ("by day, at the end", time(9), time(18), time(18), False),
    ("past midnight, in the evening", time(20), time(2), time(23, 30), True),
    ("past midnight, at midnight", time(20), time(2), time(0), True),
    ("past midnight, in the night", time(20), time(2), time(1, 59), True),
    ("past midnight, at the end", time(20), time(2), time(2), False),
    ("past midnight, by day", time(20), time(2), time(12), False),
    ("start and end the same: all day", time(9), time(9), time(3), True),
    ("until midnight", time(9), time(0), time(23, 59), True),
    ("until midnight, after it", time(9), time(0), time(0), False),
    ("no end: until midnight", time(9), None, time(23, 59), True),
    ("no end: before the start", time(9), None, time(8), False),
]


@pytest.mark.parametrize(("name", "start", "end", "local", "is_open"), WINDOWS)
def test_given_a_window_then_the_start_belongs_to_it_and_the_end_does_not(
    name: str, start: time, end: time | None, local: time, is_open: bool
) -> None:
    assert is_within(local, start, end) is is_open, name
    campaign = replace(CAMPAIGN, window_start=start, window_end=end, timezone="UTC")
    assert is_in_working_hours(campaign, datetime.combine(NOW.date(), local, UTC)) is is_open, name


def test_given_no_window_then_always_open() -> None:
    assert is_in_working_hours(CAMPAIGN, NOW)


def test_given_only_an_end_then_open_from_midnight_to_it() -> None:
    campaign = replace(CAMPAIGN, window_end=time(18), timezone="UTC")
    assert is_in_working_hours(campaign, NOW.replace(hour=0))
    assert not is_in_working_hours(campaign, NOW.replace(hour=18))


@pytest.mark.parametrize(
    ("zone", "utc_hour", "is_open"),
    [
        ("America/Sao_Paulo", 11, False),  # 08:00 there
        ("America/Sao_Paulo", 12, True),
        ("America/Sao_Paulo", 20, True),
        ("America/Sao_Paulo", 21, False),
        ("America/Manaus", 12, False),
        ("America/Manaus", 13, True),
        ("America/Noronha", 11, True),
        ("Asia/Tokyo", 0, True),
        ("Asia/Tokyo", 12, False),
    ],
)
def test_given_a_time_zone_then_the_window_is_in_its_wall_time(zone: str, utc_hour: int, is_open: bool) -> None:
    campaign = replace(CAMPAIGN, window_start=time(9), window_end=time(18), timezone=zone)
    assert is_in_working_hours(campaign, NOW.replace(hour=utc_hour)) is is_open


@pytest.mark.parametrize(
    ("name", "moment", "is_open"),
    [
        ("winter", datetime(2026, 3, 7, 13, 30, tzinfo=UTC), False),  # 08:30 in New York
        ("the day the clock goes forward", datetime(2026, 3, 8, 13, 30, tzinfo=UTC), True),  # 09:30
        ("summer", datetime(2026, 10, 31, 13, 30, tzinfo=UTC), True),
        ("the day the clock goes back", datetime(2026, 11, 1, 13, 30, tzinfo=UTC), False),
    ],
)
def test_given_daylight_saving_then_wall_time_rules(name: str, moment: datetime, is_open: bool) -> None:
    campaign = replace(CAMPAIGN, window_start=time(9), window_end=time(18), timezone="America/New_York")
    assert is_in_working_hours(campaign, moment) is is_open, name


@given(st.times(), st.times(), st.times())
def test_given_any_window_then_its_complement_is_open_when_it_is_not(local: time, start: time, end: time) -> None:
    if start != end:
        assert is_within(local, start, end) is not is_within(local, end, start)


@pytest.mark.parametrize(
    ("name", "changes", "may"),
    [
        ("pending and fresh", {}, True),
        ("being called", {"status": LeadStatus.CALLING}, False),
        ("completed", {"status": LeadStatus.COMPLETED}, False),
        ("failed", {"status": LeadStatus.FAILED}, False),
        ("no attempt left", {"attempts": 3}, False),
        ("more attempts than allowed", {"attempts": 9}, False),
        ("due now", {"next_attempt_at": NOW}, True),
        ("due before", {"next_attempt_at": NOW - timedelta(days=1)}, True),
        ("due later", {"next_attempt_at": NOW + timedelta(seconds=1)}, False),
    ],
)
def test_whether_a_lead_can_be_called_now(name: str, changes: dict[str, object], may: bool) -> None:
    lead = replace(LEAD, **{"status": LeadStatus.PENDING, **changes})  # type: ignore[arg-type]
    assert can_be_called_now(lead, NOW) is may, name


@pytest.mark.parametrize("disposition", sorted(set(D) - REACHED), ids=str)
def test_given_no_answer_of_any_kind_then_again_after_the_delay_until_the_attempts_are_used(
    disposition: Disposition,
) -> None:
    assert next_attempt(disposition, 1, LEAD, CAMPAIGN, NOW) == NOW + timedelta(minutes=30)
    assert next_attempt(disposition, 2, LEAD, CAMPAIGN, NOW) == NOW + timedelta(minutes=30)
    assert next_attempt(disposition, 3, LEAD, CAMPAIGN, NOW) is None


def test_given_answered_then_never_again() -> None:
    assert next_attempt(D.ANSWERED, 1, LEAD, CAMPAIGN, NOW) is None


@pytest.mark.parametrize(
    ("name", "disposition", "attempts", "is_given_back", "status", "is_again"),
    [
        ("spoke with an agent", D.ANSWERED, 1, False, LeadStatus.COMPLETED, False),
        ("spoke at the last attempt", D.ANSWERED, 3, False, LeadStatus.COMPLETED, False),
        ("busy, attempts left", D.BUSY, 2, False, LeadStatus.PENDING, True),
        ("busy at the last attempt", D.BUSY, 3, False, LeadStatus.FAILED, False),
        ("never left us at the last attempt", D.ERROR, 3, True, LeadStatus.PENDING, True),
        ("never left us at the first attempt", D.CANCELLED, 1, True, LeadStatus.PENDING, True),
    ],
)
def test_what_an_attempt_makes_of_its_lead(
    name: str, disposition: Disposition, attempts: int, is_given_back: bool, status: LeadStatus, is_again: bool
) -> None:
    lead = replace(LEAD, attempts=attempts)
    outcome = lead_outcome("c1", lead, CAMPAIGN, disposition, is_attempt_given_back=is_given_back, now=NOW)
    assert (outcome.lead_id, outcome.call_id, outcome.result) == (1, "c1", str(disposition)), name
    assert (outcome.status, outcome.is_attempt_given_back) == (status, is_given_back), name
    assert outcome.next_attempt_at == (NOW + timedelta(minutes=30) if is_again else None), name


@pytest.mark.parametrize(("successful", "processed", "rate"), [(0, 0, 0.0), (5, 0, 0.0), (1, 4, 25.0), (3, 3, 100.0)])
def test_success_rate(successful: int, processed: int, rate: float) -> None:
    assert success_rate(successful, processed) == rate


def rule(on: str, **values: object) -> Campaign:
    return replace(CAMPAIGN, retry=Retry((RetryRule(on, **values),)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("attempts", "minutes"),
    [(1, 10), (2, 20), (3, 40), (4, 80), (5, 120), (6, 120)],
)
def test_given_a_factor_then_each_attempt_waits_longer_up_to_the_limit(attempts: int, minutes: int) -> None:
    campaign = rule("busy", delay_seconds=600.0, factor=2.0, max_delay_seconds=7200.0)
    lead = replace(LEAD, max_attempts=9)
    assert next_attempt(D.BUSY, attempts, lead, campaign, NOW) == NOW + timedelta(minutes=minutes)
    assert next_attempt(D.NO_ANSWER, attempts, lead, campaign, NOW) == NOW + timedelta(minutes=30)


def test_given_fewer_attempts_for_a_disposition_then_the_lead_is_finished_by_it_alone() -> None:
    campaign = rule("invalid_number", attempts=1)
    assert next_attempt(D.INVALID_NUMBER, 1, LEAD, campaign, NOW) is None
    assert next_attempt(D.BUSY, 1, LEAD, campaign, NOW) is not None


def test_given_next_day_then_not_before_midnight_where_the_number_is() -> None:
    campaign = rule("machine", delay_seconds=60.0, is_next_day=True)
    acre = replace(LEAD, zone="BR-AC")
    assert next_attempt(D.MACHINE, 1, acre, campaign, NOW) == datetime(2026, 3, 3, 5, 0, tzinfo=UTC)
    assert next_attempt(D.MACHINE, 1, LEAD, campaign, NOW) == datetime(2026, 3, 3, 3, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "delay_hours", "hours"),
    [
        ("half an hour is too near", 0.5, 4),
        ("five hours are far enough", 5, 5),
        ("a day later at the same hour", 24, 28),
        ("shortly before the same hour", 23, 28),
    ],
)
def test_given_a_shift_then_the_next_call_is_at_another_time_of_day(
    name: str, delay_hours: float, hours: float
) -> None:
    campaign = rule("no_answer", delay_seconds=delay_hours * 3600, shift_hours=4.0)
    assert next_attempt(D.NO_ANSWER, 1, LEAD, campaign, NOW) == NOW + timedelta(hours=hours), name


@given(
    st.integers(1, 8),
    st.floats(0, 1e6),
    st.floats(1, 100),
    st.booleans(),
    st.floats(0, 12),
    st.datetimes(datetime(2024, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC)),
    st.sampled_from([None, "BR-AC", "US-NY|America/New_York", "-"]),
)
def test_given_any_rule_then_the_next_attempt_is_not_before_its_delay(
    attempts: int, delay: float, factor: float, is_next_day: bool, shift: float, now: datetime, zone: str | None
) -> None:
    campaign = rule("busy", delay_seconds=delay, factor=factor, is_next_day=is_next_day, shift_hours=shift)
    again = next_attempt(D.BUSY, attempts, replace(LEAD, max_attempts=9, zone=zone), campaign, now)
    assert again is not None
    assert again >= now + timedelta(seconds=delay)
    assert again <= now + timedelta(seconds=max(delay, 7 * 86_400.0)) + timedelta(days=3)


def test_given_the_campaigns_days_then_the_others_are_closed_and_saturdays_have_hours_of_their_own() -> None:
    days = WorkingDays((Weekday.MON, Weekday.SAT), time(10), time(13))
    campaign = replace(CAMPAIGN, window_start=time(9), window_end=time(18), timezone="UTC", hours=days)
    open_at = [datetime(2026, 3, 2, 9, tzinfo=UTC), datetime(2026, 3, 7, 10, tzinfo=UTC)]
    shut_at = [
        datetime(2026, 3, 3, 9, tzinfo=UTC),
        datetime(2026, 3, 7, 9, tzinfo=UTC),
        datetime(2026, 3, 7, 13, tzinfo=UTC),
    ]
    assert [is_in_working_hours(campaign, moment) for moment in open_at] == [True, True]
    assert [is_in_working_hours(campaign, moment) for moment in shut_at] == [False, False, False]


@pytest.mark.parametrize(
    ("expiry", "days", "expected"),
    [
        (None, 0, None),
        (None, 3, NOW + timedelta(days=3)),
        (NOW + timedelta(days=1), 3, NOW + timedelta(days=1)),
    ],
)
def test_when_a_lead_expires(expiry: datetime | None, days: int, expected: datetime | None) -> None:
    campaign = replace(CAMPAIGN, leads=LeadList(expire_days=days))
    assert expires_at(replace(LEAD, expires_at=expiry, created_at=NOW), campaign) == expected


def test_given_an_attempt_that_never_left_then_the_same_phone_is_next() -> None:
    given_back = lead_outcome("c1", LEAD, CAMPAIGN, D.ERROR, is_attempt_given_back=True, now=NOW)
    tried = lead_outcome("c1", LEAD, rule("busy", phone=NextPhone.SAME), D.BUSY, is_attempt_given_back=False, now=NOW)
    other = lead_outcome("c1", LEAD, CAMPAIGN, D.BUSY, is_attempt_given_back=False, now=NOW)
    assert [outcome.phone for outcome in (given_back, tried, other)] == [NextPhone.SAME, NextPhone.SAME, NextPhone.NEXT]
