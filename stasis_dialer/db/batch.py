"""One reservation's transaction: leads locked, looked at through every gate, and written as what became of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from stasis_dialer.core import law
from stasis_dialer.core.model import CallStatus, Campaign, Lead, LeadStatus, Reservation
from stasis_dialer.core.settling import Settled, settle
from stasis_dialer.core.zones import zone_by_code
from stasis_dialer.db import reservation_sql as sql
from stasis_dialer.db.agenda import Callback, due_callbacks, made, put_off
from stasis_dialer.db.candidates import Found
from stasis_dialer.db.cases import CaseReader
from stasis_dialer.db.clock import LegacyClock, utc_text
from stasis_dialer.db.database import Statements, placeholders
from stasis_dialer.db.rows import lead_from


@dataclass(frozen=True, slots=True)
class RefusedLead:
    """A due lead that may not be dialled: it was closed as failed, and no attempt was written."""

    lead: Lead
    result: str
    """`invalid_number` (or `foreign_number`, `premium_number`), `do_not_call`, `retired_number`, `expired` or
    `max_attempts`.
    """
    reason: str


@dataclass(frozen=True, slots=True)
class Reserved:
    """What one reservation took, and what it refused."""

    reservations: list[Reservation] = field(default_factory=list)
    refused: list[RefusedLead] = field(default_factory=list)


class Batch:
    """What one reservation has looked at and decided so far; `write` sends it."""

    def __init__(
        self,
        clock: LegacyClock,
        statements: Statements,
        campaign: Campaign,
        now: datetime,
        app: str,
        lease_seconds: float,
        holidays: law.Holidays,
        to_number: Callable[[str], str],
    ) -> None:
        self.stamp = clock.text(now) or ""
        self.reserved = Reserved()
        self.moved: list[Found] = []
        """Where leads stood that no longer stand there."""
        self._clock = clock
        self._statements = statements
        self._campaign = campaign
        self._now = now
        self._app = app
        self._until = now + timedelta(seconds=lease_seconds)
        self._holidays = holidays
        self._seen: set[int] = set()
        self._cases = CaseReader(statements, clock, campaign, holidays, now, to_number)
        self._taken: list[tuple[Reservation, Settled]] = []
        self._refused: list[tuple[Lead, str]] = []
        self._put_off: list[tuple[Lead, Settled]] = []

    @property
    def seen(self) -> frozenset[int]:
        """Leads that were looked at, whatever became of them."""
        return frozenset(self._seen)

    async def open_zones(self) -> Callable[[str | None], bool]:
        """Says of a zone's code whether its numbers may be called now; one not known yet is looked at."""
        return await self._cases.open_zones()

    async def keep_promises(self, n: int, agents: Collection[str], new_call_id: Callable[[], str]) -> None:
        """Take the callbacks that are due."""
        due = await due_callbacks(self._statements, self._campaign.id, self._now, agents, n)
        promises = {one.lead_id: one for one in due}
        await self.settle(promises, new_call_id, n)
        kept = {one.lead.id: one.call_id for one, _ in self._taken}
        made(self._statements, [(one, kept[one.lead_id]) for one in due if one.lead_id in kept])
        for lead, settled in self._put_off:
            until = settled.until or self._opening(settled)
            if lead.id in promises and until is not None:
                put_off(self._statements, promises[lead.id], until)

    async def settle(
        self,
        found: Mapping[int, Found | Callback],
        new_call_id: Callable[[], str],
        at_most: int,
    ) -> int:
        """Lock up to so many of the leads, and decide for each, in the order in which they were found; how many."""
        self._seen.update(found)
        if not found:
            return 0
        locked = await self._locked(found, at_most)
        for case, phones in await self._cases.read(locked):
            lead = case.lead
            settled = settle(case, self._cases.known(phones), self._now)
            self._note(lead, settled, new_call_id)
            where = found[lead.id]
            if isinstance(where, Found) and (settled.case or settled.closed or settled.is_put_off):
                self.moved.append(where)
        return len(locked)

    async def _locked(self, found: Mapping[int, Found | Callback], at_most: int) -> list[Lead]:
        ids = list(found)
        rows = await self._statements.rows(sql.LOCK.format(ids=placeholders(ids)), *ids, self._campaign.id, at_most)
        leads = {row[0]: lead_from(row, self._clock) for row in rows}
        for lead_id, where in found.items():
            if isinstance(where, Callback) and lead_id in leads:
                leads[lead_id] = replace(leads[lead_id], callback_at=where.due_at, callback_agent=where.agent)
        return [leads[lead_id] for lead_id in ids if lead_id in leads]

    def _note(self, lead: Lead, settled: Settled, new_call_id: Callable[[], str]) -> None:
        if settled.case is not None:
            phone = settled.case.phone
            self._cases.called(phone)
            taken = replace(
                lead,
                attempts=lead.attempts + 1,
                status=LeadStatus.CALLING,
                last_attempt_at=self._now,
                zone=settled.zone,
                next_phone=settled.phone_index,
            )
            one = Reservation(new_call_id(), taken, phone.number, self._now, self._until)
            self._taken.append((one, settled))
            self.reserved.reservations.append(one)
        elif settled.closed is not None:
            result = settled.closed.ends or ""
            closed = replace(lead, status=LeadStatus.FAILED, result=result, next_attempt_at=None)
            self._refused.append((lead, result))
            self.reserved.refused.append(RefusedLead(closed, result, settled.closed.why))
        elif settled.is_put_off:
            self._put_off.append((lead, settled))

    def _opening(self, settled: Settled) -> datetime | None:
        if settled.zone is None:
            return None
        return law.ruling(self._campaign.law, zone_by_code(settled.zone), self._holidays, self._now).opens_at

    # --- what is written --------------------------------------------------------------------------------------------

    def write(self) -> None:
        """Send everything that was decided; it goes with the commit."""
        if self._refused:
            ids = [lead.id for lead, _ in self._refused]
            results = [result for _, result in self._refused]
            text = sql.REFUSE.format(ids=placeholders(ids))
            self._statements.later(text, self.stamp, *ids, *results, *ids)
            self._statements.later(sql.PROCESSED, len(ids), 0, self.stamp, self._campaign.id)
        waiting = [(lead, settled) for lead, settled in self._put_off if lead.callback_at is None]
        if waiting:
            ids = [lead.id for lead, _ in waiting]
            times = [self._clock.text_not_before(settled.until) for _, settled in waiting]
            zones = [settled.zone for _, settled in waiting]
            self._statements.later(sql.PUT_OFF.format(ids=placeholders(ids)), *ids, *times, *ids, *zones, *ids)
        if self._taken:
            self._take()

    def _take(self) -> None:
        started = utc_text(self._now)
        rows: list[object] = []
        for one, _ in self._taken:
            rows += (one.call_id, one.number, CallStatus.RINGING.value, self.stamp, 0, "")
            rows += (self._app, self._campaign.id, one.lead.id, started)
        values = ", ".join(["(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"] * len(self._taken))
        self._statements.later(sql.OPEN_CALLS + values, *rows)
        ids = [one.lead.id for one, _ in self._taken]
        self._statements.later(
            sql.TAKE.format(ids=placeholders(ids)),
            *(self.stamp, self.stamp, self._app, utc_text(self._until)),
            *(*ids, *(one.call_id for one, _ in self._taken)),
            *(*ids, *(settled.zone for _, settled in self._taken)),
            *(*ids, *(settled.phone_index for _, settled in self._taken)),
            *ids,
        )
