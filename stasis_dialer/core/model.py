"""What the dialer speaks of: campaigns, leads, reservations, trunks, agents' extensions, calls as they are stored.

Plain frozen values. Times named `_at` are aware UTC datetimes; times without a date are in the campaign's own zone;
durations carry their unit in the name. Nothing here reads a clock or touches a server.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, time
from enum import StrEnum

from stasis_dialer.core.caller_ids import CallerIds
from stasis_dialer.core.lead_options import Law, LeadList, NextPhone, Retry, WorkingDays
from stasis_dialer.core.options import (
    Amd,
    Broadcast,
    Choice,
    Dispositions,
    Inbound,
    Numbers,
    Preview,
    Recording,
    Routing,
    Transfer,
)
from stasis_dialer.core.trunks import Breaker, Failover


class CampaignStatus(StrEnum):
    """The legacy panel's words for a campaign."""

    ACTIVE = "active"
    PAUSED = "paused"
    FINISHED = "finished"


class DialMode(StrEnum):
    """How many calls a campaign places for its agents."""

    PREVIEW = "preview"
    PROGRESSIVE = "progressive"
    POWER = "power"
    LEGACY = "legacy"
    PREDICTIVE = "predictive"
    BROADCAST = "broadcast"
    MANUAL = "manual"


LIVE_MODES = (DialMode.PROGRESSIVE, DialMode.POWER, DialMode.PREDICTIVE, DialMode.LEGACY, DialMode.BROADCAST)
"""Modes that dial by a pacing policy: for agents, and broadcast for nobody."""
HAND_MODES = frozenset({DialMode.PREVIEW, DialMode.MANUAL})
"""Modes in which an agent decides about each call."""
RISKY_MODES = frozenset({DialMode.POWER, DialMode.PREDICTIVE, DialMode.LEGACY})
"""Modes that place more calls than agents are free, so that a person may be abandoned."""


CERTAIN_MODES = frozenset({DialMode.PREVIEW, DialMode.PROGRESSIVE, DialMode.MANUAL})
"""Modes in which an agent is there for everyone who answers."""


class AbandonWindow(StrEnum):
    """Over what time the share of abandoned calls is counted."""

    HOURS_24 = "24h"
    CALENDAR_DAY = "day"
    DAYS_30 = "30d"


class ConnectMode(StrEnum):
    """How an agent's telephone meets the customer."""

    ALWAYS_ON = "always_on"
    """The agent's leg is up in a bridge of its own; a customer is added to it."""
    ON_DEMAND = "on_demand"
    """The agent's telephone rings when a customer is there."""


class LeadStatus(StrEnum):
    """The legacy panel's words for a lead."""

    PENDING = "pending"
    CALLING = "calling"
    COMPLETED = "completed"
    FAILED = "failed"


class CallStatus(StrEnum):
    """The legacy panel's words for a call."""

    RINGING = "ringing"
    CONNECTED = "connected"
    FINISHED = "finished"


class Direction(StrEnum):
    """Who called whom."""

    OUTBOUND = "outbound"
    INBOUND = "inbound"


class LineStatus(StrEnum):
    """The legacy panel's words for one line of an extension."""

    FREE = "free"
    BUSY = "busy"
    UNREGISTERED = "unregistered"


class AgentState(StrEnum):
    """Where an agent stands; every second of a session belongs to exactly one of them."""

    LOGGED_OFF = "logged_off"
    PAUSED = "paused"
    AVAILABLE = "available"
    RESERVED = "reserved"
    RINGING = "ringing"
    ON_CALL = "on_call"
    WRAP_UP = "wrap_up"


class Disposition(StrEnum):
    """How an attempt to reach a lead came out."""

    ANSWERED = "answered"
    """A person answered and spoke with an agent."""
    MACHINE = "machine"
    """An answering machine answered, and no agent spoke to it."""
    VOICEMAIL = "voicemail"
    """The network's voicemail spoke before an answer, by its signature: nothing was answered, nothing is charged."""
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    ABANDONED = "abandoned"
    """A person answered and no agent took the call, whoever hung up."""
    MISSED = "missed"
    """A customer who called us reached no agent: never counted among the abandoned ones."""
    REJECTED = "rejected"
    INVALID_NUMBER = "invalid_number"
    CONGESTION = "congestion"
    CANCELLED = "cancelled"
    """Given up by us before an answer: shutdown, or a call the pacing withdrew."""
    MESSAGE_PLAYED = "message_played"
    """A broadcast message was heard to its end."""
    PARTLY_PLAYED = "partly_played"
    """Hung up before the end of a broadcast message."""
    OPT_OUT = "opt_out"
    """Asked by a key not to be called again: the number is on the do-not-call list."""
    CALLBACK = "callback"
    """Asked by a key to be called back."""
    ERROR = "error"


class Wish(StrEnum):
    """What a person asked for by a key."""

    AGENT = "agent"
    OPT_OUT = "opt_out"
    CALLBACK = "callback"


class AmdResult(StrEnum):
    """What answered, as far as detection knows."""

    HUMAN = "human"
    MACHINE = "machine"
    NOT_SURE = "not_sure"


class Fault(StrEnum):
    """Whose doing it was that an attempt failed."""

    CALLEE = "callee"
    CARRIER = "carrier"
    OURS = "ours"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Campaign:
    """A list being dialled, with its mode and limits.

    Units: `average_call_time` and every `_seconds` are seconds; `window_start` and `window_end` are wall time in
    `timezone` (both None: all day; start after end: the window passes midnight).
    Source: the legacy's columns under their names, then the campaign's settings.
    """

    id: int
    name: str
    status: CampaignStatus = CampaignStatus.PAUSED
    mode: DialMode = DialMode.PROGRESSIVE
    connect: ConnectMode = ConnectMode.ALWAYS_ON
    max_channels: int = 10
    impulse_factor: float = 6.0
    max_multiplier: float = 20.0
    average_call_time: float = 180.0
    window_start: time | None = None
    window_end: time | None = None
    timezone: str = "America/Sao_Paulo"
    trunks: tuple[str, ...] = ()
    """Names of the trunks to use, in order; empty: every trunk of the configuration in its order."""
    caller_id: str | None = None
    caller_ids: CallerIds = field(default_factory=CallerIds)
    ring_timeout_seconds: float = 30.0
    answer_deadline_seconds: float = 2.0
    safe_harbour_media: str | None = None
    """What a person hears whom no agent could take, as an ARI media URI; None: the configuration's message."""
    wrap_up_seconds: float = 5.0
    agent_ring_seconds: float = 10.0
    auto_answer: bool = True
    max_call_seconds: float = 7200.0
    max_attempts: int = 3
    """Given to leads that are imported without a limit of their own."""
    retry_delay_seconds: float = 1800.0
    abandon_cap: float = 0.03
    """Largest share of the calls that people answered which may find no agent."""
    abandon_window: AbandonWindow = AbandonWindow.HOURS_24
    max_lines_per_agent: float = 10.0
    may_cancel: bool = True
    """Whether calls that rang the lawful time may be given up when no agent will be free for them."""
    abandoned_lockout_hours: float = 72.0
    """How long an abandoned number is not dialled by a mode that cannot promise an agent."""
    weight: float = 1.0
    """Share of agents and trunks against other campaigns that want the same ones."""
    default_region: str = "BR"
    """Region in which numbers without a country code are read (ISO 3166-1 alpha-2)."""
    amd: Amd = field(default_factory=Amd)
    broadcast: Broadcast = field(default_factory=Broadcast)
    inbound: Inbound = field(default_factory=Inbound)
    numbers: Numbers = field(default_factory=Numbers)
    dispositions: Dispositions = field(default_factory=Dispositions)
    recording: Recording = field(default_factory=Recording)
    routing: Routing = field(default_factory=Routing)
    law: Law = field(default_factory=Law)
    hours: WorkingDays = field(default_factory=WorkingDays)
    retry: Retry = field(default_factory=Retry)
    leads: LeadList = field(default_factory=LeadList)
    transfer: Transfer = field(default_factory=Transfer)
    preview: Preview = field(default_factory=Preview)


@dataclass(frozen=True, slots=True)
class Lead:
    """A person to be reached; one row to dial.

    `zone` is the code of the zone of the number to be called next (`core.zones`), None until it is known.
    """

    id: int
    campaign_id: int
    name: str
    phone_number: str
    alternate_phone: str | None = None
    attempts: int = 0
    max_attempts: int = 3
    last_attempt_at: datetime | None = None
    next_attempt_at: datetime | None = None
    status: LeadStatus = LeadStatus.PENDING
    result: str | None = None
    attributes: tuple[tuple[str, str], ...] = ()
    """What its list had beside, by column."""
    priority: int = 0
    """0 to 9, the highest first."""
    zone: str | None = None
    next_phone: int | None = None
    """Which of `phones` to call next; None: one after the other, by attempts."""
    expires_at: datetime | None = None
    created_at: datetime | None = None
    more_phones: tuple[str, ...] = ()
    """Phones beyond the legacy's two columns."""
    callback_at: datetime | None = None
    """When a callback was promised that has not been made; until then nothing else dials the lead."""
    callback_agent: str | None = None
    """Extension of the agent who promised it; None: anybody."""

    @property
    def phones(self) -> tuple[str, ...]:
        """All phones, in the order in which they are tried."""
        second = (self.alternate_phone,) if self.alternate_phone else ()
        return (self.phone_number, *second, *self.more_phones)


@dataclass(frozen=True, slots=True)
class LeadPhone:
    """One phone of a lead, with its own state. `number` is E.164 without plus, empty for a text that is no number."""

    position: int
    number: str
    original: str
    status: str = "pending"
    attempts: int = 0
    result: str | None = None
    last_attempt_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Reservation:
    """A lead taken for dialling: its attempt is committed to the database, and may now be dialled once.

    `call_id` is the attempt's id and the id of the customer's channel. `number` is E.164 without the plus sign.
    """

    call_id: str
    lead: Lead
    number: str
    reserved_at: datetime
    reserved_until: datetime


@dataclass(frozen=True, slots=True)
class Trunk:
    """A way to the telephone network.

    `endpoint` and `number_format` are templates; `{e164}` is the number without plus, `{national}` without country
    code, `{carrier}` is `carrier_code`, `{number}` the result of `number_format`. A format with `{national}` takes only
    numbers of `country_code`. The lowest `order` is tried first; equals share the calls by `weight`.
    """

    name: str
    endpoint: str
    number_format: str = "{e164}"
    max_channels: int = 30
    calls_per_second: float = 10.0
    caller_id: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    carrier_code: str = ""
    country_code: str = "55"
    order: int = 0
    weight: float = 1.0
    failover: Failover = field(default_factory=Failover)
    breaker: Breaker = field(default_factory=Breaker)


@dataclass(frozen=True, slots=True)
class RefusedTry:
    """A try of an attempt that its trunk refused before another trunk took the call."""

    trunk: str
    leg_id: str
    at: datetime
    cause: int | None = None
    tech_cause: int | None = None


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One attempt as the database keeps it, from its reservation to its end.

    `status`, `started_at`, `answered_at`, `ended_at` and `duration_seconds` are the legacy's columns (duration: from
    the answer to the end, whole seconds, 0 when nobody answered). `hangup_cause` is Q.850, `tech_cause` the SIP code.
    `is_end_estimated` says that the end was not seen, so `ended_at` is when it was missed.
    """

    call_id: str
    app: str
    campaign_id: int | None = None
    lead_id: int | None = None
    number: str = ""
    trunk: str | None = None
    status: CallStatus = CallStatus.RINGING
    agent: str | None = None
    """Extension of the agent who was joined to the customer, or being rung for them."""
    agent_leg_id: str | None = None
    bridge_id: str | None = None
    started_at: datetime | None = None
    dialled_at: datetime | None = None
    ringing_at: datetime | None = None
    answered_at: datetime | None = None
    detected_at: datetime | None = None
    """When it was decided what had answered."""
    bridged_at: datetime | None = None
    ended_at: datetime | None = None
    duration_seconds: int = 0
    disposition: Disposition | None = None
    agent_disposition: str | None = None
    """Code that the agent gave, of the campaign's `dispositions`."""
    callback_at: datetime | None = None
    """When the person wants to be called again."""
    is_success: bool | None = None
    """Whether an ended call counts as successful; None: as the legacy counts, when an agent was reached."""
    fault: Fault | None = None
    amd_result: AmdResult | None = None
    amd_cause: str | None = None
    """The rule that decided, in Asterisk's words (AMDCAUSE) or ours."""
    wish: Wish | None = None
    """What the customer asked for by a key of a broadcast."""
    hangup_cause: int | None = None
    tech_cause: int | None = None
    hung_up_by: str | None = None
    """`customer`, `agent`, `dialer`, `network`, or None while unknown."""
    is_end_estimated: bool = False
    timeline: tuple[tuple[datetime, str], ...] = ()
    recordings: tuple[str, ...] = ()
    """Files, as paths below Asterisk's recording folder."""
    recordings_until: datetime | None = None
    """When they are to be deleted; None: never."""
    tries: tuple[RefusedTry, ...] = ()
    """The tries before the one that `trunk` and the causes tell of."""
    caller_id: str | None = None
    """The number that the customer saw, or called."""
    direction: Direction = Direction.OUTBOUND


@dataclass(frozen=True, slots=True)
class LeadOutcome:
    """What an ended attempt makes of its lead: closed, or waiting for its retry."""

    lead_id: int
    call_id: str
    status: LeadStatus
    result: str
    next_attempt_at: datetime | None = None
    is_attempt_given_back: bool = False
    """True when the attempt never left us, so that it does not count against the lead."""
    is_callback: bool = False
    """True when a callback was promised: the lead keeps an attempt for it."""
    phone: NextPhone = NextPhone.NEXT
    """Which phone the next attempt calls."""


@dataclass(frozen=True, slots=True)
class DisposedCall:
    """What an agent, or the end of the wrap-up, said of a call; `by` is the extension, `default` or `supervisor`."""

    call_id: str
    campaign: Campaign
    choice: Choice
    by: str
    at: datetime
    callback_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AgentSession:
    """An agent's time from login to logout, as the database keeps it, so that a restart can adopt it."""

    session_id: str
    extension: str
    app: str
    connect: ConnectMode
    state: AgentState
    logged_in_at: datetime
    campaigns: tuple[int, ...] = ()
    """Ids of the campaigns served; empty: all."""
    state_since: datetime | None = None
    pause_reason: str | None = None
    leg_id: str | None = None
    bridge_id: str | None = None
    call_id: str | None = None
    logged_out_at: datetime | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    """Seconds spent in each agent state so far."""


@dataclass(frozen=True, slots=True)
class ExtensionStatus:
    """What a telephone does now, as the panel shows it."""

    number: str
    line1: LineStatus
    line2: LineStatus
    is_registered: bool

    @property
    def is_available(self) -> bool:
        """Registered, and line 1 or line 2 free: the legacy's rule."""
        return self.is_registered and LineStatus.FREE in (self.line1, self.line2)
