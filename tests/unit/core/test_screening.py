"""Person or machine: what becomes of a call whose answer is looked at, told as given, when, then."""

from dataclasses import replace

import pytest

from stasis_dialer.core import messages as m
from stasis_dialer.core.call import JOIN_SECONDS, CallState
from stasis_dialer.core.call.screening import (
    AMD_CONTEXT,
    DIALPLAN_SECONDS,
    MACHINE_MESSAGE_SECONDS,
    SILENCE_CONTEXT,
    amd_options,
)
from stasis_dialer.core.model import AmdResult, Disposition, Fault
from stasis_dialer.core.options import Amd, AmdMode, MachineAction
from tests.unit.core.builders import (
    DETECTS,
    LEAVES_MESSAGE,
    MACHINE,
    MESSAGE,
    READY,
    CallStory,
    bridged,
    detecting,
    joining,
    queued,
    ringing,
)

D, F, S = Disposition, Fault, CallState
HUMAN = m.Detected(AmdResult.HUMAN, "HUMAN-800-800")
NOT_SURE = m.Detected(AmdResult.NOT_SURE, "TOOLONG-4900")
TO_AGENT = replace(DETECTS, amd=replace(DETECTS.amd, on_machine=MachineAction.AGENT), safe_harbour_media=MESSAGE)
SUSPICIOUS = replace(DETECTS, amd=replace(DETECTS.amd, is_not_sure_machine=True))
TALK = replace(DETECTS, amd=Amd(AmdMode.TALK_DETECT))
TALK_TO_AGENT = replace(TALK, amd=replace(TALK.amd, on_machine=MachineAction.AGENT))
TALK_MESSAGE = replace(
    TALK, amd=replace(TALK.amd, on_machine=MachineAction.MESSAGE, message_media="sound:call-us-back")
)
LONG = TALK.amd.greeting_seconds + 0.1


def told(story: CallStory) -> list[type[m.Command]]:
    """What those who count were told, in order."""
    kinds = (m.TellAnswered, m.TellSought, m.TellDetected, m.TellJoined)
    return [type(command) for command in story.given if isinstance(command, kinds)]


def outcome(story: CallStory) -> tuple[Disposition, Fault | None]:
    assert len(story.finished()) == 1
    return story.finished()[0].disposition, story.finished()[0].fault


# --- dialplan: a verdict before an agent ----------------------------------------------------------------------------


def test_given_detection_in_the_dialplan_when_answered_then_the_leg_leaves_and_no_agent_is_sought() -> None:
    story = ringing(DETECTS).hears(m.Answered(), at=10.0)
    assert story.call.state is S.DETECTING
    assert story.last == (m.SendToDialplan("c1", AMD_CONTEXT), m.TellAnswered(), m.Save())
    assert story.call.deadline == 10.0 + DETECTS.amd.total_analysis_seconds + DIALPLAN_SECONDS


def test_given_detecting_when_a_person_is_found_then_an_agent_is_sought_and_the_abandon_clock_begins() -> None:
    story = detecting(at=10.0).hears(HUMAN, at=12.8)
    assert story.call.state is S.QUEUED
    assert story.call.deadline == 14.8
    assert story.last == (m.TellDetected(), m.TellSought(), m.SeekAgent(), m.Save())
    assert (story.call.amd_result, story.call.amd_cause) == (AmdResult.HUMAN, "HUMAN-800-800")
    assert story.call.detected_at == 12.8
    assert (12.8, "amd human HUMAN-800-800") in story.call.timeline


def test_given_a_person_was_found_when_an_agent_does_not_pick_up_then_the_clock_of_the_verdict_still_counts() -> None:
    story = detecting(at=10.0).hears(HUMAN, at=12.8).hears(m.AgentReserved("1001"), m.AgentLost("1001"), at=14.0)
    assert story.call.deadline == 14.8


def test_given_a_person_whom_no_agent_takes_then_abandoned() -> None:
    story = detecting(at=10.0).hears(HUMAN, at=12.8).reaches_its_deadline().hears(m.LegGone(16))
    assert outcome(story) == (D.ABANDONED, F.OURS)


def test_given_detecting_when_a_machine_is_found_then_it_is_hung_up_and_no_agent_was_ever_sought() -> None:
    story = detecting().hears(MACHINE, at=12.5)
    assert story.last == (m.TellDetected(), m.HangUp("c1"), m.Save())
    assert outcome(story.hears(m.LegGone(16))) == (D.MACHINE, None)
    assert told(story) == [m.TellAnswered, m.TellDetected]
    assert story.call.hung_up_by == "dialer"


def test_given_machines_go_to_agents_when_one_is_found_then_it_is_treated_like_a_person() -> None:
    story = detecting(TO_AGENT).hears(MACHINE).hears(READY, m.Joined("b1"), m.LegGone(16), at=30.0)
    assert outcome(story) == (D.ANSWERED, None)
    assert story.call.amd_result is AmdResult.MACHINE


def test_given_machines_go_to_agents_when_nobody_comes_then_a_machine_is_not_abandoned_and_hears_no_message() -> None:
    story = detecting(TO_AGENT).hears(MACHINE).reaches_its_deadline()
    assert story.last == (m.WithdrawSeek(), m.HangUp("c1"))
    assert outcome(story.hears(m.LegGone(16))) == (D.MACHINE, None)


@pytest.mark.parametrize(
    ("name", "campaign", "state"), [("a person by default", DETECTS, S.QUEUED), ("suspicious", SUSPICIOUS, S.CLOSING)]
)
def test_given_detecting_when_it_is_not_sure_then_the_setting_decides(name: str, campaign, state: CallState) -> None:
    assert detecting(campaign).hears(NOT_SURE).call.state is state, name


@pytest.mark.parametrize("campaign", [DETECTS, SUSPICIOUS], ids=["plain", "suspicious"])
def test_given_detecting_when_the_verdict_is_lost_then_it_counts_as_a_person(campaign) -> None:
    story = detecting(campaign, at=10.0).reaches_its_deadline()
    assert story.call.state is S.QUEUED
    assert story.call.deadline == story.now + campaign.answer_deadline_seconds
    assert (story.call.amd_result, story.call.amd_cause) == (AmdResult.NOT_SURE, "lost")


def test_given_detecting_when_the_dialplan_refuses_the_leg_then_an_agent_is_sought_at_once() -> None:
    assert detecting(at=10.0).hears(m.DialplanRefused(), at=10.1).call.state is S.QUEUED


def test_given_a_lost_verdict_when_it_comes_after_all_then_a_machine_is_let_go() -> None:
    story = detecting().reaches_its_deadline().hears(MACHINE)
    assert story.call.state is S.CLOSING
    assert story.last == (m.WithdrawSeek(), m.HangUp("c1"), m.Save())
    assert outcome(story.hears(m.LegGone(16))) == (D.MACHINE, None)
    assert told(story) == [m.TellAnswered, m.TellDetected, m.TellSought]


def test_given_a_lost_verdict_when_a_person_is_confirmed_late_then_nothing_changes_but_the_record() -> None:
    story = detecting().reaches_its_deadline()
    deadline = story.call.deadline
    story.hears(HUMAN)
    assert story.last == (m.Save(),)
    assert (story.call.amd_result, story.call.deadline) == (AmdResult.HUMAN, deadline)


@pytest.mark.parametrize("second", [HUMAN, MACHINE, NOT_SURE], ids=["human", "machine", "not sure"])
def test_given_a_person_was_found_when_a_second_verdict_comes_then_the_first_one_counts(second: m.Detected) -> None:
    story = detecting().hears(HUMAN).hears(second)
    assert story.last == ()
    assert story.call.amd_result is AmdResult.HUMAN


def test_given_detecting_when_the_customer_hangs_up_then_it_counts_as_abandoned() -> None:
    """It may have been a person: who hangs up in the silence of detection was kept waiting by us."""
    story = detecting().hears(m.LegGone(16), at=11.0)
    assert outcome(story) == (D.ABANDONED, F.OURS)
    assert story.call.hung_up_by == "customer"
    assert story.call.amd_result is None


def test_given_detecting_when_stopped_then_hung_up() -> None:
    story = detecting().hears(m.StopRequested("supervisor"))
    assert story.last == (m.HangUp("c1"),)
    assert story.hears(MACHINE).last == ()


# --- a message after the beep ---------------------------------------------------------------------------------------


def test_given_messages_are_left_when_a_machine_is_found_then_its_beep_is_awaited_and_the_message_played() -> None:
    story = detecting(LEAVES_MESSAGE, at=10.0).hears(MACHINE, at=12.0)
    assert story.last == (m.TellDetected(), m.SendToDialplan("c1", SILENCE_CONTEXT), m.Save())
    assert story.call.state is S.AWAITING_BEEP
    assert story.call.deadline == 12.0 + LEAVES_MESSAGE.amd.beep_timeout_seconds + DIALPLAN_SECONDS
    story.hears(m.SilenceHeard(), at=20.0)
    assert story.last == (m.PlayMessage("c1", "sound:call-us-back"),)
    assert story.call.deadline == 20.0 + MACHINE_MESSAGE_SECONDS
    story.hears(m.MessageEnded(), at=25.0)
    assert story.last == (m.HangUp("c1"),)
    assert outcome(story.hears(m.LegGone(16))) == (D.MACHINE, None)
    assert [what for _, what in story.call.timeline][-4:] == ["amd machine LONGGREETING-1500-1500", "silence",
        "message left", "ended machine"]  # fmt: skip


@pytest.mark.parametrize(
    "event", [m.SilenceHeard(is_heard=False), m.DialplanRefused(), m.DeadlineReached()], ids=lambda e: type(e).__name__
)
def test_given_the_beep_is_awaited_when_it_does_not_come_then_hung_up_without_a_message(event: m.Event) -> None:
    story = detecting(LEAVES_MESSAGE).hears(MACHINE).hears(event)
    assert story.last == (m.HangUp("c1"),)
    assert outcome(story.hears(m.LegGone(16))) == (D.MACHINE, None)


def test_given_the_message_is_being_left_when_the_machine_hangs_up_then_still_a_machine() -> None:
    story = detecting(LEAVES_MESSAGE).hears(MACHINE, m.SilenceHeard(), m.LegGone(16))
    assert outcome(story) == (D.MACHINE, None)


# --- talk_detect: the agent at once, the machine meanwhile ----------------------------------------------------------


def test_given_talk_detection_when_answered_then_an_agent_is_sought_and_the_speech_is_watched() -> None:
    story = ringing(TALK).hears(m.Answered(), at=10.0)
    assert story.call.state is S.QUEUED
    assert story.call.deadline == 12.0
    assert story.last == (
        m.TellAnswered(),
        m.TellSought(),
        m.SeekAgent(),
        m.Save(),
        m.WatchTalking("c1", 0.8, 512),
        m.Remind(2.5, m.VerdictDue(is_talking=False)),
    )


def test_given_a_short_hello_when_it_is_over_then_a_person_who_talks_on_with_the_agent() -> None:
    story = bridged(TALK).hears(m.TalkingStarted(), at=11.0).hears(m.TalkingFinished(0.5), at=12.3)
    assert story.last == (m.TellDetected(), m.StopWatching("c1"), m.Save())
    assert (story.call.state, story.call.amd_result) == (S.BRIDGED, AmdResult.HUMAN)
    assert story.hears(m.TalkingFinished(9.0), m.TalkingStarted(), m.VerdictDue(is_talking=True)).last == ()
    assert outcome(story.hears(m.LegGone(16))) == (D.ANSWERED, None)


def test_given_the_first_words_begin_then_the_verdict_is_due_when_a_greeting_would_be_too_long() -> None:
    story = bridged(TALK).hears(m.TalkingStarted(), at=11.0)
    assert story.last == (m.Remind(2.8, m.VerdictDue(is_talking=True)),)
    assert story.hears(m.TalkingStarted()).last == ()


@pytest.mark.parametrize("event", [m.VerdictDue(is_talking=True), m.TalkingFinished(LONG)], ids=["on", "over"])
def test_given_an_agent_has_a_long_greeting_when_it_is_judged_then_the_machine_is_hung_up(event: m.Event) -> None:
    story = bridged(TALK).hears(m.TalkingStarted()).hears(event)
    assert story.last == (m.TellDetected(), m.StopWatching("c1"), m.HangUp("c1"), m.Save())
    assert outcome(story.hears(m.LegGone(16))) == (D.MACHINE, None)


def test_given_a_machine_waits_for_an_agent_when_it_is_judged_then_the_search_is_over() -> None:
    story = queued(TALK).hears(m.TalkingStarted(), m.VerdictDue(is_talking=True))
    assert story.last == (m.TellDetected(), m.StopWatching("c1"), m.WithdrawSeek(), m.HangUp("c1"), m.Save())


def test_given_a_join_under_way_when_a_machine_is_found_then_the_agent_is_kept_until_the_leg_is_gone() -> None:
    for campaign in (TALK, TALK_MESSAGE):
        story = joining(campaign).hears(m.TalkingStarted(), m.TalkingFinished(LONG))
        assert story.call.state is S.CLOSING
        assert m.WithdrawSeek() not in story.given


def test_given_machines_go_to_agents_when_one_is_judged_then_they_keep_it_and_the_record_says_so() -> None:
    story = bridged(TALK_TO_AGENT).hears(m.TalkingStarted(), m.TalkingFinished(LONG))
    assert (story.call.state, story.call.amd_result) == (S.BRIDGED, AmdResult.MACHINE)
    assert outcome(story.hears(m.LegGone(16))) == (D.ANSWERED, None)


def test_given_nobody_speaks_then_not_sure_and_the_agent_keeps_them() -> None:
    story = bridged(TALK).hears(m.VerdictDue(is_talking=False), at=12.5)
    assert (story.call.state, story.call.amd_result) == (S.BRIDGED, AmdResult.NOT_SURE)
    assert story.hears(m.TalkingStarted()).last == ()


def test_given_somebody_speaks_when_the_silence_is_due_then_it_is_no_verdict() -> None:
    story = bridged(TALK).hears(m.TalkingStarted(), m.VerdictDue(is_talking=False))
    assert story.call.amd_result is None


def test_given_an_agent_has_a_machine_when_a_message_is_to_be_left_then_the_agent_is_free_once_it_is_out() -> None:
    story = bridged(TALK_MESSAGE, at=10.0).hears(m.TalkingStarted(), at=10.5).hears(m.TalkingFinished(LONG), at=13.0)
    assert story.last == (m.TellDetected(), m.StopWatching("c1"), m.TakeOut("c1", "b1"), m.Save())
    assert story.call.deadline == 13.0 + JOIN_SECONDS
    assert story.hears(m.Joined("b1"), m.Parted("b9"), m.AgentLost("1001")).last == ()
    story.hears(m.Parted("b1"), at=13.1)
    assert story.last == (m.WithdrawSeek(), m.SendToDialplan("c1", SILENCE_CONTEXT))
    assert story.hears(m.Parted("b1")).last == ()
    assert story.hears(m.SilenceHeard()).last == (m.PlayMessage("c1", "sound:call-us-back"),)


def test_given_the_way_out_of_the_bridge_is_not_answered_then_the_machine_is_hung_up() -> None:
    story = bridged(TALK_MESSAGE).hears(m.TalkingStarted(), m.TalkingFinished(LONG)).reaches_its_deadline()
    assert story.last == (m.HangUp("c1"),)


def test_given_no_detection_when_speech_is_heard_then_it_means_nothing() -> None:
    story = bridged().hears(m.TalkingStarted(), m.TalkingFinished(9.0), m.VerdictDue(is_talking=True))
    assert story.last == ()
    assert story.call.amd_result is None


# --- voicemail before an answer -------------------------------------------------------------------------------------

PROMPTS = [
    ("a prompt after ringing", m.LegGone(19, 480), 3.0, 9.0, D.VOICEMAIL),
    ("a prompt without a code", m.LegGone(16), 3.0, 9.0, D.VOICEMAIL),
    ("the network was busy after all", m.LegGone(17, 486), 3.0, 9.0, D.BUSY),
    ("an announcement: no such number", m.LegGone(1, 404), 3.0, 9.0, D.INVALID_NUMBER),
    ("too short", m.LegGone(19, 480), 3.0, 4.0, D.NO_ANSWER),
    ("a ringback tone", m.LegGone(19, 480), 1.5, 27.0, D.NO_ANSWER),
    ("our own ring time", m.LegGone(19, 480), 20.0, 30.0, D.NO_ANSWER),
]


@pytest.mark.parametrize(("name", "gone", "began", "ended", "disposition"), PROMPTS, ids=[it[0] for it in PROMPTS])
def test_given_early_media_when_the_call_ends_unanswered_then_its_signature_decides(
    name: str, gone: m.LegGone, began: float, ended: float, disposition: Disposition
) -> None:
    story = CallStory().hears(m.LegCreated(), at=0.0).hears(m.Ringing(), at=1.0)
    story.hears(m.EarlyMedia(), at=began).hears(gone, at=ended)
    assert outcome(story)[0] is disposition, name


def test_given_early_media_before_the_ringing_then_it_is_the_ringback() -> None:
    story = CallStory().hears(m.LegCreated(), m.EarlyMedia(), at=0.0).hears(m.Ringing(), at=1.0)
    assert outcome(story.hears(m.LegGone(19, 480), at=9.0))[0] is D.NO_ANSWER


def test_given_a_prompt_when_the_pacing_gives_the_call_up_then_cancelled() -> None:
    story = ringing().hears(m.EarlyMedia(), at=3.0).hears(m.StopRequested("pacing"), at=9.0).hears(m.LegGone(16))
    assert outcome(story)[0] is D.CANCELLED


# --- settings -------------------------------------------------------------------------------------------------------


def test_the_thresholds_are_in_the_order_of_amds_arguments() -> None:
    assert amd_options(Amd()) == "2500,2000,800,5000,100,50,5,512,5000"
