"""What a webhook says and how it is signed: version 1 of the payload, one JSON object for each event of a call.

Fields are added within a version, never renamed or removed. A number is masked unless the hook's setting shows it. The
signature covers the time of sending and the body, so that neither a changed nor an old message passes for a new one.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from stasis_dialer.core.model import CallRecord, Lead
from stasis_dialer.core.numbers import masked

VERSION: Final = 1
SIGNATURE_HEADER: Final = "X-Stasis-Dialer-Signature"
TIMESTAMP_HEADER: Final = "X-Stasis-Dialer-Timestamp"
EVENT_HEADER: Final = "X-Stasis-Dialer-Event"
DELIVERY_HEADER: Final = "X-Stasis-Dialer-Delivery"


class HookEvent(StrEnum):
    """What a receiver can be told of."""

    ANSWER = "answer"
    """The customer, or a machine, picked up."""
    CONNECT = "connect"
    """Customer and agent are in one bridge."""
    END = "end"
    """The call is over; the record is final."""
    DISPOSITION = "disposition"
    """The agent said how the call came out."""


def payload(
    event: HookEvent,
    delivery_id: str,
    at: datetime,
    record: CallRecord,
    *,
    campaign: str,
    lead: Lead | None,
    agents_disposition: Mapping[str, Any] | None = None,
    shows_numbers: bool = False,
) -> bytes:
    """The body of one message. `agents_disposition` is only there when the agent has said how the call came out."""
    shown = record.number if shows_numbers else masked(record.number)
    call = {
        "call_id": record.call_id,
        "direction": str(record.direction),
        "campaign_id": record.campaign_id,
        "campaign": campaign,
        "lead_id": record.lead_id,
        "lead_name": lead.name if lead else None,
        "lead_attributes": dict(lead.attributes) if lead else {},
        "number": shown,
        "caller_id": record.caller_id,
        "trunk": record.trunk,
        "agent": record.agent,
        "started_at": _text(record.started_at),
        "dialled_at": _text(record.dialled_at),
        "ringing_at": _text(record.ringing_at),
        "answered_at": _text(record.answered_at),
        "amd_result": record.amd_result and str(record.amd_result),
        "bridged_at": _text(record.bridged_at),
        "ended_at": _text(record.ended_at),
        "duration_seconds": record.duration_seconds,
        "disposition": record.disposition and str(record.disposition),
        "fault": record.fault and str(record.fault),
        "hangup_cause": record.hangup_cause,
        "sip_code": record.tech_cause,
        "hung_up_by": record.hung_up_by,
    }
    message: dict[str, Any] = {
        "version": VERSION,
        "id": delivery_id,
        "event": str(event),
        "at": _text(at),
        "call": call,
    }
    if agents_disposition is not None:
        message["agents_disposition"] = dict(agents_disposition)
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """What stands in the signature's header: `v1=` and HMAC-SHA256 over `timestamp`, a full stop, and the body, in hex.

    Units: `timestamp` is whole seconds since 1970, as in the timestamp's header.
    """
    signed = str(timestamp).encode() + b"." + body
    return f"v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"


def is_final_refusal(status: int) -> bool:
    """Whether a receiver's answer says that no repetition will help. A redirect is never followed: the body is signed
    for the configured receiver alone.
    """
    return 300 <= status < 500 and status not in (408, 425, 429)


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="milliseconds")
