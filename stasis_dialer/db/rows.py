"""Rows of the legacy's tables as the core's values, and back.

Rows are read as one JSON array each, so that a lead or a call is decoded the same way wherever it is read. A state that
the dialer does not know (the old panel may write any word) is read as the one in which nothing is dialled.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, TypeVar

import msgspec

from stasis_dialer.core.model import (
    AmdResult,
    CallRecord,
    CallStatus,
    Direction,
    Disposition,
    Fault,
    Lead,
    LeadStatus,
    RefusedTry,
    Wish,
)
from stasis_dialer.db.clock import LegacyClock, utc_moment, utc_text

W = TypeVar("W", bound=StrEnum)

LEAD_JSON: Final = (
    "JSON_ARRAY(id, campaign_id, name, phone_number, alternate_phone, attempts, max_attempts, "
    "last_attempt, next_attempt, status, result, attributes, priority, zone, next_phone, expires_at, created_at)"
)

CALL_COLUMNS: Final = (
    "unique_id",
    "source_extension",
    "destination_extension",
    "start_time",
    "answer_time",
    "end_time",
    "duration",
    "app",
    "campaign_id",
    "lead_id",
    "trunk",
    "agent_leg_id",
    "bridge_id",
    "started_at",
    "dialled_at",
    "ringing_at",
    "answered_at",
    "detected_at",
    "bridged_at",
    "ended_at",
    "disposition",
    "fault",
    "amd_result",
    "amd_cause",
    "wish",
    "hangup_cause",
    "tech_cause",
    "hung_up_by",
    "timeline",
    "tries",
    "caller_id",
    "direction",
    "agent_disposition",
    "callback_at",
    "is_success",
    "recordings",
    "recordings_until",
    "is_end_estimated",
    "status",
)
"""`is_end_estimated` and `status` come last: an upsert's guard reads them as they were before it."""

CALL_JSON: Final = f"JSON_ARRAY({', '.join(CALL_COLUMNS)})"

_EXTENSION_LENGTH: Final = 20
_NAME_LENGTH: Final = 64
_WORD_LENGTH: Final = 20
_LARGEST_SMALL: Final = 32767
"""What the columns hold: a value that is too long is cut, and does not keep the other calls from being written."""

_encode_json = msgspec.json.Encoder().encode
_decode_json = msgspec.json.Decoder().decode
_decode_attributes = msgspec.json.Decoder(dict[str, str]).decode


def word(words: type[W], text: Any, otherwise: W) -> W:
    """A state's word as its enum; `otherwise` for one that the dialer does not know.

    `Pending` is `pending`: MariaDB compares the column so, and would find such a row again and again.
    """
    try:
        return words(text)
    except ValueError:
        pass
    try:
        return words(text.strip().lower()) if isinstance(text, str) else otherwise
    except ValueError:
        return otherwise


def optional_word(words: type[W], text: Any) -> W | None:
    """As `word`, for a column that may be empty."""
    try:
        return words(text) if text else None
    except ValueError:
        return None


def lead_from(row: Sequence[Any], clock: LegacyClock) -> Lead:
    """A row of `LEAD_JSON`."""
    return Lead(
        id=row[0],
        campaign_id=row[1],
        name=row[2] or "",
        phone_number=row[3] or "",
        alternate_phone=row[4] or None,
        attempts=row[5] or 0,
        max_attempts=row[6] or 0,
        last_attempt_at=clock.moment(row[7]),
        next_attempt_at=clock.moment(row[8]),
        status=word(LeadStatus, row[9], LeadStatus.FAILED),
        result=row[10],
        attributes=attributes_from(row[11]) if row[11] else (),
        priority=row[12],
        zone=row[13],
        next_phone=row[14],
        expires_at=utc_moment(row[15]),
        created_at=clock.moment(row[16]),
    )


def attributes_from(text: str) -> tuple[tuple[str, str], ...]:
    """A lead's stored attributes; empty when they cannot be read."""
    try:
        return tuple(_decode_attributes(text).items())
    except msgspec.DecodeError:
        return ()


def call_values(record: CallRecord, clock: LegacyClock) -> tuple[object, ...]:
    """A call in the order of `CALL_COLUMNS`."""
    return (
        record.call_id,
        (record.agent or "")[:_EXTENSION_LENGTH],
        record.number[:_EXTENSION_LENGTH],
        clock.text(record.started_at),
        clock.text(record.answered_at),
        clock.text(record.ended_at),
        record.duration_seconds,
        record.app,
        record.campaign_id,
        record.lead_id,
        record.trunk and record.trunk[:_NAME_LENGTH],
        record.agent_leg_id,
        record.bridge_id,
        utc_text(record.started_at),
        utc_text(record.dialled_at),
        utc_text(record.ringing_at),
        utc_text(record.answered_at),
        utc_text(record.detected_at),
        utc_text(record.bridged_at),
        utc_text(record.ended_at),
        record.disposition and record.disposition.value,
        record.fault and record.fault.value,
        record.amd_result and record.amd_result.value,
        record.amd_cause and record.amd_cause[:_NAME_LENGTH],
        record.wish and record.wish.value,
        _small(record.hangup_cause),
        _small(record.tech_cause),
        record.hung_up_by and record.hung_up_by[:_WORD_LENGTH],
        timeline_text(record.timeline),
        tries_text(record.tries),
        record.caller_id and record.caller_id[:_EXTENSION_LENGTH],
        record.direction.value,
        record.agent_disposition,
        utc_text(record.callback_at),
        None if record.is_success is None else int(record.is_success),
        files_text(record.recordings),
        utc_text(record.recordings_until),
        1 if record.is_end_estimated else 0,
        record.status.value,
    )


def call_from(row: Sequence[Any], clock: LegacyClock) -> CallRecord:
    """A row of `CALL_JSON`; a call that the legacy wrote has only the legacy's times."""
    it = dict(zip(CALL_COLUMNS, row, strict=True))
    return CallRecord(
        call_id=it["unique_id"],
        app=it["app"] or "",
        campaign_id=it["campaign_id"],
        lead_id=it["lead_id"],
        number=it["destination_extension"] or "",
        trunk=it["trunk"],
        status=word(CallStatus, it["status"], CallStatus.FINISHED),
        agent=it["source_extension"] or None,
        agent_leg_id=it["agent_leg_id"],
        bridge_id=it["bridge_id"],
        started_at=utc_moment(it["started_at"]) or clock.moment(it["start_time"]),
        dialled_at=utc_moment(it["dialled_at"]),
        ringing_at=utc_moment(it["ringing_at"]),
        answered_at=utc_moment(it["answered_at"]) or clock.moment(it["answer_time"]),
        detected_at=utc_moment(it["detected_at"]),
        bridged_at=utc_moment(it["bridged_at"]),
        ended_at=utc_moment(it["ended_at"]) or clock.moment(it["end_time"]),
        duration_seconds=it["duration"] or 0,
        disposition=optional_word(Disposition, it["disposition"]),
        fault=optional_word(Fault, it["fault"]),
        amd_result=optional_word(AmdResult, it["amd_result"]),
        amd_cause=it["amd_cause"],
        wish=optional_word(Wish, it["wish"]),
        hangup_cause=it["hangup_cause"],
        tech_cause=it["tech_cause"],
        hung_up_by=it["hung_up_by"],
        is_end_estimated=bool(it["is_end_estimated"]),
        timeline=timeline_from(it["timeline"]),
        tries=tries_from(it["tries"]),
        caller_id=it["caller_id"],
        direction=word(Direction, it["direction"], Direction.OUTBOUND),
        agent_disposition=it["agent_disposition"],
        callback_at=utc_moment(it["callback_at"]),
        is_success=None if it["is_success"] is None else bool(it["is_success"]),
        recordings=files_from(it["recordings"]),
        recordings_until=utc_moment(it["recordings_until"]),
    )


def counts_as_success(record: CallRecord) -> bool:
    """Whether an ended call is one of the campaign's successful ones."""
    return record.disposition is Disposition.ANSWERED if record.is_success is None else record.is_success


def _small(number: int | None) -> int | None:
    return None if number is None else max(-1, min(number, _LARGEST_SMALL))


def timeline_text(timeline: Sequence[tuple[datetime, str]]) -> str | None:
    """A timeline as JSON: an array of [time in UTC, what happened]."""
    if not timeline:
        return None
    return _encode_json([(utc_text(moment), text) for moment, text in timeline]).decode()


def timeline_from(text: str | None) -> tuple[tuple[datetime, str], ...]:
    """A stored timeline; empty when there is none, or none that can be read."""
    try:
        entries = _decode_json(text) if text else ()
        return tuple((moment, str(what)) for at, what in entries if (moment := utc_moment(at)))
    except (msgspec.DecodeError, TypeError, ValueError):
        return ()


def tries_text(tries: Sequence[RefusedTry]) -> str | None:
    """Refused tries as JSON: an array of [trunk, channel, time in UTC, Q.850 cause, SIP response]."""
    if not tries:
        return None
    return _encode_json([(t.trunk, t.leg_id, utc_text(t.at), t.cause, t.tech_cause) for t in tries]).decode()


def tries_from(text: str | None) -> tuple[RefusedTry, ...]:
    """Stored tries; empty when there are none, or none that can be read."""
    try:
        entries = _decode_json(text) if text else ()
        return tuple(
            RefusedTry(str(trunk), str(leg_id), moment, cause, tech_cause)
            for trunk, leg_id, at, cause, tech_cause in entries
            if (moment := utc_moment(at))
        )
    except (msgspec.DecodeError, TypeError, ValueError):
        return ()


def files_text(files: Sequence[str]) -> str | None:
    """Recordings as JSON: an array of paths."""
    return _encode_json(list(files)).decode() if files else None


def files_from(text: str | None) -> tuple[str, ...]:
    """Stored recordings; empty when there are none, or none that can be read."""
    try:
        return tuple(str(file) for file in _decode_json(text)) if text else ()
    except (msgspec.DecodeError, TypeError):
        return ()
