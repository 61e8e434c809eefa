"""ari-py's objects: what a channel, bridge or playback can do, its id filled in.

An object is a handle, not a mirror: `json` is what Asterisk said when the object was made and does not change by
itself. Two objects with the same id are equal.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from stasis_dialer.ari import repositories
from stasis_dialer.ari.events import Json

if TYPE_CHECKING:
    from stasis_dialer.ari.callbacks import Subscription


class BaseObject:
    """A thing in Asterisk: `id`, `json`, `client`, and the operations of ARI on it as coroutines."""

    kind: ClassVar[str] = ""
    ended_by: ClassVar[tuple[str, ...]] = ()

    def __init__(self, client: Any, json: Any) -> None:
        self.client = client
        self._json = json
        self.id: str = self._id_of(json)

    @property
    def json(self) -> dict[str, Any]:
        """What Asterisk said about the object when this handle was made."""
        if isinstance(self._json, Json):
            self._json = self._json.to_dict()
        json: dict[str, Any] = self._json
        return json

    def on_event(self, event_type: str, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> "Subscription":
        """Call `fn(objects, event, ...)` for events of this type about this object, in their order.

        The subscription ends by itself with the object's last event.
        """
        subscription: Subscription = self.client.on_event_of(self, event_type, fn, *args, **kwargs)
        return subscription

    @staticmethod
    def _id_of(json: Any) -> str:
        return str(json["id"])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BaseObject) and (self.kind, self.id) == (other.kind, other.id)

    def __hash__(self) -> int:
        return hash((self.kind, self.id))

    def __repr__(self) -> str:
        return f"{self.kind}({self.id!r})"


class _Named(BaseObject):
    """An object that Asterisk knows by name."""

    @staticmethod
    def _id_of(json: Any) -> str:
        return str(json["name"])


class Channel(BaseObject, repositories.ChannelOperations):
    """One leg of a call."""

    kind = "Channel"
    ended_by = ("ChannelDestroyed",)


class Bridge(BaseObject, repositories.BridgeOperations):
    """A mix of channels."""

    kind = "Bridge"
    ended_by = ("BridgeDestroyed",)


class Playback(BaseObject, repositories.PlaybackOperations):
    """A sound that is being played."""

    kind = "Playback"
    ended_by = ("PlaybackFinished",)


class LiveRecording(_Named, repositories.LiveRecordingOperations):
    """A recording under way; its id is its name."""

    kind = "LiveRecording"
    ended_by = ("RecordingFinished", "RecordingFailed")


class StoredRecording(_Named, repositories.StoredRecordingOperations):
    """A recording in Asterisk's spool; its id is its name."""

    kind = "StoredRecording"


class Endpoint(BaseObject, repositories.EndpointOperations):
    """A telephone or trunk; its id is technology/resource."""

    kind = "Endpoint"

    def __init__(self, client: Any, json: Any) -> None:
        super().__init__(client, json)
        self.technology, self.resource = self.id.split("/", 1)

    @staticmethod
    def _id_of(json: Any) -> str:
        return f"{json['technology']}/{json['resource']}"


class DeviceState(_Named, repositories.DeviceStateOperations):
    """A device's state; its id is its name."""

    kind = "DeviceState"


class Sound(BaseObject, repositories.SoundOperations):
    """A sound file that Asterisk can play."""

    kind = "Sound"


class Mailbox(_Named, repositories.MailboxOperations):
    """A mailbox whose counts are kept from outside; its id is its name."""

    kind = "Mailbox"


OBJECTS: dict[str, type[BaseObject]] = {
    kind.kind: kind
    for kind in (Channel, Bridge, Playback, LiveRecording, StoredRecording, Endpoint, DeviceState, Sound, Mailbox)
}
"""Every class of object, by the name of its model in ARI."""
