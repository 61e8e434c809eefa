"""What the pacing loop shows to callees and where it places calls: caller ids and trunks."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from zoneinfo import ZoneInfo

from stasis_dialer.core.caller_ids import CallerIds
from stasis_dialer.core.model import Disposition
from tests.engine.floor import TRUNK, Floor, on_the_floor
from tests.property.switchboard import Person


def shown(floor: Floor) -> Counter[str | None]:
    """The numbers that the callees saw."""
    return Counter(call.caller_id for call in floor.ended)


def test_given_a_pool_of_caller_ids_then_they_take_turns_up_to_their_cap_and_then_the_campaign_waits() -> None:
    pool = CallerIds(("+551130000001", "+551130000002"), max_calls_per_day=3)

    async def story(floor: Floor) -> None:
        campaign = await floor.campaign(leads=20, caller_ids=pool)
        floor.anybody = Person(picks_up_after=None)
        await floor.agents("1001", "1002", "1003", "1004", "1005")
        floor.start()
        await asyncio.sleep(120.0)
        assert shown(floor) == {"+551130000001": 3, "+551130000002": 3}
        assert floor.reason(campaign) == "caller_ids_used_up"
        dialled = [command for command in floor.board.created if "@carrier" in command.endpoint]
        assert {dict(command.variables)["CONNECTEDLINE(num,i)"] for command in dialled} == set(pool.numbers)

    on_the_floor(story)


def test_given_a_restart_then_the_calls_of_the_day_still_count() -> None:
    pool = CallerIds(("+551130000001",), max_calls_per_day=3)

    async def story(floor: Floor) -> None:
        await floor.campaign(leads=20, caller_ids=pool, timezone="Asia/Taipei")
        floor.anybody = Person(picks_up_after=0.5, hangs_up_after=1.0)
        await floor.agents("1001", "1002")
        floor.start()
        await asyncio.sleep(60.0)
        assert shown(floor) == {"+551130000001": 3}
        again = await (await floor.is_killed()).starts_again()
        await again.agents("1003")
        await asyncio.sleep(60.0)
        assert again.placed() == 0
        assert again.clock.utc_now().astimezone(ZoneInfo("Asia/Taipei")).hour == 23
        await asyncio.sleep(3600.0)
        assert again.placed() == 3, "a new day"

    on_the_floor(story)


def test_given_two_trunks_refuse_by_turns_then_the_call_is_made_on_the_other_and_room_is_given_back() -> None:
    second = replace(TRUNK, name="second", endpoint="PJSIP/{number}@second", order=1, caller_id="+551130000009")

    async def story(floor: Floor) -> None:
        await floor.campaign(leads=3)
        floor.refusing.add("carrier")
        await floor.agents("1001")
        floor.start()
        await asyncio.sleep(5.0)
        assert floor.trunks.in_use() == {"carrier": 0, "second": 1}
        (call,) = floor.calls.all()
        assert (call.caller_id, [tried.trunk for tried in call.tries]) == ("+551130000009", ["carrier"])
        assert call.leg_id == floor.ids.again(call.call_id)
        await asyncio.sleep(200.0)
        assert floor.trunks.in_use() == {"carrier": 0, "second": 0}
        assert floor.outcomes() == [Disposition.ANSWERED] * 3

    on_the_floor(story, TRUNK, second)
