"""What the pacing loop places, and what keeps it from placing: hours, agents, Asterisk, trunks, channels, shares."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import time
from typing import Any

import pytest

from stasis_dialer.cli.reasons import MEANINGS
from stasis_dialer.core.call import CallState
from stasis_dialer.core.model import RISKY_MODES, Campaign, CampaignStatus, DialMode, Disposition, LeadStatus
from stasis_dialer.core.options import Amd, AmdMode, Broadcast
from stasis_dialer.core.pacing import PacingDecision, PacingView
from stasis_dialer.engine.dialer import GATHER_SECONDS
from tests.engine.floor import TRUNK, Floor, number, on_the_floor
from tests.property.switchboard import Person


def test_given_free_agents_then_one_call_each_and_the_next_when_one_is_free_again() -> None:
    async def story(floor: Floor) -> None:
        campaign = await floor.campaign(leads=20)
        await floor.agents("1001", "1002", "1003")
        floor.start()
        await asyncio.sleep(2.0)
        assert floor.placed() == 3
        assert floor.reason(campaign) in ("agents_taken", "free_agents")
        await asyncio.sleep(3.0)
        assert {agent.state for agent in floor.desk.agents()} == {"on_call"}
        assert floor.placed() == 3
        await asyncio.sleep(33.0)
        assert floor.placed() == 6

    on_the_floor(story)


def test_given_a_campaign_of_leads_then_each_is_called_once_and_every_call_has_its_record() -> None:
    async def story(floor: Floor) -> None:
        campaign = await floor.campaign(leads=12)
        for n in range(12):
            if n % 3:
                floor.people[f"PJSIP/{number(n)}@carrier"] = Person(picks_up_after=None)
        await floor.agents("1001", "1002")
        floor.start()
        await asyncio.sleep(400.0)
        assert sorted(floor.outcomes()) == [Disposition.ANSWERED] * 4 + [Disposition.NO_ANSWER] * 8
        records = floor.store.records.values()
        assert len(records) == 12
        assert {record.number for record in records} == {number(n) for n in range(12)}
        assert all(record.ended_at and record.disposition for record in records)
        counts = await floor.store.leads.counts(campaign.id)
        assert (counts["completed"], counts["pending"], counts["calling"]) == (4, 8, 0)
        stored = await floor.store.campaigns.get(campaign.id)
        assert (stored.counters.processed_contacts, stored.counters.successful_calls) == (4, 4)
        assert floor.trunks.in_use() == {"carrier": 0}
        assert floor.reason(campaign) == "no_leads_due"

    on_the_floor(story)


def test_given_retries_are_due_then_they_are_dialled_until_the_attempts_are_used() -> None:
    async def story(floor: Floor) -> None:
        await floor.campaign(leads=1, retry_delay_seconds=60.0)
        floor.anybody = Person(picks_up_after=None)
        await floor.agents("1001")
        floor.start()
        await asyncio.sleep(400.0)
        (lead,) = floor.store.rows.values()
        assert (floor.placed(), lead.attempts, lead.status) == (3, 3, LeadStatus.FAILED)

    on_the_floor(story)


def test_given_nobody_is_logged_in_then_nothing_is_dialled() -> None:
    async def story(floor: Floor) -> None:
        campaign = await floor.campaign(leads=5)
        floor.start()
        await asyncio.sleep(60.0)
        assert (floor.placed(), floor.reason(campaign)) == (0, "no_agents")
        assert all(lead.status is LeadStatus.PENDING for lead in floor.store.rows.values())

    on_the_floor(story)


def test_given_all_agents_pause_then_nothing_more_is_dialled() -> None:
    async def story(floor: Floor) -> None:
        from stasis_dialer.core import messages as m

        await floor.campaign(leads=5)
        await floor.agents("1001")
        floor.desk.tell("1001", m.PauseRequested("lunch"))
        floor.start()
        await asyncio.sleep(60.0)
        assert floor.placed() == 0
        floor.desk.tell("1001", m.UnpauseRequested())
        await asyncio.sleep(1.0)
        assert floor.placed() == 1

    on_the_floor(story)


def test_given_agents_of_another_campaign_then_nothing_is_dialled() -> None:
    async def story(floor: Floor) -> None:
        campaign = await floor.campaign(leads=5)
        await floor.agents("1001", campaigns=(campaign.id + 99,))
        floor.start()
        await asyncio.sleep(60.0)
        assert (floor.placed(), floor.reason(campaign)) == (0, "no_agents")

    on_the_floor(story)


def test_given_outside_the_hours_then_nothing_until_they_begin() -> None:
    async def story(floor: Floor) -> None:
        """The story begins at noon in São Paulo."""
        campaign = await floor.campaign(leads=5, window_start=time(12, 1), window_end=time(12, 5))
        await floor.agents("1001")
        floor.start()
        await asyncio.sleep(55.0)
        assert (floor.placed(), floor.reason(campaign)) == (0, "outside_hours")
        await asyncio.sleep(6.0)
        assert floor.placed() == 1
        await asyncio.sleep(300.0)
        before = floor.placed()
        assert floor.reason(campaign) == "outside_hours"
        await asyncio.sleep(60.0)
        assert floor.placed() == before

    on_the_floor(story)


@pytest.mark.parametrize("status", [CampaignStatus.PAUSED, CampaignStatus.FINISHED], ids=str)
def test_given_the_old_panel_stops_a_campaign_then_nothing_more_is_dialled_within_seconds(
    status: CampaignStatus,
) -> None:
    async def story(floor: Floor) -> None:
        campaign = await floor.campaign(leads=50)
        await floor.agents("1001")
        floor.start()
        await asyncio.sleep(5.0)
        await floor.change(campaign, status=status)
        await asyncio.sleep(2.0)
        before = floor.placed()
        await asyncio.sleep(120.0)
        assert floor.placed() == before
        assert floor.outcomes() == [Disposition.ANSWERED] * before

    on_the_floor(story)


def test_given_the_old_panel_raises_the_channels_then_more_is_dialled() -> None:
    async def story(floor: Floor) -> None:
        campaign = await floor.campaign(leads=50, max_channels=2)
        await floor.agents("1001", "1002", "1003", "1004")
        floor.start()
        await asyncio.sleep(2.0)
        assert floor.placed() == 2
        await floor.change(campaign, max_channels=3)
        await asyncio.sleep(2.0)
        assert floor.placed() == 3

    on_the_floor(story)


def test_given_asterisk_is_away_then_nothing_is_dialled_until_it_is_back() -> None:
    async def story(floor: Floor) -> None:
        campaign = await floor.campaign(leads=5)
        await floor.agents("1001")
        floor.dialer.is_connected = False
        floor.start()
        await asyncio.sleep(10.0)
        assert (floor.placed(), floor.reason(campaign)) == (0, "asterisk_away")
        floor.dialer.is_connected = True
        await asyncio.sleep(1.0)
        assert floor.placed() == 1

    on_the_floor(story)


def test_given_a_stop_is_under_way_then_nothing_is_dialled() -> None:
    async def story(floor: Floor) -> None:
        campaign = await floor.campaign(leads=5)
        await floor.agents("1001")
        floor.dialer.is_stopping = True
        floor.start()
        await asyncio.sleep(10.0)
        assert (floor.placed(), floor.reason(campaign)) == (0, "stopping")

    on_the_floor(story)


def test_given_the_database_is_away_then_nothing_is_dialled_until_it_is_back() -> None:
    async def story(floor: Floor) -> None:
        await floor.campaign(leads=5)
        await floor.agents("1001")
        floor.store.is_away = True
        floor.start()
        await asyncio.sleep(30.0)
        assert floor.placed() == 0
        assert floor.dialer.is_database_away
        floor.store.is_away = False
        await asyncio.sleep(2.0)
        assert floor.placed() == 1
        assert not floor.dialer.is_database_away

    on_the_floor(story)


def test_given_a_trunks_channels_are_used_then_the_next_trunk_and_then_none() -> None:
    first, second = replace(TRUNK, max_channels=2), replace(TRUNK, name="second", max_channels=1)

    async def story(floor: Floor) -> None:
        await floor.campaign(leads=20)
        await floor.agents("1001", "1002", "1003", "1004", "1005")
        floor.start()
        await asyncio.sleep(2.0)
        assert floor.trunks.in_use() == {"carrier": 2, "second": 1}
        await asyncio.sleep(10.0)
        assert floor.placed() == 3

    on_the_floor(story, first, second)


def test_given_a_campaign_names_its_trunk_then_no_other_is_used() -> None:
    async def story(floor: Floor) -> None:
        await floor.campaign(leads=5, trunks=("second",))
        await floor.agents("1001")
        floor.start()
        await asyncio.sleep(2.0)
        assert floor.trunks.in_use() == {"carrier": 0, "second": 1}

    on_the_floor(story, TRUNK, replace(TRUNK, name="second"))


def test_given_a_campaign_names_an_unknown_trunk_then_it_does_not_dial_and_others_do() -> None:
    async def story(floor: Floor) -> None:
        wrong = await floor.campaign(leads=5, name="wrong", trunks=("none",))
        right = await floor.campaign(leads=5, name="right")
        await floor.agents("1001", "1002")
        floor.start()
        await asyncio.sleep(2.0)
        assert floor.placed(wrong) == 0
        assert floor.placed(right) >= 1
        assert not [lead for lead in floor.store.rows.values() if lead.campaign_id == wrong.id and lead.attempts]

    on_the_floor(story)


def test_given_a_trunks_rate_then_no_second_has_more_calls() -> None:
    async def story(floor: Floor) -> None:
        await floor.campaign(leads=100)
        await floor.agents(*(str(1000 + n) for n in range(40)))
        floor.start()
        await asyncio.sleep(30.0)
        dialled = [at for at, endpoint in floor.board.dialled if "@" in endpoint]
        assert len(dialled) == 40
        for at in dialled:
            assert sum(at <= other < at + 1.0 for other in dialled) <= 5 + 1

    on_the_floor(story, replace(TRUNK, calls_per_second=5.0))


def test_given_invalid_numbers_then_they_are_closed_and_the_others_dialled() -> None:
    async def story(floor: Floor) -> None:
        campaign = await floor.campaign(leads=2)
        for lead_id in list(floor.store.rows)[:1]:
            floor.store.change_lead(lead_id, phone_number="5511987654321@evil")
        await floor.agents("1001")
        floor.start()
        await asyncio.sleep(60.0)
        assert floor.placed(campaign) == 1
        closed = next(iter(floor.store.rows.values()))
        assert (closed.status, closed.result) == (LeadStatus.FAILED, "invalid_number")

    on_the_floor(story)


def test_given_every_call_is_answered_at_once_then_nobody_is_abandoned_with_one_call_an_agent() -> None:
    async def story(floor: Floor) -> None:
        await floor.campaign(leads=200)
        floor.anybody = Person(picks_up_after=0.5, hangs_up_after=7.0)
        await floor.agents("1001", "1002", "1003")
        floor.start()
        await asyncio.sleep(120.0)
        assert len(floor.ended) > 30
        assert set(floor.outcomes()) == {Disposition.ANSWERED}

    on_the_floor(story)


# --- why nothing is dialled, as it can be read ------------------------------------------------------------------


async def written(floor: Floor, campaign: Campaign) -> list[str]:
    """The reasons that `campaign explain` would show, the oldest first."""
    rows = await floor.store.decisions.latest(campaign.id, 100)
    assert {str(row.inputs["reason"]) for row in rows} <= MEANINGS.keys()
    return [str(row.inputs["reason"]) for row in reversed(rows)]


@pytest.mark.parametrize("mode", [DialMode.POWER, DialMode.PREDICTIVE, DialMode.LEGACY], ids=str)
def test_given_a_mode_that_may_abandon_and_no_message_then_nothing_is_dialled_and_it_says_so(mode: DialMode) -> None:
    async def story(floor: Floor) -> None:
        campaign = await floor.campaign(leads=5, mode=mode)
        await floor.agents("1001")
        floor.start()
        await asyncio.sleep(30.0)
        assert (floor.placed(), floor.reason(campaign)) == (0, "no_message")
        assert await written(floor, campaign) == ["no_message"]
        await floor.change(campaign, safe_harbour_media="sound:sorry")
        await asyncio.sleep(40.0)
        assert floor.placed() >= 1
        assert (await written(floor, campaign))[0] == "no_message"

    on_the_floor(story)


@pytest.mark.parametrize("mode", [*sorted(RISKY_MODES), DialMode.PROGRESSIVE], ids=str)
def test_given_nobody_at_work_then_every_mode_says_so(mode: DialMode) -> None:
    async def story(floor: Floor) -> None:
        campaign = await floor.campaign(leads=5, mode=mode, safe_harbour_media="sound:sorry")
        floor.start()
        await asyncio.sleep(60.0)
        assert floor.placed() == 0
        assert (await written(floor, campaign))[0] == "no_agents"

    on_the_floor(story)


def test_given_the_channels_are_used_then_nothing_more_is_dialled_and_it_says_so() -> None:
    async def story(floor: Floor) -> None:
        campaign = await floor.campaign(leads=20, max_channels=2)
        await floor.agents("1001", "1002", "1003")
        floor.start()
        await asyncio.sleep(10.0)
        assert (floor.placed(), floor.reason(campaign)) == (2, "channels")
        rows = await floor.store.decisions.latest(campaign.id, 1)
        assert rows[0].inputs["room"] == 0.0

    on_the_floor(story)


def test_given_an_unknown_trunk_then_it_says_so() -> None:
    async def story(floor: Floor) -> None:
        campaign = await floor.campaign(leads=5, trunks=("none",))
        await floor.agents("1001")
        floor.start()
        await asyncio.sleep(5.0)
        assert (floor.placed(), floor.reason(campaign)) == (0, "unknown_trunk")
        assert await written(floor, campaign) == ["unknown_trunk"]

    on_the_floor(story)


def test_given_power_that_lost_too_many_then_one_line_each_and_it_says_so() -> None:
    async def story(floor: Floor) -> None:
        campaign = await floor.campaign(
            leads=400, mode=DialMode.POWER, impulse_factor=5.0, safe_harbour_media="sound:sorry", wrap_up_seconds=1.0
        )
        floor.anybody = Person(picks_up_after=2.0, hangs_up_after=30.0)
        await floor.agents("1001", "1002")
        floor.start()
        await asyncio.sleep(20.0)
        assert floor.placed() == 10
        await asyncio.sleep(200.0)
        assert "cap_reached" in await written(floor, campaign)
        before = floor.placed()
        await asyncio.sleep(300.0)
        lost = [call for call in floor.ended if call.disposition is Disposition.ABANDONED]
        assert len(lost) == 8, "only those of the first seconds"
        assert floor.placed() > before

    on_the_floor(story)


def test_given_a_campaign_that_fails_then_the_others_dial_and_it_says_so() -> None:
    async def story(floor: Floor) -> None:
        broken = await floor.campaign(leads=5, name="broken", mode=DialMode.POWER, safe_harbour_media="sound:sorry")
        well = await floor.campaign(leads=5, name="well")
        await floor.agents("1001", "1002")
        await floor.book.refresh()
        pace = await floor.paces.of(floor.book.all()[broken.id], TRUNK.calls_per_second)

        def decide(view: PacingView) -> PacingDecision:
            raise ZeroDivisionError("a defect of ours")

        pace.pacer.decide = decide  # type: ignore[method-assign]
        floor.start()
        await asyncio.sleep(2.0)
        assert (floor.placed(broken), floor.reason(broken)) == (0, "failed")
        assert await written(floor, broken) == ["failed"]
        assert floor.placed(well) >= 1

    on_the_floor(story)


def test_given_one_campaigns_leads_cannot_be_read_then_the_others_dial() -> None:
    async def story(floor: Floor) -> None:
        broken = await floor.campaign(leads=5, name="broken")
        well = await floor.campaign(leads=5, name="well")
        await floor.agents("1001", "1002")
        reserve = floor.store.leads.reserve

        async def breaks(campaign: Campaign, *rest: Any) -> Any:
            if campaign.id == broken.id:
                raise ValueError("a row that nobody expected")
            return await reserve(campaign, *rest)

        floor.store.leads.reserve = breaks  # type: ignore[method-assign]
        floor.start()
        await asyncio.sleep(2.0)
        assert (floor.placed(broken), floor.reason(broken)) == (0, "failed")
        assert floor.placed(well) >= 1
        assert sum(floor.trunks.in_use().values()) == floor.placed(well)

    on_the_floor(story)


# --- agents who are shared ------------------------------------------------------------------------------------------


def test_given_two_campaigns_share_agents_then_together_they_never_overdial() -> None:
    async def story(floor: Floor) -> None:
        one = await floor.campaign(leads=200, name="one")
        two = await floor.campaign(leads=200, name="two")
        floor.anybody = Person(picks_up_after=2.0, hangs_up_after=11.0)
        await floor.agents("1001", "1002", "1003")
        floor.start()
        for _ in range(600):
            await asyncio.sleep(0.2)
            free = len(floor.desk.free())
            assert floor.unanswered() <= free, (floor.unanswered(), free)
        assert floor.placed(one) > 5
        assert floor.placed(two) > 5
        assert set(floor.outcomes()) == {Disposition.ANSWERED}

    on_the_floor(story)


def test_given_a_campaign_is_paused_while_its_calls_ring_then_the_others_leave_their_agents_to_them() -> None:
    async def story(floor: Floor) -> None:
        one = await floor.campaign(leads=10, name="one")
        two = await floor.campaign(leads=10, name="two", status=CampaignStatus.PAUSED)
        floor.anybody = Person(picks_up_after=8.0, hangs_up_after=30.0)
        await floor.agents("1001", "1002")
        floor.start()
        await asyncio.sleep(1.0)
        assert floor.placed(one) == 2
        await floor.change(one, status=CampaignStatus.PAUSED)
        await floor.change(two, status=CampaignStatus.ACTIVE)
        await asyncio.sleep(20.0)
        assert floor.placed(two) == 0
        await asyncio.sleep(60.0)
        assert floor.placed(two) >= 2
        assert set(floor.outcomes()) == {Disposition.ANSWERED}

    on_the_floor(story)


def test_given_two_campaigns_of_different_weight_then_the_shared_agents_follow_the_weights() -> None:
    async def story(floor: Floor) -> None:
        heavy = await floor.campaign(leads=900, name="heavy", weight=3.0)
        light = await floor.campaign(leads=900, name="light", weight=1.0)
        floor.anybody = Person(picks_up_after=2.0, hangs_up_after=9.0)
        await floor.agents("1001", "1002")
        floor.start()
        await asyncio.sleep(1000.0)
        share = floor.placed(heavy) / floor.placed()
        assert 0.72 <= share <= 0.78, (floor.placed(heavy), floor.placed(light))
        await floor.change(heavy, status=CampaignStatus.PAUSED)
        await asyncio.sleep(300.0)
        before = floor.placed(heavy)
        await floor.change(heavy, status=CampaignStatus.ACTIVE)
        await asyncio.sleep(100.0)
        assert floor.placed(heavy) - before <= 20, "a pause earns nothing"

    on_the_floor(story)


def test_given_one_campaign_may_not_dial_then_the_other_has_all_the_agents() -> None:
    async def story(floor: Floor) -> None:
        closed = await floor.campaign(leads=50, name="closed", window_start=time(1), window_end=time(2))
        opened = await floor.campaign(leads=50, name="open")
        await floor.agents("1001", "1002", "1003", "1004")
        floor.start()
        await asyncio.sleep(2.5)
        assert floor.placed(closed) == 0
        assert floor.placed(opened) == 4

    on_the_floor(story)


def test_given_one_campaign_has_no_leads_then_the_other_has_all_the_agents() -> None:
    async def story(floor: Floor) -> None:
        empty = await floor.campaign(leads=0, name="empty")
        full = await floor.campaign(leads=50, name="full")
        await floor.agents("1001", "1002", "1003", "1004")
        floor.start()
        await asyncio.sleep(2.5)
        assert floor.placed(empty) == 0
        assert floor.placed(full) == 4

    on_the_floor(story)


OFFER = Broadcast("sound:offer")


def test_given_a_broadcast_then_it_dials_without_agents_up_to_its_channels_and_leads_are_done_with() -> None:
    async def story(floor: Floor) -> None:
        campaign = await floor.campaign(leads=12, mode=DialMode.BROADCAST, broadcast=OFFER, max_channels=5)
        floor.start()
        await asyncio.sleep(2.0)
        assert floor.placed() == 5
        await asyncio.sleep(60.0)
        assert floor.outcomes(campaign) == [Disposition.MESSAGE_PLAYED] * 12
        assert {lead.status for lead in floor.store.rows.values()} == {LeadStatus.COMPLETED}

    on_the_floor(story)


def test_given_a_broadcast_without_a_message_then_nothing_is_dialled_and_it_says_so() -> None:
    async def story(floor: Floor) -> None:
        campaign = await floor.campaign(leads=5, mode=DialMode.BROADCAST)
        floor.start()
        await asyncio.sleep(10.0)
        assert (floor.placed(), await written(floor, campaign)) == (0, ["no_broadcast"])

    on_the_floor(story)


def test_given_a_broadcast_beside_a_progressive_campaign_then_the_agents_are_all_for_the_other() -> None:
    async def story(floor: Floor) -> None:
        await floor.campaign(leads=3, mode=DialMode.BROADCAST, broadcast=OFFER, max_channels=1)
        other = await floor.campaign(leads=10, name="summer")
        await floor.agents("1001", "1002", "1003")
        floor.start()
        await asyncio.sleep(2.0)
        assert floor.placed(other) == 3

    on_the_floor(story)


def test_given_broadcasting_when_the_process_is_killed_then_the_next_one_ends_the_calls_as_they_were() -> None:
    async def story(floor: Floor) -> None:
        floor.anybody = Person(picks_up_after=3.0)
        campaign = await floor.campaign(leads=1, mode=DialMode.BROADCAST, broadcast=OFFER)
        floor.start()
        await asyncio.sleep(4.5)
        assert [call.state for call in floor.calls.all()] == [CallState.PLAYING]
        await floor.is_killed()
        await asyncio.sleep(10.0)
        later = await floor.starts_again()
        await asyncio.sleep(10.0)
        assert later.outcomes(campaign) == [Disposition.MESSAGE_PLAYED]

    on_the_floor(story)


def test_given_detection_when_the_process_is_killed_in_it_then_the_next_one_hears_the_verdict() -> None:
    async def story(floor: Floor) -> None:
        floor.anybody = Person(picks_up_after=3.0, hangs_up_after=60.0)
        campaign = await floor.campaign(leads=1, amd=Amd(AmdMode.DIALPLAN))
        await floor.agents("1001")
        floor.start()
        await asyncio.sleep(3.5)
        assert [call.state for call in floor.calls.all()] == [CallState.DETECTING]
        await floor.is_killed()
        later = await floor.starts_again()
        (found,) = later.calls.all()
        assert found.state is CallState.DETECTING
        await asyncio.sleep(120.0)
        assert len(later.outcomes(campaign)) == 1
        assert later.outcomes(campaign)[0] in (Disposition.ANSWERED, Disposition.MACHINE)

    on_the_floor(story)


@pytest.mark.parametrize("turns", range(6))
def test_given_the_dialer_is_cancelled_while_something_wakes_it_then_it_ends(turns: int) -> None:
    """`turns` of the event loop lie between the two: so many ways there are for them to meet."""

    async def story(floor: Floor) -> None:
        pacing = asyncio.create_task(floor.dialer.run())
        await asyncio.sleep(GATHER_SECONDS * 1.5)
        floor.dialer.wake()
        for _ in range(turns):
            await asyncio.sleep(0)
        pacing.cancel()
        await asyncio.wait([pacing], timeout=60.0)
        assert pacing.cancelled()

    on_the_floor(story)
