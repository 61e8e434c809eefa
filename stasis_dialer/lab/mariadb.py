"""A private MariaDB of the lab with its own data folder, on loopback."""

import contextlib
import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

import pymysql

from stasis_dialer.errors import LabError
from stasis_dialer.lab.asterisk import SOCKET_PATH_LIMIT, PlaceTaken
from stasis_dialer.lab.process import Process
from stasis_dialer.lab.stack import Stack
from stasis_dialer.lab.waiting import until

START_SECONDS = 30.0
DATABASE = "stasis_dialer"
USER = "stasis_dialer"
SYSTEM_SCRIPTS = ("mariadb_system_tables.sql", "mariadb_performance_tables.sql", "mariadb_system_tables_data.sql")
REDO_LOG = "32M"
"""Enough for a minute of the lab's writing; at 128M a start on a busy disk took up to 10 s."""
SQL_MODE = "STRICT_TRANS_TABLES,STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"


class MariaDB:
    """A server below `folder`; one user who may do everything and has a random password."""

    def __init__(self, folder: Path, stack: Stack, port: int, password: str) -> None:
        self.folder = folder
        self.port = port
        self.password = password
        self.log_path = folder / "error.log"
        self.data = folder / "data"
        self._stack = stack
        self._owned = True
        self._init_file = folder / "init.sql"
        self.process = Process(
            "mariadb",
            self._command(),
            folder.parent / "pids" / "mariadb.json",
            folder / "console.log",
            mark=f"--datadir={self.data}",
        )

    @property
    def socket_path(self) -> Path:
        """The Unix socket: with the data, or in the system's folder for temporary files if the path is long."""
        path = self.folder / "mariadb.sock"
        if len(str(path)) < SOCKET_PATH_LIMIT:
            return path
        digest = hashlib.sha256(str(self.folder).encode()).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"stasis-dialer-{os.getuid()}-{digest}.sock"

    def url(self, database: str = DATABASE) -> str:
        """The SQLAlchemy URL of a database of this server, password included."""
        return f"mysql+aiomysql://{USER}:{self.password}@127.0.0.1:{self.port}/{database}?charset=utf8mb4"

    def prepare(self) -> None:
        """Make the data folder when there is none, and the statements that every start runs.

        Raises: LabError when the system tables cannot be made.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._init_file.touch(mode=0o600)
        self._init_file.write_text(
            f"CREATE DATABASE IF NOT EXISTS `{DATABASE}` CHARACTER SET utf8mb4;\n"
            f"CREATE OR REPLACE USER '{USER}'@'127.0.0.1' IDENTIFIED BY '{self.password}';\n"
            f"GRANT ALL PRIVILEGES ON *.* TO '{USER}'@'127.0.0.1' WITH GRANT OPTION;\n"
        )
        if not (self.data / "mysql" / "global_priv.frm").is_file():
            self._bootstrap()

    def launch(self, owned: bool) -> None:
        """Start the server without waiting for it."""
        self._owned = owned
        self.log_path.unlink(missing_ok=True)
        self.process.start(owned)

    def wait_ready(self) -> None:
        """Wait until the server takes queries.

        Raises: PlaceTaken when the port was taken; LabError when it ends or is not ready in time.
        """
        until(lambda: self._answers() or not self.process.is_running(), "mariadb to answer", START_SECONDS)
        if not self.process.is_running():
            log = self.log_path.read_text(errors="replace") if self.log_path.is_file() else self.process.last_output()
            if "Address already in use" in log:
                raise PlaceTaken(f"port taken: name=mariadb port={self.port}")
            raise LabError(f"mariadbd ended while starting: log={' | '.join(log.strip().splitlines()[-4:])}")

    def start(self) -> None:
        """Start again after `stop` or `kill`, and wait until it is ready."""
        self.launch(self._owned)
        self.wait_ready()

    def stop(self) -> None:
        """End the server in order."""
        self.process.stop()
        self.socket_path.unlink(missing_ok=True)

    def kill(self) -> None:
        """End the server as a crash would."""
        self.process.kill()

    def create_database(self, name: str) -> str:
        """Make an empty database, in place of one of that name; its URL."""
        self.execute(f"DROP DATABASE IF EXISTS `{name}`", f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4")
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Remove a database, if it is there."""
        self.execute(f"DROP DATABASE IF EXISTS `{name}`")

    def execute(self, *statements: str) -> None:
        """Run statements outside any database.

        Raises: LabError when the server refuses one.
        """
        try:
            with contextlib.closing(self._connect()) as connection, connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
        except pymysql.MySQLError as error:
            raise LabError(f"the lab's database refused: error={error}") from error

    def _bootstrap(self) -> None:
        (self.data / "mysql").mkdir(parents=True, exist_ok=True)
        scripts = [(self._stack.mariadb_share / name).read_text() for name in SYSTEM_SCRIPTS]
        # The scripts make a root user without a password. Nobody but the lab's own user shall exist.
        script = "\n".join(["use mysql;", *scripts, "DELETE FROM global_priv;", "DELETE FROM proxies_priv;", ""])
        command = [*self._stack.mariadbd, *self._common(), "--bootstrap"]
        done = subprocess.run(command, input=script, capture_output=True, text=True)
        if done.returncode or not (self.data / "mysql" / "global_priv.frm").is_file():
            log = " | ".join(done.stderr.strip().splitlines()[-4:])
            raise LabError(f"the database's system tables could not be made: output={log}")

    def _common(self) -> list[str]:
        words = [
            "--no-defaults",
            f"--datadir={self.data}",
            f"--tmpdir={self.folder}",
            f"--lc-messages-dir={self._stack.mariadb_share}",
            # The same from the first start on: a change would make the next start write the whole log anew.
            f"--innodb-log-file-size={REDO_LOG}",
            # A lab need not survive a crash of the whole machine, and a busy disk would hold up its start for seconds.
            "--debug-no-sync",
        ]
        return [*words, "--user=root"] if os.getuid() == 0 else words

    def _command(self) -> list[str]:
        return [
            *self._stack.mariadbd,
            *self._common(),
            "--bind-address=127.0.0.1",
            f"--port={self.port}",
            f"--socket={self.socket_path}",
            f"--pid-file={self.folder / 'mariadb.pid'}",
            f"--log-error={self.log_path}",
            f"--init-file={self._init_file}",
            "--character-set-server=utf8mb4",
            "--collation-server=utf8mb4_unicode_ci",
            f"--sql-mode={SQL_MODE}",
            "--default-time-zone=+00:00",
            "--max-connections=300",
            "--local-infile=ON",
            "--skip-name-resolve",
            "--innodb-buffer-pool-size=256M",
            # Commits survive a killed server; only a crash of the whole machine may lose the last second.
            "--innodb-flush-log-at-trx-commit=2",
        ]

    def _connect(self) -> "pymysql.Connection[pymysql.cursors.Cursor]":
        return pymysql.connect(
            host="127.0.0.1", port=self.port, user=USER, password=self.password, connect_timeout=5, autocommit=True
        )

    def _answers(self) -> bool:
        try:
            self._connect().close()
        except pymysql.MySQLError:
            return False
        return True
