"""A key that Asterisk tells twice counts once; two quick presses count twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from stasis_dialer.ari.events import Channel, ChannelDtmfReceived
from stasis_dialer.engine.key_repeats import KeyRepeats

NOON = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)


def told(digit: str, milliseconds: float, channel: str = "c1") -> ChannelDtmfReceived:
    at = (NOON + timedelta(milliseconds=milliseconds)).isoformat(timespec="milliseconds")
    return ChannelDtmfReceived(channel=Channel(id=channel), digit=digit, timestamp=at)


def counted(*keys: ChannelDtmfReceived) -> str:
    repeats = KeyRepeats()
    return "".join(key.digit for key in keys if not repeats.is_repeat(key))


def test_given_a_code_pressed_fast_when_keys_are_told_twice_or_thrice_then_each_counts_once() -> None:
    keys = (told("*", 0), told("5", 200), told("5", 204), told("6", 400), told("6", 447), told("6", 498))
    assert counted(*keys) == "*56"


def test_given_one_key_pressed_as_fast_as_exchanges_take_it_then_every_press_counts() -> None:
    assert counted(*(told("1", 93 * press) for press in range(5))) == "11111"


def test_given_two_telephones_then_one_does_not_hide_the_others_keys() -> None:
    assert counted(told("1", 0, "a"), told("1", 10, "b"), told("1", 20, "a")) == "11"


def test_given_no_time_or_a_clock_that_went_back_then_the_key_counts() -> None:
    untimed = ChannelDtmfReceived(channel=Channel(id="c1"), digit="1")
    assert counted(untimed, untimed, told("1", 500), told("1", 0)) == "1111"


def test_given_many_channels_then_only_the_last_seconds_are_remembered() -> None:
    repeats = KeyRepeats()
    for number in range(10_000):
        repeats.is_repeat(told("1", number * 10.0, f"c{number}"))
    assert len(repeats._last) <= 101
