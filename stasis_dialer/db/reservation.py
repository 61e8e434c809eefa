"""Takes leads for dialling, keeps their leases, and gives back what a dead dialer left behind.

A reservation is one transaction: due leads are locked past those that others hold, their numbers and the do-not-call
list are looked at, and the leads and their attempts' rows are written. So no lead is ever taken twice, and none without
its attempt. Leads that may not be dialled are closed in the same transaction and do not stand in the way again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from stasis_dialer.core.model import (
    CERTAIN_MODES,
    CallStatus,
    Campaign,
    Disposition,
    Fault,
    Lead,
    LeadStatus,
    Reservation,
)
from stasis_dialer.db.clock import utc_moment, utc_text
from stasis_dialer.db.database import Database, Statements, placeholders
from stasis_dialer.db.dnc import listed_among
from stasis_dialer.db.rows import LEAD_JSON, lead_from
from stasis_dialer.errors import NumberRefused

MAX_ROUNDS: Final = 4
"""Looks for more leads in one reservation when some were refused; the rest waits for the next tick (not measured)."""

MAX_RELEASED: Final = 500
"""Expired leases given back in one transaction."""

LEGACY_RETRY_SECONDS: Final = 1800.0
"""Source: the legacy's rule, thirty minutes."""

LEASE_EXPIRED: Final = "lease_expired"
"""Result of a lead whose dialer vanished; the attempt's true end, should it still come, replaces it."""

_DUE: Final = (
    f"SELECT {LEAD_JSON} FROM discador_contatos FORCE INDEX (ix_dialer_due) "
    "WHERE campaign_id = %s AND status = 'pending' "
)
RETRIES: Final = f"{_DUE} AND next_attempt <= %s ORDER BY next_attempt, id LIMIT %s FOR UPDATE SKIP LOCKED"
FRESH: Final = f"{_DUE} AND next_attempt IS NULL ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED"
"""Two ranges of one index, each in its order: one range with OR would be sorted, and slow at millions of leads.

The index is forced: while most leads are pending the optimizer takes one by id, which passes every closed lead later.
"""

_TAKE = (
    "UPDATE discador_contatos SET attempts = COALESCE(attempts, 0) + 1, last_attempt = %s, status = 'calling', "
    "updated_at = %s, reserved_by = %s, reserved_until = %s, attempt_id = ELT(FIELD(id, {ids}), {ids}) "
    "WHERE id IN ({ids})"
)
_REFUSE = (
    "UPDATE discador_contatos SET status = 'failed', next_attempt = NULL, updated_at = %s, "
    "result = ELT(FIELD(id, {ids}), {ids}) WHERE id IN ({ids})"
)
_OPEN_CALLS = (
    "INSERT INTO discador_chamadas (unique_id, destination_extension, status, start_time, duration, source_extension, "
    "app, campaign_id, lead_id, started_at) VALUES "
)
PROCESSED = (
    "UPDATE discador_campanhas SET processed_contacts = processed_contacts + %s, "
    "successful_calls = successful_calls + %s, updated_at = COALESCE(%s, updated_at) WHERE id = %s"
)
_ABANDONED = (
    "SELECT JSON_ARRAY(destination_extension, MAX(ended_at)) FROM discador_chamadas "
    "WHERE destination_extension IN ({numbers}) AND start_time >= %s AND disposition = %s AND ended_at > %s "
    "GROUP BY destination_extension"
)
_POSTPONE = (
    "UPDATE discador_contatos SET next_attempt = ELT(FIELD(id, {ids}), {ids}), updated_at = %s WHERE id IN ({ids})"
)
LONGEST_CALL: Final = timedelta(days=1)
"""A call that ended within the time began at most so much earlier. Source: `max_call_seconds` is at most a day."""
_CLAIM = (
    "UPDATE discador_contatos SET status = 'calling', max_attempts = GREATEST(max_attempts, attempts + 1), "
    "updated_at = %s, reserved_by = %s, reserved_until = %s, attempt_id = %s WHERE id = %s"
)
_RENEW = (
    "UPDATE discador_contatos FORCE INDEX (ix_dialer_lease) SET reserved_until = %s "
    "WHERE reserved_until IS NOT NULL AND reserved_by = %s AND status = 'calling'"
)
_EXPIRED = (
    "SELECT JSON_ARRAY(id, campaign_id, attempts, max_attempts, status, attempt_id) "
    "FROM discador_contatos FORCE INDEX (ix_dialer_lease) "
    "WHERE reserved_until <= %s ORDER BY reserved_until LIMIT %s FOR UPDATE SKIP LOCKED"
)
_TALKED = (
    "SELECT JSON_ARRAY(unique_id) FROM discador_chamadas "
    "WHERE unique_id IN ({ids}) AND bridged_at IS NOT NULL FOR UPDATE"
)
_GIVE_BACK = (
    "UPDATE discador_contatos SET reserved_by = NULL, reserved_until = NULL, updated_at = %s, result = %s, "
    "next_attempt = %s, status = %s WHERE id IN ({ids})"
)
_FORGET = "UPDATE discador_contatos SET reserved_by = NULL, reserved_until = NULL WHERE id IN ({ids})"
_CLOSE_CALLS = (
    "UPDATE discador_chamadas SET ended_at = %s, end_time = %s, is_end_estimated = 1, fault = %s, "
    "disposition = IF(bridged_at IS NULL, %s, %s), "
    "duration = IF(answered_at IS NULL, 0, GREATEST(0, TIMESTAMPDIFF(SECOND, answered_at, %s))), "
    "status = 'finished' WHERE status <> 'finished' AND unique_id IN ({ids})"
)


@dataclass(frozen=True, slots=True)
class RefusedLead:
    """A due lead that may not be dialled: it was closed as failed, and no attempt was written."""

    lead: Lead
    result: str
    """`invalid_number` (or `foreign_number`, `premium_number`), `do_not_call` or `max_attempts`."""
    reason: str


@dataclass(frozen=True, slots=True)
class Reserved:
    """What one reservation took, and what it refused."""

    reservations: list[Reservation] = field(default_factory=list)
    refused: list[RefusedLead] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ReleasedLead:
    """A lead whose dialer vanished, and what became of it."""

    lead_id: int
    campaign_id: int
    call_id: str | None
    status: LeadStatus


class Reservations:
    """Leads taken for dialling."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def reserve(
        self,
        campaign: Campaign,
        n: int,
        now: datetime,
        app: str,
        lease_seconds: float,
        to_number: Callable[[Lead], str],
        new_call_id: Callable[[], str],
    ) -> Reserved:
        """Take up to `n` due leads: retries that are due first, then fresh ones in order of their import.

        A reservation's lead is as it stands after it: `calling`, this attempt counted. `to_number` gives E.164 without
        plus, or raises NumberRefused; it may be asked twice for a lead, as `new_call_id`.
        Raises: DatabaseUnavailable. When the commit's answer was lost the leads come back when their lease ends.
        """
        if n <= 0:
            return Reserved()

        async def take(statements: Statements) -> Reserved:
            reserved = Reserved()
            batch = _Batch(self._database, statements, campaign, now, app, now + timedelta(seconds=lease_seconds))
            for _round in range(MAX_ROUNDS):
                wanted = n - len(reserved.reservations)
                leads = await batch.due(wanted)
                refused, numbers = await batch.sorted_out(leads, to_number)
                reserved.refused.extend(batch.refuse(refused))
                numbers = await batch.without_abandoned(numbers)
                reserved.reservations.extend(batch.take(numbers, new_call_id))
                if len(leads) < wanted or len(reserved.reservations) >= n:
                    break
            if reserved.refused:
                stamp = self._database.clock.text(now)
                statements.later(PROCESSED, len(reserved.refused), 0, stamp, campaign.id)
            return reserved

        return await self._database.run(take)

    async def claim(self, lead_id: int, call_id: str, app: str, now: datetime, lease_seconds: float) -> Lead | None:
        """Keep a lead from being dialled while its customer is in a call of their own; the lead as it was before.

        None when there is no such lead, or a call to it is under way. It has one more attempt, should this be missed.
        Raises: DatabaseUnavailable; should the commit have worked, the lead comes back when its lease ends.
        """

        async def take(statements: Statements) -> Lead | None:
            rows = await statements.rows(f"SELECT {LEAD_JSON} FROM discador_contatos WHERE id = %s FOR UPDATE", lead_id)
            lead = lead_from(rows[0], self._database.clock) if rows else None
            if lead is None or lead.status is LeadStatus.CALLING:
                return None
            stamp = self._database.clock.text(now)
            until = utc_text(now + timedelta(seconds=lease_seconds))
            statements.later(_CLAIM, stamp, app, until, call_id, lead_id)
            if lead.status in (LeadStatus.COMPLETED, LeadStatus.FAILED):
                statements.later(PROCESSED, -1, 0, stamp, lead.campaign_id)
            return lead

        return await self._database.run(take)

    async def renew(self, app: str, now: datetime, lease_seconds: float) -> int:
        """Extend the leases of all leads that `app` has reserved; their count."""
        until = utc_text(now + timedelta(seconds=lease_seconds))

        async def extend(statements: Statements) -> int:
            return await statements.execute(_RENEW, until, app)

        return await self._database.run(extend, may_repeat=True)

    async def release_expired(
        self, now: datetime, retry_delay_seconds: float = LEGACY_RETRY_SECONDS
    ) -> list[ReleasedLead]:
        """Give back leads whose lease ran out, whoever held them; at most `MAX_RELEASED` at a time.

        Their open calls are closed with an estimated end: `error` by our fault, or `answered` when the customer was
        already talking to an agent. Such a lead is completed; another waits for its retry, or has failed at its limit.
        """

        retry_at = now + timedelta(seconds=retry_delay_seconds)

        async def release(statements: Statements) -> list[ReleasedLead]:
            rows = await statements.rows(_EXPIRED, utc_text(now), MAX_RELEASED)
            calls = [row[5] for row in rows if row[5]]
            talked: set[str] = set()
            if calls:
                found = await statements.rows(_TALKED.format(ids=placeholders(calls)), *calls)
                talked = {row[0] for row in found}
                self._close_calls(statements, calls, now)
            released = [_released(row, talked) for row in rows if row[4] == LeadStatus.CALLING.value]
            self._close_leads(statements, released, now, retry_at)
            moved = [row[0] for row in rows if row[4] != LeadStatus.CALLING.value]
            if moved:  # by the old panel, while we held them: they stay as it wants them
                statements.later(_FORGET.format(ids=placeholders(moved)), *moved)
            return released

        return await self._database.run(release)

    def _close_calls(self, statements: Statements, calls: Sequence[str], now: datetime) -> None:
        statements.later(
            _CLOSE_CALLS.format(ids=placeholders(calls)),
            utc_text(now),
            self._database.clock.text(now),
            Fault.OURS.value,
            Disposition.ERROR.value,
            Disposition.ANSWERED.value,
            utc_text(now),
            *calls,
        )

    def _close_leads(
        self, statements: Statements, released: Sequence[ReleasedLead], now: datetime, retry_at: datetime
    ) -> None:
        clock = self._database.clock
        stamp = clock.text(now)
        for status in (LeadStatus.PENDING, LeadStatus.COMPLETED, LeadStatus.FAILED):
            ids = [lead.lead_id for lead in released if lead.status is status]
            if ids:
                statements.later(
                    _GIVE_BACK.format(ids=placeholders(ids)),
                    stamp,
                    Disposition.ANSWERED.value if status is LeadStatus.COMPLETED else LEASE_EXPIRED,
                    clock.text_not_before(retry_at) if status is LeadStatus.PENDING else None,
                    status.value,
                    *ids,
                )
        for campaign_id in sorted({lead.campaign_id for lead in released}):
            became = [lead.status for lead in released if lead.campaign_id == campaign_id]
            completed = became.count(LeadStatus.COMPLETED)
            closed = completed + became.count(LeadStatus.FAILED)
            if closed:
                statements.later(PROCESSED, closed, completed, stamp, campaign_id)


class _Batch:
    """One reservation's transaction."""

    def __init__(
        self, database: Database, statements: Statements, campaign: Campaign, now: datetime, app: str, until: datetime
    ) -> None:
        self._clock = database.clock
        self._statements = statements
        self._campaign = campaign
        self._now = now
        self._app = app
        self._until = until

    async def due(self, wanted: int) -> list[Lead]:
        """Up to `wanted` due leads, now locked by us."""
        stamp = self._clock.text(self._now)
        rows = await self._statements.rows(RETRIES, self._campaign.id, stamp, wanted)
        if len(rows) < wanted:
            rows += await self._statements.rows(FRESH, self._campaign.id, wanted - len(rows))
        return [lead_from(row, self._clock) for row in rows]

    async def sorted_out(
        self, leads: Sequence[Lead], to_number: Callable[[Lead], str]
    ) -> tuple[list[RefusedLead], list[tuple[Lead, str]]]:
        """Which of the leads may not be dialled and why, and the numbers of the others."""
        refused: list[RefusedLead] = []
        numbers: list[tuple[Lead, str]] = []
        for lead in leads:
            if lead.attempts >= lead.max_attempts:
                reason = f"no attempt left: attempts={lead.attempts} max_attempts={lead.max_attempts}"
                refused.append(RefusedLead(lead, "max_attempts", reason))
                continue
            try:
                numbers.append((lead, to_number(lead)))
            except NumberRefused as error:
                refused.append(RefusedLead(lead, error.reason, str(error)))
        listed = await listed_among(self._statements, [number for _, number in numbers], self._campaign.id, self._now)
        for lead, number in numbers:
            if number in listed:
                refused.append(RefusedLead(lead, "do_not_call", f"on the do-not-call list: number=...{number[-4:]}"))
        return refused, [(lead, number) for lead, number in numbers if number not in listed]

    async def without_abandoned(self, numbers: Sequence[tuple[Lead, str]]) -> list[tuple[Lead, str]]:
        """The leads whose number was not abandoned lately; the others wait until they may be dialled by such a mode."""
        hours = self._campaign.abandoned_lockout_hours
        if not numbers or hours <= 0 or self._campaign.mode in CERTAIN_MODES:
            return list(numbers)
        since = self._now - timedelta(hours=hours)
        rows = await self._statements.rows(
            _ABANDONED.format(numbers=placeholders(numbers)),
            *(number for _, number in numbers),
            self._clock.text(since - LONGEST_CALL),
            Disposition.ABANDONED.value,
            utc_text(since),
        )
        ended_at = {number: moment for number, ended in rows if (moment := utc_moment(ended)) is not None}
        again_at = {number: moment + timedelta(hours=hours) for number, moment in ended_at.items()}
        locked = [(lead.id, again_at[number]) for lead, number in numbers if number in again_at]
        if locked:
            ids = [lead_id for lead_id, _ in locked]
            self._statements.later(
                _POSTPONE.format(ids=placeholders(ids)),
                *ids,
                *(self._clock.text_not_before(at) for _, at in locked),
                self._clock.text(self._now),
                *ids,
            )
        return [(lead, number) for lead, number in numbers if number not in again_at]

    def refuse(self, refused: Sequence[RefusedLead]) -> list[RefusedLead]:
        """Close the refused leads; what they are now."""
        if refused:
            ids = [item.lead.id for item in refused]
            self._statements.later(
                _REFUSE.format(ids=placeholders(ids)),
                self._clock.text(self._now),
                *ids,
                *(item.result for item in refused),
                *ids,
            )
        return [
            replace(item, lead=replace(item.lead, status=LeadStatus.FAILED, result=item.result, next_attempt_at=None))
            for item in refused
        ]

    def take(self, numbers: Sequence[tuple[Lead, str]], new_call_id: Callable[[], str]) -> list[Reservation]:
        """Write the attempts, and the leads as taken by them."""
        if not numbers:
            return []
        taken = [
            Reservation(new_call_id(), self._taken(lead), number, self._now, self._until) for lead, number in numbers
        ]
        stamp, started = self._clock.text(self._now), utc_text(self._now)
        rows: list[object] = []
        for one in taken:
            rows += (one.call_id, one.number, CallStatus.RINGING.value, stamp, 0, "")
            rows += (self._app, self._campaign.id, one.lead.id, started)
        values = ", ".join(["(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"] * len(taken))
        self._statements.later(_OPEN_CALLS + values, *rows)
        ids = [one.lead.id for one in taken]
        self._statements.later(
            _TAKE.format(ids=placeholders(ids)),
            stamp,
            stamp,
            self._app,
            utc_text(self._until),
            *ids,
            *(one.call_id for one in taken),
            *ids,
        )
        return taken

    def _taken(self, lead: Lead) -> Lead:
        return replace(lead, attempts=lead.attempts + 1, status=LeadStatus.CALLING, last_attempt_at=self._now)


def _released(row: Sequence[Any], talked: set[str]) -> ReleasedLead:
    lead_id, campaign_id, attempts, max_attempts, _, call_id = row
    if call_id in talked:
        status = LeadStatus.COMPLETED
    else:
        status = LeadStatus.FAILED if (attempts or 0) >= (max_attempts or 0) else LeadStatus.PENDING
    return ReleasedLead(lead_id, campaign_id, call_id, status)
