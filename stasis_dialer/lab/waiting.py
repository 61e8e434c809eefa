"""Waiting for a named condition with a limit."""

import time
from collections.abc import Callable
from typing import TypeVar

from stasis_dialer.errors import LabError

Result = TypeVar("Result")
POLL_SECONDS = 0.02


def until(condition: Callable[[], Result], what: str, limit_seconds: float = 10.0) -> Result:
    """The first true result of `condition`.

    Units: `limit_seconds` in seconds.
    Raises: LabError naming `what` when the limit has passed.
    """
    deadline = time.monotonic() + limit_seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() >= deadline:
            raise LabError(f"waited in vain: for={what} limit_seconds={limit_seconds:g}")
        time.sleep(POLL_SECONDS)
