from __future__ import annotations

from typing import Any

import pytest
import requests

from airflow_provider_importstatus.sandbox import Sandbox
from airflow_provider_importstatus.sandbox.vendors.tao import CREDENTIALS as TAO_ADVANCE

from .clients import Client, FakeClock, tao_token

TOKEN = "/api/v1/upload/v1/oauth2/tokens"
UPLOAD = "/api/v1/upload/api/v1/upload"
STATUS = "/api/v1/upload/api/v1/status/"
DOWNLOAD = "/api/v1/upload/api/v1/download/"
GRANT = {
    "grant_type": "client_credentials",
    "client_id": TAO_ADVANCE.client_id,
    "client_secret": TAO_ADVANCE.client_secret,
}


def poll(client: Client, reference_id: str) -> dict[str, Any]:
    body: dict[str, Any] = client.get(STATUS + reference_id).json()["result"]
    return body


@pytest.mark.parametrize("encoding", ["multipart", "urlencoded"])
def test_a_token_request_can_be_multipart_or_urlencoded(anyone: Client, encoding: str) -> None:
    parts = {name: (None, value) for name, value in GRANT.items()}
    body = {"files": parts} if encoding == "multipart" else {"data": GRANT}
    answer = anyone.post(TOKEN, **body).json()
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 3600)


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "wrong"}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    ],
)
def test_a_wrong_client_gets_an_oauth_error(
    anyone: Client, change: dict[str, Any], status: int, error: str
) -> None:
    answer = anyone.post(TOKEN, data={**GRANT, **change})
    assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_a_token_request_in_json_is_a_bad_request(anyone: Client) -> None:
    assert anyone.post(TOKEN, json=GRANT).status_code == 400


@pytest.mark.parametrize("authorization", [None, "Bearer made-up", "Basic eDp5", "made-up"])
def test_a_missing_or_unknown_token_is_rejected_in_plain_text(tao: Client, authorization: str | None) -> None:
    answer = tao.get(STATUS + "1", headers={"Authorization": authorization})
    assert (answer.status_code, answer.text) == (401, "Access Denied")
    assert answer.headers["Content-Type"].startswith("text/plain")


def test_a_token_is_valid_with_the_bearer_scheme_only(tao: Client) -> None:
    assert tao.get(STATUS + "1", headers={"Authorization": f"OAuth {tao_token(tao)}"}).status_code == 401


def test_an_expired_token_is_rejected(tao: Client, clock: FakeClock) -> None:
    clock.now += 3600
    assert tao.get(STATUS + "1").status_code == 401


def test_an_older_token_stays_valid(tao: Client) -> None:
    tao_token(tao)
    assert tao.get(STATUS + "1").status_code == 404


def test_a_client_without_the_rostering_scope_is_rejected_in_json(anyone: Client) -> None:
    token = tao_token(
        anyone,
        client_id=TAO_ADVANCE.unscoped_client_id,
        client_secret=TAO_ADVANCE.unscoped_client_secret,
    )
    answer = anyone.get(STATUS + "1", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()) == (403, {"message": "Insufficient scope"})


@pytest.mark.parametrize("path", [STATUS, DOWNLOAD])
def test_an_unknown_reference_id_gets_the_message_of_the_page(tao: Client, path: str) -> None:
    answer = tao.get(path + "nobody")
    assert answer.status_code == 404
    assert answer.json() == {"message": "Reference ID not found. File not found in pending bucket."}


def test_a_processed_file_has_the_response_of_the_page(tao: Client, sandbox: Sandbox) -> None:
    answer = tao.get(STATUS + sandbox.submit("tao_advance", seconds=0, rows=2))
    assert answer.json() == {"result": {"status": "processed", "fileLine": 2, "messages": []}}


def test_a_file_goes_through_the_states_of_the_page(tao: Client, sandbox: Sandbox, clock: FakeClock) -> None:
    reference_id, seen = sandbox.submit("tao_advance", seconds=10, unknown=1), []
    for seconds in (0, 1, 4, 5):
        clock.now += seconds
        result = poll(tao, reference_id)
        seen.append((result["status"], result["fileLine"]))
    assert seen == [("hibernating", 0), ("pending", 0), ("pending", 60), ("processed", 120)]


def test_a_partial_import_is_processed_with_a_message_for_each_bad_row(tao: Client, sandbox: Sandbox) -> None:
    result = poll(tao, sandbox.submit("tao_advance", ends="partial", seconds=0, rejected=2))
    assert (result["status"], len(result["messages"])) == ("processed", 2)


def test_a_failed_import_has_a_message(tao: Client, sandbox: Sandbox) -> None:
    result = poll(tao, sandbox.submit("tao_advance", ends="failed", seconds=0))
    assert (result["status"], result["messages"]) == ("failed", ["The file could not be imported."])


def test_an_upload_returns_a_reference_id(tao: Client) -> None:
    answer = tao.post(UPLOAD, files={"file": ("users.csv", b"login\nada\n")})
    assert poll(tao, answer.json()["result"]["referenceId"])["status"] == "pending"


def test_the_header_of_an_upload_chooses_its_scenario(tao: Client) -> None:
    headers = {"X-Sandbox-Course": "ends=failed; seconds=0"}
    answer = tao.post(UPLOAD, files={"file": ("users.csv", b"login\nada\n")}, headers=headers)
    assert poll(tao, answer.json()["result"]["referenceId"])["status"] == "failed"


def test_an_unsupported_scenario_is_rejected_with_an_explanation(tao: Client) -> None:
    headers = {"X-Sandbox-Course": "ends=cancelled"}
    answer = tao.post(UPLOAD, files={"file": ("users.csv", b"login\nada\n")}, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("ends=cancelled is supported by thalamus only")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"files": {"csv": ("users.csv", b"login\n")}}, id="another part"),
        pytest.param({"data": {"file": "login"}}, id="a field, not a file"),
        pytest.param({"data": b"login\nada\n"}, id="a bare body"),
    ],
)
def test_an_upload_requires_a_part_named_file(tao: Client, body: dict[str, Any]) -> None:
    assert tao.post(UPLOAD, **body).status_code == 400


def test_an_upload_must_be_a_csv_file(tao: Client) -> None:
    codes = [
        tao.post(UPLOAD, files={"file": (name, b"x")}).status_code for name in ("x.xlsx", "csv", "x.CSV")
    ]
    assert codes == [400, 400, 200]


def test_an_upload_without_a_token_is_denied_before_its_body_is_read(anyone: Client) -> None:
    assert anyone.post(UPLOAD, data=b"x" * 4_000_000).text == "Access Denied"


def test_a_url_of_a_result_is_valid_for_the_ordered_time(
    tao: Client, sandbox: Sandbox, clock: FakeClock
) -> None:
    path = DOWNLOAD + sandbox.submit("tao_advance", seconds=0, report_seconds=5, report_kib=1)
    url = tao.get(path).json()["result"]["url"]
    assert len(requests.get(url, timeout=5).content) == 1024
    clock.now += 5
    assert requests.get(url, timeout=5).status_code == 403


def test_a_download_is_a_signed_url_of_the_result(tao: Client, sandbox: Sandbox) -> None:
    reference_id = sandbox.submit("tao_advance", ends="partial", seconds=0, rejected=1)
    url = tao.get(DOWNLOAD + reference_id).json()["result"]["url"]
    assert "Line 2" in requests.get(url, timeout=5).text
