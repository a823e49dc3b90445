"""Waits in the shell, and their progress."""

from __future__ import annotations

import io
import json
import re
import time

import pytest

from airflow_provider_importstatus.commands.progress import LiveLine, describe_wait, progress_on
from airflow_provider_importstatus.polling.schedule import Wait
from airflow_provider_importstatus.sandbox import Sandbox
from airflow_provider_importstatus.status import ImportState, ImportStatus, RowCounts

from ..conftest import Connect
from .conftest import Ended, Shell

pytestmark = pytest.mark.usefixtures("connections")

# The last poll comes when the timeout expires, much earlier than the schedule's second one.


def wait(shell: Shell, import_id: str, timeout: str = "1") -> Ended:
    return shell("poll", "thalamus_default", import_id, "--wait", "--timeout", timeout)


@pytest.mark.parametrize(("ends", "status"), [("succeeded", 0), ("failed", 1), ("partial", 3)])
def test_a_wait_lasts_until_the_import_has_ended(
    shell: Shell, sandbox: Sandbox, ends: str, status: int
) -> None:
    ended = wait(shell, sandbox.submit("thalamus", ends=ends, seconds=1.5, queued=0), "2")
    assert (ended.status, ended.state) == (status, ends)
    assert sandbox.requests("thalamus")["status"] == 2
    (line,) = ended.err.splitlines()
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00 INFO Import \d+ \(thalamus\) is running", line)


def test_a_timeout_prints_the_last_state(shell: Shell, sandbox: Sandbox) -> None:
    ended = wait(shell, sandbox.submit("thalamus", seconds=60, queued=60), "0")
    assert (ended.status, ended.state) == (4, "queued")
    assert ended.err.splitlines()[-1] == (
        "import-status: The timeout of 0 s has expired. Only this wait has ended: the import may still be"
        " running at the vendor."
    )


def test_a_wait_outlasts_an_outage(shell: Shell, sandbox: Sandbox) -> None:
    sandbox.fault("thalamus", "status", "503")
    ended = wait(shell, sandbox.submit("thalamus", seconds=0))
    assert ended.status == 0
    assert " WARNING A poll failed, the wait continues: " in ended.err


def test_a_timeout_in_an_outage_names_it(shell: Shell, sandbox: Sandbox) -> None:
    sandbox.fault("thalamus", "status", "503", times=None)
    ended = wait(shell, sandbox.submit("thalamus"), "0")
    assert (ended.status, ended.out) == (4, "")
    assert "has expired. The latest poll failed: " in ended.err
    assert "503" in ended.err.splitlines()[-1]


@pytest.mark.usefixtures("short_last_poll")
def test_a_slow_answer_does_not_outlast_the_timeout(shell: Shell, sandbox: Sandbox, connect: Connect) -> None:
    connect("thalamus", extra={"timeout": 3600})
    import_id = sandbox.submit("thalamus", seconds=60)
    sandbox.fault("thalamus", "status", "slow", times=None, seconds=1000)
    began = time.monotonic()
    ended = wait(shell, import_id, "0.3")
    assert (ended.status, ended.out) == (4, "")
    assert time.monotonic() - began < 5


def test_an_import_may_appear_late(shell: Shell, sandbox: Sandbox) -> None:
    ended = wait(shell, sandbox.submit("thalamus", appears=1.5, seconds=1.6), "2")
    assert ended.status == 0
    assert sandbox.requests("thalamus")["status"] == 2


def test_a_rejected_credential_ends_a_wait_in_an_error(
    shell: Shell, connect: Connect, sandbox: Sandbox
) -> None:
    connect("thalamus", password="wrong-horse-battery")
    ended = wait(shell, sandbox.submit("thalamus"), "100")
    assert (ended.status, ended.out, ended.err.count("\n")) == (2, "", 1)


def test_the_live_line_names_state_rows_progress_and_times() -> None:
    status = ImportStatus(
        "thalamus", "7", ImportState.RUNNING, "Processing", rows=RowCounts(total=120), progress=0.25
    )
    wait = Wait(first_poll_at=1000.0, deadline=9000.0, last=status)
    assert describe_wait(wait, 1065.0, 8.6) == ("1:05 running (Processing), next poll in 9 s, 25 %, 120 rows")


def test_the_live_line_names_the_latest_error() -> None:
    wait = Wait(first_poll_at=0.0, deadline=9000.0, last_error="HTTP 503.")
    assert describe_wait(wait, 3661.0, 10.0) == (
        "1:01:01 no state yet, next poll in 10 s, the latest poll failed: HTTP 503."
    )


class Terminal(io.StringIO):
    """A terminal of unknown width."""

    def isatty(self) -> bool:
        return True


def test_only_a_terminal_that_can_erase_gets_a_live_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(progress_on(Terminal()), LiveLine)
    assert not isinstance(progress_on(io.StringIO()), LiveLine)
    monkeypatch.setenv("TERM", "dumb")
    assert not isinstance(progress_on(Terminal()), LiveLine)


@pytest.mark.parametrize(("character", "columns"), [("x", 1), ("漢", 2)])
def test_a_live_line_fits_the_terminal(character: str, columns: int) -> None:
    terminal = Terminal()
    LiveLine(terminal).pause(Wait(first_poll_at=0.0, deadline=9000.0, last_error=character * 500), 0.01)
    (line,) = terminal.getvalue().split("\r\x1b[K")[1:]
    assert len(line) + (columns - 1) * line.count(character) in (78, 79)


@pytest.mark.parametrize("fault", ["503", None])
def test_a_described_vendor_is_polled_at_its_own_pace(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, fault: str | None
) -> None:
    document = {
        "version": 1,
        "name": "acme",
        "auth": {"type": "bearer"},
        "status": {"path": "/jobs/{import_id}"},
        "state": {"path": "state", "map": {"running": ["LOADING"], "succeeded": ["DONE"]}},
        "pace": {"min_interval": 45},
    }
    pauses = []

    def interrupt(seconds: float) -> None:
        pauses.append(seconds)
        raise KeyboardInterrupt

    monkeypatch.setattr("airflow_provider_importstatus.commands.progress.time.sleep", interrupt)
    with Sandbox(descriptions=[document]) as acme:
        monkeypatch.setenv("AIRFLOW_CONN_ACME_DEFAULT", json.dumps(acme.connections["acme_default"]))
        if fault:
            acme.fault("acme", "status", fault, times=None)
        ended = shell("poll", "acme_default", acme.submit("acme", seconds=60, queued=0), "--wait")
    assert ended.status == 4
    assert min(pauses) >= 45
