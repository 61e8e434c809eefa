"""Live calls and agents: who hears which event, whose deadline is next, whose commands are carried out.

Guarantees strict order inside one object, and objects in parallel. An object that breaks is logged and stays alone
with its deadline; the loop lives on. Never talks to Asterisk itself: that is `executor`.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

import structlog

from stasis_dialer.core import messages as m
from stasis_dialer.engine.actor import Actor
from stasis_dialer.engine.clock import Clock

log = structlog.get_logger(__name__)

FORGET_FROM: Final = 100
FORGET_SHARE: Final = 4
"""Deadlines kept, and more for each live object, before old ones are forgotten: a call leaves 4, one hours ahead."""

Execute = Callable[[m.Command], Awaitable[tuple[m.Event, ...]]]


class Dispatcher:
    """The registry of live objects, and the one place where a state changes."""

    def __init__(self, clock: Clock, execute: Execute) -> None:
        self._clock = clock
        self._execute = execute
        self._by_leg: dict[str, Actor[Any]] = {}
        self._actors: dict[str, Actor[Any]] = {}
        self._deadlines: list[tuple[float, int, Actor[Any]]] = []
        self._sequence = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        self._workers: set[asyncio.Task[None]] = set()
        self.broken = 0

    # --- the registry -----------------------------------------------------------------------------------------------

    def add(self, actor: Actor[Any], machine: Any, commands: Iterable[m.Command], legs: Iterable[str]) -> None:
        """Make an object live: its legs are known before any request about them leaves."""
        self._actors[actor.id] = actor
        for leg in legs:
            self.claim(actor, leg)
        actor.is_draining = True
        try:
            self._install(actor, machine, commands)
        finally:
            actor.is_draining = False
        self._drain(actor)

    def claim(self, actor: Actor[Any], leg_id: str) -> None:
        """Events of this leg belong to this object."""
        actor.legs.add(leg_id)
        self._by_leg[leg_id] = actor

    def _release(self, actor: Actor[Any], leg_id: str) -> None:
        """What is still heard of this leg is of the past: it must not be taken for news of the next one."""
        actor.legs.discard(leg_id)
        if self._by_leg.get(leg_id) is actor:
            del self._by_leg[leg_id]

    def remove(self, actor: Actor[Any]) -> None:
        """The object has ended; commands that still wait are carried out."""
        self._actors.pop(actor.id, None)
        for leg in tuple(actor.legs):
            self._release(actor, leg)

    def find(self, actor_id: str) -> Actor[Any] | None:
        """The live object with this id."""
        return self._actors.get(actor_id)

    def actors(self, kind: str) -> list[Actor[Any]]:
        """The live objects of a kind."""
        return [actor for actor in self._actors.values() if actor.kind == kind]

    def known_legs(self) -> set[str]:
        """Every channel that belongs to a live object."""
        return set(self._by_leg)

    # --- events -----------------------------------------------------------------------------------------------------

    def post_to_leg(self, leg_id: str, event: m.Event) -> bool:
        """Hand an event to the owner of a leg; False when nobody owns it."""
        actor = self._by_leg.get(leg_id)
        if actor is None:
            return False
        self.post(actor, event)
        return True

    def post(self, actor: Actor[Any], event: m.Event) -> None:
        """Hand an event to an object; its state is up to date when this returns, unless it is being changed above."""
        actor.inbox.append(event)
        if not actor.is_draining:
            self._drain(actor)

    def post_later(self, actor: Actor[Any], seconds: float, event: m.Event) -> None:
        """Hand an event to an object after a while, unless it is not live any more."""

        def arrive() -> None:
            if self._actors.get(actor.id) is actor:
                self.post(actor, event)

        asyncio.get_running_loop().call_later(max(0.0, seconds), arrive)

    def apply(self, actor: Actor[Any], machine: Any, commands: Iterable[m.Command]) -> None:
        """Put in what a pure step other than an event has made of the object."""
        was_draining, actor.is_draining = actor.is_draining, True
        try:
            self._install(actor, machine, commands)
        finally:
            actor.is_draining = was_draining
        if not was_draining:
            self._drain(actor)

    def _drain(self, actor: Actor[Any]) -> None:
        actor.is_draining = True
        try:
            while actor.inbox:
                event = actor.inbox.popleft()
                try:
                    machine, commands = actor.advance(actor.machine, event, self._clock.now())
                    self._install(actor, machine, commands, event)
                except Exception:
                    self.broken += 1
                    log.exception(
                        "actor-broken",
                        id=actor.id,
                        message=repr(event),
                        fault="ours",
                    )
        finally:
            actor.is_draining = False

    def _install(
        self, actor: Actor[Any], machine: Any, commands: Iterable[m.Command], event: m.Event | None = None
    ) -> None:
        before = actor.machine
        actor.machine = machine
        if before.leg_id != machine.leg_id:
            if before.leg_id is not None:
                self._release(actor, before.leg_id)
            if machine.leg_id is not None:
                self.claim(actor, machine.leg_id)
        if before.state != machine.state:
            by = type(event).__name__ if event else "start"
            log.debug("transition", id=actor.id, before=before.state, by=by, after=machine.state)
        if machine.deadline is not None and (machine.deadline != before.deadline or event is None):
            self._watch(machine.deadline, actor)
        for command in commands:
            if not actor.local(actor, command):
                actor.outbox.append(command)
        if actor.outbox and actor.worker is None:
            actor.worker = asyncio.get_running_loop().create_task(self._work(actor))
            self._workers.add(actor.worker)
            actor.worker.add_done_callback(self._workers.discard)

    async def _work(self, actor: Actor[Any]) -> None:
        """Carry out an object's commands one after the other; what comes of them are events."""
        try:
            while actor.outbox:
                command = actor.outbox.popleft()
                if not actor.is_wanted(actor.machine, command):
                    log.debug("command-dropped", id=actor.id, command=repr(command), state=actor.machine.state)
                    continue
                leg_id = getattr(command, "leg_id", None)
                for event in await self._execute(command):
                    if leg_id is None or leg_id in actor.legs:
                        self.post(actor, event)
        finally:
            actor.worker = None

    # --- deadlines --------------------------------------------------------------------------------------------------

    def _watch(self, deadline: float, actor: Actor[Any]) -> None:
        """Note a deadline; those that an object has left behind are forgotten when they are most of the list."""
        if len(self._deadlines) >= FORGET_FROM + FORGET_SHARE * len(self._actors):
            self._deadlines = [entry for entry in self._deadlines if self._is_due(entry[2], entry[0])]
            heapq.heapify(self._deadlines)
        entry = (deadline, next(self._sequence), actor)
        heapq.heappush(self._deadlines, entry)
        if self._deadlines[0] is entry or self._timer is None:
            self._set_timer()

    def _is_due(self, actor: Actor[Any], deadline: float) -> bool:
        """Whether the deadline is still the object's own."""
        return bool(actor.machine.deadline == deadline) and self._actors.get(actor.id) is actor

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        delay = max(0.0, self._deadlines[0][0] - self._clock.now())
        self._timer = asyncio.get_running_loop().call_later(delay, self._deadline_passed)

    def _deadline_passed(self) -> None:
        self._timer = None
        now = self._clock.now()
        while self._deadlines and self._deadlines[0][0] <= now:
            deadline, _, actor = heapq.heappop(self._deadlines)
            if self._is_due(actor, deadline):
                self.post(actor, m.DeadlineReached())
        if self._deadlines and self._timer is None:
            self._set_timer()

    async def settle(self, timeout_seconds: float) -> None:
        """Wait until no command waits any more, at most so long."""
        workers = set(self._workers)
        if workers:
            await asyncio.wait(workers, timeout=timeout_seconds)

    def close(self) -> None:
        """Stop the clock; nothing fires any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for worker in self._workers:
            worker.cancel()
