"""Zilliant's Entity Import Service with Salesforce's login, as their public pages describe them.

No page shows the body of an error: `status` and `message` are guesses.
"""

from __future__ import annotations

import base64
import json
import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from airflow_provider_importstatus.sandbox.csv_file import CsvFile
from airflow_provider_importstatus.sandbox.fields import one_of
from airflow_provider_importstatus.sandbox.imports import File, Snapshot
from airflow_provider_importstatus.sandbox.routes import RequestRejected, Route
from airflow_provider_importstatus.sandbox.scenario import (
    Phase,
    ScenarioField,
    ScenarioSupport,
    rejection_messages,
)
from airflow_provider_importstatus.sandbox.state import SandboxState
from airflow_provider_importstatus.sandbox.uploads import read_form_file
from airflow_provider_importstatus.sandbox.vendors.base import (
    REPORT_FIELDS,
    UNDOCUMENTED_STATE,
    Vendor,
    oauth_error,
    read_form,
    read_json,
    utc_datetime,
)

__all__ = ["CREDENTIALS", "ZilliantVendor"]

IMPORT = "/v1/EntityImport"

STATUS = {
    Phase.UNKNOWN: UNDOCUMENTED_STATE,
    Phase.QUEUED: "RUNNING",
    Phase.RUNNING: "RUNNING",
    Phase.SUCCEEDED: "SUCCEEDED",
    # Only the report distinguishes a partial import from a complete one.
    Phase.PARTIAL: "SUCCEEDED",
    Phase.FAILED: "FAILED",
}
REPORT = {Phase.SUCCEEDED: "SUCCESS", Phase.PARTIAL: "PARTIAL_SUCCESS", Phase.FAILED: "FAILED"}


@dataclass(frozen=True, slots=True)
class Credentials:
    """A Salesforce user and connected app, and the OAuth host and a mapping of a Zilliant environment."""

    username: str = "zilliant@sandbox.example"
    password: str = "zilliant-sandbox-password"
    client_id: str = "zilliant-sandbox-app"
    client_secret: str = "zilliant-sandbox-app-secret"
    forwarded_host: str = "sandbox-dev.zilliant.example"
    mapping_id: str = "00000000-2111-4000-8000-000000000001"


CREDENTIALS = Credentials()


class ZilliantVendor(Vendor):
    """Zilliant, with one Salesforce user and one environment."""

    name = "zilliant"
    title = "Zilliant"
    # Whether the report exists once the import has ended.
    scenario_support = ScenarioSupport(
        fields={"report": ScenarioField(one_of(("present", "absent")), default="present"), **REPORT_FIELDS}
    )
    extra_credentials = (f"Zilliant has the mapping {CREDENTIALS.mapping_id} from the start.",)

    def __init__(self, state: SandboxState) -> None:
        super().__init__(state)
        self._mappings = {CREDENTIALS.mapping_id}
        self._uploads: dict[str, File] = {}
        self._imported: set[str] = set()

    def routes(self) -> Sequence[Route]:
        """Return Salesforce's login, three calls that submit a file, and three calls about an import."""
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
        """Return Salesforce's OAuth error on the login, JSON with a message elsewhere."""
        if route == "token":
            return oauth_error(status, "invalid_request", f"HTTP {status}")
        return _message(status, f"HTTP {status}")

    def connection(self, url: str) -> dict[str, Any]:
        """Return a connection that sends Salesforce's login to this URL, too."""
        return {
            "conn_type": self.name,
            "host": url,
            "login": CREDENTIALS.username,
            "password": CREDENTIALS.password,
            "extra": {
                "client_id": CREDENTIALS.client_id,
                "client_secret": CREDENTIALS.client_secret,
                "token_url": f"{url}/services/oauth2/token",
                "x_forwarded_host": CREDENTIALS.forwarded_host,
            },
        }

    def reset(self) -> None:
        """Forget all imports, tokens, uploads, and mappings but the first."""
        super().reset()
        for known in (self._mappings, self._uploads, self._imported):
            known.clear()
        self._mappings.add(CREDENTIALS.mapping_id)

    async def token(self, request: web.Request) -> web.Response:
        """Issue a token to a user.

        Page "Request an access token": Salesforce's password grant, urlencoded; the response says neither
        when the token expires nor how to refresh it.
        https://docs.zilliant.com/v1-api/apidocs/request-an-access-token
        """
        is_urlencoded = request.content_type == "application/x-www-form-urlencoded"
        form = await read_form(request) if is_urlencoded else {}
        if form.get("grant_type") != "password":
            return oauth_error(400, "unsupported_grant_type", "grant type not supported")
        client = (CREDENTIALS.client_id, CREDENTIALS.client_secret)
        if (form.get("client_id"), form.get("client_secret")) != client:
            return oauth_error(400, "invalid_client", "invalid client credentials")
        user = (CREDENTIALS.username, CREDENTIALS.password)
        if (form.get("username"), form.get("password")) != user:
            return oauth_error(400, "invalid_grant", "authentication failure")
        answer = {
            "access_token": f"zilliant-sandbox-token-{secrets.token_hex(16)}",
            "instance_url": "https://salesforce.sandbox.example",
            "id": "https://salesforce.sandbox.example/id/00Dsandbox/005sandbox",
            "token_type": "Bearer",
            "issued_at": str(int(self.state.clock() * 1000)),
            "signature": secrets.token_urlsafe(32),
        }
        self.tokens.issue(answer["access_token"], answer)
        return web.json_response(answer)

    async def mapping(self, request: web.Request) -> web.Response:
        """Accept the description of a file.

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
        """Accept the file of a mapping.

        Page "Upload a file into storage": a binary `file`; 201 with an uploadId, 404 for an unknown mapping.
        https://docs.zilliant.com/apidocs/upload-a-file-into-storage
        """
        self._authenticate(request)
        if request.match_info["mapping_id"] not in self._mappings:
            return _message(404, "Mapping ID not found.")
        file = await read_form_file(request)
        if file is None:
            return _message(400, "The body must be a multipart form with one part, 'file'.")
        upload_id = str(uuid.uuid4())
        self._uploads[upload_id] = file
        return web.json_response({"uploadId": upload_id}, status=201)

    async def submit(self, request: web.Request) -> web.Response:
        """Start the import of an upload.

        Page "Invoke the file import workflow": 201 with an importId, 404 for an unknown upload, 409 for
        one that has been imported.
        https://docs.zilliant.com/apidocs/invoke-the-file-import-workflow
        """
        self._authenticate(request)
        upload_id = request.match_info["upload_id"]
        if upload_id not in self._uploads:
            return _message(404, "Upload ID not found.")
        if upload_id in self._imported:
            return _message(409, "The file has already been imported.")
        started = self.start_from_request(request, self._uploads[upload_id])
        self._imported.add(upload_id)
        return web.json_response({"importId": started.id}, status=201)

    async def status(self, request: web.Request) -> web.Response:
        """Return the state of an import.

        Page "Get the import status": RUNNING, FAILED or SUCCEEDED with the times of start and stop in UTC;
        404 for an unknown id.
        https://docs.zilliant.com/apidocs/get-the-import-status
        """
        snapshot = self._find(request)
        return web.json_response(
            {
                "status": STATUS[snapshot.phase],
                "startDate": _date(snapshot.submitted_at),
                "stopDate": _date(snapshot.changed_at) if snapshot.phase.is_final else None,
                "clientErrorCallingService": False,
                "entityImportId": snapshot.id,
            }
        )

    async def report(self, request: web.Request) -> web.Response:
        """Return the row counts and the result of an import.

        Page "Get the report": SUCCESS, PARTIAL_SUCCESS or FAILED; a failure has no processedRows, a success
        no failedRows.
        https://docs.zilliant.com/apidocs/get-the-report-4
        """
        snapshot = self._find(request)
        if not snapshot.phase.is_final or snapshot.scenario.extra["report"] == "absent":
            return _message(404, "Report not found.")
        body: dict[str, Any] = {"status": REPORT[snapshot.phase]}
        if snapshot.phase is not Phase.FAILED:
            body["processedRows"] = snapshot.scenario.rows
        if snapshot.phase is not Phase.SUCCEEDED:
            body["failedRows"] = snapshot.scenario.rejected or snapshot.scenario.rows
        return web.json_response({**body, "message": f"{snapshot.scenario.rows} rows read."})

    async def error_file(self, request: web.Request) -> web.Response:
        """Return the rows that failed, with reasons.

        Page "Get the error file": a file; 404 if there is none.
        https://docs.zilliant.com/v1-api/apidocs/get-the-error-file
        """
        snapshot = self._find(request)
        if not snapshot.phase.is_final or not snapshot.scenario.rejected:
            return _message(404, "Error file not found.")
        scenario = snapshot.scenario
        return CsvFile("reason", rejection_messages(scenario), scenario.extra["report_kib"]).response()

    def _find(self, request: web.Request) -> Snapshot:
        self._authenticate(request)
        snapshot = self.imports.find(request.match_info["import_id"])
        if snapshot is None:
            raise RequestRejected(_message(404, "Import ID not found."))
        return snapshot

    def _authenticate(self, request: web.Request) -> None:
        """Require a complete token response, in Base64, and the OAuth host of the environment.

        Page "Introduction": requests from outside Zilliant's network need X-Forwarded-Host.
        https://docs.zilliant.com/apidocs/introduction-2
        """
        response = _token_response(request.headers.get("Authorization", ""))
        if not response or self.tokens.grant(str(response.get("access_token"))) != response:
            raise RequestRejected(_message(401, "Authentication error"))
        if request.headers.get("X-Forwarded-Host") != CREDENTIALS.forwarded_host:
            raise RequestRejected(_message(401, "Authentication error: X-Forwarded-Host"))


def _token_response(header: str) -> Mapping[str, Any]:
    """Return the token response in an Authorization header, or an empty one."""
    scheme, _, encoded = header.partition(" ")
    try:
        response = json.loads(base64.b64decode(encoded, validate=True))
    except ValueError:
        return {}
    return response if scheme == "OAuth" and isinstance(response, dict) else {}


def _date(timestamp: float) -> str:
    return utc_datetime(timestamp).strftime("%Y-%m-%dT%H:%M:%SZ")


def _message(status: int, message: str) -> web.Response:
    return web.json_response({"status": status, "message": message}, status=status)
