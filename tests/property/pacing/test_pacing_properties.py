"""Whatever is seen and heard: limits hold, more free agents never place fewer calls, nothing is changed or random."""

import copy
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from stasis_dialer.core.pacing import PacingEvent, PacingLimits, PacingView, make_pacer, share_room

MODES = st.sampled_from(["progressive", "power", "legacy", "predictive"])
NOW = 1000.0
ODD = st.sampled_from([float("nan"), float("inf"), -float("inf"), -1e9, 1e9, -1.0, 1e300])
LEARNERS = settings(max_examples=50)


def since(prefix, most, oldest=60.0):
    ages = st.lists(st.floats(0.0, oldest), max_size=most)
    return ages.map(lambda found: {f"{prefix}{i}": NOW - age for i, age in enumerate(found)})


@st.composite
def limits(draw):
    return PacingLimits(
        abandon_cap=draw(st.sampled_from([0.0, 0.01, 0.03, 0.2])),
        max_channels=draw(st.integers(0, 300)),
        calls_per_second=draw(st.sampled_from([0.5, 1.0, 10.0, 100.0])),
        max_lines_per_agent=draw(st.sampled_from([1.0, 2.5, 10.0])),
        may_cancel=draw(st.booleans()),
        impulse_factor=draw(st.floats(0.1, 30.0)),
    )


@st.composite
def views(draw, agents=30):
    talking = draw(since("t", agents, 900.0))
    wrap_up = draw(since("w", agents // 2, 90.0))
    dialling, ringing, detecting = draw(since("d", 20, 20.0)), draw(since("r", 40)), draw(since("x", 8, 10.0))
    ready = draw(st.integers(0, agents))
    waiting = draw(st.integers(0, 3))
    calls = len(dialling) + len(ringing) + len(detecting)
    return PacingView(
        now=NOW,
        agents_logged_in=draw(st.integers(0, 2)) + ready + len(talking) + len(wrap_up),
        agents_ready=ready,
        talking_since=talking,
        wrap_up_since=wrap_up,
        dialling_since=dialling,
        ringing_since=ringing,
        detecting_since=detecting,
        waiting=waiting,
        max_channels=draw(st.integers(0, 300)),
        channels_in_use=calls + waiting + len(talking),
    )


@st.composite
def events(draw):
    return PacingEvent(
        kind=draw(
            st.sampled_from(
                [
                    "placed", "answered", "human", "result", "connected", "abandoned", "talk_ended", "wrap_up_ended",
                    "agent_in", "agent_out", "unheard-of",
                ]
            )
        ),
        at=draw(st.floats(-100.0, NOW + 100.0) | ODD),
        attempt_id=draw(st.sampled_from([None, "r0", "r1", "d0", "d1", "x0", "other"])),
        outcome=draw(st.sampled_from([None, "busy", "failed", "no_answer", "machine", "cancelled", "human", "?"])),
        age=draw(st.floats(0.0, 100.0) | ODD),
        value=draw(st.floats(0.0, 5000.0) | ODD),
    )  # fmt: skip


def told(mode, bounds, story):
    pacer = make_pacer(mode, bounds)
    for event in story:
        pacer.observe(event)
    return pacer


@LEARNERS
@given(MODES, limits(), st.lists(events(), max_size=30), views())
def test_limits_are_never_passed_whatever_was_heard(mode, bounds, story, view):
    pacer = told(mode, bounds, story)
    decision = pacer.decide(view)
    in_flight = len(view.dialling_since) + len(view.ringing_since) + len(view.detecting_since)
    assert decision.place >= 0
    if decision.place:
        assert decision.place <= min(view.max_channels, bounds.max_channels) - view.channels_in_use
        assert decision.place + in_flight <= bounds.max_lines_per_agent * view.agents_logged_in
    assert decision.place <= max(1.0, bounds.calls_per_second)
    if view.agents_logged_in == 0:
        assert decision.place == 0
    for call in decision.cancel:
        assert bounds.may_cancel
        assert view.now - view.ringing_since[call] >= bounds.minimum_ring_seconds


@settings(max_examples=30)
@given(MODES, limits(), st.integers(1, 40), st.integers(0, 60), st.lists(st.floats(0.0, 3.0), min_size=5, max_size=30))
def test_no_second_sees_more_calls_placed_than_allowed_and_no_moment_more_calls_than_lines(
    mode, bounds, agents, channels, steps
):
    """Calls ring on, so that the lines fill; all are placed that the pacer asks for."""
    pacer, now = make_pacer(mode, bounds), 0.0
    placed, ringing = [], {}
    span = 1.0 if bounds.calls_per_second >= 1.0 else 1.0 / bounds.calls_per_second
    for step in steps:
        now += step
        decision = pacer.decide(
            PacingView(
                now=now, agents_logged_in=agents, agents_ready=agents, ringing_since=dict(ringing),
                max_channels=channels, channels_in_use=len(ringing),
            )
        )  # fmt: skip
        for call in decision.cancel:
            del ringing[call]
            pacer.observe(PacingEvent("result", now, call, "cancelled"))
        for _ in range(decision.place):
            placed.append(now)
            ringing[f"c{len(placed)}"] = now
            pacer.observe(PacingEvent("placed", now, f"c{len(placed)}"))
        assert sum(1 for at in placed if at > now - span) <= max(1.0, bounds.calls_per_second)
        assert not decision.place or len(ringing) <= min(
            channels, bounds.max_channels, bounds.max_lines_per_agent * agents
        )


@LEARNERS
@given(MODES, limits(), st.lists(events(), max_size=30), views(), st.integers(1, 5), st.booleans())
def test_more_ready_agents_never_place_fewer_calls(mode, bounds, story, view, more, all_logged_in):
    fewer = told(mode, bounds, story).decide(view).place
    changed = copy.copy(view)
    object.__setattr__(changed, "agents_ready", view.agents_ready + more)
    if all_logged_in:
        object.__setattr__(changed, "agents_logged_in", view.agents_logged_in + more)
    elif view.agents_logged_in == 0:
        return
    assert told(mode, bounds, story).decide(changed).place >= fewer


@LEARNERS
@given(MODES, limits(), st.lists(events(), max_size=30), views())
def test_nobody_at_work_places_nothing_whatever_else_is_seen(mode, bounds, story, view):
    alone = copy.copy(view)
    object.__setattr__(alone, "agents_logged_in", 0)
    assert told(mode, bounds, story).decide(alone).place == 0


@LEARNERS
@given(MODES, limits(), st.lists(events(), max_size=20), views())
def test_decide_changes_nothing_that_it_is_shown_and_repeats_itself(mode, bounds, story, view):
    before = copy.deepcopy(view)
    one, other = told(mode, bounds, story), told(mode, bounds, story)
    first = one.decide(view)
    assert view == before
    assert first == other.decide(view)
    if mode != "legacy":
        assert one.decide(view) == first


@LEARNERS
@given(st.sampled_from(["power", "predictive"]), limits(), st.lists(events(), max_size=30), views())
def test_counts_that_cannot_be_known_allow_no_more_than_progressive(mode, bounds, story, view):
    pacer = told(mode, bounds, story)
    pacer.set_budget(None, None, NOW)
    assert pacer.decide(view).place <= told("progressive", bounds, story).decide(view).place


@LEARNERS
@given(MODES, limits(), views(), st.data())
def test_the_stage_of_a_call_changes_no_count(mode, bounds, view, data):
    """A call counts once, dialling, ringing or answered: wherever it is, as much room is left."""
    calls = {**view.dialling_since, **view.ringing_since, **view.detecting_since}
    stages = {"dialling_since": {}, "ringing_since": {}, "detecting_since": {}}
    for call, since in calls.items():
        stages[data.draw(st.sampled_from(sorted(stages)))][call] = since
    moved = copy.copy(view)
    for name, held in stages.items():
        object.__setattr__(moved, name, held)
    inputs = [told(mode, bounds, []).decide(seen).inputs for seen in (view, moved)]
    for name in ("in_flight", "room"):
        assert inputs[0].get(name) == inputs[1].get(name)


def shaken(view, jump, since):
    """The view on a clock that jumped, one call and one talk with an impossible start."""
    changed = copy.copy(view)
    object.__setattr__(changed, "now", view.now + jump)
    object.__setattr__(changed, "ringing_since", {**view.ringing_since, "odd": since})
    object.__setattr__(changed, "talking_since", {**view.talking_since, "odd": since})
    return changed


@settings(max_examples=25)
@given(
    MODES,
    limits(),
    st.lists(
        st.tuples(
            st.lists(events(), max_size=5), views(agents=14), st.sampled_from([0.0, -7200.0, 86_400.0, 1e8, -5.0]), ODD
        ),
        max_size=12,
    ),
    st.booleans(),
)
def test_any_order_of_events_and_views_is_survived(mode, bounds, story, twice):
    pacer = make_pacer(mode, bounds)
    for heard, view, jump, since in story:
        for event in heard * (1 + twice):
            pacer.observe(event)
        decision = pacer.decide(shaken(view, jump, since))
        assert decision.place >= 0
        assert all(value == value and abs(value) != float("inf") for value in decision.inputs.values())
    saved = json.loads(json.dumps(pacer.snapshot(), allow_nan=False))
    make_pacer(mode, bounds).restore(saved)


@given(
    st.integers(0, 200),
    st.dictionaries(st.integers(1, 6), st.integers(0, 80), max_size=6),
    st.dictionaries(st.integers(1, 6), st.floats(0.1, 10.0), max_size=6),
)
def test_shares_are_whole_and_nobody_goes_hungry_for_another(room, wants, weights):
    given_ = share_room(room, wants, weights)
    assert sum(given_.values()) == min(room, sum(wants.values()))
    assert all(0 <= given_[campaign] <= wants[campaign] for campaign in wants)
