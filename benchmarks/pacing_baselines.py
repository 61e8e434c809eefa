"""The rules of other dialers, written in our own words from what is published, to be measured beside ours.

Each is driven as our pacers are. Where a rule works by its own clock (VICIdial each second, 2.5, 15 and 60 seconds), it
does so here. What is not published (the lag of its processes and its database) is left out, which is in its favour.
"""

from __future__ import annotations

import math
from collections import deque

from stasis_dialer.core.pacing import PacingDecision, PacingEvent, PacingLimits, PacingView
from stasis_dialer.core.pacing.room import in_flight


def _room(view: PacingView, limits: PacingLimits) -> int:
    return max(0, min(view.max_channels, limits.max_channels) - view.channels_in_use)


class Vicidial:
    """The dial level of the ADAPT_ methods, an integrator on idle agents, with its answer to drops.

    Source: AST_VDadapt.pl and AST_VDauto_dial.pl as described in VICIdial's manual; default maximum level 3.
    """

    SAMPLES = 15

    def __init__(
        self, limits: PacingLimits, method: str = "HARD_LIMIT", most: float = 3.0, day: float = 28_800.0
    ) -> None:
        self._limits, self._method, self._most, self._day = limits, method, most, day
        self._level = 1.0
        self._samples: deque[tuple[int, int, int]] = deque(maxlen=self.SAMPLES)
        self._sampled = self._adapted = self._placed = self._counted = -math.inf
        self._calls = self._answers = self._drops = 0
        self._last_minute: deque[tuple[float, bool]] = deque()
        self._figures = (0, 0, 0, 0.0)

    def observe(self, event: PacingEvent) -> None:
        if event.kind == "placed":
            self._calls += 1
            self._last_minute.append((event.at, False))
        elif event.kind == "connected":
            self._answers += 1
        elif event.kind == "abandoned":
            self._answers += 1
            self._drops += 1
            self._last_minute.append((event.at, True))

    def decide(self, view: PacingView) -> PacingDecision:
        now = view.now
        busy = len(view.talking_since) + len(view.wrap_up_since)
        if now - self._sampled >= 1.0:
            self._sampled = now
            self._samples.append((view.agents_ready, view.waiting, view.agents_ready + busy))
        if now - self._counted >= 60.0:
            self._counted = now
            while self._last_minute and self._last_minute[0][0] < now - 60.0:
                self._last_minute.popleft()
            drops = sum(dropped for _, dropped in self._last_minute)
            share = self._drops / self._answers if self._answers else 0.0
            self._figures = (len(self._last_minute) - drops, drops, self._calls, share)
        if now - self._adapted >= 15.0:
            self._adapted = now
            self._adapt(now)
        if now - self._placed < 2.5 or view.agents_logged_in <= 0:
            return PacingDecision(0, reason="waits")
        self._placed = now
        goal = round(self._level * (view.agents_ready + len(view.talking_since)))
        existing = in_flight(view) + view.waiting + len(view.talking_since)
        return PacingDecision(max(0, min(goal - existing, _room(view, self._limits))), reason="level")

    def _adapt(self, now: float) -> None:
        count = max(1, len(self._samples))
        ready, waiting, agents = (sum(sample[i] for sample in self._samples) / count for i in range(3))
        change = (ready - waiting) / agents if agents else 0.0
        level = min(self._most, max(1.0, self._level * (1.0 + change)))
        minute, minute_drops, today, share = self._figures
        if minute > 20 and minute_drops / minute > 0.5:
            level /= 2.0
        if today > 50 and share > self._limits.abandon_cap:
            if self._method == "HARD_LIMIT":
                level = 1.0
            elif self._method == "AVERAGE":
                level /= 2.0
            else:
                level *= max(0.0, min(1.0, _hhmm_difference(now, self._day) / 1000.0))
        self._level = max(1.0, level)


def _hhmm_difference(now: float, end: float) -> float:
    """The time left as the difference of two clock readings written as numbers: 2100 less 1955 is 145."""

    def reading(seconds: float) -> int:
        minutes = int(seconds // 60)
        return minutes // 60 * 100 + minutes % 60

    return reading(end) - reading(now)


class Omnileads:
    """Free agents and those expected, less what the calls in flight will bring, divided by the hit rate, times gamma.

    Source: OMniLeads 3, dialer modes: predictive; boost 1, answers' and drops' averages with weight 0.1.
    """

    TICK = 1.0

    def __init__(self, limits: PacingLimits, boost: float = 1.0) -> None:
        self._limits, self._boost = limits, boost
        self._hits, self._drops = 0.25, 0.0
        self._talk = self._wrap = limits.average_call_time
        self._ring, self._check = 15.0, 5.0
        self._talks = 0
        self._at = -math.inf
        self._over = 0
        self._is_latched = False

    def observe(self, event: PacingEvent) -> None:
        if event.kind in ("human", "result"):
            self._hits += 0.1 * (float(event.kind == "human") - self._hits)
            self._hits = max(0.05, self._hits)
        if event.kind in ("connected", "abandoned"):
            self._drops += 0.1 * (float(event.kind == "abandoned") - self._drops)
        if event.kind == "answered":
            self._ring += 0.1 * (event.age - self._ring)
        if event.kind == "human":
            self._check += 0.1 * (event.age - self._check)
        if event.kind == "talk_ended":
            self._talks += 1
            self._talk += 0.1 * (event.value - self._talk)
        if event.kind == "wrap_up_ended":
            self._wrap += 0.1 * (event.value - self._wrap)

    def decide(self, view: PacingView) -> PacingDecision:
        if view.now - self._at < self.TICK or view.agents_logged_in <= 0:
            return PacingDecision(0, reason="waits")
        self._at = view.now
        gamma = self._gamma()
        calls = in_flight(view) + view.waiting
        if self._talks < 50 or self._is_latched:
            wanted = math.ceil(view.agents_ready * self._boost) - calls
        else:
            lead = self._ring + self._check
            soon = sum(_ends_within(lead, self._talk, view.now - since) for since in view.talking_since.values())
            soon += sum(_ends_within(lead, self._wrap, view.now - since) for since in view.wrap_up_since.values())
            wanted = math.floor((view.agents_ready + soon - calls * self._hits) / self._hits * gamma)
        return PacingDecision(max(0, min(wanted, _room(view, self._limits))), reason="hit_rate")

    def _gamma(self) -> float:
        cap = self._limits.abandon_cap
        if self._is_latched and self._drops < 0.8 * cap:
            self._is_latched = False
        if self._drops >= cap:
            self._over += 1
            self._is_latched = self._is_latched or self._over >= 5
            return 0.2
        self._over = 0
        if self._drops <= 0.5 * cap:
            return self._boost
        return self._boost + (0.2 - self._boost) * (self._drops - 0.5 * cap) / (0.5 * cap)


def _ends_within(lead: float, mean: float, elapsed: float) -> float:
    return 1.0 - math.exp(-lead / max(1.0, mean - elapsed))
