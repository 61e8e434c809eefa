"""A campaign's history for the simulator: counts and samples, made by the database, never the log as a whole.

Samples are every k-th call by a hash of its id: even over the days, the same at each reading, and bounded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from stasis_dialer.core.history import CallHistory, HourOfLog
from stasis_dialer.core.model import AgentState
from stasis_dialer.db.clock import utc_moment, utc_text
from stasis_dialer.db.database import Database

SAMPLES: Final = 2000
"""Durations kept of each kind: their mean is then within 3 % where they vary as much as they are long."""

LEAST_SPAN_SECONDS: Final = 60
"""An hour with dialling of so short a time is taken to have had so much."""

SESSIONS: Final = 100
"""Agents' sessions that are looked at for wrap-ups."""

_PERSON: Final = "disposition IN ('answered', 'abandoned')"
_MACHINE: Final = "disposition IN ('machine', 'voicemail')"
_RANG_OUT: Final = "disposition = 'no_answer'"
_CALLS: Final = (
    "FROM discador_chamadas WHERE campaign_id = %s AND start_time >= %s AND start_time < %s AND dialled_at IS NOT NULL "
    "AND direction = 'outbound' AND disposition IS NOT NULL AND disposition <> 'error'"
)
_OVERLAPS: Final = "s.logged_in_at < %s AND (s.logged_out_at IS NULL OR s.logged_out_at > %s)"
_TALKS: Final = (
    "SELECT t.state, t.call_id, LEAD(t.state) OVER w AS next_state, LEAD(t.since) OVER w AS next_at, "
    "COALESCE(LEAD(t.since, 2) OVER w, s.logged_out_at) AS after_that FROM dialer_agent_states t "
    f"JOIN dialer_agent_sessions s ON s.session_id = t.session_id WHERE {_OVERLAPS} "
    "AND CRC32(s.session_id) %% %s = 0 WINDOW w AS (PARTITION BY t.session_id ORDER BY t.since)"
)
_SERVES: Final = "(s.campaigns = '[]' OR JSON_CONTAINS(s.campaigns, %s))"
_PRESENCE: Final = (
    "WITH RECURSIVE hours AS (SELECT CAST(%s AS DATETIME(3)) AS hour UNION ALL "
    "SELECT hour + INTERVAL 1 HOUR FROM hours WHERE hour + INTERVAL 1 HOUR < %s) "
    "SELECT JSON_ARRAY(CAST(hour AS CHAR), extension, SUM(sign * TIMESTAMPDIFF(MICROSECOND, "
    "GREATEST(started_at, hour), LEAST(ended_at, hour + INTERVAL 1 HOUR))) DIV 1000) FROM hours JOIN ("
    "SELECT 1 AS sign, s.extension, s.logged_in_at AS started_at, COALESCE(s.logged_out_at, %s) AS ended_at "
    f"FROM dialer_agent_sessions s WHERE {_OVERLAPS} AND {_SERVES} UNION ALL "
    "SELECT -1, s.extension, t.since, COALESCE((SELECT MIN(n.since) FROM dialer_agent_states n "
    "WHERE n.session_id = t.session_id AND n.since > t.since), s.logged_out_at, %s) "
    "FROM dialer_agent_states t JOIN dialer_agent_sessions s ON s.session_id = t.session_id "
    f"WHERE {_OVERLAPS} AND {_SERVES} AND t.state = '{AgentState.PAUSED}') i "
    "ON started_at < hour + INTERVAL 1 HOUR AND ended_at > hour GROUP BY hour, extension"
)
"""Seconds at work by hour and extension: sessions less their pauses, 24 hours at a time, so that the join is small."""


class History:
    """What the call log and the agents' sessions tell."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, campaign_id: int, since: datetime, until: datetime) -> CallHistory:
        """The campaign's calls that began in the window and are over, and the agents who were there."""
        text = self._database.clock.text
        window = (campaign_id, text(since), text(until))
        kinds = await self._kinds(window)
        people, lost = _counts(kinds, "answered", "abandoned"), _counts(kinds, "abandoned")
        machines, rang_out = _counts(kinds, "machine", "voicemail"), _counts(kinds, "no_answer")
        rang = sum(kinds[kind][1] for kind in ("answered", "abandoned", "machine", "voicemail", "no_answer"))
        others = kinds.keys() - {"answered", "abandoned", "machine", "voicemail", "no_answer", "cancelled", "busy"}
        rang_share = rang / max(1, people + machines + rang_out)
        began = "ringing_at" if rang_share >= 0.5 else "started_at"
        answered_after = f"TIMESTAMPDIFF(MICROSECOND, {began}, answered_at)"
        return CallHistory(
            hours=await self._hours(window, since, until),
            machines=machines,
            busy=_counts(kinds, "busy"),
            failed=_counts(kinds, *others),
            rang_share=rang_share,
            busy_after=_mean_seconds(kinds, "busy"),
            failed_after=_mean_seconds(kinds, *others),
            post_dial=await self._sample(
                window, "TIMESTAMPDIFF(MICROSECOND, started_at, ringing_at)", "ringing_at IS NOT NULL", rang
            ),
            person_rings=await self._sample(window, answered_after, _PERSON, people),
            machine_rings=await self._sample(window, answered_after, _MACHINE, machines),
            unanswered_rings=await self._sample(
                window, f"TIMESTAMPDIFF(MICROSECOND, {began}, ended_at)", _RANG_OUT, rang_out
            ),
            withdrawn=_counts(kinds, "cancelled"),
            talks=await self._sample(
                window, "TIMESTAMPDIFF(MICROSECOND, bridged_at, ended_at)", "bridged_at IS NOT NULL", people
            ),
            wrap_ups=await self._wrap_ups(campaign_id, since, until, people),
            lost=lost,
            patience=await self._sample(
                window,
                "TIMESTAMPDIFF(MICROSECOND, answered_at, ended_at)",
                "disposition = 'abandoned' AND hung_up_by = 'customer'",
                lost,
            ),
        )

    async def _kinds(self, window: Sequence[object]) -> dict[str, tuple[int, int, float]]:
        """By disposition: calls, those that rang, and the mean seconds from the start to the end."""
        rows = await self._rows(
            "SELECT JSON_ARRAY(disposition, COUNT(*), SUM(ringing_at IS NOT NULL), "
            f"COALESCE(AVG(TIMESTAMPDIFF(MICROSECOND, started_at, ended_at)), 0)) {_CALLS} GROUP BY disposition",
            *window,
        )
        found: dict[str, tuple[int, int, float]] = defaultdict(lambda: (0, 0, 0.0))
        found.update({row[0]: (int(row[1]), int(row[2]), float(row[3]) / 1e6) for row in rows})
        return found

    async def _hours(self, window: Sequence[object], since: datetime, until: datetime) -> tuple[HourOfLog, ...]:
        start = since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        rows = await self._rows(
            f"SELECT JSON_ARRAY(TIMESTAMPDIFF(HOUR, %s, started_at), COUNT(*), SUM({_PERSON}), "
            f"TIMESTAMPDIFF(SECOND, MIN(started_at), MAX(started_at))) {_CALLS} "
            "GROUP BY TIMESTAMPDIFF(HOUR, %s, started_at) ORDER BY 1",
            utc_text(start),
            *window,
            utc_text(start),
        )
        hours = {start + timedelta(hours=int(row[0])): row for row in rows}
        spans = {at: max(int(row[3]), LEAST_SPAN_SECONDS) for at, row in hours.items()}
        agents = await self._agents(window, spans, start, until)
        return tuple(HourOfLog(at, int(row[1]), int(row[2]), agents.get(at, 0.0)) for at, row in sorted(hours.items()))

    async def _agents(
        self, window: Sequence[object], spans: Mapping[datetime, int], start: datetime, until: datetime
    ) -> dict[datetime, float]:
        """Agents at work by hour, on average over the seconds in which it had dialling; nobody is more than one.

        Who serves several campaigns counts by the part of their customers from this one.
        """
        shares = await self._shares(window)
        found: dict[datetime, float] = defaultdict(float)
        day = start
        while day < until:
            end = min(day + timedelta(days=1), until)
            first, last = utc_text(day), utc_text(end)
            part = (last, last, first, str(window[0]))
            rows = await self._rows(_PRESENCE, first, last, *part, *part)
            for hour, extension, milliseconds in rows:
                moment = utc_moment(hour)
                if moment is not None and moment in spans and milliseconds:
                    presence = min(1.0, int(milliseconds) / 1000.0 / spans[moment])
                    found[moment] += shares.get(extension, 1.0) * presence
            day = end
        return found

    async def _shares(self, window: Sequence[object]) -> dict[str, float]:
        """By extension: of the customers joined to it in the window, the part from this campaign."""
        campaign_id, since, until = window
        rows = await self._rows(
            "SELECT JSON_ARRAY(source_extension, SUM(campaign_id = %s), COUNT(*)) FROM discador_chamadas "
            "WHERE start_time >= %s AND start_time < %s AND bridged_at IS NOT NULL GROUP BY source_extension",
            campaign_id,
            since,
            until,
        )
        return {row[0]: int(row[1] or 0) / int(row[2]) for row in rows}

    async def _sample(self, window: Sequence[object], what: str, where: str, of: int) -> tuple[float, ...]:
        """Durations of about so many calls as are kept, in seconds."""
        if not of:
            return ()
        rows = await self._rows(
            f"SELECT JSON_ARRAY({what}) {_CALLS} AND {where} AND CRC32(unique_id) %% %s = 0 LIMIT %s",
            *window,
            -(-of // SAMPLES),
            2 * SAMPLES,
        )
        return _seconds(row[0] for row in rows)

    async def _wrap_ups(self, campaign_id: int, since: datetime, until: datetime, of: int) -> tuple[float, ...]:
        """The wrap-up after each talk of some sessions: reading the states of all would take longer than all else."""
        window = (utc_text(until), utc_text(since))
        count = await self._rows(f"SELECT JSON_ARRAY(COUNT(*)) FROM dialer_agent_sessions s WHERE {_OVERLAPS}", *window)
        every = max(1, int(count[0][0]) // SESSIONS)
        rows = await self._rows(
            "SELECT JSON_ARRAY(IF(next_state = 'wrap_up', TIMESTAMPDIFF(MICROSECOND, next_at, after_that), 0)) "
            f"FROM ({_TALKS}) i JOIN discador_chamadas c ON c.unique_id = i.call_id AND c.campaign_id = %s "
            "WHERE i.state = 'on_call' AND next_at IS NOT NULL AND (next_state <> 'wrap_up' OR after_that IS NOT NULL) "
            "AND CRC32(i.call_id) %% %s = 0 LIMIT %s",
            *window,
            every,
            campaign_id,
            max(1, -(-of // (every * SAMPLES))),
            2 * SAMPLES,
        )
        return _seconds(row[0] for row in rows)

    async def _rows(self, sql: str, *values: object) -> list[list[Any]]:
        return await self._database.run(lambda statements: statements.rows(sql, *values), may_repeat=True)


def _counts(kinds: dict[str, tuple[int, int, float]], *names: str) -> int:
    return sum(kinds[name][0] for name in names)


def _mean_seconds(kinds: dict[str, tuple[int, int, float]], *names: str) -> float | None:
    calls = _counts(kinds, *names)
    return sum(kinds[name][0] * kinds[name][2] for name in names) / calls if calls else None


def _seconds(microseconds: Iterable[Any]) -> tuple[float, ...]:
    return tuple(max(0.0, int(value) / 1e6) for value in microseconds if value is not None)
