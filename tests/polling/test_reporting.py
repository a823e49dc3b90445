from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from airflow_provider_importstatus.exceptions import ImportRequestError, ImportUnavailableError
from airflow_provider_importstatus.polling.reporting import StatusReporter, xcom_value
from airflow_provider_importstatus.polling.schedule import Finished, GaveUp, PollAgain, Wait
from airflow_provider_importstatus.status import ImportState, ImportStatus

from ..hooks.playing import NOW


class Log:
    """A logger that records messages and their levels."""

    def __init__(self) -> None:
        self.lines: list[tuple[int, str]] = []

    def log(self, level: int, event: str, /, *args: Any) -> None:
        self.lines.append((level, event % args))

    @property
    def levels(self) -> list[int]:
        return [level for level, _ in self.lines]


def status(state: str = "running", word: str | None = None, **changes: Any) -> ImportStatus:
    return ImportStatus("thalamus", "274", ImportState(state), word or state.upper(), **changes)


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def progress(log: Log) -> StatusReporter:
    return StatusReporter(Wait(first_poll_at=NOW, deadline=NOW + 3600), log)


def test_the_first_status_is_logged(progress: StatusReporter, log: Log) -> None:
    progress.log_status(status(), NOW)
    assert log.lines == [(logging.INFO, "Import 274 (thalamus) is running: vendor state 'RUNNING'.")]


def test_an_unchanged_status_is_not_logged_again(progress: StatusReporter, log: Log) -> None:
    for since in range(0, 300, 10):
        progress.log_status(status(), NOW + since)
    assert len(log.lines) == 1


def test_an_unchanged_status_is_logged_every_five_minutes(progress: StatusReporter, log: Log) -> None:
    for since in range(0, 3600, 10):
        progress.log_status(status(), NOW + since)
    assert log.levels == [logging.INFO] * 12


def test_a_changed_status_is_logged(progress: StatusReporter, log: Log) -> None:
    progress.log_status(status("queued"), NOW)
    progress.log_status(status("running"), NOW + 1)
    assert len(log.lines) == 2


@pytest.mark.parametrize(
    ("state", "advice"),
    [("blocked", "It continues only after somebody takes action"), ("unknown", "This state is unknown")],
)
def test_a_state_that_needs_attention_is_logged_as_a_warning(
    progress: StatusReporter, log: Log, state: str, advice: str
) -> None:
    progress.log_status(status(state), NOW)
    assert (log.levels, advice in log.lines[0][1]) == ([logging.WARNING], True)


@pytest.mark.parametrize("state", ["blocked", "unknown"])
def test_a_state_that_needs_attention_is_warned_about_once(
    progress: StatusReporter, log: Log, state: str
) -> None:
    for since in range(0, 3600, 10):
        progress.log_status(status(state, progress=(since + 1) / 3600), NOW + since)
    assert log.levels.count(logging.WARNING) == 1


def test_each_unknown_vendor_state_is_warned_about(progress: StatusReporter, log: Log) -> None:
    for word in ("PAUSED", "PAUSED", "RESTING"):
        progress.log_status(status("unknown", word), NOW)
    assert log.levels == [logging.WARNING, logging.WARNING]


@pytest.mark.parametrize("state", ["queued", "running", "succeeded", "partial", "failed", "cancelled"])
def test_other_states_are_logged_as_info(progress: StatusReporter, log: Log, state: str) -> None:
    progress.log_status(status(state), NOW)
    assert log.levels == [logging.INFO]


def test_an_error_is_logged_as_a_warning(progress: StatusReporter, log: Log) -> None:
    progress.log_error(ImportUnavailableError("HTTP 503"), NOW)
    assert log.lines == [(logging.WARNING, "A poll failed, the wait continues: HTTP 503")]


def test_a_repeated_error_is_logged_every_five_minutes(progress: StatusReporter, log: Log) -> None:
    for since in range(0, 900, 10):
        progress.log_error(ImportUnavailableError("HTTP 503"), NOW + since)
    assert len(log.lines) == 3


def test_a_different_error_is_logged_at_once(progress: StatusReporter, log: Log) -> None:
    progress.log_error(ImportUnavailableError("HTTP 503"), NOW)
    progress.log_error(ImportUnavailableError("HTTP 502"), NOW + 10)
    assert len(log.lines) == 2


def test_recovery_is_logged(progress: StatusReporter, log: Log) -> None:
    progress.log_status(status(), NOW)
    progress.log_error(ImportUnavailableError("HTTP 503"), NOW + 10)
    progress.log_status(status(), NOW + 20)
    assert [line for _, line in log.lines[2:]] == [
        "The vendor responds again.",
        "Import 274 (thalamus) is running: vendor state 'RUNNING'.",
    ]


def test_recovery_is_logged_once(progress: StatusReporter, log: Log) -> None:
    progress.log_error(ImportUnavailableError("HTTP 503"), NOW)
    for since in (10, 20, 30):
        progress.log_status(status(), NOW + since)
    assert len(log.lines) == 3


def test_the_xcom_is_due_at_the_first_status(progress: StatusReporter) -> None:
    assert progress.should_publish(status(), NOW)


def test_the_xcom_is_due_on_change(progress: StatusReporter) -> None:
    progress.should_publish(status("queued"), NOW)
    assert progress.should_publish(status("running"), NOW + 1)


def test_the_xcom_is_due_once_a_minute_without_change(progress: StatusReporter) -> None:
    due = [since for since in range(0, 300, 10) if progress.should_publish(status(), NOW + since)]
    assert due == [0, 60, 120, 180, 240]


def test_the_xcom_has_the_times_of_this_poll_and_the_next() -> None:
    published = xcom_value(status(), NOW, NOW + 10.4)
    assert (published["polled_at"], published["next_poll_at"]) == (
        "2027-01-15T08:00:00+00:00",
        "2027-01-15T08:00:10+00:00",
    )


def test_the_xcom_of_the_last_poll_has_no_next_poll() -> None:
    assert xcom_value(status("succeeded"), NOW, None)["next_poll_at"] is None


def test_the_xcom_contains_the_status_dictionary() -> None:
    published = xcom_value(status(), NOW, None)
    assert {name: published[name] for name in status().to_dict()} == status().to_dict()


def test_the_xcom_has_a_maximum_size() -> None:
    big = status(messages=("ü" * 500,) * 20)
    assert len(json.dumps(xcom_value(big, NOW, NOW))) <= 8 * 1024


def test_a_new_status_continues_the_wait_and_is_published(progress: StatusReporter) -> None:
    outcome, published = progress.record(status(), NOW)
    assert isinstance(outcome, PollAgain)
    assert published == xcom_value(status(), NOW, NOW + outcome.delay)


def test_an_unchanged_status_continues_the_wait_and_is_not_published(progress: StatusReporter) -> None:
    progress.record(status(), NOW)
    assert progress.record(status(), NOW + 10)[1] is None


def test_a_terminal_status_ends_the_wait(progress: StatusReporter) -> None:
    assert progress.record(status("failed"), NOW) == (Finished(status("failed")), None)


def test_the_last_poll_before_the_deadline_publishes_no_next_poll(progress: StatusReporter) -> None:
    outcome, published = progress.record(status(), NOW + 3600)
    assert (type(outcome), published) == (GaveUp, xcom_value(status(), NOW + 3600, None))


def test_a_transient_error_continues_the_wait_with_a_warning(progress: StatusReporter, log: Log) -> None:
    outcome, published = progress.record(ImportUnavailableError("HTTP 503"), NOW)
    assert (type(outcome), published, log.levels) == (PollAgain, None, [logging.WARNING])


def test_an_error_that_ends_the_wait_is_not_logged(progress: StatusReporter, log: Log) -> None:
    error = ImportRequestError("HTTP 422")
    assert (progress.record(error, NOW), log.lines) == ((GaveUp(error), None), [])
