"""Web applications: one for the vendors and the admin API, one for the file storage."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from aiohttp import web

from airflow_provider_importstatus.sandbox.admin_api import STORAGE_ROUTE, AdminApi
from airflow_provider_importstatus.sandbox.fault_injection import with_faults
from airflow_provider_importstatus.sandbox.fields import UsageError
from airflow_provider_importstatus.sandbox.routes import Route

__all__ = ["storage_application", "vendors_application"]


def vendors_application(admin_api: AdminApi) -> web.Application:
    """Return the application with the routes of all vendors, and the admin API under /_sandbox/."""
    app = web.Application()
    for vendor in admin_api.vendors.values():
        for route in vendor.routes():
            handler = with_faults(admin_api.state, vendor.name, route, partial(vendor.error, route.name))
            app.router.add_route(route.method, route.path, handler)
    _add_admin_routes(app, admin_api)
    return app


def storage_application(admin_api: AdminApi) -> web.Application:
    """Return the application of the file storage. The first segment of a path is the vendor's name."""
    app, storage = web.Application(), admin_api.state.storage
    for name in admin_api.vendors:
        route = Route(STORAGE_ROUTE, "*", f"/{name}/{{import_id}}/{{file}}", storage.respond)
        handler = with_faults(admin_api.state, name, route, storage.error)
        app.router.add_route(route.method, route.path, handler)
    return app


def _add_admin_routes(app: web.Application, admin_api: AdminApi) -> None:
    def requests(fields: dict[str, Any]) -> dict[str, Any]:
        if fields:
            return admin_api.requests(fields)
        return {name: admin_api.requests({"vendor": name}) for name in admin_api.vendors}

    routes: tuple[tuple[str, str, Callable[[dict[str, Any]], Any]], ...] = (
        ("POST", "imports", lambda fields: {"import_id": admin_api.submit(fields)}),
        ("POST", "faults", admin_api.fault),
        ("DELETE", "faults", lambda _: admin_api.clear_faults()),
        ("POST", "revoke", admin_api.revoke),
        ("GET", "requests", requests),
        ("POST", "reset", lambda _: admin_api.reset()),
    )
    for method, name, action in routes:
        app.router.add_route(method, f"/_sandbox/{name}", _admin_handler(action))


def _admin_handler(
    action: Callable[[dict[str, Any]], Any],
) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Return a handler that passes the fields of the query and the JSON body to an action."""

    async def handle(request: web.Request) -> web.Response:
        try:
            result = action({**request.query, **await _read_object(request)})
        except UsageError as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.Response(status=204) if result is None else web.json_response(result)

    return handle


async def _read_object(request: web.Request) -> dict[str, Any]:
    text = await request.text()
    try:
        body = await request.json() if text.strip() else {}
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise UsageError(f'The body must be a JSON object such as {{"seconds": 20}}, not {text[:40]!r}.')
    return body
