"""A complete telephone world on loopback: PBX, carrier with phones, and MariaDB, all real processes.

A lab lives in `.lab/<name>/`. An owned lab ends with the process that started it, even when that one is killed; a
detached lab lives on until `stop`, and `attach` finds it again. Several labs can run at once. Only processes that this
lab started are ever ended, by their id.
"""

import contextlib
import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from stasis_dialer.errors import LabError
from stasis_dialer.lab.addresses import Block, free_block, free_port
from stasis_dialer.lab.apt import Progress
from stasis_dialer.lab.asterisk import Asterisk, PlaceTaken
from stasis_dialer.lab.carrier import Carrier, carrier_speech, write_carrier
from stasis_dialer.lab.carrier_files import CALLS_LOG, CarrierSite
from stasis_dialer.lab.config import DialerPlace, dialer_config, dialer_secrets
from stasis_dialer.lab.fates import BACKUP, TRUNK
from stasis_dialer.lab.mariadb import MariaDB
from stasis_dialer.lab.pbx import PROJECT, PbxSite, write_pbx
from stasis_dialer.lab.phones import Phone
from stasis_dialer.lab.process import Process, start_ticks
from stasis_dialer.lab.proxy import CuttableProxy
from stasis_dialer.lab.stack import Stack, find_stack, to_stderr
from stasis_dialer.lab.waiting import until

DEFAULT_NAME = "main"
FIRST_PHONE = 1001
MOST_PHONES = 500
START_TRIES = 5
REGISTER_SECONDS = 15.0
STATE = "lab.json"
ARI_USER = "dialer"
AWKWARD = set(",;()[]{}$\"'\\\n")
"""Signs that Asterisk's configuration reads as its own, so a folder's path must not have them."""


@dataclass(frozen=True)
class LabState:
    """What a lab was started with; kept in its folder, readable by its owner only."""

    prefix: str
    pbx_http_port: int
    carrier_http_port: int
    database_port: int
    api_port: int
    seed: int
    ari_password: str
    carrier_password: str
    database_password: str
    api_token: str
    phones: dict[str, str]

    @property
    def block(self) -> Block:
        """The loopback addresses of SIP and media."""
        return Block(self.prefix)


def lab_home() -> Path:
    """The folder that holds the labs: `.lab` of the project, or of the current folder when that is read-only.

    `STASIS_DIALER_LAB_HOME` names another one.
    """
    given = os.environ.get("STASIS_DIALER_LAB_HOME")
    if given:
        return Path(given)
    return (PROJECT if os.access(PROJECT, os.W_OK) else Path.cwd()) / ".lab"


class Lab:
    """One telephone world. Attributes are there once it has started or was attached to."""

    stack: Stack
    pbx: Asterisk
    carrier: Carrier
    mariadb: MariaDB

    def __init__(self, name: str = DEFAULT_NAME, phones: int = 10, seed: int = 1, home: Path | None = None) -> None:
        if not name.replace("-", "").replace("_", "").isalnum():
            raise LabError(f"a lab's name has letters, digits, - and _ only: name={name}")
        if not 1 <= phones <= MOST_PHONES:
            raise LabError(f"a lab has 1 to {MOST_PHONES} phones: phones={phones}")
        self.name = name
        self.folder = (home or lab_home()).resolve() / name
        self.seed = seed
        self._phone_count = phones
        self._state: LabState | None = None
        if set(str(self.folder)) & AWKWARD:
            raise LabError(f"the lab's folder has a sign that Asterisk cannot read in a path: folder={self.folder}")

    # -- life ------------------------------------------------------------------------------------------------------

    def start(self, owned: bool = True, progress: Progress | None = None) -> "Lab":
        """Start everything and wait until the phones are registered; data of an earlier run is removed.

        Raises: LabError when something is missing, fails, or a lab of this name runs already.
        """
        tell = progress or to_stderr
        self.stack = find_stack(tell)
        with self._exclusively():
            if self._is_in_use():
                raise LabError(f"lab runs already: name={self.name}; end it with `stasis-dialer lab down`")
            self._end_leftovers()
            try:
                self._start_with_retries(owned, tell)
            except BaseException:
                self._end_processes()
                raise
        return self

    def stop(self, remove: bool = False) -> None:
        """End all processes of this lab; with `remove`, delete its folder as well."""
        if not self.folder.is_dir():
            return
        with self._exclusively():
            self.load()
            self._end_processes()
            if remove:
                shutil.rmtree(self.folder, ignore_errors=True)
        if remove:
            self._lock_path.unlink(missing_ok=True)

    def __enter__(self) -> "Lab":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @classmethod
    def attach(cls, name: str = DEFAULT_NAME, home: Path | None = None) -> "Lab":
        """The lab of that name that another process started.

        Raises: LabError when there is none running.
        """
        lab = cls(name, home=home)
        if not lab.load() or not lab.is_running():
            raise LabError(f"no such lab is running: name={name}; start it with `stasis-dialer lab up`")
        return lab

    def is_running(self) -> bool:
        """Whether all its processes run."""
        return self._state is not None and all(process.is_running() for process in self._processes())

    def processes(self) -> dict[str, int | None]:
        """The process ids by name, None for one that does not run."""
        return {process.name: process.pid for process in self._processes()} if self._state else {}

    # -- what it offers --------------------------------------------------------------------------------------------

    @property
    def state(self) -> LabState:
        """Addresses and passwords.

        Raises: LabError before the lab was started.
        """
        if self._state is None:
            raise LabError(f"lab was not started: name={self.name}")
        return self._state

    @property
    def ari_url(self) -> str:
        """The PBX's HTTP address, without `/ari`."""
        return f"http://127.0.0.1:{self.state.pbx_http_port}"

    @property
    def ari_user(self) -> str:
        """The PBX's ARI user for the dialer."""
        return ARI_USER

    @property
    def ari_password(self) -> str:
        """That user's password."""
        return self.state.ari_password

    @property
    def api_token(self) -> str:
        """The token of the dialer's own API."""
        return self.state.api_token

    @property
    def database_url(self) -> str:
        """The SQLAlchemy URL of the lab's database, password included."""
        return self.mariadb.url()

    @property
    def config_path(self) -> Path:
        """The dialer's configuration for this lab."""
        return self.folder / "config.yaml"

    @property
    def env_path(self) -> Path:
        """The secrets that the configuration refers to, as lines NAME=value."""
        return self.folder / "env"

    @property
    def environment(self) -> dict[str, str]:
        """The secrets that the configuration refers to."""
        state = self.state
        return dialer_secrets(state.ari_password, state.database_password, state.api_token)

    @property
    def sipp_address(self) -> str:
        """A loopback address of this lab's block for a SIP peer that a test brings along."""
        return self.state.block.extra

    @property
    def extensions(self) -> list[str]:
        """The numbers of the phones."""
        return list(self.state.phones)

    def phone(self, number: str) -> Phone:
        """One of the phones.

        Raises: LabError when there is no such phone.
        """
        if number not in self.state.phones:
            raise LabError(f"no such phone in the lab: phone={number} phones={','.join(self.state.phones)}")
        return Phone(number, self.carrier.asterisk, self.pbx)

    def phones(self) -> list[Phone]:
        """All phones."""
        return [self.phone(number) for number in self.state.phones]

    def create_database(self, name: str) -> str:
        """Make an empty database of that name; its URL."""
        return self.mariadb.create_database(name)

    def ari_proxy(self) -> CuttableProxy:
        """A proxy in front of the PBX's ARI whose connections can be cut; a context manager."""
        port = urlsplit(self.ari_url).port
        assert port is not None
        return CuttableProxy(port)

    def register_phones(self) -> None:
        """Make all phones register now, for instance after the PBX lost its memory, and wait until they are."""
        self.carrier.asterisk.cli("pjsip send register *all")
        self.wait_phones_registered()

    def wait_phones_registered(self) -> None:
        """Wait until the PBX knows every phone.

        Raises: LabError naming the phones that are missing.
        """
        try:
            until(lambda: not self._unregistered(), "phones to be registered", REGISTER_SECONDS)
        except LabError as error:
            raise LabError(f"phones are not registered: phones={','.join(self._unregistered())}") from error

    def is_abandoned(self) -> bool:
        """Whether it belonged to a process that is gone."""
        try:
            note = json.loads((self.folder / STATE).read_text())
            return bool(note["owned"]) and start_ticks(note["owner"]) != note["owner_started"]
        except (OSError, ValueError, KeyError):
            return False

    # -- how it is done --------------------------------------------------------------------------------------------

    def _start_with_retries(self, owned: bool, tell: Progress) -> None:
        for attempt in range(1, START_TRIES + 1):
            self._make_folder()
            self._state = self._new_state()
            self._build()
            self._save(owned)
            try:
                self._launch(owned)
                tell(f"Asterisk {self.stack.asterisk_version} and MariaDB {self.stack.mariadb_version} run")
                self._meet()
            except PlaceTaken as taken:
                self._end_processes()
                if attempt == START_TRIES:
                    raise LabError(f"no free place found: tries={attempt} last={taken}") from taken
            else:
                return

    def _meet(self) -> None:
        """Make PBX, carrier and phones find each other now: who asked while the other was loading asks again late."""
        for trunk in {TRUNK, BACKUP} - self._online():
            self.pbx.cli(f"pjsip qualify {trunk}")
        if self._unregistered():
            self.register_phones()
        until(lambda: {TRUNK, BACKUP} <= self._online(), "the trunks to be reachable", REGISTER_SECONDS)

    def _online(self) -> set[str]:
        endpoints = self.pbx.ari.get("endpoints/PJSIP")
        return {endpoint["resource"] for endpoint in endpoints if endpoint["state"] == "online"}

    def _unregistered(self) -> list[str]:
        return sorted(set(self.state.phones) - self._online())

    def _new_state(self) -> LabState:
        numbers = [str(FIRST_PHONE + index) for index in range(self._phone_count)]
        return LabState(
            prefix=free_block().prefix,
            pbx_http_port=free_port(),
            carrier_http_port=free_port(),
            database_port=free_port(),
            api_port=free_port(),
            seed=self.seed,
            ari_password=secrets.token_urlsafe(18),
            carrier_password=secrets.token_urlsafe(18),
            database_password=secrets.token_urlsafe(18),
            api_token=secrets.token_urlsafe(24),
            phones={number: secrets.token_urlsafe(12) for number in numbers},
        )

    def _build(self) -> None:
        """Make the objects of the three servers from the state; nothing is started."""
        state = self.state
        carrier_url = f"http://127.0.0.1:{state.carrier_http_port}"
        self.pbx = Asterisk("pbx", self.folder / "pbx", self.stack, self.ari_url, ARI_USER, state.ari_password)
        far = Asterisk("carrier", self.folder / "carrier", self.stack, carrier_url, "lab", state.carrier_password)
        self.carrier = Carrier(far, state.seed)
        self.mariadb = MariaDB(self.folder / "mariadb", self.stack, state.database_port, state.database_password)

    def _launch(self, owned: bool) -> None:
        state = self.state
        site = PbxSite(state.block, state.pbx_http_port, ARI_USER, state.ari_password, state.phones)
        write_pbx(self.pbx, site)
        self.pbx.launch(owned)
        far = self.carrier.asterisk
        carrier_site = CarrierSite(
            block=state.block,
            http_port=state.carrier_http_port,
            ari_user="lab",
            ari_password=state.carrier_password,
            phones=state.phones,
            seed=state.seed,
            log_path=far.folder / CALLS_LOG,
            speech=carrier_speech(far),
        )
        write_carrier(far, carrier_site)
        far.launch(owned)
        self.mariadb.prepare()
        self.mariadb.launch(owned)
        self._write_configuration()
        for wait in (self.pbx.wait_ready, far.wait_ready, self.mariadb.wait_ready):
            wait()

    def _write_configuration(self) -> None:
        state = self.state
        place = DialerPlace(self.ari_url, ARI_USER, state.database_port, state.api_port)
        text = yaml.safe_dump(dialer_config(place), sort_keys=False)
        self.config_path.write_text(
            f"# the dialer's configuration for the lab `{self.name}`; the secrets are in {self.env_path.name}\n{text}"
        )
        _write_secret(self.env_path, "".join(f"{key}={value}\n" for key, value in self.environment.items()))

    def _save(self, owned: bool) -> None:
        me = os.getpid()
        note = {"owned": owned, "owner": me, "owner_started": start_ticks(me), "state": asdict(self.state)}
        _write_secret(self.folder / STATE, json.dumps(note, indent=1))

    def load(self) -> bool:
        """Take over the state of a lab that was started before; whether there is one."""
        if self._state is not None:
            return True
        try:
            self._state = LabState(**json.loads((self.folder / STATE).read_text())["state"])
        except (OSError, ValueError, TypeError, KeyError):
            return False
        self.seed = self._state.seed
        self.stack = find_stack()
        self._build()
        return True

    def _processes(self) -> list[Process]:
        return [self.pbx.process, self.carrier.asterisk.process, self.mariadb.process]

    def _is_in_use(self) -> bool:
        return self.load() and self.is_running()

    def _end_leftovers(self) -> None:
        """End what a crash left running, and forget the data of the last run."""
        if self.load():
            self._end_processes()
        self._state = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end_processes(self) -> None:
        if self._state is None:
            return
        # Nothing in the memory of the two Asterisks is worth waiting for; the database writes its pages.
        self.mariadb.process.ask_to_end()
        self.pbx.kill()
        self.carrier.asterisk.kill()
        self.mariadb.stop()
        for asterisk in (self.pbx, self.carrier.asterisk):
            asterisk.remove_run_folder()

    def _make_folder(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(mode=0o700, parents=True)

    @property
    def _lock_path(self) -> Path:
        return self.folder.parent / f"{self.name}.lock"

    @contextlib.contextmanager
    def _exclusively(self) -> Iterator[None]:
        """Keep another command from starting or stopping this lab at the same time."""
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            handle = self._lock_path.open("w")
        except OSError as error:
            raise LabError(f"the lab's folder cannot be used: folder={self.folder} error={error.strerror}") from error
        with handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield


def clear_abandoned_labs(home: Path | None = None) -> list[str]:
    """End and delete what is left of labs whose owner was killed; their names."""
    cleared = []
    for state in sorted((home or lab_home()).glob(f"*/{STATE}")):
        lab = Lab(state.parent.name, home=home)
        if lab.is_abandoned():
            lab.stop(remove=True)
            cleared.append(lab.name)
    return cleared


def _write_secret(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)
