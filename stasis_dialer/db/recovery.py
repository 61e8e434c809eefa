"""What a dialer that starts again needs to know: the calls, sessions, campaigns and leads of its last life."""

from __future__ import annotations

from stasis_dialer.core.model import AgentSession, CallRecord, Campaign, Lead
from stasis_dialer.db.agents import Agents
from stasis_dialer.db.calls import Calls
from stasis_dialer.db.campaigns import Campaigns
from stasis_dialer.db.leads import Leads
from stasis_dialer.errors import CampaignNotFound


class Recovery:
    """The other repositories, as recovery asks them."""

    def __init__(self, campaigns: Campaigns, leads: Leads, calls: Calls, agents: Agents) -> None:
        self._campaigns = campaigns
        self._leads = leads
        self._calls = calls
        self._agents = agents

    async def open_calls(self, app: str) -> list[CallRecord]:
        """Calls of `app` that have not ended, as far as the database knows."""
        return await self._calls.open_calls(app)

    async def open_sessions(self, app: str) -> list[AgentSession]:
        """Sessions of `app` without a logout."""
        return await self._agents.open_sessions(app)

    async def campaign(self, campaign_id: int) -> Campaign | None:
        """The campaign of a call, or None when it was deleted."""
        try:
            return (await self._campaigns.get(campaign_id)).campaign
        except CampaignNotFound:
            return None

    async def lead(self, lead_id: int) -> Lead | None:
        """The lead of a call, or None when it was deleted."""
        return await self._leads.get(lead_id)
