"""The agenda: calls promised to leads, to be made by one agent or by anybody, before everything else.

A lead with a promise that waits stands in no lane (its zone is `-`), so that nothing but its callback dials it. Promise
and lead change in one transaction, and `tidy` brings a lead back whose promise is gone.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from stasis_dialer.core.model import CallRecord, Disposition, LeadStatus
from stasis_dialer.core.zones import ON_AGENDA
from stasis_dialer.db.clock import utc_moment, utc_text
from stasis_dialer.db.database import Database, Statements, placeholders
from stasis_dialer.db.reservation_sql import PROCESSED
from stasis_dialer.errors import Refused

WAITING: Final = "waiting"
MADE: Final = "made"
RESULT: Final = "callback"
"""Result of a lead that waits for its callback."""

PUT_OFF_SECONDS: Final = 900.0
"""How much later an agent who is away is looked for again."""
MOST_MOVES: Final = 8
"""After so many (two hours) anybody may make the call: it was promised to the customer, not to the agent."""

_COLUMNS: Final = "JSON_ARRAY(c.id, c.campaign_id, c.lead_id, c.agent, c.due_at, c.state, c.note, c.moved)"
_DUE: Final = (
    f"SELECT {_COLUMNS} FROM dialer_callbacks c FORCE INDEX (ix_due) WHERE c.campaign_id = %s AND c.state = 'waiting' "
    "AND c.due_at <= %s AND (c.agent IS NULL{agents}) ORDER BY c.due_at, c.id LIMIT %s"
)
_OF_LEADS: Final = (
    f"SELECT {_COLUMNS} FROM dialer_callbacks c FORCE INDEX (ix_lead) "
    "WHERE c.lead_id IN ({marks}) AND c.state = 'waiting'"
)
_LEAD: Final = "SELECT JSON_ARRAY(campaign_id, status) FROM discador_contatos WHERE id = %s FOR UPDATE"
_PUT_ON: Final = (
    "UPDATE discador_contatos SET status = 'pending', result = %s, next_attempt = %s, zone = %s, updated_at = %s "
    "WHERE id = %s AND status <> 'calling'"
)
_LATER: Final = (
    "UPDATE dialer_callbacks SET due_at = %s, agent = IF(moved >= %s, NULL, agent), moved = moved + 1 "
    "WHERE campaign_id = %s AND state = 'waiting' AND due_at <= %s AND agent IS NOT NULL{here} LIMIT 1000"
)
_TIDY: Final = (
    "UPDATE discador_contatos l FORCE INDEX (ix_dialer_lane) SET l.zone = NULL "
    "WHERE l.campaign_id = %s AND l.status = 'pending' AND l.zone = '-' AND NOT EXISTS "
    "(SELECT 1 FROM dialer_callbacks c WHERE c.lead_id = l.id AND c.state = 'waiting')"
)
_CLOSED: Final = (
    "UPDATE dialer_callbacks c LEFT JOIN discador_contatos l ON l.id = c.lead_id SET c.state = 'cancelled' "
    "WHERE c.campaign_id = %s AND c.state = 'waiting' AND c.due_at <= %s "
    "AND (l.id IS NULL OR l.status IN ('completed', 'failed'))"
)
"""Promises to leads that the old panel has closed or deleted meanwhile."""


@dataclass(frozen=True, slots=True)
class Callback:
    """A promised call. `agent` None: anybody may make it; `due_at` is aware UTC."""

    id: int
    campaign_id: int
    lead_id: int
    agent: str | None
    due_at: datetime
    state: str = WAITING
    note: str = ""
    moved: int = 0


def callback_from(row: Sequence[Any]) -> Callback:
    """A row of the agenda."""
    due_at = utc_moment(row[4])
    assert due_at is not None
    return Callback(row[0], row[1], row[2], row[3], due_at, *row[5:])


async def due_callbacks(
    statements: Statements, campaign_id: int, now: datetime, agents: Collection[str], limit: int
) -> list[Callback]:
    """Promises whose time has come, anybody's and these agents', the oldest first."""
    theirs = f" OR c.agent IN ({placeholders(list(agents))})" if agents else ""
    rows = await statements.rows(_DUE.format(agents=theirs), campaign_id, utc_text(now), *agents, limit)
    return [callback_from(row) for row in rows]


async def waiting_callbacks(statements: Statements, lead_ids: Sequence[int]) -> dict[int, Callback]:
    """By lead the promise that waits, if there is one; of several the earliest."""
    if not lead_ids:
        return {}
    rows = await statements.rows(_OF_LEADS.format(marks=placeholders(lead_ids)), *lead_ids)
    found = sorted((callback_from(row) for row in rows), key=lambda one: one.due_at, reverse=True)
    return {one.lead_id: one for one in found}


def made(statements: Statements, calls: Sequence[tuple[Callback, str]]) -> None:
    """These promises are being kept, by these calls."""
    for callback, call_id in calls:
        statements.later(
            "UPDATE dialer_callbacks SET state = %s, call_id = %s WHERE lead_id = %s AND state = 'waiting'",
            MADE,
            call_id,
            callback.lead_id,
        )


def kept_by_customers(statements: Statements, records: Sequence[CallRecord]) -> None:
    """Who called in and spoke with an agent needs no callback that was promised before."""
    for record in records:
        if record.lead_id is not None and record.disposition is Disposition.ANSWERED:
            statements.later(
                "UPDATE dialer_callbacks SET state = %s, call_id = %s "
                "WHERE lead_id = %s AND state = 'waiting' AND created_at < %s",
                *(MADE, record.call_id, record.lead_id, utc_text(record.started_at)),
            )


def put_on_agenda(
    statements: Statements, campaign_id: int, lead_id: int, at: datetime, now: datetime | None, note: str
) -> None:
    """Promise a lead that ends its call a callback by anybody, unless one waits already."""
    statements.later(
        "INSERT INTO dialer_callbacks (campaign_id, lead_id, due_at, state, note, created_at) "
        "SELECT %s, %s, %s, 'waiting', %s, %s FROM DUAL WHERE NOT EXISTS "
        "(SELECT 1 FROM dialer_callbacks WHERE lead_id = %s AND state = 'waiting')",
        *(campaign_id, lead_id, utc_text(at), note[:255], utc_text(now or at), lead_id),
    )


def put_off(statements: Statements, callback: Callback, until: datetime) -> None:
    """A promise that may not be kept yet."""
    statements.later(
        "UPDATE dialer_callbacks SET due_at = %s WHERE id = %s AND state = 'waiting'", utc_text(until), callback.id
    )


class Agenda:
    """The promised calls."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def promise(
        self, lead_id: int, at: datetime, now: datetime, agent: str | None = None, note: str = "", by: str = ""
    ) -> Callback:
        """Promise a lead a call; it takes the place of an earlier promise. A closed lead is open again.

        Units: `at` and `now` are aware UTC.
        Raises: Refused when there is no such lead, or the time is past.
        """
        if at <= now:
            raise Refused(f"a callback must be in the future: lead_id={lead_id} at={at:%Y-%m-%d %H:%M} UTC")
        stamp = self._database.clock.text(now)

        async def write(statements: Statements) -> int:
            rows = await statements.rows(_LEAD, lead_id)
            if not rows:
                raise Refused(f"there is no such lead: id={lead_id}")
            campaign_id, status = rows[0]
            _replace(statements, lead_id, "replaced")
            statements.later(
                "INSERT INTO dialer_callbacks (campaign_id, lead_id, agent, due_at, state, note, created_at, "
                "created_by) VALUES (%s, %s, %s, %s, 'waiting', %s, %s, %s)",
                *(campaign_id, lead_id, agent, utc_text(at), note[:255], utc_text(now), by[:100]),
            )
            due = self._database.clock.text_not_before(at)
            statements.later(_PUT_ON, RESULT, due, ON_AGENDA, stamp, lead_id)
            if status in (LeadStatus.COMPLETED.value, LeadStatus.FAILED.value):
                statements.later(PROCESSED, -1, 0, stamp, campaign_id)
            return int((await statements.rows("SELECT JSON_ARRAY(LAST_INSERT_ID())"))[0][0])

        new_id = await self._database.run(write)
        found = await self.of_lead(lead_id)
        assert found is not None and found.id == new_id
        return found

    async def cancel(self, lead_id: int, now: datetime) -> bool:
        """Take a promise back; the lead is dialled like any other. Whether there was one."""
        stamp = self._database.clock.text(now)

        async def write(statements: Statements) -> bool:
            count = await statements.execute(
                "UPDATE dialer_callbacks SET state = 'cancelled' WHERE lead_id = %s AND state = 'waiting'", lead_id
            )
            await statements.execute(
                "UPDATE discador_contatos SET zone = NULL, next_attempt = NULL, updated_at = %s "
                "WHERE id = %s AND zone = '-' AND status = 'pending'",
                stamp,
                lead_id,
            )
            return count > 0

        return await self._database.run(write)

    async def of_lead(self, lead_id: int) -> Callback | None:
        """The promise that waits for a lead."""

        async def read(statements: Statements) -> Callback | None:
            return (await waiting_callbacks(statements, [lead_id])).get(lead_id)

        return await self._database.run(read, may_repeat=True)

    async def waiting(self, campaign_id: int | None = None, limit: int = 100) -> list[Callback]:
        """Promises that wait, the earliest first."""
        where = "" if campaign_id is None else "AND c.campaign_id = %s "
        values = () if campaign_id is None else (campaign_id,)
        sql = f"SELECT {_COLUMNS} FROM dialer_callbacks c WHERE c.state = 'waiting' {where}ORDER BY c.due_at LIMIT %s"
        rows = await self._database.run(lambda statements: statements.rows(sql, *values, limit), may_repeat=True)
        return [callback_from(row) for row in rows]

    async def tidy(self, campaign_id: int, now: datetime, agents_here: Collection[str]) -> int:
        """Put off what is due to agents who are away, bring back leads without their promise; how many were put off.

        `agents_here`: extensions of those at work, free or not.
        """
        until = now + timedelta(seconds=PUT_OFF_SECONDS)
        here = f" AND agent NOT IN ({placeholders(list(agents_here))})" if agents_here else ""

        async def write(statements: Statements) -> int:
            count = await statements.execute(
                _LATER.format(here=here), utc_text(until), MOST_MOVES, campaign_id, utc_text(now), *agents_here
            )
            statements.later(_CLOSED, campaign_id, utc_text(now))
            statements.later(_TIDY, campaign_id)
            return count

        return await self._database.run(write, may_repeat=True)


def _replace(statements: Statements, lead_id: int, state: str) -> None:
    sql = "UPDATE dialer_callbacks SET state = %s WHERE lead_id = %s AND state = 'waiting'"
    statements.later(sql, state, lead_id)
