"""Cost of waiting for a whole Airflow: worker starts and CPU time of all its processes, for four modes.

One round, since it takes minutes. What comes once (imports, first requests) falls into a warm-up; zero-worker
goes last, when the database is fullest.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.contenders import connections
from bench.figures import Figure
from bench.standin import StandIn
from demo.deployment import Deployment

__all__ = ["measure"]

DAGS = Path(__file__).parent / "dags"
WAYS = ("http_reschedule", "http_poke", "deferred", "zero_worker")
WAITS = 50
#: Seconds from the start of a run to the end of its imports.
LENGTH = 40.0
#: Seconds for which the cost of the idle deployment is measured.
IDLE = 20.0
#: Seconds until the executor has cleaned up finished tasks.
SETTLING = 5.0
CONFIG = {
    # A poking wait occupies a worker: each needs its own.
    "core": {"parallelism": WAITS},
    # Airflow's defaults; those of the demo are faster, for interactive use.
    "dag_processor": {
        "bundle_refresh_check_interval": 5,
        "min_file_process_interval": 30,
        "parsing_processes": 2,
        "refresh_interval": 300,
    },
    "scheduler": {"scheduler_idle_sleep_time": 1, "trigger_timeout_check_interval": 15},
}


@dataclass(frozen=True)
class Cost:
    """Seconds, CPU seconds and worker starts of a period."""

    seconds: float
    cpu: float
    starts: int


def measure() -> list[Figure]:
    """Run each mode in turn in one deployment, with 50 tasks each."""
    home = Path(os.environ["AIRFLOW_HOME"]).with_name("deployment")
    with (
        StandIn() as server,
        Deployment(home, DAGS, connections=connections(server.url), config=CONFIG) as airflow,
    ):
        airflow.wait_until_ready()
        _wait(airflow, server, "warm_up")
        idle = _cost(airflow, partial(time.sleep, IDLE))
        costs = {way: _cost(airflow, partial(_wait, airflow, server, way, LENGTH)) for way in WAYS}
    a_second = idle.cpu / idle.seconds
    starts = {way: cost.starts / WAITS for way, cost in costs.items()}
    cpu = {way: (cost.cpu - a_second * cost.seconds) / WAITS for way, cost in costs.items()}
    took = {f"{way} took, s": cost.seconds for way, cost in costs.items()}
    return [
        Figure("worker starts of a wait", starts.pop("zero_worker"), 0, "", starts),
        Figure("CPU of a wait, above the idle deployment's", cpu.pop("zero_worker"), None, "s", cpu),
        Figure("  which uses, each second", a_second, None, "s", took),
    ]


def _wait(airflow: Deployment, server: StandIn, dag_id: str, length: float = 0.0) -> None:
    """Run a DAG to its end; all its tasks must succeed."""
    server.reset(seconds=length)
    run = airflow.trigger(dag_id)
    airflow.wait_for_end(run, timeout=300)
    tasks = airflow.api.task_instances(run)
    if failed := [task["task_id"] for task in tasks if task["state"] != "success"]:
        raise AssertionError(f"Of {len(tasks)} tasks these did not succeed: {', '.join(failed)}")


def _cost(airflow: Deployment, act: Callable[[], None]) -> Cost:
    began, cpu, starts = time.monotonic(), sum(airflow.cpu().values()), _starts(airflow)
    act()
    time.sleep(SETTLING)
    return Cost(time.monotonic() - began, sum(airflow.cpu().values()) - cpu, _starts(airflow) - starts)


def _starts(airflow: Deployment) -> int:
    """Return the number of finished processes that the executor started for tasks."""
    lines = (airflow.logs / "scheduler.log").read_text(errors="replace").splitlines()
    return sum("Workload finished" in line and "workload_type=ExecuteTask" in line for line in lines)
