"""A thousand waits at once on four vendors, in a cluster one of whose triggerers is killed meanwhile.

Half of them are zero-worker waits, half are mapped: those start and end on workers. No import ends before all
wait. Then they end one after another, and when half of them have, the triggerer is killed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from statistics import median
from typing import Any, NamedTuple

import pytest

from . import waits
from .conftest import CAPACITY, Cluster
from .dags.cases import VENDORS
from .figures import Meter, spread
from .waits import WAITS, End, Task, Wait

#: Seconds between two polls of an import, as in the DAGs.
INTERVAL = 30.0
#: A poll that comes sooner after another than this was made by another poller.
TOO_SOON = 0.9 * INTERVAL
#: Seconds for each half of the test. Two idle cores need a fifth.
PATIENCE = 2700.0
TRIGGERERS = 2


class Ended(NamedTuple):
    """The finished waits, and what was seen meanwhile."""

    waits: dict[Task, Wait]
    ends: dict[Task, End]
    xcoms: dict[Task, dict[str, Any]]
    polls: dict[str, list[float]]
    requests: dict[str, dict[str, int]]
    all_waited_at: float
    killed_at: float
    #: Waits in each triggerer when one was killed.
    held: list[int]


@pytest.fixture(scope="module")
def ended(cluster: Cluster, report: Callable[[str], None]) -> Ended:
    """Return the finished waits, and report what they cost."""
    airflow, meter, began = cluster.airflow, Meter(cluster), time.time()
    started = waits.submit(cluster)
    airflow.wait_for(lambda: waits.all_wait(cluster), f"{WAITS} waits at once", PATIENCE)
    all_waited_at = time.time()
    report(f"Until {WAITS} waited: {all_waited_at - began:.0f} s")
    for line in meter.lines(WAITS):
        report(line)
    started = waits.let_end(cluster, started)
    middle = median(wait.ends_at for wait in started.values())
    airflow.wait_for(lambda: time.time() >= middle, "end of half of the imports", PATIENCE)
    held, killed_at = list(waits.by_triggerer(cluster).values()), time.time()
    airflow.kill("triggerer")
    airflow.wait_for(lambda: waits.all_ended(cluster), "end of all waits", PATIENCE)
    report(f"From the first end until all had ended: {time.time() - all_waited_at:.0f} s")
    for line in meter.lines(WAITS):
        report(line)
    ended = Ended(
        started,
        waits.ends(cluster, started),
        waits.xcoms(cluster),
        cluster.vendors.polls(),
        {vendor: cluster.vendors.requests(vendor) for vendor in VENDORS},
        all_waited_at,
        killed_at,
        held,
    )
    for line in _figures(ended):
        report(line)
    return ended


def _figures(ended: Ended) -> Iterator[str]:
    for name in ("token", "status"):
        listed = ", ".join(f"{vendor} {requests.get(name, 0)}" for vendor, requests in ended.requests.items())
        yield f"{'logins' if name == 'token' else 'polls'}: {listed}"
    held = " and ".join(map(str, ended.held))
    yield f"From the end of an import to that of its task (a triggerer was killed; they had {held} waits):"
    # Waits that end shortly before the kill are disturbed by it.
    undisturbed_until = ended.killed_at - 2 * INTERVAL
    late: dict[str, list[float]] = {}
    for task, wait in ended.waits.items():
        where = "in a triggerer" if _is_zero_worker(task, wait) else "on a worker"
        when = "before" if wait.ends_at < undisturbed_until else "from the kill on"
        late.setdefault(f"{where}, {when}", []).append(ended.ends[task].at - wait.ends_at)
    for name in sorted(late):
        yield spread(name, late[name])


def _is_zero_worker(task: Task, wait: Wait) -> bool:
    return task.dag_id == "unattended" and wait.case.state == "success"


def test_each_task_ends_as_its_import(ended: Ended) -> None:
    assert len(ended.waits) == WAITS
    wrong = {
        (task, wait.case, ended.ends[task])
        for task, wait in ended.waits.items()
        if ended.ends[task].state != wait.case.state
    }
    assert not wrong


def test_each_task_needs_one_try(ended: Ended) -> None:
    assert {task for task, end in ended.ends.items() if end.tries != 1} == set()


def test_each_result_is_that_of_its_own_import(ended: Ended) -> None:
    for task, wait in ended.waits.items():
        result: Any = ended.xcoms[task].get("return_value")
        if wait.case.state == "success":
            assert (result["import_id"], result["state"]) == (wait.import_id, wait.case.ends), task
        else:
            assert result is None, task


def test_each_last_status_is_the_final_one(ended: Ended) -> None:
    for task, wait in ended.waits.items():
        last = ended.xcoms[task]["import_status"]
        found = (last["vendor"], last["import_id"], last["state"], last["next_poll_at"])
        assert found == (wait.case.vendor, wait.import_id, wait.case.ends, None), task


def test_each_failed_task_says_which_import_failed(cluster: Cluster, ended: Ended) -> None:
    for task, wait in ended.waits.items():
        if wait.case.state == "failed":
            log = waits.log(cluster, task)
            assert "ImportFailedError" in log, task
            assert wait.import_id in log, task


def test_no_task_ends_before_its_import(ended: Ended) -> None:
    # Clocks of two processes: to the second.
    early = {task for task, end in ended.ends.items() if end.at < ended.waits[task].ends_at - 1}
    assert not early


def test_no_import_has_two_pollers(ended: Ended) -> None:
    """A wait that moves to the other triggerer polls once before its interval has passed."""
    for task, wait in ended.waits.items():
        polls = [at for at in ended.polls[wait.import_id] if at >= ended.all_waited_at]
        assert polls, task  # At least the one that saw the end.
        hasty = [second for first, second in pairwise(polls) if second - first < TOO_SOON]
        assert not [at for at in hasty if at < ended.killed_at], task
        assert len(hasty) <= 1, task


def test_both_triggerers_had_waits_when_one_was_killed(ended: Ended) -> None:
    assert WAITS <= TRIGGERERS * CAPACITY
    assert len(ended.held) == TRIGGERERS
    assert min(ended.held) > 0


def test_a_process_logs_in_once(ended: Ended) -> None:
    logins = {vendor: requests.get("token", 0) for vendor, requests in ended.requests.items()}
    assert logins["clear"] == 1
    for vendor in ("tao_advance", "zilliant"):
        # A mapped task logs in where it starts, on a worker.
        mapped = sum(
            task.dag_id == "mapped" and wait.case.vendor == vendor for task, wait in ended.waits.items()
        )
        assert TRIGGERERS <= logins[vendor] <= mapped + TRIGGERERS
