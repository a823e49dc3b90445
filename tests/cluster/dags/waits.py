"""The same waits in two ways: without a worker where the import succeeds, and mapped over a list."""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import DAG, task
from cases import mapped, unattended

from airflow_provider_importstatus.sensors.import_status import ImportStatusSensor

#: No wait needs a retry: the test looks for them.
COMMON: dict[str, Any] = {
    "poke_interval": 30,
    "exponential_backoff": False,
    "retries": 1,
    "retry_delay": pendulum.duration(seconds=1),
}
DAGS: dict[str, Any] = {
    "max_active_runs": 100,
    "schedule": None,
    "start_date": pendulum.datetime(2026, 1, 1),
    "max_active_tasks": 1000,
}

with DAG("unattended", **DAGS):
    for task_id, case in unattended(0).items():
        ImportStatusSensor(
            task_id=task_id,
            conn_id=f"{case.vendor}_default",
            import_id=f"{{{{ dag_run.conf['{task_id}'] }}}}",
            on_partial=case.on_partial,
            start_from_trigger=True,
            end_from_trigger=True,
            **COMMON,
        )

with DAG("mapped", **DAGS):

    @task
    def waits(dag_run: Any = None) -> list[dict[str, str]]:
        """Return the parameters of each wait."""
        number, imports = dag_run.conf["number"], dag_run.conf["imports"]
        return [
            {"conn_id": f"{case.vendor}_default", "import_id": import_id, "on_partial": case.on_partial}
            for case, import_id in zip(mapped(number), imports, strict=True)
        ]

    ImportStatusSensor.partial(task_id="wait", deferrable=True, **COMMON).expand_kwargs(waits())
