"""Secrecy of the queries of URLs, which may contain an API key: in logs and in tracebacks."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from airflow_provider_importstatus.exceptions import ImportStatusError
from airflow_provider_importstatus.protocol.messages import Request

__all__ = ["hidden_queries", "without_cause"]

#: Whether this context is sending a request of ours.
_is_sending: ContextVar[bool] = ContextVar("_is_sending", default=False)


class _QueryFilter(logging.Filter):
    """Cuts URLs at their query. Other users of the library keep their logs as they are."""

    def filter(self, record: logging.LogRecord) -> bool:
        if _is_sending.get() and isinstance(record.args, tuple):
            record.args = tuple(map(_without_query, record.args))
        return True


def _without_query(value: Any) -> Any:
    return f"{value.partition('?')[0]}?***" if isinstance(value, str) and "?" in value else value


# They log URLs: of each request at DEBUG, and at WARNING those of responses whose headers cannot be parsed.
for _name in ("urllib3.connection", "urllib3.connectionpool", "urllib3.util.retry"):
    logging.getLogger(_name).addFilter(_QueryFilter())


@contextmanager
def hidden_queries() -> Iterator[None]:
    """Keep queries out of urllib3's log messages."""
    token = _is_sending.set(True)
    try:
        yield
    finally:
        _is_sending.reset(token)


def without_cause(error: ImportStatusError, request: Request) -> ImportStatusError:
    """Return the error without the library's error that caused it if that may quote a query."""
    if request.is_signed or "?" in request.url:
        error.__cause__, error.__suppress_context__ = None, True
    return error
