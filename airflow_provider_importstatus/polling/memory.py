"""State kept between the polls of a rescheduled task, in Airflow's task state store (3.3 and later).

Each poll runs in a process of its own, and Airflow clears the task's XComs before each.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from airflow_provider_importstatus.polling.schedule import Wait

__all__ = ["PollMemory"]

#: Key in the task state store.
STORE_KEY = "importstatus_wait"
#: Retention beyond the end of the wait, in seconds.
KEPT_LONGER = 24 * 3600.0


class PollMemory:
    """Saves the state of a wait between polls. If the store is unavailable, the wait continues without it.

    :param store: Airflow's accessor of the task state store; None if Airflow has none
    :param import_id: the import
    :param try_number: the task's try; another try starts from scratch
    :param warn: logs a warning
    """

    def __init__(self, store: Any, import_id: str, try_number: int, warn: Callable[..., Any]) -> None:
        self._store = store
        self._owner = {"import_id": import_id, "try_number": try_number}
        self._warn = warn
        self._kept: dict[str, Any] | None = None

    def recall(self, wait: Wait) -> None:
        """Restore the wait's state from the previous poll."""
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
        """Save the wait's state for the next poll if it has changed."""
        state = {**self._owner, **wait.memory()}
        if self._store is None or state == self._kept:
            return
        retention = timedelta(seconds=wait.deadline - wait.first_poll_at + KEPT_LONGER)
        try:
            self._store.set(STORE_KEY, state, retention=retention)
        except Exception as error:
            self._give_up("written", error)

    def _give_up(self, verb: str, error: Exception) -> None:
        # Unread state must not be overwritten: it may contain the start of an outage.
        self._store = None
        self._warn(
            "The task state store cannot be %s: %s. The wait continues, outage_tolerance may start again.",
            verb,
            type(error).__name__,
        )
