"""Who gets the next answered call, and how agents who serve several campaigns are shared."""

from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stasis_dialer.core.agent import Agent
from stasis_dialer.core.model import AgentState
from stasis_dialer.core.options import Strategy
from stasis_dialer.core.routing import Sharer, Turns, choose_agent, share_agents
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


def test_the_lowest_penalty_goes_first_then_the_known_agent_then_the_strategy() -> None:
    first = replace(agent("1001", 90.0), penalties={1: 0}, calls_taken=9)
    known = replace(agent("1002", 80.0), penalties={1: 1}, calls_taken=5)
    fresh = replace(agent("1003", 70.0), penalties={1: 1, 2: 0}, calls_taken=1)
    idle = replace(agent("1004", 10.0), penalties={1: 1, 2: 5}, calls_taken=3)
    agents = [first, known, fresh, idle]

    def chosen(left: list[Agent], **how: Any) -> str:
        found = choose_agent(left, how.pop("campaign", 1), **how)
        assert found is not None
        return found.extension

    assert chosen(agents, prefers="1002") == "1001"
    assert chosen(agents[1:], prefers="1002") == "1002"
    assert chosen(agents[1:], prefers="1009") == "1004"
    assert chosen(agents[1:]) == "1004"
    assert chosen(agents[1:], strategy=Strategy.FEWEST_CALLS) == "1003"
    assert chosen(agents[2:], campaign=2) == "1003"


somebody = st.builds(
    lambda n, state, idle, calls, penalty, campaigns: replace(
        FREE,
        extension=f"{1000 + n}",
        state=state,
        free_since=idle,
        calls_taken=calls,
        penalties={1: penalty},
        campaigns=frozenset(campaigns),
    ),
    st.integers(0, 9),
    st.sampled_from(AgentState),
    st.floats(0, 100),
    st.integers(0, 5),
    st.integers(0, 3),
    st.sets(st.integers(1, 3)),
)


@given(st.lists(somebody, max_size=12), st.sampled_from([None, "1003", "1007"]), st.sampled_from(Strategy))
def test_whoever_is_chosen_is_able_and_nobody_who_is_has_less_of_a_penalty(
    agents: list[Agent], prefers: str | None, strategy: Strategy
) -> None:
    chosen = choose_agent(agents, 1, prefers, strategy)
    able = [one for one in agents if one.state is AgentState.AVAILABLE and one.serves(1)]
    assert (chosen is None) == (not able)
    if chosen is None:
        return
    assert chosen in able
    lowest = min(one.penalties[1] for one in able)
    equals = [one for one in able if one.penalties[1] == lowest]
    assert chosen in equals
    if any(one.extension == prefers for one in equals):
        assert chosen.extension == prefers
    elif strategy is Strategy.FEWEST_CALLS:
        assert chosen.calls_taken == min(one.calls_taken for one in equals)
    else:
        assert chosen.free_since == min(one.free_since for one in equals)


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
    # A campaign that no longer dials stands last, for its claims only.
    sharers = {campaign: Sharer(claims.get(campaign, 0)) for campaign in (1, 2)}
    sharers |= {campaign: Sharer(count, most=0) for campaign, count in claims.items() if campaign not in sharers}
    assert share_agents(free, sharers) == shares, name


@pytest.mark.parametrize(
    ("name", "free", "one", "two", "shares"),
    [
        ("shares follow the weights", [BOTH] * 8, Sharer(weight=3.0), Sharer(), {1: 6, 2: 2}),
        ("who had agents waits", [BOTH] * 2, Sharer(had=2.0), Sharer(), {1: 0, 2: 2}),
        ("the single free agent goes to the lighter one", [BOTH], Sharer(weight=3.0, had=4.0), Sharer(), {1: 0, 2: 1}),
        ("agents of its own are no part of the sharing", [ONE, ONE, BOTH, BOTH], Sharer(), Sharer(), {1: 3, 2: 1}),
        ("claims come before weights", [BOTH] * 3, Sharer(weight=100.0), Sharer(claims=3), {1: 0, 2: 3}),
        ("claims count as well", [BOTH] * 4, Sharer(claims=2), Sharer(), {1: 2, 2: 2}),
        ("who does not dial leaves them to the others", [BOTH] * 4, Sharer(weight=9.0, most=0), Sharer(), {1: 0, 2: 4}),
        ("who has a few calls needs a few", [BOTH] * 4, Sharer(weight=9.0, most=1), Sharer(), {1: 1, 2: 3}),
        ("nobody else wants them", [BOTH] * 3, Sharer(most=0), Sharer(most=1), {1: 0, 2: 1}),
    ],
)
def test_how_the_rest_is_shared(
    name: str, free: list[frozenset[int]], one: Sharer, two: Sharer, shares: dict[int, int]
) -> None:
    assert share_agents(free, {1: one, 2: two}) == shares, name


campaign_sets = st.frozensets(st.integers(1, 4), max_size=4)
any_sharer = st.builds(
    Sharer,
    claims=st.integers(0, 6),
    weight=st.floats(0.01, 1000.0),
    had=st.floats(0.0, 50.0),
    most=st.none() | st.integers(0, 4),
)


@given(
    st.lists(campaign_sets, max_size=12), st.permutations([1, 2, 3, 4]), st.lists(any_sharer, min_size=4, max_size=4)
)
def test_whoever_shares_no_agent_is_counted_twice_or_for_a_campaign_not_served(
    free: list[frozenset[int]], order: list[int], them: list[Sharer]
) -> None:
    sharers = dict(zip(order, them, strict=True))
    shares = share_agents(free, sharers)
    assert sum(shares.values()) <= len(free)
    for campaign, share in shares.items():
        sharer = sharers[campaign]
        assert share <= sum(1 for serves in free if not serves or campaign in serves)
        assert sharer.most is None or share <= sharer.claims + sharer.most
    for serves in free:
        hungry = [c for c in (serves or sharers) if c in sharers and sharers[c].most is None]
        assert not hungry or sum(shares.values()) > 0
    if all(not serves for serves in free) and any(s.most is None for s in them):
        assert sum(shares.values()) == len(free)


@given(
    st.integers(1, 12), st.permutations([1, 2, 3, 4]), st.lists(st.integers(0, 6), min_size=4, max_size=4),
    st.lists(st.floats(0.01, 1000.0), min_size=4, max_size=4),
)  # fmt: skip
def test_given_enough_agents_then_every_claim_has_one_whatever_the_weights(
    spare: int, order: list[int], claims: list[int], weights: list[float]
) -> None:
    sharers = {c: Sharer(claims[c - 1], weights[c - 1]) for c in order}
    shares = share_agents([ALL] * (sum(claims) + spare), sharers)
    assert all(shares[c] >= claims[c - 1] for c in order)


@settings(deadline=None)
@given(st.lists(st.integers(1, 20), min_size=2, max_size=4), st.integers(1, 12), st.integers(0, 10**6))
def test_in_the_long_run_the_shared_agents_follow_the_weights(weights: list[int], agents: int, seed: int) -> None:
    """Some agents are free at a time, and each is given to the campaign that the sharing names."""
    chance, turns, total = Random(seed), Turns(), dict.fromkeys(range(len(weights)), 0)
    by_campaign = {c: float(weight) for c, weight in enumerate(weights)}
    while sum(total.values()) < 1000:
        turns.level(by_campaign, total)
        sharers = {
            c: Sharer(weight=by_campaign[c], had=turns.had(c)) for c in sorted(total, key=lambda _: chance.random())
        }
        for c, share in share_agents([ALL] * chance.randint(1, agents), sharers).items():
            for _ in range(share):
                turns.took(c)
            total[c] += share
    for c, weight in enumerate(weights):
        assert abs(total[c] / sum(total.values()) - weight / sum(weights)) <= 0.02, (weights, total)


def test_who_comes_back_after_a_pause_has_earned_nothing_by_it() -> None:
    turns, weights = Turns(), {1: 1.0, 2: 1.0}
    for _ in range(500):
        turns.level(weights, [1])
        turns.took(1)
    turns.level(weights, [1, 2])
    assert abs(turns.had(1) - turns.had(2)) <= 1.0
