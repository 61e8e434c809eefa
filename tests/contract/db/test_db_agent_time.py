"""Each agent's seconds by state add up to the time logged in, to the millisecond, over midnights and restarts."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

import pytest

from stasis_dialer.core.model import AgentSession, AgentState
from stasis_dialer.db.store import Store
from tests.contract.db.conftest import at
from tests.contract.db.test_db_agents import LOGIN

STATES = [state for state in AgentState if state is not AgentState.LOGGED_OFF]
DAY = 86_400.0


def a_session(chance: Random, number: int) -> list[AgentSession]:
    """What a dialer writes of one session: its states in order; some never end, some are written late or twice."""
    begins = chance.uniform(0, 3 * DAY)
    login = replace(
        LOGIN,
        session_id=f"session-{number}",
        extension=f"{1001 + number % 4}",
        logged_in_at=at(begins),
        state_since=at(begins),
    )
    steps, now = [login], begins
    for _ in range(chance.randrange(12)):
        now += chance.choice([0.0, 0.001, 0.5, 7.77, 3600.0, 9 * 3600.0])
        steps.append(replace(steps[-1], state=chance.choice(STATES), state_since=at(now)))
    if chance.random() < 0.8:
        now += chance.choice([0.0, 1.5, 3600.0])
        over = at(now)
        steps.append(replace(steps[-1], state=AgentState.LOGGED_OFF, state_since=over, logged_out_at=over))
    repeated = [step for step in steps for _ in range(chance.choice([1, 1, 2]))]
    return repeated if chance.random() < 0.7 else [*repeated, *steps[:-1], steps[-1]]


def logged_in(session: AgentSession, since: datetime, until: datetime) -> int:
    """Milliseconds of a session within a window."""
    ends = session.logged_out_at or until
    spent = min(ends, until) - max(session.logged_in_at, since)
    return max(0, round(spent / timedelta(milliseconds=1)))


def whole_ms(session: AgentSession) -> AgentSession:
    def cut(moment: datetime | None) -> datetime | None:
        return moment and moment.replace(microsecond=moment.microsecond // 1000 * 1000)

    return replace(session, logged_in_at=cut(session.logged_in_at), logged_out_at=cut(session.logged_out_at))


@pytest.mark.parametrize("seed", range(6))
async def test_given_any_sessions_when_reported_by_the_day_then_the_seconds_add_up_exactly(
    mariadb: Store, seed: int
) -> None:
    chance = Random(seed)
    told = [a_session(chance, number) for number in range(12)]
    for steps in told:
        for step in steps:
            await mariadb.agents.save_sessions([step])
    last = [whole_ms(steps[-1]) for steps in told]
    since = at(-3600).replace(hour=3, minute=0)
    windows = [(since + timedelta(days=n), since + timedelta(days=n + 1)) for n in range(6)]
    windows += [(at(1.5), at(2 * DAY + 0.25)), (since, since + timedelta(days=6))]
    for start, end in windows:
        report = {one.extension: one for one in await mariadb.reports.agents(start, end)}
        for extension in {session.extension for session in last}:
            expected = sum(logged_in(s, start, end) for s in last if s.extension == extension)
            found = report[extension].logged_in_seconds if extension in report else 0.0
            assert round(found * 1000) == expected, (seed, extension, start, end)
