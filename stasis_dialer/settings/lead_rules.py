"""What can be set for a campaign's leads: the law, working days, retries by disposition, order and expiry."""

from __future__ import annotations

from datetime import date, time
from typing import Any, ClassVar

from pydantic import Field, field_validator, model_validator

from stasis_dialer.core import lead_options as options
from stasis_dialer.settings.group import Group


class LawSettings(Group):
    """The lawful hours of the called number's own time zone, day and state."""

    core: ClassVar[type[Any]] = options.Law

    pack: options.LawPack = options.LawPack.AUTO
    """auto: the rules of the number's own country (Brazil, the USA; elsewhere 9 to 20 h, Saturdays 10 to 16 h); br, us:
    those, whatever the number; off: only the campaign's own hours, and `check` warns about it.
    """
    purpose: options.Purpose = options.Purpose.TELEMARKETING
    """telemarketing, or collection: the states of Brazil give them different hours."""
    closed_dates: tuple[date, ...] = ()
    """More days without calls, such as a city's holidays."""
    registries: tuple[str, ...] = ()
    """Sources of do-not-call registries that must be there and not too old; empty: all that were imported."""
    registry_days: int | None = Field(default=None, ge=0, le=3650)
    """How old a registry's file may be before nothing is dialled; null: the rule pack's (Brazil 30, USA 31); 0: any
    age, and `check` warns about it.
    """


class WorkingDaysSettings(Group):
    """The campaign's own days, beside its hours `start_time` and `end_time`."""

    core: ClassVar[type[Any]] = options.WorkingDays

    days: tuple[options.Weekday, ...] = options.EVERY_DAY
    """mon to sun. A window that passes midnight belongs to the day on which it begins."""
    saturday_start: time | None = None
    """Other hours on Saturdays; both null: those of the other days."""
    saturday_end: time | None = None

    @field_validator("days", mode="after")
    @classmethod
    def _in_order(cls, days: tuple[options.Weekday, ...]) -> tuple[options.Weekday, ...]:
        if not days:
            raise ValueError("a campaign without days never dials: give at least one of mon to sun, or pause it")
        return tuple(day for day in options.Weekday if day in days)


class RetryRuleSettings(Group):
    """What happens after a call with one disposition."""

    core: ClassVar[type[Any]] = options.RetryRule

    on: str = Field(min_length=1, max_length=100)
    """The disposition: busy, no_answer, machine, congestion, invalid_number, abandoned, ... or an agent's own."""
    delay_seconds: float | None = Field(default=None, ge=0, le=366 * 86_400)
    """How long until the next attempt; null: the campaign's `retry_delay_seconds`."""
    factor: float = Field(default=1.0, ge=1, le=100)
    """Each further attempt waits so many times longer; 1: always the same."""
    max_delay_seconds: float = Field(default=7 * 86_400.0, ge=0, le=366 * 86_400)
    """The longest that a factor may make of it."""
    attempts: int | None = Field(default=None, ge=0, le=100)
    """With this disposition the lead is finished after so many attempts in all; null: at its own limit; 0: at once."""
    phone: options.NextPhone = options.NextPhone.NEXT
    """next: the lead's next phone; same: this one again."""
    is_next_day: bool = False
    """Not before the next day, where the number is."""
    shift_hours: float = Field(default=0.0, ge=0, le=12)
    """At a time of day that is at least so far from this call's: who is out in the morning may be in at night."""


class RetrySettings(Group):
    """When and how often a lead is called again."""

    core: ClassVar[type[Any]] = options.Retry

    rules: tuple[RetryRuleSettings, ...] = ()
    """By disposition; one without a rule is called again after `retry_delay_seconds`, at the next phone."""
    calls_per_number: int = Field(default=3, ge=0, le=1000)
    """Calls to one number in 24 hours, by all campaigns together; 0: no limit. Brazil's telecom code allows 2."""
    calls_per_lead: int = Field(default=0, ge=0, le=1000)
    """Calls to one lead in 24 hours, at all its phones; 0: no limit."""
    attempts_per_phone: int = Field(default=0, ge=0, le=100)
    """Attempts at each of a lead's phones; then its others are called, and without one it is finished; 0: no limit."""
    retire_after: int = Field(default=3, ge=0, le=1000)
    """A number that the network refused as none so often in a row is not dialled again, by any campaign; 0: it is."""

    @model_validator(mode="after")
    def _once_each(self) -> RetrySettings:
        names = [rule.on for rule in self.rules]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two rules for one disposition: on={twice[0]}")
        return self


class LeadListSettings(Group):
    """How the campaign goes through its leads."""

    core: ClassVar[type[Any]] = options.LeadList

    order: options.LeadOrder = options.LeadOrder.OLDEST
    """oldest, newest (by import), priority (the leads' own, 9 first), random, least_attempts. Callbacks come first;
    then retries that are due, except that newest and least_attempts put fresh leads before them.
    """
    expire_days: int = Field(default=0, ge=0, le=3650)
    """Leads without an expiry of their own end so many days after their import; 0: never."""
