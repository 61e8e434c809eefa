"""Campaigns: the legacy's columns and our settings as one value, with the legacy's counters.

A change writes only the columns that change, so that it does not undo what the old panel writes beside it, and leaves
an audit entry in the same transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, time
from typing import Any, Final

from stasis_dialer.core.model import Campaign, CampaignStatus
from stasis_dialer.core.schedule import success_rate
from stasis_dialer.db.audit import AuditEntry, write_audit
from stasis_dialer.db.campaign_settings import (
    LEGACY_COLUMNS,
    SETTINGS,
    checked_settings,
    column_problems,
    read_settings,
    settings_of,
    settings_text,
)
from stasis_dialer.db.database import Database, Statements
from stasis_dialer.db.rows import word
from stasis_dialer.errors import CampaignNotFound, Refused

_COLUMNS: Final = (
    "JSON_ARRAY(id, name, status, max_channels, impulse_factor, max_multiplier, average_call_time, start_time, "
    "end_time, settings, total_contacts, processed_contacts, successful_calls, created_at, updated_at)"
)
_SELECT: Final = f"SELECT {_COLUMNS} FROM discador_campanhas"

_RECOUNT: Final = (
    "UPDATE discador_campanhas SET "
    "total_contacts = (SELECT COUNT(*) FROM discador_contatos WHERE campaign_id = %s), "
    "processed_contacts = (SELECT COUNT(*) FROM discador_contatos "
    "WHERE campaign_id = %s AND status IN ('completed', 'failed')), updated_at = %s WHERE id = %s"
)


@dataclass(frozen=True, slots=True)
class CampaignCounters:
    """The legacy's counters: leads, leads closed (completed or failed), and calls in which an agent talked."""

    total_contacts: int = 0
    processed_contacts: int = 0
    successful_calls: int = 0

    @property
    def success_rate(self) -> float:
        """The legacy's answer: successful calls of the processed leads, in per cent."""
        return success_rate(self.successful_calls, self.processed_contacts)


@dataclass(frozen=True, slots=True)
class StoredCampaign:
    """A campaign as the database has it. With `problems` it has defaults in their place and must not be dialled."""

    campaign: Campaign
    counters: CampaignCounters = CampaignCounters()
    problems: tuple[str, ...] = ()
    created_at: datetime | None = None
    updated_at: datetime | None = None


class Campaigns:
    """The campaigns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, status: CampaignStatus | None = None) -> list[StoredCampaign]:
        """All campaigns, or those with one status, in order of their ids."""
        if status is None:
            return await self._select(f"{_SELECT} ORDER BY id")
        return await self._select(f"{_SELECT} WHERE status = %s ORDER BY id", status.value)

    async def active(self) -> list[StoredCampaign]:
        """Campaigns that are to be dialled."""
        return await self.find(CampaignStatus.ACTIVE)

    async def get(self, which: int | str) -> StoredCampaign:
        """A campaign by its id, or by its name.

        Raises: CampaignNotFound; Refused when several have this name.
        """
        column = "id" if isinstance(which, int) else "name"
        found = await self._select(f"{_SELECT} WHERE {column} = %s ORDER BY id", which)
        if not found:
            raise CampaignNotFound(f"there is no such campaign: {column}={which}")
        if len(found) > 1:
            ids = ", ".join(str(stored.campaign.id) for stored in found)
            raise Refused(f"several campaigns have this name: name={which} ids={ids}; use the id")
        return found[0]

    async def create(self, campaign: Campaign, actor: str, now: datetime) -> StoredCampaign:
        """Add a campaign; its `id` is not used. Raises: Refused for a name that is taken, or a bad setting."""
        fields = _as_fields(campaign)
        settings = _checked(fields)
        columns = _legacy_values({name: fields[name] for name in LEGACY_COLUMNS})
        columns["settings"] = settings_text(settings)
        columns["created_at"] = columns["updated_at"] = self._database.clock.text(now)

        async def insert(statements: Statements) -> int:
            if await statements.rows("SELECT JSON_ARRAY(id) FROM discador_campanhas WHERE name = %s", campaign.name):
                raise Refused(f"there is such a campaign already: name={campaign.name}")
            names = ", ".join(columns)
            marks = ", ".join(["%s"] * len(columns))
            await statements.execute(f"INSERT INTO discador_campanhas ({names}) VALUES ({marks})", *columns.values())
            new_id = int((await statements.rows("SELECT JSON_ARRAY(LAST_INSERT_ID())"))[0][0])
            after = {name: _plain(value) for name, value in fields.items() if name in LEGACY_COLUMNS} | settings
            await write_audit(statements, AuditEntry(now, actor, "campaign-created", f"campaign:{new_id}", None, after))
            return new_id

        return await self.get(await self._database.run(insert))

    async def update(self, campaign_id: int, changes: Mapping[str, Any], actor: str, now: datetime) -> StoredCampaign:
        """Change fields of a campaign, by their names in `Campaign`.

        Raises: CampaignNotFound; Refused for a field that does not exist, or a bad value; nothing is changed then.
        """
        unknown = sorted(set(changes) - set(LEGACY_COLUMNS) - SETTINGS)
        if unknown:
            raise Refused(f"a campaign has no such setting: {', '.join(unknown)}")
        _checked(changes)

        async def change(statements: Statements) -> None:
            rows = await statements.rows(f"{_SELECT} WHERE id = %s FOR UPDATE", campaign_id)
            if not rows:
                raise CampaignNotFound(f"there is no such campaign: id={campaign_id}")
            before = self._stored(rows[0]).campaign
            after = replace(before, **_typed(changes))
            changed = {name for name in changes if getattr(before, name) != getattr(after, name)}
            if changed:
                await self._write(statements, before, after, changed, now)
                await write_audit(
                    statements,
                    AuditEntry(
                        now,
                        actor,
                        "campaign-changed",
                        f"campaign:{campaign_id}",
                        {name: _plain(getattr(before, name)) for name in sorted(changed)},
                        {name: _plain(getattr(after, name)) for name in sorted(changed)},
                    ),
                )

        await self._database.run(change)
        return await self.get(campaign_id)

    async def set_status(self, campaign_id: int, status: CampaignStatus, actor: str, now: datetime) -> StoredCampaign:
        """Start, pause or finish a campaign. Raises: CampaignNotFound."""
        return await self.update(campaign_id, {"status": status}, actor, now)

    async def recount(self, campaign_id: int, now: datetime) -> CampaignCounters:
        """Count the campaign's leads anew, after the old panel changed them; seconds for millions of leads."""
        stamp = self._database.clock.text(now)

        async def count(statements: Statements) -> None:
            await statements.execute(_RECOUNT, campaign_id, campaign_id, stamp, campaign_id)

        await self._database.run(count)
        return (await self.get(campaign_id)).counters

    async def _write(
        self, statements: Statements, before: Campaign, after: Campaign, changed: set[str], now: datetime
    ) -> None:
        columns = _legacy_values({name: getattr(after, name) for name in sorted(changed) if name in LEGACY_COLUMNS})
        if changed & SETTINGS:
            columns["settings"] = settings_text(settings_of(after))
        columns["updated_at"] = self._database.clock.text(now)
        names = ", ".join(f"{column} = %s" for column in columns)
        await statements.execute(f"UPDATE discador_campanhas SET {names} WHERE id = %s", *columns.values(), before.id)

    async def _select(self, sql: str, *values: object) -> list[StoredCampaign]:
        rows = await self._database.run(lambda statements: statements.rows(sql, *values), may_repeat=True)
        return [self._stored(row) for row in rows]

    def _stored(self, row: list[Any]) -> StoredCampaign:
        settings, problems = read_settings(row[9])
        start, end = _time(row[7]), _time(row[8])
        if (row[7] is not None and start is None) or (row[8] is not None and end is None):
            problems += (f"bad working hours: start_time={row[7]} end_time={row[8]}",)
        defaults = Campaign(id=0, name="")
        campaign = Campaign(
            id=row[0],
            name=row[1] or "",
            status=word(CampaignStatus, row[2], CampaignStatus.PAUSED),
            max_channels=int(_otherwise(row[3], defaults.max_channels)),
            impulse_factor=float(_otherwise(row[4], defaults.impulse_factor)),
            max_multiplier=float(_otherwise(row[5], defaults.max_multiplier)),
            average_call_time=float(_otherwise(row[6], defaults.average_call_time)),
            window_start=start,
            window_end=end,
            **settings,
        )
        return StoredCampaign(
            campaign,
            CampaignCounters(row[10] or 0, row[11] or 0, row[12] or 0),
            problems,
            self._database.clock.moment(row[13]),
            self._database.clock.moment(row[14]),
        )


def _as_fields(campaign: Campaign) -> dict[str, Any]:
    return {name: getattr(campaign, name) for name in LEGACY_COLUMNS} | settings_of(campaign)


def _checked(changes: Mapping[str, Any]) -> dict[str, Any]:
    settings, problems = checked_settings({name: value for name, value in changes.items() if name in SETTINGS})
    problems += column_problems(changes)
    if problems:
        raise Refused("; ".join(problems))
    return settings


def _typed(changes: Mapping[str, Any]) -> dict[str, Any]:
    settings, _ = checked_settings({name: value for name, value in changes.items() if name in SETTINGS})
    typed = {name: value for name, value in changes.items() if name in LEGACY_COLUMNS} | settings
    if "status" in typed:
        typed["status"] = CampaignStatus(typed["status"])
    return typed


def _legacy_values(fields: Mapping[str, Any]) -> dict[str, object]:
    return {LEGACY_COLUMNS[name]: _plain(value) for name, value in fields.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, time):
        return value.isoformat()
    return str(value) if isinstance(value, CampaignStatus) else value


def _otherwise(value: Any, default: Any) -> Any:
    return default if value is None else value


def _time(value: object) -> time | None:
    try:
        return time.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
