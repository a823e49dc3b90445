"""A vendor whose hook has bugs: their errors quote what the hook knows."""

from __future__ import annotations

from dataclasses import replace

from airflow_provider_importstatus.hooks.base import ImportStatusHook
from airflow_provider_importstatus.protocol.flow import Flow, send_authenticated
from airflow_provider_importstatus.protocol.messages import Credential, Request, form_request
from airflow_provider_importstatus.protocol.responses import parse_token_response
from airflow_provider_importstatus.protocol.settings import ConnectionSettings
from airflow_provider_importstatus.status import ImportStatus


class CrashingHook(ImportStatusHook):
    """Fails in the way that the import's id says."""

    conn_type = "crashing"
    default_conn_name = "crashing_default"
    hook_name = "Crashing"

    def authenticate(self, settings: ConnectionSettings) -> Flow[Credential]:
        """Get a token for the password."""
        fields = {"password": settings.get_str("password")}
        response = yield form_request(f"{settings.base_url}/oauth/token", fields)
        token = parse_token_response(response, "Crashing's login")["access_token"]
        return Credential(token, obtained_at=response.received_at)

    def apply_auth(self, request: Request, credential: Credential) -> Request:
        """Present the token, in a header that HTTP libraries reject if the request's URL says so."""
        wrong = "\n" if "library" in request.url else ""
        return replace(request, headers={**request.headers, "X-Crashing-Key": f"{credential.value}{wrong}"})

    def poll(self, import_id: str) -> Flow[ImportStatus]:
        """Fail."""
        if "password" in import_id:
            raise RuntimeError(f"A bug: {self.settings.get_str('password')} is the password of {vars(self)}")
        response = yield from send_authenticated(self, Request("GET", f"/{import_id}"))
        raise RuntimeError(f"A bug: the body is {response.body!r}")
