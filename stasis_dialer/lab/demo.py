"""One campaign from its leads to its CDRs on a lab of its own, with the carrier as referee.

Uses the same commands that an operator types; nothing is shortened or faked. Everything that it starts is ended before
it returns, also on Ctrl-C. The report says where our count and the carrier's differ, attempt by attempt.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from stasis_dialer.core.model import CallRecord, Disposition, LeadStatus
from stasis_dialer.db.calls import CallFilter
from stasis_dialer.db.database import Database
from stasis_dialer.db.reports import AgentReport, CampaignReport
from stasis_dialer.db.store import Store
from stasis_dialer.errors import LabError
from stasis_dialer.lab.carrier import CarrierCall
from stasis_dialer.lab.fates import Fate
from stasis_dialer.lab.waiting import until
from stasis_dialer.lab.world import Lab

CAMPAIGN: Final = "demo"
LONGEST_SECONDS: Final = 600.0
"""After this long something hangs, and the demo says so."""
LOOK_SECONDS: Final = 0.5
READY_SECONDS: Final = 30.0
EMPTY_SECONDS: Final = 15.0
MOST_CALLS: Final = 1_000_000

EXPECTED: Final = {
    Fate.HUMAN: Disposition.ANSWERED,
    Fate.MACHINE: Disposition.ANSWERED,
    Fate.DEAD_AIR: Disposition.ANSWERED,
    Fate.BUSY: Disposition.BUSY,
    Fate.NO_ANSWER: Disposition.NO_ANSWER,
    Fate.VOICEMAIL_PROMPT: Disposition.VOICEMAIL,
    Fate.CONGESTION: Disposition.CONGESTION,
    Fate.UNALLOCATED: Disposition.INVALID_NUMBER,
    Fate.REJECTED: Disposition.REJECTED,
}
"""What the carrier did, in our words, when no machine is looked for and an agent is always free."""


@dataclass(frozen=True)
class Progress:
    """How far the campaign is."""

    leads: dict[str, int]
    calls: int
    seconds: float

    @property
    def ended(self) -> int:
        """Leads that are finished."""
        return self.leads.get(LeadStatus.COMPLETED, 0) + self.leads.get(LeadStatus.FAILED, 0)

    @property
    def total(self) -> int:
        """All leads."""
        return sum(self.leads.values())


@dataclass
class Report:
    """What came of the demo; `faults` is empty when everything is as it must be."""

    leads: dict[str, int]
    ours: Counter[str]
    carriers: Counter[str]
    campaign: CampaignReport
    agents: list[AgentReport]
    seconds: float
    faults: list[str] = field(default_factory=list)

    @property
    def talk_share(self) -> float:
        """Share of all agents' time logged in that was spent with customers, 0 to 1."""
        total = sum(agent.logged_in_seconds for agent in self.agents)
        return sum(agent.seconds.get("on_call", 0.0) for agent in self.agents) / total if total else 0.0


class Demo:
    """The campaign of `examples/` on a lab of its own."""

    def __init__(
        self, folder: Path, phones: int, tell: Callable[[str], None], show: Callable[[Progress], None]
    ) -> None:
        self._leads = folder / "leads.csv"
        self._campaign = folder / "campaign.yaml"
        self._lab = Lab(CAMPAIGN, phones=phones)
        self._tell = tell
        self._show = show

    def run(self) -> Report:
        """Play it from nothing to nothing.

        Raises: LabError when a step fails.
        """
        began = time.monotonic()
        self._lab.start(progress=self._tell)
        try:
            self._command("db", "upgrade")
            self._command("campaign", "create", "--file", str(self._campaign))
            self._tell(self._command("leads", "import", str(self._leads), "--campaign", CAMPAIGN).strip())
            with self._dialer():
                self._command("agent", "login", *self._lab.extensions)
                self._wait("agents to be at their phones", self._all_available)
                self._command("campaign", "start", CAMPAIGN)
                self._tell(f"{len(self._lab.extensions)} agents logged in, the campaign dials")
                asyncio.run(self._watch())
                self._command("campaign", "finish", CAMPAIGN)
                self._command("agent", "logout", "--all")
                self._wait("agents to be logged out", lambda: not self._agents())
            report = asyncio.run(self._report())
            report.faults += self._leftovers()
        finally:
            self._lab.stop()
        report.faults += [f"a process is left: {name} {pid}" for name, pid in self._lab.processes().items() if pid]
        report.seconds = time.monotonic() - began
        return report

    # --- the operator's commands ------------------------------------------------------------------------------------

    def _command(self, *arguments: str) -> str:
        done = subprocess.run(self._line(*arguments), env=self._environment(), capture_output=True, text=True)
        if done.returncode:
            said = (done.stderr or done.stdout).strip()
            raise LabError(f"a command failed: stasis-dialer {' '.join(arguments)}\n{said}")
        return done.stdout

    def _line(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "stasis_dialer", "--config", str(self._lab.config_path), *arguments]

    def _environment(self) -> dict[str, str]:
        return {**os.environ, **self._lab.environment}

    @contextmanager
    def _dialer(self) -> Any:
        """`stasis-dialer run`, until it is stopped by SIGTERM."""
        log_path = self._lab.folder / "dialer.log"
        with log_path.open("w") as log:
            dialer = subprocess.Popen(self._line("run"), env=self._environment(), stderr=log, stdout=log)
        try:
            self._wait(f"the dialer to be ready (its log: {log_path})", lambda: self._is_ready(dialer))
            yield
        finally:
            dialer.terminate()
            try:
                code = dialer.wait(READY_SECONDS)
            except subprocess.TimeoutExpired:
                dialer.kill()
                code = dialer.wait()
        if code:
            raise LabError(f"the dialer did not stop well: exit={code} log={log_path}")

    def _is_ready(self, dialer: subprocess.Popen[bytes]) -> bool:
        if dialer.poll() is not None:
            raise LabError(f"the dialer ended at once: exit={dialer.returncode} log={self._lab.folder / 'dialer.log'}")
        return self._ask("/readyz") is not None

    def _agents(self) -> list[dict[str, Any]]:
        return list(self._ask("/api/agents") or ())

    def _ask(self, path: str) -> Any:
        """What the dialer answers, or None."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._lab.state.api_port}{path}",
            headers={"Authorization": f"Bearer {self._lab.api_token}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=READY_SECONDS) as answer:
                return json.load(answer)
        except OSError:
            return None

    def _all_available(self) -> bool:
        return all(agent["state"] == "available" for agent in self._agents())

    def _wait(self, what: str, is_so: Callable[[], bool]) -> None:
        until(is_so, what, READY_SECONDS)

    # --- what comes of it -------------------------------------------------------------------------------------------

    def _store(self) -> Store:
        return Store(Database(self._lab.database_url))

    async def _watch(self) -> None:
        """Show the progress until every lead has ended."""
        began = time.monotonic()
        async with self._store() as store:
            campaign = (await store.campaigns.get(CAMPAIGN)).campaign
            while True:
                leads = await store.leads.counts(campaign.id)
                calls = (await store.reports.campaign(campaign.id)).calls
                progress = Progress(leads, calls, time.monotonic() - began)
                self._show(progress)
                if progress.ended == progress.total:
                    return
                if progress.seconds > LONGEST_SECONDS:
                    raise LabError(f"the campaign does not end: leads={leads}; see {self._lab.folder / 'dialer.log'}")
                await asyncio.sleep(LOOK_SECONDS)

    async def _report(self) -> Report:
        carrier = self._lab.carrier.calls()
        async with self._store() as store:
            campaign = (await store.campaigns.get(CAMPAIGN)).campaign
            calls = await store.calls.find(CallFilter(campaign_id=campaign.id), MOST_CALLS)
            placed = [call for call in calls if call.dialled_at is not None]
            return Report(
                leads=await store.leads.counts(campaign.id),
                ours=Counter(str(call.disposition) for call in placed),
                carriers=Counter(str(EXPECTED[call.invite.fate]) for call in carrier),
                campaign=await store.reports.campaign(campaign.id),
                agents=await store.reports.agents(datetime.fromtimestamp(0, UTC), datetime.now(UTC)),
                seconds=0.0,
                faults=differences(placed, carrier),
            )

    def _leftovers(self) -> list[str]:
        """Channels and bridges that outlived the campaign, on either side."""
        ari = self._lab.pbx.ari

        def left() -> list[str]:
            found = [f"channel {channel['id']}" for channel in ari.get("channels")]
            found += [f"bridge {bridge['id']}" for bridge in ari.get("bridges")]
            return found + [f"carrier channel {channel['id']}" for channel in self._lab.carrier.channels()]

        try:
            until(lambda: not left(), "channels and bridges to be gone", EMPTY_SECONDS)
        except LabError:
            return [f"left behind: {what}" for what in left()]
        return []


def differences(placed: list[CallRecord], carrier: list[CarrierCall]) -> list[str]:
    """Where our calls and the carrier's log disagree, attempt by attempt (pure)."""
    ours = {call.call_id: call for call in placed}
    faults = []
    seen: Counter[str] = Counter(call.invite.attempt for call in carrier)
    faults += [f"dialled {times} times: {attempt}" for attempt, times in seen.items() if times > 1]
    faults += [f"the carrier never saw {call_id}" for call_id in ours if call_id not in seen]
    for call in carrier:
        mine = ours.get(call.invite.attempt)
        if mine is None:
            faults.append(f"we do not know the carrier's call {call.invite.attempt or call.invite.call_id}")
        elif mine.disposition is not EXPECTED[call.invite.fate]:
            faults.append(f"{mine.call_id}: ours {mine.disposition}, the carrier's {call.invite.fate}")
    return faults
