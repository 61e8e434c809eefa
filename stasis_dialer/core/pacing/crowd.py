"""The chance that all agents are taken at a moment to come: a sum of independent yes-or-no's.

Exact for small groups (the product of the generating functions on the unit circle), by mean, variance and skewness for
large ones. Both answer the same question: with n more calls placed now, how likely are at least so many agents needed?
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stasis_dialer.core.pacing.lifetable import Array, normal

LARGEST_SKEW: Final = 0.6
"""Beyond it the skewness correction is no longer a distribution."""


class ExactCrowd:
    """For each moment the distribution of how many agents are needed; `rows` hold each call's and agent's chance."""

    def __init__(self, rows: Array, new: Array) -> None:
        self._points = 32 if len(rows) < 24 else 64 if len(rows) < 200 else 256
        lift = _circle(self._points)
        self._base = np.multiply.reduce(1.0 + rows[:, :, None] * lift, axis=0)
        self._new = 1.0 + new[:, None] * lift

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
    """The same by moments; `first`, `second`, `third` are sums of the chances, their squares and cubes, by moment."""

    def __init__(self, first: Array, second: Array, third: Array, new: Array, extra_variance: Array) -> None:
        self._mean = first
        self._variance = np.maximum(first - second + extra_variance, 0.02)
        self._third = first - 3.0 * second + 2.0 * third
        self._new = new
        self._new_variance = new * (1.0 - new)
        self._new_third = self._new_variance * (1.0 - 2.0 * new)

    def chance(self, more: int, seats: int) -> Array:
        """By moment: the chance that at least `seats` are needed when `more` calls are placed now."""
        if seats <= 0:
            return np.ones(len(self._new))
        variance = self._variance + more * self._new_variance
        deviation = np.sqrt(variance)
        z = (seats - 0.5 - self._mean - more * self._new) / deviation
        skew = (self._third + more * self._new_third) / (variance * deviation)
        skew = np.maximum(np.minimum(skew, LARGEST_SKEW), -LARGEST_SKEW)
        squared = z * z
        below, density = normal(z, squared)
        chance = 1.0 - below - skew * (1.0 - squared) * density / 6.0
        return np.maximum(np.minimum(chance, 1.0), 0.0)
