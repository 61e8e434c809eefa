"""Every command, when something it needs is wrong or away: one clear message, the right exit code, no traceback."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import click
import pytest
from click.testing import CliRunner, Result

from stasis_dialer.cli.main import main

REFUSED, USAGE, DOWN = 1, 2, 3
TOKEN = "0123456789abcdef-token"
SECRETS = {
    "STASIS_DIALER_ARI_PASSWORD": "ari-secret",
    "STASIS_DIALER_DATABASE_PASSWORD": "db-secret",
    "STASIS_DIALER_API_TOKEN": TOKEN,
}
CONFIG = """\
ari: {{url: "http://127.0.0.1:{nobody}", password: "${{STASIS_DIALER_ARI_PASSWORD}}", request_timeout_seconds: 1}}
database: {{url: "mysql+aiomysql://dialer@127.0.0.1:{nobody}/dialer", password: "${{STASIS_DIALER_DATABASE_PASSWORD}}"}}
api: {{port: {api}, token: "${{STASIS_DIALER_API_TOKEN}}"}}
trunks: [{{name: carrier, endpoint: "PJSIP/{{number}}@carrier"}}]
"""
ASKS_THE_DIALER = [
    ["agent", "list"],
    ["agent", "login", "1001"],
    ["agent", "logout", "1001"],
    ["agent", "logout", "--all"],
    ["agent", "pause", "1001"],
    ["agent", "unpause", "1001"],
]
ASKS_THE_DATABASE = [
    ["campaign", "list"],
    ["campaign", "show", "spring"],
    ["campaign", "create", "spring"],
    ["campaign", "start", "spring"],
    ["campaign", "pause", "spring"],
    ["campaign", "finish", "spring"],
    ["campaign", "metrics", "spring"],
    ["leads", "list"],
    ["leads", "show", "1"],
    ["calls", "list"],
    ["calls", "show", "c1"],
    ["db", "current"],
    ["db", "upgrade"],
    ["run"],
]


def unused_port() -> int:
    """A port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(nobody=unused_port(), api=unused_port()))
    return path


def call(config: Path, *arguments: str, secrets: dict[str, str] | None = None) -> Result:
    environment: dict[str, str | None] = dict.fromkeys(SECRETS)
    return CliRunner().invoke(
        main, ["--config", str(config), *arguments], env={**environment, **(SECRETS if secrets is None else secrets)}
    )


def is_one_message(result: Result) -> None:
    """What people see: an error of a few lines, and nothing of our inside."""
    assert "error: " in result.stderr
    assert "Traceback" not in result.output
    assert "defect of stasis-dialer" not in result.output
    assert not any(secret in result.output for secret in SECRETS.values())
    assert len(result.stderr.strip().splitlines()) <= 6
    assert result.exception is None or isinstance(result.exception, SystemExit)


def named(arguments: list[str]) -> str:
    return " ".join(arguments)


@pytest.mark.parametrize("arguments", [*ASKS_THE_DIALER, *ASKS_THE_DATABASE, ["check"]], ids=named)
def test_given_no_configuration_then_usage(tmp_path: Path, arguments: list[str]) -> None:
    result = call(tmp_path / "none.yaml", *arguments)
    assert result.exit_code == USAGE, result.output
    assert "no such file; give another with --config" in result.stderr
    is_one_message(result)


@pytest.mark.parametrize("arguments", [*ASKS_THE_DIALER, *ASKS_THE_DATABASE, ["check"]], ids=named)
def test_given_missing_secrets_then_each_is_named(config: Path, arguments: list[str]) -> None:
    result = call(config, *arguments, secrets={})
    assert result.exit_code == USAGE, result.output
    for name in SECRETS:
        assert f"needs the environment variable {name}" in result.stderr
    is_one_message(result)


@pytest.mark.parametrize("arguments", [["check"], ["run"], ["agent", "list"], ["campaign", "list"]], ids=named)
def test_given_bad_yaml_then_its_line(config: Path, arguments: list[str]) -> None:
    config.write_text("ari: {\n")
    result = call(config, *arguments)
    assert result.exit_code == USAGE
    assert "line 2: not YAML" in result.stderr
    is_one_message(result)


@pytest.mark.parametrize("arguments", ASKS_THE_DIALER, ids=named)
def test_given_no_dialer_runs_then_down_with_what_to_do(config: Path, arguments: list[str]) -> None:
    result = call(config, *arguments)
    assert result.exit_code == DOWN, result.output
    assert "no dialer answers" in result.stderr
    assert "stasis-dialer run" in result.stderr
    is_one_message(result)


@pytest.mark.parametrize("arguments", ASKS_THE_DATABASE, ids=named)
def test_given_no_database_then_down(config: Path, arguments: list[str]) -> None:
    result = call(config, *arguments)
    assert result.exit_code == DOWN, result.output
    assert "database" in result.stderr
    is_one_message(result)


def test_given_no_server_at_all_when_checked_then_each_is_named_and_down(config: Path) -> None:
    result = call(config, "check")
    assert result.exit_code == DOWN, result.output
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["configuration", "ok"] in [row[:2] for row in rows]
    assert ["database", "failed"] in [row[:2] for row in rows]
    assert ["asterisk", "failed"] in [row[:2] for row in rows]
    assert "Traceback" not in result.output


# --- a dialer that answers ------------------------------------------------------------------------------------------


class Answers(BaseHTTPRequestHandler):
    """Answers every request with one status and body."""

    status: ClassVar[int] = 200
    body: ClassVar[bytes] = b"[]"

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: Any) -> None:
        return


@contextlib.contextmanager
def dialer_that_answers(config: Path, status: int, body: bytes) -> Iterator[None]:
    handler = type("Handler", (Answers,), {"status": status, "body": body})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        config.write_text(CONFIG.format(nobody=unused_port(), api=server.server_address[1]))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("name", "status", "body", "exit_code", "expected"),
    [
        ("a wrong token", 401, b'{"error_id": "unauthorized", "message": "x"}', REFUSED, "refused the token"),
        ("refused", 409, b'{"error_id": "refused", "message": "the agent is not logged in"}', REFUSED, "not logged in"),
        ("no such campaign", 404, b'{"message": "there is no such campaign"}', REFUSED, "no such campaign"),
        (
            "something it needs is down",
            503,
            b'{"message": "the database cannot be reached"}',
            DOWN,
            "cannot be reached",
        ),
        ("another program", 200, b"<html>", DOWN, "no dialer answers"),
        ("another program's error", 404, b"<html>not here</html>", DOWN, "no dialer answers"),
        ("another program's refusal", 400, b'["no"]', REFUSED, "no"),
    ],
)
def test_given_a_dialer_that_refuses_then_its_words_and_the_exit_code(
    config: Path, name: str, status: int, body: bytes, exit_code: int, expected: str
) -> None:
    with dialer_that_answers(config, status, body):
        result = call(config, "agent", "list")
    assert result.exit_code == exit_code, (name, result.output)
    assert expected in result.stderr, name
    is_one_message(result)


def test_given_a_dialer_that_answers_then_lists_as_tables_and_json(config: Path) -> None:
    with dialer_that_answers(config, 200, b'[{"extension": "1001", "state": "available"}]'):
        table, as_json = call(config, "agent", "list"), call(config, "agent", "list", "--json")
    assert (table.exit_code, as_json.exit_code) == (0, 0)
    assert "1001" in table.stdout
    assert '"extension": "1001"' in as_json.stdout


# --- usage ----------------------------------------------------------------------------------------------------------


def all_commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, command in sorted(group.commands.items()):
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from all_commands(command, (*path, name))


@pytest.mark.parametrize("path", [(), *all_commands(main)], ids=" ".join)
def test_every_command_explains_itself(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(main, [*path, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.stdout
    assert len(result.stdout.splitlines()) >= 4


@pytest.mark.parametrize(
    "arguments",
    [["nothing"], ["agent"], ["agent", "logout"], ["agent", "login"], ["calls", "list", "--limit", "0"], ["--nope"]],
    ids=named,
)
def test_given_wrong_usage_then_usage(config: Path, arguments: list[str]) -> None:
    result = call(config, *arguments)
    assert result.exit_code == USAGE, result.output
    assert "Usage:" in result.output


def test_given_a_folder_in_the_place_of_the_configuration_then_one_message(config: Path) -> None:
    config.unlink()
    config.mkdir()
    result = call(config, "check")
    assert result.exit_code == USAGE
    assert "cannot be read" in result.stderr
    is_one_message(result)
