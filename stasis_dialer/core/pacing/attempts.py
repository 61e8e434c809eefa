"""What becomes of the calls in flight: life tables of dialling and ringing, and the verdict on an answer.

An attempt is dialling (age since placed), ringing (age since it rings) or answered and not yet judged. From the tables
comes, for each age, the chance that a person answers and asks for an agent within a time.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from stasis_dialer.core.pacing.lifetable import Array, LifeTable, lognormal_shares
from stasis_dialer.core.pacing.saved import flag, table

STEP: Final = 0.5
BINS: Final = 160
EDGES: Final[Array] = np.arange(BINS + 1, dtype=np.float64) * STEP
"""Seconds; older calls share the last bin."""
MEMORY: Final = 1500.0
"""Attempts after which what was seen before counts 1/e; what changes sooner is followed by the answer rate's factor."""
PRIOR_CALLS: Final = 15.0
PRIOR_ANSWER: Final = 0.35
VERDICT_STEP: Final = 0.25
VERDICT_BINS: Final = 48
PERSON_GROUP: Final = 4
"""Bins of ringing age that share one estimate of people among the answers: 2 s."""

RANG, ANSWERED, ENDED = 0, 1, 2
_SMOOTH: Final[Array] = np.array([1.0, 2.0, 3.0, 2.0, 1.0]) / 9.0


class Attempts:
    """What is known of the calls of a campaign."""

    def __init__(self) -> None:
        self.dialling = LifeTable(EDGES, 3, MEMORY)
        self.ringing = LifeTable(EDGES, 3, MEMORY)
        self.dialling.assume(PRIOR_CALLS, _prior_dialling())
        self.ringing.assume(PRIOR_CALLS, _prior_ringing())
        self._people = np.full((2, BINS // PERSON_GROUP), 0.0)
        self._machines = np.full((2, BINS // PERSON_GROUP), 0.0)
        self._person_verdicts = 3.0 * _verdict_prior(1.8)
        self._machine_verdicts = 3.0 * _verdict_prior(3.5)
        self.machines_seen = False

    @property
    def answers_seen(self) -> float:
        """Answers whose time was seen."""
        return self.dialling.seen(ANSWERED) + self.ringing.seen(ANSWERED)

    def judged(self, is_person: bool, was_ringing: bool, ring_age: float, age: float) -> None:
        """An answer at this ringing (or dialling) age was judged a person or a machine, `age` after it."""
        keep = 1.0 - 1.0 / MEMORY
        group = min(max(int(ring_age / (STEP * PERSON_GROUP)), 0), BINS // PERSON_GROUP - 1)
        bin_ = min(max(int(age / VERDICT_STEP), 0), VERDICT_BINS - 1)
        self._people *= keep
        self._machines *= keep
        if is_person:
            self._person_verdicts *= keep
            self._person_verdicts[bin_] += 1.0
            self._people[int(was_ringing), group] += 1.0
        else:
            self._machine_verdicts *= keep
            self._machine_verdicts[bin_] += 1.0
            self._machines[int(was_ringing), group] += 1.0
            self.machines_seen = True

    def person_shares(self) -> Array:
        """Of those who answer, the share of people: by dialling (0) or ringing (1), and bin of age."""
        people, machines = self._people, self._machines
        near_people = _with_neighbours(people)
        near_machines = _with_neighbours(machines)
        overall = (people.sum() + 4.0) / (people.sum() + machines.sum() + 5.0)
        share = (near_people + 2.0 * overall) / (near_people + near_machines + 2.0)
        return np.asarray(np.repeat(share, PERSON_GROUP, axis=1))

    def verdicts(self) -> tuple[Array, Array]:
        """The chance that a person's, and a machine's, verdict has come by the end of each bin of age."""
        person, machine = self._person_verdicts, self._machine_verdicts
        return np.cumsum(person) / person.sum(), np.cumsum(machine) / machine.sum()

    def verdict_delay(self) -> float:
        """The mean time from a person's answer to the verdict."""
        weights = self._person_verdicts
        return float((weights * (np.arange(VERDICT_BINS) + 0.5)).sum() / weights.sum() * VERDICT_STEP)

    def snapshot(self) -> dict[str, Any]:
        """What was learned, as plain values."""
        return {
            "dialling": self.dialling.snapshot(),
            "ringing": self.ringing.snapshot(),
            "people": self._people.round(4).tolist(),
            "machines": self._machines.round(4).tolist(),
            "person_verdicts": self._person_verdicts.round(4).tolist(),
            "machine_verdicts": self._machine_verdicts.round(4).tolist(),
            "machines_seen": self.machines_seen,
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Go on from what was saved.

        Raises: ValueError when it has another shape, or is spoilt.
        """
        self.dialling.restore(saved["dialling"])
        self.ringing.restore(saved["ringing"])
        for name in ("people", "machines", "person_verdicts", "machine_verdicts"):
            setattr(self, f"_{name}", table(saved[name], name, getattr(self, f"_{name}").shape))
        if not (self._person_verdicts.sum() > 0.0 and self._machine_verdicts.sum() > 0.0):
            raise ValueError("a spoilt snapshot: there are no verdicts")
        self.machines_seen = flag(saved["machines_seen"], "machines_seen")


class Outlook:
    """From now on, by age: the chance that a call has reached a person and a verdict by each time of a grid.

    `give_up` is the ringing age from which a call can be given up at will: its later answers count only as far as the
    next second, since no one has to wait for them. None: never.
    """

    LOOK: Final = 1.0
    GRID: Final = 1.0

    def __init__(self, attempts: Attempts, dialling: Array, ringing: Array, give_up: float | None) -> None:
        self.delay = attempts.verdict_delay()
        shares = attempts.person_shares()
        dial, ring = attempts.dialling.hazards(dialling), attempts.ringing.hazards(ringing)
        ring[ANSWERED] = _smoothed(ring[ANSWERED])
        self.dial_rate = dial[ANSWERED] * shares[0] / STEP
        self.ring_rate = ring[ANSWERED] * shares[1] / STEP
        self.share_by_age = shares
        ring_left, answered = _course(ring, shares[1])
        self._ring_left, self._answered = ring_left, np.concatenate(([0.0], np.cumsum(answered)))
        dial_left, dial_answered = _course(dial, shares[0])
        self._dial_left, self._dial_answered = dial_left, dial_answered
        self._rang = dial_left[:-1] * dial[RANG]
        self._give_up = give_up
        longest = self._longest()
        self.grid = np.arange(0.0, longest + self.GRID, self.GRID)
        self.from_ringing = self._by_ringing_age(self.grid)
        self.from_dialling = self._by_dialling_age(self.grid)
        self.anew = self.from_dialling[0]
        """For a call placed now."""

    def _longest(self) -> float:
        """The time after which hardly any of the calls placed now is still open."""
        total = self._answered[-1]
        ring = float(np.searchsorted(self._answered, 0.98 * total)) * STEP if total > 0.0 else 30.0
        if self._give_up is not None:
            ring = min(ring, self._give_up + self.LOOK)
        rang = np.cumsum(self._rang)
        dial = float(np.searchsorted(rang, 0.9 * rang[-1])) * STEP if rang[-1] > 0.0 else 0.0
        return float(np.clip(dial + ring + self.delay + 1.0, 6.0, 60.0))

    def _by_ringing_age(self, times: Array) -> Array:
        ages = EDGES[:-1]
        until = ages[:, None] + np.maximum(times[None, :] - self.delay, 0.0)
        if self._give_up is not None:
            until = np.minimum(until, np.maximum(self._give_up, ages[:, None] + self.LOOK))
        gained = np.interp(until, EDGES, self._answered) - self._answered[:-1, None]
        return _chance(gained / np.maximum(self._ring_left[:-1, None], 1e-6))

    def _by_dialling_age(self, times: Array) -> Array:
        """A dialling call first rings, or is answered without a ring that is heard of."""
        mass = np.cumsum(self._rang + self._dial_answered)
        steps = np.arange(1 + int(np.searchsorted(mass, 0.9999 * mass[-1])))
        later = np.maximum(times[None, :] - (steps * STEP)[:, None], 0.0)
        until = np.maximum(later - self.delay, 0.0)
        if self._give_up is not None:
            until = np.minimum(until, self._give_up)
        by_ringing = np.interp(until, EDGES, self._answered)
        at_once = (later >= self.delay) * 1.0
        index = np.minimum(np.arange(BINS)[:, None] + steps[None, :], BINS)
        rang = np.concatenate((self._rang, [0.0]))[index]
        answered = np.concatenate((self._dial_answered, [0.0]))[index]
        gained = rang @ by_ringing + answered @ at_once
        return _chance(gained / np.maximum(self._dial_left[:-1, None], 1e-6))


def _chance(values: Array) -> Array:
    return np.asarray(np.clip(values, 0.0, 1.0))


def _course(hazards: Array, person_share: Array) -> tuple[Array, Array]:
    """By bin: the share that reaches it, and the share of people that answer in it."""
    left = np.concatenate(([1.0], np.cumprod(1.0 - np.minimum(hazards.sum(axis=0), 0.98))))
    return left, left[:-1] * hazards[ANSWERED] * person_share


def _smoothed(hazard: Array) -> Array:
    padded = np.concatenate((hazard[:1], hazard[:1], hazard, hazard[-1:], hazard[-1:]))
    return np.asarray(np.convolve(padded, _SMOOTH, mode="valid"))


def _with_neighbours(counts: Array) -> Array:
    near = counts.copy()
    near[:, 1:] += 0.5 * counts[:, :-1]
    near[:, :-1] += 0.5 * counts[:, 1:]
    return near


def _verdict_prior(mean: float) -> Array:
    return lognormal_shares(np.arange(VERDICT_BINS + 1, dtype=np.float64) * VERDICT_STEP, mean, 0.4)


def _prior_dialling() -> Array:
    rang = lognormal_shares(EDGES, 2.5, 0.6)
    failed = lognormal_shares(EDGES, 2.0, 0.5)
    return np.stack((0.9 * rang, np.zeros(BINS), 0.1 * failed))


def _prior_ringing() -> Array:
    answered = lognormal_shares(EDGES, 12.0, 0.6)
    ended = lognormal_shares(EDGES, 30.0, 0.1)
    share = PRIOR_ANSWER / 0.9
    return np.stack((np.zeros(BINS), share * answered, (1.0 - share) * ended))
