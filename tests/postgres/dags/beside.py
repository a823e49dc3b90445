"""Waits on hostile vendors, and on healthy ones at the same time."""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import DAG
from cases import CASES, HEALTHY

from airflow_provider_importstatus.sensors.import_status import ImportStatusSensor

MODES: dict[str, dict[str, Any]] = {
    "deferred": {"deferrable": True},
    "poke": {"deferrable": False, "mode": "poke"},
    "zero_worker": {"start_from_trigger": True, "end_from_trigger": True},
}
COMMON: dict[str, Any] = {"poke_interval": 1, "max_wait": 2, "outage_tolerance": 1}

with DAG(
    "beside", schedule=None, start_date=pendulum.datetime(2026, 1, 1), catchup=False, max_active_tasks=64
):
    for case in CASES:
        ImportStatusSensor(
            task_id=case.import_id,
            conn_id=f"hostile_{case.vendor}_{case.answer}",
            import_id=case.import_id,
            **COMMON,
            **MODES[case.mode],
        )
    for task_id, (conn_id, mode) in HEALTHY.items():
        ImportStatusSensor(
            task_id=task_id,
            conn_id=conn_id,
            import_id=f"{{{{ dag_run.conf['{task_id}'] }}}}",
            **COMMON,
            **MODES[mode],
        )
