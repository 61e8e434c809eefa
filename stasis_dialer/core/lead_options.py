"""A campaign's options about its leads: the law that rules their calls, working days, retries, order.

Frozen values with the meaning of their settings (`settings.lead_rules`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, time
from enum import StrEnum


class LawPack(StrEnum):
    """Whose hours a called number has."""

    AUTO = "auto"
    """Those of the number's own country."""
    BR = "br"
    US = "us"
    OFF = "off"


class Purpose(StrEnum):
    """What the calls are for: the law gives collection other hours than telemarketing."""

    TELEMARKETING = "telemarketing"
    COLLECTION = "collection"


@dataclass(frozen=True, slots=True)
class Law:
    """Which rule pack holds, besides the campaign's own hours."""

    pack: LawPack = LawPack.AUTO
    purpose: Purpose = Purpose.TELEMARKETING
    closed_dates: tuple[date, ...] = ()
    registries: tuple[str, ...] = ()
    registry_days: int | None = None


class Weekday(StrEnum):
    """Days of the week, Monday first."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


EVERY_DAY = tuple(Weekday)


@dataclass(frozen=True, slots=True)
class WorkingDays:
    """The campaign's own days; its hours are the legacy's columns. On Saturdays others may hold."""

    days: tuple[Weekday, ...] = EVERY_DAY
    saturday_start: time | None = None
    saturday_end: time | None = None


class NextPhone(StrEnum):
    """Which of a lead's phones the next attempt calls."""

    NEXT = "next"
    SAME = "same"


@dataclass(frozen=True, slots=True)
class RetryRule:
    """What happens after a call that came out as `on`.

    Units: seconds; `attempts` are all of the lead's. None: the campaign's, or the lead's.
    """

    on: str
    delay_seconds: float | None = None
    factor: float = 1.0
    max_delay_seconds: float = 7 * 86_400.0
    attempts: int | None = None
    phone: NextPhone = NextPhone.NEXT
    is_next_day: bool = False
    shift_hours: float = 0.0


@dataclass(frozen=True, slots=True)
class Retry:
    """When and how often a lead is called again. Limits of 0: none."""

    rules: tuple[RetryRule, ...] = ()
    calls_per_number: int = 3
    calls_per_lead: int = 0
    attempts_per_phone: int = 0
    retire_after: int = 3

    def rule(self, disposition: str) -> RetryRule:
        """The rule for a disposition; without one, the campaign's delay and the next phone."""
        return next((rule for rule in self.rules if rule.on == disposition), RetryRule(disposition))


class LeadOrder(StrEnum):
    """Which of the leads that may be called comes first. Callbacks always do, then mostly retries that are due."""

    PRIORITY = "priority"
    OLDEST = "oldest"
    NEWEST = "newest"
    RANDOM = "random"
    LEAST_ATTEMPTS = "least_attempts"


@dataclass(frozen=True, slots=True)
class LeadList:
    """How the campaign goes through its leads."""

    order: LeadOrder = LeadOrder.OLDEST
    expire_days: int = 0
    """Leads without an expiry of their own end so many days after their import; 0: never."""
