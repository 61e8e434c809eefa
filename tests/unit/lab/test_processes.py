"""Processes are known by more than their number, and waiting has a limit."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from stasis_dialer.errors import LabError
from stasis_dialer.lab.process import Process, start_ticks
from stasis_dialer.lab.stack import find_stack, tree_stack
from stasis_dialer.lab.waiting import until

SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    """A program that runs until it is ended."""
    mark = f"mark-{tmp_path.name}"
    process = Process("sleeper", [*SLEEPER, mark], tmp_path / "pids" / "sleeper.json", tmp_path / "out.log", mark)
    yield process
    process.kill()


def another_view(process: Process, tmp_path: Path, mark: str) -> Process:
    """The same program as a later command finds it, by its pid file."""
    return Process("sleeper", process.command, tmp_path / "pids" / "sleeper.json", tmp_path / "out.log", mark)


@pytest.mark.parametrize("owned", [True, False])
def test_given_a_running_program_when_it_is_stopped_then_it_is_gone(process: Process, owned: bool) -> None:
    process.start(owned)
    pid = process.pid

    process.stop()

    assert pid is not None
    assert start_ticks(pid) is None
    assert not process.is_running()


def test_given_a_pid_file_when_another_command_looks_then_it_finds_and_ends_the_program(
    process: Process, tmp_path: Path
) -> None:
    process.start(owned=False)
    later = another_view(process, tmp_path, f"mark-{tmp_path.name}")
    assert later.pid == process.pid

    later.ask_to_end()

    until(lambda: not process.is_running(), "the program to end")


def test_given_a_pid_of_somebody_else_when_a_program_is_stopped_then_the_other_lives(tmp_path: Path) -> None:
    with subprocess.Popen(SLEEPER) as stranger:
        (tmp_path / "pids").mkdir()
        note = {"pid": stranger.pid, "started": start_ticks(stranger.pid)}
        (tmp_path / "pids" / "ours.json").write_text(json.dumps(note))
        ours = Process("ours", SLEEPER, tmp_path / "pids" / "ours.json", tmp_path / "out.log", "mark of this lab")

        ours.stop()

        assert stranger.poll() is None
        stranger.kill()


def test_given_a_reused_pid_when_a_program_is_sought_then_it_is_not_found(process: Process, tmp_path: Path) -> None:
    process.start(owned=False)
    pid_file = tmp_path / "pids" / "sleeper.json"
    note = json.loads(pid_file.read_text())
    pid_file.write_text(json.dumps({**note, "started": note["started"] - 1}))

    assert another_view(process, tmp_path, f"mark-{tmp_path.name}").pid is None


def test_given_a_program_that_is_not_there_when_it_is_started_then_the_message_names_it(tmp_path: Path) -> None:
    process = Process("ghost", ["/nowhere/ghost"], tmp_path / "pid.json", tmp_path / "out.log", "ghost")

    with pytest.raises(LabError, match="program=ghost"):
        process.start(owned=False)


class Keyboard:
    """A variable of a program; while the program that gets it is being started, Ctrl-C is pressed until it is heard."""

    def __init__(self) -> None:
        self._is_heard = threading.Event()

    def heard(self, *seen: object) -> None:
        if not self._is_heard.is_set():
            self._is_heard.set()
            raise KeyboardInterrupt

    def __fspath__(self) -> str:
        main = threading.main_thread().ident
        assert main is not None
        while not self._is_heard.wait(0.05):
            signal.pthread_kill(main, signal.SIGINT)
        return "pressed"


@pytest.fixture
def keyboard() -> Iterator[Keyboard]:
    """One that is heard by this process."""
    keyboard = Keyboard()
    before = signal.signal(signal.SIGINT, keyboard.heard)
    yield keyboard
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("owned", [True, False])
def test_given_ctrl_c_while_a_program_is_being_started_then_it_can_be_ended_all_the_same(
    process: Process, tmp_path: Path, keyboard: Keyboard, owned: bool
) -> None:
    with pytest.raises(KeyboardInterrupt):
        process.start(owned, {"KEYBOARD": keyboard})  # type: ignore[dict-item]
    process.kill()

    after = Process("after", [*SLEEPER, "after"], tmp_path / "after.json", tmp_path / "out.log", "after")
    after.start(owned)  # programs are started one after the other: the first one's start is over, whatever became of it
    after.kill()
    mark = f"mark-{tmp_path.name}".encode()
    assert [path.parent.name for path in Path("/proc").glob("[0-9]*/cmdline") if mark in contents(path)] == []


def contents(path: Path) -> bytes:
    """What a file has, if it is still there."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_given_a_condition_that_never_comes_when_it_is_awaited_then_the_message_names_it() -> None:
    with pytest.raises(LabError, match=r"for=the moon to fall limit_seconds=0\.05"):
        until(lambda: False, "the moon to fall", 0.05)


def test_given_an_incomplete_tree_when_its_programs_are_sought_then_there_are_none(tmp_path: Path) -> None:
    (tmp_path / "usr/lib/x86_64-linux-gnu").mkdir(parents=True)
    (tmp_path / "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2").write_text("")

    assert tree_stack(tmp_path) is None


def test_given_a_tree_of_the_users_that_is_broken_then_the_message_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STASIS_DIALER_STACK", str(tmp_path))

    with pytest.raises(LabError, match="unset it to have one made"):
        find_stack()


def test_given_a_system_without_apt_when_the_stack_is_needed_then_one_sentence_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("STASIS_DIALER_STACK", raising=False)
    monkeypatch.setattr("stasis_dialer.lab.stack.SYSTEM_PATH", str(tmp_path))

    with pytest.raises(LabError, match=r"no apt-get.*Asterisk >= 22.10 and MariaDB >= 10.6 on PATH.*docker/"):
        find_stack(lambda message: None)

    assert [path.suffix for path in (tmp_path / "stasis-dialer").iterdir()] == [".lock"]
    assert os.environ["PATH"] == str(tmp_path)
