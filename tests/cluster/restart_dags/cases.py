"""The waits of the campaign of restarts and how their tasks must end, for the test and for the DAG file."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from airflow_provider_importstatus.get_provider_info import get_provider_info

WAITS = int(os.environ.get("RESTART_WAITS", "200"))
#: The parameters that a submission requires. The sandbox has the mapping from the start.
SUBMIT_PARAMS: dict[str, dict[str, Any]] = {
    "clear": {"template_type": "SALES"},
    "zilliant": {"mapping_id": "00000000-2111-4000-8000-000000000001"},
    "thalamus": {"type": 25011},
}
TYPES: Any = get_provider_info()["connection-types"]
VENDORS = tuple(name for each in TYPES if (name := each["connection-type"]) != "import_api")
#: How a task waits, and how its import ends (None: never), in turn. A sensor starts and ends in a triggerer;
#: an operator submits a file and defers; on a worker, an operator polls itself.
KINDS: tuple[tuple[str, str | None], ...] = (
    ("sensor", "succeeded"),
    ("worker", "succeeded"),
    ("operator", None),
    ("sensor", "partial"),
    ("operator", "succeeded"),
    ("sensor", "failed"),
    ("operator", "partial"),
    ("sensor", None),
    ("operator", "succeeded"),
    ("sensor", "succeeded"),
)
#: Only the first waits may be on workers: each occupies one of its slots.
ON_WORKERS = 80
#: Waits of one DAG. A triggerer reads the whole DAG for each of its waits.
SIZE = 20
#: Restarts of the campaign. When each begins, and after the last, some imports end.
STAGES = 7
#: Seconds between two polls of an import.
INTERVAL = 5
#: The timeouts of the waits for imports that never end, in seconds: from the first to the last.
FIRST_TIMEOUT, LAST_TIMEOUT = 90, 200 + WAITS
#: Longer than the campaign.
NO_TIMEOUT = 24 * 3600


class Case(NamedTuple):
    """A wait.

    :param ends: how its import ends; None if it never does
    :param stage: the number of the restart at whose beginning the import ends
    :param timeout: the task's, in seconds
    """

    number: int
    how: str
    vendor: str
    ends: str | None
    stage: int
    timeout: int = NO_TIMEOUT

    @property
    def dag_id(self) -> str:
        """Return the DAG of the task."""
        return f"restarts_{self.number // SIZE}"

    @property
    def task_id(self) -> str:
        """Return the task, which says what it waits for."""
        return f"{self.how}_{self.vendor}_{self.ends or 'endless'}_{self.number:03}"

    @property
    def state(self) -> str:
        """Return the state that the task must end in."""
        return "success" if self.ends in ("succeeded", "partial") else "failed"

    @property
    def cancels_on_kill(self) -> bool:
        """Return whether the task cancels its import when somebody ends it."""
        # On a worker any kill would cancel it, also that of the worker.
        return self.vendor == "thalamus" and self.how != "worker"


def cases() -> list[Case]:
    """Return all waits."""
    found = [_case(number) for number in range(WAITS)]
    # First sensors: a retry, which the later restarts make necessary for some, starts their timeout again.
    endless = sorted(
        (case for case in found if not case.ends), key=lambda case: (case.how != "sensor", case.number % 11)
    )
    for place, case in enumerate(endless):
        timeout = FIRST_TIMEOUT + place * (LAST_TIMEOUT - FIRST_TIMEOUT) // max(len(endless) - 1, 1)
        found[case.number] = case._replace(timeout=timeout)
    return found


def _case(number: int) -> Case:
    group, place = divmod(number, len(VENDORS))
    how, ends = KINDS[group % len(KINDS)]
    stage = (group + 2 * place) % (STAGES + 1)
    if how == "worker" and number >= ON_WORKERS:
        how = "operator"
    if how == "worker":
        # All poll when a worker is killed.
        stage = STAGES - place
        ends = None if VENDORS[place] == "zilliant" else ends
    return Case(number, how, VENDORS[place], ends, stage)
