"""Zero-worker waits in a real Airflow: how they start and end, and how many workers they use."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest

from airflow_provider_importstatus.sandbox import Sandbox
from airflow_provider_importstatus.version_compat import is_airflow
from demo.deployment import Deployment
from demo.rest import Run

pytestmark = pytest.mark.skipif(not is_airflow(3, 3), reason="Airflow starts waits in triggers from 3.3 on")

VENDOR = "tao_advance"
#: A worker's process writes this once into its task's log.
WORKER_STARTED = "Worker startup parse complete"
#: The executor logs this for each process that it has started.
WORKER_FINISHED = "Workload finished"


class Ended(NamedTuple):
    """The expected end of a task and its number of worker processes."""

    state: str
    workers: int
    tries: int = 1


ENDS = {
    "upstream": Ended("success", 0),
    "keyed": Ended("success", 0),
    "partial_accepted": Ended("success", 0),
    "unpushed": Ended("success", 0),
    "failed": Ended("failed", 1),
    "outage": Ended("failed", 2, tries=2),
    "timeout": Ended("failed", 1),
    "execution_timeout": Ended("failed", 2, tries=2),
    "nothing": Ended("failed", 1),
    "no_text": Ended("failed", 1),
    "with_outlets": Ended("success", 1),
    "with_callback": Ended("success", 1),
    "mapped_over": Ended("success", 1),
    "ended_only": Ended("success", 1),
}


@pytest.fixture(scope="module")
def imports(sandbox: Sandbox) -> dict[str, Any]:
    """Return the import that each task must wait for."""

    def submit(vendor: str = VENDOR, **scenario: Any) -> str:
        # Long enough for a worker on a busy machine to poll before the end.
        return sandbox.submit(vendor, **{"seconds": 40, **scenario})

    endless = {name: submit(seconds=3600) for name in ("outage", "timeout", "execution_timeout")}
    sandbox.fault(VENDOR, "status", "503", times=None, import_id=endless["outage"])
    succeeding = (
        "upstream",
        "keyed",
        "unpushed",
        "with_outlets",
        "with_callback",
        "mapped_over",
        "ended_only",
    )
    return {
        **endless,
        **{name: submit() for name in succeeding},
        "failed": submit(ends="failed"),
        "partial_accepted": submit("thalamus", ends="partial", rejected=3),
        "nothing": None,
        "no_text": {"id": "5"},
        "mapped": [submit() for _ in range(10)],
        "grouped": [submit() for _ in range(2)],
    }


@pytest.fixture(scope="module")
def run(deployment: Deployment, imports: dict[str, Any]) -> Run:
    """Return the finished run over all of them."""
    run = deployment.trigger("zero_worker", imports)
    deployment.wait_for_end(run, timeout=240)
    return run


def _workers(deployment: Deployment, run: Run, task_id: str) -> int:
    """Return the number of worker processes in a task's logs; the triggerer logs elsewhere."""
    folder = deployment.home / "logs" / f"dag_id={run.dag_id}" / f"run_id={run.run_id}" / f"task_id={task_id}"
    return sum(log.read_text().count(WORKER_STARTED) for log in folder.glob("attempt=?.log"))


def _executor_starts(deployment: Deployment, run: Run, task_id: str) -> int:
    """Return the number of processes that the executor started for the last try of a task."""
    (task,) = deployment.api.task_instances(run, task_id)
    log = (deployment.logs / "scheduler.log").read_text()
    return sum(WORKER_FINISHED in line and task["id"] in line for line in log.splitlines())


@pytest.mark.parametrize("task_id", ENDS)
def test_a_wait_uses_no_more_workers_than_necessary(deployment: Deployment, run: Run, task_id: str) -> None:
    (task,) = deployment.api.task_instances(run, task_id)
    ended = Ended(task["state"], _workers(deployment, run, task_id), task["try_number"])
    assert ended == ENDS[task_id]
    starts = ended.workers / ended.tries

    def are_told() -> bool:
        # The executor logs a process when it has cleaned it up, after the run has ended.
        return _executor_starts(deployment, run, task_id) >= starts

    deployment.wait_for(are_told, f"end of {task_id}'s processes", 30)
    assert _executor_starts(deployment, run, task_id) == starts


@pytest.mark.parametrize("task_id", ["upstream", "keyed", "partial_accepted", "ended_only", "with_outlets"])
def test_the_result_is_a_dictionary_of_its_own_import(
    deployment: Deployment, run: Run, imports: dict[str, Any], task_id: str
) -> None:
    result = deployment.api.xcom(run, task_id)
    assert (result["import_id"], result["rows"]["total"]) == (imports[task_id], 120)
    latest = deployment.api.xcom(run, task_id, "import_status")
    assert latest.pop("polled_at")
    assert latest.pop("next_poll_at") is None
    assert latest == result


@pytest.mark.parametrize("task_id", ["upstream", "keyed", "partial_accepted"])
def test_a_wait_without_a_worker_writes_its_status_and_result_only(
    deployment: Deployment, run: Run, task_id: str
) -> None:
    assert sorted(deployment.api.xcom_keys(run, task_id)) == ["import_status", "return_value"]


def test_a_downstream_task_pulls_a_dictionary(
    deployment: Deployment, run: Run, imports: dict[str, Any]
) -> None:
    assert deployment.api.xcom(run, "use_upstream") == {"kind": "dict", "import_id": imports["upstream"]}


def test_a_mapped_sensor_waits_for_its_ids(deployment: Deployment, run: Run, imports: dict[str, Any]) -> None:
    waited_for = [deployment.api.xcom(run, "mapped", map_index=index)["import_id"] for index in range(10)]
    assert waited_for == imports["mapped"]


def test_a_sensor_in_a_mapped_group_waits_for_the_id_of_its_group(
    deployment: Deployment, run: Run, imports: dict[str, Any]
) -> None:
    waited_for = [deployment.api.xcom(run, "each.in_group", map_index=index)["import_id"] for index in (0, 1)]
    assert waited_for == imports["grouped"]


def test_a_task_can_be_mapped_over_the_result(deployment: Deployment, run: Run) -> None:
    result = deployment.api.xcom(run, "mapped_over")
    pairs = [deployment.api.xcom(run, "use_each", map_index=index) for index in range(len(result))]
    assert dict(pairs) == result


def test_outlets_create_asset_events(deployment: Deployment, run: Run) -> None:
    events = deployment.api.asset_events(run)
    assert [event["source_task_id"] for event in events] == ["with_outlets"]


@pytest.mark.parametrize(("task_id", "state"), [("with_callback", "success"), ("failed", "failed")])
def test_callbacks_run(deployment: Deployment, run: Run, task_id: str, state: str) -> None:
    assert deployment.api.xcom(run, task_id, "callback") == state


def test_a_task_that_pushes_no_xcom_pushes_none(deployment: Deployment, run: Run) -> None:
    assert deployment.api.xcom_keys(run, "unpushed") == []


@pytest.mark.parametrize(
    ("task_id", "error"), [("timeout", "AirflowSensorTimeout"), ("execution_timeout", "AirflowTaskTimeout")]
)
def test_a_timeout_has_the_last_known_state(
    deployment: Deployment, run: Run, task_id: str, error: str
) -> None:
    log = deployment.api.log(run, task_id)
    assert error in log
    assert "vendor state 'pending'" in log


@pytest.mark.parametrize(("task_id", "kind"), [("nothing", "None"), ("no_text", "of type dict")])
def test_an_invalid_id_fails_without_a_request(
    deployment: Deployment, run: Run, task_id: str, kind: str
) -> None:
    assert f"import_id is {kind}" in deployment.api.log(run, task_id)


def test_features_that_need_a_worker_are_warned_about_at_parse_time(deployment: Deployment, run: Run) -> None:
    log = deployment.api.log(run, "submit_upstream")
    for task_id, why in {
        "with_outlets": "end_from_trigger is ignored because the task has outlets",
        "with_callback": "end_from_trigger is ignored because the task has an on_success_callback",
        "mapped": "start_from_trigger is ignored because the task is mapped",
        "each.in_group": "start_from_trigger is ignored because the task is in a mapped task group",
    }.items():
        assert f"Task '{task_id}' needs a worker: {why}." in log


def test_a_cleared_task_that_fails_keeps_no_earlier_result(
    deployment: Deployment, sandbox: Sandbox, run: Run, imports: dict[str, Any]
) -> None:
    sandbox.fault(VENDOR, "status", "422", times=None, import_id=imports["keyed"])
    deployment.api.clear(run, "keyed")
    assert deployment.wait_for_end(run, timeout=60) == "failed"
    (task,) = deployment.api.task_instances(run, "keyed")
    assert (task["state"], deployment.api.xcom(run, "keyed")) == ("failed", None)


def test_waits_survive_a_triggerer_restart_with_their_deadline(
    deployment: Deployment, sandbox: Sandbox
) -> None:
    imports = {
        "survivor": sandbox.submit(VENDOR, seconds=45),
        "out_of_time": sandbox.submit(VENDOR, seconds=3600),
    }
    run = deployment.trigger("restarted", imports)

    def is_waiting() -> bool:
        return all(deployment.api.xcom(run, task_id, "import_status") for task_id in imports)

    deployment.wait_for(is_waiting, "look at each import", 60)
    deployment.replace("triggerer")
    replaced_at = datetime.now(UTC)
    deployment.wait_for_end(run, timeout=180)
    tasks = {task["task_id"]: task for task in deployment.api.task_instances(run)}
    assert {name: task["state"] for name, task in tasks.items()} == {
        "survivor": "success",
        "out_of_time": "failed",
    }
    assert _workers(deployment, run, "survivor") == 0
    events = [json.loads(line) for line in deployment.api.log(run, "out_of_time").splitlines()]
    (over,) = [event for event in events if event["event"].startswith("The wait is over")]
    assert "AirflowSensorTimeout" in over["event"]
    assert "vendor state 'pending'" in over["event"]
    # A restarted deadline would be later.
    assert datetime.fromisoformat(over["timestamp"]) < replaced_at + timedelta(seconds=60)
