"""A call log becomes a scenario: its shares, its hours, its samples, its campaign's limits."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stasis_dialer.core.history import CallHistory, HourOfLog
from stasis_dialer.core.model import Campaign, DialMode
from stasis_dialer.errors import Refused
from stasis_dialer.simulate.history import scenario_from_history, with_agents
from stasis_dialer.simulate.plan import run_day
from stasis_dialer.simulate.scenario import Scenario, Times

CAMPAIGN = Campaign(
    1,
    "spring",
    mode=DialMode.PREDICTIVE,
    max_channels=90,
    abandon_cap=0.05,
    ring_timeout_seconds=25.0,
    may_cancel=False,
)
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


def hours(*days: tuple[int, tuple[tuple[int, int, int, float], ...]]) -> tuple[HourOfLog, ...]:
    """For each day of the month its hours in UTC: hour, calls, people, agents."""
    return tuple(
        HourOfLog(MONDAY.replace(day=day) + timedelta(hours=hour), calls, people, agents)
        for day, of in days
        for hour, calls, people, agents in of
    )


LOG = CallHistory(
    hours=hours(
        (2, ((12, 300, 30, 3.1), (13, 300, 90, 4.0), (14, 300, 60, 4.2))),
        (3, ((12, 300, 30, 2.8), (13, 300, 90, 6.0), (15, 300, 60, 5.0))),
    ),
    machines=288,
    busy=144,
    failed=72,
    busy_after=2.5,
    failed_after=1.0,
    post_dial=(2.0,) * 30,
    person_rings=(8.0, 12.0) * 20,
    machine_rings=(18.0,) * 30,
    unanswered_rings=(25.0,) * 60,
    talks=(60.0, 120.0) * 20,
    wrap_ups=(0.0, 30.0) * 20,
)


def test_the_day_has_the_log_s_hours_in_the_campaign_s_zone() -> None:
    """12 to 15 UTC are 9 to 12 in São Paulo; the day's 360 of 1800 answers weigh a little in each hour."""
    world = scenario_from_history(CAMPAIGN, LOG, 7.0)
    assert (world.name, world.begins, world.hours) == ("spring", 9.0, 4.0)
    assert world.agents == ((0.0, 3), (1.0, 5), (2.0, 4), (3.0, 5))
    shares = [share for _, share in world.answer]
    assert shares == pytest.approx([66 / 630, 186 / 630, 66 / 330, 66 / 330])


def test_shares_and_samples_are_the_log_s() -> None:
    world = scenario_from_history(CAMPAIGN, LOG, 7.0)
    assert (world.machine, world.busy, world.failed) == (0.2, 0.1, 0.05)
    assert (world.busy_after, world.failed_after) == (2.5, 1.0)
    assert (world.talk.mean, set(world.talk.samples)) == (90.0, {60.0, 120.0})
    assert (world.wrap_up.mean, set(world.wrap_up.samples)) == (15.0, {0.0, 30.0})
    assert world.person_rings.mean == 10.0
    assert world.unanswered_rings is not None
    assert (world.unanswered_rings.mean, world.quick, world.ring_timeout) == (25.0, 0.0, 25.0)


def test_the_limits_are_the_campaign_s() -> None:
    world = scenario_from_history(CAMPAIGN, LOG, 7.0)
    limits = world.pacing_limits()
    assert (limits.abandon_cap, limits.max_channels, limits.calls_per_second) == (0.05, 90, 7.0)
    assert not limits.may_cancel
    assert not world.amd


def test_what_the_log_hardly_knows_is_as_in_other_worlds() -> None:
    poor = replace(
        LOG, talks=(9.0,) * 3, wrap_ups=(), person_rings=(), unanswered_rings=(), patience=(1.0,) * 5, lost=9
    )
    world = scenario_from_history(CAMPAIGN, poor, 7.0)
    usual = Scenario()
    assert (world.talk, world.quick, world.person_rings, world.patience) == (
        usual.talk, usual.quick, usual.person_rings, usual.patience,
    )  # fmt: skip
    assert world.wrap_up == Times(CAMPAIGN.wrap_up_seconds, samples=(CAMPAIGN.wrap_up_seconds,))


def test_given_up_calls_rang_on_for_all_we_know() -> None:
    """1800 calls less 360, 288, 144, 72 and 468 given up are 468 that rang out: as many as were given up."""
    world = scenario_from_history(CAMPAIGN, replace(LOG, withdrawn=468, unanswered_rings=(10.0,) * 60), 7.0)
    assert world.unanswered_rings is not None
    assert sorted(world.unanswered_rings.samples) == [10.0] * 60 + [25.0] * 60


def test_people_who_stayed_until_we_gave_them_up_are_the_patient_ones() -> None:
    world = scenario_from_history(CAMPAIGN, replace(LOG, lost=100, patience=(1.0,) * 25), 7.0)
    assert sum(sample > 100.0 for sample in world.patience.samples) == 75
    assert sum(sample == 1.0 for sample in world.patience.samples) == 25


def test_without_word_of_ringing_the_wait_begins_with_the_placing() -> None:
    world = scenario_from_history(CAMPAIGN, replace(LOG, rang_share=0.1), 7.0)
    assert (world.has_ringing, world.post_dial) == (False, Times(0.0, samples=(0.0,)))


def test_a_day_that_passes_midnight_begins_after_the_longest_silence() -> None:
    night = replace(LOG, hours=hours((2, ((22, 400, 90, 4.0), (23, 400, 90, 4.0))), (3, ((1, 400, 90, 4.0),))))
    world = scenario_from_history(replace(CAMPAIGN, timezone="UTC"), night, 7.0)
    assert (world.begins, world.hours) == (22.0, 4.0)
    assert world.agents == ((0.0, 4), (2.0, 0), (3.0, 4))


def test_too_few_calls_are_refused_with_what_to_do() -> None:
    few = replace(LOG, hours=hours((2, ((12, 150, 40, 3.0),))))
    with pytest.raises(Refused, match=r"too few calls .*campaign=spring calls=150 answered=40; .*more --days"):
        scenario_from_history(CAMPAIGN, few, 7.0)
    with pytest.raises(Refused, match="too few calls"):
        scenario_from_history(CAMPAIGN, CallHistory(), 7.0)


def test_a_log_without_agents_is_refused_unless_they_are_given() -> None:
    alone = with_agents(LOG, 0)
    with pytest.raises(Refused, match=r"no agent was at work .*--agents"):
        scenario_from_history(CAMPAIGN, alone, 7.0)
    assert scenario_from_history(CAMPAIGN, with_agents(alone, 8), 7.0).most_agents == 8


def test_the_world_does_what_the_log_did() -> None:
    day = run_day(scenario_from_history(CAMPAIGN, LOG, 7.0), "predictive", 1)
    assert day.connects > 100
    assert 0.12 <= day.connects / day.attempts <= 0.35
    assert day.abandonment <= CAMPAIGN.abandon_cap


any_hours = st.lists(
    st.builds(
        HourOfLog,
        at=st.integers(0, 24 * 14).map(lambda hour: MONDAY + timedelta(hours=hour)),
        calls=st.integers(0, 500),
        people=st.integers(0, 0),
        agents=st.floats(0.0, 30.0),
    ),
    max_size=30,
    unique_by=lambda hour: hour.at,
)


@given(any_hours, st.lists(st.floats(0.0, 3600.0), max_size=60), st.sampled_from(["UTC", "America/Sao_Paulo"]))
def test_any_log_makes_a_world_or_a_refusal(found: list[HourOfLog], seconds: list[float], zone: str) -> None:
    log = CallHistory(
        hours=tuple(replace(hour, people=hour.calls // 3) for hour in found), withdrawn=7, lost=3,
        person_rings=tuple(seconds), unanswered_rings=tuple(seconds), talks=tuple(seconds), patience=tuple(seconds),
    )  # fmt: skip
    try:
        world = scenario_from_history(replace(CAMPAIGN, timezone=zone), log, 5.0)
    except Refused:
        return
    assert 1.0 <= world.hours <= 24.0
    assert 0.0 <= world.begins < 24.0
    assert world.agents[0][0] == world.answer[0][0] == 0.0
    assert all(0.0 <= share <= 1.0 for _, share in world.answer)
