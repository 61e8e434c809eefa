"""Channels that the dialplan hands over: `Stasis(app, ENTRY, arguments...)`.

The agent's identity is the authenticated endpoint in the arguments, never the caller id. Every such channel ends: it
becomes an agent's leg, or it hears an answer and is hung up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import structlog

from stasis_dialer.ari import AriError, AriNotFound, AriUnprocessable, Transport
from stasis_dialer.core import messages as m
from stasis_dialer.core.extensions import PLAIN, Extensions
from stasis_dialer.core.messages import SupervisionMode
from stasis_dialer.core.pauses import PauseReasons
from stasis_dialer.engine.desk import Desk
from stasis_dialer.engine.features import DONE_MEDIA, PAUSED_BY_PHONE, Hands, dispose, wrap_up_done
from stasis_dialer.engine.inbound import Inbound
from stasis_dialer.engine.pin_guard import PinGuard, PinStore
from stasis_dialer.engine.supervision import Supervisions
from stasis_dialer.errors import AriUnavailable, DatabaseUnavailable, DialerError, Refused

log = structlog.get_logger(__name__)

ANNOUNCEMENT_SECONDS: Final = 15.0
"""The longest answer to a feature code."""
PIN_SECONDS: Final = 8.0
"""For the first digit of a PIN after the prompt."""
PIN_PAUSE_SECONDS: Final = 4.0
"""A pause so long ends a PIN, as `#` does."""
LONGEST_PIN: Final = 16
"""Digits that are taken; what follows is not kept."""
SUPERVISE: Final = {f"supervise-{mode}": mode for mode in SupervisionMode}
"""The entries of supervisors' telephones."""
FOLLOWED: Final = frozenset({"inbound", "agent-login", *SUPERVISE})
"""Entries whose channel stays."""
FOLLOW_TRIES: Final = 5
FOLLOW_PAUSE_SECONDS: Final = 1.0

LOGGED_IN: Final = "sound:stasis-dialer/agent-logged-in"
LOGGED_OUT: Final = "sound:stasis-dialer/agent-logged-out"
PAUSED: Final = "sound:stasis-dialer/agent-paused"
UNPAUSED: Final = "sound:stasis-dialer/agent-unpaused"
REFUSED: Final = "sound:stasis-dialer/agent-refused"
SAFE_HARBOUR: Final = "sound:stasis-dialer/safe-harbour"
DIALLING: Final = "sound:beep"
ASK_PIN: Final = "sound:agent-pass"
WRONG_PIN: Final = "sound:agent-incorrect"


class _Visit:
    """A channel that is with us: what it plays and what is pressed on it."""

    def __init__(self) -> None:
        self.keys: asyncio.Queue[str] = asyncio.Queue(LONGEST_PIN)
        self.over = asyncio.Event()
        """What is played is over, or the channel is."""
        self.is_gone = False


class Entries:
    """Reads the entry's word and does what it asks for."""

    def __init__(
        self,
        transport: Transport,
        desk: Desk,
        pins: PinStore,
        guard: PinGuard,
        reasons: PauseReasons,
        inbound: Inbound,
        hand: Hands,
        supervisions: Supervisions,
        app: str,
        on_gone: Callable[[str], object],
        extensions: Extensions = PLAIN,
    ) -> None:
        """`on_gone` is told of a channel that was gone before it could be followed."""
        self._transport = transport
        self._desk = desk
        self._pins = pins
        self._guard = guard
        self._reasons = reasons
        self._inbound = inbound
        self._hand = hand
        self._supervisions = supervisions
        self._app = app
        self._on_gone = on_gone
        self._extensions = extensions
        self._visits: dict[str, _Visit] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._wishes: Mapping[str, Callable[[str, str], str]] = {
            "agent-logout": self._log_out,
            "agent-pause": self._pause,
            "agent-unpause": self._unpause,
            "agent-done": self._done,
            "agent-dispose": self._dispose,
            "agent-skip": self._skip,
        }

    def entered(self, leg_id: str, arguments: Sequence[str], caller: str = "") -> None:
        """A channel came from the dialplan with these arguments; `caller` is the number that it claims to be."""
        entry, endpoint, argument = (*arguments[:3], "", "", "")[:3]
        if entry in FOLLOWED:
            self._spawn(self._follow(leg_id))
        if entry == "inbound":
            self._inbound.entered(leg_id, endpoint, caller, self._refuse_number)
            return
        extension = self._extensions.of(endpoint)
        if entry == "agent-login":
            self._begin(leg_id, self._log_in(leg_id, extension))
            return
        if entry == "agent-dial":
            self._begin(leg_id, self._dial(leg_id, extension, argument))
            return
        if entry == "agent-accept":
            self._begin(leg_id, self._accept(leg_id, extension))
            return
        if entry in SUPERVISE:
            self._begin(leg_id, self._supervise(leg_id, extension, argument, SUPERVISE[entry]))
            return
        wish = self._wishes.get(entry)
        if wish is None:
            log.warning("entry-not-served", entry=entry[:40], leg=leg_id)
            media = REFUSED
        else:
            try:
                media = wish(extension, argument)
            except Refused as error:
                media = self._refused(entry, leg_id, error)
        self._begin(leg_id, self._say(leg_id, media))

    def pressed(self, leg_id: str, key: str) -> None:
        """A key was pressed on a channel that is with us; more than a PIN has are dropped."""
        visit = self._visits.get(leg_id)
        if visit is not None and not visit.keys.full():
            visit.keys.put_nowait(key)

    def played(self, leg_id: str) -> None:
        """What was played on a channel is over."""
        visit = self._visits.get(leg_id)
        if visit is not None:
            visit.over.set()

    def gone(self, leg_id: str) -> None:
        """The channel is over."""
        self._inbound.ended(leg_id)
        visit = self._visits.get(leg_id)
        if visit is not None:
            visit.is_gone = True
            visit.over.set()

    # --- logging in -------------------------------------------------------------------------------------------------

    async def _log_in(self, leg_id: str, extension: str) -> None:
        """Ask for the PIN where there is one; then the channel is the agent's leg, or it hears why not."""
        visit = self._visits[leg_id]
        try:
            is_known = await self._is_known(leg_id, extension, visit)
            if visit.is_gone:
                return
            if not is_known:
                await self._request("DELETE", _channel(leg_id))
                return
            agent = self._desk.phone_logs_in(extension, leg_id)
        except (Refused, DatabaseUnavailable) as error:
            await self._say(leg_id, self._refused("agent-login", leg_id, error))
            return
        if leg_id not in (agent.leg_id, agent.next_leg_id):
            await self._say(leg_id, LOGGED_IN)

    async def _is_known(self, leg_id: str, extension: str, visit: _Visit) -> bool:
        """Whether the one at the telephone has the extension's PIN.

        Raises: Refused while the extension is locked; DatabaseUnavailable, because then nobody knows.
        """
        if not await self._pins.is_wanted(extension):
            return True
        self._guard.check(extension)
        await self._request("POST", f"{_channel(leg_id)}/answer")
        while not visit.is_gone:
            pin = await self._read_pin(leg_id, visit)
            if pin and await self._pins.is_right(extension, pin):
                self._guard.right(extension)
                return True
            if visit.is_gone or self._guard.wrong(extension):
                return False
            await self._play(leg_id, visit, WRONG_PIN)
        return False

    async def _read_pin(self, leg_id: str, visit: _Visit) -> str:
        """The digits pressed during or after the prompt, until `#` or a pause."""
        while not visit.keys.empty():
            visit.keys.get_nowait()
        await self._start_playing(leg_id, visit, ASK_PIN)
        pin = ""
        patience = ANNOUNCEMENT_SECONDS + PIN_SECONDS
        while len(pin) < LONGEST_PIN and not visit.is_gone:
            try:
                async with asyncio.timeout(patience):
                    key = await visit.keys.get()
            except TimeoutError:
                break
            patience = PIN_PAUSE_SECONDS
            if key == "#":
                break
            pin = "" if key == "*" else pin + key
        return pin

    # --- supervising ------------------------------------------------------------------------------------------------

    async def _supervise(self, leg_id: str, supervisor: str, extension: str, mode: SupervisionMode) -> None:
        """Ask for the PIN where there is one; then the channel is the supervisor's leg, or it hears why not."""
        visit = self._visits[leg_id]
        try:
            self._supervisions.check(extension, supervisor)
            is_known = await self._is_known(leg_id, supervisor, visit)
            if visit.is_gone:
                return
            if not is_known:
                await self._request("DELETE", _channel(leg_id))
                return
            self._supervisions.supervise_by_phone(extension, supervisor, mode, leg_id)
        except (Refused, DatabaseUnavailable) as error:
            await self._say(leg_id, self._refused(f"supervise-{mode}", leg_id, error))

    # --- dialling ---------------------------------------------------------------------------------------------------

    async def _dial(self, leg_id: str, extension: str, number: str) -> None:
        """A number that an agent dialled on an idle telephone: this channel ends, then the call by hand begins."""
        try:
            self._hand.check(extension, number)
        except Refused as error:
            await self._say(leg_id, self._refused("agent-dial", leg_id, error))
            return
        await self._say(leg_id, DIALLING)
        try:
            await self._hand.dial(extension, number)
        except DialerError as error:
            self._refused("agent-dial", leg_id, error)

    async def _accept(self, leg_id: str, extension: str) -> None:
        """The lead that is shown is to be called: this channel ends first, as the agent's telephone may ring next."""
        try:
            self._hand.shown(extension)
            await self._say(leg_id, DIALLING)
            self._hand.accept(extension)
        except Refused as error:
            await self._say(leg_id, self._refused("agent-accept", leg_id, error))

    # --- wishes -----------------------------------------------------------------------------------------------------

    def _log_out(self, extension: str, argument: str) -> str:
        self._desk.tell(extension, m.LogoutRequested())
        return LOGGED_OUT

    def _pause(self, extension: str, argument: str) -> str:
        self._desk.tell(extension, m.PauseRequested(self._reasons.by_digits(argument, PAUSED_BY_PHONE)))
        return PAUSED

    def _unpause(self, extension: str, argument: str) -> str:
        self._desk.tell(extension, m.UnpauseRequested())
        return UNPAUSED

    def _done(self, extension: str, argument: str) -> str:
        wrap_up_done(self._desk, self._desk.expect(extension))
        return DONE_MEDIA

    def _dispose(self, extension: str, argument: str) -> str:
        dispose(self._desk, self._desk.expect(extension), argument)
        return DONE_MEDIA

    def _skip(self, extension: str, argument: str) -> str:
        self._hand.skip(extension)
        return DONE_MEDIA

    def _refuse_number(self, leg_id: str) -> None:
        """A customer called a number that is no campaign's."""
        self._begin(leg_id, self._say(leg_id, SAFE_HARBOUR))

    def _refused(self, entry: str, leg_id: str, error: Exception) -> str:
        log.warning("entry-refused", entry=entry, leg=leg_id, why=str(error))
        return REFUSED

    # --- the channel ------------------------------------------------------------------------------------------------

    def _begin(self, leg_id: str, work: Any) -> None:
        self._visits[leg_id] = _Visit()
        self._spawn(self._attend(leg_id, work))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _follow(self, leg_id: str) -> None:
        """Hear of the channel's end: of one that came from the dialplan only StasisEnd is told by itself.

        Source: measured on Asterisk 22.10.1, 2026-11; channels that we create are followed from their creation.
        """
        path, query = f"/applications/{quote(self._app, safe='')}/subscription", (("eventSource", f"channel:{leg_id}"),)
        for _ in range(FOLLOW_TRIES):
            try:
                await self._transport.request("POST", path, query)
            except (AriNotFound, AriUnprocessable):
                self._on_gone(leg_id)
            except (AriError, AriUnavailable) as error:
                log.warning("leg-not-followed", leg=leg_id, why=str(error))
                await asyncio.sleep(FOLLOW_PAUSE_SECONDS)
                continue
            return

    async def _attend(self, leg_id: str, work: Any) -> None:
        """Do the work; whatever fails, the channel does not stay with nobody."""
        try:
            await work
        except Exception:
            log.exception("entry-failed", leg=leg_id, fault="ours")
            await self._request("DELETE", _channel(leg_id))
        finally:
            del self._visits[leg_id]

    async def _say(self, leg_id: str, media: str) -> None:
        """Answer, play, hang up."""
        try:
            await self._request("POST", f"{_channel(leg_id)}/answer")
            await self._play(leg_id, self._visits[leg_id], media)
        finally:
            await self._request("DELETE", _channel(leg_id))

    async def _play(self, leg_id: str, visit: _Visit, media: str) -> None:
        """Play to the end."""
        if not await self._start_playing(leg_id, visit, media):
            return
        try:
            async with asyncio.timeout(ANNOUNCEMENT_SECONDS):
                await visit.over.wait()
        except TimeoutError:
            log.warning("announcement-too-long", leg=leg_id, media=media)

    async def _start_playing(self, leg_id: str, visit: _Visit, media: str) -> bool:
        visit.over.clear()
        if visit.is_gone:
            return False
        return await self._request("POST", f"{_channel(leg_id)}/play", (("media", media),))

    async def _request(self, method: str, path: str, query: Any = ()) -> bool:
        try:
            await self._transport.request(method, path, query)
        except (AriError, AriUnavailable) as error:
            log.debug("entry-request-failed", path=path, why=str(error))
            return False
        return True


def _channel(leg_id: str) -> str:
    return f"/channels/{quote(leg_id, safe='')}"
