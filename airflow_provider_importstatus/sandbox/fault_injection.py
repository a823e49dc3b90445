"""Fault injection: request handlers that count requests, and answer as the ordered faults say."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from aiohttp import web
from aiohttp.payload import Payload

from airflow_provider_importstatus.sandbox.faults import Fault
from airflow_provider_importstatus.sandbox.fields import UsageError
from airflow_provider_importstatus.sandbox.routes import RequestRejected, Route
from airflow_provider_importstatus.sandbox.state import SandboxState

__all__ = ["with_faults"]

#: Padding of a `huge` response, in bytes: more than a client of a status API should accept.
HUGE = 6 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class FaultContext:
    """A request that a fault applies to.

    :param respond: returns the response that the vendor would have given
    :param error: returns the vendor's error response for an HTTP status
    :param foreign_url: a URL of another origin
    """

    request: web.Request
    fault: Fault
    respond: Callable[[], Awaitable[web.Response]]
    error: Callable[[int], web.Response]
    foreign_url: str


def with_faults(
    state: SandboxState, vendor: str, route: Route, error: Callable[[int], web.Response]
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Return the handler of a vendor's route: it counts each request and applies faults."""

    async def respond(request: web.Request) -> web.Response:
        try:
            return await route.respond(request)
        except RequestRejected as rejected:
            return rejected.response
        except UsageError as mistake:
            return web.json_response({"error": str(mistake)}, status=400)

    async def handle(request: web.Request) -> web.StreamResponse:
        state.requests[vendor, route.name] += 1
        fault = state.faults.take(vendor, route.name, route.import_id(request))
        try:
            if fault is None:
                return await respond(request)
            foreign_url = f"{state.storage.origin}/{vendor}/elsewhere/{route.name}"
            context = FaultContext(request, fault, lambda: respond(request), error, foreign_url)
            return await FAULT_RESPONSES.get(fault.kind, _status)(context)
        except (ConnectionError, web.RequestPayloadError):
            # The client timed out and closed the connection; nobody reads this response.
            return web.Response()

    return handle


async def _status(context: FaultContext) -> web.StreamResponse:
    response = context.error(int(context.fault.kind))
    if context.fault.retry_after is not None:
        response.headers["Retry-After"] = context.fault.retry_after
    return response


async def _drop(context: FaultContext) -> web.StreamResponse:
    _close_connection(context.request)
    return web.Response()


async def _cut(context: FaultContext) -> web.StreamResponse:
    body, response = _start_response(await context.respond(), missing=1)
    await response.prepare(context.request)
    await response.write(body[: len(body) // 2])
    _close_connection(context.request)
    return response


async def _slow(context: FaultContext) -> web.StreamResponse:
    await asyncio.sleep(context.fault.seconds)
    return await context.respond()


async def _dribble(context: FaultContext) -> web.StreamResponse:
    body, response = _start_response(await context.respond())
    await response.prepare(context.request)
    for byte in body:
        await response.write(bytes([byte]))
        await asyncio.sleep(context.fault.seconds / len(body))
    return response


async def _garbage(context: FaultContext) -> web.StreamResponse:
    page = f'<!doctype html><title>Proxy</title><h1>Please <a href="{context.foreign_url}">sign in</a></h1>'
    return web.Response(text=page, content_type="text/html")


async def _redirect(context: FaultContext) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": context.foreign_url})


async def _huge(context: FaultContext) -> web.StreamResponse:
    # Padded with blanks the JSON stays valid, so only a client with a size limit rejects it.
    body, response = _start_response(await context.respond(), missing=HUGE)
    await response.prepare(context.request)
    await response.write(body + b" " * HUGE)
    return response


def _start_response(original: web.Response, missing: int = 0) -> tuple[bytes, web.StreamResponse]:
    """Return the body of a response, and a stream whose Content-Length exceeds it by `missing` bytes."""
    content = original.body
    body = content.decode().encode() if isinstance(content, Payload) else bytes(content or b"")
    response = web.StreamResponse(status=original.status, headers=original.headers)
    response.content_length = len(body) + missing
    return body, response


def _close_connection(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.close()


FAULT_RESPONSES: Mapping[str, Callable[[FaultContext], Awaitable[web.StreamResponse]]] = {
    "drop": _drop,
    "cut": _cut,
    "slow": _slow,
    "dribble": _dribble,
    "garbage": _garbage,
    "redirect": _redirect,
    "huge": _huge,
}
