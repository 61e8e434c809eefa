"""Waiting for what must come: a named condition, polled, with a limit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

LIMIT_SECONDS = 10.0
POLL_SECONDS = 0.01


async def eventually(is_so: Callable[[], object], what: str, limit_seconds: float = LIMIT_SECONDS) -> None:
    """Wait until it is so; fail with its name when it takes too long."""
    loop = asyncio.get_running_loop()
    end = loop.time() + limit_seconds
    while not is_so():
        if loop.time() > end:
            pytest.fail(f"waited {limit_seconds:g} s for {what}")
        await asyncio.sleep(POLL_SECONDS)
