"""What the README shows is true."""

from __future__ import annotations

import re
import shlex
import statistics
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import DAG, Connection

from airflow_provider_importstatus.hooks.base import ImportStatusHook
from airflow_provider_importstatus.hooks.clear import ClearHook
from airflow_provider_importstatus.hooks.tao import TaoAdvanceHook
from airflow_provider_importstatus.hooks.thalamus import ThalamusHook
from airflow_provider_importstatus.hooks.zilliant import ZilliantHook
from airflow_provider_importstatus.wait import Wait

README = (Path(__file__).parents[1] / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
HOOKS: dict[str, type[ImportStatusHook]] = {
    hook.conn_type: hook for hook in (ClearHook, TaoAdvanceHook, ZilliantHook, ThalamusHook)
}
EXPORT = re.compile(r"^export (AIRFLOW_CONN_\w+)=('.*?')$", re.MULTILINE | re.DOTALL)
CONNECTIONS = [found for language, text in BLOCKS if language == "sh" for found in EXPORT.findall(text)]


def _run(beginning: str) -> dict[str, object]:
    (code,) = (text for language, text in BLOCKS if language == "python" and text.startswith(beginning))
    names: dict[str, object] = {"__name__": "shown_in_the_readme"}
    exec(code, names)
    return names


def test_the_dag_waits_for_what_it_submits() -> None:
    dag = _run("import pendulum")["dag"]
    assert isinstance(dag, DAG)
    assert dag.get_task("wait").upstream_task_ids == {"submit"}


def test_the_vendor_of_ones_own_is_complete() -> None:
    hook = _run("# acme_importstatus.py")["AcmeHook"]
    assert isinstance(hook, type)
    assert issubclass(hook, ImportStatusHook)


def test_the_metadata_of_ones_own_names_the_hook() -> None:
    get_provider_info = _run("# acme_provider.py")["get_provider_info"]
    (connection_type,) = get_provider_info()["connection-types"]  # type: ignore[operator]
    assert connection_type["hook-class-name"] == "acme_importstatus.AcmeHook"


def test_each_connection_is_shown_as_json_and_as_uri() -> None:
    assert len(CONNECTIONS) == 2 * len(HOOKS)


@pytest.mark.parametrize(("name", "quoted"), CONNECTIONS)
def test_a_connection_can_be_read(monkeypatch: pytest.MonkeyPatch, name: str, quoted: str) -> None:
    (value,) = shlex.split(quoted)
    monkeypatch.setenv(name, value)
    conn_id = name.removeprefix("AIRFLOW_CONN_").lower()
    read = Connection.from_json(value) if value.startswith("{") else Connection(conn_id=conn_id, uri=value)
    settings = HOOKS[conn_id.removesuffix("_default")](conn_id=conn_id).read_settings()
    assert read.conn_type == settings.conn_type
    assert settings.base_url.startswith("https://")


def test_the_cost_of_a_wait_is_what_its_schedule_costs() -> None:
    def looks(seconds: float) -> float:
        wait, now, count = Wait(first_look_at=0.0, deadline=7 * 86400.0), 0.0, 1
        while now < seconds:
            now += wait.next_interval(now)
            count += 1
        return count

    def mean(seconds: float) -> float:
        return statistics.mean(looks(seconds) for _ in range(50))

    told = re.search(r"about (\d+) requests\nin the first hour, (\d+) of them", README)
    assert told is not None
    assert mean(3600) == pytest.approx(int(told[1]), rel=0.1)
    assert mean(600) == pytest.approx(int(told[2]), rel=0.1)
