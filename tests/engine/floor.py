"""A call centre's floor in virtual time: the engine's own parts on a database in memory and a switchboard in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from random import Random
from typing import Any

from stasis_dialer.core import messages as m
from stasis_dialer.core.agent import NO_MANNERS, Agent, Manners
from stasis_dialer.core.call import Call, CallState
from stasis_dialer.core.extensions import Extensions
from stasis_dialer.core.feature_codes import Codes
from stasis_dialer.core.lead_options import Law, LawPack, Retry
from stasis_dialer.core.model import Campaign, CampaignStatus, ConnectMode, Disposition, Trunk
from stasis_dialer.db.leads import NewLead
from stasis_dialer.engine.by_hand import HandCalls
from stasis_dialer.engine.caller_ids import CallerIdBook
from stasis_dialer.engine.calls import Calls
from stasis_dialer.engine.campaigns import CampaignBook
from stasis_dialer.engine.decision_log import DecisionLog
from stasis_dialer.engine.desk import Desk
from stasis_dialer.engine.dialer import Dialer
from stasis_dialer.engine.dispatch import Dispatcher
from stasis_dialer.engine.dispositions import Dispositions
from stasis_dialer.engine.features import Features
from stasis_dialer.engine.gate import NumberGate
from stasis_dialer.engine.ids import Ids
from stasis_dialer.engine.inbound import Inbound
from stasis_dialer.engine.journal import Journal
from stasis_dialer.engine.keypads import Keypads
from stasis_dialer.engine.pacing import Paces
from stasis_dialer.engine.parties import Parties
from stasis_dialer.engine.recorder import Recorder
from stasis_dialer.engine.recovery import Recovery
from stasis_dialer.engine.supervision import Supervisions
from stasis_dialer.engine.trunks import Trunks
from stasis_dialer.telemetry import Metrics
from tests.fakes.database import MemoryStore
from tests.property import virtual_time
from tests.property.switchboard import Odds, Person, Switchboard
from tests.property.virtual_time import VirtualClock

APP, ENDPOINT = "app", "PJSIP/{extension}"
SUPERVISORS = ("1090", "1091")
CAMPAIGN = Campaign(
    0,
    "spring",
    CampaignStatus.ACTIVE,
    max_channels=50,
    answer_deadline_seconds=2.0,
    wrap_up_seconds=0.0,
    retry_delay_seconds=3600.0,
    law=Law(LawPack.OFF),
    retry=Retry(calls_per_number=0),
)
TRUNK = Trunk("carrier", "PJSIP/{number}@carrier", max_channels=100, calls_per_second=100.0)


def number(n: int) -> str:
    """The n-th lead's telephone number."""
    return f"551198765{n:04d}"


class Floor:
    """Campaigns, leads, agents and calls; `placed` and `ended` tell what happened to the calls."""

    def __init__(
        self,
        *trunks: Trunk,
        before: Floor | None = None,
        is_announced: bool = False,
        manners: Manners = NO_MANNERS,
    ) -> None:
        """`before`: the floor of the process that was killed; its database and its telephones are there still."""
        app = APP
        self.clock = VirtualClock()
        self.store = before.store if before else MemoryStore()
        self.board = before.board if before else Switchboard(Random(0), Odds(), 0.0, self._hear)
        self.board.hear = self._hear
        self.board.person_at = self._person_at
        self.board.is_deaf = False
        self.refusing: set[str] = before.refusing if before else set()
        """Trunks whose calls are refused."""
        self.board.refuses = lambda endpoint: endpoint.partition("@")[2] in self.refusing
        self.people: dict[str, Person] = before.people if before else {}
        self.anybody = before.anybody if before else Person(picks_up_after=3.0, hangs_up_after=30.0)
        self.trunks = Trunks(trunks or (TRUNK,), self.clock)
        self.caller_ids = CallerIdBook(self.clock, self.store.calls)
        self.dispatcher = Dispatcher(self.clock, self.board.execute)
        self.journal = Journal(self.store.calls, self.store.agents, self.store.audit)
        self.book = CampaignBook(self.store.campaigns, None)
        self.ids = Ids(app)
        self.paces = Paces(self.clock, self.store.decisions)
        self.keypads = Keypads(self.clock, Codes(), lambda agent, pressed: self.features.carry_out(agent, pressed))
        self.dispositions = Dispositions(self.dispatcher, self.journal, self.clock, self.book.of)
        self.desk = Desk(
            self.dispatcher,
            self.clock,
            self.journal,
            self.dispositions,
            self.ids,
            app,
            Extensions(ENDPOINT),
            "",
            self.book.all,
            self._wake,
            self._agent_changed,
            self.keypads,
            manners,
        )
        self.keypads.watch(self.desk.find)
        self.recorder = Recorder(self.dispatcher, self.clock, self.ids, Metrics())
        self.parties = Parties(
            self.dispatcher,
            self.clock,
            self.desk,
            self.trunks,
            self.book,
            NumberGate(self.clock, self.store.dnc),
            self.recorder,
            self.ids,
        )
        self.supervisions = Supervisions(
            self.dispatcher,
            self.clock,
            self.desk,
            self.parties,
            self.journal,
            self.ids,
            ENDPOINT,
            SUPERVISORS,
            is_announced,
        )
        self.ended: list[Call] = []
        self.calls = Calls(
            self.dispatcher,
            self.clock,
            self.journal,
            self.desk,
            self.trunks,
            self.caller_ids,
            self.ids,
            app,
            (Metrics(), self.paces, self.recorder, self.parties),
            self._call_ended,
        )
        self.calls.parties = self.parties
        self.hand = HandCalls(
            self.clock, self.book, self.calls, self.desk, self.store.by_hand, self.ids, app, lease_seconds=120.0
        )
        self.dialer = Dialer(
            self.clock,
            self.book,
            self.calls,
            self.desk,
            self.trunks,
            self.caller_ids,
            self.store.leads,
            self.paces,
            DecisionLog(self.clock, self.store.decisions),
            self.ids,
            app,
            lease_seconds=120.0,
            tick_seconds=0.5,
            hand=self.hand,
        )
        self.features = Features(self.desk, self.parties, self.recorder, self.hand)
        self.dialer.is_connected = True
        self.inbound = Inbound(
            self.dispatcher,
            self.clock,
            self.calls,
            self.desk,
            self.book,
            self.trunks,
            self.store.calls,
            self.store.leads,
            app,
            120.0,
        )
        self.refused: list[str] = []
        """Channels whose number is nobody's."""
        self.recovery = Recovery(
            self.board,
            self.dispatcher,
            self.clock,
            self.calls,
            self.desk,
            self.trunks,
            self.book,
            self.ids,
            app,
            ENDPOINT,
            self.recorder,
            self.parties,
            self.supervisions,
        )
        self.successor: Floor | None = None
        self._tasks: list[asyncio.Task[None]] = []

    # --- what a test arranges ---------------------------------------------------------------------------------------

    async def campaign(self, leads: int, **changes: Any) -> Campaign:
        """A campaign with so many leads."""
        wanted = replace(CAMPAIGN, **changes)
        stored = await self.store.campaigns.create(wanted, "test", self.clock.utc_now())
        first = len(self.store.rows)
        new = [NewLead("Ana", number(first + n)) for n in range(leads)]
        await self.store.leads.insert_many(stored.campaign.id, new, self.clock.utc_now())
        return stored.campaign

    async def change(self, campaign: Campaign, **changes: Any) -> None:
        """As the old panel changes a campaign."""
        await self.store.campaigns.update(campaign.id, changes, "test", self.clock.utc_now())

    async def agents(self, *extensions: str, on_demand: bool = False, campaigns: tuple[int, ...] = ()) -> None:
        """Agents who are available."""
        await self.book.refresh()
        for extension in extensions:
            self.people.setdefault(f"PJSIP/{extension}", Person(picks_up_after=0.2))
            connect = ConnectMode.ON_DEMAND if on_demand else ConnectMode.ALWAYS_ON
            self.desk.log_in(extension, campaigns, connect)
        await asyncio.sleep(1.0)

    def start(self) -> None:
        """The dialer dials and the journal writes."""
        self._tasks += [asyncio.create_task(self.journal.run()), asyncio.create_task(self.dialer.run())]

    def calls_in(self, leg_id: str, called: str, caller: str) -> None:
        """A customer calls one of our numbers."""
        self.board.arrive(leg_id)
        self.inbound.entered(leg_id, called, caller, self.refused.append)

    async def is_killed(self) -> Floor:
        """The process dies at once, and another one starts; what happens in between is heard by nobody."""
        await self.stop()
        self.board.is_deaf = True
        return self

    async def starts_again(self) -> Floor:
        """The next process, after it has taken over what it found."""
        floor = Floor(before=self)
        await floor.book.refresh()
        await floor.recovery.after_start(floor.store.calls, floor.store.agents, floor.store.leads)
        floor.start()
        self.successor = floor
        return floor

    async def stop(self) -> None:
        if self.successor is not None:
            await self.successor.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.dispatcher.close()

    # --- what a test looks at ---------------------------------------------------------------------------------------

    def placed(self, campaign: Campaign | None = None) -> int:
        """How many calls were begun."""
        over = [call for call in self.ended if campaign is None or call.campaign.id == campaign.id]
        return len(over) + len(self.calls.all() if campaign is None else self.calls.of(campaign.id))

    def reason(self, campaign: Campaign) -> str:
        return self.dialer.reasons()[campaign.id]

    def outcomes(self, campaign: Campaign | None = None) -> list[Disposition | None]:
        return [call.disposition for call in self.ended if campaign is None or call.campaign.id == campaign.id]

    def unanswered(self) -> int:
        """Calls that may still need an agent."""
        states = (CallState.ORIGINATING, CallState.RINGING, CallState.QUEUED)
        return sum(call.state in states for call in self.calls.all())

    def _hear(self, leg_id: str, event: m.Event) -> bool:
        return self.dispatcher.post_to_leg(leg_id, event)

    def _person_at(self, endpoint: str) -> Person:
        return self.people.get(endpoint, self.anybody)

    def _agent_changed(self, before: Agent | None, after: Agent) -> None:
        self.paces.agent_changed(before, after)
        self.supervisions.changed()

    def _wake(self) -> None:
        self.dialer.wake()

    def _call_ended(self, call: Call) -> None:
        self.dispositions.call_ended(call)
        self.ended.append(call)
        self._wake()


def on_the_floor(story: Callable[[Floor], Awaitable[None]], *trunks: Trunk, **manner: Any) -> None:
    """Play a story in virtual time, and take the floor down."""

    async def play() -> None:
        floor = Floor(*trunks, **manner)
        try:
            await story(floor)
            assert floor.dispatcher.broken == 0
        finally:
            await floor.stop()

    virtual_time.run(play)
