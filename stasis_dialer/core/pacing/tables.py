"""The tables one decision reads: by age of a call or of an agent's work, the chance to hold an agent later.

Built every few seconds from what was learned; a decision then only looks up and adds. The moments are those at which
a call placed now would ask for an agent, with their weights, and first of all the very near one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stasis_dialer.core.pacing.attempts import BINS, STEP, VERDICT_STEP, Attempts, Outlook
from stasis_dialer.core.pacing.handling import EDGES as HANDLING_EDGES
from stasis_dialer.core.pacing.handling import Handling
from stasis_dialer.core.pacing.lifetable import Array
from stasis_dialer.core.pacing.messages import PacingView

MOMENTS: Final = 8
"""Moments at which a call placed now is expected to ask for an agent, each as likely as the others."""
TIMED: Final = 5.0
"""Answers, and ends of talks, to be seen before anybody can say when they come. Until then all calls in flight are
taken to be answered at once, and no busy agent to be free in time: a first burst that trusts what is believed of times
is lost where people answer after two seconds. Measured: 200 s of a lab's world with 10 agents lost 3.1 % with the
belief and nothing without; 5 is as good as 20."""
DOUBT: Final = 1.5
"""So many standard deviations of the believed answer rate are added until then."""
SHARES: Final = 11
"""Steps of the chance that an answer not yet judged is a person: 0, 0.1 ... 1."""
JUDGED_BINS: Final = 32
"""Bins of the time since the answer."""
CALLS: Final = 2 * BINS
"""The rows that the answer rate's factor multiplies: dialling, then ringing."""
WORK_BINS: Final = len(HANDLING_EDGES) - 1
_WORK_LOOKUP: Final[NDArray[np.intp]] = np.minimum(
    np.searchsorted(HANDLING_EDGES, np.arange(0.25, HANDLING_EDGES[-1], STEP), side="right") - 1, WORK_BINS - 1
)
"""The bin of an agent's work by half seconds of its age."""


class Tables:
    """What a decision looks up. `wait` is how long one who asks can be kept, seconds.

    `rows` has one row for each state and age: dialling, ringing, talk, wrap-up, answered and not judged.
    """

    def __init__(
        self, attempts: Attempts, handling: Handling, outlook: Outlook, ages: tuple[Array, Array], wait: float
    ) -> None:
        self.outlook = outlook
        grid = outlook.grid
        self.answer_chance = float(outlook.anew[-1])
        self.moments = _moments(outlook)
        """The near moment, then those of a new call."""
        times = np.arange(0.0, grid[-1] + wait + 2.0)
        _, _, self._fresh = handling.still_busy(ages[0], ages[1], times)
        self._times, self._wait = times, wait
        talk, wrap_up, _ = handling.still_busy(ages[0], ages[1], self.moments + wait)
        began = grid[:-1] + outlook.GRID / 2.0
        since = self.moments[None, :] - began[:, None]
        hold = np.where(since > 0.0, self.hold(np.maximum(since, 0.0)), 0.0)
        answers_seen = attempts.answers_seen
        if answers_seen < TIMED:
            hold[:, 1:] = 1.0
        if handling.talks_seen < TIMED:
            talk[:, 1:] = wrap_up[:, 1:] = 1.0
        dialling = np.diff(outlook.from_dialling, axis=1) @ hold
        ringing = np.diff(outlook.from_ringing, axis=1) @ hold
        if answers_seen < TIMED:
            doubt = 1.0 + DOUBT / math.sqrt(1.0 + answers_seen)
            dialling, ringing = np.minimum(dialling * doubt, 1.0), np.minimum(ringing * doubt, 1.0)
        self.new = dialling[0]
        judged = np.clip(_judged(attempts, grid) @ hold, 0.0, 1.0)
        self.rows = np.concatenate((dialling, ringing, talk, wrap_up, judged))
        calls, rest = self.rows[:CALLS], self.rows[CALLS:]
        rates = np.concatenate((outlook.dial_rate, outlook.ring_rate))[:, None]
        self._calls = np.concatenate((calls, calls**2, calls**3, rates), axis=1)
        self._rest = np.concatenate((rest, rest**2, rest**3), axis=1)
        self.expected = rates[:, 0]

    def hold(self, since: Array) -> Array:
        """The chance that a call which asked for an agent so many seconds before still keeps one."""
        return np.asarray(np.interp(since + self._wait, self._times, self._fresh))

    def places(self, view: PacingView, shares: Sequence[float]) -> NDArray[np.intp]:
        """The row of each call in flight and busy agent; `shares` are those of the answers not judged yet."""
        dialling, ringing, talking = len(view.dialling_since), len(view.ringing_since), len(view.talking_since)
        wrapping, judged = len(view.wrap_up_since), len(view.detecting_since)
        since = np.fromiter(
            chain(
                view.dialling_since.values(), view.ringing_since.values(), view.talking_since.values(),
                view.wrap_up_since.values(), view.detecting_since.values(),
            ),
            float, dialling + ringing + talking + wrapping + judged,
        )  # fmt: skip
        halves = np.fmax((view.now - since) * (1.0 / STEP), 0.0)  # one without a start has just begun
        places = np.minimum(halves, 1e6).astype(np.intp)
        a, b = dialling, dialling + ringing
        c, d = b + talking, b + talking + wrapping
        np.minimum(places[:b], BINS - 1, out=places[:b])
        places[a:b] += BINS
        places[b:d] = _WORK_LOOKUP[np.minimum(places[b:d], len(_WORK_LOOKUP) - 1)] + CALLS
        places[c:d] += WORK_BINS
        if judged:
            quarters = np.minimum(halves[d:] * (STEP / VERDICT_STEP), JUDGED_BINS - 1).astype(np.intp)
            levels = (np.asarray(shares) * (SHARES - 1) + 0.5).astype(np.intp)
            places[d:] = CALLS + 2 * WORK_BINS + levels * JUDGED_BINS + quarters
        return places

    def moments_of(self, places: NDArray[np.intp], factor: float) -> tuple[Array, Array, Array, Array, float]:
        """Sums of the rows, of their squares and cubes, of the calls' part of the first, and the answers expected
        a second."""
        counts = np.bincount(places, minlength=len(self.rows)).astype(float)
        calls, rest = counts[:CALLS] @ self._calls, counts[CALLS:] @ self._rest
        w = len(self.moments)
        answers = factor * calls[:w]
        second = factor**2 * calls[w : 2 * w] + rest[w : 2 * w]
        third = factor**3 * calls[2 * w : 3 * w] + rest[2 * w :]
        return answers + rest[:w], second, third, answers, float(calls[-1])


def _moments(outlook: Outlook) -> Array:
    grid, gained = outlook.grid, float(outlook.anew[-1])
    quantiles = (np.arange(MOMENTS) + 0.5) / MOMENTS * gained
    places = np.searchsorted(outlook.anew, quantiles) if gained > 1e-9 else np.full(MOMENTS, len(grid) - 1)
    near = int(np.ceil(outlook.delay))
    return np.asarray(grid[np.clip(np.concatenate(([near], places)), 1, len(grid) - 1)])


def _judged(attempts: Attempts, grid: Array) -> Array:
    """By chance of a person and time since the answer: the verdicts "person" in each step of the grid."""
    person, machine = (np.concatenate(([0.0], verdicts)) for verdicts in attempts.verdicts())
    edges = np.arange(len(person)) * VERDICT_STEP
    ages = (np.arange(JUDGED_BINS) + 0.5) * VERDICT_STEP
    person_left = np.maximum(1.0 - np.interp(ages, edges, person), 1e-3)
    machine_left = np.maximum(1.0 - np.interp(ages, edges, machine), 1e-3)
    shares = np.linspace(0.0, 1.0, SHARES)[:, None]
    odds = shares * person_left
    still_person = odds / (odds + (1.0 - shares) * machine_left)
    gained = np.diff(np.interp(ages[:, None] + grid[None, :], edges, person), axis=1) / person_left[:, None]
    return np.asarray((still_person[:, :, None] * gained[None, :, :]).reshape(SHARES * JUDGED_BINS, -1))
