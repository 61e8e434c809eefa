"""The command line as a new user meets it: what works, and one clear message and exit code for what does not."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from stasis_dialer.core.lead_options import Law
from stasis_dialer.core.model import DialMode
from stasis_dialer.core.options import Broadcast, Recording, RecordingMode
from stasis_dialer.lab.addresses import free_port
from stasis_dialer.lab.fates import Fate, number
from stasis_dialer.lab.world import Lab
from tests.e2e.support import Dialer, Done, Stage, wait_for

DONE, REFUSED, USAGE, DOWN = 0, 1, 2, 3
NOWHERE = free_port()


@dataclass(frozen=True)
class Mistake:
    """Something a user gets wrong, and what must be said to it."""

    words: tuple[str, ...]
    code: int
    says: tuple[str, ...]
    sections: dict[str, dict[str, Any]] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    without: str = ""
    text: str = ""
    """A configuration in place of the lab's."""


NO_SERVER = "mysql+aiomysql://stasis_dialer@127.0.0.1:{port}/stasis_dialer"
MISTAKES = {
    "unknown command": Mistake(("dial",), USAGE, ("No such command 'dial'",)),
    "unknown option": Mistake(("campaign", "list", "--fast"), USAGE, ("No such option",)),
    "unknown campaign": Mistake(("campaign", "show", "spring"), REFUSED, ("spring",)),
    "unknown campaign to start": Mistake(("campaign", "start", "77"), REFUSED, ("77",)),
    "unknown lead": Mistake(("leads", "show", "77"), REFUSED, ("there is no such lead", "77")),
    "unknown call": Mistake(("calls", "show", "c-1"), REFUSED, ("there is no such call", "c-1")),
    "unknown campaign setting": Mistake(
        ("campaign", "create", "x", "--set", "colour=red", "--set", "max_channels=0"), USAGE, ("colour", "max_channels")
    ),
    "no such day": Mistake(("report", "calls", "--from", "yesterday"), USAGE, ("--from", "yesterday", "2026-11-24")),
    "days in the wrong order": Mistake(
        ("report", "compliance", "--from", "2026-02-02", "--to", "2026-02-01"), USAGE, ("is after",)
    ),
    "no such zone": Mistake(("report", "agents", "--timezone", "Mars/Olympus"), USAGE, ("--timezone", "Mars/Olympus")),
    "no file to import": Mistake(("leads", "import", "nothing.csv", "--campaign", "x"), USAGE, ("nothing.csv",)),
    "no dialer": Mistake(("agent", "list"), DOWN, ("no dialer answers", "stasis-dialer run")),
    "wrong token": Mistake(
        ("agent", "login", "1001"),
        REFUSED,
        ("refused the token", "STASIS_DIALER_API_TOKEN"),
        sections={"api": {"port": "of the running dialer"}},
        environment={"STASIS_DIALER_API_TOKEN": "another-token-of-24-signs"},
    ),
    "no configuration": Mistake(("--config", "nowhere.yaml", "campaign", "list"), USAGE, ("nowhere.yaml",)),
    "no YAML": Mistake(("campaign", "list"), USAGE, ("line 3",), text="ari:\n  user: [dialer\napi: {\n"),
    "unknown keys and wrong types": Mistake(
        ("campaign", "list"),
        USAGE,
        ("ari.passwort", "engine.lease_seconds", "trunks"),
        sections={"ari": {"passwort": "x"}, "engine": {"lease_seconds": "long"}, "trunks": {}},
    ),
    "missing secret": Mistake(
        ("campaign", "list"), USAGE, ("STASIS_DIALER_DATABASE_PASSWORD",), without="STASIS_DIALER_DATABASE_PASSWORD"
    ),
    "wrong database password": Mistake(
        ("campaign", "list"),
        DOWN,
        ("the database refused the login", "check the user and the password"),
        environment={"STASIS_DIALER_DATABASE_PASSWORD": "wrong"},
    ),
    "no database server": Mistake(
        ("campaign", "list"),
        DOWN,
        ("the database cannot be reached", str(NOWHERE)),
        sections={"database": {"url": NO_SERVER.format(port=NOWHERE)}},
    ),
    "run without database": Mistake(
        ("run",),
        DOWN,
        ("the database cannot be reached", str(NOWHERE)),
        sections={"database": {"url": NO_SERVER.format(port=NOWHERE)}},
    ),
    "run with a wrong password for Asterisk": Mistake(
        ("run",),
        REFUSED,
        ("Asterisk does not know this user or password", "compare user and password with ari.conf"),
        environment={"STASIS_DIALER_ARI_PASSWORD": "wrong"},
    ),
    "run on a port that is taken": Mistake(
        ("run",),
        REFUSED,
        ("is another dialer running", "api.port"),
        sections={"api": {"port": "of the running dialer"}},
    ),
    "check without Asterisk": Mistake(
        ("check",), DOWN, ("is it running",), sections={"ari": {"url": f"http://127.0.0.1:{NOWHERE}"}}
    ),
    "check with a wrong password for Asterisk": Mistake(
        ("check",), DOWN, ("compare user and password with ari.conf",), environment={"STASIS_DIALER_ARI_PASSWORD": "x"}
    ),
    "check without database": Mistake(
        ("check",),
        DOWN,
        ("the database cannot be reached",),
        sections={"database": {"url": NO_SERVER.format(port=NOWHERE)}},
    ),
    "check of a trunk that Asterisk does not have": Mistake(
        ("check",), REFUSED, ("Asterisk has no PJSIP/nowhere", "see pjsip.conf"), sections={"trunks": {"to": "nowhere"}}
    ),
}


def make(lab: Lab, folder: Path, stage: Stage, mistake: Mistake) -> tuple[Dialer, dict[str, str]]:
    """A configuration with the mistake in it, and the environment."""
    running = stage.dialers[0].port
    dialer = Dialer(lab, folder, stage.database)
    whole = yaml.safe_load(dialer.config.read_text())
    for section, values in mistake.sections.items():
        if section == "trunks":
            whole["trunks"] = [{**whole["trunks"][0], "endpoint": "PJSIP/{number}@nowhere"}] if values else []
        elif values.get("port"):
            whole[section]["port"] = running
        else:
            whole[section] = {**whole.get(section, {}), **values}
    dialer.config.write_text(mistake.text or yaml.safe_dump(whole))
    environment = dict(mistake.environment)
    if mistake.without:
        environment[mistake.without] = ""
    return dialer, environment


@pytest.fixture(scope="module")
def answers(shared_stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Done]]:
    """What the command line answers to each mistake; all but `run` in this process, because they start slowly."""
    folder = tmp_path_factory.mktemp("mistakes")

    def commit(mistake: Mistake) -> Done:
        dialer, environment = make(shared_stage.lab, folder, shared_stage, mistake)
        give = dialer.program if mistake.words == ("run",) else dialer.cli
        return give(*mistake.words, environment=environment)

    yield {what: commit(mistake) for what, mistake in MISTAKES.items()}


@pytest.mark.parametrize("what", MISTAKES)
def test_given_a_mistake_when_a_command_is_given_then_there_is_one_clear_message(
    answers: dict[str, Done], what: str
) -> None:
    mistake, done = MISTAKES[what], answers[what]
    said = done.err + done.out

    assert done.code == mistake.code, said
    assert [word for word in mistake.says if word not in " ".join(said.split())] == [], said
    assert "Traceback" not in said
    assert "defect" not in said
    assert said.count("error:") + said.count("Error:") + said.count("  failed  ") == 1, said


def test_given_everything_runs_when_it_is_checked_then_all_is_well(floor: Stage) -> None:
    floor.ledger.campaign(safe_harbour_media="sound:stasis-dialer/safe-harbour", law=Law())

    done = floor.dialers[0].cli("check", "--json")

    assert (done.code, done.err) == (DONE, "")
    assert {row["result"] for row in done.json} == {"ok"}, done.out
    checks = {row["check"] for row in done.json}
    assert checks >= {"configuration", "database", "schema", "asterisk", "modules", "dialplan", "application"}


def test_given_a_sound_that_asterisk_does_not_have_when_it_is_checked_then_it_is_named_with_who_needs_it(
    floor: Stage,
) -> None:
    missing, there = "sound:stasis-dialer/no-such", "sound:stasis-dialer/safe-harbour"
    floor.ledger.campaign(name="said", is_active=False, mode=DialMode.BROADCAST, broadcast=Broadcast(missing))
    floor.ledger.campaign(name="heard", is_active=False, mode=DialMode.BROADCAST, broadcast=Broadcast(there))
    floor.ledger.campaign(name="told", is_active=False, safe_harbour_media="sound:vm-goodbye")

    done = floor.dialers[0].cli("check", "--json")

    assert done.code == REFUSED
    said = {row["check"]: row["seen"] for row in done.json if row["check"].startswith("sound")}
    assert said == {"sound stasis-dialer/no-such": "Asterisk has no such sound; needed by said broadcast.media"}
    wait_for(lambda: not floor.lab.pbx.ari.get("channels"), "what was played to nobody to be over")


def test_given_what_asterisk_lacks_when_a_campaign_is_started_then_it_is_warned_of(floor: Stage) -> None:
    missing = Recording(RecordingMode.ALL, announcement="sound:no-such")
    floor.ledger.campaign(name="whole", is_active=False, recording=Recording(RecordingMode.ALL))
    floor.ledger.campaign(name="broken", is_active=False, recording=missing)
    spool = floor.lab.pbx.folder / "spool" / "recording"

    whole = floor.dialers[0].cli("campaign", "start", "whole")
    spool.rename(spool.with_name("away"))
    try:
        broken = floor.dialers[0].cli("campaign", "start", "broken")
    finally:
        spool.with_name("away").rename(spool)

    assert (whole.code, whole.err) == (DONE, "")
    assert (broken.code, broken.out) == (DONE, "broken: active\n")
    assert broken.err.splitlines() == [
        "warning: Asterisk has no such sound: recording.announcement=sound:no-such",
        "warning: Asterisk cannot write recordings: calls go on without; run: stasis-dialer check",
    ]


def test_given_an_older_dialplan_when_sounds_are_checked_then_it_says_that_it_cannot_tell(floor: Stage) -> None:
    floor.ledger.campaign(is_active=False, safe_harbour_media="sound:stasis-dialer/safe-harbour")
    floor.lab.pbx.cli("dialplan remove extension listen@sd-check")
    try:
        done = floor.dialers[0].cli("check", "--json")
    finally:
        floor.lab.pbx.cli("dialplan reload")

    (row,) = [row for row in done.json if row["check"].startswith("sound")]
    assert (done.code, row["result"], row["hint"]) == (DONE, "unknown", "update dialplan/stasis_dialer.conf")


def test_given_no_dialer_and_no_schema_when_it_is_checked_then_it_is_said_what_to_do(
    floor: Stage, tmp_path: Path
) -> None:
    floor.lab.create_database("unmade")
    try:
        done = Dialer(floor.lab, tmp_path, "unmade", ari={"app": "nobody"}).cli("check", "--json")
    finally:
        floor.lab.mariadb.drop_database("unmade")

    rows = {row["check"]: row for row in done.json}
    assert done.code == REFUSED
    assert (rows["schema"]["result"], rows["schema"]["hint"]) == ("failed", "run: stasis-dialer db upgrade")
    assert (rows["application"]["result"], rows["application"]["hint"]) == ("warning", "run: stasis-dialer run")


def test_given_a_new_user_when_a_campaign_is_made_and_run_then_every_command_does_its_part(
    floor: Stage, tmp_path: Path
) -> None:
    dialer = floor.dialers[0]
    human, busy = number(Fate.HUMAN, talk=1, serial=1), number(Fate.BUSY, serial=2)
    leads = tmp_path / "leads.csv"
    leads.write_text(f"nome;telefone\nAna;{human}\nBruno;{busy}\nCarla;123\n".replace(";", ","))

    created = dialer.cli(
        "campaign", "create", "spring", "--set", "wrap_up_seconds=0", "--set", "law.pack=off", "--json"
    )
    imported = dialer.cli("leads", "import", str(leads), "--campaign", "spring", "--json")
    logged_in = dialer.cli("agent", "login", "1001", "--campaign", "spring", "--json")
    dialer.wait_agent("1001", "available")
    started = dialer.program("campaign", "start", "spring")
    wait_for(lambda: floor.ledger.undecided() == 0, "both leads to be dialled")
    floor.ledger.wait_quiet()
    metrics = dialer.cli("campaign", "metrics", "spring", "--json")
    calls = dialer.cli("calls", "list", "--campaign", "spring", "--json")
    shown = dialer.cli("calls", "show", calls.json[0]["call_id"], "--json")
    logged_out = dialer.cli("agent", "logout", "--all")
    dialer.wait_agent("1001", "")

    everything = (created, imported, logged_in, started, metrics, calls, shown, logged_out)
    assert [(done.code, done.err) for done in everything] == [(DONE, "")] * len(everything)
    assert (created.json["name"], created.json["status"]) == ("spring", "paused")
    assert (imported.json["imported"], imported.json["refused"]) == (2, 1)
    assert imported.json["refusals"][0]["line"] == 4
    assert logged_in.json[0]["connect"] == "always_on"
    assert started.out == "spring: active\n"
    assert metrics.json["leads_completed"] == 1
    assert {key: metrics.json[key] for key in ("calls", "answered", "connected")} == {
        "calls": 2,
        "answered": 1,
        "connected": 1,
    }
    assert sorted(call["disposition"] for call in calls.json) == ["answered", "busy"]
    assert human not in calls.out and human[1:] not in calls.out
    assert json.loads(shown.out)["timeline"][-1]["what"].startswith("ended")
    assert floor.ledger.disagreements() == []


def test_given_a_campaigns_file_when_it_is_applied_then_diff_falls_silent_and_what_it_leaves_out_stays(
    floor: Stage, tmp_path: Path
) -> None:
    dialer = floor.dialers[0]
    path = tmp_path / "winter.yaml"
    path.write_text("name: winter\nmax_channels: 20\nstart_time: 09:00\namd: {mode: off}\nwrap_up_seconds: 7\n")

    before = dialer.cli("campaign", "diff", str(path), "--json")
    made = dialer.cli("campaign", "apply", str(path), "--json")
    same = dialer.cli("campaign", "diff", str(path))
    changed = dialer.cli("campaign", "set", "winter", "max_channels=25", "end_time=18:00", "--json")
    after = dialer.cli("campaign", "diff", str(path), "--json")
    applied = dialer.cli("campaign", "apply", str(path), "--json")
    shown = dialer.cli("campaign", "show", "winter", "--json")
    refused = dialer.cli("campaign", "set", "winter", "amd.mode=guess", "colour.red=1")

    assert before.code == REFUSED
    assert {row["field"]: row["now"] for row in before.json}["max_channels"] is None
    assert (made.code, made.json["status"], made.json["max_channels"]) == (DONE, "paused", 20)
    assert (same.code, same.out) == (DONE, "winter: as the file says\n")
    assert (changed.code, changed.json["max_channels"]) == (DONE, 25)
    assert after.json == [{"field": "max_channels", "now": 25, "file": 20}]
    assert (applied.code, applied.json["max_channels"]) == (DONE, 20)
    assert (shown.json["window_start"], shown.json["window_end"]) == ("09:00:00", "18:00:00")
    assert refused.code == REFUSED and "colour" in refused.err, refused.err


def test_given_asterisk_is_away_when_the_dialer_starts_then_it_waits_and_is_ready_once_it_is_there(
    stage: Stage,
) -> None:
    with stage.lab.ari_proxy() as proxy:
        proxy.cut_all()
        dialer = stage.dialer(ari={"url": proxy.url, "app": "latecomer"}).start(is_waiting=False)
        wait_for(lambda: "ari-disconnected" in dialer.log, "the dialer to say that Asterisk is away")
        was_ready, was_healthy = dialer.is_ready, dialer.is_healthy
        proxy.restore()
        dialer.wait_ready()
        code = dialer.stop()

    assert (was_ready, was_healthy, code) == (False, True, DONE)
