"""A DAG with one wait for each connection and import in the conf of its run."""

from __future__ import annotations

import pendulum
from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_importstatus.sensors.import_status import ImportStatusSensor

with DAG(dag_id="many", schedule=None, start_date=pendulum.datetime(2026, 1, 1), catchup=False) as dag:

    @task
    def waits(dag_run: object = None) -> list[dict[str, str]]:
        """Return the connection and the import of each wait."""
        pairs: list[dict[str, str]] = dag_run.conf["waits"]  # type: ignore[attr-defined]
        return pairs

    ImportStatusSensor.partial(task_id="wait", deferrable=True, poke_interval=2, max_wait=5).expand_kwargs(
        waits()
    )
