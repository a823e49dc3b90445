"""Waits on all described vendors in a real Airflow: each ends as its import does."""

from __future__ import annotations

import pytest

from airflow_provider_importstatus.sandbox import Sandbox
from demo.deployment import Deployment
from demo.rest import Run

from .dags.cases import CASES, KINDS, Case

#: An id of every vendor's form, which no import has.
UNKNOWN_ID = "999"
#: A worker's process writes this once into its task's log.
WORKER_STARTED = "Worker startup parse complete"

IDS = [case.task_id for case in CASES]
SUCCEEDING = [case for case in CASES if not KINDS[case.kind].error]
FAILING = [case for case in CASES if KINDS[case.kind].error]


def _submit(sandbox: Sandbox, case: Case) -> str:
    scenario = KINDS[case.kind].scenario
    if scenario is None:
        return UNKNOWN_ID
    import_id = sandbox.submit(case.vendor, **scenario)
    if case.kind == "outage":
        sandbox.fault(case.vendor, "status", "503", times=None, import_id=import_id)
    return import_id


@pytest.fixture(scope="module")
def imports(sandbox: Sandbox) -> dict[str, str]:
    """Return the import that each task waits for."""
    return {case.task_id: _submit(sandbox, case) for case in CASES}


@pytest.fixture(scope="module")
def run(deployment: Deployment, imports: dict[str, str]) -> Run:
    """Return the finished run of all waits."""
    run = deployment.trigger("described", imports)
    deployment.wait_for_end(run, timeout=240)
    return run


@pytest.fixture(scope="module")
def states(deployment: Deployment, run: Run) -> dict[str, tuple[str, int]]:
    """Return state and number of tries of each task."""
    tasks = deployment.api.task_instances(run)
    return {task["task_id"]: (task["state"], task["try_number"]) for task in tasks}


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_a_task_ends_as_its_import_does(states: dict[str, tuple[str, int]], case: Case) -> None:
    expected = "failed" if KINDS[case.kind].error else "success"
    assert states[case.task_id] == (expected, 1)


@pytest.mark.parametrize("case", SUCCEEDING, ids=[case.task_id for case in SUCCEEDING])
def test_the_result_is_the_status_of_its_own_import(
    deployment: Deployment, run: Run, imports: dict[str, str], case: Case
) -> None:
    result = deployment.api.xcom(run, case.task_id)
    state = {"success": "succeeded", "partial": "partial"}[case.kind]
    assert (result["vendor"], result["import_id"], result["state"]) == (
        case.vendor,
        imports[case.task_id],
        state,
    )


@pytest.mark.parametrize("case", FAILING, ids=[case.task_id for case in FAILING])
def test_a_failed_task_says_why(deployment: Deployment, run: Run, case: Case) -> None:
    assert KINDS[case.kind].error in deployment.api.log(run, case.task_id)


@pytest.mark.parametrize(
    "case",
    [case for case in SUCCEEDING if case.mode == "zero_worker"],
    ids=[case.task_id for case in SUCCEEDING if case.mode == "zero_worker"],
)
def test_a_zero_worker_wait_that_succeeds_starts_no_worker(
    deployment: Deployment, run: Run, case: Case
) -> None:
    folder = deployment.home / "logs" / f"dag_id={run.dag_id}" / f"run_id={run.run_id}"
    logs = (folder / f"task_id={case.task_id}").glob("attempt=?.log")
    assert sum(log.read_text().count(WORKER_STARTED) for log in logs) == 0
