"""The plugin and the link in an Airflow process."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import airflow
import pytest
from airflow.models.taskinstancekey import TaskInstanceKey
from airflow.providers.common.compat.sdk import DAG, BaseOperator

from airflow_provider_importstatus.sensors import import_status as sensors

HAS_PAGE = tuple(map(int, airflow.__version__.split(".")[:2])) >= (3, 1)
needs_page = pytest.mark.skipif(not HAS_PAGE, reason="Airflow before 3.1 has no tab to link to")
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


def test_importing_the_plugin_imports_next_to_nothing() -> None:
    code = f"""
import json, sys, airflow.plugins_manager
before = set(sys.modules)
import {PLUGIN}
print(json.dumps(sorted(set(sys.modules) - before)))
"""
    assert set(in_a_fresh_process(code)) <= {
        "airflow.sdk.bases",
        "airflow.sdk.bases.operatorlink",
        "airflow_provider_importstatus",
        "airflow_provider_importstatus.links",
        PLUGIN,
    }


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


@pytest.mark.parametrize("name", sensors.__all__)
@pytest.mark.parametrize("is_mapped", [False, True])
@needs_page
def test_the_api_server_computes_a_sensors_link_without_an_xcom(name: str, is_mapped: bool) -> None:
    sensor = getattr(sensors, name)
    with DAG("a_dag", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        if is_mapped:
            sensor.partial(task_id="wait", conn_id="c").expand(import_id=["7"])
        else:
            sensor(task_id="wait", conn_id="c", import_id="7")
    assert sensor.operator_extra_links == ()
    assert type(_links_of(dag)["Import"]).__name__ == "ImportLink"


@needs_page
def test_another_operator_has_no_link() -> None:
    with DAG("a_dag", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        BaseOperator(task_id="wait")
    assert "Import" not in _links_of(dag)


def _links_of(dag: DAG) -> dict[str, Any]:
    """Return the links of the task `wait` as the API server sees them."""
    from airflow.serialization import serialized_objects

    # Airflow 3.1 has one class for the DAG and its serialization.
    names = ("DagSerialization", "SerializedDAG")
    serialization = next(
        getattr(serialized_objects, name) for name in names if hasattr(serialized_objects, name)
    )
    return dict(serialization.from_dict(serialization.to_dict(dag)).get_task("wait").operator_extra_link_dict)


@pytest.mark.parametrize(
    ("map_index", "path"),
    [
        (-1, "dags/a%20b/runs/r%2F1%2B00%3A00/tasks/g.wait/plugin/import"),
        (0, "dags/a%20b/runs/r%2F1%2B00%3A00/tasks/g.wait/mapped/0/plugin/import"),
    ],
)
@needs_page
def test_the_link_is_relative_to_airflows_base_url(map_index: int, path: str) -> None:
    from airflow_provider_importstatus.links import ImportLink

    key: Any = TaskInstanceKey("a b", "g.wait", "r/1+00:00", map_index=map_index)
    assert ImportLink().get_link(None, ti_key=key) == path
