"""The pacing loop: how many calls each campaign places now, for whom, on which trunk.

Woken by every event that frees an agent or a channel, and at least every tick. Guarantees that nothing is placed while
events of Asterisk may be lost, without an agent, outside the hours, or over a limit of campaign or trunk; and that the
attempt is committed to the database before the first request leaves.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol

import structlog

from stasis_dialer.core import routing, schedule
from stasis_dialer.core.call import UNANSWERED, CallState
from stasis_dialer.core.model import LIVE_MODES, Campaign, DialMode, Lead, Reservation
from stasis_dialer.core.numbers import lead_number
from stasis_dialer.core.pacing import Pacer, PacingDecision, PacingLimits, PacingView, make_pacer
from stasis_dialer.engine.calls import Calls, waiting
from stasis_dialer.engine.campaigns import REFRESH_SECONDS, CampaignBook
from stasis_dialer.engine.clock import Clock
from stasis_dialer.engine.desk import Desk
from stasis_dialer.engine.ids import CALL, Ids
from stasis_dialer.engine.trunks import TrunkGate, Trunks
from stasis_dialer.errors import DatabaseUnavailable, Refused

log = structlog.get_logger(__name__)

EMPTY_SECONDS: Final = 1.0
"""How long a campaign that had no lead to give is not asked again: the database's share of an idle campaign."""
GATHER_SECONDS: Final = 0.02
"""From one look at the campaigns to the next: what is freed meanwhile is dialled by one transaction."""
AGENT_STILL_NEEDED: Final = UNANSWERED | {CallState.QUEUED}
LARGEST_BATCH: Final = 100
"""Leads taken by one transaction."""


class LeadStore(Protocol):
    """The database as the dialer needs it."""

    async def reserve(
        self,
        campaign: Campaign,
        n: int,
        now: datetime,
        app: str,
        lease_seconds: float,
        to_number: Callable[[Lead], str],
        new_call_id: Callable[[], str],
    ) -> Taken: ...


class Taken(Protocol):
    """What a reservation took, and the leads that it closed because they may not be dialled."""

    @property
    def reservations(self) -> Sequence[Reservation]: ...

    @property
    def refused(self) -> Sequence[Any]: ...


@dataclass(slots=True)
class _Pace:
    """What the loop remembers of a campaign."""

    mode: DialMode
    limits: PacingLimits
    pacer: Pacer
    empty_until: float = 0.0
    decision: PacingDecision = field(default_factory=lambda: PacingDecision(0))


class Dialer:
    """Places the calls of all campaigns."""

    def __init__(
        self,
        clock: Clock,
        book: CampaignBook,
        calls: Calls,
        desk: Desk,
        trunks: Trunks,
        leads: LeadStore,
        ids: Ids,
        app: str,
        lease_seconds: float,
        tick_seconds: float,
    ) -> None:
        self._clock = clock
        self._book = book
        self._calls = calls
        self._desk = desk
        self._trunks = trunks
        self._leads = leads
        self._ids = ids
        self._app = app
        self._lease_seconds = lease_seconds
        self._tick_seconds = tick_seconds
        self._paces: dict[int, _Pace] = {}
        self._told: dict[int, str] = {}
        self._wake = asyncio.Event()
        self._turn = 0
        self._refreshed_at = float("-inf")
        self._next_token_at: float | None = None
        self.is_connected = False
        """Whether Asterisk's events arrive."""
        self.is_stopping = False
        self.is_database_away = False

    def wake(self) -> None:
        """Something changed that may let a call be placed."""
        self._wake.set()

    async def run(self) -> None:
        """Place calls for ever."""
        while True:
            try:
                await self._tick()
            except DatabaseUnavailable as error:
                if not self.is_database_away:
                    log.error("database-away", why=str(error))
                self.is_database_away = True
            except Exception:
                log.exception("tick-failed", fault="ours")
            await self._pause()

    def reasons(self) -> dict[int, str]:
        """For each campaign why it places calls, or none, in one word."""
        return {id_: pace.decision.reason for id_, pace in self._paces.items()}

    async def _pause(self) -> None:
        """Until the next tick, the next event or the trunk's next call, whichever comes first."""
        await asyncio.sleep(GATHER_SECONDS)
        delay = self._tick_seconds
        if self._next_token_at is not None:
            delay = min(delay, max(0.0, self._next_token_at - self._clock.now()))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), delay)
        self._wake.clear()

    async def _tick(self) -> None:
        if self._clock.now() - self._refreshed_at >= REFRESH_SECONDS or self.is_database_away:
            await self._book.refresh()
            self._refreshed_at = self._clock.now()
            self.is_database_away = False
        self._next_token_at = None
        active = self._book.active()
        for gone in self._paces.keys() - {campaign.id for campaign in active}:
            del self._paces[gone]
        if not active:
            return
        self._turn = (self._turn + 1) % len(active)
        in_turn = active[self._turn :] + active[: self._turn]
        shares = self._shares(in_turn)
        for campaign in in_turn:
            await self._dial(campaign, shares.get(campaign.id, 0))

    def _shares(self, campaigns: Sequence[Campaign]) -> dict[int, int]:
        """The free agents each campaign may count on; calls that may still need one hold theirs."""
        claims = Counter(call.campaign.id for call in self._calls.all() if call.state in AGENT_STILL_NEEDED)
        return routing.share_agents(self._desk.free(), claims, [campaign.id for campaign in campaigns])

    async def _dial(self, campaign: Campaign, share: int) -> None:
        pace = self._pace(campaign)
        if pace is None:
            return
        pace.decision = self._decide(campaign, pace, share)
        place = pace.decision.place
        while place > 0:
            gate = self._gate(campaign)
            if gate is None:
                return
            placed = await self._place(campaign, pace, gate, min(place, gate.room(), LARGEST_BATCH))
            if placed == 0:
                return
            place -= placed

    def _decide(self, campaign: Campaign, pace: _Pace, share: int) -> PacingDecision:
        """The gates first, then the policy."""
        now = self._clock.now()
        if self.is_stopping:
            return PacingDecision(0, reason="stopping")
        if not self.is_connected:
            return PacingDecision(0, reason="asterisk_away")
        if not schedule.is_in_working_hours(campaign, self._clock.utc_now()):
            return PacingDecision(0, reason="outside_hours")
        decision = pace.pacer.decide(self._view(campaign, share, now))
        if decision.place and now < pace.empty_until:
            return PacingDecision(0, reason="no_leads_due", inputs=decision.inputs)
        return decision

    def _view(self, campaign: Campaign, share: int, now: float) -> PacingView:
        live = self._calls.of(campaign.id)
        return PacingView(
            now=now,
            agents_logged_in=self._desk.logged_in(campaign.id),
            agents_ready=share,
            dialling_since={c.call_id: c.reserved_at for c in live if c.state is CallState.ORIGINATING},
            ringing_since={c.call_id: c.ringing_at or c.reserved_at for c in live if c.state is CallState.RINGING},
            waiting=sum(1 for call in waiting(live) if call.state is CallState.QUEUED),
            max_channels=campaign.max_channels,
            channels_in_use=len(live),
        )

    def _pace(self, campaign: Campaign) -> _Pace | None:
        pace = self._paces.get(campaign.id)
        limits = PacingLimits(
            max_channels=campaign.max_channels, calls_per_second=self._trunks.calls_per_second(campaign)
        )
        if pace is None or pace.mode is not campaign.mode or pace.limits != limits:
            if campaign.mode not in LIVE_MODES:
                self._cannot_dial(campaign, f"no such mode yet: mode={campaign.mode}; use {', '.join(LIVE_MODES)}")
                return None
            pace = self._paces[campaign.id] = _Pace(campaign.mode, limits, make_pacer(campaign.mode, limits))
        return pace

    def _cannot_dial(self, campaign: Campaign, why: str) -> None:
        """Once for each reason: the campaign is looked at again and again."""
        if self._told.get(campaign.id) != why:
            self._told[campaign.id] = why
            log.error("campaign-cannot-dial", campaign_id=campaign.id, why=why)

    def _gate(self, campaign: Campaign) -> TrunkGate | None:
        """The first trunk with room; without one, when there will be."""
        try:
            gates = self._trunks.of(campaign)
        except Refused as error:
            self._cannot_dial(campaign, str(error))
            return None
        for gate in gates:
            if gate.room() > 0:
                return gate
            at = gate.next_at()
            if at is not None:
                self._next_token_at = at if self._next_token_at is None else min(at, self._next_token_at)
        return None

    async def _place(self, campaign: Campaign, pace: _Pace, gate: TrunkGate, wanted: int) -> int:
        """Reserve leads, commit, and begin their calls; answers how many leads were dealt with."""
        gate.take(wanted)
        left = wanted
        try:
            taken = await self._leads.reserve(
                campaign,
                wanted,
                self._clock.utc_now(),
                self._app,
                self._lease_seconds,
                lambda lead: lead_number(lead, campaign.default_region),
                lambda: self._ids.new(CALL),
            )
            left -= len(taken.reservations)
        finally:
            gate.untake(left)
        for refused in taken.refused:
            log.info("lead-refused", campaign_id=campaign.id, lead_id=refused.lead.id, result=refused.result)
        for reservation in taken.reservations:
            self._calls.place(reservation, campaign, gate.trunk)
        dealt_with = len(taken.reservations) + len(taken.refused)
        if not dealt_with:
            pace.empty_until = self._clock.now() + EMPTY_SECONDS
            pace.decision = PacingDecision(0, reason="no_leads_due", inputs=pace.decision.inputs)
        return dealt_with
