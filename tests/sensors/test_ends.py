"""Outcomes of a task, which depend on the import or the error but not on the mode."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_importstatus.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
    ImportAuthError,
    ImportFailedError,
    ImportNotFoundError,
    ImportProtocolError,
    ImportRequestError,
    ImportStatusError,
    ImportUnavailableError,
)
from airflow_provider_importstatus.sandbox import Sandbox
from airflow_provider_importstatus.sensors.import_status import ImportStatusSensor

from ..conftest import VENDORS
from .tasks import ENDLESS, TaskInstance, defer, fired, resume, run, sensor

pytestmark = pytest.mark.usefixtures("connections")

#: Each unsuccessful end: the import, the vendor's error, the task's parameters, the exception, and whether
#: `soft_fail` makes a skip of it.
ENDS: dict[str, tuple[dict[str, Any], str | None, dict[str, Any], type[Exception], bool]] = {
    "failed": ({"ends": "failed", "seconds": 0}, None, {}, ImportFailedError, True),
    "cancelled": ({"ends": "cancelled", "seconds": 0}, None, {}, ImportFailedError, True),
    "partial": ({"ends": "partial", "seconds": 0}, None, {}, ImportFailedError, True),
    "not-found": ({"appears": 1000}, None, {"not_found_grace": 0.1}, ImportNotFoundError, True),
    "request": (ENDLESS, "422", {}, ImportRequestError, True),
    "timeout": (ENDLESS, None, {"timeout": 0.2}, AirflowSensorTimeout, True),
    "auth": (ENDLESS, "401", {}, ImportAuthError, False),
    "outage": (ENDLESS, "503", {"outage_tolerance": 0.1}, ImportUnavailableError, False),
    "protocol": (ENDLESS, "garbage", {"outage_tolerance": 0.1}, ImportProtocolError, False),
    "redirect": (ENDLESS, "redirect", {}, ImportProtocolError, False),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "neither": {},
    "soft_fail": {"soft_fail": True},
    "never_fail": {"never_fail": True},
}


def poked(sandbox: Sandbox, last_error: str | None, task: ImportStatusSensor) -> Any:
    if last_error:
        sandbox.fault("thalamus", "status", last_error, times=None)
    return run(task)


def resumed(sandbox: Sandbox, last_error: str | None, task: ImportStatusSensor) -> Any:
    """Defer a task with a healthy vendor and a new import, so that the trigger reports its end."""
    task.deferrable = True
    sandbox.fault("thalamus", "status", 503)
    deferred = defer(task)
    if last_error:
        sandbox.fault("thalamus", "status", last_error, times=None)
    return resume(task, fired(deferred.trigger))


@pytest.fixture(params=[poked, resumed], ids=["poke", "resumed"])
def ended(request: pytest.FixtureRequest, sandbox: Sandbox) -> Callable[..., Any]:
    """Run a task to its end, either on the worker or deferred."""

    def ended(scenario: dict[str, Any], last_error: str | None, **parameters: Any) -> Any:
        import_id = sandbox.submit("thalamus", **scenario)
        return request.param(sandbox, last_error, sensor(import_id=import_id, **parameters))

    return ended


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("end", ENDS)
def test_an_unsuccessful_end_is_the_same_in_every_mode(
    ended: Callable[..., Any], end: str, option: str
) -> None:
    scenario, last_error, parameters, error, is_softened = ENDS[end]
    is_skip = option == "never_fail" or (option == "soft_fail" and is_softened)
    with pytest.raises(AirflowException) as raised:
        ended(scenario, last_error, **parameters, **OPTIONS[option])
    assert type(raised.value) is (AirflowSkipException if is_skip else error)


@pytest.mark.parametrize(
    "error", dict.fromkeys(end[3] for end in ENDS.values()), ids=lambda error: error.__name__
)
def test_permanent_failures_are_not_retried(error: type[Exception]) -> None:
    final = {ImportFailedError, ImportNotFoundError, ImportRequestError}
    assert issubclass(error, AirflowException)
    assert issubclass(error, AirflowFailException) == (error in final)


@pytest.mark.parametrize(
    ("option", "error"), [("neither", AirflowTaskTimeout), ("soft_fail", AirflowTaskTimeout)]
)
def test_an_execution_timeout_while_deferred_raises_airflows_error(
    sandbox: Sandbox, option: str, error: type[BaseException]
) -> None:
    task = sensor(
        import_id=sandbox.submit("thalamus", **ENDLESS),
        deferrable=True,
        execution_timeout=timedelta(seconds=0.3),
        **OPTIONS[option],
    )
    with pytest.raises(error, match="is running"):
        resume(task, fired(defer(task).trigger))


def test_an_execution_timeout_is_a_skip_with_never_fail(sandbox: Sandbox) -> None:
    task = sensor(
        import_id=sandbox.submit("thalamus", **ENDLESS),
        deferrable=True,
        execution_timeout=timedelta(seconds=0.3),
        never_fail=True,
    )
    with pytest.raises(AirflowSkipException):
        resume(task, fired(defer(task).trigger))


@pytest.mark.parametrize(
    ("option", "error"), [("neither", AirflowSensorTimeout), ("soft_fail", AirflowSkipException)]
)
def test_a_trigger_timeout_raises_the_sensor_timeout(option: str, error: type[Exception]) -> None:
    task = sensor(deferrable=True, **OPTIONS[option])
    context: Any = {"ti": TaskInstance()}
    with pytest.raises(AirflowException) as raised:
        task.resume_execution("__fail__", {"error": "Trigger timeout"}, context)
    assert type(raised.value) is error


@pytest.mark.usefixtures("connections")
@pytest.mark.parametrize(
    ("limits", "error"),
    [
        ({"timeout": 60}, AirflowSensorTimeout),
        ({"timeout": 60, "execution_timeout": timedelta(seconds=90)}, AirflowSensorTimeout),
        ({"timeout": 60, "execution_timeout": timedelta(seconds=30)}, AirflowTaskTimeout),
    ],
)
def test_a_trigger_timeout_has_the_last_known_state(
    sandbox: Sandbox, limits: dict[str, Any], error: type[BaseException]
) -> None:
    task = sensor(deferrable=True, import_id=sandbox.submit("thalamus", **ENDLESS), **limits)
    ti = TaskInstance()
    defer(task, ti)
    context: Any = {"ti": ti}
    with pytest.raises(error, match="is running: vendor state 'PROCESSING'"):
        task.resume_execution("__fail__", {"error": "Trigger timeout"}, context)


@pytest.mark.parametrize(
    "event",
    [None, {}, "x", {"v": 1}, {"v": 2, "status": {}}, {"v": 1, "error": "x"}, {"v": 1, "status": None}],
    ids=repr,
)
def test_an_invalid_event_is_not_a_success(event: Any) -> None:
    with pytest.raises(ImportStatusError):
        resume(sensor(), event)


@pytest.mark.parametrize(
    ("changes", "fact"),
    [
        ({"vendor": None, "import_id": None, "state": None}, "lacks vendor, import_id, state"),
        ({"state": None}, "lacks state"),
        ({"rows": 5}, r"cannot be read \(AttributeError\)"),
        ({"stages": [{"stage": "x"}]}, r"cannot be read \(KeyError\)"),
        ({"vendor": 5}, r"cannot be read \("),
        ({"state": "running"}, r"is of an import that has not ended \(running\)"),
        ({"state": "archived"}, r"is of an import that has not ended \(unknown\)"),
    ],
)
def test_an_event_with_an_incomplete_status_says_what_it_lacks(changes: dict[str, Any], fact: str) -> None:
    status = {"vendor": "thalamus", "import_id": "7", "state": "succeeded", "vendor_state": "x", **changes}
    with pytest.raises(ImportProtocolError, match=f"^The status in the trigger's event {fact}"):
        resume(sensor(), {"v": 1, "status": status})


def test_an_event_with_an_empty_status_says_what_it_lacks() -> None:
    with pytest.raises(ImportProtocolError, match="lacks vendor, import_id, state"):
        resume(sensor(), {"v": 1, "status": {}})


def test_an_error_of_an_unknown_type_is_not_a_success() -> None:
    with pytest.raises(ImportStatusError, match="of a later release"):
        resume(sensor(), {"v": 1, "error": {"type": "SystemExit", "message": "of a later release"}})


def test_a_failure_names_the_import_and_the_reason(sandbox: Sandbox) -> None:
    import_id = sandbox.submit("tao_advance", ends="failed", seconds=0)
    with pytest.raises(ImportFailedError) as error:
        run(sensor("tao_advance_default", import_id))
    for fact in (import_id, "tao_advance", "failed", "The file could not be imported.", "not retried"):
        assert fact in str(error.value)


def test_a_partial_failure_names_the_parameters_that_accept_it(sandbox: Sandbox) -> None:
    import_id = sandbox.submit("thalamus", ends="partial", seconds=0)
    with pytest.raises(ImportFailedError, match=r"3 of 120 rows rejected.*on_partial='succeed'"):
        run(sensor(import_id=import_id))


@pytest.mark.parametrize(
    ("vendor", "parameters", "is_accepted"),
    [
        ("thalamus", {"on_partial": "succeed"}, True),
        ("thalamus", {"max_failed_rows": 3}, True),
        ("thalamus", {"max_failed_rows": 2}, False),
        ("thalamus", {"max_failed_rows": 2, "on_partial": "succeed"}, True),
        ("zilliant", {"max_failed_rows": 3}, True),
        # These vendors do not count rejected rows.
        ("tao_advance", {"max_failed_rows": 1000}, False),
        ("clear", {"max_failed_rows": 1000}, False),
        ("clear", {"on_partial": "succeed"}, True),
    ],
)
@pytest.mark.parametrize("mode", ["poke", "resumed"])
def test_a_partial_import_is_accepted_by_max_failed_rows_or_on_partial(
    sandbox: Sandbox, vendor: str, parameters: dict[str, Any], is_accepted: bool, mode: str
) -> None:
    import_id = sandbox.submit(vendor, ends="partial", seconds=0)
    task = sensor(f"{vendor}_default", import_id, **parameters)

    def end() -> Any:
        if mode == "poke":
            return run(task)
        task.deferrable = True
        sandbox.fault(vendor, "status", 503)
        return resume(task, fired(defer(task).trigger))

    if is_accepted:
        assert end()["state"] == "partial"
    else:
        with pytest.raises(ImportFailedError):
            end()


@pytest.mark.parametrize("option", OPTIONS)
def test_a_partial_import_is_skipped_if_on_partial_says_so(ended: Callable[..., Any], option: str) -> None:
    with pytest.raises(AirflowSkipException):
        ended({"ends": "partial", "seconds": 0}, None, on_partial="skip", **OPTIONS[option])


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_result_is_the_same_in_every_mode(sandbox: Sandbox, vendor: str) -> None:
    import_id = sandbox.submit(vendor, seconds=0, ends="partial")
    task = sensor(f"{vendor}_default", import_id, on_partial="succeed")
    result = run(task)
    task.deferrable = True
    sandbox.fault(vendor, "status", 503)
    assert resume(task, fired(defer(task).trigger)) == result
    assert run(sensor(f"{vendor}_default", import_id, on_partial="succeed", mode="reschedule")) == result
