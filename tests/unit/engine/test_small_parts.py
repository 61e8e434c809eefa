"""Ids, clock, panel rows, the campaigns' book, and what a customer's channel is given."""

from __future__ import annotations

import string
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from stasis_dialer.core.extensions import Extensions, endpoint_of
from stasis_dialer.core.model import Campaign, CampaignStatus, LineStatus, Trunk
from stasis_dialer.engine.calls import leg_variables
from stasis_dialer.engine.campaigns import CampaignBook
from stasis_dialer.engine.clock import Clock
from stasis_dialer.engine.ids import AGENT_LEG, BRIDGE, CALL, SESSION, TARGET_LEG, Ids
from stasis_dialer.engine.panel import read_endpoints, status_of
from stasis_dialer.engine.revive import Seen, is_in_app

FREE, BUSY, AWAY = LineStatus.FREE, LineStatus.BUSY, LineStatus.UNREGISTERED


# --- ids ------------------------------------------------------------------------------------------------------------


def test_ids_are_never_the_same_and_known_as_ours() -> None:
    ids = Ids("stasis_dialer")
    made = [ids.new(kind) for kind in (CALL, AGENT_LEG, BRIDGE, SESSION) for _ in range(1000)]
    assert len(set(made)) == len(made)
    assert all(ids.is_ours(id_) for id_ in made)
    assert max(map(len, made)) <= 64


def test_given_the_longest_name_of_an_application_then_ids_fit_the_database() -> None:
    assert len(Ids("a" * 40).new(CALL)) <= 64


def test_given_a_channel_on_a_trunk_then_its_id_tells_which_whatever_the_trunks_name_is() -> None:
    ids, names = Ids("stasis_dialer"), ("carrier", "Opção 2 / São Paulo", "x" * 64)
    for trunk in names:
        made = ids.on_trunk(TARGET_LEG, trunk)
        assert ids.kind(made) == TARGET_LEG
        assert [name for name in names if ids.is_on_trunk(made, name)] == [trunk]
        assert set(made) <= set(string.ascii_letters + string.digits + "_.-")
    assert not any(ids.is_on_trunk(ids.new(TARGET_LEG), name) for name in names)


def test_an_attempts_second_channel_is_ours_as_long_and_always_the_same() -> None:
    ids = Ids("stasis_dialer")
    first = ids.new(CALL)
    again = ids.again(first)
    assert again != first
    assert again == ids.again(first)
    assert len(again) == len(first)
    assert ids.is_ours(again)


@pytest.mark.parametrize(
    "id_",
    [
        "",
        "1700000000.12",
        "other-c-1",
        "stasis_dialer",
        "stasis_dialer2-c-1",
        "xstasis_dialer-c-1",
        "stasis_dialer-two-c-1",
    ],
)
def test_ids_of_others_are_not_ours(id_: str) -> None:
    assert not Ids("stasis_dialer").is_ours(id_)


def test_given_an_application_whose_name_continues_ours_then_its_ids_are_not_ours() -> None:
    assert not Ids("app").is_ours(Ids("app-two").new(CALL))
    assert not Ids("app").is_ours(Ids("app2").new(CALL))


# --- clock ----------------------------------------------------------------------------------------------------------


def test_the_axis_and_utc_go_there_and_back() -> None:
    clock = Clock()
    now = clock.now()
    assert clock.at(clock.utc(now)) == pytest.approx(now, abs=1e-5)
    assert clock.utc(now + 60.0) - clock.utc(now) == timedelta(seconds=60)
    assert abs(clock.drift_seconds()) < 0.5
    assert clock.utc_now().tzinfo is not None


# --- the panel ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("is_registered", "channels", "line1", "line2", "is_available"),
    [
        (True, 0, FREE, FREE, True),
        (True, 1, BUSY, FREE, True),
        (True, 2, BUSY, BUSY, False),
        (True, 5, BUSY, BUSY, False),
        (False, 0, AWAY, AWAY, False),
        (False, 1, BUSY, FREE, False),
    ],
)
def test_a_telephones_row(
    is_registered: bool, channels: int, line1: LineStatus, line2: LineStatus, is_available: bool
) -> None:
    status = status_of("1001", is_registered, channels)
    assert (status.line1, status.line2, status.is_registered) == (line1, line2, is_registered)
    assert status.is_available is is_available


def test_extensions_are_the_endpoints_with_names_of_at_most_ten_signs_that_are_no_trunks() -> None:
    endpoints: list[dict[str, Any]] = [
        {"resource": "1001", "state": "online", "channel_ids": ["a"]},
        {"resource": "1002", "state": "offline", "channel_ids": []},
        {"resource": "1003", "state": "unknown"},
        {"resource": "joao", "state": "online", "channel_ids": []},
        {"resource": "carrier", "state": "online", "channel_ids": ["b"]},
        {"resource": "5511", "state": "online", "channel_ids": []},
        {"resource": "12345678901", "state": "online", "channel_ids": []},
    ]
    trunks = ["PJSIP/{number}@carrier", "PJSIP/5511/sip:{number}@10.0.0.1"]
    found = read_endpoints(endpoints, Extensions.beside("PJSIP/{extension}", trunks))
    lines = {number: status.line1 for number, status in found.items()}
    assert lines == {"1001": BUSY, "1002": AWAY, "1003": AWAY, "joao": FREE}
    assert read_endpoints([]) == {}


@pytest.mark.parametrize(
    ("template", "endpoint", "extension"),
    [
        ("PJSIP/{extension}", "1001", "1001"),
        ("PJSIP/agent-{extension}", "agent-1001", "1001"),
        ("PJSIP/agent-{extension}", "1001", ""),
        ("PJSIP/{extension}_sip", "1001_sip", "1001"),
        ("PJSIP/{extension}_sip", "_sip", ""),
        ("PJSIP/{extension}@other", "1001", ""),
        ("PJSIP/{extension}", "joao", "joao"),
        ("PJSIP/{extension}", "João", ""),
        ("PJSIP/{extension}", "1001\n", ""),
        ("PJSIP/{extension}", "12345678901", ""),
        ("PJSIP/{extension}", "9000", ""),
        ("PJSIP/agent-{extension}", "agent-9000", "9000"),
    ],
)
def test_an_endpoints_extension_is_what_the_template_says(template: str, endpoint: str, extension: str) -> None:
    extensions = Extensions.beside(template, ["PJSIP/{number}@9000"])
    assert extensions.of(endpoint) == extension
    assert extension == "" or extensions.has(extension)


def test_a_trunks_name_is_no_extension() -> None:
    extensions = Extensions.beside("PJSIP/{extension}", ["PJSIP/{number}@9000"])
    assert [name for name in ("1001", "joao", "9000", "", "../1001") if extensions.has(name)] == ["1001", "joao"]


@pytest.mark.parametrize(
    ("dial_string", "endpoint"),
    [
        ("PJSIP/{number}@carrier", "carrier"),
        ("PJSIP/carrier", "carrier"),
        ("PJSIP/carrier/sip:{number}@10.0.0.1:5060", "carrier"),
    ],
)
def test_a_dial_strings_endpoint(dial_string: str, endpoint: str) -> None:
    assert endpoint_of(dial_string) == endpoint


# --- the campaigns' book --------------------------------------------------------------------------------------------


@dataclass
class Row:
    campaign: Campaign
    problems: tuple[str, ...] = ()


class Rows:
    def __init__(self, *rows: Row) -> None:
        self.rows = list(rows)

    async def find(self) -> list[Row]:
        return self.rows


ACTIVE = Campaign(1, "spring", CampaignStatus.ACTIVE)


async def test_the_book_has_what_may_dial_with_the_configurations_message_filled_in() -> None:
    own = replace(ACTIVE, id=2, name="own", safe_harbour_media="sound:own")
    paused = replace(ACTIVE, id=3, name="paused", status=CampaignStatus.PAUSED)
    finished = replace(ACTIVE, id=4, name="finished", status=CampaignStatus.FINISHED)
    wrong = Row(replace(ACTIVE, id=5, name="wrong"), ("mode is 'turbo'",))
    book = CampaignBook(Rows(Row(own), Row(ACTIVE), Row(paused), Row(finished), wrong), "sound:ours")
    assert await book.refresh()
    assert [campaign.id for campaign in book.active()] == [1, 2]
    assert set(book.all()) == {1, 2, 3}
    assert book.all()[1].safe_harbour_media == "sound:ours"
    assert book.all()[2].safe_harbour_media == "sound:own"
    assert not await book.refresh()
    assert book.of(4).name == "finished"
    assert book.of(None).name == "unknown"


async def test_given_a_campaign_changes_then_the_book_says_so() -> None:
    rows = Rows(Row(ACTIVE))
    book = CampaignBook(rows, None)
    await book.refresh()
    rows.rows = [Row(replace(ACTIVE, max_channels=99))]
    assert await book.refresh()
    assert book.active()[0].max_channels == 99


# --- a customer's channel -------------------------------------------------------------------------------------------


def test_a_customers_channel_ends_by_itself_and_shows_the_right_number() -> None:
    trunk = Trunk(
        "carrier",
        "PJSIP/{number}@carrier",
        headers=(("X-Id", "{attempt_id}/{campaign_id}"),),
    )
    campaign = replace(ACTIVE, ring_timeout_seconds=30.0, max_call_seconds=600.0)
    variables = dict(leg_variables("c1", campaign, trunk, "+551130000000", "app"))
    assert variables == {
        "TIMEOUT(absolute)": "690",
        "SD_ATTEMPT": "c1",
        "SD_CAMPAIGN": "1",
        "CONNECTEDLINE(num,i)": "+551130000000",
        "PJSIP_HEADER(add,X-Id)": "c1/1",
    }
    assert "CONNECTEDLINE(num,i)" not in dict(leg_variables("c1", campaign, trunk, None, "app"))


# --- what Asterisk has ----------------------------------------------------------------------------------------------


def test_where_a_leg_is() -> None:
    seen = Seen({"a": {}, "b": {}}, {"b1": frozenset({"a", "x"}), "b2": frozenset()})
    assert seen.bridge_of("a") == "b1"
    assert seen.bridge_of("b") is None


@pytest.mark.parametrize(
    ("channel", "is_there"),
    [
        ({"dialplan": {"app_name": "Stasis", "app_data": "app,inbound"}}, True),
        ({"dialplan": {"app_name": "Stasis", "app_data": "app"}}, True),
        ({"dialplan": {"app_name": "Stasis", "app_data": "app2,inbound"}}, False),
        ({"dialplan": {"app_name": "Dial", "app_data": "app"}}, False),
        ({"dialplan": None}, False),
        ({}, False),
    ],
    ids=str,
)
def test_whether_a_channel_waits_in_our_application(channel: dict[str, Any], is_there: bool) -> None:
    assert is_in_app(channel, "app") is is_there
