"""A trunk's limits: channels in use, and new calls a second."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stasis_dialer.core.model import Campaign, Trunk
from stasis_dialer.core.trunks import Breaker, CircuitState
from stasis_dialer.engine.clock import Clock
from stasis_dialer.engine.trunks import TrunkGate, Trunks
from stasis_dialer.errors import Refused

TRUNK = Trunk("carrier", "PJSIP/{number}@carrier", max_channels=30, calls_per_second=10.0)
CAMPAIGN = Campaign(1, "spring")


class HandClock(Clock):
    """A clock that the test sets."""

    seconds = 100.0

    def now(self) -> float:
        return self.seconds


def test_given_a_rate_then_a_call_each_tenth_of_a_second() -> None:
    clock = HandClock()
    gate = TrunkGate(TRUNK, clock)
    assert gate.room() == 1
    gate.take()
    assert gate.room() == 0
    assert gate.next_at() == pytest.approx(100.1)
    clock.seconds = 100.05
    assert gate.room() == 0
    clock.seconds = 100.1
    assert gate.room() == 1


def test_given_a_fast_trunk_then_a_late_look_loses_no_calls_up_to_the_burst() -> None:
    clock = HandClock()
    gate = TrunkGate(replace(TRUNK, calls_per_second=100.0), clock)
    for _ in range(gate.room()):
        gate.take()
    clock.seconds += 0.05
    assert gate.room() == 5
    clock.seconds += 60.0
    assert gate.room() == 10


def test_given_a_slow_trunk_then_less_than_a_call_a_second() -> None:
    clock = HandClock()
    gate = TrunkGate(replace(TRUNK, calls_per_second=0.5), clock)
    gate.take()
    clock.seconds += 1.9
    assert gate.room() == 0
    clock.seconds += 0.1
    assert gate.room() == 1


def test_given_all_channels_in_use_then_no_room_and_no_time_until_one_is_given_back() -> None:
    clock = HandClock()
    gate = TrunkGate(replace(TRUNK, max_channels=2), clock)
    for _ in range(2):
        gate.take()
        clock.seconds += 1.0
    assert (gate.room(), gate.next_at()) == (0, None)
    gate.give_back()
    assert gate.room() == 1


def test_given_more_given_back_than_taken_then_never_below_none() -> None:
    gate = TrunkGate(TRUNK, HandClock())
    gate.give_back()
    assert gate.in_use == 0


@given(
    st.floats(0.5, 200.0),
    st.lists(st.floats(0.0, 3.0), min_size=1, max_size=60),
)
def test_given_any_moments_then_no_window_has_more_calls_than_the_rate_and_one_burst(
    rate: float, pauses: list[float]
) -> None:
    clock = HandClock()
    gate = TrunkGate(replace(TRUNK, calls_per_second=rate, max_channels=1_000_000), clock)
    placed: list[float] = []
    for pause in pauses:
        clock.seconds += pause
        for _ in range(gate.room()):
            gate.take()
            placed.append(clock.seconds)
    burst = max(1.0, rate * 0.1)
    for first, start in enumerate(placed):
        for last in range(first, len(placed)):
            assert last - first + 1 <= rate * (placed[last] - start) + burst + 1e-3


def test_given_the_time_it_named_then_there_is_room() -> None:
    clock = HandClock()
    for rate in (0.7, 3.0, 10.0, 33.3, 70.0, 200.0):
        gate = TrunkGate(replace(TRUNK, calls_per_second=rate, max_channels=10_000), clock)
        for _ in range(50):
            while gate.room():
                gate.take()
            at = gate.next_at()
            assert at is not None
            clock.seconds = at
            assert gate.room() >= 1, rate


def test_a_campaigns_trunks_in_its_order_or_all_in_the_configurations() -> None:
    trunks = Trunks([TRUNK, replace(TRUNK, name="second"), replace(TRUNK, name="third")], HandClock())
    assert [gate.trunk.name for gate in trunks.of(CAMPAIGN)] == ["carrier", "second", "third"]
    chosen = trunks.of(replace(CAMPAIGN, trunks=("third", "carrier")))
    assert [gate.trunk.name for gate in chosen] == ["third", "carrier"]
    assert trunks.calls_per_second(CAMPAIGN) == 30.0
    assert trunks.calls_per_second(replace(CAMPAIGN, trunks=("third",))) == 10.0


def test_given_an_unknown_trunk_then_refused_with_those_there_are() -> None:
    with pytest.raises(Refused, match="trunk=none; the configuration has carrier"):
        Trunks([TRUNK], HandClock()).of(replace(CAMPAIGN, trunks=("none",)))


def test_a_call_found_after_a_restart_takes_a_channel_but_no_token() -> None:
    trunks = Trunks([TRUNK], HandClock())
    trunks.occupy("carrier")
    trunks.occupy("gone")
    assert trunks.in_use() == {"carrier": 1}
    assert trunks.of(CAMPAIGN)[0].room() == 1
    trunks.give_back("carrier")
    trunks.give_back("gone")
    assert trunks.in_use() == {"carrier": 0}
    assert trunks.find("carrier") == TRUNK
    assert trunks.find("gone") is None
    assert trunks.find(None) is None


def placed_on(trunks: Trunks, calls: int, clock: HandClock, campaign: Campaign = CAMPAIGN) -> Counter[str]:
    """Where so many calls go, one after the other."""
    chosen: Counter[str] = Counter()
    for _ in range(calls):
        clock.seconds += 1.0
        gate = trunks.pick(campaign)
        assert gate is not None
        gate.take()
        gate.give_back()
        chosen[gate.trunk.name] += 1
    return chosen


def test_given_equals_then_they_share_by_weight_and_the_next_order_waits() -> None:
    clock = HandClock()
    trunks = Trunks([replace(TRUNK, weight=3.0), replace(TRUNK, name="b"), replace(TRUNK, name="c", order=1)], clock)
    assert placed_on(trunks, 40, clock) == {"carrier": 30, "b": 10}


def test_given_an_equal_had_no_room_for_long_then_it_does_not_get_what_it_missed() -> None:
    clock = HandClock()
    trunks = Trunks([TRUNK, replace(TRUNK, name="b")], clock)
    second = trunks.of(CAMPAIGN)[1]
    second.in_use = 30
    assert placed_on(trunks, 100, clock) == {"carrier": 100}
    second.in_use = 0
    chosen = placed_on(trunks, 20, clock)
    assert chosen["carrier"] >= 9


def test_given_a_trunk_is_left_alone_then_the_other_is_picked_and_it_says_when_it_is_tried() -> None:
    clock, watcher = HandClock(), Watcher()
    trunks = Trunks([replace(TRUNK, breaker=Breaker(calls=2)), replace(TRUNK, name="b", order=1)], clock, watcher)
    for _ in range(2):
        trunks.told("carrier", clock.seconds, is_fault=True)
    assert watcher.seen == ["carrier refuses", "carrier refuses", "carrier open"]
    assert not trunks.circuits()["carrier"].is_closed
    assert placed_on(trunks, 3, clock) == {"b": 3}
    carrier = trunks.of(CAMPAIGN)[0]
    assert carrier.next_at() == pytest.approx(160.0)
    clock.seconds = 160.0
    assert (carrier.room(), trunks.is_any_usable(CAMPAIGN)) == (1, True)
    carrier.take()
    trunks.placed("carrier")
    assert carrier.room() == 0
    trunks.told("carrier", 160.0, is_fault=False)
    assert watcher.seen[-1] == "carrier closed"
    clock.seconds += 1.0
    assert carrier.room() == 1


def test_given_all_trunks_are_left_alone_then_none_is_usable() -> None:
    clock = HandClock()
    trunks = Trunks([replace(TRUNK, breaker=Breaker(calls=1))], clock)
    trunks.told("carrier", clock.seconds, is_fault=True)
    trunks.told("unknown", clock.seconds, is_fault=True)
    trunks.placed("unknown")
    assert not trunks.is_any_usable(CAMPAIGN)
    assert trunks.pick(CAMPAIGN) is None


def test_given_a_refused_call_then_only_trunks_with_room_that_it_was_not_tried_on() -> None:
    clock = HandClock()
    full = replace(TRUNK, name="full", max_channels=1)
    trunks = Trunks([TRUNK, full, replace(TRUNK, name="free")], clock)
    trunks.occupy("full")
    assert [gate.trunk.name for gate in trunks.others(CAMPAIGN, {"carrier"})] == ["free"]


class Watcher:
    """Writes down what the trunks do."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def trunk_told(self, trunk: str, is_fault: bool) -> None:
        if is_fault:
            self.seen.append(f"{trunk} refuses")

    def trunk_rerouted(self, before: str, after: str) -> None:
        self.seen.append(f"{before} to {after}")

    def trunk_circuit(self, trunk: str, state: CircuitState) -> None:
        self.seen.append(f"{trunk} {state}")
