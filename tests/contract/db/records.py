"""Calls of the stories."""

from dataclasses import replace
from datetime import datetime

from stasis_dialer.core.model import (
    CallRecord,
    CallStatus,
    Disposition,
    Fault,
    LeadOutcome,
    LeadStatus,
    RefusedTry,
    Reservation,
)
from tests.contract.db.conftest import APP, at


def placed(one: Reservation) -> CallRecord:
    """A reservation's call, just begun."""
    return CallRecord(
        one.call_id, APP, one.lead.campaign_id, one.lead.id, one.number, "carrier1", started_at=one.reserved_at
    )


def answered(one: Reservation) -> CallRecord:
    """A call whose customer talks to an agent."""
    return replace(
        placed(one),
        status=CallStatus.CONNECTED,
        agent="1001",
        agent_leg_id="leg-1",
        bridge_id="bridge-1",
        dialled_at=at(0.25),
        ringing_at=at(1.5),
        answered_at=at(5),
        bridged_at=at(5.125),
        timeline=((at(0.25), "originating -[LegCreated]> ringing"), (at(5), "ringing -[Answered]> queued")),
        caller_id="+551130000001",
        recordings=("spring/2026-03-02/c1-customer.wav", "spring/2026-03-02/c1-agent.wav"),
        recordings_until=at(86_400),
        tries=(RefusedTry("carrier0", one.call_id, at(0.1), 34, 503), RefusedTry("carrier2", "leg-0", at(0.2))),
    )


def ended(one: Reservation, disposition: Disposition, is_end_estimated: bool = False) -> CallRecord:
    """A call that is over."""
    is_answered = disposition is Disposition.ANSWERED
    return replace(
        answered(one) if is_answered else placed(one),
        status=CallStatus.FINISHED,
        ended_at=at(35),
        duration_seconds=30 if is_answered else 0,
        disposition=disposition,
        fault=None if is_answered else Fault.CALLEE,
        hangup_cause=16 if is_answered else 17,
        tech_cause=None if is_answered else 486,
        hung_up_by="customer",
        is_end_estimated=is_end_estimated,
    )


def outcome(one: Reservation, status: LeadStatus, result: str, next_attempt_at: datetime | None = None) -> LeadOutcome:
    """What the call makes of its lead."""
    return LeadOutcome(one.lead.id, one.call_id, status, result, next_attempt_at)
