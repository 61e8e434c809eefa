"""An Asterisk that is installed as docs/telephony.md says: by its commands, from its files, and from nothing else."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from stasis_dialer.lab.addresses import free_block, free_port
from stasis_dialer.lab.asterisk import Asterisk
from stasis_dialer.lab.world import Lab

PROJECT = Path(__file__).resolve().parents[2]
DOCUMENT = (PROJECT / "docs" / "telephony.md").read_text(encoding="utf-8")
HOST = "127.0.0.1"
GROUP = next((group for group in os.getgroups() if group != os.getgid()), 1 if os.getuid() == 0 else os.getgid())
"""Not the one that new files have anyway, where there is another."""


def block(mark: str) -> str:
    """The fenced block that follows a mark of the document."""
    found = re.search(rf"<!-- {re.escape(mark)} -->\n```\w+\n(.*?)```", DOCUMENT, re.DOTALL)
    assert found, f"the document has no block {mark!r}"
    return found[1]


def replaced(text: str, changes: dict[str, str]) -> str:
    """An example's text with this machine's values; every example value must be there."""
    for example, real in changes.items():
        assert example in text, f"the document does not say {example!r} there any more"
        text = text.replace(example, real)
    return text


class Site:
    """An Asterisk installed by the document into an empty folder, and its dialer's configuration."""

    def __init__(self, folder: Path, lab: Lab) -> None:
        self.lab = lab
        self.port, self.tls_port = free_port(), free_port()
        self.place = free_block()
        self.password = secrets.token_hex(12)
        self.asterisk = Asterisk("documented", folder, lab.stack, f"http://{HOST}:{self.port}", "dialer", self.password)
        self.config = folder / "config.yaml"
        (folder / "pids").mkdir(parents=True, exist_ok=True)

    def install(self) -> None:
        """Run the document's commands, then write this machine's addresses into the example site."""
        self.asterisk.prepare("[options]\ndontwarn = yes\n")
        for _ in range(2):
            self.run("run: install")
        site = self.asterisk.etc / "site"
        sip = site / "pjsip.conf"
        addresses = {"0.0.0.0:5060": f"{self.place.pbx}:5060", "198.51.100.20": self.place.carrier}
        sip.write_text(replaced(sip.read_text(), addresses))
        self.write("http.conf", block("file: site/http.conf"), {"8088": str(self.port)})
        self.write("ari.conf", block("file: site/ari.conf"), {"change-me": self.password})
        self.configure(block("file: config.yaml"), {"8088": str(self.port)})

    def run(self, mark: str, host: str = HOST) -> None:
        """Run a block of commands as the document has it; `host` is the address that a certificate is for."""
        places = {
            "ETC": str(self.asterisk.etc),
            "DATA": str(self.asterisk.folder / "data"),
            "SPOOL": str(self.asterisk.folder / "spool"),
            "GROUP": str(GROUP),
            "HOST": host,
        }
        subprocess.run(
            ["sh", "-eu", "-c", block(mark)], cwd=PROJECT, env={**os.environ, **places}, check=True, capture_output=True
        )

    def write(self, name: str, text: str, changes: dict[str, str]) -> None:
        """A site file with this machine's values."""
        (self.asterisk.etc / "site" / name).write_text(replaced(text, changes))

    def configure(self, text: str, changes: dict[str, str]) -> None:
        """The lab's configuration with the document's part about ARI."""
        whole = yaml.safe_load(self.lab.config_path.read_text())
        whole |= yaml.safe_load(replaced(text, changes))
        self.config.write_text(yaml.safe_dump(whole))

    def check(self) -> tuple[int, dict[str, Any]]:
        """`stasis-dialer check`: its exit code, and what it found by name."""
        done = subprocess.run(
            [sys.executable, "-m", "stasis_dialer", "--config", str(self.config), "check", "--json"],
            env={**os.environ, **self.lab.environment, "STASIS_DIALER_ARI_PASSWORD": self.password},
            capture_output=True,
            text=True,
        )
        assert done.stdout, done.stderr
        return done.returncode, {finding["check"]: finding for finding in json.loads(done.stdout)}


@contextmanager
def running(asterisk: Asterisk) -> Iterator[None]:
    """Started and ended."""
    try:
        asterisk.launch(owned=True)
        asterisk.wait_ready()
        yield
    finally:
        asterisk.stop()
        asterisk.remove_run_folder()
