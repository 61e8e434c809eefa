"""`painel_ramais` follows the real telephones: registered, lines free or busy, last activity.

Asterisk's endpoints are read twice a second rather than subscribed to: a subscription doubles every event of our own
calls and can block ARI for good (asterisk#2170). Which endpoints are extensions: `core.extensions`. One named with
letters may be a telephone or somebody's gateway: the legacy's panel has it once an agent is logged in there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import structlog

from stasis_dialer.ari import AriError, Transport
from stasis_dialer.core.extensions import PLAIN, Extensions
from stasis_dialer.core.model import ExtensionStatus, LineStatus
from stasis_dialer.engine.clock import Clock
from stasis_dialer.engine.desk import Desk
from stasis_dialer.errors import AriUnavailable, DatabaseUnavailable

log = structlog.get_logger(__name__)


class PanelStore(Protocol):
    """The database as the panel needs it."""

    async def save_extensions(self, extensions: Sequence[ExtensionStatus], now: datetime) -> object: ...


def read_endpoints(
    endpoints: Sequence[Mapping[str, Any]], extensions: Extensions = PLAIN
) -> dict[str, ExtensionStatus]:
    """The extensions among Asterisk's endpoints (pure)."""
    named = [(extensions.of(str(endpoint["resource"])), endpoint) for endpoint in endpoints]
    return {
        extension: status_of(extension, endpoint.get("state") == "online", len(endpoint.get("channel_ids") or ()))
        for extension, endpoint in named
        if extension
    }


def status_of(number: str, is_registered: bool, channels: int) -> ExtensionStatus:
    """The panel's row: a first channel takes line 1, a second one line 2."""
    if not is_registered and not channels:
        return ExtensionStatus(number, LineStatus.UNREGISTERED, LineStatus.UNREGISTERED, False)
    line1 = LineStatus.BUSY if channels >= 1 else LineStatus.FREE
    line2 = LineStatus.BUSY if channels >= 2 else LineStatus.FREE
    return ExtensionStatus(number, line1, line2, is_registered)


class Panel:
    """Reads, compares, and writes what changed."""

    def __init__(
        self,
        transport: Transport,
        store: PanelStore,
        desk: Desk,
        clock: Clock,
        seconds: float,
        on_change: Callable[[Sequence[ExtensionStatus]], None] | None = None,
        extensions: Extensions = PLAIN,
    ) -> None:
        self._transport = transport
        self._store = store
        self._desk = desk
        self._clock = clock
        self._seconds = seconds
        self._on_change = on_change
        self._extensions = extensions
        self._written: dict[str, ExtensionStatus] = {}

    def extensions(self) -> list[ExtensionStatus]:
        """The telephones as last seen."""
        return list(self._written.values())

    async def run(self) -> None:
        """Follow the telephones for ever."""
        while True:
            try:
                await self.look()
            except (AriError, AriUnavailable, DatabaseUnavailable) as error:
                log.debug("panel-waits", why=str(error))
            except Exception:
                log.exception("panel-failed", fault="ours")
            await asyncio.sleep(self._seconds)

    async def look(self) -> None:
        """Read the telephones once.

        Raises: AriError, AriUnavailable, DatabaseUnavailable.
        """
        response = await self._transport.request("GET", "/endpoints/PJSIP")
        seen = read_endpoints(response.json() or (), self._extensions)
        for number in self._written.keys() - seen.keys():
            seen[number] = status_of(number, False, 0)
        self._desk.phones({number for number, status in seen.items() if status.is_registered})
        shown = [status for number, status in seen.items() if self._has(number)]
        changed = [status for status in shown if self._written.get(status.number) != status]
        if not changed:
            return
        await self._store.save_extensions(changed, self._clock.utc_now())
        self._written.update({status.number: status for status in changed})
        if self._on_change is not None:
            self._on_change(changed)

    def _has(self, number: str) -> bool:
        return number.isdigit() or number in self._written or self._desk.find(number) is not None
