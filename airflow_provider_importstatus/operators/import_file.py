"""The operators that submit a file and wait until its import has ended.

It is imported when DAG files are parsed; hooks, triggers and HTTP libraries are imported at run time.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

try:
    from airflow.sdk.configuration import conf
except ImportError:  # Airflow 2.11 to 3.1
    from airflow.configuration import conf

from airflow_provider_importstatus.exceptions import (
    ImportNotFoundError,
    ImportSettingsError,
    ImportStatusError,
    SubmittedImportError,
)
from airflow_provider_importstatus.operators.durable import Submission, SubmissionStore
from airflow_provider_importstatus.polling.policy import Action, describe, judge
from airflow_provider_importstatus.polling.schedule import Wait
from airflow_provider_importstatus.polling.validation import (
    check_hook_params,
    check_interval,
    check_seconds,
    is_reference,
    read_policy,
    read_seconds,
)
from airflow_provider_importstatus.tasks.waiting import Polls, WaitingTask

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_importstatus.hooks.base import ImportStatusHook
    from airflow_provider_importstatus.status import ImportStatus

__all__ = [
    "ClearImportOperator",
    "ImportFileOperator",
    "TaoAdvanceImportOperator",
    "ThalamusImportOperator",
    "ZilliantImportOperator",
]


class _ImportOperator(WaitingTask):
    """Submits a file, waits until its import has ended, and ends the task accordingly."""

    template_fields: Sequence[str] = ("file", "conn_id", "hook_params", "error_report_path")
    interval_param = "poll_interval"
    #: The parameters that only this vendor has.
    vendor_params: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        *,
        file: Any,
        conn_id: str,
        hook_params: dict[str, Any] | None = None,
        wait_for_completion: bool = True,
        durable: bool = True,
        on_partial: str = "fail",
        max_failed_rows: int = 0,
        not_found_grace: timedelta | float = 60.0,
        outage_tolerance: timedelta | float = timedelta(minutes=15),
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        end_from_trigger: bool = False,
        poll_interval: timedelta | float = 10.0,
        max_wait: timedelta | float = 300.0,
        exponential_backoff: bool = True,
        timeout: timedelta | float = timedelta(days=7),
        soft_fail: bool = False,
        cancel_on_kill: bool = False,
        error_report_path: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_seconds(execution_timeout=self.execution_timeout)
        check_hook_params(hook_params)
        self.file = file
        self.conn_id = conn_id
        self.hook_params = hook_params
        self.wait_for_completion = wait_for_completion
        self.durable = durable
        self.on_partial = on_partial
        self.max_failed_rows = max_failed_rows
        self.policy = read_policy(on_partial, max_failed_rows)
        self.not_found_grace = read_seconds("not_found_grace", not_found_grace)
        self.outage_tolerance = read_seconds("outage_tolerance", outage_tolerance)
        self.poll_interval = read_seconds("poll_interval", poll_interval)
        check_interval("poll_interval", self.poll_interval)
        self.max_wait = read_seconds("max_wait", max_wait)
        self.exponential_backoff = exponential_backoff
        self.timeout = read_seconds("timeout", timeout)
        self.soft_fail = soft_fail
        self.deferrable = deferrable or end_from_trigger
        self.end_from_trigger = end_from_trigger
        self.cancel_on_kill = cancel_on_kill
        self.error_report_path = error_report_path
        if end_from_trigger and (ignored := self._turn_off_ending()):
            from airflow_provider_importstatus.triggers import start_from_trigger

            start_from_trigger.warn(self.task_id, ignored)

    def submission_params(self) -> dict[str, Any]:
        """Return the vendor's own parameters of the submission."""
        given = {name: getattr(self, name) for name in self.vendor_params}
        return {name: value for name, value in given.items() if value is not None}

    def schedule(self) -> dict[str, Any]:
        """Return the schedule's parameters as arguments of `Wait`."""
        return {
            "poke_interval": self.poll_interval,
            "max_wait": self.max_wait,
            "exponential_backoff": self.exponential_backoff,
            "not_found_grace": self.not_found_grace,
            "outage_tolerance": self.outage_tolerance,
        }

    def failure(self, reason: str) -> SubmittedImportError:
        """Return the error for an import whose end the policy does not accept."""
        return SubmittedImportError(f"{reason} A retry of this task submits the file again.")

    def execute(self, context: Context) -> Any:
        """Submit the file, unless an earlier try has, and return the last status of its import."""
        with self._ends_as_configured():
            began = time.time()
            self._warn_if_never_cancelled()
            hook = self._open_hook()
            submission = self._submission(hook, context)
            if not self.wait_for_completion:
                return submission.import_id
            deadline = submission.submitted_at + self.timeout
            limit = self._execution_deadline(began)
            self._polls = polls = self._begin(time.time(), deadline, limit)
            while (result := self._poll(polls, context)) is None:
                self._pause(polls)
            return result

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume after a deferral."""
        kwargs = dict(next_kwargs or {})
        self.import_id = kwargs.pop("import_id", None)
        return super().resume_execution(next_method, kwargs, context)

    def _pause(self, polls: Polls) -> None:
        """Sleep until the next poll, or raise the exception that defers the task."""
        next_poll = self._next_poll(polls)
        if self.deferrable:
            self._defer(polls)
        time.sleep(next_poll.delay)

    def _resume_kwargs(self) -> dict[str, Any]:
        return {"import_id": self.import_id}

    def _submission(self, hook: ImportStatusHook, context: Context) -> Submission:
        """Return the submission of an earlier try if it is still valid, else submit the file."""
        params = self.submission_params()
        hook.check_submit_params(params)
        store = self._store(context)
        if store is None:
            return Submission(self._submit(hook, params), submitted_at=time.time())
        ti: Any = context["ti"]
        max_tries = ti.max_tries
        place, content = self._fingerprints(hook, params)
        earlier = store.load(is_first_try=ti.try_number == 1)
        if earlier and self._is_valid(earlier, hook, max_tries, place, content):
            self.log.info("Taking up import %s, which an earlier try has submitted.", earlier.import_id)
            began = earlier.timeout_begins(max_tries, time.time())
            submission = replace(earlier, max_tries=max_tries, submitted_at=began)
        else:
            import_id = self._submit(hook, params)
            submission = Submission(import_id, time.time(), max_tries, place, content)
        if submission != earlier:
            store.save(submission, self.timeout)
        return submission

    def _submit(self, hook: ImportStatusHook, params: Mapping[str, Any]) -> str:
        """Submit the file and return the id of its import, which a kill cancels from now on."""
        self._hook = None
        if self.error_report_path and self.wait_for_completion:
            from airflow_provider_importstatus.clients.storage import ReportFolder

            # A path that cannot be used is an error before anything is sent.
            ReportFolder(self.error_report_path)
        import_id = hook.submit_import(self.file, **params)
        self.import_id, self._hook = import_id, hook
        return import_id

    def _store(self, context: Context) -> SubmissionStore | None:
        """Return the store of the submission; None if the task is not durable or Airflow has no store."""
        if not self.durable:
            return None
        accessor = context.get("task_state_store")
        if accessor is None:
            self.log.info("durable has no effect: it needs a task instance of Airflow 3.3 or later.")
            return None
        return SubmissionStore(accessor, self.log)

    def _fingerprints(self, hook: ImportStatusHook, params: Mapping[str, Any]) -> tuple[str, str]:
        """Return a digest of where the file is submitted, and one of what is submitted."""
        from airflow_provider_importstatus.clients.storage import StoredFile

        try:
            file = StoredFile(self.file)
            content = [file.size, file.version]
        except (ImportStatusError, OSError):
            # An import that is still running is waited for nevertheless.
            content = []
        return _digest(self.conn_id, hook.base_url, self.hook_params), _digest(params, content)

    def _is_valid(
        self, earlier: Submission, hook: ImportStatusHook, max_tries: int, place: str, content: str
    ) -> bool:
        """Return whether this try takes up an earlier submission. It may have to poll for a while."""
        import_id = earlier.import_id
        if earlier.place != place:
            why = "the connection or hook_params have changed"
            self.log.warning("Import %s is not taken up, because %s.", import_id, why)
            return False
        began = earlier.timeout_begins(max_tries, time.time())
        self.import_id, self._hook = import_id, hook
        status = self._poll_earlier(hook, import_id, Wait(began, deadline=began + self.timeout))
        if status is None:
            self.log.warning("The vendor does not know import %s: the file is submitted again.", import_id)
            return False
        if isinstance(status, ImportStatusError) or not status.state.is_terminal:
            if earlier.content != content:
                self.log.warning("The file has changed since it was submitted as import %s.", import_id)
            return True
        reason = self._reason_to_repeat(status, earlier, max_tries, content)
        if reason:
            self.log.info("%s The file is submitted again, because %s.", describe(status), reason)
        return reason is None

    def _reason_to_repeat(
        self, status: ImportStatus, earlier: Submission, max_tries: int, content: str
    ) -> str | None:
        """Return why a file whose import has ended is submitted again; None if it is not."""
        if earlier.max_tries != max_tries:
            return "the task was cleared"
        if earlier.content != content:
            return "it has changed"
        if judge(status, self.policy).action is Action.FAIL:
            return "this is a retry"
        return None

    def _poll_earlier(
        self, hook: ImportStatusHook, import_id: str, wait: Wait
    ) -> ImportStatus | ImportStatusError | None:
        """Poll the import of an earlier try; return its status, or an error that may pass.

        Return None if the vendor does not know it, also after `not_found_grace`.

        :param wait: the wait for it, whose deadline limits each poll
        """
        ends = time.monotonic() + self.not_found_grace
        while True:
            try:
                return hook.get_status_within(wait.time_for_poll(time.time()), import_id)
            except ImportNotFoundError as error:
                left = ends - time.monotonic()
                if left <= 0:
                    return None
                self.log.info("%s Polling again for %.0f s (not_found_grace).", error, left)
                time.sleep(min(self.poll_interval, left))
            except ImportStatusError as error:
                return error


class ImportFileOperator(_ImportOperator):
    """Submits a file to any vendor that can, and waits for the end of its import.

    The connection's type determines the vendor. The result (XCom ``return_value``) is the last status as a
    dictionary, or the import id with ``wait_for_completion=False``. The XCom ``import_status`` is the latest
    status during the wait.

    :param submit_params: the parameters of the vendor's submission, as a dictionary (templated): see the
        operators for one vendor
    :param file: a local path, or a URI of an object storage such as ``s3://conn_id@bucket/key`` (templated)
    :param conn_id: the connection (templated)
    :param hook_params: keyword arguments of the connection's hook, plain JSON (templated)
    :param wait_for_completion: whether to wait; if not, the result is the import id, for a sensor
    :param durable: take up the import that an earlier try of this task has submitted, instead of submitting
        the file again (Airflow 3.3 and later)
    :param on_partial: how the task ends after a partial import: ``fail``, ``skip`` or ``succeed``
    :param max_failed_rows: a partial import with at most this many rejected rows counts as succeeded
    :param not_found_grace: seconds (or a timedelta, like all durations) after the first poll during which "no
        such import" means "not yet"
    :param outage_tolerance: seconds for which polling may keep hitting transient errors
    :param deferrable: wait in the triggerer, without occupying a worker slot
    :param end_from_trigger: end the task in the triggerer when the import has succeeded (Airflow 3.3 and
        later)
    :param poll_interval: minimum time between two polls, in seconds
    :param max_wait: maximum time between two polls, in seconds
    :param exponential_backoff: poll again after a tenth of the wait so far; if false, after each
        ``poll_interval``
    :param timeout: seconds after the submission until the wait ends. A retry does not restart it
    :param soft_fail: skip the task instead of failing it, if another try would not help
    :param cancel_on_kill: cancel the import at the vendor when the task is killed: on a worker by any kill,
        in a triggerer (Airflow 3.3 and later) when somebody marks the task failed or successful
    :param error_report_path: a folder in which the vendor's error reports are stored: a local path, or a URI
        of an object storage (templated)
    :raises SubmittedImportError: the import has failed, was cancelled, or was partial and not accepted. A
        retry submits the file again
    :raises SubmissionUncertainError: the vendor may have started an import whose id is unknown; not retried
    :raises AirflowSensorTimeout: ``timeout`` has passed; the import goes on at the vendor
    :raises ImportStatusError: another subclass for the kind of failure
    """

    template_fields = (*_ImportOperator.template_fields, "submit_params")

    def __init__(self, *, submit_params: dict[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        _check_submit_params(submit_params)
        self.submit_params = submit_params

    @classmethod
    def _check_parameters(cls, given: Mapping[str, Any]) -> None:
        super()._check_parameters(given)
        _check_submit_params(given.get("submit_params"))

    def submission_params(self) -> dict[str, Any]:
        """Return the vendor's own parameters of the submission."""
        if isinstance(self.submit_params, Mapping | None):
            return dict(self.submit_params or {})
        # A template that was rendered as text.
        raise ImportSettingsError(
            f"submit_params is of type {type(self.submit_params).__name__}. Give a dictionary."
            " Nothing was sent."
        )


class ClearImportOperator(_ImportOperator):
    """Submits a file to Clear One Integration and waits until its workflow has ended.

    https://docs.cleartax.in/cleartax-docs/gls-api/gls-api-reference/advanced-ingestion-api/create-ingestion-activity

    The other parameters and the errors are those of `ImportFileOperator`.

    :param template_type: Clear's templateType, such as ``SALES`` (templated)
    :param conn_id: a connection of type ``clear`` (templated)
    """

    conn_type = "clear"
    vendor_params = ("template_type",)
    template_fields = (*_ImportOperator.template_fields, *vendor_params)

    def __init__(self, *, template_type: str, conn_id: str = "clear_default", **kwargs: Any) -> None:
        super().__init__(conn_id=conn_id, **kwargs)
        self.template_type = template_type


class TaoAdvanceImportOperator(_ImportOperator):
    """Uploads a roster to TAO Advance and waits until it has been processed.

    https://userguide.taotesting.com/developer-documentation/latest/public/upload-via-api

    The other parameters and the errors are those of `ImportFileOperator`.

    :param conn_id: a connection of type ``tao_advance`` (templated)
    """

    conn_type = "tao_advance"

    def __init__(self, *, conn_id: str = "tao_advance_default", **kwargs: Any) -> None:
        super().__init__(conn_id=conn_id, **kwargs)


class ZilliantImportOperator(_ImportOperator):
    """Submits a file as an EntityImport to Zilliant and waits until it has ended.

    https://docs.zilliant.com/apidocs/invoke-the-file-import-workflow

    The other parameters and the errors are those of `ImportFileOperator`.

    :param mapping_id: the mapping that describes the file (templated)
    :param mapping: the JSON object that creates a mapping, instead of ``mapping_id`` (templated)
    :param conn_id: a connection of type ``zilliant`` (templated)
    """

    conn_type = "zilliant"
    vendor_params = ("mapping_id", "mapping")
    template_fields = (*_ImportOperator.template_fields, *vendor_params)

    def __init__(
        self,
        *,
        mapping_id: str | None = None,
        mapping: dict[str, Any] | None = None,
        conn_id: str = "zilliant_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(conn_id=conn_id, **kwargs)
        self.mapping_id = mapping_id
        self.mapping = mapping


class ThalamusImportOperator(_ImportOperator):
    """Submits a file to Thalamus and waits until its import has ended.

    https://doc.thalamus.global/api-reference/api-rest-json-v4/imports/import-file

    The other parameters and the errors are those of `ImportFileOperator`.

    :param type: what the file contains: 25004 companies, 25006 physical locations, 25011 partner sales,
        25012 partner stock (templated)
    :param name: the import's name in Thalamus; the file's name by default (templated)
    :param conn_id: a connection of type ``thalamus`` (templated)
    """

    conn_type = "thalamus"
    vendor_params = ("type", "name")
    template_fields = (*_ImportOperator.template_fields, *vendor_params)

    def __init__(
        self,
        *,
        type: str | int,  # noqa: A002 - Thalamus' name
        name: str | None = None,
        conn_id: str = "thalamus_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(conn_id=conn_id, **kwargs)
        self.type = type
        self.name = name


def _check_submit_params(params: Any) -> None:
    if not isinstance(params, Mapping | str | None) and not is_reference(params):
        raise ValueError(f"submit_params is of type {type(params).__name__}. Give a dictionary.")


def _digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
