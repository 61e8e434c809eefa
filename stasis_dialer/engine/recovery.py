"""After a start or a gap: what we believe against what Asterisk has.

Guarantees that a pair that talks goes on talking and gets its CDR, that a call which ended unseen is closed by our own
clocks, that a lead of a dialer that was killed is closed or released once, and that nothing of ours is left behind in
Asterisk that nobody knows. The decisions (`find_calls` and those below) are pure.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Protocol
from urllib.parse import quote

import structlog

from stasis_dialer.ari import AriError, Transport
from stasis_dialer.core import messages as m
from stasis_dialer.core.agent import Agent, found_again
from stasis_dialer.core.call import AGENT_WANTED, JOIN_SECONDS, RING_SLACK_SECONDS, Call, CallState, TrunkTry
from stasis_dialer.core.call.broadcast import (
    CONFIRMATION,
    CONFIRMATION_SECONDS,
    LONGEST_MESSAGE_SECONDS,
    MESSAGE_PLAYED,
    WANTS_AGENT,
)
from stasis_dialer.core.call.screening import DIALPLAN_SECONDS
from stasis_dialer.core.model import AgentSession, AgentState, CallRecord, Campaign, DialMode, Direction, Lead
from stasis_dialer.core.options import AmdMode, ByHand
from stasis_dialer.core.transfer import Transfer
from stasis_dialer.engine.calls import Calls
from stasis_dialer.engine.campaigns import CampaignBook
from stasis_dialer.engine.clock import Clock
from stasis_dialer.engine.desk import Desk
from stasis_dialer.engine.dispatch import Dispatcher
from stasis_dialer.engine.ids import BRIDGE, HOLD_BRIDGE, Ids
from stasis_dialer.engine.parties import Parties
from stasis_dialer.engine.recorder import Recorder
from stasis_dialer.engine.recovery_transfers import revive_transfer
from stasis_dialer.engine.supervision import Supervisions
from stasis_dialer.engine.translate import read_verdict
from stasis_dialer.engine.trunks import Trunks
from stasis_dialer.errors import AriUnavailable

log = structlog.get_logger(__name__)

LONGEST_RINGING_SECONDS: Final = 300.0
"""For a customer who rings at the restart: the call has a deadline of its own, which is shorter."""
UNKNOWN_SECONDS: Final = 60.0
"""After so long a reservation that nobody here knows is not on its way any more: statements end in half of it."""


PLAYED_IN: Final = {CallState.PLAYING: m.PlayMessage("", "").name, CallState.CONFIRMING: CONFIRMATION}
"""What plays in a state."""


class OpenCalls(Protocol):
    """Calls that have not ended as far as the database knows."""

    async def open_calls(self, app: str) -> Sequence[CallRecord]: ...


class OpenSessions(Protocol):
    """Agents' sessions without a logout."""

    async def open_sessions(self, app: str) -> Sequence[AgentSession]: ...


class LeadById(Protocol):
    """One lead."""

    async def get(self, lead_id: int) -> Lead | None: ...


@dataclass(frozen=True, slots=True)
class Left:
    """What an earlier process of this application left in the database."""

    records: Sequence[CallRecord]
    sessions: Sequence[AgentSession]
    leads: Mapping[int, Lead]


@dataclass(frozen=True, slots=True)
class Seen:
    """Asterisk's channels and bridges at one moment: channel id to its JSON, bridge id to its channels' ids."""

    channels: Mapping[str, Mapping[str, Any]]
    bridges: Mapping[str, frozenset[str]]

    def bridge_of(self, leg_id: str) -> str | None:
        """The bridge that a leg is in."""
        return next((bridge for bridge, legs in self.bridges.items() if leg_id in legs), None)


class Recovery:
    """Brings belief and reality together."""

    def __init__(
        self,
        transport: Transport,
        dispatcher: Dispatcher,
        clock: Clock,
        calls: Calls,
        desk: Desk,
        trunks: Trunks,
        book: CampaignBook,
        ids: Ids,
        app: str,
        endpoint: str,
        recorder: Recorder,
        parties: Parties,
        supervisions: Supervisions,
    ) -> None:
        self._transport = transport
        self._dispatcher = dispatcher
        self._clock = clock
        self._calls = calls
        self._desk = desk
        self._trunks = trunks
        self._book = book
        self._ids = ids
        self._app = app
        self._endpoint = endpoint
        self._recorder = recorder
        self._parties = parties
        self._supervisions = supervisions

    async def look(self) -> Seen:
        """Asterisk's channels and bridges now.

        Raises: AriError, AriUnavailable.
        """
        channels, bridges = await asyncio.gather(
            self._transport.request("GET", "/channels"), self._transport.request("GET", "/bridges")
        )
        return Seen(
            {channel["id"]: channel for channel in channels.json()},
            {bridge["id"]: frozenset(bridge["channels"]) for bridge in bridges.json()},
        )

    async def after_start(self, calls: OpenCalls, sessions: OpenSessions, leads: LeadById) -> None:
        """Take over what an earlier process of this application left: talking pairs, agents, calls, leads.

        Everything is read before anything is taken over, so that a failure leaves nothing half done.
        Raises: AriError, AriUnavailable, DatabaseUnavailable.
        """
        records = await calls.open_calls(self._app)
        found = [await leads.get(record.lead_id) for record in records if record.lead_id is not None]
        left = Left(records, await sessions.open_sessions(self._app), {lead.id: lead for lead in found if lead})
        seen = await self.look()
        lost = self._adopt(left, seen)
        swept = await self._sweep(seen)
        adopted = len(records) - lost
        log.info("recovered", sessions=len(left.sessions), calls=adopted, lost=lost, swept=swept)

    async def close_unknown(self, calls: OpenCalls, leads: LeadById, is_known: Callable[[str], bool]) -> None:
        """Close reservations that the database committed and whose answer never reached us: they would stay for ever.

        Raises: AriError, AriUnavailable, DatabaseUnavailable.
        """
        long_ago = self._clock.utc_now() - timedelta(seconds=UNKNOWN_SECONDS)
        records = [
            record
            for record in await calls.open_calls(self._app)
            if not is_known(record.call_id) and record.started_at is not None and record.started_at < long_ago
        ]
        if not records:
            return
        found = [await leads.get(record.lead_id) for record in records if record.lead_id is not None]
        seen = await self.look()
        self._adopt(Left(records, (), {lead.id: lead for lead in found if lead}), seen)
        log.warning("unknown-calls-closed", calls=len(records))

    def _adopt(self, left: Left, seen: Seen) -> int:
        """Make everything live again; answers how many calls ended unseen."""
        now, at = self._clock.now(), self._clock.at
        legs = {record.call_id: self._leg_of(record.call_id, seen) for record in left.records}
        pairs = talking_pairs(legs, left.sessions, seen)
        rings = ringing_pairs(legs, left.sessions, seen)
        paired = {session.session_id: call_id for call_id, session in (rings | pairs).items()}
        paired = self._transferring(left, legs, seen) | paired
        for session in left.sessions:
            call_id = paired.get(session.session_id)
            if call_id is None and has_company(session, seen):
                session = replace(session, bridge_id=self._ids.new(BRIDGE))
            step = revive_agent(session, self._endpoint, call_id, seen, at, now, is_ringing=call_id in rings)
            self._desk.adopt(*step, logged_in_at=session.logged_in_at)
        lost = 0
        for record in left.records:
            lead = left.leads.get(record.lead_id or 0)
            agent = pairs.get(record.call_id)
            leg_id = legs[record.call_id]
            call = revive_call(record, leg_id, self._book.of(record.campaign_id), lead, agent, seen, at, now)
            call = replace(call, trunk=self._trunks.find(record.trunk))
            if record.call_id in rings:
                call = ringing_by_hand(call, rings[record.call_id])
            if call.trunk is not None:
                self._trunks.occupy(call.trunk.name)
            owner = next((s for s in left.sessions if paired.get(s.session_id) == record.call_id), None)
            revived = revive_transfer(call, owner, seen.channels, seen.bridges, self._ids, now)
            if revived is not None:
                call = revived[0]
            actor = self._calls.adopt(call)
            if revived is not None:
                self._parties.adopt(*revived[1:])
            if leg_id in seen.channels:
                self._resume(actor.machine, seen)
            else:
                lost += 1
                self._dispatcher.post(actor, m.LegGone(is_seen=False))
        return lost

    def _transferring(self, left: Left, legs: Mapping[str, str], seen: Seen) -> dict[str, str]:
        """Agents whose customer is on hold: by session the call, which is still theirs.

        Who left a transfer that rings may have the next customer: the call's row names them still, their own does not.
        """
        held = {}
        for record in left.records:
            bridge = seen.bridge_of(legs[record.call_id])
            session = next((s for s in left.sessions if s.call_id == record.call_id), None)
            if bridge is not None and self._ids.kind(bridge) == HOLD_BRIDGE and session is not None:
                held[session.session_id] = record.call_id
        return held

    def _leg_of(self, call_id: str, seen: Seen) -> str:
        """The customer's channel: that of the attempt's second try when there is one."""
        again = self._ids.again(call_id)
        return again if again in seen.channels else call_id

    async def after_gap(self) -> None:
        """Tell every live object what it may have missed."""
        before = self._clock.now()
        seen = await self.look()
        for call in self._calls.all():
            self._catch_up(call, seen, before)
        for agent in self._desk.agents():
            self._catch_up_agent(agent, seen)
        self._recorder.after_gap(seen.channels)
        for transfer in self._parties.transfers():
            self._catch_up_transfer(transfer, seen)
        self._supervisions.after_gap(seen.channels)
        swept = await self._sweep(seen)
        log.info("caught-up", calls=len(self._calls.all()), swept=swept)

    def _catch_up(self, call: Call, seen: Seen, before: float) -> None:
        channel = seen.channels.get(call.leg_id)
        if channel is None:
            if call.is_inbound or (call.dialled_at is not None and call.dialled_at < before):
                self._post(call.call_id, m.LegGone(is_seen=False))
            return
        if call.state is CallState.ORIGINATING and call.dialled_at is None:
            self._post(call.call_id, m.LegCreated())
        self._catch_up_detection(call, channel)
        event = {"Ringing": m.Ringing(), "Up": m.Answered()}.get(str(channel.get("state")))
        if event is not None and call.state in (CallState.ORIGINATING, CallState.RINGING):
            self._post(call.call_id, event)
        bridge = seen.bridge_of(call.leg_id)
        if bridge is not None and bridge == call.bridge_id:
            self._post(call.call_id, m.Joined(bridge))
        if call.state in (CallState.SAFE_HARBOUR, CallState.LEAVING_MESSAGE):
            self._post(call.call_id, m.MessageEnded())
        self._look_for_message(call)
        self._play_on(call, seen)

    def _look_for_message(self, call: Call) -> None:
        """A message that ended unheard."""
        name = PLAYED_IN.get(call.state, call.playing)
        if name is not None:
            self._carry_out(call, m.ProbeMessage(call.leg_id, name))

    def _play_on(self, call: Call, seen: Seen) -> None:
        """Music for who waits for an agent: its request may be lost, and with an announcement's end it began no more.

        What was posted meanwhile may have brought an agent, who is not to be heard beside music.
        """
        now = self._calls.find(call.call_id) or call
        is_waiting = now.state in AGENT_WANTED and now.bridge_id is None and now.playing is None
        if is_waiting and now.has_music and seen.bridge_of(call.leg_id) is None:
            self._carry_out(call, m.StartMusic(call.leg_id))

    def _carry_out(self, call: Call, command: m.Command) -> None:
        actor = self._dispatcher.find(call.call_id)
        if actor is not None:
            self._dispatcher.apply(actor, actor.machine, (command,))

    def _catch_up_detection(self, call: Call, channel: Mapping[str, Any]) -> None:
        """A leg that came back from the dialplan unheard tells by its variables what was found there."""
        event = came_back(call, channel, self._app)
        if event is not None:
            self._post(call.call_id, event)

    def _catch_up_agent(self, agent: Agent, seen: Seen) -> None:
        """A leg that is not there yet has its own deadline; one that was up tells all by being there."""
        channel = seen.channels.get(agent.leg_id or "")
        if agent.leg_id is None:
            return
        if channel is None:
            if agent.is_leg_up:
                self._post(agent.session_id, m.LegGone(is_seen=False))
            return
        self._post(agent.session_id, m.LegCreated())
        if channel.get("state") == "Up" and not agent.is_leg_up:
            self._post(agent.session_id, m.Answered())
        if agent.bridge_id is not None and agent.leg_id in seen.bridges.get(agent.bridge_id, ()):
            self._post(agent.session_id, m.Joined(agent.bridge_id))

    def _catch_up_transfer(self, transfer: Transfer, seen: Seen) -> None:
        """The target's leg, as an agent's; moves have deadlines of their own.

        But a customer who is with the music must not be moved there again: they would hear nothing.
        """
        if seen.bridge_of(transfer.customer) == transfer.hold_bridge:
            self._post(transfer.transfer_id, m.Moved(transfer.customer, transfer.hold_bridge))
        if transfer.leg_id is None:
            return
        channel = seen.channels.get(transfer.leg_id)
        if channel is None:
            if transfer.is_leg_dialled:
                self._post(transfer.transfer_id, m.LegGone(is_seen=False))
            return
        self._post(transfer.transfer_id, m.LegCreated())
        if channel.get("state") == "Up":
            self._post(transfer.transfer_id, m.Answered())

    def _resume(self, call: Call, seen: Seen) -> None:
        """Set a revived call going again."""
        if call.state is CallState.QUEUED:
            self._play_on(call, seen)
            self._desk.seek(call)
        elif call.state is CallState.BRIDGED and call.agent is not None:
            if call.transfer_id is not None:
                self._recorder.found_again(call, seen.channels)
            elif call.agent_leg_id not in seen.bridges.get(seen.bridge_of(call.leg_id) or "", ()):
                self._post(call.call_id, m.AgentLost(call.agent))
            else:
                self._recorder.found_again(call, seen.channels)
        elif call.state in PLAYED_IN:
            self._look_for_message(call)
        elif call.state in (CallState.DETECTING, CallState.AWAITING_BEEP):
            self._catch_up_detection(call, seen.channels[call.leg_id])
        elif call.state is CallState.ORIGINATING:
            self._post(call.call_id, m.StopRequested())

    def _post(self, id_: str, event: m.Event) -> None:
        actor = self._dispatcher.find(id_)
        if actor is not None:
            self._dispatcher.post(actor, event)

    async def _sweep(self, seen: Seen) -> int:
        """Hang up our channels and destroy our bridges that nobody here knows."""
        known = self._dispatcher.known_legs()
        bridges = {agent.bridge_id for agent in self._desk.agents()}
        bridges |= {call.bridge_id for call in self._calls.all() if call.state is not CallState.CLOSING}
        bridges |= self._parties.bridges() | self._supervisions.bridges()
        strays = [f"/channels/{quote(id_, safe='')}" for id_ in self._stray_channels(seen) if id_ not in known]
        strays += [
            f"/bridges/{quote(id_, safe='')}" for id_ in seen.bridges if self._ids.is_ours(id_) and id_ not in bridges
        ]
        for path in strays:
            log.warning("stray-removed", path=path)
            try:
                await self._transport.request("DELETE", path)
            except (AriError, AriUnavailable) as error:
                log.debug("stray-gone", path=path, why=str(error))
        return len(strays)

    def _stray_channels(self, seen: Seen) -> list[str]:
        """Channels with an id of ours, or that sit in our application."""
        return [
            id_ for id_, channel in seen.channels.items() if self._ids.is_ours(id_) or is_in_app(channel, self._app)
        ]


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
