"""The database in memory: the repositories as the engine uses them, without MariaDB.

It passes the same contract suite as MariaDB (`tests/contract/db`). `is_away` makes every use fail like an outage,
`is_answer_lost` makes it fail after the commit.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, ParamSpec, TypeVar

import msgspec

from stasis_dialer.core import gates
from stasis_dialer.core.extensions import LONGEST
from stasis_dialer.core.gates import Case, Phone
from stasis_dialer.core.law import NO_HOLIDAYS, Holidays, ruling
from stasis_dialer.core.lead_options import LeadOrder, NextPhone
from stasis_dialer.core.model import (
    AgentSession,
    AgentState,
    CallRecord,
    CallStatus,
    Campaign,
    CampaignStatus,
    Direction,
    DisposedCall,
    Disposition,
    ExtensionStatus,
    Fault,
    Lead,
    LeadOutcome,
    LeadStatus,
    Reservation,
    Wish,
)
from stasis_dialer.core.schedule import disposed_outcome
from stasis_dialer.core.settling import Settled, next_zone, phones_in_turn, read_phone, settle
from stasis_dialer.core.zones import NOWHERE, ON_AGENDA, zone_by_code
from stasis_dialer.db.agenda import MOST_MOVES, PUT_OFF_SECONDS, Callback
from stasis_dialer.db.agents import PanelRow, StateInterval
from stasis_dialer.db.audit import AuditEntry
from stasis_dialer.db.batch import RefusedLead, Reserved
from stasis_dialer.db.by_hand import NOBODY, Typed, checked, pass_gates
from stasis_dialer.db.campaigns import CampaignCounters, StoredCampaign
from stasis_dialer.db.decisions import PacingDecision
from stasis_dialer.db.dnc import DoNotCall, Listed
from stasis_dialer.db.leads import DueCounts, Inserted, NewLead
from stasis_dialer.db.number_facts import PROOF_OF_LIFE
from stasis_dialer.db.reservation import ReleasedLead
from stasis_dialer.db.reservation_sql import LEASE_EXPIRED, LEGACY_RETRY_SECONDS
from stasis_dialer.db.rows import counts_as_success
from stasis_dialer.errors import CampaignNotFound, DatabaseUnavailable, NumberRefused, Refused

P = ParamSpec("P")
R = TypeVar("R")
CLOSED = (LeadStatus.COMPLETED, LeadStatus.FAILED)
OPEN_STATUSES = (CallStatus.RINGING, CallStatus.CONNECTED)


NEVER = datetime(1, 1, 1, tzinfo=UTC)


@dataclass
class Held:
    """A lead's reservation; the attempt's id stays when it has ended."""

    attempt_id: str
    app: str | None
    until: datetime | None


@dataclass
class MemoryStore:
    """All repositories over the same rows."""

    rows: dict[int, Lead] = field(default_factory=dict)
    held: dict[int, Held] = field(default_factory=dict)
    records: dict[str, CallRecord] = field(default_factory=dict)
    campaign_rows: dict[int, StoredCampaign] = field(default_factory=dict)
    listed: dict[tuple[str, int | None, str, bool], DoNotCall] = field(default_factory=dict)
    extensions: dict[str, PanelRow] = field(default_factory=dict)
    session_rows: dict[str, AgentSession] = field(default_factory=dict)
    states: dict[str, dict[datetime, AgentSession]] = field(default_factory=dict)
    queue_members: dict[int, dict[str, int]] = field(default_factory=dict)
    promises: dict[int, Callback] = field(default_factory=dict)
    promised_at: dict[int, datetime] = field(default_factory=dict)
    invalid: dict[str, int] = field(default_factory=dict)
    noted: dict[str, datetime | None] = field(default_factory=dict)
    abandoned: dict[str, datetime] = field(default_factory=dict)
    audited: list[AuditEntry] = field(default_factory=list)
    is_away: bool = False
    is_answer_lost: bool = False
    ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.campaigns = MemoryCampaigns(self)
        self.leads = MemoryLeads(self)
        self.calls = MemoryCalls(self)
        self.agents = MemoryAgents(self)
        self.dnc = MemoryDoNotCallList(self)
        self.agenda = MemoryAgenda(self)
        self.decisions = MemoryDecisions(self)
        self.pins = MemoryPins(self)
        self.by_hand = MemoryByHand(self)
        self.audit = MemoryAudit(self)

    async def open(self) -> None:
        self.commit(lambda: None)

    async def close(self) -> None:
        return

    def commit(self, work: Callable[[], R]) -> R:
        """Run a change or a question as one transaction."""
        if self.is_away:
            raise DatabaseUnavailable("the database cannot be reached: it is away for this test")
        result = work()
        if self.is_answer_lost:
            raise DatabaseUnavailable("the commit's answer was lost for this test")
        return result

    def count(self, campaign_id: int, processed: int = 0, successful: int = 0, total: int = 0) -> None:
        stored = self.campaign_rows.get(campaign_id)
        if stored is not None:
            old = stored.counters
            counters = CampaignCounters(
                old.total_contacts + total, old.processed_contacts + processed, old.successful_calls + successful
            )
            self.campaign_rows[campaign_id] = replace(stored, counters=counters)

    def change_lead(self, lead_id: int, **changes: Any) -> Lead:
        self.rows[lead_id] = replace(self.rows[lead_id], **changes)
        return self.rows[lead_id]


class _Repository:
    def __init__(self, store: MemoryStore) -> None:
        self._store = store


class MemoryAudit(_Repository):
    async def write(self, entry: AuditEntry) -> None:
        self._store.commit(lambda: self._store.audited.append(entry))


class MemoryCampaigns(_Repository):
    async def find(self, status: CampaignStatus | None = None) -> list[StoredCampaign]:
        def select() -> list[StoredCampaign]:
            rows = self._store.campaign_rows.values()
            return [stored for stored in rows if status in (None, stored.campaign.status)]

        return self._store.commit(select)

    async def active(self) -> list[StoredCampaign]:
        return await self.find(CampaignStatus.ACTIVE)

    async def get(self, which: int | str) -> StoredCampaign:
        found = [s for s in await self.find() if which in (s.campaign.id, s.campaign.name)]
        if not found:
            raise CampaignNotFound(f"there is no such campaign: {which}")
        return found[0]

    async def create(self, campaign: Campaign, actor: str, now: datetime) -> StoredCampaign:
        if any(stored.campaign.name == campaign.name for stored in await self.find()):
            raise Refused(f"there is such a campaign already: name={campaign.name}")
        stored = StoredCampaign(
            replace(campaign, id=next(self._store.ids)), created_at=_whole_second(now), updated_at=_whole_second(now)
        )
        self._store.campaign_rows[stored.campaign.id] = stored
        return stored

    async def update(self, campaign_id: int, changes: Mapping[str, Any], actor: str, now: datetime) -> StoredCampaign:
        unknown = set(changes) - {item.name for item in fields(Campaign)}
        if unknown:
            raise Refused(f"a campaign has no such setting: {', '.join(sorted(unknown))}")
        stored = await self.get(campaign_id)
        campaign = replace(stored.campaign, **changes)
        if campaign != stored.campaign:
            stored = replace(stored, campaign=campaign, updated_at=_whole_second(now))
            self._store.campaign_rows[campaign_id] = stored
        return stored

    async def set_status(self, campaign_id: int, status: CampaignStatus, actor: str, now: datetime) -> StoredCampaign:
        return await self.update(campaign_id, {"status": status}, actor, now)


def _due_at(lead: Lead) -> tuple[datetime, int]:
    assert lead.callback_at is not None
    return lead.callback_at, lead.id


class MemoryLeads(_Repository):
    holidays: Holidays = NO_HOLIDAYS

    async def insert_many(
        self, campaign_id: int, leads: Iterable[NewLead], now: datetime, max_attempts: int = 3
    ) -> Inserted:
        count = 0
        for lead in leads:
            attempts = max_attempts if lead.max_attempts is None else lead.max_attempts
            new_id = next(self._store.ids)
            self._store.rows[new_id] = Lead(
                new_id,
                campaign_id,
                lead.name,
                lead.phone_number,
                lead.alternate_phone,
                max_attempts=attempts,
                priority=lead.priority,
                expires_at=lead.expires_at,
                created_at=_whole_second(now),
            )
            count += 1
        self._store.count(campaign_id, total=count)
        return Inserted(count)

    async def get(self, lead_id: int) -> Lead | None:
        return self._store.commit(lambda: self._store.rows.get(lead_id))

    async def last_agents(self, lead_ids: Sequence[int]) -> dict[int, str]:
        def select() -> dict[int, str]:
            spoken = [r for r in self._store.records.values() if r.lead_id in lead_ids and r.bridged_at]
            return {r.lead_id: r.agent or "" for r in sorted(spoken, key=lambda r: r.started_at or NEVER) if r.lead_id}

        return self._store.commit(select)

    async def counts(self, campaign_id: int) -> dict[str, int]:
        mine = [lead.status for lead in self._store.rows.values() if lead.campaign_id == campaign_id]
        return self._store.commit(lambda: {status.value: mine.count(status) for status in LeadStatus})

    async def due_counts(self, campaign_id: int, now: datetime, at_most: int | None = None) -> DueCounts:
        pending = [
            lead.next_attempt_at
            for lead in self._store.rows.values()
            if lead.campaign_id == campaign_id and lead.status is LeadStatus.PENDING
        ]
        times = [moment for moment in pending if moment is not None]
        waiting = [moment for moment in times if moment > _whole_second(now)]
        most = len(pending) if at_most is None else at_most
        return DueCounts(
            fresh=min(most, pending.count(None)),
            retries=min(most, len(times) - len(waiting)),
            waiting=min(most, len(waiting)),
            next_due_at=min(waiting, default=None),
        )

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
    ) -> Reserved:
        until = now + timedelta(seconds=lease_seconds)
        if gates.shut(Case(campaign, Lead(0, 0, "", "")), now, gates.OF_CAMPAIGN):
            return Reserved()

        def take() -> Reserved:
            reserved = Reserved()
            for lead in self._due(campaign, now, agents):
                if len(reserved.reservations) >= n:
                    break
                phones = [(i, self._phone(text, campaign.id, now, to_number)) for i, text in phones_in_turn(lead)]
                called = self._store.calls.starts(lambda record, id_=lead.id: record.lead_id == id_)
                case = Case(campaign, lead, holidays=self.holidays, lead_called_at=called)
                settled = settle(case, phones, now)
                if settled.case is not None:
                    self._take(reserved, lead, settled, campaign, app, now, until, new_call_id())
                elif settled.closed is not None:
                    result = settled.closed.ends or ""
                    closed = self._store.change_lead(
                        lead.id, status=LeadStatus.FAILED, result=result, next_attempt_at=None
                    )
                    self._store.count(campaign.id, processed=1)
                    reserved.refused.append(RefusedLead(closed, result, settled.closed.why))
                elif settled.is_put_off:
                    self._put_off(lead, settled, campaign, now)
            return reserved

        return self._store.commit(take)

    async def claim(self, lead_id: int, call_id: str, app: str, now: datetime, lease_seconds: float) -> Lead | None:
        def take() -> Lead | None:
            lead = self._store.rows.get(lead_id)
            if lead is None or lead.status is LeadStatus.CALLING:
                return None
            until = now + timedelta(seconds=lease_seconds)
            self._store.held[lead_id] = Held(call_id, app, until)
            most = max(lead.max_attempts, lead.attempts + 1)
            self._store.change_lead(lead_id, status=LeadStatus.CALLING, max_attempts=most)
            if lead.status in (LeadStatus.COMPLETED, LeadStatus.FAILED):
                self._store.count(lead.campaign_id, processed=-1)
            return lead

        return self._store.commit(take)

    def _take(
        self,
        reserved: Reserved,
        lead: Lead,
        settled: Settled,
        campaign: Campaign,
        app: str,
        now: datetime,
        until: datetime,
        call_id: str,
    ) -> None:
        assert settled.case is not None
        number = settled.case.phone.number
        promise = self._store.promises.get(lead.id)
        if promise is not None:
            del self._store.promises[lead.id]
        taken = self._store.change_lead(
            lead.id,
            status=LeadStatus.CALLING,
            attempts=lead.attempts + 1,
            last_attempt_at=_whole_second(now),
            zone=settled.zone,
            next_phone=settled.phone_index,
        )
        taken = replace(taken, last_attempt_at=now, callback_at=lead.callback_at, callback_agent=lead.callback_agent)
        one = Reservation(call_id, taken, number, now, until)
        self._store.held[lead.id] = Held(one.call_id, app, until)
        self._store.records[one.call_id] = _stored(
            CallRecord(one.call_id, app, campaign.id, lead.id, number, started_at=now)
        )
        reserved.reservations.append(one)

    def _put_off(self, lead: Lead, settled: Settled, campaign: Campaign, now: datetime) -> None:
        promise = self._store.promises.get(lead.id)
        if promise is not None:
            zone = zone_by_code(settled.zone or "")
            until = settled.until or ruling(campaign.law, zone, self.holidays, now).opens_at
            assert until is not None
            self._store.promises[lead.id] = replace(promise, due_at=until)
            return
        until = _next_whole_second(settled.until) or lead.next_attempt_at
        self._store.change_lead(lead.id, next_attempt_at=until, zone=settled.zone or lead.zone)

    def _phone(self, text: str, campaign_id: int, now: datetime, to_number: Callable[[str], str]) -> Phone:
        phone = read_phone(text, to_number)
        if not phone.number:
            return phone
        listed = self._store.dnc.listed(phone.number, campaign_id, now)
        return replace(
            phone,
            do_not_call="on the do-not-call list" if listed else None,
            do_not_call_until=listed.until if listed else None,
            called_at=self._store.calls.starts(lambda record: record.number == phone.number),
            invalid_count=self._store.invalid.get(phone.number, 0),
            abandoned_at=self._store.abandoned.get(phone.number),
        )

    async def know_zones(self, campaign: Campaign, to_number: Callable[[str], str], limit: int) -> int:
        def learn() -> int:
            unknown = [
                lead
                for lead in self._store.rows.values()
                if lead.campaign_id == campaign.id and lead.status is LeadStatus.PENDING and lead.zone is None
            ][:limit]
            for lead in unknown:
                self._store.change_lead(lead.id, zone=next_zone(lead, to_number) or NOWHERE)
            return len(unknown)

        return self._store.commit(learn)

    async def renew(self, app: str, now: datetime, lease_seconds: float) -> int:
        def extend() -> int:
            mine = [
                held
                for lead_id, held in self._store.held.items()
                if held.app == app and held.until and self._store.rows[lead_id].status is LeadStatus.CALLING
            ]
            for held in mine:
                held.until = now + timedelta(seconds=lease_seconds)
            return len(mine)

        return self._store.commit(extend)

    async def release_expired(
        self, now: datetime, retry_delay_seconds: float = LEGACY_RETRY_SECONDS
    ) -> list[ReleasedLead]:
        retry_at = _next_whole_second(now + timedelta(seconds=retry_delay_seconds))

        def release() -> list[ReleasedLead]:
            released = []
            for lead_id, held in self._store.held.items():
                if held.until is None or held.until > now:
                    continue
                held.app = held.until = None
                record = self._close_call(held.attempt_id, now)
                lead = self._store.rows[lead_id]
                if lead.status is not LeadStatus.CALLING:
                    continue
                promise = self._store.promises.get(lead_id)
                if promise is not None:
                    self._store.change_lead(lead_id, zone=ON_AGENDA)
                    status, result = LeadStatus.PENDING, LEASE_EXPIRED
                elif record is not None and record.bridged_at is not None:
                    status, result = LeadStatus.COMPLETED, Disposition.ANSWERED.value
                else:
                    is_last = lead.attempts >= lead.max_attempts
                    status, result = (LeadStatus.FAILED if is_last else LeadStatus.PENDING), LEASE_EXPIRED
                retry = retry_at if status is LeadStatus.PENDING else None
                if promise is not None:
                    retry = _next_whole_second(promise.due_at)
                self._store.change_lead(lead_id, status=status, result=result, next_attempt_at=retry)
                self._store.count(lead.campaign_id, int(status in CLOSED), int(status is LeadStatus.COMPLETED))
                released.append(ReleasedLead(lead_id, lead.campaign_id, held.attempt_id, status))
            return released

        return self._store.commit(release)

    def _due(self, campaign: Campaign, now: datetime, agents: Collection[str]) -> list[Lead]:
        pending = [
            lead
            for lead in self._store.rows.values()
            if lead.campaign_id == campaign.id and lead.status is LeadStatus.PENDING
        ]
        promises = self._store.promises
        kept = [
            replace(lead, callback_at=promise.due_at, callback_agent=promise.agent)
            for lead in pending
            if (promise := promises.get(lead.id)) and promise.due_at <= now and promise.agent in (None, *agents)
        ]
        plain = [lead for lead in pending if lead.zone != ON_AGENDA]
        due = [lead for lead in plain if lead.next_attempt_at and lead.next_attempt_at <= _whole_second(now)]
        due.sort(key=lambda lead: (lead.next_attempt_at, lead.id))
        fresh = [lead for lead in plain if lead.next_attempt_at is None]
        order = campaign.leads.order
        if order is LeadOrder.NEWEST:
            return [*sorted(kept, key=_due_at), *fresh[::-1], *due]
        if order is LeadOrder.LEAST_ATTEMPTS:
            return [*sorted(kept, key=_due_at), *fresh, *sorted(due, key=lambda lead: lead.attempts)]
        if order is LeadOrder.PRIORITY:
            return [*sorted(kept, key=_due_at), *sorted([*due, *fresh], key=lambda lead: -lead.priority)]
        return [*sorted(kept, key=_due_at), *due, *fresh]

    def _close_call(self, call_id: str, now: datetime) -> CallRecord | None:
        record = self._store.records.get(call_id)
        if record is not None and record.status is not CallStatus.FINISHED:
            talked = int((now - record.answered_at).total_seconds()) if record.answered_at else 0
            self._store.records[call_id] = replace(
                record,
                status=CallStatus.FINISHED,
                ended_at=_whole_millisecond(now),
                is_end_estimated=True,
                disposition=Disposition.ANSWERED if record.bridged_at else Disposition.ERROR,
                fault=Fault.OURS,
                duration_seconds=max(0, talked),
            )
        return record


class MemoryCalls(_Repository):
    def starts(self, is_meant: Callable[[CallRecord], bool]) -> tuple[datetime, ...]:
        """When the calls that are meant began; those that never left us do not count."""
        ours = [r for r in self._store.records.values() if r.direction is Direction.OUTBOUND]
        real = (r for r in ours if r.status is not CallStatus.FINISHED or r.dialled_at or r.is_end_estimated)
        return tuple(record.started_at for record in real if record.started_at and is_meant(record))

    async def save(self, records: Sequence[CallRecord]) -> None:
        def write() -> None:
            for record in records:
                stored = self._store.records.get(record.call_id)
                if stored is None or stored.status is not CallStatus.FINISHED:
                    self._store.records[record.call_id] = _stored(record, stored)
                self._keep_opt_out(record)

        self._store.commit(write)

    async def finish(self, closed: Sequence[tuple[CallRecord, LeadOutcome | None]]) -> list[str]:
        def write() -> list[str]:
            taken_by_others = []
            for record, outcome in closed:
                stored = self._store.records.get(record.call_id)
                is_final = stored is not None and stored.status is CallStatus.FINISHED
                if stored is None or not is_final or (stored.is_end_estimated and not record.is_end_estimated):
                    self._store.records[record.call_id] = _stored(record, stored)
                self._keep_opt_out(record)
                self._note_end(record)
                self._keep_promise(record)
                if outcome is not None and not self._close(record, outcome):
                    taken_by_others.append(record.call_id)
            return taken_by_others

        return self._store.commit(write)

    def _keep_opt_out(self, record: CallRecord) -> None:
        if record.wish is Wish.OPT_OUT:
            self._store.listed[record.number, None] = DoNotCall(record.number, None, f"opt-out: {record.call_id}")

    async def caller_id_counts(self, since: datetime) -> dict[str, int]:
        def count() -> dict[str, int]:
            shown = (
                c.caller_id
                for c in self._store.records.values()
                if c.started_at and c.started_at >= since and c.direction is Direction.OUTBOUND
            )
            return dict(Counter(number.removeprefix("+") for number in shown if number))

        return self._store.commit(count)

    async def to_number(self, number: str, limit: int) -> list[CallRecord]:
        def select() -> list[CallRecord]:
            found = [c for c in self._store.records.values() if c.number == number]
            outbound = [c for c in found if c.direction is Direction.OUTBOUND and c.started_at]
            return sorted(outbound, key=lambda c: (c.started_at, c.call_id), reverse=True)[:limit]

        return self._store.commit(select)

    async def open_calls(self, app: str) -> list[CallRecord]:
        def select() -> list[CallRecord]:
            return [record for record in self._store.records.values() if record.app == app and _is_open(record)]

        return self._store.commit(select)

    async def get(self, call_id: str) -> CallRecord | None:
        return self._store.commit(lambda: self._store.records.get(call_id))

    async def last_of(self, agent: str) -> CallRecord | None:
        def select() -> CallRecord | None:
            mine = [r for r in self._store.records.values() if r.agent == agent and r.bridged_at and r.started_at]
            return max(mine, key=lambda r: (r.started_at, r.call_id), default=None)

        return self._store.commit(select)

    async def recordings_over(self, app: str, now: datetime, limit: int) -> list[tuple[str, tuple[str, ...]]]:
        def select() -> list[tuple[str, tuple[str, ...]]]:
            over = [
                (record.recordings_until, record.call_id, record.recordings)
                for record in self._store.records.values()
                if record.app == app
                and record.status is CallStatus.FINISHED
                and record.recordings_until is not None
                and record.recordings_until <= now
            ]
            return [(call_id, files) for _, call_id, files in sorted(over)[:limit]]

        return self._store.commit(select)

    async def forget_recordings(self, call_ids: Sequence[str]) -> None:
        def write() -> None:
            for call_id in call_ids:
                record = self._store.records[call_id]
                self._store.records[call_id] = replace(record, recordings=(), recordings_until=None)

        self._store.commit(write)

    def _keep_promise(self, record: CallRecord) -> None:
        is_spoken = record.direction is Direction.INBOUND and record.disposition is Disposition.ANSWERED
        made_at = self._store.promised_at.get(record.lead_id or 0)
        if is_spoken and made_at and record.started_at and made_at < record.started_at:
            self._store.promises.pop(record.lead_id or 0, None)

    def _note_end(self, record: CallRecord) -> None:
        if not record.number.isdigit() or record.direction is not Direction.OUTBOUND:
            return
        if record.disposition is Disposition.INVALID_NUMBER and not record.is_end_estimated:
            if self._store.noted.get(record.number) != record.ended_at:
                self._store.invalid[record.number] = self._store.invalid.get(record.number, 0) + 1
            self._store.noted[record.number] = record.ended_at
        elif record.disposition in PROOF_OF_LIFE:
            self._store.invalid.pop(record.number, None)
        if record.disposition is Disposition.ABANDONED and record.ended_at:
            self._store.abandoned[record.number] = _whole_millisecond(record.ended_at)

    def _close(self, record: CallRecord, outcome: LeadOutcome) -> bool:
        lead, held = self._store.rows.get(outcome.lead_id), self._store.held.get(outcome.lead_id)
        if lead is None:
            return True
        if held is None or held.attempt_id != outcome.call_id:
            return False
        if held.until is None and lead.result != LEASE_EXPIRED:
            return True
        is_ours = lead.status is LeadStatus.CALLING or held.until is None
        held.app = held.until = None
        self._promise(outcome, lead)
        promise = self._store.promises.get(lead.id)
        if promise is not None:
            outcome = replace(outcome, status=LeadStatus.PENDING, next_attempt_at=promise.due_at)
        status = outcome.status if is_ours else lead.status
        step = int(outcome.phone is NextPhone.NEXT)
        self._store.change_lead(
            lead.id,
            status=status,
            result=outcome.result,
            zone=ON_AGENDA if promise is not None else lead.zone,
            next_phone=None if lead.next_phone is None else lead.next_phone + step,
            next_attempt_at=_next_whole_second(outcome.next_attempt_at),
            attempts=(attempts := max(0, lead.attempts - int(outcome.is_attempt_given_back))),
            max_attempts=max(lead.max_attempts, attempts + 1) if outcome.is_callback else lead.max_attempts,
        )
        closed = int(status in CLOSED) - int(lead.status in CLOSED)
        self._store.count(lead.campaign_id, closed, int(counts_as_success(record)))
        return True

    def _promise(self, outcome: LeadOutcome, lead: Lead) -> None:
        at = outcome.next_attempt_at
        if outcome.is_callback and at is not None and lead.id not in self._store.promises:
            made = Callback(next(self._store.ids), lead.campaign_id, lead.id, None, _whole_millisecond(at))
            self._store.promises[lead.id] = made

    async def dispose(self, made: DisposedCall) -> bool:
        def write() -> bool:
            record = self._store.records.get(made.call_id)
            if record is None:
                return False
            is_over = record.status is CallStatus.FINISHED
            success = made.choice.success if is_over else record.is_success
            self._store.records[made.call_id] = replace(
                record, agent_disposition=made.choice.code, callback_at=made.callback_at, is_success=success
            )
            if made.choice.do_not_call:
                source = f"agent {made.by}: {made.choice.code}"
                self._store.listed[record.number, None, source, False] = DoNotCall(record.number, None, source)
            lead = self._store.rows.get(record.lead_id or 0)
            if is_over and lead is not None:
                self._correct(made, record, lead)
            return True

        return self._store.commit(write)

    def _correct(self, made: DisposedCall, record: CallRecord, lead: Lead) -> None:
        held = self._store.held.get(lead.id)
        results = (record.disposition and record.disposition.value, record.agent_disposition, LEASE_EXPIRED)
        if held is None or held.attempt_id != made.call_id or held.until is not None or lead.result not in results:
            return
        outcome = disposed_outcome(
            made.call_id, lead, made.campaign, made.choice, callback_at=made.callback_at, now=made.at
        )
        self._promise(outcome, lead)
        self._store.change_lead(
            lead.id,
            status=outcome.status,
            result=outcome.result,
            zone=ON_AGENDA if outcome.is_callback else lead.zone,
            next_attempt_at=_next_whole_second(outcome.next_attempt_at),
            max_attempts=max(lead.max_attempts, lead.attempts + 1) if outcome.is_callback else lead.max_attempts,
        )
        closed = int(outcome.status in CLOSED) - int(lead.status in CLOSED)
        self._store.count(lead.campaign_id, closed, int(made.choice.success) - int(counts_as_success(record)))


class MemoryAgenda(_Repository):
    async def promise(
        self, lead_id: int, at: datetime, now: datetime, agent: str | None = None, note: str = "", by: str = ""
    ) -> Callback:
        if at <= now:
            raise Refused(f"a callback must be in the future: lead_id={lead_id}")

        def write() -> Callback:
            lead = self._store.rows.get(lead_id)
            if lead is None:
                raise Refused(f"there is no such lead: id={lead_id}")
            made = Callback(next(self._store.ids), lead.campaign_id, lead_id, agent, _whole_millisecond(at), note=note)
            self._store.promises[lead_id] = made
            self._store.promised_at[lead_id] = now
            if lead.status is not LeadStatus.CALLING:
                self._store.count(lead.campaign_id, processed=-int(lead.status in CLOSED))
                self._store.change_lead(
                    lead_id,
                    status=LeadStatus.PENDING,
                    result="callback",
                    next_attempt_at=_next_whole_second(at),
                    zone=ON_AGENDA,
                )
            return made

        return self._store.commit(write)

    async def cancel(self, lead_id: int, now: datetime) -> bool:
        def write() -> bool:
            was = self._store.promises.pop(lead_id, None)
            lead = self._store.rows.get(lead_id)
            if lead is not None and lead.zone == ON_AGENDA and lead.status is LeadStatus.PENDING:
                self._store.change_lead(lead_id, zone=None, next_attempt_at=None)
            return was is not None

        return self._store.commit(write)

    async def of_lead(self, lead_id: int) -> Callback | None:
        return self._store.commit(lambda: self._store.promises.get(lead_id))

    async def tidy(self, campaign_id: int, now: datetime, agents_here: Collection[str]) -> int:
        def write() -> int:
            late = [
                one
                for one in self._store.promises.values()
                if one.campaign_id == campaign_id and one.due_at <= now and one.agent not in (None, *agents_here)
            ]
            for one in late:
                agent = None if one.moved >= MOST_MOVES else one.agent
                until = now + timedelta(seconds=PUT_OFF_SECONDS)
                self._store.promises[one.lead_id] = replace(one, due_at=until, moved=one.moved + 1, agent=agent)
            return len(late)

        return self._store.commit(write)


class MemoryAgents(_Repository):
    async def save_extensions(self, extensions: Sequence[ExtensionStatus], now: datetime) -> None:
        if any(len(extension.number) > LONGEST for extension in extensions):
            raise Refused("the panel's extensions are shorter")

        def write() -> None:
            for extension in extensions:
                stored = self._store.extensions.get(extension.number)
                if stored is None or stored.status != extension:
                    name = stored.name if stored else extension.number
                    self._store.extensions[extension.number] = PanelRow(extension, name, _whole_second(now))

        self._store.commit(write)

    async def panel(self) -> list[PanelRow]:
        return self._store.commit(lambda: [row for _, row in sorted(self._store.extensions.items())])

    async def save_sessions(self, sessions: Iterable[AgentSession]) -> None:
        def write() -> None:
            for session in sessions:
                since = _whole_millisecond(session.state_since or session.logged_in_at)
                kept = replace(session, state_since=since, seconds={})
                self._store.session_rows[session.session_id] = kept
                if session.state is not AgentState.LOGGED_OFF:
                    self._store.states.setdefault(session.session_id, {})[since] = kept

        self._store.commit(write)

    async def open_sessions(self, app: str) -> list[AgentSession]:
        rows = self._store.session_rows.values()
        mine = [session.session_id for session in rows if session.app == app and session.logged_out_at is None]
        found = [await self.get_session(session_id) for session_id in mine]
        return [session for session in found if session is not None]

    async def get_session(self, session_id: str) -> AgentSession | None:
        session = self._store.commit(lambda: self._store.session_rows.get(session_id))
        if session is None:
            return None
        seconds: dict[str, float] = {}
        for interval in await self.intervals(session_id):
            if interval.ended_at is not None:
                spent = (interval.ended_at - interval.started_at).total_seconds()
                seconds[interval.state.value] = round(seconds.get(interval.state.value, 0.0) + spent, 3)
        return replace(session, seconds=seconds)

    async def set_members(self, campaign_id: int, members: dict[str, int]) -> None:
        def write() -> None:
            self._store.queue_members.pop(campaign_id, None)
            if members:
                self._store.queue_members[campaign_id] = dict(members)

        self._store.commit(write)

    async def members(self) -> dict[int, dict[str, int]]:
        return self._store.commit(lambda: {id_: dict(found) for id_, found in self._store.queue_members.items()})

    async def intervals(self, session_id: str) -> list[StateInterval]:
        entered = sorted(self._store.states.get(session_id, {}).items())
        ends: list[datetime | None] = [since for since, _ in entered[1:]]
        if entered:
            ends.append(self._store.session_rows[session_id].logged_out_at)
        return [
            StateInterval(session.state, since, end, session.pause_reason, session.call_id)
            for (since, session), end in zip(entered, ends, strict=True)
        ]


class MemoryByHand(_Repository):
    """Numbers are found as they are stored: with or without the country's code."""

    async def reserve(
        self, campaign: Campaign, typed: Typed, now: datetime, app: str, lease_seconds: float
    ) -> Lead | None:
        def take() -> Lead | None:
            found = [
                lead
                for lead in self._store.rows.values()
                if lead.campaign_id == campaign.id and lead.phone_number in (typed.number, typed.number[2:])
            ]
            found.sort(key=lambda lead: (lead.status is LeadStatus.COMPLETED, lead.id))
            lead = checked(found[0] if found else None)
            leads = self._store.leads
            phone = leads._phone(typed.number, campaign.id, now, lambda text: text)
            called = self._store.calls.starts(lambda record: lead is not None and record.lead_id == lead.id)
            case = Case(campaign, lead or NOBODY, phone, leads.holidays, lead_called_at=called, has_agent=True)
            pass_gates(case, now)
            if lead is not None and lead.status is LeadStatus.FAILED:
                self._store.count(campaign.id, processed=-1)
            if lead is not None:
                lead = self._store.change_lead(
                    lead.id,
                    status=LeadStatus.CALLING,
                    attempts=lead.attempts + 1,
                    last_attempt_at=_whole_second(now),
                )
                self._store.held[lead.id] = Held(typed.call_id, app, now + timedelta(seconds=lease_seconds))
            lead_id = lead.id if lead else None
            self._store.records[typed.call_id] = _stored(
                CallRecord(
                    typed.call_id, app, campaign.id, lead_id, typed.number, agent=typed.extension, started_at=now
                )
            )
            return lead and replace(lead, last_attempt_at=now)

        return self._store.commit(take)


class MemoryPins(_Repository):
    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store)
        self.kept: dict[str, str] = {}

    async def set(self, extension: str, pin: str, actor: str, now: datetime) -> None:
        if not (pin.isascii() and pin.isdigit() and 4 <= len(pin) <= 12):
            raise Refused("not a PIN")
        self.kept[extension] = pin

    async def remove(self, extension: str, actor: str, now: datetime) -> bool:
        return self.kept.pop(extension, None) is not None

    async def is_wanted(self, extension: str) -> bool:
        return self._store.commit(lambda: extension in self.kept)

    async def is_right(self, extension: str, pin: str) -> bool:
        return self._store.commit(lambda: self.kept.get(extension) == pin)


class MemoryDoNotCallList(_Repository):
    async def add(self, entries: Iterable[DoNotCall], now: datetime) -> int:
        given = list(entries)
        if any(not entry.number.isdigit() for entry in given):
            raise NumberRefused("not an E.164 number without plus")
        for entry in given:
            self._store.listed[entry.number, entry.campaign_id, entry.source, entry.is_prefix] = entry
        return len(given)

    async def remove(
        self, number: str, campaign_id: int | None = None, source: str | None = None, *, is_prefix: bool = False
    ) -> int:
        keys = [
            key
            for key in self._store.listed
            if (key[0], key[1], key[3]) == (number, campaign_id, is_prefix) and source in (None, key[2])
        ]
        for key in keys:
            del self._store.listed[key]
        return len(keys)

    async def contains(self, number: str, campaign_id: int | None, now: datetime) -> bool:
        return number in await self.among([number], campaign_id, now)

    async def among(self, numbers: Sequence[str], campaign_id: int | None, now: datetime) -> dict[str, Listed]:
        def look() -> dict[str, Listed]:
            found = {number: self.listed(number, campaign_id, now) for number in numbers}
            return {number: listed for number, listed in found.items() if listed is not None}

        return self._store.commit(look)

    def is_listed(self, number: str, campaign_id: int | None, now: datetime) -> bool:
        return self.listed(number, campaign_id, now) is not None

    def listed(self, number: str, campaign_id: int | None, now: datetime) -> Listed | None:
        """The entry that holds longest."""
        matching = [
            entry
            for entry in self._store.listed.values()
            if entry.campaign_id in (None, campaign_id)
            and (number.startswith(entry.number) if entry.is_prefix else number == entry.number)
            and (entry.expires_at is None or entry.expires_at > now)
        ]
        if not matching:
            return None
        longest = max(matching, key=lambda entry: entry.expires_at or datetime.max.replace(tzinfo=UTC))
        return Listed(longest.source, longest.expires_at)


def _is_open(record: CallRecord) -> bool:
    return record.status in OPEN_STATUSES


def _stored(record: CallRecord, before: CallRecord | None = None) -> CallRecord:
    """A record with its times as MariaDB keeps them; what an agent said before stays."""
    if before is not None:
        said = record.agent_disposition or before.agent_disposition
        record = replace(record, agent_disposition=said, callback_at=record.callback_at or before.callback_at)
    times = ("started_at", "dialled_at", "ringing_at", "answered_at", "bridged_at", "ended_at", "callback_at")
    given = {name: getattr(record, name) for name in times}
    changes: dict[str, Any] = {name: moment and _whole_millisecond(moment) for name, moment in given.items()}
    changes["timeline"] = tuple((_whole_millisecond(moment), what) for moment, what in record.timeline)
    return replace(record, **changes)


def _whole_millisecond(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(microsecond=moment.microsecond // 1000 * 1000)


def _whole_second(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def _next_whole_second(moment: datetime | None) -> datetime | None:
    if moment is not None and moment.microsecond:
        return moment.replace(microsecond=0) + timedelta(seconds=1)
    return moment


class MemoryDecisions:
    """`PacingDecisions` in memory."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.written: list[PacingDecision] = []
        self.kept: dict[tuple[int, str], tuple[dict[str, Any], datetime]] = {}

    async def write(self, decisions: Sequence[PacingDecision]) -> None:
        self.store.commit(lambda: self.written.extend(decisions))

    async def latest(self, campaign_id: int, limit: int = 20) -> list[PacingDecision]:
        mine = [decision for decision in self.written if decision.campaign_id == campaign_id]
        return self.store.commit(lambda: mine[::-1][:limit])

    async def save_snapshot(self, campaign_id: int, mode: str, snapshot: Mapping[str, Any], now: datetime) -> None:
        def keep() -> None:
            for key in [key for key in self.kept if key[0] == campaign_id]:
                del self.kept[key]
            self.kept[campaign_id, mode] = (msgspec.json.decode(msgspec.json.encode(snapshot)), now)

        self.store.commit(keep)

    async def snapshot(self, campaign_id: int, mode: str) -> tuple[dict[str, Any], datetime] | None:
        return self.store.commit(lambda: self.kept.get((campaign_id, str(mode))))

    async def abandonment(self, campaign_id: int, since: datetime) -> tuple[int, int]:
        def count() -> tuple[int, int]:
            answered = [
                record
                for record in self.store.records.values()
                if record.campaign_id == campaign_id
                and record.started_at is not None
                and record.started_at >= since
                and record.answered_at is not None
                and (
                    record.disposition in (Disposition.ANSWERED, Disposition.ABANDONED)
                    or (record.disposition is None and record.bridged_at is not None)
                )
            ]
            lost = [record for record in answered if record.disposition is Disposition.ABANDONED]
            return len(lost), len(answered)

        return self.store.commit(count)
