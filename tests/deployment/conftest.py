"""A real Airflow shared by all tests of this folder, with connections to the four sandbox vendors."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_importstatus.sandbox import Sandbox
from demo.deployment import Deployment
from tests.fifth_vendor import acme_server

DAGS = Path(__file__).parent / "dags"
FIFTH_VENDOR = Path(__file__).parents[1] / "fifth_vendor"
XCOMS = Path(__file__).parent / "xcoms"
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="package")
def sandbox() -> Iterator[Sandbox]:
    """Return the vendors of the deployment's connections."""
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="package")
def deployment(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Return an Airflow that is ready to run the DAGs in `dags/`."""
    home = tmp_path_factory.mktemp("deployment") / "airflow"
    with acme_server.acme() as acme_url:
        connections = {
            **sandbox.connections,
            # It has its own login, since a rejection blocks other attempts with the same login for a minute.
            "refused": {
                **sandbox.connections["tao_advance_default"],
                "login": "somebody-else",
                "password": "a-wrong-one",
            },
            "acme_default": {
                "conn_type": "acme",
                "host": acme_url,
                "login": acme_server.LOGIN,
                "password": acme_server.PIN,
            },
        }
        # Installed as by pip: a module and its metadata on the path.
        env = {"PYTHONPATH": os.pathsep.join(map(str, (FIFTH_VENDOR, XCOMS, REPOSITORY)))}
        config = {"core": {"xcom_backend": "failing_xcoms.FailingXCom"}}
        with Deployment(home, DAGS, connections=connections, env=env, config=config) as airflow:
            airflow.wait_until_ready()
            yield airflow
