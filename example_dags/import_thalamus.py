"""Import partner sales into Thalamus, and wait until it has really ended."""

from __future__ import annotations

import pendulum
from airflow.providers.common.compat.sdk import DAG, Param, task

from airflow_provider_importstatus.sensors.import_status import ThalamusImportSensor

PARTNER_SALES = 25011

with DAG(
    dag_id="import_thalamus",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1),
    catchup=False,
    # Only the sandbox reads this: how the import goes.
    params={"course": Param("ends=succeeded; seconds=15", type="string")},
    tags=["example", "importstatus"],
) as dag:

    @task
    def submit(params: dict[str, str] | None = None) -> int:
        """Upload the file; return the id to wait for."""
        from airflow_provider_importstatus.hooks.thalamus import ThalamusHook

        with ThalamusHook(conn_id="thalamus_default").get_conn() as session:
            answer = session.post(
                "/api/v4/import/file",
                params={"name": "sales", "type": PARTNER_SALES},
                files={"file": ("sales.csv", b"partner,amount\nP1,10.00\n", "text/csv")},
                headers={"X-Sandbox-Course": (params or {})["course"]},
            )
            answer.raise_for_status()
        import_id: int = answer.json()["id"]
        return import_id

    # Always set it: an import may never end, and Airflow's default is seven days.
    wait = ThalamusImportSensor(task_id="wait", import_id=submit(), deferrable=True, timeout=6 * 3600)
