"""The tables one decision reads: by age of a call or of an agent's work, the chance to hold an agent at moments to come.

Built every few seconds from what was learned; a decision then only looks up and adds. The moments are those at which
a call placed now would ask for an agent, with their weights, and first of all the very near one.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from stasis_dialer.core.pacing.attempts import VERDICT_STEP, Attempts, Outlook
from stasis_dialer.core.pacing.handling import Handling
from stasis_dialer.core.pacing.lifetable import Array

MOMENTS: Final = 10
"""Moments at which a call placed now is expected to ask for an agent, each as likely as the others."""


class Tables:
    """What a decision looks up. `wait` is how long one who asks can be kept, seconds."""

    def __init__(
        self, attempts: Attempts, handling: Handling, outlook: Outlook, ages: tuple[Array, Array], wait: float
    ):
        self.outlook = outlook
        grid = outlook.grid
        gained = outlook.anew[-1]
        quantiles = (np.arange(MOMENTS) + 0.5) / MOMENTS * gained
        places = np.searchsorted(outlook.anew, quantiles) if gained > 1e-9 else np.full(MOMENTS, len(grid) - 1)
        near = int(np.ceil(outlook.delay))
        self.moments = grid[np.clip(np.concatenate(([near], places)), 1, len(grid) - 1)]
        """The near moment, then those of a new call."""
        times = np.concatenate((np.arange(0.0, grid[-1] + wait + 2.0, 1.0),))
        _, _, fresh = handling.still_busy(ages[0], ages[1], times)
        talk, wrap_up, _ = handling.still_busy(ages[0], ages[1], self.moments + wait)
        self.talk, self.wrap_up = talk, wrap_up
        began = grid[:-1] + outlook.GRID / 2.0
        since = self.moments[None, :] - began[:, None]
        self._hold = np.where(since > 0.0, np.interp(np.maximum(since, 0.0) + wait, times, fresh), 0.0)
        self.ringing = np.diff(outlook.from_ringing, axis=1) @ self._hold
        self.dialling = np.diff(outlook.from_dialling, axis=1) @ self._hold
        self.new = self.dialling[0]
        self.answer_chance = float(gained)
        person, machine = attempts.verdicts()
        edges = np.arange(len(person) + 1) * VERDICT_STEP
        self._edges = edges
        self._person = np.concatenate(([0.0], person))
        self._machine = np.concatenate(([0.0], machine))
        self.powers = {
            name: np.concatenate((table, table**2, table**3), axis=1)
            for name, table in (
                ("talk", self.talk), ("wrap_up", self.wrap_up), ("ringing", self.ringing), ("dialling", self.dialling),
            )
        }  # fmt: skip

    def detecting(self, ages: Array, person_shares: Array) -> Array:
        """A row for each answer that is not judged yet: its chance to be a person, given that the verdict lasts."""
        person_left = np.maximum(1.0 - np.interp(ages, self._edges, self._person), 1e-3)
        machine_left = np.maximum(1.0 - np.interp(ages, self._edges, self._machine), 1e-3)
        odds = person_shares * person_left
        person = odds / (odds + (1.0 - person_shares) * machine_left)
        later = np.interp(ages[:, None] + self.outlook.grid[None, :], self._edges, self._person)
        gained = np.diff(later, axis=1) / person_left[:, None]
        return np.asarray(np.clip(person[:, None] * (gained @ self._hold), 0.0, 1.0))
