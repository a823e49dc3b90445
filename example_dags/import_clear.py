"""Hand a file to Clear One Integration, and wait until the ingestion workflow has really ended."""

from __future__ import annotations

import pendulum
import requests
from airflow.providers.common.compat.sdk import DAG, Param, task

from airflow_provider_importstatus.sensors.import_status import ClearImportSensor

with DAG(
    dag_id="import_clear",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1),
    catchup=False,
    # Only the sandbox reads this: how the import goes.
    params={"course": Param("ends=succeeded; seconds=15", type="string")},
    tags=["example", "importstatus"],
) as dag:

    @task
    def submit(params: dict[str, str] | None = None) -> str:
        """Get a signed URL, upload the file to it, start the ingestion; return the task id to wait for."""
        from airflow_provider_importstatus.hooks.clear import ClearHook

        with ClearHook(conn_id="clear_default").get_conn() as session:
            signed = session.get("/one-integration/action/pre-sign", params={"filename": "purchases.csv"})
            signed.raise_for_status()
            upload_url = signed.json()["result"]["preSignedUrl"]
            # Another host's storage: it needs no credential of Clear's, so a plain request will do.
            stored = requests.put(
                upload_url,
                data=b"invoice,amount\nA-1,10.00\n",
                headers={"Content-Type": "text/csv"},
                timeout=60,
            )
            stored.raise_for_status()
            answer = session.post(
                "/one-integration/api/v1/ingest",
                json={
                    "fileInfo": [{"uploadUrl": upload_url, "fileType": "CSV"}],
                    "templateType": "PURCHASE",
                },
                headers={"X-Sandbox-Course": (params or {})["course"]},
            )
            answer.raise_for_status()
        task_id: str = answer.json()["result"]["taskId"]
        return task_id

    # Always set it: an import may never end, and Airflow's default is seven days.
    wait = ClearImportSensor(task_id="wait", import_id=submit(), deferrable=True, timeout=6 * 3600)
