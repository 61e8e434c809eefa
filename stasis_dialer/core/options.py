"""A campaign's options by topic: frozen values with the meaning of their settings (`settings.campaign`)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class AmdMode(StrEnum):
    """How a machine is told from a person."""

    OFF = "off"
    DIALPLAN = "dialplan"
    """Asterisk's AMD() listens before an agent is sought."""
    TALK_DETECT = "talk_detect"
    """An agent is sought at once; how long the first utterance lasts decides meanwhile."""


class MachineAction(StrEnum):
    """What becomes of a machine that answered."""

    HANG_UP = "hang_up"
    MESSAGE = "message"
    """A message is left after the beep."""
    AGENT = "agent"


@dataclass(frozen=True, slots=True)
class Amd:
    """Answering machine detection.

    Units: `_seconds` are seconds; `silence_threshold` is the level from 0 to 32767 below which a frame is silent.
    """

    mode: AmdMode = AmdMode.OFF
    on_machine: MachineAction = MachineAction.HANG_UP
    is_not_sure_machine: bool = False
    message_media: str | None = None
    initial_silence_seconds: float = 2.5
    greeting_seconds: float = 2.0
    after_greeting_silence_seconds: float = 0.8
    total_analysis_seconds: float = 5.0
    min_word_seconds: float = 0.1
    between_words_silence_seconds: float = 0.05
    max_words: int = 5
    max_word_seconds: float = 5.0
    silence_threshold: int = 512
    beep_silence_seconds: float = 1.5
    beep_timeout_seconds: float = 45.0
    prompt_min_seconds: float = 1.5
    prompt_max_seconds: float = 25.0


@dataclass(frozen=True, slots=True)
class Broadcast:
    """A campaign without agents: a message, and what the keys do. None: that key does nothing."""

    media: str | None = None
    agent_digit: str | None = None
    opt_out_digit: str | None = None
    callback_digit: str | None = None
    opt_out_media: str | None = None
    callback_media: str | None = None
    key_wait_seconds: float = 5.0
    agent_wait_seconds: float = 30.0
    callback_delay_seconds: float = 3600.0

    @property
    def has_keys(self) -> bool:
        """Whether any key does something."""
        return any((self.agent_digit, self.opt_out_digit, self.callback_digit))


class ByHand(StrEnum):
    """Who had the idea of a call for a known agent."""

    PREVIEW = "preview"
    """The dialer showed the lead, and the agent accepted."""
    MANUAL = "manual"
    """The agent typed the number."""


class OnTimeout(StrEnum):
    """What becomes of a preview that an agent lets pass."""

    SKIP = "skip"
    DIAL = "dial"
    PAUSE = "pause"
    """Skipped, and the agent is paused."""


@dataclass(frozen=True, slots=True)
class Preview:
    """How a lead is shown to an agent before it is called."""

    timeout_seconds: float = 30.0
    on_timeout: OnTimeout = OnTimeout.SKIP
    may_skip: bool = True


class Strategy(StrEnum):
    """Who of the agents with the same penalty is asked first."""

    LONGEST_IDLE = "longest_idle"
    FEWEST_CALLS = "fewest_calls"


@dataclass(frozen=True, slots=True)
class Routing:
    """Which agent gets a customer: the lowest penalty, then whom the lead knows, then the strategy."""

    strategy: Strategy = Strategy.LONGEST_IDLE
    is_sticky: bool = False


@dataclass(frozen=True, slots=True)
class Inbound:
    """Customers who call the campaign's numbers."""

    max_wait_seconds: float = 120.0
    announce_seconds: float = 30.0
    prefers_agent: bool = True
    message_media: str | None = None
    callback_seconds: float | None = 300.0


class Dedupe(StrEnum):
    """Where else a number may not be, to be imported."""

    FILE = "file"
    CAMPAIGN = "campaign"
    EVERYWHERE = "everywhere"


@dataclass(frozen=True, slots=True)
class Numbers:
    """Which numbers may be imported and dialled, and how short ones are completed."""

    area_code: str | None = None
    may_be_foreign: bool = False
    may_be_premium: bool = False
    dedupe: Dedupe = Dedupe.CAMPAIGN


@dataclass(frozen=True, slots=True)
class Choice:
    """A disposition that an agent may give a call. `machine`: no person spoke, so the pacing must not count one."""

    code: str
    digit: str | None = None
    label: str = ""
    success: bool = False
    do_not_call: bool = False
    callback: bool = False
    final: bool = False
    machine: bool = False

    @property
    def closes_lead(self) -> bool:
        """Whether the lead is not dialled again."""
        return self.final or self.success or self.do_not_call


@dataclass(frozen=True, slots=True)
class Dispositions:
    """The agents' dispositions of a campaign."""

    choices: tuple[Choice, ...] = ()
    is_forced: bool = False
    max_wrap_up_seconds: float = 60.0
    default: str | None = None
    callback_delay_seconds: float = 3600.0

    def find(self, code: str | None) -> Choice | None:
        """The choice with this code."""
        return next((choice for choice in self.choices if choice.code == code), None)


NO_DISPOSITIONS: Final = Dispositions()


@dataclass(frozen=True, slots=True)
class Transfer:
    """How calls are transferred."""

    ring_seconds: float = 30.0
    queue_seconds: float = 60.0
    may_dial: bool = True


class RecordingMode(StrEnum):
    """Which calls are recorded."""

    OFF = "off"
    ALL = "all"
    ON_DEMAND = "on_demand"
    """Where the agent asks for it."""


class RecordingChannels(StrEnum):
    """How the two sides are kept. Asterisk writes no stereo file here: two sides apart are two files, and stereo when
    they are fetched (`calls recording`).
    """

    MIXED = "mixed"
    SEPARATE = "separate"


class RecordingFormat(StrEnum):
    """Names as Asterisk has them."""

    WAV = "wav"
    GSM = "gsm"
    ULAW = "ulaw"
    ALAW = "alaw"


@dataclass(frozen=True, slots=True)
class Recording:
    """Which calls are recorded, how, where and for how long."""

    mode: RecordingMode = RecordingMode.OFF
    channels: RecordingChannels = RecordingChannels.MIXED
    format: RecordingFormat = RecordingFormat.WAV
    name: str = "{campaign}/{date}/{call_id}"
    announcement: str | None = None
    may_pause: bool = True
    retention_days: int | None = None
