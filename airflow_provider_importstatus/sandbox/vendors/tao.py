"""TAO Advance's rostering API, as its public pages describe it.

The bodies of upload and download are not public in full: `result.referenceId` and `result.url` follow the
status call's shape.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from airflow_provider_importstatus.sandbox.attend import Refused
from airflow_provider_importstatus.sandbox.course import Phase, rejections
from airflow_provider_importstatus.sandbox.credentials import TAO_ADVANCE
from airflow_provider_importstatus.sandbox.imports import File, Snapshot
from airflow_provider_importstatus.sandbox.vendors.base import (
    UNDOCUMENTED_WORD,
    Route,
    Vendor,
    read_form,
    size_of,
)

__all__ = ["TaoAdvanceVendor"]

PREFIX = "/api/v1/upload"
#: Seconds that the URL of a result file works; the page names no figure.
DOWNLOAD_SECONDS = 3600

STATUS = {
    Phase.UNKNOWN: UNDOCUMENTED_WORD.lower(),
    Phase.QUEUED: "pending",
    Phase.RUNNING: "pending",
    Phase.SUCCEEDED: "processed",
    Phase.PARTIAL: "processed",
    Phase.FAILED: "failed",
}
MESSAGES = {
    400: "Bad request",
    403: "Insufficient scope",
    404: "Reference ID not found. File not found in pending bucket.",
}


class TaoAdvanceVendor(Vendor):
    """TAO Advance, with a client for rostering and one that may not."""

    name = "tao_advance"

    def routes(self) -> Sequence[Route]:
        """Return the calls behind the gateway's prefix."""
        return (
            Route("token", "POST", f"{PREFIX}/v1/oauth2/tokens", self.token),
            Route("submit", "POST", f"{PREFIX}/api/v1/upload", self.upload),
            Route("status", "GET", f"{PREFIX}/api/v1/status/{{import_id}}", self.status),
            Route("download", "GET", f"{PREFIX}/api/v1/download/{{import_id}}", self.download),
        )

    def error(self, route: str, status: int) -> web.Response:
        """Return an OAuth error, the plain text of a 401, or JSON with a message."""
        if route == "token":
            return _oauth_error(status, "server_error" if status >= 500 else "invalid_request")
        if status == 401:
            return web.Response(status=401, text="Access Denied", content_type="text/plain")
        return _message(status, MESSAGES.get(status, f"Sandbox error {status}"))

    async def token(self, request: web.Request) -> web.Response:
        """Issue a token for the client credentials grant.

        Page "Importing rostering data via API": a form, multipart as in the page's curl call or urlencoded as
        OAuth has it; the answer, too, is as OAuth has it.
        https://userguide.taotesting.com/developer-documentation/latest/public/importing-rostering-data-via-api
        """
        form = await read_form(request)
        if form.get("grant_type") != "client_credentials":
            return _oauth_error(400, "unsupported_grant_type")
        scope = TAO_ADVANCE.clients.get((str(form.get("client_id")), str(form.get("client_secret"))))
        if scope is None:
            return _oauth_error(401, "invalid_client")
        token = f"tao-sandbox-token-{secrets.token_hex(16)}"
        self.tokens.issue(token, scope)
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": int(self.world.token_seconds)}
        return web.json_response({**answer, "scope": scope})

    async def upload(self, request: web.Request) -> web.Response:
        """Take a CSV file.

        Page "Upload via API": multipart with one part `file`; its reference id comes back.
        https://userguide.taotesting.com/developer-documentation/latest/public/upload-via-api
        """
        self._authenticate(request)
        file = (await read_form(request)).get("file")
        if not isinstance(file, web.FileField):
            return _message(400, "The multipart part 'file' is missing.")
        started = self.submitted(request, File(name=file.filename, size=size_of(file)))
        return web.json_response({"result": {"referenceId": started.id}})

    async def status(self, request: web.Request) -> web.Response:
        """Say how an upload is going.

        Page "Check upload status via API": status, fileLine and messages within `result`; 404 with a message
        for a reference id that is not found.
        https://userguide.taotesting.com/developer-documentation/latest/public/check-upload-status-via-api
        """
        seen = self._find(request)
        result = {"status": STATUS[seen.phase], "fileLine": seen.rows_done, "messages": _messages(seen)}
        return web.json_response({"result": result})

    async def download(self, request: web.Request) -> web.Response:
        """Return a signed URL of the result file.

        Page "Download results via API": the file itself lies in a storage, open to whoever has the URL.
        https://userguide.taotesting.com/developer-documentation/latest/public/download-results-via-api
        """
        seen = self._find(request)
        path = f"/tao_advance/{seen.id}/result.csv"
        self.world.storage.keep(path, "\n".join(["message", *_messages(seen), ""]).encode())
        url = self.world.storage.sign("GET", path, DOWNLOAD_SECONDS)
        return web.json_response({"result": {"url": url}})

    def _find(self, request: web.Request) -> Snapshot:
        self._authenticate(request)
        seen = self.imports.find(request.match_info["import_id"])
        if seen is None:
            raise Refused(self.error("status", 404))
        return seen

    def _authenticate(self, request: web.Request) -> None:
        """Refuse as the status page's table of errors says: 401 in plain text, 403 in JSON."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        scope = self.tokens.meaning(token) if scheme.lower() == "bearer" else None
        if scope is None:
            raise Refused(self.error("status", 401))
        if scope != "rostering":
            raise Refused(self.error("status", 403))


def _messages(seen: Snapshot) -> list[str]:
    if not seen.phase.is_over:
        return []
    failed = ["The file could not be imported."] if seen.phase is Phase.FAILED else []
    return failed + rejections(seen.course)


def _message(status: int, message: str) -> web.Response:
    return web.json_response({"message": message}, status=status)


def _oauth_error(status: int, error: str) -> web.Response:
    body: dict[str, Any] = {"error": error, "error_description": error.replace("_", " ")}
    return web.json_response(body, status=status)
