"""The trigger that waits for the end of an import."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from airflow.providers.common.compat.sdk import XCom
from airflow.triggers.base import BaseTrigger, TaskSuccessEvent, TriggerEvent
from jinja2 import Environment, StrictUndefined

from airflow_provider_importstatus.clients import metrics
from airflow_provider_importstatus.clients.async_client import AsyncClient, HookSource, shared_client
from airflow_provider_importstatus.clients.status_queue import status_queue
from airflow_provider_importstatus.clients.threads import in_thread
from airflow_provider_importstatus.exceptions import ImportStatusError, ImportUnavailableError
from airflow_provider_importstatus.hooks.lookup import hook_for
from airflow_provider_importstatus.polling.events import write_event
from airflow_provider_importstatus.polling.policy import Action, describe, judge
from airflow_provider_importstatus.polling.reporting import (
    RESULT_KEY,
    XCOM_KEY,
    LatestStatus,
    StatusReporter,
)
from airflow_provider_importstatus.polling.schedule import (
    DEFAULT_SENSOR_TIMEOUT,
    Finished,
    GaveUp,
    PollAgain,
    Wait,
    first_delay,
    on_this_clock,
    resume_delay,
)
from airflow_provider_importstatus.polling.validation import read_import_id, read_policy
from airflow_provider_importstatus.status import ImportState, ImportStatus
from airflow_provider_importstatus.triggers import start_from_trigger

__all__ = ["ImportStatusTrigger"]

#: A sleep that ends this many seconds late means that the triggerer was paused.
LATE = 5.0
#: How long the end of a wait that gives up may wait for the write of its latest status, in seconds. A status
#: is worth no more: a thousand waits may give up at the same time.
MAX_LAST_WRITE = 5.0
#: States of a task that somebody has ended.
ENDED_STATES = frozenset({"failed", "success", "skipped", "removed"})

#: Cancellations of imports in progress: event loops hold no references to tasks.
_cancelling: set[asyncio.Task[None]] = set()
_writing: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()


class ImportStatusTrigger(BaseTrigger):
    """Polls an import until it has ended, and fires one event.

    The event is ``{"v": 1, "status": {...}}`` or ``{"v": 1, "error": {"type": ..., "message": ...}}``.

    :param conn_id: the connection, whose type determines the vendor
    :param import_id: what the vendor's submit call returned, or the task (``task_id``) and ``key`` of an XCom
        that contains it
    :param hook_params: keyword arguments of the hook
    :param wait: the wait so far, as returned by `Wait.to_dict`, or the schedule's parameters of a new wait
    :param deferred_at: when a worker deferred the task (Unix seconds); absolute, since a restarted triggerer
        creates the trigger again
    :param timeout: the sensor's timeout in seconds, for a wait that starts here
    :param execution_timeout: the task's execution timeout in seconds, for a wait that starts here
    :param conn_type: the connection type that the sensor requires; empty for any
    :param end_from_trigger: whether the trigger ends the task when the policy accepts the import
    :param on_partial: the sensor's parameter
    :param max_failed_rows: the sensor's parameter
    :param do_xcom_push: the task's parameter
    :param cancel_on_kill: the sensor's parameter
    :param has_error_report_path: whether a worker stores error reports, also of a partial import that is
        accepted
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
        cancel_on_kill: bool = False,
        has_error_report_path: bool = False,
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
        self.cancel_on_kill = cancel_on_kill
        self.has_error_report_path = has_error_report_path
        self._import_id: str | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and the arguments that recreate this trigger, without secrets."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "conn_id": self.conn_id,
                "import_id": self.import_id,
                "hook_params": self.hook_params,
                "wait": self.wait,
                "deferred_at": self.deferred_at,
                "timeout": self.timeout,
                "execution_timeout": self.execution_timeout,
                "conn_type": self.conn_type,
                "end_from_trigger": self.end_from_trigger,
                "on_partial": self.on_partial,
                "max_failed_rows": self.max_failed_rows,
                "do_xcom_push": self.do_xcom_push,
                "cancel_on_kill": self.cancel_on_kill,
                "has_error_report_path": self.has_error_report_path,
            },
        )

    def get_template_env(self, dag: Any = None) -> Environment:
        """Return a strict template environment, as on a worker: undefined values must not alter an id."""
        # Airflow calls it from 3.3 on.
        env: Environment = super().get_template_env(dag)
        env.undefined = StrictUndefined
        return env

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield exactly one event when the wait is over."""
        wait, deferred_at = self._read_wait()
        end = await self._wait_for_end(wait, deferred_at)
        self.log.info("The wait is over: %s", _description(end))
        if delay := resume_delay(deferred_at, time.time()):
            self.log.info("The task resumes in %.0f s: if sooner, the scheduler might fail it.", delay)
            await asyncio.sleep(delay)
        is_complete = isinstance(end, Finished) and await self._succeed(end.status)
        yield TaskSuccessEvent() if is_complete else TriggerEvent(write_event(end))

    async def on_kill(self) -> None:
        """Cancel the import if somebody has ended the task. Airflow calls it from 3.3 on.

        It is also called when the task is cleared and, up to 3.3.2, when the trigger moves to another
        triggerer: then another wait for the same import begins, and may have ended by now.
        """
        # Up to 3.3.2, Airflow cancels a trigger again each second until it has ended, and thus this method.
        call = asyncio.create_task(self._cancel_import())
        _cancelling.add(call)
        call.add_done_callback(_cancelling.discard)
        await asyncio.shield(call)

    async def _cancel_import(self) -> None:
        if not self.cancel_on_kill:
            return
        state = await self._task_state()
        if state not in ENDED_STATES:
            self.log.info("The import is not cancelled: the task is %s.", state)
            return
        try:
            # Somebody may end the task before this triggerer has polled, as after a takeover.
            import_id = self._import_id or read_import_id(await self._pull_import_id())
        except ImportStatusError as error:
            self.log.warning("The import could not be cancelled: %s", error)
            return
        # If this triggerer was taken for dead, the wait may have ended in another: nobody has ended it.
        if time.time() >= self._read_wait()[0].ends:
            self.log.info("Import %s is not cancelled: the timeout has expired.", import_id)
            return
        try:
            async with shared_client(self.conn_id) as client:
                source = self._source(client)
                if await self._has_ended(client, source, import_id):
                    self.log.info("Import %s is not cancelled: it has ended.", import_id)
                    return
                await client.cancel(source, import_id)
        except ImportStatusError as error:
            self.log.warning("Import %s could not be cancelled: %s", import_id, error)
        else:
            self.log.warning("The task is %s: import %s was cancelled at the vendor.", state, import_id)

    async def _has_ended(self, client: AsyncClient, source: HookSource, import_id: str) -> bool:
        try:
            return (await client.poll(source, import_id)).state.is_terminal
        except ImportStatusError:
            # It may be possible to cancel it nevertheless.
            return False

    async def _task_state(self) -> str | None:
        # Airflow 2.11 has no such module, and calls no on_kill.
        from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

        ti: Any = self.task_instance
        states = await in_thread(
            RuntimeTaskInstance.get_task_states,
            dag_id=ti.dag_id,
            task_ids=[ti.task_id],
            run_ids=[ti.run_id],
            map_index=ti.map_index,
        )
        # Keyed by task, with the index of a mapped one.
        return next(iter(states.get(ti.run_id, {}).values()), None)

    def _source(self, client: AsyncClient) -> HookSource:
        return client.source(self.hook_params, partial(hook_for, self.conn_id, self.hook_params))

    async def _wait_for_end(self, wait: Wait, deferred_at: float | None) -> Finished | GaveUp:
        reporter = StatusReporter(wait, self.log, logged=wait.last, logged_at=time.time())
        if wait.last and deferred_at:
            # The worker has written it before it deferred the task.
            reporter.written = LatestStatus(wait.last, deferred_at)
        try:
            async with shared_client(self.conn_id) as client:
                await _sleep(first_delay(wait, deferred_at, time.time()))
                end = await self._poll_until_end(client, reporter)
        finally:
            status_queue().drop(self)
        metrics.time_wait(self.conn_id, _result(end), time.time() - wait.first_poll_at)
        if isinstance(end, GaveUp):
            await self._write_last(reporter)
        return end

    async def _poll_until_end(self, client: AsyncClient, reporter: StatusReporter) -> Finished | GaveUp:
        source = self._source(client)
        since = time.monotonic()
        write = partial(self._write_latest, reporter)
        while True:
            result = await self._poll_in_time(client, source, reporter.wait, since)
            outcome = reporter.record(result, time.time())
            if not isinstance(outcome, PollAgain):
                return outcome
            if self.do_xcom_push and reporter.due:
                status_queue().put(self, write, has_new_state=reporter.has_new_state)
            await _sleep(outcome.delay)

    async def _poll_in_time(
        self, client: AsyncClient, source: HookSource, wait: Wait, since: float
    ) -> ImportStatus | ImportStatusError:
        """Poll once; give up a poll that vendor or Airflow have not answered when the deadline passes."""
        try:
            async with asyncio.timeout(wait.time_for_poll(time.time())):
                return await self._poll(client, source, wait, since)
        except TimeoutError:
            return ImportUnavailableError("There was no complete answer when the wait's deadline passed.")

    async def _poll(
        self, client: AsyncClient, source: HookSource, wait: Wait, since: float
    ) -> ImportStatus | ImportStatusError:
        try:
            if self._import_id is None:
                import_id = read_import_id(await self._pull_import_id())
                if self.cancel_on_kill:
                    (await source.hook(since)).check_can_cancel()
                self._import_id = import_id
            return await client.poll(
                source,
                self._import_id,
                since=since,
                conn_type=self.conn_type,
                deadline=wait.ends,
                dag_id=getattr(self.task_instance, "dag_id", ""),
            )
        except ImportStatusError as error:
            return error
        finally:
            if source.latest:
                wait.keep_pace(source.latest.min_interval)

    async def _pull_import_id(self) -> Any:
        """Return the import_id, read from an XCom if it is another task's result."""
        ti = self.task_instance
        match self.import_id:
            case {"task_id": str(task_id), "key": str(key)} if ti is not None:
                try:
                    return await in_thread(
                        XCom.get_one,
                        dag_id=ti.dag_id,
                        run_id=ti.run_id,
                        task_id=task_id,
                        key=key,
                        map_index=-1,
                    )
                except Exception as error:
                    raise ImportUnavailableError(
                        f"The XCom {key!r} of task {task_id!r} cannot be read: {type(error).__name__}."
                    ) from error
        return self.import_id

    def _read_wait(self) -> tuple[Wait, float | None]:
        """Return the wait and when a worker deferred it, by the database's clock."""
        params, due = self.wait or {}, self._due()
        if "first_poll_at" in params:
            wait = Wait.from_dict(params)
            if due is None or self.deferred_at is None:
                return wait, self.deferred_at
            return on_this_clock(wait, self.deferred_at, due - start_from_trigger.DEADLINE_MARGIN)
        limit = self.execution_timeout
        began = time.time() if due is None else due - start_from_trigger.database_timeout(self.timeout, limit)
        times = {
            "first_poll_at": began,
            "deadline": began + self.timeout,
            "execution_deadline": None if limit is None else began + limit,
        }
        wait = Wait.from_dict({**times, **params})
        # It counts from the first poll, which may be late if no triggerer was running.
        wait.not_found_grace += max(time.time() - began, 0.0)
        return wait, None

    def _due(self) -> float | None:
        """Return the database's deadline, which survives restarts. Triggerers set it from Airflow 3.0 on."""
        due: datetime | None = getattr(self, "timeout_after", None)
        if due is None:
            return None
        return (due if due.tzinfo else due.replace(tzinfo=UTC)).timestamp()

    async def _succeed(self, status: ImportStatus) -> bool:
        """Store the result in place of a worker; return whether that was possible."""
        ti = self.task_instance
        if not self.end_from_trigger or ti is None:
            return False
        verdict = judge(status, read_policy(self.on_partial, self.max_failed_rows))
        if verdict.action is not Action.SUCCEED:
            return False
        if self.has_error_report_path and status.state is not ImportState.SUCCEEDED:
            self.log.info("The task ends on a worker, which stores the error reports.")
            return False
        # A worker that deferred the task has checked it already; a triggerer may lack the task.
        task = getattr(ti, "task", None)
        if self.deferred_at is None and (task is None or start_from_trigger.reason_not_to_end(task)):
            self.log.info("The task ends on a worker: it needs something that only a worker can do.")
            return False
        if status.state is not ImportState.SUCCEEDED:
            self.log.warning("%s", verdict.reason)
        await self._push(XCOM_KEY, LatestStatus(status, time.time()).to_dict())
        return not self.do_xcom_push or await self._push(RESULT_KEY, status.within().to_dict())

    async def _write_latest(self, reporter: StatusReporter) -> None:
        latest = reporter.latest
        if latest and await self._push(XCOM_KEY, latest.to_dict()):
            reporter.written = latest

    async def _write_last(self, reporter: StatusReporter) -> None:
        """Write the latest status of a wait that gives up, unless other writes or Airflow delay that."""
        try:
            async with asyncio.timeout(MAX_LAST_WRITE):
                await self._write_latest(reporter)
        except TimeoutError:
            self.log.warning("The XCom %s could not be written within %g s.", XCOM_KEY, MAX_LAST_WRITE)

    async def _push(self, key: str, value: Any) -> bool:
        """Write an XCom; return whether that was possible."""
        ti = self.task_instance
        if ti is None or not self.do_xcom_push:
            return False
        where = {"dag_id": ti.dag_id, "task_id": ti.task_id, "run_id": ti.run_id, "map_index": ti.map_index}
        try:
            # One at a time: a thousand queued calls would keep the garbage collector busy.
            async with _writing.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
                await in_thread(XCom.set, key=key, value=value, **where)
        except Exception as error:
            # It must not end the wait: a worker writes the result then, and the page shows an older status.
            self.log.warning("The XCom %s could not be written: %s", key, type(error).__name__)
            return False
        return True


async def _sleep(seconds: float) -> None:
    """Sleep; after a pause of the process, sleep longer so that Airflow can cancel reassigned triggers."""
    due = time.monotonic() + seconds
    await asyncio.sleep(seconds)
    if time.monotonic() - due > LATE:
        await asyncio.sleep(LATE)


def _result(end: Finished | GaveUp) -> str:
    return end.status.state.value if isinstance(end, Finished) else type(end.error).__name__


def _description(end: Finished | GaveUp) -> str:
    return describe(end.status) if isinstance(end, Finished) else f"{type(end.error).__name__}: {end.error}"
