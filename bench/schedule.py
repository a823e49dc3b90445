"""Detection delay of an import's end and the number of requests, simulated without sleeping."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from statistics import mean

from airflow_provider_importstatus.polling.schedule import Wait
from bench.figures import Figure

__all__ = ["measure"]

MINUTE = 60.0
FIXED = 60.0
SEEDS = 5000


def measure() -> list[Figure]:
    """Simulate imports of about 1, 15 and 120 minutes with our schedule and with a fixed interval."""
    figures = []
    for minutes in (1, 15, 120):
        late, asked = _simulate(minutes * MINUTE, Wait(0.0, float("inf")).next_interval)
        late_fixed, asked_fixed = _simulate(minutes * MINUTE, lambda _: FIXED)
        beside = {"every 60 s": late_fixed, "requests": asked, "every 60 s, requests": asked_fixed}
        target = max(6.0, 0.06 * minutes * MINUTE)
        figures.append(Figure(f"seconds late after {minutes} min", late, target, "s", beside))
    half = asked_fixed / 2
    return [*figures, Figure("requests for 120 min", asked, half, "", {"every 60 s": asked_fixed})]


def _simulate(length: float, interval: Callable[[float], float]) -> tuple[float, float]:
    """Return the mean delay and the mean number of polls."""
    waits = []
    for seed in range(SEEDS):
        random.seed(seed)
        # With imports that end on a whole minute, a fixed interval would detect the end at once.
        ends = length * random.uniform(0.9, 1.1)
        polls = list(_looks(ends, interval))
        waits.append((polls[-1] - ends, len(polls)))
    late, asked = zip(*waits, strict=True)
    return mean(late), mean(asked)


def _looks(ends: float, interval: Callable[[float], float]) -> Iterator[float]:
    now = 0.0
    while now < ends:
        yield now
        now += interval(now)
    yield now
