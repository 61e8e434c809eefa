"""Times at the database's edge."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from stasis_dialer.db.clock import LegacyClock, utc_moment, utc_text
from stasis_dialer.errors import ConfigurationError

NOON = datetime(2026, 3, 2, 12, 0, 0, 123999, tzinfo=UTC)
SAO_PAULO = LegacyClock("America/Sao_Paulo")


def test_given_a_moment_when_kept_by_us_then_it_is_utc_to_the_millisecond() -> None:
    elsewhere = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert utc_text(NOON) == utc_text(elsewhere) == "2026-03-02 12:00:00.123"
    assert utc_moment("2026-03-02 12:00:00.123") == NOON.replace(microsecond=123000)
    assert utc_text(None) is None and utc_moment(None) is None


def test_given_a_moment_when_kept_for_the_legacy_then_it_is_in_its_zone_to_the_second() -> None:
    assert SAO_PAULO.text(NOON) == "2026-03-02 09:00:00"
    assert SAO_PAULO.moment("2026-03-02 09:00:00") == NOON.replace(microsecond=0)
    assert SAO_PAULO.moment(datetime(2026, 3, 2, 9)) == NOON.replace(microsecond=0)
    assert LegacyClock().text(NOON) == "2026-03-02 12:00:00"
    assert LegacyClock().moment("2026-03-02 12:00:00") == NOON.replace(microsecond=0)


def test_given_a_retry_within_a_second_when_kept_then_it_is_rounded_up() -> None:
    assert SAO_PAULO.text_not_before(NOON) == "2026-03-02 09:00:01"
    assert SAO_PAULO.text_not_before(NOON.replace(microsecond=0)) == "2026-03-02 09:00:00"
    assert SAO_PAULO.text_not_before(None) is None


@pytest.mark.parametrize("value", [None, "", "0000-00-00 00:00:00", "yesterday", 7])
def test_given_what_is_no_time_when_read_then_there_is_none(value: object) -> None:
    assert SAO_PAULO.moment(value) is None
    assert utc_moment(value) is None


def test_given_summer_time_of_the_past_when_read_then_it_counts() -> None:
    assert SAO_PAULO.moment("2018-01-15 10:00:00") == datetime(2018, 1, 15, 12, tzinfo=UTC)


def test_given_a_time_without_zone_when_written_then_it_is_our_mistake() -> None:
    for write in (utc_text, SAO_PAULO.text):
        with pytest.raises(ValueError, match="without zone"):
            write(datetime(2026, 3, 2, 12))


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd"])
def test_given_no_such_zone_when_configured_then_the_message_names_the_setting(zone: str) -> None:
    with pytest.raises(ConfigurationError, match="legacy_timezone"):
        LegacyClock(zone)
