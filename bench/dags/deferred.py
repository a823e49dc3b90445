"""Tasks that only wait: for our vendor, with other providers' triggers, and one that does nothing."""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG, BaseOperator
from airflow.triggers.base import StartTriggerArgs

from airflow_provider_importstatus.sensors.import_status import ImportStatusSensor

#: Tasks of a run; they wait for the imports from the number `first` in its conf on.
TASKS = 50
INTERVAL = 30
LATER = pendulum.datetime(2100, 1, 1)


class Deferred(BaseOperator):
    """A task that the scheduler starts in a triggerer, as it does ours."""

    start_from_trigger = True

    def __init__(self, *, trigger, kwargs, **more):
        super().__init__(**more)
        self.start_trigger_args = StartTriggerArgs(trigger, "resume", kwargs)

    def execute(self, context):
        raise AssertionError(f"{context['task'].task_id} was started on a worker")

    def resume(self, context, event):
        raise AssertionError(f"{context['task'].task_id} does not wait any more: {event}")


def ours(number):
    ImportStatusSensor(
        task_id=f"wait_{number}",
        conn_id="ours",
        import_id=f"{{{{ dag_run.conf['first'] + {number} }}}}",
        poke_interval=INTERVAL,
        exponential_backoff=False,
        start_from_trigger=True,
        end_from_trigger=True,
    )


def theirs(number, name, kwargs):
    Deferred(task_id=f"wait_{number}", trigger=f"airflow.providers.{name}", kwargs=kwargs)


KINDS = {
    "ours": ours,
    "nothing": lambda number: theirs(number, "standard.triggers.temporal.DateTimeTrigger", {"moment": LATER}),
    "http": lambda number: theirs(
        number,
        "http.triggers.http.HttpSensorTrigger",
        {"endpoint": str(number), "http_conn_id": "http", "poke_interval": INTERVAL},
    ),
    "databricks": lambda number: theirs(
        number,
        "databricks.triggers.databricks.DatabricksExecutionTrigger",
        {"run_id": number, "databricks_conn_id": "databricks", "polling_period_seconds": INTERVAL},
    ),
}

for kind, wait in KINDS.items():
    with DAG(
        f"deferred_{kind}",
        schedule=None,
        start_date=pendulum.datetime(2026, 1, 1),
        max_active_runs=100,
        max_active_tasks=10_000,
    ):
        for number in range(TASKS):
            wait(number)
