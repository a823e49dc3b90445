"""When a wait in reschedule mode began, on Airflow 2: its database knows, the task instance does not."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_importstatus.exceptions import AirflowRescheduleException, AirflowSensorTimeout
from airflow_provider_importstatus.sandbox import Sandbox
from airflow_provider_importstatus.version_compat import is_airflow

from .tasks import ENDLESS, sensor

pytestmark = [
    pytest.mark.usefixtures("connections"),
    pytest.mark.skipif(is_airflow(3, 0), reason="Airflow 3 tells tasks when they were first rescheduled"),
]

#: Record a poll of a try so many seconds ago, as Airflow does when it reschedules the task.
Polled = Callable[[int, float], None]
IDS: dict[str, Any] = {"dag_id": "a_dag", "task_id": "wait", "run_id": "a_run", "map_index": -1}
DATES = ("start_date", "end_date", "reschedule_date")


@pytest.fixture
def polled() -> Iterator[Polled]:
    """Record polls in the only table of Airflow's database."""
    from airflow import settings
    from airflow.models.taskreschedule import TaskReschedule

    table = TaskReschedule.metadata.tables["task_reschedule"]
    engine: Any = settings.engine
    table.create(engine)

    def polled(try_number: int, seconds_ago: float) -> None:
        at = datetime.now(UTC).replace(tzinfo=None) - timedelta(seconds=seconds_ago)
        row = IDS | dict.fromkeys(DATES, str(at)) | {"try_number": try_number, "duration": 0}
        insert = f"INSERT INTO {table.name} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})"
        # Airflow's own connections insist on the rows of run and task.
        with closing(sqlite3.connect(engine.url.database)) as connection, connection:
            connection.execute(insert, tuple(row.values()))

    yield polled
    table.drop(engine)


def poll(sandbox: Sandbox, try_number: int) -> None:
    """Poll an endless import once, with a timeout of 100 seconds."""
    task = sensor(import_id=sandbox.submit("thalamus", **ENDLESS), mode="reschedule", timeout=100)
    # As the task runner of Airflow 2 sets it: anew for each poll.
    now = datetime.now(UTC)
    ti = SimpleNamespace(**IDS, try_number=try_number, start_date=now, xcom_push=lambda **_: None)
    context: Any = {"ti": ti}
    task.execute(context)


def test_the_timeout_starts_with_the_first_poll(sandbox: Sandbox, polled: Polled) -> None:
    polled(1, 101)
    polled(1, 50)
    with pytest.raises(AirflowSensorTimeout, match="is running"):
        poll(sandbox, try_number=1)


def test_the_timeout_starts_anew_with_a_retry(sandbox: Sandbox, polled: Polled) -> None:
    polled(1, 101)
    polled(2, 50)
    with pytest.raises(AirflowRescheduleException):
        poll(sandbox, try_number=2)


@pytest.mark.usefixtures("polled")
def test_a_first_poll_is_rescheduled(sandbox: Sandbox) -> None:
    with pytest.raises(AirflowRescheduleException):
        poll(sandbox, try_number=1)
