"""Fifty waits in each of four modes, as separate tasks, since a mapped sensor would need workers."""

from __future__ import annotations

from functools import partial

import pendulum
from airflow.providers.http.sensors.http import HttpSensor
from airflow.sdk import DAG

from airflow_provider_importstatus.sensors.import_status import ImportStatusSensor

EVERY = {"poke_interval": 10, "timeout": 600}
OURS = {"conn_id": "ours", "exponential_backoff": False, "deferrable": True, **EVERY}
THEIRS = {"http_conn_id": "http", **EVERY}
#: A task that is rescheduled and resumes before the scheduler noticed counts as lost and fails.
TRIED_AGAIN = {"retries": 2, "retry_delay": pendulum.duration(seconds=1)}

WAYS = {
    "zero_worker": partial(ImportStatusSensor, start_from_trigger=True, end_from_trigger=True, **OURS),
    "deferred": partial(ImportStatusSensor, **OURS),
    "http_poke": partial(HttpSensor, mode="poke", **THEIRS),
    "http_reschedule": partial(HttpSensor, mode="reschedule", **THEIRS, **TRIED_AGAIN),
}
#: Concurrent workers. A poking wait occupies one; more than these would only compete for CPU cores.
AT_ONCE = {"http_poke": 50}
FEW = 8


def wait(way, number):
    sensor = WAYS[way]
    named = {"import_id": str(number)} if sensor.func is ImportStatusSensor else {"endpoint": str(number)}
    return sensor(task_id=f"{way}_{number}", **named)


with DAG("warm_up", schedule=None, start_date=pendulum.datetime(2026, 1, 1)):
    for way in WAYS:
        wait(way, 0)

for way in WAYS:
    with DAG(
        way, schedule=None, start_date=pendulum.datetime(2026, 1, 1), max_active_tasks=AT_ONCE.get(way, FEW)
    ):
        for number in range(50):
            wait(way, number)
