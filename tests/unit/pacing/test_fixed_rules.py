"""The rules that learn nothing: progressive, power, legacy; and the limits that all of them keep to."""

import pytest

from stasis_dialer.core.pacing import PacingEvent, PacingLimits, PacingView, make_pacer, share_room
from stasis_dialer.core.pacing.room import CallRate, room
from stasis_dialer.errors import Refused

WIDE = PacingLimits(max_channels=1000, calls_per_second=1000.0, max_lines_per_agent=100.0)


def view(now=0.0, ready=0, busy=0, ringing=0, **more):
    values = {"agents_logged_in": ready + busy, "max_channels": 1000, "channels_in_use": ringing + busy}
    values.update(more)
    return PacingView(
        now=now,
        agents_ready=ready,
        talking_since={f"a{i}": now - 30.0 for i in range(busy)},
        ringing_since={f"c{i}": now - 5.0 for i in range(ringing)},
        **values,
    )


@pytest.mark.parametrize(
    ("what", "ready", "ringing", "waiting", "expected"),
    [
        ("a call for each free agent", 4, 0, 0, 4),
        ("calls in flight count", 4, 3, 0, 1),
        ("a waiting customer takes an agent", 4, 0, 4, 0),
        ("nobody is free", 0, 2, 0, 0),
    ],
)
def test_progressive(what, ready, ringing, waiting, expected):
    pacer = make_pacer("progressive", WIDE)
    assert pacer.decide(view(ready=ready, ringing=ringing, waiting=waiting)).place == expected, what


@pytest.mark.parametrize(
    ("what", "limits", "ready", "ringing", "expected"),
    [
        ("six lines for each free agent", {}, 2, 0, 12),
        ("less the calls in flight", {}, 2, 7, 5),
        ("never more than the largest multiplier", {"impulse_factor": 50.0}, 2, 0, 40),
        ("a fraction of a line is no line", {"impulse_factor": 1.5}, 1, 0, 1),
    ],
)
def test_power(what, limits, ready, ringing, expected):
    pacer = make_pacer("power", PacingLimits(**{"max_channels": 1000, "calls_per_second": 1000.0, **limits}))
    assert pacer.decide(view(ready=ready, busy=5, ringing=ringing)).place == expected, what


def test_given_unknown_counts_when_power_decides_then_one_line_for_each_agent():
    pacer = make_pacer("power", WIDE)
    pacer.set_budget(None, None, 0.0)
    decision = pacer.decide(view(ready=3))
    assert (decision.place, decision.reason) == (3, "budget_unknown")


def test_legacy_places_a_batch_each_thirty_seconds_whatever_is_in_flight():
    pacer = make_pacer("legacy", WIDE)
    placed = [pacer.decide(view(now=float(t), ready=2, ringing=12)).place for t in range(61)]
    assert [t for t, n in enumerate(placed) if n] == [0, 30, 60]
    assert {n for n in placed if n} == {12}


def test_legacy_batch_is_cut_at_the_campaign_channels():
    pacer = make_pacer("legacy", PacingLimits(max_channels=10))
    assert pacer.decide(view(ready=9, busy=0, channels_in_use=0)).place == 10


@pytest.mark.parametrize("mode", ["progressive", "power", "legacy", "predictive"])
def test_given_no_agent_when_asked_then_no_call(mode):
    decision = make_pacer(mode, WIDE).decide(view(agents_logged_in=0))
    assert (decision.place, decision.reason) == (0, "no_agents")


@pytest.mark.parametrize("mode", ["preview", "manual", "no-such-mode"])
def test_modes_that_are_not_paced_are_refused(mode):
    with pytest.raises(Refused, match="not paced"):
        make_pacer(mode, WIDE)


def test_calls_a_second_counts_what_was_placed_in_the_last_second():
    rate = CallRate(3.0)
    for at in (0.0, 0.2, 0.4):
        rate.placed(at)
    assert [rate.room(now) for now in (0.5, 1.0, 1.3, 1.5)] == [0, 1, 2, 3]


def test_given_the_clock_goes_back_then_the_rate_opens_again():
    rate = CallRate(1.0)
    rate.placed(1000.0)
    rate.placed(10.0)
    assert (rate.room(10.5), rate.room(11.1)) == (0, 1)


def test_room_names_the_limit_that_binds():
    limits = PacingLimits(max_channels=50, calls_per_second=5.0, max_lines_per_agent=2.0)
    assert room(view(ready=3), limits) == (6, "lines_per_agent")
    assert room(view(ready=3), limits, CallRate(5.0)) == (5, "calls_per_second")
    assert room(view(ready=30, max_channels=20, channels_in_use=18), limits) == (2, "channels")


@pytest.mark.parametrize(
    ("what", "room_", "wants", "weights", "expected"),
    [
        ("equal campaigns share evenly", 10, {1: 10, 2: 10}, None, {1: 5, 2: 5}),
        ("by weight", 12, {1: 20, 2: 20}, {1: 2.0}, {1: 8, 2: 4}),
        ("what one does not want goes to the other", 10, {1: 2, 2: 20}, None, {1: 2, 2: 8}),
        ("never more than wanted", 50, {1: 2, 2: 3}, None, {1: 2, 2: 3}),
        ("nothing to share", 0, {1: 2, 2: 3}, None, {1: 0, 2: 0}),
    ],
)
def test_share_room(what, room_, wants, weights, expected):
    assert share_room(room_, wants, weights) == expected, what


def test_placed_events_of_the_last_second_hold_power_back():
    pacer = make_pacer("power", PacingLimits(max_channels=100, calls_per_second=4.0))
    for i in range(4):
        pacer.observe(PacingEvent("placed", 10.0, f"c{i}"))
    assert pacer.decide(view(now=10.5, ready=5)).place == 0
    assert pacer.decide(view(now=11.5, ready=5)).place == 4
