"""Supervisors at real telephones who listen, whisper and barge in; tones are the referee of who hears whom."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from stasis_dialer.core.model import ConnectMode
from stasis_dialer.core.options import Recording, RecordingMode
from stasis_dialer.lab.fates import Fate, number
from stasis_dialer.lab.world import Lab
from tests.e2e.audio import AGENT, CUSTOMER, SUPERVISOR, TARGET, Ear, recorded
from tests.e2e.support import Dialer, Stage, wait_for

PHONE, BOSS, NOBODY = "1001", "1009", "1008"
CALLED, NEXT = number(Fate.HUMAN, serial=901), number(Fate.HUMAN, serial=902)
TARGET_NUMBER = number(Fate.HUMAN, serial=903)
ROLE = {"supervisors": [BOSS]}


@dataclass
class Scene:
    """An agent who talks with a customer, a supervisor, and what everybody hears."""

    stage: Stage
    campaign: int
    agent: Ear
    customer: Ear
    boss: Ear
    call_id: str

    @property
    def dialer(self) -> Dialer:
        return self.stage.dialers[-1]

    def supervises(self, mode: str) -> None:
        """By the command line."""
        done = self.dialer.cli("agent", mode, PHONE, "--as", BOSS)
        assert done.code == 0, done.err
        self.wait(mode)

    def wait(self, supervision: str | None) -> None:
        def is_so() -> bool:
            agent = self.dialer.agent(PHONE)
            shown = (agent.get("supervisor"), agent.get("supervision"))
            return shown == ((BOSS, supervision) if supervision else (None, None))

        wait_for(is_so, f"the supervision to be {supervision}")

    def all_hear(self, mode: str, customer: str = "customer") -> None:
        """Who hears whom in this mode, and nobody else."""
        boss = () if mode == "listen" else ("supervisor",)
        self.boss.hears("agent", customer)
        self.agent.hears(customer, *boss)
        self.customer.hears("agent", *(boss if mode == "barge" else ()))

    def is_as_before(self) -> None:
        """Agent and customer talk, and nothing of the supervision is left."""
        self.wait(None)
        assert self.dialer.agent(PHONE)["call_id"] == self.call_id
        self.customer.hears("agent")
        self.agent.hears("customer")
        wait_for(lambda: not self.supervisors_legs(), "nothing of the supervisor to be left")
        assert len(self.stage.bridges()) == 1

    def supervisors_legs(self) -> list[str]:
        """Channels of supervisions, and those that listen for one."""
        kinds = ("-u-", "-e-")
        channels = self.stage.channels().values()
        return [it["name"] for it in channels if any(kind in it["id"] for kind in kinds) or BOSS in it["name"]]

    def audit(self) -> list[tuple[str, str]]:
        """What the audit trail says of the supervisions of this agent: what, and in which call."""
        rows = self.stage.ledger.rows(
            "SELECT action, actor, `after` FROM dialer_audit WHERE subject = 'agent:1001' ORDER BY id"
        )
        assert {row["actor"] for row in rows} <= {f"supervisor:{BOSS}"}
        return [(row["action"].removeprefix("supervision-"), json.loads(row["after"])["call_id"]) for row in rows]


@pytest.fixture(scope="module")
def shared_stage(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A dialer that knows a supervisor."""
    made = Stage(lab, tmp_path_factory.mktemp("stage"))
    try:
        made.dialer(agents=ROLE).start()
        yield made
        made.close()
    finally:
        made.clear()


@pytest.fixture
def ears(empty_pbx: Lab, tmp_path: Path) -> Iterator[tuple[Ear, Ear, Ear]]:
    """Agent, customer and supervisor send their tones, and what they hear is written down."""
    agent, customer, boss = (Ear(tmp_path / name) for name in ("agent", "customer", "supervisor"))
    empty_pbx.phone(PHONE).hums(AGENT, agent.path)
    empty_pbx.phone(BOSS).hums(SUPERVISOR, boss.path)
    carrier = empty_pbx.carrier
    carrier.hums(CALLED, CUSTOMER, customer.path)
    carrier.hums(TARGET_NUMBER, TARGET)
    carrier.hums(NEXT, TARGET)
    yield agent, customer, boss
    for dialled in (CALLED, NEXT, TARGET_NUMBER):
        carrier.hums(dialled, None)


@pytest.fixture
def begin(floor: Stage, ears: tuple[Ear, Ear, Ear]) -> Callable[..., Scene]:
    def meet(**settings: object) -> Scene:
        floor.ledger.execute(f"DELETE FROM dialer_audit WHERE subject = 'agent:{PHONE}'")
        return scene_of(floor, ears, **settings)

    return meet


def scene_of(stage: Stage, ears: tuple[Ear, Ear, Ear], **settings: object) -> Scene:
    """One customer and one agent talk."""
    dialer = stage.dialers[-1]
    campaign = stage.ledger.campaign([CALLED], **settings)
    dialer.log_in(PHONE, campaign=campaign)
    talking = dialer.wait_agent(PHONE, "on_call")
    ears[0].hears("customer")
    ears[1].hears("agent")
    return Scene(stage, campaign, *ears, talking["call_id"])


# --- who hears whom -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("connect", [ConnectMode.ALWAYS_ON, ConnectMode.ON_DEMAND])
def test_given_each_mode_then_exactly_those_hear_the_supervisor_who_should(
    begin: Callable[..., Scene], connect: ConnectMode
) -> None:
    scene = begin(connect=connect, recording=Recording(RecordingMode.ALL))
    for mode in ("listen", "whisper", "barge", "listen"):
        scene.supervises(mode)
        scene.all_hear(mode)
    done = scene.dialer.cli("agent", "unsupervise", PHONE)
    assert done.code == 0, done.err
    scene.is_as_before()
    scene.stage.customers_hang_up()
    row = scene.stage.ledger.ended_call(CALLED)

    assert (row["disposition"], row["hung_up_by"], row["source_extension"]) == ("answered", "customer", PHONE)
    shown = scene.dialer.cli("calls", "show", scene.call_id, "--json").json
    [file] = shown["recordings"]
    heard = recorded(scene.stage.lab.pbx.folder / "spool" / "recording" / file)
    assert {"agent", "customer"} in heard
    assert {"agent", "customer", "supervisor"} in heard
    assert heard[-2] == {"agent", "customer"}, heard
    wait_for(lambda: len(scene.audit()) == 5, "the audit trail")
    modes = ["listen", "whisper", "barge", "listen", "ended"]
    assert scene.audit() == [(what, scene.call_id) for what in modes]


def test_given_the_supervisors_phone_then_codes_begin_and_keys_change_the_mode(begin: Callable[..., Scene]) -> None:
    scene = begin()
    boss = scene.stage.lab.phone(BOSS)
    boss.dial(f"*61{PHONE}")
    scene.wait("listen")
    scene.all_hear("listen")
    for key, mode in (("2", "whisper"), ("3", "barge"), ("1", "listen")):
        boss.send_dtmf(key)
        scene.wait(mode)
        scene.all_hear(mode)
    boss.hang_up()
    scene.is_as_before()
    boss.dial(f"*63{PHONE}")
    scene.wait("barge")
    scene.all_hear("barge")
    boss.hang_up()
    scene.is_as_before()


def test_given_the_next_customer_then_the_supervisor_hears_them_too(begin: Callable[..., Scene]) -> None:
    scene = begin()
    scene.supervises("whisper")
    scene.all_hear("whisper")
    scene.stage.customers_hang_up()
    scene.dialer.wait_agent(PHONE, "available")
    scene.boss.hears("agent")
    scene.stage.ledger.add_leads(scene.campaign, [NEXT])
    after = scene.dialer.wait_agent(PHONE, "on_call")
    scene.boss.hears("agent", "target")
    scene.agent.hears("target", "supervisor")
    wait_for(lambda: ("whisper", after["call_id"]) in scene.audit(), "the audit trail")
