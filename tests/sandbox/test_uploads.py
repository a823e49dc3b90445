"""Submitted files: their first line chooses the scenario, and their content is not kept."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from airflow_provider_importstatus.sandbox import Sandbox
from airflow_provider_importstatus.sandbox.vendors.zilliant import CREDENTIALS as ZILLIANT

from .clients import Client

MEBIBYTE = 1024 * 1024
TAO_UPLOAD = "/api/v1/upload/api/v1/upload"
THALAMUS_FILE = "/api/v4/import/file?name=x&type=25012"
ZILLIANT_IMPORT = "/v1/EntityImport"


def state_at_tao(client: Client, body: bytes, headers: dict[str, str]) -> Any:
    answer = client.post(TAO_UPLOAD, files={"file": ("x.csv", body)}, headers=headers)
    if answer.status_code != 200:
        return answer
    path = f"/api/v1/upload/api/v1/status/{answer.json()['result']['referenceId']}"
    result = client.get(path).json()["result"]
    return result["status"], result["fileLine"]


@pytest.mark.parametrize(
    ("first_line", "header", "state"),
    [
        ("# sandbox: ends=failed; seconds=0; rows=7", "", ("failed", 7)),
        ("# sandbox:ends=failed;seconds=0", "", ("failed", 120)),
        ("\ufeff# sandbox: ends=failed; seconds=0\r", "", ("failed", 120)),
        ("# sandbox: ends=failed; seconds=0; rows=7", "rows=8", ("failed", 8)),
        ("# sandbox: ends=failed; seconds=0", "ends=succeeded", ("processed", 120)),
        ("# another comment: ends=failed", "seconds=0", ("processed", 120)),
        ("login", "", ("pending", 0)),
        ("", "", ("pending", 0)),
    ],
)
def test_first_line_and_header_choose_the_scenario_and_the_header_wins_field_by_field(
    tao: Client, first_line: str, header: str, state: tuple[str, int]
) -> None:
    body, headers = f"{first_line}\nada\n".encode(), {"X-Sandbox-Course": header}
    assert state_at_tao(tao, body, headers) == state


@pytest.mark.parametrize("body", [b"", b"\xff\xfe\x00", b"PK\x03\x04 no newline" * 1000])
def test_any_content_can_be_submitted(tao: Client, body: bytes) -> None:
    assert state_at_tao(tao, body, {"X-Sandbox-Course": "seconds=0"}) == ("processed", 120)


@pytest.mark.parametrize(
    ("first_line", "sentence"),
    [
        ("# sandbox: partial", "The file's first line must be name=value fields"),
        ("# sandbox: ends=cancelled", "ends=cancelled is supported by thalamus only"),
        ("# sandbox: report=absent", "report is supported by zilliant only"),
    ],
)
def test_an_invalid_first_line_is_rejected_with_an_explanation(
    tao: Client, first_line: str, sentence: str
) -> None:
    answer = state_at_tao(tao, f"{first_line}\n".encode(), {})
    assert (answer.status_code, answer.json()["error"].startswith(sentence)) == (400, True)


def test_the_first_line_chooses_the_scenario_at_zilliant(zilliant: Client) -> None:
    file = {"file": ("x.csv", b"# sandbox: ends=failed; seconds=0\nid\n")}
    path = f"{ZILLIANT_IMPORT}/{ZILLIANT.mapping_id}/upload"
    upload_id = zilliant.post(path, files=file).json()["uploadId"]
    import_id = zilliant.post(f"{ZILLIANT_IMPORT}/{upload_id}/import").json()["importId"]
    assert zilliant.get(f"{ZILLIANT_IMPORT}/{import_id}/status").json()["status"] == "FAILED"


def test_the_first_line_chooses_the_scenario_at_thalamus(thalamus: Client) -> None:
    file = {"file": ("x.csv", b"# sandbox: ends=cancelled; seconds=0\ncode\n")}
    assert thalamus.post(THALAMUS_FILE, files=file).json()["state"] == "CANCELED"


def test_the_record_has_the_size_of_the_submitted_file(thalamus: Client) -> None:
    file = {"file": ("x.csv", b"x" * 100_000)}
    assert thalamus.post(THALAMUS_FILE, files=file).json()["fileSize"] == 100_000


@pytest.mark.parametrize(
    "body",
    [
        {"files": {"csv": ("x.csv", b"x")}},
        {"files": [("file", ("x.csv", b"x")), ("more", ("y.csv", b"y"))]},
        {"files": [("more", ("y.csv", b"y")), ("file", ("x.csv", b"x"))]},
        {"files": {"file": ("x.csv", b"x")}, "data": {"field": "value"}},
        {"data": {"file": "x"}},
        {"data": b"x", "headers": {"Content-Type": "multipart/form-data"}},
        {"data": b"x", "headers": {"Content-Type": "multipart/form-data; boundary=y"}},
        {"data": b"x", "headers": {"Content-Type": "text/csv"}},
        {},
    ],
    ids=str,
)
def test_a_body_without_one_file_part_is_a_bad_request(tao: Client, body: dict[str, Any]) -> None:
    assert tao.post(TAO_UPLOAD, **body).status_code == 400


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH"])
@pytest.mark.parametrize(
    "path",
    [
        TAO_UPLOAD,
        THALAMUS_FILE,
        f"{ZILLIANT_IMPORT}/{ZILLIANT.mapping_id}/upload",
        f"{ZILLIANT_IMPORT}/7/import",
        "/one-integration/api/v1/ingest",
    ],
)
def test_a_submission_is_a_post_request(anyone: Client, method: str, path: str) -> None:
    assert anyone.request(method, path).status_code == 405


def mebibytes(number: int) -> Iterator[bytes]:
    block = b"x" * MEBIBYTE
    yield from (block for _ in range(number))


def form(number: int) -> Iterator[bytes]:
    yield b'--y\r\nContent-Disposition: form-data; name="file"; filename="x.csv"\r\n\r\n'
    yield from mebibytes(number)
    yield b"\r\n--y--\r\n"


@pytest.fixture
def peak() -> Iterator[Callable[[], int]]:
    """Return the peak of the memory allocated since the start of the test, in bytes."""
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()


def test_a_large_form_is_not_held_in_memory(thalamus: Client, peak: Callable[[], int]) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=y"}
    record = thalamus.post(THALAMUS_FILE, data=form(40), headers=headers, timeout=60).json()
    assert (record["fileSize"], peak() < 16 * MEBIBYTE) == (40 * MEBIBYTE, True)


def test_a_large_file_in_the_storage_is_not_held_in_memory(clear: Client, peak: Callable[[], int]) -> None:
    answer = clear.get("/one-integration/action/pre-sign", params={"filename": "x.csv"})
    url, headers = answer.json()["result"]["preSignedUrl"], {"Content-Type": "text/csv"}
    stored = requests.put(url, data=mebibytes(40), headers=headers, timeout=60)
    assert (stored.status_code, peak() < 16 * MEBIBYTE) == (200, True)


def test_a_large_error_report_is_not_held_in_memory(
    zilliant: Client, sandbox: Sandbox, peak: Callable[[], int]
) -> None:
    import_id = sandbox.submit("zilliant", ends="partial", seconds=0, report_kib=40 * 1024)
    path = f"{ZILLIANT_IMPORT}/{import_id}/errorFile"
    with zilliant.get(path, stream=True) as answer:
        size = sum(map(len, answer.iter_content(MEBIBYTE)))
    assert (size, peak() < 16 * MEBIBYTE) == (40 * MEBIBYTE, True)


def test_rejected_submissions_are_counted_too(tao: Client, sandbox: Sandbox) -> None:
    tao.post(TAO_UPLOAD)
    tao.post(TAO_UPLOAD, files={"file": ("x.csv", b"x")})
    assert sandbox.requests("tao_advance")["submit"] == 2
