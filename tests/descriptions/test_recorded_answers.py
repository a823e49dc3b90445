"""The bundled descriptions, played with the example answers of the vendors' own documentation.

`<name>/expected.yaml` lists the answers of a vendor: where each is from, its HTTP status, and what the hook
makes of it. An answer whose name begins with `derived_` is a documented one with other values.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import yaml

import airflow_provider_importstatus
from airflow_provider_importstatus.exceptions import (
    ImportAuthError,
    ImportNotFoundError,
    ImportRequestError,
    ImportStatusError,
    ImportUnavailableError,
)
from airflow_provider_importstatus.hooks.described import DescribedHook, DescribedSettings
from airflow_provider_importstatus.hooks.description_files import (
    check_document,
    load_description,
    read_document,
)
from airflow_provider_importstatus.protocol.messages import Request, Response
from airflow_provider_importstatus.protocol.transfers import Upload
from airflow_provider_importstatus.status import ImportStatus, RowCounts

from ..hooks.playing import NOW, FakeClient, answer

FOLDER = Path(__file__).parent
BUNDLED = Path(str(airflow_provider_importstatus.__file__)).parent / "descriptions"
DESCRIPTIONS = {path.stem: path for path in BUNDLED.glob("*.yaml")}
EXPECTED: dict[str, dict[str, Any]] = {
    path.parent.name: yaml.safe_load(path.read_text()) for path in FOLDER.glob("*/expected.yaml")
}
ERRORS: dict[str, type[ImportStatusError]] = {
    "not_found": ImportNotFoundError,
    "unauthorized": ImportAuthError,
    "unavailable": ImportUnavailableError,
    "request": ImportRequestError,
}
HOST = "https://vendor.example"
#: The request for the status of import 7, and how it carries the credential.
BEARER = {"Authorization": "Bearer invented-password"}
OAUTH = {"Authorization": "Bearer invented-token"}
STATUS_REQUESTS = {
    "salesforce_bulk": ("/services/data/v62.0/jobs/ingest/7", OAUTH),
    "hubspot": ("/crm/v3/imports/7", BEARER),
    "klaviyo": (
        "/api/profile-bulk-import-jobs/7",
        {"Authorization": "Klaviyo-API-Key invented-password", "revision": "2026-07-15"},
    ),
    "canvas": ("/api/v1/accounts/self/sis_imports/7", BEARER),
    "marketo": ("/bulk/v1/leads/batch/7.json", OAUTH),
    "sendgrid": ("/v3/marketing/contacts/imports/7", BEARER),
    "auth0": ("/api/v2/jobs/7", BEARER),
    "zendesk": (
        "/api/v2/job_statuses/7",
        {"Authorization": "Basic aW52ZW50ZWQtbG9naW46aW52ZW50ZWQtcGFzc3dvcmQ="},
    ),
}
CANCEL_REQUESTS = {
    "salesforce_bulk": ("PATCH", "/services/data/v62.0/jobs/ingest/7", b'{"state": "Aborted"}'),
    "hubspot": ("POST", "/crm/v3/imports/7/cancel", None),
    "canvas": ("PUT", "/api/v1/accounts/self/sis_imports/7/abort", None),
}
TOKEN_REQUESTS = {
    "salesforce_bulk": ("POST", "/services/oauth2/token"),
    "marketo": ("GET", "/identity/oauth/token"),
}
TOKEN_PATHS = {path for _, path in TOKEN_REQUESTS.values()}
TOKEN_PARAMETERS = {
    "grant_type": ["client_credentials"],
    "client_id": ["invented-login"],
    "client_secret": ["invented-password"],
}


def hook_of(name: str) -> DescribedHook:
    hook = DescribedHook(description=name)
    hook.settings = DescribedSettings(
        "c",
        "import_api",
        host=HOST,
        login="invented-login",
        password="invented-password",
        description=load_description(name),
    )
    return hook


def client_of(hook: DescribedHook, response: Response) -> FakeClient:
    """Return a client whose vendor gives out a token and answers everything else with this response."""

    def vendor(request: Request) -> Response:
        is_login = request.url.partition("?")[0].removeprefix(HOST) in TOKEN_PATHS
        return answer(access_token="invented-token", token_type="bearer") if is_login else response

    return FakeClient(hook.settings, vendor)


def poll(name: str, file: str) -> ImportStatus:
    expected = EXPECTED[name][file]
    response = Response(expected["http"], {}, (FOLDER / name / file).read_bytes(), received_at=NOW)
    hook = hook_of(name)
    status: ImportStatus = client_of(hook, response).run(hook, hook.poll("7"))
    return status


def answers(is_error: bool) -> list[Any]:
    return [
        pytest.param(name, file, id=f"{name} {file.partition('.')[0]}")
        for name, files in EXPECTED.items()
        for file, expected in files.items()
        if ("error" in expected) == is_error
    ]


@pytest.mark.parametrize(("name", "file"), answers(is_error=False))
def test_an_answer_becomes_the_documented_status(name: str, file: str) -> None:
    expected = EXPECTED[name][file]
    status = poll(name, file)
    assert (status.vendor, status.import_id, status.state) == (name, "7", expected["state"])
    assert status.rows == RowCounts(**expected.get("rows", {}))
    assert status.progress == pytest.approx(expected.get("progress"))
    assert status.messages[:1] == ((expected["message"],) if "message" in expected else ())
    assert status.error_report_urls == tuple(expected.get("reports", ()))
    times = (status.started_at, status.finished_at)
    assert [time and time.isoformat() for time in times] == [
        expected.get("started_at"),
        expected.get("finished_at"),
    ]


@pytest.mark.parametrize(("name", "file"), answers(is_error=True))
def test_an_error_answer_raises_the_matching_error(name: str, file: str) -> None:
    expected = EXPECTED[name][file]
    with pytest.raises(ImportStatusError) as raised:
        poll(name, file)
    assert type(raised.value) is ERRORS[expected["error"]]
    assert expected.get("message", "") in str(raised.value)


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_the_status_request_is_the_documented_one(name: str) -> None:
    path, headers = STATUS_REQUESTS[name]
    hook = hook_of(name)
    client = client_of(hook, Response(404, {}, b"{}", received_at=NOW))
    with pytest.raises(ImportNotFoundError):
        client.run(hook, hook.poll("7"))
    request = client.sent[-1]
    assert (request.method, request.url) == ("GET", HOST + path)
    assert headers.items() <= request.headers.items()


@pytest.mark.parametrize("name", TOKEN_REQUESTS)
def test_a_token_is_requested_as_documented(name: str) -> None:
    hook = hook_of(name)
    client = client_of(hook, Response(404, {}, b"{}", received_at=NOW))
    with pytest.raises(ImportNotFoundError):
        client.run(hook, hook.poll("7"))
    request = client.sent[0]
    url, _, query = request.url.partition("?")
    assert (request.method, url.removeprefix(HOST)) == TOKEN_REQUESTS[name]
    assert not isinstance(request.body, Upload)
    assert parse_qs(query or (request.body or b"").decode()) == TOKEN_PARAMETERS


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_an_import_is_cancelled_as_documented_or_not_at_all(name: str) -> None:
    hook = hook_of(name)
    assert hook.can_cancel == (name in CANCEL_REQUESTS)
    if not hook.can_cancel:
        return
    client = client_of(hook, answer())
    client.run(hook, hook.cancel("7"))
    request = client.sent[-1]
    method, path, body = CANCEL_REQUESTS[name]
    assert (request.method, request.url, request.body) == (method, HOST + path, body)


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_every_answer_on_file_has_an_expectation_and_a_source(name: str) -> None:
    assert {path.name for path in (FOLDER / name).iterdir()} == {*EXPECTED[name], "expected.yaml"}
    assert all(expected["source"] for expected in EXPECTED[name].values())


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_every_state_of_a_description_is_played(name: str) -> None:
    described = yaml.safe_load(DESCRIPTIONS[name].read_text())["state"]["map"]
    played = {expected["state"] for expected in EXPECTED[name].values() if "state" in expected}
    assert set(described) <= played


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_a_description_matches_the_schema_of_the_format(name: str) -> None:
    assert check_document(*read_document(str(DESCRIPTIONS[name]))).name == name


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_a_description_says_what_it_is_and_where_its_facts_are_from(name: str) -> None:
    text = DESCRIPTIONS[name].read_text()
    described = yaml.safe_load(text)
    assert text.startswith("# ")
    assert described["name"] == name
    assert described["docs"].startswith("https://")
    assert "Source: " in described["notes"]
    assert described["import_id"]["help"]
