"""Upload many files, and wait for each import in a mapped task of its own."""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import DAG, Param, task

from airflow_provider_importstatus.sensors.import_status import TaoAdvanceImportSensor

with DAG(
    dag_id="import_fan_out",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1),
    catchup=False,
    # Only the sandbox reads these: how the imports go.
    params={"courses": Param(["ends=succeeded; seconds=15", "ends=succeeded; seconds=25"], type="array")},
    tags=["example", "importstatus"],
) as dag:

    @task
    def submit(params: dict[str, list[str]] | None = None) -> list[str]:
        """Upload the files; return one reference id for each mapped task."""
        from airflow_provider_importstatus.hooks.tao import TaoAdvanceHook

        reference_ids = []
        with TaoAdvanceHook(conn_id="tao_advance_default").get_conn() as session:
            for number, course in enumerate((params or {})["courses"]):
                answer = session.post(
                    "/api/v1/upload/api/v1/upload",
                    files={"file": (f"groups-{number}.csv", b"code,name\ng1,Red\n", "text/csv")},
                    headers={"X-Sandbox-Course": course},
                )
                answer.raise_for_status()
                reference_ids.append(answer.json()["result"]["referenceId"])
        return reference_ids

    wait = TaoAdvanceImportSensor.partial(task_id="wait", deferrable=True, timeout=6 * 3600).expand(
        import_id=submit()
    )

    # Runs also if some imports failed, with the results of the others.
    @task(trigger_rule="all_done")
    def report(results: Any) -> dict[str, int]:
        """Count rows by the state of their import."""
        rows: dict[str, int] = {}
        for result in results:
            rows[result["state"]] = rows.get(result["state"], 0) + (result["rows"]["total"] or 0)
        return rows

    report(wait.output)
