"""What waits report to Airflow's metrics (StatsD, Datadog, OpenTelemetry)."""

from __future__ import annotations

import time
from datetime import timedelta

from airflow.providers.common.compat.sdk import Stats

from airflow_provider_importstatus.exceptions import ImportStatusError
from airflow_provider_importstatus.status import ImportStatus

__all__ = ["PollTimer", "count_refresh", "gauge_waits", "time_wait"]


class PollTimer:
    """Counts one look by what comes of it (a state, or an error's class), and times it."""

    def __init__(self, vendor: str) -> None:
        self.vendor = vendor
        self.result = "crashed"

    def __enter__(self) -> PollTimer:
        self.began = time.perf_counter()
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        took = timedelta(seconds=time.perf_counter() - self.began)
        if isinstance(error, ImportStatusError):
            self.result = type(error).__name__
        Stats.incr("importstatus.polls", tags={"vendor": self.vendor, "result": self.result})
        Stats.timing("importstatus.poll_duration", took, tags={"vendor": self.vendor})

    def answered(self, status: ImportStatus) -> ImportStatus:
        """Take note of the answer, and give it back."""
        self.result = status.state.value
        return status


def count_refresh(vendor: str) -> None:
    """Count one credential that was got in place of another, or of none."""
    Stats.incr("importstatus.refreshes", tags={"vendor": vendor})


def gauge_waits(conn_id: str, count: int) -> None:
    """Tell how many waits on a connection are in flight in this process."""
    Stats.gauge("importstatus.waits", count, tags={"conn_id": conn_id})


def time_wait(conn_id: str, result: str, seconds: float) -> None:
    """Time one wait, from its first look to its end (a state, or an error's class)."""
    tags = {"conn_id": conn_id, "result": result}
    Stats.timing("importstatus.wait_duration", timedelta(seconds=seconds), tags=tags)
