"""A dialer as its users run it, for end-to-end tests: a real process against the lab, and the referee of its rows.

Nothing here knows the dialer's inside: it is configured by YAML, driven by its command line and HTTP interface, and
judged by its rows, the PBX's channels and bridges, and the carrier's log.
"""

import asyncio
import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pymysql
import pymysql.cursors
import yaml
from click.testing import CliRunner
from sqlalchemy.engine import make_url

from stasis_dialer.cli.main import main
from stasis_dialer.core.lead_options import Law, LawPack, Retry
from stasis_dialer.core.model import Campaign, CampaignStatus, ConnectMode, Disposition
from stasis_dialer.db import schema
from stasis_dialer.db.database import Database
from stasis_dialer.db.leads import NewLead
from stasis_dialer.db.store import Store
from stasis_dialer.db.tables import CallTable, LeadTable
from stasis_dialer.lab.addresses import free_port
from stasis_dialer.lab.carrier import CarrierCall
from stasis_dialer.lab.fates import Fate
from stasis_dialer.lab.keys import is_pressing
from stasis_dialer.lab.process import LEASH
from stasis_dialer.lab.rest import AriRefused
from stasis_dialer.lab.world import Lab
from tests.labfixtures import leftovers

PROGRAM = Path(sys.executable).with_name("stasis-dialer")
START_SECONDS = 60.0
LIMIT_SECONDS = 30.0
"""For one thing to happen on a machine whose processors are shared; nothing here takes a third of it."""
PAUSE_SECONDS = 0.05
CLI_SECONDS = 60.0
DEFECTS = (
    "Traceback",
    "actor-broken",
    "loop-failed",
    "tick-failed",
    "campaign-failed",
    "command-failed",
    "panel-failed",
    "not-written",
)
"""What a dialer's log must never say."""

Result = TypeVar("Result")
ANSWER_APART_SECONDS = 2.0
"""Between the answer as the carrier wrote it and as we did: far more than any path takes, far less than any call."""

_numbers = itertools.count(1)

CALL_COLUMNS = ", ".join(CallTable.__table__.columns.keys())
LEAD_COLUMNS = ", ".join(LeadTable.__table__.columns.keys())
"""By name: the columns that are ours do not show in `SELECT *`, so that the old panel never meets them."""

AFTER_AN_ANSWER = (
    "answered",
    "abandoned",
    "machine",
    "message_played",
    "partly_played",
    "opt_out",
    "callback",
)
DISPOSITIONS = {
    Fate.HUMAN: Disposition.ANSWERED,
    Fate.MACHINE: Disposition.ANSWERED,
    Fate.DEAD_AIR: Disposition.ANSWERED,
    Fate.BUSY: Disposition.BUSY,
    Fate.NO_ANSWER: Disposition.NO_ANSWER,
    Fate.VOICEMAIL_PROMPT: Disposition.VOICEMAIL,
    Fate.CONGESTION: Disposition.CONGESTION,
    Fate.UNALLOCATED: Disposition.INVALID_NUMBER,
    Fate.REJECTED: Disposition.REJECTED,
}
"""What a fate is to a campaign without answering machine detection whose agents are all there."""


def wait_for(condition: Callable[[], Result], what: str, limit_seconds: float = LIMIT_SECONDS) -> Result:
    """The first true result of a named condition; a database that is away is not true yet.

    It looks less often than the lab does: each look costs processor time. Raises: AssertionError naming `what`.
    """
    limit = time.monotonic() + limit_seconds
    while True:
        result = None
        with contextlib.suppress(pymysql.MySQLError):
            result = condition()
        if result:
            return result
        assert time.monotonic() < limit, f"waited in vain: for={what} limit_seconds={limit_seconds:g}"
        time.sleep(PAUSE_SECONDS)


@dataclass(frozen=True)
class Done:
    """What a command of the command line said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The output as JSON."""
        return json.loads(self.out)


class Dialer:
    """`stasis-dialer run` as a process, with a configuration of its own: the lab's, and `changes` by section."""

    def __init__(self, lab: Lab, folder: Path, database: str, **changes: Any) -> None:
        self.lab = lab
        self.folder = folder
        self.config = folder / f"config-{next(_numbers)}.yaml"
        self.log_path = self.config.with_suffix(".log")
        whole = yaml.safe_load(lab.config_path.read_text())
        url = make_url(whole["database"]["url"]).set(database=database)
        whole["database"]["url"] = url.render_as_string(hide_password=False)
        whole["api"]["port"] = free_port()
        for section, values in changes.items():
            whole[section] = {**whole.get(section, {}), **values} if isinstance(values, dict) else values
        self.port = whole["api"]["port"]
        self.config.write_text(yaml.safe_dump(whole))
        self._child: subprocess.Popen[bytes] | None = None

    # -- life --------------------------------------------------------------------------------------------------------

    def start(self, is_waiting: bool = True) -> "Dialer":
        """Start the process, and wait until it could dial. It ends with the process of the tests."""
        assert self._child is None
        command = [sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), *self._command("run")]
        with self.log_path.open("ab") as log:
            self._child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment, cwd=self.folder
            )
        if is_waiting:
            self.wait_ready()
        return self

    def wait_ready(self) -> None:
        """Wait until the dialer could place calls."""
        wait_for(lambda: self.is_ready or not self.is_running, "the dialer to be ready", START_SECONDS)
        assert self.is_running, f"the dialer ended while starting: {self.log[-2000:]}"

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""
        return self._child is not None and self._child.poll() is None

    @property
    def is_ready(self) -> bool:
        """What its page for load balancers says."""
        return self._get("/readyz")[0] == 200

    @property
    def is_healthy(self) -> bool:
        """Whether the process answers at all."""
        return self._get("/healthz")[0] == 200

    def kill(self) -> None:
        """End it as a crash would."""
        self._signal(signal.SIGKILL)
        assert self.wait_ended() == -signal.SIGKILL

    def ask_to_end(self) -> None:
        """SIGTERM, without waiting."""
        self._signal(signal.SIGTERM)

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        self.ask_to_end()
        return self.wait_ended()

    def wait_ended(self, limit_seconds: float = 2 * LIMIT_SECONDS) -> int:
        """The exit code, once the process has ended."""
        child = self._child
        assert child is not None
        wait_for(lambda: child.poll() is not None, "the dialer to end", limit_seconds)
        self._child = None
        return int(child.returncode)

    def ensure_ended(self) -> None:
        """Leave no process behind, whatever happened."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._child = None

    def _signal(self, number: signal.Signals) -> None:
        assert self._child is not None
        self._child.send_signal(number)

    # -- what it says ------------------------------------------------------------------------------------------------

    @property
    def log(self) -> str:
        """Everything it logged, over all its lives."""
        return self.log_path.read_text(errors="replace") if self.log_path.is_file() else ""

    def defects(self) -> list[str]:
        """Lines of the log that only a defect writes."""
        return [line for line in self.log.splitlines() if any(word in line for word in DEFECTS)]

    @property
    def environment(self) -> dict[str, str]:
        """The environment of its commands: the secrets, and nothing of a dialer elsewhere."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith("STASIS_DIALER_")}
        return {**ours, **self.lab.environment}

    def cli(self, *words: str, environment: dict[str, str] | None = None) -> Done:
        """Give one command of the command line, in this process: its start takes longer than what it does."""
        result = CliRunner().invoke(
            main,
            self._command(*words)[1:],
            env={**self.environment, **(environment or {})},
            prog_name=PROGRAM.name,
        )
        return Done(result.exit_code, result.stdout, result.stderr)

    def program(self, *words: str, environment: dict[str, str] | None = None) -> Done:
        """Run one command of the command line as a program."""
        done = subprocess.run(
            self._command(*words),
            capture_output=True,
            text=True,
            timeout=CLI_SECONDS,
            stdin=subprocess.DEVNULL,
            env={**self.environment, **(environment or {})},
            cwd=self.folder,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """The answer of its HTTP interface to the token's owner. Raises: AssertionError with its words when refused."""
        status, content = self._get(f"/api{path}", method, body)
        assert status == 200, f"{method} {path}: {status} {content}"
        return content

    def metrics(self) -> str:
        """Its metrics, in Prometheus' text format."""
        status, content = self._get("/metrics")
        assert status == 200
        return str(content["message"])

    def refusal(self, method: str, path: str, body: object = None) -> tuple[int, str]:
        """Status and words of a request that is refused."""
        status, content = self._get(f"/api{path}", method, body)
        return status, str((content or {}).get("message"))

    def _command(self, *words: str) -> list[str]:
        return [str(PROGRAM), "--config", str(self.config), *words]

    def _get(self, path: str, method: str = "GET", body: object = None) -> tuple[int, Any]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.lab.api_token}", "Content-Type": "application/json"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=LIMIT_SECONDS) as answer:
                text = answer.read()
                is_json = answer.headers.get_content_type() == "application/json"
                return answer.status, json.loads(text) if is_json else {"message": text.decode()}
        except urllib.error.HTTPError as error:
            with error:
                text = error.read()
                return error.code, json.loads(text) if text.startswith(b"{") else {"message": text.decode()}
        except OSError:
            return 0, None

    # -- agents ------------------------------------------------------------------------------------------------------

    def log_in(self, *extensions: str, campaign: int | None = None, connect: ConnectMode | None = None) -> None:
        """Log agents in, and wait until each can have customers."""
        body = {"campaigns": [campaign] if campaign else [], "connect": connect}
        for extension in extensions:
            self.ask("POST", f"/agents/{extension}/login", body)
        for extension in extensions:
            self.wait_agent(extension, "available", "reserved", "on_call", "wrap_up")

    def agent(self, extension: str) -> dict[str, Any]:
        """An agent who is logged in, or {}."""
        agents: list[dict[str, Any]] = self.ask("GET", "/agents")
        return next((agent for agent in agents if agent["extension"] == extension), {})

    def lead(self, extension: str) -> dict[str, Any] | None:
        """The lead that an agent looks at or talks with."""
        status, content = self._get(f"/api/agents/{extension}/lead")
        return content if status == 200 else None

    def wait_agent(self, extension: str, *states: str) -> dict[str, Any]:
        """Wait until an agent is in one of the states ("" is logged out)."""

        def found() -> dict[str, Any] | None:
            agent = self.agent(extension)
            return {"state": "", **agent} if agent.get("state", "") in states else None

        try:
            agent: dict[str, Any] = wait_for(found, f"agent {extension} to be {' or '.join(states)}")
        except AssertionError as error:
            raise AssertionError(f"{error}; the agent is {self.agent(extension)}") from error
        return agent

    def log_all_out(self) -> None:
        """Everybody goes home, and the PBX is empty then."""
        self.ask("POST", "/agents/logout")
        wait_for(lambda: self.ask("GET", "/agents") == [], "all agents to be logged out")


class Ledger:
    """The rows of one test's database, and the referee who compares them with the carrier's log."""

    def __init__(self, lab: Lab, database: str) -> None:
        self.lab = lab
        self.database = database
        self._connection: pymysql.Connection[pymysql.cursors.DictCursor] | None = None

    # -- setting up --------------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """The schema."""
        asyncio.run(schema.upgrade(self.lab.mariadb.url(self.database)))

    def campaign(self, numbers: Sequence[str] = (), is_active: bool = True, **settings: Any) -> int:
        """Make a campaign with one lead for each number; its id. By default its calls are short and fast."""
        quick = {"wrap_up_seconds": 0.0, "max_channels": 500, "average_call_time": 10, "safe_harbour_media": None}
        quick |= {"law": Law(LawPack.OFF), "retry": Retry(calls_per_number=0)}  # at any hour, the same number at once
        max_attempts = settings.pop("max_attempts", 3)
        wanted = Campaign(0, settings.pop("name", f"campaign {next(_numbers)}"), **{**quick, **settings})

        async def make() -> int:
            async with Store(Database(self.lab.mariadb.url(self.database))) as store:
                now = datetime.now(UTC)
                stored = await store.campaigns.create(wanted, "test", now)
                await self._insert(store, stored.campaign.id, numbers, max_attempts)
                if is_active:
                    await store.campaigns.set_status(stored.campaign.id, CampaignStatus.ACTIVE, "test", now)
                return stored.campaign.id

        return asyncio.run(make())

    def empty(self) -> None:
        """No campaign, no lead, no call: for the next test with the same dialer."""
        for table in ("discador_chamadas", "discador_contatos", "discador_campanhas"):
            self.execute(f"DELETE FROM {table}")

    def add_leads(self, campaign: int, numbers: Sequence[str], max_attempts: int = 3) -> None:
        """More leads for a campaign."""

        async def add() -> None:
            async with Store(Database(self.lab.mariadb.url(self.database))) as store:
                await self._insert(store, campaign, numbers, max_attempts)

        asyncio.run(add())

    async def _insert(self, store: Store, campaign: int, numbers: Iterable[str], max_attempts: int) -> None:
        leads = [NewLead(f"Lead {number[-5:]}", number, None, max_attempts) for number in numbers]
        if leads:
            await store.leads.insert_many(campaign, leads, datetime.now(UTC))

    def set_status(self, campaign: int, status: str) -> None:
        """Start or pause a campaign as the old panel does: by its column."""
        self.execute("UPDATE discador_campanhas SET status = %s WHERE id = %s", status, campaign)

    def set_pin(self, extension: str, pin: str) -> None:
        """Give an extension a PIN."""

        async def give() -> None:
            async with Store(Database(self.lab.mariadb.url(self.database))) as store:
                await store.pins.set(extension, pin, "test", datetime.now(UTC))

        asyncio.run(give())

    # -- rows --------------------------------------------------------------------------------------------------------

    def rows(self, sql: str, *values: object) -> list[dict[str, Any]]:
        """The rows of a SELECT. Raises: pymysql.MySQLError while the database is away."""
        with self._cursor() as cursor:
            cursor.execute(sql, values)
            return list(cursor.fetchall())

    def execute(self, sql: str, *values: object) -> None:
        """Run one statement."""
        with self._cursor() as cursor:
            cursor.execute(sql, values)

    @contextlib.contextmanager
    def _cursor(self) -> Iterator[pymysql.cursors.DictCursor]:
        self._connection = self._connection or self._connect()
        try:
            with self._connection.cursor() as cursor:
                yield cursor
        except pymysql.MySQLError:
            self.close()
            raise

    def close(self) -> None:
        """End the connection; the next question opens a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(pymysql.MySQLError):
                connection.close()

    def calls(self) -> list[dict[str, Any]]:
        """Every attempt, in order of its start."""
        return self.rows(f"SELECT {CALL_COLUMNS} FROM discador_chamadas ORDER BY started_at, unique_id")

    def leads(self) -> list[dict[str, Any]]:
        """Every lead."""
        return self.rows(f"SELECT {LEAD_COLUMNS} FROM discador_contatos ORDER BY id")

    def lead_counts(self) -> dict[str, int]:
        """How many leads are in each status."""
        found = self.rows("SELECT status, COUNT(*) AS n FROM discador_contatos GROUP BY status")
        return {row["status"]: row["n"] for row in found}

    def undecided(self) -> int:
        """How many leads still wait for a first call, or are being called."""
        sql = (
            "SELECT COUNT(*) AS n FROM discador_contatos "
            "WHERE status = 'calling' OR (status = 'pending' AND next_attempt IS NULL)"
        )
        return int(self.rows(sql)[0]["n"])

    def call(self, unique_id: str) -> dict[str, Any]:
        """One attempt."""
        return self.rows(f"SELECT {CALL_COLUMNS} FROM discador_chamadas WHERE unique_id = %s", unique_id)[0]

    def only_call(self, number: str) -> dict[str, Any] | None:
        """The one attempt to reach a number, when there is one."""
        found = self.rows(
            f"SELECT {CALL_COLUMNS} FROM discador_chamadas WHERE destination_extension = %s ORDER BY started_at",
            number.lstrip("+"),
        )
        assert len(found) <= 1, found
        return found[0] if found else None

    def ended_call(self, number: str) -> dict[str, Any]:
        """The one attempt to reach a number, once it is finished."""

        def ended() -> dict[str, Any] | None:
            row = self.only_call(number)
            return row if row and row["status"] == "finished" else None

        row: dict[str, Any] = wait_for(ended, f"the call of {number} to end")
        return row

    def states(self, extension: str) -> list[dict[str, Any]]:
        """The states an agent went through, with their times, over all sessions."""
        return self.rows(
            "SELECT t.* FROM dialer_agent_states t JOIN dialer_agent_sessions s ON s.session_id = t.session_id "
            "WHERE s.extension = %s ORDER BY t.since",
            extension,
        )

    def _connect(self) -> "pymysql.Connection[pymysql.cursors.DictCursor]":
        return pymysql.connect(
            host="127.0.0.1",
            port=self.lab.mariadb.port,
            user=make_url(self.lab.mariadb.url()).username,
            password=self.lab.mariadb.password,
            database=self.database,
            cursorclass=pymysql.cursors.DictCursor,
            connect_timeout=5,
            autocommit=True,
        )

    def wait_quiet(self) -> None:
        """Wait until every call has ended, here and at the carrier."""
        wait_for(lambda: all(row["status"] == "finished" for row in self.calls()), "every call's row to be finished")
        wait_for(lambda: all(call.end for call in self.lab.carrier.calls()), "the carrier's calls to end")

    # -- the referee -------------------------------------------------------------------------------------------------

    def disagreements(self, *, is_complete: bool = True, apart_seconds: float = ANSWER_APART_SECONDS) -> list[str]:
        """Where our rows and the carrier's log tell different stories, attempt by attempt and number by number.

        `is_complete`: every attempt reached the carrier, as in a run without a crash. Otherwise an attempt may have
        been committed and never dialled (it must be an error or cancelled then), and of a call that was found again
        nobody may know when it was answered, or whether. `apart_seconds` is how late an answer may have been seen.
        """
        found = [*self._compare_attempts(is_complete, apart_seconds), *self._compare_leads()]
        live = [call.invite.number for call in self.lab.carrier.calls() if call.end is None]
        return found + [f"{number}: still up at the carrier" for number in live]

    def _compare_attempts(self, is_complete: bool, apart_seconds: float) -> list[str]:
        found = []
        seen: dict[str, list[CarrierCall]] = {}
        for call in self.lab.carrier.calls():
            seen.setdefault(call.invite.attempt, []).append(call)
        rows = {row["unique_id"]: row for row in self.calls()}
        for attempt, calls in seen.items():
            tries = 1 + len(refused_tries(rows[attempt])) if attempt in rows else 1
            if len(calls) != tries:
                found.append(f"{attempt}: dialled {len(calls)} times, of {tries} tries")
            if attempt not in rows:
                found.append(f"{attempt or 'an INVITE without attempt'}: dialled, and has no row")
        for attempt, row in rows.items():
            if row["status"] != "finished" or row["disposition"] is None:
                found.append(f"{attempt}: not finished, status={row['status']} disposition={row['disposition']}")
            elif attempt in seen:
                found += self._compare_call(row, seen[attempt][-1], is_complete, apart_seconds)
            elif is_complete or row["disposition"] not in ("error", "cancelled"):
                found.append(f"{attempt}: {row['disposition']} without an INVITE")
        return found

    def _compare_call(
        self, row: dict[str, Any], call: CarrierCall, is_complete: bool, apart_seconds: float
    ) -> list[str]:
        name, found = row["unique_id"], []
        if call.invite.number != f"+{row['destination_extension']}":
            found.append(f"{name}: dialled {call.invite.number}, row says {row['destination_extension']}")
        there = call.end.answered_at if call.end else None
        here = row["answered_at"]
        if there is not None and "recovered" in timeline(row) and not is_complete:
            return found
        if (there is None) != (here is None):
            found.append(f"{name}: answered at the carrier {there}, row says {here}")
        elif there is not None and here is not None:
            apart = abs((here.replace(tzinfo=UTC) - there).total_seconds())
            if apart > apart_seconds:
                found.append(f"{name}: answer times are {apart:.3f} s apart")
        if there is None and row["disposition"] in AFTER_AN_ANSWER:
            found.append(f"{name}: {row['disposition']} and never answered")
        if there is not None and row["disposition"] not in AFTER_AN_ANSWER:
            found.append(f"{name}: answered and {row['disposition']}")
        return found

    def _compare_leads(self) -> list[str]:
        found = []
        invites: dict[str, int] = {}
        for call in self.lab.carrier.calls():
            invites[call.invite.number] = invites.get(call.invite.number, 0) + 1
        attempts: dict[int, int] = {}
        for row in self.calls():
            attempts[row["lead_id"]] = attempts.get(row["lead_id"], 0) + 1
            number = f"+{row['destination_extension']}"
            invites[number] = invites.get(number, 0) - len(refused_tries(row))
        for lead in self.leads():
            name, status = f"lead {lead['id']}", lead["status"]
            if status not in ("pending", "completed", "failed"):
                found.append(f"{name}: {status}")
            if lead["reserved_until"] is not None or lead["reserved_by"] is not None:
                found.append(f"{name}: still reserved by {lead['reserved_by']}")
            if status == "pending" and lead["next_attempt"] is None and lead["attempts"]:
                found.append(f"{name}: pending after {lead['attempts']} attempts without a time for the next")
            if lead["attempts"] > lead["max_attempts"]:
                found.append(f"{name}: {lead['attempts']} attempts of {lead['max_attempts']}")
            if invites.get(lead["phone_number"], 0) > lead["attempts"]:
                found.append(f"{name}: {invites[lead['phone_number']]} INVITEs in {lead['attempts']} attempts")
            if lead["attempts"] > attempts.get(lead["id"], 0):
                found.append(f"{name}: {lead['attempts']} attempts in {attempts.get(lead['id'], 0)} rows")
        return found

    def overlaps(self) -> list[str]:
        """Where an agent had two customers at once, by the rows."""
        found = []
        talks: dict[str, list[tuple[datetime, datetime, str]]] = {}
        for row in self.calls():
            if row["bridged_at"] is not None and row["ended_at"] is not None:
                talk = (row["bridged_at"], row["ended_at"], row["unique_id"])
                talks.setdefault(row["source_extension"], []).append(talk)
        for agent, intervals in talks.items():
            for (_, ended, first), (began, _, second) in itertools.pairwise(sorted(intervals)):
                if began < ended:
                    found.append(
                        f"agent {agent}: {second} began {(ended - began).total_seconds():.3f} s before {first} ended"
                    )
        return found


class Stage:
    """The lab with a database, and the dialers that a test starts on it."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab = lab
        self.folder = folder
        self.database = f"e2e_{os.getpid()}_{next(_numbers)}"
        lab.create_database(self.database)
        self.ledger = Ledger(lab, self.database)
        self.ledger.prepare()
        self.dialers: list[Dialer] = []

    def dialer(self, **changes: Any) -> Dialer:
        """A dialer that is not started yet, configured for this stage."""
        engine = {"lease_seconds": 30, "stop_timeout_seconds": 20, **changes.pop("engine", {})}
        made = Dialer(self.lab, self.folder, self.database, engine=engine, **changes)
        self.dialers.append(made)
        return made

    def close(self) -> None:
        """Log everybody out, end the dialers in order, and see that they had no defect and left nothing."""
        self.wait_pressed()
        for dialer in self.dialers:
            if dialer.is_running:
                dialer.log_all_out()
                self.wait_empty()
                assert dialer.stop() == 0, dialer.log[-2000:]
        defects = [line for dialer in self.dialers for line in dialer.defects()]
        assert defects == [], "\n".join(dialer.log for dialer in self.dialers)[-6000:]

    def clear(self) -> None:
        """Leave no process and no database."""
        for dialer in self.dialers:
            dialer.ensure_ended()
        self.ledger.close()
        self.lab.mariadb.drop_database(self.database)

    def wait_phones(self) -> None:
        """Wait until the dialers know that all phones are registered."""
        for dialer in self.dialers:
            wait_for(lambda d=dialer: all(it["is_registered"] for it in d.ask("GET", "/extensions")), "the phones")

    def wait_pressed(self) -> None:
        """Wait until all keys are pressed: before that no call may be ended (`lab.keys`)."""
        wait_for(lambda: not is_pressing(self.lab.carrier.asterisk), "all keys to be pressed")

    def wait_empty(self) -> None:
        """Wait until the PBX has no channel and no bridge."""
        try:
            wait_for(lambda: not leftovers(self.lab), "the PBX to be empty")
        except AssertionError as error:
            raise AssertionError(f"{error}; left={leftovers(self.lab)}") from error

    # -- the PBX -----------------------------------------------------------------------------------------------------

    def channels(self) -> dict[str, dict[str, Any]]:
        """The PBX's channels by id."""
        return {channel["id"]: channel for channel in self.lab.pbx.ari.get("channels")}

    def bridges(self) -> dict[str, set[str]]:
        """The PBX's bridges by id, each with its channels."""
        return {bridge["id"]: set(bridge["channels"]) for bridge in self.lab.pbx.ari.get("bridges")}

    def media_of(self, channel: str) -> int:
        """How many media packets the PBX has received on a channel so far."""
        return int(self.lab.pbx.ari.get(f"channels/{channel}/rtp_statistics")["rxcount"])

    def playback(self, id_: str) -> dict[str, Any] | None:
        """A playback that goes on now."""
        try:
            found: dict[str, Any] = self.lab.pbx.ari.get(f"playbacks/{id_}")
        except AriRefused:
            return None
        return found

    def customers(self, *states: str) -> list[dict[str, Any]]:
        """The carrier's channels of customers, in these states of Asterisk's."""
        return [
            channel
            for channel in self.lab.carrier.channels()
            if channel["name"].startswith("PJSIP/pbx-")
            and not channel["name"].startswith("PJSIP/pbx-to-phones-")
            and channel["state"] in states
        ]

    def customers_hang_up(self, *states: str) -> None:
        """Every customer who talks or waits (or who is in one of these states) hangs up now."""
        ari = self.lab.carrier.asterisk.ari
        for channel in self.customers(*(states or ("Up",))):
            with contextlib.suppress(AriRefused):
                ari.delete(f"channels/{channel['id']}", reason="normal")

    def customers_press(self, keys: str) -> None:
        """Every customer whose call was answered presses these keys."""
        for channel in self.customers("Up"):
            self.lab.carrier.press(channel["name"], keys)

    def talking(self) -> list[tuple[str, set[str]]]:
        """The bridges in which a customer is with somebody."""
        return [(bridge, legs) for bridge, legs in self.bridges().items() if len(legs) > 1]


def at_utc(row: dict[str, Any], column: str) -> datetime | None:
    """A time of a row as aware UTC."""
    value = row[column]
    return None if value is None else value.replace(tzinfo=UTC)


def refused_tries(row: dict[str, Any]) -> list[str]:
    """The trunks that refused a call before another one took it."""
    return [trunk for trunk, *_ in json.loads(row["tries"] or "[]")]


def timeline(row: dict[str, Any]) -> dict[str, datetime]:
    """What happened to a call, and when it did the last time, in order."""
    return {what: datetime.fromisoformat(at).replace(tzinfo=UTC) for at, what in json.loads(row["timeline"])}
