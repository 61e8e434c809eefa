"""An answered customer meets an agent, in time or not at all."""

from __future__ import annotations

from stasis_dialer.core import messages as m
from stasis_dialer.core.call import recorded
from stasis_dialer.core.call.state import (
    ANNOUNCEMENT_SECONDS,
    JOIN_SECONDS,
    MESSAGE_SECONDS,
    MOST_JOINS,
    Call,
    S,
    Step,
    close,
    marked,
    quiet,
)
from stasis_dialer.core.evolve import evolve


def wait_for_agent(call: Call, now: float) -> Step:
    """The abandon clock begins."""
    queued = evolve(call, state=S.QUEUED, waits_since=now, deadline=now + call.patience_seconds)
    return queued, (m.TellSought(), m.SeekAgent(), m.Save())


def agent_reserved(call: Call, event: m.Event, now: float) -> Step:
    assert isinstance(event, m.AgentReserved)
    return marked(call, now, f"offered {event.extension}", state=S.OFFERING, offered_at=now, agent=event.extension), ()


def agent_ready(call: Call, event: m.Event, now: float) -> Step:
    """The customer is joined at once, or after hearing that the call is recorded."""
    assert isinstance(event, m.AgentReady)
    if call.is_joining:
        return call, ()
    offering = evolve(
        call,
        state=S.OFFERING,
        offered_at=call.offered_at if call.offered_at is not None else now,
        agent=event.extension,
        agent_leg_id=event.leg_id,
        bridge_id=event.bridge_id,
    )
    media = call.campaign.recording.announcement
    if media is None or not recorded.must_tell(call) or call.is_announced:
        return _join(offering, now)
    announcing = marked(offering, now, "announced", is_announced=True, deadline=now + ANNOUNCEMENT_SECONDS)
    return announcing, (*quiet(call), m.PlayMessage(call.leg_id, media, recorded.ANNOUNCEMENT))


def announced(call: Call, event: m.Event, now: float) -> Step:
    """The announcement of the recording is over, heard or not: the agent waits. Any other was cut off, or leaves the
    music.
    """
    assert isinstance(event, m.MessageEnded)
    if event.name == recorded.ANNOUNCEMENT:
        told = recorded.told(call, event, now)
        return _join(told, now) if is_announcing(call) else (told, ())
    if event.name != call.playing:
        return call, ()
    music = (m.StartMusic(call.leg_id),) if call.bridge_id is None else ()
    return evolve(call, playing=None), music


def is_announcing(call: Call) -> bool:
    """Whether an agent waits for the announcement's end."""
    return call.is_announced and call.bridge_id is not None and not call.is_joining


def _join(call: Call, now: float) -> Step:
    assert call.bridge_id is not None
    joining = evolve(call, joins=call.joins + 1, deadline=now + JOIN_SECONDS)
    return joining, (*quiet(call), m.Join(call.leg_id, call.bridge_id))


def joined(call: Call, event: m.Event, now: float) -> Step:
    assert isinstance(event, m.Joined)
    if event.bridge_id != call.bridge_id:
        return call, ()
    bridged_at = now if call.bridged_at is None else call.bridged_at
    bridged = marked(
        call,
        now,
        f"bridged {call.agent}",
        state=S.BRIDGED,
        bridged_at=bridged_at,
        joins=0,
        deadline=bridged_at + call.campaign.max_call_seconds,
    )
    return bridged, (m.TellJoined(is_again=call.bridged_at is not None), m.Save())


def join_failed(call: Call, event: m.Event, now: float) -> Step:
    """Who was asked before, without an answer, may be in the bridge all the same, and the agent's next customer would
    be there too: the agent is given back when the customer's leg is gone.
    """
    assert isinstance(event, m.JoinFailed)
    if event.bridge_id != call.bridge_id or not call.is_joining:
        return call, ()
    failed = marked(call, now, f"join failed {call.agent}")
    if call.joins > 1 and not event.is_bridge_gone:
        return close(evolve(failed, joins=0), now, by="dialer")
    again, commands = _seek_again(failed, now, is_agent_broken=event.is_bridge_gone)
    return again, commands if event.is_bridge_gone else (m.Probe(call.leg_id), *commands)


def agent_lost(call: Call, event: m.Event, now: float) -> Step:
    assert isinstance(event, m.AgentLost)
    if event.extension != call.agent:
        return call, ()
    return _seek_again(marked(call, now, f"agent lost {event.extension}"), now, is_agent_broken=False)


def _seek_again(call: Call, now: float, *, is_agent_broken: bool) -> Step:
    """Back to the queue under the deadline that began with the first wait; when it is over, that was the last agent.

    What is announced while the telephone of an agent rings goes on when nobody picks up; only a join cuts it off.
    """
    since = call.waits_since if call.waits_since is not None else call.answered_at
    assert since is not None
    deadline = since + call.patience_seconds
    queued = evolve(
        call,
        state=S.QUEUED,
        agent=None,
        agent_leg_id=None,
        bridge_id=None,
        offered_at=None,
        joins=0,
        playing=call.playing if call.bridge_id is None else None,
        deadline=deadline,
    )
    if now >= deadline:
        return give_up(queued, now, is_agent_broken=is_agent_broken)
    music = (m.StartMusic(call.leg_id),) if call.has_music and call.bridge_id is not None else ()
    return queued, (*music, m.WithdrawSeek(is_agent_broken), m.SeekAgent())


def nobody_came(call: Call, event: m.Event, now: float) -> Step:
    """A join that stays unanswered is asked for again; then it ends the call, not the agent's session: who is to blame
    is not known. The agent is given back when the customer's leg is gone, because the join may still happen.
    """
    if is_announcing(call):
        return _join(recorded.told(call, m.MessageEnded(recorded.ANNOUNCEMENT, is_heard=False), now), now)
    if call.is_joining and call.joins < MOST_JOINS:
        return _join(call, now)
    if call.is_joining:
        return close(marked(call, now, "given up", given_up_at=now, joins=0), now, by="dialer")
    return give_up(call, now, is_agent_broken=False)


def give_up(call: Call, now: float, *, is_agent_broken: bool) -> Step:
    """The deadline for an agent has passed: the message, or the end when there is none."""
    withdrawn = marked(call, now, "given up", given_up_at=now, joins=0, playing=None)
    media = call.campaign.safe_harbour_media
    if call.is_inbound:
        media = call.campaign.inbound.message_media or media
    if media is None or call.is_machine:
        closing, commands = close(withdrawn, now, by="dialer")
        return closing, (m.WithdrawSeek(is_agent_broken), *commands)
    playing = evolve(withdrawn, state=S.SAFE_HARBOUR, deadline=now + MESSAGE_SECONDS)
    return playing, (m.WithdrawSeek(is_agent_broken), *quiet(call), m.PlayMessage(call.leg_id, media))
