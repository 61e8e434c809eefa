"""Phones of leads that no import of ours wrote: the old panel's get their rows in `dialer_lead_phones` later, here.

So a number is found by one index, whoever added its lead and however it was spelled.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from stasis_dialer.core.adoption import ReadPhone, read_phones
from stasis_dialer.core.model import Campaign
from stasis_dialer.db.database import Database, Statements

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
ADD_PHONES: Final = (
    "INSERT IGNORE INTO dialer_lead_phones (lead_id, position, campaign_id, number, original, status) VALUES "
)


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
            statements.later(ADD_PHONES + places, *values)
        return rows[-1][0] if rows else None

    after, newest = await database.run(limits, may_repeat=True)
    while (last := await database.run(page, may_repeat=True)) is not None:
        after = last
    return newest


def phone_values(lead_id: int, campaign_id: int, phones: Iterable[ReadPhone]) -> list[object]:
    """A lead's phones as `ADD_PHONES` takes them."""
    values: list[object] = []
    for phone in phones:
        original = None if phone.text == phone.number else phone.text[:64]
        values += [lead_id, phone.position, campaign_id, phone.number, original]
        values.append("pending" if phone.number else INVALID)
    return values


def _phones(row: list[Any], regions: Mapping[int, str]) -> list[object]:
    lead_id, campaign_id, first, second, _ = row
    return phone_values(lead_id, campaign_id or 0, read_phones((first, second), regions.get(campaign_id, _ANYWHERE)))
