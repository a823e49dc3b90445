"""Which waits can run without workers, and the warnings for those that cannot."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow import __version__ as airflow_version
from airflow.providers.common.compat.sdk import DAG, Asset, BaseOperator

from airflow_provider_importstatus.sensors.import_status import ClearImportSensor, ImportStatusSensor
from airflow_provider_importstatus.triggers import start_from_trigger

from ..vendors.described import DOCUMENT

IS_SUPPORTED = tuple(map(int, airflow_version.split(".")[:2])) >= (3, 3)
since_3_3 = pytest.mark.skipif(not IS_SUPPORTED, reason=f"Airflow is {airflow_version}")
BOTH: dict[str, Any] = {"start_from_trigger": True, "end_from_trigger": True}


class Submit(BaseOperator):
    """An operator whose result is an id."""


def sensor(import_id: Any = "7", **more: Any) -> ImportStatusSensor:
    return ImportStatusSensor(**{"task_id": "wait", "conn_id": "a", "import_id": import_id, **BOTH, **more})


@pytest.fixture(autouse=True)
def dag() -> Iterator[DAG]:
    """Return the DAG of all tasks in this module."""
    with DAG("a_dag", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        yield dag


def warned(make: Callable[[], Any]) -> list[str]:
    """Return the warnings that creating a task emits."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        make()
    return [str(one.message) for one in caught if "needs a worker" in str(one.message)]


def test_a_wait_is_started_and_ended_by_the_trigger_where_airflow_can() -> None:
    task = sensor(timeout=600, execution_timeout=timedelta(minutes=5))
    assert (task.start_from_trigger, task.end_from_trigger) == (IS_SUPPORTED, IS_SUPPORTED)
    assert task.deferrable
    assert (task.start_trigger_args is not None) is IS_SUPPORTED


def test_an_older_airflow_gives_one_warning() -> None:
    (text,) = warned(sensor) or [""]
    assert ("start_from_trigger is ignored because it requires Airflow 3.3" in text) is not IS_SUPPORTED
    assert ("end_from_trigger is ignored because it requires Airflow 3.3" in text) is not IS_SUPPORTED


def test_the_sensor_class_has_no_start_trigger_args() -> None:
    assert ImportStatusSensor.start_trigger_args is None
    assert not ImportStatusSensor.start_from_trigger


def test_a_mapped_sensor_starts_on_workers_with_one_warning() -> None:
    made: list[Any] = []

    def mapped() -> None:
        wait = ImportStatusSensor.partial(task_id="wait", conn_id="a", **BOTH)
        made.append(wait.expand(import_id=["1", "2"]))

    why = "start_from_trigger is ignored because the task is mapped"
    assert warned(mapped) == [f"Task 'wait' needs a worker: {why}."]
    (task,) = made
    assert (task.start_from_trigger, task.start_trigger_args) == (False, None)
    assert task.partial_kwargs["deferrable"] is True


@pytest.mark.parametrize("sensor_class", [ClearImportSensor, ImportStatusSensor])
def test_a_warning_names_the_line_of_the_dag_file(sensor_class: type[ImportStatusSensor]) -> None:
    with pytest.warns(UserWarning, match="needs a worker") as caught:
        # Every Airflow version runs pre_execute on a worker.
        sensor_class(task_id="wait", conn_id="a", import_id="1", pre_execute=print, **BOTH)
    assert __file__ in {one.filename for one in caught}


def test_a_mapped_sensors_warning_names_the_line_of_the_dag_file() -> None:
    with pytest.warns(UserWarning, match="because the task is mapped") as caught:
        partial = ImportStatusSensor.partial(task_id="wait", conn_id="a", **BOTH)
    partial.expand(import_id=["1"])
    assert {one.filename for one in caught} == {__file__}


def _templates() -> dict[str, Any]:
    return {
        "import_id": ["7", 7, "{{ run_id }}", "{{ params.x }}", "{{ dag_run.conf['x'] | upper }}"],
        "hook_params": [
            {"integration_id": "{{ params.x }}"},
            {"description": "hubspot"},
            {"description": DOCUMENT},
        ],
    }


@since_3_3
@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in _templates().items() for value in values]
)
def test_templates_the_triggerer_can_render_are_passed_unchanged(name: str, value: Any) -> None:
    assert warned(lambda: sensor(**{name: value})) == []
    args = sensor(task_id="again", **{name: value}).start_trigger_args
    assert args is not None
    assert args.trigger_kwargs[name] == value


@since_3_3
def test_the_result_of_a_task_is_passed_as_a_reference_and_stays_a_dependency(dag: DAG) -> None:
    task = sensor(Submit(task_id="submit").output["id"])  # type: ignore[index]
    assert task.start_trigger_args.trigger_kwargs["import_id"] == {"task_id": "submit", "key": "id"}
    assert dag.get_task("wait").upstream_task_ids == {"submit"}


@since_3_3
@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: sensor("{{ ti.xcom_pull('submit') }}"), "import_id is a template with ti"),
        (lambda: sensor("{{ task_instance.xcom_pull('x') }}"), "import_id is a template with task_instance"),
        (lambda: sensor("{{ var.value.x }}"), "import_id is a template with var"),
        (lambda: sensor("{{ run_id | mine }}"), "import_id is a template that only a worker"),
        (lambda: sensor("{{ run_id"), "import_id is a template that only a worker"),
        (
            lambda: sensor(hook_params={"a": [{"b": "{{ conn.x.host }}"}]}),
            "hook_params['a']['b'] is a template with conn",
        ),
        (
            lambda: sensor(hook_params={"description": "/opt/acme.yaml"}),
            "its description is a file, which only a worker reads",
        ),
        (
            lambda: sensor(hook_params={"a": Submit(task_id="submit").output}),
            "hook_params['a'] is the result of another task",
        ),
        (
            lambda: sensor(Submit(task_id="submit").output.map(str)),
            "import_id is computed from the results of tasks",
        ),
        (
            lambda: sensor(Submit.partial(task_id="submit").expand(doc=["a", "b"]).output),
            "import_id is the result of a mapped task",
        ),
        (lambda: sensor(pre_execute=print), "the task has a pre_execute hook"),
        (lambda: sensor(on_execute_callback=print), "the task has an on_execute_callback"),
    ],
)
def test_what_cannot_start_in_the_triggerer_starts_on_a_worker(
    make: Callable[[], ImportStatusSensor], why: str
) -> None:
    made: list[ImportStatusSensor] = []
    (text,) = warned(lambda: made.append(make()))
    assert f"start_from_trigger is ignored because {why}" in text
    assert "end_from_trigger" not in text
    (task,) = made
    assert (task.start_from_trigger, task.start_trigger_args, task.deferrable) == (False, None, True)


@since_3_3
@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"outlets": [Asset("imported")]}, "the task has outlets"),
        ({"on_success_callback": print}, "the task has an on_success_callback"),
        (
            {"default_args": {"on_success_callback": [print]}},
            "the task has an on_success_callback",
        ),
        ({"post_execute": print}, "the task has a post_execute hook"),
        ({"multiple_outputs": True}, "the task has multiple_outputs"),
    ],
)
def test_what_cannot_end_in_the_triggerer_ends_on_a_worker(more: dict[str, Any], why: str) -> None:
    (text,) = warned(lambda: sensor(**more))
    assert f"end_from_trigger is ignored because {why}" in text
    assert sensor(task_id="again", **more).start_trigger_args.trigger_kwargs["end_from_trigger"] is False


@since_3_3
@pytest.mark.parametrize("name", ["post_execute", "_post_execute_hook", "execute_complete"])
def test_a_hook_that_a_cluster_policy_sets_runs_on_a_worker(name: str) -> None:
    """The triggerer does not see a task's callbacks, so the start arguments must contain the decision."""
    task = sensor()
    assert task.start_trigger_args.trigger_kwargs["end_from_trigger"] is True
    setattr(task, name, print)
    assert task.start_trigger_args.trigger_kwargs["end_from_trigger"] is False
    assert start_from_trigger.reason_not_to_end(task)


@since_3_3
@pytest.mark.parametrize("name", ["pre_execute", "_pre_execute_hook", "execute"])
def test_a_hook_that_a_cluster_policy_sets_starts_on_a_worker(name: str) -> None:
    task = sensor()
    setattr(task, name, print)
    assert (task.start_from_trigger, task.start_trigger_args) == (False, None)


@since_3_3
@pytest.mark.parametrize("name", ["post_execute", "_post_execute_hook"])
def test_a_hook_that_a_cluster_policy_sets_is_known_when_the_dag_is_stored(name: str, tmp_path: Path) -> None:
    """Test a DAG file with its policy, and its serialized form that the scheduler and triggerers read."""
    from airflow.dag_processing.dagbag import DagBag
    from airflow.policies import hookimpl
    from airflow.serialization.serialized_objects import BaseSerialization, DagSerialization
    from airflow.settings import get_policy_plugin_manager

    class Policy:
        @hookimpl
        def task_policy(self, task: Any) -> None:
            setattr(task, name, print)

    policy, file = Policy(), tmp_path / "dags.py"
    file.write_text(_DAG_FILE)
    get_policy_plugin_manager().register(policy)
    try:
        bag = DagBag(file)
    finally:
        get_policy_plugin_manager().unregister(policy)
    assert not bag.import_errors
    stored = DagSerialization.from_dict(DagSerialization.to_dict(bag.dags["with_policy"]))
    args = stored.get_task("wait").start_trigger_args
    assert args is not None
    assert BaseSerialization.deserialize(args.trigger_kwargs)["end_from_trigger"] is False


_DAG_FILE = """
from airflow.sdk import DAG
from airflow_provider_importstatus.sensors.import_status import ClearImportSensor

with DAG("with_policy", schedule=None):
    ClearImportSensor(task_id="wait", import_id="7", start_from_trigger=True, end_from_trigger=True)
"""


@since_3_3
def test_changes_after_creating_a_task_are_respected() -> None:
    task = sensor("placeholder")
    task.import_id = Submit(task_id="submit").output
    task.execution_timeout = timedelta(seconds=20)
    assert task.start_trigger_args is not None
    kwargs = task.start_trigger_args.trigger_kwargs
    assert kwargs["import_id"] == {"task_id": "submit", "key": "return_value"}
    assert kwargs["execution_timeout"] == 20
    task.on_execute_callback = print  # type: ignore[assignment]
    assert (task.start_from_trigger, task.start_trigger_args) == (False, None)


@since_3_3
@pytest.mark.parametrize(
    ("settings", "import_id", "why"),
    [
        ({"jinja_environment_kwargs": {"variable_start_string": "[["}}, "[[ run_id ]]", "kwargs"),
        ({"render_template_as_native_obj": True}, "{{ run_id }}", "native rendering"),
        ({"user_defined_filters": {"upper": str}}, "{{ run_id | upper }}", "its own filters"),
        ({}, "{% include 'id.txt' %}", "loads another template"),
        ({"render_template_as_native_obj": True}, "7", None),
    ],
)
def test_rendering_that_needs_a_worker_starts_on_a_worker(
    settings: dict[str, Any], import_id: str, why: str | None
) -> None:
    with DAG("another", schedule=None, **settings):
        texts = warned(lambda: sensor(import_id))
    assert [why in text for text in texts if why] == ([True] if why else [])
    assert len(texts) == (1 if why else 0)


@since_3_3
def test_a_subclass_with_its_own_execute_runs_on_a_worker() -> None:
    class Checked(ImportStatusSensor):
        def execute(self, context: Any) -> Any:
            return super().execute(context)

        def execute_complete(self, context: Any, event: Any = None) -> Any:
            return super().execute_complete(context, event)

    task = Checked(task_id="wait", conn_id="a", import_id="7", **BOTH)
    assert (task.start_from_trigger, task.end_from_trigger) == (False, False)


@since_3_3
def test_a_subclass_with_its_own_poke_starts_on_a_worker() -> None:
    class Checked(ImportStatusSensor):
        def poke(self, context: Any) -> Any:
            return super().poke(context)

    with pytest.warns(UserWarning, match="start_from_trigger is ignored because its class overrides poke"):
        task = Checked(task_id="wait", conn_id="a", import_id="7", **BOTH)
    assert (task.start_from_trigger, task.end_from_trigger) == (False, True)


@since_3_3
def test_triggerer_queues_start_the_task_on_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__TRIGGERER__QUEUES_ENABLED", "True")
    (text,) = warned(sensor)
    assert "start_from_trigger is ignored because triggerers use queues" in text


@since_3_3
def test_a_task_listener_ends_the_task_on_a_worker() -> None:
    from airflow.listeners import hookimpl
    from airflow.listeners.listener import get_listener_manager

    class Listener:
        @hookimpl
        def on_task_instance_success(self, previous_state: Any, task_instance: Any) -> None:
            """Nothing to do."""

    listener = Listener()
    get_listener_manager().add_listener(listener)
    try:
        (text,) = warned(sensor)
    finally:
        get_listener_manager().pm.unregister(listener)
    assert "end_from_trigger is ignored because a plugin listens to tasks" in text


@since_3_3
def test_sensors_of_one_vendor_have_their_own_import_ids() -> None:
    first = ClearImportSensor(task_id="first", import_id="1", **BOTH)
    second = ClearImportSensor(task_id="second", import_id="2", **BOTH)
    ids = [task.start_trigger_args.trigger_kwargs["import_id"] for task in (first, second)]
    assert ids == ["1", "2"]
