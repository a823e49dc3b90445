"""Zero-worker waits that cancel their imports when somebody ends them. The run's conf lists the ids."""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG

from airflow_provider_importstatus.sensors.import_status import ThalamusImportSensor

WAITS = 200

with DAG("cancellable", schedule=None, start_date=pendulum.datetime(2026, 1, 1), max_active_tasks=WAITS):
    for number in range(WAITS):
        ThalamusImportSensor(
            task_id=f"wait_{number:03}",
            import_id=f"{{{{ dag_run.conf['imports'][{number}] }}}}",
            start_from_trigger=True,
            end_from_trigger=True,
            cancel_on_kill=True,
            poke_interval=10,
            timeout=1200,
        )
