"""Phones of leads that no import of ours wrote: the old panel's get their rows in `dialer_lead_phones` later, here.

So a number is found by one index, whoever added its lead and however it was spelled.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from stasis_dialer.core.model import Campaign
from stasis_dialer.core.numbers import normalise
from stasis_dialer.db.database import Database, Statements
from stasis_dialer.errors import NumberRefused

PAGE: Final = 2000
INVALID: Final = "invalid"
"""Status of a phone whose text is no number."""
_ANYWHERE: Final = Campaign(0, "").default_region

_KNOWN_TO: Final = "SELECT JSON_ARRAY(COALESCE(MAX(phones_known_to), 0)) FROM dialer_imports"
_NEWEST: Final = "SELECT JSON_ARRAY(COALESCE(MAX(id), 0)) FROM discador_contatos"
_NEXT: Final = (
    "SELECT JSON_ARRAY(id, campaign_id, phone_number, alternate_phone, "
    "IF(EXISTS (SELECT 1 FROM dialer_lead_phones WHERE lead_id = id), 1, 0)) "
    "FROM discador_contatos WHERE id > %s AND id <= %s ORDER BY id LIMIT %s"
)
_ADD: Final = "INSERT IGNORE INTO dialer_lead_phones (lead_id, position, campaign_id, number, original, status) VALUES "


async def know_phones(database: Database, regions: Mapping[int, str] | None = None) -> int:
    """Give every lead its phones' rows; the id up to which all have them.

    `regions` says where a campaign's numbers are read. Pages are committed one by one: what is done stays done.
    Raises: DatabaseUnavailable.
    """

    async def limits(statements: Statements) -> tuple[int, int]:
        return (await statements.rows(_KNOWN_TO))[0][0], (await statements.rows(_NEWEST))[0][0]

    async def page(statements: Statements) -> int | None:
        rows = await statements.rows(_NEXT, after, newest, PAGE)
        values = [value for row in rows if not row[4] for value in _phones(row, regions or {})]
        if values:
            places = ", ".join(["(%s, %s, %s, %s, %s, %s)"] * (len(values) // 6))
            statements.later(_ADD + places, *values)
        return rows[-1][0] if rows else None

    after, newest = await database.run(limits, may_repeat=True)
    while (last := await database.run(page, may_repeat=True)) is not None:
        after = last
    return newest


def _phones(row: list[Any], regions: Mapping[int, str]) -> list[object]:
    lead_id, campaign_id, first, second, _ = row
    values: list[object] = []
    for position, text in enumerate((first or "", second or "")):
        if position and not text:
            continue
        try:
            number, status = normalise(text, regions.get(campaign_id, _ANYWHERE)), "pending"
        except NumberRefused:
            number, status = "", INVALID
        values += [lead_id, position, campaign_id, number, None if text == number else text[:64], status]
    return values
