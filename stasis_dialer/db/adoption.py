"""Taking over the old panel's database in place: what it has, what is odd about it, what is added and mended.

Tables and columns come by the migrations, which drop, rename and narrow nothing; rows by `adoption_rows`. Both may be
cut off anywhere and are run again then. What an adoption would be refused for is looked for before anything is done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, text

from stasis_dialer.core.adoption import FIXED, Oddity
from stasis_dialer.core.model import Campaign
from stasis_dialer.db import adoption_tables as tables
from stasis_dialer.db import schema
from stasis_dialer.db.adoption_rows import Pass, Progress, Tally
from stasis_dialer.db.adoption_tables import Finding, TableFinding
from stasis_dialer.db.campaigns import Campaigns
from stasis_dialer.db.database import Database
from stasis_dialer.errors import Refused

LEADS: Final = "discador_contatos"

SAYS: Final[Mapping[Oddity, str]] = {
    Oddity.CALLING_LEFT_OVER: "calling, and in no call: pending again",
    Oddity.CALLING_NOW: "calling less than an hour ago: perhaps in a call, left; adopt again later",
    Oddity.BAD_ATTEMPTS: "attempts is negative or missing: counted from 0",
    Oddity.NUMBER_READ: "number with punctuation, prefix or carrier code: known as E.164, the text is kept",
    Oddity.NUMBER_INVALID: "a phone that is no number: never dialled, the text is kept",
    Oddity.NO_ATTEMPTS_ALLOWED: "max_attempts is missing, 0 or negative: never dialled; set it, or recycle",
    Oddity.MANY_ATTEMPTS: "more than 100 attempts made or allowed: taken as it stands",
    Oddity.UNKNOWN_STATUS: "a status the dialer does not know: never dialled; set it to pending to have it dialled",
    Oddity.ZERO_DATE: "a date that does not exist: read as no date",
    Oddity.NO_LAST_ATTEMPT: "attempts at an unknown time: taken as long ago",
    Oddity.CAMPAIGN_GONE: "its campaign is gone: never dialled",
    Oddity.UTF8_IN_LATIN1: "UTF-8 bytes in a latin1 column: the panel reads them, the dialer shows two signs for one",
}
REPEATED: Final = "another lead of its campaign has the same number: kept; caps per number hold for both"


@dataclass(frozen=True, slots=True)
class Adoption:
    """What was found and done, or would be."""

    is_dry_run: bool
    tables: list[TableFinding]
    findings: list[Finding] = field(default_factory=list)
    leads_read: int = 0
    revisions: schema.Revisions | None = None

    @property
    def blocks(self) -> list[Finding]:
        """What must be mended by hand first."""
        return [finding for finding in self.findings if finding.is_blocking]

    @property
    def to_do(self) -> int:
        """Steps on tables, and kinds of rows mended: 0 the second time."""
        return sum(len(table.to_do) for table in self.tables) + sum(finding.is_fixed for finding in self.findings)

    def as_object(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "is_dry_run": self.is_dry_run,
            "revision": None if self.revisions is None else self.revisions.after,
            "to_do": self.to_do,
            "leads_read": self.leads_read,
            "tables": [table.as_object() for table in self.tables],
            "findings": [asdict(finding) for finding in self.findings],
        }


async def inspect(url: str, password: str | None = None) -> list[TableFinding]:
    """Look at the legacy's tables. Raises: DatabaseUnavailable."""
    return await schema.with_connection(url, password, tables.look)


async def adopt(
    url: str,
    password: str | None,
    legacy_timezone: str,
    now: datetime,
    actor: str,
    is_dry_run: bool,
    progress: Progress = lambda _: None,
) -> Adoption:
    """Take the database over, or say what that would do; safe to repeat, after a crash too.

    Raises: DatabaseUnavailable; Refused when something must be mended by hand first, and nothing was done then.
    """
    found = await inspect(url, password)
    oddities = await schema.with_connection(url, password, tables.oddities)
    blocking = [finding for finding in oddities if finding.is_blocking]
    if blocking and not is_dry_run:
        raise Refused(
            "the tables cannot be taken over, nothing was done: "
            + "; ".join(f"{one.table}: {one.says}: {', '.join(one.examples)}" for one in blocking)
        )
    revisions = None if is_dry_run else await schema.upgrade(url, password)
    database = Database(url, password, legacy_timezone=legacy_timezone)
    try:
        is_adopted = await schema.revision_of(database) == schema.head()
        tally = Tally()
        if is_adopted or all(one.rows is not None for one in found):
            regions = await _regions(url, password, database, is_adopted)
            tally = await Pass(database, regions, now, actor, is_adopted, is_dry_run).run(progress)
    finally:
        await database.close()
    return Adoption(is_dry_run, found, [*oddities, *_of_leads(tally)], tally.leads, revisions)


async def _regions(url: str, password: str | None, database: Database, is_adopted: bool) -> dict[int, str]:
    """Of every campaign, the country in which its numbers are read."""
    if is_adopted:
        return {one.campaign.id: one.campaign.default_region for one in await Campaigns(database).find()}

    def ids(connection: Connection) -> list[int]:
        return list(connection.execute(text("SELECT id FROM discador_campanhas")).scalars())

    return dict.fromkeys(await schema.with_connection(url, password, ids), Campaign(0, "").default_region)


def _of_leads(tally: Tally) -> list[Finding]:
    found = [
        Finding(LEADS, str(oddity), tally.counts[oddity], SAYS[oddity], oddity in FIXED, _texts(tally.examples[oddity]))
        for oddity in Oddity
        if tally.counts[oddity]
    ]
    if tally.repeated:
        found.append(Finding(LEADS, "repeated_number", tally.repeated, REPEATED))
    return found


def _texts(ids: list[int]) -> tuple[str, ...]:
    return tuple(map(str, ids))
