"""An outage as all waits on one connection see it: once, and not by each of them for itself.

It takes the time, on any clock, and returns values.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from airflow_provider_importstatus.exceptions import ImportStatusError, ImportUnavailableError
from airflow_provider_importstatus.polling.schedule import MAX_RETRY_AFTER

__all__ = ["SharedOutage"]

#: After failures of so many different imports in a row it is the vendor's outage, and not an import's.
FAILURES = 3
#: Seconds between two probes of a vendor that is down for long: two requests a minute, whatever waits.
MAX_PROBE_INTERVAL = 30.0
#: Seconds to the first probe: most outages are short.
MIN_PROBE_INTERVAL = 2.0


@dataclass(slots=True)
class SharedOutage:
    """What the waits on one host with one credential know of each other's failures.

    :param began: when the present outage began; None while there is none
    :param error: what was last wrong
    """

    began: float | None = None
    error: ImportStatusError | None = None
    _failed: set[str] = field(default_factory=set)
    _failing_since: float = 0.0
    _next_probe: float = 0.0
    _probe_interval: float = MIN_PROBE_INTERVAL
    _last_prober: str = ""
    _not_before: float = 0.0

    def postpone(self, import_id: str, now: float, waits: int) -> ImportStatusError | None:
        """Return the error in place of a poll where another wait is probing, or the vendor wants a pause.

        :param waits: how many waits there are
        """
        if now < self._not_before:
            left = self._not_before - now
            return ImportUnavailableError(f"The vendor wants fewer requests for {left:.0f} s more.", left)
        if self.began is None or self.error is None or waits < 2:
            return None
        if now >= self._next_probe and import_id != self._last_prober:
            self._last_prober, self._next_probe = import_id, now + self._probe_interval
            self._probe_interval = min(self._probe_interval * 2, MAX_PROBE_INTERVAL)
            return None
        # The wait may end with it: it has the class of what is wrong.
        postponed = type(self.error)(f"{self.error} Another wait is probing the vendor.")
        postponed.outage_since = self.began
        # Spread, so that whoever comes first probes when that is due, and not all at once.
        soonest = min(max(self._next_probe - now, 0.0), MAX_PROBE_INTERVAL)
        postponed.postponed_for = random.uniform(soonest, MAX_PROBE_INTERVAL)
        return postponed

    def failed(self, import_id: str, error: ImportStatusError, now: float, waits: int) -> None:
        """Take note of a poll that failed for a transient reason."""
        if isinstance(error, ImportUnavailableError) and error.is_rate_limit:
            # A vendor that wants fewer requests is not down.
            self._not_before = max(self._not_before, now + min(error.retry_after or 0.0, MAX_RETRY_AFTER))
            return
        if not self._failed:
            self._failing_since = now
        self._failed.add(import_id)
        self.error = error
        if self.began is None and len(self._failed) >= min(FAILURES, waits):
            self.began = self._failing_since
            self._next_probe = now + self._probe_interval
            self._last_prober = import_id
        error.outage_since = self.began

    def answered(self) -> None:
        """Take note of an answer: whatever it says, the outage is over."""
        if self._failed:
            self.began, self.error, self._last_prober = None, None, ""
            self._failed.clear()
            self._probe_interval = MIN_PROBE_INTERVAL
