"""The two web applications: the vendors with the sandbox's controls, and the storage."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from aiohttp import web

from airflow_provider_importstatus.sandbox.attend import attended
from airflow_provider_importstatus.sandbox.controls import STORAGE, Controls
from airflow_provider_importstatus.sandbox.fields import UsageError

__all__ = ["storage_application", "vendors_application"]

#: Files are uploaded whole; aiohttp's own limit of 1 MiB is too small for them.
MAX_UPLOAD = 64 * 1024 * 1024


def vendors_application(controls: Controls) -> web.Application:
    """Return all four vendors, and the controls under /_sandbox/."""
    app = web.Application(client_max_size=MAX_UPLOAD)
    for vendor in controls.vendors.values():
        for route in vendor.routes():
            error = partial(vendor.error, route.name)
            handler = attended(controls.world, vendor.name, route.name, route.answer, error)
            app.router.add_route(route.method, route.path, handler)
    _add_controls(app, controls)
    return app


def storage_application(controls: Controls) -> web.Application:
    """Return the storage, where the first part of a path says whose file it is."""
    app, storage = web.Application(client_max_size=MAX_UPLOAD), controls.world.storage
    for name in controls.vendors:
        handler = attended(controls.world, name, STORAGE, storage.answer, storage.error)
        app.router.add_route("*", f"/{name}/{{import_id}}/{{file}}", handler)
    return app


def _add_controls(app: web.Application, controls: Controls) -> None:
    def requests(fields: dict[str, Any]) -> dict[str, Any]:
        if fields:
            return controls.requests(fields)
        return {name: controls.requests({"vendor": name}) for name in controls.vendors}

    table: tuple[tuple[str, str, Callable[[dict[str, Any]], Any]], ...] = (
        ("POST", "imports", lambda fields: {"import_id": controls.submit(fields)}),
        ("POST", "faults", controls.fault),
        ("DELETE", "faults", lambda _: controls.clear_faults()),
        ("POST", "revoke", controls.revoke),
        ("GET", "requests", requests),
        ("POST", "reset", lambda _: controls.reset()),
    )
    for method, name, control in table:
        app.router.add_route(method, f"/_sandbox/{name}", _controlled(control))


def _controlled(control: Callable[[dict[str, Any]], Any]) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Return the handler that gives a control its fields, from the query or the JSON body."""

    async def handle(request: web.Request) -> web.Response:
        try:
            answer = control({**request.query, **await _read_object(request)})
        except UsageError as mistake:
            return web.json_response({"error": str(mistake)}, status=400)
        return web.Response(status=204) if answer is None else web.json_response(answer)

    return handle


async def _read_object(request: web.Request) -> dict[str, Any]:
    text = await request.text()
    try:
        body = await request.json() if text.strip() else {}
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise UsageError(f'The body takes a JSON object, not {text[:40]!r}. Write {{"vendor": "clear"}}.')
    return body
