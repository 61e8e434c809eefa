"""docs/telephony.md is true: an Asterisk started from exactly its files and commands passes `stasis-dialer check`."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from stasis_dialer.lab.addresses import free_block, free_port
from stasis_dialer.lab.asterisk import Asterisk
from stasis_dialer.lab.rest import AriRefused, AriRequests
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
        place = free_block()
        addresses = {"0.0.0.0:5060": f"{place.pbx}:5060", "198.51.100.20": place.carrier}
        sip.write_text(replaced(sip.read_text(), addresses))
        self.write("http.conf", block("file: site/http.conf"), {"8088": str(self.port)})
        self.write("ari.conf", block("file: site/ari.conf"), {"change-me": self.password})
        self.configure(block("file: config.yaml"), {"8088": str(self.port)})

    def run(self, mark: str) -> None:
        """Run a block of commands as the document has it."""
        places = {
            "ETC": str(self.asterisk.etc),
            "DATA": str(self.asterisk.folder / "data"),
            "SPOOL": str(self.asterisk.folder / "spool"),
            "GROUP": str(GROUP),
            "HOST": HOST,
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

    @contextmanager
    def running(self) -> Iterator[None]:
        """Asterisk, started and ended."""
        try:
            self.asterisk.launch(owned=True)
            self.asterisk.wait_ready()
            yield
        finally:
            self.asterisk.stop()
            self.asterisk.remove_run_folder()

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


@pytest.fixture
def site(lab: Lab, database_url: str, tmp_path: Path) -> Iterator[Site]:
    """Installed, not started."""
    made = Site(tmp_path / "documented", lab)
    made.install()
    yield made
    shutil.rmtree(made.asterisk.folder, ignore_errors=True)


def test_given_the_documents_files_when_asterisk_starts_from_them_then_check_finds_all_it_needs(site: Site) -> None:
    with site.running():
        _, found = site.check()
        assert not site.asterisk.problems()
        settings = site.asterisk.cli("core show settings")
    assert re.search(r"Maximum calls: +2000", settings), settings
    needed = ("asterisk", "asterisk version", "modules", "dialplan", "recordings", "trunk carrier")
    results = {name: found[name]["result"] for name in needed}
    assert results.pop("trunk carrier") in ("ok", "warning")  # no carrier answers there
    assert set(results.values()) == {"ok"}, found


def test_given_modules_that_a_feature_needs_are_away_then_check_names_each(site: Site) -> None:
    away = ("app_amd", "app_waitforsilence", "bridge_holding", "func_strings", "func_talkdetect", "res_musiconhold")
    with site.running():
        for module in away:
            site.asterisk.cli(f"module unload {module}.so")
        code, found = site.check()
    assert (code, found["modules"]["result"]) == (1, "failed")
    for module in away:
        assert module in found["modules"]["seen"]


def test_given_the_documents_commands_then_asterisks_user_can_read_it_all_and_nobody_else_can(site: Site) -> None:
    site.run("run: certificate")
    etc = site.asterisk.etc
    for path in (etc / "site", etc / "dialplan", etc / "keys", *etc.rglob("*.conf"), etc / "keys" / "ari.key"):
        if path.name == "asterisk.conf":
            continue
        state = path.stat()
        assert (state.st_gid, state.st_mode & 0o047) == (GROUP, 0o040), path
    recordings = (site.asterisk.folder / "spool" / "recording").stat()
    assert (recordings.st_gid, recordings.st_mode & 0o777) == (GROUP, 0o770)


def test_given_sip_over_tls_as_documented_then_the_transport_is_there_and_media_can_be_encrypted(site: Site) -> None:
    site.run("run: certificate")
    keys, sip = site.asterisk.etc / "keys", site.asterisk.etc / "site" / "pjsip.conf"
    place = {"0.0.0.0:5061": f"{HOST}:{free_port()}", "/etc/asterisk/keys": str(keys)}
    place |= {"/etc/ssl/certs/ca-certificates.crt": str(keys / "ari.crt")}
    trunk = replaced(
        sip.read_text(),
        {"[carrier](trunk)\ntransport = udp": "[carrier](trunk)\ntransport = tls\nmedia_encryption = sdes"},
    )
    sip.write_text(trunk + replaced(block("file: tls/site/pjsip.conf"), place))
    with site.running():
        assert not site.asterisk.problems()
        assert "tlsv1_2" in site.asterisk.cli("pjsip show transport tls").lower()
        assert re.search(r"res_srtp.* Running", site.asterisk.cli("module show like res_srtp"))


def test_given_tls_and_a_hashed_password_as_documented_then_the_dialer_gets_in_and_a_guess_does_not(site: Site) -> None:
    site.run("run: certificate")
    keys = site.asterisk.etc / "keys"
    hashed = subprocess.run(
        ["openssl", "passwd", "-6", site.password], capture_output=True, text=True, check=True
    ).stdout.strip()
    door = {"8088": str(site.port), "192.168.0.10:8089": f"{HOST}:{site.tls_port}", "/etc/asterisk/keys": str(keys)}
    site.write("http.conf", block("file: tls/site/http.conf"), door)
    who = {"the-output-of-openssl-passwd-6": hashed, "192.168.0.20/255.255.255.255": f"{HOST}/255.255.255.255"}
    site.write("ari.conf", block("file: tls/site/ari.conf"), who)
    reached = {"192.168.0.10:8089": f"{HOST}:{site.tls_port}", "/etc/stasis-dialer/ari.crt": str(keys / "ari.crt")}
    site.configure(block("file: tls/config.yaml"), reached)
    with site.running():
        _, found = site.check()
        assert found["asterisk"]["result"] == "ok", found
        assert found["asterisk"]["seen"].startswith("https://")
        with pytest.raises(AriRefused) as refused:
            AriRequests(site.asterisk.ari_url, "dialer", hashed).get("asterisk/ping")
        assert refused.value.status == 401
    whole = yaml.safe_load(site.config.read_text())
    del whole["ari"]["ca_file"]
    site.config.write_text(yaml.safe_dump(whole))
    with site.running():
        code, found = site.check()
    assert (code, found["asterisk"]["result"]) == (3, "failed"), "a certificate that nobody vouches for was trusted"
