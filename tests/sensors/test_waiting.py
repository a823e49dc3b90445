"""Waiting of a task: on its worker, deferred, or rescheduled."""

from __future__ import annotations

import json
import time
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_importstatus.exceptions import (
    AirflowRescheduleException,
    AirflowSensorTimeout,
    AirflowTaskTimeout,
    ImportFailedError,
    ImportNotFoundError,
    ImportUnavailableError,
)
from airflow_provider_importstatus.sandbox import Sandbox

from ..conftest import VENDORS, Connect
from .tasks import ENDLESS, TaskInstance, defer, resume, run, sensor

pytestmark = pytest.mark.usefixtures("connections")


def ago(seconds: float) -> TaskInstance:
    """Return a task instance that was first rescheduled this many seconds ago."""
    return TaskInstance(first_rescheduled=datetime.now(UTC) - timedelta(seconds=seconds))


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_worker_waits_until_the_import_is_over(sandbox: Sandbox, vendor: str) -> None:
    import_id = sandbox.submit(vendor, seconds=0.3, queued=0)
    before = sandbox.requests(vendor)["status"]
    assert run(sensor(f"{vendor}_default", import_id))["state"] == "succeeded"
    assert sandbox.requests(vendor)["status"] - before >= 2


def test_a_worker_needs_one_login_for_all_polls(sandbox: Sandbox) -> None:
    run(sensor("tao_advance_default", sandbox.submit("tao_advance", seconds=0.3)))
    assert sandbox.requests("tao_advance")["token"] == 1


@pytest.mark.parametrize("kind", ["503", "429", "drop", "cut", "garbage"])
def test_a_worker_tolerates_transient_errors(sandbox: Sandbox, kind: str) -> None:
    import_id = sandbox.submit("thalamus", seconds=0)
    sandbox.fault("thalamus", "status", kind, times=3)
    assert run(sensor(import_id=import_id))["state"] == "succeeded"


def test_a_timeout_on_a_worker_has_the_last_known_state(sandbox: Sandbox) -> None:
    with pytest.raises(AirflowSensorTimeout, match=r"is running.*at the vendor"):
        run(sensor(import_id=sandbox.submit("thalamus", **ENDLESS), timeout=0.2))


@pytest.mark.parametrize(("kind", "route"), [("slow", "status"), ("dribble", "status"), ("slow", "token")])
@pytest.mark.parametrize("mode", [{}, {"mode": "reschedule"}, {"deferrable": True}], ids=str)
@pytest.mark.usefixtures("short_last_poll")
def test_a_slow_answer_does_not_outlast_the_timeout_on_a_worker(
    sandbox: Sandbox, connect: Connect, kind: str, route: str, mode: dict[str, Any]
) -> None:
    connect("tao_advance", extra={"timeout": 3600})
    import_id = sandbox.submit("tao_advance", **ENDLESS)
    sandbox.fault("tao_advance", route, kind, times=None, seconds=1000)
    began = time.monotonic()
    with pytest.raises(AirflowSensorTimeout, match=r"latest poll failed: .* got no response: timed out"):
        run(sensor("tao_advance_default", import_id, timeout=0.4, **mode))
    assert 0.4 <= time.monotonic() - began < 5


def test_an_execution_timeout_on_a_worker_holds_if_airflows_interrupt_is_lost(sandbox: Sandbox) -> None:
    """Airflow raises an exception in whatever runs at the time: in a finalizer it is ignored."""
    import_id = sandbox.submit("thalamus", **ENDLESS)
    with pytest.raises(AirflowTaskTimeout, match="is running"):
        run(sensor(import_id=import_id, execution_timeout=timedelta(seconds=0.3)))


def test_an_execution_timeout_does_not_end_a_wait_between_reschedules(sandbox: Sandbox) -> None:
    import_id = sandbox.submit("thalamus", **ENDLESS)
    limits: dict[str, Any] = {"timeout": 100, "execution_timeout": timedelta(seconds=20)}
    with pytest.raises(AirflowRescheduleException):
        run(sensor(import_id=import_id, mode="reschedule", **limits), ago(50))


@pytest.mark.parametrize("end", ["succeeded", "partial", "failed"])
def test_a_finished_import_does_not_defer(sandbox: Sandbox, end: str) -> None:
    import_id = sandbox.submit("thalamus", ends=end, seconds=0)
    task = sensor(import_id=import_id, deferrable=True, on_partial="succeed")
    with pytest.raises(ImportFailedError) if end == "failed" else nullcontext():
        run(task)
    assert sandbox.requests("thalamus")["status"] == 1


def test_a_deferral_creates_the_trigger_of_the_wait(sandbox: Sandbox) -> None:
    import_id = sandbox.submit("clear", **ENDLESS)
    integration = sandbox.connections["clear_default"]["login"]
    task = sensor(
        "clear_default",
        import_id,
        hook_params={"integration_id": integration},
        deferrable=True,
        timeout=3600,
        poke_interval=20,
        max_wait=200,
        exponential_backoff=True,
        not_found_grace=timedelta(seconds=5),
        outage_tolerance=7,
    )
    now = time.time()
    deferred = defer(task)
    classpath, kwargs = deferred.trigger.serialize()
    assert classpath.endswith(".ImportStatusTrigger")
    assert json.loads(json.dumps(kwargs)) == kwargs
    assert (kwargs["conn_id"], kwargs["import_id"]) == ("clear_default", import_id)
    assert kwargs["hook_params"] == {"integration_id": integration}
    assert kwargs["deferred_at"] == pytest.approx(now, abs=3)
    wait = kwargs["wait"]
    assert wait["deadline"] == pytest.approx(now + 3600, abs=3)
    assert (wait["poke_interval"], wait["max_wait"], wait["exponential_backoff"]) == (20, 200, True)
    assert (wait["not_found_grace"], wait["outage_tolerance"]) == (5, 7)
    assert (wait["execution_deadline"], wait["last"]["state"]) == (None, "running")


def test_a_deferral_lasts_a_little_longer_than_the_wait(sandbox: Sandbox) -> None:
    task = sensor(import_id=sandbox.submit("thalamus", **ENDLESS), deferrable=True, timeout=3600)
    deferred = defer(task)
    assert deferred.method_name == "execute_complete"
    assert deferred.timeout is not None
    assert timedelta(seconds=3600) < deferred.timeout < timedelta(seconds=3900)


def test_a_deferral_is_limited_by_the_execution_timeout(sandbox: Sandbox) -> None:
    import_id = sandbox.submit("thalamus", **ENDLESS)
    task = sensor(
        import_id=import_id, deferrable=True, timeout=3600, execution_timeout=timedelta(seconds=600)
    )
    now = time.time()
    deferred = defer(task)
    _, kwargs = deferred.trigger.serialize()
    assert kwargs["wait"]["execution_deadline"] == pytest.approx(now + 600, abs=3)
    assert deferred.timeout is not None
    assert timedelta(seconds=600) < deferred.timeout < timedelta(seconds=900)


@pytest.mark.parametrize("kind", ["503", "drop", "garbage"])
def test_a_vendor_that_is_down_when_the_task_starts_is_waited_for(sandbox: Sandbox, kind: str) -> None:
    import_id = sandbox.submit("thalamus")
    sandbox.fault("thalamus", "status", kind, times=None)
    _, kwargs = defer(sensor(import_id=import_id, deferrable=True)).trigger.serialize()
    assert kwargs["wait"]["failing_since"] == pytest.approx(time.time(), abs=3)


def test_an_import_not_found_when_the_task_starts_is_waited_for(sandbox: Sandbox) -> None:
    import_id = sandbox.submit("thalamus", appears=1000)
    defer(sensor(import_id=import_id, deferrable=True))


def test_the_latest_status_is_written_before_the_task_defers(sandbox: Sandbox) -> None:
    ti = TaskInstance()
    import_id = sandbox.submit("thalamus", **ENDLESS)
    defer(sensor(import_id=import_id, deferrable=True, poke_interval=20, timeout=3600), ti)
    latest = ti.xcoms["import_status"]
    polled_at, next_poll_at = (datetime.fromisoformat(latest[name]) for name in ("polled_at", "next_poll_at"))
    assert (latest["state"], latest["import_id"]) == ("running", import_id)
    assert timedelta(seconds=15) < next_poll_at - polled_at < timedelta(seconds=25)


@pytest.mark.parametrize("mode", ["poke", "resumed"])
def test_the_latest_status_is_the_terminal_status_after_the_end(sandbox: Sandbox, mode: str) -> None:
    ti, import_id = TaskInstance(), sandbox.submit("thalamus", seconds=0)
    result = run(sensor(import_id=import_id), ti)
    if mode == "resumed":
        ti = TaskInstance()
        resume(sensor(import_id=import_id), {"v": 1, "status": result}, ti)
    latest = ti.xcoms["import_status"]
    assert {name: latest[name] for name in result} == result
    assert latest["next_poll_at"] is None


def test_without_a_task_instance_nothing_is_written(sandbox: Sandbox) -> None:
    task = sensor(import_id=sandbox.submit("thalamus", seconds=0))
    assert task.execute({})["state"] == "succeeded"


def test_a_task_is_rescheduled_after_at_least_ten_seconds(sandbox: Sandbox) -> None:
    import_id = sandbox.submit("thalamus", **ENDLESS)
    task, ti = sensor(import_id=import_id, mode="reschedule", poke_interval=1, timeout=3600), TaskInstance()
    now = datetime.now(UTC)
    with pytest.raises(AirflowRescheduleException) as rescheduled:
        run(task, ti)
    date = rescheduled.value.reschedule_date
    assert timedelta(seconds=10) <= date - now < timedelta(seconds=15)
    announced = datetime.fromisoformat(ti.xcoms["import_status"]["next_poll_at"])
    assert abs(date - announced) < timedelta(seconds=5)


def test_a_task_is_rescheduled_after_its_interval(sandbox: Sandbox) -> None:
    import_id = sandbox.submit("thalamus", **ENDLESS)
    task = sensor(import_id=import_id, mode="reschedule", poke_interval=60, timeout=3600)
    now = datetime.now(UTC)
    with pytest.raises(AirflowRescheduleException) as rescheduled:
        run(task)
    assert timedelta(seconds=55) <= rescheduled.value.reschedule_date - now <= timedelta(seconds=70)


def test_the_timeout_of_a_rescheduled_task_starts_with_its_first_poll(sandbox: Sandbox) -> None:
    import_id = sandbox.submit("thalamus", **ENDLESS)
    with pytest.raises(AirflowSensorTimeout, match="is running"):
        run(sensor(import_id=import_id, mode="reschedule", timeout=100), ago(101))


@pytest.mark.parametrize(("seconds", "error"), [(59, AirflowRescheduleException), (61, ImportNotFoundError)])
def test_the_grace_of_a_rescheduled_task_starts_with_its_first_poll(
    seconds: float, error: type[Exception]
) -> None:
    with pytest.raises(error):
        run(sensor(import_id="999", mode="reschedule", timeout=1000), ago(seconds))


def test_an_outage_of_a_rescheduled_task_is_limited_only_by_its_timeout(sandbox: Sandbox) -> None:
    import_id = sandbox.submit("thalamus", **ENDLESS)
    sandbox.fault("thalamus", "status", "503", times=None)
    with pytest.raises(AirflowRescheduleException):
        run(sensor(import_id=import_id, mode="reschedule", timeout=100_000), ago(50_000))


def test_deferral_wins_over_reschedule_mode(sandbox: Sandbox) -> None:
    import_id = sandbox.submit("thalamus", **ENDLESS)
    defer(sensor(import_id=import_id, mode="reschedule", deferrable=True))


def test_outage_tolerance_applies_on_a_worker(sandbox: Sandbox) -> None:
    import_id = sandbox.submit("thalamus")
    sandbox.fault("thalamus", "status", "503", times=None)
    began = time.monotonic()
    with pytest.raises(ImportUnavailableError):
        run(sensor(import_id=import_id, outage_tolerance=0.2))
    assert 0.2 <= time.monotonic() - began < 3
