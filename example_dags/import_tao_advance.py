"""Submit a roster to TAO Advance, and wait for it in another task, which uses no worker.

One task that does both is shorter: see `import_clear`.
"""

from __future__ import annotations

import pendulum
from airflow.providers.common.compat.sdk import DAG, Param

from airflow_provider_importstatus.operators.import_file import TaoAdvanceImportOperator
from airflow_provider_importstatus.sensors.import_status import TaoAdvanceImportSensor

with DAG(
    dag_id="import_tao_advance",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1),
    catchup=False,
    params={"file": Param("/data/users.csv", type="string")},
    tags=["example", "importstatus"],
) as dag:
    submit = TaoAdvanceImportOperator(
        task_id="submit_file", file="{{ params.file }}", wait_for_completion=False
    )
    TaoAdvanceImportSensor(
        task_id="import_file",
        import_id=submit.output,
        # A successful wait starts no worker (before Airflow 3.3: an ordinary deferred wait).
        start_from_trigger=True,
        end_from_trigger=True,
        # Always set it: an import may never end, and Airflow's default is seven days.
        timeout=6 * 3600,
    )
