"""A fake Asterisk for speed: ARI over HTTP and over the WebSocket, with scripted far ends and faults.

It passes the same contract suite as the real Asterisk 22 (`tests/contract/ari`), so what a test learns from it is true.
Far ends are `FarEnd` values chosen by the number dialled; faults are `Fault` values and the methods named after what
goes wrong. Times are milliseconds where a real network has seconds; `second` is how long a second of a time-out lasts.
"""

import asyncio
import base64
import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self
from urllib.parse import unquote

from aiohttp import WSMsgType, web

Json = dict[str, Any]


@dataclass(frozen=True)
class FarEnd:
    """What the called party does; None means never. Units: seconds after the dial, or after the answer."""

    ring_after: float | None = 0.005
    answer_after: float | None = None
    hangup_after: float | None = None
    reject_after: float | None = None
    cause: int = 16
    tech_cause: int | None = None
    speaks_for: float | None = None


FAR_ENDS = {
    "human": FarEnd(answer_after=0.02, speaks_for=0.6),
    "quick_hangup": FarEnd(answer_after=0.02, hangup_after=0.03),
    "no_answer": FarEnd(),
    "busy": FarEnd(ring_after=None, reject_after=0.01, cause=17, tech_cause=486),
    "congestion": FarEnd(ring_after=None, reject_after=0.01, cause=34, tech_cause=503),
    "unallocated": FarEnd(ring_after=None, reject_after=0.01, cause=1, tech_cause=404),
    "rejected": FarEnd(ring_after=None, reject_after=0.01, cause=21, tech_cause=403),
}

CHANNEL_VARIABLES = ("SD_CAMPAIGN", "SD_ATTEMPT", "AMDSTATUS", "AMDCAUSE", "WAITSTATUS")
"""As in asterisk/ari.conf."""
CAUSES = {
    0: "Unknown",
    1: "Unallocated (unassigned) number",
    16: "Normal Clearing",
    17: "User busy",
    19: "User alerting, no answer",
    21: "Call Rejected",
    34: "Circuit/channel congestion",
}


@dataclass
class Fault:
    """Something that goes wrong with the next `times` requests that match; `path` is a regular expression.

    `status` answers that instead of doing it; `delay` waits before doing it and `answer_delay` after; `lose_request`
    closes the connection undone, `lose_answer` does it and closes the connection.
    """

    method: str
    path: str
    times: int = 1
    status: int = 0
    delay: float = 0.0
    answer_delay: float = 0.0
    lose_request: bool = False
    lose_answer: bool = False


@dataclass
class _Channel:
    id: str
    name: str
    app: str
    endpoint: str
    state: str = "Down"
    in_stasis: bool = False
    is_from_dialplan: bool = False
    """Its application hears of it in Stasis only, unless it subscribes: never of its end. Measured on 22.10.1."""
    context: str = "from-trunk"
    exten: str = "s"
    created: str = ""
    connected: Json = field(default_factory=lambda: {"name": "", "number": ""})
    caller: Json = field(default_factory=lambda: {"name": "", "number": ""})
    variables: dict[str, str] = field(default_factory=dict)
    bridge: "_Bridge | None" = None
    far_end: FarEnd = FarEnd()
    was_dialled: bool = False
    is_in_dial_bridge: bool = False
    after_answer: Callable[["_Channel"], None] | None = None
    timers: list[asyncio.TimerHandle] = field(default_factory=list)
    snoops_on: str = ""


@dataclass
class _Bridge:
    id: str
    name: str
    type: str
    created: str
    channels: list[str] = field(default_factory=list)


@dataclass
class _App:
    name: str
    socket: web.WebSocketResponse | None = None
    disallowed: list[Json] = field(default_factory=list)
    allowed: list[Json] = field(default_factory=list)
    sources: set[str] = field(default_factory=set)


class _Refuse(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class FakeAri:
    """The fake server; an asynchronous context manager that listens on a free port of 127.0.0.1."""

    user = "dialer"
    password = "secret"

    def __init__(self, far_end_of: Callable[[str], FarEnd] | None = None) -> None:
        self.far_end_of = far_end_of or (lambda number: FAR_ENDS.get(number, FAR_ENDS["human"]))
        self.url = ""
        self.trunks = {"carrier"}
        self.phones = {"1001", "1002", "1003"}
        self.is_loading = False
        self.refused = 0
        self.second = 1.0
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str]] = []
        self.amd_verdict = ("HUMAN", "HUMAN-800-800")
        self.silence_verdict = "SILENCE"
        self.channels: dict[str, _Channel] = {}
        self.bridges: dict[str, _Bridge] = {}
        self.apps: dict[str, _App] = {}
        self.missing_media: set[str] = set()
        self.recordings: dict[str, Json] = {}
        self.stored: dict[str, str] = {}
        self._playbacks: dict[str, tuple[Json, asyncio.TimerHandle]] = {}
        self._lose: dict[str, int] = {}
        self._repeat: dict[str, int] = {}
        self._number = 0
        self._startup = _now()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        application = web.Application()
        application.router.add_get("/ari/events", self._events)
        application.router.add_route("*", "/ari/{path:.*}", self._rest)
        self._runner = web.AppRunner(application, handler_cancellation=False, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._forget_everything()
        await self.drop_sockets()
        if self._runner is not None:
            await self._runner.cleanup()

    # what a test may do to it

    def endpoint(self, far_end: str) -> str:
        """A dial string whose called party behaves like this entry of FAR_ENDS."""
        return f"PJSIP/{far_end}@carrier"

    def lose_events(self, event_type: str, times: int = 1) -> None:
        """The next events of this type never arrive."""
        self._lose[event_type] = times

    def repeat_events(self, event_type: str, times: int = 1) -> None:
        """The next events of this type arrive twice."""
        self._repeat[event_type] = times

    async def drop_sockets(self) -> None:
        """Every event WebSocket closes."""
        for app in list(self.apps.values()):
            if app.socket is not None:
                await app.socket.close(code=1001)

    async def restart(self) -> None:
        """Asterisk is killed and starts again: channels, bridges and applications are gone."""
        sockets = [app.socket for app in self.apps.values() if app.socket is not None]
        self._forget_everything()
        self._startup = _now()
        for socket in sockets:
            await socket.close(code=1001)

    def hang_up(self, channel_id: str, cause: int = 16) -> None:
        """The far end hangs up."""
        channel = self.channels.get(channel_id)
        if channel is not None:
            self._event("ChannelHangupRequest", channel, cause=cause)
            self._destroy(channel, cause)

    def call_in(self, app: str, *args: str, endpoint: str = "PJSIP/1001", state: str = "Up", caller: str = "") -> str:
        """A call enters the application from the dialplan; answers its channel id."""
        channel = self._new_channel(app, endpoint, f"in-{self._next()}")
        channel.state = state
        channel.is_from_dialplan = True
        channel.caller["number"] = caller
        self._enter_stasis(channel, app, list(args))
        return channel.id

    def send_event(self, app: str, event_type: str, **fields: Any) -> None:
        """Any event at all, for what the fake does not play by itself."""
        self._send(self.apps[app], {"type": event_type, **fields})

    # HTTP and WebSocket

    async def _rest(self, request: web.Request) -> web.StreamResponse:
        path = request.raw_path.partition("?")[0].removeprefix("/ari")
        if not self._knows(request.headers.get("Authorization", "")):
            return _answer(401, {"message": "Authentication required"})
        body = await request.read()
        content = json.loads(body) if body else {}
        fault = self._fault(request.method, path)
        if fault is not None:
            await asyncio.sleep(fault.delay)
            if fault.lose_request:
                return self._break(request)
            if fault.status:
                return _answer(fault.status, {"message": "scripted"})
        status, answer = self._perform(request.method, path, dict(request.query), content)
        if fault is not None:
            await asyncio.sleep(fault.answer_delay)
            if fault.lose_answer:
                return self._break(request)
        return _answer(status, answer)

    def _break(self, request: web.Request) -> web.Response:
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    def _knows(self, authorization: str) -> bool:
        expected = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return authorization == f"Basic {expected}"

    def _fault(self, method: str, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.times > 0 and fault.method == method and re.fullmatch(fault.path, path):
                fault.times -= 1
                return fault
        return None

    async def _events(self, request: web.Request) -> web.StreamResponse:
        if not self._knows(request.headers.get("Authorization", "")):
            self.refused += 1
            return _answer(401, {"message": "Authentication required"})
        if self.is_loading:
            return _answer(503, {"message": "Asterisk not booted"})
        names = [name for name in request.query.get("app", "").split(",") if name]
        if not names:
            return _answer(400, {"message": "Missing parameter: app"})
        socket = web.WebSocketResponse(autoping=True)
        await socket.prepare(request)
        for name in names:
            self._register(name, socket)
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await self._rest_over(socket, json.loads(message.data))
        finally:
            self._unregister(socket)
        return socket

    def _register(self, name: str, socket: web.WebSocketResponse) -> None:
        app = self.apps.setdefault(name, _App(name))
        if app.socket is not None:
            self._send(app, {"type": "ApplicationReplaced"})
        app.socket = socket

    def _unregister(self, socket: web.WebSocketResponse) -> None:
        for app in [app for app in self.apps.values() if app.socket is socket]:
            app.socket = None
            if not app.sources and not any(channel.app == app.name for channel in self.channels.values()):
                del self.apps[app.name]

    async def _rest_over(self, socket: web.WebSocketResponse, request: Json) -> None:
        path = "/" + request["uri"].split("?")[0]
        query = {item["name"]: item["value"] for item in request.get("query_strings", [])}
        body = json.loads(request["message_body"]) if request.get("message_body") else {}
        fault = self._fault(request["method"], path)
        if fault is not None:
            await asyncio.sleep(fault.delay)
            if fault.lose_request:
                await socket.close(code=1001)
                return
        if fault is not None and fault.status:
            status, answer = fault.status, {"message": "scripted"}
        else:
            status, answer = self._perform(request["method"], path, query, body)
        if fault is not None and fault.lose_answer:
            await socket.close(code=1001)
            return
        response = {
            "type": "RESTResponse",
            "transaction_id": request.get("transaction_id", ""),
            "request_id": request["request_id"],
            "status_code": status,
            "reason_phrase": "",
            "uri": request["uri"],
            "application": "",
            "timestamp": _now(),
        }
        if answer is not None:
            response |= {"content_type": "application/json", "message_body": json.dumps(answer)}
        with suppress(ConnectionError):
            await socket.send_str(json.dumps(response))

    def _perform(self, method: str, path: str, query: Json, body: Json) -> tuple[int, Any]:
        self.requests.append((method, path))
        if self.is_loading:
            return 503, {"message": "Asterisk not booted"}
        for wanted, pattern, operation in _ROUTES:
            match = re.fullmatch(pattern, path)
            if match and wanted == method:
                arguments = {name: unquote(value) for name, value in match.groupdict().items()}
                try:
                    answer = operation(self, {**body, **query}, **arguments)
                except _Refuse as refusal:
                    return refusal.status, {"message": refusal.message}
                return (204, None) if answer is None else (200, answer)
        return 404, {"message": "Resource not found"}

    # channels

    def list_channels(self, _: Json) -> Any:
        return [self._channel_json(channel) for channel in self.channels.values()]

    def get_channel(self, _: Json, channel_id: str) -> Any:
        return self._channel_json(self._channel(channel_id))

    def create(self, query: Json) -> Any:
        if "app" not in query or "endpoint" not in query:
            raise _Refuse(400, "Missing parameter")
        channel = self._make_channel(query, query["app"])
        self._soon(channel, 0.0, self._enter_stasis, channel, channel.app, _split(query.get("appArgs", "")))
        return self._channel_json(channel)

    def originate(self, query: Json, channel_id: str = "") -> Any:
        if channel_id:
            query["channelId"] = channel_id
        if not query.get("endpoint"):
            raise _Refuse(400, "Endpoint must be specified")
        if not query.get("app") and not query.get("extension"):
            raise _Refuse(400, "Application or extension must be specified")
        channel = self._make_channel(query, query.get("app", ""))
        if channel.app:
            channel.after_answer = lambda answered: self._enter_stasis(
                answered, answered.app, _split(query.get("appArgs", ""))
            )
        else:
            channel.after_answer = lambda answered: self._run_dialplan(answered, query.get("context", "default"))
        self._ring_out(channel, float(query.get("timeout", 30)))
        return self._channel_json(channel)

    def dial(self, query: Json, channel_id: str) -> None:
        channel = self._in_stasis(channel_id)
        if channel.was_dialled or channel.state != "Down":
            raise _Refuse(409, "Channel is not in the down state")
        channel.is_in_dial_bridge = True
        self._ring_out(channel, float(query.get("timeout") or 30))

    def hangup(self, query: Json, channel_id: str) -> None:
        channel = self._channel(channel_id)
        cause = int(
            query.get("reason_code") or {"busy": 17, "congestion": 34, "no_answer": 19}.get(query.get("reason"), 16)
        )
        self._event("ChannelHangupRequest", channel, cause=32, soft=True)
        self._destroy(channel, cause)

    def answer(self, _: Json, channel_id: str) -> None:
        channel = self._in_stasis(channel_id)
        if channel.state != "Up":
            self._set_state(channel, "Up")

    def nothing(self, _: Json, channel_id: str, **__: str) -> None:
        self._in_stasis(channel_id)

    def continue_in_dialplan(self, query: Json, channel_id: str) -> None:
        channel = self._in_stasis(channel_id)
        self._leave_bridge(channel)
        channel.in_stasis = False
        self._soon(channel, 0.0, self._leave_stasis, channel, query.get("context", channel.context))

    def get_variable(self, query: Json, channel_id: str) -> Any:
        channel = self._channel(channel_id)
        if query["variable"] not in channel.variables:
            raise _Refuse(404, "Provided variable was not found")
        return {"value": channel.variables[query["variable"]]}

    def set_variable(self, query: Json, channel_id: str) -> None:
        channel = self._in_stasis(channel_id)
        channel.variables[query["variable"]] = query.get("value", "")
        self._event("ChannelVarset", channel, variable=query["variable"], value=query.get("value", ""))
        if query["variable"] == "TALK_DETECT(set)" and channel.far_end.speaks_for is not None:
            milliseconds = round(channel.far_end.speaks_for * 1000)
            self._soon(channel, 0.01, self._talking, channel, "ChannelTalkingStarted", {})
            self._soon(channel, 0.03, self._talking, channel, "ChannelTalkingFinished", {"duration": milliseconds})

    def _talking(self, channel: _Channel, kind: str, fields: Json) -> None:
        self._event(kind, channel, **fields)

    def snoop(self, query: Json, channel_id: str, snoop_id: str = "") -> Any:
        target = self._channel(channel_id)
        number = snoop_id or query.get("snoopId") or f"snoop-{self._next()}"
        self._check_id(number)
        channel = self._new_channel(query["app"], f"Snoop/{target.id}", number)
        channel.state, channel.snoops_on = "Up", target.id
        self._soon(channel, 0.0, self._enter_stasis, channel, channel.app, _split(query.get("appArgs", "")))
        return self._channel_json(channel)

    def play(self, query: Json, channel_id: str = "", bridge_id: str = "", playback_id: str = "") -> Any:
        if channel_id:
            self._in_stasis(channel_id)
            app, target = self.channels[channel_id].app, f"channel:{channel_id}"
        else:
            bridge = self._bridge(bridge_id)
            app, target = self._app_of(bridge), f"bridge:{bridge.id}"
        number = playback_id or query.get("playbackId") or f"playback-{self._next()}"
        playback = {
            "id": number,
            "media_uri": query["media"],
            "target_uri": target,
            "language": "en",
            "state": "queued",
        }
        loop = asyncio.get_running_loop()
        if query["media"] in self.missing_media:
            loop.call_soon(self._plain, app, "PlaybackFinished", {"playback": {**playback, "state": "failed"}})
            return playback
        self._playbacks[number] = (playback, loop.call_later(0.03, self._played, app, number))
        loop.call_soon(self._plain, app, "PlaybackStarted", {"playback": {**playback, "state": "playing"}})
        return playback

    def get_playback(self, _: Json, playback_id: str) -> Any:
        if playback_id not in self._playbacks:
            raise _Refuse(404, "Playback not found")
        return self._playbacks[playback_id][0]

    def stop_playback(self, _: Json, playback_id: str) -> None:
        playback = self.get_playback({}, playback_id)
        self._playbacks[playback_id][1].cancel()
        target = playback["target_uri"].split(":", 1)[1]
        channel = self.channels.get(target)
        self._played(channel.app if channel else self._app_of(self.bridges[target]), playback_id)

    def _played(self, app: str, number: str) -> None:
        playback, _ = self._playbacks.pop(number)
        self._plain(app, "PlaybackFinished", {"playback": {**playback, "state": "done"}})

    def _make_channel(self, query: Json, app: str) -> _Channel:
        tech, _, rest = query["endpoint"].partition("/")
        number, _, trunk = rest.partition("@")
        if tech != "PJSIP" or (trunk not in self.trunks if trunk else number not in self.phones):
            raise _Refuse(500, "Allocation failed")
        number_id = query.get("channelId") or f"fake-{self._next()}"
        self._check_id(number_id)
        channel = self._new_channel(app, query["endpoint"], number_id)
        channel.far_end = self.far_end_of(number)
        for name, value in query.get("variables", {}).items():
            channel.variables[name] = value["value"] if isinstance(value, dict) else str(value)
        if query.get("callerId"):
            channel.connected = _party(query["callerId"])
        if "TIMEOUT(absolute)" in channel.variables:
            self._soon(channel, self.second * float(channel.variables["TIMEOUT(absolute)"]), self._time_is_up, channel)
        return channel

    def _check_id(self, number: str) -> None:
        if any(other.lower().startswith(number.lower()) for other in self.channels):
            raise _Refuse(409, "Channel with given unique ID already exists")

    def _new_channel(self, app: str, endpoint: str, number: str) -> _Channel:
        resource = endpoint.rpartition("@")[2] if "@" in endpoint else endpoint.partition("/")[2]
        name = f"{endpoint.partition('/')[0]}/{resource}-{self._next():08x}"
        channel = self.channels[number] = _Channel(number, name, app, endpoint, created=_now())
        return channel

    def _ring_out(self, channel: _Channel, timeout: float) -> None:
        far_end = channel.far_end
        channel.was_dialled = True
        self._dial_event(channel, "")
        if far_end.ring_after is not None:
            self._soon(channel, far_end.ring_after, self._ringing, channel)
        if far_end.answer_after is not None:
            self._soon(channel, far_end.answer_after, self._answered, channel)
        elif far_end.reject_after is not None:
            self._soon(channel, far_end.reject_after, self._rejected, channel)
        if timeout > 0:
            self._soon(channel, self.second * timeout, self._rang_out, channel)

    def _ringing(self, channel: _Channel) -> None:
        self._dial_event(channel, "RINGING")
        self._set_state(channel, "Ringing")

    def _answered(self, channel: _Channel) -> None:
        self._set_state(channel, "Up")
        self._dial_event(channel, "ANSWER")
        if channel.after_answer is not None:
            channel.after_answer(channel)
        if channel.far_end.hangup_after is not None:
            self._soon(channel, channel.far_end.hangup_after, self.hang_up, channel.id)

    def _rejected(self, channel: _Channel) -> None:
        far_end = channel.far_end
        extra = {} if far_end.tech_cause is None else {"tech_cause": far_end.tech_cause}
        self._event("ChannelHangupRequest", channel, cause=far_end.cause, **extra)
        if not channel.in_stasis:
            self._dial_event(channel, {17: "BUSY", 34: "CONGESTION"}.get(far_end.cause, "NOANSWER"))
        self._destroy(channel, far_end.cause, far_end.tech_cause)

    def _rang_out(self, channel: _Channel) -> None:
        if channel.state == "Up":
            return
        if channel.in_stasis:
            self._event("ChannelHangupRequest", channel, cause=32, soft=True)
        self._destroy(channel, 19, 480)

    def _time_is_up(self, channel: _Channel) -> None:
        self._event("ChannelHangupRequest", channel, cause=128, soft=True)
        self._destroy(channel, 16)

    def _set_state(self, channel: _Channel, state: str) -> None:
        channel.state = state
        self._event("ChannelStateChange", channel)

    def _enter_stasis(self, channel: _Channel, app_name: str, args: list[str]) -> None:
        app = self.apps.get(app_name)
        if app is None or app.socket is None:
            if channel.was_dialled or not channel.app:
                self._destroy(channel, 16)
            return
        channel.app, channel.in_stasis = app_name, True
        self._event("StasisStart", channel, args=args)

    def _leave_stasis(self, channel: _Channel, context: str) -> None:
        self._event("StasisEnd", channel)
        self._run_dialplan(channel, context)

    def _run_dialplan(self, channel: _Channel, context: str) -> None:
        """The contexts of the project's `dialplan/` that a test can send a channel to."""
        channel.context = context
        if context == "sd-amd":
            verdict = dict(zip(("AMDSTATUS", "AMDCAUSE"), self.amd_verdict, strict=True))
            self._soon(channel, 0.03, self._back, channel, "amd", verdict)
        elif context == "sd-silence":
            self._soon(channel, 0.03, self._back, channel, "silence", {"WAITSTATUS": self.silence_verdict})
        elif context == "sd-safe-harbour":
            self._soon(channel, 0.05, self._destroy, channel, 16)
        else:
            self._destroy(channel, 16)

    def _back(self, channel: _Channel, entry: str, found: dict[str, str], tries: int = 0) -> None:
        """Into the application with what was found; tried again while it is away, then the message and the end."""
        channel.variables |= found
        app = channel.variables.get("SD_APP", "stasis_dialer")
        if self.apps.get(app) is not None and self.apps[app].socket is not None:
            self._enter_stasis(channel, app, [entry, channel.variables.get("SD_ATTEMPT", ""), *found.values()])
        elif tries < 10:
            self._soon(channel, 0.2 * self.second, self._back, channel, entry, found, tries + 1)
        else:
            self._run_dialplan(channel, "sd-safe-harbour")

    def _destroy(self, channel: _Channel, cause: int, tech_cause: int | None = None) -> None:
        if self.channels.pop(channel.id, None) is None:
            return
        for timer in channel.timers:
            timer.cancel()
        self._leave_bridge(channel)
        for name in [n for n, it in self.recordings.items() if it["target_uri"] == f"channel:{channel.id}"]:
            self.stop_recording({}, name)
        for snoop in [other for other in self.channels.values() if other.snoops_on == channel.id]:
            self._destroy(snoop, 16)
        if channel.in_stasis:
            self._event("StasisEnd", channel)
            channel.in_stasis = False
        extra = {} if tech_cause is None else {"tech_cause": tech_cause}
        if not channel.snoops_on:
            self._event("ChannelDestroyed", channel, cause=cause, cause_txt=CAUSES.get(cause, "Unknown"), **extra)

    def _soon(self, channel: _Channel, seconds: float, action: Callable[..., Any], *args: Any) -> None:
        def run() -> None:
            if channel.id in self.channels:
                action(*args)

        channel.timers.append(asyncio.get_running_loop().call_later(seconds, run))

    def _channel(self, channel_id: str) -> _Channel:
        if channel_id not in self.channels:
            raise _Refuse(404, "Channel not found")
        return self.channels[channel_id]

    def _in_stasis(self, channel_id: str) -> _Channel:
        channel = self._channel(channel_id)
        if not channel.in_stasis:
            raise _Refuse(409, "Channel not in Stasis application")
        return channel

    # bridges

    def list_bridges(self, _: Json) -> Any:
        return [_bridge_json(bridge) for bridge in self.bridges.values()]

    def get_bridge(self, _: Json, bridge_id: str) -> Any:
        return _bridge_json(self._bridge(bridge_id))

    def create_bridge(self, query: Json, bridge_id: str = "") -> Any:
        number = bridge_id or query.get("bridgeId") or f"bridge-{self._next()}"
        if number.lower() in map(str.lower, self.bridges):
            raise _Refuse(409, "Bridge with given unique ID already exists")
        self.bridges[number] = bridge = _Bridge(number, query.get("name", ""), query.get("type", "mixing"), _now())
        return _bridge_json(bridge)

    def destroy_bridge(self, _: Json, bridge_id: str) -> None:
        bridge = self._bridge(bridge_id)
        apps = {self.channels[number].app for number in bridge.channels}
        for number in list(bridge.channels):
            self._leave_bridge(self.channels[number])
        del self.bridges[bridge_id]
        for app in apps:
            self._plain(app, "BridgeDestroyed", {"bridge": _bridge_json(bridge)})

    def add_channel(self, query: Json, bridge_id: str) -> None:
        bridge = self._bridge(bridge_id)
        names = query["channel"] if isinstance(query["channel"], list) else query["channel"].split(",")
        for number in names:
            if number not in self.channels:
                raise _Refuse(400, "Channel not found")
            if not self.channels[number].in_stasis:
                raise _Refuse(422, "Channel not in Stasis application")
        for number in names:
            channel = self.channels[number]
            self._leave_bridge(channel)
            channel.bridge = bridge
            channel.is_in_dial_bridge = False
            bridge.channels.append(number)
            self._event("ChannelEnteredBridge", channel, bridge=_bridge_json(bridge))

    def remove_channel(self, query: Json, bridge_id: str) -> None:
        bridge = self._bridge(bridge_id)
        for number in query["channel"].split(","):
            if number not in bridge.channels:
                raise _Refuse(422, "Channel not in this bridge")
            self._leave_bridge(self.channels[number])

    def bridge_stub(self, _: Json, bridge_id: str) -> None:
        self._bridge(bridge_id)

    def record(self, query: Json, bridge_id: str = "", channel_id: str = "") -> Any:
        app = self._app_of(self._bridge(bridge_id)) if bridge_id else self._in_stasis(channel_id).app
        target = f"bridge:{bridge_id}" if bridge_id else f"channel:{channel_id}"
        name = query["name"]
        if name in self.recordings:
            raise _Refuse(409, f"Recording '{name}' already exists and can not be overwritten")
        recording = {"name": name, "format": query["format"], "target_uri": target, "state": "queued"}
        if channel_id and self.channels[channel_id].is_in_dial_bridge:
            self._plain(app, "RecordingFailed", {"recording": {**recording, "state": "failed"}})
            return recording
        self.recordings[name] = recording
        self._plain(app, "RecordingStarted", {"recording": {**recording, "state": "recording"}})
        return recording

    def get_recording(self, _: Json, name: str) -> Any:
        if name not in self.recordings:
            raise _Refuse(404, "Recording not found")
        return self.recordings[name]

    def stop_recording(self, _: Json, name: str) -> None:
        recording = self.get_recording({}, name)
        del self.recordings[name]
        self.stored[name] = recording["format"]
        for app in list(self.apps):
            self._plain(app, "RecordingFinished", {"recording": {**recording, "state": "done", "duration": 1}})

    def pause_recording(self, _: Json, name: str) -> None:
        self.recordings[name] = {**self.get_recording({}, name), "state": "paused"}

    def unpause_recording(self, _: Json, name: str) -> None:
        self.recordings[name] = {**self.get_recording({}, name), "state": "recording"}

    def list_stored(self, _: Json) -> Any:
        return [{"name": name, "format": kind} for name, kind in sorted(self.stored.items())]

    def delete_stored(self, _: Json, name: str) -> None:
        if self.stored.pop(name, None) is None:
            raise _Refuse(404, "Recording not found")

    def _bridge(self, bridge_id: str) -> _Bridge:
        if bridge_id not in self.bridges:
            raise _Refuse(404, "Bridge not found")
        return self.bridges[bridge_id]

    def _leave_bridge(self, channel: _Channel) -> None:
        bridge, channel.bridge = channel.bridge, None
        if bridge is not None:
            bridge.channels.remove(channel.id)
            self._event("ChannelLeftBridge", channel, bridge=_bridge_json(bridge))

    def _app_of(self, bridge: _Bridge) -> str:
        return next((self.channels[number].app for number in bridge.channels), "")

    # applications, asterisk, endpoints

    def list_applications(self, _: Json) -> Any:
        return [self._app_json(app) for app in self.apps.values()]

    def get_application(self, _: Json, name: str) -> Any:
        return self._app_json(self._app(name))

    def filter_events(self, query: Json, name: str) -> Any:
        app = self._app(name)
        app.disallowed, app.allowed = query.get("disallowed", []), query.get("allowed", [])
        return self._app_json(app)

    def subscribe(self, query: Json, name: str) -> Any:
        app = self._app(name)
        for source in query["eventSource"].split(","):
            kind, _, number = source.partition(":")
            known = {"channel": self.channels, "bridge": self.bridges, "endpoint": self._endpoints()}.get(kind)
            if known is None:
                raise _Refuse(400, "Invalid scheme")
            if number not in known:
                raise _Refuse(422, "EventSource does not exist")
            app.sources.add(source)
        return self._app_json(app)

    def unsubscribe(self, query: Json, name: str) -> Any:
        app = self._app(name)
        app.sources -= set(query["eventSource"].split(","))
        return self._app_json(app)

    def ping(self, _: Json) -> Any:
        return {"ping": "pong", "timestamp": _now(), "asterisk_id": "02:fa:4e:00:00:01"}

    def info(self, _: Json) -> Any:
        return {
            "system": {"version": "22.10.1-fake", "entity_id": "02:fa:4e:00:00:01"},
            "config": {"name": "", "default_language": "en", "setid": {"user": "", "group": ""}},
            "status": {"startup_time": self._startup, "last_reload_time": self._startup},
        }

    def list_endpoints(self, _: Json) -> Any:
        return [self._endpoint_json(name) for name in self._endpoints()]

    def get_endpoint(self, _: Json, tech: str, resource: str) -> Any:
        if f"{tech}/{resource}" not in self._endpoints():
            raise _Refuse(404, "Endpoint not found")
        return self._endpoint_json(f"{tech}/{resource}")

    def _endpoints(self) -> dict[str, bool]:
        return {f"PJSIP/{name}": True for name in sorted(self.trunks | self.phones)}

    def _endpoint_json(self, name: str) -> Json:
        tech, _, resource = name.partition("/")
        channels = [channel.id for channel in self.channels.values() if self._endpoint_of(channel) == name]
        return {"technology": tech, "resource": resource, "state": "online", "channel_ids": channels}

    @staticmethod
    def _endpoint_of(channel: _Channel) -> str:
        tech, _, rest = channel.endpoint.partition("/")
        return f"{tech}/{rest.rpartition('@')[2]}"

    def _app(self, name: str) -> _App:
        if name not in self.apps:
            raise _Refuse(404, "Application not found")
        return self.apps[name]

    def _app_json(self, app: _App) -> Json:
        sources = [source.partition(":")[::2] for source in app.sources]
        return {
            "name": app.name,
            "channel_ids": [channel.id for channel in self.channels.values() if channel.app == app.name],
            "bridge_ids": [number for kind, number in sources if kind == "bridge"],
            "endpoint_ids": [number for kind, number in sources if kind == "endpoint"],
            "device_names": [],
            "events_allowed": app.allowed,
            "events_disallowed": app.disallowed,
        }

    # events

    def _event(self, event_type: str, channel: _Channel, **fields: Any) -> None:
        self._tell(channel, {"type": event_type, **fields, "channel": self._channel_json(channel)})

    def _dial_event(self, channel: _Channel, dialstatus: str) -> None:
        event = {"type": "Dial", "dialstatus": dialstatus, "forward": "", "dialstring": channel.endpoint[6:]}
        self._tell(channel, {**event, "peer": self._channel_json(channel)})

    def _tell(self, channel: _Channel, event: Json) -> None:
        """To the channel's own application, and once more by every subscription that covers it, with one time."""
        event = {"timestamp": _now(), **event}
        for app in list(self.apps.values()):
            is_its_own = app.name == channel.app and (channel.in_stasis or not channel.is_from_dialplan)
            times = is_its_own + (f"endpoint:{self._endpoint_of(channel)}" in app.sources)
            times += not is_its_own and f"channel:{channel.id}" in app.sources
            for _ in range(times):
                self._send(app, event)

    def _plain(self, app_name: str, event_type: str, fields: Json) -> None:
        if app_name in self.apps:
            self._send(self.apps[app_name], {"type": event_type, **fields})

    def _send(self, app: _App, event: Json) -> None:
        name = event["type"]
        if app.socket is None or {"type": name} in app.disallowed:
            return
        if self._lose.get(name, 0) > 0:
            self._lose[name] -= 1
            return
        times = 1
        if self._repeat.get(name, 0) > 0:
            self._repeat[name] -= 1
            times = 2
        text = json.dumps({"timestamp": _now(), **event, "asterisk_id": "02:fa:4e:00:00:01", "application": app.name})
        for _ in range(times):
            self._write(app.socket, text)

    @staticmethod
    def _write(socket: web.WebSocketResponse, text: str) -> None:
        """Send without waiting, in order: the frame is written before the coroutine first suspends."""
        coroutine = socket.send_str(text)
        try:
            coroutine.send(None)
        except (StopIteration, ConnectionError, RuntimeError):
            return
        coroutine.close()

    def _channel_json(self, channel: _Channel) -> Json:
        return {
            "id": channel.id,
            "name": channel.name,
            "state": channel.state,
            "protocol_id": "fake",
            "caller": channel.caller,
            "connected": channel.connected,
            "accountcode": "",
            "dialplan": {
                "context": channel.context,
                "exten": channel.exten,
                "priority": 1,
                "app_name": "Stasis" if channel.in_stasis else "AppDial2",
                "app_data": channel.app,
            },
            "creationtime": channel.created,
            "language": "en",
            "channelvars": {name: channel.variables.get(name, "") for name in CHANNEL_VARIABLES},
        }

    def _forget_everything(self) -> None:
        for channel in self.channels.values():
            for timer in channel.timers:
                timer.cancel()
        for _, timer in self._playbacks.values():
            timer.cancel()
        for store in (self.channels, self.bridges, self._playbacks, self.recordings):
            store.clear()

    def _next(self) -> int:
        self._number += 1
        return self._number


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "+0000")


def _answer(status: int, content: Any) -> web.Response:
    if content is None:
        return web.Response(status=status)
    return web.json_response(content, status=status)


def _split(arguments: str) -> list[str]:
    return [part.strip('"') for part in re.findall(r'"[^"]*"|[^,]+', arguments)] if arguments else []


def _party(caller_id: str) -> Json:
    match = re.fullmatch(r'\s*"?([^"<]*?)"?\s*<([^>]*)>', caller_id)
    return {"name": match[1], "number": match[2]} if match else {"name": "", "number": caller_id}


def _bridge_json(bridge: _Bridge) -> Json:
    return {
        "id": bridge.id,
        "technology": "simple_bridge",
        "bridge_type": "holding" if bridge.type == "holding" else "mixing",
        "bridge_class": "stasis",
        "creator": "Stasis",
        "name": bridge.name,
        "channels": list(bridge.channels),
        "creationtime": bridge.created,
        "video_mode": "talker",
    }


_C, _B = r"/channels/(?P<channel_id>[^/]+)", r"/bridges/(?P<bridge_id>[^/]+)"
_ROUTES: list[tuple[str, str, Callable[..., Any]]] = [
    ("GET", "/channels", FakeAri.list_channels),
    ("POST", "/channels", FakeAri.originate),
    ("POST", "/channels/create", FakeAri.create),
    ("GET", _C, FakeAri.get_channel),
    ("POST", _C, FakeAri.originate),
    ("DELETE", _C, FakeAri.hangup),
    ("POST", f"{_C}/dial", FakeAri.dial),
    ("POST", f"{_C}/answer", FakeAri.answer),
    ("POST", f"{_C}/continue", FakeAri.continue_in_dialplan),
    ("GET", f"{_C}/variable", FakeAri.get_variable),
    ("POST", f"{_C}/variable", FakeAri.set_variable),
    ("POST", f"{_C}/play", FakeAri.play),
    ("POST", f"{_C}/play/(?P<playback_id>[^/]+)", FakeAri.play),
    ("POST", f"{_C}/record", FakeAri.record),
    ("POST", f"{_C}/snoop", FakeAri.snoop),
    ("POST", f"{_C}/snoop/(?P<snoop_id>[^/]+)", FakeAri.snoop),
    ("POST", f"{_C}/(?:ring|progress|dtmf|mute|hold|moh|silence)", FakeAri.nothing),
    ("DELETE", f"{_C}/(?:ring|mute|hold|moh|silence)", FakeAri.nothing),
    ("GET", "/bridges", FakeAri.list_bridges),
    ("POST", "/bridges", FakeAri.create_bridge),
    ("GET", _B, FakeAri.get_bridge),
    ("POST", _B, FakeAri.create_bridge),
    ("DELETE", _B, FakeAri.destroy_bridge),
    ("POST", f"{_B}/addChannel", FakeAri.add_channel),
    ("POST", f"{_B}/removeChannel", FakeAri.remove_channel),
    ("POST", f"{_B}/moh", FakeAri.bridge_stub),
    ("DELETE", f"{_B}/moh", FakeAri.bridge_stub),
    ("POST", f"{_B}/play", FakeAri.play),
    ("POST", f"{_B}/play/(?P<playback_id>[^/]+)", FakeAri.play),
    ("POST", f"{_B}/record", FakeAri.record),
    ("GET", "/playbacks/(?P<playback_id>[^/]+)", FakeAri.get_playback),
    ("DELETE", "/playbacks/(?P<playback_id>[^/]+)", FakeAri.stop_playback),
    ("GET", "/recordings/live/(?P<name>[^/]+)", FakeAri.get_recording),
    ("POST", "/recordings/live/(?P<name>[^/]+)/stop", FakeAri.stop_recording),
    ("POST", "/recordings/live/(?P<name>[^/]+)/pause", FakeAri.pause_recording),
    ("DELETE", "/recordings/live/(?P<name>[^/]+)/pause", FakeAri.unpause_recording),
    ("GET", "/recordings/stored", FakeAri.list_stored),
    ("DELETE", "/recordings/stored/(?P<name>[^/]+)", FakeAri.delete_stored),
    ("GET", "/applications", FakeAri.list_applications),
    ("GET", "/applications/(?P<name>[^/]+)", FakeAri.get_application),
    ("PUT", "/applications/(?P<name>[^/]+)/eventFilter", FakeAri.filter_events),
    ("POST", "/applications/(?P<name>[^/]+)/subscription", FakeAri.subscribe),
    ("DELETE", "/applications/(?P<name>[^/]+)/subscription", FakeAri.unsubscribe),
    ("GET", "/asterisk/ping", FakeAri.ping),
    ("GET", "/asterisk/info", FakeAri.info),
    ("GET", "/endpoints", FakeAri.list_endpoints),
    ("GET", r"/endpoints/(?P<tech>[^/]+)/(?P<resource>[^/]+)", FakeAri.get_endpoint),
]
