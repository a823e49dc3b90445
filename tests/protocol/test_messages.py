"""Requests, responses and the other messages of a flow."""

from __future__ import annotations

import pytest

from airflow_provider_importstatus.exceptions import (
    ImportSettingsError,
)
from airflow_provider_importstatus.protocol.messages import (
    Credential,
    NeedCredential,
    Request,
    Response,
    StoreSharedToken,
    form_request,
    quote_path_segment,
)


def test_form_values_are_encoded_once() -> None:
    request = form_request("https://login.example/token", {"user": "a&b=c d", "password": "ü+%"})
    assert request.body == b"user=a%26b%3Dc+d&password=%C3%BC%2B%25"


def test_a_form_request_has_its_content_type() -> None:
    request = form_request("https://login.example/token", {})
    assert (request.method, request.headers["Content-Type"]) == ("POST", "application/x-www-form-urlencoded")


@pytest.mark.parametrize(
    ("import_id", "quoted"),
    [
        pytest.param("42", "42", id="number"),
        pytest.param("2587c81c-bs9fc-4873", "2587c81c-bs9fc-4873", id="no UUID"),
        pytest.param("../v1", "..%2Fv1", id="path"),
        pytest.param("a b?c#d&e", "a%20b%3Fc%23d%26e", id="query"),
        pytest.param("50%2F", "50%252F", id="quoted already"),
        pytest.param("ü", "%C3%BC", id="no ASCII"),
        pytest.param("...", "...", id="three dots"),
    ],
)
def test_an_id_is_quoted_as_one_path_segment(import_id: str, quoted: str) -> None:
    assert quote_path_segment(import_id) == quoted


@pytest.mark.parametrize("import_id", [".", ".."])
def test_an_id_that_would_change_the_path_is_rejected(import_id: str) -> None:
    with pytest.raises(ImportSettingsError, match="Nothing was sent"):
        quote_path_segment(import_id)


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(Request("GET", "/", {"Authorization": "hunter22"}, b"hunter22"), id="Request"),
        pytest.param(
            Response(200, {"set-cookie": "hunter22"}, b"hunter22", 0.0, ("hunter22",)), id="Response"
        ),
        pytest.param(Credential("hunter22", secrets=("hunter22",)), id="Credential"),
        pytest.param(NeedCredential(Credential("hunter22")), id="NeedCredential"),
        pytest.param(StoreSharedToken("shared", Credential("hunter22"), Credential("hunter22")), id="Share"),
    ],
)
def test_no_repr_contains_a_secret(message: object) -> None:
    assert "hunter22" not in repr(message)
