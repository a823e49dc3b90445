"""`timeout` and `execution_timeout` hold in a real Airflow whose triggerer is killed while vendors go silent.

All waits run at the same time. Each test looks at one of them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from demo.deployment import Deployment
from demo.postgres import Postgres
from demo.rest import Run

from ..operators.tasks import write_file
from .conftest import VENDOR, Vendors
from .dags.cases import ERRORS, HOURS, LIMIT, RIVAL, WAITS, Wait

ENDLESS: dict[str, Any] = {"seconds": HOURS, "queued": 0}
#: How late a wait may end on a busy machine, in seconds. Airflow's own deadline is 120 seconds late.
LATE = 90
#: How late its task may end in addition, which needs a worker: all do at about the same time.
LATER = 240
#: The state of a task whose limit has passed: all could be retried, an hour later.
STATES = {"timeout": "failed", "execution_timeout": "up_for_retry"}


@dataclass(frozen=True)
class Ended:
    """A task whose wait is over.

    :param began: when its limit began (Unix seconds)
    :param over: when its wait was over
    :param log: what the task and its triggers have logged
    """

    state: str
    began: float
    over: float
    log: str


@dataclass(frozen=True)
class Campaign:
    """A run of all waits, in the middle of which everything goes wrong."""

    deployment: Deployment
    vendors: Vendors
    run: Run
    files: dict[str, str]
    imports: dict[str, str]

    def tasks(self) -> dict[str, dict[str, Any]]:
        """Return all task instances but the rival's."""
        found = {one["task_id"]: one for one in self.deployment.api.task_instances(self.run)}
        return {wait.task_id: found[wait.task_id] for wait in WAITS}

    def states(self) -> set[str | None]:
        return {task["state"] for task in self.tasks().values()}

    def submitted(self) -> dict[str, str]:
        """Return the import of each task."""
        names = {Path(file).name: task_id for task_id, file in self.files.items()}
        imports = self.vendors.plain.imports(VENDOR) + self.vendors.stalled.imports(VENDOR)
        of_files = {names[one["file"]]: one["import_id"] for one in imports if one["file"] in names}
        return self.imports | of_files

    def have_begun(self) -> bool:
        """Return whether all waits are in progress."""
        is_submitted = self.submitted().keys() >= self.tasks().keys()
        return is_submitted and self.states() <= {"running", "deferred", "up_for_reschedule"}

    def fail(self) -> None:
        """Let everything go wrong in the middle of all waits."""
        self.deployment.wait_for(self.have_begun, "wait in progress everywhere", LIMIT)
        self.vendors.fail(self.submitted())
        self.deployment.replace("triggerer")

    def ended(self, wait: Wait, task: dict[str, Any], first_polls: dict[str, float]) -> Ended:
        began = first_polls.get(wait.task_id, _unix(task["start_date"]))
        log = self.log(wait)
        return Ended(task["state"], began, _over(log) or _unix(task["end_date"]), log)

    def log(self, wait: Wait) -> str:
        folder = self.deployment.home / "logs" / f"dag_id={self.run.dag_id}" / f"run_id={self.run.run_id}"
        files = sorted((folder / f"task_id={wait.task_id}").glob("attempt=*"))
        return "\n".join(file.read_text() for file in files)


def _unix(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()


def _over(log: str) -> float | None:
    """Return when a trigger has logged the end of the wait."""
    events = (json.loads(line) for line in log.splitlines() if line.startswith("{"))
    times = (one["timestamp"] for one in events if str(one["event"]).startswith("The wait is over"))
    return next(map(_unix, times), None)


@pytest.fixture(scope="module")
def ended(
    deployment: Deployment,
    vendors: Vendors,
    database: Postgres,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[Wait, Ended]:
    """Run all waits to their ends."""
    folder = tmp_path_factory.mktemp("files")
    files, imports = {}, {RIVAL: vendors.plain.submit(VENDOR, **ENDLESS)}
    for wait in WAITS:
        if wait.is_of_sensor:
            vendor = vendors.stalled if wait.trouble == "stalled_login" else vendors.plain
            imports[wait.task_id] = vendor.submit(VENDOR, **ENDLESS)
        else:
            files[wait.task_id] = str(write_file(folder, f"{wait.task_id}.csv", **ENDLESS))
    run = deployment.trigger("deadlines", imports | files)
    campaign = Campaign(deployment, vendors, run, files, imports)
    campaign.fail()
    ends = set(STATES.values())
    deployment.wait_for(lambda: campaign.states() <= ends, "end of all waits", LIMIT + LATE + LATER)
    # A task that polls again begins again, as far as Airflow's API tells.
    first_polls = dict(
        database.query(
            "airflow",
            "SELECT ti.task_id, extract(epoch FROM min(r.start_date))::float"
            " FROM task_reschedule r JOIN task_instance ti ON ti.id = r.ti_id GROUP BY ti.task_id",
        )
    )
    return {wait: campaign.ended(wait, campaign.tasks()[wait.task_id], first_polls) for wait in WAITS}


@pytest.mark.parametrize("wait", WAITS, ids=lambda wait: wait.task_id)
def test_a_wait_ends_with_its_deadline(ended: dict[Wait, Ended], wait: Wait) -> None:
    end = ended[wait]
    assert end.state == STATES[wait.limit]
    assert ERRORS[wait.limit] in end.log
    assert LIMIT <= end.over - end.began < LIMIT + LATE
