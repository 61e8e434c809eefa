"""ari-py's client on asyncio: repositories with one coroutine per operation, and callbacks for events.

Works alone, without the dialer. Nothing is sent before the first operation or `run`. See the package for examples.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, Self

from stasis_dialer.ari import repositories
from stasis_dialer.ari.callbacks import Dispatcher, Subscription, fields_of, id_of
from stasis_dialer.ari.errors import AppReplaced
from stasis_dialer.ari.events import Event
from stasis_dialer.ari.http import CONNECTIONS, HttpTransport
from stasis_dialer.ari.model import OBJECTS, BaseObject
from stasis_dialer.ari.stream import NOISE, Connected, Disconnected, EventStream, Replaced
from stasis_dialer.ari.transport import REQUEST_TIMEOUT_SECONDS, Address, Transport
from stasis_dialer.ari.websocket import WebSocketTransport

CLOSE_LIMIT_SECONDS = 5.0
"""How long callbacks under way may take when the client is closed."""

_ENDS = {name: kind for kind in OBJECTS.values() for name in kind.ended_by}


def connect(
    base_url: str,
    username: str,
    password: str,
    *,
    transport: Literal["http", "websocket"] = "http",
    timeout_seconds: float = REQUEST_TIMEOUT_SECONDS,
    connections: int = CONNECTIONS,
    disallowed_events: Sequence[str] = NOISE,
    ssl: Any = None,
) -> "Client":
    """A client for the Asterisk at this address; sends nothing yet.

    `transport` is how requests travel: `websocket` uses the event socket while there is one, and HTTP otherwise.
    `ssl` is an `ssl.SSLContext` for https with a certificate of one's own.
    Units: seconds.
    Raises: ValueError when the address is not an http or https URL.
    """
    address = Address(base_url, username, password)
    carrier: Transport = HttpTransport(
        address, timeout_seconds=timeout_seconds, connections=connections, ssl=True if ssl is None else ssl
    )
    if transport == "websocket":
        carrier = WebSocketTransport(carrier, timeout_seconds=timeout_seconds)
    return Client(address, carrier, disallowed_events=disallowed_events, ssl=ssl)


class Client:
    """A client of ARI; `connect` makes one. An asynchronous context manager that closes itself."""

    def __init__(
        self, address: Address, transport: Transport, *, disallowed_events: Sequence[str] = NOISE, ssl: Any = None
    ) -> None:
        address.rest_url  # noqa: B018 - refuses a wrong address now rather than at the first request
        self.address = address
        self.transport = transport
        self.disallowed_events = tuple(disallowed_events)
        self.applications = repositories.Applications(self)
        self.asterisk = repositories.Asterisk(self)
        self.bridges = repositories.Bridges(self)
        self.channels = repositories.Channels(self)
        self.deviceStates = repositories.DeviceStates(self)
        self.endpoints = repositories.Endpoints(self)
        self.events = repositories.Events(self)
        self.mailboxes = repositories.Mailboxes(self)
        self.playbacks = repositories.Playbacks(self)
        self.recordings = repositories.Recordings(self)
        self.sounds = repositories.Sounds(self)
        self._ssl = ssl
        self._dispatcher = Dispatcher()
        self._streams: list[EventStream] = []
        self._running: EventStream | None = None

    # requests

    def get_repo(self, name: str) -> repositories.Repository:
        """The repository of this name, such as `channels`.

        Raises: KeyError when ARI has none of this name.
        """
        if name not in repositories.REPOSITORIES:
            raise KeyError(name)
        repository: repositories.Repository = getattr(self, name)
        return repository

    async def call(self, operation: str, /, **arguments: Any) -> Any:
        """Carry out an operation such as `channels.create` and answer plain JSON, with no object around it.

        Raises: KeyError for an unknown operation; TypeError for wrong arguments; AriError, AriUnavailable.
        """
        return await repositories.call(self, repositories.find(operation), arguments)

    def wrap(self, kind: str, json: Any) -> Any:
        """An object of ari-py for the JSON of a model of ARI, or the JSON itself when ari-py has no such object."""
        factory = OBJECTS.get(kind)
        return json if factory is None or json is None else factory(self, json)

    # events

    @property
    def connected(self) -> bool:
        """Whether events flow now."""
        return self._running is not None and self._running.connected

    @property
    def exception_handler(self) -> Callable[[Exception], Any]:
        """Called with every error of a callback; logs it unless replaced."""
        return self._dispatcher.exception_handler

    @exception_handler.setter
    def exception_handler(self, handler: Callable[[Exception], Any]) -> None:
        self._dispatcher.exception_handler = handler

    def stream(self, apps: str | Sequence[str], **options: Any) -> EventStream:
        """A stream of the events of these applications, for `async for`; see `EventStream` for the options."""
        options.setdefault("disallowed_events", self.disallowed_events)
        options.setdefault("ssl", self._ssl)
        names = [apps] if isinstance(apps, str) else list(apps)
        stream = EventStream(self.address, names, self.transport, **options)
        self._streams.append(stream)
        return stream

    async def run(self, apps: str | Sequence[str], **options: Any) -> None:
        """Register the applications and call the callbacks for their events, until `close`; reconnects by itself.

        Raises: AriUnauthorized at the first connect; AppReplaced when another program took an application.
        """
        stream = self._running = self.stream(apps, **options)
        replaced: Replaced | None = None
        async for item in stream:
            if isinstance(item, Event):
                self._dispatch(item)
            elif isinstance(item, Replaced):
                replaced = item
            else:
                self._dispatcher.notify(item)
        await self._dispatcher.drain(CLOSE_LIMIT_SECONDS)
        if replaced is not None:
            raise AppReplaced(f"{AppReplaced.__doc__}: app={replaced.application}")

    async def close(self) -> None:
        """Stop `run`, let callbacks finish, close every connection. Calls go on in Asterisk."""
        for stream in self._streams:
            await stream.close()
        await self._dispatcher.drain(CLOSE_LIMIT_SECONDS)
        await self.transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def on_connected(self, fn: Callable[[Connected], Any]) -> Subscription:
        """Call `fn(notice)` at the first connect and after every gap; compare then with what exists."""
        return self._dispatcher.add("Connected", fn)

    def on_disconnected(self, fn: Callable[[Disconnected], Any]) -> Subscription:
        """Call `fn(notice)` when events stop; calls go on in Asterisk."""
        return self._dispatcher.add("Disconnected", fn)

    def on_event(self, event_type: str, event_cb: Callable[..., Any], *args: Any, **kwargs: Any) -> Subscription:
        """Call `event_cb(event, ...)` for every event of this type.

        Raises: ValueError when ARI has no such event.
        """
        return self._dispatcher.add(event_type, lambda event: event_cb(event, *args, **kwargs))

    def on_object_event(
        self,
        event_type: str,
        event_cb: Callable[..., Any],
        factory: Callable[["Client", Any], Any],
        model_id: str,
        *args: Any,
        **kwargs: Any,
    ) -> Subscription:
        """Call `event_cb(obj, event, ...)` with the event's object of a model of ARI, made by `factory(client, json)`.

        `obj` is a dict by field name when the event may hold several of them, such as StasisStart's `channel` and
        `replace_channel`.
        Raises: ValueError when ARI has no such event, or it holds no such object.
        """
        run = self._with_objects(event_type, event_cb, factory, model_id, args, kwargs)
        return self._dispatcher.add(event_type, run, model_id)

    def on_event_of(
        self, obj: BaseObject, event_type: str, event_cb: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Subscription:
        """Like `on_object_event`, for one object only; `obj.on_event` is the short form."""
        run = self._with_objects(event_type, event_cb, OBJECTS[obj.kind], obj.kind, args, kwargs)
        return self._dispatcher.add(event_type, run, obj.kind, obj.id)

    def on_channel_event(self, event_type: str, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Subscription:
        """Call `fn(channel, event, ...)`; see `on_object_event`."""
        return self.on_object_event(event_type, fn, OBJECTS["Channel"], "Channel", *args, **kwargs)

    def on_bridge_event(self, event_type: str, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Subscription:
        """Call `fn(bridge, event, ...)`; see `on_object_event`."""
        return self.on_object_event(event_type, fn, OBJECTS["Bridge"], "Bridge", *args, **kwargs)

    def on_playback_event(self, event_type: str, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Subscription:
        """Call `fn(playback, event, ...)`; see `on_object_event`."""
        return self.on_object_event(event_type, fn, OBJECTS["Playback"], "Playback", *args, **kwargs)

    def on_live_recording_event(
        self, event_type: str, fn: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Subscription:
        """Call `fn(recording, event, ...)`; see `on_object_event`."""
        return self.on_object_event(event_type, fn, OBJECTS["LiveRecording"], "LiveRecording", *args, **kwargs)

    def on_stored_recording_event(
        self, event_type: str, fn: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Subscription:
        """Call `fn(recording, event, ...)` with a stored recording, which exists once RecordingFinished has come."""
        return self.on_object_event(event_type, fn, OBJECTS["StoredRecording"], "LiveRecording", *args, **kwargs)

    def on_endpoint_event(self, event_type: str, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Subscription:
        """Call `fn(endpoint, event, ...)`; see `on_object_event`."""
        return self.on_object_event(event_type, fn, OBJECTS["Endpoint"], "Endpoint", *args, **kwargs)

    def on_device_state_event(self, event_type: str, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Subscription:
        """Call `fn(device_state, event, ...)`; see `on_object_event`."""
        return self.on_object_event(event_type, fn, OBJECTS["DeviceState"], "DeviceState", *args, **kwargs)

    def on_sound_event(self, event_type: str, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Subscription:
        """Kept for ari-py's users: no event of ARI holds a sound.

        Raises: ValueError always.
        """
        return self.on_object_event(event_type, fn, OBJECTS["Sound"], "Sound", *args, **kwargs)

    def _dispatch(self, event: Event) -> None:
        self._dispatcher.dispatch(event, tuple(OBJECTS))
        ended = _ENDS.get(type(event).__name__)
        if ended is not None:
            for name in fields_of(event.type, ended.kind):
                self._dispatcher.forget(ended.kind, id_of(getattr(event, name)))

    def _with_objects(
        self, event_type: str, fn: Callable[..., Any], factory: Any, kind: str, args: Any, kwargs: Any
    ) -> Callable[[Event], Any]:
        names = fields_of(event_type, kind)
        if not names:
            raise ValueError(f"the event {event_type} holds no {kind}")

        def run(event: Event) -> Any:
            found = {name: factory(self, json) for name in names if (json := getattr(event, name)) is not None}
            return fn(found if len(names) > 1 else found[names[0]], event, *args, **kwargs)

        return run
