"""Callbacks for events: who is called for which event, in order per object.

Guarantees that callbacks about one object run one after the other in the order of arrival, that different objects run
in parallel, and that an error in a callback reaches `exception_handler` and stops nothing else. Playbacks and
recordings share the queue of the channel or bridge that they belong to.
"""

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import Callable
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin

import msgspec

from stasis_dialer.ari import events
from stasis_dialer.ari.events import Event

log = logging.getLogger(__name__)

Callback = Callable[..., Any]

_KEY_ORDER = ("channel", "peer", "transferer_first_leg", "bridge", "playback", "recording", "endpoint", "device_state")
"""Whose queue a plain `on_event` callback runs in, when an event names several objects."""


NOTICES = ("Connected", "Disconnected")
"""Notices of the stream that can be listened to like events."""


class Subscription:
    """What `on_event` and its kin return; `close()` ends it."""

    def __init__(self, dispatcher: "Dispatcher", place: tuple[str, str, str], run: Callback) -> None:
        self._dispatcher = dispatcher
        self._place = place
        self.run = run

    def close(self) -> None:
        """No further events; closing twice does no harm."""
        self._dispatcher.remove(self._place, self)


@cache
def fields_of(event_type: str, kind: str) -> tuple[str, ...]:
    """The fields of an event that hold an object of this model, such as `("channel", "replace_channel")`.

    Raises: ValueError when there is no such event.
    """
    if event_type not in events.BY_TYPE:
        raise ValueError(f"there is no ARI event called {event_type}")
    wanted = getattr(events, kind, None)
    types = ((item.name, item.type) for item in msgspec.structs.fields(events.BY_TYPE[event_type]))
    return tuple(name for name, type_ in types if wanted is not None and wanted in _alternatives(type_))


def _alternatives(type_: Any) -> tuple[Any, ...]:
    return get_args(type_) if get_origin(type_) in (Union, UnionType) else (type_,)


def id_of(json: Any) -> str:
    """The id under which ari-py knows an object inside an event."""
    if isinstance(json, events.Endpoint):
        return f"{json.technology}/{json.resource}"
    return str(getattr(json, "id", None) or json.name)


def queue_key(event: Event) -> str:
    """The object whose queue an event belongs to."""
    for name in _KEY_ORDER:
        json = getattr(event, name, None)
        if json is not None:
            return object_key(json)
    return ""


def object_key(json: Any) -> str:
    """The queue of one object; a playback or recording uses its target's."""
    if isinstance(json, (events.Playback, events.LiveRecording)) and json.target_uri:
        return json.target_uri
    return f"{type(json).__name__.lower()}:{id_of(json)}"


class Dispatcher:
    """Runs callbacks for events."""

    def __init__(self) -> None:
        self.exception_handler: Callable[[Exception], Any] = _log_error
        self._places: dict[tuple[str, str, str], list[Subscription]] = {}
        self._queues: dict[str, deque[tuple[Callback, Any]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, event_type: str, run: Callback, kind: str = "", object_id: str = "") -> Subscription:
        """Call `run(event)` for events of a type: all of them, or those with (this) object of this kind."""
        if event_type not in events.BY_TYPE and event_type not in NOTICES:
            raise ValueError(f"there is no ARI event called {event_type}")
        place = (event_type, kind, object_id)
        subscription = Subscription(self, place, run)
        self._places.setdefault(place, []).append(subscription)
        return subscription

    def remove(self, place: tuple[str, str, str], subscription: Subscription) -> None:
        """Forget a subscription."""
        subscriptions = self._places.get(place, [])
        if subscription in subscriptions:
            subscriptions.remove(subscription)
            if not subscriptions:
                del self._places[place]

    def notify(self, notice: Any) -> None:
        """Queue the callbacks for a notice of the stream; never waits."""
        for subscription in self._places.get((type(notice).__name__, "", ""), ()):
            self._enqueue("", subscription.run, notice)

    def dispatch(self, event: Event, kinds: tuple[str, ...]) -> None:
        """Queue the callbacks for an event; never waits."""
        event_type = type(event).__name__
        places = self._places
        for subscription in places.get((event_type, "", ""), ()):
            self._enqueue(queue_key(event), subscription.run, event)
        for kind in kinds:
            objects = [json for name in fields_of(event_type, kind) if (json := getattr(event, name)) is not None]
            if not objects:
                continue
            for subscription in places.get((event_type, kind, ""), ()):
                self._enqueue(object_key(objects[0]), subscription.run, event)
            for json in objects:
                for subscription in places.get((event_type, kind, id_of(json)), ()):
                    self._enqueue(object_key(json), subscription.run, event)

    def forget(self, kind: str, object_id: str) -> None:
        """Drop the subscriptions on one object that has ended."""
        for place in [place for place in self._places if place[1:] == (kind, object_id)]:
            del self._places[place]

    async def drain(self, limit_seconds: float) -> None:
        """Let queued callbacks finish; cancel those that do not in time."""
        own = asyncio.current_task()
        tasks = {task for task in self._tasks if task is not own}
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=limit_seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _enqueue(self, key: str, run: Callback, event: Any) -> None:
        queue = self._queues.get(key)
        if queue is not None:
            queue.append((run, event))
            return
        self._queues[key] = queue = deque([(run, event)])
        task = asyncio.create_task(self._work(key, queue), name=f"ari-callbacks-{key}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, key: str, queue: deque[tuple[Callback, Any]]) -> None:
        try:
            while queue:
                run, event = queue.popleft()
                try:
                    result = run(event)
                    if inspect.isawaitable(result):
                        await result
                except Exception as error:
                    self._report(error)
        finally:
            del self._queues[key]

    def _report(self, error: Exception) -> None:
        try:
            self.exception_handler(error)
        except Exception as second:
            _log_error(second)


def _log_error(error: Exception) -> None:
    log.error("an ARI callback failed", exc_info=error, extra={"event": "ari-callback-failed"})
