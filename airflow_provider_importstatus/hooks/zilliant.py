"""The hook for Zilliant's entity imports.

https://docs.zilliant.com/apidocs/get-the-import-status
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from airflow_provider_importstatus.exceptions import (
    ImportNotFoundError,
    ImportProtocolError,
    ImportRequestError,
    ImportSettingsError,
)
from airflow_provider_importstatus.hooks.base import ImportStatusHook
from airflow_provider_importstatus.hooks.connection_form import Advice
from airflow_provider_importstatus.protocol.credentials import token_variable_name
from airflow_provider_importstatus.protocol.flow import Flow, send_authenticated
from airflow_provider_importstatus.protocol.messages import (
    Credential,
    Request,
    Response,
    form_request,
    json_request,
    quote_path_segment,
)
from airflow_provider_importstatus.protocol.reports import ErrorReport
from airflow_provider_importstatus.protocol.responses import (
    access_token,
    extract_messages,
    is_missing,
    other_id,
    parse_count,
    parse_timestamp,
    parse_token_response,
    raise_for_status,
    read_json,
)
from airflow_provider_importstatus.protocol.settings import ConnectionSettings
from airflow_provider_importstatus.protocol.submission import (
    find_id,
    raise_for_submission,
    read_param,
    start_import,
)
from airflow_provider_importstatus.protocol.transfers import SourceFile, Upload
from airflow_provider_importstatus.status import MAX_WORD, ImportState, ImportStatus, RowCounts

__all__ = ["ZilliantHook"]

STATUS, REPORT = "Zilliant's import status", "Zilliant's import report"
MAPPING, UPLOAD, START = "Zilliant's mapping", "Zilliant's upload", "Zilliant's import request"
LOGIN = "Zilliant's login at Salesforce"
IMPORT = "/v1/EntityImport"
LOGIN_URL = "https://login.salesforce.com/services/oauth2/token"

STATES = {
    "RUNNING": ImportState.RUNNING,
    "SUCCEEDED": ImportState.SUCCEEDED,
    "FAILED": ImportState.FAILED,
}
#: The report's states of a finished import. They override the status: see `_combined`.
REPORTS = {
    "SUCCESS": ImportState.SUCCEEDED,
    "PARTIAL_SUCCESS": ImportState.PARTIAL,
    "FAILED": ImportState.FAILED,
}


class ZilliantHook(ImportStatusHook):
    """Submits files as EntityImports to Zilliant, and polls these.

    :param conn_id: a connection of type ``zilliant``
    """

    conn_type = "zilliant"
    default_conn_name = "zilliant_default"
    hook_name = "Zilliant"
    advice = Advice(
        login="For invalid_grant check {login} and {password}, for invalid_client {client_id} and"
        " {client_secret}. Salesforce sandboxes have another {token_url}.",
        refusal="Check {x_forwarded_host}, and that {host} and {token_url} belong to the same environment. A"
        " {token_response} in the connection may have expired.",
        address="Check {host} and {token_url}.",
    )

    def static_credential(self, settings: ConnectionSettings) -> Credential | None:
        """Return the token response that the connection contains, if any."""
        text = settings.get_str("token_response")
        if not text:
            return None
        try:
            return _credential(Response(200, body=text.encode()))
        except ImportProtocolError:
            fact = "is not a JSON object with an access_token"
            raise settings.error("token_response", fact, "paste Salesforce's complete response") from None

    def authenticate(self, settings: ConnectionSettings) -> Flow[Credential]:
        """Request a token response from Salesforce. Zilliant requires all of it, not only the access token.

        https://docs.zilliant.com/v1-api/apidocs/request-an-access-token
        """
        settings.require("login", "password", "client_id", "client_secret")
        fields = {
            "grant_type": "password",
            "username": settings.get_str("login"),
            "password": settings.get_str("password"),
            "client_id": settings.get_str("client_id"),
            "client_secret": settings.get_str("client_secret"),
        }
        return _credential((yield form_request(self.token_url(settings), fields)))

    def token_url(self, settings: ConnectionSettings) -> str:
        """Return the connection's extra `token_url`, or Salesforce's."""
        return settings.get_str("token_url", LOGIN_URL)

    def shared_token_name(self, settings: ConnectionSettings) -> str | None:
        """Return the name of the token response that processes share if the connection says so."""
        if not settings.share_token:
            return None
        owner = (self.token_url(settings), settings.get_str("login"), settings.get_str("client_id"))
        return token_variable_name(self.conn_type, settings.base_url, *owner)

    def apply_auth(self, request: Request, credential: Credential) -> Request:
        """Return the request with the token response and, if configured, the OAuth host."""
        headers = {"Authorization": f"OAuth {credential.value}"}
        if host := self.settings.get_header("x_forwarded_host"):
            headers["X-Forwarded-Host"] = host
        return request.with_headers(headers)

    def submit(
        self,
        file: SourceFile,
        mapping_id: str | int | None = None,
        mapping: Mapping[str, Any] | None = None,
    ) -> Flow[str]:
        """Upload a CSV file, start its import, and return the importId.

        https://docs.zilliant.com/apidocs/invoke-the-file-import-workflow

        :param mapping_id: the mapping that describes the file
        :param mapping: the JSON object that creates a mapping, instead of ``mapping_id``
        """
        if mapping is None:
            mapping_id = read_param("mapping_id", mapping_id, "6f1c1b9e-…")
        elif mapping_id is not None or not isinstance(mapping, Mapping):
            raise ImportSettingsError(
                "mapping is given with mapping_id, or is not a dictionary. Give one of mapping_id (text) and"
                " mapping (dictionary). Nothing was sent."
            )
        else:
            mapping_id = yield from self._create_mapping(mapping)
        path = f"{IMPORT}/{quote_path_segment(mapping_id)}/upload"
        upload = Request("POST", path, body=Upload(file, "text/csv", field="file"))
        response = yield from send_authenticated(self, upload)
        if is_missing(response, UPLOAD):
            raise ImportRequestError(f"Zilliant knows no mapping {mapping_id!r}. Check mapping_id.")
        raise_for_submission(response, UPLOAD)
        upload_id = find_id(response, UPLOAD, "uploadId")
        start = Request("POST", f"{IMPORT}/{quote_path_segment(upload_id)}/import")
        return (yield from start_import(self, start, START, "importId", "entityImportId"))

    def _create_mapping(self, mapping: Mapping[str, Any]) -> Flow[str]:
        """Create a mapping and return its id.

        https://docs.zilliant.com/v1-api/apidocs/send-file-metadata
        """
        response = yield from send_authenticated(self, _mapping_request(mapping))
        raise_for_submission(response, MAPPING)
        return find_id(response, MAPPING, "mappingId")

    def error_reports(self, import_id: str) -> Flow[Sequence[ErrorReport]]:
        """Return the file of rejected rows.

        https://docs.zilliant.com/v1-api/apidocs/get-the-error-file
        """
        path = f"{IMPORT}/{quote_path_segment(import_id)}/errorFile"
        return [ErrorReport("errors", Request("GET", path))]
        yield

    def poll(self, import_id: str) -> Flow[ImportStatus]:
        """Poll the import once, including its report if it has ended, and return its status."""
        path = f"{IMPORT}/{quote_path_segment(import_id)}"
        response = yield from send_authenticated(self, Request("GET", f"{path}/status"))
        if is_missing(response, STATUS):
            raise ImportNotFoundError(
                f"Zilliant knows no import {import_id!r}. Check that it is an importId rather than a"
                " mappingId or uploadId, and check the host of the connection."
            )
        raise_for_status(response, STATUS)
        status = read_json(response, STATUS)
        state = _read_state(status, STATES, response, STATUS)
        if not state.is_terminal:
            return _to_status(self.vendor, import_id, state, status, {}, response)
        # With SUCCEEDED, rows may be rejected: only the report shows it. Not every import has one.
        response = yield from send_authenticated(self, Request("GET", f"{path}/report"))
        if is_missing(response, REPORT):
            return _to_status(self.vendor, import_id, state, status, {}, response)
        raise_for_status(response, REPORT)
        report = read_json(response, REPORT)
        combined = _combined(state, _read_state(report, REPORTS, response, REPORT))
        return _to_status(self.vendor, import_id, combined, status, report, response)


def _mapping_request(mapping: Mapping[str, Any]) -> Request:
    fact = "is empty"
    if mapping:
        try:
            return json_request("POST", f"{IMPORT}/", dict(mapping))
        except (TypeError, ValueError, RecursionError) as error:
            fact = f"cannot be sent as JSON ({type(error).__name__})"
    raise ImportSettingsError(
        f"mapping {fact}. Give a dictionary with entitySystemName and definition. Nothing was sent."
    )


def _credential(response: Response) -> Credential:
    token = access_token(parse_token_response(response, LOGIN), LOGIN)
    encoded = base64.b64encode(response.body).decode()
    return Credential(encoded, obtained_at=response.received_at, secrets=(token,))


def _read_state(
    data: Mapping[str, Any], states: Mapping[str, ImportState], response: Response, what: str
) -> ImportState:
    word = data.get("status")
    if not isinstance(word, str) or not word.strip():
        raise ImportProtocolError(f"{what}: no status ({response.excerpt()})")
    return states.get(word.strip().upper(), ImportState.UNKNOWN)


def _combined(status: ImportState, report: ImportState) -> ImportState:
    """Return the state of both: a report can turn FAILED into partial, but not into succeeded."""
    if report is ImportState.SUCCEEDED:
        return status
    return report


def _to_status(
    vendor: str,
    import_id: str,
    state: ImportState,
    status: Mapping[str, Any],
    report: Mapping[str, Any],
    response: Response,
) -> ImportStatus:
    return ImportStatus(
        vendor=vendor,
        import_id=import_id,
        state=state,
        vendor_state=response.clean(status["status"], MAX_WORD),
        rows=RowCounts(
            total=parse_count(report.get("processedRows")), failed=parse_count(report.get("failedRows"))
        ),
        messages=extract_messages(response, report.get("message"), *_remarks(import_id, status)),
        started_at=parse_timestamp(status.get("startDate")),
        finished_at=parse_timestamp(status.get("stopDate")),
    )


def _remarks(import_id: str, status: Mapping[str, Any]) -> Iterator[str]:
    if status.get("clientErrorCallingService") is True:
        yield "Zilliant reports clientErrorCallingService: a client-side error when the service was called."
    if remark := other_id(import_id, "entityImportId", status.get("entityImportId")):
        yield remark
