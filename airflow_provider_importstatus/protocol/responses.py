"""Interpretation of responses: errors by HTTP status, and values of JSON bodies."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Any

import pendulum

from airflow_provider_importstatus.exceptions import (
    ImportAuthError,
    ImportProtocolError,
    ImportRequestError,
    ImportUnavailableError,
)
from airflow_provider_importstatus.protocol.messages import Response
from airflow_provider_importstatus.redaction import MAX_TEXT, is_nothing
from airflow_provider_importstatus.status import MAX_COUNT, MAX_ID, MAX_MESSAGES, Messages

__all__ = [
    "access_token",
    "extract_messages",
    "flatten",
    "is_missing",
    "other_id",
    "parse_count",
    "parse_timestamp",
    "parse_token_response",
    "raise_for_status",
    "raise_for_storage",
    "read_any_json",
    "read_json",
    "too_many",
    "with_secret_links",
]

#: Besides 5xx: Request Timeout, Too Early, Too Many Requests.
TRANSIENT_STATUSES = frozenset({408, 425, 429})
#: The error codes of RFC 6749 and of Salesforce. Any other text may be an echo of our own data.
OAUTH_ERRORS = frozenset(
    {
        "access_denied",
        "inactive_org",
        "inactive_user",
        "invalid_client",
        "invalid_client_id",
        "invalid_grant",
        "invalid_request",
        "invalid_scope",
        "rate_limit_exceeded",
        "unauthorized_client",
        "unknown_error",
        "unsupported_grant_type",
    }
)
#: Maximum number of items in a list: the largest body that is read can hardly hold more messages.
MAX_ITEMS = 100_000
#: Characters shown of an id that differs from the requested one.
MAX_ECHO = 100
#: The error code in a response of S3, Google Cloud Storage or Azure.
_STORAGE_CODE = re.compile(rb"<Code>([A-Za-z]{1,64})</Code>")
#: Maximum length of a date, in characters.
MAX_DATE = 64
#: Links that are redacted completely, and their maximum length; excerpts cut all others to their host.
MAX_SECRET_LINKS, MAX_LINK = 10, 2000


def raise_for_status(response: Response, what: str, check: str = "the import_id and the host") -> None:
    """Raise the matching error for a non-2xx response.

    :param what: the resource that was requested, for error texts
    :param check: what to check if the vendor rejected the request
    :raises ImportUnavailableError: 408, 425, 429 or 5xx
    :raises ImportProtocolError: a redirect, or a 404 without JSON, which is a gateway's
    :raises ImportRequestError: any other 4xx
    """
    if 200 <= response.status < 300:
        return
    summary = f"{what}: HTTP {response.status} ({response.excerpt()})"
    match response.status:
        case status if 300 <= status < 400:
            raise ImportProtocolError(
                f"{what}: HTTP {status}, a redirect. It is not followed: credentials never go to another"
                " host. Check the host of the connection.",
                retryable=False,
            )
        case status if status >= 500 or status in TRANSIENT_STATUSES:
            reason = "limits the request rate" if status == 429 else "is busy or down"
            error = ImportUnavailableError(f"{summary}. The vendor {reason}.", response.retry_after)
            error.is_rate_limit = status == 429
            raise error
        case status if status < 200:
            raise ImportProtocolError(f"{summary}. This is not a final response.")
        case 404:
            # A 404 without JSON is a gateway's, not the vendor's, and may be transient.
            read_any_json(response, what)
    raise ImportRequestError(f"{summary}. The vendor rejected the request: check {check}.")


def is_missing(response: Response, what: str) -> bool:
    """Return whether the vendor says that there is no such resource.

    :raises ImportProtocolError: a 404 without JSON, which is a gateway's
    """
    if response.status != 404:
        return False
    read_any_json(response, what)
    return True


def raise_for_storage(response: Response, what: str) -> None:
    """Raise the matching error for a storage's non-2xx response to a signed URL.

    Of its body, which may repeat the URL, errors quote only the code.
    """
    code = _STORAGE_CODE.search(response.body)
    body = code[1] if code else b"response body withheld"
    raise_for_status(replace(response, body=body), what, "the meaning of the storage's error code")


def parse_token_response(response: Response, what: str) -> Mapping[str, Any]:
    """Return the JSON object of a token endpoint. Errors quote nothing of it but a known OAuth error code.

    :raises ImportAuthError: the login was rejected
    :raises ImportStatusError: another subclass for the kind of failure
    """
    if response.status in (400, 401, 403):
        code = _oauth_error(response)
        raise ImportAuthError(f"{what} was rejected: HTTP {response.status}{code}.")
    if response.status == 404 and response.parse_any() is None:
        fact = f"{what}: HTTP 404 without JSON. If this persists, check host and token_url of the connection"
        raise _no_json(response, fact, quote_body=False)
    if 400 <= response.status < 500 and response.status not in TRANSIENT_STATUSES:
        raise ImportRequestError(
            f"{what}: HTTP {response.status}. Check host and token_url of the connection."
        )
    raise_for_status(replace(response, body=b"response body withheld"), what)
    return read_json(response, what, quote_body=False)


def access_token(data: Mapping[str, Any], what: str, *names: str) -> str:
    """Return the token of a token endpoint's response, by the first of these names that it contains.

    :raises ImportProtocolError: there is no usable token
    """
    for name in names or ("access_token",):
        token = data.get(name)
        if isinstance(token, str) and token:
            if not (token.isascii() and token.isprintable()):
                raise ImportProtocolError(
                    f"{what}: the access_token contains characters not allowed in a header."
                )
            return token
    raise ImportProtocolError(f"{what}: HTTP response without an access_token.")


def _oauth_error(response: Response) -> str:
    code = (response.parse() or {}).get("error")
    return f" {code}" if isinstance(code, str) and code in OAUTH_ERRORS else ""


def read_json(response: Response, what: str, quote_body: bool = True) -> Mapping[str, Any]:
    """Return the JSON object in the body. The values of a repeated key become a list.

    :raises ImportProtocolError: the body is no JSON object
    """
    data = response.parse()
    if data is None:
        raise _no_json(response, f"{what}: HTTP {response.status} without a JSON object", quote_body)
    return data


def read_any_json(response: Response, what: str) -> dict[str, Any] | list[Any]:
    """Return the JSON object or list in the body. The values of a repeated key become a list.

    :raises ImportProtocolError: the body is neither
    """
    data = response.parse_any()
    if data is None:
        raise _no_json(response, f"{what}: HTTP {response.status} without a JSON object or list")
    return data


def _no_json(response: Response, fact: str, quote_body: bool = True) -> ImportProtocolError:
    content_type = response.clean(response.headers.get("content-type", "no content type"), 80)
    quoted = f", but {content_type}: {response.excerpt()}" if quote_body else ""
    return ImportProtocolError(f"{fact}{quoted}")


def with_secret_links(response: Response, links: Iterable[Any]) -> Response:
    """Return the response with the first of these links among its secrets."""
    secrets = (link for link in links if isinstance(link, str) and len(link) <= MAX_LINK)
    return replace(response, secrets=(*response.secrets, *islice(secrets, MAX_SECRET_LINKS)))


def extract_messages(response: Response, *values: Any) -> Messages:
    """Return the messages in these values, without secrets: each item of a list, objects as JSON.

    Only the first messages are kept; the rest are counted.
    """
    kept: list[str] = []
    more = 0
    for value in flatten(values):
        if len(kept) == MAX_MESSAGES:
            more += 1
        elif not is_nothing(text := _to_text(value, response)):
            kept.append(text)
    return Messages.of(kept, more)


def flatten(values: Iterable[Any]) -> Iterator[Any]:
    """Return the non-empty values of nested lists, in order."""
    left = MAX_ITEMS
    nested = [iter(values)]
    while nested:
        for value in nested[-1]:
            left -= 1
            if left < 0:
                raise too_many()
            if isinstance(value, list):
                nested.append(iter(value))
                break
            if value not in (None, {}) and not (isinstance(value, str) and is_nothing(value)):
                yield value
        else:
            nested.pop()


def too_many() -> ImportProtocolError:
    """Return the error for a list that is too long."""
    return ImportProtocolError(f"The vendor's response contains a list of more than {MAX_ITEMS} items.")


def _to_text(value: Any, response: Response) -> str:
    if isinstance(value, str):
        return response.clean(value.strip())
    text, enough = "", 4 * (MAX_TEXT + max(map(len, response.secrets), default=0))
    for part in json.JSONEncoder(ensure_ascii=False).iterencode(value):
        text += part
        if len(text) > enough:
            break
    return response.clean(text)


def parse_count(value: Any) -> int | None:
    """Return a number of rows; None if the value is not a valid count."""
    if isinstance(value, str) and len(value) < len(str(MAX_COUNT)) and value.strip().isdecimal():
        value = int(value)
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and 0 <= value <= MAX_COUNT else None


def parse_timestamp(value: Any) -> datetime | None:
    """Return an ISO 8601 date or a number of milliseconds since 1970 as UTC; None if it is invalid."""
    try:
        # A text without a year, such as a time alone, would be taken for today.
        if isinstance(value, str) and len(value) <= MAX_DATE and value[:4].isdecimal():
            parsed = pendulum.parse(value, strict=True)
            return parsed.in_timezone("UTC") if isinstance(parsed, pendulum.DateTime) else None
        if isinstance(value, int | float) and not isinstance(value, bool):
            return pendulum.from_timestamp(value / 1000)
    except Exception:
        # For some texts pendulum raises undocumented exceptions such as TypeError.
        return None
    return None


def other_id(import_id: str, field: str, echoed: Any) -> str | None:
    """Return a message if the response names a different import than the requested one.

    It is not an error: vendors' own documentation shows responses with other ids. Only letters and digits are
    compared, ignoring case: an id may come back as a number, or without hyphens and leading zeros.
    """
    if not isinstance(echoed, str | int) or isinstance(echoed, bool):
        return None
    echoed_id = _normalized(str(echoed)[: 2 * MAX_ID])
    if not echoed_id or echoed_id == _normalized(import_id):
        return None
    return f"The response names another id: {field} {str(echoed)[:MAX_ECHO]}."


def _normalized(import_id: str) -> str:
    return "".join(filter(str.isalnum, import_id)).casefold().lstrip("0")
