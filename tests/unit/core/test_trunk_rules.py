"""When a trunk is left alone, when it is tried again, and who is asked first."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stasis_dialer.core.trunks import (
    Breaker,
    Circuit,
    CircuitState,
    Failover,
    allowed,
    by_order,
    heard,
    may_reroute,
    neighbours,
    placed,
)

RULES = Breaker(share=0.5, calls=4, window_seconds=10.0, open_seconds=60.0)
CLOSED, OPEN, HALF_OPEN = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN


def after(*faults: bool, rules: Breaker = RULES, at: float = 100.0, step: float = 0.1) -> Circuit:
    """A circuit that heard so many calls, one each `step` seconds."""
    circuit = Circuit()
    for count, is_fault in enumerate(faults):
        now = at + count * step
        circuit = heard(circuit, rules, is_fault=is_fault, placed_at=now, now=now)
    return circuit


@pytest.mark.parametrize(
    ("faults", "state"),
    [
        ((True, True, True), CLOSED),
        ((True, True, True, True), OPEN),
        ((False, False, True, True), OPEN),
        ((True, True, False, False), CLOSED),
        ((False, False, False, True), CLOSED),
    ],
    ids=["too few calls", "all refused", "half refused", "a call that works opens nothing", "a quarter refused"],
)
def test_given_a_share_of_refusals_then_it_opens_from_the_limit_on(
    faults: tuple[bool, ...], state: CircuitState
) -> None:
    assert after(*faults).state is state


def test_given_refusals_that_are_longer_ago_than_the_window_then_they_do_not_count() -> None:
    assert after(*[True] * 20, step=4.0).state is CLOSED


def test_given_no_share_then_it_never_opens() -> None:
    assert after(*[True] * 50, rules=Breaker(share=None)).state is CLOSED


def test_given_open_then_nothing_until_one_call_may_be_tried() -> None:
    circuit = after(*[True] * 4)
    assert circuit.until == pytest.approx(160.3)
    assert (allowed(circuit, 160.0), allowed(circuit, 160.4)) == (0, 1)
    trial = placed(circuit, RULES, 160.4)
    assert trial.state is HALF_OPEN
    assert allowed(trial, 161.0) == 0


def test_given_the_trial_works_then_it_is_closed_and_begins_anew() -> None:
    trial = placed(after(*[True] * 4), RULES, 170.0)
    closed = heard(trial, RULES, is_fault=False, placed_at=170.0, now=172.0)
    assert (closed.state, closed.counts(), allowed(closed, 172.0)) == (CLOSED, (0, 0), None)


def test_given_the_trial_is_refused_then_it_is_left_alone_again() -> None:
    trial = placed(after(*[True] * 4), RULES, 170.0)
    again = heard(trial, RULES, is_fault=True, placed_at=170.0, now=171.0)
    assert (again.state, allowed(again, 230.9), allowed(again, 231.0)) == (OPEN, 0, 1)


def test_given_the_trial_is_never_heard_of_then_another_one_may_be_placed() -> None:
    trial = placed(after(*[True] * 4), RULES, 170.0)
    assert (allowed(trial, 229.0), allowed(trial, 230.0)) == (0, 1)


@pytest.mark.parametrize("is_fault", [True, False])
def test_given_late_news_of_older_calls_then_open_and_trial_stay_as_they_are(is_fault: bool) -> None:
    circuit = after(*[True] * 4)
    assert heard(circuit, RULES, is_fault=is_fault, placed_at=101.0, now=101.0) == circuit
    trial = placed(circuit, RULES, 170.0)
    assert heard(trial, RULES, is_fault=is_fault, placed_at=99.0, now=171.0) == trial


@given(st.lists(st.tuples(st.booleans(), st.floats(0.0, 30.0)), max_size=60))
def test_given_any_calls_then_it_always_lets_one_through_within_its_rest(calls: list[tuple[bool, float]]) -> None:
    circuit, now = Circuit(), 0.0
    for is_fault, pause in calls:
        now += pause
        if allowed(circuit, now) != 0:
            circuit = placed(circuit, RULES, now)
            circuit = heard(circuit, RULES, is_fault=is_fault, placed_at=now, now=now)
        assert len(circuit.buckets) <= 10
        assert allowed(circuit, now + RULES.open_seconds) != 0


@pytest.mark.parametrize(
    ("changes", "is_wanted"),
    [
        ({}, True),
        ({"reroutes": 1}, False),
        ({"is_heard": True}, False),
        ({"now": 17.0}, False),
        ({"tech_cause": 486}, False),
        ({"tech_cause": None}, False),
    ],
    ids=["refused at once", "second refusal", "it rang", "too late", "busy", "no SIP response"],
)
def test_which_refusals_are_tried_on_another_trunk(changes: dict[str, object], is_wanted: bool) -> None:
    values: dict[str, object] = {"reroutes": 0, "is_heard": False, "dialled_at": 10.0, "now": 11.0, "tech_cause": 503}
    assert may_reroute(Failover(), **{**values, **changes}) is is_wanted  # type: ignore[arg-type]


@dataclass(frozen=True)
class Place:
    name: str
    order: int


def test_the_lowest_order_first_and_equals_together() -> None:
    trunks = [Place("a", 2), Place("b", 1), Place("c", 2)]
    assert [[t.name for t in group] for group in by_order(trunks)] == [["b"], ["a", "c"]]


def test_a_campaigns_own_order_keeps_equals_together_where_they_stand_together() -> None:
    trunks = [Place("a", 2), Place("c", 2), Place("b", 1), Place("d", 2)]
    assert [[t.name for t in group] for group in neighbours(trunks)] == [["a", "c"], ["b"], ["d"]]
