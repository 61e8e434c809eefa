"""Calls for one known agent: leads shown to agents who accept or pass them over, and numbers that agents type.

Guarantees that such a call passes the same gates as any other (hours, do-not-call, attempts, trunks), that its attempt
is committed before its agent is reserved and long before anything is sent, and that no lead is shown to an agent whom
a customer of another campaign may need.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, Protocol

import structlog

from stasis_dialer.core import messages as m
from stasis_dialer.core.agent import Agent
from stasis_dialer.core.call import UNANSWERED, Call, CallState
from stasis_dialer.core.model import AgentState, Campaign, DialMode, Lead, Reservation
from stasis_dialer.core.numbers import masked, normalise
from stasis_dialer.core.options import ByHand
from stasis_dialer.db.by_hand import Typed
from stasis_dialer.engine.calls import Calls
from stasis_dialer.engine.campaigns import CampaignBook
from stasis_dialer.engine.clock import Clock
from stasis_dialer.engine.desk import Desk
from stasis_dialer.engine.ids import CALL, Ids
from stasis_dialer.errors import Refused

log = structlog.get_logger(__name__)

MAY_NEED_AGENTS: Final = UNANSWERED | {CallState.DETECTING, CallState.QUEUED}
"""Where a call of another campaign may still ask for one of the agents."""


class HandStore(Protocol):
    """The database's reservation of a typed number."""

    async def reserve(
        self, campaign: Campaign, typed: Typed, now: datetime, app: str, lease_seconds: float
    ) -> Lead | None: ...


class HandCalls:
    """Shows leads, and dials what agents type."""

    def __init__(
        self,
        clock: Clock,
        book: CampaignBook,
        calls: Calls,
        desk: Desk,
        store: HandStore,
        ids: Ids,
        app: str,
        lease_seconds: float,
    ) -> None:
        self._clock = clock
        self._book = book
        self._calls = calls
        self._desk = desk
        self._store = store
        self._ids = ids
        self._app = app
        self._lease_seconds = lease_seconds
        self.closed: Callable[[Campaign], str | None] = lambda campaign: "starting"
        """Why a campaign may not dial now, in one word; the dialer's own gates."""

    # --- previews ---------------------------------------------------------------------------------------------------

    def lookers(self, campaign: Campaign) -> list[Agent]:
        """The agents to whom a lead of this campaign may be shown now, the longest idle first."""
        needed = {call.campaign.id for call in self._calls.all() if _may_need(call)}
        room = campaign.max_channels - len(self._calls.of(campaign.id))
        free = [
            agent
            for agent in self._desk.agents()
            if agent.state is AgentState.AVAILABLE
            and agent.serves(campaign.id)
            and not any(agent.serves(id_) for id_ in needed - {campaign.id})
        ]
        return sorted(free, key=lambda agent: (agent.free_since, agent.extension))[: max(0, room)]

    def show(self, campaign: Campaign, agents: Sequence[Agent], reservations: Sequence[Reservation]) -> None:
        """Show each reserved lead to an agent; who has gone meanwhile gives the lead back at once."""
        for agent, one in zip(agents, reservations, strict=False):
            self._calls.place_by_hand(one.call_id, campaign, one.lead, one.number, ByHand.PREVIEW, agent.extension)

    def accept(self, extension: str) -> dict[str, Any]:
        """The agent wants the lead to be called. Raises: Refused when none is shown."""
        return self._decide(extension, m.PreviewAccepted())

    def skip(self, extension: str) -> dict[str, Any]:
        """The agent passes the lead over. Raises: Refused when none is shown, or passing over is not allowed."""
        call = self.shown(extension)
        if not call.campaign.preview.may_skip:
            raise Refused(f"leads of this campaign may not be passed over: campaign_id={call.campaign.id}")
        return self._decide(extension, m.PreviewSkipped())

    def _decide(self, extension: str, event: m.Event) -> dict[str, Any]:
        call = self.shown(extension)
        self._calls.tell(call.call_id, event)
        return {"extension": extension, "call_id": call.call_id}

    def shown(self, extension: str) -> Call:
        """The call whose lead the agent looks at. Raises: Refused when none is shown."""
        call = self._call_of(self._desk.expect(extension))
        if call is None or call.state is not CallState.PREVIEWING:
            raise Refused(f"no lead is shown to the agent: extension={extension}")
        return call

    # --- numbers that agents type -----------------------------------------------------------------------------------

    async def dial(self, extension: str, number: str, campaign_id: int | None = None) -> dict[str, Any]:
        """Call a number for an agent who is available.

        Raises: Refused with the gate that is shut; NumberRefused; DatabaseUnavailable.
        """
        campaign, digits = self.check(extension, number, campaign_id)
        typed = Typed(self._ids.new(CALL), digits, extension)
        lead = await self._store.reserve(campaign, typed, self._clock.utc_now(), self._app, self._lease_seconds)
        log.info("number-typed", agent=extension, call_id=typed.call_id, campaign_id=campaign.id, number=masked(digits))
        is_taken = self._calls.place_by_hand(typed.call_id, campaign, lead, digits, ByHand.MANUAL, extension)
        if not is_taken:
            raise Refused(f"the agent has a customer already: extension={extension}")
        return {"extension": extension, "call_id": typed.call_id, "lead_id": lead.id if lead else None}

    def check(self, extension: str, number: str, campaign_id: int | None = None) -> tuple[Campaign, str]:
        """The campaign and the number (E.164) of a call that may be made now, as far as is known without the database.

        Raises: Refused, NumberRefused.
        """
        agent = self._desk.expect(extension)
        if agent.state is not AgentState.AVAILABLE:
            raise Refused(f"the agent is not available: extension={extension} state={agent.state}")
        campaign = self._campaign_for(agent, campaign_id)
        closed = self.closed(campaign)
        if closed is not None:
            raise Refused(f"the campaign does not dial now: campaign_id={campaign.id} reason={closed}")
        if len(self._calls.of(campaign.id)) >= campaign.max_channels:
            raise Refused(f"the campaign has all its channels in use: campaign_id={campaign.id}")
        return campaign, normalise(number, campaign.default_region, campaign.numbers)

    def _campaign_for(self, agent: Agent, campaign_id: int | None) -> Campaign:
        """The campaign named; else the agent's only one, or the only manual one that the agent serves."""
        active = {campaign.id: campaign for campaign in self._book.active()}
        if campaign_id is not None:
            if campaign_id not in active:
                raise Refused(f"the campaign is not active: campaign_id={campaign_id}")
            if not agent.serves(campaign_id):
                raise Refused(f"the agent does not serve the campaign: campaign_id={campaign_id}")
            return active[campaign_id]
        served = [campaign for campaign in active.values() if agent.serves(campaign.id)]
        manual = [campaign for campaign in served if campaign.mode is DialMode.MANUAL]
        for choice in (manual, served):
            if len(choice) == 1:
                return choice[0]
        raise Refused(f"name the campaign: the agent serves {len(served)} active ones")

    # --- what an agent sees -----------------------------------------------------------------------------------------

    def lead_of(self, extension: str) -> dict[str, Any]:
        """The lead that an agent looks at or talks with. Raises: Refused when there is none."""
        agent = self._desk.expect(extension)
        call = self._call_of(agent)
        if call is None:
            raise Refused(f"the agent has no lead: extension={extension} state={agent.state}")
        shown: dict[str, Any] = {
            "extension": extension,
            "call_id": call.call_id,
            "state": str(call.state),
            "campaign": call.campaign.name,
            "number": call.number,
            "lead_id": None,
            "dispositions": [
                {"code": it.code, "digit": it.digit, "label": it.label} for it in call.campaign.dispositions.choices
            ],
        }
        return shown | _facts(call.lead)

    def _call_of(self, agent: Agent) -> Call | None:
        return self._calls.find(agent.call_id) if agent.call_id else None


def _facts(lead: Lead | None) -> dict[str, Any]:
    if lead is None:
        return {}
    return {
        "lead_id": lead.id,
        "name": lead.name,
        "phone_number": lead.phone_number,
        "alternate_phone": lead.alternate_phone,
        "attempts": lead.attempts,
        "last_result": lead.result,
        "attributes": dict(lead.attributes),
    }


def _may_need(call: Call) -> bool:
    return call.by_hand is None and call.state in MAY_NEED_AGENTS
