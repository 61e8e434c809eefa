"""Calls and agents as their rows and what Asterisk has tell, after a start: who is with whom, and in which state.

Pure: decides nothing that is not in the rows, and asks nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from stasis_dialer.core import messages as m
from stasis_dialer.core.agent import Agent, found_again
from stasis_dialer.core.call import JOIN_SECONDS, RING_SLACK_SECONDS, Call, CallState, TrunkTry
from stasis_dialer.core.call.broadcast import (
    CONFIRMATION_SECONDS,
    LONGEST_MESSAGE_SECONDS,
    MESSAGE_PLAYED,
    WANTS_AGENT,
)
from stasis_dialer.core.call.screening import DIALPLAN_SECONDS
from stasis_dialer.core.model import AgentSession, AgentState, CallRecord, Campaign, DialMode, Direction, Lead
from stasis_dialer.core.options import AmdMode, ByHand
from stasis_dialer.engine.translate import read_verdict

LONGEST_RINGING_SECONDS: Final = 300.0
"""For a customer who rings at the restart: the call has a deadline of its own, which is shorter."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Asterisk's channels and bridges at one moment: channel id to its JSON, bridge id to its channels' ids."""

    channels: Mapping[str, Mapping[str, Any]]
    bridges: Mapping[str, frozenset[str]]

    def bridge_of(self, leg_id: str) -> str | None:
        """The bridge that a leg is in."""
        return next((bridge for bridge, legs in self.bridges.items() if leg_id in legs), None)


def is_in_app(channel: Mapping[str, Any], app: str) -> bool:
    """Whether a channel waits in this Stasis application."""
    dialplan = channel.get("dialplan") or {}
    return dialplan.get("app_name") == "Stasis" and str(dialplan.get("app_data", "")).split(",")[0] == app


def came_back(call: Call, channel: Mapping[str, Any], app: str) -> m.Event | None:
    """What a leg that is in our application again would have said when it came back from the dialplan."""
    if not is_in_app(channel, app):
        return None
    variables = channel.get("channelvars") or {}
    if call.state is CallState.DETECTING:
        status = variables.get("AMDSTATUS")
        return read_verdict(str(status), str(variables.get("AMDCAUSE") or "")) if status else None
    if call.state is CallState.AWAITING_BEEP and variables.get("WAITSTATUS"):
        return m.SilenceHeard(variables["WAITSTATUS"] == "SILENCE")
    return None


def talking_pairs(legs: Mapping[str, str], sessions: Sequence[AgentSession], seen: Seen) -> dict[str, AgentSession]:
    """Which call's customer is in one bridge with which agent's leg: Asterisk knows, the last row may be too old.

    A leg that rings there is heard by the agent, and no customer yet. Of two agents it is the one whose bridge it is:
    the other one is there for a transfer, and goes home. `legs` holds each call's channel.
    """
    by_leg = {session.leg_id: session for session in sessions if session.leg_id}
    owners = {session.bridge_id: session for session in sessions if session.leg_id}
    pairs = {}
    for call_id, leg_id in legs.items():
        bridge = seen.bridge_of(leg_id)
        if bridge is not None and seen.channels.get(leg_id, {}).get("state") == "Up":
            there = [by_leg[leg] for leg in seen.bridges[bridge] if leg in by_leg]
            if there:
                pairs[call_id] = owners[bridge] if owners.get(bridge) in there else there[0]
    return pairs


def has_company(session: AgentSession, seen: Seen) -> bool:
    """Whether anybody else is in the agent's own bridge, such as the agent who consulted this one.

    They are on their way out, and the next customer must not meet them: an agent without a customer gets a new bridge.
    """
    return bool(seen.bridges.get(session.bridge_id or "", frozenset()) - {session.leg_id})


def ringing_pairs(legs: Mapping[str, str], sessions: Sequence[AgentSession], seen: Seen) -> dict[str, AgentSession]:
    """Which call rings in which agent's bridge: it was made by hand, and the agent hears it."""
    pairs = {}
    for call_id, leg_id in legs.items():
        bridge = seen.bridge_of(leg_id)
        if bridge is not None and seen.channels.get(leg_id, {}).get("state") != "Up":
            for session in sessions:
                if session.bridge_id == bridge and session.leg_id in seen.bridges[bridge]:
                    pairs[call_id] = session
    return pairs


def ringing_by_hand(call: Call, agent: AgentSession) -> Call:
    """The call goes on for the agent who made it."""
    return replace(
        call,
        by_hand=ByHand.MANUAL,
        is_heard=True,
        agent=agent.extension,
        agent_leg_id=agent.leg_id,
        bridge_id=agent.bridge_id,
    )


def revive_call(
    record: CallRecord,
    leg_id: str,
    campaign: Campaign,
    lead: Lead | None,
    agent: AgentSession | None,
    seen: Seen,
    at: Callable[[datetime], float],
    now: float,
) -> Call:
    """The call as its row and its channel `leg_id` tell; `agent` is the one in the bridge with the customer.

    A call whose channel is gone keeps the state of its row, so that its end is classified by what it had reached.
    """

    def mark(moment: datetime | None) -> float | None:
        return None if moment is None else at(moment)

    channel = seen.channels.get(leg_id)
    state = str(channel.get("state")) if channel is not None else ""
    reserved_at = at(record.started_at) if record.started_at else now
    answered_at = mark(record.answered_at)
    if answered_at is None and state == "Up":
        answered_at = now
    call = Call(
        call_id=record.call_id,
        campaign=campaign,
        lead=lead,
        number=record.number,
        trunk=None,
        state=CallState.ORIGINATING,
        reserved_at=reserved_at,
        deadline=now + JOIN_SECONDS,
        dialled_at=_dialled_at(record, reserved_at, at),
        direction=record.direction,
        caller_id=record.caller_id,
        ringing_at=mark(record.ringing_at),
        answered_at=answered_at,
        waits_since=waits_since(record, campaign, at),
        detected_at=mark(record.detected_at),
        amd_result=record.amd_result,
        amd_cause=record.amd_cause,
        wish=record.wish,
        agent_disposition=record.agent_disposition,
        callback_at=record.callback_at,
        timeline=(*((at(moment), what) for moment, what in record.timeline), (now, "recovered")),
        recordings=record.recordings,
        later_leg_id=None if leg_id == record.call_id else leg_id,
        tries=tuple(TrunkTry(t.trunk, t.leg_id, at(t.at), True, t.cause, t.tech_cause) for t in record.tries),
    )
    if agent is not None or record.bridged_at is not None:
        bridged_at = now if record.bridged_at is None else at(record.bridged_at)
        return replace(
            call,
            state=CallState.BRIDGED,
            bridged_at=bridged_at,
            deadline=max(now, bridged_at + campaign.max_call_seconds),
            agent=agent.extension if agent else record.agent,
            agent_leg_id=agent.leg_id if agent else record.agent_leg_id,
            bridge_id=seen.bridge_of(leg_id) or record.bridge_id,
        )
    if answered_at is not None:
        return _revive_answered(call, channel or {}, now)
    if state == "Ringing":
        begun_at = call.dialled_at if call.dialled_at is not None else reserved_at
        deadline = max(now, begun_at + campaign.ring_timeout_seconds + RING_SLACK_SECONDS)
        return replace(call, state=CallState.RINGING, deadline=deadline)
    return call


def waits_since(record: CallRecord, campaign: Campaign, at: Callable[[datetime], float]) -> float | None:
    """When the customer began to wait for an agent, as far as the row knows."""
    is_judged_first = campaign.amd.mode is AmdMode.DIALPLAN
    moment = record.detected_at if is_judged_first else record.answered_at
    return None if moment is None else at(moment)


def _revive_answered(call: Call, channel: Mapping[str, Any], now: float) -> Call:
    """Answered and with nobody: in detection, on the way to a message, or waiting for an agent.

    A leg that left for detection and has no verdict yet is in the dialplan, or came back while nobody listened.
    """
    amd = call.campaign.amd
    variables = channel.get("channelvars") or {}
    is_in_dialplan = bool(channel) and (channel.get("dialplan") or {}).get("app_name") != "Stasis"
    if call.is_for_nobody:
        deadline = now + amd.beep_timeout_seconds + DIALPLAN_SECONDS
        return replace(call, state=CallState.AWAITING_BEEP, deadline=deadline)
    is_undecided = amd.mode is AmdMode.DIALPLAN and call.amd_result is None
    if is_undecided and (is_in_dialplan or variables.get("AMDSTATUS")):
        deadline = now + amd.total_analysis_seconds + DIALPLAN_SECONDS
        return replace(call, state=CallState.DETECTING, deadline=deadline)
    if call.campaign.mode is DialMode.BROADCAST:
        return _revive_broadcast(call, now)
    since = call.waits_since if call.waits_since is not None else call.answered_at
    assert since is not None
    deadline = max(now, since + call.patience_seconds)
    return replace(call, state=CallState.QUEUED, waits_since=since, deadline=deadline)


def _revive_broadcast(call: Call, now: float) -> Call:
    """The message goes on, or its answer to a key does, or the wait for the agent that was asked for."""
    asked_at = next((at for at, what in call.timeline if what == WANTS_AGENT), None)
    began = replace(call, message_began_at=call.answered_at)
    if asked_at is not None:
        deadline = max(now, asked_at + call.patience_seconds)
        return replace(began, state=CallState.QUEUED, waits_since=asked_at, deadline=deadline)
    if call.wish is not None:
        return replace(began, state=CallState.CONFIRMING, deadline=now + CONFIRMATION_SECONDS)
    played_at = next((at for at, what in call.timeline if what == MESSAGE_PLAYED), None)
    deadline = now + LONGEST_MESSAGE_SECONDS
    return replace(began, state=CallState.PLAYING, message_played_at=played_at, deadline=deadline)


def _dialled_at(record: CallRecord, reserved_at: float, at: Callable[[datetime], float]) -> float | None:
    """A call whose row has not heard of it may have been dialled; a customer's own call was not."""
    if record.dialled_at is not None:
        return at(record.dialled_at)
    return None if record.direction is Direction.INBOUND else reserved_at


def revive_agent(
    session: AgentSession,
    endpoint: str,
    call_id: str | None,
    seen: Seen,
    at: Callable[[datetime], float],
    now: float,
    *,
    is_ringing: bool = False,
) -> tuple[Agent, tuple[m.Command, ...]]:
    """The session as its row and its leg tell, and what mends it; `call_id` is the customer in the agent's bridge, who
    has picked up or (`is_ringing`) is called for this agent.

    A leg that still rings is as good as none: whoever picks up would hear nobody, or a customer without a warning.
    """
    ahead = max(0.0, at(session.state_since or session.logged_in_at) - now)

    def on_axis(moment: datetime) -> float:
        """A clock that was moved back meanwhile makes no state begin in the future."""
        return at(moment) - ahead

    since = on_axis(session.state_since) if session.state_since else now
    agent = Agent(
        session_id=session.session_id,
        extension=session.extension,
        endpoint=endpoint.format(extension=session.extension),
        connect=session.connect,
        campaigns=frozenset(session.campaigns),
        chosen=frozenset(session.campaigns),
        state=session.state,
        since=since,
        logged_in_at=on_axis(session.logged_in_at),
        free_since=since,
        leg_id=session.leg_id,
        bridge_id=session.bridge_id,
        pause_reason=session.pause_reason if session.state is AgentState.PAUSED else None,
        wants_pause=None if session.state is AgentState.PAUSED else session.pause_reason,
        logged_out_at=on_axis(session.logged_out_at) if session.logged_out_at else None,
        seconds={AgentState(state): seconds for state, seconds in session.seconds.items()},
    )
    return found_again(
        agent,
        is_leg_there=seen.channels.get(session.leg_id or "", {}).get("state") == "Up",
        is_in_bridge=session.leg_id in seen.bridges.get(session.bridge_id or "", ()),
        call_id=call_id,
        now=now,
        rings_seconds=LONGEST_RINGING_SECONDS if is_ringing else None,
    )
