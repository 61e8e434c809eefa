"""The dialer's process: wiring, start, the loops, and a stop that drops nobody.

Start: database, ARI, recovery at the first connection, then dialling. Stop (SIGTERM, Ctrl-C): no new calls, live ones
finish up to a limit, pairs that still talk are left talking in Asterisk, and the next start takes them over.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, Final, Protocol

import structlog

from stasis_dialer import ari
from stasis_dialer.ari import Connected, Disconnected, Replaced
from stasis_dialer.ari.events import ChannelDestroyed, ChannelDtmfReceived, PlaybackFinished, StasisStart
from stasis_dialer.core.agent import Agent
from stasis_dialer.core.call import Call, CallState
from stasis_dialer.core.messages import LegGone
from stasis_dialer.core.pauses import PauseReason, PauseReasons
from stasis_dialer.engine import connection
from stasis_dialer.engine.by_hand import HandCalls
from stasis_dialer.engine.caller_ids import CallerIdBook
from stasis_dialer.engine.calls import Calls
from stasis_dialer.engine.campaigns import CampaignBook
from stasis_dialer.engine.clock import Clock
from stasis_dialer.engine.control import Control
from stasis_dialer.engine.control_agents import AgentActions
from stasis_dialer.engine.decision_log import DecisionLog
from stasis_dialer.engine.desk import Desk
from stasis_dialer.engine.dialer import Dialer
from stasis_dialer.engine.dispatch import Dispatcher
from stasis_dialer.engine.dispositions import Dispositions
from stasis_dialer.engine.entries import Entries
from stasis_dialer.engine.executor import LEG_ARGUMENT, Executor
from stasis_dialer.engine.features import PAUSED_BY_PHONE, Features
from stasis_dialer.engine.gate import NumberGate
from stasis_dialer.engine.ids import Ids
from stasis_dialer.engine.inbound import Inbound
from stasis_dialer.engine.journal import Journal
from stasis_dialer.engine.key_repeats import KeyRepeats
from stasis_dialer.engine.keypads import Keypads
from stasis_dialer.engine.lead_keeper import LeadKeeper
from stasis_dialer.engine.members import Members
from stasis_dialer.engine.pacing import Paces
from stasis_dialer.engine.panel import Panel
from stasis_dialer.engine.parties import Parties
from stasis_dialer.engine.pauses import PauseWatch
from stasis_dialer.engine.pin_guard import PinGuard
from stasis_dialer.engine.recorder import Recorder
from stasis_dialer.engine.recovery import Recovery
from stasis_dialer.engine.retention import Retention
from stasis_dialer.engine.stores import Stores
from stasis_dialer.engine.supervision import Supervisions
from stasis_dialer.engine.translate import UNHEARD, moved_by_telephone, translate
from stasis_dialer.engine.trunks import Trunks
from stasis_dialer.engine.webhooks import Hook, Webhooks
from stasis_dialer.errors import DatabaseUnavailable, DialerError
from stasis_dialer.settings import Settings, WebhookSettings
from stasis_dialer.telemetry import Metrics

log = structlog.get_logger(__name__)

HEARTBEAT_SECONDS: Final = 1.0
POLL_SECONDS: Final = 0.1
GIVE_UP_SECONDS: Final = 5.0
"""For calls that were hung up at the stop to end."""
CLOCK_DRIFT_SECONDS: Final = 1.0
"""From this on the wall clock counts as moved."""
JOURNAL_SECONDS: Final = 20.0
"""How long a stop waits for the database to take what is left."""

WEBHOOK_SECONDS: Final = 3.0
"""How long a stop waits for receivers of webhooks; the call log has what they miss."""
SERVED_SECONDS: Final = 3.0
"""For requests under way when the HTTP interface stops. Not measured."""
RECOVERY_PAUSE_SECONDS: Final = 1.0


class Served(Protocol):
    """Something that runs beside the engine, such as the HTTP interface."""

    async def serve(self) -> None: ...

    def stop(self) -> None: ...


class Service:
    """One dialer."""

    def __init__(self, settings: Settings, stores: Stores) -> None:
        self._settings = settings
        self._stores = stores
        self.metrics = Metrics()
        self.clock = Clock()
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._requests: set[asyncio.Task[None]] = set()
        self._failure: DialerError | None = None
        self._events_depth: Callable[[], int] = lambda: 0
        app = settings.ari.app
        self._client = connection.connect(settings.ari)
        transport = self._client.transport
        ids = Ids(app)
        self._dispatcher = Dispatcher(self.clock, Executor(transport, app).execute)
        self._journal = Journal(stores.calls, stores.agents, stores.audit)
        self._trunks = Trunks(settings.core_trunks(), self.clock, self.metrics)
        self._caller_ids = CallerIdBook(self.clock, stores.calls)
        self._book = CampaignBook(stores.campaigns, settings.engine.safe_harbour_media)
        self._paces = Paces(self.clock, stores.decisions)
        keypads = Keypads(
            self.clock, settings.agents.codes(), lambda agent, pressed: features.carry_out(agent, pressed)
        )
        self._webhooks = Webhooks([_hook(hook) for hook in settings.webhooks], self.clock, app, self.metrics)
        self._dispositions = dispositions = Dispositions(
            self._dispatcher, self._journal, self.clock, self._book.of, [self._webhooks]
        )
        self._members = Members(stores.agents)
        reasons = PauseReasons([PauseReason(**reason.model_dump()) for reason in settings.agents.pause_reasons])
        self._pauses = PauseWatch(self.clock.now, reasons)
        extensions = settings.extensions()
        self._desk = Desk(
            self._dispatcher,
            self.clock,
            self._journal,
            dispositions,
            ids,
            app,
            extensions,
            settings.agents.auto_answer_header,
            self._book.all,
            self._wake,
            self._agent_changed,
            keypads,
            settings.agents.manners(),
            self._members.serving,
        )
        keypads.watch(self._desk.find)
        self._recorder = Recorder(self._dispatcher, self.clock, ids, self.metrics)
        self._parties = Parties(
            self._dispatcher,
            self.clock,
            self._desk,
            self._trunks,
            self._book,
            NumberGate(self.clock, stores.dnc),
            self._recorder,
            ids,
        )
        self._supervisions = Supervisions(
            self._dispatcher,
            self.clock,
            self._desk,
            self._parties,
            self._journal,
            ids,
            settings.agents.endpoint,
            settings.agents.supervisors,
            settings.agents.supervision_announced,
        )
        self._retention = Retention(transport, stores.calls, self.clock, app)
        self._calls = Calls(
            self._dispatcher,
            self.clock,
            self._journal,
            self._desk,
            self._trunks,
            self._caller_ids,
            ids,
            app,
            (self.metrics, self._paces, self._webhooks, self._recorder, self._parties),
            self._call_ended,
        )
        self._calls.parties = self._parties
        self._hand = HandCalls(
            self.clock,
            self._book,
            self._calls,
            self._desk,
            stores.by_hand,
            ids,
            app,
            settings.engine.lease_seconds,
        )
        features = Features(
            self._desk,
            self._parties,
            self._recorder,
            hand=self._hand,
            reason_of=lambda digits: reasons.by_digits(digits, PAUSED_BY_PHONE),
        )
        self._dialer = Dialer(
            self.clock,
            self._book,
            self._calls,
            self._desk,
            self._trunks,
            self._caller_ids,
            stores.leads,
            self._paces,
            DecisionLog(self.clock, stores.decisions),
            ids,
            app,
            settings.engine.lease_seconds,
            settings.engine.tick_seconds,
            self._hand,
        )
        pin = settings.agents.pin
        guard = PinGuard(self.clock.now, pin.tries, pin.lock_seconds)
        self._inbound = Inbound(
            self._dispatcher,
            self.clock,
            self._calls,
            self._desk,
            self._book,
            self._trunks,
            stores.calls,
            stores.leads,
            app,
            settings.engine.lease_seconds,
        )
        self._keeper = LeadKeeper(self.clock, self._book, self._desk, stores.leads, stores.agenda)
        self._key_repeats = KeyRepeats()
        self._entries = Entries(
            transport,
            self._desk,
            stores.pins,
            guard,
            reasons,
            self._inbound,
            self._hand,
            self._supervisions,
            app,
            self._leg_gone,
            extensions,
        )
        self._panel = Panel(
            transport,
            stores.agents,
            self._desk,
            self.clock,
            settings.agents.panel_seconds,
            extensions=extensions,
        )
        self._recovery = Recovery(
            transport,
            self._dispatcher,
            self.clock,
            self._calls,
            self._desk,
            self._trunks,
            self._book,
            ids,
            app,
            settings.agents.endpoint,
            self._recorder,
            self._parties,
            self._supervisions,
        )
        self.control = Control(
            self.clock,
            self._desk,
            self._calls,
            self._dialer,
            self._journal,
            self._trunks,
            self._panel,
            self._book,
            self._recorder,
            self._parties,
            self.metrics.render,
            self._pauses,
            AgentActions(
                self.clock, self._desk, self._book, dispositions, stores.calls, self._hand, self._supervisions
            ),
        )

    # --- the process ------------------------------------------------------------------------------------------------

    async def run(self, served: Served | None = None) -> None:
        """Run until a signal or `stop`.

        Raises: AriUnauthorized, DatabaseUnavailable and the like when the start cannot succeed; AppReplaced when
        another dialer took the application.
        """
        await self._book.refresh()
        await self._members.look(self._desk, self._book.all())
        with self._signals():
            async with self._background(served):
                await self._stop.wait()
                await self._wind_down()
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Begin the graceful stop; a second call ends the wait for live calls."""
        if self._stop.is_set():
            log.warning("stop-now")
            self._hurry.set()
            return
        self._stop.set()

    @contextlib.contextmanager
    def _signals(self) -> Any:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self._hung_up)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                loop.remove_signal_handler(number)

    def _hung_up(self) -> None:
        """A closed terminal or a wish to reload must not drop the dialer; the file is read at the start only."""
        log.warning("configuration-not-reloaded", hint="restart: talking pairs and agents stay")

    @contextlib.asynccontextmanager
    async def _background(self, served: Served | None) -> AsyncIterator[None]:
        """Everything that runs beside the wait for the stop; a loop that ends by an error stops the dialer."""
        loops: list[Coroutine[Any, Any, None]] = [
            self._listen(),
            self._journal.run(),
            self._panel.run(),
            self._members.run(self._desk, self._book.all),
            self._heartbeat(),
            self._leases(),
            self._retention.run(),
            self._keeper.run(),
        ]
        if self._webhooks.is_used:
            loops.append(self._webhooks.run())
        if served is not None:
            loops.append(served.serve())
        tasks = [asyncio.create_task(loop) for loop in loops]
        for task in tasks:
            task.add_done_callback(self._loop_ended)
        self._tasks = tasks
        try:
            yield
        finally:
            if served is not None:
                served.stop()
                await asyncio.wait(tasks[-1:], timeout=SERVED_SECONDS)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._dispatcher.close()
            await self._client.close()

    def _loop_ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or self._stop.is_set():
            return
        error = task.exception()
        if isinstance(error, DialerError):
            self._failure = error
        elif error is not None:
            log.error("loop-failed", fault="ours", exc_info=error)
            self._failure = DialerError(f"a loop of the dialer failed: {error!r}")
        self._stop.set()

    # --- Asterisk's events ------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        """Hand each event to its owner, in order; look after gaps."""
        stream = self._client.stream([self._settings.ari.app], disallowed_events=UNHEARD)
        self._events_depth = lambda: stream.depth
        is_first = True
        dialling: asyncio.Task[None] | None = None
        try:
            async for item in stream:
                if isinstance(item, Connected):
                    await self._connected(is_first)
                    is_first = False
                    dialling = dialling or asyncio.create_task(self._dialer.run())
                elif isinstance(item, Disconnected):
                    self._dialer.is_connected = False
                    self.metrics.gaps.inc()
                    log.warning("events-lost", why=item.reason)
                elif isinstance(item, Replaced):
                    self._dialer.is_connected = False
                    self._dialer.is_stopping = True
                    raise ari.AppReplaced(
                        f"another dialer registered the application: app={self._settings.ari.app}; "
                        "give each dialer its own ari.app, or stop the other one"
                    )
                else:
                    self.heard(item)
        finally:
            if dialling is not None:
                dialling.cancel()
            await stream.close()

    async def _connected(self, is_first: bool) -> None:
        """Compare belief and reality before any further event is handled."""
        while True:
            try:
                if is_first:
                    await self._recovery.after_start(self._stores.calls, self._stores.agents, self._stores.leads)
                else:
                    await self._recovery.after_gap()
                break
            except (DatabaseUnavailable, ari.AriError, ari.AriUnavailable) as error:
                log.error("recovery-interrupted", why=str(error))
                await asyncio.sleep(RECOVERY_PAUSE_SECONDS)
        self._dialer.is_connected = True
        self._wake()

    def heard(self, event: Any) -> None:
        """One event of Asterisk."""
        if isinstance(event, ChannelDtmfReceived) and self._key_repeats.is_repeat(event):
            return
        heard = translate(event)
        if heard is None:
            self._look_for_moves(event)
            return
        leg_id, message = heard
        if self._dispatcher.post_to_leg(leg_id, message):
            return
        if isinstance(event, StasisStart):
            if event.args[:1] != [LEG_ARGUMENT]:
                self._entries.entered(leg_id, event.args, event.channel.caller.number)
            else:
                log.warning("stray-leg", leg=leg_id)
                self._soon(lambda: self._client.channels.hangup(channelId=leg_id))
        elif isinstance(event, ChannelDtmfReceived):
            self._entries.pressed(leg_id, event.digit)
        elif isinstance(event, PlaybackFinished):
            self._entries.played(leg_id)
        elif isinstance(event, ChannelDestroyed):
            self._entries.gone(leg_id)

    def _look_for_moves(self, event: Any) -> None:
        """A leg that somebody else's transfer took out of its bridge ends: whoever was with it is looked after then.

        Of its end nothing is heard: Asterisk has put another channel into its place (measured on 22.10.1).
        """
        leg_id = moved_by_telephone(event)
        if leg_id is not None and leg_id in self._dispatcher.known_legs():
            log.error("leg-moved-by-telephone", leg=leg_id, hint="allow_transfer = no in pjsip.conf")
            self._soon(lambda: self._client.channels.hangup(channelId=leg_id))
            self._leg_gone(leg_id)

    def _leg_gone(self, leg_id: str) -> None:
        """A channel was found gone: nobody will tell of its end."""
        if not self._dispatcher.post_to_leg(leg_id, LegGone(is_seen=False)):
            self._entries.gone(leg_id)

    def _soon(self, request: Callable[[], Awaitable[Any]]) -> None:
        async def carry_out() -> None:
            with contextlib.suppress(DialerError):
                await request()

        task = asyncio.create_task(carry_out())
        self._requests.add(task)
        task.add_done_callback(self._requests.discard)

    # --- the other loops --------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        self._dialer.wake()

    def _agent_changed(self, before: Agent | None, after: Agent) -> None:
        self._paces.agent_changed(before, after)
        self._supervisions.changed()
        self._wake()

    def _call_ended(self, call: Call) -> None:
        self._dispositions.call_ended(call)
        self._wake()

    async def _heartbeat(self) -> None:
        """Notice a slow loop and a moved clock, and keep the gauges true."""
        while True:
            before = self.clock.now()
            await asyncio.sleep(HEARTBEAT_SECONDS)
            self.metrics.loop_lag_seconds.set(self.clock.now() - before - HEARTBEAT_SECONDS)
            self._pauses.look(self._desk.agents())
            self.metrics.journal_depth.set(self._journal.depth)
            self.metrics.webhook_depth.set(self._webhooks.depth)
            self.metrics.events_depth.set(self._events_depth())
            self.metrics.tasks.set(len(asyncio.all_tasks()))
            drift = self.clock.drift_seconds()
            if abs(drift) >= CLOCK_DRIFT_SECONDS:
                log.warning("clock-moved", seconds=round(drift, 3))
                self.clock.retie()

    async def _leases(self) -> None:
        """Renew our leads' leases; give back those of dialers that no longer speak."""
        lease = self._settings.engine.lease_seconds
        while True:
            try:
                now = self.clock.utc_now()
                await self._stores.leads.renew(self._settings.ari.app, now, lease)
                for released in await self._stores.leads.release_expired(now):
                    log.warning("lease-expired", lead_id=released.lead_id, status=str(released.status))
                if self._dialer.is_connected:
                    await self._recovery.close_unknown(self._stores.calls, self._stores.leads, self._is_known)
            except (DatabaseUnavailable, ari.AriError, ari.AriUnavailable) as error:
                log.debug("leases-wait", why=str(error))
            await asyncio.sleep(lease / 3)

    def _is_known(self, call_id: str) -> bool:
        """Whether a call is live here, or its end on the way to the database."""
        return self._dispatcher.find(call_id) is not None or self._journal.is_waiting(call_id)

    async def _wind_down(self) -> None:
        """No new calls; live ones may finish; what still talks then is left talking."""
        self._dialer.is_stopping = True
        log.info("stopping", calls=len(self._calls.all()))
        if self._failure is None:
            await self._until(lambda: not self._calls.all(), self._settings.engine.stop_timeout_seconds, self._hurry)
            stopped = self._calls.stop(lambda call: call.state is not CallState.BRIDGED)
            if stopped:
                log.warning("calls-given-up", calls=stopped)
                await self._until(lambda: all(c.state is CallState.BRIDGED for c in self._calls.all()), GIVE_UP_SECONDS)
            self._supervisions.stop_all("the dialer stops")
            await self._until(lambda: not self._supervisions.all(), GIVE_UP_SECONDS)
            await self._dispatcher.settle(GIVE_UP_SECONDS)
        with contextlib.suppress(DatabaseUnavailable):
            await self._paces.keep(everything=True)
        if not await self._journal.drained(JOURNAL_SECONDS):
            log.error("not-written", records=self._journal.depth)
        await self._webhooks.drained(WEBHOOK_SECONDS)
        log.info("stopped", left_talking=len(self._calls.all()))

    async def _until(self, is_so: Callable[[], bool], seconds: float, hurry: asyncio.Event | None = None) -> None:
        """Wait until it is so, at most so long, or until somebody is in a hurry."""
        limit = self.clock.now() + seconds
        hurry = hurry or asyncio.Event()
        while not is_so() and self.clock.now() < limit and not hurry.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await hurry.wait()


def _hook(settings: WebhookSettings) -> Hook:
    return Hook(
        url=settings.url,
        events=settings.events,
        secret=settings.secret.get_secret_value(),
        shows_numbers=settings.shows_numbers,
        timeout_seconds=settings.timeout_seconds,
        tries=settings.tries,
        queue=settings.queue,
    )
