from __future__ import annotations

import pytest
import requests

from airflow_provider_importstatus.sandbox.storage import STANDARD_CREDENTIAL_HEADERS, Storage
from airflow_provider_importstatus.sandbox.vendors.registry import VENDORS

from .clients import Client, FakeClock

CREDENTIAL_HEADERS = [
    *STANDARD_CREDENTIAL_HEADERS,
    *(header for vendor in VENDORS for header in vendor.credential_headers),
]
CSV = {"Content-Type": "text/csv"}


@pytest.fixture
def url(thalamus: Client) -> str:
    record = thalamus.post(
        "/api/v4/import/file", params={"name": "x", "type": "25012"}, files={"file": ("x y.csv", b"code\n")}
    )
    return str(record.json()["url"])


@pytest.fixture
def upload_url(clear: Client) -> str:
    answer = clear.get("/one-integration/action/pre-sign", params={"filename": "sales of may.csv"})
    return str(answer.json()["result"]["preSignedUrl"])


def test_a_signed_url_gives_access_to_its_file(url: str) -> None:
    assert requests.get(url, timeout=5).status_code == 200


@pytest.mark.parametrize("header", CREDENTIAL_HEADERS)
def test_a_request_with_credentials_of_a_vendor_is_rejected(url: str, header: str) -> None:
    answer = requests.get(url, headers={header: "leaked"}, timeout=5)
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/xml; charset=utf-8")


def test_a_signature_is_valid_for_one_method(url: str) -> None:
    assert requests.put(url, data=b"mine", timeout=5).status_code == 403


def test_a_signature_is_valid_for_one_file(url: str) -> None:
    assert requests.get(url.replace("/274/", "/275/"), timeout=5).status_code == 403


def test_the_expiry_of_a_url_cannot_be_changed(url: str) -> None:
    assert requests.get(url.replace("Expires=3600", "Expires=9999"), timeout=5).status_code == 403


def test_a_url_expires(url: str, clock: FakeClock) -> None:
    clock.now += 3600
    assert requests.get(url, timeout=5).status_code == 403


def test_a_signature_of_another_storage_is_rejected(url: str, clock: FakeClock) -> None:
    other = Storage(clock)
    other.origin = url.partition("/thalamus")[0]
    forged = other.sign("GET", "/thalamus/274/x y.csv", 3600)
    assert requests.get(forged, timeout=5).status_code == 403


def test_an_upload_is_found_by_its_url_with_or_without_signature(clear: Client, upload_url: str) -> None:
    requests.put(upload_url, data=b"# sandbox: rows=5\r\n1\n", headers=CSV, timeout=5)
    info = {"fileType": "CSV"}
    for url in (upload_url, upload_url.partition("?")[0]):
        body = {"fileInfo": [{"uploadUrl": url, **info}], "templateType": "SALES"}
        assert clear.post("/one-integration/api/v1/ingest", json=body).status_code == 200
    body = {"fileInfo": [{"uploadUrl": "http://elsewhere.example/", **info}], "templateType": "SALES"}
    assert clear.post("/one-integration/api/v1/ingest", json=body).status_code == 400


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/zip"])
def test_an_upload_with_another_content_type_than_its_url_is_signed_for_is_rejected(
    upload_url: str, content_type: str | None
) -> None:
    headers = {"Content-Type": content_type}
    assert requests.put(upload_url, data=b"code\n", headers=headers, timeout=5).status_code == 403


def test_an_uploaded_file_cannot_be_downloaded(upload_url: str) -> None:
    assert requests.put(upload_url, data=b"code\n", headers=CSV, timeout=5).status_code == 200
    assert requests.get(upload_url, timeout=5).status_code == 403
