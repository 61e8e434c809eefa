"""What shadow mode reads: the old panel's state as it is, and the leads that are up, without a lock.

Its connection is read-only: MariaDB itself refuses every write. So nothing here, and nothing that is given this
database, can reserve a lead or change a call.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from stasis_dialer.core import law
from stasis_dialer.core.model import CallStatus, Campaign, Lead
from stasis_dialer.core.settling import settle
from stasis_dialer.core.zones import NOWHERE, ON_AGENDA, zone_by_code
from stasis_dialer.db.candidates import Candidates
from stasis_dialer.db.cases import CaseReader
from stasis_dialer.db.clock import utc_moment
from stasis_dialer.db.database import Database, Statements, placeholders
from stasis_dialer.db.rows import LEAD_JSON, lead_from, word

OPEN_HOURS: Final = 4
"""An open call that began longer ago is one that the legacy forgot (not measured)."""
MAX_ROUNDS: Final = 4
"""Looks for more leads when some were put off or refused, as a reservation has them."""
MOST_CALLS: Final = 20_000
"""Calls read at a time; more in ten minutes would be more than any limit allows."""

_CALLS: Final = (
    "SELECT JSON_ARRAY(unique_id, destination_extension, source_extension, status, start_time, answer_time, end_time, "
    "campaign_id, started_at, answered_at, ended_at) FROM discador_chamadas FORCE INDEX (ix_dialer_start) "
    "WHERE start_time >= %s AND (start_time >= %s OR status IN ('ringing', 'connected')) AND direction = 'outbound' "
    "ORDER BY start_time LIMIT %s"
)
_OWNERS: Final = (
    "SELECT DISTINCT JSON_ARRAY(p.number, p.campaign_id) FROM dialer_lead_phones p "
    "WHERE p.number IN ({numbers}) AND p.campaign_id IN ({campaigns})"
)
_CALLING: Final = (
    "SELECT JSON_ARRAY(campaign_id, COUNT(*)) FROM discador_contatos WHERE campaign_id IN ({campaigns}) "
    "AND status = 'calling' AND last_attempt >= %s GROUP BY campaign_id"
)


@dataclass(frozen=True, slots=True)
class SeenCall:
    """A call of whoever dials."""

    call_id: str
    number: str
    agent: str | None
    status: CallStatus
    started_at: datetime
    answered_at: datetime | None
    ended_at: datetime | None
    campaign_id: int | None
    """None: whose it is only its number can tell."""


@dataclass(frozen=True, slots=True)
class LeadUp:
    """A lead that a reservation would take now, and the number it would call, as E.164 without plus."""

    lead: Lead
    number: str


class ShadowReader:
    """The reads."""

    def __init__(self, database: Database, holidays: law.Holidays) -> None:
        self._database = database
        self._holidays = holidays
        self._candidates = Candidates()

    async def calls(self, since: datetime, now: datetime) -> list[SeenCall]:
        """Calls that began since then, and older ones that are open. Raises: DatabaseUnavailable."""
        clock = self._database.clock
        oldest = clock.text(min(since, now - timedelta(hours=OPEN_HOURS)))

        async def read(statements: Statements) -> list[list[Any]]:
            return await statements.rows(_CALLS, oldest, clock.text(since), MOST_CALLS)

        found = []
        for row in await self._database.run(read, may_repeat=True):
            started = utc_moment(row[8]) or clock.moment(row[4])
            if started is not None:
                answered = utc_moment(row[9]) or clock.moment(row[5])
                ended = utc_moment(row[10]) or clock.moment(row[6])
                status = word(CallStatus, row[3], CallStatus.FINISHED)
                found.append(SeenCall(row[0], row[1] or "", row[2] or None, status, started, answered, ended, row[7]))
        return found

    async def owners(self, numbers: Collection[str], campaigns: Collection[int]) -> dict[str, int]:
        """By number, as E.164 without plus, the campaign whose lead has it; a number of several is left out."""
        if not numbers or not campaigns:
            return {}
        sql = _OWNERS.format(numbers=placeholders(list(numbers)), campaigns=placeholders(list(campaigns)))
        rows = await self._rows(sql, *numbers, *campaigns)
        owners: dict[str, set[int]] = {}
        for number, campaign_id in rows:
            owners.setdefault(number, set()).add(campaign_id)
        return {number: next(iter(ids)) for number, ids in owners.items() if len(ids) == 1}

    async def calling(self, campaigns: Collection[int], now: datetime) -> dict[int, int]:
        """By campaign its leads that are `calling`, those left over long ago aside."""
        if not campaigns:
            return {}
        since = self._database.clock.text(now - timedelta(hours=1))
        sql = _CALLING.format(campaigns=placeholders(list(campaigns)))
        return dict(await self._rows(sql, *campaigns, since))

    async def leads_up(
        self, campaign: Campaign, n: int, now: datetime, to_number: Callable[[str], str], seen: frozenset[int]
    ) -> list[LeadUp]:
        """Up to `n` leads that pass every gate now, in the campaign's order; promised callbacks are not looked at."""
        clock = self._database.clock
        stamp = clock.text(now) or ""
        zones: dict[str | None, bool] = {None: True, NOWHERE: True, ON_AGENDA: False}

        def is_zone_open(code: str | None) -> bool:
            if code is not None and code not in zones:
                zones[code] = law.ruling(campaign.law, zone_by_code(code), self._holidays, now).is_open
            return zones[code]

        async def read(statements: Statements) -> list[LeadUp]:
            found: list[LeadUp] = []
            known = seen
            reader = CaseReader(statements, clock, campaign, self._holidays, now, to_number)
            for _round in range(MAX_ROUNDS):
                wanted = n - len(found)
                ids = [
                    one.id
                    for one in await self._candidates.find(statements, campaign, stamp, wanted, is_zone_open, known)
                ]
                known |= set(ids)
                for case, phones in await reader.read(await _leads(statements, ids)):
                    settled = settle(case, reader.known(phones), now)
                    if settled.case is not None:
                        reader.called(settled.case.phone)
                        found.append(LeadUp(case.lead, settled.case.phone.number))
                if len(ids) < wanted or len(found) >= n:
                    break
            return found

        async def _leads(statements: Statements, ids: Sequence[int]) -> list[Lead]:
            if not ids:
                return []
            sql = f"SELECT {LEAD_JSON} FROM discador_contatos WHERE id IN ({placeholders(ids)}) AND status = 'pending'"
            leads = {row[0]: lead_from(row, clock) for row in await statements.rows(sql, *ids)}
            return [leads[lead_id] for lead_id in ids if lead_id in leads]

        return await self._database.run(read, may_repeat=True)

    async def _rows(self, sql: str, *values: object) -> list[list[Any]]:
        return await self._database.run(lambda statements: statements.rows(sql, *values), may_repeat=True)
