"""Hold and transfer on a floor in virtual time: trunks, the do-not-call list, other agents, a restart in between."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import time
from typing import Any

import pytest

from stasis_dialer.core import messages as m
from stasis_dialer.core.agent import Agent
from stasis_dialer.core.call import Call, CallState
from stasis_dialer.core.model import AgentState, Disposition
from stasis_dialer.core.options import Recording, RecordingMode, Transfer
from stasis_dialer.core.transfer import TransferState
from stasis_dialer.db.dnc import DoNotCall
from stasis_dialer.errors import NumberRefused, Refused
from tests.engine.floor import Floor, number, on_the_floor
from tests.property.switchboard import Person

TO, TARGET = "+5511912345678", "PJSIP/5511912345678@carrier"
OPTIONS = Transfer(ring_seconds=10.0, queue_seconds=30.0)


def while_they_talk(
    story: Callable[[Floor, Call], Awaitable[None]], *others: str, leads: int = 1, **settings: Any
) -> None:
    """Agent 1001 talks with a customer who stays."""

    async def play(floor: Floor) -> None:
        floor.anybody = Person(picks_up_after=1.0)
        await floor.campaign(leads, transfer=OPTIONS, **settings)
        await floor.agents("1001")
        floor.start()
        await asyncio.sleep(5.0)
        await floor.agents(*others)
        (call,) = floor.calls.all()
        assert call.state is CallState.BRIDGED
        await story(floor, call)

    on_the_floor(play)


def agent(floor: Floor, extension: str = "1001") -> Agent:
    found = floor.desk.find(extension)
    assert found is not None
    return found


def together(floor: Floor, *legs: str | None) -> bool:
    """Whether these legs, and no other one, are in one bridge."""
    bridge = floor.board.channels[str(legs[0])].bridge
    return bridge is not None and sorted(floor.board.legs_in(bridge)) == sorted(map(str, legs))


def target_leg(floor: Floor) -> str:
    (leg,) = [channel.id for channel in floor.board.channels.values() if channel.endpoint == TARGET]
    return leg


def test_given_a_transfer_to_a_number_then_its_channel_is_the_trunks_until_it_ends() -> None:
    async def story(floor: Floor, call: Call) -> None:
        await floor.parties.transfer("1001", TO, is_attended=False)
        await asyncio.sleep(3.0)
        assert together(floor, call.leg_id, target_leg(floor))
        assert floor.trunks.in_use() == {"carrier": 2}
        assert agent(floor).state is AgentState.AVAILABLE
        floor.board.end(target_leg(floor), 16)
        await asyncio.sleep(3.0)
        assert floor.trunks.in_use() == {"carrier": 0}
        assert [(c.disposition, c.hung_up_by) for c in floor.ended] == [(Disposition.ANSWERED, "partner")]
        assert floor.board.bridges == {agent(floor).bridge_id}

    while_they_talk(story)


@pytest.mark.parametrize(
    ("to", "error", "why"),
    [
        ("+5511900000000", Refused, "on the do-not-call list"),
        ("PJSIP/1@carrier", NumberRefused, "not a phone number"),
        ("+14155550100", NumberRefused, "another country|no such phone number"),
        ("queue:nobody", Refused, "no such campaign"),
        ("1001", Refused, "with this agent already"),
    ],
)
def test_given_a_target_that_may_not_be_called_then_nothing_changes(to: str, error: type[Exception], why: str) -> None:
    async def story(floor: Floor, call: Call) -> None:
        await floor.store.dnc.add([DoNotCall("5511900000000")], floor.clock.utc_now())
        with pytest.raises(error, match=why):
            await floor.parties.transfer("1001", to, is_attended=False)
        assert floor.parties.transfers() == []
        assert together(floor, call.leg_id, agent(floor).leg_id)
        assert floor.trunks.in_use() == {"carrier": 1}

    while_they_talk(story)


def test_given_the_hours_are_over_meanwhile_then_no_number_is_dialled() -> None:
    async def story(floor: Floor, call: Call) -> None:
        (campaign,) = floor.book.all().values()
        await floor.change(campaign, window_start=time(3, 0), window_end=time(3, 1))
        await floor.book.refresh()
        with pytest.raises(Refused, match="outside the campaign's hours"):
            await floor.parties.transfer("1001", TO, is_attended=False)

    while_they_talk(story)


def test_given_a_campaign_whose_calls_stay_inside_then_no_number_is_dialled() -> None:
    async def story(floor: Floor, call: Call) -> None:
        (campaign,) = floor.book.all().values()
        await floor.change(campaign, transfer=Transfer(may_dial=False))
        await floor.book.refresh()
        with pytest.raises(Refused, match="agents only"):
            await floor.parties.transfer("1001", TO, is_attended=False)

    while_they_talk(story)


def test_given_a_customer_whose_agent_dies_on_hold_then_the_next_agent_has_them_and_two_files_tell_it() -> None:
    async def story(floor: Floor, call: Call) -> None:
        floor.parties.hold("1001")
        await asyncio.sleep(1.0)
        assert floor.parties.state_of(call.call_id) == "held"
        floor.board.end(str(agent(floor).leg_id), 16)
        await asyncio.sleep(2.0)
        await floor.agents("1002")
        await asyncio.sleep(2.0)
        (now,) = floor.calls.all()
        assert (now.state, now.agent) == (CallState.BRIDGED, "1002")
        assert together(floor, call.leg_id, agent(floor, "1002").leg_id)
        assert len(now.recordings) == 2
        assert now.bridged_at == call.bridged_at
        assert floor.parties.transfers() == []

    while_they_talk(story, recording=Recording(RecordingMode.ALL))


def test_given_nobody_comes_for_a_customer_whose_agent_is_lost_then_the_wait_ends() -> None:
    async def story(floor: Floor, call: Call) -> None:
        floor.parties.hold("1001")
        await asyncio.sleep(1.0)
        floor.board.end(str(agent(floor).leg_id), 16)
        await asyncio.sleep(OPTIONS.queue_seconds + 5.0)
        assert floor.calls.all() == []
        assert floor.outcomes() == [Disposition.ANSWERED]
        assert floor.board.bridges == set()

    while_they_talk(story)


def test_given_another_agent_then_the_call_and_its_wrap_up_are_theirs() -> None:
    async def story(floor: Floor, call: Call) -> None:
        await floor.parties.transfer("1001", "1002", is_attended=True)
        await asyncio.sleep(1.0)
        assert together(floor, agent(floor).leg_id, agent(floor, "1002").leg_id)
        floor.parties.complete("1001")
        await asyncio.sleep(1.0)
        assert together(floor, call.leg_id, agent(floor, "1002").leg_id)
        assert together(floor, agent(floor).leg_id)
        assert (agent(floor).state, agent(floor).call_id) == (AgentState.AVAILABLE, None)
        assert agent(floor, "1002").call_id == call.call_id
        await floor.parties.transfer("1002", "1001", is_attended=False)
        await asyncio.sleep(1.0)
        assert together(floor, call.leg_id, agent(floor).leg_id)

    while_they_talk(story, "1002")


def test_given_the_customer_goes_while_the_lists_are_asked_then_the_next_one_is_not_transferred_instead() -> None:
    async def story(floor: Floor, call: Call) -> None:
        contains = floor.store.dnc.contains

        async def slow(*asked: Any) -> bool:
            await asyncio.sleep(3.0)
            return await contains(*asked)

        floor.store.dnc.contains = slow  # type: ignore[method-assign]
        wish = asyncio.create_task(floor.parties.transfer("1001", TO, is_attended=False))
        await asyncio.sleep(0.5)
        floor.board.end(call.leg_id, 16)
        await asyncio.sleep(2.0)
        (following,) = floor.calls.all()
        assert (following.state, following.agent) == (CallState.BRIDGED, "1001")
        with pytest.raises(Refused, match="has gone"):
            await wish
        assert floor.parties.transfers() == []

    while_they_talk(story, leads=2)


def test_given_a_gap_while_customer_and_target_talk_then_they_talk_on() -> None:
    async def story(floor: Floor, call: Call) -> None:
        await floor.parties.transfer("1001", TO, is_attended=False)
        await asyncio.sleep(3.0)
        await floor.recovery.after_gap()
        await asyncio.sleep(10.0)
        assert together(floor, call.leg_id, target_leg(floor))

    while_they_talk(story)


@pytest.mark.parametrize("is_deaf", [False, True], ids=["answer lost", "connection lost"])
def test_given_no_answer_and_a_customer_who_came_to_the_music_then_they_are_not_moved_there_again(
    is_deaf: bool,
) -> None:
    """Moved there again, they would hear nothing."""

    async def story(floor: Floor, call: Call) -> None:
        moves: list[m.Move] = []
        move = floor.board._Move

        def unanswered(command: m.Move) -> tuple[m.Event, ...]:
            moves.append(command)
            move(command)
            return ()

        floor.board._Move = unanswered  # type: ignore[method-assign]
        floor.board.is_deaf = is_deaf
        floor.parties.hold("1001")
        await asyncio.sleep(1.0)
        assert floor.board.channels[call.leg_id].bridge in floor.board.holding
        if is_deaf:
            floor.board.is_deaf = False
            await floor.recovery.after_gap()
        floor.board.end(str(agent(floor).leg_id), 16)
        await asyncio.sleep(10.0)
        (now,) = floor.calls.all()
        assert (now.state, len(moves)) == (CallState.QUEUED, 1)

    while_they_talk(story)


@pytest.mark.parametrize("to", [TO, "1002"])
def test_given_no_answer_and_a_customer_who_came_to_the_target_then_they_talk_on(to: str) -> None:
    """They were fetched back after 6 s."""

    async def story(floor: Floor, call: Call) -> None:
        await floor.parties.transfer("1001", to, is_attended=True)
        await asyncio.sleep(3.0)
        assert floor.parties.state_of(call.call_id) == "consulting"

        move = floor.board._Move

        def unanswered(command: m.Move) -> tuple[m.Event, ...]:
            answer = move(command)
            return () if command.channel_id == call.leg_id else answer

        floor.board._Move = unanswered  # type: ignore[method-assign]
        floor.parties.complete("1001")
        await asyncio.sleep(20.0)
        target = target_leg(floor) if to == TO else agent(floor, to).leg_id
        assert together(floor, call.leg_id, target)
        assert agent(floor).state is AgentState.AVAILABLE

    while_they_talk(story, "1002")


def test_given_a_second_agent_for_one_customer_then_the_longest_call_counts_from_the_first() -> None:
    """Asterisk's own limit of the channel was set at its creation, for one such call."""

    async def story(floor: Floor, call: Call) -> None:
        floor.parties.hold("1001")
        await asyncio.sleep(10.0)
        floor.board.end(str(agent(floor).leg_id), 16)
        await floor.agents("1002")
        await asyncio.sleep(2.0)
        (now,) = floor.calls.all()
        assert (now.agent, now.deadline) == ("1002", call.deadline)

    while_they_talk(story)


# --- a restart in between -------------------------------------------------------------------------------------------


def restarted(
    before: Callable[[Floor, Call], Awaitable[None]],
    after: Callable[[Floor, Call], Awaitable[None]],
    *others: str,
    leads: int = 1,
) -> None:
    """The dialer is killed after `before`; `after` looks at the next one."""

    async def story(floor: Floor, call: Call) -> None:
        await before(floor, call)
        await asyncio.sleep(2.0)
        following = await (await floor.is_killed()).starts_again()
        await asyncio.sleep(2.0)
        await after(following, following.calls.all()[0])
        for live in following.calls.all():
            floor.board.end(live.leg_id, 16)
        await asyncio.sleep(10.0)
        assert floor.board.crowds == []
        assert following.calls.all() == []
        assert following.parties.transfers() == []
        assert following.trunks.in_use() == {"carrier": 0}
        assert set(floor.board.channels) == {a.leg_id for a in following.desk.agents()}
        assert floor.board.bridges == {a.bridge_id for a in following.desk.agents()}
        assert following.dispatcher.broken == 0

    while_they_talk(story, *others, leads=leads)


def test_given_a_customer_on_hold_when_the_dialer_restarts_then_they_are_with_the_agent_again() -> None:
    async def before(floor: Floor, call: Call) -> None:
        floor.parties.hold("1001")

    async def after(floor: Floor, call: Call) -> None:
        assert together(floor, call.leg_id, agent(floor).leg_id)
        assert (call.state, agent(floor).state) == (CallState.BRIDGED, AgentState.ON_CALL)
        assert call.bridge_id == agent(floor).bridge_id, "the music's bridge was never theirs"

    restarted(before, after)


def test_given_customer_and_target_talk_when_the_dialer_restarts_then_they_go_on() -> None:
    async def before(floor: Floor, call: Call) -> None:
        await floor.parties.transfer("1001", TO, is_attended=False)
        await asyncio.sleep(2.0)

    async def after(floor: Floor, call: Call) -> None:
        assert together(floor, call.leg_id, target_leg(floor))
        assert (call.state, call.partner) == (CallState.BRIDGED, "partner")
        assert agent(floor).state is AgentState.AVAILABLE
        assert floor.trunks.in_use() == {"carrier": 2}

    restarted(before, after)


def test_given_a_conference_when_the_dialer_restarts_then_all_three_go_on_and_the_agent_may_leave() -> None:
    async def before(floor: Floor, call: Call) -> None:
        await floor.parties.transfer("1001", TO, is_attended=True)
        await asyncio.sleep(2.0)
        floor.parties.conference("1001")

    async def after(floor: Floor, call: Call) -> None:
        assert together(floor, call.leg_id, target_leg(floor), agent(floor).leg_id)
        assert floor.trunks.in_use() == {"carrier": 2}
        floor.parties.complete("1001")
        await asyncio.sleep(1.0)
        assert together(floor, call.leg_id, target_leg(floor))
        assert together(floor, agent(floor).leg_id)

    restarted(before, after)


def test_given_a_consultation_when_the_dialer_restarts_then_it_goes_on() -> None:
    async def before(floor: Floor, call: Call) -> None:
        await floor.parties.transfer("1001", TO, is_attended=True)
        await asyncio.sleep(2.0)

    async def after(floor: Floor, call: Call) -> None:
        assert together(floor, agent(floor).leg_id, target_leg(floor))
        assert floor.parties.state_of(call.call_id) == TransferState.CONSULTING
        assert floor.trunks.in_use() == {"carrier": 2}
        floor.parties.complete("1001")
        await asyncio.sleep(1.0)
        assert together(floor, call.leg_id, target_leg(floor))

    restarted(before, after)


def test_given_a_target_that_rings_when_the_dialer_restarts_then_it_is_hung_up_and_the_customer_is_back() -> None:
    async def before(floor: Floor, call: Call) -> None:
        floor.people[TARGET] = Person(picks_up_after=None)
        await floor.parties.transfer("1001", TO, is_attended=False)

    async def after(floor: Floor, call: Call) -> None:
        assert together(floor, call.leg_id, agent(floor).leg_id)
        assert not [c for c in floor.board.channels.values() if c.endpoint == TARGET]
        assert floor.trunks.in_use() == {"carrier": 1}

    restarted(before, after)


def test_given_a_conference_with_another_agent_when_the_dialer_restarts_then_the_customer_is_one_agents() -> None:
    async def before(floor: Floor, call: Call) -> None:
        await floor.parties.transfer("1001", "1002", is_attended=True)
        await asyncio.sleep(2.0)
        floor.parties.conference("1001")

    async def after(floor: Floor, call: Call) -> None:
        assert together(floor, call.leg_id, agent(floor, "1002").leg_id)
        assert (agent(floor, "1002").state, agent(floor, "1002").call_id) == (AgentState.ON_CALL, call.call_id)
        assert together(floor, agent(floor).leg_id)
        assert agent(floor).state is AgentState.AVAILABLE

    restarted(before, after, "1002")


def test_given_another_agent_is_consulted_when_the_dialer_restarts_then_the_next_customer_does_not_meet_both() -> None:
    async def before(floor: Floor, call: Call) -> None:
        floor.people[f"PJSIP/{number(1)}@carrier"] = Person(picks_up_after=2.0)
        await floor.agents("1002")
        await floor.parties.transfer("1001", "1002", is_attended=True)
        execute = floor.board.execute

        async def slowly(command: m.Command) -> tuple[m.Event, ...]:
            if isinstance(command, m.Move):
                await asyncio.sleep(0.5)
            return await execute(command)

        floor.board.execute = slowly  # type: ignore[method-assign]

    async def after(floor: Floor, call: Call) -> None:
        first, second = sorted(floor.calls.all(), key=lambda one: one.reserved_at)
        assert together(floor, first.leg_id, agent(floor).leg_id)
        assert together(floor, second.leg_id, agent(floor, "1002").leg_id)

    restarted(before, after, leads=2)


def test_given_an_agent_who_left_a_transfer_for_the_next_customer_when_the_dialer_restarts_then_both_are_safe() -> None:
    async def before(floor: Floor, call: Call) -> None:
        floor.people[TARGET] = Person(picks_up_after=None)
        await floor.parties.transfer("1001", TO, is_attended=False)
        await asyncio.sleep(0.5)
        floor.parties.complete("1001")
        await asyncio.sleep(2.0)

    async def after(floor: Floor, call: Call) -> None:
        first, second = sorted(floor.calls.all(), key=lambda one: one.reserved_at)
        assert (first.state, second.state) == (CallState.QUEUED, CallState.BRIDGED)
        assert together(floor, second.leg_id, agent(floor).leg_id)
        assert agent(floor).call_id == second.call_id

    restarted(before, after, leads=2)
