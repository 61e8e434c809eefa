"""Opens closed leads again, a page at a time, each a short transaction of its own: one pass over the campaign."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from stasis_dialer.core.law import Holidays
from stasis_dialer.core.model import Campaign, Lead
from stasis_dialer.core.recycling import Recycling, closed_by, outside
from stasis_dialer.db.audit import AuditEntry, write_audit
from stasis_dialer.db.cases import CaseReader
from stasis_dialer.db.database import Database, Statements, placeholders
from stasis_dialer.db.rows import LEAD_JSON, lead_from

PAGE: Final = 1000
PAGE_SECONDS: Final = 300.0
"""How long the next page may take: in a campaign of millions few leads may be closed. Not measured."""

_PAGE: Final = (
    f"SELECT {LEAD_JSON} FROM discador_contatos FORCE INDEX (ix_dialer_campaign) WHERE campaign_id = %s AND id > %s "
    "AND status IN ('completed', 'failed') ORDER BY id LIMIT %s"
)
_OPEN: Final = (
    "UPDATE discador_contatos SET status = 'pending', attempts = 0, result = NULL, next_attempt = NULL, zone = NULL, "
    "next_phone = NULL, updated_at = %s WHERE id IN ({ids}) AND status IN ('completed', 'failed')"
)
_FRESH_PHONES: Final = "UPDATE dialer_lead_phones SET attempts = 0 WHERE lead_id IN ({ids}) AND attempts > 0"
_UNCOUNT: Final = (
    "UPDATE discador_campanhas SET processed_contacts = GREATEST(0, processed_contacts - %s), updated_at = %s "
    "WHERE id = %s"
)


@dataclass(slots=True)
class Recycled:
    """How many leads are open again, or would be; and of those that stay closed, how many for which reason."""

    recycled: int = 0
    stay: Counter[str] = field(default_factory=Counter)


class LeadRecycling:
    """Recycles."""

    def __init__(self, database: Database, holidays: Holidays) -> None:
        self._database = database
        self._holidays = holidays

    async def recycle(
        self,
        campaign: Campaign,
        meant: Recycling,
        to_number: Callable[[str], str],
        now: datetime,
        actor: str,
        *,
        limit: int | None = None,
        is_dry_run: bool = False,
    ) -> Recycled:
        """Open the leads that are meant, with all their attempts before them, up to `limit`.

        Raises: DatabaseUnavailable; the pages before are kept, and a repetition goes on with the rest.
        """
        done = Recycled()
        after = 0
        while True:
            room = None if limit is None else limit - done.recycled

            async def page(statements: Statements, after: int = after, room: int | None = room) -> _Page:
                rows = await statements.rows(_PAGE, campaign.id, after, PAGE)
                leads = [lead_from(row, self._database.clock) for row in rows]
                reader = CaseReader(statements, self._database.clock, campaign, self._holidays, now, to_number)
                found = await _sorted(reader, leads, meant, now)
                if room is not None and len(found.ids) > room:
                    found.stay["limit"] += len(found.ids) - room
                    found.ids = found.ids[:room]
                if found.ids and not is_dry_run:
                    found.count = await self._open(statements, campaign.id, found.ids, now)
                return found

            found = await self._database.run(page, seconds=PAGE_SECONDS)
            done.recycled += found.count if not is_dry_run else len(found.ids)
            done.stay += found.stay
            if found.last is None:
                break
            after = found.last
        if not is_dry_run and done.recycled:
            said = {"recycled": done.recycled, "dispositions": list(meant.dispositions)}
            entry = AuditEntry(now, actor, "leads-recycled", f"campaign:{campaign.id}", None, said)
            await self._database.run(lambda statements: write_audit(statements, entry))
        return done

    async def _open(self, statements: Statements, campaign_id: int, ids: Sequence[int], now: datetime) -> int:
        """Open them; whatever took one meanwhile keeps it."""
        stamp = self._database.clock.text(now)
        count = await statements.execute(_OPEN.format(ids=placeholders(ids)), stamp, *ids)
        if count:
            await statements.execute(_FRESH_PHONES.format(ids=placeholders(ids)), *ids)
            await statements.execute(_UNCOUNT, count, stamp, campaign_id)
        return count


@dataclass(slots=True)
class _Page:
    """Some closed leads: those to be opened, why the others stay, the last one's id; None: there are no more."""

    ids: list[int] = field(default_factory=list)
    stay: Counter[str] = field(default_factory=Counter)
    last: int | None = None
    count: int = 0


async def _sorted(reader: CaseReader, leads: Sequence[Lead], meant: Recycling, now: datetime) -> _Page:
    page = _Page(last=leads[-1].id if leads else None)
    asked = []
    for lead in leads:
        why = outside(lead, meant, now)
        if why is None:
            asked.append(lead)
        else:
            page.stay[why] += 1
    for case, phones in await reader.read(asked):
        closed = closed_by([replace(case, phone=phone) for _, phone in reader.known(phones)], now)
        if closed is None:
            page.ids.append(case.lead.id)
        else:
            page.stay[closed] += 1
    return page
