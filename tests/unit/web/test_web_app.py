"""The HTTP interface: who may ask, what comes back, and how errors look."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from stasis_dialer.core.model import ExtensionStatus, LineStatus
from stasis_dialer.core.pauses import PauseReason, PauseReasons
from stasis_dialer.engine.control import Control
from stasis_dialer.engine.control_agents import AgentActions
from stasis_dialer.engine.panel import Panel
from stasis_dialer.engine.pauses import PauseWatch
from stasis_dialer.errors import Refused
from stasis_dialer.web.app import WebServer, make_app
from tests.engine.floor import Floor
from tests.engine.waiting import eventually

TOKEN = "0123456789abcdef-token"
OPEN = {"/healthz", "/readyz"}


@dataclass
class Web:
    """The interface over a floor, and a client with the token."""

    floor: Floor
    app: Any
    client: httpx.AsyncClient

    async def ask(self, method: str, path: str, **what: Any) -> httpx.Response:
        return await self.client.request(method, path, **what)


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    floor = Floor()
    panel = Panel(floor.board, floor.store.agents, floor.desk, floor.clock, 1.0)
    panel._written["1001"] = ExtensionStatus("1001", LineStatus.BUSY, LineStatus.FREE, True)
    control = Control(
        floor.clock,
        floor.desk,
        floor.calls,
        floor.dialer,
        floor.journal,
        floor.trunks,
        panel,
        floor.book,
        floor.recorder,
        floor.parties,
        lambda: b"# metrics\n",
        PauseWatch(floor.clock.now, PauseReasons([PauseReason("lunch", limit_seconds=60.0), PauseReason("bath")])),
        AgentActions(
            floor.clock, floor.desk, floor.book, floor.dispositions, floor.store.calls, floor.hand, floor.supervisions
        ),
    )
    app = make_app(control, TOKEN)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://dialer", headers={"Authorization": f"Bearer {TOKEN}"}
    ) as client:
        yield Web(floor, app, client)
    await floor.stop()


def paths_of(app: Any) -> list[tuple[str, str]]:
    """Every method and path that the interface answers to, found in its own description."""
    described = [(method.upper(), path) for path, methods in app.openapi()["paths"].items() for method in methods]
    hidden = [("GET", "/api/openapi.json"), ("GET", "/api/docs"), ("GET", "/docs"), ("GET", "/openapi.json")]
    return [*described, *hidden]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": f"Bearer {TOKEN[:-1]}"},
    ],
    ids=str,
)
async def test_given_no_or_a_wrong_token_then_only_the_health_pages_answer(web: Web, headers: dict[str, str]) -> None:
    del web.client.headers["Authorization"]
    paths = paths_of(web.app)
    assert len(paths) > 10
    for method, path in paths:
        answer = await web.ask(
            method, path.replace("{extension}", "1001").replace("{call_id}", "c1"), headers=headers, json={}
        )
        if path in OPEN:
            assert answer.status_code in (200, 503)
        else:
            assert answer.status_code in (401, 404), (method, path)
            assert "paths" not in answer.text
    assert web.floor.desk.agents() == []


async def test_given_a_wrong_token_then_the_error_has_its_id_and_says_what_to_do(web: Web) -> None:
    answer = await web.ask("GET", "/api/agents", headers={"Authorization": "Bearer wrong"})
    assert answer.status_code == 401
    assert answer.json()["error_id"] == "unauthorized"
    assert "Authorization: Bearer" in answer.json()["message"]


async def test_given_a_token_with_other_signs_then_refused_without_an_error(web: Web) -> None:
    answer = await web.ask("GET", "/api/agents", headers={"Authorization": "Bearer \u00e9".encode()})
    assert answer.status_code == 401


async def test_given_the_token_then_the_description_is_there(web: Web) -> None:
    answer = await web.ask("GET", "/api/openapi.json")
    assert answer.status_code == 200
    assert "/api/agents/{extension}/login" in answer.json()["paths"]


async def test_the_health_pages_say_whether_calls_could_be_placed(web: Web) -> None:
    assert (await web.ask("GET", "/healthz")).json() == {"status": "ok"}
    assert (await web.ask("GET", "/readyz")).json() == {"ready": True}
    for name in ("is_connected", "is_stopping", "is_database_away"):
        before = getattr(web.floor.dialer, name)
        setattr(web.floor.dialer, name, not before)
        answer = await web.ask("GET", "/readyz")
        assert (answer.status_code, answer.json()) == (503, {"ready": False})
        setattr(web.floor.dialer, name, before)


async def test_metrics_are_prometheus_text(web: Web) -> None:
    answer = await web.ask("GET", "/metrics")
    assert answer.text == "# metrics\n"
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")


async def test_an_agents_day_over_the_interface(web: Web) -> None:
    answer = await web.ask("POST", "/api/agents/1001/login", json={"connect": "on_demand"})
    agent = answer.json()
    assert answer.status_code == 200
    assert (agent["extension"], agent["state"], agent["connect"], agent["campaigns"]) == (
        "1001",
        "available",
        "on_demand",
        [],
    )
    answer = await web.ask("POST", "/api/agents/1001/pause", json={"reason": "lunch"})
    assert (answer.json()["state"], answer.json()["pause_reason"]) == ("paused", "lunch")
    assert (await web.ask("POST", "/api/agents/1001/unpause")).json()["state"] == "available"
    assert [row["extension"] for row in (await web.ask("GET", "/api/agents")).json()] == ["1001"]
    assert (await web.ask("POST", "/api/agents/1001/logout")).json()["state"] == "logged_off"
    assert (await web.ask("GET", "/api/agents")).json() == []


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/agents/1001/disposition", {"code": "sale"}, 409),
        ("/api/agents/1001/disposition", {}, 422),
        ("/api/agents/1001/disposition", {"code": "x" * 41}, 422),
        ("/api/agents/1001/disposition", {"code": "sale", "callback_at": "tomorrow"}, 422),
        ("/api/calls/c1/disposition", {"code": "sale"}, 409),
        ("/api/agents/1001/done", {}, 409),
    ],
)
async def test_given_what_cannot_be_disposed_then_that_is_said(
    web: Web, path: str, body: dict[str, Any], status: int
) -> None:
    answer = await web.ask("POST", path, json=body)
    assert (answer.status_code, bool(answer.json()["message"])) == (status, True)


async def test_everybody_is_logged_out_at_once(web: Web) -> None:
    for extension in ("1001", "1002"):
        await web.ask("POST", f"/api/agents/{extension}/login", json={"connect": "on_demand"})
    assert (await web.ask("POST", "/api/agents/logout")).json() == {"logged_out": 2}
    assert (await web.ask("GET", "/api/agents")).json() == []


@pytest.mark.parametrize(
    ("name", "path", "body", "status", "error_id"),
    [
        ("not logged in", "/api/agents/1009/pause", {}, 409, "refused"),
        ("no extension", "/api/agents/a%26b/login", {}, 409, "refused"),
        ("too long an extension", "/api/agents/12345678901/login", {}, 409, "refused"),
        ("unknown campaign", "/api/agents/1001/login", {"campaigns": [99]}, 404, "campaign-not-found"),
        ("unknown key", "/api/agents/1001/login", {"campaign": [1]}, 422, "invalid-request"),
        ("unknown mode", "/api/agents/1001/login", {"connect": "sometimes"}, 422, "invalid-request"),
        ("too long a reason", "/api/agents/1001/pause", {"reason": "x" * 65}, 422, "invalid-request"),
        ("no such page", "/api/nothing", {}, 404, "not-found"),
    ],
)
async def test_errors_carry_an_id_and_a_sentence(
    web: Web, name: str, path: str, body: dict[str, Any], status: int, error_id: str
) -> None:
    answer = await web.ask("POST", path, json=body)
    assert (answer.status_code, answer.json()["error_id"]) == (status, error_id), name
    assert answer.json()["message"]


async def test_given_a_body_that_is_no_json_then_invalid_request(web: Web) -> None:
    answer = await web.ask("POST", "/api/agents/1001/login", content=b"{", headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error_id"]) == (422, "invalid-request")


async def test_given_the_database_is_away_when_an_unknown_campaign_is_named_then_unavailable(web: Web) -> None:
    web.floor.store.is_away = True
    answer = await web.ask("POST", "/api/agents/1001/login", json={"campaigns": [99]})
    assert (answer.status_code, answer.json()["error_id"]) == (503, "unavailable")


async def test_given_logged_in_twice_then_refused(web: Web) -> None:
    await web.ask("POST", "/api/agents/1001/login", json={"connect": "on_demand"})
    answer = await web.ask("POST", "/api/agents/1001/login")
    assert answer.status_code == 409
    assert "logged in already" in answer.json()["message"]


async def test_the_snapshot_and_the_live_calls_show_numbers_masked(web: Web) -> None:
    await web.floor.campaign(leads=1)
    await web.floor.agents("1001", on_demand=True)
    web.floor.start()
    await eventually(web.floor.calls.all, "the first call")
    snapshot = (await web.ask("GET", "/api/snapshot")).json()
    assert snapshot["agents"] == {"available": 1}
    assert snapshot["trunks"] == {"carrier": 1}
    assert (snapshot["is_connected"], snapshot["is_stopping"], snapshot["is_database_away"]) == (True, False, False)
    (call,) = (await web.ask("GET", "/api/calls")).json()
    assert call["number"] == "…0000"
    assert "551198765" not in (await web.ask("GET", "/api/calls")).text.replace(call["call_id"], "")


async def test_the_telephones_as_the_panel_shows_them(web: Web) -> None:
    assert (await web.ask("GET", "/api/extensions")).json() == [
        {"number": "1001", "line1": "busy", "line2": "free", "is_registered": True, "is_available": True}
    ]


def test_given_the_address_is_taken_then_refused_with_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        server = WebServer(None, "127.0.0.1", other.getsockname()[1])  # type: ignore[arg-type]
        with pytest.raises(Refused, match=r"each needs its own ari\.app and api\.port"):
            server.listen()
