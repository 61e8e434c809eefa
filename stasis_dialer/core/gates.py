"""Every gate between a lead and its next call, in one order: who dials asks them, and who explains asks the same.

A gate that is shut says why, and either when it opens by itself, or with which result the lead ends. A lead may be
called exactly when all of them are open. Nothing here reads a clock or a table: `Case` holds what was read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from stasis_dialer.core import law, schedule, windows
from stasis_dialer.core.model import CERTAIN_MODES, Campaign, CampaignStatus, Lead, LeadStatus
from stasis_dialer.core.zones import Zone

DAY: Final = timedelta(hours=24)
MAX_OPENINGS: Final = 200
"""Gates that open and shut in turn are followed so far into the future."""


class Gate(StrEnum):
    """The gates, in the order in which they are asked."""

    CAMPAIGN = "campaign"
    WINDOW = "window"
    TRUNK = "trunk"
    RESERVATION = "reservation"
    STATUS = "status"
    EXPIRY = "expiry"
    ATTEMPTS = "attempts"
    CALLBACK = "callback"
    NEXT_ATTEMPT = "next_attempt"
    LEAD_CAP = "lead_cap"
    NUMBER = "number"
    DO_NOT_CALL = "do_not_call"
    REGISTRY = "registry"
    RETIRED = "retired"
    PHONE_ATTEMPTS = "phone_attempts"
    HOLIDAY = "holiday"
    LAW = "law"
    NUMBER_CAP = "number_cap"
    LOCKOUT = "lockout"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one gate says. Shut: `opens_at` when it opens by itself, `ends` the result with which the lead is closed."""

    gate: Gate
    is_open: bool
    why: str = ""
    opens_at: datetime | None = None
    ends: str | None = None


@dataclass(frozen=True, slots=True)
class Phone:
    """What is known of one of a lead's numbers. Times are aware UTC."""

    number: str = ""
    """E.164 without plus; empty when the text is not one that may be called."""
    refusal: str = ""
    """Why not, as a lead's result."""
    refusal_why: str = ""
    zone: Zone | None = None
    do_not_call: str | None = None
    """What forbids it, and from where; None: nothing."""
    do_not_call_until: datetime | None = None
    called_at: tuple[datetime, ...] = ()
    """Calls to it in the last 24 hours, by any campaign."""
    invalid_count: int = 0
    """How often in a row the network said that there is no such number."""
    abandoned_at: datetime | None = None
    is_retired: bool = False
    """Somebody took it out, for this lead."""
    attempts: int = 0
    """Of this lead, at this phone."""


@dataclass(frozen=True, slots=True)
class Case:
    """A lead, and everything that decides whether it may be called at one of its phones."""

    campaign: Campaign
    lead: Lead
    phone: Phone = Phone()
    holidays: law.Holidays = field(default_factory=lambda: law.NO_HOLIDAYS)
    lead_called_at: tuple[datetime, ...] = ()
    """Calls to the lead in the last 24 hours, at any of its phones."""
    reserved_until: datetime | None = None
    reserved_by: str | None = None
    trunk: str | None = None
    """Why no trunk can take the call; None: one can, or nobody asked."""
    registries: tuple[law.Registry, ...] = ()
    """Do-not-call registries that were imported for the campaign."""
    has_agent: bool = False
    """An agent dials this very call, whatever the campaign's mode."""


def _campaign(case: Case, now: datetime) -> Verdict:
    status = case.campaign.status
    return Verdict(Gate.CAMPAIGN, status is CampaignStatus.ACTIVE, f"the campaign is {status}")


def _window(case: Case, now: datetime) -> Verdict:
    hours = schedule.working_hours(case.campaign)
    zone = case.campaign.timezone
    if windows.is_open(hours, zone, now):
        return Verdict(Gate.WINDOW, True, "within the campaign's hours")
    local = f"{now.astimezone(windows.zone_info(zone)):%a %H:%M} in {zone}"
    return Verdict(Gate.WINDOW, False, f"outside the campaign's hours: {local}", windows.opens_at(hours, zone, now))


def _trunk(case: Case, now: datetime) -> Verdict:
    return Verdict(Gate.TRUNK, case.trunk is None, case.trunk or "")


def _reservation(case: Case, now: datetime) -> Verdict:
    if case.reserved_until is None or case.lead.status is not LeadStatus.CALLING:
        return Verdict(Gate.RESERVATION, True, "not reserved")
    why = f"reserved by {case.reserved_by or 'a dialer'} until {case.reserved_until:%Y-%m-%d %H:%M:%S} UTC"
    return Verdict(Gate.RESERVATION, False, why)


def _status(case: Case, now: datetime) -> Verdict:
    status = case.lead.status
    why = f"the lead is {status}" + (f", result {case.lead.result}" if case.lead.result else "")
    return Verdict(Gate.STATUS, status is LeadStatus.PENDING, why)


def _expiry(case: Case, now: datetime) -> Verdict:
    at = schedule.expires_at(case.lead, case.campaign)
    if at is None:
        return Verdict(Gate.EXPIRY, True, "does not expire")
    return Verdict(Gate.EXPIRY, now < at, f"expires at {at:%Y-%m-%d %H:%M} UTC", ends="expired")


def _attempts(case: Case, now: datetime) -> Verdict:
    lead = case.lead
    why = f"attempts={lead.attempts} max_attempts={lead.max_attempts}"
    if lead.callback_at is not None:
        return Verdict(Gate.ATTEMPTS, True, f"{why}; a promised callback has no limit")
    return Verdict(Gate.ATTEMPTS, lead.attempts < lead.max_attempts, why, ends="max_attempts")


def _callback(case: Case, now: datetime) -> Verdict:
    at = case.lead.callback_at
    if at is None:
        return Verdict(Gate.CALLBACK, True, "no callback promised")
    whom = f" by agent {case.lead.callback_agent}" if case.lead.callback_agent else ""
    return Verdict(Gate.CALLBACK, at <= now, f"a callback is promised for {at:%Y-%m-%d %H:%M} UTC{whom}", at)


def _next_attempt(case: Case, now: datetime) -> Verdict:
    at = case.lead.next_attempt_at
    if at is None or case.lead.callback_at is not None:
        return Verdict(Gate.NEXT_ATTEMPT, True, "now")
    return Verdict(Gate.NEXT_ATTEMPT, at <= now, f"not before {at:%Y-%m-%d %H:%M:%S} UTC", at)


def _lead_cap(case: Case, now: datetime) -> Verdict:
    return _capped(Gate.LEAD_CAP, case.lead_called_at, case.campaign.retry.calls_per_lead, now)


def _number(case: Case, now: datetime) -> Verdict:
    phone = case.phone
    if phone.number:
        return Verdict(Gate.NUMBER, True, f"number ...{phone.number[-4:]}")
    return Verdict(Gate.NUMBER, False, phone.refusal_why or "no number", ends=phone.refusal or "invalid_number")


def _do_not_call(case: Case, now: datetime) -> Verdict:
    phone = case.phone
    if phone.do_not_call is None:
        return Verdict(Gate.DO_NOT_CALL, True, "not on the list")
    until = phone.do_not_call_until
    return Verdict(Gate.DO_NOT_CALL, False, phone.do_not_call, until, ends=None if until else "do_not_call")


def _registry(case: Case, now: datetime) -> Verdict:
    zone = case.phone.zone
    why = law.stale_registry(case.campaign.law, zone, case.registries, now) if zone is not None else None
    return Verdict(Gate.REGISTRY, why is None, why or "no registry is too old")


def _retired(case: Case, now: datetime) -> Verdict:
    if case.phone.is_retired:
        return Verdict(Gate.RETIRED, False, "this phone of the lead was taken out", ends="retired_number")
    limit, count = case.campaign.retry.retire_after, case.phone.invalid_count
    why = f"the network refused it as no number {count} times in a row"
    return Verdict(Gate.RETIRED, not limit or count < limit, why, ends="retired_number")


def _phone_attempts(case: Case, now: datetime) -> Verdict:
    limit, count = case.campaign.retry.attempts_per_phone, case.phone.attempts
    if not limit or case.lead.callback_at is not None:
        return Verdict(Gate.PHONE_ATTEMPTS, True, f"attempts={count}, no limit")
    why = f"attempts at this phone={count} attempts_per_phone={limit}"
    return Verdict(Gate.PHONE_ATTEMPTS, count < limit, why, ends="max_attempts")


def _holiday(case: Case, now: datetime) -> Verdict:
    found = _ruling(case, now)
    if found is None or found.is_open or found.holiday is None:
        return Verdict(Gate.HOLIDAY, True, "no holiday there")
    return Verdict(Gate.HOLIDAY, False, found.why, found.opens_at)


def _law(case: Case, now: datetime) -> Verdict:
    found = _ruling(case, now)
    if found is None or found.is_open:
        return Verdict(Gate.LAW, True, "within the lawful hours" if found else "no zone")
    return Verdict(Gate.LAW, found.holiday is not None, found.why, found.opens_at)


def _number_cap(case: Case, now: datetime) -> Verdict:
    limit = case.campaign.retry.calls_per_number
    lawful = law.calls_a_day(case.campaign.law, case.phone.zone) if case.phone.zone else None
    if lawful is not None:
        limit = min(limit, lawful) if limit else lawful
    return _capped(Gate.NUMBER_CAP, case.phone.called_at, limit, now)


def _lockout(case: Case, now: datetime) -> Verdict:
    hours = case.campaign.abandoned_lockout_hours
    at = case.phone.abandoned_at
    if at is None or not hours:
        return Verdict(Gate.LOCKOUT, True, "no abandoned call")
    if case.has_agent:
        return Verdict(Gate.LOCKOUT, True, "an agent dials it")
    if case.campaign.mode in CERTAIN_MODES:
        return Verdict(Gate.LOCKOUT, True, f"mode={case.campaign.mode} has an agent for everyone")
    until = at + timedelta(hours=hours)
    return Verdict(Gate.LOCKOUT, until <= now, f"abandoned at {at:%Y-%m-%d %H:%M} UTC", until)


def _ruling(case: Case, now: datetime) -> law.Ruling | None:
    zone = case.phone.zone
    return law.ruling(case.campaign.law, zone, case.holidays, now) if zone is not None else None


def _capped(gate: Gate, called_at: Iterable[datetime], limit: int, now: datetime) -> Verdict:
    recent = sorted(at for at in called_at if at > now - DAY)
    if not limit:
        return Verdict(gate, True, f"calls in 24 hours={len(recent)}, no limit")
    why = f"calls in 24 hours={len(recent)} limit={limit}"
    if len(recent) < limit:
        return Verdict(gate, True, why)
    return Verdict(gate, False, why, recent[-limit] + DAY)


GATES: Final[tuple[tuple[Gate, Callable[[Case, datetime], Verdict]], ...]] = (
    (Gate.CAMPAIGN, _campaign),
    (Gate.WINDOW, _window),
    (Gate.TRUNK, _trunk),
    (Gate.RESERVATION, _reservation),
    (Gate.STATUS, _status),
    (Gate.EXPIRY, _expiry),
    (Gate.ATTEMPTS, _attempts),
    (Gate.CALLBACK, _callback),
    (Gate.NEXT_ATTEMPT, _next_attempt),
    (Gate.LEAD_CAP, _lead_cap),
    (Gate.NUMBER, _number),
    (Gate.DO_NOT_CALL, _do_not_call),
    (Gate.REGISTRY, _registry),
    (Gate.RETIRED, _retired),
    (Gate.PHONE_ATTEMPTS, _phone_attempts),
    (Gate.HOLIDAY, _holiday),
    (Gate.LAW, _law),
    (Gate.NUMBER_CAP, _number_cap),
    (Gate.LOCKOUT, _lockout),
)

OF_CAMPAIGN: Final = frozenset({Gate.CAMPAIGN, Gate.WINDOW, Gate.TRUNK})
OF_PHONE: Final = frozenset(
    {
        Gate.NUMBER,
        Gate.DO_NOT_CALL,
        Gate.REGISTRY,
        Gate.RETIRED,
        Gate.PHONE_ATTEMPTS,
        Gate.HOLIDAY,
        Gate.LAW,
        Gate.NUMBER_CAP,
        Gate.LOCKOUT,
    }
)
"""Gates that another phone of the same lead may pass."""


def verdicts(case: Case, now: datetime) -> list[Verdict]:
    """What every gate says, in their order. Units: `now` is aware UTC."""
    return [ask(case, now) for _, ask in GATES]


def shut(case: Case, now: datetime, among: frozenset[Gate] = frozenset(Gate)) -> list[Verdict]:
    """The gates that are shut, in their order."""
    found = (ask(case, now) for gate, ask in GATES if gate in among)
    return [verdict for verdict in found if not verdict.is_open]


def may_be_called(case: Case, now: datetime) -> bool:
    """Whether every gate is open."""
    return all(ask(case, now).is_open for _, ask in GATES)


def ending(found: Iterable[Verdict]) -> Verdict | None:
    """The first shut gate that closes the lead; None when time alone opens all of them, or someone's decision."""
    return next((verdict for verdict in found if verdict.ends is not None), None)


def opening(case: Case, now: datetime) -> datetime | None:
    """When the lead may be called next if nothing but time passes; None: not by time alone.

    Units: `now` and the result are aware UTC.
    """
    at = now
    for _ in range(MAX_OPENINGS):
        closed = shut(case, at)
        if not closed:
            return at
        times = [verdict.opens_at for verdict in closed]
        if any(moment is None or moment <= at for moment in times):
            return None
        at = max(moment for moment in times if moment is not None)
        case = replace(case, phone=_at(case.phone, at))
    return None


def _at(phone: Phone, at: datetime) -> Phone:
    """The phone as time alone leaves it: entries of the do-not-call list that have an end."""
    if phone.do_not_call_until is not None and phone.do_not_call_until <= at:
        return replace(phone, do_not_call=None, do_not_call_until=None)
    return phone


def first_open(cases: Iterable[Case], now: datetime) -> tuple[Case | None, list[Verdict]]:
    """The first case (one for each phone of a lead, in their order) whose phone may be called; else what shuts them.

    Answers no case when none may; then the verdicts are of the phone that opens first, or of the first that ends.
    """
    held: list[tuple[datetime, list[Verdict]]] = []
    over: list[Verdict] = []
    for case in cases:
        closed = shut(case, now, OF_PHONE)
        if not closed:
            return case, []
        times = [verdict.opens_at for verdict in closed]
        if ending(closed) is None and all(times):
            held.append((max(moment for moment in times if moment is not None), closed))
        elif not over:
            over = closed
    if held:
        return None, min(held, key=lambda one: one[0])[1]
    return None, over
