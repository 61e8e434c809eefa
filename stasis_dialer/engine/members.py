"""Who serves which campaign: the queues' members with their penalties, read again every second.

An agent who logged in for named campaigns serves those. Any other serves the campaigns whose member the extension is,
and those that have no members at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol

import structlog

from stasis_dialer.core.agent import Agent
from stasis_dialer.errors import DatabaseUnavailable

log = structlog.get_logger(__name__)

REFRESH_SECONDS: Final = 1.0
NOBODY: Final = frozenset({0})
"""Serves no campaign: an empty set would mean all of them, and no campaign has the id 0."""

Serving = tuple[frozenset[int], Mapping[int, int]]


class MemberStore(Protocol):
    """The database's queue members, by campaign and extension."""

    async def members(self) -> Mapping[int, Mapping[str, int]]: ...


class Served(Protocol):
    """The desk, as its members' changes need it."""

    def agents(self) -> list[Agent]: ...

    def serve(self, extension: str, serving: Serving) -> None: ...


class Members:
    """The queues' members as last read."""

    def __init__(self, store: MemberStore) -> None:
        self._store = store
        self._members: Mapping[int, Mapping[str, int]] = {}
        self._campaign_ids: frozenset[int] = frozenset()

    def serving(self, extension: str, chosen: Iterable[int]) -> Serving:
        """The campaigns that an agent serves (empty: all), and the penalties there."""
        penalties = {id_: members[extension] for id_, members in self._members.items() if extension in members}
        wanted = frozenset(chosen)
        if wanted or not self._members:
            return wanted, penalties
        without = self._campaign_ids - self._members.keys()
        return (frozenset(penalties) | without) or NOBODY, penalties

    async def look(self, desk: Served, campaign_ids: Iterable[int]) -> None:
        """Read them again, and tell the agents whose campaigns have changed. Raises: DatabaseUnavailable."""
        self._members = await self._store.members()
        self._campaign_ids = frozenset(campaign_ids)
        for agent in desk.agents():
            serving = self.serving(agent.extension, agent.chosen)
            if serving != (agent.campaigns, agent.penalties):
                desk.serve(agent.extension, serving)

    async def run(self, desk: Served, campaign_ids: Callable[[], Iterable[int]]) -> None:
        """Follow the database for ever."""
        while True:
            try:
                await self.look(desk, campaign_ids())
            except DatabaseUnavailable as error:
                log.debug("members-wait", why=str(error))
            await asyncio.sleep(REFRESH_SECONDS)
