"""A PostgreSQL shared by all tests of this folder, and processes that share an Airflow database."""

from __future__ import annotations

import base64
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo import configuration
from demo.postgres import Postgres, postgres

from .pollers import Pollers, pollers

DAGS = Path(__file__).parent / "dags"


@pytest.fixture(scope="package")
def server() -> Iterator[Postgres]:
    """Return a PostgreSQL without databases."""
    with postgres() as server:
        yield server


@pytest.fixture(scope="package")
def processes(server: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pollers]:
    """Return processes that share the Variables of one Airflow."""
    env = configuration.environment(tmp_path_factory.mktemp("processes")) | {
        "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": server.create_database("processes"),
    }
    airflow = Path(sys.executable).parent / "airflow"
    subprocess.run([airflow, "db", "migrate"], env=env, check=True, timeout=120, stdout=subprocess.DEVNULL)
    with pollers(env) as started:
        yield started
