"""The abandonment budget: windows, fail closed, and the traps of its feedback."""

import math

import pytest

from stasis_dialer.core.pacing.budget import MOST, REPAYING, Budget, Window
from stasis_dialer.core.pacing.messages import PacingLimits


def budget(answered=0, abandoned=0, per_second=1.0, **limits):
    found = Budget(PacingLimits(**limits))
    every = answered // abandoned if abandoned else 0
    lost = 0
    for i in range(answered):
        at = i / per_second
        if every and i % every == every - 1 and lost < abandoned:
            found.abandoned(at)
            lost += 1
        else:
            found.connected(at)
    return found, answered / per_second


def test_given_unknown_counts_then_no_risk_at_all():
    found, now = budget(500)
    found.set_counts(None, None, now)
    assert found.theta(now) == (0.0, "budget_unknown")
    found.set_counts(3, 500, now)
    assert found.theta(now)[0] > 0.0


def test_durable_counts_replace_what_was_heard():
    found, now = budget(1000)
    found.set_counts(60, 1000, now)
    assert found.theta(now)[1] == "repaying"
    assert found.counts(now) == (60.0, 1000.0)
    found.connected(now + 1.0)
    assert found.counts(now + 1.0) == (60.0, 1001.0)


def test_trap_falling_back_over_budget_the_risk_is_low_but_not_nothing():
    found, now = budget(1000, 50)
    theta, why = found.theta(now)
    assert why == "repaying"
    assert theta == pytest.approx(REPAYING * found.aim)
    assert theta > 0.0


def test_return_has_no_hysteresis():
    found, now = budget(1000, 50)
    later = now + 7200.0
    assert found.theta(later)[1] == "repaying"
    found.set_counts(20, 1000, later)
    assert found.theta(later)[1] == "predicted"


def test_trap_gain_scales_with_volume():
    """The same share over the aim by one loss moves theta less when there are many answers."""

    def step(per_second):
        found, now = budget(4000, 100, per_second)
        before = found.theta(now)[0]
        found.abandoned(now)
        return math.log(before / found.theta(now)[0])

    few, many = step(0.02), step(8.0)
    assert 0.0 < many < few / 3.0


def test_theta_stays_within_its_clamp():
    found, now = budget(20_000, 0, 20.0)
    assert found.theta(now)[0] <= MOST * found.aim
    found, now = budget(2000, 59, 5.0)
    assert found.theta(now)[0] >= REPAYING * found.aim - 1e-12


def test_a_small_group_may_begin_before_its_first_loss_is_earned_but_not_lose_twice():
    found = Budget(PacingLimits())
    assert found.theta(0.0)[1] == "predicted"
    found.connected(1.0)
    found.abandoned(2.0)
    assert found.theta(3.0)[1] == "repaying"


def test_no_abandonment_allowed_is_no_risk():
    assert Budget(PacingLimits(abandon_cap=0.0)).theta(0.0) == (0.0, "no_abandonment_allowed")


def test_what_is_older_than_the_window_is_forgotten():
    found, now = budget(400, 40, 1.0, window_seconds=3600.0)
    assert found.theta(now)[1] == "repaying"
    assert found.counts(now + 4000.0) == (0.0, 0.0)
    assert found.theta(now + 4000.0)[1] == "predicted"


def test_machines_found_by_agents_are_no_answers():
    found, now = budget(100)
    for _ in range(10):
        found.was_machine(now)
    assert found.counts(now)[1] == 90.0


def test_a_bad_hour_is_stopped_though_the_day_has_budget():
    found, now = budget(2000, 0, 0.02)
    for i in range(30):
        (found.abandoned if i % 2 else found.connected)(now + i)
    assert found.theta(now + 30.0)[1] == "hour_spent"


def test_window_restores_by_age():
    window = Window(100.0, slices=10)
    for at in range(0, 50, 5):
        window.add(float(at), 1.0, 0.0)
    other = Window(100.0, slices=10)
    other.restore(window.slices(50.0), 1050.0)
    other.forget(1050.0)
    assert other.answered == 10.0
    other.forget(1140.0)
    assert 0.0 < other.answered < 10.0


def test_clock_that_goes_back_loses_no_count():
    found, now = budget(100)
    found.connected(now - 5000.0)
    assert found.counts(now - 5000.0)[1] == 101.0
