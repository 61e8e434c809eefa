"""Random stories over calls, agents, desk, dispatcher and journal: whatever goes wrong, everything ends well."""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from stasis_dialer.core import messages as m
from stasis_dialer.core.agent import Manners
from stasis_dialer.core.call import Call, CallState, arrive
from stasis_dialer.core.extensions import Extensions
from stasis_dialer.core.feature_codes import Codes
from stasis_dialer.core.model import (
    AgentSession,
    AgentState,
    CallRecord,
    Campaign,
    ConnectMode,
    DialMode,
    DisposedCall,
    Lead,
    LeadOutcome,
    LeadStatus,
    Reservation,
    Trunk,
)
from stasis_dialer.core.options import (
    Amd,
    AmdMode,
    Broadcast,
    Choice,
    Dispositions,
    MachineAction,
    OnTimeout,
    Preview,
    Recording,
    RecordingChannels,
    RecordingMode,
)
from stasis_dialer.db.audit import AuditEntry
from stasis_dialer.db.by_hand import Typed
from stasis_dialer.engine.by_hand import HandCalls
from stasis_dialer.engine.caller_ids import CallerIdBook
from stasis_dialer.engine.calls import Calls
from stasis_dialer.engine.campaigns import CampaignBook
from stasis_dialer.engine.desk import Desk
from stasis_dialer.engine.dispatch import Dispatcher
from stasis_dialer.engine.dispositions import Dispositions as Disposed
from stasis_dialer.engine.features import Features
from stasis_dialer.engine.gate import NumberGate
from stasis_dialer.engine.ids import Ids
from stasis_dialer.engine.journal import Journal
from stasis_dialer.engine.keypads import Keypads
from stasis_dialer.engine.parties import Parties
from stasis_dialer.engine.recorder import Recorder
from stasis_dialer.engine.recovery import Recovery
from stasis_dialer.engine.supervision import Supervisions
from stasis_dialer.engine.trunks import Trunks
from stasis_dialer.errors import DatabaseUnavailable, Refused
from stasis_dialer.telemetry import Metrics
from tests.property.switchboard import Odds, Person, Switchboard
from tests.property.virtual_time import VirtualClock, run

STORY_SECONDS = 240.0
LONGEST_CALL_SECONDS = 120.0
CALM_SECONDS = 1200.0
"""For every deadline to pass and every hang-up to be repeated, once nothing fails any more."""
LATEST_SECONDS = 60.0
"""For the last late event to arrive. Then the events' socket is connected anew, as after every loss of events."""
ALONE_SECONDS = 6.0
"""That a move may take before it is repeated. With lost events it is as long as a call."""
EXTENSIONS = ("1001", "1002", "1003")
SUPERVISORS = ("1090", "1091", "1092")
MESSAGE = "sound:sorry"
TRUNKS = (
    Trunk("carrier", "PJSIP/{number}@carrier", order=1),
    Trunk("backup", "PJSIP/{number}@backup", order=2, max_channels=2),
)


@dataclass(frozen=True)
class Deed:
    """Something that a person or the pacing does at a moment of the story."""

    at: float
    what: str
    who: int = 0
    is_on_demand: bool = False


DEEDS = ("call",) * 12 + ("log_in", "phone_logs_in", "log_out", "pause", "unpause", "wrap_up_done")
DEEDS += ("pause_recording", "resume_recording")
DEEDS += ("customer_calls",) * 2
DEEDS += ("hold", "unhold", "complete", "complete", "cancel", "conference")
DEEDS += ("transfer_to_number", "transfer_to_number", "transfer_to_agent", "transfer_to_agent", "transfer_to_queue")
DEEDS += ("agent_hangs_up", "customer_hangs_up", "stop_call", "phone_unregistered", "phone_registered", "gap")
DEEDS += ("phone_starts_anew",)
DEEDS += ("show", "dial", "accept", "accept", "skip")
DEEDS += ("supervise", "supervise", "supervisor_calls", "supervisor_presses", "supervisor_hangs_up", "unsupervise")
DEEDS += ("dispose", "key", "keys", "customer_presses")
CODES = ("*53*54", "*55", "*561#", "*41", "*42", "*45", "*46", "*47", "*48", "*49")
CHOICES = (Choice("sale", "1", success=True), Choice("later", "2", callback=True), Choice("robot", "3", machine=True))
MANNERS = (Manners(), Manners("sound:beep", has_music=True), Manners("sound:beep", True, may_call_back=True))
FORCED = Dispositions(CHOICES, is_forced=True, max_wrap_up_seconds=20.0, default="robot")
deeds = st.builds(
    Deed,
    at=st.sampled_from([0.0, 0.0, 1.0, 1.5, 3.0, 5.0, 8.0, 13.0, 21.0, 34.0, 55.0, 90.0, 150.0, 200.0]),
    what=st.sampled_from(DEEDS),
    who=st.integers(0, 2),
    is_on_demand=st.booleans(),
)
percent = st.sampled_from([0, 0, 3, 15, 40])
odds = st.builds(Odds, percent, percent, percent, percent, percent, percent)
campaigns = st.builds(
    Campaign,
    st.just(1),
    st.just("spring"),
    ring_timeout_seconds=st.sampled_from([15.0, 30.0]),
    answer_deadline_seconds=st.sampled_from([0.5, 2.0, 10.0]),
    safe_harbour_media=st.sampled_from([None, MESSAGE]),
    preview=st.builds(Preview, st.sampled_from([1.0, 30.0]), st.sampled_from(OnTimeout)),
    dispositions=st.sampled_from([Dispositions(), Dispositions(CHOICES), FORCED]),
    wrap_up_seconds=st.sampled_from([0.0, 0.0, 3.0, 20.0]),
    agent_ring_seconds=st.sampled_from([2.0, 10.0]),
    max_call_seconds=st.just(LONGEST_CALL_SECONDS),
    mode=st.sampled_from([DialMode.PROGRESSIVE, DialMode.PROGRESSIVE, DialMode.BROADCAST]),
    broadcast=st.sampled_from([Broadcast("sound:offer"), Broadcast("sound:offer", "1", "9", "2", "sound:removed")]),
    amd=st.builds(
        Amd,
        st.sampled_from([AmdMode.OFF, AmdMode.OFF, *AmdMode]),
        st.sampled_from(list(MachineAction)),
        st.booleans(),
        st.just("sound:call-us-back"),
    ),
    recording=st.builds(
        Recording,
        st.sampled_from(RecordingMode),
        st.sampled_from(RecordingChannels),
        announcement=st.sampled_from([None, MESSAGE]),
    ),
)


@dataclass
class Books:
    """The database as the journal sees it; it is away now and then."""

    random: Random
    percent_away: int
    finished: list[tuple[CallRecord, LeadOutcome | None]] = field(default_factory=list)
    records: list[CallRecord] = field(default_factory=list)
    sessions: list[AgentSession] = field(default_factory=list)
    disposed: list[DisposedCall] = field(default_factory=list)

    async def save(self, records: Sequence[CallRecord]) -> None:
        self._use()
        self.records += records

    async def finish(self, closed: Sequence[tuple[CallRecord, LeadOutcome | None]]) -> None:
        self._use()
        self.finished += closed

    async def caller_id_counts(self, since: Any) -> dict[str, int]:
        return {}

    async def dispose(self, made: DisposedCall) -> None:
        self._use()
        self.disposed.append(made)

    async def write(self, entry: AuditEntry) -> None:
        self._use()

    async def find(self) -> list[Any]:
        return []

    async def save_sessions(self, sessions: Sequence[AgentSession]) -> None:
        self._use()
        self.sessions += sessions

    def _use(self) -> None:
        if self.random.randrange(100) < self.percent_away and asyncio.get_running_loop().time() < STORY_SECONDS:
            raise DatabaseUnavailable


class Hands:
    """The database's reservation of typed numbers."""

    def __init__(self, books: Books, placed: list[str]) -> None:
        self._books = books
        self._placed = placed

    async def reserve(self, campaign: Campaign, typed: Typed, now: Any, app: str, lease_seconds: float) -> Lead | None:
        await asyncio.sleep(self._books.random.choice([0.0, 0.01, 3.0]))
        self._books._use()
        self._placed.append(typed.call_id)
        number = len(self._placed)
        return Lead(number, 1, "Ana", typed.number, attempts=1, status=LeadStatus.CALLING) if number % 2 else None


class NobodyListed:
    """A do-not-call list without entries."""

    def __init__(self, random: Random) -> None:
        self._random = random

    async def contains(self, number: str, campaign_id: int | None, now: Any) -> bool:
        await asyncio.sleep(self._random.choice([0.0, 0.01, 3.0]))
        return False


class WatchedDispatcher(Dispatcher):
    """Looks at every event before it is handed over."""

    world: World
    heard = 0
    """Events of all stories so far."""

    def post(self, actor: Any, event: m.Event) -> None:
        WatchedDispatcher.heard += 1
        self.world.about_to_hear(actor, event)
        super().post(actor, event)
        self.world.look()


class World:
    """The engine's real parts around a switchboard in which things go wrong."""

    def __init__(self, random: Random, odds: Odds, campaign: Campaign) -> None:
        self.random = random
        self.campaign = campaign
        self.clock = VirtualClock()
        self.board = Switchboard(random, odds, STORY_SECONDS, self._hear)
        self.dispatcher = WatchedDispatcher(self.clock, self.board.execute)
        self.dispatcher.world = self
        self.books = Books(random, odds.request_fails)
        self.journal = Journal(self.books, self.books, self.books)
        self.trunks = Trunks(TRUNKS, self.clock)
        self.caller_ids = CallerIdBook(self.clock, self.books)
        self.ids = Ids("app")
        self.book = CampaignBook(self.books, None)
        self.book._by_id = self.book._known = {1: campaign}
        self.wishes: list[asyncio.Task[None]] = []
        self.frees = 0
        self.keypads = Keypads(self.clock, Codes(), lambda agent, pressed: self.features.carry_out(agent, pressed))
        self.dispositions = Disposed(self.dispatcher, self.journal, self.clock, lambda _: campaign)
        self.desk = Desk(
            self.dispatcher,
            self.clock,
            self.journal,
            self.dispositions,
            self.ids,
            "app",
            Extensions(),
            "",
            lambda: {1: campaign},
            self._freed,
            keypads=self.keypads,
            on_change=lambda before, after: self.supervisions.changed(),
            manners=random.choice(MANNERS),
        )
        self.keypads.watch(self.desk.find)
        self.recorder = Recorder(self.dispatcher, self.clock, self.ids, Metrics())
        self.parties = Parties(
            self.dispatcher,
            self.clock,
            self.desk,
            self.trunks,
            self.book,
            NumberGate(self.clock, NobodyListed(random)),
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
            "PJSIP/{extension}",
            SUPERVISORS,
            random.random() < 0.5,
        )
        self.ended: Counter[str] = Counter()
        self.calls = Calls(
            self.dispatcher,
            self.clock,
            self.journal,
            self.desk,
            self.trunks,
            self.caller_ids,
            self.ids,
            "app",
            (Metrics(), self.recorder, self.parties),
            lambda call: self.ended.update([call.call_id]),
        )
        self.calls.parties = self.parties
        self.placed: list[str] = []
        self.hand = HandCalls(
            self.clock,
            self.book,
            self.calls,
            self.desk,
            Hands(self.books, self.placed),
            self.ids,
            "app",
            lease_seconds=120.0,
        )
        self.hand.closed = lambda campaign: None
        self.features = Features(self.desk, self.parties, self.recorder, self.hand)
        self.recovery = Recovery(
            self.board,
            self.dispatcher,
            self.clock,
            self.calls,
            self.desk,
            self.trunks,
            self.book,
            self.ids,
            "app",
            "PJSIP/{extension}",
            self.recorder,
            self.parties,
            self.supervisions,
        )
        self.alone: Counter[str] = Counter()
        """By call the seconds for which its customer, once with an agent, has heard nothing and nobody until now."""
        self.left_alone: Counter[str] = Counter()
        """By call the most of them."""
        self.gaps: list[asyncio.Task[None]] = []
        self.opened: list[str] = []

    def _freed(self) -> None:
        self.frees += 1

    def _hear(self, leg_id: str, event: m.Event) -> bool:
        return self.dispatcher.post_to_leg(leg_id, event)

    # --- what must hold at every moment -----------------------------------------------------------------------------

    def about_to_hear(self, actor: Any, event: m.Event) -> None:
        """A customer is told of an agent only by the one who is reserved for that customer."""
        if isinstance(event, m.AgentReady | m.AgentReserved):
            agent = self.desk.find(event.extension)
            assert agent is not None
            assert agent.call_id == actor.id
            is_ready = isinstance(event, m.AgentReady)
            assert agent.state is (AgentState.RESERVED if is_ready else AgentState.RINGING)

    async def watch(self) -> None:
        """How long a customer who has been with somebody is left alone.

        While Asterisk owes an answer to a request for them, or news, nobody can do better: that is not counted.
        """
        while self.clock.now() < STORY_SECONDS + LONGEST_CALL_SECONDS:
            await asyncio.sleep(1.0)
            for call in self.calls.all():
                if call.state is not CallState.BRIDGED or not self.board.is_alone(call.leg_id):
                    self.alone[call.call_id] = 0
                elif not self.board.on_the_way and not self._is_asked_for(call):
                    self.alone[call.call_id] += 1
                    self.left_alone[call.call_id] = max(self.left_alone[call.call_id], self.alone[call.call_id])

    def _is_asked_for(self, call: Call) -> bool:
        """Whether a request of the call, its transfer or its agent is under way."""
        agent = self.desk.find(call.agent) if call.agent is not None else None
        ids = (call.call_id, call.transfer_id, agent.session_id if agent is not None else None)
        actors = [self.dispatcher.find(actor_id) for actor_id in ids if actor_id is not None]
        return any(actor is not None and actor.worker is not None for actor in actors)

    def look(self) -> None:
        """No customer has two agents, and no agent two customers."""
        taken = Counter(agent.call_id for agent in self.desk.agents() if agent.call_id and agent.leg_id)
        assert all(count == 1 for count in taken.values()), taken
        for agent in self.desk.agents():
            if agent.state in (AgentState.RESERVED, AgentState.ON_CALL):
                assert agent.call_id or not agent.is_always_on, agent
            if agent.state in (AgentState.AVAILABLE, AgentState.PAUSED):
                assert agent.call_id is None, agent
                assert agent.leg_id is None or agent.is_always_on, agent
        talking = Counter(
            call.agent
            for call in self.calls.all()
            if call.state in (CallState.BRIDGED, CallState.OFFERING) and call.transfer_id is None
        )
        assert all(count == 1 for count in talking.values()), talking

    # --- deeds ------------------------------------------------------------------------------------------------------

    def do(self, deed: Deed) -> None:
        with contextlib.suppress(Refused):
            getattr(self, f"_{deed.what}")(deed, EXTENSIONS[deed.who])

    def _call(self, deed: Deed, extension: str) -> None:
        call_id = self.ids.new("c")
        number = len(self.placed) + 1
        lead = Lead(number, 1, "Ana", "5511987654321", attempts=1, status=LeadStatus.CALLING)
        now = self.clock.utc_now()
        gate = self.trunks.of(self.campaign)[0]
        gate.take(1)
        self.placed.append(call_id)
        reservation = Reservation(call_id, lead, "5511987654321", now, now + timedelta(seconds=60))
        self.calls.place(reservation, self.campaign, gate.trunk)

    def _customer_calls(self, deed: Deed, extension: str) -> None:
        leg_id = self.ids.new("i")
        self.board.arrive(leg_id)
        self.placed.append(leg_id)
        lead = Lead(len(self.placed), 1, "Eva", "5511987654322", status=LeadStatus.CALLING)
        is_anybody_at_work = bool(self.desk.agents())
        call, commands = arrive(
            leg_id,
            self.campaign,
            lead,
            "5511987654322",
            "551130000000",
            self.clock.now(),
            prefers=extension,
            is_anybody_at_work=is_anybody_at_work,
        )
        self.calls.adopt(call, commands)

    def _show(self, deed: Deed, extension: str) -> None:
        """Leads are reserved for agents who are free to look at them, and who may be gone when that is done."""

        async def carry_out() -> None:
            lookers = self.hand.lookers(self.campaign)
            await asyncio.sleep(self.random.choice([0.0, 0.01, 3.0]))
            now = self.clock.utc_now()
            reservations = []
            for _ in lookers:
                call_id = self.ids.new("c")
                self.placed.append(call_id)
                lead = Lead(len(self.placed), 1, "Ana", "5511987654321", attempts=1, status=LeadStatus.CALLING)
                reservations.append(Reservation(call_id, lead, "5511987654321", now, now + timedelta(seconds=60)))
            self.hand.show(self.campaign, lookers, reservations)

        self._begin(carry_out())

    def _dial(self, deed: Deed, extension: str) -> None:
        """The agent types a number: on the telephone, or elsewhere."""
        if deed.is_on_demand:
            self._press(extension, "*5011987654321#")
        else:
            self._begin(self.hand.dial(extension, "(11) 98765-4321"))

    def _accept(self, deed: Deed, extension: str) -> None:
        self.hand.accept(extension)

    def _skip(self, deed: Deed, extension: str) -> None:
        self.hand.skip(extension)

    def _begin(self, wish: Coroutine[Any, Any, Any]) -> None:
        """What needs the database goes on beside the story."""

        async def carry_out() -> None:
            with contextlib.suppress(Refused, DatabaseUnavailable):
                await wish

        self.wishes.append(asyncio.get_running_loop().create_task(carry_out()))

    def _log_in(self, deed: Deed, extension: str) -> None:
        connect = ConnectMode.ON_DEMAND if deed.is_on_demand else ConnectMode.ALWAYS_ON
        self.opened.append(self.desk.log_in(extension, (), connect).session_id)

    def _phone_logs_in(self, deed: Deed, extension: str) -> None:
        leg_id = self.ids.new("p")
        self.board.arrive(leg_id)
        try:
            session_id = self.desk.phone_logs_in(extension, leg_id).session_id
        except Refused:
            self.board.end(leg_id, 16)
            raise
        if session_id not in self.opened:
            self.opened.append(session_id)

    def _log_out(self, deed: Deed, extension: str) -> None:
        self.desk.tell(extension, m.LogoutRequested())

    def _pause(self, deed: Deed, extension: str) -> None:
        self.desk.tell(extension, m.PauseRequested("lunch"))

    def _unpause(self, deed: Deed, extension: str) -> None:
        self.desk.tell(extension, m.UnpauseRequested())

    def _wrap_up_done(self, deed: Deed, extension: str) -> None:
        self.desk.tell(extension, m.WrapUpDone())

    def _dispose(self, deed: Deed, extension: str) -> None:
        self.desk.tell(extension, m.DispositionGiven(CHOICES[deed.who].code))

    def _key(self, deed: Deed, extension: str) -> None:
        self._press(extension, "123"[deed.who])

    def _keys(self, deed: Deed, extension: str) -> None:
        self._press(extension, self.random.choice(CODES) * (20 if deed.is_on_demand else 1))

    def _press(self, extension: str, keys: str) -> None:
        agent = self.desk.find(extension)
        for key in keys if agent is not None and agent.leg_id else "":
            self.dispatcher.post_to_leg(agent.leg_id, m.DigitPressed(key))  # type: ignore[union-attr, arg-type]

    def _hold(self, deed: Deed, extension: str) -> None:
        self.parties.hold(extension)

    def _unhold(self, deed: Deed, extension: str) -> None:
        self.parties.unhold(extension)

    def _complete(self, deed: Deed, extension: str) -> None:
        self.parties.complete(extension)

    def _cancel(self, deed: Deed, extension: str) -> None:
        self.parties.cancel(extension)

    def _conference(self, deed: Deed, extension: str) -> None:
        self.parties.conference(extension)

    def _transfer_to_number(self, deed: Deed, extension: str) -> None:
        self._transfer(deed, extension, "+5511987650001")

    def _transfer_to_agent(self, deed: Deed, extension: str) -> None:
        self._transfer(deed, extension, EXTENSIONS[(deed.who + 1) % len(EXTENSIONS)])

    def _transfer_to_queue(self, deed: Deed, extension: str) -> None:
        self._transfer(deed, extension, "queue:1")

    def _transfer(self, deed: Deed, extension: str, to: str) -> None:
        if not deed.is_on_demand and to.startswith("+"):
            self._press(extension, f"*43{to[1:]}#")
            return
        self._begin(self.parties.transfer(extension, to, is_attended=deed.is_on_demand))

    def _supervise(self, deed: Deed, extension: str) -> None:
        mode = self.random.choice(list(m.SupervisionMode))
        self.supervisions.supervise(extension, SUPERVISORS[deed.who], mode)

    def _supervisor_calls(self, deed: Deed, extension: str) -> None:
        leg_id = self.ids.new("p")
        self.board.arrive(leg_id)
        mode = self.random.choice(list(m.SupervisionMode))
        try:
            self.supervisions.supervise_by_phone(extension, SUPERVISORS[-1 - deed.who], mode, leg_id)
        except Refused:
            self.board.end(leg_id, 16)
            raise

    def _supervisor_presses(self, deed: Deed, extension: str) -> None:
        for supervision in self.supervisions.all():
            self._hear(supervision.leg_id or "", m.DigitPressed("123*"[deed.who]))

    def _supervisor_hangs_up(self, deed: Deed, extension: str) -> None:
        for supervision in self.supervisions.all():
            self.board.end(supervision.leg_id or "", 16)

    def _unsupervise(self, deed: Deed, extension: str) -> None:
        self.supervisions.stop(extension)

    def _pause_recording(self, deed: Deed, extension: str) -> None:
        self.recorder.pause(self.desk.expect(extension).call_id)

    def _resume_recording(self, deed: Deed, extension: str) -> None:
        self.recorder.resume(self.desk.expect(extension).call_id)

    def _phone_unregistered(self, deed: Deed, extension: str) -> None:
        self.desk.phones(set(EXTENSIONS) - {extension})

    def _phone_registered(self, deed: Deed, extension: str) -> None:
        self.desk.phones(set(EXTENSIONS))

    def _phone_starts_anew(self, deed: Deed, extension: str) -> None:
        """It loses its power, comes back, and calls us; of its old leg nobody hears."""
        for reachable in (set(EXTENSIONS), set(EXTENSIONS) - {extension}, set(EXTENSIONS)):
            self.desk.phones(reachable)
        self._phone_logs_in(deed, extension)

    def _agent_hangs_up(self, deed: Deed, extension: str) -> None:
        agent = self.desk.find(extension)
        if agent is not None and agent.leg_id is not None:
            self.board.end(agent.leg_id, 16)

    def _customer_presses(self, deed: Deed, extension: str) -> None:
        if self.placed:
            call_id = self.placed[-1 - deed.who % len(self.placed)]
            self._hear(call_id, m.DigitPressed(self.random.choice("1925")))

    def _customer_hangs_up(self, deed: Deed, extension: str) -> None:
        if self.placed:
            call_id = self.placed[-1 - deed.who % len(self.placed)]
            self.board.end(call_id, 16)
            self.board.end(self.ids.again(call_id), 16)

    def _gap(self, deed: Deed, extension: str) -> None:
        """The events' socket was away and is back."""
        task = asyncio.get_running_loop().create_task(self.recovery.after_gap())
        self.gaps.append(task)

    def _stop_call(self, deed: Deed, extension: str) -> None:
        self.calls.stop(lambda call: call.call_id == self.placed[-1 - deed.who % len(self.placed)])


async def play(
    deeds: Sequence[Deed],
    random: Random,
    odds: Odds,
    campaign: Campaign,
    person_at: Callable[[str], Person] | None = None,
) -> World:
    """The story, the calm after it, and then everybody goes home."""
    world = World(random, odds, campaign)
    world.board.person_at = person_at
    beside = [asyncio.create_task(world.journal.run()), asyncio.create_task(world.watch())]
    for deed in sorted(deeds, key=lambda deed: deed.at):
        await asyncio.sleep(max(0.0, deed.at - world.clock.now()))
        world.do(deed)
    await asyncio.sleep(STORY_SECONDS - world.clock.now())
    world.supervisions.stop_all("the story is over")
    await asyncio.sleep(STORY_SECONDS + LATEST_SECONDS - world.clock.now())
    await asyncio.gather(*world.gaps, *world.wishes)
    await world.recovery.after_gap()
    await asyncio.sleep(CALM_SECONDS)
    everything_is_given_back(world, odds)
    for agent in world.desk.agents():
        world.supervisions.supervise(agent.extension, SUPERVISORS[int(agent.extension) % 3], m.SupervisionMode.BARGE)
    world.desk.phones(set(EXTENSIONS))
    world.desk.log_all_out()
    await asyncio.sleep(CALM_SECONDS)
    everybody_is_gone(world)
    for task in beside:
        task.cancel()
    world.dispatcher.close()
    return world


def everything_is_given_back(world: World, odds: Odds) -> None:
    """Time has passed: every call has ended once, and no agent waits for anything."""
    assert world.dispatcher.broken == 0
    assert world.board.crowds == []
    assert world.calls.all() == []
    assert world.ended == Counter(world.placed)
    assert sorted(record.call_id for record, _ in world.books.finished) == sorted(world.placed)
    for record, outcome in world.books.finished:
        assert record.disposition is not None
        assert record.ended_at is not None
        assert outcome is not None
        assert outcome.status is not LeadStatus.CALLING
        assert outcome.call_id == record.call_id
    assert world.trunks.in_use() == {"carrier": 0, "backup": 0}
    assert world.recorder.snapshot()["live"] == 0
    assert world.parties.transfers() == []
    if not odds.event_lost:
        assert max(world.left_alone.values(), default=0) <= ALONE_SECONDS, world.left_alone
    assert world.supervisions.all() == []
    assert world.journal.depth == 0
    for agent in world.desk.agents():
        assert agent.state in (AgentState.AVAILABLE, AgentState.PAUSED), agent
        assert agent.call_id is None
        assert agent.deadline is None
        assert agent.leg_id in (world.board.channels if agent.is_always_on else (None,)), agent
        if agent.leg_id is not None:
            assert world.board.channels[agent.leg_id].bridge == agent.bridge_id, agent
    assert set(world.board.channels) == {agent.leg_id for agent in world.desk.agents() if agent.leg_id}
    assert world.board.bridges == {agent.bridge_id for agent in world.desk.agents() if agent.bridge_id}


def everybody_is_gone(world: World) -> None:
    """Everybody went home: each session is over once, its seconds add up, and nothing is left behind."""
    assert world.dispatcher.broken == 0
    assert world.desk.agents() == []
    assert world.supervisions.all() == []
    over = [session for session in world.books.sessions if session.logged_out_at is not None]
    last = {session.session_id: session for session in over}
    assert {made.call_id for made in world.books.disposed} <= set(world.placed)
    assert world.journal.depth == 0
    assert sorted(last) == sorted(world.opened)
    for session in last.values():
        assert session.state is AgentState.LOGGED_OFF
        assert session.logged_out_at is not None
        logged_in = (session.logged_out_at - session.logged_in_at).total_seconds()
        assert sum(session.seconds.values()) == pytest.approx(logged_in, abs=1e-4), (
            logged_in,
            sum(session.seconds.values()),
            session.seconds,
        )
    assert world.board.channels == {}
    assert world.board.bridges == set()
    assert world.dispatcher.known_legs() == set()


@pytest.fixture(autouse=True)
def quiet() -> Any:
    """A story logs thousands of lines; those of a defect are counted by `broken`."""
    before = structlog.get_config()
    structlog.configure(processors=[_only_defects])
    yield
    structlog.configure(**before)


def _only_defects(_logger: Any, name: str, fields: Any) -> str:
    if fields.get("exc_info"):
        print(fields)
        traceback.print_exc()
    raise structlog.DropEvent


def any_story(least: int, most: int) -> Any:
    """Gives a test what a story of so many deeds is made of."""
    return given(
        st.lists(st.booleans(), min_size=1, max_size=3),
        st.lists(deeds, min_size=least, max_size=most),
        st.integers(0, 2**32),
        odds,
        campaigns,
    )


@settings(max_examples=3 * settings.default.max_examples)
@any_story(1, 30)
def test_given_any_story_when_time_passes_then_everything_is_given_back_once(
    on_demand: list[bool], deeds: list[Deed], chance: int, odds: Odds, campaign: Campaign
) -> None:
    a_story(on_demand, deeds, chance, odds, campaign)


def a_story(on_demand: list[bool], deeds: list[Deed], chance: int, odds: Odds, campaign: Campaign) -> None:
    """Play it, with these agents logged in when it begins."""
    logged_in = [Deed(0.0, "log_in", who, is_on_demand) for who, is_on_demand in enumerate(on_demand)]
    run(lambda: play([*logged_in, *deeds], Random(chance), odds, campaign))
