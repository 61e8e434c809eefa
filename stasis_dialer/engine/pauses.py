"""Pauses that last longer than their reason allows: flagged for supervisors, and logged once."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import structlog

from stasis_dialer.core.agent import Agent
from stasis_dialer.core.model import AgentState
from stasis_dialer.core.pauses import PauseReasons

log = structlog.get_logger(__name__)


class PauseWatch:
    """Looks at the paused agents each second."""

    def __init__(self, now: Callable[[], float], reasons: PauseReasons) -> None:
        self._now = now
        self.reasons = reasons
        self._told: set[tuple[str, float]] = set()

    def is_over(self, agent: Agent) -> bool:
        """Whether the agent's pause is longer than its reason allows."""
        if agent.state is not AgentState.PAUSED:
            return False
        limit = self.reasons.limit_seconds(agent.pause_reason)
        return limit is not None and self._now() - agent.since > limit

    def look(self, agents: Iterable[Agent]) -> None:
        """Tell of each pause that is over its limit, once."""
        over = {(agent.session_id, agent.since): agent for agent in agents if self.is_over(agent)}
        for key, agent in over.items():
            if key not in self._told:
                log.warning(
                    "pause-over-its-limit",
                    agent=agent.extension,
                    reason=agent.pause_reason,
                    limit_seconds=self.reasons.limit_seconds(agent.pause_reason),
                )
        self._told = set(over)
