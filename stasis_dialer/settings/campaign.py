"""What can be set for one campaign: the same model in its YAML and in the database's JSON column.

A topic with several settings is one group: a nested model here, whose `to_core()` is a frozen value of the same fields
in `core.options`.
"""

from __future__ import annotations

from datetime import time
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import AfterValidator, Field, model_validator

from stasis_dialer.core import options
from stasis_dialer.core.caller_ids import CallerIds
from stasis_dialer.core.model import AbandonWindow, ConnectMode, DialMode
from stasis_dialer.core.recording import pattern_problem
from stasis_dialer.settings.base import Strict, TimeZone
from stasis_dialer.settings.group import Group
from stasis_dialer.settings.lead_rules import LawSettings, LeadListSettings, RetrySettings, WorkingDaysSettings

PhoneNumber = Annotated[str, Field(pattern=r"^\+?[1-9][0-9]{6,14}$")]

LAWFUL_RING_SECONDS: Final = 15.0
"""Shortest ringing before an unanswered call may be given up. Source: 16 CFR 310.4(b)(4)(ii)."""


MEDIA: Final = r"^(sound|recording|number|digits|characters|tone):[A-Za-z0-9_./-]{1,200}$"
"""What ARI can play. Source: Asterisk 22, rest-api/api-docs/channels.json, play."""


class AmdSettings(Group):
    """Answering machine detection."""

    core: ClassVar[type[Any]] = options.Amd

    mode: options.AmdMode = options.AmdMode.OFF
    """off; dialplan: AMD() listens first, then an agent is sought (2 to 3 s more silence for a person); talk_detect: an
    agent is sought at once, the length of the first utterance decides meanwhile (a weaker verdict).
    """
    on_machine: options.MachineAction = options.MachineAction.HANG_UP
    """hang_up; message: leave `message_media` after the beep; agent: an agent gets it like a person."""
    is_not_sure_machine: bool = False
    """Whether what is neither clearly a person nor clearly a machine (dead air) is taken for a machine; off, so that
    nobody who answered shyly is hung up on.
    """
    message_media: str | None = Field(default=None, pattern=MEDIA)
    """What is left on a machine, as an ARI media URI (sound:NAME)."""
    initial_silence_seconds: float = Field(default=2.5, gt=0, le=10)
    """Nobody has spoken for so long after the answer: not a greeting. AMD()'s own default."""
    greeting_seconds: float = Field(default=2.0, gt=0, le=10)
    """A first utterance that lasts longer is a machine's. AMD()'s own 1.5 s took more people for machines and found no
    further machine (docs/campaigns.md, measured).
    """
    after_greeting_silence_seconds: float = Field(default=0.8, gt=0, le=5)
    """So much silence after the first words is a person's; every person waits for it. AMD()'s own default."""
    total_analysis_seconds: float = Field(default=5.0, ge=1, le=20)
    """The longest time for a verdict; then it is not sure."""
    min_word_seconds: float = Field(default=0.1, ge=0, le=1)
    between_words_silence_seconds: float = Field(default=0.05, ge=0, le=1)
    max_words: int = Field(default=5, ge=1, le=50)
    """More words than this are a machine's; three, as AMD() has it, cut "John Smith speaking" off (measured)."""
    max_word_seconds: float = Field(default=5.0, gt=0, le=20)
    silence_threshold: int = Field(default=512, ge=1, le=32767)
    """Level below which a moment is silence; at AMD()'s own 256 a street behind a person speaks on (measured)."""
    beep_silence_seconds: float = Field(default=1.5, ge=0.5, le=10)
    """So much silence means that greeting and beep are over; more than the pause between the two."""
    beep_timeout_seconds: float = Field(default=45.0, ge=5, le=180)
    """No such silence for so long: hung up without a message."""
    prompt_min_seconds: float = Field(default=1.5, ge=0, le=60)
    """Early media (before an answer) that the network ends as unanswered after this long, at least, is a voicemail
    prompt: disposition `voicemail`, whatever the mode.
    """
    prompt_max_seconds: float = Field(default=25.0, ge=0, le=120)
    """And at most so long: more is a ringback tone; 0: never voicemail."""

    @model_validator(mode="after")
    def _has_a_message(self) -> AmdSettings:
        if self.on_machine is options.MachineAction.MESSAGE and self.message_media is None:
            raise ValueError("on_machine: message needs message_media, what is to be said")
        return self


class InboundSettings(Group):
    """Customers who call the campaign's numbers (caller_id, caller_ids, or the trunk's)."""

    core: ClassVar[type[Any]] = options.Inbound

    max_wait_seconds: float = Field(default=120.0, ge=1, le=3600)
    """How long they hear music and wait for an agent; then the message."""
    announce_seconds: float = Field(default=30.0, ge=0, le=600)
    """How often they are told their place in the queue; 0: never."""
    prefers_agent: bool = True
    """Whether the agent who spoke to them last has them, when available."""
    message_media: str | None = None
    """What they hear whom no agent could take; null: the message for abandoned calls."""
    callback_seconds: float | None = Field(default=300.0, ge=0, le=7 * 86_400)
    """How long after a missed call the lead is dialled; null: the lead stays as it was."""


class CallerIdSettings(Group):
    """A pool of numbers to show to callees; without one it is `caller_id`, or the trunk's."""

    core: ClassVar[type[Any]] = CallerIds

    numbers: tuple[PhoneNumber, ...] = ()
    """Numbers to show, with country code; rotated by use."""
    resting: tuple[PhoneNumber, ...] = ()
    """Numbers of the pool that are not shown for now."""
    match_area: bool = True
    """Whether a number of the callee's own area code (DDD) goes first."""
    max_calls_per_day: int | None = Field(default=None, ge=1, le=1_000_000)
    """For each number, in the campaign's time zone; when all have had theirs, the campaign waits; null: no cap."""


KEY: Final = r"^[0-9*#]$"


class BroadcastSettings(Group):
    """Broadcast mode: a message without agents, and what the keys do."""

    core: ClassVar[type[Any]] = options.Broadcast

    media: str | None = Field(default=None, pattern=MEDIA)
    """The message, as an ARI media URI; a broadcast campaign does not dial without."""
    agent_digit: str | None = Field(default=None, pattern=KEY)
    """Key that asks for an agent of the campaign; null: none."""
    opt_out_digit: str | None = Field(default=None, pattern=KEY)
    """Key that puts the number on the do-not-call list of all campaigns, for ever."""
    callback_digit: str | None = Field(default=None, pattern=KEY)
    """Key that asks to be called again after `callback_delay_seconds`, whatever attempts are left."""
    opt_out_media: str | None = Field(default=None, pattern=MEDIA)
    """What is said to whom opts out; null: hung up at once."""
    callback_media: str | None = Field(default=None, pattern=MEDIA)
    key_wait_seconds: float = Field(default=5.0, ge=0, le=60)
    """How long a key counts after the end of the message."""
    agent_wait_seconds: float = Field(default=30.0, gt=0, le=600)
    """How long who asked for an agent may wait for one; then it is an abandoned call."""
    callback_delay_seconds: float = Field(default=3600.0, ge=60, le=30 * 86_400)

    @model_validator(mode="after")
    def _has_different_keys(self) -> BroadcastSettings:
        keys = [key for key in (self.agent_digit, self.opt_out_digit, self.callback_digit) if key is not None]
        if len(set(keys)) < len(keys):
            raise ValueError("one key cannot do two things: agent_digit, opt_out_digit, callback_digit")
        return self


class NumberSettings(Group):
    """Which numbers may be imported and dialled, and how short ones are completed."""

    core: ClassVar[type[Any]] = options.Numbers

    area_code: str | None = Field(default=None, pattern=r"^[1-9][0-9]{1,3}$")
    """Area code (DDD) of numbers that have none; null: such numbers are refused."""
    may_be_foreign: bool = False
    """Whether numbers outside `default_region` may be dialled; off, because their charges are open to fraud."""
    may_be_premium: bool = False
    """Whether numbers with a charge (0300, 0900, 4004 in Brazil) may be dialled."""
    dedupe: options.Dedupe = options.Dedupe.CAMPAIGN
    """Where a number may be only once: in a file, in a campaign, or in all campaigns together (everywhere)."""


class ChoiceSettings(Group):
    """A disposition that an agent may give a call."""

    core: ClassVar[type[Any]] = options.Choice

    code: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")
    """The word that is stored with the call, and as the lead's result."""
    digit: str | None = Field(default=None, pattern=r"^[0-9]{1,3}$")
    """The keys that an agent presses for it."""
    label: str = Field(default="", max_length=80)
    success: bool = False
    """Counts as a successful call, and closes the lead."""
    do_not_call: bool = False
    """Puts the number on the do-not-call list of all campaigns, and closes the lead."""
    callback: bool = False
    """The person wants to be called again, at the time that the agent gives."""
    final: bool = False
    """Closes the lead. Without a flag the call was a try that failed: the lead is called again by the retry's rule."""
    machine: bool = False
    """No person spoke: the pacing counts no person."""

    @model_validator(mode="after")
    def _is_clear(self) -> Self:
        if self.callback and (self.final or self.success or self.do_not_call):
            raise ValueError("a callback does not close the lead: take final, success and do_not_call away")
        return self


class DispositionSettings(Group):
    """The agents' dispositions of a campaign."""

    core: ClassVar[type[Any]] = options.Dispositions

    choices: tuple[ChoiceSettings, ...] = Field(default=(), max_length=100)
    """Empty: agents dispose nothing, and every call with an agent is successful and closes its lead."""
    is_forced: bool = False
    """Whether the work after a call lasts until a disposition is given."""
    max_wrap_up_seconds: float = Field(default=60.0, ge=1, le=3600)
    """How long at most; then `default` is given."""
    default: str | None = None
    """Code given to a call whose agent gave none; must be set when one is forced."""
    callback_delay_seconds: float = Field(default=3600.0, ge=60, le=30 * 86_400)
    """When to call back when the agent gives no time, as by keys."""

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        codes = [choice.code for choice in self.choices]
        digits = sorted(choice.digit for choice in self.choices if choice.digit)
        for name, values in (("code", sorted(codes)), ("digit", digits)):
            twice = next((a for a, b in pairwise(values) if a == b), None)
            if twice is not None:
                raise ValueError(f"two choices have the {name} {twice}")
        first = next((a for a, b in pairwise(digits) if b.startswith(a)), None)
        if first is not None:
            raise ValueError(f"the digit {first} begins another choice's digits, which could never be pressed")
        if self.default is not None and self.default not in codes:
            raise ValueError(f"no choice has the default's code {self.default}")
        if self.is_forced and self.default is None:
            raise ValueError("a forced disposition needs a default for when the time runs out")
        return self


class TransferSettings(Group):
    """How calls are transferred."""

    core: ClassVar[type[Any]] = options.Transfer

    ring_seconds: float = Field(default=30.0, ge=5, le=120)
    """How long a target's telephone may ring, or an agent be waited for, before the customer is back."""
    queue_seconds: float = Field(default=60.0, ge=5, le=3600)
    """How long a customer may wait with music for an agent of a queue, or for another agent when theirs is lost."""
    may_dial: bool = True
    """Whether calls may be transferred to numbers outside; the hours and the do-not-call list hold for those too."""


def _file_pattern(pattern: str) -> str:
    problem = pattern_problem(pattern)
    if problem:
        raise ValueError(problem)
    return pattern


class RecordingSettings(Group):
    """Which calls are recorded, how, where and for how long."""

    core: ClassVar[type[Any]] = options.Recording

    mode: options.RecordingMode = options.RecordingMode.OFF
    """off, all, or on_demand: from the moment the agent asks for it."""
    channels: options.RecordingChannels = options.RecordingChannels.MIXED
    """mixed: one file with both sides; separate: a file for each side. Asterisk writes no stereo file here."""
    format: options.RecordingFormat = options.RecordingFormat.WAV
    """wav (16 bit, 8 kHz: 1 MB a minute), gsm (a tenth of it), ulaw or alaw."""
    name: Annotated[str, Field(max_length=200), AfterValidator(_file_pattern)] = "{campaign}/{date}/{call_id}"
    """Path below Asterisk's recording folder; see docs/calls.md for the fields."""
    announcement: str | None = None
    """Media URI that the customer hears before the agent, at most 8 s; null: none."""
    may_pause: bool = True
    """Whether an agent may pause it, for instance while the customer says a card number."""
    retention_days: int | None = Field(default=None, ge=1, le=36_500)
    """Deleted so many days after the call; null: kept for ever."""


class RoutingSettings(Group):
    """Which agent gets a customer. The lowest penalty of the campaign's queue members is always asked first."""

    core: ClassVar[type[Any]] = options.Routing

    strategy: options.Strategy = options.Strategy.LONGEST_IDLE
    """Among equal penalties: who has been idle longest, or had the fewest calls (then: idle longest)."""
    is_sticky: bool = False
    """Whether an agent who spoke with the lead before goes first among equal penalties."""


class PreviewSettings(Group):
    """How a lead is shown to an agent before it is called (mode preview)."""

    core: ClassVar[type[Any]] = options.Preview

    timeout_seconds: float = Field(default=30.0, ge=1, le=3600)
    """How long the agent may look."""
    on_timeout: options.OnTimeout = options.OnTimeout.SKIP
    """What follows then: skip, dial, or pause (skip and pause the agent)."""
    may_skip: bool = True
    """Whether agents may pass leads over; such a lead is shown again after `retry_delay_seconds`."""


class CampaignSettings(Strict):
    """What a campaign has beyond the legacy's columns."""

    mode: DialMode = DialMode.PROGRESSIVE
    connect: ConnectMode = ConnectMode.ALWAYS_ON
    timezone: TimeZone = "America/Sao_Paulo"
    trunks: tuple[str, ...] = ()
    """Names of the trunks to use, in order; empty: all."""
    caller_id: str | None = Field(default=None, pattern=r"^\+?[0-9]{3,15}$")
    caller_ids: CallerIdSettings = CallerIdSettings()
    ring_timeout_seconds: float = Field(default=30.0, ge=LAWFUL_RING_SECONDS, le=120)
    """How long the callee's telephone may ring; at least the lawful 15 s."""
    answer_deadline_seconds: float = Field(default=2.0, gt=0, le=30)
    """How long a person who answered may wait for an agent."""
    safe_harbour_media: str | None = None
    """The campaign's own message for abandoned calls; null: the configuration's."""
    wrap_up_seconds: float = Field(default=5.0, ge=0, le=3600)
    agent_ring_seconds: float = Field(default=10.0, ge=1, le=60)
    """How long an on-demand agent's telephone may ring."""
    auto_answer: bool = True
    max_call_seconds: float = Field(default=7200.0, ge=10, le=86_400)
    max_attempts: int = Field(default=3, ge=1, le=100)
    retry_delay_seconds: float = Field(default=1800.0, ge=0, le=30 * 86_400)
    """How long after a failed attempt a lead may be dialled again: the legacy's 30 minutes."""
    abandon_cap: float = Field(default=0.03, gt=0, le=1)
    """Largest share of the calls that people answered which may find no agent: 3 % in the USA, 5 % in Canada."""
    abandon_window: AbandonWindow = AbandonWindow.HOURS_24
    """Over what time it is counted: 24h, day (calendar day in `timezone`) or 30d."""
    max_lines_per_agent: float = Field(default=10.0, ge=1, le=100)
    may_cancel: bool = True
    """Whether calls that rang the lawful 15 s may be given up when no agent will be free for them."""
    weight: float = Field(default=1.0, gt=0, le=1000)
    """Share of agents and trunks against other campaigns that want the same ones."""
    default_region: str = Field(default="BR", pattern=r"^[A-Z]{2}$")
    abandoned_lockout_hours: float = Field(default=72.0, ge=0, le=8760)
    """How long a number that was abandoned, by any campaign, is dialled only where an agent is certain: not by power,
    predictive, legacy or broadcast. 0: no such time. Source: Ofcom's statement of policy on persistent misuse, 72 h.
    """
    amd: AmdSettings = AmdSettings()
    broadcast: BroadcastSettings = BroadcastSettings()
    inbound: InboundSettings = InboundSettings()
    numbers: NumberSettings = NumberSettings()
    dispositions: DispositionSettings = DispositionSettings()
    recording: RecordingSettings = RecordingSettings()
    routing: RoutingSettings = RoutingSettings()
    law: LawSettings = LawSettings()
    hours: WorkingDaysSettings = WorkingDaysSettings()
    retry: RetrySettings = RetrySettings()
    leads: LeadListSettings = LeadListSettings()
    transfer: TransferSettings = TransferSettings()
    preview: PreviewSettings = PreviewSettings()

    @model_validator(mode="after")
    def _can_detect(self) -> CampaignSettings:
        if self.mode is DialMode.BROADCAST and self.amd.mode is options.AmdMode.TALK_DETECT:
            raise ValueError("broadcast needs amd.mode off or dialplan: its message speaks while talk_detect listens")
        return self


class CampaignFile(Strict):
    """A campaign as YAML: the legacy's columns and the settings, flat."""

    name: str = Field(min_length=1, max_length=255)
    max_channels: int = Field(default=10, ge=1, le=10_000)
    impulse_factor: float = Field(default=6.0, ge=0.1, le=100)
    max_multiplier: float = Field(default=20.0, ge=1, le=100)
    average_call_time: int = Field(default=180, ge=1, le=86_400)
    start_time: time | None = None
    end_time: time | None = None
    settings: CampaignSettings = CampaignSettings()

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, raw: Any) -> Any:
        """Settings may stand beside the columns; people need not know which is which."""
        if not isinstance(raw, dict) or not isinstance(raw.get("settings", {}), dict):
            return raw
        own = {key: value for key, value in raw.items() if key in cls.model_fields and key != "settings"}
        rest = {key: value for key, value in raw.items() if key not in cls.model_fields}
        return {**own, "settings": {**raw.get("settings", {}), **rest}}
