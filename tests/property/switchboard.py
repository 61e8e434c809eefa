"""A telephone world in memory and in virtual time, in which anything may go wrong for a while.

`Switchboard.execute` takes the place of the engine's executor: it carries out commands, or not, or answers late. Events
may be late, twice, out of order or lost. After `calm_at` everything works, so that what is stuck then is stuck by us.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from stasis_dialer.ari import Response
from stasis_dialer.core import messages as m
from stasis_dialer.core.call.screening import SILENCE_CONTEXT
from stasis_dialer.engine.translate import AMD_STATUSES

LEGS_THAT_TALK = 2
"""An agent and one customer: nobody else may ever hear them."""
LEGS_THAT_MEET = 3
"""By a transfer: agent, target and customer, for a while or in a conference."""
NO_CUSTOMERS = ("-a-", "-p-", "-t-", "-r-", "-u-", "-e-")
"""In ids of legs: agents, transfer targets, recordings, supervisors and their ears. Any other may be a customer's."""
HUSH_SECONDS = 0.5
TIMEOUT_SECONDS = 5.0
"""After which a request counts as unanswered."""
LATE_SHARE = 0.3
"""Of the customers' joins that nothing was heard of in time and that had no effect by then: they happen later."""
DELAYS = (0.0, 0.0, 0.001, 0.02, 0.5, 4.0, 12.0)
"""Seconds by which an event or an answer may be late."""
REFUSALS = (0.0, 0.1, 0.5, 8.0)
"""Seconds from the dialling to a trunk's 503; the last one is too late for another trunk."""
RINGS = (0.0, 0.5, 0.5, 2.0, 8.0, 40.0)
TALKS = (0.0, 0.002, 0.004, 0.008, 0.5, 0.502, 0.504, 0.506, 0.508, 0.512, 2.005, 2.01, 30.0, 300.0)
"""Seconds from the answer to the hang-up: many customers go just when an agent has picked up."""


@dataclass
class Channel:
    """One leg as the switchboard has it."""

    id: str
    endpoint: str = ""
    is_dialled: bool = False
    is_up: bool = False
    bridge: str | None = None
    has_music: bool = False
    is_music_lost: bool = False
    """Moved into the holding bridge that it was in: then it hears nothing there (Asterisk 22.10)."""
    app: str = ""
    """The application it is in; kept while it is in the dialplan."""
    is_in_dialplan: bool = False
    playing: str = ""
    late_join: m.Join | None = None
    variables: dict[str, str] = field(default_factory=dict)
    timers: list[asyncio.TimerHandle] = field(default_factory=list)
    listens_to: str | None = None
    """The leg that a channel of ours hears, which ends with it."""
    file: str | None = None

    @property
    def state(self) -> str:
        return "Up" if self.is_up else "Ringing" if self.is_dialled else "Down"


@dataclass(frozen=True)
class Person:
    """Who picks up after so many seconds and hangs up after so many more; None: never."""

    picks_up_after: float | None = 1.0
    hangs_up_after: float | None = None


@dataclass
class Odds:
    """How likely it is that something goes wrong, in per cent."""

    event_lost: int = 0
    event_twice: int = 0
    event_late: int = 0
    request_fails: int = 0
    request_unanswered: int = 0
    trunk_refuses: int = 0


class Switchboard:
    """Channels, bridges, and people who answer or do not."""

    def __init__(self, random: Random, odds: Odds, calm_at: float, hear: Callable[[str, m.Event], bool]) -> None:
        self._random = random
        self._odds = odds
        self._calm_at = calm_at
        self.hear = hear
        self.is_deaf = False
        """Whether the events' socket is away: what happens now is heard by nobody."""
        self.person_at: Callable[[str], Person] | None = None
        """Who sits at an endpoint; None: chance decides."""
        self.created: list[m.CreateLeg] = []
        self.played: list[m.PlayMessage] = []
        self.refuses: Callable[[str], bool] = lambda endpoint: False
        """Whether the trunk refuses a call to an endpoint at once."""
        self.dialled: list[tuple[float, str]] = []
        """When which endpoint was dialled."""
        self.channels: dict[str, Channel] = {}
        self.bridges: set[str] = set()
        self.holding: set[str] = set()
        """Bridges in which nobody hears the others."""
        self.files: dict[str, str] = {}
        """Each recording with the leg that it heard."""
        self.meetings = 0
        """How often three were in one bridge by a transfer."""
        self.on_the_way = 0
        """Events that have been sent and have not arrived."""
        self.crowds: list[list[str]] = []
        """Who was in one bridge with too many others."""

    # --- commands ---------------------------------------------------------------------------------------------------

    async def execute(self, command: m.Command) -> tuple[m.Event, ...]:
        """What came of a command."""
        await self._pause()
        work = getattr(self, f"_{type(command).__name__}")
        if self._happens(self._odds.request_unanswered):
            if self._random.random() < 0.5:
                work(command)
            elif isinstance(command, m.Join) and is_customer(command.leg_id) and self._random.random() < LATE_SHARE:
                self._postpone(command)
            await asyncio.sleep(HUSH_SECONDS if isinstance(command, m.Hush) else TIMEOUT_SECONDS)
            return () if isinstance(command, m.PlayMessage) and self._plays(command) else _unanswered(command)
        if self._happens(self._odds.request_fails):
            return _refused(command)
        events: tuple[m.Event, ...] = work(command)
        await self._pause()
        return events

    def _CreateLeg(self, command: m.CreateLeg) -> tuple[m.Event, ...]:
        if command.leg_id in self.channels:
            return (m.OriginateRejected(409),)
        self.created.append(command)
        self.channels[command.leg_id] = Channel(command.leg_id, command.endpoint, app="app")
        self._tell(command.leg_id, m.LegCreated())
        return ()

    def _DialLeg(self, command: m.DialLeg) -> tuple[m.Event, ...]:
        channel = self.channels.get(command.leg_id)
        if channel is None:
            return ()
        if channel.is_dialled or channel.is_up:
            return (m.DialRejected(409),)
        channel.is_dialled = True
        self.dialled.append((asyncio.get_running_loop().time(), channel.endpoint))
        self._later(channel, command.timeout_seconds, lambda: channel.is_up or self.end(channel.id, 19))
        if self.refuses(channel.endpoint):
            self._later(channel, 0.1, lambda: self.end(channel.id, 34, 503))
            return ()
        if self.person_at is not None:
            self._ring(channel, self.person_at(channel.endpoint))
            return ()
        ring, fate = self._random.choice(RINGS), self._random.randrange(100)
        if self._random.randrange(100) < self._odds.trunk_refuses:
            self._later(channel, self._random.choice(REFUSALS), lambda: self.end(channel.id, 34, 503))
            return ()
        if self._random.random() < 0.8:
            self._later(channel, 0.0, lambda: self._tell(channel.id, m.Ringing()))
        if fate < 65:
            self._later(channel, ring, lambda: self._answer(channel))
        elif fate < 85:
            self._later(channel, ring, lambda: self.end(channel.id, 17, 486))
        return ()

    def _ring(self, channel: Channel, person: Person) -> None:
        self._tell(channel.id, m.Ringing())
        if person.picks_up_after is not None:
            self._later(channel, person.picks_up_after, lambda: self._pick_up(channel, person))

    def _pick_up(self, channel: Channel, person: Person) -> None:
        channel.is_up = True
        self._tell(channel.id, m.Answered())
        if person.hangs_up_after is not None:
            self._later(channel, person.hangs_up_after, lambda: self.end(channel.id, 16))

    def _AnswerLeg(self, command: m.AnswerLeg) -> tuple[m.Event, ...]:
        channel = self.channels.get(command.leg_id)
        if channel is not None and not channel.is_up:
            channel.is_up = True
            self._tell(channel.id, m.Answered())
        return ()

    def _HangUp(self, command: m.HangUp) -> tuple[m.Event, ...]:
        self.end(command.leg_id, 16)
        return ()

    def _Probe(self, command: m.Probe) -> tuple[m.Event, ...]:
        return () if command.leg_id in self.channels else (m.LegGone(is_seen=False),)

    def _CreateBridge(self, command: m.CreateBridge) -> tuple[m.Event, ...]:
        self.bridges.add(command.bridge_id)
        if command.kind == m.HOLDING:
            self.holding.add(command.bridge_id)
        return ()

    def _DestroyBridge(self, command: m.DestroyBridge) -> tuple[m.Event, ...]:
        for bridges in (self.bridges, self.holding):
            bridges.discard(command.bridge_id)
        for channel in self.channels.values():
            if channel.bridge == command.bridge_id:
                channel.bridge = None
        return ()

    def _Join(self, command: m.Join) -> tuple[m.Event, ...]:
        channel = self.channels.get(command.leg_id)
        if command.bridge_id not in self.bridges:
            return (m.JoinFailed(command.bridge_id, "no bridge", is_bridge_gone=True),)
        if channel is None or channel.is_in_dialplan:
            return (m.JoinFailed(command.bridge_id, "no channel"),)
        self._catch_up(channel)
        channel.bridge = command.bridge_id
        self._count(command.bridge_id, LEGS_THAT_TALK)
        self._tell(channel.id, m.Joined(command.bridge_id))
        return (m.Joined(command.bridge_id),)

    def _postpone(self, join: m.Join) -> None:
        """It happens after its time-out, unless the channel is told something else before."""
        channel = self.channels.get(join.leg_id)
        if channel is not None:
            self._catch_up(channel)
            channel.late_join = join
            self._later(channel, TIMEOUT_SECONDS + self._random.uniform(0.5, 3.0), lambda: self._catch_up(channel))

    def _catch_up(self, channel: Channel) -> None:
        """A channel is brought to bridges in the order in which it was told to go there."""
        join, channel.late_join = channel.late_join, None
        if join is not None:
            self._Join(join)

    def _count(self, bridge_id: str, most: int) -> None:
        """Nobody hears another customer, or a third person without a transfer."""
        legs = self.legs_in(bridge_id)
        if len(legs) > most or sum(is_customer(leg) for leg in legs) > 1:
            self.crowds.append(legs)

    def _PlayMessage(self, command: m.PlayMessage) -> tuple[m.Event, ...]:
        channel = self.channels.get(command.leg_id)
        if channel is None or channel.is_in_dialplan:
            return (m.MessageEnded(command.name, is_heard=False),)
        self.played.append(command)
        channel.playing = command.name
        self._later(channel, 4.0, lambda: self._played(channel, command.name))
        return ()

    def _plays(self, command: m.PlayMessage) -> bool:
        """The look of the executor for a message whose request had no answer."""
        channel = self.channels.get(command.leg_id)
        return channel is not None and channel.playing == command.name

    def _StartMusic(self, command: m.StartMusic) -> tuple[m.Event, ...]:
        channel = self.channels.get(command.leg_id)
        if channel is not None:
            channel.has_music = True
        return ()

    def _StopMusic(self, command: m.StopMusic) -> tuple[m.Event, ...]:
        channel = self.channels.get(command.leg_id)
        if channel is not None:
            channel.has_music = False
        return ()

    def _Hush(self, command: m.Hush) -> tuple[m.Event, ...]:
        channel = self.channels.get(command.leg_id)
        if channel is not None:
            channel.has_music = False
            if command.name is not None:
                self._played(channel, command.name)
        return ()

    def _StopMessage(self, command: m.StopMessage) -> tuple[m.Event, ...]:
        channel = self.channels.get(command.leg_id)
        if channel is not None:
            self._played(channel, command.name)
        return ()

    def _ProbeMessage(self, command: m.ProbeMessage) -> tuple[m.Event, ...]:
        channel = self.channels.get(command.leg_id)
        return () if channel is not None and channel.playing == command.name else (m.MessageEnded(command.name),)

    def _played(self, channel: Channel, name: str) -> None:
        if channel.playing == name:
            channel.playing = ""
            self._tell(channel.id, m.MessageEnded(name))

    def _TakeOut(self, command: m.TakeOut) -> tuple[m.Event, ...]:
        channel = self.channels.get(command.leg_id)
        if channel is not None and channel.bridge == command.bridge_id:
            channel.bridge = None
        return (m.Parted(command.bridge_id),)

    def _SendToDialplan(self, command: m.SendToDialplan) -> tuple[m.Event, ...]:
        """Detection and the wait for silence take their time, and bring the leg back with what they found."""
        channel = self.channels.get(command.leg_id)
        if channel is None:
            return ()
        if channel.is_in_dialplan:
            return (m.DialplanRefused(),)
        channel.is_in_dialplan, channel.bridge = True, None
        if command.context == SILENCE_CONTEXT:
            status = self._random.choice(("SILENCE", "SILENCE", "TIMEOUT"))
            self._later(channel, self._random.choice(RINGS), lambda: self._silent(channel, status))
        else:
            word = self._random.choice(("HUMAN", "MACHINE", "MACHINE", "NOTSURE"))
            self._later(channel, self._random.choice((0.9, 2.5, 5.0)), lambda: self._judged(channel, word))
        return ()

    def _judged(self, channel: Channel, word: str) -> None:
        channel.is_in_dialplan = False
        channel.variables["AMDSTATUS"] = word
        self._tell(channel.id, m.Detected(AMD_STATUSES[word], "RULE"))

    def _silent(self, channel: Channel, status: str) -> None:
        channel.is_in_dialplan = False
        channel.variables["WAITSTATUS"] = status
        self._tell(channel.id, m.SilenceHeard(status == "SILENCE"))

    def _WatchTalking(self, command: m.WatchTalking) -> tuple[m.Event, ...]:
        """Somebody speaks, or nobody does."""
        channel = self.channels.get(command.leg_id)
        if channel is None or self._random.random() < 0.2:
            return ()
        began, lasts = self._random.choice((0.1, 1.0, 3.0)), self._random.choice((0.4, 1.4, 6.0))
        self._later(channel, began, lambda: self._tell(channel.id, m.TalkingStarted()))
        self._later(channel, began + lasts + 0.8, lambda: self._tell(channel.id, m.TalkingFinished(lasts)))
        return ()

    def _StopWatching(self, command: m.StopWatching) -> tuple[m.Event, ...]:
        return ()

    def _Move(self, command: m.Move) -> tuple[m.Event, ...]:
        channel = self.channels.get(command.channel_id)
        if command.bridge_id not in self.bridges or channel is None:
            return (m.MoveFailed(command.channel_id, command.bridge_id, "gone"),)
        self._catch_up(channel)
        channel.is_music_lost = channel.bridge == command.bridge_id
        channel.bridge = command.bridge_id
        self._count(command.bridge_id, LEGS_THAT_MEET)
        self.meetings += len(self.legs_in(command.bridge_id)) == LEGS_THAT_MEET
        self._tell(channel.id, m.Joined(command.bridge_id))
        return (m.Moved(command.channel_id, command.bridge_id),)

    def _PlayMusic(self, command: m.PlayMusic) -> tuple[m.Event, ...]:
        return ()

    def _Listen(self, command: m.Listen) -> tuple[m.Event, ...]:
        if command.target not in self.channels:
            return (m.OriginateRejected(404),)
        if command.leg_id in self.channels:
            return ()
        self.channels[command.leg_id] = Channel(command.leg_id, is_up=True, listens_to=command.target)
        self._tell(command.leg_id, m.LegCreated())
        return ()

    def _Record(self, command: m.Record) -> tuple[m.Event, ...]:
        channel = self.channels.get(command.leg_id)
        if channel is None:
            return (m.RecordingFailed(command.name, "refused 404"),)
        assert channel.listens_to is not None
        assert command.name not in self.files, f"two recordings in one file: {command.name}"
        self.files[command.name] = channel.listens_to
        channel.file = command.name
        self._tell(channel.id, m.RecordingStarted(command.name))
        if self._happens(self._odds.request_fails):
            self._later(channel, 2.0, lambda: self._tell(channel.id, m.RecordingEnded(command.name)))
        return ()

    def _PauseRecording(self, command: m.PauseRecording) -> tuple[m.Event, ...]:
        return () if command.leg_id in self.channels else (m.PauseRefused("404"),)

    def _ResumeRecording(self, command: m.ResumeRecording) -> tuple[m.Event, ...]:
        return () if command.leg_id in self.channels else (m.RecordingFailed(command.name, "not resumed: 404"),)

    # --- what recovery asks -----------------------------------------------------------------------------------------

    async def request(
        self, method: str, path: str, query: object = (), body: object = None, *, own: str | None = None
    ) -> Response:
        """Channels and bridges as they are, and the removal of one."""
        await self._pause()
        kind, _, id_ = path.strip("/").partition("/")
        if method == "DELETE" and kind == "channels":
            self.end(id_, 16)
        elif method == "DELETE":
            self._DestroyBridge(m.DestroyBridge(id_))
        elif kind == "channels":
            return _json([_channel_json(channel) for channel in self.channels.values()])
        else:
            return _json([{"id": b, "channels": self.legs_in(b)} for b in self.bridges])
        return Response(204)

    async def close(self) -> None:
        return

    def legs_in(self, bridge_id: str) -> list[str]:
        """The legs that hear each other."""
        return [channel.id for channel in self.channels.values() if channel.bridge == bridge_id]

    def is_alone(self, leg_id: str) -> bool:
        """Whether somebody who picked up hears nothing and nobody: no other leg, no music, no message.

        A bridge for holding has music; when that was refused there, it is silence, but somebody meant them to wait.
        """
        channel = self.channels.get(leg_id)
        if channel is None or not channel.is_up or channel.is_in_dialplan or channel.has_music or channel.playing:
            return False
        if channel.bridge is None:
            return True
        if channel.bridge in self.holding:
            return channel.is_music_lost
        return len(self.legs_in(channel.bridge)) == 1

    # --- what happens outside ---------------------------------------------------------------------------------------

    def arrive(self, leg_id: str) -> None:
        """A telephone called us: its channel is here."""
        self.channels[leg_id] = Channel(leg_id, app="app")

    def end(self, leg_id: str, cause: int, tech_cause: int | None = None) -> None:
        """The channel is destroyed, whoever wanted it."""
        channel = self.channels.pop(leg_id, None)
        if channel is not None:
            for timer in channel.timers:
                timer.cancel()
            if channel.file is not None:
                self._tell(leg_id, m.RecordingEnded(channel.file))
            for listener in [other.id for other in self.channels.values() if other.listens_to == leg_id]:
                self.end(listener, 16)
            if channel.listens_to is None:
                self._tell(leg_id, m.LegGone(cause, tech_cause))

    def _answer(self, channel: Channel) -> None:
        if channel.is_up:
            return
        channel.is_up = True
        self._tell(channel.id, m.Answered())
        self._tell(channel.id, m.Answered())
        if self._random.random() < 0.6:
            self._later(channel, self._random.choice(TALKS), lambda: self.end(channel.id, 16))

    # --- chance -----------------------------------------------------------------------------------------------------

    @property
    def is_calm(self) -> bool:
        """Whether everything works from now on."""
        return asyncio.get_running_loop().time() >= self._calm_at

    def _happens(self, percent: int) -> bool:
        return not self.is_calm and self._random.randrange(100) < percent

    async def _pause(self) -> None:
        late = self._happens(self._odds.event_late)
        await asyncio.sleep(self._random.choice(DELAYS[:5]) if late else 0.001)

    def _tell(self, leg_id: str, event: m.Event) -> None:
        """Send an event on its way."""
        if self.is_deaf or self._happens(self._odds.event_lost):
            return
        for _ in range(2 if self._happens(self._odds.event_twice) else 1):
            delay = self._random.choice(DELAYS) if self._happens(self._odds.event_late) else 0.0
            self.on_the_way += 1
            asyncio.get_running_loop().call_later(delay, self._arrive, leg_id, event)

    def _arrive(self, leg_id: str, event: m.Event) -> None:
        """As the service does: a leg of ours that nobody owns is hung up when it enters Stasis."""
        self.on_the_way -= 1
        if not self.hear(leg_id, event) and isinstance(event, m.LegCreated):
            self.end(leg_id, 16)

    def _later(self, channel: Channel, seconds: float, action: Callable[[], object]) -> None:
        channel.timers.append(asyncio.get_running_loop().call_later(seconds, action))


def is_customer(leg_id: str) -> bool:
    """Whether a leg is a customer's, by its id."""
    return not any(kind in leg_id for kind in NO_CUSTOMERS)


def _channel_json(channel: Channel) -> dict[str, object]:
    application = {"app_name": "AMD" if channel.is_in_dialplan else "Stasis", "app_data": channel.app}
    return {"id": channel.id, "state": channel.state, "dialplan": application, "channelvars": channel.variables}


def _json(content: object) -> Response:
    return Response(200, json.dumps(content).encode())


def _unanswered(command: m.Command) -> tuple[m.Event, ...]:
    """As the executor answers a request without an answer."""
    if isinstance(command, m.CreateLeg):
        return (m.RequestUnanswered("create"),)
    if isinstance(command, m.DialLeg):
        return (m.RequestUnanswered("dial"),)
    if isinstance(command, m.StartMusic):
        return (m.RequestUnanswered(m.MUSIC),)
    if isinstance(command, m.ProbeMessage):
        return (m.RequestUnanswered(m.LOOK),)
    if isinstance(command, m.CreateBridge):
        return (m.JoinFailed(command.bridge_id, "unanswered"),)
    if isinstance(command, m.Listen | m.Record):
        return (m.RequestUnanswered("record"),)
    if isinstance(command, m.PauseRecording):
        return (m.PauseRefused("unanswered"),)
    if isinstance(command, m.ResumeRecording):
        return (m.RecordingFailed(command.name, "not resumed: unanswered"),)
    return (m.MessageEnded(command.name, is_heard=False),) if isinstance(command, m.PlayMessage) else ()


def _refused(command: m.Command) -> tuple[m.Event, ...]:
    """As the executor answers a refusal."""
    if isinstance(command, m.CreateLeg):
        return (m.OriginateRejected(500, "Allocation failed"),)
    if isinstance(command, m.DialLeg):
        return (m.DialRejected(500),)
    if isinstance(command, m.SendToDialplan):
        return (m.DialplanRefused(),)
    if isinstance(command, m.Move):
        return (m.MoveFailed(command.channel_id, command.bridge_id, "refused"),)
    if isinstance(command, m.Listen):
        return (m.OriginateRejected(500),)
    if isinstance(command, m.Record | m.ResumeRecording):
        return (m.RecordingFailed(command.name, "refused 500"),)
    if isinstance(command, m.PauseRecording):
        return (m.PauseRefused("500"),)
    if isinstance(command, m.CreateBridge | m.Join):
        return (m.JoinFailed(command.bridge_id, "refused", is_bridge_gone=False),)
    return (m.MessageEnded(command.name, is_heard=False),) if isinstance(command, m.PlayMessage) else ()
