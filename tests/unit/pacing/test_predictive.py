"""The predictive policy driven in small worlds: the traps of the field, one test each."""

import json

import pytest

from stasis_dialer.core.pacing import PacingDecision, PacingEvent, PacingLimits, PacingView, make_pacer
from stasis_dialer.simulate import built_in, simulate_day
from stasis_dialer.simulate.run import _Day
from stasis_dialer.simulate.scenario import Times

LIMITS = PacingLimits(max_channels=4000, calls_per_second=150.0, max_lines_per_agent=20.0)


def day(name, hours, seed=0, mode="predictive", **changes):
    world = built_in(name).with_changes(hours=hours, **changes)
    limits = world.pacing_limits()
    return simulate_day(world, make_pacer(mode, limits), seed, mode=mode, limits=limits)


def view(now, ready, busy=0, ringing=0, ring_age=5.0, busy_age=60.0, **more):
    values = {
        "agents_logged_in": ready + busy, "max_channels": 4000, "channels_in_use": ringing + busy,
        "talking_since": {f"a{i}": now - busy_age for i in range(busy)},
        "ringing_since": {f"r{i}": now - ring_age for i in range(ringing)},
    }  # fmt: skip
    values.update(more)
    return PacingView(now=now, agents_ready=ready, **values)


def test_trap_start_five_hundred_agents_do_not_get_thousands_of_lines():
    """When only busy and failed calls are finished, an answer rate from those alone reads 1 % and dials without end."""
    world = built_in("n500_p25").with_changes(hours=0.1)
    limits = world.pacing_limits()
    run = _Day(world, make_pacer("predictive", limits), limits, 1, keep_log=True)
    result = run.run()
    most = max(
        len(entry.dialling_since) + len(entry.ringing_since) for entry in result.log if isinstance(entry, PacingView)
    )
    assert most < 2.0 * 500 / 0.25
    assert result.abandonment < 0.06


def test_cold_start_of_any_size_keeps_near_the_cap():
    for name, hours in (("n50_p50", 0.25), ("n200_p10", 0.15)):
        result = day(name, hours, seed=3)
        assert result.abandoned <= 0.03 * result.answers + 4.0, name


@pytest.mark.parametrize("answer", [0.3, 0.47, 0.7])
def test_trap_belief_people_who_answer_after_two_seconds_do_not_lose_the_first_burst(answer):
    """Before anything is timed, what is believed of ringing and talks would place calls for agents who are not back."""
    quick = {
        "agents": ((0.0, 10),), "ramp_seconds": 0.0, "answer": ((0.0, answer),), "amd": False, "quick": 0.0,
        "post_dial": Times(0.05, 0.0), "person_rings": Times(2.0, samples=(1.0, 2.0, 3.0)), "machine": 0.0,
        "unanswered_rings": Times(3.0, 0.2), "talk": Times(10.0, 0.2), "wrap_up": Times(2.0, 0.1),
        "limits": {"average_call_time": 10.0},
    }  # fmt: skip
    days = [day("n10_p50", 200.0 / 3600.0, seed, **quick) for seed in range(6)]
    assert sum(one.abandoned for one in days) <= 0.01 * sum(one.answers for one in days)


def test_a_group_of_one_dials_and_abandons_next_to_nobody():
    result = day("n3_p25", 2.0, agents=((0.0, 1),))
    assert result.connects > 15
    assert result.abandoned <= 2


def test_steps_of_the_answer_rate_bring_neither_a_burst_nor_starvation():
    result = day("step_n20", 1.4, seed=2, answer=((0.0, 0.15), (0.7, 0.45)))
    assert result.abandonment <= 0.035
    assert result.utilisation > 0.72


def test_a_call_in_flight_is_counted_once_from_placing_to_verdict():
    pacer = make_pacer("predictive", LIMITS)
    now = 100.0
    for i in range(30):
        pacer.observe(PacingEvent("placed", now, f"r{i}"))
    stages = (
        {"dialling_since": {f"r{i}": now for i in range(30)}, "ringing_since": {}},
        {"ringing_since": {f"r{i}": now + 2.0 for i in range(30)}},
        {"ringing_since": {}, "detecting_since": {f"r{i}": now + 4.0 for i in range(30)}},
    )
    for offset, stage in zip((0.5, 3.0, 5.0), stages, strict=True):
        decision = pacer.decide(view(now + offset, 5, 10, channels_in_use=40, **stage))
        assert decision.inputs["in_flight"] == 30.0
        assert decision.place == 0, stage


def test_calls_that_rang_the_lawful_time_are_given_up_when_nobody_is_free():
    pacer = make_pacer("predictive", LIMITS)
    since = {"young": 90.0, "fourteen": 86.0, "fifteen": 85.0, "old": 80.0}
    taken = view(100.0, 0, 4, busy_age=1.0, ringing_since=since, waiting=2)
    assert set(pacer.decide(taken).cancel) == {"fifteen", "old"}


def test_given_young_calls_enough_for_all_agents_then_the_long_ringing_are_given_up_before_they_take_one():
    """Agents are free yet, so nobody who answers now is lost; those who answer after them would be."""
    pacer = make_warm()
    young = {f"young{i}": 93.0 for i in range(120)}
    for count in (2, len(young)):
        calls = {**dict(list(young.items())[:count]), "old": 84.0}
        decision = pacer.decide(view(100.0, 12, 8, ringing_since=calls))
        assert decision.inputs["risk_now"] < 0.25 * decision.inputs["theta"]
        assert decision.cancel == (("old",) if count > 2 else ())


def test_given_all_agents_have_logged_in_then_the_first_full_minutes_do_not_lose_in_a_burst():
    """While agents log in nobody is lost; then all at once the calls placed meanwhile meet a group that grows no more.
    A day in which the long ringing calls took the agents of the younger ones: 6.3 % of its first 429 answers."""
    assert day("n200_p10", 0.1, seed=2).worst_hour <= 0.05


def test_without_permission_nothing_is_given_up():
    pacer = make_pacer("predictive", PacingLimits(max_channels=100, may_cancel=False))
    taken = view(100.0, 0, 4, busy_age=1.0, ringing=3, ring_age=20.0)
    assert pacer.decide(taken).cancel == ()


def test_when_the_last_agent_leaves_long_ringing_calls_are_given_up_and_nothing_is_placed():
    pacer = make_pacer("predictive", LIMITS)
    decision = pacer.decide(view(100.0, 0, agents_logged_in=0, ringing=3, ring_age=16.0))
    assert decision == PacingDecision(0, ("r0", "r1", "r2"), "no_agents", {})


def test_calls_that_keep_agents_free_are_not_given_up():
    pacer = make_pacer("predictive", LIMITS)
    assert pacer.decide(view(100.0, 10, ringing=2, ring_age=16.0)).cancel == ()


def test_given_unknown_counts_then_one_call_for_each_free_agent():
    pacer = make_pacer("predictive", LIMITS)
    pacer.set_budget(None, None, 0.0)
    decision = pacer.decide(view(10.0, 7, 20))
    assert (decision.place, decision.reason) == (7, "free_agents")
    assert decision.inputs["theta"] == 0.0
    pacer.set_budget(0, 400, 11.0)
    assert pacer.decide(view(12.0, 7, 20)).place > 7


def test_over_the_budget_it_dials_on_with_little_risk_instead_of_falling_back():
    pacer = make_pacer("predictive", LIMITS)
    pacer.set_budget(50, 1000, 0.0)
    decision = pacer.decide(view(10.0, 10, 40))
    assert 0.0 < decision.inputs["theta"] < 0.01
    assert decision.place >= 10


def test_a_lull_of_hours_changes_little():
    result_before = make_warm()
    before = result_before.decide(view(8000.0, 10)).place
    after = result_before.decide(view(8000.0 + 6 * 3600.0, 10)).place
    assert after == pytest.approx(before, rel=0.5)


@pytest.mark.parametrize("jump", [-7200.0, 86_400.0])
def test_a_clock_jump_is_survived(jump):
    pacer = make_warm()
    pacer.observe(PacingEvent("placed", 8000.0, "x"))
    pacer.decide(view(8000.0, 10))
    pacer.observe(PacingEvent("answered", 8000.0 + jump, "x"))
    decision = pacer.decide(view(8000.0 + jump, 10))
    assert 10 <= decision.place <= 150


def make_warm():
    world = built_in("n20_p25").with_changes(hours=0.5)
    limits = world.pacing_limits()
    pacer = make_pacer("predictive", limits)
    simulate_day(world, pacer, 5, limits=limits)
    return pacer


def test_the_end_of_the_list_and_events_that_never_come_leave_nothing_behind():
    pacer = make_warm()
    for i in range(500):
        pacer.observe(PacingEvent("placed", 8000.0, f"lost{i}"))
    for second in range(400):
        pacer.decide(view(8001.0 + second, 5))
    assert pacer.decide(view(8500.0, 5)).place >= 5
    assert len(pacer._ledger._placed) == 0


@pytest.mark.parametrize("mode", ["progressive", "power", "legacy", "predictive"])
def test_a_recorded_day_replays_to_the_same_decisions_bit_for_bit(mode):
    world = built_in("n10_p25").with_changes(hours=0.5)
    limits = world.pacing_limits()
    log = simulate_day(world, make_pacer(mode, limits), 9, limits=limits, keep_log=True).log
    again = make_pacer(mode, limits)
    decision = None
    compared = 0
    for entry in log:
        if isinstance(entry, PacingEvent):
            again.observe(entry)
        elif isinstance(entry, PacingView):
            decision = again.decide(entry)
        else:
            assert decision == entry
            compared += 1
    assert compared > 1000


def test_a_snapshot_survives_json_and_starts_warm():
    warm = make_warm()
    saved = json.loads(json.dumps(warm.snapshot()))
    limits = built_in("n20_p25").pacing_limits()
    again = make_pacer("predictive", limits)
    again.restore(saved, at=50.0, age=20.0)
    cold = make_pacer("predictive", limits)
    seen = [pacer.decide(view(60.0, 8, 12)).inputs for pacer in (again, cold)]
    assert seen[0]["answer_chance"] == pytest.approx(0.2, abs=0.08)
    assert seen[0]["answered"] > 30 > seen[1]["answered"]
    assert again.snapshot()["handling"]["talk"] == saved["handling"]["talk"]


def test_a_snapshot_of_another_version_is_left_alone():
    pacer = make_pacer("predictive", LIMITS)
    pacer.restore({"version": 0, "attempts": "rubbish"})
    assert pacer.decide(view(1.0, 3)).place >= 3


def test_a_warm_start_is_better_than_a_cold_one_at_the_beginning():
    warm = make_warm()
    world = built_in("n20_p25").with_changes(hours=0.5)
    limits = world.pacing_limits()
    again = make_pacer("predictive", limits)
    again.restore(warm.snapshot())
    assert simulate_day(world, again, 1, limits=limits).utilisation > 0.7


def test_no_answer_known_ever_still_dials():
    pacer = make_pacer("predictive", LIMITS)
    now = 0.0
    for i in range(600):
        now += 1.0
        pacer.observe(PacingEvent("placed", now, f"c{i}"))
        pacer.observe(PacingEvent("result", now + 0.9, f"c{i}", "failed", 0.9))
        decision = pacer.decide(view(now + 0.95, 5))
        assert 0 < decision.place <= 100
