"""Reports add up to the rows they come from."""

from dataclasses import replace

import pytest

from stasis_dialer.core.model import AgentState, CallStatus, Disposition, LeadStatus
from stasis_dialer.db.calls import CallFilter
from stasis_dialer.db.decisions import PacingDecision, PacingDecisions
from stasis_dialer.db.leads import LeadFilter
from stasis_dialer.db.reports import nearest_rank
from stasis_dialer.db.store import Store
from tests.contract.db.conftest import APP, NOW, at, begin
from tests.contract.db.records import ended, outcome
from tests.contract.db.test_db_agents import LOGIN, moved


async def test_given_calls_of_every_kind_when_reported_then_dispositions_and_waits_are_true(mariadb: Store) -> None:
    story = await begin(mariadb)
    await story.add(*(f"1198765{number:04d}" for number in range(12)))
    taken = (await story.reserve(12)).reservations
    waits = [0.02, 0.03, 0.05, 0.08, 1.25]
    closed = []
    for one, wait in zip(taken, waits, strict=False):
        talked = replace(ended(one, Disposition.ANSWERED), bridged_at=at(5 + wait))
        closed.append((talked, outcome(one, LeadStatus.COMPLETED, "answered")))
    closed += [(ended(one, Disposition.BUSY), outcome(one, LeadStatus.FAILED, "busy")) for one in taken[5:10]]
    await mariadb.calls.finish(closed)
    report = await mariadb.reports.campaign(story.campaign.id)
    assert report.dispositions == {"answered": 5, "busy": 5, "open": 2}
    assert (report.calls, report.answered, report.connected, report.talk_seconds) == (12, 5, 5, 150)
    assert report.answer_to_agent_seconds == {50: 0.05, 95: 1.25, 99: 1.25}
    assert (await mariadb.reports.campaign(story.campaign.id, at(1), at(60))).calls == 0
    assert (await mariadb.reports.campaign(story.campaign.id, NOW, at(60))).calls == 12
    counters = (await mariadb.campaigns.get(story.campaign.id)).counters
    assert counters.success_rate == 50.0


async def test_given_calls_of_every_length_when_the_rules_count_then_short_ones_are_those_they_mean(
    mariadb: Store,
) -> None:
    story = await begin(mariadb)
    await story.add(*(f"1198765{number:04d}" for number in range(5)))
    long, short, busy, machine, never_dialled = (await story.reserve(5)).reservations
    await mariadb.calls.finish(
        [
            (replace(ended(long, Disposition.ANSWERED), bridged_at=at(5.02)), None),
            (replace(ended(short, Disposition.ANSWERED), bridged_at=at(5.02), ended_at=at(11)), None),
            (replace(ended(busy, Disposition.BUSY), dialled_at=at(0.25)), None),
            (replace(ended(machine, Disposition.ANSWERED), disposition=Disposition.MACHINE, bridged_at=None), None),
            (replace(ended(never_dialled, Disposition.ERROR), dialled_at=None), None),
        ]
    )
    assert await mariadb.reports.placed(NOW, at(3600), 6) == (4, 3)
    assert await mariadb.reports.placed(NOW, at(3600), 5) == (4, 2)
    (hour,) = await mariadb.reports.hours(story.campaign.id, NOW, at(3600))
    assert (hour.hour, hour.calls, hour.answered, hour.connected, hour.abandoned) == (NOW, 4, 3, 2, 0)
    assert await mariadb.reports.hours(None, NOW, at(3600)) == [hour]
    assert await mariadb.reports.hours(story.campaign.id, at(3600), at(7200)) == []


async def test_given_an_agents_day_when_reported_then_the_states_sum_to_the_window(mariadb: Store) -> None:
    talking = moved(moved(LOGIN, AgentState.AVAILABLE, 10), AgentState.ON_CALL, 40, call_id="call-1")
    await mariadb.agents.save_sessions([LOGIN, moved(LOGIN, AgentState.AVAILABLE, 10), talking])
    (whole,) = await mariadb.reports.agents(NOW, at(100))
    assert whole.seconds == {"paused": 10.0, "available": 30.0, "on_call": 60.0}
    assert (whole.logged_in_seconds, whole.talk_share, whole.calls, whole.sessions) == (100.0, 0.6, 1, 1)
    (clipped,) = await mariadb.reports.agents(at(5), at(20.5))
    assert clipped.seconds == {"paused": 5.0, "available": 10.5}
    out = replace(talking, state=AgentState.LOGGED_OFF, state_since=at(50), logged_out_at=at(50))
    await mariadb.agents.save_sessions([out])
    (ended_day,) = await mariadb.reports.agents(NOW, at(100))
    assert ended_day.logged_in_seconds == 50.0
    assert await mariadb.reports.agents(at(60), at(100)) == []


async def test_given_calls_when_the_legacy_asks_then_rate_and_mean_are_its_own(mariadb: Store) -> None:
    story = await begin(mariadb)
    await story.add("11987650001", "11987650002")
    first, second = (await story.reserve(2)).reservations
    await mariadb.calls.finish([(ended(first, Disposition.ANSWERED), None), (ended(second, Disposition.BUSY), None)])
    assert await mariadb.calls.calls_per_hour(at(-1800), at(1800)) == 2.0
    assert await mariadb.calls.average_call_duration(at(-1800), at(1800)) == 30.0
    assert await mariadb.calls.average_call_duration(at(60), at(1800)) == 0.0


async def test_given_many_calls_when_listed_by_pages_then_each_comes_once(mariadb: Store) -> None:
    story = await begin(mariadb)
    await story.add(*(f"1198765{number:04d}" for number in range(10)))
    for seconds in (0, 0.4, 2):
        await story.reserve(3, at(seconds))
    seen: list[str] = []
    page = await mariadb.calls.find(CallFilter(campaign_id=story.campaign.id), limit=2)
    while page:
        seen += [call.call_id for call in page]
        page = await mariadb.calls.find(CallFilter(campaign_id=story.campaign.id), limit=2, before=page[-1])
    assert len(seen) == len(set(seen)) == 9
    assert {call.status for call in await mariadb.calls.find(CallFilter(since=at(2)))} == {CallStatus.RINGING}
    assert len(await mariadb.calls.find(CallFilter(until=at(2)))) == 6
    assert await mariadb.calls.find(CallFilter(agent="1001", disposition=Disposition.BUSY)) == []


async def test_given_many_leads_when_listed_by_pages_then_each_comes_once(mariadb: Store) -> None:
    story = await begin(mariadb)
    await story.add(*(f"1198765{number:04d}" for number in range(7)))
    taken = await story.reserve(2)
    first = await mariadb.leads.find(LeadFilter(campaign_id=story.campaign.id, status=LeadStatus.PENDING), limit=3)
    rest = await mariadb.leads.find(LeadFilter(campaign_id=story.campaign.id), limit=9, after_id=first[-1].id)
    assert len(first) == 3 and len(rest) == 2
    (found,) = await mariadb.leads.find(LeadFilter(phone_number="11987650001"))
    assert found.id == taken.reservations[1].lead.id
    assert found.name == "Zé 11987650001"


async def test_given_more_decisions_than_are_kept_when_written_then_the_oldest_go(mariadb: Store) -> None:
    decisions = PacingDecisions(mariadb.database, kept=3)
    for number in range(5):
        await decisions.write([PacingDecision(7, at(number), number, 0, {"free": 2}), PacingDecision(8, at(0), 1, 1)])
    assert [decision.wanted for decision in await decisions.latest(7)] == [4, 3, 2]
    assert (await decisions.latest(7))[0] == PacingDecision(7, at(4), 4, 0, {"free": 2})
    assert len(await decisions.latest(8)) == 3


@pytest.mark.parametrize(("percentile", "value"), [(1, 1.0), (50, 2.0), (51, 3.0), (75, 3.0), (99, 4.0), (100, 4.0)])
def test_given_four_values_when_ranked_then_the_percentile_is_one_of_them(percentile: int, value: float) -> None:
    assert nearest_rank([1.0, 2.0, 3.0, 4.0], percentile) == value


async def test_given_open_calls_of_two_dialers_when_asked_then_each_has_its_own(mariadb: Store) -> None:
    story = await begin(mariadb)
    await story.add("11987650001", "11987650002")
    await story.reserve(1)
    await story.reserve(1, app="dialer-b")
    assert len(await mariadb.calls.open_calls(APP)) == len(await mariadb.calls.open_calls("dialer-b")) == 1
