"""The day's use of the numbers that callees see. Which one is shown is decided by `core.caller_ids`.

Guarantees that no number is shown more often in a day than its cap, over restarts too: the counts of a day that has
begun come from the call log. Numbers are shared by campaigns, and so are their counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Protocol
from zoneinfo import ZoneInfo

from stasis_dialer.core import caller_ids as rules
from stasis_dialer.core.model import Campaign
from stasis_dialer.engine.clock import Clock


class CallerIdLog(Protocol):
    """The call log as this module needs it."""

    async def caller_id_counts(self, since: datetime) -> Mapping[str, int]: ...


@dataclass
class _Day:
    """One day of one time zone."""

    date: date
    used: Counter[str] = field(default_factory=Counter)


class CallerIdBook:
    """How often each number was shown today, by time zone."""

    def __init__(self, clock: Clock, log: CallerIdLog) -> None:
        self._clock = clock
        self._log = log
        self._days: dict[str, _Day] = {}

    async def refresh(self, campaigns: Iterable[Campaign]) -> None:
        """Know the day's counts of every zone that a campaign with a pool lives in.

        Raises: DatabaseUnavailable.
        """
        for zone in {campaign.timezone for campaign in campaigns if campaign.caller_ids.numbers}:
            today = self._today(zone)
            known = self._days.get(zone)
            if known is None:
                midnight = datetime.combine(today, time.min, ZoneInfo(zone))
                self._days[zone] = _Day(today, Counter(await self._log.caller_id_counts(midnight)))
            elif known.date != today:
                self._days[zone] = _Day(today)

    def left(self, campaign: Campaign) -> int | None:
        """How many more calls the campaign's numbers carry today; None: no limit."""
        return rules.left(campaign.caller_ids, self._used(campaign))

    def take(self, campaign: Campaign, callee: str) -> str | None:
        """The number to show to this callee, counted as used; None when the campaign has no pool, or none left."""
        number = rules.choose(campaign.caller_ids, callee, self._used(campaign))
        if number is not None:
            self._days.setdefault(campaign.timezone, _Day(self._today(campaign.timezone)))
            for day in self._days.values():
                day.used[rules.bare(number)] += 1
        return number

    def _used(self, campaign: Campaign) -> Mapping[str, int]:
        day = self._days.get(campaign.timezone)
        return day.used if day is not None else {}

    def _today(self, zone: str) -> date:
        return self._clock.utc_now().astimezone(ZoneInfo(zone)).date()
