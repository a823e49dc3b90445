"""A `requests` session for whatever else a DAG asks of a vendor: submitting files, above all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import requests
from requests.utils import rewind_body

from airflow_provider_importstatus.protocol.flow import Vendor
from airflow_provider_importstatus.protocol.messages import Credential, Request, Response
from airflow_provider_importstatus.protocol.settings import ConnectionSettings, origin
from airflow_provider_importstatus.transports.body import plain_headers
from airflow_provider_importstatus.transports.deadline import Deadline
from airflow_provider_importstatus.transports.requests_transport import Session

__all__ = ["AuthenticatedSession"]

#: A longer body is taken for a file's, in bytes: it may travel for longer than an ordinary call takes.
MAX_SMALL_BODY = 64 * 1024

V = TypeVar("V", bound=Vendor)


class AuthenticatedSession(Session, Generic[V]):
    """Signs requests to the connection's own origin and to no other.

    Submitting often ends in a PUT to somebody else's storage, which must not see the vendor's credential.

    The connection's `timeout` bounds an ordinary request as a whole. Where a file may travel
    (``stream=True``, a streamed body, or one of more than 64 KiB) it bounds silence, as in plain requests,
    and `transfer_timeout` the whole; likewise where the caller gives a timeout.

    :param snapshot: gives the vendor with the settings of the connection as it was read last
    :param credential: gives the credential, or another one for the refused one, and the vendor with the
        settings that it belongs to
    """

    def __init__(
        self,
        snapshot: Callable[[], V],
        credential: Callable[[V, Credential | None], tuple[V, Credential]],
        user_agent: str,
    ) -> None:
        super().__init__(snapshot().settings, user_agent)
        self._snapshot = snapshot
        self._credential = credential

    def request(self, method: Any, url: Any, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a request; a URL that begins with a slash is below the connection's base."""
        if isinstance(url, str) and url.startswith("/"):
            url = self._snapshot().settings.base_url + url
        return super().request(method, url, *args, **kwargs)

    def merge_environment_settings(
        self,
        url: str | bytes | None,  # noqa: ARG002 - as in requests
        proxies: Any,
        stream: Any,
        verify: Any,
        cert: Any,
    ) -> Any:
        """Leave what the caller did not choose to `send`, which knows the snapshot."""
        return {"proxies": proxies, "stream": stream, "verify": verify, "cert": cert}

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send one prepared request; `requests` calls this for each hop of a redirect, too."""
        vendor = self._snapshot()
        if not _is_own(request, vendor):
            return self._send(request, vendor.settings, kwargs)
        vendor, credential = self._credential(vendor, None)
        if not _is_own(request, vendor):
            return self._send(request, vendor.settings, kwargs)
        reply = self._send(_signed(request, vendor, credential), vendor.settings, kwargs)
        # Where a redirect was followed, its last hop has seen to itself.
        is_refused = not reply.history and _is_refused(reply, vendor)
        credential.is_accepted = credential.is_accepted or not is_refused
        if not is_refused or not _is_rewound(request):
            return reply
        vendor, credential = self._credential(vendor, credential)
        # The connection may have been edited: its new credential is not for its old host.
        if not _is_own(request, vendor):
            return reply
        reply.close()
        return self._send(_signed(request, vendor, credential), vendor.settings, kwargs)

    def _send(
        self, request: requests.PreparedRequest, settings: ConnectionSettings, chosen: dict[str, Any]
    ) -> requests.Response:
        options = {**chosen, **self.send_options(settings, request.url, chosen)}
        whole = settings.timeout
        if options.get("timeout") is not None or options["stream"] or _may_be_a_file(request):
            whole = settings.transfer_timeout
        if options.get("timeout") is None:
            options["timeout"] = settings.timeout
        if Deadline.running():
            # A hop of a redirect: within the time of the first request.
            return super().send(request, **options)
        with Deadline(whole) as deadline:
            reply = super().send(request, **options)
            if options["stream"]:
                deadline.stop_with(reply.raw)
            return reply


class _Signed(requests.PreparedRequest):
    """A request with a credential. Its copies have none: a redirect is a copy, whatever its target."""

    original: requests.PreparedRequest

    def copy(self) -> requests.PreparedRequest:
        return self.original.copy()


def _signed(request: requests.PreparedRequest, vendor: Vendor, credential: Credential) -> _Signed:
    signed = _Signed()
    signed.__dict__.update(request.copy().__dict__, original=request)
    plain = Request(request.method or "GET", request.url or "")
    signed.headers.update(vendor.apply_auth(plain, credential).headers)
    return signed


def _is_own(request: requests.PreparedRequest, vendor: Vendor) -> bool:
    return origin(request.url or "") == origin(vendor.settings.base_url)


def _is_refused(reply: requests.Response, vendor: Vendor) -> bool:
    if reply.status_code in (401, 403):
        return True
    if reply.status_code != 400:
        return False
    response = Response(reply.status_code, plain_headers(reply.headers.items()), reply.content)
    return vendor.effective_status(response) in (401, 403)


def _may_be_a_file(request: requests.PreparedRequest) -> bool:
    body = request.body
    return not (body is None or (isinstance(body, str | bytes | bytearray) and len(body) <= MAX_SMALL_BODY))


def _is_rewound(request: requests.PreparedRequest) -> bool:
    """Whether the body can be sent once more, from its beginning."""
    if request.body is None or isinstance(request.body, str | bytes | bytearray):
        return True
    # A generator has no position: it is used up, and would be sent as an empty file.
    if getattr(request, "_body_position", None) is None:
        return False
    try:
        rewind_body(request)
    except requests.exceptions.UnrewindableBodyError:
        return False
    return True
