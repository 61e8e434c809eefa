"""A lab leaves nothing behind: not after its end, not after a crash of its owner, not after Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stasis_dialer.errors import LabError
from stasis_dialer.lab.process import start_ticks
from stasis_dialer.lab.waiting import until
from stasis_dialer.lab.world import Lab, clear_abandoned_labs

OWNER = """
import sys, time
from pathlib import Path
from stasis_dialer.lab.world import Lab
lab = Lab("owned", phones=1, home=Path(sys.argv[1])).start()
print(*lab.processes().values(), flush=True)
time.sleep(600)
"""


def are_gone(pids: list[int]) -> bool:
    """Whether none of the processes runs."""
    return all(start_ticks(pid) is None for pid in pids)


def pids_below(folder: Path) -> list[int]:
    """The processes whose command line names a folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(folder).encode() in command and b"lab" in command:
                found.append(int(entry.name))
    return found


def command(*words: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of the lab whose folder is below `home`."""
    return subprocess.run(
        [sys.executable, "-m", "stasis_dialer.cli.lab", *words],
        capture_output=True,
        text=True,
        env={**os.environ, "STASIS_DIALER_LAB_HOME": str(home)},
        timeout=120,
    )


def test_given_an_owner_when_it_is_killed_then_its_lab_ends(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        pids = [int(word) for word in owner.stdout.readline().split()]
        assert len(pids) == 3
        assert not are_gone(pids)

        owner.kill()
        owner.wait()

    until(lambda: are_gone(pids), "the processes of a killed owner to end")
    assert clear_abandoned_labs(tmp_path) == ["owned"]
    assert not (tmp_path / "owned").exists()


def test_given_a_running_lab_when_a_second_one_starts_then_both_work(lab: Lab, tmp_path: Path) -> None:
    second = Lab("second", phones=2, seed=9, home=tmp_path)
    second.start()
    pids = [pid for pid in second.processes().values() if pid]
    try:
        assert lab.is_running()
        assert all(phone.is_registered() for phone in [*lab.phones(), *second.phones()])
        assert lab.state.prefix != second.state.prefix
        with pytest.raises(LabError, match="runs already"):
            Lab("second", home=tmp_path).start()
        assert not are_gone(pids)
    finally:
        second.stop(remove=True)

    assert are_gone(pids)
    assert lab.is_running()
    assert not second.folder.exists()


def test_given_a_lab_from_the_command_line_when_it_is_used_then_status_logs_and_down_know_it(tmp_path: Path) -> None:
    before = command("status", home=tmp_path)
    assert (before.returncode, before.stderr) == (3, "")

    started = command("up", "--phones", "2", home=tmp_path)
    try:
        assert started.returncode == 0, started.stderr
        status = json.loads(command("status", "--json", home=tmp_path).stdout)
        assert (status["running"], status["phones_registered"], status["channels"]) == (True, 2, 0)
        again = command("up", home=tmp_path)
        assert (again.returncode, again.stderr.count("\n")) == (3, 1)
        assert "Asterisk" in command("logs", "pbx", home=tmp_path).stdout
        assert Lab.attach(home=tmp_path).phone("1001").is_registered()
        for secret in (tmp_path / "main" / "env", tmp_path / "main" / "lab.json"):
            assert secret.stat().st_mode & 0o077 == 0
    finally:
        ended = command("down", home=tmp_path)

    assert ended.returncode == 0
    assert command("status", home=tmp_path).returncode == 3
    assert pids_below(tmp_path / "main") == []


def test_given_no_lab_when_it_is_ended_then_one_line_says_so(tmp_path: Path) -> None:
    ended = command("down", home=tmp_path)

    assert ended.returncode == 3
    assert ended.stderr.startswith("lab: there is no lab of that name")
    assert ended.stderr.count("\n") == 1


def test_given_a_lab_that_is_starting_when_ctrl_c_is_pressed_then_nothing_runs(tmp_path: Path) -> None:
    starting = subprocess.Popen(
        [sys.executable, "-m", "stasis_dialer.cli.lab", "up"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "STASIS_DIALER_LAB_HOME": str(tmp_path)},
        # As a terminal gives it: a shell lets what it runs in the background ignore Ctrl-C, these tests included.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    with starting:
        until(lambda: any((tmp_path / "main" / "pids").glob("*.json")), "the lab to have begun to start")
        starting.send_signal(signal.SIGINT)
        assert starting.wait(30) == 130

    assert pids_below(tmp_path / "main") == []


def test_given_a_half_dead_lab_when_it_is_started_again_then_the_rest_is_ended_first(tmp_path: Path) -> None:
    with Lab("half", phones=1, home=tmp_path) as first:
        first.pbx.kill()
        left = [pid for pid in first.processes().values() if pid]
        assert len(left) == 2

        second = Lab("half", phones=1, home=tmp_path).start()
        until(lambda: are_gone(left), "the old processes to end")
        second.stop()
