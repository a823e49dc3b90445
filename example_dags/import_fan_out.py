"""Submit all CSV files of a folder to TAO Advance, each in a mapped task that waits for its import."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import DAG, Param, task

from airflow_provider_importstatus.operators.import_file import TaoAdvanceImportOperator

with DAG(
    dag_id="import_fan_out",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1),
    catchup=False,
    params={"folder": Param("/data/groups", type="string")},
    tags=["example", "importstatus"],
) as dag:

    @task
    def list_files(params: dict[str, str] | None = None) -> list[str]:
        """Return the paths of the files, one for each mapped task."""
        return sorted(str(path) for path in Path((params or {})["folder"]).glob("*.csv"))

    imports = TaoAdvanceImportOperator.partial(
        task_id="import_file", deferrable=True, timeout=6 * 3600
    ).expand(file=list_files())

    # Runs also if some imports failed, with the results of the others.
    @task(trigger_rule="all_done")
    def count_rows(results: Any) -> dict[str, int]:
        """Count rows by the state of their import."""
        rows: dict[str, int] = {}
        for result in results:
            rows[result["state"]] = rows.get(result["state"], 0) + (result["rows"]["total"] or 0)
        return rows

    count_rows(imports.output)
