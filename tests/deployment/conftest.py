"""A real Airflow shared by all tests of this folder, with connections to the sandbox's vendors."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_importstatus.sandbox import Sandbox
from demo.deployment import Deployment
from demo.postgres import postgres
from tests.fifth_vendor import acme_server

DAGS = Path(__file__).parent / "dags"
EXAMPLES = Path(__file__).parents[2] / "example_dags"
FIFTH_VENDOR = Path(__file__).parents[1] / "fifth_vendor"
XCOMS = Path(__file__).parent / "xcoms"
REPOSITORY = Path(__file__).parents[2]
#: The described vendors of the sandbox.
DESCRIBED = ("hubspot",)


@pytest.fixture(scope="package")
def sandbox() -> Iterator[Sandbox]:
    """Return the vendors of the deployment's connections."""
    with Sandbox(descriptions=DESCRIBED) as sandbox:
        yield sandbox


def has_traceback(log: str) -> bool:
    """Return whether the log of a task or process has a traceback, as text or in an event of Airflow 3."""
    return "Traceback (most recent call last)" in log or '"error_detail"' in log


@pytest.fixture(scope="package")
def deployment(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Return an Airflow that is ready to run the DAGs in `dags/`, and has the example DAGs."""
    folder = tmp_path_factory.mktemp("deployment")
    for source in (DAGS, EXAMPLES):
        shutil.copytree(source, folder / "dags", dirs_exist_ok=True)
    with acme_server.acme() as acme_url, postgres() as server:
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
        config: dict[str, dict[str, object]] = {
            "core": {"xcom_backend": "failing_xcoms.FailingXCom"},
            # A triggerer takes over from one that has died.
            "triggerer": {"job_heartbeat_sec": 1, "triggerer_health_check_threshold": 10},
            # SQLite is locked for longer than Airflow waits, and the LocalExecutor of Airflow 2 refuses it.
            "database": {"sql_alchemy_conn": server.create_database("airflow")},
        }
        with Deployment(
            folder / "airflow", folder / "dags", connections=connections, env=env, config=config
        ) as airflow:
            airflow.wait_until_ready()
            yield airflow
