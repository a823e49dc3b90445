"""Deferred waits: a sensor for each vendor, and an operator that submits a file."""

from __future__ import annotations

import pendulum
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_importstatus.operators.import_file import TaoAdvanceImportOperator
from airflow_provider_importstatus.sensors.import_status import (
    ClearImportSensor,
    ImportStatusSensor,
    TaoAdvanceImportSensor,
    ThalamusImportSensor,
    ZilliantImportSensor,
)

SENSORS = {
    "clear": ClearImportSensor,
    "tao_advance": TaoAdvanceImportSensor,
    "zilliant": ZilliantImportSensor,
    "thalamus": ThalamusImportSensor,
    "hubspot": ImportStatusSensor,
}

with DAG(
    dag_id="jobs",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1),
    catchup=False,
    default_args={"deferrable": True, "retries": 2, "timeout": 300},
) as dag:
    for vendor, sensor_class in SENSORS.items():
        sensor_class(
            task_id=vendor,
            conn_id=f"{vendor}_default",
            import_id=f"{{{{ dag_run.conf['{vendor}'] }}}}",
            poke_interval=1,
        )
    TaoAdvanceImportOperator(task_id="load", file="{{ dag_run.conf['file'] }}", poll_interval=1)
