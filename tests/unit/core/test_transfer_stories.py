"""A transfer hears what happens: every success, and every failure with the one who has the customer in the end."""

from __future__ import annotations

from typing import Any

import pytest

from stasis_dialer.core import messages as m
from stasis_dialer.core import transfer as machine
from stasis_dialer.core.messages import Target, TargetKind
from stasis_dialer.core.transfer import HANDLERS, Transfer, TransferState
from stasis_dialer.errors import IllegalEvent
from tests.unit.core.builders import EVENTS, bridged

S = TransferState
HOLD, TALK, HOME, OTHERS = "h1", "b9", "b1", "b2"
CREATE = m.CreateLeg("t1", "PJSIP/5511@carrier")


def number(*, is_attended: bool) -> Target:
    return Target(TargetKind.NUMBER, "5511987654321", is_attended, 20.0, "…4321", CREATE, TALK)


def agent(*, is_attended: bool) -> Target:
    return Target(TargetKind.AGENT, "1002", is_attended, 20.0, "1002")


class Story:
    """A transfer and every command it has given; customer c1, agent 1001 with leg a1."""

    def __init__(self, **changes: Any) -> None:
        values = {"stays": True, **changes}
        made = Transfer("x1", "c1", "c1", "1001", "a1", HOME, hold_bridge=HOLD, queue_seconds=60.0, **values)
        self.transfer, self.last = machine.start(made, 0.0)
        self.given = list(self.last)

    def hears(self, *events: m.Event, at: float = 1.0) -> Story:
        self.last = ()
        for event in events:
            self.transfer, commands = machine.advance(self.transfer, event, at)
            self.last += commands
        self.given += self.last
        return self

    def reaches_its_deadline(self) -> Story:
        assert self.transfer.deadline is not None
        return self.hears(m.DeadlineReached(), at=self.transfer.deadline)

    def told(self) -> list[m.Event]:
        """What the call was told, but for notes."""
        said = [command.event for command in self.given if isinstance(command, m.TellCall)]
        return [event for event in said if not isinstance(event, m.TransferNoted)]

    def moved(self, leg: str, bridge: str) -> Story:
        return self.hears(m.Moved(leg, bridge))


def held(**changes: Any) -> Story:
    return Story(**changes).moved("c1", HOLD)


def ringing(*, is_attended: bool = True, **changes: Any) -> Story:
    story = held(**changes).hears(m.TransferAsked(number(is_attended=is_attended)))
    return story.hears(m.LegCreated(), m.Ringing())


def consulting(**changes: Any) -> Story:
    return ringing(**changes).hears(m.Answered()).moved("t1", TALK).moved("a1", TALK)


def consulting_agent(**changes: Any) -> Story:
    story = held(**changes).hears(m.TransferAsked(agent(is_attended=True)), m.AgentReserved("1002"))
    return story.hears(m.AgentReady("1002", "a2", OTHERS)).moved("a1", OTHERS)


def conference() -> Story:
    return consulting().hears(m.ConferenceAsked()).moved("c1", TALK)


def talking() -> Story:
    return consulting().hears(m.CompleteAsked()).moved("c1", TALK).moved("a1", HOME)


STORIES = {
    "held": held,
    "ringing": ringing,
    "blind ringing": lambda: ringing(is_attended=False),
    "agent sought": lambda: held().hears(m.TransferAsked(agent(is_attended=False))),
    "consulting": consulting,
    "consulting an agent": consulting_agent,
    "conference": conference,
    "completing": lambda: consulting().hears(m.CompleteAsked()),
    "talking": talking,
    "returning": lambda: held().hears(m.UnholdAsked()),
    "waiting": lambda: held().hears(m.AgentLost("1001")),
    "on demand consulting": lambda: consulting(stays=False),
}


# --- hold -----------------------------------------------------------------------------------------------------------


def test_given_a_hold_then_the_customer_goes_to_music_and_back() -> None:
    story = Story()
    assert story.given[:3] == [m.CreateBridge(HOLD, m.HOLDING), m.PlayMusic(HOLD), m.Move("c1", HOLD)]
    story.moved("c1", HOLD).hears(m.UnholdAsked())
    assert m.Move("c1", HOME) in story.last
    story.moved("c1", HOME)
    assert story.told() == [m.Held("x1"), m.Returned()]
    assert story.last[-2:] == (m.DestroyBridge(HOLD), m.EndTransfer())
    assert not any(isinstance(command, m.ReleaseAgent) for command in story.given)


def test_given_the_way_back_fails_again_and_again_then_the_customer_goes_to_another_agent() -> None:
    story = held().hears(m.UnholdAsked())
    for _ in range(machine.MOST_TRIES):
        story.hears(m.MoveFailed("c1", HOME))
    assert story.transfer.state is S.WAITING
    assert m.ReleaseAgent(is_broken=True) in story.last
    assert m.Move("c1", HOLD) not in story.last, "they are there: moved there again, they would hear nothing"
    assert story.told()[-1] == m.AgentWanted(60.0)


@pytest.mark.parametrize("event", [m.DeadlineReached(), m.AgentLost("1001")], ids=["unanswered", "agent gone"])
def test_given_a_way_back_that_may_have_been_gone_then_the_customer_is_brought_to_the_music(event: m.Event) -> None:
    story = held().hears(m.UnholdAsked()).hears(*[event] * machine.MOST_TRIES)
    assert story.transfer.state is S.WAITING
    assert m.Move("c1", HOLD) in story.last
    assert machine.is_still_wanted(story.transfer, m.Move("c1", HOLD))
    assert story.moved("c1", HOLD).told()[-1] == m.AgentWanted(60.0)


def test_given_a_conference_without_an_answer_then_the_customer_may_have_left_the_music() -> None:
    story = consulting().hears(m.ConferenceAsked()).reaches_its_deadline().moved("a1", HOME)
    for _ in range(machine.MOST_TRIES):
        story.hears(m.MoveFailed("c1", HOME))
    assert (story.transfer.state, m.Move("c1", HOLD) in story.last) == (S.WAITING, True)


def test_given_an_agent_who_stays_with_the_target_then_the_customer_is_not_back_yet() -> None:
    story = consulting().hears(m.CancelAsked(), m.MoveFailed("a1", HOME)).moved("c1", HOME)
    assert story.transfer.state is S.RETURNING
    assert story.last == (m.Move("a1", HOME), m.Move("c1", HOME))
    assert story.moved("a1", HOME).moved("c1", HOME).told()[-1] == m.Returned()


def test_given_no_music_to_be_had_then_a_ringing_transfer_comes_back_instead_of_leaving_a_silent_customer() -> None:
    story = Story().hears(m.TransferAsked(number(is_attended=True)), m.MoveFailed("c1", HOLD))
    assert story.transfer.state is S.RETURNING


def test_given_a_hold_without_an_answer_when_the_target_is_there_then_the_customer_is_moved_before_the_agent() -> None:
    story = Story().hears(m.TransferAsked(number(is_attended=True)), m.LegCreated(), m.Answered())
    assert story.last[-2:] == (m.Move("c1", HOLD), m.Move("a1", TALK))


@pytest.mark.parametrize("unanswered", range(machine.MOST_TRIES))
def test_given_no_music_when_agent_and_target_talk_then_the_customer_is_moved_until_they_hear_it(
    unanswered: int,
) -> None:
    """A consultation may be long: nobody waits for its end in silence because two requests had no answer."""
    story = Story().hears(m.TransferAsked(number(is_attended=True)), m.LegCreated(), m.Answered()).moved("t1", TALK)
    story.moved("a1", TALK)
    for _ in range(unanswered):
        assert story.last[-1] == m.Move("c1", HOLD)
        assert (story.transfer.state, story.transfer.tries > 0) == (S.CONSULTING, True)
        story.reaches_its_deadline()
    story.moved("c1", HOLD).reaches_its_deadline()
    assert (story.transfer.state, story.last) == (S.CONSULTING, ())
    assert story.transfer.deadline == 1.0 + machine.HOLD_SECONDS
    assert story.reaches_its_deadline().transfer.state is S.RETURNING


# --- to a number ----------------------------------------------------------------------------------------------------


def test_given_a_customer_who_is_with_the_music_then_a_second_way_there_is_not_taken() -> None:
    story = Story()
    way = [command for command in story.given if not isinstance(command, m.TellCall)]
    assert [machine.is_still_wanted(story.transfer, command) for command in way] == [True, True, True]
    story.moved("c1", HOLD)
    assert [machine.is_still_wanted(story.transfer, command) for command in way] == [False, False, False]
    assert machine.is_still_wanted(story.transfer, m.DestroyBridge(HOLD))
    story.hears(m.UnholdAsked())
    assert machine.is_still_wanted(story.transfer, m.Move("c1", HOME))


def test_given_a_blind_transfer_when_the_target_answers_then_the_customer_is_theirs_and_the_agent_free() -> None:
    story = ringing(is_attended=False).hears(m.Answered())
    assert story.last == (m.CreateBridge(TALK), m.Move("t1", TALK), m.Move("c1", TALK))
    story.moved("t1", TALK).moved("c1", TALK)
    assert story.told()[-1] == m.PartnerJoined("…4321", TALK)
    assert m.ReleaseAgent() in story.last
    assert story.transfer.state is S.TALKING


def test_given_an_attended_transfer_then_the_agent_is_home_before_the_next_customer() -> None:
    story = consulting().hears(m.CompleteAsked())
    assert story.last == (m.Move("c1", TALK),)
    story.moved("c1", TALK)
    assert m.Move("a1", HOME) in story.last
    assert m.ReleaseAgent() not in story.last
    assert story.moved("a1", HOME).last == (m.ReleaseAgent(),)


def test_given_an_agent_who_cannot_be_brought_home_then_the_leg_counts_as_broken() -> None:
    story = consulting().hears(m.CompleteAsked()).moved("c1", TALK)
    for _ in range(machine.MOST_TRIES):
        story.hears(m.MoveFailed("a1", HOME))
    assert story.last == (m.ReleaseAgent(is_broken=True),)
    assert story.transfer.state is S.TALKING


def test_given_an_on_demand_agent_then_nobody_waits_for_the_way_home() -> None:
    story = consulting(stays=False).hears(m.CompleteAsked()).moved("c1", TALK)
    assert m.ReleaseAgent() in story.last
    assert m.Move("a1", HOME) not in story.last


def test_given_an_on_demand_agent_with_the_one_found_when_the_customer_hangs_up_then_nobody_meets_them() -> None:
    story = consulting_agent(stays=False).hears(m.CustomerGone("c1"))
    assert m.Move("a1", HOME) in story.last
    assert not {m.ReleaseAgent(), m.ReleaseTarget()} & set(story.last)
    assert set(story.moved("a1", HOME).last) >= {m.ReleaseAgent(), m.ReleaseTarget()}


def test_given_customer_and_target_talk_when_one_hangs_up_then_so_does_the_other() -> None:
    assert talking().hears(m.LegGone(16)).told()[-1] == m.PartnerLost()
    story = talking().hears(m.CustomerGone("c1"))
    assert m.HangUp("t1") in story.last
    assert story.hears(m.LegGone(16)).last == (m.DestroyBridge(HOLD), m.DestroyBridge(TALK), m.EndTransfer())


def test_given_a_conference_that_is_refused_then_the_customer_is_left_with_the_music() -> None:
    """They are there still: moved there again, they would hear nothing for as long as agent and target talk."""
    story = consulting().hears(m.ConferenceAsked()).hears(m.MoveFailed("c1", TALK))
    assert (story.transfer.state, story.transfer.is_conference_wanted) == (S.CONSULTING, False)
    assert not any(machine.is_still_wanted(story.transfer, command) for command in story.last)
    assert story.hears(m.ConferenceAsked()).moved("c1", TALK).transfer.state is S.CONFERENCE
    assert not story.transfer.is_held


def test_given_no_music_and_a_conference_that_is_refused_then_the_customer_is_brought_there() -> None:
    story = Story().hears(m.TransferAsked(number(is_attended=True)), m.LegCreated(), m.Answered()).moved("t1", TALK)
    story.moved("a1", TALK).hears(m.ConferenceAsked()).hears(m.MoveFailed("c1", TALK))
    assert story.last[-1] == m.Move("c1", HOLD)
    assert machine.is_still_wanted(story.transfer, m.Move("c1", HOLD))


def test_given_a_conference_that_is_wanted_when_the_agent_is_seen_to_arrive_then_its_deadline_stays() -> None:
    story = Story().hears(m.TransferAsked(number(is_attended=True)), m.LegCreated(), m.Answered()).moved("t1", TALK)
    deadline = story.hears(m.ConferenceAsked()).transfer.deadline
    assert story.moved("a1", TALK).transfer.deadline == deadline


def test_given_a_conference_when_the_agent_leaves_then_the_two_others_stay() -> None:
    story = conference()
    assert story.transfer.state is S.CONFERENCE
    story.hears(m.CompleteAsked())
    assert story.told()[-1] == m.PartnerJoined("…4321", TALK)
    assert m.Move("a1", HOME) in story.last


def test_given_a_target_that_rings_when_the_agent_leaves_then_only_once_the_customer_has_left_the_bridge() -> None:
    waiting = Story().hears(m.TransferAsked(number(is_attended=False)), m.CompleteAsked())
    assert m.ReleaseAgent() not in waiting.given
    assert waiting.moved("c1", HOLD).hears(m.CompleteAsked()).last == (m.ReleaseAgent(),)


# --- failures: whose is the customer? -------------------------------------------------------------------------------

FAILURES: list[tuple[str, str, list[m.Event]]] = [
    ("busy", "ringing", [m.LegGone(17, 486)]),
    ("refused by Asterisk", "ringing", [m.OriginateRejected(500)]),
    ("not dialled", "ringing", [m.DialRejected(409)]),
    ("no answer to the request", "ringing", [m.RequestUnanswered("create")]),
    ("busy, blind", "blind ringing", [m.LegGone(17, 486)]),
    ("the agent who was found does not pick up", "agent sought", [m.AgentReserved("1002"), m.AgentLost("1002")]),
    ("the agent cannot join the target", "ringing", [m.Answered(), m.MoveFailed("a1", TALK)]),
    ("the target cannot be joined", "ringing", [m.Answered(), m.MoveFailed("t1", TALK)]),
    ("the target hangs up while consulted", "consulting", [m.LegGone(16)]),
    ("the other agent's phone dies", "consulting an agent", [m.AgentLost("1002")]),
    ("the customer cannot join the target", "completing", [m.MoveFailed("c1", TALK)]),
    ("the target hangs up as the customer comes", "completing", [m.LegGone(16)]),
    ("the target leaves the conference", "conference", [m.LegGone(16)]),
    ("given up", "consulting", [m.CancelAsked()]),
]


@pytest.mark.parametrize(
    ("name", "begin", "events"), FAILURES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_given_a_failure_then_the_customer_comes_back_to_the_agent(
    name: str, begin: str, events: list[m.Event]
) -> None:
    story = STORIES[begin]().hears(*events)
    assert story.transfer.state is S.RETURNING, name
    assert m.Move("c1", HOME) in story.last
    story.moved("a1", HOME).moved("c1", HOME)
    assert story.told()[-1] == m.Returned()


@pytest.mark.parametrize("begin", ["ringing", "agent sought", "completing", "consulting"])
def test_given_nothing_is_heard_any_more_then_the_deadline_brings_the_customer_back(begin: str) -> None:
    story = STORIES[begin]().reaches_its_deadline()
    assert story.transfer.state is S.RETURNING
    assert m.Move("c1", HOME) in story.last


@pytest.mark.parametrize(
    ("begin", "state", "last"),
    [
        ("held", S.WAITING, m.AgentWanted(60.0)),
        ("returning", S.WAITING, m.Held("x1")),
        ("consulting", S.COMPLETING, m.Held("x1")),
        ("conference", S.TALKING, m.PartnerJoined("…4321", TALK)),
        ("ringing", S.RINGING, m.Held("x1")),
    ],
)
def test_given_the_agent_is_lost_then_the_customer_is_never_alone(begin: str, state: S, last: m.Event) -> None:
    story = STORIES[begin]().hears(m.AgentLost("1001"))
    assert story.transfer.state is state
    assert m.ReleaseAgent() in story.last
    assert story.told()[-1] == last


def test_given_the_agent_is_lost_on_the_way_back_then_nobody_is_sought_before_the_customer_hears_music() -> None:
    story = STORIES["returning"]().hears(m.AgentLost("1001")).moved("c1", HOME)
    assert m.AgentWanted(60.0) not in story.told()
    assert story.moved("c1", HOLD).told()[-1] == m.AgentWanted(60.0)
    assert story.moved("c1", HOLD).last == ()


@pytest.mark.parametrize("failure", [m.MoveFailed("c1", HOLD), m.DeadlineReached()], ids=["refused", "unanswered"])
def test_given_a_customer_without_agent_who_cannot_be_moved_then_another_agent_is_sought_all_the_same(
    failure: m.Event,
) -> None:
    story = STORIES["returning"]().hears(m.AgentLost("1001"))
    for _ in range(machine.MOST_TRIES - 1):
        story.hears(failure)
        assert m.Move("c1", HOLD) in story.last
    assert story.hears(failure).told()[-1] == m.AgentWanted(60.0)
    assert story.transfer.deadline is None


def test_given_the_agent_is_lost_before_the_customer_hears_music_then_they_wait_for_the_target_with_it() -> None:
    story = Story().hears(m.TransferAsked(number(is_attended=False)), m.LegCreated(), m.AgentLost("1001"))
    assert (story.transfer.state, story.last[-1]) == (S.RINGING, m.Move("c1", HOLD))


@pytest.mark.parametrize("failure", [m.MoveFailed("c1", HOLD), m.DeadlineReached()], ids=["refused", "unanswered"])
def test_given_the_agent_is_lost_and_no_music_when_the_target_rings_on_then_the_way_there_is_tried_again(
    failure: m.Event,
) -> None:
    """The target may ring for long: nobody waits for it in silence because one request had no answer."""
    story = Story().hears(m.TransferAsked(agent(is_attended=False)), m.AgentLost("1001"))
    for _ in range(machine.MOST_TRIES - 1):
        assert story.transfer.deadline == 1.0 + machine.MOVE_SECONDS
        assert story.hears(failure).last[-1] == m.Move("c1", HOLD)
    assert story.hears(failure).last == ()
    assert story.transfer.deadline == story.transfer.lasts_until
    assert story.reaches_its_deadline().transfer.state is S.WAITING


def test_given_the_agent_is_lost_when_the_customer_hears_music_then_only_the_target_is_waited_for() -> None:
    story = Story().hears(m.TransferAsked(agent(is_attended=False)), m.AgentLost("1001")).moved("c1", HOLD)
    assert story.reaches_its_deadline().last == ()
    assert story.transfer.state is S.RINGING
    assert story.reaches_its_deadline().transfer.state is S.WAITING


def test_given_the_way_to_the_music_without_an_answer_when_the_customer_is_seen_there_then_it_is_not_taken_again() -> (
    None
):
    """Moved into the same holding bridge again, they would hear nothing."""
    waiting = Story().hears(m.AgentLost("1001")).moved("c1", HOLD)
    assert waiting.told()[-1] == m.AgentWanted(60.0)
    assert (waiting.transfer.deadline, waiting.moved("c1", HOLD).last) == (None, ())
    ringing = Story().hears(m.TransferAsked(agent(is_attended=False)), m.AgentLost("1001")).moved("c1", HOLD)
    assert ringing.reaches_its_deadline().last == ()
    assert talking().moved("c1", HOLD).last == ()


def test_given_a_call_in_the_hands_of_a_transfer_when_its_leg_is_seen_in_a_bridge_then_the_transfer_knows() -> None:
    """The answer to its request may be lost. Of the agent's own bridge, late news may be of the first time there."""
    story = bridged().hears(m.Joined(HOLD))
    assert story.last == ()
    assert story.hears(m.Held("x1"), m.Joined(HOLD)).last[-1] == m.TellTransfer("x1", m.Moved("c1", HOLD))
    assert story.hears(m.Joined(HOME)).last == ()


@pytest.mark.parametrize("begin", ["consulting", "conference", "completing", "talking"])
def test_given_a_target_who_talks_when_its_creation_is_told_again_then_it_stays(begin: str) -> None:
    """As after every gap in the events."""
    assert STORIES[begin]().hears(m.LegCreated(), m.Answered()).last == ()


def test_given_a_target_whose_way_was_never_answered_then_it_is_fetched_before_the_two_count_as_together() -> None:
    story = ringing(is_attended=False).hears(m.Answered()).moved("c1", TALK)
    assert story.last == (m.Move("t1", TALK), m.Move("c1", TALK))
    assert story.moved("c1", TALK).last == (), "told by the event and by the answer"
    assert story.moved("t1", TALK).moved("c1", TALK).told()[-1] == m.PartnerJoined("…4321", TALK)


def test_given_a_target_whose_way_was_never_answered_when_it_is_seen_in_the_bridge_then_it_is_not_fetched() -> None:
    story = ringing(is_attended=False).hears(m.Answered()).hears(m.Joined(TALK)).moved("c1", TALK)
    assert story.told()[-1] == m.PartnerJoined("…4321", TALK)


def test_given_the_customer_is_in_other_hands_then_a_move_that_had_to_wait_is_dropped() -> None:
    story = talking()
    assert machine.is_still_wanted(story.transfer, m.Move("c1", TALK))
    assert not machine.is_still_wanted(story.transfer, m.Move("a1", HOME))
    story.hears(m.CustomerGone("c1"))
    assert not machine.is_still_wanted(story.transfer, m.Move("c1", TALK))
    assert machine.is_still_wanted(story.transfer, m.HangUp("t1"))


def test_given_the_agent_is_lost_and_the_target_too_then_another_agent_is_sought() -> None:
    story = ringing().hears(m.AgentLost("1001"), m.LegGone(17, 486))
    assert story.transfer.state is S.WAITING
    assert story.told()[-1] == m.AgentWanted(60.0)
    assert story.hears(m.CustomerJoined("c1")).last[-1] == m.EndTransfer()


def test_given_a_target_agent_when_completed_then_the_call_is_handed_over() -> None:
    story = consulting_agent()
    assert m.TargetJoined() in story.given
    assert story.hears(m.CompleteAsked()).last == (m.Move("a1", HOME), m.Move("c1", OTHERS))
    story.moved("a1", HOME).moved("c1", OTHERS)
    assert story.last == (m.HandToTarget("1002"), m.ReleaseAgent(), m.DestroyBridge(HOLD), m.EndTransfer())


def test_given_the_agent_cannot_leave_the_found_ones_bridge_then_the_call_is_handed_over_and_it_is_tried_again() -> (
    None
):
    story = consulting_agent().hears(m.CompleteAsked(), m.MoveFailed("a1", HOME)).moved("c1", OTHERS)
    assert story.last == (m.HandToTarget("1002"), m.Move("a1", HOME))
    assert story.moved("a1", HOME).last == (m.ReleaseAgent(), m.DestroyBridge(HOLD), m.EndTransfer())


def test_given_a_consulted_agent_when_their_telephone_comes_back_on_a_new_leg_then_the_consultation_goes_on() -> None:
    story = consulting_agent().hears(m.AgentChanged("1002", "a9", OTHERS))
    assert (story.transfer.state, story.last) == (S.CONSULTING, ())
    assert story.hears(m.CompleteAsked()).last[-1] == m.Move("c1", OTHERS)


@pytest.mark.parametrize("event", [m.CustomerGone("c1"), m.CancelAsked()], ids=["customer gone", "cancelled"])
def test_given_a_consulted_agent_then_they_are_free_only_when_the_other_one_has_left_their_bridge(
    event: m.Event,
) -> None:
    story = consulting_agent().hears(event)
    assert m.ReleaseTarget() not in story.last
    assert m.ReleaseTarget() in story.moved("a1", HOME).last


def test_given_a_customer_who_is_not_with_the_found_agent_after_all_then_that_agent_is_free_when_they_hear_music() -> (
    None
):
    story = consulting_agent().hears(m.AgentLost("1001"), m.DeadlineReached())
    assert (story.transfer.state, m.ReleaseTarget() in story.last) == (S.WAITING, False)
    assert m.ReleaseTarget() in story.moved("c1", HOLD).last


@pytest.mark.parametrize("begin", STORIES)
def test_given_the_customer_hangs_up_anywhere_then_agent_target_and_bridges_are_given_back(begin: str) -> None:
    story = STORIES[begin]().hears(m.CustomerGone("c1"))
    story.moved("a1", HOME).hears(m.LegGone(16))
    assert story.transfer.state is S.ENDED
    assert story.given.count(m.EndTransfer()) == 1
    if begin not in ("talking", "waiting"):
        assert any(isinstance(command, m.ReleaseAgent) for command in story.given)
    assert m.DestroyBridge(HOLD) in story.given


@pytest.mark.parametrize("begin", STORIES)
@pytest.mark.parametrize("kind", HANDLERS, ids=lambda kind: kind.__name__)
def test_every_event_in_every_state_leaves_a_transfer_that_ends_with_its_customer(
    begin: str, kind: type[m.Event]
) -> None:
    story = STORIES[begin]().hears(EVENTS[kind], EVENTS[kind], m.CustomerGone("c1"))
    for _ in range(8):
        if story.transfer.state is S.ENDED:
            break
        story.reaches_its_deadline()
        if m.HangUp("t1") in story.given:
            story.hears(m.LegGone(is_seen=False))
    assert story.transfer.state is S.ENDED
    assert story.given.count(m.EndTransfer()) == 1


@pytest.mark.parametrize("begin", STORIES)
def test_a_wish_that_does_not_fit_has_a_reason_and_changes_nothing(begin: str) -> None:
    for kind in machine.WISHES:
        story = STORIES[begin]()
        before, given = story.transfer, len(story.given)
        if machine.refusal(story.transfer, EVENTS[kind]) is not None:
            story.hears(EVENTS[kind])
            assert (story.transfer, len(story.given)) == (before, given)


def test_an_event_that_no_transfer_hears_is_a_defect() -> None:
    with pytest.raises(IllegalEvent, match="PauseRequested"):
        held().hears(m.PauseRequested())
