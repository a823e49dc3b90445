"""The schedule of a wait: when to poll again and when to give up. Pure: the time is passed in."""

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
    ImportSettingsError,
    ImportStatusError,
)
from airflow_provider_importstatus.polling.policy import describe
from airflow_provider_importstatus.status import ImportStatus

__all__ = [
    "DEFAULT_SENSOR_TIMEOUT",
    "MIN_RESUME_DELAY",
    "STILL_RUNNING",
    "Finished",
    "GaveUp",
    "Outcome",
    "PollAgain",
    "Wait",
    "first_delay",
    "on_this_clock",
    "resume_delay",
    "timeout_error",
]

#: Airflow's default timeout of a sensor, in seconds.
DEFAULT_SENSOR_TIMEOUT = 7 * 24 * 3600.0
#: What a wait that gives up says of the import.
STILL_RUNNING = "Only this wait has ended: the import may still be running at the vendor."
#: The scheduler fails a task that comes back sooner (seen on Airflow 3.3.2), in seconds.
MIN_RESUME_DELAY = 10.0
#: How long the poll at the deadline may take, in seconds: as long as the end of a wait may be held anyway.
LAST_POLL_TIME = MIN_RESUME_DELAY
#: Upper limit for `Retry-After`, in seconds.
MAX_RETRY_AFTER = 3600.0
#: The next poll comes after this share of the wait so far: an end is noticed late by at most a tenth.
SHARE_OF_WAIT = 0.1
JITTER = 0.1


@dataclass(frozen=True, slots=True)
class PollAgain:
    """The wait continues; the next poll is due in `delay` seconds."""

    delay: float


@dataclass(frozen=True, slots=True)
class Finished:
    """The import has ended with `status`."""

    status: ImportStatus


@dataclass(frozen=True, slots=True)
class GaveUp:
    """The wait has ended before the import."""

    error: BaseException


#: The outcome of a poll.
Outcome: TypeAlias = PollAgain | Finished | GaveUp


@dataclass(slots=True)
class Wait:
    """The schedule and state of one wait. Times are in Unix seconds, durations in seconds.

    :param first_poll_at: time of the first poll
    :param deadline: when the sensor's ``timeout`` expires
    :param execution_deadline: when the task's ``execution_timeout`` expires
    :param poke_interval: minimum time between two polls
    :param max_wait: maximum time between two polls
    :param exponential_backoff: whether the interval grows with the length of the wait
    :param not_found_grace: how long after the first poll "no such import" means "not yet", for an import that
        was never seen
    :param outage_tolerance: how long polling may keep hitting transient errors
    :param failing_since: when polls began to fail, shifted by the time that the vendor asked to wait; None
        unless the latest poll failed
    :param credential_accepted: whether the vendor has accepted the credential in this wait
    :param last: the latest status
    :param last_error: the error of the latest poll, if it failed
    :param seen: whether the import was found in this wait
    :param away_until: end of the pause that the vendor asked for
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
        """Return the wait as JSON types, for the trigger's arguments."""
        last = self.last and self.last.within().to_dict()
        return {**{f.name: getattr(self, f.name) for f in fields(self)}, "last": last}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Wait:
        """Build a wait from the result of `to_dict`, including that of another release."""
        names = {f.name for f in fields(cls)}
        known = {name: value for name, value in data.items() if name in names}
        last = known.get("last")
        # Releases without "seen" stored the status instead.
        known.setdefault("seen", last is not None)
        return cls(**{**known, "last": last and ImportStatus.from_dict(last)})

    def memory(self) -> dict[str, Any]:
        """Return the state that the next poll needs in a new process, as JSON types."""
        return {name: getattr(self, name) for name in (*_FACTS, *_OUTAGE)}

    def recall(self, memory: Mapping[str, Any]) -> None:
        """Restore the result of `memory` from an earlier process; invalid values are ignored."""
        for name in _FACTS:
            setattr(self, name, getattr(self, name) or memory.get(name) is True)
        for name in _OUTAGE:
            value = memory.get(name)
            if _is_timestamp(value):
                setattr(self, name, value)

    def on_status(self, status: ImportStatus, now: float) -> Outcome:
        """Record a status and return the outcome."""
        self._recover()
        self.seen, self.last, self.last_error = True, status, None
        if status.state.is_terminal:
            return Finished(status)
        return self.go_on(now)

    def on_error(self, error: ImportStatusError, now: float) -> PollAgain | GaveUp:
        """Record a failed poll and return the outcome."""
        self.last_error = str(error)
        if isinstance(error, ImportNotFoundError):
            self.credential_accepted = True
            return self._vanished(error, now) if self.seen else self._not_found_yet(error, now)
        # A credential that was accepted before is probably being rotated.
        if not error.retryable and not (isinstance(error, ImportAuthError) and self.credential_accepted):
            # Such an error may say that nothing was sent, which is true of this poll only.
            is_incomplete = isinstance(error, ImportSettingsError) and self.seen
            return GaveUp(_with(error, STILL_RUNNING) if is_incomplete else error)
        return self._endure(error, now)

    def check_deadlines(self, now: float) -> GaveUp | None:
        """Return the end of the wait if a deadline has passed."""
        limit = self.execution_deadline
        is_of_task = limit is not None and now >= limit
        if not is_of_task and now < self.deadline:
            return None
        return GaveUp(timeout_error(self.last, self.last_error, is_of_task=is_of_task, is_seen=self.seen))

    def go_on(self, now: float, at_least: float = 0.0, at_most: float = math.inf) -> PollAgain | GaveUp:
        """Return when to poll again, or the end of the wait if a deadline has passed."""
        if ended := self.check_deadlines(now):
            return ended
        return PollAgain(min(max(self.next_interval(now), at_least), at_most, self.ends - now))

    @property
    def ends(self) -> float:
        """The earlier of the two deadlines."""
        limit = self.execution_deadline
        return self.deadline if limit is None else min(self.deadline, limit)

    def time_for_poll(self, now: float) -> float:
        """Return the seconds that a poll which begins now may take, whatever the timeout of its requests."""
        return max(self.ends - now, 0.0) + LAST_POLL_TIME

    def keep_pace(self, min_interval: float) -> None:
        """Poll no more often than the vendor allows."""
        self.poke_interval = max(self.poke_interval, min_interval)

    def next_interval(self, now: float) -> float:
        """Return the seconds to the next poll, by the schedule alone."""
        if not self.exponential_backoff:
            return self.poke_interval
        share = max((now - self.first_poll_at) * SHARE_OF_WAIT, self.poke_interval)
        # Spreads waits that began together.
        spread = random.uniform(max(share * (1 - JITTER), self.poke_interval), share * (1 + JITTER))
        return min(spread, max(self.max_wait, self.poke_interval))

    def _recover(self) -> None:
        self.failing_since, self.away_until, self.credential_accepted = None, None, True

    def _not_found_yet(self, error: ImportNotFoundError, now: float) -> PollAgain | GaveUp:
        self._recover()
        if now - self.first_poll_at >= self.not_found_grace:
            return GaveUp(_with(error, f"not_found_grace ({self.not_found_grace:.0f} s) has expired."))
        return self.go_on(now)

    def _vanished(self, error: ImportNotFoundError, now: float) -> PollAgain | GaveUp:
        # An import that was found before is probably hidden by an outage.
        return self._endure(_with(error, "It was found earlier in this wait."), now)

    def _endure(self, error: ImportStatusError, now: float) -> PollAgain | GaveUp:
        since = self._failing_since(now, error.outage_since)
        if now - since >= self.outage_tolerance:
            lasted, tolerated = now - since, self.outage_tolerance
            return GaveUp(
                _with(error, f"Polls have failed for {lasted:.0f} s; outage_tolerance is {tolerated:.0f} s.")
            )
        away = _requested_pause(error)
        self.failing_since, self.away_until = since + away, now + away if away else None
        if error.postponed_for is not None:
            return self.go_on(now, at_most=error.postponed_for)
        return self.go_on(now, at_least=away)

    def _failing_since(self, now: float, shared: float | None) -> float:
        """Return when the outage began, shifted by the time that the vendor asked to wait.

        :param shared: when it began for other waits, which counts if it is earlier
        """
        since = now if self.failing_since is None else self.failing_since
        if self.away_until is not None:
            # This poll came early: the rest of the requested pause has not passed.
            since -= max(self.away_until - now, 0.0)
        if shared is not None:
            # An outage that began before this wait must not end it sooner.
            since = min(since, max(shared, self.first_poll_at))
        return min(since, now)


def timeout_error(
    last: ImportStatus | None, last_error: str | None = None, *, is_of_task: bool, is_seen: bool = False
) -> BaseException:
    """Return the error for a wait whose time is up, with what was last known of the import.

    :param last: the latest status, if any
    :param last_error: the error of the latest poll, if it failed
    :param is_of_task: whether the task's ``execution_timeout`` has expired; if not, the wait's ``timeout``
    :param is_seen: whether the import was found
    """
    known = describe(last) if last else _UNKNOWN[is_seen]
    latest = f" The latest poll failed: {last_error}" if last_error else ""
    rest = f"{known}{latest} {STILL_RUNNING}"
    if is_of_task:
        return AirflowTaskTimeout(f"The task's execution_timeout has expired. {rest}")
    return AirflowSensorTimeout(f"The wait's timeout has expired. {rest}")


def first_delay(wait: Wait, deferred_at: float | None, now: float) -> float:
    """Return the seconds until a trigger's first poll.

    :param deferred_at: when a worker polled and deferred the task; None where the trigger starts the wait
    """
    if deferred_at is None:
        # A later start means that another triggerer probably ran the wait before.
        if now - wait.first_poll_at < wait.next_interval(now):
            return 0.0
    else:
        # A time in the future comes from a worker whose clock is ahead.
        polled_at = min(deferred_at, now)
        due = polled_at + wait.next_interval(polled_at)
        if due > now:
            return _within(max(due - now, _remaining_pause(wait, now)), wait, now)
    # After a restart all waits are overdue: spread them.
    return _within(max(random.uniform(0.0, wait.next_interval(now)), _remaining_pause(wait, now)), wait, now)


def resume_delay(deferred_at: float | None, now: float) -> float:
    """Return the seconds until a trigger may fire its event.

    :param deferred_at: when a worker deferred the task, if one did
    """
    if deferred_at is None:
        return 0.0
    return max(min(deferred_at, now) + MIN_RESUME_DELAY - now, 0.0)


def on_this_clock(wait: Wait, deferred_at: float, ends: float) -> tuple[Wait, float]:
    """Return a wait and its time of deferral, shifted from the worker's clock to the database's.

    :param ends: end of the wait by the database's clock
    """
    skew = ends - wait.ends
    if abs(skew) <= MIN_RESUME_DELAY:
        return wait, deferred_at
    times = {name: getattr(wait, name) for name in _TIMES}
    shifted = {name: value + skew for name, value in times.items() if value is not None}
    return replace(wait, **shifted), deferred_at + skew


_FACTS = ("seen", "credential_accepted")
_OUTAGE = ("failing_since", "away_until")
_TIMES = ("first_poll_at", "deadline", "execution_deadline", *_OUTAGE)
_UNKNOWN = {
    False: "The vendor has not reported a state yet.",
    True: "The import was found earlier in this wait; see the log for its last state.",
}


def _within(delay: float, wait: Wait, now: float) -> float:
    return min(delay, max(wait.ends - now, 0.0))


def _remaining_pause(wait: Wait, now: float) -> float:
    return 0.0 if wait.away_until is None else min(max(wait.away_until - now, 0.0), MAX_RETRY_AFTER)


def _requested_pause(error: ImportStatusError) -> float:
    retry_after = getattr(error, "retry_after", None) or 0.0
    # False for NaN, too.
    return min(retry_after, MAX_RETRY_AFTER) if retry_after > 0 else 0.0


def _is_timestamp(value: Any) -> bool:
    # The bound excludes values that no calendar can represent.
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e11


def _with(error: ImportStatusError, detail: str) -> ImportStatusError:
    return type(error)(f"{error} {detail}").with_traceback(error.__traceback__)
