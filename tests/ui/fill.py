"""Fill a deployment's database with many imports: `python -m tests.ui.fill DAGS RUNS WAITS`

There are so many DAGs `fleet_00` and so on, each with so many runs of so many waits. The newest run of each
still waits.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.models.dag import DagModel
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState, TaskInstanceState
from airflow.utils.types import DagRunType
from sqlalchemy import func, insert, select
from uuid6 import uuid7

from airflow_provider_importstatus.polling.reporting import XCOM_KEY, LatestStatus
from airflow_provider_importstatus.status import ImportState, ImportStatus, RowCounts

VENDORS = ("clear", "tao_advance", "thalamus", "zilliant")
ENDS = (ImportState.SUCCEEDED, ImportState.PARTIAL, ImportState.FAILED, ImportState.CANCELLED)
TASK_STATES = (TaskInstanceState.SUCCESS, *3 * (TaskInstanceState.FAILED,))


def fill(dags: int, runs: int, waits: int) -> None:
    """Insert DAGs, runs, task instances and XComs."""
    now = datetime.now(UTC)
    with create_session() as session:
        bundle = session.scalar(select(DagBundleModel.name))
        next_run = (session.scalar(select(func.max(DagRun.id))) or 0) + 1
        for number in range(dags):
            dag_id = f"fleet_{number:02}"
            session.execute(
                insert(DagModel).values(dag_id=dag_id, bundle_name=bundle, is_stale=False, fileloc="", **_DAG)
            )
            for age in reversed(range(runs)):
                _insert_run(session, next_run, dag_id, now - timedelta(hours=age), waits, is_waiting=age == 0)
                next_run += 1


_DAG = {
    "is_paused": True,
    "max_active_tasks": 16,
    "max_consecutive_failed_dag_runs": 0,
    "has_task_concurrency_limits": False,
}


def _insert_run(
    session: Any, number: int, dag_id: str, start: datetime, waits: int, is_waiting: bool
) -> None:
    run = {"dag_id": dag_id, "run_id": f"scheduled__{start.isoformat()}"}
    state = DagRunState.RUNNING if is_waiting else DagRunState.SUCCESS
    session.execute(
        insert(DagRun).values(
            **run, id=number, run_type=DagRunType.SCHEDULED, state=state, start_date=start, run_after=start
        )
    )
    tasks, xcoms = [], []
    for index in range(waits):
        where = {**run, "task_id": "wait", "map_index": index}
        end = index % len(ENDS)
        task_state = TaskInstanceState.DEFERRED if is_waiting else TASK_STATES[end]
        tasks.append({**where, "id": uuid7(), "state": task_state, "start_date": start, **_TASK})
        status = _status(dag_id, number, index, ImportState.RUNNING if is_waiting else ENDS[end])
        value = LatestStatus(
            status, start.timestamp(), start.timestamp() + 60 if is_waiting else None
        ).to_dict()
        xcoms.append({**where, "dag_run_id": number, "key": XCOM_KEY, "value": value, "timestamp": start})
    session.execute(insert(TaskInstance), tasks)
    session.execute(insert(XComModel), xcoms)


_TASK = {"pool": "default_pool", "pool_slots": 1, "max_tries": 0, "try_number": 1, "priority_weight": 1}


def _status(dag_id: str, run: int, index: int, state: ImportState) -> ImportStatus:
    return ImportStatus(
        vendor=VENDORS[index % len(VENDORS)],
        import_id=f"{dag_id}-{run}-{index}",
        state=state,
        vendor_state=state.upper(),
        rows=RowCounts(total=1000, succeeded=990, failed=7, skipped=3),
        messages=(f"Row {index}: <b>GSTIN</b> missing", "Überweisung: Betrag ungültig"),
    )


if __name__ == "__main__":
    fill(*map(int, sys.argv[1:]))
