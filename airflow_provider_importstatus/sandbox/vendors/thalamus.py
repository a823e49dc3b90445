"""Thalamus's file imports, as its public pages describe them.

CANCELED is the only state that the pages show as it appears in JSON; the other states, and the keys of the
list, are guesses.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import BasicAuth, web

from airflow_provider_importstatus.sandbox.csv_file import CsvFile
from airflow_provider_importstatus.sandbox.fields import TEXT, FieldType
from airflow_provider_importstatus.sandbox.imports import Snapshot
from airflow_provider_importstatus.sandbox.routes import RequestRejected, Route
from airflow_provider_importstatus.sandbox.scenario import ScenarioSupport
from airflow_provider_importstatus.sandbox.state import SandboxState
from airflow_provider_importstatus.sandbox.uploads import read_form_file
from airflow_provider_importstatus.sandbox.vendors.base import Vendor
from airflow_provider_importstatus.sandbox.vendors.thalamus_records import TYPES, listing, record

__all__ = ["CREDENTIALS", "ThalamusVendor"]

#: The id in the example on the page.
FIRST_ID = 274
#: Lifetime of the URL of the uploaded file in seconds. The URL in the page's sample is not signed.
FILE_SECONDS = 3600
FILE_TYPES = (".csv", ".xls", ".xlsx")

#: The body that the page shows for a touchpoint that does not exist: JSON with a duplicate key.
WRONG_TOUCHPOINT = """{
"errors": {
"partnerDataSource": "TouchpointCodeRequired",
"partnerDataSource": "InvalidTouchpointCode"
}
}"""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A touchpoint, and a user who may log in by e-mail address or by document."""

    touchpoint: str = "sandbox"
    token: str = "thalamus-sandbox-token"
    principal: str = "thalamus@sandbox.example"
    # In Basic credentials a colon ends the user name, so Thalamus expects a dollar sign instead.
    document: str = "DNI$30111222"
    password: str = "thalamus-sandbox-password"


CREDENTIALS = Credentials()


def _number(value: Any) -> str:
    text: str = TEXT.parse(value)
    if not text.isdecimal():
        raise ValueError
    return text


class ThalamusVendor(Vendor):
    """Thalamus, with one touchpoint and one user. It issues no tokens."""

    name = "thalamus"
    title = "Thalamus"
    import_id_type = FieldType("a number", str(FIRST_ID), _number)
    scenario_support = ScenarioSupport(blocked=True, cancelled=True)
    credential_headers = ("Thalamus-Touchpoint", "Thalamus-Token")
    extra_credentials = (
        f"Thalamus also accepts the principal {CREDENTIALS.document}, with the same password.",
    )

    def __init__(self, state: SandboxState) -> None:
        super().__init__(state)
        self._ids = itertools.count(FIRST_ID)

    def routes(self) -> Sequence[Route]:
        """Return the calls about imports, and the one about the logged-in user."""
        return (
            # On the page, the example ends in a slash, and the endpoint does not.
            Route("submit", "POST", "/api/v4/import/file{slash:/?}", self.submit),
            Route("status", "GET", "/api/v4/import/status/{import_id}", self.status),
            Route("list", "GET", "/api/v4/import/status", self.list),
            Route("cancel", "POST", "/api/v4/import/cancel/{import_id}", self.cancel),
            Route("me", "GET", "/api/v4/me", self.me),
        )

    def error(self, route: str, status: int) -> web.Response:
        """Return an authentication error for a 401, codes by field for other statuses."""
        if status == 401:
            error = {"code": "401", "message": "UNAUTHORIZED", "description": "401 Unauthorized"}
            return web.json_response({"error": error}, status=401)
        code = "INTERNAL_SERVER_ERROR" if status >= 500 else f"{route}: HTTP {status}"
        return _errors({"execution.unexpected": code}, status=status)

    def connection(self, url: str) -> dict[str, Any]:
        """Return a connection with the touchpoint and the user's e-mail address."""
        return {
            "conn_type": self.name,
            "host": url,
            "login": CREDENTIALS.principal,
            "password": CREDENTIALS.password,
            "extra": {"touchpoint": CREDENTIALS.touchpoint, "token": CREDENTIALS.token},
        }

    def new_id(self) -> str:
        """Return the next unused number."""
        return next(str(number) for number in self._ids if self.imports.find(str(number)) is None)

    def reset(self) -> None:
        """Forget all imports, and start again with the first id."""
        super().reset()
        self._ids = itertools.count(FIRST_ID)

    async def submit(self, request: web.Request) -> web.Response:
        """Accept a file; return the same record as the status call.

        Page "Import File": a `name`, one of four types, and the multipart part `file`.
        https://doc.thalamus.global/api-reference/api-rest-json-v4/imports/import-file
        """
        self._authenticate(request)
        name, data_type = request.query.get("name", ""), request.query.get("type", "")
        if not name:
            return _errors({"name": "Required"})
        if data_type not in TYPES:
            return _errors({"type": "InvalidFormat" if data_type else "Required"})
        file = await read_form_file(request)
        if file is None:
            return _errors({"file": "Required"})
        if not file.name.lower().endswith(FILE_TYPES):
            return _errors({"ProcessFile": "UnknownFormat"})
        submitted = replace(file, name=file.name.rpartition("/")[2], content=data_type, title=name)
        return self._record(self.start_from_request(request, submitted))

    async def status(self, request: web.Request) -> web.Response:
        """Return the record of an import.

        Page "Get Status": the record of the file, with its counters and its state.
        https://doc.thalamus.global/api-reference/api-rest-json-v4/imports/get-status
        """
        return self._record(self._find(request))

    async def list(self, request: web.Request) -> web.Response:
        """Return a page of the imports.

        Page "Get Importation Status List": filters and paging; by default 25 per page, sorted by name.
        https://doc.thalamus.global/api-reference/api-rest-json-v4/imports/get-importation-status-list
        """
        self._authenticate(request)
        try:
            return web.json_response(listing(self.imports.all(), request.query, self._url))
        except ValueError as error:
            field, code = error.args
            return _errors({field: code})

    async def cancel(self, request: web.Request) -> web.Response:
        """Cancel an import.

        Page "Cancel Import": 200, or 400 with InvalidID for an unknown id.
        https://doc.thalamus.global/api-reference/api-rest-json-v4/imports/cancel-import
        """
        snapshot = self._find(request)
        self.imports.cancel(snapshot.id)
        return self._record(self._find(request))

    async def me(self, request: web.Request) -> web.Response:
        """Return the logged-in user.

        Page "Currently Logged User": the profile of the user whose credentials the request carries.
        https://doc.thalamus.global/api-reference/api-rest-json-v4/account-user-management/user-authentication/currently-logged-user
        """
        self._authenticate(request)
        profile = {"principal": CREDENTIALS.principal, "firstName": "Sandbox", "lastName": "User"}
        return web.json_response({"links": [], "data": {"activities": [], "entity": profile}})

    def _find(self, request: web.Request) -> Snapshot:
        self._authenticate(request)
        snapshot = self.imports.find(request.match_info["import_id"])
        if snapshot is None:
            raise RequestRejected(_errors({"ProcessorInfo": "InvalidID"}))
        return snapshot

    def _record(self, snapshot: Snapshot) -> web.Response:
        return web.json_response(record(snapshot, self._url(snapshot)))

    def _url(self, snapshot: Snapshot) -> str:
        return self.share(snapshot, snapshot.file.name, CsvFile("code,quantity"), FILE_SECONDS)

    def _authenticate(self, request: web.Request) -> None:
        """Require a known touchpoint with its token, and then a known user.

        Page "Get Status": touchpoint and token in the query or in headers. Page "Login": Basic credentials,
        documents as `type$number`.
        https://doc.thalamus.global/api-reference/api-rest-json-v4/account-user-management/user-authentication/login
        """
        touchpoint = request.headers.get("Thalamus-Touchpoint") or request.query.get("touchpoint")
        token = request.headers.get("Thalamus-Token") or request.query.get("token")
        if not touchpoint or not token:
            raise RequestRejected(_errors({"partnerDataSource": "TouchpointCodeRequired"}))
        if (touchpoint, token) != (CREDENTIALS.touchpoint, CREDENTIALS.token):
            response = web.Response(status=400, text=WRONG_TOUCHPOINT, content_type="application/json")
            raise RequestRejected(response)
        if not _is_logged_in(request.headers.get("Authorization", "")):
            raise RequestRejected(self.error("status", 401))


def _is_logged_in(header: str) -> bool:
    try:
        user = BasicAuth.decode(header)
    except ValueError:
        return False
    is_known = user.login in (CREDENTIALS.principal, CREDENTIALS.document)
    return is_known and user.password == CREDENTIALS.password


def _errors(codes: dict[str, str], status: int = 400) -> web.Response:
    return web.json_response({"errors": codes}, status=status)
