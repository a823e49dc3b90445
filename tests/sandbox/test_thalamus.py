from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from airflow_provider_importstatus.sandbox import Sandbox
from airflow_provider_importstatus.sandbox.vendors.thalamus import CREDENTIALS as THALAMUS

from .clients import Client, FakeClock

STATUS = "/api/v4/import/status"
SUBMIT = "/api/v4/import/file"
CSV = {"file": ("stock.csv", b"code\n1\n")}
QUERY = {"name": "stock of may", "type": "25012"}

#: The keys of the sample on the page, in the same order.
KEYS = """
id creationDate modificationDate creationOperator modificationOperator name fileName fileType owner
relatedEntityType importDate userId partnerDatasourceId mediumContextData mediumContextDataJson
rows rowsOk rowsWithErrors rowsSkipped rowsRollbacked rowsRollbackedWithErrors
state percentageProcessed totalToProcess url fileImportType fileSize analysisResult analysisResultJson
stateInternationalizableKey internationalizedState
"""


def poll(client: Client, import_id: str) -> dict[str, Any]:
    body: dict[str, Any] = client.get(f"{STATUS}/{import_id}").json()
    return body


def test_a_missing_touchpoint_is_a_bad_request(thalamus: Client, sandbox: Sandbox) -> None:
    answer = thalamus.get(f"{STATUS}/{sandbox.submit('thalamus')}", headers={"Thalamus-Touchpoint": None})
    assert answer.status_code == 400
    assert answer.json() == {"errors": {"partnerDataSource": "TouchpointCodeRequired"}}


@pytest.mark.parametrize("header", ["Thalamus-Touchpoint", "Thalamus-Token"])
def test_a_wrong_touchpoint_or_token_gets_the_body_of_the_page_with_a_duplicate_key(
    thalamus: Client, header: str
) -> None:
    answer = thalamus.get(f"{STATUS}/1", headers={header: "wrong"})
    pairs = json.loads(answer.text, object_pairs_hook=list)
    assert answer.status_code == 400
    assert pairs[0][1] == [
        ("partnerDataSource", "TouchpointCodeRequired"),
        ("partnerDataSource", "InvalidTouchpointCode"),
    ]


def test_touchpoint_and_token_can_be_in_the_query(anyone: Client, sandbox: Sandbox) -> None:
    query = {"touchpoint": THALAMUS.touchpoint, "token": THALAMUS.token}
    auth = (THALAMUS.principal, THALAMUS.password)
    path = f"{STATUS}/{sandbox.submit('thalamus')}"
    assert anyone.get(path, params=query, auth=auth).status_code == 200


def test_a_document_with_a_dollar_sign_is_a_valid_principal(thalamus: Client) -> None:
    assert thalamus.get("/api/v4/me", auth=("DNI$30111222", THALAMUS.password)).status_code == 200


@pytest.mark.parametrize(
    "auth",
    [
        pytest.param((THALAMUS.principal, "wrong"), id="a wrong password"),
        pytest.param(("nobody", THALAMUS.password), id="an unknown principal"),
        pytest.param(("DNI:30111222", THALAMUS.password), id="a document with a colon"),
    ],
)
def test_a_wrong_user_is_unauthorized(thalamus: Client, auth: tuple[str, str]) -> None:
    answer = thalamus.get("/api/v4/me", auth=auth)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "401")


@pytest.mark.parametrize("header", ["", "Basic", "Basic ???", "Bearer x"])
def test_a_missing_user_is_unauthorized(thalamus: Client, header: str) -> None:
    thalamus.auth = None
    assert thalamus.get("/api/v4/me", headers={"Authorization": header}).status_code == 401


def test_an_unknown_id_is_a_bad_request(thalamus: Client) -> None:
    answer = thalamus.get(f"{STATUS}/999999")
    assert (answer.status_code, answer.json()) == (400, {"errors": {"ProcessorInfo": "InvalidID"}})


def test_a_record_has_the_keys_of_the_page(thalamus: Client, sandbox: Sandbox) -> None:
    assert list(poll(thalamus, sandbox.submit("thalamus"))) == KEYS.split()


def test_dates_are_epoch_milliseconds(thalamus: Client, sandbox: Sandbox, clock: FakeClock) -> None:
    import_id = sandbox.submit("thalamus", seconds=10)
    clock.now += 100
    dates = poll(thalamus, import_id)
    assert (dates["creationDate"], dates["importDate"], dates["modificationDate"]) == (
        1_800_000_000_000,
        1_800_000_002_000,
        1_800_000_010_000,
    )


def test_an_import_goes_through_the_states(thalamus: Client, sandbox: Sandbox, clock: FakeClock) -> None:
    import_id, words = sandbox.submit("thalamus", seconds=10, queued=3, blocked=2, unknown=1), []
    for seconds in (0, 1, 1, 1, 7):
        clock.now += seconds
        words.append(poll(thalamus, import_id)["state"])
    assert words == ["HIBERNATING", "CONFIGURATION_PENDING", "WAITING", "PROCESSING", "PROCESSED"]


@pytest.mark.parametrize(
    ("ends", "word", "key"),
    [
        ("succeeded", "PROCESSED", "Processed"),
        ("partial", "PROCESSED", "Processed"),
        ("failed", "ERROR_IN_FILE_FORMAT", "ErrorInFileFormat"),
        ("cancelled", "CANCELED", "Canceled"),
    ],
)
def test_each_end_has_its_own_state_and_key(
    thalamus: Client, sandbox: Sandbox, ends: str, word: str, key: str
) -> None:
    record = poll(thalamus, sandbox.submit("thalamus", ends=ends, seconds=0))
    assert (record["state"], record["stateInternationalizableKey"]) == (word, key)


def test_counters_distinguish_good_bad_and_skipped_rows(thalamus: Client, sandbox: Sandbox) -> None:
    import_id = sandbox.submit("thalamus", ends="partial", seconds=0, rows=100, rejected=4, skipped=6)
    record = poll(thalamus, import_id)
    assert [record[key] for key in ("rows", "rowsOk", "rowsWithErrors", "rowsSkipped")] == [100, 90, 4, 6]


def test_a_running_import_reports_its_progress(thalamus: Client, sandbox: Sandbox, clock: FakeClock) -> None:
    import_id = sandbox.submit("thalamus", seconds=10)
    clock.now += 5
    record = poll(thalamus, import_id)
    assert [record[key] for key in ("rows", "percentageProcessed", "totalToProcess")] == [60, 50, 120]


def test_the_file_is_at_a_signed_url(thalamus: Client, sandbox: Sandbox) -> None:
    url = poll(thalamus, sandbox.submit("thalamus"))["url"]
    assert requests.get(url, timeout=5).status_code == 200
    assert requests.get(url.partition("?")[0], timeout=5).status_code == 403


@pytest.mark.parametrize("path", [SUBMIT, f"{SUBMIT}/"])
def test_a_submission_returns_the_record(thalamus: Client, path: str) -> None:
    record = thalamus.post(path, params=QUERY, files=CSV).json()
    assert (record["id"], record["name"], record["fileName"], record["owner"]["entityType"]) == (
        274,
        "stock of may",
        "stock.csv",
        25012,
    )


def test_the_folder_of_a_submitted_file_is_removed_from_its_name(thalamus: Client) -> None:
    files = {"file": ("may/stock.csv", b"code\n1\n")}
    record = thalamus.post(SUBMIT, params=QUERY, files=files).json()
    assert requests.get(record["url"], timeout=5).status_code == 200


def test_a_submitted_file_has_no_processed_rows(thalamus: Client) -> None:
    record = thalamus.post(SUBMIT, params=QUERY, files=CSV).json()
    assert (record["rows"], record["state"]) == (0, "WAITING")


def test_a_submission_returns_the_record_of_an_import_that_has_not_appeared(thalamus: Client) -> None:
    headers = {"X-Sandbox-Course": "appears=5"}
    record = thalamus.post(SUBMIT, params=QUERY, files=CSV, headers=headers).json()
    assert thalamus.get(f"{STATUS}/{record['id']}").status_code == 400


@pytest.mark.parametrize(
    ("query", "files", "errors"),
    [
        ({"type": "25012"}, CSV, {"name": "Required"}),
        ({"name": "x"}, CSV, {"type": "Required"}),
        ({"name": "x", "type": "1"}, CSV, {"type": "InvalidFormat"}),
        (QUERY, None, {"file": "Required"}),
        (QUERY, {"file": ("x.pdf", b"%PDF")}, {"ProcessFile": "UnknownFormat"}),
    ],
)
def test_an_incomplete_submission_gets_an_error_code_for_the_field(
    thalamus: Client, query: dict[str, Any], files: dict[str, Any] | None, errors: dict[str, Any]
) -> None:
    answer = thalamus.post(SUBMIT, params=query, files=files)
    assert (answer.status_code, answer.json()) == (400, {"errors": errors})


def test_an_import_can_be_cancelled(thalamus: Client, sandbox: Sandbox, clock: FakeClock) -> None:
    import_id = sandbox.submit("thalamus", seconds=10)
    clock.now += 5
    thalamus.post(f"/api/v4/import/cancel/{import_id}")
    clock.now += 100
    record = poll(thalamus, import_id)
    assert (record["state"], record["rows"]) == ("CANCELED", 60)


def test_an_ended_import_cannot_be_cancelled(thalamus: Client, sandbox: Sandbox) -> None:
    import_id = sandbox.submit("thalamus", seconds=0)
    thalamus.post(f"/api/v4/import/cancel/{import_id}")
    assert poll(thalamus, import_id)["state"] == "PROCESSED"


def test_cancelling_an_unknown_id_is_a_bad_request(thalamus: Client) -> None:
    assert thalamus.post("/api/v4/import/cancel/1").json() == {"errors": {"ProcessorInfo": "InvalidID"}}


def found(client: Client, **query: Any) -> list[int]:
    return [record["id"] for record in client.get(STATUS, params=query).json()["imports"]]


@pytest.mark.parametrize(("state", "expected"), [(1, [275]), (3, [274]), (6, [])])
def test_the_list_can_be_filtered_by_the_number_of_a_state(
    thalamus: Client, sandbox: Sandbox, state: int, expected: list[int]
) -> None:
    sandbox.submit("thalamus", seconds=0)
    sandbox.submit("thalamus", seconds=10)
    assert found(thalamus, state=state) == expected


def test_the_list_is_paginated(thalamus: Client, sandbox: Sandbox) -> None:
    for _ in range(5):
        sandbox.submit("thalamus")
    assert found(thalamus, page=2, pageSize=2, orderBy="id", ascending="false") == [276, 275]


def test_the_total_of_the_list_covers_all_pages(thalamus: Client, sandbox: Sandbox) -> None:
    for _ in range(3):
        sandbox.submit("thalamus")
    assert next(iter(thalamus.get(STATUS, params={"pageSize": 1}).json().items())) == ("total", 3)


@pytest.mark.parametrize(("day", "expected"), [("2027-01-15", [274]), ("2027-01-16", [])])
def test_the_list_can_be_filtered_by_date_of_creation(
    thalamus: Client, sandbox: Sandbox, day: str, expected: list[int]
) -> None:
    sandbox.submit("thalamus")
    assert found(thalamus, beginDate=day, endDate=day) == expected


def test_the_list_can_be_filtered_by_imports_with_errors(thalamus: Client, sandbox: Sandbox) -> None:
    sandbox.submit("thalamus", seconds=0)
    sandbox.submit("thalamus", seconds=0, ends="partial")
    assert found(thalamus, withErrors="true") == [275]


@pytest.mark.parametrize(
    ("query", "errors"),
    [
        ({"page": "0"}, {"page": "InvalidFormat"}),
        ({"state": "x"}, {"state": "InvalidFormat"}),
        ({"orderBy": "colour"}, {"orderBy": "InvalidFormat"}),
        ({"beginDate": "2027-01-15"}, {"endDate": "Required"}),
        ({"beginDate": "soon", "endDate": "2027-01-15"}, {"beginDate": "InvalidFormat"}),
    ],
)
def test_an_invalid_query_gets_an_error_code_for_the_field(
    thalamus: Client, query: dict[str, Any], errors: dict[str, Any]
) -> None:
    answer = thalamus.get(STATUS, params=query)
    assert (answer.status_code, answer.json()) == (400, {"errors": errors})
