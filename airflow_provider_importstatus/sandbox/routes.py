"""Routes of the simulated APIs, and the exception with which a route rejects a request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

__all__ = ["RequestRejected", "Route"]


class RequestRejected(Exception):
    """Raised by a route to answer a request with an error response."""

    def __init__(self, response: web.Response) -> None:
        self.response = response


def _import_id_from_path(request: web.Request) -> str | None:
    return request.match_info.get("import_id")


@dataclass(frozen=True, slots=True)
class Route:
    """One call of an API.

    :param name: the name that request counts and faults use
    :param respond: returns the response to a request, or raises `RequestRejected`
    :param import_id: returns the import id in a request, by default `{import_id}` of the path
    """

    name: str
    method: str
    path: str
    respond: Callable[[web.Request], Awaitable[web.Response]]
    import_id: Callable[[web.Request], str | None] = _import_id_from_path
