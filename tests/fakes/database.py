"""The database in memory: the repositories as the engine uses them, without MariaDB.

It passes the same contract suite as MariaDB (`tests/contract/db`). `is_away` makes every use fail like an outage,
`is_answer_lost` makes it fail after the commit.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, ParamSpec, TypeVar

import msgspec

from stasis_dialer.core.model import (
    CERTAIN_MODES,
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
from stasis_dialer.db.agents import MAX_EXTENSION, PanelRow, StateInterval
from stasis_dialer.db.campaigns import CampaignCounters, StoredCampaign
from stasis_dialer.db.decisions import PacingDecision
from stasis_dialer.db.dnc import DoNotCall, Listed
from stasis_dialer.db.leads import DueCounts, Inserted, NewLead
from stasis_dialer.db.reservation import LEASE_EXPIRED, LEGACY_RETRY_SECONDS, RefusedLead, ReleasedLead, Reserved
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
    is_away: bool = False
    is_answer_lost: bool = False
    ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.campaigns = MemoryCampaigns(self)
        self.leads = MemoryLeads(self)
        self.calls = MemoryCalls(self)
        self.agents = MemoryAgents(self)
        self.dnc = MemoryDoNotCallList(self)
        self.decisions = MemoryDecisions(self)
        self.pins = MemoryPins(self)

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


class MemoryLeads(_Repository):
    async def insert_many(
        self, campaign_id: int, leads: Iterable[NewLead], now: datetime, max_attempts: int = 3
    ) -> Inserted:
        count = 0
        for lead in leads:
            attempts = max_attempts if lead.max_attempts is None else lead.max_attempts
            new_id = next(self._store.ids)
            self._store.rows[new_id] = Lead(
                new_id, campaign_id, lead.name, lead.phone_number, lead.alternate_phone, max_attempts=attempts
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
        to_number: Callable[[Lead], str],
        new_call_id: Callable[[], str],
    ) -> Reserved:
        until = now + timedelta(seconds=lease_seconds)

        def take() -> Reserved:
            reserved = Reserved()
            for lead in self._due(campaign.id, now):
                if len(reserved.reservations) >= n:
                    break
                try:
                    number = self._allowed(lead, campaign.id, now, to_number)
                except _NotNow as why:
                    closed = self._store.change_lead(
                        lead.id, status=LeadStatus.FAILED, result=why.result, next_attempt_at=None
                    )
                    self._store.count(campaign.id, processed=1)
                    reserved.refused.append(RefusedLead(closed, why.result, str(why)))
                    continue
                locked_until = self._locked_until(number, campaign, now)
                if locked_until is not None:
                    self._store.change_lead(lead.id, next_attempt_at=_next_whole_second(locked_until))
                    continue
                taken = self._store.change_lead(
                    lead.id,
                    status=LeadStatus.CALLING,
                    attempts=lead.attempts + 1,
                    last_attempt_at=_whole_second(now),
                )
                one = Reservation(new_call_id(), replace(taken, last_attempt_at=now), number, now, until)
                self._store.held[lead.id] = Held(one.call_id, app, until)
                self._store.records[one.call_id] = _stored(
                    CallRecord(one.call_id, app, campaign.id, lead.id, number, started_at=now)
                )
                reserved.reservations.append(one)
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
                if record is not None and record.bridged_at is not None:
                    status, result = LeadStatus.COMPLETED, Disposition.ANSWERED.value
                else:
                    is_last = lead.attempts >= lead.max_attempts
                    status, result = (LeadStatus.FAILED if is_last else LeadStatus.PENDING), LEASE_EXPIRED
                retry = retry_at if status is LeadStatus.PENDING else None
                self._store.change_lead(lead_id, status=status, result=result, next_attempt_at=retry)
                self._store.count(lead.campaign_id, int(status in CLOSED), int(status is LeadStatus.COMPLETED))
                released.append(ReleasedLead(lead_id, lead.campaign_id, held.attempt_id, status))
            return released

        return self._store.commit(release)

    def _due(self, campaign_id: int, now: datetime) -> list[Lead]:
        pending = [
            lead
            for lead in self._store.rows.values()
            if lead.campaign_id == campaign_id and lead.status is LeadStatus.PENDING
        ]
        retries = [(lead.next_attempt_at, lead.id, lead) for lead in pending if lead.next_attempt_at is not None]
        due = [lead for at, _, lead in sorted(retries) if at <= _whole_second(now)]
        return due + [lead for lead in pending if lead.next_attempt_at is None]

    def _allowed(self, lead: Lead, campaign_id: int, now: datetime, to_number: Callable[[Lead], str]) -> str:
        if lead.attempts >= lead.max_attempts:
            raise _NotNow("max_attempts", "no attempt left")
        try:
            number = to_number(lead)
        except NumberRefused as error:
            raise _NotNow(error.reason, str(error)) from error
        if self._store.dnc.is_listed(number, campaign_id, now):
            raise _NotNow("do_not_call", "on the do-not-call list")
        return number

    def _locked_until(self, number: str, campaign: Campaign, now: datetime) -> datetime | None:
        time = timedelta(hours=campaign.abandoned_lockout_hours)
        if campaign.mode in CERTAIN_MODES or not time:
            return None
        lost = [
            record.ended_at
            for record in self._store.records.values()
            if record.number == number and record.disposition is Disposition.ABANDONED and record.ended_at
        ]
        latest = max((at for at in lost if at > now - time), default=None)
        return None if latest is None else latest + time

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


class _NotNow(Exception):
    def __init__(self, result: str, reason: str) -> None:
        super().__init__(reason)
        self.result = result


class MemoryCalls(_Repository):
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
        status = outcome.status if is_ours else lead.status
        self._store.change_lead(
            lead.id,
            status=status,
            result=outcome.result,
            next_attempt_at=_next_whole_second(outcome.next_attempt_at),
            attempts=(attempts := max(0, lead.attempts - int(outcome.is_attempt_given_back))),
            max_attempts=max(lead.max_attempts, attempts + 1) if outcome.is_callback else lead.max_attempts,
        )
        closed = int(status in CLOSED) - int(lead.status in CLOSED)
        self._store.count(lead.campaign_id, closed, int(counts_as_success(record)))
        return True

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
        self._store.change_lead(
            lead.id,
            status=outcome.status,
            result=outcome.result,
            next_attempt_at=_next_whole_second(outcome.next_attempt_at),
            max_attempts=max(lead.max_attempts, lead.attempts + 1) if outcome.is_callback else lead.max_attempts,
        )
        closed = int(outcome.status in CLOSED) - int(lead.status in CLOSED)
        self._store.count(lead.campaign_id, closed, int(made.choice.success) - int(counts_as_success(record)))


class MemoryAgents(_Repository):
    async def save_extensions(self, extensions: Sequence[ExtensionStatus], now: datetime) -> None:
        if any(len(extension.number) > MAX_EXTENSION for extension in extensions):
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
