"""How values are put into a described vendor's requests."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_importstatus.exceptions import ImportSettingsError
from airflow_provider_importstatus.protocol.messages import Request
from airflow_provider_importstatus.protocol.request_template import RequestTemplate

from ..hooks.playing import body_of

HOSTILE = 'a/../b?c=d&e#f%2e"\\{extra.x} ü'


def render(import_id: str = "7", extra: str = "main", **fields: Any) -> Request:
    template = RequestTemplate(**{"method": "POST", "path": "/jobs/{import_id}", **fields})
    return template.render({"import_id": import_id, "extra.x": extra})


def test_an_id_is_one_segment_of_the_path() -> None:
    assert render(HOSTILE).url == "/jobs/a%2F..%2Fb%3Fc%3Dd%26e%23f%252e%22%5C%7Bextra.x%7D%20%C3%BC"


def test_an_id_is_one_value_of_the_query() -> None:
    request = render(HOSTILE, path="/jobs", query={"id": "{import_id}", "a b": "x={extra.x}&"})
    assert request.url == (
        "/jobs?id=a%2F..%2Fb%3Fc%3Dd%26e%23f%252e%22%5C%7Bextra.x%7D%20%C3%BC&a%20b=x%3Dmain%26"
    )


def test_an_id_is_one_text_of_the_body() -> None:
    request = render(
        HOSTILE, path="/jobs", json={"id": "{import_id}", "list": ["x {extra.x}", 5, None, True]}
    )
    assert body_of(request) == {"id": HOSTILE, "list": ["x main", 5, None, True]}
    assert request.headers["Content-Type"] == "application/json"


def test_braces_of_a_graphql_query_stay() -> None:
    query = "query ($id: ID!) { job(id: $id) { state } }"
    request = render(path="/graphql", json={"query": query, "variables": {"id": "{import_id}"}})
    assert body_of(request)["query"] == query


@pytest.mark.parametrize("value", ["", ".", ".."])
def test_a_value_that_changes_the_path_is_refused(value: str) -> None:
    with pytest.raises(ImportSettingsError, match=r"would change the path of the URL. Check both"):
        render(value, path="/jobs/{import_id}/x")


def test_values_that_change_the_path_together_are_refused() -> None:
    with pytest.raises(ImportSettingsError, match="would change the path"):
        render(".", ".", path="/{import_id}{extra.x}")


def test_a_header_replaces_the_usual_one_whatever_its_case() -> None:
    request = render(headers={"accept": "application/vnd.api+json"})
    assert request.headers == {"accept": "application/vnd.api+json"}


def test_without_a_body_there_is_no_content_type() -> None:
    assert (render().body, render().headers) == (None, {"Accept": "application/json"})
