"""Reports: what became of a campaign's calls, how fast customers met agents, and how agents spent their time.

Figures come from the same rows as the CDRs, so that they add up to them. Windows are half-open: since <= start < until.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from stasis_dialer.core.model import AgentState
from stasis_dialer.db.agents import STATE_INTERVALS
from stasis_dialer.db.clock import utc_moment, utc_text
from stasis_dialer.db.database import Database

_ANSWER_TO_AGENT: Final = "TIMESTAMPDIFF(MICROSECOND, answered_at, bridged_at)"


@dataclass(frozen=True, slots=True)
class CampaignReport:
    """A campaign's calls. Units: seconds; percentiles are of the calls joined to an agent, by nearest rank."""

    calls: int
    answered: int
    """Calls that somebody or something picked up."""
    connected: int
    """Calls joined to an agent."""
    talk_seconds: int
    dispositions: dict[str, int]
    """Calls by disposition; `open` for those that have not ended."""
    answer_to_agent_seconds: dict[int, float]
    """Percentile to seconds from the answer to the agent; empty when no call was joined."""


@dataclass(frozen=True, slots=True)
class AgentReport:
    """An agent's time within the window. Units: seconds."""

    extension: str
    sessions: int
    calls: int
    seconds: dict[str, float]
    """By agent state; they sum to the time logged in."""

    @property
    def logged_in_seconds(self) -> float:
        """Time logged in."""
        return sum(self.seconds.values())

    @property
    def talk_share(self) -> float:
        """Share of the time logged in that was spent with customers, 0 to 1."""
        total = self.logged_in_seconds
        return self.seconds.get(AgentState.ON_CALL.value, 0.0) / total if total else 0.0


@dataclass(frozen=True, slots=True)
class HourOfCalls:
    """The calls that began within one hour. Units: `hour` is aware UTC; seconds."""

    hour: datetime
    calls: int
    answered: int
    connected: int
    abandoned: int
    talk_seconds: int


class Reports:
    """The reports."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def campaign(
        self,
        campaign_id: int,
        since: datetime | None = None,
        until: datetime | None = None,
        percentiles: Sequence[int] = (50, 95, 99),
    ) -> CampaignReport:
        """What became of the calls that a campaign started in the window."""
        where, values = self._window(since, until)
        rows = await self._rows(
            "SELECT JSON_ARRAY(COALESCE(disposition, 'open'), COUNT(*), SUM(answer_time IS NOT NULL), "
            "SUM(bridged_at IS NOT NULL), SUM(IF(bridged_at IS NULL, 0, duration))) FROM discador_chamadas "
            f"WHERE campaign_id = %s AND direction = 'outbound'{where} "
            "GROUP BY COALESCE(disposition, 'open') ORDER BY 1",
            campaign_id,
            *values,
        )
        answers = await self._rows(
            f"SELECT JSON_ARRAY({_ANSWER_TO_AGENT}) FROM discador_chamadas "
            f"WHERE campaign_id = %s AND direction = 'outbound'{where} "
            f"AND answered_at IS NOT NULL AND bridged_at IS NOT NULL ORDER BY {_ANSWER_TO_AGENT}",
            campaign_id,
            *values,
        )
        waits = [row[0] / 1e6 for row in answers]
        return CampaignReport(
            calls=sum(row[1] for row in rows),
            answered=sum(int(row[2]) for row in rows),
            connected=sum(int(row[3]) for row in rows),
            talk_seconds=sum(int(row[4] or 0) for row in rows),
            dispositions={row[0]: row[1] for row in rows},
            answer_to_agent_seconds={share: nearest_rank(waits, share) for share in percentiles} if waits else {},
        )

    async def agents(self, since: datetime, until: datetime) -> list[AgentReport]:
        """How each agent spent the part of their sessions within the window; an open state counts to `until`."""
        start, end = utc_text(since), utc_text(until)
        clipped = "TIMESTAMPDIFF(MICROSECOND, GREATEST(started_at, %s), LEAST(COALESCE(ended_at, %s), %s)) / 1000000"
        rows = await self._rows(
            f"SELECT JSON_ARRAY(extension, state, SUM({clipped}), COUNT(DISTINCT session_id), "
            f"COUNT(DISTINCT IF(state = 'on_call', call_id, NULL))) FROM ({STATE_INTERVALS} "
            "WHERE s.logged_in_at < %s AND (s.logged_out_at IS NULL OR s.logged_out_at > %s)) i "
            "WHERE started_at < %s AND (ended_at IS NULL OR ended_at > %s) GROUP BY extension, state ORDER BY 1",
            *(start, end, end),
            *(end, start),
            *(end, start),
        )
        agents: dict[str, list[list[Any]]] = {}
        for row in rows:
            agents.setdefault(row[0], []).append(row)
        return [
            AgentReport(
                extension,
                sessions=max(row[3] for row in mine),
                calls=sum(row[4] for row in mine),
                seconds={row[1]: float(row[2]) for row in mine},
            )
            for extension, mine in sorted(agents.items())
        ]

    async def placed(self, since: datetime, until: datetime, short_seconds: int) -> tuple[int, int]:
        """Calls dialled in the window, over all campaigns, and those of them that were short: not answered, answered
        by a machine, or over after `short_seconds` or less.
        """
        where, values = self._window(since, until)
        rows = await self._rows(
            "SELECT JSON_ARRAY(COUNT(*), COALESCE(SUM(answered_at IS NULL "
            "OR disposition IN ('machine', 'voicemail') "
            "OR (ended_at IS NOT NULL AND TIMESTAMPDIFF(MICROSECOND, answered_at, ended_at) <= %s)), 0)) "
            f"FROM discador_chamadas WHERE dialled_at IS NOT NULL{where}",
            short_seconds * 1_000_000,
            *values,
        )
        return int(rows[0][0]), int(rows[0][1])

    async def hours(self, campaign_id: int | None, since: datetime, until: datetime) -> list[HourOfCalls]:
        """The calls of each hour in the window, of one campaign or of all; hours without a call are left out."""
        where, values = self._window(since, until)
        mine, ids = ("", []) if campaign_id is None else (" AND campaign_id = %s", [campaign_id])
        rows = await self._rows(
            "SELECT JSON_ARRAY(DATE_FORMAT(started_at, '%%Y-%%m-%%d %%H:00:00.000'), COUNT(*), "
            "SUM(answered_at IS NOT NULL), SUM(bridged_at IS NOT NULL), SUM(disposition = 'abandoned' IS TRUE), "
            "SUM(IF(bridged_at IS NULL, 0, duration))) FROM discador_chamadas "
            f"WHERE dialled_at IS NOT NULL{where}{mine} GROUP BY DATE_FORMAT(started_at, '%%Y-%%m-%%d %%H:00:00.000') "
            "ORDER BY 1",
            *values,
            *ids,
        )
        return [
            HourOfCalls(moment, int(row[1]), int(row[2]), int(row[3]), int(row[4]), int(row[5] or 0))
            for row in rows
            if (moment := utc_moment(row[0]))
        ]

    def _window(self, since: datetime | None, until: datetime | None) -> tuple[str, list[object]]:
        terms, values = "", []
        for term, moment in ((" AND start_time >= %s", since), (" AND start_time < %s", until)):
            if moment is not None:
                terms += term
                values.append(self._database.clock.text(moment))
        return terms, list(values)

    async def _rows(self, sql: str, *values: object) -> list[list[Any]]:
        return await self._database.run(lambda statements: statements.rows(sql, *values), may_repeat=True)


def nearest_rank(ordered: Sequence[float], percentile: int) -> float:
    """The smallest value that at least `percentile` per cent of the values do not exceed; `ordered` is not empty."""
    rank = -(-len(ordered) * percentile // 100)
    return ordered[min(len(ordered), max(1, rank)) - 1]
