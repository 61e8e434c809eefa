"""The whole process over the fake Asterisk and the database in memory: start, calls, gaps, stop, and the next start."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from stasis_dialer.ari import AppReplaced, AriUnauthorized
from stasis_dialer.core.lead_options import Law, LawPack, Retry
from stasis_dialer.core.model import (
    CallStatus,
    Campaign,
    CampaignStatus,
    ConnectMode,
    DialMode,
    Disposition,
    LeadStatus,
    LineStatus,
)
from stasis_dialer.core.options import Broadcast
from stasis_dialer.db.leads import NewLead
from stasis_dialer.engine.service import Service
from stasis_dialer.errors import DatabaseUnavailable, DialerError, Refused
from stasis_dialer.settings import Settings
from tests.engine.waiting import eventually
from tests.fakes.ari_server import FAR_ENDS, FakeAri, FarEnd, Fault
from tests.fakes.database import MemoryStore

D = Disposition
APP = "stasis_dialer"
FATES = {
    "0": FarEnd(answer_after=0.02, hangup_after=0.5),
    "1": FAR_ENDS["busy"],
    "2": FAR_ENDS["congestion"],
    "3": FAR_ENDS["unallocated"],
    "4": FAR_ENDS["rejected"],
    "5": FarEnd(answer_after=0.02),
    "6": FarEnd(),
}
"""What the callee does, by the last digit of the number."""


class FakeAsterisk(FakeAri):
    """The fake Asterisk, whose telephones pick up and can be listed by technology."""

    def __init__(self) -> None:
        super().__init__(lambda called: FATES[called[-1]] if len(called) > 8 else FAR_ENDS["human"])

    def _perform(self, method: str, path: str, query: Any, body: Any) -> tuple[int, Any]:
        if (method, path) == ("GET", "/endpoints/PJSIP"):
            self.requests.append((method, path))
            return 200, self.list_endpoints({})
        return super()._perform(method, path, query, body)


def settings(
    ari: FakeAri, agents: dict[str, Any] | None = None, carriers: Sequence[str] = ("carrier",), **engine: Any
) -> Settings:
    return Settings.model_validate(
        {
            "ari": {"url": ari.url, "user": ari.user, "password": ari.password, "request_timeout_seconds": 1.0},
            "database": {"password": "unused"},
            "api": {"token": "0123456789abcdef"},
            "trunks": [{"name": it, "endpoint": f"PJSIP/{{number}}@{it}", "calls_per_second": 200} for it in carriers],
            "agents": {"panel_seconds": 0.1, "supervisors": ["1003"], **(agents or {})},
            "engine": {"tick_seconds": 0.05, "stop_timeout_seconds": 0.0, **engine},
        }
    )


class Stage:
    """A fake Asterisk, a database in memory, and dialers that come and go."""

    def __init__(self, ari: FakeAsterisk) -> None:
        self.ari = ari
        self.store = MemoryStore()
        self.service: Service
        self._running: asyncio.Task[None] | None = None

    async def campaign(self, *last_digits: str, **changes: Any) -> Campaign:
        """An active campaign with a lead for each digit, which says what the callee does."""
        now = datetime.now(UTC)
        wanted = Campaign(
            0,
            "spring",
            CampaignStatus.ACTIVE,
            wrap_up_seconds=0.0,
            max_channels=20,
            law=Law(LawPack.OFF),
            retry=Retry(calls_per_number=0),
        )
        stored = await self.store.campaigns.create(replace(wanted, **changes), "test", now)
        leads = [NewLead("Ana", f"55119876543{n:01d}{digit}") for n, digit in enumerate(last_digits)]
        await self.store.leads.insert_many(stored.campaign.id, leads, now)
        return stored.campaign

    async def starts(self, agents: dict[str, Any] | None = None, **others: Any) -> Service:
        self.service = Service(settings(self.ari, agents, **others), self.store)
        self._running = asyncio.create_task(self.service.run())
        await eventually(lambda: self.service.control.is_ready or self.is_over, "the dialer to be ready")
        return self.service

    @property
    def is_over(self) -> bool:
        return self._running is not None and self._running.done()

    async def ends(self) -> None:
        """The end of `run`. Raises: what it raises."""
        assert self._running is not None
        async with asyncio.timeout(15.0):
            await self._running

    async def stops(self) -> None:
        self.service.stop()
        await self.ends()

    async def crashes(self) -> None:
        """The process is gone in the middle of whatever it does."""
        assert self._running is not None
        self._running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._running
        await eventually(lambda: not any(app.socket for app in self.ari.apps.values()), "the socket to close")

    async def agent(self, extension: str = "1001", connect: ConnectMode = ConnectMode.ALWAYS_ON) -> None:
        await self.service.control.log_in(extension, (), connect)
        await eventually(lambda: self.state(extension) == "available", f"agent {extension} to be available")

    def state(self, extension: str) -> str | None:
        found = [agent["state"] for agent in self.service.control.agents() if agent["extension"] == extension]
        return found[0] if found else None

    def states(self) -> dict[str, int]:
        states: dict[str, int] = self.service.control.snapshot()["calls"]
        return states

    def dispositions(self) -> list[str]:
        return sorted(str(r.disposition) for r in self.store.records.values() if r.status is CallStatus.FINISHED)

    async def until_talking(self) -> str:
        await eventually(lambda: self.states() == {"bridged": 1}, "a customer with the agent")
        call_id: str = self.service.control.calls()[0]["call_id"]
        return call_id

    async def until_written(self, count: int) -> None:
        await eventually(lambda: len(self.dispositions()) == count, f"{count} calls in the database")


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with FakeAsterisk() as ari:
        made = Stage(ari)
        yield made
        if made._running is not None and not made._running.done():
            made.service.stop()
            made.service.stop()
            with contextlib.suppress(DialerError, TimeoutError):
                await made.ends()
        assert getattr(made, "service", None) is None or made.service._dispatcher.broken == 0


# --- calls ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("connect", list(ConnectMode), ids=str)
@pytest.mark.parametrize("transport", ["http", "websocket"])
async def test_given_a_campaign_then_every_lead_gets_its_call_and_its_record(
    stage: Stage, connect: ConnectMode, transport: str
) -> None:
    campaign = await stage.campaign("0", "1", "2", "3", "4", "0", "1", "0", connect=connect)
    stage.service = Service(
        settings(stage.ari).model_copy(
            update={"ari": settings(stage.ari).ari.model_copy(update={"transport": transport})}
        ),
        stage.store,
    )
    stage._running = asyncio.create_task(stage.service.run())
    await eventually(lambda: stage.service.control.is_ready, "the dialer to be ready")
    await stage.agent("1001", connect)
    await stage.agent("1002", connect)
    await stage.until_written(8)
    assert stage.dispositions() == [
        *["answered"] * 3,
        *["busy"] * 2,
        "congestion",
        "invalid_number",
        "rejected",
    ]
    counts = await stage.store.leads.counts(campaign.id)
    assert (counts["completed"], counts["pending"], counts["calling"]) == (3, 5, 0)
    assert stage.service.control.snapshot()["trunks"] == {"carrier": 0}
    await stage.stops()


async def test_given_nobody_is_logged_in_then_no_channel_is_created(stage: Stage) -> None:
    campaign = await stage.campaign("0", "0")
    await stage.starts()
    reasons = stage.service.control.snapshot
    await eventually(lambda: reasons()["pacing"] == {str(campaign.id): "no_agents"}, "the reason no_agents")
    assert not [path for _, path in stage.ari.requests if path.startswith("/channels/")]


async def test_given_the_creation_is_refused_then_the_attempt_is_given_back(stage: Stage) -> None:
    await stage.starts()
    await stage.agent()
    stage.ari.faults.append(Fault("POST", "/channels/create", status=500))
    await stage.campaign("0")
    await stage.until_written(1)
    (lead,) = stage.store.rows.values()
    assert (lead.attempts, lead.status, stage.dispositions()) == (0, LeadStatus.PENDING, ["error"])


@pytest.mark.parametrize(
    ("name", "prepare"),
    [
        ("events come twice", lambda ari: [ari.repeat_events(kind, 9) for kind in ("StasisStart", "ChannelDestroyed")]),
        ("state changes come twice", lambda ari: ari.repeat_events("ChannelStateChange", 9)),
        (
            "the answer of the creation is lost",
            lambda ari: ari.faults.append(Fault("POST", "/channels/create", lose_answer=True)),
        ),
        (
            "the request to create is lost",
            lambda ari: ari.faults.append(Fault("POST", "/channels/create", lose_request=True)),
        ),
        ("the dial's answer is lost", lambda ari: ari.faults.append(Fault("POST", ".*/dial", lose_answer=True))),
        ("the ringing is not heard", lambda ari: ari.lose_events("Dial", 9)),
        ("the join is not heard", lambda ari: ari.lose_events("ChannelEnteredBridge", 9)),
        ("the join's answer is lost", lambda ari: ari.faults.append(Fault("POST", ".*/addChannel", lose_answer=True))),
    ],
)
async def test_given_a_disturbance_then_the_customer_still_speaks_with_an_agent_once(
    stage: Stage, name: str, prepare: Callable[[FakeAri], Any]
) -> None:
    await stage.campaign("0")
    await stage.starts()
    await stage.agent()
    prepare(stage.ari)
    await stage.until_written(1)
    assert stage.dispositions() == ["answered"], name
    await eventually(lambda: stage.state("1001") == "available", "the agent to be free again")
    assert sum(path.endswith("/dial") for _, path in stage.ari.requests) == 2


async def test_given_the_safe_harbour_message_then_it_is_played_to_whom_no_agent_could_take(stage: Stage) -> None:
    await stage.campaign("5", answer_deadline_seconds=0.2)
    await stage.starts()
    await stage.agent("1001", ConnectMode.ON_DEMAND)
    stage.ari.far_end_of = lambda called: FarEnd() if called == "1001" else FATES["5"]
    await stage.until_written(1)
    assert stage.dispositions() == ["abandoned"]
    assert [path for _, path in stage.ari.requests if "/play/" in path]


async def test_given_a_broadcast_whose_sound_is_missing_then_no_lead_is_done_with_and_the_log_says_so(
    stage: Stage, logged: Callable[[], str]
) -> None:
    stage.ari.missing_media = {"sound:offer"}
    await stage.campaign("5", mode=DialMode.BROADCAST, broadcast=Broadcast("sound:offer"))
    await stage.starts()
    await stage.until_written(1)
    assert stage.dispositions() == ["partly_played"]
    assert [lead.status for lead in stage.store.rows.values()] == [LeadStatus.PENDING]
    assert "message-not-played" in logged()


# --- gaps and servers that go away ----------------------------------------------------------------------------------


async def test_given_a_pair_talks_when_the_events_are_lost_and_back_then_they_talk_on(stage: Stage) -> None:
    await stage.campaign("5")
    await stage.starts()
    await stage.agent()
    call_id = await stage.until_talking()
    await stage.ari.drop_sockets()
    await eventually(lambda: not stage.service.control.is_ready, "the gap to be noticed")
    await eventually(lambda: stage.service.control.is_ready, "the events to be back")
    assert stage.states() == {"bridged": 1}
    stage.ari.hang_up(call_id)
    await stage.until_written(1)
    assert stage.dispositions() == ["answered"]


async def test_given_the_customer_hangs_up_in_the_gap_then_the_call_ends_and_the_agent_is_free(stage: Stage) -> None:
    await stage.campaign("5")
    await stage.starts()
    await stage.agent()
    call_id = await stage.until_talking()
    stage.ari.lose_events("ChannelDestroyed")
    stage.ari.hang_up(call_id)
    await stage.ari.drop_sockets()
    await stage.until_written(1)
    (record,) = stage.store.records.values()
    assert (record.disposition, record.is_end_estimated) == (D.ANSWERED, True)
    await eventually(lambda: stage.state("1001") == "available", "the agent to be free again")


async def test_given_asterisk_restarts_then_calls_and_sessions_end_and_dialling_goes_on(stage: Stage) -> None:
    await stage.campaign("5", "0")
    await stage.starts()
    await stage.agent()
    await stage.until_talking()
    await stage.ari.restart()
    await stage.until_written(1)
    await eventually(lambda: stage.state("1001") is None, "the agent's session to end")
    await eventually(lambda: stage.service.control.is_ready, "the events to be back")
    await stage.agent()
    await stage.until_written(2)
    assert stage.dispositions() == ["answered", "answered"]


async def test_given_the_database_goes_away_during_a_call_then_it_goes_on_and_is_written_later(stage: Stage) -> None:
    await stage.campaign("5")
    await stage.starts()
    await stage.agent()
    call_id = await stage.until_talking()
    stage.store.is_away = True
    stage.ari.hang_up(call_id)
    await eventually(lambda: stage.service.control.is_database_away, "the outage to be noticed")
    await eventually(lambda: stage.states() == {}, "the call to end")
    assert not stage.service.control.is_ready
    stage.store.is_away = False
    await stage.until_written(1)
    await eventually(lambda: stage.service.control.is_ready, "the database to be back")


async def test_given_another_dialer_takes_the_application_then_this_one_stops_and_hangs_nobody_up(
    stage: Stage,
) -> None:
    await stage.campaign("5")
    await stage.starts()
    await stage.agent()
    await stage.until_talking()
    stage.ari.send_event(APP, "ApplicationReplaced")
    with pytest.raises(AppReplaced, match="another dialer registered"):
        await stage.ends()
    assert len(stage.ari.channels) == 2
    assert not [path for method, path in stage.ari.requests if method == "DELETE" and path.startswith("/channels/")]


async def test_given_a_wrong_password_then_the_start_fails_with_what_to_do(stage: Stage) -> None:
    service = Service(settings(stage.ari), stage.store)
    stage.ari.password = "changed"
    with pytest.raises(AriUnauthorized, match=r"ari\.conf"):
        await asyncio.wait_for(service.run(), 10.0)


async def test_given_no_database_at_the_start_then_it_fails_and_leaves_nothing_open(stage: Stage) -> None:
    stage.store.is_away = True
    with pytest.raises(DatabaseUnavailable):
        await Service(settings(stage.ari), stage.store).run()
    assert stage.ari.requests == []


# --- stop and start -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("connect", list(ConnectMode), ids=str)
async def test_given_a_pair_talks_when_stopped_by_a_signal_then_they_talk_on_and_the_next_start_takes_them_over(
    stage: Stage, connect: ConnectMode
) -> None:
    await stage.campaign("5", connect=connect)
    await stage.starts()
    await stage.agent("1001", connect)
    call_id = await stage.until_talking()
    os.kill(os.getpid(), signal.SIGTERM)
    await stage.ends()
    assert call_id in stage.ari.channels
    assert len(stage.ari.channels) == 2
    await stage.starts()
    assert (stage.states(), stage.state("1001")) == ({"bridged": 1}, "on_call")
    stage.ari.hang_up(call_id)
    await stage.until_written(1)
    await eventually(lambda: stage.state("1001") == "available", "the agent to be free again")
    (record,) = stage.store.records.values()
    assert (record.disposition, record.is_end_estimated) == (D.ANSWERED, False)


async def test_given_a_call_rings_when_stopped_then_it_is_given_up_and_its_lead_closed(stage: Stage) -> None:
    await stage.campaign("6")
    await stage.starts()
    await stage.agent()
    await eventually(lambda: stage.states() == {"ringing": 1}, "the callee to ring")
    await stage.stops()
    assert stage.dispositions() == ["cancelled"]
    (lead,) = stage.store.rows.values()
    assert lead.status is LeadStatus.PENDING
    assert [channel.endpoint for channel in stage.ari.channels.values()] == ["PJSIP/1001"]


async def test_given_a_long_stop_when_signalled_again_then_it_does_not_wait(stage: Stage) -> None:
    await stage.campaign("5")
    await stage.starts(stop_timeout_seconds=600.0)
    await stage.agent()
    await stage.until_talking()
    stage.service.stop()
    await eventually(lambda: stage.service.control.snapshot()["is_stopping"], "the stop to begin")
    await stage.stops()
    assert len(stage.ari.channels) == 2


async def test_given_a_stop_when_the_last_call_ends_then_it_waits_no_longer(stage: Stage) -> None:
    await stage.campaign("5")
    await stage.starts(stop_timeout_seconds=600.0)
    await stage.agent()
    call_id = await stage.until_talking()
    stage.service.stop()
    await eventually(lambda: stage.service.control.snapshot()["is_stopping"], "the stop to begin")
    stage.ari.hang_up(call_id)
    await stage.ends()
    assert stage.dispositions() == ["answered"]


async def test_given_a_crash_with_calls_in_every_state_then_the_next_start_closes_or_goes_on_with_each(
    stage: Stage,
) -> None:
    campaign = await stage.campaign("5", "6", "6")
    await stage.starts()
    for extension in ("1001", "1002", "1003"):
        await stage.agent(extension)
    await eventually(lambda: stage.states() == {"bridged": 1, "ringing": 2}, "one talking and two ringing")
    await eventually(lambda: stage.service.control.snapshot()["journal_depth"] == 0, "all to be written")
    await stage.crashes()
    (first, *_) = [call for call in stage.ari.channels.values() if call.state == "Ringing"]
    stage.ari.hang_up(first.id, cause=17)
    await stage.starts()
    assert stage.states() == {"bridged": 1, "ringing": 1}
    await stage.until_written(1)
    counts = await stage.store.leads.counts(campaign.id)
    assert (counts["calling"], counts["pending"]) == (2, 1)


# --- what the dialplan hands over -----------------------------------------------------------------------------------


async def until_gone(stage: Stage, leg_id: str) -> None:
    await eventually(lambda: leg_id not in stage.ari.channels, "the channel to be hung up")


def played(stage: Stage, leg_id: str) -> bool:
    return ("POST", f"/channels/{leg_id}/play") in stage.ari.requests


@pytest.mark.parametrize("state", ["Ring", "Up"])
async def test_given_a_telephone_dials_the_login_code_then_it_is_the_agents_leg(stage: Stage, state: str) -> None:
    await stage.campaign("0")
    await stage.starts()
    leg_id = stage.ari.call_in(APP, "agent-login", "1001", state=state)
    await eventually(lambda: stage.state("1001") is not None, "the session")
    await stage.until_written(1)
    await eventually(lambda: stage.state("1001") == "available", "the agent to be free again")
    assert stage.ari.channels[leg_id].bridge is not None
    assert not played(stage, leg_id)


async def test_given_on_demand_when_a_telephone_dials_the_login_code_then_it_hears_so_and_is_hung_up(
    stage: Stage,
) -> None:
    await stage.campaign("0", connect=ConnectMode.ON_DEMAND, status=CampaignStatus.PAUSED)
    await stage.starts()
    leg_id = stage.ari.call_in(APP, "agent-login", "1001")
    await until_gone(stage, leg_id)
    assert played(stage, leg_id)
    assert stage.state("1001") == "available"


async def test_given_an_agent_who_dialled_in_when_the_phone_hangs_up_then_the_agent_is_logged_out(stage: Stage) -> None:
    """Of a channel that came from the dialplan the application is not told the end unless it asks for it."""
    await stage.campaign("0", status=CampaignStatus.PAUSED)
    await stage.starts()
    leg_id = stage.ari.call_in(APP, "agent-login", "1001")
    await eventually(lambda: stage.state("1001") == "available", "the agent to be logged in")
    stage.ari.hang_up(leg_id)
    await eventually(lambda: stage.state("1001") is None, "the agent to be logged out")


@pytest.mark.parametrize("result", ["Fail", "Invalid", "NotPermitted"])
async def test_given_a_telephones_own_transfer_fails_then_they_talk_on(stage: Stage, result: str) -> None:
    await stage.campaign("5")
    await stage.starts()
    await stage.agent()
    await eventually(lambda: stage.states() == {"bridged": 1}, "the customer to be with the agent")
    for channel in list(stage.ari.channels.values()):
        stage.ari.send_event(APP, "BridgeBlindTransfer", result=result, channel=stage.ari._channel_json(channel))
    stage.ari.call_in(APP, "agent-pause", "1002")
    await eventually(lambda: len(stage.ari.channels) == 2, "the refused entry to be over")
    assert (stage.states(), stage.state("1001")) == ({"bridged": 1}, "on_call")


@pytest.mark.parametrize("kind", ["BridgeBlindTransfer", "BridgeAttendedTransfer"])
async def test_given_a_telephones_own_transfer_gets_through_then_nobody_is_left_alone(stage: Stage, kind: str) -> None:
    """A site whose `pjsip.conf` lets telephones transfer: the agent's leg is in no bridge, and its end is not told."""
    await stage.campaign("5")
    await stage.starts()
    await stage.agent()
    await eventually(lambda: stage.states() == {"bridged": 1}, "the customer to be with the agent")
    leg = next(channel for channel in stage.ari.channels.values() if "1001" in channel.name)
    moved = {"channel" if kind == "BridgeBlindTransfer" else "transferer_first_leg": stage.ari._channel_json(leg)}
    second = {"transferer_second_leg": stage.ari._channel_json(leg)} if kind == "BridgeAttendedTransfer" else {}
    stage.ari.lose_events("ChannelDestroyed")
    stage.ari.send_event(APP, kind, result="Success", **moved, **second)
    await eventually(lambda: stage.states() == {} and stage.state("1001") is None, "both to be over")
    assert stage.ari.channels == {}


async def test_given_a_phone_is_gone_before_it_can_be_followed_then_the_agent_is_logged_out(stage: Stage) -> None:
    await stage.campaign("0", status=CampaignStatus.PAUSED)
    await stage.starts()
    stage.ari.hang_up(stage.ari.call_in(APP, "agent-login", "1001"))
    await eventually(lambda: bool(stage.store.session_rows), "the login to be written")
    await eventually(lambda: stage.state("1001") is None, "the agent to be logged out")


async def test_given_a_customer_calls_in_then_an_agent_has_them_and_their_end_is_heard(stage: Stage) -> None:
    await stage.campaign("0", status=CampaignStatus.PAUSED, caller_id="+551130000001")
    await stage.starts()
    await stage.agent()
    leg_id = stage.ari.call_in(APP, "inbound", "551130000001", caller="5511987654321", endpoint="PJSIP/carrier")
    await eventually(lambda: stage.state("1001") == "on_call", "the agent to have the customer")
    stage.ari.hang_up(leg_id)
    await eventually(lambda: stage.store.records.get(leg_id) is not None, "the call to be written")
    await eventually(lambda: stage.store.records[leg_id].disposition == "answered", "the call to end")


async def test_given_telephones_with_names_of_their_own_then_agents_are_known_by_their_extensions(stage: Stage) -> None:
    await stage.campaign("0", status=CampaignStatus.PAUSED)
    stage.ari.phones = {"a-1001", "a-1002", "1003"}
    await stage.starts({"endpoint": "PJSIP/a-{extension}"})
    shown = stage.service.control.extensions
    await eventually(lambda: {it["number"] for it in shown()} == {"1001", "1002"}, "the panel to know them")
    await stage.agent("1001")
    stage.ari.call_in(APP, "agent-login", "a-1002", endpoint="PJSIP/a-1002")
    await eventually(lambda: stage.state("1002") == "available", "the agent to be logged in by telephone")
    stranger = stage.ari.call_in(APP, "agent-login", "1003", endpoint="PJSIP/1003")
    await until_gone(stage, stranger)
    assert {agent["extension"] for agent in stage.service.control.agents()} == {"1001", "1002"}


@pytest.mark.parametrize("connect", ["always_on", "on_demand"])
async def test_given_extensions_with_letters_then_they_log_in_and_trunks_do_not(stage: Stage, connect: str) -> None:
    await stage.campaign("0", status=CampaignStatus.PAUSED, connect=ConnectMode(connect))
    stage.ari.phones, stage.ari.trunks = {"joao", "maria"}, {"carrier", "5511"}
    await stage.starts(carriers=["carrier", "5511"])
    shown = stage.service.control.extensions
    await stage.agent("joao", ConnectMode(connect))
    stage.ari.call_in(APP, "agent-login", "maria", endpoint="PJSIP/maria")
    await eventually(lambda: stage.state("maria") == "available", "the agent to be logged in by telephone")
    await eventually(lambda: {it["number"] for it in shown()} == {"joao", "maria"}, "the panel to know them")
    for trunk in ("carrier", "5511"):
        with pytest.raises(Refused, match="not an extension"):
            await stage.service.control.log_in(trunk, (), ConnectMode(connect))
    await asyncio.sleep(0.3)
    assert [stage.state(name) for name in ("joao", "maria")] == ["available", "available"]


async def test_given_the_feature_codes_then_pause_unpause_and_logout(stage: Stage) -> None:
    await stage.campaign("0", status=CampaignStatus.PAUSED)
    await stage.starts()
    await stage.agent()
    for entry, state in (("agent-pause", "paused"), ("agent-unpause", "available"), ("agent-logout", None)):
        leg_id = stage.ari.call_in(APP, entry, "1001")
        await until_gone(stage, leg_id)
        assert played(stage, leg_id), entry
        await eventually(lambda state=state: stage.state("1001") == state, f"{entry} to take effect")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("not logged in", ("agent-pause", "1003")),
        ("no work to be done", ("agent-done", "1003")),
        ("no call to be disposed", ("agent-dispose", "1003", "1")),
        ("no lead to be called", ("agent-accept", "1003")),
        ("no lead to be passed over", ("agent-skip", "1003")),
        ("no extension", ("agent-login",)),
        ("an extension that is none", ("agent-login", "../1001")),
        ("too long an extension", ("agent-login", "1" * 40)),
        ("an unknown entry", ("what-is-this", "1001")),
        ("no entry at all", ()),
        ("a call to a number that is no campaign's", ("inbound", "551130000000")),
    ],
)
async def test_given_an_entry_that_is_refused_then_the_caller_hears_so_and_is_hung_up(
    stage: Stage, name: str, arguments: tuple[str, ...]
) -> None:
    await stage.starts()
    leg_id = stage.ari.call_in(APP, *arguments)
    await until_gone(stage, leg_id)
    assert played(stage, leg_id), name
    assert stage.service.control.agents() == []


async def test_given_a_leg_of_ours_that_nobody_knows_when_it_arrives_then_it_is_hung_up(stage: Stage) -> None:
    await stage.starts()
    leg_id = stage.ari.call_in(APP, "leg")
    await until_gone(stage, leg_id)


async def test_given_the_announcement_cannot_be_played_then_the_caller_is_hung_up_all_the_same(stage: Stage) -> None:
    await stage.starts()
    stage.ari.faults.append(Fault("POST", ".*/play", status=500))
    await until_gone(stage, stage.ari.call_in(APP, "agent-pause", "1003"))


# --- the panel ------------------------------------------------------------------------------------------------------


async def test_the_panel_follows_the_telephones(stage: Stage) -> None:
    await stage.starts()
    extensions = stage.store.extensions
    await eventually(lambda: set(extensions) == {"1001", "1002", "1003"}, "the telephones in the panel")
    assert extensions["1001"].status.line1 is LineStatus.FREE
    await stage.agent()
    await eventually(lambda: extensions["1001"].status.line1 is LineStatus.BUSY, "the busy line")
    stage.ari.phones.discard("1002")
    await eventually(lambda: extensions["1002"].status.line1 is LineStatus.UNREGISTERED, "the telephone to be gone")


async def test_given_a_name_with_letters_then_it_is_in_the_panel_once_an_agent_is_there(stage: Stage) -> None:
    stage.ari.phones |= {"joao", "gateway"}
    await stage.starts()
    extensions = stage.store.extensions
    await eventually(lambda: "1003" in extensions, "the panel")
    assert set(extensions) == {"1001", "1002", "1003"}
    await stage.agent("joao")
    await eventually(lambda: "joao" in extensions, "the agent's telephone in the panel")
    assert "gateway" not in extensions


async def test_given_the_panel_cannot_be_read_then_the_dialer_goes_on(stage: Stage) -> None:
    await stage.campaign("0")
    await stage.starts()
    stage.ari.faults.append(Fault("GET", "/endpoints/PJSIP", times=10_000, status=500))
    await stage.agent()
    await stage.until_written(1)
