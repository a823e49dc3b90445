"""The last try of a task, and its XCom `import_status`, wherever this version of Airflow stores them."""

from __future__ import annotations

from typing import Any

from airflow.models import taskinstance, xcom
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from sqlalchemy import ColumnElement, false, func, select, true

from airflow_provider_importstatus.polling.reporting import XCOM_KEY

__all__ = ["ALL_TRIES", "is_last_try", "status_xcom"]

#: An execution option: Airflow 3.4 then adds no condition of its own, which leads SQLite to the wrong index.
ALL_TRIES = {"include_all_attempts": True}

#: What names a task instance, besides the number of its try.
COORDINATES = ("dag_id", "task_id", "run_id", "map_index")


def is_last_try() -> ColumnElement[bool]:
    """Return the condition on task instances that leaves out earlier tries, which Airflow 3.4 keeps."""
    columns = TaskInstance.__table__.columns
    return func.coalesce(columns["working_set"], false()) if "working_set" in columns else true()


def status_xcom(dag_run_id: ColumnElement[int]) -> ColumnElement[Any]:
    """Return a subquery for the value, given the id of the task instance's DAG run.

    With it, every database looks up each task instance in an index. For a join, PostgreSQL 15 reads the whole
    tables of task instances and XComs.
    """
    tables = vars(xcom)
    if "XComModelV2" not in tables:
        return _of_run(xcom.XComModel, dag_run_id)
    # Airflow 3.4 stores the XComs of each try. Those of earlier versions stay where they are.
    new, old, owner = tables["XComModelV2"], tables["XComModelV1"], vars(taskinstance)["LegacyTaskDataOwner"]
    is_owner = (getattr(old, name) == getattr(owner, name) for name in COORDINATES)
    return func.coalesce(
        _value(new, new.task_instance_id == TaskInstance.id),
        _of_run(old, dag_run_id, owner.task_instance_id == TaskInstance.id, *is_owner),
    )


def _of_run(
    stored: Any, dag_run_id: ColumnElement[int], *conditions: ColumnElement[bool]
) -> ColumnElement[Any]:
    is_task = (stored.task_id == TaskInstance.task_id, stored.map_index == TaskInstance.map_index)
    return _value(stored, stored.dag_run_id == dag_run_id, *is_task, *conditions)


def _value(stored: Any, *conditions: ColumnElement[bool]) -> ColumnElement[Any]:
    found = select(stored.value).where(stored.key == XCOM_KEY, *conditions)
    return found.correlate(TaskInstance, DagRun).scalar_subquery()
