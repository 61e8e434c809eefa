"""Who answered: a person or a machine; and what becomes of a machine.

Two ways. `dialplan`: the answered leg leaves for AMD() and comes back with the verdict; only then an agent is sought.
`talk_detect`: an agent is sought at once, and the length of the first utterance decides meanwhile. A verdict counts
once; one that is lost makes it a person; one that comes late is acted on as long as it was not known.
"""

from __future__ import annotations

from typing import Final

from stasis_dialer.core import messages as m
from stasis_dialer.core.call import broadcast, by_hand, meeting
from stasis_dialer.core.call.state import (
    AGENT_WANTED,
    JOIN_SECONDS,
    LOST,
    Call,
    S,
    Step,
    close,
    marked,
    not_played,
    trunk_works,
)
from stasis_dialer.core.evolve import evolve
from stasis_dialer.core.model import AmdResult, DialMode
from stasis_dialer.core.options import Amd, AmdMode, MachineAction

AMD_CONTEXT: Final = "sd-amd"
SILENCE_CONTEXT: Final = "sd-silence"
DIALPLAN_SECONDS: Final = 3.0
"""How much longer than its own limit the dialplan may take, with its tries to reach the application. Not measured."""
MACHINE_MESSAGE_SECONDS: Final = 120.0
"""The longest message left on a machine: most take no more. Not measured."""


def answered(call: Call, event: m.Event, now: float) -> Step:
    """Somebody or something picked up."""
    amd = call.campaign.amd
    if call.by_hand is not None:
        return by_hand.answered(call, now)
    up, told = trunk_works(marked(call, now, "answered", answered_at=now))
    if amd.mode is AmdMode.DIALPLAN:
        deadline = now + amd.total_analysis_seconds + DIALPLAN_SECONDS
        detecting = evolve(up, state=S.DETECTING, deadline=deadline)
        return detecting, (m.SendToDialplan(call.leg_id, AMD_CONTEXT), m.TellAnswered(), m.Save(), *told)
    queued, commands = meet(up, now)
    if amd.mode is AmdMode.TALK_DETECT:
        watch = m.WatchTalking(call.leg_id, amd.after_greeting_silence_seconds, amd.silence_threshold)
        commands = (*commands, watch, m.Remind(amd.initial_silence_seconds, m.VerdictDue(is_talking=False)))
    return queued, (m.TellAnswered(), *commands, *told)


def meet(call: Call, now: float) -> Step:
    """A person is there: an agent is sought, or the broadcast begins."""
    if call.campaign.mode is DialMode.BROADCAST:
        return broadcast.begin(call, now)
    return meeting.wait_for_agent(call, now)


# --- verdicts -------------------------------------------------------------------------------------------------------


def detected(call: Call, event: m.Event, now: float) -> Step:
    """The dialplan's verdict, which may come when it was given up already."""
    assert isinstance(event, m.Detected)
    if call.amd_result is not None and call.amd_cause != LOST:
        return call, ()
    return _judge(call, now, event.result, event.cause)


def verdict_lost(call: Call, event: m.Event, now: float) -> Step:
    """No verdict in time, or none to be had: a person must not wait for it."""
    return _judge(call, now, AmdResult.NOT_SURE, LOST)


def talking_started(call: Call, event: m.Event, now: float) -> Step:
    amd = call.campaign.amd
    if not _is_watched(call) or call.talk_started_at is not None:
        return call, ()
    longest = amd.greeting_seconds + amd.after_greeting_silence_seconds
    return evolve(call, talk_started_at=now), (m.Remind(longest, m.VerdictDue(is_talking=True)),)


def talking_finished(call: Call, event: m.Event, now: float) -> Step:
    """The first utterance is over: a person says a few words and waits, a machine talks on."""
    assert isinstance(event, m.TalkingFinished)
    if not _is_watched(call):
        return call, ()
    length = f"{event.seconds * 1000:.0f}"
    if event.seconds > call.campaign.amd.greeting_seconds:
        return _judge(call, now, AmdResult.MACHINE, f"LONGGREETING-{length}")
    return _judge(call, now, AmdResult.HUMAN, f"HUMAN-{length}")


def verdict_due(call: Call, event: m.Event, now: float) -> Step:
    """Time itself decides: who has not spoken by now, or who still speaks."""
    assert isinstance(event, m.VerdictDue)
    if not _is_watched(call) or event.is_talking is not (call.talk_started_at is not None):
        return call, ()
    if event.is_talking:
        return _judge(call, now, AmdResult.MACHINE, "LONGGREETING")
    return _judge(call, now, AmdResult.NOT_SURE, "INITIALSILENCE")


def _is_watched(call: Call) -> bool:
    return call.campaign.amd.mode is AmdMode.TALK_DETECT and call.amd_result is None


def _judge(call: Call, now: float, result: AmdResult, cause: str) -> Step:
    """The verdict: counted once, acted on, written down."""
    is_first = call.amd_result is None
    known = marked(
        call, now, f"amd {result} {cause}".rstrip(), amd_result=result, amd_cause=cause or None, detected_at=now
    )
    told: tuple[m.Command, ...] = (m.TellDetected(),) if is_first else ()
    if call.campaign.amd.mode is AmdMode.TALK_DETECT:
        told = (*told, m.StopWatching(call.leg_id))
    if known.is_for_nobody:
        after, commands = _machine_found(known, now)
        return after, (*told, *commands, m.Save())
    if call.state is S.DETECTING:
        after, commands = meet(known, now)
        return after, (*told, *commands)
    return known, (*told, m.Save())


# --- a machine ------------------------------------------------------------------------------------------------------


def _machine_found(call: Call, now: float) -> Step:
    """Hung up, or kept for the message; an agent who has it is given back when it cannot be heard any more."""
    if call.campaign.amd.on_machine is MachineAction.HANG_UP or call.is_joining:
        closing, commands = close(call, now, by="dialer")
        is_free = call.state in AGENT_WANTED and not call.is_joining
        return closing, (m.WithdrawSeek(), *commands) if is_free else commands
    if call.state is S.BRIDGED and call.bridge_id is not None:
        parting = evolve(call, state=S.AWAITING_BEEP, deadline=now + JOIN_SECONDS)
        return parting, (m.TakeOut(call.leg_id, call.bridge_id),)
    withdrawn: tuple[m.Command, ...] = (m.WithdrawSeek(),) if call.state in AGENT_WANTED else ()
    waiting, commands = _await_silence(call, now)
    return waiting, (*withdrawn, *commands)


def _await_silence(call: Call, now: float) -> Step:
    deadline = now + call.campaign.amd.beep_timeout_seconds + DIALPLAN_SECONDS
    waiting = evolve(call, state=S.AWAITING_BEEP, bridge_id=None, agent_leg_id=None, deadline=deadline)
    return waiting, (m.SendToDialplan(call.leg_id, SILENCE_CONTEXT),)


def parted(call: Call, event: m.Event, now: float) -> Step:
    """Out of the agent's bridge: the agent is free, the machine goes on to its beep."""
    assert isinstance(event, m.Parted)
    if event.bridge_id != call.bridge_id:
        return call, ()
    waiting, commands = _await_silence(call, now)
    return waiting, (m.WithdrawSeek(), *commands)


def silence(call: Call, event: m.Event, now: float) -> Step:
    """The greeting and its beep are over: the message; without silence there is nobody to leave it to."""
    assert isinstance(event, m.SilenceHeard)
    media = call.campaign.amd.message_media
    if not event.is_heard or media is None:
        return close(marked(call, now, "no silence"), now, by="dialer")
    leaving = marked(call, now, "silence", state=S.LEAVING_MESSAGE, deadline=now + MACHINE_MESSAGE_SECONDS)
    return leaving, (m.PlayMessage(call.leg_id, media),)


def message_left(call: Call, event: m.Event, now: float) -> Step:
    assert isinstance(event, m.MessageEnded)
    if not event.is_heard:
        return not_played(call, now)
    return close(marked(call, now, "message left"), now, by="dialer")


def no_way_to_the_beep(call: Call, event: m.Event, now: float) -> Step:
    return close(marked(call, now, "dialplan refused"), now, by="dialer")


def amd_options(amd: Amd) -> str:
    """The campaign's thresholds as the arguments of AMD().

    Source: Asterisk 22, "core show application AMD": initial silence, greeting, after-greeting silence, total time,
    shortest word, silence between words (milliseconds), words, silence threshold, longest word (milliseconds).
    """
    seconds = (
        amd.initial_silence_seconds,
        amd.greeting_seconds,
        amd.after_greeting_silence_seconds,
        amd.total_analysis_seconds,
        amd.min_word_seconds,
        amd.between_words_silence_seconds,
    )
    milliseconds = [round(value * 1000) for value in seconds]
    return ",".join(map(str, [*milliseconds, amd.max_words, amd.silence_threshold, round(amd.max_word_seconds * 1000)]))
