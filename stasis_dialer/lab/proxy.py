"""A TCP proxy in front of ARI whose connections can be cut and blocked, to see what happens when the network fails.

Runs in a thread of its own. WebSockets and plain requests are told apart by the first request of a connection, so that
the event socket can be cut while requests go on.
"""

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")
CHUNK_BYTES = 65536
START_SECONDS = 5.0


class CuttableProxy:
    """Forwards `url` to a server on loopback. Use as a context manager."""

    def __init__(self, port: int) -> None:
        self.url = ""
        self._upstream_port = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="lab-proxy", daemon=True)
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], bool] = {}
        self._refuse_events = False
        self._refuse_requests = False
        self._frozen = asyncio.Event()

    def __enter__(self) -> "CuttableProxy":
        self._thread.start()
        self._run(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(START_SECONDS)
        self._loop.close()

    def cut_events(self) -> None:
        """Cut the WebSockets, and refuse new ones until `restore`; plain requests go on."""
        self._refuse_events = True
        self._run(self._cut(events_only=True))

    def cut_all(self) -> None:
        """Cut every connection, and refuse new ones until `restore`."""
        self._refuse_events = self._refuse_requests = True
        self._run(self._cut(events_only=False))

    def freeze(self) -> None:
        """Stop forwarding in both directions until `restore`, with every connection left open: a half-open link."""
        self._run(self._set_frozen(True))

    def restore(self) -> None:
        """Forward everything again. What was held back by `freeze` is delivered."""
        self._refuse_events = self._refuse_requests = False
        self._run(self._set_frozen(False))

    @property
    def event_connections(self) -> int:
        """How many WebSockets are open through the proxy."""
        return sum(self._connections.values())

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(START_SECONDS)

    async def _start(self) -> None:
        self._frozen.set()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _stop(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._cut(events_only=False)

    async def _set_frozen(self, frozen: bool) -> None:
        if frozen:
            self._frozen.clear()
        else:
            self._frozen.set()

    async def _cut(self, events_only: bool) -> None:
        doomed = [task for task, is_events in self._connections.items() if is_events or not events_only]
        for task in doomed:
            task.cancel()
        await asyncio.gather(*doomed, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = False
        # A cut is the purpose of this proxy, so neither a cancelled nor a broken connection is worth a word.
        with contextlib.suppress(
            OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError
        ):
            try:
                head = await reader.readuntil(b"\r\n\r\n")
                is_events = b"\r\nupgrade: websocket\r\n" in head.lower()
                if self._refuse_events if is_events else self._refuse_requests:
                    return
                self._connections[task] = is_events
                await self._forward(head, reader, writer)
            finally:
                self._connections.pop(task, None)
                _abort(writer)

    async def _forward(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._upstream_port)
        try:
            await self._frozen.wait()
            up_writer.write(head)
            pumps = [
                asyncio.create_task(self._pump(reader, up_writer)),
                asyncio.create_task(self._pump(up_reader, writer)),
            ]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        finally:
            _abort(up_writer)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK_BYTES):
            await self._frozen.wait()
            writer.write(data)
            await writer.drain()
        with contextlib.suppress(OSError):
            await writer.drain()


def _abort(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort() if writer.transport.get_write_buffer_size() else writer.close()
