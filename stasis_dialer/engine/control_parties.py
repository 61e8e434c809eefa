"""What may be done to an agent's call from outside the telephone: hold, transfer, conference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stasis_dialer.core.agent import Agent
from stasis_dialer.engine.desk import Desk
from stasis_dialer.engine.parties import Parties


class PartyActions:
    """Each answers the agent as it is then, and raises Refused with the reason when it cannot be."""

    def __init__(self, desk: Desk, parties: Parties, show: Callable[[Agent], dict[str, Any]]) -> None:
        self._desk = desk
        self._parties = parties
        self._show = show

    def act(self, extension: str, action: str) -> dict[str, Any]:
        """One of `ACTIONS`. Raises: Refused."""
        getattr(self._parties, action)(extension)
        return self._show(self._desk.expect(extension))

    async def transfer(self, extension: str, to: str, *, is_attended: bool) -> dict[str, Any]:
        """To a number, an extension, or `queue:CAMPAIGN`. Raises: Refused, NumberRefused, DatabaseUnavailable."""
        await self._parties.transfer(extension, to, is_attended=is_attended)
        return self._show(self._desk.expect(extension))
