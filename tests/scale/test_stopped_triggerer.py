"""Two hundred waits with `cancel_on_kill` survive a triggerer that is stopped, replaced, and goes on."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_importstatus.sandbox import Sandbox
from demo.deployment import Deployment
from demo.postgres import Postgres, postgres

from .dags.cancellable import WAITS

DAGS = Path(__file__).parent / "dags"
#: Seconds without a heartbeat after which other triggerers take over.
THRESHOLD = 15
VENDOR = "thalamus"


@pytest.fixture
def vendors() -> Iterator[Sandbox]:
    """Return vendors of this test's own."""
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def database() -> Iterator[Postgres]:
    """Return a PostgreSQL of this test's own."""
    with postgres() as server:
        yield server


@pytest.fixture
def airflow(vendors: Sandbox, database: Postgres, tmp_path: Path) -> Iterator[Deployment]:
    """Return an Airflow with two triggerers, which soon count as dead."""
    config: dict[str, dict[str, object]] = {
        "core": {"max_active_tasks_per_dag": WAITS, "parallelism": 4},
        "database": {"sql_alchemy_conn": database.create_database("airflow")},
        "triggerer": {"job_heartbeat_sec": 3, "triggerer_health_check_threshold": THRESHOLD},
    }
    with Deployment(
        tmp_path / "airflow", DAGS, connections=vendors.connections, config=config, triggerers=2
    ) as airflow:
        airflow.wait_until_ready()
        yield airflow


def states(vendors: Sandbox) -> Counter[str]:
    return Counter(one["phase"] for one in vendors.imports(VENDOR))


def test_a_stopped_triggerer_cancels_nothing_and_a_person_exactly_one(
    airflow: Deployment, vendors: Sandbox, database: Postgres
) -> None:
    # All waits begin in the first triggerer.
    airflow.kill("triggerer-2")
    imports = [vendors.submit(VENDOR, seconds=170, queued=0) for _ in range(WAITS)]
    run = airflow.trigger("cancellable", {"imports": imports})

    def owners() -> Counter[int]:
        rows = database.query("airflow", "SELECT triggerer_id, count(*) FROM trigger GROUP BY triggerer_id")
        return Counter(dict(rows))

    airflow.wait_for(lambda: list(owners().values()) == [WAITS], "start of all waits", 120)
    airflow.wait_for(lambda: vendors.requests(VENDOR)["status"] >= WAITS, "first poll of each wait", 60)
    (first,) = owners()

    airflow.restart("triggerer-2")
    stopped = airflow.processes["triggerer"].pid
    os.killpg(stopped, signal.SIGSTOP)
    try:
        airflow.wait_for(lambda: first not in owners(), "takeover of all waits", THRESHOLD + 60)
    finally:
        os.killpg(stopped, signal.SIGCONT)

    airflow.api.mark(run, "wait_000", "failed")
    airflow.wait_for(lambda: states(vendors)["cancelled"], "cancellation", 60)
    assert airflow.wait_for_end(run, 300) == "failed"

    assert states(vendors) == {"succeeded": WAITS - 1, "cancelled": 1}
    assert vendors.imports(VENDOR)[0]["phase"] == "cancelled"
    assert vendors.requests(VENDOR)["cancel"] == 1
    ended = Counter(task["state"] for task in airflow.api.task_instances(run))
    assert ended == {"success": WAITS - 1, "failed": 1}
    # This ensures that the stopped triggerer was told to give its triggers up.
    assert "is not cancelled: the task is" in "".join(
        path.read_text() for path in (airflow.home / "logs").rglob("*.log*")
    )
