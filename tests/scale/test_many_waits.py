"""Many waits in a real Airflow: requests to the vendor, and reported metrics."""

from __future__ import annotations

import time

from airflow_provider_importstatus.sandbox import Sandbox
from demo.deployment import Deployment
from demo.rest import Run

from .conftest import CAPACITY, LIFE

#: Mapped sensors on one connection: more than the capacity of one triggerer.
WAITS = 100
TRIGGERERS = 2


def _run(deployment: Deployment, waits: list[tuple[str, str]], timeout: float, **more: float) -> Run:
    conf = [{"conn_id": conn_id, "import_id": import_id, **more} for conn_id, import_id in waits]
    run = deployment.trigger("many", {"waits": conf})
    deployment.wait_for_end(run, timeout)
    return run


def _states(deployment: Deployment, run: Run) -> list[str]:
    return [task["state"] for task in deployment.api.task_instances(run, "wait")]


def test_fifty_tasks_with_a_wrong_integration_id_request_no_token(
    deployment: Deployment, sandbox: Sandbox
) -> None:
    good = sandbox.submit("clear", seconds=0)
    _run(deployment, [("clear_default", good)], timeout=90)
    before = sandbox.requests("clear")
    # A shared token that is rejected while it is young is an outage: another process may have replaced it.
    run = _run(deployment, [("clear_wrong", good)] * 50, timeout=240, outage_tolerance=30)
    after = sandbox.requests("clear")
    assert _states(deployment, run) == ["failed"] * 50
    assert after["status"] - before["status"] >= 50
    assert after["token"] == before["token"] == 1


def test_two_triggerers_and_workers_share_each_token(deployment: Deployment, forgetful: Sandbox) -> None:
    began = time.monotonic()
    first, second = (
        [(conn_id, forgetful.submit("clear", seconds=2.5 * LIFE)) for _ in range(10)]
        for conn_id in ("short_first", "short_second")
    )
    run = _run(deployment, first + second, timeout=300)
    lives = (time.monotonic() - began) / (LIFE * 0.9) + 1
    assert _states(deployment, run) == ["success"] * 20
    assert lives > 2
    assert 2 <= forgetful.requests("clear")["token"] <= 2 * lives


def test_a_deployment_logs_in_once_per_worker_and_triggerer(
    deployment: Deployment, sandbox: Sandbox, metrics: tuple[int, set[str]]
) -> None:
    assert CAPACITY < WAITS <= TRIGGERERS * CAPACITY
    # Long enough for all to wait concurrently: a worker starts a few tasks per second.
    imports = [sandbox.submit("tao_advance", seconds=60) for _ in range(WAITS)]
    run = _run(deployment, [("tao_advance_default", one) for one in imports], timeout=400)
    assert _states(deployment, run) == ["success"] * WAITS
    assert sandbox.requests("tao_advance")["token"] <= WAITS + TRIGGERERS
    received = {name.removeprefix("airflow.") for name in metrics[1]}
    assert received >= {
        "importstatus.polls",
        "importstatus.poll_duration",
        "importstatus.slot_wait",
        "importstatus.refreshes",
        "importstatus.waits",
        "importstatus.wait_duration",
    }
