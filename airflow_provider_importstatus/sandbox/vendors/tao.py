"""TAO Advance's rostering API, as its public pages describe it.

The pages show the bodies of upload and download only in part: `result.referenceId` and `result.url` follow
the format of the status call.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
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
from airflow_provider_importstatus.sandbox.uploads import read_form_file
from airflow_provider_importstatus.sandbox.vendors.base import (
    REPORT_FIELDS,
    UNDOCUMENTED_STATE,
    Vendor,
    oauth_error,
    read_form,
)

__all__ = ["CREDENTIALS", "TaoAdvanceVendor"]

PREFIX = "/api/v1/upload"
#: Lifetime of the URL of a result file in seconds; the page does not say.
DOWNLOAD_SECONDS = 3600

STATUS = {
    Phase.UNKNOWN: UNDOCUMENTED_STATE.lower(),
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


@dataclass(frozen=True, slots=True)
class Credentials:
    """Two OAuth clients, one of which lacks the scope `rostering`."""

    client_id: str = "tao-sandbox-client"
    client_secret: str = "tao-sandbox-secret"
    unscoped_client_id: str = "tao-sandbox-client-without-rostering"
    unscoped_client_secret: str = "tao-sandbox-secret-without-rostering"

    @property
    def scopes(self) -> dict[tuple[str, str], str]:
        """The scope of each client's tokens, by client id and secret."""
        return {
            (self.client_id, self.client_secret): "rostering",
            (self.unscoped_client_id, self.unscoped_client_secret): "assessment",
        }


CREDENTIALS = Credentials()


class TaoAdvanceVendor(Vendor):
    """TAO Advance, with two clients, one of which may use the rostering API."""

    name = "tao_advance"
    title = "TAO Advance"
    scenario_support = ScenarioSupport(
        fields={**REPORT_FIELDS, "report_seconds": ScenarioField(COUNT, default=DOWNLOAD_SECONDS)}
    )
    extra_credentials = (
        f"TAO Advance also accepts a client without the scope rostering: "
        f"{CREDENTIALS.unscoped_client_id} / {CREDENTIALS.unscoped_client_secret}.",
    )

    def routes(self) -> Sequence[Route]:
        """Return the calls, all behind the gateway's prefix."""
        return (
            Route("token", "POST", f"{PREFIX}/v1/oauth2/tokens", self.token),
            Route("submit", "POST", f"{PREFIX}/api/v1/upload", self.upload),
            Route("status", "GET", f"{PREFIX}/api/v1/status/{{import_id}}", self.status),
            Route("download", "GET", f"{PREFIX}/api/v1/download/{{import_id}}", self.download),
        )

    def error(self, route: str, status: int) -> web.Response:
        """Return an OAuth error on the token call; elsewhere plain text for a 401, JSON for the rest."""
        if route == "token":
            return oauth_error(status, "server_error" if status >= 500 else "invalid_request")
        if status == 401:
            return web.Response(status=401, text="Access Denied", content_type="text/plain")
        return _message(status, MESSAGES.get(status, f"Sandbox error {status}"))

    def connection(self, url: str) -> dict[str, Any]:
        """Return a connection with the client that has the scope `rostering`."""
        return {
            "conn_type": self.name,
            "host": url,
            "login": CREDENTIALS.client_id,
            "password": CREDENTIALS.client_secret,
            "extra": {},
        }

    async def token(self, request: web.Request) -> web.Response:
        """Issue a token for the client credentials grant.

        Page "Importing rostering data via API": a form, multipart as in the page's curl command or urlencoded
        as in OAuth; the response is as in OAuth.
        https://userguide.taotesting.com/developer-documentation/latest/public/importing-rostering-data-via-api
        """
        form = await read_form(request)
        if form.get("grant_type") != "client_credentials":
            return oauth_error(400, "unsupported_grant_type")
        scope = CREDENTIALS.scopes.get((str(form.get("client_id")), str(form.get("client_secret"))))
        if scope is None:
            return oauth_error(401, "invalid_client")
        token = f"tao-sandbox-token-{secrets.token_hex(16)}"
        self.tokens.issue(token, scope)
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": int(self.state.token_seconds)}
        return web.json_response({**answer, "scope": scope})

    async def upload(self, request: web.Request) -> web.Response:
        """Accept a CSV file.

        Page "Upload via API": multipart with one part `file`, a CSV file; the response holds a reference id.
        https://userguide.taotesting.com/developer-documentation/latest/public/upload-via-api
        """
        self._authenticate(request)
        file = await read_form_file(request)
        if file is None:
            return _message(400, "The body must be a multipart form with one part, 'file'.")
        if not file.name.lower().endswith(".csv"):
            return _message(400, "The file must be a CSV file.")
        started = self.start_from_request(request, file)
        return web.json_response({"result": {"referenceId": started.id}})

    async def status(self, request: web.Request) -> web.Response:
        """Return the state of an upload.

        Page "Check upload status via API": status, fileLine and messages in `result`; 404 with a message for
        an unknown reference id.
        https://userguide.taotesting.com/developer-documentation/latest/public/check-upload-status-via-api
        """
        snapshot = self._find(request)
        result = {
            "status": STATUS[snapshot.phase],
            "fileLine": snapshot.rows_done,
            "messages": _messages(snapshot),
        }
        return web.json_response({"result": result})

    async def download(self, request: web.Request) -> web.Response:
        """Return a signed URL of the result file.

        Page "Download results via API": the file itself is in a storage; anyone who has the URL can read it.
        https://userguide.taotesting.com/developer-documentation/latest/public/download-results-via-api
        """
        snapshot = self._find(request)
        extra = snapshot.scenario.extra
        file = CsvFile("message", _messages(snapshot), extra["report_kib"])
        url = self.share(snapshot, "result.csv", file, extra["report_seconds"])
        return web.json_response({"result": {"url": url}})

    def _find(self, request: web.Request) -> Snapshot:
        self._authenticate(request)
        snapshot = self.imports.find(request.match_info["import_id"])
        if snapshot is None:
            raise RequestRejected(self.error("status", 404))
        return snapshot

    def _authenticate(self, request: web.Request) -> None:
        """Reject requests as the status page's table of errors says: 401 in plain text, 403 in JSON."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        scope = self.tokens.grant(token) if scheme.lower() == "bearer" else None
        if scope is None:
            raise RequestRejected(self.error("status", 401))
        if scope != "rostering":
            raise RequestRejected(self.error("status", 403))


def _messages(snapshot: Snapshot) -> list[str]:
    if not snapshot.phase.is_final:
        return []
    failed = ["The file could not be imported."] if snapshot.phase is Phase.FAILED else []
    return failed + rejection_messages(snapshot.scenario)


def _message(status: int, message: str) -> web.Response:
    return web.json_response({"message": message}, status=status)
