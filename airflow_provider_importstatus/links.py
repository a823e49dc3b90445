"""The link from a waiting task to the tab that shows its import."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

# Going through common.compat would load three more modules.
try:
    from airflow.sdk import BaseOperatorLink
except ImportError:  # Airflow 2.11
    from airflow.models.baseoperatorlink import BaseOperatorLink  # type: ignore[no-redef,import-not-found]

from airflow_provider_importstatus.version_compat import is_airflow

if TYPE_CHECKING:
    from airflow.sdk.types import TaskInstanceKey

__all__ = ["LINKS", "ImportLink", "import_path"]


class ImportLink(BaseOperatorLink):
    """The *Import* button on a task instance's page."""

    name = "Import"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002 - Airflow's signature
        """Return the tab's URL, relative to Airflow's base URL."""
        return import_path(ti_key.dag_id, ti_key.run_id, ti_key.task_id, ti_key.map_index)


#: Empty before Airflow 3.1, which has no such tab.
LINKS = (ImportLink(),) if is_airflow(3, 1) else ()


def import_path(dag_id: str, run_id: str, task_id: str, map_index: int | None = -1) -> str:
    """Return the URL of a task instance's import tab, relative to Airflow's base URL."""
    dag, run, task = (quote(name, safe="") for name in (dag_id, run_id, task_id))
    mapped = f"/mapped/{map_index}" if map_index is not None and map_index >= 0 else ""
    return f"dags/{dag}/runs/{run}/tasks/{task}{mapped}/plugin/import"
