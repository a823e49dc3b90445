"""Submission of files: the request that starts an import, and the id in its response."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_importstatus.exceptions import ImportProtocolError, ImportSettingsError
from airflow_provider_importstatus.protocol.flow import Flow, Vendor, may_have_started, send_authenticated
from airflow_provider_importstatus.protocol.messages import Request, Response
from airflow_provider_importstatus.protocol.responses import MAX_ITEMS, raise_for_status, read_json
from airflow_provider_importstatus.redaction import is_nothing
from airflow_provider_importstatus.status import MAX_ID

__all__ = ["find_id", "find_url", "raise_for_submission", "read_param", "start_import"]

#: Of the server errors, the one with which a vendor says that it has not taken the request.
NOT_TAKEN = 503
#: Maximum number of keys named in an error, and their maximum length.
MAX_KEYS, MAX_KEY = 20, 40


def start_import(vendor: Vendor, request: Request, what: str, *names: str) -> Flow[str]:
    """Send the request that starts an import and return the import's id.

    :param what: the call, for error texts
    :param names: names of the field with the id, see `find_id`
    :raises SubmissionUncertainError: the vendor may have started the import
    :raises ImportStatusError: another subclass for the kind of failure; no import was started
    """
    response = yield from send_authenticated(vendor, replace(request, starts_import=True))
    if response.status >= 500 and response.status != NOT_TAKEN:
        raise may_have_started(f"{what}: HTTP {response.status} ({response.excerpt()}).")
    raise_for_submission(response, what)
    try:
        return find_id(response, what, *names)
    except ImportProtocolError as error:
        raise may_have_started(str(error)) from error


def raise_for_submission(response: Response, what: str) -> None:
    """Raise the matching error for a non-2xx response to a request of a submission, as `raise_for_status`."""
    raise_for_status(response, what, "the file, the parameters and the connection")


def find_id(response: Response, what: str, *names: str) -> str:
    """Return the id in a response, wherever in it one of these fields is.

    Parts of the vendors' documentation do not show where it is.

    :param names: possible names of the field, the likeliest first; case, hyphens and underscores do not count
    :raises ImportProtocolError: there is no such field
    """
    data = read_json(response, what)
    for name in names:
        for key, value in _fields(data):
            if _normalized(key) == _normalized(name) and _is_id(value):
                return str(value).strip()
    wanted = " or ".join(names)
    raise ImportProtocolError(
        f"{what}: no {wanted} in the response, which has {_keys(data, response)}.", retryable=False
    )


def find_url(response: Response, what: str) -> str:
    """Return the first absolute URL in the response, fields with "url" in their name first.

    :raises ImportProtocolError: the response has no URL
    """
    data = read_json(response, what)
    urls = [(key, value) for key, value in _fields(data) if _is_url(value)]
    if urls:
        return str(min(urls, key=lambda field: "url" not in field[0].lower())[1])
    raise ImportProtocolError(
        f"{what}: no URL in the response, which has {_keys(data, response)}.", retryable=False
    )


def read_param(name: str, value: Any, example: str) -> str:
    """Return a parameter of a submission as text.

    :param example: a valid value, for the error's text
    :raises ImportSettingsError: it is neither a str nor an int, or empty
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        actual = "missing" if value is None else f"of type {type(value).__name__}"
    elif str(value).strip():
        return str(value).strip()
    else:
        actual = "empty"
    raise ImportSettingsError(f"{name} is {actual}. Give a text such as {example!r}. Nothing was sent.")


def _fields(data: Any) -> Iterator[tuple[str, Any]]:
    """Return all keys and values of nested objects, outer ones first."""
    level, left = [data], MAX_ITEMS
    while level and left > 0:
        inner: list[Any] = []
        for part in level:
            if isinstance(part, Mapping):
                yield from ((str(key), value) for key, value in part.items())
                inner += part.values()
            elif isinstance(part, list):
                inner += part
        level = [part for part in islice(inner, left) if isinstance(part, Mapping | list)]
        left -= len(inner)


def _normalized(name: str) -> str:
    return "".join(filter(str.isalnum, name)).casefold()


def _is_id(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return False
    if isinstance(value, str):
        return value.isprintable() and not is_nothing(value) and len(value.strip()) <= MAX_ID
    return bool(abs(value) < 10**MAX_ID)


def _is_url(value: Any) -> bool:
    if not isinstance(value, str) or not (value.isascii() and value.isprintable()) or " " in value:
        return False
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _keys(data: Any, response: Response) -> str:
    names = [response.clean(key[:MAX_KEY], MAX_KEY) for key, _ in islice(_fields(data), MAX_KEYS)]
    return f"the keys {', '.join(names)}" if names else "no keys"
