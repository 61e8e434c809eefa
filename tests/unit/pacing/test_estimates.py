"""What is learned, and the traps in learning it."""

import itertools

import numpy as np
import pytest

from stasis_dialer.core.pacing.answer_rate import AnswerRate
from stasis_dialer.core.pacing.attempts import ANSWERED, ENDED, RANG, Attempts, Outlook
from stasis_dialer.core.pacing.crowd import ExactCrowd, NormalCrowd
from stasis_dialer.core.pacing.handling import Handling
from stasis_dialer.core.pacing.lifetable import LARGEST_HAZARD, LifeTable

NONE = np.zeros(0)
SECONDS = np.arange(0.0, 61.0)


def by_brute_force(chances, seats):
    total = 0.0
    for outcome in itertools.product((0, 1), repeat=len(chances)):
        if sum(outcome) >= seats:
            total += np.prod([p if x else 1.0 - p for p, x in zip(chances, outcome, strict=True)])
    return total


def test_exact_crowd_is_the_convolution():
    rows = np.array([[0.1, 0.5], [0.9, 0.3], [0.25, 0.8], [0.6, 0.6]])
    new = np.array([0.2, 0.4])
    crowd = ExactCrowd(rows, new)
    for more, seats in itertools.product((0, 1, 2), (1, 2, 3, 5)):
        for moment in (0, 1):
            expected = by_brute_force([*rows[:, moment], *[new[moment]] * more], seats)
            assert crowd.chance(more, seats)[moment] == pytest.approx(expected, abs=1e-9)


def test_crowd_without_calls_or_agents_is_empty():
    crowd = ExactCrowd(np.zeros((0, 2)), np.array([0.3, 0.3]))
    assert crowd.chance(0, 1) == pytest.approx([0.0, 0.0], abs=1e-12)
    assert crowd.chance(0, 0) == pytest.approx([1.0, 1.0])


def test_normal_crowd_is_near_the_exact_one_for_a_large_group():
    generator = np.random.default_rng(4)
    rows = np.concatenate((generator.uniform(0.6, 0.95, (20, 3)), generator.uniform(0.02, 0.3, (30, 3))))
    new = np.full(3, 0.2)
    exact = ExactCrowd(rows, new)
    normal = NormalCrowd(rows.sum(0), (rows**2).sum(0), (rows**3).sum(0), new, np.zeros(3))
    for more, seats in itertools.product((0, 3), range(14, 30, 3)):
        assert normal.risk(more, seats) == pytest.approx(exact.risk(more, seats), abs=0.01)
        assert normal.near(seats) == pytest.approx(exact.near(seats), abs=0.01)


def test_trap_completed_calls_only_the_first_failures_do_not_make_the_answer_rate_low():
    """At the start only busy and failed calls are finished; those that ring on count as at risk, not as lost."""
    table = LifeTable(SECONDS, 3, 500.0)
    for _ in range(60):
        table.ended(1.2, ENDED)
    for _ in range(25):
        table.ended(8.0, ANSWERED)
    still_ringing = np.full(415, 8.95)
    hazards = table.hazards(still_ringing)
    reached = np.prod(1.0 - hazards[:, :8].sum(axis=0))
    answered_at_eight = hazards[ANSWERED, 8]
    assert reached == pytest.approx(440.0 / 500.0, abs=0.02)
    assert answered_at_eight == pytest.approx(25.0 / 440.0, rel=0.5)
    assert hazards[ENDED, 8] < 0.002


def test_trap_talks_still_going_on_make_the_mean_talk_longer():
    short = Handling(180.0)
    for _ in range(100):
        short.talk_ended(10.0)
    short.still_busy(NONE, NONE, np.array([5.0]))
    misled = short.mean_seconds
    honest = Handling(180.0)
    for _ in range(100):
        honest.talk_ended(10.0)
    honest.still_busy(np.full(400, 60.0), NONE, np.array([5.0]))
    assert misled < 60.0 < honest.mean_seconds


def test_trap_unclamped_hazards_one_end_at_an_age_hardly_ever_seen_stays_a_chance():
    table = LifeTable(SECONDS, 3, 500.0)
    table.ended(45.0, ANSWERED)
    hazards = table.hazards(NONE)
    assert hazards.sum(axis=0).max() < 0.7 < LARGEST_HAZARD
    assert np.isfinite(hazards).all()


def test_what_was_learned_long_ago_is_forgotten():
    table = LifeTable(SECONDS, 1, 100.0)
    for _ in range(200):
        table.ended(5.5, 0)
    table.hazards(NONE)
    for i in range(1000):
        table.ended(20.5, 0)
        if i % 50 == 0:
            table.hazards(NONE)
    assert table.hazards(NONE)[0, 5] < 0.01


def test_going_out_of_sight_is_no_end():
    table = LifeTable(SECONDS, 1, 500.0)
    for _ in range(50):
        table.ended(15.0, None)
    assert table.hazards(NONE).sum() == 0.0


def learned_attempts(answer=0.3):
    attempts = Attempts()
    generator = np.random.default_rng(1)
    for _ in range(3000):
        attempts.dialling.ended(2.0 + generator.random(), RANG)
        if generator.random() < answer:
            attempts.ringing.ended(4.0 + 10.0 * generator.random(), ANSWERED)
            attempts.judged(True, True, 9.0, 1.8)
        else:
            attempts.ringing.ended(28.0, ENDED)
        if generator.random() < 0.01:
            attempts.dialling.hazards(NONE)
            attempts.ringing.hazards(NONE)
    return attempts


def test_outlook_of_a_new_call_is_the_answer_share():
    outlook = Outlook(learned_attempts(), NONE, NONE, None)
    assert outlook.anew[-1] == pytest.approx(0.3, abs=0.06)
    assert (np.diff(outlook.anew) >= -1e-9).all()


def test_outlook_of_a_call_that_rang_longer_than_anyone_answers_is_poor():
    outlook = Outlook(learned_attempts(), NONE, NONE, None)
    assert outlook.from_ringing[2 * 18, -1] < 0.03
    assert outlook.from_ringing[0, -1] == pytest.approx(0.3, abs=0.06)


def test_calls_that_may_be_given_up_count_only_as_far_as_that():
    free = Outlook(learned_attempts(), NONE, NONE, 9.0)
    bound = Outlook(learned_attempts(), NONE, NONE, None)
    assert free.anew[-1] == pytest.approx(0.5 * bound.anew[-1], rel=0.25)


def test_late_answers_are_known_to_be_machines():
    attempts = Attempts()
    for _ in range(200):
        attempts.judged(True, True, 8.0, 1.8)
        attempts.judged(False, True, 19.0, 3.5)
    shares = attempts.person_shares()[1]
    assert shares[16] > 0.9 > 0.2 > shares[38]


def test_answer_rate_follows_a_step_within_a_minute_at_volume():
    rate = AnswerRate()
    for _ in range(60):
        rate.passed(1.0, 0.5)
        for _ in range(2):
            rate.answered(0.75)
    assert rate.factor == pytest.approx(3.0, abs=0.7)


def test_answer_rate_alarm_rises_within_seconds():
    rate = AnswerRate()
    for _ in range(300):
        rate.passed(1.0, 1.0)
        rate.answered(1.0)
    for _ in range(24):
        rate.passed(1.0, 1.0)
        for _ in range(3):
            rate.answered(1.0)
    assert rate.factor > 1.5


def test_answer_rate_stays_within_its_clamp():
    rate = AnswerRate()
    for _ in range(1000):
        rate.answered(1.0)
    assert rate.factor == 4.0
    quiet = AnswerRate()
    for _ in range(10_000):
        quiet.passed(1.0, 5.0)
    assert quiet.factor == 0.4


def test_still_busy_falls_with_time_and_holds_a_wrap_up():
    handling = Handling(100.0)
    for _ in range(500):
        handling.talk_ended(60.0)
        handling.wrap_up_ended(20.0)
        handling.talk.hazards(NONE)
    talk, wrap_up, fresh = handling.still_busy(NONE, NONE, np.array([1.0, 30.0, 70.0, 120.0]))
    assert (np.diff(fresh) <= 1e-9).all() and (np.diff(talk, axis=1) <= 1e-9).all()
    assert fresh[2] > 0.5 > 0.1 > fresh[3]
    assert wrap_up[0, 1] < 0.3
