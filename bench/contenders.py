"""The contenders: our trigger, two alternatives, and a bare loop over one pool as the baseline.

Each contender is a coroutine that waits for all imports concurrently and polls each every `interval` seconds.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeAlias

import aiohttp
from airflow.providers.databricks.triggers.databricks import DatabricksExecutionTrigger
from airflow.providers.http.triggers.http import HttpSensorTrigger
from airflow.triggers.base import BaseTrigger, TaskSuccessEvent

from airflow_provider_importstatus.protocol.settings import DEFAULT_MAX_CONCURRENCY
from airflow_provider_importstatus.triggers.import_status import ImportStatusTrigger
from bench.standin import LOGIN, STATUS

__all__ = [
    "Contender",
    "connect",
    "connections",
    "databricks",
    "event",
    "floor",
    "http",
    "ours",
    "zero_worker",
]

#: Called with the imports' ids and the interval.
Contender: TypeAlias = Callable[[Sequence[int], float], Coroutine[Any, Any, None]]


def connect(url: str) -> None:
    """Configure Airflow's connections and the bare loop for the server at `url`."""
    for name, fields in connections(url).items():
        os.environ[f"AIRFLOW_CONN_{name.upper()}"] = json.dumps(fields)
    os.environ["BENCH_URL"] = url


def connections(url: str) -> dict[str, dict[str, Any]]:
    """Return Airflow's connections to the vendors."""
    port = int(url.rpartition(":")[2])
    return {
        "ours": {"conn_type": "tao_advance", "host": url, "login": "id", "password": "secret"},
        "http": {"conn_type": "http", "host": url},
        "databricks": {"conn_type": "databricks", "host": "127.0.0.1", "port": port, "password": "token"},
    }


async def ours(ids: Sequence[int], interval: float) -> None:
    """Wait with `ImportStatusTrigger` for TAO Advance."""
    wait = {"poke_interval": interval, "exponential_backoff": False}
    triggers = (ImportStatusTrigger("ours", str(one), wait=wait) for one in ids)
    await _all(triggers, lambda end: end["status"]["state"] == "succeeded")


def zero_worker(ids: Sequence[int], interval: float) -> Coroutine[Any, Any, None]:
    """Wait with our trigger as a zero-worker task, which also writes four XComs, the result among them."""
    # Imports a large part of Airflow that the other benchmarks do not need.
    from bench.triggerer import task_instances

    instances = task_instances(ids)
    wait = {"poke_interval": interval, "exponential_backoff": False}

    def trigger(one: int, instance: Any) -> ImportStatusTrigger:
        made = ImportStatusTrigger("ours", str(one), wait=wait, end_from_trigger=True)
        made.task_instance = instance
        return made

    return _all(map(trigger, ids, instances), lambda end: end == TaskSuccessEvent().payload)


async def http(ids: Sequence[int], interval: float) -> None:
    """Wait with `HttpSensorTrigger`, which polls until the response is not 404."""
    triggers = (HttpSensorTrigger(str(one), "http", poke_interval=interval) for one in ids)
    await _all(triggers, lambda end: end is True)


async def databricks(ids: Sequence[int], interval: float) -> None:
    """Wait with `DatabricksExecutionTrigger`, which opens one session per trigger."""
    triggers = (
        DatabricksExecutionTrigger(one, "databricks", polling_period_seconds=interval)  # type: ignore[arg-type]
        for one in ids
    )
    await _all(triggers, lambda end: "SUCCESS" in end["run_state"])


async def floor(ids: Sequence[int], interval: float) -> None:
    """Send bare requests over as many connections as our trigger may use."""
    url = os.environ["BENCH_URL"]
    pool = aiohttp.TCPConnector(limit=DEFAULT_MAX_CONCURRENCY)
    async with aiohttp.ClientSession(connector=pool) as session:
        async with session.post(url + LOGIN) as answer:
            token = (await answer.json())["access_token"]

        async def wait(one: int) -> None:
            while True:
                headers = {"Authorization": f"Bearer {token}"}
                async with session.get(f"{url}{STATUS}{one}", headers=headers) as answer:
                    if (await answer.json())["result"]["status"] == "processed":
                        return
                await asyncio.sleep(interval)

        await asyncio.gather(*map(wait, ids))


async def event(trigger: BaseTrigger) -> Any:
    """Run a trigger to its end and return the payload of its event."""
    # What a trigger does after its event is part of its cost.
    [payload] = [fired.payload async for fired in trigger.run()]
    return payload


async def _all(triggers: Iterable[BaseTrigger], is_success: Callable[[Any], bool]) -> None:
    ends = await asyncio.gather(*map(event, triggers))
    if not all(map(is_success, ends)):
        raise AssertionError(f"Not all imports were seen to succeed: {ends[0]}")
