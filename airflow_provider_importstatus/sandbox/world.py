"""What the four vendors have in common: the time, the storage, the trouble, and who counts requests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from airflow_provider_importstatus.sandbox.faults import Faults
from airflow_provider_importstatus.sandbox.storage import Storage

__all__ = ["World"]


class World:
    """The surroundings of the vendors. Used on one event loop, so it needs no lock.

    :param clock: returns the time in seconds since 1970
    :param token_seconds: how long a token lives that a vendor issues
    """

    def __init__(self, clock: Callable[[], float], token_seconds: float) -> None:
        self.clock = clock
        self.token_seconds = token_seconds
        self.storage = Storage(clock)
        self.faults = Faults()
        self.requests: Counter[tuple[str, str]] = Counter()

    def reset(self) -> None:
        """Make it new, but for the time."""
        self.storage.clear()
        self.faults.clear()
        self.requests.clear()
