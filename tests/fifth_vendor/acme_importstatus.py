"""A vendor that this package does not know: another login, other words, two questions a look."""

from __future__ import annotations

from dataclasses import replace

from airflow_provider_importstatus.answers import check, check_login, count, read_json, said
from airflow_provider_importstatus.conversation import Conversation, Credential, Request, ask, form, segment
from airflow_provider_importstatus.exceptions import ImportNotFoundError
from airflow_provider_importstatus.hooks.base import ImportStatusHook
from airflow_provider_importstatus.settings import Settings
from airflow_provider_importstatus.status import ImportState, ImportStatus, RowCounts

STATES = {
    "baking": ImportState.RUNNING,
    "done": ImportState.SUCCEEDED,
    "burnt": ImportState.FAILED,
}


class AcmeHook(ImportStatusHook):
    """Asks Acme how an import is going.

    :param oven: which of Acme's ovens does the import
    """

    conn_type = "acme"
    default_conn_name = "acme_default"
    hook_name = "Acme"

    def __init__(self, conn_id: str | None = None, oven: str = "1") -> None:
        super().__init__(conn_id)
        self.oven = oven

    def log_in(self, settings: Settings) -> Conversation[Credential]:
        """Get a key for the login's PIN."""
        settings.require("login", "password")
        fields = {"baker": settings.text("login"), "pin": settings.text("password")}
        response = yield form(f"{settings.base_url}/keys", fields)
        return Credential(check_login(response, "Acme's login")["key"], minted_at=response.received_at)

    def sign(self, request: Request, credential: Credential) -> Request:
        """Present the key."""
        return replace(request, headers={**request.headers, "X-Acme-Key": credential.value})

    def look(self, import_id: str) -> Conversation[ImportStatus]:
        """Ask for the state, then for the counts."""
        path = f"/ovens/{segment(self.oven)}/loaves/{segment(import_id)}"
        response = yield from ask(self, Request("GET", path))
        if response.status == 404:
            raise ImportNotFoundError(f"Acme knows no loaf {import_id!r}.")
        check(response, "Acme's state")
        word = str(read_json(response, "Acme's state").get("crust"))
        response = yield from ask(self, Request("GET", f"{path}/slices"))
        check(response, "Acme's counts")
        slices = read_json(response, "Acme's counts")
        return ImportStatus(
            vendor=self.conn_type,
            import_id=import_id,
            state=STATES.get(word, ImportState.UNKNOWN),
            vendor_state=word,
            rows=RowCounts(total=count(slices.get("all")), failed=count(slices.get("crumbs"))),
            messages=said(response, slices.get("notes")),
        )
