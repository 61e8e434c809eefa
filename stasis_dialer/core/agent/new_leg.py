"""A telephone that was gone while its agent talked calls us: the customer is taken over on its new leg.

The dead leg is ended first, and only its end brings in the new one: two legs of one agent are never in the bridge, and
what is heard of the one is never taken for news of the other. Customer, bridge, session and state stay as they are.
"""

from __future__ import annotations

from stasis_dialer.core import messages as m
from stasis_dialer.core.agent.state import LEG_SECONDS, MOST_JOINS, NEW_LEG_SECONDS, Agent, S, Step
from stasis_dialer.core.evolve import evolve


def may_change_leg(agent: Agent) -> bool:
    """Whether the agent talks on a leg that may be dead."""
    return agent.state is S.ON_CALL and agent.is_leg_in_doubt and agent.next_leg_id is None


def change_leg(agent: Agent, leg_id: str, now: float) -> Step:
    """The telephone called us, on this leg: the present one ends."""
    assert agent.leg_id is not None
    changing = evolve(agent, next_leg_id=leg_id, deadline=now + LEG_SECONDS)
    return changing, (m.AnswerLeg(leg_id), m.HangUp(agent.leg_id), m.Probe(agent.leg_id))


def is_expected(agent: Agent) -> bool:
    """Whether the present leg ends for the next one, and the customer is still there."""
    return agent.next_leg_id not in (None, agent.leg_id) and agent.state is S.ON_CALL and agent.call_id is not None


def is_joining(agent: Agent) -> bool:
    """Whether the new leg is not known to be in the bridge yet."""
    return agent.next_leg_id is not None and agent.next_leg_id == agent.leg_id


def changed(agent: Agent, now: float) -> Step:
    """The dead leg is gone: the new one to the customer."""
    assert agent.next_leg_id is not None
    assert agent.bridge_id is not None
    assert agent.call_id is not None
    leg_id = agent.next_leg_id
    on_new_leg = evolve(
        agent,
        leg_id=leg_id,
        is_leg_up=True,
        is_leg_in_doubt=False,
        joins=1,
        sound_since=None,
        sound=None,
        deadline=now + NEW_LEG_SECONDS,
    )
    told = m.TellCall(agent.call_id, m.AgentChanged(agent.extension, leg_id, agent.bridge_id))
    return on_new_leg, (told, m.Join(leg_id, agent.bridge_id), m.Save())


def may_join_again(agent: Agent) -> bool:
    """Whether the customer hears nobody because the way of the new leg had no answer, and it is not given up yet."""
    return is_joining(agent) and agent.state is S.ON_CALL and agent.joins < MOST_JOINS


def join_again(agent: Agent, now: float) -> Step:
    """The new leg is asked into the bridge once more."""
    assert agent.leg_id is not None
    assert agent.bridge_id is not None
    again = evolve(agent, joins=agent.joins + 1, deadline=now + NEW_LEG_SECONDS)
    return again, (m.Join(agent.leg_id, agent.bridge_id),)


def given_up(agent: Agent) -> Agent:
    """A new leg that was refused is waited for no more: it ends as any other."""
    return evolve(agent, next_leg_id=None) if is_joining(agent) else agent


def joined(agent: Agent) -> Step:
    """The new leg is where the old one was."""
    deadline = None if agent.state is S.ON_CALL else agent.deadline
    return evolve(agent, next_leg_id=None, deadline=deadline), ()
