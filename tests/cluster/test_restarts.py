"""Waits on four vendors through restarts of everything in a cluster: `RESTART_WAITS` of them.

Triggerers are killed, stopped and paused, a worker, the scheduler and the API server are killed and replaced,
and the database is absent for a while. Imports end all the time, most just when a restart begins.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from demo.deployment import Exit
from tests.operators.tasks import write_file

from . import waits
from .conftest import Cluster
from .figures import spread
from .restart_dags.cases import STAGES, VENDORS, WAITS, Case, cases
from .restarts import PATIENCE, Restarts
from .waits import PARSING, End, Task

#: Vendors' seconds between two stages at which imports end. The campaign takes less.
STAGE = 3600.0
#: Vendors' seconds that the other imports take.
ENDLESS = 30 * 24 * 3600.0
#: Seconds for all waits to begin, and for the last to end.
LONG_PATIENCE = 900.0
#: Seconds between the submission of an operator, from which its timeout counts, and its first poll.
EARLY = 10.0
#: Seconds that a trigger or a worker may be late with its last poll, on a machine that has other work.
LATE_POLL = 30.0
#: Seconds in which a task whose wait is over ends, on such a machine.
LATE_END = 120.0


class Restart(NamedTuple):
    """A restart of the campaign (Unix seconds).

    :param began: when the imports of its stage ended, just before it
    :param ended: when it had taken effect, and all waits had polled again
    :param late: how late the waits polled again, in seconds
    """

    name: str
    began: float
    ended: float
    late: list[float]


class Ended(NamedTuple):
    """The finished campaign."""

    tasks: dict[Case, Task]
    imports: dict[Case, list[str]]
    ends: dict[Task, End]
    earlier_tries: list[tuple[Task, str]]
    xcoms: dict[Task, dict[str, Any]]
    polls: dict[str, list[float]]
    restarts: list[Restart]
    requests: dict[str, dict[str, int]]
    exits: list[Exit]


class Campaign:
    """The waits, while they go on.

    :param files: folder for the files that operators submit
    """

    def __init__(self, cluster: Cluster, files: Path) -> None:
        self.cluster = cluster
        self.tasks: dict[Case, Task] = {}
        self._given: dict[Case, str] = {}
        for dag_id in dict.fromkeys(case.dag_id for case in cases()):
            of_dag = [case for case in cases() if case.dag_id == dag_id]
            conf = {case.task_id: self._import_or_file(case, files) for case in of_dag}
            run = cluster.airflow.trigger(dag_id, conf, PARSING)
            self.tasks |= {case: Task(*run, case.task_id, -1) for case in of_dag}

    def imports(self) -> dict[Case, list[str]]:
        """Return the imports of each wait so far."""
        by_file: dict[str, list[str]] = {}
        for vendor in VENDORS:
            for one in self.cluster.vendors.imports(vendor):
                by_file.setdefault(one["file"], []).append(one["import_id"])
        return {
            case: [self._given[case]] if case in self._given else by_file.get(f"{case.task_id}.csv", [])
            for case in self.tasks
        }

    def all_wait(self) -> bool:
        """Return whether all imports have been polled, and all waits that can be in a triggerer are."""
        time.sleep(1)
        rows = self.cluster.query(
            "SELECT task_id FROM task_instance JOIN trigger ON trigger.id = trigger_id"
            " WHERE triggerer_id IS NOT NULL"
        )
        held = {task_id for (task_id,) in rows}
        polls = self.cluster.vendors.polls()
        return all(
            any(one in polls for one in imports)
            and (case.how == "worker" or not case.ends or case.task_id in held)
            for case, imports in self.imports().items()
        )

    def perform(self, stage: int, restart: Callable[[], float]) -> Restart:
        """Let the imports of a stage end, and do a restart."""
        self.cluster.vendors.put_forward(STAGE)
        began = time.time()
        since = restart()
        late: dict[Case, float] = {}

        def have_polled() -> bool:
            time.sleep(1)
            polls, imports = self.cluster.vendors.polls(), self.imports()
            for case in self._unfinished():
                if case.ends and case.stage > stage:
                    later = [at for one in imports[case] for at in polls[one] if at >= since]
                    if not later:
                        return False
                    late[case] = min(later) - since
            return True

        name = restart.__name__.replace("_", " ")
        self.cluster.airflow.wait_for(have_polled, f"poll of each import after {name}", PATIENCE)
        return Restart(name, began, time.time(), list(late.values()))

    def _unfinished(self) -> list[Case]:
        # A wait that has wrongly ended polls no more; tests find it.
        rows = self.cluster.query("SELECT task_id FROM task_instance WHERE state IN ('success', 'failed')")
        return [case for case in self.tasks if (case.task_id,) not in rows]

    def _import_or_file(self, case: Case, files: Path) -> str:
        """Return what the task needs: the import, or the file that it submits."""
        ends, seconds = (case.ends, STAGE * (case.stage + 1)) if case.ends else ("succeeded", ENDLESS)
        if case.how == "sensor":
            self._given[case] = self.cluster.vendors.submit(case.vendor, seconds, ends).id
            return self._given[case]
        return str(write_file(files, f"{case.task_id}.csv", ends=ends, seconds=seconds, queued=0))


@pytest.fixture(scope="module")
def ended(
    supervised: Cluster, tmp_path_factory: pytest.TempPathFactory, report: Callable[[str], None]
) -> Ended:
    """Return the finished campaign, and report what it was like."""
    airflow, vendors, began = supervised.airflow, supervised.vendors, time.time()
    # All waits begin in the triggerer that is killed first.
    airflow.kill("triggerer-2")
    campaign = Campaign(supervised, tmp_path_factory.mktemp("files"))
    airflow.wait_for(campaign.all_wait, f"{WAITS} waits at once", LONG_PATIENCE)
    report(f"Restarts: until {WAITS} waited: {time.time() - began:.0f} s")
    in_order = Restarts(supervised).in_order()
    assert len(in_order) == STAGES
    restarts = [campaign.perform(stage, restart) for stage, restart in enumerate(in_order)]
    # So far that those end, too, that were wrongly submitted again.
    vendors.put_forward((STAGES + 2) * STAGE)
    airflow.wait_for(lambda: waits.all_ended(supervised), "end of all waits", LONG_PATIENCE)
    ended = Ended(
        campaign.tasks,
        campaign.imports(),
        waits.ends(supervised, campaign.tasks.values()),
        [
            (Task(*task), state)
            for *task, state in supervised.query(
                "SELECT dag_id, run_id, task_id, map_index, state FROM task_instance_history"
            )
        ],
        waits.xcoms(supervised),
        vendors.polls(),
        restarts,
        {vendor: vendors.requests(vendor) for vendor in VENDORS},
        airflow.exits,
    )
    for line in _figures(ended):
        report(line)
    return ended


def _figures(ended: Ended) -> Iterator[str]:
    for restart in ended.restarts:
        yield spread(f"{restart.name}: {restart.ended - restart.began:.0f} s, first poll after", restart.late)
    yield spread(
        "from a timeout to the last poll", [_last_poll(ended, case) - at for case, at in _due(ended)]
    )
    yield spread(
        "from a timeout to the end of the task", [_end(ended, case).at - at for case, at in _due(ended)]
    )
    exits = Counter(one.name for one in ended.exits)
    yield "exited, and started again: " + (", ".join(f"{name} {exits[name]}" for name in exits) or "nothing")
    for name in ("token", "status"):
        listed = ", ".join(f"{vendor} {requests.get(name, 0)}" for vendor, requests in ended.requests.items())
        yield f"{'logins' if name == 'token' else 'polls'}: {listed}"
    yield f"further tries: {sum(end.tries - 1 for end in ended.ends.values())}"


def _end(ended: Ended, case: Case) -> End:
    return ended.ends[ended.tasks[case]]


def _last_poll(ended: Ended, case: Case) -> float:
    return max(at for one in ended.imports[case] for at in ended.polls[one])


def _due(ended: Ended) -> list[tuple[Case, float]]:
    """Return the waits for endless imports, and when the timeout of each passes."""
    return [(case, _began(ended, case) + case.timeout) for case in ended.tasks if not case.ends]


def _began(ended: Ended, case: Case) -> float:
    """Return from when on the timeout counts."""
    if case.how == "sensor":
        return _end(ended, case).began  # When the scheduler handed the wait to the triggerers.
    return min(at for one in ended.imports[case] for at in ended.polls[one])


def test_each_task_ends_as_its_import(ended: Ended) -> None:
    assert len(ended.tasks) == WAITS
    assert not {case: _end(ended, case) for case in ended.tasks if _end(ended, case).state != case.state}


def test_each_task_ends_once(ended: Ended) -> None:
    assert not [(task, state) for task, state in ended.earlier_tries if state == "success"]


def test_each_result_is_that_of_its_own_import(ended: Ended) -> None:
    for case, task in ended.tasks.items():
        result: Any = ended.xcoms[task].get("return_value")
        if case.state == "success":
            assert (result["import_id"], result["state"]) == (ended.imports[case][0], case.ends), task
        else:
            assert result is None, task


def test_each_file_is_submitted_once(ended: Ended) -> None:
    assert not {case: imports for case, imports in ended.imports.items() if len(imports) != 1}


def test_no_import_is_cancelled(ended: Ended) -> None:
    assert ended.requests["thalamus"]["cancel"] == 0


def test_no_deadline_moves(ended: Ended) -> None:
    """A wait whose timeout passes during a restart ends after it; any other at once."""
    for case, due in _due(ended):
        during = [restart for restart in ended.restarts if restart.began <= due <= restart.ended]
        # What polls may be gone during a restart: triggerers stop when their database does.
        earliest = min((due, *(restart.began for restart in during)))
        latest = max((due, *(restart.ended for restart in during)))
        polled, end = _last_poll(ended, case), _end(ended, case)
        assert earliest - EARLY <= polled <= latest + LATE_POLL, (case, polled - due, end.at - due)
        assert end.at <= latest + LATE_END, (case, polled - due, end.at - due)


def test_a_timeout_passes_after_restarts(ended: Ended) -> None:
    """Otherwise the test of deadlines tests nothing."""
    assert max(due for _, due in _due(ended)) > ended.restarts[1].ended + LATE_POLL


def test_each_wait_whose_timeout_passes_says_so(supervised: Cluster, ended: Ended) -> None:
    for case, _ in _due(ended):
        log = waits.log(supervised, ended.tasks[case], _end(ended, case).tries)
        assert "The wait's timeout has expired." in log, case


def test_clear_issues_one_token(ended: Ended) -> None:
    assert ended.requests["clear"]["token"] == 1


def test_only_the_absence_of_the_database_makes_components_exit(ended: Ended) -> None:
    assert not [one for one in ended.exits if one.at < ended.restarts[-1].began]
