"""How a request is attended to: counted, then answered, unless something is to go wrong with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from aiohttp import web

from airflow_provider_importstatus.sandbox.faults import Fault
from airflow_provider_importstatus.sandbox.fields import UsageError
from airflow_provider_importstatus.sandbox.world import World

__all__ = ["Refused", "attended"]

#: More than any client of a status page should be ready to read.
HUGE = 6 * 1024 * 1024


class Refused(Exception):
    """A vendor turns a request down with this response."""

    def __init__(self, response: web.Response) -> None:
        self.response = response


@dataclass(frozen=True, slots=True)
class Scene:
    """A request that is to go wrong.

    :param answer: what the vendor would have done and said
    :param error: the vendor's own way to say an HTTP status
    :param elsewhere: an address at another origin
    """

    request: web.Request
    fault: Fault
    answer: Callable[[], Awaitable[web.Response]]
    error: Callable[[int], web.Response]
    elsewhere: str


def attended(
    world: World,
    vendor: str,
    route: str,
    answer: Callable[[web.Request], Awaitable[web.Response]],
    error: Callable[[int], web.Response],
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Return the handler that counts, errs and answers for one route of a vendor."""

    async def spoken(request: web.Request) -> web.Response:
        try:
            return await answer(request)
        except Refused as refused:
            return refused.response
        except UsageError as mistake:
            return web.json_response({"error": str(mistake)}, status=400)

    async def handle(request: web.Request) -> web.StreamResponse:
        world.requests[vendor, route] += 1
        import_id = request.match_info.get("import_id") or request.query.get("taskId")
        fault = world.faults.take(vendor, route, import_id)
        if fault is None:
            return await spoken(request)
        elsewhere = f"{world.storage.origin}/{vendor}/elsewhere/{route}"
        scene = Scene(request, fault, lambda: spoken(request), error, elsewhere)
        try:
            return await TROUBLE.get(fault.kind, _status)(scene)
        except ConnectionError:
            # The caller was tired of waiting and has hung up; there is nobody left to tell.
            return web.Response()

    return handle


async def _status(scene: Scene) -> web.StreamResponse:
    response = scene.error(int(scene.fault.kind))
    if scene.fault.retry_after is not None:
        response.headers["Retry-After"] = scene.fault.retry_after
    return response


async def _drop(scene: Scene) -> web.StreamResponse:
    _hang_up(scene.request)
    return web.Response()


async def _cut(scene: Scene) -> web.StreamResponse:
    body, response = _announce(await scene.answer(), missing=1)
    await response.prepare(scene.request)
    await response.write(body[: len(body) // 2])
    _hang_up(scene.request)
    return response


async def _slow(scene: Scene) -> web.StreamResponse:
    await asyncio.sleep(scene.fault.seconds)
    return await scene.answer()


async def _dribble(scene: Scene) -> web.StreamResponse:
    body, response = _announce(await scene.answer())
    await response.prepare(scene.request)
    for byte in body:
        await response.write(bytes([byte]))
        await asyncio.sleep(scene.fault.seconds / len(body))
    return response


async def _garbage(scene: Scene) -> web.StreamResponse:
    page = f'<!doctype html><title>Proxy</title><h1>Please <a href="{scene.elsewhere}">sign in</a></h1>'
    return web.Response(text=page, content_type="text/html")


async def _redirect(scene: Scene) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": scene.elsewhere})


async def _huge(scene: Scene) -> web.StreamResponse:
    # Padded with blanks it still says the truth, so only a client that limits what it reads refuses it.
    body, response = _announce(await scene.answer(), missing=HUGE)
    await response.prepare(scene.request)
    await response.write(body + b" " * HUGE)
    return response


def _announce(answer: web.Response, missing: int = 0) -> tuple[bytes, web.StreamResponse]:
    """Return the answer's body, and the response that promises so many bytes more."""
    body = answer.body if isinstance(answer.body, bytes) else b""
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    response.content_length = len(body) + missing
    return body, response


def _hang_up(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.close()


TROUBLE: Mapping[str, Callable[[Scene], Awaitable[web.StreamResponse]]] = {
    "drop": _drop,
    "cut": _cut,
    "slow": _slow,
    "dribble": _dribble,
    "garbage": _garbage,
    "redirect": _redirect,
    "huge": _huge,
}
