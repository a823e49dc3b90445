"""The commands: poll, submit, cancel, error-reports, describe; their output, errors and exit status."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TextIO

from airflow.utils.cli import suppress_logs_and_warning
from airflow.utils.providers_configuration_loader import providers_configuration_loaded

from airflow_provider_importstatus.commands import describe
from airflow_provider_importstatus.commands.progress import LogLines, progress_on
from airflow_provider_importstatus.commands.table import format_status, format_table
from airflow_provider_importstatus.exceptions import (
    AirflowSensorTimeout,
    ImportProtocolError,
    ImportSettingsError,
    ImportStatusError,
)
from airflow_provider_importstatus.hooks.base import ImportStatusHook
from airflow_provider_importstatus.hooks.lookup import hook_for
from airflow_provider_importstatus.polling.reporting import StatusReporter
from airflow_provider_importstatus.polling.schedule import (
    DEFAULT_SENSOR_TIMEOUT,
    STILL_RUNNING,
    Finished,
    GaveUp,
    PollAgain,
    Wait,
)
from airflow_provider_importstatus.polling.validation import check_hook_params, read_import_id, read_seconds
from airflow_provider_importstatus.redaction import clean_text
from airflow_provider_importstatus.status import MAX_ID, ImportState, ImportStatus

__all__ = ["run_command"]


class ExitStatus(IntEnum):
    """The exit status of the process."""

    SUCCEEDED = 0
    FAILED = 1
    #: That of argparse for wrong usage.
    ERROR = 2
    PARTIAL = 3
    NOT_FINISHED = 4


_OF_STATE = {
    ImportState.SUCCEEDED: ExitStatus.SUCCEEDED,
    ImportState.PARTIAL: ExitStatus.PARTIAL,
    ImportState.FAILED: ExitStatus.FAILED,
    ImportState.CANCELLED: ExitStatus.FAILED,
}


@dataclass(frozen=True, slots=True)
class Output:
    """Where results and errors go."""

    stdout: TextIO
    stderr: TextIO
    is_json: bool = False

    def status(self, status: ImportStatus) -> None:
        """Print a status."""
        self.result(json.dumps(status.to_dict()) if self.is_json else format_status(status))

    def result(self, text: str) -> None:
        """Print a result to stdout."""
        encoding = self.stdout.encoding or "utf-8"
        try:
            # Vendors' texts may contain what the locale cannot represent.
            print(text.encode(encoding, "backslashreplace").decode(encoding), file=self.stdout, flush=True)
        except BrokenPipeError:
            # Nobody reads it, and Python would report that again at its exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.stdout.fileno())

    def message(self, text: str) -> None:
        """Print one line to stderr."""
        print(f"import-status: {' '.join(text.split())}", file=self.stderr, flush=True)


@suppress_logs_and_warning
@providers_configuration_loaded
def run_command(options: argparse.Namespace, stdout: TextIO) -> None:
    """Run a command, print its result to `stdout` and messages to stderr, and exit with its status."""
    _move_logs(stdout, sys.stderr)
    output = Output(stdout, sys.stderr, getattr(options, "output", "") == "json")
    try:
        status = _COMMANDS[options.subcommand](options, output)
    except ImportStatusError as error:
        output.message(str(error))
        status = ExitStatus.ERROR
    except KeyboardInterrupt:
        output.message(f"Interrupted. {_INTERRUPTED[options.subcommand]}")
        status = ExitStatus.ERROR
    except Exception as error:
        if options.verbose:
            raise
        # The text may contain anything.
        output.message(f"{type(error).__name__}. Please report this as a bug; --verbose shows where.")
        status = ExitStatus.ERROR
    raise SystemExit(int(status))


def _move_logs(stdout: TextIO, stderr: TextIO) -> None:
    # The `airflow` command does so only from 3.3.
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream is stdout:
            handler.setStream(stderr)


def _poll(options: argparse.Namespace, output: Output) -> ExitStatus:
    import_id, timeout = read_import_id(options.import_id), _timeout(options)
    hook = _hook(options)
    if options.wait:
        return _wait(hook, import_id, timeout, output)
    status = hook.get_import_status(import_id)
    output.status(status)
    return _exit_status(status)


def _submit(options: argparse.Namespace, output: Output) -> ExitStatus:
    params, timeout = _submit_params(options.param), _timeout(options)
    hook = _hook(options)
    import_id = clean_text(hook.submit_import(options.file, **params), MAX_ID)
    if options.wait:
        output.message(f"Submitted as import {import_id}.")
        return _wait(hook, import_id, timeout, output)
    result = {"vendor": hook.vendor, "import_id": import_id}
    output.result(json.dumps(result) if output.is_json else import_id)
    return ExitStatus.SUCCEEDED


def _cancel(options: argparse.Namespace, output: Output) -> ExitStatus:
    import_id = read_import_id(options.import_id)
    hook = _hook(options)
    hook.cancel_import(import_id)
    output.result(f"{hook.title} accepted the cancellation of import {import_id}.")
    return ExitStatus.SUCCEEDED


def _error_reports(options: argparse.Namespace, output: Output) -> ExitStatus:
    import_id = read_import_id(options.import_id)
    hook = _hook(options)
    saved = hook.save_error_reports(import_id, options.folder)
    if output.is_json:
        result = {"vendor": hook.vendor, "import_id": import_id, "error_reports": saved.paths}
        output.result(json.dumps(result))
    elif saved.paths:
        output.result("\n".join(saved.paths))
    for error in saved.errors:
        output.message(error)
    if not saved.paths and not saved.errors:
        output.message(f"{hook.title} has no error reports of import {import_id}.")
    return ExitStatus.ERROR if saved.errors else ExitStatus.SUCCEEDED


def _describe(options: argparse.Namespace, output: Output) -> ExitStatus:
    loaded = describe.load(options.description)
    if isinstance(loaded, list):
        for error in loaded:
            output.message(str(error))
        if output.is_json:
            output.result(json.dumps({"valid": False, "errors": [str(error) for error in loaded]}))
        return ExitStatus.ERROR
    if options.answer is not None:
        return _print_answer(loaded, options, output)
    if options.status is not None:
        raise ImportSettingsError("--status needs --answer, the file with the answer that has it.")
    if output.is_json:
        output.result(json.dumps({"valid": True, **loaded.to_dict()}))
    else:
        output.result(format_table(loaded.explain()))
    return ExitStatus.SUCCEEDED


def _print_answer(loaded: describe.Described, options: argparse.Namespace, output: Output) -> ExitStatus:
    try:
        output.status(loaded.read_answer(options.answer, options.status))
        return ExitStatus.SUCCEEDED
    except ImportSettingsError:
        # About the arguments.
        raise
    except ImportStatusError as error:
        told = {"error": type(error).__name__, "message": str(error)}
        output.result(json.dumps(told) if output.is_json else f"{told['error']}: {told['message']}")
        # The other errors are what the vendor says: a description that reads them is right.
        return ExitStatus.ERROR if isinstance(error, ImportProtocolError) else ExitStatus.SUCCEEDED


_COMMANDS: dict[str, Callable[[argparse.Namespace, Output], ExitStatus]] = {
    "poll": _poll,
    "submit": _submit,
    "cancel": _cancel,
    "error-reports": _error_reports,
    "describe": _describe,
}
_INTERRUPTED = {
    "poll": "The import's state is not known: run the command again.",
    "submit": "The vendor may have started the import: look there before you submit the file again.",
    "cancel": "The import may have been cancelled: poll it.",
    "error-reports": "Some reports may be missing: run the command again.",
    "describe": "Nothing was sent.",
}


def _wait(hook: ImportStatusHook, import_id: str, timeout: float, output: Output) -> ExitStatus:
    """Poll until the import has ended; print its last status."""
    now = time.time()
    wait = Wait(first_poll_at=now, deadline=now + timeout)
    progress = progress_on(output.stderr)
    try:
        outcome = _poll_until_the_end(hook, import_id, wait, progress)
        reason = f"The timeout of {timeout:g} s has expired."
    except KeyboardInterrupt:
        outcome, reason = None, "Interrupted."
    finally:
        progress.end()
    if isinstance(outcome, GaveUp) and not isinstance(outcome.error, AirflowSensorTimeout):
        raise outcome.error
    if wait.last:
        output.status(wait.last)
    if isinstance(outcome, Finished):
        return _exit_status(outcome.status)
    latest = f" The latest poll failed: {wait.last_error}" if wait.last_error else ""
    output.message(f"{reason}{latest} {STILL_RUNNING}")
    return ExitStatus.NOT_FINISHED


def _poll_until_the_end(
    hook: ImportStatusHook, import_id: str, wait: Wait, progress: LogLines
) -> Finished | GaveUp:
    reporter = StatusReporter(wait, progress)
    while True:
        result: ImportStatus | ImportStatusError
        try:
            wait.keep_pace(hook.min_interval)
            result = hook.get_status_within(wait.time_for_poll(time.time()), import_id)
        except ImportStatusError as error:
            result = error
        outcome = reporter.record(result, time.time())
        if not isinstance(outcome, PollAgain):
            return outcome
        progress.pause(wait, outcome.delay)


def _exit_status(status: ImportStatus) -> ExitStatus:
    return _OF_STATE.get(status.state, ExitStatus.NOT_FINISHED)


def _hook(options: argparse.Namespace) -> ImportStatusHook:
    params = None if options.hook_params is None else _json_object("--hook-params", options.hook_params)
    try:
        check_hook_params(params)
    except ValueError as error:
        raise ImportSettingsError(str(error)) from None
    return hook_for(options.conn_id, params)


def _timeout(options: argparse.Namespace) -> float:
    if options.timeout is None:
        return DEFAULT_SENSOR_TIMEOUT
    if not options.wait:
        raise ImportSettingsError("--timeout needs --wait. Nothing was sent.")
    try:
        return read_seconds("--timeout", float(options.timeout))
    except ValueError:
        raise ImportSettingsError(
            "--timeout is not a number of seconds of 0 or more. Give one such as 3600. Nothing was sent."
        ) from None


def _submit_params(texts: list[str]) -> dict[str, Any]:
    params: dict[str, Any] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or not name or name in params:
            raise ImportSettingsError(
                "--param is not NAME=VALUE, or repeats a name. Give it once for each parameter, such as"
                " --param template_type=SALES. Nothing was sent."
            )
        params[name] = _json_object(f"--param {name}", value) if value.startswith("{") else value
    return params


def _json_object(name: str, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        # The text may contain a secret.
        raise ImportSettingsError(
            f'{name} is not a JSON object. Give one in quotes, such as \'{{"name": "value"}}\'.'
            " Nothing was sent."
        )
    return value
