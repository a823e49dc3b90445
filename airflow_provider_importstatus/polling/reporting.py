"""Progress reports of a wait: log lines, and the XCom with the latest status."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from airflow_provider_importstatus.exceptions import ImportStatusError
from airflow_provider_importstatus.polling.policy import describe
from airflow_provider_importstatus.polling.schedule import Finished, Outcome, PollAgain, Wait
from airflow_provider_importstatus.status import ImportState, ImportStatus

__all__ = ["RESULT_KEY", "XCOM_KEY", "LatestStatus", "StatusReporter"]

#: XCom key of the task's result.
RESULT_KEY = "return_value"
#: XCom key of the latest status.
XCOM_KEY = "import_status"
#: Seconds between two log lines while nothing but counters, progress or stages changes. A line for each poll
#: would cost more than the poll (measured on Airflow 3.3.2).
LOG_INTERVAL = 300.0
#: Seconds between two writes of the XCom while only counters, progress or stages change. A write costs a
#: triggerer fifty times as much CPU as a poll (measured on Airflow 3.3.2).
COUNTERS_INTERVAL = 300.0
#: Seconds between two writes of the XCom when nothing changes.
UNCHANGED_INTERVAL = 3600.0


@dataclass(frozen=True, slots=True)
class LatestStatus:
    """The latest status of an import that is waited for: the value of the XCom `import_status`.

    :param polled_at: when the vendor reported it (Unix seconds)
    :param next_poll_at: when the next poll is due (Unix seconds); `None` after the last one
    """

    status: ImportStatus
    polled_at: float
    next_poll_at: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the value of the XCom."""
        return {
            **self.status.within().to_dict(),
            "polled_at": _iso(self.polled_at),
            "next_poll_at": None if self.next_poll_at is None else _iso(self.next_poll_at),
        }


class Log(Protocol):
    """The logger interface common to all Airflow versions."""

    def log(self, level: int, event: Any, /, *args: Any) -> Any:
        """Log a message."""


@dataclass(slots=True)
class StatusReporter:
    """Reports the progress of one wait: logs it, and says when the latest status should be written.

    :param written: the status that the XCom shows; whoever writes a newer one assigns it
    """

    wait: Wait
    log: Log
    logged: ImportStatus | None = None
    logged_at: float = 0.0
    last_error: str | None = None
    latest: LatestStatus | None = None
    written: LatestStatus | None = None

    def record(self, result: ImportStatus | ImportStatusError, now: float) -> Outcome:
        """Record the result of a poll and return its outcome."""
        if isinstance(result, ImportStatusError):
            outcome: Outcome = self.wait.on_error(result, now)
            if isinstance(outcome, PollAgain):
                self.log_error(result, now)
        else:
            outcome = self.wait.on_status(result, now)
            if not isinstance(outcome, Finished):
                self.log_status(result, now)
                self.latest = LatestStatus(result, now)
        if self.latest:
            next_poll_at = now + outcome.delay if isinstance(outcome, PollAgain) else None
            self.latest = replace(self.latest, next_poll_at=next_poll_at)
        return outcome

    @property
    def has_new_state(self) -> bool:
        """Whether the latest status differs in state from the written one."""
        return _state_of(self.latest) != _state_of(self.written)

    @property
    def due(self) -> LatestStatus | None:
        """Return the latest status if it should be written."""
        return self.latest if self.latest and self._is_due(self.latest) else None

    def _is_due(self, latest: LatestStatus) -> bool:
        written = self.written
        if written is None or latest.next_poll_at is None or _is_news(latest.status, written.status):
            return True
        interval = UNCHANGED_INTERVAL if latest.status == written.status else COUNTERS_INTERVAL
        return latest.polled_at - written.polled_at >= interval

    def log_status(self, status: ImportStatus, now: float) -> None:
        """Log the status if state or messages have changed, or if nothing was logged for a while."""
        if self.last_error:
            self.log.log(logging.INFO, "The vendor responds again.")
        if _is_news(status, self.logged) or self.last_error or now - self.logged_at >= LOG_INTERVAL:
            level = logging.WARNING if self._needs_attention(status) else logging.INFO
            self.log.log(level, "%s%s", describe(status), _ADVICE.get(status.state, ""))
            self.logged_at = now
        self.logged, self.last_error = status, None

    def log_error(self, error: ImportStatusError, now: float) -> None:
        """Log why a poll failed if the reason has changed, or if nothing was logged for a while."""
        if str(error) != self.last_error or now - self.logged_at >= LOG_INTERVAL:
            self.log.log(logging.WARNING, "A poll failed, the wait continues: %s", error)
            self.logged_at = now
        self.last_error = str(error)

    def _needs_attention(self, status: ImportStatus) -> bool:
        is_new_state = self.logged is None or status.vendor_state != self.logged.vendor_state
        return is_new_state and status.state in _ADVICE


_ADVICE = {
    ImportState.BLOCKED: " It continues only after somebody takes action in the vendor's system.",
    ImportState.UNKNOWN: " This state is unknown to the provider; the wait continues until its timeout.",
}


def _is_news(status: ImportStatus, previous: ImportStatus | None) -> bool:
    """Return whether more than counters, progress or stages has changed."""
    return previous is None or any(
        getattr(status, name) != getattr(previous, name) for name in ("state", "vendor_state", "messages")
    )


def _state_of(latest: LatestStatus | None) -> tuple[ImportState, str] | None:
    return (latest.status.state, latest.status.vendor_state) if latest else None


def _iso(instant: float) -> str:
    return datetime.fromtimestamp(instant, UTC).isoformat(timespec="seconds")
