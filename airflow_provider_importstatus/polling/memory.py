"""What the polls of a rescheduled task know of each other, in Airflow's task state store (3.3 and later).

Each of them is a process of its own, and Airflow clears the task's XComs before each.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from airflow_provider_importstatus.polling.schedule import Wait

__all__ = ["PollMemory"]

#: Under which key of the task state store it stands.
STORE_KEY = "importstatus_wait"
#: Seconds for which it is kept beyond the end of the wait.
KEPT_LONGER = 24 * 3600.0


class PollMemory:
    """The polls' memory. Where the store cannot be used, the wait goes on without.

    :param store: Airflow's accessor; None where there is none
    :param import_id: the import
    :param try_number: the task's, since another try begins from scratch
    :param warn: writes a line of the log
    """

    def __init__(self, store: Any, import_id: str, try_number: int, warn: Callable[..., Any]) -> None:
        self._store = store
        self._owner = {"import_id": import_id, "try_number": try_number}
        self._warn = warn
        self._kept: dict[str, Any] | None = None

    def recall(self, wait: Wait) -> None:
        """Have the wait go on as the poll before this one left it."""
        if self._store is None:
            return
        try:
            kept = self._store.get(STORE_KEY)
        except Exception as error:
            self._give_up("read", error)
            return
        if isinstance(kept, dict) and all(kept.get(name) == value for name, value in self._owner.items()):
            self._kept = kept
            wait.recall(kept)

    def keep(self, wait: Wait) -> None:
        """Leave to the next poll what has changed."""
        news = {**self._owner, **wait.memory()}
        if self._store is None or news == self._kept:
            return
        retention = timedelta(seconds=wait.deadline - wait.first_poll_at + KEPT_LONGER)
        try:
            self._store.set(STORE_KEY, news, retention=retention)
        except Exception as error:
            self._give_up("written", error)

    def _give_up(self, verb: str, error: Exception) -> None:
        # What was not read must not be overwritten: it may tell when an outage began.
        self._store = None
        self._warn(
            "The task state store cannot be %s: %s. The wait goes on; outage_tolerance may end it later.",
            verb,
            type(error).__name__,
        )
