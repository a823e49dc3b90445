"""Which XComs a trigger writes, and when."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_importstatus.sandbox import Sandbox
from airflow_provider_importstatus.triggers import import_status as module
from airflow_provider_importstatus.triggers.import_status import ImportStatusTrigger

from .waits import ENDLESS, SOON, initial_state

pytestmark = pytest.mark.usefixtures("connections")

RATE = "AIRFLOW__IMPORTSTATUS__STATUS_WRITES_PER_SECOND"


class XComs:
    """Airflow's XComs, in place of its API."""

    def __init__(self) -> None:
        self.writes: list[tuple[str, str, Any]] = []
        self.fails = 0
        #: Writes return only while it is set.
        self.responds = threading.Event()
        self.responds.set()

    def set(self, *, task_id: str, key: str, value: Any, **_: Any) -> None:
        self.responds.wait(20)
        if self.fails:
            self.fails -= 1
            raise ConnectionError
        self.writes.append((task_id, key, value))

    def states(self, task_id: str = "wait") -> list[str]:
        """Return the state in each status written."""
        return [v["state"] for task, key, v in self.writes if (task, key) == (task_id, "import_status")]

    def keys(self, task_id: str = "wait") -> list[str]:
        return [key for task, key, _ in self.writes if task == task_id]


@pytest.fixture
def xcoms(monkeypatch: pytest.MonkeyPatch) -> Iterator[XComs]:
    xcoms = XComs()
    monkeypatch.setattr(module, "XCom", xcoms)
    yield xcoms
    xcoms.responds.set()


def wait(vendor: str, import_id: str, task_id: str = "wait", **more: Any) -> ImportStatusTrigger:
    """Return the trigger of a task's wait that ends without a worker.

    `more` takes the arguments of `initial_state`, and `do_xcom_push`.
    """
    do_xcom_push = more.pop("do_xcom_push", True)
    trigger = ImportStatusTrigger(
        conn_id=f"{vendor}_default",
        import_id=import_id,
        wait=initial_state(**more),
        # Long enough ago that the event need not be held back.
        deferred_at=time.time() - 60,
        end_from_trigger=True,
        do_xcom_push=do_xcom_push,
    )
    names: dict[str, Any] = {"dag_id": "a_dag", "task_id": task_id, "run_id": "a_run", "map_index": -1}
    trigger.task_instance = SimpleNamespace(**names, task=None)  # type: ignore[assignment]
    return trigger


def run(*triggers: ImportStatusTrigger) -> None:
    """Run triggers beside each other in one event loop, as a triggerer does."""

    async def events(trigger: ImportStatusTrigger) -> None:
        async for _ in trigger.run():
            pass

    async def all_of_them() -> None:
        async with asyncio.timeout(20):
            await asyncio.gather(*map(events, triggers))

    asyncio.run(all_of_them())


def test_an_uneventful_wait_writes_three_xcoms(sandbox: Sandbox, xcoms: XComs) -> None:
    run(wait("thalamus", sandbox.submit("thalamus", seconds=1, queued=0)))
    assert sandbox.requests("thalamus")["status"] > 5
    assert xcoms.keys() == ["import_status", "import_status", "return_value"]
    assert xcoms.states() == ["running", "succeeded"]
    first, last = (value for _, key, value in xcoms.writes if key == "import_status")
    assert first["next_poll_at"]
    assert last["next_poll_at"] is None


def test_a_new_state_is_written_at_once(sandbox: Sandbox, xcoms: XComs, monkeypatch: Any) -> None:
    monkeypatch.setenv(RATE, "1000")
    run(wait("thalamus", sandbox.submit("thalamus", seconds=3, queued=1.5)))
    assert xcoms.states() == ["queued", "running", "succeeded"]


def test_the_statuses_of_all_waits_share_a_budget(
    sandbox: Sandbox, xcoms: XComs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RATE, "0.01")
    imports = [sandbox.submit("thalamus", seconds=1, queued=0) for _ in range(10)]
    run(*(wait("thalamus", import_id, f"wait_{import_id}") for import_id in imports))
    written = [xcoms.states(f"wait_{import_id}") for import_id in imports]
    assert sorted(written) == [["running", "succeeded"], *[["succeeded"]] * 9]


def test_a_wait_that_ends_leaves_no_older_status_to_be_written(
    sandbox: Sandbox, xcoms: XComs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second wait is in the queue when it ends, and the first goes on until its turn would have come."""
    monkeypatch.setenv(RATE, "2")
    first = wait("thalamus", sandbox.submit("thalamus", seconds=1.5, queued=0), "first")
    second = wait("thalamus", sandbox.submit("thalamus", **SOON), "second")
    run(first, second)
    assert xcoms.states("first")[-1] == "succeeded"
    assert xcoms.states("second")[-1] == "succeeded"


def test_a_status_that_could_not_be_written_is_written_later(
    sandbox: Sandbox, xcoms: XComs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RATE, "1000")
    xcoms.fails = 3
    run(wait("thalamus", sandbox.submit("thalamus", seconds=1, queued=0)))
    assert xcoms.states() == ["running", "succeeded"]


def test_a_worker_has_written_the_status_with_which_it_deferred(sandbox: Sandbox, xcoms: XComs) -> None:
    import_id = sandbox.submit("tao_advance", seconds=0.6, queued=0)
    last = {"vendor": "tao_advance", "import_id": import_id, "state": "running", "vendor_state": "pending"}
    run(wait("tao_advance", import_id, last=last))
    assert xcoms.states() == ["succeeded"]


def test_the_last_status_before_the_timeout_is_written(sandbox: Sandbox, xcoms: XComs) -> None:
    run(wait("thalamus", sandbox.submit("thalamus", **ENDLESS), lasts=0.5))
    assert xcoms.keys() == ["import_status", "import_status"]
    assert xcoms.writes[-1][2]["next_poll_at"] is None


@pytest.mark.usefixtures("short_last_poll")
def test_a_write_that_does_not_return_does_not_delay_the_timeout(
    sandbox: Sandbox, xcoms: XComs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second wait is in line behind the write of the first."""
    monkeypatch.setattr(module, "MAX_LAST_WRITE", 0.2)
    xcoms.responds.clear()
    names = ("first", "second")
    waits = [wait("thalamus", sandbox.submit("thalamus", **ENDLESS), name, lasts=0.3) for name in names]
    began = time.monotonic()
    run(*waits)
    assert time.monotonic() - began < 5
    assert xcoms.writes == []


def test_a_task_without_xcoms_writes_none(sandbox: Sandbox, xcoms: XComs) -> None:
    run(wait("thalamus", sandbox.submit("thalamus", **SOON), do_xcom_push=False))
    assert xcoms.writes == []
