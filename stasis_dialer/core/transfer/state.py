"""What a transfer is: a call that is more than a customer and an agent, from the first hold to the last hang-up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from stasis_dialer.core import messages as m
from stasis_dialer.core.evolve import evolve
from stasis_dialer.core.messages import Target, TargetKind

MOVE_SECONDS: Final = 6.0
"""For a leg to change its bridge: longer than a request's time-out, so that the answer is heard first."""
CREATE_SECONDS: Final = 10.0
"""For the target's channel to enter Stasis. Twice the request timeout; not measured."""
RING_SLACK_SECONDS: Final = 5.0
"""Asterisk's own ring timeout comes first; ours is for a lost event. Not measured."""
HOLD_SECONDS: Final = 1800.0
"""The longest hold or consultation; then the customer is with the agent again. Not measured."""
END_SECONDS: Final = 3.0
"""Between two looks for a leg whose end was not seen, or two tries to bring an agent home. Not measured."""
MOST_TRIES: Final = 3
"""Moves of one leg before it is given up."""


class TransferState(StrEnum):
    """Where the parties are."""

    HELD = "held"
    """The customer hears music, the agent nothing."""
    RINGING = "ringing"
    """The customer hears music; the target is called, or an agent is sought."""
    CONSULTING = "consulting"
    """Agent and target talk, the customer hears music."""
    CONFERENCE = "conference"
    COMPLETING = "completing"
    """The customer is on the way to the target."""
    TALKING = "talking"
    """Customer and target talk; the agent is free."""
    RETURNING = "returning"
    """The customer is on the way back to the agent."""
    WAITING = "waiting"
    """The agent is lost: the customer hears music until the next one is there."""
    CLOSING = "closing"
    """What is left is hung up, and the agent brought home."""
    ENDED = "ended"


S = TransferState


@dataclass(frozen=True)
class Transfer:
    """Units: `deadline` is seconds on the engine's monotonic axis, `queue_seconds` seconds."""

    transfer_id: str
    call_id: str
    customer: str
    """The customer's channel."""
    agent: str | None
    """Extension of the agent whose call it is; None when the agent is free of it, or lost."""
    agent_leg: str
    home: str
    """The agent's own bridge."""
    stays: bool
    """Whether the agent's leg stays up after the call (always-on): then it must be home before the next customer."""
    hold_bridge: str
    queue_seconds: float
    """How long a customer whose agent is lost may wait for another one."""
    state: TransferState = S.HELD
    deadline: float | None = None
    lasts_until: float = 0.0
    """When a target that has not answered, or a consultation, is given up, on the same axis; the deadline may be
    earlier.
    """
    target: Target | None = None
    leg_id: str | None = None
    """The target's channel when it is ours: a number's."""
    is_leg_dialled: bool = False
    talk_bridge: str | None = None
    target_agent: str | None = None
    """Extension of the agent who was found."""
    is_held: bool = False
    """Whether the customer is known to be in the hold bridge: an agent alone may be given the next one."""
    is_target_there: bool = False
    """Whether the target's own leg is known to be in the target's bridge."""
    is_agent_away: bool = False
    """Whether the agent's leg is, or may be, in the target's bridge."""
    is_customer_there: bool = False
    """Whether the customer is, or may be, in the target's bridge."""
    owes_target: bool = False
    """Whether the agent who was found is to be free, as soon as nobody else is in their bridge."""
    is_conference_wanted: bool = False
    is_over: bool = False
    """The customer is gone, or is somebody else's: only the agent and the target's leg are left to look after."""
    tries: int = 0

    @property
    def is_to_number(self) -> bool:
        """Whether the target's leg is ours."""
        return self.target is not None and self.target.kind is TargetKind.NUMBER


Step = tuple[Transfer, tuple[m.Command, ...]]
Handler = Callable[[Transfer, m.Event, float], Step]


def start(transfer: Transfer, now: float) -> Step:
    """The customer is put on hold."""
    held = evolve(transfer, deadline=now + HOLD_SECONDS)
    return held, (*to_music(held), m.TellCall(held.call_id, m.Held(held.transfer_id)))


def is_still_wanted(transfer: Transfer, command: m.Command) -> bool:
    """Whether a command that had to wait is still to be carried out.

    Who is in other hands by now is moved no more. A customer who is with the music already stays untouched: moved into
    the same holding bridge again, they hear nothing (Asterisk 22.10).
    """
    if transfer.is_held and command in to_music(transfer):
        return False
    if not isinstance(command, m.Move):
        return True
    if command.channel_id == transfer.customer:
        return not transfer.is_over
    return transfer.agent is not None or command.channel_id != transfer.agent_leg


# --- steps that several events share --------------------------------------------------------------------------------


def to_music(transfer: Transfer) -> tuple[m.Command, ...]:
    """The customer into the hold bridge, wherever they are; a bridge that is there already stays as it is."""
    return (
        m.CreateBridge(transfer.hold_bridge, m.HOLDING),
        m.PlayMusic(transfer.hold_bridge),
        m.Move(transfer.customer, transfer.hold_bridge),
    )


def drop_target(transfer: Transfer) -> Step:
    """The target is let go; the end of a leg of ours is waited for at the end."""
    commands: tuple[m.Command, ...] = ()
    if transfer.leg_id is not None:
        commands = (m.HangUp(transfer.leg_id),)
    owes = transfer.target is not None and not transfer.is_to_number
    return evolve(transfer, target_agent=None, owes_target=owes), commands


def with_target_released(step: Step) -> Step:
    """The same step, and the end of the found agent's part in it: the next customer must not meet anybody there."""
    transfer, commands = step
    if not transfer.owes_target or transfer.is_agent_away or transfer.is_customer_there:
        return step
    return evolve(transfer, owes_target=False), (*commands, m.ReleaseTarget())


def come_back(transfer: Transfer, now: float, why: str) -> Step:
    """The customer goes back to the agent, or to another one when there is none any more.

    Who is refused the way back is with the music still; who had no answer may have left it.
    """
    dropped, commands = drop_target(transfer)
    told = m.TellCall(dropped.call_id, m.TransferNoted(why))
    if dropped.agent is None:
        seeking, more = seek_again(dropped, now)
        return seeking, (*commands, told, *more)
    moves: tuple[m.Command, ...] = (m.Move(dropped.customer, dropped.home),)
    if dropped.is_agent_away:
        moves = (m.Move(dropped.agent_leg, dropped.home), *moves)
    is_held = dropped.is_held and not dropped.is_conference_wanted
    returning = evolve(dropped, state=S.RETURNING, is_held=is_held, deadline=now + MOVE_SECONDS, tries=1)
    return returning, (*commands, told, *moves)


def seek_again(transfer: Transfer, now: float, *, is_agent_broken: bool = False) -> Step:
    """Another agent for the customer, who hears music until then; who was there before is free.

    Nobody is sought while a move of the customer is under way: it could take them away from the next agent.
    """
    commands: tuple[m.Command, ...] = (m.ReleaseAgent(is_agent_broken),) if transfer.agent is not None else ()
    alone = evolve(transfer, state=S.WAITING, agent=None, is_agent_away=False)
    if transfer.is_held:
        waiting, more = want_agent(alone)
    else:
        waiting, more = evolve(alone, tries=1, deadline=now + MOVE_SECONDS), to_music(alone)
    return waiting, (*commands, *more)


def to_music_again(transfer: Transfer, now: float) -> Step:
    """A customer without an agent could not be brought to the music: once more, and then without music."""
    if transfer.tries >= MOST_TRIES:
        return want_agent(evolve(transfer, is_customer_there=False))
    again = evolve(transfer, tries=transfer.tries + 1, deadline=now + MOVE_SECONDS)
    return again, to_music(again)


def go_on(transfer: Transfer, now: float) -> Step:
    """The target is called on, or consulted; meanwhile a customer whom the agent has left, and who may hear nothing,
    gets the music.
    """
    has_left = transfer.agent is None or transfer.is_agent_away
    is_cared_for = transfer.is_held or transfer.is_conference_wanted
    if not has_left or is_cared_for or transfer.tries >= MOST_TRIES:
        return evolve(transfer, deadline=transfer.lasts_until), ()
    deadline = min(transfer.lasts_until, now + MOVE_SECONDS)
    again = evolve(transfer, tries=transfer.tries + 1, deadline=deadline)
    return again, to_music(again)


def want_agent(transfer: Transfer) -> Step:
    """Now the call seeks another agent, within its own deadline."""
    return evolve(transfer, deadline=None), (m.TellCall(transfer.call_id, m.AgentWanted(transfer.queue_seconds)),)


def agent_goes_home(transfer: Transfer, now: float) -> Step:
    """The agent has nothing to do with the call any more: home first, then free.

    One whose leg ends anyhow goes home only from a bridge in which the agent found would be given the next customer.
    """
    if transfer.agent is None:
        return transfer, ()
    if not (transfer.is_agent_away and (transfer.stays or transfer.owes_target)):
        return evolve(transfer, agent=None, is_agent_away=False), (m.ReleaseAgent(),)
    return evolve(transfer, tries=1, deadline=now + MOVE_SECONDS), (m.Move(transfer.agent_leg, transfer.home),)


def is_at_rest(transfer: Transfer) -> bool:
    """Whether nothing is left: no leg of ours, and no agent who is not home."""
    return transfer.leg_id is None and transfer.agent is None


def close(transfer: Transfer, now: float) -> Step:
    """The customer needs this no more; the end, as soon as nothing is left."""
    over = evolve(transfer, state=S.CLOSING, is_over=True, deadline=now + END_SECONDS, tries=0)
    leaving, commands = agent_goes_home(over, now)
    if leaving.leg_id is not None:
        commands = (*commands, m.HangUp(leaving.leg_id))
    ended, more = end_if_at_rest(leaving)
    return ended, (*commands, *more)


def end_if_at_rest(transfer: Transfer) -> Step:
    """The one `EndTransfer`, after the last leg; the bridges go with it."""
    if not is_at_rest(transfer):
        return transfer, ()
    bridges = [transfer.hold_bridge]
    if transfer.is_to_number and transfer.talk_bridge is not None:
        bridges.append(transfer.talk_bridge)
    ended = evolve(transfer, state=S.ENDED, deadline=None)
    return ended, (*(m.DestroyBridge(bridge) for bridge in bridges), m.EndTransfer())
