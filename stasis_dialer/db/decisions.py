"""Pacing decisions: the latest of each campaign, so that "why does nothing dial?" has an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import msgspec

from stasis_dialer.db.clock import utc_moment, utc_text
from stasis_dialer.db.database import Database, Statements

KEPT: Final = 1000
"""Decisions kept of each campaign: a quarter of an hour at one a second."""


@dataclass(frozen=True, slots=True)
class PacingDecision:
    """How many leads a campaign's pacing wanted, how many there were, and what it saw."""

    campaign_id: int
    decided_at: datetime
    wanted: int
    reserved: int
    inputs: Mapping[str, Any] = field(default_factory=dict)


class PacingDecisions:
    """The decisions."""

    def __init__(self, database: Database, kept: int = KEPT) -> None:
        self._database = database
        self._kept = kept

    async def write(self, decisions: Sequence[PacingDecision]) -> None:
        """Add decisions, and forget the oldest of their campaigns."""
        if not decisions:
            return
        values: list[object] = []
        for decision in decisions:
            values += (decision.campaign_id, utc_text(decision.decided_at), decision.wanted, decision.reserved)
            values.append(msgspec.json.encode(decision.inputs).decode())

        async def insert(statements: Statements) -> None:
            rows = ", ".join(["(%s, %s, %s, %s, %s)"] * len(decisions))
            await statements.execute(
                "INSERT INTO dialer_pacing_decisions (campaign_id, decided_at, wanted, reserved, inputs) "
                f"VALUES {rows}",
                *values,
            )
            for campaign_id in {decision.campaign_id for decision in decisions}:
                oldest = await statements.rows(
                    "SELECT JSON_ARRAY(id) FROM dialer_pacing_decisions WHERE campaign_id = %s "
                    "ORDER BY id DESC LIMIT %s, 1",
                    campaign_id,
                    self._kept,
                )
                if oldest:
                    sql = "DELETE FROM dialer_pacing_decisions WHERE campaign_id = %s AND id <= %s"
                    await statements.execute(sql, campaign_id, oldest[0][0])

        await self._database.run(insert)

    async def save_snapshot(self, campaign_id: int, mode: str, snapshot: Mapping[str, Any], now: datetime) -> None:
        """Keep what a campaign's pacing has learned, in place of what was kept before."""
        text = msgspec.json.encode(snapshot).decode()

        async def write(statements: Statements) -> None:
            await statements.execute(
                "INSERT INTO dialer_pacing_snapshots (campaign_id, mode, taken_at, snapshot) VALUES (%s, %s, %s, %s) "
                "ON DUPLICATE KEY UPDATE mode = VALUES(mode), taken_at = VALUES(taken_at), snapshot = VALUES(snapshot)",
                campaign_id,
                mode,
                utc_text(now),
                text,
            )

        await self._database.run(write, may_repeat=True)

    async def snapshot(self, campaign_id: int, mode: str) -> tuple[dict[str, Any], datetime] | None:
        """What a campaign's pacing of this mode had learned, and when it was kept."""

        async def read(statements: Statements) -> list[list[Any]]:
            sql = (
                "SELECT JSON_ARRAY(snapshot, taken_at) FROM dialer_pacing_snapshots "
                "WHERE campaign_id = %s AND mode = %s"
            )
            return await statements.rows(sql, campaign_id, mode)

        rows = await self._database.run(read, may_repeat=True)
        taken_at = utc_moment(rows[0][1]) if rows else None
        return (msgspec.json.decode(rows[0][0]), taken_at) if taken_at else None

    async def abandonment(self, campaign_id: int, since: datetime) -> tuple[int, int]:
        """Calls abandoned and calls answered since then, from the durable log: what the law counts."""

        async def read(statements: Statements) -> list[list[Any]]:
            return await statements.rows(
                "SELECT JSON_ARRAY(COALESCE(SUM(disposition = 'abandoned'), 0), COUNT(*)) FROM discador_chamadas "
                "WHERE campaign_id = %s AND start_time >= %s AND answer_time IS NOT NULL "
                "AND direction = 'outbound' "
                "AND (disposition IN ('answered', 'abandoned') OR (disposition IS NULL AND bridged_at IS NOT NULL))",
                campaign_id,
                self._database.clock.text(since),
            )

        rows = await self._database.run(read, may_repeat=True)
        return int(rows[0][0]), int(rows[0][1])

    async def latest(self, campaign_id: int, limit: int = 20) -> list[PacingDecision]:
        """The latest decisions of a campaign, the newest first."""

        async def read(statements: Statements) -> list[list[Any]]:
            return await statements.rows(
                "SELECT JSON_ARRAY(campaign_id, decided_at, wanted, reserved, inputs) FROM dialer_pacing_decisions "
                "WHERE campaign_id = %s ORDER BY id DESC LIMIT %s",
                campaign_id,
                limit,
            )

        return [
            PacingDecision(row[0], moment, row[2], row[3], msgspec.json.decode(row[4]))
            for row in await self._database.run(read, may_repeat=True)
            if (moment := utc_moment(row[1]))
        ]
