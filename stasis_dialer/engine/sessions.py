"""Agents' sessions as the database keeps them, with times that stay what they were.

Guarantees that a moment of a session is written as the same UTC whenever it is written: a wall clock that is set right
during a session moves none of its states, so that its seconds add up.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from stasis_dialer.core.agent import Agent
from stasis_dialer.core.model import AgentSession
from stasis_dialer.engine.clock import Clock

LEAVING: Final = "logout"
"""Kept as the reason of an agent who goes home after the call that is on: a restart must give them no other one."""


class SessionClock:
    """Ties each session's seconds to UTC once: at its login, or when it is found again."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ties: dict[str, tuple[float, datetime]] = {}

    def tie(self, session_id: str, at: float, moment: datetime | None = None) -> None:
        """This session's axis: the second `at` was `moment` (None: as the clock says now)."""
        self._ties[session_id] = (at, moment if moment is not None else self._clock.utc(at))

    def forget(self, session_id: str) -> None:
        """The session is over and written."""
        self._ties.pop(session_id, None)

    def utc(self, session_id: str, at: float) -> datetime:
        """A moment of a session as aware UTC."""
        tie = self._ties.get(session_id)
        if tie is None:
            return self._clock.utc(at)
        return tie[1] + timedelta(seconds=at - tie[0])


def session_of(agent: Agent, app: str, clock: SessionClock) -> AgentSession:
    """The session as the database keeps it."""

    def utc(at: float) -> datetime:
        return clock.utc(agent.session_id, at)

    return AgentSession(
        session_id=agent.session_id,
        extension=agent.extension,
        app=app,
        connect=agent.connect,
        state=agent.state,
        logged_in_at=utc(agent.logged_in_at),
        campaigns=tuple(sorted(agent.chosen)),
        state_since=utc(agent.since),
        pause_reason=agent.pause_reason or agent.wants_pause or (LEAVING if agent.wants_logout else None),
        leg_id=agent.leg_id,
        bridge_id=agent.bridge_id,
        call_id=agent.call_id,
        logged_out_at=utc(agent.logged_out_at) if agent.logged_out_at is not None else None,
        seconds={str(state): seconds for state, seconds in agent.seconds.items()},
    )
