"""Why a lead is not dialled, and how many leads each gate holds: what the reservation would see, without a lock.

A campaign's leads are counted by one pass over the index of lanes; what that index cannot tell (attempts, limits,
do-not-call) is told of the next leads that are up, by the gates themselves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from stasis_dialer.core import gates, law
from stasis_dialer.core.gates import Case, Gate, Verdict
from stasis_dialer.core.model import Campaign, Lead, LeadStatus
from stasis_dialer.core.settling import settle
from stasis_dialer.core.zones import NOWHERE, ON_AGENDA, zone_by_code
from stasis_dialer.db.agenda import waiting_callbacks
from stasis_dialer.db.candidates import Candidates
from stasis_dialer.db.cases import CaseReader
from stasis_dialer.db.clock import utc_moment
from stasis_dialer.db.database import Database, Statements, placeholders
from stasis_dialer.db.dnc import registries_of
from stasis_dialer.db.rows import LEAD_JSON, lead_from

UP_NEXT: Final = 100
"""Leads that are up whose gates are asked: as many as one reservation takes at most."""

COUNT_SECONDS: Final = 300.0
"""How long counting may take. Source: 4 s for ten million leads, measured on 2 cores."""

_LEAD: Final = (
    f"SELECT JSON_ARRAY({LEAD_JSON}, reserved_by, reserved_until) FROM discador_contatos WHERE id IN ({{marks}})"
)
_BY_NUMBER: Final = "SELECT JSON_ARRAY(lead_id) FROM dialer_lead_phones WHERE number = %s ORDER BY lead_id LIMIT 100"
_BY_CALL: Final = (
    "SELECT JSON_ARRAY(lead_id) FROM discador_chamadas FORCE INDEX (ix_dialer_number) "
    "WHERE destination_extension = %s AND lead_id IS NOT NULL GROUP BY lead_id LIMIT 100"
)
COUNTS: Final = (
    "SELECT JSON_ARRAY(status, zone, COUNT(*), COALESCE(SUM(next_attempt > %s), 0), "
    "MIN(IF(next_attempt > %s, next_attempt, NULL))) FROM discador_contatos FORCE INDEX (ix_dialer_lane) "
    "WHERE campaign_id = %s GROUP BY status, zone"
)


@dataclass(frozen=True, slots=True)
class PhoneVerdicts:
    """What every gate says of a lead at one of its phones, and when all of them are open; None: not by time alone."""

    case: Case
    verdicts: list[Verdict]
    opens_at: datetime | None

    @property
    def held_by(self) -> Verdict | None:
        """The first gate that is shut."""
        return next((verdict for verdict in self.verdicts if not verdict.is_open), None)


@dataclass(frozen=True, slots=True)
class LeadExplained:
    """A lead through every gate, at each of its phones, in their turn."""

    lead: Lead
    phones: list[PhoneVerdicts]

    @property
    def best(self) -> PhoneVerdicts:
        """The phone that is or will be open first; with none, the one whose turn it is."""
        times = [phone for phone in self.phones if phone.opens_at is not None]
        return min(times, key=lambda phone: phone.opens_at or datetime.max) if times else self.phones[0]


@dataclass(frozen=True, slots=True)
class GateCount:
    """How many leads a gate holds, why, and when the first of them will pass."""

    gate: str
    leads: int
    why: str
    opens_at: datetime | None = None


class Explain:
    """Answers to "why not?"."""

    def __init__(self, database: Database, holidays: law.Holidays) -> None:
        self._database = database
        self._holidays = holidays

    async def leads_of(self, number: str) -> list[int]:
        """Ids of the leads that have this number, in E.164 without plus, as far as lists and calls know."""

        async def look(statements: Statements) -> list[int]:
            rows = await statements.rows(_BY_NUMBER, number) + await statements.rows(_BY_CALL, number)
            return sorted({row[0] for row in rows})

        return await self._database.run(look, may_repeat=True)

    async def lead(
        self,
        lead_id: int,
        campaign: Campaign,
        to_number: Callable[[str], str],
        now: datetime,
        trunk: str | None = None,
    ) -> LeadExplained | None:
        """Every gate of a lead; None when there is no such lead. `trunk`: why no trunk can take a call."""
        clock = self._database.clock

        async def look(statements: Statements) -> LeadExplained | None:
            rows = await statements.rows(_LEAD.format(marks="%s"), lead_id)
            if not rows:
                return None
            row, reserved_by, reserved_until = rows[0]
            lead = lead_from(row, clock)
            promise = (await waiting_callbacks(statements, [lead_id])).get(lead_id)
            if promise is not None:
                lead = replace(lead, callback_at=promise.due_at, callback_agent=promise.agent)
            reader = CaseReader(statements, clock, campaign, self._holidays, now, to_number)
            ((case, phones),) = await reader.read([lead])
            case = replace(case, trunk=trunk, reserved_by=reserved_by, reserved_until=utc_moment(reserved_until))
            cases = [replace(case, phone=phone) for _, phone in reader.known(phones)]
            return LeadExplained(
                case.lead, [PhoneVerdicts(one, gates.verdicts(one, now), gates.opening(one, now)) for one in cases]
            )

        return await self._database.run(look, may_repeat=True)

    async def campaign(self, campaign: Campaign, now: datetime, trunk: str | None = None) -> list[GateCount]:
        """How many leads each gate holds now, in the gates' order; `ready` are those that no counted gate holds."""
        clock, stamp = self._database.clock, self._database.clock.text(now)

        async def count(statements: Statements) -> tuple[list[list[Any]], tuple[law.Registry, ...]]:
            registries = await registries_of(statements, campaign.id)
            return await statements.rows(COUNTS, stamp, stamp, campaign.id), registries

        rows, registries = await self._database.run(count, may_repeat=True, seconds=COUNT_SECONDS)
        found: dict[str, GateCount] = {}

        def hold(gate: str, leads: int, why: str, opens_at: datetime | None = None) -> None:
            before = found.get(gate)
            if before is not None:
                times = [at for at in (before.opens_at, opens_at) if at is not None]
                found[gate] = replace(before, leads=before.leads + leads, opens_at=min(times, default=None))
            elif leads:
                found[gate] = GateCount(gate, leads, why, opens_at)

        shut = gates.shut(Case(campaign, Lead(0, 0, "", ""), trunk=trunk), now, gates.OF_CAMPAIGN)
        for status, zone, leads, later, first_later in rows:
            if status == LeadStatus.CALLING.value:
                hold(Gate.RESERVATION, leads, "being called")
            elif status != LeadStatus.PENDING.value:
                hold(f"{Gate.STATUS}: {status}", leads, f"the leads are {status}")
            elif zone == ON_AGENDA:
                hold(Gate.CALLBACK, leads, "promised a call", clock.moment(first_later))
            else:
                hold(Gate.NEXT_ATTEMPT, later, "their next attempt is later", clock.moment(first_later))
                self._by_zone(campaign, zone, leads - later, registries, now, hold)
        return [
            *(GateCount(v.gate, found["ready"].leads if "ready" in found else 0, v.why, v.opens_at) for v in shut),
            *sorted((one for gate, one in found.items() if not (shut and gate == "ready")), key=_place),
        ]

    def _by_zone(
        self,
        campaign: Campaign,
        zone: str | None,
        leads: int,
        registries: Sequence[law.Registry],
        now: datetime,
        hold: Callable[..., None],
    ) -> None:
        if zone is None or zone == NOWHERE:
            hold("ready", leads, "up now, as far as can be counted")
            return
        ruling = law.ruling(campaign.law, zone_by_code(zone), self._holidays, now)
        stale = law.stale_registry(campaign.law, zone_by_code(zone), registries, now)
        if stale is not None:
            hold(Gate.REGISTRY, leads, stale)
        elif ruling.is_open:
            hold("ready", leads, "up now, as far as can be counted")
        else:
            gate = Gate.HOLIDAY if ruling.holiday else Gate.LAW
            hold(gate, leads, "the law of their place shuts them", ruling.opens_at)

    async def up_next(self, campaign: Campaign, to_number: Callable[[str], str], now: datetime) -> list[GateCount]:
        """What the gates say of the next leads that a reservation would look at."""
        clock = self._database.clock

        async def look(statements: Statements) -> Counter[tuple[str, str]]:
            reader = CaseReader(statements, clock, campaign, self._holidays, now, to_number)
            is_open = await reader.open_zones()
            found = await Candidates().find(statements, campaign, clock.text(now) or "", UP_NEXT, is_open)
            ids = [one.id for one in found]
            if not ids:
                return Counter()
            rows = await statements.rows(_LEAD.format(marks=placeholders(ids)), *ids)
            counts: Counter[tuple[str, str]] = Counter()
            for case, phones in await reader.read([lead_from(row[0], clock) for row in rows]):
                settled = settle(case, reader.known(phones), now)
                if settled.case is not None:
                    counts["ready", "may be called now"] += 1
                    continue
                shut = gates.shut(replace(case, phone=reader.known(phones)[0][1]), now, ALL_OF_LEAD)
                first = settled.closed or (shut[0] if shut else None)
                counts[str(first.gate) if first else "?", _kind(first)] += 1
            return counts

        counts = await self._database.run(look, may_repeat=True)
        return [GateCount(gate, leads, why) for (gate, why), leads in counts.most_common()]


ALL_OF_LEAD: Final = frozenset(Gate) - gates.OF_CAMPAIGN


def _kind(verdict: Verdict | None) -> str:
    if verdict is None:
        return ""
    return f"will be closed: {verdict.ends}" if verdict.ends else "will wait"


def _place(count: GateCount) -> int:
    order = [str(gate) for gate in Gate]
    gate = count.gate.partition(":")[0]
    return order.index(gate) if gate in order else len(order)
