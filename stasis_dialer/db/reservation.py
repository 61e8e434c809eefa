"""Takes leads for dialling, keeps their leases, and gives back what a dead dialer left behind.

A reservation is one transaction: leads that are up are looked for without a lock, callbacks first, then locked by their
ids past those that others hold; every gate is asked about each (`core.gates`), and the leads and their attempts' rows
are written. So no lead is ever taken twice, none without its attempt, and none past a gate. Leads that may not be
dialled are closed or put off in the same transaction and do not stand in the way again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from stasis_dialer.core import gates
from stasis_dialer.core.gates import Case
from stasis_dialer.core.law import Holidays
from stasis_dialer.core.model import Campaign, Disposition, Fault, Lead, LeadStatus
from stasis_dialer.core.zones import ON_AGENDA
from stasis_dialer.db import reservation_sql as sql
from stasis_dialer.db.agenda import waiting_callbacks
from stasis_dialer.db.batch import Batch, Reserved
from stasis_dialer.db.candidates import Candidates
from stasis_dialer.db.clock import utc_text
from stasis_dialer.db.database import Database, Statements, placeholders
from stasis_dialer.db.rows import lead_from
from stasis_dialer.settings.holiday_dates import HolidayDates

NOBODY: Final = Lead(0, 0, "", "")
"""For gates that look at the campaign alone."""

MAX_ROUNDS: Final = 4
"""Looks for more leads in one reservation when some were refused, put off, or held by others; the rest waits for the
next tick (not measured).
"""


@dataclass(frozen=True, slots=True)
class ReleasedLead:
    """A lead whose dialer vanished, and what became of it."""

    lead_id: int
    campaign_id: int
    call_id: str | None
    status: LeadStatus


class Reservations:
    """Leads taken for dialling. `holidays`: by place, their dates and names."""

    def __init__(
        self, database: Database, holidays: Holidays | None = None, candidates: Candidates | None = None
    ) -> None:
        self._database = database
        self.holidays: Holidays = HolidayDates() if holidays is None else holidays
        self._candidates = candidates or Candidates()

    async def reserve(
        self,
        campaign: Campaign,
        n: int,
        now: datetime,
        app: str,
        lease_seconds: float,
        to_number: Callable[[str], str],
        new_call_id: Callable[[], str],
        agents: Collection[str] = (),
    ) -> Reserved:
        """Take up to `n` leads that may be called: callbacks that are due, then in the campaign's order.

        A reservation's lead is as it stands after it: `calling`, this attempt counted. `to_number` gives a phone as
        E.164 without plus, or raises NumberRefused; it may be asked twice for a phone, as `new_call_id`. Callbacks
        that an agent promised are taken only for `agents`, extensions that are free.
        Raises: DatabaseUnavailable. When the commit's answer was lost the leads come back when their lease ends.
        """
        if n <= 0 or gates.shut(Case(campaign, NOBODY), now, gates.OF_CAMPAIGN):
            return Reserved()
        batches: list[Batch] = []

        async def take(statements: Statements) -> Reserved:
            batch = Batch(self._database.clock, statements, campaign, now, app, lease_seconds, self.holidays, to_number)
            batches[:] = [batch]
            await batch.keep_promises(n, agents, new_call_id)
            is_zone_open = await batch.open_zones()
            window = 1
            for _round in range(MAX_ROUNDS):
                wanted = n - len(batch.reserved.reservations)
                if wanted <= 0:
                    break
                found = await self._candidates.find(
                    statements, campaign, batch.stamp, wanted * window, is_zone_open, batch.seen
                )
                locked = await batch.settle({one.id: one for one in found}, new_call_id, wanted)
                if len(found) < wanted * window:
                    break
                window = 1 if locked else window * 4  # others hold what comes first: look past them
            batch.write()
            return batch.reserved

        reserved = await self._database.run(take)
        self._candidates.used(campaign.id, batches[-1].moved)
        return reserved

    async def claim(self, lead_id: int, call_id: str, app: str, now: datetime, lease_seconds: float) -> Lead | None:
        """Keep a lead from being dialled while its customer is in a call of their own; the lead as it was before.

        None when there is no such lead, or a call to it is under way. It has one more attempt, should this be missed.
        Raises: DatabaseUnavailable; should the commit have worked, the lead comes back when its lease ends.
        """

        async def take(statements: Statements) -> Lead | None:
            rows = await statements.rows(sql.LOCK_ONE, lead_id)
            lead = lead_from(rows[0], self._database.clock) if rows else None
            if lead is None or lead.status is LeadStatus.CALLING:
                return None
            stamp = self._database.clock.text(now)
            until = utc_text(now + timedelta(seconds=lease_seconds))
            statements.later(sql.CLAIM, stamp, app, until, call_id, lead_id)
            if lead.status in (LeadStatus.COMPLETED, LeadStatus.FAILED):
                statements.later(sql.PROCESSED, -1, 0, stamp, lead.campaign_id)
            return lead

        return await self._database.run(take)

    async def renew(self, app: str, now: datetime, lease_seconds: float) -> int:
        """Extend the leases of all leads that `app` has reserved; their count."""
        until = utc_text(now + timedelta(seconds=lease_seconds))

        async def extend(statements: Statements) -> int:
            return await statements.execute(sql.RENEW, until, app)

        return await self._database.run(extend, may_repeat=True)

    async def release_expired(
        self, now: datetime, retry_delay_seconds: float = sql.LEGACY_RETRY_SECONDS
    ) -> list[ReleasedLead]:
        """Give back leads whose lease ran out, whoever held them; at most `MAX_RELEASED` at a time.

        Their open calls are closed with an estimated end: `error` by our fault, or `answered` when the customer was
        already talking to an agent. Such a lead is completed; another waits for its retry, or has failed at its limit.
        """

        retry_at = now + timedelta(seconds=retry_delay_seconds)

        async def release(statements: Statements) -> list[ReleasedLead]:
            rows = await statements.rows(sql.EXPIRED, utc_text(now), sql.MAX_RELEASED)
            calls = [row[5] for row in rows if row[5]]
            talked: set[str] = set()
            if calls:
                found = await statements.rows(sql.TALKED.format(ids=placeholders(calls)), *calls)
                talked = {row[0] for row in found}
                self._close_calls(statements, calls, now)
            held = [row for row in rows if row[4] == LeadStatus.CALLING.value]
            promised = await waiting_callbacks(statements, [row[0] for row in held])
            released = [_released(row, talked, row[0] in promised) for row in held]
            self._close_leads(statements, released, now, retry_at)
            if promised:
                ids, clock = list(promised), self._database.clock
                times = [clock.text_not_before(promised[lead_id].due_at) for lead_id in ids]
                text = sql.BACK_TO_AGENDA.format(ids=placeholders(ids))
                statements.later(text, ON_AGENDA, *ids, *times, *ids)
            moved = [row[0] for row in rows if row[4] != LeadStatus.CALLING.value]
            if moved:  # by the old panel, while we held them: they stay as it wants them
                statements.later(sql.FORGET.format(ids=placeholders(moved)), *moved)
            return released

        return await self._database.run(release)

    def _close_calls(self, statements: Statements, calls: Sequence[str], now: datetime) -> None:
        statements.later(
            sql.CLOSE_CALLS.format(ids=placeholders(calls)),
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
                    sql.GIVE_BACK.format(ids=placeholders(ids)),
                    stamp,
                    Disposition.ANSWERED.value if status is LeadStatus.COMPLETED else sql.LEASE_EXPIRED,
                    clock.text_not_before(retry_at) if status is LeadStatus.PENDING else None,
                    status.value,
                    *ids,
                )
        for campaign_id in sorted({lead.campaign_id for lead in released}):
            became = [lead.status for lead in released if lead.campaign_id == campaign_id]
            completed = became.count(LeadStatus.COMPLETED)
            closed = completed + became.count(LeadStatus.FAILED)
            if closed:
                statements.later(sql.PROCESSED, closed, completed, stamp, campaign_id)


def _released(row: Sequence[Any], talked: set[str], is_promised: bool) -> ReleasedLead:
    lead_id, campaign_id, attempts, max_attempts, _, call_id = row
    if is_promised:
        status = LeadStatus.PENDING
    elif call_id in talked:
        status = LeadStatus.COMPLETED
    else:
        status = LeadStatus.FAILED if (attempts or 0) >= (max_attempts or 0) else LeadStatus.PENDING
    return ReleasedLead(lead_id, campaign_id, call_id, status)
