"""What live calls and agents tell the pacers, and what the pacers are shown."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from stasis_dialer.core.agent import Agent
from stasis_dialer.core.call import Call, CallState
from stasis_dialer.core.model import (
    AbandonWindow,
    AgentState,
    AmdResult,
    Campaign,
    CampaignStatus,
    ConnectMode,
    DialMode,
    Disposition,
)
from stasis_dialer.core.options import Amd, AmdMode, Choice, Dispositions
from stasis_dialer.core.pacing import PacingDecision, PacingEvent
from stasis_dialer.core.routing import Sharer
from stasis_dialer.engine.clock import Clock
from stasis_dialer.engine.pacing import Pace, Paces, Roster, limits_of, rosters, view_of
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
        self.counts: list[tuple[int | None, int | None]] = []

    def observe(self, event: PacingEvent) -> None:
        self.heard.append(event)

    def set_budget(self, abandoned: int | None, answered: int | None, at: float) -> None:
        self.counts.append((abandoned, answered))

    def snapshot(self) -> dict[str, Any]:
        return {}


@pytest.fixture
async def ear(monkeypatch: pytest.MonkeyPatch) -> tuple[Paces, Ear]:
    paces = Paces(Clock(), MemoryStore().decisions)
    pace = await paces.of(CAMPAIGN, 10.0)
    ear = Ear()
    pace.pacer = ear  # type: ignore[assignment]
    return paces, ear


async def test_given_an_agent_who_says_machine_after_the_call_then_the_talk_is_told_as_one(
    ear: tuple[Paces, Ear],
) -> None:
    paces, heard = ear
    choices = Dispositions((Choice("robot", machine=True), Choice("sale", success=True)))
    talks = an_agent("1", AgentState.ON_CALL, since=10.0, campaign_id=1, call_id="c1", dispositions=choices)
    for code, outcome in (("robot", "machine"), ("sale", "human"), (None, "human")):
        works = replace(talks, state=AgentState.WRAP_UP, since=30.0, call_id=None)
        heard.heard.clear()
        paces.agent_changed(talks, works)
        assert heard.heard == []
        paces.agent_changed(works, replace(works, state=AgentState.AVAILABLE, since=35.0, disposition=code))
        assert [(e.kind, e.at, e.outcome, e.value) for e in heard.heard] == [
            ("talk_ended", 35.0, outcome, 20.0),
            ("wrap_up_ended", 35.0, None, 5.0),
        ]


async def test_given_an_agent_who_said_machine_during_the_call_then_that_is_told_at_its_end(
    ear: tuple[Paces, Ear],
) -> None:
    paces, heard = ear
    choices = Dispositions((Choice("robot", machine=True),))
    talks = an_agent("1", AgentState.ON_CALL, since=10.0, campaign_id=1, dispositions=choices, disposition="robot")
    paces.agent_changed(talks, replace(talks, state=AgentState.WRAP_UP, since=30.0))
    assert [(e.kind, e.at, e.outcome, e.value) for e in heard.heard] == [("talk_ended", 30.0, "machine", 20.0)]


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
    found = rosters(agents, {1: Sharer(), 2: Sharer()}, [1, 2])
    assert (found[1].ready, found[1].talking_since, found[1].wrap_up_since) == (1, {"talks": 5.0}, {"writes": 7.0})
    assert (found[2].ready, found[2].talking_since, found[2].wrap_up_since) == (1, {"joins": 6.0}, {})
    assert found[1].logged_in + found[2].logged_in == 5


def test_given_an_agent_of_a_campaign_that_stopped_when_shared_out_then_another_one_counts_on_them() -> None:
    talking = an_agent("talks", AgentState.ON_CALL, since=5.0, campaign_id=9, call_id="c1")
    assert rosters([talking], {1: Sharer(), 9: Sharer(most=0)}, [1])[1].talking_since == {"talks": 5.0}


def test_given_calls_in_every_state_when_viewed_then_each_counts_once() -> None:
    calls = [
        a_call("a", CallState.ORIGINATING),
        a_call("b", CallState.RINGING, ringing_at=12.0),
        a_call("c", CallState.QUEUED, answered_at=14.0),
        a_call("d", CallState.BRIDGED, answered_at=14.0, bridged_at=14.1),
        a_call("e", CallState.CLOSING),
    ]
    view = view_of(CAMPAIGN, rosters([], {1: Sharer()}, [1])[1], calls, 20.0)
    assert (view.dialling_since, view.ringing_since, view.waiting) == ({"a": 10.0}, {"b": 12.0}, 1)
    assert (view.channels_in_use, view.max_channels) == (5, 20)


async def test_given_a_call_from_placing_to_talking_then_the_pacer_hears_each_step_once(ear: tuple[Paces, Ear]) -> None:
    paces, pacer = ear
    call = a_call("a", CallState.QUEUED, answered_at=14.0)
    for tell in (paces.placed, paces.answered, paces.sought, paces.joined):
        tell(call)
    paces.ended(replace(call, state=CallState.ENDED, disposition=Disposition.ANSWERED))
    assert [event.kind for event in pacer.heard] == ["placed", "answered", "human", "connected"]


MACHINES_HUNG_UP = Campaign(1, "spring", amd=Amd(AmdMode.DIALPLAN))


async def test_given_a_machine_that_no_agent_gets_then_it_is_a_result_when_it_is_found_and_only_once(
    ear: tuple[Paces, Ear],
) -> None:
    paces, pacer = ear
    call = a_call("a", CallState.CLOSING, campaign=MACHINES_HUNG_UP, answered_at=14.0, amd_result=AmdResult.MACHINE)
    paces.answered(call)
    paces.detected(call)
    paces.ended(replace(call, state=CallState.ENDED, disposition=Disposition.MACHINE))
    assert [(event.kind, event.outcome) for event in pacer.heard] == [("answered", None), ("result", "machine")]


async def test_given_a_machine_that_waited_for_an_agent_then_it_is_a_result_at_its_end(ear: tuple[Paces, Ear]) -> None:
    paces, pacer = ear
    call = a_call("a", CallState.CLOSING, answered_at=14.0, waits_since=14.0, amd_result=AmdResult.MACHINE)
    paces.detected(call)
    assert pacer.heard == []
    paces.ended(replace(call, state=CallState.ENDED, disposition=Disposition.MACHINE))
    assert [(event.kind, event.outcome) for event in pacer.heard] == [("result", "machine")]


async def test_given_an_agent_had_a_machine_when_the_talk_ends_then_the_pacer_hears_that_it_was_one(
    ear: tuple[Paces, Ear],
) -> None:
    paces, pacer = ear
    call = a_call("a", CallState.BRIDGED, answered_at=14.0, bridged_at=14.1, amd_result=AmdResult.MACHINE)
    paces.detected(call)
    before = an_agent("1", AgentState.ON_CALL, campaign_id=1, call_id="a")
    paces.agent_changed(before, an_agent("1", AgentState.WRAP_UP, campaign_id=1))
    assert [(event.kind, event.outcome) for event in pacer.heard] == [("talk_ended", "machine")]


async def test_given_a_call_in_detection_then_it_counts_once_as_detecting() -> None:
    calls = [a_call("a", CallState.DETECTING, answered_at=14.0), a_call("b", CallState.QUEUED, answered_at=12.0)]
    view = view_of(CAMPAIGN, Roster(0, {}, {}), calls, 20.0)
    assert view.detecting_since == {"a": 14.0}
    assert (view.waiting, view.dialling_since, view.ringing_since) == (1, {}, {})


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

    assert paces._by_campaign == {}
    assert await store.decisions.snapshot(CAMPAIGN.id, CAMPAIGN.mode) is not None


class HandClock(Clock):
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0
        super().__init__()

    def now(self) -> float:
        return self.seconds


class Counts:
    """A call log that can be counted, or not."""

    def __init__(self) -> None:
        self.counts: tuple[int, int] | None = None

    async def save_snapshot(self, campaign_id: int, mode: str, snapshot: Mapping[str, Any], now: datetime) -> None: ...

    async def snapshot(self, campaign_id: int, mode: str) -> tuple[dict[str, Any], datetime] | None:
        return None

    async def abandonment(self, campaign_id: int, since: datetime) -> tuple[int, int]:
        if self.counts is None:
            raise DatabaseUnavailable("the statement took too long")
        return self.counts


def decided(pace: Pace, at: float = 1.0) -> PacingDecision:
    """What the pacer does with two free agents."""
    agents = [an_agent("1001", AgentState.AVAILABLE), an_agent("1002", AgentState.AVAILABLE)]
    return pace.pacer.decide(view_of(CAMPAIGN, rosters(agents, {1: Sharer()}, [1])[1], [], at))


@pytest.mark.parametrize("mode", [DialMode.PREDICTIVE, DialMode.POWER], ids=str)
async def test_given_the_call_log_was_not_counted_yet_then_the_budget_is_unknown_until_it_is(mode: DialMode) -> None:
    clock, log = HandClock(), Counts()
    paces, campaign = Paces(clock, log), replace(CAMPAIGN, mode=mode)
    pace = await paces.of(campaign, 10.0)
    unknown = decided(pace)
    assert (unknown.place, unknown.reason) in ((2, "free_agents"), (2, "budget_unknown"))

    log.counts = (0, 500)
    assert (await paces.of(campaign, 10.0)) is pace
    assert decided(pace, 2.0).place == 2, "it is not asked again at once"
    clock.seconds += 1.0
    await paces.of(campaign, 10.0)
    assert decided(pace, 3.0).reason in ("predicted", "calls_per_second")

    log.counts = None
    clock.seconds += 10.0
    await paces.of(campaign, 10.0)
    again = decided(pace, 14.0)
    assert (again.place, again.reason) == (unknown.place, unknown.reason)


async def test_given_power_over_the_cap_then_one_line_each_until_the_answers_are_earned() -> None:
    clock, log = HandClock(), Counts()
    paces, campaign = Paces(clock, log), replace(CAMPAIGN, mode=DialMode.POWER, impulse_factor=4.0)
    for counts, place, reason in (
        ((1, 0), 8, "lines_per_free_agent"),
        ((3, 60), 2, "cap_reached"),
        ((3, 70), 8, "lines_per_free_agent"),
    ):
        log.counts = counts
        clock.seconds += 10.0
        found = decided(await paces.of(campaign, 10.0), clock.seconds)
        assert (found.place, found.reason) == (place, reason), counts


async def test_given_a_person_who_is_lost_then_it_is_told_at_once_and_once_and_counts_before_the_log_has_it() -> None:
    clock, log = HandClock(), Counts()
    log.counts = (2, 100)
    paces = Paces(clock, log)
    pace = await paces.of(CAMPAIGN, 10.0)
    pace.pacer = ear = Ear()  # type: ignore[assignment]
    hears_the_message = a_call("a", CallState.SAFE_HARBOUR, answered_at=0.0, given_up_at=2.0)
    paces.lost(hears_the_message)
    assert [event.kind for event in ear.heard] == ["abandoned"]

    clock.seconds += 10.0
    await paces.of(CAMPAIGN, 10.0)
    paces.ended(replace(hears_the_message, state=CallState.ENDED, disposition=Disposition.ABANDONED))
    log.counts = (3, 101)
    clock.seconds += 10.0
    await paces.keep()
    await paces.of(CAMPAIGN, 10.0)

    assert [event.kind for event in ear.heard] == ["abandoned"]
    assert ear.counts == [(3, 101), (3, 101)]


def test_given_a_window_of_30_days_then_the_pacer_counts_over_them() -> None:
    month = replace(CAMPAIGN, abandon_window=AbandonWindow.DAYS_30)
    assert limits_of(month, 7.0).window_seconds == 30 * 86_400
