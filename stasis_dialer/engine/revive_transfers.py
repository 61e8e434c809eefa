"""Transfers that were under way when the dialer ended, as Asterisk has them now (pure).

Who talks goes on talking: customer and target, agent and target, all three. A customer who only hears music goes back
to the agent, or to another one when the agent is gone too. Ids tell what is what: bridges for holding and targets' legs
have kinds of their own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from stasis_dialer.core import messages as m
from stasis_dialer.core.call import Call, CallState
from stasis_dialer.core.evolve import evolve
from stasis_dialer.core.messages import Target, TargetKind
from stasis_dialer.core.model import AgentSession, ConnectMode
from stasis_dialer.core.transfer import MOVE_SECONDS, Transfer, TransferState
from stasis_dialer.engine.ids import HOLD_BRIDGE, TARGET_LEG, TRANSFER, Ids

PARTNER = "partner"
"""What the record says of a target whose number nobody remembers."""


def revive_transfer(
    call: Call,
    session: AgentSession | None,
    channels: Collection[str],
    bridges: Mapping[str, frozenset[str]],
    ids: Ids,
    now: float,
) -> tuple[Call, Transfer, tuple[m.Command, ...]] | None:
    """The transfer that has this call, with the call as it must be beside it; None when there is none.

    `session` is the agent's whose call it is, as far as their rows know; `channels` are those that are up.
    """
    here = _bridge_of(call.leg_id, bridges)
    if here is None:
        return None
    partner = _target_in(here, bridges, ids)
    is_held = ids.kind(here) == HOLD_BRIDGE
    if partner is None and not is_held:
        return None
    agent = session if session is not None and session.leg_id in channels else None
    transfer = _transfer(call, agent, here if is_held else ids.new(HOLD_BRIDGE), ids)
    if partner is not None:
        return _with_partner(call, transfer, agent, here, partner, bridges)
    return _on_hold(call, transfer, agent, bridges, ids, now)


def _with_partner(
    call: Call,
    transfer: Transfer,
    agent: AgentSession | None,
    here: str,
    partner: str,
    bridges: Mapping[str, frozenset[str]],
) -> tuple[Call, Transfer, tuple[m.Command, ...]]:
    """Customer and target talk, and perhaps the agent with them."""
    is_three = agent is not None and agent.leg_id in bridges[here]
    there = evolve(
        transfer,
        state=TransferState.CONFERENCE if is_three else TransferState.TALKING,
        agent=transfer.agent if is_three else None,
        leg_id=partner,
        is_leg_dialled=True,
        talk_bridge=here,
        target=_target(here),
        is_target_there=True,
        is_agent_away=is_three,
        is_customer_there=True,
    )
    with_partner = replace(
        call,
        state=CallState.BRIDGED,
        bridge_id=here,
        transfer_id=transfer.transfer_id,
        partner=None if is_three else PARTNER,
    )
    return with_partner, there, ()


def _on_hold(
    call: Call,
    transfer: Transfer,
    agent: AgentSession | None,
    bridges: Mapping[str, frozenset[str]],
    ids: Ids,
    now: float,
) -> tuple[Call, Transfer, tuple[m.Command, ...]]:
    if agent is None:
        seconds = call.campaign.transfer.queue_seconds
        waiting = replace(
            call,
            state=CallState.QUEUED,
            agent=None,
            agent_leg_id=None,
            bridge_id=None,
            waits_since=now,
            wait_seconds=seconds,
            deadline=now + seconds,
        )
        return waiting, evolve(transfer, state=TransferState.WAITING, agent=None, is_held=True), ()
    held = replace(call, transfer_id=transfer.transfer_id, bridge_id=transfer.home)
    assert agent.leg_id is not None
    where = _bridge_of(agent.leg_id, bridges)
    partner = _target_in(where, bridges, ids) if where is not None else None
    if where is not None and partner is not None:
        consulting = evolve(
            transfer,
            state=TransferState.CONSULTING,
            leg_id=partner,
            is_leg_dialled=True,
            talk_bridge=where,
            target=_target(where),
            is_held=True,
            is_target_there=True,
            is_agent_away=True,
        )
        return held, consulting, ()
    is_away = where is not None and where != transfer.home
    returning = evolve(
        transfer,
        state=TransferState.RETURNING,
        is_held=True,
        is_agent_away=is_away,
        deadline=now + MOVE_SECONDS,
        tries=1,
    )
    moves: tuple[m.Command, ...] = (m.Move(transfer.customer, transfer.home),)
    if is_away:
        moves = (m.Move(transfer.agent_leg, transfer.home), *moves)
    return held, returning, moves


def _transfer(call: Call, agent: AgentSession | None, hold_bridge: str, ids: Ids) -> Transfer:
    return Transfer(
        transfer_id=ids.new(TRANSFER),
        call_id=call.call_id,
        customer=call.leg_id,
        agent=agent.extension if agent is not None else None,
        agent_leg=(agent.leg_id if agent is not None else None) or "",
        home=(agent.bridge_id if agent is not None else None) or "",
        stays=agent is not None and agent.connect is ConnectMode.ALWAYS_ON,
        hold_bridge=hold_bridge,
        queue_seconds=call.campaign.transfer.queue_seconds,
    )


def _target(bridge: str) -> Target:
    return Target(TargetKind.NUMBER, "", True, 0.0, PARTNER, None, bridge)


def _bridge_of(leg_id: str, bridges: Mapping[str, frozenset[str]]) -> str | None:
    return next((bridge for bridge, legs in bridges.items() if leg_id in legs), None)


def _target_in(bridge: str, bridges: Mapping[str, frozenset[str]], ids: Ids) -> str | None:
    return next((leg for leg in bridges[bridge] if ids.kind(leg) == TARGET_LEG), None)
