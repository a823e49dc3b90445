"""A real Airflow whose DAGs submit files, with connections to the four sandbox vendors."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_importstatus.sandbox import Sandbox
from demo.deployment import Deployment
from demo.postgres import postgres
from demo.rest import Run
from tests.operators.tasks import write_file

HERE = Path(__file__).parent
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="package")
def sandbox() -> Iterator[Sandbox]:
    """Return the vendors of the deployment's connections."""
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="package")
def deployment(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Return an Airflow that is ready to run the DAGs in `dags/`."""
    home = tmp_path_factory.mktemp("whole_job") / "airflow"
    env = {"PYTHONPATH": os.pathsep.join(map(str, (HERE / "stores", REPOSITORY)))}
    # With so many runs at a time, SQLite is locked for longer than Airflow waits.
    with postgres() as server:
        config = {
            "database": {"sql_alchemy_conn": server.create_database("airflow")},
            "workers": {"state_store_backend": "failing_store.FailingStore"},
        }
        with Deployment(
            home, HERE / "dags", connections=sandbox.connections, env=env, config=config
        ) as airflow:
            airflow.wait_until_ready()
            yield airflow


@dataclass(frozen=True)
class Job:
    """A run of a DAG that submits one file.

    :param file: whose name no other job's file has
    :param vendor: the vendor that it is submitted to
    """

    deployment: Deployment
    sandbox: Sandbox
    vendor: str
    file: Path
    run: Run

    @property
    def imports(self) -> list[dict[str, str]]:
        """Return the imports of the file, in the order of submission."""
        return [one for one in self.sandbox.imports(self.vendor) if one["file"] == self.file.name]

    @property
    def phases(self) -> list[str]:
        """Return the phase of each import."""
        return [one["phase"] for one in self.imports]

    def task(self, task_id: str = "load") -> dict[str, Any]:
        """Return the task instance."""
        (task,) = self.deployment.api.task_instances(self.run, task_id)
        return task

    def wait_for(self, condition: Callable[[], Any], what: str) -> None:
        """Wait until a condition is met."""
        self.deployment.wait_for(condition, f"{what} of {self.run.dag_id}", 240)

    def wait_for_state(self, state: str) -> None:
        """Wait until the task has a state."""
        self.wait_for(lambda: self.task()["state"] == state, state)

    def wait_for_end(self) -> str:
        """Wait until the run has ended, and return its state."""
        return self.deployment.wait_for_end(self.run, 300)

    def trigger_log(self) -> str:
        """Return what the task's triggers have logged."""
        folder = self.deployment.home / "logs" / f"dag_id={self.run.dag_id}" / f"run_id={self.run.run_id}"
        return "".join(path.read_text() for path in folder.rglob("*.trigger.*"))

    def log(self, try_number: int = 1) -> str:
        """Return the log of the task."""
        return self.deployment.api.log(self.run, "load", try_number)


#: Start a job: `start("polling", ends="failed")`.
Start = Callable[..., Job]


@pytest.fixture(scope="package")
def start(deployment: Deployment, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Start:
    """Start a job whose import goes as the scenario says."""
    folder = tmp_path_factory.mktemp("files")
    names = (f"job-{number}.csv" for number in range(1000))

    def start(dag_id: str, vendor: str = "tao_advance", reports: Path | None = None, **scenario: Any) -> Job:
        file = write_file(folder, next(names), **scenario)
        conf = {"file": str(file), "reports": str(reports)}
        return Job(deployment, sandbox, vendor, file, deployment.trigger(dag_id, conf))

    return start
