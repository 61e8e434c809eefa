"""A client for Asterisk's ARI on asyncio, with ari-py's names; it works without the rest of the dialer.

Callbacks, as in ari-py: `client.on_channel_event("StasisStart", callback)`, then `await client.run(apps="hello")`.
Events in one ordered stream: `async for item in client.stream("hello"):`, where an item is an event of `ari.events`
(`match item: case events.StasisStart(channel=channel, args=args):`) or a notice `Connected`, `Disconnected`,
`Replaced`; `stream.depth` is the backlog. Requests: `await client.channels.create(...)` answers an object,
`await client.call("channels.create", ...)` plain JSON, and `await client.transport.request("GET", "/channels")` bytes.
Every refusal is an `AriError` by status; a server that cannot be reached is `AriUnavailable`.
Choose every id yourself (`channelId=...`), all of one length (Asterisk takes an id that begins a live one's for used),
and register it before the request: events may come before the answer.
"""

from stasis_dialer.ari import events
from stasis_dialer.ari.callbacks import Subscription
from stasis_dialer.ari.client import Client, connect
from stasis_dialer.ari.decode import Decoder
from stasis_dialer.ari.errors import (
    AppReplaced,
    AriBadRequest,
    AriConflict,
    AriError,
    AriForbidden,
    AriLoading,
    AriMethodNotAllowed,
    AriNotFound,
    AriServerError,
    AriTimeout,
    AriUnauthorized,
    AriUnprocessable,
)
from stasis_dialer.ari.http import HttpTransport
from stasis_dialer.ari.model import (
    Bridge,
    Channel,
    DeviceState,
    Endpoint,
    LiveRecording,
    Mailbox,
    Playback,
    Sound,
    StoredRecording,
)
from stasis_dialer.ari.stream import Connected, Disconnected, EventStream, Item, Notice, Replaced
from stasis_dialer.ari.transport import Address, Response, Transport
from stasis_dialer.ari.websocket import WebSocketTransport
from stasis_dialer.errors import AriUnavailable

__all__ = [
    "Address",
    "AppReplaced",
    "AriBadRequest",
    "AriConflict",
    "AriError",
    "AriForbidden",
    "AriLoading",
    "AriMethodNotAllowed",
    "AriNotFound",
    "AriServerError",
    "AriTimeout",
    "AriUnauthorized",
    "AriUnavailable",
    "AriUnprocessable",
    "Bridge",
    "Channel",
    "Client",
    "Connected",
    "Decoder",
    "DeviceState",
    "Disconnected",
    "Endpoint",
    "EventStream",
    "HttpTransport",
    "Item",
    "LiveRecording",
    "Mailbox",
    "Notice",
    "Playback",
    "Replaced",
    "Response",
    "Sound",
    "StoredRecording",
    "Subscription",
    "Transport",
    "WebSocketTransport",
    "connect",
    "events",
]
