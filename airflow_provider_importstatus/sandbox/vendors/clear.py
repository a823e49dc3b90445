"""Clear One Integration, as its public pages describe it.

The pages show the bodies of pre-sign and ingest only in part: `preSignedUrl` and `result.taskId` are guesses.
"""

from __future__ import annotations

import secrets
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from aiohttp import web

from airflow_provider_importstatus.sandbox.csv_file import CsvFile
from airflow_provider_importstatus.sandbox.fields import COUNT
from airflow_provider_importstatus.sandbox.imports import Snapshot
from airflow_provider_importstatus.sandbox.routes import RequestRejected, Route
from airflow_provider_importstatus.sandbox.scenario import (
    Phase,
    ScenarioField,
    ScenarioSupport,
    rejection_messages,
)
from airflow_provider_importstatus.sandbox.state import SandboxState
from airflow_provider_importstatus.sandbox.vendors.base import (
    REPORT_FIELDS,
    UNDOCUMENTED_STATE,
    Vendor,
    read_json,
    utc_datetime,
)

__all__ = ["CREDENTIALS", "ClearVendor"]

#: Token requests per client secret and day; the count restarts at 00:00 UTC.
DAILY_TOKENS = 288
#: Lifetime of an error report's URL in seconds. The status page says one hour.
REPORT_SECONDS = 3600
#: Lifetime of an upload URL in seconds. The pages of Clear's sibling APIs say ten minutes.
UPLOAD_SECONDS = 600
#: The Content-Type that an upload must have, by the extension of the file's name.
FILE_TYPES = {
    ".csv": "text/csv",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".xls": "application/vnd.ms-excel",
    ".zip": "application/zip",
}

WORKFLOW = {
    Phase.UNKNOWN: UNDOCUMENTED_STATE,
    Phase.QUEUED: "CREATED",
    Phase.RUNNING: "PROCESSING",
    Phase.SUCCEEDED: "SUCCESS",
    # A workflow whose stages are all SUCCESS or PARTIAL_SUCCESS is SUCCESS.
    Phase.PARTIAL: "SUCCESS",
    Phase.FAILED: "FAILED",
}
INGESTION = {Phase.SUCCEEDED: "SUCCESS", Phase.PARTIAL: "PARTIAL_SUCCESS", Phase.FAILED: "FAILURE"}


@dataclass(frozen=True, slots=True)
class Credentials:
    """An API client, and the two integrations that it may use."""

    client_secret: str = "clear-sandbox-client-secret"
    integration_ids: tuple[str, str] = (
        "00000000-c1ea-4000-8000-000000000001",
        "00000000-c1ea-4000-8000-000000000002",
    )


CREDENTIALS = Credentials()


class ClearVendor(Vendor):
    """Clear, with one API client and two integrations."""

    name = "clear"
    title = "Clear"
    scenario_support = ScenarioSupport(
        fields={**REPORT_FIELDS, "report_seconds": ScenarioField(COUNT, default=REPORT_SECONDS)}
    )
    credential_headers = ("X-Clear-Auth-Token", "X-Clear-Client-Secret", "X-Integration-Id")
    extra_credentials = (f"Clear also accepts the integration {CREDENTIALS.integration_ids[1]}.",)

    def __init__(self, state: SandboxState) -> None:
        super().__init__(state)
        self._tokens_per_day: Counter[str] = Counter()

    def routes(self) -> Sequence[Route]:
        """Return the token call, the two calls that submit a file, and the status call."""
        return (
            Route("token", "GET", "/integration/v1/authz/token", self.token),
            Route("presign", "GET", "/one-integration/action/pre-sign", self.presign),
            Route("submit", "POST", "/one-integration/api/v1/ingest", self.ingest),
            Route("status", "GET", "/one-integration/workflow/status", self.status, _task_id),
        )

    def error(self, route: str, status: int) -> web.Response:
        """Return `errors` on the token call, the envelope on all others."""
        if route == "token":
            error = {"error_code": f"E{status}", "error_message": f"HTTP {status}", "error_source": "CLEAR"}
            return web.json_response({"errors": [error]}, status=status)
        return _envelope(f"Request failed with {status}", status=status)

    def connection(self, url: str) -> dict[str, Any]:
        """Return a connection with the first integration and the client secret."""
        return {
            "conn_type": self.name,
            "host": url,
            "login": CREDENTIALS.integration_ids[0],
            "password": CREDENTIALS.client_secret,
            "extra": {},
        }

    def reset(self) -> None:
        """Forget all imports, tokens and the number of tokens issued today."""
        super().reset()
        self._tokens_per_day.clear()

    async def token(self, request: web.Request) -> web.Response:
        """Issue a token.

        Page "Generate Access Token API": the header x-clear-client-secret is exchanged for an access_token;
        a new token revokes the previous one, and each secret may request 288 a day.
        https://docs.cleartax.in/cleartax-docs/clear-finance-cloud/cfc-api-reference/generate-access-token-api
        """
        if request.headers.get("x-clear-client-secret") != CREDENTIALS.client_secret:
            return self.error("token", 401)
        today = utc_datetime(self.state.clock()).date().isoformat()
        if self._tokens_per_day[today] >= DAILY_TOKENS:
            return self.error("token", 429)
        self._tokens_per_day[today] += 1
        self.tokens.clear()
        token = f"clear-sandbox-token-{secrets.token_hex(16)}"
        valid_till = self.tokens.issue(token, CREDENTIALS.client_secret)
        return web.json_response({"access_token": token, "valid_till": utc_datetime(valid_till).isoformat()})

    async def presign(self, request: web.Request) -> web.Response:
        """Return a URL to upload a file to.

        Page "Get Pre-signed URL": `filename` with the extension csv, xlsx, xls or zip, which the Content-Type
        of the upload must match; 401 for failed authentication, 406 for parameters that cannot be processed.
        https://docs.cleartax.in/cleartax-docs/gls-api/gls-api-reference/advanced-ingestion-api/get-pre-signed-url
        """
        self._authenticate(request, status=401)
        filename = request.query.get("filename", "")
        if not filename:
            return _envelope("Validation failed", status=400, detail="filename is missing")
        content_type = FILE_TYPES.get(PurePosixPath(filename).suffix.lower())
        if content_type is None or "/" in filename:
            detail = f"filename must end in one of {', '.join(FILE_TYPES)}"
            return _envelope("Not acceptable", status=406, detail=detail)
        path = f"/{self.name}/{uuid.uuid4()}/{filename}"
        url = self.state.storage.sign("PUT", path, UPLOAD_SECONDS, content_type)
        return _envelope("Pre-signed URL generated", result={"status": "OK", "preSignedUrl": url})

    async def ingest(self, request: web.Request) -> web.Response:
        """Start a workflow for uploaded files.

        Page "Create Ingestion Activity": JSON with at least one fileInfo, each with an uploadUrl (with or
        without its signature) and a fileType, and a templateType.
        https://docs.cleartax.in/cleartax-docs/gls-api/gls-api-reference/advanced-ingestion-api/create-ingestion-activity
        """
        self._authenticate(request, status=401)
        body = await read_json(request)
        files, template = body.get("fileInfo"), body.get("templateType")
        if not isinstance(files, list) or not files or not all(isinstance(file, dict) for file in files):
            return _envelope("Validation failed", status=400, detail="fileInfo must list at least one file")
        if not isinstance(template, str) or not template:
            return _envelope("Validation failed", status=400, detail="templateType is missing")
        if not all(isinstance(file.get("fileType"), str) and file["fileType"] for file in files):
            return _envelope("Validation failed", status=400, detail="fileType is missing")
        uploaded = [self.state.storage.uploaded(str(file.get("uploadUrl"))) for file in files]
        if uploaded[0] is None or None in uploaded:
            return _envelope("Validation failed", status=400, detail="no file was uploaded to this uploadUrl")
        started = self.start_from_request(request, replace(uploaded[0], content=template))
        return _envelope(f"Workflow created for taskId {started.id}", result={"taskId": started.id})

    async def status(self, request: web.Request) -> web.Response:
        """Return the state of a workflow.

        Page "Get Ingestion Activity Status": 403 if the caller is not authorized, 400 without a taskId,
        and `result` null for an unknown task.
        https://docs.cleartax.in/cleartax-docs/gls-api/gls-api-reference/advanced-ingestion-api/get-ingestion-activity-status
        """
        self._authenticate(request, status=403)
        task_id = _task_id(request)
        if not task_id:
            return _envelope("Validation failed for taskId", status=400, detail="taskId must not be empty")
        snapshot = self.imports.find(task_id)
        if snapshot is None:
            return _envelope(f"No workflow found for taskId {task_id}")
        return _envelope(f"Workflow status fetched for taskId {task_id}", result=self._result(snapshot))

    def _authenticate(self, request: web.Request, status: int) -> None:
        if self.tokens.grant(request.headers.get("x-clear-auth-token", "")) is None:
            detail = "invalid x-clear-auth-token"
            raise RequestRejected(_envelope("User not authorized", status=status, detail=detail))
        if request.headers.get("x-integration-id") not in CREDENTIALS.integration_ids:
            detail = "unknown x-integration-id"
            raise RequestRejected(_envelope("User not authorized", status=403, detail=detail))

    def _result(self, snapshot: Snapshot) -> dict[str, Any]:
        return {
            "workflowStatus": WORKFLOW[snapshot.phase],
            "taskId": snapshot.id,
            "activityStatusList": self._activities(snapshot),
            "message": f"{snapshot.rows_done} of {snapshot.scenario.rows} rows read",
            "urlsToNotify": [],
            "preSignedUrls": [],
            "generatedURLs": [],
        }

    def _activities(self, snapshot: Snapshot) -> list[dict[str, Any]]:
        """Return the stages that have ended: there is no state for a running stage."""
        transformation = _activity(snapshot, "TRANSFORMATION", "SUCCESS")
        if snapshot.phase is Phase.RUNNING:
            return [transformation]
        if not snapshot.phase.is_final:
            return []
        ingestion = _activity(snapshot, "INGESTION", INGESTION[snapshot.phase])
        ingestion["ingestionTemplate"] = snapshot.file.content or "PURCHASE"
        if snapshot.phase is Phase.FAILED:
            ingestion["errorMessage"] = "The template's mandatory columns are missing."
        if snapshot.scenario.rejected:
            ingestion["errorReportPreSign"] = self._error_report(snapshot)
        return [transformation, ingestion]

    def _error_report(self, snapshot: Snapshot) -> str:
        extra = snapshot.scenario.extra
        report = CsvFile("error", rejection_messages(snapshot.scenario), extra["report_kib"])
        return self.share(snapshot, "error-report.csv", report, extra["report_seconds"])


def _task_id(request: web.Request) -> str | None:
    return request.query.get("taskId")


def _activity(snapshot: Snapshot, stage: str, status: str) -> dict[str, Any]:
    return {
        "stage": stage,
        "ingestionTemplate": None,
        "status": status,
        "errorReportPreSign": None,
        "errorMessage": None,
        "activityId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{snapshot.id}/{stage}")),
    }


def _envelope(
    message: str, *, status: int = 200, result: Mapping[str, Any] | None = None, detail: str = ""
) -> web.Response:
    error = {"code": str(status), "message": detail or message, "validationErrors": []}
    body = {
        "status": status,
        "success": status == 200,
        "message": message,
        "result": result,
        "error": None if status == 200 else error,
        "metadata": None,
    }
    return web.json_response(body, status=status)
