"""Submit partner sales to Thalamus, and wait until the import has ended."""

from __future__ import annotations

import pendulum
from airflow.providers.common.compat.sdk import DAG, Param

from airflow_provider_importstatus.operators.import_file import ThalamusImportOperator

PARTNER_SALES = 25011

with DAG(
    dag_id="import_thalamus",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1),
    catchup=False,
    params={"file": Param("/data/sales.csv", type="string")},
    tags=["example", "importstatus"],
) as dag:
    ThalamusImportOperator(
        task_id="import_file",
        file="{{ params.file }}",
        type=PARTNER_SALES,
        deferrable=True,
        # Cancel the import at Thalamus if somebody marks the waiting task failed or successful.
        cancel_on_kill=True,
        # Always set it: an import may never end, and the default is seven days.
        timeout=6 * 3600,
    )
