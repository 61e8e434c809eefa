"""The chance that all agents are taken at a moment to come: a sum of independent yes-or-no's.

Exact for small groups (the product of the generating functions on the unit circle), by mean, variance and skewness for
large ones. Both answer the same question: with n more calls placed now, how likely are at least so many agents needed?
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stasis_dialer.core.pacing.lifetable import Array, normal_cdf

LARGEST_SKEW: Final = 0.6
"""Beyond it the skewness correction is no longer a distribution."""


class ExactCrowd:
    """For each moment the distribution of how many agents are needed; `rows` hold each call's and agent's chance."""

    def __init__(self, rows: Array, new: Array) -> None:
        points = 32 if len(rows) < 24 else 64 if len(rows) < 200 else 256
        self._points = points
        self._lift = np.exp(2j * np.pi * np.arange(points // 2 + 1) / points) - 1.0
        self._base = _product(rows, self._lift)
        self._new = 1.0 + new[:, None] * self._lift
        self._filters: dict[int, NDArray[np.complex128]] = {}

    def chance(self, more: int, seats: int) -> Array:
        """By moment: the chance that at least `seats` are needed when `more` calls are placed now."""
        if seats <= 0:
            return np.ones(len(self._new))
        if seats >= self._points:
            return np.zeros(len(self._new))
        transform = self._base * self._new**more if more else self._base
        return np.clip(1.0 - (transform @ self._filter(seats)).real, 0.0, 1.0)

    def _filter(self, seats: int) -> NDArray[np.complex128]:
        found = self._filters.get(seats)
        if found is None:
            frequency = np.arange(self._points // 2 + 1)
            phases = np.exp(-2j * np.pi * np.outer(frequency, np.arange(seats)) / self._points)
            weight = np.full(len(frequency), 2.0)
            weight[0] = weight[-1] = 1.0
            found = self._filters[seats] = phases.sum(axis=1) * weight / self._points
        return found


def _product(rows: Array, lift: NDArray[np.complex128]) -> NDArray[np.complex128]:
    if not len(rows):
        return np.ones((rows.shape[1], len(lift)), dtype=np.complex128)
    return np.asarray(np.multiply.reduce(1.0 + rows[:, :, None] * lift, axis=0))


class NormalCrowd:
    """The same by moments; `first`, `second`, `third` are sums of the chances, their squares and cubes, by moment."""

    def __init__(self, first: Array, second: Array, third: Array, new: Array, extra_variance: Array) -> None:
        self._mean = first
        self._variance = first - second + extra_variance
        self._third = first - 3.0 * second + 2.0 * third
        self._new = new
        self._new_variance = new * (1.0 - new)
        self._new_third = self._new_variance * (1.0 - 2.0 * new)

    def chance(self, more: int, seats: int) -> Array:
        """By moment: the chance that at least `seats` are needed when `more` calls are placed now."""
        if seats <= 0:
            return np.ones(len(self._new))
        variance = np.maximum(self._variance + more * self._new_variance, 0.02)
        deviation = np.sqrt(variance)
        z = (seats - 0.5 - self._mean - more * self._new) / deviation
        skew = np.clip((self._third + more * self._new_third) / (variance * deviation), -LARGEST_SKEW, LARGEST_SKEW)
        density = np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
        return np.clip(1.0 - normal_cdf(z) - skew * (1.0 - z * z) * density / 6.0, 0.0, 1.0)
