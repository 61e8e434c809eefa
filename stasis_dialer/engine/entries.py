"""Channels that the dialplan hands over: `Stasis(app, ENTRY, arguments...)`.

The agent's identity is the authenticated endpoint in the arguments, never the caller id. Every such channel ends: it
becomes an agent's leg, or it hears an answer and is hung up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import structlog

from stasis_dialer.ari import AriError, Transport
from stasis_dialer.core import messages as m
from stasis_dialer.engine.desk import Desk
from stasis_dialer.errors import AriUnavailable, Refused

log = structlog.get_logger(__name__)

ANNOUNCEMENT_SECONDS: Final = 15.0
"""The longest answer to a feature code."""
PAUSED_BY_PHONE: Final = "phone"

LOGGED_IN: Final = "sound:stasis-dialer/agent-logged-in"
LOGGED_OUT: Final = "sound:stasis-dialer/agent-logged-out"
PAUSED: Final = "sound:stasis-dialer/agent-paused"
UNPAUSED: Final = "sound:stasis-dialer/agent-unpaused"
REFUSED: Final = "sound:stasis-dialer/agent-refused"
SAFE_HARBOUR: Final = "sound:stasis-dialer/safe-harbour"


class Entries:
    """Reads the entry's word and does what it asks for."""

    def __init__(self, transport: Transport, desk: Desk) -> None:
        self._transport = transport
        self._desk = desk
        self._playing: dict[str, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._agent_entries: Mapping[str, Callable[[str, str], str | None]] = {
            "agent-login": self._log_in,
            "agent-logout": self._log_out,
            "agent-pause": self._pause,
            "agent-unpause": self._unpause,
        }

    def entered(self, leg_id: str, arguments: Sequence[str]) -> None:
        """A channel came from the dialplan with these arguments."""
        entry, extension = arguments[0] if arguments else "", arguments[1] if len(arguments) > 1 else ""
        action = self._agent_entries.get(entry)
        if action is None:
            log.warning("entry-not-served", entry=entry[:40], leg=leg_id)
            self._announce(leg_id, SAFE_HARBOUR if entry == "inbound" else REFUSED)
            return
        try:
            media = action(extension, leg_id)
        except Refused as error:
            log.warning("entry-refused", entry=entry, leg=leg_id, why=str(error))
            media = REFUSED
        if media is not None:
            self._announce(leg_id, media)

    def ended(self, leg_id: str) -> None:
        """The playback on a channel, or the channel itself, is over."""
        playing = self._playing.get(leg_id)
        if playing is not None:
            playing.set()

    def _log_in(self, extension: str, leg_id: str) -> str | None:
        agent = self._desk.phone_logs_in(extension, leg_id)
        return None if agent.is_always_on else LOGGED_IN

    def _log_out(self, extension: str, leg_id: str) -> str:
        self._desk.tell(extension, m.LogoutRequested())
        return LOGGED_OUT

    def _pause(self, extension: str, leg_id: str) -> str:
        self._desk.tell(extension, m.PauseRequested(PAUSED_BY_PHONE))
        return PAUSED

    def _unpause(self, extension: str, leg_id: str) -> str:
        self._desk.tell(extension, m.UnpauseRequested())
        return UNPAUSED

    def _announce(self, leg_id: str, media: str) -> None:
        task = asyncio.get_running_loop().create_task(self._say(leg_id, media))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _say(self, leg_id: str, media: str) -> None:
        """Answer, play, hang up; whatever fails, the channel is hung up."""
        path = f"/channels/{quote(leg_id, safe='')}"
        self._playing[leg_id] = asyncio.Event()
        try:
            await self._request("POST", f"{path}/answer")
            if await self._request("POST", f"{path}/play", (("media", media),)):
                async with asyncio.timeout(ANNOUNCEMENT_SECONDS):
                    await self._playing[leg_id].wait()
        except TimeoutError:
            log.warning("announcement-too-long", leg=leg_id, media=media)
        finally:
            del self._playing[leg_id]
            await self._request("DELETE", path)

    async def _request(self, method: str, path: str, query: Any = ()) -> bool:
        try:
            await self._transport.request(method, path, query)
        except (AriError, AriUnavailable) as error:
            log.debug("entry-request-failed", path=path, why=str(error))
            return False
        return True
