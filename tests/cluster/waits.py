"""The waits of a cluster: started, watched, and read back from Airflow's database when they have ended."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from .conftest import Cluster
from .dags.cases import SHARE, Case, mapped, unattended

#: Runs of the DAG `unattended`, with 20 waits each. As many wait in mapped tasks.
RUNS = 25
WAITS = 2 * RUNS * len(unattended(0))
#: Seconds that the first import takes, unless the vendors' clock is put forward.
FAR = 6 * 3600.0
#: Seconds from the first end of an import to the last: two workers then keep up with the tasks that resume.
ENDING = 400.0
#: Seconds within which a busy machine has parsed the DAGs.
PARSING = 300.0


class Task(NamedTuple):
    """The identity of a task instance."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int


class Wait(NamedTuple):
    """What a task waits for, and when that ends (Unix seconds)."""

    case: Case
    import_id: str
    ends_at: float


class End(NamedTuple):
    """How a task has ended; when its last try began, and when it ended (Unix seconds)."""

    state: str
    tries: int
    began: float
    at: float


def submit(cluster: Cluster) -> dict[Task, Wait]:
    """Start all imports and a wait for each."""
    # In any order: those of one run do not end together.
    places = iter(random.sample(range(WAITS), WAITS))

    def wait(case: Case) -> Wait:
        begun = cluster.vendors.submit(case.vendor, FAR + next(places) * ENDING / WAITS, case.ends)
        return Wait(case, *begun)

    waits: dict[Task, Wait] = {}
    for number in range(RUNS // SHARE):
        of_run = [wait(case) for case in mapped(number)]
        conf: dict[str, Any] = {"number": number, "imports": [one.import_id for one in of_run]}
        run = cluster.airflow.trigger("mapped", conf, PARSING)
        waits |= {Task(*run, "wait", index): one for index, one in enumerate(of_run)}
    for number in range(RUNS):
        by_task = {task_id: wait(case) for task_id, case in unattended(number).items()}
        imports = {name: one.import_id for name, one in by_task.items()}
        run = cluster.airflow.trigger("unattended", imports, PARSING)
        waits |= {Task(*run, task_id, -1): one for task_id, one in by_task.items()}
    return waits


def let_end(cluster: Cluster, waits: dict[Task, Wait]) -> dict[Task, Wait]:
    """Put the vendors' clock forward to the first end; return the waits with their new ends."""
    ahead = min(wait.ends_at for wait in waits.values()) - time.time() - 5
    cluster.vendors.put_forward(ahead)
    return {task: wait._replace(ends_at=wait.ends_at - ahead) for task, wait in waits.items()}


def all_wait(cluster: Cluster) -> bool:
    """Return whether all tasks wait in a triggerer, and all imports have been polled."""
    in_triggerers = by_triggerer(cluster)
    if failed := count(cluster, "task_instance WHERE state = 'failed'"):
        raise AssertionError(f"{failed} tasks have failed before their imports ended")
    return sum(in_triggerers.values()) == WAITS and len(cluster.vendors.polls()) == WAITS


def all_ended(cluster: Cluster) -> bool:
    """Return whether all runs have ended."""
    return not count(cluster, "dag_run WHERE state IN ('queued', 'running')")


def count(cluster: Cluster, what: str) -> int:
    """Return the number of rows of a table, or of some of its rows."""
    time.sleep(2)  # Asking costs the database something, too.
    return int(cluster.query(f"SELECT count(*) FROM {what}")[0][0])


def by_triggerer(cluster: Cluster) -> dict[int, int]:
    """Return the number of waits in each triggerer."""
    rows = "SELECT triggerer_id, count(*) FROM trigger WHERE triggerer_id IS NOT NULL GROUP BY 1"
    return dict(cluster.query(rows))


def ends(cluster: Cluster, tasks: Iterable[Task]) -> dict[Task, End]:
    """Return how each of some tasks has ended."""
    rows = cluster.query(
        "SELECT dag_id, run_id, task_id, map_index, state, try_number, start_date, end_date"
        " FROM task_instance"
    )
    found = {Task(*row[:4]): row[4:] for row in rows}
    return {task: _end(*found[task]) for task in tasks}


def _end(state: str, tries: int, began: datetime, at: datetime) -> End:
    return End(state, tries, began.timestamp(), at.timestamp())


def xcoms(cluster: Cluster) -> dict[Task, dict[str, Any]]:
    """Return the XComs of each task by key."""
    found: defaultdict[Task, dict[str, Any]] = defaultdict(dict)
    for *task, key, value in cluster.query("SELECT dag_id, run_id, task_id, map_index, key, value FROM xcom"):
        found[Task(*task)][key] = value
    return found


def log(cluster: Cluster, task: Task, attempt: int = 1) -> str:
    """Return the log of a try of a task on the workers."""
    names = [f"{name}={value}" for name, value in task._asdict().items() if value != -1]
    return Path(cluster.airflow.home, "logs", *names, f"attempt={attempt}.log").read_text()
