"""Carries a conversation with `requests`: on workers."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any, TypeVar

import requests
import urllib3

from airflow_provider_importstatus.conversation import (
    MAX_BODY,
    Conversation,
    Finished,
    Request,
    Response,
    Step,
    step,
)
from airflow_provider_importstatus.exceptions import (
    ImportProtocolError,
    ImportRequestError,
    ImportStatusError,
    ImportUnavailableError,
)
from airflow_provider_importstatus.settings import Settings
from airflow_provider_importstatus.transports.deadline import DeadlineAdapter
from airflow_provider_importstatus.transports.trust import below, cause_of, untrusted, unusable_environment

__all__ = ["Session", "converse", "exchange"]

T = TypeVar("T")
CHUNK = 64 * 1024


class Session(requests.Session):
    """A session that takes proxy and certificates from a connection, and nothing from ``.netrc``."""

    def __init__(self, settings: Settings, user_agent: str) -> None:
        super().__init__()
        self.headers["User-Agent"] = user_agent
        self.auth = _unchanged
        self._settings = settings
        for scheme in ("https://", "http://"):
            self.mount(scheme, DeadlineAdapter())

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Leave credentials to whoever signs: requests would look into ``.netrc`` here."""

    def merge_environment_settings(
        self, url: str | bytes | None, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> Any:
        """The environment's settings, but where the connection has its own those win."""
        # Asked now: requests puts the environment's proxies into the same dictionary.
        is_chosen = bool(proxies)
        merged: dict[str, Any] = dict(super().merge_environment_settings(url, proxies, stream, verify, cert))
        if verify is None and self._settings.verify is not True:
            merged["verify"] = self._settings.verify
        if not is_chosen and self._settings.proxy:
            merged["proxies"] = {"http": self._settings.proxy, "https": self._settings.proxy}
        return merged


def _unchanged(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def converse(talk: Conversation[T], answer: Callable[[Step], Any]) -> T:
    """Run a conversation to its result; `answer` gives what it asks for."""
    with closing(talk):
        turn = step(talk)
        while not isinstance(turn, Finished):
            try:
                reply = answer(turn)
            except ImportStatusError as error:
                reply = error
            turn = step(talk, reply)
        return turn.result


def exchange(request: Request, session: requests.Session, timeout: float) -> Response:
    """Send one request and read the answer, all within `timeout` seconds."""
    ends = time.monotonic() + timeout
    where = f"{request.method} {request.url.partition('?')[0]}"
    # Cookies are state that the other transport has not.
    session.cookies.clear()
    try:
        with session.request(
            request.method,
            request.url,
            headers=dict(request.headers),
            data=request.body,
            timeout=timeout,
            allow_redirects=False,
            stream=True,
        ) as reply:
            body = _read(reply, ends, where)
            headers = {name.lower(): value for name, value in reply.headers.items()}
            return Response(reply.status_code, headers, body, received_at=time.time())
    except requests.exceptions.SSLError as error:
        raise _tls_error(error, where) from error
    except (requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError) as error:
        raise ImportUnavailableError(f"{where} brought no answer: {cause_of(error)}.") from error
    except requests.RequestException as error:
        # Its text quotes headers, and so credentials.
        raise ImportRequestError(f"{where} cannot be sent: {type(error).__name__}.") from None
    except OSError as error:
        # The connection's own file was tried when the connection was read.
        raise unusable_environment(error) from error


def _read(reply: requests.Response, ends: float, where: str) -> bytes:
    body = bytearray()
    # read1 returns what has arrived: a server that sends a byte at a time cannot keep us past the deadline.
    while chunk := reply.raw.read1(CHUNK, decode_content=True):
        body += chunk
        if len(body) > MAX_BODY:
            raise ImportProtocolError(f"{where} answered with more than {MAX_BODY} bytes.")
        if time.monotonic() > ends:
            break
    if time.monotonic() > ends:
        raise ImportUnavailableError(f"{where} brought no whole answer in time.")
    return bytes(body)


def _tls_error(error: BaseException, where: str) -> ImportStatusError:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return untrusted(where, cause)
        cause = below(cause)
    return ImportUnavailableError(f"{where} brought no answer: {cause_of(error)}.")
