"""Queries for imports: task instances that have an XCom `import_status`.

Airflow has no index for the newest imports. So each query starts from the unfinished tasks and from the
newest DAG runs, which have one, and stops after `MAX_IMPORTS` of each. SQLAlchemy's JSON operators read the
statuses on SQLite, PostgreSQL and MySQL.
"""

# Not `from __future__ import annotations`: the FastAPI of Airflow 3.1 does not resolve those of `Filters`.
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from airflow.models.dag import DagModel
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.models.taskreschedule import TaskReschedule
from airflow.models.team import Team
from airflow.utils.state import State
from fastapi import Query
from sqlalchemy import (
    ColumnElement,
    Select,
    Subquery,
    and_,
    false,
    func,
    not_,
    or_,
    select,
    true,
    union,
    union_all,
)

from airflow_provider_importstatus.status import ImportStatus
from airflow_provider_importstatus.ui.well_typed import is_storable, well_typed
from airflow_provider_importstatus.ui.xcom import ALL_TRIES, is_last_try, status_xcom

__all__ = ["MAX_IMPORTS", "Filters", "as_json", "details", "overview", "teams"]

#: Maximum number of imports that are waited for, and of others, unless a DAG run is named. PostgreSQL 15 and
#: SQLite find so many in about 65 ms of CPU time, among 100,000 imports and a million other tasks.
MAX_IMPORTS = 2_000

# There is no index for `not_in(State.finished)`. A task without a state was cleared and will wait again.
_UNFINISHED = [state for state in State.unfinished if state is not None]
_is_waited_for = or_(TaskInstance.state.is_(None), TaskInstance.state.in_(_UNFINISHED))
_NAMES: tuple[Any, ...] = (
    *(TaskInstance.id, TaskInstance.dag_id, TaskInstance.run_id, TaskInstance.task_id),
    TaskInstance.map_index.label("map_index"),
)
_is_in_run = and_(DagRun.dag_id == TaskInstance.dag_id, DagRun.run_id == TaskInstance.run_id)


@dataclass(frozen=True, slots=True)
class Filters:
    """The filters of the page; None matches everything.

    :param days: an import that no task waits for any more is listed if its DAG run was due or created within
        so many days, or if `dag_id` and `run_id` name the run
    :param before: list only imports that no task waits for any more, of DAG runs with a smaller id
    """

    days: Literal["7", "30", "all"] = "7"
    before: Annotated[int | None, Query(ge=0, le=2**31 - 1)] = None
    dag_id: str | None = None
    run_id: str | None = None
    task_id: str | None = None
    map_index: Annotated[int | None, Query(ge=-1, le=2**31 - 1)] = None
    vendor: str | None = None
    state: str | None = None
    text: str | None = None

    @property
    def is_one_run(self) -> bool:
        """Return whether they name a DAG run, all of whose imports are listed."""
        return bool(self.dag_id and self.run_id)

    def of_tasks(self) -> Iterator[ColumnElement[bool]]:
        """Yield the conditions on task instances."""
        texts = (self.dag_id, self.run_id, self.task_id, self.vendor, self.state, self.text)
        if not all(is_storable(text) for text in texts if text):
            yield false()
        task = TaskInstance
        yield from _equal(
            {task.run_id: self.run_id, task.task_id: self.task_id, task.map_index: self.map_index}
        )

    def runs(self) -> Select[Any]:
        """Return the query for the ids of the DAG runs whose imports are listed after their end."""
        ids = select(DagRun.id).where(*_equal({DagRun.dag_id: self.dag_id, DagRun.run_id: self.run_id}))
        if self.before is not None:
            ids = ids.where(DagRun.id < self.before)
        if self.days == "all" or self.is_one_run:
            return ids
        since = datetime.now(UTC) - timedelta(days=int(self.days))
        # Ids grow: the runs of a backfill were due long ago, but come after the last run of the days before.
        last = select(DagRun.id).where(DagRun.start_date < since).order_by(DagRun.id.desc()).limit(1)
        created = ids.where(DagRun.id > func.coalesce(last.scalar_subquery(), 0))
        return select(union(ids.where(DagRun.run_after >= since), created).subquery().c.id)


def overview(dag_ids: Iterable[str], filters: Filters) -> Select[Any]:
    """Return the query for what the page counts and chooses from: imports of any vendor and state, unordered.

    Its column `has_text` says whether the filter `text` matches.
    """
    imports = _newest(dag_ids, filters)
    columns = (
        imports.c[name] for name in ("id", "dag_id", "task_id", "map_index", "dag_run_id", "is_waited_for")
    )
    vendor, state = (_json_field(imports, name).label(name) for name in ("vendor", "state"))
    has_text = _contains(imports, filters.text) if filters.text and is_storable(filters.text) else true()
    overview = select(*columns, vendor, state, has_text.label("has_text"))
    return overview.execution_options(**ALL_TRIES)


def details(ids: Iterable[Any]) -> Select[Any]:
    """Return the query for all that is shown of the imports of these task instances."""
    task = TaskInstance
    # In reschedule mode, each poll restarts the task.
    first_start = select(func.min(TaskReschedule.start_date)).where(TaskReschedule.ti_id == task.id)
    start = func.coalesce(first_start.scalar_subquery(), task.start_date).label("start_date")
    value = status_xcom(_run_id()).label("value")
    details = select(*_NAMES, task.state, start, task.end_date, value).where(task.id.in_(ids))
    return details.execution_options(**ALL_TRIES)


def teams(dag_ids: Iterable[str]) -> Select[Any]:
    """Return the query for the teams of those DAGs that belong to one."""
    columns: tuple[Any, ...] = (DagModel.dag_id, Team.name)
    of_bundle = DagModel.bundle_name == DagBundleModel.name
    return (
        select(*columns)
        .join(DagBundleModel, of_bundle)
        .join(DagBundleModel.teams)
        .where(DagModel.dag_id.in_(dag_ids))
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


def _newest(dag_ids: Iterable[str], filters: Filters) -> Subquery:
    """Return the newest imports that are waited for, and the newest others."""
    task = TaskInstance
    tasks = select(*_NAMES).where(is_last_try(), *filters.of_tasks())
    dag_ids = [dag_id for dag_id in dag_ids if filters.dag_id in (None, "", dag_id)]
    limit = None if filters.is_one_run else MAX_IMPORTS
    # `concat`, or SQLite reads all task instances of the DAGs in place of the newest or unfinished ones.
    others = tasks.join(DagRun, _is_in_run).where(
        not_(_is_waited_for), DagRun.dag_id.concat("").in_(dag_ids), DagRun.id.in_(filters.runs())
    )
    parts = [_imports(others, DagRun.id, false(), limit)]
    if filters.before is None:
        dag_id = task.dag_id if filters.is_one_run else task.dag_id.concat("")
        waited_for = tasks.where(_is_waited_for, dag_id.in_(dag_ids))
        parts.append(_imports(waited_for, _run_id(), true(), limit))
    return union_all(*parts).subquery()


def _run_id() -> Any:
    return select(DagRun.id).where(_is_in_run).correlate(TaskInstance).scalar_subquery()


def _imports(tasks: Select[Any], run_id: Any, is_waited_for: Any, limit: int | None) -> Select[Any]:
    more = (
        run_id.label("dag_run_id"),
        is_waited_for.label("is_waited_for"),
        status_xcom(run_id).label("value"),
    )
    imports = tasks.add_columns(*more).subquery()
    # Other operators may use the same XCom key.
    is_ours = _json_field(imports, "polled_at").is_not(None)
    # By run: the order by any other time would change with each poll. SQLite needs it to be the only order.
    newest = select(imports).where(is_ours).order_by(imports.c.dag_run_id.desc()).limit(limit)
    return select(newest.subquery())


def _equal(values: Mapping[Any, Any]) -> Iterator[ColumnElement[bool]]:
    for column, value in values.items():
        # PostgreSQL rejects texts that are not storable; no stored value can match them.
        if value not in (None, "") and (not isinstance(value, str) or is_storable(value)):
            yield column == value


def _json_field(imports: Subquery, name: str) -> ColumnElement[str]:
    value: ColumnElement[str] = imports.c.value[name].as_string()
    return value


def _contains(imports: Subquery, text: str) -> ColumnElement[bool]:
    plain = (
        *(imports.c.dag_id, imports.c.run_id, imports.c.task_id),
        *(_json_field(imports, name) for name in ("import_id", "vendor_state")),
    )
    # Within lists, SQLite keeps JSON's escapes; other databases do not.
    spellings = {text, json.dumps(text)[1:-1]}
    in_messages = (_json_field(imports, "messages").icontains(text, autoescape=True) for text in spellings)
    return or_(*(column.icontains(text, autoescape=True) for column in plain), *in_messages)


def _iso(instant: datetime | None) -> str | None:
    return instant.isoformat() if instant else None
