"""The chance that all agents are taken at a moment to come: a sum of independent yes-or-no's.

Exact for small groups (the product of the generating functions on the unit circle), by mean, variance and skewness for
large ones. Both answer the same question: with n more calls placed now, how likely are at least so many agents needed?
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stasis_dialer.core.pacing.lifetable import Array

ROOT_TWO: Final = math.sqrt(2.0)
ROOT_TWO_PI: Final = math.sqrt(2.0 * math.pi)
LEAST_VARIANCE: Final = 0.02
LARGEST_SKEW: Final = 0.6
"""Beyond it the skewness correction is no longer a distribution."""


class ExactCrowd:
    """For each moment the distribution of how many agents are needed; `rows` hold each call's and agent's chance."""

    def __init__(self, rows: Array, new: Array) -> None:
        self._points = 32 if len(rows) < 24 else 64 if len(rows) < 200 else 256
        lift = _circle(self._points)
        self._base = np.multiply.reduce(1.0 + rows[:, :, None] * lift, axis=0)
        self._new = 1.0 + new[:, None] * lift

    def near(self, seats: int) -> float:
        """The chance that at least `seats` are needed at the very near moment, with no further call."""
        return float(self.chance(0, seats)[0])

    def risk(self, more: int, seats: int) -> float:
        """The same at the moments of a call placed now, on average, when `more` others are placed with it."""
        return float(np.add.reduce(self.chance(more, seats)[1:])) / (len(self._new) - 1)

    def chance(self, more: int, seats: int) -> Array:
        """By moment: the chance that at least `seats` are needed when `more` calls are placed now."""
        if seats <= 0:
            return np.ones(len(self._new))
        if seats >= self._points:
            return np.zeros(len(self._new))
        transform = self._base * self._new**more if more else self._base
        return np.asarray(np.maximum(1.0 - (transform @ _filter(self._points, seats)).real, 0.0))


@lru_cache(maxsize=8)
def _circle(points: int) -> NDArray[np.complex128]:
    """Half of the unit circle's points, less one."""
    return np.asarray(np.exp(2j * np.pi * np.arange(points // 2 + 1) / points) - 1.0)


@lru_cache(maxsize=1024)
def _filter(points: int, seats: int) -> NDArray[np.complex128]:
    """The weights that turn a transform into the chance of fewer than `seats`."""
    frequency = np.arange(points // 2 + 1)
    phases = np.exp(-2j * np.pi * np.outer(frequency, np.arange(seats)) / points)
    weight = np.full(len(frequency), 2.0)
    weight[0] = weight[-1] = 1.0
    return np.asarray(phases.sum(axis=1) * weight / points)


class NormalCrowd:
    """The same by moments; `first`, `second`, `third` are sums of the chances, their squares and cubes, by moment.

    Plain floats: for nine moments they are faster than arrays.
    """

    def __init__(self, first: Array, second: Array, third: Array, new: Array, extra_variance: Array) -> None:
        spread = new * (1.0 - new)
        self._moments: list[tuple[float, ...]] = np.stack(
            (
                first,
                np.maximum(first - second + extra_variance, LEAST_VARIANCE),
                first - 3.0 * second + 2.0 * third,
                new,
                spread,
                spread * (1.0 - 2.0 * new),
            ),
            axis=1,
        ).tolist()

    def near(self, seats: int) -> float:
        """The chance that at least `seats` are needed at the very near moment, with no further call."""
        return _tail(self._moments[0], 0, seats)

    def risk(self, more: int, seats: int) -> float:
        """The same at the moments of a call placed now, on average, when `more` others are placed with it."""
        later = self._moments[1:]
        return sum(_tail(moment, more, seats) for moment in later) / len(later)


def _tail(moment: tuple[float, ...], more: int, seats: int) -> float:
    """The Edgeworth series to the third moment, with a correction for whole numbers."""
    if seats <= 0:
        return 1.0
    mean, variance, third, new, new_variance, new_third = moment
    variance += more * new_variance
    deviation = math.sqrt(variance)
    z = (seats - 0.5 - mean - more * new) / deviation
    skew = min(LARGEST_SKEW, max(-LARGEST_SKEW, (third + more * new_third) / (variance * deviation)))
    density = math.exp(-0.5 * z * z) / ROOT_TWO_PI
    return min(1.0, max(0.0, 0.5 * math.erfc(z / ROOT_TWO) - skew * (1.0 - z * z) * density / 6.0))
