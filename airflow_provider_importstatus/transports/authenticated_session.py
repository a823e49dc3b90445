"""A `requests` session for a vendor's other calls, such as submitting files."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import requests
from requests.utils import rewind_body

from airflow_provider_importstatus.exceptions import ImportStatusError
from airflow_provider_importstatus.protocol.flow import Vendor
from airflow_provider_importstatus.protocol.messages import Credential, Request, Response
from airflow_provider_importstatus.protocol.settings import ConnectionSettings, origin
from airflow_provider_importstatus.transports.body import plain_headers
from airflow_provider_importstatus.transports.deadline import Deadline
from airflow_provider_importstatus.transports.requests_transport import Session
from airflow_provider_importstatus.transports.tls import root_cause

__all__ = ["AuthenticatedSession"]

log = logging.getLogger(__name__)

#: Longer bodies are treated as files, whose transfer may take longer than an ordinary call. In bytes.
MAX_SMALL_BODY = 64 * 1024
#: A URL with a scheme; leading white space is ignored, as by requests.
HAS_SCHEME = re.compile(r"\s*[a-z][a-z0-9+.-]*:", re.IGNORECASE)

V = TypeVar("V", bound=Vendor)


class AuthenticatedSession(Session, Generic[V]):
    """A session that authenticates requests to the connection's own origin only.

    Submitting a file often ends in a PUT to third-party storage, which must not see the vendor's credential.

    The connection's `timeout` bounds an ordinary request as a whole. For file transfers (``stream=True``, a
    streamed body, or one of more than 64 KiB), and if the caller passes a timeout, it bounds silence, as in
    plain requests, and `transfer_timeout` bounds the whole request.

    :param snapshot: returns the vendor with the connection's latest settings
    :param credential: returns a credential, other than the rejected one if given, and the vendor with the
        settings that it belongs to
    """

    def __init__(
        self,
        snapshot: Callable[[], V],
        credential: Callable[[Credential | None], tuple[V, Credential]],
        user_agent: str,
    ) -> None:
        super().__init__(snapshot().settings, user_agent)
        self._snapshot = snapshot
        self._credential = credential

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """Prepare a request for sending; a URL without a scheme is below the base URL."""
        url = request.url.decode() if isinstance(request.url, bytes) else str(request.url)
        if not HAS_SCHEME.match(url):
            base = self._snapshot().settings.base_url
            request.url = f"{base}{url}" if url.startswith(("/", "?")) else f"{base}/{url}"
        return super().prepare_request(request)

    def merge_environment_settings(
        self,
        url: str | bytes | None,  # noqa: ARG002 - as in requests
        proxies: Any,
        stream: Any,
        verify: Any,
        cert: Any,
    ) -> Any:
        """Return the caller's options unchanged; `send` adds those of the connection and the environment."""
        return {"proxies": proxies, "stream": stream, "verify": verify, "cert": cert}

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send a prepared request and return the response; `requests` also calls this for each redirect."""
        vendor = self._snapshot()
        if not _is_own(request, vendor):
            return self._send(request, vendor.settings, kwargs)
        vendor, credential = self._credential(None)
        if not _is_own(request, vendor):
            return self._send(request, vendor.settings, kwargs)
        reply = self._send(_authenticated(request, vendor, credential), vendor.settings, kwargs)
        # The last hop of a followed redirect has been handled by its own call.
        is_rejected = not reply.history and _is_rejected(reply, vendor)
        credential.is_accepted = credential.is_accepted or not is_rejected
        if not is_rejected or not _rewind(request):
            return reply
        try:
            vendor, credential = self._credential(credential)
        except ImportStatusError as error:
            log.warning("The rejected credential could not be renewed. %s", error)
            return reply
        # The connection may have been edited: its new credential must not go to the old host.
        if not _is_own(request, vendor):
            return reply
        reply.close()
        return self._send(_authenticated(request, vendor, credential), vendor.settings, kwargs)

    def _send(
        self, request: requests.PreparedRequest, settings: ConnectionSettings, chosen: dict[str, Any]
    ) -> requests.Response:
        options = {**chosen, **self.send_options(settings, request.url, chosen)}
        total = settings.timeout
        if options.get("timeout") is not None or options["stream"] or _may_be_file(request):
            total = settings.transfer_timeout
        if options.get("timeout") is None:
            options["timeout"] = settings.timeout
        running = Deadline.running()
        if running and running.owner is self:
            # A redirect: the deadline of the first request applies.
            return self._send_secretly(request, options)
        with Deadline(total, owner=self) as deadline:
            reply = self._send_secretly(request, options)
            if options["stream"]:
                deadline.stop_with(reply.raw)
            return reply

    def _send_secretly(self, request: requests.PreparedRequest, options: dict[str, Any]) -> requests.Response:
        """Send a request; a key in its query is neither in the response's URL nor in an error."""
        if not isinstance(request, _AuthenticatedRequest) or request.url == request.original.url:
            return super().send(request, **options)
        try:
            reply = super().send(request, **options)
        except requests.RequestException as error:
            url = (request.original.url or "").partition("?")[0]
            text = f"{request.method} {url}: {root_cause(error)}."
            raise type(error)(text, request=request.original) from None
        for each in (reply, *reply.history):
            if isinstance(each.request, _AuthenticatedRequest):
                each.url = each.request.original.url or ""
        return reply


class _AuthenticatedRequest(requests.PreparedRequest):
    """A request with a credential. Copies have none, since requests copies it for redirects to any host."""

    original: requests.PreparedRequest

    def copy(self) -> requests.PreparedRequest:
        return self.original.copy()


def _authenticated(
    request: requests.PreparedRequest, vendor: Vendor, credential: Credential
) -> _AuthenticatedRequest:
    authenticated = _AuthenticatedRequest()
    authenticated.__dict__.update(request.copy().__dict__, original=request)
    applied = vendor.apply_auth(Request(request.method or "GET", request.url or ""), credential)
    authenticated.headers.update(applied.headers)
    authenticated.url = applied.url
    return authenticated


def _is_own(request: requests.PreparedRequest, vendor: Vendor) -> bool:
    return origin(request.url or "") == origin(vendor.settings.base_url)


def _is_rejected(reply: requests.Response, vendor: Vendor) -> bool:
    if reply.status_code in (401, 403):
        return True
    if reply.status_code != 400:
        return False
    response = Response(reply.status_code, plain_headers(reply.headers.items()), reply.content)
    return vendor.effective_status(response) in (401, 403)


def _may_be_file(request: requests.PreparedRequest) -> bool:
    body = request.body
    return not (body is None or (isinstance(body, str | bytes | bytearray) and len(body) <= MAX_SMALL_BODY))


def _rewind(request: requests.PreparedRequest) -> bool:
    """Rewind the body to send it again; return whether that was possible."""
    if request.body is None or isinstance(request.body, str | bytes | bytearray):
        return True
    # A generator is exhausted, and would be sent as an empty file.
    if getattr(request, "_body_position", None) is None:
        return False
    try:
        rewind_body(request)
    except requests.exceptions.UnrewindableBodyError:
        return False
    return True
