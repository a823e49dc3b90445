"""Flows: a vendor's protocol without I/O. A flow yields effects and is sent their results.

Flows are methods of the hooks. They have no socket, lock or clock, and are written once: a client runs them
with `requests` on a worker and with `aiohttp` in a triggerer, and tests run them by hand.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from airflow_provider_importstatus.exceptions import (
    ImportProtocolError,
    ImportStatusError,
    ImportUnavailableError,
    SubmissionUncertainError,
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
    "may_have_started",
    "send_authenticated",
]

T = TypeVar("T")
#: The current one, those that other processes stored meanwhile, and our own.
MAX_CREDENTIALS = 5


@dataclass(frozen=True, slots=True)
class Returned(Generic[T]):
    """The result of a flow that has ended."""

    result: T


#: A generator that yields effects, is sent their results, and returns a result of its own.
Flow: TypeAlias = Generator[Effect, Any, T]


class Vendor(Protocol):
    """The vendor-specific part of a hook, bound to one reading of its connection."""

    @property
    def settings(self) -> ConnectionSettings:
        """Return the connection's settings."""

    @property
    def hook_name(self) -> str:
        """Return the vendor's display name."""

    def static_credential(self, settings: ConnectionSettings) -> Credential | None:
        """Return the credential that the connection contains, if any."""

    def authenticate(self, settings: ConnectionSettings) -> Flow[Credential]:
        """Obtain a credential and return it."""

    def token_url(self, settings: ConnectionSettings) -> str:
        """Return the URL of `authenticate`'s request."""

    def shared_token_name(self, settings: ConnectionSettings) -> str | None:
        """Return the name under which processes share one credential; None if each may have its own."""

    def apply_auth(self, request: Request, credential: Credential) -> Request:
        """Return the request with the credential added."""

    def effective_status(self, response: Response) -> int:
        """Return the HTTP status that the response stands for, which may differ from its own."""

    def poll(self, import_id: str) -> Flow[ImportStatus]:
        """Poll an import once and return its status."""


def advance(flow: Flow[T], reply: Any = None) -> Effect | Returned[T]:
    """Send a reply or an error; return the next effect or the result."""
    try:
        if isinstance(reply, ImportStatusError):
            # Thrown in, so that the traceback shows the line of the flow that was waiting.
            return flow.throw(reply)
        return flow.send(reply)
    except StopIteration as stop:
        return Returned(stop.value)


class ConnectionEdited(Exception):
    """The connection was edited during a poll. The poll starts again with the new settings only."""


def send_authenticated(vendor: Vendor, request: Request) -> Flow[Response]:
    """Send `request` with a credential and return the response. Rejected credentials are replaced.

    :raises ImportAuthError: the vendor rejects the credential, and there is no other
    :raises SubmissionUncertainError: the request starts an import, and may have arrived
    :raises ImportUnavailableError: no response came
    """
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
        " Other processes replace them before they can be used."
    )


def _send(vendor: Vendor, request: Request, credential: Credential) -> Flow[Response]:
    url = vendor.settings.base_url + request.url if request.url.startswith("/") else request.url
    try:
        response: Response = yield vendor.apply_auth(replace(request, url=url), credential)
    except (ImportUnavailableError, ImportProtocolError) as error:
        if request.starts_import and not getattr(error, "is_unsent", False):
            raise may_have_started(str(error)) from error
        raise
    return replace(
        response,
        status=vendor.effective_status(response),
        secrets=(*credential.all_secrets, *vendor.settings.secrets),
    )


def may_have_started(reason: str) -> SubmissionUncertainError:
    """Return the error for a request that may have started an import whose id is unknown.

    :param reason: a sentence with the cause
    """
    return SubmissionUncertainError(
        f"{reason} The vendor may have started the import, so the request is not repeated. Look for the file"
        " in the vendor's system: wait for the import with a sensor if it is there, clear the task if not."
    )
