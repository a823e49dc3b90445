"""Waits that start in the triggerer, without a worker."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from jinja2 import UndefinedError

from airflow_provider_importstatus.sandbox import Sandbox
from airflow_provider_importstatus.triggers.import_status import ImportStatusTrigger
from airflow_provider_importstatus.triggers.start_from_trigger import DEADLINE_MARGIN

from .waits import ENDLESS, Fire, events_of

pytestmark = pytest.mark.usefixtures("connections")

SCHEDULE = {"poke_interval": 0.05, "exponential_backoff": False}


def started(import_id: Any, **more: Any) -> Any:
    return ImportStatusTrigger("thalamus_default", import_id, wait=SCHEDULE, **more)


def error_text(event: dict[str, Any]) -> str:
    return f"{event['error']['type']}: {event['error']['message']}"


@pytest.mark.parametrize("tzinfo", [UTC, None])
def test_the_deadline_comes_from_the_database_however_late_the_trigger_starts(
    sandbox: Sandbox, fire: Fire, tzinfo: Any
) -> None:
    trigger = started(sandbox.submit("thalamus", **ENDLESS), timeout=600.0)
    in_database = datetime.now(UTC) + timedelta(seconds=DEADLINE_MARGIN + 0.2)
    trigger.timeout_after = in_database.replace(tzinfo=tzinfo)
    assert "AirflowSensorTimeout: The wait's timeout has expired. Import" in error_text(fire(trigger))


def test_the_execution_deadline_comes_from_the_database(sandbox: Sandbox, fire: Fire) -> None:
    trigger = started(sandbox.submit("thalamus", **ENDLESS), timeout=600.0, execution_timeout=300.0)
    trigger.timeout_after = datetime.now(UTC) + timedelta(seconds=0.2)
    assert "AirflowTaskTimeout: The task's execution_timeout has expired. Import" in error_text(fire(trigger))


def test_the_not_found_grace_of_a_late_trigger_starts_with_its_first_poll() -> None:
    trigger = started("404", timeout=600.0)
    trigger.timeout_after = datetime.now(UTC) + timedelta(seconds=DEADLINE_MARGIN + 600 - 90)
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(events_of(trigger), 1))


def test_a_success_that_needs_a_worker_is_an_event(sandbox: Sandbox, fire: Fire) -> None:
    """This happens when the DAG was changed and the task is no longer started from the trigger."""
    trigger = started(sandbox.submit("thalamus", seconds=0), end_from_trigger=True)
    trigger.task_instance = SimpleNamespace(dag_id="a", task_id="b", run_id="c", map_index=-1)
    assert fire(trigger)["status"]["state"] == "succeeded"


@pytest.mark.skipif(not hasattr(ImportStatusTrigger, "render_template_fields"), reason="since Airflow 3.3")
def test_an_undefined_template_variable_is_not_rendered_into_an_id() -> None:
    trigger = started("daily-{{ ds }}")
    trigger.template_fields = ("import_id",)
    with pytest.raises(UndefinedError):
        trigger.render_template_fields({"run_id": "manual"})


def test_a_success_without_a_task_instance_is_an_event(sandbox: Sandbox, fire: Fire) -> None:
    """This happens under ``dag.test()``, where a trigger cannot write XComs."""
    event = fire(started(sandbox.submit("thalamus", seconds=0), end_from_trigger=True))
    assert event["status"]["state"] == "succeeded"


@pytest.mark.parametrize(
    "value",
    [None, "", "  ", "None", "{{ run_id }}", True, 1.5, ["1"], {"id": "1"}, {"task_id": "a", "key": "b"}],
    ids=repr,
)
def test_an_invalid_id_is_never_requested(sandbox: Sandbox, fire: Fire, value: Any) -> None:
    assert "ImportSettingsError: import_id is" in error_text(fire(started(value)))
    assert sum(sandbox.requests("thalamus").values()) == 0


def test_a_connection_of_another_type_sends_no_request(sandbox: Sandbox, fire: Fire) -> None:
    event = fire(started(sandbox.submit("thalamus", seconds=0), conn_type="clear"))
    assert "ImportSettingsError: Connection 'thalamus_default' is of type 'thalamus'" in error_text(event)
    assert sum(sandbox.requests("thalamus").values()) == 0
