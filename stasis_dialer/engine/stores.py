"""The database as the engine sees it: the repositories, under one name each. `db.store.Store` is one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

from stasis_dialer.engine.by_hand import HandStore
from stasis_dialer.engine.caller_ids import CallerIdLog
from stasis_dialer.engine.campaigns import CampaignStore
from stasis_dialer.engine.control_agents import CallReader
from stasis_dialer.engine.decision_log import DecisionStore
from stasis_dialer.engine.dialer import LeadStore
from stasis_dialer.engine.gate import DoNotCall
from stasis_dialer.engine.inbound import Claims, EarlierCalls
from stasis_dialer.engine.journal import AuditStore, CallStore, SessionStore
from stasis_dialer.engine.lead_keeper import AgendaStore, ZoneStore
from stasis_dialer.engine.members import MemberStore
from stasis_dialer.engine.pacing import PacingStore
from stasis_dialer.engine.panel import PanelStore
from stasis_dialer.engine.pin_guard import PinStore
from stasis_dialer.engine.recovery import LeadById, OpenCalls, OpenSessions
from stasis_dialer.engine.retention import RecordedCalls


class LeasedLeads(LeadStore, LeadById, ZoneStore, Claims, Protocol):
    """Leads with their leases."""

    async def renew(self, app: str, now: datetime, lease_seconds: float) -> int: ...

    async def release_expired(self, now: datetime) -> Sequence[Any]: ...


class Calls(CallStore, OpenCalls, CallerIdLog, CallReader, EarlierCalls, RecordedCalls, Protocol):
    """Calls, on their way and at their end."""


class PacingLog(PacingStore, DecisionStore, Protocol):
    """What pacing learned and decided."""


class AgentStore(SessionStore, OpenSessions, PanelStore, MemberStore, Protocol):
    """Sessions and telephones."""


class Stores(Protocol):
    """Everything that the engine reads and writes."""

    @property
    def campaigns(self) -> CampaignStore: ...

    @property
    def leads(self) -> LeasedLeads: ...

    @property
    def calls(self) -> Calls: ...

    @property
    def agents(self) -> AgentStore: ...

    @property
    def by_hand(self) -> HandStore: ...

    @property
    def audit(self) -> AuditStore: ...

    @property
    def pins(self) -> PinStore: ...

    @property
    def agenda(self) -> AgendaStore: ...

    @property
    def dnc(self) -> DoNotCall: ...

    @property
    def decisions(self) -> PacingLog: ...
