"""The hook for TAO Advance's rostering uploads.

https://userguide.taotesting.com/developer-documentation/latest/public/check-upload-status-via-api
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from urllib3.filepost import encode_multipart_formdata

from airflow_provider_importstatus.exceptions import ImportNotFoundError, ImportProtocolError
from airflow_provider_importstatus.hooks.base import ImportStatusHook
from airflow_provider_importstatus.hooks.connection_form import Advice
from airflow_provider_importstatus.protocol.credentials import refresh_at, token_variable_name
from airflow_provider_importstatus.protocol.flow import Flow, send_authenticated
from airflow_provider_importstatus.protocol.messages import (
    Credential,
    Request,
    form_request,
    quote_path_segment,
)
from airflow_provider_importstatus.protocol.reports import ErrorReport
from airflow_provider_importstatus.protocol.responses import (
    access_token,
    extract_messages,
    is_missing,
    parse_count,
    parse_token_response,
    raise_for_status,
    read_json,
)
from airflow_provider_importstatus.protocol.settings import ConnectionSettings
from airflow_provider_importstatus.protocol.submission import find_url, start_import
from airflow_provider_importstatus.protocol.transfers import SourceFile, Upload
from airflow_provider_importstatus.redaction import is_nothing
from airflow_provider_importstatus.status import MAX_WORD, ImportState, ImportStatus, RowCounts

__all__ = ["TaoAdvanceHook"]

WHAT, LOGIN = "TAO Advance's upload status", "TAO Advance's token request"
UPLOAD, DOWNLOAD = "TAO Advance's upload", "TAO Advance's result file"
#: A gateway's prefix in front of the service's own path. The documentation's own response has it twice.
DEFAULT_PREFIX = "/api/v1/upload"
#: Lifetime of a token whose response does not state it, in seconds, as in the documentation's example.
DEFAULT_LIFETIME = 3600.0
ACCEPT_JSON = {"Accept": "application/json"}

STATES = {
    "pending": ImportState.RUNNING,
    "processed": ImportState.SUCCEEDED,
    "failed": ImportState.FAILED,
}


class TaoAdvanceHook(ImportStatusHook):
    """Uploads rosters to TAO Advance, and polls these uploads.

    :param conn_id: a connection of type ``tao_advance``
    """

    conn_type = "tao_advance"
    default_conn_name = "tao_advance_default"
    hook_name = "TAO Advance"
    advice = Advice(
        login="Check {login} and {password}; if both are correct, also {token_request_encoding}.",
        refusal="If the response mentions a scope, ask TAO to grant the client the scope rostering. Otherwise"
        " check that {host} and {token_url} belong to the same deployment.",
        address="Check {host}, {api_prefix} and {token_url}.",
    )

    def authenticate(self, settings: ConnectionSettings) -> Flow[Credential]:
        """Request a token with the client credentials.

        https://userguide.taotesting.com/user-documentation/latest/public/api-authentication
        """
        settings.require("login", "password")
        fields = {
            "grant_type": "client_credentials",
            "client_id": settings.get_str("login"),
            "client_secret": settings.get_str("password"),
        }
        response = yield _token_request(settings, self.token_url(settings), fields)
        data = parse_token_response(response, LOGIN)
        token = access_token(data, LOGIN)
        expires_in = parse_count(data.get("expires_in"))
        lifetime = DEFAULT_LIFETIME if expires_in is None else expires_in
        return Credential(token, response.received_at, refresh_at(response.received_at, lifetime))

    def token_url(self, settings: ConnectionSettings) -> str:
        """Return the connection's extra `token_url`, or the deployment's token endpoint."""
        return settings.get_str("token_url") or f"{settings.base_url}{_prefix(settings)}/v1/oauth2/tokens"

    def shared_token_name(self, settings: ConnectionSettings) -> str | None:
        """Return the name of the token that processes share if the connection says so."""
        if not settings.share_token:
            return None
        owner = (self.token_url(settings), settings.get_str("login"))
        return token_variable_name(self.conn_type, settings.base_url, *owner)

    def apply_auth(self, request: Request, credential: Credential) -> Request:
        """Return the request with the token."""
        headers = {"Authorization": f"Bearer {credential.value}"}
        return request.with_headers(headers)

    def submit(self, file: SourceFile) -> Flow[str]:
        """Upload a CSV file and return the referenceId.

        https://userguide.taotesting.com/developer-documentation/latest/public/upload-via-api
        """
        path = f"{_prefix(self.settings)}/api/v1/upload"
        request = Request("POST", path, ACCEPT_JSON, Upload(file, "text/csv", field="file"))
        return (yield from start_import(self, request, UPLOAD, "referenceId", "id"))

    def error_reports(self, import_id: str) -> Flow[Sequence[ErrorReport]]:
        """Return the result file of an upload.

        https://userguide.taotesting.com/developer-documentation/latest/public/download-results-via-api
        """
        path = f"{_prefix(self.settings)}/api/v1/download/{quote_path_segment(import_id)}"
        response = yield from send_authenticated(self, Request("GET", path, ACCEPT_JSON))
        if is_missing(response, DOWNLOAD):
            return ()
        raise_for_status(response, DOWNLOAD)
        signed = Request("GET", find_url(response, DOWNLOAD), is_signed=True)
        return [ErrorReport("result", signed)]

    def poll(self, import_id: str) -> Flow[ImportStatus]:
        """Poll the upload once and return its status."""
        path = f"{_prefix(self.settings)}/api/v1/status/{quote_path_segment(import_id)}"
        response = yield from send_authenticated(self, Request("GET", path))
        if is_missing(response, WHAT):
            raise ImportNotFoundError(
                f"TAO Advance knows no upload {import_id!r}. Check that it is the referenceId of the upload"
                " call, and check host and api_prefix of the connection."
            )
        raise_for_status(response, WHAT)
        result = read_json(response, WHAT).get("result")
        word = result.get("status") if isinstance(result, Mapping) else None
        if not isinstance(result, Mapping) or not isinstance(word, str) or not word.strip():
            raise ImportProtocolError(f"{WHAT}: no result.status ({response.excerpt()})")
        state = STATES.get(word.strip().lower(), ImportState.UNKNOWN)
        messages = extract_messages(response, result.get("messages"))
        # According to the documentation, a successful import has no messages.
        if state is ImportState.SUCCEEDED and _has_messages(result.get("messages")):
            state = ImportState.PARTIAL
        return ImportStatus(
            vendor=self.vendor,
            import_id=import_id,
            state=state,
            vendor_state=response.clean(word, MAX_WORD),
            rows=RowCounts(total=parse_count(result.get("fileLine"))),
            messages=messages,
        )


def _has_messages(value: Any) -> bool:
    """Return whether there is any message. Empty ones may be errors, placeholders such as "NA" are not."""
    values = value if isinstance(value, list) else [value] if value else []
    return not all(isinstance(text, str) and text.strip() and is_nothing(text) for text in values)


def _prefix(settings: ConnectionSettings) -> str:
    # Older deployments have no prefix, so "" differs from None, which forms save for an empty field.
    extra = settings.extra.get("api_prefix")
    prefix = DEFAULT_PREFIX if extra is None else settings.get_str("api_prefix")
    return f"/{prefix.strip('/')}" if prefix.strip("/") else ""


def _token_request(settings: ConnectionSettings, url: str, fields: Mapping[str, str]) -> Request:
    match settings.get_str("token_request_encoding", "multipart"):
        case "urlencoded":
            return form_request(url, fields)
        case "multipart":
            body, content_type = encode_multipart_formdata(fields)
            return Request("POST", url, {"Content-Type": content_type, "Accept": "application/json"}, body)
    raise settings.error("token_request_encoding", "is neither multipart nor urlencoded", "use one of them")
