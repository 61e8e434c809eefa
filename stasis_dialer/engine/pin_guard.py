"""Wrong PINs are counted for each extension, over all its calls; too many lock it for a while.

In memory: a restart of the dialer forgets, which is worth less to a guesser than the lock costs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from stasis_dialer.errors import Refused

log = structlog.get_logger(__name__)


class PinStore(Protocol):
    """The database's PINs, as a login needs them."""

    async def is_wanted(self, extension: str) -> bool: ...

    async def is_right(self, extension: str, pin: str) -> bool: ...


@dataclass(slots=True)
class _Doubt:
    wrong: int = 0
    until: float = 0.0


class PinGuard:
    """Who may try a PIN now. Units: `lock_seconds` and the clock's are seconds."""

    def __init__(self, now: Callable[[], float], tries: int, lock_seconds: float) -> None:
        self._now = now
        self._tries = tries
        self._lock_seconds = lock_seconds
        self._doubts: dict[str, _Doubt] = {}

    def check(self, extension: str) -> None:
        """Raises: Refused while the extension is locked."""
        doubt = self._doubts.get(extension)
        if doubt is not None and doubt.until > self._now():
            left = round(doubt.until - self._now())
            raise Refused(f"too many wrong PINs: extension={extension} seconds_left={left}")

    def wrong(self, extension: str) -> bool:
        """One more wrong PIN; whether that locks the extension."""
        doubt = self._doubts.setdefault(extension, _Doubt())
        doubt.wrong += 1
        if doubt.wrong < self._tries:
            log.info("pin-wrong", agent=extension, tries=doubt.wrong)
            return False
        doubt.wrong, doubt.until = 0, self._now() + self._lock_seconds
        log.warning("pin-locked", agent=extension, tries=self._tries, seconds=self._lock_seconds)
        return True

    def right(self, extension: str) -> None:
        """The PIN was right: nothing is held against the extension."""
        self._doubts.pop(extension, None)
