from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from itertools import pairwise
from typing import Any

import pytest

from airflow_provider_importstatus.clients import status_queue as module
from airflow_provider_importstatus.clients.status_queue import StatusQueue, status_queue

task_log = ContextVar("task_log", default="nobody's")


class Written:
    """The waits that had their turn, and when."""

    def __init__(self) -> None:
        self.waits: list[str] = []
        self.times: list[float] = []
        self.changed = asyncio.Event()

    def by(self, wait: str) -> Callable[[], Coroutine[Any, Any, None]]:
        async def write() -> None:
            self.waits.append(wait)
            self.times.append(asyncio.get_running_loop().time())
            self.changed.set()

        return write

    async def when(self, count: int) -> list[str]:
        async with asyncio.timeout(10):
            while len(self.waits) < count:
                await self.changed.wait()
                self.changed.clear()
        return self.waits


@pytest.fixture
def written() -> Written:
    return Written()


def test_the_first_status_is_written_at_once(written: Written) -> None:
    async def run() -> None:
        StatusQueue(0.001).put("a", written.by("a"), has_new_state=False)
        assert await written.when(1) == ["a"]

    asyncio.run(run())


def test_writes_keep_their_distance(written: Written) -> None:
    async def run() -> None:
        queue = StatusQueue(20)
        for wait in "abcd":
            queue.put(wait, written.by(wait), has_new_state=True)
        assert await written.when(4) == list("abcd")
        # Emptied, and filled again before the distance is over.
        queue.put("e", written.by("e"), has_new_state=True)
        await written.when(5)

    asyncio.run(run())
    assert all(later - earlier >= 0.049 for earlier, later in pairwise(written.times))


def test_new_states_are_written_first(written: Written) -> None:
    async def run() -> None:
        queue = StatusQueue(50)
        for wait, has_new_state in {"a": False, "b": False, "c": True, "d": False, "e": True}.items():
            queue.put(wait, written.by(wait), has_new_state=has_new_state)
        assert await written.when(5) == list("ceabd")

    asyncio.run(run())


def test_a_wait_has_one_turn_and_keeps_its_place(written: Written) -> None:
    async def run() -> None:
        queue = StatusQueue(50)
        for wait in "abaab":
            queue.put(wait, written.by(wait), has_new_state=False)
        assert len(queue) == 2
        assert await written.when(2) == ["a", "b"]
        await asyncio.sleep(0.1)

    asyncio.run(run())
    assert written.waits == ["a", "b"]


def test_a_wait_moves_up_when_its_state_changes_and_stays_there(written: Written) -> None:
    async def run() -> None:
        queue = StatusQueue(50)
        for wait in "abc":
            queue.put(wait, written.by(wait), has_new_state=False)
        queue.put("c", written.by("c"), has_new_state=True)
        queue.put("c", written.by("c"), has_new_state=False)
        assert await written.when(3) == ["c", "a", "b"]

    asyncio.run(run())


def test_a_dropped_wait_is_not_written(written: Written) -> None:
    async def run() -> None:
        queue = StatusQueue(50)
        for wait in "abc":
            queue.put(wait, written.by(wait), has_new_state=wait == "a")
        for wait in "abx":
            queue.drop(wait)
        assert await written.when(1) == ["c"]
        assert len(queue) == 0

    asyncio.run(run())


def test_all_waits_may_be_dropped_while_the_queue_pauses(written: Written) -> None:
    async def run() -> None:
        queue = StatusQueue(20)
        for wait in "ab":
            queue.put(wait, written.by(wait), has_new_state=False)
        await written.when(1)
        queue.drop("b")
        await asyncio.sleep(0.1)
        queue.put("c", written.by("c"), has_new_state=False)
        assert await written.when(2) == ["a", "c"]

    asyncio.run(run())


def test_nothing_is_written_at_a_rate_of_zero(written: Written) -> None:
    async def run() -> None:
        queue = StatusQueue(0)
        queue.put("a", written.by("a"), has_new_state=True)
        await asyncio.sleep(0.05)
        assert len(queue) == 0

    asyncio.run(run())
    assert written.waits == []


def test_a_status_is_written_in_the_context_of_its_wait(written: Written) -> None:
    """Airflow directs logs to a task by context."""
    logs = []

    async def wait(name: str, queue: StatusQueue) -> None:
        async def write() -> None:
            logs.append(task_log.get())
            await written.by(name)()

        task_log.set(name)
        queue.put(name, write, has_new_state=False)

    async def run() -> None:
        queue = StatusQueue(100)
        await asyncio.gather(wait("a", queue), wait("b", queue))
        await written.when(2)

    asyncio.run(run())
    assert logs == ["a", "b"]


def test_a_write_that_fails_does_not_stop_the_queue(written: Written) -> None:
    async def fail() -> None:
        raise RuntimeError

    async def run() -> None:
        queue = StatusQueue(50)
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        queue.put("a", fail, has_new_state=False)
        await asyncio.sleep(0.05)
        queue.put("b", written.by("b"), has_new_state=False)
        assert await written.when(1) == ["b"]

    asyncio.run(run())


def test_all_waits_of_a_triggerer_share_a_queue() -> None:
    async def run() -> StatusQueue:
        assert status_queue() is status_queue()
        return status_queue()

    assert asyncio.run(run()) is not asyncio.run(run())


@pytest.mark.parametrize(
    ("configured", "rate"), [(None, 1.0), ("0.5", 0.5), ("0", 0.0), ("-1", 1.0), ("nan", 1.0), ("inf", 1.0)]
)
def test_the_rate_is_configured(monkeypatch: pytest.MonkeyPatch, configured: str | None, rate: float) -> None:
    if configured:
        monkeypatch.setenv("AIRFLOW__IMPORTSTATUS__STATUS_WRITES_PER_SECOND", configured)
    assert module._writes_per_second() == rate


def test_an_unusable_rate_is_named(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("AIRFLOW__IMPORTSTATUS__STATUS_WRITES_PER_SECOND", "many")
    assert module._writes_per_second() == 1.0
    assert "[importstatus] status_writes_per_second must be a number" in caplog.text
