"""What an operator may ask of a running dialer, and what it looks like now.

The one door for the HTTP interface; answers are plain values that become JSON as they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from typing import Any

from stasis_dialer.core import messages as m
from stasis_dialer.core.agent import Agent
from stasis_dialer.core.call import Call
from stasis_dialer.core.model import ConnectMode
from stasis_dialer.core.numbers import masked
from stasis_dialer.engine.calls import Calls
from stasis_dialer.engine.campaigns import CampaignBook
from stasis_dialer.engine.clock import Clock
from stasis_dialer.engine.control_agents import AgentActions
from stasis_dialer.engine.control_parties import PartyActions
from stasis_dialer.engine.desk import Desk
from stasis_dialer.engine.dialer import Dialer
from stasis_dialer.engine.journal import Journal
from stasis_dialer.engine.panel import Panel
from stasis_dialer.engine.parties import Parties
from stasis_dialer.engine.pauses import PauseWatch
from stasis_dialer.engine.recorder import Recorder
from stasis_dialer.engine.trunks import Trunks


class Control:
    """Operator actions and the snapshot."""

    def __init__(
        self,
        clock: Clock,
        desk: Desk,
        calls: Calls,
        dialer: Dialer,
        journal: Journal,
        trunks: Trunks,
        panel: Panel,
        book: CampaignBook,
        recorder: Recorder,
        parties: Parties,
        render_metrics: Callable[[], bytes],
        pauses: PauseWatch,
        actions: AgentActions,
    ) -> None:
        self._clock = clock
        self._desk = desk
        self._calls = calls
        self._dialer = dialer
        self._journal = journal
        self._trunks = trunks
        self._panel = panel
        self._book = book
        self._recorder = recorder
        self.parties = PartyActions(desk, parties, self._agent)
        self._parties = parties
        self.render_metrics = render_metrics
        self._pauses = pauses
        self.actions = actions

    # --- agents -----------------------------------------------------------------------------------------------------

    def agents(self) -> list[dict[str, Any]]:
        """Every session, in the order of the extensions."""
        return [self._agent(agent) for agent in sorted(self._desk.agents(), key=lambda a: a.extension)]

    async def log_in(self, extension: str, campaigns: Collection[int], connect: ConnectMode | None) -> dict[str, Any]:
        """Open an agent's session. Raises: Refused, CampaignNotFound; DatabaseUnavailable for an unknown campaign."""
        await self._book.expect(campaigns)
        return self._agent(self._desk.log_in(extension, campaigns, connect))

    def log_out(self, extension: str) -> dict[str, Any]:
        """Close an agent's session, after the call that is on. Raises: Refused."""
        return self._agent(self._desk.tell(extension, m.LogoutRequested()))

    def log_all_out(self) -> int:
        """Close every session; answers how many."""
        return self._desk.log_all_out()

    def pause(self, extension: str, reason: str) -> dict[str, Any]:
        """Give an agent no more customers, after the call that is on. Raises: Refused."""
        return self._agent(self._desk.tell(extension, m.PauseRequested(self._pauses.reasons.checked(reason))))

    def unpause(self, extension: str) -> dict[str, Any]:
        """Give a paused agent customers again. Raises: Refused."""
        return self._agent(self._desk.tell(extension, m.UnpauseRequested()))

    def pause_recording(self, extension: str) -> dict[str, Any]:
        """Write nothing of the agent's call for a while. Raises: Refused."""
        return {"extension": extension, "recording": self._recorder.pause(self._desk.expect(extension).call_id)}

    def resume_recording(self, extension: str) -> dict[str, Any]:
        """Record the agent's call (again). Raises: Refused."""
        return {"extension": extension, "recording": self._recorder.resume(self._desk.expect(extension).call_id)}

    # --- what is going on -------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """The dialer at this moment."""
        calls = self._calls.all()
        return {
            "at": self._clock.utc_now().isoformat(),
            "is_connected": self._dialer.is_connected,
            "is_stopping": self._dialer.is_stopping,
            "is_database_away": self.is_database_away,
            "journal_depth": self._journal.depth,
            "agents": dict(Counter(str(agent.state) for agent in self._desk.agents())),
            "pauses_over": sum(self._pauses.is_over(agent) for agent in self._desk.agents()),
            "calls": dict(Counter(str(call.state) for call in calls)),
            "recordings": self._recorder.snapshot(),
            "transfers": dict(Counter(str(transfer.state) for transfer in self._parties.transfers())),
            "trunks": self._trunks.in_use(),
            "trunks_left_alone": [name for name, circuit in self._trunks.circuits().items() if not circuit.is_closed],
            "pacing": {str(id_): reason for id_, reason in self._dialer.reasons().items()},
        }

    def calls(self) -> list[dict[str, Any]]:
        """Live calls, the oldest first."""
        return [self._call(call) for call in sorted(self._calls.all(), key=lambda c: c.reserved_at)]

    def extensions(self) -> list[dict[str, Any]]:
        """The telephones as the panel shows them."""
        return [
            {
                "number": e.number,
                "line1": str(e.line1),
                "line2": str(e.line2),
                "is_registered": e.is_registered,
                "is_available": e.is_available,
            }
            for e in sorted(self._panel.extensions(), key=lambda e: e.number)
        ]

    @property
    def is_database_away(self) -> bool:
        """Whether the database cannot be reached at present."""
        return self._journal.is_database_away or self._dialer.is_database_away

    @property
    def is_ready(self) -> bool:
        """Whether calls could be placed as far as the servers are concerned."""
        return self._dialer.is_connected and not self._dialer.is_stopping and not self.is_database_away

    def _agent(self, agent: Agent) -> dict[str, Any]:
        return {
            "extension": agent.extension,
            "state": str(agent.state),
            "state_seconds": round(self._clock.now() - agent.since, 1),
            "connect": str(agent.connect),
            "campaigns": sorted(agent.campaigns),
            "call_id": agent.call_id,
            "recording": self._recorder.state_of(agent.call_id),
            "transfer": self._parties.state_of(agent.call_id),
            **self.actions.supervision_of(agent.extension),
            "pause_reason": agent.pause_reason or agent.wants_pause,
            "is_pause_over": self._pauses.is_over(agent),
            "penalties": {str(id_): penalty for id_, penalty in agent.penalties.items()},
            "last_call_id": agent.last_call_id,
            "disposition": agent.disposition,
            "must_dispose": agent.must_dispose,
            "calls_taken": agent.calls_taken,
            "logged_in_at": self._clock.utc(agent.logged_in_at).isoformat(),
        }

    def _call(self, call: Call) -> dict[str, Any]:
        return {
            "call_id": call.call_id,
            "campaign_id": call.campaign.id,
            "lead_id": call.lead.id if call.lead else None,
            "number": masked(call.number),
            "state": str(call.state),
            "agent": call.agent,
            "partner": call.partner,
            "transfer": self._parties.state_of(call.call_id),
            "trunk": call.trunk.name if call.trunk else None,
            "seconds": round(self._clock.now() - call.reserved_at, 1),
        }
