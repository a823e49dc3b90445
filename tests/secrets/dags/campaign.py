"""The tasks of the campaign, each of which waits for one import."""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG

from airflow_provider_importstatus.operators import import_file
from airflow_provider_importstatus.sensors.import_status import ImportStatusSensor
from tests.secrets.plan import HELD, REPORTS, SUBMITTING, WAITS

OPERATORS = {(operator := getattr(import_file, name)).conn_type: operator for name in import_file.__all__}
#: The connection types of connections that are not named after theirs.
TYPES = {"tao": "tao_advance"}

with DAG("campaign", schedule=None, start_date=pendulum.datetime(2026, 1, 1), max_active_tasks=64):
    for case in (*HELD, *WAITS):
        ImportStatusSensor(**case.arguments)
    for number, (conn_id, parameters) in enumerate(SUBMITTING.items()):
        OPERATORS[TYPES.get(conn_id, conn_id)](
            task_id=f"{conn_id}_submits",
            conn_id=conn_id,
            file=f"{{{{ dag_run.conf['files'] }}}}/partial-1-{conn_id}-submits.csv",
            poll_interval=1,
            exponential_backoff=False,
            deferrable=bool(number % 2),
            **REPORTS,
            **parameters,
        )
