"""`cancel_on_kill`: what a killed task does to its import, on a worker and in a triggerer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import BaseHook, XCom

from airflow_provider_importstatus.exceptions import AirflowRescheduleException, ImportSettingsError
from airflow_provider_importstatus.sandbox import Sandbox
from airflow_provider_importstatus.triggers.import_status import ImportStatusTrigger
from airflow_provider_importstatus.version_compat import is_airflow

from ..conftest import Logged
from .tasks import ENDLESS, Store, TaskInstance, defer, run, sensor

pytestmark = pytest.mark.usefixtures("connections")

VENDOR = "thalamus"


def waiting(sandbox: Sandbox, **more: Any) -> Any:
    """Return a task that has polled once."""
    task = sensor(import_id=sandbox.submit(VENDOR, **ENDLESS), **{"cancel_on_kill": True, **more})
    context: Any = {}
    assert not task.poke(context)
    return task


def phases(sandbox: Sandbox) -> list[str]:
    return [one["phase"] for one in sandbox.imports(VENDOR)]


def test_a_killed_worker_cancels_its_import_once(sandbox: Sandbox, logged: Logged) -> None:
    task = waiting(sandbox)
    task.on_kill()
    task.on_kill()
    assert phases(sandbox) == ["cancelled"]
    assert sandbox.requests(VENDOR)["cancel"] == 1
    assert "was cancelled at the vendor" in "".join(logged())


@pytest.mark.parametrize("form", [int, lambda import_id: f" {import_id}\n"], ids=["int", "with spaces"])
def test_the_import_that_is_polled_is_cancelled(
    sandbox: Sandbox, logged: Logged, form: Callable[[str], Any]
) -> None:
    task = waiting(sandbox)
    import_id = task.import_id
    task.import_id = form(import_id)
    task.on_kill()
    assert phases(sandbox) == ["cancelled"]
    assert any(f"import {import_id} was cancelled at the vendor" in line for line in logged())


def test_without_the_parameter_nothing_is_cancelled(sandbox: Sandbox) -> None:
    waiting(sandbox, cancel_on_kill=False).on_kill()
    assert phases(sandbox) == ["running"]


def test_a_task_that_has_not_polled_cancels_nothing(sandbox: Sandbox) -> None:
    sensor(import_id=sandbox.submit(VENDOR, **ENDLESS), cancel_on_kill=True).on_kill()
    assert phases(sandbox) == ["running"]


def test_an_import_that_has_ended_is_not_cancelled(sandbox: Sandbox) -> None:
    task = sensor(import_id=sandbox.submit(VENDOR, seconds=0), cancel_on_kill=True)
    assert run(task)["state"] == "succeeded"
    task.on_kill()
    assert sandbox.requests(VENDOR)["cancel"] == 0


def test_a_kill_calls_airflow_for_nothing(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The signal may have interrupted such a call, which would then never end."""
    task = waiting(sandbox)
    task._hook._reading = task._hook._reading.__class__(
        task._hook.settings, task._hook.credentials, read_at=-1e9
    )

    def fail(conn_id: str) -> None:
        raise AssertionError(f"{conn_id} was read.")

    monkeypatch.setattr(BaseHook, "get_connection", fail)
    task.on_kill()
    assert phases(sandbox) == ["cancelled"]


def test_a_failed_cancellation_is_logged_only(sandbox: Sandbox, logged: Logged) -> None:
    task = waiting(sandbox)
    sandbox.fault(VENDOR, "cancel", "500")
    task.on_kill()
    assert "could not be cancelled" in "".join(logged())


def test_a_vendor_that_cannot_cancel_is_refused_when_the_task_starts(sandbox: Sandbox) -> None:
    import_id = sandbox.submit("tao_advance", **ENDLESS)
    with pytest.raises(ImportSettingsError, match="TAO Advance cannot cancel imports"):
        run(sensor("tao_advance_default", import_id, cancel_on_kill=True))
    assert sandbox.requests("tao_advance")["status"] == 0


@pytest.mark.parametrize("is_first", [True, False], ids=["first poll", "next poll"])
def test_between_reschedules_it_has_no_effect_and_says_so_once(
    sandbox: Sandbox, logged: Logged, is_first: bool
) -> None:
    task = sensor(import_id=sandbox.submit(VENDOR, **ENDLESS), cancel_on_kill=True, mode="reschedule")
    ti = TaskInstance(first_rescheduled=None if is_first else datetime.now(UTC))
    with pytest.raises(AirflowRescheduleException):
        run(task, ti, Store())
    assert sum("no effect between the polls" in line for line in logged()) == is_first


def test_in_older_triggerers_it_has_no_effect_and_says_so(sandbox: Sandbox, logged: Logged) -> None:
    defer(sensor(import_id=sandbox.submit(VENDOR, **ENDLESS), cancel_on_kill=True, deferrable=True))
    is_told = "it needs Airflow 3.3" in "".join(logged())
    assert is_told is not is_airflow(3, 3)


@pytest.mark.skipif(not is_airflow(3, 3), reason="Airflow calls on_kill from 3.3 on")
@pytest.mark.parametrize(
    ("state", "phase"),
    [
        ("failed", "cancelled"),
        ("success", "cancelled"),
        ("skipped", "cancelled"),
        ("deferred", "running"),
        ("scheduled", "running"),
        ("running", "running"),
        (None, "running"),
    ],
)
def test_a_trigger_cancels_only_if_the_task_was_ended(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, state: str | None, phase: str
) -> None:
    task = sensor(import_id=sandbox.submit(VENDOR, **ENDLESS), cancel_on_kill=True, deferrable=True)
    trigger = defer(task).trigger
    kill(trigger, state, monkeypatch)
    assert phases(sandbox) == [phase]


@pytest.mark.skipif(not is_airflow(3, 3), reason="Airflow calls on_kill from 3.3 on")
@pytest.mark.parametrize("lasts", [0.2, 1000.0], ids=["timeout expired", "import ended"])
def test_a_trigger_cancels_nothing_if_the_wait_has_ended_in_another_triggerer(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, lasts: float
) -> None:
    # A triggerer that goes on after a pause is told to give up triggers that another one has taken over.
    is_timeout = lasts < 1
    import_id = sandbox.submit(VENDOR, **(ENDLESS if is_timeout else {"seconds": 0}))
    now = time.time()
    trigger = ImportStatusTrigger(
        f"{VENDOR}_default",
        import_id,
        wait={"first_poll_at": now - 10, "deadline": now - 10 + lasts},
        deferred_at=now - 10,
        cancel_on_kill=True,
    )
    kill(trigger, "failed" if is_timeout else "success", monkeypatch)
    assert sandbox.requests(VENDOR)["cancel"] == 0


@pytest.mark.skipif(not is_airflow(3, 3), reason="Airflow calls on_kill from 3.3 on")
@pytest.mark.parametrize("is_pulled", [False, True], ids=["id", "XCom"])
def test_a_zero_worker_wait_cancels_before_its_first_poll(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, is_pulled: bool
) -> None:
    """After a takeover, a triggerer needs a while until it polls."""
    import_id = sandbox.submit(VENDOR, **ENDLESS)
    monkeypatch.setattr(XCom, "get_one", lambda **_: import_id)
    given = {"task_id": "submit", "key": "return_value"} if is_pulled else import_id
    kill(ImportStatusTrigger(f"{VENDOR}_default", given, cancel_on_kill=True), "failed", monkeypatch)
    assert phases(sandbox) == ["cancelled"]


@pytest.mark.skipif(not is_airflow(3, 3), reason="Airflow calls on_kill from 3.3 on")
def test_an_id_that_cannot_be_read_cancels_nothing(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, logged: Logged
) -> None:
    trigger = ImportStatusTrigger(f"{VENDOR}_default", "", cancel_on_kill=True)
    kill(trigger, "failed", monkeypatch)
    assert sandbox.requests(VENDOR)["cancel"] == 0
    assert "The import could not be cancelled: import_id is " in "".join(logged())


def kill(trigger: Any, state: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Call a trigger's `on_kill` when its task has this state."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    def states(**where: Any) -> dict[str, dict[str, str | None]]:
        assert where == {"dag_id": "a_dag", "task_ids": ["wait"], "run_ids": ["a_run"], "map_index": -1}
        return {"a_run": {"wait": state}} if state else {}

    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", staticmethod(states))
    trigger.task_instance = TaskInstance()
    asyncio.run(trigger.on_kill())
