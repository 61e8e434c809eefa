"""The programs of the lab: Asterisk, MariaDB and SIPp, taken from the system or from an unpacked package tree.

Programs on PATH are used when they are new enough. Otherwise a tree of Debian packages is downloaded and unpacked once
into the user's cache, shared by all clones and runs. The tree is complete or absent: it is built aside under a lock and
renamed, checked before each use and rebuilt when broken. Nothing is installed, and root is not needed.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stasis_dialer.errors import LabError
from stasis_dialer.lab import apt

MINIMUM_ASTERISK = (22, 10)
"""First release whose ARI sets functions in channel variables without the deadlock of asterisk#1936."""
MINIMUM_MARIADB = (10, 6)
"""First release with SKIP LOCKED."""
DEFAULT_SUITE = "forky"
"""The Debian suite that carries Asterisk 22; bookworm and trixie have no asterisk package."""
PACKAGES = ("asterisk", "mariadb-server-core", "sip-tester")
TREE_FORMAT = 1
STAMP = "stack.json"
KEPT_SHARES = ("asterisk", "mariadb", "zoneinfo")
UNUSED = ("usr/include", "usr/libexec", "usr/games", "var", "usr/lib/systemd", "usr/share/asterisk/firmware")
SYSTEM_PATH = "/usr/sbin:/usr/local/sbin:/usr/local/bin:/usr/bin"
WHERE_ELSE = (
    "install Asterisk >= 22.10 and MariaDB >= 10.6 on PATH, or run the stack in containers as docker/README.md says"
)


@dataclass(frozen=True)
class Stack:
    """Where the programs and their data are; a program is the words of a command to which arguments are added."""

    origin: str
    asterisk: tuple[str, ...]
    asterisk_version: str
    asterisk_modules: Path
    asterisk_data: Path
    """The folder with `sounds` and `rest-api`."""
    mariadbd: tuple[str, ...]
    mariadb_version: str
    mariadb_share: Path
    """The folder with the SQL scripts that make the system tables, and the error messages."""
    sipp: tuple[str, ...]
    """Empty when the system's programs are used and SIPp is not among them."""


def find_stack(progress: apt.Progress | None = None) -> Stack:
    """The programs to use on this machine, fetched first when that is necessary.

    The folder in `STASIS_DIALER_STACK`, when set, is used as it is; `STASIS_DIALER_STACK_SUITE` names another suite.
    Raises: LabError with one sentence on what is missing and what to do.
    """
    given = os.environ.get("STASIS_DIALER_STACK")
    if given:
        stack = tree_stack(Path(given))
        if stack is None:
            raise LabError(f"STASIS_DIALER_STACK={given} holds no usable tree; unset it to have one made")
        return stack
    return system_stack() or cached_stack(progress or to_stderr)


def to_stderr(message: str) -> None:
    """Show one line of progress where it does not mix with a command's output."""
    sys.stderr.write(f"lab: {message}\n")
    sys.stderr.flush()


def system_stack() -> Stack | None:
    """The system's own programs, or None when Asterisk or MariaDB is missing or too old."""
    search = os.pathsep.join([os.environ.get("PATH", ""), SYSTEM_PATH])
    asterisk, mariadbd, sipp = (shutil.which(name, path=search) for name in ("asterisk", "mariadbd", "sipp"))
    if not asterisk or not mariadbd:
        return None
    asterisk_version, mariadb_version = _version([asterisk, "-V"]), _version([mariadbd, "--version"])
    if _numbers(asterisk_version) < MINIMUM_ASTERISK or _numbers(mariadb_version) < MINIMUM_MARIADB:
        return None
    modules = [*Path("/usr/lib").glob("*/asterisk/modules"), Path("/usr/lib/asterisk/modules")]
    modules.append(Path("/usr/local/lib/asterisk/modules"))
    data = [Path("/usr/share/asterisk"), Path("/var/lib/asterisk")]
    shares = [Path("/usr/share/mariadb"), Path("/usr/share/mysql"), Path("/usr/local/share/mariadb")]
    modules = [path for path in modules if (path / "res_ari.so").is_file()]
    data = [path for path in data if (path / "rest-api").is_dir()]
    shares = [path for path in shares if (path / "mariadb_system_tables.sql").is_file()]
    if not (modules and data and shares):
        return None
    return Stack(
        origin="the system",
        asterisk=(asterisk,),
        asterisk_version=asterisk_version,
        asterisk_modules=modules[0],
        asterisk_data=data[0],
        mariadbd=(mariadbd,),
        mariadb_version=mariadb_version,
        mariadb_share=shares[0],
        sipp=(sipp,) if sipp else (),
    )


def tree_stack(tree: Path) -> Stack | None:
    """The programs of an unpacked tree, or None when it is incomplete or does not run."""
    loaders = sorted(tree.glob("usr/lib/*/ld-linux*.so*"))
    if not loaders or not (tree / STAMP).is_file():
        return None
    libraries = loaders[0].parent
    start = (str(loaders[0]), "--library-path", str(libraries))
    asterisk = (*start, str(tree / "usr/sbin/asterisk"))
    mariadbd = (*start, str(tree / "usr/sbin/mariadbd"))
    asterisk_version, mariadb_version = _version([*asterisk, "-V"]), _version([*mariadbd, "--version"])
    complete = (libraries / "asterisk/modules/res_ari.so", tree / "usr/share/mariadb/mariadb_system_tables.sql")
    if not asterisk_version or not mariadb_version or not all(path.is_file() for path in complete):
        return None
    return Stack(
        origin=str(tree),
        asterisk=asterisk,
        asterisk_version=asterisk_version,
        asterisk_modules=libraries / "asterisk/modules",
        asterisk_data=tree / "usr/share/asterisk",
        mariadbd=mariadbd,
        mariadb_version=mariadb_version,
        mariadb_share=tree / "usr/share/mariadb",
        sipp=(*start, str(tree / "usr/bin/sipp")),
    )


def cache_folder() -> Path:
    """The user's cache folder for the project."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "stasis-dialer"


def cached_stack(progress: apt.Progress) -> Stack:
    """The cached tree, built first when it is absent or broken; two runs at once build it once.

    Raises: LabError when it cannot be built.
    """
    suite = os.environ.get("STASIS_DIALER_STACK_SUITE") or DEFAULT_SUITE
    recipe = json.dumps([TREE_FORMAT, suite, PACKAGES, os.uname().machine])
    name = f"stack-{suite}-{hashlib.sha256(recipe.encode()).hexdigest()[:10]}"
    cache = cache_folder()
    tree = cache / name
    stack = tree_stack(tree)
    if stack:
        return stack
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with _locked(cache / f"{name}.lock"):
            stack = tree_stack(tree)
            if stack is None:
                _build(tree, suite, progress)
                stack = tree_stack(tree)
    except OSError as error:
        raise LabError(f"the cache folder cannot be used: path={cache} error={error.strerror}") from error
    if stack is None:
        raise LabError(f"the programs of Debian {suite} do not run on this machine: path={tree}; {WHERE_ELSE}")
    return stack


def _build(tree: Path, suite: str, progress: apt.Progress) -> None:
    for leftover in tree.parent.glob(f"{tree.name}.building-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    aside = Path(tempfile.mkdtemp(prefix=f"{tree.name}.building-", dir=tree.parent))
    try:
        progress("Asterisk 22 and MariaDB are not on this machine: fetching a private copy, nothing is installed")
        archives = apt.download(PACKAGES, suite, aside / "apt", progress)
        progress(f"unpacking {len(archives)} packages")
        unpacked = aside / "tree"
        apt.unpack(archives, unpacked)
        _prune(unpacked)
        stamp = {"suite": suite, "packages": sorted(archive.stem for archive in archives)}
        (unpacked / STAMP).write_text(json.dumps(stamp, indent=1))
        if tree.exists():
            tree.rename(aside / "broken")
        unpacked.rename(tree)
        progress(f"ready in {tree}")
    except LabError as error:
        raise LabError(f"the lab needs Asterisk 22 and MariaDB, and {error}; {WHERE_ELSE}") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _prune(tree: Path) -> None:
    for name in UNUSED:
        shutil.rmtree(tree / name, ignore_errors=True)
    for path in (tree / "usr/share").iterdir():
        if path.name not in KEPT_SHARES:
            shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _version(command: list[str]) -> str:
    """The version a program reports, or an empty text when it does not run."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL)
        found = re.search(r"\d+\.\d+(\.\d+)*", done.stdout)
        if done.returncode == 0 and found:
            return found[0]
    return ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
