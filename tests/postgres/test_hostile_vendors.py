"""A real Airflow on PostgreSQL with vendors whose texts cannot be stored: only their own tasks fail."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from airflow_provider_importstatus.sandbox import Sandbox
from demo.deployment import Deployment
from demo.postgres import Postgres
from demo.rest import Run
from tests.hostile_texts import is_clean, texts_in
from tests.network.servers import Server
from tests.vendors import SAMPLES

from .conftest import DAGS
from .dags.cases import CASES, ERRORS, HEALTHY, Case
from .hostile import HostileVendors

#: Longer than the hostile waits take, so that the healthy ones run through all of them.
SECONDS = 45


def _hostile_connections(sandbox: Sandbox, url: str) -> dict[str, dict[str, Any]]:
    # One for each response: waits on one connection share outages, and these tolerate them for a second.
    return {
        f"hostile_{case.vendor}_{case.answer}": {
            **sandbox.connections[f"{case.vendor}_default"],
            "host": url,
            "extra": {
                **sandbox.connections[f"{case.vendor}_default"]["extra"],
                **(SAMPLES[case.vendor].ready or {}),
            },
        }
        for case in CASES
    }


@pytest.fixture(scope="module")
def vendors() -> Iterator[Sandbox]:
    """Return the healthy vendors."""
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def deployment(
    vendors: Sandbox, server: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """Return an Airflow on PostgreSQL whose triggerer stops if its event loop is blocked for long."""
    config: dict[str, dict[str, object]] = {
        "core": {"max_active_tasks_per_dag": 64},
        "database": {"sql_alchemy_conn": server.create_database("airflow")},
        "triggerer": {"runner_health_check_threshold": 10},
    }
    home = tmp_path_factory.mktemp("postgres") / "airflow"
    with Server(HostileVendors()) as hostile:
        connections = {**vendors.connections, **_hostile_connections(vendors, hostile.url)}
        with Deployment(home, DAGS, connections=connections, config=config) as airflow:
            airflow.wait_until_ready()
            yield airflow


@pytest.fixture(scope="module")
def runners(deployment: Deployment) -> list[int]:
    """Return the pids of the triggerer and its children, before any wait."""
    return _triggerer(deployment)


@pytest.fixture(scope="module")
def run(deployment: Deployment, vendors: Sandbox, runners: list[int]) -> Run:
    """Return the finished run of all waits, hostile and healthy."""
    assert runners
    imports = {
        task_id: vendors.submit(conn_id.removesuffix("_default"), seconds=SECONDS)
        for task_id, (conn_id, _) in HEALTHY.items()
    }
    run = deployment.trigger("beside", imports)
    deployment.wait_for_end(run, timeout=240)
    return run


def _triggerer(deployment: Deployment) -> list[int]:
    triggerer = psutil.Process(deployment.processes["triggerer"].pid)
    return sorted(process.pid for process in (triggerer, *triggerer.children(recursive=True)))


@pytest.mark.usefixtures("run")
def test_the_triggerer_and_its_runner_survive(deployment: Deployment, runners: list[int]) -> None:
    assert _triggerer(deployment) == runners


@pytest.mark.parametrize("task_id", HEALTHY)
def test_healthy_waits_beside_them_succeed(deployment: Deployment, run: Run, task_id: str) -> None:
    (task,) = deployment.api.task_instances(run, task_id)
    assert (task["state"], task["try_number"]) == ("success", 1)


@pytest.mark.parametrize("case", CASES, ids=[case.import_id for case in CASES])
def test_a_hostile_wait_fails_with_its_own_error(deployment: Deployment, run: Run, case: Case) -> None:
    (task,) = deployment.api.task_instances(run, case.import_id)
    assert (task["state"], task["try_number"]) == ("failed", 1)
    assert ERRORS[case.answer] in _error_in(deployment.api.log(run, case.import_id))


def _error_in(log: str) -> str:
    """Return the type and the message of the error that a task ended with."""
    errors = [
        f"{error['exc_type']}: {error['exc_value']}"
        for event in map(json.loads, log.splitlines())
        for error in event.get("error_detail") or ()
    ]
    assert errors, log
    return errors[-1]


@pytest.mark.parametrize("answer", ["surrogate_failure", "ansi_failure"])
def test_the_messages_of_a_failed_import_are_in_the_xcom(
    deployment: Deployment, run: Run, answer: str
) -> None:
    for case in [case for case in CASES if case.answer == answer]:
        latest = deployment.api.xcom(run, case.import_id, "import_status")
        assert latest["state"] == "failed"
        assert "Row 7" in json.dumps(latest)
        assert all(map(is_clean, texts_in(latest)))


def test_no_error_contains_terminal_control_sequences(deployment: Deployment, run: Run) -> None:
    errors = [_error_in(deployment.api.log(run, case.import_id)) for case in CASES]
    assert all(map(is_clean, errors)), [error for error in errors if not is_clean(error)]
