"""Leads: adding, finding and counting them. Taking them for dialling is `reservation`'s.

Everything that may touch millions of rows goes in batches, each a short transaction of its own, and every count that
the dialer asks for is read from an index.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from stasis_dialer.core.model import Campaign, Lead, LeadPhone, LeadStatus
from stasis_dialer.core.settling import next_zone
from stasis_dialer.core.zones import NOWHERE
from stasis_dialer.db.clock import utc_moment, utc_text
from stasis_dialer.db.database import Statements, placeholders
from stasis_dialer.db.number_facts import RETIRED
from stasis_dialer.db.reservation import Reservations
from stasis_dialer.db.rows import LEAD_JSON, lead_from

INSERT_BATCH: Final = 1000
MAX_PHONE: Final = 20
MAX_NAME: Final = 255

_SELECT: Final = f"SELECT {LEAD_JSON} FROM discador_contatos"


@dataclass(frozen=True, slots=True)
class NewLead:
    """A lead to be added. `max_attempts` None: the campaign's."""

    name: str
    phone_number: str
    alternate_phone: str | None = None
    max_attempts: int | None = None
    priority: int = 0
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Inserted:
    """How many leads were added, and how many were not, because a number has more characters than its column."""

    inserted: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True)
class DueCounts:
    """Pending leads of a campaign. `waiting` have their retry still before them, the earliest at `next_due_at`."""

    fresh: int = 0
    retries: int = 0
    waiting: int = 0
    next_due_at: datetime | None = None

    @property
    def due(self) -> int:
        """Leads that could be reserved now."""
        return self.fresh + self.retries


@dataclass(frozen=True, slots=True)
class LeadFilter:
    """Which leads to list; None: any."""

    campaign_id: int | None = None
    status: LeadStatus | None = None
    result: str | None = None
    phone_number: str | None = None


def lead_terms(which: LeadFilter) -> list[tuple[str, object]]:
    """The conditions of a filter, and their values."""
    terms: list[tuple[str, object]] = [
        ("campaign_id = %s", which.campaign_id),
        ("status = %s", which.status and which.status.value),
        ("result = %s", which.result),
        ("phone_number = %s", which.phone_number),
    ]
    return [(term, value) for term, value in terms if value is not None]


class Leads(Reservations):
    """The leads."""

    async def insert_many(
        self,
        campaign_id: int,
        leads: Iterable[NewLead] | AsyncIterable[NewLead],
        now: datetime,
        max_attempts: int = 3,
    ) -> Inserted:
        """Add leads in batches; those of a batch are committed together, with the campaign's count of them.

        Raises: DatabaseUnavailable; the batches before are kept.
        """
        inserted = refused = 0
        async for batch in _batches(leads, INSERT_BATCH):
            fitting = [lead for lead in batch if _fits(lead)]
            refused += len(batch) - len(fitting)
            if fitting:
                await self._insert(campaign_id, fitting, now, max_attempts)
                inserted += len(fitting)
        return Inserted(inserted, refused)

    async def get(self, lead_id: int) -> Lead | None:
        """One lead, or None."""
        found = await self._select(f"{_SELECT} WHERE id = %s", lead_id)
        return found[0] if found else None

    async def find(self, which: LeadFilter | None = None, limit: int = 100, after_id: int = 0) -> list[Lead]:
        """Leads in order of their ids; `after_id` is the last one of the page that came before."""
        used = lead_terms(which or LeadFilter())
        where = " AND ".join([*(term for term, _ in used), "id > %s"])
        values = [value for _, value in used]
        return await self._select(f"{_SELECT} WHERE {where} ORDER BY id LIMIT %s", *values, after_id, limit)

    async def phones(self, lead_id: int) -> list[LeadPhone]:
        """All phones of a lead, in the order in which they are to be tried."""
        rows = await self._rows(
            "SELECT JSON_ARRAY(position, number, COALESCE(original, number), status, attempts, result, "
            "last_attempt_at) FROM dialer_lead_phones WHERE lead_id = %s ORDER BY position",
            lead_id,
        )
        return [LeadPhone(row[0], row[1], row[2], row[3], row[4], row[5], utc_moment(row[6])) for row in rows]

    async def retire_phone(self, lead_id: int, number: str, *, is_retired: bool = True) -> bool:
        """Take a phone out for this lead, or back in; `number` is E.164 without plus. Whether the lead has it."""
        sql = "UPDATE dialer_lead_phones SET status = %s WHERE lead_id = %s AND number = %s"
        status = RETIRED if is_retired else "pending"
        return (
            await self._database.run(
                lambda statements: statements.execute(sql, status, lead_id, number), may_repeat=True
            )
            > 0
        )

    async def last_agents(self, lead_ids: Sequence[int]) -> dict[int, str]:
        """For each of the leads that an agent spoke with, the last such agent."""
        if not lead_ids:
            return {}
        sql = (
            "SELECT JSON_ARRAY(lead_id, source_extension) FROM discador_chamadas "
            f"WHERE lead_id IN ({placeholders(lead_ids)}) AND bridged_at IS NOT NULL ORDER BY started_at"
        )
        rows = await self._database.run(lambda statements: statements.rows(sql, *lead_ids), may_repeat=True)
        return {row[0]: row[1] for row in rows}

    async def counts(self, campaign_id: int) -> dict[str, int]:
        """How many leads a campaign has in each status; one pass over an index."""
        sql = (
            "SELECT JSON_ARRAY(status, COUNT(*)) FROM discador_contatos "
            "WHERE campaign_id = %s GROUP BY status ORDER BY status"
        )
        rows = await self._rows(sql, campaign_id)
        return {status.value: 0 for status in LeadStatus} | {row[0]: row[1] for row in rows}

    async def due_counts(self, campaign_id: int, now: datetime, at_most: int | None = None) -> DueCounts:
        """How many leads of a campaign are due; counting stops at `at_most` of each kind, when given."""
        stamp = self._database.clock.text(now)
        limit = f"LIMIT {int(at_most)}" if at_most is not None else ""
        pending = "FROM discador_contatos FORCE INDEX (ix_dialer_due) WHERE campaign_id = %s AND status = 'pending'"
        sql = (
            "SELECT JSON_ARRAY("
            f"(SELECT COUNT(*) FROM (SELECT 1 {pending} AND next_attempt IS NULL {limit}) fresh), "
            f"(SELECT COUNT(*) FROM (SELECT 1 {pending} AND next_attempt <= %s {limit}) retries), "
            f"(SELECT COUNT(*) FROM (SELECT 1 {pending} AND next_attempt > %s {limit}) waiting), "
            f"(SELECT MIN(next_attempt) {pending} AND next_attempt > %s))"
        )
        rows = await self._rows(sql, campaign_id, campaign_id, stamp, campaign_id, stamp, campaign_id, stamp)
        fresh, retries, waiting, next_due = rows[0]
        return DueCounts(fresh, retries, waiting, self._database.clock.moment(next_due))

    async def know_zones(self, campaign: Campaign, to_number: Callable[[str], str], limit: int) -> int:
        """Write down the zones of pending leads of a campaign that have none yet; how many.

        `to_number` gives a phone as E.164, or raises NumberRefused: a lead without any is left to its reservation.
        """

        async def learn(statements: Statements) -> int:
            sql = (
                f"SELECT {LEAD_JSON} FROM discador_contatos FORCE INDEX (ix_dialer_lane) WHERE campaign_id = %s "
                "AND status = 'pending' AND zone IS NULL LIMIT %s FOR UPDATE SKIP LOCKED"
            )
            rows = await statements.rows(sql, campaign.id, limit)
            leads = [lead_from(row, self._database.clock) for row in rows]
            known = {lead.id: next_zone(lead, to_number) or NOWHERE for lead in leads}
            if known:
                text = "UPDATE discador_contatos SET zone = ELT(FIELD(id, {ids}), {ids}) WHERE id IN ({ids})"
                statements.later(text.format(ids=placeholders(list(known))), *known, *known.values(), *known)
            return len(known)

        return await self._database.run(learn, may_repeat=True)

    async def _insert(self, campaign_id: int, leads: Sequence[NewLead], now: datetime, max_attempts: int) -> None:
        stamp = self._database.clock.text(now)
        values: list[object] = []
        for lead in leads:
            attempts = max_attempts if lead.max_attempts is None else lead.max_attempts
            values += (campaign_id, lead.name[:MAX_NAME], lead.phone_number, lead.alternate_phone, attempts)
            values += (stamp, stamp, lead.priority, utc_text(lead.expires_at))
        rows = ", ".join(["(%s, %s, %s, %s, %s, 0, 'pending', %s, %s, %s, %s)"] * len(leads))

        async def insert(statements: Statements) -> None:
            statements.later(
                "INSERT INTO discador_contatos (campaign_id, name, phone_number, alternate_phone, max_attempts, "
                f"attempts, status, created_at, updated_at, priority, expires_at) VALUES {rows}",
                *values,
            )
            statements.later(
                "UPDATE discador_campanhas SET total_contacts = total_contacts + %s, updated_at = %s WHERE id = %s",
                len(leads),
                stamp,
                campaign_id,
            )

        await self._database.run(insert)

    async def _rows(self, sql: str, *values: object) -> list[list[Any]]:
        return await self._database.run(lambda statements: statements.rows(sql, *values), may_repeat=True)

    async def _select(self, sql: str, *values: object) -> list[Lead]:
        return [lead_from(row, self._database.clock) for row in await self._rows(sql, *values)]


def _fits(lead: NewLead) -> bool:
    return len(lead.phone_number) <= MAX_PHONE and len(lead.alternate_phone or "") <= MAX_PHONE


async def _batches(leads: Iterable[NewLead] | AsyncIterable[NewLead], size: int) -> AsyncIterator[list[NewLead]]:
    batch: list[NewLead] = []
    if isinstance(leads, AsyncIterable):
        async for lead in leads:
            batch.append(lead)
            if len(batch) == size:
                yield batch
                batch = []
    else:
        for lead in leads:
            batch.append(lead)
            if len(batch) == size:
                yield batch
                batch = []
    if batch:
        yield batch
