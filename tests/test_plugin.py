"""The plugin and the link in an Airflow process."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from typing import Any

import airflow
import pytest

from airflow_provider_importstatus.links import LINKS, import_path
from airflow_provider_importstatus.sensors.import_status import ClearImportSensor

HAS_PAGE = tuple(map(int, airflow.__version__.split(".")[:2])) >= (3, 1)
PLUGIN = "airflow_provider_importstatus.plugin"


def in_a_fresh_process(code: str, **env: str) -> Any:
    """Run code in a new process; return the JSON in its last line of output."""
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **env}, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_airflow_finds_the_plugin_by_its_entry_point() -> None:
    (found,) = importlib.metadata.entry_points(group="airflow.plugins", name="importstatus")
    assert found.value == f"{PLUGIN}:ImportStatusPlugin"


def test_importing_the_plugin_imports_nothing_else() -> None:
    code = f"""
import json, sys, airflow.plugins_manager
before = set(sys.modules)
import {PLUGIN}
print(json.dumps(sorted(set(sys.modules) - before)))
"""
    assert set(in_a_fresh_process(code)) <= {"airflow_provider_importstatus", PLUGIN}


@pytest.mark.parametrize(
    ("base_url", "bundle_url"),
    [
        ("http://localhost:8080", "/importstatus/static/imports.js"),
        ("https://host.example/airflow", "/airflow/importstatus/static/imports.js"),
        ("https://host.example/a/b/", "/a/b/importstatus/static/imports.js"),
    ],
)
def test_the_page_works_under_a_url_prefix(base_url: str, bundle_url: str) -> None:
    code = f"""
import json
from {PLUGIN} import ImportStatusPlugin as plugin
print(json.dumps([app["bundle_url"] for app in getattr(plugin, "react_apps", [])]))
"""
    bundles = in_a_fresh_process(code, AIRFLOW__API__BASE_URL=base_url)
    assert bundles == ([bundle_url] * 3 if HAS_PAGE else [])


def test_a_sensor_has_the_link_if_the_page_is_available() -> None:
    links = ClearImportSensor(task_id="wait", import_id="7").operator_extra_links
    assert [link.name for link in links] == (["Import"] if HAS_PAGE else [])
    assert [link.xcom_key for link in LINKS] == (["_link_ImportLink"] if HAS_PAGE else [])


@pytest.mark.parametrize(
    ("map_index", "path"),
    [
        (-1, "dags/a%20b/runs/r%2F1%2B00%3A00/tasks/g.wait/plugin/import"),
        (None, "dags/a%20b/runs/r%2F1%2B00%3A00/tasks/g.wait/plugin/import"),
        (0, "dags/a%20b/runs/r%2F1%2B00%3A00/tasks/g.wait/mapped/0/plugin/import"),
    ],
)
def test_the_link_is_relative_to_airflows_base_url(map_index: int | None, path: str) -> None:
    assert import_path("a b", "r/1+00:00", "g.wait", map_index) == path
