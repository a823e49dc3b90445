"""Zilliant: how it is asked about an entity import, and what its answers mean.

https://docs.zilliant.com/apidocs/get-the-import-status
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from airflow_provider_importstatus.exceptions import ImportNotFoundError, ImportProtocolError
from airflow_provider_importstatus.hooks.base import ImportStatusHook
from airflow_provider_importstatus.hooks.connection_form import Advice
from airflow_provider_importstatus.protocol.flow import Flow, send_authenticated
from airflow_provider_importstatus.protocol.messages import (
    Credential,
    Request,
    Response,
    form_request,
    quote_path_segment,
)
from airflow_provider_importstatus.protocol.responses import (
    access_token,
    extract_messages,
    other_id,
    parse_count,
    parse_timestamp,
    parse_token_response,
    raise_for_status,
    read_json,
)
from airflow_provider_importstatus.protocol.settings import ConnectionSettings
from airflow_provider_importstatus.status import MAX_WORD, ImportState, ImportStatus, RowCounts

__all__ = ["ZilliantHook"]

STATUS, REPORT = "Zilliant's import status", "Zilliant's import report"
LOGIN = "Zilliant's login at Salesforce"
LOGIN_URL = "https://login.salesforce.com/services/oauth2/token"

STATES = {
    "RUNNING": ImportState.RUNNING,
    "SUCCEEDED": ImportState.SUCCEEDED,
    "FAILED": ImportState.FAILED,
}
#: What the report makes of an import that is over. It knows better than the status: see `_judged`.
REPORTS = {
    "SUCCESS": ImportState.SUCCEEDED,
    "PARTIAL_SUCCESS": ImportState.PARTIAL,
    "FAILED": ImportState.FAILED,
}


class ZilliantHook(ImportStatusHook):
    """Asks Zilliant how an EntityImport is going.

    :param conn_id: a connection of the type ``zilliant``
    """

    conn_type = "zilliant"
    default_conn_name = "zilliant_default"
    hook_name = "Zilliant"
    advice = Advice(
        login="For invalid_grant check {login} and {password}, for invalid_client {client_id} and"
        " {client_secret}. A sandbox of Salesforce has a {token_url} of its own.",
        refusal="Check {x_forwarded_host}, and that {host} and {token_url} belong to one environment. A"
        " {token_response} that stands in the connection may have expired.",
        address="Check {host} and {token_url}.",
    )

    def static_credential(self, settings: ConnectionSettings) -> Credential | None:
        """The ready token response."""
        response = settings.get_str("token_response")
        if not response:
            return None
        try:
            access_token = json.loads(response)["access_token"]
        except (ValueError, LookupError, TypeError):
            access_token = None
        if not isinstance(access_token, str) or not access_token:
            raise settings.error(
                "token_response", "is no JSON object with an access_token", "paste Salesforce's whole answer"
            )
        return _credential(response.encode(), access_token, obtained_at=0.0)

    def authenticate(self, settings: ConnectionSettings) -> Flow[Credential]:
        """Get Salesforce's token response. Zilliant wants all of it, not the access token alone.

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
        response = yield form_request(self.token_url(settings), fields)
        token = access_token(parse_token_response(response, LOGIN), LOGIN)
        return _credential(response.body, token, response.received_at)

    def token_url(self, settings: ConnectionSettings) -> str:
        """The connection's extra `token_url`, or Salesforce's."""
        return settings.get_str("token_url", LOGIN_URL)

    def apply_auth(self, request: Request, credential: Credential) -> Request:
        """Present the token response, and the OAuth host that calls from outside must name."""
        headers = {"Authorization": f"OAuth {credential.value}"}
        if host := self.settings.get_header("x_forwarded_host"):
            headers["X-Forwarded-Host"] = host
        return replace(request, headers={**request.headers, **headers})

    def poll(self, import_id: str) -> Flow[ImportStatus]:
        """Ask for the import's status and, when it is over, for its report."""
        path = f"/v1/EntityImport/{quote_path_segment(import_id)}"
        response = yield from send_authenticated(self, Request("GET", f"{path}/status"))
        if response.status == 404:
            read_json(response, STATUS)  # A gateway's page is not the vendor's word.
            raise ImportNotFoundError(
                f"Zilliant knows no import {import_id!r}. Is it a mappingId or an uploadId?"
                " Is the host of the connection right?"
            )
        raise_for_status(response, STATUS)
        status = read_json(response, STATUS)
        state = _read_state(status, STATES, response, STATUS)
        if not state.is_terminal:
            return _to_status(import_id, state, status, {}, response)
        # SUCCEEDED hides rows that were refused: only the report tells. Not every import has one.
        response = yield from send_authenticated(self, Request("GET", f"{path}/report"))
        if response.status == 404:
            read_json(response, REPORT)  # What a gateway does not find may well be there.
            return _to_status(import_id, state, status, {}, response)
        raise_for_status(response, REPORT)
        report = read_json(response, REPORT)
        judged = _judged(state, _read_state(report, REPORTS, response, REPORT))
        return _to_status(import_id, judged, status, report, response)


def _credential(token_response: bytes, access_token: str, obtained_at: float) -> Credential:
    encoded = base64.b64encode(token_response).decode()
    return Credential(encoded, obtained_at=obtained_at, secrets=(access_token,))


def _read_state(
    data: Mapping[str, Any], words: Mapping[str, ImportState], response: Response, what: str
) -> ImportState:
    word = data.get("status")
    if not isinstance(word, str) or not word.strip():
        raise ImportProtocolError(f"{what}: no status ({response.excerpt()})")
    return words.get(word.strip().upper(), ImportState.UNKNOWN)


def _judged(status: ImportState, report: ImportState) -> ImportState:
    """What status and report say together: a report can make FAILED partial, but never succeeded."""
    if report is ImportState.SUCCEEDED:
        return status
    return report


def _to_status(
    import_id: str,
    state: ImportState,
    status: Mapping[str, Any],
    report: Mapping[str, Any],
    response: Response,
) -> ImportStatus:
    return ImportStatus(
        vendor="zilliant",
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
