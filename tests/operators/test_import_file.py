"""The operators: what they submit, how they end, and what a retry takes up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred, conf
from fsspec.implementations.local import LocalFileSystem

from airflow_provider_importstatus.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
    ImportSettingsError,
    ImportUnavailableError,
    SubmissionUncertainError,
    SubmittedImportError,
)
from airflow_provider_importstatus.operators import import_file
from airflow_provider_importstatus.operators.durable import STORE_KEY
from airflow_provider_importstatus.operators.import_file import (
    ImportFileOperator,
    TaoAdvanceImportOperator,
    ThalamusImportOperator,
)
from airflow_provider_importstatus.sandbox import Sandbox

from ..conftest import ENDLESS, VENDORS, Connect, Logged
from ..vendors import SAMPLES
from .tasks import VENDOR, Job, Store, TriedTaskInstance, write_file

pytestmark = pytest.mark.usefixtures("connections")

#: A wait that ends at once, as if the worker were killed after the first poll.
INTERRUPTED: dict[str, Any] = {"timeout": 0}


@pytest.fixture
def job(sandbox: Sandbox, tmp_path: Path) -> Job:
    """Return a task whose file is imported at once."""
    return Job(sandbox, Store(), {"file": str(write_file(tmp_path))})


def course(tmp_path: Path, **scenario: Any) -> str:
    return str(write_file(tmp_path, **scenario))


def interrupt(job: Job, **changed: Any) -> str:
    """Run a try that is interrupted while it waits; return the id of its import."""
    with pytest.raises(AirflowSensorTimeout):
        job.run(**INTERRUPTED, **changed)
    return job.submitted[-1]


PARAMS = {vendor: SAMPLES[vendor].submit_params for vendor in VENDORS}
OPERATORS = {
    cls.conn_type: cls for name in import_file.__all__ if (cls := getattr(import_file, name)).conn_type
}


@pytest.mark.parametrize("vendor", PARAMS)
@pytest.mark.parametrize("is_generic", [False, True], ids=["own operator", "generic operator"])
def test_a_file_is_submitted_once_and_its_import_waited_for(
    sandbox: Sandbox, tmp_path: Path, vendor: str, is_generic: bool
) -> None:
    file = course(tmp_path, seconds=0)
    if is_generic:
        task: Any = ImportFileOperator(
            task_id="load", file=file, conn_id=f"{vendor}_default", submit_params=PARAMS[vendor]
        )
    else:
        task = OPERATORS[vendor](task_id="load", file=file, **PARAMS[vendor])
    ti = TriedTaskInstance()

    result = task.execute({"ti": ti})

    (submitted,) = sandbox.imports(vendor)
    assert submitted["file"] == "roster.csv"
    assert (result["vendor"], result["state"]) == (vendor, "succeeded")
    assert result["import_id"] == submitted["import_id"] == ti.xcoms["import_status"]["import_id"]


@pytest.mark.parametrize("vendor", PARAMS)
@pytest.mark.parametrize(
    ("name", "meant"),
    [("poll_intervall", "poll_interval"), ("poke_interval", "poll_interval"), ("dureable", "durable")],
)
def test_a_misspelt_parameter_is_rejected_with_the_nearest_name(vendor: str, name: str, meant: str) -> None:
    parameters = {**PARAMS[vendor], name: 5}
    # Airflow 2.11 raises an AirflowException.
    with pytest.raises((TypeError, AirflowException), match=f"Write {meant} instead of {name}"):
        OPERATORS[vendor](task_id="load", file="x.csv", **parameters)


def test_the_vendors_operators_are_those_of_the_sensors() -> None:
    assert set(OPERATORS) == set(PARAMS)
    assert all(set(cls.vendor_params) >= set(PARAMS[vendor]) for vendor, cls in OPERATORS.items())


@pytest.mark.parametrize("end", ["failed", "partial"])
def test_a_refused_import_raises_an_error_that_is_retried(job: Job, tmp_path: Path, end: str) -> None:
    with pytest.raises(SubmittedImportError, match=f"is {end}.*A retry of this task submits") as error:
        job.run(file=course(tmp_path, ends=end))
    assert not isinstance(error.value, AirflowFailException)


def test_a_partial_import_is_accepted_by_the_policy(job: Job, tmp_path: Path) -> None:
    result = job.run(file=course(tmp_path, ends="partial", rejected=3), on_partial="succeed")
    assert result["state"] == "partial"


def test_soft_fail_skips_a_failed_import(job: Job, tmp_path: Path) -> None:
    with pytest.raises(AirflowSkipException):
        job.run(file=course(tmp_path, ends="failed"), soft_fail=True)


def test_soft_fail_hides_no_uncertain_submission(job: Job, sandbox: Sandbox) -> None:
    sandbox.fault(VENDOR, "submit", "502")
    with pytest.raises(SubmissionUncertainError):
        job.run(soft_fail=True)


def test_without_waiting_the_result_is_the_id(job: Job) -> None:
    assert job.run(wait_for_completion=False) == job.submitted[0]


def test_a_retry_without_waiting_returns_the_same_id(job: Job) -> None:
    first = job.run(wait_for_completion=False)
    assert job.run(wait_for_completion=False) == first
    assert job.submitted == [first]


def test_a_deferred_task_resumes_with_the_id_of_its_import(job: Job, tmp_path: Path) -> None:
    deferred = job.defer(file=course(tmp_path, **ENDLESS))
    assert deferred.kwargs == {"import_id": job.submitted[0]}
    assert deferred.trigger.import_id == job.submitted[0]


def test_the_id_is_stored_before_the_task_defers(job: Job, tmp_path: Path) -> None:
    job.defer(file=course(tmp_path, **ENDLESS))
    assert job.store.values[STORE_KEY]["import_id"] == job.submitted[0]


def test_the_store_holds_neither_secrets_nor_paths(job: Job, sandbox: Sandbox) -> None:
    job.run()
    stored = str(job.store.values)
    connection = sandbox.connections["tao_advance_default"]
    for secret in (connection["password"], connection["login"], job.options["file"]):
        assert secret not in stored


def test_a_retry_waits_for_the_running_import(job: Job, tmp_path: Path) -> None:
    file = course(tmp_path, seconds=0.6, queued=0)
    first = interrupt(job, file=file)
    assert job.run(file=file, timeout=20)["import_id"] == first
    assert job.submitted == [first]


def test_a_retry_returns_the_finished_import(job: Job) -> None:
    first = job.run()["import_id"]
    assert job.run()["import_id"] == first
    assert job.submitted == [first]


def test_a_retry_returns_an_accepted_partial_import(job: Job, tmp_path: Path) -> None:
    accepting: dict[str, Any] = {
        "file": course(tmp_path, ends="partial", rejected=2),
        "on_partial": "succeed",
    }
    first = job.run(**accepting)["import_id"]
    assert job.run(**accepting)["import_id"] == first
    assert job.submitted == [first]


@pytest.mark.parametrize("end", ["failed", "partial"])
def test_a_retry_submits_a_refused_file_again(job: Job, tmp_path: Path, end: str) -> None:
    file = course(tmp_path, ends=end)
    for _ in range(2):
        with pytest.raises(SubmittedImportError):
            job.run(file=file)
    assert len(job.submitted) == 2


def test_a_retry_submits_a_file_again_whose_import_has_vanished(
    job: Job, tmp_path: Path, logged: Logged
) -> None:
    first = interrupt(job, file=course(tmp_path, seconds=5, vanishes=0))
    result = job.run(file=course(tmp_path))
    assert job.submitted == [first, result["import_id"]]
    assert f"does not know import {first}" in "".join(logged())


def test_a_retry_waits_for_an_import_that_appears_late(job: Job, tmp_path: Path) -> None:
    file = course(tmp_path, appears=0.5, seconds=0.6, queued=0)
    first = job.run(file=file, wait_for_completion=False)
    assert job.run(file=file, not_found_grace=10)["import_id"] == first
    assert job.submitted == [first]


def test_a_changed_file_does_not_replace_a_running_import(job: Job, tmp_path: Path, logged: Logged) -> None:
    first = interrupt(job, file=course(tmp_path, seconds=0.6, queued=0))
    assert job.run(file=course(tmp_path, seconds=1), timeout=20)["import_id"] == first
    assert f"The file has changed since it was submitted as import {first}" in "".join(logged())


def test_a_changed_file_is_submitted_again_when_the_import_has_ended(job: Job, tmp_path: Path) -> None:
    first = job.run()["import_id"]
    second = job.run(file=course(tmp_path, rows=9))["import_id"]
    assert job.submitted == [first, second]


def test_a_missing_file_does_not_hide_a_running_import(job: Job, tmp_path: Path) -> None:
    file = course(tmp_path, seconds=0.6, queued=0)
    first = interrupt(job, file=file)
    Path(file).unlink()
    assert job.run(file=file, timeout=20)["import_id"] == first


def test_another_connection_has_other_imports(job: Job, connect: Any, tmp_path: Path) -> None:
    file = course(tmp_path, **ENDLESS)
    first = interrupt(job, file=file)
    second = interrupt(job, file=file, conn_id=connect(VENDOR, "another"))
    assert job.submitted == [first, second]


def test_a_cleared_task_takes_up_a_running_import(job: Job, tmp_path: Path) -> None:
    file = course(tmp_path, seconds=0.6, queued=0)
    first = interrupt(job, file=file)
    assert job.run(file=file, timeout=20, max_tries=3)["import_id"] == first
    assert job.submitted == [first]
    assert job.store.values[STORE_KEY]["max_tries"] == 3


def test_a_cleared_task_submits_a_finished_file_again(job: Job) -> None:
    first = job.run()["import_id"]
    second = job.run(max_tries=3)["import_id"]
    assert job.submitted == [first, second]
    # Its own retries take up this one.
    assert job.run(max_tries=3)["import_id"] == second


def test_a_retry_does_not_restart_the_timeout_but_a_clear_does(job: Job, tmp_path: Path) -> None:
    file = course(tmp_path, seconds=1.2, queued=0)
    interrupt(job, file=file)
    job.store.values[STORE_KEY]["submitted_at"] -= 100
    with pytest.raises(AirflowSensorTimeout):
        job.run(file=file, timeout=100)
    assert job.run(file=file, timeout=100, max_tries=3)["state"] == "succeeded"
    assert len(job.submitted) == 1


def test_a_store_that_cannot_be_written_is_an_error_in_the_log_only(job: Job, logged: Logged) -> None:
    job.store.broken = ("set",)
    result = job.run()
    assert result["state"] == "succeeded"
    lines = logged()
    (line,) = [line for line in lines if "task state store cannot be written" in line]
    assert result["import_id"] in line
    assert "hunter2" not in "".join(lines)


def test_a_retry_that_cannot_read_the_store_does_not_submit_again(job: Job, tmp_path: Path) -> None:
    file = course(tmp_path, **ENDLESS)
    interrupt(job, file=file)
    job.store.broken = ("get",)
    with pytest.raises(ImportUnavailableError, match="not submitted again"):
        job.run(file=file)
    assert len(job.submitted) == 1


def test_a_first_try_does_without_a_store_that_cannot_be_read(job: Job, logged: Logged) -> None:
    job.store.broken = ("get",)
    assert job.run(try_number=1)["state"] == "succeeded"
    assert sum("task state store cannot be read" in line for line in logged()) == 1


def test_a_file_that_cannot_be_opened_any_more_does_not_hide_a_running_import(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its size can still be read, as without permission to read the file."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise PermissionError

    file = course(tmp_path, seconds=0.6, queued=0)
    first = interrupt(job, file=file)
    monkeypatch.setattr(LocalFileSystem, "open", refuse)
    assert job.run(file=file)["import_id"] == first


@dataclass
class KillingStore(Store):
    """A store during whose writes the task is killed."""

    kill: Callable[[], None] = lambda: None

    def set(self, key: str, value: Any, **more: Any) -> None:
        super().set(key, value, **more)
        self.kill()


def thalamus_task(file: str, **more: Any) -> Any:
    options: dict[str, Any] = {"type": 25011, "cancel_on_kill": True, "timeout": 60, **more}
    return ThalamusImportOperator(task_id="load", file=file, **options)


def test_a_kill_right_after_the_submission_cancels_the_import(sandbox: Sandbox, tmp_path: Path) -> None:
    task = thalamus_task(course(tmp_path, **ENDLESS))
    context: Any = {"ti": TriedTaskInstance(), "task_state_store": KillingStore(kill=task.on_kill)}
    with pytest.raises(SubmittedImportError, match="cancelled"):
        task.execute(context)
    assert [one["phase"] for one in sandbox.imports("thalamus")] == ["cancelled"]


def test_a_kill_while_a_retry_looks_for_the_import_cancels_it(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = course(tmp_path, appears=60, seconds=100)
    context: Any = {"ti": TriedTaskInstance(), "task_state_store": Store()}
    thalamus_task(file, wait_for_completion=False).execute(context)
    retry = thalamus_task(file, not_found_grace=60)

    def killed(_: float) -> None:
        retry.on_kill()
        raise KeyboardInterrupt

    monkeypatch.setattr("airflow_provider_importstatus.operators.import_file.time.sleep", killed)
    with pytest.raises(KeyboardInterrupt):
        retry.execute(context)
    assert sandbox.requests("thalamus")["cancel"] == 1


def test_without_durable_each_try_submits(job: Job) -> None:
    assert [job.run(durable=False)["import_id"] for _ in range(2)] == job.submitted
    assert not job.store.values


def test_without_a_store_one_line_says_that_durable_has_no_effect(tmp_path: Path, logged: Logged) -> None:
    task: Any = OPERATORS[VENDOR](task_id="load", file=course(tmp_path))
    task.execute({"ti": TriedTaskInstance()})
    assert sum("durable has no effect" in line for line in logged()) == 1


def test_a_rejected_submission_may_be_retried(job: Job, sandbox: Sandbox) -> None:
    sandbox.fault(VENDOR, "submit", "503")
    with pytest.raises(ImportUnavailableError):
        job.run()
    assert job.run()["state"] == "succeeded"
    assert len(job.submitted) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"file": "/no/such/file"}, "file /no/such/file cannot be read", id="no file"),
        pytest.param({"file": ""}, "file is empty", id="empty path"),
        pytest.param({"file": None}, "file is of type NoneType", id="no path"),
        pytest.param(
            {"conn_id": "thalamus_default"}, "this task requires 'tao_advance'", id="another vendor"
        ),
        pytest.param({"conn_id": "missing"}, "no connection 'missing'", id="no connection"),
        pytest.param({"cancel_on_kill": True}, "TAO Advance cannot cancel imports", id="cancel"),
        pytest.param(
            {"error_report_path": conf.get("core", "dags_folder")}, "folder of DAG files", id="dags folder"
        ),
        pytest.param({"error_report_path": "none://x"}, "none:// cannot be used", id="no such storage"),
    ],
)
def test_a_mistake_is_named_before_anything_is_sent(
    job: Job, sandbox: Sandbox, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ImportSettingsError, match=message):
        job.run(**options)
    assert sum(sandbox.requests(VENDOR).values()) == 0


def test_a_wrong_limit_on_concurrency_is_named_before_anything_is_sent(
    job: Job, sandbox: Sandbox, connect: Connect
) -> None:
    """Only the triggerer uses the limit."""
    connect(VENDOR, extra={"max_concurrency": "many"})
    with pytest.raises(ImportSettingsError, match="max_concurrency is not a number"):
        job.run()
    assert sum(sandbox.requests(VENDOR).values()) == 0


def test_an_empty_file_is_not_submitted(job: Job, sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "empty.csv").touch()
    with pytest.raises(ImportSettingsError, match="is empty"):
        job.run(file=str(tmp_path / "empty.csv"))
    assert sum(sandbox.requests(VENDOR).values()) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"poll_interval": 0}, "poll_interval is 0", id="interval"),
        pytest.param({"timeout": "1h"}, "timeout is '1h'", id="timeout"),
        pytest.param({"on_partial": "ignore"}, "on_partial is 'ignore'", id="policy"),
        pytest.param({"submit_params": ["SALES"]}, "submit_params is of type list", id="params"),
        pytest.param({"hook_params": {"token": "abc"}}, "looks like a secret", id="secret"),
    ],
)
def test_a_mistake_in_the_dag_file_is_found_when_it_is_parsed(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ImportFileOperator(**{"task_id": "load", "file": "a.csv", "conn_id": "clear_default", **options})


def test_an_execution_timeout_holds_if_airflows_interrupt_is_lost(job: Job, tmp_path: Path) -> None:
    limits: dict[str, Any] = {"timeout": 10, "execution_timeout": timedelta(seconds=0.5)}
    with pytest.raises(AirflowTaskTimeout, match="is running"):
        job.run(file=course(tmp_path, **ENDLESS), **limits)


@pytest.mark.parametrize(
    ("limits", "error"),
    [
        ({"timeout": 60, "execution_timeout": timedelta(seconds=90)}, AirflowSensorTimeout),
        ({"timeout": 60, "execution_timeout": timedelta(seconds=30)}, AirflowTaskTimeout),
    ],
)
def test_a_trigger_timeout_has_the_last_known_state(
    tmp_path: Path, limits: dict[str, Any], error: type[BaseException]
) -> None:
    """Airflow then resumes the task without what it was deferred with, the import's id included."""
    file = course(tmp_path, **ENDLESS)
    context: Any = {"ti": TriedTaskInstance(task_id="load")}
    before = TaoAdvanceImportOperator(task_id="load", file=file, deferrable=True, **limits)
    with pytest.raises(TaskDeferred):
        before.execute(context)
    resumed = TaoAdvanceImportOperator(task_id="load", file=file, deferrable=True, **limits)
    with pytest.raises(error, match="is running: vendor state 'pending'"):
        resumed.resume_execution("__fail__", {"error": "Trigger timeout"}, context)
