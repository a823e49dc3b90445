"""Helpers that create operators, and run them like tasks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import DAG, TaskDeferred

from airflow_provider_importstatus.operators.import_file import TaoAdvanceImportOperator
from airflow_provider_importstatus.sandbox import Sandbox
from tests.sensors.tasks import Store, TaskInstance

__all__ = ["Job", "Store", "write_file"]

VENDOR = "tao_advance"


@dataclass
class TriedTaskInstance(TaskInstance):
    """A task instance with the number of its tries."""

    max_tries: int = 1


def write_file(folder: Path, name: str = "roster.csv", **scenario: Any) -> Path:
    """Write a file whose first line chooses how its import goes."""
    course = "; ".join(f"{key}={value}" for key, value in {"seconds": 0, **scenario}.items())
    path = folder / name
    path.write_text(f"# sandbox: {course}\ncode,name\nu1,Ada\n")
    return path


@dataclass
class Job:
    """A task that submits a file to TAO Advance: its tries share a state store."""

    sandbox: Sandbox
    store: Store
    options: dict[str, Any]

    def run(self, max_tries: int = 1, try_number: int = 2, **changed: Any) -> Any:
        """Run one try of the task and return its result."""
        options = {
            "poll_interval": 0.05,
            "exponential_backoff": False,
            "not_found_grace": 0.2,
            **self.options,
        }
        with DAG("a_dag", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):
            task = TaoAdvanceImportOperator(task_id="load", **{**options, **changed})
        ti = TriedTaskInstance(max_tries=max_tries, try_number=try_number)
        context: Any = {"ti": ti, "task_state_store": self.store}
        return task.execute(context)

    def defer(self, **changed: Any) -> TaskDeferred:
        """Run one try of the task until it defers, after which its process ends."""
        try:
            self.run(deferrable=True, **changed)
        except TaskDeferred as deferred:
            return deferred
        raise AssertionError("The task did not defer.")

    @property
    def submitted(self) -> list[str]:
        """Return the ids of all imports."""
        return [one["import_id"] for one in self.sandbox.imports(VENDOR)]
