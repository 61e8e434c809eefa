"""A supervision and its ears: one ear for each mode and conversation, announced first, and an end that always comes."""

from __future__ import annotations

from typing import Any

import pytest

from stasis_dialer.core import ear as ear_machine
from stasis_dialer.core import messages as m
from stasis_dialer.core import supervision as machine
from stasis_dialer.core.ear import Ear, EarState
from stasis_dialer.core.messages import SupervisionMode
from stasis_dialer.core.supervision import HANDLERS, MOST_FAILURES, RING_SECONDS, Supervision, SupervisionState
from stasis_dialer.errors import IllegalEvent
from tests.unit.core.builders import EVENTS

S = SupervisionState
LISTEN, WHISPER, BARGE = SupervisionMode
BEEP = "sound:beep"
CREATE = m.CreateLeg("u1", "PJSIP/1090")
CALLED_BACK = (m.LegCreated(), m.Answered(), m.Joined("w1"))


class Story:
    """A supervision and every command it has given; `ear` is the number of the one that is open or on its way."""

    def __init__(self, mode: SupervisionMode = LISTEN, announcement: str | None = None) -> None:
        made = Supervision("v1", "1090", "1001", "s1", mode, None, "w1", 0.0, announcement)
        self.supervision, self.last = machine.call_supervisor(made, CREATE, 0.0)
        self.given = list(self.last)

    def hears(self, *events: m.Event, at: float = 1.0) -> Story:
        for event in events:
            self.supervision, self.last = machine.advance(self.supervision, event, at)
            self.given += self.last
        return self

    def opens(self) -> Story:
        """The ear that is on its way is open."""
        return self.hears(m.EarOpened(self.supervision.ears))

    def closes(self, failure: str = "") -> Story:
        return self.hears(m.EarClosed(self.supervision.ears, failure))

    def changes(self) -> Story:
        """The ear is gone, and the pause after it over."""
        return self.closes().deadline()

    def deadline(self) -> Story:
        assert self.supervision.deadline is not None
        return self.hears(m.DeadlineReached(), at=self.supervision.deadline)

    def count(self, kind: type[m.Command]) -> int:
        return sum(isinstance(command, kind) for command in self.given)


def there(mode: SupervisionMode = LISTEN, announcement: str | None = None) -> Story:
    """The supervisor is in the bridge, the agent talks with a customer, and the first ear is on its way."""
    return Story(mode, announcement).hears(m.AgentAt("a1", "c1"), *CALLED_BACK)


def on(mode: SupervisionMode = LISTEN) -> Story:
    return there(mode).opens()


STORIES: dict[str, Any] = {
    "calling": Story,
    "ringing": lambda: Story().hears(m.LegCreated()),
    "answered": lambda: Story().hears(m.LegCreated(), m.Answered()),
    "waiting": lambda: Story().hears(*CALLED_BACK),
    "opening": there,
    "announcing": lambda: there(BARGE, BEEP),
    "on": on,
    "turning": lambda: on().hears(m.ModeAsked(BARGE)),
    "trying again": lambda: there().closes("refused 409"),
    "closing": lambda: on().hears(m.SupervisionUnwanted("it was ended")),
}


def test_given_a_supervisor_when_called_then_the_leg_keeps_its_keys_to_itself() -> None:
    story = Story()
    assert story.last == (CREATE,)
    assert story.hears(m.LegCreated()).last == (m.DialLeg("u1", RING_SECONDS),)
    assert story.hears(m.Answered()).last == (m.CreateBridge("w1"), m.Join("u1", "w1", absorbs_keys=True))
    assert story.hears(m.Joined("w1")).last == ()
    assert story.supervision.state is S.WAITING


def test_given_a_supervisor_who_called_us_then_the_leg_is_answered_and_joined() -> None:
    made = Supervision("v1", "1090", "1001", "s1", LISTEN, None, "w1", 0.0)
    supervision, commands = machine.supervisor_called(made, "1.2", 0.0)
    assert commands == (m.AnswerLeg("1.2"), m.CreateBridge("w1"), m.Join("1.2", "w1", absorbs_keys=True))
    supervision, commands = machine.advance(supervision, m.LegCreated(), 0.1)
    assert commands == ()
    supervision, commands = machine.advance(supervision, m.Joined("w1"), 0.1)
    assert supervision.state is S.WAITING


@pytest.mark.parametrize(("mode", "heard_by"), [(LISTEN, "none"), (WHISPER, "out"), (BARGE, "both")])
def test_given_a_mode_then_the_ear_lets_those_hear_the_supervisor_who_should(
    mode: SupervisionMode, heard_by: str
) -> None:
    story = there(mode)
    assert story.last == (m.OpenEar(1, "a1", heard_by),)
    assert story.opens().last == (m.NoteSupervision(),)
    assert story.supervision.state is S.ON


def test_given_an_agent_without_a_leg_then_the_supervisor_waits_for_one() -> None:
    story = Story().hears(*CALLED_BACK)
    assert story.count(m.OpenEar) == 0
    assert story.supervision.deadline is None
    assert story.hears(m.AgentAt("a1", "c1")).last == (m.OpenEar(1, "a1", "none"),)


@pytest.mark.parametrize("asked", [m.ModeAsked(WHISPER), m.DigitPressed("2")])
def test_given_another_mode_then_the_ear_is_gone_before_the_next_one_comes(asked: m.Event) -> None:
    story = on().hears(asked)
    assert story.last == (m.CloseEar(1),)
    assert story.hears(asked).last == ()
    assert story.changes().last == (m.OpenEar(2, "a1", "out"),)


@pytest.mark.parametrize("event", [m.DigitPressed("1"), m.DigitPressed("7"), m.DigitPressed("*"), m.ModeAsked(LISTEN)])
def test_given_the_same_mode_or_another_key_then_nothing_happens(event: m.Event) -> None:
    story = on()
    before = story.supervision
    assert story.hears(event).last == ()
    assert story.supervision == before


def test_given_the_next_customer_then_an_ear_of_its_own_is_opened_and_noted() -> None:
    story = on().hears(m.AgentAt("a1", ""))
    assert story.last == ()
    assert story.hears(m.AgentAt("a1", "c2")).last == (m.CloseEar(1),)
    assert story.changes().last == (m.OpenEar(2, "a1", "none"),)
    assert story.opens().last == (m.NoteSupervision(),)


def test_given_a_tone_for_the_agent_then_no_ear_hears_it_and_the_next_one_is_the_customers() -> None:
    story = on().hears(m.AgentAt("a1", "", hears_sound=True))
    assert story.last == (m.CloseEar(1),)
    story.changes().hears(m.AgentAt("a1", "c2", hears_sound=True), m.ModeAsked(WHISPER))
    assert story.count(m.OpenEar) == 1
    assert story.hears(m.AgentAt("a1", "c2")).last == (m.OpenEar(2, "a1", "out"),)


def test_given_the_agents_leg_falls_then_the_supervisor_waits_for_the_next_one() -> None:
    story = on().hears(m.AgentAt(None, ""))
    assert story.last == (m.CloseEar(1),)
    assert story.changes().last == ()
    assert story.supervision.state is S.WAITING
    assert story.hears(m.AgentAt("a2", "c1")).last == (m.OpenEar(2, "a2", "none"),)


def test_given_an_ear_that_was_lost_then_it_is_opened_again_after_a_moment_and_not_noted_twice() -> None:
    story = on().closes("its channel is gone")
    assert story.last == ()
    assert story.deadline().last == (m.OpenEar(2, "a1", "none"),)
    assert story.opens().last == ()
    assert story.supervision.failures == 0


def test_given_ears_that_are_refused_then_the_supervision_ends_with_the_reason() -> None:
    story = there()
    for _ in range(MOST_FAILURES - 1):
        story.closes("refused 500").deadline()
    story.closes("refused 500")
    assert story.last == (m.HangUp("u1"), m.Probe("u1"))
    story.hears(m.LegGone(16))
    assert story.given[-1] == m.EndSupervision("the agent could not be heard: refused 500")


def test_given_announcements_then_each_mode_is_announced_once_and_a_barge_to_each_customer() -> None:
    story = there(LISTEN, BEEP)
    assert story.last == (m.OpenEar(1, "a1", "out", BEEP),)
    assert story.changes().last == (m.OpenEar(2, "a1", "none"),)
    story.opens().hears(m.AgentAt("a1", "c2"))
    assert story.changes().last == (m.OpenEar(3, "a1", "none"),)
    story.opens().hears(m.ModeAsked(BARGE))
    assert story.changes().last == (m.OpenEar(4, "a1", "both", BEEP),)
    assert story.changes().last == (m.OpenEar(5, "a1", "both"),)
    story.opens().hears(m.AgentAt("a1", "c3"))
    assert story.changes().last == (m.OpenEar(6, "a1", "both", BEEP),)


def test_given_an_announcement_that_fails_then_nobody_is_heard_unannounced() -> None:
    story = there(BARGE, BEEP).closes("refused 409")
    assert story.last == ()
    assert story.deadline().last == (m.OpenEar(2, "a1", "both", BEEP),)


def test_given_a_conversation_that_ends_while_it_is_announced_then_the_next_one_is_announced() -> None:
    story = there(BARGE, BEEP).hears(m.AgentAt("a1", "c2"))
    assert story.last == (m.CloseEar(1),)
    assert story.changes().last == (m.OpenEar(2, "a1", "both", BEEP),)


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (m.LegGone(16), "the supervisor did not answer"),
        (
            m.OriginateRejected(500, "Allocation failed"),
            "the supervisor's telephone was refused: 500 Allocation failed",
        ),
    ],
)
def test_given_a_supervisor_who_does_not_come_then_it_ends(event: m.Event, why: str) -> None:
    story = Story().hears(m.LegCreated(), event)
    assert story.last == (m.DestroyBridge("w1"), m.EndSupervision(why))


@pytest.mark.parametrize("event", [m.DialRejected(500), m.RequestUnanswered("dial"), m.JoinFailed("w1", "no")])
def test_given_a_leg_that_cannot_be_connected_then_it_is_hung_up(event: m.Event) -> None:
    story = Story().hears(m.LegCreated(), event)
    assert story.last == (m.HangUp("u1"), m.Probe("u1"))
    assert on().hears(event).supervision.state is S.ON


@pytest.mark.parametrize("begin", STORIES)
def test_given_any_moment_when_it_is_not_wanted_any_more_then_leg_and_ear_go_and_it_ends_once(begin: str) -> None:
    story = STORIES[begin]().hears(m.SupervisionUnwanted("it was ended"), m.SupervisionUnwanted("the dialer stops"))
    story.hears(m.LegGone(16))
    if story.supervision.state is not S.ENDED:
        story.closes()
    assert story.supervision.state is S.ENDED
    assert story.given[-2:] == [m.DestroyBridge("w1"), m.EndSupervision("it was ended")]
    assert story.hears(*EVENTS.values()).last == ()


@pytest.mark.parametrize("begin", STORIES)
@pytest.mark.parametrize("kind", HANDLERS, ids=lambda kind: kind.__name__)
def test_given_any_event_at_any_moment_when_the_supervisor_hangs_up_then_it_ends_once(
    begin: str, kind: type[m.Event]
) -> None:
    story = STORIES[begin]().hears(EVENTS[kind], EVENTS[kind], m.LegGone(16))
    if story.supervision.state is not S.ENDED:
        story.closes()
    assert story.supervision.state is S.ENDED
    assert story.count(m.EndSupervision) == 1


def test_given_a_leg_whose_end_nobody_told_then_it_is_looked_for_until_it_is_gone() -> None:
    story = on().hears(m.SupervisionUnwanted("it was ended")).closes()
    for _ in range(3):
        assert story.deadline().last == (m.HangUp("u1"), m.Probe("u1"))
    assert story.hears(m.LegGone(is_seen=False)).supervision.state is S.ENDED


def test_an_event_that_no_supervision_hears_is_a_defect() -> None:
    with pytest.raises(IllegalEvent, match="supervision=v1 event=Detected"):
        Story().hears(EVENTS[m.Detected])


# --- the ear --------------------------------------------------------------------------------------------------------


class EarStory:
    """An ear and every command it has given."""

    def __init__(self, announcement: str | None = None) -> None:
        self.ear, self.last = ear_machine.start(Ear("e1", "v1", 4, "a1", "w1", "out", announcement), 0.0)
        self.given = list(self.last)

    def hears(self, *events: m.Event, at: float = 1.0) -> EarStory:
        for event in events:
            self.ear, self.last = ear_machine.advance(self.ear, event, at)
            self.given += self.last
        return self


def told(event: m.Event) -> m.TellSupervision:
    return m.TellSupervision("v1", event)


GO = (m.HangUp("e1"), m.Probe("e1"))
EARS: dict[str, Any] = {
    "starting": EarStory,
    "open": lambda: EarStory().hears(m.LegCreated(), m.Joined("w1")),
    "announcing": lambda: EarStory(BEEP).hears(m.LegCreated()),
    "closing": lambda: EarStory().hears(m.EarUnwanted()),
}


def test_given_an_ear_then_it_listens_to_both_sides_and_joins_the_supervisor() -> None:
    story = EarStory()
    assert story.last == (m.Listen("e1", "a1", hears="both", whispers_to="out"),)
    assert story.hears(m.LegCreated()).last == (m.Join("e1", "w1"),)
    assert story.hears(m.Joined("other")).last == ()
    assert story.hears(m.Joined("w1"), m.Joined("w1")).given[-1] == told(m.EarOpened(4))
    assert story.given.count(told(m.EarOpened(4))) == 1


def test_given_an_announcement_then_it_is_played_and_nobody_hears_by_that_ear() -> None:
    story = EarStory(BEEP)
    assert story.last == (m.Listen("e1", "a1", hears="none", whispers_to="out"),)
    assert story.hears(m.LegCreated()).last == (m.PlayMessage("e1", BEEP),)
    assert story.hears(m.MessageEnded()).last == GO
    assert story.hears(m.LegGone(is_seen=False)).last == (told(m.EarClosed(4)), m.EndEar())
    assert m.Join("e1", "w1") not in story.given


@pytest.mark.parametrize(
    ("event", "failure"),
    [
        (m.RequestUnanswered("listen"), "no answer to listen"),
        (m.JoinFailed("w1", "gone"), "not joined: gone"),
        (m.DeadlineReached(), "too long starting"),
    ],
)
def test_given_an_ear_that_fails_then_its_channel_goes_and_the_reason_is_told(event: m.Event, failure: str) -> None:
    story = EarStory().hears(event)
    assert story.last == GO
    assert story.hears(m.LegGone(is_seen=False)).last == (told(m.EarClosed(4, failure)), m.EndEar())


def test_given_a_refused_ear_then_the_reason_is_told() -> None:
    story = EarStory().hears(m.OriginateRejected(404, "Channel not found"))
    assert story.last == (told(m.EarClosed(4, "refused 404 Channel not found")), m.EndEar())


def test_given_an_open_ear_then_it_is_looked_for_now_and_then() -> None:
    story = EARS["open"]().hears(m.DeadlineReached())
    assert story.last == (m.Probe("e1"),)
    assert story.hears(m.LegGone(is_seen=False)).last == (told(m.EarClosed(4, "its channel is gone")), m.EndEar())


@pytest.mark.parametrize("begin", EARS)
@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
def test_given_any_event_when_an_ear_is_unwanted_then_it_ends_once(begin: str, kind: type[m.Event]) -> None:
    story = EARS[begin]()
    try:
        story.hears(EVENTS[kind], EVENTS[kind])
    except IllegalEvent:
        assert story.ear.state is not EarState.CLOSING
    story.hears(m.EarUnwanted(), m.DeadlineReached(), m.DeadlineReached(), m.LegGone(is_seen=False))
    assert story.ear.state is EarState.ENDED
    assert story.given.count(m.EndEar()) == 1
