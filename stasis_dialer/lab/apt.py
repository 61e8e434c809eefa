"""Packages of a Debian suite, downloaded and unpacked into a folder without installing and without root.

Reads the machine's own apt sources for the mirror and its keyring, so no address is written here, and lets the
machine's own `apt-get` fetch with private lists, cache and status: proxies and logins of the machine stay in force,
signatures are verified, and nothing of the system is changed.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from stasis_dialer.errors import LabError

APT_FOLDER = Path("/etc/apt")
USABLE_SCHEMES = ("http:", "https:", "mirror:", "mirror+", "file:", "copy:", "tor+")
SYSTEM_ONLY = re.compile(
    r"(perl|python3|libperl|libpython|adduser|debconf|gnupg|gpg|dirmngr|login|passwd|mount|init|systemd|udev|dpkg|tar|bash)"
)
"""Packages that only an installation needs (maintainer scripts, users, scripts in Perl or Python): not unpacked."""

Progress = Callable[[str], None]


@dataclass(frozen=True)
class AptSource:
    """One entry of the machine's apt sources."""

    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str = ""
    """Path of a keyring, fingerprints, or an inline key with its continuation lines; empty for apt's default."""

    def is_debian_main(self) -> bool:
        """Whether this is a mirror of Debian's main archive, and not its security or backports archive."""
        usable = [uri for uri in self.uris if uri.startswith(USABLE_SCHEMES)]
        plain = [suite for suite in self.suites if not re.search(r"[-/](security|updates|backports)", suite)]
        return bool(usable and plain and "main" in self.components) and all(
            re.search(r"debian/?$", uri.rstrip("/")) and "security" not in uri for uri in usable
        )


def parse_deb822(text: str) -> list[AptSource]:
    """The enabled binary entries of a `*.sources` file.

    Source: sources.list(5), "deb822-style format".
    """
    entries = []
    for stanza in re.split(r"\n\s*\n", re.sub(r"(?m)^#.*\n?", "", text)):
        fields: dict[str, str] = {}
        name = ""
        for line in stanza.splitlines():
            if line[:1].isspace():
                fields[name] = fields.get(name, "") + "\n" + line
            elif ":" in line:
                name, value = line.split(":", 1)
                name = name.strip().lower()
                fields[name] = value.strip()
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in ("no", "false", "0"):
            continue
        entries.append(
            AptSource(
                uris=tuple(fields.get("uris", "").split()),
                suites=tuple(fields.get("suites", "").split()),
                components=tuple(fields.get("components", "").split()),
                signed_by=fields.get("signed-by", ""),
            )
        )
    return entries


def parse_one_line(text: str) -> list[AptSource]:
    """The binary entries of a `*.list` file.

    Source: sources.list(5), "one-line-style format".
    """
    entries = []
    for line in text.splitlines():
        match = re.match(r"\s*deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<rest>[^#]+)", line)
        if not match:
            continue
        words = match["rest"].split()
        if len(words) < 2:
            continue
        options = dict(option.split("=", 1) for option in (match["options"] or "").split() if "=" in option)
        signed_by = options.get("signed-by", "").replace(",", " ")
        entries.append(AptSource((words[0],), (words[1],), tuple(words[2:]), signed_by))
    return entries


def debian_source(apt_folder: Path = APT_FOLDER) -> AptSource:
    """The machine's own entry for Debian main.

    Raises: LabError when the machine has none.
    """
    entries: list[AptSource] = []
    parts = apt_folder / "sources.list.d"
    for path in [apt_folder / "sources.list", *sorted(parts.glob("*.list")), *sorted(parts.glob("*.sources"))]:
        if path.is_file():
            text = path.read_text(errors="replace")
            entries += parse_deb822(text) if path.suffix == ".sources" else parse_one_line(text)
    for entry in entries:
        if entry.is_debian_main():
            return entry
    raise LabError("the machine's apt sources name no mirror of Debian main")


def private_source(entry: AptSource, suite: str) -> str:
    """The text of a `*.sources` file that offers `suite` from the same mirror under the same keyring."""
    lines = ["Types: deb", f"URIs: {' '.join(entry.uris)}", f"Suites: {suite}", "Components: main"]
    if entry.signed_by:
        lines.append(f"Signed-By: {entry.signed_by}")
    return "\n".join(lines) + "\n"


def private_configuration(folder: Path, architecture: str) -> str:
    """Settings, read after the machine's own, that keep apt inside `folder`.

    Hooks are cleared because some images' hooks delete every downloaded package, and others talk to the system.
    """
    return f"""\
Dir::State::Lists "{folder}/lists";
Dir::State::status "{folder}/status";
Dir::State::extended_states "{folder}/extended_states";
Dir::Cache "{folder}/cache";
Dir::Cache::archives "{folder}/cache/archives";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Dir::Log "{folder}/log";
Dir::Etc::sourcelist "-";
Dir::Etc::sourceparts "{folder}/sources.list.d";
Dir::Etc::preferences "-";
Dir::Etc::preferencesparts "-";
APT::Architecture "{architecture}";
#clear APT::Architectures;
APT::Architectures {{ "{architecture}"; }};
#clear APT::Default-Release;
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Install-Pkgs;
#clear DPkg::Pre-Invoke;
#clear DPkg::Post-Invoke;
APT::Sandbox::User "";
APT::Install-Recommends "false";
APT::Install-Suggests "false";
APT::Keep-Downloaded-Packages "true";
APT::Get::Assume-Yes "true";
Acquire::Check-Valid-Until "false";
Acquire::Languages "none";
Acquire::Retries "3";
"""


def download(packages: Iterable[str], suite: str, folder: Path, progress: Progress) -> list[Path]:
    """Fetch `packages` of `suite` with all they depend on; the paths of the verified package files.

    Raises: LabError with apt's own last error when the mirror, the network or the signature fails.
    """
    for tool in ("apt-get", "dpkg-deb", "dpkg"):
        if not shutil.which(tool):
            raise LabError(f"this system has no {tool}: it is not of the Debian family")
    entry = debian_source()
    architecture = subprocess.run(
        ["dpkg", "--print-architecture"], capture_output=True, text=True, check=True
    ).stdout.strip()
    for name in ("lists/partial", "cache/archives/partial", "sources.list.d", "log"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "status").write_text("")
    (folder / "sources.list.d" / "stack.sources").write_text(private_source(entry, suite))
    configuration = folder / "apt.conf"
    configuration.write_text(private_configuration(folder, architecture))
    progress(f"reading the package lists of Debian {suite}")
    _apt_get(configuration, "update", "--error-on=any")
    progress(f"downloading {', '.join(packages)} of Debian {suite} (about 120 MB, once)")
    _apt_get(configuration, "install", "--download-only", *packages)
    archives = sorted((folder / "cache" / "archives").glob("*.deb"))
    if not archives:
        raise LabError("apt-get reported success and left no package; does a hook in /etc/apt/apt.conf.d delete them?")
    return archives


def unpack(archives: Iterable[Path], folder: Path) -> None:
    """Unpack the package files that programs need at run time into `folder`.

    Raises: LabError when one cannot be unpacked.
    """
    wanted = [archive for archive in archives if not SYSTEM_ONLY.match(archive.name)]
    folder.mkdir(parents=True, exist_ok=True)

    def unpack_one(archive: Path) -> None:
        done = subprocess.run(["dpkg-deb", "-x", archive, folder], capture_output=True, text=True)
        if done.returncode:
            raise LabError(f"package could not be unpacked: file={archive.name} error={done.stderr.strip()}")

    with ThreadPoolExecutor(max_workers=os.cpu_count() or 2) as workers:
        list(workers.map(unpack_one, wanted))


def _apt_get(configuration: Path, *arguments: str) -> None:
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        ["apt-get", "-q", "-c", str(configuration), *arguments],
        capture_output=True,
        text=True,
        env=environment,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        complaints = [line for line in done.stderr.splitlines() if line.startswith(("E:", "W:"))] or ["no message"]
        raise LabError(f"apt-get {arguments[0]} failed: {complaints[0]}")
