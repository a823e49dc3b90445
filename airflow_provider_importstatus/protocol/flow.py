"""How a vendor is spoken to, without I/O: a flow yields effects and is sent their results.

The flows are methods of the hooks. They hold no socket, no lock and no clock, and exist once: a client runs
them with `requests` on a worker, with `aiohttp` in a triggerer, and a test by hand.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from airflow_provider_importstatus.exceptions import (
    ImportStatusError,
    ImportUnavailableError,
)
from airflow_provider_importstatus.protocol.messages import (
    Credential,
    Effect,
    NeedCredential,
    Request,
    Response,
)
from airflow_provider_importstatus.protocol.settings import ConnectionSettings
from airflow_provider_importstatus.status import ImportStatus

__all__ = [
    "ConnectionEdited",
    "Flow",
    "Returned",
    "Vendor",
    "advance",
    "send_authenticated",
]

T = TypeVar("T")
#: The one in hand, those that other processes have stored meanwhile, our own.
MAX_CREDENTIALS = 5


@dataclass(frozen=True, slots=True)
class Returned(Generic[T]):
    """What a conversation has returned."""

    result: T


#: A script: run by its owner, or by hand in a test.
Flow: TypeAlias = Generator[Effect, Any, T]


class Vendor(Protocol):
    """What is particular to a vendor, bound to one reading of its connection."""

    @property
    def settings(self) -> ConnectionSettings:
        """The connection as it was read."""

    @property
    def hook_name(self) -> str:
        """The vendor's name, for people."""

    def static_credential(self, settings: ConnectionSettings) -> Credential | None:
        """The credential that stands ready in the connection."""

    def authenticate(self, settings: ConnectionSettings) -> Flow[Credential]:
        """Get a credential."""

    def token_url(self, settings: ConnectionSettings) -> str:
        """Where `log_in` gets a credential."""

    def shared_token_name(self, settings: ConnectionSettings) -> str | None:
        """The name under which processes share one credential; None where each may have its own."""

    def apply_auth(self, request: Request, credential: Credential) -> Request:
        """The request with the credential presented."""

    def effective_status(self, response: Response) -> int:
        """The HTTP status that an answer means, whatever it was sent with."""

    def poll(self, import_id: str) -> Flow[ImportStatus]:
        """Ask once how an import is going."""


def advance(talk: Flow[T], answer: Any = None) -> Effect | Returned[T]:
    """Hand over the answer, or the error in its place; get the next wish, or the result."""
    try:
        if isinstance(answer, ImportStatusError):
            # Thrown in, so that the traceback names the line of the script that was waiting.
            return talk.throw(answer)
        return talk.send(answer)
    except StopIteration as stop:
        return Returned(stop.value)


class ConnectionEdited(Exception):
    """The connection was edited in mid-poll: the poll begins anew, with the new reading only."""


def send_authenticated(vendor: Vendor, request: Request) -> Flow[Response]:
    """The answer to `request`; a refused credential is replaced as long as there is another."""
    need = NeedCredential()
    for _ in range(MAX_CREDENTIALS):
        credential: Credential = yield need
        response = yield from _send(vendor, request, credential)
        if response.status not in (401, 403):
            credential.is_accepted = True
            return response
        need = NeedCredential(credential, f"HTTP {response.status} ({response.excerpt()})")
    raise ImportUnavailableError(
        f"{vendor.hook_name} rejected {MAX_CREDENTIALS} credentials in a row: {need.reason}."
        " Other processes replace them faster than they can be used."
    )


def _send(vendor: Vendor, request: Request, credential: Credential) -> Flow[Response]:
    url = vendor.settings.base_url + request.url if request.url.startswith("/") else request.url
    response: Response = yield vendor.apply_auth(replace(request, url=url), credential)
    return replace(
        response,
        status=vendor.effective_status(response),
        secrets=(credential.value, *credential.secrets, vendor.settings.password),
    )
