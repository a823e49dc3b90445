"""One DAG for each kind of job. The run's configuration names the file to submit."""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import DAG, Asset, task

from airflow_provider_importstatus.operators.import_file import (
    ClearImportOperator,
    TaoAdvanceImportOperator,
    ThalamusImportOperator,
    ZilliantImportOperator,
)
from airflow_provider_importstatus.sensors.import_status import ThalamusImportSensor

FILE = "{{ dag_run.conf['file'] }}"
COMMON: dict[str, Any] = {
    "task_id": "load",
    "file": FILE,
    "poll_interval": 2,
    "exponential_backoff": False,
    "not_found_grace": 4,
    "timeout": 600,
    "retries": 1,
    "retry_delay": pendulum.duration(seconds=1),
}
PARTNERS = Asset("partners")
#: The sandbox has it from the start.
MAPPING = "00000000-2111-4000-8000-000000000001"


def dag(dag_id: str, **more: Any) -> DAG:
    return DAG(dag_id, **{"schedule": None, "start_date": pendulum.datetime(2026, 1, 1), **more})


with dag("polling"):
    TaoAdvanceImportOperator(**COMMON)

with dag("deferred"):
    TaoAdvanceImportOperator(**COMMON, deferrable=True)

with dag("interrupted"):
    ZilliantImportOperator(**COMMON, mapping_id=MAPPING, deferrable=True)

with dag("unstorable"):
    TaoAdvanceImportOperator(**COMMON)

with dag("cancelled_in_triggerer"):
    ThalamusImportOperator(**COMMON, type=25011, deferrable=True, cancel_on_kill=True)

with dag("cancelled_on_worker"):
    ThalamusImportOperator(**{**COMMON, "retries": 0}, type=25011, cancel_on_kill=True)

for mode in ("polling", "deferred"):
    with dag(f"reports_{mode}"):
        ClearImportOperator(
            **{**COMMON, "retries": 0},
            deferrable=mode == "deferred",
            template_type="SALES",
            on_partial="succeed",
            error_report_path="{{ dag_run.conf['reports'] }}",
        )

with dag("ends_in_triggerer"):
    ClearImportOperator(
        **COMMON,
        template_type="SALES",
        on_partial="succeed",
        end_from_trigger=True,
        error_report_path="{{ dag_run.conf['reports'] }}",
    )

with dag("two_tasks"):
    submit = ThalamusImportOperator(**{**COMMON, "task_id": "submit"}, type=25012, wait_for_completion=False)
    ThalamusImportSensor(
        task_id="load",
        import_id=submit.output,
        poke_interval=2,
        start_from_trigger=True,
        end_from_trigger=True,
        timeout=600,
    )

with dag("producer"):
    ThalamusImportOperator(**COMMON, type=25004, on_partial="succeed", outlets=[PARTNERS])

with dag("consumer", schedule=[PARTNERS]):

    @task(inlets=[PARTNERS])
    def read(*, triggering_asset_events: Any = None) -> Any:
        """Return what the event says about the import."""
        return triggering_asset_events[PARTNERS][-1].extra["import_status"]

    read()
