"""One live object: a state machine, its inbox, and its commands to Asterisk in order.

Events are taken one by one in the order of arrival, and the state is up to date at once; commands that need Asterisk
wait in the object's own queue, so that objects work side by side and none overtakes itself.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from stasis_dialer.core import messages as m


class Machine(Protocol):
    """What calls and agents' sessions have in common."""

    @property
    def state(self) -> str: ...

    @property
    def deadline(self) -> float | None: ...

    @property
    def leg_id(self) -> str | None: ...


M = TypeVar("M", bound=Machine)


class Actor(Generic[M]):
    """A machine that lives. `local` carries out a command at once, or answers False when Asterisk is needed."""

    __slots__ = (
        "advance",
        "id",
        "inbox",
        "is_draining",
        "is_wanted",
        "kind",
        "legs",
        "local",
        "machine",
        "outbox",
        "worker",
    )

    def __init__(
        self,
        id_: str,
        kind: str,
        machine: M,
        advance: Callable[[M, Any, float], tuple[M, tuple[m.Command, ...]]],
        local: Callable[[Actor[M], m.Command], bool],
        is_wanted: Callable[[M, m.Command], bool] = lambda machine, command: True,
    ) -> None:
        self.id = id_
        self.kind = kind
        self.machine = machine
        self.advance = advance
        self.local = local
        self.is_wanted = is_wanted
        """Whether a command that waited is still to be carried out."""
        self.inbox: deque[m.Event] = deque()
        self.outbox: deque[m.Command] = deque()
        self.legs: set[str] = set()
        """Ids of the channels whose events belong here."""
        self.is_draining = False
        self.worker: asyncio.Task[None] | None = None
