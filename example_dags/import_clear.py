"""Hand a file to Clear One Integration, and wait until the ingestion workflow is really over."""

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
    # Only the sandbox reads it: how this import shall go.
    params={"course": Param("ends=succeeded; seconds=15", type="string")},
    tags=["example", "importstatus"],
) as dag:

    @task
    def submit(params: dict[str, str] | None = None) -> str:
        """Get a signed address, put the file there, start the ingestion; its task id is what we wait for."""
        from airflow_provider_importstatus.hooks.clear import ClearHook

        with ClearHook(conn_id="clear_default").get_conn() as session:
            signed = session.get("/one-integration/action/pre-sign", params={"filename": "purchases.csv"})
            signed.raise_for_status()
            upload_url = signed.json()["result"]["preSignedUrl"]
            # Somebody else's storage: the session would not sign this, and a plain request cannot.
            stored = requests.put(
                upload_url,
                data=b"invoice,amount\nA-1,10.00\n",
                headers={"Content-Type": "text/csv"},
                timeout=60,
            )
            stored.raise_for_status()
            answer = session.post(
                "/one-integration/api/v1/ingest",
                json={"fileInfo": [{"uploadUrl": upload_url}], "templateType": "PURCHASE"},
                headers={"X-Sandbox-Course": (params or {})["course"]},
            )
            answer.raise_for_status()
        task_id: str = answer.json()["result"]["taskId"]
        return task_id

    # A vendor may never end an import, and Airflow would wait for seven days.
    wait = ClearImportSensor(task_id="wait", import_id=submit(), deferrable=True, timeout=6 * 3600)
