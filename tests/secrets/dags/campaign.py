"""The tasks of the campaign, each of which waits for one import."""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG

from airflow_provider_importstatus.operators.import_file import (
    ClearImportOperator,
    TaoAdvanceImportOperator,
    ThalamusImportOperator,
    ZilliantImportOperator,
)
from airflow_provider_importstatus.sensors.import_status import ImportStatusSensor
from tests.secrets.plan import HELD, REPORTS, SUBMITTING, WAITS

OPERATORS = {
    "clear": ClearImportOperator,
    "tao": TaoAdvanceImportOperator,
    "zilliant": ZilliantImportOperator,
    "thalamus": ThalamusImportOperator,
}

with DAG("campaign", schedule=None, start_date=pendulum.datetime(2026, 1, 1), max_active_tasks=64):
    for case in (*HELD, *WAITS):
        ImportStatusSensor(**case.arguments)
    for number, (conn_id, parameters) in enumerate(SUBMITTING.items()):
        OPERATORS[conn_id](
            task_id=f"{conn_id}_submits",
            conn_id=conn_id,
            file=f"{{{{ dag_run.conf['files'] }}}}/partial-1-{conn_id}-submits.csv",
            poll_interval=1,
            exponential_backoff=False,
            deferrable=bool(number % 2),
            **REPORTS,
            **parameters,
        )
