"""How late the tasks of 2,000 waits in one triggerer of a whole Airflow end, after their imports."""

from __future__ import annotations

import time
from statistics import median, quantiles

from bench.figures import Figure
from bench.site import DATABASE, INTERVAL, PATIENCE, Site, site

__all__ = ["measure"]

WAITS = 2000
#: Seconds in which all imports end, one after another.
ENDING = 300.0
#: Seconds until the first ends.
BEFORE = 10.0
A_DAY = 24 * 3600.0
#: A poll may have been made just before the end; then the triggerer writes, and the database is read.
ALLOWED = INTERVAL + 10


def measure() -> list[Figure]:
    """Measure once: it takes minutes."""
    with site("two-thousand") as one:
        one.airflow.wait_until_ready(PATIENCE)
        one.server.reset(seconds=A_DAY)
        firsts = {run.run_id: first for run, first in one.start("ours", WAITS).items()}
        one.wait_until_deferred(WAITS)
        one.airflow.wait_for(lambda: _polled(one) == WAITS, f"polls of {WAITS} imports", PATIENCE)
        # The first statuses are written after the first polls, one by one.
        time.sleep(2 * INTERVAL)
        xcoms, cpu = one.xcoms(), one.airflow.cpu()["triggerer"]
        one.server.reset(seconds=BEFORE, apart=ENDING / WAITS)
        first_end = time.time() + BEFORE
        one.airflow.wait_for(lambda: one.deferred() == 0, "end of all waits", PATIENCE)
        one.airflow.wait_for(lambda: _running(one) == 0, "end of all runs", PATIENCE)
        late = sorted(_late(one, firsts, first_end))
        written, used = one.xcoms() - xcoms, one.airflow.cpu()["triggerer"] - cpu
    beside = {"median": median(late), "longest": late[-1], "XComs": written, "triggerer's CPU": used}
    return [
        Figure(
            "end of a task after its import's, 95 % of 2,000", quantiles(late, n=20)[-1], ALLOWED, "s", beside
        )
    ]


def _polled(one: Site) -> int:
    time.sleep(1)
    return one.server.counts["imports"]


def _running(one: Site) -> int:
    time.sleep(1)
    rows = "SELECT count(*) FROM dag_run WHERE state IN ('queued', 'running')"
    return int(one.database.query(DATABASE, rows)[0][0])


def _late(one: Site, firsts: dict[str, int], first_end: float) -> list[float]:
    """Return the seconds from the end of each import to that of its task."""
    tasks = one.database.query(DATABASE, "SELECT run_id, task_id, state, end_date FROM task_instance")
    late = []
    for run_id, task_id, state, ended in tasks:
        if state != "success":
            raise AssertionError(f"{task_id} of {run_id} ended {state}")
        number = firsts[run_id] + int(task_id.rpartition("_")[2])
        late.append(ended.timestamp() - (first_end + number * ENDING / WAITS))
    if len(late) != WAITS:
        raise AssertionError(f"{len(late)} of {WAITS} tasks ended")
    return late
