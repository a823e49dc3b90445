from __future__ import annotations

import pytest
import requests

from airflow_provider_importstatus.sandbox.storage import CREDENTIALS, Storage

from .clients import Client, FakeClock


@pytest.fixture
def url(thalamus: Client) -> str:
    record = thalamus.post(
        "/api/v4/import/file", params={"name": "x", "type": "25012"}, files={"file": ("x y.csv", b"code\n")}
    )
    return str(record.json()["url"])


def test_a_signed_url_opens_its_file(url: str) -> None:
    assert requests.get(url, timeout=5).status_code == 200


@pytest.mark.parametrize("header", CREDENTIALS)
def test_a_request_with_a_vendors_credentials_is_refused(url: str, header: str) -> None:
    answer = requests.get(url, headers={header: "leaked"}, timeout=5)
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/xml; charset=utf-8")


def test_a_signature_is_for_one_method(url: str) -> None:
    assert requests.put(url, data=b"mine", timeout=5).status_code == 403


def test_a_signature_is_for_one_file(url: str) -> None:
    assert requests.get(url.replace("/274/", "/275/"), timeout=5).status_code == 403


def test_an_expiry_cannot_be_put_off(url: str) -> None:
    assert requests.get(url.replace("Expires=3600", "Expires=9999"), timeout=5).status_code == 403


def test_a_url_expires(url: str, clock: FakeClock) -> None:
    clock.now += 3600
    assert requests.get(url, timeout=5).status_code == 403


def test_another_storages_signature_opens_nothing(url: str, clock: FakeClock) -> None:
    stranger = Storage(clock)
    stranger.origin = url.partition("/thalamus")[0]
    forged = stranger.sign("GET", "/thalamus/274/x y.csv", 3600)
    assert requests.get(forged, timeout=5).status_code == 403


def test_a_file_is_held_under_its_url_with_and_without_signature() -> None:
    storage = Storage(lambda: 0.0)
    storage.origin = "http://storage.example"
    storage.keep("/clear/1/sales of may.csv", b"")
    url = storage.sign("PUT", "/clear/1/sales of may.csv", 600)
    assert [storage.holds(one) for one in (url, url.partition("?")[0], "http://elsewhere.example/")] == [
        True,
        True,
        False,
    ]
