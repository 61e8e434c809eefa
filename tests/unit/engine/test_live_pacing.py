"""What live calls and agents tell the pacers, and what the pacers are shown."""

from dataclasses import replace

import pytest

from stasis_dialer.core.agent import Agent
from stasis_dialer.core.call import Call, CallState
from stasis_dialer.core.model import (
    AbandonWindow,
    AgentState,
    Campaign,
    CampaignStatus,
    ConnectMode,
    DialMode,
    Disposition,
)
from stasis_dialer.core.pacing import PacingEvent
from stasis_dialer.engine.clock import Clock
from stasis_dialer.engine.pacing import Paces, limits_of, rosters, view_of
from stasis_dialer.errors import DatabaseUnavailable
from tests.fakes.database import MemoryStore

CAMPAIGN = Campaign(1, "spring", CampaignStatus.ACTIVE, mode=DialMode.PREDICTIVE, max_channels=20)


def an_agent(name: str, state: AgentState, since: float = 0.0, **changes: object) -> Agent:
    agent = Agent(
        session_id=name,
        extension=name,
        endpoint=f"PJSIP/{name}",
        connect=ConnectMode.ALWAYS_ON,
        campaigns=frozenset(),
        state=state,
        since=since,
        logged_in_at=0.0,
        free_since=0.0,
    )
    return replace(agent, **changes)  # type: ignore[arg-type]


def a_call(name: str, state: CallState, **changes: object) -> Call:
    call = Call(name, CAMPAIGN, None, "5511987654321", None, state, reserved_at=10.0, deadline=None)
    return replace(call, **changes)  # type: ignore[arg-type]


class Ear:
    """Hears what a pacer would."""

    def __init__(self) -> None:
        self.heard: list[PacingEvent] = []

    def observe(self, event: PacingEvent) -> None:
        self.heard.append(event)


@pytest.fixture
async def ear(monkeypatch: pytest.MonkeyPatch) -> tuple[Paces, Ear]:
    paces = Paces(Clock(), MemoryStore().decisions)
    pace = await paces.of(CAMPAIGN, 10.0)
    ear = Ear()
    pace.pacer = ear  # type: ignore[assignment]
    return paces, ear


def test_given_agents_of_every_kind_when_shared_out_then_each_belongs_to_one_campaign() -> None:
    agents = [
        an_agent("free", AgentState.AVAILABLE),
        an_agent("only2", AgentState.AVAILABLE, campaigns=frozenset({2})),
        an_agent("talks", AgentState.ON_CALL, since=5.0, campaign_id=1, call_id="c1"),
        an_agent("joins", AgentState.RESERVED, since=6.0, campaign_id=2, call_id="c2"),
        an_agent("writes", AgentState.WRAP_UP, since=7.0, campaign_id=1),
        an_agent("rests", AgentState.PAUSED),
        an_agent("comes", AgentState.RINGING),
    ]
    found = rosters(agents, {}, [1, 2])
    assert (found[1].ready, found[1].talking_since, found[1].wrap_up_since) == (1, {"talks": 5.0}, {"writes": 7.0})
    assert (found[2].ready, found[2].talking_since, found[2].wrap_up_since) == (1, {"joins": 6.0}, {})
    assert found[1].logged_in + found[2].logged_in == 5


def test_given_an_agent_of_a_campaign_that_stopped_when_shared_out_then_another_one_counts_on_them() -> None:
    talking = an_agent("talks", AgentState.ON_CALL, since=5.0, campaign_id=9, call_id="c1")
    assert rosters([talking], {}, [1])[1].talking_since == {"talks": 5.0}


def test_given_calls_in_every_state_when_viewed_then_each_counts_once() -> None:
    calls = [
        a_call("a", CallState.ORIGINATING),
        a_call("b", CallState.RINGING, ringing_at=12.0),
        a_call("c", CallState.QUEUED, answered_at=14.0),
        a_call("d", CallState.BRIDGED, answered_at=14.0, bridged_at=14.1),
        a_call("e", CallState.CLOSING),
    ]
    view = view_of(CAMPAIGN, rosters([], {}, [1])[1], calls, 20.0)
    assert (view.dialling_since, view.ringing_since, view.waiting) == ({"a": 10.0}, {"b": 12.0}, 1)
    assert (view.channels_in_use, view.max_channels) == (5, 20)


async def test_given_a_call_from_placing_to_talking_then_the_pacer_hears_each_step_once(ear: tuple[Paces, Ear]) -> None:
    paces, pacer = ear
    call = a_call("a", CallState.QUEUED, answered_at=14.0)
    for tell in (paces.placed, paces.answered, paces.joined):
        tell(call)
    paces.ended(replace(call, state=CallState.ENDED, disposition=Disposition.ANSWERED))
    assert [event.kind for event in pacer.heard] == ["placed", "answered", "human", "connected"]


@pytest.mark.parametrize(
    ("disposition", "answered_at", "kind", "outcome"),
    [
        (Disposition.BUSY, None, "result", "busy"),
        (Disposition.NO_ANSWER, None, "result", "no_answer"),
        (Disposition.CANCELLED, None, "result", "cancelled"),
        (Disposition.CONGESTION, None, "result", "failed"),
        (Disposition.ABANDONED, 14.0, "abandoned", None),
    ],
)
async def test_given_a_call_that_reached_nobody_then_the_pacer_hears_its_outcome(
    ear: tuple[Paces, Ear], disposition: Disposition, answered_at: float | None, kind: str, outcome: str | None
) -> None:
    paces, pacer = ear
    paces.ended(a_call("a", CallState.ENDED, disposition=disposition, answered_at=answered_at))
    assert [(event.kind, event.outcome) for event in pacer.heard] == [(kind, outcome)]


async def test_given_an_agents_day_then_the_pacer_hears_talks_wrap_ups_and_presence(ear: tuple[Paces, Ear]) -> None:
    paces, pacer = ear
    steps = [
        an_agent("1001", AgentState.AVAILABLE, 0.0),
        an_agent("1001", AgentState.ON_CALL, 10.0, campaign_id=1),
        an_agent("1001", AgentState.WRAP_UP, 40.0, campaign_id=1),
        an_agent("1001", AgentState.PAUSED, 45.0, campaign_id=1),
        an_agent("1001", AgentState.LOGGED_OFF, 50.0, campaign_id=1),
    ]
    before = None
    for after in steps:
        paces.agent_changed(before, after)
        before = after
    assert [(event.kind, event.value) for event in pacer.heard] == [
        ("agent_in", 0.0),
        ("talk_ended", 30.0),
        ("wrap_up_ended", 5.0),
        ("agent_out", 0.0),
    ]


async def test_given_what_was_learned_when_the_dialer_starts_again_then_it_goes_on_from_there() -> None:
    store = MemoryStore()
    first = Paces(Clock(), store.decisions)
    pace = await first.of(CAMPAIGN, 10.0)
    for n in range(20):
        pace.pacer.observe(PacingEvent("placed", float(n), f"c{n}"))
        pace.pacer.observe(PacingEvent("result", float(n) + 1, f"c{n}", "busy", 1.0))
    await first.keep(everything=True)

    again = await Paces(Clock(), store.decisions).of(CAMPAIGN, 10.0)

    fresh = await Paces(Clock(), MemoryStore().decisions).of(CAMPAIGN, 10.0)
    assert again.pacer.snapshot() != fresh.pacer.snapshot()


async def test_given_a_campaign_that_is_paused_when_its_pacer_is_let_go_then_what_it_learned_is_kept() -> None:
    store = MemoryStore()
    paces = Paces(Clock(), store.decisions)
    await paces.of(CAMPAIGN, 10.0)

    await paces.keep_only([])

    assert paces.decisions() == {}
    assert await store.decisions.snapshot(CAMPAIGN.id, CAMPAIGN.mode) is not None


async def test_given_no_call_log_when_a_risky_campaign_is_paced_then_it_is_not_known_and_not_guessed() -> None:
    store = MemoryStore()
    paces = Paces(Clock(), store.decisions)
    await paces.of(CAMPAIGN, 10.0)
    store.is_away = True
    paces._by_campaign[1].budget_at = float("-inf")
    with pytest.raises(DatabaseUnavailable):
        await paces.of(CAMPAIGN, 10.0)
    view = view_of(CAMPAIGN, rosters([an_agent("1001", AgentState.AVAILABLE)], {}, [1])[1], [], 100.0)
    assert paces._by_campaign[1].pacer.decide(view).place <= 1


def test_given_a_window_of_30_days_then_the_pacer_counts_over_them() -> None:
    month = replace(CAMPAIGN, abandon_window=AbandonWindow.DAYS_30)
    assert limits_of(month, 7.0).window_seconds == 30 * 86_400
