"""Carries a conversation with `requests`: on workers."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any, TypeVar

import requests
import urllib3

from airflow_provider_importstatus.exceptions import (
    ImportRequestError,
    ImportStatusError,
    ImportUnavailableError,
)
from airflow_provider_importstatus.protocol.flow import Flow, Returned, advance
from airflow_provider_importstatus.protocol.messages import Effect, Request, Response
from airflow_provider_importstatus.protocol.settings import ConnectionSettings
from airflow_provider_importstatus.transports.body import ACCEPT_ENCODING, Body, plain_headers
from airflow_provider_importstatus.transports.deadline import Deadline, DeadlineAdapter, DeadlinePassedError
from airflow_provider_importstatus.transports.tls import (
    certificate_error,
    environment_error,
    root_cause,
    underlying_error,
)

__all__ = ["Session", "exchange", "run_flow"]

T = TypeVar("T")
CHUNK = 64 * 1024


class Session(requests.Session):
    """A session that takes proxy and certificates from a connection, and nothing from ``.netrc``."""

    def __init__(self, settings: ConnectionSettings, user_agent: str) -> None:
        super().__init__()
        self.headers["User-Agent"] = user_agent
        self.auth = _unchanged
        self._settings = settings
        for scheme in ("https://", "http://"):
            self.mount(scheme, DeadlineAdapter())

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return where an answer redirects to; requests raises for a Location that is no UTF-8."""
        try:
            return super().get_redirect_target(resp)
        except UnicodeDecodeError:
            return None

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Do what requests does for a redirect, but for its look into ``.netrc``."""
        before, now = str(response.request.url), str(prepared_request.url)
        if "Authorization" in prepared_request.headers and self.should_strip_auth(before, now):  # type: ignore[no-untyped-call]
            del prepared_request.headers["Authorization"]

    def merge_environment_settings(
        self, url: str | bytes | None, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> Any:
        """The environment's settings, but where the connection has its own those win."""
        chosen = {"proxies": proxies, "stream": stream, "verify": verify, "cert": cert}
        return self.send_options(self._settings, url, chosen)

    def send_options(
        self, settings: ConnectionSettings, url: Any, chosen: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return how to send a request: as the caller chose, else the connection, else the environment."""
        proxies, verify = dict(chosen.get("proxies") or {}), chosen.get("verify")
        # Asked now: requests puts the environment's proxies into the same dictionary.
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


def run_flow(talk: Flow[T], answer: Callable[[Effect], Any]) -> T:
    """Run a conversation to its result; `answer` gives what it asks for."""
    with closing(talk):
        turn = advance(talk)
        while not isinstance(turn, Returned):
            try:
                reply = answer(turn)
            except ImportStatusError as error:
                reply = error
            turn = advance(talk, reply)
        return turn.result


def exchange(request: Request, session: requests.Session, timeout: float) -> Response:
    """Send one request and read the answer, all within `timeout` seconds."""
    where = f"{request.method} {request.url.partition('?')[0]}"
    # Cookies are state that the other transport has not.
    session.cookies.clear()
    try:
        with Deadline(timeout):
            return _exchange(request, session, timeout, where)
    except DeadlinePassedError as error:
        raise ImportUnavailableError(
            f"{where} brought no answer: timed out after {timeout:g} seconds."
        ) from error
    except requests.exceptions.SSLError as error:
        raise _tls_error(error, where) from error
    except (requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError) as error:
        raise ImportUnavailableError(f"{where} brought no answer: {root_cause(error)}.") from error
    except (requests.RequestException, ValueError) as error:
        if isinstance(underlying_error(error), urllib3.exceptions.InvalidHeader):
            raise ImportUnavailableError(f"{where} brought no HTTP: InvalidHeader.") from error
        # Its text quotes headers, and so credentials.
        raise ImportRequestError(f"{where} cannot be sent: {type(error).__name__}.") from None
    except OSError as error:
        # The connection's own file was tried when the connection was read.
        raise environment_error(error) from error


def _exchange(request: Request, session: requests.Session, timeout: float, where: str) -> Response:
    with session.request(
        request.method,
        request.url,
        headers={**request.headers, "Accept-Encoding": ACCEPT_ENCODING},
        data=request.body,
        timeout=timeout,
        allow_redirects=False,
        stream=True,
    ) as reply:
        headers = plain_headers(reply.raw.headers.items())
        body = Body(headers, where)
        # Not `stream`: that reads a chunk's header of any length.
        while chunk := reply.raw.read(CHUNK, decode_content=False):
            body.add(chunk)
        return Response(reply.status_code, headers, body.whole(), received_at=time.time())


def _tls_error(error: BaseException, where: str) -> ImportStatusError:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return certificate_error(where, cause)
        cause = underlying_error(cause)
    return ImportUnavailableError(f"{where} brought no answer: {root_cause(error)}.")
