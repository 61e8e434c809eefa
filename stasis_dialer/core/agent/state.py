"""What an agent's session is, and the steps that every phase shares: settle, pause, log out, end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from stasis_dialer.core import messages as m
from stasis_dialer.core.evolve import evolve
from stasis_dialer.core.model import AgentState, ConnectMode
from stasis_dialer.core.options import NO_DISPOSITIONS, Choice, Dispositions

LOGIN_RING_SECONDS: Final = 30.0
"""How long a telephone may ring to log its agent in. Not measured."""
RESERVED_SECONDS: Final = 30.0
"""For a customer to arrive at a reserved agent; the call's own deadlines are shorter. Not measured."""
LEG_SECONDS: Final = 3.0
"""Between two looks for a leg that was hung up and whose end was not seen. Not measured."""
CREATE_SECONDS: Final = 10.0
"""For a leg to be created and to enter Stasis, and for a leg to enter its bridge. Not measured."""
NEW_LEG_SECONDS: Final = 6.0
"""For a new leg to come to the customer: longer than a request's time-out, so that the answer is heard first."""
MOST_JOINS: Final = 3
"""Requests that bring it there: one of them, and another before it, may stay without an answer."""

FALLS_SECONDS: Final = 3600.0
"""Over what time falls of a leg are counted."""

UNREGISTERED: Final = "unregistered"
NO_ANSWER: Final = "no_answer"

S = AgentState


@dataclass(frozen=True, slots=True)
class Manners:
    """How the agents' telephones are treated. Units: `_seconds` seconds."""

    join_tone: str | None = None
    """What an agent hears when a customer comes; None: nothing."""
    has_music: bool = False
    """Whether an always-on agent who waits hears music."""
    may_call_back: bool = False
    """Whether an always-on agent whose leg falls is called back, and not logged out."""
    call_back_seconds: float = 2.0
    """From the fall to the call."""
    call_back_wait_seconds: float = 120.0
    """How long a telephone that is not registered is waited for."""
    call_backs: int = 3
    """In `FALLS_SECONDS`; one more fall logs out."""


NO_MANNERS: Final = Manners()


@dataclass(frozen=True)
class Agent:
    """One session of an agent, from login to logout.

    Units: `since`, `deadline` and every `_at` and `_since` are seconds on the engine's monotonic axis.
    """

    session_id: str
    extension: str
    endpoint: str
    connect: ConnectMode
    campaigns: frozenset[int]
    """Ids of the campaigns served; empty: all."""
    state: AgentState
    since: float
    logged_in_at: float
    free_since: float
    """When the last customer left, or the login: the longest idle agent is served first."""
    chosen: frozenset[int] = frozenset()
    """Those that the login named; empty: the queues' members decide."""
    penalties: Mapping[int, int] = field(default_factory=dict)
    """By campaign: whoever has less is asked first."""
    leg_id: str | None = None
    bridge_id: str | None = None
    is_leg_dialled: bool = False
    is_leg_up: bool = False
    is_leg_in_doubt: bool = False
    """Whether the telephone was seen to go since this leg is there: it may be dead, though the telephone is back."""
    next_leg_id: str | None = None
    """The leg that takes the customer over from a dead one, until it is known to be in the bridge."""
    joins: int = 0
    """How often that leg was asked into the bridge."""
    call_id: str | None = None
    is_shown: bool = False
    """Whether the agent looks at the lead of `call_id`, and nobody is called yet."""
    reserved_seconds: float = RESERVED_SECONDS
    campaign_id: int | None = None
    """The campaign of the present or the last customer."""
    ring_seconds: float = LOGIN_RING_SECONDS
    wrap_up_seconds: float = 0.0
    dispositions: Dispositions = NO_DISPOSITIONS
    """What the present or the last customer's call may be given."""
    last_call_id: str | None = None
    """The call that the agent talks in, or talked in last."""
    disposition: str | None = None
    """What the agent said of it."""
    deadline: float | None = None
    pause_reason: str | None = None
    wants_pause: str | None = None
    wants_logout: bool = False
    is_registered: bool = True
    is_lost: bool = False
    """Whether the telephone was seen to go: its leg may be dead, and still look up."""
    manners: Manners = NO_MANNERS
    is_seated: bool = False
    """Whether the always-on leg has been in its bridge."""
    sound_since: float | None = None
    """Since when the leg is played a tone or another sound of ours; None: it is not."""
    sound: str | None = None
    """What it is played, when it may be played once more."""
    falls: tuple[float, ...] = ()
    """When the always-on leg fell, of late."""
    call_back_until: float | None = None
    """Until when the telephone of a fallen leg is waited for."""
    calls_taken: int = 0
    logged_out_at: float | None = None
    is_over: bool = False
    seconds: Mapping[AgentState, float] = field(default_factory=dict)

    @property
    def is_always_on(self) -> bool:
        """Whether the leg stays up between customers."""
        return self.connect is ConnectMode.ALWAYS_ON

    @property
    def choice(self) -> Choice | None:
        """The disposition of the last call."""
        return self.dispositions.find(self.disposition)

    @property
    def must_dispose(self) -> bool:
        """Whether the work after the call is not done without a disposition."""
        return self.dispositions.is_forced and self.last_call_id is not None and self.disposition is None

    def serves(self, campaign_id: int) -> bool:
        """Whether customers of this campaign may be given to the agent."""
        return not self.campaigns or campaign_id in self.campaigns


Step = tuple[Agent, tuple[m.Command, ...]]
Handler = Callable[[Agent, m.Event, float], Step]


def settle(agent: Agent, now: float) -> Step:
    """Where an agent without a customer belongs: logged off, paused or available, in this order."""
    agent, said = say_default(agent)
    if agent.wants_logout:
        leaving, commands = log_out(agent, now)
        return leaving, (*said, *commands)
    step = _settle(agent, now)
    return step[0], (*said, *step[1])


def _settle(agent: Agent, now: float) -> Step:
    if agent.wants_pause is not None:
        return pause(evolve(agent, pause_reason=agent.wants_pause, wants_pause=None), now)
    if agent.is_lost or not (agent.is_always_on or agent.is_registered):
        return pause(evolve(agent, pause_reason=UNREGISTERED), now)
    free = evolve(agent, call_id=None, pause_reason=None, deadline=None)
    return enter(free, S.AVAILABLE, now), (m.Save(),)


def pause(agent: Agent, now: float) -> Step:
    if agent.wants_logout:
        return log_out(agent, now)
    return enter(evolve(agent, call_id=None, deadline=None), S.PAUSED, now), (m.Save(),)


def log_out(agent: Agent, now: float) -> Step:
    leg_id = agent.leg_id
    if leg_id is None:
        return end(agent, now)
    agent, said = say_default(agent)
    leaving = evolve(agent, call_id=None, wants_logout=True, deadline=now + LEG_SECONDS, logged_out_at=now)
    return enter(leaving, S.LOGGED_OFF, now), (*said, m.HangUp(leg_id), m.Save())


def end(agent: Agent, now: float) -> Step:
    agent, said = say_default(agent)
    left_at = agent.logged_out_at if agent.logged_out_at is not None else now
    over = enter(agent, S.LOGGED_OFF, now)
    over = evolve(over, call_id=None, deadline=None, is_over=True, logged_out_at=left_at)
    return over, (*said, m.EndSession())


def enter(agent: Agent, state: AgentState, now: float, *, is_anew: bool = False) -> Agent:
    """Change the state; the time since the last change belongs to the old one. Logged off is not time worked.

    `is_anew`: the same state begins anew, such as a pause for another reason.
    """
    if agent.state is state and not is_anew:
        return agent
    seconds = dict(agent.seconds)
    if agent.state is not S.LOGGED_OFF:
        seconds[agent.state] = seconds.get(agent.state, 0.0) + (now - agent.since)
    return evolve(agent, state=state, since=now, seconds=seconds)


def say_default(agent: Agent) -> Step:
    """A call that its agent leaves without a word gets the campaign's default disposition."""
    default = agent.dispositions.default
    if agent.state not in (S.ON_CALL, S.WRAP_UP) or agent.disposition is not None or agent.last_call_id is None:
        return agent, ()
    if default is None:
        return agent, ()
    said = m.DisposeCall(agent.last_call_id, agent.campaign_id, default, is_default=True)
    return evolve(agent, disposition=default), (said,)


def is_waiting(agent: Agent) -> bool:
    """Whether an always-on agent sits there and waits for a customer."""
    return agent.state is S.AVAILABLE and agent.is_always_on and agent.is_leg_up


def with_music(before: Agent, step: Step) -> Step:
    """The same step, with the music that belongs to it: it ends before anything else is heard."""
    after, commands = step
    if not after.manners.has_music or is_waiting(before) == is_waiting(after) or after.leg_id is None:
        return step
    if is_waiting(after):
        return after, (*commands, m.StartMusic(after.leg_id))
    return after, (m.StopMusic(after.leg_id), *commands)


def tone(agent: Agent, now: float) -> Step:
    """What the agent hears when a customer comes."""
    return say(agent, agent.manners.join_tone, now)


def say(agent: Agent, media: str | None, now: float) -> Step:
    """Play something short to an agent; nobody else hears it."""
    if media is None or agent.leg_id is None or not agent.is_leg_up:
        return agent, ()
    return evolve(agent, sound_since=now, sound=media), (m.PlayMessage(agent.leg_id, media),)


def tell_lost(agent: Agent) -> tuple[m.Command, ...]:
    if agent.call_id is None:
        return ()
    return (m.TellCall(agent.call_id, m.AgentLost(agent.extension)),)


def is_logging_in(agent: Agent) -> bool:
    return agent.is_always_on and not agent.wants_logout and agent.state is S.RINGING
