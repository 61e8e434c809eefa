"""A receiver of webhooks hears of a real call what its row says."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from stasis_dialer.lab.fates import Fate, number
from tests.e2e.support import Stage, at_utc, wait_for

SECRET = "a-secret-of-sixteen"


class Receiver(ThreadingHTTPServer):
    """Keeps what it is told, when the signature is right."""

    daemon_threads = True

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        signed = self.headers["X-Stasis-Dialer-Timestamp"].encode() + b"." + body
        wanted = "v1=" + hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
        is_genuine = hmac.compare_digest(wanted, self.headers["X-Stasis-Dialer-Signature"])
        if is_genuine:
            self.server.messages.append(json.loads(body))
        self.send_response(204 if is_genuine else 403)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing to the tests' output."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_given_a_receiver_when_a_customer_talks_then_it_hears_of_answer_connect_and_end_as_the_row_has_them(
    stage: Stage, receiver: Receiver
) -> None:
    url = f"http://127.0.0.1:{receiver.server_port}/calls"
    dialer = stage.dialer(webhooks=[{"url": url, "secret": SECRET}, {"url": "http://127.0.0.1:9/", "secret": SECRET}])
    dialer.start()
    stage.ledger.campaign([number(Fate.HUMAN, talk=2, serial=1), number(Fate.BUSY, serial=2)])
    dialer.log_in("1001")
    wait_for(lambda: len(receiver.messages) == 4, "three messages of one call and the end of the other")
    stage.ledger.wait_quiet()
    talked, busy = sorted(stage.ledger.calls(), key=lambda row: row["disposition"])
    heard = {m["event"]: m["call"] for m in receiver.messages if m["call"]["call_id"] == talked["unique_id"]}
    assert set(heard) == {"answer", "connect", "end"}
    for event, columns in (("answer", ["answered_at"]), ("end", ["answered_at", "bridged_at", "ended_at"])):
        for column in columns:
            at = at_utc(talked, column)
            assert at is not None
            assert heard[event][column] == at.isoformat(timespec="milliseconds")
    assert (heard["end"]["disposition"], heard["end"]["agent"]) == ("answered", "1001")
    (end,) = [m["call"] for m in receiver.messages if m["call"]["call_id"] == busy["unique_id"]]
    assert (end["disposition"], end["sip_code"], end["answered_at"]) == ("busy", 486, None)
    assert end["number"] == f"…{busy['destination_extension'][-4:]}"
    assert SECRET not in dialer.log
    assert "webhook-failed" in dialer.log
