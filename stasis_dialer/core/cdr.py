"""A call's time marks to the record that the database keeps.

`record` may be taken at any moment of a call; the last one, after `ended`, is its CDR.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from stasis_dialer.core.call import Call, CallState
from stasis_dialer.core.model import CallRecord, CallStatus, Disposition, RefusedTry


def record(call: Call, app: str, to_utc: Callable[[float], datetime]) -> CallRecord:
    """The call as the database keeps it. `to_utc` turns the engine's seconds into aware UTC."""

    def at(mark: float | None) -> datetime | None:
        return None if mark is None else to_utc(mark)

    return CallRecord(
        call_id=call.call_id,
        app=app,
        campaign_id=call.campaign.id,
        lead_id=call.lead.id if call.lead else None,
        number=call.number,
        trunk=call.trunk.name if call.trunk else None,
        status=legacy_status(call),
        agent=call.agent,
        agent_leg_id=call.agent_leg_id,
        bridge_id=call.bridge_id,
        started_at=to_utc(call.reserved_at),
        dialled_at=at(call.dialled_at),
        ringing_at=at(call.ringing_at),
        answered_at=at(call.answered_at),
        detected_at=at(call.detected_at),
        bridged_at=at(call.bridged_at),
        ended_at=at(call.ended_at),
        duration_seconds=duration_seconds(call),
        disposition=call.disposition,
        agent_disposition=call.agent_disposition,
        callback_at=call.callback_at,
        is_success=is_success(call),
        fault=call.fault,
        amd_result=call.amd_result,
        amd_cause=call.amd_cause,
        wish=call.wish,
        hangup_cause=call.cause,
        tech_cause=call.tech_cause,
        hung_up_by=call.hung_up_by,
        is_end_estimated=not call.is_end_seen,
        timeline=tuple((to_utc(when), what) for when, what in call.timeline),
        caller_id=call.caller_id,
        direction=call.direction,
        recordings=call.recordings,
        recordings_until=_kept_until(call, to_utc),
        tries=tuple(RefusedTry(t.trunk, t.leg_id, to_utc(t.at), t.cause, t.tech_cause) for t in call.tries),
    )


def is_success(call: Call) -> bool | None:
    """Whether an ended call counts as the legacy's successful; None while it is on.

    A campaign with dispositions of its own counts what its agents say; any other counts who spoke with an agent.
    """
    if call.disposition is None:
        return None
    dispositions = call.campaign.dispositions
    if not dispositions.choices:
        return call.disposition is Disposition.ANSWERED
    choice = dispositions.find(call.agent_disposition)
    return choice is not None and choice.success


def _kept_until(call: Call, to_utc: Callable[[float], datetime]) -> datetime | None:
    """When the call's files are to be deleted; None: never, or there are none."""
    days = call.campaign.recording.retention_days
    if not call.recordings or days is None:
        return None
    return to_utc(call.answered_at if call.answered_at is not None else call.reserved_at) + timedelta(days=days)


def legacy_status(call: Call) -> CallStatus:
    """The legacy panel's word: connected from the answer on, as the old dialer wrote it."""
    if call.state is CallState.ENDED:
        return CallStatus.FINISHED
    return CallStatus.CONNECTED if call.answered_at is not None else CallStatus.RINGING


def duration_seconds(call: Call) -> int:
    """Whole seconds from the answer to the end; 0 without either."""
    if call.answered_at is None or call.ended_at is None:
        return 0
    return max(0, round(call.ended_at - call.answered_at))
