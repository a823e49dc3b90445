"""Submit a file of entities to Zilliant, wait until its import has ended, and update an asset.

The DAG `import_report` runs after each update.
"""

from __future__ import annotations

import pendulum
from airflow.providers.common.compat.sdk import DAG, Asset, Param

from airflow_provider_importstatus.operators.import_file import ZilliantImportOperator

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
    params={"file": Param("/data/customers.csv", type="string")},
    tags=["example", "importstatus"],
) as dag:
    ZilliantImportOperator(
        task_id="import_file",
        file="{{ params.file }}",
        mapping=MAPPING,
        outlets=[Asset("customers_in_zilliant")],
        deferrable=True,
        # Always set it: an import may never end, and the default is seven days.
        timeout=6 * 3600,
    )
