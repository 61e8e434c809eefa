"""Customers who call a campaign's number: found, given their lead and their agent, and put into the queue.

Guarantees that every such channel becomes a call with a record or is hung up, also while the database is away (then the
lead is not known), and that a lead is not dialled while its customer is in such a call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, Protocol

import structlog

from stasis_dialer.core import inbound as rules
from stasis_dialer.core import messages as m
from stasis_dialer.core.call import arrive
from stasis_dialer.core.model import CallRecord, Lead
from stasis_dialer.core.numbers import masked
from stasis_dialer.engine.calls import Calls
from stasis_dialer.engine.campaigns import CampaignBook
from stasis_dialer.engine.clock import Clock
from stasis_dialer.engine.desk import Desk
from stasis_dialer.engine.dispatch import Dispatcher
from stasis_dialer.engine.trunks import Trunks
from stasis_dialer.errors import DatabaseUnavailable

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 2.0
"""For the database to say who calls; after that the customer is unknown. Not measured."""
EARLIER: Final = 20
"""Calls to a customer that are looked at."""


class EarlierCalls(Protocol):
    """The call log as this module needs it."""

    async def to_number(self, number: str, limit: int) -> Sequence[CallRecord]: ...


class Claims(Protocol):
    """The leads as this module needs them."""

    async def claim(self, lead_id: int, call_id: str, app: str, now: datetime, lease_seconds: float) -> Lead | None: ...


class Inbound:
    """Takes the dialplan's `inbound` channels."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        clock: Clock,
        calls: Calls,
        desk: Desk,
        book: CampaignBook,
        trunks: Trunks,
        earlier: EarlierCalls,
        leads: Claims,
        app: str,
        lease_seconds: float,
    ) -> None:
        self._dispatcher = dispatcher
        self._clock = clock
        self._calls = calls
        self._desk = desk
        self._book = book
        self._trunks = trunks
        self._earlier = earlier
        self._leads = leads
        self._app = app
        self._lease_seconds = lease_seconds
        self._arriving: dict[str, bool] = {}
        """By channel whether it has gone while its customer was looked for."""
        self._tasks: set[asyncio.Task[None]] = set()

    def entered(self, leg_id: str, called: str, caller: str, refuse: Callable[[str], None]) -> None:
        """A channel came from the dialplan; `refuse` says the message for a number that is no campaign's."""
        self._arriving[leg_id] = False
        task = asyncio.get_running_loop().create_task(self._take(leg_id, called, caller, refuse))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def ended(self, leg_id: str) -> bool:
        """A channel is gone; says whether it was one of ours that had not become a call yet."""
        if leg_id not in self._arriving:
            return False
        self._arriving[leg_id] = True
        return True

    async def _take(self, leg_id: str, called: str, caller: str, refuse: Callable[[str], None]) -> None:
        try:
            found = await self._find(leg_id, called, caller)
        except Exception:
            log.exception("inbound-failed", leg=leg_id, fault="ours")
            found = None
        finally:
            is_gone = self._arriving.pop(leg_id, False)
        if found is None:
            log.warning("inbound-number-unknown", leg=leg_id, called=masked(called))
            if not is_gone:
                refuse(leg_id)
            return
        match, lead, number = found
        campaign = match.campaign
        is_anybody_at_work = any(agent.serves(campaign.id) for agent in self._desk.agents())
        call, commands = arrive(
            leg_id,
            campaign,
            lead,
            number,
            called,
            self._clock.now(),
            prefers=match.agent if campaign.inbound.prefers_agent else None,
            is_anybody_at_work=is_anybody_at_work,
        )
        log.info(
            "call-arrived",
            call_id=leg_id,
            campaign_id=campaign.id,
            lead_id=lead.id if lead else None,
            number=masked(number),
            prefers=call.prefers,
        )
        actor = self._calls.adopt(call, commands)
        if is_gone:
            self._dispatcher.post(actor, m.LegGone(is_seen=False))

    async def _find(self, leg_id: str, called: str, caller: str) -> tuple[rules.Match, Lead | None, str] | None:
        campaigns = list(self._book.all().values())
        shown = self._trunks.numbers()
        region = campaigns[0].default_region if campaigns else "BR"
        number = rules.caller_number(caller, region)
        lead: Lead | None = None
        match = rules.match(called, campaigns, shown, ())
        if match is None or not number:
            return (match, None, number) if match else None
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                earlier = await self._earlier.to_number(number, EARLIER)
                match = rules.match(called, campaigns, shown, earlier) or match
                if match.lead_id is not None:
                    lead = await self._leads.claim(
                        match.lead_id, leg_id, self._app, self._clock.utc_now(), self._lease_seconds
                    )
        except (DatabaseUnavailable, TimeoutError) as error:
            log.warning("inbound-caller-not-found", leg=leg_id, why=str(error) or "too slow")
        return match, lead, number
