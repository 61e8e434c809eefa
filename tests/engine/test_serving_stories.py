"""Members, penalties, sticky leads, pauses that last too long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from stasis_dialer.core import messages as m
from stasis_dialer.core.model import AgentState, LeadStatus
from stasis_dialer.core.options import Routing
from stasis_dialer.core.pauses import PauseReason, PauseReasons
from stasis_dialer.engine.members import NOBODY, Members
from stasis_dialer.engine.pauses import PauseWatch
from tests.engine.floor import Floor, on_the_floor
from tests.property.switchboard import Person


def test_given_members_when_they_change_then_agents_serve_other_campaigns_from_the_next_customer_on() -> None:
    async def story(floor: Floor) -> None:
        spring = await floor.campaign(leads=0)
        summer = await floor.campaign(leads=0, name="summer")
        open_one = await floor.campaign(leads=0, name="open")
        members = Members(floor.store.agents)
        floor.desk._serving = members.serving
        await floor.store.agents.set_members(spring.id, {"1001": 0, "1002": 5})
        await floor.store.agents.set_members(summer.id, {"1002": 1})
        ids = [spring.id, summer.id, open_one.id]
        await members.look(floor.desk, ids)
        await floor.agents("1001", "1002", "1003")
        await floor.agents("1004", campaigns=(summer.id,))

        def serves(extension: str) -> set[int]:
            agent = floor.desk.find(extension)
            assert agent is not None
            return {id_ for id_ in ids if agent.serves(id_)}

        assert serves("1001") == {spring.id, open_one.id}
        assert serves("1002") == set(ids)
        assert serves("1003") == {open_one.id}
        assert serves("1004") == {summer.id}
        agent = floor.desk.find("1002")
        assert agent is not None
        assert agent.penalties == {spring.id: 5, summer.id: 1}
        await floor.store.agents.set_members(open_one.id, {"1001": 0})
        await members.look(floor.desk, ids)
        assert (serves("1001"), serves("1003")) == ({spring.id, open_one.id}, set())
        nobody = floor.desk.find("1003")
        assert nobody is not None
        assert nobody.campaigns == NOBODY
        for id_ in ids:
            await floor.store.agents.set_members(id_, {})
        await members.look(floor.desk, ids)
        assert serves("1003") == set(ids)
        assert serves("1004") == {summer.id}

    on_the_floor(story)


def test_given_a_sticky_campaign_when_a_lead_is_called_again_then_the_same_agent_gets_it() -> None:
    async def story(floor: Floor) -> None:
        campaign = await floor.campaign(leads=1, routing=Routing(is_sticky=True))
        floor.anybody = Person(picks_up_after=1.0, hangs_up_after=3.0)
        await floor.agents("1002")
        floor.start()
        await asyncio.sleep(6.0)
        (lead,) = floor.store.rows.values()
        assert lead.status is LeadStatus.COMPLETED
        await floor.agents("1001")
        floor.desk.tell("1002", m.PauseRequested("x"))
        floor.desk.tell("1002", m.UnpauseRequested())
        floor.store.rows[lead.id] = replace(lead, status=LeadStatus.PENDING)
        await asyncio.sleep(6.0)
        assert [call.agent for call in floor.ended] == ["1002", "1002"]
        await floor.change(campaign, routing=Routing())
        await floor.book.refresh()
        floor.store.rows[lead.id] = replace(floor.store.rows[lead.id], status=LeadStatus.PENDING)
        await asyncio.sleep(6.0)
        assert [call.agent for call in floor.ended] == ["1002", "1002", "1001"]

    on_the_floor(story)


def test_given_a_pause_over_its_limit_then_it_is_flagged_and_logged_once(logged: Callable[[], str]) -> None:
    async def story(floor: Floor) -> None:
        watch = PauseWatch(floor.clock.now, PauseReasons([PauseReason("bath", limit_seconds=60.0), PauseReason("x")]))
        await floor.agents("1001", "1002")
        floor.desk.tell("1001", m.PauseRequested("bath"))
        floor.desk.tell("1002", m.PauseRequested("x"))
        for _ in range(5):
            await asyncio.sleep(25.0)
            watch.look(floor.desk.agents())
        assert {agent.extension: watch.is_over(agent) for agent in floor.desk.agents()} == {"1001": True, "1002": False}
        floor.desk.tell("1001", m.UnpauseRequested())
        watch.look(floor.desk.agents())
        (told,) = [line for line in logged().splitlines() if "pause-over-its-limit" in line]
        assert "1001" in told
        assert "bath" in told
        agent = floor.desk.find("1001")
        assert agent is not None
        assert (agent.state, watch.is_over(agent)) == (AgentState.AVAILABLE, False)

    on_the_floor(story)
