"""A command becomes a request to Asterisk; what Asterisk answers becomes events.

Guarantees never to raise for what happens outside: a refusal, a timeout or a server that is away is an event or, where
an event of Asterisk will tell anyway, nothing. Never imports the dispatcher: results are values.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.parse import quote

import structlog

from stasis_dialer.ari import AriConflict, AriError, AriNotFound, AriTimeout, AriUnprocessable, Transport
from stasis_dialer.core import messages as m
from stasis_dialer.errors import AriUnavailable

log = structlog.get_logger(__name__)

NOTHING: Final[tuple[m.Event, ...]] = ()
HUSH_SECONDS: Final = 0.5
"""How long the end of music is waited for. Measured on Asterisk 22.10.1, 2026-11: a join beside music takes 1.5 ms, one
during a playback is held up until that has ended, and takes 1 ms when it was stopped before (which takes 1 ms).
"""
LEG_ARGUMENT: Final = "leg"
"""First argument of our own legs' StasisStart; entries of the dialplan have other words."""


class Executor:
    """Carries out commands over one transport."""

    def __init__(self, transport: Transport, app: str) -> None:
        self._transport = transport
        self._app = app
        self._requests: set[asyncio.Task[bool]] = set()
        self._actions: Mapping[type[m.Command], Callable[[Any], Awaitable[tuple[m.Event, ...]]]] = {
            m.CreateLeg: self._create,
            m.DialLeg: self._dial,
            m.AnswerLeg: self._answer,
            m.HangUp: self._hang_up,
            m.Probe: self._probe,
            m.CreateBridge: self._create_bridge,
            m.DestroyBridge: self._destroy_bridge,
            m.Join: self._join,
            m.TakeOut: self._take_out,
            m.SendToDialplan: self._send_to_dialplan,
            m.WatchTalking: self._watch_talking,
            m.StopWatching: self._stop_watching,
            m.PlayMessage: self._play,
            m.StartMusic: self._start_music,
            m.StopMusic: self._stop_music,
            m.Hush: self._hush,
            m.Move: self._move,
            m.PlayMusic: self._play_music,
            m.Listen: self._listen,
            m.Record: self._record,
            m.PauseRecording: self._pause_recording,
            m.ResumeRecording: self._resume_recording,
            m.StopMessage: self._stop_message,
            m.ProbeMessage: self._probe_message,
        }

    async def execute(self, command: m.Command) -> tuple[m.Event, ...]:
        """What came of the command."""
        try:
            return await self._actions[type(command)](command)
        except Exception:
            log.exception("command-failed", command=repr(command), fault="ours")
            return (m.RequestUnanswered(type(command).__name__),)

    async def _create(self, command: m.CreateLeg) -> tuple[m.Event, ...]:
        query = (
            ("endpoint", command.endpoint),
            ("app", self._app),
            ("appArgs", LEG_ARGUMENT),
            ("channelId", command.leg_id),
        )
        body = {"variables": dict(command.variables)}
        own = _channel(command.leg_id)
        try:
            await self._transport.request("POST", "/channels/create", query, body, own=own)
        except AriTimeout:
            return (m.RequestUnanswered("create"),)
        except AriError as error:
            log.warning("originate-rejected", leg=command.leg_id, status=error.status)
            return (m.OriginateRejected(error.status, error.message),)
        except AriUnavailable:
            return (m.RequestUnanswered("create"),)
        return NOTHING

    async def _dial(self, command: m.DialLeg) -> tuple[m.Event, ...]:
        query = (("timeout", str(max(1, round(command.timeout_seconds)))),)
        try:
            await self._transport.request("POST", f"{_channel(command.leg_id)}/dial", query)
        except AriTimeout:
            return (m.RequestUnanswered("dial"),)
        except AriNotFound:
            return NOTHING
        except AriError as error:
            log.warning("dial-rejected", leg=command.leg_id, status=error.status)
            return (m.DialRejected(error.status, error.message),)
        except AriUnavailable:
            return (m.RequestUnanswered("dial"),)
        return NOTHING

    async def _answer(self, command: m.AnswerLeg) -> tuple[m.Event, ...]:
        await self._try("POST", f"{_channel(command.leg_id)}/answer")
        return NOTHING

    async def _hang_up(self, command: m.HangUp) -> tuple[m.Event, ...]:
        await self._try("DELETE", _channel(command.leg_id))
        return NOTHING

    async def _probe(self, command: m.Probe) -> tuple[m.Event, ...]:
        try:
            await self._transport.request("GET", _channel(command.leg_id))
        except AriNotFound:
            return (m.LegGone(is_seen=False),)
        except (AriError, AriUnavailable):
            return NOTHING
        return NOTHING

    async def _create_bridge(self, command: m.CreateBridge) -> tuple[m.Event, ...]:
        """A bridge with this id is ours, so that its being there already is as good as its creation.

        `proxy_media`: Asterisk would pass packets on past itself between two legs, and change the sender's SSRC and
        sequence when somebody listens or a third one comes. A receiver that decodes may take the lower numbers for
        late packets and drop them: what another Asterisk heard with MixMonitor was silent in one of two directions
        in 5 of 6 calls, in 0 of 6 with this (22.10.1).
        """
        path = f"/bridges/{quote(command.bridge_id, safe='')}"
        try:
            await self._transport.request("POST", path, (("type", command.kind), ("name", command.bridge_id)), own=path)
        except AriConflict:
            return NOTHING
        except (AriError, AriUnavailable) as error:
            log.warning("bridge-not-created", bridge=command.bridge_id, why=str(error))
            return (m.JoinFailed(command.bridge_id, str(error)),)
        return NOTHING

    async def _destroy_bridge(self, command: m.DestroyBridge) -> tuple[m.Event, ...]:
        await self._try("DELETE", f"/bridges/{quote(command.bridge_id, safe='')}")
        return NOTHING

    async def _join(self, command: m.Join) -> tuple[m.Event, ...]:
        path = f"/bridges/{quote(command.bridge_id, safe='')}/addChannel"
        query = (("channel", command.leg_id), *((("absorbDTMF", "true"),) if command.absorbs_keys else ()))
        try:
            await self._transport.request("POST", path, query)
        except (AriTimeout, AriUnavailable):
            return NOTHING
        except AriError as error:
            log.warning("join-failed", leg=command.leg_id, bridge=command.bridge_id, why=str(error))
            return (m.JoinFailed(command.bridge_id, str(error), isinstance(error, AriNotFound)),)
        return (m.Joined(command.bridge_id),)

    async def _take_out(self, command: m.TakeOut) -> tuple[m.Event, ...]:
        """A leg that is in no bridge (409, 422) has left it."""
        path = f"/bridges/{quote(command.bridge_id, safe='')}/removeChannel"
        try:
            await self._transport.request("POST", path, (("channel", command.leg_id),))
        except (AriConflict, AriUnprocessable, AriNotFound):
            return (m.Parted(command.bridge_id),)
        except (AriError, AriUnavailable) as error:
            log.warning("take-out-failed", leg=command.leg_id, bridge=command.bridge_id, why=str(error))
            return NOTHING
        return (m.Parted(command.bridge_id),)

    async def _send_to_dialplan(self, command: m.SendToDialplan) -> tuple[m.Event, ...]:
        query = (("context", command.context), ("extension", "s"), ("priority", "1"))
        try:
            await self._transport.request("POST", f"{_channel(command.leg_id)}/continue", query)
        except (AriTimeout, AriUnavailable, AriNotFound):
            return NOTHING
        except AriError as error:
            log.warning("dialplan-refused", leg=command.leg_id, context=command.context, why=str(error))
            return (m.DialplanRefused(),)
        return NOTHING

    async def _watch_talking(self, command: m.WatchTalking) -> tuple[m.Event, ...]:
        """Source: "core show function TALK_DETECT": silence in milliseconds, then the level."""
        value = f"{round(command.silence_seconds * 1000)},{command.threshold}"
        await self._set(command.leg_id, "TALK_DETECT(set)", value)
        return NOTHING

    async def _stop_watching(self, command: m.StopWatching) -> tuple[m.Event, ...]:
        await self._set(command.leg_id, "TALK_DETECT(remove)", "")
        return NOTHING

    async def _set(self, leg_id: str, name: str, value: str) -> None:
        await self._try("POST", f"{_channel(leg_id)}/variable", (("variable", name), ("value", value)))

    async def _play(self, command: m.PlayMessage) -> tuple[m.Event, ...]:
        """Whoever hears it is not hung up because its request had no answer; a second request would play it twice.

        So it is looked for, and once more when that has no answer either.
        """
        path = f"{_channel(command.leg_id)}/play/{_playback(command)}"
        if await self._try("POST", path, (("media", command.media),)):
            return NOTHING
        for _ in range(2):
            try:
                await self._transport.request("GET", f"/playbacks/{_playback(command)}")
                return NOTHING
            except AriTimeout:
                continue
            except (AriError, AriUnavailable):
                break
        return (m.MessageEnded(command.name, is_heard=False),)

    async def _stop_message(self, command: m.StopMessage) -> tuple[m.Event, ...]:
        await self._try("DELETE", f"/playbacks/{_playback(command)}")
        return NOTHING

    async def _probe_message(self, command: m.ProbeMessage) -> tuple[m.Event, ...]:
        """A server that is away is looked at when it is back."""
        try:
            await self._transport.request("GET", f"/playbacks/{_playback(command)}")
        except AriNotFound:
            return (m.MessageEnded(command.name),)
        except AriTimeout:
            return (m.RequestUnanswered(m.LOOK),)
        except (AriError, AriUnavailable):
            return NOTHING
        return NOTHING

    async def _hush(self, command: m.Hush) -> tuple[m.Event, ...]:
        """Asterisk gets both requests at once; one that stays unanswered must not keep a customer from the agent."""
        paths = [f"{_channel(command.leg_id)}/moh"]
        if command.name is not None:
            paths.append(f"/playbacks/{quote(f'{command.leg_id}-{command.name}', safe='')}")
        tasks = [asyncio.create_task(self._try("DELETE", path)) for path in paths]
        self._requests.update(tasks)
        for task in tasks:
            task.add_done_callback(self._requests.discard)
        await asyncio.wait(tasks, timeout=HUSH_SECONDS)
        return NOTHING

    async def _start_music(self, command: m.StartMusic) -> tuple[m.Event, ...]:
        """No answer is told: who waits may hear nothing. A server that is away is looked at when it is back."""
        path = f"{_channel(command.leg_id)}/moh"
        try:
            await self._transport.request("POST", path)
        except AriTimeout:
            return (m.RequestUnanswered(m.MUSIC),)
        except (AriError, AriUnavailable) as error:
            log.debug("music-not-started", leg=command.leg_id, why=str(error))
        return NOTHING

    async def _stop_music(self, command: m.StopMusic) -> tuple[m.Event, ...]:
        await self._try("DELETE", f"{_channel(command.leg_id)}/moh")
        return NOTHING

    async def _move(self, command: m.Move) -> tuple[m.Event, ...]:
        """Without an answer nothing is said: whoever asked has a deadline, and asks for another place then."""
        path = f"/bridges/{quote(command.bridge_id, safe='')}/addChannel"
        try:
            await self._transport.request("POST", path, (("channel", command.channel_id),))
        except (AriTimeout, AriUnavailable):
            return NOTHING
        except AriError as error:
            log.warning("move-failed", leg=command.channel_id, bridge=command.bridge_id, why=str(error))
            return (m.MoveFailed(command.channel_id, command.bridge_id, str(error)),)
        return (m.Moved(command.channel_id, command.bridge_id),)

    async def _play_music(self, command: m.PlayMusic) -> tuple[m.Event, ...]:
        await self._try("POST", f"/bridges/{quote(command.bridge_id, safe='')}/moh")
        return NOTHING

    async def _listen(self, command: m.Listen) -> tuple[m.Event, ...]:
        path = f"{_channel(command.target)}/snoop/{quote(command.leg_id, safe='')}"
        query = (
            ("app", self._app),
            ("appArgs", LEG_ARGUMENT),
            ("spy", command.hears),
            ("whisper", command.whispers_to),
        )
        try:
            await self._transport.request("POST", path, query, own=_channel(command.leg_id))
        except (AriTimeout, AriUnavailable):
            return (m.RequestUnanswered("listen"),)
        except AriError as error:
            return (m.OriginateRejected(error.status, error.message),)
        return NOTHING

    async def _record(self, command: m.Record) -> tuple[m.Event, ...]:
        """A file of this name that is being written is ours: its name holds the call's id.

        Of two files that are begun at once in a folder that is not there yet, Asterisk may refuse one as existing: both
        requests make the folder, and one fails (22.10.1: 7 of 17 first calls of a day with both sides apart). Each such
        refusal means one more folder is there, so one more request than the name has folders is enough.
        """
        query = (("name", command.name), ("format", command.format), ("ifExists", "overwrite"))
        failure: AriError
        for _ in range(command.name.count("/") + 1):
            try:
                await self._transport.request("POST", f"{_channel(command.leg_id)}/record", query)
                return NOTHING
            except (AriTimeout, AriUnavailable):
                return (m.RequestUnanswered("record"),)
            except AriError as error:
                failure = error
            if not isinstance(failure, AriConflict):
                break
            if await self._try("GET", _recording(command.name)):
                return NOTHING
        why = "is there a folder `recording` in Asterisk's spool, and may it be written?"
        return (m.RecordingFailed(command.name, f"refused {failure.status}; {why}"),)

    async def _pause_recording(self, command: m.PauseRecording) -> tuple[m.Event, ...]:
        try:
            await self._transport.request("POST", f"{_recording(command.name)}/pause")
        except (AriError, AriUnavailable) as error:
            return (m.PauseRefused(str(error)),)
        return NOTHING

    async def _resume_recording(self, command: m.ResumeRecording) -> tuple[m.Event, ...]:
        try:
            await self._transport.request("DELETE", f"{_recording(command.name)}/pause")
        except (AriError, AriUnavailable) as error:
            return (m.RecordingFailed(command.name, f"not resumed: {error}"),)
        return NOTHING

    async def _try(
        self, method: str, path: str, query: tuple[tuple[str, str], ...] = (), own: str | None = None
    ) -> bool:
        """A request whose failure needs no more than a line: the object is gone, or a deadline will look again."""
        try:
            await self._transport.request(method, path, query, own=own)
        except (AriNotFound, AriConflict, AriUnprocessable):
            return False
        except (AriError, AriUnavailable) as error:
            log.warning("request-failed", method=method, path=path, why=str(error))
            return False
        return True


def _playback(command: m.PlayMessage | m.StopMessage | m.ProbeMessage) -> str:
    """The playback's id, quoted: the leg's id and the message's name."""
    return quote(f"{command.leg_id}-{command.name}", safe="")


def _channel(leg_id: str) -> str:
    return f"/channels/{quote(leg_id, safe='')}"


def _recording(name: str) -> str:
    return f"/recordings/live/{quote(name, safe='')}"
