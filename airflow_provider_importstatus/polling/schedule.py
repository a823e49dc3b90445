"""The course of one wait: when to look again, when to give up. It takes the time and returns values."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, TypeAlias

from airflow_provider_importstatus.exceptions import (
    AirflowSensorTimeout,
    AirflowTaskTimeout,
    ImportAuthError,
    ImportNotFoundError,
    ImportStatusError,
)
from airflow_provider_importstatus.polling.policy import describe
from airflow_provider_importstatus.status import ImportStatus

__all__ = [
    "MIN_RESUME_DELAY",
    "Finished",
    "GaveUp",
    "Outcome",
    "PollAgain",
    "Wait",
    "first_delay",
    "hold",
    "on_this_clock",
]

#: The scheduler takes a task that comes back sooner for lost (seen on Airflow 3.3.2), in seconds.
MIN_RESUME_DELAY = 10.0
#: No vendor can keep us away for longer, in seconds.
MAX_RETRY_AFTER = 3600.0
#: The next look comes after this share of the wait so far: late by at most a tenth of the import's length.
SHARE_OF_WAIT = 0.1
JITTER = 0.1


@dataclass(frozen=True, slots=True)
class PollAgain:
    """Go on; the next look is due after `delay` seconds."""

    delay: float


@dataclass(frozen=True, slots=True)
class Finished:
    """The import has ended as `status` says."""

    status: ImportStatus


@dataclass(frozen=True, slots=True)
class GaveUp:
    """The wait has ended without the import's end."""

    error: BaseException


#: What a look leads to.
Outcome: TypeAlias = PollAgain | Finished | GaveUp


@dataclass(slots=True)
class Wait:
    """One wait, in seconds and in seconds since 1970.

    :param first_poll_at: when the import was first asked for
    :param deadline: when the sensor's ``timeout`` is up
    :param execution_deadline: when the task's ``execution_timeout`` is up
    :param poke_interval: the shortest time between two looks
    :param max_wait: the longest time between two looks
    :param exponential_backoff: whether the time between looks grows with the wait
    :param not_found_grace: how long after the first look "no such import" is taken for "not yet", for an
        import that was never seen
    :param outage_tolerance: how long looks may go on failing
    :param failing_since: when the looks began to fail, while they do; later by the time that the vendor has
        asked us to stay away since
    :param credential_accepted: whether the vendor has accepted the credential in this wait
    :param last: what was last seen
    :param trouble: why the latest look brought nothing, if it did
    :param seen: whether the import was found in this wait
    :param away_until: until when the vendor has asked us to stay away
    """

    first_poll_at: float
    deadline: float
    execution_deadline: float | None = None
    poke_interval: float = 10.0
    max_wait: float = 300.0
    exponential_backoff: bool = True
    not_found_grace: float = 60.0
    outage_tolerance: float = 900.0
    failing_since: float | None = None
    credential_accepted: bool = False
    last: ImportStatus | None = None
    last_error: str | None = None
    seen: bool = False
    away_until: float | None = None

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
        # A release that did not know "seen" kept the status that it had seen.
        known.setdefault("seen", last is not None)
        return cls(**{**known, "last": last and ImportStatus.from_dict(last)})

    def memory(self) -> dict[str, Any]:
        """Return what a poll in a new process must know of the polls before it, as JSON."""
        return {name: getattr(self, name) for name in (*_FACTS, *_OUTAGE)}

    def recall(self, memory: Mapping[str, Any]) -> None:
        """Take over what `memory` gave in an earlier process, and ignore what is nothing of the kind."""
        for name in _FACTS:
            setattr(self, name, getattr(self, name) or memory.get(name) is True)
        for name in _OUTAGE:
            value = memory.get(name)
            if _is_instant(value):
                setattr(self, name, value)

    def on_status(self, status: ImportStatus, now: float) -> Outcome:
        """Take note of an answer."""
        self._recover()
        self.seen, self.last, self.last_error = True, status, None
        if status.state.is_terminal:
            return Finished(status)
        return self._go_on(now)

    def on_error(self, error: ImportStatusError, now: float) -> PollAgain | GaveUp:
        """Take note of a look that brought no status."""
        self.last_error = str(error)
        if isinstance(error, ImportNotFoundError):
            self.credential_accepted = True
            return self._vanished(error, now) if self.seen else self._not_found_yet(error, now)
        # A credential that worked a moment ago is being rotated, most likely.
        if not error.retryable and not (isinstance(error, ImportAuthError) and self.credential_accepted):
            return GaveUp(error)
        return self._endure(error, now)

    def check_deadlines(self, now: float) -> GaveUp | None:
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
        share = max((now - self.first_poll_at) * SHARE_OF_WAIT, self.poke_interval)
        # A thousand waits that began together must not stay together.
        spread = random.uniform(max(share * (1 - JITTER), self.poke_interval), share * (1 + JITTER))
        return min(spread, max(self.max_wait, self.poke_interval))

    def _recover(self) -> None:
        self.failing_since, self.away_until, self.credential_accepted = None, None, True

    def _not_found_yet(self, error: ImportNotFoundError, now: float) -> PollAgain | GaveUp:
        self._recover()
        if now - self.first_poll_at >= self.not_found_grace:
            return GaveUp(_with(error, f"not_found_grace ({self.not_found_grace:.0f} s) is over."))
        return self._go_on(now)

    def _vanished(self, error: ImportNotFoundError, now: float) -> PollAgain | GaveUp:
        # What was there a moment ago is hidden by trouble at the vendor, most likely.
        return self._endure(_with(error, "It was found earlier in this wait."), now)

    def _endure(self, error: ImportStatusError, now: float) -> PollAgain | GaveUp:
        since = self._failing_since(now, error.outage_since)
        if now - since >= self.outage_tolerance:
            lasted, tolerated = now - since, self.outage_tolerance
            return GaveUp(_with(error, f"For {lasted:.0f} s now; outage_tolerance is {tolerated:.0f} s."))
        away = _stay_away(error)
        self.failing_since, self.away_until = since + away, now + away if away else None
        if error.postponed_for is not None:
            return self._go_on(now, at_most=error.postponed_for)
        return self._go_on(now, at_least=away)

    def _failing_since(self, now: float, shared: float | None) -> float:
        """Return when the outage began, later by the time that the vendor asked us to stay away.

        :param shared: when it began by other waits' polls; it counts where that is earlier
        """
        since = now if self.failing_since is None else self.failing_since
        if self.away_until is not None:
            # We came back sooner: that much of the time did not pass.
            since -= max(self.away_until - now, 0.0)
        if shared is not None:
            # An outage from before this wait is no reason to end it sooner.
            since = min(since, max(shared, self.first_poll_at))
        return min(since, now)

    def _go_on(self, now: float, at_least: float = 0.0, at_most: float = math.inf) -> PollAgain | GaveUp:
        if ended := self.check_deadlines(now):
            return ended
        return PollAgain(min(max(self.next_interval(now), at_least), at_most, self.ends - now))

    def _last_known(self) -> str:
        known = describe(self.last) if self.last else _UNKNOWN[self.seen]
        last_error = f" The latest look failed: {self.last_error}" if self.last_error else ""
        return (
            f"{known}{last_error} The import may still be going on at the vendor: only this wait has ended."
        )


def first_delay(wait: Wait, deferred_at: float | None, now: float) -> float:
    """Return the seconds until a trigger's first poll.

    :param deferred_at: when a worker polled and deferred the task; None where the trigger starts the wait
    """
    if deferred_at is None:
        # A triggerer that takes the wait up later than an interval took it over, most likely.
        if now - wait.first_poll_at < wait.next_interval(now):
            return 0.0
    else:
        # An instant in the future is one of a worker whose clock is ahead.
        polled_at = min(deferred_at, now)
        due = polled_at + wait.next_interval(polled_at)
        if due > now:
            return _within(max(due - now, _still_away(wait, now)), wait, now)
    # After a restart all waits are overdue at once.
    return _within(max(random.uniform(0.0, wait.next_interval(now)), _still_away(wait, now)), wait, now)


def hold(deferred_at: float | None, now: float) -> float:
    """Return the seconds for which an event must not leave a trigger yet.

    :param deferred_at: when a worker deferred the task, if one did
    """
    if deferred_at is None:
        return 0.0
    return max(min(deferred_at, now) + MIN_RESUME_DELAY - now, 0.0)


def on_this_clock(wait: Wait, deferred_at: float, ends: float) -> tuple[Wait, float]:
    """Return a wait, and when it was deferred, as if the worker's clock had gone as the database's does.

    :param ends: when the wait ends by the database's clock
    """
    skew = ends - wait.ends
    if abs(skew) <= MIN_RESUME_DELAY:
        return wait, deferred_at
    instants = {name: getattr(wait, name) for name in _INSTANTS}
    moved = {name: value + skew for name, value in instants.items() if value is not None}
    return replace(wait, **moved), deferred_at + skew


_FACTS = ("seen", "credential_accepted")
_OUTAGE = ("failing_since", "away_until")
_INSTANTS = ("first_poll_at", "deadline", "execution_deadline", *_OUTAGE)
_UNKNOWN = {
    False: "The vendor has not told a state yet.",
    True: "The import was found earlier in this wait; the log tells its last state.",
}


def _within(delay: float, wait: Wait, now: float) -> float:
    return min(delay, max(wait.ends - now, 0.0))


def _still_away(wait: Wait, now: float) -> float:
    return 0.0 if wait.away_until is None else min(max(wait.away_until - now, 0.0), MAX_RETRY_AFTER)


def _stay_away(error: ImportStatusError) -> float:
    retry_after = getattr(error, "retry_after", None) or 0.0
    # Not a number is in no order.
    return min(retry_after, MAX_RETRY_AFTER) if retry_after > 0 else 0.0


def _is_instant(value: Any) -> bool:
    # The bound is beyond all calendars.
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e11


def _with(error: ImportStatusError, words: str) -> ImportStatusError:
    return type(error)(f"{error} {words}").with_traceback(error.__traceback__)
