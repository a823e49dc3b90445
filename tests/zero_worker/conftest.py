"""An Airflow whose triggerer detects anything that blocks its event loop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_importstatus.sandbox import Sandbox
from airflow_provider_importstatus.version_compat import is_airflow
from demo.deployment import Deployment

DAGS = Path(__file__).parent / "dags"

#: Airflow before 3.3 defers all waits on a worker.
collect_ignore = [] if is_airflow(3, 3) else ["test_zero_worker.py"]


@pytest.fixture(scope="package")
def sandbox() -> Iterator[Sandbox]:
    """Return the vendors of the deployment's connections."""
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="package")
def deployment(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Return an Airflow that is ready to run the DAGs in `dags/`."""
    home = tmp_path_factory.mktemp("zero-worker") / "airflow"
    env = {"AIRFLOW_DISABLE_GREENBACK_PORTAL": "true"}
    # A triggerer takes over from one that has died.
    config = {"triggerer": {"job_heartbeat_sec": 1, "triggerer_health_check_threshold": 10}}
    with Deployment(home, DAGS, connections=sandbox.connections, env=env, config=config) as airflow:
        airflow.wait_until_ready()
        yield airflow
