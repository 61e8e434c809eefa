"""Who gets the next answered call, and how agents who serve several campaigns are shared."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stasis_dialer.core.agent import Agent
from stasis_dialer.core.model import AgentState
from stasis_dialer.core.routing import choose_agent, share_agents
from tests.unit.core.builders import ON_DEMAND, off_duty

FREE = replace(off_duty(ON_DEMAND), state=AgentState.AVAILABLE)


def agent(extension: str, free_since: float, *campaigns: int, state: AgentState = AgentState.AVAILABLE) -> Agent:
    return replace(FREE, extension=extension, free_since=free_since, campaigns=frozenset(campaigns), state=state)


def test_the_longest_idle_agent_of_the_campaign_is_chosen() -> None:
    agents = [agent("1001", 50.0), agent("1002", 10.0, 2), agent("1003", 30.0, 1, 2)]
    chosen = choose_agent(agents, 1)
    assert chosen is not None
    assert chosen.extension == "1003"


def test_given_equal_idle_times_then_the_extension_decides() -> None:
    chosen = choose_agent([agent("1002", 5.0), agent("1001", 5.0)], 1)
    assert chosen is not None
    assert chosen.extension == "1001"


@pytest.mark.parametrize("state", [state for state in AgentState if state is not AgentState.AVAILABLE], ids=str)
def test_an_agent_who_is_not_available_is_never_chosen(state: AgentState) -> None:
    assert choose_agent([agent("1001", 0.0, state=state)], 1) is None


def test_given_nobody_serves_the_campaign_then_nobody() -> None:
    assert choose_agent([agent("1001", 0.0, 2)], 1) is None
    assert choose_agent([], 1) is None


ALL: frozenset[int] = frozenset()
ONE, TWO, BOTH = frozenset({1}), frozenset({2}), frozenset({1, 2})


@pytest.mark.parametrize(
    ("name", "free", "claims", "shares"),
    [
        ("nobody free", [], {}, {1: 0, 2: 0}),
        ("agents of their own", [ONE, TWO, TWO], {}, {1: 1, 2: 2}),
        ("shared agents go around", [BOTH] * 4, {}, {1: 2, 2: 2}),
        ("the odd one goes to whose turn it is", [BOTH] * 3, {}, {1: 2, 2: 1}),
        ("agents of all campaigns are shared", [ALL] * 2, {}, {1: 1, 2: 1}),
        ("calls in flight claim first", [BOTH] * 3, {2: 3}, {1: 0, 2: 3}),
        ("a claim prefers who serves fewest", [BOTH, TWO], {2: 1}, {1: 1, 2: 1}),
        ("calls of a campaign that no longer dials claim too", [ALL] * 3, {9: 2}, {1: 1, 2: 0, 9: 2}),
        ("more claims than agents", [BOTH], {1: 5, 2: 5}, {1: 1, 2: 0}),
        ("agents of another campaign", [frozenset({9})], {}, {1: 0, 2: 0}),
    ],
)
def test_how_free_agents_are_shared(
    name: str, free: list[frozenset[int]], claims: Mapping[int, int], shares: dict[int, int]
) -> None:
    assert share_agents(free, claims, [1, 2]) == shares, name


campaign_sets = st.frozensets(st.integers(1, 4), max_size=4)


@given(
    st.lists(campaign_sets, max_size=12),
    st.dictionaries(st.integers(1, 4), st.integers(0, 6)),
    st.permutations([1, 2, 3, 4]),
)
def test_whoever_shares_no_agent_is_counted_twice_or_for_a_campaign_not_served(
    free: list[frozenset[int]], claims: dict[int, int], order: list[int]
) -> None:
    shares = share_agents(free, claims, order)
    assert sum(shares.values()) <= len(free)
    for campaign, share in shares.items():
        assert share <= sum(1 for serves in free if not serves or campaign in serves)
    if all(not serves for serves in free) and not claims:
        assert max(shares.values()) - min(shares.values()) <= 1
        assert sum(shares.values()) == len(free)
