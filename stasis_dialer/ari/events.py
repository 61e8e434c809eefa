"""The events that Asterisk sends, one class each, with the objects inside them.

Names are Asterisk's. A class answers by attribute (`event.channel.state`) and, for users of ari-py, like a dict
(`event["channel"]["state"]`). Only what makes an object usable is required; everything else has a default, so that a
newer or older Asterisk does not make an event unreadable.
Source: `rest-api/api-docs/events.json` of Asterisk 22.10.1; a contract test compares.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Union

import msgspec


class Json(msgspec.Struct, frozen=True, gc=False):
    """An object of ARI: attributes for new code, `[]`, `in` and `get` for code written for ari-py."""

    def __getitem__(self, name: str) -> Any:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self.to_dict())

    def get(self, name: str, default: Any = None) -> Any:
        """The value of an ARI field, or the default when Asterisk did not send it."""
        value = getattr(self, f"{name}_" if name == "from" else name, None)
        return default if value is None else value

    def to_dict(self) -> dict[str, Any]:
        """The object as plain dicts and lists, without the fields that Asterisk did not send."""
        plain: dict[str, Any] = _without_none(msgspec.to_builtins(self))
        return plain


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_none(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_none(item) for item in value]
    return value


class CallerID(Json, frozen=True):
    """Name and number of a party."""

    name: str = ""
    number: str = ""


class DialplanCEP(Json, frozen=True):
    """Where a channel is in the dialplan; `app_name` is `Stasis` while it is ours."""

    context: str = ""
    exten: str = ""
    priority: int = 0
    app_name: str = ""
    app_data: str = ""


_NOBODY = CallerID()
_NOWHERE = DialplanCEP()


class Channel(Json, frozen=True):
    """A leg as Asterisk saw it at the moment of the event."""

    id: str
    name: str = ""
    state: str = ""
    protocol_id: str = ""
    caller: CallerID = _NOBODY
    connected: CallerID = _NOBODY
    accountcode: str = ""
    dialplan: DialplanCEP = _NOWHERE
    creationtime: str = ""
    language: str = ""
    channelvars: dict[str, Any] | None = None
    caller_rdnis: str | None = None
    tenantid: str | None = None


class Bridge(Json, frozen=True):
    """A mix of channels."""

    id: str
    technology: str = ""
    bridge_type: str = ""
    bridge_class: str = ""
    creator: str = ""
    name: str = ""
    channels: list[str] = []
    video_mode: str | None = None
    video_source_id: str | None = None
    creationtime: str = ""
    bridgevars: dict[str, Any] | None = None


class Playback(Json, frozen=True):
    """A sound being played to a channel or bridge."""

    id: str
    media_uri: str = ""
    next_media_uri: str | None = None
    target_uri: str = ""
    language: str | None = None
    state: str = ""


class LiveRecording(Json, frozen=True):
    """A recording under way; Units: durations in seconds."""

    name: str
    format: str = ""
    target_uri: str = ""
    state: str = ""
    duration: int | None = None
    talking_duration: int | None = None
    silence_duration: int | None = None
    cause: str | None = None


class Endpoint(Json, frozen=True):
    """A telephone or trunk that Asterisk knows."""

    technology: str
    resource: str
    state: str | None = None
    channel_ids: list[str] = []


class DeviceState(Json, frozen=True):
    """The state of a device, as for busy lamps."""

    name: str
    state: str = ""


class ContactInfo(Json, frozen=True):
    """One registration of an endpoint."""

    uri: str = ""
    contact_status: str = ""
    aor: str = ""
    roundtrip_usec: str | None = None


class Peer(Json, frozen=True):
    """The far end of a technology that has peers."""

    peer_status: str = ""
    cause: str | None = None
    address: str | None = None
    port: str | None = None
    time: str | None = None


class TextMessage(Json, frozen=True, rename={"from_": "from"}):
    """A text message that arrived."""

    from_: str = ""
    to: str = ""
    body: str = ""
    variables: dict[str, Any] | None = None


class AdditionalParam(Json, frozen=True):
    """A protocol's extra parameter of a transfer's target."""

    parameter_name: str = ""
    parameter_value: str = ""


class RequiredDestination(Json, frozen=True):
    """Where a transfer was asked to go."""

    protocol_id: str | None = None
    destination: str | None = None
    additional_protocol_params: list[AdditionalParam] | None = None


class ReferTo(Json, frozen=True):
    """The target of a transfer that a telephone asked for."""

    requested_destination: RequiredDestination | None = None
    destination_channel: Channel | None = None
    connected_channel: Channel | None = None
    bridge: Bridge | None = None


class ReferredBy(Json, frozen=True):
    """Who asked for a transfer."""

    source_channel: Channel | None = None
    connected_channel: Channel | None = None


class Event(Json, frozen=True, tag_field="type", kw_only=True):
    """What every event has: the application it was sent to and Asterisk's own clock."""

    application: str = ""
    timestamp: str = ""
    asterisk_id: str | None = None

    @property
    def type(self) -> str:
        """The event's name in ARI."""
        return type(self).__name__

    def at(self) -> datetime:
        """When it happened by Asterisk's clock, aware, to the millisecond.

        Raises: ValueError when Asterisk sent no timestamp.
        """
        return datetime.fromisoformat(self.timestamp)


class MissingParams(Event, frozen=True, tag=True):
    """A message that we sent over the WebSocket lacked parameters."""

    params: list[str] = []


class ApplicationRegistered(Event, frozen=True, tag=True):
    """The application is registered on this socket."""


class ApplicationUnregistered(Event, frozen=True, tag=True):
    """The application is no longer registered on this socket."""


class ApplicationReplaced(Event, frozen=True, tag=True):
    """Another socket took the application: no event comes here any more."""


class ApplicationMoveFailed(Event, frozen=True, tag=True):
    """A channel could not be moved to another application."""

    channel: Channel
    destination: str = ""
    args: list[str] = []


class StasisStart(Event, frozen=True, tag=True):
    """A channel entered the application; for a channel that we created it is still down."""

    channel: Channel
    args: list[str] = []
    replace_channel: Channel | None = None


class StasisEnd(Event, frozen=True, tag=True):
    """A channel left the application; it may live on in the dialplan."""

    channel: Channel


class Dial(Event, frozen=True, tag=True):
    """Progress of a dialled leg; `dialstatus` is empty at its start."""

    peer: Channel
    caller: Channel | None = None
    forwarded: Channel | None = None
    forward: str | None = None
    dialstring: str | None = None
    dialstatus: str = ""


class ChannelCreated(Event, frozen=True, tag=True):
    """A channel exists now."""

    channel: Channel


class ChannelDestroyed(Event, frozen=True, tag=True):
    """A channel is gone: the only final word on it. `cause` is Q.850, `tech_cause` the SIP status of a failure."""

    channel: Channel
    cause: int = 0
    cause_txt: str = ""
    tech_cause: int | None = None


class ChannelStateChange(Event, frozen=True, tag=True):
    """A channel is in another state now: Ringing, Up and so on."""

    channel: Channel


class ChannelHangupRequest(Event, frozen=True, tag=True):
    """Somebody asked for a hang-up; with `soft`, `cause` is Asterisk's soft-hangup flag and not Q.850."""

    channel: Channel
    cause: int | None = None
    tech_cause: int | None = None
    soft: bool | None = None


class ChannelEnteredBridge(Event, frozen=True, tag=True):
    """A channel joined a bridge."""

    bridge: Bridge
    channel: Channel | None = None


class ChannelLeftBridge(Event, frozen=True, tag=True):
    """A channel left a bridge."""

    bridge: Bridge
    channel: Channel


class ChannelDtmfReceived(Event, frozen=True, tag=True):
    """A digit was pressed, and is over; Units: milliseconds."""

    channel: Channel
    digit: str = ""
    duration_ms: int = 0


class ChannelDialplan(Event, frozen=True, tag=True):
    """A channel goes to another dialplan application."""

    channel: Channel
    dialplan_app: str = ""
    dialplan_app_data: str = ""


class ChannelCallerId(Event, frozen=True, tag=True):
    """A channel's caller id changed."""

    channel: Channel
    caller_presentation: int = 0
    caller_presentation_txt: str = ""


class ChannelConnectedLine(Event, frozen=True, tag=True):
    """A channel's connected line changed."""

    channel: Channel


class ChannelUserevent(Event, frozen=True, tag=True):
    """The dialplan or an ARI client sent an event of its own."""

    eventname: str = ""
    channel: Channel | None = None
    bridge: Bridge | None = None
    endpoint: Endpoint | None = None
    userevent: dict[str, Any] = {}


class ChannelVarset(Event, frozen=True, tag=True):
    """A variable was set."""

    variable: str = ""
    value: str = ""
    channel: Channel | None = None


class ChannelHold(Event, frozen=True, tag=True):
    """A telephone put the call on hold."""

    channel: Channel
    musicclass: str | None = None


class ChannelUnhold(Event, frozen=True, tag=True):
    """A telephone took the call off hold."""

    channel: Channel


class ChannelToneDetected(Event, frozen=True, tag=True):
    """A tone was heard on a channel."""

    channel: Channel


class ChannelTalkingStarted(Event, frozen=True, tag=True):
    """Somebody began to talk."""

    channel: Channel


class ChannelTalkingFinished(Event, frozen=True, tag=True):
    """Somebody stopped talking; Units: `duration` in milliseconds."""

    channel: Channel
    duration: int = 0


class ChannelTransfer(Event, frozen=True, tag=True):
    """A telephone asked for a transfer that the application is to carry out."""

    state: str | None = None
    refer_to: ReferTo | None = None
    referred_by: ReferredBy | None = None


class CallBroadcast(Event, frozen=True, tag=True):
    """A call is offered to several applications at once."""

    channel: Channel
    caller: str | None = None
    called: str | None = None


class CallClaimed(Event, frozen=True, tag=True):
    """One of several applications took an offered call."""

    channel: Channel
    winner_app: str = ""


class BridgeCreated(Event, frozen=True, tag=True):
    """A bridge exists now."""

    bridge: Bridge


class BridgeDestroyed(Event, frozen=True, tag=True):
    """A bridge is gone; not sent once our last channel has left it."""

    bridge: Bridge


class BridgeMerged(Event, frozen=True, tag=True):
    """One bridge took the channels of another."""

    bridge: Bridge
    bridge_from: Bridge


class BridgeVideoSourceChanged(Event, frozen=True, tag=True):
    """Another channel is the picture."""

    bridge: Bridge
    old_video_source_id: str | None = None


class BridgeBlindTransfer(Event, frozen=True, tag=True):
    """A blind transfer was tried."""

    channel: Channel
    replace_channel: Channel | None = None
    transferee: Channel | None = None
    exten: str = ""
    context: str = ""
    result: str = ""
    is_external: bool = False
    bridge: Bridge | None = None


class BridgeAttendedTransfer(Event, frozen=True, tag=True):
    """An attended transfer was tried."""

    transferer_first_leg: Channel
    transferer_second_leg: Channel
    replace_channel: Channel | None = None
    transferee: Channel | None = None
    transfer_target: Channel | None = None
    result: str = ""
    is_external: bool = False
    transferer_first_leg_bridge: Bridge | None = None
    transferer_second_leg_bridge: Bridge | None = None
    destination_type: str = ""
    destination_bridge: str | None = None
    destination_application: str | None = None
    destination_link_first_leg: Channel | None = None
    destination_link_second_leg: Channel | None = None
    destination_threeway_channel: Channel | None = None
    destination_threeway_bridge: Bridge | None = None


class PlaybackStarted(Event, frozen=True, tag=True):
    """A sound is being played."""

    playback: Playback


class PlaybackContinuing(Event, frozen=True, tag=True):
    """The next sound of a list is being played."""

    playback: Playback


class PlaybackFinished(Event, frozen=True, tag=True):
    """A sound was played to its end, stopped or failed; see `playback.state`."""

    playback: Playback


class RecordingStarted(Event, frozen=True, tag=True):
    """A recording runs."""

    recording: LiveRecording


class RecordingFinished(Event, frozen=True, tag=True):
    """A recording is stored."""

    recording: LiveRecording


class RecordingFailed(Event, frozen=True, tag=True):
    """A recording could not be made; see `recording.cause`."""

    recording: LiveRecording


class ContactStatusChange(Event, frozen=True, tag=True):
    """A registration came, went or changed its reachability."""

    endpoint: Endpoint
    contact_info: ContactInfo = ContactInfo()


class PeerStatusChange(Event, frozen=True, tag=True):
    """A peer registered or went away."""

    endpoint: Endpoint
    peer: Peer = Peer()


class EndpointStateChange(Event, frozen=True, tag=True):
    """An endpoint came online or went offline."""

    endpoint: Endpoint


class DeviceStateChanged(Event, frozen=True, tag=True):
    """A device state changed."""

    device_state: DeviceState


class TextMessageReceived(Event, frozen=True, tag=True):
    """A text message arrived."""

    message: TextMessage
    endpoint: Endpoint | None = None


class RESTResponse(Event, frozen=True, tag=True):
    """The answer to a request that was sent over the WebSocket; not an event, and not shown to consumers."""

    request_id: str = ""
    transaction_id: str = ""
    status_code: int = 0
    reason_phrase: str = ""
    uri: str = ""
    content_type: str | None = None
    message_body: str = ""


BY_TYPE: dict[str, type[Event]] = {kind.__name__: kind for kind in Event.__subclasses__()}
"""Every message of Asterisk 22.10 that a client can receive, by its ARI name."""

AnyMessage = Union[tuple(BY_TYPE.values())]  # type: ignore[valid-type]  # noqa: UP007
