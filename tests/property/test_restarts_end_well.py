"""Random stories in which the dialer is killed and started again: whoever talked goes on, and nothing is left over."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from hypothesis import example, given
from hypothesis import strategies as st

from stasis_dialer.core import messages as m
from stasis_dialer.core.call import CallState
from stasis_dialer.core.model import AgentState, DialMode
from stasis_dialer.core.options import Recording, RecordingMode, Transfer
from stasis_dialer.errors import Refused
from tests.engine.floor import Floor, number, on_the_floor
from tests.property.switchboard import Person
from tests.property.test_stories_end_well import ALONE_SECONDS, quiet

__all__ = ["quiet"]

EXTENSIONS = ("1001", "1002", "1003")
LEADS = 6
STORY_SECONDS = 60.0
OVER_SECONDS = 400.0
"""After the story: the longest call, the longest wait, and every look for a leg that is gone."""
TARGET = "+5511912340000"
WISHES = ("hold", "unhold", "complete", "complete", "cancel", "conference")
TRANSFERS = ("to_number", "to_agent", "to_queue") * 3
OTHERS = ("dial", "pause", "unpause", "log_out", "log_in", "agent_hangs_up", "customer_hangs_up", "target_hangs_up")
KILLS = ("kill",) * 3


@dataclass(frozen=True)
class Deed:
    """What somebody does at a moment; `kill`: the process dies, and another one starts a moment later."""

    at: float
    what: str
    who: int = 0
    is_attended: bool = False


deeds = st.builds(
    Deed,
    at=st.one_of(st.floats(4.0, STORY_SECONDS), st.sampled_from([5.0, 5.001, 5.002, 5.004, 8.0, 8.5, 12.0, 12.005])),
    what=st.sampled_from(WISHES * 2 + TRANSFERS + OTHERS + KILLS),
    who=st.integers(0, 2),
    is_attended=st.booleans(),
)
people = st.sampled_from(
    [Person(0.3), Person(0.3), Person(1.0, 20.0), Person(0.5, 3.0), Person(8.0, 60.0), Person(None)]
)


class Town:
    """A floor whose dialer may be replaced, and what goes on there."""

    def __init__(self, floor: Floor) -> None:
        self.floor = floor
        self.floors = [floor]
        self.left_alone: Counter[str] = Counter()
        self._tasks: list[asyncio.Task[None]] = []

    async def do(self, deed: Deed) -> None:
        with contextlib.suppress(Refused):
            if deed.what == "kill":
                await (await self.floor.is_killed()).stop()
                await asyncio.sleep(0.2 + deed.who)
                self.floor = await self.floor.starts_again()
                self.floors.append(self.floor)
            else:
                await getattr(self, f"_{deed.what}")(EXTENSIONS[deed.who], deed)

    async def watch(self) -> None:
        """How long a customer who was with somebody hears nothing and nobody, whoever looks after them."""
        while True:
            await asyncio.sleep(1.0)
            for call in self.floor.calls.all():
                is_alone = call.state is CallState.BRIDGED and self.floor.board.is_alone(call.leg_id)
                self.left_alone[call.call_id] = self.left_alone[call.call_id] + 1 if is_alone else 0
                assert self.left_alone[call.call_id] <= ALONE_SECONDS, call

    async def _hold(self, extension: str, deed: Deed) -> None:
        self.floor.parties.hold(extension)

    async def _unhold(self, extension: str, deed: Deed) -> None:
        self.floor.parties.unhold(extension)

    async def _complete(self, extension: str, deed: Deed) -> None:
        self.floor.parties.complete(extension)

    async def _cancel(self, extension: str, deed: Deed) -> None:
        self.floor.parties.cancel(extension)

    async def _conference(self, extension: str, deed: Deed) -> None:
        self.floor.parties.conference(extension)

    async def _to_number(self, extension: str, deed: Deed) -> None:
        await self.floor.parties.transfer(extension, TARGET, is_attended=deed.is_attended)

    async def _to_agent(self, extension: str, deed: Deed) -> None:
        other = EXTENSIONS[(EXTENSIONS.index(extension) + 1) % len(EXTENSIONS)]
        await self.floor.parties.transfer(extension, other, is_attended=deed.is_attended)

    async def _to_queue(self, extension: str, deed: Deed) -> None:
        await self.floor.parties.transfer(extension, "queue:spring", is_attended=deed.is_attended)

    async def _dial(self, extension: str, deed: Deed) -> None:
        await self.floor.hand.dial(extension, "+5511912349999")

    async def _pause(self, extension: str, deed: Deed) -> None:
        self.floor.desk.tell(extension, m.PauseRequested("lunch"))

    async def _unpause(self, extension: str, deed: Deed) -> None:
        self.floor.desk.tell(extension, m.UnpauseRequested())

    async def _log_out(self, extension: str, deed: Deed) -> None:
        self.floor.desk.tell(extension, m.LogoutRequested())

    async def _log_in(self, extension: str, deed: Deed) -> None:
        self.floor.desk.log_in(extension)

    async def _agent_hangs_up(self, extension: str, deed: Deed) -> None:
        agent = self.floor.desk.find(extension)
        if agent is not None and agent.leg_id is not None:
            self.floor.board.end(agent.leg_id, 16)

    async def _customer_hangs_up(self, extension: str, deed: Deed) -> None:
        self._hang_up(lambda id_: id_.split("-")[1] == "c", deed)

    async def _target_hangs_up(self, extension: str, deed: Deed) -> None:
        self._hang_up(lambda id_: id_.split("-")[1] == "t", deed)

    def _hang_up(self, is_meant: Callable[[str], bool], deed: Deed) -> None:
        legs = [id_ for id_ in self.floor.board.channels if is_meant(id_)]
        if legs:
            self.floor.board.end(legs[deed.who % len(legs)], 16)


def a_life(deeds: list[Deed], who_answers: list[Person], chance: int, on_demand: list[bool]) -> Town:
    """Play it, and look that everything has ended well."""
    towns: list[Town] = []

    async def story(floor: Floor) -> None:
        floor.board._random = Random(chance)
        towns.append(Town(floor))
        await play(towns[0], deeds, who_answers, on_demand)

    on_the_floor(story)
    return towns[0]


async def play(town: Town, deeds: list[Deed], who_answers: list[Person], on_demand: list[bool]) -> None:
    floor = town.floor
    for n, person in enumerate(who_answers):
        floor.people[f"PJSIP/{number(n)}@carrier"] = person
    floor.anybody = who_answers[0]
    await floor.campaign(
        LEADS,
        mode=DialMode.PROGRESSIVE,
        transfer=Transfer(ring_seconds=10.0, queue_seconds=20.0),
        max_call_seconds=120.0,
        answer_deadline_seconds=10.0,
        recording=Recording(RecordingMode.ALL),
    )
    for extension, is_on_demand in zip(EXTENSIONS, on_demand, strict=True):
        await floor.agents(extension, on_demand=is_on_demand)
    floor.start()
    watcher = asyncio.create_task(town.watch())
    for deed in sorted(deeds, key=lambda deed: deed.at):
        await asyncio.sleep(max(0.0, deed.at - asyncio.get_running_loop().time()))
        await town.do(deed)
    await asyncio.sleep(STORY_SECONDS)
    for extension in EXTENSIONS:
        with contextlib.suppress(Refused):
            town.floor.desk.tell(extension, m.PauseRequested("over"))
    await asyncio.sleep(OVER_SECONDS)
    if watcher.done():
        watcher.result()
    watcher.cancel()
    everything_is_over(town)


def everything_is_over(town: Town) -> None:
    floor = town.floor
    assert [one.dispatcher.broken for one in town.floors] == [0] * len(town.floors)
    assert floor.board.crowds == []
    assert floor.calls.all() == []
    assert floor.parties.transfers() == []
    assert floor.trunks.in_use() == {"carrier": 0}
    assert all(record.ended_at is not None and record.disposition for record in floor.store.records.values())
    for agent in floor.desk.agents():
        assert agent.state is AgentState.PAUSED, agent
        assert agent.call_id is None, agent
    legs = {agent.leg_id: agent.bridge_id for agent in floor.desk.agents() if agent.leg_id}
    assert {id_: channel.bridge for id_, channel in floor.board.channels.items()} == legs
    assert floor.board.bridges == set(legs.values())


A_CONSULTED_AGENT_AND_THE_NEXT_CUSTOMER = (
    [Deed(4.0, "to_queue", is_attended=True), Deed(5.0, "kill")],
    [Person(0.3), Person(1.0, 20.0), *[Person(0.3)] * 4],
    0,
    [False] * 3,
)
"""The other agent is still in the consulted one's bridge when a customer waits for whoever is free."""


@example(*A_CONSULTED_AGENT_AND_THE_NEXT_CUSTOMER)
@given(
    st.lists(deeds, min_size=3, max_size=20),
    st.lists(people, min_size=LEADS, max_size=LEADS),
    st.integers(0, 2**32),
    st.lists(st.booleans(), min_size=3, max_size=3),
)
def test_given_any_restarts_when_time_passes_then_everybody_is_given_back_and_nobody_was_left_alone(
    deeds: list[Deed], who_answers: list[Person], chance: int, on_demand: list[bool]
) -> None:
    a_life(deeds, who_answers, chance, on_demand)
