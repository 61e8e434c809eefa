"""What agents say of their calls: when, how often, and what happens when they say nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from stasis_dialer.core import cdr
from stasis_dialer.core import messages as m
from stasis_dialer.core.model import AgentState, ConnectMode, Disposition, Lead, LeadStatus
from stasis_dialer.core.options import Choice, Dispositions
from stasis_dialer.core.schedule import disposed_outcome
from tests.unit.core.builders import ALWAYS_ON, CAMPAIGN, ON_DEMAND, AgentStory, bridged

S = AgentState
CHOICES = (
    Choice("sale", "1", success=True),
    Choice("stop", "2", do_not_call=True),
    Choice("later", "3", callback=True),
    Choice("refused", "4", final=True),
    Choice("nobody", "5"),
    Choice("robot", "6", machine=True),
)
FREE = Dispositions(CHOICES)
FORCED = Dispositions(CHOICES, is_forced=True, max_wrap_up_seconds=60.0, default="nobody")
BOTH = pytest.mark.parametrize("connect", [ALWAYS_ON, ON_DEMAND], ids=str)
NOW = datetime(2026, 3, 2, 13, tzinfo=UTC)


def talking(connect: ConnectMode, dispositions: Dispositions) -> AgentStory:
    return AgentStory(connect).logs_in().talks(at=10.0, dispositions=dispositions)


def working(connect: ConnectMode, dispositions: Dispositions) -> AgentStory:
    """The customer has gone; the telephone of an on-demand agent too."""
    story = talking(connect, dispositions).hears(m.CustomerGone("c1"), at=70.0)
    return story.hears(m.LegGone(16)) if connect is ON_DEMAND else story


def said(story: AgentStory) -> list[m.DisposeCall]:
    return [command for command in story.given if isinstance(command, m.DisposeCall)]


@BOTH
def test_given_the_work_after_a_call_when_disposed_then_available_at_once(connect: ConnectMode) -> None:
    story = working(connect, FREE).hears(m.DispositionGiven("sale"), at=71.0)
    assert said(story) == [m.DisposeCall("c1", None, "sale")]
    assert (story.agent.state, story.agent.disposition) == (S.AVAILABLE, "sale")


@BOTH
def test_given_talking_when_disposed_then_the_work_after_it_lasts_its_usual_time(connect: ConnectMode) -> None:
    story = talking(connect, FORCED).hears(m.DispositionGiven("refused"), at=20.0)
    assert (story.agent.state, said(story)) == (S.ON_CALL, [m.DisposeCall("c1", None, "refused")])
    story.hears(m.CustomerGone("c1"), at=70.0)
    if connect is ON_DEMAND:
        story.hears(m.LegGone(16))
    assert (story.agent.state, story.agent.deadline) == (S.WRAP_UP, 75.0)
    assert story.reaches_the_deadline().agent.state is S.AVAILABLE
    assert len(said(story)) == 1


@BOTH
def test_given_a_forced_disposition_when_the_agent_is_done_without_one_then_the_work_goes_on(
    connect: ConnectMode,
) -> None:
    story = working(connect, FORCED)
    assert story.hears(m.WrapUpDone(), at=71.0).agent.state is S.WRAP_UP
    assert story.agent.deadline == 130.0
    assert story.hears(m.DispositionGiven("sale"), at=100.0).agent.state is S.AVAILABLE


@BOTH
def test_given_a_forced_disposition_when_the_time_runs_out_then_the_default_is_given_once(connect: ConnectMode) -> None:
    story = working(connect, FORCED).reaches_the_deadline()
    assert (story.now, story.agent.state) == (130.0, S.AVAILABLE)
    assert said(story) == [m.DisposeCall("c1", None, "nobody", is_default=True)]
    assert story.hears(m.DispositionGiven("sale"), at=140.0).agent.state is S.AVAILABLE
    assert said(story)[1:] == [m.DisposeCall("c1", None, "sale")]


@pytest.mark.parametrize("how", [m.LogoutRequested(), m.LegGone(16)], ids=["logs out", "hangs up"])
@pytest.mark.parametrize("when", ["talking", "after"])
def test_given_no_word_when_the_agent_leaves_then_the_default_is_given_once(how: m.Event, when: str) -> None:
    story = talking(ALWAYS_ON, FORCED) if when == "talking" else working(ALWAYS_ON, FORCED)
    story.hears(how, m.CustomerGone("c1"), m.LegGone(16), m.LegGone(16), at=80.0)
    if not story.agent.is_over:
        story.reaches_the_deadline().hears(m.LegGone(16))
    assert story.agent.is_over
    assert said(story) == [m.DisposeCall("c1", None, "nobody", is_default=True)]


def test_given_an_on_demand_leg_that_stays_when_the_time_runs_out_then_the_default_is_given_once() -> None:
    story = talking(ON_DEMAND, FORCED).hears(m.CustomerGone("c1"), at=70.0)
    while story.now < 130.0:
        assert said(story.reaches_the_deadline()) == []
    story.reaches_the_deadline().hears(m.LegGone(is_seen=False))
    assert story.agent.state is S.AVAILABLE
    assert said(story) == [m.DisposeCall("c1", None, "nobody", is_default=True)]


def test_given_no_choice_of_that_code_or_no_call_yet_when_disposed_then_nothing_happens() -> None:
    assert said(AgentStory(ALWAYS_ON).logs_in().hears(m.DispositionGiven("sale"))) == []
    assert said(working(ALWAYS_ON, FREE).hears(m.DispositionGiven("other"))) == []


def test_given_the_next_customer_when_disposed_then_it_is_not_said_of_that_one() -> None:
    story = working(ALWAYS_ON, FREE).reaches_the_deadline().is_assigned("c2", dispositions=FREE)
    assert said(story.hears(m.DispositionGiven("sale"))) == []
    story.hears(m.CustomerJoined("c2"), m.DispositionGiven("sale"))
    assert said(story) == [m.DisposeCall("c2", None, "sale")]


# --- the call and the lead ------------------------------------------------------------------------------------------


def test_given_a_call_that_is_on_when_disposed_again_then_the_last_word_counts() -> None:
    story = bridged().hears(m.Disposed("sale"))
    assert story.last == (m.Save(),)
    assert story.hears(m.Disposed("sale")).last == ()
    at = NOW + timedelta(hours=1)
    call = story.hears(m.Disposed("later", at)).call
    assert (call.agent_disposition, call.callback_at) == ("later", at)


@pytest.mark.parametrize(
    ("code", "status", "next_attempt", "is_callback"),
    [
        ("sale", LeadStatus.COMPLETED, None, False),
        ("stop", LeadStatus.COMPLETED, None, False),
        ("refused", LeadStatus.COMPLETED, None, False),
        ("later", LeadStatus.PENDING, 3600.0, True),
        ("nobody", LeadStatus.PENDING, 1800.0, False),
        ("robot", LeadStatus.PENDING, 1800.0, False),
    ],
)
def test_what_a_disposition_makes_of_the_lead(
    code: str, status: LeadStatus, next_attempt: float | None, is_callback: bool
) -> None:
    choice, campaign = FREE.find(code), replace(CAMPAIGN, dispositions=FREE)
    assert choice is not None
    outcome = disposed_outcome("c1", Lead(70, 7, "Ana", "1", attempts=1), campaign, choice, callback_at=None, now=NOW)
    at = None if next_attempt is None else NOW + timedelta(seconds=next_attempt)
    assert (outcome.status, outcome.result, outcome.next_attempt_at) == (status, code, at)
    assert outcome.is_callback is is_callback


def test_given_no_attempt_left_when_a_callback_was_promised_then_it_is_kept_and_a_failed_try_is_not() -> None:
    lead, campaign = Lead(70, 7, "Ana", "1", attempts=3), replace(CAMPAIGN, dispositions=FREE)
    at = NOW + timedelta(days=2)
    kept = disposed_outcome("c1", lead, campaign, CHOICES[2], callback_at=at, now=NOW)
    assert (kept.status, kept.next_attempt_at) == (LeadStatus.PENDING, at)
    assert disposed_outcome("c1", lead, campaign, CHOICES[4], callback_at=None, now=NOW).status is LeadStatus.FAILED


@pytest.mark.parametrize(
    ("dispositions", "code", "expected"),
    [(Dispositions(), None, True), (FREE, None, False), (FREE, "sale", True), (FREE, "later", False)],
)
def test_what_counts_as_successful(dispositions: Dispositions, code: str | None, expected: bool) -> None:
    story = bridged(replace(CAMPAIGN, dispositions=dispositions))
    assert cdr.is_success(story.call) is None
    if code is not None:
        story.hears(m.Disposed(code))
    story.hears(m.LegGone(16))
    assert story.call.disposition is Disposition.ANSWERED
    assert cdr.is_success(story.call) is expected
