"""Place the next call only while the chance that it is answered and finds no agent is at most theta.

That one rule is as good as the optimal policy of the memoryless model; the rest is honest estimation (life tables of
calls and agents' work), a budget that sets theta, and giving up calls that have rung the lawful time when no agent is
likely to be there. Reads no clock, changes no view; the same inputs give the same decisions.

Source: docs/pacing.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from stasis_dialer.core.pacing.answer_rate import AnswerRate
from stasis_dialer.core.pacing.attempts import Attempts, Outlook
from stasis_dialer.core.pacing.budget import Budget
from stasis_dialer.core.pacing.crowd import ExactCrowd, NormalCrowd
from stasis_dialer.core.pacing.handling import Handling
from stasis_dialer.core.pacing.ledger import Ledger
from stasis_dialer.core.pacing.lifetable import Array
from stasis_dialer.core.pacing.messages import PacingDecision, PacingEvent, PacingLimits, PacingView
from stasis_dialer.core.pacing.room import CallRate, in_flight, room
from stasis_dialer.core.pacing.saved import LARGEST, number
from stasis_dialer.core.pacing.tables import Tables

VERSION: Final = 2
EXACT_AGENTS: Final = 12
"""Groups up to this size are computed exactly; larger ones by moments, which are within 2 % there."""
EXACT_CALLS: Final = 150
LONGEST_STEP: Final = 5.0
"""Seconds; a longer silence between two decisions is not time in which calls were watched."""
REFRESH_EVENTS: Final = 20
REFRESH_SECONDS: Final = 60.0
LEAST_REFRESH_SECONDS: Final = 10.0
REFRESH_SECONDS_AT_START: Final = 2.0
START_SECONDS: Final = 300.0
UNKNOWN_PERSON_SHARE: Final = 0.8
"""The chance that an answer is a person, of one whose ringing was not seen."""
LARGEST_CHANCE: Final = 0.98
WAIT_PRIOR: Final = 10.0
LONGEST_WAIT: Final = 10.0
"""Seconds; nobody who asks for an agent is taken to wait longer."""
GIVE_UP_FACTOR: Final = 0.25
"""A ringing call is given up when finding no agent is more likely than so many times theta."""
CROWDED: Final = 2.0
"""It is given up too when one of the calls in flight will find no agent with more than so many times theta. Its later
answers are a free option only as long as they do not take the agents that younger calls were placed for."""


class PredictivePacer:
    """The predictive policy of one campaign."""

    def __init__(self, limits: PacingLimits) -> None:
        self._limits = limits
        self._rate = CallRate(limits.calls_per_second)
        self._attempts = Attempts()
        self._handling = Handling(limits.average_call_time)
        self._ledger = Ledger(self._attempts)
        self._answers = AnswerRate()
        self._budget = Budget(limits)
        self._asked: dict[str, float] = {}
        self._waits = WAIT_PRIOR
        self._waited = WAIT_PRIOR * 0.7 * limits.answer_deadline_seconds
        self._tables: Tables | None = None
        self._tables_at = 0.0
        self._tidied_at = 0.0
        self._changes = 0
        self._decided_at: float | None = None
        self._first_at: float | None = None
        self._expected_rate = 0.0
        self._is_warm = False

    # hearing

    def observe(self, event: PacingEvent) -> None:
        """Learn from something that happened; an event without a time teaches nothing."""
        if not math.isfinite(event.at):
            return
        call, at = event.attempt_id or "", event.at
        match event.kind:
            case "placed":
                self._rate.placed(at)
                self._ledger.placed(call, at)
            case "answered":
                share = self._ledger.answered(event, self._person_shares())
                if share is not None:
                    self._answers.answered(share)
            case "human":
                self._ledger.judged(event, is_person=True)
                self._asked[call] = at
            case "result":
                self._ended(event)
            case "connected":
                self._asked.pop(call, None)
                self._budget.connected(at)
            case "abandoned":
                self._abandoned(event)
            case "talk_ended":
                self._handling.talk_ended(max(0.0, event.value))
                if event.outcome == "machine":
                    self._budget.was_machine(at)
            case "wrap_up_ended":
                self._handling.wrap_up_ended(max(0.0, event.value))
            case _:
                return
        self._changes += 1

    def _ended(self, event: PacingEvent) -> None:
        self._asked.pop(event.attempt_id or "", None)
        if event.outcome == "machine":
            self._ledger.judged(event, is_person=False)
        else:
            self._ledger.ended(event, is_seen=event.outcome != "cancelled")

    def _abandoned(self, event: PacingEvent) -> None:
        asked = self._asked.pop(event.attempt_id or "", None)
        if asked is not None and event.at >= asked:
            self._waited = self._waited * 0.98 + min(event.at - asked, LONGEST_WAIT)
            self._waits = self._waits * 0.98 + 1.0
        self._budget.abandoned(event.at)

    def set_budget(self, abandoned: int | None, answered: int | None, at: float) -> None:
        """The durable counts of the window, which replace what was heard; None: unknown, and no risk is taken."""
        self._budget.set_counts(abandoned, answered, at)

    # deciding

    def decide(self, view: PacingView) -> PacingDecision:
        """How many calls to place now, and which ringing ones to give up; the view is not changed."""
        self._ledger.look(view)
        if view.agents_logged_in <= 0:
            self._pass(view.now, 0.0)
            return PacingDecision(0, self._all_given_up(view), "no_agents", {})
        tables = self._refreshed(view)
        theta, why = self._budget.theta(view.now)
        crowd = self._crowd(view, tables)
        seats = view.agents_ready + len(view.talking_since) + len(view.wrap_up_since) - view.waiting
        most, limit = room(view, self._limits, self._rate)
        near, risk = crowd.near(seats), crowd.risk(0, seats)
        place = 0 if risk > theta or theta <= 0.0 else self._most(crowd, seats, theta, most)
        one_each = view.agents_ready - in_flight(view) - view.waiting
        reason = why if place else "risk" if why == "predicted" else why
        if one_each > place:
            place, reason = min(one_each, most), "free_agents"
        if place >= most:
            reason = limit
        cancel = self._given_up(view, near, crowd.risk(0, seats + 1), theta)
        inputs = {
            "theta": theta, "risk": risk, "risk_now": near, "seats": float(seats), "room": float(most),
            "agents_ready": float(view.agents_ready), "in_flight": float(in_flight(view)),
            "waiting": float(view.waiting), "answer_chance": tables.answer_chance * self._answers.factor,
            "answer_factor": self._answers.factor, "handling_seconds": self._handling.mean_seconds,
            **self._budget.inputs(view.now),
        }  # fmt: skip
        return PacingDecision(place, cancel, reason, inputs)

    def _most(self, crowd: ExactCrowd | NormalCrowd, seats: int, theta: float, most: int) -> int:
        """The most calls of which the last still has at most the risk theta; the first has."""

        def fits(others: int) -> bool:
            return crowd.risk(others, seats) <= theta

        if most <= 0:
            return 0
        good, bad = 0, 1
        while bad < most and fits(bad):
            good, bad = bad, 2 * bad
        bad = min(bad, most)
        while bad - good > 1:
            middle = (good + bad) // 2
            good, bad = (middle, bad) if fits(middle) else (good, middle)
        return bad

    def _crowd(self, view: PacingView, tables: Tables) -> ExactCrowd | NormalCrowd:
        """How many agents are needed at the moments to come, by the calls in flight and the agents' work."""
        places = tables.places(view, self._ledger.person_shares(view.detecting_since, UNKNOWN_PERSON_SHARE))
        calls = len(view.dialling_since) + len(view.ringing_since)
        if view.agents_logged_in <= EXACT_AGENTS and calls <= EXACT_CALLS:
            self._pass(view.now, float(tables.expected[places[:calls]].sum()))
            factor = self._answers.factor
            rows = tables.rows[places]
            rows[:calls] = np.minimum(rows[:calls] * factor, LARGEST_CHANCE)
            return ExactCrowd(rows, np.minimum(tables.new * factor, LARGEST_CHANCE))
        first, second, third, answers, expected = tables.moments_of(places, self._answers.factor)
        self._pass(view.now, expected)
        uncertain = self._answers.relative_variance * answers**2
        new = np.minimum(tables.new * self._answers.factor, LARGEST_CHANCE)
        return NormalCrowd(first, second, third, new, uncertain)

    # giving up

    def _given_up(self, view: PacingView, near: float, loss: float, theta: float) -> tuple[str, ...]:
        """The calls that have rung the lawful time, when one that answers now would hardly find an agent, or when
        those in flight are so many that one of them may well find none."""
        if not self._limits.may_cancel or (near <= GIVE_UP_FACTOR * theta and loss <= CROWDED * theta):
            return ()
        return self._long_ringing(view)

    def _all_given_up(self, view: PacingView) -> tuple[str, ...]:
        return self._long_ringing(view) if self._limits.may_cancel else ()

    def _long_ringing(self, view: PacingView) -> tuple[str, ...]:
        latest = view.now - self._limits.minimum_ring_seconds
        return tuple(call for call, since in view.ringing_since.items() if since <= latest)

    # time and tables

    def _pass(self, now: float, expected_rate: float) -> None:
        before, self._decided_at = self._decided_at, now
        if before is not None and now > before:
            seconds = now - before
            self._answers.passed(min(seconds, LONGEST_STEP), self._expected_rate)
            if seconds > LONGEST_STEP:
                self._answers.passed(seconds - LONGEST_STEP, 0.0)
        self._expected_rate = expected_rate

    def _person_shares(self) -> Array:
        return self._attempts.person_shares() if self._tables is None else self._tables.outlook.share_by_age

    def _refreshed(self, view: PacingView) -> Tables:
        now = view.now
        if self._first_at is None or now < self._first_at:
            self._first_at = now
        is_starting = not self._is_warm and now - self._first_at < START_SECONDS
        longest, shortest = (
            (REFRESH_SECONDS_AT_START, REFRESH_SECONDS_AT_START)
            if is_starting
            else (REFRESH_SECONDS, LEAST_REFRESH_SECONDS)
        )
        age = now - self._tables_at
        tables = self._tables
        if tables is not None and 0.0 <= age < longest and (self._changes < REFRESH_EVENTS or age < shortest):
            return tables
        if not 0.0 <= now - self._tidied_at < REFRESH_SECONDS:
            self._ledger.keep_only(view)
            self._tidied_at = now
        give_up = self._limits.minimum_ring_seconds if self._limits.may_cancel else None
        dialling, ringing = _ages(view.dialling_since, now), _ages(view.ringing_since, now)
        outlook = Outlook(self._attempts, dialling, ringing, give_up)
        work = (_ages(view.talking_since, now), _ages(view.wrap_up_since, now))
        wait = self._waited / self._waits
        self._tables = Tables(self._attempts, self._handling, outlook, work, wait)
        self._tables_at = now
        self._changes = 0
        return self._tables

    # keeping

    def snapshot(self) -> dict[str, Any]:
        """Everything learned, as plain values that JSON can hold."""
        now = self._decided_at or 0.0
        return {
            "version": VERSION,
            "attempts": self._attempts.snapshot(),
            "handling": self._handling.snapshot(),
            "answers": self._answers.snapshot(),
            "budget": self._budget.snapshot(now),
            "waits": self._waits,
            "waited": self._waited,
        }

    def restore(self, saved: Mapping[str, Any], at: float = 0.0, age: float = 0.0) -> None:
        """Go on from a snapshot that was taken `age` seconds before `at`, on this clock; one of another version, or
        of another mode, is left alone.

        Raises: ValueError when it is spoilt; then nothing of it is believed, and the pacer is as it was.
        """
        if not isinstance(saved, Mapping):
            raise ValueError("a spoilt snapshot: it is no mapping")
        if saved.get("version") != VERSION:
            return
        attempts, handling = Attempts(), Handling(self._limits.average_call_time)
        answers, budget = AnswerRate(), Budget(self._limits)
        try:
            attempts.restore(saved["attempts"])
            handling.restore(saved["handling"])
            answers.restore(saved["answers"], number(age, "age"))
            budget.restore(saved["budget"], number(at, "at", -LARGEST) - age)
            waits = number(saved["waits"], "waits", 1e-3)
            waited = number(saved["waited"], "waited", most=LONGEST_WAIT * waits)
        except (KeyError, TypeError) as error:
            raise ValueError(f"a spoilt snapshot: {error!r}") from error
        self._waits, self._waited = waits, waited
        self._attempts, self._handling, self._answers, self._budget = attempts, handling, answers, budget
        self._ledger.attempts = attempts
        self._is_warm = True
        self._tables = None


def _ages(since: Mapping[str, float], now: float) -> Array:
    return np.fmax(now - np.fromiter(since.values(), float, len(since)), 0.0)
