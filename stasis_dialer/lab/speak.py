"""Makes the recordings of `greetings` with espeak-ng and sox: `python -m stasis_dialer.lab.speak`.

The two programs are taken from the machine, else fetched into a folder of their own as the lab's other programs are;
nothing is installed. Needed only when the table changes: the recordings are part of the project.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from stasis_dialer.errors import LabError
from stasis_dialer.lab import apt
from stasis_dialer.lab.greetings import GREETINGS, VOICES, Greeting
from stasis_dialer.lab.stack import DEFAULT_SUITE, to_stderr

PACKAGES: Final = ("espeak-ng", "sox")
BEFORE_SECONDS: Final = 0.3
"""From lifting the handset to the first word."""
BEEP_PAUSE_SECONDS: Final = 0.7
BEEP_SECONDS: Final = 0.5
BEEP_HZ: Final = 1000
LEVEL_DB: Final = -6.0
"""The loudest moment of a voice, below the limit of the line. A telephone's usual level; not measured."""


class Studio:
    """The two programs and a folder to work in."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._prefix: list[str] = []
        self._environment = dict(os.environ)
        self._programs = {name: shutil.which(name) or "" for name in PACKAGES}
        if not all(self._programs.values()):
            self._fetch()

    def record(self, greeting: Greeting) -> None:
        """Speak it, put it on a street, add the beep, and keep it."""
        parts = [self._spoken(greeting, text, number) for number, text in enumerate(greeting.text.split("|"))]
        pause = self._silence(greeting.pause_seconds, "pause")
        joined = [str(path) for part in parts for path in (part, pause)][:-1]
        voice = self._file("voice")
        self._sox(*joined, voice, "pad", f"{BEFORE_SECONDS}", f"{greeting.tail_seconds}", "gain", "-n", str(LEVEL_DB))
        if greeting.noise:
            voice = self._on_a_street(voice, greeting)
        if greeting.has_beep:
            voice = self._with_beep(voice)
        self._sox(voice, str(greeting.path))

    def _spoken(self, greeting: Greeting, text: str, number: int) -> str:
        raw, trimmed = self._file(f"raw-{number}"), self._file(f"part-{number}")
        voice = ("-v", greeting.language, "-s", str(greeting.speed), "-p", str(greeting.pitch))
        self._run("espeak-ng", *voice, "-w", raw, text)
        trim = ("silence", "1", "0.02", "0.5%", "reverse")
        self._sox(raw, "-r", "8000", "-c", "1", trimmed, *trim, *trim)
        return trimmed

    def _silence(self, seconds: float, name: str) -> str:
        path = self._file(name)
        self._sox("-n", "-r", "8000", "-c", "1", "-b", "16", path, "trim", "0", f"{seconds}")
        return path

    def _on_a_street(self, voice: str, greeting: Greeting) -> str:
        length = self._run("sox", "--info", "-D", voice).strip()
        noise, mixed = self._file("noise"), self._file("mixed")
        street = ("synth", length, "brownnoise", "gain", "-n", "-3")
        self._sox("-R", "-n", "-r", "8000", "-c", "1", "-b", "16", noise, *street)
        self._sox("-m", "-v", "1", voice, "-v", f"{greeting.noise}", noise, mixed)
        return mixed

    def _with_beep(self, voice: str) -> str:
        beep, whole = self._file("beep"), self._file("whole")
        tone = ("synth", f"{BEEP_SECONDS}", "sine", f"{BEEP_HZ}", "gain", "-n", "-9")
        self._sox("-n", "-r", "8000", "-c", "1", "-b", "16", beep, *tone, "pad", f"{BEEP_PAUSE_SECONDS}")
        self._sox(voice, beep, whole)
        return whole

    def _file(self, name: str) -> str:
        return str(self._folder / f"{name}.wav")

    def _sox(self, *arguments: str) -> None:
        self._run("sox", *arguments)

    def _run(self, program: str, *arguments: str) -> str:
        command: Sequence[str] = [*self._prefix, self._programs[program], *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env=self._environment)
        if done.returncode:
            raise LabError(f"{program} failed: arguments={' '.join(arguments)} error={done.stderr.strip()[-300:]}")
        return done.stdout

    def _fetch(self) -> None:
        tree = self._folder / "tree"
        apt.unpack(apt.download(PACKAGES, DEFAULT_SUITE, self._folder / "apt", to_stderr), tree)
        loader = sorted(tree.glob("usr/lib/*/ld-linux*.so*"))[0]
        folders = [loader.parent, *(path.parent for path in loader.parent.glob("*/*.so*"))]
        libraries = ":".join(dict.fromkeys(str(folder) for folder in folders))
        self._prefix = [str(loader), "--library-path", libraries]
        self._environment["ESPEAK_DATA_PATH"] = str(loader.parent)
        self._programs = {name: str(tree / "usr/bin" / name) for name in PACKAGES}


def main() -> None:
    """Make all of them, and say how large they are."""
    VOICES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        studio = Studio(Path(folder))
        for greeting in GREETINGS:
            studio.record(greeting)
            to_stderr(f"{greeting.path.name}: {greeting.path.stat().st_size} bytes")
    to_stderr(f"{len(GREETINGS)} recordings, {sum(path.stat().st_size for path in VOICES.iterdir())} bytes")


if __name__ == "__main__":
    main()
