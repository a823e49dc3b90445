"""Imports in Airflow's database, and an empty one in memory, for the tests of the Imports page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.models import import_all_models, taskinstance, xcom
from airflow.models.base import Base
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from sqlalchemy import create_engine, insert
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool
from uuid6 import uuid7

from airflow_provider_importstatus.polling.reporting import XCOM_KEY, LatestStatus
from airflow_provider_importstatus.status import ImportState, ImportStatus

__all__ = ["IS_BY_TRY", "add_run", "add_status", "add_task", "add_wait", "database"]

#: Whether this Airflow stores the XComs of each try (3.4 and later).
IS_BY_TRY = hasattr(xcom, "XComModelV2")
NOW = datetime.now(UTC)


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
    session: Session,
    run: Any,
    *,
    task_id: str = "wait",
    map_index: int = -1,
    state: str | None = "success",
    **more: Any,
) -> Any:
    """Add a task instance to a run; return its id."""
    values = {"pool": "default_pool", "pool_slots": 1, "max_tries": 0, "try_number": 1, "priority_weight": 1}
    task = {"dag_id": run["dag_id"], "run_id": run["run_id"], "task_id": task_id, "state": state}
    index = {"region_index" if IS_BY_TRY else "map_index": map_index}
    added: Any = session.execute(insert(TaskInstance.__table__).values(**values | task | index | more))
    return added.inserted_primary_key[0]


def add_wait(
    session: Session,
    run: Any,
    *,
    status: ImportState = ImportState.SUCCEEDED,
    vendor: str = "clear",
    import_id: str = "7",
    **task: Any,
) -> None:
    """Add a task instance that waits or has waited for an import, with its status."""
    told = ImportStatus(
        vendor=vendor, import_id=import_id, state=status, vendor_state="x", messages=("told",)
    )
    add_status(session, run, LatestStatus(told, NOW.timestamp()).to_dict(), **task)


def add_status(
    session: Session,
    run: Any,
    status: Any,
    *,
    task_id: str = "wait",
    map_index: int = -1,
    is_of_try: bool = IS_BY_TRY,
    **task: Any,
) -> None:
    """Add a task instance that stored this status."""
    task_instance_id = add_task(session, run, task_id=task_id, map_index=map_index, **task)
    value = {"key": XCOM_KEY, "value": status, "timestamp": NOW}
    tables = vars(xcom)
    if is_of_try:
        values = {"id": uuid7(), "task_instance_id": task_instance_id}
        session.execute(insert(tables["XComModelV2"]).values(**values, **value))
        return
    place = {**run, "task_id": task_id, "map_index": map_index}
    session.execute(insert(tables["XComModelV1" if IS_BY_TRY else "XComModel"]).values(**place, **value))
    if IS_BY_TRY:
        owner = {name: value for name, value in place.items() if name != "dag_run_id"}
        table = vars(taskinstance)["LegacyTaskDataOwner"]
        session.execute(insert(table).values(**owner, task_instance_id=task_instance_id))
