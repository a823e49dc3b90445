from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from airflow_provider_importstatus.sandbox import Sandbox
from airflow_provider_importstatus.sandbox.__main__ import main
from airflow_provider_importstatus.sandbox.vendors.zilliant import CREDENTIALS as ZILLIANT

from .clients import Client, FakeClock, salesforce

BASE = "/v1/EntityImport/"
MAPPING = {"entitySystemName": "Product", "definition": {"importMode": "UPSERT", "fields": []}}


def encode(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def upload(client: Client) -> str:
    mapping_id = client.post(BASE, json=MAPPING).json()["mappingId"]
    answer = client.post(f"{BASE}{mapping_id}/upload", files={"file": ("products.csv", b"code\n1\n")})
    return str(answer.json()["uploadId"])


def test_a_token_response_does_not_hold_its_expiry(anyone: Client) -> None:
    assert list(salesforce(anyone).json()) == [
        "access_token",
        "instance_url",
        "id",
        "token_type",
        "issued_at",
        "signature",
    ]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"password": "wrong"}, "invalid_grant"),
        ({"username": "wrong"}, "invalid_grant"),
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
    ],
)
def test_a_rejected_login_is_a_400_with_an_error_code_of_salesforce(
    anyone: Client, change: dict[str, Any], error: str
) -> None:
    answer = salesforce(anyone, **change)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_a_multipart_login_is_rejected(anyone: Client) -> None:
    parts = {"grant_type": (None, "password"), "username": (None, ZILLIANT.username)}
    assert anyone.post("/services/oauth2/token", files=parts).json()["error"] == "unsupported_grant_type"


def test_the_complete_token_response_is_accepted(zilliant: Client) -> None:
    assert zilliant.get(f"{BASE}nobody/status").status_code == 404


def test_the_token_response_may_be_formatted_differently(zilliant: Client) -> None:
    response = salesforce(zilliant).json()
    headers = {"Authorization": "OAuth " + encode(json.dumps(response, indent=1, sort_keys=True))}
    assert zilliant.get(f"{BASE}nobody/status", headers=headers).status_code == 404


@pytest.mark.parametrize(
    "form", ["Bearer {token}", "OAuth {token}", "OAuth {encoded}", "Bearer {whole}", "OAuth {less}"]
)
def test_anything_but_the_complete_token_response_is_rejected(zilliant: Client, form: str) -> None:
    response = salesforce(zilliant)
    token = response.json()["access_token"]
    less = {"access_token": token, "token_type": "Bearer"}
    authorization = form.format(
        token=token, encoded=encode(token), whole=encode(response.content), less=encode(json.dumps(less))
    )
    assert zilliant.get(f"{BASE}nobody/status", headers={"Authorization": authorization}).status_code == 401


@pytest.mark.parametrize("host", [None, "elsewhere.example"])
def test_a_wrong_forwarded_host_is_rejected(zilliant: Client, host: str | None) -> None:
    assert zilliant.get(f"{BASE}nobody/status", headers={"X-Forwarded-Host": host}).status_code == 401


def test_a_token_expires_although_its_response_holds_no_expiry(zilliant: Client, clock: FakeClock) -> None:
    clock.now += 3600
    assert zilliant.get(f"{BASE}nobody/status").status_code == 401


def test_a_running_import_has_no_stop_date(zilliant: Client, sandbox: Sandbox) -> None:
    import_id = sandbox.submit("zilliant")
    assert zilliant.get(f"{BASE}{import_id}/status").json() == {
        "status": "RUNNING",
        "startDate": "2027-01-15T08:00:00Z",
        "stopDate": None,
        "clientErrorCallingService": False,
        "entityImportId": import_id,
    }


def test_the_stop_date_is_the_end_of_the_scenario(
    zilliant: Client, sandbox: Sandbox, clock: FakeClock
) -> None:
    import_id = sandbox.submit("zilliant", seconds=60)
    clock.now += 3000
    assert zilliant.get(f"{BASE}{import_id}/status").json()["stopDate"] == "2027-01-15T08:01:00Z"


@pytest.mark.parametrize(
    ("ends", "status", "report"),
    [
        ("succeeded", "SUCCEEDED", {"status": "SUCCESS", "processedRows": 120}),
        ("partial", "SUCCEEDED", {"status": "PARTIAL_SUCCESS", "processedRows": 120, "failedRows": 3}),
        ("failed", "FAILED", {"status": "FAILED", "failedRows": 120}),
    ],
)
def test_only_the_report_distinguishes_a_partial_import(
    zilliant: Client, sandbox: Sandbox, ends: str, status: str, report: dict[str, Any]
) -> None:
    import_id = sandbox.submit("zilliant", ends=ends, seconds=0)
    assert zilliant.get(f"{BASE}{import_id}/status").json()["status"] == status
    assert zilliant.get(f"{BASE}{import_id}/report").json() == {**report, "message": "120 rows read."}


@pytest.mark.parametrize("scenario", [{"seconds": 9}, {"seconds": 0, "report": "absent"}])
def test_a_report_that_does_not_exist_is_not_found(
    zilliant: Client, sandbox: Sandbox, scenario: dict[str, Any]
) -> None:
    import_id = sandbox.submit("zilliant", **scenario)
    assert zilliant.get(f"{BASE}{import_id}/report").status_code == 404


def test_the_error_file_lists_every_rejected_row(zilliant: Client, sandbox: Sandbox) -> None:
    import_id = sandbox.submit("zilliant", ends="partial", seconds=0)
    assert len(zilliant.get(f"{BASE}{import_id}/errorFile").text.splitlines()) == 1 + 3


def test_an_import_without_rejected_rows_has_no_error_file(zilliant: Client, sandbox: Sandbox) -> None:
    import_id = sandbox.submit("zilliant", seconds=0)
    assert zilliant.get(f"{BASE}{import_id}/errorFile").status_code == 404


def test_a_file_can_be_submitted_with_mapping_upload_and_import(zilliant: Client) -> None:
    answer = zilliant.post(f"{BASE}{upload(zilliant)}/import")
    assert answer.status_code == 201
    assert zilliant.get(f"{BASE}{answer.json()['importId']}/status").json()["status"] == "RUNNING"


def test_an_upload_can_be_imported_once(zilliant: Client) -> None:
    path = f"{BASE}{upload(zilliant)}/import"
    assert [zilliant.post(path).status_code for _ in range(2)] == [201, 409]


def test_the_header_of_an_import_chooses_its_scenario(zilliant: Client) -> None:
    headers = {"X-Sandbox-Course": "ends=failed; seconds=0"}
    answer = zilliant.post(f"{BASE}{upload(zilliant)}/import", headers=headers)
    assert zilliant.get(f"{BASE}{answer.json()['importId']}/status").json()["status"] == "FAILED"


def test_an_upload_can_be_imported_after_an_invalid_scenario(zilliant: Client) -> None:
    path = f"{BASE}{upload(zilliant)}/import"
    refused = zilliant.post(path, headers={"X-Sandbox-Course": "ends=well"})
    assert (refused.status_code, zilliant.post(path).status_code) == (400, 201)


def test_there_is_a_mapping_from_the_start_and_after_a_reset(zilliant: Client, sandbox: Sandbox) -> None:
    path, files = f"{BASE}{ZILLIANT.mapping_id}/upload", {"file": ("products.csv", b"code\n1\n")}
    assert zilliant.post(path, files=files).status_code == 201
    sandbox.reset()
    zilliant.headers["Authorization"] = f"OAuth {encode(salesforce(zilliant).content)}"
    assert zilliant.post(path, files=files).status_code == 201


def test_a_mapping_can_be_used_more_than_once(zilliant: Client) -> None:
    path, files = f"{BASE}{ZILLIANT.mapping_id}/upload", {"file": ("products.csv", b"code\n1\n")}
    assert len({zilliant.post(path, files=files).json()["uploadId"] for _ in range(2)}) == 2


def test_the_command_line_names_the_mapping(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert ZILLIANT.mapping_id in capsys.readouterr().out


@pytest.mark.parametrize("path", ["nobody/upload", "nobody/import"])
def test_an_unknown_mapping_or_upload_is_not_found(zilliant: Client, path: str) -> None:
    assert zilliant.post(BASE + path).status_code == 404


def test_an_upload_id_is_not_a_valid_import_id(zilliant: Client) -> None:
    assert zilliant.get(f"{BASE}{upload(zilliant)}/status").status_code == 404


@pytest.mark.parametrize("body", [{}, {"entitySystemName": "Product"}, []])
def test_an_incomplete_mapping_is_a_bad_request(zilliant: Client, body: object) -> None:
    assert zilliant.post(BASE, json=body).status_code == 400
