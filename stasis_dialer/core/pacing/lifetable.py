"""How likely something ends at its age, learned from the finished and the unfinished alike.

For each age: how many were still going on (at risk) and how many ended then, by cause. Those still going on count as
at risk, so the first seconds of a day, when only the short ones are finished, do not mislead. Old ends are forgotten
evenly. No hazard leaves its clamp: an end at an age hardly ever seen says little.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from stasis_dialer.core.pacing.saved import number, table

Array = NDArray[np.float64]

LARGEST_HAZARD: Final = 0.98
"""The most that may end in one bin of those that reached it; a share."""
UNSEEN: Final = 0.5
"""Counted as at risk at every age beside those seen, and ending at the mean rate: one end at an age hardly ever seen
proves little, and what was never seen to end does not last for ever."""


class LifeTable:
    """Ends by age and cause.

    Units: `edges` seconds, rising from 0; the last bin is open.
    """

    def __init__(self, edges: Array, causes: int, memory: float) -> None:
        self.edges = edges
        self.bins = len(edges) - 1
        self._widths = np.diff(edges)
        self._memory = memory
        self._at_risk: Array = np.zeros(self.bins)
        self._ended: Array = np.zeros((causes, self.bins))
        self._prior_risk: Array = np.zeros(self.bins)
        self._prior_ended: Array = np.zeros((causes, self.bins))
        self._new = 0
        self.finished = 0.0

    def assume(self, weight: float, ends: Array) -> None:
        """Begin as if `weight` had been seen; `ends[cause][bin]` is the share of them that ended there."""
        left = 1.0 - np.concatenate(([0.0], np.cumsum(ends.sum(axis=0))))
        self._prior_risk = weight * np.maximum(0.0, left[:-1])
        self._prior_ended = weight * ends

    def bin_of(self, age: float) -> int:
        """The bin of an age."""
        return min(max(int(np.searchsorted(self.edges, age, side="right")) - 1, 0), self.bins - 1)

    def ended(self, age: float, cause: int | None) -> None:
        """One ended at this age; cause None: it went out of sight."""
        index = self.bin_of(age)
        self._at_risk[:index] += 1.0
        if cause is None:
            width = self.edges[index + 1] - self.edges[index]
            self._at_risk[index] += min(1.0, max(0.0, (age - self.edges[index]) / width))
            return
        self._at_risk[index] += 1.0
        self._ended[cause, index] += 1.0
        self._new += 1
        self.finished += 1.0

    def seen(self, cause: int) -> float:
        """Ends by a cause that were seen, less those forgotten."""
        return float(self._ended[cause].sum())

    def hazards(self, ages: Array) -> Array:
        """For each cause and bin the share of those that reach the bin that ends in it; `ages` are still going on.

        Folds in what was learned since the last time, and forgets.
        """
        if self._new:
            keep = (1.0 - 1.0 / self._memory) ** self._new
            for counts in (self._at_risk, self._ended, self._prior_risk, self._prior_ended):
                counts *= keep
            self.finished *= keep
            self._new = 0
        risk = self._at_risk + self._prior_risk + self._still(ages)
        ended = self._ended + self._prior_ended
        rate = ended.sum(axis=1) / max(1e-9, float((risk * self._widths).sum()))
        ended = ended + UNSEEN * -np.expm1(-rate[:, None] * self._widths)
        total = ended.sum(axis=0)
        share = np.minimum(total / (risk + UNSEEN), LARGEST_HAZARD)
        return np.asarray(ended * (share / np.maximum(total, 1e-12)))

    def _still(self, ages: Array) -> Array:
        if not len(ages):
            return np.zeros(self.bins)
        at = np.clip(np.searchsorted(self.edges, ages, side="right") - 1, 0, self.bins - 1)
        reached = np.bincount(at, minlength=self.bins).astype(float)
        beyond = np.cumsum(reached[::-1])[::-1] - reached
        inside = np.clip((ages - self.edges[at]) / (self.edges[at + 1] - self.edges[at]), 0.0, 1.0)
        return np.asarray(beyond + np.bincount(at, weights=inside, minlength=self.bins))

    def snapshot(self) -> dict[str, Any]:
        """What was learned, as plain values."""
        return {
            "at_risk": _plain(self._at_risk + self._prior_risk),
            "ended": [_plain(row) for row in self._ended + self._prior_ended],
            "finished": self.finished,
            "new": self._new,
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Go on from what was saved.

        Raises: ValueError when it was saved by a table of another shape, or is spoilt.
        """
        self._at_risk = table(saved["at_risk"], "at_risk", self._at_risk.shape)
        self._ended = table(saved["ended"], "ended", self._ended.shape)
        self._prior_risk, self._prior_ended = np.zeros_like(self._at_risk), np.zeros_like(self._ended)
        self.finished, self._new = number(saved["finished"], "finished"), int(number(saved["new"], "new"))


def _plain(values: Array) -> list[float]:
    return [round(float(value), 4) for value in values]


def lognormal_shares(edges: Array, mean: float, cv: float) -> Array:
    """The share of a lognormal duration that falls in each bin; the last bin takes the rest."""
    sigma = float(np.sqrt(np.log1p(cv * cv)))
    mu = float(np.log(mean)) - sigma * sigma / 2.0
    z = (np.log(np.maximum(edges, 1e-9)) - mu) / sigma
    below = _normal(z)
    below[-1] = 1.0
    return np.diff(below)


def _normal(z: Array) -> Array:
    return np.array([0.5 * math.erfc(-value / math.sqrt(2.0)) for value in z.tolist()])
