"""docs/telephony.md is true: an Asterisk started from exactly its files and commands passes `stasis-dialer check`."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from stasis_dialer.lab.rest import AriRefused, AriRequests
from stasis_dialer.lab.world import Lab
from tests.e2e.support_site import GROUP, HOST, Site, block, running


@pytest.fixture
def site(lab: Lab, database_url: str, tmp_path: Path) -> Iterator[Site]:
    """Installed, not started."""
    made = Site(tmp_path / "documented", lab)
    made.install()
    yield made
    shutil.rmtree(made.asterisk.folder, ignore_errors=True)


def test_given_the_documents_files_when_asterisk_starts_from_them_then_check_finds_all_it_needs(site: Site) -> None:
    with running(site.asterisk):
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
    with running(site.asterisk):
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
    with running(site.asterisk):
        _, found = site.check()
        assert found["asterisk"]["result"] == "ok", found
        assert found["asterisk"]["seen"].startswith("https://")
        with pytest.raises(AriRefused) as refused:
            AriRequests(site.asterisk.ari_url, "dialer", hashed).get("asterisk/ping")
        assert refused.value.status == 401
    whole = yaml.safe_load(site.config.read_text())
    del whole["ari"]["ca_file"]
    site.config.write_text(yaml.safe_dump(whole))
    with running(site.asterisk):
        code, found = site.check()
    assert (code, found["asterisk"]["result"]) == (3, "failed"), "a certificate that nobody vouches for was trusted"
