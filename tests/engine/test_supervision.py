"""Supervisors on a floor in virtual time, and over the fake Asterisk: who may, whom they hear, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from stasis_dialer.core import messages as m
from stasis_dialer.core.agent import NO_MANNERS, Agent, Manners
from stasis_dialer.core.call import Call, CallState
from stasis_dialer.core.messages import SupervisionMode
from stasis_dialer.core.model import AgentState
from stasis_dialer.core.options import Transfer
from stasis_dialer.core.supervision import SupervisionState
from stasis_dialer.engine.supervision import SOUND_SECONDS
from stasis_dialer.errors import NotSupervisor, Refused
from tests.engine.floor import Floor, on_the_floor
from tests.engine.test_service import APP, FakeAsterisk, Stage
from tests.engine.waiting import eventually
from tests.fakes.ari_server import Fault
from tests.property.switchboard import Channel, Person

LISTEN, WHISPER, BARGE = SupervisionMode
BOSS, OTHER, PHONE = "1090", "1091", "PJSIP/1090"
TO = "+5511912345678"


def while_they_talk(
    story: Callable[[Floor, Call], Awaitable[None]],
    leads: int = 1,
    *,
    is_announced: bool = False,
    manners: Manners = NO_MANNERS,
    **settings: Any,
) -> None:
    """Agent 1001 talks with a customer who stays; whatever the supervisor does, they go on."""

    async def play(floor: Floor) -> None:
        floor.anybody = Person(picks_up_after=1.0)
        floor.people[PHONE] = Person(picks_up_after=0.2)
        await floor.campaign(leads, transfer=Transfer(ring_seconds=10.0, queue_seconds=30.0), **settings)
        await floor.agents("1001")
        floor.start()
        await asyncio.sleep(5.0)
        (call,) = floor.calls.all()
        assert call.state is CallState.BRIDGED
        await story(floor, call)
        floor.supervisions.stop_all("the test is over")
        await asyncio.sleep(10.0)
        assert floor.supervisions.all() == []
        assert not [leg for leg in floor.board.channels if "-u-" in leg or "-e-" in leg]
        assert not [bridge for bridge in floor.board.bridges if "-w-" in bridge]

    on_the_floor(play, is_announced=is_announced, manners=manners)


def agent(floor: Floor) -> Agent:
    return floor.desk.expect("1001")


def ears(floor: Floor) -> list[Channel]:
    """The channels that listen for a supervisor."""
    return [channel for channel in floor.board.channels.values() if "-e-" in channel.id]


def state(floor: Floor) -> SupervisionState | None:
    found = floor.supervisions.of_agent("1001")
    return found.state if found else None


def talk(floor: Floor, call: Call) -> bool:
    """Whether agent and customer are with each other, and with nobody else."""
    return sorted(floor.board.legs_in(str(agent(floor).bridge_id))) == sorted([call.leg_id, str(agent(floor).leg_id)])


async def supervised(floor: Floor, mode: SupervisionMode = LISTEN) -> None:
    floor.supervisions.supervise("1001", BOSS, mode)
    await asyncio.sleep(2.0)
    assert state(floor) is SupervisionState.ON


def audited(floor: Floor) -> list[tuple[str, str, str, Any]]:
    rows = floor.store.audited
    return [(row.actor, row.subject, row.action, (row.after or {})["call_id"]) for row in rows]


def test_given_a_supervisor_then_an_ear_hangs_on_the_agents_leg_and_the_call_is_as_it_was() -> None:
    async def story(floor: Floor, call: Call) -> None:
        await supervised(floor)
        (ear,) = ears(floor)
        assert ear.listens_to == agent(floor).leg_id
        (supervision,) = floor.supervisions.all()
        assert sorted(floor.board.legs_in(supervision.bridge_id)) == sorted([ear.id, str(supervision.leg_id)])
        assert talk(floor, call)
        floor.supervisions.stop("1001")
        await asyncio.sleep(1.0)
        who = (f"supervisor:{BOSS}", "agent:1001")
        assert audited(floor) == [
            (*who, "supervision-listen", call.call_id),
            (*who, "supervision-ended", call.call_id),
        ]
        assert talk(floor, call)

    while_they_talk(story)


def test_given_the_same_supervisor_again_then_the_mode_changes_and_nobody_is_called_twice() -> None:
    async def story(floor: Floor, call: Call) -> None:
        await supervised(floor)
        (before,) = ears(floor)
        floor.supervisions.supervise("1001", BOSS, BARGE)
        await asyncio.sleep(1.0)
        (after,) = ears(floor)
        assert after.id != before.id
        assert [create.endpoint for create in floor.board.created].count(PHONE) == 1
        assert [row[2] for row in audited(floor)] == ["supervision-listen", "supervision-barge"]

    while_they_talk(story)


def test_given_the_next_customer_then_the_supervisor_hears_them_by_an_ear_of_their_own() -> None:
    async def story(floor: Floor, call: Call) -> None:
        await supervised(floor)
        (before,) = ears(floor)
        floor.board.end(call.leg_id, 16)
        await asyncio.sleep(8.0)
        (after,) = floor.calls.all()
        assert agent(floor).state is AgentState.ON_CALL
        assert [ear.listens_to for ear in ears(floor)] == [agent(floor).leg_id]
        assert ears(floor)[0].id != before.id
        assert [row[3] for row in audited(floor)] == [call.call_id, after.call_id]

    while_they_talk(story, leads=2)


@pytest.mark.parametrize(
    ("is_end_heard", "latest"), [(True, 0.2), (False, SOUND_SECONDS + 0.5)], ids=["its end", "not its end"]
)
def test_given_a_tone_for_the_agent_then_the_ear_comes_after_it(is_end_heard: bool, latest: float) -> None:
    """What has listened to the tone is often deaf to the customer."""

    async def story(floor: Floor, call: Call) -> None:
        await supervised(floor)
        phone = floor.board.channels[str(agent(floor).leg_id)]
        await eventually(lambda: not phone.playing, "the first tone to be over")
        floor.board.end(call.leg_id, 16)
        await eventually(lambda: agent(floor).state is AgentState.ON_CALL and phone.playing, "the next customer")
        await asyncio.sleep(0.5)
        assert (ears(floor), state(floor)) == ([], SupervisionState.WAITING)
        if is_end_heard:
            await eventually(lambda: not phone.playing, "the tone to be over")
        else:
            phone.playing = ""
        await asyncio.sleep(latest)
        (ear,) = ears(floor)
        assert (ear.listens_to, state(floor)) == (phone.id, SupervisionState.ON)

    while_they_talk(story, leads=2, manners=Manners(join_tone="sound:beep"))


def test_given_a_sound_for_the_agent_in_a_conversation_then_another_ear_comes_after_it() -> None:
    async def story(floor: Floor, call: Call) -> None:
        await supervised(floor)
        phone = floor.board.channels[str(agent(floor).leg_id)]
        floor.desk.say("1001", "sound:beeperr")
        await asyncio.sleep(1.0)
        assert (bool(phone.playing), ears(floor)) == (True, [])
        await eventually(lambda: not phone.playing, "the sound to be over")
        await asyncio.sleep(0.2)
        (ear,) = ears(floor)
        assert (ear.listens_to, state(floor)) == (phone.id, SupervisionState.ON)
        assert [row[2] for row in audited(floor)] == ["supervision-listen"]

    while_they_talk(story)


def test_given_a_consultation_then_it_is_another_conversation_and_so_is_the_return() -> None:
    async def story(floor: Floor, call: Call) -> None:
        await supervised(floor)
        seen = [ears(floor)[0].id]
        await floor.parties.transfer("1001", TO, is_attended=True)
        await asyncio.sleep(4.0)
        assert floor.parties.state_of(call.call_id) == "consulting"
        seen.append(ears(floor)[0].id)
        floor.parties.cancel("1001")
        await asyncio.sleep(2.0)
        seen.append(ears(floor)[0].id)
        assert len(set(seen)) == 3
        assert talk(floor, call)

    while_they_talk(story)


@pytest.mark.parametrize(
    ("extension", "supervisor", "error", "why"),
    [
        ("1001", "1002", NotSupervisor, "not a supervisor: extension=1002; agents.supervisors"),
        ("1001", "", NotSupervisor, "not a supervisor"),
        (BOSS, BOSS, Refused, "nobody supervises themselves"),
        ("1005", BOSS, Refused, "not logged in"),
    ],
)
def test_given_what_may_not_be_then_it_is_refused_and_nobody_is_called(
    extension: str, supervisor: str, error: type[Exception], why: str
) -> None:
    async def story(floor: Floor, call: Call) -> None:
        for mode in SupervisionMode:
            with pytest.raises(error, match=why):
                floor.supervisions.supervise(extension, supervisor, mode)
            with pytest.raises(error, match=why):
                floor.supervisions.supervise_by_phone(extension, supervisor, mode, "p1")
        await asyncio.sleep(1.0)
        assert floor.supervisions.all() == []
        assert audited(floor) == []

    while_they_talk(story)


def test_given_a_supervision_then_neither_of_the_two_has_another_one() -> None:
    async def story(floor: Floor, call: Call) -> None:
        await supervised(floor)
        await floor.agents("1002")
        with pytest.raises(Refused, match=f"is supervised already: agent=1001 supervisor={BOSS}"):
            floor.supervisions.supervise("1001", OTHER, BARGE)
        with pytest.raises(Refused, match=f"supervises somebody already: supervisor={BOSS} agent=1001"):
            floor.supervisions.supervise("1002", BOSS, LISTEN)

    while_they_talk(story)


def test_given_a_supervisor_who_is_an_agent_then_one_of_the_two_is_refused_or_ends() -> None:
    async def story(floor: Floor, call: Call) -> None:
        await floor.agents(OTHER)
        with pytest.raises(Refused, match="logged in as an agent"):
            floor.supervisions.supervise("1001", OTHER, LISTEN)
        await supervised(floor)
        await floor.agents(BOSS, on_demand=True)
        assert state(floor) is None
        assert talk(floor, call)

    while_they_talk(story)


def test_given_the_agent_logs_out_then_the_supervisor_hears_the_call_to_its_end() -> None:
    async def story(floor: Floor, call: Call) -> None:
        await supervised(floor)
        floor.desk.tell("1001", m.LogoutRequested())
        await asyncio.sleep(1.0)
        assert state(floor) is SupervisionState.ON
        floor.board.end(call.leg_id, 16)
        await asyncio.sleep(1.0)
        assert floor.supervisions.all() == []
        assert floor.board.channels == {}

    while_they_talk(story)


def test_given_the_supervisor_hangs_up_or_does_not_pick_up_then_it_ends_and_the_pair_talks_on() -> None:
    async def story(floor: Floor, call: Call) -> None:
        await supervised(floor)
        (supervision,) = floor.supervisions.all()
        floor.board.end(str(supervision.leg_id), 16)
        await asyncio.sleep(1.0)
        assert floor.supervisions.all() == []
        floor.people[PHONE] = Person(picks_up_after=None)
        floor.supervisions.supervise("1001", BOSS, LISTEN)
        await asyncio.sleep(40.0)
        assert floor.supervisions.all() == []
        assert ears(floor) == []
        assert talk(floor, call)

    while_they_talk(story)


def test_given_keys_then_the_mode_changes() -> None:
    async def story(floor: Floor, call: Call) -> None:
        await supervised(floor)
        for key, mode in (("2", WHISPER), ("3", BARGE), ("#", BARGE), ("1", LISTEN)):
            (supervision,) = floor.supervisions.all()
            floor.dispatcher.post_to_leg(str(supervision.leg_id), m.DigitPressed(key))
            await asyncio.sleep(1.0)
            assert floor.supervisions.all()[0].mode is mode
            assert state(floor) is SupervisionState.ON

    while_they_talk(story)


def test_given_announcements_then_the_agents_leg_is_told_before_anybody_listens() -> None:
    async def story(floor: Floor, call: Call) -> None:
        floor.supervisions.supervise("1001", BOSS, LISTEN)
        await asyncio.sleep(2.0)
        (ear,) = ears(floor)
        assert [(it.leg_id, it.media) for it in floor.board.played] == [(ear.id, "sound:beep")]
        assert ear.bridge is None
        assert audited(floor) == []
        await asyncio.sleep(4.0)
        (ear,) = ears(floor)
        assert ear.bridge is not None
        assert [row[2] for row in audited(floor)] == ["supervision-listen"]

    while_they_talk(story, is_announced=True)


def test_given_lost_events_then_a_gap_brings_the_supervision_up_to_date() -> None:
    async def story(floor: Floor, call: Call) -> None:
        floor.board.is_deaf = True
        floor.supervisions.supervise("1001", BOSS, LISTEN)
        await asyncio.sleep(0.5)
        floor.board.is_deaf = False
        await floor.recovery.after_gap()
        await asyncio.sleep(2.0)
        assert state(floor) is SupervisionState.ON
        floor.board.is_deaf = True
        (supervision,) = floor.supervisions.all()
        floor.board.end(str(supervision.leg_id), 16)
        floor.board.is_deaf = False
        await floor.recovery.after_gap()
        await asyncio.sleep(1.0)
        assert floor.supervisions.all() == []
        assert talk(floor, call)

    while_they_talk(story)


def test_given_the_dialer_is_killed_then_the_next_one_sweeps_the_supervision_and_keeps_the_pair() -> None:
    async def story(floor: Floor, call: Call) -> None:
        await supervised(floor, BARGE)
        await floor.is_killed()
        successor = await floor.starts_again()
        await asyncio.sleep(2.0)
        (found,) = successor.calls.all()
        assert found.state is CallState.BRIDGED
        assert sorted(floor.board.channels) == sorted([call.leg_id, str(successor.desk.expect("1001").leg_id)])
        assert floor.board.bridges == {successor.desk.expect("1001").bridge_id}
        floor.supervisions._all.clear()

    while_they_talk(story)


# --- over the fake Asterisk -----------------------------------------------------------------------------------------


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with FakeAsterisk() as ari:
        made = Stage(ari)
        await made.campaign("5")
        await made.starts()
        await made.agent()
        await made.until_talking()
        yield made
        await made.stops()
        left = [id_ for id_ in ari.channels if f"{APP}-u-" in id_ or f"{APP}-e-" in id_]
        assert left == []


def shown(stage: Stage) -> tuple[str | None, str | None]:
    (row,) = stage.service.control.agents()
    return row["supervisor"], row["supervision"]


async def until(stage: Stage, supervision: str | None) -> None:
    wanted = ("1003", supervision) if supervision else (None, None)
    await eventually(lambda: shown(stage) == wanted, f"the supervision to be {supervision}")


@pytest.mark.parametrize("mode", SupervisionMode)
async def test_given_a_telephone_with_the_role_when_it_dials_a_code_then_it_is_joined(
    stage: Stage, mode: SupervisionMode
) -> None:
    leg_id = stage.ari.call_in(APP, f"supervise-{mode}", "1003", "1001", endpoint="PJSIP/1003", state="Ring")
    await until(stage, mode)
    bridge = stage.ari.channels[leg_id].bridge
    assert bridge is not None
    assert len(bridge.channels) == 2
    stage.ari.hang_up(leg_id)
    await until(stage, None)
    assert stage.states() == {"bridged": 1}


async def test_given_a_telephone_without_the_role_when_it_dials_a_code_then_it_hears_so_and_is_hung_up(
    stage: Stage,
) -> None:
    for mode in SupervisionMode:
        leg_id = stage.ari.call_in(APP, f"supervise-{mode}", "1002", "1001", endpoint="PJSIP/1002")
        await eventually(lambda leg=leg_id: leg not in stage.ari.channels, "the channel to be hung up")
        assert ("POST", f"/channels/{leg_id}/play") in stage.ari.requests
    assert not [path for _, path in stage.ari.requests if "/snoop/" in path]
    assert shown(stage) == (None, None)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("POST", ".*/snoop/.*", status=500, times=10),
        Fault("POST", ".*/bridges/[^/]*-w-[^/]*/addChannel", status=500),
        Fault("POST", ".*/bridges/[^/]*-w-[^/]*", status=500),
        Fault("POST", ".*/channels/[^/]*-u-[^/]*/dial", status=500),
    ],
    ids=lambda fault: fault.path,
)
async def test_given_asterisk_refuses_then_the_supervision_ends_and_the_call_does_not(
    stage: Stage, fault: Fault
) -> None:
    stage.ari.faults.append(fault)
    stage.service.control.actions.supervise("1001", "1003", BARGE)
    await until(stage, None)
    assert stage.states() == {"bridged": 1}
    assert stage.state("1001") == "on_call"
    await eventually(lambda: stage.store.audited[-1:] != [], "the audit trail")
    assert [entry.action for entry in stage.store.audited] == ["supervision-ended"]


async def test_given_one_refused_ear_then_the_next_one_is_taken(stage: Stage) -> None:
    stage.ari.faults.append(Fault("POST", ".*/snoop/.*", status=500))
    stage.service.control.actions.supervise("1001", "1003", WHISPER)
    await until(stage, "whisper")


async def test_given_the_database_is_away_then_the_audit_trail_is_written_later(stage: Stage) -> None:
    stage.store.is_away = True
    stage.service.control.actions.supervise("1001", "1003", LISTEN)
    await until(stage, "listen")
    assert stage.store.audited == []
    stage.store.is_away = False
    await eventually(lambda: bool(stage.store.audited), "the audit trail")
    (entry,) = stage.store.audited
    assert (entry.actor, entry.action, entry.subject) == ("supervisor:1003", "supervision-listen", "agent:1001")
