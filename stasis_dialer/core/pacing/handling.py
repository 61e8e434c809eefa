"""When the agents who are busy will be free again: life tables of talk and wrap-up.

An agent's talk so far says how soon it may end; a whole wrap-up follows it, for the share of talks that have one.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from stasis_dialer.core.pacing.lifetable import Array, LifeTable, lognormal_shares
from stasis_dialer.core.pacing.saved import number

EDGES: Final[Array] = np.concatenate((np.arange(0.0, 12.0), np.geomspace(12.0, 14_400.0, 40)))
"""Seconds; narrow at first, where quick hang-ups and wrap-ups end."""
MEMORY: Final = 1200.0
"""Ends after which what was seen before counts 1/e."""
PRIOR_TALKS: Final = 8.0
PRIOR_WRAP_UP_MEAN: Final = 15.0
STEP: Final = 2.0
"""Seconds; the grid on which a talk's end and the wrap-up after it are put together."""


class Handling:
    """What is known of the agents' talks and wrap-ups."""

    def __init__(self, average_call_time: float) -> None:
        self.talk = LifeTable(EDGES, 1, MEMORY)
        self.wrap_up = LifeTable(EDGES, 1, MEMORY)
        self.talk.assume(PRIOR_TALKS, lognormal_shares(EDGES, average_call_time, 1.0)[None, :])
        self.wrap_up.assume(PRIOR_TALKS, lognormal_shares(EDGES, PRIOR_WRAP_UP_MEAN, 0.7)[None, :])
        self._talks_ended = PRIOR_TALKS
        self._wrap_ups_ended = PRIOR_TALKS
        self.mean_seconds = average_call_time + PRIOR_WRAP_UP_MEAN

    @property
    def talks_seen(self) -> float:
        """Talks whose end was seen."""
        return self.talk.seen(0)

    def talk_ended(self, seconds: float) -> None:
        """A talk of this length ended."""
        self.talk.ended(seconds, 0)
        keep = 1.0 - 1.0 / MEMORY
        self._talks_ended = self._talks_ended * keep + 1.0
        self._wrap_ups_ended *= keep

    def wrap_up_ended(self, seconds: float) -> None:
        """A wrap-up of this length ended."""
        self.wrap_up.ended(seconds, 0)
        self._wrap_ups_ended += 1.0

    def still_busy(self, talks: Array, wrap_ups: Array, times: Array) -> tuple[Array, Array, Array]:
        """The chance to be still busy after each of `times`: by bin of a talk's age, by bin of a wrap-up's, and anew.

        `talks` and `wrap_ups` are the ages of those going on. The third is a call that begins now.
        """
        wrap_hazard = self.wrap_up.hazards(wrap_ups)[0]
        wrap_left = _survival(wrap_hazard, times)
        hazard = self.talk.hazards(talks)[0]
        self.mean_seconds = _mean(hazard)
        share = min(1.0, (self._wrap_ups_ended + len(wrap_ups)) / self._talks_ended)
        grid = np.arange(0.0, float(times[-1]) + STEP, STEP)
        talk_left = _survival(hazard, grid)
        ends = -np.diff(talk_left, axis=1)
        after = times[None, :] - (grid[:-1] + STEP / 2.0)[:, None]
        fresh_wrap = _survival_from_zero(wrap_hazard, np.maximum(after, 0.0))
        in_wrap = ends @ np.where(after > 0.0, share * fresh_wrap, 0.0)
        still_talking = _survival(hazard, times)
        talk_busy = np.clip(still_talking + in_wrap, 0.0, 1.0)
        self.mean_seconds += share * _mean(wrap_hazard)
        return talk_busy, np.clip(wrap_left, 0.0, 1.0), talk_busy[0]

    def snapshot(self) -> dict[str, Any]:
        """What was learned, as plain values."""
        return {
            "talk": self.talk.snapshot(),
            "wrap_up": self.wrap_up.snapshot(),
            "talks_ended": self._talks_ended,
            "wrap_ups_ended": self._wrap_ups_ended,
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Go on from what was saved.

        Raises: ValueError when it is spoilt.
        """
        self.talk.restore(saved["talk"])
        self.wrap_up.restore(saved["wrap_up"])
        self._talks_ended = number(saved["talks_ended"], "talks_ended", 1e-3)
        self._wrap_ups_ended = number(saved["wrap_ups_ended"], "wrap_ups_ended")


def _cumulative(hazard: Array) -> Array:
    return np.concatenate(([0.0], np.cumsum(-np.log1p(-hazard))))


def _survival(hazard: Array, times: Array) -> Array:
    """By bin of the age so far (its middle) and time to come, the chance to go on."""
    cumulative = _cumulative(hazard)
    middle = (EDGES[:-1] + EDGES[1:]) / 2.0
    middle[0] = 0.0
    reached = np.interp(middle, EDGES, cumulative)
    later = np.interp(middle[:, None] + times[None, :], EDGES, cumulative)
    return np.asarray(np.exp(reached[:, None] - later))


def _survival_from_zero(hazard: Array, times: Array) -> Array:
    return np.asarray(np.exp(-np.interp(times, EDGES, _cumulative(hazard))))


def _mean(hazard: Array) -> float:
    """The mean duration."""
    left = np.exp(-_cumulative(hazard))
    return float(np.sum((left[:-1] + left[1:]) / 2.0 * np.diff(EDGES)))
