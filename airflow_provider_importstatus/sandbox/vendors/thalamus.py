"""Thalamus' file imports, as its public pages describe them.

Of the states only CANCELED is spelled there as JSON has it; the other words, and the keys of the list, are
our guess.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from aiohttp import BasicAuth, web

from airflow_provider_importstatus.sandbox.attend import Refused
from airflow_provider_importstatus.sandbox.credentials import THALAMUS
from airflow_provider_importstatus.sandbox.imports import File, Snapshot
from airflow_provider_importstatus.sandbox.vendors.base import Route, Vendor, read_form, size_of
from airflow_provider_importstatus.sandbox.vendors.thalamus_records import TYPES, listing, record
from airflow_provider_importstatus.sandbox.world import World

__all__ = ["ThalamusVendor"]

#: The id in the page's example.
FIRST_ID = 274
#: Seconds that the URL of the uploaded file works; the page's sample is not signed at all.
FILE_SECONDS = 3600
FILE_TYPES = (".csv", ".xls", ".xlsx")

#: The page's own body for a touchpoint that does not exist: JSON with one key twice.
WRONG_TOUCHPOINT = """{
"errors": {
"partnerDataSource": "TouchpointCodeRequired",
"partnerDataSource": "InvalidTouchpointCode"
}
}"""


class ThalamusVendor(Vendor):
    """Thalamus, with one touchpoint and one user."""

    name = "thalamus"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._ids = itertools.count(FIRST_ID)

    def routes(self) -> Sequence[Route]:
        """Return the calls on imports, and who is logged in."""
        return (
            # The page's example has a slash at the end, its endpoint has none.
            Route("submit", "POST", "/api/v4/import/file{slash:/?}", self.submit),
            Route("status", "GET", "/api/v4/import/status/{import_id}", self.status),
            Route("list", "GET", "/api/v4/import/status", self.list),
            Route("cancel", "POST", "/api/v4/import/cancel/{import_id}", self.cancel),
            Route("me", "GET", "/api/v4/me", self.me),
        )

    def error(self, route: str, status: int) -> web.Response:
        """Return what a login lacks, or codes by field."""
        if status == 401:
            error = {"code": "401", "message": "UNAUTHORIZED", "description": "401 Unauthorized"}
            return web.json_response({"error": error}, status=401)
        code = "INTERNAL_SERVER_ERROR" if status >= 500 else f"{route}: HTTP {status}"
        return _errors({"execution.unexpected": code}, status=status)

    def new_id(self) -> str:
        """Return the next number."""
        return next(str(number) for number in self._ids if self.imports.find(str(number)) is None)

    def reset(self) -> None:
        """Count the imports anew."""
        super().reset()
        self._ids = itertools.count(FIRST_ID)

    async def submit(self, request: web.Request) -> web.Response:
        """Take a file; the answer is the object that the status call returns.

        Page "Import File": a `name`, one of four types, and the multipart part `file`.
        https://doc.thalamus.global/api-reference/api-rest-json-v4/imports/import-file
        """
        self._authenticate(request)
        name, kind = request.query.get("name", ""), request.query.get("type", "")
        if not name:
            return _errors({"name": "Required"})
        if kind not in TYPES:
            return _errors({"type": "InvalidFormat" if kind else "Required"})
        file = (await read_form(request)).get("file")
        if not isinstance(file, web.FileField):
            return _errors({"file": "Required"})
        if not file.filename.lower().endswith(FILE_TYPES):
            return _errors({"ProcessFile": "UnknownFormat"})
        file_name = file.filename.rpartition("/")[2]
        return self._record(self.submitted(request, File(file_name, kind, name, size_of(file))))

    async def status(self, request: web.Request) -> web.Response:
        """Say how an import is going.

        Page "Get Status": the whole record of the file, with its counters and its state.
        https://doc.thalamus.global/api-reference/api-rest-json-v4/imports/get-status
        """
        return self._record(self._find(request))

    async def list(self, request: web.Request) -> web.Response:
        """Return a page of the imports.

        Page "Get Importation Status List": filters and paging; 25 a page, by name, unless the query says
        otherwise.
        https://doc.thalamus.global/api-reference/api-rest-json-v4/imports/get-importation-status-list
        """
        self._authenticate(request)
        try:
            return web.json_response(listing(self.imports.all(), request.query, self._url))
        except ValueError as refused:
            field, code = refused.args
            return _errors({field: code})

    async def cancel(self, request: web.Request) -> web.Response:
        """Stop an import.

        Page "Cancel Import": 200, or 400 with InvalidID for an id that does not exist.
        https://doc.thalamus.global/api-reference/api-rest-json-v4/imports/cancel-import
        """
        seen = self._find(request)
        self.imports.cancel(seen.id)
        return self._record(self._find(request))

    async def me(self, request: web.Request) -> web.Response:
        """Say who is logged in.

        Page "Currently Logged User": the profile of the user whose credentials came along.
        https://doc.thalamus.global/api-reference/api-rest-json-v4/account-user-management/user-authentication/currently-logged-user
        """
        self._authenticate(request)
        profile = {"principal": THALAMUS.principal, "firstName": "Sandbox", "lastName": "User"}
        return web.json_response({"links": [], "data": {"activities": [], "entity": profile}})

    def _find(self, request: web.Request) -> Snapshot:
        self._authenticate(request)
        seen = self.imports.find(request.match_info["import_id"])
        if seen is None:
            raise Refused(_errors({"ProcessorInfo": "InvalidID"}))
        return seen

    def _record(self, seen: Snapshot) -> web.Response:
        return web.json_response(record(seen, self._url(seen)))

    def _url(self, seen: Snapshot) -> str:
        path = f"/thalamus/{seen.id}/{seen.file.name}"
        self.world.storage.keep(path, b"code,quantity\n")
        return self.world.storage.sign("GET", path, FILE_SECONDS)

    def _authenticate(self, request: web.Request) -> None:
        """Let in a known touchpoint with its token, then a user.

        Page "Get Status": touchpoint and token in the query or as headers. Page "Login": Basic credentials,
        documents as `type$number`.
        https://doc.thalamus.global/api-reference/api-rest-json-v4/account-user-management/user-authentication/login
        """
        touchpoint = request.headers.get("Thalamus-Touchpoint") or request.query.get("touchpoint")
        token = request.headers.get("Thalamus-Token") or request.query.get("token")
        if not touchpoint or not token:
            raise Refused(_errors({"partnerDataSource": "TouchpointCodeRequired"}))
        if (touchpoint, token) != (THALAMUS.touchpoint, THALAMUS.token):
            raise Refused(web.Response(status=400, text=WRONG_TOUCHPOINT, content_type="application/json"))
        if not _is_logged_in(request.headers.get("Authorization", "")):
            raise Refused(self.error("status", 401))


def _is_logged_in(header: str) -> bool:
    try:
        user = BasicAuth.decode(header)
    except ValueError:
        return False
    return user.login in (THALAMUS.principal, THALAMUS.document) and user.password == THALAMUS.password


def _errors(codes: dict[str, str], status: int = 400) -> web.Response:
    return web.json_response({"errors": codes}, status=status)
