"""The sensors that wait for the end of an import.

It is imported when DAG files are parsed; hooks, triggers and HTTP libraries are imported at run time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

# Going through common.compat would load three more modules.
try:
    from airflow.sdk import BaseSensorOperator, PokeReturnValue
except ImportError:  # Airflow 2.11
    from airflow.sensors.base import (  # type: ignore[no-redef,import-not-found]
        BaseSensorOperator,
        PokeReturnValue,
    )
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
    ImportUnavailableError,
    TaskDeferralError,
)
from airflow_provider_importstatus.polling.events import read_event
from airflow_provider_importstatus.polling.memory import PollMemory
from airflow_provider_importstatus.polling.policy import Action, judge
from airflow_provider_importstatus.polling.reporting import (
    RESULT_KEY,
    XCOM_KEY,
    LatestStatus,
    StatusReporter,
)
from airflow_provider_importstatus.polling.schedule import (
    MIN_RESUME_DELAY,
    Finished,
    GaveUp,
    Outcome,
    PollAgain,
    Wait,
    timeout_error,
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
    from airflow.sdk import Context
    from airflow.triggers.base import StartTriggerArgs

    from airflow_provider_importstatus.hooks.base import ImportStatusHook

__all__ = [
    "ClearImportSensor",
    "ImportStatusSensor",
    "TaoAdvanceImportSensor",
    "ThalamusImportSensor",
    "ZilliantImportSensor",
]

#: Parameters that are seconds or a timedelta.
DURATIONS = (
    "execution_timeout",
    "max_wait",
    "not_found_grace",
    "outage_tolerance",
    "poke_interval",
    "timeout",
)


@dataclass
class _Polls:
    """The polls of a wait on a worker.

    :param hook: returns the hook, which keeps its credential between polls
    :param memory: what the polls of a rescheduled task remember
    :param next_poll: when to poll again after the latest poll, until that is acted upon
    """

    wait: Wait
    reporter: StatusReporter
    hook: Callable[[], ImportStatusHook]
    memory: PollMemory | None
    next_poll: PollAgain | None = None


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


class ImportStatusSensor(BaseSensorOperator):
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
    :param not_found_grace: seconds after the first poll during which "no such import" means "not yet"
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
    :raises ImportStatusError: a subclass for the kind of failure
    """

    template_fields: Sequence[str] = ("conn_id", "import_id", "hook_params")
    #: The required connection type; empty for any with a hook for imports.
    conn_type: ClassVar[str] = ""
    #: The `start_from_trigger` parameter.
    wants_start_from_trigger = False
    start_from_trigger = _LazyAttribute(False, _starts_from_trigger)
    start_trigger_args = _LazyAttribute(None, _start_trigger_args)
    _polls: _Polls | None = None

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
        # Checks the deployment's defaults, too.
        check_seconds(timeout=self.timeout, execution_timeout=self.execution_timeout)
        if not self.poke_interval:
            raise ValueError(
                "poke_interval is 0 seconds: the vendor would be polled without a pause. Give 1 or more."
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
            self._apply_trigger_options()

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        """Return the sensor for mapping over many imports. Mapped tasks start on workers."""
        check_seconds(**{name: kwargs[name] for name in DURATIONS if name in kwargs})
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
            self._polls = polls = self._begin(context)
            while not (done := self.poke(context)):
                self._pause(polls)
            return done.xcom_value if isinstance(done, PokeReturnValue) else None

    def poke(self, context: Context) -> bool | PokeReturnValue:
        """Poll once: done if the import has ended and the policy accepts it, with the status as the value.

        Return False after a transient error, and raise any other end of the wait. `execute` calls this for
        each poll on a worker. While a task is deferred, the trigger polls instead.
        """
        polls = self._polls = self._polls or self._begin(context)
        outcome = self._poll(polls, context)
        if isinstance(outcome, Finished):
            return PokeReturnValue(True, self._finish(outcome.status, context))
        if isinstance(outcome, GaveUp):
            raise outcome.error
        polls.next_poll = outcome
        return False

    def execute_complete(self, context: Context, event: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """End the task according to the trigger's event, and return the last status."""
        end = read_event(event)
        if isinstance(end, GaveUp):
            raise end.error
        return self._finish(end.status, context)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume after a deferral. With ``soft_fail`` the base class would also skip retryable errors."""
        if self.start_from_trigger:
            self._delete_result(context)
        with self._ends_as_configured():
            try:
                return super(BaseSensorOperator, self).resume_execution(next_method, next_kwargs, context)
            except AirflowException as error:
                if _is_deferral_timeout(error):
                    raise self._database_timeout(context) from error
                raise

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

    def trigger_params(self) -> dict[str, Any]:
        """Return the trigger's arguments for ending the task without a worker."""
        return {
            "conn_type": self.conn_type,
            "end_from_trigger": self.end_from_trigger,
            "on_partial": self.on_partial,
            "max_failed_rows": self.max_failed_rows,
            "do_xcom_push": self.do_xcom_push,
        }

    def _apply_trigger_options(self) -> None:
        """Warn about trigger options that must be ignored, and turn off `end_from_trigger` if it is one."""
        from airflow_provider_importstatus.triggers import start_from_trigger

        ignored = []
        if self.wants_start_from_trigger and (why := start_from_trigger.reason_not_to_start(self)):
            ignored.append(f"start_from_trigger is ignored because {why}")
        if self.end_from_trigger and (why := start_from_trigger.reason_not_to_end(self)):
            self.end_from_trigger = False
            ignored.append(f"end_from_trigger is ignored because {why}")
        if ignored:
            start_from_trigger.warn(self.task_id, ignored)

    def _begin(self, context: Context) -> _Polls:
        self.import_id = read_import_id(self.import_id)
        now = time.time()
        first_poll_at, memory = self._earlier_polls(context)
        began = first_poll_at or now
        wait = Wait(first_poll_at=began, deadline=began + self.timeout, **self.schedule())
        if first_poll_at and memory:
            memory.recall(wait)
        # Not cached on errors: the next poll tries to read the connection again.
        return _Polls(wait, StatusReporter(wait, self.log), cache(self._hook), memory)

    def _earlier_polls(self, context: Context) -> tuple[float | None, PollMemory | None]:
        """Return the time of a rescheduled task's first poll, and the memory of its polls."""
        ti: Any = context.get("ti")
        if ti is None or self.deferrable or not self.reschedule:
            return None, None
        # Airflow 2.11 has no such method, but keeps a rescheduled task's first start date.
        get_first_date = getattr(ti, "get_first_reschedule_date", None)
        try:
            first = get_first_date(context) if get_first_date else ti.start_date
        except Exception as error:
            self.log.warning(
                "The start of the wait cannot be read: %s. The next poll tries again.", type(error).__name__
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

    def _poll(self, polls: _Polls, context: Context) -> Outcome:
        result: ImportStatus | ImportStatusError
        try:
            hook = polls.hook()
            result = hook.get_import_status(self.import_id)
            polls.wait.poke_interval = max(polls.wait.poke_interval, hook.min_interval)
        except ImportStatusError as error:
            result = error
        reporter = polls.reporter
        outcome = reporter.record(result, time.time())
        if not isinstance(outcome, Finished) and (latest := reporter.due) and self._publish(context, latest):
            reporter.written = latest
        return outcome

    def _pause(self, polls: _Polls) -> None:
        """Sleep until the next poll, or raise the exception that defers or reschedules the task."""
        # An overridden poke may not have polled.
        outcome, polls.next_poll = polls.next_poll or polls.wait.go_on(time.time()), None
        if isinstance(outcome, GaveUp):
            raise outcome.error
        if self.deferrable:
            self._defer(polls)
        if self.reschedule:
            if polls.memory:
                polls.memory.keep(polls.wait)
            delay = max(outcome.delay, MIN_RESUME_DELAY)
            raise AirflowRescheduleException(datetime.now(UTC) + timedelta(seconds=delay))
        time.sleep(outcome.delay)

    def _defer(self, polls: _Polls) -> None:
        from airflow_provider_importstatus.triggers import start_from_trigger
        from airflow_provider_importstatus.triggers.import_status import ImportStatusTrigger

        params = self.trigger_params()
        if self.end_from_trigger and (why := start_from_trigger.reason_not_to_end(self)):
            self.log.info("The task ends on a worker because %s.", why)
            params["end_from_trigger"] = False
        now, wait = time.time(), polls.wait
        ends = wait.deadline
        if self.execution_timeout is not None:
            # Airflow 3 does not enforce it while a task is deferred.
            wait.execution_deadline = wait.first_poll_at + self.execution_timeout.total_seconds()
            ends = min(ends, wait.execution_deadline)
        self.defer(
            trigger=ImportStatusTrigger(
                conn_id=self.conn_id,
                import_id=self.import_id,
                hook_params=self._portable_params(polls),
                wait=wait.to_dict(),
                deferred_at=now,
                **params,
            ),
            method_name="execute_complete",
            timeout=timedelta(seconds=max(ends - now, 0.0) + start_from_trigger.DEADLINE_MARGIN),
        )

    def _portable_params(self, polls: _Polls) -> dict[str, Any] | None:
        try:
            params = polls.hook().portable_params(self.hook_params)
        except ImportUnavailableError:
            # The connection could not be read yet; the trigger tries again.
            return self.hook_params
        return None if params is None else dict(params)

    def _finish(self, status: ImportStatus, context: Context) -> dict[str, Any]:
        self._publish(context, LatestStatus(status, time.time()))
        verdict = judge(status, self.policy)
        match verdict.action:
            case Action.SUCCEED:
                log = self.log.info if status.state is ImportState.SUCCEEDED else self.log.warning
                log("%s", verdict.reason)
                return status.within().to_dict()
            case Action.SKIP:
                raise AirflowSkipException(verdict.reason)
        raise ImportFailedError(verdict.reason)

    def _publish(self, context: Context, latest: LatestStatus) -> bool:
        """Write the XCom with the latest status; a failure is only logged. Return whether it was written."""
        ti: Any = context.get("ti")
        if ti is None or not self.do_xcom_push:
            return False
        try:
            ti.xcom_push(key=XCOM_KEY, value=latest.to_dict())
        except Exception as error:
            self.log.warning("The XCom %s could not be written: %s", XCOM_KEY, type(error).__name__)
            return False
        return True

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

    def _database_timeout(self, context: Context) -> BaseException:
        """Return the error for a wait whose trigger could not report its end."""
        limit = self.execution_timeout
        is_of_task = limit is not None and limit.total_seconds() < self.timeout
        return timeout_error(self._last_published(context), is_of_task=is_of_task)

    def _last_published(self, context: Context) -> ImportStatus | None:
        ti: Any = context["ti"]
        try:
            latest = ti.xcom_pull(task_ids=ti.task_id, key=XCOM_KEY, map_indexes=ti.map_index)
            # An earlier run of a cleared task may have waited for another import.
            if latest is not None and latest["import_id"] == str(self.import_id).strip():
                return ImportStatus.from_dict(latest)
        except Exception as error:
            # Only the message needs it.
            self.log.warning("The XCom %s could not be read: %s", XCOM_KEY, type(error).__name__)
        return None

    @contextmanager
    def _ends_as_configured(self) -> Iterator[None]:
        """Turn an unsuccessful end into a skip if the task is configured so, in every mode."""
        try:
            yield
        except (AirflowSkipException, AirflowRescheduleException):
            raise
        except (Exception, AirflowTaskTimeout) as error:
            is_final = isinstance(error, AirflowFailException | AirflowSensorTimeout)
            if self.never_fail or (self.soft_fail and is_final):
                raise AirflowSkipException(str(error)) from error
            raise


class ClearImportSensor(ImportStatusSensor):
    """Waits until a Clear ingestion workflow has ended. See `ImportStatusSensor`."""

    conn_type = "clear"

    def __init__(self, *, conn_id: str = "clear_default", **kwargs: Any) -> None:
        super().__init__(conn_id=conn_id, **kwargs)


class TaoAdvanceImportSensor(ImportStatusSensor):
    """Waits until a TAO Advance rostering upload has ended. See `ImportStatusSensor`."""

    conn_type = "tao_advance"

    def __init__(self, *, conn_id: str = "tao_advance_default", **kwargs: Any) -> None:
        super().__init__(conn_id=conn_id, **kwargs)


class ZilliantImportSensor(ImportStatusSensor):
    """Waits until a Zilliant EntityImport has ended. See `ImportStatusSensor`."""

    conn_type = "zilliant"

    def __init__(self, *, conn_id: str = "zilliant_default", **kwargs: Any) -> None:
        super().__init__(conn_id=conn_id, **kwargs)


class ThalamusImportSensor(ImportStatusSensor):
    """Waits until a Thalamus import has ended. See `ImportStatusSensor`."""

    conn_type = "thalamus"

    def __init__(self, *, conn_id: str = "thalamus_default", **kwargs: Any) -> None:
        super().__init__(conn_id=conn_id, **kwargs)


def _is_deferral_timeout(error: AirflowException) -> bool:
    # Airflow 3 has its own class; Airflow 2.11 raises TaskDeferralError with this text.
    is_timeout = isinstance(error, TaskDeferralError) and "timeout" in str(error).lower()
    return is_timeout or type(error).__name__ == "TaskDeferralTimeout"
