"""Vendors that a description describes: how strict they are, and what they answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
import requests

from airflow_provider_importstatus.sandbox import Sandbox, UsageError

from ..vendors.described import DOCUMENT
from .clients import Client, FakeClock

ACME: dict[str, Any] = {
    "version": 1,
    "name": "acme",
    "auth": {"type": "bearer"},
    "status": {"path": "/jobs/{import_id}"},
    "state": {"path": "job.state", "map": {"running": ["LOADING"], "succeeded": ["DONE"], "failed": ["BAD"]}},
    "rows": {"failed": "job.bad"},
}
PASSWORD = "acme-sandbox-password"
BEARER = {"Authorization": f"Bearer {PASSWORD}"}


class Acme:
    """A running vendor with another description."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.connection = sandbox.connections["acme_default"]
        self.client = Client(self.connection["host"])

    def submit(self, **scenario: Any) -> str:
        return self.sandbox.submit("acme", **{"seconds": 0, "import_id": "7", **scenario})

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.client.get(path, **{"headers": BEARER, **options})


@pytest.fixture
def started(request: pytest.FixtureRequest) -> Iterator[Acme]:
    """Start a vendor whose description has these keys in addition, or in place of others."""
    with Sandbox(descriptions=[{**ACME, **request.param}], clock=FakeClock()) as sandbox:
        acme = Acme(sandbox)
        with acme.client:
            yield acme


def with_(**keys: Any) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("started", [keys], indirect=True)


def why(answer: requests.Response) -> str:
    assert answer.status_code == 400
    return str(answer.json()["error"])


@with_()
def test_the_answer_has_what_the_description_reads(started: Acme) -> None:
    started.submit()
    assert started.get("/jobs/7").json() == {"job": {"state": "DONE", "bad": 0}}


@with_(partial_if="length(job.warnings) > `0`", messages="job.warnings[].text", ok="success")
def test_a_partial_answer_meets_the_condition(started: Acme) -> None:
    started.submit(ends="partial", rejected=2)
    body = started.get("/jobs/7").json()
    assert body["success"]
    assert body["job"]["bad"] == 2
    assert [warning["text"][:7] for warning in body["job"]["warnings"]] == ["Line 2:", "Line 3:"]


@with_()
def test_progress_and_counts_grow(started: Acme) -> None:
    clock = started.sandbox._admin_api.state.clock
    assert isinstance(clock, FakeClock)
    started.submit(ends="partial", rejected=10, seconds=100, queued=0)
    clock.now += 50
    assert started.get("/jobs/7").json() == {"job": {"state": "LOADING", "bad": 5}}


@with_()
def test_a_request_must_have_the_credential(started: Acme) -> None:
    started.submit()
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {PASSWORD}"}):
        assert started.get("/jobs/7", headers=headers).status_code == 401
    assert started.get("/jobs/8", headers={}).status_code == 401
    assert started.get("/jobs/8").status_code == 404


@with_(auth={"type": "basic"})
def test_basic_authentication_is_checked(started: Acme) -> None:
    started.submit()
    assert started.get("/jobs/7", headers={}, auth=("acme-sandbox-login", PASSWORD)).status_code == 200
    assert started.get("/jobs/7", headers={}, auth=("other", PASSWORD)).status_code == 401


@with_(auth={"type": "api_key", "in": "header", "name": "X-Acme", "prefix": "Key "})
def test_a_key_in_a_header_is_checked(started: Acme) -> None:
    started.submit()
    assert started.get("/jobs/7", headers={"X-Acme": f"Key {PASSWORD}"}).status_code == 200
    assert started.get("/jobs/7", headers={"X-Acme": PASSWORD}).status_code == 401


@with_(auth={"type": "api_key", "in": "query", "name": "key"})
def test_a_key_in_the_query_is_checked(started: Acme) -> None:
    started.submit()
    assert started.get("/jobs/7", params={"key": PASSWORD}).status_code == 200
    assert started.get("/jobs/7", params={"key": "wrong"}).status_code == 401
    assert "query must be {}" in why(started.get("/jobs/7", params={"key": PASSWORD, "a": "b"}))


@with_(auth={"type": "none"})
def test_without_authentication_anybody_may_ask(started: Acme) -> None:
    started.submit()
    assert started.get("/jobs/7", headers={}).status_code == 200


@with_(auth={"type": "oauth2_client_credentials", "encoding": "basic", "scope": "jobs"})
def test_a_token_request_is_checked(started: Acme) -> None:
    path = started.connection["extra"]["token_url"]
    auth, form = ("acme-sandbox-login", PASSWORD), {"grant_type": "client_credentials", "scope": "jobs"}
    token = started.client.post(path, data=form, auth=auth).json()["access_token"]
    started.submit()
    assert started.get("/jobs/7", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    wrong = {"client_id": auth[0], "client_secret": auth[1]}
    errors = [
        started.client.post(path, data=form),
        started.client.post(path, data={**form, **wrong}),
        started.client.post(path, data={**form, "scope": "all"}, auth=auth),
        started.client.post(path, data={"grant_type": "password"}, auth=auth),
        started.client.get(path, params=form, auth=auth),
    ]
    assert [error.status_code for error in errors] == [401, 401, 400, 400, 405]


@with_(
    extras={"view": {"default": "full"}},
    status={
        "method": "POST",
        "path": "/{extra.tenant}/jobs",
        "query": {"view": "{extra.view}", "page": 1},
        "headers": {"Revision": "2026"},
        "json": {"filter": [{"id": "job-{import_id}"}], "all": True},
    },
)
def test_each_part_of_a_request_is_checked(started: Acme) -> None:
    started.submit(import_id="a/b c")
    assert started.connection["extra"]["tenant"] == "sandbox-tenant"
    right: dict[str, Any] = {
        "params": {"view": "full", "page": "1"},
        "headers": {**BEARER, "Revision": "2026"},
        "json": {"filter": [{"id": "job-a/b c"}], "all": True},
    }

    def post(path: str = "/sandbox-tenant/jobs", **changes: Any) -> requests.Response:
        return started.client.post(path, **{**right, **changes})

    assert post().json()["job"]["state"] == "DONE"
    assert "path must be" in why(post("/other/jobs"))
    assert "query must be" in why(post(params={"view": "full"}))
    assert "query must be" in why(post(params={**right["params"], "more": "1"}))
    assert "header Revision must be '2026'" in why(post(headers=BEARER))
    assert "JSON body must be" in why(post(json={**right["json"], "all": False}))
    assert "has no import id" in why(post(json={"filter": [{"id": "other"}]}))
    assert "body must be JSON" in why(post(json=None, data="{"))
    assert post("/sandbox-tenant/jobs/7").status_code == 404


@with_(status={"path": "/jobs/{import_id}.json", "query": {"id": "{import_id}"}})
@pytest.mark.parametrize("import_id", ["7", "a/b", "..%2f", "ж", "a b+c"])
def test_an_id_is_read_as_it_was_quoted(started: Acme, import_id: str) -> None:
    started.submit(import_id=import_id)
    quoted = quote(import_id, safe="")
    assert started.get(f"/jobs/{quoted}.json", params={"id": import_id}).status_code == 200
    assert "query must be" in why(started.get(f"/jobs/{quoted}.json", params={"id": "other"}))


@with_(cancel={"method": "DELETE", "path": "/jobs/{import_id}"}, messages="error")
def test_a_finished_import_cannot_be_cancelled(started: Acme) -> None:
    started.submit(seconds=60)
    assert started.client.delete("/jobs/7", headers=BEARER).status_code == 200
    # There is no word for cancelled.
    assert started.get("/jobs/7").json()["job"]["state"] == "BAD"
    answer = started.client.delete("/jobs/7", headers=BEARER)
    assert (answer.status_code, answer.json()) == (400, {"error": "The import has ended."})


@with_(report={"url": "job.links[].href"})
def test_the_report_is_a_signed_url_of_the_storage(started: Acme) -> None:
    started.submit(ends="partial", rejected=2, report_kib=1)
    (link,) = started.get("/jobs/7").json()["job"]["links"]
    report = started.get(link["href"], headers={})
    assert (report.status_code, len(report.content)) == (200, 1024)
    assert started.get(link["href"]).status_code == 400


@with_(
    messages="errors[].text", unauthorized={"when": "errors[?code == 'EXPIRED']"}, not_found={"status": [410]}
)
def test_errors_are_in_the_descriptions_words(started: Acme) -> None:
    answer = started.get("/jobs/7")
    assert (answer.status_code, answer.json()) == (410, {"errors": [{"text": "There is no such import."}]})
    answer = started.get("/jobs/7", headers={})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (200, "EXPIRED")
    started.sandbox.fault("acme", "status", "500")
    answer = started.get("/jobs/7")
    assert (answer.status_code, answer.json()) == (500, {"errors": [{"text": "HTTP 500"}]})


@with_(import_id={"missing": "0"})
def test_ids_are_numbers_if_the_missing_one_is(started: Acme) -> None:
    answer = started.client.post("/_sandbox/imports", data=b"a,b", headers=BEARER)
    assert (answer.status_code, answer.json()) == (201, {"import_id": "1"})


@with_()
def test_a_submission_needs_the_credential_and_a_file(started: Acme) -> None:
    assert started.client.post("/_sandbox/imports", data=b"a,b").status_code == 401
    answer = started.client.post("/_sandbox/imports", files={"other": b"a,b"}, headers=BEARER)
    assert why(answer) == "The form must have one part, 'file'."


EXAMPLES = {
    "running": {"job": {"state": "LOADING"}},
    "succeeded": {"job": {"state": "DONE"}, "counts": {"a": 5}},
    "partial": {"job": {"state": "DONE"}, "counts": {"a": 3, "b": 2}},
    "not_found": {"oh": "no"},
    "unauthorized": {"code": 601},
}
#: No value can be put where this expression reads it.
OPAQUE: dict[str, Any] = {"partial_if": "length(not_null(counts, `{}`).*) > `1`"}


@with_(**OPAQUE, unauthorized={"when": "max([code]) == `601`"}, sandbox={"answers": EXAMPLES})
def test_examples_are_sent_as_they_are_written(started: Acme) -> None:
    started.submit(ends="partial", rejected=9)
    started.submit(seconds=60, import_id="8")
    assert started.get("/jobs/7").json() == EXAMPLES["partial"]
    assert started.get("/jobs/8").json() == EXAMPLES["running"]
    answer = started.get("/jobs/9")
    assert (answer.status_code, answer.json()) == (404, EXAMPLES["not_found"])
    answer = started.get("/jobs/9", headers={})
    assert (answer.status_code, answer.json()) == (200, EXAMPLES["unauthorized"])


@with_(
    rows={"total": "length(job.rows)", "failed": "sum([job.bad, job.worse])"},
    messages="join(', ', job.errors)",
)
def test_expressions_that_fail_on_null_are_given_something(started: Acme) -> None:
    started.submit(rows=3)
    assert started.get("/jobs/7").json() == {
        "job": {"state": "DONE", "bad": 0, "worse": 0, "rows": [{}, {}, {}], "errors": [""]}
    }


@with_(**OPAQUE)
def test_an_end_that_cannot_be_played_is_told_with_what_to_add(started: Acme) -> None:
    with pytest.raises(UsageError) as error:
        started.submit(ends="partial")
    assert str(error.value) == (
        "ends=partial cannot be played by acme: no answer was found in which partial_if says partial. Add"
        " sandbox.answers.partial, an example of such an answer. Possible ends are succeeded, failed."
    )
    with pytest.raises(UsageError, match=r"blocked cannot be played by acme: state.map has no word for"):
        started.submit(blocked=5)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"state": {"path": "keys(job)[0]", "map": ACME["state"]["map"]}}, "Add sandbox.answers.running"),
        (
            {"state": {"path": "@", "map": ACME["state"]["map"]}, "rows": {}},
            "in which state.path says unknown",
        ),
        ({"messages": "merge(job, other)"}, "no answer was found on which messages can be evaluated"),
        ({"rows": {"failed": "a["}}, "rows.failed is not valid JMESPath"),
        ({"sandbox": {"answers": {"done": {}}}}, "sandbox.answers.done is not known here"),
        ({"sandbox": {"answers": {"failed": "BAD"}}}, "sandbox.answers.failed is no JSON answer"),
        ({"name": "clear"}, "Two vendors have the same name"),
        ({"status": {}}, "status.path is missing"),
    ],
)
def test_a_description_that_cannot_be_played_is_told_at_the_start(change: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError) as error:
        Sandbox(descriptions=[{**ACME, **change}])
    assert told in str(error.value)


def test_an_example_of_another_state_is_told() -> None:
    document = {**ACME, "sandbox": {"answers": {"failed": {"job": {"state": "DONE"}}}}}
    told = r"sandbox\.answers\.failed has the state 'DONE', which is no word"
    with Sandbox(descriptions=[document]) as acme, pytest.raises(UsageError, match=told):
        acme.submit("acme", ends="failed")


@pytest.mark.parametrize("given", ["nowhere", "/nowhere/acme.yaml", 5])
def test_an_unknown_description_is_told(given: Any) -> None:
    with pytest.raises(UsageError, match=r"To fix it|Bundled are"):
        Sandbox(descriptions=[given])


def test_two_calls_with_the_same_method_and_path_are_told() -> None:
    same = {"method": "POST", "path": "/jobs", "json": {"id": "{import_id}"}}
    sandbox = Sandbox(descriptions=[{**ACME, "status": same, "cancel": same}])
    with pytest.raises(UsageError, match="two of its calls have the same method and path"):
        sandbox.start()


def test_a_description_that_uses_most_of_the_format_is_played() -> None:
    with (
        Sandbox(descriptions=[DOCUMENT]) as sandbox,
        Client(sandbox.connections["acme_default"]["host"]) as client,
    ):
        form = {"grant_type": "client_credentials", "scope": "jobs.read"}
        form |= {"client_id": "acme-sandbox-login", "client_secret": "acme-sandbox-password"}
        token = client.post("/oauth/token", data=form).json()["access_token"]
        sandbox.submit("acme", ends="partial", rejected=5, seconds=0, import_id="7")
        client.headers.update({"Authorization": f"Bearer {token}", "Revision": "2025-01-15"})
        job = client.get("/tenants/main/jobs/7", params={"view": "full"}).json()["job"]
    assert (job["state"], job["bad"], job["good"], job["percent"]) == ("done", 5, 115, 100)
