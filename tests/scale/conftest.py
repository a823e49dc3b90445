"""An Airflow with two triggerers that share one Clear client secret with the workers."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from airflow_provider_importstatus.sandbox import Sandbox
from demo.deployment import Deployment

DAGS = Path(__file__).parent / "dags"
#: Lifetime of a short-lived token, in seconds.
LIFE = 40
#: Triggers per triggerer: fewer than the waits of a test, so that both have some.
CAPACITY = 60


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """Return vendors whose tokens are valid for an hour."""
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def forgetful() -> Iterator[Sandbox]:
    """Return vendors whose tokens are valid for seconds."""
    with Sandbox(token_seconds=LIFE) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def metrics() -> Iterator[tuple[int, set[str]]]:
    """Run a StatsD server; return its port and the names of the metrics it receives."""
    names: set[str] = set()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def listen() -> None:
            while packet := server.recv(65536):
                names.update(line.partition(":")[0] for line in packet.decode().splitlines())

        Thread(target=listen, daemon=True).start()
        port = server.getsockname()[1]
        yield port, names
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"", ("127.0.0.1", port))


@pytest.fixture(scope="session")
def deployment(
    sandbox: Sandbox,
    forgetful: Sandbox,
    metrics: tuple[int, set[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Deployment]:
    """Return an Airflow with two triggerers and a few more connections."""
    clear, short = sandbox.connections["clear_default"], forgetful.connections["clear_default"]
    connections = {
        **sandbox.connections,
        "clear_wrong": {**clear, "login": "11111111-2222-3333-4444-555555555555"},
        "short_first": short,
        "short_second": {**short, "login": second_integration()},
    }
    config: dict[str, dict[str, object]] = {
        "core": {"parallelism": 8, "max_active_tasks_per_dag": 200},
        "metrics": {"statsd_on": True, "statsd_host": "127.0.0.1", "statsd_port": metrics[0]},
        "triggerer": {"capacity": CAPACITY},
    }
    home = tmp_path_factory.mktemp("scale") / "airflow"
    with Deployment(home, DAGS, connections=connections, config=config, triggerers=2) as airflow:
        airflow.wait_until_ready()
        yield airflow


def second_integration() -> str:
    """Return the other integration id that Clear's client secret may be used with."""
    from airflow_provider_importstatus.sandbox.vendors import clear

    return clear.CREDENTIALS.integration_ids[1]
