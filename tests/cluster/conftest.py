"""An Airflow as companies run it: PostgreSQL, Redis, two Celery workers, two triggerers; and the vendors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from demo.configuration import merged
from demo.deployment import Deployment
from demo.postgres import Postgres, postgres
from demo.processes import cpu_seconds

from .redis import Redis, redis
from .vendors import Vendors, vendors

DAGS = Path(__file__).parent / "dags"
RESTART_DAGS = Path(__file__).parent / "restart_dags"
DATABASE = "cluster"
#: Tasks that one worker runs at a time: with two workers, a few for each core.
CONCURRENCY = 4
#: Triggers per triggerer.
CAPACITY = 600
#: Seconds without a heartbeat after which a supervised cluster takes a scheduler or a triggerer for dead.
DEAD_AFTER = 15
#: Lines for the end of the output.
FIGURES = pytest.StashKey[list[str]]()


class Cluster(NamedTuple):
    """Everything that runs."""

    airflow: Deployment
    database: Postgres
    broker: Redis
    vendors: Vendors
    vendors_pid: int

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows that a query finds in Airflow's database."""
        return self.database.query(DATABASE, sql)

    def cpu(self) -> dict[str, float]:
        """Return the CPU seconds of everything so far."""
        others = {"PostgreSQL": self.database.pid, "Redis": self.broker.pid, "the vendors": self.vendors_pid}
        return {**self.airflow.cpu(), **{name: cpu_seconds(pid) for name, pid in others.items()}}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Return a cluster that is ready."""
    # Fewer than all waits, so that both triggerers have hundreds, and enough for one to take over those that
    # are left when the other is killed.
    with _running(tmp_path_factory, DAGS, {"triggerer": {"capacity": CAPACITY}}) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def supervised(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Return a cluster whose processes are started again when they exit, and that soon notices dead ones."""
    config: dict[str, dict[str, object]] = {
        # Some tasks poll on workers all the time.
        "celery": {"worker_concurrency": 2 * CONCURRENCY},
        "scheduler": {
            "scheduler_health_check_threshold": DEAD_AFTER,
            "task_instance_heartbeat_timeout": 30,
            # What a worker could not start because the API server was absent, the scheduler queues again.
            "task_queued_timeout": 60,
            "task_queued_timeout_check_interval": 10,
        },
        "triggerer": {
            "job_heartbeat_sec": 3,
            # So few at a time that none takes all.
            "max_trigger_to_select_per_loop": 5,
            "triggerer_health_check_threshold": DEAD_AFTER,
        },
        "workers": {"execution_api_retries": 10},
    }
    with _running(tmp_path_factory, RESTART_DAGS, config, supervised=True) as cluster:
        yield cluster


@contextmanager
def _running(
    tmp_path_factory: pytest.TempPathFactory,
    dags: Path,
    more: Mapping[str, Mapping[str, object]],
    *,
    supervised: bool = False,
) -> Iterator[Cluster]:
    home = tmp_path_factory.mktemp("cluster")
    with postgres() as database, redis(home) as broker, vendors() as (proxy, pid):
        url = database.create_database(DATABASE)
        config: dict[str, dict[str, object]] = {
            "core": {"executor": "CeleryExecutor", "parallelism": 32},
            "celery": {
                "broker_url": broker.url,
                "result_backend": f"db+{url}",
                "worker_concurrency": CONCURRENCY,
            },
            "database": {"sql_alchemy_conn": url},
            # Airflow's defaults; those of the demo are faster, for interactive use.
            "dag_processor": {"min_file_process_interval": 30, "refresh_interval": 300},
            "scheduler": {"scheduler_idle_sleep_time": 1, "trigger_timeout_check_interval": 15},
        }
        with Deployment(
            home / "airflow",
            dags,
            connections=proxy.connections(),
            config=merged(config, more),
            triggerers=2,
            workers=2,
            supervised=supervised,
        ) as airflow:
            airflow.wait_until_ready(timeout=300)
            yield Cluster(airflow, database, broker, proxy, pid)


@pytest.fixture(scope="session")
def report(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Return a function that adds lines to the end of the output."""
    return request.config.stash.setdefault(FIGURES, []).append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if lines := config.stash.get(FIGURES, []):
        terminalreporter.section("figures")
        for line in lines:
            terminalreporter.write_line(line)
