"""A customer who calls us waits for an agent: music, now and then the place in the queue, at last a message.

Everything else is as for a customer whom we called: the same agents, the same bridge, the same end.
"""

from __future__ import annotations

from typing import Final

from stasis_dialer.core import messages as m
from stasis_dialer.core.call import playing, recorded
from stasis_dialer.core.call.meeting import give_up
from stasis_dialer.core.call.state import Call, S, Step, marked
from stasis_dialer.core.evolve import evolve
from stasis_dialer.core.model import Campaign, Direction, Lead

NEXT: Final = "sound:queue-youarenext"
PLACE: Final = "sound:queue-thereare,number:{ahead},sound:queue-callswaiting"
"""Asterisk's own prompts: "there are ... calls waiting"; an installed language package says them in its language."""


def arrive(
    leg_id: str,
    campaign: Campaign,
    lead: Lead | None,
    number: str,
    called: str,
    now: float,
    *,
    prefers: str | None = None,
    is_anybody_at_work: bool = True,
) -> Step:
    """A call of a customer. Its channel's id is the call's. Without anybody at work there is nothing to wait for."""
    call = Call(
        leg_id,
        campaign,
        lead,
        number,
        None,
        S.QUEUED,
        reserved_at=now,
        deadline=now + campaign.inbound.max_wait_seconds,
        answered_at=now,
        waits_since=now,
        direction=Direction.INBOUND,
        caller_id=called,
        prefers=prefers,
        timeline=((now, f"called {called}"),),
    )
    answer = (m.AnswerLeg(leg_id), m.TellAnswered())
    if not is_anybody_at_work:
        given_up, commands = give_up(marked(call, now, "nobody at work"), now, is_agent_broken=False)
        return given_up, (*answer, *commands, m.Save())
    remind = _remind(call)
    return call, (*answer, m.StartMusic(leg_id), *remind, m.TellSought(), m.SeekAgent(), m.Save())


def announcement_due(call: Call, event: m.Event, now: float) -> Step:
    """Time to say where in the queue the customer is."""
    return call, (m.AskPlace(),) if call.direction is Direction.INBOUND else ()


def announcement_later(call: Call, event: m.Event, now: float) -> Step:
    """An agent's telephone rings: whether they pick up or the customer waits on is known by the next time."""
    return call, _remind(call) if call.direction is Direction.INBOUND else ()


def place_known(call: Call, event: m.Event, now: float) -> Step:
    assert isinstance(event, m.PlaceKnown)
    if call.playing is not None:
        return call, ()
    name = f"place-{call.announcements}"
    media = NEXT if event.ahead == 0 else PLACE.format(ahead=event.ahead)
    told = evolve(call, playing=name, announcements=call.announcements + 1)
    return told, (m.Hush(call.leg_id), m.PlayMessage(call.leg_id, media, name), *_remind(call))


def announced(call: Call, event: m.Event, now: float) -> Step:
    """The announcement is over: music again. That of a recording may outlast the agent for whom it was played."""
    assert isinstance(event, m.MessageEnded)
    if event.name != call.playing:
        return recorded.told(call, event, now), ()
    return evolve(call, playing=None), (m.StartMusic(call.leg_id),)


def unanswered(call: Call, event: m.Event, now: float) -> Step:
    """Music once more, unless an agent or an announcement is there by now; music that plays already plays on."""
    assert isinstance(event, m.RequestUnanswered)
    if event.request != m.MUSIC:
        return playing.look_unanswered(call, event, now)
    is_silent = call.has_music and call.bridge_id is None and call.playing is None
    return call, (m.StartMusic(call.leg_id),) if is_silent else ()


def _remind(call: Call) -> tuple[m.Command, ...]:
    seconds = call.campaign.inbound.announce_seconds
    return (m.Remind(seconds, m.AnnouncementDue()),) if seconds > 0 else ()
