"""When a lead may be dialled, and when again.

Guarantees: outside its campaign's hours, over its attempts or before its time no lead is callable. The legacy's derived
answers stand here under their names.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from stasis_dialer.core import windows
from stasis_dialer.core.lead_options import NextPhone, RetryRule, Weekday
from stasis_dialer.core.model import Campaign, Disposition, Lead, LeadOutcome, LeadStatus
from stasis_dialer.core.options import Choice
from stasis_dialer.core.zones import ON_AGENDA, zone_by_code

REACHED: Final = frozenset({Disposition.ANSWERED, Disposition.MESSAGE_PLAYED, Disposition.OPT_OUT})
"""After these a lead is not dialled again."""

MAX_DOUBLINGS: Final = 20
"""Attempts whose factor counts: more would only pass `max_delay_seconds` by more."""

_ALL_DAY: Final = (time.min, time.min)
_WEEK: Final = tuple(Weekday)


def is_in_working_hours(campaign: Campaign, now: datetime) -> bool:
    """Whether the campaign's window is open; a window whose start is after its end passes midnight.

    Units: `now` is aware UTC. The start belongs to the window, the end does not; equal ends mean all day.
    """
    return windows.is_open(working_hours(campaign), campaign.timezone, now)


def working_hours(campaign: Campaign) -> windows.Opening:
    """The campaign's own hours of each day, in its own zone. Days whose window passes midnight own its end."""
    weekday = _hours(campaign.window_start, campaign.window_end)
    days = campaign.hours
    is_saturday_special = days.saturday_start is not None or days.saturday_end is not None
    saturday = _hours(days.saturday_start, days.saturday_end) if is_saturday_special else weekday
    open_days = frozenset(days.days)

    def hours(day: date) -> windows.Hours | None:
        name = _WEEK[day.weekday()]
        if name not in open_days:
            return None
        return saturday if name is Weekday.SAT else weekday

    return hours


def _hours(start: time | None, end: time | None) -> windows.Hours:
    if start is None and end is None:
        return _ALL_DAY
    return start or time.min, end or time.min


def is_within(local: time, start: time, end: time | None) -> bool:
    """Whether a wall time lies in a window; `end` None means midnight."""
    if end is None:
        return local >= start
    if start == end:
        return True
    if start < end:
        return start <= local < end
    return local >= start or local < end


def can_be_called_now(lead: Lead, now: datetime) -> bool:
    """The legacy's rule: pending, attempts left, and its next attempt not in the future. `now` is aware UTC."""
    if lead.status is not LeadStatus.PENDING or lead.attempts >= lead.max_attempts:
        return False
    return lead.next_attempt_at is None or lead.next_attempt_at <= now


def next_attempt(disposition: str, attempts: int, lead: Lead, campaign: Campaign, now: datetime) -> datetime | None:
    """When this lead may be dialled again, or None when it is finished.

    Units: `now` and the result are aware UTC; `attempts` counts those that burned one, this one included.
    Source: the campaign's rule for the disposition; without one the legacy's: `retry_delay_seconds` later, until
    `max_attempts`.
    """
    rule = campaign.retry.rule(disposition)
    limit = lead.max_attempts if rule.attempts is None else min(rule.attempts, lead.max_attempts)
    if disposition in REACHED or attempts >= limit:
        return None
    return _shifted(rule, campaign, lead, attempts, now)


def _shifted(rule: RetryRule, campaign: Campaign, lead: Lead, attempts: int, now: datetime) -> datetime:
    """The time after the rule's delay, on its day, and at its distance from this attempt's time of day."""
    delay = campaign.retry_delay_seconds if rule.delay_seconds is None else rule.delay_seconds
    longest = max(delay, rule.max_delay_seconds)
    delay = min(longest, delay * rule.factor ** min(max(0, attempts - 1), MAX_DOUBLINGS))
    at = now + timedelta(seconds=delay)
    timezone = windows.zone_info(local_timezone(lead, campaign))
    if rule.is_next_day:
        tomorrow = now.astimezone(timezone).date() + timedelta(days=1)
        at = max(at, datetime.combine(tomorrow, time.min, timezone).astimezone(UTC))
    if rule.shift_hours:
        at = _away_from(now.astimezone(timezone), at.astimezone(timezone), rule.shift_hours).astimezone(UTC)
    return at


def _away_from(called: datetime, again: datetime, hours: float) -> datetime:
    """`again`, or so much later that its time of day is `hours` from that of the last call, around the clock."""
    apart = (_seconds_of_day(again) - _seconds_of_day(called)) % 86_400
    wanted = min(hours, 12.0) * 3600
    if apart < wanted:
        return again + timedelta(seconds=wanted - apart)
    if 86_400 - apart < wanted:
        return again + timedelta(seconds=wanted + 86_400 - apart)
    return again


def _seconds_of_day(moment: datetime) -> float:
    return moment.hour * 3600 + moment.minute * 60 + moment.second + moment.microsecond / 1e6


def local_timezone(lead: Lead, campaign: Campaign) -> str:
    """The time zone of the lead's number; the campaign's while it is not known."""
    if lead.zone is None or lead.zone == ON_AGENDA:
        return campaign.timezone
    return zone_by_code(lead.zone).timezones[0]


def lead_outcome(
    call_id: str,
    lead: Lead,
    campaign: Campaign,
    disposition: str,
    *,
    is_attempt_given_back: bool,
    now: datetime,
) -> LeadOutcome:
    """What an ended attempt makes of its lead. `lead` is as its reservation left it: this attempt is counted."""
    if disposition is Disposition.CALLBACK:
        call_at = now + timedelta(seconds=campaign.broadcast.callback_delay_seconds)
        return LeadOutcome(lead.id, call_id, LeadStatus.PENDING, str(disposition), call_at, is_callback=True)
    attempts = lead.attempts - 1 if is_attempt_given_back else lead.attempts
    again_at = next_attempt(disposition, attempts, lead, campaign, now)
    if disposition in REACHED:
        status = LeadStatus.COMPLETED
    else:
        status = LeadStatus.FAILED if again_at is None else LeadStatus.PENDING
    phone = NextPhone.SAME if is_attempt_given_back else campaign.retry.rule(disposition).phone
    return LeadOutcome(lead.id, call_id, status, str(disposition), again_at, is_attempt_given_back, phone=phone)


def expires_at(lead: Lead, campaign: Campaign) -> datetime | None:
    """When a lead ends if it was not reached: its own expiry, or the campaign's days after its import."""
    if lead.expires_at is not None or not campaign.leads.expire_days or lead.created_at is None:
        return lead.expires_at
    return lead.created_at + timedelta(days=campaign.leads.expire_days)


def disposed_outcome(
    call_id: str, lead: Lead, campaign: Campaign, choice: Choice, *, callback_at: datetime | None, now: datetime
) -> LeadOutcome:
    """What an agent's disposition makes of the lead. `lead` has this attempt counted; `now` is when it was given.

    A final one closes the lead, a callback is dialled at its time (the campaign's delay without one), whatever attempts
    are left; any other is a try that failed.
    """
    if choice.closes_lead:
        return LeadOutcome(lead.id, call_id, LeadStatus.COMPLETED, choice.code)
    if choice.callback:
        again_at = callback_at or now + timedelta(seconds=campaign.dispositions.callback_delay_seconds)
        return LeadOutcome(lead.id, call_id, LeadStatus.PENDING, choice.code, again_at, is_callback=True)
    tried = Disposition.MACHINE if choice.machine else Disposition.NO_ANSWER
    retry_at = next_attempt(tried, lead.attempts, lead, campaign, now)
    status = LeadStatus.FAILED if retry_at is None else LeadStatus.PENDING
    return LeadOutcome(lead.id, call_id, status, choice.code, retry_at)


def inbound_outcome(
    call_id: str, lead: Lead, campaign: Campaign, disposition: Disposition, now: datetime
) -> LeadOutcome:
    """What a customer's own call makes of their lead: done, called back, or as it was. `lead` is as it was before.

    Units: `now` is aware UTC.
    """
    if disposition is Disposition.ANSWERED:
        return LeadOutcome(lead.id, call_id, LeadStatus.COMPLETED, str(disposition))
    seconds = campaign.inbound.callback_seconds
    if seconds is None:
        return LeadOutcome(lead.id, call_id, lead.status, lead.result or str(disposition), lead.next_attempt_at)
    again_at = now + timedelta(seconds=seconds)
    return LeadOutcome(lead.id, call_id, LeadStatus.PENDING, str(disposition), again_at, is_callback=True)


def success_rate(successful_calls: int, processed_contacts: int) -> float:
    """The legacy's success rate, in per cent; 0 before anything was processed."""
    return 100.0 * successful_calls / processed_contacts if processed_contacts else 0.0
