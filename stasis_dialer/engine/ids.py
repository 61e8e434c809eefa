"""Ids that are ours: chosen before a request is sent, never used twice, recognised after a restart.

`APP-KIND-TIME-CHANCE`: the application keeps two dialers on one Asterisk apart, the time (milliseconds, base 36) keeps
rows in the order of their making.
"""

from __future__ import annotations

import secrets
import time
import zlib
from typing import Final

CALL: Final = "c"
CALL_AGAIN: Final = "d"
"""The channel of an attempt's second try."""
AGENT_LEG: Final = "a"
BRIDGE: Final = "b"
HOLD_BRIDGE: Final = "h"
"""Where a customer hears music."""
TRANSFER: Final = "x"
LEFT: Final = "y"
"""What an agent is busy with who has handed a call over and is not home yet."""
TARGET_LEG: Final = "t"
"""The channel of a number to which a call is transferred."""
LISTENER: Final = "r"
"""The channel that records a call."""
SESSION: Final = "s"
SUPERVISION: Final = "v"
SUPERVISOR_LEG: Final = "u"
EAR: Final = "e"
"""The channel by which a supervisor hears an agent, and speaks."""
EAR_BRIDGE: Final = "w"
"""Where a supervisor's leg meets the ear."""

DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"


class Ids:
    """Makes the ids of one application."""

    def __init__(self, app: str) -> None:
        self._app = app

    def new(self, kind: str) -> str:
        """A new id; at most 64 characters for an application's name of up to 40."""
        return f"{self._app}-{kind}-{_base36(time.time_ns() // 1_000_000)}-{secrets.token_hex(6)}"

    def on_trunk(self, kind: str, trunk: str) -> str:
        """The new id of a channel on this trunk: after a restart it tells which one. A trunk's name may be any text."""
        return f"{self.new(kind)}-{_tag(trunk)}"

    def is_on_trunk(self, id_: str, trunk: str) -> bool:
        """Whether the id was made for a channel on this trunk."""
        return id_.endswith(f"-{_tag(trunk)}")

    def again(self, call_id: str) -> str:
        """The channel of an attempt's second try: as long as the attempt's id, and told from it after a restart."""
        rest = call_id.removeprefix(f"{self._app}-{CALL}-")
        return f"{self._app}-{CALL_AGAIN}-{rest}"

    def of_call(self, kind: str, call_id: str, suffix: str) -> str:
        """The channel that belongs to a call in this way: found again after a restart by the call's id alone."""
        rest = call_id.removeprefix(f"{self._app}-{CALL}-")
        return f"{self._app}-{kind}-{rest}-{suffix}"

    def kind(self, id_: str) -> str | None:
        """What an id of ours stands for, or None when it is not ours."""
        return id_.removeprefix(f"{self._app}-")[:1] if self.is_ours(id_) else None

    def is_ours(self, id_: str) -> bool:
        """Whether an id was made by this application."""
        head, _, rest = id_.partition(f"{self._app}-")
        return not head and rest[1:2] == "-"


def _tag(name: str) -> str:
    return f"{zlib.crc32(name.encode()):08x}"


def _base36(number: int) -> str:
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text = DIGITS[digit] + text
    return text or "0"
