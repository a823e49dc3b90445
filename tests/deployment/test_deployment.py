"""The deployment and its REST client that other tests use."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo.configuration import environment
from demo.deployment import Deployment, DeploymentError, TookTooLong

from .conftest import EXAMPLES

#: The ids of the example DAGs are the names of their files.
EXAMPLE_DAGS = [path.stem for path in EXAMPLES.glob("*.py")]


def test_a_run_returns_typed_values(deployment: Deployment) -> None:
    run = deployment.trigger("echo", {"words": ["one", "two"]})

    assert deployment.wait_for_end(run, timeout=60) == "success"
    assert deployment.api.xcom(run, "words") == ["one", "two"]
    assert deployment.api.xcom(run, "words", "no_such_key") is None
    assert [one["map_index"] for one in deployment.api.task_instances(run, "shout")] == [0, 1]
    assert deployment.api.xcom(run, "shout", map_index=1) == {"loud": "TWO"}
    assert "shouting two" in deployment.api.log(run, "shout", map_index=1)


def test_a_dag_id_is_not_matched_by_prefix(deployment: Deployment) -> None:
    deployment.wait_for(lambda: deployment.api.knows("echo"), "DAG echo", timeout=60)

    assert not deployment.api.knows("ech")


def test_all_dags_can_be_imported(deployment: Deployment) -> None:
    deployment.wait_for(lambda: all(map(deployment.api.knows, EXAMPLE_DAGS)), "example DAGs", timeout=60)
    assert deployment.api.import_errors() == []
    assert "No data found" in deployment.command("dags", "list-import-errors")


def test_a_timeout_error_names_what_was_waited_for(deployment: Deployment) -> None:
    with pytest.raises(TookTooLong, match="No DAG missing within 0 seconds"):
        deployment.trigger("missing", timeout=0)


def test_a_foreign_directory_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "airflow.cfg").touch()

    with pytest.raises(DeploymentError, match="holds something else"):
        Deployment(tmp_path, tmp_path)


def test_settings_of_another_airflow_are_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AIRFLOW__CORE__EXECUTOR", "AIRFLOW_CONN_CLEAR_DEFAULT", "PYTHONPATH"):
        monkeypatch.setenv(name, "foreign")

    assert "foreign" not in environment(tmp_path).values()
