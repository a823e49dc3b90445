"""The hook for Clear One Integration's ingestion workflows.

https://docs.cleartax.in/cleartax-docs/gls-api/gls-api-reference/advanced-ingestion-api/get-ingestion-activity-status
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlencode

from airflow_provider_importstatus.exceptions import (
    ImportNotFoundError,
    ImportProtocolError,
    ImportRequestError,
    ImportSettingsError,
    ImportStatusError,
)
from airflow_provider_importstatus.hooks.base import ImportStatusHook
from airflow_provider_importstatus.hooks.connection_form import Advice
from airflow_provider_importstatus.protocol.credentials import refresh_at, token_variable_name
from airflow_provider_importstatus.protocol.flow import Flow, send_authenticated
from airflow_provider_importstatus.protocol.messages import Credential, Request, Response, json_request
from airflow_provider_importstatus.protocol.reports import ErrorReport
from airflow_provider_importstatus.protocol.responses import (
    MAX_ITEMS,
    access_token,
    extract_messages,
    other_id,
    parse_count,
    parse_timestamp,
    parse_token_response,
    raise_for_status,
    raise_for_storage,
    read_json,
    too_many,
)
from airflow_provider_importstatus.protocol.settings import ConnectionSettings
from airflow_provider_importstatus.protocol.submission import (
    find_url,
    raise_for_submission,
    read_param,
    start_import,
)
from airflow_provider_importstatus.protocol.transfers import SourceFile, Upload
from airflow_provider_importstatus.status import (
    MAX_STAGES,
    MAX_WORD,
    ImportState,
    ImportStatus,
    StageStatus,
)

__all__ = ["ClearHook"]

WHAT, LOGIN = "Clear's ingestion status", "Clear's token request"
PRESIGN, INGEST = "Clear's pre-signed URL", "Clear's ingestion request"
STORAGE = "Clear's storage"

#: Content types of the upload by file name extension.
#: https://docs.cleartax.in/cleartax-docs/gls-api/gls-api-reference/advanced-ingestion-api/upload-file-to-storage
CONTENT_TYPES = {
    "csv": "text/csv",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "zip": "application/zip",
}

WORKFLOWS = {
    "CREATED": ImportState.QUEUED,
    "PROCESSING": ImportState.RUNNING,
    "SUCCESS": ImportState.SUCCEEDED,
    "FAILED": ImportState.FAILED,
}
#: Activities have other states than workflows.
ACTIVITIES = {
    "CREATED": ImportState.QUEUED,
    "PROCESSING": ImportState.RUNNING,
    "SUCCESS": ImportState.SUCCEEDED,
    "PARTIAL_SUCCESS": ImportState.PARTIAL,
    "FAILURE": ImportState.FAILED,
}


class ClearHook(ImportStatusHook):
    """Submits files to Clear One Integration, and polls its ingestion workflows.

    :param conn_id: a connection of type ``clear``
    :param integration_id: overrides the connection's integration id
    """

    conn_type = "clear"
    default_conn_name = "clear_default"
    hook_name = "Clear One Integration"
    default_host = "https://api.clear.in"
    login_revokes_tokens = True
    advice = Advice(
        refusal="Check {login}, and {access_token} if it is filled in. Otherwise the shared token may have"
        " been revoked: the next wait requests another, a test does not.",
        untried="Or fill in {access_token}, which can be tested.",
    )

    def __init__(self, conn_id: str | None = None, integration_id: str | None = None) -> None:
        super().__init__(conn_id)
        self.integration_id = integration_id

    def static_credential(self, settings: ConnectionSettings) -> Credential | None:
        """Return the connection's access token, if any. Other logins do not revoke it."""
        token = settings.get_header("access_token")
        return Credential(token) if token else None

    def authenticate(self, settings: ConnectionSettings) -> Flow[Credential]:
        """Request a token with the client secret. It revokes the previous one; 288 a day are allowed.

        https://docs.cleartax.in/cleartax-docs/clear-finance-cloud/cfc-api-reference/generate-access-token-api
        """
        settings.require("password")
        headers = {"x-clear-client-secret": settings.get_header("password"), "Accept": "application/json"}
        response = yield Request("GET", self.token_url(settings), headers)
        data = parse_token_response(response, LOGIN)
        # One regional copy of the documentation spells the name with a hyphen.
        token = access_token(data, LOGIN, "access_token", "access-token")
        valid_till = parse_timestamp(data.get("valid_till"))
        lifetime = valid_till.timestamp() - response.received_at if valid_till else 0.0
        # An expiry in the past means that clocks differ: the token is used until it is rejected.
        expires_at = refresh_at(response.received_at, lifetime) if lifetime > 0 else None
        return Credential(token, response.received_at, expires_at)

    def token_url(self, settings: ConnectionSettings) -> str:
        """Return the token endpoint below the base URL."""
        return f"{settings.base_url}/integration/v1/authz/token"

    def shared_token_name(self, settings: ConnectionSettings) -> str:
        """Return the name of the token shared by all processes that use this secret."""
        return token_variable_name(self.conn_type, settings.base_url, settings.get_str("password"))

    def apply_auth(self, request: Request, credential: Credential) -> Request:
        """Return the request with the token and the integration id."""
        headers = {"x-clear-auth-token": credential.value, "x-integration-id": self._integration()}
        return request.with_headers(headers)

    def effective_status(self, response: Response) -> int:
        """Return the envelope's status if it is an error's and the HTTP status is not.

        An envelope with an error and nothing else stands for 400.
        """
        if response.status >= 300:
            return response.status
        try:
            envelope = read_json(response, WHAT)
        except ImportStatusError:
            return response.status
        stated = parse_count(envelope.get("status"))
        if stated is not None and stated >= 400:
            return stated
        is_refusal = envelope.get("success") is False and envelope.get("error") and not envelope.get("result")
        return 400 if is_refusal else response.status

    def submit(self, file: SourceFile, template_type: str | None = None) -> Flow[str]:
        """Upload a file, start its ingestion, and return the taskId.

        https://docs.cleartax.in/cleartax-docs/gls-api/gls-api-reference/advanced-ingestion-api/create-ingestion-activity

        :param file: a csv, xls, xlsx or zip file
        :param template_type: Clear's templateType: ``SALES``, ``PURCHASE``, ``TDSV2_PR``, ``GENERAL_LEDGER``
            without a transformation
        """
        template = read_param("template_type", template_type, "SALES")
        extension = _extension(file.name)
        self._integration()  # Fails before a token is requested.
        query = urlencode({"filename": file.name})
        presign = Request("GET", f"/one-integration/action/pre-sign?{query}")
        response = yield from send_authenticated(self, presign)
        raise_for_submission(response, PRESIGN)
        url = find_url(response, PRESIGN)
        upload = Upload(file, CONTENT_TYPES[extension])
        stored = yield Request("PUT", url, body=upload, is_signed=True)
        raise_for_storage(stored, STORAGE)
        info = {"uploadUrl": url, "filename": file.name, "fileType": extension.upper()}
        body = {"fileInfo": [info], "templateType": template}
        ingest = json_request("POST", "/one-integration/api/v1/ingest", body)
        return (yield from start_import(self, ingest, INGEST, "taskId", "workflowId", "activityId"))

    def error_reports(self, import_id: str) -> Flow[Sequence[ErrorReport]]:
        """Return the error reports of the activities. Their URLs are valid for an hour."""
        response, result = yield from self._result(import_id)
        return [
            ErrorReport(_to_stage(activity, response).stage, Request("GET", url, is_signed=True))
            for activity, url in _report_urls(_activities(result))
        ]

    def poll(self, import_id: str) -> Flow[ImportStatus]:
        """Poll the workflow and its activities once and return their status."""
        response, result = yield from self._result(import_id)
        return _to_status(self.vendor, import_id, result, response)

    def _result(self, import_id: str) -> Flow[tuple[Response, Mapping[str, Any]]]:
        self._integration()  # Fails before a token is requested.
        query = urlencode({"taskId": import_id})
        response = yield from send_authenticated(
            self, Request("GET", f"/one-integration/workflow/status?{query}")
        )
        raise_for_status(response, WHAT)
        envelope = read_json(response, WHAT)
        error, result = envelope.get("error"), envelope.get("result")
        if error:
            reason = response.clean("; ".join(extract_messages(response, error)))
            raise ImportRequestError(f"{WHAT}: request rejected: {reason}. Check the import_id.")
        if result is None and ("result" in envelope or isinstance(envelope.get("success"), bool)):
            raise ImportNotFoundError(
                f"Clear knows no task {import_id!r}. Check that it is the taskId of the ingest call."
            )
        if not isinstance(result, dict) or envelope.get("success") is False:
            raise ImportProtocolError(f"{WHAT}: no usable result ({response.excerpt()})")
        return response, result

    def _integration(self) -> str:
        if self.integration_id is not None:
            return _integration_id(self.integration_id)
        settings = self.settings
        integration = settings.get_header("login") or settings.get_header("integration_id")
        if not integration:
            remedy = "put the integration id there or into the extra integration_id"
            raise settings.error("login", "is empty", remedy)
        return integration


def _integration_id(value: object) -> str:
    # An empty id must not fall back to the connection's, which may be another integration.
    if not isinstance(value, str) or not value.strip() or not (value.isascii() and value.isprintable()):
        fact = "empty or unprintable" if isinstance(value, str) else f"of type {type(value).__name__}"
        raise ImportSettingsError(
            f"integration_id is {fact}. Give the integration id as a str, or omit it. Nothing was sent."
        )
    return value.strip()


def _to_status(vendor: str, import_id: str, result: Mapping[str, Any], response: Response) -> ImportStatus:
    word = result.get("workflowStatus")
    if not isinstance(word, str) or not word.strip():
        raise ImportProtocolError(f"{WHAT}: no workflowStatus ({response.excerpt()})")
    activities = _activities(result)
    state = WORKFLOWS.get(word.strip().upper(), ImportState.UNKNOWN)
    # With SUCCESS, even all rows may be rejected: only the activities show it.
    if state is ImportState.SUCCEEDED and any(_activity_state(each) is not state for each in activities):
        state = ImportState.PARTIAL
    return ImportStatus(
        vendor=vendor,
        import_id=import_id,
        state=state,
        vendor_state=response.clean(word, MAX_WORD),
        messages=extract_messages(
            response,
            *(item.get("errorMessage") for item in activities),
            result.get("message"),
            other_id(import_id, "taskId", result.get("taskId")),
        ),
        stages=tuple(_to_stage(activity, response) for activity in activities[:MAX_STAGES]),
        more_stages=len(activities[MAX_STAGES:]),
        error_report_urls=tuple(url for _, url in _report_urls(activities)),
    )


def _activities(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    activities = result.get("activityStatusList") or []
    if not isinstance(activities, list) or not all(isinstance(item, dict) for item in activities):
        raise ImportProtocolError(f"{WHAT}: activityStatusList is not a list of objects")
    if len(activities) > MAX_ITEMS:
        raise too_many()
    return activities


def _report_urls(activities: Iterable[Mapping[str, Any]]) -> Iterator[tuple[Mapping[str, Any], str]]:
    found = ((activity, activity.get("errorReportPreSign")) for activity in activities)
    return islice(((each, url) for each, url in found if isinstance(url, str) and url), MAX_STAGES)


def _extension(name: str) -> str:
    extension = PurePosixPath(name).suffix.removeprefix(".").lower()
    if extension not in CONTENT_TYPES:
        raise ImportSettingsError(
            f"file {name!r} has no extension that Clear accepts. Give a file that ends in one of"
            f" {', '.join(CONTENT_TYPES)}. Nothing was sent."
        )
    return extension


def _activity_state(activity: Mapping[str, Any]) -> ImportState:
    word = activity.get("status")
    state = isinstance(word, str) and ACTIVITIES.get(word.strip().upper())
    return state or ImportState.UNKNOWN


def _to_stage(activity: Mapping[str, Any], response: Response) -> StageStatus:
    stage, template = (
        extract_messages(response, activity.get("stage")),
        extract_messages(response, activity.get("ingestionTemplate")),
    )
    return StageStatus(
        stage="; ".join(stage) or "?",
        template="; ".join(template) or None,
        state=_activity_state(activity),
        message="; ".join(extract_messages(response, activity.get("errorMessage"))) or None,
    )
