"""The waits of the campaign of restarts, in DAGs of `cases.SIZE` tasks."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import pendulum
from airflow.sdk import DAG
from cases import INTERVAL, SIZE, SUBMIT_PARAMS, Case, cases

from airflow_provider_importstatus.operators.import_file import ImportFileOperator
from airflow_provider_importstatus.sensors.import_status import ImportStatusSensor


def add(case: Case) -> None:
    """Add the task of a wait to the DAG."""
    common: dict[str, Any] = {
        "task_id": case.task_id,
        "conn_id": f"{case.vendor}_default",
        "on_partial": "succeed",
        "exponential_backoff": False,
        "timeout": case.timeout,
        "cancel_on_kill": case.cancels_on_kill,
        # A task that starts, resumes or polls on a worker during a restart may need further tries.
        "retries": 5,
        "retry_delay": pendulum.duration(seconds=1),
    }
    if case.how == "sensor":
        ImportStatusSensor(
            **common,
            import_id=f"{{{{ dag_run.conf['{case.task_id}'] }}}}",
            poke_interval=INTERVAL,
            start_from_trigger=True,
            end_from_trigger=True,
        )
    else:
        ImportFileOperator(
            **common,
            file=f"{{{{ dag_run.conf['{case.task_id}'] }}}}",
            submit_params=SUBMIT_PARAMS.get(case.vendor),
            poll_interval=INTERVAL,
            deferrable=case.how == "operator",
        )


for dag_id, of_dag in groupby(cases(), lambda case: case.dag_id):
    with DAG(dag_id, schedule=None, start_date=pendulum.datetime(2026, 1, 1), max_active_tasks=SIZE):
        for case in of_dag:
            add(case)
