"""A recording hears what happens to it: it is made, paused, lost, and always ends without its call."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from stasis_dialer.core import messages as m
from stasis_dialer.core import recording as machine
from stasis_dialer.core.call import CallState
from stasis_dialer.core.call.recorded import is_paused, is_untold, may_record
from stasis_dialer.core.cdr import record
from stasis_dialer.core.model import Campaign
from stasis_dialer.core.options import Recording as Options
from stasis_dialer.core.options import RecordingMode
from stasis_dialer.core.recording import (
    NAME_FIELDS,
    Part,
    Recording,
    RecordingState,
    file_name,
    parts,
    pattern_problem,
)
from tests.unit.core.builders import EVENTS, MESSAGE, READY, CallStory, bridged, queued

S = RecordingState
FILE = "spring/c1"


class Story:
    """A recording and every command it has given."""

    def __init__(self, **changes: Any) -> None:
        made = Recording("r1", "c1", "c1", "r1", FILE, "wav", **changes)
        self.recording, self.last = machine.start(made, "both", 0.0)
        self.given = list(self.last)

    def hears(self, *events: m.Event, at: float = 1.0) -> Story:
        for event in events:
            self.recording, self.last = machine.advance(self.recording, event, at)
            self.given += self.last
        return self

    def lost(self) -> list[str]:
        return [command.reason for command in self.given if isinstance(command, m.RecordingLost)]


STARTED = m.RecordingStarted(FILE)


def running(**changes: Any) -> Story:
    return Story(**changes).hears(m.LegCreated(), STARTED)


def test_given_a_call_when_it_is_recorded_then_a_channel_listens_and_the_call_knows_the_file() -> None:
    story = Story()
    assert story.last == (m.Listen("r1", "c1"),)
    story.hears(m.LegCreated())
    assert story.last == (m.TellCall("c1", m.Recorded("spring/c1.wav")), m.Record("r1", FILE, "wav"))
    story.hears(STARTED)
    assert (story.recording.state, story.recording.deadline) == (S.RECORDING, None)


def test_given_it_runs_when_the_call_ends_then_its_channel_goes_and_nothing_was_lost() -> None:
    story = running().hears(m.RecordingEnded(FILE), m.RecordingStopped())
    assert story.last == (m.HangUp("r1"), m.Probe("r1"))
    story.hears(m.LegGone(is_seen=False))
    assert story.recording.state is S.ENDED
    assert story.given.count(m.EndRecording()) == 1
    assert story.lost() == []


def test_given_it_runs_when_the_file_ends_before_the_call_then_somebody_hears_of_it() -> None:
    story = running().hears(m.RecordingEnded(FILE))
    assert story.recording.deadline is not None
    story.hears(m.DeadlineReached(), at=story.recording.deadline)
    assert story.lost() == ["the file ended before the call; is the disk full?"]
    assert story.last[-2:] == (m.HangUp("r1"), m.Probe("r1"))


def test_given_it_runs_when_paused_and_resumed_then_the_file_is_the_same_and_the_call_knows() -> None:
    story = running().hears(m.PauseWanted())
    assert story.last == (m.PauseRecording("r1", FILE), m.TellCall("c1", m.RecordingPaused()))
    assert story.hears(m.PauseWanted()).last == ()
    story.hears(m.ResumeWanted())
    assert story.last == (m.ResumeRecording("r1", FILE), m.TellCall("c1", m.RecordingResumed()))
    assert story.recording.state is S.RECORDING


def test_given_it_starts_when_a_pause_is_wanted_then_it_pauses_as_soon_as_it_can() -> None:
    story = Story().hears(m.LegCreated(), m.PauseWanted())
    assert story.last == ()
    story.hears(STARTED)
    assert story.last[0] == m.PauseRecording("r1", FILE)
    assert story.recording.state is S.PAUSED


def test_given_the_pause_cannot_be_had_then_the_recording_ends_rather_than_write_a_card_number() -> None:
    story = running().hears(m.PauseWanted(), m.PauseRefused("404"))
    assert story.lost() == ["pause refused: 404"]
    assert story.last[-2:] == (m.HangUp("r1"), m.Probe("r1"))


def test_given_on_demand_when_the_agent_asks_then_the_file_begins() -> None:
    story = Story(wants_pause=True).hears(m.LegCreated())
    assert (story.recording.state, story.last) == (S.PAUSED, ())
    story.hears(m.ResumeWanted())
    assert story.last[-1] == m.Record("r1", FILE, "wav")


@pytest.mark.parametrize(
    ("name", "events"),
    [
        ("the folder is missing", [m.LegCreated(), m.RecordingFailed(FILE, "refused 500")]),
        ("no answer to the request", [m.LegCreated(), m.RequestUnanswered("record")]),
        ("it never begins", [m.LegCreated(), m.DeadlineReached()]),
        ("the channel never comes", [m.DeadlineReached()]),
        ("the channel is refused", [m.OriginateRejected(500, "no")]),
    ],
)
def test_given_it_cannot_be_made_then_it_is_said_once_and_its_channel_goes(name: str, events: list[m.Event]) -> None:
    story = Story().hears(*events)
    assert len(story.lost()) == 1, name
    story.hears(m.LegGone(16), m.LegGone(16))
    assert story.recording.state is S.ENDED
    assert story.given.count(m.EndRecording()) == 1


HEARD = [
    m.LegCreated(),
    STARTED,
    m.RecordingEnded(FILE),
    m.RecordingFailed(FILE),
    m.PauseWanted(),
    m.ResumeWanted(),
    m.PauseRefused(),
    m.RequestUnanswered("record"),
    m.DeadlineReached(),
    m.RecordingStopped(),
    m.LegGone(16),
    m.DigitPressed("1"),
]


def test_every_three_events_in_any_order_leave_a_recording_that_ends_with_its_call() -> None:
    for events in itertools.product(HEARD, repeat=3):
        story = Story().hears(*events, m.RecordingStopped())
        for _ in range(3):
            if story.recording.state is S.ENDED:
                break
            assert story.recording.deadline is not None, events
            story.hears(m.DeadlineReached(), at=story.recording.deadline)
            assert m.HangUp("r1") in story.given
            story.hears(m.LegGone(16))
        assert story.recording.state is S.ENDED, events
        assert story.given.count(m.EndRecording()) == 1, events
        assert len(story.lost()) <= 1, events


def test_given_it_is_over_when_anything_comes_then_nothing_happens() -> None:
    over = running().hears(m.LegGone(16)).recording
    for event in EVENTS.values():
        assert machine.advance(over, event, 9.0) == (over, ())


# --- the call's side ------------------------------------------------------------------------------------------------


def test_given_a_recorded_call_then_its_record_names_the_files_and_until_when() -> None:
    campaign = Campaign(7, "spring", recording=Options(RecordingMode.ALL, retention_days=30))
    story = bridged(campaign).hears(m.Recorded("spring/c1.wav"), m.Recorded("spring/c1.wav"))
    kept = record(story.call, "app", _utc)
    assert kept.recordings == ("spring/c1.wav",)
    assert kept.recordings_until is not None
    assert kept.answered_at is not None
    assert (kept.recordings_until - kept.answered_at).days == 30


@pytest.mark.parametrize("state", [CallState.AWAITING_BEEP, CallState.LEAVING_MESSAGE])
def test_given_a_recording_that_is_heard_of_when_the_agent_has_left_the_machine_then_it_is_kept(
    state: CallState,
) -> None:
    story = bridged()
    story.call = replace(story.call, state=state)
    assert story.hears(m.Recorded("spring/c1.wav")).call.recordings == ("spring/c1.wav",)


def test_given_a_pause_when_the_dialer_restarts_then_the_timeline_tells_that_it_lasts() -> None:
    story = bridged().hears(m.Recorded("x.wav"), m.RecordingPaused())
    assert is_paused(story.call)
    assert not is_paused(story.hears(m.RecordingResumed()).call)


ANNOUNCED = Campaign(
    7, "spring", answer_deadline_seconds=2.0, recording=Options(RecordingMode.ALL, announcement=MESSAGE)
)


def test_given_an_announcement_when_the_agent_is_ready_then_the_customer_hears_it_before_the_agent() -> None:
    story = queued(ANNOUNCED).hears(READY)
    assert story.last == (m.PlayMessage("c1", MESSAGE, "announcement"),)
    assert story.call.state is CallState.OFFERING
    assert story.hears(m.MessageEnded("announcement")).last == (m.Join("c1", "b1"),)
    assert story.hears(m.MessageEnded("announcement")).last == ()
    assert story.hears(m.Joined("b1")).call.state is CallState.BRIDGED


def test_given_an_announcement_that_never_ends_then_the_customer_is_joined_all_the_same() -> None:
    story = queued(ANNOUNCED).hears(READY).reaches_its_deadline()
    assert story.last == (m.Join("c1", "b1"),)
    assert is_untold(story.call)
    assert may_record(story.hears(m.MessageEnded("announcement")).call), "it was long, and was heard all the same"


def test_given_an_announcement_that_cannot_be_played_then_they_talk_and_nothing_may_be_recorded() -> None:
    story = queued(ANNOUNCED).hears(READY, m.MessageEnded("announcement", is_heard=False))
    assert story.last == (m.Join("c1", "b1"),)
    story.hears(m.MessageEnded("announcement", is_heard=False), m.Joined("b1"))
    assert story.call.state is CallState.BRIDGED
    assert (may_record(story.call), is_untold(story.call)) == (False, True)
    assert [what for _, what in story.call.timeline].count("announcement not played") == 1


@pytest.mark.parametrize("mode", list(RecordingMode))
def test_given_no_announcement_is_asked_for_then_nothing_stands_against_a_recording(mode: RecordingMode) -> None:
    assert may_record(bridged(Campaign(7, "spring", recording=Options(mode))).call)


def test_given_the_agent_is_lost_during_the_announcement_then_the_next_one_is_joined_without_it() -> None:
    story: CallStory = queued(ANNOUNCED, at=10.0).hears(READY).hears(m.AgentLost("1001"), at=11.0)
    assert story.call.state is CallState.QUEUED
    assert story.hears(m.MessageEnded()).last == ()
    assert not may_record(story.call)
    assert may_record(story.hears(m.MessageEnded("announcement")).call)
    assert story.hears(m.AgentReady("1002", "a2", "b2")).last == (m.Join("c1", "b2"),)


# --- names ----------------------------------------------------------------------------------------------------------

VALUES = dict.fromkeys(NAME_FIELDS, "x") | {"call_id": "app-c-1", "campaign": "Verão 2026/../../etc", "agent": ".."}


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("{campaign}/{date}/{call_id}", "Verao_2026_.._.._etc/x/app-c-1"),
        ("{agent}/{call_id}", "_/app-c-1"),
        ("{agent}{agent}/{call_id}", "_/app-c-1"),
        ("calls-{call_id}", "calls-app-c-1"),
    ],
)
def test_given_any_values_then_a_name_stays_below_the_folder(pattern: str, name: str) -> None:
    assert pattern_problem(pattern) is None
    assert file_name(pattern, VALUES) == name


REFUSED = ["", "{date}", "/{call_id}", "../{call_id}", "a//{call_id}", "a/.b/{call_id}", "{call_id", "{call_id}/"]
REFUSED += ["{call_id:>9}", "{call_id!r}", "{number}-{call_id}", "{call_id} x", "{call_id}\x00", "{0}{call_id}", "}{"]


@pytest.mark.parametrize("pattern", REFUSED)
def test_given_a_pattern_that_could_leave_the_folder_or_meet_another_file_then_it_is_refused(pattern: str) -> None:
    assert pattern_problem(pattern)


# --- parts ----------------------------------------------------------------------------------------------------------


def test_given_the_sides_apart_then_those_of_one_party_belong_together_at_their_distance() -> None:
    files = ["x/c1-agent.wav", "x/c1-customer.wav", "x/c1-2-customer.wav", "x/c1-2-agent.wav"]
    assert parts(files, [_utc(at) for at in (1.25, 1.0, 9.0, 9.0)]) == [
        Part(("x/c1-customer.wav", "x/c1-agent.wav"), 0.25),
        Part(("x/c1-2-customer.wav", "x/c1-2-agent.wav"), 0.0),
    ]
    assert [part.agent_late_seconds for part in parts(files, [])] == [0.0, 0.0]


def test_given_no_other_side_then_a_file_is_a_part_whatever_its_name() -> None:
    files = ["c1.wav", "c1-agent.wav", "c1-2-customer.wav", "c1-2-agent.gsm"]
    assert parts(files, []) == [Part((file,)) for file in files]


def _utc(seconds: float) -> datetime:
    return datetime(2026, 3, 2, tzinfo=UTC) + timedelta(seconds=seconds)
