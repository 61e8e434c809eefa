"""Live customer calls: begun from a reservation, handed to the desk, written down, counted.

The state machine decides (`core.call`); here stands what its commands do inside the dialer.
"""

from __future__ import annotations

import contextlib
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

import structlog

from stasis_dialer.core import call as call_machine
from stasis_dialer.core import cdr, schedule
from stasis_dialer.core import messages as m
from stasis_dialer.core.call import NOT_PLAYED, Call
from stasis_dialer.core.call.screening import amd_options
from stasis_dialer.core.evolve import evolve
from stasis_dialer.core.model import Campaign, Lead, Reservation, Trunk
from stasis_dialer.core.numbers import dial_endpoint, masked
from stasis_dialer.core.options import AmdMode, ByHand
from stasis_dialer.engine.actor import Actor
from stasis_dialer.engine.caller_ids import CallerIdBook
from stasis_dialer.engine.clock import Clock
from stasis_dialer.engine.dispatch import Dispatcher
from stasis_dialer.engine.ids import Ids
from stasis_dialer.engine.journal import Journal
from stasis_dialer.engine.trunks import Trunks
from stasis_dialer.errors import NumberRefused, Refused

log = structlog.get_logger(__name__)

DEAD_MAN_SLACK_SECONDS = 60.0
"""Asterisk's own limit of a leg comes after ours: it is for a dialer that is gone."""


NO_CALLER_ID: Final = "every caller id of the campaign has had its calls of the day"


class Seats(Protocol):
    """The desk, as calls need it."""

    def seek(self, call: Call) -> None: ...

    def withdraw(self, call_id: str, is_broken: bool) -> None: ...

    def joined(self, call_id: str) -> None: ...

    def over(self, call_id: str) -> None: ...

    def show(self, extension: str, call: Call) -> bool: ...

    def fetch(self, call: Call) -> bool: ...

    def tell(self, extension: str, event: m.Event) -> object: ...

    def ahead_of(self, call_id: str) -> int: ...


class Transfers(Protocol):
    """Transfers, as calls need them."""

    def rejoined(self, call: Call) -> None: ...

    def tell(self, transfer_id: str, event: m.Event) -> None: ...


class NoTransfers:
    """Where nothing is transferred."""

    def rejoined(self, call: Call) -> None:
        return

    def tell(self, transfer_id: str, event: m.Event) -> None:
        return


class Listener(Protocol):
    """Somebody who counts calls."""

    def placed(self, call: Call) -> None: ...

    def answered(self, call: Call) -> None: ...

    def sought(self, call: Call) -> None: ...

    def detected(self, call: Call) -> None: ...

    def joined(self, call: Call) -> None: ...

    def announced(self, call: Call) -> None: ...

    def lost(self, call: Call) -> None: ...

    def ended(self, call: Call) -> None: ...


class Bystander:
    """A listener that hears what it overrides, and nothing else."""

    def placed(self, call: Call) -> None:
        return

    def answered(self, call: Call) -> None:
        return

    def sought(self, call: Call) -> None:
        return

    def detected(self, call: Call) -> None:
        return

    def joined(self, call: Call) -> None:
        return

    def announced(self, call: Call) -> None:
        return

    def lost(self, call: Call) -> None:
        return

    def ended(self, call: Call) -> None:
        return


class Calls:
    """Every customer call that is not over."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        clock: Clock,
        journal: Journal,
        desk: Seats,
        trunks: Trunks,
        caller_ids: CallerIdBook,
        ids: Ids,
        app: str,
        listeners: Sequence[Listener],
        on_end: Callable[[Call], None],
    ) -> None:
        self._dispatcher = dispatcher
        self._clock = clock
        self._journal = journal
        self._desk = desk
        self._trunks = trunks
        self._caller_ids = caller_ids
        self._ids = ids
        self._app = app
        self._listeners = listeners
        self._on_end = on_end
        self.parties: Transfers = NoTransfers()
        """Set once the transfers are there, which need the calls."""
        self._by_campaign: dict[int, dict[str, Actor[Call]]] = defaultdict(dict)
        self._channel_on: dict[str, str] = {}
        """By call the trunk on which it takes a channel, until the call ends: whatever is heard of it meanwhile."""

    def place(self, reservation: Reservation, campaign: Campaign, trunk: Trunk, prefers: str | None = None) -> None:
        """Begin the attempt of a committed reservation on a trunk whose room was taken.

        A number that the trunk's format cannot express ends the attempt before anything is sent.
        """
        refused = ""
        try:
            endpoint = dial_endpoint(trunk, reservation.number)
        except NumberRefused as error:
            endpoint, refused = "", str(error)
        caller_id, has_none_left = self._caller_id(campaign, reservation.number, trunk)
        if has_none_left:
            refused = refused or NO_CALLER_ID
        variables = leg_variables(reservation.call_id, campaign, trunk, caller_id, self._app)
        create = m.CreateLeg(reservation.call_id, endpoint, variables)
        call, commands = call_machine.start(
            reservation.call_id,
            campaign,
            reservation.lead,
            reservation.number,
            trunk,
            create,
            self._clock.now(),
            caller_id,
        )
        call = evolve(call, prefers=prefers)
        log.info(
            "call-placed",
            call_id=call.call_id,
            lead_id=reservation.lead.id,
            campaign_id=campaign.id,
            trunk=trunk.name,
            number=masked(reservation.number),
        )
        for listener in self._listeners:
            listener.placed(call)
        self._trunks.placed(trunk.name)
        if not refused:
            self.adopt(call, commands)
            return
        log.error("call-refused", call_id=call.call_id, trunk=trunk.name, why=refused)
        self._dispatcher.post(self.adopt(call), m.OriginateRejected(0, refused))

    def place_by_hand(
        self, call_id: str, campaign: Campaign, lead: Lead | None, number: str, kind: ByHand, extension: str
    ) -> bool:
        """Begin a committed attempt for an agent who is known; False when the agent cannot be had any more.

        Its trunk is taken when the agent is ready. Without the agent the attempt is given back at once.
        """
        now = self._clock.now()
        call, commands = call_machine.start_by_hand(call_id, campaign, lead, number, kind, extension, now)
        actor = self.adopt(call)
        log.info("call-by-hand", call_id=call_id, campaign_id=campaign.id, agent=extension, kind=str(kind))
        for listener in self._listeners:
            listener.placed(call)
        is_taken = self._desk.show(extension, call)
        if is_taken:
            self._dispatcher.apply(actor, call, commands)
        else:
            self._dispatcher.post(actor, m.AgentLost(extension))
        return is_taken

    def adopt(self, call: Call, commands: Iterable[m.Command] = ()) -> Actor[Call]:
        """Make a call live, a new one or one that was found after a restart."""
        actor = Actor(call.call_id, "call", call, call_machine.advance, self._local, call_machine.is_still_wanted)
        self._by_campaign[call.campaign.id][call.call_id] = actor
        if call.trunk is not None:
            self._channel_on[call.call_id] = call.trunk.name
        self._dispatcher.add(actor, call, commands, (call.leg_id,))
        return actor

    # --- what a campaign has ----------------------------------------------------------------------------------------

    def of(self, campaign_id: int) -> list[Call]:
        """The campaign's live calls."""
        return [actor.machine for actor in self._by_campaign.get(campaign_id, {}).values()]

    def all(self) -> list[Call]:
        """All live calls."""
        return [actor.machine for calls in self._by_campaign.values() for actor in calls.values()]

    def find(self, call_id: str) -> Call | None:
        """A live call."""
        actor = self._dispatcher.find(call_id)
        return actor.machine if actor is not None and actor.kind == "call" else None

    def tell(self, call_id: str, event: m.Event) -> None:
        """Hand an event to a live call."""
        actor = self._dispatcher.find(call_id)
        if actor is not None:
            self._dispatcher.post(actor, event)

    def stop(self, is_wanted: Callable[[Call], bool], by: str = "dialer") -> int:
        """Hang up the calls that are meant; answers how many."""
        meant = [a for calls in self._by_campaign.values() for a in list(calls.values()) if is_wanted(a.machine)]
        for actor in meant:
            self._dispatcher.post(actor, m.StopRequested(by))
        return len(meant)

    # --- commands that need no Asterisk -----------------------------------------------------------------------------

    def _local(self, actor: Actor[Call], command: m.Command) -> bool:
        call = actor.machine
        if isinstance(command, m.SeekAgent):
            self._desk.seek(call)
        elif isinstance(command, m.WithdrawSeek):
            self._desk.withdraw(call.call_id, command.is_agent_broken)
            if call.given_up_at is not None and not call.is_machine:
                for listener in self._listeners:
                    listener.lost(call)
        elif isinstance(command, m.TellJoined):
            self._desk.joined(call.call_id)
            if command.is_again:
                self.parties.rejoined(call)
                return True
            for listener in self._listeners:
                listener.joined(call)
        elif isinstance(command, m.TellTransfer):
            self.parties.tell(command.transfer_id, command.event)
        elif isinstance(command, m.Save):
            self._journal.save(cdr.record(call, self._app, self._clock.utc))
        elif isinstance(command, m.TellTrunk):
            self._trunks.told(command.trunk, command.placed_at, command.is_fault)
        elif isinstance(command, m.SeekTrunk):
            self._dispatcher.post(actor, self._next_trunk(call) if call.tries else self._first_trunk(call))
        elif isinstance(command, m.Finish):
            self._finish(actor)
        else:
            return self._tell(actor, command)
        return True

    def _tell(self, actor: Actor[Call], command: m.Command) -> bool:
        """Commands that only tell somebody."""
        call = actor.machine
        if isinstance(command, m.TellAnswered):
            for listener in self._listeners:
                listener.answered(call)
        elif isinstance(command, m.TellAnnounced):
            for listener in self._listeners:
                listener.announced(call)
        elif isinstance(command, m.TellSought):
            for listener in self._listeners:
                listener.sought(call)
        elif isinstance(command, m.TellDetected):
            log.info(
                "detected",
                call_id=call.call_id,
                campaign_id=call.campaign.id,
                amd_result=str(call.amd_result),
                amd_cause=call.amd_cause,
            )
            for listener in self._listeners:
                listener.detected(call)
        elif isinstance(command, m.FetchAgent):
            if not self._desk.fetch(call) and call.agent is not None:
                self._dispatcher.post(actor, m.AgentLost(call.agent))
        elif isinstance(command, m.PauseAgent):
            with contextlib.suppress(Refused):
                self._desk.tell(command.extension, m.PauseRequested(command.reason))
        elif isinstance(command, m.AskPlace):
            self._dispatcher.post(actor, m.PlaceKnown(self._desk.ahead_of(call.call_id)))
        elif isinstance(command, m.Remind):
            self._dispatcher.post_later(actor, command.seconds, command.event)
        else:
            return False
        return True

    def _caller_id(self, campaign: Campaign, number: str, trunk: Trunk) -> tuple[str | None, bool]:
        """The number to be shown, and whether the campaign's pool has none left today."""
        pooled = self._caller_ids.take(campaign, number)
        is_empty = pooled is None and bool(campaign.caller_ids.numbers)
        return pooled or campaign.caller_id or trunk.caller_id, is_empty

    def _first_trunk(self, call: Call) -> m.Event:
        """A trunk for a call whose agent is ready; its channel is taken."""
        with contextlib.suppress(Refused):
            gate = self._trunks.pick(call.campaign)
            if gate is not None:
                endpoint = dial_endpoint(gate.trunk, call.number)
                caller_id, has_none_left = self._caller_id(call.campaign, call.number, gate.trunk)
                if not has_none_left:
                    gate.take()
                    self._trunks.placed(gate.trunk.name)
                    self._channel_on[call.call_id] = gate.trunk.name
                    variables = leg_variables(call.call_id, call.campaign, gate.trunk, caller_id, self._app)
                    create = m.CreateLeg(call.call_id, endpoint, variables)
                    return m.TrunkFound(gate.trunk, create, caller_id)
        log.warning("no-trunk-for-call", call_id=call.call_id, campaign_id=call.campaign.id)
        return m.NoTrunk()

    def _next_trunk(self, call: Call) -> m.Event:
        """The trunk on which a refused call is tried once more; its channel is taken, the other one given back."""
        tried = {tried.trunk for tried in call.tries}
        for gate in self._trunks.others(call.campaign, tried):
            try:
                endpoint = dial_endpoint(gate.trunk, call.number)
            except NumberRefused as error:
                log.info("number-refused-by-trunk", call_id=call.call_id, trunk=gate.trunk.name, why=str(error))
                continue
            before = self._channel_on[call.call_id]
            self._trunks.give_back(before)
            self._trunks.rerouted(before, gate)
            self._channel_on[call.call_id] = gate.trunk.name
            log.warning(
                "call-rerouted",
                call_id=call.call_id,
                trunk=gate.trunk.name,
                refused_by=before,
                tech_cause=call.tech_cause,
            )
            is_trunks = call.trunk is not None and call.caller_id == call.trunk.caller_id
            caller_id = gate.trunk.caller_id if is_trunks else call.caller_id
            variables = leg_variables(call.call_id, call.campaign, gate.trunk, caller_id, self._app)
            create = m.CreateLeg(self._ids.again(call.call_id), endpoint, variables)
            return m.TrunkFound(gate.trunk, create, caller_id)
        return m.NoTrunk()

    def _finish(self, actor: Actor[Call]) -> None:
        call = actor.machine
        assert call.disposition is not None
        outcome, now = None, self._clock.utc_now()
        choice = call.campaign.dispositions.find(call.agent_disposition)
        if call.lead is not None and choice is not None:
            outcome = schedule.disposed_outcome(
                call.call_id, call.lead, call.campaign, choice, callback_at=call.callback_at, now=now
            )
        elif call.lead is not None and call.is_inbound:
            outcome = schedule.inbound_outcome(call.call_id, call.lead, call.campaign, call.disposition, now)
        elif call.lead is not None:
            outcome = schedule.lead_outcome(
                call.call_id,
                call.lead,
                call.campaign,
                call.disposition,
                is_attempt_given_back=call.is_attempt_given_back,
                now=now,
            )
        self._journal.finish(cdr.record(call, self._app, self._clock.utc), outcome)
        self._dispatcher.remove(actor)
        self._by_campaign[call.campaign.id].pop(call.call_id, None)
        channel_on = self._channel_on.pop(call.call_id, None)
        if channel_on is not None:
            self._trunks.give_back(channel_on)
        self._desk.over(call.call_id)
        for listener in self._listeners:
            listener.ended(call)
        if call.hung_up_by == "dialer" and any(what == NOT_PLAYED for _, what in call.timeline):
            hint = "has Asterisk the sound? see its log"
            log.error("message-not-played", call_id=call.call_id, campaign_id=call.campaign.id, hint=hint)
        log.info(
            "call-ended",
            call_id=call.call_id,
            lead_id=call.lead.id if call.lead else None,
            campaign_id=call.campaign.id,
            disposition=str(call.disposition),
            fault=str(call.fault) if call.fault else None,
            cause=call.cause,
            tech_cause=call.tech_cause,
            agent=call.agent,
        )
        self._on_end(call)


def leg_variables(
    call_id: str, campaign: Campaign, trunk: Trunk, caller_id: str | None, app: str
) -> tuple[tuple[str, str], ...]:
    """What the customer's channel is given at its creation; the dialplan of detection reads the SD_ ones.

    Source: `/channels/create` has no callerId; the connected line is what reaches From (measured on 22.10.1).
    """
    limit = math.ceil(campaign.ring_timeout_seconds + campaign.max_call_seconds + DEAD_MAN_SLACK_SECONDS)
    variables = [
        ("TIMEOUT(absolute)", str(limit)),
        ("SD_ATTEMPT", call_id),
        ("SD_CAMPAIGN", str(campaign.id)),
    ]
    if campaign.amd.mode is not AmdMode.OFF:
        variables += _detection_variables(campaign, app)
    if caller_id:
        variables.append(("CONNECTEDLINE(num,i)", caller_id))
    for name, value in trunk.headers:
        filled = value.format(attempt_id=call_id, campaign_id=campaign.id)
        variables.append((f"PJSIP_HEADER(add,{name})", filled))
    return tuple(variables)


def _detection_variables(campaign: Campaign, app: str) -> list[tuple[str, str]]:
    """What `dialplan/amd.conf` needs to bring the channel back to this application, or to end it with a message."""
    amd = campaign.amd
    variables = [
        ("SD_APP", app),
        ("SD_AMD_OPTIONS", amd_options(amd)),
        ("SD_SILENCE", str(round(amd.beep_silence_seconds * 1000))),
        ("SD_SILENCE_TIMEOUT", str(math.ceil(amd.beep_timeout_seconds))),
    ]
    kind, _, name = (campaign.safe_harbour_media or "").partition(":")
    if kind == "sound" and name:
        variables.append(("SD_SAFE_HARBOUR", name))
    return variables
