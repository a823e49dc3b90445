"""Zilliant's Entity Import Service behind Salesforce's login, as their public pages describe them.

No page shows the body of an error: `status` and `message` are our guess.
"""

from __future__ import annotations

import base64
import json
import secrets
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from airflow_provider_importstatus.sandbox.attend import Refused
from airflow_provider_importstatus.sandbox.course import Phase, rejections
from airflow_provider_importstatus.sandbox.credentials import ZILLIANT
from airflow_provider_importstatus.sandbox.imports import File, Snapshot
from airflow_provider_importstatus.sandbox.vendors.base import (
    UNDOCUMENTED_WORD,
    Route,
    Vendor,
    read_form,
    read_json,
    size_of,
    utc,
)
from airflow_provider_importstatus.sandbox.world import World

__all__ = ["ZilliantVendor"]

IMPORT = "/v1/EntityImport"

STATUS = {
    Phase.UNKNOWN: UNDOCUMENTED_WORD,
    Phase.QUEUED: "RUNNING",
    Phase.RUNNING: "RUNNING",
    Phase.SUCCEEDED: "SUCCEEDED",
    # Only the report tells a partial import from a whole one.
    Phase.PARTIAL: "SUCCEEDED",
    Phase.FAILED: "FAILED",
}
REPORT = {Phase.SUCCEEDED: "SUCCESS", Phase.PARTIAL: "PARTIAL_SUCCESS", Phase.FAILED: "FAILED"}


class ZilliantVendor(Vendor):
    """Zilliant, with one Salesforce user and one environment."""

    name = "zilliant"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._mappings: set[str] = set()
        self._uploads: dict[str, File] = {}
        self._imported: set[str] = set()

    def routes(self) -> Sequence[Route]:
        """Return Salesforce's login, the three steps of an import, and the three questions about one."""
        return (
            Route("token", "POST", "/services/oauth2/token", self.token),
            Route("mapping", "POST", f"{IMPORT}/", self.mapping),
            Route("upload", "POST", f"{IMPORT}/{{mapping_id}}/upload", self.upload),
            Route("submit", "POST", f"{IMPORT}/{{upload_id}}/import", self.submit),
            Route("status", "GET", f"{IMPORT}/{{import_id}}/status", self.status),
            Route("report", "GET", f"{IMPORT}/{{import_id}}/report", self.report),
            Route("error_file", "GET", f"{IMPORT}/{{import_id}}/errorFile", self.error_file),
        )

    def error(self, route: str, status: int) -> web.Response:
        """Return Salesforce's OAuth error, or JSON with a message."""
        if route == "token":
            return _oauth_error("invalid_request", f"HTTP {status}", status)
        return _message(status, f"HTTP {status}")

    def reset(self) -> None:
        """Forget mappings and uploads, too."""
        super().reset()
        for seen in (self._mappings, self._uploads, self._imported):
            seen.clear()

    async def token(self, request: web.Request) -> web.Response:
        """Log a user in.

        Page "Request an access token": Salesforce's password grant, urlencoded; the answer says neither when
        the token expires nor how to refresh it.
        https://docs.zilliant.com/v1-api/apidocs/request-an-access-token
        """
        is_urlencoded = request.content_type == "application/x-www-form-urlencoded"
        form = await read_form(request) if is_urlencoded else {}
        if form.get("grant_type") != "password":
            return _oauth_error("unsupported_grant_type", "grant type not supported")
        if (form.get("client_id"), form.get("client_secret")) != (ZILLIANT.client_id, ZILLIANT.client_secret):
            return _oauth_error("invalid_client", "invalid client credentials")
        if (form.get("username"), form.get("password")) != (ZILLIANT.username, ZILLIANT.password):
            return _oauth_error("invalid_grant", "authentication failure")
        answer = {
            "access_token": f"zilliant-sandbox-token-{secrets.token_hex(16)}",
            "instance_url": "https://salesforce.sandbox.example",
            "id": "https://salesforce.sandbox.example/id/00Dsandbox/005sandbox",
            "token_type": "Bearer",
            "issued_at": str(int(self.world.clock() * 1000)),
            "signature": secrets.token_urlsafe(32),
        }
        self.tokens.issue(answer["access_token"], answer)
        return web.json_response(answer)

    async def mapping(self, request: web.Request) -> web.Response:
        """Take the description of a file.

        Page "Send file metadata": JSON with entitySystemName and definition; 201 with a mappingId.
        https://docs.zilliant.com/v1-api/apidocs/send-file-metadata
        """
        self._authenticate(request)
        body = await read_json(request)
        if not isinstance(body.get("entitySystemName"), str) or not isinstance(body.get("definition"), dict):
            return _message(400, "entitySystemName and definition are required.")
        mapping_id = str(uuid.uuid4())
        self._mappings.add(mapping_id)
        return web.json_response({"mappingId": mapping_id}, status=201)

    async def upload(self, request: web.Request) -> web.Response:
        """Take the file of a mapping.

        Page "Upload a file into storage": a binary `file`; 201 with an uploadId, 404 for a mapping that does
        not exist.
        https://docs.zilliant.com/apidocs/upload-a-file-into-storage
        """
        self._authenticate(request)
        if request.match_info["mapping_id"] not in self._mappings:
            return _message(404, "Mapping ID not found.")
        file = (await read_form(request)).get("file")
        if not isinstance(file, web.FileField):
            return _message(400, "The multipart part 'file' is missing.")
        upload_id = str(uuid.uuid4())
        self._uploads[upload_id] = File(name=file.filename, size=size_of(file))
        return web.json_response({"uploadId": upload_id}, status=201)

    async def submit(self, request: web.Request) -> web.Response:
        """Start the import of an upload.

        Page "Invoke the file import workflow": 201 with an importId, 404 for an upload that does not exist,
        409 for one that has been imported.
        https://docs.zilliant.com/apidocs/invoke-the-file-import-workflow
        """
        self._authenticate(request)
        upload_id = request.match_info["upload_id"]
        if upload_id not in self._uploads:
            return _message(404, "Upload ID not found.")
        if upload_id in self._imported:
            return _message(409, "The file has already been imported.")
        started = self.submitted(request, self._uploads[upload_id])
        self._imported.add(upload_id)
        return web.json_response({"importId": started.id}, status=201)

    async def status(self, request: web.Request) -> web.Response:
        """Say how an import is going.

        Page "Get the import status": RUNNING, FAILED or SUCCEEDED with the times of start and stop in UTC;
        404 for an id that is not found.
        https://docs.zilliant.com/apidocs/get-the-import-status
        """
        seen = self._find(request)
        return web.json_response(
            {
                "status": STATUS[seen.phase],
                "startDate": _date(seen.submitted_at),
                "stopDate": _date(seen.changed_at) if seen.phase.is_over else None,
                "clientErrorCallingService": False,
                "entityImportId": seen.id,
            }
        )

    async def report(self, request: web.Request) -> web.Response:
        """Say what became of the rows.

        Page "Get the report": SUCCESS, PARTIAL_SUCCESS or FAILED; processedRows is left out of a failure,
        failedRows of a success.
        https://docs.zilliant.com/apidocs/get-the-report-4
        """
        seen = self._find(request)
        if not seen.phase.is_over or seen.course.report == "absent":
            return _message(404, "Report not found.")
        body: dict[str, Any] = {"status": REPORT[seen.phase]}
        if seen.phase is not Phase.FAILED:
            body["processedRows"] = seen.course.rows
        if seen.phase is not Phase.SUCCEEDED:
            body["failedRows"] = seen.course.rejected or seen.course.rows
        return web.json_response({**body, "message": f"{seen.course.rows} rows read."})

    async def error_file(self, request: web.Request) -> web.Response:
        """Return the rows that failed, with reasons.

        Page "Get the error file": a file; 404 where there is none.
        https://docs.zilliant.com/v1-api/apidocs/get-the-error-file
        """
        seen = self._find(request)
        if not seen.phase.is_over or not seen.course.rejected:
            return _message(404, "Error file not found.")
        return web.Response(text="\n".join(["reason", *rejections(seen.course), ""]), content_type="text/csv")

    def _find(self, request: web.Request) -> Snapshot:
        self._authenticate(request)
        seen = self.imports.find(request.match_info["import_id"])
        if seen is None:
            raise Refused(_message(404, "Import ID not found."))
        return seen

    def _authenticate(self, request: web.Request) -> None:
        """Let in who presents a whole token response, in Base64, and names the environment's OAuth host.

        Page "Introduction": X-Forwarded-Host belongs to every request from outside Zilliant's network.
        https://docs.zilliant.com/apidocs/introduction-2
        """
        response = _token_response(request.headers.get("Authorization", ""))
        if not response or self.tokens.meaning(str(response.get("access_token"))) != response:
            raise Refused(_message(401, "Authentication error"))
        if request.headers.get("X-Forwarded-Host") != ZILLIANT.forwarded_host:
            raise Refused(_message(401, "Authentication error: X-Forwarded-Host"))


def _token_response(header: str) -> Mapping[str, Any]:
    """Return the token response that an Authorization header carries; an empty one if it does not."""
    scheme, _, encoded = header.partition(" ")
    try:
        response = json.loads(base64.b64decode(encoded, validate=True))
    except ValueError:
        return {}
    return response if scheme == "OAuth" and isinstance(response, dict) else {}


def _date(timestamp: float) -> str:
    return utc(timestamp).strftime("%Y-%m-%dT%H:%M:%SZ")


def _message(status: int, message: str) -> web.Response:
    return web.json_response({"status": status, "message": message}, status=status)


def _oauth_error(error: str, description: str, status: int = 400) -> web.Response:
    return web.json_response({"error": error, "error_description": description}, status=status)
