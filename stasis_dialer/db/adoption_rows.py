"""A pass over the old panel's rows: what is odd is counted, what would be lost is mended, phones become known.

Pages are committed one by one and every change asks again whether it is needed, so a pass that was cut off is simply
run again. What a changed row had before stands in the audit trail. A look writes nothing but a temporary table.
"""

from __future__ import annotations

import contextlib
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from stasis_dialer.core.adoption import CALLING_STALE_SECONDS, Judgement, LegacyLead, Oddity, judge
from stasis_dialer.db.audit import AuditEntry, write_audit
from stasis_dialer.db.database import Database, Statements, placeholders
from stasis_dialer.db.phones import ADD_PHONES, phone_values

PAGE: Final = 2000
EXAMPLES: Final = 5
ACTION: Final = "lead-adopted"

_COLUMNS: Final = (
    "id, campaign_id, name, phone_number, alternate_phone, attempts, max_attempts, status, last_attempt, next_attempt, "
    "created_at, updated_at"
)
_IS_RESERVED: Final = "IF(attempt_id IS NOT NULL, TRUE, FALSE)"
_IS_KNOWN: Final = "IF(EXISTS (SELECT 1 FROM dialer_lead_phones WHERE lead_id = discador_contatos.id), TRUE, FALSE)"
_PAGE: Final = "SELECT JSON_ARRAY({columns}) FROM discador_contatos WHERE id > {after} ORDER BY id LIMIT {page}"
_GUARDS: Final = {
    "status": "status = 'calling' AND attempt_id IS NULL",
    "attempts": "(attempts IS NULL OR attempts < 0)",
}
"""A row that somebody changed meanwhile is left to them."""
_LOOKED_AT: Final = "dialer_looked_at"
_REPEATED: Final = (
    "SELECT JSON_ARRAY(COUNT(*) - COUNT(DISTINCT campaign_id, number)) FROM {table} WHERE position = 0 AND number <> ''"
)

Progress = Callable[[int], None]
"""Told how many leads were looked at."""


@dataclass(slots=True)
class Tally:
    """How many leads have each oddity, with the ids of the first of them."""

    leads: int = 0
    repeated: int = 0
    """Leads whose number another lead of their campaign has before them."""
    counts: Counter[Oddity] = field(default_factory=Counter)
    examples: dict[Oddity, list[int]] = field(default_factory=lambda: defaultdict(list))

    def add(self, lead_id: int, oddities: Iterable[Oddity]) -> None:
        """One lead."""
        self.leads += 1
        for oddity in oddities:
            self.counts[oddity] += 1
            if len(self.examples[oddity]) < EXAMPLES:
                self.examples[oddity].append(lead_id)


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass over all leads. `regions`: by campaign, the country in which its numbers are read."""

    database: Database
    regions: Mapping[int, str]
    now: datetime
    actor: str
    is_adopted: bool
    """Whether the tables have our columns, and ours stand beside them."""
    is_dry_run: bool

    async def run(self, progress: Progress) -> Tally:
        """Look at every lead, and mend unless it is a dry run. Raises: DatabaseUnavailable."""
        tally, after = Tally(), -(2**63)
        async with self._looking() as looking:
            while True:

                async def page(statements: Statements, after: int = after) -> list[tuple[LegacyLead, Judgement]]:
                    judged = await self._read(statements, after)
                    await self._keep(statements, judged)
                    return judged

                judged = await (page(looking) if looking else self.database.run(page, may_repeat=True))
                if not judged:
                    break
                for lead, judgement in judged:
                    tally.add(lead.id, judgement.oddities)
                after = judged[-1][0].id
                progress(tally.leads)
            tally.repeated = await self._repeated(looking)
        return tally

    @contextlib.asynccontextmanager
    async def _looking(self) -> AsyncIterator[Statements | None]:
        """A dry run's one connection, with the numbers it has seen in a table that ends with it."""
        if not self.is_dry_run:
            yield None
            return
        async with self.database.session() as statements:
            await statements.execute(
                f"CREATE TEMPORARY TABLE {_LOOKED_AT} (lead_id BIGINT NOT NULL, position SMALLINT NOT NULL, "
                "campaign_id INTEGER NOT NULL, number VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin NOT NULL)"
            )
            yield statements

    async def _read(self, statements: Statements, after: int) -> list[tuple[LegacyLead, Judgement]]:
        ours = f", {_IS_RESERVED}, {_IS_KNOWN}" if self.is_adopted else ", FALSE, FALSE"
        rows = await statements.rows(_PAGE.format(columns=_COLUMNS + ours, after=after, page=PAGE))
        limit = self.database.clock.text(self.now - timedelta(seconds=CALLING_STALE_SECONDS)) or ""
        leads = [_lead(row) for row in rows]
        return [(lead, judge(lead, self.regions, limit)) for lead in leads]

    async def _keep(self, statements: Statements, judged: list[tuple[LegacyLead, Judgement]]) -> None:
        if self.is_dry_run:
            await self._remember(statements, judged)
            return
        values: list[object] = []
        for lead, judgement in judged:
            values += phone_values(lead.id, lead.campaign_id or 0, judgement.phones)
        if values:
            await statements.execute(ADD_PHONES + ", ".join(["(%s, %s, %s, %s, %s, %s)"] * (len(values) // 6)), *values)
        await self._mend(statements, [(lead, judgement) for lead, judgement in judged if judgement.changes])

    async def _mend(self, statements: Statements, odd: list[tuple[LegacyLead, Judgement]]) -> None:
        """Change what adoption changes; the audit trail has what was there."""
        groups: dict[tuple[str, object], list[LegacyLead]] = defaultdict(list)
        for lead, judgement in odd:
            for change in judgement.changes.items():
                groups[change].append(lead)
        for (column, value), leads in groups.items():
            ids = [lead.id for lead in leads]
            where = f"id IN ({placeholders(ids)}) AND {_GUARDS[column]}"
            sql = f"SELECT JSON_ARRAY(id) FROM discador_contatos WHERE {where} FOR UPDATE"
            locked = {row[0] for row in await statements.rows(sql, *ids)}
            if not locked:
                continue
            before = {str(lead.id): getattr(lead, column) for lead in leads if lead.id in locked}
            some = placeholders(list(before))
            await statements.execute(
                f"UPDATE discador_contatos SET {column} = %s, updated_at = updated_at WHERE id IN ({some})",
                value,
                *(int(lead_id) for lead_id in before),
            )
            subject = f"leads:{min(locked)}-{max(locked)}"
            entry = AuditEntry(self.now, self.actor, ACTION, subject, {column: before}, {column: value})
            await write_audit(statements, entry)

    async def _remember(self, statements: Statements, judged: list[tuple[LegacyLead, Judgement]]) -> None:
        if self.is_adopted:
            return
        values: list[object] = []
        for lead, judgement in judged:
            for phone in judgement.phones:
                values += (lead.id, phone.position, lead.campaign_id or 0, phone.number)
        if values:
            places = ", ".join(["(%s, %s, %s, %s)"] * (len(values) // 4))
            await statements.execute(f"INSERT INTO {_LOOKED_AT} VALUES {places}", *values)

    async def _repeated(self, looking: Statements | None) -> int:
        table = "dialer_lead_phones" if self.is_adopted else _LOOKED_AT

        async def count(statements: Statements) -> int:
            return int((await statements.rows(_REPEATED.format(table=table)))[0][0])

        return await (count(looking) if looking else self.database.run(count, may_repeat=True, seconds=300.0))


def _lead(row: list[Any]) -> LegacyLead:
    (id_, campaign_id, name, first, second, attempts, allowed, status, *times, is_reserved, is_known) = row
    last, due, created, updated = times
    return LegacyLead(
        id=id_,
        campaign_id=campaign_id,
        name=name,
        phones=(first, second),
        attempts=attempts,
        max_attempts=allowed,
        status=status,
        last_attempt=last,
        next_attempt=due,
        created_at=created,
        updated_at=updated,
        is_reserved=bool(is_reserved),
        is_known=bool(is_known),
    )
