"""Secrecy of URLs in logs and tracebacks: of queries, which may contain an API key, and of signed URLs."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from airflow_provider_importstatus.exceptions import ImportStatusError
from airflow_provider_importstatus.protocol.messages import Request

__all__ = ["hidden_path", "hidden_queries", "without_cause"]

#: Whether this context is sending a request of ours.
_is_sending: ContextVar[bool] = ContextVar("_is_sending", default=False)
#: Whether its URL is signed.
_is_signed: ContextVar[bool] = ContextVar("_is_signed", default=False)


class _UrlFilter(logging.Filter):
    """Shortens the URLs of our requests. Other users of the library keep their logs as they are."""

    def filter(self, record: logging.LogRecord) -> bool:
        if _is_sending.get() and isinstance(record.args, tuple):
            record.args = tuple(map(_shortened, record.args))
        return True


def _shortened(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if _is_signed.get() and value.startswith(("/", "http://", "https://")):
        return "/***"
    return f"{value.partition('?')[0]}?***" if "?" in value else value


# They log URLs: of each request at DEBUG, and at WARNING those of responses whose headers cannot be parsed.
for _name in ("urllib3.connection", "urllib3.connectionpool", "urllib3.util.retry"):
    logging.getLogger(_name).addFilter(_UrlFilter())


@contextmanager
def hidden_queries() -> Iterator[None]:
    """Keep queries out of urllib3's log messages."""
    token = _is_sending.set(True)
    try:
        yield
    finally:
        _is_sending.reset(token)


@contextmanager
def hidden_path(request: Request) -> Iterator[None]:
    """Keep path and query of a signed URL out of urllib3's log messages."""
    token = _is_signed.set(request.is_signed)
    try:
        yield
    finally:
        _is_signed.reset(token)


def without_cause(error: ImportStatusError, request: Request) -> ImportStatusError:
    """Return the error without the library's error that caused it if that may quote a secret URL."""
    if request.is_signed or "?" in request.url:
        error.__cause__, error.__suppress_context__ = None, True
    return error
