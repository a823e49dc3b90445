"""A real API server on the tests' database, with an auth manager and its users; asked over HTTP."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import requests
from sqlalchemy import text
from sqlalchemy.orm import Session

from demo import configuration
from demo.deployment import Deployment

from .content import HAS_TEAMS, HIDDEN_TEAM, VISIBLE, VISIBLE_TEAM

__all__ = ["IMPORTS", "FabServer", "Server", "SimpleServer", "running"]

#: The page's endpoint.
IMPORTS = "importstatus/imports"
FAB = "airflow.providers.fab.auth_manager"


class Server:
    """An API server whose users have tokens, by name."""

    name: ClassVar[str]
    core: ClassVar[Mapping[str, object]]

    def __init__(self, home: Path, database: str) -> None:
        dags = home / "dags"
        dags.mkdir(parents=True)
        self.jwt_secret = secrets.token_hex(32)
        config: dict[str, dict[str, object]] = {
            "core": {"simple_auth_manager_all_admins": False, **self.core},
            "api_auth": {"jwt_secret": self.jwt_secret},
            "database": {"sql_alchemy_conn": database},
        }
        self.airflow = Deployment(home / "airflow", dags, config=config, components=("api-server",))
        self.passwords: dict[str, str] = {}
        self.tokens: dict[str, str] = {}
        self._http = requests.Session()
        self._http.trust_env = False

    def send(
        self, path: str = IMPORTS, user: str | None = None, *, method: str = "GET", **request: Any
    ) -> requests.Response:
        """Send one request, with the token of a user."""
        headers = {**({"Authorization": f"Bearer {self.tokens[user]}"} if user else {})}
        headers |= request.pop("headers", {})
        self._http.cookies.clear()
        url = f"{self.airflow.url}/{path}"
        return self._http.request(
            method, url, headers=headers, timeout=60, **{"allow_redirects": False, **request}
        )

    def create_users(self, session: Session) -> None:
        """Create the users, and log each one in."""
        raise NotImplementedError

    def log_in(self, user: str) -> str:
        """Return a new token of a user."""
        login = {"username": user, "password": self.passwords[user]}
        answer = self.send("auth/token", method="POST", json=login)
        answer.raise_for_status()
        return str(answer.json()["access_token"])

    def wait_until_ready(self) -> None:
        """Return once it responds."""
        self.airflow.wait_for(lambda: self.send("api/v2/version").ok, "API server", timeout=120)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


#: Users of the simple auth manager, with their roles and teams.
WITHOUT_TEAMS = ("admin:admin", "viewer:viewer")
WITH_TEAMS = (
    "admin:admin",
    f"viewer:viewer:{VISIBLE_TEAM}|{HIDDEN_TEAM}",
    f"member:viewer:{VISIBLE_TEAM}",
    "without_team:viewer",
)


class SimpleServer(Server):
    """Airflow's simple auth manager: roles for all DAGs, and from 3.3 on teams."""

    name = "simple"
    core: ClassVar[Mapping[str, object]] = {
        "auth_manager": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
        "multi_team": HAS_TEAMS,
        "simple_auth_manager_users": ",".join(WITH_TEAMS if HAS_TEAMS else WITHOUT_TEAMS),
    }

    def create_users(self, session: Session) -> None:  # noqa: ARG002 - of all servers
        """Log in the users of the configuration, with the passwords that Airflow has generated."""
        path = self.airflow.home / "simple_auth_manager_passwords.json.generated"
        self.passwords |= json.loads(path.read_text())
        self.tokens |= {user: self.log_in(user) for user in self.passwords}


class FabServer(Server):
    """The auth manager of Flask AppBuilder: permissions on single DAGs, on XComs, and on task instances."""

    name = "fab"
    core: ClassVar[Mapping[str, object]] = {"auth_manager": f"{FAB}.fab_auth_manager.FabAuthManager"}

    def create_users(self, session: Session) -> None:
        """Create roles and users as an administrator, in the API; one of them is deactivated later."""
        self._create_admin()
        self.tokens["admin"] = self.log_in("admin")
        roles = self.send("auth/fab/v1/roles/Viewer", "admin").json()["actions"]
        viewer = {(one["action"]["name"], one["resource"]["name"]) for one in roles}
        granted = {
            "all_dags": viewer,
            "some_dags": viewer - {("can_read", "DAGs")},
            "no_xcoms": viewer - {("can_read", "XComs")},
            "no_tasks": viewer - {("can_read", "Task Instances")},
            "no_runs": viewer - {("can_read", "DAG Runs")},
            "no_dags": viewer - {("can_read", "DAGs")},
            "nothing": set(),
        }
        for name, permissions in granted.items():
            actions = [{"action": {"name": one}, "resource": {"name": what}} for one, what in permissions]
            self._create("roles", {"name": name, "actions": actions})
        for name in granted:
            self._create_user(name, role=name)
        self._create_user("dismissed", role="Admin")
        self._share(session, VISIBLE, role="some_dags")
        self.tokens |= {name: self.log_in(name) for name in (*granted, "dismissed")}
        session.execute(text("UPDATE ab_user SET active = false WHERE username = 'dismissed'"))
        session.commit()

    def _create_admin(self) -> None:
        self.passwords["admin"] = secrets.token_hex(8)
        options = [f"--{name}=admin" for name in ("username", "firstname", "lastname", "email")]
        airflow = str(Path(sys.executable).parent / "airflow")
        command = [airflow, "users", "create", "--role=Admin", *options]
        command.append(f"--password={self.passwords['admin']}")
        env = configuration.environment(self.airflow.home)
        subprocess.run(command, env=env, check=True, capture_output=True)

    def _create_user(self, name: str, role: str) -> None:
        self.passwords[name] = secrets.token_hex(8)
        texts = dict.fromkeys(("username", "email", "first_name", "last_name"), name)
        self._create("users", {**texts, "password": self.passwords[name], "roles": [{"name": role}]})

    def _create(self, what: str, body: Any) -> None:
        self.send(f"auth/fab/v1/{what}", "admin", method="POST", json=body).raise_for_status()

    def _share(self, session: Session, dag_ids: tuple[str, ...], role: str) -> None:
        """Do what Airflow does for a DAG with `access_control` when it parses the DAG."""
        manager = import_module("airflow.providers.fab.www.security_appless").ApplessAirflowSecurityManager
        for dag_id in dag_ids:
            manager(session=session).sync_perm_for_dag(dag_id, {role: {"can_read"}})
        session.commit()


@contextmanager
def running(server: Server, session: Session) -> Iterator[Server]:
    """Run a server for a `with` block, with its users."""
    with server.airflow:
        try:
            server.wait_until_ready()
            server.create_users(session)
            yield server
        finally:
            server.close()
