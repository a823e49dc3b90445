"""A private PostgreSQL cluster in a temporary directory, on a free port, removed afterwards."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2

from demo.configuration import free_ports

#: Where Debian installs the programs of each version; elsewhere they are on the PATH.
DEBIAN = Path("/usr/lib/postgresql")
USER = "airflow"
#: The data is removed after the tests, so it need not reach the disk.
QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200")


class PostgresError(RuntimeError):
    """Raised if PostgreSQL is missing or does not start. The message says what to do."""


@dataclass
class Postgres:
    """A running cluster; its files are in `home`."""

    programs: Path
    home: Path
    port: int
    password: str
    _process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        """Return the directory of its databases."""
        return self.home / "data"

    @property
    def pid(self) -> int:
        """Return the process that started all others."""
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def start(self) -> None:
        """Start it on its port with its data, and return once it accepts connections."""
        self._process = _start(self)
        _wait_until_ready(self, self._process)

    def stop(self) -> None:
        """Disconnect all clients, and stop."""
        if self._process:
            _stop(self._process)

    def create_database(self, name: str) -> str:
        """Create an empty database; return its SQLAlchemy URL."""
        self._run("createdb", name)
        return f"postgresql+psycopg2://{USER}:{self.password}@127.0.0.1:{self.port}/{name}"

    def query(self, database: str, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows that a query finds in a database."""
        where = {"host": "127.0.0.1", "port": self.port, "user": USER, "password": self.password}
        with closing(psycopg2.connect(dbname=database, **where)) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    def is_ready(self) -> bool:
        """Return whether it accepts connections."""
        return subprocess.run(self._command("pg_isready", "-q"), check=False).returncode == 0

    def _run(self, program: str, *arguments: str) -> None:
        env = {**os.environ, "PGPASSWORD": self.password}
        subprocess.run(self._command(program, *arguments), env=env, check=True, timeout=60)

    def _command(self, program: str, *arguments: str) -> list[str]:
        return [str(self.programs / program), "-h", "127.0.0.1", "-p", str(self.port), "-U", USER, *arguments]


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Start a cluster for a `with` block."""
    home = Path(tempfile.mkdtemp(prefix="postgres-"))
    server = Postgres(_programs(), home, free_ports(1)[0], secrets.token_hex(16))
    try:
        _initialise(server)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _programs() -> Path:
    found = sorted(DEBIAN.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    initdb = found[-1] if found else shutil.which("initdb")
    if initdb is None:
        raise PostgresError(
            "These tests need PostgreSQL's programs initdb and postgres. Install PostgreSQL, e.g. with"
            " `apt-get install postgresql`, or put its bin directory on the PATH."
        )
    return Path(initdb).resolve().parent


def _initialise(server: Postgres) -> None:
    home = server.home
    password_file = home / "password"
    password_file.write_text(server.password)
    if os.getuid() == 0:
        for path in (home, password_file):
            shutil.chown(path, "postgres", "postgres")
    arguments = ["--locale=C", "--encoding=UTF8", "--no-sync", "--auth=scram-sha-256", f"--username={USER}"]
    command: list[str | Path] = [
        server.programs / "initdb",
        *arguments,
        f"--pwfile={password_file}",
        server.data,
    ]
    with (home / "initdb.log").open("wb") as log:
        code = subprocess.run(
            command, cwd=home, stdout=log, stderr=log, check=False, timeout=120, **_as_ordinary_user()
        ).returncode
    if code:
        raise PostgresError(f"initdb failed ({code}):\n{(home / 'initdb.log').read_text(errors='replace')}")


def _start(server: Postgres) -> subprocess.Popen[bytes]:
    home = server.home
    options = ("listen_addresses=127.0.0.1", f"unix_socket_directories={home}", *QUICK)
    command: list[str | Path] = [server.programs / "postgres", "-D", server.data, "-p", str(server.port)]
    with (home / "postgres.log").open("ab") as log:
        return subprocess.Popen(
            [*command, *(part for option in options for part in ("-c", option))],
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            **_as_ordinary_user(),
        )


def _as_ordinary_user() -> dict[str, Any]:
    # PostgreSQL does not run as root.
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}


def _wait_until_ready(server: Postgres, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while not server.is_ready():
        if process.poll() is not None or time.monotonic() > deadline:
            log = (server.home / "postgres.log").read_text(errors="replace")
            raise PostgresError(f"PostgreSQL does not take connections. Its log:\n{log}")
        time.sleep(0.1)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)  # A fast shutdown.
    with suppress(subprocess.TimeoutExpired):
        process.wait(20)
        return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
