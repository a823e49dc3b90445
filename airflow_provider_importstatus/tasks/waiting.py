"""The wait of a task for the end of an import: the same for sensors and operators, and in every mode.

It is imported when DAG files are parsed; hooks, triggers and HTTP libraries are imported at run time.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

# Going through common.compat would load three more modules.
try:
    from airflow.sdk import BaseOperator
except ImportError:  # Airflow 2.11
    if not TYPE_CHECKING:
        from airflow.models.baseoperator import BaseOperator

from airflow_provider_importstatus.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
    ImportSettingsError,
    ImportStatusError,
    SubmissionUncertainError,
    SubmittedImportError,
    TaskDeferralError,
)
from airflow_provider_importstatus.polling.events import read_event
from airflow_provider_importstatus.polling.memory import PollMemory
from airflow_provider_importstatus.polling.policy import Action, Policy, judge
from airflow_provider_importstatus.polling.reporting import XCOM_KEY, LatestStatus, StatusReporter
from airflow_provider_importstatus.polling.schedule import (
    Finished,
    GaveUp,
    Outcome,
    PollAgain,
    Wait,
    timeout_error,
)
from airflow_provider_importstatus.polling.validation import (
    check_parameters,
    is_path_of_description,
    read_import_id,
)
from airflow_provider_importstatus.status import ImportState, ImportStatus
from airflow_provider_importstatus.version_compat import is_airflow

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_importstatus.hooks.base import ImportStatusHook

__all__ = ["WaitingTask"]


@dataclass
class Polls:
    """The polls of a wait on a worker.

    :param memory: what the polls of a rescheduled task remember
    :param next_poll: when to poll again after the latest poll, until that is acted upon
    """

    wait: Wait
    reporter: StatusReporter
    memory: PollMemory | None = None
    next_poll: PollAgain | None = None

    @property
    def has_ended(self) -> bool:
        """Whether the import has ended."""
        return self.wait.last is not None and self.wait.last.state.is_terminal


class WaitingTask(BaseOperator):
    """Base class of sensors and operators. They set these attributes; see them for what they mean."""

    #: The required connection type; empty for any with a hook for imports.
    conn_type: ClassVar[str] = ""
    #: The parameter that is the minimum time between two polls, and the durations that may be None.
    interval_param: ClassVar[str]
    optional_durations: ClassVar[tuple[str, ...]] = ("execution_timeout",)

    conn_id: str
    import_id: Any
    hook_params: dict[str, Any] | None
    on_partial: str
    max_failed_rows: int
    policy: Policy
    timeout: float
    soft_fail: bool
    never_fail: bool = False
    deferrable: bool
    end_from_trigger: bool
    cancel_on_kill: bool
    error_report_path: str | None
    _polls: Polls | None = None
    #: It keeps its credential between polls. None until the connection has been read and the import is known.
    _hook: ImportStatusHook | None = None

    def __init__(self, **kwargs: Any) -> None:
        try:
            super().__init__(**kwargs)
        except (TypeError, AirflowException) as error:
            # Airflow names the unknown parameters, but not which ones they may have been meant to be.
            if advice := _spelling_advice(type(self), kwargs):
                error.args = (f"{error}. {advice}",)
            raise

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        """Return the task for mapping. Parameters that are not mapped are checked as by the constructor."""
        given = {**(kwargs.get("default_args") or {}), **kwargs}
        cls._check_parameters(given)
        made = super().partial(**kwargs)
        # Airflow applies most defaults only when the task runs.
        groups = [made.kwargs["dag"], made.kwargs["task_group"]]
        defaults = [group.default_args or {} for group in groups if group]
        cls._check_parameters({name: value for each in defaults for name, value in each.items()} | given)
        return made

    @classmethod
    def _check_parameters(cls, given: Mapping[str, Any]) -> None:
        """Raise an error at parse time for parameters of a mapped task."""
        check_parameters(given, cls.interval_param, cls.optional_durations)

    @abstractmethod
    def schedule(self) -> dict[str, Any]:
        """Return the schedule's parameters as arguments of `Wait`."""

    @abstractmethod
    def failure(self, reason: str) -> ImportStatusError:
        """Return the error for an import whose end the policy does not accept."""

    def trigger_params(self) -> dict[str, Any]:
        """Return the trigger's arguments for what it does besides polling."""
        return {
            "conn_type": self.conn_type,
            "end_from_trigger": self.end_from_trigger,
            "on_partial": self.on_partial,
            "max_failed_rows": self.max_failed_rows,
            "do_xcom_push": self.do_xcom_push,
            "cancel_on_kill": self.cancel_on_kill,
            "has_error_report_path": self.error_report_path is not None,
        }

    def execute_complete(self, context: Context, event: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """End the task according to the trigger's event, and return the last status."""
        end = read_event(event)
        if isinstance(end, GaveUp):
            raise end.error
        return self._finish(end.status, context)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume after a deferral. A sensor's base class would also skip what another try may change."""
        with self._ends_as_configured():
            try:
                return BaseOperator.resume_execution(self, next_method, next_kwargs, context)
            except AirflowException as error:
                if _is_deferral_timeout(error):
                    raise self._database_timeout(context) from error
                raise

    def on_kill(self) -> None:
        """Cancel the import on behalf of `cancel_on_kill`. Airflow also calls it when a worker is stopped.

        It calls Airflow for nothing: the signal may have interrupted such a call, which never ends then.
        """
        if not self.cancel_on_kill or self._hook is None or (self._polls and self._polls.has_ended):
            return
        # Once: Airflow may call it again.
        self.cancel_on_kill = False
        # As in a template, it may have line breaks around it.
        import_id = str(self.import_id).strip()
        try:
            self._hook.cancel_at_hand(self.import_id)
        except Exception as error:
            # It must not prevent the task's end.
            self.log.warning("Import %s could not be cancelled: %s", import_id, error)
        else:
            self.log.warning("The task was killed: import %s was cancelled at the vendor.", import_id)

    def _turn_off_ending(self) -> list[str]:
        """Turn off `end_from_trigger` if it is impossible; return why, if so."""
        from airflow_provider_importstatus.triggers import start_from_trigger

        why = self.end_from_trigger and start_from_trigger.reason_not_to_end(self)
        if not why:
            return []
        self.end_from_trigger = False
        return [f"end_from_trigger is ignored because {why}"]

    def _warn_if_never_cancelled(self, *, is_rescheduled: bool = False) -> None:
        if not self.cancel_on_kill:
            return
        if is_rescheduled:
            self.log.warning("cancel_on_kill has no effect between the polls of mode='reschedule'.")
        elif self.deferrable and not is_airflow(3, 3):
            self.log.warning("cancel_on_kill has no effect while the task is deferred: it needs Airflow 3.3.")

    def _begin(self, first_poll_at: float, deadline: float, execution_deadline: float | None) -> Polls:
        wait = Wait(first_poll_at, deadline, execution_deadline, **self.schedule())
        return Polls(wait, StatusReporter(wait, self.log))

    def _execution_deadline(self, began: float) -> float | None:
        """Return when `execution_timeout` expires; None without one.

        Airflow 3 does not enforce it while a task is deferred. On a worker it raises an exception in whatever
        runs at the time, which is lost in a finalizer (seen on Airflow 3.1.8).

        :param began: when the task began to run (Unix seconds)
        """
        return None if self.execution_timeout is None else began + self.execution_timeout.total_seconds()

    def _open_hook(self) -> ImportStatusHook:
        from airflow_provider_importstatus.hooks.lookup import hook_for

        hook = hook_for(self.conn_id, self.hook_params)
        hook.check_conn_type(self.conn_type)
        if self.cancel_on_kill:
            hook.check_can_cancel()
        return hook

    def _poll(self, polls: Polls, context: Context) -> dict[str, Any] | None:
        """Poll once. Return the result if the import has ended and the policy accepts it.

        Return None if the wait goes on, and raise any other end.
        """
        outcome = self._poll_once(polls, context)
        if isinstance(outcome, Finished):
            return self._finish(outcome.status, context)
        if isinstance(outcome, GaveUp):
            raise outcome.error
        polls.next_poll = outcome
        return None

    def _poll_once(self, polls: Polls, context: Context) -> Outcome:
        result: ImportStatus | ImportStatusError
        try:
            # Not kept on errors: the next poll tries to read the connection again.
            hook = self._hook = self._hook or self._open_hook()
            polls.wait.keep_pace(hook.min_interval)
            seconds = polls.wait.time_for_poll(time.time())
            result = hook.get_status_within(seconds, self.import_id)
        except ImportStatusError as error:
            result = error
        reporter = polls.reporter
        outcome = reporter.record(result, time.time())
        if not isinstance(outcome, Finished) and (latest := reporter.due) and self._publish(context, latest):
            reporter.written = latest
        return outcome

    def _next_poll(self, polls: Polls) -> PollAgain:
        """Return when to poll again, or raise the end of the wait."""
        # An overridden poke may not have polled.
        outcome, polls.next_poll = polls.next_poll or polls.wait.go_on(time.time()), None
        if isinstance(outcome, GaveUp):
            raise outcome.error
        return outcome

    def _defer(self, polls: Polls) -> None:
        from airflow_provider_importstatus.triggers import start_from_trigger
        from airflow_provider_importstatus.triggers.import_status import ImportStatusTrigger

        wait, params = polls.wait, self.trigger_params()
        if self.end_from_trigger and (why := start_from_trigger.reason_not_to_end(self)):
            self.log.info("The task ends on a worker because %s.", why)
            params["end_from_trigger"] = False
        now = time.time()
        self.defer(
            trigger=ImportStatusTrigger(
                conn_id=self.conn_id,
                import_id=self.import_id,
                hook_params=self._portable_params(),
                wait=wait.to_dict(),
                deferred_at=now,
                **params,
            ),
            method_name="execute_complete",
            kwargs=self._resume_kwargs(),
            timeout=timedelta(seconds=max(wait.ends - now, 0.0) + start_from_trigger.DEADLINE_MARGIN),
        )

    def _portable_params(self) -> dict[str, Any] | None:
        params: Any = self.hook_params
        if self._hook:
            params = self._hook.portable_params(params)
        elif is_path_of_description(params):
            # The connection could not be read yet. The trigger tries again, perhaps on another machine.
            params = _with_document(params)
        return dict(params) if isinstance(params, Mapping) else params

    def _resume_kwargs(self) -> dict[str, Any] | None:
        """Return what `resume_execution` needs besides the trigger's event."""
        return None

    def _finish(self, status: ImportStatus, context: Context) -> dict[str, Any]:
        """End the task as the policy says, and return the result."""
        status = self._with_reports(status)
        self._publish(context, LatestStatus(status, time.time()))
        verdict = judge(status, self.policy)
        match verdict.action:
            case Action.SUCCEED:
                log = self.log.info if status.state is ImportState.SUCCEEDED else self.log.warning
                log("%s", verdict.reason)
                self._describe_in_assets(status, context)
                return status.within().to_dict()
            case Action.SKIP:
                raise AirflowSkipException(verdict.reason)
        raise self.failure(verdict.reason)

    def _with_reports(self, status: ImportStatus) -> ImportStatus:
        """Store the error reports; return the status with their paths and with what could not be stored."""
        if not self.error_report_path or status.state not in (ImportState.PARTIAL, ImportState.FAILED):
            return status
        try:
            hook = self._hook or self._open_hook()
            # Not the status's id, which is redacted.
            saved = hook.save_error_reports(read_import_id(self.import_id), self.error_report_path)
            paths, errors = saved.paths, saved.errors
        except Exception as error:
            # Reports must not change how the import ended.
            paths, errors = (), (f"The error reports could not be stored: {error}",)
        for path in paths:
            self.log.info("Stored the error report %s.", path)
        for problem in errors:
            self.log.warning("%s", problem)
        return status.with_reports(paths, errors)

    def _describe_in_assets(self, status: ImportStatus, context: Context) -> None:
        """Add the import to the extra of the asset events. Their readers need no rights on this DAG."""
        data = status.to_dict()
        summary = {name: data[name] for name in ("vendor", "import_id", "state", "rows", "finished_at")}
        # Aliases stand for assets that the task has not named.
        for outlet in (one for one in self.outlets if not type(one).__name__.endswith("Alias")):
            try:
                context["outlet_events"][outlet].extra["import_status"] = summary
            except Exception as error:
                # Outlets may also be entities for lineage, and nothing here may change how the task ends.
                self.log.warning("The outlet %s gets no import status: %s", outlet, type(error).__name__)

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

    def _database_timeout(self, context: Context) -> BaseException:
        """Return the error for a wait whose trigger could not report its end."""
        limit = self.execution_timeout
        is_of_task = limit is not None and limit.total_seconds() < self.timeout
        return timeout_error(self._last_published(context), is_of_task=is_of_task)

    def _last_published(self, context: Context) -> ImportStatus | None:
        ti: Any = context["ti"]
        try:
            latest = ti.xcom_pull(task_ids=ti.task_id, key=XCOM_KEY, map_indexes=ti.map_index)
            if latest is not None and self._is_of_this_import(latest["import_id"]):
                return ImportStatus.from_dict(latest)
        except Exception as error:
            # Only the message needs it.
            self.log.warning("The XCom %s could not be read: %s", XCOM_KEY, type(error).__name__)
        return None

    def _is_of_this_import(self, import_id: str) -> bool:
        # An earlier run of a cleared task that starts without a worker may have waited for another import.
        # Only an operator has no id: its worker deleted the earlier XComs.
        return self.import_id is None or import_id == str(self.import_id).strip()

    @contextmanager
    def _ends_as_configured(self) -> Iterator[None]:
        """Turn an unsuccessful end into a skip if the task is configured so, in every mode."""
        try:
            yield
        except (AirflowSkipException, AirflowRescheduleException):
            raise
        except (Exception, AirflowTaskTimeout) as error:
            if self.never_fail or (self.soft_fail and _is_skipped_softly(error)):
                raise AirflowSkipException(str(error)) from error
            raise


def _with_document(hook_params: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return `hook_params` with the document in place of the path of a file, if this machine can read it."""
    from airflow_provider_importstatus.hooks.described import DescribedHook

    try:
        return DescribedHook.portable_params(hook_params)
    except ImportSettingsError:
        # Whoever reads the connection knows whether this is a description at all, and says what is wrong.
        return hook_params


def _spelling_advice(task_class: type, parameters: Mapping[str, Any]) -> str:
    """Return which valid parameters are meant by the unknown ones; empty if none is similar."""
    # DAG files are parsed often, and rarely with such an error.
    from difflib import get_close_matches
    from inspect import signature

    valid = {name for base in task_class.__mro__[:-1] for name in signature(base).parameters}
    meant = {name: get_close_matches(name, valid, n=1) for name in parameters if name not in valid}
    return " ".join(f"Write {near[0]} instead of {name}." for name, near in meant.items() if near)


def _is_skipped_softly(error: BaseException) -> bool:
    """Return whether another try would not change this end. A person must see an uncertain submission."""
    is_final = isinstance(error, AirflowFailException | AirflowSensorTimeout | SubmittedImportError)
    return is_final and not isinstance(error, SubmissionUncertainError)


def _is_deferral_timeout(error: AirflowException) -> bool:
    # Airflow 3 has its own class; Airflow 2.11 raises TaskDeferralError with this text.
    is_timeout = isinstance(error, TaskDeferralError) and "timeout" in str(error).lower()
    return is_timeout or type(error).__name__ == "TaskDeferralTimeout"
