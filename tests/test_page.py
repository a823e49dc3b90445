"""Responses of the page's endpoint for any content of the database."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.api_fastapi.auth.managers.models.batch_apis import IsAuthorizedDagRequest
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep, PermittedXComFilter, ReadableXComFilterDep
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from airflow_provider_importstatus.plugin import MOUNT, application
from airflow_provider_importstatus.status import ImportState
from airflow_provider_importstatus.ui import endpoint, query
from airflow_provider_importstatus.ui.query import Filters

from .page_database import IS_BY_TRY, add_run, add_task, add_wait, database

GOOD: dict[str, Any] = {
    "vendor": "clear",
    "import_id": "7",
    "state": "partial",
    "vendor_state": "SUCCESS",
    "rows": {"total": 3, "succeeded": 2, "failed": 1, "skipped": 0},
    "progress": 0.5,
    "messages": ["one"],
    "more_messages": 1,
    "stages": [{"stage": "INGESTION", "state": "failed", "template": "t", "message": "m"}],
    "more_stages": 2,
    "error_reports": ["/reports/ingestion-1.csv"],
    "started_at": "2026-01-02T03:04:05+00:00",
    "finished_at": "2026-01-02T03:04:06+00:00",
    "polled_at": "2026-01-02T03:04:07+00:00",
    "next_poll_at": "2026-01-02T03:05:07+00:00",
}
#: Ask the endpoint with filters for its answer, or for the ids of its imports.
Ask = Callable[..., Any]
Listed = Callable[..., list[str]]
INSTANTS = ("started_at", "finished_at", "polled_at", "next_poll_at")
JUNK: list[Any] = [
    *(None, True, 7, -1, 0.5, 1e308, float("nan"), float("inf"), 10**400),
    *("", "tomorrow", "9999-12-31T23:59:59-23:59", "\ud83d", "a\x00b", "<b>"),
    *([], [[]], [None, 7, {}], {}, {"a": {"b": []}}, [{"stage": {}}], [{"stage": "x", "state": 7}]),
    {"total": "many", "failed": True, "skipped": [1], "succeeded": -5},
]


def shown(value: Any) -> dict[str, Any] | None:
    row = SimpleNamespace(
        value=value,
        dag_id="d",
        run_id="r",
        task_id="t",
        map_index=-1,
        state="success",
        start_date=None,
        end_date=None,
    )
    return query.as_json(row)


def is_well_typed(one: dict[str, Any]) -> bool:
    """Return whether the page can show it without checking any types."""
    texts = [one["vendor"], one["import_id"], one["state"], one["vendor_state"], *one["messages"]]
    texts += one["error_reports"]
    counts = [one["more_messages"], one["more_stages"], *(n for n in one["rows"].values() if n is not None)]
    for stage in one["stages"]:
        texts += [stage["stage"], stage["state"]]
        texts += [text for text in (stage["template"], stage["message"]) if text is not None]
    return (
        all(isinstance(text, str) for text in texts)
        and all(type(count) is int and 0 <= count < 2**53 for count in counts)
        and (one["progress"] is None or 0 <= one["progress"] <= 1)
        and all(one[name] is None or one[name].startswith("2026-01-02T03:0") for name in INSTANTS)
    )


def test_a_status_is_shown_unchanged() -> None:
    one = shown(GOOD)
    assert one
    assert {name: one[name] for name in GOOD} == GOOD


@pytest.mark.parametrize("field", GOOD)
@pytest.mark.parametrize("junk", JUNK, ids=lambda junk: repr(junk)[:20])
def test_a_malformed_field_is_blank(field: str, junk: Any) -> None:
    one = shown({**GOOD, field: junk})
    assert one is None or is_well_typed(one)
    # As FastAPI serializes it.
    json.dumps(one, ensure_ascii=False, allow_nan=False).encode()
    assert one is not None or field in ("vendor", "import_id")


@pytest.mark.parametrize("junk", JUNK, ids=lambda junk: repr(junk)[:20])
def test_values_that_are_not_imports_are_not_shown(junk: Any) -> None:
    assert shown(junk) is None
    assert shown({**GOOD, "import_id": [junk]}) is None


@pytest.mark.parametrize("pair", list(itertools.combinations(("messages", "stages", "rows", "state"), 2)))
def test_several_malformed_fields_are_blank(pair: tuple[str, str]) -> None:
    for junk in JUNK:
        one = shown({**GOOD, pair[0]: junk, pair[1]: junk})
        assert one
        assert is_well_typed(one)


TEXTS = ("dag_id", "run_id", "task_id", "vendor", "state", "text")


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("value", ["\x00", "a\x00b", "\ud83d"], ids=repr)
def test_unstorable_text_is_not_sent_to_the_database(name: str, value: str) -> None:
    filters: dict[str, Any] = {name: value}
    statement = query.overview(["d"], Filters(**filters))
    for dialect in (postgresql.dialect(), sqlite.dialect()):  # type: ignore[no-untyped-call]
        compiled = statement.compile(dialect=dialect)
        asked = json.dumps([str(one) for one in compiled.params.values()], ensure_ascii=False)
        assert "\\u0000" not in asked
        asked.encode()
        assert "false" in str(compiled) or "0 = 1" in str(compiled)


def test_unusual_storable_text_is_sent_to_the_database() -> None:
    compiled = query.overview(["d"], Filters(task_id="süß 😀")).compile()
    assert "süß 😀" in compiled.params.values()


@pytest.fixture
def session() -> Iterator[Session]:
    with database() as session:
        yield session


class AskedDags(SimpleAuthManager):
    """Airflow's simple auth manager, which notes what it is asked, and refuses what it is told to."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.refused: set[str | DagAccessEntity | None] = {"secret"}

    def batch_is_authorized_dag(self, requests: Sequence[IsAuthorizedDagRequest], **_: Any) -> bool:
        asked = [(one["details"] and one["details"].id, one["access_entity"]) for one in requests]
        self.asked.append(sorted({str(dag_id) for dag_id, _ in asked}))
        return not any(self.refused & set(one) for one in asked)


@pytest.fixture
def manager() -> AskedDags:
    return AskedDags()


@pytest.fixture
def ask(session: Session, manager: AskedDags, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Return a function that queries the endpoint for a user with permission on the DAGs a, b and secret."""
    monkeypatch.setattr(endpoint, "get_auth_manager", lambda: manager)
    app = FastAPI()
    app.include_router(endpoint.router)
    given: dict[Any, Any] = {
        GetUserDep: lambda: SimpleAuthManagerUser(username="u", role="viewer"),
        SessionDep: lambda: session,
        ReadableXComFilterDep: lambda: PermittedXComFilter({"a", "b", "secret"}),
    }
    app.dependency_overrides = {kind.__metadata__[0].dependency: value for kind, value in given.items()}
    client = TestClient(app)
    return lambda **filters: client.get("/imports", params=filters).json()


@pytest.fixture
def listed(ask: Ask) -> Listed:
    """Return a function that asks the endpoint for import ids."""
    return lambda **filters: [one["import_id"] for one in ask(**filters)["imports"]]


def test_imports_of_the_last_days_and_all_that_are_waited_for_are_listed(
    session: Session, listed: Listed
) -> None:
    for number, (days, state) in enumerate(
        [(100, "deferred"), (100, None), (40, "success"), (8, "failed"), (6, "success")], 1
    ):
        add_wait(session, add_run(session, number, due=days), import_id=f"{days} {state}", state=state)
    waited_for = ["100 None", "100 deferred"]
    assert listed() == [*waited_for, "6 success"]
    assert listed(days="30") == [*waited_for, "6 success", "8 failed"]
    assert listed(days="all") == [*waited_for, "6 success", "8 failed", "40 success"]


@pytest.mark.parametrize(
    "state", ["running", "deferred", "up_for_reschedule", "up_for_retry", "queued", "scheduled"]
)
def test_every_unfinished_task_waits(session: Session, listed: Listed, state: str) -> None:
    add_wait(session, add_run(session, 1, due=100), state=state)
    assert listed() == ["7"]
    assert listed(state="waiting") == ["7"]


def test_a_backfill_is_as_new_as_its_runs(session: Session, listed: Listed) -> None:
    add_wait(session, add_run(session, 1, due=100), import_id="old")
    add_wait(session, add_run(session, 2, due=300, began=1), import_id="backfill")
    assert listed() == ["backfill"]


def test_a_run_that_was_due_recently_is_listed_whatever_its_id(session: Session, listed: Listed) -> None:
    add_wait(session, add_run(session, 1, due=1), import_id="new")
    add_wait(session, add_run(session, 2, due=100), import_id="old")
    assert listed() == ["new"]


def test_a_named_run_is_listed_however_old_it_is(session: Session, listed: Listed) -> None:
    add_wait(session, add_run(session, 1, due=1000), import_id="old")
    assert listed(dag_id="a", run_id="run_1") == ["old"]
    assert listed(dag_id="b", run_id="run_1") == []


def test_more_imports_than_the_limit_are_reached_by_older(
    session: Session, listed: Listed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query, "MAX_IMPORTS", 2)
    for number in range(1, 6):
        add_wait(session, add_run(session, number, due=0), import_id=str(number))
    add_wait(session, add_run(session, 6), import_id="waiting", state="running")
    assert listed() == ["waiting", "5", "4"]
    assert listed(before=4) == ["3", "2"]
    assert listed(before=2) == ["1"]


def test_a_named_run_has_no_limit(session: Session, listed: Listed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query, "MAX_IMPORTS", 2)
    run = add_run(session, 1)
    for number in range(5):
        add_wait(session, run, import_id=str(number), task_id=f"task_{number}")
    assert listed(dag_id="a", run_id="run_1") == ["0", "1", "2", "3", "4"]


def test_statuses_are_filtered(session: Session, listed: Listed) -> None:
    for number, (vendor, status) in enumerate(
        [("clear", "failed"), ("thalamus", "failed"), ("clear", "partial")], 1
    ):
        add_wait(
            session,
            add_run(session, number),
            vendor=vendor,
            status=ImportState(status),
            import_id=f"{vendor} {status}",
        )
    assert listed(state="failed") == ["thalamus failed", "clear failed"]
    assert listed(state="failed", vendor="clear") == ["clear failed"]
    assert listed(text="S FAI") == ["thalamus failed"]
    assert len(listed(text="TOLD")) == 3


def test_other_tasks_are_not_listed(session: Session, listed: Listed) -> None:
    run = add_run(session, 1)
    add_task(session, run, task_id="other", state="running")
    add_task(session, run, task_id="ended")
    assert listed() == []


# What only some versions of Airflow store: the XComs of each try, beside those of earlier versions.
if IS_BY_TRY:

    def test_earlier_tries_are_not_listed(session: Session, listed: Listed) -> None:
        run = add_run(session, 1)
        add_wait(session, run, import_id="earlier", working_set=None, archived_reason="retry")
        add_wait(session, run, import_id="last", try_number=2, state="deferred")
        assert listed() == ["last"]

    def test_statuses_from_before_the_upgrade_are_listed_once(session: Session, listed: Listed) -> None:
        run = add_run(session, 1)
        add_wait(session, run, import_id="before", is_of_try=False)
        assert listed() == ["before"]

    def test_a_status_from_before_the_upgrade_is_not_that_of_a_later_try(
        session: Session, listed: Listed
    ) -> None:
        run = add_run(session, 1)
        add_wait(session, run, import_id="before", is_of_try=False, working_set=None, archived_reason="clear")
        add_task(session, run, try_number=2, state="queued")
        assert listed() == []


def plan_of(session: Session, statement: Any) -> list[str]:
    """Return SQLite's plan for what Airflow sends to it."""
    connection, sent = session.connection(), []
    event.listen(connection, "before_cursor_execute", lambda *args: sent.append(args[2:4]))
    session.execute(statement)
    (sql, parameters), cursor = sent[0], connection.connection.cursor()
    return [row[-1] for row in cursor.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)]


#: How each table may be read: by the DAG run, by the state, or by its whole key.
READ_BY = {
    "task_instance": r"\(dag_id=\? AND run_id=\?\)|\(state=\?\)|\(id=\?\)",
    "xcom": r"\(dag_run_id=\? AND task_id=\? AND map_index=\? AND key=\?\)",
    "xcom_v1": r"\(dag_run_id=\? AND task_id=\? AND map_index=\? AND key=\?\)",
    "xcom_v2": r"\(task_instance_id=\? AND key=\?\)",
}


@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"days": "all"},
        {"dag_id": "a"},
        {"text": "7"},
        {"state": "waiting"},
        {"dag_id": "a", "run_id": "r"},
    ],
    ids=str,
)
def test_no_table_is_read_as_a_whole(session: Session, filters: dict[str, Any]) -> None:
    dag_ids = [f"dag_{number}" for number in range(100)]
    ids = [add_task(session, add_run(session, 1))]
    for statement in (query.overview(dag_ids, Filters(**filters)), query.details(ids)):
        steps = [re.match(r"(SCAN|SEARCH) (\w+)(.*)", line) for line in plan_of(session, statement)]
        read = [(step[2], step[0]) for step in steps if step and step[2] in READ_BY]
        assert {"task_instance"} < {table for table, _ in read}
        assert [step for table, step in read if not re.search(READ_BY[table], step)] == []


def test_the_counts_by_state_are_those_of_the_other_filters(session: Session, ask: Ask) -> None:
    statuses = [
        ("a", "clear", "failed", "failed"),
        ("a", "tao", "succeeded", "success"),
        ("b", "clear", "running", "deferred"),
    ]
    for number, (dag_id, vendor, status, state) in enumerate(statuses, 1):
        add_wait(
            session,
            add_run(session, number, dag_id=dag_id),
            vendor=vendor,
            status=ImportState(status),
            state=state,
        )
    states = {"failed": 1, "succeeded": 1, "running": 1, "waiting": 1}
    for state, total in {"": 3, "failed": 1, "waiting": 1, "partial": 0}.items():
        answer = ask(state=state)
        assert (answer["states"], answer["total"], len(answer["imports"])) == (states, total, total)
    answer = ask(vendor="clear", dag_id="b")
    assert (answer["states"], answer["total"]) == ({"running": 1, "waiting": 1}, 1)
    assert (answer["dag_ids"], answer["vendors"]) == (["a", "b"], ["clear", "tao"])


def test_the_endpoint_takes_every_filter(session: Session, ask: Ask) -> None:
    add_wait(session, add_run(session, 1))
    place = {"dag_id": "a", "run_id": "run_1", "task_id": "wait", "map_index": -1}
    answer = ask(**place, vendor="clear", state="succeeded", text="told", days="30", before=2, page=1)
    assert [one["import_id"] for one in answer["imports"]] == ["7"]
    assert ask(days="8")["detail"][0]["loc"] == ["query", "days"]


def test_there_is_nothing_to_write() -> None:
    app = FastAPI()
    app.mount(MOUNT, endpoint.router)
    client = TestClient(app)
    for path in ("/imports", "/imports/", "/imports/7", "/static", "/static/imports.js", "/"):
        for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            answer = client.request(method, MOUNT + path, follow_redirects=False)
            assert (method, path, answer.status_code) in ((method, path, 404), (method, path, 405))


def test_rights_are_asked_for_at_once(session: Session, ask: Ask, manager: AskedDags) -> None:
    for number, dag_id in enumerate("ab", 1):
        add_wait(session, add_run(session, number, dag_id=dag_id))
    assert ask()["total"] == 2
    assert manager.asked == [["None"], ["a", "b"]]


def test_imports_of_dags_whose_xcoms_are_hidden_are_not_listed_or_counted(session: Session, ask: Ask) -> None:
    for number, dag_id in enumerate(["a", "secret"], 1):
        add_wait(session, add_run(session, number, dag_id=dag_id), vendor=dag_id)
    answer = ask()
    assert ([one["dag_id"] for one in answer["imports"]], answer["total"]) == (["a"], 1)
    assert (answer["dag_ids"], answer["vendors"], answer["states"]) == (["a"], ["a"], {"succeeded": 1})
    assert ask(dag_id="secret")["total"] == 0


def test_hidden_imports_do_not_count_towards_the_limit(
    session: Session, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (query, endpoint):
        monkeypatch.setattr(module, "MAX_IMPORTS", 2)
    for number, dag_id in enumerate(["a", "secret", "secret"], 1):
        add_wait(session, add_run(session, number, dag_id=dag_id))
    answer = ask()
    assert ([one["dag_id"] for one in answer["imports"]], answer["total"]) == (["a"], 1)
    assert (answer["max_imports"], answer["older"]) == (None, None)


REFUSAL = {"detail": "You do not have permission to read XComs and task instances."}


def test_a_refusal_does_not_depend_on_which_imports_there_are(
    session: Session, ask: Ask, manager: AskedDags
) -> None:
    manager.refused = {DagAccessEntity.XCOM}
    questions: list[dict[str, Any]] = [
        {},
        {"text": "told"},
        {"dag_id": "b"},
        {"dag_id": "a", "run_id": "run_1"},
    ]
    assert [ask(**question) for question in questions] == 4 * [REFUSAL]
    add_wait(session, add_run(session, 1))
    assert [ask(**question) for question in questions] == 4 * [REFUSAL]


def test_permission_on_single_dags_is_enough(session: Session, ask: Ask, manager: AskedDags) -> None:
    manager.refused = {None, "secret"}
    add_wait(session, add_run(session, 1, dag_id="secret"))
    assert (ask()["imports"], ask(dag_id="secret")["imports"]) == ([], [])
    add_wait(session, add_run(session, 2))
    assert [one["dag_id"] for one in ask()["imports"]] == ["a"]


@pytest.mark.parametrize("entity", [DagAccessEntity.XCOM, DagAccessEntity.TASK_INSTANCE])
def test_both_xcoms_and_task_instances_must_be_readable(
    session: Session, ask: Ask, manager: AskedDags, entity: DagAccessEntity
) -> None:
    add_wait(session, add_run(session, 1))
    assert ask()["total"] == 1
    manager.refused = {entity}
    assert ask() == REFUSAL


def test_the_endpoint_says_where_older_imports_begin(
    session: Session, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (query, endpoint):
        monkeypatch.setattr(module, "MAX_IMPORTS", 2)
    for number in range(1, 5):
        add_wait(session, add_run(session, number), import_id=str(number))
    newest, older = ask(), ask(before=ask()["older"])
    assert [one["import_id"] for one in newest["imports"]] == ["4", "3"]
    assert newest["max_imports"] == 2
    # The last run of the newest may have been cut.
    assert [one["import_id"] for one in older["imports"]] == ["3", "2"]
    last = ask(before=older["older"])
    assert ([one["import_id"] for one in last["imports"]], last["older"]) == (["2", "1"], 2)


@pytest.mark.parametrize(
    ("path", "status", "content_type"),
    [
        ("/imports", 401, "application/json"),
        ("/imports?dag_id=<script>", 401, "application/json"),
        ("/static/imports.js", 200, "text/javascript"),
        ("/static/imports.css", 200, "text/css"),
    ],
)
def test_no_response_runs_anything_if_a_browser_opens_it_by_itself(
    path: str, status: int, content_type: str
) -> None:
    response = TestClient(mounted()).get(f"/importstatus{path}")
    assert (response.status_code, response.headers["content-type"].partition(";")[0]) == (
        status,
        content_type,
    )
    assert response.headers["content-security-policy"].startswith("default-src 'none';")
    assert response.headers["x-content-type-options"] == "nosniff"


def test_the_script_has_a_label_for_every_state() -> None:
    script = TestClient(mounted()).get("/importstatus/static/imports.js").text
    (states,) = re.findall(r"^const STATES = \{\n(.*?)^\};$", script, re.MULTILINE | re.DOTALL)
    (over,) = re.findall(r"^const OVER = \[(.*)\];$", script, re.MULTILINE)
    assert re.findall(r"^  (\w+):", states, re.MULTILINE) == [*ImportState]
    assert re.findall(r"\w+", over) == [state for state in ImportState if state.is_terminal]


@pytest.mark.parametrize(
    "path",
    ["%2e%2e/endpoint.py", "..%2fendpoint.py", "..%2f..%2fplugin.py", "//etc/passwd", "%00", "x<script>"],
)
def test_nothing_but_the_pages_files_is_served(path: str) -> None:
    response = TestClient(mounted()).get(f"/importstatus/static/{path}")
    assert (response.status_code, response.json()) == (404, {"detail": "Not Found"})


def mounted() -> FastAPI:
    """Return an application in which the page is mounted as in Airflow."""
    app = FastAPI()
    app.mount("/importstatus", application)
    return app
