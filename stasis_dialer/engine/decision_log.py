"""Pacing decisions on their way to the database: those that changed anything, with every number that led to them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final, Protocol

import structlog

from stasis_dialer.core.pacing import PacingDecision
from stasis_dialer.db.decisions import PacingDecision as Row
from stasis_dialer.engine.clock import Clock
from stasis_dialer.errors import DatabaseUnavailable

log = structlog.get_logger(__name__)

WRITE_SECONDS: Final = 1.0
MOST: Final = 1000
"""Decisions that wait while the database is away; the oldest go first, because only the latest explain anything."""


class DecisionStore(Protocol):
    """The database as the log needs it."""

    async def write(self, decisions: Sequence[Row]) -> None: ...


class DecisionLog:
    """Gathers decisions and writes them once a second."""

    def __init__(self, clock: Clock, store: DecisionStore) -> None:
        self._clock = clock
        self._store = store
        self._waiting: deque[Row] = deque(maxlen=MOST)
        self._last: dict[int, tuple[str, bool]] = {}
        self._written_at = float("-inf")

    def note(self, campaign_id: int, decision: PacingDecision, reserved: int) -> None:
        """Keep a decision that placed or gave up calls, the first that did not, and each with another reason."""
        is_idle = not (decision.place or decision.cancel)
        last, self._last[campaign_id] = self._last.get(campaign_id), (decision.reason, is_idle)
        if is_idle and last == (decision.reason, is_idle):
            return
        inputs = {"reason": decision.reason, "cancel": len(decision.cancel), **decision.inputs}
        self._waiting.append(Row(campaign_id, self._clock.utc_now(), decision.place, reserved, inputs))

    async def write(self) -> None:
        """Write what waits, once a second at most; a database that is away loses nobody a call."""
        if not self._waiting or self._clock.now() - self._written_at < WRITE_SECONDS:
            return
        self._written_at = self._clock.now()
        rows = list(self._waiting)
        try:
            await self._store.write(rows)
        except DatabaseUnavailable as error:
            log.debug("decisions-wait", why=str(error))
            return
        for _ in rows:
            self._waiting.popleft()
