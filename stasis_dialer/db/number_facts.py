"""What is known of numbers across all campaigns: calls of the last day, refusals as no number, abandoned calls.

A number's own row exists only once something went wrong with it. It is written together with the call's end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from stasis_dialer.core.gates import DAY, Phone
from stasis_dialer.core.model import CallRecord, Direction, Disposition
from stasis_dialer.db.clock import LegacyClock, utc_moment, utc_text
from stasis_dialer.db.database import Statements, placeholders
from stasis_dialer.db.dnc import Listed, listed_among

REAL_CALL: Final = (
    "direction = 'outbound' AND NOT (status = 'finished' AND app IS NOT NULL AND dialled_at IS NULL "
    "AND is_end_estimated = 0)"
)
"""A call that counts against a limit: ours, and not one that we know to have ended before it left us."""

PROOF_OF_LIFE: Final = frozenset(
    {
        Disposition.ANSWERED,
        Disposition.ABANDONED,
        Disposition.BUSY,
        Disposition.MACHINE,
        Disposition.VOICEMAIL,
        Disposition.MESSAGE_PLAYED,
        Disposition.PARTLY_PLAYED,
        Disposition.OPT_OUT,
        Disposition.CALLBACK,
    }
)
"""Results that only a number that exists can have."""

_NUMBERS: Final = "SELECT JSON_ARRAY(number, invalid_count, abandoned_at) FROM dialer_numbers WHERE number IN ({marks})"
_CALLS: Final = (
    "SELECT JSON_ARRAY(destination_extension, started_at, start_time) FROM discador_chamadas "
    "FORCE INDEX (ix_dialer_number) WHERE destination_extension IN ({marks}) AND start_time > %s AND " + REAL_CALL
)
_LEAD_CALLS: Final = (
    "SELECT JSON_ARRAY(lead_id, started_at, start_time) FROM discador_chamadas FORCE INDEX (ix_dialer_lead) "
    "WHERE lead_id IN ({marks}) AND start_time > %s AND " + REAL_CALL
)
_OWN_PHONES: Final = (
    "SELECT JSON_ARRAY(lead_id, position, number, status, attempts) FROM dialer_lead_phones WHERE lead_id IN ({marks}) "
    "AND number <> '' AND (position > 1 OR attempts > 0 OR status = 'retired') ORDER BY lead_id, position"
)
RETIRED: Final = "retired"
"""Status of a lead's phone that is not to be called for this lead."""
_PHONE_ENDED: Final = (
    "UPDATE dialer_lead_phones SET attempts = attempts + 1, result = %s, last_attempt_at = %s "
    "WHERE lead_id = %s AND number = %s AND (last_attempt_at IS NULL OR last_attempt_at < %s)"
)
_REFUSED: Final = (
    "INSERT INTO dialer_numbers (number, invalid_count, invalid_at) VALUES {rows} "
    "ON DUPLICATE KEY UPDATE "
    "invalid_count = IF(invalid_at >= VALUES(invalid_at), invalid_count, LEAST(invalid_count + 1, 30000)), "
    "invalid_at = VALUES(invalid_at)"
)
"""The same end written twice counts once."""
_ABANDONED: Final = (
    "INSERT INTO dialer_numbers (number, abandoned_at) VALUES {rows} "
    "ON DUPLICATE KEY UPDATE "
    "abandoned_at = GREATEST(COALESCE(abandoned_at, VALUES(abandoned_at)), VALUES(abandoned_at))"
)
_ALIVE: Final = "UPDATE dialer_numbers SET invalid_count = 0 WHERE number IN ({marks}) AND invalid_count > 0"
_NUMBER_LENGTH: Final = 20


async def known_phones(
    statements: Statements,
    clock: LegacyClock,
    phones: Iterable[Phone],
    campaign_id: int | None,
    now: datetime,
    *,
    are_calls_wanted: bool = True,
) -> dict[str, Phone]:
    """By number, the phones with everything that is known of them. Units: `now` is aware UTC."""
    known = {phone.number: phone for phone in phones if phone.number}
    numbers = list(known)
    if not numbers:
        return known
    marks = placeholders(numbers)
    for number, listed in (await listed_among(statements, numbers, campaign_id, now)).items():
        known[number] = replace(known[number], do_not_call=_why(listed), do_not_call_until=listed.until)
    for number, invalid, abandoned in await statements.rows(_NUMBERS.format(marks=marks), *numbers):
        known[number] = replace(known[number], invalid_count=invalid, abandoned_at=utc_moment(abandoned))
    if are_calls_wanted:
        rows = await statements.rows(_CALLS.format(marks=marks), *numbers, clock.text(now - DAY))
        for number, called_at in _by_first(rows, clock).items():
            if number in known:
                known[number] = replace(known[number], called_at=called_at)
    return known


async def calls_of_leads(
    statements: Statements, clock: LegacyClock, lead_ids: Sequence[int], now: datetime
) -> Mapping[int, tuple[datetime, ...]]:
    """By lead, when it was called in the last 24 hours, at any phone."""
    if not lead_ids:
        return {}
    sql = _LEAD_CALLS.format(marks=placeholders(lead_ids))
    return _by_first(await statements.rows(sql, *lead_ids, clock.text(now - DAY)), clock)


@dataclass(slots=True)
class OwnPhones:
    """What a lead's phones have beside their numbers. `more`: those without a column of the legacy's, with plus."""

    more: tuple[str, ...] = ()
    attempts: dict[str, int] = field(default_factory=dict)
    retired: set[str] = field(default_factory=set)

    def of(self, phone: Phone) -> Phone:
        """A phone with its own state."""
        return replace(phone, attempts=self.attempts.get(phone.number, 0), is_retired=phone.number in self.retired)


async def own_phones(statements: Statements, lead_ids: Sequence[int]) -> dict[int, OwnPhones]:
    """By lead, for those that have anything to tell of their phones."""
    if not lead_ids:
        return {}
    found: dict[int, OwnPhones] = {}
    rows = await statements.rows(_OWN_PHONES.format(marks=placeholders(lead_ids)), *lead_ids)
    for lead_id, position, number, status, attempts in rows:
        own = found.setdefault(lead_id, OwnPhones())
        if position > 1:
            own.more = (*own.more, f"+{number}")
        own.attempts[number] = max(attempts, own.attempts.get(number, 0))
        if status == RETIRED:
            own.retired.add(number)
    return found


def note_ends(statements: Statements, records: Iterable[CallRecord]) -> None:
    """Write down what ended calls tell of their numbers; with the transaction that ends them."""
    refused: dict[str, datetime | None] = {}
    abandoned: dict[str, datetime | None] = {}
    alive: set[str] = set()
    for record in records:
        if record.direction is not Direction.OUTBOUND:
            continue
        number = record.number[:_NUMBER_LENGTH]
        if record.lead_id is not None and record.dialled_at is not None and record.disposition is not None:
            started = utc_text(record.started_at)
            statements.later(_PHONE_ENDED, record.disposition.value, started, record.lead_id, number, started)
        if not (number.isascii() and number.isdigit()):
            continue
        if record.disposition is Disposition.INVALID_NUMBER and not record.is_end_estimated:
            refused[number] = record.ended_at
        elif record.disposition in PROOF_OF_LIFE:
            alive.add(number)
        if record.disposition is Disposition.ABANDONED:
            abandoned[number] = record.ended_at
    if refused:
        rows = ", ".join(["(%s, 1, %s)"] * len(refused))
        values = [value for number, at in refused.items() for value in (number, utc_text(at))]
        statements.later(_REFUSED.format(rows=rows), *values)
    if abandoned:
        rows = ", ".join(["(%s, %s)"] * len(abandoned))
        values = [value for number, at in abandoned.items() for value in (number, utc_text(at))]
        statements.later(_ABANDONED.format(rows=rows), *values)
    if alive - refused.keys():
        numbers = sorted(alive - refused.keys())
        statements.later(_ALIVE.format(marks=placeholders(numbers)), *numbers)


def _why(listed: Listed) -> str:
    until = f" until {listed.until:%Y-%m-%d}" if listed.until else ""
    return f"on the do-not-call list: source={listed.source or 'none given'}{until}"


def _by_first(rows: Sequence[Sequence[Any]], clock: LegacyClock) -> dict[Any, tuple[datetime, ...]]:
    """Rows of (key, our time, the legacy's time) by their key."""
    found: dict[Any, list[datetime]] = {}
    for key, ours, legacy in rows:
        moment = utc_moment(ours) or clock.moment(legacy)
        if moment is not None:
            found.setdefault(key, []).append(moment)
    return {key: tuple(sorted(moments)) for key, moments in found.items()}
