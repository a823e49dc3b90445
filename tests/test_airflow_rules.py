"""What Airflow expects of every provider: serialization, templates, quiet and cheap imports, the registry."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import yaml
from airflow.providers.common.compat.sdk import DAG, TaskGroup, task, task_group
from airflow.serialization import serialized_objects

from airflow_provider_importstatus.exceptions import ImportSettingsError
from airflow_provider_importstatus.get_provider_info import get_provider_info
from airflow_provider_importstatus.operators import import_file
from airflow_provider_importstatus.sensors import import_status
from airflow_provider_importstatus.version_compat import is_airflow

ROOT = Path(__file__).parents[1]
PACKAGE = "airflow_provider_importstatus"
EXAMPLES = sorted((ROOT / "example_dags").glob("*.py"))
START = datetime(2026, 1, 1, tzinfo=UTC)
SENSORS = [getattr(import_status, name) for name in import_status.__all__ if name.endswith("Sensor")]
OPERATORS = [getattr(import_file, name) for name in import_file.__all__]
TASKS: list[Any] = [*SENSORS, *OPERATORS]
#: Parameters that a task must have, and what each is in these tests.
REQUIRED: MappingProxyType[str, dict[str, Any]] = MappingProxyType(
    {
        "ImportStatusSensor": {"conn_id": "clear_default"},
        "ImportFileOperator": {"conn_id": "clear_default"},
        "ClearImportOperator": {"template_type": "SALES"},
        "ThalamusImportOperator": {"type": 25011},
        "ZilliantImportOperator": {"mapping_id": "m"},
    }
)


def required(kind: Any) -> dict[str, Any]:
    """Return the required parameters of a task, but for what it waits for or submits."""
    return dict(REQUIRED.get(kind.__name__, {}))


def subject(kind: Any) -> str:
    """Return the name of the parameter that says which import, or which file."""
    return "import_id" if kind in SENSORS else "file"


def serialized(dag: DAG) -> dict[str, Any]:
    """Return the DAG as Airflow stores it in its database."""
    data: dict[str, Any] = _serialization().to_dict(dag)
    _serialization().validate_schema(data)
    return data


def round_trip(dag: DAG) -> Any:
    """Return the DAG as schedulers and API servers read it."""
    return _serialization().from_dict(json.loads(json.dumps(serialized(dag))))


def _serialization() -> Any:
    # Up to Airflow 3.1 one class is the DAG and its serialization.
    names = ("DagSerialization", "SerializedDAG")
    return next(getattr(serialized_objects, name) for name in names if hasattr(serialized_objects, name))


@pytest.fixture
def dag() -> DAG:
    return DAG("a_dag", schedule=None, start_date=START)


#: Parameters that a constructor refuses; `INTERVAL` stands for the task's own name of it.
INTERVAL = "interval"
INVALID: list[dict[str, Any]] = [
    {"hook_params": {"password": "hunter2222"}},
    {"hook_params": ["a"]},
    {"hook_params": {"a": {1, 2}}},
    {"hook_params": {"description": {"version": 2}}},
    {"hook_params": {"description": {"password": "hunter2222"}}},
    {"on_partial": "ignore"},
    {"on_partial": None},
    {"max_failed_rows": -1},
    {"max_failed_rows": True},
    {INTERVAL: 0},
    {INTERVAL: -1},
    {INTERVAL: float("nan")},
    {"max_wait": float("nan")},
    {"timeout": float("nan")},
    {"timeout": "7 days"},
    {"not_found_grace": None},
    {"not_found_grace": float("inf")},
    {"outage_tolerance": timedelta(seconds=-1)},
    {"execution_timeout": timedelta.max},
]


def invalid(kind: Any, parameters: dict[str, Any]) -> dict[str, Any]:
    interval = "poke_interval" if kind in SENSORS else "poll_interval"
    return {interval if name == INTERVAL else name: value for name, value in parameters.items()}


class TestMappedTasks:
    """A mapped task is constructed on a worker only; until then, nothing else checks its parameters."""

    @pytest.mark.parametrize("parameters", INVALID, ids=str)
    @pytest.mark.parametrize("kind", TASKS)
    def test_the_errors_are_those_of_the_constructor(
        self, dag: DAG, kind: Any, parameters: dict[str, Any]
    ) -> None:
        given = {**required(kind), **invalid(kind, parameters)}
        with dag, pytest.raises((ValueError, ImportSettingsError)) as constructed:
            kind(task_id="one", **{subject(kind): "7"}, **given)
        with dag, pytest.raises(type(constructed.value)) as mapped:
            kind.partial(task_id="many", **given)
        assert str(mapped.value) == str(constructed.value)
        assert "hunter2222" not in str(mapped.value)

    @pytest.mark.filterwarnings("ignore:Task '.*many' was never mapped")
    @pytest.mark.parametrize("place", ["task", "group", "dag"])
    @pytest.mark.parametrize("kind", TASKS)
    def test_defaults_are_checked_too(self, kind: Any, place: str) -> None:
        defaults: dict[str, Any] = {place: {"hook_params": {"password": "hunter2222"}}}
        given = {**required(kind), **({"default_args": defaults["task"]} if place == "task" else {})}
        with (
            DAG("a_dag", schedule=None, start_date=START, default_args=defaults.get("dag", {})),
            TaskGroup("group", default_args=defaults.get("group", {})),
            pytest.raises(ValueError, match="looks like a secret"),
        ):
            kind.partial(task_id="many", **given)

    @pytest.mark.parametrize("kind", TASKS)
    def test_a_parameter_counts_before_the_defaults(self, kind: Any) -> None:
        defaults = {"on_partial": "ignore", "hook_params": {"password": "hunter2222"}}
        with DAG("a_dag", schedule=None, start_date=START, default_args=defaults):
            mapped = kind.partial(task_id="t", on_partial="skip", hook_params=None, **required(kind)).expand(
                **{subject(kind): ["7"]}
            )
        assert mapped.partial_kwargs["on_partial"] == "skip"

    @pytest.mark.parametrize("kind", TASKS)
    def test_a_task_result_may_be_a_parameter(self, dag: DAG, kind: Any) -> None:
        @task
        def params() -> dict[str, str]:
            return {}

        with dag:
            mapped = kind.partial(task_id="t", hook_params=params(), **required(kind)).expand(
                **{subject(kind): ["7"]}
            )
        assert mapped.upstream_task_ids == {"params"}

    @pytest.mark.parametrize("params", [5, ["a"]])
    def test_submit_params_are_a_dictionary(self, dag: DAG, params: Any) -> None:
        with dag, pytest.raises(ValueError, match="submit_params is of type"):
            import_file.ImportFileOperator.partial(task_id="t", conn_id="c", submit_params=params)


class TestSerialization:
    """Schedulers and API servers see only what was serialized."""

    @pytest.mark.parametrize("kind", TASKS)
    def test_a_task_is_read_as_it_was_written(self, dag: DAG, kind: Any) -> None:
        with dag:
            kind(task_id="t", **required(kind), **{subject(kind): "7"})
        read = round_trip(dag).get_task("t")
        assert (read.task_type, read._task_module) == (kind.__name__, kind.__module__)
        assert set(read.template_fields) == set(kind.template_fields)
        assert getattr(read, subject(kind)) == "7"

    @pytest.mark.parametrize("kind", TASKS)
    def test_a_mapped_task_is_read_as_it_was_written(self, dag: DAG, kind: Any) -> None:
        with dag:
            kind.partial(task_id="t", **required(kind)).expand(**{subject(kind): ["7", "8"]})
        read = round_trip(dag).get_task("t")
        assert "Mapped" in type(read).__name__
        assert (read.task_type, read._task_module) == (kind.__name__, kind.__module__)
        assert read.expand_input.value == {subject(kind): ["7", "8"]}

    @pytest.mark.parametrize("kind", TASKS)
    def test_a_task_in_a_group_after_a_taskflow_task_keeps_its_dependencies(
        self, dag: DAG, kind: Any
    ) -> None:
        @task
        def choose() -> str:
            return "7"

        @task
        def count(result: Any) -> int:
            return len(result)

        with dag:
            chosen = choose()
            with TaskGroup("group"):
                waiting = kind(task_id="t", **required(kind), **{subject(kind): chosen})
            count(waiting.output)
        read = round_trip(dag)
        assert read.get_task("group.t").upstream_task_ids == {"choose"}
        assert read.get_task("group.t").downstream_task_ids == {"count"}
        assert list(read.task_group.children["group"].children) == ["group.t"]

    @pytest.mark.parametrize("kind", TASKS)
    def test_a_task_of_a_mapped_group_keeps_its_dependencies(self, dag: DAG, kind: Any) -> None:
        @task_group
        def group(value: Any) -> None:
            kind(task_id="t", **required(kind), **{subject(kind): value})

        @task
        def choose() -> list[str]:
            return ["7", "8"]

        with dag:
            group.expand(value=choose())
        read = round_trip(dag)
        assert read.get_task("group.t").upstream_task_ids == {"choose"}
        assert [parent.group_id for parent in read.get_task("group.t").iter_mapped_task_groups()] == ["group"]

    @pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
    def test_an_example_is_read_as_it_was_written(self, path: Path) -> None:
        written = parsed(path)
        read = round_trip(written)
        assert read.dag_id == path.stem
        assert {one.task_id: one.downstream_task_ids for one in read.tasks} == {
            one.task_id: one.downstream_task_ids for one in written.tasks
        }

    def test_an_example_is_serialized_alike_in_every_process(self) -> None:
        """Otherwise Airflow 3 would store a new version of the DAG with every parse."""
        code = (
            f"import json, sys; sys.path.insert(0, {str(ROOT)!r})\n"
            "from tests.test_airflow_rules import EXAMPLES, parsed, serialized\n"
            "print(json.dumps([serialized(parsed(path)) for path in EXAMPLES], sort_keys=True))"
        )
        assert output_of(code, PYTHONHASHSEED="1") == output_of(code, PYTHONHASHSEED="2")


def parsed(path: Path) -> DAG:
    """Parse a DAG file; return its DAG."""
    names: dict[str, Any] = {"__name__": path.stem, "__file__": str(path)}
    exec(compile(path.read_text(), path, "exec"), names)
    found = names["dag"]
    assert isinstance(found, DAG)
    return found


def output_of(code: str, *options: str, **env: str) -> str:
    """Run code in a new process; return the last line of its output."""
    command = [sys.executable, *options, "-c", code]
    done = subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


class TestTemplates:
    """Airflow renders the attributes that `template_fields` names, on the task as it was created."""

    @pytest.mark.parametrize("kind", TASKS)
    def test_every_templated_parameter_is_kept_as_it_was_given(self, kind: Any) -> None:
        """Code of `__init__` would see the template, not what it is rendered to."""
        given = {name: f"{{{{ params.{name} }}}}" for name in kind.template_fields}
        created = kind(task_id="t", **{**required(kind), **given})
        assert {name: getattr(created, name) for name in kind.template_fields} == given

    @pytest.mark.parametrize("kind", TASKS)
    def test_every_templated_parameter_is_rendered(self, kind: Any) -> None:
        given = {name: f"{{{{ params.{name} }}}}" for name in kind.template_fields}
        created = kind(task_id="t", **{**required(kind), **given})
        created.render_template_fields({"params": {name: f"the {name}" for name in given}})
        assert {name: getattr(created, name) for name in given} == {name: f"the {name}" for name in given}

    @pytest.mark.parametrize("kind", TASKS)
    def test_every_templated_parameter_exists_if_it_was_not_given(self, kind: Any) -> None:
        created = kind(task_id="t", **required(kind), **{subject(kind): "7"})
        created.render_template_fields({})
        assert getattr(created, subject(kind)) == "7"

    @pytest.mark.parametrize("kind", TASKS)
    def test_a_mapped_task_is_given_every_templated_parameter(self, dag: DAG, kind: Any) -> None:
        given = {name: f"{{{{ params.{name} }}}}" for name in kind.template_fields if name != subject(kind)}
        with dag:
            mapped = kind.partial(task_id="t", **{**required(kind), **given}).expand(**{subject(kind): ["7"]})
        created = mapped.unmap({subject(kind): "7"})
        assert dag.task_ids == ["t"]
        assert {name: getattr(created, name) for name in kind.template_fields} == {
            **given,
            subject(kind): "7",
        }


#: Runs code, and prints the warnings that it causes in our files.
RECORD = f"""
import json, warnings
import airflow, airflow.providers.common.compat.sdk
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    CODE
ours = {[str(ROOT / PACKAGE), str(ROOT / "example_dags")]}
print(json.dumps([
    f"{{one.filename}}:{{one.lineno}}: {{one.category.__name__}}: {{one.message}}"
    for one in caught if one.filename.startswith(tuple(ours))
]))
"""


def warnings_of(code: str) -> list[str]:
    warned: list[str] = json.loads(output_of(RECORD.replace("CODE", code.replace("\n", "\n    "))))
    return warned


def test_importing_the_public_modules_causes_no_warning() -> None:
    """Airflow warns of its deprecated names in the file that imports them."""
    info: Any = get_provider_info()
    kinds = ("hooks", "operators", "sensors", "triggers")
    names = [name for kind in kinds for entry in info[kind] for name in entry["python-modules"]]
    names += [f"{PACKAGE}.{name}" for name in ("cli", "commands.run", "plugin", "status", "exceptions")]
    assert len(names) > 10
    assert warnings_of(f"import importlib\nfor name in {names}:\n    importlib.import_module(name)") == []


def test_parsing_the_examples_causes_no_warning() -> None:
    paths = [str(path) for path in EXAMPLES]
    warned = warnings_of(f"import runpy\nfor path in {paths}:\n    runpy.run_path(path)")
    # Our own, before the Airflow that can do it.
    assert [one for one in warned if is_airflow(3, 3) or "start_from_trigger" not in one] == []


#: Modules that DAG files import anyway, by what they use of Airflow.
BASES = (
    "try: from airflow.sdk import BaseOperator, BaseSensorOperator, DAG\n"
    "except ImportError:\n"
    "    from airflow.models import BaseOperator\n"
    "    from airflow.sensors.base import BaseSensorOperator\n"
    "import airflow.providers.common.compat.sdk"
)
#: How many small modules of ours a DAG file with sensors and operators may import.
MOST_MODULES = 19


def modules_after(code: str) -> set[str]:
    loaded: list[str] = json.loads(
        output_of(f"{code}\nimport json, sys\nprint(json.dumps(list(sys.modules)))", "-W", "ignore")
    )
    return set(loaded)


def test_a_dag_file_imports_few_small_modules() -> None:
    """DAG files are parsed again and again. What counts is modules, since seconds differ between machines."""
    code = f"import {PACKAGE}.sensors.import_status, {PACKAGE}.operators.import_file"
    more = modules_after(f"{BASES}\n{code}") - modules_after(BASES)
    ours = {name for name in more if name.partition(".")[0] == PACKAGE}
    assert more - ours == set()
    assert len(ours) <= MOST_MODULES, sorted(ours)


def test_the_registrys_file_names_every_public_class() -> None:
    written = yaml.safe_load((ROOT / ".airflow-registry.yaml").read_text())
    info: Any = get_provider_info()
    for kind in ("hooks", "operators", "sensors", "triggers"):
        named = {entry["module"] for entry in written[kind]}
        modules = [importlib.import_module(name) for entry in info[kind] for name in entry["python-modules"]]
        classes = [(module, getattr(module, name)) for module in modules for name in module.__all__]
        public = {
            f"{module.__name__}.{found.__name__}"
            for module, found in classes
            if isinstance(found, type) and found.__name__.endswith(("Hook", "Operator", "Sensor", "Trigger"))
        }
        assert named == public, kind
    assert all(entry["description"] for kind in ("hooks", "operators") for entry in written[kind])
    assert written["package-name"] == info["package-name"]
