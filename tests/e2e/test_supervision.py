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
from tests.e2e.audio import (
    AGENT,
    COUNT,
    COUNTS,
    CUSTOMER,
    HEADER,
    RATE,
    SUPERVISOR,
    TARGET,
    Ear,
    amplitude,
    counted,
    recorded,
    tones,
    unpacked,
)
from tests.e2e.support import Dialer, Stage, wait_for

PHONE, BOSS, NOBODY = "1001", "1009", "1008"
CALLED, NEXT = number(Fate.HUMAN, serial=901), number(Fate.HUMAN, serial=902)
TARGET_NUMBER = number(Fate.HUMAN, serial=903)
WHO_COUNT = [number(Fate.HUMAN, serial=serial) for serial in range(904, 910)]
BEEP, BEEP_LOUD = 710, 1500.0
"""Hertz of Asterisk's sound `beep`, and its least amplitude: half of what it has."""
NOTHING_TO_CANCEL = "*47"
"""A code that is refused, with a sound, to an agent who transfers nothing."""
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
    for dialled in WHO_COUNT:
        carrier.hums(dialled, COUNTS)
    yield agent, customer, boss
    for dialled in (CALLED, NEXT, TARGET_NUMBER, *WHO_COUNT):
        carrier.hums(dialled, None)


@pytest.fixture
def begin(floor: Stage, ears: tuple[Ear, Ear, Ear]) -> Iterator[Callable[..., Scene]]:
    def meet(**settings: object) -> Scene:
        floor.ledger.execute(f"DELETE FROM dialer_audit WHERE subject = 'agent:{PHONE}'")
        return scene_of(floor, ears, **settings)

    yield meet
    floor.customers_hang_up()


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


@pytest.mark.parametrize(("code", "mode"), [("*61", "listen"), ("*62", "whisper"), ("*63", "barge")])
def test_given_the_supervisors_phone_when_a_code_is_dialled_then_its_mode_begins(
    begin: Callable[..., Scene], code: str, mode: str
) -> None:
    scene = begin()
    boss = scene.stage.lab.phone(BOSS)
    boss.dial(f"{code}{PHONE}")
    scene.wait(mode)
    scene.all_hear(mode)
    boss.hang_up()
    scene.is_as_before()


def test_given_keys_pressed_by_the_supervisor_then_the_mode_changes(begin: Callable[..., Scene]) -> None:
    """The telephone says what it hears: a tone of its own would end with the first key."""
    scene = begin()
    boss = scene.stage.lab.phone(BOSS)
    boss.says("echo")
    boss.hums(None, scene.boss.path)
    boss.dial(f"*61{PHONE}")
    scene.wait("listen")
    for key, mode in (("2", "whisper"), ("3", "barge"), ("9", "barge"), ("1", "listen")):
        boss.send_dtmf(key)
        scene.wait(mode)
        scene.boss.hears("agent", "customer")
        scene.agent.hears(*(("customer",) if mode == "listen" else ("agent", "customer")))
        scene.customer.hears(*(("agent", "customer") if mode == "barge" else ("agent",)))
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


def test_given_many_customers_then_the_supervisor_hears_each_of_them_from_the_first_word(
    begin: Callable[..., Scene],
) -> None:
    """One after the other on one leg of the agent's: what has listened to the last one may be deaf to the next one."""
    scene = begin()
    scene.supervises("listen")
    for dialled in WHO_COUNT:
        scene.stage.customers_hang_up()
        scene.dialer.wait_agent(PHONE, "available")
        scene.boss.hears("agent")
        before = scene.boss.size()
        scene.stage.ledger.add_leads(scene.campaign, [dialled])
        scene.dialer.wait_agent(PHONE, "on_call")
        scene.boss.hears("agent", "target")
        assert counted(scene.boss.since(before)) == list(COUNT)


def test_given_a_sound_for_the_agent_then_the_supervisor_hears_the_customer_after_it_too(
    begin: Callable[..., Scene],
) -> None:
    """The tone of the agent's telephone ends with the first key."""
    scene = begin()
    scene.supervises("listen")
    scene.all_hear("listen")
    for _ in range(4):
        refused = scene.dialer.log.count("feature-refused")
        scene.stage.lab.phone(PHONE).send_dtmf(NOTHING_TO_CANCEL)
        wait_for(lambda before=refused: scene.dialer.log.count("feature-refused") > before, "the code to be refused")
        for _ in range(2):
            scene.boss.samples()  # the file is written in blocks of two seconds, of which these are from before
        scene.boss.hears("customer")


def test_given_a_hold_and_a_consultation_then_the_supervisor_follows_the_agent(begin: Callable[..., Scene]) -> None:
    scene = begin()
    scene.supervises("listen")
    scene.all_hear("listen")
    assert scene.dialer.cli("agent", "hold", PHONE).code == 0
    scene.customer.hears_music()
    scene.boss.hears("agent")
    assert scene.dialer.cli("agent", "consult", PHONE, TARGET_NUMBER).code == 0
    scene.boss.hears("agent", "target")
    assert scene.dialer.cli("agent", "conference", PHONE).code == 0
    scene.boss.hears("agent", "target", "customer")
    assert scene.dialer.cli("agent", "cancel", PHONE).code == 0
    scene.boss.hears("agent", "customer")
    scene.agent.hears("customer")
    scene.customer.hears("agent")


# --- who may not ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["listen", "whisper", "barge"])
def test_given_an_extension_without_the_role_then_command_line_and_http_refuse_it(
    begin: Callable[..., Scene], mode: str
) -> None:
    scene = begin()
    done = scene.dialer.cli("agent", mode, PHONE, "--as", NOBODY)
    status, said = scene.dialer.refusal("POST", f"/agents/{PHONE}/supervise", {"supervisor": NOBODY, "mode": mode})

    assert (done.code, "not a supervisor: extension=1008" in done.err) == (1, True), done.err
    assert (status, "not a supervisor" in said) == (403, True)
    assert "supervision-refused" in scene.dialer.log
    scene.is_as_before()
    assert scene.stage.lab.phone(NOBODY).channels() == []
    assert scene.audit() == []


@pytest.mark.parametrize("code", ["*61", "*62", "*63"])
def test_given_a_telephone_without_the_role_then_its_codes_are_refused_and_it_hears_no_call(
    begin: Callable[..., Scene], tmp_path: Path, code: str
) -> None:
    scene = begin()
    other = scene.stage.lab.phone(NOBODY)
    ear = Ear(tmp_path / "nobody")
    other.hums(SUPERVISOR, ear.path)
    before = scene.dialer.log.count("entry-refused")
    other.dial(f"{code}{PHONE}")
    wait_for(lambda: scene.dialer.log.count("entry-refused") > before, "the refusal")
    wait_for(lambda: not other.channels(), "the telephone to be let go")

    assert ear.size() > 0
    heard = set().union(*recorded(ear.file))
    assert not heard & {"agent", "customer"}, heard
    scene.is_as_before()
    assert scene.audit() == []


def test_given_what_cannot_be_supervised_then_it_is_refused_with_the_reason(begin: Callable[..., Scene]) -> None:
    scene = begin()
    itself = scene.dialer.cli("agent", "listen", BOSS, "--as", BOSS)
    absent = scene.dialer.cli("agent", "listen", "1007", "--as", BOSS)
    nothing = scene.dialer.cli("agent", "unsupervise", PHONE)

    assert [done.code for done in (itself, absent, nothing)] == [1, 1, 1]
    assert "nobody supervises themselves" in itself.err
    assert "the agent is not logged in" in absent.err
    assert "nobody supervises the agent" in nothing.err


def test_given_a_pin_then_the_supervisors_telephone_is_asked_for_it(begin: Callable[..., Scene]) -> None:
    scene = begin()
    boss = scene.stage.lab.phone(BOSS)
    boss.hums(None)
    scene.stage.ledger.set_pin(BOSS, "4321")
    boss.dial(f"*61{PHONE}")
    wait_for(boss.is_talking, "the telephone to be asked")
    boss.send_dtmf("9999#")
    wait_for(lambda: "pin-wrong" in scene.dialer.log, "the wrong PIN to be noticed")
    assert scene.dialer.agent(PHONE)["supervisor"] is None
    boss.hang_up()
    wait_for(lambda: not boss.channels(), "the telephone to be free")
    boss.dial(f"*61{PHONE}")
    wait_for(boss.is_talking, "the telephone to be asked again")
    boss.send_dtmf("4321#")
    scene.wait("listen")
    boss.hang_up()
    scene.is_as_before()
    scene.stage.ledger.execute("DELETE FROM dialer_agent_pins")


# --- how it ends ----------------------------------------------------------------------------------------------------


def test_given_a_supervisors_telephone_that_is_busy_then_the_supervision_ends_and_the_call_does_not(
    begin: Callable[..., Scene],
) -> None:
    scene = begin()
    scene.stage.lab.phone(BOSS).rejects()
    assert scene.dialer.cli("agent", "barge", PHONE, "--as", BOSS).code == 0
    scene.is_as_before()
    assert scene.audit() == [("ended", scene.call_id)]


@pytest.mark.parametrize("how", ["logout", "hang up"])
def test_given_the_agent_leaves_then_the_supervision_ends(begin: Callable[..., Scene], how: str) -> None:
    scene = begin()
    scene.supervises("barge")
    scene.all_hear("barge")
    if how == "logout":
        assert scene.dialer.cli("agent", "logout", PHONE).code == 0
        scene.boss.hears("agent", "customer")
        scene.stage.customers_hang_up()
    else:
        scene.stage.lab.phone(PHONE).hang_up()
    scene.dialer.wait_agent(PHONE, "")
    wait_for(lambda: not scene.stage.lab.phone(BOSS).channels(), "the supervisor to be let go")
    scene.stage.wait_empty()
    assert scene.stage.ledger.ended_call(CALLED)["disposition"] == "answered"


def test_given_the_ear_is_lost_then_it_is_opened_again(begin: Callable[..., Scene]) -> None:
    scene = begin()
    scene.supervises("whisper")
    [ear] = [id_ for id_ in scene.stage.channels() if "-e-" in id_]
    scene.stage.lab.pbx.ari.delete(f"channels/{ear}")
    wait_for(lambda: ear not in scene.stage.channels(), "the ear to be lost")
    wait_for(lambda: any("-e-" in id_ for id_ in scene.stage.channels()), "another ear")
    scene.all_hear("whisper")


# --- what is announced, and what a restart leaves -------------------------------------------------------------------
# Each has a dialer of its own, which takes the application from the module's: they come last.


def test_given_it_is_announced_then_the_agent_hears_a_sound_first_and_the_customer_only_before_a_barge(
    stage: Stage, ears: tuple[Ear, Ear, Ear]
) -> None:
    stage.dialer(agents={**ROLE, "supervision_announced": True, "join_tone": None}).start()
    stage.wait_phones()
    scene = scene_of(stage, ears)
    scene.supervises("listen")
    scene.all_hear("listen")
    assert (beeps(scene.agent), beeps(scene.customer)) == (1, 0)
    scene.supervises("barge")
    scene.all_hear("barge")
    assert (beeps(scene.agent), beeps(scene.customer)) == (2, 1)
    stage.customers_hang_up()


def test_given_the_dialer_is_killed_then_the_next_one_ends_the_supervision_and_the_pair_talks_on(
    stage: Stage, ears: tuple[Ear, Ear, Ear]
) -> None:
    dialer = stage.dialer(agents=ROLE).start()
    stage.wait_phones()
    scene = scene_of(stage, ears)
    scene.supervises("barge")
    scene.all_hear("barge")
    dialer.kill()
    scene.all_hear("barge")
    dialer.start()
    scene.is_as_before()
    stage.customers_hang_up()
    row = stage.ledger.ended_call(CALLED)
    assert (row["disposition"], row["hung_up_by"], row["is_end_estimated"]) == ("answered", "customer", 0)


def test_given_the_dialer_stops_then_the_supervisor_is_let_go_and_the_pair_talks_on(
    stage: Stage, ears: tuple[Ear, Ear, Ear]
) -> None:
    dialer = stage.dialer(agents=ROLE, engine={"stop_timeout_seconds": 0}).start()
    stage.wait_phones()
    scene = scene_of(stage, ears)
    scene.supervises("whisper")
    assert dialer.stop() == 0
    wait_for(lambda: not scene.supervisors_legs(), "nothing of the supervisor to be left")
    scene.customer.hears("agent")
    scene.agent.hears("customer")
    wait_for(lambda: scene.audit()[-1][0] == "ended", "the audit trail")
    dialer.start()
    scene.is_as_before()
    stage.customers_hang_up()
    stage.ledger.ended_call(CALLED)


def test_given_music_for_an_agent_who_waits_then_a_whisper_is_heard_in_it(
    stage: Stage, ears: tuple[Ear, Ear, Ear]
) -> None:
    """Up to Asterisk 22.10 a whisper needs something to go with: to an agent who waits in silence nothing is sent."""
    dialer = stage.dialer(agents={**ROLE, "waiting": "music"}).start()
    stage.wait_phones()
    dialer.log_in(PHONE, campaign=stage.ledger.campaign())
    ears[0].hears_music()
    assert dialer.cli("agent", "whisper", PHONE, "--as", BOSS).code == 0
    ears[2].hears("agent")
    wait_for(lambda: "supervisor" in tones(ears[0].samples()), "the agent to hear the supervisor")


def beeps(ear: Ear) -> int:
    """How often the sound `beep` is in all that somebody has heard."""
    with ear.file.open("rb") as file:
        samples = unpacked(file.read()[HEADER:])
    step = RATE // 20
    loud = [amplitude(samples[at : at + step], BEEP) > BEEP_LOUD for at in range(0, len(samples) - step + 1, step)]
    return sum(now and not before for before, now in zip([False, *loud], loud, strict=False))
