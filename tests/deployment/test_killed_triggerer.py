"""A triggerer that is killed under deferred waits on all vendors, and replaced."""

from __future__ import annotations

import pytest

from airflow_provider_importstatus.sandbox import Sandbox
from airflow_provider_importstatus.sandbox.vendors import registry
from demo.deployment import Deployment
from demo.rest import Run

from ..operators.tasks import write_file
from .conftest import DESCRIBED, has_traceback

VENDORS = (*(vendor.name for vendor in registry.VENDORS), *DESCRIBED)
#: The task that submits a file to TAO Advance.
LOAD = "load"
FILE = "submitted-once.csv"
#: Long enough for slow workers to defer and for the triggerer to be replaced.
SECONDS = 45


@pytest.fixture(scope="module")
def imports(sandbox: Sandbox) -> dict[str, str]:
    """Return the import that each sensor waits for."""
    return {vendor: sandbox.submit(vendor, seconds=SECONDS) for vendor in VENDORS}


@pytest.fixture(scope="module")
def run(deployment: Deployment, imports: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a finished run whose triggerer was killed when all tasks were deferred."""
    file = write_file(tmp_path_factory.mktemp("files"), FILE, seconds=SECONDS)
    run = deployment.trigger("jobs", {**imports, "file": str(file)})

    def are_deferred() -> bool:
        tasks = deployment.api.task_instances(run)
        return bool(tasks) and all(task["state"] == "deferred" for task in tasks)

    deployment.wait_for(are_deferred, "deferral of all tasks", timeout=60)
    deployment.replace("triggerer")
    deployment.wait_for_end(run, timeout=180)
    return run


@pytest.mark.parametrize("task_id", [*VENDORS, LOAD])
def test_a_wait_ends_as_its_import_does(deployment: Deployment, run: Run, task_id: str) -> None:
    (task,) = deployment.api.task_instances(run, task_id)
    assert (task["state"], task["try_number"]) == ("success", 1)


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_result_is_the_status_of_the_import(
    deployment: Deployment, run: Run, imports: dict[str, str], vendor: str
) -> None:
    result = deployment.api.xcom(run, vendor)
    assert (result["vendor"], result["import_id"], result["state"]) == (vendor, imports[vendor], "succeeded")


@pytest.mark.parametrize("task_id", [*VENDORS, LOAD])
def test_the_latest_status_is_that_of_the_result(deployment: Deployment, run: Run, task_id: str) -> None:
    result = deployment.api.xcom(run, task_id)
    latest = deployment.api.xcom(run, task_id, "import_status")
    assert {name: latest[name] for name in result} == result
    assert latest["next_poll_at"] is None


def test_the_file_is_submitted_once(deployment: Deployment, run: Run, sandbox: Sandbox) -> None:
    (submitted,) = [one for one in sandbox.imports("tao_advance") if one["file"] == FILE]
    assert submitted["phase"] == "succeeded"
    assert deployment.api.xcom(run, LOAD)["import_id"] == submitted["import_id"]


def test_no_log_has_a_traceback(deployment: Deployment, run: Run) -> None:
    folder = deployment.home / "logs" / f"dag_id={run.dag_id}" / f"run_id={run.run_id}"
    logs = {path: path.read_text() for path in folder.rglob("*.log*")}
    assert {path.parent.name for path in logs} == {f"task_id={name}" for name in (*VENDORS, LOAD)}
    assert not [path for path, log in logs.items() if has_traceback(log)]
