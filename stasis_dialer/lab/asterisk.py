"""One Asterisk process of the lab: its folders, its life, its command line and its ARI.

What it is configured for is written by `pbx` and `carrier`; here it is started, waited for, stopped, killed and started
again.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from stasis_dialer.errors import LabError
from stasis_dialer.lab.process import Process
from stasis_dialer.lab.rest import AriRefused, AriRequests
from stasis_dialer.lab.stack import Stack
from stasis_dialer.lab.waiting import until

START_SECONDS = 30.0
CLI_SECONDS = 10.0
SOCKET_PATH_LIMIT = 100
"""A Unix socket's path has at most 107 characters. Source: unix(7)."""
FOLDERS = ("etc", "data", "lib", "spool", "log")

OF_ITS_START = "registered during operation. Enable PJSIP_SAFE_MODULE"
"""pjproject warns of it in some starts: Asterisk loads its SIP modules while the transports run already (22.10.1)."""


class PlaceTaken(LabError):
    """an address or port was taken by somebody else while the program started"""


class Asterisk:
    """An Asterisk below `folder`; `etc` holds its configuration, `data` its sounds and REST descriptions."""

    def __init__(self, name: str, folder: Path, stack: Stack, ari_url: str, ari_user: str, ari_password: str) -> None:
        self.name = name
        self.folder = folder
        self.ari_url = ari_url
        self.ari = AriRequests(ari_url, ari_user, ari_password)
        self.log_path = folder / "log" / "messages.log"
        self._stack = stack
        self._configuration = folder / "etc" / "asterisk.conf"
        self.process = Process(
            name,
            [*stack.asterisk, "-f", "-C", str(self._configuration)],
            folder.parent / "pids" / f"{name}.json",
            folder / "log" / "console.log",
            mark=str(self._configuration),
        )
        self._owned = True
        self._log_start = 0

    @property
    def etc(self) -> Path:
        """The folder of the configuration files."""
        return self.folder / "etc"

    def prepare(self, options: str) -> None:
        """Make the folders and asterisk.conf; `options` is what follows its [directories]."""
        for name in FOLDERS:
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "spool" / "recording").mkdir(exist_ok=True)
        self._link_data()
        directories = {
            "astetcdir": self.etc,
            "astmoddir": self._stack.asterisk_modules,
            "astvarlibdir": self.folder / "lib",
            "astdbdir": self.folder / "lib",
            "astkeydir": self.folder / "lib",
            "astcachedir": self.folder / "lib",
            "astdatadir": self.folder / "data",
            "astagidir": self.folder / "lib",
            "astspooldir": self.folder / "spool",
            "astrundir": self._run_folder(),
            "astlogdir": self.folder / "log",
            "astsbindir": self.folder / "lib",
        }
        lines = ["[directories]", *(f"{key} = {path}" for key, path in directories.items()), "", options, ""]
        self._configuration.write_text("\n".join(lines))

    def launch(self, owned: bool) -> None:
        """Start the process without waiting for it."""
        self._owned = owned
        self._run_folder().mkdir(mode=0o700, parents=True, exist_ok=True)
        self._log_start = self.log_path.stat().st_size if self.log_path.is_file() else 0
        self.process.start(owned)

    def wait_ready(self) -> None:
        """Wait until ARI answers and everything is loaded.

        Raises: PlaceTaken when an address was taken; LabError when it ends or is not ready in time.
        """
        until(self._is_ready_or_dead, f"{self.name} to answer on ARI", START_SECONDS)
        if not self.process.is_running():
            raise LabError(f"asterisk ended while starting: name={self.name} output={self.process.last_output()}")
        taken = [line for line in self.log_lines() if "ddress already in use" in line or "binding failed" in line]
        if taken:
            raise PlaceTaken(f"address taken: name={self.name} log={taken[-1]}")

    def start(self) -> None:
        """Start again after `stop` or `kill`, and wait until it is ready."""
        self.launch(self._owned)
        self.wait_ready()

    def stop(self) -> None:
        """End Asterisk in order; calls in progress are hung up."""
        self.process.stop()

    def kill(self) -> None:
        """End Asterisk as a crash would."""
        self.process.kill()

    def restart(self) -> None:
        """Stop and start, with the same configuration and data."""
        self.stop()
        self.start()

    def cli(self, command: str) -> str:
        """What Asterisk's command line answers to `command`.

        Raises: LabError when Asterisk does not answer.
        """
        done = subprocess.run(
            [*self._stack.asterisk, "-C", str(self._configuration), "-rx", command],
            capture_output=True,
            text=True,
            timeout=CLI_SECONDS,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode:
            raise LabError(f"asterisk command failed: name={self.name} command={command} answer={done.stderr.strip()}")
        return done.stdout

    def log_lines(self) -> list[str]:
        """What Asterisk logged since its start: notices, warnings and errors."""
        try:
            return self.log_path.read_bytes()[self._log_start :].decode(errors="replace").splitlines()
        except FileNotFoundError:
            return []

    def problems(self) -> list[str]:
        """The warnings and errors among the log lines, but what Asterisk says of its own start."""
        return [
            line
            for line in self.log_lines()
            if ("] WARNING[" in line or "] ERROR[" in line) and OF_ITS_START not in line
        ]

    def remove_run_folder(self) -> None:
        """Remove the folder of the control socket, which may be outside the lab's own."""
        shutil.rmtree(self._run_folder(), ignore_errors=True)

    def _is_ready_or_dead(self) -> bool:
        if not self.process.is_running():
            return True
        try:
            self.ari.get("asterisk/ping")
        except AriRefused as refused:
            if refused.status in (404, 503):
                return False
            raise PlaceTaken(f"another program answers on the HTTP port: name={self.name} {refused}") from refused
        except LabError:
            return False
        return True

    def _run_folder(self) -> Path:
        """Where the control socket is: with the rest, or among the temporary files if that path is too long."""
        folder = self.folder / "run"
        if len(str(folder / "asterisk.ctl")) < SOCKET_PATH_LIMIT:
            return folder
        digest = hashlib.sha256(str(self.folder).encode()).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"stasis-dialer-{os.getuid()}-{digest}"

    def _link_data(self) -> None:
        data = self.folder / "data"
        sounds = self._stack.asterisk_data / "sounds"
        english = next((p for p in (sounds / "en_US_f_Allison", sounds / "en") if p.is_dir()), sounds)
        (data / "sounds").mkdir(exist_ok=True)
        link(data / "sounds" / "en", english)
        for name in ("rest-api", "documentation", "static-http"):
            link(data / name, self._stack.asterisk_data / name)


def link(path: Path, target: Path) -> None:
    """Make `path` a symbolic link to `target`, replacing a link that is there."""
    path.unlink(missing_ok=True)
    path.symlink_to(target)
