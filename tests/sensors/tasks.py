"""Helpers that create sensors and run them like tasks: to the end, or deferred and resumed."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.common.compat.sdk import DAG, TaskDeferred

from airflow_provider_importstatus.sandbox import Sandbox
from airflow_provider_importstatus.sensors.import_status import ImportStatusSensor

from ..conftest import ENDLESS as ENDLESS
from ..conftest import VENDORS as VENDORS
from ..conftest import Connect as Connect


@dataclass
class TaskInstance:
    """What a sensor uses of a task instance: its ids, XComs, and when the task was first rescheduled.

    :param broken: the methods that fail because Airflow's API is unreachable
    """

    first_rescheduled: datetime | None = None
    xcoms: dict[str, Any] = field(default_factory=dict)
    dag_id: str = "a_dag"
    run_id: str = "a_run"
    task_id: str = "wait"
    map_index: int = -1
    try_number: int = 1
    broken: tuple[str, ...] = ()

    def _fail_in(self, method: str) -> None:
        if method in self.broken:
            raise ConnectionError("hunter2 at the API's address")

    def xcom_push(self, key: str, value: Any) -> None:
        self._fail_in("xcom_push")
        self.xcoms[key] = json.loads(json.dumps(value))

    def xcom_pull(self, task_ids: str, key: str, map_indexes: int) -> Any:
        self._fail_in("xcom_pull")
        assert (task_ids, map_indexes) == (self.task_id, self.map_index)
        return self.xcoms.get(key)

    def get_first_reschedule_date(self, context: Any) -> datetime | None:
        self._fail_in("get_first_reschedule_date")
        assert context["ti"] is self
        return self.first_rescheduled


@dataclass
class Store:
    """Airflow's task state store, as available to tasks since 3.3.

    :param broken: the methods that fail because the store is unreachable
    """

    values: dict[str, Any] = field(default_factory=dict)
    broken: tuple[str, ...] = ()
    writes: int = 0

    def get(self, key: str, default: Any = None) -> Any:
        if "get" in self.broken:
            raise ConnectionError("hunter2 at the API's address")
        return self.values.get(key, default)

    def set(self, key: str, value: Any, *, retention: timedelta | None = None) -> None:
        self.writes += 1
        if "set" in self.broken:
            raise ConnectionError("hunter2 at the API's address")
        assert datetime.now(UTC) + (retention or timedelta(0))
        self.values[key] = json.loads(json.dumps(value, allow_nan=False))


def sensor(conn_id: str = "thalamus_default", import_id: Any = "7", **more: Any) -> ImportStatusSensor:
    """Return a sensor in a DAG, with a short interval by default."""
    usual = {"poke_interval": 0.05, "exponential_backoff": False, "timeout": 10}
    with DAG("a_dag", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):
        return ImportStatusSensor(task_id="wait", conn_id=conn_id, import_id=import_id, **{**usual, **more})


def run(task: ImportStatusSensor, ti: TaskInstance | None = None, store: Store | None = None) -> Any:
    """Execute a task like a worker; without a store as before Airflow 3.3."""
    context: Any = {"ti": ti or TaskInstance(), **({"task_state_store": store} if store else {})}
    return task.execute(context)


def resume(task: ImportStatusSensor, event: Any, ti: TaskInstance | None = None) -> Any:
    """Resume a task after its trigger has fired, like a worker."""
    context: Any = {"ti": ti or TaskInstance()}
    return task.resume_execution("execute_complete", {"event": event}, context)


def defer(task: ImportStatusSensor, ti: TaskInstance | None = None) -> TaskDeferred:
    """Execute a task until it defers."""
    try:
        run(task, ti)
    except TaskDeferred as deferred:
        return deferred
    raise AssertionError("The task did not defer.")


def fired(trigger: Any) -> Any:
    """Return the event of a trigger, as if the deferral was long ago."""

    async def payloads() -> list[Any]:
        trigger.deferred_at = None
        return [event.payload async for event in trigger.run()]

    (payload,) = asyncio.run(asyncio.wait_for(payloads(), 20))
    return json.loads(json.dumps(payload))


def requests_of(sandbox: Sandbox) -> int:
    """Return the total number of requests to the vendors."""
    return sum(sum(sandbox.requests(vendor).values()) for vendor in VENDORS)
