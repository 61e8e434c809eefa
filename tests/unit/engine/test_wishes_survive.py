"""What an agent asked for during a call is not forgotten by a dialer that was killed meanwhile."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from stasis_dialer.core.agent import advance
from stasis_dialer.core.messages import CustomerGone
from stasis_dialer.core.model import AgentSession, AgentState, ConnectMode
from stasis_dialer.engine.revive import Seen, revive_agent

TALKING = AgentSession(
    session_id="s1",
    extension="1001",
    app="dialer",
    connect=ConnectMode.ALWAYS_ON,
    state=AgentState.ON_CALL,
    logged_in_at=datetime(2026, 11, 22, tzinfo=UTC),
    leg_id="leg",
    bridge_id="bridge",
    call_id="call",
)
SEEN = Seen({"leg": {"state": "Up"}, "call": {"state": "Up"}}, {"bridge": frozenset({"leg", "call"})})


@pytest.mark.parametrize("reason", ["lunch", "logout"])
def test_given_a_wish_during_a_call_when_the_dialer_was_killed_then_no_other_customer_comes(reason: str) -> None:
    session = replace(TALKING, pause_reason=reason)
    agent, _ = revive_agent(session, "PJSIP/{extension}", "call", SEEN, lambda moment: 0.0, 100.0)
    assert agent.state is AgentState.ON_CALL

    after, _ = advance(agent, CustomerGone("call"), 110.0)

    assert (after.state, after.pause_reason) == (AgentState.PAUSED, reason)


def test_given_no_wish_when_the_dialer_was_killed_then_the_agent_goes_on() -> None:
    agent, _ = revive_agent(TALKING, "PJSIP/{extension}", "call", SEEN, lambda moment: 0.0, 100.0)
    after, _ = advance(agent, CustomerGone("call"), 110.0)
    assert after.state is AgentState.AVAILABLE
