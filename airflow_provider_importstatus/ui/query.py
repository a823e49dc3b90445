"""Queries for imports, over `import_status` XComs and their task instances.

The database filters and sorts, with SQLAlchemy's JSON operators for SQLite, PostgreSQL and MySQL.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from airflow.models.taskinstance import TaskInstance
from airflow.models.taskreschedule import TaskReschedule
from airflow.models.xcom import XComModel
from airflow.utils.state import State
from fastapi import Query
from sqlalchemy import ColumnElement, Select, and_, case, false, func, or_, select

from airflow_provider_importstatus.polling.reporting import XCOM_KEY
from airflow_provider_importstatus.status import ImportStatus
from airflow_provider_importstatus.ui.well_typed import is_storable, well_typed

__all__ = ["PAGE_SIZE", "WAITING", "Filters", "as_json", "count", "dags_and_vendors", "page"]

PAGE_SIZE = 50
#: A filter in place of a state: the imports that a task still waits for.
WAITING = "waiting"

# A task without a state was cleared and will wait again.
_is_waited_for = or_(TaskInstance.state.is_(None), TaskInstance.state.not_in(State.finished))
# In reschedule mode, each poll restarts the task.
_first_start = func.coalesce(
    select(func.min(TaskReschedule.start_date))
    .where(TaskReschedule.ti_id == TaskInstance.id)
    .scalar_subquery(),
    TaskInstance.start_date,
)


@dataclass(frozen=True, slots=True)
class Filters:
    """The filters of the page; None matches everything."""

    dag_id: str | None = None
    run_id: str | None = None
    task_id: str | None = None
    map_index: Annotated[int | None, Query(ge=-1, le=2**31 - 1)] = None
    vendor: str | None = None
    state: str | None = None
    text: str | None = None

    def conditions(self) -> Iterator[ColumnElement[bool]]:
        """Yield the filters as SQL conditions."""
        texts = (self.dag_id, self.run_id, self.task_id, self.vendor, self.state, self.text)
        if not all(value is None or is_storable(value) for value in texts):
            # PostgreSQL rejects such parameters, and no stored value can match.
            yield false()
            return
        columns = {
            XComModel.dag_id: self.dag_id,
            XComModel.run_id: self.run_id,
            XComModel.task_id: self.task_id,
            XComModel.map_index: self.map_index,
            _json_field("vendor"): self.vendor,
            _json_field("state"): None if self.state == WAITING else self.state,
        }
        yield from (column == value for column, value in columns.items() if value not in (None, ""))
        if self.state == WAITING:
            yield _is_waited_for
        if self.text:
            yield _contains(self.text)


def dags_and_vendors() -> Select[Any]:
    """Return the query for the distinct pairs of DAG and vendor."""
    return _imports(XComModel.dag_id, _json_field("vendor")).distinct()


def count(dag_ids: Iterable[str], filters: Filters) -> Select[Any]:
    """Return the query for the number of imports in these DAGs."""
    return _within(_imports(func.count()), dag_ids, filters)


def page(dag_ids: Iterable[str], filters: Filters, number: int) -> Select[Any]:
    """Return the query for one page of imports in these DAGs: those waited for first, then newest runs."""
    columns = (
        *(XComModel.dag_id, XComModel.run_id, XComModel.task_id, XComModel.map_index, XComModel.value),
        *(TaskInstance.state, _first_start.label("start_date"), TaskInstance.end_date),
    )
    # By run: the order by any other time would change with each poll.
    newest_run_first = (XComModel.dag_run_id.desc(), XComModel.task_id, XComModel.map_index)
    return (
        _within(_imports(*columns), dag_ids, filters)
        .order_by(case((_is_waited_for, 0), else_=1), *newest_run_first)
        .limit(PAGE_SIZE)
        .offset((number - 1) * PAGE_SIZE)
    )


def as_json(row: Any) -> dict[str, Any] | None:
    """Return one row as JSON types; None if the XCom is another operator's."""
    if (value := well_typed(row.value)) is None:
        return None
    return {
        **ImportStatus.from_dict(value).to_dict(),
        "polled_at": value["polled_at"],
        "next_poll_at": value["next_poll_at"],
        "dag_id": row.dag_id,
        "run_id": row.run_id,
        "task_id": row.task_id,
        "map_index": row.map_index,
        "task_state": row.state,
        "is_waited_for": row.state not in State.finished,
        "task_started_at": _iso(row.start_date),
        "task_ended_at": _iso(row.end_date),
    }


def _imports(*columns: Any) -> Select[Any]:
    is_its_task = and_(
        TaskInstance.dag_id == XComModel.dag_id,
        TaskInstance.task_id == XComModel.task_id,
        TaskInstance.run_id == XComModel.run_id,
        TaskInstance.map_index == XComModel.map_index,
    )
    is_ours = (XComModel.key == XCOM_KEY, _json_field("polled_at").is_not(None))
    return select(*columns).select_from(XComModel).join(TaskInstance, is_its_task).where(*is_ours)


def _within(query: Select[Any], dag_ids: Iterable[str], filters: Filters) -> Select[Any]:
    return query.where(XComModel.dag_id.in_(dag_ids), *filters.conditions())


def _json_field(name: str) -> ColumnElement[str]:
    value: ColumnElement[str] = XComModel.value[name].as_string()
    return value


def _contains(text: str) -> ColumnElement[bool]:
    plain = (
        XComModel.dag_id,
        XComModel.run_id,
        XComModel.task_id,
        _json_field("import_id"),
        _json_field("vendor_state"),
    )
    # Within lists, SQLite keeps JSON's escapes; other databases do not.
    spellings = {text, json.dumps(text)[1:-1]}
    in_messages = (_json_field("messages").icontains(text, autoescape=True) for text in spellings)
    return or_(*(column.icontains(text, autoescape=True) for column in plain), *in_messages)


def _iso(instant: datetime | None) -> str | None:
    return instant.isoformat() if instant else None
