"""`poke`: one poll, as users of Airflow's sensors call, override and patch it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import PokeReturnValue

from airflow_provider_importstatus.exceptions import (
    AirflowRescheduleException,
    AirflowSensorTimeout,
    AirflowSkipException,
    ImportFailedError,
    ImportSettingsError,
    ImportUnavailableError,
)
from airflow_provider_importstatus.sandbox import Sandbox
from airflow_provider_importstatus.sensors.import_status import ImportStatusSensor

from .tasks import ENDLESS, run, sensor

pytestmark = pytest.mark.usefixtures("connections")


def poke(task: ImportStatusSensor) -> Any:
    context: Any = {}
    return task.poke(context)


@pytest.mark.parametrize("mode", [{}, {"mode": "reschedule"}, {"deferrable": True}], ids=str)
def test_an_import_that_goes_on_is_not_done(sandbox: Sandbox, mode: dict[str, Any]) -> None:
    task = sensor(import_id=sandbox.submit("thalamus", **ENDLESS), **mode)
    assert not poke(task)
    assert not poke(task)


def test_a_finished_import_is_done_and_its_status_is_the_value(sandbox: Sandbox) -> None:
    done = poke(sensor(import_id=sandbox.submit("thalamus", seconds=0)))
    assert done
    assert done.xcom_value["state"] == "succeeded"


@pytest.mark.parametrize(
    ("end", "policy", "error"),
    [
        pytest.param("failed", {}, ImportFailedError, id="failed"),
        pytest.param("partial", {}, ImportFailedError, id="partial"),
        pytest.param("partial", {"on_partial": "skip"}, AirflowSkipException, id="partial, skipped"),
    ],
)
def test_a_refused_end_is_raised(
    sandbox: Sandbox, end: str, policy: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        poke(sensor(import_id=sandbox.submit("thalamus", ends=end, seconds=0), **policy))


def test_an_accepted_partial_import_is_done(sandbox: Sandbox) -> None:
    import_id = sandbox.submit("thalamus", ends="partial", seconds=0)
    assert poke(sensor(import_id=import_id, on_partial="succeed")).xcom_value["state"] == "partial"


def test_a_transient_error_is_not_an_end(sandbox: Sandbox) -> None:
    task = sensor(import_id=sandbox.submit("thalamus", seconds=0))
    sandbox.fault("thalamus", "status", "503", times=1)
    assert not poke(task)
    assert poke(task)


def test_an_outage_beyond_its_tolerance_is_raised(sandbox: Sandbox) -> None:
    task = sensor(import_id=sandbox.submit("thalamus", seconds=0), outage_tolerance=0)
    sandbox.fault("thalamus", "status", "503", times=1)
    with pytest.raises(ImportUnavailableError, match="outage_tolerance"):
        poke(task)


def test_an_invalid_import_id_is_raised() -> None:
    with pytest.raises(ImportSettingsError, match="import_id"):
        poke(sensor(import_id=""))


def test_all_pokes_of_a_sensor_need_one_login(sandbox: Sandbox) -> None:
    task = sensor("tao_advance_default", sandbox.submit("tao_advance", **ENDLESS))
    assert [bool(poke(task)) for _ in range(3)] == [False] * 3
    assert sandbox.requests("tao_advance")["token"] == 1


def test_a_sensor_can_be_copied_after_a_poke(sandbox: Sandbox) -> None:
    """As Airflow does for parts of a DAG."""
    task = sensor(import_id=sandbox.submit("thalamus", seconds=0))
    poke(task)
    assert poke(copy.deepcopy(task))


class Patient(ImportStatusSensor):
    """A sensor that polls the vendor at its second poke only."""

    pokes = 0

    def poke(self, context: Any) -> Any:
        self.pokes += 1
        return super().poke(context) if self.pokes > 1 else False


def patient(import_id: str, **more: Any) -> Patient:
    usual = {"poke_interval": 0.05, "exponential_backoff": False, "timeout": 10}
    return Patient(task_id="wait", conn_id="thalamus_default", import_id=import_id, **{**usual, **more})


def test_an_overridden_poke_is_called_for_each_poll_on_a_worker(sandbox: Sandbox) -> None:
    task = patient(sandbox.submit("thalamus", seconds=0))
    assert run(task)["state"] == "succeeded"
    assert task.pokes == 2


def test_an_overridden_poke_is_called_before_a_task_is_rescheduled(sandbox: Sandbox) -> None:
    task = patient(sandbox.submit("thalamus", seconds=0), mode="reschedule")
    with pytest.raises(AirflowRescheduleException):
        run(task)
    assert task.pokes == 1
    assert run(task)["state"] == "succeeded"


def test_a_wait_that_never_polls_ends_with_its_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImportStatusSensor, "poke", lambda *_: False)
    with pytest.raises(AirflowSensorTimeout, match="timeout has expired"):
        run(sensor(timeout=0.2))


@pytest.mark.parametrize("mode", [{}, {"mode": "reschedule"}, {"deferrable": True}], ids=str)
def test_a_patched_poke_ends_the_wait_without_a_connection(
    monkeypatch: pytest.MonkeyPatch, mode: dict[str, Any]
) -> None:
    """As in tests of DAGs."""
    monkeypatch.setattr(ImportStatusSensor, "poke", lambda *_: PokeReturnValue(True, "a result"))
    assert run(sensor("no_such_connection", **mode)) == "a result"
