"""Cancellation of triggers: Airflow says in its message whether to call `on_kill`."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_importstatus.clients.threads import in_thread
from airflow_provider_importstatus.sandbox import Sandbox

from .waits import ENDLESS, events_of, waiting

pytestmark = pytest.mark.usefixtures("connections")

MESSAGE = "the task was marked failed"


def cancelled(start: Callable[[], Any]) -> tuple[Any, ...]:
    """Cancel a coroutine after a while; return the arguments of the exception that it gets."""

    async def args_of() -> tuple[Any, ...]:
        try:
            await start()
        except asyncio.CancelledError as error:
            return error.args
        raise AssertionError("It was not cancelled.")

    async def run() -> tuple[Any, ...]:
        task = asyncio.create_task(args_of())
        await asyncio.sleep(0.2)
        task.cancel(MESSAGE)
        return await task

    return asyncio.run(run())


def test_a_sleeping_trigger_gets_the_message(sandbox: Sandbox) -> None:
    trigger = waiting("thalamus", sandbox.submit("thalamus", **ENDLESS), poke_interval=5)
    assert cancelled(lambda: events_of(trigger)) == (MESSAGE,)


def test_a_trigger_that_waits_for_the_vendor_gets_the_message(sandbox: Sandbox) -> None:
    sandbox.fault("thalamus", "status", "slow", seconds=2)
    trigger = waiting("thalamus", sandbox.submit("thalamus", **ENDLESS))
    assert cancelled(lambda: events_of(trigger)) == (MESSAGE,)


def test_a_trigger_that_waits_for_airflow_gets_the_message(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    get_connection = BaseHook.get_connection

    def get_slowly(conn_id: str) -> Any:
        time.sleep(0.5)
        return get_connection(conn_id)

    monkeypatch.setattr(BaseHook, "get_connection", get_slowly)
    trigger = waiting("thalamus", sandbox.submit("thalamus", **ENDLESS))
    assert cancelled(lambda: events_of(trigger)) == (MESSAGE,)


def test_an_error_after_the_cancellation_is_ignored() -> None:
    """Otherwise it would be logged as never retrieved."""
    done = threading.Event()

    def fail() -> None:
        time.sleep(0.3)
        done.set()
        raise ConnectionError

    async def wait_for_the_end() -> None:
        try:
            await in_thread(fail)
        finally:
            await asyncio.to_thread(done.wait, 5)

    assert cancelled(wait_for_the_end) == (MESSAGE,)
    assert done.is_set()
