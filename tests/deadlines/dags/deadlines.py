"""All waits in one DAG. The run's configuration has the sensors' imports and the operators' files."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pendulum
from airflow.sdk import DAG
from cases import ERRORS, HOURS, LIMIT, OPERATORS, RIVAL, SENSORS, WAITS, Wait

from airflow_provider_importstatus.operators.import_file import TaoAdvanceImportOperator
from airflow_provider_importstatus.sensors.import_status import TaoAdvanceImportSensor


def limits(wait: Wait) -> dict[str, Any]:
    seconds = {name: LIMIT if name == wait.limit else HOURS for name in ERRORS}
    return {**seconds, "execution_timeout": timedelta(seconds=seconds["execution_timeout"])}


def conf(name: str) -> str:
    return f"{{{{ dag_run.conf['{name}'] }}}}"


COMMON: dict[str, Any] = {
    "exponential_backoff": False,
    "outage_tolerance": HOURS,
    "retries": 1,
    # A task that is retried is still waiting for that when the test ends.
    "retry_delay": timedelta(hours=1),
}

with DAG("deadlines", schedule=None, start_date=pendulum.datetime(2026, 1, 1)):
    for wait in WAITS:
        task: dict[str, Any] = {"task_id": wait.task_id, "conn_id": wait.conn_id, **COMMON, **limits(wait)}
        if wait.is_of_sensor:
            TaoAdvanceImportSensor(
                import_id=conf(wait.task_id), poke_interval=2, **task, **SENSORS[wait.mode]
            )
        else:
            TaoAdvanceImportOperator(file=conf(wait.task_id), poll_interval=2, **task, **OPERATORS[wait.mode])
    somebody_else: dict[str, Any] = {"task_id": RIVAL, "conn_id": "one_slot", "timeout": HOURS}
    TaoAdvanceImportSensor(import_id=conf(RIVAL), poke_interval=2, deferrable=True, **somebody_else)
