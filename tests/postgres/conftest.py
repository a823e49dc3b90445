"""A PostgreSQL for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .cluster import Postgres, postgres

DAGS = Path(__file__).parent / "dags"


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    """Return a PostgreSQL without databases of its own."""
    with postgres() as server:
        yield server
