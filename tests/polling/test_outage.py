"""Outages shared by many waits on one connection."""

from __future__ import annotations

import heapq
from collections import Counter
from typing import Any

from airflow_provider_importstatus.exceptions import (
    ImportProtocolError,
    ImportStatusError,
    ImportUnavailableError,
)
from airflow_provider_importstatus.polling.outage import MAX_PROBE_INTERVAL, SharedOutage
from airflow_provider_importstatus.polling.schedule import PollAgain, Wait

NOW = 1_800_000_000.0
MANY = 1000


def down() -> ImportUnavailableError:
    return ImportUnavailableError("HTTP 503")


def rate_limit(retry_after: float | None) -> ImportUnavailableError:
    error = ImportUnavailableError("HTTP 429", retry_after)
    error.is_rate_limit = True
    return error


def outage_of(*import_ids: str, waits: int = MANY, error: ImportStatusError | None = None) -> SharedOutage:
    """Return the shared outage after polls of these imports failed now."""
    outage = SharedOutage()
    for import_id in import_ids:
        outage.failed(import_id, error or down(), NOW, waits)
    return outage


def test_three_different_imports_make_an_outage() -> None:
    assert outage_of("a", "b").postpone("d", NOW, MANY) is None
    assert outage_of("a", "b", "c").postpone("d", NOW, MANY) is not None


def test_one_import_that_always_fails_does_not_delay_other_waits() -> None:
    assert outage_of("a", "a", "a", "a").postpone("d", NOW, MANY) is None


def test_a_success_between_failures_prevents_an_outage() -> None:
    outage = outage_of("a", "b")
    outage.answered()
    outage.failed("c", down(), NOW, MANY)
    assert outage.postpone("d", NOW, MANY) is None


def test_failures_of_all_waits_are_an_outage_even_with_fewer_than_three() -> None:
    assert outage_of("a", "b", waits=2).postpone("a", NOW, 2) is not None


def test_a_single_wait_is_never_postponed() -> None:
    assert outage_of("a", waits=1).postpone("a", NOW, 1) is None


def test_a_postponed_wait_learns_when_the_outage_began_and_why() -> None:
    postponed = outage_of("a", "b", "c").postpone("d", NOW + 1, MANY)
    assert postponed is not None
    assert (postponed.outage_since, "HTTP 503" in str(postponed)) == (NOW, True)


def test_a_postponed_poll_fails_with_the_error_class_of_the_outage() -> None:
    broken = ImportProtocolError("HTTP 200 without a JSON object")
    postponed = outage_of("a", "b", "c", error=broken).postpone("d", NOW + 1, MANY)
    assert (type(postponed), postponed and postponed.retryable) == (ImportProtocolError, True)


def test_a_wait_is_postponed_for_at_most_30_seconds() -> None:
    outage = outage_of("a", "b", "c")
    postponed: list[Any] = [outage.postpone("d", NOW + 1, MANY) for _ in range(100)]
    delays = [error.postponed_for for error in postponed]
    assert (min(delays) > 0, max(delays) <= 30) == (True, True)


def test_a_success_ends_the_outage_for_all_waits() -> None:
    outage = outage_of("a", "b", "c")
    outage.answered()
    assert outage.postpone("d", NOW + 1, MANY) is None


def test_a_failed_probe_learns_when_the_outage_began() -> None:
    outage, error = outage_of("a", "b", "c"), down()
    outage.failed("d", error, NOW + 100, MANY)
    assert error.outage_since == NOW


def test_a_thousand_waits_on_a_dead_vendor_cost_two_requests_a_minute() -> None:
    outage = outage_of("a", "b", "c")
    due = [(NOW + number / MANY * 30, str(number)) for number in range(MANY)]
    probes: Counter[int] = Counter()
    probers = []
    while due[0][0] < NOW + 600:
        now, import_id = heapq.heappop(due)
        postponed = outage.postpone(import_id, now, MANY)
        if postponed is None:
            probes[int(now - NOW) // 60] += 1
            probers.append(import_id)
            outage.failed(import_id, down(), now, MANY)
        delay = 30.0 if postponed is None else postponed.postponed_for or 0.0
        heapq.heappush(due, (now + delay, import_id))
    # More in the first minute, since most outages are short.
    assert probes[0] <= 6
    assert all(1 <= probes[minute] <= 2 for minute in range(1, 10))
    assert len(set(probers)) > len(probers) / 2


def test_the_next_probe_is_made_by_another_wait() -> None:
    outage = outage_of("a", "b", "c")
    assert outage.postpone("d", NOW + MAX_PROBE_INTERVAL, MANY) is None
    assert outage.postpone("d", NOW + 3 * MAX_PROBE_INTERVAL, MANY) is not None
    assert outage.postpone("e", NOW + 3 * MAX_PROBE_INTERVAL, MANY) is None


def test_a_rate_limit_delays_all_waits_for_the_time_in_retry_after() -> None:
    outage = outage_of("a", error=rate_limit(120.0))
    postponed: Any = outage.postpone("d", NOW + 20, MANY)
    assert postponed is not None
    assert postponed.retry_after == 100
    assert outage.postpone("d", NOW + 120, MANY) is None


def test_a_rate_limit_is_not_an_outage() -> None:
    outage = outage_of("a", "b", "c", error=rate_limit(None))
    assert outage.postpone("d", NOW, MANY) is None


def test_announced_pauses_do_not_count_as_outage_however_many_waits_hear_of_them() -> None:
    error = ImportUnavailableError("HTTP 503", 600.0)
    outage = outage_of("a", "b", "c", error=error)
    again = ImportUnavailableError("HTTP 503", 600.0)
    outage.failed("a", again, NOW + 605, MANY)
    assert again.outage_since == NOW + 600 + 600


def test_a_single_wait_endures_an_announced_pause_that_is_longer_than_its_tolerance() -> None:
    outage, wait = SharedOutage(), Wait(first_poll_at=NOW, deadline=NOW + 86400, outage_tolerance=900)
    for now in (NOW, NOW + 1800, NOW + 3600):
        error = ImportUnavailableError("HTTP 503", 1800.0)
        outage.failed("a", error, now, waits=1)
        assert wait.on_error(error, now) == PollAgain(1800.0)
