"""Do-not-call entries: numbers (E.164 without plus) that no campaign, or one campaign, may call.

There is one lookup, `listed_among`: a reservation asks it in its own transaction, everything else through `among`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from stasis_dialer.db.clock import utc_text
from stasis_dialer.db.database import Database, Statements, placeholders
from stasis_dialer.errors import NumberRefused

EVERY_CAMPAIGN: Final = 0
BATCH: Final = 1000
MAX_DIGITS: Final = 15
"""Source: ITU-T E.164, section 6."""


@dataclass(frozen=True, slots=True)
class DoNotCall:
    """A number that must not be called. `campaign_id` None: by no campaign; `expires_at` None: for ever."""

    number: str
    campaign_id: int | None = None
    source: str = ""
    expires_at: datetime | None = None


async def listed_among(
    statements: Statements, numbers: Sequence[str], campaign_id: int | None, now: datetime
) -> set[str]:
    """Which of the numbers must not be called now by this campaign."""
    if not numbers:
        return set()
    rows = await statements.rows(
        "SELECT JSON_ARRAY(number) FROM dialer_do_not_call "
        f"WHERE number IN ({placeholders(numbers)}) AND campaign_id IN (%s, %s) "
        "AND (expires_at IS NULL OR expires_at > %s)",
        *numbers,
        EVERY_CAMPAIGN,
        campaign_id or EVERY_CAMPAIGN,
        utc_text(now),
    )
    return {row[0] for row in rows}


def list_number(statements: Statements, number: str, source: str, now: datetime) -> None:
    """Put a number on the list of all campaigns, for ever, within the caller's transaction.

    What is no telephone number is left out: it could not be dialled either.
    """
    if number.isascii() and number.isdigit() and len(number) <= MAX_DIGITS:
        statements.later(
            "INSERT INTO dialer_do_not_call (number, campaign_id, source, created_at, expires_at) "
            "VALUES (%s, %s, %s, %s, NULL) ON DUPLICATE KEY UPDATE expires_at = NULL",
            number,
            EVERY_CAMPAIGN,
            source[:100],
            utc_text(now),
        )


async def is_empty(statements: Statements) -> bool:
    """Whether nothing is listed at all, so that a long list of numbers need not be looked up."""
    rows = await statements.rows("SELECT JSON_ARRAY(IF(EXISTS (SELECT 1 FROM dialer_do_not_call), 1, 0))")
    return not rows[0][0]


class DoNotCallList:
    """The do-not-call entries."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, entries: Iterable[DoNotCall], now: datetime) -> int:
        """Add or renew entries; their count.

        Raises: NumberRefused for one that is not E.164 digits, before anything is written.
        """
        rows = []
        for entry in entries:
            if not (entry.number.isascii() and entry.number.isdigit() and len(entry.number) <= MAX_DIGITS):
                raise NumberRefused(f"not an E.164 number without plus: number=...{entry.number[-4:]!r}")
            rows.append(
                (
                    entry.number,
                    entry.campaign_id or EVERY_CAMPAIGN,
                    entry.source[:100],
                    utc_text(now),
                    utc_text(entry.expires_at),
                )
            )

        async def insert(statements: Statements) -> int:
            for start in range(0, len(rows), BATCH):
                part = rows[start : start + BATCH]
                await statements.execute(
                    "INSERT INTO dialer_do_not_call (number, campaign_id, source, created_at, expires_at) VALUES "
                    + ", ".join(["(%s, %s, %s, %s, %s)"] * len(part))
                    + " ON DUPLICATE KEY UPDATE source = VALUES(source), expires_at = VALUES(expires_at)",
                    *(value for row in part for value in row),
                )
            return len(rows)

        return await self._database.run(insert)

    async def remove(self, number: str, campaign_id: int | None = None) -> bool:
        """Take an entry off the list; whether it was there."""

        async def delete(statements: Statements) -> bool:
            sql = "DELETE FROM dialer_do_not_call WHERE number = %s AND campaign_id = %s"
            return await statements.execute(sql, number, campaign_id or EVERY_CAMPAIGN) > 0

        return await self._database.run(delete)

    async def contains(self, number: str, campaign_id: int | None, now: datetime) -> bool:
        """Whether the number must not be called now by this campaign (None: by any at all)."""
        return number in await self.among([number], campaign_id, now)

    async def among(self, numbers: Sequence[str], campaign_id: int | None, now: datetime) -> set[str]:
        """Which of the numbers must not be called now by this campaign."""

        async def look(statements: Statements) -> set[str]:
            found: set[str] = set()
            for start in range(0, len(numbers), BATCH):
                found |= await listed_among(statements, numbers[start : start + BATCH], campaign_id, now)
            return found

        return await self._database.run(look, may_repeat=True)
