"""A thousand waits started at once on one connection: logins, connections, blocking of the event loop.

For the loop the token is revoked meanwhile, and each wait writes its XComs, over a line like a triggerer's.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections import Counter
from collections.abc import Awaitable
from statistics import median

from airflow_provider_importstatus.protocol.settings import DEFAULT_MAX_CONCURRENCY
from bench.contenders import Contender, connect, databricks, floor, http, ours, zero_worker
from bench.figures import Figure
from bench.processes import allow_many_sockets, log_as_a_triggerer
from bench.standin import StandIn
from bench.triggerer import Supervisor

__all__ = ["measure"]

ROUNDS = 5
WAITS = range(1000)
INTERVAL = 0.5
POLLS = 2
#: The XComs of all waits, each written at its end; the statuses before it have a budget.
XCOMS = {(number, key) for number in WAITS for key in ("import_status", "return_value")}


def measure() -> list[Figure]:
    """Measure our trigger and the bare loop alternately, and the connections of the others once."""
    allow_many_sockets()
    log_as_a_triggerer()
    with StandIn() as server, Supervisor() as supervisor:
        connect(server.url)
        plain = _count(server, ours)
        # When all have polled once, and some of them twice.
        revoked = {"revoke_after": len(WAITS) + 100}
        refreshes, rounds = [], []
        for _ in range(ROUNDS):
            written: Counter[tuple[int, str]] = Counter()
            block = _longest_block(server, supervisor, zero_worker, written, **revoked)
            if written.keys() != XCOMS:
                raise AssertionError(f"{len(WAITS)} waits wrote {written.total()} XComs, not all their own")
            refreshes.append(server.counts["logins"] - 1)
            rounds.append({"ours": block, "floor": _longest_block(server, supervisor, floor, Counter())})
        connections = {each.__name__: _count(server, each)["connections"] for each in (http, databricks)}
    blocks = {f"{name}, ms": 1000 * median(each[name] for each in rounds) for name in rounds[0]}
    above = 1000 * median(each["ours"] - each["floor"] for each in rounds)
    allowed = DEFAULT_MAX_CONCURRENCY
    return [
        Figure("logins for 1,000 waits", plain["logins"], 1),
        Figure("  and when the token is revoked once", max(refreshes), 1),
        Figure("TCP connections for 1,000 waits", plain["connections"], allowed, "", connections),
        Figure(
            "longest stop of the loop, above a bare loop's",
            above,
            50,
            "ms",
            {**blocks, "XComs": written.total()},
        ),
    ]


def _count(server: StandIn, contender: Contender) -> Counter[str]:
    server.reset(polls=POLLS)
    asyncio.run(contender(WAITS, INTERVAL))
    return server.counts


def _longest_block(
    server: StandIn,
    supervisor: Supervisor,
    contender: Contender,
    written: Counter[tuple[int, str]],
    **behavior: int,
) -> float:
    server.reset(polls=POLLS, **behavior)
    return asyncio.run(_watched(contender(WAITS, INTERVAL), supervisor, written))


async def _watched(work: Awaitable[None], supervisor: Supervisor, written: Counter[tuple[int, str]]) -> float:
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.001)
            longest = max(longest, time.perf_counter() - began - 0.001)

    async with supervisor.connected(written):
        # Garbage collection of Airflow's heap would block the loop for longer than anything measured here.
        gc.collect()
        gc.freeze()
        watching = asyncio.create_task(watch())
        # The monitor must already run while the thousand triggers are created.
        await asyncio.sleep(0)
        await work
        watching.cancel()
    return longest
