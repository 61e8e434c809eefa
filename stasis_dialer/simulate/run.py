"""One day of a campaign in a simulated world, driving a pacer exactly as the live engine does.

A heap of moments; events go to `observe`, and `decide` is asked after every change that matters and at least each
second. The world holds the trunk's limits and refuses what is not lawful, such as giving up a call that has not rung
long enough; refusals are counted.
"""

from __future__ import annotations

import heapq
import time
from collections import deque
from typing import Any

from stasis_dialer.core.pacing import Pacer, PacingEvent, PacingLimits, PacingView
from stasis_dialer.simulate.chance import Chance
from stasis_dialer.simulate.results import DayResult, worst_window
from stasis_dialer.simulate.scenario import Scenario, Times

TICK_SECONDS = 1.0
TIMED_EVERY = 11
"""Each so many-th decision is timed: reading the thread's clock can take as long as a small group's decision."""

_TICK, _WAVE, _IN, _OUT, _RING, _ANSWER, _VERDICT, _END, _LOST, _TALKED, _WRAPPED = range(11)


class _Call:
    """One attempt, with its fate drawn when it is placed."""

    __slots__ = ("answered_at", "id", "is_open", "lost_at", "person", "placed_at", "ringing_at", "verdict")

    def __init__(self, id_: str, placed_at: float) -> None:
        self.id = id_
        self.placed_at = placed_at
        self.ringing_at: float | None = None
        self.answered_at = 0.0
        self.person = False
        self.verdict = "human"
        self.lost_at = 0.0
        self.is_open = True


class _Agent:
    __slots__ = ("id", "is_leaving", "logged_in_at", "ready_at", "state", "talk")

    def __init__(self, id_: str, now: float) -> None:
        self.id = id_
        self.state = "ready"
        self.ready_at = now
        self.logged_in_at = now
        self.is_leaving = False
        self.talk: tuple[float, float, str] = (0.0, 0.0, "human")


class _Day:
    def __init__(self, scenario: Scenario, pacer: Pacer, limits: PacingLimits, seed: int, keep_log: bool) -> None:
        self.scenario, self.pacer, self.limits = scenario, pacer, limits
        chance = Chance(seed)
        self.fates, self.errors, self.quick = chance.uniform(), chance.uniform(), chance.uniform()
        self.post_dial, self.greeting = chance.times(scenario.post_dial), chance.times(scenario.greeting)
        self.person_rings, self.machine_rings = (
            chance.times(scenario.person_rings),
            chance.times(scenario.machine_rings),
        )
        self.talk, self.quick_talk = chance.times(scenario.talk), chance.times(scenario.quick_talk)
        self.wrap_up, self.patience = chance.times(scenario.wrap_up), chance.times(scenario.patience)
        rings_out = Times(scenario.ring_timeout, samples=(scenario.ring_timeout,))
        self.unanswered_rings = chance.times(scenario.unanswered_rings or rings_out)
        self.now = 0.0
        self.end = scenario.hours * 3600.0
        self.heap: list[tuple[float, int, int, Any]] = []
        self.serial = 0
        self.placed = 0
        self.agents_seen = 0
        self.agents: dict[str, _Agent] = {}
        self.ready: deque[_Agent] = deque()
        self.waiting: deque[_Call] = deque()
        self.talking: dict[str, float] = {}
        self.wrapping: dict[str, float] = {}
        self.dialling: dict[str, float] = {}
        self.ringing: dict[str, float] = {}
        self.detecting: dict[str, float] = {}
        self.calls: dict[str, _Call] = {}
        self.tokens = limits.calls_per_second
        self.tokens_at = 0.0
        self.logged_in_seconds = self.talk_seconds = self.wrap_seconds = 0.0
        self.waits: list[float] = []
        self.answers_at: list[float] = []
        self.lost: list[bool] = []
        self.result = DayResult(scenario.name, "", seed)
        self.log: list[object] | None = self.result.log if keep_log else None
        self.is_due = True

    def at(self, when: float, kind: int, what: Any = None) -> None:
        self.serial += 1
        heapq.heappush(self.heap, (when, self.serial, kind, what))

    def tell(
        self, kind: str, call: str | None = None, outcome: str | None = None, age: float = 0.0, value: float = 0.0
    ) -> None:
        event = PacingEvent(kind, self.now, call, outcome, age, value)
        if self.log is not None:
            self.log.append(event)
        self.pacer.observe(event)

    def run(self) -> DayResult:
        for hour, count in self.scenario.agents:
            self.at(hour * 3600.0, _WAVE, count)
        self.at(0.0, _TICK)
        handlers = (
            self.tick, self.wave, self.log_in, self.log_out, self.ring, self.answer, self.decided,
            self.end_unanswered, self.give_up, self.talked, self.wrapped,
        )  # fmt: skip
        heap, pop = self.heap, heapq.heappop
        last = -1.0
        grain = self.scenario.grain
        while heap and heap[0][0] < self.end:
            self.now, _, kind, what = pop(heap)
            handlers[kind](what)
            if self.is_due and (not heap or heap[0][0] > self.now) and self.now - last >= grain:
                last = self.now
                self.decide()
            if self.scenario.leads and self.placed >= self.scenario.leads and not self.calls and not self.talking:
                self.result.finished_at = self.now
                self.end = self.now
                break
        return self.close()

    # the policy

    def decide(self) -> None:
        self.is_due = False
        view = PacingView(
            self.now, len(self.agents), len(self.ready), self.talking, self.wrapping, self.dialling, self.ringing,
            self.detecting, len(self.waiting), self.limits.max_channels, len(self.calls),
        )  # fmt: skip
        if self.result.decisions % TIMED_EVERY == 0:
            began = time.thread_time()
            decision = self.pacer.decide(view)
            self.result.decision_seconds += time.thread_time() - began
            self.result.timed += 1
        else:
            decision = self.pacer.decide(view)
        self.result.decisions += 1
        if self.log is not None:
            self.log.append(_copied(view))
            self.log.append(decision)
        for call_id in decision.cancel:
            self.cancel(call_id)
        if decision.place:
            self.place(decision.place)

    def place(self, wanted: int) -> None:
        rate = self.limits.calls_per_second
        self.tokens = min(max(1.0, rate), self.tokens + (self.now - self.tokens_at) * rate)
        self.tokens_at = self.now
        n = min(wanted, self.limits.max_channels - len(self.calls), int(self.tokens))
        if self.scenario.leads:
            n = min(n, self.scenario.leads - self.placed)
        self.tokens -= max(0, n)
        share = self.scenario.answer_share(self.now)
        for _ in range(n):
            self.placed += 1
            call = _Call(f"c{self.placed}", self.now)
            self.calls[call.id] = call
            self.dialling[call.id] = self.now
            self.draw_fate(call, share)
            self.tell("placed", call.id)

    def cancel(self, call_id: str) -> None:
        since = self.ringing.get(call_id)
        if since is None or self.now - since < self.limits.minimum_ring_seconds - 1e-9:
            self.result.refused_cancels += 1
            return
        self.result.cancelled += 1
        self.end_unanswered((self.calls[call_id], "cancelled"))

    # calls

    def draw_fate(self, call: _Call, share: float) -> None:
        world, now = self.scenario, self.now
        fate = next(self.fates)
        rings_at = now + next(self.post_dial)
        if fate < share:
            rings, call.person, may_answer = next(self.person_rings), True, True
        else:
            other = (fate - share) / (1.0 - share)
            if other < world.busy:
                self.at(now + world.busy_after, _END, (call, "busy"))
                return
            if other < world.busy + world.failed:
                self.at(now + world.failed_after, _END, (call, "failed"))
                return
            may_answer = other < world.busy + world.failed + world.machine
            rings = next(self.machine_rings if may_answer else self.unanswered_rings)
        if world.has_ringing:
            self.at(rings_at, _RING, call)
        if may_answer and rings < world.ring_timeout:
            self.at(rings_at + rings, _ANSWER, call)
        else:
            self.at(rings_at + min(rings, world.ring_timeout), _END, (call, "no_answer"))

    def ring(self, call: _Call) -> None:
        if call.is_open:
            self.dialling.pop(call.id)
            call.ringing_at = self.ringing[call.id] = self.now

    def end_unanswered(self, what: tuple[_Call, str]) -> None:
        call, outcome = what
        if call.is_open:
            self.forget(call)
            self.tell("result", call.id, outcome, age=self.now - call.placed_at)

    def answer(self, call: _Call) -> None:
        if not call.is_open:
            return
        self.dialling.pop(call.id, None)
        self.ringing.pop(call.id, None)
        call.answered_at = self.now
        self.tell("answered", call.id, age=self.now - call.placed_at)
        world = self.scenario
        greeting = next(self.greeting) if call.person else 0.0
        call.lost_at = self.now + min(greeting + world.legal_wait, next(self.patience) if call.person else 1e9)
        self.detecting[call.id] = self.now
        if not world.amd:
            self.decided(call)
            return
        error = next(self.errors)
        if call.person:
            call.verdict = "machine" if error < world.person_taken_for_machine else "human"
            self.at(self.now + greeting + world.person_verdict, _VERDICT, call)
        else:
            call.verdict = "human" if error < world.machine_taken_for_person else "machine"
            self.at(self.now + world.machine_verdict, _VERDICT, call)

    def decided(self, call: _Call) -> None:
        self.detecting.pop(call.id)
        age = self.now - call.answered_at
        if call.verdict == "machine":
            self.result.false_machines += call.person
            self.forget(call)
            self.tell("result", call.id, "machine", age=age)
            return
        self.tell("human", call.id, age=age)
        self.is_due = True
        if self.ready:
            self.connect(call, self.ready.popleft())
        else:
            self.waiting.append(call)
            self.at(max(self.now, call.lost_at), _LOST, call)

    def give_up(self, call: _Call) -> None:
        if call not in self.waiting:
            return
        self.waiting.remove(call)
        self.forget(call)
        self.count(call, lost=True)
        self.tell("abandoned", call.id, age=self.now - call.answered_at)

    def count(self, call: _Call, lost: bool) -> None:
        if call.person:
            self.answers_at.append(self.now)
            self.lost.append(lost)

    def forget(self, call: _Call) -> None:
        call.is_open = False
        self.is_due = True
        for held in (self.dialling, self.ringing, self.detecting, self.calls):
            held.pop(call.id, None)

    # agents

    def connect(self, call: _Call, agent: _Agent) -> None:
        if self.now >= self.scenario.settle_seconds:
            self.waits.append(self.now - agent.ready_at)
        self.count(call, lost=False)
        self.result.connects += call.person
        if call.person:
            is_quick = next(self.quick) < self.scenario.quick
            talk = next(self.quick_talk) if is_quick else next(self.talk)
            agent.talk = (talk, next(self.wrap_up), "human")
        else:
            agent.talk = (self.scenario.machine_handling, 0.0, "machine")
        agent.state = "talking"
        self.talking[agent.id] = self.now
        self.tell("connected", call.id)
        self.is_due = True
        self.at(self.now + agent.talk[0], _TALKED, (agent, call))

    def talked(self, what: tuple[_Agent, _Call]) -> None:
        agent, call = what
        talk, wrap, outcome = agent.talk
        self.talk_seconds += self.measured(self.talking.pop(agent.id))
        self.forget(call)
        self.tell("talk_ended", call.id, outcome, value=talk)
        agent.state = "wrap"
        self.wrapping[agent.id] = self.now
        if wrap:
            self.at(self.now + wrap, _WRAPPED, agent)
        else:
            self.wrapped(agent)

    def wrapped(self, agent: _Agent) -> None:
        since = self.wrapping.pop(agent.id)
        self.wrap_seconds += self.measured(since)
        self.tell("wrap_up_ended", value=self.now - since)
        agent.state = "ready"
        agent.ready_at = self.now
        self.is_due = True
        if agent.is_leaving:
            self.leave(agent)
        else:
            self.serve(agent)

    def serve(self, agent: _Agent) -> None:
        if self.waiting:
            self.connect(self.waiting.popleft(), agent)
        else:
            self.ready.append(agent)

    def wave(self, wanted: int) -> None:
        staying = [agent for agent in self.agents.values() if not agent.is_leaving]
        more = wanted - len(staying)
        for i in range(more):
            self.at(self.now + self.scenario.ramp_seconds * (i + 1) / more, _IN)
        for agent in staying[wanted:]:
            agent.is_leaving = True
            if agent.state == "ready":
                self.ready.remove(agent)
                self.leave(agent)

    def log_in(self, _: Any) -> None:
        self.agents_seen += 1
        agent = _Agent(f"a{self.agents_seen}", self.now)
        self.agents[agent.id] = agent
        self.tell("agent_in")
        self.is_due = True
        self.serve(agent)

    def log_out(self, agent: _Agent) -> None:
        self.leave(agent)

    def leave(self, agent: _Agent) -> None:
        del self.agents[agent.id]
        self.logged_in_seconds += self.measured(agent.logged_in_at)
        self.tell("agent_out")
        self.is_due = True

    def tick(self, _: Any) -> None:
        self.is_due = True
        self.at(self.now + TICK_SECONDS, _TICK)

    def measured(self, since: float) -> float:
        """The seconds from then to now that count."""
        return max(0.0, self.now - max(since, self.scenario.settle_seconds))

    def close(self) -> DayResult:
        self.now = self.end
        self.logged_in_seconds += sum(self.measured(agent.logged_in_at) for agent in self.agents.values())
        self.talk_seconds += sum(self.measured(since) for since in self.talking.values())
        self.wrap_seconds += sum(self.measured(since) for since in self.wrapping.values())
        result, total = self.result, max(1e-9, self.logged_in_seconds)
        result.utilisation = (self.talk_seconds + self.wrap_seconds) / total
        result.talk_share = self.talk_seconds / total
        waits = sorted(self.waits)
        result.wait_mean = sum(waits) / len(waits) if waits else 0.0
        result.wait_p90 = waits[int(0.9 * len(waits))] if waits else 0.0
        result.answers, result.abandoned = len(self.lost), sum(self.lost)
        result.abandonment = result.abandoned / max(1, result.answers)
        result.worst_hour = worst_window(self.answers_at, self.lost)
        result.attempts = self.placed
        return result


def _copied(view: PacingView) -> PacingView:
    """The view as it was: the day's own mappings go on changing."""
    return PacingView(
        view.now, view.agents_logged_in, view.agents_ready, dict(view.talking_since), dict(view.wrap_up_since),
        dict(view.dialling_since), dict(view.ringing_since), dict(view.detecting_since), view.waiting,
        view.max_channels, view.channels_in_use,
    )  # fmt: skip


def simulate_day(
    scenario: Scenario,
    pacer: Pacer,
    seed: int = 0,
    *,
    mode: str = "",
    limits: PacingLimits | None = None,
    keep_log: bool = False,
) -> DayResult:
    """One seeded day; the same seed meets the same callers in the same order, whatever the policy."""
    day = _Day(scenario, pacer, limits or scenario.pacing_limits(), seed, keep_log)
    result = day.run()
    result.mode = mode
    return result
