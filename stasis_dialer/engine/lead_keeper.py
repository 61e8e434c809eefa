"""Keeps the active campaigns' leads ready to be dialled: the zone of each number, promised calls whose agent is away.

Reads and writes a little at a time, beside the dialling; the database may be away, then it comes again.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Final, Protocol

import structlog

from stasis_dialer.core.model import AgentState, Campaign
from stasis_dialer.core.numbers import normalise
from stasis_dialer.engine.campaigns import CampaignBook
from stasis_dialer.engine.clock import Clock
from stasis_dialer.engine.desk import Desk
from stasis_dialer.errors import DatabaseUnavailable

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 1.0
ZONES_AT_ONCE: Final = 1000
"""Leads whose zone is found in one look; about 20 ms of CPU (not measured)."""
TIDY_EVERY: Final = 30
"""Looks between two at the agenda."""


class ZoneStore(Protocol):
    """Leads whose zone nobody has found yet, such as those of the old panel."""

    async def know_zones(self, campaign: Campaign, to_number: Callable[[str], str], limit: int) -> int: ...


class AgendaStore(Protocol):
    """The promised calls."""

    async def tidy(self, campaign_id: int, now: datetime, agents_here: Collection[str]) -> int: ...


class LeadKeeper:
    """The loop."""

    def __init__(self, clock: Clock, book: CampaignBook, desk: Desk, leads: ZoneStore, agenda: AgendaStore) -> None:
        self._clock = clock
        self._book = book
        self._desk = desk
        self._leads = leads
        self._agenda = agenda

    async def run(self) -> None:
        """Keep for ever."""
        looks = 0
        while True:
            try:
                await self.look(is_tidy=looks % TIDY_EVERY == 0)
            except DatabaseUnavailable as error:
                log.debug("leads-wait", why=str(error))
            looks += 1
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self, *, is_tidy: bool) -> None:
        """Once through the active campaigns. Raises: DatabaseUnavailable."""
        here = [agent.extension for agent in self._desk.agents() if agent.state is not AgentState.PAUSED]
        for campaign in self._book.active():
            to_number = functools.partial(normalise, region=campaign.default_region, rules=campaign.numbers)
            await self._leads.know_zones(campaign, to_number, ZONES_AT_ONCE)
            if is_tidy:
                moved = await self._agenda.tidy(campaign.id, self._clock.utc_now(), here)
                if moved:
                    log.info("callbacks-put-off", campaign_id=campaign.id, callbacks=moved)
