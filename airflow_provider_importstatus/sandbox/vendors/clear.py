"""Clear One Integration, as its public pages describe it.

The bodies of pre-sign and ingest are not public in full: `preSignedUrl` and `result.taskId` are our guess.
"""

from __future__ import annotations

import secrets
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from airflow_provider_importstatus.sandbox.attend import Refused
from airflow_provider_importstatus.sandbox.course import Phase, rejections
from airflow_provider_importstatus.sandbox.credentials import CLEAR
from airflow_provider_importstatus.sandbox.imports import File, Snapshot
from airflow_provider_importstatus.sandbox.vendors.base import (
    UNDOCUMENTED_WORD,
    Route,
    Vendor,
    read_json,
    utc,
)
from airflow_provider_importstatus.sandbox.world import World

__all__ = ["ClearVendor"]

#: Token requests a day, per client secret; counted anew at 00:00 UTC.
DAILY_TOKENS = 288
#: Seconds that an error report's URL works: one hour, says the status page.
REPORT_SECONDS = 3600
#: Seconds that an upload's URL works: ten minutes, say the pages of Clear's sibling APIs.
UPLOAD_SECONDS = 600
FILE_TYPES = (".csv", ".xlsx", ".xls", ".zip")

WORKFLOW = {
    Phase.UNKNOWN: UNDOCUMENTED_WORD,
    Phase.QUEUED: "CREATED",
    Phase.RUNNING: "PROCESSING",
    Phase.SUCCEEDED: "SUCCESS",
    # All stages are SUCCESS or PARTIAL_SUCCESS: for the workflow that is SUCCESS.
    Phase.PARTIAL: "SUCCESS",
    Phase.FAILED: "FAILED",
}
INGESTION = {Phase.SUCCEEDED: "SUCCESS", Phase.PARTIAL: "PARTIAL_SUCCESS", Phase.FAILED: "FAILURE"}


class ClearVendor(Vendor):
    """Clear, with one API client and two integrations."""

    name = "clear"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._tokens_a_day: Counter[str] = Counter()

    def routes(self) -> Sequence[Route]:
        """Return the token call, the three calls that submit a file, and the status call."""
        return (
            Route("token", "GET", "/integration/v1/authz/token", self.token),
            Route("presign", "GET", "/one-integration/action/pre-sign", self.presign),
            Route("submit", "POST", "/one-integration/api/v1/ingest", self.ingest),
            Route("status", "GET", "/one-integration/workflow/status", self.status),
        )

    def error(self, route: str, status: int) -> web.Response:
        """Return the errors[] of the token call, or the envelope of all others."""
        if route == "token":
            mistake = {"error_code": f"E{status}", "error_message": f"HTTP {status}", "error_source": "CLEAR"}
            return web.json_response({"errors": [mistake]}, status=status)
        return _envelope(f"Request failed with {status}", status=status)

    def reset(self) -> None:
        """Forget the quota, too."""
        super().reset()
        self._tokens_a_day.clear()

    async def token(self, request: web.Request) -> web.Response:
        """Mint a token.

        Page "Generate Access Token API": the header x-clear-client-secret is exchanged for an access_token;
        a new token revokes the one before, and a secret gets 288 of them a day.
        https://docs.cleartax.in/cleartax-docs/clear-finance-cloud/cfc-api-reference/generate-access-token-api
        """
        if request.headers.get("x-clear-client-secret") != CLEAR.client_secret:
            return self.error("token", 401)
        today = utc(self.world.clock()).date().isoformat()
        if self._tokens_a_day[today] >= DAILY_TOKENS:
            return self.error("token", 429)
        self._tokens_a_day[today] += 1
        self.tokens.clear()
        token = f"clear-sandbox-token-{secrets.token_hex(16)}"
        valid_till = self.tokens.issue(token, CLEAR.client_secret)
        return web.json_response({"access_token": token, "valid_till": utc(valid_till).isoformat()})

    async def presign(self, request: web.Request) -> web.Response:
        """Return the URL that a file is to be PUT to.

        Page "Get Pre-signed URL": `filename` with the extension csv, xlsx, xls or zip; 401 for failed
        authentication, 406 for parameters that cannot be processed.
        https://docs.cleartax.in/cleartax-docs/gls-api/gls-api-reference/advanced-ingestion-api/get-pre-signed-url
        """
        self._authenticate(request, refusal=401)
        filename = request.query.get("filename", "")
        if not filename:
            return _envelope("Validation failed", status=400, detail="filename is missing")
        if not filename.lower().endswith(FILE_TYPES) or "/" in filename:
            return _envelope("Not acceptable", status=406, detail=f"filename takes {', '.join(FILE_TYPES)}")
        url = self.world.storage.sign("PUT", f"/clear/{uuid.uuid4()}/{filename}", UPLOAD_SECONDS)
        return _envelope("Pre-signed URL generated", result={"status": "OK", "preSignedUrl": url})

    async def ingest(self, request: web.Request) -> web.Response:
        """Start a workflow on uploaded files.

        Page "Create Ingestion Activity": JSON with at least one fileInfo, each with an uploadUrl (its
        signature may be left out), and a templateType.
        https://docs.cleartax.in/cleartax-docs/gls-api/gls-api-reference/advanced-ingestion-api/create-ingestion-activity
        """
        self._authenticate(request, refusal=401)
        body = await read_json(request)
        files, template = body.get("fileInfo"), body.get("templateType")
        if not isinstance(files, list) or not files or not all(isinstance(file, dict) for file in files):
            return _envelope("Validation failed", status=400, detail="fileInfo needs at least one file")
        if not isinstance(template, str) or not template:
            return _envelope("Validation failed", status=400, detail="templateType is missing")
        if not all(self.world.storage.holds(str(file.get("uploadUrl"))) for file in files):
            return _envelope("Validation failed", status=400, detail="no file was uploaded to this uploadUrl")
        started = self.submitted(request, File(kind=template))
        return _envelope(f"Workflow created for taskId {started.id}", result={"taskId": started.id})

    async def status(self, request: web.Request) -> web.Response:
        """Say how a workflow is going.

        Page "Get Ingestion Activity Status": 403 for whoever is not authorized, 400 without a taskId, and
        `result` null for a task that is not found.
        https://docs.cleartax.in/cleartax-docs/gls-api/gls-api-reference/advanced-ingestion-api/get-ingestion-activity-status
        """
        self._authenticate(request, refusal=403)
        task_id = request.query.get("taskId", "")
        if not task_id:
            return _envelope("Validation failed for taskId", status=400, detail="taskId must not be empty")
        seen = self.imports.find(task_id)
        if seen is None:
            return _envelope(f"No workflow found for taskId {task_id}")
        return _envelope(f"Workflow status fetched for taskId {task_id}", result=self._result(seen))

    def _authenticate(self, request: web.Request, refusal: int) -> None:
        if self.tokens.meaning(request.headers.get("x-clear-auth-token", "")) is None:
            raise Refused(
                _envelope("User not authorized", status=refusal, detail="invalid x-clear-auth-token")
            )
        if request.headers.get("x-integration-id") not in CLEAR.integration_ids:
            raise Refused(_envelope("User not authorized", status=403, detail="unknown x-integration-id"))

    def _result(self, seen: Snapshot) -> dict[str, Any]:
        return {
            "workflowStatus": WORKFLOW[seen.phase],
            "taskId": seen.id,
            "activityStatusList": self._activities(seen),
            "message": f"{seen.rows_done} of {seen.course.rows} rows read",
            "urlsToNotify": [],
            "preSignedUrls": [],
            "generatedURLs": [],
        }

    def _activities(self, seen: Snapshot) -> list[dict[str, Any]]:
        """Return the stages that have ended: no stage has a word for going on."""
        transformation = _activity(seen, "TRANSFORMATION", "SUCCESS")
        if seen.phase is Phase.RUNNING:
            return [transformation]
        if not seen.phase.is_over:
            return []
        ingestion = _activity(seen, "INGESTION", INGESTION[seen.phase])
        ingestion["ingestionTemplate"] = seen.file.kind or "PURCHASE"
        if seen.phase is Phase.FAILED:
            ingestion["errorMessage"] = "The template's mandatory columns are missing."
        if seen.course.rejected:
            ingestion["errorReportPreSign"] = self._error_report(seen)
        return [transformation, ingestion]

    def _error_report(self, seen: Snapshot) -> str:
        path = f"/clear/{seen.id}/error-report.csv"
        self.world.storage.keep(path, "\n".join(["error", *rejections(seen.course), ""]).encode())
        return self.world.storage.sign("GET", path, REPORT_SECONDS)


def _activity(seen: Snapshot, stage: str, status: str) -> dict[str, Any]:
    return {
        "stage": stage,
        "ingestionTemplate": None,
        "status": status,
        "errorReportPreSign": None,
        "errorMessage": None,
        "activityId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{seen.id}/{stage}")),
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
