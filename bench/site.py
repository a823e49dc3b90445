"""A whole Airflow on a PostgreSQL of its own, with many deferred tasks."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.contenders import connections
from bench.deployment import CONFIG, DAGS
from bench.standin import StandIn
from demo.configuration import merged
from demo.deployment import Deployment
from demo.postgres import Postgres, postgres
from demo.processes import cpu_seconds
from demo.rest import Run

__all__ = ["INTERVAL", "TASKS", "Site", "site"]

#: As in dags/deferred.py: tasks of a run, and seconds between two polls.
TASKS = 50
INTERVAL = 30.0
#: Waits that the triggerer takes: all of a benchmark.
CAPACITY = 2500
DATABASE = "airflow"
#: Seconds, on a busy machine.
PATIENCE = 900.0


class Site(NamedTuple):
    """An Airflow, its database, and the server that its tasks poll."""

    airflow: Deployment
    database: Postgres
    server: StandIn

    def cpu(self) -> float:
        """Return the CPU seconds of Airflow and PostgreSQL so far."""
        return sum(self.airflow.cpu().values()) + cpu_seconds(self.database.pid)

    def xcoms(self) -> int:
        """Return the number of XComs written so far."""
        rows = "SELECT n_tup_ins + n_tup_upd FROM pg_stat_user_tables WHERE relname = 'xcom'"
        return int(self.database.query(DATABASE, rows)[0][0])

    def start(self, kind: str, waits: int) -> dict[Run, int]:
        """Start that many waits; return their runs, each with the number of its first import."""
        firsts = range(0, waits, TASKS)
        return {
            self.airflow.trigger(f"deferred_{kind}", {"first": first}, PATIENCE): first for first in firsts
        }

    def wait_until_deferred(self, waits: int) -> None:
        """Return once so many tasks are in the triggerer."""
        self.airflow.wait_for(lambda: self.deferred() == waits, f"{waits} deferred tasks", PATIENCE)

    def deferred(self) -> int:
        """Return the number of tasks in the triggerer."""
        time.sleep(1)
        rows = "SELECT count(*) FROM trigger WHERE triggerer_id IS NOT NULL"
        return int(self.database.query(DATABASE, rows)[0][0])


@contextmanager
def site(name: str) -> Iterator[Site]:
    """Start an Airflow for a `with` block."""
    home = Path(os.environ["AIRFLOW_HOME"]).with_name(name)
    with postgres() as database, StandIn() as server:
        more = {
            "database": {"sql_alchemy_conn": database.create_database(DATABASE)},
            "triggerer": {"capacity": CAPACITY},
        }
        with Deployment(
            home, DAGS, connections=connections(server.url), config=merged(CONFIG, more)
        ) as airflow:
            yield Site(airflow, database, server)
