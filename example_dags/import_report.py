"""Run after each successful import of the DAG `import_zilliant`, and read its counts (Airflow 3)."""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import DAG, Asset, task

CUSTOMERS = Asset("customers_in_zilliant")

with DAG(
    dag_id="import_report",
    schedule=[CUSTOMERS],
    start_date=pendulum.datetime(2026, 1, 1),
    catchup=False,
    tags=["example", "importstatus"],
) as dag:

    @task
    def report(*, triggering_asset_events: Any = None) -> list[dict[str, Any]]:
        """Return vendor, id, state, rows and end of each import since the last run."""
        return [event.extra["import_status"] for event in triggering_asset_events[CUSTOMERS]]

    report()
