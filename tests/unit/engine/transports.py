"""A carrier of requests that answers from a script, for tests of one module of the engine."""

from __future__ import annotations

from typing import Any

from stasis_dialer.ari import Response


class ScriptedTransport:
    """Notes every request; `answers` maps a path to what comes of it: an exception, or the JSON text of a 200.

    `scripts` maps a path to what comes of the first requests, one after the other.
    """

    def __init__(self, **_: Any) -> None:
        self.requests: list[tuple[str, str]] = []
        self.sent: list[tuple[str, str, dict[str, str], Any, str | None]] = []
        self.answers: dict[str, Exception | str] = {}
        self.scripts: dict[str, list[Exception]] = {}

    async def request(
        self, method: str, path: str, query: Any = (), body: Any = None, *, own: str | None = None
    ) -> Response:
        self.requests.append((method, path))
        self.sent.append((method, path, dict(query), body, own))
        script = self.scripts.get(path)
        answer = script.pop(0) if script else self.answers.get(path, "")
        if isinstance(answer, Exception):
            raise answer
        return Response(200, answer.encode())

    async def close(self) -> None:
        return
