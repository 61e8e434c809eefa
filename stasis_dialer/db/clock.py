"""Times at the database's edge: our columns in UTC with milliseconds, the legacy's in its zone in whole seconds.

Python sees aware UTC only. A time passes the edge as text, which both drivers and JSON carry unchanged.
A legacy zone with daylight saving has one hour a year that is written twice: legacy columns cannot tell which one is
meant, ours can.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from stasis_dialer.errors import ConfigurationError

_ONE_SECOND = timedelta(seconds=1)
_TO_SECONDS = len("2026-01-01 12:00:00")
_TO_MILLISECONDS = len("2026-01-01 12:00:00.000")
"""What an ISO time is cut to: its offset is known to be the column's."""


def utc_text(moment: datetime | None) -> str | None:
    """A time as our DATETIME(3) columns take it, cut to the millisecond."""
    if moment is None:
        return None
    if moment.tzinfo is not UTC:
        moment = _aware(moment).astimezone(UTC)
    return moment.isoformat(" ", "milliseconds")[:_TO_MILLISECONDS]


def utc_moment(value: object) -> datetime | None:
    """A time of our columns, read as text or by the driver; None for NULL and for a date that does not exist."""
    naive = _naive(value)
    return None if naive is None else naive.replace(tzinfo=UTC)


class LegacyClock:
    """Converts between aware UTC and the zone in which the legacy writes its columns.

    Raises: ConfigurationError when there is no such zone.
    """

    def __init__(self, zone: str = "UTC") -> None:
        try:
            self.zone: ZoneInfo | timezone = UTC if zone == "UTC" else ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ConfigurationError(
                f"unknown time zone: legacy_timezone={zone!r}; use a name such as America/Sao_Paulo"
            ) from error

    def text(self, moment: datetime | None) -> str | None:
        """A time as a legacy column takes it, cut to the second."""
        if moment is None:
            return None
        if moment.tzinfo is not self.zone:
            moment = _aware(moment).astimezone(self.zone)
        return moment.isoformat(" ", "seconds")[:_TO_SECONDS]

    def text_not_before(self, moment: datetime | None) -> str | None:
        """As `text`, but rounded up to the second: a retry is never due early."""
        if moment is not None and moment.microsecond:
            moment = moment.replace(microsecond=0) + _ONE_SECOND
        return self.text(moment)

    def moment(self, value: object) -> datetime | None:
        """A legacy column as aware UTC; None for NULL and for the legacy's zero dates."""
        naive = _naive(value)
        if naive is None:
            return None
        if self.zone is UTC:
            return naive.replace(tzinfo=UTC)
        return naive.replace(tzinfo=self.zone).astimezone(UTC)


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError(f"a time without zone reached the database: {moment.isoformat()}")
    return moment


def _naive(value: object) -> datetime | None:
    if isinstance(value, datetime):
        return value
    if isinstance(value, str) and not value.startswith("0000"):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            return None
    return None
