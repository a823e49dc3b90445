"""One real Airflow for all tests of this folder, with the four vendors of the sandbox as its connections."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_importstatus.sandbox import Sandbox
from demo.deployment import Deployment
from tests.fifth_vendor import acme_server

DAGS = Path(__file__).parent / "dags"
FIFTH_VENDOR = Path(__file__).parents[1] / "fifth_vendor"


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """Return the vendors that the deployment's connections lead to."""
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def deployment(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Return an Airflow that is ready to run the DAGs in `dags/`."""
    home = tmp_path_factory.mktemp("deployment") / "airflow"
    with acme_server.acme() as acme_url:
        connections = {
            **sandbox.connections,
            "refused": {**sandbox.connections["tao_advance_default"], "password": "a-wrong-one"},
            "acme_default": {
                "conn_type": "acme",
                "host": acme_url,
                "login": acme_server.LOGIN,
                "password": acme_server.PIN,
            },
        }
        # Installed as pip would: a module and its metadata on the path.
        env = {"PYTHONPATH": str(FIFTH_VENDOR)}
        with Deployment(home, DAGS, connections=connections, env=env) as airflow:
            airflow.wait_until_ready()
            yield airflow
