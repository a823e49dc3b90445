"""Progress reports of a wait: log lines, and the XCom with the latest status."""

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

#: XCom key of the task's result.
RESULT_KEY = "return_value"
#: XCom key of the latest status.
XCOM_KEY = "import_status"
#: Seconds between two log lines when nothing changes.
LOG_INTERVAL = 300.0
#: Seconds between two writes of the XCom when nothing changes.
PUBLISH_INTERVAL = 60.0


class Log(Protocol):
    """The logger interface common to all Airflow versions."""

    def log(self, level: int, event: Any, /, *args: Any) -> Any:
        """Log a message."""


@dataclass(slots=True)
class StatusReporter:
    """Reports the progress of one wait to the log and to an XCom."""

    wait: Wait
    log: Log
    logged: ImportStatus | None = None
    logged_at: float = 0.0
    last_error: str | None = None
    published: ImportStatus | None = None
    published_at: float = 0.0

    def record(
        self, result: ImportStatus | ImportStatusError, now: float
    ) -> tuple[Outcome, dict[str, Any] | None]:
        """Record the result of a poll; return its outcome and the XCom's new value, if it must be written."""
        if isinstance(result, ImportStatusError):
            outcome: Outcome = self.wait.on_error(result, now)
            if isinstance(outcome, PollAgain):
                self.log_error(result, now)
            return outcome, None
        outcome = self.wait.on_status(result, now)
        if isinstance(outcome, Finished):
            return outcome, None
        self.log_status(result, now)
        if isinstance(outcome, GaveUp):
            return outcome, xcom_value(result, now, None)
        if self.should_publish(result, now):
            return outcome, xcom_value(result, now, now + outcome.delay)
        return outcome, None

    def log_status(self, status: ImportStatus, now: float) -> None:
        """Log the status if it has changed, or if nothing was logged for a while."""
        has_changed = status != self.logged
        if self.last_error:
            self.log.log(logging.INFO, "The vendor responds again.")
        if has_changed or self.last_error or now - self.logged_at >= LOG_INTERVAL:
            level = logging.WARNING if has_changed and self._needs_attention(status) else logging.INFO
            self.log.log(level, "%s%s", describe(status), _ADVICE.get(status.state, ""))
            self.logged_at = now
        self.logged, self.last_error = status, None

    def log_error(self, error: ImportStatusError, now: float) -> None:
        """Log why a poll failed if the reason has changed, or if nothing was logged for a while."""
        if str(error) != self.last_error or now - self.logged_at >= LOG_INTERVAL:
            self.log.log(logging.WARNING, "A poll failed, the wait continues: %s", error)
            self.logged_at = now
        self.last_error = str(error)

    def should_publish(self, status: ImportStatus, now: float) -> bool:
        """Return whether the XCom should be written now."""
        should_publish = status != self.published or now - self.published_at >= PUBLISH_INTERVAL
        if should_publish:
            self.published, self.published_at = status, now
        return should_publish

    def _needs_attention(self, status: ImportStatus) -> bool:
        is_new_state = self.logged is None or status.vendor_state != self.logged.vendor_state
        return is_new_state and status.state in _ADVICE


_ADVICE = {
    ImportState.BLOCKED: " It continues only after somebody takes action in the vendor's system.",
    ImportState.UNKNOWN: " This state is unknown to the provider; the wait continues until its timeout.",
}


def xcom_value(status: ImportStatus, polled_at: float, next_poll_at: float | None) -> dict[str, Any]:
    """Return the value of the XCom `import_status`."""
    return {
        **status.within().to_dict(),
        "polled_at": _iso(polled_at),
        "next_poll_at": None if next_poll_at is None else _iso(next_poll_at),
    }


def _iso(instant: float) -> str:
    return datetime.fromtimestamp(instant, UTC).isoformat(timespec="seconds")
