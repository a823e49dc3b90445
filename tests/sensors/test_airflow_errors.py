"""Temporary errors of Airflow's API neither end a wait nor change its outcome."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_importstatus.exceptions import (
    AirflowRescheduleException,
    AirflowSensorTimeout,
    ImportFailedError,
    ImportNotFoundError,
    ImportSettingsError,
    ImportUnavailableError,
)
from airflow_provider_importstatus.sandbox import Sandbox

from ..conftest import Logged
from .tasks import ENDLESS, Connect, Store, TaskInstance, defer, fired, resume, run, sensor

pytestmark = pytest.mark.usefixtures("connections")

RESCHEDULE: dict[str, Any] = {"mode": "reschedule", "timeout": 100_000}
MODES: list[dict[str, Any]] = [{}, RESCHEDULE, {"deferrable": True}]


def out_of_reach() -> TaskInstance:
    """Return a task instance that cannot write XComs."""
    return TaskInstance(broken=("xcom_push",))


class TestUnavailableXComs:
    def test_a_poking_task_succeeds_without_xcoms(self, sandbox: Sandbox) -> None:
        import_id = sandbox.submit("thalamus", seconds=0.2, queued=0)
        assert run(sensor(import_id=import_id), out_of_reach())["state"] == "succeeded"

    def test_a_rescheduled_task_is_rescheduled_without_xcoms(self, sandbox: Sandbox) -> None:
        import_id = sandbox.submit("thalamus", **ENDLESS)
        with pytest.raises(AirflowRescheduleException):
            run(sensor(import_id=import_id, **RESCHEDULE), out_of_reach())

    def test_a_deferrable_task_defers_without_xcoms(self, sandbox: Sandbox) -> None:
        defer(sensor(import_id=sandbox.submit("thalamus", **ENDLESS), deferrable=True), out_of_reach())

    def test_a_resumed_task_succeeds_without_xcoms(self, sandbox: Sandbox) -> None:
        import_id = sandbox.submit("thalamus", seconds=0)
        result = run(sensor(import_id=import_id))
        task = sensor(import_id=import_id)
        assert resume(task, {"v": 1, "status": result}, out_of_reach()) == result

    def test_a_failed_import_fails_the_task_without_xcoms(self, sandbox: Sandbox) -> None:
        import_id = sandbox.submit("thalamus", ends="failed", seconds=0)
        with pytest.raises(ImportFailedError):
            run(sensor(import_id=import_id), out_of_reach())

    def test_the_log_has_only_the_class_of_the_xcom_error(self, sandbox: Sandbox, logged: Logged) -> None:
        run(sensor(import_id=sandbox.submit("thalamus", seconds=0)), out_of_reach())
        text = "".join(logged())
        assert "The XCom import_status could not be written: ConnectionError" in text
        assert "hunter2" not in text

    @pytest.mark.parametrize(
        "latest",
        [None, "text", {}, {"import_id": "7"}, {"import_id": "7", "state": "no state", "vendor": 1}],
        ids=repr,
    )
    def test_a_timeout_is_raised_whatever_the_xcom_contains(self, latest: Any) -> None:
        context: Any = {"ti": TaskInstance(xcoms={"import_status": latest})}
        with pytest.raises(AirflowSensorTimeout):
            sensor(deferrable=True).resume_execution("__fail__", {"error": "Trigger timeout"}, context)

    def test_a_timeout_is_raised_without_xcoms(self) -> None:
        context: Any = {"ti": TaskInstance(broken=("xcom_pull",))}
        with pytest.raises(AirflowSensorTimeout):
            sensor(deferrable=True).resume_execution("__fail__", {"error": "Trigger timeout"}, context)


class TestAConnectionThatCannotBeRead:
    @pytest.fixture
    def unreadable(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
        """Make the next reads of a connection fail because Airflow's API is unreachable."""

        def unreadable(times: int) -> None:
            left, read = iter(range(times)), BaseHook.get_connection

            def get_connection(conn_id: str) -> Any:
                if next(left, None) is not None:
                    raise ConnectionError("hunter2 at the API's address")
                return read(conn_id)

            monkeypatch.setattr(BaseHook, "get_connection", get_connection)

        return unreadable

    def test_a_poking_task_retries_an_unreadable_connection(
        self, sandbox: Sandbox, unreadable: Callable[[int], None]
    ) -> None:
        unreadable(3)
        task = sensor(import_id=sandbox.submit("thalamus", seconds=0))
        assert run(task)["state"] == "succeeded"

    def test_a_deferrable_task_defers_with_an_unreadable_connection(
        self, sandbox: Sandbox, unreadable: Callable[[int], None]
    ) -> None:
        unreadable(1)
        task = sensor(import_id=sandbox.submit("thalamus", seconds=0), deferrable=True)
        deferred = defer(task)
        wait = deferred.trigger.serialize()[1]["wait"]
        assert wait["failing_since"] is not None
        assert "cannot be read: ConnectionError" in wait["last_error"]
        assert resume(task, fired(deferred.trigger))["state"] == "succeeded"

    def test_a_rescheduled_task_is_rescheduled_with_an_unreadable_connection(
        self, sandbox: Sandbox, unreadable: Callable[[int], None]
    ) -> None:
        unreadable(1)
        with pytest.raises(AirflowRescheduleException):
            run(sensor(import_id=sandbox.submit("thalamus", seconds=0), **RESCHEDULE))

    @pytest.mark.parametrize("mode", MODES, ids=str)
    def test_an_unreadable_connection_is_an_outage_in_every_mode(
        self, unreadable: Callable[[int], None], mode: dict[str, Any]
    ) -> None:
        unreadable(1000)
        with pytest.raises(ImportUnavailableError, match="outage_tolerance is 0 s"):
            run(sensor(outage_tolerance=0, **mode))

    @pytest.mark.parametrize("mode", MODES, ids=str)
    def test_a_missing_connection_is_not_an_outage(self, mode: dict[str, Any]) -> None:
        with pytest.raises(ImportSettingsError):
            run(sensor("not_there", **mode))

    @pytest.mark.parametrize("mode", MODES, ids=str)
    def test_a_connection_of_another_type_is_not_an_outage(
        self, connect: Connect, mode: dict[str, Any]
    ) -> None:
        connect("clear", "elsewhere")
        task: Any = sensor("elsewhere", **mode)
        task.conn_type = "thalamus"
        with pytest.raises(ImportSettingsError, match="'clear'"):
            run(task)


def ago(seconds: float, **more: Any) -> TaskInstance:
    """Return a task instance that was first rescheduled this many seconds ago."""
    return TaskInstance(first_rescheduled=datetime.now(UTC) - timedelta(seconds=seconds), **more)


def rescheduled(import_id: str, ti: TaskInstance, store: Store | None, **more: Any) -> None:
    """Run a task that polls once and is rescheduled."""
    with pytest.raises(AirflowRescheduleException):
        run(sensor(import_id=import_id, **RESCHEDULE, **more), ti, store)


def later(store: Store, seconds: float) -> None:
    """Move the stored times into the past."""
    (kept,) = store.values.values()
    for name in ("failing_since", "away_until"):
        if kept[name] is not None:
            kept[name] -= seconds


class TestARescheduledTask:
    """Each poll is a separate process. They share their memory through the task state store."""

    @pytest.fixture
    def down(self, sandbox: Sandbox) -> str:
        """Return the id of an import at a vendor that is down."""
        sandbox.fault("thalamus", "status", "503", times=None)
        return "7"

    @pytest.fixture
    def running(self, sandbox: Sandbox) -> str:
        """Return the id of an import that never ends."""
        return sandbox.submit("thalamus", import_id="7", **ENDLESS)

    def test_an_outage_continues_across_reschedules(self, down: str) -> None:
        store = Store()
        rescheduled(down, TaskInstance(), store)
        later(store, 800)
        rescheduled(down, ago(800), store)
        later(store, 101)
        with pytest.raises(ImportUnavailableError, match="outage_tolerance is 900 s"):
            run(sensor(import_id=down, **RESCHEDULE), ago(901), store)

    def test_an_answer_ends_an_outage_across_reschedules(self, sandbox: Sandbox, running: str) -> None:
        store = Store()
        sandbox.fault("thalamus", "status", "503", times=1)
        rescheduled(running, TaskInstance(), store)
        later(store, 800)
        rescheduled(running, ago(800), store)
        sandbox.fault("thalamus", "status", "503", times=None)
        rescheduled(running, ago(1000), store)

    def test_an_import_found_by_an_earlier_poll_is_waited_for(self, sandbox: Sandbox, running: str) -> None:
        store = Store()
        rescheduled(running, TaskInstance(), store)
        sandbox.reset()
        rescheduled(running, ago(500), store)
        later(store, 901)
        with pytest.raises(ImportNotFoundError, match="found earlier in this wait"):
            run(sensor(import_id=running, **RESCHEDULE), ago(1401), store)

    def test_a_credential_accepted_by_an_earlier_poll_may_be_rejected(
        self, sandbox: Sandbox, running: str
    ) -> None:
        store = Store()
        rescheduled(running, TaskInstance(), store)
        sandbox.fault("thalamus", "status", "401", times=None)
        rescheduled(running, ago(500), store)

    def test_unchanged_memory_is_not_written_again(self, running: str) -> None:
        store = Store()
        rescheduled(running, TaskInstance(), store)
        for minutes in (1, 2, 3):
            rescheduled(running, ago(60 * minutes), store)
        assert store.writes == 1

    @pytest.mark.parametrize(
        ("import_id", "ti"),
        [
            pytest.param("7", ago(60, try_number=2), id="another try"),
            pytest.param("7", TaskInstance(try_number=1), id="a first poll"),
            pytest.param("8", ago(60), id="another import"),
        ],
    )
    def test_a_new_try_does_not_reuse_the_memory(self, down: str, import_id: str, ti: TaskInstance) -> None:
        store = Store()
        rescheduled(down, TaskInstance(), store)
        later(store, 901)
        rescheduled(import_id, ti, store)
        (kept,) = store.values.values()
        assert (kept["import_id"], kept["try_number"]) == (import_id, ti.try_number)

    @pytest.mark.parametrize("kept", [None, "text", [], {}, {"try_number": 1, "import_id": "7", "seen": 3}])
    def test_an_invalid_stored_memory_is_ignored(self, down: str, kept: Any) -> None:
        rescheduled(down, ago(60), Store({"importstatus_wait": kept}))

    @pytest.mark.parametrize(("broken", "ti"), [("get", ago(60)), ("set", TaskInstance(try_number=2))])
    def test_an_unreachable_store_is_logged_and_ignored(
        self, down: str, logged: Logged, broken: str, ti: TaskInstance
    ) -> None:
        store = Store()
        rescheduled(down, TaskInstance(), store)
        before, store.broken = json.dumps(store.values), (broken,)
        rescheduled(down, ti, store)
        lines = [line for line in logged() if "task state store" in line]
        assert ["ConnectionError" in line for line in lines] == [True]
        assert "hunter2" not in lines[0]
        assert json.dumps(store.values) == before

    def test_without_a_store_only_the_timeout_ends_an_outage(self, down: str) -> None:
        """As before Airflow 3.3."""
        rescheduled(down, ago(50_000), None)

    def test_an_unavailable_first_reschedule_date_keeps_the_stored_memory(
        self, down: str, logged: Logged
    ) -> None:
        store = Store()
        rescheduled(down, TaskInstance(), store)
        before = json.dumps(store.values)
        rescheduled(down, ago(60, broken=("get_first_reschedule_date",)), store)
        assert "The start of the wait cannot be read: ConnectionError" in "".join(logged())
        assert json.dumps(store.values) == before

    def test_an_execution_timeout_limits_each_poll_only(self, running: str) -> None:
        rescheduled(running, ago(3600), Store(), execution_timeout=timedelta(seconds=30))
