"""An event loop whose clock jumps to the next timer, so that hours pass in milliseconds and runs repeat exactly."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, TypeVar

from stasis_dialer.engine.clock import Clock

T = TypeVar("T")
NEVER_EARLY_SECONDS = 1e-6
"""Real time goes on while a timer that fired a rounding error too early is set again; here it would stand still."""
EPOCH = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)


class _Selector(selectors.SelectSelector):
    """Instead of waiting for so long, it says how long it would have waited."""

    def __init__(self, jump: Callable[[float], None]) -> None:
        super().__init__()
        self._jump = jump

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise RuntimeError("everything waits for ever: no timer, no task that can go on")
        if timeout > 0:
            self._jump(timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """`time()` is seconds since the loop's birth, and no real time passes."""

    def __init__(self) -> None:
        self._virtual_now = 0.0
        super().__init__(_Selector(self._jump))

    def _jump(self, seconds: float) -> None:
        self._virtual_now += seconds + NEVER_EARLY_SECONDS

    def time(self) -> float:
        return self._virtual_now


class VirtualClock(Clock):
    """The engine's clock on the virtual loop."""

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def retie(self) -> None:
        self._origin = EPOCH


def run(story: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Play a story to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(story())
