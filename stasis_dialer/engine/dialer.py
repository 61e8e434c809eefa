"""The pacing loop: how many calls each campaign places now, for whom, on which trunk.

Woken by every event that frees an agent or a channel, and at least every tick. Guarantees that nothing is placed while
events of Asterisk may be lost, without an agent, outside the hours, or over a limit of campaign or trunk; and that the
attempt is committed to the database before the first request leaves.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Protocol

import structlog

from stasis_dialer.core import schedule
from stasis_dialer.core.call import UNANSWERED, CallState
from stasis_dialer.core.model import HAND_MODES, RISKY_MODES, Campaign, DialMode, Lead, Reservation
from stasis_dialer.core.numbers import normalise
from stasis_dialer.core.pacing import PacingDecision, share_room
from stasis_dialer.core.routing import Sharer
from stasis_dialer.engine.by_hand import HandCalls
from stasis_dialer.engine.caller_ids import CallerIdBook
from stasis_dialer.engine.calls import Calls
from stasis_dialer.engine.campaigns import REFRESH_SECONDS, CampaignBook
from stasis_dialer.engine.clock import Clock
from stasis_dialer.engine.decision_log import DecisionLog
from stasis_dialer.engine.desk import Desk
from stasis_dialer.engine.ids import CALL, Ids
from stasis_dialer.engine.pacing import Pace, Paces, Roster, rosters, view_of
from stasis_dialer.engine.trunks import TrunkGate, Trunks
from stasis_dialer.errors import DatabaseUnavailable, Refused

log = structlog.get_logger(__name__)

EMPTY_SECONDS: Final = 1.0
"""How long a campaign that had no lead to give is not asked again: the database's share of an idle campaign."""
GATHER_SECONDS: Final = 0.02
"""From one look at the campaigns to the next: what is freed meanwhile is dialled by one transaction."""
LARGEST_BATCH: Final = 100
"""Leads taken by one transaction."""


NOBODY: Final = Roster(0, {}, {})
"""The agents of a broadcast: it dials without."""
UNDECIDED: Final = UNANSWERED | {CallState.DETECTING}
"""Where a call may still come to want an agent."""


class LeadStore(Protocol):
    """The database as the dialer needs it."""

    async def reserve(
        self,
        campaign: Campaign,
        n: int,
        now: datetime,
        app: str,
        lease_seconds: float,
        to_number: Callable[[str], str],
        new_call_id: Callable[[], str],
        agents: Collection[str] = (),
    ) -> Taken: ...

    async def last_agents(self, lead_ids: Sequence[int]) -> Mapping[int, str]: ...


class Taken(Protocol):
    """What a reservation took, and the leads that it closed because they may not be dialled."""

    @property
    def reservations(self) -> Sequence[Reservation]: ...

    @property
    def refused(self) -> Sequence[Any]: ...


@dataclass(slots=True)
class Look:
    """One look at a campaign that may dial."""

    campaign: Campaign
    pace: Pace
    decision: PacingDecision | None = None
    """None: it could not be made."""

    @property
    def place(self) -> int:
        """Calls that are to be placed."""
        return self.decision.place if self.decision else 0


class Dialer:
    """Places the calls of all campaigns."""

    def __init__(
        self,
        clock: Clock,
        book: CampaignBook,
        calls: Calls,
        desk: Desk,
        trunks: Trunks,
        caller_ids: CallerIdBook,
        leads: LeadStore,
        paces: Paces,
        decisions: DecisionLog,
        ids: Ids,
        app: str,
        lease_seconds: float,
        tick_seconds: float,
        hand: HandCalls,
    ) -> None:
        self._clock = clock
        self._book = book
        self._calls = calls
        self._desk = desk
        self._trunks = trunks
        self._caller_ids = caller_ids
        self._leads = leads
        self._paces = paces
        self._decisions = decisions
        self._ids = ids
        self._app = app
        self._lease_seconds = lease_seconds
        self._tick_seconds = tick_seconds
        self._hand = hand
        hand.closed = self._closed
        self._told: dict[int, str] = {}
        self._latest: dict[int, PacingDecision] = {}
        self._empty_until: dict[int, float] = {}
        """Preview campaigns whose list had no lead a moment ago."""
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
        if self.is_database_away:
            return dict.fromkeys(self._latest, "database_away")
        return {id_: decision.reason for id_, decision in self._latest.items()}

    async def _pause(self) -> None:
        """Until the next tick, the next event or the trunk's next call, whichever comes first."""
        await asyncio.sleep(GATHER_SECONDS)
        delay = self._tick_seconds
        if self._next_token_at is not None:
            delay = min(delay, max(0.0, self._next_token_at - self._clock.now()))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await self._wake.wait()
        self._wake.clear()

    async def _tick(self) -> None:
        if self._clock.now() - self._refreshed_at >= REFRESH_SECONDS or self.is_database_away:
            await self._book.refresh()
            self._refreshed_at = self._clock.now()
            self.is_database_away = False
        self._next_token_at = None
        active = self._book.active()
        await self._paces.keep_only(campaign.id for campaign in active)
        self._latest = {c.id: self._latest[c.id] for c in active if c.id in self._latest}
        if active:
            await self._caller_ids.refresh(active)
            self._turn = (self._turn + 1) % len(active)
            in_turn = active[self._turn :] + active[: self._turn]
            await self._dial_all([campaign for campaign in in_turn if campaign.mode not in HAND_MODES])
            for campaign in in_turn:
                if campaign.mode in HAND_MODES:
                    with self._alone(campaign):
                        await self._show(campaign)
        await self._paces.keep()
        await self._decisions.write()

    async def _dial_all(self, campaigns: Sequence[Campaign]) -> None:
        """Decide for every campaign, share agents and trunks out, then place; a campaign that fails fails alone."""
        looks: dict[int, Look] = {}
        for campaign in campaigns:
            with self._alone(campaign):
                closed = self._closed(campaign)
                if closed is not None:
                    self._note(campaign, PacingDecision(0, reason=closed), 0)
                    continue
                looks[campaign.id] = Look(
                    campaign, await self._paces.of(campaign, self._trunks.calls_per_second(campaign))
                )
        for_agents = {id_: look for id_, look in looks.items() if look.campaign.mode is not DialMode.BROADCAST}
        rows = rosters(self._desk.agents(), self._sharers(campaigns, for_agents), list(for_agents))
        for look in looks.values():
            with self._alone(look.campaign):
                look.decision = self._decide(look, rows.get(look.campaign.id, NOBODY))
                self._give_up(look.decision)
        decided = {id_: look for id_, look in looks.items() if look.decision is not None}
        room = self._room([look.campaign for look in decided.values()], {i: lk.place for i, lk in decided.items()})
        for id_, look in decided.items():
            with self._alone(look.campaign):
                await self._carry_out(look, room[id_])

    async def _show(self, campaign: Campaign) -> None:
        """Show leads of a preview campaign to the agents who are free for it; a manual one waits for its agents."""
        reason = self._closed(campaign)
        if reason is None and campaign.mode is DialMode.PREVIEW:
            agents = self._hand.lookers(campaign)
            reason = "agents_look" if agents else "no_free_agents"
            if agents and self._clock.now() >= self._empty_until.get(campaign.id, 0.0):
                taken = await self._reserve(campaign, len(agents))
                self._hand.show(campaign, agents, taken.reservations)
                if not taken.reservations and not taken.refused:
                    self._empty_until[campaign.id] = self._clock.now() + EMPTY_SECONDS
            if agents and self._clock.now() < self._empty_until.get(campaign.id, 0.0):
                reason = "no_leads_due"
        self._note(campaign, PacingDecision(0, reason=reason or "by_hand"), 0)

    async def _reserve(self, campaign: Campaign, wanted: int) -> Taken:
        """Reserve so many leads, and commit."""
        taken = await self._leads.reserve(
            campaign,
            wanted,
            self._clock.utc_now(),
            self._app,
            self._lease_seconds,
            lambda phone: normalise(phone, campaign.default_region, campaign.numbers),
            lambda: self._ids.new(CALL),
            self._desk.free_extensions(campaign.id),
        )
        for refused in taken.refused:
            log.info("lead-refused", campaign_id=campaign.id, lead_id=refused.lead.id, result=refused.result)
        return taken

    async def _carry_out(self, look: Look, room: int) -> None:
        """Place what was decided, as far as the trunks have room and the list has leads."""
        assert look.decision is not None
        reserved = await self._dial(look.campaign, look.pace, room) if room else 0
        if look.place and not reserved and self._clock.now() < look.pace.empty_until:
            look.decision = replace(look.decision, place=0, reason="no_leads_due")
        self._note(look.campaign, look.decision, reserved)

    @contextlib.contextmanager
    def _alone(self, campaign: Campaign) -> Iterator[None]:
        """What fails in one campaign leaves the others alone; a database that is away is away for all.

        Loud at first and quiet when it is the same again: the campaign is looked at again and again.
        """
        try:
            yield
        except DatabaseUnavailable:
            raise
        except Exception as error:
            if self._told.get(campaign.id) != repr(error):
                self._told[campaign.id] = repr(error)
                log.exception("campaign-failed", campaign_id=campaign.id, fault="ours")
            self._note(campaign, PacingDecision(0, reason="failed"), 0)

    def _note(self, campaign: Campaign, decision: PacingDecision, reserved: int) -> None:
        self._latest[campaign.id] = decision
        self._decisions.note(campaign.id, decision, reserved)

    def _sharers(self, campaigns: Sequence[Campaign], looks: Mapping[int, Look]) -> dict[int, Sharer]:
        """The campaigns among which free agents are shared; who has no leads needs agents for its calls only."""
        claims, turns, now = self._claims(), self._paces.turns, self._clock.now()
        hungry = {id_ for id_, look in looks.items() if now >= look.pace.empty_until}
        turns.level({campaign.id: campaign.weight for campaign in campaigns}, hungry)
        sharers = {
            id_: Sharer(
                claims=claims[id_],
                weight=look.campaign.weight,
                had=turns.had(id_),
                most=None if id_ in hungry else len(self._calls.of(id_)),
            )
            for id_, look in looks.items()
        }
        return sharers | {id_: Sharer(n, most=0) for id_, n in sorted(claims.items()) if id_ not in sharers}

    def _claims(self) -> Counter[int]:
        """Calls that hold a free agent, of whatever campaign: those who wait and, where one call is for one agent,
        those in flight.
        """
        return Counter(
            call.campaign.id
            for call in self._calls.all()
            if call.state is CallState.QUEUED
            or (call.state in UNDECIDED and call.campaign.mode is DialMode.PROGRESSIVE)
        )

    def _room(self, campaigns: Sequence[Campaign], wants: Mapping[int, int]) -> dict[int, int]:
        """How many calls each may place on the trunks now; short room goes by the campaigns' weights."""
        gates = {}
        for campaign in campaigns:
            with contextlib.suppress(Refused):
                gates.update({gate.trunk.name: gate for gate in self._trunks.of(campaign)})
        room = sum(gate.room() for gate in gates.values())
        if sum(wants.values()) <= room or len(wants) < 2:
            return dict(wants)
        shared = share_room(room, wants, {campaign.id: campaign.weight for campaign in campaigns})
        self._next_token_at = self._clock.now() + self._tick_seconds / 10
        return shared

    def _give_up(self, decision: PacingDecision) -> None:
        """Cancel the ringing calls that no agent will be free for."""
        if decision.cancel:
            meant = frozenset(decision.cancel)
            self._calls.stop(lambda call: call.call_id in meant and call.answered_at is None, by="pacing")

    async def _dial(self, campaign: Campaign, pace: Pace, wanted: int) -> int:
        """Place so many calls on the trunks in their order; answers how many leads were dealt with."""
        reserved = 0
        while reserved < wanted:
            gate = self._gate(campaign)
            if gate is None:
                break
            placed = await self._place(campaign, pace, gate, min(wanted - reserved, gate.room(), LARGEST_BATCH))
            if placed == 0:
                break
            reserved += placed
        return reserved

    def _decide(self, look: Look, roster: Roster) -> PacingDecision:
        """What the policy says, unless the list had no lead a moment ago."""
        campaign, pace, now = look.campaign, look.pace, self._clock.now()
        decision = pace.pacer.decide(view_of(campaign, roster, self._calls.of(campaign.id), now))
        left = self._caller_ids.left(campaign)
        if decision.place and left is not None and left < decision.place:
            reason = decision.reason if left else "caller_ids_used_up"
            decision = PacingDecision(left, decision.cancel, reason, decision.inputs)
        if decision.place and now < pace.empty_until:
            return replace(decision, place=0, reason="no_leads_due")
        return decision

    def _closed(self, campaign: Campaign) -> str | None:
        """Why the campaign may not dial at all now, in one word; None: it may."""
        if self.is_stopping:
            return "stopping"
        if not self.is_connected:
            return "asterisk_away"
        try:
            self._trunks.of(campaign)
        except Refused as error:
            self._cannot_dial(campaign, str(error))
            return "unknown_trunk"
        if not schedule.is_in_working_hours(campaign, self._clock.utc_now()):
            return "outside_hours"
        if not self._trunks.is_any_usable(campaign):
            return "trunks_left_alone"
        if campaign.mode in RISKY_MODES and campaign.safe_harbour_media is None:
            return "no_message"
        if campaign.mode is DialMode.BROADCAST and campaign.broadcast.media is None:
            return "no_broadcast"
        return None

    def _cannot_dial(self, campaign: Campaign, why: str) -> None:
        """Once for each reason: the campaign is looked at again and again."""
        if self._told.get(campaign.id) != why:
            self._told[campaign.id] = why
            log.error("campaign-cannot-dial", campaign_id=campaign.id, why=why)

    def _gate(self, campaign: Campaign) -> TrunkGate | None:
        """The trunk for the next calls; without one, when there will be."""
        try:
            chosen = self._trunks.pick(campaign)
            gates = self._trunks.of(campaign)
        except Refused as error:
            self._cannot_dial(campaign, str(error))
            return None
        if chosen is not None:
            return chosen
        for gate in gates:
            at = gate.next_at()
            if at is not None:
                self._next_token_at = at if self._next_token_at is None else min(at, self._next_token_at)
        return None

    async def _known(self, campaign: Campaign, leads: Sequence[Lead]) -> Mapping[int, str]:
        """For each lead the agent who spoke with it last, where the campaign cares; without a database nobody."""
        again = [lead.id for lead in leads if lead.attempts > 1]
        if not campaign.routing.is_sticky or not again:
            return {}
        try:
            return await self._leads.last_agents(again)
        except DatabaseUnavailable:
            return {}

    async def _place(self, campaign: Campaign, pace: Pace, gate: TrunkGate, wanted: int) -> int:
        """Reserve leads, commit, and begin their calls; answers how many leads were dealt with."""
        gate.take(wanted)
        left = wanted
        try:
            taken = await self._reserve(campaign, wanted)
            left -= len(taken.reservations)
        finally:
            gate.untake(left)
        known = await self._known(campaign, [one.lead for one in taken.reservations])
        for reservation in taken.reservations:
            self._calls.place(reservation, campaign, gate.trunk, known.get(reservation.lead.id))
        dealt_with = len(taken.reservations) + len(taken.refused)
        if not dealt_with:
            pace.empty_until = self._clock.now() + EMPTY_SECONDS
        return dealt_with
