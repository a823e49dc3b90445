from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from airflow_provider_importstatus.exceptions import ImportRequestError, ImportUnavailableError
from airflow_provider_importstatus.polling.reporting import LatestStatus, StatusReporter
from airflow_provider_importstatus.polling.schedule import Finished, GaveUp, PollAgain, Wait
from airflow_provider_importstatus.status import ImportState, ImportStatus, RowCounts, StageStatus

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


def test_counters_are_logged_every_five_minutes(progress: StatusReporter, log: Log) -> None:
    for since in range(0, 900, 10):
        progress.log_status(status(progress=since / 900), NOW + since)
    assert len(log.lines) == 3


def test_new_messages_are_logged(progress: StatusReporter, log: Log) -> None:
    progress.log_status(status(), NOW)
    progress.log_status(status(messages=("Row 7 has no date.",)), NOW + 1)
    assert len(log.lines) == 2


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


def writes(progress: StatusReporter, *polls: tuple[int, ImportStatus]) -> list[int]:
    """Record polls after so many seconds, write what is due, and return when that was."""
    written = []
    for since, result in polls:
        progress.record(result, NOW + since)
        if progress.due:
            progress.written = progress.latest
            written.append(since)
    return written


@pytest.fixture
def long(log: Log) -> StatusReporter:
    """Return the reporter of a wait with a timeout of a day."""
    return StatusReporter(Wait(first_poll_at=NOW, deadline=NOW + 24 * 3600), log)


def test_the_first_status_is_written(progress: StatusReporter) -> None:
    assert writes(progress, (0, status())) == [0]


@pytest.mark.parametrize(
    "change",
    [
        status("blocked"),
        status("running", "PAUSING"),
        status("running", messages=("Row 7 has no date.",)),
    ],
)
def test_a_change_of_state_or_messages_is_written_at_once(
    progress: StatusReporter, change: ImportStatus
) -> None:
    assert writes(progress, (0, status()), (10, change), (20, change)) == [0, 10]


@pytest.mark.parametrize(
    "counted",
    [
        lambda since: {"rows": RowCounts(total=since)},
        lambda since: {"progress": since / 3600},
        lambda since: {"stages": (StageStatus("load", ImportState.RUNNING, message=f"{since} %"),)},
    ],
)
def test_counters_are_written_every_five_minutes(long: StatusReporter, counted: Any) -> None:
    polls = [(since, status(**counted(since))) for since in range(0, 1800, 10)]
    assert writes(long, *polls) == [0, 300, 600, 900, 1200, 1500]


def test_an_unchanged_status_is_written_every_hour(long: StatusReporter) -> None:
    assert writes(long, *((since, status()) for since in range(0, 9000, 10))) == [0, 3600, 7200]


def test_a_status_that_could_not_be_written_stays_due_with_newer_values(progress: StatusReporter) -> None:
    for since in (0, 10, 20):
        progress.record(status(progress=since / 100), NOW + since)
        assert progress.due == progress.latest
    assert progress.due is not None
    assert (progress.due.status.progress, progress.due.polled_at) == (0.2, NOW + 20)


def test_a_state_that_returned_before_it_was_written_is_not_new(progress: StatusReporter) -> None:
    writes(progress, (0, status()))
    progress.record(status("blocked"), NOW + 10)
    assert progress.has_new_state
    progress.record(status(), NOW + 20)
    assert (progress.has_new_state, progress.due) == (False, None)


def test_new_messages_are_no_new_state(progress: StatusReporter) -> None:
    writes(progress, (0, status()))
    progress.record(status(messages=("Row 7 has no date.",)), NOW + 10)
    assert not progress.has_new_state
    assert progress.due


def test_the_first_state_is_new(progress: StatusReporter) -> None:
    progress.record(status(), NOW)
    assert progress.has_new_state


def test_an_error_leaves_the_latest_status_due_and_tells_the_next_poll(progress: StatusReporter) -> None:
    progress.record(status(), NOW)
    outcome = progress.record(ImportUnavailableError("HTTP 503"), NOW + 10)
    assert isinstance(outcome, PollAgain)
    assert progress.due == LatestStatus(status(), NOW, NOW + 10 + outcome.delay)


def test_an_error_without_any_status_leaves_nothing_due(progress: StatusReporter) -> None:
    progress.record(ImportUnavailableError("HTTP 503"), NOW)
    assert progress.due is None


def test_the_xcom_has_the_times_of_this_poll_and_the_next() -> None:
    published = LatestStatus(status(), NOW, NOW + 10.4).to_dict()
    assert (published["polled_at"], published["next_poll_at"]) == (
        "2027-01-15T08:00:00+00:00",
        "2027-01-15T08:00:10+00:00",
    )


def test_the_xcom_of_the_last_poll_has_no_next_poll() -> None:
    assert LatestStatus(status("succeeded"), NOW).to_dict()["next_poll_at"] is None


def test_the_xcom_contains_the_status_dictionary() -> None:
    published = LatestStatus(status(), NOW).to_dict()
    assert {name: published[name] for name in status().to_dict()} == status().to_dict()


def test_the_xcom_has_a_maximum_size() -> None:
    big = status(messages=("ü" * 500,) * 20)
    assert len(json.dumps(LatestStatus(big, NOW, NOW).to_dict())) <= 8 * 1024


def test_a_running_import_continues_the_wait(progress: StatusReporter) -> None:
    outcome = progress.record(status(), NOW)
    assert isinstance(outcome, PollAgain)
    assert progress.latest == LatestStatus(status(), NOW, NOW + outcome.delay)


def test_a_terminal_status_ends_the_wait(progress: StatusReporter) -> None:
    assert progress.record(status("failed"), NOW) == Finished(status("failed"))


def test_the_last_status_before_the_deadline_is_written_without_a_next_poll(progress: StatusReporter) -> None:
    writes(progress, (0, status()))
    outcome = progress.record(status(), NOW + 3600)
    assert (type(outcome), progress.due) == (GaveUp, LatestStatus(status(), NOW + 3600))


def test_the_last_status_before_an_error_that_ends_the_wait_is_written_without_a_next_poll(
    progress: StatusReporter,
) -> None:
    writes(progress, (0, status()))
    progress.record(ImportRequestError("HTTP 422"), NOW + 10)
    assert progress.due == LatestStatus(status(), NOW)


def test_a_transient_error_continues_the_wait_with_a_warning(progress: StatusReporter, log: Log) -> None:
    outcome = progress.record(ImportUnavailableError("HTTP 503"), NOW)
    assert (type(outcome), log.levels) == (PollAgain, [logging.WARNING])


def test_an_error_that_ends_the_wait_is_not_logged(progress: StatusReporter, log: Log) -> None:
    error = ImportRequestError("HTTP 422")
    assert (progress.record(error, NOW), log.lines) == (GaveUp(error), [])
