"""The Imports page, as Airflow's plugin. Every Airflow process imports this: it loads only that one class."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from airflow.configuration import conf
from airflow.plugins_manager import AirflowPlugin

__all__ = ["ImportStatusPlugin"]

#: Where the API server mounts the page, and below which route the UI shows it.
MOUNT = "/importstatus"


async def application(scope: Any, receive: Any, send: Any) -> None:
    """The page's endpoint and files, imported by the first request."""
    from airflow_provider_importstatus.ui.endpoint import router

    await router(scope, receive, send)


def _react_app(name: str, destination: str, **more: str) -> dict[str, str]:
    # Airflow 3.1 wants the path from the root, with the prefix under which Airflow is served.
    prefix = urlsplit(conf.get("api", "base_url", fallback="")).path.rstrip("/")
    return {
        "name": name,  # The title, and the global variable in which the UI looks for the component.
        "bundle_url": f"{prefix}{MOUNT}/static/imports.js",
        "destination": destination,
        **more,
    }


class ImportStatusPlugin(AirflowPlugin):
    """Adds the page to the navigation, and a tab to the pages of task instances and DAG runs."""

    name = "importstatus"

    if hasattr(
        AirflowPlugin, "react_apps"
    ):  # Airflow 3.1 or later; an earlier one has no place for the page.
        fastapi_apps = [{"app": application, "url_prefix": MOUNT, "name": "Imports"}]
        react_apps = [
            _react_app("Imports", "nav", url_route="imports", category="browse"),
            _react_app("Imports", "dag_run", url_route="run_imports"),
            _react_app("Import", "task_instance", url_route="import"),
        ]
