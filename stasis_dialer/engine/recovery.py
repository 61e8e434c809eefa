"""After a start or a gap: what we believe against what Asterisk has.

Guarantees that a pair that talks goes on talking and gets its CDR, that a call which ended unseen is closed by our own
clocks, that a lead of a dialer that was killed is closed or released once, and that nothing of ours is left behind in
Asterisk that nobody knows. The decisions are in `revive`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, Protocol
from urllib.parse import quote

import structlog

from stasis_dialer.ari import AriError, Transport
from stasis_dialer.core import messages as m
from stasis_dialer.core.agent import Agent
from stasis_dialer.core.call import AGENT_WANTED, Call, CallState
from stasis_dialer.core.call.playing import PLAYED_IN, look
from stasis_dialer.core.model import AgentSession, CallRecord, Lead
from stasis_dialer.core.transfer import Transfer
from stasis_dialer.engine.calls import Calls
from stasis_dialer.engine.campaigns import CampaignBook
from stasis_dialer.engine.clock import Clock
from stasis_dialer.engine.desk import Desk
from stasis_dialer.engine.dispatch import Dispatcher
from stasis_dialer.engine.ids import BRIDGE, HOLD_BRIDGE, Ids
from stasis_dialer.engine.parties import Parties
from stasis_dialer.engine.recorder import Recorder
from stasis_dialer.engine.revive import (
    Seen,
    came_back,
    has_company,
    is_in_app,
    revive_agent,
    revive_call,
    ringing_by_hand,
    ringing_pairs,
    talking_pairs,
)
from stasis_dialer.engine.revive_transfers import revive_transfer
from stasis_dialer.engine.supervision import Supervisions
from stasis_dialer.engine.trunks import Trunks
from stasis_dialer.errors import AriUnavailable

log = structlog.get_logger(__name__)

UNKNOWN_SECONDS: Final = 60.0
"""After so long a reservation that nobody here knows is not on its way any more: statements end in half of it."""


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
        self._carry_out(call, *look(call))
        self._play_on(call, seen)

    def _play_on(self, call: Call, seen: Seen) -> None:
        """Music for who waits for an agent: its request may be lost, and with an announcement's end it began no more.

        What was posted meanwhile may have brought an agent, who is not to be heard beside music.
        """
        now = self._calls.find(call.call_id) or call
        is_waiting = now.state in AGENT_WANTED and now.bridge_id is None and now.playing is None
        if is_waiting and now.has_music and seen.bridge_of(call.leg_id) is None:
            self._carry_out(call, m.StartMusic(call.leg_id))

    def _carry_out(self, call: Call, *commands: m.Command) -> None:
        actor = self._dispatcher.find(call.call_id)
        if actor is not None and commands:
            self._dispatcher.apply(actor, actor.machine, commands)

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
            self._carry_out(call, *look(call))
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
