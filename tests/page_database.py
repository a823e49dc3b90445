"""An empty database with Airflow's tables, and imports in it, for the tests of the Imports page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.models import import_all_models, taskinstance, xcom
from airflow.models.base import Base
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from sqlalchemy import create_engine, insert, select
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool
from uuid6 import uuid7

from airflow_provider_importstatus.polling.reporting import XCOM_KEY, LatestStatus
from airflow_provider_importstatus.status import ImportState, ImportStatus

__all__ = ["DAG", "IS_BY_TRY", "TASK", "add_run", "add_task", "add_wait", "database"]

#: Whether this Airflow stores the XComs of each try (3.4 and later).
IS_BY_TRY = hasattr(xcom, "XComModelV2")
NOW = datetime.now(UTC)
#: Values of the columns of a DAG and of a task instance that must have one.
DAG: dict[str, Any] = {
    "is_paused": True,
    "is_stale": False,
    "fileloc": "",
    "max_active_tasks": 16,
    "max_consecutive_failed_dag_runs": 0,
    "has_task_concurrency_limits": False,
}
TASK: dict[str, Any] = {
    "pool": "default_pool",
    "pool_slots": 1,
    "max_tries": 0,
    "try_number": 1,
    "priority_weight": 1,
}


@contextmanager
def database() -> Iterator[Session]:
    """Return a session on a new database in memory, which any thread may use."""
    import_all_models()
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        yield session
    engine.dispose()


def add_run(
    session: Session, number: int, *, dag_id: str = "a", due: float = 0, began: float | None = None
) -> Any:
    """Add a DAG run with this id, which was due and began so many days ago; return its ids."""
    ids = {"dag_id": dag_id, "run_id": f"run_{number}"}
    began_at, due_at = (NOW - timedelta(days=days) for days in (due if began is None else began, due))
    values = {**ids, "id": number, "run_type": "manual", "start_date": began_at, "run_after": due_at}
    session.execute(insert(DagRun).values(**values, state="success"))
    return {**ids, "dag_run_id": number}


def add_task(
    session: Session, run: Any, *, task_id: str = "wait", state: str | None = "success", **more: Any
) -> Any:
    """Add a task instance to a run; return its id."""
    task = {"dag_id": run["dag_id"], "run_id": run["run_id"], "task_id": task_id, "state": state}
    index = "region_index" if IS_BY_TRY else "map_index"
    task_instance = TaskInstance.__table__
    session.execute(insert(TaskInstance).values(**TASK | task | {index: -1} | more))
    return session.scalar(select(task_instance.c.id).order_by(task_instance.c.id.desc()).limit(1))


def add_wait(
    session: Session,
    run: Any,
    *,
    status: ImportState = ImportState.SUCCEEDED,
    vendor: str = "clear",
    import_id: str = "7",
    is_of_try: bool = IS_BY_TRY,
    **task: Any,
) -> None:
    """Add a task instance that waits or has waited for an import, with its status."""
    task_instance_id = add_task(session, run, **task)
    told = ImportStatus(
        vendor=vendor, import_id=import_id, state=status, vendor_state="x", messages=("told",)
    )
    value = {"key": XCOM_KEY, "value": LatestStatus(told, NOW.timestamp()).to_dict(), "timestamp": NOW}
    tables = vars(xcom)
    if is_of_try:
        values = {"id": uuid7(), "task_instance_id": task_instance_id}
        session.execute(insert(tables["XComModelV2"]).values(**values, **value))
        return
    place = {**run, "task_id": task.get("task_id", "wait"), "map_index": -1}
    session.execute(insert(tables["XComModelV1" if IS_BY_TRY else "XComModel"]).values(**place, **value))
    if IS_BY_TRY:
        owner = {name: value for name, value in place.items() if name != "dag_run_id"}
        table = vars(taskinstance)["LegacyTaskDataOwner"]
        session.execute(insert(table).values(**owner, task_instance_id=task_instance_id))
