"""Shadow mode: what this dialer would do now beside whoever dials, and what they did; it does nothing itself.

It has no way to Asterisk: nothing that reaches ARI may be imported here (import contracts check it), and its database
connection is read-only. Each interval is one decision on the state that the other dialer made; what would have come of
it is not simulated.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

import structlog

from stasis_dialer.core import schedule
from stasis_dialer.core.compliance import abandon_window_start
from stasis_dialer.core.model import HAND_MODES, RISKY_MODES, Campaign, DialMode, ExtensionStatus, Lead
from stasis_dialer.core.numbers import masked, normalise
from stasis_dialer.core.pacing import Pacer, PacingDecision, make_pacer
from stasis_dialer.core.routing import Sharer, share_agents
from stasis_dialer.core.shadow import Phones, Watch, WatchedCall, phones_of, view
from stasis_dialer.engine.caller_ids import CallerIdBook, CallerIdLog
from stasis_dialer.engine.campaigns import CampaignBook, CampaignStore
from stasis_dialer.engine.clock import Clock
from stasis_dialer.engine.pacing import limits_of
from stasis_dialer.engine.trunks import Trunks
from stasis_dialer.errors import DatabaseUnavailable, NumberRefused, Refused

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 1.0
"""The rows have whole seconds."""
HISTORY_SECONDS: Final = 900.0
"""Calls that ended so long ago are still read, so that their end is not missed; and what a pacer begins with."""
FORGET_SECONDS: Final = 1800.0
"""A lead that would have been dialled is not named again for so long: the legacy's retry."""
MOST_NAMED: Final = 2000
"""Leads kept as named: each one is read past."""
LARGEST_BATCH: Final = 100
UNLIMITED: Final = 1e6
"""Calls a second of the legacy's own rule: it knows no such limit, and sends its batch at once."""


class Reader(Protocol):
    """The database as shadow mode needs it."""

    async def calls(self, since: datetime, now: datetime) -> Sequence[Any]: ...

    async def owners(self, numbers: Collection[str], campaigns: Collection[int]) -> Mapping[str, int]: ...

    async def calling(self, campaigns: Collection[int], now: datetime) -> Mapping[int, int]: ...

    async def leads_up(
        self, campaign: Campaign, n: int, now: datetime, to_number: Callable[[str], str], seen: frozenset[int]
    ) -> Sequence[Any]: ...


class AgentReader(Protocol):
    """The panel, and who works for which campaign."""

    async def panel(self) -> Sequence[Any]: ...

    async def members(self) -> Mapping[int, Mapping[str, int]]: ...


class BudgetReader(Protocol):
    """The durable count of abandoned calls."""

    async def abandonment(self, campaign_id: int, since: datetime) -> tuple[int, int]: ...


Say = Callable[[dict[str, Any]], None]


@dataclass(slots=True)
class _Watched:
    """What shadow mode keeps of one campaign."""

    watch: Watch = field(default_factory=Watch)
    pacers: dict[DialMode, Pacer] = field(default_factory=dict)
    limits: Any = None
    calls: list[WatchedCall] = field(default_factory=list)
    named: dict[int, float] = field(default_factory=dict)
    placed: set[str] = field(default_factory=set)
    """Calls of the other dialer since the last interval."""
    counted: set[str] = field(default_factory=set)
    """Its calls that are still read, each counted once."""
    sums: Counter[str] = field(default_factory=Counter)


class Shadow:
    """Watches, decides and tells. `say` gets one object for each decision, lead and sum."""

    def __init__(
        self,
        clock: Clock,
        reader: Reader,
        campaigns: CampaignStore,
        agents: AgentReader,
        budget: BudgetReader,
        caller_ids: CallerIdLog,
        trunks: Trunks,
        safe_harbour_media: str | None,
        interval_seconds: float,
        say: Say,
    ) -> None:
        self._clock = clock
        self._reader = reader
        self._book = CampaignBook(campaigns, safe_harbour_media)
        self._agents = agents
        self._budget = budget
        self._caller_ids = CallerIdBook(clock, caller_ids)
        self._trunks = trunks
        self._interval = interval_seconds
        self._say = say
        self._watched: dict[int, _Watched] = {}
        self._owners: dict[str, int | None] = {}
        self._busy_since: dict[str, float] = {}
        self._began_at = clock.now()
        self._intervals = 0
        self._unknown: set[str] = set()

    async def run(self, stop: asyncio.Event, seconds: float | None = None) -> None:
        """Watch until `stop`, or for so long; the sums are told at the end."""
        self._began_at = self._clock.now()
        until = None if seconds is None else self._began_at + seconds
        next_at = self._began_at
        is_away = False
        while not stop.is_set() and (until is None or self._clock.now() < until):
            try:
                await self._look()
                if self._clock.now() >= next_at:
                    await self._decide_all(next_at)
                    self._intervals += 1
                    while next_at <= self._clock.now():
                        next_at += self._interval
                is_away = False
            except DatabaseUnavailable as error:
                if not is_away:
                    log.error("database-away", why=str(error))
                is_away = True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await stop.wait()
        self._sum_up()

    # --- watching ---------------------------------------------------------------------------------------------------

    async def _look(self) -> None:
        """Read what the other dialer does, and let the pacers hear of it."""
        await self._book.refresh()
        active = [c for c in self._book.active() if c.mode not in HAND_MODES]
        self._watched = {c.id: self._watched.get(c.id) or _Watched() for c in active}
        now = self._clock.utc_now()
        seen = await self._reader.calls(now - timedelta(seconds=HISTORY_SECONDS), now)
        owners = await self._owned(seen, active)
        by_campaign: dict[int, list[WatchedCall]] = {campaign.id: [] for campaign in active}
        for call in seen:
            campaign_id = owners.get(call.call_id)
            if campaign_id in by_campaign:
                by_campaign[campaign_id].append(self._call(call))
            elif self._clock.at(call.started_at) >= self._began_at and campaign_id is None:
                self._unknown.add(call.call_id)
        for campaign in active:
            watched = self._watched[campaign.id]
            watched.calls = by_campaign[campaign.id]
            new = {call.call_id for call in watched.calls if call.started_at >= self._began_at}
            watched.placed |= new - watched.counted
            watched.counted = new
            self._prepare(campaign, watched)
            for event in watched.watch.news(watched.calls):
                for pacer in watched.pacers.values():
                    pacer.observe(event)

    def _call(self, call: Any) -> WatchedCall:
        def at(moment: datetime | None) -> float | None:
            return None if moment is None else self._clock.at(moment)

        ended = at(call.ended_at)
        if ended is None and call.status == "finished":
            ended = self._clock.now()
        return WatchedCall(call.call_id, self._clock.at(call.started_at), at(call.answered_at), ended, call.agent)

    async def _owned(self, seen: Sequence[Any], active: Sequence[Campaign]) -> dict[str, int | None]:
        """By call its campaign: the row says it, or its number's lead, or there is only one it can be."""
        owners: dict[str, int | None] = {}
        asked: dict[str, str] = {}
        for call in seen:
            if call.campaign_id is not None:
                owners[call.call_id] = call.campaign_id
            elif call.call_id in self._owners:
                owners[call.call_id] = self._owners[call.call_id]
            elif active:
                with contextlib.suppress(NumberRefused):
                    asked[call.call_id] = normalise(call.number, active[0].default_region)
                owners[call.call_id] = None
        ids = [campaign.id for campaign in active]
        found = await self._reader.owners(sorted(set(asked.values())), ids)
        for call_id, owner in owners.items():
            if owner is None and call_id not in self._owners:
                owners[call_id] = found.get(asked.get(call_id, ""), ids[0] if len(ids) == 1 else None)
        self._owners = dict(owners)
        return owners

    def _prepare(self, campaign: Campaign, watched: _Watched) -> None:
        """The pacers of the campaign as it is now; when its limits change they begin anew."""
        limits = limits_of(campaign, self._calls_per_second(campaign))
        if watched.pacers.keys() == set(_modes(campaign)) and watched.limits == limits:
            return
        watched.limits = limits
        watched.watch = Watch()
        own = replace(limits, calls_per_second=UNLIMITED)
        watched.pacers = {
            mode: make_pacer(mode, own if mode is DialMode.LEGACY else limits) for mode in _modes(campaign)
        }

    def _calls_per_second(self, campaign: Campaign) -> float:
        return self._trunks.calls_per_second(campaign)

    # --- deciding ---------------------------------------------------------------------------------------------------

    async def _decide_all(self, at: float) -> None:
        active = [campaign for campaign in self._book.active() if campaign.id in self._watched]
        panel = [row.status for row in await self._agents.panel()]
        members = await self._agents.members()
        calling = await self._reader.calling([campaign.id for campaign in active], self._clock.utc_now())
        await self._caller_ids.refresh(active)
        for_all = phones_of(panel)
        self._busy_since = {number: self._busy_since.get(number, at) for number in for_all.busy}
        shares = _shares(panel, active, members)
        for campaign in active:
            await self._decide(campaign, at, _own(panel, campaign, members), calling.get(campaign.id, 0), shares)

    async def _decide(
        self, campaign: Campaign, at: float, phones: Phones, calling: int, shares: Mapping[int, int]
    ) -> None:
        watched = self._watched[campaign.id]
        talking = self._talking(campaign, phones)
        legacy = view(at, watched.calls, calling, phones.legacy_ready, talking, campaign.max_channels)
        own = view(at, watched.calls, calling, shares.get(campaign.id, 0), talking, campaign.max_channels)
        closed = self._closed(campaign)
        decisions: dict[DialMode, PacingDecision] = {}
        for mode, pacer in watched.pacers.items():
            if mode in RISKY_MODES and mode is not DialMode.LEGACY:
                since = abandon_window_start(campaign, self._clock.utc_now())
                pacer.set_budget(*await self._budget.abandonment(campaign.id, since), at)
            decision = pacer.decide(legacy if mode is DialMode.LEGACY else own)
            decisions[mode] = PacingDecision(0, reason=closed) if closed else decision
        would = decisions[campaign.mode]
        without = self._forbidden(campaign)
        leads = [] if without or closed else await self._leads(campaign, watched, would.place)
        placed, watched.placed = len(watched.placed), set()
        watched.sums["placed"] += placed
        watched.sums.update({str(mode): decision.place for mode, decision in decisions.items()})
        watched.sums["leads"] += len(leads)
        self._say(
            {
                "kind": "interval",
                "at": self._clock.utc(at).isoformat(timespec="seconds"),
                "campaign_id": campaign.id,
                "campaign": campaign.name,
                "mode": str(campaign.mode),
                "agents_registered": phones.registered,
                "agents_free": own.agents_ready,
                "agents_free_legacy": phones.legacy_ready,
                "calls_in_flight": len(own.ringing_since) + len(own.dialling_since),
                "calls_open": own.channels_in_use,
                "placed_since": placed,
                "would_place": {
                    str(mode): {"calls": d.place, "reason": d.reason, "inputs": dict(d.inputs)}
                    for mode, d in decisions.items()
                },
                "forbidden": without,
            }
        )
        for lead in leads:
            self._say(lead)

    def _talking(self, campaign: Campaign, phones: Phones) -> dict[str, float]:
        """Busy agents of the campaign, and since when."""
        calls = {call.agent: call for call in self._watched[campaign.id].calls if call.is_open and call.agent}
        elsewhere = {
            call.agent
            for id_, watched in self._watched.items()
            if id_ != campaign.id
            for call in watched.calls
            if call.is_open and call.agent
        }
        return {
            number: calls[number].answered_at or calls[number].started_at
            if number in calls
            else self._busy_since.get(number, self._clock.now())
            for number in phones.busy
            if number not in elsewhere
        }

    def _closed(self, campaign: Campaign) -> str | None:
        """Why it may not dial at all now, in the dialer's words."""
        try:
            self._trunks.of(campaign)
        except Refused:
            return "unknown_trunk"
        return None if schedule.is_in_working_hours(campaign, self._clock.utc_now()) else "outside_hours"

    def _forbidden(self, campaign: Campaign) -> str | None:
        """What `run` would refuse this campaign's own mode for."""
        if campaign.mode in RISKY_MODES and campaign.safe_harbour_media is None:
            return "no_message"
        if campaign.mode is DialMode.BROADCAST and campaign.broadcast.media is None:
            return "no_broadcast"
        return None

    async def _leads(self, campaign: Campaign, watched: _Watched, wanted: int) -> list[dict[str, Any]]:
        """The leads that would be dialled, told as a log tells them; nothing is reserved."""
        now = self._clock.now()
        watched.named = {id_: at for id_, at in watched.named.items() if now - at < FORGET_SECONDS}
        if wanted <= 0 or len(watched.named) >= MOST_NAMED:
            return []
        found = await self._reader.leads_up(
            campaign,
            min(wanted, LARGEST_BATCH),
            self._clock.utc_now(),
            lambda phone: normalise(phone, campaign.default_region, campaign.numbers),
            frozenset(watched.named),
        )
        told = []
        for up in found:
            lead: Lead = up.lead
            watched.named[lead.id] = now
            gate = self._trunks.pick(campaign)
            trunk = gate.trunk if gate else None
            shown = (
                self._caller_ids.take(campaign, up.number) or campaign.caller_id or (trunk.caller_id if trunk else None)
            )
            told.append(
                {
                    "kind": "lead",
                    "campaign_id": campaign.id,
                    "lead_id": lead.id,
                    "number": masked(up.number),
                    "attempt": lead.attempts + 1,
                    "trunk": trunk.name if trunk else None,
                    "caller_id": masked(shown) if shown else None,
                }
            )
        return told

    def _sum_up(self) -> None:
        """What the whole watch came to."""
        seconds = round(self._clock.now() - self._began_at)
        for campaign_id, watched in sorted(self._watched.items()):
            sums = {name: count for name, count in watched.sums.items() if name not in ("placed", "leads")}
            self._say(
                {
                    "kind": "sum",
                    "campaign_id": campaign_id,
                    "campaign": self._book.of(campaign_id).name,
                    "seconds": seconds,
                    "intervals": self._intervals,
                    "placed": watched.sums["placed"] + len(watched.placed),
                    "would_place": sums,
                    "leads_named": watched.sums["leads"],
                }
            )
        self._say(
            {
                "kind": "end",
                "seconds": seconds,
                "intervals": self._intervals,
                "calls_of_unknown_campaign": len(self._unknown),
            }
        )


def _modes(campaign: Campaign) -> tuple[DialMode, ...]:
    """The policies that are asked: the campaign's own, the legacy's rule, and predictive."""
    return tuple(dict.fromkeys((DialMode.LEGACY, campaign.mode, DialMode.PREDICTIVE)))


def _own(panel: Sequence[ExtensionStatus], campaign: Campaign, members: Mapping[int, Mapping[str, int]]) -> Phones:
    """The phones of the campaign's agents; without members all are."""
    queue = members.get(campaign.id)
    return phones_of(one for one in panel if queue is None or one.number in queue)


def _shares(
    panel: Sequence[ExtensionStatus], active: Sequence[Campaign], members: Mapping[int, Mapping[str, int]]
) -> dict[int, int]:
    """How many of the free agents each campaign may count on."""
    free = []
    for one in panel:
        if phones_of([one]).ready:
            serves = frozenset(c.id for c in active if c.id not in members or one.number in members[c.id])
            if serves:
                free.append(serves)
    return share_agents(free, {campaign.id: Sharer(weight=campaign.weight) for campaign in active})
