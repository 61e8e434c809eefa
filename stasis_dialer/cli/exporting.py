"""Leads and calls as tables for other people's programs: which columns, in whose time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from stasis_dialer.core.model import CallRecord
from stasis_dialer.db.calls import CallFilter
from stasis_dialer.db.exports import ExportedLead
from stasis_dialer.db.leads import LeadFilter
from stasis_dialer.db.store import Store
from stasis_dialer.files import TableWriter

SHOWN_EVERY: Final = 1000

LEAD_COLUMNS: Final = (
    "id",
    "campaign",
    "name",
    "phone_number",
    "alternate_phone",
    "other_phones",
    "status",
    "result",
    "attempts",
    "max_attempts",
    "last_attempt",
    "next_attempt",
    "created_at",
)
"""Then one for each attribute. An import reads the file again as the same leads."""

CALL_COLUMNS: Final = (
    "call_id",
    "campaign",
    "lead_id",
    "number",
    "direction",
    "caller_id",
    "trunk",
    "agent",
    "started_at",
    "answered_at",
    "bridged_at",
    "ended_at",
    "duration_seconds",
    "disposition",
    "agent_disposition",
    "is_success",
    "callback_at",
    "amd_result",
    "fault",
    "hangup_cause",
    "tech_cause",
    "hung_up_by",
)


async def export_leads(
    store: Store, which: LeadFilter, writer: TableWriter, show: Callable[[int], None] = lambda rows: None
) -> int:
    """Write leads, with a column for each of their attributes; their count. Times are in the campaign's zone."""
    labels = await store.exports.attribute_labels(which)
    places = await _places(store)
    writer.write([*LEAD_COLUMNS, *labels])
    count = 0
    async for exported in store.exports.leads(which):
        writer.write(_lead_row(exported, labels, places))
        count += 1
        if count % SHOWN_EVERY == 0:
            show(count)
    return count


async def export_calls(
    store: Store, which: CallFilter, writer: TableWriter, show: Callable[[int], None] = lambda rows: None
) -> int:
    """Write calls, the oldest first; their count. Times are in the campaign's zone."""
    places = await _places(store)
    writer.write(CALL_COLUMNS)
    count = 0
    async for call in store.exports.calls(which):
        writer.write(_call_row(call, places))
        count += 1
        if count % SHOWN_EVERY == 0:
            show(count)
    return count


Places = dict[int | None, tuple[str, ZoneInfo]]
"""A campaign's name and time zone, by its id."""


async def _places(store: Store) -> Places:
    campaigns = [stored.campaign for stored in await store.campaigns.find()]
    return {campaign.id: (campaign.name, ZoneInfo(campaign.timezone)) for campaign in campaigns}


def _lead_row(exported: ExportedLead, labels: list[str], places: Places) -> list[Any]:
    lead = exported.lead
    name, zone = places.get(lead.campaign_id, (str(lead.campaign_id), None))
    attributes = dict(lead.attributes)
    return [
        lead.id,
        name,
        lead.name,
        lead.phone_number,
        lead.alternate_phone,
        exported.other_phones,
        str(lead.status),
        lead.result,
        lead.attempts,
        lead.max_attempts,
        _local(lead.last_attempt_at, zone),
        _local(lead.next_attempt_at, zone),
        _local(exported.created_at, zone),
        *(attributes.get(label) for label in labels),
    ]


def _call_row(call: CallRecord, places: Places) -> list[Any]:
    name, zone = places.get(call.campaign_id, ("" if call.campaign_id is None else str(call.campaign_id), None))
    return [
        call.call_id,
        name,
        call.lead_id,
        call.number,
        str(call.direction),
        call.caller_id,
        call.trunk,
        call.agent,
        _local(call.started_at, zone),
        _local(call.answered_at, zone),
        _local(call.bridged_at, zone),
        _local(call.ended_at, zone),
        call.duration_seconds,
        _word(call.disposition),
        call.agent_disposition,
        None if call.is_success is None else int(call.is_success),
        _local(call.callback_at, zone),
        _word(call.amd_result),
        _word(call.fault),
        call.hangup_cause,
        call.tech_cause,
        call.hung_up_by,
    ]


def _local(moment: datetime | None, zone: ZoneInfo | None) -> datetime | None:
    return moment if moment is None or zone is None else moment.astimezone(zone)


def _word(value: object) -> str | None:
    return None if value is None else str(value)
