"""Waits that start and end in the triggerer, without a worker (Airflow 3.3 and later).

Tasks that need a worker, for example for a callback, defer normally.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow import __version__ as airflow_version

from airflow_provider_importstatus.polling.validation import is_path_of_description, is_reference
from airflow_provider_importstatus.version_compat import is_airflow

if TYPE_CHECKING:
    from airflow.triggers.base import StartTriggerArgs

    from airflow_provider_importstatus.sensors.import_status import ImportStatusSensor

__all__ = ["database_timeout", "reason_not_to_end", "reason_not_to_start", "start_trigger_args", "warn"]

#: Seconds from the trigger's deadline to the database's, so that the trigger reports the timeout first.
DEADLINE_MARGIN = 120.0
#: Packages whose frames are skipped to attribute a warning to the DAG file, and whose methods are not the
#: author's.
OWN_PACKAGES = frozenset({"airflow", "airflow_provider_importstatus"})
#: Template variables that the triggerer can render. An `xcom_pull` would hang it (seen on Airflow 3.3.2).
RENDERABLE_VARIABLES = frozenset(
    {
        "dag_run",
        "data_interval_end",
        "data_interval_start",
        "ds",
        "ds_nodash",
        "logical_date",
        "macros",
        "params",
        "run_id",
        "ts",
        "ts_nodash",
        "ts_nodash_with_tz",
    }
)


def reason_not_to_start(sensor: ImportStatusSensor) -> str | None:
    """Return why the scheduler cannot start this wait in the triggerer; None if it can."""
    if not is_airflow(3, 3):
        return f"it requires Airflow 3.3, and this is {airflow_version}"
    if getattr(sensor, "_BaseOperator__from_mapped", False):
        return "the task is mapped"
    if sensor.get_closest_mapped_task_group() is not None:
        return "the task is in a mapped task group"
    if _have_triggerers_queues():
        return "triggerers use queues, and the scheduler assigns none to the trigger"
    if sensor.on_execute_callback:
        return "the task has an on_execute_callback"
    if sensor._pre_execute_hook or _overrides(sensor, "pre_execute"):
        return "the task has a pre_execute hook"
    for method in ("execute", "poke"):
        if _overrides(sensor, method):
            return f"its class overrides {method}"
    if is_path_of_description(sensor.hook_params):
        return "its description is a file, which only a worker reads"
    return next(_unrenderable(sensor), None)


def reason_not_to_end(task: Any) -> str | None:
    """Return why a success must end on a worker; None if it can end in the triggerer.

    :param task: the sensor, or its serialized form in the triggerer
    """
    if not is_airflow(3, 3):
        return f"it requires Airflow 3.3, and this is {airflow_version}"
    if task.outlets:
        return "the task has outlets"
    if task.has_on_success_callback:
        return "the task has an on_success_callback"
    if getattr(task, "_post_execute_hook", None) or _overrides(task, "post_execute"):
        return "the task has a post_execute hook"
    if _overrides(task, "execute_complete"):
        return "its class overrides execute_complete"
    if getattr(task, "multiple_outputs", False):
        return "the task has multiple_outputs"
    if _are_there_listeners():
        return "a plugin listens to tasks"
    if task.get_dag() and next(task.iter_mapped_dependants(), None):
        return "another task is mapped over the result"
    return None


def start_trigger_args(sensor: ImportStatusSensor) -> StartTriggerArgs:
    """Return the arguments that the scheduler starts the wait with. The triggerer renders their templates."""
    from airflow.triggers.base import StartTriggerArgs

    timeout, execution_timeout = sensor.timeout, sensor.execution_timeout
    return StartTriggerArgs(
        trigger_cls="airflow_provider_importstatus.triggers.import_status.ImportStatusTrigger",
        trigger_kwargs={
            "conn_id": sensor.conn_id,
            "import_id": _without_reference(sensor.import_id),
            "hook_params": sensor.hook_params,
            "timeout": timeout,
            "execution_timeout": execution_timeout and execution_timeout.total_seconds(),
            **sensor.trigger_params(),
            # Checked again: a cluster policy may have set a hook that the triggerer cannot see.
            "end_from_trigger": sensor.end_from_trigger and reason_not_to_end(sensor) is None,
            "wait": sensor.schedule(),
        },
        next_method="execute_complete",
        timeout=timedelta(seconds=timeout + DEADLINE_MARGIN),
    )


def database_timeout(timeout: float, execution_timeout: float | None) -> float:
    """Return the seconds from the start of such a wait to the database's deadline."""
    return min(timeout + DEADLINE_MARGIN, execution_timeout or float("inf"))


def warn(task_id: str | None, ignored: Iterable[str]) -> None:
    """Warn the DAG's author about ignored options, at the line of the DAG file."""
    frame, level = sys._getframe(1), 2
    while frame.f_back and _package(frame.f_globals["__name__"]) in OWN_PACKAGES:
        frame, level = frame.f_back, level + 1
    message = f"Task {task_id!r} needs a worker: {'; '.join(ignored)}."
    warnings.warn(message, UserWarning, stacklevel=level)


def _overrides(task: Any, method: str) -> bool:
    """Return whether a method is neither Airflow's nor ours."""
    # Looked up on the task: a cluster policy may set it there. Serialized tasks have no such methods.
    own = getattr(task, method, None)
    return own is not None and _package(getattr(own, "__module__", "")) not in OWN_PACKAGES


def _package(module: str) -> str:
    return module.partition(".")[0]


def _have_triggerers_queues() -> bool:
    from airflow.sdk.configuration import conf

    return bool(conf.getboolean("triggerer", "queues_enabled", fallback=False))


def _are_there_listeners() -> bool:
    from airflow.listeners.listener import get_listener_manager

    # Airflow rejects such DAGs, since listeners would miss the success.
    return bool(get_listener_manager().has_listeners)


def _unrenderable(sensor: ImportStatusSensor) -> Iterator[str]:
    if is_reference(sensor.import_id):
        if why := _reference_problem(sensor.import_id):
            yield f"import_id is {why}"
    else:
        yield from _unrenderable_in("import_id", sensor.import_id, sensor.get_dag())
    yield from _unrenderable_in("conn_id", sensor.conn_id, sensor.get_dag())
    yield from _unrenderable_in("hook_params", sensor.hook_params, sensor.get_dag())


def _unrenderable_in(name: str, value: Any, dag: Any) -> Iterator[str]:
    if is_reference(value):
        yield f"{name} is the result of another task"
    elif isinstance(value, str) and (why := _template_problem(value, dag)):
        yield f"{name} is a template {why}"
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from _unrenderable_in(f"{name}[{key!r}]", part, dag)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _unrenderable_in(name, part, dag)


def _template_problem(text: str, dag: Any) -> str | None:
    # Custom delimiters could turn any text into a template.
    if dag and dag.jinja_environment_kwargs:
        return "in a DAG with jinja_environment_kwargs, which only a worker has"
    if "{" not in text:
        return None
    if dag and (dag.render_template_as_native_obj or dag.user_defined_filters):
        return "in a DAG with native rendering or its own filters, which only a worker has"
    from jinja2 import Environment, TemplateSyntaxError, meta, nodes

    try:
        template = Environment(autoescape=True).parse(text)
        variables = meta.find_undeclared_variables(template)
    except TemplateSyntaxError as error:
        # Raised for filters of plugins, too.
        return f"that only a worker can render ({error.message})"
    if any(template.find_all((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends))):
        return "that loads another template, which only a worker can find"
    unknown = sorted(variables - RENDERABLE_VARIABLES)
    return f"with {', '.join(unknown)}, which only a worker can render" if unknown else None


def _reference_problem(value: Any) -> str | None:
    from airflow.sdk.definitions.mappedoperator import MappedOperator
    from airflow.sdk.definitions.xcom_arg import PlainXComArg

    if not isinstance(value, PlainXComArg):
        return "computed from the results of tasks"
    operator = value.operator
    if isinstance(operator, MappedOperator) or operator.get_closest_mapped_task_group() is not None:
        return "the result of a mapped task"
    return None


def _without_reference(import_id: Any) -> Any:
    # The triggerer receives references unresolved, and resolves this dictionary itself.
    if is_reference(import_id):
        return {"task_id": import_id.operator.task_id, "key": import_id.key}
    return import_id
