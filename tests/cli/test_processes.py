"""The commands as processes: both entry points, signals, a terminal, the metadata database."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from airflow import __version__ as airflow_version

from airflow_provider_importstatus.sandbox import Sandbox

from ..conftest import Connect
from .conftest import MODULE, environment, run_process

AIRFLOW = str(Path(sys.executable).parent / "airflow")
#: Create a metadata database with a connection.
PREPARE = """
import json, os
from airflow.models import Connection
from airflow.utils import db
from airflow.utils.session import create_session

db.initdb()
with create_session() as session:
    session.add(Connection(conn_id="stored", **json.loads(os.environ["STORED"])))
"""

has_provider_commands = pytest.mark.skipif(
    tuple(map(int, airflow_version.split(".")[:2])) < (3, 2), reason="from Airflow 3.2"
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, running_sandbox: Sandbox) -> str:
    """Return the home of an Airflow whose database has Clear's connection `stored`."""
    home = str(tmp_path_factory.mktemp("airflow"))
    connection = running_sandbox.connections["clear_default"]
    stored = json.dumps({**connection, "extra": json.dumps(connection["extra"])})
    prepared = run_process(sys.executable, "-c", PREPARE, AIRFLOW_HOME=home, STORED=stored)
    assert prepared.status == 0, prepared.err
    return home


@has_provider_commands
@pytest.mark.usefixtures("connections")
def test_both_entry_points_do_the_same(sandbox: Sandbox) -> None:
    import_id = sandbox.submit("thalamus", ends="partial", seconds=0)
    words = ("poll", "thalamus_default", import_id)
    ended = run_process(AIRFLOW, "import-status", *words)
    assert (ended.status, ended.err) == (3, "")
    assert f"import    {import_id}\n" in ended.out
    assert run_process(*MODULE, *words) == ended


@has_provider_commands
def test_airflow_shows_the_commands() -> None:
    ended = run_process(AIRFLOW, "import-status", "poll", "--help")
    assert ended.status == 0
    assert "CONN_ID IMPORT_ID" in ended.out
    assert "3 partial" in ended.out


def test_the_commands_are_defined_without_imports() -> None:
    code = "import sys, airflow_provider_importstatus.cli; print(*sys.modules)"
    loaded = run_process(sys.executable, "-c", code).out.split()
    packages = {name.split(".")[0] for name in loaded}
    assert packages - sys.stdlib_module_names - {"__main__"} <= {
        "airflow_provider_importstatus",
        "sitecustomize",
    } | {name for name in packages if name.startswith(("_distutils", "__editable__", "_virtualenv"))}
    ours = {name for name in loaded if name.startswith("airflow_provider_importstatus.")}
    assert ours == {"airflow_provider_importstatus.cli"}


def test_a_connection_is_read_from_the_metadata_database_and_its_token_shared(
    home: str, sandbox: Sandbox
) -> None:
    import_id = sandbox.submit("clear", ends="partial", seconds=0)
    for _ in range(2):
        ended = run_process(*MODULE, "poll", "stored", import_id, "-o", "json", AIRFLOW_HOME=home)
        assert (ended.status, json.loads(ended.out)["state"], ended.err) == (3, "partial", "")
    # A second one would have revoked the first, with which other processes wait.
    assert sandbox.requests("clear")["token"] == 1


def test_without_a_metadata_database_no_token_is_revoked(
    connect: Connect, sandbox: Sandbox, tmp_path: Path
) -> None:
    connect("clear")
    import_id = sandbox.submit("clear")
    ended = run_process(*MODULE, "poll", "clear_default", import_id, AIRFLOW_HOME=str(tmp_path))
    assert (ended.status, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert "cannot be read: OperationalError. Check Airflow's database" in ended.err
    assert sandbox.requests("clear").get("token", 0) == 0


@pytest.mark.usefixtures("connections")
def test_verbose_shows_logs_on_stderr_only(sandbox: Sandbox) -> None:
    import_id = sandbox.submit("thalamus", ends="partial", seconds=0)
    words = ("poll", "thalamus_default", import_id, "-o", "json", "--verbose")
    ended = run_process(*MODULE, *words, AIRFLOW__LOGGING__LOGGING_LEVEL="DEBUG")
    assert (ended.status, json.loads(ended.out)["import_id"]) == (3, import_id)
    assert "thalamus_default" in ended.err
    secrets = sandbox.connections["thalamus_default"]
    assert secrets["password"] not in ended.err
    assert secrets["extra"]["token"] not in ended.err


def interruptible(command: list[str]) -> subprocess.Popen[str]:
    """Start a process that SIGINT ends, also where the shell of the tests ignores it."""

    def end_on_interrupt() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)

    return subprocess.Popen(
        command,
        env=environment(),
        preexec_fn=end_on_interrupt,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.usefixtures("connections")
def test_an_interrupt_ends_a_wait_with_the_last_state(sandbox: Sandbox) -> None:
    import_id = sandbox.submit("thalamus", seconds=60, queued=60)
    command = [*MODULE, "poll", "thalamus_default", import_id, "--wait", "-o", "json"]
    with interruptible(command) as process:
        try:
            assert process.stderr is not None
            assert "is queued" in process.stderr.readline()
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
        finally:
            process.kill()
    assert (process.returncode, json.loads(out)["state"]) == (4, "queued")
    assert err.startswith("import-status: Interrupted. Only this wait has ended: ")
    assert err.count("\n") == 1


@pytest.mark.usefixtures("connections")
def test_an_interrupted_submission_may_have_started_the_import(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "sales.csv").write_text("sku;amount\n")
    sandbox.fault("thalamus", "submit", "slow", seconds=60)
    command = [*MODULE, "submit", "thalamus_default", str(tmp_path / "sales.csv"), "--param", "type=25011"]
    with interruptible(command) as process:
        try:
            while not sandbox.requests("thalamus").get("submit") and process.poll() is None:
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
        finally:
            process.kill()
    assert (process.returncode, out) == (2, "")
    assert err == (
        "import-status: Interrupted. The vendor may have started the import: look there before you submit the"
        " file again.\n"
    )


@pytest.mark.usefixtures("connections")
def test_a_terminal_shows_a_live_line_that_is_erased_at_the_end(sandbox: Sandbox) -> None:
    import_id = sandbox.submit("thalamus", ends="partial", seconds=60, queued=0)
    command = [*MODULE, "poll", "thalamus_default", import_id, "--wait", "--timeout", "2"]
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 200))
    with (
        open(ours, "rb", buffering=0) as terminal,  # noqa: PTH123 - a file descriptor
        subprocess.Popen(
            command, env=environment(TERM="xterm"), stdout=subprocess.PIPE, stderr=theirs, text=True
        ) as process,
    ):
        try:
            os.close(theirs)
            out, _ = process.communicate(timeout=60)
            shown = terminal.read(100_000).decode()
        finally:
            process.kill()
    assert process.returncode == 4
    assert "running (PROCESSING)" in out
    first, *further, last = shown.split("\r\x1b[K")[1:]
    line = r"0:00 running \(PROCESSING\), next poll in 2 s, \d+ %, (\d of )?\d+ rows.*"
    assert re.fullmatch(line, first)
    assert any(line.startswith("0:01 running (PROCESSING), next poll in 1 s, ") for line in further)
    assert last.startswith("import-status: The timeout of 2 s has expired.")


@pytest.mark.usefixtures("connections")
def test_a_closed_pipe_is_no_error(sandbox: Sandbox) -> None:
    command = [*MODULE, "poll", "thalamus_default", sandbox.submit("thalamus", ends="partial", seconds=0)]
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ended = subprocess.run(
            command, env=environment(), stdout=writer, stderr=subprocess.PIPE, timeout=60, check=False
        )
    finally:
        os.close(writer)
    assert (ended.returncode, ended.stderr) == (3, b"")
