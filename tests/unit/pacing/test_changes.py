"""Days that change: waves of agents, steps of the answer rate, lulls, the end of the list; no burst, no starvation."""

import json

import pytest

from stasis_dialer.core.pacing import PacingDecision, PacingEvent, PacingView, make_pacer
from stasis_dialer.simulate import built_in, simulate_day
from stasis_dialer.simulate.run import _Day


def run(name, seed=0, keep_log=False, **changes):
    world = built_in(name).with_changes(**changes)
    limits = world.pacing_limits()
    found = _Day(world, make_pacer("predictive", limits), limits, seed, keep_log)
    return found.run(), found


def within(found, start, end):
    """Answers and losses between two hours of the day."""
    lost = [lost for at, lost in zip(found.answers_at, found.lost, strict=True) if start * 3600 <= at < end * 3600]
    return len(lost), sum(lost)


def test_waves_of_agents_bring_neither_a_burst_nor_starvation():
    waves = ((0.0, 10), (0.4, 30), (0.8, 5), (1.2, 30), (1.6, 15))
    result, found = run("waves_n30", 3, hours=2.0, agents=waves)
    assert result.abandonment <= 0.03
    assert result.utilisation > 0.82
    for start, _ in waves[1:]:
        answers, lost = within(found, start, start + 0.2)
        assert lost <= 0.03 * answers + 5, start


@pytest.mark.parametrize(("before", "after"), [(0.15, 0.45), (0.45, 0.15)])
def test_a_step_of_the_answer_rate_neither_way_brings_a_burst_or_starvation(before, after):
    result, found = run("step_n20", 4, hours=1.6, answer=((0.0, before), (0.8, after)))
    answers, lost = within(found, 0.8, 1.0)
    assert lost <= 0.03 * answers + 4
    assert answers > 50
    assert result.abandonment <= 0.03
    assert result.utilisation > 0.8


def test_after_a_lull_of_hours_without_agents_it_begins_again_as_before():
    result, found = run("n20_p25", 6, hours=5.0, agents=((0.0, 20), (1.0, 0), (4.0, 20)))
    quiet, _ = within(found, 1.4, 4.0)
    answers, lost = within(found, 4.0, 5.0)
    assert quiet == 0
    assert answers > 350
    assert lost <= 0.04 * answers
    assert result.utilisation > 0.8


def test_the_end_of_the_list_comes_without_a_burst_and_every_lead_is_dialled():
    result, found = run("n10_p25", 2, hours=8.0, leads=800)
    assert result.attempts == 800
    assert result.finished_at is not None
    answers, lost = within(found, result.finished_at / 3600 - 0.2, result.finished_at / 3600)
    assert lost <= 0.03 * answers + 2
    whole_hours = result.answers * 160.0 / 10 / 3600
    assert result.finished_at / 3600 < 1.7 * whole_hours


@pytest.mark.parametrize("cap", [0.01, 0.03, 0.05])
def test_a_short_day_of_a_small_group_loses_one_before_it_is_earned_not_two(cap):
    limits = {"abandon_cap": cap}
    days = [run("n3_p25", seed, hours=0.5, limits=limits)[0] for seed in range(4)]
    assert all(one.abandoned <= 1 for one in days)
    assert all(one.utilisation > 0.5 for one in days)


def test_a_call_is_in_one_stage_only_and_counted_once_in_every_decision():
    result, _ = run("n10_p25", 1, keep_log=True, hours=0.3)
    view = None
    for entry in result.log:
        if isinstance(entry, PacingView):
            view = entry
        elif isinstance(entry, PacingDecision) and entry.inputs:
            stages = (view.dialling_since, view.ringing_since, view.detecting_since)
            calls = {call for stage in stages for call in stage}
            assert len(calls) == sum(map(len, stages)) == entry.inputs["in_flight"]
            assert len(calls) + view.waiting + len(view.talking_since) == view.channels_in_use


KINDS = {kind.__name__: kind for kind in (PacingEvent, PacingView, PacingDecision)}


def test_a_log_that_was_written_down_replays_bit_for_bit_from_a_snapshot_too():
    """Events and views as JSON, decided on by a fresh pacer, and by two that go on from the same snapshot."""
    result, _ = run("n20_p25", 8, keep_log=True, hours=0.3)
    lines = [json.dumps([type(entry).__name__, fields(entry)]) for entry in result.log]
    limits = built_in("n20_p25").pacing_limits()
    fresh = make_pacer("predictive", limits)
    half = next(at for at in range(len(lines) // 2, len(lines)) if isinstance(result.log[at - 1], PacingDecision))
    assert decisions(fresh, lines[:half]) == [e for e in result.log[:half] if isinstance(e, PacingDecision)]
    saved = json.dumps(fresh.snapshot())
    assert decisions(fresh, lines[half:]) == [e for e in result.log[half:] if isinstance(e, PacingDecision)]
    one, other = make_pacer("predictive", limits), make_pacer("predictive", limits)
    for pacer in (one, other):
        pacer.restore(json.loads(saved), at=540.0, age=0.0)
    assert decisions(one, lines[half:]) == decisions(other, lines[half:])


def fields(entry):
    return {name: getattr(entry, name) for name in type(entry).__slots__}


def decisions(pacer, lines):
    made = []
    for line in lines:
        name, values = json.loads(line)
        if name == "PacingEvent":
            pacer.observe(PacingEvent(**values))
        elif name == "PacingView":
            made.append(pacer.decide(PacingView(**values)))
    return made


def test_a_decision_for_five_hundred_agents_takes_less_than_half_a_millisecond():
    """Processor time, the mean over a simulated start and ten minutes; a tenth of a millisecond on a quiet machine."""
    world = built_in("n500_p25").with_changes(hours=0.2)
    limits = world.pacing_limits()
    result = simulate_day(world, make_pacer("predictive", limits), 3, limits=limits)
    assert result.timed > 500
    assert result.decision_seconds / result.timed < 0.0005
