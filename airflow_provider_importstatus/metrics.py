"""What waits report to Airflow's metrics (StatsD, Datadog, OpenTelemetry)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from airflow.providers.common.compat.sdk import Stats

from airflow_provider_importstatus.exceptions import ImportStatusError
from airflow_provider_importstatus.status import ImportStatus

__all__ = ["polling", "refreshed", "waited", "waiting"]


class Poll:
    """One look that is under way."""

    result = "crashed"

    def answered(self, status: ImportStatus) -> ImportStatus:
        """Take note of the answer, and give it back."""
        self.result = status.state.value
        return status


@contextmanager
def polling(vendor: str) -> Iterator[Poll]:
    """Count one look by what comes of it (a state, or an error's class), and time it."""
    poll, began = Poll(), time.perf_counter()
    try:
        yield poll
    except ImportStatusError as error:
        poll.result = type(error).__name__
        raise
    finally:
        took = timedelta(seconds=time.perf_counter() - began)
        Stats.incr("importstatus.polls", tags={"vendor": vendor, "result": poll.result})
        Stats.timing("importstatus.poll_duration", took, tags={"vendor": vendor})


def refreshed(vendor: str) -> None:
    """Count one credential that was got in place of another, or of none."""
    Stats.incr("importstatus.refreshes", tags={"vendor": vendor})


def waiting(conn_id: str, count: int) -> None:
    """Tell how many waits on a connection are in flight in this process."""
    Stats.gauge("importstatus.waits", count, tags={"conn_id": conn_id})


def waited(conn_id: str, result: str, seconds: float) -> None:
    """Time one wait, from its first look to its end (a state, or an error's class)."""
    tags = {"conn_id": conn_id, "result": result}
    Stats.timing("importstatus.wait_duration", timedelta(seconds=seconds), tags=tags)
