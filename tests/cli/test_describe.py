"""The command that checks a description and says what it means."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from airflow_provider_importstatus.hooks.description_files import bundled_names
from airflow_provider_importstatus.hooks.lookup import hook_for

from ..vendors.described import DOCUMENT
from .conftest import Shell

ANSWERS = Path(__file__).parents[1] / "descriptions"


@pytest.fixture
def acme(tmp_path: Path) -> Path:
    path = tmp_path / "acme.yaml"
    path.write_text(yaml.safe_dump(DOCUMENT, sort_keys=False))
    return path


def subjects(shell: Shell, *words: str) -> dict[str, Any]:
    ended = shell("describe", *words, "--output", "json")
    assert (ended.status, ended.err) == (0, "")
    result: dict[str, Any] = json.loads(ended.out)
    assert result.pop("valid") is True
    return result


def test_a_description_is_explained_in_words(shell: Shell, acme: Path) -> None:
    told = subjects(shell, str(acme))
    connection = told.pop("connection")
    assert told == {
        "description": ["acme: Acme Loader"],
        "request": [
            "GET /tenants/{extra.tenant}/jobs/{import_id}?view=full",
            "header Revision: 2025-01-15",
            "{import_id} is the jobId that POST /jobs returned",
            "{extra.tenant} is the connection's extra tenant (default main). the tenant's short name",
        ],
        "credential": [
            "header Authorization: Bearer <token>",
            "the token is requested with POST from the URL in the connection's extra token_url; a path is"
            " below the connection's host",
            "login is the client ID, password the client secret, sent as fields client_id and client_secret",
            "scope jobs.read",
            "the connection's extra access_token, if it is given, is used instead, without a login",
        ],
        "states": [
            "read from: job.state",
            "queued     waiting",
            "running    loading, 2",
            "succeeded  done, true",
            "failed     broken",
            "cancelled  stopped",
            "case is ignored; any other word is unknown, with which the wait goes on",
        ],
        "partial": ["a succeeded import is partial if rows.failed is above 0, or is no count"],
        "rows": [
            "total: job.rows",
            "succeeded: job.good",
            "failed: sum([job.bad, job.worse][?@])",
        ],
        "progress": ["job.percent, of 100"],
        "messages": ["job.errors[].text"],
        "started": ["job.began"],
        "finished": ["job.ended"],
        "errors": [
            "rejected credential: HTTP 401, 403; if this holds: code == 'EXPIRED'",
            "not found: HTTP 404; if this holds: code == 'NO_SUCH_JOB'",
            "busy or down, polled again: HTTP 408, 425, 429, 5xx; HTTP 409; if this holds: code == 'BUSY'",
            "rejected request: any other 4xx, or if this does not hold: job || state",
        ],
        "pace": ["at least 15 s between two polls of an import"],
        "cancel": ["DELETE /tenants/{extra.tenant}/jobs/{import_id}", "header Revision: 2025-01-15"],
        "report": ["links at: job.links[].href", "stored as the answer says, or as .csv"],
    }
    assert connection["extra"] == {"description": str(acme), "token_url": "<URL of the token endpoint>"}


@pytest.mark.parametrize("name", bundled_names())
def test_the_connection_of_a_bundled_description_can_be_created(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    ended = shell("describe", name)
    (line,) = (line for line in ended.out.splitlines() if "airflow connections add" in line)
    *_, conn_id, option, value = shlex.split(line)
    assert (conn_id, option) == (f"{name}_default", "--conn-json")
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", value)
    hook = hook_for(conn_id)
    hook.read_again()
    assert (hook.vendor, hook.base_url[:8]) == (name, "https://")


@pytest.mark.parametrize(
    ("auth", "told", "fields"),
    [
        ({"type": "none"}, "none is sent", set()),
        ({"type": "basic"}, "HTTP Basic: the connection's login and password", {"login", "password"}),
        ({"type": "bearer"}, "header Authorization: Bearer <the connection's password>", {"password"}),
        (
            {"type": "api_key", "in": "query", "name": "key"},
            "query parameter key=<the connection's password>",
            {"password"},
        ),
        (
            {"type": "api_key", "in": "header", "name": "X-Key", "prefix": "Key "},
            "header X-Key: Key <the connection's password>",
            {"password"},
        ),
    ],
)
def test_each_kind_of_credential_is_explained(
    shell: Shell, acme: Path, auth: dict[str, Any], told: str, fields: set[str]
) -> None:
    acme.write_text(json.dumps({**DOCUMENT, "auth": auth}))
    explained = subjects(shell, str(acme))
    assert explained["credential"] == [told]
    assert set(explained["connection"]) == {"conn_type", "host", "extra", *fields}


def test_defaults_that_hide_a_missing_field_are_pointed_out(shell: Shell, acme: Path) -> None:
    state = {**DOCUMENT["state"], "path": "job.state || 'done'"}
    changed = {"state": state, "rows": {"total": "rows || `0`"}, "partial_if": "length(job.bad || []) > `0`"}
    acme.write_text(json.dumps({**DOCUMENT, **changed}))
    assert subjects(shell, str(acme))["warning"] == [
        "state.path has a constant for a missing field: a misspelt name is not noticed",
        "partial_if has || [], which is no empty list but flattens the answer: write || `[]`",
    ]


@pytest.mark.parametrize("name", bundled_names())
def test_bundled_descriptions_are_explained_without_warnings(shell: Shell, name: str) -> None:
    assert "warning" not in subjects(shell, name)


INVALID = """version: 1
name: Acme Inc
auth: {type: bearr}
status:
  path: jobs/{import_id}
state:
  path: a[
  map:
    done: [x]
    failed: [x, y]
    succeeded: [z, x, y]
rows: {total: "sum(a", bad: 5}
docs: 5
more: 5
"""


def test_all_errors_are_told_with_line_and_key(shell: Shell, acme: Path) -> None:
    acme.write_text(INVALID)
    ended = shell("describe", str(acme))
    assert (ended.status, ended.out) == (2, "")
    where = "import-status: Description file 'acme.yaml', line "
    assert all(line.startswith(where) and "To fix it, " in line for line in ended.err.splitlines())
    assert [line.removeprefix(where).split()[:2] for line in ended.err.splitlines()] == [
        ["2:", "name"],
        ["3:", "auth.type"],
        ["5:", "status.path"],
        ["7:", "state.path"],
        ["9:", "state.map.done"],
        ["11:", "state.map.succeeded[1]"],
        ["11:", "state.map.succeeded[2]"],
        ["12:", "rows.bad"],
        ["12:", "rows.total"],
        ["13:", "docs"],
        ["14:", "more"],
    ]


def test_errors_as_json(shell: Shell, acme: Path) -> None:
    acme.write_text(INVALID)
    ended = shell("describe", str(acme), "-o", "json")
    told = json.loads(ended.out)
    assert (ended.status, told["valid"], len(told["errors"])) == (2, False, 11)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"docs": "https://" + "x" * 20, "title": "x" * 101}, "title has an invalid value"),
        ({"auth": {"type": "api_key", "in": "header", "name": "Revision"}}, "auth.name is also in status"),
        ({"state": 5}, "state is not an object"),
        ({"cancel": {"path": "jobs/{import_id}"}}, "cancel.path is not a path below"),
        ({"progress": {"path": "a["}}, "progress.path is not valid JMESPath"),
        ({"state": {"path": "a", "map": {"succeeded": [[]]}}}, "state.map.succeeded[0] is no word"),
        ({"version": None}, "version is missing"),
        ({"notes": "ж" * 9000}, "is larger than 16 KiB"),
        ({"status": {"path": "/{import_id}", "headers": {"X-Key": "abc"}}}, "looks like a secret"),
        ({"sandbox": {"answers": {"running": "text"}}}, "sandbox.answers.running is no JSON answer"),
        ({"unknown key": 1}, "(a key) is not known here"),
    ],
)
def test_an_error_is_told_once(shell: Shell, acme: Path, change: dict[str, Any], told: str) -> None:
    acme.write_text(json.dumps({**DOCUMENT, **change}))
    ended = shell("describe", str(acme))
    assert (ended.status, ended.err.count(told), ended.err.count("\n")) == (2, 1, 1)


@pytest.mark.parametrize("text", ["a: [", "[]", "- a", "5", "", "a: 1\na: 2"])
def test_a_file_that_is_no_description_is_told(shell: Shell, acme: Path, text: str) -> None:
    acme.write_text(text)
    ended = shell("describe", str(acme))
    assert (ended.status, ended.out) == (2, "")
    assert "To fix it, " in ended.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("nowhere",), "There is no bundled description 'nowhere'"),
        (("./nowhere.yaml",), "description file 'nowhere.yaml': the document cannot be read"),
        (("hubspot", "--status", "200"), "--status needs --answer"),
        (("hubspot", "--answer", "/nowhere"), "--answer: the file cannot be read"),
        (("hubspot", "--answer", __file__, "--status", "OK"), "--status is no HTTP status"),
        (("hubspot", "--answer", __file__, "--status", "999"), "--status is no HTTP status"),
    ],
)
def test_wrong_arguments_are_told_in_one_line(shell: Shell, words: tuple[str, ...], told: str) -> None:
    ended = shell("describe", *words)
    assert (ended.status, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert told.lower() in ended.err.lower()


def test_an_answer_is_shown_as_the_status_that_it_becomes(shell: Shell) -> None:
    answer = str(ANSWERS / "marketo" / "complete_with_failures.json")
    ended = shell("describe", "marketo", "--answer", answer)
    assert (ended.status, ended.state) == (0, "partial")
    assert "2 succeeded, 1 failed" in ended.out
    as_json = json.loads(shell("describe", "marketo", "--answer", answer, "-o", "json").out)
    assert (as_json["vendor"], as_json["state"]) == ("marketo", "partial")


@pytest.mark.parametrize(
    ("name", "file", "status", "error"),
    [
        ("salesforce_bulk", "not_found.json", "404", "ImportNotFoundError"),
        ("salesforce_bulk", "derived_request_limit.json", "403", "ImportUnavailableError"),
        ("canvas", "throttled.txt", "403", "ImportUnavailableError"),
        ("canvas", "not_enabled.json", "403", "ImportAuthError"),
        ("marketo", "token_invalid.json", "200", "ImportAuthError"),
        ("marketo", "derived_invalid_value.json", "200", "ImportRequestError"),
        ("hubspot", "expected.yaml", "200", "ImportProtocolError"),
    ],
)
def test_an_answer_that_is_an_error_is_shown_as_one(
    shell: Shell, name: str, file: str, status: str, error: str
) -> None:
    words = ("describe", name, "--answer", str(ANSWERS / name / file), "--status", status)
    ended = shell(*words)
    # Only an answer that the description cannot read is a fault of the description.
    assert (ended.status, ended.err) == (2 if error == "ImportProtocolError" else 0, "")
    assert ended.out.startswith(f"{error}: ")
    assert json.loads(shell(*words, "-o", "json").out)["error"] == error
