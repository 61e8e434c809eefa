"""Who gets the next answered call, and how many customers a group of shared agents can take.

Pure: the desk calls it with the agents as they are now. An agent who is not available is never chosen.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from stasis_dialer.core.agent import Agent
from stasis_dialer.core.model import AgentState
from stasis_dialer.core.options import Strategy


def choose_agent(
    agents: Iterable[Agent],
    campaign_id: int,
    prefers: str | None = None,
    strategy: Strategy = Strategy.LONGEST_IDLE,
    *,
    is_anyone: bool = False,
) -> Agent | None:
    """The available agent of the campaign (`is_anyone`: of whatever campaign) to be asked, or None.

    The lowest penalty goes first; among equals `prefers`, the extension of one whom the customer knows, then the
    strategy. Who has been idle longest, and then the extension, decide the rest.
    """

    def rank(agent: Agent) -> tuple[int, bool, int, float, str]:
        calls = agent.calls_taken if strategy is Strategy.FEWEST_CALLS else 0
        return (
            agent.penalties.get(campaign_id, 0),
            agent.extension != prefers,
            calls,
            agent.free_since,
            agent.extension,
        )

    able = (
        agent for agent in agents if agent.state is AgentState.AVAILABLE and (is_anyone or agent.serves(campaign_id))
    )
    return min(able, key=rank, default=None)


@dataclass(frozen=True, slots=True)
class Sharer:
    """A campaign among those that share agents.

    `claims`: its calls in flight that may still ask for an agent. `had`: shared agents that it had so far, as `Turns`
    counts them. `most`: how many it may use beyond its claims; None: any number, 0: it does not dial.
    """

    claims: int = 0
    weight: float = 1.0
    had: float = 0.0
    most: int | None = None


class Turns:
    """How many shared agents each campaign had, so far as it decides whose turn it is.

    Who did not dial for a while earns nothing by it: on its return it stands where the others do.
    """

    def __init__(self) -> None:
        self._had: dict[int, float] = {}

    def took(self, campaign: int) -> None:
        """A shared agent got a customer of the campaign."""
        self._had[campaign] = self._had.get(campaign, 0.0) + 1.0

    def had(self, campaign: int) -> float:
        """What counts for the campaign."""
        return self._had.get(campaign, 0.0)

    def level(self, weights: Mapping[int, float], dialling: Collection[int]) -> None:
        """Measure from the one who dials and had least: nobody stands lower. `weights` are all that may share.

        Whoever is not in `weights` is forgotten; only differences matter, and they stay small numbers.
        """
        par = min((self.had(campaign) / weights[campaign] for campaign in dialling if campaign in self._had), default=0)
        self._had = {campaign: max(0.0, self.had(campaign) - par * weight) for campaign, weight in weights.items()}


def share_agents(free: Iterable[frozenset[int]], sharers: Mapping[int, Sharer]) -> dict[int, int]:
    """How many of the free agents each campaign may count on; an agent shared by campaigns is counted once.

    `free` holds, for each available agent, the campaigns served (empty: all); `sharers` the campaigns in the order of
    their turn. Each claim takes an agent first, the one who serves fewest campaigns. The rest go one by one to whoever
    had fewest shared agents for the weight, so that in the long run they follow the weights.
    """
    groups: Counter[frozenset[int]] = Counter(serves if serves else frozenset(sharers) for serves in free)
    shares = dict.fromkeys(sharers, 0)
    had = {campaign: sharer.had for campaign, sharer in sharers.items()}

    def give(campaign: int) -> bool:
        fitting = [group for group, count in groups.items() if count and campaign in group]
        if not fitting:
            return False
        group = min(fitting, key=lambda group: (len(group), sorted(group)))
        groups[group] -= 1
        shares[campaign] += 1
        had[campaign] += len(group) > 1
        return True

    for campaign, sharer in sharers.items():
        for _ in range(sharer.claims):
            if not give(campaign):
                break
    room = {campaign: math.inf if s.most is None else s.most for campaign, s in sharers.items()}
    while asking := [campaign for campaign, left in room.items() if left > 0]:
        chosen = min(asking, key=lambda campaign: had[campaign] / sharers[campaign].weight)
        room[chosen] = room[chosen] - 1 if give(chosen) else 0
    return shares
