"""Recordings of live calls: begun when customer and agent meet, ended with the customer.

Guarantees that a call never depends on its recording: whatever fails is a warning (log, metric, snapshot), and the call
goes on. The state machine decides (`core.recording`); files are Asterisk's, in its spool's folder `recording`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final
from zoneinfo import ZoneInfo

import structlog

from stasis_dialer.core import messages as m
from stasis_dialer.core import recording as machine
from stasis_dialer.core.call import Call
from stasis_dialer.core.call.recorded import is_paused, is_untold, may_record
from stasis_dialer.core.evolve import evolve
from stasis_dialer.core.options import RecordingChannels, RecordingMode
from stasis_dialer.core.recording import Recording, RecordingState
from stasis_dialer.engine.actor import Actor
from stasis_dialer.engine.calls import Bystander
from stasis_dialer.engine.clock import Clock
from stasis_dialer.engine.dispatch import Dispatcher
from stasis_dialer.engine.ids import LISTENER, Ids
from stasis_dialer.errors import Refused
from stasis_dialer.telemetry import Metrics

log = structlog.get_logger(__name__)

SIDES: Final = {
    RecordingChannels.MIXED: (("both", ""),),
    RecordingChannels.SEPARATE: (("in", machine.CUSTOMER_SIDE), ("out", machine.AGENT_SIDE)),
}
"""What is heard on the customer's leg, and what its file's name ends with."""
MOST_TURNS: Final = 100
"""Parties that a customer is given to, counted after a restart."""


class Recorder(Bystander):
    """Every recording that is not over. It listens to calls (`engine.calls.Listener`)."""

    def __init__(self, dispatcher: Dispatcher, clock: Clock, ids: Ids, metrics: Metrics) -> None:
        self._dispatcher = dispatcher
        self._clock = clock
        self._ids = ids
        self._metrics = metrics
        self._of_call: dict[str, list[Actor[Recording]]] = {}
        self._turns: dict[str, int] = {}
        """How many parties the customer has talked with, in recorded calls."""
        self._next: dict[str, bool] = {}
        """Calls whose next file begins when the last one is closed, and whether it begins with a pause."""
        self.failed = 0
        self.last_failure: dict[str, Any] | None = None

    # --- what calls tell --------------------------------------------------------------------------------------------

    def joined(self, call: Call) -> None:
        """Customer and agent have met: for the first time, or again."""
        options = call.campaign.recording
        if options.mode is RecordingMode.OFF or call.call_id in self._of_call or not self._may_begin(call):
            return
        self._start(call, wants_pause=options.mode is RecordingMode.ON_DEMAND)

    def announced(self, call: Call) -> None:
        """The customer of a call by hand has heard that it is recorded, or could not."""
        self.joined(call)

    def turned(self, call: Call) -> None:
        """The customer talks with somebody else: with the new voice a new file begins, once the last one is closed.

        What listens on a leg decodes what is sent there in one row: packets of a second sender are dropped while their
        numbers are lower than the first one's, minutes long. It starts afresh when nothing listens any more (measured
        on Asterisk 22.10.1: the second voice was lost in 4 of 6 recordings, and in none of 6 that were begun anew).
        """
        before = [actor for actor in self._of_call.get(call.call_id, ()) if not _is_closing(actor.machine)]
        if before:
            self._next[call.call_id] = before[0].machine.wants_pause
        for actor in before:
            self._dispatcher.post(actor, m.RecordingStopped())

    def ended(self, call: Call) -> None:
        """The customer is gone."""
        self._turns.pop(call.call_id, None)
        self._next.pop(call.call_id, None)
        for actor in list(self._of_call.get(call.call_id, ())):
            self._dispatcher.post(actor, m.RecordingStopped())

    def found_again(self, call: Call, channels: Collection[str]) -> None:
        """A call that talks was taken over after a restart: its recordings have gone on by themselves."""
        options = call.campaign.recording
        if options.mode is RecordingMode.OFF:
            return
        paused, sides = is_paused(call), SIDES[options.channels]
        turns = range(1, MOST_TURNS)
        turn = next((t for t in turns if all(self._leg(call, side, t) in channels for _, side in sides)), None)
        if turn is None or not call.recordings:
            if not self._may_begin(call):
                return
            self._turns[call.call_id] = len(call.recordings)
            self._start(call, wants_pause=paused or options.mode is RecordingMode.ON_DEMAND)
            return
        self._turns[call.call_id] = turn
        for _, side in sides:
            state = RecordingState.PAUSED if paused else RecordingState.RECORDING
            found = self._recording(call, side, turn, wants_pause=paused)
            name = self._found_name(call, side) or found.name
            self._live(evolve(found, state=state, is_begun=True, name=name), ())

    def after_gap(self, channels: Collection[str]) -> None:
        """Events were lost: what is gone, and what has come."""
        for actors in list(self._of_call.values()):
            for actor in list(actors):
                there = actor.machine.leg_id in channels
                if there and actor.machine.state is RecordingState.STARTING:
                    self._dispatcher.post(actor, m.LegCreated())
                elif not there and actor.machine.state is not RecordingState.STARTING:
                    self._dispatcher.post(actor, m.LegGone(is_seen=False))

    # --- what agents ask --------------------------------------------------------------------------------------------

    def pause(self, call_id: str | None) -> str:
        """Write nothing for a while; answers the state then. Raises: Refused when there is nothing to pause."""
        return self._tell(call_id, m.PauseWanted())

    def resume(self, call_id: str | None) -> str:
        """Write (again); begins the recording where it is made on demand. Raises: Refused when there is none."""
        return self._tell(call_id, m.ResumeWanted())

    def state_of(self, call_id: str | None) -> str | None:
        """How the call is being recorded, or None when it is not."""
        actors = [actor for actor in self._of_call.get(call_id or "", ()) if not _is_closing(actor.machine)]
        return str(actors[0].machine.state) if actors else None

    def snapshot(self) -> dict[str, Any]:
        """How many are live, and what went wrong last."""
        return {"live": len(self._of_call), "failed": self.failed, "last_failure": self.last_failure}

    def _tell(self, call_id: str | None, event: m.PauseWanted | m.ResumeWanted) -> str:
        actors = [actor for actor in self._of_call.get(call_id or "", ()) if not _is_closing(actor.machine)]
        call = self._dispatcher.find(call_id or "")
        if call is None or not (actors or call_id in self._next):
            raise Refused("this call is not recorded: the campaign's recording.mode is off, or the recording failed")
        if isinstance(event, m.PauseWanted) and not call.machine.campaign.recording.may_pause:
            raise Refused("recordings of this campaign may not be paused; recording.may_pause allows it")
        if call_id in self._next:
            self._next[call_id] = isinstance(event, m.PauseWanted)
        for actor in actors:
            self._dispatcher.post(actor, event)
        return self.state_of(call_id) or str(RecordingState.STARTING)

    # --- how it is done ---------------------------------------------------------------------------------------------

    def _may_begin(self, call: Call) -> bool:
        """No announcement, no recording: not before it was heard, and with a warning where it cannot be played."""
        if is_untold(call):
            file = machine.file_name(call.campaign.recording.name, self._values(call))
            self._lost(call.call_id, file, "the announcement could not be played; has Asterisk the sound?")
        return may_record(call)

    def _start(self, call: Call, *, wants_pause: bool) -> None:
        turn = self._turns[call.call_id] = self._turns.get(call.call_id, 0) + 1
        for direction, side in SIDES[call.campaign.recording.channels]:
            made = self._recording(call, side, turn, wants_pause=wants_pause)
            self._live(*machine.start(made, direction, self._clock.now()))

    def _leg(self, call: Call, side: str, turn: int) -> str:
        return self._ids.of_call(LISTENER, call.call_id, f"{side.removeprefix('-') or 'all'}-{turn:03d}")

    def _recording(self, call: Call, side: str, turn: int, *, wants_pause: bool) -> Recording:
        options = call.campaign.recording
        part = f"-{turn}" if turn > 1 else ""
        return Recording(
            recording_id=self._leg(call, side, turn),
            call_id=call.call_id,
            target=call.leg_id,
            leg_id=self._leg(call, side, turn),
            name=machine.file_name(options.name, self._values(call)) + part + side,
            format=str(options.format),
            wants_pause=wants_pause,
        )

    def _found_name(self, call: Call, side: str) -> str | None:
        """The name of the last file that was begun, when the call has one."""
        names = [file.rpartition(".")[0] for file in call.recordings]
        return next((name for name in reversed(names) if name.endswith(side)), None)

    def _values(self, call: Call) -> dict[str, str]:
        begun = self._clock.utc(call.answered_at if call.answered_at is not None else call.reserved_at)
        local = begun.astimezone(ZoneInfo(call.campaign.timezone))
        return {
            "campaign": call.campaign.name,
            "campaign_id": str(call.campaign.id),
            "date": f"{local:%Y-%m-%d}",
            "time": f"{local:%H%M%S}",
            "call_id": call.call_id,
            "lead_id": str(call.lead.id) if call.lead else "none",
            "agent": call.agent or "none",
        }

    def _live(self, recording: Recording, commands: tuple[m.Command, ...]) -> None:
        actor = Actor(recording.recording_id, "recording", recording, machine.advance, self._local)
        self._of_call.setdefault(recording.call_id, []).append(actor)
        self._dispatcher.add(actor, recording, commands, (recording.leg_id,))

    def _local(self, actor: Actor[Recording], command: m.Command) -> bool:
        recording = actor.machine
        if isinstance(command, m.TellCall):
            call = self._dispatcher.find(command.call_id)
            if call is not None:
                self._dispatcher.post(call, command.event)
        elif isinstance(command, m.RecordingLost):
            self._lost(recording.call_id, recording.name, command.reason)
        elif isinstance(command, m.EndRecording):
            self._dispatcher.remove(actor)
            others = [other for other in self._of_call.get(recording.call_id, ()) if other is not actor]
            if others:
                self._of_call[recording.call_id] = others
            else:
                self._of_call.pop(recording.call_id, None)
                self._begin_next(recording.call_id)
        else:
            return False
        return True

    def _begin_next(self, call_id: str) -> None:
        wants_pause = self._next.pop(call_id, None)
        call = self._dispatcher.find(call_id)
        if wants_pause is not None and call is not None:
            self._start(call.machine, wants_pause=wants_pause)

    def _lost(self, call_id: str, file: str, reason: str) -> None:
        call = self._dispatcher.find(call_id)
        self.failed += 1
        self.last_failure = {
            "at": self._clock.utc_now().isoformat(),
            "call_id": call_id,
            "reason": reason,
        }
        self._metrics.recording_failed(call.machine.campaign.name if call is not None else "")
        log.warning("recording-failed", call_id=call_id, file=file, why=reason)


def _is_closing(recording: Recording) -> bool:
    return recording.state in (RecordingState.CLOSING, RecordingState.ENDED)
