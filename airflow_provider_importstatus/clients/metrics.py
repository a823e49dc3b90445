"""Metrics of waits, reported by Airflow (StatsD, Datadog, OpenTelemetry)."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

from airflow.providers.common.compat.sdk import Stats

from airflow_provider_importstatus.status import ImportStatus

__all__ = [
    "PollTimer",
    "count_refresh",
    "gauge_status_backlog",
    "gauge_waits",
    "slot_timer",
    "time_wait",
]


class PollTimer:
    """Counts a poll by its result (a state, or an error's class), and times it."""

    def __init__(self, vendor: str, conn_id: str) -> None:
        self.tags = {"vendor": vendor, "conn_id": conn_id}
        self.result = ""

    def __enter__(self) -> PollTimer:
        self.began = time.perf_counter()
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        took = timedelta(seconds=time.perf_counter() - self.began)
        if error is not None:
            self.result = type(error).__name__
        Stats.incr("importstatus.polls", tags={**self.tags, "result": self.result})
        Stats.timing("importstatus.poll_duration", took, tags=self.tags)

    def record(self, status: ImportStatus) -> ImportStatus:
        """Record the status as the result, and return it."""
        self.result = status.state.value
        return status


def count_refresh(vendor: str) -> None:
    """Count one credential refresh."""
    Stats.incr("importstatus.refreshes", tags={"vendor": vendor})


def slot_timer(conn_id: str) -> AbstractContextManager[Any]:
    """Report how long a poll waits for one of the connection's request slots."""
    timer: AbstractContextManager[Any] = Stats.timer("importstatus.slot_wait", tags={"conn_id": conn_id})
    return timer


def gauge_waits(conn_id: str, count: int) -> None:
    """Report the number of waits on a connection in this process."""
    Stats.gauge("importstatus.waits", count, tags={"conn_id": conn_id})


def gauge_status_backlog(count: int) -> None:
    """Report the number of statuses that this process has yet to write."""
    Stats.gauge("importstatus.status_backlog", count)


def time_wait(conn_id: str, result: str, seconds: float) -> None:
    """Report the duration of a wait from its first poll, and its result (a state, or an error's class)."""
    tags = {"conn_id": conn_id, "result": result}
    Stats.timing("importstatus.wait_duration", timedelta(seconds=seconds), tags=tags)
