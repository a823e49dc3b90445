"""Fill a deployment's database with many imports: `python -m tests.ui.fill DAGS RUNS WAITS`

There are so many DAGs `fleet_00` and so on, each with so many runs of so many waits. The newest run of each
still waits.

`python -m tests.ui.fill hostile` adds a DAG `hostile` instead, with imports whose texts are hostile: as this
package stores them, and as another operator might.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.models.dag import DagModel
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagrun import DagRun
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState, TaskInstanceState
from airflow.utils.types import DagRunType
from sqlalchemy import func, insert, select

from airflow_provider_importstatus.polling.reporting import LatestStatus
from airflow_provider_importstatus.status import ImportState, ImportStatus, RowCounts, StageStatus
from tests.hostile_texts import HOSTILE
from tests.page_database import add_status

HOSTILE_DAG = "hostile"
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


def fill_hostile() -> None:
    """Insert a DAG, a run `all` with a task for each hostile text, and a run for each with one in its id."""
    now = datetime.now(UTC)
    with create_session() as session:
        bundle = session.scalar(select(DagBundleModel.name))
        number = (session.scalar(select(func.max(DagRun.id))) or 0) + 1
        dag = {"dag_id": HOSTILE_DAG, "bundle_name": bundle, "is_stale": False, "fileloc": "", **_DAG}
        session.execute(insert(DagModel).values(**dag))
        _insert_hostile(
            session, number, "all", now, {f"{name} {text}": text for name, text in HOSTILE.items()}
        )
        for more, (name, text) in enumerate(HOSTILE.items(), 1):
            _insert_hostile(session, number + more, _as_id(f"{name} {text}"), now, {"wait": text})


def _as_id(text: str) -> str:
    # Databases hold no more of an id.
    return text.encode("utf-8", "replace").decode().replace("\x00", "")[:200]


def _insert_hostile(
    session: Any, number: int, run_id: str, start: datetime, tasks: Mapping[str, str]
) -> None:
    ids = {"dag_id": HOSTILE_DAG, "run_id": run_id}
    times = {"start_date": start, "run_after": start}
    values = {**ids, "id": number, "run_type": DagRunType.MANUAL, "state": DagRunState.FAILED, **times}
    session.execute(insert(DagRun).values(**values))
    run = {**ids, "dag_run_id": number}
    for index, (name, text) in enumerate(tasks.items()):
        status = _hostile_status(text)
        if index % 2:
            # As another operator may write it, without our cleaning. PostgreSQL stores no halves of pairs.
            raw = text.encode("utf-8", "replace").decode()
            stage = {"stage": raw, "template": raw, "state": raw, "message": raw}
            status |= {"vendor": raw, "import_id": f"7 {raw}", "vendor_state": raw}
            status |= {"messages": [raw] * 3, "stages": [stage], "error_reports": [raw]}
        state = TaskInstanceState.FAILED
        add_status(session, run, status, task_id=_as_id(name), state=state, start_date=start)


def _hostile_status(text: str) -> dict[str, Any]:
    status = ImportStatus(
        vendor="acme",
        import_id=f"7 {text}",
        state=ImportState.FAILED,
        vendor_state=text,
        messages=(text,) * 3,
        stages=(StageStatus(text, ImportState.FAILED, text, text),),
        error_reports=(text,),
    )
    return LatestStatus(status, datetime.now(UTC).timestamp()).to_dict()


def _insert_run(
    session: Any, number: int, dag_id: str, start: datetime, waits: int, is_waiting: bool
) -> None:
    ids = {"dag_id": dag_id, "run_id": f"scheduled__{start.isoformat()}"}
    state = DagRunState.RUNNING if is_waiting else DagRunState.SUCCESS
    session.execute(
        insert(DagRun).values(
            **ids, id=number, run_type=DagRunType.SCHEDULED, state=state, start_date=start, run_after=start
        )
    )
    run = {**ids, "dag_run_id": number}
    for index in range(waits):
        end = index % len(ENDS)
        task_state = TaskInstanceState.DEFERRED if is_waiting else TASK_STATES[end]
        status = _status(dag_id, number, index, ImportState.RUNNING if is_waiting else ENDS[end])
        value = LatestStatus(
            status, start.timestamp(), start.timestamp() + 60 if is_waiting else None
        ).to_dict()
        add_status(session, run, value, map_index=index, state=task_state, start_date=start)


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
    if sys.argv[1:] == ["hostile"]:
        fill_hostile()
    else:
        fill(*map(int, sys.argv[1:]))
