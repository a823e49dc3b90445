"""What a wait tells while it goes on: a line a change, now and then a sign of life, the latest status."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from airflow_provider_importstatus.exceptions import ImportStatusError
from airflow_provider_importstatus.polling.policy import describe
from airflow_provider_importstatus.polling.schedule import Finished, GaveUp, Outcome, PollAgain, Wait
from airflow_provider_importstatus.status import ImportState, ImportStatus

__all__ = ["RESULT_KEY", "XCOM_KEY", "StatusReporter", "xcom_value"]

#: Under which XCom key a task's result stands.
RESULT_KEY = "return_value"
#: Under which XCom key the latest status stands while the task waits, and after.
XCOM_KEY = "import_status"
#: Seconds between two lines of the log when nothing changes.
LOG_INTERVAL = 300.0
#: Seconds between two writes of the XCom when nothing changes.
PUBLISH_INTERVAL = 60.0


class Log(Protocol):
    """What the loggers of all Airflow versions have in common."""

    def log(self, level: int, event: Any, /, *args: Any) -> Any:
        """Write a line."""


@dataclass(slots=True)
class StatusReporter:
    """What has been told of one wait so far."""

    wait: Wait
    log: Log
    logged: ImportStatus | None = None
    logged_at: float = 0.0
    last_error: str | None = None
    published: ImportStatus | None = None
    published_at: float = 0.0

    def record(
        self, answer: ImportStatus | ImportStatusError, now: float
    ) -> tuple[Outcome, dict[str, Any] | None]:
        """What a look's answer leads to, and what the XCom must say now, if anything."""
        if isinstance(answer, ImportStatusError):
            outcome: Outcome = self.wait.on_error(answer, now)
            if isinstance(outcome, PollAgain):
                self.log_error(answer, now)
            return outcome, None
        outcome = self.wait.on_status(answer, now)
        if isinstance(outcome, Finished):
            return outcome, None
        self.log_status(answer, now)
        if isinstance(outcome, GaveUp):
            return outcome, xcom_value(answer, now, None)
        return outcome, xcom_value(answer, now, now + outcome.delay) if self.should_publish(
            answer, now
        ) else None

    def log_status(self, status: ImportStatus, now: float) -> None:
        """Log the status if it is news, or if nothing was logged for long."""
        is_news = status != self.logged
        if self.last_error:
            self.log.log(logging.INFO, "The vendor answers again.")
        if is_news or self.last_error or now - self.logged_at >= LOG_INTERVAL:
            level = logging.WARNING if is_news and self._needs_a_person(status) else logging.INFO
            self.log.log(level, "%s%s", describe(status), _ADVICE.get(status.state, ""))
            self.logged_at = now
        self.logged, self.last_error = status, None

    def log_error(self, error: ImportStatusError, now: float) -> None:
        """Log why a look brought nothing if it is news, or if nothing was logged for long."""
        if str(error) != self.last_error or now - self.logged_at >= LOG_INTERVAL:
            self.log.log(logging.WARNING, "The wait goes on although a look failed: %s", error)
            self.logged_at = now
        self.last_error = str(error)

    def should_publish(self, status: ImportStatus, now: float) -> bool:
        """Whether the XCom should be written now."""
        should_publish = status != self.published or now - self.published_at >= PUBLISH_INTERVAL
        if should_publish:
            self.published, self.published_at = status, now
        return should_publish

    def _needs_a_person(self, status: ImportStatus) -> bool:
        is_new_word = self.logged is None or status.vendor_state != self.logged.vendor_state
        return is_new_word and status.state in _ADVICE


_ADVICE = {
    ImportState.BLOCKED: " A person must act at the vendor before it goes on.",
    ImportState.UNKNOWN: " This word is not known; the wait goes on until its timeout.",
}


def xcom_value(status: ImportStatus, polled_at: float, next_poll_at: float | None) -> dict[str, Any]:
    """The value of the XCom `import_status`."""
    return {
        **status.within().to_dict(),
        "polled_at": _iso(polled_at),
        "next_poll_at": None if next_poll_at is None else _iso(next_poll_at),
    }


def _iso(instant: float) -> str:
    return datetime.fromtimestamp(instant, UTC).isoformat(timespec="seconds")
