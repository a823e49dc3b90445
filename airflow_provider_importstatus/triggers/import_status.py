"""What waits in a triggerer until an import is over."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from airflow.providers.common.compat.sdk import XCom
from airflow.triggers.base import BaseTrigger, TaskSuccessEvent, TriggerEvent
from asgiref.sync import sync_to_async
from jinja2 import Environment, StrictUndefined

from airflow_provider_importstatus.clients import metrics
from airflow_provider_importstatus.clients.async_client import AsyncClient, shared_client
from airflow_provider_importstatus.exceptions import ImportStatusError, ImportUnavailableError
from airflow_provider_importstatus.hooks.lookup import hook_for
from airflow_provider_importstatus.links import LINKS, import_path
from airflow_provider_importstatus.polling.events import write_event
from airflow_provider_importstatus.polling.policy import Action, describe, judge
from airflow_provider_importstatus.polling.reporting import RESULT_KEY, XCOM_KEY, StatusReporter, xcom_value
from airflow_provider_importstatus.polling.schedule import (
    Finished,
    GaveUp,
    PollAgain,
    Wait,
    first_delay,
    hold,
    on_this_clock,
)
from airflow_provider_importstatus.polling.validation import read_import_id, read_policy
from airflow_provider_importstatus.status import ImportState, ImportStatus
from airflow_provider_importstatus.triggers import start_from_trigger

__all__ = ["ImportStatusTrigger"]

#: A sleep that ends so much too late tells that the triggerer was paused, in seconds.
LATE = 5.0
#: Airflow's own default for a sensor's timeout, in seconds.
DEFAULT_SENSOR_TIMEOUT = 7 * 24 * 3600.0

_writing: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()


class ImportStatusTrigger(BaseTrigger):
    """Looks at an import until it is over, and fires one event.

    The event is ``{"v": 1, "status": {...}}`` or ``{"v": 1, "error": {"type": ..., "message": ...}}``.

    :param conn_id: the connection, whose type chooses the vendor
    :param import_id: what the vendor's submit call returned, or the task (``task_id``) and ``key`` whose XCom
        it is
    :param hook_params: keyword arguments of the hook
    :param wait: the course so far, as `Wait.to_dict` gives it; a new one unless given
    :param deferred_at: when a worker deferred the task, in seconds since 1970. An absolute time, since a
        restarted triggerer makes the trigger anew
    :param timeout: the sensor's, in seconds, for a wait that begins here
    :param execution_timeout: the task's, in seconds, for a wait that begins here
    :param conn_type: the only connection type that the sensor takes; empty for any
    :param end_from_trigger: whether an import that the task accepts ends it here
    :param on_partial: the sensor's
    :param max_failed_rows: the sensor's
    :param do_xcom_push: the task's
    """

    def __init__(
        self,
        conn_id: str,
        import_id: str | int | dict[str, str],
        hook_params: dict[str, Any] | None = None,
        wait: dict[str, Any] | None = None,
        deferred_at: float | None = None,
        *,
        timeout: float = DEFAULT_SENSOR_TIMEOUT,
        execution_timeout: float | None = None,
        conn_type: str = "",
        end_from_trigger: bool = False,
        on_partial: str = Action.FAIL.value,
        max_failed_rows: int = 0,
        do_xcom_push: bool = True,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # untyped in Airflow
        self.conn_id = conn_id
        self.import_id = import_id
        self.hook_params = hook_params
        self.wait = wait
        self.deferred_at = deferred_at
        self.timeout = timeout
        self.execution_timeout = execution_timeout
        self.conn_type = conn_type
        self.end_from_trigger = end_from_trigger
        self.on_partial = on_partial
        self.max_failed_rows = max_failed_rows
        self.do_xcom_push = do_xcom_push
        self._import_id: str | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class and the arguments that make this trigger again. None of them is a secret."""
        names = inspect.signature(ImportStatusTrigger.__init__).parameters.keys() - {"self"}
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {name: getattr(self, name) for name in sorted(names)},
        )

    def get_template_env(self, dag: Any = None) -> Environment:
        """As strict as on a worker: what is not there must not make another import's id."""
        # Airflow asks for it only where it has it, from 3.3 on.
        env: Environment = super().get_template_env(dag)
        env.undefined = StrictUndefined
        return env

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Fire exactly one event when the wait is over."""
        wait, deferred_at = self._course()
        end = await self._end(wait, deferred_at)
        self.log.info("The wait is over: %s", _words(end))
        if held := hold(deferred_at, time.time()):
            self.log.info("The task resumes in %.0f s: sooner, the scheduler might take it for lost.", held)
            await asyncio.sleep(held)
        is_told = isinstance(end, Finished) and await self._succeed(end.status)
        yield TaskSuccessEvent() if is_told else TriggerEvent(write_event(end))

    async def _end(self, wait: Wait, deferred_at: float | None) -> Finished | GaveUp:
        progress = StatusReporter(wait, self.log, logged=wait.last, logged_at=time.time())
        if self.deferred_at is None:
            await self._push_links()
        async with shared_client(self.conn_id) as client:
            await _sleep(first_delay(wait, deferred_at, time.time()))
            since = time.monotonic()
            while True:
                outcome, latest = progress.record(await self._look(client, wait, since), time.time())
                if latest:
                    await self._publish(latest)
                if not isinstance(outcome, PollAgain):
                    metrics.time_wait(self.conn_id, _result(outcome), time.time() - wait.first_poll_at)
                    return outcome
                await _sleep(outcome.delay)

    async def _look(self, client: AsyncClient, wait: Wait, since: float) -> ImportStatus | ImportStatusError:
        try:
            if self._import_id is None:
                self._import_id = read_import_id(await self._pulled())
            return await client.poll(
                client.source(self.hook_params, partial(hook_for, self.conn_id, self.hook_params)),
                self._import_id,
                since=since,
                conn_type=self.conn_type,
                deadline=wait.ends,
                dag_id=getattr(self.task_instance, "dag_id", ""),
            )
        except ImportStatusError as error:
            return error

    async def _pulled(self) -> Any:
        """The id itself, where it is another task's result."""
        ti = self.task_instance
        match self.import_id:
            case {"task_id": str(task_id), "key": str(key)} if ti is not None:
                try:
                    return await sync_to_async(XCom.get_one)(
                        dag_id=ti.dag_id, run_id=ti.run_id, task_id=task_id, key=key, map_index=-1
                    )
                except Exception as error:
                    raise ImportUnavailableError(
                        f"The XCom {key!r} of task {task_id!r} cannot be read: {type(error).__name__}."
                    ) from error
        return self.import_id

    def _course(self) -> tuple[Wait, float | None]:
        """The wait, and when a worker deferred it, as the database's clock tells."""
        given, due = self.wait or {}, self._due()
        if "first_poll_at" in given:
            wait = Wait.from_dict(given)
            if due is None or self.deferred_at is None:
                return wait, self.deferred_at
            return on_this_clock(wait, self.deferred_at, due - start_from_trigger.DEADLINE_MARGIN)
        limit = self.execution_timeout
        began = time.time() if due is None else due - start_from_trigger.database_timeout(self.timeout, limit)
        begun = {
            "first_poll_at": began,
            "deadline": began + self.timeout,
            "execution_deadline": None if limit is None else began + limit,
        }
        wait = Wait.from_dict({**begun, **given})
        # It counts from the first look, for which there may have been no triggerer for a while.
        wait.not_found_grace += max(time.time() - began, 0.0)
        return wait, None

    def _due(self) -> float | None:
        """The database's deadline, which outlives triggerers. Only they set it, from Airflow 3.0 on."""
        due: datetime | None = getattr(self, "timeout_after", None)
        if due is None:
            return None
        return (due if due.tzinfo else due.replace(tzinfo=UTC)).timestamp()

    async def _succeed(self, status: ImportStatus) -> bool:
        """Do a worker's part of a success; false where a worker must."""
        ti = self.task_instance
        if not self.end_from_trigger or ti is None:
            return False
        verdict = judge(status, read_policy(self.on_partial, self.max_failed_rows))
        if verdict.action is not Action.SUCCEED:
            return False
        # A worker that deferred has looked at the task itself; a triggerer may know of it, or may not.
        task = getattr(ti, "task", None)
        if self.deferred_at is None and (task is None or start_from_trigger.reason_not_to_end(task)):
            self.log.info("The task ends on a worker: it has what only a worker does.")
            return False
        if status.state is not ImportState.SUCCEEDED:
            self.log.warning("%s", verdict.reason)
        await self._publish(xcom_value(status, time.time(), None))
        return not self.do_xcom_push or await self._push(RESULT_KEY, status.within().to_dict())

    async def _push_links(self) -> None:
        """Store the links, as Airflow does where a worker's process ends."""
        ti = self.task_instance
        if ti is not None and self.do_xcom_push:
            path = import_path(ti.dag_id, ti.run_id, ti.task_id, ti.map_index)
            for link in LINKS:
                await self._push(link.xcom_key, path)

    async def _publish(self, latest: dict[str, Any]) -> None:
        if self.do_xcom_push:
            await self._push(XCOM_KEY, latest)

    async def _push(self, key: str, value: Any) -> bool:
        ti = self.task_instance
        if ti is None:  # dag.test() has none
            return False
        where = {"dag_id": ti.dag_id, "task_id": ti.task_id, "run_id": ti.run_id, "map_index": ti.map_index}
        try:
            # One thread does it for all: a thousand calls in line there would busy the garbage collector.
            async with _writing.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
                await sync_to_async(XCom.set)(key=key, value=value, **where)
        except Exception as error:
            # The wait must outlive it: a worker writes the result then, and people see an older status.
            self.log.warning("The XCom %s could not be written: %s", key, type(error).__name__)
            return False
        return True


async def _sleep(seconds: float) -> None:
    """Sleep; after a pause of the process, let Airflow first cancel what another triggerer has taken over."""
    due = time.monotonic() + seconds
    await asyncio.sleep(seconds)
    if time.monotonic() - due > LATE:
        await asyncio.sleep(LATE)


def _result(end: Finished | GaveUp) -> str:
    return end.status.state.value if isinstance(end, Finished) else type(end.error).__name__


def _words(end: Finished | GaveUp) -> str:
    return describe(end.status) if isinstance(end, Finished) else f"{type(end.error).__name__}: {end.error}"
