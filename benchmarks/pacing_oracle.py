"""A pacer that knows more than any dialer can: which calls in flight a person will answer, and when.

It decides as `predictive` does, but with those instants in the place of chances; what a call not yet placed will do and
when agents will be free it has to guess as well. The distance to it is what knowing the calls in flight would be worth.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from stasis_dialer.core.pacing import PacingLimits, PacingView
from stasis_dialer.core.pacing.crowd import ExactCrowd, NormalCrowd
from stasis_dialer.core.pacing.predictive import EXACT_AGENTS, LARGEST_CHANCE, PredictivePacer
from stasis_dialer.core.pacing.tables import Tables
from stasis_dialer.simulate import Scenario
from stasis_dialer.simulate.run import _ANSWER, _Day

ORACLE = "oracle"
NEVER = 1e9


class Oracle(PredictivePacer):
    """`predictive` with the answers of the calls in flight known; it gives no call up."""

    def __init__(self, limits: PacingLimits) -> None:
        super().__init__(limits)
        self.answers_at: dict[str, float] = {}

    def _crowd(self, view: PacingView, tables: Tables) -> Any:
        places = tables.places(view, self._ledger.person_shares(view.detecting_since, 0.0))
        in_flight = [*view.dialling_since, *view.ringing_since, *view.detecting_since]
        calls, judged = len(view.dialling_since) + len(view.ringing_since), len(view.detecting_since)
        self._pass(view.now, float(tables.expected[places[:calls]].sum()))
        asks = np.array([self.answers_at.get(call, NEVER) for call in in_flight]) + tables.outlook.delay - view.now
        since = tables.moments[None, :] - np.maximum(asks, 0.0)[:, None]
        agents = tables.rows[places[calls : len(places) - judged]]
        rows = np.concatenate((agents, np.where(since >= 0.0, tables.hold(np.maximum(since, 0.0)), 0.0)))
        new = np.minimum(tables.new * self._answers.factor, LARGEST_CHANCE)
        if view.agents_logged_in <= EXACT_AGENTS:
            return ExactCrowd(rows, new)
        return NormalCrowd(rows.sum(0), (rows**2).sum(0), (rows**3).sum(0), new, np.zeros(len(new)))


class KnowingDay(_Day):
    """A day that tells its oracle of each answer to come."""

    def at(self, when: float, kind: int, what: Any = None) -> None:
        if kind == _ANSWER and what.person:
            self.pacer.answers_at[what.id] = when
        super().at(when, kind, what)


def oracle_day(world: Scenario, limits: PacingLimits, seed: int) -> Any:
    """One seeded day of the oracle."""
    result = KnowingDay(world, Oracle(limits), limits, seed, keep_log=False).run()
    result.mode = ORACLE
    return result
