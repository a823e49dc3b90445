"""The same waits in each mode, which must have the same outcomes."""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_importstatus.sensors.import_status import ImportStatusSensor
from airflow_provider_importstatus.version_compat import is_airflow

MODES: dict[str, dict[str, Any]] = {
    "deferred": {"deferrable": True},
    "poke": {"deferrable": False, "mode": "poke"},
    "reschedule": {"deferrable": False, "mode": "reschedule"},
    "zero_worker": {"start_from_trigger": True, "end_from_trigger": True},
}
#: By scenario, the arguments of its sensor besides the connection and the import.
SCENARIOS: dict[str, dict[str, Any]] = {
    "succeeded": {"retries": 2},
    "partial": {"retries": 2},
    "partial_accepted": {"on_partial": "succeed"},
    "partial_skipped": {"on_partial": "skip"},
    "failed": {"retries": 2},
    "cancelled": {"retries": 2},
    "not_found": {"retries": 2, "not_found_grace": 0},
    "refused": {},
    # Long enough for a first poll on a slow machine: Airflow 3.4's triggerer computes for seconds first.
    "timeout": {"retries": 2, "timeout": 40},
    "outage": {"outage_tolerance": 2},
    "failed_softly": {"soft_fail": True},
    "outage_softly": {"soft_fail": True, "outage_tolerance": 2},
    "outage_never": {"never_fail": True, "outage_tolerance": 2},
}

for mode, how in MODES.items():
    with DAG(
        dag_id=f"waits_{mode}",
        schedule=None,
        start_date=pendulum.datetime(2026, 1, 1),
        catchup=False,
        default_args={"retry_delay": pendulum.duration(seconds=1), "poke_interval": 1},
    ) as dag:
        for scenario, arguments in SCENARIOS.items():
            # Before Airflow 3.3, only the sensor's timeout limits an outage in reschedule mode.
            if mode == "reschedule" and scenario.startswith("outage") and not is_airflow(3, 3):
                continue
            ImportStatusSensor(
                task_id=scenario,
                conn_id=f"{{{{ dag_run.conf['{scenario}'][0] }}}}",
                import_id=f"{{{{ dag_run.conf['{scenario}'][1] }}}}",
                **how,
                **arguments,
            )
    globals()[dag.dag_id] = dag

with DAG(
    dag_id="unwritable", schedule=None, start_date=pendulum.datetime(2026, 1, 1), catchup=False
) as unwritable:
    for mode, how in MODES.items():
        ImportStatusSensor(
            task_id=mode,
            conn_id="thalamus_default",
            import_id="{{ dag_run.conf['import_id'] }}",
            poke_interval=1,
            **how,
        )

with DAG(
    dag_id="fifth_vendor", schedule=None, start_date=pendulum.datetime(2026, 1, 1), catchup=False
) as fifth_vendor:
    ImportStatusSensor(
        task_id="wait",
        conn_id="acme_default",
        import_id="{{ dag_run.conf['import_id'] }}",
        hook_params={"oven": "2"},
        deferrable=True,
        poke_interval=1,
    )
