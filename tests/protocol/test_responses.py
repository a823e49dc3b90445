from __future__ import annotations

import json
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest

from airflow_provider_importstatus.exceptions import (
    ImportAuthError,
    ImportProtocolError,
    ImportRequestError,
    ImportStatusError,
    ImportUnavailableError,
)
from airflow_provider_importstatus.protocol.messages import Response
from airflow_provider_importstatus.protocol.responses import (
    extract_messages,
    parse_count,
    parse_timestamp,
    parse_token_response,
    raise_for_status,
    read_json,
)

from ..hooks.playing import NOW, answer, raw

SECRET = "s3cr3t-t0ken"


def echo(response: Response) -> Response:
    return Response(response.status, response.headers, response.body, NOW, secrets=(SECRET,))


@pytest.mark.parametrize("status", [200, 201, 204])
def test_a_success_raises_nothing(status: int) -> None:
    raise_for_status(raw("", status), "the status")


#: 401 and 403 are missing here: `send_authenticated` handles them.
ANSWERS = [
    *[pytest.param(status, ImportUnavailableError, True, id=f"{status}") for status in (408, 425, 429)],
    *[pytest.param(status, ImportUnavailableError, True, id=f"{status}") for status in (500, 502, 503, 599)],
    *[pytest.param(status, ImportRequestError, False, id=f"{status}") for status in (400, 405, 422, 451)],
    pytest.param(103, ImportProtocolError, True, id="103"),
    pytest.param(404, ImportProtocolError, True, id="404 without JSON"),
    *[
        pytest.param(status, ImportProtocolError, False, id=f"{status}")
        for status in (301, 302, 304, 307, 308)
    ],
]


@pytest.mark.parametrize(("status", "error", "retryable"), ANSWERS)
def test_the_http_status_decides_the_error(
    status: int, error: type[ImportStatusError], retryable: bool
) -> None:
    with pytest.raises(error, match=f"the status: HTTP {status}") as caught:
        raise_for_status(raw("<html>", status), "the status")
    assert (type(caught.value), caught.value.retryable) == (error, retryable)


def test_a_404_with_json_comes_from_the_vendor() -> None:
    with pytest.raises(ImportRequestError, match="no such thing"):
        raise_for_status(answer(404, message="no such thing"), "the status")


def test_an_error_quotes_the_vendor() -> None:
    with pytest.raises(ImportRequestError, match="taskId is missing"):
        raise_for_status(raw('{"message": "taskId is missing"}', 400), "the status")


def test_an_excerpt_has_at_most_200_characters() -> None:
    assert raw("x" * 1000).excerpt() == "x" * 199 + "…"


def test_an_excerpt_is_one_line() -> None:
    assert raw("<html>\n  <b>\tdown</b>\r\n").excerpt() == "<html> <b> down</b>"


def test_an_excerpt_of_invalid_utf_8_has_replacement_characters() -> None:
    assert raw(b"\xff\xfe").excerpt() == "\ufffd\ufffd"


@pytest.mark.parametrize("before", [0, 180, 190, 195, 198], ids="secret after {}".format)
def test_an_excerpt_is_redacted_before_it_is_truncated(before: int) -> None:
    assert SECRET[:4] not in echo(raw("x" * before + SECRET + "y" * 300)).excerpt()


def test_an_excerpt_contains_no_signed_url() -> None:
    assert "signature" not in raw("see https://storage.example/r?signature=1").excerpt()


def test_a_redirect_error_does_not_quote_the_location() -> None:
    with pytest.raises(ImportProtocolError) as caught:
        raise_for_status(raw("", 302, location="https://sso.example/?ticket=1"), "the status")
    assert "sso.example" not in str(caught.value)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        pytest.param("120", 120.0, id="seconds"),
        pytest.param(" 1.5 ", 1.5, id="a fraction"),
        pytest.param("86400", 86400.0, id="a day"),
        pytest.param(format_datetime(datetime.fromtimestamp(NOW + 90, UTC), usegmt=True), 90.0, id="date"),
        pytest.param(
            format_datetime(datetime.fromtimestamp(NOW - 90, UTC), usegmt=True), None, id="past date"
        ),
        pytest.param("-5", None, id="negative"),
        pytest.param("0", None, id="zero"),
        pytest.param("soon", None, id="unreadable"),
        pytest.param("", None, id="empty"),
        pytest.param("nan", None, id="nan"),
        pytest.param("inf", None, id="inf"),
        pytest.param("Fri, 99 Foo 2026 99:99:99 GMT", None, id="no date"),
    ],
)
def test_retry_after(header: str, seconds: float | None) -> None:
    assert raw("", 503, retry_after=header).retry_after == seconds


def test_a_missing_retry_after_is_none() -> None:
    assert raw("", 503).retry_after is None


@pytest.mark.parametrize("status", [408, 425, 429, 503])
def test_a_transient_error_has_the_retry_after(status: int) -> None:
    with pytest.raises(ImportUnavailableError) as caught:
        raise_for_status(raw("", status, retry_after="7"), "the status")
    assert caught.value.retry_after == 7.0


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_rejected_login_is_an_auth_error(status: int) -> None:
    with pytest.raises(ImportAuthError, match=f"the login was rejected: HTTP {status} invalid_grant"):
        parse_token_response(answer(status, error="invalid_grant"), "the login")


@pytest.mark.parametrize(
    ("response", "error"),
    [
        pytest.param(answer(404), ImportRequestError, id="404"),
        pytest.param(raw("<html>", 404), ImportProtocolError, id="404 with a page"),
        pytest.param(raw("", 429), ImportUnavailableError, id="429"),
        pytest.param(raw("", 503), ImportUnavailableError, id="503"),
        pytest.param(raw("", 302), ImportProtocolError, id="302"),
    ],
)
def test_other_login_errors_are_classified_like_any_response(
    response: Response, error: type[Exception]
) -> None:
    with pytest.raises(error):
        parse_token_response(response, "the login")


#: Unusual responses of a token endpoint, with the secret in every part.
STRANGE_LOGINS = [
    pytest.param(answer(401, error=SECRET), id="error"),
    pytest.param(answer(401, error="correct_horse_battery"), id="an error like a code"),
    pytest.param(answer(400, error="x", error_description=SECRET), id="description"),
    pytest.param(raw(SECRET, 500), id="500"),
    pytest.param(raw(SECRET, 404), id="404"),
    pytest.param(raw(f"<html>{SECRET}"), id="HTML"),
    pytest.param(raw(json.dumps([SECRET])), id="a list"),
    pytest.param(raw("[]", content_type=SECRET), id="content type"),
]


@pytest.mark.parametrize("response", STRANGE_LOGINS)
def test_a_token_endpoint_is_never_quoted(response: Response) -> None:
    with pytest.raises(ImportStatusError) as caught:
        parse_token_response(response, "the login")
    assert SECRET not in str(caught.value)
    assert "correct_horse_battery" not in str(caught.value)


def test_a_successful_token_response_is_returned_as_an_object() -> None:
    assert parse_token_response(answer(access_token="t"), "the login") == {"access_token": "t"}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("", id="nothing"),
        pytest.param("<html>Bad Gateway</html>", id="HTML"),
        pytest.param("[]", id="list"),
        pytest.param("null", id="null"),
        pytest.param('"SUCCESS"', id="text"),
        pytest.param('{"status": "SUCC', id="cut short"),
        pytest.param(b"\xff\xfe\x00", id="no UTF-8"),
        *[pytest.param('{"a":' * n + "0" + "}" * n, id=f"nested {n} deep") for n in (51, 1200, 100_000)],
        pytest.param('{"a":' + "9" * 10_000 + "}", id="a number too long"),
    ],
)
def test_a_response_without_a_json_object_is_a_protocol_error(body: str | bytes) -> None:
    with pytest.raises(ImportProtocolError, match="the status: HTTP 200 without a JSON object") as caught:
        read_json(raw(body), "the status")
    assert caught.value.retryable


def test_a_protocol_error_quotes_the_response() -> None:
    with pytest.raises(ImportProtocolError, match="text/html: <html>Bad Gateway"):
        read_json(raw("<html>Bad Gateway</html>", content_type="text/html"), "the status")


def test_the_quoted_content_type_is_redacted() -> None:
    with pytest.raises(ImportProtocolError) as caught:
        read_json(echo(raw("", content_type=SECRET)), "the status")
    assert SECRET not in str(caught.value)


def test_moderately_nested_json_is_accepted() -> None:
    """Since Python 3.12, the JSON parser nests far deeper than the recursion limit."""
    assert read_json(raw('{"a":' * 30 + "0" + "}" * 30), "the status").keys() == {"a"}


def test_json_may_start_with_a_byte_order_mark() -> None:
    assert read_json(raw(b'\xef\xbb\xbf{"a": 1}'), "the status") == {"a": 1}


def test_values_of_repeated_keys_are_collected() -> None:
    assert read_json(raw('{"a": 1, "b": 0, "a": 2, "a": [3]}'), "it") == {"a": [1, 2, [3]], "b": 0}


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        pytest.param(["down"], ("down",), id="text"),
        pytest.param([" down\n"], ("down",), id="white space around"),
        pytest.param([None, "", "  "], (), id="nothing"),
        pytest.param([["a", ["b", None]], "c"], ("a", "b", "c"), id="lists"),
        pytest.param([{"line": 2, "why": "ß"}], ('{"line": 2, "why": "ß"}',), id="object"),
        pytest.param([5, False], ("5", "false"), id="others"),
    ],
)
def test_messages_are_extracted_as_texts(values: list[Any], texts: tuple[str, ...]) -> None:
    assert extract_messages(raw(""), *values) == texts


@pytest.mark.parametrize("value", [SECRET, [SECRET], {"token": SECRET}, {SECRET: 1}], ids=repr)
def test_messages_are_redacted(value: Any) -> None:
    assert SECRET not in str(extract_messages(echo(raw("")), value))


@pytest.mark.parametrize(
    ("value", "rows"),
    [
        pytest.param(0, 0, id="none"),
        pytest.param(576, 576, id="some"),
        pytest.param("576", 576, id="text"),
        pytest.param(" 5 ", 5, id="text with spaces"),
        pytest.param(-1, None, id="negative"),
        pytest.param("-1", None, id="negative text"),
        pytest.param(1.5, None, id="fraction"),
        pytest.param(True, None, id="true"),
        pytest.param(None, None, id="null"),
        pytest.param("many", None, id="word"),
        pytest.param([5], None, id="list"),
        pytest.param(10**400, None, id="more than any file has"),
        pytest.param("9" * 5000, None, id="more than any file has, as text"),
    ],
)
def test_a_count_is_parsed_as_a_non_negative_integer(value: Any, rows: int | None) -> None:
    assert parse_count(value) == rows


@pytest.mark.parametrize(
    ("value", "at"),
    [
        pytest.param("2021-09-28T13:09:25Z", "2021-09-28T13:09:25+00:00", id="ISO 8601"),
        pytest.param("2021-09-28T15:09:25+02:00", "2021-09-28T13:09:25+00:00", id="another zone"),
        pytest.param(1757507096000, "2025-09-10T12:24:56+00:00", id="milliseconds"),
        pytest.param("yesterday", None, id="word"),
        pytest.param("", None, id="empty"),
        pytest.param("2021-99-99T00:00:00Z", None, id="no date"),
        pytest.param("13:09:25", None, id="time alone"),
        pytest.param("P1D", None, id="duration"),
        pytest.param("now", None, id="now"),
        pytest.param(None, None, id="null"),
        pytest.param(True, None, id="true"),
        pytest.param(10**30, None, id="out of range"),
        pytest.param(float("nan"), None, id="nan"),
        pytest.param(float("inf"), None, id="inf"),
        pytest.param("0001-01-01T00:00:00+14:00", None, id="before all years"),
        pytest.param([1], None, id="list"),
    ],
)
def test_a_timestamp_is_parsed_as_utc(value: Any, at: str | None) -> None:
    read = parse_timestamp(value)
    assert (read and read.isoformat()) == at
