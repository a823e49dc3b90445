"""The course of one wait: when to look again, when to give up. It takes the time and returns values."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

from airflow_provider_importstatus.exceptions import (
    AirflowSensorTimeout,
    AirflowTaskTimeout,
    ImportAuthError,
    ImportNotFoundError,
    ImportStatusError,
    ImportUnavailableError,
)
from airflow_provider_importstatus.outcome import describe
from airflow_provider_importstatus.status import ImportStatus

__all__ = ["GaveUp", "LookAgain", "Outcome", "Over", "Wait"]

#: No vendor can keep us away for longer, in seconds.
MAX_RETRY_AFTER = 3600.0
#: The next look comes after this share of the wait so far: late by at most a tenth of the import's length.
SHARE_OF_WAIT = 0.1
JITTER = 0.1


@dataclass(frozen=True, slots=True)
class LookAgain:
    """Go on; the next look is due after `delay` seconds."""

    delay: float


@dataclass(frozen=True, slots=True)
class Over:
    """The import has ended as `status` says."""

    status: ImportStatus


@dataclass(frozen=True, slots=True)
class GaveUp:
    """The wait has ended without the import's end."""

    error: BaseException


#: What a look leads to.
Outcome: TypeAlias = LookAgain | Over | GaveUp


@dataclass(slots=True)
class Wait:
    """One wait, in seconds and in seconds since 1970.

    :param first_look_at: when the import was first asked for
    :param deadline: when the sensor's ``timeout`` is up
    :param execution_deadline: when the task's ``execution_timeout`` is up
    :param poke_interval: the shortest time between two looks
    :param max_wait: the longest time between two looks
    :param exponential_backoff: whether the time between looks grows with the wait
    :param not_found_grace: how long after the first look "no such import" is taken for "not yet"
    :param outage_tolerance: how long looks may go on failing
    :param failing_since: when the looks began to fail, while they do
    :param has_answered: whether the vendor has accepted the credential in this wait
    :param last: what was last seen
    :param trouble: why the latest look brought nothing, if it did
    """

    first_look_at: float
    deadline: float
    execution_deadline: float | None = None
    poke_interval: float = 10.0
    max_wait: float = 300.0
    exponential_backoff: bool = True
    not_found_grace: float = 60.0
    outage_tolerance: float = 900.0
    failing_since: float | None = None
    has_answered: bool = False
    last: ImportStatus | None = None
    trouble: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The JSON form: what a trigger is made from."""
        last = self.last and self.last.within().to_dict()
        return {**{f.name: getattr(self, f.name) for f in fields(self)}, "last": last}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Wait:
        """Read back what `to_dict` gave, also that of another release."""
        names = {f.name for f in fields(cls)}
        known = {name: value for name, value in data.items() if name in names}
        last = known.get("last")
        return cls(**{**known, "last": last and ImportStatus.from_dict(last)})

    def saw(self, status: ImportStatus, now: float) -> Outcome:
        """Take note of an answer."""
        self.failing_since, self.has_answered, self.last, self.trouble = None, True, status, None
        if status.state.is_terminal:
            return Over(status)
        return self._go_on(now)

    def failed(self, error: ImportStatusError, now: float) -> LookAgain | GaveUp:
        """Take note of a look that brought no status."""
        self.trouble = str(error)
        if isinstance(error, ImportNotFoundError):
            self.failing_since, self.has_answered = None, True
            if now - self.first_look_at >= self.not_found_grace:
                return GaveUp(_with(error, f"not_found_grace ({self.not_found_grace:.0f} s) is over."))
            return self._go_on(now)
        # A credential that worked a moment ago is being rotated, most likely.
        if not error.passing and not (isinstance(error, ImportAuthError) and self.has_answered):
            return GaveUp(error)
        if self.failing_since is None:
            self.failing_since = now
        if now - self.failing_since >= self.outage_tolerance:
            lasted, tolerated = now - self.failing_since, self.outage_tolerance
            return GaveUp(_with(error, f"For {lasted:.0f} s now; outage_tolerance is {tolerated:.0f} s."))
        retry_after = error.retry_after if isinstance(error, ImportUnavailableError) else None
        return self._go_on(now, at_least=min(retry_after or 0.0, MAX_RETRY_AFTER))

    def time_is_up(self, now: float) -> GaveUp | None:
        """The end of a wait for which there is no time left."""
        if self.execution_deadline is not None and now >= self.execution_deadline:
            return self.out_of_execution_timeout()
        return self.out_of_timeout() if now >= self.deadline else None

    @property
    def ends(self) -> float:
        """When there is no time left."""
        limit = self.execution_deadline
        return self.deadline if limit is None else min(self.deadline, limit)

    def out_of_execution_timeout(self) -> GaveUp:
        """The end of a wait whose task's ``execution_timeout`` is up."""
        return GaveUp(AirflowTaskTimeout(f"execution_timeout is up. {self._last_known()}"))

    def out_of_timeout(self) -> GaveUp:
        """The end of a wait whose sensor's ``timeout`` is up."""
        return GaveUp(AirflowSensorTimeout(f"The sensor's timeout is up. {self._last_known()}"))

    def next_interval(self, now: float) -> float:
        """Seconds to the next look by the schedule alone."""
        if not self.exponential_backoff:
            return self.poke_interval
        share = max((now - self.first_look_at) * SHARE_OF_WAIT, self.poke_interval)
        # A thousand waits that began together must not stay together.
        spread = random.uniform(max(share * (1 - JITTER), self.poke_interval), share * (1 + JITTER))
        return min(spread, max(self.max_wait, self.poke_interval))

    def _go_on(self, now: float, at_least: float = 0.0) -> LookAgain | GaveUp:
        if ended := self.time_is_up(now):
            return ended
        return LookAgain(min(max(self.next_interval(now), at_least), self.ends - now))

    def _last_known(self) -> str:
        known = describe(self.last) if self.last else "The vendor has not told a state yet."
        trouble = f" The latest look failed: {self.trouble}" if self.trouble else ""
        return f"{known}{trouble} The import may still be going on at the vendor: only this wait has ended."


def _with(error: ImportStatusError, words: str) -> ImportStatusError:
    return type(error)(f"{error} {words}").with_traceback(error.__traceback__)
