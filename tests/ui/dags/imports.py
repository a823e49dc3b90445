"""One wait in each mode, and mapped ones; a run's `conf` names their connections and imports."""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import DAG, task

from airflow_provider_importstatus.sensors.import_status import ImportStatusSensor

START = pendulum.datetime(2026, 1, 1)
MODES: dict[str, dict[str, Any]] = {
    "deferred": {"deferrable": True},
    "poke": {"deferrable": False, "mode": "poke"},
    "reschedule": {"deferrable": False, "mode": "reschedule"},
    "zero_worker": {"start_from_trigger": True, "end_from_trigger": True},
}

for mode, how in MODES.items():
    with DAG(f"imports_{mode}", schedule=None, start_date=START) as dag:
        ImportStatusSensor(
            task_id="wait",
            conn_id="{{ dag_run.conf['conn_id'] }}",
            import_id="{{ dag_run.conf['import_id'] }}",
            exponential_backoff=False,
            poke_interval=2,
            **how,
        )
    globals()[dag.dag_id] = dag

with DAG("readable", schedule=None, start_date=START) as mapped:

    @task
    def waits(dag_run: Any = None) -> Any:
        return dag_run.conf["waits"]

    ImportStatusSensor.partial(task_id="wait", deferrable=True, poke_interval=2).expand_kwargs(waits())
