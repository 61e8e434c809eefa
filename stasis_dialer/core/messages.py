"""The vocabulary: events that a call or an agent hears (past tense), commands that they give (imperative).

Every message is a frozen value. An event carries no object id: it is posted to the object it belongs to. Whoever builds
one may do so twice or late; the state machines decide what still matters. Times are not part of messages: `advance`
receives `now`, seconds on one monotonic axis.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from stasis_dialer.core.model import AmdResult, Disposition, Fault, Trunk
from stasis_dialer.core.options import NO_DISPOSITIONS, Dispositions

# --- events ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened."""


@dataclass(frozen=True, slots=True)
class LegCreated(Event):
    """Our leg entered Stasis and takes commands; it has not been dialled yet."""


@dataclass(frozen=True, slots=True)
class OriginateRejected(Event):
    """The leg was refused: nothing was sent to the network. `status` is the HTTP status."""

    status: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RequestUnanswered(Event):
    """A request may or may not have worked: no answer came, or the server was away."""

    request: str


@dataclass(frozen=True, slots=True)
class DialRejected(Event):
    """The leg exists, but could not be dialled."""

    status: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Ringing(Event):
    """The far end rings (180); repeats are normal."""


@dataclass(frozen=True, slots=True)
class EarlyMedia(Event):
    """The network plays something before an answer (183)."""


@dataclass(frozen=True, slots=True)
class Answered(Event):
    """The leg went up."""


@dataclass(frozen=True, slots=True)
class LegGone(Event):
    """The leg was destroyed: its only end. Not seen: it was found missing, so the causes are unknown.

    Units: `cause` is Q.850, `tech_cause` the SIP response code.
    """

    cause: int | None = None
    tech_cause: int | None = None
    is_seen: bool = True


@dataclass(frozen=True, slots=True)
class AgentReserved(Event):
    """An agent was reserved for this call and is being rung."""

    extension: str


@dataclass(frozen=True, slots=True)
class AgentReady(Event):
    """An agent's leg waits in this bridge for the customer."""

    extension: str
    leg_id: str
    bridge_id: str


@dataclass(frozen=True, slots=True)
class AgentLost(Event):
    """The agent did not pick up, or went away."""

    extension: str


@dataclass(frozen=True, slots=True)
class Joined(Event):
    """The leg entered the bridge."""

    bridge_id: str


@dataclass(frozen=True, slots=True)
class JoinFailed(Event):
    """The leg could not be added to the bridge. `is_bridge_gone`: because there is no such bridge (any more)."""

    bridge_id: str
    reason: str = ""
    is_bridge_gone: bool = False


@dataclass(frozen=True, slots=True)
class MessageEnded(Event):
    """The message of this name was played to its end, was stopped, or could not be played."""

    name: str = "message"
    is_heard: bool = True
    """False when Asterisk could not play it to its end: the leg is going, or there is no such sound."""


@dataclass(frozen=True, slots=True)
class Detected(Event):
    """The dialplan's AMD() has decided what answered, and the leg is back. `cause` is its AMDCAUSE."""

    result: AmdResult
    cause: str = ""


@dataclass(frozen=True, slots=True)
class SilenceHeard(Event):
    """The leg is back from the dialplan's wait for silence; not `is_heard`: the other side never fell silent."""

    is_heard: bool = True


@dataclass(frozen=True, slots=True)
class DialplanRefused(Event):
    """The leg could not be sent to the dialplan: it is still here."""


@dataclass(frozen=True, slots=True)
class TalkingStarted(Event):
    """Somebody on the leg began to speak."""


@dataclass(frozen=True, slots=True)
class TalkingFinished(Event):
    """Somebody on the leg has spoken for so long, and is silent."""

    seconds: float


@dataclass(frozen=True, slots=True)
class VerdictDue(Event):
    """So long after the answer, or (`is_talking`) after the first word, silence or speech itself is the verdict."""

    is_talking: bool


@dataclass(frozen=True, slots=True)
class Parted(Event):
    """The leg has left the bridge."""

    bridge_id: str


@dataclass(frozen=True, slots=True)
class DigitPressed(Event):
    """A key was pressed on the leg's telephone: one of 0-9, *, #, A-D."""

    digit: str


@dataclass(frozen=True, slots=True)
class Disposed(Event):
    """The agent said what came of this call. `callback_at`: aware UTC, when the person wants to be called."""

    code: str
    callback_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DeadlineReached(Event):
    """The deadline of the present state has passed."""


@dataclass(frozen=True, slots=True)
class PreviewAccepted(Event):
    """The agent wants this lead to be called."""


@dataclass(frozen=True, slots=True)
class PreviewSkipped(Event):
    """The agent passes this lead over."""


@dataclass(frozen=True, slots=True)
class StopRequested(Event):
    """Somebody wants this to end now; `by` says who (`dialer`, `agent`, `supervisor`, `pacing`)."""

    by: str = "dialer"


@dataclass(frozen=True, slots=True)
class TrunkFound(Event):
    """The call may be tried on this trunk, by this leg."""

    trunk: Trunk
    create: CreateLeg
    caller_id: str | None = None


@dataclass(frozen=True, slots=True)
class NoTrunk(Event):
    """No other trunk takes the call."""


@dataclass(frozen=True, slots=True)
class AnnouncementDue(Event):
    """A customer who called us has waited for a while: time to say their place."""


@dataclass(frozen=True, slots=True)
class PlaceKnown(Event):
    """So many customers who called us before this one still wait."""

    ahead: int


# recordings


@dataclass(frozen=True, slots=True)
class RecordingStarted(Event):
    """The file `name` (without its ending) is being written."""

    name: str


@dataclass(frozen=True, slots=True)
class RecordingEnded(Event):
    """The file is complete: its channel left, or writing failed."""

    name: str


@dataclass(frozen=True, slots=True)
class RecordingFailed(Event):
    """The file could not be written."""

    name: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PauseWanted(Event):
    """Nothing is to be written for a while: the customer says a card number."""


@dataclass(frozen=True, slots=True)
class ResumeWanted(Event):
    """Writing begins, or goes on."""


@dataclass(frozen=True, slots=True)
class PauseRefused(Event):
    """The pause could not be had."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class RecordingStopped(Event):
    """The call is over: so is its recording."""


@dataclass(frozen=True, slots=True)
class Recorded(Event):
    """To the call: this file, a path below Asterisk's recording folder, is being made of it."""

    file: str


@dataclass(frozen=True, slots=True)
class RecordingPaused(Event):
    """To the call: from here on nothing is written."""


@dataclass(frozen=True, slots=True)
class RecordingResumed(Event):
    """To the call: from here on it is written again."""


# transfers


class TargetKind(StrEnum):
    """What a call can be transferred to."""

    NUMBER = "number"
    AGENT = "agent"
    QUEUE = "queue"


@dataclass(frozen=True, slots=True)
class Target:
    """Whom the customer is to talk with. `value`: E.164 without plus, an extension, or a campaign's id.

    `bridge_id` is a bridge of our own for a number; an agent's own one is known when the agent is there.
    """

    kind: TargetKind
    value: str
    is_attended: bool
    ring_seconds: float
    label: str = ""
    """As the call's record shows it."""
    create: CreateLeg | None = None
    bridge_id: str | None = None


@dataclass(frozen=True, slots=True)
class UnholdAsked(Event):
    """The agent wants the customer back."""


@dataclass(frozen=True, slots=True)
class TransferAsked(Event):
    """The agent wants the customer to talk with somebody else."""

    target: Target


@dataclass(frozen=True, slots=True)
class CompleteAsked(Event):
    """The agent leaves the customer to the target."""


@dataclass(frozen=True, slots=True)
class CancelAsked(Event):
    """The agent wants the customer back, whatever the target does."""


@dataclass(frozen=True, slots=True)
class ConferenceAsked(Event):
    """The agent wants customer and target in one conversation."""


@dataclass(frozen=True, slots=True)
class Moved(Event):
    """A leg, whoever owns it, has entered this bridge."""

    channel_id: str
    bridge_id: str


@dataclass(frozen=True, slots=True)
class MoveFailed(Event):
    """A leg could not be moved to this bridge."""

    channel_id: str
    bridge_id: str
    reason: str = ""


# to the call, by its transfer


@dataclass(frozen=True, slots=True)
class Held(Event):
    """The customer is on hold: from here on a transfer decides where the customer is."""

    transfer_id: str


@dataclass(frozen=True, slots=True)
class Returned(Event):
    """The customer is with the agent again."""


@dataclass(frozen=True, slots=True)
class AgentWanted(Event):
    """The agent is lost: the customer waits with music for another one, at most so long."""

    seconds: float


@dataclass(frozen=True, slots=True)
class PartnerJoined(Event):
    """The customer talks with somebody who is no agent, in this bridge."""

    partner: str
    bridge_id: str


@dataclass(frozen=True, slots=True)
class PartnerLost(Event):
    """The one who is no agent has hung up."""


@dataclass(frozen=True, slots=True)
class AgentChanged(Event):
    """The customer talks with another agent, or with the same one on another leg."""

    extension: str
    leg_id: str
    bridge_id: str


@dataclass(frozen=True, slots=True)
class TransferNoted(Event):
    """Something for the call's timeline."""

    what: str


# supervision


class SupervisionMode(StrEnum):
    """What a supervisor does with an agent's calls."""

    LISTEN = "listen"
    """Hears agent and customer; nobody hears the supervisor."""
    WHISPER = "whisper"
    """The agent hears the supervisor too, the customer does not."""
    BARGE = "barge"
    """All three hear each other."""


@dataclass(frozen=True, slots=True)
class AgentAt(Event):
    """To a supervision: the agent's leg that is up, or None, and with whom it is (`turn`; empty: with nobody).

    `hears_sound`: the leg is played a tone or another sound of ours.
    """

    leg_id: str | None
    turn: str
    hears_sound: bool = False


@dataclass(frozen=True, slots=True)
class ModeAsked(Event):
    """The supervisor wants to listen, whisper or barge from now on."""

    mode: SupervisionMode


@dataclass(frozen=True, slots=True)
class SupervisionUnwanted(Event):
    """The supervision is to end; `why` is for the log."""

    why: str


@dataclass(frozen=True, slots=True)
class EarOpened(Event):
    """The supervisor hears the agent's leg by the ear of this number."""

    number: int


@dataclass(frozen=True, slots=True)
class EarClosed(Event):
    """The ear of this number is gone. `failure`: why, when nobody wanted it; empty: it was closed, or had its say."""

    number: int
    failure: str = ""


@dataclass(frozen=True, slots=True)
class EarUnwanted(Event):
    """To an ear: nobody is to hear by it any more."""


# agents only


@dataclass(frozen=True, slots=True)
class Assigned(Event):
    """A customer needs this agent now. The ids are for the leg and bridge of one whose phone must ring first."""

    call_id: str
    leg_id: str
    bridge_id: str
    wrap_up_seconds: float
    ring_seconds: float
    campaign_id: int | None = None
    is_auto_answer: bool = False
    caller_name: str = ""
    caller_number: str = ""
    dispositions: Dispositions = NO_DISPOSITIONS
    reserved_seconds: float | None = None
    """How long the customer may take to arrive; None: as an answered one."""


@dataclass(frozen=True, slots=True)
class CustomerJoined(Event):
    """The customer of `call_id` is in the agent's bridge: they talk."""

    call_id: str


@dataclass(frozen=True, slots=True)
class CustomerIs(Event):
    """The call `before`, with which the agent is busy, goes on as `call_id`: a transfer has become the call itself."""

    before: str
    call_id: str
    is_mine: bool = True
    """Whether the agent is to say what came of it; not when the agent only leaves a transfer behind."""
    dispositions: Dispositions = NO_DISPOSITIONS


@dataclass(frozen=True, slots=True)
class CustomerGone(Event):
    """The call `call_id` needs this agent no more."""

    call_id: str


@dataclass(frozen=True, slots=True)
class PauseRequested(Event):
    """The agent takes a break; during a call it begins when the call is over."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class UnpauseRequested(Event):
    """The agent is back."""


@dataclass(frozen=True, slots=True)
class LogoutRequested(Event):
    """The agent goes home; during a call it takes effect when the call is over."""


@dataclass(frozen=True, slots=True)
class WrapUpDone(Event):
    """The agent has finished the work after a call."""


@dataclass(frozen=True, slots=True)
class DispositionGiven(Event):
    """The agent says what came of the call that is on, or of the last one."""

    code: str
    callback_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ServesChanged(Event):
    """The agent serves these campaigns from now on (empty: all), with these penalties."""

    campaigns: frozenset[int]
    penalties: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class PhoneRegistered(Event):
    """The agent's telephone can be reached."""


@dataclass(frozen=True, slots=True)
class PhoneUnregistered(Event):
    """The agent's telephone cannot be reached. `is_loss`: it could be a moment ago; else nobody knows since when."""

    is_loss: bool = True


MUSIC: Final = "music"
LOOK: Final = "look"
"""The requests of `StartMusic` and `ProbeMessage`, when they stay unanswered."""

TALKING: Final = "mixing,proxy_media"
HOLDING: Final = "holding"
"""Kinds of bridges, as ARI's `type`; why `proxy_media`: see `engine.executor`."""

# --- commands -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Command:
    """Something to be done."""


@dataclass(frozen=True, slots=True)
class CreateLeg(Command):
    """Create the channel `leg_id` towards `endpoint`, with these variables, without dialling."""

    leg_id: str
    endpoint: str
    variables: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class DialLeg(Command):
    """Dial the created leg; the far end may ring for `timeout_seconds`."""

    leg_id: str
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class AnswerLeg(Command):
    """Answer a leg that called us."""

    leg_id: str


@dataclass(frozen=True, slots=True)
class HangUp(Command):
    """Hang the leg up, whatever it does."""

    leg_id: str


@dataclass(frozen=True, slots=True)
class Probe(Command):
    """Look whether the leg still exists; when it does not, `LegGone(is_seen=False)` follows."""

    leg_id: str


@dataclass(frozen=True, slots=True)
class CreateBridge(Command):
    """Create a bridge: one in which legs talk, or (`HOLDING`) one in which they wait, without hearing each other."""

    bridge_id: str
    kind: str = TALKING


@dataclass(frozen=True, slots=True)
class DestroyBridge(Command):
    """Destroy the bridge; its legs stay."""

    bridge_id: str


@dataclass(frozen=True, slots=True)
class Join(Command):
    """Add the leg to the bridge. `absorbs_keys`: the others there do not hear what is pressed on it."""

    leg_id: str
    bridge_id: str
    absorbs_keys: bool = False


@dataclass(frozen=True, slots=True)
class TakeOut(Command):
    """Take the leg out of the bridge; `Parted` follows."""

    leg_id: str
    bridge_id: str


@dataclass(frozen=True, slots=True)
class SendToDialplan(Command):
    """Let the leg leave the application for this context of the dialplan, which sends it back."""

    leg_id: str
    context: str


@dataclass(frozen=True, slots=True)
class WatchTalking(Command):
    """Report when the leg's other side begins and ends to speak."""

    leg_id: str
    silence_seconds: float
    threshold: int


@dataclass(frozen=True, slots=True)
class StopWatching(Command):
    """Report speech on the leg no more."""

    leg_id: str


@dataclass(frozen=True, slots=True)
class PlayMessage(Command):
    """Play this media URI to the leg; `MessageEnded` of this name follows."""

    leg_id: str
    media: str
    name: str = "message"
    """Tells this playback from others on the same leg."""


@dataclass(frozen=True, slots=True)
class StopMessage(Command):
    """Play the message of this name no further."""

    leg_id: str
    name: str = "message"


@dataclass(frozen=True, slots=True)
class ProbeMessage(Command):
    """Look whether the message of this name still plays; when it does not, `MessageEnded` follows."""

    leg_id: str
    name: str = "message"


@dataclass(frozen=True, slots=True)
class Hush(Command):
    """End the leg's music, and the message of this name: what follows is not held up by it for more than a moment."""

    leg_id: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class AskPlace(Command):
    """How many wait before this customer? `PlaceKnown` follows."""


@dataclass(frozen=True, slots=True)
class StartMusic(Command):
    """Play music on hold to the leg, until it is stopped."""

    leg_id: str


@dataclass(frozen=True, slots=True)
class StopMusic(Command):
    """End the leg's music on hold."""

    leg_id: str


@dataclass(frozen=True, slots=True)
class SeekAgent(Command):
    """Find an agent for this call, now or as soon as one is free."""


@dataclass(frozen=True, slots=True)
class FetchAgent(Command):
    """Make the agent of this call ready: at once, or by ringing the telephone."""


@dataclass(frozen=True, slots=True)
class PauseAgent(Command):
    """The agent takes a break, by a rule."""

    extension: str
    reason: str


@dataclass(frozen=True, slots=True)
class WithdrawSeek(Command):
    """No agent is sought any more; one who is reserved for this call is given back.

    `is_agent_broken`: the agent's leg or bridge failed.
    """

    is_agent_broken: bool = False


@dataclass(frozen=True, slots=True)
class TellAnswered(Command):
    """Somebody or something picked up: tell those who count."""


@dataclass(frozen=True, slots=True)
class TellSought(Command):
    """The call begins to want an agent; given at most once a call."""


@dataclass(frozen=True, slots=True)
class TellDetected(Command):
    """It is decided what answered; given at most once a call."""


@dataclass(frozen=True, slots=True)
class Remind(Command):
    """Hand this event to the call so many seconds from now, unless it is over."""

    seconds: float
    event: Event


@dataclass(frozen=True, slots=True)
class TellJoined(Command):
    """The customer is with the agent: tell the agent's side. `is_again`: another agent, or another leg of
    the same one, was there before.
    """

    is_again: bool = False


@dataclass(frozen=True, slots=True)
class TellAnnounced(Command):
    """The announcement of the recording has ended, heard or not, after customer and agent had met."""


@dataclass(frozen=True, slots=True)
class TellCall(Command):
    """Hand this event to the call the agent is reserved for."""

    call_id: str
    event: Event


@dataclass(frozen=True, slots=True)
class DisposeCall(Command):
    """What came of a call, as the agent says; `is_default`: as the wrap-up's end says."""

    call_id: str
    campaign_id: int | None
    code: str
    callback_at: datetime | None = None
    is_default: bool = False


@dataclass(frozen=True, slots=True)
class CallPhone(Command):
    """Call the agent's telephone, whose leg fell."""


@dataclass(frozen=True, slots=True)
class CollectKey(Command):
    """A key was pressed on the agent's telephone: it may be part of a feature code."""

    key: str


@dataclass(frozen=True, slots=True)
class Save(Command):
    """The database should know of this progress."""


@dataclass(frozen=True, slots=True)
class Finish(Command):
    """The attempt is over; given exactly once."""

    disposition: Disposition
    fault: Fault | None
    is_attempt_given_back: bool = False


@dataclass(frozen=True, slots=True)
class SeekTrunk(Command):
    """Name another trunk for this call, whose trunk refused it: `TrunkFound` or `NoTrunk` follows."""


@dataclass(frozen=True, slots=True)
class TellTrunk(Command):
    """A call that was placed at `placed_at` shows whether the trunk works. Units: seconds on the engine's axis."""

    trunk: str
    placed_at: float
    is_fault: bool


@dataclass(frozen=True, slots=True)
class EndSession(Command):
    """The agent is logged off: the session is over; given exactly once."""


# --- commands: transfers ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Move(Command):
    """Put a leg, whoever owns it, into this bridge; out of the one where it was."""

    channel_id: str
    bridge_id: str


@dataclass(frozen=True, slots=True)
class PlayMusic(Command):
    """Music on hold for everybody in this bridge."""

    bridge_id: str


@dataclass(frozen=True, slots=True)
class SeekTarget(Command):
    """Find the agent whom the transfer wants, or one of the queue."""


@dataclass(frozen=True, slots=True)
class ReleaseTarget(Command):
    """The agent who was found, or is sought, is not wanted any more."""


@dataclass(frozen=True, slots=True)
class TargetJoined(Command):
    """The agent who was found talks with the one who asks."""


@dataclass(frozen=True, slots=True)
class HandToTarget(Command):
    """The call is that of the agent who was found."""

    extension: str


@dataclass(frozen=True, slots=True)
class ReleaseAgent(Command):
    """The agent who transferred is free of the call. `is_broken`: the leg could not be brought home."""

    is_broken: bool = False


@dataclass(frozen=True, slots=True)
class TellTransfer(Command):
    """Hand this event to the transfer that has the call."""

    transfer_id: str
    event: Event


@dataclass(frozen=True, slots=True)
class EndTransfer(Command):
    """Nothing is left of the transfer; given exactly once."""


# --- commands: recordings ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Listen(Command):
    """Create the channel `leg_id` that hears what `target` says (`in`), what it is told (`out`), `both` or `none`.

    `whispers_to`: what is said into it is heard by `target` alone (`out`), by those whom `target` talks with (`in`),
    by `both`, or by nobody (`none`).
    """

    leg_id: str
    target: str
    hears: str = "both"
    whispers_to: str = "none"


@dataclass(frozen=True, slots=True)
class Record(Command):
    """Write what the leg hears to the file `name` in this format."""

    leg_id: str
    name: str
    format: str


@dataclass(frozen=True, slots=True)
class PauseRecording(Command):
    """Write nothing more to the file."""

    leg_id: str
    name: str


@dataclass(frozen=True, slots=True)
class ResumeRecording(Command):
    """Write on."""

    leg_id: str
    name: str


@dataclass(frozen=True, slots=True)
class RecordingLost(Command):
    """Somebody should know that this call is not recorded any more."""

    reason: str


@dataclass(frozen=True, slots=True)
class EndRecording(Command):
    """The recording is over and its channel gone; given exactly once."""


# --- commands: supervision --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OpenEar(Command):
    """Let the supervisor hear `target` by a new ear of this number; `EarOpened` or `EarClosed` follows.

    `announcement`: the ear only says this media URI to those whom it may speak to, and is closed.
    """

    number: int
    target: str
    whispers_to: str
    announcement: str | None = None


@dataclass(frozen=True, slots=True)
class CloseEar(Command):
    """Let nobody hear by this ear any more; `EarClosed` follows."""

    number: int


@dataclass(frozen=True, slots=True)
class TellSupervision(Command):
    """Hand this event to the supervision the ear belongs to."""

    supervision_id: str
    event: Event


@dataclass(frozen=True, slots=True)
class EndEar(Command):
    """The ear is over and its channel gone; given exactly once."""


@dataclass(frozen=True, slots=True)
class NoteSupervision(Command):
    """Somebody hears the agent in this conversation, in the present mode: write it down."""


@dataclass(frozen=True, slots=True)
class EndSupervision(Command):
    """Nothing is left of the supervision; given exactly once."""

    why: str
