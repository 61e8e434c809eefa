"""The draws of a world: batches from one seeded generator, so that a day can be repeated."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from stasis_dialer.simulate.scenario import Times

BATCH = 2048


class Chance:
    """Uniform numbers and durations. Each use has a stream of its own, made when it is asked for and not when it is
    first drawn from: policies compared meet the same callers.
    """

    def __init__(self, seed: int) -> None:
        self._seeds = np.random.SeedSequence(seed)

    def uniform(self) -> Iterator[float]:
        """Numbers from 0 to 1."""
        return _uniform(self._generator())

    def times(self, times: Times) -> Iterator[float]:
        """Durations in seconds."""
        return _durations(times, self._generator())

    def _generator(self) -> np.random.Generator:
        return np.random.default_rng(self._seeds.spawn(1)[0])


def _uniform(generator: np.random.Generator) -> Iterator[float]:
    while True:
        yield from generator.random(BATCH).tolist()


def _durations(times: Times, generator: np.random.Generator) -> Iterator[float]:
    if times.samples:
        samples = np.asarray(times.samples)
        while True:
            yield from generator.choice(samples, BATCH).tolist()
    sigma = math.sqrt(math.log1p(times.cv**2))
    mu = math.log(times.mean) - sigma**2 / 2.0
    while True:
        yield from generator.lognormal(mu, sigma, BATCH).tolist()
