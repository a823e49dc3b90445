"""The example requests on the vendors' own pages, sent as they are printed there."""

from __future__ import annotations

import base64
import json

from airflow_provider_importstatus.sandbox import Sandbox
from airflow_provider_importstatus.sandbox.vendors.clear import CREDENTIALS as CLEAR
from airflow_provider_importstatus.sandbox.vendors.tao import CREDENTIALS as TAO_ADVANCE
from airflow_provider_importstatus.sandbox.vendors.thalamus import CREDENTIALS as THALAMUS
from airflow_provider_importstatus.sandbox.vendors.zilliant import CREDENTIALS as ZILLIANT

from .clients import Client, clear_token, salesforce, tao_token
from .conftest import Curl


def test_tao_token_request_of_its_page(curl: Curl, sandbox: Sandbox) -> None:
    answer = curl(
        *("--location", f"{sandbox.url}/api/v1/upload/v1/oauth2/tokens"),
        *("--form", 'grant_type="client_credentials"'),
        *("--form", f'client_id="{TAO_ADVANCE.client_id}"'),
        *("--form", f'client_secret="{TAO_ADVANCE.client_secret}"'),
    )
    assert json.loads(answer)["token_type"] == "Bearer"


def test_tao_status_request_of_its_page(curl: Curl, sandbox: Sandbox, anyone: Client) -> None:
    sandbox.submit("tao_advance", import_id="12345", rows=2, seconds=0)
    answer = curl(
        *("--location", f"{sandbox.url}/api/v1/upload/api/v1/status/12345"),
        *("--header", f"Authorization: Bearer {tao_token(anyone)}"),
    )
    assert json.loads(answer) == {"result": {"status": "processed", "fileLine": 2, "messages": []}}


def test_tao_denies_access_without_a_token_in_the_words_of_its_page(curl: Curl, sandbox: Sandbox) -> None:
    assert curl("--location", f"{sandbox.url}/api/v1/upload/api/v1/status/12345") == "Access Denied"


def test_thalamus_status_request_of_its_page_with_touchpoint_and_token_in_the_query(
    curl: Curl, sandbox: Sandbox
) -> None:
    sandbox.submit("thalamus", import_id="274", ends="cancelled", rows=576, seconds=0)
    query = f"touchpoint={THALAMUS.touchpoint}&token={THALAMUS.token}"
    answer = curl(
        *("--location", f"{sandbox.url}/api/v4/import/status/274?{query}"),
        *("--user", f"{THALAMUS.principal}:{THALAMUS.password}"),
    )
    record = json.loads(answer)
    assert [record[key] for key in ("id", "rows", "rowsOk", "state", "internationalizedState")] == [
        274,
        576,
        576,
        "CANCELED",
        "Canceled",
    ]


def test_clear_status_request_of_its_page(curl: Curl, sandbox: Sandbox, anyone: Client) -> None:
    task_id = sandbox.submit("clear", seconds=0)
    answer = curl(
        *("--location", f"{sandbox.url}/one-integration/workflow/status?taskId={task_id}"),
        *("--header", f"x-clear-auth-token: {clear_token(anyone)}"),
        *("--header", f"x-integration-id: {CLEAR.integration_ids[0]}"),
    )
    assert json.loads(answer)["result"]["workflowStatus"] == "SUCCESS"


def test_zilliant_status_request_of_its_page(curl: Curl, sandbox: Sandbox, anyone: Client) -> None:
    # The id of the failed import on the page is not a valid UUID.
    import_id = "2587c81c-bs9fc-4873-ae2f-421b292d2c2b"
    sandbox.submit("zilliant", import_id=import_id, ends="failed", seconds=0)
    answer = curl(
        *("--location", f"{sandbox.url}/v1/EntityImport/{import_id}/status"),
        *("--header", f"Authorization: OAuth {base64.b64encode(salesforce(anyone).content).decode()}"),
        *("--header", f"X-Forwarded-Host: {ZILLIANT.forwarded_host}"),
    )
    status = json.loads(answer)
    assert (status["status"], status["entityImportId"]) == ("FAILED", import_id)
