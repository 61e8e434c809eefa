"""Deletes recordings whose time is over: the files in Asterisk, then their names in the calls' rows.

A file that is gone already is as good as deleted. While Asterisk or the database is away everything waits; nothing is
taken off a row before its files are gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Final, Protocol
from urllib.parse import quote

import structlog

from stasis_dialer.ari import AriError, AriNotFound, Transport
from stasis_dialer.engine.clock import Clock
from stasis_dialer.errors import AriUnavailable, DatabaseUnavailable

log = structlog.get_logger(__name__)

PAUSE_SECONDS: Final = 60.0
BATCH: Final = 100
"""Calls at a time. Not measured."""


class RecordedCalls(Protocol):
    """The database as this module needs it."""

    async def recordings_over(self, app: str, now: datetime, limit: int) -> Sequence[tuple[str, Sequence[str]]]: ...

    async def forget_recordings(self, call_ids: Sequence[str]) -> None: ...


class Retention:
    """The loop."""

    def __init__(self, transport: Transport, store: RecordedCalls, clock: Clock, app: str) -> None:
        self._transport = transport
        self._store = store
        self._clock = clock
        self._app = app

    async def run(self) -> None:
        """Look for ever."""
        while True:
            is_more = False
            try:
                is_more = await self.look() == BATCH
            except (DatabaseUnavailable, AriError, AriUnavailable) as error:
                log.debug("retention-waits", why=str(error))
            except Exception:
                log.exception("retention-failed", fault="ours")
            await asyncio.sleep(0.0 if is_more else PAUSE_SECONDS)

    async def look(self) -> int:
        """Delete what is over now, up to a batch; answers of how many calls.

        Raises: AriError, AriUnavailable, DatabaseUnavailable.
        """
        over = await self._store.recordings_over(self._app, self._clock.utc_now(), BATCH)
        for call_id, files in over:
            for file in files:
                await self._delete(file)
            await self._store.forget_recordings([call_id])
            log.info("recordings-deleted", call_id=call_id, files=len(files))
        return len(over)

    async def _delete(self, file: str) -> None:
        name = file.rpartition(".")[0]
        try:
            await self._transport.request("DELETE", f"/recordings/stored/{quote(name, safe='')}")
        except AriNotFound:
            log.debug("recording-gone-already", file=file)
