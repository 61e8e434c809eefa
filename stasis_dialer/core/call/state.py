"""What a call is, and the steps that every phase shares: mark, close, finish."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from stasis_dialer.core import messages as m
from stasis_dialer.core.evolve import evolve
from stasis_dialer.core.model import AmdResult, Campaign, DialMode, Direction, Disposition, Fault, Lead, Trunk, Wish
from stasis_dialer.core.options import ByHand, MachineAction

CREATE_SECONDS: Final = 10.0
"""For a channel to be created and to enter Stasis. Twice the request timeout; not measured."""
RING_SLACK_SECONDS: Final = 5.0
"""Asterisk's own ring timeout comes first; ours is for a lost event. Not measured."""
JOIN_SECONDS: Final = 6.0
"""For a leg to enter a bridge: longer than a request's time-out, so that the answer is heard first. Measured: 2.4 ms
on Asterisk 22.10.
"""
MOST_JOINS: Final = 3
"""Requests that bring a customer to the agent: one of them, and another before it, may stay without an answer."""
ANNOUNCEMENT_SECONDS: Final = 8.0
"""The longest announcement of a recording: a reserved agent waits 30 s, the joins included. Not measured."""
MESSAGE_SECONDS: Final = 30.0
"""The longest safe-harbour message. Not measured."""
LOST: Final = "lost"
"""The cause of a verdict that never came: whoever it is counts as a person, whatever the setting says."""
GONE_SECONDS: Final = 1.0
"""After a message that was cut off, for the end of the leg to be told. Not measured."""
NOT_PLAYED: Final = "message not played"
"""In the timeline when a message was not played to its end."""
CLOSING_SECONDS: Final = 3.0
"""Between two looks for a leg that was hung up and whose end was not seen. Not measured."""


class CallState(StrEnum):
    """Where a call stands. `detecting` is entered only when answering machines are looked for."""

    PREVIEWING = "previewing"
    FETCHING = "fetching"
    ORIGINATING = "originating"
    RINGING = "ringing"
    REROUTING = "rerouting"
    """Refused by a trunk; the next one is named within the same step."""
    DETECTING = "detecting"
    QUEUED = "queued"
    OFFERING = "offering"
    BRIDGED = "bridged"
    PLAYING = "playing"
    CONFIRMING = "confirming"
    AWAITING_BEEP = "awaiting_beep"
    LEAVING_MESSAGE = "leaving_message"
    SAFE_HARBOUR = "safe_harbour"
    CLOSING = "closing"
    ENDED = "ended"


S = CallState
UNANSWERED: Final = frozenset({S.ORIGINATING, S.RINGING, S.REROUTING})
AGENT_WANTED: Final = frozenset({S.QUEUED, S.OFFERING})


@dataclass(frozen=True, slots=True)
class TrunkTry:
    """A try that a trunk refused. Units: `at` is when it was dialled, or else reserved; the causes as in `LegGone`."""

    trunk: str
    leg_id: str
    at: float
    is_dialled: bool
    cause: int | None
    tech_cause: int | None


@dataclass(frozen=True)
class Call:
    """One attempt to reach a lead, seen from its customer leg.

    Units: every `_at` is seconds on the engine's monotonic axis, None while it has not happened.
    """

    call_id: str
    campaign: Campaign
    lead: Lead | None
    number: str
    trunk: Trunk | None
    state: CallState
    reserved_at: float
    deadline: float | None
    dialled_at: float | None = None
    ringing_at: float | None = None
    early_media_at: float | None = None
    answered_at: float | None = None
    offered_at: float | None = None
    bridged_at: float | None = None
    waits_since: float | None = None
    """When the customer first waited for an agent: at the answer, or when a person was detected."""
    detected_at: float | None = None
    amd_result: AmdResult | None = None
    amd_cause: str | None = None
    message_began_at: float | None = None
    message_played_at: float | None = None
    """When a broadcast message had been heard to its end."""
    wish: Wish | None = None
    talk_started_at: float | None = None
    """The first utterance, where the speech itself is watched."""
    given_up_at: float | None = None
    """When the deadline for an agent passed."""
    ended_at: float | None = None
    agent: str | None = None
    agent_leg_id: str | None = None
    bridge_id: str | None = None
    joins: int = 0
    """How often the customer, who is not with the agent yet, was asked into the agent's bridge."""
    is_announced: bool = False
    """The customer hears, or has heard, that the call is recorded."""
    is_rung_out: bool = False
    """The far end had the whole ring time, and we hung up."""
    hung_up_by: str | None = None
    cause: int | None = None
    tech_cause: int | None = None
    is_end_seen: bool = True
    disposition: Disposition | None = None
    fault: Fault | None = None
    agent_disposition: str | None = None
    """Code that the agent gave."""
    callback_at: datetime | None = None
    """When the person wants to be called, aware UTC."""
    is_attempt_given_back: bool = False
    wait_seconds: float | None = None
    """How long the customer may wait for an agent, where it is not the campaign's time after the answer."""
    transfer_id: str | None = None
    """The transfer that decides where the customer is."""
    partner: str | None = None
    """Who is no agent and talks with the customer."""
    recordings: tuple[str, ...] = ()
    """Files, as paths below Asterisk's recording folder."""
    timeline: tuple[tuple[float, str], ...] = ()
    later_leg_id: str | None = None
    """The channel, when it is not that of the first try."""
    caller_id: str | None = None
    """The number that the customer saw, or called."""
    direction: Direction = Direction.OUTBOUND
    by_hand: ByHand | None = None
    """Set for a call of one known agent."""
    is_heard: bool = False
    """Whether that agent hears the leg already, before the answer."""
    prefers: str | None = None
    """Extension of the agent who should have it when available."""
    playing: str | None = None
    """The announcement that a waiting customer hears now."""
    announcements: int = 0
    tries: tuple[TrunkTry, ...] = ()
    """The tries before the present one: each was refused by its trunk."""
    is_trunk_known: bool = False
    """Whether the trunk was told that this call works."""

    @property
    def leg_id(self) -> str:
        """The customer's channel: the first try's has the attempt's id."""
        return self.later_leg_id or self.call_id

    @property
    def is_inbound(self) -> bool:
        """Whether the customer called us."""
        return self.direction is Direction.INBOUND

    @property
    def is_joining(self) -> bool:
        """Whether the customer is on the way to the agent."""
        return self.joins > 0

    @property
    def has_music(self) -> bool:
        """Whether the customer hears music while no agent is there: who called us, or asked for one by a key."""
        return self.is_inbound or self.wish is Wish.AGENT

    @property
    def patience_seconds(self) -> float:
        """How long the customer may wait for an agent; one who called us, or asked for it by a key, has more time."""
        if self.wait_seconds is not None:
            return self.wait_seconds
        if self.is_inbound:
            return self.campaign.inbound.max_wait_seconds
        if self.campaign.mode is DialMode.BROADCAST:
            return self.campaign.broadcast.agent_wait_seconds
        return self.campaign.answer_deadline_seconds

    @property
    def is_machine(self) -> bool:
        """Whether it is taken for a machine."""
        if self.amd_result is AmdResult.NOT_SURE:
            return self.campaign.amd.is_not_sure_machine and self.amd_cause != LOST
        return self.amd_result is AmdResult.MACHINE

    @property
    def is_for_nobody(self) -> bool:
        """Whether it is a machine that no agent shall have."""
        return self.is_machine and self.campaign.amd.on_machine is not MachineAction.AGENT


Step = tuple[Call, tuple[m.Command, ...]]
Handler = Callable[[Call, m.Event, float], Step]


def quiet(call: Call) -> tuple[m.Command, ...]:
    """What a waiting customer hears is ended, so that what follows is not held up by it."""
    return (m.Hush(call.leg_id, call.playing),) if call.has_music else ()


MAY_JOIN: Final = UNANSWERED | {S.OFFERING}


def is_still_wanted(call: Call, command: m.Command) -> bool:
    """Whether a command that had to wait for others is still to be carried out: nobody is joined who was given up, or
    who is there.

    The agent may have another customer by then, and the customer be in the hands of a transfer.
    """
    if not isinstance(command, m.Join) or command.leg_id != call.leg_id:
        return True
    return call.state in MAY_JOIN and command.bridge_id == call.bridge_id


def close(call: Call, now: float, *, by: str) -> Step:
    """Hang up, and wait for the leg's end."""
    closing = evolve(call, state=S.CLOSING, hung_up_by=call.hung_up_by or by, deadline=now + CLOSING_SECONDS)
    return closing, (m.HangUp(call.leg_id),)


def finish(call: Call, now: float, disposition: Disposition, fault: Fault | None) -> Step:
    """The one `Finish`. An attempt that never left us is given back to the lead."""
    by = call.hung_up_by or ("customer" if call.answered_at is not None else "network")
    ended = marked(
        call,
        now,
        f"ended {disposition}",
        state=S.ENDED,
        ended_at=now,
        deadline=None,
        hung_up_by=by if call.is_end_seen else None,
        disposition=disposition,
        fault=fault,
        is_attempt_given_back=not is_dialled(call) or _is_withdrawn(call, disposition),
    )
    return ended, (m.Finish(disposition, fault, ended.is_attempt_given_back),)


def is_dialled(call: Call) -> bool:
    """Whether any try of this attempt has reached the network."""
    return call.dialled_at is not None or any(tried.is_dialled for tried in call.tries)


def trunk_works(call: Call) -> tuple[Call, tuple[m.Command, ...]]:
    """The far end was reached: told once a try."""
    if call.is_trunk_known or call.trunk is None or call.dialled_at is None:
        return call, ()
    return evolve(call, is_trunk_known=True), (m.TellTrunk(call.trunk.name, call.dialled_at, is_fault=False),)


def _is_withdrawn(call: Call, disposition: Disposition) -> bool:
    """Whether the pacing gave the call up: that is our doing alone, and burns no attempt of the lead's."""
    return disposition is Disposition.CANCELLED and call.hung_up_by == "pacing"


def not_played(call: Call, now: float) -> Step:
    """The message could not be played to its end. Who hung up while it played is gone in a moment; who is not is hung
    up: there is no such sound.
    """
    if call.deadline is not None and call.deadline <= now + GONE_SECONDS:
        return call, ()
    return marked(call, now, NOT_PLAYED, deadline=now + GONE_SECONDS), ()


def marked(call: Call, now: float, what: str, **changes: object) -> Call:
    return evolve(call, timeline=(*call.timeline, (now, what)), **changes)
