"""The live pacers: fed with what happens to calls and agents, shown the campaign as it is, kept in the database.

Guarantees that what a pacer learned survives a restart, that the abandonment budget comes from the durable call log
(and is unknown, so that nothing risky is dialled, while that cannot be read), and that every decision which changes
anything can be read back with its inputs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

import structlog

from stasis_dialer.core.agent import Agent
from stasis_dialer.core.call import Call, CallState
from stasis_dialer.core.compliance import abandon_window_start
from stasis_dialer.core.model import RISKY_MODES, AbandonWindow, AgentState, Campaign, DialMode, Disposition
from stasis_dialer.core.pacing import Pacer, PacingEvent, PacingLimits, PacingView, make_pacer
from stasis_dialer.core.routing import Sharer, Turns, share_agents
from stasis_dialer.engine.clock import Clock
from stasis_dialer.errors import DatabaseUnavailable

log = structlog.get_logger(__name__)

BUDGET_SECONDS: Final = 10.0
"""How often the abandonment is counted anew from the call log; between, what is heard is added."""
COUNT_AGAIN_SECONDS: Final = 1.0
"""After a count that failed."""
WRITING_SECONDS: Final = 2.0
"""By then an ended call is in the log of a database that answers. The journal gathers for 0.05 s."""
SNAPSHOT_SECONDS: Final = 60.0
OUTCOMES: Final = {
    Disposition.BUSY: "busy",
    Disposition.NO_ANSWER: "no_answer",
    Disposition.VOICEMAIL: "no_answer",
    Disposition.CANCELLED: "cancelled",
    Disposition.MACHINE: "machine",
}
"""A disposition in the pacers' words; the others are `failed`."""
WITH_CUSTOMER: Final = frozenset({AgentState.ON_CALL, AgentState.RESERVED})


class PacingStore(Protocol):
    """The database as the pacers need it."""

    async def save_snapshot(self, campaign_id: int, mode: str, snapshot: Mapping[str, Any], now: datetime) -> None: ...

    async def snapshot(self, campaign_id: int, mode: str) -> tuple[dict[str, Any], datetime] | None: ...

    async def abandonment(self, campaign_id: int, since: datetime) -> tuple[int, int]: ...


@dataclass(slots=True)
class Pace:
    """A campaign's pacer, and what the dialer remembers beside it."""

    mode: DialMode
    limits: PacingLimits
    pacer: Pacer
    empty_until: float = 0.0
    count_at: float = float("-inf")
    """When the call log is to be counted next."""
    kept_at: float = 0.0


@dataclass(slots=True)
class _Lost:
    """A person whom no agent took; `logged_at`: from when on the call log has the call."""

    campaign_id: int
    logged_at: float | None = None


@dataclass(frozen=True, slots=True)
class Roster:
    """The agents that a campaign may count as its own now; an agent shared by campaigns belongs to one of them."""

    ready: int
    talking_since: dict[str, float]
    wrap_up_since: dict[str, float]

    @property
    def logged_in(self) -> int:
        """Agents at work."""
        return self.ready + len(self.talking_since) + len(self.wrap_up_since)


class Paces:
    """The pacers of the active campaigns; a listener of calls and agents."""

    def __init__(self, clock: Clock, store: PacingStore) -> None:
        self._clock = clock
        self._store = store
        self._by_campaign: dict[int, Pace] = {}
        self._talks: dict[str, tuple[int | None, float, bool]] = {}
        """By session a talk of which the agent has yet to say what it was: campaign, seconds, taken for a machine."""
        self._lost: dict[str, _Lost] = {}
        self.turns = Turns()
        """How many shared agents each campaign had."""
        self._machines: set[str] = set()
        """Calls of machines that an agent has or had."""

    async def of(self, campaign: Campaign, calls_per_second: float) -> Pace:
        """The campaign's pacer; a new one goes on from what was kept.

        Raises: Refused when the mode has no pacing; DatabaseUnavailable.
        """
        limits = limits_of(campaign, calls_per_second)
        pace = self._by_campaign.get(campaign.id)
        if pace is None or pace.mode is not campaign.mode or pace.limits != limits:
            saved = pace.pacer.snapshot() if pace is not None and pace.mode is campaign.mode else None
            fresh = Pace(campaign.mode, limits, make_pacer(campaign.mode, limits), kept_at=self._clock.now())
            await self._recall(campaign, fresh, saved)
            fresh.pacer.set_budget(None, None, fresh.kept_at)
            pace = self._by_campaign[campaign.id] = fresh
        await self._count(campaign, pace)
        return pace

    async def keep_only(self, active: Iterable[int]) -> None:
        """Let go of the pacers of campaigns that are not active any more; what they learned is written first.

        Raises: DatabaseUnavailable; nothing is let go then.
        """
        for id_ in self._by_campaign.keys() - set(active):
            await self._write(id_)
            del self._by_campaign[id_]

    async def keep(self, everything: bool = False) -> None:
        """Write what was learned to the database, now and then.

        Raises: DatabaseUnavailable.
        """
        now = self._clock.now()
        self._lost = {id_: it for id_, it in self._lost.items() if it.logged_at is None or now <= it.logged_at}
        for id_, pace in list(self._by_campaign.items()):
            if everything or now - pace.kept_at >= SNAPSHOT_SECONDS:
                await self._write(id_)

    async def _write(self, campaign_id: int) -> None:
        pace = self._by_campaign[campaign_id]
        if pace.mode is not DialMode.PROGRESSIVE:
            await self._store.save_snapshot(campaign_id, pace.mode, pace.pacer.snapshot(), self._clock.utc_now())
        pace.kept_at = self._clock.now()

    async def _recall(self, campaign: Campaign, pace: Pace, saved: dict[str, Any] | None) -> None:
        """A snapshot that cannot be read is left alone: it is only worth some minutes of learning."""
        now, age = self._clock.now(), 0.0
        if saved is None:
            found = await self._store.snapshot(campaign.id, campaign.mode)
            if found is None:
                return
            saved, taken_at = found
            age = max(0.0, (self._clock.utc_now() - taken_at).total_seconds())
        try:
            pace.pacer.restore(saved, now, age)
        except (ValueError, KeyError, TypeError) as error:
            log.warning("pacing-snapshot-unreadable", campaign_id=campaign.id, why=repr(error))

    async def _count(self, campaign: Campaign, pace: Pace) -> None:
        """The abandonment over the campaign's window, from the call log; unknown while that cannot be read.

        A person who was lost counts before the log has it: the message they hear may last half a minute. Until the
        log is sure to have it they may count twice, for one count.
        """
        now = self._clock.now()
        if campaign.mode not in RISKY_MODES or now < pace.count_at:
            return
        since = abandon_window_start(campaign, self._clock.utc_now())
        lost = sum(1 for it in self._lost.values() if it.campaign_id == campaign.id)
        try:
            abandoned, answered = await self._store.abandonment(campaign.id, since)
        except DatabaseUnavailable as error:
            pace.pacer.set_budget(None, None, now)
            pace.count_at = now + COUNT_AGAIN_SECONDS
            log.warning("abandonment-not-counted", campaign_id=campaign.id, why=str(error))
            return
        pace.pacer.set_budget(abandoned + lost, answered + lost, now)
        pace.count_at = now + BUDGET_SECONDS

    # --- what calls and agents do -----------------------------------------------------------------------------------

    def placed(self, call: Call) -> None:
        """An attempt begins."""
        self._observe(call, "placed", call.reserved_at)

    def answered(self, call: Call) -> None:
        """Somebody or something picked up."""
        at = self._clock.now()
        self._observe(call, "answered", at, age=at - call.reserved_at)

    def sought(self, call: Call) -> None:
        """It counts as a person from here on: an agent is wanted."""
        at = self._clock.now()
        self._observe(call, "human", at, age=at - (call.answered_at or at))

    def detected(self, call: Call) -> None:
        """A machine that never wanted an agent is an answer that came to nothing; one that has an agent talks."""
        if not call.is_machine:
            return
        if call.bridged_at is not None:
            self._machines.add(call.call_id)
        elif call.waits_since is None:
            self._observe(call, "result", self._clock.now(), outcome="machine")

    def joined(self, call: Call) -> None:
        """Customer and agent talk."""
        self._observe(call, "connected", self._clock.now())

    def announced(self, call: Call) -> None:
        """Only whoever records is concerned."""

    def lost(self, call: Call) -> None:
        """No agent came in time: that is told at once, and not when the message for it has been heard."""
        if call.call_id not in self._lost and not call.is_inbound:
            self._lost[call.call_id] = _Lost(call.campaign.id)
            self._observe(call, "abandoned", self._clock.now())

    def ended(self, call: Call) -> None:
        """The attempt is over."""
        at = self._clock.now()
        self._machines.discard(call.call_id)
        if call.disposition is Disposition.ABANDONED:
            self.lost(call)
            self._lost[call.call_id].logged_at = at + WRITING_SECONDS
            return
        self._lost.pop(call.call_id, None)
        if call.disposition is Disposition.MACHINE and call.waits_since is not None and call.bridged_at is None:
            self._observe(call, "result", at, outcome="machine")
        elif call.answered_at is None and call.disposition is not None:
            outcome = OUTCOMES.get(call.disposition, "failed")
            self._observe(call, "result", at, outcome=outcome, age=at - call.reserved_at)

    def agent_changed(self, before: Agent | None, after: Agent) -> None:
        """An agent's state changed; talking and wrap-up end in the campaign of the customer."""
        was = before.state if before else AgentState.LOGGED_OFF
        if was is after.state:
            return
        if before is not None and was in (AgentState.ON_CALL, AgentState.WRAP_UP):
            self._customer_left(before, after)
        has_new_customer = was is AgentState.AVAILABLE and after.call_id is not None
        if has_new_customer and after.campaign_id is not None and len(after.campaigns) != 1:
            self.turns.took(after.campaign_id)
        is_in, was_in = is_working(after.state), is_working(was)
        if is_in != was_in:
            event = PacingEvent("agent_in" if is_in else "agent_out", after.since, after.session_id)
            for campaign_id in list(self._by_campaign):
                if after.serves(campaign_id):
                    self._tell(campaign_id, event)

    def _customer_left(self, before: Agent, after: Agent) -> None:
        """A talk ended, or the work after it; that it was with a machine the agent may say until then."""
        seconds = after.since - before.since
        if before.state is AgentState.ON_CALL:
            self._talks[after.session_id] = (before.campaign_id, seconds, before.call_id in self._machines)
            if after.state is AgentState.WRAP_UP and after.disposition is None and after.dispositions.choices:
                return
        campaign_id, talked, is_machine = self._talks.pop(after.session_id, (None, None, False))
        if talked is not None:
            is_machine = is_machine if after.choice is None else after.choice.machine
            outcome = "machine" if is_machine else "human"
            self._tell(campaign_id, PacingEvent("talk_ended", after.since, outcome=outcome, value=talked))
        if before.state is AgentState.WRAP_UP:
            self._tell(before.campaign_id, PacingEvent("wrap_up_ended", after.since, value=seconds))

    def _observe(self, call: Call, kind: str, at: float, outcome: str | None = None, age: float = 0.0) -> None:
        """A customer who called us was not dialled: the pacing learns nothing of it."""
        if call.is_inbound:
            return
        self._tell(call.campaign.id, PacingEvent(kind, at, call.call_id, outcome, age))

    def _tell(self, campaign_id: int | None, event: PacingEvent) -> None:
        pace = self._by_campaign.get(campaign_id or 0)
        if pace is not None:
            pace.pacer.observe(event)


def is_working(state: AgentState) -> bool:
    """Whether an agent in this state is at the campaign's disposal, now or after a customer."""
    return state not in (AgentState.LOGGED_OFF, AgentState.PAUSED)


def limits_of(campaign: Campaign, calls_per_second: float) -> PacingLimits:
    """What the campaign's pacing must keep to."""
    days = 30 if campaign.abandon_window is AbandonWindow.DAYS_30 else 1
    return PacingLimits(
        abandon_cap=campaign.abandon_cap,
        max_channels=campaign.max_channels,
        calls_per_second=calls_per_second,
        max_lines_per_agent=campaign.max_lines_per_agent,
        answer_deadline_seconds=campaign.answer_deadline_seconds,
        window_seconds=days * 86_400.0,
        may_cancel=campaign.may_cancel,
        impulse_factor=campaign.impulse_factor,
        max_multiplier=campaign.max_multiplier,
        average_call_time=campaign.average_call_time,
    )


def rosters(agents: Iterable[Agent], sharers: Mapping[int, Sharer], order: Sequence[int]) -> dict[int, Roster]:
    """The agents of each campaign of `order`, an agent in exactly one of them.

    Who has or had a customer belongs to that customer's campaign while it dials; the free ones are shared out, among
    `sharers` those campaigns too that only have calls in flight.
    """
    talking: dict[int, dict[str, float]] = defaultdict(dict)
    wrapping: dict[int, dict[str, float]] = defaultdict(dict)
    free = []
    turn = 0
    for agent in agents:
        if agent.state is AgentState.AVAILABLE:
            free.append(agent.campaigns)
            continue
        has_customer = agent.state in WITH_CUSTOMER or (agent.state is AgentState.RINGING and agent.call_id is not None)
        if not has_customer and agent.state is not AgentState.WRAP_UP:
            continue
        owner = agent.campaign_id
        if owner not in order or not agent.serves(owner or 0):
            served = [id_ for id_ in order if agent.serves(id_)]
            if not served:
                continue
            owner, turn = served[turn % len(served)], turn + 1
        (talking if has_customer else wrapping)[owner or 0][agent.session_id] = agent.since
    shares = share_agents(free, sharers)
    return {id_: Roster(shares[id_], talking[id_], wrapping[id_]) for id_ in order}


def view_of(campaign: Campaign, roster: Roster, live: Iterable[Call], now: float) -> PacingView:
    """The campaign as its pacer sees it; a call counts once, from its placing until it has an agent or its end."""
    calls = list(live)
    return PacingView(
        now=now,
        agents_logged_in=roster.logged_in,
        agents_ready=roster.ready,
        talking_since=roster.talking_since,
        wrap_up_since=roster.wrap_up_since,
        dialling_since={c.call_id: c.reserved_at for c in calls if c.state is CallState.ORIGINATING},
        ringing_since={
            c.call_id: c.reserved_at if c.ringing_at is None else c.ringing_at
            for c in calls
            if c.state is CallState.RINGING
        },
        detecting_since={
            c.call_id: now if c.answered_at is None else c.answered_at for c in calls if c.state is CallState.DETECTING
        },
        waiting=sum(1 for c in calls if c.state is CallState.QUEUED),
        max_channels=campaign.max_channels,
        channels_in_use=len(calls),
    )
