"""Waits on all described vendors, in a triggerer after a worker and in a triggerer alone."""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import DAG
from cases import CASES

from airflow_provider_importstatus.sensors.import_status import ImportStatusSensor

MODES: dict[str, dict[str, Any]] = {
    "deferred": {"deferrable": True},
    "zero_worker": {"start_from_trigger": True, "end_from_trigger": True},
}

with DAG("described", schedule=None, start_date=pendulum.datetime(2026, 1, 1), catchup=False):
    for case in CASES:
        ImportStatusSensor(
            task_id=case.task_id,
            conn_id=case.conn_id,
            import_id=f"{{{{ dag_run.conf['{case.task_id}'] }}}}",
            poke_interval=2,
            on_partial="succeed",
            not_found_grace=1,
            outage_tolerance=1,
            **MODES[case.mode],
        )
