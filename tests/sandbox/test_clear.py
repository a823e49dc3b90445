from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from airflow_provider_importstatus.sandbox import Sandbox
from airflow_provider_importstatus.sandbox.vendors.clear import CREDENTIALS as CLEAR

from .clients import Client, FakeClock, clear_token

TOKEN = "/integration/v1/authz/token"
STATUS = "/one-integration/workflow/status"
INGEST = "/one-integration/api/v1/ingest"
SECRET = {"x-clear-client-secret": CLEAR.client_secret}


def poll(client: Client, task_id: str) -> dict[str, Any]:
    body: dict[str, Any] = client.get(STATUS, params={"taskId": task_id}).json()
    return body


def test_a_token_response_holds_the_expiry(anyone: Client) -> None:
    assert anyone.get(TOKEN, headers=SECRET).json()["valid_till"] == "2027-01-15T09:00:00+00:00"


def test_a_wrong_secret_is_rejected_with_errors(anyone: Client) -> None:
    answer = anyone.get(TOKEN, headers={"x-clear-client-secret": "wrong"})
    assert (answer.status_code, answer.json()["errors"][0]["error_source"]) == (401, "CLEAR")


def test_a_new_token_revokes_the_previous_one(clear: Client) -> None:
    clear_token(clear)
    assert clear.get(STATUS, params={"taskId": "1"}).status_code == 403


def test_a_secret_gets_288_tokens_a_day(anyone: Client) -> None:
    codes = [anyone.get(TOKEN, headers=SECRET).status_code for _ in range(289)]
    assert (set(codes[:288]), codes[288]) == ({200}, 429)


def test_the_token_quota_restarts_every_day(anyone: Client, clock: FakeClock) -> None:
    for _ in range(288):
        anyone.get(TOKEN, headers=SECRET)
    clock.now += 86_400
    assert anyone.get(TOKEN, headers=SECRET).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"x-clear-auth-token": None}, id="no token"),
        pytest.param({"x-clear-auth-token": "made up"}, id="an unknown token"),
        pytest.param({"x-integration-id": None}, id="no integration"),
        pytest.param({"x-integration-id": "made up"}, id="an unknown integration"),
    ],
)
def test_an_unauthorized_request_gets_an_envelope_with_403(clear: Client, headers: dict[str, Any]) -> None:
    answer = clear.get(STATUS, params={"taskId": "1"}, headers=headers)
    body = answer.json()
    assert (answer.status_code, body["status"], body["success"], body["result"]) == (403, 403, False, None)


def test_an_expired_token_is_rejected(clear: Client, clock: FakeClock) -> None:
    clock.now += 3600
    assert clear.get(STATUS, params={"taskId": "1"}).status_code == 403


def test_the_second_integration_is_accepted_too(clear: Client) -> None:
    headers = {"x-integration-id": CLEAR.integration_ids[1]}
    assert clear.get(STATUS, params={"taskId": "1"}, headers=headers).status_code == 200


@pytest.mark.parametrize("query", ["", "?taskId="])
def test_a_missing_task_id_is_a_bad_request(clear: Client, query: str) -> None:
    answer = clear.get(STATUS + query)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "400")


def test_an_unknown_task_is_a_successful_response_without_a_result(clear: Client) -> None:
    assert poll(clear, "nobody") == {
        "status": 200,
        "success": True,
        "message": "No workflow found for taskId nobody",
        "result": None,
        "error": None,
        "metadata": None,
    }


def test_the_envelope_has_the_keys_of_the_page_and_names_the_task(clear: Client, sandbox: Sandbox) -> None:
    body = poll(clear, task_id := sandbox.submit("clear"))
    assert list(body) == ["status", "success", "message", "result", "error", "metadata"]
    assert task_id in body["message"]


def test_the_result_has_the_keys_of_the_page(clear: Client, sandbox: Sandbox) -> None:
    assert list(poll(clear, sandbox.submit("clear"))["result"]) == [
        "workflowStatus",
        "taskId",
        "activityStatusList",
        "message",
        "urlsToNotify",
        "preSignedUrls",
        "generatedURLs",
    ]


def test_a_workflow_goes_through_the_states_of_the_page(
    clear: Client, sandbox: Sandbox, clock: FakeClock
) -> None:
    task_id, words = sandbox.submit("clear", seconds=10, unknown=1), []
    for seconds in (0, 1, 1, 8):
        clock.now += seconds
        words.append(poll(clear, task_id)["result"]["workflowStatus"])
    assert words == ["HIBERNATING", "CREATED", "PROCESSING", "SUCCESS"]


@pytest.mark.parametrize(
    ("ends", "workflow", "ingestion"),
    [
        ("succeeded", "SUCCESS", "SUCCESS"),
        ("partial", "SUCCESS", "PARTIAL_SUCCESS"),
        ("failed", "FAILED", "FAILURE"),
    ],
)
def test_activities_show_how_a_workflow_ended(
    clear: Client, sandbox: Sandbox, ends: str, workflow: str, ingestion: str
) -> None:
    result = poll(clear, sandbox.submit("clear", ends=ends, seconds=0))["result"]
    stages = [(activity["stage"], activity["status"]) for activity in result["activityStatusList"]]
    assert result["workflowStatus"] == workflow
    assert stages == [("TRANSFORMATION", "SUCCESS"), ("INGESTION", ingestion)]


def test_a_failed_workflow_has_an_error_message_in_its_activity_only(clear: Client, sandbox: Sandbox) -> None:
    body = poll(clear, sandbox.submit("clear", ends="failed", seconds=0))
    assert body["error"] is None
    assert body["result"]["activityStatusList"][1]["errorMessage"]


def test_only_the_ingestion_activity_has_a_template(clear: Client, sandbox: Sandbox) -> None:
    activities = poll(clear, sandbox.submit("clear", seconds=0))["result"]["activityStatusList"]
    assert [activity["ingestionTemplate"] for activity in activities] == [None, "PURCHASE"]


def test_the_error_report_lists_every_rejected_row(clear: Client, sandbox: Sandbox) -> None:
    task_id = sandbox.submit("clear", ends="partial", seconds=0, rejected=2)
    url = poll(clear, task_id)["result"]["activityStatusList"][1]["errorReportPreSign"]
    assert requests.get(url, timeout=5).text.splitlines()[1:] == [
        "Line 2: the value in column 'code' is empty.",
        "Line 3: the value in column 'code' is empty.",
    ]


def test_the_error_report_expires_after_an_hour(clear: Client, sandbox: Sandbox, clock: FakeClock) -> None:
    task_id = sandbox.submit("clear", ends="partial", seconds=0)
    url = poll(clear, task_id)["result"]["activityStatusList"][1]["errorReportPreSign"]
    clock.now += 3600
    assert requests.get(url, timeout=5).status_code == 403


def presign(client: Client, filename: str = "purchases.csv") -> str:
    answer = client.get("/one-integration/action/pre-sign", params={"filename": filename})
    return str(answer.json()["result"]["preSignedUrl"])


def put(url: str, body: bytes = b"code\n1\n", content_type: str = "text/csv") -> requests.Response:
    return requests.put(url, data=body, headers={"Content-Type": content_type}, timeout=5)


def ingest(client: Client, url: str, **headers: str) -> requests.Response:
    files = [{"uploadUrl": url, "fileType": "csv"}]
    return client.post(INGEST, json={"fileInfo": files, "templateType": "SALES"}, headers=headers)


def test_a_file_can_be_submitted_with_presign_put_and_ingest(clear: Client) -> None:
    put(url := presign(clear))
    task_id = ingest(clear, url).json()["result"]["taskId"]
    assert poll(clear, task_id)["result"]["workflowStatus"] == "CREATED"


def test_ingest_accepts_the_upload_url_without_its_signature(clear: Client) -> None:
    put(url := presign(clear, "sales of may.csv"))
    assert ingest(clear, url.partition("?")[0]).status_code == 200


def test_the_header_of_ingest_chooses_the_scenario(clear: Client) -> None:
    put(url := presign(clear))
    answer = ingest(clear, url, **{"X-Sandbox-Course": "ends=failed; seconds=0"})
    result = poll(clear, answer.json()["result"]["taskId"])["result"]
    assert (result["workflowStatus"], result["activityStatusList"][1]["ingestionTemplate"]) == (
        "FAILED",
        "SALES",
    )


def test_ingest_rejects_a_file_that_was_not_uploaded(clear: Client) -> None:
    assert ingest(clear, presign(clear)).status_code == 400


@pytest.mark.parametrize("body", [{}, {"fileInfo": []}, {"fileInfo": ["x"]}, {"fileInfo": [{}]}, [], "x"])
def test_an_incomplete_ingest_is_a_bad_request(clear: Client, body: object) -> None:
    assert clear.post(INGEST, json=body).status_code == 400


@pytest.mark.parametrize(
    ("query", "status"), [({}, 400), ({"filename": "x.exe"}, 406), ({"filename": "../x.csv"}, 406)]
)
def test_presign_accepts_only_the_file_types_of_the_page(
    clear: Client, query: dict[str, Any], status: int
) -> None:
    assert clear.get("/one-integration/action/pre-sign", params=query).status_code == status


@pytest.mark.parametrize(
    ("filename", "content_type"),
    [
        ("sales.CSV", "text/csv"),
        ("sales.xls", "application/vnd.ms-excel"),
        ("sales.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        ("sales.zip", "application/zip"),
    ],
)
def test_an_upload_has_the_content_type_of_its_extension(
    clear: Client, filename: str, content_type: str
) -> None:
    url = presign(clear, filename)
    codes = [put(url, content_type=one).status_code for one in ("application/octet-stream", content_type)]
    assert codes == [403, 200]


@pytest.mark.parametrize("changes", [{"fileInfo": "fileType"}, {"templateType": None}, {"templateType": ""}])
def test_ingest_requires_file_type_and_template_type(clear: Client, changes: dict[str, Any]) -> None:
    put(url := presign(clear))
    info = {"uploadUrl": url} if "fileInfo" in changes else {"uploadUrl": url, "fileType": "CSV"}
    body = {"templateType": "SALES", **changes, "fileInfo": [info]}
    assert clear.post(INGEST, json=body).status_code == 400


def test_the_first_line_of_the_file_chooses_the_scenario(clear: Client) -> None:
    put(url := presign(clear), b"# sandbox: ends=failed; seconds=0\ncode\n1\n")
    result = poll(clear, ingest(clear, url).json()["result"]["taskId"])["result"]
    assert result["workflowStatus"] == "FAILED"


def report_url(client: Client, task_id: str) -> str:
    activity = poll(client, task_id)["result"]["activityStatusList"][1]
    return str(activity["errorReportPreSign"])


@pytest.mark.parametrize("kib", [0, 1, 200])
def test_the_error_report_has_the_ordered_size(clear: Client, sandbox: Sandbox, kib: int) -> None:
    task_id = sandbox.submit("clear", ends="partial", seconds=0, rejected=1, report_kib=kib)
    answer = requests.get(report_url(clear, task_id), timeout=5)
    rows = b"error\nLine 2: the value in column 'code' is empty.\n"
    assert answer.content.startswith(rows)
    assert answer.content.endswith(b"\n")
    assert len(answer.content) == int(answer.headers["Content-Length"]) == (kib * 1024 or len(rows))


def test_the_url_of_the_error_report_is_valid_for_the_ordered_time(
    clear: Client, sandbox: Sandbox, clock: FakeClock
) -> None:
    url = report_url(clear, sandbox.submit("clear", ends="partial", seconds=0, report_seconds=5))
    codes = [requests.get(url, timeout=5).status_code]
    clock.now += 5
    assert [*codes, requests.get(url, timeout=5).status_code] == [200, 403]


def test_half_of_a_cut_error_report_arrives(clear: Client, sandbox: Sandbox) -> None:
    url = report_url(clear, sandbox.submit("clear", ends="partial", seconds=0, report_kib=64))
    sandbox.fault("clear", "storage", "cut")
    with (
        requests.get(url, timeout=5, stream=True) as answer,
        pytest.raises(requests.exceptions.ChunkedEncodingError) as broken,
    ):
        assert answer.content
    assert "32768 bytes read" in str(broken.value)


def test_presign_without_a_token_is_a_401(anyone: Client) -> None:
    assert anyone.get("/one-integration/action/pre-sign", params={"filename": "x.csv"}).status_code == 401


def test_the_upload_url_has_another_origin(clear: Client, sandbox: Sandbox) -> None:
    assert urlsplit(presign(clear)).netloc != urlsplit(sandbox.url).netloc
