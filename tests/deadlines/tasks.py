"""Tasks that wait until a deadline: on workers, and as deferrals that a triggerer takes up."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, TaskDeferred

from airflow_provider_importstatus.exceptions import (
    AirflowRescheduleException,
    AirflowSensorTimeout,
    AirflowTaskTimeout,
)
from airflow_provider_importstatus.operators.import_file import TaoAdvanceImportOperator
from airflow_provider_importstatus.sandbox import Sandbox
from airflow_provider_importstatus.sensors.import_status import ImportStatusSensor
from airflow_provider_importstatus.tasks.waiting import WaitingTask
from airflow_provider_importstatus.triggers.import_status import ImportStatusTrigger
from airflow_provider_importstatus.version_compat import is_airflow

from ..operators.tasks import TriedTaskInstance, write_file
from ..sensors.tasks import ENDLESS, Store, sensor

try:
    from airflow.sdk.execution_time.timeout import timeout as airflows_timeout
except ImportError:  # Airflow 2.11 and 3.0
    from airflow.utils.timeout import timeout as airflows_timeout  # type: ignore[no-redef,import-not-found]

__all__ = ["DEFERRED", "LIMITS", "ON_WORKERS", "SECONDS", "VENDOR", "Deferral", "World"]

#: It has a login, is submitted files to, and can share tokens.
VENDOR = "tao_advance"
CONN_ID = f"{VENDOR}_default"
#: The limit under test, in seconds.
SECONDS = 1.0
#: The other limit: long enough for the one under test to end a task, short enough for a test that fails.
OTHER = 30.0
#: Seconds for which an outage is tolerated.
TOLERANCE = 3600.0
#: Each limit, and the error of a task whose limit has passed.
LIMITS: dict[str, type[BaseException]] = {
    "timeout": AirflowSensorTimeout,
    "execution_timeout": AirflowTaskTimeout,
}
ZERO_WORKER: dict[str, Any] = {"start_from_trigger": True, "end_from_trigger": True}


@dataclass
class World:
    """What tasks of one test share.

    :param sandbox: the vendor
    :param folder: for files to submit
    :param start_trouble: lets something go wrong from now on
    """

    sandbox: Sandbox
    folder: Path
    start_trouble: Callable[[], Any]

    @contextmanager
    def trouble_midway(self) -> Iterator[None]:
        """Let something go wrong while a task waits."""
        timer = threading.Timer(SECONDS / 2, self.start_trouble)
        timer.start()
        try:
            yield
        finally:
            timer.join()

    def sensor(self, limit: str, **more: Any) -> ImportStatusSensor:
        """Return a sensor that waits for an import that never ends."""
        more.setdefault("import_id", self.sandbox.submit(VENDOR, **ENDLESS))
        return sensor(CONN_ID, outage_tolerance=TOLERANCE, **_limits(limit), **more)

    def operator(self, limit: str, **more: Any) -> TaoAdvanceImportOperator:
        """Return an operator that submits a file whose import never ends."""
        with DAG("a_dag", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):
            return TaoAdvanceImportOperator(
                task_id="wait",
                file=str(write_file(self.folder, **ENDLESS)),
                poll_interval=0.05,
                exponential_backoff=False,
                outage_tolerance=TOLERANCE,
                **_limits(limit),
                **more,
            )


def _context(store: Store | None = None, **more: Any) -> Any:
    return {"ti": TriedTaskInstance(**more), "task_state_store": store or Store()}


def _limits(limit: str) -> dict[str, Any]:
    seconds = {name: SECONDS if name == limit else OTHER for name in LIMITS}
    return {**seconds, "execution_timeout": timedelta(seconds=seconds["execution_timeout"])}


# On a worker, where Airflow enforces `execution_timeout`.


def execute(task: WaitingTask, context: Any) -> Any:
    """Run a task as Airflow's workers do."""
    assert task.execution_timeout is not None
    with airflows_timeout(task.execution_timeout.total_seconds()):
        return task.execute(context)


def poke(world: World, limit: str) -> Any:
    with world.trouble_midway():
        return execute(world.sensor(limit), _context())


def reschedule(world: World, limit: str) -> Any:
    """Poll in a new process each time, when the task was rescheduled to."""
    task = world.sensor(limit, mode="reschedule")
    began = datetime.now(UTC)
    with world.trouble_midway():
        while True:
            try:
                return execute(task, _context(first_rescheduled=began))
            except AirflowRescheduleException as rescheduled:
                time.sleep(max((rescheduled.reschedule_date - datetime.now(UTC)).total_seconds(), 0))
            task = world.sensor(limit, mode="reschedule", import_id=task.import_id)


def before_it_defers(world: World, limit: str) -> Any:
    """Poll once, which takes until the deadline if the vendor does not respond."""
    task = world.sensor(limit, deferrable=True)
    world.start_trouble()
    return execute(task, _context())


def operator(world: World, limit: str) -> Any:
    with world.trouble_midway():
        return execute(world.operator(limit), _context())


def operator_retried(world: World, limit: str) -> Any:
    """Take up the import of an earlier try, with what is left of its `timeout`."""
    store = Store()
    world.operator(limit, wait_for_completion=False).execute(_context(store))
    world.start_trouble()
    return execute(world.operator(limit), _context(store))


ON_WORKERS: dict[str, Callable[[World, str], Any]] = {
    "poke": poke,
    "reschedule": reschedule,
    "before it defers": before_it_defers,
    "operator": operator,
    "operator, retried": operator_retried,
}


# In a triggerer.


@dataclass
class Deferral:
    """A deferred task as Airflow's database has it.

    :param began: when the limits of its try begin
    :param due: when Airflow itself would end the deferral
    """

    task: WaitingTask
    context: Any
    began: float
    due: float
    trigger_kwargs: dict[str, Any]
    next_method: str
    next_kwargs: dict[str, Any]

    @classmethod
    def by_worker(cls, task: WaitingTask, context: Any) -> Deferral:
        """Run a task until it defers."""
        began = time.time()
        with pytest.raises(TaskDeferred) as raised:
            task.execute(context)
        deferred = raised.value
        _, kwargs = deferred.trigger.serialize()
        assert deferred.timeout is not None
        due = time.time() + deferred.timeout.total_seconds()
        return cls(task, context, began, due, kwargs, deferred.method_name, deferred.kwargs or {})

    @classmethod
    def by_scheduler(cls, task: ImportStatusSensor, context: Any) -> Deferral:
        """Defer a task as Airflow's scheduler does from 3.3 on."""
        args = task.start_trigger_args
        assert args is not None
        assert args.timeout is not None
        assert task.execution_timeout is not None
        began = time.time()
        due = began + min(args.timeout, task.execution_timeout).total_seconds()
        return cls(task, context, began, due, dict(args.trigger_kwargs or {}), args.next_method, {})

    def trigger(self) -> Any:
        """Return the trigger as each triggerer creates it."""
        trigger: Any = ImportStatusTrigger(**json.loads(json.dumps(self.trigger_kwargs)))
        if is_airflow(3, 0):
            trigger.timeout_after = datetime.fromtimestamp(self.due, UTC)
        ti = self.context["ti"]
        names = {name: getattr(ti, name) for name in ("dag_id", "task_id", "run_id", "map_index")}
        trigger.task_instance = SimpleNamespace(**names, task=None)
        return trigger

    def resume(self, event: Mapping[str, Any]) -> Any:
        """Resume the task on a worker with the trigger's event."""
        kwargs = {**self.next_kwargs, "event": json.loads(json.dumps(event))}
        return self.task.resume_execution(self.next_method, kwargs, self.context)


def deferred(world: World, limit: str) -> Deferral:
    return Deferral.by_worker(world.sensor(limit, deferrable=True), _context())


def operator_deferred(world: World, limit: str) -> Deferral:
    return Deferral.by_worker(world.operator(limit, deferrable=True), _context())


def operator_deferred_again(world: World, limit: str) -> Deferral:
    """Defer a second time: the retry takes up the import of the first try, and its `timeout`."""
    store = Store()
    began = time.time()
    import_id = world.operator(limit, wait_for_completion=False).execute(_context(store))
    again = Deferral.by_worker(world.operator(limit, deferrable=True), _context(store))
    assert again.next_kwargs == {"import_id": import_id}
    if limit == "timeout":
        again.began = began
    return again


def sensor_that_ends_in_triggerer(world: World, limit: str) -> Deferral:
    return Deferral.by_worker(world.sensor(limit, end_from_trigger=True), _context())


def operator_that_ends_in_triggerer(world: World, limit: str) -> Deferral:
    return Deferral.by_worker(world.operator(limit, end_from_trigger=True), _context())


def zero_worker(world: World, limit: str) -> Deferral:
    return Deferral.by_scheduler(world.sensor(limit, **ZERO_WORKER), _context())


DEFERRED: dict[str, Callable[[World, str], Deferral]] = {
    "deferred": deferred,
    "operator, deferred": operator_deferred,
    "operator, deferred again by a retry": operator_deferred_again,
}
if is_airflow(3, 3):
    DEFERRED |= {
        "ends in the triggerer": sensor_that_ends_in_triggerer,
        "operator, ends in the triggerer": operator_that_ends_in_triggerer,
        "zero-worker": zero_worker,
    }
