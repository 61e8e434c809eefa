"""Keyword arguments to requests: names, falsy values, lists, bodies and long queries."""

from typing import Any

import pytest

from stasis_dialer.ari.interface import Builder, Request
from stasis_dialer.ari.operations import OPERATIONS
from stasis_dialer.ari.repositories import find


def build(name: str, /, **arguments: Any) -> Request:
    return Builder(find(name)).build(arguments)


def test_ids_go_into_the_path_percent_encoded() -> None:
    request = build("endpoints.get", tech="PJSIP", resource="a/b c")
    assert (request.method, request.path, request.query) == ("GET", "/endpoints/PJSIP/a%2Fb%20c", [])


@pytest.mark.parametrize(
    ("value", "sent"),
    [(0, "0"), (False, "false"), (True, "true"), ("", ""), (-1, "-1"), (2.5, "2.5")],
)
def test_falsy_and_other_values_are_sent_as_asterisk_reads_them(value: Any, sent: str) -> None:
    assert build("channels.dial", channelId="c1", timeout=value).query == [("timeout", sent)]


def test_none_means_not_given() -> None:
    assert build("channels.dial", channelId="c1", timeout=None).query == []


def test_a_list_is_joined_by_commas_and_objects_by_their_ids() -> None:
    class Leg:
        id = "c2"

    assert build("bridges.addChannel", bridgeId="b1", channel=["c1", Leg()]).query == [("channel", "c1,c2")]


def test_variables_go_into_the_body_as_texts_and_keep_the_long_form() -> None:
    request = build(
        "channels.create",
        endpoint="PJSIP/1@t",
        app="a",
        variables={"TIMEOUT(absolute)": 20, "A": {"value": "b", "report_events": True}},
    )
    assert request.body == {"variables": {"TIMEOUT(absolute)": "20", "A": {"value": "b", "report_events": True}}}


def test_the_event_filter_is_the_whole_body() -> None:
    request = build("applications.filter", applicationName="a", filter={"disallowed": []})
    assert (request.path, request.body) == ("/applications/a/eventFilter", {"disallowed": []})


def test_a_variable_list_of_a_get_goes_into_the_query() -> None:
    assert build("channels.getChannelVars", channelId="c", variables=["A", "B"]).query == [("variables", "A,B")]


def test_a_keyword_of_python_has_an_underscore() -> None:
    request = build("endpoints.sendMessage", to="pjsip:1", from_="pjsip:2", body="x")
    assert ("from", "pjsip:2") in request.query


def test_an_unknown_argument_names_the_valid_ones() -> None:
    with pytest.raises(
        TypeError, match=r"channels\.dial\(\) does not take time_out; it takes: channelId, caller, timeout"
    ):
        build("channels.dial", channelId="c1", time_out=3)


@pytest.mark.parametrize("arguments", [{}, {"channelId": None}, {"channelId": ""}])
def test_a_missing_argument_is_named(arguments: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="needs channelId"):
        build("channels.dial", **arguments)
    with pytest.raises(TypeError, match=r"channels\.create\(\) needs app"):
        build("channels.create", endpoint="PJSIP/1@t", app=None)


def test_a_query_too_long_for_a_request_line_becomes_typed_json() -> None:
    request = build("channels.originate", endpoint="PJSIP/1@t", app="a", appArgs="x" * 4000, timeout="45", callerId="")
    assert request.query == []
    assert request.body == {"endpoint": "PJSIP/1@t", "app": "a", "appArgs": "x" * 4000, "timeout": 45, "callerId": ""}


@pytest.mark.parametrize(
    ("name", "arguments", "own"),
    [
        ("channels.create", {"endpoint": "e", "app": "a", "channelId": "c1"}, "/channels/c1"),
        ("channels.create", {"endpoint": "e", "app": "a"}, None),
        ("channels.originateWithId", {"endpoint": "e", "channelId": "c1"}, "/channels/c1"),
        ("channels.snoopChannelWithId", {"channelId": "c1", "snoopId": "s1", "app": "a"}, "/channels/s1"),
        ("channels.snoopChannel", {"channelId": "c1", "app": "a"}, None),
        ("bridges.create", {"bridgeId": "b1"}, "/bridges/b1"),
        ("channels.playWithId", {"channelId": "c1", "playbackId": "p1", "media": "m"}, "/playbacks/p1"),
        ("bridges.record", {"bridgeId": "b1", "name": "r1", "format": "wav"}, "/recordings/live/r1"),
        ("channels.dial", {"channelId": "c1"}, None),
        ("channels.get", {"channelId": "c1"}, None),
    ],
)
def test_only_a_post_with_an_id_of_ours_may_be_repeated(name: str, arguments: dict[str, Any], own: str | None) -> None:
    assert build(name, **arguments).own == own


def test_every_operation_can_be_built_from_its_required_arguments() -> None:
    for operation in OPERATIONS:
        arguments = {item.name: "x" for item in operation.parameters if item.required}
        request = Builder(operation).build(arguments)
        assert request.method == operation.method
        assert "{" not in request.path


def test_an_id_that_asterisk_would_cut_off_is_refused() -> None:
    assert build("channels.create", endpoint="e", app="a", channelId="x" * 149).own
    with pytest.raises(ValueError, match="channelId has 150 characters; Asterisk takes 149"):
        build("channels.create", endpoint="e", app="a", channelId="x" * 150)
