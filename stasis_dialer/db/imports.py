"""Imports of lists: leads with all their phones, deduped and scrubbed against the do-not-call list, all or nothing.

An import is one transaction that may take minutes: a crash, a lost connection or a refusal leaves nothing behind, and
reading it again adds nothing. One import runs at a time, so that two never add the same number.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

import msgspec
from pymysql.converters import escape_string

from stasis_dialer.core.lists import ListedLead, ListedPhone
from stasis_dialer.core.model import Campaign
from stasis_dialer.core.numbers import stored_phone
from stasis_dialer.core.options import Dedupe
from stasis_dialer.core.zones import zone_of
from stasis_dialer.db.audit import AuditEntry, write_audit
from stasis_dialer.db.clock import utc_text
from stasis_dialer.db.database import Database, Statements
from stasis_dialer.db.dnc import Listed, is_empty, listed_among
from stasis_dialer.db.phones import know_phones
from stasis_dialer.errors import Refused

LOCK_SECONDS: Final = 600
"""How long an import waits for another one: a list of ten million rows takes minutes."""

_LOCK: Final = "CONCAT('stasis_dialer.import:', DATABASE())"
_INSERT_LEADS: Final = (
    "INSERT INTO discador_contatos (campaign_id, name, phone_number, alternate_phone, max_attempts, attempts, status, "
    "created_at, updated_at, attributes, zone) VALUES "
)
_INSERT_PHONES: Final = "INSERT INTO dialer_lead_phones (lead_id, position, campaign_id, number, original) VALUES "
_NEW_IDS: Final = "SELECT JSON_ARRAY(LAST_INSERT_ID(), @@auto_increment_increment)"
"""Rows of one INSERT ... VALUES have consecutive ids. Source: MariaDB, AUTO_INCREMENT handling in InnoDB."""
_COUNT: Final = "UPDATE discador_campanhas SET total_contacts = total_contacts + %s, updated_at = %s WHERE id = %s"
_REMEMBER: Final = (
    "INSERT INTO dialer_imports (campaign_id, file_name, digest, actor, started_at, finished_at, imported, refused, "
    "phones_known_to) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
)

_TAKEN: Final = "SELECT JSON_QUOTE(number) FROM dialer_lead_phones"
_HAS_LEAD: Final = "EXISTS (SELECT 1 FROM discador_contatos WHERE id = lead_id)"
"""The old panel deletes leads, and knows no phones of theirs."""

_encode = msgspec.json.Encoder().encode


class Verdict(NamedTuple):
    """What became of a listed lead; `reason` None: it is imported."""

    lead: ListedLead
    reason: str | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ListFile:
    """What an import is remembered by."""

    name: str
    digest: str
    """SHA-256 of the file, in hexadecimal."""


class LeadImports:
    """The imports."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def imported_at(self, campaign_id: int, digest: str) -> str | None:
        """When the same file was imported into this campaign, UTC, or None."""
        sql = "SELECT JSON_ARRAY(MAX(finished_at)) FROM dialer_imports WHERE campaign_id = %s AND digest = %s"
        rows = await self._database.run(lambda statements: statements.rows(sql, campaign_id, digest), may_repeat=True)
        found: str | None = rows[0][0]
        return found

    @contextlib.asynccontextmanager
    async def begin(
        self, campaign: Campaign, now: datetime, regions: Mapping[int, str] | None = None, *, is_dry_run: bool = False
    ) -> AsyncIterator[LeadImport]:
        """An import into a campaign. What it added is kept by its `commit` alone.

        `regions` are those of all campaigns, by id: numbers of leads that the old panel wrote are read in them.
        Raises: Refused while another import runs; DatabaseUnavailable, and nothing was imported.
        """
        async with self._database.session() as statements:
            rows = await statements.rows(f"SELECT JSON_ARRAY(GET_LOCK({_LOCK}, {LOCK_SECONDS}))")
            if rows[0][0] != 1:
                raise Refused(f"another import goes on: database={self._database.address}; try again when it has ended")
            known_to = await know_phones(self._database, regions)
            started = LeadImport(self._database, statements, campaign, now, known_to, is_dry_run)
            await started.prepare()
            yield started


class LeadImport:
    """One import's transaction."""

    def __init__(
        self,
        database: Database,
        statements: Statements,
        campaign: Campaign,
        now: datetime,
        known_to: int,
        is_dry_run: bool,
    ) -> None:
        self._clock = database.clock
        self._statements = statements
        self._campaign = campaign
        self._now = now
        self._known_to = known_to
        self._is_dry_run = is_dry_run
        self._first_id: int | None = None
        self._is_scrubbed = False
        self.imported = 0

    async def prepare(self) -> None:
        """What is asked once. A dry run keeps its file's numbers in a table that ends with it."""
        self._is_scrubbed = not await is_empty(self._statements)
        if self._is_dry_run:
            await self._statements.execute(
                "CREATE TEMPORARY TABLE dialer_dry_run (number VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin "
                "NOT NULL PRIMARY KEY) ENGINE=InnoDB"
            )

    async def add(self, leads: Sequence[ListedLead]) -> list[Verdict]:
        """Import some leads; a verdict on each, in their order.

        A lead keeps its phones that are new and may be called; with none left it is refused.
        """
        numbers = list({phone.number for lead in leads for phone in lead.phones})
        taken = await self._taken(numbers)
        listed: Mapping[str, Listed] = {}
        if self._is_scrubbed:
            listed = await listed_among(self._statements, numbers, self._campaign.id, self._now)
        verdicts: list[Verdict] = []
        new: list[tuple[ListedLead, list[ListedPhone]]] = []
        for lead in leads:
            phones = [phone for phone in lead.phones if phone.number not in taken and phone.number not in listed]
            if phones:
                taken.update(phone.number for phone in phones)
                new.append((lead, phones))
                remarks = lead.remarks if len(phones) == len(lead.phones) else _remarks(lead, phones, listed)
                verdicts.append(Verdict(lead, None, "; ".join(remarks)))
            else:
                is_listed = any(phone.number in listed for phone in lead.phones)
                verdicts.append(Verdict(lead, "do_not_call" if is_listed else "duplicate", "; ".join(lead.remarks)))
        if new:
            await self._insert(new)
        self.imported += len(new)
        return verdicts

    async def commit(self, file: ListFile, refused: int, actor: str, now: datetime) -> None:
        """Keep the import, count its leads, and remember it; not for a dry run."""
        stamp = self._clock.text(now)
        await self._statements.execute(_COUNT, self.imported, stamp, self._campaign.id)
        await self._statements.execute(
            _REMEMBER,
            self._campaign.id,
            file.name[:255],
            file.digest,
            actor[:100],
            utc_text(self._now),
            utc_text(now),
            self.imported,
            refused,
            self._known_to,
        )
        after = {"file": file.name[:255], "digest": file.digest, "imported": self.imported, "refused": refused}
        await write_audit(
            self._statements,
            AuditEntry(now, actor, "leads-imported", f"campaign:{self._campaign.id}", None, after),
        )
        await self._statements.commit()

    async def _taken(self, numbers: Sequence[str]) -> set[str]:
        """Which of the numbers are leads' already, where the campaign wants each only once."""
        if not numbers:
            return set()
        some = _digits(numbers)
        sql = f"{_TAKEN} WHERE number IN ({some}) AND {_HAS_LEAD}"
        dedupe = self._campaign.numbers.dedupe
        if dedupe is not Dedupe.EVERYWHERE:
            sql += f" AND campaign_id = {self._campaign.id}"
        if dedupe is Dedupe.FILE:
            sql += " AND FALSE" if self._first_id is None else f" AND lead_id >= {self._first_id}"
        found: set[str] = set(await self._statements.rows(sql))  # type: ignore[arg-type]
        if self._is_dry_run:
            seen = f"SELECT JSON_QUOTE(number) FROM dialer_dry_run WHERE number IN ({some})"
            found.update(await self._statements.rows(seen))  # type: ignore[arg-type]
        return found

    async def _insert(self, new: Sequence[tuple[ListedLead, list[ListedPhone]]]) -> None:
        if self._is_dry_run:
            values = ",".join(f"('{phone.number}')" for _, phones in new for phone in phones)
            await self._statements.execute(f"INSERT IGNORE INTO dialer_dry_run VALUES {values}")
            return
        campaign = self._campaign
        stamp = self._clock.text(self._now)
        rest = f"0,'pending','{stamp}','{stamp}'"
        rows = []
        for lead, phones in new:
            first = stored_phone(phones[0].number, campaign.default_region)
            second = f"'{stored_phone(phones[1].number, campaign.default_region)}'" if len(phones) > 1 else "NULL"
            attempts = lead.max_attempts or campaign.max_attempts
            attributes = _json(lead.attributes) if lead.attributes else "NULL"
            name = escape_string(lead.name)
            zone = zone_of(phones[0].number).code
            rows.append(f"({campaign.id},'{name}','{first}',{second},{attempts},{rest},{attributes},'{zone}')")
        self._statements.later(_INSERT_LEADS + ",".join(rows))
        ((first_id, step),) = await self._statements.rows(_NEW_IDS)
        if self._first_id is None:
            self._first_id = first_id
        await self._statements.execute(_INSERT_PHONES + _phone_values(new, campaign.id, first_id, step))


def _phone_values(
    new: Sequence[tuple[ListedLead, list[ListedPhone]]], campaign_id: int, first_id: int, step: int
) -> str:
    rows = []
    for index, (_, phones) in enumerate(new):
        lead_id = first_id + index * step
        for position, phone in enumerate(phones):
            number, original = phone.number, phone.original
            kept = "NULL" if original == number else f"'{escape_string(original)}'"
            rows.append(f"({lead_id},{position},{campaign_id},'{number}',{kept})")
    return ",".join(rows)


def _remarks(lead: ListedLead, phones: Sequence[ListedPhone], listed: Mapping[str, Listed]) -> list[str]:
    left_out = [phone.number for phone in lead.phones if phone not in phones]
    return [*lead.remarks, *("phone left out: " + ("do_not_call" if n in listed else "duplicate") for n in left_out)]


def _json(attributes: Mapping[str, str]) -> str:
    return f"'{escape_string(_encode(attributes).decode())}'"


def _digits(numbers: Sequence[str]) -> str:
    """Numbers as a list of SQL literals; they are E.164 digits, made by `core.numbers`."""
    return ",".join(f"'{number}'" for number in numbers)
