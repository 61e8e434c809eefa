"""A campaign's history for the simulator, against a log whose every figure is known."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from stasis_dialer.core.history import CallHistory
from stasis_dialer.core.model import (
    AgentState,
    CallRecord,
    CallStatus,
    Campaign,
    CampaignStatus,
    Disposition,
    Reservation,
)
from stasis_dialer.db.store import Store
from tests.contract.db.conftest import NOW, Story, at, begin
from tests.contract.db.records import placed
from tests.contract.db.test_db_agents import LOGIN, moved

UNTIL = at(3600)


def over(one: Reservation, disposition: Disposition, **marks: float) -> CallRecord:
    """A call with these moments, in seconds of the story."""
    times = {f"{name}_at": at(seconds) for name, seconds in {"started": 0.0, "dialled": 0.2, **marks}.items()}
    return replace(placed(one), status=CallStatus.FINISHED, disposition=disposition, **times)  # type: ignore[arg-type]


async def a_day(mariadb: Store) -> Story:
    """Twelve calls of each kind that matters, and one that is not over."""
    story = await begin(mariadb)
    await story.add(*(f"1198765{number:04d}" for number in range(12)))
    calls = iter((await story.reserve(12)).reservations)
    talked = {"ringing": 2.0, "answered": 12.0, "bridged": 12.5}
    closed = [
        replace(over(next(calls), Disposition.ANSWERED, ended=72.5, **talked), call_id="talk-1", agent="1001"),
        replace(over(next(calls), Disposition.ANSWERED, ended=42.5, **talked), call_id="talk-2", agent="1001"),
        replace(over(next(calls), Disposition.ABANDONED, ringing=3.0, answered=9.0, ended=10.5), hung_up_by="customer"),
        replace(over(next(calls), Disposition.ABANDONED, ringing=3.0, answered=9.0, ended=19.0), hung_up_by="dialer"),
        over(next(calls), Disposition.MACHINE, ringing=4.0, answered=22.0, ended=26.0),
        over(next(calls), Disposition.NO_ANSWER, ringing=2.5, ended=30.5),
        over(next(calls), Disposition.BUSY, ended=3.0),
        over(next(calls), Disposition.BUSY, ended=5.0),
        over(next(calls), Disposition.INVALID_NUMBER, ended=1.0),
        over(next(calls), Disposition.CANCELLED, ringing=2.0, ended=17.0),
        over(next(calls), Disposition.ERROR, ended=1.0),
    ]
    await mariadb.calls.finish([(record, None) for record in closed])
    await mariadb.calls.save([replace(placed(next(calls)), dialled_at=at(1))])
    return story


async def test_given_calls_of_every_kind_then_each_figure_is_the_logs(mariadb: Store) -> None:
    story = await a_day(mariadb)
    found = await mariadb.history.of(story.campaign.id, NOW, UNTIL)
    (hour,) = found.hours
    assert (hour.at, hour.calls, hour.people) == (NOW, 10, 4)
    assert (found.machines, found.busy, found.failed, found.withdrawn, found.lost) == (1, 2, 1, 1, 2)
    assert (found.busy_after, found.failed_after) == (4.0, 1.0)
    assert found.rang_share == 1.0
    assert sorted(found.person_rings) == [6.0, 6.0, 10.0, 10.0]
    assert found.machine_rings == (18.0,)
    assert found.unanswered_rings == (28.0,)
    assert sorted(found.talks) == [30.0, 60.0]
    assert sorted(found.post_dial) == [2.0, 2.0, 2.0, 2.5, 3.0, 3.0, 4.0]
    assert found.patience == (1.5,)


async def test_given_another_campaign_or_time_then_nothing_is_told_of_it(mariadb: Store) -> None:
    story = await a_day(mariadb)
    assert await mariadb.history.of(story.campaign.id + 1, NOW, UNTIL) == CallHistory(rang_share=0.0)
    assert (await mariadb.history.of(story.campaign.id, at(1), UNTIL)).calls == 0
    assert (await mariadb.history.of(story.campaign.id, NOW - timedelta(days=7), NOW)).calls == 0


async def test_given_an_agents_states_then_wrap_ups_are_those_after_the_campaigns_talks(mariadb: Store) -> None:
    story = await a_day(mariadb)
    mine = replace(LOGIN, campaigns=(story.campaign.id,))
    steps = [
        mine,
        moved(mine, AgentState.AVAILABLE, 2),
        moved(mine, AgentState.ON_CALL, 12, call_id="talk-1"),
        moved(mine, AgentState.WRAP_UP, 42),
        moved(mine, AgentState.AVAILABLE, 49.5),
        moved(mine, AgentState.ON_CALL, 50, call_id="talk-2"),
        moved(mine, AgentState.AVAILABLE, 80),
        moved(mine, AgentState.ON_CALL, 90, call_id="of-another-campaign"),
        moved(mine, AgentState.WRAP_UP, 95),
        moved(mine, AgentState.PAUSED, 100),
    ]
    for step in steps:
        await mariadb.agents.save_sessions([step])
    found = await mariadb.history.of(story.campaign.id, NOW, UNTIL)
    assert sorted(found.wrap_ups) == [0.0, 7.5]
    (hour,) = found.hours
    assert hour.agents == 1.0, "98 seconds at work, in an hour that is taken to have a minute of dialling"
    brief = replace(mine, session_id="session-8", extension="1008", state=AgentState.AVAILABLE, state_since=at(3570))
    await mariadb.agents.save_sessions([replace(brief, logged_in_at=at(3570))])
    (hour,) = (await mariadb.history.of(story.campaign.id, NOW, UNTIL)).hours
    assert hour.agents == 1.5, "a second one for 30 seconds"


async def test_given_agents_of_several_campaigns_then_they_count_by_their_customers(mariadb: Store) -> None:
    story = await a_day(mariadb)
    stored = await mariadb.campaigns.create(Campaign(0, "Carnaval", CampaignStatus.ACTIVE), "tests", NOW)
    other = Story(mariadb, stored.campaign, map("other-{}".format, itertools.count()).__next__)
    await other.add("11987651111", "11987652222")
    elsewhere = [
        replace(over(one, Disposition.ANSWERED, answered=2.0, bridged=2.1, ended=9.0), agent="1001")
        for one in (await other.reserve(2)).reservations
    ]
    await mariadb.calls.finish([(record, None) for record in elsewhere])
    shared = replace(LOGIN, campaigns=(), state=AgentState.AVAILABLE)
    not_here = replace(shared, session_id="session-9", extension="1009", campaigns=(other.campaign.id,))
    await mariadb.agents.save_sessions([shared, not_here])
    found = await mariadb.history.of(story.campaign.id, NOW, at(600))
    (hour,) = found.hours
    assert hour.agents == 0.5, "half of the shared agent's customers are of this campaign"


async def test_given_agents_over_days_then_each_hour_has_its_own(mariadb: Store) -> None:
    story = await begin(mariadb)
    await story.add(*(f"1198765{number:04d}" for number in range(4)))
    for n, one in enumerate((await story.reserve(4)).reservations):
        later = timedelta(days=n // 2, seconds=1200 * (n % 2))
        record = over(one, Disposition.BUSY, ended=2.0)
        assert record.started_at is not None and record.dialled_at is not None and record.ended_at is not None
        moved_on = replace(
            record,
            started_at=record.started_at + later,
            dialled_at=record.dialled_at + later,
            ended_at=record.ended_at + later,
        )
        await mariadb.calls.finish([(moved_on, None)])
    session = replace(LOGIN, campaigns=(), state=AgentState.AVAILABLE)
    out = replace(session, state=AgentState.LOGGED_OFF, state_since=at(1200), logged_out_at=at(1200))
    await mariadb.agents.save_sessions([session])
    await mariadb.agents.save_sessions([out])
    found = await mariadb.history.of(story.campaign.id, NOW - timedelta(days=1), NOW + timedelta(days=2))
    assert [(hour.at, hour.calls, hour.agents) for hour in found.hours] == [
        (datetime(2026, 3, 2, 13, tzinfo=UTC), 2, 1.0),
        (datetime(2026, 3, 3, 13, tzinfo=UTC), 2, 0.0),
    ]
