"""Shadow mode over a database of the test's: what it tells, and that it asks for nothing that changes anything."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from stasis_dialer.core.model import (
    CallStatus,
    Campaign,
    CampaignStatus,
    DialMode,
    ExtensionStatus,
    Lead,
    LineStatus,
    Trunk,
)
from stasis_dialer.engine import shadow as module
from stasis_dialer.engine.clock import Clock
from stasis_dialer.engine.shadow import Shadow
from stasis_dialer.engine.trunks import Trunks
from stasis_dialer.errors import DatabaseUnavailable

CAMPAIGN = Campaign(1, "Natal", CampaignStatus.ACTIVE, max_channels=50)


@dataclass
class Database:
    """Everything that shadow mode may ask; there is nothing here that writes."""

    campaigns: list[Campaign] = field(default_factory=lambda: [CAMPAIGN])
    extensions: list[ExtensionStatus] = field(default_factory=list)
    rows: list[Any] = field(default_factory=list)
    leads: list[int] = field(default_factory=lambda: list(range(1, 200)))
    of_number: dict[str, int] = field(default_factory=dict)
    is_away: bool = False

    async def find(self) -> list[Any]:
        if self.is_away:
            raise DatabaseUnavailable("away")
        return [SimpleNamespace(campaign=campaign, problems=()) for campaign in self.campaigns]

    async def panel(self) -> list[Any]:
        return [SimpleNamespace(status=status) for status in self.extensions]

    async def members(self) -> dict[int, dict[str, int]]:
        return {}

    async def abandonment(self, campaign_id: int, since: datetime) -> tuple[int, int]:
        return 0, 0

    async def caller_id_counts(self, since: datetime) -> dict[str, int]:
        return {}

    async def calls(self, since: datetime, now: datetime) -> list[Any]:
        return self.rows

    async def owners(self, numbers: Collection[str], campaigns: Collection[int]) -> dict[str, int]:
        return {number: owner for number, owner in self.of_number.items() if number in numbers}

    async def calling(self, campaigns: Collection[int], now: datetime) -> dict[int, int]:
        return {}

    async def leads_up(
        self, campaign: Campaign, n: int, now: datetime, to_number: Callable[[str], str], seen: frozenset[int]
    ) -> list[Any]:
        up = [id_ for id_ in self.leads if id_ not in seen][:n]
        return [
            SimpleNamespace(lead=Lead(id_, campaign.id, "Zé", f"1198765{id_:04d}"), number=f"551198765{id_:04d}")
            for id_ in up
        ]


def free(number: str) -> ExtensionStatus:
    return ExtensionStatus(number, LineStatus.FREE, LineStatus.FREE, True)


def call(id_: str, number: str = "11987650001", campaign_id: int | None = None, age: float = -0.5) -> Any:
    began = datetime.now(UTC) - timedelta(seconds=age)
    return SimpleNamespace(
        call_id=id_, number=number, agent=None, status=CallStatus.RINGING, started_at=began, answered_at=None,
        ended_at=None, campaign_id=campaign_id,
    )  # fmt: skip


async def watch(monkeypatch: pytest.MonkeyPatch, database: Database, seconds: float = 0.35) -> list[dict[str, Any]]:
    """What is told in so many seconds, at an interval of 0.1 s."""
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.02)
    told: list[dict[str, Any]] = []
    clock = Clock()
    trunks = Trunks([Trunk("main", "PJSIP/{number}@main", caller_id="551140001000")], clock)
    shadow = Shadow(clock, database, database, database, database, database, trunks, None, 0.1, told.append)
    await shadow.run(asyncio.Event(), seconds)
    return told


async def test_given_three_free_agents_when_watched_then_rules_leads_and_sums_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = await watch(monkeypatch, Database(extensions=[free("1001"), free("1002"), free("1003")]))
    first = next(one for one in told if one["kind"] == "interval")
    assert (first["agents_free"], first["agents_free_legacy"], first["placed_since"]) == (3, 3, 0)
    assert {mode: it["calls"] for mode, it in first["would_place"].items()}["legacy"] == 18
    assert first["would_place"]["progressive"]["calls"] == 3
    leads = [one for one in told if one["kind"] == "lead"]
    assert leads[0] == {
        "kind": "lead", "campaign_id": 1, "lead_id": 1, "number": "…0001", "attempt": 1, "trunk": "main",
        "caller_id": "…1000",
    }  # fmt: skip
    ids = [one["lead_id"] for one in leads]
    assert ids == list(range(1, len(ids) + 1)), "no lead is named twice"
    total = next(one for one in told if one["kind"] == "sum")
    assert total["would_place"]["progressive"] == len(ids) == total["leads_named"]
    assert total["would_place"]["legacy"] == 18, "its next batch comes after thirty seconds"
    assert told[-1]["kind"] == "end"


async def test_given_calls_of_the_legacy_when_watched_then_they_are_counted_for_their_campaign(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = replace(CAMPAIGN, id=2, name="Páscoa")
    rows = [call("a"), call("b"), call("c", "11987650002"), call("d", campaign_id=2), call("old", age=60.0),
            call("nobody's", "11987650009"), call("not a number", "RAMAL")]  # fmt: skip
    numbers = {"5511987650001": 1, "5511987650002": 2}
    told = await watch(monkeypatch, Database([CAMPAIGN, other], [free("1001")], rows, of_number=numbers))
    assert {one["campaign_id"]: one["placed"] for one in told if one["kind"] == "sum"} == {1: 2, 2: 2}
    assert told[-1]["calls_of_unknown_campaign"] == 2


async def test_given_a_limit_that_changes_while_watched_then_no_call_is_counted_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    database = Database(extensions=[free("1001")], rows=[call("a"), call("b")])
    asyncio.get_running_loop().call_later(0.2, database.campaigns.__setitem__, 0, replace(CAMPAIGN, max_channels=40))
    told = await watch(monkeypatch, database, 1.5)
    assert [one["placed"] for one in told if one["kind"] == "sum"] == [2]


async def test_given_a_campaign_that_may_not_dial_when_watched_then_no_lead_is_named_and_it_is_said_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    risky = replace(CAMPAIGN, mode=DialMode.PREDICTIVE)
    elsewhere = replace(CAMPAIGN, id=2, trunks=("nowhere",))
    told = await watch(monkeypatch, Database([risky, elsewhere], [free("1001"), free("1002")]))
    assert not [one for one in told if one["kind"] == "lead"]
    by_campaign = {one["campaign_id"]: one for one in told if one["kind"] == "interval"}
    assert by_campaign[1]["forbidden"] == "no_message"
    assert {it["reason"] for it in by_campaign[2]["would_place"].values()} == {"unknown_trunk"}


async def test_given_a_database_that_is_away_when_watched_then_it_waits_and_ends_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert [one["kind"] for one in await watch(monkeypatch, Database(is_away=True))] == ["end"]


def test_given_shadow_mode_when_loaded_then_no_client_of_asterisks_is_there() -> None:
    code = (
        "import sys, stasis_dialer.cli.run, stasis_dialer.cli.shadow\n"
        "print([name for name in sys.modules if name.startswith(('stasis_dialer.ari', 'websockets'))])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "[]"
