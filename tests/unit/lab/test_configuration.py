"""What the lab writes: site files like production's, and a carrier that knows every phone and fate."""

from pathlib import Path

import pytest

from stasis_dialer.errors import LabError
from stasis_dialer.lab.addresses import Block
from stasis_dialer.lab.carrier_files import CarrierSite, carrier_files
from stasis_dialer.lab.config import DialerPlace, dialer_config, dialer_secrets
from stasis_dialer.lab.pbx import PROJECT, PbxSite, site_files
from stasis_dialer.lab.world import Lab
from stasis_dialer.settings.model import Settings

BLOCK = Block("127.99.9")
PHONES = {"1001": "one", "1002": "two"}


@pytest.fixture
def site() -> dict[str, str]:
    """The PBX's site files."""
    return site_files(PbxSite(BLOCK, 18088, "dialer", "secret", PHONES))


@pytest.fixture
def carrier() -> dict[str, str]:
    """The carrier's files."""
    site = CarrierSite(BLOCK, 18089, "lab", "secret", PHONES, 5, Path("/l/calls.jsonl"), Path("/s"))
    return carrier_files(site, "[modules]\n")


def test_the_lab_writes_the_site_files_that_production_writes_and_no_other(site: dict[str, str]) -> None:
    assert set(site) == {path.name for path in (PROJECT / "asterisk/site.example").iterdir()}


def test_every_site_file_is_included_by_a_file_of_production(site: dict[str, str]) -> None:
    text = "".join(path.read_text() for path in (PROJECT / "asterisk").glob("*.conf"))

    assert all(f'#include "site/{name}"' in text for name in site)


def test_the_pbx_listens_on_loopback_only(site: dict[str, str]) -> None:
    assert "bindaddr = 127.0.0.1" in site["http.conf"]
    assert f"bind = {BLOCK.pbx}:5060" in site["pjsip.conf"]
    assert "0.0.0.0:" not in site["pjsip.conf"]


def test_the_pbx_has_no_anonymous_endpoint(site: dict[str, str]) -> None:
    text = site["pjsip.conf"] + "".join(path.read_text() for path in (PROJECT / "asterisk").glob("*.conf"))

    assert "[anonymous]" not in text
    assert "identifier_anonymous" not in text


def test_every_phone_has_a_password_on_both_sides(site: dict[str, str], carrier: dict[str, str]) -> None:
    for number, password in PHONES.items():
        assert f"username = {number}\npassword = {password}\n" in site["pjsip.conf"]
        assert f"username = {number}\npassword = {password}\n" in carrier["pjsip.conf"]
        assert f"exten => p{number},1,Goto(phone,{number},1)" in carrier["extensions.conf"]


def test_no_placeholder_is_left_in_the_dialplan(carrier: dict[str, str]) -> None:
    assert "<PHONES>" not in carrier["extensions.conf"]
    assert "<MIX_DIGIT>" not in carrier["extensions.conf"]
    assert "SEED = 5" in carrier["extensions.conf"]


def test_the_dialers_configuration_is_accepted_by_its_settings_and_holds_no_secret() -> None:
    config = dialer_config(DialerPlace("http://127.0.0.1:18088", "dialer", 13306, 18780))
    secrets = dialer_secrets("ari-password", "database-password", "a token of sufficient length")

    assert not any(secret in str(config) for secret in secrets.values())
    for part, key in (("ari", "password"), ("database", "password"), ("api", "token")):
        config[part][key] = secrets[config[part][key].strip("${}")]
    assert Settings.model_validate(config).trunks[0].endpoint == "PJSIP/{number}@carrier"


@pytest.mark.parametrize("name", ["", "a/b", "..", "a b", "a;b"])
def test_given_a_name_that_is_no_folder_when_a_lab_is_made_then_it_is_refused(name: str) -> None:
    with pytest.raises(LabError, match="a lab's name has"):
        Lab(name)


def test_given_a_folder_that_asterisk_cannot_read_when_a_lab_is_made_then_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="cannot read in a path"):
        Lab("x", home=tmp_path / "a;b")
