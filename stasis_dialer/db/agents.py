"""Agents: the panel's extensions, the sessions from login to logout, and who serves which campaign.

The panel is written only where a telephone's state changed. A session's states are kept as the moments at which they
began, so that the time logged in is their sum whatever was written late, twice or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from stasis_dialer.core.extensions import LONGEST
from stasis_dialer.core.model import AgentSession, AgentState, ConnectMode, ExtensionStatus, LineStatus
from stasis_dialer.db.clock import utc_moment, utc_text
from stasis_dialer.db.database import Database, Statements, placeholders
from stasis_dialer.db.rows import word
from stasis_dialer.errors import Refused

_SESSION_COLUMNS: Final = (
    "session_id, extension, app, connect, state, state_since, pause_reason, campaigns, leg_id, bridge_id, call_id, "
    "logged_in_at, logged_out_at"
)
_SAVE_SESSION: Final = (
    f"INSERT INTO dialer_agent_sessions ({_SESSION_COLUMNS}) VALUES {{rows}} ON DUPLICATE KEY UPDATE "
    "connect = VALUES(connect), state = VALUES(state), state_since = VALUES(state_since), "
    "pause_reason = VALUES(pause_reason), campaigns = VALUES(campaigns), leg_id = VALUES(leg_id), "
    "bridge_id = VALUES(bridge_id), call_id = VALUES(call_id), logged_out_at = VALUES(logged_out_at)"
)
_SAVE_STATE: Final = (
    "INSERT INTO dialer_agent_states (session_id, since, state, pause_reason, call_id) VALUES {rows} "
    "ON DUPLICATE KEY UPDATE state = VALUES(state), pause_reason = VALUES(pause_reason), call_id = VALUES(call_id)"
)
STATE_INTERVALS: Final = (
    "SELECT t.session_id, s.extension, t.state, t.pause_reason, t.call_id, t.since AS started_at, "
    "COALESCE(LEAD(t.since) OVER (PARTITION BY t.session_id ORDER BY t.since), s.logged_out_at) AS ended_at "
    "FROM dialer_agent_states t JOIN dialer_agent_sessions s ON s.session_id = t.session_id"
)
"""A session's states as intervals: each lasts until the next, the last until the logout (open: no end yet)."""


@dataclass(frozen=True, slots=True)
class PanelRow:
    """An extension as the panel shows it."""

    status: ExtensionStatus
    name: str
    last_activity_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class StateInterval:
    """A time that an agent spent in one state; `ended_at` None: still in it."""

    state: AgentState
    started_at: datetime
    ended_at: datetime | None
    pause_reason: str | None = None
    call_id: str | None = None


class Agents:
    """The panel, the agents' sessions and the queues' members."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save_extensions(self, extensions: Sequence[ExtensionStatus], now: datetime) -> None:
        """Write the telephones whose state differs from the panel's, with `now` as their last activity.

        Raises: Refused for a number longer than the panel's column, before anything is written.
        """
        for extension in extensions:
            if not 0 < len(extension.number) <= LONGEST:
                raise Refused(f"the panel takes extensions of 1 to {LONGEST} characters: {extension.number}")
        if not extensions:
            return
        stamp = self._database.clock.text(now)

        async def write(statements: Statements) -> None:
            numbers = [extension.number for extension in extensions]
            sql = (
                "SELECT JSON_ARRAY(number, status_line1, status_line2, registered) FROM painel_ramais "
                f"WHERE number IN ({placeholders(numbers)}) FOR UPDATE"
            )
            stored = {row[0]: _status(row) for row in await statements.rows(sql, *numbers)}
            changed = [extension for extension in extensions if stored.get(extension.number) != extension]
            if changed:
                values = [value for extension in changed for value in _panel_values(extension, stamp)]
                statements.later(
                    "INSERT INTO painel_ramais (number, name, status_line1, status_line2, registered, last_activity) "
                    f"VALUES {', '.join(['(%s, %s, %s, %s, %s, %s)'] * len(changed))} ON DUPLICATE KEY UPDATE "
                    "status_line1 = VALUES(status_line1), status_line2 = VALUES(status_line2), "
                    "registered = VALUES(registered), last_activity = VALUES(last_activity)",
                    *values,
                )

        await self._database.run(write, may_repeat=True)

    async def panel(self) -> list[PanelRow]:
        """All extensions, in order of their numbers."""
        sql = (
            "SELECT JSON_ARRAY(number, status_line1, status_line2, registered, name, last_activity) "
            "FROM painel_ramais ORDER BY number"
        )
        moment = self._database.clock.moment
        return [PanelRow(_status(row), row[4] or "", moment(row[5])) for row in await self._rows(sql)]

    async def is_extension_available(self, number: str) -> bool:
        """The legacy's answer: registered, and line 1 or line 2 free."""
        sql = "SELECT JSON_ARRAY(number, status_line1, status_line2, registered) FROM painel_ramais WHERE number = %s"
        rows = await self._rows(sql, number)
        return bool(rows) and _status(rows[0]).is_available

    async def save_sessions(self, sessions: Iterable[AgentSession]) -> None:
        """Write sessions as they are now, each with the state it is in since `state_since`.

        Every change of state is to be handed over, several of one session in their order; a repeat changes nothing.
        """
        listed = list(sessions)
        if not listed:
            return
        latest = {session.session_id: session for session in listed}
        entered = [session for session in listed if session.state is not AgentState.LOGGED_OFF]

        async def write(statements: Statements) -> None:
            values = [value for session in latest.values() for value in _session_values(session)]
            row = f"({', '.join(['%s'] * 13)})"
            statements.later(_SAVE_SESSION.format(rows=", ".join([row] * len(latest))), *values)
            if entered:
                states = [value for session in entered for value in _state_values(session)]
                rows = ", ".join(["(%s, %s, %s, %s, %s)"] * len(entered))
                statements.later(_SAVE_STATE.format(rows=rows), *states)

        await self._database.run(write, may_repeat=True)

    async def open_sessions(self, app: str) -> list[AgentSession]:
        """Sessions of `app` without a logout: what a restart adopts."""
        return await self._sessions("WHERE app = %s AND logged_out_at IS NULL ORDER BY logged_in_at", app)

    async def get_session(self, session_id: str) -> AgentSession | None:
        """One session, or None."""
        found = await self._sessions("WHERE session_id = %s", session_id)
        return found[0] if found else None

    async def intervals(self, session_id: str) -> list[StateInterval]:
        """A session's states in their order, without gap or overlap."""
        sql = (
            "SELECT JSON_ARRAY(state, started_at, ended_at, pause_reason, call_id) "
            f"FROM ({STATE_INTERVALS} WHERE t.session_id = %s) i ORDER BY started_at"
        )
        return [
            StateInterval(word(AgentState, row[0], AgentState.PAUSED), started, utc_moment(row[2]), row[3], row[4])
            for row in await self._rows(sql, session_id)
            if (started := utc_moment(row[1]))
        ]

    async def set_members(self, campaign_id: int, members: dict[str, int]) -> None:
        """Make these extensions, with their penalties, the campaign's members."""

        async def write(statements: Statements) -> None:
            statements.later("DELETE FROM dialer_queue_members WHERE campaign_id = %s", campaign_id)
            if members:
                values = [
                    value for extension, penalty in members.items() for value in (campaign_id, extension, penalty)
                ]
                rows = ", ".join(["(%s, %s, %s)"] * len(members))
                sql = f"INSERT INTO dialer_queue_members (campaign_id, extension, penalty) VALUES {rows}"
                statements.later(sql, *values)

        await self._database.run(write, may_repeat=True)

    async def members(self) -> dict[int, dict[str, int]]:
        """The members of every campaign that has some, with their penalties."""
        members: dict[int, dict[str, int]] = {}
        sql = "SELECT JSON_ARRAY(campaign_id, extension, penalty) FROM dialer_queue_members ORDER BY penalty, extension"
        for campaign_id, extension, penalty in await self._rows(sql):
            members.setdefault(campaign_id, {})[extension] = penalty
        return members

    async def _sessions(self, rest: str, *values: object) -> list[AgentSession]:
        rows = await self._rows(f"SELECT JSON_ARRAY({_SESSION_COLUMNS}) FROM dialer_agent_sessions {rest}", *values)
        if not rows:
            return []
        ids = [row[0] for row in rows]
        spent: dict[str, dict[str, float]] = {}
        sql = (
            "SELECT JSON_ARRAY(session_id, state, SUM(TIMESTAMPDIFF(MICROSECOND, started_at, ended_at)) DIV 1000) "
            f"FROM ({STATE_INTERVALS} WHERE t.session_id IN ({placeholders(ids)})) i "
            "WHERE ended_at IS NOT NULL GROUP BY session_id, state"
        )
        for session_id, state, milliseconds in await self._rows(sql, *ids):
            spent.setdefault(session_id, {})[state] = int(milliseconds) / 1000
        return [_session(row, spent.get(row[0], {})) for row in rows]

    async def _rows(self, sql: str, *values: object) -> list[list[Any]]:
        return await self._database.run(lambda statements: statements.rows(sql, *values), may_repeat=True)


def _status(row: Sequence[Any]) -> ExtensionStatus:
    unknown = LineStatus.UNREGISTERED
    return ExtensionStatus(row[0], word(LineStatus, row[1], unknown), word(LineStatus, row[2], unknown), bool(row[3]))


def _panel_values(extension: ExtensionStatus, stamp: str | None) -> tuple[object, ...]:
    number, line1, line2 = extension.number, extension.line1.value, extension.line2.value
    return number, number, line1, line2, int(extension.is_registered), stamp


def _session_values(session: AgentSession) -> tuple[object, ...]:
    return (
        session.session_id,
        session.extension,
        session.app,
        session.connect.value,
        session.state.value,
        utc_text(session.state_since or session.logged_in_at),
        session.pause_reason,
        msgspec.json.encode(session.campaigns).decode(),
        session.leg_id,
        session.bridge_id,
        session.call_id,
        utc_text(session.logged_in_at),
        utc_text(session.logged_out_at),
    )


def _state_values(session: AgentSession) -> tuple[object, ...]:
    since = utc_text(session.state_since or session.logged_in_at)
    return session.session_id, since, session.state.value, session.pause_reason, session.call_id


def _session(row: Sequence[Any], seconds: dict[str, float]) -> AgentSession:
    logged_in_at = utc_moment(row[11])
    if logged_in_at is None:
        raise ValueError(f"a session without login: session_id={row[0]}")
    return AgentSession(
        session_id=row[0],
        extension=row[1],
        app=row[2],
        connect=word(ConnectMode, row[3], ConnectMode.ON_DEMAND),
        state=word(AgentState, row[4], AgentState.PAUSED),
        logged_in_at=logged_in_at,
        campaigns=tuple(msgspec.json.decode(row[7], type=list[int])),
        state_since=utc_moment(row[5]),
        pause_reason=row[6],
        leg_id=row[8],
        bridge_id=row[9],
        call_id=row[10],
        logged_out_at=utc_moment(row[12]),
        seconds=seconds,
    )
