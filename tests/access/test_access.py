"""What users with different permissions learn from the Imports page, and that nobody can write."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from sqlalchemy import text

import airflow_provider_importstatus
from airflow_provider_importstatus.ui import endpoint
from airflow_provider_importstatus.ui.query import MAX_IMPORTS
from airflow_provider_importstatus.version_compat import is_airflow

from .conftest import ALL, NO_DAGS, REFUSED, SOME, Answer, User, World
from .content import HIDDEN, HIDDEN_RUN, VISIBLE
from .questions import HIDDEN_OR_MISSING, QUESTIONS, RUNS, SINGLE
from .server import IMPORTS, Server
from .work import rows_read, statements

STATIC = Path(airflow_provider_importstatus.__file__).parent / "ui" / "static"
EMPTY = {"total": 0, "page_size": 50, "states": {}, "max_imports": None, "older": None}
EMPTY |= {"imports": [], "dag_ids": [], "vendors": []}


def ids(answer: Answer) -> list[str]:
    """Return the ids of the imports in an answer."""
    return [one["import_id"] for one in json.loads(answer.body)["imports"]]


@pytest.mark.parametrize("user", ALL, ids=str)
def test_users_with_all_dags_see_all_imports(world: World, user: User) -> None:
    answer = json.loads(world.ask(user, {"before": 500, "days": "all"}).body)
    assert answer["dag_ids"] == sorted((*HIDDEN, *VISIBLE))
    assert answer["vendors"] == ["clear", "tao_advance", "thalamus"]
    newest = json.loads(world.ask(user).body)
    assert (newest["total"], newest["max_imports"]) == (2 * MAX_IMPORTS, MAX_IMPORTS)
    for hidden, missing in HIDDEN_OR_MISSING:
        assert ids(world.ask(user, hidden)) != []
        assert ids(world.ask(user, missing)) == []


@pytest.mark.parametrize("user", SOME, ids=str)
def test_users_with_some_dags_see_the_imports_of_these(world: World, user: User) -> None:
    pages = [world.ask(user, {"days": "all", "page": page}) for page in (1, 2, 3)]
    assert sorted(one for page in pages for one in ids(page)) == sorted(f"visible-{one}" for one in range(75))
    answer = json.loads(pages[0].body)
    assert answer["states"] == {"succeeded": 20, "partial": 20, "failed": 20, "running": 15, "waiting": 15}
    assert (answer["total"], answer["max_imports"], answer["older"]) == (75, None, None)
    assert (answer["dag_ids"], answer["vendors"]) == (list(VISIBLE), ["clear", "tao_advance"])
    assert {one["dag_id"] for one in answer["imports"]} == set(VISIBLE)


@pytest.mark.parametrize("user", SOME, ids=str)
def test_no_answer_depends_on_hidden_imports(world: World, user: User) -> None:
    now = [world.ask(user, question) for question in QUESTIONS]
    different = [both for both in zip(world.before[user], now, strict=True) if both[0] != both[1]]
    assert different == []
    assert {answer.status for answer in now} == {200}


@pytest.mark.parametrize("user", SOME, ids=str)
@pytest.mark.parametrize(("hidden", "missing"), HIDDEN_OR_MISSING, ids=str)
def test_what_is_hidden_and_what_does_not_exist_are_the_same(
    world: World, user: User, hidden: dict[str, Any], missing: dict[str, Any]
) -> None:
    assert world.ask(user, hidden) == world.ask(user, missing)
    run = {"dag_id": VISIBLE[0], "run_id": f"run_{HIDDEN_RUN}"}
    assert world.ask(user, {**run, **hidden}) == world.ask(user, {**run, **missing})


@pytest.mark.parametrize("user", REFUSED, ids=str)
def test_users_without_xcoms_or_task_instances_are_always_refused(world: World, user: User) -> None:
    for question in (*SINGLE, *RUNS):
        answer = world.ask(user, question)
        assert (answer.status, json.loads(answer.body)) == (403, {"detail": endpoint.REFUSAL})


@pytest.mark.parametrize("user", NO_DAGS, ids=str)
def test_users_without_dags_see_an_empty_page(world: World, user: User) -> None:
    answers = [world.ask(user, question) for question in SINGLE]
    assert [json.loads(answer.body) for answer in answers] == len(answers) * [EMPTY]


def encoded(server: Server, key: str | None = None, **changes: Any) -> str:
    """Return a token with the administrator's claims, some of them changed, and signed with a key."""
    token = server.tokens["admin"]
    claims = jwt.decode(token, options={"verify_signature": False})
    return jwt.encode(claims | changes, key or server.jwt_secret, jwt.get_unverified_header(token)["alg"])


def invalid_tokens(server: Server) -> Iterator[tuple[str, str]]:
    """Yield tokens that are not valid, each with what is wrong with it."""
    now, other = int(time.time()), next(iter(set(server.tokens) - {"admin"}))
    header, payload, signature = server.tokens["admin"].split(".")
    _, other_payload, other_signature = server.tokens[other].split(".")
    unsigned = jwt.encode(jwt.decode(encoded(server), options={"verify_signature": False}), "", "none")
    yield "garbage", "a.b.c"
    yield "expired", encoded(server, iat=now - 9000, nbf=now - 9000, exp=now - 100)
    yield "signed with another key", encoded(server, key="0" * 64)
    yield "not signed", unsigned
    yield "another user's signature", f"{header}.{payload}.{other_signature}"
    yield "another user's payload", f"{header}.{other_payload}.{signature}"
    yield "another audience", encoded(server, aud="other")
    if server.name == "fab":
        yield "unknown user", encoded(server, sub="999")
        yield "deactivated user", server.tokens["dismissed"]
    if is_airflow(3, 3):
        revoked = server.log_in("admin")
        server.send("api/v2/auth/logout", **as_header(revoked))
        yield "revoked by logging out", revoked


def as_header(token: str) -> dict[str, Any]:
    """Return what a request with the token in a header has."""
    return {"headers": {"Authorization": f"Bearer {token}"}}


def as_cookie(token: str) -> dict[str, Any]:
    """Return what a request with the token in a cookie has, as those of browsers."""
    return {"cookies": {"_token": token}}


@pytest.mark.parametrize("name", ["fab", "simple"])
@pytest.mark.parametrize("sent_as", [as_header, as_cookie])
def test_invalid_tokens_are_refused_as_by_airflow(
    world: World, name: str, sent_as: Callable[[str], dict[str, Any]]
) -> None:
    server = world.servers[name]
    assert server.send(**sent_as(encoded(server))).status_code == 200
    for what, token in invalid_tokens(server):
        ours, airflows = (server.send(path, **sent_as(token)) for path in (IMPORTS, "api/v2/dags"))
        assert (what, ours.status_code) in ((what, 401), (what, 403))
        assert (what, ours.status_code, ours.content) == (what, airflows.status_code, airflows.content)
        assert set(ours.json()) == {"detail"}


@pytest.mark.parametrize("name", ["fab", "simple"])
def test_anonymous_requests_are_refused(world: World, name: str) -> None:
    for question in SINGLE:
        answer = world.servers[name].send(params=question)
        assert (answer.status_code, answer.json()) == (401, {"detail": "Not authenticated"})


@pytest.mark.parametrize("user", SOME, ids=str)
def test_a_cookie_is_as_good_as_a_header(world: World, user: User) -> None:
    server = world.servers[user.server]
    answer = server.send(**as_cookie(server.tokens[user.name]))
    assert answer.content == world.ask(user).body


@pytest.mark.parametrize("user", SOME, ids=str)
def test_of_two_tokens_the_page_takes_the_one_that_airflow_takes(world: World, user: User) -> None:
    server = world.servers[user.server]
    both = {"user": user.name, **as_cookie(server.tokens["admin"])}
    is_refused = server.send(f"api/v2/dags/{HIDDEN[0]}/dagRuns", **both).status_code == 403
    taken = user if is_refused else User(user.server, "admin")
    assert server.send(**both).content == world.ask(taken).body


@pytest.mark.parametrize("user", [*ALL, *SOME], ids=str)
def test_no_cache_may_share_an_answer(world: World, user: User) -> None:
    answer = world.ask(user)
    assert answer.headers["cache-control"] == "private, no-cache"
    assert {"Cookie", "Authorization"} <= set(answer.headers["vary"].replace(",", " ").split())


@pytest.mark.parametrize("user", SOME, ids=str)
def test_another_users_etag_gets_no_confirmation(world: World, user: User) -> None:
    server = world.servers[user.server]
    own, others = (world.ask(one).headers["etag"] for one in (user, User(user.server, "admin")))
    assert server.send(user=user.name, headers={"If-None-Match": own}).status_code == 304
    assert server.send(user=user.name, headers={"If-None-Match": others}).status_code == 200


def test_files_hold_no_data_and_nothing_else_is_a_file(world: World) -> None:
    server = world.servers["fab"]
    for file in STATIC.iterdir():
        assert server.send(f"importstatus/static/{file.name}").content == file.read_bytes()
    for path in (
        "",
        "..%2fendpoint.py",
        "%2e%2e/endpoint.py",
        "../endpoint.py",
        ".%2e%2fquery.py",
        "imports",
    ):
        answer = server.send(f"importstatus/static/{path}")
        assert (path, answer.status_code) == (path, 404)


METHODS = ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "LINK")
PATHS = ("", "imports", "imports/", "imports/7", "imports/visible-1", "static", "static/imports.js", "other")


@pytest.mark.parametrize("name", ["fab", "simple"])
def test_nothing_can_be_written(world: World, name: str) -> None:
    server, before = world.servers[name], tables(world)
    assert {getattr(route, "path", None) for route in endpoint.router.routes} == {"/imports", "/static"}
    for method in METHODS:
        for path in PATHS:
            answer = server.send(f"importstatus/{path}", "admin", method=method, json={"state": "failed"})
            assert (method, path, answer.status_code) in {(method, path, 404), (method, path, 405)}
    assert tables(world) == before


def test_reading_changes_no_table(world: World) -> None:
    before = tables(world)
    for user in (*ALL[-1:], *SOME, *NO_DAGS, *REFUSED):
        for question in (*SINGLE[::4], *RUNS[::8]):
            world.ask(user, question)
    assert len(before) > 50
    assert tables(world) == before


def tables(world: World) -> dict[str, Any]:
    """Return a digest of the rows of each table."""
    with world.engine.connect() as connection:
        names = connection.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).all()
        digest = "SELECT count(*), md5(string_agg(t::text, chr(10) ORDER BY t::text)) FROM"
        return {name: tuple(connection.execute(text(f'{digest} "{name}" t')).one()) for name in names}


def work_for(world: World, user: User, question: dict[str, Any]) -> list[dict[str, int]]:
    """Return how many rows PostgreSQL reads of each table to answer a question, for each query."""
    position = (world.database.home / "postgres.log").stat().st_size
    world.ask(user, question)
    return [rows_read(world.engine, statement) for statement in statements(world.database, position)]


@pytest.mark.parametrize("user", SOME, ids=str)
@pytest.mark.parametrize(("hidden", "missing"), HIDDEN_OR_MISSING, ids=str)
def test_no_hidden_status_is_read_whatever_is_asked(
    world: World, user: User, hidden: dict[str, Any], missing: dict[str, Any]
) -> None:
    """So how long an answer takes does not tell whether hidden imports match."""
    for_hidden, for_missing = work_for(world, user, hidden), work_for(world, user, missing)
    if set(hidden) & {"run_id", "task_id"}:
        # They are looked up in an index before the DAGs are compared. Nothing else is read of what is found.
        for one in (*for_hidden, *for_missing):
            one.pop("task_instance", None)
    assert for_hidden == for_missing
    assert for_hidden != []


@pytest.mark.parametrize("user", REFUSED, ids=str)
def test_nothing_is_read_for_users_who_are_refused(world: World, user: User) -> None:
    assert [work_for(world, user, question) for question in SINGLE] == len(SINGLE) * [[]]
