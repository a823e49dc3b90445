"""Memory of a sleeping wait, compared with Airflow's `DateTimeTrigger`.

Measured is what Python has allocated, since the memory of the process stays at the peak of the first polls.
"""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.triggers.base import BaseTrigger

from airflow_provider_importstatus.triggers.import_status import ImportStatusTrigger
from bench.contenders import connect, event
from bench.figures import Figure
from bench.processes import log_as_a_triggerer
from bench.standin import StandIn

__all__ = ["measure"]

ROUNDS = 5
WAITS = 1000
#: Waits started first: they load what all later ones share, such as modules, TLS and the pool.
FIRST = 50


def measure() -> list[Figure]:
    """Measure both triggers alternately."""
    log_as_a_triggerer()
    later = datetime.now(UTC) + timedelta(days=1)
    with StandIn() as server:
        connect(server.url)
        rounds = []
        for _ in range(ROUNDS):
            ours = asyncio.run(_grown(server, _ours, polls=1))
            theirs = asyncio.run(_grown(server, lambda _: DateTimeTrigger(later), polls=0))
            rounds.append({"ours": ours, "DateTimeTrigger": theirs})
    kib = {f"{name}, KiB": median(each[name] for each in rounds) / WAITS / 1024 for name in rounds[0]}
    ratio = median(each["ours"] / each["DateTimeTrigger"] for each in rounds)
    return [Figure("memory of a wait, in DateTimeTrigger's", ratio, 3, "x", kib)]


def _ours(number: int) -> ImportStatusTrigger:
    # No wait polls twice during the measurement, however slow the machine is.
    return ImportStatusTrigger("ours", str(number), wait={"poke_interval": 600.0})


async def _grown(server: StandIn, trigger: Callable[[int], BaseTrigger], polls: int) -> int:
    server.reset(polls=2)
    waiting = await _asleep(server, trigger, range(FIRST), polls)
    gc.collect()
    tracemalloc.start()
    waiting += await _asleep(server, trigger, range(FIRST, FIRST + WAITS), polls)
    gc.collect()
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    return grown


async def _asleep(
    server: StandIn, trigger: Callable[[int], BaseTrigger], numbers: range, polls: int
) -> list[asyncio.Task[Any]]:
    waiting = [asyncio.create_task(event(trigger(number))) for number in numbers]
    while server.counts["polls"] < polls * numbers.stop:  # noqa: ASYNC110 - counted in another process
        await asyncio.sleep(0.1)
    # The last responses are still in flight.
    await asyncio.sleep(0.5)
    return waiting
