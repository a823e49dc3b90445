"""The PostgreSQL cluster that other tests use."""

from __future__ import annotations

import socket

import psutil
import pytest

from demo.postgres import Postgres, postgres


def test_a_database_takes_what_is_stored(server: Postgres) -> None:
    server.create_database("tried")
    assert server.query("tried", "SELECT '{\"a\": 1}'::jsonb -> 'a'") == [(1,)]


def test_its_first_process_is_known(server: Postgres) -> None:
    assert psutil.Process(server.pid).name() == "postgres"


def test_a_stopped_cluster_starts_again_on_its_port_with_its_data() -> None:
    with postgres() as server:
        server.create_database("kept")
        server.stop()
        assert not server.is_ready()
        server.start()
        assert server.query("kept", "SELECT 1") == [(1,)]


def test_a_cluster_is_removed_after_its_block() -> None:
    with postgres() as server:
        assert server.is_ready()
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", server.port)):
        pass
