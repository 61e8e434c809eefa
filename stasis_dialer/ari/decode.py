"""ARI JSON to a typed event, or None (pure).

Guarantees never to raise for what arrives: an unknown type or a malformed message is None and is counted. The event
classes themselves are in `events`. Must stay cheap: every event of every call passes here, so timestamps stay text
until somebody asks for them.
"""

from collections import Counter
from typing import Any

import msgspec

from stasis_dialer.ari import events

_MAXIMUM_UNKNOWN_NAMES = 50
"""Distinct unknown event types that are counted by name, so that a broken peer cannot fill the memory."""


class _TypeOnly(msgspec.Struct):
    type: str = ""


class Decoder:
    """Decodes the messages of one event WebSocket and counts what it could not decode.

    `unknown` counts event types that this version does not know, by name; `malformed` counts messages that are not
    JSON, or lack what makes them usable.
    """

    def __init__(self) -> None:
        self.unknown: Counter[str] = Counter()
        self.malformed = 0
        self._decode = msgspec.json.Decoder(events.AnyMessage).decode
        self._decode_type = msgspec.json.Decoder(_TypeOnly).decode

    def decode(self, message: bytes | str) -> Any:
        """The event in a message of Asterisk, or None when it is unknown or malformed."""
        try:
            return self._decode(message)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            self._count(message)
            return None

    def _count(self, message: bytes | str) -> None:
        try:
            name = self._decode_type(message).type
        except (msgspec.MsgspecError, UnicodeDecodeError):
            name = ""
        if not name or name in events.BY_TYPE:
            self.malformed += 1
        elif name in self.unknown or len(self.unknown) < _MAXIMUM_UNKNOWN_NAMES:
            self.unknown[name] += 1
        else:
            self.unknown["other"] += 1
