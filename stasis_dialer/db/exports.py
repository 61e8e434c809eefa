"""Leads and calls to be taken away, millions of them, with flat memory: streamed as the server finds them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from stasis_dialer.core.model import CallRecord, Lead
from stasis_dialer.db.calls import CallFilter, call_terms
from stasis_dialer.db.database import Database
from stasis_dialer.db.leads import LeadFilter, lead_terms
from stasis_dialer.db.rows import CALL_JSON, LEAD_JSON, call_from, lead_from

MAX_LABELS: Final = 500
"""Attributes that get a column of their own; a list has no more columns."""

_PHONES: Final = (
    "(SELECT GROUP_CONCAT(IF(number = '', original, number) ORDER BY position SEPARATOR ' / ') "
    "FROM dialer_lead_phones WHERE lead_id = discador_contatos.id AND position > 1)"
)
_IN_ORDER: Final = "FORCE INDEX (ix_dialer_campaign)"
"""Holds a campaign's leads in the order of their ids; by their status they would be sorted first."""


@dataclass(frozen=True, slots=True)
class ExportedLead:
    """A lead with what a list of it needs beside."""

    lead: Lead
    other_phones: str
    """Its phones after the second, with ` / ` between them, as an import reads them."""
    created_at: datetime | None


class Exports:
    """The exports."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def attribute_labels(self, which: LeadFilter) -> list[str]:
        """The names of these leads' attributes, in the order in which they come; one pass over the leads."""
        where, values = _where([*lead_terms(which), ("attributes IS NOT NULL", None)])
        sql = f"SELECT DISTINCT JSON_KEYS(attributes) FROM discador_contatos {_order(which)} WHERE {where}"
        labels: dict[str, None] = {}
        async for rows in self._database.stream(sql, *values):
            for keys in rows:
                labels |= dict.fromkeys(keys or ())
        return list(labels)[:MAX_LABELS]

    async def leads(self, which: LeadFilter) -> AsyncIterator[ExportedLead]:
        """The leads, in the order of their ids."""
        clock = self._database.clock
        where, values = _where([*lead_terms(which), ("id > 0", None)])
        columns = f"JSON_ARRAY({LEAD_JSON}, {_PHONES}, created_at)"
        sql = f"SELECT {columns} FROM discador_contatos {_order(which)} WHERE {where} ORDER BY id"
        async for rows in self._database.stream(sql, *values):
            for lead, phones, created_at in rows:
                yield ExportedLead(lead_from(_array(lead), clock), phones or "", clock.moment(created_at))

    async def calls(self, which: CallFilter) -> AsyncIterator[CallRecord]:
        """The calls, the oldest first."""
        clock = self._database.clock
        where, values = _where([*call_terms(which, clock), ("TRUE", None)])
        sql = f"SELECT {CALL_JSON} FROM discador_chamadas WHERE {where} ORDER BY start_time"
        async for rows in self._database.stream(sql, *values):
            for row in rows:
                yield call_from(row, clock)


def _order(which: LeadFilter) -> str:
    return _IN_ORDER if which.campaign_id is not None else ""


def _where(terms: list[tuple[str, object]]) -> tuple[str, list[object]]:
    return " AND ".join(term for term, _ in terms), [value for _, value in terms if value is not None]


def _array(value: Any) -> list[Any]:
    """A JSON array within another one, which MariaDB may give as a text."""
    array: list[Any] = msgspec.json.decode(value) if isinstance(value, str) else value
    return array
