"""The Airflow plugin for the Imports page. Every Airflow process imports it, so it loads next to nothing."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from airflow.configuration import conf
from airflow.plugins_manager import AirflowPlugin

__all__ = ["ImportStatusPlugin"]

#: Path at which the API server mounts the page.
MOUNT = "/importstatus"


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Serve the page's endpoint and files; they are imported on the first request."""
    from airflow_provider_importstatus.ui.endpoint import serve

    await serve(scope, receive, send)


def _react_app(name: str, destination: str, **more: str) -> dict[str, str]:
    # Airflow 3.1 needs an absolute path, including the prefix that Airflow is served under.
    prefix = urlsplit(conf.get("api", "base_url", fallback="")).path.rstrip("/")
    return {
        "name": name,  # The title, and the global variable that holds the component.
        "bundle_url": f"{prefix}{MOUNT}/static/imports.js",
        "destination": destination,
        **more,
    }


class ImportStatusPlugin(AirflowPlugin):
    """Adds the page to the navigation, and a tab to the pages of task instances and DAG runs."""

    name = "importstatus"

    # Airflow 3.1 and later
    if hasattr(AirflowPlugin, "react_apps"):
        from airflow_provider_importstatus.links import ImportLink

        operator_extra_links = [ImportLink()]
        fastapi_apps = [{"app": application, "url_prefix": MOUNT, "name": "Imports"}]
        react_apps = [
            _react_app("Imports", "nav", url_route="imports", category="browse"),
            _react_app("Imports", "dag_run", url_route="run_imports"),
            _react_app("Import", "task_instance", url_route="import"),
        ]
