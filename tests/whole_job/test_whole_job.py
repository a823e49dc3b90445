"""Jobs in a real Airflow whose workers and triggerers are killed: how often is a file imported?

All jobs run at the same time. Each test waits for one of them.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_importstatus.sandbox import Sandbox
from airflow_provider_importstatus.version_compat import is_airflow
from demo.deployment import Deployment

from ..operators.tasks import write_file
from .conftest import Job, Start

#: Long enough for what is done to a task while its import goes on.
LONG = {"seconds": 40, "queued": 0}
#: How many imports there are after a clear in mid-wait. From Airflow 3.4 on, a clear discards the state.
AFTER_CLEAR = 2 if is_airflow(3, 4) else 1


def kill_worker(job: Job) -> Job:
    """Kill the process of the task when it has submitted its file."""
    job.wait_for(lambda: job.imports and job.task()["pid"], "submission")
    os.kill(job.task()["pid"], signal.SIGKILL)
    return job


def change(job: Job, **scenario: Any) -> None:
    """Write another file under the same name."""
    write_file(job.file.parent, job.file.name, **scenario)


def interrupted_before_it_defers(start: Start, sandbox: Sandbox) -> Job:
    # The first poll follows the submission, and a task defers only after it.
    sandbox.fault("zilliant", "status", "slow", seconds=25)
    return kill_worker(start("interrupted", "zilliant", **LONG))


def killed_while_it_polls(start: Start) -> Job:
    return kill_worker(start("polling", **LONG))


def ended_while_nobody_waits(start: Start) -> Job:
    return kill_worker(start("polling", seconds=1, queued=0, unknown=0.5, appears=0))


def vanished(start: Start) -> Job:
    job = start("polling", seconds=60, queued=0, vanishes=0)
    job.wait_for(lambda: job.imports, "submission")
    change(job, seconds=2)
    return kill_worker(job)


def changed(start: Start) -> Job:
    job = kill_worker(start("polling", **LONG))
    change(job, seconds=2, rows=7)
    return job


def failed(start: Start) -> Job:
    return start("polling", ends="failed")


def partial(start: Start) -> Job:
    return start("deferred", ends="partial", seconds=4)


def cancelled(start: Start) -> Job:
    return start("cancelled_on_worker", "thalamus", ends="cancelled")


def unstorable(start: Start) -> Job:
    return start("unstorable", seconds=2)


def cleared_while_it_waits(start: Start, deployment: Deployment) -> Job:
    job = start("deferred", **LONG)
    job.wait_for_state("deferred")
    deployment.api.clear(job.run, "load")
    return job


def cleared_after_success(start: Start, deployment: Deployment) -> Job:
    job = start("deferred", seconds=1)
    # A scheduler that is just about to end the run would end it in spite of the clear (Airflow 3.3.2).
    assert job.wait_for_end() == "success"
    deployment.api.clear(job.run, "load")
    job.wait_for(lambda: len(job.imports) == 2, "second submission")
    return job


def marked_failed_while_deferred(start: Start, deployment: Deployment) -> Job:
    job = start("cancelled_in_triggerer", "thalamus", **LONG)
    # Before a triggerer has started the trigger, nobody can cancel.
    job.wait_for(lambda: "starting" in job.trigger_log(), "trigger")
    deployment.api.mark(job.run, "load", "failed")
    job.wait_for(lambda: job.phases == ["cancelled"], "cancellation")
    return job


def marked_failed_on_a_worker(start: Start, deployment: Deployment) -> Job:
    job = start("cancelled_on_worker", "thalamus", **LONG)
    job.wait_for(lambda: deployment.api.xcom(job.run, "load", "import_status"), "first poll")
    deployment.api.mark(job.run, "load", "failed")
    job.wait_for(lambda: job.phases == ["cancelled"], "cancellation")
    return job


def cleared_with_cancel_on_kill(start: Start, deployment: Deployment) -> Job:
    job = start("cancelled_in_triggerer", "thalamus", **LONG)
    job.wait_for_state("deferred")
    deployment.api.clear(job.run, "load")
    return job


SCRIPTS: tuple[Callable[..., Job], ...] = (
    interrupted_before_it_defers,
    killed_while_it_polls,
    ended_while_nobody_waits,
    vanished,
    changed,
    failed,
    partial,
    cancelled,
    unstorable,
    cleared_while_it_waits,
    cleared_after_success,
    cleared_with_cancel_on_kill,
    marked_failed_while_deferred,
    marked_failed_on_a_worker,
)
#: Get the job that one of the scripts has interfered with.
GetJob = Callable[[Callable[..., Job]], Job]


@pytest.fixture(scope="module")
def job_of(start: Start, deployment: Deployment, sandbox: Sandbox) -> Iterator[GetJob]:
    """Run all scripts at the same time."""
    parts = {"start": start, "deployment": deployment, "sandbox": sandbox}
    with ThreadPoolExecutor(len(SCRIPTS)) as pool:
        futures = {
            script: pool.submit(
                script, **{name: parts[name] for name in script.__annotations__ if name in parts}
            )
            for script in SCRIPTS
        }
        yield lambda script: futures[script].result()


@pytest.mark.parametrize(
    ("script", "phases", "state", "tries"),
    [
        (interrupted_before_it_defers, ["succeeded"], "success", 2),
        (killed_while_it_polls, ["succeeded"], "success", 2),
        (ended_while_nobody_waits, ["succeeded"], "success", 2),
        (vanished, ["absent", "succeeded"], "success", 2),
        (changed, ["succeeded"], "success", 2),
        (failed, ["failed", "failed"], "failed", 2),
        (partial, ["partial", "partial"], "failed", 2),
        (cancelled, ["cancelled"], "failed", 1),
        (unstorable, ["succeeded"], "success", 1),
        (cleared_while_it_waits, ["succeeded"] * AFTER_CLEAR, "success", 2),
        (cleared_after_success, ["succeeded", "succeeded"], "success", 2),
        (cleared_with_cancel_on_kill, ["succeeded"] * AFTER_CLEAR, "success", 2),
        (marked_failed_while_deferred, ["cancelled"], "failed", 1),
        (marked_failed_on_a_worker, ["cancelled"], "failed", 1),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_file_is_submitted_as_often_as_is_right(
    job_of: GetJob, script: Callable[..., Job], phases: list[str], state: str, tries: int
) -> None:
    job = job_of(script)
    assert (job.wait_for_end(), job.phases, job.task()["try_number"]) == (state, phases, tries)


@pytest.mark.parametrize(
    ("script", "line"),
    [
        (interrupted_before_it_defers, "Taking up import"),
        (changed, "The file has changed since it was submitted"),
        (vanished, "The file is submitted again"),
        (failed, "SubmittedImportError"),
        pytest.param(
            cleared_after_success,
            "because the task was cleared",
            marks=pytest.mark.skipif(AFTER_CLEAR > 1, reason="a clear forgets the import"),
        ),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_the_log_of_the_second_try_says_what_it_did(
    job_of: GetJob, script: Callable[..., Job], line: str
) -> None:
    job = job_of(script)
    job.wait_for_end()
    assert line.lower() in job.log(2).lower()


def test_a_store_that_cannot_be_written_is_an_error_that_names_the_import(job_of: GetJob) -> None:
    job = job_of(unstorable)
    job.wait_for_end()
    (line,) = [line for line in job.log().splitlines() if "task state store cannot be written" in line]
    assert job.imports[0]["import_id"] in line
    assert '"error"' in line
    assert "hunter2" not in job.log()


def test_a_person_cancels_once(job_of: GetJob, sandbox: Sandbox) -> None:
    for script in (marked_failed_while_deferred, marked_failed_on_a_worker, cleared_with_cancel_on_kill):
        job_of(script).wait_for_end()
    assert sandbox.requests("thalamus")["cancel"] == 2


@pytest.mark.parametrize("dag_id", ["reports_polling", "reports_deferred", "ends_in_triggerer"])
def test_error_reports_are_stored_in_every_mode(
    start: Start, deployment: Deployment, tmp_path: Path, dag_id: str
) -> None:
    job = start(dag_id, "clear", reports=tmp_path, ends="partial", rejected=2, seconds=4)
    assert job.wait_for_end() == "success"
    result = deployment.api.xcom(job.run, "load")
    (report,) = map(Path, result["error_reports"])
    assert report == tmp_path / "clear" / "clear_default" / result["import_id"] / "ingestion-1.csv"
    assert report.read_text().count("Line") == 2


def test_a_sensor_waits_for_what_another_task_has_submitted(start: Start, deployment: Deployment) -> None:
    job = start("two_tasks", "thalamus", seconds=4)
    assert job.wait_for_end() == "success"
    assert deployment.api.xcom(job.run, "load")["import_id"] == job.imports[0]["import_id"]


def test_a_dag_scheduled_by_the_asset_reads_the_counts(start: Start, deployment: Deployment) -> None:
    deployment.wait_for(lambda: deployment.api.knows("consumer"), "DAG consumer", 60)
    deployment.api.unpause("consumer")
    job = start("producer", "thalamus", ends="partial", rejected=3)
    assert job.wait_for_end() == "success"

    # Until this run has started, the list of asset events is an error on Airflow 3.3.2.
    run = deployment.wait_for(lambda: deployment.api.runs("consumer"), "run of DAG consumer", 60)[0]
    assert deployment.wait_for_end(run, 120) == "success"
    (event,) = deployment.api.asset_events(job.run)
    summary = event["extra"]["import_status"]
    assert summary["rows"] == {"total": 120, "succeeded": 117, "failed": 3, "skipped": 0}
    assert set(summary) == {"vendor", "import_id", "state", "rows", "finished_at"}
    assert deployment.api.xcom(run, "read") == summary


def test_a_killed_triggerer_submits_nothing(start: Start, deployment: Deployment) -> None:
    job = start("deferred", **LONG)
    job.wait_for_state("deferred")
    deployment.replace("triggerer")
    assert (job.wait_for_end(), job.phases) == ("success", ["succeeded"])
