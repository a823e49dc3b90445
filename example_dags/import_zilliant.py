"""Import a file of entities into Zilliant, and wait until it has really ended."""

from __future__ import annotations

import pendulum
from airflow.providers.common.compat.sdk import DAG, Param, task

from airflow_provider_importstatus.sensors.import_status import ZilliantImportSensor

MAPPING = {
    "entitySystemName": "customer",
    "definition": {
        "importMode": "UPSERT",
        "locale": "en_US",
        "fieldDelimiter": ",",
        "fields": [{"name": "id", "type": "STRING"}],
    },
}

with DAG(
    dag_id="import_zilliant",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1),
    catchup=False,
    # Only the sandbox reads this: how the import goes.
    params={"course": Param("ends=succeeded; seconds=15", type="string")},
    tags=["example", "importstatus"],
) as dag:

    @task
    def submit(params: dict[str, str] | None = None) -> str:
        """Describe the file, upload it, start the import; return the import id to wait for."""
        from airflow_provider_importstatus.hooks.zilliant import ZilliantHook

        with ZilliantHook(conn_id="zilliant_default").get_conn() as session:
            mapping = session.post("/v1/EntityImport/", json=MAPPING)
            mapping.raise_for_status()
            upload = session.post(
                f"/v1/EntityImport/{mapping.json()['mappingId']}/upload",
                files={"file": ("customers.csv", b"id\nC1\nC2\n", "text/csv")},
            )
            upload.raise_for_status()
            started = session.post(
                f"/v1/EntityImport/{upload.json()['uploadId']}/import",
                headers={"X-Sandbox-Course": (params or {})["course"]},
            )
            started.raise_for_status()
        import_id: str = started.json()["importId"]
        return import_id

    # Always set it: an import may never end, and Airflow's default is seven days.
    wait = ZilliantImportSensor(task_id="wait", import_id=submit(), deferrable=True, timeout=6 * 3600)
