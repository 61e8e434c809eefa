"""What the rules count: abandoned calls over a window, short calls a day, calls a month.

Pure: the counts come from the durable call log. A limit that is not passed is still shown, with how near it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from stasis_dialer.core.model import AbandonWindow, Campaign

SHORT_SECONDS: Final = 6
"""A call that lasts so long or less, or was not completed, or reached a voicemail, is short.

Source: Anatel, Despacho Decisório 22/2024/RCTS/SRC, in force from 1 June 2024.
"""
SHORT_SHARE: Final = 0.85
SHORT_CALLS_A_DAY: Final = 100_000
"""With so many calls in a day, and that share of them short, origination is blocked for 15 days. Source: as above."""
LARGE_CALLER_A_MONTH: Final = 500_000
"""More calls in a month make a company a large caller (grande chamador), who must authenticate every call.

Source: Anatel, DOU of 20 October 2025, in force from 1 November 2025; summed over the company's CNPJ and carrier.
"""


@dataclass(frozen=True, slots=True)
class DayOfCalls:
    """Calls placed on one day of a time zone, and those of them that were short."""

    day: date
    calls: int
    short: int

    @property
    def short_share(self) -> float:
        """0 to 1."""
        return self.short / self.calls if self.calls else 0.0

    @property
    def is_over(self) -> bool:
        """Whether the day has both: so many calls, and so many of them short."""
        return self.calls >= SHORT_CALLS_A_DAY and self.short_share >= SHORT_SHARE


@dataclass(frozen=True, slots=True)
class MonthOfCalls:
    """Calls placed in one month, by its first day."""

    month: date
    calls: int

    @property
    def is_large_caller(self) -> bool:
        """Whether every call must be authenticated."""
        return self.calls > LARGE_CALLER_A_MONTH


def months_between(first: date, last: date) -> list[date]:
    """The first days of the months from one day's to another's."""
    months = [first.replace(day=1)]
    while (following := (months[-1] + timedelta(days=32)).replace(day=1)) <= last:
        months.append(following)
    return months


def month_bounds(month: date, zone: str) -> tuple[datetime, datetime]:
    """Where a month of a time zone, given by its first day, begins and ends, aware."""
    last = (month + timedelta(days=32)).replace(day=1) - timedelta(days=1)
    return day_bounds(month, zone)[0], day_bounds(last, zone)[1]


def day_bounds(day: date, zone: str) -> tuple[datetime, datetime]:
    """Where a day of a time zone begins and ends, aware; it has 23 or 25 hours when the clocks change."""
    tz = ZoneInfo(zone)
    start = datetime(day.year, day.month, day.day, tzinfo=tz)
    after = day + timedelta(days=1)
    return start, datetime(after.year, after.month, after.day, tzinfo=tz)


def abandon_window_start(campaign: Campaign, now: datetime) -> datetime:
    """Where the campaign's regulatory window begins, aware."""
    if campaign.abandon_window is AbandonWindow.CALENDAR_DAY:
        return day_bounds(now.astimezone(ZoneInfo(campaign.timezone)).date(), campaign.timezone)[0]
    return now - timedelta(days=30 if campaign.abandon_window is AbandonWindow.DAYS_30 else 1)
