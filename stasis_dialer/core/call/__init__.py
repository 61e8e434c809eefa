"""A customer call as a state machine: `advance(call, event, now)` gives the next call and the commands to carry out.

Guarantees: every live state has a deadline; only `LegGone` (or a refused creation) ends a call; one `Finish` a call;
the abandon clock starts at the answer and no agent who fails to pick up restarts it. It never waits, logs or reads a
clock, and bad luck is an event. `TRANSITIONS` holds every legal pair of state and event, `STAY` those that may come
late and change nothing; anything else raises `IllegalEvent`.
"""

from __future__ import annotations

from typing import Final

from stasis_dialer.core import messages as m
from stasis_dialer.core.call import (
    broadcast,
    by_hand,
    dialling,
    ending,
    handing,
    meeting,
    playing,
    recorded,
    rerouting,
    screening,
    waiting,
)
from stasis_dialer.core.call.state import (
    AGENT_WANTED,
    CLOSING_SECONDS,
    CREATE_SECONDS,
    JOIN_SECONDS,
    MESSAGE_SECONDS,
    MOST_JOINS,
    NOT_PLAYED,
    RING_SLACK_SECONDS,
    UNANSWERED,
    Call,
    CallState,
    Handler,
    S,
    Step,
    TrunkTry,
    is_still_wanted,
)
from stasis_dialer.core.call.waiting import arrive
from stasis_dialer.core.model import Campaign, Lead, Trunk
from stasis_dialer.errors import IllegalEvent


def start(
    call_id: str,
    campaign: Campaign,
    lead: Lead | None,
    number: str,
    trunk: Trunk,
    create: m.CreateLeg,
    now: float,
    caller_id: str | None = None,
) -> Step:
    """A new attempt whose reservation is committed, and the command that creates its leg."""
    call = Call(
        call_id,
        campaign,
        lead,
        number,
        trunk,
        S.ORIGINATING,
        reserved_at=now,
        deadline=now + CREATE_SECONDS,
        caller_id=caller_id,
    )
    return call, (create,)


start_by_hand = by_hand.start


def advance(call: Call, event: m.Event, now: float) -> Step:
    """What the call becomes by this event, and what is to be done.

    Units: `now` is seconds on the engine's monotonic axis.
    Raises: IllegalEvent when the event cannot happen in this state: a defect of ours.
    """
    key = (call.state, type(event))
    handler = TRANSITIONS.get(key)
    if handler is not None:
        return handler(call, event, now)
    if key in STAY or call.state is S.ENDED:
        return call, ()
    raise IllegalEvent(f"event does not fit: call_id={call.call_id} state={call.state} event={key[1].__name__}")


TRANSITIONS: Final[dict[tuple[CallState, type[m.Event]], Handler]] = {
    (S.PREVIEWING, m.PreviewAccepted): by_hand.accepted,
    (S.PREVIEWING, m.PreviewSkipped): by_hand.skipped,
    (S.PREVIEWING, m.AgentLost): by_hand.agent_left,
    (S.PREVIEWING, m.LegGone): by_hand.ignored,
    (S.PREVIEWING, m.DeadlineReached): by_hand.timed_out,
    (S.PREVIEWING, m.StopRequested): by_hand.stopped,
    (S.FETCHING, m.AgentReserved): by_hand.agent_rings,
    (S.FETCHING, m.AgentReady): by_hand.agent_there,
    (S.FETCHING, m.AgentLost): by_hand.agent_left,
    (S.FETCHING, m.TrunkFound): by_hand.trunk_found,
    (S.FETCHING, m.NoTrunk): by_hand.no_trunk,
    (S.FETCHING, m.LegGone): by_hand.ignored,
    (S.FETCHING, m.DeadlineReached): by_hand.gave_up,
    (S.FETCHING, m.StopRequested): by_hand.stopped,
    **{
        (state, kind): handler
        for state in (S.ORIGINATING, S.RINGING)
        for kind, handler in (
            (m.Joined, by_hand.joined),
            (m.JoinFailed, by_hand.not_joined),
            (m.AgentLost, by_hand.agent_lost),
        )
    },
    (S.REROUTING, m.AgentLost): rerouting.agent_lost,
    (S.REROUTING, m.Joined): rerouting.ignored,
    (S.REROUTING, m.JoinFailed): rerouting.ignored,
    (S.ORIGINATING, m.LegCreated): dialling.created,
    (S.ORIGINATING, m.OriginateRejected): rerouting.create_refused,
    (S.ORIGINATING, m.RequestUnanswered): dialling.unsure,
    (S.ORIGINATING, m.DialRejected): dialling.dial_refused,
    (S.ORIGINATING, m.Ringing): dialling.ringing,
    (S.ORIGINATING, m.EarlyMedia): dialling.early_media,
    (S.ORIGINATING, m.Answered): screening.answered,
    (S.ORIGINATING, m.LegGone): rerouting.gone,
    (S.ORIGINATING, m.DeadlineReached): dialling.never_rang_out,
    (S.ORIGINATING, m.StopRequested): ending.stopped,
    (S.REROUTING, m.TrunkFound): rerouting.found,
    (S.REROUTING, m.NoTrunk): rerouting.nowhere,
    (S.REROUTING, m.LegGone): rerouting.ignored,
    (S.REROUTING, m.OriginateRejected): rerouting.ignored,
    (S.REROUTING, m.DeadlineReached): rerouting.nowhere,
    (S.REROUTING, m.StopRequested): rerouting.stopped,
    (S.RINGING, m.EarlyMedia): dialling.early_media,
    (S.RINGING, m.Answered): screening.answered,
    (S.RINGING, m.LegGone): ending.gone,
    (S.RINGING, m.DeadlineReached): dialling.never_rang_out,
    (S.RINGING, m.StopRequested): ending.stopped,
    (S.DETECTING, m.Detected): screening.detected,
    (S.DETECTING, m.DialplanRefused): screening.verdict_lost,
    (S.DETECTING, m.LegGone): ending.gone,
    (S.DETECTING, m.DeadlineReached): screening.verdict_lost,
    (S.DETECTING, m.StopRequested): ending.stopped,
    (S.QUEUED, m.AgentReserved): meeting.agent_reserved,
    (S.QUEUED, m.AgentReady): meeting.agent_ready,
    (S.QUEUED, m.AnnouncementDue): waiting.announcement_due,
    (S.QUEUED, m.PlaceKnown): waiting.place_known,
    (S.QUEUED, m.MessageEnded): waiting.announced,
    (S.QUEUED, m.LegGone): ending.gone,
    (S.QUEUED, m.DeadlineReached): meeting.nobody_came,
    (S.QUEUED, m.StopRequested): ending.stopped,
    (S.OFFERING, m.AgentReady): meeting.agent_ready,
    (S.OFFERING, m.AgentLost): meeting.agent_lost,
    (S.OFFERING, m.MessageEnded): meeting.announced,
    (S.OFFERING, m.Joined): meeting.joined,
    (S.OFFERING, m.JoinFailed): meeting.join_failed,
    (S.OFFERING, m.LegGone): ending.gone,
    (S.OFFERING, m.AnnouncementDue): waiting.announcement_later,
    (S.OFFERING, m.DeadlineReached): meeting.nobody_came,
    (S.OFFERING, m.StopRequested): ending.stopped,
    (S.BRIDGED, m.AgentLost): handing.agent_lost,
    (S.BRIDGED, m.Joined): handing.entered,
    (S.BRIDGED, m.Held): handing.held,
    (S.BRIDGED, m.Returned): handing.returned,
    (S.BRIDGED, m.TransferNoted): handing.noted,
    (S.BRIDGED, m.AgentWanted): handing.agent_wanted,
    (S.BRIDGED, m.PartnerJoined): handing.partner_joined,
    (S.BRIDGED, m.PartnerLost): handing.partner_lost,
    (S.BRIDGED, m.AgentChanged): handing.agent_changed,
    (S.BRIDGED, m.LegGone): ending.gone,
    (S.BRIDGED, m.MessageEnded): recorded.told_late,
    (S.BRIDGED, m.DeadlineReached): ending.over,
    (S.BRIDGED, m.StopRequested): ending.stopped,
    (S.PLAYING, m.MessageEnded): broadcast.message_over,
    (S.PLAYING, m.DigitPressed): broadcast.key_pressed,
    (S.PLAYING, m.LegGone): ending.gone,
    (S.PLAYING, m.DeadlineReached): ending.over,
    (S.PLAYING, m.StopRequested): ending.stopped,
    (S.CONFIRMING, m.MessageEnded): broadcast.confirmed,
    (S.CONFIRMING, m.LegGone): ending.gone,
    (S.CONFIRMING, m.DeadlineReached): ending.over,
    (S.CONFIRMING, m.StopRequested): ending.stopped,
    (S.AWAITING_BEEP, m.Parted): screening.parted,
    (S.AWAITING_BEEP, m.SilenceHeard): screening.silence,
    (S.AWAITING_BEEP, m.DialplanRefused): screening.no_way_to_the_beep,
    (S.AWAITING_BEEP, m.LegGone): ending.gone,
    (S.AWAITING_BEEP, m.DeadlineReached): ending.over,
    (S.AWAITING_BEEP, m.StopRequested): ending.stopped,
    (S.LEAVING_MESSAGE, m.MessageEnded): screening.message_left,
    (S.LEAVING_MESSAGE, m.LegGone): ending.gone,
    (S.LEAVING_MESSAGE, m.DeadlineReached): ending.over,
    (S.LEAVING_MESSAGE, m.StopRequested): ending.stopped,
    (S.SAFE_HARBOUR, m.MessageEnded): ending.message_over,
    (S.SAFE_HARBOUR, m.Joined): ending.joined_too_late,
    (S.SAFE_HARBOUR, m.LegGone): ending.gone,
    (S.SAFE_HARBOUR, m.DeadlineReached): ending.over,
    (S.SAFE_HARBOUR, m.StopRequested): ending.stopped,
    (S.CLOSING, m.LegCreated): ending.created_while_closing,
    (S.CLOSING, m.OriginateRejected): dialling.create_refused,
    (S.CLOSING, m.Answered): ending.answered_too_late,
    (S.CLOSING, m.Joined): ending.joined_too_late,
    (S.CLOSING, m.LegGone): ending.gone,
    (S.CLOSING, m.DeadlineReached): ending.still_closing,
    **{(state, m.RequestUnanswered): waiting.unanswered for state in AGENT_WANTED},
    **{(state, m.RequestUnanswered): playing.look_unanswered for state in playing.PLAYED_IN},
    **{
        (state, kind): handler
        for state in (S.QUEUED, S.OFFERING, S.BRIDGED)
        for kind, handler in (
            (m.Detected, screening.detected),
            (m.TalkingStarted, screening.talking_started),
            (m.TalkingFinished, screening.talking_finished),
            (m.VerdictDue, screening.verdict_due),
        )
    },
    **{(state, m.Disposed): ending.disposed for state in CallState if state is not S.ENDED},
    **{
        (state, kind): handler
        for state in recorded.RECORDED_STATES
        for kind, handler in (
            (m.Recorded, recorded.file_begun),
            (m.RecordingPaused, recorded.paused),
            (m.RecordingResumed, recorded.resumed),
        )
    },
}

LATE: Final[frozenset[type[m.Event]]] = frozenset(
    {
        m.LegCreated,
        m.DialRejected,
        m.RequestUnanswered,
        m.Ringing,
        m.EarlyMedia,
        m.Answered,
        m.AgentReserved,
        m.AgentReady,
        m.AgentLost,
        m.Joined,
        m.JoinFailed,
        m.MessageEnded,
        m.Detected,
        m.SilenceHeard,
        m.DialplanRefused,
        m.TalkingStarted,
        m.TalkingFinished,
        m.VerdictDue,
        m.Parted,
        m.AnnouncementDue,
        m.PlaceKnown,
        m.PreviewAccepted,
        m.PreviewSkipped,
        m.DigitPressed,
        m.StopRequested,
        m.Held,
        m.Returned,
        m.TransferNoted,
        m.AgentWanted,
        m.PartnerJoined,
        m.PartnerLost,
        m.AgentChanged,
    }
)
"""Events that may come late, or twice, without meaning anything any more."""

EARLY: Final[frozenset[tuple[CallState, type[m.Event]]]] = frozenset(
    (state, kind)
    for state in (S.ORIGINATING, S.REROUTING, S.RINGING)
    for kind in (m.AgentReserved, m.AgentReady, m.MessageEnded)
)
"""Late events that cannot come before an answer: there was no agent and no message yet."""

STAY: Final[frozenset[tuple[CallState, type[m.Event]]]] = (
    frozenset((state, kind) for state in CallState for kind in LATE) - frozenset(TRANSITIONS) - EARLY
)

__all__ = [
    "AGENT_WANTED",
    "CLOSING_SECONDS",
    "CREATE_SECONDS",
    "EARLY",
    "JOIN_SECONDS",
    "LATE",
    "MESSAGE_SECONDS",
    "MOST_JOINS",
    "NOT_PLAYED",
    "RING_SLACK_SECONDS",
    "STAY",
    "TRANSITIONS",
    "UNANSWERED",
    "Call",
    "CallState",
    "Handler",
    "Step",
    "TrunkTry",
    "advance",
    "arrive",
    "is_still_wanted",
    "start",
    "start_by_hand",
]
