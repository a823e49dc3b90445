"""The link from a task instance to the tab that shows its import."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk.types import TaskInstanceKey

    from airflow_provider_importstatus.tasks.waiting import WaitingTask

__all__ = ["ImportLink"]


class ImportLink(BaseOperatorLink):
    """The *Import* button on a task instance's page.

    Registered by the plugin, not by the tasks' classes: a class's own links are written to XComs by each of
    its processes, while a plugin's are computed in the API server.
    """

    name = "Import"

    @property
    def operators(self) -> list[type[WaitingTask]]:  # type: ignore[override]  # read-only is enough
        """Return the classes that have the link; imported here, since only the API server needs them."""
        from airflow_provider_importstatus.operators import import_file
        from airflow_provider_importstatus.sensors import import_status

        return [getattr(module, name) for module in (import_file, import_status) for name in module.__all__]

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002 - Airflow's signature
        """Return the tab's URL, relative to Airflow's base URL."""
        dag, run, task = (quote(name, safe="") for name in (ti_key.dag_id, ti_key.run_id, ti_key.task_id))
        mapped = f"/mapped/{ti_key.map_index}" if ti_key.map_index >= 0 else ""
        return f"dags/{dag}/runs/{run}/tasks/{task}{mapped}/plugin/import"
