"""A vendor for the tests of flows and credentials."""

from __future__ import annotations

from dataclasses import replace

from airflow_provider_importstatus.exceptions import (
    ImportAuthError,
)
from airflow_provider_importstatus.protocol.flow import (
    Flow,
)
from airflow_provider_importstatus.protocol.messages import (
    Credential,
    Request,
    Response,
)
from airflow_provider_importstatus.protocol.settings import ConnectionSettings
from airflow_provider_importstatus.status import ImportStatus

from ..hooks.playing import NOW

SETTINGS = ConnectionSettings("files", "acme", host="acme.example", password="client-secret")
OTHER = replace(SETTINGS, host="moved.example")
QUESTION = Request("GET", "/status/42")
OLD, NEW = Credential("old-token", obtained_at=NOW - 900), Credential("new-token", obtained_at=NOW)


class Acme:
    """A typical vendor; the test decides whether its processes share a credential."""

    hook_name = "Acme"

    def __init__(self, settings: ConnectionSettings = SETTINGS, shared_token_name: str | None = None) -> None:
        self.settings = settings
        self._shared_token_name = shared_token_name
        self.logins = 0

    def static_credential(self, settings: ConnectionSettings) -> Credential | None:
        return Credential(settings.extra["ready"]) if "ready" in settings.extra else None

    def authenticate(self, settings: ConnectionSettings) -> Flow[Credential]:
        self.logins += 1
        response: Response = yield Request("POST", self.token_url(settings))
        if response.status == 401:
            raise ImportAuthError("Acme's login was refused.")
        return Credential(response.body.decode(), obtained_at=response.received_at)

    def token_url(self, settings: ConnectionSettings) -> str:
        return f"{settings.base_url}/token"

    def shared_token_name(self, settings: ConnectionSettings) -> str | None:  # noqa: ARG002
        return self._shared_token_name

    def apply_auth(self, request: Request, credential: Credential) -> Request:
        return replace(request, headers={**request.headers, "Authorization": credential.value})

    def effective_status(self, response: Response) -> int:
        return 403 if response.body == b"no entry" else response.status

    def poll(self, import_id: str) -> Flow[ImportStatus]:
        raise NotImplementedError
