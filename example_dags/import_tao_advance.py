"""Upload a rostering file to TAO Advance, and wait until it is really imported."""

from __future__ import annotations

import pendulum
from airflow.providers.common.compat.sdk import DAG, Param, task

from airflow_provider_importstatus.sensors.import_status import TaoAdvanceImportSensor

with DAG(
    dag_id="import_tao_advance",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1),
    catchup=False,
    # Only the sandbox reads this: how the import goes.
    params={"course": Param("ends=succeeded; seconds=15", type="string")},
    tags=["example", "importstatus"],
) as dag:

    @task
    def submit(params: dict[str, str] | None = None) -> str:
        """Upload the file; return the reference id to wait for."""
        from airflow_provider_importstatus.hooks.tao import TaoAdvanceHook

        with TaoAdvanceHook(conn_id="tao_advance_default").get_conn() as session:
            answer = session.post(
                "/api/v1/upload/api/v1/upload",
                files={"file": ("users.csv", b"code,name\nu1,Ada\nu2,Grace\n", "text/csv")},
                headers={"X-Sandbox-Course": (params or {})["course"]},
            )
            answer.raise_for_status()
        reference_id: str = answer.json()["result"]["referenceId"]
        return reference_id

    wait = TaoAdvanceImportSensor(
        task_id="wait",
        import_id=submit(),
        # A successful wait starts no worker (before Airflow 3.3: an ordinary deferred wait).
        start_from_trigger=True,
        end_from_trigger=True,
        # Always set it: an import may never end, and Airflow's default is seven days.
        timeout=6 * 3600,
    )
