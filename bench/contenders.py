"""Who polls: our trigger, two that users would pick instead, and a bare loop over one pool as the floor.

Each contender is a coroutine that waits for imports, all at once, looking at each every `interval` seconds.
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
from airflow.triggers.base import BaseTrigger

from airflow_provider_importstatus.settings import DEFAULT_MAX_CONCURRENCY
from airflow_provider_importstatus.triggers.import_status import ImportStatusTrigger
from bench.standin import LOGIN, STATUS

__all__ = ["Contender", "connect", "databricks", "event", "floor", "http", "ours"]

#: Called with the imports' ids and the interval.
Contender: TypeAlias = Callable[[Sequence[int], float], Coroutine[Any, Any, None]]


def connect(url: str) -> None:
    """Tell Airflow and the bare loop where the vendors are."""
    port = int(url.rpartition(":")[2])
    connections = {
        "ours": {"conn_type": "tao_advance", "host": url, "login": "id", "password": "secret"},
        "http": {"conn_type": "http", "host": url},
        "databricks": {"conn_type": "databricks", "host": "127.0.0.1", "port": port, "password": "token"},
    }
    os.environ |= {f"AIRFLOW_CONN_{name.upper()}": json.dumps(fields) for name, fields in connections.items()}
    os.environ["BENCH_URL"] = url


async def ours(ids: Sequence[int], interval: float) -> None:
    """`ImportStatusTrigger`, for TAO Advance."""
    wait = {"poke_interval": interval, "exponential_backoff": False}
    triggers = (ImportStatusTrigger("ours", str(one), wait=wait) for one in ids)
    await _all(triggers, lambda end: end["status"]["state"] == "succeeded")


async def http(ids: Sequence[int], interval: float) -> None:
    """`HttpSensorTrigger`, which polls as long as it reads 404."""
    triggers = (HttpSensorTrigger(str(one), "http", poke_interval=interval) for one in ids)
    await _all(triggers, lambda end: end is True)


async def databricks(ids: Sequence[int], interval: float) -> None:
    """`DatabricksExecutionTrigger`, which has a session a trigger."""
    triggers = (
        DatabricksExecutionTrigger(one, "databricks", polling_period_seconds=interval)  # type: ignore[arg-type]
        for one in ids
    )
    await _all(triggers, lambda end: "SUCCESS" in end["run_state"])


async def floor(ids: Sequence[int], interval: float) -> None:
    """Nothing but requests, from as many connections as ours may have."""
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
    """What a trigger fires."""
    # To its end: what a trigger does after its event is part of what it costs.
    [payload] = [fired.payload async for fired in trigger.run()]
    return payload


async def _all(triggers: Iterable[BaseTrigger], is_success: Callable[[Any], bool]) -> None:
    ends = await asyncio.gather(*map(event, triggers))
    if not all(map(is_success, ends)):
        raise AssertionError(f"Not all imports were seen to succeed: {ends[0]}")
