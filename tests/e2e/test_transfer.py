"""Hold, transfer and conference on real telephones, with tones as the referee of who hears whom."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from stasis_dialer.core.model import ConnectMode
from stasis_dialer.core.options import Recording, RecordingMode, Transfer
from stasis_dialer.lab.fates import Fate, number
from tests.e2e.audio import AGENT, CUSTOMER, TARGET, Ear, recorded
from tests.e2e.support import Dialer, Stage, timeline, wait_for

PHONE, OTHER = "1001", "1002"
CALLED = number(Fate.HUMAN, serial=1)
TARGET_NUMBER = number(Fate.HUMAN, serial=2)
BUSY, RINGS_ON = number(Fate.BUSY, serial=3), number(Fate.NO_ANSWER, ring=9, serial=4)
QUICK = Transfer(ring_seconds=5.0, queue_seconds=10.0)


@dataclass
class Scene:
    """An agent who talks with a customer, and what everybody hears."""

    stage: Stage
    campaign: int
    agent: Ear
    customer: Ear
    target: Ear
    call_id: str

    @property
    def dialer(self) -> Dialer:
        return self.stage.dialers[0]

    def asks(self, *words: str, agent: str = PHONE) -> None:
        """The agent's wish, by the command line."""
        done = self.dialer.cli("agent", words[0], agent, *words[1:])
        assert done.code == 0, done.err

    def wait(self, transfer: str | None) -> None:
        """Wait until the agent's transfer is in this state."""
        wait_for(lambda: self.dialer.agent(PHONE).get("transfer") == transfer, f"the transfer to be {transfer}")

    def is_as_before(self) -> None:
        """Agent and customer talk, and nothing else is left."""
        self.wait(None)
        assert self.dialer.agent(PHONE)["call_id"] == self.call_id
        self.customer.hears("agent")
        self.agent.hears("customer")
        wait_for(lambda: self.dialer.ask("GET", "/snapshot")["transfers"] == {}, "the transfer to be over")

    def ends(self) -> dict[str, object]:
        """The customer hangs up; the call's row."""
        for channel in self.stage.lab.carrier.channels():
            if channel["channelvars"].get("NATIONAL") == CALLED.removeprefix("+55"):
                self.stage.lab.carrier.asterisk.ari.delete(f"channels/{channel['id']}")
        return self.stage.ledger.ended_call(CALLED)


@pytest.fixture
def ears(floor: Stage, tmp_path: Path) -> Iterator[tuple[Ear, Ear, Ear]]:
    """Agent, customer and target send their tones, and what they hear is written down."""
    agent, customer, target = (Ear(tmp_path / name) for name in ("agent", "customer", "target"))
    floor.lab.phone(PHONE).hums(AGENT, agent.path)
    floor.lab.phone(OTHER).hums(TARGET, target.path)
    carrier = floor.lab.carrier
    carrier.hums(CALLED, CUSTOMER, customer.path)
    carrier.hums(TARGET_NUMBER, TARGET, target.path)
    yield agent, customer, target
    for dialled in (CALLED, TARGET_NUMBER):
        carrier.hums(dialled, None)


@pytest.fixture
def begin(floor: Stage, ears: tuple[Ear, Ear, Ear]) -> Callable[..., Scene]:
    def meet(*others: str, **settings: object) -> Scene:
        """One customer and one agent talk; `others` are logged in as well, and get no customer."""
        ledger, dialer = floor.ledger, floor.dialers[0]
        campaign = ledger.campaign([CALLED], transfer=QUICK, **settings)
        dialer.log_in(PHONE, campaign=campaign)
        talking = dialer.wait_agent(PHONE, "on_call")
        ears[0].hears("customer")
        ears[1].hears("agent")
        if others:
            dialer.log_in(*others, campaign=campaign)
        return Scene(floor, campaign, *ears, talking["call_id"])

    return meet


# --- hold -----------------------------------------------------------------------------------------------------------


def test_given_a_hold_then_the_customer_hears_music_and_not_the_agent_and_comes_back(
    begin: Callable[..., Scene],
) -> None:
    scene = begin()
    scene.asks("hold")
    scene.customer.hears_music()
    scene.agent.hears()
    scene.asks("unhold")
    scene.is_as_before()
    row = scene.ends()

    assert [what for what in timeline(row) if what in ("held", "returned")] == ["held", "returned"]
    assert (row["disposition"], row["hung_up_by"], row["source_extension"]) == ("answered", "customer", PHONE)


def test_given_a_customer_on_hold_who_hangs_up_then_the_agent_is_free(begin: Callable[..., Scene]) -> None:
    scene = begin()
    scene.asks("hold")
    scene.customer.hears_music()
    scene.ends()
    scene.dialer.wait_agent(PHONE, "available")
    wait_for(lambda: set(scene.stage.bridges()) == {_home(scene)}, "the bridge of the hold to be gone")


# --- by the telephone's own key -------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", ["*51", OTHER, TARGET_NUMBER.removeprefix("+")])
def test_given_the_telephones_own_transfer_key_then_it_is_refused_and_they_talk_on(
    begin: Callable[..., Scene], to: str
) -> None:
    scene = begin()
    answer = scene.stage.lab.phone(PHONE).transfer(to)
    scene.is_as_before()
    row = scene.ends()

    assert answer == "FAILURE"
    assert (row["disposition"], row["hung_up_by"], row["source_extension"]) == ("answered", "customer", PHONE)
    assert [call.invite.number for call in scene.stage.lab.carrier.calls()] == [CALLED]


# --- to a number ----------------------------------------------------------------------------------------------------


def test_given_a_blind_transfer_then_the_customer_hears_the_target_and_not_the_agent(
    begin: Callable[..., Scene],
) -> None:
    scene = begin(recording=Recording(RecordingMode.ALL))
    scene.asks("transfer", TARGET_NUMBER)
    scene.customer.hears("target")
    scene.target.hears("customer")
    scene.dialer.wait_agent(PHONE, "available")
    scene.agent.hears()
    [call] = scene.dialer.ask("GET", "/calls")
    row = scene.ends()

    assert (call["state"], call["partner"]) == ("bridged", f"…{TARGET_NUMBER[-4:]}")
    assert f"transferred to …{TARGET_NUMBER[-4:]}" in timeline(row)
    assert (row["disposition"], row["hung_up_by"]) == ("answered", "customer")
    shown = scene.dialer.cli("calls", "show", scene.call_id, "--json").json
    folder = scene.stage.lab.pbx.folder / "spool" / "recording"
    with_agent, with_target = (recorded(folder / file) for file in shown["recordings"])
    assert {"agent", "customer"} in with_agent
    assert {"target", "customer"} in with_target
    assert not any("target" in heard for heard in with_agent)
    assert not any("agent" in heard for heard in with_target)


def test_given_an_attended_transfer_then_agent_and_target_talk_alone_before_the_customer_is_left(
    begin: Callable[..., Scene],
) -> None:
    scene = begin()
    scene.asks("consult", TARGET_NUMBER)
    scene.agent.hears("target")
    scene.target.hears("agent")
    scene.customer.hears_music()
    scene.asks("complete")
    scene.customer.hears("target")
    scene.target.hears("customer")
    scene.dialer.wait_agent(PHONE, "available")
    scene.agent.hears()
    scene.stage.customers_hang_up()
    scene.stage.ledger.ended_call(CALLED)


def test_given_a_consultation_when_it_is_given_up_then_the_customer_is_with_the_agent(
    begin: Callable[..., Scene],
) -> None:
    scene = begin()
    scene.asks("consult", TARGET_NUMBER)
    scene.agent.hears("target")
    scene.asks("cancel")
    scene.is_as_before()
    scene.ends()


def test_given_a_conference_then_all_three_hear_each_other_and_two_go_on_without_the_agent(
    begin: Callable[..., Scene],
) -> None:
    scene = begin()
    scene.asks("consult", TARGET_NUMBER)
    scene.agent.hears("target")
    scene.asks("conference")
    scene.agent.hears("customer", "target")
    scene.customer.hears("agent", "target")
    scene.target.hears("agent", "customer")
    scene.asks("complete")
    scene.customer.hears("target")
    scene.target.hears("customer")
    scene.dialer.wait_agent(PHONE, "available")
    scene.ends()


def test_given_the_target_hangs_up_after_the_transfer_then_the_customer_is_let_go(begin: Callable[..., Scene]) -> None:
    scene = begin()
    scene.asks("transfer", TARGET_NUMBER)
    scene.customer.hears("target")
    for channel in scene.stage.lab.carrier.channels():
        if channel["channelvars"].get("NATIONAL") == TARGET_NUMBER.removeprefix("+55"):
            scene.stage.lab.carrier.asterisk.ari.delete(f"channels/{channel['id']}")
    row = scene.stage.ledger.ended_call(CALLED)
    assert (row["disposition"], row["hung_up_by"]) == ("answered", "partner")


# --- failures -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["transfer", "consult"])
@pytest.mark.parametrize("target", [BUSY, RINGS_ON], ids=["busy", "no answer"])
def test_given_a_target_who_does_not_come_then_the_customer_is_with_the_agent_again(
    begin: Callable[..., Scene], how: str, target: str
) -> None:
    scene = begin()
    scene.asks(how, target)
    wait_for(lambda: "transfer failed" in str(scene.stage.ledger.call(scene.call_id)["timeline"]), "the failure")
    scene.is_as_before()
    scene.ends()


def test_given_a_number_that_must_not_be_called_then_the_transfer_is_refused_and_nothing_changes(
    begin: Callable[..., Scene],
) -> None:
    scene = begin()
    assert scene.dialer.cli("dnc", "add", TARGET_NUMBER).code == 0
    listed = scene.dialer.cli("agent", "transfer", PHONE, TARGET_NUMBER)
    bad = scene.dialer.cli("agent", "transfer", PHONE, "PJSIP/1@carrier")
    scene.dialer.cli("dnc", "remove", TARGET_NUMBER)

    assert (listed.code, "do-not-call" in listed.err) == (1, True)
    assert (bad.code, "not a phone number" in bad.err) == (1, True)
    scene.is_as_before()
    assert [call.invite.number for call in scene.stage.lab.carrier.calls()] == [CALLED]
    scene.ends()


def test_given_the_agent_hangs_up_while_consulting_then_customer_and_target_talk(begin: Callable[..., Scene]) -> None:
    scene = begin()
    scene.asks("consult", TARGET_NUMBER)
    scene.agent.hears("target")
    scene.stage.lab.phone(PHONE).hang_up()
    scene.customer.hears("target")
    scene.target.hears("customer")
    scene.dialer.wait_agent(PHONE, "")
    scene.ends()


def test_given_the_agent_hangs_up_with_the_customer_on_hold_then_the_next_agent_has_the_customer(
    begin: Callable[..., Scene],
) -> None:
    scene = begin()
    scene.asks("hold")
    scene.customer.hears_music()
    scene.stage.lab.phone(PHONE).hang_up()
    scene.customer.hears_music()
    scene.dialer.log_in(OTHER, campaign=scene.campaign)
    scene.customer.hears("target")
    scene.target.hears("customer")
    row = scene.ends()
    assert (row["disposition"], row["source_extension"]) == ("answered", OTHER)


def test_given_the_customer_hangs_up_while_agent_and_target_consult_then_both_are_free(
    begin: Callable[..., Scene],
) -> None:
    scene = begin()
    scene.asks("consult", TARGET_NUMBER)
    scene.agent.hears("target")
    scene.ends()
    scene.dialer.wait_agent(PHONE, "available")
    wait_for(lambda: set(scene.stage.bridges()) == {_home(scene)}, "only the agent's bridge to be left")
    wait_for(lambda: len(scene.stage.channels()) == 1, "only the agent's leg to be left")


# --- to an agent ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("connect", [ConnectMode.ALWAYS_ON, ConnectMode.ON_DEMAND])
@pytest.mark.parametrize("how", ["transfer", "consult"])
def test_given_another_agent_then_the_customer_talks_with_them_and_the_call_is_theirs(
    begin: Callable[..., Scene], connect: ConnectMode, how: str
) -> None:
    scene = begin(OTHER, connect=connect)
    scene.asks(how, OTHER)
    if how == "consult":
        scene.agent.hears("target")
        scene.customer.hears_music()
        scene.asks("complete")
    scene.customer.hears("target")
    scene.target.hears("customer")
    scene.dialer.wait_agent(PHONE, "available")
    other = scene.dialer.wait_agent(OTHER, "on_call")
    row = scene.ends()
    scene.dialer.wait_agent(OTHER, "available")

    assert other["call_id"] == scene.call_id
    assert (row["disposition"], row["source_extension"]) == ("answered", OTHER)


def test_given_a_queue_then_whoever_is_free_has_the_customer(begin: Callable[..., Scene]) -> None:
    scene = begin(OTHER)
    scene.asks("transfer", f"queue:{scene.campaign}")
    scene.customer.hears("target")
    assert scene.ends()["source_extension"] == OTHER


def test_given_an_agent_who_is_not_free_then_the_customer_comes_back(begin: Callable[..., Scene]) -> None:
    scene = begin(OTHER)
    assert scene.dialer.cli("agent", "pause", OTHER).code == 0
    scene.asks("transfer", OTHER)
    scene.customer.hears_music()
    scene.is_as_before()
    scene.ends()


def _home(scene: Scene) -> str:
    """The agent's own bridge."""
    rows = scene.stage.ledger.rows("SELECT bridge_id FROM dialer_agent_sessions WHERE logged_out_at IS NULL")
    return str(rows[0]["bridge_id"])
