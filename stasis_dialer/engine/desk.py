"""The agents' desk: live sessions and their legs, and the customers who wait for one of them.

Guarantees that a customer is given to an agent who is available, that one agent has one customer, and that whoever is
reserved for a call is given back when the call is over, however it ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import structlog

from stasis_dialer.core import agent as agent_machine
from stasis_dialer.core import messages as m
from stasis_dialer.core.agent import NO_MANNERS, Agent, Manners
from stasis_dialer.core.call import Call
from stasis_dialer.core.evolve import evolve
from stasis_dialer.core.extensions import WHAT_IT_IS, Extensions
from stasis_dialer.core.model import AgentState, Campaign, ConnectMode
from stasis_dialer.core.options import NO_DISPOSITIONS
from stasis_dialer.core.routing import choose_agent
from stasis_dialer.engine.actor import Actor
from stasis_dialer.engine.agent_legs import LONGEST_SHIFT_SECONDS, assigned, leg_variables
from stasis_dialer.engine.clock import Clock
from stasis_dialer.engine.dispatch import Dispatcher
from stasis_dialer.engine.dispositions import Dispositions
from stasis_dialer.engine.ids import AGENT_LEG, BRIDGE, LEFT, SESSION, Ids
from stasis_dialer.engine.journal import Journal
from stasis_dialer.engine.keypads import Keypads
from stasis_dialer.engine.members import Serving
from stasis_dialer.engine.sessions import SessionClock, session_of
from stasis_dialer.errors import Refused

log = structlog.get_logger(__name__)

SHOWN_SLACK_SECONDS: Final = 10.0
"""An agent's own deadline comes after that of the lead that is shown. Not measured."""
DEFAULT: Final = "default"
"""Who disposed a call whose agent said nothing in time."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    call_id: str
    campaign: Campaign
    name: str
    number: str
    answered_at: float
    prefers: str | None = None
    is_inbound: bool = False
    only: str | None = None
    """The one agent who is wanted."""
    is_transfer: bool = False
    is_by_hand: bool = False


class Desk:
    """Every agent who is logged in, and every customer who needs one."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        clock: Clock,
        journal: Journal,
        dispositions: Dispositions,
        ids: Ids,
        app: str,
        extensions: Extensions,
        auto_answer_header: str,
        campaigns: Callable[[], Mapping[int, Campaign]],
        on_free: Callable[[], None],
        on_change: Callable[[Agent | None, Agent], None] = lambda before, after: None,
        keypads: Keypads | None = None,
        manners: Manners = NO_MANNERS,
        serving: Callable[[str, Iterable[int]], Serving] = lambda extension, chosen: (frozenset(chosen), {}),
    ) -> None:
        self._dispatcher = dispatcher
        self._clock = clock
        self._journal = journal
        self._dispositions = dispositions
        self._ids = ids
        self._app = app
        self._extensions = extensions
        self._auto_answer_header = auto_answer_header
        self._campaigns = campaigns
        self._on_free = on_free
        self._on_change = on_change
        self._keypads = keypads
        self._manners = manners
        self._serving = serving
        self._session_clock = SessionClock(clock)
        self._last_told: dict[str, Agent] = {}
        self._by_extension: dict[str, Actor[Agent]] = {}
        self._with_call: dict[str, Actor[Agent]] = {}
        self._kept: dict[str, Actor[Agent]] = {}
        """By transfer the agent who transfers: the call's end does not free them, the transfer does."""
        self._waiting: dict[str, _Waiting] = {}
        self._registered: set[str] | None = None
        self._is_match_due = False

    # --- what others see --------------------------------------------------------------------------------------------

    def agents(self) -> list[Agent]:
        """Every session that is not over."""
        return [actor.machine for actor in self._by_extension.values()]

    def find(self, extension: str) -> Agent | None:
        """The session of an extension."""
        actor = self._by_extension.get(extension)
        return actor.machine if actor else None

    def expect(self, extension: str) -> Agent:
        """The session of an extension. Raises: Refused when it is not logged in."""
        agent = self.find(extension)
        if agent is None:
            raise Refused(f"the agent is not logged in: extension={extension}; log in with: agent login {extension}")
        return agent

    def free_extensions(self, campaign_id: int) -> list[str]:
        """Available agents of a campaign."""
        return [a.extension for a in self.agents() if a.state is AgentState.AVAILABLE and a.serves(campaign_id)]

    def free(self) -> list[frozenset[int]]:
        """For each available agent the campaigns served (empty: all)."""
        return [a.campaigns for a in self.agents() if a.state is AgentState.AVAILABLE]

    # --- customers --------------------------------------------------------------------------------------------------

    def seek(self, call: Call) -> None:
        """A customer needs an agent: now, or as soon as one is free."""
        name = call.lead.name if call.lead else ""
        answered_at = call.answered_at if call.answered_at is not None else self._clock.now()
        self._waiting[call.call_id] = _Waiting(
            call.call_id, call.campaign, name, call.number, answered_at, _prefers(call), call.is_inbound
        )
        self._match()

    def ahead_of(self, call_id: str) -> int:
        """How many customers who called the same campaign before this one still wait."""
        own = self._waiting.get(call_id)
        if own is None:
            return 0
        return sum(
            it.is_inbound and it.campaign.id == own.campaign.id and it.answered_at < own.answered_at
            for it in self._waiting.values()
        )

    def withdraw(self, call_id: str, is_broken: bool) -> None:
        """The customer needs no agent any more; a broken agent's leg is looked after."""
        self._waiting.pop(call_id, None)
        actor = self._with_call.pop(call_id, None)
        if actor is None:
            return
        self._dispatcher.post(actor, m.CustomerGone(call_id))
        if is_broken and actor.machine.is_always_on and actor.machine.bridge_id:
            self._dispatcher.post(actor, m.JoinFailed(actor.machine.bridge_id, "a customer could not be added"))

    def joined(self, call_id: str) -> None:
        """The customer is in the agent's bridge."""
        actor = self._with_call.get(call_id)
        if actor is not None:
            self._dispatcher.post(actor, m.CustomerJoined(call_id))

    def over(self, call_id: str) -> None:
        """The call has ended: whoever had it is free of it."""
        self.withdraw(call_id, is_broken=False)

    # --- transfers --------------------------------------------------------------------------------------------------

    def keep(self, call_id: str, transfer_id: str) -> None:
        """From here on the transfer decides when the call's agent is free."""
        actor = self._with_call.pop(call_id, None)
        if actor is not None:
            self._kept[transfer_id] = actor

    def take_back(self, call_id: str, transfer_id: str) -> None:
        """Agent and customer talk as before."""
        actor = self._kept.pop(transfer_id, None)
        if actor is not None:
            self._with_call[call_id] = actor

    def let_go(self, transfer_id: str, is_broken: bool) -> None:
        """The agent who transferred is free of the call."""
        actor = self._kept.pop(transfer_id, None)
        if actor is None:
            return
        call_id = actor.machine.call_id
        if call_id is not None:
            self._dispatcher.post(actor, m.CustomerGone(call_id))
        if is_broken and actor.machine.is_always_on and actor.machine.bridge_id:
            self._dispatcher.post(actor, m.JoinFailed(actor.machine.bridge_id, "the leg could not be brought home"))

    def seek_target(self, transfer_id: str, call: Call, campaign: Campaign, only: str | None) -> None:
        """An agent is wanted for a transfer: this one, or any of the campaign's."""
        name = call.lead.name if call.lead else ""
        since = call.answered_at if call.answered_at is not None else self._clock.now()
        self._waiting[transfer_id] = _Waiting(
            transfer_id, campaign, name, call.number, since, only=only, is_transfer=True
        )
        self._match()

    def hand_over(self, call_id: str, transfer_id: str, campaign: Campaign) -> None:
        """The agent found for the transfer has the call itself; the other one only leaves it behind."""
        found, kept = self._with_call.pop(transfer_id, None), self._kept.get(transfer_id)
        if kept is not None:
            self._dispatcher.post(kept, m.CustomerIs(call_id, self._ids.new(LEFT), is_mine=False))
        if found is None:
            return
        self._with_call[call_id] = found
        self._dispatcher.post(found, m.CustomerIs(transfer_id, call_id, dispositions=campaign.dispositions))
        self._dispatcher.post(found, m.CustomerJoined(call_id))

    def _match(self) -> None:
        """Give waiting customers, the longest waiting first, to the agents who fit.

        An agent in the midst of a change is left for later: what still waits in the inbox speaks of the last customer,
        and would be taken for news of this one. Becoming available asks for a match, which comes after the change.
        """
        self._is_match_due = False
        for waiting in sorted(self._waiting.values(), key=lambda w: w.answered_at):
            settled = (
                actor.machine
                for extension, actor in self._by_extension.items()
                if not actor.is_draining and waiting.only in (None, extension)
            )
            campaign = waiting.campaign
            agent = choose_agent(
                settled,
                campaign.id,
                waiting.prefers,
                campaign.routing.strategy,
                is_anyone=waiting.only is not None,
            )
            if agent is not None:
                del self._waiting[waiting.call_id]
                self._assign(self._by_extension[agent.extension], waiting)
        self._on_free()

    def show(self, extension: str, call: Call) -> bool:
        """Reserve an agent for a lead to look at; False when the agent is not available any more."""
        actor = self._by_extension.get(extension)
        if actor is None or actor.is_draining or actor.machine.state is not AgentState.AVAILABLE:
            return False
        now = self._clock.now()
        seconds = (call.deadline or now) - now + SHOWN_SLACK_SECONDS
        self._with_call[call.call_id] = actor
        step = agent_machine.show(actor.machine, assigned(self._ids, call.call_id, call.campaign), seconds, now)
        self._dispatcher.apply(actor, *step)
        return True

    def fetch(self, call: Call) -> bool:
        """Make the agent of such a call ready; False when the agent has gone."""
        actor = self._with_call.get(call.call_id)
        if actor is None or not actor.machine.is_shown or actor.machine.call_id != call.call_id:
            return False
        name = call.lead.name if call.lead else ""
        self._assign(
            actor, _Waiting(call.call_id, call.campaign, name, call.number, self._clock.now(), is_by_hand=True)
        )
        return True

    def _assign(self, actor: Actor[Agent], waiting: _Waiting) -> None:
        agent, campaign = actor.machine, waiting.campaign
        event = assigned(self._ids, waiting.call_id, campaign, is_by_hand=waiting.is_by_hand)
        if waiting.is_transfer:
            event = replace(event, dispositions=NO_DISPOSITIONS)
        create = None
        if not agent.is_always_on:
            header = self._auto_answer_header if campaign.auto_answer else ""
            limit = campaign.agent_ring_seconds + campaign.max_call_seconds + 60
            variables = leg_variables(agent, limit, waiting.name, waiting.number, header)
            create = m.CreateLeg(event.leg_id, agent.endpoint, variables)
        self._with_call[waiting.call_id] = actor
        machine, commands = agent_machine.assign(agent, event, create, self._clock.now())
        self._dispatcher.apply(actor, machine, commands)

    # --- logging in and out -----------------------------------------------------------------------------------------

    def log_in(self, extension: str, campaigns: Iterable[int] = (), connect: ConnectMode | None = None) -> Agent:
        """Open a session; an always-on agent's telephone is called.

        Raises: Refused when the extension is no extension, is logged in, or its telephone is not registered.
        """
        self._check(extension)
        if connect is None:
            connect = self._connect_mode(extension, campaigns)
        if connect is ConnectMode.ALWAYS_ON and self._registered is not None and extension not in self._registered:
            raise Refused(f"the telephone is not registered: extension={extension}; is it switched on?")
        actor = self._open(extension, campaigns, connect)
        agent, now = actor.machine, self._clock.now()
        if connect is ConnectMode.ON_DEMAND:
            self._dispatcher.add(actor, *agent_machine.sit_down(agent, now), ())
            return actor.machine
        self._dispatcher.add(actor, *self._call_phone(agent), ())
        return actor.machine

    def _call_phone(self, agent: Agent) -> agent_machine.Step:
        """Call an always-on agent's telephone."""
        leg_id, bridge_id = self._ids.new(AGENT_LEG), self._ids.new(BRIDGE)
        create = m.CreateLeg(leg_id, agent.endpoint, leg_variables(agent, LONGEST_SHIFT_SECONDS))
        return agent_machine.call_phone(agent, leg_id, bridge_id, create, self._clock.now())

    def phone_logs_in(self, extension: str, leg_id: str, campaigns: Iterable[int] = ()) -> Agent:
        """Open a session for the telephone that called us, or go on with its session; `leg_id` is its channel.

        Whoever sits at the telephone is the agent: a session of that extension without a customer is over, such as that
        of a telephone that was switched off and on again. One who talks on a leg that may be dead goes on with the
        customer on the new one; one who holds or transfers the customer does not, as the transfer knows the old leg.
        Raises: Refused when the extension is no extension, or has a customer on a leg that is well.
        """
        known = self._by_extension.get(extension)
        if known is not None and self._may_change_leg(known):
            log.warning("agent-on-new-leg", agent=extension, call_id=known.machine.call_id, leg=leg_id)
            self._dispatcher.apply(known, *agent_machine.change_leg(known.machine, leg_id, self._clock.now()))
            return known.machine
        self._take_over(extension)
        self._check(extension)
        connect = self._connect_mode(extension, campaigns)
        actor = self._open(extension, campaigns, connect)
        agent, now = actor.machine, self._clock.now()
        if connect is ConnectMode.ON_DEMAND:
            self._dispatcher.add(actor, *agent_machine.sit_down(agent, now), ())
            return actor.machine
        step = agent_machine.phone_called(agent, leg_id, self._ids.new(BRIDGE), now)
        self._dispatcher.add(actor, *step, (leg_id,))
        return actor.machine

    def tell(self, extension: str, event: m.Event) -> Agent:
        """Hand an agent's wish (pause, unpause, logout, wrap-up done) to the session.

        Raises: Refused when the extension is not logged in.
        """
        actor = self._by_extension.get(extension)
        if actor is None:
            raise Refused(f"the agent is not logged in: extension={extension}; log in with: agent login {extension}")
        self._dispatcher.post(actor, event)
        return actor.machine

    def serve(self, extension: str, serving: Serving) -> None:
        """An agent serves other campaigns from now on."""
        actor = self._by_extension.get(extension)
        if actor is not None:
            self._dispatcher.post(actor, m.ServesChanged(*serving))

    def say(self, extension: str, media: str) -> None:
        """Play something short to an agent whose leg is up; nobody else hears it."""
        actor = self._by_extension.get(extension)
        if actor is not None:
            self._dispatcher.apply(actor, *agent_machine.say(actor.machine, media, self._clock.now()))
            self._tell_changed(actor.machine)

    def log_all_out(self) -> int:
        """Everybody goes home; answers how many."""
        actors = list(self._by_extension.values())
        for actor in actors:
            self._dispatcher.post(actor, m.LogoutRequested())
        return len(actors)

    def adopt(self, agent: Agent, commands: Iterable[m.Command] = (), logged_in_at: datetime | None = None) -> None:
        """Take over a session that was found after a restart; `logged_in_at` is its login as it was written."""
        serves, penalties = self._serving(agent.extension, agent.chosen)
        agent = evolve(agent, manners=self._manners, campaigns=serves, penalties=penalties)
        self._session_clock.tie(agent.session_id, agent.logged_in_at, logged_in_at)
        actor = self._actor(agent)
        self._by_extension[agent.extension] = actor
        if agent.call_id:
            self._with_call[agent.call_id] = actor
        self._dispatcher.add(actor, agent, commands, [agent.leg_id] if agent.leg_id else [])
        if agent.state is AgentState.AVAILABLE:
            self._match_soon()

    def phones(self, registered: set[str]) -> None:
        """Which telephones can be reached now; sessions hear only of changes. The first look sees no telephone go."""
        before, self._registered = self._registered, registered
        for extension, actor in list(self._by_extension.items()):
            is_there = extension in registered
            if before is None or is_there != (extension in before) or is_there != actor.machine.is_registered:
                is_loss = before is not None and extension in before
                self._dispatcher.post(actor, m.PhoneRegistered() if is_there else m.PhoneUnregistered(is_loss))

    def _may_change_leg(self, actor: Actor[Agent]) -> bool:
        is_with_call = self._with_call.get(actor.machine.call_id or "") is actor
        return is_with_call and agent_machine.may_change_leg(actor.machine)

    def _take_over(self, extension: str) -> None:
        known = self._by_extension.get(extension)
        if known is not None and known.machine.call_id is None and known.machine.state is not AgentState.LOGGED_OFF:
            log.warning("agent-logs-in-again", agent=extension, session_id=known.machine.session_id)
            self._dispatcher.post(known, m.LogoutRequested())

    def _check(self, extension: str) -> None:
        if not self._extensions.has(extension):
            raise Refused(f"not an extension: {extension[:20]!r}; {WHAT_IT_IS}, and no trunk")
        known = self._by_extension.get(extension)
        if known is not None and known.machine.state is not AgentState.LOGGED_OFF:
            raise Refused(f"the agent is logged in already: extension={extension} state={known.machine.state}")

    def _connect_mode(self, extension: str, campaigns: Iterable[int]) -> ConnectMode:
        """Always-on as soon as one of the campaigns wants it: such a leg serves the others too."""
        known = self._campaigns()
        wanted = set(self._serving(extension, campaigns)[0])
        modes = {c.connect for c in known.values() if not wanted or c.id in wanted}
        if modes and ConnectMode.ALWAYS_ON not in modes:
            return ConnectMode.ON_DEMAND
        return ConnectMode.ALWAYS_ON

    def _open(self, extension: str, campaigns: Iterable[int], connect: ConnectMode) -> Actor[Agent]:
        now = self._clock.now()
        serves, penalties = self._serving(extension, campaigns)
        agent = Agent(
            session_id=self._ids.new(SESSION),
            extension=extension,
            endpoint=self._extensions.template.format(extension=extension),
            connect=connect,
            campaigns=serves,
            chosen=frozenset(campaigns),
            penalties=penalties,
            state=AgentState.LOGGED_OFF,
            since=now,
            logged_in_at=now,
            free_since=now,
            is_registered=self._registered is None or extension in self._registered,
            manners=self._manners,
        )
        self._session_clock.tie(agent.session_id, now)
        actor = self._actor(agent)
        self._by_extension[extension] = actor
        log.info("agent-login", agent=extension, session_id=agent.session_id, connect=str(connect))
        return actor

    def _actor(self, agent: Agent) -> Actor[Agent]:
        return Actor(agent.session_id, "agent", agent, agent_machine.advance, self._local)

    # --- commands that need no Asterisk -----------------------------------------------------------------------------

    def _local(self, actor: Actor[Agent], command: m.Command) -> bool:
        if isinstance(command, m.TellCall):
            call = self._dispatcher.find(command.call_id)
            if call is not None:
                self._dispatcher.post(call, command.event)
            elif not isinstance(command.event, m.AgentLost):
                self._dispatcher.post(actor, m.CustomerGone(command.call_id))
        elif isinstance(command, m.Save):
            self._journal.session(session_of(actor.machine, self._app, self._session_clock))
            self._tell_changed(actor.machine)
            if actor.machine.state is AgentState.AVAILABLE:
                self._match_soon()
        elif isinstance(command, m.DisposeCall):
            self._dispose(actor.machine, command)
        elif isinstance(command, m.CallPhone):
            self._dispatcher.apply(actor, *self._call_phone(actor.machine))
        elif isinstance(command, m.CollectKey):
            if self._keypads is not None:
                self._keypads.pressed(actor.machine, command.key)
        elif isinstance(command, m.EndSession):
            self._end(actor)
        else:
            return False
        return True

    def _dispose(self, agent: Agent, said: m.DisposeCall) -> None:
        choice = agent.dispositions.find(said.code)
        if choice is not None:
            by = DEFAULT if said.is_default else agent.extension
            self._dispositions.give(said.call_id, said.campaign_id, choice, by, said.callback_at)

    def _tell_changed(self, agent: Agent) -> None:
        before = self._last_told.get(agent.session_id)
        self._last_told[agent.session_id] = agent
        self._on_change(before, agent)

    def _end(self, actor: Actor[Agent]) -> None:
        agent = actor.machine
        self._journal.session(session_of(agent, self._app, self._session_clock))
        self._session_clock.forget(agent.session_id)
        self._tell_changed(agent)
        del self._last_told[agent.session_id]
        self._dispatcher.remove(actor)
        if self._keypads is not None:
            self._keypads.forget(agent.session_id)
        if self._by_extension.get(agent.extension) is actor:
            del self._by_extension[agent.extension]
        for owners in (self._with_call, self._kept):
            for id_ in [id_ for id_, owner in owners.items() if owner is actor]:
                del owners[id_]
        log.info("agent-logout", agent=agent.extension, session_id=agent.session_id)

    def _match_soon(self) -> None:
        if not self._is_match_due:
            self._is_match_due = True
            asyncio.get_running_loop().call_soon(self._match)


def _prefers(call: Call) -> str | None:
    """The agent who promised the call, or whom the customer knows."""
    return (call.lead.callback_agent if call.lead else None) or call.prefers
