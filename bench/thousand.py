"""A thousand waits that begin at once on one connection: logins, connections, longest stop of the loop.

The token is revoked meanwhile. XComs are not written: that takes a task instance, and so a whole Airflow.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections import Counter
from collections.abc import Awaitable
from statistics import median

from airflow_provider_importstatus.settings import DEFAULT_MAX_CONCURRENCY
from bench.contenders import Contender, connect, databricks, floor, http, ours
from bench.figures import Figure
from bench.processes import allow_many_sockets, log_as_a_triggerer
from bench.standin import StandIn

__all__ = ["measure"]

ROUNDS = 5
WAITS = range(1000)
INTERVAL = 0.5
LOOKS = 2


def measure() -> list[Figure]:
    """Ours and the bare loop by turns; the others' connections once."""
    allow_many_sockets()
    log_as_a_triggerer()
    with StandIn() as server:
        connect(server.url)
        plain = _count(server, ours)
        # When all have looked once, and some of them twice.
        revoked = {"revoke_after": len(WAITS) + 100}
        refreshes, rounds = [], []
        for _ in range(ROUNDS):
            block = _longest_block(server, ours, **revoked)
            refreshes.append(server.counts["logins"] - 1)
            rounds.append({"ours": block, "floor": _longest_block(server, floor)})
        connections = {each.__name__: _count(server, each)["connections"] for each in (http, databricks)}
    blocks = {f"{name}, ms": 1000 * median(each[name] for each in rounds) for name in rounds[0]}
    above = 1000 * median(each["ours"] - each["floor"] for each in rounds)
    allowed = DEFAULT_MAX_CONCURRENCY
    return [
        Figure("logins for 1,000 waits", plain["logins"], 1),
        Figure("  and when the token is revoked once", max(refreshes), 1),
        Figure("TCP connections for 1,000 waits", plain["connections"], allowed, "", connections),
        Figure("longest stop of the loop, above a bare loop's", above, 50, "ms", blocks),
    ]


def _count(server: StandIn, contender: Contender) -> Counter[str]:
    server.reset(looks=LOOKS)
    asyncio.run(contender(WAITS, INTERVAL))
    return server.counts


def _longest_block(server: StandIn, contender: Contender, **course: int) -> float:
    server.reset(looks=LOOKS, **course)
    # Collecting Airflow's own heap would stop the loop for longer than anything here.
    gc.collect()
    gc.freeze()
    return asyncio.run(_watched(contender(WAITS, INTERVAL)))


async def _watched(work: Awaitable[None]) -> float:
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.001)
            longest = max(longest, time.perf_counter() - began - 0.001)

    watching = asyncio.create_task(watch())
    # It must look already when a thousand triggers are made.
    await asyncio.sleep(0)
    await work
    watching.cancel()
    return longest
