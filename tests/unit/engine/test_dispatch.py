"""One inbox an object: order inside it, objects side by side, deadlines, and an object that breaks alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from stasis_dialer.core import messages as m
from stasis_dialer.engine.actor import Actor
from stasis_dialer.engine.dispatch import Dispatcher
from tests.property import virtual_time
from tests.property.virtual_time import VirtualClock


@dataclass(frozen=True)
class Thing:
    """A machine that remembers what it heard."""

    state: str = "here"
    deadline: float | None = None
    leg_id: str | None = None
    heard: tuple[m.Event, ...] = ()


Reaction = Callable[[Thing, m.Event, float], tuple[Thing, tuple[m.Command, ...]]]


class Stage:
    """A dispatcher, and requests that the test answers."""

    def __init__(self) -> None:
        self.requests: list[m.Command] = []
        self.answers: dict[type[m.Command], tuple[m.Event, ...]] = {}
        self.gate: asyncio.Event | None = None
        self.dispatcher = Dispatcher(VirtualClock(), self._execute)
        self.reaction: Reaction = lambda thing, event, now: (thing, ())
        self.local: list[m.Command] = []

    async def _execute(self, command: m.Command) -> tuple[m.Event, ...]:
        self.requests.append(command)
        if self.gate is not None:
            await self.gate.wait()
        return self.answers.get(type(command), ())

    def add(self, id_: str, thing: Thing | None = None, *commands: m.Command, legs: tuple[str, ...] = ()) -> Actor[Any]:
        first = thing or Thing()
        actor: Actor[Any] = Actor(id_, "thing", first, self._advance, self._local)
        self.dispatcher.add(actor, first, commands, legs)
        return actor

    def _advance(self, thing: Thing, event: m.Event, now: float) -> tuple[Thing, tuple[m.Command, ...]]:
        return self.reaction(replace(thing, heard=(*thing.heard, event)), event, now)

    def _local(self, actor: Actor[Any], command: m.Command) -> bool:
        if isinstance(command, m.Save | m.TellJoined):
            self.local.append(command)
            return True
        return False


def on_stage(story: Callable[[Stage], Awaitable[None]]) -> None:
    async def play() -> None:
        stage = Stage()
        try:
            await story(stage)
        finally:
            stage.dispatcher.close()

    virtual_time.run(play)


def test_given_events_then_the_state_is_up_to_date_at_once_and_in_order() -> None:
    async def story(stage: Stage) -> None:
        actor = stage.add("t1")
        for event in (m.Ringing(), m.EarlyMedia(), m.Answered()):
            stage.dispatcher.post(actor, event)
        assert actor.machine.heard == (m.Ringing(), m.EarlyMedia(), m.Answered())

    on_stage(story)


def test_given_an_event_while_another_is_handled_then_it_waits_its_turn() -> None:
    async def story(stage: Stage) -> None:
        order: list[str] = []

        def reaction(thing: Thing, event: m.Event, now: float) -> tuple[Thing, tuple[m.Command, ...]]:
            order.append(f"begin {type(event).__name__}")
            if isinstance(event, m.Ringing):
                stage.dispatcher.post(actor, m.Answered())
            order.append(f"end {type(event).__name__}")
            return thing, ()

        stage.reaction = reaction
        actor = stage.add("t1")
        stage.dispatcher.post(actor, m.Ringing())
        assert order == ["begin Ringing", "end Ringing", "begin Answered", "end Answered"]

    on_stage(story)


def test_given_a_leg_then_its_events_reach_its_owner_and_no_other() -> None:
    async def story(stage: Stage) -> None:
        one, two = stage.add("t1", legs=("leg1",)), stage.add("t2", legs=("leg2",))
        assert stage.dispatcher.post_to_leg("leg2", m.Answered())
        assert not stage.dispatcher.post_to_leg("leg3", m.Answered())
        assert (one.machine.heard, two.machine.heard) == ((), (m.Answered(),))
        assert stage.dispatcher.known_legs() == {"leg1", "leg2"}

    on_stage(story)


def test_given_removed_then_nobody_owns_its_leg_and_its_commands_are_still_carried_out() -> None:
    async def story(stage: Stage) -> None:
        actor = stage.add("t1", None, m.HangUp("leg1"), m.DestroyBridge("b1"), legs=("leg1",))
        stage.dispatcher.remove(actor)
        assert not stage.dispatcher.post_to_leg("leg1", m.Answered())
        assert stage.dispatcher.find("t1") is None
        await stage.dispatcher.settle(5.0)
        assert stage.requests == [m.HangUp("leg1"), m.DestroyBridge("b1")]

    on_stage(story)


def test_given_another_leg_then_news_of_the_last_one_is_dropped_even_when_it_is_an_answer_on_its_way() -> None:
    """Otherwise the end of a telephone's last call would end its next one."""

    async def story(stage: Stage) -> None:
        stage.gate = asyncio.Event()
        stage.answers[m.Probe] = (m.LegGone(is_seen=False),)
        actor = stage.add("t1", Thing(leg_id="old"), m.Probe("old"), legs=("old",))
        await asyncio.sleep(0.1)
        stage.dispatcher.apply(actor, replace(actor.machine, leg_id="new"), ())
        stage.gate.set()
        await stage.dispatcher.settle(5.0)
        assert not stage.dispatcher.post_to_leg("old", m.LegGone(16))
        assert actor.machine.heard == ()
        assert stage.dispatcher.post_to_leg("new", m.Ringing())
        assert actor.machine.heard == (m.Ringing(),)

    on_stage(story)


def test_given_commands_then_one_after_the_other_inside_an_object_and_objects_side_by_side() -> None:
    async def story(stage: Stage) -> None:
        stage.gate = asyncio.Event()
        stage.add("t1", None, m.CreateBridge("b1"), m.Join("leg1", "b1"))
        stage.add("t2", None, m.CreateBridge("b2"))
        await asyncio.sleep(1.0)
        assert stage.requests == [m.CreateBridge("b1"), m.CreateBridge("b2")]
        stage.gate.set()
        await stage.dispatcher.settle(5.0)
        assert stage.requests == [m.CreateBridge("b1"), m.CreateBridge("b2"), m.Join("leg1", "b1")]

    on_stage(story)


def test_given_what_came_of_a_command_then_it_is_heard_as_an_event() -> None:
    async def story(stage: Stage) -> None:
        stage.answers[m.CreateBridge] = (m.JoinFailed("b1"),)
        actor = stage.add("t1", None, m.CreateBridge("b1"))
        await stage.dispatcher.settle(5.0)
        assert actor.machine.heard == (m.JoinFailed("b1"),)

    on_stage(story)


def test_given_commands_that_need_no_asterisk_then_they_are_done_at_once() -> None:
    async def story(stage: Stage) -> None:
        stage.add("t1", None, m.Save(), m.TellJoined())
        assert stage.local == [m.Save(), m.TellJoined()]
        assert stage.requests == []

    on_stage(story)


def test_given_an_object_breaks_then_it_alone_loses_that_event_and_the_others_go_on() -> None:
    async def story(stage: Stage) -> None:
        def reaction(thing: Thing, event: m.Event, now: float) -> tuple[Thing, tuple[m.Command, ...]]:
            if isinstance(event, m.Ringing):
                raise ZeroDivisionError
            return thing, ()

        stage.reaction = reaction
        one, two = stage.add("t1", Thing(deadline=5.0)), stage.add("t2")
        stage.dispatcher.post(one, m.Ringing())
        stage.dispatcher.post(one, m.Answered())
        stage.dispatcher.post(two, m.Answered())
        assert stage.dispatcher.broken == 1
        assert one.machine.heard == (m.Answered(),)
        assert two.machine.heard == (m.Answered(),)
        await asyncio.sleep(6.0)
        assert one.machine.heard == (m.Answered(), m.DeadlineReached())

    on_stage(story)


def test_given_deadlines_then_each_fires_once_at_its_time() -> None:
    async def story(stage: Stage) -> None:
        fired: list[tuple[str, float]] = []

        def reaction(thing: Thing, event: m.Event, now: float) -> tuple[Thing, tuple[m.Command, ...]]:
            fired.append((thing.state, round(now, 3)))
            return thing, ()

        stage.reaction = reaction
        stage.add("late", Thing("late", 9.0))
        stage.add("soon", Thing("soon", 2.0))
        stage.add("never", Thing("never"))
        await asyncio.sleep(60.0)
        assert fired == [("soon", 2.0), ("late", 9.0)]

    on_stage(story)


def test_given_a_deadline_that_moved_then_the_old_one_does_not_fire() -> None:
    async def story(stage: Stage) -> None:
        actor = stage.add("t1", Thing(deadline=2.0))
        stage.dispatcher.apply(actor, Thing(deadline=8.0), ())
        await asyncio.sleep(5.0)
        assert actor.machine.heard == ()
        await asyncio.sleep(5.0)
        assert actor.machine.heard == (m.DeadlineReached(),)

    on_stage(story)


def test_given_removed_then_its_deadline_does_not_fire() -> None:
    async def story(stage: Stage) -> None:
        actor = stage.add("t1", Thing(deadline=2.0))
        stage.dispatcher.remove(actor)
        await asyncio.sleep(5.0)
        assert actor.machine.heard == ()

    on_stage(story)


def test_given_thousands_of_deadlines_left_behind_then_they_are_forgotten_and_the_live_ones_fire() -> None:
    async def story(stage: Stage) -> None:
        keeper = stage.add("keeper", Thing(deadline=50.0))
        for n in range(5000):
            stage.dispatcher.remove(stage.add(f"t{n}", Thing(deadline=7200.0)))
        assert len(stage.dispatcher._deadlines) < 2000
        await asyncio.sleep(60.0)
        assert keeper.machine.heard == (m.DeadlineReached(),)

    on_stage(story)


def test_given_requests_that_never_end_then_settling_has_a_limit() -> None:
    async def story(stage: Stage) -> None:
        stage.gate = asyncio.Event()
        stage.add("t1", None, m.CreateBridge("b1"))
        before = stage.dispatcher._clock.now()
        await stage.dispatcher.settle(3.0)
        assert 3.0 <= stage.dispatcher._clock.now() - before < 3.1

    on_stage(story)
