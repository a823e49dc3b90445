"""CPU time of one poll in the polling process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from statistics import median

from bench.contenders import Contender, connect, databricks, floor, http, ours
from bench.figures import Figure
from bench.processes import log_as_a_triggerer
from bench.standin import StandIn

__all__ = ["measure"]

ROUNDS = 9
WAITS = range(50)
INTERVAL = 0.01
#: Polls per wait: fewer for contenders with expensive polls, so that all run for about the same time.
POLLS: dict[Contender, int] = {ours: 60, floor: 60, http: 10, databricks: 30}


def measure() -> list[Figure]:
    """Run the contenders in alternating rounds, so that disturbances affect all of them."""
    log_as_a_triggerer()
    with StandIn() as server:
        connect(server.url)
        asyncio.run(_round(server))  # One-time costs (imports, metadata) are not part of a poll.
        rounds = [asyncio.run(_round(server)) for _ in range(ROUNDS)]
    others = {name: _ratio(rounds, name, "floor") for name in ("http", "databricks")}
    cost = {f"{name}, µs": 1e6 * median(each[name] for each in rounds) for name in rounds[0]}
    return [
        Figure("CPU a poll, in a bare loop's", _ratio(rounds, "ours", "floor"), 1.25, "x", others),
        Figure("  in HttpSensorTrigger's", _ratio(rounds, "ours", "http"), 0.2, "x", cost),
    ]


async def _round(server: StandIn) -> dict[str, float]:
    return {each.__name__: await _cost(server, each) for each in POLLS}


async def _cost(server: StandIn, contender: Contender) -> float:
    server.reset(polls=POLLS[contender])
    began = time.process_time()
    await contender(WAITS, INTERVAL)
    return (time.process_time() - began) / server.counts["polls"]


def _ratio(rounds: Sequence[dict[str, float]], one: str, other: str) -> float:
    return median(each[one] / each[other] for each in rounds)
