"""Submit a file to Clear One Integration, wait until its workflow has ended, and keep the error reports."""

from __future__ import annotations

import pendulum
from airflow.providers.common.compat.sdk import DAG, Param

from airflow_provider_importstatus.operators.import_file import ClearImportOperator

with DAG(
    dag_id="import_clear",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1),
    catchup=False,
    params={
        "file": Param("/data/purchases.csv", type="string"),
        "reports": Param("/data/error-reports", type="string"),
    },
    tags=["example", "importstatus"],
) as dag:
    ClearImportOperator(
        task_id="import_file",
        file="{{ params.file }}",
        template_type="PURCHASE",
        error_report_path="{{ params.reports }}",
        deferrable=True,
        # Always set it: an import may never end, and the default is seven days.
        timeout=6 * 3600,
    )
