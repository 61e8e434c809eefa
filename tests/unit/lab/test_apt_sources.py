"""The machine's apt sources, as people and images write them."""

from pathlib import Path

import pytest

from stasis_dialer.errors import LabError
from stasis_dialer.lab.apt import debian_source, parse_deb822, parse_one_line, private_configuration, private_source

DEB822 = """\
Types: deb
# a comment in the middle
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
"""
INLINE_KEY = """\
Types: deb deb-src
URIs: https://mirror.example/debian/
Suites: trixie
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBF
 -----END PGP PUBLIC KEY BLOCK-----
"""


def machine(folder: Path, **files: str) -> Path:
    """An `/etc/apt` with these files below `sources.list.d`, or `sources_list` for the old single file."""
    (folder / "sources.list.d").mkdir()
    for name, text in files.items():
        path = "sources.list" if name == "sources_list" else "sources.list.d/" + name.replace("_", ".")
        (folder / path).write_text(text)
    return folder


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({"debian_sources": DEB822}, id="deb822"),
        pytest.param({"debian_sources": INLINE_KEY}, id="deb822 with an inline key"),
        pytest.param({"sources_list": "deb http://mirror.example/debian trixie main\n"}, id="one line"),
        pytest.param(
            {"debian_list": "deb [arch=amd64 signed-by=/k.gpg] https://mirror.example/debian sid main non-free # x\n"},
            id="one line with options",
        ),
        pytest.param(
            {"aaa_list": "deb http://other.example/apt stable main\n", "debian_sources": DEB822}, id="others first"
        ),
    ],
)
def test_given_a_debian_machine_when_its_mirror_is_sought_then_it_is_found(
    tmp_path: Path, files: dict[str, str]
) -> None:
    assert debian_source(machine(tmp_path, **files)).uris[0].rstrip("/").endswith("mirror.example/debian")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("deb http://archive.example/ubuntu noble main\n", id="ubuntu"),
        pytest.param("deb http://mirror.example/debian-security trixie-security main\n", id="security only"),
        pytest.param("deb cdrom:[Debian 13]/ trixie main\n", id="installation disc"),
        pytest.param("#deb http://mirror.example/debian trixie main\n", id="commented out"),
        pytest.param("deb-src http://mirror.example/debian trixie main\n", id="source packages only"),
    ],
)
def test_given_no_debian_mirror_when_it_is_sought_then_the_message_says_so(tmp_path: Path, text: str) -> None:
    with pytest.raises(LabError, match="no mirror of Debian main"):
        debian_source(machine(tmp_path, sources_list=text))


def test_given_a_disabled_entry_when_it_is_read_then_it_does_not_count() -> None:
    assert parse_deb822(DEB822.replace("Types: deb\n", "Types: deb\nEnabled: no\n")) == []


def test_given_an_inline_key_when_the_private_source_is_written_then_the_key_is_in_it() -> None:
    written = private_source(parse_deb822(INLINE_KEY)[0], "forky")

    assert "Suites: forky" in written
    assert "\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINBF\n" in written
    assert parse_deb822(written)[0].signed_by == parse_deb822(INLINE_KEY)[0].signed_by


def test_given_a_keyring_in_options_when_the_private_source_is_written_then_it_is_named() -> None:
    entry = parse_one_line("deb [signed-by=/k.gpg] http://mirror.example/debian trixie main")[0]

    assert "Signed-By: /k.gpg" in private_source(entry, "forky")


def test_signatures_stay_verified() -> None:
    text = private_configuration(Path("/x"), "amd64").lower()

    assert "allowinsecure" not in text
    assert "allow-unauthenticated" not in text
