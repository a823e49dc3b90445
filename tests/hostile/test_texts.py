"""Hostile texts of vendors in statuses, results, events, errors, log lines, asset events and terminals."""

from __future__ import annotations

import io
import json
import logging
from dataclasses import replace
from typing import Any
from unicodedata import east_asian_width

import pytest
from hypothesis import given, settings

from airflow_provider_importstatus.commands.progress import LiveLine, LogLines
from airflow_provider_importstatus.commands.run import Output
from airflow_provider_importstatus.commands.table import format_status
from airflow_provider_importstatus.exceptions import ImportFailedError, ImportStatusError
from airflow_provider_importstatus.polling.events import read_event, write_event
from airflow_provider_importstatus.polling.policy import describe
from airflow_provider_importstatus.polling.reporting import LatestStatus, StatusReporter
from airflow_provider_importstatus.polling.schedule import Finished, GaveUp, Wait
from airflow_provider_importstatus.protocol.responses import extract_messages
from airflow_provider_importstatus.status import ImportState, ImportStatus, StageStatus

from ..hooks.playing import raw
from ..hostile_texts import HOSTILE, LARGE, hostile_texts, is_line, params

steadily = settings(deadline=None, derandomize=True, max_examples=300)
any_text = pytest.mark.parametrize("text", params(HOSTILE))
any_or_large = pytest.mark.parametrize("text", params(HOSTILE | LARGE))

NOW = 1_800_000_000.0


def status_of(text: str, state: ImportState = ImportState.FAILED, many: int = 1) -> ImportStatus:
    """Return a status with the text in all places that a vendor fills."""
    return ImportStatus(
        vendor="acme",
        import_id=text,
        state=state,
        vendor_state=text,
        messages=(text,) * many,
        stages=(StageStatus(text, state, text, text),) * many,
    )


def texts_in(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for part in parts for text in texts_in(part)]


@any_or_large
def test_a_status_has_only_lines(text: str) -> None:
    stored = replace(status_of(text), vendor=text).to_dict()
    assert all(map(is_line, texts_in(stored)))
    assert max(map(len, texts_in(stored))) <= 500


@any_or_large
def test_results_and_events_are_small_and_can_be_stored(text: str) -> None:
    status = status_of(text, many=1000)
    latest = LatestStatus(status, NOW, NOW).to_dict()
    finished = write_event(Finished(status))
    gave_up = write_event(GaveUp(ImportFailedError(text)))
    for value, size in ((status.within().to_dict(), 8192), (latest, 8192), (finished, 8192), (gave_up, 8192)):
        stored = json.dumps(value, allow_nan=False)
        assert len(stored) <= size
        stored.encode()
        assert "\\u0000" not in stored
        assert json.loads(stored) == value
    assert read_event(json.loads(json.dumps(finished))) == Finished(status.within())


@any_or_large
def test_an_error_is_one_line(text: str) -> None:
    for error in (ImportStatusError(text), ImportFailedError(f"Import {text} is {text!r}. Check it.")):
        assert is_line(str(error))
        assert len(str(error)) <= 10_000


@any_or_large
def test_what_a_vendor_says_is_lines(text: str) -> None:
    body = json.dumps({"message": text}).encode()
    messages = extract_messages(raw(body), text, [text], {"a": text, text: "a"})
    assert all(map(is_line, messages))
    assert is_line(raw(body).excerpt())
    assert is_line(raw(text.encode("utf-16", "surrogatepass")).excerpt())


class Lines:
    """A log as of a task: its lines, formatted as Airflow does."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def log(self, level: int, event: Any, /, *args: Any) -> None:
        record = logging.LogRecord("task", level, "x.py", 1, event, args, None)
        self.lines.append(record.getMessage())


@any_or_large
def test_a_poll_is_logged_as_one_line(text: str) -> None:
    log = Lines()
    reporter = StatusReporter(Wait(first_poll_at=NOW, deadline=NOW + 9000), log)
    for number, state in enumerate((ImportState.RUNNING, ImportState.UNKNOWN, ImportState.BLOCKED)):
        reporter.record(status_of(text, state), NOW + number)
    reporter.record(_retryable(text), NOW + 5)
    assert len(log.lines) == 4
    assert all(map(is_line, log.lines))


def _retryable(text: str) -> ImportStatusError:
    error = ImportStatusError(text)
    error.retryable = True
    return error


@steadily
@given(text=hostile_texts)
def test_any_text_is_logged_as_one_line(text: str) -> None:
    assert is_line(describe(status_of(text)))
    assert is_line(str(ImportStatusError(text)))


@any_text
def test_a_log_line_of_the_shell_is_one_line(text: str) -> None:
    stream = io.StringIO()
    StatusReporter(Wait(first_poll_at=NOW, deadline=NOW + 9000), LogLines(stream)).record(
        status_of(text, ImportState.RUNNING), NOW
    )
    assert stream.getvalue().endswith("\n")
    assert is_line(stream.getvalue()[:-1])


@any_text
def test_no_text_looks_like_another_row_of_the_table(text: str) -> None:
    lines = format_status(status_of(text, many=3)).split("\n")
    rows = [line.split()[0] for line in lines if not line.startswith(" ")]
    expected = ["import", "vendor", "state", "messages", "stages"]
    assert rows == [name for name in expected if name in rows]
    assert all(map(is_line, lines))


@any_text
def test_the_live_line_fits_the_terminal(text: str) -> None:
    error = str(ImportStatusError(text))
    wait = Wait(
        first_poll_at=0.0, deadline=9000.0, last=status_of(text, ImportState.RUNNING), last_error=error
    )
    terminal = io.StringIO()
    LiveLine(terminal).pause(wait, 0.02)
    (line,) = terminal.getvalue().split("\r\x1b[K")[1:]
    assert sum(2 if east_asian_width(each) in "FW" else 1 for each in line) < 80
    assert is_line(line)


@any_text
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_result_is_printed_in_any_locale(text: str, encoding: str) -> None:
    printed = io.BytesIO()
    stdout = io.TextIOWrapper(printed, encoding=encoding)
    Output(stdout, io.StringIO()).status(status_of(text))
    Output(stdout, io.StringIO(), is_json=True).status(status_of(text))
    shown = printed.getvalue().decode(encoding)
    assert all(map(is_line, shown.rstrip("\n").split("\n")))


@any_text
def test_a_message_of_the_shell_is_one_line(text: str) -> None:
    stderr = io.StringIO()
    Output(io.StringIO(), stderr).message(str(ImportStatusError(text)))
    assert is_line(stderr.getvalue()[:-1])
