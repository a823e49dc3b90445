"""What 200 waits cost a whole Airflow while nothing happens, above 200 deferred tasks that do nothing.

Each kind has an Airflow and a PostgreSQL of its own, all at the same time: what disturbs one disturbs all.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from statistics import median
from typing import NamedTuple

from bench.figures import Figure
from bench.site import PATIENCE, Site, site

__all__ = ["measure"]

#: The DAG of each kind.
KINDS = {"idle": "nothing", "unchanged": "ours", "moving": "ours", "http": "http", "databricks": "databricks"}
WAITS = 200
ROUNDS = 3
#: Seconds of a round.
LENGTH = 100.0
#: Seconds until the first statuses are written, if that is limited to one a second.
SETTLING = float(WAITS)
A_DAY = 24 * 3600.0


class Used(NamedTuple):
    """CPU seconds, XComs and polls of one kind, for each wait and hour."""

    cpu: float
    xcoms: float
    polls: float


def measure() -> list[Figure]:
    """Measure all kinds at once, in three rounds."""
    with ExitStack() as exits:
        sites = {kind: exits.enter_context(site(f"rest-{kind}")) for kind in KINDS}
        for kind, one in sites.items():
            one.server.reset(seconds=A_DAY, moving=kind == "moving")
            one.airflow.wait_until_ready(PATIENCE)
            one.start(KINDS[kind], WAITS)
        for one in sites.values():
            one.wait_until_deferred(WAITS)
        time.sleep(SETTLING)
        rounds = [_round(sites) for _ in range(ROUNDS)]
        for kind, one in sites.items():
            if (left := one.deferred()) != WAITS:
                raise AssertionError(f"{left} of {WAITS} tasks still wait ({kind})")
    idle = median(each["idle"].cpu for each in rounds)
    above = {kind: _above_idle(rounds, kind) for kind in KINDS}
    xcoms = {f"XComs an hour, {kind}": _median(rounds, kind, "xcoms") for kind in ("unchanged", "moving")}
    polls = {f"polls an hour, {kind}": _median(rounds, kind, "polls") for kind in KINDS if kind != "idle"}
    others = {kind: above[kind] for kind in ("http", "databricks")}
    return [
        Figure("CPU of a wait and hour at rest, above an idle task's", above["unchanged"], 0.3, "s", others),
        Figure("  and if its counters move with each poll", above["moving"], 0.8, "s", xcoms),
        Figure("  idle task's, the whole Airflow included", idle, None, "s", polls),
    ]


def _round(sites: Mapping[str, Site]) -> dict[str, Used]:
    before = {kind: _read(one) for kind, one in sites.items()}
    time.sleep(LENGTH)
    after = {kind: _read(one) for kind, one in sites.items()}
    return {kind: _rate(before[kind], after[kind]) for kind in sites}


def _read(one: Site) -> tuple[float, ...]:
    return time.monotonic(), one.cpu(), one.xcoms(), one.server.counts["polls"]


def _rate(before: Sequence[float], after: Sequence[float]) -> Used:
    seconds, *used = (late - early for early, late in zip(before, after, strict=True))
    return Used(*(each / WAITS / (seconds / 3600) for each in used))


def _above_idle(rounds: Sequence[Mapping[str, Used]], kind: str) -> float:
    return median(each[kind].cpu - each["idle"].cpu for each in rounds)


def _median(rounds: Sequence[Mapping[str, Used]], kind: str, name: str) -> float:
    return median(getattr(each[kind], name) for each in rounds)
