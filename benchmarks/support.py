"""What the benchmarks share: the lab, the real dialer process, bare scripts, CPU counters, statistics, output.

Every comparison runs all its sides in one run on one lab and alternates them. Rates come from the carrier's log and
CPU from the kernel, so no side measures itself. Nothing here judges: it prints figures and writes them as JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import platform
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import pymysql
import yaml

from stasis_dialer.lab.fates import Fate, number
from stasis_dialer.lab.mariadb import DATABASE, USER
from stasis_dialer.lab.process import LEASH
from stasis_dialer.lab.waiting import until
from stasis_dialer.lab.world import Lab

HERE = Path(__file__).parent
RESULTS = HERE / "results"
COMMAND = Path(sys.executable).with_name("stasis-dialer")
TICKS = os.sysconf("SC_CLK_TCK")
POLL_SECONDS = 0.25
"""Between two looks at the database: often enough, and no load."""
ROUND_SECONDS = 120.0
"""A round that takes longer has failed."""
UNLIMITED = 1000.0
"""Calls a second of a trunk that must not be the limit: the most that the configuration allows."""


@dataclass(frozen=True)
class Numbers:
    """Numbers of one fate, or of the mix (None); `ring` and `talk` are the digits of `lab.fates`."""

    fate: Fate | None
    count: int
    ring: int = 0
    talk: int = 0

    def all(self) -> list[str]:
        """E.164 with plus, each once."""
        return [number(self.fate, self.ring, self.talk, serial) for serial in range(self.count)]


# --- CPU ------------------------------------------------------------------------------------------------------------


def _leashed(*command: str | Path) -> list[str | Path]:
    """A Python program that ends with the benchmark, also when that is killed."""
    return [sys.executable, "-I", "-S", LEASH, str(os.getpid()), sys.executable, *command]


def cpu_seconds(pid: int) -> float:
    """User and system time that a process has taken. Source: proc(5), `stat` fields 14 and 15."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def machine_seconds() -> float:
    """CPU time that the whole machine has spent on anything, the hypervisor's share included."""
    fields = [int(text) for text in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    idle = fields[3] + fields[4]
    return (sum(fields) - idle) / TICKS


class Meter:
    """CPU of the lab's servers and of one client between `start` and `stop`."""

    def __init__(self, lab: Lab) -> None:
        processes = lab.processes()
        self._pids = {name: pid for name, pid in processes.items() if pid is not None}
        self._before: dict[str, float] = {}
        self._at = 0.0

    def start(self, client: int) -> None:
        """Begin; `client` is the process id of the dialer or of the script."""
        self._pids["client"] = client
        self._pids["self"] = os.getpid()
        self._before = self._read()
        self._at = time.monotonic()

    def stop(self) -> dict[str, float]:
        """CPU seconds by process, `foreign` what anything else on this machine took, `seconds` the wall time."""
        after = self._read()
        used = {name: after[name] - before for name, before in self._before.items()}
        used["foreign"] = max(0.0, used.pop("machine") - sum(v for n, v in used.items() if n != "machine"))
        used["seconds"] = time.monotonic() - self._at
        return used

    def _read(self) -> dict[str, float]:
        return {name: cpu_seconds(pid) for name, pid in self._pids.items()} | {"machine": machine_seconds()}


# --- the dialer -----------------------------------------------------------------------------------------------------


class Dialer:
    """The real `stasis-dialer run` on a lab, with a configuration of its own; `code` is another checkout to run."""

    def __init__(
        self, lab: Lab, *, transport: str, calls_per_second: float = UNLIMITED, code: Path | None = None
    ) -> None:
        self._lab = lab
        self._environment = {**os.environ, **lab.environment}
        if code is not None:
            self._environment["PYTHONPATH"] = str(code.resolve())
        settings = yaml.safe_load(lab.config_path.read_text())
        settings["ari"]["transport"] = transport
        for trunk in settings["trunks"]:
            trunk["max_channels"] = 10_000
            trunk["calls_per_second"] = calls_per_second
        self._api = f"http://{settings['api']['bind']}:{settings['api']['port']}"
        self._config = lab.folder / f"benchmark-{transport}-{calls_per_second:g}.yaml"
        self._config.write_text(yaml.safe_dump(settings, sort_keys=False))
        self._log = lab.folder / "benchmark-dialer.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    def command(self, *arguments: str) -> Any:
        """What a command of the command line answers, decoded where it is JSON."""
        done = subprocess.run(
            [COMMAND, "--config", self._config, *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise SystemExit(f"stasis-dialer {' '.join(arguments)} failed: {done.stderr.strip()}")
        with contextlib.suppress(ValueError):
            return json.loads(done.stdout)
        return done.stdout

    def prepare(self, name: str, numbers: Numbers, *, connect: str, max_channels: int, **settings: object) -> int:
        """A paused campaign with one lead for each number, one attempt each; its id."""
        wanted = {
            "connect": connect,
            "max_channels": max_channels,
            "max_attempts": 1,
            "wrap_up_seconds": 0,
            "law.pack": "off",
            "retry.calls_per_number": 0,
            **settings,
        }
        pairs = [text for key, value in wanted.items() for text in ("--set", f"{key}={value}")]
        made = self.command("campaign", "create", name, *pairs, "--json")
        path = self._lab.folder / f"{name}.csv"
        with path.open("w", newline="") as handle:
            writer = csv.writer(handle)
            writer.writerow(("name", "phone_number"))
            writer.writerows((f"Lead {serial}", dialled) for serial, dialled in enumerate(numbers.all()))
        imported = self.command("leads", "import", str(path), "--campaign", name, "--json")
        if imported["imported"] != numbers.count:
            raise SystemExit(f"not all leads were imported: {imported}")
        return int(made["id"])

    def start(self) -> None:
        """Start it and wait until it could dial."""
        profile = os.environ.get("STASIS_DIALER_BENCHMARK_PROFILE")
        before = ["-m", "cProfile", "-o", profile] if profile else []
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                _leashed(*before, COMMAND, "--config", self._config, "run"),
                env=self._environment,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        until(lambda: self.ask("GET", "/api/snapshot").get("is_connected"), "the dialer to be connected", 20)

    def log_in(self, extensions: Sequence[str], connect: str, campaign_id: int) -> None:
        """Log agents in and wait until all are available."""
        body = {"connect": connect, "campaigns": [campaign_id]}
        for extension in extensions:
            self.ask("POST", f"/api/agents/{extension}/login", body)
        until(
            lambda: self.ask("GET", "/api/snapshot")["agents"].get("available") == len(extensions),
            "the agents to be available",
            60,
        )

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One request to the dialer's own API; an empty answer while it does not listen."""
        request = urllib.request.Request(
            self._api + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._lab.api_token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.loads(answer.read())
        except (urllib.error.URLError, ConnectionError) as error:
            if self._process is not None and self._process.poll() is not None:
                raise SystemExit(f"the dialer ended: {self._log.read_text()[-2000:]}") from error
            return {}

    def stop(self) -> None:
        """End it in order, agents logged out."""
        if self._process is None:
            return
        with contextlib.suppress(Exception):
            self.ask("POST", "/api/agents/logout")
            until(lambda: not self.ask("GET", "/api/agents"), "the agents to be logged out", 15)
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


class Books:
    """The lab's database, as the old panel would use it."""

    def __init__(self, lab: Lab) -> None:
        self._connection = pymysql.connect(
            host="127.0.0.1",
            port=lab.mariadb.port,
            user=USER,
            password=lab.mariadb.password,
            database=DATABASE,
            autocommit=True,
        )

    def start(self, campaign_id: int) -> None:
        """Let a campaign dial."""
        self.query("UPDATE discador_campanhas SET status = 'active' WHERE id = %s", campaign_id)

    def finish(self, campaign_id: int) -> None:
        """Let it dial no more."""
        self.query("UPDATE discador_campanhas SET status = 'finished' WHERE id = %s", campaign_id)

    def wait_processed(self, campaign_id: int, count: int, seconds: float = ROUND_SECONDS) -> None:
        """Wait until every lead is closed in the database."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            [[done]] = self.query("SELECT processed_contacts FROM discador_campanhas WHERE id = %s", campaign_id)
            if done >= count:
                return
            time.sleep(POLL_SECONDS)
        raise SystemExit(f"leads are not closed: campaign_id={campaign_id} closed={done} of={count}")

    def dispositions(self, campaign_id: int) -> dict[str, int]:
        """The campaign's finished calls by disposition."""
        rows = self.query(
            "SELECT disposition, COUNT(*) FROM discador_chamadas WHERE campaign_id = %s AND status = 'finished' "
            "GROUP BY disposition",
            campaign_id,
        )
        return dict(rows)

    def query(self, sql: str, *arguments: object) -> list[Any]:
        """All rows of a statement."""
        with self._connection.cursor() as cursor:
            cursor.execute(sql, arguments)
            return list(cursor.fetchall())


# --- sides and their order ------------------------------------------------------------------------------------------


def add_side_options(parser: argparse.ArgumentParser) -> None:
    """The options that say who takes part."""
    parser.add_argument("--quick", action="store_true", help="one short round a side, to see that it works")
    parser.add_argument("--rounds", type=int, help="rounds of every side")
    parser.add_argument("--sides", nargs="+", choices=("dialer", "library", "minimal"), help="default: all")
    parser.add_argument(
        "--transport", nargs="+", choices=("http", "websocket"), default=["http"], help="of the dialer and the library"
    )
    parser.add_argument("--before", type=Path, help="a checkout of an older version, whose dialer takes part as well")


def sides_of(options: argparse.Namespace) -> list[tuple[str, str]]:
    """The kinds and transports that take part."""
    kinds = list(options.sides or ("dialer", "library", "minimal"))
    if options.before:
        kinds.insert(0, "dialer-before")
    sides = [(kind, transport) for kind in kinds if kind != "minimal" for transport in options.transport]
    return [*sides, ("minimal", "websocket")] if "minimal" in kinds else sides


def in_turn(sides: Sequence[tuple[str, str]], rounds: int) -> Iterator[tuple[int, str, str]]:
    """Every side once a round, another one first each time."""
    for index in range(rounds):
        turn = index % len(sides)
        for kind, transport in [*sides[turn:], *sides[:turn]]:
            yield index, kind, transport


# --- bare scripts ---------------------------------------------------------------------------------------------------


@dataclass
class Script:
    """One run of `bare.py`: it makes itself ready, waits for the word, and answers what it did."""

    lab: Lab
    kind: str
    transport: str
    numbers: Numbers
    slots: int = 0
    calls_per_second: float = 0.0
    agents: Sequence[str] = ()
    process: subprocess.Popen[str] = field(init=False)

    def start(self) -> None:
        """Start it and wait until its agents are there."""
        task = {
            "url": self.lab.ari_url,
            "user": self.lab.ari_user,
            "password": self.lab.ari_password,
            "kind": self.kind,
            "transport": self.transport,
            "numbers": self.numbers.all(),
            "slots": self.slots,
            "calls_per_second": self.calls_per_second,
            "agents": list(self.agents),
        }
        self.process = subprocess.Popen(
            _leashed(HERE / "bare.py"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._tell(json.dumps(task))
        if self._hear().get("state") != "ready":
            raise SystemExit("the bare script is not ready")

    def run(self) -> dict[str, Any]:
        """Place all calls; what the script counted."""
        self._tell("go")
        return self._hear()

    def stop(self) -> None:
        """End it; its agents are hung up."""
        with contextlib.suppress(Exception):
            self._tell("stop")
            self.process.wait(20)
        if self.process.poll() is None:
            self.process.kill()

    def _tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def _hear(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("the bare script ended")
        answer: dict[str, Any] = json.loads(line)
        return answer


# --- the lab --------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def lab_for(name: str, phones: int) -> Iterator[Lab]:
    """A lab of one's own, ended and removed afterwards."""
    lab = Lab(name, phones=phones)
    try:
        lab.start()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda phone: phone.says("silence"), lab.phones()))
        yield lab
    finally:
        lab.stop(remove=not os.environ.get("STASIS_DIALER_BENCHMARK_KEEP"))


def wait_empty(lab: Lab) -> None:
    """Wait until the PBX has no channel and no bridge, so that no round burdens the next."""
    ari = lab.pbx.ari
    until(lambda: not ari.get("channels") and not ari.get("bridges"), "the PBX to be empty", 60)


def calls_per_second(lab: Lab) -> float:
    """The rate of the INVITEs at the carrier, without the first and the last tenth."""
    at = sorted(invite.arrived_at.timestamp() for invite in lab.carrier.invites())
    first, last = len(at) // 10, len(at) - len(at) // 10 - 1
    return (last - first) / (at[last] - at[first])


# --- output ---------------------------------------------------------------------------------------------------------


def percentile(values: Sequence[float], percent: float) -> float:
    """The value below which so many percent of the values are (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(percent / 100 * len(ordered) + 0.5) - 1))]


def medians(rounds: Sequence[dict[str, float]]) -> dict[str, float]:
    """Each figure's median over the rounds."""
    return {name: median(one[name] for one in rounds) for name in rounds[0]}


def header(lab: Lab, **settings: Any) -> dict[str, Any]:
    """The machine, the versions and the settings."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    packages = ("aiohttp", "websockets", "msgspec", "SQLAlchemy", "aiomysql")
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} x {model}, {platform.system()} {platform.release()}",
        "load_at_start": os.getloadavg()[0],
        "asterisk": lab.stack.asterisk_version,
        "mariadb": lab.stack.mariadb_version,
        "python": platform.python_version(),
        "packages": {name: version(name) for name in packages},
        "settings": settings,
    }


def print_header(title: str, facts: dict[str, Any]) -> None:
    """The first lines of a report."""
    print(f"\n{title}\n{'=' * len(title)}")
    for name, value in facts.items():
        shown = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        print(f"{name:14} {shown}")
    print("everything runs on this one machine: PBX, carrier with the phones, MariaDB, and the side that is measured\n")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table; the first column is text, the others are figures."""
    shown = [[f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
    widths = [max(len(line[i]) for line in [list(columns), *shown]) for i in range(len(columns))]
    for line in [list(columns), ["-" * width for width in widths], *shown]:
        print(
            "  ".join(
                cell.ljust(w) if not i else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, widths, strict=True))
            )
        )


def write_results(name: str, results: dict[str, Any]) -> Path:
    """Keep everything, every round included, as JSON."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}-{datetime.now(UTC):%Y%m%d-%H%M%S}.json"
    path.write_text(json.dumps(results, indent=1))
    return path
