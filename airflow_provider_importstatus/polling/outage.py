"""Outage detection shared by all waits on one connection.

Pure: the time is passed in, on any clock.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from airflow_provider_importstatus.exceptions import ImportStatusError, ImportUnavailableError
from airflow_provider_importstatus.polling.schedule import MAX_RETRY_AFTER

__all__ = ["SharedOutage"]

#: Number of different imports that must fail in a row before it counts as the vendor's outage.
FAILURES = 3
#: Maximum seconds between two probes: two requests a minute in long outages, however many waits there are.
MAX_PROBE_INTERVAL = 30.0
#: Seconds until the first probe: most outages are short.
MIN_PROBE_INTERVAL = 2.0


@dataclass(slots=True)
class SharedOutage:
    """The outage state shared by all waits on one host with one credential.

    :param began: when the current outage began; None if there is none
    :param error: the latest error
    """

    began: float | None = None
    error: ImportStatusError | None = None
    _failed: set[str] = field(default_factory=set)
    _failing_since: float = 0.0
    _away_until: float = 0.0
    _next_probe: float = 0.0
    _probe_interval: float = MIN_PROBE_INTERVAL
    _last_prober: str = ""
    _not_before: float = 0.0

    def postpone(self, import_id: str, now: float, waits: int) -> ImportStatusError | None:
        """Return the error that replaces a poll while another wait is probing or the vendor limits requests.

        :param waits: number of waits
        """
        if now < self._not_before:
            left = self._not_before - now
            return ImportUnavailableError(f"The vendor limits the request rate for {left:.0f} s more.", left)
        if self.began is None or self.error is None or waits < 2:
            return None
        if now >= self._next_probe and import_id != self._last_prober:
            self._last_prober, self._next_probe = import_id, now + self._probe_interval
            self._probe_interval = min(self._probe_interval * 2, MAX_PROBE_INTERVAL)
            return None
        # The wait may end with it: it has the class of what is wrong.
        postponed = type(self.error)(f"{self.error} Another wait is probing the vendor.")
        postponed.outage_since = self.began
        # Spread out, so that one wait probes when it is due, and not all of them at once.
        soonest = min(max(self._next_probe - now, 0.0), MAX_PROBE_INTERVAL)
        postponed.postponed_for = random.uniform(soonest, MAX_PROBE_INTERVAL)
        return postponed

    def failed(self, import_id: str, error: ImportStatusError, now: float, waits: int) -> None:
        """Record a poll that failed with a transient error."""
        if isinstance(error, ImportUnavailableError) and error.is_rate_limit:
            # Rate limiting is not an outage.
            self._not_before = max(self._not_before, now + min(error.retry_after or 0.0, MAX_RETRY_AFTER))
            return
        if not self._failed:
            self._failing_since, self._away_until = now, now
        self._failed.add(import_id)
        self._exempt_pause(error, now)
        self.error = error
        if self.began is None and len(self._failed) >= min(FAILURES, waits):
            self.began = self._failing_since
            self._next_probe = now + self._probe_interval
            self._last_prober = import_id
        error.outage_since = self.began

    def _exempt_pause(self, error: ImportStatusError, now: float) -> None:
        """Shift the start of the outage by a pause that the vendor asks for, once for all waits."""
        retry_after = getattr(error, "retry_after", None) or 0.0
        away_until = now + min(retry_after, MAX_RETRY_AFTER)
        if away_until > self._away_until:
            pause = away_until - max(self._away_until, now)
            self._failing_since, self._away_until = self._failing_since + pause, away_until
            if self.began is not None:
                self.began = self._failing_since

    def answered(self) -> None:
        """Record a response: whatever its content, the outage is over."""
        if self._failed:
            self.began, self.error, self._last_prober = None, None, ""
            self._failed.clear()
            self._probe_interval = MIN_PROBE_INTERVAL
