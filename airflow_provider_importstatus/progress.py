"""What a wait tells while it goes on: a line a change, now and then a sign of life, the latest status."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from airflow_provider_importstatus.exceptions import ImportStatusError
from airflow_provider_importstatus.outcome import describe
from airflow_provider_importstatus.status import ImportState, ImportStatus
from airflow_provider_importstatus.wait import GaveUp, LookAgain, Outcome, Over, Wait

__all__ = ["RESULT_KEY", "XCOM_KEY", "Progress", "entry"]

#: Under which XCom key a task's result stands.
RESULT_KEY = "return_value"
#: Under which XCom key the latest status stands while the task waits, and after.
XCOM_KEY = "import_status"
#: Seconds between two lines of the log when nothing changes.
SIGN_OF_LIFE = 300.0
#: Seconds between two writes of the XCom when nothing changes.
REFRESH = 60.0


class Log(Protocol):
    """What the loggers of all Airflow versions have in common."""

    def log(self, level: int, event: Any, /, *args: Any) -> Any:
        """Write a line."""


@dataclass(slots=True)
class Progress:
    """What has been told of one wait so far."""

    wait: Wait
    log: Log
    told: ImportStatus | None = None
    told_at: float = 0.0
    trouble: str | None = None
    published: ImportStatus | None = None
    published_at: float = 0.0

    def note(
        self, answer: ImportStatus | ImportStatusError, now: float
    ) -> tuple[Outcome, dict[str, Any] | None]:
        """What a look's answer leads to, and what the XCom must say now, if anything."""
        if isinstance(answer, ImportStatusError):
            since = getattr(answer, "outage_since", None)
            outcome: Outcome = self.wait.failed(answer, now, failing_since=since)
            if isinstance(outcome, LookAgain):
                self.tell_trouble(answer, now)
            return outcome, None
        outcome = self.wait.saw(answer, now)
        if isinstance(outcome, Over):
            return outcome, None
        self.tell(answer, now)
        if isinstance(outcome, GaveUp):
            return outcome, entry(answer, now, None)
        return outcome, entry(answer, now, now + outcome.delay) if self.is_due(answer, now) else None

    def tell(self, status: ImportStatus, now: float) -> None:
        """Log the status if it is news, or if nothing was logged for long."""
        is_news = status != self.told
        if self.trouble:
            self.log.log(logging.INFO, "The vendor answers again.")
        if is_news or self.trouble or now - self.told_at >= SIGN_OF_LIFE:
            level = logging.WARNING if is_news and self._needs_a_person(status) else logging.INFO
            self.log.log(level, "%s%s", describe(status), _ADVICE.get(status.state, ""))
            self.told_at = now
        self.told, self.trouble = status, None

    def tell_trouble(self, error: ImportStatusError, now: float) -> None:
        """Log why a look brought nothing if it is news, or if nothing was logged for long."""
        if str(error) != self.trouble or now - self.told_at >= SIGN_OF_LIFE:
            self.log.log(logging.WARNING, "The wait goes on although a look failed: %s", error)
            self.told_at = now
        self.trouble = str(error)

    def is_due(self, status: ImportStatus, now: float) -> bool:
        """Whether the XCom should be written now."""
        is_due = status != self.published or now - self.published_at >= REFRESH
        if is_due:
            self.published, self.published_at = status, now
        return is_due

    def _needs_a_person(self, status: ImportStatus) -> bool:
        is_new_word = self.told is None or status.vendor_state != self.told.vendor_state
        return is_new_word and status.state in _ADVICE


_ADVICE = {
    ImportState.BLOCKED: " A person must act at the vendor before it goes on.",
    ImportState.UNKNOWN: " This word is not known; the wait goes on until its timeout.",
}


def entry(status: ImportStatus, looked_at: float, next_look_at: float | None) -> dict[str, Any]:
    """The value of the XCom `import_status`."""
    return {
        **status.within().to_dict(),
        "looked_at": _iso(looked_at),
        "next_look_at": None if next_look_at is None else _iso(next_look_at),
    }


def _iso(instant: float) -> str:
    return datetime.fromtimestamp(instant, UTC).isoformat(timespec="seconds")
