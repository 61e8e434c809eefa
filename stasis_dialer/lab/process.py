"""One program of the lab as a process: started, known by its pid file, ended by its id and never by name.

A process is recognised by its start time and its command line together, so that a pid file left by a crash can never
end somebody else's process. An owned process ends with the process that started it, however that one ends; a detached
one lives on until it is stopped.
"""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from pathlib import Path

from stasis_dialer.errors import LabError
from stasis_dialer.lab.waiting import until

LEASH = Path(__file__).with_name("leash.py")
STOP_SECONDS = 10.0
"""How long a program may take for an orderly end before it is killed; MariaDB takes about 1 s, Asterisk less."""


NAMED_SECONDS = 2.0
"""A command line is there within milliseconds of the start; longer on a machine that is very busy."""


class Process:
    """A program of a lab, running or not; `mark` is a text in its command line that only this lab's copy has."""

    def __init__(self, name: str, command: list[str], pid_file: Path, output: Path, mark: str) -> None:
        self.name = name
        self.command = command
        self.output = output
        self._pid_file = pid_file
        self._mark = mark
        self._child: subprocess.Popen[bytes] | None = None

    def start(self, owned: bool, environment: Mapping[str, str] | None = None) -> None:
        """Start the program; end first what a crash left behind.

        One whose start is interrupted (Ctrl-C) has not begun, or is known: `stop` and `kill` end it.
        Raises: LabError when it cannot be started.
        """
        if self.is_running():
            self.stop()
        self.output.parent.mkdir(parents=True, exist_ok=True)
        self._pid_file.parent.mkdir(parents=True, exist_ok=True)
        command = self.command
        if owned:
            command = [sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), *command]
        with self.output.open("ab") as output:

            def spawn() -> None:
                self._child = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    cwd="/",
                    env={**os.environ, **(environment or {})},
                )

            try:
                _spawner.run(spawn)
            except OSError as error:
                raise LabError(f"program could not be started: program={self.name} error={error.strerror}") from error
        assert self._child is not None
        note = {"pid": self._child.pid, "started": start_ticks(self._child.pid)}
        self._pid_file.write_text(json.dumps(note))
        self._wait_until_named()

    def _wait_until_named(self) -> None:
        """The kernel shows a new program's command line a moment after it began; others know it by that line."""
        child = self._child
        assert child is not None
        with contextlib.suppress(LabError):
            until(
                lambda: child.poll() is not None or self._mark in _command_line(child.pid),
                f"{self.name} to have a command line",
                NAMED_SECONDS,
            )

    @property
    def pid(self) -> int | None:
        """The process id while the program runs."""
        if self._child is not None and self._child.poll() is None:
            return self._child.pid
        with contextlib.suppress(OSError, ValueError, KeyError):
            note = json.loads(self._pid_file.read_text())
            pid = int(note["pid"])
            if start_ticks(pid) == note["started"] and self._mark in _command_line(pid):
                return pid
        return None

    def is_running(self) -> bool:
        """Whether the program runs now."""
        return self.pid is not None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if the program runs."""
        pid = self.pid
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def ask_to_end(self) -> None:
        """Ask the program for an orderly end, and do not wait."""
        self.signal(signal.SIGTERM)

    def stop(self, grace_seconds: float = STOP_SECONDS) -> None:
        """End the program in order, or by force when it takes longer than `grace_seconds`."""
        self.ask_to_end()
        try:
            until(lambda: not self.is_running(), f"{self.name} to end", grace_seconds)
        except LabError:
            self.kill()
        self._forget()

    def kill(self) -> None:
        """End the program at once, as a crash would."""
        self.signal(signal.SIGKILL)
        until(lambda: not self.is_running(), f"{self.name} to be gone", STOP_SECONDS)
        self._forget()

    def last_output(self, lines: int = 5) -> str:
        """The end of what the program wrote to its output, in one line."""
        with contextlib.suppress(OSError):
            return " | ".join(self.output.read_text(errors="replace").strip().splitlines()[-lines:])
        return ""

    def _forget(self) -> None:
        if self._child is not None:
            self._child.wait()
            self._child = None
        self._pid_file.unlink(missing_ok=True)


class _Spawner:
    """Starts all processes from one thread that lives as long as this process.

    The kernel ends a leashed process when the *thread* that started it ends, so a short-lived worker thread must not.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: queue.SimpleQueue[tuple[Callable[[], None], Future[None]]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def run(self, spawn: Callable[[], None]) -> None:
        """Run it to its end. When the caller is interrupted it has run all the same, or it never will."""
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name="lab-spawner", daemon=True)
                self._thread.start()
        done: Future[None] = Future()
        try:
            self._jobs.put((spawn, done))
            done.result()
        except KeyboardInterrupt:
            if not done.cancel():
                wait([done])
            raise

    def _work(self) -> None:
        while True:
            spawn, done = self._jobs.get()
            if not done.set_running_or_notify_cancel():
                continue
            try:
                spawn()
            except BaseException as error:
                done.set_exception(error)
            else:
                done.set_result(None)


_spawner = _Spawner()


def start_ticks(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None when it is gone or only waits to be reaped.

    Source: proc_pid_stat(5), fields 3 and 22.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
