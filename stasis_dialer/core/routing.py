"""Who gets the next answered call, and how many customers a group of shared agents can take.

Pure: the desk calls it with the agents as they are now. An agent who is not available is never chosen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from stasis_dialer.core.agent import Agent
from stasis_dialer.core.model import AgentState


def choose_agent(agents: Iterable[Agent], campaign_id: int) -> Agent | None:
    """The available agent of the campaign who has been idle longest, or None."""
    chosen = None
    for agent in agents:
        if agent.state is not AgentState.AVAILABLE or not agent.serves(campaign_id):
            continue
        if chosen is None or (agent.free_since, agent.extension) < (chosen.free_since, chosen.extension):
            chosen = agent
    return chosen


def share_agents(
    free: Iterable[frozenset[int]],
    claims: Mapping[int, int],
    order: Sequence[int],
) -> dict[int, int]:
    """How many of the free agents each campaign may count on; an agent shared by campaigns is counted once.

    `free` holds, for each available agent, the campaigns served (empty: all); `claims` each campaign's calls in flight
    that may still ask for an agent, those of campaigns that no longer dial included; `order` the campaigns that dial in
    the order of their turn. Each claim takes an agent first, the one who serves fewest campaigns; the rest go around
    one by one.
    """
    claiming = [*order, *sorted(claims.keys() - set(order))]
    groups: Counter[frozenset[int]] = Counter(serves if serves else frozenset(claiming) for serves in free)

    def take(campaign: int) -> bool:
        fitting = [group for group, count in groups.items() if count and campaign in group]
        if not fitting:
            return False
        groups[min(fitting, key=lambda group: (len(group), sorted(group)))] -= 1
        return True

    shares = dict.fromkeys(claiming, 0)

    def give(campaign: int) -> bool:
        if not take(campaign):
            return False
        shares[campaign] += 1
        return True

    for campaign in claiming:
        for _ in range(claims.get(campaign, 0)):
            if not give(campaign):
                break
    asking = list(order)
    while asking:
        asking = [campaign for campaign in asking if give(campaign)]
    return shares
