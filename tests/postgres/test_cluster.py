"""The PostgreSQL cluster that other tests use."""

from __future__ import annotations

import socket

import psycopg2
import pytest

from .cluster import Postgres, postgres


def test_a_database_takes_what_is_stored(server: Postgres) -> None:
    url = server.create_database("tried").replace("+psycopg2", "")
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT '{\"a\": 1}'::jsonb -> 'a'")
        assert cursor.fetchone() == (1,)
    connection.close()


def test_a_cluster_is_removed_after_its_block() -> None:
    with postgres() as server:
        assert server.is_ready()
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", server.port)):
        pass
