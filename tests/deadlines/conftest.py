"""A real Airflow with waits for imports that never end, and vendors that stop responding to it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from airflow_provider_importstatus.sandbox import Sandbox
from demo.deployment import Deployment
from demo.postgres import Postgres, postgres

from .dags.cases import HOURS, RIVAL, WAITS
from .relay import Relay

DAGS = Path(__file__).parent / "dags"
REPOSITORY = Path(__file__).parents[2]
VENDOR = "tao_advance"
#: Seconds without a heartbeat after which a triggerer's waits are taken over.
THRESHOLD = 10


@dataclass(frozen=True)
class Vendors:
    """What the connections lead to.

    :param stalled: its login can be stalled without the others
    :param relays: by connection id
    """

    plain: Sandbox
    stalled: Sandbox
    relays: dict[str, Relay]

    @property
    def connections(self) -> dict[str, dict[str, Any]]:
        """Return the connections: each of their requests may take an hour."""
        plain, stalled = (one.connections[f"{VENDOR}_default"] for one in (self.plain, self.stalled))
        return {
            "plain": _patient(plain),
            "one_slot": _patient(plain, max_concurrency=1),
            "stalled_login": _patient(stalled),
            **{name: {**_patient(plain), "host": relay.url} for name, relay in self.relays.items()},
        }

    def fail(self, imports: dict[str, str]) -> None:
        """Let everything go wrong from now on.

        :param imports: the id of each task's import
        """
        self.relays["refused"].refuse()
        self.relays["black_hole"].swallow()
        self.stalled.fault(VENDOR, "token", "slow", times=None, seconds=HOURS)
        self.stalled.revoke(VENDOR)
        self._fault("slow", imports[RIVAL])
        for wait in WAITS:
            if wait.trouble == "dribble":
                self._fault("dribble", imports[wait.task_id])
            elif wait.trouble == "server_errors":
                self._fault("500", imports[wait.task_id])

    def _fault(self, kind: str, import_id: str) -> None:
        self.plain.fault(VENDOR, "status", kind, times=None, import_id=import_id, seconds=HOURS)


def _patient(connection: dict[str, Any], **extra: Any) -> dict[str, Any]:
    return {**connection, "extra": {**connection["extra"], "timeout": 3600, **extra}}


@pytest.fixture(scope="module")
def vendors() -> Iterator[Vendors]:
    with ExitStack() as stack:
        plain, stalled = (stack.enter_context(Sandbox()) for _ in range(2))
        port = URL(plain.url).port or 0
        relays = {name: stack.enter_context(Relay(port)) for name in ("refused", "black_hole")}
        yield Vendors(plain, stalled, relays)


@pytest.fixture(scope="module")
def database() -> Iterator[Postgres]:
    with postgres() as server:
        yield server


@pytest.fixture(scope="module")
def deployment(
    vendors: Vendors, database: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """Return an Airflow that is ready to run all waits at the same time."""
    config: dict[str, dict[str, object]] = {
        "core": {"max_active_tasks_per_dag": 64, "parallelism": 12},
        "database": {"sql_alchemy_conn": database.create_database("airflow")},
        "triggerer": {"job_heartbeat_sec": 3, "triggerer_health_check_threshold": THRESHOLD},
    }
    with Deployment(
        tmp_path_factory.mktemp("deadlines") / "airflow",
        DAGS,
        connections=vendors.connections,
        env={"PYTHONPATH": os.pathsep.join(map(str, (REPOSITORY, DAGS)))},
        config=config,
    ) as airflow:
        airflow.wait_until_ready()
        yield airflow
