"""Reserves one number that an agent typed, past the same gates (`core.gates`) as any other call.

A lead of the campaign with this number is reserved with it, so that it is not dialled by the campaign meanwhile and its
attempts are counted. A number of no lead, or of one that is completed, gets a call of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from stasis_dialer.core import gates
from stasis_dialer.core.gates import Case, Gate, Phone
from stasis_dialer.core.law import Holidays
from stasis_dialer.core.model import CallStatus, Campaign, Lead, LeadStatus
from stasis_dialer.core.numbers import masked
from stasis_dialer.core.zones import zone_of
from stasis_dialer.db import reservation_sql as sql
from stasis_dialer.db.clock import utc_text
from stasis_dialer.db.database import Database, Statements
from stasis_dialer.db.dnc import registries_of
from stasis_dialer.db.number_facts import OwnPhones, calls_of_leads, known_phones, own_phones
from stasis_dialer.db.rows import LEAD_JSON, lead_from
from stasis_dialer.errors import Refused
from stasis_dialer.settings.holiday_dates import HolidayDates

NOBODY: Final = Lead(0, 0, "", "")
_LEAD: Final = (
    f"SELECT {LEAD_JSON} FROM discador_contatos WHERE campaign_id = %s AND id IN (SELECT lead_id FROM "
    "dialer_lead_phones WHERE number = %s AND campaign_id = %s) ORDER BY status = 'completed', id LIMIT 1 FOR UPDATE"
)
_TAKE: Final = (
    "UPDATE discador_contatos SET attempts = COALESCE(attempts, 0) + 1, last_attempt = %s, status = 'calling', "
    "updated_at = %s, reserved_by = %s, reserved_until = %s, attempt_id = %s WHERE id = %s"
)
_OPEN: Final = (
    "INSERT INTO discador_chamadas (unique_id, source_extension, destination_extension, status, start_time, duration, "
    "app, campaign_id, lead_id, started_at) VALUES (%s, %s, %s, %s, %s, 0, %s, %s, %s, %s)"
)


@dataclass(frozen=True, slots=True)
class Typed:
    """What an agent wants to dial. `number` is E.164 without plus."""

    call_id: str
    number: str
    extension: str


class ByHand:
    """Numbers that agents typed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._holidays: Holidays = HolidayDates()

    async def reserve(
        self, campaign: Campaign, typed: Typed, now: datetime, app: str, lease_seconds: float
    ) -> Lead | None:
        """Commit the attempt; answers the campaign's lead with this number as it stands after it, or None.

        Raises: Refused with the gate that is shut, or for a lead that is being called.
        """
        stamp = self._database.clock.text(now)

        async def take(statements: Statements) -> Lead | None:
            rows = await statements.rows(_LEAD, campaign.id, typed.number, campaign.id)
            lead = checked(lead_from(rows[0], self._database.clock) if rows else None)
            pass_gates(await self._case(statements, campaign, lead, typed.number, now), now)
            if lead is not None:
                until = utc_text(now + timedelta(seconds=lease_seconds))
                statements.later(_TAKE, stamp, stamp, app, until, typed.call_id, lead.id)
                if lead.status is LeadStatus.FAILED:
                    statements.later(sql.PROCESSED, -1, 0, stamp, campaign.id)
            statements.later(
                _OPEN,
                typed.call_id,
                typed.extension,
                typed.number,
                CallStatus.RINGING.value,
                stamp,
                app,
                campaign.id,
                lead.id if lead else None,
                utc_text(now),
            )
            return lead and replace(lead, attempts=lead.attempts + 1, status=LeadStatus.CALLING, last_attempt_at=now)

        return await self._database.run(take)

    async def _case(
        self, statements: Statements, campaign: Campaign, lead: Lead | None, number: str, now: datetime
    ) -> Case:
        clock = self._database.clock
        own = (await own_phones(statements, [lead.id])).get(lead.id) if lead else None
        phone = (own or OwnPhones()).of(Phone(number, zone=zone_of(number)))
        known = await known_phones(statements, clock, [phone], campaign.id, now)
        calls = await calls_of_leads(statements, clock, [lead.id], now) if lead else {}
        called_at = calls.get(lead.id, ()) if lead else ()
        return Case(
            campaign,
            lead or NOBODY,
            known.get(number, phone),
            self._holidays,
            called_at,
            registries=await registries_of(statements, campaign.id),
            has_agent=True,
        )


def pass_gates(case: Case, now: datetime) -> None:
    """Raises: Refused with the first gate that is shut for this number, or for its lead."""
    of_lead = frozenset({Gate.ATTEMPTS, Gate.LEAD_CAP}) if case.lead.id else frozenset()
    shut = gates.shut(case, now, gates.OF_PHONE | of_lead)
    if shut:
        raise Refused(f"the number may not be called now: number={masked(case.phone.number)}; {shut[0].why}")


def checked(lead: Lead | None) -> Lead | None:
    """The lead to be reserved with its number; None for a call of its own. Raises: Refused."""
    if lead is None or lead.status is LeadStatus.COMPLETED:
        return None
    if lead.status is LeadStatus.CALLING:
        raise Refused(f"the lead is being called already: lead_id={lead.id}")
    return lead
