"""The sensors that wait until an import is over, and end the task as the import ended.

Parsed with every DAG file that uses them: hooks, triggers and HTTP libraries are imported by running tasks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

# Going through common.compat would load three more modules.
try:
    from airflow.sdk import BaseSensorOperator
except ImportError:  # Airflow 2.11
    from airflow.sensors.base import BaseSensorOperator  # type: ignore[no-redef,import-not-found]
try:
    from airflow.sdk.configuration import conf
except ImportError:  # Airflow 2.11 to 3.1
    from airflow.configuration import conf

from airflow_provider_importstatus.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
    ImportFailedError,
    ImportStatusError,
    TaskDeferralError,
)
from airflow_provider_importstatus.polling.events import read_event
from airflow_provider_importstatus.polling.memory import PollMemory
from airflow_provider_importstatus.polling.policy import Action, judge
from airflow_provider_importstatus.polling.reporting import RESULT_KEY, XCOM_KEY, StatusReporter, xcom_value
from airflow_provider_importstatus.polling.schedule import (
    MIN_RESUME_DELAY,
    Finished,
    GaveUp,
    Outcome,
    PollAgain,
    Wait,
)
from airflow_provider_importstatus.polling.validation import (
    check_hook_params,
    check_seconds,
    read_import_id,
    read_policy,
    read_seconds,
)
from airflow_provider_importstatus.status import ImportState, ImportStatus

if TYPE_CHECKING:
    from airflow.sdk import BaseOperatorLink, Context
    from airflow.triggers.base import StartTriggerArgs

    from airflow_provider_importstatus.hooks.base import ImportStatusHook

__all__ = [
    "ClearImportSensor",
    "ImportStatusSensor",
    "TaoAdvanceImportSensor",
    "ThalamusImportSensor",
    "ZilliantImportSensor",
]

#: The parameters that are seconds, or a timedelta.
DURATIONS = (
    "execution_timeout",
    "max_wait",
    "not_found_grace",
    "outage_tolerance",
    "poke_interval",
    "timeout",
)


class _LazyAttribute:
    """An attribute that is worked out when Airflow reads it, which is after the DAG is complete.

    Authors and cluster policies may change a task after it was made. On the class, where Airflow looks for
    mapped tasks, it is `default`: those would all wait with the same.
    """

    def __init__(self, default: Any, work_out: Callable[[ImportStatusSensor], Any]) -> None:
        self._default = default
        self._work_out = work_out

    def __get__(self, sensor: ImportStatusSensor | None, _: type | None = None) -> Any:
        return self._default if sensor is None else self._work_out(sensor)


class _Links:
    """The links to the import's tab, where Airflow has one: imported when read, since DAG files need none.

    No property: Airflow stores what it finds on the class with mapped tasks, which must remain picklable.
    """

    def __get__(
        self, sensor: ImportStatusSensor | None, _: type | None = None
    ) -> Collection[BaseOperatorLink]:
        from airflow_provider_importstatus.links import LINKS

        return LINKS


def _starts_from_trigger(sensor: ImportStatusSensor) -> bool:
    if not sensor.wants_start_from_trigger:
        return False
    from airflow_provider_importstatus.triggers import start_from_trigger

    return start_from_trigger.reason_not_to_start(sensor) is None


def _start_trigger_args(sensor: ImportStatusSensor) -> StartTriggerArgs | None:
    if not sensor.start_from_trigger:
        return None
    from airflow_provider_importstatus.triggers import start_from_trigger

    return start_from_trigger.start_trigger_args(sensor)


class ImportStatusSensor(BaseSensorOperator):
    """Waits until an import is over, and ends the task as the import ended.

    The connection's type chooses the vendor. The result (XCom ``return_value``) is the last status as a
    dictionary, the same in every mode; while the task waits, the XCom ``import_status`` holds the latest one.

    :param conn_id: the connection (templated)
    :param import_id: what the vendor's submit call returned, a str or an int (templated)
    :param hook_params: keyword arguments of the connection's hook, plain JSON (templated)
    :param on_partial: what becomes of the task after a partial import: ``fail``, ``skip`` or ``succeed``.
        It fails unless told otherwise, since a vendor's SUCCESS may mean that every row was refused
    :param max_failed_rows: a partial import with at most this many rejected rows counts as succeeded; where
        the vendor does not count, ``on_partial`` decides
    :param not_found_grace: seconds after the first look during which "no such import" means "not yet"
    :param outage_tolerance: seconds for which looks may go on failing for passing reasons
    :param deferrable: wait in the triggerer, without a worker's slot
    :param start_from_trigger: have the scheduler start the wait in the triggerer, without a worker (Airflow
        3.3 and later; elsewhere, and where only a worker will do, the wait takes the ordinary way, and a
        warning says why)
    :param end_from_trigger: end the task in the triggerer when the import has succeeded, without a worker
        (as above); whatever else comes of the import is for a worker to tell
    :param poke_interval: the shortest time between two looks, in seconds
    :param max_wait: the longest time between two looks, in seconds
    :param exponential_backoff: look again after a tenth of the wait so far; if false, after each
        ``poke_interval``
    :param timeout: seconds from the first look after which the wait ends; Airflow's default unless given
    :raises ImportStatusError: one of its subclasses, by what went wrong
    """

    template_fields: Sequence[str] = ("conn_id", "import_id", "hook_params")
    #: The only type of connection that this sensor takes; empty for any that has a hook for imports.
    conn_type: ClassVar[str] = ""
    #: Whether the DAG's author lets the wait start without a worker, where Airflow can.
    wants_start_from_trigger = False
    start_from_trigger = _LazyAttribute(False, _starts_from_trigger)
    start_trigger_args = _LazyAttribute(None, _start_trigger_args)
    operator_extra_links = _Links()

    def __init__(
        self,
        *,
        conn_id: str,
        import_id: Any,
        hook_params: dict[str, Any] | None = None,
        on_partial: str = "fail",
        max_failed_rows: int = 0,
        not_found_grace: timedelta | float = 60.0,
        outage_tolerance: timedelta | float = timedelta(minutes=15),
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poke_interval: timedelta | float = 10.0,
        max_wait: timedelta | float = 300.0,
        exponential_backoff: bool = True,
        timeout: timedelta | float | None = None,
        start_from_trigger: bool = False,
        end_from_trigger: bool = False,
        **kwargs: Any,
    ) -> None:
        check_seconds(poke_interval=poke_interval, max_wait=max_wait, timeout=timeout)
        if timeout is not None:
            kwargs["timeout"] = timeout
        super().__init__(
            poke_interval=poke_interval,
            max_wait=max_wait,
            exponential_backoff=exponential_backoff,
            **kwargs,
        )
        # The deployment's defaults, too.
        check_seconds(timeout=self.timeout, execution_timeout=self.execution_timeout)
        if not self.poke_interval:
            raise ValueError(
                "poke_interval is 0 seconds: the vendor would be asked without a pause. Give 1 or more."
            )
        check_hook_params(hook_params)
        self.conn_id = conn_id
        self.import_id = import_id
        self.hook_params = hook_params
        self.on_partial = on_partial
        self.max_failed_rows = max_failed_rows
        self.policy = read_policy(on_partial, max_failed_rows)
        self.not_found_grace = read_seconds("not_found_grace", not_found_grace)
        self.outage_tolerance = read_seconds("outage_tolerance", outage_tolerance)
        self.deferrable = deferrable or start_from_trigger or end_from_trigger
        self.wants_start_from_trigger = start_from_trigger
        self.end_from_trigger = end_from_trigger
        if start_from_trigger or end_from_trigger:
            self._spare_workers()

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        """Map the sensor over many imports. Mapped tasks start on workers."""
        check_seconds(**{name: kwargs[name] for name in DURATIONS if name in kwargs})
        if kwargs.get("start_from_trigger"):
            from airflow_provider_importstatus.triggers import start_from_trigger

            kwargs |= {"start_from_trigger": False, "deferrable": True}
            start_from_trigger.warn(
                kwargs.get("task_id"), ["start_from_trigger is ignored, since the task is mapped"]
            )
        return super().partial(**kwargs)

    def execute(self, context: Context) -> dict[str, Any]:
        """Look until the import is over; between the looks defer, sleep or reschedule, by the mode."""
        with self._ends_as_configured():
            self.import_id = read_import_id(self.import_id)
            wait, memory = self._begin(context)
            # Where a connection cannot be read just now, the next look tries again.
            hook = cache(self._hook)
            progress = StatusReporter(wait, self.log)
            self._push_links(context)
            while True:
                outcome = self._look(hook, progress, context)
                if isinstance(outcome, Finished):
                    return self._finish(outcome.status, context)
                if isinstance(outcome, GaveUp):
                    raise outcome.error
                self._pause(outcome, wait, memory)

    def execute_complete(self, context: Context, event: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """End the task as the trigger's event says."""
        end = read_event(event)
        if isinstance(end, GaveUp):
            raise end.error
        return self._finish(end.status, context)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after a deferral; the base class would skip under ``soft_fail`` what a retry can mend."""
        if self.start_from_trigger:
            self._forget_result(context)
        with self._ends_as_configured():
            try:
                return super(BaseSensorOperator, self).resume_execution(next_method, next_kwargs, context)
            except AirflowException as error:
                if _is_deferral_timeout(error):
                    raise self._timeout_of_the_database(context) from error
                raise

    def schedule(self) -> dict[str, Any]:
        """When to look and when to give up, as `Wait` takes it."""
        return {
            "poke_interval": self.poke_interval,
            "max_wait": self.max_wait.total_seconds() if self.max_wait else self.poke_interval,
            "exponential_backoff": self.exponential_backoff,
            "not_found_grace": self.not_found_grace,
            # In every mode: whatever may pass is waited out until the timeout.
            "outage_tolerance": self.timeout if self.silent_fail else self.outage_tolerance,
        }

    def trigger_params(self) -> dict[str, Any]:
        """What the trigger must know to do a worker's part."""
        return {
            "conn_type": self.conn_type,
            "end_from_trigger": self.end_from_trigger,
            "on_partial": self.on_partial,
            "max_failed_rows": self.max_failed_rows,
            "do_xcom_push": self.do_xcom_push,
        }

    def _spare_workers(self) -> None:
        """Leave workers out where that is safe, and say where it is not."""
        from airflow_provider_importstatus.triggers import start_from_trigger

        refused = []
        if self.wants_start_from_trigger and (why := start_from_trigger.reason_not_to_start(self)):
            refused.append(f"start_from_trigger is ignored, since {why}")
        if self.end_from_trigger and (why := start_from_trigger.reason_not_to_end(self)):
            self.end_from_trigger = False
            refused.append(f"end_from_trigger is ignored, since {why}")
        if refused:
            start_from_trigger.warn(self.task_id, refused)

    def _push_links(self, context: Context) -> None:
        """Let the links show while this process waits: Airflow itself stores them when it ends."""
        ti: Any = context.get("ti")
        if ti is None or self.deferrable or self.reschedule:
            return
        for link in self.operator_extra_links:
            self._push(context, link.xcom_key, link.get_link(self, ti_key=ti))

    def _begin(self, context: Context) -> tuple[Wait, PollMemory | None]:
        now = time.time()
        first_poll_at, memory = self._earlier_looks(context)
        began = first_poll_at or now
        wait = Wait(first_poll_at=began, deadline=began + self.timeout, **self.schedule())
        if first_poll_at and memory:
            memory.recall(wait)
        return wait, memory

    def _earlier_looks(self, context: Context) -> tuple[float | None, PollMemory | None]:
        """Return when a rescheduled task first looked, and what its looks remember."""
        if self.deferrable or not self.reschedule:
            return None, None
        ti: Any = context["ti"]
        # Airflow 2.11 has no such method, but gives a rescheduled task its first start date.
        ask = getattr(ti, "get_first_reschedule_date", None)
        try:
            first = ask(context) if ask else ti.start_date
        except Exception as error:
            self.log.warning(
                "Airflow cannot tell when the wait began: %s. The next poll asks again.", type(error).__name__
            )
            return None, None
        store = context.get("task_state_store")
        memory = PollMemory(store, self.import_id, ti.try_number, self.log.warning)
        return first.timestamp() if first else None, memory

    def _hook(self) -> ImportStatusHook:
        from airflow_provider_importstatus.hooks.lookup import hook_for

        hook = hook_for(self.conn_id, self.hook_params)
        hook.check_conn_type(self.conn_type)
        return hook

    def _look(
        self, hook: Callable[[], ImportStatusHook], progress: StatusReporter, context: Context
    ) -> Outcome:
        answer: ImportStatus | ImportStatusError
        try:
            answer = hook().get_import_status(self.import_id)
        except ImportStatusError as error:
            answer = error
        outcome, latest = progress.record(answer, time.time())
        if latest:
            self._publish(context, latest)
        return outcome

    def _pause(self, outcome: PollAgain, wait: Wait, memory: PollMemory | None) -> None:
        """Sleep until the next look, or leave by the exception that brings the task back for it."""
        if self.deferrable:
            self._defer(wait)
        if self.reschedule:
            if memory:
                memory.keep(wait)
            delay = max(outcome.delay, MIN_RESUME_DELAY)
            raise AirflowRescheduleException(datetime.now(UTC) + timedelta(seconds=delay))
        time.sleep(outcome.delay)

    def _defer(self, wait: Wait) -> None:
        from airflow_provider_importstatus.triggers import start_from_trigger
        from airflow_provider_importstatus.triggers.import_status import ImportStatusTrigger

        params = self.trigger_params()
        if self.end_from_trigger and (why := start_from_trigger.reason_not_to_end(self)):
            self.log.info("The task ends on a worker, since %s.", why)
            params["end_from_trigger"] = False
        now = time.time()
        ends = wait.deadline
        if self.execution_timeout is not None:
            # Airflow 3 forgets it while a task is deferred.
            wait.execution_deadline = wait.first_poll_at + self.execution_timeout.total_seconds()
            ends = min(ends, wait.execution_deadline)
        self.defer(
            trigger=ImportStatusTrigger(
                conn_id=self.conn_id,
                import_id=self.import_id,
                hook_params=self.hook_params,
                wait=wait.to_dict(),
                deferred_at=now,
                **params,
            ),
            method_name="execute_complete",
            timeout=timedelta(seconds=max(ends - now, 0.0) + start_from_trigger.DEADLINE_MARGIN),
        )

    def _finish(self, status: ImportStatus, context: Context) -> dict[str, Any]:
        self._publish(context, xcom_value(status, time.time(), None))
        verdict = judge(status, self.policy)
        match verdict.action:
            case Action.SUCCEED:
                log = self.log.info if status.state is ImportState.SUCCEEDED else self.log.warning
                log("%s", verdict.reason)
                return status.within().to_dict()
            case Action.SKIP:
                raise AirflowSkipException(verdict.reason)
        raise ImportFailedError(verdict.reason)

    def _publish(self, context: Context, latest: dict[str, Any]) -> None:
        self._push(context, XCOM_KEY, latest)

    def _push(self, context: Context, key: str, value: Any) -> None:
        """Write an XCom on which nothing depends but what people see: the wait must outlive a failure."""
        ti: Any = context.get("ti")
        if ti is None or not self.do_xcom_push:
            return
        try:
            ti.xcom_push(key=key, value=value)
        except Exception as error:
            self.log.warning("The XCom %s could not be written: %s", key, type(error).__name__)

    def _forget_result(self, context: Context) -> None:
        """Remove what an earlier run of a cleared task has left, as Airflow does when a worker starts it."""
        from airflow.sdk.execution_time.xcom import XCom

        ti = context["ti"]
        where = {"dag_id": ti.dag_id, "task_id": ti.task_id, "run_id": ti.run_id, "map_index": ti.map_index}
        try:
            XCom.delete(key=RESULT_KEY, **where)
        except Exception as error:
            # This run's end must not be lost for it.
            self.log.warning("An earlier result could not be removed: %s", type(error).__name__)

    def _timeout_of_the_database(self, context: Context) -> BaseException:
        """The end of a wait whose trigger did not live to tell it."""
        wait = Wait(0.0, 0.0, last=self._last_published(context))
        limit = self.execution_timeout
        is_of_execution = limit is not None and limit.total_seconds() < self.timeout
        return (wait.out_of_execution_timeout() if is_of_execution else wait.out_of_timeout()).error

    def _last_published(self, context: Context) -> ImportStatus | None:
        ti: Any = context["ti"]
        try:
            latest = ti.xcom_pull(task_ids=ti.task_id, key=XCOM_KEY, map_indexes=ti.map_index)
            # An earlier run of a cleared task may have waited for another one.
            if latest is not None and latest["import_id"] == str(self.import_id).strip():
                return ImportStatus.from_dict(latest)
        except Exception as error:
            # Only the message needs it.
            self.log.warning("The XCom %s could not be read: %s", XCOM_KEY, type(error).__name__)
        return None

    @contextmanager
    def _ends_as_configured(self) -> Iterator[None]:
        """Turn an unsuccessful end into a skip where the task says so, in every mode alike."""
        try:
            yield
        except (AirflowSkipException, AirflowRescheduleException):
            raise
        except (Exception, AirflowTaskTimeout) as error:
            cannot_change = isinstance(error, AirflowFailException | AirflowSensorTimeout)
            if self.never_fail or (self.soft_fail and cannot_change):
                raise AirflowSkipException(str(error)) from error
            raise


class ClearImportSensor(ImportStatusSensor):
    """Waits until a Clear ingestion workflow is over. See `ImportStatusSensor`."""

    conn_type = "clear"

    def __init__(self, *, conn_id: str = "clear_default", **kwargs: Any) -> None:
        super().__init__(conn_id=conn_id, **kwargs)


class TaoAdvanceImportSensor(ImportStatusSensor):
    """Waits until a TAO Advance rostering upload is over. See `ImportStatusSensor`."""

    conn_type = "tao_advance"

    def __init__(self, *, conn_id: str = "tao_advance_default", **kwargs: Any) -> None:
        super().__init__(conn_id=conn_id, **kwargs)


class ZilliantImportSensor(ImportStatusSensor):
    """Waits until a Zilliant EntityImport is over. See `ImportStatusSensor`."""

    conn_type = "zilliant"

    def __init__(self, *, conn_id: str = "zilliant_default", **kwargs: Any) -> None:
        super().__init__(conn_id=conn_id, **kwargs)


class ThalamusImportSensor(ImportStatusSensor):
    """Waits until a Thalamus import is over. See `ImportStatusSensor`."""

    conn_type = "thalamus"

    def __init__(self, *, conn_id: str = "thalamus_default", **kwargs: Any) -> None:
        super().__init__(conn_id=conn_id, **kwargs)


def _is_deferral_timeout(error: AirflowException) -> bool:
    # Airflow 3 has a class for it, which is no TaskDeferralError; Airflow 2.11 has that one with this text.
    is_told = isinstance(error, TaskDeferralError) and "timeout" in str(error).lower()
    return is_told or type(error).__name__ == "TaskDeferralTimeout"
