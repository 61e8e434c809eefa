"""What a pacer hears, is shown and answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class PacingLimits:
    """What a campaign's pacing must keep to.

    Units: `_seconds` and `average_call_time` seconds; `abandon_cap` a share of the calls that people answered.
    """

    abandon_cap: float = 0.03
    max_channels: int = 10
    calls_per_second: float = 10.0
    max_lines_per_agent: float = 10.0
    minimum_ring_seconds: float = 15.0
    answer_deadline_seconds: float = 2.0
    window_seconds: float = 86_400.0
    may_cancel: bool = True
    impulse_factor: float = 6.0
    max_multiplier: float = 20.0
    average_call_time: float = 180.0


@dataclass(frozen=True, slots=True)
class PacingEvent:
    """Something that happened to a call or an agent.

    `kind`: placed, answered (age since placed), human (age since answered), result (outcome, age), connected,
    abandoned, talk_ended (value in seconds), wrap_up_ended (value), agent_in, agent_out.
    """

    kind: str
    at: float
    attempt_id: str | None = None
    outcome: str | None = None
    age: float = 0.0
    value: float = 0.0


@dataclass(frozen=True, slots=True)
class PacingView:
    """The campaign at this moment; the `_since` map an id to the second at which its state began."""

    now: float
    agents_logged_in: int = 0
    agents_ready: int = 0
    talking_since: Mapping[str, float] = field(default_factory=dict)
    wrap_up_since: Mapping[str, float] = field(default_factory=dict)
    dialling_since: Mapping[str, float] = field(default_factory=dict)
    ringing_since: Mapping[str, float] = field(default_factory=dict)
    detecting_since: Mapping[str, float] = field(default_factory=dict)
    waiting: int = 0
    max_channels: int = 0
    channels_in_use: int = 0


@dataclass(frozen=True, slots=True)
class PacingDecision:
    """What to do now, why in one word, and every number that led to it."""

    place: int
    cancel: tuple[str, ...] = ()
    reason: str = ""
    inputs: Mapping[str, float] = field(default_factory=dict)
