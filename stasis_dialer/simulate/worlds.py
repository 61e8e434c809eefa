"""The worlds that the published table is measured in, by name."""

from __future__ import annotations

from typing import Final

from stasis_dialer.errors import Refused
from stasis_dialer.simulate.scenario import Scenario, Times


def _steady(agents: int, percent: int, hours: float) -> Scenario:
    return Scenario(
        name=f"n{agents}_p{percent}",
        hours=hours,
        agents=((0.0, agents),),
        answer=((0.0, percent / 100.0),),
    )


_HOURS: Final = {3: 8.0, 10: 8.0, 20: 6.0, 50: 3.0, 200: 2.0, 500: 1.0}

BUILT_IN: Final[dict[str, Scenario]] = {
    world.name: world
    for world in (
        *(_steady(agents, percent, hours) for agents, hours in _HOURS.items() for percent in (10, 25, 50)),
        Scenario(name="step_n20", hours=6.0, agents=((0.0, 20),), answer=((0.0, 0.15), (3.0, 0.45))),
        Scenario(name="stepdown_n20", hours=6.0, agents=((0.0, 20),), answer=((0.0, 0.45), (3.0, 0.15))),
        Scenario(name="step_n100", hours=2.0, agents=((0.0, 100),), answer=((0.0, 0.15), (1.0, 0.45))),
        Scenario(name="osc_n20", hours=8.0, agents=((0.0, 20),), answer_swing=0.15),
        Scenario(name="heavy_n20", hours=6.0, agents=((0.0, 20),), talk=Times(200.0, 2.5), quick=0.25),
        Scenario(name="short_n20", hours=4.0, agents=((0.0, 20),), talk=Times(20.0, 1.0), wrap_up=Times(5.0, 0.6)),
        Scenario(
            name="waves_n30",
            hours=6.0,
            agents=((0.0, 10), (0.5, 30), (1.5, 12), (2.0, 30), (3.0, 5), (3.5, 30), (5.0, 15)),
        ),
        Scenario(name="noamd_n10", hours=8.0, amd=False),
        Scenario(
            name="day_n6",
            hours=8.0,
            agents=((0.0, 4), (1.0, 6), (4.0, 3), (5.0, 6)),
            answer=((0.0, 0.12), (2.0, 0.20), (4.0, 0.35), (6.0, 0.25)),
        ),
    )
}
"""Three to five hundred agents at 10, 25 and 50 % answers; then answers and agents that change, long tails, short
talks, no answering machine detection, a day of a handful of agents."""


def built_in(name: str) -> Scenario:
    """A world by its name.

    Raises: Refused when there is none.
    """
    if name not in BUILT_IN:
        raise Refused(f"no such scenario: name={name}; there are {', '.join(BUILT_IN)}")
    return BUILT_IN[name]
