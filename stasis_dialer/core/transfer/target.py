"""The target: called or sought, there, failed, gone."""

from __future__ import annotations

from stasis_dialer.core import messages as m
from stasis_dialer.core.evolve import evolve
from stasis_dialer.core.messages import Target
from stasis_dialer.core.transfer.state import (
    CREATE_SECONDS,
    HOLD_SECONDS,
    MOVE_SECONDS,
    RING_SLACK_SECONDS,
    S,
    Step,
    Transfer,
    agent_goes_home,
    close,
    come_back,
    end_if_at_rest,
    go_on,
    seek_again,
    to_music,
)


def wanted(transfer: Transfer, target: Target, now: float) -> Step:
    """The agent has chosen a target: it is called, or sought."""
    if transfer.leg_id is not None:
        return transfer, ()
    fresh = evolve(transfer, state=S.RINGING, target=target, is_leg_dialled=False, target_agent=None, tries=0)
    if target.create is None:
        seeking, _ = go_on(evolve(fresh, talk_bridge=None, lasts_until=now + target.ring_seconds), now)
        return seeking, (m.SeekTarget(),)
    called = evolve(fresh, leg_id=target.create.leg_id, talk_bridge=target.bridge_id, lasts_until=now + CREATE_SECONDS)
    calling, _ = go_on(called, now)
    return calling, (target.create,)


def created(transfer: Transfer, event: m.Event, now: float) -> Step:
    if transfer.leg_id is None or transfer.is_leg_dialled:
        return transfer, ()
    if transfer.state is not S.RINGING or transfer.target is None:
        return transfer, (m.HangUp(transfer.leg_id),)
    seconds = transfer.target.ring_seconds
    dialled = evolve(transfer, is_leg_dialled=True, lasts_until=now + seconds + RING_SLACK_SECONDS)
    ringing, commands = go_on(dialled, now)
    return ringing, (m.DialLeg(transfer.leg_id, seconds), *commands)


def answered(transfer: Transfer, event: m.Event, now: float) -> Step:
    """Somebody picked up at the number."""
    if transfer.state is not S.RINGING or transfer.leg_id is None or transfer.talk_bridge is None:
        return transfer, ()
    there, commands = _is_there(transfer, now)
    own = (m.CreateBridge(transfer.talk_bridge), m.Move(transfer.leg_id, transfer.talk_bridge))
    return there, (*own, *commands)


def agent_found(transfer: Transfer, event: m.Event, now: float) -> Step:
    """An agent was found and is being rung."""
    assert isinstance(event, m.AgentReserved)
    return evolve(transfer, target_agent=event.extension), ()


def agent_ready(transfer: Transfer, event: m.Event, now: float) -> Step:
    """The agent who was found waits in a bridge."""
    assert isinstance(event, m.AgentReady)
    if transfer.state is not S.RINGING or transfer.is_to_number:
        return transfer, ()
    return _is_there(evolve(transfer, target_agent=event.extension, talk_bridge=event.bridge_id), now)


def _is_there(transfer: Transfer, now: float) -> Step:
    """The target waits: for the agent first, or for the customer at once."""
    assert transfer.target is not None
    if transfer.target.is_attended and transfer.agent is not None:
        return _consult(transfer, now)
    return complete(transfer, now)


def _consult(transfer: Transfer, now: float) -> Step:
    assert transfer.talk_bridge is not None
    until = now + MOVE_SECONDS
    consulting = evolve(transfer, state=S.CONSULTING, is_agent_away=True, lasts_until=until, deadline=until, tries=0)
    music = () if transfer.is_held else to_music(transfer)
    return consulting, (*music, m.Move(transfer.agent_leg, transfer.talk_bridge))


def agent_with_target(transfer: Transfer, now: float) -> Step:
    """Agent and target talk; a customer who is on the way to them has a deadline of their own."""
    until = transfer.lasts_until if transfer.is_conference_wanted else now + HOLD_SECONDS
    talking, commands = go_on(evolve(transfer, lasts_until=until), now)
    return talking, (*commands, *(fetched(transfer) if transfer.is_to_number else (m.TargetJoined(),)))


def is_missing(transfer: Transfer) -> bool:
    """Whether the target's own leg picked up, and its way into the bridge was never answered."""
    return transfer.is_to_number and not transfer.is_target_there


def fetched(transfer: Transfer) -> tuple[m.Command, ...]:
    """The target's leg once more, when it is missing."""
    if not is_missing(transfer) or transfer.leg_id is None or transfer.talk_bridge is None:
        return ()
    return (m.Move(transfer.leg_id, transfer.talk_bridge),)


def complete(transfer: Transfer, now: float) -> Step:
    """The customer goes to the target, whose agent's bridge the other agent leaves first: it will have customers."""
    assert transfer.talk_bridge is not None
    deadline = now + MOVE_SECONDS
    moving = evolve(transfer, state=S.COMPLETING, is_held=False, is_customer_there=True, deadline=deadline, tries=0)
    leaves = transfer.is_agent_away and not transfer.is_to_number
    away = (m.Move(transfer.agent_leg, transfer.home),) if leaves else ()
    return moving, (*away, m.Move(transfer.customer, transfer.talk_bridge))


def arrived(transfer: Transfer, now: float) -> Step:
    """The customer is in the target's bridge: with the target, or the target's leg has still to be fetched, once."""
    if not is_missing(transfer):
        return settled(transfer, now)
    if transfer.tries > 0:
        return transfer, ()
    again = m.Move(transfer.customer, transfer.talk_bridge or "")
    return evolve(transfer, tries=1), (*fetched(transfer), again)


def refused(transfer: Transfer, event: m.Event, now: float) -> Step:
    """The target's leg could not be made or dialled."""
    if isinstance(event, m.OriginateRejected):
        return gone(transfer, event, now)
    if transfer.state is not S.RINGING:
        return transfer, ()
    return come_back(transfer, now, "transfer failed: not dialled")


def gone(transfer: Transfer, event: m.Event, now: float) -> Step:
    """The target's own leg has ended, or never was."""
    left = evolve(transfer, leg_id=None)
    if left.is_over:
        return end_if_at_rest(left)
    if left.state in (S.RINGING, S.CONSULTING, S.CONFERENCE, S.COMPLETING):
        code = event.tech_cause or event.cause if isinstance(event, m.LegGone) else None
        return come_back(left, now, f"transfer failed: target gone {code or ''}".rstrip())
    if left.state is S.TALKING:
        return evolve(left, deadline=now + HOLD_SECONDS), (m.TellCall(left.call_id, m.PartnerLost()),)
    return left, ()


def agent_lost(transfer: Transfer, event: m.Event, now: float) -> Step:
    """An agent did not pick up or went away: the one who was found, or the one whose call it is."""
    assert isinstance(event, m.AgentLost)
    if transfer.agent is not None and event.extension == transfer.agent:
        alone, commands = own_agent_gone(evolve(transfer, agent=None, is_agent_away=False), now)
        return alone, (m.ReleaseAgent(), *commands)
    if event.extension == transfer.target_agent and transfer.state in (
        S.RINGING,
        S.CONSULTING,
        S.CONFERENCE,
        S.COMPLETING,
    ):
        return come_back(transfer, now, f"transfer failed: agent {event.extension} gone")
    return transfer, ()


def own_agent_gone(transfer: Transfer, now: float) -> Step:
    """Nobody may be left alone: the customer goes to the target who is there, waits for the one who is called, or for
    another agent.
    """
    if transfer.is_over:
        return end_if_at_rest(transfer)
    if transfer.state is S.CONSULTING:
        return complete(transfer, now)
    if transfer.state is S.CONFERENCE:
        return settled(transfer, now)
    if transfer.state is S.HELD:
        return seek_again(transfer, now)
    if transfer.state is S.RETURNING:
        return seek_again(evolve(transfer, is_held=False), now)
    return go_on(transfer, now) if transfer.state is S.RINGING else (transfer, ())


def settled(transfer: Transfer, now: float) -> Step:
    """Customer and target are together; the agent is let go."""
    assert transfer.target is not None
    if not transfer.is_to_number:
        assert transfer.target_agent is not None
        handed, commands = close(transfer, now)
        return handed, (m.HandToTarget(transfer.target_agent), *commands)
    assert transfer.talk_bridge is not None
    partner = m.TellCall(transfer.call_id, m.PartnerJoined(transfer.target.label, transfer.talk_bridge))
    talking = evolve(transfer, state=S.TALKING, deadline=None)
    leaving, commands = agent_goes_home(talking, now)
    return leaving, (partner, *commands)
