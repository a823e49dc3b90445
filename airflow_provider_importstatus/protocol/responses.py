"""What an answer means: by its HTTP status first, then by its body."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
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
    "other_id",
    "parse_count",
    "parse_timestamp",
    "parse_token_response",
    "raise_for_status",
    "read_json",
    "too_many",
]

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
#: Items of one list. The messages of 100,000 faulty lines hardly fit into the largest body that is read.
MAX_ITEMS = 100_000
#: Characters of an id that is not the one asked about.
MAX_ECHO = 100
#: No date has more characters.
MAX_DATE = 64


def raise_for_status(response: Response, what: str) -> None:
    """Raise what an answer means that is none of success; `what` was asked for, in words."""
    if 200 <= response.status < 300:
        return
    told = f"{what}: HTTP {response.status} ({response.excerpt()})"
    match response.status:
        case status if 300 <= status < 400:
            raise ImportProtocolError(
                f"{what}: HTTP {status}, a redirect. It is not followed: credentials never go to another"
                " address. Check the host of the connection.",
                retryable=False,
            )
        case status if status >= 500 or status in PASSING_STATUSES:
            fact = "wants fewer requests" if status == 429 else "is busy or down"
            error = ImportUnavailableError(f"{told}. The vendor {fact}.", response.retry_after)
            error.is_rate_limit = status == 429
            raise error
        case status if status < 200:
            raise ImportProtocolError(f"{told}. That is no answer.")
        case 404:
            # Without JSON it is a gateway's page, which may go away, and not the vendor's word.
            read_json(response, what)
    raise ImportRequestError(f"{told}. The vendor refuses the question: check the import_id and the host.")


def parse_token_response(response: Response, what: str) -> Mapping[str, Any]:
    """The JSON object of a token endpoint, of which nothing is ever quoted but an OAuth error code."""
    if response.status in (400, 401, 403):
        code = _oauth_error(response)
        raise ImportAuthError(f"{what} was refused: HTTP {response.status}{code}.")
    if 400 <= response.status < 500 and response.status not in PASSING_STATUSES:
        raise ImportRequestError(
            f"{what}: HTTP {response.status}. Check host and token_url of the connection."
        )
    raise_for_status(replace(response, body=b"its text is withheld"), what)
    return read_json(response, what, quote_body=False)


def access_token(answer: Mapping[str, Any], what: str, *names: str) -> str:
    """Return the token in a token endpoint's answer, by whichever of these names it stands there."""
    for name in names or ("access_token",):
        token = answer.get(name)
        if isinstance(token, str) and token:
            if not (token.isascii() and token.isprintable()):
                raise ImportProtocolError(f"{what}: the access_token holds characters that no header may.")
            return token
    raise ImportProtocolError(f"{what} was answered without an access_token.")


def _oauth_error(response: Response) -> str:
    code = (response.parse() or {}).get("error")
    return f" {code}" if isinstance(code, str) and code in OAUTH_ERRORS else ""


def read_json(response: Response, what: str, quote_body: bool = True) -> Mapping[str, Any]:
    """The JSON object in an answer. Keys that stand there twice lose nothing: their values become a list."""
    data = response.parse()
    if data is None:
        kind = response.clean(response.headers.get("content-type", "no content type"), 80)
        quoted = f", but {kind}: {response.excerpt()}" if quote_body else ""
        raise ImportProtocolError(f"{what}: HTTP {response.status} without a JSON object{quoted}")
    return data


def extract_messages(response: Response, *values: Any) -> Messages:
    """What the vendor says in these values, without secrets: of lists each item, of objects their JSON.

    Only the first messages are read; the rest is counted.
    """
    kept: list[str] = []
    more = 0
    for value in flatten(values):
        if len(kept) == MAX_MESSAGES:
            more += 1
        elif not is_nothing(text := _in_words(value, response)):
            kept.append(text)
    return Messages.of(kept, more)


def flatten(values: Iterable[Any]) -> Iterator[Any]:
    """Return all that says something in these values and in the lists among them, in order."""
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
            if value is not None and not (isinstance(value, str) and is_nothing(value)):
                yield value
        else:
            nested.pop()


def too_many() -> ImportProtocolError:
    """Return the error for a list that no vendor sends."""
    return ImportProtocolError(f"The vendor's answer has a list of more than {MAX_ITEMS} items.")


def _in_words(value: Any, response: Response) -> str:
    if isinstance(value, str):
        return response.clean(value.strip())
    text, enough = "", 4 * (MAX_TEXT + max(map(len, response.secrets), default=0))
    for part in json.JSONEncoder(ensure_ascii=False).iterencode(value):
        text += part
        if len(text) > enough:
            break
    return response.clean(text)


def parse_count(value: Any) -> int | None:
    """A number of rows; None where it is none."""
    if isinstance(value, str) and len(value) < len(str(MAX_COUNT)) and value.strip().isdecimal():
        value = int(value)
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and 0 <= value <= MAX_COUNT else None


def parse_timestamp(value: Any) -> datetime | None:
    """An instant given as ISO 8601 or as milliseconds since 1970, in UTC; None where it is none."""
    try:
        # What has no year, such as a time alone, would be read as one of today.
        if isinstance(value, str) and len(value) <= MAX_DATE and value[:4].isdecimal():
            parsed = pendulum.parse(value, strict=True)
            return parsed.in_timezone("UTC") if isinstance(parsed, pendulum.DateTime) else None
        if isinstance(value, int | float) and not isinstance(value, bool):
            return pendulum.from_timestamp(value / 1000)
    except Exception:
        # For some texts pendulum raises what its documentation does not name, TypeError among others.
        return None
    return None


def other_id(import_id: str, field: str, echoed: Any) -> str | None:
    """Return a message for people where the answer names another import than the one asked about.

    No more than a message: vendors' own pages show answers whose ids do not match. Letters and digits are
    compared, whatever their case: an id may come back as a number, or without hyphens and leading zeros.
    """
    if not isinstance(echoed, str | int) or isinstance(echoed, bool):
        return None
    told = _essence(str(echoed)[: 2 * MAX_ID])
    if not told or told == _essence(import_id):
        return None
    return f"The answer names another id: {field} {str(echoed)[:MAX_ECHO]}."


def _essence(import_id: str) -> str:
    return "".join(filter(str.isalnum, import_id)).casefold().lstrip("0")
