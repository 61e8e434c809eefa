"""Decoding of what a real Asterisk 22.10.1 sent, and of what none should ever send."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stasis_dialer.ari import events
from stasis_dialer.ari.decode import Decoder

RECORDINGS = sorted((Path(__file__).parents[2] / "data" / "ari").glob("*.jsonl"))


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines()


def recorded(name: str) -> list[Any]:
    decoder = Decoder()
    return [decoder.decode(line) for path in RECORDINGS if path.stem == name for line in lines(path)]


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_every_recorded_message_is_decoded_with_nothing_lost(path: Path) -> None:
    decoder = Decoder()
    for line in lines(path):
        event = decoder.decode(line)
        assert event is not None, line
        sent = json.loads(line)
        for name, value in sent.items():
            kept = event.type if name == "type" else msgspec.to_builtins(event)[name]
            if isinstance(value, dict):
                kept = {key: item for key, item in kept.items() if key in value}
            assert kept == value, f"{event.type}.{name}"
    assert (decoder.malformed, decoder.unknown) == (0, {})


@pytest.mark.parametrize(
    ("recording", "cause", "tech_cause"),
    [
        ("answered", 16, None),
        ("busy", 17, 486),
        ("no_answer", 19, 480),
        ("congestion", 34, 503),
        ("unallocated", 1, 404),
        ("rejected", 21, 403),
    ],
)
def test_the_last_event_of_every_outcome_is_channel_destroyed_with_its_causes(
    recording: str, cause: int, tech_cause: int | None
) -> None:
    last = recorded(recording)[-1]
    assert isinstance(last, events.ChannelDestroyed)
    assert (last.cause, last.tech_cause) == (cause, tech_cause)


def test_the_verdict_of_amd_is_in_the_arguments_of_the_second_stasis_start() -> None:
    starts = [event for event in recorded("amd") if isinstance(event, events.StasisStart)]
    assert [start.args for start in starts] == [[], ["amd", "rec-amd", "HUMAN", "HUMAN-800-800"]]


def test_an_event_answers_by_attribute_like_a_dict_and_by_pattern() -> None:
    event = recorded("answered")[4]
    assert event["channel"]["state"] == event.channel.state == "Up"
    assert "replace_channel" not in event
    assert event.get("cause", 99) == 99
    with pytest.raises(KeyError):
        event["cause"]
    match event:
        case events.ChannelStateChange(channel):
            assert channel.id == "rec-1001"
        case _:
            pytest.fail("the pattern did not match")


def test_a_timestamp_is_aware_and_in_milliseconds() -> None:
    event = Decoder().decode(b'{"type":"ApplicationRegistered","timestamp":"2026-11-22T10:00:00.123-0300"}')
    assert event.at() == datetime(2026, 11, 22, 13, 0, 0, 123000, tzinfo=UTC)


def test_a_text_message_keeps_its_sender_under_a_python_name() -> None:
    event = Decoder().decode(b'{"type":"TextMessageReceived","message":{"from":"a","to":"b","body":"c"}}')
    assert (event.message.from_, event["message"]["from"]) == ("a", "a")
    assert event.to_dict()["message"] == {"from": "a", "to": "b", "body": "c"}


def test_an_unknown_type_is_none_and_counted_by_name() -> None:
    decoder = Decoder()
    assert decoder.decode(b'{"type":"ChannelTeleported","channel":{}}') is None
    assert (decoder.unknown, decoder.malformed) == ({"ChannelTeleported": 1}, 0)


def test_the_names_of_unknown_types_cannot_fill_the_memory() -> None:
    decoder = Decoder()
    for number in range(1000):
        decoder.decode(json.dumps({"type": f"Broken{number}"}))
    assert len(decoder.unknown) <= 51
    assert decoder.unknown.total() == 1000


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"{}",
        b'{"type":7}',
        b'{"type":"StasisStart"}',
        b'{"type":"StasisStart","channel":{}}',
    ],
    ids=["empty", "not utf-8", "list", "null", "no type", "type is a number", "no channel", "channel without id"],
)
def test_a_malformed_message_is_none_and_counted(message: bytes) -> None:
    decoder = Decoder()
    assert decoder.decode(message) is None
    assert decoder.malformed == 1


@given(st.one_of(st.binary(), st.text(), st.recursive(st.none() | st.text() | st.integers(), st.lists).map(json.dumps)))
def test_whatever_arrives_never_raises(message: bytes | str) -> None:
    Decoder().decode(message)


@given(st.sampled_from([line for path in RECORDINGS for line in lines(path)]), st.data())
def test_a_recorded_message_with_a_damaged_field_never_raises(line: bytes, data: st.DataObject) -> None:
    sent = json.loads(line)
    name = data.draw(st.sampled_from(sorted(sent)))
    sent[name] = data.draw(st.none() | st.integers() | st.text() | st.lists(st.integers()) | st.just({}))
    Decoder().decode(json.dumps(sent))
