"""Waits in a real Airflow: scheduler, triggerer and workers, in all modes."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from airflow_provider_importstatus.sandbox import Sandbox
from airflow_provider_importstatus.version_compat import is_airflow
from demo.deployment import Deployment
from demo.rest import Run

from .conftest import has_traceback

MODES = ("deferred", "poke", "reschedule", "zero_worker")
#: Only triggers log this.
LOGGED_BY_TRIGGER = "The wait is over"


class Ended(NamedTuple):
    """How a task of a scenario must have ended."""

    state: str
    tries: int = 1


ENDS = {
    "succeeded": Ended("success"),
    "partial": Ended("failed"),
    "partial_accepted": Ended("success"),
    "partial_skipped": Ended("skipped"),
    "failed": Ended("failed"),
    "cancelled": Ended("failed"),
    "not_found": Ended("failed"),
    "refused": Ended("failed"),
    "timeout": Ended("failed"),
    "outage": Ended("failed"),
    "failed_softly": Ended("skipped"),
    "outage_softly": Ended("failed"),
    "outage_never": Ended("skipped"),
}


@pytest.fixture(scope="module")
def imports(sandbox: Sandbox) -> dict[str, tuple[str, str]]:
    """Return a connection and a matching import for each scenario."""

    def submit(conn_id: str, **scenario: Any) -> tuple[str, str]:
        return conn_id, sandbox.submit(conn_id.removesuffix("_default"), **scenario)

    def with_outage() -> tuple[str, str]:
        conn_id, import_id = submit("tao_advance_default", seconds=600)
        sandbox.fault("tao_advance", "status", "503", times=None, import_id=import_id)
        return conn_id, import_id

    return {
        # Long enough for a worker on a busy machine to poll, and to defer, before the end.
        "succeeded": submit("clear_default", seconds=40),
        "partial": submit("zilliant_default", ends="partial", seconds=20, rejected=3),
        "partial_accepted": submit("thalamus_default", ends="partial", seconds=20),
        "partial_skipped": submit("tao_advance_default", ends="partial", seconds=20),
        "failed": submit("tao_advance_default", ends="failed", seconds=20),
        "cancelled": submit("thalamus_default", ends="cancelled", seconds=20),
        "not_found": ("zilliant_default", "no-such-import"),
        "refused": ("refused", "1"),
        "timeout": submit("tao_advance_default", seconds=3600),
        "outage": with_outage(),
        "failed_softly": submit("clear_default", ends="failed", seconds=20),
        "outage_softly": with_outage(),
        "outage_never": with_outage(),
    }


@pytest.fixture(scope="module")
def runs(deployment: Deployment, imports: dict[str, tuple[str, str]]) -> dict[str, Run]:
    """Return one finished run per mode, all over the same imports."""
    started = {mode: deployment.trigger(f"waits_{mode}", imports) for mode in MODES}
    for run in started.values():
        deployment.wait_for_end(run, timeout=180)
    return started


def _cases() -> list[tuple[str, str]]:
    cases = [(mode, scenario) for mode in MODES for scenario in ENDS]
    if is_airflow(3, 3):
        return cases
    return [case for case in cases if not (case[0] == "reschedule" and case[1].startswith("outage"))]


@pytest.mark.parametrize(("mode", "scenario"), _cases())
def test_a_task_ends_as_its_import_does(
    deployment: Deployment, runs: dict[str, Run], mode: str, scenario: str
) -> None:
    (task,) = deployment.api.task_instances(runs[mode], scenario)
    assert Ended(task["state"], task["try_number"]) == ENDS[scenario]


@pytest.mark.parametrize("scenario", ["succeeded", "partial_accepted"])
def test_the_result_is_the_same_in_every_mode(
    deployment: Deployment, runs: dict[str, Run], imports: dict[str, tuple[str, str]], scenario: str
) -> None:
    results = [deployment.api.xcom(run, scenario) for run in runs.values()]
    assert results[0]["import_id"] == imports[scenario][1]
    assert results[0]["state"] == scenario.partition("_")[0]
    assert results == [results[0]] * len(MODES)


@pytest.mark.parametrize("mode", MODES)
def test_the_latest_status_of_a_failed_wait_is_in_the_xcom(
    deployment: Deployment, runs: dict[str, Run], mode: str
) -> None:
    latest = deployment.api.xcom(runs[mode], "partial", "import_status")
    assert (latest["state"], latest["rows"]["failed"], latest["next_poll_at"]) == ("partial", 3, None)


@pytest.mark.usefixtures("runs")
def test_a_deferred_wait_runs_in_the_triggerer(deployment: Deployment) -> None:
    logs = list((deployment.home / "logs").rglob("*task_id=succeeded/*.trigger.*.log"))
    assert any(LOGGED_BY_TRIGGER in log.read_text() for log in logs), logs


def test_a_poking_wait_does_not_run_in_the_triggerer(deployment: Deployment, runs: dict[str, Run]) -> None:
    assert LOGGED_BY_TRIGGER not in deployment.api.log(runs["poke"], "succeeded")


@pytest.mark.parametrize("mode", MODES)
def test_a_timeout_has_the_last_known_state(deployment: Deployment, runs: dict[str, Run], mode: str) -> None:
    log = deployment.api.log(runs[mode], "timeout")
    assert "AirflowSensorTimeout" in log
    assert "vendor state 'pending'" in log


@pytest.mark.parametrize("mode", MODES)
def test_a_failed_import_is_an_error_in_the_log(
    deployment: Deployment, runs: dict[str, Run], mode: str
) -> None:
    log = deployment.api.log(runs[mode], "failed")
    assert "ImportFailedError" in log
    assert "tao_advance" in log


@pytest.mark.usefixtures("runs")
def test_only_failed_tasks_have_tracebacks(deployment: Deployment) -> None:
    logs = [path for path in deployment.home.rglob("*.log*") if has_traceback(path.read_text())]
    failed = {f"task_id={scenario}" for scenario, end in ENDS.items() if end.state == "failed"}
    assert not [path for path in logs if path.parent.name not in failed]


@pytest.mark.skipif(is_airflow(3, 3), reason="Airflow 3.3 has zero-worker waits")
@pytest.mark.usefixtures("runs")
def test_a_dag_with_zero_worker_waits_is_parsed_with_a_warning_where_there_are_none(
    deployment: Deployment,
) -> None:
    logs = [path.read_text() for path in deployment.home.rglob("waits.py.log")]
    assert any("start_from_trigger is ignored because it requires Airflow 3.3" in log for log in logs)


@pytest.mark.usefixtures("runs")
def test_no_secret_reaches_a_log(deployment: Deployment, sandbox: Sandbox) -> None:
    logs = [log.read_text() for log in (deployment.home / "logs").rglob("*.log")]
    secrets = [connection["password"] for connection in sandbox.connections.values()]
    assert len(logs) > len(ENDS)
    assert not [secret for secret in secrets for log in logs if secret in log]


def test_unwritable_statuses_do_not_change_the_outcome(deployment: Deployment, sandbox: Sandbox) -> None:
    import_id = sandbox.submit("thalamus", seconds=20)
    run = deployment.trigger("unwritable", {"import_id": import_id})
    assert deployment.wait_for_end(run, timeout=120) == "success"
    for mode in MODES:
        assert deployment.api.xcom(run, mode)["import_id"] == import_id
        assert "import_status" not in deployment.api.xcom_keys(run, mode)
    log = deployment.api.log(run, "poke")
    assert "The XCom import_status could not be written: ConnectionError" in log
    assert "hunter2" not in log


def test_a_fifth_vendor_in_one_file_of_another_distribution_waits_deferred(deployment: Deployment) -> None:
    run = deployment.trigger("fifth_vendor", {"import_id": "loaf-2"})
    assert deployment.wait_for_end(run, timeout=90) == "success"
    result = deployment.api.xcom(run, "wait")
    assert (result["vendor"], result["vendor_state"], result["rows"]["total"]) == ("acme", "done", 12)
    assert LOGGED_BY_TRIGGER in deployment.api.log(run, "wait")
