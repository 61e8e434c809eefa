"""Values and short stories for the tests of the core: a call or an agent hears events at given seconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from stasis_dialer.core import agent as agent_machine
from stasis_dialer.core import call as call_machine
from stasis_dialer.core import messages as m
from stasis_dialer.core.agent import Agent
from stasis_dialer.core.call import Call
from stasis_dialer.core.model import AgentState, AmdResult, Campaign, ConnectMode, DialMode, Lead, LeadStatus, Trunk
from stasis_dialer.core.options import Amd, AmdMode, Broadcast, ByHand, MachineAction

NUMBER = "5511987654321"
MESSAGE = "sound:sorry"
CAMPAIGN = Campaign(
    7, "spring", ring_timeout_seconds=30.0, answer_deadline_seconds=2.0, max_call_seconds=600.0, wrap_up_seconds=5.0
)
WITH_MESSAGE = Campaign(7, "spring", answer_deadline_seconds=2.0, safe_harbour_media=MESSAGE)
DETECTS = Campaign(7, "spring", answer_deadline_seconds=2.0, amd=Amd(AmdMode.DIALPLAN))
LEAVES_MESSAGE = Campaign(
    7, "spring", amd=Amd(AmdMode.DIALPLAN, MachineAction.MESSAGE, message_media="sound:call-us-back")
)
BROADCAST = Campaign(
    7,
    "spring",
    mode=DialMode.BROADCAST,
    safe_harbour_media=MESSAGE,
    broadcast=Broadcast("sound:offer", "1", "9", "2", opt_out_media="sound:removed"),
)
MACHINE = m.Detected(AmdResult.MACHINE, "LONGGREETING-1500-1500")
LEAD = Lead(70, 7, "Ana", NUMBER, attempts=1, status=LeadStatus.CALLING)
TRUNK = Trunk("carrier", "PJSIP/{number}@carrier")
ALWAYS_ON, ON_DEMAND = ConnectMode.ALWAYS_ON, ConnectMode.ON_DEMAND


@dataclass
class CallStory:
    """A customer call and every command it has given; `now` is seconds since its reservation."""

    campaign: Campaign = CAMPAIGN
    lead: Lead | None = LEAD
    given: list[m.Command] = field(default_factory=list)
    now: float = 0.0

    def __post_init__(self) -> None:
        create = m.CreateLeg("c1", f"PJSIP/{NUMBER}@carrier")
        self.call, commands = call_machine.start("c1", self.campaign, self.lead, NUMBER, TRUNK, create, 0.0)
        self.given += commands

    def hears(self, *events: m.Event, at: float | None = None) -> CallStory:
        """The events come, one after the other; `last` holds what the last of them led to."""
        self.now = self.now if at is None else at
        for event in events:
            self.call, self.last = call_machine.advance(self.call, event, self.now)
            self.given += self.last
        return self

    def reaches_its_deadline(self) -> CallStory:
        assert self.call.deadline is not None
        return self.hears(m.DeadlineReached(), at=self.call.deadline)

    def finished(self) -> list[m.Finish]:
        return [command for command in self.given if isinstance(command, m.Finish)]


READY = m.AgentReady("1001", "a1", "b1")


def ringing(campaign: Campaign = CAMPAIGN) -> CallStory:
    return CallStory(campaign).hears(m.LegCreated(), m.Ringing())


def refused(campaign: Campaign = CAMPAIGN) -> CallStory:
    """The trunk refused the call before it rang."""
    return CallStory(campaign).hears(m.LegCreated(), m.LegGone(34, 503), at=1.0)


SECOND = m.TrunkFound(Trunk("second", "PJSIP/{number}@second"), m.CreateLeg("d1", f"PJSIP/{NUMBER}@second"))


def queued(campaign: Campaign = CAMPAIGN, at: float = 10.0) -> CallStory:
    return ringing(campaign).hears(m.Answered(), at=at)


def joining(campaign: Campaign = CAMPAIGN, at: float = 10.0) -> CallStory:
    return queued(campaign, at).hears(READY)


def bridged(campaign: Campaign = CAMPAIGN, at: float = 10.0) -> CallStory:
    return joining(campaign, at).hears(m.Joined("b1"))


def detecting(campaign: Campaign = DETECTS, at: float = 10.0) -> CallStory:
    return ringing(campaign).hears(m.Answered(), at=at)


def playing(campaign: Campaign = BROADCAST, at: float = 10.0) -> CallStory:
    return ringing(campaign).hears(m.Answered(), at=at)


def shown(campaign: Campaign = CAMPAIGN, kind: ByHand = ByHand.PREVIEW) -> CallStory:
    """Agent 1001 looks at the lead, or has typed its number."""
    story = CallStory(campaign)
    story.call, story.last = call_machine.start_by_hand("c1", campaign, LEAD, NUMBER, kind, "1001", 0.0)
    story.given = list(story.last)
    return story


def in_state(state: call_machine.CallState) -> Call:
    """A call that came to this state in the usual way."""
    states = call_machine.CallState
    stories: dict[call_machine.CallState, CallStory] = {
        states.PREVIEWING: shown(),
        states.FETCHING: shown().hears(m.PreviewAccepted()),
        states.ORIGINATING: CallStory(),
        states.RINGING: ringing(),
        states.REROUTING: refused(),
        states.QUEUED: queued(),
        states.OFFERING: joining(),
        states.BRIDGED: bridged(),
        states.DETECTING: detecting(),
        states.PLAYING: playing(),
        states.CONFIRMING: playing().hears(m.DigitPressed("9")),
        states.AWAITING_BEEP: detecting(LEAVES_MESSAGE).hears(MACHINE),
        states.LEAVING_MESSAGE: detecting(LEAVES_MESSAGE).hears(MACHINE, m.SilenceHeard()),
        states.SAFE_HARBOUR: queued(WITH_MESSAGE).reaches_its_deadline(),
        states.CLOSING: bridged().hears(m.StopRequested()),
        states.ENDED: bridged().hears(m.LegGone(16)),
    }
    call = stories[state].call
    assert call.state is state
    return call


TARGET = m.Target(m.TargetKind.AGENT, "1002", False, 30.0, "1002")
EVENTS: dict[type[m.Event], m.Event] = {
    type(event): event
    for event in (
        m.LegCreated(),
        m.OriginateRejected(500, "no"),
        m.RequestUnanswered("create"),
        m.DialRejected(409, "no"),
        m.Ringing(),
        m.EarlyMedia(),
        m.Answered(),
        m.LegGone(16, None),
        m.AgentReserved("1001"),
        READY,
        m.AgentLost("1001"),
        m.Joined("b1"),
        m.JoinFailed("b1", "no"),
        m.MessageEnded(),
        m.Detected(AmdResult.HUMAN, "HUMAN-800-800"),
        m.SilenceHeard(),
        m.DialplanRefused(),
        m.TalkingStarted(),
        m.TalkingFinished(0.4),
        m.VerdictDue(is_talking=True),
        m.Parted("b1"),
        m.PreviewAccepted(),
        m.PreviewSkipped(),
        m.DigitPressed("1"),
        m.Disposed("sale"),
        m.DispositionGiven("sale"),
        m.DeadlineReached(),
        m.StopRequested(),
        m.Recorded("spring/c1.wav"),
        m.RecordingPaused(),
        m.RecordingResumed(),
        m.RecordingStarted("c1"),
        m.RecordingEnded("c1"),
        m.RecordingFailed("c1", "no"),
        m.PauseWanted(),
        m.ResumeWanted(),
        m.PauseRefused("no"),
        m.RecordingStopped(),
        m.UnholdAsked(),
        m.TransferAsked(TARGET),
        m.CompleteAsked(),
        m.CancelAsked(),
        m.ConferenceAsked(),
        m.Moved("c1", "h1"),
        m.MoveFailed("c1", "h1", "no"),
        m.Held("x1"),
        m.Returned(),
        m.AgentWanted(60.0),
        m.PartnerJoined("…4321", "b9"),
        m.PartnerLost(),
        m.AgentChanged("1002", "a2", "b2"),
        m.TransferNoted("back"),
        m.AgentAt("a1", "c1"),
        m.ModeAsked(m.SupervisionMode.BARGE),
        m.SupervisionUnwanted("it was ended"),
        m.EarOpened(1),
        m.EarClosed(1),
        m.EarUnwanted(),
        m.CustomerIs("x1", "c1"),
        SECOND,
        m.NoTrunk(),
        m.AnnouncementDue(),
        m.PlaceKnown(1),
        m.Assigned("c1", "a1", "b1", 5.0, 10.0),
        m.CustomerJoined("c1"),
        m.CustomerGone("c1"),
        m.PauseRequested("lunch"),
        m.UnpauseRequested(),
        m.LogoutRequested(),
        m.WrapUpDone(),
        m.ServesChanged(frozenset({7}), {7: 2}),
        m.PhoneRegistered(),
        m.PhoneUnregistered(),
    )
}
"""One of each event."""


@dataclass
class AgentStory:
    """An agent's session and every command it has given; `now` is seconds since the login."""

    connect: ConnectMode
    given: list[m.Command] = field(default_factory=list)
    now: float = 0.0

    def __post_init__(self) -> None:
        self.agent = off_duty(self.connect)

    def logs_in(self) -> AgentStory:
        """By a call to the telephone (always-on), or by sitting down (on demand)."""
        if self.connect is ON_DEMAND:
            return self._take(agent_machine.sit_down(self.agent, self.now))
        create = m.CreateLeg("a1", "PJSIP/1001")
        self._take(agent_machine.call_phone(self.agent, "a1", "b1", create, self.now))
        return self.hears(m.LegCreated(), m.Ringing(), m.Answered(), m.Joined("b1"))

    def hears(self, *events: m.Event, at: float | None = None) -> AgentStory:
        self.now = self.now if at is None else at
        for event in events:
            self._take(agent_machine.advance(self.agent, event, self.now))
        return self

    def is_assigned(self, call_id: str = "c1", *, at: float | None = None, **changes: Any) -> AgentStory:
        """A customer needs the agent: an on-demand agent's telephone is leg `a2` in bridge `b2`."""
        self.now = self.now if at is None else at
        values = {"wrap_up_seconds": 5.0, "ring_seconds": 10.0, **changes}
        event = m.Assigned(call_id, "a2", "b2", **values)
        create = m.CreateLeg("a2", "PJSIP/1001") if self.connect is ON_DEMAND else None
        return self._take(agent_machine.assign(self.agent, event, create, self.now))

    def picks_up(self, *, at: float | None = None) -> AgentStory:
        """The on-demand agent's telephone is answered and enters its bridge."""
        return self.hears(m.LegCreated(), m.Ringing(), m.Answered(), m.Joined("b2"), at=at)

    def talks(self, call_id: str = "c1", *, at: float | None = None, **changes: Any) -> AgentStory:
        """The agent is given a customer and joined with them."""
        self.is_assigned(call_id, at=at, **changes)
        if self.connect is ON_DEMAND:
            self.picks_up()
        return self.hears(m.CustomerJoined(call_id))

    def reaches_the_deadline(self) -> AgentStory:
        assert self.agent.deadline is not None
        return self.hears(m.DeadlineReached(), at=self.agent.deadline)

    def sessions_ended(self) -> int:
        return sum(isinstance(command, m.EndSession) for command in self.given)

    def told(self) -> list[m.Event]:
        """What the agent's calls were told."""
        return [command.event for command in self.given if isinstance(command, m.TellCall)]

    def _take(self, step: agent_machine.Step) -> AgentStory:
        self.agent, self.last = step
        self.given += self.last
        return self


def off_duty(connect: ConnectMode, **changes: Any) -> Agent:
    """An agent who has not logged in yet."""
    values: dict[str, Any] = {
        "session_id": "s1",
        "extension": "1001",
        "endpoint": "PJSIP/1001",
        "connect": connect,
        "campaigns": frozenset(),
        "state": AgentState.LOGGED_OFF,
        "since": 0.0,
        "logged_in_at": 0.0,
        "free_since": 0.0,
    }
    return Agent(**{**values, **changes})
