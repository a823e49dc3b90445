"""Error reports of 200 MB: how much memory they take, and what is left if the process is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from airflow_provider_importstatus.sandbox import Sandbox

pytestmark = pytest.mark.usefixtures("connections")

VENDOR = "clear"
MIB = 1024 * 1024
LARGE = 200 * MIB
#: Runs a task on a worker, first with a small report and then with a large one; prints its peak memory in
#: KiB after each.
WORKER = """
import json, resource, sys
from airflow_provider_importstatus.sensors.import_status import ClearImportSensor
mode, folder, *imports = json.loads(sys.argv[1])
for import_id in imports:
    task = ClearImportSensor(
        task_id="wait", import_id=import_id, on_partial="succeed", error_report_path=folder
    )
    if mode == "poke":
        task.execute({})
    else:
        from airflow_provider_importstatus.hooks.clear import ClearHook
        from airflow_provider_importstatus.polling.events import write_event
        from airflow_provider_importstatus.polling.schedule import Finished
        event = write_event(Finished(ClearHook().get_import_status(import_id)))
        task.resume_execution("execute_complete", {"event": event}, {})
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, flush=True)
"""


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    return tmp_path / "reports"


def submit(sandbox: Sandbox, size: int) -> str:
    return sandbox.submit(VENDOR, ends="partial", rejected=2, seconds=0, report_kib=size // 1024)


@contextmanager
def worker(mode: str, folder: Path, *imports: str) -> Iterator[subprocess.Popen[str]]:
    """Start a process that runs the tasks of these imports."""
    command = [sys.executable, "-c", WORKER, json.dumps([mode, str(folder), *imports])]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def memory(process: subprocess.Popen[str]) -> list[int]:
    """Return the numbers that a worker prints, in bytes."""
    output, _ = process.communicate(timeout=120)
    return [int(line) * 1024 for line in output.splitlines() if line.isdecimal()]


@pytest.mark.parametrize("mode", ["poke", "deferred"])
def test_a_large_report_takes_little_memory(sandbox: Sandbox, reports: Path, mode: str) -> None:
    imports = [submit(sandbox, MIB), submit(sandbox, LARGE)]
    with worker(mode, reports, *imports) as process:
        small, large = memory(process)
    assert [path.stat().st_size for path in _files(reports, imports[1])] == [LARGE]
    assert large - small < 64 * MIB


@pytest.mark.parametrize("mode", ["poke", "deferred"])
def test_a_killed_process_leaves_no_half_report(sandbox: Sandbox, reports: Path, mode: str) -> None:
    import_id = submit(sandbox, LARGE)
    with worker(mode, reports, import_id) as process:
        ends = time.monotonic() + 60
        while not _has_begun(reports) and time.monotonic() < ends:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert _has_begun(reports)
    assert [path.stat().st_size for path in _files(reports, import_id)] in ([], [LARGE])

    with worker(mode, reports, import_id) as process:
        memory(process)
    assert [path.stat().st_size for path in _files(reports, import_id)] == [LARGE]
    # Nor anything else.
    assert len([path for path in reports.rglob("*") if path.is_file()]) == 1


def _files(reports: Path, import_id: str) -> list[Path]:
    return sorted((reports / VENDOR / "clear_default" / import_id).glob("*.csv"))


def _has_begun(reports: Path) -> bool:
    return any(path.is_file() and path.stat().st_size for path in reports.rglob("*"))
