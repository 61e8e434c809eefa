"""A snapshot goes on where it was taken; a spoilt one changes nothing."""

import copy
import json
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stasis_dialer.core.pacing import PacingEvent, PacingView, make_pacer
from stasis_dialer.simulate import built_in, simulate_day

WORLD = built_in("n20_p25").with_changes(hours=0.3)
LIMITS = WORLD.pacing_limits()
JUNK = st.sampled_from(
    [None, True, "12", "", float("nan"), float("inf"), -float("inf"), -1.0, 1e300, 10**400, [], {}, [[]], [0.0] * 5000]
)


@cache
def learner(seed):
    """A pacer that has dialled a part of a day."""
    pacer = make_pacer("predictive", LIMITS)
    simulate_day(WORLD, pacer, seed, limits=LIMITS)
    return pacer


def learned(seed=3):
    """What it saved, as the database gives it back."""
    return json.dumps(learner(seed).snapshot(), allow_nan=False)


def view(now, ready=6, busy=14, ringing=0):
    return PacingView(
        now=now, agents_logged_in=ready + busy, agents_ready=ready, max_channels=200, channels_in_use=busy + ringing,
        talking_since={f"a{i}": now - 40.0 for i in range(busy)},
        ringing_since={f"r{i}": now - 6.0 for i in range(ringing)},
    )  # fmt: skip


def paths(value, here=()):
    """Every place in a snapshot."""
    yield here
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from paths(child, (*here, key))


def spoilt(path, junk, is_missing):
    whole = {"all": json.loads(learned())}
    parent, steps = whole, ("all", *path)
    for step in steps[:-1]:
        parent = parent[step]
    if is_missing and path:
        del parent[steps[-1]]
    else:
        parent[steps[-1]] = copy.deepcopy(junk)
    return whole["all"]


def by_depth(value):
    """Places, those of few steps as likely as those of many: most of a snapshot is its long tables."""
    found = {}
    for path in paths(value):
        found.setdefault(tuple(step for step in path if isinstance(step, str)), []).append(path)
    return st.sampled_from(sorted(found, key=repr)).flatmap(lambda name: st.sampled_from(found[name]))


@settings(max_examples=150)
@given(by_depth(json.loads(learned())), JUNK, st.booleans(), st.booleans())
def test_a_spoilt_snapshot_changes_nothing_or_is_sound(path, junk, is_missing, is_used):
    pacer, untouched = (make_pacer("predictive", LIMITS) for _ in range(2))
    if is_used:
        for each in (pacer, untouched):
            each.restore(json.loads(learned(seed=5)), at=10.0)
            each.decide(view(11.0))
    before = pacer.snapshot()
    try:
        pacer.restore(spoilt(path, junk, is_missing), at=20.0, age=5.0)
    except ValueError as error:
        assert "snapshot" in str(error)
        assert pacer.snapshot() == before
        assert pacer.decide(view(25.0)) == untouched.decide(view(25.0))
        return
    decision = pacer.decide(view(25.0))
    assert all(value == value and abs(value) != float("inf") for value in decision.inputs.values())
    json.dumps(pacer.snapshot(), allow_nan=False)


@pytest.mark.parametrize(
    ("path", "junk"),
    [
        (("attempts", "ringing", "ended"), [[0.0] * 160] * 2),
        (("attempts", "dialling", "at_risk", 7), float("nan")),
        (("attempts", "person_verdicts"), [0.0] * 48),
        (("attempts", "machines_seen"), 1),
        (("handling", "talks_ended"), 0.0),
        (("answers", "seen"), float("inf")),
        (("budget", "window"), [[0.0, 1.0, 0.0]] * 100_000),
        (("budget", "hour"), [[-5.0, 1.0, 0.0]]),
        (("budget", "hour"), [[1.0, 1.0]]),
        (("budget", "correction"), 40.0),
        (("budget", "is_known"), "no"),
        (("waits",), 0.0),
        (("waited",), 1e9),
    ],
)
def test_given_a_spoilt_value_when_restored_then_it_is_refused_and_the_pacer_is_as_it_was(path, junk):
    pacer = make_pacer("predictive", LIMITS)
    before = pacer.snapshot()
    with pytest.raises(ValueError, match="spoilt snapshot"):
        pacer.restore(spoilt(path, junk, is_missing=False))
    assert pacer.snapshot() == before


@pytest.mark.parametrize("saved", [None, [], "x", 3])
def test_what_is_no_snapshot_at_all_is_refused(saved):
    with pytest.raises(ValueError, match="spoilt snapshot"):
        make_pacer("predictive", LIMITS).restore(saved)


@pytest.mark.parametrize(("at", "age"), [(float("nan"), 0.0), (0.0, float("nan")), (0.0, -1.0), (float("inf"), 0.0)])
def test_impossible_times_are_refused(at, age):
    pacer = make_pacer("predictive", LIMITS)
    before = pacer.snapshot()
    with pytest.raises(ValueError, match="spoilt snapshot"):
        pacer.restore(json.loads(learned()), at=at, age=age)
    assert pacer.snapshot() == before


@settings(max_examples=40)
@given(st.integers(1, 30), st.integers(0, 14), st.integers(0, 30), st.floats(62.0, 900.0))
def test_a_restored_snapshot_decides_the_same(ready, busy, ringing, later):
    """As the pacer it was taken of, on another clock, once that looks up its tables anew; they are saved to four
    digits."""
    original, again, twin = copy.deepcopy(learner(3)), *(make_pacer("predictive", LIMITS) for _ in range(2))
    original.decide(view(1100.0))
    saved = json.loads(json.dumps(original.snapshot()))
    again.restore(saved, at=5000.0 + later - 1.0, age=later - 1.0)
    twin.restore(saved, at=5000.0 + later - 1.0, age=later - 1.0)
    here, there, same = (
        [pacer.decide(view(at + later + second, ready, busy, ringing)) for second in (-1.0, 0.0)][-1]
        for pacer, at in ((original, 1100.0), (again, 5000.0), (twin, 5000.0))
    )
    assert there == same
    for name in ("theta", "answer_chance", "handling_seconds", "abandoned", "answered", "correction"):
        assert there.inputs[name] == pytest.approx(here.inputs[name], rel=0.02, abs=1e-6), name
    assert there.inputs["risk"] == pytest.approx(here.inputs["risk"], rel=0.05, abs=1e-4)
    assert there.place == pytest.approx(here.place, rel=0.05, abs=1.0)


@settings(max_examples=60)
@given(st.integers(0, 30), st.integers(0, 14), st.integers(0, 30), st.integers(1, 12))
def test_given_what_a_day_taught_more_ready_agents_never_place_fewer_calls(ready, busy, ringing, more):
    placed = []
    for agents in (ready, ready + more):
        pacer = make_pacer("predictive", LIMITS)
        pacer.restore(json.loads(learned()), at=1000.0)
        placed.append(pacer.decide(view(1001.0, agents, busy, ringing)).place)
    assert placed[1] >= placed[0]


@pytest.mark.parametrize("mode", ["progressive", "power", "legacy", "predictive"])
@pytest.mark.parametrize("at", [float("nan"), float("inf"), -float("inf")])
def test_an_event_without_a_time_teaches_nothing(mode, at):
    pacer, fresh = make_pacer(mode, LIMITS), make_pacer(mode, LIMITS)
    for kind in ("placed", "answered", "human", "connected", "abandoned", "talk_ended", "wrap_up_ended", "result"):
        pacer.observe(PacingEvent(kind, at, "r1", "busy", value=20.0))
    assert pacer.snapshot() == fresh.snapshot()
    assert pacer.decide(view(10.0)) == fresh.decide(view(10.0))


@pytest.mark.parametrize("mode", ["progressive", "power", "legacy"])
def test_modes_that_learn_nothing_go_on_from_any_snapshot(mode):
    pacer, fresh = make_pacer(mode, LIMITS), make_pacer(mode, LIMITS)
    for saved in (fresh.snapshot(), json.loads(learned()), {"version": "?"}):
        pacer.restore(saved)
    assert pacer.decide(view(10.0)) == fresh.decide(view(10.0))
