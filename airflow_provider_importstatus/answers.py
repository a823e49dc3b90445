"""What an answer means: by its HTTP status first, then by its body."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import pendulum

from airflow_provider_importstatus.conversation import Response, scrub
from airflow_provider_importstatus.exceptions import (
    ImportAuthError,
    ImportProtocolError,
    ImportRequestError,
    ImportUnavailableError,
)

__all__ = ["check", "check_login", "count", "instant", "read_json", "said"]

#: Besides 5xx: Request Timeout, Too Early, Too Many Requests.
PASSING_STATUSES = frozenset({408, 425, 429})
#: Those of RFC 6749 and of Salesforce. Any other word may be our own, sent back.
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
#: What a database's integer holds. No file has more rows.
MAX_COUNT = 2**63 - 1
#: Vendors' answers are nested five deep. From Python 3.12 on, JSON is read far deeper than Python calls go.
MAX_DEPTH = 50


def check(response: Response, what: str) -> None:
    """Raise what an answer means that is none of success; `what` was asked for, in words."""
    if 200 <= response.status < 300:
        return
    told = f"{what}: HTTP {response.status} ({response.excerpt()})"
    match response.status:
        case status if 300 <= status < 400:
            raise ImportProtocolError(
                f"{what}: HTTP {status}, a redirect. It is not followed: credentials never go to another"
                " address. Check the host of the connection.",
                passing=False,
            )
        case status if status >= 500 or status in PASSING_STATUSES:
            fact = "wants fewer requests" if status == 429 else "is busy or down"
            error = ImportUnavailableError(f"{told}. The vendor {fact}.", response.retry_after)
            error.is_rate_limit = status == 429
            raise error
        case status if status < 200:
            raise ImportProtocolError(f"{told}. That is no answer.")
    raise ImportRequestError(f"{told}. The vendor refuses the question: check the import_id and the host.")


def check_login(response: Response, what: str) -> Mapping[str, Any]:
    """The JSON object of a token endpoint, of which nothing is ever quoted but an OAuth error code."""
    if response.status in (400, 401, 403):
        code = _oauth_error(response)
        raise ImportAuthError(f"{what} was refused: HTTP {response.status}{code}.")
    if 400 <= response.status < 500 and response.status not in PASSING_STATUSES:
        raise ImportRequestError(
            f"{what}: HTTP {response.status}. Check host and token_url of the connection."
        )
    check(replace(response, body=b"its text is withheld"), what)
    return read_json(response, what, quote_body=False)


def _oauth_error(response: Response) -> str:
    try:
        code = json.loads(response.body)["error"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""
    return f" {code}" if isinstance(code, str) and code in OAUTH_ERRORS else ""


def read_json(response: Response, what: str, quote_body: bool = True) -> Mapping[str, Any]:
    """The JSON object in an answer. Keys that stand there twice lose nothing: their values become a list."""
    try:
        data = json.loads(response.body, object_pairs_hook=_all_pairs)
    except (ValueError, RecursionError):
        data = None
    # What opens few brackets is not deep.
    brackets = response.body.count(b"{") + response.body.count(b"[")
    if isinstance(data, dict) and (brackets <= MAX_DEPTH or not _is_deep(data)):
        return data
    kind = scrub(response.headers.get("content-type", "no content type"), response.secrets)
    quoted = f", but {kind[:80]}: {response.excerpt()}" if quote_body else ""
    raise ImportProtocolError(f"{what}: HTTP {response.status} without a JSON object{quoted}")


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [part for whole in level if isinstance(whole, (dict, list)) for part in _parts(whole)]
        if not level:
            return False
    return True


def _parts(whole: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return whole.values() if isinstance(whole, dict) else whole


class Repeated(list[Any]):
    """The values of a key that stood in one JSON object more than once."""


def _all_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for key, value in pairs:
        if key not in data:
            data[key] = value
        elif isinstance(data[key], Repeated):
            data[key].append(value)
        else:
            data[key] = Repeated([data[key], value])
    return data


def said(response: Response, *values: Any) -> tuple[str, ...]:
    """What the vendor says in these values, without secrets: of lists each item, of objects their JSON."""
    texts: list[str] = []
    for value in values:
        if isinstance(value, list):
            texts += said(response, *value)
        elif value is not None and value != "":
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            texts += [scrub(text.strip(), response.secrets)] if text.strip() else []
    return tuple(texts)


def count(value: Any) -> int | None:
    """A number of rows; None where it is none."""
    if isinstance(value, str) and value.strip().isdecimal() and len(value) < len(str(MAX_COUNT)):
        value = int(value)
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and 0 <= value <= MAX_COUNT else None


def instant(value: Any) -> datetime | None:
    """An instant given as ISO 8601 or as milliseconds since 1970, in UTC; None where it is none."""
    try:
        # What has no year, such as a time alone, would be read as one of today.
        if isinstance(value, str) and value[:4].isdecimal():
            parsed = pendulum.parse(value, strict=True)
            return parsed.in_timezone("UTC") if isinstance(parsed, pendulum.DateTime) else None
        if isinstance(value, int | float) and not isinstance(value, bool):
            return pendulum.from_timestamp(value / 1000)
    except (ValueError, OverflowError, OSError):
        return None
    return None
