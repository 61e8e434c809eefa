"""Supervisors who listen to agents, whisper or barge in: who may, whom, and what the agents' calls are meanwhile.

The state machines decide (`core.supervision`, `core.ear`); here stand the role, the ids, and the look at the desk that
tells a supervision where its agent is. Guarantees that nobody without the role hears anybody, that each conversation
which was heard is in the log and in the audit trail, and that no call, no agent and no recording hears of it: all that
is touched is the supervisor's own leg and bridge, and channels that listen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Any, Final

import structlog

from stasis_dialer.core import ear as ear_machine
from stasis_dialer.core import messages as m
from stasis_dialer.core import supervision as machine
from stasis_dialer.core.agent import Agent
from stasis_dialer.core.ear import Ear, EarState
from stasis_dialer.core.messages import SupervisionMode
from stasis_dialer.core.model import AgentState
from stasis_dialer.core.supervision import Supervision, SupervisionState
from stasis_dialer.core.transfer import TransferState
from stasis_dialer.db.audit import AuditEntry
from stasis_dialer.engine.actor import Actor
from stasis_dialer.engine.agent_legs import LONGEST_SHIFT_SECONDS, displayable
from stasis_dialer.engine.clock import Clock
from stasis_dialer.engine.desk import Desk
from stasis_dialer.engine.dispatch import Dispatcher
from stasis_dialer.engine.ids import EAR, EAR_BRIDGE, LEFT, SUPERVISION, SUPERVISOR_LEG, Ids
from stasis_dialer.engine.journal import Journal
from stasis_dialer.engine.parties import Parties
from stasis_dialer.errors import NotSupervisor, Refused

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 0.25
"""How often supervisions look where their agents are, beside each change that the desk tells at once: a consultation
begins and ends without one."""
SOUND_SECONDS: Final = 5.0
"""The longest tone or other sound for an agent, should its end not be heard of."""
SOUND_LOOK_SECONDS: Final = 0.05
"""How often it is looked whether such a sound is over. Measured on Asterisk 22.10.1, 2026-11, with customers who speak
half a second after they were joined: ears made during the tone heard nothing of 3 in 10, those kept from the last
customer of 5 in 7, and of 3 in 7 without a tone; ears made after the tone, or at the joining where there is none, heard
each of 48."""
ANNOUNCEMENT: Final = "sound:beep"
API, PHONE = "api", "phone"
WITH_OTHERS: Final = frozenset({TransferState.CONSULTING, TransferState.CONFERENCE})
"""States of a transfer in which the agent hears somebody else than in the others."""


class Supervisions:
    """Every supervision that is not over; one for a supervisor, and one for an agent."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        clock: Clock,
        desk: Desk,
        parties: Parties,
        journal: Journal,
        ids: Ids,
        endpoint: str,
        supervisors: Collection[str],
        is_announced: bool,
    ) -> None:
        """`supervisors`: the extensions that have the role."""
        self._dispatcher = dispatcher
        self._clock = clock
        self._desk = desk
        self._parties = parties
        self._journal = journal
        self._ids = ids
        self._endpoint = endpoint
        self._supervisors = frozenset(supervisors)
        self._announcement = ANNOUNCEMENT if is_announced else None
        self._all: dict[str, Actor[Supervision]] = {}
        self._ears: dict[tuple[str, int], Actor[Ear]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._is_look_due = False

    # --- what supervisors ask ---------------------------------------------------------------------------------------

    def supervise(self, extension: str, supervisor: str, mode: SupervisionMode) -> Supervision:
        """Call the supervisor's telephone and join it to the agent; one who is there already changes the mode.

        Raises: Refused; NotSupervisor without the role.
        """
        known = self.of_agent(extension)
        if known is not None and known.supervisor == supervisor and supervisor in self._supervisors:
            actor = self._all[known.supervision_id]
            self._dispatcher.post(actor, m.ModeAsked(mode))
            return actor.machine
        begun = self._begin(extension, supervisor, mode, API)
        variables = (
            ("TIMEOUT(absolute)", str(LONGEST_SHIFT_SECONDS)),
            ("CONNECTEDLINE(num,i)", extension),
            ("CONNECTEDLINE(name,i)", displayable(f"{mode} {extension}")),
        )
        create = m.CreateLeg(self._ids.new(SUPERVISOR_LEG), self._endpoint.format(extension=supervisor), variables)
        return self._live(*machine.call_supervisor(begun, create, self._clock.now()))

    def supervise_by_phone(self, extension: str, supervisor: str, mode: SupervisionMode, leg_id: str) -> Supervision:
        """As `supervise`, for a supervisor whose telephone called us: `leg_id` is its channel. Raises: as that."""
        begun = self._begin(extension, supervisor, mode, PHONE)
        return self._live(*machine.supervisor_called(begun, leg_id, self._clock.now()))

    def check(self, extension: str, supervisor: str) -> None:
        """Whether this one may supervise that one now. Raises: Refused; NotSupervisor without the role."""
        try:
            self._check(extension, supervisor)
        except Refused as refused:
            log.warning("supervision-refused", supervisor=supervisor[:20], agent=extension[:20], why=str(refused))
            raise

    def stop(self, extension: str) -> Supervision:
        """End an agent's supervision. Raises: Refused when there is none."""
        known = self.of_agent(extension)
        if known is None:
            raise Refused(f"nobody supervises the agent: extension={extension[:20]}")
        self._dispatcher.post(self._all[known.supervision_id], m.SupervisionUnwanted("it was ended"))
        return known

    def stop_all(self, why: str) -> None:
        """End every supervision."""
        for actor in list(self._all.values()):
            self._dispatcher.post(actor, m.SupervisionUnwanted(why))

    def of_agent(self, extension: str) -> Supervision | None:
        """Who supervises an agent, and how."""
        return next((s for s in self.all() if s.agent == extension and s.state is not SupervisionState.CLOSING), None)

    def all(self) -> list[Supervision]:
        """Every supervision."""
        return [actor.machine for actor in self._all.values()]

    def bridges(self) -> set[str]:
        """Bridges that belong to a supervision."""
        return {supervision.bridge_id for supervision in self.all()}

    def _check(self, extension: str, supervisor: str) -> None:
        if supervisor not in self._supervisors:
            raise NotSupervisor(
                f"not a supervisor: extension={supervisor[:20]}; agents.supervisors names who may listen to agents"
            )
        if supervisor == extension:
            raise Refused(f"nobody supervises themselves: extension={extension}")
        if self._desk.find(supervisor) is not None:
            raise Refused(f"the supervisor is logged in as an agent: extension={supervisor}; log out first")
        agent = self._desk.expect(extension)
        if agent.state is AgentState.LOGGED_OFF:
            raise Refused(f"the agent is leaving: extension={extension}")
        for supervision in self.all():
            if supervision.state is SupervisionState.CLOSING:
                continue
            if supervision.supervisor == supervisor:
                raise Refused(f"supervises somebody already: supervisor={supervisor} agent={supervision.agent}")
            if supervision.agent == extension:
                raise Refused(f"is supervised already: agent={extension} supervisor={supervision.supervisor}")

    def _begin(self, extension: str, supervisor: str, mode: SupervisionMode, by: str) -> Supervision:
        self.check(extension, supervisor)
        return Supervision(
            supervision_id=self._ids.new(SUPERVISION),
            supervisor=supervisor,
            agent=extension,
            session_id=self._desk.expect(extension).session_id,
            mode=mode,
            leg_id=None,
            bridge_id=self._ids.new(EAR_BRIDGE),
            since=self._clock.now(),
            announcement=self._announcement,
            by=by,
        )

    def _live(self, supervision: Supervision, commands: tuple[m.Command, ...]) -> Supervision:
        actor = Actor(supervision.supervision_id, "supervision", supervision, machine.advance, self._local)
        self._all[supervision.supervision_id] = actor
        log.info("supervision-asked", **self._facts(supervision))
        self._dispatcher.add(actor, supervision, commands, [supervision.leg_id] if supervision.leg_id else [])
        self.changed()
        return actor.machine

    # --- where the agents are ---------------------------------------------------------------------------------------

    def changed(self) -> None:
        """An agent has changed: look soon, when everybody has heard of it."""
        if self._all and not self._is_look_due:
            self._is_look_due = True
            asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        self._is_look_due = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for actor in list(self._all.values()):
            self._look_at(actor)
        if self._all:
            is_sound_heard = any(supervision.hears_sound for supervision in self.all())
            delay = SOUND_LOOK_SECONDS if is_sound_heard else LOOK_SECONDS
            self._timer = asyncio.get_running_loop().call_later(delay, self._look)

    def _look_at(self, actor: Actor[Supervision]) -> None:
        supervision = actor.machine
        agent = self._desk.find(supervision.agent)
        if agent is None or agent.session_id != supervision.session_id or agent.state is AgentState.LOGGED_OFF:
            self._dispatcher.post(actor, m.SupervisionUnwanted("the agent logged out"))
            return
        if self._desk.find(supervision.supervisor) is not None:
            self._dispatcher.post(actor, m.SupervisionUnwanted("the supervisor logged in as an agent"))
            return
        leg_id, turn = agent.leg_id if agent.is_leg_up else None, self._turn(agent)
        hears_sound = agent.sound_since is not None and self._clock.now() - agent.sound_since < SOUND_SECONDS
        known = (supervision.target, supervision.hears_sound)
        if (leg_id, hears_sound) != known or (turn and turn != supervision.turn):
            self._dispatcher.post(actor, m.AgentAt(leg_id, turn, hears_sound))

    def _turn(self, agent: Agent) -> str:
        """With whom the agent's leg is; empty: with nobody."""
        call_id = agent.call_id
        if call_id is None or agent.state is not AgentState.ON_CALL or self._ids.kind(call_id) == LEFT:
            return ""
        state = self._parties.state_of(call_id)
        return f"{call_id} {state}" if state in WITH_OTHERS else call_id

    # --- after a gap ------------------------------------------------------------------------------------------------

    def after_gap(self, channels: Mapping[str, Mapping[str, Any]]) -> None:
        """Events were lost: what is gone, and what has come."""
        for actor in list(self._all.values()):
            supervision = actor.machine
            channel = channels.get(supervision.leg_id or "")
            if channel is not None:
                self._dispatcher.post(actor, m.LegCreated())
                if channel.get("state") == "Up":
                    self._dispatcher.post(actor, m.Answered())
            elif supervision.leg_id is not None and supervision.is_leg_dialled:
                self._dispatcher.post(actor, m.LegGone(is_seen=False))
        for ear in list(self._ears.values()):
            there = ear.machine.leg_id in channels
            if there and ear.machine.state is EarState.STARTING:
                self._dispatcher.post(ear, m.LegCreated())
            elif there and ear.machine.state is EarState.ANNOUNCING:
                self._dispatcher.post(ear, m.MessageEnded())
            elif not there and ear.machine.state is not EarState.STARTING:
                self._dispatcher.post(ear, m.LegGone(is_seen=False))

    # --- commands that need no Asterisk -----------------------------------------------------------------------------

    def _local(self, actor: Actor[Supervision], command: m.Command) -> bool:
        if isinstance(command, m.OpenEar):
            self._open(actor.machine, command)
        elif isinstance(command, m.CloseEar):
            ear = self._ears.get((actor.id, command.number))
            if ear is not None:
                self._dispatcher.post(ear, m.EarUnwanted())
        elif isinstance(command, m.NoteSupervision):
            self._note(actor.machine, f"supervision-{actor.machine.mode}")
        elif isinstance(command, m.EndSupervision):
            del self._all[actor.id]
            self._dispatcher.remove(actor)
            self._note(actor.machine, "supervision-ended")
        else:
            return False
        return True

    def _open(self, supervision: Supervision, command: m.OpenEar) -> None:
        ear = Ear(
            leg_id=self._ids.new(EAR),
            supervision_id=supervision.supervision_id,
            number=command.number,
            target=command.target,
            bridge_id=supervision.bridge_id,
            whispers_to=command.whispers_to,
            announcement=command.announcement,
        )
        actor = Actor(ear.leg_id, "ear", ear, ear_machine.advance, self._local_ear)
        self._ears[supervision.supervision_id, ear.number] = actor
        self._dispatcher.add(actor, *ear_machine.start(ear, self._clock.now()), (ear.leg_id,))

    def _local_ear(self, actor: Actor[Ear], command: m.Command) -> bool:
        ear = actor.machine
        if isinstance(command, m.TellSupervision):
            if isinstance(command.event, m.EarClosed) and command.event.failure:
                log.warning("ear-failed", supervision_id=ear.supervision_id, why=command.event.failure)
            owner = self._all.get(command.supervision_id)
            if owner is not None:
                self._dispatcher.post(owner, command.event)
        elif isinstance(command, m.EndEar):
            del self._ears[ear.supervision_id, ear.number]
            self._dispatcher.remove(actor)
        else:
            return False
        return True

    # --- who supervised whom ----------------------------------------------------------------------------------------

    def _note(self, supervision: Supervision, what: str) -> None:
        facts = self._facts(supervision)
        log.info(what, **facts)
        happened_at = self._clock.utc_now()
        by, of = f"supervisor:{supervision.supervisor}", f"agent:{supervision.agent}"
        self._journal.audit(AuditEntry(happened_at, by, what, of, None, facts))

    def _facts(self, supervision: Supervision) -> dict[str, Any]:
        agent = self._desk.find(supervision.agent)
        facts = {
            "supervision_id": supervision.supervision_id,
            "supervisor": supervision.supervisor,
            "agent": supervision.agent,
            "session_id": supervision.session_id,
            "mode": str(supervision.mode),
            "call_id": agent.call_id if agent is not None else None,
            "by": supervision.by,
        }
        return facts | ({"why": supervision.why} if supervision.why else {})


def shown(supervision: Supervision | None) -> dict[str, str | None]:
    """What a list of agents says of it."""
    if supervision is None:
        return {"supervisor": None, "supervision": None}
    is_on = supervision.state is SupervisionState.ON
    return {
        "supervisor": supervision.supervisor,
        "supervision": str(supervision.mode) if is_on else str(supervision.state),
    }
