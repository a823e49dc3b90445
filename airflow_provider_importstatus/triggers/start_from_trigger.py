"""Waits without a worker, on Airflow 3.3 and later: started in the triggerer by the scheduler, ended there.

What stands in the way, such as a callback that only workers call, has the wait take the ordinary way.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow import __version__ as airflow_version

from airflow_provider_importstatus.version_compat import is_airflow

if TYPE_CHECKING:
    from airflow.triggers.base import StartTriggerArgs

    from airflow_provider_importstatus.sensors.import_status import ImportStatusSensor

__all__ = ["database_timeout", "reason_not_to_end", "reason_not_to_start", "start_trigger_args", "warn"]

#: The database's deadline comes so much later than the trigger's, so that the message is ours, in seconds.
DEADLINE_MARGIN = 120.0
#: Whose frames stand between a DAG file and a warning.
OURS = frozenset({"airflow", "airflow_provider_importstatus"})
#: What the triggerer renders without asking Airflow. An `xcom_pull` would hang it (seen on Airflow 3.3.2).
RENDERED_ANYWHERE = frozenset(
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
    """Why the scheduler cannot start this wait in the triggerer; None where it can."""
    if not is_airflow(3, 3):
        return f"Airflow is {airflow_version}, and it takes 3.3"
    if getattr(sensor, "_BaseOperator__from_mapped", False):
        return "the task is mapped"
    if sensor.get_closest_mapped_task_group() is not None:
        return "the task is in a mapped task group"
    if _have_triggerers_queues():
        return "triggerers have queues, of which the scheduler gives the trigger none"
    if sensor.on_execute_callback:
        return "the task has an on_execute_callback"
    if sensor._pre_execute_hook or _overrides(sensor, "pre_execute"):
        return "the task has a pre_execute hook"
    if _overrides(sensor, "execute"):
        return "its class has an execute of its own"
    return next(_unrenderable(sensor), None)


def reason_not_to_end(task: Any) -> str | None:
    """Why a success must end on a worker; None where it can end in the triggerer.

    :param task: the sensor, or what the triggerer knows of it
    """
    if not is_airflow(3, 3):
        return f"Airflow is {airflow_version}, and it takes 3.3"
    if task.outlets:
        return "the task has outlets"
    if task.has_on_success_callback:
        return "the task has an on_success_callback"
    if getattr(task, "_post_execute_hook", None) or _overrides(task, "post_execute"):
        return "the task has a post_execute hook"
    if _overrides(task, "execute_complete"):
        return "its class has an execute_complete of its own"
    if getattr(task, "multiple_outputs", False):
        return "the task has multiple_outputs"
    if _are_there_listeners():
        return "a plugin listens to tasks"
    if task.get_dag() and next(task.iter_mapped_dependants(), None):
        return "a task is mapped over the result"
    return None


def start_trigger_args(sensor: ImportStatusSensor) -> StartTriggerArgs:
    """What the scheduler starts the wait with. Strings are rendered in the triggerer, by the same names."""
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
            # Once more, since a cluster policy may have set a hook, of which the triggerer will not know.
            "end_from_trigger": sensor.end_from_trigger and reason_not_to_end(sensor) is None,
            "wait": sensor.schedule(),
        },
        next_method="execute_complete",
        timeout=timedelta(seconds=timeout + DEADLINE_MARGIN),
    )


def database_timeout(timeout: float, execution_timeout: float | None) -> float:
    """Seconds from the start of such a wait until the database's deadline."""
    return min(timeout + DEADLINE_MARGIN, execution_timeout or float("inf"))


def warn(task_id: str | None, refused: Iterable[str]) -> None:
    """Tell the DAG's author what is not done, at the line of the DAG file."""
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_globals["__name__"].partition(".")[0] in OURS:
        frame, level = frame.f_back, level + 1
    message = f"Task {task_id!r} waits the ordinary way, through workers: {'; '.join(refused)}."
    warnings.warn(message, UserWarning, stacklevel=level)


def _overrides(task: Any, method: str) -> bool:
    from airflow_provider_importstatus.sensors.import_status import ImportStatusSensor

    # Of the task itself, where a cluster policy may set one. What the triggerer knows of a task has none.
    own = getattr(task, method, None)
    return own is not None and getattr(own, "__func__", None) is not getattr(ImportStatusSensor, method)


def _have_triggerers_queues() -> bool:
    from airflow.sdk.configuration import conf

    return bool(conf.getboolean("triggerer", "queues_enabled", fallback=False))


def _are_there_listeners() -> bool:
    from airflow.listeners.listener import get_listener_manager

    # Airflow refuses a DAG with such a task, rather than leave a success untold.
    return bool(get_listener_manager().has_listeners)


def _unrenderable(sensor: ImportStatusSensor) -> Iterator[str]:
    if _is_reference(sensor.import_id):
        if why := _obstacle_in_reference(sensor.import_id):
            yield f"import_id is {why}"
    else:
        yield from _unrenderable_in("import_id", sensor.import_id, sensor.get_dag())
    yield from _unrenderable_in("conn_id", sensor.conn_id, sensor.get_dag())
    yield from _unrenderable_in("hook_params", sensor.hook_params, sensor.get_dag())


def _unrenderable_in(name: str, value: Any, dag: Any) -> Iterator[str]:
    if _is_reference(value):
        yield f"{name} is the result of another task"
    elif isinstance(value, str) and (why := _obstacle_in_template(value, dag)):
        yield f"{name} is a template {why}"
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from _unrenderable_in(f"{name}[{key!r}]", part, dag)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _unrenderable_in(name, part, dag)


def _obstacle_in_template(text: str, dag: Any) -> str | None:
    # With other delimiters any text may be a template.
    if dag and dag.jinja_environment_kwargs:
        return "in a DAG with jinja_environment_kwargs, which only a worker has"
    if "{" not in text:
        return None
    if dag and (dag.render_template_as_native_obj or dag.user_defined_filters):
        return "in a DAG with native rendering or filters of its own, which only a worker has"
    from jinja2 import Environment, TemplateSyntaxError, meta, nodes

    try:
        template = Environment(autoescape=True).parse(text)
        named = meta.find_undeclared_variables(template)
    except TemplateSyntaxError as error:
        # A filter of the DAG's own is one, too.
        return f"that only a worker may know to render ({error.message})"
    if any(template.find_all((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends))):
        return "that loads another one, which only a worker finds"
    unknown = sorted(named - RENDERED_ANYWHERE)
    return f"with {', '.join(unknown)}, which only a worker renders" if unknown else None


def _is_reference(value: Any) -> bool:
    return hasattr(value, "resolve")


def _obstacle_in_reference(value: Any) -> str | None:
    from airflow.sdk.definitions.mappedoperator import MappedOperator
    from airflow.sdk.definitions.xcom_arg import PlainXComArg

    if not isinstance(value, PlainXComArg):
        return "computed from the results of tasks"
    operator = value.operator
    if isinstance(operator, MappedOperator) or operator.get_closest_mapped_task_group() is not None:
        return "the result of a mapped task"
    return None


def _without_reference(import_id: Any) -> Any:
    # The triggerer gets references unresolved. Pulled as text, a dictionary would look like an id.
    if _is_reference(import_id):
        return {"task_id": import_id.operator.task_id, "key": import_id.key}
    return import_id
