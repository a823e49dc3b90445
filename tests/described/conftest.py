"""A real Airflow with connections to all described vendors, which the sandbox plays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_importstatus.hooks.description_files import bundled_names
from airflow_provider_importstatus.sandbox import Sandbox
from demo.deployment import Deployment
from demo.postgres import postgres

DAGS = Path(__file__).parent / "dags"
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="package")
def sandbox() -> Iterator[Sandbox]:
    """Return the vendors of the deployment's connections."""
    with Sandbox(descriptions=bundled_names()) as sandbox:
        yield sandbox


def _connections(sandbox: Sandbox) -> dict[str, dict[str, Any]]:
    """Return two connections to each described vendor, one of them with a wrong credential."""
    right = {f"{name}_default": sandbox.connections[f"{name}_default"] for name in bundled_names()}
    # Another login, too: one that was rejected is not repeated for a minute.
    wrong = {
        conn_id.replace("_default", "_wrong"): {**connection, "login": "wrong", "password": "wrong"}
        for conn_id, connection in right.items()
    }
    return right | wrong


@pytest.fixture(scope="package")
def deployment(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Return an Airflow on PostgreSQL that is ready to run all waits at the same time."""
    home = tmp_path_factory.mktemp("described") / "airflow"
    with postgres() as server:
        config: dict[str, dict[str, object]] = {
            "core": {"max_active_tasks_per_dag": 128},
            "database": {"sql_alchemy_conn": server.create_database("airflow")},
        }
        connections = {**sandbox.connections, **_connections(sandbox)}
        env = {"PYTHONPATH": str(REPOSITORY)}
        with Deployment(home, DAGS, connections=connections, env=env, config=config) as airflow:
            airflow.wait_until_ready()
            yield airflow
