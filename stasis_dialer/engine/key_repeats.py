"""Keys that Asterisk tells twice.

When a key follows another so closely that Asterisk still sounds the first one to the other side of a bridge, it puts
the key back, reads it again, and sends `ChannelDtmfReceived` each time it reads it. A digit more would be
another feature code, another PIN.
"""

from __future__ import annotations

from typing import Final

from stasis_dialer.ari.events import ChannelDtmfReceived

SHORTEST_CYCLE_SECONDS: Final = 0.08
"""Two presses of one key end at least so far apart: 40 ms of tone and 40 ms of pause, the least that exchanges must
recognise (ITU-T Q.24). Asterisk's repeats came 4 to 54 ms after the first (22.10, measured in a bridge)."""
KEPT_SECONDS: Final = 1.0


class KeyRepeats:
    """The last key of each channel that was heard within a second; a flood of channels is forgotten after it."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[str, float]] = {}

    def is_repeat(self, event: ChannelDtmfReceived) -> bool:
        """Whether this is the key before it, told again. Keys without Asterisk's time never are."""
        try:
            at = event.at().timestamp()
        except ValueError:
            return False
        before = self._last.pop(event.channel.id, None)
        while self._last:
            oldest = next(iter(self._last))
            if 0.0 <= at - self._last[oldest][1] < KEPT_SECONDS:
                break
            del self._last[oldest]
        self._last[event.channel.id] = (event.digit, at)
        return before is not None and before[0] == event.digit and 0.0 <= at - before[1] < SHORTEST_CYCLE_SECONDS
