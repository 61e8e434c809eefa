"""Hold, transfer and conference of live calls: whom an agent's call may be shared with, and the third leg.

The state machine decides (`core.transfer`); here stand its agents, trunks and ids. Every way in (keys, command line,
HTTP) ends here. A wish that cannot be fulfilled is Refused and changes nothing.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

import structlog

from stasis_dialer.core import messages as m
from stasis_dialer.core import transfer as machine
from stasis_dialer.core.agent import Agent
from stasis_dialer.core.call import Call, CallState
from stasis_dialer.core.messages import Target, TargetKind
from stasis_dialer.core.model import AgentState, Campaign, Trunk
from stasis_dialer.core.numbers import dial_endpoint, masked
from stasis_dialer.core.options import AmdMode
from stasis_dialer.core.transfer import Transfer, TransferState
from stasis_dialer.engine.actor import Actor
from stasis_dialer.engine.calls import DEAD_MAN_SLACK_SECONDS, Bystander
from stasis_dialer.engine.campaigns import CampaignBook
from stasis_dialer.engine.clock import Clock
from stasis_dialer.engine.desk import Desk
from stasis_dialer.engine.dispatch import Dispatcher
from stasis_dialer.engine.gate import NumberGate
from stasis_dialer.engine.ids import BRIDGE, HOLD_BRIDGE, TARGET_LEG, TRANSFER, Ids
from stasis_dialer.engine.recorder import Recorder
from stasis_dialer.engine.trunks import Trunks
from stasis_dialer.errors import DialerError, Refused

log = structlog.get_logger(__name__)

QUEUE: Final = "queue:"
"""Before a campaign's name or id: a transfer to whoever of its agents is free."""
REFUSED_MEDIA: Final = "sound:stasis-dialer/agent-refused"


@dataclass(frozen=True, slots=True)
class _Pair:
    """An agent and the call that is on."""

    agent: Agent
    call: Call


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Whom an agent's customer is to be given to."""

    kind: TargetKind
    value: str
    label: str


class Parties(Bystander):
    """Every transfer that is not over. It listens to calls (`engine.calls.Listener`)."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        clock: Clock,
        desk: Desk,
        trunks: Trunks,
        book: CampaignBook,
        gate: NumberGate,
        recorder: Recorder,
        ids: Ids,
    ) -> None:
        self._dispatcher = dispatcher
        self._clock = clock
        self._desk = desk
        self._trunks = trunks
        self._book = book
        self._gate = gate
        self._recorder = recorder
        self._ids = ids
        self._of_call: dict[str, Actor[Transfer]] = {}
        """By call, while it decides where the customer is."""
        self._all: dict[str, Actor[Transfer]] = {}
        self._trunk_of: dict[str, str] = {}
        """By transfer the trunk on which its target takes a channel."""
        self._tasks: set[asyncio.Task[None]] = set()

    # --- what agents ask --------------------------------------------------------------------------------------------

    def hold(self, extension: str) -> None:
        """Music for the agent's customer. Raises: Refused."""
        pair = self._pair(extension)
        if pair.call.call_id in self._of_call:
            raise Refused(f"the call is on hold or being transferred already: extension={extension}")
        self._begin(pair)

    def unhold(self, extension: str) -> None:
        """The customer comes back. Raises: Refused."""
        self._wish(extension, m.UnholdAsked())

    def complete(self, extension: str) -> None:
        """The agent leaves customer and target alone. Raises: Refused."""
        self._wish(extension, m.CompleteAsked())

    def cancel(self, extension: str) -> None:
        """The customer comes back, whatever the target does. Raises: Refused."""
        self._wish(extension, m.CancelAsked())

    def conference(self, extension: str) -> None:
        """The customer joins agent and target. Raises: Refused."""
        self._wish(extension, m.ConferenceAsked())

    async def transfer(self, extension: str, to: str, *, is_attended: bool) -> None:
        """Call a target: a number, an extension, or `queue:CAMPAIGN`.

        Raises: Refused, NumberRefused, CampaignNotFound; DatabaseUnavailable for a number when its rules cannot be
        read.
        """
        meant = self._pair(extension)
        wanted = await self._wanted(meant, to)
        pair = self._pair(extension)
        if pair.call.call_id != meant.call.call_id:
            raise Refused(f"the customer whom the agent meant has gone: extension={extension}")
        begun = self._of_call.get(pair.call.call_id)
        if begun is not None and begun.machine.state is not TransferState.HELD:
            raise Refused(f"the call is being transferred already: extension={extension} state={begun.machine.state}")
        target, trunk = self._target(self._book.of(pair.call.campaign.id), wanted, is_attended)
        actor = begun or self._begin(pair)
        if trunk is not None:
            self._trunk_of[actor.id] = trunk
        log.info("transfer", agent=extension, call_id=pair.call.call_id, to=target.label, is_attended=is_attended)
        self._dispatcher.post(actor, m.TransferAsked(target))

    def blind_transfer(self, extension: str, target: str) -> None:
        """As `transfer`, from a telephone's keys: what cannot be done is said there. Raises: Refused."""
        self._from_keys(extension, target, is_attended=False)

    def attended_transfer(self, extension: str, target: str) -> None:
        """As `blind_transfer`; the agent speaks with the target first. Raises: Refused."""
        self._from_keys(extension, target, is_attended=True)

    def state_of(self, call_id: str | None) -> str | None:
        """Where a call's transfer stands, or None without one."""
        actor = self._of_call.get(call_id or "")
        return str(actor.machine.state) if actor else None

    def transfers(self) -> list[Transfer]:
        """Every transfer that is not over."""
        return [actor.machine for actor in self._all.values()]

    def bridges(self) -> set[str]:
        """Bridges that belong to a transfer."""
        found = {t.hold_bridge for t in self.transfers()}
        return found | {t.talk_bridge for t in self.transfers() if t.talk_bridge is not None}

    # --- what calls tell --------------------------------------------------------------------------------------------

    def ended(self, call: Call) -> None:
        """The customer is gone."""
        actor = self._of_call.pop(call.call_id, None)
        if actor is not None:
            self._dispatcher.post(actor, m.CustomerGone(call.call_id))

    def rejoined(self, call: Call) -> None:
        """A customer who waited for another agent is with one."""
        self._recorder.turned(call)
        actor = self._of_call.pop(call.call_id, None)
        if actor is not None:
            self._dispatcher.post(actor, m.CustomerJoined(call.call_id))

    def adopt(self, transfer: Transfer, commands: tuple[m.Command, ...]) -> None:
        """A transfer that was under way when the dialer ended."""
        if transfer.agent is not None:
            self._desk.keep(transfer.call_id, transfer.transfer_id)
        leg_id = transfer.leg_id or ""
        trunk = next((name for name in self._trunks.names() if self._ids.is_on_trunk(leg_id, name)), None)
        if trunk is not None:
            self._trunk_of[transfer.transfer_id] = trunk
            self._trunks.occupy(trunk)
        self._live(transfer, commands)

    def tell(self, transfer_id: str, event: m.Event) -> None:
        """Hand an event to a transfer."""
        actor = self._all.get(transfer_id)
        if actor is not None:
            self._dispatcher.post(actor, event)

    # --- how it is done ---------------------------------------------------------------------------------------------

    def _pair(self, extension: str) -> _Pair:
        """The agent and the customer. Raises: Refused when there is no conversation."""
        agent = self._desk.expect(extension)
        actor = self._dispatcher.find(agent.call_id or "")
        if agent.state is not AgentState.ON_CALL or actor is None or not isinstance(actor.machine, Call):
            raise Refused(f"the agent has no customer: extension={extension} state={agent.state}")
        call: Call = actor.machine
        if call.state is not CallState.BRIDGED or call.agent != extension or agent.leg_id is None:
            raise Refused(f"the customer is not with the agent: extension={extension} call={call.state}")
        if agent.next_leg_id is not None:
            raise Refused(f"the agent is coming back to the customer on a new leg: extension={extension}")
        if call.campaign.amd.mode is AmdMode.TALK_DETECT and call.amd_result is None:
            raise Refused(f"it is not known yet whether this is a person: extension={extension}")
        return _Pair(agent, call)

    def _begin(self, pair: _Pair) -> Actor[Transfer]:
        agent, call = pair.agent, pair.call
        assert agent.leg_id is not None
        assert agent.bridge_id is not None
        transfer = Transfer(
            transfer_id=self._ids.new(TRANSFER),
            call_id=call.call_id,
            customer=call.leg_id,
            agent=agent.extension,
            agent_leg=agent.leg_id,
            home=agent.bridge_id,
            stays=agent.is_always_on,
            hold_bridge=self._ids.new(HOLD_BRIDGE),
            queue_seconds=call.campaign.transfer.queue_seconds,
        )
        self._desk.keep(call.call_id, transfer.transfer_id)
        return self._live(*machine.start(transfer, self._clock.now()))

    def _live(self, transfer: Transfer, commands: tuple[m.Command, ...]) -> Actor[Transfer]:
        actor = Actor(transfer.transfer_id, "transfer", transfer, machine.advance, self._local, machine.is_still_wanted)
        self._of_call[transfer.call_id] = actor
        self._all[transfer.transfer_id] = actor
        self._dispatcher.add(actor, transfer, commands, [transfer.leg_id] if transfer.leg_id else [])
        return actor

    def _wish(self, extension: str, event: m.Event) -> None:
        agent = self._desk.expect(extension)
        actor = self._of_call.get(agent.call_id or "")
        if actor is None or actor.machine.agent != extension:
            raise Refused(f"the agent's call is not on hold: extension={extension}")
        refusal = machine.refusal(actor.machine, event)
        if refusal is not None:
            raise Refused(f"{refusal}: extension={extension}")
        self._dispatcher.post(actor, event)

    def _from_keys(self, extension: str, target: str, *, is_attended: bool) -> None:
        self._pair(extension)
        self._soon(extension, self.transfer(extension, target, is_attended=is_attended))

    def _soon(self, extension: str, work: Coroutine[Any, Any, None]) -> None:
        async def carry_out() -> None:
            try:
                await work
            except DialerError as error:
                log.warning("feature-refused", agent=extension, why=str(error))
                self._desk.say(extension, REFUSED_MEDIA)

        task = asyncio.get_running_loop().create_task(carry_out())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- targets ----------------------------------------------------------------------------------------------------

    async def _wanted(self, pair: _Pair, to: str) -> _Wanted:
        """Whom a text means. Raises: as `transfer`."""
        if to.startswith(QUEUE):
            chosen = self._campaign(to.removeprefix(QUEUE))
            return _Wanted(TargetKind.QUEUE, str(chosen.id), f"queue {chosen.name}")
        if self._desk.find(to) is not None:
            if to == pair.agent.extension:
                raise Refused(f"the customer is with this agent already: extension={to}")
            return _Wanted(TargetKind.AGENT, to, to)
        campaign = self._book.of(pair.call.campaign.id)
        if not campaign.transfer.may_dial:
            raise Refused(f"transfers of this campaign go to agents only: transfer.may_dial is off, to={masked(to)}")
        number = await self._gate.pass_through(campaign, to)
        return _Wanted(TargetKind.NUMBER, number, masked(number))

    def _campaign(self, which: str) -> Campaign:
        for campaign in self._book.all().values():
            if which in (campaign.name, str(campaign.id)):
                return campaign
        raise Refused(f"there is no such campaign: {which[:40]!r}")

    def _target(self, campaign: Campaign, wanted: _Wanted, is_attended: bool) -> tuple[Target, str | None]:
        """The target, and the trunk on which it takes a channel. Raises: Refused without a trunk."""
        options = campaign.transfer
        if wanted.kind is not TargetKind.NUMBER:
            seconds = options.queue_seconds if wanted.kind is TargetKind.QUEUE else options.ring_seconds
            return Target(wanted.kind, wanted.value, is_attended, seconds, wanted.label), None
        gate = self._trunks.pick(campaign)
        if gate is None:
            raise Refused(f"no trunk has room: campaign={campaign.name}")
        endpoint = dial_endpoint(gate.trunk, wanted.value)
        leg_id = self._ids.on_trunk(TARGET_LEG, gate.trunk.name)
        gate.take()
        self._trunks.placed(gate.trunk.name)
        create = m.CreateLeg(leg_id, endpoint, leg_variables(leg_id, campaign, gate.trunk))
        bridge = self._ids.new(BRIDGE)
        target = Target(wanted.kind, wanted.value, is_attended, options.ring_seconds, wanted.label, create, bridge)
        return target, gate.trunk.name

    # --- commands that need no Asterisk -----------------------------------------------------------------------------

    def _local(self, actor: Actor[Transfer], command: m.Command) -> bool:
        transfer = actor.machine
        if isinstance(command, m.TellCall):
            if isinstance(command.event, m.Returned):
                self._leave(actor)
                self._desk.take_back(transfer.call_id, transfer.transfer_id)
            if isinstance(command.event, m.AgentWanted):
                asyncio.get_running_loop().call_soon(self._tell_call, command)
            else:
                self._tell_call(command)
            return True
        action = self._actions.get(type(command))
        if action is None:
            return False
        action(actor, command)
        return True

    def _tell_call(self, command: m.TellCall) -> None:
        """Another agent is sought only when the one who is lost has heard of it: nobody's customer is two agents'."""
        call = self._dispatcher.find(command.call_id)
        if call is not None:
            self._dispatcher.post(call, command.event)
            if isinstance(command.event, m.PartnerJoined):
                self._recorder.turned(call.machine)

    @property
    def _actions(self) -> dict[type[m.Command], Callable[[Actor[Transfer], Any], None]]:
        return {
            m.SeekTarget: lambda actor, _: self._seek(actor.machine),
            m.ReleaseTarget: lambda actor, _: self._desk.withdraw(actor.machine.transfer_id, False),
            m.TargetJoined: lambda actor, _: self._desk.joined(actor.machine.transfer_id),
            m.HandToTarget: self._hand_over,
            m.ReleaseAgent: lambda actor, command: self._desk.let_go(actor.machine.transfer_id, command.is_broken),
            m.EndTransfer: lambda actor, _: self._end(actor),
        }

    def _seek(self, transfer: Transfer) -> None:
        call = self._dispatcher.find(transfer.call_id)
        if call is None or transfer.target is None:
            return
        target, campaign = transfer.target, call.machine.campaign
        only = target.value if target.kind is TargetKind.AGENT else None
        if target.kind is TargetKind.QUEUE:
            campaign = self._book.of(int(target.value))
        self._desk.seek_target(transfer.transfer_id, call.machine, campaign, only)

    def _hand_over(self, actor: Actor[Transfer], command: m.HandToTarget) -> None:
        """The agent who was found has the call now; the one who transferred only has to come home."""
        transfer = actor.machine
        self._leave(actor)
        call = self._dispatcher.find(transfer.call_id)
        agent = self._desk.find(command.extension)
        if call is None or agent is None or agent.leg_id is None or agent.bridge_id is None:
            return
        self._dispatcher.post(call, m.AgentChanged(agent.extension, agent.leg_id, agent.bridge_id))
        self._recorder.turned(call.machine)
        self._desk.hand_over(transfer.call_id, transfer.transfer_id, call.machine.campaign)

    def _leave(self, actor: Actor[Transfer]) -> None:
        """The call is in other hands: it may be transferred anew."""
        if self._of_call.get(actor.machine.call_id) is actor:
            del self._of_call[actor.machine.call_id]

    def _end(self, actor: Actor[Transfer]) -> None:
        self._leave(actor)
        self._all.pop(actor.id, None)
        trunk = self._trunk_of.pop(actor.id, None)
        if trunk is not None:
            self._trunks.give_back(trunk)
        self._desk.withdraw(actor.id, False)
        self._dispatcher.remove(actor)


def leg_variables(leg_id: str, campaign: Campaign, trunk: Trunk) -> tuple[tuple[str, str], ...]:
    """What the target's channel is given at its creation."""
    limit = math.ceil(campaign.transfer.ring_seconds + campaign.max_call_seconds + DEAD_MAN_SLACK_SECONDS)
    variables = [("TIMEOUT(absolute)", str(limit)), ("SD_CAMPAIGN", str(campaign.id))]
    caller_id = campaign.caller_id or trunk.caller_id
    if caller_id:
        variables.append(("CONNECTEDLINE(num,i)", caller_id))
    for name, value in trunk.headers:
        filled = value.format(attempt_id=leg_id, campaign_id=campaign.id)
        variables.append((f"PJSIP_HEADER(add,{name})", filled))
    return tuple(variables)


__all__ = ["Parties", "TransferState", "leg_variables"]
