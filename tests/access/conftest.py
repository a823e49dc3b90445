"""Real API servers with the simple auth manager and with Flask AppBuilder, on one PostgreSQL database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, NamedTuple

import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session

from demo.postgres import Postgres, postgres

from .content import HAS_TEAMS, add_dags, add_hidden, add_visible
from .questions import QUESTIONS
from .server import FabServer, Server, SimpleServer, running
from .work import log_statements

DATABASE = "access"


class User(NamedTuple):
    """A user of one of the servers."""

    server: str
    name: str

    def __str__(self) -> str:
        return f"{self.server}-{self.name}"


#: Users by what they may see.
ALL = [User("fab", "admin"), User("fab", "all_dags"), User("simple", "admin"), User("simple", "viewer")]
SOME = [User("fab", "some_dags"), *([User("simple", "member")] if HAS_TEAMS else [])]
NO_DAGS = [User("fab", "no_dags"), User("fab", "nothing")]
NO_DAGS += [User("simple", "without_team")] if HAS_TEAMS else []
REFUSED = [User("fab", "no_xcoms"), User("fab", "no_tasks"), User("fab", "no_runs")]


class Answer(NamedTuple):
    """All that a response tells, but for the time."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class World:
    """The servers, their database, and what some users were answered before hidden imports were added."""

    servers: dict[str, Server]
    database: Postgres
    engine: Engine
    before: dict[User, list[Answer]] = field(default_factory=dict)

    def ask(self, user: User, question: dict[str, Any] | None = None) -> Answer:
        """Return the answer of the page's endpoint."""
        answer = self.servers[user.server].send(user=user.name, params=question)
        headers = {name.lower(): value for name, value in answer.headers.items() if name.lower() != "date"}
        return Answer(answer.status_code, headers, answer.content)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Return the servers, with visible and hidden imports."""
    if not find_spec("airflow.providers.fab"):
        pytest.fail("Flask AppBuilder is not installed: run `make test-access`")
    home = tmp_path_factory.mktemp("access")
    with postgres() as database:
        url = database.create_database(DATABASE)
        engine = create_engine(url)
        fab, simple = FabServer(home / "fab", url), SimpleServer(home / "simple", url)
        with Session(engine) as session, running(fab, session):
            # A server with users in teams starts only if the teams exist.
            add_dags(session)
            with running(simple, session):
                world = World({"fab": fab, "simple": simple}, database, engine)
                add_visible(session)
                for user in SOME:
                    world.before[user] = [world.ask(user, question) for question in QUESTIONS]
                add_hidden(session)
                log_statements(engine)
                yield world
        engine.dispose()
