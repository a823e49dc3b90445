"""The sensors that wait for the end of an import.

It is imported when DAG files are parsed; hooks, triggers and HTTP libraries are imported at run time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

# Going through common.compat would load three more modules.
try:
    from airflow.sdk import BaseSensorOperator, PokeReturnValue
except ImportError:  # Airflow 2.11
    if not TYPE_CHECKING:
        from airflow.sensors.base import BaseSensorOperator, PokeReturnValue
try:
    from airflow.sdk.configuration import conf
except ImportError:  # Airflow 2.11 to 3.1
    from airflow.configuration import conf

from airflow_provider_importstatus.exceptions import AirflowRescheduleException, ImportFailedError
from airflow_provider_importstatus.polling.memory import PollMemory
from airflow_provider_importstatus.polling.reporting import RESULT_KEY
from airflow_provider_importstatus.polling.schedule import MIN_RESUME_DELAY
from airflow_provider_importstatus.polling.validation import (
    check_hook_params,
    check_interval,
    check_seconds,
    read_import_id,
    read_policy,
    read_seconds,
)
from airflow_provider_importstatus.tasks.waiting import Polls, WaitingTask

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.triggers.base import StartTriggerArgs

__all__ = [
    "ClearImportSensor",
    "ImportStatusSensor",
    "TaoAdvanceImportSensor",
    "ThalamusImportSensor",
    "ZilliantImportSensor",
]


class _LazyAttribute:
    """An attribute that is computed when Airflow reads it, after the DAG is complete.

    Authors and cluster policies may change a task after its creation. On the class, which Airflow reads for
    mapped tasks, the value is `default`.
    """

    def __init__(self, default: Any, compute: Callable[[ImportStatusSensor], Any]) -> None:
        self._default = default
        self._compute = compute

    def __get__(self, sensor: ImportStatusSensor | None, _: type | None = None) -> Any:
        return self._default if sensor is None else self._compute(sensor)


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


class ImportStatusSensor(WaitingTask, BaseSensorOperator):
    """Waits until an import has ended, and ends the task accordingly.

    The connection's type determines the vendor. The result (XCom ``return_value``) is the last status as a
    dictionary, the same in every mode. The XCom ``import_status`` is the latest status during the wait.

    :param conn_id: the connection (templated)
    :param import_id: the str or int that the vendor's submit call returned (templated)
    :param hook_params: keyword arguments of the connection's hook, plain JSON (templated)
    :param on_partial: how the task ends after a partial import: ``fail``, ``skip`` or ``succeed``. The
        default is ``fail``, since a vendor's SUCCESS may mean that all rows were rejected
    :param max_failed_rows: a partial import with at most this many rejected rows counts as succeeded; if the
        vendor does not report the number, ``on_partial`` applies
    :param not_found_grace: seconds (or a timedelta, like all durations) after the first poll during which "no
        such import" means "not yet"
    :param outage_tolerance: seconds for which polling may keep hitting transient errors
    :param deferrable: wait in the triggerer, without occupying a worker slot
    :param start_from_trigger: let the scheduler start the wait in the triggerer, without a worker (Airflow
        3.3 and later). If that is not possible, the sensor defers normally, and a warning says why
    :param end_from_trigger: end the task in the triggerer when the import has succeeded, without a worker
        (as above). Any other end resumes on a worker
    :param poke_interval: minimum time between two polls, in seconds
    :param max_wait: maximum time between two polls, in seconds
    :param exponential_backoff: poll again after a tenth of the wait so far; if false, after each
        ``poke_interval``
    :param timeout: seconds after the first poll until the wait ends; defaults to Airflow's
    :param cancel_on_kill: cancel the import at the vendor when the waiting task is killed: on a worker by any
        kill, in a triggerer (Airflow 3.3 and later) when somebody marks the task failed or successful
    :param error_report_path: a folder in which the vendor's error reports are stored: a local path, or a URI
        of an object storage (templated)
    :raises ImportFailedError: the import has failed, was cancelled, or was partial and not accepted
    :raises AirflowSensorTimeout: ``timeout`` has passed; the import goes on at the vendor
    :raises ImportStatusError: another subclass for the kind of failure
    """

    template_fields: Sequence[str] = ("conn_id", "import_id", "hook_params", "error_report_path")
    interval_param = "poke_interval"
    optional_durations = ("execution_timeout", "max_wait", "timeout")
    #: The `start_from_trigger` parameter.
    wants_start_from_trigger = False
    start_from_trigger = _LazyAttribute(False, _starts_from_trigger)
    start_trigger_args = _LazyAttribute(None, _start_trigger_args)

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
        cancel_on_kill: bool = False,
        error_report_path: str | None = None,
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
        # Checks the deployment's defaults, too.
        check_seconds(timeout=self.timeout, execution_timeout=self.execution_timeout)
        check_interval("poke_interval", self.poke_interval)
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
        self.cancel_on_kill = cancel_on_kill
        self.error_report_path = error_report_path
        if start_from_trigger or end_from_trigger:
            self._apply_trigger_options()

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        """Return the sensor for mapping over many imports. Mapped tasks start on workers."""
        if kwargs.get("start_from_trigger"):
            from airflow_provider_importstatus.triggers import start_from_trigger

            kwargs |= {"start_from_trigger": False, "deferrable": True}
            start_from_trigger.warn(
                kwargs.get("task_id"), ["start_from_trigger is ignored because the task is mapped"]
            )
        return super().partial(**kwargs)

    def execute(self, context: Context) -> Any:
        """Poll until the import has ended and return its status; between polls sleep, reschedule or defer."""
        with self._ends_as_configured():
            self._polls = polls = self._begin_or_continue(context)
            while not (done := self.poke(context)):
                self._pause(polls)
            return done.xcom_value if isinstance(done, PokeReturnValue) else None

    def poke(self, context: Context) -> bool | PokeReturnValue:
        """Poll once: done if the import has ended and the policy accepts it, with the status as the value.

        Return False after a transient error, and raise any other end of the wait. `execute` calls this for
        each poll on a worker. While a task is deferred, the trigger polls instead.
        """
        polls = self._polls = self._polls or self._begin_or_continue(context)
        result = self._poll(polls, context)
        return False if result is None else PokeReturnValue(True, result)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume after a deferral."""
        if self.start_from_trigger:
            self._delete_result(context)
        return super().resume_execution(next_method, next_kwargs, context)

    def schedule(self) -> dict[str, Any]:
        """Return the schedule's parameters as arguments of `Wait`."""
        return {
            "poke_interval": self.poke_interval,
            "max_wait": self.max_wait.total_seconds() if self.max_wait else self.poke_interval,
            "exponential_backoff": self.exponential_backoff,
            "not_found_grace": self.not_found_grace,
            # In every mode, transient errors are tolerated until the timeout.
            "outage_tolerance": self.timeout if self.silent_fail else self.outage_tolerance,
        }

    def failure(self, reason: str) -> ImportFailedError:
        """Return the error for an import whose end the policy does not accept."""
        return ImportFailedError(f"{reason} The task is not retried: polling again cannot change the import.")

    def _apply_trigger_options(self) -> None:
        """Warn about trigger options that must be ignored, and turn off `end_from_trigger` if it is one."""
        from airflow_provider_importstatus.triggers import start_from_trigger

        ignored = []
        if self.wants_start_from_trigger and (why := start_from_trigger.reason_not_to_start(self)):
            ignored.append(f"start_from_trigger is ignored because {why}")
        if ignored := ignored + self._turn_off_ending():
            start_from_trigger.warn(self.task_id, ignored)

    def _begin_or_continue(self, context: Context) -> Polls:
        self.import_id, self._hook = read_import_id(self.import_id), None
        now = time.time()
        first_poll_at, memory = self._earlier_polls(context)
        began = now if first_poll_at is None else first_poll_at
        # Between reschedules, Airflow bounds each poll.
        is_rescheduled = self.reschedule and not self.deferrable
        limit = None if is_rescheduled else self._execution_deadline(now)
        polls = self._begin(began, began + self.timeout, limit)
        if is_rescheduled:
            polls.wait.keep_pace(MIN_RESUME_DELAY)
        if memory and first_poll_at:
            memory.recall(polls.wait)
        else:
            self._warn_if_never_cancelled(is_rescheduled=memory is not None)
        polls.memory = memory
        return polls

    def _earlier_polls(self, context: Context) -> tuple[float | None, PollMemory | None]:
        """Return the time of a rescheduled task's first poll, and the memory of its polls."""
        ti: Any = context.get("ti")
        if ti is None or self.deferrable or not self.reschedule:
            return None, None
        try:
            first = _first_poll_date(ti, context)
        except Exception as error:
            self.log.warning(
                "The start of the wait cannot be read: %s. The next poll tries again.", type(error).__name__
            )
            return None, None
        store = context.get("task_state_store")
        memory = PollMemory(store, self.import_id, ti.try_number, self.log.warning)
        return first.timestamp() if first else None, memory

    def _pause(self, polls: Polls) -> None:
        """Sleep until the next poll, or raise the exception that defers or reschedules the task."""
        next_poll = self._next_poll(polls)
        if self.deferrable:
            self._defer(polls)
        if self.reschedule:
            if polls.memory:
                polls.memory.keep(polls.wait)
            delay = max(next_poll.delay, MIN_RESUME_DELAY)
            raise AirflowRescheduleException(datetime.now(UTC) + timedelta(seconds=delay))
        time.sleep(next_poll.delay)

    def _delete_result(self, context: Context) -> None:
        """Delete the result of a cleared task's earlier run, as Airflow does when a worker starts a task."""
        from airflow.sdk.execution_time.xcom import XCom

        ti = context["ti"]
        where = {"dag_id": ti.dag_id, "task_id": ti.task_id, "run_id": ti.run_id, "map_index": ti.map_index}
        try:
            XCom.delete(key=RESULT_KEY, **where)
        except Exception as error:
            # This must not change how the run ends.
            self.log.warning("An earlier result could not be deleted: %s", type(error).__name__)


def _first_poll_date(ti: Any, context: Context) -> datetime | None:
    """Return when this try of a rescheduled task polled first; None if it has not."""
    first: datetime | None
    if hasattr(ti, "get_first_reschedule_date"):
        first = ti.get_first_reschedule_date(context)
    else:
        # Airflow 2.11, which sets `ti.start_date` anew for each poll. Its own sensor reads the database, too.
        from airflow.sensors.base import _orig_start_date  # type: ignore[import-not-found]

        first = _orig_start_date(ti.dag_id, ti.task_id, ti.run_id, ti.map_index, ti.try_number)
    return first


class ClearImportSensor(ImportStatusSensor):
    """Waits until a Clear ingestion workflow has ended.

    https://docs.cleartax.in/cleartax-docs/gls-api/gls-api-reference/advanced-ingestion-api/get-ingestion-activity-status

    The other parameters and the errors are those of `ImportStatusSensor`.

    :param import_id: the taskId that Clear's ingest call returned (templated)
    :param conn_id: a connection of type ``clear`` (templated)
    """

    conn_type = "clear"

    def __init__(self, *, conn_id: str = "clear_default", **kwargs: Any) -> None:
        super().__init__(conn_id=conn_id, **kwargs)


class TaoAdvanceImportSensor(ImportStatusSensor):
    """Waits until a TAO Advance rostering upload has ended.

    https://userguide.taotesting.com/developer-documentation/latest/public/check-upload-status-via-api

    The other parameters and the errors are those of `ImportStatusSensor`.

    :param import_id: the referenceId that TAO's upload call returned (templated)
    :param conn_id: a connection of type ``tao_advance`` (templated)
    """

    conn_type = "tao_advance"

    def __init__(self, *, conn_id: str = "tao_advance_default", **kwargs: Any) -> None:
        super().__init__(conn_id=conn_id, **kwargs)


class ZilliantImportSensor(ImportStatusSensor):
    """Waits until a Zilliant EntityImport has ended.

    https://docs.zilliant.com/apidocs/get-the-import-status

    The other parameters and the errors are those of `ImportStatusSensor`.

    :param import_id: the importId that Zilliant's import call returned, not the uploadId (templated)
    :param conn_id: a connection of type ``zilliant`` (templated)
    """

    conn_type = "zilliant"

    def __init__(self, *, conn_id: str = "zilliant_default", **kwargs: Any) -> None:
        super().__init__(conn_id=conn_id, **kwargs)


class ThalamusImportSensor(ImportStatusSensor):
    """Waits until a Thalamus import has ended.

    https://doc.thalamus.global/api-reference/api-rest-json-v4/imports/get-status

    The other parameters and the errors are those of `ImportStatusSensor`.

    :param import_id: the id that Thalamus' import call returned (templated)
    :param conn_id: a connection of type ``thalamus`` (templated)
    """

    conn_type = "thalamus"

    def __init__(self, *, conn_id: str = "thalamus_default", **kwargs: Any) -> None:
        super().__init__(conn_id=conn_id, **kwargs)
