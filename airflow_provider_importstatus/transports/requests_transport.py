"""The `requests` transport, used on workers."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Any, TypeVar

import requests
import urllib3
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from airflow_provider_importstatus.exceptions import (
    ImportRequestError,
    ImportStatusError,
    ImportUnavailableError,
)
from airflow_provider_importstatus.protocol.flow import Flow, Returned, advance
from airflow_provider_importstatus.protocol.messages import Effect, Request, Response
from airflow_provider_importstatus.protocol.settings import ConnectionSettings
from airflow_provider_importstatus.protocol.transfers import Upload
from airflow_provider_importstatus.transports.body import ACCEPT_ENCODING, Body, plain_headers
from airflow_provider_importstatus.transports.deadline import Deadline, DeadlineAdapter, DeadlinePassedError
from airflow_provider_importstatus.transports.tls import (
    causes,
    certificate_error,
    environment_error,
    root_cause,
)
from airflow_provider_importstatus.transports.upload import UploadBody
from airflow_provider_importstatus.transports.url_secrecy import hidden_path, hidden_queries, without_cause

__all__ = ["Session", "exchange", "run_flow"]

T = TypeVar("T")
CHUNK = 64 * 1024


class Session(requests.Session):
    """A session with the proxy and certificates of a connection. It ignores ``.netrc``."""

    def __init__(self, settings: ConnectionSettings, user_agent: str) -> None:
        super().__init__()
        self.headers["User-Agent"] = user_agent
        self.auth = _unchanged
        self._settings = settings
        for scheme in ("https://", "http://"):
            self.mount(scheme, DeadlineAdapter())

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return the target of a redirect; None if `Location` is not UTF-8, where requests would raise."""
        try:
            return super().get_redirect_target(resp)
        except UnicodeDecodeError:
            return None

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Remove credentials on redirects as requests does, but without reading ``.netrc``."""
        before, now = str(response.request.url), str(prepared_request.url)
        if "Authorization" in prepared_request.headers and self.should_strip_auth(before, now):  # type: ignore[no-untyped-call]
            del prepared_request.headers["Authorization"]

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send a prepared request and return the response."""
        with hidden_queries():
            return super().send(request, **kwargs)

    def merge_environment_settings(
        self, url: str | bytes | None, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> Any:
        """Return the options of a request; the connection's settings override the environment's."""
        chosen = {"proxies": proxies, "stream": stream, "verify": verify, "cert": cert}
        return self.send_options(self._settings, url, chosen)

    def send_options(
        self, settings: ConnectionSettings, url: Any, chosen: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the options of a request: the caller's, else the connection's, else the environment's."""
        proxies, verify = dict(chosen.get("proxies") or {}), chosen.get("verify")
        # Checked first: requests adds the environment's proxies to the same dictionary.
        is_proxy_chosen = bool(proxies)
        merged: dict[str, Any] = dict(
            super().merge_environment_settings(url, proxies, chosen.get("stream"), verify, chosen.get("cert"))
        )
        if verify is None and settings.verify is not True:
            merged["verify"] = settings.verify
        if not is_proxy_chosen and settings.proxy:
            merged["proxies"] = {"http": settings.proxy, "https": settings.proxy}
        return merged


def _unchanged(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def run_flow(flow: Flow[T], perform: Callable[[Effect], Any]) -> T:
    """Run a flow and return its result; `perform` carries out each effect and returns the reply."""
    with closing(flow):
        turn = advance(flow)
        while not isinstance(turn, Returned):
            try:
                reply = perform(turn)
            except ImportStatusError as error:
                reply = error
            turn = advance(flow, reply)
        return turn.result


def exchange(
    request: Request, session: requests.Session, timeout: float, transfer_timeout: float = 0.0
) -> Response:
    """Send one request and return the complete response.

    :param timeout: maximum duration in seconds; of a file transfer, the longest silence
    :param transfer_timeout: maximum duration of a file transfer in seconds
    """
    try:
        with hidden_path(request):
            return _send(request, session, timeout, transfer_timeout)
    except ImportStatusError as error:
        raise without_cause(error, request)  # noqa: B904 - it keeps its own cause


def _send(request: Request, session: requests.Session, timeout: float, transfer_timeout: float) -> Response:
    if not isinstance(request.body, Upload):
        total = transfer_timeout if request.is_transfer else timeout
        return _within(total, request, request.body, session, timeout)
    with UploadBody(request.body) as body:
        try:
            return _within(transfer_timeout, request, body, session, timeout)
        except ImportUnavailableError as error:
            error.is_unsent = error.is_unsent or not body.is_sent
            raise


def _within(
    total: float, request: Request, body: bytes | UploadBody | None, session: requests.Session, timeout: float
) -> Response:
    where = request.label
    # The other transport keeps no cookies either.
    session.cookies.clear()
    deadline = Deadline(total)
    try:
        with deadline:
            return _exchange(request, body, session, timeout)
    except DeadlinePassedError as error:
        taken = round(deadline.seconds, 1)
        reason = f"timed out after {taken:g} seconds" if taken else "the wait's deadline has passed"
        raise ImportUnavailableError(f"{where} got no response: {reason}.") from error
    except requests.exceptions.SSLError as error:
        raise _tls_error(error, where) from error
    except (requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError) as error:
        is_unconnected = _is_unconnected(error)
        advice = " Nothing was sent: check the connection's host and proxy." if is_unconnected else ""
        unavailable = ImportUnavailableError(f"{where} got no response: {root_cause(error)}.{advice}")
        unavailable.is_unsent = is_unconnected
        raise unavailable from error
    except (requests.RequestException, ValueError) as error:
        if any(isinstance(cause, urllib3.exceptions.InvalidHeader) for cause in causes(error)):
            raise ImportUnavailableError(f"{where} got an invalid HTTP response: InvalidHeader.") from error
        # Its text quotes headers and thus credentials.
        raise ImportRequestError(f"{where} cannot be sent: {type(error).__name__}.") from None
    except OSError as error:
        # The connection's own CA file was checked when the connection was read.
        raise environment_error(error) from error


def _exchange(
    request: Request, body: bytes | UploadBody | None, session: requests.Session, timeout: float
) -> Response:
    # A file is stored as it arrives.
    headers = {**request.headers, "Accept-Encoding": "identity" if request.sink else ACCEPT_ENCODING}
    if isinstance(body, UploadBody):
        headers["Content-Type"] = body.content_type
    with session.request(
        request.method,
        request.url,
        headers=headers,
        data=body,
        timeout=timeout,
        allow_redirects=False,
        stream=True,
    ) as reply:
        headers = plain_headers(reply.raw.headers.items())
        if request.sink is not None and 200 <= reply.status_code < 300:
            request.sink.save(headers, _chunks(reply, decode=True))
            return Response(reply.status_code, headers, received_at=time.time())
        answer = Body(headers, request.label)
        for chunk in _chunks(reply, decode=False):
            answer.add(chunk)
        return Response(reply.status_code, headers, answer.whole(), received_at=time.time())


def _chunks(reply: requests.Response, *, decode: bool) -> Iterator[bytes]:
    # Not `stream`: it reads chunk headers of any length.
    while chunk := reply.raw.read(CHUNK, decode_content=decode):
        yield chunk
    if deadline := Deadline.running():
        deadline.check()


def _is_unconnected(error: BaseException) -> bool:
    """Return whether no connection was established, so that nothing was sent."""
    unconnected = (requests.ConnectTimeout, NewConnectionError, ConnectTimeoutError)
    return any(isinstance(cause, unconnected) for cause in causes(error))


def _tls_error(error: BaseException, where: str) -> ImportStatusError:
    for cause in causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return certificate_error(where, cause)
    return ImportUnavailableError(f"{where} got no response: {root_cause(error)}.")
