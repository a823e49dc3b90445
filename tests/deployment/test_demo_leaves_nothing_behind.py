"""Cleanup: however a deployment or the demo ends, none of its processes survives."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from demo.deployment import COMPONENTS, ComponentDied, Deployment
from demo.processes import processes_of, signals

ROOT = Path(__file__).parents[2]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """Return an AIRFLOW_HOME; its processes are ended even if the test fails."""
    home = tmp_path / "airflow"
    yield home
    for pid in processes_of(home):
        os.kill(pid, signal.SIGKILL)


def start_demo(home: Path, processes: int) -> subprocess.Popen[str]:
    """Return a demo that is starting Airflow, once it has this many processes."""
    demo = subprocess.Popen(
        [sys.executable, "-m", "demo", "--home", home], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while len(processes_of(home)) < processes:
        assert demo.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return demo


def fake_airflow(directory: Path, component: str, migration: str = "exit 0") -> Path:
    """Return a `bin_dir` with an `airflow` command that runs these lines of shell."""
    command = directory / "airflow-command" / "airflow"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nif [ "$1" = db ]; then {migration}; fi\n{component}\n')
    command.chmod(0o755)
    return command.parent


def wait_for_children(airflow: Deployment, component: str, count: int) -> set[int]:
    """Return the processes that a component has started, as soon as there are this many."""
    leader = airflow.processes[component].pid

    def children() -> set[int]:
        found = {pid for pid in airflow.alive() if pid != leader and group_of(pid) == leader}
        return found if len(found) >= count else set()

    return airflow.wait_for(children, f"{count} children of the {component}", timeout=60)


def group_of(pid: int) -> int | None:
    """Return the group of a process, `None` if it has just ended."""
    with suppress(ProcessLookupError):
        return os.getpgid(pid)
    return None


def test_no_process_is_left_after_a_normal_end(home: Path) -> None:
    with Deployment(home, home / "dags") as airflow:
        wait_for_children(airflow, "triggerer", 2)  # its log server and its runner

    assert airflow.alive() == []


def test_no_process_is_left_after_a_scheduler_crash(home: Path) -> None:
    with pytest.raises(ComponentDied, match=r"Airflow's scheduler ended \(-9\)"):  # noqa: PT012, SIM117
        with Deployment(home, home / "dags") as airflow:
            orphans = wait_for_children(airflow, "scheduler", 5)  # its log server and its workers
            airflow.processes["scheduler"].kill()
            airflow.processes["scheduler"].wait()
            assert orphans.intersection(airflow.alive())
            airflow.check()

    assert airflow.alive() == []


@pytest.mark.parametrize(
    ("number", "processes", "exit_code"),
    [
        pytest.param(signal.SIGINT, 1, 130, id="Ctrl-C while the database is made"),
        pytest.param(signal.SIGINT, len(COMPONENTS), 130, id="Ctrl-C while Airflow starts"),
        pytest.param(signal.SIGTERM, len(COMPONENTS), 143, id="SIGTERM while Airflow starts"),
    ],
)
def test_no_process_is_left_after_an_interrupt(
    home: Path, number: int, processes: int, exit_code: int
) -> None:
    with start_demo(home, processes) as demo:
        demo.send_signal(number)
        demo.communicate(timeout=30)

    assert demo.returncode == exit_code
    assert processes_of(home) == []


def test_a_second_ctrl_c_does_not_interrupt_the_cleanup(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("demo.deployment.GRACE", 1)
    bin_dir = fake_airflow(tmp_path, "trap '' TERM; while :; do sleep 1; done")
    heard: list[int] = []
    with (
        signals(lambda number, _: heard.append(number), signal.SIGINT),
        Deployment(home, home / "dags", bin_dir=bin_dir) as airflow,
    ):
        assert airflow.alive()
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()

    assert heard == []
    assert airflow.alive() == []


def test_no_process_is_left_after_a_failed_database_migration(home: Path, tmp_path: Path) -> None:
    bin_dir = fake_airflow(tmp_path, "", migration="echo disk full; sleep 60 & exit 3")

    with pytest.raises(ComponentDied, match=r"db-migrate ended \(3\).*\ndisk full"):
        Deployment(home, home / "dags", bin_dir=bin_dir).__enter__()

    assert processes_of(home) == []


def test_the_next_start_ends_processes_of_a_killed_demo(home: Path) -> None:
    with start_demo(home, 1) as demo:
        demo.kill()
    assert processes_of(home)

    airflow = Deployment(home, home / "dags")
    airflow.stop()

    assert airflow.alive() == []
