"""The lab is what it says: real phones that register, a carrier whose fates are true, a log that misses nothing."""

import json
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pymysql
import pytest
from sqlalchemy.engine import make_url
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from stasis_dialer.errors import LabError
from stasis_dialer.lab.carrier import Carrier
from stasis_dialer.lab.fates import ANSWERED, BEHAVIOURS, Fate, fate_of, number
from stasis_dialer.lab.rest import AriRequests
from stasis_dialer.lab.waiting import until
from stasis_dialer.lab.world import Lab
from tests.labfixtures import sweep

APP = "lab_test"


class Listener:
    """The events of one Stasis application, gathered by a thread."""

    def __init__(self, lab: Lab, url: str | None = None, app: str = APP) -> None:
        address = (url or lab.ari_url).replace("http://", "ws://")
        self._life = ExitStack()
        self.socket: ClientConnection = self._life.enter_context(
            connect(f"{address}/ari/events?app={app}&api_key={lab.ari_user}:{quote(lab.ari_password)}", proxy=None)
        )
        self.events: list[dict[str, Any]] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with suppress(WebSocketException):
            for message in self.socket:
                self.events.append(json.loads(message))

    def of(self, kind: str, channel: str = "") -> list[dict[str, Any]]:
        """The events of a kind, of one channel when its id is given."""
        found = [event for event in self.events if event["type"] == kind]
        return [event for event in found if not channel or event.get("channel", {}).get("id") == channel]

    def close(self) -> None:
        self._life.close()
        self._thread.join(5)


@pytest.fixture
def app(empty_pbx: Lab) -> Iterator[Listener]:
    """A registered application."""
    listener = Listener(empty_pbx)
    yield listener
    listener.close()


def call(lab: Lab, dialled: str, channel: str, **query: object) -> None:
    """Call a number through the trunk into the test's application."""
    lab.pbx.ari.post(
        "channels",
        {"PJSIP_HEADER(add,X-SD-Attempt)": channel},
        endpoint=f"PJSIP/{dialled}@carrier",
        app=APP,
        channelId=channel,
        callerId="+551130000000",
        **query,
    )


def fall_back(lab: Lab, dialled: str, channel: str) -> None:
    """Call a number through the trunk, for an answer that is of no interest."""
    lab.pbx.ari.post(
        "channels",
        endpoint=f"PJSIP/{dialled}@carrier",
        context="sd-safe-harbour",
        extension="s",
        priority=1,
        channelId=channel,
    )


def test_a_lab_starts_without_a_warning(tmp_path: Path) -> None:
    with Lab(f"quiet-{os.getpid()}", phones=2, home=tmp_path) as fresh:
        assert fresh.pbx.problems() == []
        assert fresh.carrier.asterisk.problems() == []


@pytest.mark.parametrize("fate", list(Fate))
def test_given_a_number_when_it_is_called_then_its_fate_comes_true(
    empty_pbx: Lab, carrier: Carrier, app: Listener, fate: Fate
) -> None:
    dialled = number(fate, ring=1, talk=2, serial=1)

    call(empty_pbx, dialled, f"fate-{fate}")
    until(lambda: app.of("ChannelDestroyed", f"fate-{fate}"), "the call to end", 20)

    behaviour = BEHAVIOURS[fate]
    destroyed = app.of("ChannelDestroyed", f"fate-{fate}")[0]
    assert (destroyed["cause"], destroyed.get("tech_cause")) == (behaviour.cause, behaviour.sip_status)
    assert bool(app.of("StasisStart", f"fate-{fate}")) == (fate in ANSWERED)
    [seen] = carrier.calls()
    assert (seen.invite.number, seen.invite.fate) == (dialled, fate)
    assert (seen.invite.attempt, seen.invite.caller) == (f"fate-{fate}", "+551130000000")
    assert seen.end is not None
    assert (seen.end.answered_at is not None) == (fate in ANSWERED)
    assert seen.end.ended_by != "dialer"
    assert fate not in ANSWERED or seen.end.talk_seconds == pytest.approx(1.0, abs=0.3)


def test_given_a_number_that_rings_on_when_the_caller_gives_up_then_the_log_says_so(
    empty_pbx: Lab, carrier: Carrier, app: Listener
) -> None:
    call(empty_pbx, number(Fate.NO_ANSWER, ring=9), "gives-up", timeout=1)
    until(lambda: app.of("ChannelDestroyed", "gives-up"), "the call to end")
    end = until(lambda: carrier.calls()[0].end, "the carrier to note the end")

    assert app.of("ChannelDestroyed", "gives-up")[0]["cause"] == 19
    assert end is not None
    assert (end.ended_by, end.answered_at) == ("dialer", None)


def test_given_a_human_who_stays_when_the_caller_hangs_up_then_the_log_says_so(
    empty_pbx: Lab, carrier: Carrier, app: Listener
) -> None:
    call(empty_pbx, number(Fate.HUMAN), "stays")
    until(lambda: app.of("StasisStart", "stays"), "the human to answer")
    empty_pbx.pbx.ari.delete("channels/stays")
    end = until(lambda: carrier.calls()[0].end, "the carrier to note the end")

    assert end is not None
    assert (end.ended_by, end.cause) == ("dialer", 16)


@pytest.mark.parametrize(("fate", "verdict"), [(Fate.HUMAN, "HUMAN"), (Fate.MACHINE, "MACHINE")])
def test_given_an_answered_call_when_the_dialplan_listens_then_it_tells_human_from_machine(
    empty_pbx: Lab, app: Listener, fate: Fate, verdict: str
) -> None:
    call(empty_pbx, number(fate, ring=0), "listened")
    until(lambda: app.of("StasisStart", "listened"), "the answer")
    ari = empty_pbx.pbx.ari
    ari.post("asterisk/variable", variable="SD_APP", value=APP)
    try:
        ari.post("channels/listened/continue", context="sd-amd", extension="s", priority=1)
        until(lambda: len(app.of("StasisStart", "listened")) == 2, "the verdict", 15)
    finally:
        ari.post("asterisk/variable", variable="SD_APP", value="stasis_dialer")
        ari.delete("channels/listened")

    assert app.of("StasisStart", "listened")[1]["args"][:1] == ["amd"]
    assert app.of("StasisStart", "listened")[1]["args"][2] == verdict


def test_given_the_mix_when_numbers_are_called_then_each_fate_is_the_one_that_was_known(
    empty_pbx: Lab, carrier: Carrier
) -> None:
    dialled = [number(None, ring=0, talk=1, serial=serial) for serial in range(60)]

    for index, each in enumerate(dialled):
        fall_back(empty_pbx, each, f"mix-{index}")
    until(lambda: all(it.end for it in carrier.calls()) and len(carrier.calls()) == 60, "all calls to end", 20)

    assert {it.number: it.fate for it in carrier.invites()} == {
        each: fate_of(each, empty_pbx.seed).fate for each in dialled
    }


def test_given_many_calls_at_once_when_they_are_over_then_the_log_has_every_one_once(
    empty_pbx: Lab, carrier: Carrier
) -> None:
    dialled = [number(Fate.BUSY, serial=serial) for serial in range(600)]

    with ThreadPoolExecutor(8) as workers:
        list(workers.map(lambda each: fall_back(empty_pbx, each, f"many{each}"), dialled))
    until(lambda: sum(it.end is not None for it in carrier.calls()) == 600, "all calls to end", 20)

    assert sorted(it.number for it in carrier.invites()) == sorted(dialled)


@pytest.mark.parametrize(
    "hostile", ['12"},{"x":"3', "12\\34", "55119'1 300", "${SHELL(id)}", "1,2;3", "12%", "h", "+5511913000001;x"]
)
def test_given_a_hostile_number_when_it_is_called_then_the_log_holds_it_as_it_was(
    empty_pbx: Lab, carrier: Carrier, hostile: str
) -> None:
    target = f"PJSIP/carrier/sip:{quote(hostile, safe='')}@{empty_pbx.state.block.carrier}:5060"
    empty_pbx.pbx.ari.post("channels", endpoint=target, context="sd-safe-harbour", extension="s", priority=1)
    fall_back(empty_pbx, number(Fate.BUSY), "after")
    until(lambda: number(Fate.BUSY) in [it.number for it in carrier.invites()], "the next call to be logged")

    logged = [it for it in carrier.invites() if it.number != number(Fate.BUSY)]
    assert {(it.number, it.fate) for it in logged} <= {(hostile, Fate.UNALLOCATED)}


def test_phones_really_register_and_unregister(empty_pbx: Lab) -> None:
    phone = empty_pbx.phone("1003")

    phone.unregister()
    assert not phone.is_registered()
    with pytest.raises(LabError, match="Allocation failed"):
        empty_pbx.pbx.ari.post("channels", endpoint="PJSIP/1003", app=APP)
    phone.register()

    assert phone.is_registered()


def played(lab: Lab) -> list[str]:
    """What the dialplan plays on the PBX's channels."""
    return [channel["dialplan"]["app_data"] for channel in lab.pbx.ari.get("channels")]


@pytest.mark.parametrize(
    ("code", "entry"),
    [("*51", "agent-login"), ("*52", "agent-logout"), ("*53", "agent-pause"), ("*54", "agent-unpause")],
)
def test_given_no_dialer_when_an_agent_dials_a_code_then_a_message_is_played(
    empty_pbx: Lab, code: str, entry: str
) -> None:
    phone = empty_pbx.phone("1001")

    phone.dial(code)
    until(lambda: "stasis-dialer/dialer-unavailable" in played(empty_pbx), "the message")
    phone.hang_up()

    assert f"entry={entry} endpoint=1001" in empty_pbx.pbx.log_lines()[-1]


@pytest.mark.parametrize(
    ("dialled", "arguments"),
    [
        ("*51", ["agent-login", "1004", ""]),
        ("*53", ["agent-pause", "1004", ""]),
        ("*5312", ["agent-pause", "1004", "12"]),
        ("*55", ["agent-done", "1004", ""]),
        ("*561", ["agent-dispose", "1004", "1"]),
        ("*56123", ["agent-dispose", "1004", "123"]),
        ("*57", ["agent-accept", "1004", ""]),
        ("*58", ["agent-skip", "1004", ""]),
        ("*5011987654321", ["agent-dial", "1004", "11987654321"]),
        ("*611001", ["supervise-listen", "1004", "1001"]),
    ],
)
def test_given_a_dialer_when_an_agent_dials_in_then_it_knows_who_by_the_endpoint(
    empty_pbx: Lab, dialled: str, arguments: list[str]
) -> None:
    listener = Listener(empty_pbx, app="stasis_dialer")
    try:
        empty_pbx.phone("1004").dial(dialled)
        start = until(lambda: listener.of("StasisStart"), "the agent's call")[0]
        empty_pbx.phone("1004").hang_up()
    finally:
        listener.close()

    assert start["args"] == arguments


def test_given_a_number_when_an_agent_types_it_then_it_is_not_dialled(empty_pbx: Lab, carrier: Carrier) -> None:
    phone = empty_pbx.phone("1005")

    phone.dial(number(Fate.HUMAN))
    until(phone.is_talking, "the message")
    phone.hang_up()

    assert carrier.invites() == []


def test_given_a_dialer_when_a_customer_calls_in_then_it_gets_the_number_that_was_called(
    empty_pbx: Lab, carrier: Carrier
) -> None:
    listener = Listener(empty_pbx, app="stasis_dialer")
    try:
        carrier.call_in("+551130000000", caller="+5511912345678")
        start = until(lambda: listener.of("StasisStart"), "the customer's call")[0]
        empty_pbx.pbx.ari.delete(f"channels/{start['channel']['id']}")
    finally:
        listener.close()

    assert start["args"] == ["inbound", "+551130000000"]
    assert start["channel"]["caller"]["number"] == "+5511912345678"


def test_given_no_dialer_when_a_customer_calls_in_then_the_safe_harbour_message_is_played(
    empty_pbx: Lab, carrier: Carrier
) -> None:
    carrier.call_in("+551130000000", caller="+5511912345678")
    until(lambda: "stasis-dialer/safe-harbour" in played(empty_pbx), "the message")
    sweep(empty_pbx)


def ring(lab: Lab, extension: str, channel: str, timeout: int = 10) -> None:
    """Call a phone into the test's application."""
    lab.pbx.ari.post("channels", endpoint=f"PJSIP/{extension}", app=APP, channelId=channel, timeout=timeout)


def test_given_a_phone_that_answers_late_when_it_is_called_then_it_rings_first(empty_pbx: Lab, app: Listener) -> None:
    empty_pbx.phone("1006").answers_after(0.5)

    ring(empty_pbx, "1006", "late")
    until(lambda: app.of("StasisStart", "late"), "the phone to answer")
    states = [event["channel"]["state"] for event in app.of("ChannelStateChange", "late")]
    empty_pbx.pbx.ari.delete("channels/late")

    assert states == ["Ringing", "Up"]


@pytest.mark.parametrize(
    ("behaviour", "cause"), [("rejects", 17), ("never_answers", 19)], ids=["rejects", "never answers"]
)
def test_given_a_phone_that_does_not_answer_when_it_is_called_then_the_cause_says_how(
    empty_pbx: Lab, app: Listener, behaviour: str, cause: int
) -> None:
    getattr(empty_pbx.phone("1006"), behaviour)()

    ring(empty_pbx, "1006", "unanswered", timeout=1)
    until(lambda: app.of("ChannelDestroyed", "unanswered"), "the call to end")

    assert app.of("ChannelDestroyed", "unanswered")[0]["cause"] == cause
    assert [it.phone for it in empty_pbx.carrier.rings()][-1] == "1006"


def test_given_a_phone_that_hangs_up_in_the_middle_then_the_call_ends_then(empty_pbx: Lab, app: Listener) -> None:
    empty_pbx.phone("1006").hangs_up_after(0.5)

    ring(empty_pbx, "1006", "short")
    until(lambda: app.of("StasisStart", "short"), "the phone to answer")
    until(lambda: app.of("ChannelDestroyed", "short"), "the phone to hang up", 3)

    # A BYE without a Reason header, as phones send it, has no cause for Asterisk 22.10.
    assert app.of("ChannelDestroyed", "short")[0]["cause"] == 0


def test_given_a_talking_phone_when_keys_are_pressed_then_the_pbx_hears_them(empty_pbx: Lab, app: Listener) -> None:
    phone = empty_pbx.phone("1007")
    ring(empty_pbx, "1007", "keys")
    until(lambda: app.of("StasisStart", "keys"), "the phone to answer")

    phone.send_dtmf("51#")
    until(lambda: len(app.of("ChannelDtmfReceived", "keys")) == 3, "the keys to be heard")
    phone.hang_up()

    assert [event["digit"] for event in app.of("ChannelDtmfReceived", "keys")] == ["5", "1", "#"]


def test_given_a_talking_phone_then_its_voice_reaches_the_pbx(empty_pbx: Lab, app: Listener) -> None:
    empty_pbx.phone("1008").says("tone")
    ring(empty_pbx, "1008", "voice")
    until(lambda: app.of("StasisStart", "voice"), "the phone to answer")
    ari = empty_pbx.pbx.ari

    def received() -> int:
        return int(ari.get("channels/voice/rtp_statistics")["rxcount"])

    until(lambda: received() > 20, "the phone's voice", 5)
    empty_pbx.phone("1008").hang_up()


def test_given_the_proxy_when_the_events_are_cut_then_requests_go_on(empty_pbx: Lab) -> None:
    with empty_pbx.ari_proxy() as proxy:
        listener = Listener(empty_pbx, proxy.url)
        until(lambda: proxy.event_connections == 1, "the event socket")

        proxy.cut_events()
        until(lambda: not listener._thread.is_alive(), "the event socket to be cut")

        assert ping(empty_pbx, proxy.url)
        with pytest.raises((OSError, EOFError, WebSocketException)):
            Listener(empty_pbx, proxy.url)
        proxy.restore()
        Listener(empty_pbx, proxy.url).close()
        listener.close()


def ping(lab: Lab, url: str) -> bool:
    """Whether ARI answers at a URL."""
    return bool(AriRequests(url, lab.ari_user, lab.ari_password).get("asterisk/ping")["ping"] == "pong")


def test_given_two_tests_when_each_asks_for_a_database_then_it_is_empty_and_strict(
    lab: Lab, database_url: str, module_database_url: str
) -> None:
    assert database_url != module_database_url
    url = make_url(database_url)
    connection = pymysql.connect(
        host=url.host, port=url.port or 0, user=url.username, password=url.password or "", database=url.database
    )
    with connection, connection.cursor() as cursor:
        cursor.execute("SHOW TABLES")
        assert cursor.fetchall() == ()
        cursor.execute("SELECT @@sql_mode, @@character_set_server, @@time_zone")
        mode, characters, zone = cursor.fetchone() or ("", "", "")
    assert "STRICT_TRANS_TABLES" in mode
    assert (characters, zone) == ("utf8mb4", "+00:00")


def test_given_a_killed_database_when_it_is_started_again_then_committed_rows_are_there(lab: Lab) -> None:
    lab.create_database("killed")
    lab.mariadb.execute("CREATE TABLE killed.t (a INT)", "INSERT INTO killed.t VALUES (1)")

    lab.mariadb.kill()
    lab.mariadb.start()

    lab.mariadb.execute("INSERT INTO killed.t SELECT a + 1 FROM killed.t", "DROP DATABASE killed")


@pytest.mark.parametrize("how", ["restart", "kill"])
def test_given_a_pbx_that_goes_away_when_it_is_back_then_the_phones_are_still_registered(
    empty_pbx: Lab, how: str
) -> None:
    if how == "kill":
        empty_pbx.pbx.kill()
        empty_pbx.pbx.start()
    else:
        empty_pbx.pbx.restart()

    empty_pbx.register_phones()

    assert all(phone.is_registered() for phone in empty_pbx.phones())
