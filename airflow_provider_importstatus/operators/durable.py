"""The import that a task has submitted, kept in Airflow's task state store (3.3 and later).

It survives retries: a retry takes up the import instead of submitting the file again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import timedelta
from typing import Any, Protocol

from airflow_provider_importstatus.exceptions import ImportUnavailableError

__all__ = ["Submission", "SubmissionStore"]

#: Key in the task state store.
STORE_KEY = "importstatus_submission"
#: Retention beyond the end of the wait, in seconds: a task may be cleared days later.
KEPT_LONGER = 30 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Submission:
    """An import that a task has submitted.

    :param submitted_at: in Unix seconds
    :param max_tries: the task's; clearing the task raises it
    :param place: digest of the connection, its base URL and the hook's parameters
    :param content: digest of the file and of the submission's parameters
    """

    import_id: str
    submitted_at: float
    max_tries: int = 0
    place: str = ""
    content: str = ""

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Submission:
        """Build a submission from its dictionary, including that of another release."""
        names = {f.name for f in fields(cls)}
        return cls(**{name: value for name, value in data.items() if name in names})

    def timeout_begins(self, max_tries: int, now: float) -> float:
        """Return when the timeout of a try begins: with the submission, unless the task was cleared."""
        return self.submitted_at if self.max_tries == max_tries else now


class Log(Protocol):
    """The logger interface that is needed here."""

    def warning(self, event: Any, /, *args: Any) -> Any:
        """Log a warning."""

    def error(self, event: Any, /, *args: Any) -> Any:
        """Log an error."""


class SubmissionStore:
    """Stores a task's submission.

    :param store: Airflow's accessor of the task state store; None if Airflow has none
    """

    def __init__(self, store: Any, log: Log) -> None:
        self._store = store
        self._log = log

    def load(self, *, is_first_try: bool) -> Submission | None:
        """Return the submission of an earlier try, if there is any.

        :param is_first_try: whether no earlier try can have submitted the file
        :raises ImportUnavailableError: the store cannot be read, and an earlier try may have
        """
        if self._store is None:
            return None
        try:
            stored = self._store.get(STORE_KEY)
        except Exception as error:
            problem = f"The task state store cannot be read ({type(error).__name__})."
            if is_first_try:
                self._log.warning("%s This is the first try: the file is submitted.", problem)
                return None
            raise ImportUnavailableError(
                f"{problem} An earlier try may have submitted the file, so it is not submitted again."
                " Retry the task when Airflow's API works; with durable=False it does without the store."
            ) from error
        try:
            return Submission.from_dict(stored) if stored else None
        except (TypeError, AttributeError):
            # This provider has not written it.
            return None

    def save(self, submission: Submission, timeout: float) -> None:
        """Store a submission. A failure is only logged.

        :param timeout: how long the task waits for the import, in seconds
        """
        if self._store is None:
            return
        try:
            self._store.set(STORE_KEY, asdict(submission), retention=timedelta(seconds=timeout + KEPT_LONGER))
        except Exception as error:
            self._log.error(
                "The task state store cannot be written (%s). If this try is interrupted, a retry submits the"
                " file again. The import is %s.",
                type(error).__name__,
                submission.import_id,
            )
