"""When a lead may be dialled, and when again.

Guarantees: outside its campaign's hours, over its attempts or before its time no lead is callable. The legacy's derived
answers stand here under their names.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from stasis_dialer.core.model import Campaign, Disposition, Lead, LeadOutcome, LeadStatus
from stasis_dialer.core.options import Choice

REACHED: Final = frozenset({Disposition.ANSWERED, Disposition.MESSAGE_PLAYED, Disposition.OPT_OUT})
"""After these a lead is not dialled again."""


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def is_in_working_hours(campaign: Campaign, now: datetime) -> bool:
    """Whether the campaign's window is open; a window whose start is after its end passes midnight.

    Units: `now` is aware UTC. The start belongs to the window, the end does not; equal ends mean all day.
    """
    start, end = campaign.window_start, campaign.window_end
    if start is None and end is None:
        return True
    local = now.astimezone(_zone(campaign.timezone)).time()
    return is_within(local, start or time.min, end)


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


def next_attempt(
    disposition: Disposition, attempts: int, lead: Lead, campaign: Campaign, now: datetime
) -> datetime | None:
    """When this lead may be dialled again, or None when it is finished.

    Units: `now` and the result are aware UTC; `attempts` counts those that burned one, this one included.
    Source: the legacy's rule: 30 minutes later, until `max_attempts`; the delay is a setting of the campaign.
    """
    if disposition in REACHED or attempts >= lead.max_attempts:
        return None
    return now + timedelta(seconds=campaign.retry_delay_seconds)


def lead_outcome(
    call_id: str,
    lead: Lead,
    campaign: Campaign,
    disposition: Disposition,
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
    return LeadOutcome(lead.id, call_id, status, str(disposition), again_at, is_attempt_given_back)


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
    return LeadOutcome(lead.id, call_id, LeadStatus.PENDING, str(disposition), again_at)


def success_rate(successful_calls: int, processed_contacts: int) -> float:
    """The legacy's success rate, in per cent; 0 before anything was processed."""
    return 100.0 * successful_calls / processed_contacts if processed_contacts else 0.0
