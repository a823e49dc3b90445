"""A custom vendor with a different login, different states, and two requests per poll."""

from __future__ import annotations

from dataclasses import replace

from airflow_provider_importstatus.exceptions import ImportNotFoundError
from airflow_provider_importstatus.hooks.base import ImportStatusHook
from airflow_provider_importstatus.protocol.flow import Flow, send_authenticated
from airflow_provider_importstatus.protocol.messages import (
    Credential,
    Request,
    form_request,
    quote_path_segment,
)
from airflow_provider_importstatus.protocol.responses import (
    extract_messages,
    parse_count,
    parse_token_response,
    raise_for_status,
    read_json,
)
from airflow_provider_importstatus.protocol.settings import ConnectionSettings
from airflow_provider_importstatus.status import ImportState, ImportStatus, RowCounts

STATES = {
    "baking": ImportState.RUNNING,
    "done": ImportState.SUCCEEDED,
    "burnt": ImportState.FAILED,
}


class AcmeHook(ImportStatusHook):
    """Polls imports of Acme.

    :param oven: the Acme oven that runs the import
    """

    conn_type = "acme"
    default_conn_name = "acme_default"
    hook_name = "Acme"

    def __init__(self, conn_id: str | None = None, oven: str = "1") -> None:
        super().__init__(conn_id)
        self.oven = oven

    def authenticate(self, settings: ConnectionSettings) -> Flow[Credential]:
        """Get a key for the login's PIN."""
        settings.require("login", "password")
        fields = {"baker": settings.get_str("login"), "pin": settings.get_str("password")}
        response = yield form_request(f"{settings.base_url}/keys", fields)
        return Credential(
            parse_token_response(response, "Acme's login")["key"], obtained_at=response.received_at
        )

    def apply_auth(self, request: Request, credential: Credential) -> Request:
        """Present the key."""
        return replace(request, headers={**request.headers, "X-Acme-Key": credential.value})

    def poll(self, import_id: str) -> Flow[ImportStatus]:
        """Ask for the state, then for the counts."""
        path = f"/ovens/{quote_path_segment(self.oven)}/loaves/{quote_path_segment(import_id)}"
        response = yield from send_authenticated(self, Request("GET", path))
        if response.status == 404:
            raise ImportNotFoundError(f"Acme knows no loaf {import_id!r}.")
        raise_for_status(response, "Acme's state")
        word = str(read_json(response, "Acme's state").get("crust"))
        response = yield from send_authenticated(self, Request("GET", f"{path}/slices"))
        raise_for_status(response, "Acme's counts")
        slices = read_json(response, "Acme's counts")
        return ImportStatus(
            vendor=self.conn_type,
            import_id=import_id,
            state=STATES.get(word, ImportState.UNKNOWN),
            vendor_state=word,
            rows=RowCounts(total=parse_count(slices.get("all")), failed=parse_count(slices.get("crumbs"))),
            messages=extract_messages(response, slices.get("notes")),
        )
