"""An Airflow as companies run it: PostgreSQL, Redis, two Celery workers, two triggerers; and the vendors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from demo.deployment import Deployment
from demo.postgres import Postgres, postgres
from demo.processes import cpu_seconds

from .redis import Redis, redis
from .vendors import Vendors, vendors

DAGS = Path(__file__).parent / "dags"
DATABASE = "cluster"
#: Tasks that one worker runs at a time: with two workers, a few for each core.
CONCURRENCY = 4
#: Triggers per triggerer: less than all waits, so that both have hundreds, and enough for one to take over
#: those that are left when the other is killed.
CAPACITY = 600
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


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Return a cluster that is ready."""
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
            "triggerer": {"capacity": CAPACITY},
            # Airflow's defaults; those of the demo are faster, for interactive use.
            "dag_processor": {"min_file_process_interval": 30, "refresh_interval": 300},
            "scheduler": {"scheduler_idle_sleep_time": 1, "trigger_timeout_check_interval": 15},
        }
        with Deployment(
            home / "airflow", DAGS, connections=proxy.connections(), config=config, triggerers=2, workers=2
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
